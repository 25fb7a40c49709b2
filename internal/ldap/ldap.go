// Package ldap asks a directory who somebody is: LDAP servers and Active
// Directory. It promises that an empty password is never sent, that what people
// type is never part of a filter as such, that every wait has an end, and that
// the directory is asked at each sign-in, so that whoever left a group has left
// it. What it learns is kept by account; where the directory is, is a setting.
package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
)

// Faults of a directory.
var (
	// ErrUnavailable is returned to whoever signs in, and to those who make others
	// members; the log has the reason.
	ErrUnavailable = fault.New(fault.Unavailable, "UNAVAILABLE", "the directory that knows the users does not answer as it should; try again later")
	// ErrFailed is returned to administrators of the system, with the reason.
	ErrFailed = fault.New(fault.Invalid, "BAD_REQUEST", "the directory")
	ErrUnset  = fault.New(fault.Invalid, "BAD_REQUEST", "there is no directory: ldap_url is not set")
	// ErrAmbiguous is returned where a login name is that of several entries. Whoever
	// signs in is not told.
	ErrAmbiguous = fault.New(fault.Invalid, "BAD_REQUEST", "several entries of the directory have this login name; an administrator has to narrow ldap_filter")
	ErrNotFound  = fault.New(fault.NotFound, "NOT_FOUND", "the directory has no such user")
	ErrNoGroup   = fault.New(fault.Invalid, "BAD_REQUEST", "the directory has no such group below ldap_group_base_dn that meets ldap_group_search_filter")
	ErrDN        = fault.New(fault.Invalid, "BAD_REQUEST", "this is no distinguished name")
)

const (
	atOnce    = 16          // conversations with the directory
	longest   = time.Minute // of one, where the settings do not ask for more
	maxFound  = 100         // entries that a search of an administrator finds
	maxGroups = 1000        // of one user
	maxDN     = 1024        // bytes of a group's distinguished name
	maxImport = 1000        // users in one import
)

// A Service asks the directory that the settings name. It is safe for concurrent
// use.
type Service struct {
	accounts *account.Service
	settings func(context.Context) (setting.Values, error)
	out      *outbound.Dialer
	throttle *secret.Throttle
	turns    chan struct{}
}

// New returns a service that keeps in accounts what it learns, and reaches the
// directory by out.
func New(accounts *account.Service, settings func(context.Context) (setting.Values, error), out *outbound.Dialer) *Service {
	return &Service{accounts: accounts, settings: settings, out: out, throttle: secret.NewThrottle(), turns: make(chan struct{}, atOnce)}
}

// Asked reports whether the directory decides who may sign in.
func (s *Service) Asked(ctx context.Context) (bool, error) {
	v, err := s.settings(ctx)
	return v.AuthMode == setting.AuthLDAP, err
}

// converse runs do with a connection that may search. The error of a
// conversation that fails says why, for people.
func (s *Service) converse(ctx context.Context, do func(*conversation) error) error {
	v, err := s.settings(ctx)
	if err != nil {
		return fmt.Errorf("settings of the directory: %w", err)
	}
	return s.converseWith(ctx, v.LDAP, do)
}

func (s *Service) converseWith(ctx context.Context, cfg setting.LDAP, do func(*conversation) error) error {
	if cfg.URL == "" {
		return ErrUnset
	}
	ctx, cancel := context.WithTimeout(ctx, max(longest, 2*cfg.Timeout()))
	defer cancel()
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return ErrFailed.With("too many questions are being asked at once").Because(ctx.Err())
	}
	c, err := dial(ctx, s.out, cfg)
	if err != nil {
		return failed(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer func() {
		if stop() {
			_ = c.Close()
		}
	}()
	if err := c.bind(); err != nil {
		return failed(err)
	}
	return failed(do(c))
}

// failed makes of what a connection returned a fault with the reason.
func failed(err error) error {
	var f *fault.Fault
	if err == nil || errors.As(err, &f) && !errors.Is(err, outbound.ErrForbidden) {
		return err
	}
	return ErrFailed.With("%s", reason(err)).Because(err)
}

// concealed keeps the reason why the directory failed from whoever does not
// administer the system: it is for the log.
func concealed(err error) error {
	if errors.Is(err, ErrFailed) || errors.Is(err, ErrUnset) {
		return ErrUnavailable.Because(err)
	}
	return err
}
