package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// What a work has where it does not say.
const (
	defaultAttempts = 1
	defaultLimit    = 10 * time.Minute
	defaultKeep     = 50
	firstBackoff    = 10 * time.Second
	mostBackoff     = time.Hour
	endWithin       = 5 * time.Minute
)

// Whatever ends a run from outside is the cause of its context.
var (
	errStopped = errors.New("it was stopped")
	errTooLong = errors.New("it took too long")
	errBusy    = errors.New("job: an earlier turn of the task has not ended")
)

// Again, as the error of a run, has the task go on in another run, after a while.
// That is no failure: long work is done in runs that end well within its Limit.
type Again struct{ After time.Duration }

// Error implements error.
func (a Again) Error() string { return fmt.Sprintf("goes on after %s", a.After) }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of a run that trying again will not mend.
func Permanent(err error) error { return permanent{err} }

// IsPermanent reports whether an error was marked so.
func IsPermanent(err error) bool { return errors.As(err, new(permanent)) }

// A Run is one run of a task.
type Run struct {
	Task    Task
	Attempt int // from 1

	service *Service
	cancel  context.CancelCauseFunc
	log     *taskLog
}

// Args reads what is to be done.
func (r *Run) Args(into any) error {
	if err := json.Unmarshal(r.Task.Args, into); err != nil {
		return Permanent(fmt.Errorf("the task's arguments: %w", err))
	}
	return nil
}

// Logf writes a line, with the time, to the task's log.
func (r *Run) Logf(format string, args ...any) { r.log.printf(r.service.now(), format, args...) }

// Attrs reads what an earlier run has kept, if there was one.
func (r *Run) Attrs(into any) error { return json.Unmarshal(r.Task.Attrs, into) }

// Keep has what came of the task kept with it: v becomes JSON, an object. What
// was kept before is replaced. It is seen at once, and is there for the next run.
func (r *Run) Keep(ctx context.Context, v any) error {
	attrs, err := json.Marshal(v)
	if err != nil {
		return err
	}
	r.Task.Attrs = attrs
	return r.service.store.Report(ctx, r.Task.ID, r.Task.Turn, attrs, r.service.now())
}

// Spread divides what is to be done: this task has the first of the arguments from
// now on, and its execution gets a further task for each of the others. All of
// that happens, or nothing. A run that is begun again has what was spread to it.
func (r *Run) Spread(ctx context.Context, args []any) error {
	own, err := json.Marshal(args[0])
	if err != nil {
		return err
	}
	d, err := r.service.store.Spread(ctx, r.Task.ID, r.Task.Turn, args, r.service.now())
	if err != nil {
		return err
	}
	r.Task.Args = own
	_ = r.service.send(ctx, d) // or else Tick does
	return nil
}

// do does a task that a queue has brought. An error has it brought again: the
// database has failed, or an earlier turn of the task has not ended here.
func (s *Service) do(ctx context.Context, d Delivery) error {
	work, ok := s.works[d.Kind]
	if !ok {
		return fmt.Errorf("job: no work of kind %s", d.Kind)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &Run{service: s, cancel: cancel}
	if !s.add(d, r) {
		return errBusy
	}
	defer s.remove(d)
	t, err := s.store.Begin(ctx, d.Task, d.Turn, s.node, s.now())
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrNotFound) {
		return nil // it was stopped, or brought before
	}
	if err != nil {
		return fmt.Errorf("job: begin task %d: %w", d.Task, err)
	}
	s.begun(r, t)
	return s.end(context.WithoutCancel(ctx), r, s.run(ctx, work, r))
}

// run calls the work, and says what became of the task.
func (s *Service) run(ctx context.Context, work Work, r *Run) Outcome {
	r.log = newLog(context.WithoutCancel(ctx), s.logs, r.Task.ID)
	defer r.log.close()
	limit := work.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	limited, done := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer done()
	err := called(limited, work, r)
	o := s.outcome(context.Cause(ctx), work, r, err)
	switch o.Status {
	case Failed:
		r.Logf("failed: %s", o.Message)
	case Scheduled:
		r.Logf("failed: %s; it is tried again at %s", o.Message, o.At.UTC().Format(time.RFC3339))
	case Stopped, Pending, Running, Succeeded:
	}
	return o
}

// called is the work, whose panic is an error like others.
func called(ctx context.Context, work Work, r *Run) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Permanent(fmt.Errorf("panic: %v", p))
		}
	}()
	err = work.Run(ctx, r)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errTooLong) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func (s *Service) outcome(cause error, work Work, r *Run, err error) Outcome {
	var again Again
	var never permanent
	switch {
	case errors.Is(cause, errStopped):
		return Outcome{Status: Stopped}
	case err == nil:
		return Outcome{Status: Succeeded}
	case errors.As(err, &again):
		return Outcome{Status: Pending, At: s.now().Add(again.After)}
	case cause != nil: // the node stops: another run begins where this one was
		return Outcome{Status: Pending, At: s.now()}
	case errors.As(err, &never) || r.Attempt >= max(work.Attempts, defaultAttempts):
		return Outcome{Status: Failed, Message: err.Error()}
	}
	return Outcome{Status: Scheduled, Message: err.Error(), At: s.now().Add(work.wait(r.Attempt))}
}

func (w Work) wait(attempt int) time.Duration {
	if w.Backoff != nil {
		return w.Backoff(attempt)
	}
	return min(firstBackoff<<min(attempt-1, 10), mostBackoff)
}

// end keeps what became of a task. Where that fails for long, Beat finds it.
func (s *Service) end(ctx context.Context, r *Run, o Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		next, err := s.store.End(ctx, r.Task.ID, r.Task.Turn, o, s.now())
		switch {
		case errors.Is(err, ErrEnded), errors.Is(err, ErrNotFound): // it was stopped meanwhile, or another has it
			return nil
		case err == nil:
			_ = s.send(ctx, next) // or else Tick does
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("job: end task %d: %w", r.Task.ID, err)
		case <-time.After(wait):
		}
	}
}

// add notes that a task is done here, unless it is already.
func (s *Service) add(d Delivery, r *Run) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[d.Task] != nil {
		return false
	}
	s.running[d.Task] = r
	return true
}

// begun notes what the database knows of a run, too.
func (s *Service) begun(r *Run, t Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Task, r.Attempt = t, t.Runs
}

func (s *Service) remove(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, d.Task)
}
