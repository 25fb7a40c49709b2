package project

import (
	"context"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of members.
var (
	ErrMemberUnknown = fault.New(fault.NotFound, "NOT_FOUND", "member not found in this project")
	ErrMemberExists  = fault.New(fault.Conflict, "CONFLICT", "that user is a member of this project")
	ErrMember        = fault.New(fault.Invalid, "BAD_REQUEST", "invalid member")
	ErrUserUnknown   = fault.New(fault.Invalid, "BAD_REQUEST", "there is no user of that id")
	ErrGroup         = fault.New(fault.Invalid, "BAD_REQUEST", "groups cannot be members; name a user")
)

// KindUser says that a member is a user.
const KindUser = "u"

// A Member is a user with a role in a project.
type Member struct {
	ID, ProjectID int64
	Kind          string // KindUser
	EntityID      int64  // of the user
	EntityName    string // login name
	Role          access.Role
}

// A MemberStore keeps members; what is said of Store holds for it. A member of
// another project is as good as none: ErrMemberUnknown.
type MemberStore interface {
	// AddMember keeps a new member and returns its id. It returns ErrMemberExists,
	// and ErrUserUnknown where the user is gone.
	AddMember(ctx context.Context, m Member, by event.Actor) (int64, error)
	// Member returns a member of a project.
	Member(ctx context.Context, projectID, id int64) (Member, error)
	// Members returns a page of a project's members and how many there are on all
	// pages, by name where the query does not say otherwise. A project that does
	// not exist has none.
	Members(ctx context.Context, projectID int64, q query.Query) ([]Member, int64, error)
	// Administers reports whether a user is the administrator of any project.
	Administers(ctx context.Context, userID int64) (bool, error)
	// CountMembers returns how many hold each role.
	CountMembers(ctx context.Context, projectID int64) (map[access.Role]int64, error)
	// SetRole gives a member another role.
	SetRole(ctx context.Context, projectID, id int64, role access.Role, by event.Actor) error
	// RemoveMember ends a membership.
	RemoveMember(ctx context.Context, projectID, id int64, by event.Actor) error
}

// A NewMember names who shall become a member: a user by id or by login name,
// of which the id counts where both are there.
type NewMember struct {
	UserID   int64
	UserName string
	Group    bool // a group is meant, which is ErrGroup
	Role     access.Role
}

// AddMember makes a user a member of a project and returns the id of the
// membership. It returns ErrNotFound, ErrMember, ErrGroup, ErrUserUnknown for an
// id, a fault of the kind NotFound for a name, or ErrMemberExists.
func (s *Service) AddMember(ctx context.Context, projectID int64, n NewMember) (int64, error) {
	switch {
	case n.Group:
		return 0, ErrGroup
	case !n.Role.Valid():
		return 0, noRole(n.Role)
	case n.UserID == 0 && n.UserName == "":
		return 0, ErrMember.With("the user is not named")
	}
	id, name, err := s.users.Lookup(ctx, n.UserID, n.UserName)
	if n.UserID != 0 && notFound(err) {
		return 0, ErrUserUnknown
	}
	if err != nil {
		return 0, err
	}
	m := Member{ProjectID: projectID, Kind: KindUser, EntityID: id, EntityName: name, Role: n.Role}
	member, err := s.store.AddMember(ctx, m, access.From(ctx).Actor())
	s.epoch.Bump()
	return member, err
}

// Member returns a member of the project, or ErrMemberUnknown.
func (s *Service) Member(ctx context.Context, projectID, id int64) (Member, error) {
	return s.store.Member(ctx, projectID, id)
}

// Members returns a page of a project's members whose name has a text in it,
// whatever the case, and how many there are on all pages. Every name has the
// empty text in it. It filters and sorts by entity_name, entity_id, role_id and
// id; the order is by name where the query has none.
func (s *Service) Members(ctx context.Context, projectID int64, name string, q query.Query) ([]Member, int64, error) {
	if name != "" {
		q = q.Where(query.Filter{Field: "entity_name", Op: query.Fuzzy, Value: name})
	}
	return s.store.Members(ctx, projectID, q)
}

// Administers reports whether a user is the administrator of any project.
func (s *Service) Administers(ctx context.Context, userID int64) (bool, error) {
	return s.store.Administers(ctx, userID)
}

// SetRole gives a member of the project another role. It returns
// ErrMemberUnknown or ErrMember. Nothing keeps the last administrator one: those
// of the system can appoint another.
func (s *Service) SetRole(ctx context.Context, projectID, id int64, role access.Role) error {
	if !role.Valid() {
		return noRole(role)
	}
	err := s.store.SetRole(ctx, projectID, id, role, access.From(ctx).Actor())
	s.epoch.Bump()
	return err
}

// RemoveMember ends a membership of the project, whoever's it is. It returns
// ErrMemberUnknown.
func (s *Service) RemoveMember(ctx context.Context, projectID, id int64) error {
	err := s.store.RemoveMember(ctx, projectID, id, access.From(ctx).Actor())
	s.epoch.Bump()
	return err
}

func noRole(r access.Role) error { return ErrMember.With("there is no role %d", int(r)) }
