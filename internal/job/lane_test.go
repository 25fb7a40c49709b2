package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
)

// A record is what was begun, in its order, and what of a lane runs.
type record struct {
	*testing.T

	mu      sync.Mutex
	begun   []string
	running map[string]string
}

// begin notes a run, until what it returns is called.
func (r *record) begin(lane, name string) (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.running[lane]; lane != "" && other != "" {
		r.Errorf("%s is begun while %s runs", name, other)
	}
	if r.running == nil {
		r.running = map[string]string{}
	}
	r.running[lane] = name
	r.begun = append(r.begun, name)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, lane)
	}
}

func (r *record) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.begun, " ")
}

// expect waits until something has become true.
func (h *house) expect(what string, is func() bool) {
	h.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("not so: %s", what)
		}
	}
}

// lane submits tasks of a lane, each in an execution of its own.
func (h *house) lane(n node, lane string, tasks ...any) []int64 {
	h.Helper()
	ids := make([]int64, len(tasks))
	for i, args := range tasks {
		ids[i] = h.submit(n, job.Submission{Lane: lane, Tasks: []any{args}})
	}
	return ids
}

// noLanes expects that nothing is kept of lanes whose tasks are over.
func (h *house) noLanes() {
	h.Helper()
	var n int
	if err := h.db.QueryRow(h.Context(), `SELECT count(*) FROM lane`).Scan(&n); err != nil || n > 0 {
		h.Errorf("%d lanes are left, %v", n, err)
	}
}

func name(r *job.Run) string { return strings.Trim(string(r.Task.Args), `"`) }

func TestTasksOfALaneAreDoneInTheirOrder(t *testing.T) {
	each(t, func(h *house) {
		const lanes, rounds = 4, 3
		rec := &record{T: t}
		var done atomic.Int64
		work := job.Work{Workers: 4, Attempts: 3, Backoff: func(int) time.Duration { return time.Millisecond }, Run: func(ctx context.Context, r *job.Run) error {
			defer rec.begin(r.Task.Lane, fmt.Sprintf("%s/%d", r.Task.Lane, r.Task.ID))()
			switch {
			case r.Attempt == 1 && r.Task.ID%5 == 0:
				return errors.New("not yet")
			case r.Task.ID%7 == 0 && string(r.Task.Attrs) == "{}":
				return errors.Join(r.Keep(ctx, map[string]int{"n": 1}), job.Again{})
			}
			done.Add(1)
			return nil
		}}
		nodes := []node{h.node(work), h.node(work), h.node(work)}
		var all sync.WaitGroup
		for _, n := range nodes {
			all.Go(func() {
				for range rounds {
					var list []job.Submission
					for lane := range lanes {
						list = append(list, job.Submission{Kind: kind, Trigger: job.ByEvent, Lane: fmt.Sprint("lane", lane), Tasks: []any{1}})
					}
					if err := n.SubmitAll(h.Context(), list); err != nil {
						h.Error(err)
					}
				}
			})
		}
		all.Wait()
		h.expect("all are done", func() bool { return done.Load() == int64(len(nodes)*rounds*lanes) })
		last := map[string]int64{}
		for _, one := range strings.Fields(rec.all()) {
			lane, text, _ := strings.Cut(one, "/")
			var id int64
			if _, err := fmt.Sscan(text, &id); err != nil || id < last[lane] {
				h.Errorf("%s is begun after %d", one, last[lane])
			}
			last[lane] = id
		}
		h.expect("all are over", func() bool {
			open, _, err := nodes[0].Executions(h.Context(), []job.Kind{kind}, 0, query.Query{Filters: []query.Filter{{Field: "status", Value: string(job.Running)}}})
			return err == nil && len(open) == 0
		})
		h.noLanes()
	})
}

// TestWhatIsNextIsSentAtOnce has a node that looks for nothing.
func TestWhatIsNextIsSentAtOnce(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Run: func(ctx context.Context, r *job.Run) error {
			if string(r.Task.Attrs) == "{}" {
				return errors.Join(r.Keep(ctx, map[string]int{"n": 1}), job.Again{})
			}
			return nil
		}})
		n.die()
		for _, id := range h.lane(n, "a", 1, 2, 3) {
			h.over(id, job.Succeeded)
		}
	})
}

