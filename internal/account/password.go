package account

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/secret"
)

// Authenticate returns the user of a name or an e-mail address whose password is
// right. It returns ErrWrong, or secret.ErrLocked shortly after a wrong attempt
// at the same name, and for longer where it came from the address of the
// context's caller, who is nobody yet. Names that do not exist cost as much, and lock as long, as
// those that do.
func (s *Service) Authenticate(ctx context.Context, nameOrEmail string, password secret.Text) (User, error) {
	var user User
	right, err := s.throttle.Try(nameOrEmail, access.From(ctx).Address, password, func() (bool, error) {
		u, hash, err := s.signingIn(ctx, nameOrEmail)
		if err != nil {
			return false, err
		}
		user = u
		return s.hasher.Verify(ctx, hash, password)
	})
	if err != nil {
		return User{}, err
	}
	if !right {
		return User{}, ErrWrong
	}
	return user, nil
}

// signingIn returns the user to check a password against: for a name that does
// not exist, or that a directory knows, nobody with an empty hash that nothing
// matches.
func (s *Service) signingIn(ctx context.Context, nameOrEmail string) (User, string, error) {
	if !printable(nameOrEmail) {
		return User{}, "", nil
	}
	u, hash, err := s.store.ByName(ctx, nameOrEmail)
	if errors.Is(err, ErrNotFound) || err == nil && u.Directory != "" {
		return User{}, "", nil
	}
	return u, hash, err
}

// SetPassword changes a user's password for one who knows the old one. Wrong
// ones count as failed sign-ins, and one that is replaced meanwhile is a wrong one.
// It returns ErrNotFound, ErrDirectory, secret.ErrWeak, ErrOldPassword,
// secret.ErrLocked or ErrSamePassword.
func (s *Service) SetPassword(ctx context.Context, id int64, old, new secret.Text) error {
	if err := secret.CheckStrength(new); err != nil {
		return err
	}
	u, hash, err := s.kept(ctx, id)
	if err != nil {
		return err
	}
	right, err := s.throttle.Try(u.Name, access.From(ctx).Address, old, func() (bool, error) { return s.hasher.Verify(ctx, hash, old) })
	switch {
	case err != nil:
		return err
	case !right:
		return ErrOldPassword
	case old.Equal(new):
		return ErrSamePassword
	}
	return s.setPassword(ctx, u, hash, new)
}

// ResetPassword changes a user's password for one who need not know the old one:
// an administrator. It returns ErrNotFound, ErrDirectory, secret.ErrWeak or
// ErrSamePassword.
func (s *Service) ResetPassword(ctx context.Context, id int64, new secret.Text) error {
	if err := secret.CheckStrength(new); err != nil {
		return err
	}
	u, hash, err := s.kept(ctx, id)
	if err != nil {
		return err
	}
	same, err := s.hasher.Verify(ctx, hash, new)
	if err != nil {
		return err
	}
	if same {
		return ErrSamePassword
	}
	return s.setPassword(ctx, u, "", new)
}

// kept returns a user whose password is kept here, and its hash.
func (s *Service) kept(ctx context.Context, id int64) (User, string, error) {
	u, hash, err := s.store.ByID(ctx, id)
	if err == nil && u.Directory != "" {
		err = ErrDirectory
	}
	return u, hash, err
}

// setPassword changes a password whose hash is was; empty, whatever it is.
func (s *Service) setPassword(ctx context.Context, u User, was string, new secret.Text) error {
	hash, err := s.hasher.Hash(ctx, new)
	if err != nil {
		return err
	}
	return s.done(s.store.SetPassword(ctx, u.ID, was, hash, updated(ctx, u, "password")))
}
