package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Facts: which generation of advisories all reports know, and which artifacts of
// advisories were imported and pushed last, as "DIGEST GENERATION".
const (
	evaluated = "advisories_evaluated"
	arrived   = "advisories_arrived"
	published = "advisories_published"
)

// Intake is an intake.Store.
type Intake struct{ system *System }

var _ intake.Store = (*Intake)(nil)

// NewIntake returns the store in d.
func NewIntake(d *db.DB) *Intake { return &Intake{NewSystem(d)} }

// Evaluated implements intake.Store.
func (s *Intake) Evaluated(ctx context.Context) (advisory.Generation, error) {
	text, err := s.system.Get(ctx, evaluated)
	if errors.Is(err, db.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	g, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("fact %s: %w", evaluated, err)
	}
	return advisory.Generation(g), nil
}

// NoteEvaluated implements intake.Store.
func (s *Intake) NoteEvaluated(ctx context.Context, g advisory.Generation) error {
	return s.system.Set(ctx, evaluated, strconv.FormatInt(int64(g), 10))
}

// Arrived implements intake.Store.
func (s *Intake) Arrived(ctx context.Context) (intake.Arrival, error) { return s.arrival(ctx, arrived) }

// NoteArrived implements intake.Store.
func (s *Intake) NoteArrived(ctx context.Context, a intake.Arrival) error {
	return s.noteArrival(ctx, arrived, a)
}

// Published implements intake.Store.
func (s *Intake) Published(ctx context.Context) (intake.Arrival, error) {
	return s.arrival(ctx, published)
}

// NotePublished implements intake.Store.
func (s *Intake) NotePublished(ctx context.Context, a intake.Arrival) error {
	return s.noteArrival(ctx, published, a)
}

func (s *Intake) arrival(ctx context.Context, fact string) (a intake.Arrival, err error) {
	text, err := s.system.Get(ctx, fact)
	if errors.Is(err, db.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	if _, err := fmt.Sscanf(text, "%s %d", &a.Digest, &a.Generation); err != nil {
		return a, fmt.Errorf("fact %s: %w", fact, err)
	}
	return a, nil
}

func (s *Intake) noteArrival(ctx context.Context, fact string, a intake.Arrival) error {
	return s.system.Set(ctx, fact, fmt.Sprintf("%s %d", a.Digest, a.Generation))
}
