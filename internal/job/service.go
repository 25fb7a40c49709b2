package job

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/query"
)

// How often what keeps the work going is to be called.
const (
	WatchEvery = 500 * time.Millisecond // how soon a run learns that it was stopped
	TickEvery  = time.Second            // how late a schedule may be, and what was not sent
	BeatEvery  = 5 * time.Second
	SweepEvery = 10 * time.Minute
)

const (
	deadAfter = 30 * time.Second    // a node that was not heard of for so long does nothing any more
	keptFor   = 90 * 24 * time.Hour // executions that are over, also of owners that are gone
	batch     = 500
)

// Submit has an execution made and returns its id, or where its cause is known,
// that of the execution of the cause. It returns ErrRunning.
func (s *Service) Submit(ctx context.Context, sub Submission) (int64, error) {
	ids, err := s.create(ctx, []Submission{sub})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// SubmitAll has all of a list made at once, in its order, but for what has a cause
// that is known. It returns ErrRunning, and then none is made. Lists are to be
// short, hundreds: each is one transaction.
func (s *Service) SubmitAll(ctx context.Context, all []Submission) error {
	_, err := s.create(ctx, all)
	return err
}

func (s *Service) create(ctx context.Context, all []Submission) ([]int64, error) {
	for _, sub := range all {
		if _, ok := s.works[sub.Kind]; !ok {
			return nil, fmt.Errorf("job: no work of kind %s", sub.Kind)
		}
	}
	ids, d, err := s.store.Create(ctx, all, s.now())
	if err != nil {
		return nil, err
	}
	// The executions are there. What cannot be sent now, tick sends.
	if err := s.send(context.WithoutCancel(ctx), d); err != nil {
		s.log.WarnContext(ctx, "tasks are sent later", "tasks", len(d), "error", err)
	}
	return ids, nil
}

func (s *Service) send(ctx context.Context, d []Delivery) error {
	if len(d) == 0 {
		return nil
	}
	if err := s.queue.Send(ctx, d); err != nil {
		return fmt.Errorf("job: send tasks: %w", err)
	}
	if err := s.store.Sent(ctx, d); err != nil { // they are sent twice, which does no harm
		return fmt.Errorf("job: tasks that were sent: %w", err)
	}
	return nil
}

// Stop ends an execution: what waits is not begun, and what runs ends within a
// second or two. It returns ErrNotFound and ErrEnded.
func (s *Service) Stop(ctx context.Context, execution int64) error {
	if err := s.store.Stop(ctx, execution, s.now()); err != nil {
		return err
	}
	return s.Watch(ctx)
}

// StopWaiting ends all executions of a kind of which nothing runs, and
// StopRunning those of which something does. An empty kind is all kinds.
func (s *Service) StopWaiting(ctx context.Context, kind Kind) error {
	return s.stopAll(ctx, kind, false)
}

// StopRunning is said with StopWaiting.
func (s *Service) StopRunning(ctx context.Context, kind Kind) error {
	return s.stopAll(ctx, kind, true)
}

func (s *Service) stopAll(ctx context.Context, kind Kind, running bool) error {
	for {
		n, err := s.store.StopAll(ctx, kind, running, batch, s.now())
		if err != nil || n < batch {
			return errors.Join(err, s.Watch(ctx))
		}
	}
}

// Execution returns one of an owner, or of AnyOwner, that is of one of the kinds,
// or ErrNotFound.
func (s *Service) Execution(ctx context.Context, kinds []Kind, owner, id int64) (Execution, error) {
	e, err := s.store.Execution(ctx, id)
	if err == nil && (owner != AnyOwner && e.OwnerID != owner || !slices.Contains(kinds, e.Kind)) {
		return Execution{}, ErrNotFound
	}
	return e, err
}

// Executions lists those of an owner, or of AnyOwner, that are of one of the
// kinds, the newest first.
func (s *Service) Executions(ctx context.Context, kinds []Kind, owner int64, q query.Query) ([]Execution, int64, error) {
	return s.store.Executions(ctx, kinds, owner, q)
}

// Tasks lists those of an execution, in the order in which they were made.
func (s *Service) Tasks(ctx context.Context, execution int64, q query.Query) ([]Task, int64, error) {
	return s.store.Tasks(ctx, execution, q)
}

// Task returns one of an execution, or ErrNotFound.
func (s *Service) Task(ctx context.Context, execution, id int64) (Task, error) {
	t, err := s.store.Task(ctx, id)
	if err == nil && t.ExecutionID != execution {
		return Task{}, ErrNotFound
	}
	return t, err
}

// FirstTasks returns the first task of each of the executions that has one.
func (s *Service) FirstTasks(ctx context.Context, executions ...int64) (map[int64]Task, error) {
	return s.store.FirstTasks(ctx, executions)
}

// Start begins to do work here, until Close. Watch, Tick, Beat and Sweep are to
// be called in the meantime, each at its interval.
func (s *Service) Start(ctx context.Context) error {
	s.started = s.now()
	// Where the queue was lost with the last process, that process was the only one.
	lost := s.queue.Forgets()
	if err := s.beat(ctx, lost); err != nil {
		return err
	}
	workers := map[Kind]int{}
	for kind, w := range s.works {
		workers[kind] = max(w.Workers, 1)
	}
	return s.queue.Start(ctx, workers, s.do)
}

// Close stops what is done here. Another node, or this one when it is there
// again, goes on with it.
func (s *Service) Close(ctx context.Context) error {
	return errors.Join(s.queue.Stop(ctx), s.store.Gone(ctx, s.node))
}

// Watch ends the runs here of tasks that were stopped, wherever that was, or
// that another node has taken over.
func (s *Service) Watch(ctx context.Context) error {
	for chunk := range slices.Chunk(s.runs(), batch) {
		ids := make([]int64, len(chunk))
		for i, r := range chunk {
			ids[i] = r.Task.ID
		}
		turns, err := s.store.Turns(ctx, ids)
		if err != nil {
			return fmt.Errorf("job: tasks that were stopped: %w", err)
		}
		for _, r := range chunk {
			if turns[r.Task.ID] != r.Task.Turn {
				r.cancel(errStopped)
			}
		}
	}
	return nil
}

// runs returns those that have begun here.
func (s *Service) runs() []*Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var begun []*Run
	for _, r := range s.running {
		if r.Task.ID != 0 {
			begun = append(begun, r)
		}
	}
	return begun
}

