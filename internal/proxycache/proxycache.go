// Package proxycache serves projects that are caches of other registries: what
// such a project lacks is fetched, kept, and sent on as it comes. It promises that
// what was pulled once is served when the upstream is down, slow, or refuses; that
// one thing is fetched once, however many want it; and that nothing is kept that
// has another digest. Who may pull is decided before.
package proxycache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/remote"
)

// Faults of caches.
var (
	ErrFiltered = fault.New(fault.NotFound, "NOT_FOUND", "the project's repository filter does not let it be fetched from its registry")
	ErrBusy     = fault.New(fault.TooMany, "TOOMANYREQUESTS", "the project has as many connections to its registry as it may have")
	ErrUpstream = fault.New(fault.Unavailable, "UNAVAILABLE", "the registry that the project is a cache of does not give it")
)

// Limits.
const (
	askTime    = 30 * time.Second // for the upstream's answer about a tag
	askBriefly = 5 * time.Second  // where there is something to serve in its place
	wholeTime  = 2 * time.Minute  // to ask and to fetch a manifest
	rest       = 10 * time.Second // that an upstream or a repository gets which fails
	negative   = 10 * time.Second // that is not asked for again which it does not have
	mostRest   = 5 * time.Minute
	mostKnown  = 100_000  // tags and digests of which something is remembered
	mostTags   = 100_000  // of one repository
	mostListed = 500_000  // tags of lists that are remembered: 70 MB at most
	mostComing = 64 << 20 // bytes of manifests whose blobs are on their way

	patience    = 30 * time.Second // of a client that waits for a connection
	mostWaiting = 1000             // for a connection of one project
)

// Config is what a Service is made of.
type Config struct {
	Content   *registry.Service
	Projects  *project.Service
	Endpoints *endpoint.Service
	// Fresh is for how long a tag is served without asking the upstream for it
	// again.
	Fresh time.Duration
	Log   *slog.Logger
}

// A Service fetches what caches lack. It is safe for concurrent use.
type Service struct {
	Config

	ctx    context.Context //nolint:containedctx // of all that is fetched, whoever asked first
	cancel context.CancelFunc
	work   sync.WaitGroup
	asking singleflight.Group

	mu      sync.Mutex
	closed  bool
	begun   map[string]time.Time // what is done once, by its key
	known   map[string]finding
	lists   map[string]list // by repository
	listed  int             // tags in those
	coming  map[content]*manifest
	held    int64 // bytes of those
	owed    int   // pulls of those, which are not noted yet
	flights map[content]*flight
	resting map[target]pause
	lines   map[int64]*line // by project
	mirrors mirrors
}

// A content is something of a repository.
type content struct {
	repository string
	digest     oci.Digest
}

// A finding is what an upstream said of a tag or a digest.
type finding struct {
	digest  oci.Digest // what it is, or what it was here when that was said
	missing bool       // the upstream does not have it
	until   time.Time
}

// A target is a repository of an upstream, or all of it where that is empty.
type target struct {
	endpoint   int64
	repository string
}

// A pause is how long a target is left alone, and why.
type pause struct {
	until time.Time
	why   error
}

// New returns a service. Its owner closes it.
func New(c Config) *Service {
	s := &Service{
		Config: c, begun: map[string]time.Time{}, known: map[string]finding{}, lists: map[string]list{}, coming: map[content]*manifest{}, flights: map[content]*flight{},
		resting: map[target]pause{}, lines: map[int64]*line{},
	}
	s.ctx, s.cancel = context.WithCancel(access.With(context.Background(), access.Caller{Kind: access.Server, Name: "harbor#proxy-cache-service"}))
	return s
}

// Close ends all that is being fetched. What is not whole is fetched again when
// somebody wants it.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

// start runs what belongs to the service, or reports that it is closed.
func (s *Service) start(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(do)
	return true
}

var errClosed = ErrUpstream.With("the server stops")

// once does what several want at the same time, one time for all of them. It goes
// on, for as long as it may, also where nobody waits for it any longer.
func (s *Service) once(ctx context.Context, key string, within time.Duration, do func(context.Context) (any, error)) (any, error) {
	came := s.asking.DoChan(key, func() (found any, err error) {
		err = errClosed
		done := make(chan struct{})
		if s.start(func() {
			defer close(done)
			s.begins(key)
			defer s.ends(key)
			doing, cancel := context.WithTimeout(s.ctx, within)
			defer cancel()
			found, err = do(doing)
		}) {
			<-done
		}
		return found, err
	})
	select {
	case r := <-came:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *Service) begins(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[key] = time.Now()
}

func (s *Service) ends(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.begun, key)
}

