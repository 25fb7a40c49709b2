package db

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"
)

// mostTogether bounds how many writes share a transaction.
const mostTogether = 64

// A writer owns the one connection that writes to SQLite. Writes that wait at
// the same time go into one transaction, each within a savepoint of its own, so
// that they share the cost of the sync that makes them durable.
type writer struct {
	turns chan *turn // not buffered: who has not been taken can still leave

	stop  func() // closes ended
	ended chan struct{}
	gone  chan struct{} // closed when the goroutine has ended

	// These belong to the goroutine. conn and on are nil where the
	// connection is yet to be made.
	pool *sql.DB // has that connection only
	conn *sql.Conn
	on   *statements
}

// A turn is one write, waiting for its turn.
type turn struct {
	ctx    context.Context
	limit  time.Duration
	begin  chan *Tx   // to the caller: run
	ran    chan error // to the writer: whether it can be committed
	result chan error // to the caller: what became of it
}

func newTurn(ctx context.Context, limit time.Duration) *turn {
	return &turn{ctx, limit, make(chan *Tx, 1), make(chan error, 1), make(chan error, 1)}
}

// newWriter starts the goroutine, which has the pool for itself.
func newWriter(pool *sql.DB) *writer {
	w := &writer{turns: make(chan *turn), ended: make(chan struct{}), gone: make(chan struct{}), pool: pool}
	w.stop = sync.OnceFunc(func() { close(w.ended) })
	go w.loop()
	return w
}

// write runs fn, in the goroutine of its caller, when its turn has come. So a
// panic is the caller's own.
func (w *writer) write(ctx context.Context, limit time.Duration, fn func(*Tx) error) error {
	t := newTurn(ctx, limit)
	select {
	case w.turns <- t:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ended:
		return ErrClosed
	}
	select {
	case tx := <-t.begin:
		t.run(tx, fn)
		return <-t.result
	case err := <-t.result:
		return err
	}
}

// errPanicked stands for the error of a function that never returned.
var errPanicked = errors.New("db: the function panicked")

func (t *turn) run(tx *Tx, fn func(*Tx) error) {
	err := errPanicked
	defer func() { t.ran <- err }()
	err = tx.run(fn)
}

func (w *writer) loop() {
	defer close(w.gone)
	defer w.disconnect()
	for {
		select {
		case t := <-w.turns:
			w.commit(w.gather(t))
		case <-w.ended:
			return
		}
	}
}

// close ends the writer when what it has begun has ended.
func (w *writer) close() error {
	w.stop()
	<-w.gone
	return w.pool.Close()
}

func (w *writer) ping(ctx context.Context) error {
	return w.write(ctx, defaultTimeout, func(*Tx) error { return nil })
}

// gather returns the first write with those that wait as well.
func (w *writer) gather(first *turn) []*turn {
	together := []*turn{first}
	for len(together) < mostTogether {
		select {
		case t := <-w.turns:
			together = append(together, t)
		default:
			return together
		}
	}
	return together
}

// commit runs all of the writes in one transaction and tells each what became of
// it. None is told before the transaction has ended: even a failure may come
// from what another of them wrote.
func (w *writer) commit(together []*turn) {
	results := make([]error, len(together))
	err := w.transact(together, results)
	if err != nil {
		w.disconnect()
	}
	for i, t := range together {
		if err != nil {
			t.result <- err
		} else {
			t.result <- results[i]
		}
	}
}

// transact returns an error if the transaction as a whole is lost. SQLite may
// end a transaction by itself, for example when the disk is full. Then the
// savepoint is gone as well, and rolling back to it fails.
func (w *writer) transact(together []*turn, results []error) error {
	if err := w.begin(); err != nil {
		return fmt.Errorf("begin: %w", sqliteFault(err))
	}
	alone := len(together) == 1
	good := 0
	for i, t := range together {
		results[i] = t.ctx.Err()
		if results[i] != nil {
			continue
		}
		var lost error
		results[i], lost = w.step(t, alone)
		if lost != nil {
			return lost
		}
		if results[i] == nil {
			good++
		}
	}
	if good == 0 {
		if err := w.exec("ROLLBACK"); err != nil {
			w.disconnect() // which rolls back, if SQLite has not
		}
		return nil
	}
	if err := w.exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", sqliteFault(err))
	}
	return nil
}

// step runs one write. Alone, it needs no savepoint.
func (w *writer) step(t *turn, alone bool) (result, lost error) {
	if !alone {
		if err := w.exec("SAVEPOINT one"); err != nil {
			return nil, fmt.Errorf("savepoint: %w", sqliteFault(err))
		}
	}
	result, failed := w.call(t)
	if alone {
		return result, nil
	}
	if result != nil {
		if err := w.exec("ROLLBACK TO one"); err != nil {
			return nil, lostBy(cmp.Or(failed, err))
		}
	}
	if err := w.exec("RELEASE one"); err != nil {
		return nil, fmt.Errorf("release: %w", sqliteFault(err))
	}
	return result, nil
}

// lostBy is what those are told whose transaction was lost by the failure of
// one of them. What that one made of the failure is not for the others.
func lostBy(failed error) error {
	if errors.Is(failed, ErrFull) {
		return failed
	}
	return ErrUnavailable.Because(fmt.Errorf("the transaction was lost: %w", failed))
}

// call lets the caller of the write run its function. It returns the function's
// result, and the failure of a statement if there was one. The statements do not
// end with the caller's context: SQLite would roll back what others wrote, too.
func (w *writer) call(t *turn) (result, failed error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), t.limit)
	defer cancel()
	tx := &Tx{ctx: ctx, session: writerSession{w.on}}
	t.begin <- tx
	result = <-t.ran
	return result, tx.failed
}

type writerSession struct{ *statements }

func (writerSession) fault(err error) error { return sqliteFault(err) }

// begin begins a transaction, connecting where there is no connection.
func (w *writer) begin() error {
	if w.conn == nil {
		conn, err := w.pool.Conn(context.Background())
		if err != nil {
			return err
		}
		w.conn, w.on = conn, newStatements(conn)
	}
	return w.exec("BEGIN IMMEDIATE")
}

func (w *writer) exec(text string) error {
	_, err := w.on.exec(context.Background(), text, nil)
	return err
}

// disconnect closes the connection, and with it what is left of a transaction.
// After a failure, nothing is to be known of the connection's state.
func (w *writer) disconnect() {
	if w.conn == nil {
		return
	}
	w.on.close()
	// The pool closes a connection that is called bad.
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = w.conn.Close()
	w.conn, w.on = nil, nil
}
