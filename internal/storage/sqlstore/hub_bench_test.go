package sqlstore

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// findings fills a hundred projects of ten repositories with reports, 200 findings
// in each, of 50,000 vulnerabilities.
func findings(b testing.TB, d *db.DB, reports int) {
	b.Helper()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	insert := func(n int, table, columns, values string) string {
		return `INSERT INTO ` + table + ` (` + columns + `) ` + fmt.Sprintf(numbers, n) + `SELECT ` + values + ` FROM n`
	}
	const severity = `CASE WHEN i % 100 = 0 THEN 5 WHEN i % 10 = 0 THEN 4 WHEN i % 2 = 0 THEN 3 ELSE 2 END`
	statements := []string{
		`INSERT INTO account (id, name, email, realname, created, updated) VALUES (1, 'a', 'a', 'a', 1, 1)`,
		insert(100, `project`, `id, name, owner_id, public, created, updated`, `i, 'p' || CAST(i AS TEXT), 1, FALSE, 1, 1`),
		insert(1000, `repository`, `id, project_id, name, listed, created, updated`, `i, i % 100 + 1, 'p' || CAST(i % 100 + 1 AS TEXT) || '/r' || CAST(i AS TEXT), TRUE, 1, 1`),
		insert(reports, `artifact`, `id, project_id, repository_id, digest, media_type, type, kind, size, manifest_size, pushed, body`,
			`i, i % 1000 % 100 + 1, CASE WHEN i % 1000 = 0 THEN 1000 ELSE i % 1000 END, 'd' || CAST(i AS TEXT), 'm', 'IMAGE', 1, 1, 2, i, CAST('{}' AS `+bytesOf(d)+`)`),
		insert(reports, `tag`, `project_id, repository_id, name, artifact_id, pushed`, `i % 1000 % 100 + 1, CASE WHEN i % 1000 = 0 THEN 1000 ELSE i % 1000 END, CASE WHEN i <= 1000 THEN 'latest' ELSE 't' || CAST(i AS TEXT) END, i, i`),
		`INSERT INTO scan_scanner (id, uuid) VALUES (1, 's'), (2, 'other')`,
		insert(reports, `scan_report`, `id, uuid, artifact_id, project_id, repository_id, scanner_id, kind, made, critical, high, medium, low`,
			`i, 'u' || CAST(i AS TEXT), i, i % 1000 % 100 + 1, CASE WHEN i % 1000 = 0 THEN 1000 ELSE i % 1000 END, 1, 'vulnerability', 1, i % 7, i % 11, 100, 80`),
		insert(50_000, `vulnerability`, `id, hash, scanner_id, weight, cve, package, version, fixed, severity, score, status, used, description, details`,
			`i, 'h' || CAST(i AS TEXT), 1, (`+severity+`) * 1000 + i % 101, 'CVE-' || CAST(i / 3 AS TEXT), 'package' || CAST(i % 700 AS TEXT), '1', '', `+severity+`, i % 101, CASE WHEN i % 500 = 0 THEN 'not_affected' ELSE 'affected' END, 1, 'd', '{}'`),
	}
	for _, q := range statements {
		if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(q); return err }); err != nil {
			b.Fatalf("%.100s: %v", q, err)
		}
	}
	// Each report has 200 that follow one another, somewhere.
	some := `INSERT INTO finding (report_id, vulnerability_id, scanner_id, project_id, repository_id, weight) ` + fmt.Sprintf(numbers, 200) +
		`SELECT r.id, v.id, 1, r.project_id, r.repository_id, v.weight FROM scan_report r CROSS JOIN n JOIN vulnerability v ON v.id = (r.id * 37 * 200 + i) % 50000 + 1 WHERE r.id > ? AND r.id <= ?`
	for after := 0; after < reports; after += 200 {
		if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(some, after, after+200); return err }); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := tx.Exec(`ANALYZE`); return err }); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkHub looks for findings among so many thousand reports as
// BERTH_BENCH_REPORTS says, of 200 findings each; 1 where it says nothing.
func BenchmarkHub(b *testing.B) {
	thousand, _ := strconv.Atoi(os.Getenv("BERTH_BENCH_REPORTS"))
	high := finding.High
	seven := int64(70)
	searches := map[string]hub.Search{
		"all": {}, "one CVE": {CVE: "CVE-77"}, "a package": {Package: "package7"}, "a severity": {Severity: &high}, "a status": {Status: finding.NotAffected},
		"a score": {MinScore: &seven}, "a project": {Project: 7}, "a project and a severity": {Project: 7, Severity: &high}, "a repository": {Repository: "p8/r7"},
		"a digest": {Digest: "d77"}, "a tag": {Tag: "t1077"}, "a tag of many": {Tag: "latest"}, "a CVE of a project": {Project: 7, CVE: "CVE-77"}, "page 1000": {Offset: 10_000},
	}
	for _, of := range []struct {
		name string
		open func(testing.TB) *db.DB
	}{{"SQLite", storetest.SQLite}, {"PostgreSQL", storetest.PostgreSQL}} {
		b.Run(of.name, func(b *testing.B) {
			d := of.open(b)
			findings(b, d, cmp.Or(thousand, 1)*1000)
			for _, name := range slices.Sorted(maps.Keys(searches)) {
				w := searches[name]
				w.Limit, w.Most = 10, 1000
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						if _, _, err := NewHub(d).Search(b.Context(), "s", w); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			b.Run("summary", func(b *testing.B) {
				for b.Loop() {
					if _, err := NewHub(d).Summary(b.Context(), "s", 5, 5); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("count of all", func(b *testing.B) {
				for b.Loop() {
					if _, _, err := NewHub(d).Search(b.Context(), "s", hub.Search{Limit: 10}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
