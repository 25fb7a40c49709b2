// Package identity answers who is calling, by asking a chain of providers: the
// local accounts and robots, and whatever else may know of users. It does not
// say what a caller may do, which is for access, and knows nothing of HTTP.
package identity

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/secret"
)

var (
	// ErrRefused is returned for credentials that are nobody's, and for the
	// principal of somebody who is gone, disabled or expired. Providers may return
	// other faults of kind Unauthenticated or TooMany that say more.
	ErrRefused = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the user name or the password is not right")
	// ErrUnknown is how a provider says that it does not know the name or the
	// principal, so that the next is asked. It is not returned by the Service.
	ErrUnknown = errors.New("identity: not known to this provider")
)

// maxHolders is how many holders of tokens are remembered.
const maxHolders = 10_000

// Credentials are a name and what proves it.
type Credentials struct {
	Name   string
	Secret secret.Text
}

// A Holder is somebody as they are now.
type Holder struct {
	Caller access.Caller
	Until  time.Time // when the account expires; zero for never
}

// A Provider knows some of those who may call.
type Provider interface {
	// Identify returns whose credentials these are. It returns ErrUnknown for a
	// name that it does not know; any other error ends the search.
	Identify(ctx context.Context, c Credentials) (access.Caller, error)
	// Holder returns whom a principal names. It returns ErrUnknown for one of a
	// kind that is not its own, and for one who may no longer call.
	Holder(ctx context.Context, kind access.Kind, id int64) (Holder, error)
}

// A Service asks providers. Safe for concurrent use.
type Service struct {
	providers []Provider
	holders   *access.Memory[string, Holder]
}

// New returns a service that asks the providers in their order. What it
// remembers of a token's holder counts until the epoch changes.
func New(epoch *access.Epoch, providers ...Provider) *Service {
	return &Service{providers, access.NewMemory[string, Holder](epoch, maxHolders)}
}

// Identify returns whose credentials these are, as the first provider that
// knows the name says, or ErrRefused.
func (s *Service) Identify(ctx context.Context, c Credentials) (access.Caller, error) {
	for _, p := range s.providers {
		caller, err := p.Identify(ctx, c)
		if !errors.Is(err, ErrUnknown) {
			return caller, err
		}
	}
	return access.Caller{}, ErrRefused
}

// ByPrincipal returns the holder of a token as they are now: what they may do
// has perhaps changed since it was issued. It returns ErrRefused where they are
// gone, disabled or expired. The principal "" is that of nobody.
func (s *Service) ByPrincipal(ctx context.Context, principal string) (access.Caller, error) {
	if principal == "" {
		return access.Caller{}, nil
	}
	h, err := s.holders.Get(ctx, principal, func(ctx context.Context) (Holder, error) {
		return s.holder(ctx, principal)
	})
	if err != nil {
		return access.Caller{}, err
	}
	// What time alone changes bumps no epoch.
	expired := !h.Until.IsZero() && !time.Now().Before(h.Until)
	if h.Caller.Anonymous() || expired {
		return access.Caller{}, ErrRefused.Saying("the holder of the token may no longer call")
	}
	return h.Caller, nil
}

// holder asks the providers for a principal. Its answer is the zero Holder, which
// is remembered too, for one whom nobody knows.
func (s *Service) holder(ctx context.Context, principal string) (Holder, error) {
	kind, id := parsePrincipal(principal)
	for _, p := range s.providers {
		h, err := p.Holder(ctx, kind, id)
		if !errors.Is(err, ErrUnknown) {
			return h, err
		}
	}
	return Holder{}, nil
}

// parsePrincipal undoes access.Caller.Principal. For anything else it returns
// nobody.
func parsePrincipal(principal string) (access.Kind, int64) {
	_, number, _ := strings.Cut(principal, ":")
	id, err := strconv.ParseInt(number, 10, 64)
	for _, c := range []access.Caller{{Kind: access.User, ID: id}, {Kind: access.Robot, ID: id}} {
		if err == nil && c.Principal() == principal {
			return c.Kind, id
		}
	}
	return access.Nobody, 0
}
