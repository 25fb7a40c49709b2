package db

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// openTest opens a migrated SQLite database in a folder.
func openTest(t testing.TB, folder string) *DB {
	t.Helper()
	d, err := Open(t.Context(), "sqlite://"+filepath.Join(folder, "test.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func insert(name string) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO system (name, value) VALUES (?, '')`, name)
		return err
	}
}

func names(t testing.TB, d *DB) []string {
	t.Helper()
	rows, err := d.Query(context.Background(), `SELECT name FROM system ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		found = append(found, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// together runs functions in one transaction of a writer that nobody else uses.
func together(t *testing.T, d *DB, fns ...func(*Tx) error) []error {
	t.Helper()
	pool, err := d.engine.(*sqliteEngine).pool(writing, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	w := &writer{pool: pool}
	defer w.disconnect()
	var batch []*turn
	for _, fn := range fns {
		turn := newTurn(t.Context(), time.Second)
		batch = append(batch, turn)
		go func() {
			if tx, ok := <-turn.begin; ok {
				turn.run(tx, fn)
			}
		}()
	}
	w.commit(batch)
	results := make([]error, len(batch))
	for i, turn := range batch {
		results[i] = <-turn.result
		close(turn.begin)
	}
	return results
}

func TestTogether(t *testing.T) {
	own := errors.New("own")
	failing := func(tx *Tx) error { return errors.Join(insert("failing")(tx), own) }
	duplicate := func(tx *Tx) error { return errors.Join(insert("duplicate")(tx), insert("duplicate")(tx)) }
	lazy := func(tx *Tx) error {
		_, err := tx.Query(`INSERT INTO system (name, value) VALUES ('lazy', '') RETURNING name`)
		return err
	}
	// SQLite rolls back by itself, when the disk is full for example.
	rolledBack := func(tx *Tx) error {
		_, err := tx.Exec("ROLLBACK")
		return err
	}
	full := func(tx *Tx) error {
		if err := errors.Join(insert("full")(tx), rolledBack(tx)); err != nil {
			return err
		}
		return tx.fail(ErrFull)
	}
	private := func(tx *Tx) error { return errors.Join(rolledBack(tx), own) }
	// The reference is looked at when the transaction is committed.
	uncommittable := func(tx *Tx) error {
		if _, err := tx.Exec("PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 77, 0, 0)`)
		return err
	}
	slow := func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO system (name, value) ` + Endless)
		return err
	}
	type fns = []func(*Tx) error
	anything := errors.New("any error")
	cases := []struct {
		name string
		fns  fns
		want []error
		kept []string
	}{
		{"one", fns{insert("a")}, []error{nil}, []string{"a"}},
		{"all good", fns{insert("a"), insert("b"), lazy}, []error{nil, nil, nil}, []string{"a", "b", "lazy"}},
		{"none good", fns{failing, duplicate}, []error{own, ErrDuplicate}, nil},
		{"one failing", fns{failing}, []error{own}, nil},
		{"some failing", fns{failing, insert("a"), duplicate, insert("b")}, []error{own, nil, ErrDuplicate, nil}, []string{"a", "b"}},
		{"one after another", fns{insert("a"), insert("a")}, []error{nil, ErrDuplicate}, []string{"a"}},
		{"lost in silence", fns{insert("a"), rolledBack, insert("b")}, []error{anything, anything, anything}, nil},
		{"lost", fns{insert("a"), full, insert("b")}, []error{ErrFull, ErrFull, ErrFull}, nil},
		{"lost with an error of one's own", fns{insert("a"), private, insert("b")}, []error{ErrUnavailable, ErrUnavailable, ErrUnavailable}, nil},
		{"lost alone", fns{full}, []error{ErrFull}, nil},
		{"lost alone in silence", fns{rolledBack}, []error{anything}, nil},
		{"not committed", fns{insert("a"), uncommittable, failing}, []error{ErrReference, ErrReference, ErrReference}, nil},
		{"not committed alone", fns{uncommittable}, []error{ErrReference}, nil},
		{"too slow", fns{insert("a"), slow}, []error{context.DeadlineExceeded, context.DeadlineExceeded}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := openTest(t, t.TempDir())
			for i, err := range together(t, d, c.fns...) {
				if !errors.Is(err, c.want[i]) && (c.want[i] != anything || err == nil) {
					t.Errorf("%d: got %v, want %v", i, err, c.want[i])
				}
				if errors.Is(err, own) && c.want[i] != own {
					t.Errorf("%d: got %v, which is another's", i, err)
				}
			}
			if got := names(t, d); !slices.Equal(got, append([]string{}, c.kept...)) {
				t.Errorf("kept %q, want %q", got, c.kept)
			}
			if err := d.Write(t.Context(), insert("later")); err != nil {
				t.Errorf("later: %v", err)
			}
		})
	}
}

// TestWritesShareATransaction counts the commits that many writes take.
func TestWritesShareATransaction(t *testing.T) {
	d := openTest(t, t.TempDir())
	var commits atomic.Int64
	begun, on := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := d.Write(t.Context(), func(tx *Tx) error {
			close(begun)
			<-on
			return d.engine.(*sqliteEngine).writer.conn.Raw(func(conn any) error {
				conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { commits.Add(1); return 0 })
				return nil
			})
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	const n = 3 * mostTogether
	for i := range n {
		all.Go(func() {
			if err := d.Write(t.Context(), insert(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // all of them wait now
	close(on)
	all.Wait()
	if got := commits.Load(); got < 1+n/mostTogether || got > n/4 {
		t.Errorf("%d commits for %d writes", got, n)
	}
}

// TestBusy waits in vain for somebody else's transaction.
func TestBusy(t *testing.T) {
	e := openTest(t, t.TempDir()).engine.(*sqliteEngine)
	others, err := e.pool("_pragma=busy_timeout(1)&_txlock=immediate", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	err = e.write(t.Context(), time.Minute, func(*Tx) error {
		_, err := others.BeginTx(t.Context(), nil)
		return sqliteFault(err)
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
