package job_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/job/jobtest"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const kind job.Kind = "TEST"

// A house is a database, on which nodes do work.
type house struct {
	*testing.T

	url   string
	db    *db.DB
	store *sqlstore.Jobs
	nodes atomic.Int64
}

func each(t *testing.T, f func(h *house)) {
	t.Helper()
	storetest.EachOf(t, func(t *testing.T, d *db.DB, url string) { f(&house{T: t, url: url, db: d, store: sqlstore.NewJobs(d)}) })
}

// A node is a service, as one process has it.
type node struct {
	*job.Service

	die func() // as if it were killed: nothing is said
}

func (h *house) node(w job.Work) node { return h.at(w, nil) }

func (h *house) at(w job.Work, now func() time.Time) node {
	h.Helper()
	log := slog.New(slog.NewTextHandler(h.Output(), nil))
	q, err := queue.Open(h.Context(), h.url, log)
	if err != nil {
		h.Fatal(err)
	}
	if w.Scheduled == nil {
		w.Scheduled = func(_ context.Context, s job.Schedule) (job.Submission, error) {
			return job.Submission{Kind: s.Kind, OwnerID: s.OwnerID, Trigger: job.BySchedule, Tasks: []any{nil}, Alone: true}, nil
		}
	}
	s := job.New(job.Config{
		Store: h.store, Schedules: h.store, Logs: h.store, Queue: q, Works: map[job.Kind]job.Work{kind: w}, Log: log,
		Node: fmt.Sprint("node", h.nodes.Add(1)), Host: "here", Now: now,
	})
	return node{s, jobtest.Work(h, s, q)}
}

func (h *house) submit(n node, s job.Submission) int64 {
	h.Helper()
	s.Kind, s.Trigger = kind, job.Manual
	id, err := n.Submit(h.Context(), s)
	if err != nil {
		h.Fatal(err)
	}
	return id
}

// wait waits until an execution is as it should be.
func (h *house) wait(id int64, what string, is func(job.Execution) bool) job.Execution {
	h.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		e, err := h.store.Execution(h.Context(), id)
		if err != nil {
			h.Fatal(err)
		}
		if is(e) {
			return e
		}
		if time.Now().After(end) {
			h.Fatalf("it is not %s: %+v", what, e)
		}
	}
}

func (h *house) over(id int64, want job.Status) job.Execution {
	h.Helper()
	return h.wait(id, string(want), func(e job.Execution) bool { return e.Status == want && e.Ended.Sub(e.Started) >= 0 })
}

func (h *house) tasks(n node, id int64) []job.Task {
	h.Helper()
	tasks, _, err := n.Tasks(h.Context(), id, query.Query{})
	if err != nil {
		h.Fatal(err)
	}
	return tasks
}

