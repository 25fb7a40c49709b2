package sqlstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// stock fills a project with 10,000 repositories and 100,000 artifacts, half of
// them in the first repository, each with a tag, and as many audit rows.
func stock(b *testing.B, d *db.DB) {
	b.Helper()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	many := func(n int, q string) string { return fmt.Sprintf(numbers, n) + q }
	insert := func(table, columns string, n int, values string) string {
		return `INSERT INTO ` + table + ` (` + columns + `) ` + many(n, `SELECT `+values+` FROM n`)
	}
	bytes := "BLOB"
	if d.Dialect() == db.PostgreSQL {
		bytes = "BYTEA"
	}
	err := d.Write(b.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			`INSERT INTO account (id, name, created, updated) VALUES (1, 'a', 0, 0)`,
			`INSERT INTO project (id, name, owner_id, repo_count, created, updated) VALUES (1, 'p', 1, 10000, 0, 0)`,
			insert(`repository`, `id, project_id, name, listed, artifact_count, manifest_count, created, updated`, 10_000, `i, 1, 'p/r' || CAST(i AS TEXT), TRUE, CASE WHEN i = 1 THEN 50005 ELSE 5 END, 10, i, i`),
			insert(`artifact`, `id, project_id, repository_id, digest, media_type, config_media_type, type, size, manifest_size, listed, pushed, body, attrs`, 100_000,
				`i, 1, CASE WHEN i <= 50000 THEN 1 ELSE i % 10000 + 1 END, 'sha256:' || CAST(i AS TEXT), 'm', 'c', 'IMAGE', 1000, 500, TRUE, i, CAST('`+fmt.Sprintf("%01000d", 0)+`' AS `+bytes+`), '{}'`),
			insert(`tag`, `repository_id, name, artifact_id, pushed`, 100_000, `CASE WHEN i <= 50000 THEN 1 ELSE i % 10000 + 1 END, 't' || CAST(i AS TEXT), i, i`),
			insert(`audit_log`, `at, username, project_id, resource, resource_type, operation`, 100_000, `i, 'a', i % 2, 'p/r', 'artifact', 'pull'`),
			`ANALYZE`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return fmt.Errorf("%.80s: %w", q, err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if d.Dialect() == db.PostgreSQL { // which does so by itself, some time later
		for _, table := range []string{"artifact", "repository", "audit_log"} {
			rows, err := d.Query(b.Context(), `VACUUM `+table)
			if err != nil {
				b.Fatal(err)
			}
			rows.Close()
		}
	}
}

// BenchmarkLists reads the first, a middle and the last page of large lists, and
// reports the median and the 99th percentile in milliseconds.
func BenchmarkLists(b *testing.B) {
	stores := map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL}
	for name, open := range stores {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			stock(b, d)
			catalog, ctx := NewArtifacts(d), b.Context()
			for list, read := range map[string]struct {
				total int
				page  func(q query.Query) error
			}{
				"artifacts of a project": {100_000, func(q query.Query) error {
					_, _, err := catalog.Artifacts(ctx, artifact.Where{ProjectID: 1}, q, artifact.Parts{Tags: true, Accessories: true})
					return err
				}},
				"artifacts of a repository": {50_000, func(q query.Query) error {
					_, _, err := catalog.Artifacts(ctx, artifact.Where{ProjectID: 1, Repository: "p/r1"}, q, artifact.Parts{Tags: true})
					return err
				}},
				"repositories of a project": {10_000, func(q query.Query) error {
					_, _, err := catalog.Repositories(ctx, artifact.Scope{ProjectID: 1}, q)
					return err
				}},
				"repositories that one may see": {10_000, func(q query.Query) error {
					_, _, err := catalog.Repositories(ctx, artifact.Scope{UserID: 1, Names: []string{"p"}}, q)
					return err
				}},
				"repositories by a part of the name": {10_000, func(q query.Query) error {
					_, _, err := catalog.Repositories(ctx, artifact.Scope{All: true}, q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: "r99"}))
					return err
				}},
				"audit log": {100_000, func(q query.Query) error {
					_, _, err := NewAudit(d).List(ctx, audit.Visible{All: true}, q)
					return err
				}},
				"audit log of a project": {50_000, func(q query.Query) error {
					_, _, err := NewAudit(d).List(ctx, audit.Visible{ProjectID: 1}, q)
					return err
				}},
			} {
				const size = 20
				for where, n := range map[string]int{"first": 1, "middle": read.total / size / 2, "last": read.total / size} {
					b.Run(list+"/"+where, func(b *testing.B) {
						var took []time.Duration
						for b.Loop() {
							start := time.Now()
							if err := read.page(query.Query{Page: n, Size: size}); err != nil {
								b.Fatal(err)
							}
							took = append(took, time.Since(start))
						}
						slices.Sort(took)
						b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
						b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
					})
				}
			}
		})
	}
}
