package sqlstore_test

import (
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// auditRows returns rows of the events from..to, or without an event where from
// is 0.
func auditRows(from, to int64, at time.Time) (rows []audit.Row) {
	for id := from; id <= to; id++ {
		r := audit.Row{EventID: id, At: at, Username: "alice", Operation: "pull", Success: true}
		if from == 0 {
			r.EventID = 0
		}
		rows = append(rows, r)
	}
	return rows
}

func countAudit(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM audit_log`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAuditKeepsEachEventOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store := sqlstore.NewAudit(d)
		for _, rows := range [][]audit.Row{
			auditRows(1, 3, time.Now()),
			auditRows(2, 120, time.Now()), // more than one statement's worth, in part known
			auditRows(0, 4, time.Now()),   // no event: each is kept
			auditRows(0, 4, time.Now()),
			nil,
		} {
			if err := store.Add(t.Context(), rows, false); err != nil {
				t.Fatal(err)
			}
		}
		if got := countAudit(t, d); got != 130 {
			t.Errorf("%d rows, want 130", got)
		}
	})
}

func TestAuditForgetsTheOldestFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store := sqlstore.NewAudit(d)
		now := time.Now()
		for i := range int64(10) {
			if err := store.Add(t.Context(), auditRows(i+1, i+1, now.Add(-time.Duration(i)*time.Hour)), false); err != nil {
				t.Fatal(err)
			}
		}
		before := now.Add(-4*time.Hour - time.Minute) // five of them are older
		for _, want := range []int64{3, 2, 0} {
			n, err := store.Expire(t.Context(), before, 3)
			if err != nil || n != want {
				t.Fatalf("%d rows expired, want %d: %v", n, want, err)
			}
		}
		if got := countAudit(t, d); got != 5 {
			t.Errorf("%d rows are left, want 5", got)
		}
		var oldest int64
		if err := d.QueryRow(t.Context(), `SELECT MIN(at) FROM audit_log`).Scan(&oldest); err != nil {
			t.Fatal(err)
		}
		if time.UnixMicro(oldest).Before(before) {
			t.Errorf("a row of %s is left", time.UnixMicro(oldest))
		}
	})
}

func TestSystemFactsAreReplaced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store := sqlstore.NewSystem(d)
		if _, err := store.Get(t.Context(), "fact"); err == nil {
			t.Fatal("a fact that nobody kept")
		}
		for _, want := range []string{"one", "two"} {
			if err := store.Set(t.Context(), "fact", want); err != nil {
				t.Fatal(err)
			}
			if got, err := store.Get(t.Context(), "fact"); err != nil || got != want {
				t.Errorf("got %q, want %q: %v", got, want, err)
			}
		}
	})
}

func TestAuditQueuesWhatIsNew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store, ctx := sqlstore.NewAudit(d), t.Context()
		add := func(from, to int64, queue bool) {
			t.Helper()
			if err := store.Add(ctx, auditRows(from, to, time.Now()), queue); err != nil {
				t.Fatal(err)
			}
		}
		add(1, 2, false)
		add(1, 120, true) // 118 of them are new, in more than one statement
		queued := func(want int) []audit.Row {
			t.Helper()
			rows, err := store.Queued(ctx, 1000)
			if err != nil || len(rows) != want {
				t.Fatalf("%d rows wait, want %d: %v", len(rows), want, err)
			}
			return rows
		}
		rows := queued(118)
		if err := store.Forwarded(ctx, []int64{rows[0].ID, rows[1].ID}, false); err != nil {
			t.Fatal(err)
		}
		queued(116)
		if got := countAudit(t, d); got != 120 {
			t.Errorf("%d rows are kept, want all 120", got)
		}
		if err := store.Forwarded(ctx, []int64{rows[2].ID}, true); err != nil {
			t.Fatal(err)
		}
		queued(115)
		if got := countAudit(t, d); got != 119 {
			t.Errorf("%d rows are kept, want 119", got)
		}
		if _, err := store.Expire(ctx, time.Now().Add(time.Hour), 1000); err != nil {
			t.Fatal(err)
		}
		queued(0)
	})
}

func TestOneNodeForwards(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store, now := sqlstore.NewAudit(d), time.Now()
		for _, c := range []struct {
			node string
			at   time.Duration
			want bool
		}{
			{"a", 0, true}, {"b", 0, false}, {"a", 20 * time.Second, true}, {"b", 40 * time.Second, false},
			{"b", 51 * time.Second, true}, {"a", 52 * time.Second, false},
		} {
			at := now.Add(c.at)
			got, err := store.Lead(t.Context(), c.node, at, at.Add(30*time.Second))
			if err != nil || got != c.want {
				t.Errorf("%s after %s: %v, want %v: %v", c.node, c.at, got, c.want, err)
			}
		}
	})
}
