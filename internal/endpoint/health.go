package endpoint

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/health"
	"github.com/berth-registry/berth/internal/remote"
)

const (
	glance   = 10 * time.Second // at what can be done without
	patience = 30 * time.Second // with a registry that is asked whether it is well
)

// Check looks at the registries that nobody has looked at for health.Every, and
// notes how they are.
func (s *Service) Check(ctx context.Context) error { return health.Check(ctx, s.store.Claim, s.check) }

func (s *Service) check(ctx context.Context, e Endpoint) error {
	was := e.Healthy
	err := s.ping(ctx, e)
	if ctx.Err() != nil {
		return nil // which says nothing of the registry
	}
	e.Healthy, e.HealthMessage, e.Checked = err == nil, "", time.Now()
	if err != nil {
		e.HealthMessage = strings.TrimPrefix(reason(err), ErrUnhealthy.Message+": ")
	}
	if was != e.Healthy {
		s.log.WarnContext(ctx, "the health of a registry has changed", "registry", e.Name, "healthy", e.Healthy, "reason", e.HealthMessage)
	}
	return s.store.Found(ctx, e)
}

// Labels returns the names of the labels of all projects that a registry has, as far
// as it has any and answers soon.
func (s *Service) Labels(ctx context.Context, e Endpoint) ([]string, error) {
	if !e.Healthy {
		return nil, nil
	}
	r, err := s.Client(ctx, e.ID)
	if errors.Is(err, ErrSecret) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	names, err := r.GlobalLabels(bounded)
	if err != nil {
		s.log.InfoContext(ctx, "the labels of a registry are not known", "registry", e.Name, "error", err)
	}
	return names, ctx.Err()
}

// ping asks the registry of an endpoint whether it is well, over a connection of
// its own: what an older one was once allowed says nothing. It returns
// ErrUnhealthy with the reason, and remote.ErrSettings.
func (s *Service) ping(ctx context.Context, e Endpoint) error {
	r, err := s.connect(e)
	if errors.Is(err, ErrSecret) {
		return ErrUnhealthy.With("%s", reason(err)).Because(err)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = r.Ping(bounded)
	if e.Account == "" && errors.Is(err, remote.ErrRefused) {
		return nil // Harbor and others tell nobody that they are there, whom they let pull all the same
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return ErrUnhealthy.With("%s", reason(err)).Because(err)
}

// reason says in words what is wrong with a registry. What is no fault is not for
// clients.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it does not answer in time"
	}
	var f *fault.Fault
	if !errors.As(err, &f) {
		return "it cannot be asked"
	}
	return f.Message
}
