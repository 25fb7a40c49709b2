package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A yard is where tasks of lanes are made, done and ended at random, by many at
// once. Its clock goes on with each call.
type yard struct {
	*testing.T

	jobs  *Jobs
	clock atomic.Int64
	made  atomic.Int64 // the last execution
}

func (y *yard) now() time.Time { return time.UnixMicro(y.clock.Add(1)) }

// do expects no error but that others were faster.
func (y *yard) do(what string, err error) bool {
	y.Helper()
	if err != nil && !errors.Is(err, job.ErrEnded) && !errors.Is(err, job.ErrNotFound) {
		y.Errorf("%s: %v", what, err)
	}
	return err == nil
}

func (y *yard) step(ctx context.Context, r *rand.Rand) {
	y.Helper()
	someone := r.Int64N(y.made.Load()+1) + 1
	switch n := r.IntN(40); {
	case n < 10:
		y.create(ctx, r)
	case n < 11:
		y.do("stop", y.jobs.Stop(ctx, someone, y.now()))
	case n < 12:
		y.do("stop a task", y.jobs.StopTask(ctx, someone, y.now()))
	case n == 12:
		_, err := y.jobs.StopAll(ctx, "", r.IntN(2) == 0, 3, y.now())
		y.do("stop all", err)
	case n == 13:
		now := y.now()
		_, err := y.jobs.Expire(ctx, job.Stale{Kind: job.Webhook, Before: now.Add(-200 * time.Microsecond), Message: "late"}, 5, now)
		y.do("expire", err)
	case n == 14:
		_, err := y.jobs.Reclaim(ctx, job.Claim{Node: "me"}, 2, y.now())
		y.do("reclaim", err)
	default:
		y.run(ctx, r)
	}
}

func (y *yard) create(ctx context.Context, r *rand.Rand) {
	y.Helper()
	var all []job.Submission
	for range 1 + r.IntN(4) {
		s := job.Submission{Kind: job.Webhook, Trigger: job.ByEvent, Tasks: make([]any, 1+r.IntN(2))}
		if lane := r.IntN(4); lane > 0 {
			s.Lane = fmt.Sprint("lane", lane)
		}
		all = append(all, s)
	}
	ids, _, err := y.jobs.Create(ctx, all, y.now())
	if y.do("create", err) {
		y.made.Store(ids[len(ids)-1])
	}
}

// run begins one of the tasks that may begin, and ends it. Its node is not known,
// so that others may take it meanwhile.
func (y *yard) run(ctx context.Context, r *rand.Rand) (ran bool) {
	y.Helper()
	d, err := y.jobs.Unsent(ctx, 10, y.now())
	if !y.do("unsent", err) || len(d) == 0 {
		return false
	}
	one := d[r.IntN(len(d))]
	if _, err := y.jobs.Begin(ctx, one.Task, one.Turn, "dead", y.now()); !y.do("begin", err) {
		return true
	}
	status := []job.Status{job.Succeeded, job.Succeeded, job.Failed, job.Pending, job.Scheduled}[r.IntN(5)]
	now := y.now()
	next, err := y.jobs.End(ctx, one.Task, one.Turn, job.Outcome{Status: status, At: now}, now)
	if y.do("end", err) {
		y.do("sent", y.jobs.Sent(ctx, next[:0]))
	}
	return true
}

// count expects that so many rows are there.
func (y *yard) count(what string, want int64, q string) {
	y.Helper()
	var n int64
	if err := y.jobs.db.QueryRow(y.Context(), `SELECT count(*) FROM `+q).Scan(&n); err != nil || n != want {
		y.Errorf("%s: %d, want %d, %v", what, n, want, err)
	}
}

// sound expects that the first of each lane may begin, and no other; that no task
// was begun before those in front of it were over; and that all is counted.
func (y *yard) sound() {
	y.Helper()
	y.count("lanes whose first waits, or whose others do not", 0, `task t WHERE t.ended = 0 AND t.behind <> (t.lane <> '' AND t.id <>
		(SELECT MIN(f.id) FROM task f WHERE f.lane = t.lane AND f.ended = 0))`)
	y.count("lanes that are not kept", 0, `task t WHERE t.ended = 0 AND t.lane <> '' AND NOT EXISTS (SELECT 1 FROM lane l WHERE l.name = t.lane)`)
	y.count("empty lanes", 0, `lane l WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.lane = l.name AND t.ended = 0)`)
	y.count("tasks that overtook others", 0, `(SELECT started, MAX(CASE WHEN ended = 0 THEN 1000000000 ELSE ended END)
		OVER (PARTITION BY lane ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last FROM task WHERE lane <> '') AS t WHERE started > 0 AND last > started`)
	y.count("executions that are not counted", 0, `execution e WHERE e.pending + e.scheduled + e.running <> (SELECT count(*) FROM task t WHERE t.execution_id = e.id AND t.ended = 0)
		OR e.stopped + e.failed + e.succeeded <> (SELECT count(*) FROM task t WHERE t.execution_id = e.id AND t.ended > 0)
		OR (e.ended = 0) <> (e.pending + e.scheduled + e.running > 0)`)
}

