package token

import (
	"context"

	"github.com/golang-jwt/jwt/v5"
)

// MaxToken is the bound on what Verify reads.
const MaxToken = maxToken

// Sign signs whatever it is given with the key that signs tokens now.
func (s *Service) Sign(ctx context.Context, header map[string]any, claims jwt.Claims) (string, error) {
	life, err := s.lifetime(ctx)
	if err != nil {
		return "", err
	}
	k, err := s.signer(ctx, life)
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = k.kid
	for name, value := range header {
		t.Header[name] = value
	}
	return t.SignedString(k.private)
}
