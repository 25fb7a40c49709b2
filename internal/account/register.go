package account

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/access"
)

// What a network may register: a course that begins at once, and no stream of
// accounts.
const (
	registerMost     = 20
	registerInterval = 3 * time.Minute
)

// Register is Create for one who has no account yet. That may be anybody, so it
// returns secret.ErrOften as well where the network of the caller's address
// tried often: each attempt also tells which names there are.
func (s *Service) Register(ctx context.Context, n NewUser) (int64, error) {
	if err := s.registered.Take(access.From(ctx).Address, registerMost, registerInterval); err != nil {
		return 0, err
	}
	return s.Create(ctx, n)
}