func TestWorkIsDoneAndItsLogKept(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Workers: 2, Run: func(ctx context.Context, r *job.Run) error {
			var args struct{ N int }
			if err := r.Args(&args); err != nil {
				return err
			}
			r.Logf("this is %d\nof 3", args.N)
			return r.Keep(ctx, map[string]int{"twice": 2 * args.N})
		}})
		id := h.submit(n, job.Submission{OwnerID: 7, Attrs: map[string]string{"a": "b"}, Tasks: []any{map[string]int{"n": 1}, map[string]int{"n": 2}, map[string]int{"n": 3}}})
		e := h.over(id, job.Succeeded)
		if e.Counts != (job.Counts{Succeeded: 3}) || string(e.Attrs) != `{"a":"b"}` || e.OwnerID != 7 || e.Trigger != job.Manual {
			h.Errorf("%+v", e)
		}
		for i, task := range h.tasks(n, id) {
			if want := fmt.Sprintf(`{"twice":%d}`, 2*(i+1)); string(task.Attrs) != want || task.Runs != 1 || task.Status != job.Succeeded || task.Ended.IsZero() {
				h.Errorf("%+v, want %s", task, want)
			}
			log, err := n.Log(h.Context(), task.ID, 0, 1<<20)
			if want := fmt.Sprintf("Z this is %d\n\tof 3\n", i+1); err != nil || !strings.HasSuffix(log, want) {
				h.Errorf("log %q, %v", log, err)
			}
		}
		if err := n.Stop(h.Context(), id); !errors.Is(err, job.ErrEnded) {
			h.Errorf("stop: %v", err)
		}
		if err := n.Stop(h.Context(), id+100); !errors.Is(err, job.ErrNotFound) {
			h.Errorf("stop of none: %v", err)
		}
		if found, err := n.Execution(h.Context(), []job.Kind{job.Retention, kind}, 7, id); err != nil || found.ID != id {
			h.Errorf("found %+v, %v", found, err)
		}
		_, ofAnother := n.Execution(h.Context(), []job.Kind{kind}, 8, id)
		_, ofAnotherKind := n.Execution(h.Context(), []job.Kind{job.Retention}, 7, id)
		if !errors.Is(ofAnother, job.ErrNotFound) || !errors.Is(ofAnotherKind, job.ErrNotFound) {
			h.Errorf("found by %v, %v", ofAnother, ofAnotherKind)
		}
	})
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }, Run: func(_ context.Context, r *job.Run) error {
			switch s := string(r.Task.Args); {
			case s == `"third"` && r.Attempt == 3:
				return nil
			case s == `"never"`:
				return job.Permanent(errors.New("no use"))
			case s == `"panic"`:
				panic("oh")
			}
			return errors.New("not yet")
		}})
		for args, want := range map[string]struct {
			status job.Status
			runs   int
			says   string
		}{
			"third": {job.Succeeded, 3, ""}, "always": {job.Failed, 3, "not yet"}, "never": {job.Failed, 1, "no use"}, "panic": {job.Failed, 1, "panic: oh"},
		} {
			id := h.submit(n, job.Submission{Tasks: []any{args}})
			e := h.over(id, want.status)
			if task := h.tasks(n, id)[0]; task.Runs != want.runs || e.Status != want.status || want.says != "" && e.Message != want.says {
				h.Errorf("%s: %+v, %+v", args, task, e)
			}
		}
	})
}

func TestARunHasALimit(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Limit: 50 * time.Millisecond, Run: func(ctx context.Context, _ *job.Run) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		if e := h.over(h.submit(n, job.Submission{Tasks: []any{nil}}), job.Failed); !strings.Contains(e.Message, "too long") {
			h.Errorf("%+v", e)
		}
	})
}

func TestLongWorkGoesOn(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Run: func(ctx context.Context, r *job.Run) error {
			var done struct{ Steps int }
			if err := r.Attrs(&done); err != nil {
				return err
			}
			done.Steps++
			if err := r.Keep(ctx, done); err != nil || done.Steps == 4 {
				return err
			}
			return job.Again{}
		}})
		id := h.submit(n, job.Submission{Tasks: []any{nil}})
		h.over(id, job.Succeeded)
		if task := h.tasks(n, id)[0]; string(task.Attrs) != `{"Steps":4}` || task.Runs != 1 {
			h.Errorf("%+v", task)
		}
	})
}

func TestWorkIsSpread(t *testing.T) {
	each(t, func(h *house) {
		var failed atomic.Bool
		n := h.node(job.Work{Attempts: 2, Backoff: func(int) time.Duration { return 0 }, Run: func(ctx context.Context, r *job.Run) error {
			var part int
			if err := r.Args(&part); err != nil {
				return err
			}
			if part == 0 {
				if err := r.Spread(ctx, []any{1, 2, 3}); err != nil {
					return err
				}
				if err := r.Args(&part); err != nil {
					return err
				}
			}
			r.Logf("part %d", part)
			if part == 1 && !failed.Swap(true) {
				return errors.New("it is to be begun again")
			}
			return r.Keep(ctx, map[string]int{"part": part})
		}})
		id := h.submit(n, job.Submission{Tasks: []any{0}})
		if e := h.wait(id, "spread", func(e job.Execution) bool { return e.Status == job.Succeeded }); e.Counts != (job.Counts{Succeeded: 3}) {
			h.Errorf("%+v", e.Counts)
		}
		did := map[string]bool{}
		for _, task := range h.tasks(n, id) {
			did[string(task.Attrs)] = true
		}
		if len(did) != 3 || !did[`{"part":1}`] || !did[`{"part":2}`] || !did[`{"part":3}`] {
			h.Error(did)
		}
		if err := h.again(id); !errors.Is(err, job.ErrEnded) {
			h.Error(err)
		}
	})
}

