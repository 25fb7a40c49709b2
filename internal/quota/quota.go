// Package quota says how much the projects may store and how much they do. It
// promises that what is used is what the artifacts of a project need, each
// content counted once, and that no push passes a limit: charging is part of the
// push's own transaction, in storage/sqlstore. What is uploaded and not yet part
// of an artifact counts nowhere.
package quota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/setting"
)

// Faults of quotas.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "quota not found")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid quota")
	ErrExceeded = fault.New(fault.Denied, "DENIED", "the project's storage quota is exceeded")
)

// Unlimited is the limit that is none, and Most the largest that is one, in
// bytes.
const (
	Unlimited = -1
	Most      = 1 << 50
)

// A Quota is what a project may store and does, in bytes.
type Quota struct {
	ProjectID        int64 // and the quota's own id
	Project, Owner   string
	Hard             int64 // Unlimited, or from 1 to Most
	Used             int64 // may be more than Hard, where that was lowered
	Created, Updated time.Time
}

// Exceeded returns ErrExceeded for needed bytes beyond what is used.
func Exceeded(needed, used, hard int64) error {
	return ErrExceeded.With("%s are needed, %s of %s are used", size(needed), size(used), size(hard)).
		Detailed(map[string]int64{"needed": needed, "used": used, "hard": hard})
}

// size writes bytes for people.
func size(n int64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= step; value < step {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// A Drift is how far a quota was from the truth, in bytes.
type Drift struct {
	Project string
	Kept    int64
	True    int64
	Wrong   int64 // contents that were counted wrongly, in sum or not
}

// A Store keeps quotas. Each method is one transaction.
type Store interface {
	// List returns a page of the quotas of projects, and how many there are on all
	// pages, by project where the query does not say otherwise.
	List(ctx context.Context, q query.Query) ([]Quota, int64, error)
	// ByProject returns a project's quota, or ErrNotFound.
	ByProject(ctx context.Context, projectID int64) (Quota, error)
	// SetHard keeps another limit, or returns ErrNotFound.
	SetHard(ctx context.Context, projectID, hard int64, by event.Actor) error
	// Room returns what a project uses and may use, and whether it has a content
	// already.
	Room(ctx context.Context, projectID int64, d oci.Digest) (used, hard int64, has bool, err error)
	// HasAtLeast says whether a project has a content of so many bytes or more.
	HasAtLeast(ctx context.Context, projectID, size int64) (bool, error)
	// Recalculate compares what is kept of a project with its artifacts, and, but
	// in a dry run, corrects it. It returns ErrNotFound.
	Recalculate(ctx context.Context, projectID int64, dry bool) (Drift, error)
	// Announce writes an event that no transaction made true.
	Announce(ctx context.Context, e event.Event) error
}

// A Service is what the rest of the program asks about quotas, and a gate of
// pushes. It is safe for concurrent use.
type Service struct {
	store    Store
	settings func(context.Context) (setting.Values, error)
	log      *slog.Logger
	now      func() time.Time

	mu   sync.Mutex
	told map[int64]time.Time // when it was announced last that a project is full
}

// New returns a service.
func New(store Store, settings func(context.Context) (setting.Values, error), log *slog.Logger) *Service {
	return &Service{store: store, settings: settings, log: log, now: time.Now, told: map[int64]time.Time{}}
}

// List returns a page of quotas, and how many there are on all pages. It filters
// and sorts by reference_id (the project's id), project, hard.storage,
// used.storage, creation_time and update_time; the order is by project where the
// query has none.
func (s *Service) List(ctx context.Context, q query.Query) ([]Quota, int64, error) {
	return s.store.List(ctx, q)
}

// ByProject returns a project's quota, or ErrNotFound.
func (s *Service) ByProject(ctx context.Context, projectID int64) (Quota, error) {
	return s.store.ByProject(ctx, projectID)
}

// Check returns ErrInvalid for what is no limit.
func Check(hard int64) error {
	if hard == Unlimited || hard >= 1 && hard <= Most {
		return nil
	}
	return ErrInvalid.With("storage must be -1 for no limit, or from 1 to %d bytes, and is %d", int64(Most), hard)
}

// Update gives a project another limit, which may be less than it uses. It
// returns ErrInvalid or ErrNotFound.
func (s *Service) Update(ctx context.Context, projectID, hard int64) error {
	if err := Check(hard); err != nil {
		return err
	}
	return s.store.SetHard(ctx, projectID, hard, access.From(ctx).Actor())
}

// Recalculate compares what is kept of a project with its artifacts, and, but in
// a dry run, corrects it. It returns ErrNotFound.
func (s *Service) Recalculate(ctx context.Context, projectID int64, dry bool) (Drift, error) {
	return s.store.Recalculate(ctx, projectID, dry)
}

// CheckPush says whether the push is to be held against its project's limit,
// which is done in its transaction.
func (s *Service) CheckPush(ctx context.Context, p *artifact.Push) error {
	v, err := s.settings(ctx)
	p.Limited = v.QuotaEnabled
	return err
}

// CheckBlob refuses content that cannot become part of an artifact, for want of
// room. It is a courtesy: what counts is the push of the artifact. What a project
// has already takes no room, and content without a digest so far may be that.
func (s *Service) CheckBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, size int64) error {
	v, err := s.settings(ctx)
	if err != nil || !v.QuotaEnabled {
		return err
	}
	used, hard, has, err := s.store.Room(ctx, repo.ProjectID, d)
	if err != nil || hard < 0 || has || size <= hard-used {
		return err
	}
	if d == "" {
		if has, err = s.store.HasAtLeast(ctx, repo.ProjectID, size); err != nil || has {
			return err
		}
	}
	err = Exceeded(size, used, hard)
	s.Refused(ctx, repo, err)
	return err
}

// announceEvery is how long is between two announcements that a project is full.
const announceEvery = time.Minute

// Refused announces that a push was refused with ErrExceeded, but not each time:
// clients try again and again.
func (s *Service) Refused(ctx context.Context, repo artifact.Repo, err error) {
	f, ok := asExceeded(err)
	if !ok || !s.due(repo.ProjectID) {
		return
	}
	fact := event.QuotaExceeded{Quota: event.Quota{Where: repo.Where(), Used: f["used"], Hard: f["hard"]}, Needed: f["needed"]}
	if err := s.store.Announce(ctx, event.New(access.From(ctx).Actor(), fact)); err != nil {
		s.log.ErrorContext(ctx, "that a quota is exceeded is not announced", "error", err)
	}
}

func (s *Service) due(projectID int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.told[projectID]) < announceEvery {
		return false
	}
	const most = 10_000 // projects
	if len(s.told) >= most {
		clear(s.told)
	}
	s.told[projectID] = now
	return true
}

func asExceeded(err error) (map[string]int64, bool) {
	var f *fault.Fault
	if !errors.As(err, &f) || !errors.Is(f, ErrExceeded) {
		return nil, false
	}
	numbers, ok := f.Detail.(map[string]int64)
	return numbers, ok
}
