package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// stock fills a project with 10,000 repositories and 100,000 artifacts that are
// listed, half of them in the first repository; with 20,000 children of indexes
// and 10,000 accessories, half of them of one artifact; and the system with
// 100,000 audit rows, 100,000 tasks of one execution, and 10,000 of whatever else
// is listed.
func stock(t testing.TB, d *db.DB) {
	t.Helper()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	insert := func(n int, table, columns, values string) string {
		return `INSERT INTO ` + table + ` (` + columns + `) ` + fmt.Sprintf(numbers, n) + `SELECT ` + values + ` FROM n`
	}
	padded := func(expr string, n int) string { // digits, in no order
		digits := `CAST(` + expr + ` AS TEXT)`
		return `SUBSTR('` + strings.Repeat("0", n) + `' || ` + digits + `, LENGTH(` + digits + `) + 1)`
	}
	digest := func(expr string) string {
		return `'sha256:' || ` + padded(`((`+expr+`) * 2654435761) % 4294967296`, 64)
	}
	const repository = `CASE WHEN i <= 50000 THEN 1 ELSE i % 10000 + 1 END`
	const manifest, index = `'application/vnd.oci.image.manifest.v1+json'`, `'application/vnd.oci.image.index.v1+json'`
	const config, chart = `'application/vnd.oci.image.config.v1+json'`, `'application/vnd.cncf.helm.config.v1+json'`
	const names = `CASE WHEN i > 100000 OR i % 20 = 0 THEN '' WHEN i = 60001 THEN NULL WHEN i > 50000 AND i <= 60000 THEN '/latest/t' || CAST(i AS TEXT) ELSE '/t' || CAST(i AS TEXT) END`
	attrs := `'{"k":"` + strings.Repeat("0", 200) + `"}'`
	body := `CAST('{"schemaVersion":2,"manifests":[],"annotations":{"k":"` + strings.Repeat("0", 1000) + `"}}' AS ` + bytesOf(d) + `)`
	for _, q := range []string{
		insert(10_000, `account`, `id, name, email, realname, created, updated`, `i, 'user' || CAST(i AS TEXT), 'user' || CAST(i AS TEXT) || '@example.com', `+padded(`i * 7919 % 10007`, 8)+`, i, i`),
		insert(10_000, `project`, `id, name, owner_id, public, repo_count, created, updated`, `i, 'p' || CASE WHEN i = 1 THEN '' ELSE CAST(i AS TEXT) END, i, i % 4 = 0, CASE WHEN i = 1 THEN 10000 ELSE 0 END, i, i`),
		insert(10_000, `quota`, `project_id, hard, used, created, updated`, `i, -1, i * 7919 % 10007, i, i`),
		insert(10_000, `member`, `project_id, kind, entity_id, role, created, updated`, `1, 'u', i, i % 5 + 1, i, i`),
		insert(9_999, `member`, `project_id, kind, entity_id, role, created, updated`, `i + 1, 'u', 1, 1, i, i`),
		insert(10_000, `robot`, `project_id, name, level, secret, duration, expires, created, updated`, `i % 2, 'p+r' || CAST(i AS TEXT), 'project', '', 30, i * 7919 % 10007, i, i`),
		insert(10_000, `label`, `id, scope, project_id, name, description, color, created, updated`, `i, 'p', 1, 'l' || CAST(i AS TEXT), '', '#' || CAST(i % 100 AS TEXT), i, i`),
		insert(10_000, `repository`, `id, project_id, name, listed, artifact_count, manifest_count, pull_count, created, updated`,
			`i, 1, 'p/r' || CAST(i AS TEXT), TRUE, CASE WHEN i = 1 THEN 50005 ELSE 5 END, CASE WHEN i = 1 THEN 80005 ELSE 5 END, i * 7919 % 10007, i, i * 7919 % 10007`),
		`INSERT INTO artifact_kind (id, type, media_type, config_media_type, artifact_type) VALUES (1, 'CHART', ` + manifest + `, ` + chart + `, ''), (2, 'IMAGE', ` + index + `, '', ''), (3, 'IMAGE', ` + manifest + `, ` + config + `, '')`,
		insert(130_000, `artifact`, `id, project_id, repository_id, digest, media_type, config_media_type, type, kind, size, manifest_size, accessory_of, accessory_type, listed, tagged, tag_names, pushed, pulled, body, attrs`,
			`i, 1, CASE WHEN i <= 100000 THEN `+repository+` ELSE 1 END, `+digest(`i`)+`,
			CASE i % 10 WHEN 1 THEN `+index+` ELSE `+manifest+` END, CASE i % 10 WHEN 0 THEN `+chart+` WHEN 1 THEN '' ELSE `+config+` END,
			CASE i % 10 WHEN 0 THEN 'CHART' ELSE 'IMAGE' END, CASE i % 10 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 3 END, i * 7919 % 1000003, 500,
			CASE WHEN i > 125000 THEN `+digest(`1`)+` WHEN i > 120000 THEN `+digest(`i - 120000`)+` ELSE '' END, CASE WHEN i > 120000 THEN 'signature.cosign' ELSE '' END,
			i <= 100000, i <= 100000 AND i % 20 <> 0, `+names+`, i, CASE WHEN i % 3 = 0 THEN i * 104729 % 1000003 ELSE 0 END, `+body+`, '{}'`),
		insert(20_000, `artifact_reference`, `parent_id, position, child_digest, repository_id`, `(i - 1) / 2 * 10 + 1, i % 2, `+digest(`100000 + i`)+`, 1`),
		insert(100_000, `tag`, `project_id, repository_id, name, artifact_id, pushed`, `1, `+repository+`, 't' || CAST(i AS TEXT), i, i`),
		insert(10_000, `tag`, `project_id, repository_id, name, artifact_id, pushed`, `1, (50000 + i) % 10000 + 1, 'latest', 50000 + i, i`),
		`DELETE FROM tag WHERE artifact_id % 20 = 0`,
		insert(10_000, `tag`, `project_id, repository_id, name, artifact_id, pushed`, `1, 2, 'many' || CAST(i AS TEXT), 60001, i * 7919 % 10007`),
		insert(10_000, `artifact_label`, `artifact_id, label_id, created`, `10 * i, 1, 0`),
		insert(1_000, `artifact_label`, `artifact_id, label_id, created`, `100 * i, 2, 0`),
		insert(10_000, `user_group`, `kind, name, key, created, updated`, `1, 'g' || CAST(i AS TEXT), 'g' || CAST(i AS TEXT), i, i`),
		insert(10_000, `immutable_rule`, `project_id, priority, tags, repositories, created, updated`, `1, i * 7919 % 10007, 't' || CAST(i AS TEXT), '**', i, i`),
		insert(100_000, `audit_log`, `at, username, project_id, resource, resource_type, operation, success`, `i, 'user' || CAST(i % 100 AS TEXT), i % 2, 'p/r' || CAST(i * 7919 % 10007 AS TEXT), 'artifact', CASE i % 10 WHEN 0 THEN 'create' ELSE 'pull' END, i % 50 <> 0`),
		insert(10_000, `execution`, `id, kind, owner_id, caused_by, status, attrs, started, updated, ended`, `i, 'WEBHOOK', 1, 'EVENT', CASE i % 50 WHEN 0 THEN 'Error' ELSE 'Success' END, `+attrs+`, i, i * 7919 % 1000003, i * 7919 % 1000003`),
		insert(100_000, `task`, `execution_id, kind, status, at, args, attrs, created, started, updated, ended`, `1, 'REPLICATION', CASE i % 50 WHEN 0 THEN 'Error' ELSE 'Success' END, i, `+attrs+`, `+attrs+`, i, i, i * 7919 % 1000003, i * 7919 % 1000003`),
		insert(10_000, `endpoint`, `id, name, kind, url, sealed, healthy, created, updated, checked`, `i, 'e' || CAST(i AS TEXT), 'harbor', 'https://e.example.com', CAST('' AS `+bytesOf(d)+`), i % 9 > 0, i, i * 7919 % 10007, i`),
		insert(10_000, `replication_policy`, `name, source, filters, platforms, replace_count, caused_by, deletion, override, enabled, alone, speed, chunked, created, updated`, `'y' || CAST(i AS TEXT), 1, '[]', '[]', 1, 'manual', FALSE, TRUE, i % 9 > 0, FALSE, -1, FALSE, i, i * 7919 % 10007`),
		insert(10_000, `webhook_policy`, `project_id, name, targets, topics, enabled, created, updated`, `1, 'w' || CAST(i AS TEXT), '[]', '[]', i % 9 > 0, i, i * 7919 % 10007`),
	} {
		err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(q); return err })
		if err != nil {
			t.Fatalf("%.120s: %v", q, err)
		}
	}
	if d.Dialect() == db.PostgreSQL { // which does so by itself, some time later
		rows, err := d.Query(t.Context(), `VACUUM ANALYZE`)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}

