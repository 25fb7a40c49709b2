package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func insert(tx *db.Tx, name string) error {
	_, err := tx.Exec(`INSERT INTO system (name, value) VALUES (?, '')`, name)
	return err
}

var errOwn = errors.New("the function's own error")

func TestWrite(t *testing.T) {
	cases := []struct {
		name string
		fn   func(tx *db.Tx) error
		want error    // nil: any error but nil, where nothing is kept
		kept []string // nil: none
	}{
		{name: "two statements", kept: []string{"one", "two"}, fn: func(tx *db.Tx) error {
			return errors.Join(insert(tx, "one"), insert(tx, "two"))
		}},
		{name: "reads its own", kept: []string{"one", "seen one"}, fn: func(tx *db.Tx) error {
			var n string
			err := insert(tx, "one")
			return errors.Join(err, tx.QueryRow(`SELECT name FROM system`).Scan(&n), insert(tx, "seen "+n))
		}},
		{name: "rows", kept: []string{"one", "two"}, fn: func(tx *db.Tx) error {
			rows, err := tx.Query(`INSERT INTO system (name, value) VALUES ('one', ''), ('two', '') RETURNING name`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}},
		{name: "first of the rows", kept: []string{"one", "two"}, fn: func(tx *db.Tx) error {
			var n string
			return tx.QueryRow(`INSERT INTO system (name, value) VALUES ('one', ''), ('two', '') RETURNING name`).Scan(&n)
		}},
		{name: "rows that were left open", kept: []string{"one", "two"}, fn: func(tx *db.Tx) error {
			_, err := tx.Query(`INSERT INTO system (name, value) VALUES ('one', ''), ('two', '') RETURNING name`)
			return err
		}},
		{name: "no row is no failure", kept: []string{"one"}, fn: func(tx *db.Tx) error {
			var n string
			if err := tx.QueryRow(`SELECT name FROM system`).Scan(&n); !errors.Is(err, db.ErrNotFound) {
				return fmt.Errorf("no row: %w", err)
			}
			return insert(tx, "one")
		}},
		{name: "own error", want: errOwn, fn: func(tx *db.Tx) error {
			return errors.Join(insert(tx, "one"), errOwn)
		}},
		{name: "failing statement", want: db.ErrDuplicate, fn: func(tx *db.Tx) error {
			return errors.Join(insert(tx, "one"), insert(tx, "one"))
		}},
		{name: "failing statement and a blind eye", want: db.ErrDuplicate, fn: func(tx *db.Tx) error {
			_, _ = insert(tx, "one"), insert(tx, "one")
			return nil
		}},
		{name: "failing row and a blind eye", want: db.ErrDuplicate, fn: func(tx *db.Tx) error {
			var n string
			_ = insert(tx, "one")
			_ = tx.QueryRow(`INSERT INTO system (name, value) VALUES ('one', '') RETURNING name`).Scan(&n)
			return nil
		}},
		{name: "failure in the midst of the rows", fn: func(tx *db.Tx) error {
			if err := insert(tx, "one"); err != nil {
				return err
			}
			rows, err := tx.Query(`SELECT 1 / (2 - n) FROM (SELECT 0 AS n UNION ALL SELECT 1) x UNION ALL SELECT 1 / 1 FROM nowhere`)
			if err == nil {
				rows.Close()
			}
			return nil
		}},
		{name: "on after a failure", want: db.ErrDuplicate, fn: func(tx *db.Tx) error {
			_, _ = insert(tx, "one"), insert(tx, "one")
			if err := insert(tx, "two"); !errors.Is(err, db.ErrDuplicate) {
				return fmt.Errorf("after a failure: %w", err)
			}
			return tx.QueryRow(`SELECT 1`).Scan(new(int))
		}},
		{name: "statement between rows", fn: func(tx *db.Tx) error {
			rows, err := tx.Query(`SELECT 1`)
			if err != nil {
				return nil
			}
			defer rows.Close()
			return insert(tx, "one")
		}},
	}
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				err := d.Write(t.Context(), c.fn)
				switch {
				case c.kept != nil && err != nil, c.kept == nil && (err == nil || !errors.Is(err, c.want) && c.want != nil):
					t.Errorf("got %v, want %v", err, c.want)
				}
				if got := names(t, d); !slices.Equal(got, append([]string{}, c.kept...)) {
					t.Errorf("kept %q, want %q", got, c.kept)
				}
				write(t, d, `DELETE FROM system`)
			})
		}
	})
}

