package sqlstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// BenchmarkLanes adds a task to a lane, does the first one, and looks for what to
// send, which all cost the same however many wait; reads a page of executions,
// which are counted; and fails 500 tasks that have waited for too long.
func BenchmarkLanes(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		for _, waiting := range []int{100, 20_000} {
			b.Run(fmt.Sprintf("%s/%d", name, waiting), func(b *testing.B) {
				d := open(b)
				lane := benchLane{b, NewJobs(d)}
				for range waiting / 100 {
					lane.submit(100)
				}
				if d.Dialect() == db.PostgreSQL { // until it does so by itself, it keeps the plans for empty tables
					lane.must(d.Write(b.Context(), func(tx *db.Tx) error {
						_, err := tx.Exec(`ANALYZE`)
						return err
					}))
				}
				b.Run("submit", func(b *testing.B) {
					for b.Loop() {
						lane.submit(1)
					}
				})
				b.Run("do", func(b *testing.B) {
					for b.Loop() {
						lane.do()
					}
				})
				b.Run("unsent", func(b *testing.B) {
					for b.Loop() {
						lane.unsent()
					}
				})
				b.Run("page", func(b *testing.B) {
					for b.Loop() {
						_, _, err := lane.jobs.Executions(b.Context(), []job.Kind{job.Webhook, job.Slack}, 1, query.Query{Size: 10})
						lane.must(err)
					}
				})
				lane.expire() // all that wait
				b.Run("expire", func(b *testing.B) {
					for b.Loop() {
						lane.submit(500)
						lane.expire()
					}
				})
			})
		}
	}
}

type benchLane struct {
	*testing.B

	jobs *Jobs
}

func (l benchLane) must(err error) {
	if err != nil {
		l.Helper()
		l.Fatal(err)
	}
}

func (l benchLane) submit(n int) {
	l.Helper()
	all := make([]job.Submission, n)
	for i := range all {
		all[i] = job.Submission{Kind: job.Webhook, OwnerID: 1, Trigger: job.ByEvent, Lane: "a", Tasks: []any{1}}
	}
	_, _, err := l.jobs.Create(l.Context(), all, time.Now())
	l.must(err)
}

func (l benchLane) unsent() []job.Delivery {
	l.Helper()
	d, err := l.jobs.Unsent(l.Context(), 500, time.Now())
	l.must(err)
	return d
}

// do does the first of the lane, which then is the one that it leaves unsent.
func (l benchLane) do() {
	l.Helper()
	one := l.unsent()[0]
	_, err := l.jobs.Begin(l.Context(), one.Task, one.Turn, "node", time.Now())
	l.must(err)
	_, err = l.jobs.End(l.Context(), one.Task, one.Turn, job.Outcome{Status: job.Succeeded}, time.Now())
	l.must(err)
}

func (l benchLane) expire() {
	l.Helper()
	now := time.Now()
	for n := 500; n == 500; {
		var err error
		n, err = l.jobs.Expire(l.Context(), job.Stale{Kind: job.Webhook, Before: now.Add(time.Hour), Message: "late"}, 500, now)
		l.must(err)
	}
}
