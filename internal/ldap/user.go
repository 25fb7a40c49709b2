package ldap

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/secret"
)

// A Person is a user as the directory has them.
type Person struct {
	Name, RealName, Email string

	dn     string
	groups []string // DNs that the entry itself lists
}

// Identify implements identity.Provider: it searches for the login name, and
// binds as what it finds. It knows all names but those of accounts that are kept
// here, the first administrator's above all, while auth_mode says so.
func (s *Service) Identify(ctx context.Context, c identity.Credentials) (access.Caller, error) {
	asked, err := s.Asked(ctx)
	if err != nil {
		return access.Caller{}, err
	}
	if !asked {
		return access.Caller{}, identity.ErrUnknown
	}
	u, err := s.accounts.ByName(ctx, c.Name)
	if err == nil && u.Directory == "" {
		return access.Caller{}, identity.ErrUnknown
	}
	if err != nil && !errors.Is(err, account.ErrNotFound) {
		return access.Caller{}, err
	}
	u, err = s.signIn(ctx, c)
	if err != nil {
		return access.Caller{}, concealed(err)
	}
	return identity.User(u), nil
}

// Holder implements identity.Provider. Those whose passwords the directory has are
// who they were for as long as it decides who may sign in.
func (s *Service) Holder(ctx context.Context, kind access.Kind, id int64) (identity.Holder, error) {
	asked, err := s.Asked(ctx)
	if err != nil {
		return identity.Holder{}, err
	}
	if !asked || kind != access.User {
		return identity.Holder{}, identity.ErrUnknown
	}
	u, err := s.accounts.ByID(ctx, id)
	if errors.Is(err, account.ErrNotFound) || err == nil && u.Directory != account.LDAP {
		return identity.Holder{}, identity.ErrUnknown
	}
	if err != nil {
		return identity.Holder{}, err
	}
	return identity.Holder{Caller: identity.User(u)}, nil
}

// signIn onboards whose password it is, or returns identity.ErrRefused. A server
// takes an empty password for none, and says yes to anybody (RFC 4513, section
// 5.1.2).
func (s *Service) signIn(ctx context.Context, c identity.Credentials) (u account.User, err error) {
	if c.Name == "" || !utf8.ValidString(c.Name) || c.Secret.Empty() {
		return u, identity.ErrRefused
	}
	var entry account.Entry
	err = s.converse(ctx, func(talk *conversation) error {
		p, refused := talk.person(c.Name)
		if refused != nil && !errors.Is(refused, ErrNotFound) && !errors.Is(refused, ErrAmbiguous) {
			return refused
		}
		// The directory knows an entry by many spellings of its name: guesses are
		// counted by the entry, or else each spelling would have guesses of its own.
		right, err := s.throttle.Try(cmp.Or(p.dn, folded(c.Name)), access.From(ctx).Address, c.Secret, func() (bool, error) {
			return talk.proves(p.dn, c.Secret)
		})
		if err != nil {
			return err
		}
		if !right {
			return identity.ErrRefused.Because(refused) // which is for the log
		}
		if err := talk.bind(); err != nil {
			return err
		}
		entry, err = talk.account(p)
		return err
	})
	if err != nil {
		return u, err
	}
	u, err = s.accounts.Onboard(ctx, entry)
	return u, denied(err)
}

// folded returns one name for the spellings that directories do not tell apart.
// It is for names that there are none of, which are to be like others.
func folded(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }

// proves reports whether a password is that of an entry. Where there is none, the
// server is asked about one that it does not have: how long an answer takes must
// not tell which names there are.
func (c *conversation) proves(dn string, password secret.Text) (bool, error) {
	known := dn != ""
	if !known {
		dn = "cn=" + secret.Random(16) + "," + c.cfg.BaseDN
	}
	err := c.Bind(dn, password.Reveal())
	var answered *ldap.Error
	if wrong(err) || !known && errors.As(err, &answered) && answered.ResultCode < ldap.ErrorNetwork {
		return false, nil
	}
	return known && err == nil, err
}

// wrong reports whether the server said no to the password, or to whoever has it:
// that it has expired, say.
func wrong(err error) bool {
	return ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInsufficientAccessRights)
}

// denied makes of why an entry can have no account a reason not to sign in.
func denied(err error) error {
	var f *fault.Fault
	if errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.Conflict) {
		return identity.ErrRefused.Saying("%s", f.Message).Because(err)
	}
	return err
}