func TestWriteEndsItsTx(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var kept *db.Tx
		if err := d.Write(t.Context(), func(tx *db.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := insert(kept, "late"); err == nil {
			t.Error("a statement ran after the transaction")
		}
		if got := names(t, d); len(got) != 0 {
			t.Errorf("got %q", got)
		}
	})
}

func TestWritePanics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		func() {
			defer func() {
				if v := recover(); v != errOwn {
					t.Errorf("recovered %v", v)
				}
			}()
			_ = d.Write(t.Context(), func(tx *db.Tx) error {
				_ = insert(tx, "one")
				panic(errOwn)
			})
		}()
		// This is how a test ends in the middle of a Write.
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = d.Write(t.Context(), func(tx *db.Tx) error {
				_ = insert(tx, "two")
				runtime.Goexit()
				return nil
			})
		}()
		<-done
		if err := set(d, t, "three", ""); err != nil {
			t.Error(err)
		}
		if got := names(t, d); !slices.Equal(got, []string{"three"}) {
			t.Errorf("got %q", got)
		}
	})
}

// hold begins a Write that lasts until the function that is returned is called.
func hold(t *testing.T, d *db.DB, name string) (release func() error) {
	t.Helper()
	begun, on, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- d.Write(context.Background(), func(tx *db.Tx) error {
			err := insert(tx, name)
			close(begun)
			<-on
			return err
		})
	}()
	<-begun
	return func() error { close(on); return <-ended }
}

