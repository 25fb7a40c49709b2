package db_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func open(t *testing.T, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestMigrate(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d := open(t, url)
		for range 2 {
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		write(t, d, `UPDATE rights SET version = version + 1`)
		var version int
		if err := d.QueryRow(t.Context(), `SELECT version FROM rights WHERE id = 1`).Scan(&version); err != nil || version != 1 {
			t.Errorf("rights: got %d, %v", version, err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO rights (id, version) VALUES (2, 0)`)
			return err
		}); err == nil {
			t.Error("rights has a second row")
		}
	})
}

// TestMigrateAtOnce starts several nodes on an empty database.
func TestMigrateAtOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for range 5 {
			d := open(t, url)
			all.Go(func() {
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if err := d.Migrate(t.Context()); err != nil {
					t.Errorf("again: %v", err)
				}
			})
		}
		all.Wait()
		if got := texts(t, open(t, url), `SELECT CAST(version AS TEXT) FROM rights`); !slices.Equal(got, []string{"0"}) {
			t.Errorf("rights: %q", got)
		}
	})
}

func TestMigrateRefusesANewerSchema(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, `INSERT INTO schema_version (version_id, is_applied) VALUES (9999, `+map[db.Dialect]string{db.SQLite: "1", db.PostgreSQL: "TRUE"}[d.Dialect()]+`)`)
		err := d.Migrate(t.Context())
		if !errors.Is(err, db.ErrNewer) || !strings.Contains(err.Error(), "9999") {
			t.Errorf("got %v", err)
		}
	})
}

// TestIDsAreNeverGivenAgain matters where an id names somebody for all time.
func TestIDsAreNeverGivenAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		create := func() (id int) {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRow(`INSERT INTO account (name, created, updated) VALUES ('alice', 0, 0) RETURNING id`).Scan(&id)
			})
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		first := create()
		write(t, d, `DELETE FROM account`)
		if second := create(); second <= first {
			t.Errorf("id %d after %d", second, first)
		}
	})
}

// TestPlans says that what must be quick uses an index on SQLite.
func TestPlans(t *testing.T) {
	d := storetest.SQLite(t)
	for _, q := range []string{
		`SELECT a.digest FROM repository r JOIN tag t ON t.repository_id = r.id JOIN artifact a ON a.id = t.artifact_id WHERE r.name = ? AND t.name = ?`,
		`SELECT a.digest FROM repository r JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.digest = ?`,
		`SELECT a.digest FROM repository r JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.subject = ?`,
		`SELECT b.size FROM repository r JOIN repository_blob l ON l.repository_id = r.id JOIN blob b ON b.digest = l.digest WHERE r.name = ? AND l.digest = ?`,
		`SELECT name FROM tag WHERE repository_id = ? AND name > ? ORDER BY name`,
		`SELECT name FROM repository WHERE project_id = ? AND name > ? ORDER BY name`,
		`SELECT 1 FROM repository_blob WHERE digest = ?`,
		`SELECT 1 FROM artifact_blob WHERE digest = ?`,
		`SELECT 1 FROM artifact_reference WHERE child_digest = ?`,
		`SELECT 1 FROM member WHERE kind = ? AND entity_id = ?`,
		`SELECT 1 FROM upload WHERE updated < ?`,
		`SELECT 1 FROM audit_log WHERE project_id = ? AND at < ?`,
		`SELECT 1 FROM audit_log WHERE at < ? ORDER BY at`,
		`SELECT 1 FROM robot WHERE name = ?`,
		`SELECT s.account_id FROM session s JOIN account a ON a.id = s.account_id WHERE s.token = ? AND s.expires > ? AND s.began >= a.sessions_from`,
		`SELECT token FROM session WHERE expires <= ? ORDER BY expires`,
		`SELECT 1 FROM session WHERE account_id = ?`,
		`SELECT 1 FROM tag WHERE artifact_id = ?`,
		`DELETE FROM artifact WHERE id = ?`,
		`SELECT id FROM project WHERE upstream = ?`,
		`DELETE FROM endpoint WHERE id = ?`,
		`DELETE FROM scanner WHERE id = ?`,
		`SELECT 1 FROM scanner_choice WHERE project_id = ?`,
		`SELECT 1 FROM cve_allowlist WHERE project_id = ?`,
		`SELECT DISTINCT review_after, repository_id FROM gc_review WHERE kind = ? AND review_after <= ? AND review_after >= ? ORDER BY review_after, repository_id LIMIT ?`,
		`SELECT digest FROM gc_review WHERE kind = ? AND repository_id = ? AND digest > ? AND review_after <= ? ORDER BY digest`,
		`SELECT digest FROM blob WHERE state = 'trash' AND trashed <= ? ORDER BY trashed, digest`,
		`SELECT digest FROM blob WHERE storage_key > ? ORDER BY storage_key`,
		`SELECT storage_key FROM garbage_key WHERE delete_after <= ? ORDER BY delete_after`,
		`SELECT digest FROM unlinked_blob WHERE unlinked <= ? ORDER BY unlinked`,
		`DELETE FROM blob WHERE digest = ?`,
	} {
		n := strings.Count(q, "?")
		rows, err := d.Query(t.Context(), `EXPLAIN QUERY PLAN `+q, make([]any, n)...)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var step string
			if err := rows.Scan(new(int), new(int), new(int), &step); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
				t.Errorf("%s\n\t%s", q, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}