func TestWhatFailsHoldsItsLaneOnly(t *testing.T) {
	each(t, func(h *house) {
		rec := &record{T: t}
		var mended atomic.Bool
		n := h.node(job.Work{Attempts: 1000, Backoff: func(int) time.Duration { return 5 * time.Millisecond }, Run: func(_ context.Context, r *job.Run) error {
			if name(r) == "a1" && !mended.Load() {
				return errors.New("nobody answers")
			}
			defer rec.begin(r.Task.Lane, name(r))()
			return nil
		}})
		a := h.lane(n, "a", "a1", "a2", "a3")
		for _, id := range h.lane(n, "b", "b1", "b2", "b3") {
			h.over(id, job.Succeeded)
		}
		h.over(h.lane(n, "", "c")[0], job.Succeeded)
		h.wait(a[0], "tried again", func(e job.Execution) bool { return h.tasks(n, e.ID)[0].Runs > 2 })
		if got := rec.all(); got != "b1 b2 b3 c" {
			h.Errorf("%s was done", got)
		}
		mended.Store(true)
		h.over(a[2], job.Succeeded)
		if got := rec.all(); got != "b1 b2 b3 c a1 a2 a3" {
			h.Errorf("%s was done", got)
		}
	})
}

// blocking is work that runs until it is stopped, but for what is named "end…".
func blocking(rec *record) job.Work {
	return job.Work{Workers: 4, Run: func(ctx context.Context, r *job.Run) error {
		rec.begin("", name(r))
		if strings.HasPrefix(name(r), "end") {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}}
}

func TestWhatIsStoppedLetsItsLaneGoOn(t *testing.T) {
	each(t, func(h *house) {
		rec := &record{T: t}
		n := h.node(blocking(rec))
		ids := h.lane(n, "a", "first", "second", "third", "fourth", "fifth", "end")
		begun := func(want string) {
			h.Helper()
			h.expect("begun: "+want, func() bool { return rec.all() == want })
		}
		begun("first")
		if err := n.Stop(h.Context(), ids[1]); err != nil { // in the middle
			h.Fatal(err)
		}
		if err := n.StopTask(h.Context(), h.tasks(n, ids[3])[0].ID); err != nil {
			h.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		begun("first")
		if err := n.Stop(h.Context(), ids[0]); err != nil { // at its head
			h.Fatal(err)
		}
		begun("first third")
		if err := n.StopTask(h.Context(), h.tasks(n, ids[2])[0].ID); err != nil {
			h.Fatal(err)
		}
		begun("first third fifth")
		if err := n.StopRunning(h.Context(), kind); err != nil {
			h.Fatal(err)
		}
		h.over(ids[5], job.Succeeded)
		for _, id := range ids[:5] {
			h.over(id, job.Stopped)
		}
		h.noLanes()
	})
}

func TestAllOfALaneIsStopped(t *testing.T) {
	each(t, func(h *house) {
		rec := &record{T: t}
		n := h.node(blocking(rec))
		several := h.submit(n, job.Submission{Lane: "a", Tasks: []any{"first", "second", "third"}})
		ids := append(h.lane(n, "a", "fourth", "fifth"), several)
		h.expect("the first is begun", func() bool { return rec.all() == "first" })
		if err := errors.Join(n.StopWaiting(h.Context(), kind), n.StopRunning(h.Context(), kind)); err != nil {
			h.Fatal(err)
		}
		for _, id := range ids {
			h.over(id, job.Stopped)
		}
		h.noLanes()
		h.over(h.lane(n, "a", "end")[0], job.Succeeded)
		if got := rec.all(); got != "first end" {
			h.Errorf("%s was begun", got)
		}
	})
}

func TestWhatWaitsToBeTriedAgainIsStopped(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(job.Work{Attempts: 2, Backoff: func(int) time.Duration { return time.Hour }, Run: func(_ context.Context, r *job.Run) error {
			if name(r) == "end" {
				return nil
			}
			return errors.New("not yet")
		}})
		ids := h.lane(n, "a", "first", "end")
		h.wait(ids[0], "waiting", func(e job.Execution) bool { return e.Counts.Scheduled == 1 })
		if err := n.Stop(h.Context(), ids[0]); err != nil {
			h.Fatal(err)
		}
		h.over(ids[1], job.Succeeded)
	})
}

