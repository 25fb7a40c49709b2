// Package account keeps the people who use the registry: their names, profiles
// and passwords, and the groups that a directory puts them in. It promises that no password is kept or shown as such, that
// guessing one is slow, and that an administrator always remains. What a user
// may do is access's to say, and who is calling is identity's; robots are
// robot's.
package account

import (
	"cmp"
	"context"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of accounts.
var (
	ErrNotFound     = fault.New(fault.NotFound, "NOT_FOUND", "user not found")
	ErrExists       = fault.New(fault.Conflict, "CONFLICT", "a user of that name or e-mail address exists")
	ErrInvalid      = fault.New(fault.Invalid, "BAD_REQUEST", "invalid user")
	ErrSamePassword = fault.New(fault.Invalid, "BAD_REQUEST", "the new password is the old one")
	ErrOldPassword  = fault.New(fault.Denied, "FORBIDDEN", "the old password is not right")
	ErrProtected    = fault.New(fault.Denied, "FORBIDDEN", "this user cannot be deleted")
	ErrLastAdmin    = fault.New(fault.Denied, "FORBIDDEN", "the last administrator remains one")
	ErrElsewhere    = fault.New(fault.Denied, "FORBIDDEN", "users are not created here: they come from the directory when they first sign in")
	ErrBootstrapped = fault.New(fault.Precondition, "PRECONDITION", "there is a user already")

	// ErrWrong is the answer to a wrong name and to a wrong password alike.
	ErrWrong = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the user name or the password is not right")
)

// A User is a person with an account. The hash of the password is no part of
// it: only Store hands that out.
type User struct {
	ID       int64
	Name     string
	Email    string // empty for none
	RealName string
	Comment  string
	Admin    bool // may do everything

	Directory      string // that knows the password, LDAP; empty where it is kept here
	DirectoryID    string // what the directory calls the user: a DN
	DirectoryAdmin bool   // the directory made the user an administrator

	Created, Updated time.Time
}

// Administers reports whether the user may do everything, whoever says so.
func (u User) Administers() bool { return u.Admin || u.DirectoryAdmin }

// A Store keeps users. Each method is one transaction; each change also writes
// its event. All but Create and Bootstrap return ErrNotFound for a user who does
// not exist or was deleted.
type Store interface {
	// Create keeps a new user with the hash of the password and returns the id,
	// or ErrExists where the name or the address is another's name or address.
	Create(ctx context.Context, u User, hash string, by event.Actor) (int64, error)
	// Bootstrap creates the first user, or returns ErrBootstrapped where there is
	// or was one.
	Bootstrap(ctx context.Context, u User, hash string, by event.Actor) (int64, error)
	// ByID returns a user and the hash of the password, which may be empty.
	ByID(ctx context.Context, id int64) (User, string, error)
	// ByName is ByID for a name or an e-mail address.
	ByName(ctx context.Context, nameOrEmail string) (User, string, error)
	// List returns a page of users and how many there are on all pages, by name
	// where the query does not say otherwise.
	List(ctx context.Context, q query.Query) ([]User, int64, error)
	// Update keeps the profile of u: e-mail address, real name, comment. It
	// returns ErrExists as Create does.
	Update(ctx context.Context, u User, e event.Event) error
	// SetPassword keeps the hash of a new password, and ends the user's sessions.
	// Where was is not empty and not the hash that is kept, it returns
	// ErrOldPassword.
	SetPassword(ctx context.Context, id int64, was, hash string, e event.Event) error
	// SetAdmin makes a user an administrator or takes that away, or returns
	// ErrLastAdmin.
	SetAdmin(ctx context.Context, id int64, admin bool, e event.Event) error
	// Delete ends a user's account and memberships. Name and address become free.
	// It returns ErrProtected for the very first user and ErrLastAdmin.
	Delete(ctx context.Context, id int64, e event.Event) error

	GroupStore
	DirectoryStore
}

// Local tells whether accounts are made here, and not by a directory.
type Local func(ctx context.Context) (bool, error)

// Service is what the rest of the program asks about users. The caller of the
// context is who makes a change; whether it may was decided before.
type Service struct {
	registered secret.Allowance // of those without an account

	store    Store
	hasher   *secret.Hasher
	throttle *secret.Throttle
	local    Local
	epoch    *access.Epoch
}

// New returns a service. Without local, accounts are always made here. It bumps
// the epoch after each change.
func New(store Store, hasher *secret.Hasher, local Local, epoch *access.Epoch) *Service {
	return &Service{store: store, hasher: hasher, throttle: secret.NewThrottle(), local: local, epoch: epoch}
}

// A NewUser is all that can be said of a user who is being created. Nobody is
// created as an administrator.
type NewUser struct {
	Name     string
	Email    string
	RealName string
	Comment  string
	Password secret.Text
}

// Create makes a user and returns the id. It returns ErrInvalid,
// secret.ErrWeak, ErrExists, or ErrElsewhere.
func (s *Service) Create(ctx context.Context, n NewUser) (int64, error) {
	if s.local != nil {
		if local, err := s.local(ctx); err != nil || !local {
			return 0, cmp.Or(err, error(ErrElsewhere))
		}
	}
	u := User{Name: n.Name, Email: n.Email, RealName: n.RealName, Comment: n.Comment}
	if err := checkName(u.Name); err != nil {
		return 0, err
	}
	if err := checkProfile(Profile{u.Email, u.RealName, u.Comment}); err != nil {
		return 0, err
	}
	return s.keep(ctx, u, n.Password, s.store.Create)
}

// Bootstrap makes the first user: the administrator "admin". Where no password
// is given it draws one. The password is returned to be shown once; it is kept
// nowhere. It returns ErrBootstrapped where there is, or ever was, a user: on
// each start but the first, and on the second of two nodes that start at once.
func (s *Service) Bootstrap(ctx context.Context, password secret.Text) (secret.Text, error) {
	if password.Empty() {
		password = secret.New(secret.Random(24))
	}
	u := User{Name: "admin", RealName: "system administrator", Admin: true}
	if _, err := s.keep(ctx, u, password, s.store.Bootstrap); err != nil {
		return secret.Text{}, err
	}
	return password, nil
}

func (s *Service) keep(ctx context.Context, u User, password secret.Text,
	create func(context.Context, User, string, event.Actor) (int64, error)) (int64, error) {
	if err := secret.CheckStrength(password); err != nil {
		return 0, err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return 0, err
	}
	u.Created = time.Now()
	u.Updated = u.Created
	id, err := create(ctx, u, hash, access.From(ctx).Actor())
	if err != nil {
		return 0, err
	}
	s.epoch.Bump()
	return id, nil
}

// ByID returns a user, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (User, error) {
	u, _, err := s.store.ByID(ctx, id)
	return u, err
}

