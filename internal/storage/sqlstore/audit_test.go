package sqlstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/query"
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

// TestAuditIsSortedByTime or id, and refuses to be sorted otherwise.
func TestAuditIsSortedByTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store := sqlstore.NewAudit(d)
		at := time.Unix(1_800_000_000, 0)
		for i, minutes := range []int{2, 0, 1} {
			if err := store.Add(t.Context(), auditRows(int64(i+1), int64(i+1), at.Add(time.Duration(minutes)*time.Minute)), false); err != nil {
				t.Fatal(err)
			}
		}
		for sort, want := range map[string][]int64{"": {1, 3, 2}, "op_time": {2, 3, 1}, "-op_time,id": {1, 3, 2}, "-id": {3, 2, 1}, "nothing": {1, 3, 2}, "username": nil, "op_time,-resource": nil} {
			q, err := query.Parse("", sort, 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			rows, _, err := store.List(t.Context(), audit.Visible{All: true}, q)
			var got []int64
			for _, r := range rows {
				got = append(got, r.EventID)
			}
			if !slices.Equal(got, want) || errors.Is(err, query.ErrInvalid) != (want == nil) {
				t.Errorf("by %q: %v, want %v: %v", sort, got, want, err)
			}
		}
	})
}

// TestAuditOfAdministrators shows the rows of projects that somebody administers,
// be it as a member, as one of a group, or as both.
func TestAuditOfAdministrators(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, q := range []string{
				`INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`,
				`INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'a', 1, 0, 0), (2, 'b', 1, 0, 0), (3, 'c', 1, 0, 0), (4, 'd', 1, 0, 0)`,
				`INSERT INTO user_group (id, kind, name, key, created, updated) VALUES (7, 1, 'g', 'g', 0, 0)`,
				`INSERT INTO account_group (account_id, group_id) VALUES (1, 7)`,
				`INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (1, 'u', 1, 1, 0, 0), (2, 'g', 7, 1, 0, 0), (3, 'u', 1, 1, 0, 0), (3, 'g', 7, 1, 0, 0), (4, 'u', 1, 2, 0, 0)`,
			} {
				if _, err := tx.Exec(q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		store := sqlstore.NewAudit(d)
		for id := range int64(5) {
			rows := auditRows(id+1, id+1, time.Unix(id, 0))
			rows[0].ProjectID = id
			if err := store.Add(t.Context(), rows, false); err != nil {
				t.Fatal(err)
			}
		}
		rows, total, err := store.List(t.Context(), audit.Visible{AdministratorID: 1}, query.Query{Page: 1, Size: 10})
		var got []int64
		for _, r := range rows {
			got = append(got, r.ProjectID)
		}
		if want := []int64{3, 2, 1}; err != nil || total != 3 || !slices.Equal(got, want) {
			t.Errorf("%d %v, want %v: %v", total, got, want, err)
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
