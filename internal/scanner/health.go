package scanner

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/health"
)

// Check looks at the scanners that nobody has looked at for health.Every, and notes how
// they are and what they say of themselves.
func (s *Service) Check(ctx context.Context) error { return health.Check(ctx, s.store.Claim, s.check) }

func (s *Service) check(ctx context.Context, r Registration) error {
	was := r.Healthy
	err := s.ask(ctx, &r)
	if ctx.Err() != nil {
		return nil // which says nothing of the scanner
	}
	r.Healthy, r.HealthMessage, r.Checked = err == nil, "", time.Now()
	if err != nil {
		r.HealthMessage = strings.TrimPrefix(reason(err), ErrUnhealthy.Message+": ")
	}
	if was != r.Healthy {
		s.log.WarnContext(ctx, "the health of a scanner has changed", "scanner", r.Name, "healthy", r.Healthy, "reason", r.HealthMessage)
	}
	return s.store.Found(ctx, r)
}

// Metadata asks a scanner what it is, now. It returns ErrNotFound, and ErrUnhealthy with
// the reason.
func (s *Service) Metadata(ctx context.Context, id string) (adapter.Metadata, error) {
	r, err := s.ByID(ctx, id)
	if err == nil && !r.Builtin() {
		err = s.ask(ctx, &r)
	}
	return r.Metadata, err
}

// ask brings what a scanner is reached by into its form, and has the scanner say what it
// is. It returns adapter.ErrSettings, and ErrUnhealthy with the reason.
func (s *Service) ask(ctx context.Context, r *Registration) error {
	settings, err := s.settings(*r)
	if err != nil {
		return ErrUnhealthy.With("%s", reason(err)).Because(err)
	}
	if err := settings.Check(); err != nil {
		return err
	}
	c, err := adapter.Open(s.rules, settings)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := c.Metadata(ctx)
	switch {
	case err == nil:
		r.URL, r.Metadata = settings.URL, m
		return nil
	case ctx.Err() != nil:
		return err
	}
	return ErrUnhealthy.With("%s", reason(err)).Because(err)
}

// reason says in words what is wrong with a scanner. What is no fault is not for
// clients.
func reason(err error) string {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return "it cannot be asked"
	}
	return f.Message
}
