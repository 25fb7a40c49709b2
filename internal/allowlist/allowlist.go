// Package allowlist keeps which vulnerabilities are let through, of the whole system and
// of projects. It promises that a list that has expired lets nothing through, and that a
// list is changed whole. What is kept from being pulled because of the others is for
// those who ask.
package allowlist

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
)

// ErrInvalid is of a list that cannot be kept.
var ErrInvalid = fault.New(fault.Invalid, "BAD_REQUEST", "invalid CVE allowlist")

// What there may be.
const (
	MaxItems = 5000
	MaxID    = 128 // bytes of the id of a vulnerability
)

// System stands for the whole system where a project's id is asked for.
const System = 0

// maxExpires is the end of the year 9999 in seconds, which is as much as clients can
// show.
const maxExpires = 253402300799

// A List has the ids of vulnerabilities that are let through until a time.
type List struct {
	ID        int64 // 0: nobody has set one
	ProjectID int64 // or System
	Items     []string
	Expires   *time.Time // nil: never
	Created   time.Time
	Updated   time.Time
}

// A Set has the vulnerabilities that are let through now.
type Set map[string]struct{}

// Has reports whether a vulnerability is let through. Capitals make no difference.
func (s Set) Has(id string) bool {
	_, has := s[strings.ToUpper(id)]
	return has
}

// InForce returns what a list lets through at a time.
func (l List) InForce(now time.Time) Set {
	if l.Expires != nil && !now.Before(*l.Expires) {
		return Set{}
	}
	s := make(Set, len(l.Items))
	for _, id := range l.Items {
		s[strings.ToUpper(id)] = struct{}{}
	}
	return s
}

// A Store keeps lists. Each method is one transaction.
type Store interface {
	// Of returns the lists of those of the projects that have one.
	Of(ctx context.Context, projectIDs ...int64) ([]List, error)
	// Effective returns the list that counts in a project: its own, or, where it says
	// so, that of the system; the zero List where there is none. It returns a fault of
	// the kind NotFound where there is no such project.
	Effective(ctx context.Context, projectID int64) (List, error)
	// Set keeps a list in place of the one that its project, or the system, has. It
	// returns a fault of the kind NotFound where there is no such project.
	Set(ctx context.Context, l List, by event.Actor) error
}

// A Service is what the rest of the program asks about lists. The caller of the context
// is who makes a change. It is safe for concurrent use.
type Service struct{ store Store }

// New returns a service.
func New(store Store) *Service { return &Service{store} }

// Of returns the list of a project or of System, which is empty where nobody has set
// one.
func (s *Service) Of(ctx context.Context, projectID int64) (List, error) {
	all, err := s.OfAll(ctx, projectID)
	return all[projectID], err
}

// OfAll returns the list of each of the projects.
func (s *Service) OfAll(ctx context.Context, projectIDs ...int64) (map[int64]List, error) {
	found, err := s.store.Of(ctx, projectIDs...)
	if err != nil {
		return nil, err
	}
	all := make(map[int64]List, len(projectIDs))
	for _, id := range projectIDs {
		all[id] = List{ProjectID: id}
	}
	for _, l := range found {
		all[l.ProjectID] = l
	}
	return all, nil
}

// Effective returns what is let through in a project now. It returns a fault of the kind
// NotFound where there is no such project.
func (s *Service) Effective(ctx context.Context, projectID int64) (Set, error) {
	l, err := s.store.Effective(ctx, projectID)
	if err != nil {
		return nil, err
	}
	return l.InForce(time.Now()), nil
}

// Set changes the list of a project or of System to the items and the time. It returns
// ErrInvalid, and a fault of the kind NotFound where there is no such project.
func (s *Service) Set(ctx context.Context, l List) error {
	if err := l.Check(); err != nil {
		return err
	}
	l.Items = slices.Clone(l.Items)
	for i := range l.Items {
		l.Items[i] = strings.TrimSpace(l.Items[i])
	}
	l.Updated = time.Now()
	return s.store.Set(ctx, l, access.From(ctx).Actor())
}

// Check returns ErrInvalid for a list that cannot be kept.
func (l List) Check() error {
	if len(l.Items) > MaxItems {
		return ErrInvalid.With("it has at most %d items", MaxItems)
	}
	if l.Expires != nil && (l.Expires.Unix() < 0 || l.Expires.Unix() > maxExpires) {
		return ErrInvalid.With("expires_at: it is a time from 1970 to 9999, in seconds")
	}
	seen := make(map[string]bool, len(l.Items))
	for i, id := range l.Items {
		id = strings.ToUpper(strings.TrimSpace(id))
		switch {
		case id == "":
			return ErrInvalid.With("item %d: cve_id is blank", i+1)
		case len(id) > MaxID || !utf8.ValidString(id) || strings.ContainsFunc(id, odd):
			return ErrInvalid.With("item %d: a cve_id has at most %d bytes, and neither spaces nor commas", i+1, MaxID)
		case seen[id]:
			return ErrInvalid.With("item %d: %s is there twice", i+1, id)
		}
		seen[id] = true
	}
	return nil
}

func odd(r rune) bool { return r == ',' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
