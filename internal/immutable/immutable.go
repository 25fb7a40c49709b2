// Package immutable says which tags may not move: rules of projects, by patterns
// of repositories and tags. That a matched tag stays is enforced by those who
// write tags, in their transactions; what a rule matches is decided here.
package immutable

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of rules, and of what they forbid.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "immutable tag rule not found")
	ErrExists   = fault.New(fault.Conflict, "CONFLICT", "an immutable tag rule like it exists")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid immutable tag rule")
	ErrTooMany  = fault.New(fault.Invalid, "BAD_REQUEST", "the project has as many immutable tag rules as it may")
	ErrTag      = fault.New(fault.Precondition, "PRECONDITION", "configured as immutable, cannot be deleted/updated")
)

// MaxRules is how many rules a project may have: each push looks at all of them.
const MaxRules = 15

const maxExtras = 1024 // bytes

// A Rule keeps the tags that it matches from moving.
type Rule struct {
	ID, ProjectID      int64
	Disabled           bool
	Priority           int64
	Tags, Repositories pattern.Pattern // repositories without the project
	Extras             string          // of the tags' selector, as clients sent it
}

// Rules are those of a project that are not disabled.
type Rules []Rule

// In returns those that are about a repository, which is named in full.
func (r Rules) In(repository string) Rules {
	_, rest := oci.SplitRepository(repository)
	var here Rules
	for _, rule := range r {
		if rule.Repositories.Matches(rest) {
			here = append(here, rule)
		}
	}
	return here
}

// Match reports whether a tag may not move.
func (r Rules) Match(tag string) bool {
	for _, rule := range r {
		if rule.Tags.Matches(tag) {
			return true
		}
	}
	return false
}

// Refuse returns ErrTag for the first of the tags that may not move.
func (r Rules) Refuse(repository string, tags ...string) error {
	for _, tag := range tags {
		if r.Match(tag) {
			return ErrTag.Saying("%s:%s is configured as immutable, cannot be deleted/updated", repository, tag)
		}
	}
	return nil
}

// A Store keeps rules. Each method is one transaction; each change also writes
// its event. A rule of another project is as good as none: ErrNotFound.
type Store interface {
	// List returns a page of a project's rules, by their ids where the query does
	// not say otherwise, and how many there are on all pages.
	List(ctx context.Context, projectID int64, q query.Query) ([]Rule, int64, error)
	// Of returns the rules of a project that are not disabled.
	Of(ctx context.Context, projectID int64) (Rules, error)
	// Create keeps a new rule and returns its id, or ErrExists or ErrTooMany.
	Create(ctx context.Context, r Rule, at time.Time, by event.Actor) (int64, error)
	// Update keeps a rule in place of that of its id, but where that is to be
	// disabled or enabled only that. It returns ErrExists.
	Update(ctx context.Context, r Rule, by event.Actor) error
	// Delete ends a rule.
	Delete(ctx context.Context, projectID, id int64, by event.Actor) error
}

// A Service is what the rest of the program asks about rules. The caller of the
// context is who makes a change.
type Service struct{ store Store }

// New returns a service.
func New(store Store) *Service { return &Service{store} }

// List returns a page of a project's rules, and how many there are on all pages.
// It filters and sorts by id, priority and disabled.
func (s *Service) List(ctx context.Context, projectID int64, q query.Query) ([]Rule, int64, error) {
	return s.store.List(ctx, projectID, q)
}

// Of returns the rules of a project that are not disabled.
func (s *Service) Of(ctx context.Context, projectID int64) (Rules, error) {
	return s.store.Of(ctx, projectID)
}

func (r Rule) check() error {
	if err := r.Tags.Check(); err != nil {
		return ErrInvalid.With("tag_selectors: %v", err)
	}
	if len(r.Extras) > maxExtras {
		return ErrInvalid.With("tag_selectors: the extras may have at most %d bytes", maxExtras)
	}
	if err := r.Repositories.Check(); err != nil {
		return ErrInvalid.With("scope_selectors: %v", err)
	}
	return nil
}

// Create makes a rule and returns its id. It returns ErrInvalid, ErrExists or
// ErrTooMany.
func (s *Service) Create(ctx context.Context, r Rule) (int64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	return s.store.Create(ctx, r, time.Now(), access.From(ctx).Actor())
}

// Update changes a rule; one that is to be disabled or enabled is only that. It
// returns ErrNotFound, ErrInvalid or ErrExists.
func (s *Service) Update(ctx context.Context, r Rule) error {
	if err := r.check(); err != nil {
		return err
	}
	return s.store.Update(ctx, r, access.From(ctx).Actor())
}

// Delete ends a rule, or returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, projectID, id int64) error {
	return s.store.Delete(ctx, projectID, id, access.From(ctx).Actor())
}
