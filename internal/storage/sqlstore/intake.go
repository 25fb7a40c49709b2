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

// evaluated is the fact which generation of advisories all reports know.
const evaluated = "advisories_evaluated"

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
