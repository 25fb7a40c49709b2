package account

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
)

// Faults of users whom a directory knows.
var (
	// ErrDirectory is returned for what the directory of a user would have to do.
	ErrDirectory = fault.New(fault.Denied, "FORBIDDEN", "the password of this user is kept in a directory, and is changed there")
	// ErrAddress is returned for another e-mail address than a directory's: people
	// sign in with it, and it could be what another of them is called.
	ErrAddress = fault.New(fault.Denied, "FORBIDDEN", "the e-mail address of this user comes from a directory, and is changed there")
	// ErrForeign is returned for somebody whom a directory knows by the name of
	// another's account.
	ErrForeign = fault.New(fault.Conflict, "CONFLICT", "the account of that name belongs to somebody else than the directory's entry")
)

// LDAP names the directory that is asked by LDAP.
const LDAP = "ldap"

// An Entry is somebody as a directory knows them.
type Entry struct {
	Directory string // LDAP
	ID        string // what the directory calls the entry: its DN
	Name      string // login name
	Email     string // is left out where it is no address, or another user's
	RealName  string // Name where it is empty
	Admin     bool   // the directory makes an administrator of them
	Groups    []Group
}

// A DirectoryStore keeps what directories say; what is said of Store holds for
// it.
type DirectoryStore interface {
	// Onboard makes the account of an entry what the entry says, and makes the
	// account and the groups where there are none. It reports whether that changed
	// anything, and writes nothing where not. It returns ErrForeign for a name or
	// an address that is another user's name.
	Onboard(ctx context.Context, e Entry, by event.Actor) (u User, changed bool, err error)
}

// Onboard returns the user of somebody whom a directory has just told of. Who
// comes for the first time gets an account; of others, the e-mail address, the
// groups and whether they administer the system become what the directory says.
// It returns ErrInvalid for a login name that no user can have, or ErrForeign.
func (s *Service) Onboard(ctx context.Context, e Entry) (User, error) {
	if err := checkName(e.Name); err != nil {
		return User{}, err
	}
	if checkProfile(Profile{e.Email, e.Name, ""}) != nil {
		e.Email = ""
	}
	if e.RealName = clip(strings.TrimSpace(e.RealName)); e.RealName == "" || !printable(e.RealName) {
		e.RealName = e.Name
	}
	now := time.Now()
	for i := range e.Groups {
		g := &e.Groups[i]
		g.Name, g.Created = clip(g.Name), now
	}
	by := access.From(ctx).Actor()
	if access.From(ctx).Anonymous() {
		by.Name = e.Name // who signs in, is not known to the context yet
	}
	u, changed, err := s.store.Onboard(ctx, e, by)
	if changed {
		s.epoch.Bump()
	}
	return u, err
}

// clip shortens a text to what can be kept.
func clip(text string) string {
	if utf8.RuneCountInString(text) <= maxText {
		return text
	}
	return string([]rune(text)[:maxText])
}
