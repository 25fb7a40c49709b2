// Package token issues and verifies the bearer tokens of the registry token
// protocol: JSON web tokens, signed with keys of its own that it renews by
// itself. A token says who holds it and what it was asked for; whether its
// holder may still do that is for identity and access to say, each time.
package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of this package.
var (
	// ErrInvalid is returned by Verify for what is no token of this server's for
	// itself, or was one.
	ErrInvalid = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "invalid token")
	// ErrExpired is returned by Verify, with the claims, for a token that was good
	// within the last day.
	ErrExpired = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "invalid token: it has expired")
	// ErrService is returned by Issue for a service that is none of Config's.
	ErrService = fault.New(fault.Invalid, "BAD_REQUEST", "unable to handle service")
	// ErrScope is returned by ParseScopes.
	ErrScope = fault.New(fault.Invalid, "BAD_REQUEST", "invalid scope")
	// ErrKeyExists is returned by Store.Create.
	ErrKeyExists = fault.New(fault.Conflict, "CONFLICT", "a signing key of that id exists")
)

const (
	defaultLifetime = 30 * time.Minute
	defaultKeyLife  = 90 * 24 * time.Hour

	// leeway is how far the clocks of two machines may differ.
	leeway = time.Minute
	// grace is how long after its end a token is still told from a bad one.
	grace = 24 * time.Hour
	// maxToken bounds what Verify reads. The largest token that is ever issued,
	// for 100 scopes of the longest names, is smaller.
	maxToken = 64 << 10
	// maxRemembered is how many bytes of verified tokens are remembered.
	maxRemembered = 16 << 20
)

// LeastKeyLife is the shortest time that a signing key may be good.
const LeastKeyLife = 4 * defaultLifetime

// A Lifetime tells how long a token that is issued now is to be good.
type Lifetime func(ctx context.Context) (time.Duration, error)

// Config says how tokens are made. Its zero value is usable.
type Config struct {
	// Issuer is the claim "iss". The default is "berth".
	Issuer string
	// Services are the names of the registries that tokens are issued for, as
	// their challenges say. The first is this server's own, and only tokens for
	// it verify. The default is "berth".
	Services []string
	// Lifetime of a token, asked for each; 30 minutes by default. A token is
	// good for a second at least, and for a quarter of KeyLife at most.
	Lifetime Lifetime
	// KeyLife is how long a signing key is good; 90 days by default. It signs for
	// half of that. It is at least LeastKeyLife.
	KeyLife time.Duration
	// Log is told when the keys cannot be read or renewed. It may be nil.
	Log *slog.Logger
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

func (c Config) complete() (Config, error) {
	if c.Issuer == "" {
		c.Issuer = "berth"
	}
	if len(c.Services) == 0 {
		c.Services = []string{"berth"}
	}
	if c.Lifetime == nil {
		c.Lifetime = func(context.Context) (time.Duration, error) { return defaultLifetime, nil }
	}
	if c.KeyLife == 0 {
		c.KeyLife = defaultKeyLife
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case slices.Contains(c.Services, ""):
		return c, errors.New("token: a service without a name")
	case c.KeyLife < LeastKeyLife:
		return c, errors.New("token: a signing key must live much longer than a token")
	}
	return c, nil
}

// A Key is one row of the kept keys: a certificate with its private key.
type Key struct {
	Authority   bool   // the certificate authority, which signs the others
	KID         string // unique
	Certificate string // PEM
	Private     []byte // PKCS #8, sealed
	Created     time.Time
	Expires     time.Time
}

// A Store keeps the signing keys.
type Store interface {
	// Keys returns all keys, the newest first.
	Keys(ctx context.Context) ([]Key, error)
	// Create adds keys, all of them or none, and forgets those that expired
	// before the given time, but no authority. It returns ErrKeyExists where one
	// of their ids is taken, also by another node at the same moment.
	Create(ctx context.Context, expired time.Time, keys ...Key) error
}

// Projects answers what a caller is in a project; a project that is not there
// is a fault of kind NotFound.
type Projects interface {
	Access(ctx context.Context, c access.Caller, name string) (access.Project, error)
}

// A Service issues and verifies tokens. Safe for concurrent use.
type Service struct {
	store    Store
	sealer   *secret.Sealer
	projects Projects
	cfg      Config
	now      func() time.Time
	parser   *jwt.Parser
	late     *jwt.Parser // of tokens that have expired
	verified *otter.Cache[[32]byte, Claims]

	ring atomic.Pointer[ring]

	mu      sync.Mutex // one reads or makes keys at a time
	loaded  time.Time  // when the keys were last read, or that was tried
	tried   time.Time  // when the keys were last to be refreshed
	failure error      // and what it came to
}

// New returns a service with its keys read, and made where there are none. Any
// number of nodes may start at once.
func New(ctx context.Context, store Store, sealer *secret.Sealer, projects Projects, cfg Config) (*Service, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	verified, err := otter.New(&otter.Options[[32]byte, Claims]{
		MaximumWeight: maxRemembered,
		Weigher:       func(_ [32]byte, c Claims) uint32 { return c.size },
	})
	if err != nil {
		return nil, err
	}
	parser := func(leeway time.Duration) *jwt.Parser {
		return jwt.NewParser(
			jwt.WithValidMethods([]string{"ES256"}), jwt.WithStrictDecoding(), jwt.WithTimeFunc(cfg.Now), jwt.WithLeeway(leeway),
			jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Services[0]), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		)
	}
	s := &Service{
		store: store, sealer: sealer, projects: projects, cfg: cfg, now: cfg.Now, verified: verified,
		parser: parser(leeway), late: parser(grace),
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// lifetime returns how long a token is good that is issued now.
func (s *Service) lifetime(ctx context.Context) (time.Duration, error) {
	life, err := s.cfg.Lifetime(ctx)
	if err != nil {
		return 0, fmt.Errorf("lifetime of tokens: %w", err)
	}
	return min(max(life.Truncate(time.Second), time.Second), s.cfg.KeyLife/4), nil
}

// Service returns the name under which challenges ask for tokens for this
// server.
func (s *Service) Service() string { return s.cfg.Services[0] }

// Serves reports whether tokens are issued for a service.
func (s *Service) Serves(service string) bool { return slices.Contains(s.cfg.Services, service) }
