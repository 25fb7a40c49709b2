package advisorydb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"github.com/berth-registry/berth/internal/advisory"
)

// What a file says that it is.
const (
	applicationID = 0x42564442
	schemaVersion = 1
)

// schema is what a file has, word for word. An advisory's seen is in microseconds;
// its body, JSON packed with zstd, is NULL where it does not hold.
var schema = []string{
	`CREATE TABLE source (name TEXT PRIMARY KEY, origin TEXT NOT NULL, at INTEGER NOT NULL, newest INTEGER NOT NULL, records INTEGER NOT NULL, malicious INTEGER NOT NULL, mark TEXT NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE advisory (id INTEGER PRIMARY KEY, source TEXT NOT NULL, name TEXT NOT NULL, seen INTEGER NOT NULL, body BLOB, UNIQUE (source, name))`,
	`CREATE TABLE affected (ecosystem TEXT NOT NULL, package TEXT NOT NULL, advisory INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (ecosystem, package, advisory)) WITHOUT ROWID`,
	`CREATE INDEX affected_advisory ON affected (advisory)`,
	`CREATE TABLE score (cve TEXT NOT NULL, advisory INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (cve, advisory)) WITHOUT ROWID`,
	`CREATE INDEX score_advisory ON score (advisory)`,
	`CREATE TABLE exploited (cve TEXT PRIMARY KEY, since TEXT NOT NULL) WITHOUT ROWID`,
	`CREATE TABLE likelihood (cve TEXT PRIMARY KEY, score REAL NOT NULL, percentile REAL NOT NULL) WITHOUT ROWID`,
}

// Parameters of connections. A draft is undone by its journal, and need not be on
// the disk before it is whole.
const (
	reading = "mode=ro&immutable=1&_query_only=1&_dqs=0&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=cache_size(-4096)"
	writing = "_dqs=0&_txlock=exclusive&_pragma=trusted_schema(0)&_pragma=journal_mode(DELETE)&_pragma=synchronous(OFF)&_pragma=cache_size(-16384)"
)

// connect returns up to n connections, which stay for as long as the pool is open:
// the file may lose its name.
func connect(path, parameters string, n int) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: parameters}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	return pool, nil
}

// create makes the tables of an empty file.
func create(ctx context.Context, pool *sql.DB) error {
	for _, text := range append([]string{fmt.Sprintf("PRAGMA application_id=%d", applicationID), fmt.Sprintf("PRAGMA user_version=%d", schemaVersion)}, schema...) {
		if _, err := pool.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("advisories: %w", err)
		}
	}
	return nil
}

// errVersion is of a file that another version of the program made. There is
// nothing in it that an update does not bring again.
var errVersion = errors.New("the database of advisories has another form")

// isOurs returns an error where a file has other tables than ours.
func isOurs(ctx context.Context, pool *sql.DB) error {
	var id, version int
	err := errors.Join(pool.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id), pool.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version))
	if err != nil {
		return err
	}
	if id != applicationID || version != schemaVersion {
		return fmt.Errorf("%w: %d, and not %d", errVersion, version, schemaVersion)
	}
	rows, err := pool.QueryContext(ctx, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var has []string
	for rows.Next() && len(has) <= len(schema) {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		has = append(has, text)
	}
	want := slices.Sorted(slices.Values(schema))
	if slices.Sort(has); !slices.Equal(has, want) {
		return fmt.Errorf("%w: its tables differ", errVersion)
	}
	return rows.Err()
}

// damaged returns advisory.ErrDamaged with its reason.
func damaged(err error) error {
	return advisory.ErrDamaged.With("%s", strings.TrimPrefix(err.Error(), "advisories: ")).Because(err)
}
