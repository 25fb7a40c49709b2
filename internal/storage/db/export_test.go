package db

import (
	"context"
	"io/fs"
	"testing/fstest"
	"time"
)

// SetTimeout sets the time after which a statement ends that nothing else ends.
func (d *DB) SetTimeout(limit time.Duration) { d.timeout = limit }

// Endless is a query of two columns that takes years.
const Endless = `SELECT CAST(n AS TEXT), '' FROM (WITH RECURSIVE c (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM c) SELECT n FROM c) x WHERE n < 0`

// MigrateFirst applies the first n migrations alone.
func (d *DB) MigrateFirst(ctx context.Context, n int) error {
	names, err := fs.Glob(embedded, "migrations/*.sql")
	if err != nil {
		return err
	}
	first := fstest.MapFS{}
	for _, name := range names[:n] {
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		first[name[len("migrations/"):]] = &fstest.MapFile{Data: data}
	}
	return d.migrate(ctx, first)
}
