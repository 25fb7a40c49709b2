package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// What became of an artifact.
const (
	Retained  = "RETAIN"
	Deleted   = "DEL"
	Failed    = "ERR"
	Immutable = "IMMUTABLE"
)

// A Result is what a run came to in one repository.
type Result struct {
	Total    int
	Retained int // the others went, or would go
	Deleted  int
	Failed   int
}

// Run applies a policy to a repository. In a dry run nothing goes. Each artifact
// is told, with what became of it and why, the youngest first. It returns
// an error where artifacts should have gone and could not, for another reason
// than that they may not; the others have gone.
func (s *Service) Run(ctx context.Context, p Policy, repository string, dry bool, tell func(v Verdict, became, why string)) (Result, error) {
	var r Result
	all, err := s.artifacts(ctx, repository)
	if err != nil {
		return r, err
	}
	frozen, err := s.remover.Frozen(ctx, p.ProjectID, repository)
	if err != nil {
		return r, fmt.Errorf("immutable tags of %s: %w", repository, err)
	}
	var failed error
	_, name := oci.SplitRepository(repository)
	// Indexes come after their children, and go before them.
	for _, v := range slices.Backward(p.Judge(name, all, time.Now())) {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		became, why, err := apply(v, func() error {
			if dry {
				return frozen(v.Tags)
			}
			return s.remover.Delete(ctx, p.ProjectID, repository, v.Digest)
		})
		r.Total++
		switch became {
		case Deleted:
			r.Deleted++
		case Failed:
			r.Failed++
			failed = err
		default:
			r.Retained++
		}
		tell(v, became, why)
	}
	if failed != nil {
		return r, fmt.Errorf("%d artifacts were not deleted: %w", r.Failed, failed)
	}
	return r, nil
}

// artifacts returns all of a repository.
func (s *Service) artifacts(ctx context.Context, repository string) ([]Artifact, error) {
	var all []Artifact
	for after := int64(0); ; {
		some, err := s.store.Artifacts(ctx, repository, after, atOnce)
		if err != nil {
			return nil, fmt.Errorf("artifacts of %s: %w", repository, err)
		}
		all = append(all, some...)
		if len(some) < atOnce {
			return all, nil
		}
		after = some[len(some)-1].ID
	}
}

// apply does what a verdict says.
func apply(v Verdict, remove func() error) (became, why string, err error) {
	switch {
	case v.Rule != nil:
		return Retained, v.Rule.String(), nil
	case v.Held:
		return Retained, "an index that stays has it", nil
	}
	const none = "no rule keeps it"
	err = remove()
	var f *fault.Fault
	switch {
	case err == nil:
		return Deleted, none, nil
	case errors.As(err, &f) && f.Kind == fault.NotFound: // somebody was faster
		return Deleted, none, nil
	case errors.As(err, &f) && f.Kind == fault.Precondition:
		return Immutable, f.Message, nil
	}
	return Failed, err.Error(), err
}
