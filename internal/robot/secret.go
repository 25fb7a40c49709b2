package robot

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/secret"
)

const secretLength = 32

// Authenticate returns the robot of a login name whose secret is right, and that
// is neither disabled nor expired. It returns ErrWrong, ErrDisabled, ErrExpired,
// or secret.ErrLocked shortly after a wrong attempt at the same name, and for
// longer where it came from the address of the context's caller, who is nobody
// yet. Names that do not exist cost as much, and lock as long, as those that do.
func (s *Service) Authenticate(ctx context.Context, login string, given secret.Text) (Robot, error) {
	var robot Robot
	right, err := s.throttle.Try(login, access.From(ctx).Address, given, func() (bool, error) {
		r, hash, err := s.signingIn(ctx, login)
		if err != nil {
			return false, err
		}
		robot = r
		return s.hasher.Verify(ctx, hash, given)
	})
	if err != nil {
		return Robot{}, err
	}
	if !right {
		return Robot{}, ErrWrong
	}
	if err := robot.Usable(time.Now()); err != nil {
		return Robot{}, err
	}
	return robot, nil
}

// signingIn returns the robot to check a secret against: for a name that does
// not exist none, with an empty hash that nothing matches.
func (s *Service) signingIn(ctx context.Context, login string) (Robot, string, error) {
	prefix, err := s.Prefix(ctx)
	if err != nil {
		return Robot{}, "", err
	}
	name, ok := strings.CutPrefix(login, prefix)
	if !ok || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return Robot{}, "", nil
	}
	r, hash, err := s.store.ByName(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return Robot{}, "", nil
	}
	r.Prefix = prefix
	return r, hash, err
}

// Refresh gives a robot a new secret; the old one opens nothing any more. Where
// none is given it draws one and returns it to be shown once; a given one is not
// returned. It returns ErrNotFound or secret.ErrWeak.
func (s *Service) Refresh(ctx context.Context, id int64, given secret.Text) (secret.Text, error) {
	r, err := s.ByID(ctx, id)
	if err != nil {
		return secret.Text{}, err
	}
	shown, hash, err := s.renew(ctx, given)
	if err != nil {
		return secret.Text{}, err
	}
	err = s.store.SetSecret(ctx, id, hash, updated(access.From(ctx), r, "secret"))
	if err != nil {
		return secret.Text{}, err
	}
	s.epoch.Bump()
	return shown, nil
}

func (s *Service) renew(ctx context.Context, given secret.Text) (shown secret.Text, hash string, err error) {
	if given.Empty() {
		return s.draw(ctx)
	}
	if err := secret.CheckStrength(given); err != nil {
		return secret.Text{}, "", err
	}
	hash, err = s.hasher.Hash(ctx, given)
	return secret.Text{}, hash, err
}

func (s *Service) draw(ctx context.Context) (secret.Text, string, error) {
	text := secret.New(secret.Random(secretLength))
	hash, err := s.hasher.Hash(ctx, text)
	return text, hash, err
}
