// Package replication keeps copies of repositories elsewhere, or of what is
// elsewhere here. A policy says between which registries, which repositories,
// tags and kinds of artifacts, under which names they are kept there, and when.
// It promises that what a policy does not choose is neither copied nor deleted, and
// that each execution says what became of each repository. How registries are
// spoken to is remote's affair, and that work is done later is job's.
package replication

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
)

// Faults of policies.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "replication policy not found")
	ErrExists   = fault.New(fault.Conflict, "CONFLICT", "there is a replication policy of that name already")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid replication policy")
	ErrDisabled = fault.New(fault.Precondition, "PRECONDITION", "the replication policy is disabled")
	ErrRunning  = fault.New(fault.Precondition, "PRECONDITION", "an execution of the replication policy is not over; wait for its end, or stop it")
	ErrTarget   = fault.New(fault.Invalid, "BAD_REQUEST", "the repository has no place at the destination")
)

// A Trigger is what starts a policy.
type Trigger string

// The triggers. A policy of any of them can be started by hand.
const (
	Manual    Trigger = "manual"
	Scheduled Trigger = "scheduled"
	ByEvent   Trigger = "event_based" // a push or a deletion here
)

// A Policy says what is copied from where to where, and when.
type Policy struct {
	ID          int64
	Name        string
	Description string
	Source      int64 // id of an endpoint; 0 is this registry
	Destination int64 // the same; exactly one of the two is not 0
	Filters     []Filter
	Platforms   []string // of an index, the children for these alone: "linux/arm64/v8"; empty: all
	Namespace   string   // at the destination; empty: as at the source
	Replace     int      // how many components Namespace stands for; below 0: all but the last
	Trigger     Trigger
	Cron        string // of Scheduled: six fields, in UTC
	Deletion    bool   // what is deleted at the source is deleted at the destination; of ByEvent
	Override    bool   // tags at the destination that are something else are moved
	Enabled     bool
	Alone       bool  // one execution at a time
	Speed       int64 // KB/s of each task; 0: without bounds
	Chunked     bool  // blobs are sent in parts
	Created     time.Time
	Updated     time.Time
}

// A Store keeps policies. Each method is one transaction.
type Store interface {
	// Create keeps a new policy and returns its id, ErrExists, or ErrInvalid where
	// there is no such endpoint.
	Create(ctx context.Context, p Policy, by event.Actor) (int64, error)
	// ByID returns a policy, or ErrNotFound.
	ByID(ctx context.Context, id int64) (Policy, error)
	// List lists them, the newest first.
	List(ctx context.Context, q query.Query) ([]Policy, int64, error)
	// Update keeps a policy in place of that of its id, but for when it was made. It
	// returns ErrNotFound, ErrExists, and ErrInvalid as Create does.
	Update(ctx context.Context, p Policy, by event.Actor) error
	// Delete ends a policy, or returns ErrNotFound.
	Delete(ctx context.Context, id int64, by event.Actor) error

	// ForEvents returns the policies that are enabled, and started by what happens
	// here.
	ForEvents(ctx context.Context) ([]Policy, error)
	// Ran keeps what a run came to as an event of the project here that it names, and
	// nothing where there is no such project.
	Ran(ctx context.Context, ran event.ReplicationRan, by event.Actor) error
}

// A Service is what the rest of the program asks about replication. The caller of
// the context is who makes a change.
type Service struct {
	store      Store
	jobs       *job.Service
	registries Registries
	here       *Here

	mu   sync.Mutex
	sent map[[2]int64]*sent // by source and destination
}

// Registries are the other ones.
type Registries interface {
	// Client returns what speaks to the registry of an endpoint. Its user does not
	// close it.
	Client(ctx context.Context, id int64) (*remote.Registry, error)
	// Kind returns the kind of a registry, or endpoint.ErrNotFound.
	Kind(ctx context.Context, id int64) (remote.Kind, error)
	// ByID returns an endpoint, also that of this registry.
	ByID(ctx context.Context, id int64) (endpoint.Endpoint, error)
}

// New returns a service.
func New(store Store, jobs *job.Service, registries Registries, here *Here) *Service {
	return &Service{store: store, jobs: jobs, registries: registries, here: here, sent: map[[2]int64]*sent{}}
}

// Create makes a policy, and returns its id. It returns ErrInvalid, ErrExists,
// job.ErrCron, and ErrTarget or remote.ErrName where the destination can have
// nothing of the names that it is to get.
func (s *Service) Create(ctx context.Context, p Policy) (int64, error) {
	if err := p.complete(); err != nil {
		return 0, err
	}
	if err := s.checkTargets(ctx, p); err != nil {
		return 0, err
	}
	p.Created = time.Now()
	p.Updated = p.Created
	id, err := s.store.Create(ctx, p, access.From(ctx).Actor())
	if err != nil {
		return 0, err
	}
	p.ID = id
	return id, s.schedule(ctx, p)
}

// ByID returns a policy, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (Policy, error) { return s.store.ByID(ctx, id) }

// List lists them, the newest first.
func (s *Service) List(ctx context.Context, q query.Query) ([]Policy, int64, error) {
	return s.store.List(ctx, q)
}

// Update changes a policy. What runs already learns of it repository by
// repository. It returns ErrNotFound, and what Create does.
func (s *Service) Update(ctx context.Context, p Policy) error {
	if err := p.complete(); err != nil {
		return err
	}
	if err := s.checkTargets(ctx, p); err != nil {
		return err
	}
	p.Updated = time.Now()
	if err := s.store.Update(ctx, p, access.From(ctx).Actor()); err != nil {
		return err
	}
	return s.schedule(ctx, p)
}

// Delete ends a policy. It returns ErrNotFound, and ErrRunning while an execution
// of it is not over. Those that are stay until they are swept.
func (s *Service) Delete(ctx context.Context, id int64) error {
	if _, err := s.store.ByID(ctx, id); err != nil {
		return err
	}
	open, _, err := s.Executions(ctx, id, query.Query{Size: 1}.Where(query.Filter{Field: "status", Value: string(job.Running)}))
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return ErrRunning.With("execution %d", open[0].ID)
	}
	if err := s.store.Delete(ctx, id, access.From(ctx).Actor()); err != nil {
		return err
	}
	return s.jobs.Unschedule(ctx, job.Replication, id)
}

// checkTargets checks the names that repositories get at a destination that has
// rules for them, as far as they are known before what the source has is.
func (s *Service) checkTargets(ctx context.Context, p Policy) error {
	if p.Destination == 0 {
		return nil
	}
	kind, err := s.registries.Kind(ctx, p.Destination)
	if errors.Is(err, endpoint.ErrNotFound) {
		return nil // which the store says
	}
	if about, _ := remote.About(kind); err != nil || about.Components == 0 {
		return err
	}
	names, literal := p.Names()
	if !literal && p.Namespace != "" {
		names = []string{strings.Repeat("any/", max(p.Replace, 1)) + "name"} // the shortest
	}
	for _, name := range names {
		target, err := p.Target(name)
		if err == nil {
			err = remote.CheckName(kind, target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// schedule has a policy run when it says. Where that fails, the policy is there
// and does not run by itself, until it is saved again.
func (s *Service) schedule(ctx context.Context, p Policy) error {
	if p.Trigger != Scheduled || !p.Enabled {
		return s.jobs.Unschedule(ctx, job.Replication, p.ID)
	}
	_, err := s.jobs.Schedule(ctx, job.Schedule{Kind: job.Replication, OwnerID: p.ID, Type: "Custom", Cron: p.Cron})
	return err
}
