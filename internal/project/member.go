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
	ErrMemberExists  = fault.New(fault.Conflict, "CONFLICT", "that user or group is a member of this project")
	ErrMember        = fault.New(fault.Invalid, "BAD_REQUEST", "invalid member")
	ErrUserUnknown   = fault.New(fault.Invalid, "BAD_REQUEST", "there is no user of that id")
	ErrGroupUnknown  = fault.New(fault.Invalid, "BAD_REQUEST", "there is no such user group")
)

// What a member is.
const (
	KindUser  = "u"
	KindGroup = "g"
)

// A Member is a user, or a group of them, with a role in a project. Who is in
// several has the rights of all of them.
type Member struct {
	ID, ProjectID int64
	Kind          string // KindUser or KindGroup
	EntityID      int64  // of the user or group
	EntityName    string // login name, or name of the group
	Role          access.Role
}

// A MemberStore keeps members; what is said of Store holds for it. A member of
// another project is as good as none: ErrMemberUnknown.
type MemberStore interface {
	// AddMember keeps a new member and returns its id. It returns ErrMemberExists,
	// and ErrUserUnknown or ErrGroupUnknown where the user or group is gone.
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

// A NewMember names who shall become a member: a user by id or by login name, of
// which the id counts where both are there, or a group.
type NewMember struct {
	UserID   int64
	UserName string
	Group    GroupName
	Role     access.Role
}

// A GroupName says which group is meant: by its id, or by its DN in a directory,
// or by its name and kind, of which the first that is there counts.
type GroupName struct {
	ID   int64
	DN   string
	Name string
	Kind int64 // as the API numbers them
}

// AddMember makes a user or a group a member of a project and returns the id of
// the membership. It returns ErrNotFound, ErrMember, ErrUserUnknown for an id,
// ErrGroupUnknown, a fault of the kind NotFound for a user's name, or
// ErrMemberExists.
func (s *Service) AddMember(ctx context.Context, projectID int64, n NewMember) (int64, error) {
	if !n.Role.Valid() {
		return 0, noRole(n.Role)
	}
	m, err := s.newcomer(ctx, n)
	if err != nil {
		return 0, err
	}
	m.ProjectID, m.Role = projectID, n.Role
	member, err := s.store.AddMember(ctx, m, access.From(ctx).Actor())
	s.epoch.Bump()
	return member, err
}

// newcomer returns who is meant.
func (s *Service) newcomer(ctx context.Context, n NewMember) (m Member, err error) {
	user, group := n.UserID != 0 || n.UserName != "", n.Group.ID != 0 || n.Group.DN != "" || n.Group.Name != ""
	switch {
	case user == group:
		return m, ErrMember.With("name either a user, in member_user, or a group, in member_group")
	case group:
		m.Kind = KindGroup
		m.EntityID, m.EntityName, err = s.people.Group(ctx, n.Group)
		if fault.OfKind(err, fault.NotFound) {
			err = ErrGroupUnknown
		}
	default:
		m.Kind = KindUser
		m.EntityID, m.EntityName, err = s.people.User(ctx, n.UserID, n.UserName)
		if n.UserID != 0 && fault.OfKind(err, fault.NotFound) {
			err = ErrUserUnknown
		}
	}
	return m, err
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
