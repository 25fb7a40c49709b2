package account

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of groups.
var (
	ErrGroupNotFound = fault.New(fault.NotFound, "NOT_FOUND", "user group not found")
	ErrGroupExists   = fault.New(fault.Conflict, "CONFLICT", "that user group exists")
	ErrGroupInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid user group")
)

// A GroupKind says where a group of users comes from. Its number is stored, and
// is sent by the API as group_type.
type GroupKind int16

// The kinds of groups.
const (
	LDAPGroup GroupKind = 1
	HTTPGroup GroupKind = 2
	OIDCGroup GroupKind = 3
)

// Valid reports whether k is one of the kinds.
func (k GroupKind) Valid() bool { return k >= LDAPGroup && k <= OIDCGroup }

// A Group is a group of users, as something outside knows it. Who is in it is
// asked when they sign in.
type Group struct {
	ID   int64
	Kind GroupKind
	Name string // as it is shown
	DN   string // of an LDAP group, as it was given
	// Key tells groups of a kind apart: the DN in one form, or the name that the
	// group was created with.
	Key string

	Created, Updated time.Time
}

// A GroupStore keeps groups; what is said of Store holds for it. Its methods
// return ErrGroupNotFound for a group that is not there.
type GroupStore interface {
	// CreateGroup keeps a new group and returns its id, or ErrGroupExists.
	CreateGroup(ctx context.Context, g Group, by event.Actor) (int64, error)
	// Group returns the group of an id.
	Group(ctx context.Context, id int64) (Group, error)
	// GroupByKey returns the group of a kind and a key.
	GroupByKey(ctx context.Context, kind GroupKind, key string) (Group, error)
	// Groups returns a page of groups and how many there are on all pages, by
	// name where the query does not say otherwise.
	Groups(ctx context.Context, q query.Query) ([]Group, int64, error)
	// RenameGroup gives a group another name.
	RenameGroup(ctx context.Context, id int64, name string, by event.Actor) error
	// DeleteGroup ends a group and its memberships of projects.
	DeleteGroup(ctx context.Context, id int64, by event.Actor) error
}

// CreateGroup keeps a group and returns its id. Its key is its name where it has
// none. It returns ErrGroupInvalid or ErrGroupExists.
func (s *Service) CreateGroup(ctx context.Context, g Group) (int64, error) {
	if !g.Kind.Valid() {
		return 0, ErrGroupInvalid.With("group_type is 1 for LDAP, 2 for HTTP authentication or 3 for OIDC")
	}
	if err := checkGroupName(g.Name); err != nil {
		return 0, err
	}
	if g.Key == "" {
		g.Key = g.Name
	}
	g.Created = time.Now()
	id, err := s.store.CreateGroup(ctx, g, access.From(ctx).Actor())
	return id, s.done(err)
}

func checkGroupName(name string) error {
	if name == "" || utf8.RuneCountInString(name) > maxText || !printable(name) {
		return ErrGroupInvalid.With("group_name has 1 to %d characters", maxText)
	}
	return nil
}

// Group returns a group, or ErrGroupNotFound.
func (s *Service) Group(ctx context.Context, id int64) (Group, error) { return s.store.Group(ctx, id) }

// GroupByKey returns the group of a kind and a key, or ErrGroupNotFound.
func (s *Service) GroupByKey(ctx context.Context, kind GroupKind, key string) (Group, error) {
	if !printable(key) {
		return Group{}, ErrGroupNotFound
	}
	return s.store.GroupByKey(ctx, kind, key)
}

// Groups returns a page of groups, and how many there are on all pages. It
// filters and sorts by id, group_name, group_type and key; the order is by name
// where the query has none.
func (s *Service) Groups(ctx context.Context, q query.Query) ([]Group, int64, error) {
	return s.store.Groups(ctx, q)
}

// RenameGroup changes how a group is shown. Who is in it does not change. It
// returns ErrGroupNotFound or ErrGroupInvalid.
func (s *Service) RenameGroup(ctx context.Context, id int64, name string) error {
	if err := checkGroupName(name); err != nil {
		return err
	}
	return s.done(s.store.RenameGroup(ctx, id, name, access.From(ctx).Actor()))
}

// DeleteGroup ends a group, and with it what its users were through it. It
// returns ErrGroupNotFound.
func (s *Service) DeleteGroup(ctx context.Context, id int64) error {
	return s.done(s.store.DeleteGroup(ctx, id, access.From(ctx).Actor()))
}
