package token

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/berth-registry/berth/internal/access"
)

// An Issued token, with what its receiver is told of it. Token is a secret.
type Issued struct {
	Token string
	At    time.Time
	Life  time.Duration
}

// body is the claims of a token. jwt.RegisteredClaims would do but for "aud",
// which it writes as a list: stock registries before version 3 want a string.
type body struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  string           `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp,omitempty"`
	NotBefore *jwt.NumericDate `json:"nbf,omitempty"`
	IssuedAt  *jwt.NumericDate `json:"iat,omitempty"`
	ID        string           `json:"jti"`
	Access    []access.Grant   `json:"access"`
	Principal string           `json:"principal"`
}

// The methods of jwt.Claims.

func (b *body) GetExpirationTime() (*jwt.NumericDate, error) { return b.Expires, nil }
func (b *body) GetIssuedAt() (*jwt.NumericDate, error)       { return b.IssuedAt, nil }
func (b *body) GetNotBefore() (*jwt.NumericDate, error)      { return b.NotBefore, nil }
func (b *body) GetIssuer() (string, error)                   { return b.Issuer, nil }
func (b *body) GetSubject() (string, error)                  { return b.Subject, nil }
func (b *body) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{b.Audience}, nil }

// Issue signs a token that says that its holder was granted this. It judges
// nothing: the grants are what Grant returned for the caller, who may be
// nobody. It returns ErrService for a service that it does not serve.
func (s *Service) Issue(ctx context.Context, c access.Caller, service string, grants []access.Grant) (Issued, error) {
	if !s.Serves(service) {
		return Issued{}, ErrService.With("%.100q", service)
	}
	life, err := s.lifetime(ctx)
	if err != nil {
		return Issued{}, err
	}
	signer, err := s.signer(ctx, life)
	if err != nil {
		return Issued{}, err
	}
	at := s.now().Truncate(time.Second)
	t := jwt.NewWithClaims(jwt.SigningMethodES256, &body{
		Issuer:    s.cfg.Issuer,
		Subject:   c.Name,
		Audience:  service,
		Expires:   jwt.NewNumericDate(at.Add(life)),
		NotBefore: jwt.NewNumericDate(at),
		IssuedAt:  jwt.NewNumericDate(at),
		ID:        rand.Text(),
		Access:    append([]access.Grant{}, grants...), // never null
		Principal: c.Principal(),
	})
	t.Header["kid"] = signer.kid
	t.Header["x5c"] = signer.chain
	signed, err := t.SignedString(signer.private)
	if err != nil {
		return Issued{}, fmt.Errorf("signing a token: %w", err)
	}
	return Issued{Token: signed, At: at.UTC(), Life: life}, nil
}