func TestWriteMindsItsContextWhileItWaits(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url, db.Options{Pool: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		ran := func(tx *db.Tx) error { t.Error("the function ran"); return nil }
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Write(ctx, ran); !errors.Is(err, context.Canceled) {
			t.Errorf("ended before: got %v", err)
		}
		release := hold(t, d, "first")
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := d.Write(ctx, ran); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended while waiting: got %v", err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		// A client that leaves now harms nobody, and gets the true answer.
		ctx, cancel = context.WithCancel(t.Context())
		err = d.Write(ctx, func(tx *db.Tx) error {
			cancel()
			return insert(tx, "second")
		})
		if err != nil {
			t.Errorf("ended while running: got %v", err)
		}
		if got := names(t, d); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestClose(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		d, err := db.Open(t.Context(), url, db.Options{Pool: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := d.QueryRow(t.Context(), `SELECT 1`).Scan(new(int)); err != nil {
			t.Error(err)
		}
		release := hold(t, d, "first")
		var others sync.WaitGroup
		for range 10 {
			others.Go(func() {
				if err := d.Write(context.Background(), func(tx *db.Tx) error { return insert(tx, "other") }); !errors.Is(err, db.ErrClosed) {
					t.Errorf("waiting: got %v", err)
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		closed := make(chan error)
		go func() { closed <- d.Close() }()
		others.Wait()
		if err := release(); err != nil {
			t.Errorf("running: %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := d.Write(context.Background(), func(tx *db.Tx) error { return nil }); !errors.Is(err, db.ErrClosed) {
			t.Errorf("after: got %v", err)
		}
		if err := d.QueryRow(t.Context(), `SELECT 1`).Scan(new(int)); err == nil {
			t.Error("read after Close")
		}
		if err := d.Close(); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

// TestWritesTogether writes from many goroutines, most of which fail in some
// way, and holds what is there against what was promised.
func TestWritesTogether(t *testing.T) {
	const writers, each = 50, 20
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var mu sync.Mutex
		promised := []string{}
		one := func(name string) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			defer func() {
				if v := recover(); v != nil && v != errOwn {
					panic(v)
				}
			}()
			how := rand.IntN(8)
			err := d.Write(ctx, func(tx *db.Tx) error {
				if err := insert(tx, name); err != nil {
					return err
				}
				switch how {
				case 0:
					return errOwn
				case 1:
					return insert(tx, name)
				case 2:
					_ = insert(tx, name)
				case 3:
					panic(errOwn)
				case 4:
					cancel()
				case 5:
					_, err := tx.Query(`UPDATE system SET value = 'x' WHERE name = ? RETURNING value`, name)
					return err
				}
				return nil
			})
			if (how < 4) != (err != nil) {
				t.Errorf("way %d: got %v", how, err)
			}
			if err == nil {
				mu.Lock()
				promised = append(promised, name)
				mu.Unlock()
			}
		}
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					one(fmt.Sprintf("%d/%d", w, i))
					if i%4 == 0 {
						if err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM system`).Scan(new(int)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		slices.Sort(promised)
		if got := names(t, d); !slices.Equal(got, promised) {
			t.Errorf("%d rows are there, %d were promised", len(got), len(promised))
		}
	})
}

// TestOneConnection runs everything with as few connections as there can be.
func TestOneConnection(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url, db.Options{Readers: 1, Pool: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				for j := range 10 {
					if err := set(d, t, fmt.Sprintf("%d/%d", i, j), ""); err != nil {
						t.Error(err)
					}
					names(t, d)
					if err := d.Ping(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if got := names(t, d); len(got) != 200 {
			t.Errorf("%d rows", len(got))
		}
	})
}

// TestPostgreSQLTriesAgain lets transactions meet that cannot both go on.
func TestPostgreSQLTriesAgain(t *testing.T) {
	d := storetest.PostgreSQL(t)
	for _, name := range []string{"a", "b"} {
		if err := set(d, t, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	meet := func(fn func(tx *db.Tx, name, other string, met func()) error) (calls int64) {
		t.Helper()
		var both, all sync.WaitGroup
		both.Add(2)
		var n atomic.Int64
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			met := sync.OnceFunc(func() { both.Done(); both.Wait() })
			all.Go(func() {
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					n.Add(1)
					return fn(tx, pair[0], pair[1], met)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		return n.Load()
	}
	const append1 = `UPDATE system SET value = value || '1' WHERE name = ?`
	deadlocks := meet(func(tx *db.Tx, name, other string, met func()) error {
		if _, err := tx.Exec(append1, name); err != nil {
			return err
		}
		met()
		if _, err := tx.Exec(append1, other); err != nil {
			return errOwn // whatever is made of it
		}
		return nil
	})
	if deadlocks < 3 {
		t.Errorf("deadlock: %d calls", deadlocks)
	}
	serial := meet(func(tx *db.Tx, name, other string, met func()) error {
		if _, err := tx.Exec(`SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`); err != nil {
			return err
		}
		var v string
		if err := tx.QueryRow(`SELECT value FROM system WHERE name = ?`, other).Scan(&v); err != nil {
			return err
		}
		met()
		_, err := tx.Exec(append1, name)
		return err
	})
	if serial < 3 {
		t.Errorf("serialization: %d calls", serial)
	}
	if got := texts(t, d, `SELECT value FROM system ORDER BY name`); !slices.Equal(got, []string{"111", "111"}) {
		t.Errorf("values %q", got)
	}
	calls := 0
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		calls++
		_, err := tx.Exec(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$`)
		return err
	})
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || calls < 2 || calls > 20 {
		t.Errorf("in vain: %d calls, %v", calls, err)
	}
}

// TestDeadlines ends statements that would take years: by the context, and by
// the time that is given to those without a deadline.
func TestDeadlines(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		none := context.Background()
		soon, cancel := context.WithTimeout(none, 50*time.Millisecond)
		defer cancel()
		read := func(ctx context.Context) error {
			return d.QueryRow(ctx, db.Endless).Scan(new(string), new(string))
		}
		if err := read(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read with a deadline: got %v", err)
		}
		d.SetTimeout(50 * time.Millisecond)
		if err := read(none); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read without a deadline: got %v", err)
		}
		err := d.Write(none, func(tx *db.Tx) error {
			if err := insert(tx, "one"); err != nil {
				return err
			}
			return tx.QueryRow(db.Endless).Scan(new(string), new(string))
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("write: got %v", err)
		}
		// This is a mistake, which must not stop everybody for ever.
		err = d.Write(none, func(tx *db.Tx) error {
			return d.Write(none, func(*db.Tx) error { return nil })
		})
		if d.Dialect() == db.SQLite && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("write within a write: got %v", err)
		}
		d.SetTimeout(10 * time.Second)
		if err := set(d, t, "two", ""); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if got := names(t, d); !slices.Equal(got, []string{"two"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestPostgreSQLCodes(t *testing.T) {
	d := storetest.PostgreSQL(t)
	for code, want := range map[string]error{
		"23505": db.ErrDuplicate,
		"23503": db.ErrReference,
		"53100": db.ErrFull,
		"53300": db.ErrUnavailable,
		"57P03": db.ErrUnavailable,
		"22012": nil,
	} {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '` + code + `'; END $$`)
			return err
		})
		for _, e := range []error{db.ErrDuplicate, db.ErrReference, db.ErrFull, db.ErrUnavailable} {
			if err == nil || errors.Is(err, e) != (e == want) {
				t.Errorf("%s: got %v, want %v", code, err, want)
			}
		}
	}
}

// TestPostgreSQLComesBack ends connections, as a restart of the server does.
// Those that were used within the last second may fail once.
func TestPostgreSQLComesBack(t *testing.T) {
	d := storetest.PostgreSQL(t)
	var all sync.WaitGroup
	for range 4 { // there are some connections
		all.Go(func() { names(t, d) })
	}
	all.Wait()
	var n int
	err := d.QueryRow(t.Context(), `SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&n)
	if err != nil || n == 0 {
		t.Fatalf("%d connections ended, %v", n, err)
	}
	time.Sleep(1100 * time.Millisecond)
	for range 4 {
		all.Go(func() {
			if err := set(d, t, fmt.Sprint(rand.Uint64()), ""); err != nil {
				t.Errorf("write: %v", err)
			}
			names(t, d)
		})
	}
	all.Wait()
	write(t, d, `DELETE FROM system`)
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		if err := insert(tx, "never"); err != nil {
			return err
		}
		var pid int
		if err := tx.QueryRow(`SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		if err := d.QueryRow(t.Context(), `SELECT pg_terminate_backend(?, 1000)`, pid).Scan(new(bool)); err != nil {
			return err
		}
		return insert(tx, "never either")
	})
	if !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("ended in the midst of it: got %v", err)
	}
	if got := names(t, d); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// TestSQLiteWithAnotherProcess shares the file, as a command does beside the
// server.
func TestSQLiteWithAnotherProcess(t *testing.T) {
	url := "sqlite://" + t.TempDir() + "/test.db"
	first, second := open(t, url), open(t, url)
	for _, d := range []*db.DB{first, second} {
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	release := hold(t, first, "first")
	waiting := make(chan error)
	go func() { waiting <- set(second, t, "second", "") }()
	if got := names(t, second); len(got) != 0 {
		t.Errorf("reads what is not committed: %q", got)
	}
	time.Sleep(10 * time.Millisecond)
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if got := names(t, first); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("got %q", got)
	}
}