func TestALaneGoesOnWhereANodeDied(t *testing.T) {
	each(t, func(h *house) {
		rec := &record{T: t}
		dead := make(chan struct{})
		defer close(dead)
		first := h.node(job.Work{Run: func(_ context.Context, r *job.Run) error {
			rec.begin("", name(r))
			<-dead
			return nil
		}})
		ids := h.lane(first, "a", "1", "2", "3")
		h.expect("one runs", func() bool { return rec.all() == "1" })
		first.die()
		h.at(job.Work{Run: func(_ context.Context, r *job.Run) error {
			rec.begin("", name(r))
			return nil
		}}, func() time.Time { return time.Now().Add(time.Hour) })
		h.over(ids[2], job.Succeeded)
		if got := rec.all(); got != "1 1 2 3" {
			h.Errorf("%s was begun", got)
		}
		h.noLanes()
	})
}

func TestALaneOfAPausedKindWaits(t *testing.T) {
	each(t, func(h *house) {
		rec := &record{T: t}
		var mended atomic.Bool
		n := h.node(job.Work{Workers: 2, Attempts: 1000, Backoff: func(int) time.Duration { return time.Millisecond }, Run: func(_ context.Context, r *job.Run) error {
			if !mended.Load() {
				return errors.New("not yet")
			}
			rec.begin("", name(r))
			return nil
		}})
		pause := func(paused bool) {
			h.Helper()
			if err := n.Pause(h.Context(), kind, paused); err != nil {
				h.Fatal(err)
			}
		}
		pause(true)
		ids := h.lane(n, "a", "1", "2", "3")
		time.Sleep(100 * time.Millisecond)
		h.wait(ids[0], "waiting", func(e job.Execution) bool { return h.tasks(n, e.ID)[0].Runs == 0 })
		pause(false)
		h.wait(ids[0], "tried again", func(e job.Execution) bool { return h.tasks(n, e.ID)[0].Runs > 1 })
		pause(true)
		ids = append(ids, h.lane(n, "a", "4")...)
		mended.Store(true)
		pause(false)
		h.over(ids[3], job.Succeeded)
		if got := rec.all(); got != "1 2 3 4" {
			h.Errorf("%s was done", got)
		}
	})
}

func TestACauseIsSubmittedOnce(t *testing.T) {
	each(t, func(h *house) {
		const causes = 30
		var runs atomic.Int64
		work := job.Work{Workers: 4, Run: func(context.Context, *job.Run) error { runs.Add(1); return nil }}
		nodes := []node{h.node(work), h.node(work)}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				var list []job.Submission
				for c := range causes - i {
					list = append(list, job.Submission{Kind: kind, Trigger: job.ByEvent, OwnerID: 1, Lane: fmt.Sprint(c % 3), Cause: fmt.Sprint("event ", c), Tasks: []any{c}})
				}
				n := nodes[i%2]
				for chunk := range slices.Chunk(list, 7+i) {
					if err := n.SubmitAll(h.Context(), chunk); err != nil {
						h.Error(err)
					}
				}
				id, err := n.Submit(h.Context(), list[0])
				if e, failed := h.store.Execution(h.Context(), id); err != nil || failed != nil || h.tasks(n, e.ID)[0].Lane != "0" {
					h.Errorf("%d: %+v, %v, %v", id, e, err, failed)
				}
			})
		}
		all.Wait()
		h.expect("all are done", func() bool { return runs.Load() == causes })
		found, total, err := nodes[0].Executions(h.Context(), []job.Kind{kind}, 1, query.Query{})
		if err != nil || total != causes {
			h.Fatalf("%d executions, %v", total, err)
		}
		h.over(found[0].ID, job.Succeeded)
		if n := runs.Load(); n != causes {
			h.Errorf("%d runs", n)
		}
	})
}

