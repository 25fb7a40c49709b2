// Package endpoint keeps other registries that administrators have named: where
// each is, as whom it is spoken to, and whether it was well when it was last
// looked at. It promises that a secret is sent to the server that it was given
// for and to no other, even if somebody writes into the database, and that what a
// client is made of is what the row says now, on every node. How registries are
// spoken to is remote's affair, and what for is for others.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of endpoints.
var (
	ErrNotFound  = fault.New(fault.NotFound, "NOT_FOUND", "registry not found")
	ErrExists    = fault.New(fault.Conflict, "CONFLICT", "there is a registry of that name already")
	ErrInvalid   = fault.New(fault.Invalid, "BAD_REQUEST", "invalid registry")
	ErrUnhealthy = fault.New(fault.Invalid, "BAD_REQUEST", "the registry is unhealthy")
	ErrChanged   = fault.New(fault.Conflict, "CONFLICT", "the registry was changed meanwhile; read it again")
	ErrInUse     = fault.New(fault.Precondition, "PRECONDITION", "the registry is in use; delete first what refers to it")
	ErrSecret    = fault.New(fault.Precondition, "PRECONDITION", "the registry's secret cannot be read: it was kept for another URL, or sealed with another key; give it again")
)

// Unchanged as a secret stands for the one that is kept.
const Unchanged = "*****"

// What there may be, in bytes.
const (
	maxName    = 64 // characters
	maxText    = 1024
	maxURL     = 1024
	maxAccount = 255
	maxSecret  = 16 << 10 // a file with a key of Google's has some 2.5 KiB
	maxRoots   = 128 << 10
)

// An Endpoint is a registry to be copied from or to.
type Endpoint struct {
	ID          int64
	Name        string
	Description string

	Kind           remote.Kind
	URL            string // as remote.Normal has it
	CredentialType string // what clients call the account and its secret: "basic"; empty without an account
	Account        string // empty: it is spoken to as nobody
	Secret         secret.Text
	Sealed         []byte // the same as it is kept; empty for none
	SkipVerify     bool   // of certificates
	Roots          string // authorities in PEM that are trusted in place of the machine's; empty: none

	Healthy       bool
	HealthMessage string // why not
	Checked       time.Time

	Created time.Time
	Updated time.Time
	Version int64 // another one with every change, but of its health
}

// LocalID is the id of this registry itself, as one among the others. It is in no
// Store.
const LocalID = 0

// A Change is what is to be otherwise; what is nil stays.
type Change struct {
	Name, Description, URL, CredentialType, Account, Roots *string

	Secret     *secret.Text // Unchanged stands for the one that is kept
	SkipVerify *bool
}

// A Store keeps endpoints. Each method is one transaction.
type Store interface {
	// Create keeps a new endpoint, with the secret as seal returns it for the id,
	// and returns that, or ErrExists.
	Create(ctx context.Context, e Endpoint, seal func(id int64) []byte, by event.Actor) (int64, error)
	// ByID returns one, or ErrNotFound. It reads one row by its key.
	ByID(ctx context.Context, id int64) (Endpoint, error)
	// List lists them.
	List(ctx context.Context, q query.Query) ([]Endpoint, int64, error)
	// Update keeps an endpoint in place of that of its id and version, and gives it
	// the next version. It returns ErrNotFound, ErrChanged, and ErrExists.
	Update(ctx context.Context, e Endpoint, changed []string, by event.Actor) error
	// Delete removes one. It returns ErrNotFound, and ErrInUse while anything
	// refers to it.
	Delete(ctx context.Context, id int64, by event.Actor) error

	// Claim returns up to n endpoints that were last looked at before a time, the
	// longest ago first, and notes that they are now: no other node gets them.
	Claim(ctx context.Context, before, now time.Time, n int) ([]Endpoint, error)
	// Found notes how one was found, unless it has another version meanwhile.
	Found(ctx context.Context, e Endpoint) error
}

// A Service is what the rest of the program asks about endpoints. The caller of
// the context is who makes a change. It is closed by its owner.
type Service struct {
	store  Store
	sealer *secret.Sealer
	rules  outbound.Rules
	log    *slog.Logger

	mu   sync.Mutex
	open map[int64]client // by the id of the endpoint
}

// A client is made of one version of an endpoint.
type client struct {
	*remote.Registry
	version int64
}

// New returns a service, whose connections follow the rules.
func New(store Store, sealer *secret.Sealer, rules outbound.Rules, log *slog.Logger) *Service {
	return &Service{store: store, sealer: sealer, rules: rules, log: log, open: map[int64]client{}}
}

