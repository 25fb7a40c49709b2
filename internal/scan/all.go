package scan

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
)

// findAtOnce is how many artifacts are looked at in one step.
const findAtOnce = 100

// StartAll has all images of the registry examined for vulnerabilities, and
// returns the id of the execution. It returns ErrNoScanner, and job.ErrRunning.
func (s *Service) StartAll(ctx context.Context) (int64, error) {
	if err := s.CheckAll(ctx); err != nil {
		return 0, err
	}
	return s.Jobs.Submit(ctx, submissionOfAll(job.Manual))
}

// CheckAll returns why not all can be examined: ErrNoScanner, ErrDisabled.
func (s *Service) CheckAll(ctx context.Context) error {
	by, err := s.Scanners.Default(ctx)
	if err == nil && by.Disabled {
		err = ErrDisabled.With("%s", by.Scanner.Name)
	}
	return err
}

// Due says what the schedule starts.
func (s *Service) Due(context.Context, job.Schedule) (job.Submission, error) {
	return submissionOfAll(job.BySchedule), nil
}

func submissionOfAll(t job.Trigger) job.Submission {
	return job.Submission{Kind: job.ScanAll, Trigger: t, Tasks: []any{Task{Kind: Vulnerabilities, All: true}}, Alone: true}
}

// plan makes a task of each image there is, slice by slice, and returns that which
// the task itself does in the end: the first one, or none. One that is begun again
// goes on where it was.
func (s *Service) plan(ctx context.Context, r *job.Run, t Task) (Task, error) {
	for {
		found, err := s.Store.After(ctx, t.After, findAtOnce)
		if err != nil {
			return t, err
		}
		if len(found) == 0 {
			t.All = false
			return t, nil
		}
		t.After = found[len(found)-1].ID
		var others []any
		for _, i := range found {
			switch {
			case !i.Examinable():
			case t.Artifact == 0:
				t.Artifact = i.ID
			default:
				others = append(others, Task{Artifact: i.ID, Kind: t.Kind})
			}
		}
		if err := r.Spread(ctx, append([]any{t}, others...)); err != nil {
			return t, err
		}
	}
}

// LastAll returns the last execution that examined all, of one trigger where it is
// given; job.ErrNotFound where there was none.
func (s *Service) LastAll(ctx context.Context, t job.Trigger) (job.Execution, error) {
	q := query.Query{Page: 1, Size: 1}
	if t != "" {
		q = q.Where(query.Filter{Field: "trigger", Value: string(t)})
	}
	found, _, err := s.Jobs.Executions(ctx, []job.Kind{job.ScanAll}, 0, q)
	if err == nil && len(found) == 0 {
		err = job.ErrNotFound
	}
	if err != nil {
		return job.Execution{}, err
	}
	return found[0], nil
}

// StopAll ends the examination of all. It returns ErrNone where there never was any.
func (s *Service) StopAll(ctx context.Context) error {
	e, err := s.LastAll(ctx, "")
	if errors.Is(err, job.ErrNotFound) {
		return ErrNone.Saying("there is no scan of all artifacts that could be stopped")
	}
	if err == nil {
		err = s.Jobs.Stop(ctx, e.ID)
	}
	if errors.Is(err, job.ErrEnded) {
		return nil
	}
	return err
}
