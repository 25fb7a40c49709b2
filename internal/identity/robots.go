package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/robot"
)

// Robots is the provider of robot accounts. It knows every name that begins like
// a robot's.
func Robots(s *robot.Service) Provider { return robots{s} }

type robots struct{ robots *robot.Service }

func (p robots) Identify(ctx context.Context, c Credentials) (access.Caller, error) {
	prefix, err := p.robots.Prefix(ctx)
	if err != nil {
		return access.Caller{}, err
	}
	if !strings.HasPrefix(c.Name, prefix) {
		return access.Caller{}, ErrUnknown
	}
	r, err := p.robots.Authenticate(ctx, c.Name, c.Secret)
	if err != nil {
		return access.Caller{}, err
	}
	return r.Caller(), nil
}

func (p robots) Holder(ctx context.Context, kind access.Kind, id int64) (Holder, error) {
	if kind != access.Robot {
		return Holder{}, ErrUnknown
	}
	r, err := p.robots.Holder(ctx, id)
	if errors.Is(err, robot.ErrNotFound) || err == nil && r.Usable(time.Now()) != nil {
		return Holder{}, ErrUnknown
	}
	if err != nil {
		return Holder{}, err
	}
	return Holder{Caller: r.Caller(), Until: r.Expires}, nil
}