// Create makes an endpoint of a registry that answers, and returns its id. It
// returns ErrInvalid, ErrUnhealthy, ErrExists, and remote.ErrSettings.
func (s *Service) Create(ctx context.Context, e Endpoint) (int64, error) {
	if e.Secret.Reveal() == Unchanged {
		return 0, ErrInvalid.With("access_secret: none is kept yet")
	}
	if err := named(e); err != nil {
		return 0, err
	}
	if err := s.Try(ctx, &e); err != nil {
		return 0, err
	}
	e.Created = time.Now()
	e.Updated, e.Checked, e.Healthy, e.HealthMessage = e.Created, e.Created, true, ""
	return s.store.Create(ctx, e, func(id int64) []byte {
		e.ID = id
		return s.seal(e)
	}, access.From(ctx).Actor())
}

// Try completes an endpoint that need not be kept, and asks it whether it is well,
// with its Secret. It returns ErrInvalid, ErrUnhealthy, and remote.ErrSettings.
func (s *Service) Try(ctx context.Context, e *Endpoint) error {
	if err := complete(e); err != nil {
		return err
	}
	return s.ping(ctx, *e)
}

// ByID returns an endpoint, or ErrNotFound. Its secret is sealed. This registry
// itself has no URL here.
func (s *Service) ByID(ctx context.Context, id int64) (Endpoint, error) {
	if id == LocalID {
		return Endpoint{Name: "Local", Kind: remote.Harbor, Healthy: true}, nil
	}
	return s.store.ByID(ctx, id)
}

// List lists the endpoints but this registry itself, the newest first.
func (s *Service) List(ctx context.Context, q query.Query) ([]Endpoint, int64, error) {
	return s.store.List(ctx, q)
}

// Update changes an endpoint to one that answers. Where its URL leads to another
// server and no new secret is given, it has none any more. It returns ErrInvalid,
// ErrNotFound, ErrUnhealthy, ErrExists, ErrChanged where somebody else changed it
// at the same time, and remote.ErrSettings.
func (s *Service) Update(ctx context.Context, id int64, c Change) error {
	e, err := s.store.ByID(ctx, id)
	if err != nil {
		return err
	}
	old := e
	if err := s.apply(&e, c); err != nil {
		return err
	}
	if err := named(e); err != nil {
		return err
	}
	if err := s.ping(ctx, e); err != nil {
		return err
	}
	if !e.Secret.Empty() {
		e.Sealed = s.seal(e)
	}
	e.Updated = time.Now()
	e.Checked, e.Healthy, e.HealthMessage = e.Updated, true, ""
	return s.store.Update(ctx, e, changed(old, e), access.From(ctx).Actor())
}

// Delete removes an endpoint. It returns ErrNotFound, and ErrInUse.
func (s *Service) Delete(ctx context.Context, id int64) error {
	err := s.store.Delete(ctx, id, access.From(ctx).Actor())
	if err == nil {
		s.drop(id)
	}
	return err
}

// Ping asks the registry of an endpoint whether it is well, with another account
// or secret where the change says so; the rest of the change counts for nothing.
// It returns ErrNotFound, ErrInvalid, and ErrUnhealthy.
func (s *Service) Ping(ctx context.Context, id int64, c Change) error {
	e, err := s.ByID(ctx, id)
	if err != nil || id == LocalID {
		return err
	}
	if err := s.apply(&e, Change{CredentialType: c.CredentialType, Account: c.Account, Secret: c.Secret}); err != nil {
		return err
	}
	return s.ping(ctx, e)
}

// Kind returns the kind of an endpoint's registry, which never changes. It reads
// nothing while there is a client of it.
func (s *Service) Kind(ctx context.Context, id int64) (remote.Kind, error) {
	s.mu.Lock()
	c := s.open[id]
	s.mu.Unlock()
	if c.Registry != nil {
		return c.Registry.Kind(), nil
	}
	e, err := s.store.ByID(ctx, id)
	return e.Kind, err
}

// Client returns what speaks to the registry of an endpoint, the same one for as
// long as nobody changes it. It reads one row by its key. Its user does not close
// it. It returns ErrNotFound, also for LocalID, and ErrSecret.
func (s *Service) Client(ctx context.Context, id int64) (*remote.Registry, error) {
	e, err := s.store.ByID(ctx, id)
	if errors.Is(err, ErrNotFound) {
		s.drop(id)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.open[id]
	if ok && have.version >= e.Version { // another has read a newer row
		return have.Registry, nil
	}
	r, err := s.connect(e)
	if err != nil {
		return nil, err
	}
	if ok {
		have.Close()
	}
	s.open[id] = client{r, e.Version}
	return r, nil
}

// Budget returns what the registry of an endpoint last said to this node of how
// many pulls it still allows; the zero Budget where it said nothing.
func (s *Service) Budget(id int64) remote.Budget {
	s.mu.Lock()
	c := s.open[id]
	s.mu.Unlock()
	if c.Registry == nil {
		return remote.Budget{}
	}
	return c.Budget()
}

// Close closes the clients.
func (s *Service) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.Close()
	}
	clear(s.open)
}