// again spreads what is over.
func (h *house) again(id int64) error {
	first, err := h.store.FirstTasks(h.Context(), []int64{id})
	if err != nil {
		h.Fatal(err)
	}
	_, err = h.store.Spread(h.Context(), first[id].ID, first[id].Turn, []any{4, 5}, time.Now())
	return err
}

func TestWhatIsStoppedEnds(t *testing.T) {
	each(t, func(h *house) {
		var begun atomic.Int64
		n := h.node(job.Work{Run: func(ctx context.Context, _ *job.Run) error {
			begun.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}})
		id := h.submit(n, job.Submission{Tasks: []any{1, 2, 3}})
		h.wait(id, "running", func(e job.Execution) bool { return e.Counts.Running == 1 })
		at := time.Now()
		if err := n.Stop(h.Context(), id); err != nil {
			h.Fatal(err)
		}
		e := h.over(id, job.Stopped)
		if e.Counts != (job.Counts{Stopped: 3}) {
			h.Errorf("%+v", e)
		}
		for n.Busy() > 0 {
			if time.Since(at) > 20*time.Second {
				h.Fatal("it still runs")
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		if begun.Load() != 1 {
			h.Errorf("%d were begun", begun.Load())
		}
	})
}

func TestOneAtATime(t *testing.T) {
	each(t, func(h *house) {
		goOn := make(chan struct{})
		n := h.node(job.Work{Run: func(ctx context.Context, _ *job.Run) error {
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return nil
		}})
		one := job.Submission{Kind: kind, Trigger: job.Manual, OwnerID: 1, Tasks: []any{nil}, Alone: true}
		id := h.submit(n, one)
		if _, err := n.Submit(h.Context(), one); !errors.Is(err, job.ErrRunning) {
			h.Errorf("a second one: %v", err)
		}
		other := one
		other.OwnerID = 2
		h.submit(n, other)
		close(goOn)
		h.over(id, job.Succeeded)
		h.over(h.submit(n, one), job.Succeeded)
	})
}

func TestANodeThatDiesIsReplaced(t *testing.T) {
	each(t, func(h *house) {
		var runs atomic.Int64
		dead := make(chan struct{})
		defer close(dead)
		first := h.node(job.Work{Run: func(context.Context, *job.Run) error {
			runs.Add(1)
			<-dead
			return nil
		}})
		id := h.submit(first, job.Submission{Tasks: []any{1, 2}})
		h.wait(id, "running", func(e job.Execution) bool { return e.Counts.Running == 1 })
		first.die()
		later := func() time.Time { return time.Now().Add(time.Hour) }
		h.at(job.Work{Run: func(_ context.Context, r *job.Run) error {
			runs.Add(1)
			return nil
		}}, later)
		e := h.over(id, job.Succeeded)
		if e.Counts.Succeeded != 2 || runs.Load() != 3 {
			h.Errorf("%+v, and %d runs", e, runs.Load())
		}
	})
}

func TestStoppingTheServerLosesNothing(t *testing.T) {
	each(t, func(h *house) {
		first := h.node(job.Work{Run: func(ctx context.Context, _ *job.Run) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		id := h.submit(first, job.Submission{Tasks: []any{1}})
		h.wait(id, "running", func(e job.Execution) bool { return e.Counts.Running == 1 })
		first.die()
		if err := first.Close(h.Context()); err != nil {
			h.Fatal(err)
		}
		second := h.node(job.Work{Run: func(context.Context, *job.Run) error { return nil }})
		h.over(id, job.Succeeded)
		if task := h.tasks(second, id)[0]; task.Runs != 1 {
			h.Errorf("%+v", task)
		}
	})
}

func TestSchedules(t *testing.T) {
	each(t, func(h *house) {
		var now atomic.Int64
		now.Store(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
		clock := func() time.Time { return time.Unix(0, now.Load()).UTC() }
		done := job.Work{Run: func(context.Context, *job.Run) error { return nil }}
		a, b := h.at(done, clock), h.at(done, clock)
		if _, err := a.Schedule(h.Context(), job.Schedule{Kind: kind, OwnerID: 3, Type: "Hourly", Cron: "0 0 * * * *"}); err != nil {
			h.Fatal(err)
		}
		executions := func(want int) {
			h.Helper()
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				all, _, err := b.Executions(h.Context(), []job.Kind{kind}, 3, query.Query{})
				if err != nil {
					h.Fatal(err)
				}
				over := 0
				for _, e := range all {
					if e.Status == job.Succeeded && e.Trigger == job.BySchedule {
						over++
					}
				}
				if over == want && len(all) == want {
					return
				}
				if time.Now().After(end) {
					h.Fatalf("%d executions, want %d: %+v", len(all), want, all)
				}
			}
		}
		now.Add(int64(59 * time.Minute))
		time.Sleep(100 * time.Millisecond)
		executions(0)
		now.Add(int64(2 * time.Minute))
		executions(1)
		now.Add(int64(30 * time.Hour)) // it was down, and missed many
		executions(2)
		time.Sleep(100 * time.Millisecond)
		executions(2)
		if err := a.Pause(h.Context(), job.Scheduler, true); err != nil {
			h.Fatal(err)
		}
		now.Add(int64(time.Hour))
		time.Sleep(100 * time.Millisecond)
		executions(2)
		if err := a.Pause(h.Context(), job.Scheduler, false); err != nil {
			h.Fatal(err)
		}
		executions(3)
		if s, err := a.ScheduleOf(h.Context(), kind, 3); err != nil || !s.Next.Equal(time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC)) {
			h.Errorf("%+v, %v", s, err)
		}
		if err := a.Unschedule(h.Context(), kind, 3); err != nil {
			h.Fatal(err)
		}
		if _, err := a.ScheduleOf(h.Context(), kind, 3); !errors.Is(err, job.ErrNotFound) {
			h.Error(err)
		}
		for _, cron := range []string{"", "* * * * *", "@daily", "0 0 0 30 2 *", "a b c d e f", strings.Repeat("1", 300)} {
			if _, err := a.Schedule(h.Context(), job.Schedule{Kind: kind, Type: "Custom", Cron: cron}); !errors.Is(err, job.ErrCron) {
				h.Errorf("%q: %v", cron, err)
			}
		}
	})
}

func TestAPausedKindWaits(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Run: func(context.Context, *job.Run) error { return nil }})
		if err := n.Pause(h.Context(), kind, true); err != nil {
			h.Fatal(err)
		}
		id := h.submit(n, job.Submission{Tasks: []any{1}})
		time.Sleep(200 * time.Millisecond)
		h.wait(id, "waiting", func(e job.Execution) bool { return e.Counts.Pending == 1 })
		if err := n.Pause(h.Context(), kind, false); err != nil {
			h.Fatal(err)
		}
		h.over(id, job.Succeeded)
	})
}

func TestOldExecutionsGo(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Workers: 4, Keep: 2, Run: func(_ context.Context, r *job.Run) error { r.Logf("x"); return nil }})
		for range 5 {
			for owner := range int64(2) {
				h.over(h.submit(n, job.Submission{OwnerID: owner, Tasks: []any{1}}), job.Succeeded)
			}
		}
		if err := n.Sweep(h.Context()); err != nil {
			h.Fatal(err)
		}
		for owner := range int64(2) {
			all, total, err := n.Executions(h.Context(), []job.Kind{kind}, owner, query.Query{})
			if err != nil || total != 2 || all[0].ID < all[1].ID {
				h.Errorf("%d of %d, %v", len(all), total, err)
			}
		}
	})
}
