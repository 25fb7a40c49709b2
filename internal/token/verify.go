package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/berth-registry/berth/internal/access"
)

var (
	errNoKey    = errors.New("token: no key of that id")
	errIssuedAt = errors.New("token: no claim \"iat\"")
)

// Claims are what a verified token says. They are shared: nobody changes them.
type Claims struct {
	Principal string // access.Caller.Principal of the holder; "" for nobody
	Name      string // the holder's login name at that time
	Grants    []access.Grant
	Expires   time.Time

	size uint32 // of the token
}

// Verify returns what a token says, or ErrInvalid where it is not one that this
// server issued for itself and that is still good, give or take a minute. One
// that was good within the last day comes with ErrExpired. It says nothing about
// its holder's present rights.
//
// Only keys of our own verify, found by the "kid" of the token's header; a key
// or certificate in the header itself is not looked at. A token that was
// verified once is remembered until it expires.
func (s *Service) Verify(ctx context.Context, raw string) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, ErrInvalid.With("longer than %d bytes", maxToken)
	}
	sum := sha256.Sum256([]byte(raw))
	if c, ok := s.verified.GetIfPresent(sum); ok {
		if !s.now().Before(c.Expires.Add(leeway)) {
			return c, ErrExpired
		}
		return c, nil
	}
	c, err := s.parse(ctx, s.parser, raw)
	if errors.Is(err, jwt.ErrTokenExpired) {
		if c, err = s.parse(ctx, s.late, raw); err == nil {
			return c, ErrExpired
		}
	}
	if err != nil {
		return Claims{}, refusal(err)
	}
	s.verified.Set(sum, c)
	return c, nil
}

func (s *Service) parse(ctx context.Context, p *jwt.Parser, raw string) (Claims, error) {
	var b body
	_, err := p.ParseWithClaims(raw, &b, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return s.key(ctx, kid)
	})
	if err != nil {
		return Claims{}, err
	}
	return Claims{Principal: b.Principal, Name: b.Subject, Grants: b.Access, Expires: b.Expires.Time, size: uint32(len(raw))}, nil
}

// Validate is called by the parser for what it does not check itself.
func (b *body) Validate() error {
	if b.IssuedAt == nil {
		return errIssuedAt
	}
	return nil
}

// refusal translates what the parser returned. Reasons are told only of tokens
// whose signature is ours; they help people whose clock is wrong.
func refusal(err error) error {
	var lookup *lookupError
	switch {
	case errors.As(err, &lookup):
		return lookup.err
	case errors.Is(err, jwt.ErrTokenExpired):
		return ErrInvalid.With("it has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return ErrInvalid.With("it is not valid yet")
	}
	return ErrInvalid
}

// lookupError marks a failure to read the keys, which is not the token's fault.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return e.err.Error() }
