// Package db opens SQLite or PostgreSQL and hides which of the two it is:
// placeholders, prepared statements, locks, error codes and migrations. SQL is
// written once, in what both understand, with `?` for parameters. What it says
// is left to sqlstore; a statement that cannot be said in both becomes a named
// method here.
//
// Both compare and order text bytewise, and LIKE minds the case in both. Bytes
// belong into columns of bytes, strings into columns of text.
//
// A connection is held from Query until its Rows are closed, and during Write.
// Who holds one must not ask for another: the pool may have only one.
package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strings"
	"time"
)

// A Dialect names one of the two databases. It is for people to read; no SQL
// outside of this package depends on it.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "SQLite"
	PostgreSQL Dialect = "PostgreSQL"
)

// Options tune a database. The zero value is good for one node.
type Options struct {
	Readers int // connections that read from SQLite; 4 where it is 0
	Pool    int // connections to PostgreSQL; 10 where it is 0
}

// defaultTimeout ends a statement, or all of a Write, that nothing else ends.
const defaultTimeout = 30 * time.Second

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	engine
	timeout time.Duration
}

// An engine is what the databases do differently.
type engine interface {
	querier
	// write runs fn in a transaction of its own. It calls fn in the
	// goroutine of its caller. It gives up waiting for its turn when ctx
	// ends, and then lets the transaction take at most limit.
	write(ctx context.Context, limit time.Duration, fn func(*Tx) error) error
	migrate(ctx context.Context, migrations fs.FS) error
	ping(context.Context) error
	close() error
	dialect() Dialect
	// pools returns the connections by what they are for.
	pools() map[string]*sql.DB
	// queries returns the text of Version and the text of Size.
	queries() (version, size string)
}

// A querier is where queries run, be it a pool or a transaction.
type querier interface {
	query(ctx context.Context, text string, args []any) (*sql.Rows, error)
	// fault turns a driver's error into one of this package's, if it is one.
	fault(error) error
}

// Open opens the database that a URL names and asks it for a sign of life:
// "sqlite:///var/lib/berth/berth.db", whose folder must exist, or
// "postgres://user:password@host/name?sslmode=verify-full" with the parameters
// of libpq. It does not migrate. The caller closes it.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	var e engine
	var err error
	switch scheme {
	case "sqlite":
		e, err = openSQLite(ctx, rest, o)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, url, o)
	default:
		// The URL may hold a password: it is not repeated.
		err = errors.New("the URL of the database begins neither with sqlite:// nor with postgres://")
	}
	if err != nil {
		return nil, err
	}
	return &DB{engine: e, timeout: defaultTimeout}, nil
}

// Close ends the writes that run, refuses those that wait with ErrClosed, and
// closes all connections.
func (d *DB) Close() error { return d.close() }

// Ping asks the database for a sign of life.
func (d *DB) Ping(ctx context.Context) error {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.ping(ctx)
}

// Dialect says which database it is.
func (d *DB) Dialect() Dialect { return d.dialect() }

// Pools returns the statistics of the connection pools: "read" and "write" for
// SQLite, "all" for PostgreSQL.
func (d *DB) Pools() map[string]func() sql.DBStats {
	stats := map[string]func() sql.DBStats{}
	for name, pool := range d.pools() {
		stats[name] = pool.Stats
	}
	return stats
}

// Version returns the name and the version of the database's program:
// "SQLite 3.54.1".
func (d *DB) Version(ctx context.Context) (string, error) {
	q, _ := d.queries()
	var version string
	err := d.QueryRow(ctx, q).Scan(&version)
	return string(d.dialect()) + " " + version, err
}

// Size returns how many bytes the database takes, logs of its own excepted.
func (d *DB) Size(ctx context.Context) (int64, error) {
	_, q := d.queries()
	var size int64
	err := d.QueryRow(ctx, q).Scan(&size)
	return size, err
}

// Query reads. The caller closes the rows. It ends after 30 seconds where ctx
// has no deadline, reading the rows included.
func (d *DB) Query(ctx context.Context, q string, args ...any) (*Rows, error) {
	ctx, cancel := d.bound(ctx)
	rows, err := d.query(ctx, q, args)
	if err != nil {
		cancel()
		return nil, d.fault(err)
	}
	return &Rows{rows: rows, fault: d.fault, done: cancel}, nil
}

// QueryRow reads at most one row. The caller must call Scan.
func (d *DB) QueryRow(ctx context.Context, q string, args ...any) Row {
	return rowOf(d.Query(ctx, q, args...))
}

// Write runs fn in one transaction. When it returns nil, what fn did is on disk;
// otherwise none of it is, unless the very answer to a commit was lost.
//
// It waits for its turn until ctx ends, for 30 seconds where ctx has no deadline,
// and then gives fn another 30 seconds, which ctx does not shorten. fn may run
// more than once, since PostgreSQL may ask for that, and must have no effects but
// those on its Tx. It must not use the DB.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.write(ctx, d.timeout, fn)
}

// bound returns ctx with a deadline.
func (d *DB) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d.timeout)
}

// Lock is the end of a SELECT within a Write that holds the rows it returns until
// the transaction ends. SQLite, which lets one transaction write at a time, needs
// none.
func (d *DB) Lock() string {
	if d.dialect() == PostgreSQL {
		return " FOR UPDATE"
	}
	return ""
}

// LockFree is as Lock is, and leaves out the rows that others hold, so that those
// who share work take different rows.
func (d *DB) LockFree() string {
	if d.dialect() == PostgreSQL {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// In returns n placeholders for a list: "?, ?, ?". With none, nothing is in the
// list, and NOT IN is of no use.
func In(n int) string {
	if n <= 0 {
		return "NULL" // neither is an empty list allowed, nor does this match
	}
	return "?" + strings.Repeat(", ?", n-1)
}
