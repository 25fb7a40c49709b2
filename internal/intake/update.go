package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
)

// A Result is what an update came to.
type Result struct {
	Generation advisory.Generation // that there is now; 0: none
	New        bool                // and that was not there before
	Outcomes   []advisory.Outcome
}

// sum returns how many sources failed, and how many records changed in the
// others.
func (r Result) sum() (failed, records int) {
	for _, o := range r.Outcomes {
		if o.Error != "" {
			failed++
		}
		records += o.Changed
	}
	return failed, records
}

// Update brings the advisories up to date, here and now. It returns ErrOff,
// advisory.ErrBusy, and ErrFailed where no source could be read; of the others that
// failed the result tells.
func (s *Service) Update(ctx context.Context, tell func(advisory.Progress)) (Result, error) {
	if s.Sources.Off() {
		return Result{}, ErrOff
	}
	r, err := Result{}, error(nil)
	if a, ok := s.Sources.artifact(); ok {
		if r, err = s.receive(ctx, a); err != nil || s.Sources.KEV == "" && s.Sources.EPSS == "" {
			return r, err
		}
	}
	f, done, err := s.feeds()
	if err != nil {
		return r, err
	}
	defer done.Close()
	taken, err := s.take(ctx, f, tell)
	taken.New = taken.New || r.New
	return taken, err
}

// take updates from feeds.
func (s *Service) take(ctx context.Context, f advisory.Feeds, tell func(advisory.Progress)) (Result, error) {
	before, err := s.Advisories.Generation(ctx)
	if err != nil {
		return Result{}, err
	}
	g, outcomes, err := s.Advisories.Update(ctx, f, tell)
	r := Result{g, g != before, outcomes}
	if err != nil {
		return r, err
	}
	if failed, _ := r.sum(); failed > 0 && failed == len(outcomes) {
		err = ErrFailed.With("%s: %s", outcomes[0].Source, outcomes[0].Error)
	}
	return r, err
}

// kept is what a task keeps of what it has come to.
type kept struct {
	Generation *time.Time `json:"generation,omitempty"`
	Sources    int        `json:"sources"`         // that were read
	Failed     int        `json:"failed_sources"`  // of these
	Records    int        `json:"changed_records"` // of all sources
	Reports    int        `json:"changed_reports"`
	Source     string     `json:"source,omitempty"` // that is being read
	Done       int        `json:"records,omitempty"`
}

// Do is the work of job.Advisories.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var o order
	if err := r.Args(&o); err != nil {
		return err
	}
	var k kept
	var failed error
	if !o.Evaluate {
		failed = s.update(ctx, r, &k)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	evaluated, published := s.evaluate(ctx, r, &k), s.publish(ctx, r)
	if published != nil {
		r.Logf("failed: %v", published)
	}
	return errors.Join(failed, evaluated, settled(published), r.Keep(context.WithoutCancel(ctx), k))
}

// update is Update with a log.
func (s *Service) update(ctx context.Context, r *job.Run, k *kept) error {
	result, err := s.Update(ctx, teller(ctx, r))
	for _, o := range result.Outcomes {
		r.Logf("%s", outcome(o))
	}
	k.Sources = len(result.Outcomes)
	k.Failed, k.Records = result.sum()
	switch {
	case err != nil && ctx.Err() == nil:
		r.Logf("failed: %v", err)
	case err == nil && result.New:
		r.Logf("there is a new generation: %s", stamp(result.Generation))
	case err == nil:
		r.Logf("nothing is new")
	}
	return settled(err)
}

// settled has what trying again does not help not be tried again: what is
// misconfigured.
func settled(err error) error {
	if fault.OfKind(err, fault.Precondition) || fault.OfKind(err, fault.Invalid) {
		return job.Permanent(err)
	}
	return err
}

// outcome says in a line what a source came to.
func outcome(o advisory.Outcome) string {
	if o.Error != "" {
		return fmt.Sprintf("%s: it stays as it was: %s", o.Source, o.Error)
	}
	line := fmt.Sprintf("%s: up to date, %d records changed", o.Source, o.Changed)
	if o.Skipped > 0 {
		line += fmt.Sprintf(", %d could not be read: %s", o.Skipped, strings.Join(o.Notes, "; "))
	}
	return line
}

func stamp(g advisory.Generation) string { return g.Published().UTC().Format(time.RFC3339) }

// teller returns what notes the progress of an update.
func teller(ctx context.Context, r *job.Run) func(advisory.Progress) {
	var last advisory.Progress
	var at time.Time
	return func(p advisory.Progress) {
		if p.Source != last.Source || p.Message != last.Message {
			r.Logf("%s: %s", p.Source, p.Message)
		}
		last = p
		if time.Since(at) >= keptEvery {
			at = time.Now()
			_ = r.Keep(ctx, kept{Source: p.Source, Done: p.Done}) // the next time will do
		}
	}
}

// evaluate has reports looked at again where they do not know the newest generation.
func (s *Service) evaluate(ctx context.Context, r *job.Run, k *kept) error {
	g, known, err := s.news(ctx)
	if err != nil || g == 0 {
		return err
	}
	at := g.Published().UTC()
	k.Generation = &at
	if known {
		return nil
	}
	r.Logf("looking at the reports of the built-in scanner again")
	k.Reports, err = s.Reevaluate(ctx)
	r.Logf("%d reports came out otherwise", k.Reports)
	if err != nil {
		return fmt.Errorf("looking at reports again: %w", err)
	}
	return s.Store.NoteEvaluated(ctx, g)
}
