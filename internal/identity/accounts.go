package identity

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
)

// Accounts is the provider of users with a local account and password. It knows
// every name: what it refuses, no later provider is asked. So it comes last.
func Accounts(s *account.Service) Provider { return accounts{s} }

type accounts struct{ accounts *account.Service }

func (p accounts) Identify(ctx context.Context, c Credentials) (access.Caller, error) {
	u, err := p.accounts.Authenticate(ctx, c.Name, c.Secret)
	if err != nil {
		return access.Caller{}, err
	}
	return User(u), nil
}

func (p accounts) Holder(ctx context.Context, kind access.Kind, id int64) (Holder, error) {
	if kind != access.User {
		return Holder{}, ErrUnknown
	}
	u, err := p.accounts.ByID(ctx, id)
	if errors.Is(err, account.ErrNotFound) || err == nil && u.Directory != "" {
		return Holder{}, ErrUnknown // or the directory's to say
	}
	if err != nil {
		return Holder{}, err
	}
	return Holder{Caller: User(u)}, nil
}

// User returns a user as one who calls.
func User(u account.User) access.Caller {
	return access.Caller{Kind: access.User, ID: u.ID, Name: u.Name, Admin: u.Administers()}
}
