package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
)

// confirmWithin bounds the time in which it is noted what was looked at, also where
// the rest is cut off.
const confirmWithin = 10 * time.Second

// How many reports may fail. More in a row are not the reports' own fault: something
// that all of them need is away.
const (
	mostInARow = 25
	mostFailed = 1000
	mostTold   = 10 // of these
)

// Reevaluate looks again at the reports of vulnerabilities by a scanner that were not
// held yet against what is known of vulnerabilities by now, without reading any image.
// It replaces those that come out otherwise, and says how many those were. What could
// not be looked at is left as it is; where that is by a failure, the others are looked
// at all the same, unless many fail in a row, and then the error tells of it. When it
// returns without an error, no such report is left; where it is cut off, the next call
// goes on there, and begins with what has failed.
func (s *Service) Reevaluate(ctx context.Context, by Registration) (changed int, err error) {
	scanner, err := s.Scanners.Open(ctx, by)
	if err != nil {
		return 0, err
	}
	g, err := scanner.Generation(ctx)
	if err != nil || g == 0 {
		return 0, err
	}
	var failed failures
	for {
		reports, err := s.Store.Outdated(ctx, by.UUID, g, findAtOnce+len(failed.of))
		reports = slices.DeleteFunc(reports, func(r Report) bool { return failed.of[r.ID] })
		if err != nil || len(reports) == 0 {
			return changed, errors.Join(err, failed.told())
		}
		n, err := s.againAll(ctx, scanner, by, reports, g, &failed)
		changed += n
		if err != nil {
			return changed, err
		}
	}
}

// failures are reports that could not be looked at.
type failures struct {
	mu     sync.Mutex
	of     map[int64]bool // by their ids
	inARow int
	first  []error
}

// note takes in how one went, and returns an error where that is to be the end.
func (f *failures) note(ctx context.Context, r Report, err error) error {
	if ctx.Err() != nil {
		return err // which says nothing about the report
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.inARow = 0
		return nil
	}
	if f.of == nil {
		f.of = map[int64]bool{}
	}
	f.of[r.ID] = true
	f.inARow++
	if len(f.first) < mostTold {
		f.first = append(f.first, err)
	}
	if f.inARow >= mostInARow || len(f.of) >= mostFailed {
		return fmt.Errorf("%d reports cannot be looked at, %d of them one after the other; the last: %w", len(f.of), f.inARow, err)
	}
	return nil
}

// told returns an error about those that were passed over; nil where none was.
func (f *failures) told() error {
	if len(f.of) == 0 {
		return nil
	}
	return fmt.Errorf("%d reports cannot be looked at: %w", len(f.of), errors.Join(f.first...))
}

// againAll looks at some reports, several at once, and says how many came out
// otherwise. Failures are noted, and passed over as far as that is allowed.
func (s *Service) againAll(ctx context.Context, scanner Scanner, by Registration, reports []Report, g int64, failed *failures) (changed int, err error) {
	did, done := make([]bool, len(reports)), make([]bool, len(reports))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(Workers)
	for i, r := range reports {
		if within.Err() != nil {
			break
		}
		group.Go(func() (err error) {
			did[i], err = s.again(within, scanner, by, r, g)
			done[i] = err == nil
			return failed.note(within, r, err)
		})
	}
	err = errors.Join(group.Wait(), ctx.Err())
	var same []Report
	for i, r := range reports {
		switch {
		case did[i]:
			changed++
		case done[i]:
			same = append(same, r)
		}
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), confirmWithin)
	defer cancel()
	return changed, errors.Join(err, s.Store.Confirm(noting, same, g))
}

// again looks at one report.
func (s *Service) again(ctx context.Context, scanner Scanner, by Registration, r Report, g int64) (changed bool, err error) {
	subject, err := s.Store.Subject(ctx, r.Artifact)
	if errors.Is(err, artifact.ErrUnknown) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s@%s: %w", subject.Name, subject.Digest, err)
		}
	}()
	report, known, err := scanner.Again(ctx, subject, func(string, ...any) {})
	if err == nil && !known {
		return false, nil
	}
	var result Result
	if err == nil {
		result, err = resultOf(by.UUID, report)
	}
	if fault.OfKind(err, fault.Unsupported) || fault.OfKind(err, fault.TooLarge) {
		return false, nil // as of a distribution that is not known any more
	}
	if err != nil || result.Content == r.Content {
		return false, err
	}
	result.Artifact, result.Generation, result.Replaces = r.Artifact, g, r.Made
	changed, err = s.Store.Keep(ctx, result, nil)
	if errors.Is(err, artifact.ErrUnknown) {
		return false, nil
	}
	return changed, err
}

// catchUp looks again at the report of an image that was just made, where it was made
// of less than is known by now: Reevaluate may have passed it by before.
func (s *Service) catchUp(ctx context.Context, by Registration, id int64) error {
	scanner, err := s.Scanners.Open(ctx, by)
	if err != nil {
		return err
	}
	for {
		g, err := scanner.Generation(ctx)
		if err != nil {
			return err
		}
		reports, err := s.Store.Reports(ctx, by.UUID, []int64{id})
		if err != nil {
			return err
		}
		at := slices.IndexFunc(reports, func(r Shown) bool { return r.Kind == Vulnerabilities && !r.Made.IsZero() && r.Generation < g })
		if at < 0 {
			return nil
		}
		var failed failures
		_, err = s.againAll(ctx, scanner, by, []Report{reports[at].Report}, g, &failed)
		if err = errors.Join(err, failed.told()); err != nil {
			return err
		}
	}
}
