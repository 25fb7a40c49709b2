package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// sqliteEngine has one connection that writes, owned by its writer, and a pool
// of connections that can only read.
type sqliteEngine struct {
	*statements // on readers
	readers     *sql.DB
	writer      *writer
	path        string
}

func openSQLite(ctx context.Context, path string, o Options) (engine, error) {
	path, err := create(path)
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	// As SQLite is built for Linux, it syncs the data, and of the metadata only
	// what is needed to find it. Where that is not to be had it syncs all.
	_, _ = sqlite.Fdatasync(true)

	e := &sqliteEngine{path: path}
	writers, err := e.pool(writing, 1)
	if err != nil {
		return nil, err
	}
	e.writer = newWriter(writers)
	if e.readers, err = e.pool(reading, cmp.Or(max(o.Readers, 0), 4)); err != nil {
		return nil, errors.Join(err, e.writer.close())
	}
	e.readers.SetConnMaxIdleTime(5 * time.Minute) // each holds a cache
	e.statements = newStatements(e.readers)
	// The writer comes first: it makes the file a database, and mends it after
	// a crash.
	if err := e.ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite database %s: %w", path, err), e.close())
	}
	return e, nil
}

// pool returns up to n connections with some of the parameters below. It does
// not connect.
func (e *sqliteEngine) pool(parameters string, n int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: e.path, RawQuery: parameters}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	return pool, nil
}

// create makes the file of a URL's path where there is none, for the eyes of its
// owner only: it holds hashes of passwords. SQLite gives its other files the
// same mode.
func create(escaped string) (path string, err error) {
	if escaped == "" || strings.Contains(escaped, "?") {
		return "", fmt.Errorf("%q is not the path of a file", escaped)
	}
	if path, err = url.PathUnescape(escaped); err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

// The parameters of the connections. Each has a cache of pages, whose size counts
// KiB where it is negative. Files are not mapped into memory, which would be a
// little faster: a disk that fails to read would end the program.
//
// The caches of readers are small. Each is emptied by the first read behind a
// commit, and the driver gives so much that is freed at once back to the operating
// system, for which all readers wait.
const (
	common  = "_busy_timeout=5000&_foreign_keys=1&_dqs=0&_pragma=case_sensitive_like(1)"
	writing = common + "&_txlock=immediate&_journal_mode=WAL&_synchronous=FULL" +
		"&_pragma=cache_size(-4096)&_pragma=temp_store(MEMORY)&_pragma=journal_size_limit(67108864)"
	reading = common + "&_query_only=1&_pragma=cache_size(-256)"
)

func (e *sqliteEngine) write(ctx context.Context, limit time.Duration, fn func(*Tx) error) error {
	return e.writer.write(ctx, limit, fn)
}

func (e *sqliteEngine) fault(err error) error { return sqliteFault(err) }

func (e *sqliteEngine) ping(ctx context.Context) error {
	if err := e.writer.ping(ctx); err != nil {
		return err
	}
	return sqliteFault(e.readers.PingContext(ctx))
}

func (e *sqliteEngine) close() error {
	// The last connection to close writes the log back into the database,
	// which those that can only read cannot.
	return errors.Join(e.readers.Close(), e.writer.close())
}

func (e *sqliteEngine) dialect() Dialect { return SQLite }

func (e *sqliteEngine) pools() map[string]*sql.DB {
	return map[string]*sql.DB{"read": e.readers, "write": e.writer.pool}
}

func (e *sqliteEngine) queries() (version, size string) {
	return `SELECT sqlite_version()`, `SELECT c.page_count * s.page_size FROM pragma_page_count() c, pragma_page_size() s`
}

// migrate uses a connection of its own, since the writer holds the one that
// there is.
func (e *sqliteEngine) migrate(ctx context.Context, migrations fs.FS) (err error) {
	own, err := e.pool(writing, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	return migrate(ctx, own, SQLite, migrations)
}

func sqliteFault(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY, codes.SQLITE_CONSTRAINT_ROWID:
		return fmt.Errorf("%w: %w", ErrDuplicate, err)
	case codes.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", ErrReference, err)
	case codes.SQLITE_IOERR_SHMSIZE: // there is no room for the index of the log
		return ErrFull.Because(err)
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_FULL:
		return ErrFull.Because(err)
	case codes.SQLITE_BUSY:
		return ErrUnavailable.Because(err)
	}
	return err
}
