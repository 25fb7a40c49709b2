package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresEngine has one pool for everything. The driver keeps the statements of
// each connection prepared.
type postgresEngine struct {
	pool   *sql.DB
	texts  *texts
	closed atomic.Bool
}

func openPostgres(ctx context.Context, url string, o Options) (engine, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	if _, ok := cfg.RuntimeParams["application_name"]; !ok {
		cfg.RuntimeParams["application_name"] = "berth"
	}
	cfg.StatementCacheCapacity = 2 * keptStatements
	n := cmp.Or(max(o.Pool, 0), 10)
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(planForSmall))
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	e := &postgresEngine{pool: pool, texts: newTexts()}
	if err := e.ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open PostgreSQL: %w", err), pool.Close())
	}
	return e, nil
}

// planForSmall lets a connection plan for answers that take milliseconds. To start
// processes that help, and to compile a statement, takes longer than either saves
// here. A proxy between may refuse these as parameters of the connection.
func planForSmall(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SET max_parallel_workers_per_gather = 0; SET jit = off`)
	return err
}

func (e *postgresEngine) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	text, args = e.texts.translate(text, args)
	return e.pool.QueryContext(ctx, text, args...)
}

func (e *postgresEngine) fault(err error) error { return postgresFault(err) }

func (e *postgresEngine) ping(ctx context.Context) error {
	return postgresFault(e.pool.PingContext(ctx))
}

func (e *postgresEngine) dialect() Dialect { return PostgreSQL }

func (e *postgresEngine) pools() map[string]*sql.DB { return map[string]*sql.DB{"all": e.pool} }

func (e *postgresEngine) close() error {
	e.closed.Store(true)
	return e.pool.Close()
}

func (e *postgresEngine) queries() (version, size string) {
	return `SELECT current_setting('server_version')`, `SELECT pg_database_size(current_database())`
}

func (e *postgresEngine) migrate(ctx context.Context, migrations fs.FS) error {
	return migrate(ctx, e.pool, PostgreSQL, migrations)
}

// tries is how often a transaction is tried that meets another.
const tries = 8

func (e *postgresEngine) write(ctx context.Context, limit time.Duration, fn func(*Tx) error) error {
	for i := 1; ; i++ {
		conflict, err := e.try(ctx, limit, fn)
		if !conflict {
			return err
		}
		if i == tries {
			return ErrUnavailable.Because(err)
		}
		select {
		case <-time.After(time.Duration(rand.Int64N(int64(time.Millisecond) << i))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// try runs fn in one transaction and reports whether it failed only for meeting
// another one. The transaction does not end with the context of the caller:
// that would cost the connection.
func (e *postgresEngine) try(ctx context.Context, limit time.Duration, fn func(*Tx) error) (conflict bool, err error) {
	conn, err := e.pool.Conn(ctx)
	if err != nil && e.closed.Load() {
		return false, ErrClosed
	}
	if err != nil {
		return false, postgresFault(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	began, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin: %w", postgresFault(err))
	}
	defer func() { _ = began.Rollback() }() // does nothing after the commit
	tx := &Tx{ctx: ctx, session: postgresTx{began, e.texts}}
	if err := tx.run(fn); err != nil {
		return conflicts(tx.failed), err // whatever fn made of it
	}
	if err := began.Commit(); err != nil {
		return conflicts(err), fmt.Errorf("commit: %w", postgresFault(err))
	}
	return false, nil
}

type postgresTx struct {
	tx    *sql.Tx
	texts *texts
}

func (t postgresTx) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	text, args = t.texts.translate(text, args)
	return t.tx.QueryContext(ctx, text, args...)
}

func (t postgresTx) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	text, args = t.texts.translate(text, args)
	return t.tx.ExecContext(ctx, text, args...)
}

func (postgresTx) fault(err error) error { return postgresFault(err) }

// conflicts reports whether a transaction failed only for meeting another.
func conflicts(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01") // serialization failure, deadlock
}

// postgresFault goes by the codes of appendix A of PostgreSQL's manual.
func postgresFault(err error) error {
	var refused *pgconn.ConnectError
	if errors.As(err, &refused) {
		return ErrUnavailable.Because(err)
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case "23505":
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case "23503", "23001":
		return fmt.Errorf("%w: %w", ErrReference, err)
	case "53100":
		return ErrFull.Because(err)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "53", "57": // connection, resources, an operator's doing
		return ErrUnavailable.Because(err)
	}
	return err
}

// texts remembers statements with PostgreSQL's placeholders.
type texts struct {
	mu    sync.Mutex
	known recent[string]
}

func newTexts() *texts { return &texts{known: newRecent(keptStatements, func(string) {})} }

// translate returns a statement as the driver takes it. One that is too long to
// be kept carries a word to the driver not to keep it prepared, either.
func (t *texts) translate(text string, args []any) (string, []any) {
	if len(text) > longestStatement {
		return rebind(text), append([]any{pgx.QueryExecModeDescribeExec}, args...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rebound, ok := t.known.get(text)
	if !ok {
		rebound = rebind(text)
		t.known.put(text, rebound)
	}
	return rebound, args
}