// person returns the only user of a login name. It returns ErrNotFound or
// ErrAmbiguous.
func (c *conversation) person(login string) (Person, error) {
	found, err := c.people(ldap.EscapeFilter(login), 2)
	switch {
	case err != nil:
		return Person{}, err
	case len(found) == 0:
		return Person{}, ErrNotFound
	case len(found) > 1:
		return Person{}, ErrAmbiguous
	}
	p := found[0]
	for _, name := range p.names {
		if strings.EqualFold(name, login) {
			p.Name = name
		}
	}
	return p.Person, nil
}

type named struct {
	Person
	names []string // all that the attribute of the login name has
}

// people returns the users whose login name meets what stands behind = in a
// filter.
func (c *conversation) people(value string, most int) ([]named, error) {
	found, err := c.search(c.cfg.BaseDN, c.cfg.Scope, both(c.cfg.Filter, "("+c.cfg.UID+"="+value+")"), most,
		c.cfg.UID, "mail", "email", "displayName", "cn", c.cfg.GroupMembership)
	if err != nil {
		return nil, err
	}
	all := make([]named, 0, len(found))
	for _, e := range found {
		names := e.GetEqualFoldAttributeValues(c.cfg.UID)
		if len(names) == 0 {
			continue // ldap_search_dn may search for it, and not read it
		}
		all = append(all, named{Person{
			Name: names[0], RealName: first(e, "displayName", "cn"), Email: first(e, "mail", "email"),
			dn: e.DN, groups: e.GetEqualFoldAttributeValues(c.cfg.GroupMembership),
		}, names})
	}
	return all, nil
}

// first returns the first value of the first attribute that has one.
func first(e *ldap.Entry, attributes ...string) string {
	for _, a := range attributes {
		if v := e.GetEqualFoldAttributeValue(a); v != "" {
			return v
		}
	}
	return ""
}

// account returns what is to be kept of a person.
func (c *conversation) account(p Person) (account.Entry, error) {
	groups, admin, err := c.memberships(p)
	return account.Entry{
		Directory: account.LDAP, ID: p.dn, Name: p.Name, RealName: p.RealName, Email: p.Email, Groups: groups, Admin: admin,
	}, err
}

// Search returns users whose login name has a text in it, at most 100. It
// returns ErrUnset or ErrFailed.
func (s *Service) Search(ctx context.Context, text string) (found []Person, err error) {
	value := "*"
	if text != "" {
		value = "*" + ldap.EscapeFilter(text) + "*"
	}
	err = s.converse(ctx, func(c *conversation) error {
		all, err := c.people(value, maxFound)
		for _, p := range all {
			found = append(found, p.Person)
		}
		return err
	})
	return found, err
}

// Onboard returns the account of a user of the directory, and makes it where
// there is none. It returns ErrNotFound, ErrAmbiguous, ErrUnavailable, or what
// account.Service.Onboard returns.
func (s *Service) Onboard(ctx context.Context, login string) (account.User, error) {
	var entry account.Entry
	err := s.converse(ctx, func(c *conversation) (err error) {
		entry, err = c.find(login)
		return err
	})
	if err != nil {
		return account.User{}, concealed(err)
	}
	return s.accounts.Onboard(ctx, entry)
}

func (c *conversation) find(login string) (account.Entry, error) {
	if login == "" || !utf8.ValidString(login) {
		return account.Entry{}, ErrNotFound
	}
	p, err := c.person(login)
	if err != nil {
		return account.Entry{}, err
	}
	return c.account(p)
}

// A Failure says why a user was not imported.
type Failure struct {
	Login, Reason string
}

// Import onboards users by their login names, at most 1,000, and returns those
// that it could not. It returns ErrFailed or ErrUnset where none was looked at.
func (s *Service) Import(ctx context.Context, logins []string) (failures []Failure, err error) {
	if len(logins) == 0 || len(logins) > maxImport {
		return nil, account.ErrInvalid.With("ldap_uid_list has 1 to %d login names", maxImport)
	}
	var entries []account.Entry
	refuse := func(login string, err error) error {
		var f *fault.Fault
		if errors.As(err, &f) && !errors.Is(err, ErrFailed) {
			failures, err = append(failures, Failure{login, f.Message}), nil
		}
		return err
	}
	err = s.converse(ctx, func(c *conversation) error {
		for _, login := range logins {
			entry, err := c.find(login)
			if err == nil {
				entries = append(entries, entry)
			} else if err = refuse(login, err); err != nil {
				return err
			}
		}
		return nil
	})
	for i := 0; err == nil && i < len(entries); i++ {
		_, err = s.accounts.Onboard(ctx, entries[i])
		err = refuse(entries[i].Name, err)
	}
	return failures, err
}