// doing returns the tasks that are done here, or are about to be.
func (s *Service) doing() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.running))
}

// Tick starts what schedules say, has fail what waited for too long, and sends
// what was not sent, or is to be tried again. None of it holds up the others.
func (s *Service) Tick(ctx context.Context) error {
	return errors.Join(s.fireDue(ctx), s.expire(ctx), s.resend(ctx))
}

func (s *Service) expire(ctx context.Context) error {
	for kind, w := range s.works {
		if w.Expire == 0 {
			continue
		}
		now := s.now()
		stale := Stale{kind, now.Add(-w.Expire), fmt.Sprintf("it waited for more than %s", w.Expire)}
		for {
			n, err := s.store.Expire(ctx, stale, batch, now)
			if err != nil {
				return fmt.Errorf("job: tasks that waited for too long: %w", err)
			}
			if n < batch {
				break
			}
		}
	}
	return nil
}

func (s *Service) resend(ctx context.Context) error {
	for {
		d, err := s.store.Unsent(ctx, batch, s.now())
		if err != nil || len(d) == 0 {
			return err
		}
		if err := s.send(ctx, d); err != nil {
			return err
		}
	}
}

// Beat lets other nodes know that this one lives, and takes over from those
// that do not.
func (s *Service) Beat(ctx context.Context) error { return s.beat(ctx, false) }

func (s *Service) beat(ctx context.Context, lost bool) error {
	now, workers := s.now(), 0
	for _, w := range s.works {
		workers += max(w.Workers, 1)
	}
	dead := now.Add(-deadAfter)
	if lost {
		dead = now
	}
	if err := s.store.Heard(ctx, Node{ID: s.node, Host: s.host, Started: s.started, Heard: now, Workers: workers}, dead); err != nil {
		return fmt.Errorf("job: say that this node lives: %w", err)
	}
	for {
		n, err := s.store.Reclaim(ctx, Claim{s.node, s.doing(), now.Add(-deadAfter), lost}, batch, now)
		if err != nil {
			return fmt.Errorf("job: take over from nodes that are gone: %w", err)
		}
		if n > 0 {
			s.log.InfoContext(ctx, "tasks of a node that is gone go on", "tasks", n)
		}
		if n < batch {
			return nil
		}
	}
}

// Sweep forgets old executions, with their tasks and logs.
func (s *Service) Sweep(ctx context.Context) error {
	for kind, w := range s.works {
		keep := w.Keep
		if keep == 0 {
			keep = defaultKeep
		}
		for {
			n, err := s.store.Sweep(ctx, kind, keep, s.now().Add(-keptFor), batch)
			if err != nil {
				return fmt.Errorf("job: old executions of %s: %w", kind, err)
			}
			if n < batch {
				break
			}
		}
	}
	return nil
}