func (s *Service) drop(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.open[id]; ok {
		c.Close()
		delete(s.open, id)
	}
}

// connect returns a client of what an endpoint says, with the Secret or else with
// the sealed one.
func (s *Service) connect(e Endpoint) (*remote.Registry, error) {
	password := e.Secret
	if password.Empty() && len(e.Sealed) > 0 {
		text, err := s.sealer.Open(e.Sealed, sealedAs(e))
		if err != nil {
			return nil, ErrSecret.Because(err)
		}
		password = secret.New(string(text))
	}
	return remote.Open(s.rules, remote.Settings{Kind: e.Kind, URL: e.URL, Account: e.Account, Secret: password, SkipVerify: e.SkipVerify, Roots: e.Roots})
}

// seal returns the secret of an endpoint as it is kept: bound to the id and to the
// server, so that it opens for no other.
func (s *Service) seal(e Endpoint) []byte {
	if e.Secret.Empty() {
		return nil
	}
	return s.sealer.Seal([]byte(e.Secret.Reveal()), sealedAs(e))
}

func sealedAs(e Endpoint) string { return fmt.Sprintf("endpoint/%d/%s", e.ID, origin(e.URL)) }

// origin is the part of a URL that says which server it leads to.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Scheme + "://" + u.Host
}

// apply makes a change to an endpoint that is kept. A new secret is in Secret.
func (s *Service) apply(e *Endpoint, c Change) error {
	was := origin(e.URL)
	for _, f := range []struct{ to, from *string }{
		{&e.Name, c.Name}, {&e.Description, c.Description}, {&e.URL, c.URL}, {&e.CredentialType, c.CredentialType}, {&e.Account, c.Account}, {&e.Roots, c.Roots},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.SkipVerify != nil {
		e.SkipVerify = *c.SkipVerify
	}
	if c.Secret != nil && c.Secret.Reveal() != Unchanged {
		e.Secret, e.Sealed = *c.Secret, nil
	}
	if err := complete(e); err != nil {
		return err
	}
	if origin(e.URL) != was {
		e.Sealed = nil
	}
	return nil
}

// named checks what people call an endpoint.
func named(e Endpoint) error {
	switch n := utf8.RuneCountInString(e.Name); {
	case n == 0 || n > maxName || !printable(e.Name):
		return ErrInvalid.With("name: it must have 1 to %d characters", maxName)
	case len(e.Description) > maxText || strings.Contains(e.Description, "\x00"):
		return ErrInvalid.With("description: at most %d bytes", maxText)
	}
	return nil
}

// complete checks what a registry is reached by, and brings it into its form.
func complete(e *Endpoint) error {
	about, known := remote.About(e.Kind)
	if !known {
		return ErrInvalid.With("type: there is no registry type %.80q", string(e.Kind))
	}
	u, err := remote.Normal(e.URL)
	if err != nil {
		return err
	}
	e.URL = u.String()
	e.Roots = strings.TrimSpace(e.Roots)
	hasSecret := !e.Secret.Empty() || len(e.Sealed) > 0
	if e.Account == "" && hasSecret {
		e.Account = about.Account
	}
	switch {
	case len(e.URL) > maxURL:
		return ErrInvalid.With("url: at most %d bytes", maxURL)
	case len(e.Account) > maxAccount || !printable(e.Account) || strings.Contains(e.Account, ":"):
		return ErrInvalid.With("access_key: at most %d characters, and no colon", maxAccount)
	case len(e.Secret.Reveal()) > maxSecret:
		return ErrInvalid.With("access_secret: at most %d bytes", maxSecret)
	case len(e.Roots) > maxRoots || strings.Contains(e.Roots, "\x00"):
		return ErrInvalid.With("ca_certificate: at most %d bytes of PEM", maxRoots)
	case e.Account == "" && !e.Secret.Empty():
		return ErrInvalid.With("access_key: a secret is an account's; give both")
	case e.Account == "": // which has no secret either
		e.Sealed, e.CredentialType = nil, ""
		return nil
	case e.CredentialType == "":
		e.CredentialType = "basic"
	}
	switch e.CredentialType {
	case "basic", "oauth", "secret":
		return nil
	}
	return ErrInvalid.With("credential type: it must be basic, oauth or secret")
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// changed names what is otherwise, as clients call it.
func changed(old, now Endpoint) (names []string) {
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"name", old.Name != now.Name}, {"description", old.Description != now.Description}, {"url", old.URL != now.URL},
		{"credential_type", old.CredentialType != now.CredentialType}, {"access_key", old.Account != now.Account}, {"access_secret", string(old.Sealed) != string(now.Sealed)},
		{"insecure", old.SkipVerify != now.SkipVerify}, {"ca_certificate", old.Roots != now.Roots},
	} {
		if f.is {
			names = append(names, f.name)
		}
	}
	return names
}