// since returns when that began which is done once, or now.
func (s *Service) since(key string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.begun[key]; ok {
		return at
	}
	return time.Now()
}

// Of returns the content of a project that is a cache of an endpoint, and what of
// it that lacks. It has the methods of registry.Service that serve pulls.
func (s *Service) Of(upstream int64) *Cache { return &Cache{s, upstream} }

// A Cache is the content of projects that are caches of one endpoint.
type Cache struct {
	s        *Service
	endpoint int64
}

// A place is a repository here and at the upstream.
type place struct {
	artifact.Repo
	far string
}

// at returns where a repository is, by the name of which a client asks for it.
// Docker Hub's images without a namespace are those of library.
func (c *Cache) at(ctx context.Context, repo artifact.Repo) (place, error) {
	of, far := oci.SplitRepository(repo.Name)
	if strings.Contains(far, "/") {
		return place{repo, far}, nil
	}
	kind, err := c.s.Endpoints.Kind(ctx, c.endpoint)
	if err != nil {
		return place{}, fmt.Errorf("the registry that %s is a cache of: %w", of, err)
	}
	if kind == remote.DockerHub {
		far = "library/" + far
		repo.Name = of + "/" + far
	}
	return place{repo, far}, nil
}

// reach returns a client of the upstream, or why it is not to be asked now about a
// place.
func (c *Cache) reach(ctx context.Context, p place) (*remote.Registry, error) {
	if err := cmp.Or(c.s.rests(target{endpoint: c.endpoint}), c.s.rests(target{c.endpoint, p.far})); err != nil {
		return nil, err
	}
	return c.s.Endpoints.Client(ctx, c.endpoint)
}

// rules returns what a project says of how it fetches, or ErrFiltered where it may
// not fetch from a repository.
func (c *Cache) rules(ctx context.Context, p place) (project.CacheRules, error) {
	of, err := c.s.Projects.ByID(ctx, p.ProjectID)
	if err != nil {
		return project.CacheRules{}, err
	}
	r := of.Cache()
	if !r.Allows(p.far) {
		return r, ErrFiltered.With("%s", p.far)
	}
	return r, nil
}

// remember keeps for a while what an upstream said.
func (s *Service) remember(key string, f finding, holds time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= mostKnown {
		clear(s.known)
	}
	f.until = time.Now().Add(holds)
	s.known[key] = f
}

// recall returns what an upstream said, where that still holds.
func (s *Service) recall(key string) (finding, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.known[key]
	return f, ok && time.Now().Before(f.until)
}

// rests returns why a target is left alone at the moment, or nil.
func (s *Service) rests(t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.resting[t]
	left := time.Until(p.until)
	if left <= 0 {
		return nil
	}
	return waiting(p.why, left)
}

// failed has an upstream left alone for a while that allows no more requests, or
// from which no answer came. One that answers that it fails may do so for a place
// alone.
func (c *Cache) failed(p place, err error) {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return
	}
	t := target{endpoint: c.endpoint}
	switch {
	case f.Kind == fault.TooMany:
	case !errors.Is(f, remote.ErrUnavailable):
		return
	case f.Unwrap() == nil: // an answer, for which there is no cause here
		t.repository = p.far
	}
	after := min(cmp.Or(fault.After(err), rest), mostRest)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if len(c.s.resting) >= mostKnown {
		clear(c.s.resting)
	}
	c.s.resting[t] = pause{time.Now().Add(after), err}
}

// waiting says of a failure when to try again.
func waiting(err error, after time.Duration) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err
	}
	return f.Later(after)
}

// farFaults are what the upstream is to blame for.
var farFaults = []error{
	remote.ErrSettings, remote.ErrRefused, remote.ErrRealm, remote.ErrUnavailable, remote.ErrAnswer, remote.ErrRejected, remote.ErrConflict, remote.ErrUnsupported, endpoint.ErrSecret,
}

func isFar(err error) bool {
	return slices.ContainsFunc(farFaults, func(far error) bool { return errors.Is(err, far) })
}

// told is what a client is told of an upstream's failure: that something is not
// there only where the upstream says so, and else when to come back.
func told(err error, missing *fault.Fault) error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return err
	}
	switch {
	case errors.Is(f, remote.ErrNotFound):
		return missing.Because(err)
	case errors.Is(f, remote.ErrLimited):
		if f.Detail == nil {
			return waiting(f, rest)
		}
		return f
	case !isFar(f):
		return err
	}
	return ErrUpstream.With("%s", f.Message).Because(err).Later(cmp.Or(fault.After(err), rest))
}