// TestKeepStock leaves a stocked database for a server to be measured with, in the
// file that BERTH_TEST_STOCK names.
func TestKeepStock(t *testing.T) {
	file := os.Getenv("BERTH_TEST_STOCK")
	if file == "" {
		t.Skip("not run: BERTH_TEST_STOCK names no file to leave a database in")
	}
	for _, f := range []string{file, file + "-wal", file + "-shm"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	d, err := db.Open(t.Context(), "sqlite://"+file, db.Options{})
	if err == nil {
		err = d.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	stock(t, d)
	// A server that finds its administrator completes a first start that was cut short.
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE account SET name = 'admin', admin = TRUE WHERE id = 1`)
		return err
	})
	if err == nil {
		err = NewSystem(d).Set(t.Context(), "charts_listed", "") // whose manifests are none that can be read
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// A benchedList is a list that BenchmarkLists reads: in the order of each of its
// columns, and with each of some filters.
type benchedList struct {
	name    string
	l       listing
	page    func(q query.Query) (total int64, err error)
	filters []string
}

// benchedLists are all lists of a stocked database.
func benchedLists(ctx context.Context, d *db.DB) []benchedList {
	a := NewArtifacts(d)
	artifacts := func(repository string) func(query.Query) (int64, error) {
		return func(q query.Query) (int64, error) {
			_, n, err := a.Artifacts(ctx, artifact.Where{ProjectID: 1, Repository: repository}, q, artifact.Parts{Tags: true, Accessories: true})
			return n, err
		}
	}
	repositories := func(s artifact.Scope) func(query.Query) (int64, error) {
		return func(q query.Query) (int64, error) { _, n, err := a.Repositories(ctx, s, q); return n, err }
	}
	projects := func(v project.Visible) func(query.Query) (int64, error) {
		return func(q query.Query) (int64, error) { _, n, err := NewProjects(d).List(ctx, v, q); return n, err }
	}
	logs := func(v audit.Visible) func(query.Query) (int64, error) {
		return func(q query.Query) (int64, error) { _, n, err := NewAudit(d).List(ctx, v, q); return n, err }
	}
	ofArtifacts := []string{"base=*", "tags=*", "tags=nil", "tags=latest", "tags=t77777", "tags=~t7777", "tags=~t", "labels=(1)", "labels=(2)", "labels=(1 2)",
		"type=IMAGE", "type=CHART", "type={IMAGE CHART}", "type=~i", "media_type=application/vnd.cncf.helm.config.v1+json", "manifest_media_type=~index", "artifact_type=x",
		"size=[5000~]", "size=[1~100]", "pull_time=[1970-01-01T00:00:00~]", "push_time=[~1970-01-01T00:00:01]", "id=[~70000]", "digest=~9999", "digest=~9", "tags=~none", "digest=~sha256", "digest=sha256:0", "type=CHART,tags=*,size=[5000~]", "base=*,type=IMAGE"}
	ofLogs := []string{"username=user7", "username=~ser7", "operation=create", "operation={create delete}", "operation_result=false", "resource=~77", "op_time=[~1970-01-01T00:00:01]", "project_id=1"}
	ofRepositories := []string{"name=~r99", "name=~r", "name=p/r77", "pull_count=[5000~]", "artifact_count=5"}
	return []benchedList{
		{"artifacts of a project", artifactListing, artifacts(""), ofArtifacts},
		{"artifacts of a large repository", artifactListing, artifacts("p/r1"), ofArtifacts},
		{"artifacts of a small repository", artifactListing, artifacts("p/r2"), ofArtifacts[:9]},
		{"newest artifacts of repositories", artifactListing, func(q query.Query) (int64, error) {
			if len(q.Filters) == 0 {
				q = q.Where(query.Filter{Field: "media_type", Op: query.Fuzzy, Value: "image"})
			}
			_, n, err := a.Artifacts(ctx, artifact.Where{ProjectID: 1, Latest: true}, q, artifact.Parts{Tags: true})
			return n, err
		}, []string{"media_type=application/vnd.cncf.helm.config.v1+json", "media_type=~v1", "artifact_type=x", "media_type=~v1,tags=*,size=[5000~]", "media_type=~v1,labels=(1)", "media_type=~v1,labels=(2)"}},
		{"tags of an artifact", tagListing, func(q query.Query) (int64, error) { _, n, err := a.TagsOfArtifact(ctx, 60_001, q); return n, err }, []string{"name=~99"}},
		{"accessories of an artifact", accessoryListing, func(q query.Query) (int64, error) {
			_, n, err := a.AccessoriesOf(ctx, artifact.Detail{ID: 1}, q)
			return n, err
		}, []string{"type=signature.cosign"}},
		{"repositories of a project", repositoryListing, repositories(artifact.Scope{ProjectID: 1}), ofRepositories},
		{"all repositories", repositoryListing, repositories(artifact.Scope{All: true}), ofRepositories},
		{"repositories that one may see", repositoryListing, repositories(artifact.Scope{UserID: 1, Names: []string{"p"}}), ofRepositories},
		{"all projects", projectListing, projects(project.Visible{All: true}), []string{"name=~p99", "name=p77", "public=true", "owner=user7"}},
		{"projects that one may see", projectListing, projects(project.Visible{UserID: 1, Names: []string{"p7"}}), []string{"name=~p99", "public=true"}},
		{"members", memberListing, func(q query.Query) (int64, error) { _, n, err := NewProjects(d).Members(ctx, 1, q); return n, err }, []string{"entity_name=~r99"}},
		{"labels", labelListing, func(q query.Query) (int64, error) { _, n, err := NewLabels(d).List(ctx, "p", 1, q); return n, err }, []string{"name=~l99"}},
		{"users", accountListing, func(q query.Query) (int64, error) { _, n, err := NewAccounts(d).List(ctx, q); return n, err }, []string{"username=~r99", "email=~r99", "sysadmin_flag=true"}},
		{"robots", robotListing, func(q query.Query) (int64, error) { _, n, err := NewRobots(d).List(ctx, q); return n, err }, []string{"name=~r99", "level=project,project_id=1"}},
		{"quotas", quotaListing, func(q query.Query) (int64, error) { _, n, err := NewQuotas(d).List(ctx, q); return n, err }, []string{"project=~p99", "used.storage=[5000~]"}},
		{"user groups", groupListing, func(q query.Query) (int64, error) { _, n, err := NewAccounts(d).Groups(ctx, q); return n, err }, []string{"group_name=~g99"}},
		{"immutable rules", ruleListing, func(q query.Query) (int64, error) { _, n, err := NewImmutable(d).List(ctx, 1, q); return n, err }, []string{"disabled=true"}},
		{"executions of a webhook", executionListing, func(q query.Query) (int64, error) {
			_, n, err := NewJobs(d).Executions(ctx, []job.Kind{job.Webhook, job.Slack}, 1, q)
			return n, err
		}, []string{"status=Error", "status=Success", "trigger=EVENT", "creation_time=[1970-01-01T00:00:00~]"}},
		{"executions of a kind", executionListing, func(q query.Query) (int64, error) {
			_, n, err := NewJobs(d).Executions(ctx, []job.Kind{job.Webhook}, job.AnyOwner, q)
			return n, err
		}, []string{"status=Error", "status=Success"}},
		{"tasks of an execution", taskListing, func(q query.Query) (int64, error) { _, n, err := NewJobs(d).Tasks(ctx, 1, q); return n, err }, []string{"status=Error", "status=Success", "extra_attrs=~k"}},
		{"endpoints", endpointListing, func(q query.Query) (int64, error) { _, n, err := NewEndpoints(d).List(ctx, q); return n, err }, []string{"name=~e99", "type=harbor"}},
		{"replication policies", replicationListing, func(q query.Query) (int64, error) { _, n, err := NewReplication(d).List(ctx, q); return n, err }, []string{"name=~y99", "src_registry_id=1"}},
		{"webhook policies", webhookListing, func(q query.Query) (int64, error) { _, n, err := NewWebhooks(d).List(ctx, 1, q); return n, err }, []string{"name=~w99", "enabled=true"}},
		{"audit log", auditListing, logs(audit.Visible{All: true}), ofLogs},
		{"audit log of a project", auditListing, logs(audit.Visible{ProjectID: 1}), ofLogs},
		{"audit log of those that one administers", auditListing, logs(audit.Visible{AdministratorID: 1}), ofLogs[:2]},
	}
}

// queries returns in which orders and with which filters a list is read.
func (l benchedList) queries() []string {
	all := []string{"default"}
	sorts := l.l.sorts
	if sorts == nil {
		sorts = slices.Sorted(maps.Keys(l.l.columns))
	}
	for _, field := range sorts {
		all = append(all, "sort="+field)
	}
	for _, f := range l.filters {
		all = append(all, "q="+f)
	}
	return all
}

// BenchmarkLists reads the first, a middle and the last page of large lists, and
// reports the median and the 99th percentile of each in milliseconds.
func BenchmarkLists(b *testing.B) {
	stores := map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL}
	for name, open := range stores {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			stock(b, d)
			for _, l := range benchedLists(b.Context(), d) {
				for _, asked := range l.queries() {
					b.Run(l.name+"/"+asked, func(b *testing.B) { l.bench(b, asked) })
				}
			}
		})
	}
}

func (l benchedList) bench(b *testing.B, asked string) {
	const size = 20
	q, _ := strings.CutPrefix(asked, "q=")
	if q == asked {
		q = ""
	}
	sort, _ := strings.CutPrefix(asked, "sort=")
	ask := func(page int) (int64, error) {
		parsed, err := query.Parse(q, sort, page, size)
		if err != nil {
			b.Fatal(err)
		}
		return l.page(parsed)
	}
	total, err := ask(1)
	if err != nil {
		b.Fatal(err)
	}
	last := max(int(total+size-1)/size, 1)
	pages := map[string]int{"first": 1, "middle": (last + 1) / 2, "last": last}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for where, page := range pages {
			start := time.Now()
			if _, err := ask(page); err != nil {
				b.Fatal(err)
			}
			took[where] = append(took[where], time.Since(start))
		}
	}
	for where, all := range took {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, where+"-p50-ms")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, where+"-p99-ms")
	}
	b.ReportMetric(float64(total), "rows")
}