func TestAListIsMadeAsAWholeOrNotAtAll(t *testing.T) {
	each(t, func(h *house) {
		n := h.node(blocking(&record{T: t}))
		one := job.Submission{Kind: kind, Trigger: job.Manual, Lane: "a", Tasks: []any{"end"}}
		alone := one
		alone.Alone, alone.Lane, alone.Tasks = true, "", []any{"runs"}
		id := h.submit(n, alone)
		if err := n.SubmitAll(h.Context(), []job.Submission{one, alone, one}); !errors.Is(err, job.ErrRunning) {
			h.Errorf("one of them is refused: %v", err)
		}
		unknown := one
		unknown.Kind = "OTHER"
		if err := n.SubmitAll(h.Context(), []job.Submission{one, unknown}); err == nil {
			h.Error("there is no work of the kind")
		}
		if _, total, err := n.Executions(h.Context(), []job.Kind{kind}, 0, query.Query{}); err != nil || total != 1 {
			h.Errorf("%d executions, %v", total, err)
		}
		h.noLanes()
		if err := errors.Join(n.SubmitAll(h.Context(), nil), n.Stop(h.Context(), id)); err != nil {
			h.Error(err)
		}
	})
}

// TestWhatWaitedForTooLongFails holds a lane with a task that is tried again while
// far more come than one look finds.
func TestWhatWaitedForTooLongFails(t *testing.T) {
	each(t, func(h *house) {
		const waiting, late = 603, time.Hour
		var ahead atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		n := h.at(job.Work{Expire: late, Attempts: 2, Backoff: func(int) time.Duration { return 3 * late }, Run: func(_ context.Context, r *job.Run) error {
			if name(r) == "first" && r.Attempt == 1 {
				return errors.New("nobody answers")
			}
			return nil
		}}, clock)
		first := h.lane(n, "a", "first")[0]
		h.wait(first, "waiting", func(e job.Execution) bool { return e.Counts.Scheduled == 1 })
		list := slices.Repeat([]job.Submission{{Kind: kind, Trigger: job.ByEvent, OwnerID: 1, Lane: "a", Tasks: []any{1}}}, waiting)
		if err := n.SubmitAll(h.Context(), list); err != nil {
			h.Fatal(err)
		}
		status := func(want job.Status) int64 {
			h.Helper()
			_, total, err := n.Executions(h.Context(), []job.Kind{kind}, 1, query.Query{Size: 1, Filters: []query.Filter{{Field: "status", Value: string(want)}}})
			if err != nil {
				h.Fatal(err)
			}
			return total
		}
		ahead.Store(int64(late / 2))
		last := h.lane(n, "a", "last")[0]
		if err := n.Tick(h.Context()); err != nil || status(job.Running) != waiting {
			h.Fatalf("they are in time: %d wait, %v", status(job.Running), err)
		}
		ahead.Store(int64(late + time.Minute))
		if err := n.Tick(h.Context()); err != nil || status(job.Failed) != waiting {
			h.Fatalf("one look is to find all: %d have failed, %v", status(job.Failed), err)
		}
		all, _, err := n.Executions(h.Context(), []job.Kind{kind}, 1, query.Query{Size: 1})
		if err != nil || all[0].Message != "it waited for more than 1h0m0s" || h.tasks(n, all[0].ID)[0].Message != all[0].Message {
			h.Errorf("%+v, %v", all, err)
		}
		ahead.Store(int64(late/2 + time.Minute))
		h.wait(first, "waiting", func(e job.Execution) bool { return e.Counts.Scheduled == 1 })
		if err := n.Stop(h.Context(), first); err != nil {
			h.Fatal(err)
		}
		h.over(last, job.Succeeded)
		h.noLanes()
	})
}