// ByName returns the user of a name or an e-mail address, or ErrNotFound.
func (s *Service) ByName(ctx context.Context, nameOrEmail string) (User, error) {
	if !printable(nameOrEmail) {
		return User{}, ErrNotFound
	}
	u, _, err := s.store.ByName(ctx, nameOrEmail)
	return u, err
}

// List returns a page of users, and how many there are on all pages. It filters
// and sorts by username, email, realname, sysadmin_flag, creation_time,
// update_time and user_id; the order is by name where the query has none.
func (s *Service) List(ctx context.Context, q query.Query) ([]User, int64, error) {
	return s.store.List(ctx, q)
}

// A Found is what anybody who is signed in may know of another.
type Found struct {
	ID   int64
	Name string
}

// Search returns a page of the users whose name has a text in it, whatever the
// case, and how many there are on all pages. An empty text is ErrInvalid:
// searching is not listing.
func (s *Service) Search(ctx context.Context, name string, page, size int) ([]Found, int64, error) {
	if name == "" || !printable(name) {
		return nil, 0, ErrInvalid.With("a part of a user name is needed")
	}
	users, total, err := s.store.List(ctx, query.Query{
		Filters: []query.Filter{{Field: "username", Op: query.Fuzzy, Value: name}}, Page: page, Size: size})
	found := make([]Found, len(users))
	for i, u := range users {
		found[i] = Found{u.ID, u.Name}
	}
	return found, total, err
}

// A Profile is what a user may change without being an administrator.
type Profile struct {
	Email    string
	RealName string
	Comment  string
}

// UpdateProfile replaces a user's profile. It returns ErrNotFound, ErrInvalid,
// ErrAddress or ErrExists.
func (s *Service) UpdateProfile(ctx context.Context, id int64, p Profile) error {
	if err := checkProfile(p); err != nil {
		return err
	}
	u, _, err := s.store.ByID(ctx, id)
	if err != nil {
		return err
	}
	if u.Directory != "" && p.Email != u.Email {
		return ErrAddress
	}
	changed := p.changed(u)
	if len(changed) == 0 {
		return nil
	}
	u.Email, u.RealName, u.Comment = p.Email, p.RealName, p.Comment
	return s.done(s.store.Update(ctx, u, updated(ctx, u, changed...)))
}

func (p Profile) changed(u User) (fields []string) {
	if p.Email != u.Email {
		fields = append(fields, "email")
	}
	if p.RealName != u.RealName {
		fields = append(fields, "realname")
	}
	if p.Comment != u.Comment {
		fields = append(fields, "comment")
	}
	return fields
}

// SetAdmin makes a user an administrator, or takes that away. It returns
// ErrNotFound or ErrLastAdmin.
func (s *Service) SetAdmin(ctx context.Context, id int64, admin bool) error {
	u, _, err := s.store.ByID(ctx, id)
	if err != nil || u.Admin == admin {
		return err
	}
	return s.done(s.store.SetAdmin(ctx, id, admin, updated(ctx, u, "sysadmin_flag")))
}

// Delete ends a user's account. The name and the address become free for
// another, who is another. It returns ErrNotFound, ErrLastAdmin, or ErrProtected
// for the caller's own account and for the first user's.
func (s *Service) Delete(ctx context.Context, id int64) error {
	caller := access.From(ctx)
	if caller.Kind == access.User && caller.ID == id {
		return ErrProtected
	}
	u, _, err := s.store.ByID(ctx, id)
	if err != nil {
		return err
	}
	return s.done(s.store.Delete(ctx, id, event.New(caller.Actor(), event.UserDeleted{User: fact(u)})))
}

// done ends what was remembered about rights where a change succeeded.
func (s *Service) done(err error) error {
	if err == nil {
		s.epoch.Bump()
	}
	return err
}

func updated(ctx context.Context, u User, changed ...string) event.Event {
	return event.New(access.From(ctx).Actor(), event.UserUpdated{User: fact(u), Changed: changed})
}

func fact(u User) event.User { return event.User{ID: u.ID, Name: u.Name} }
