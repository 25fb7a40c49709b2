package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// BenchmarkRetention asks a server for a dry run of a policy in a repository of
// 100,000 artifacts, each with a tag, a tenth of them indexes of two children,
// and reads its log.
func BenchmarkRetention(b *testing.B) {
	for _, of := range []db.Dialect{db.SQLite, db.PostgreSQL} {
		b.Run(string(of), func(b *testing.B) { benchRetention(b, storetest.URL(b, of)) })
	}
}

func benchRetention(b *testing.B, url string) {
	const artifacts = 100_000
	s := apptest.Start(b, func(c *app.Config) { c.Database = url })
	push(b, s, "library/app", "first")
	multiply(b, url, artifacts)
	selector := func(decoration, glob string) string {
		return fmt.Sprintf(`[{"kind":"doublestar","decoration":%q,"pattern":%q}]`, decoration, glob)
	}
	rule := func(template, params, tags string) string {
		return fmt.Sprintf(`{"action":"retain","template":%q,"params":{%s},"tag_selectors":%s,"scope_selectors":{"repository":%s}}`, template, params, selector("matches", tags), selector("repoMatches", "**"))
	}
	_, policy := asked(b, s, 201, "POST", "/retentions", `{"algorithm":"or","scope":{"level":"project","ref":1},"rules":[`+
		rule("latestPushedK", `"latestPushedK":1000`, "**")+","+rule("nDaysSinceLastPull", `"nDaysSinceLastPull":30`, "{t1,t2}*")+`]}`)
	for b.Loop() {
		_, execution := asked(b, s, 201, "POST", policy+"/executions", `{"dry_run":true}`)
		var tasks []struct {
			ID              int64
			Status          string
			Total, Retained int
		}
		for len(tasks) != 1 || tasks[0].Status != "Success" {
			text, _ := asked(b, s, 200, "GET", execution+"/tasks", "")
			if err := json.Unmarshal([]byte(text), &tasks); err != nil || strings.Contains(text, `"Error"`) {
				b.Fatal(text, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		log, _ := asked(b, s, 200, "GET", fmt.Sprintf("%s/tasks/%d", execution, tasks[0].ID), "")
		if tasks[0].Total != artifacts+1 || strings.Count(log, "| DEL |")+strings.Count(log, "| RETAIN |") != artifacts+1 {
			b.Fatalf("%+v, a log of %d bytes", tasks[0], len(log))
		}
		b.ReportMetric(float64(len(log))/(1<<20), "MiB-log")
		b.ReportMetric(float64(tasks[0].Retained), "retained")
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/run")
}

// multiply makes many artifacts of the only one.
func multiply(b *testing.B, url string, n int) {
	b.Helper()
	d, err := db.Open(b.Context(), url, db.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	for _, q := range []string{
		`INSERT INTO artifact (id, project_id, repository_id, digest, media_type, type, kind, size, manifest_size, listed, tagged, pushed, pulled, body, attrs) ` + fmt.Sprintf(numbers, n) +
			`SELECT 1000 + i, a.project_id, a.repository_id, 'sha256:' || CAST(1000000000 + i AS TEXT), a.media_type, a.type, a.kind, a.size, a.manifest_size, TRUE, TRUE, a.pushed - i * 1000000, 0, a.body, a.attrs FROM n, artifact a WHERE a.id = 1`,
		`INSERT INTO artifact (id, project_id, repository_id, digest, media_type, type, kind, size, manifest_size, listed, tagged, pushed, pulled, body, attrs) ` + fmt.Sprintf(numbers, n/5) +
			`SELECT 1000000 + i, a.project_id, a.repository_id, 'sha256:' || CAST(2000000000 + i AS TEXT), a.media_type, a.type, a.kind, a.size, a.manifest_size, FALSE, FALSE, a.pushed, a.pushed, a.body, a.attrs FROM n, artifact a WHERE a.id = 1`,
		`INSERT INTO artifact_reference (parent_id, position, child_digest, repository_id) ` + fmt.Sprintf(numbers, n/5) +
			`SELECT 1000 + (i + 1) / 2 * 10, i % 2, 'sha256:' || CAST(2000000000 + i AS TEXT), a.repository_id FROM n, artifact a WHERE a.id = 1`,
		`INSERT INTO tag (project_id, repository_id, name, artifact_id, pushed) ` + fmt.Sprintf(numbers, n) +
			`SELECT a.project_id, a.repository_id, 't' || CAST(i AS TEXT), 1000 + i, a.pushed - i * 1000000 FROM n, artifact a WHERE a.id = 1`,
	} {
		err := d.Write(context.Background(), func(tx *db.Tx) error { _, err := tx.Exec(q); return err })
		if err != nil {
			b.Fatalf("%.200s: %v", q, err)
		}
	}
	if d.Dialect() == db.PostgreSQL { // which does so by itself, some time later
		rows, err := d.Query(b.Context(), `VACUUM ANALYZE`)
		if err != nil {
			b.Fatal(err)
		}
		rows.Close()
	}
}
