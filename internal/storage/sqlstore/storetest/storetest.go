// Package storetest gives tests real databases, each fresh. SQLite is always
// there; PostgreSQL is where BERTH_TEST_POSTGRES names a database, in a URL whose
// user may create others.
package storetest

import (
	"path/filepath"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
)

// Each runs f on a migrated database of each kind, in subtests named for them.
// Without BERTH_TEST_POSTGRES, the one of PostgreSQL is skipped.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run(string(db.SQLite), func(t *testing.T) { f(t, SQLite(t)) })
	t.Run(string(db.PostgreSQL), func(t *testing.T) { f(t, PostgreSQL(t)) })
}

// EachOf runs f as Each does, with the URL of the database as well.
func EachOf(t *testing.T, f func(t *testing.T, d *db.DB, url string)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) {
		d := open(t, url)
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		f(t, d, url)
	})
}

// EachURL runs f as Each does, with the URL of a database that is empty: nothing
// is open, and nothing is migrated.
func EachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	for _, of := range []db.Dialect{db.SQLite, db.PostgreSQL} {
		t.Run(string(of), func(t *testing.T) { f(t, URL(t, of)) })
	}
}

// URL returns the URL of an empty database, which is gone after the test. Without
// BERTH_TEST_POSTGRES it skips the test where that is to be PostgreSQL.
func URL(t testing.TB, of db.Dialect) string {
	t.Helper()
	if of == db.PostgreSQL {
		return server(t).create(t, empty)
	}
	return sqliteURL(t)
}

// SQLite returns a migrated database, which is gone after the test.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	d := open(t, sqliteURL(t))
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// PostgreSQL returns a migrated database, which is gone after the test. Without
// BERTH_TEST_POSTGRES it skips the test.
func PostgreSQL(t testing.TB) *db.DB {
	t.Helper()
	s := server(t)
	return open(t, s.create(t, s.template(t)))
}

func sqliteURL(t testing.TB) string {
	return "sqlite://" + filepath.Join(t.TempDir(), "test.db")
}

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