// eachYard runs f in one, and expects in the end that on PostgreSQL no transactions
// have waited for each other in a circle.
func eachYard(t *testing.T, f func(y *yard)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		f(&yard{T: t, jobs: NewJobs(d)})
		if d.Dialect() == db.PostgreSQL {
			noDeadlocks(t, d, url)
		}
	})
}

// noDeadlocks closes a database of PostgreSQL: its connections tell what they have
// counted when they end.
func noDeadlocks(t *testing.T, d *db.DB, url string) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const others = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`
	for n := 1; n > 0; {
		if err := d.QueryRow(t.Context(), others).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := d.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&n); err != nil || n > 0 {
		t.Errorf("%d deadlocks, %v", n, err)
	}
}

// TestNoLaneIsForgotten ends the first tasks of a lane at the same time, each in a
// way of its own, while others are made.
func TestNoLaneIsForgotten(t *testing.T) {
	eachYard(t, func(y *yard) {
		ctx, s := y.Context(), y.jobs
		for i := range 50 {
			one := job.Submission{Kind: job.Webhook, Lane: fmt.Sprint("lane", i), Tasks: []any{nil}}
			ids, next, err := s.Create(ctx, []job.Submission{one, one, one, one}, y.now())
			if err != nil || len(next) != 1 {
				t.Fatal(next, err)
			}
			made := y.now()
			tasks, err := s.FirstTasks(ctx, ids)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Begin(ctx, next[0].Task, next[0].Turn, "node", y.now()); err != nil {
				t.Fatal(err)
			}
			head := []func() error{
				func() error {
					_, err := s.End(ctx, next[0].Task, next[0].Turn, job.Outcome{Status: job.Succeeded}, y.now())
					return err
				},
				func() error { return s.StopTask(ctx, next[0].Task, y.now()) },
				func() error { return s.Stop(ctx, ids[0], y.now()) },
			}
			var all sync.WaitGroup
			for _, do := range []func() error{
				head[i%len(head)],
				func() error { return s.StopTask(ctx, tasks[ids[1]].ID, y.now()) },
				func() error { return s.Stop(ctx, ids[2], y.now()) },
				func() error {
					_, err := s.Expire(ctx, job.Stale{Kind: job.Webhook, Before: made}, 10, y.now())
					return err
				},
				func() error { _, _, err := s.Create(ctx, []job.Submission{one}, y.now()); return err },
			} {
				all.Go(func() { y.do("at once", do()) })
			}
			all.Wait()
			y.sound()
		}
	})
}

func TestLanesKeepTheirOrder(t *testing.T) {
	eachYard(t, func(y *yard) {
		for round := range uint64(3) {
			var all sync.WaitGroup
			for i := range uint64(8) {
				all.Go(func() {
					r := rand.New(rand.NewPCG(round, i))
					for range 30 {
						y.step(t.Context(), r)
					}
				})
			}
			all.Wait()
			y.sound()
		}
		r := rand.New(rand.NewPCG(1, 2))
		for open := true; open; {
			n, err := y.jobs.Reclaim(t.Context(), job.Claim{Node: "me"}, 10, y.now())
			y.do("reclaim", err)
			open = y.run(t.Context(), r) || n > 0
		}
		y.count("tasks that are not over", 0, `task WHERE ended = 0`)
		y.count("lanes", 0, `lane`)
		y.sound()
	})
}

func TestACauseIsKnownWhileItsExecutionIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, now := NewJobs(d), time.UnixMicro(1)
		of := func(cause string) job.Submission {
			return job.Submission{Kind: job.Webhook, OwnerID: 1, Cause: cause, Lane: "a", Tasks: []any{cause}}
		}
		create := func(all ...job.Submission) []int64 {
			t.Helper()
			ids, _, err := s.Create(t.Context(), all, now)
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		ids := create(of("1"), of(""), of("2"), of("1"))
		if again := create(of("2"), of("3"), of("1"), of("")); again[0] != ids[2] || again[2] != ids[0] || ids[3] != ids[0] || again[3] == ids[1] {
			t.Errorf("%v, then %v", ids, again)
		}
		alone := of("4")
		alone.Alone = true
		if id := create(alone)[0]; create(alone)[0] != id {
			t.Error("a cause that is alone has another execution")
		}
		other := of("5")
		other.Alone = true
		if _, _, err := s.Create(t.Context(), []job.Submission{of("6"), other}, now); !errors.Is(err, job.ErrRunning) {
			t.Errorf("one that is not alone: %v", err)
		}
		all, total, err := s.Executions(t.Context(), []job.Kind{job.Webhook}, 1, query.Query{})
		if err != nil || total != 6 {
			t.Fatalf("%d executions, %v", total, err)
		}
		var args []string
		for _, e := range slices.Backward(all) {
			tasks, n, err := s.Tasks(t.Context(), e.ID, query.Query{})
			if err != nil || n != 1 || e.Counts.Pending != 1 {
				t.Fatalf("%+v: %d tasks, %v", e, n, err)
			}
			args = append(args, string(tasks[0].Args))
		}
		if got := strings.Join(args, " "); got != `"1" "" "2" "3" "" "4"` {
			t.Errorf("the tasks are of %s", got)
		}
		if _, err := s.StopAll(t.Context(), "", false, 10, now); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Sweep(t.Context(), job.Webhook, 0, time.Time{}, 10); err != nil || n != 6 {
			t.Fatalf("%d swept, %v", n, err)
		}
		if id := create(of("1"))[0]; id <= all[0].ID {
			t.Errorf("the execution %d of a cause is gone, and was returned", id)
		}
	})
}

func TestAnExecutionWithoutTasksIsOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewJobs(d)
		ids, next, err := s.Create(t.Context(), []job.Submission{{Kind: job.Webhook, Lane: "a", Alone: true}}, time.UnixMicro(5))
		if err != nil || len(next) > 0 {
			t.Fatal(next, err)
		}
		if e, err := s.Execution(t.Context(), ids[0]); err != nil || e.Status != job.Succeeded || e.Ended != time.UnixMicro(5).UTC() {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestExecutionsOfSeveralKindsAreOneList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewJobs(d)
		var all []job.Submission
		for i := range 12 {
			all = append(all, job.Submission{Kind: []job.Kind{job.Webhook, job.Slack, job.Retention}[i%3], OwnerID: int64(i / 6)})
		}
		ids, _, err := s.Create(t.Context(), all, time.UnixMicro(1))
		if err != nil {
			t.Fatal(err)
		}
		found, total, err := s.Executions(t.Context(), []job.Kind{job.Slack, job.Webhook}, 1, query.Query{Page: 1, Size: 3})
		if err != nil || total != 4 || len(found) != 3 || found[0].ID != ids[10] || found[1].ID != ids[9] || found[2].ID != ids[7] {
			t.Errorf("%d: %+v, %v", total, found, err)
		}
	})
}

// TestWaitingTasksAreReadFromIndexes holds that what looks for tasks each second,
// and with each one that ends, meets none of those that wait behind others.
func TestWaitingTasksAreReadFromIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		readPlan{index: "task_unsent", ordered: true}.check(t, d, "unsent", unsent, []any{1, "Running", 10})
		readPlan{index: "task_open", ordered: true}.check(t, d, "stale", staleTasks, []any{"WEBHOOK", "Pending", 1, 10})
		readPlan{index: "task_lane"}.check(t, d, "first", strings.Replace(firstOfLanes, "LANES", "?", 1), []any{"a"})
		readPlan{index: "task_lane"}.check(t, d, "empty", strings.Replace(emptyLanes, "LANES", "?", 1), []any{"a"})
		where := executionsOf([]job.Kind{job.Webhook, job.Slack}, 1)
		for _, back := range []bool{false, true} {
			q := executionListing.statement(where, executionListing.orderBy(nil, back))
			readPlan{index: "execution_of", ordered: true}.check(t, d, "executions", q, append(where.args[:len(where.args):len(where.args)], 10, 0))
			anybodys := executionsOf([]job.Kind{job.Replication}, job.AnyOwner)
			q = executionListing.statement(anybodys, executionListing.orderBy(nil, back))
			readPlan{index: "execution_kind", ordered: true}.check(t, d, "executions of all owners", q, append(anybodys.args[:len(anybodys.args):len(anybodys.args)], 10, 0))
			if d.Dialect() == db.PostgreSQL {
				continue // to which that index is as good while there are no rows
			}
			one := executionsOf([]job.Kind{job.Replication}, 1)
			q = executionListing.statement(one, executionListing.orderBy(nil, back))
			readPlan{index: "execution_owner", ordered: true}.check(t, d, "executions of one owner", q, append(one.args[:len(one.args):len(one.args)], 10, 0))
		}
		if d.Dialect() == db.SQLite {
			for _, q := range []string{unsent, firstOfLanes, emptyLanes} {
				q = strings.Replace(q, "LANES", "?", 1)
				if lines := plan(t, d, q, make([]any, strings.Count(q, "?"))); strings.Contains(lines, "SCAN task") || strings.Contains(lines, "SCAN t ") {
					t.Errorf("%s\n%s", q, lines)
				}
			}
		}
	})
}

func TestOldExecutionsAreSweptWhoeverTheirOwnerIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, now := NewJobs(d), time.Now()
		for i := range 3 {
			if _, _, err := s.Create(t.Context(), []job.Submission{{Kind: job.Webhook, OwnerID: int64(i), Tasks: []any{1}}}, now); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.StopAll(t.Context(), "", false, 2, now.Add(-time.Hour)); err != nil { // two of them have ended by then
			t.Fatal(err)
		}
		for _, want := range []int{1, 1, 0} {
			if n, err := s.Sweep(t.Context(), job.Webhook, 100, now.Add(-time.Minute), 1); err != nil || n != want {
				t.Errorf("%d swept, want %d, %v", n, want, err)
			}
		}
		if n, err := s.Sweep(t.Context(), job.Webhook, 100, now.Add(time.Hour), 10); err != nil || n != 0 {
			t.Errorf("%d of those that are not over, %v", n, err)
		}
	})
}
