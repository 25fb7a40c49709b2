package sqlstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A readPlan is what a statement's plan must be: which index it reads, and
// whether that is in the statement's order, and has all that is looked at.
type readPlan struct {
	index            string
	ordered, covered bool
}

func (p readPlan) check(t *testing.T, d *db.DB, name, statement string, args []any) {
	t.Helper()
	lines := indexPlan(t, d, statement, args, p.ordered)
	on, sort := []string{"INDEX " + p.index + " ", "INDEX " + p.index + "\n"}, "TEMP B-TREE"
	if p.covered {
		on = []string{"COVERING INDEX " + p.index + " ", "COVERING INDEX " + p.index + "\n"}
	}
	if d.Dialect() == db.PostgreSQL {
		on, sort = []string{"Index Scan using " + p.index + " ", "Index Scan Backward using " + p.index + " "}, "->  Sort"
		covered := []string{"Index Only Scan using " + p.index + " ", "Index Only Scan Backward using " + p.index + " "}
		if p.covered {
			on = nil
		}
		on = append(on, covered...)
	}
	found := false
	for _, text := range on {
		found = found || strings.Contains(lines, text)
	}
	if !found || p.ordered && strings.Contains(lines, sort) {
		t.Errorf("%s does not read %+v:\n%s\n%s", name, p, statement, lines)
	}
}

// indexPlan returns the plan of a statement where indexes are taken if there are
// any, also of tables that are empty; and where ordered is set, those that are in
// the statement's order.
func indexPlan(t *testing.T, d *db.DB, q string, args []any, ordered bool) string {
	t.Helper()
	if d.Dialect() == db.SQLite {
		return plan(t, d, q, args) + "\n"
	}
	var lines []string
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		off := []string{"seqscan", "bitmapscan"}
		if ordered {
			off = append(off, "sort")
		}
		for _, kind := range off {
			if _, err := tx.Exec(`SET LOCAL enable_` + kind + ` = off`); err != nil {
				return err
			}
		}
		lines, err = columnOf[string](tx.Query(`EXPLAIN `+q, args...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n") + "\n"
}

// unique is the name of the index that a constraint of a table has.
func unique(d *db.DB, table, columns string) string {
	if d.Dialect() == db.PostgreSQL {
		if table == "tag" || table == "artifact" { // which had this name at first
			table += "_now"
		}
		return table + "_" + columns + "_key"
	}
	return "sqlite_autoindex_" + table + "_1"
}

// manyKinds stores artifacts of many kinds: of a table that is empty, PostgreSQL
// may as well read one index as another.
func manyKinds(t *testing.T, d *db.DB) {
	t.Helper()
	repo := createRepo(t, d, "p")
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO repository (id, project_id, name, created, updated) VALUES (1, ?, 'p/r', 0, 0)`, repo.ProjectID)
		if err == nil {
			_, err = tx.Exec(`INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, kind, listed, pushed, body)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
				SELECT ?, 1, CAST(i AS TEXT), 'm', i, 1, i % 100, TRUE, i, CAST('{}' AS `+bytesOf(d)+`) FROM n`, repo.ProjectID)
		}
		if err == nil {
			_, err = tx.Exec(`ANALYZE artifact`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestArtifactsAreReadFromIndexes holds the plan of each order and each filter of
// lists of artifacts: a walk along the index of the order, which has all that is
// looked at.
func TestArtifactsAreReadFromIndexes(t *testing.T) {
	ofProject := map[string]string{
		"id": "artifact_by_id", "digest": "artifact_by_digest", "size": "artifact_by_size", "push_time": "artifact_by_push", "pull_time": "artifact_by_pull",
		"type": "artifact_by_kind", "media_type": "artifact_by_kind", "manifest_media_type": "artifact_by_kind", "artifact_type": "artifact_by_kind",
	}
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		read := func(of artifactFilter, field, index string) {
			t.Helper()
			for _, back := range []bool{false, true} {
				where, err := of.inOrderOf(field)
				if err != nil {
					t.Fatal(err)
				}
				sort := query.Sort{Field: field, Desc: true}
				if isOfKind(field) { // each kind is read by itself
					where.sql, sort.Field = where.sql+" AND a.kind = 3", "push_time"
				}
				q := artifactListing.statement(where, artifactListing.orderBy([]query.Sort{sort}, back))
				readPlan{index, true, true}.check(t, d, "by "+field, q, append(where.args, 10, 0))
			}
		}
		tag, err := withTag(query.Filter{Op: query.Fuzzy, Value: "t"}, condition{"TRUE", nil})
		if err != nil {
			t.Fatal(err)
		}
		for field := range artifactListing.columns {
			index, ok := ofProject[field]
			if !ok {
				t.Errorf("no index of %s is known here", field)
			}
			if isOfKind(field) {
				continue // see below
			}
			read(artifactFilter{project: 1}, field, index)
			if field == "push_time" {
				read(artifactFilter{project: 1, sets: []artifactSet{tag}}, field, "artifact_by_tag")
			} else {
				read(artifactFilter{project: 1, sets: []artifactSet{tag}}, field, index)
			}
			if field == "push_time" {
				index = "artifact_repository"
			}
			read(artifactFilter{project: 1, repository: 1}, field, index)
		}
		label := artifactSet{ids: condition{"SELECT w.artifact_id FROM artifact_label w WHERE w.label_id = ?", []any{1}}}
		digest := []query.Filter{{Field: "digest", Op: query.Fuzzy, Value: "9"}}
		for name, of := range map[string]artifactFilter{
			"base": {all: true}, "tags": {tagged: withTags}, "no tags": {tagged: withoutTags}, "kinds": {kinds: &condition{"a.kind IN (?, ?)", []any{1, 2}}}, "labels": {sets: []artifactSet{label}}, "a part of a tag": {sets: []artifactSet{tag}},
			"digest":    {plain: digest},
			"size":      {plain: []query.Filter{{Field: "size", Op: query.Range, Min: int64(5)}}},
			"pull_time": {plain: []query.Filter{{Field: "pull_time", Op: query.Range, Min: "2026-01-01 00:00:00"}}},
			"push_time": {plain: []query.Filter{{Field: "push_time", Op: query.Range, Min: "2026-01-01 00:00:00"}}},
			"id":        {plain: []query.Filter{{Field: "id", Op: query.Range, Max: int64(5)}}},
		} {
			of.project = 1
			index := "artifact_by_push"
			if name == "tags" || name == "a part of a tag" {
				index = "artifact_by_tag"
			}
			t.Run(name, func(t *testing.T) { read(of, "push_time", index) })
			of.repository = 1
			t.Run(name+" in a repository", func(t *testing.T) { read(of, "push_time", "artifact_repository") })
		}
		for name, c := range map[string]struct {
			of artifactFilter
			p  readPlan
		}{
			"a label":           {artifactFilter{project: 1, sets: []artifactSet{label}}, readPlan{index: "artifact_label_label", covered: true}},
			"a part of a tag":   {artifactFilter{project: 1, sets: []artifactSet{tag}}, readPlan{index: "artifact_by_tag", covered: true}},
			"how digests begin": {artifactFilter{project: 1, plain: []query.Filter{{Field: "digest", Op: query.Range, Min: "sha256:0", Max: "sha256:0g"}}}, readPlan{index: "artifact_by_digest", covered: true}},
		} {
			if c.p.index == "artifact_by_digest" && d.Dialect() == db.PostgreSQL {
				continue // to which another index is as good while there are no rows
			}
			where, err := c.of.inOrderOf("")
			if err != nil {
				t.Fatal(err)
			}
			c.p.check(t, d, "count by "+name, `SELECT count(*) FROM artifact a WHERE `+where.sql, where.args)
		}
		for index, of := range map[string]artifactFilter{
			"artifact_by_tag":     {project: 1, sets: []artifactSet{tag}},
			"artifact_by_push":    {project: 1, plain: digest},
			"artifact_repository": {project: 1, repository: 1, sets: []artifactSet{tag}, plain: digest},
		} {
			if !of.searched("push_time") {
				t.Errorf("%s is not walked along", index)
			}
			if of.repository != 0 && d.Dialect() == db.PostgreSQL {
				continue // to which another index is as good while there are no rows
			}
			where, err := of.inOrderOf("push_time")
			if err != nil {
				t.Fatal(err)
			}
			for _, desc := range []bool{false, true} {
				by := query.Sort{Field: "push_time", Desc: desc}
				readPlan{index: index, covered: true}.check(t, d, "what is behind a page", artifactListing.restStatement(where, by), append(where.args, 1, 1))
			}
		}
		where, err := artifactFilter{}.meeting(condition{sql: "a.repository_id = r.id"}, "push_time")
		if err != nil {
			t.Fatal(err)
		}
		newest := `SELECT r.id, ` + ofNewest("a.pushed", where) + `, ` + ofNewest("a.digest", where) + ` FROM repository r WHERE r.project_id = ? AND r.listed = TRUE`
		readPlan{"artifact_repository", true, true}.check(t, d, "newest", newest, []any{1})
		readPlan{"repository_project_listed", true, false}.check(t, d, "newest", newest, []any{1})
		for name, c := range map[string]struct {
			q string
			p readPlan
		}{
			"a tag of a project":    {`SELECT t.artifact_id FROM tag t WHERE t.project_id = ? AND t.name = ?`, readPlan{"tag_project", true, true}},
			"a part of one":         {`SELECT t.artifact_id FROM tag t WHERE t.project_id = ? AND LOWER(t.name) LIKE ?`, readPlan{"tag_project", true, true}},
			"a tag of a repository": {`SELECT t.artifact_id FROM tag t WHERE t.repository_id = ? AND t.name = ?`, readPlan{unique(d, "tag", "repository_id_name"), true, false}},
			"a label":               {`SELECT w.artifact_id FROM artifact_label w WHERE w.label_id = ?`, readPlan{"artifact_label_label", true, true}},
		} {
			c.p.check(t, d, name, c.q, []any{"1", "1"}[:strings.Count(c.q, "?")])
		}
		if d.Dialect() == db.PostgreSQL {
			manyKinds(t, d)
		}
		for field := range kindListing.columns {
			read(artifactFilter{project: 1}, field, ofProject[field])
			read(artifactFilter{project: 1, sets: []artifactSet{tag}}, field, ofProject[field])
		}
		readPlan{index: "artifact_by_kind", covered: true}.check(t, d, "few of a kind", artifactsOfKinds+`a.kind IN (?, ?) LIMIT ?`, []any{1, 3, 5, smallSet})
	})
}

// TestPartsOfArtifactsAreReadFromIndexes holds the plans of what is shown of a
// page of artifacts.
func TestPartsOfArtifactsAreReadFromIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for name, c := range map[string]struct {
			q, index string
		}{
			"tags":             {tagsShown, "tag_artifact"},
			"accessories":      {accessoriesShown, "artifact_accessory"},
			"what has a child": {parentsShown, "artifact_reference_child"},
		} {
			readPlan{index: c.index}.check(t, d, name, strings.Replace(c.q, "IDS", "?", 1)+" LIMIT ?", []any{1, 10})
		}
		readPlan{index: "artifact_icon"}.check(t, d, "an icon", `SELECT id FROM artifact WHERE icon = ? AND icon <> ''`, []any{"x"})
	})
}

// TestOtherListsAreReadFromIndexes holds how lists are read in the order that they
// have by themselves, and by which index whatever the order is.
func TestOtherListsAreReadFromIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for name, c := range map[string]struct {
			l          listing
			base       condition
			byDefault  readPlan
			inAnyOrder string // an index; empty where all rows are read
		}{
			"repositories of a project": {repositoryListing, condition{"r.project_id = ? AND r.listed = TRUE", []any{1}}, readPlan{index: "repository_project_listed", ordered: true}, "repository_project"},
			"all repositories":          {repositoryListing, condition{"r.listed = TRUE", nil}, readPlan{index: "repository_listed", ordered: true}, ""},
			"audit log":                 {auditListing, auditVisible(audit.Visible{All: true}), readPlan{"audit_log_at", true, true}, ""},
			"audit log of a project":    {auditListing, auditVisible(audit.Visible{ProjectID: 1}), readPlan{"audit_log_project", true, true}, "audit_log_project"},
			"tags of an artifact":       {tagListing, condition{"t.artifact_id = ?", []any{1}}, readPlan{index: "tag_artifact", ordered: true}, "tag_artifact"},
			"accessories":               {accessoryListing, condition{"s.id = ?", []any{1}}, readPlan{index: "artifact_accessory"}, "artifact_accessory"},
			"labels of a project":       {labelListing, condition{"l.scope = ? AND l.project_id = ?", []any{"p", 1}}, readPlan{index: unique(d, "label", "scope_project_id_name"), ordered: true}, unique(d, "label", "scope_project_id_name")},
			"members":                   {memberListing, condition{"m.project_id = ?", []any{1}}, readPlan{index: unique(d, "member", "project_id_kind_entity_id")}, unique(d, "member", "project_id_kind_entity_id")},
			"projects":                  {projectListing, projectVisible(project.Visible{All: true}), readPlan{index: unique(d, "project", "name"), ordered: true}, ""},
			"users":                     {accountListing, condition{sql: "NOT deleted"}, readPlan{index: unique(d, "account", "name"), ordered: true}, ""},
			"replication policies":      {replicationListing, condition{"TRUE", nil}, readPlan{index: "replication_policy_created", ordered: true}, ""},
			"endpoints":                 {endpointListing, condition{sql: "TRUE"}, readPlan{index: "endpoint_created", ordered: true}, ""},
			"tasks of an execution":     {taskListing, condition{"t.execution_id = ?", []any{1}}, readPlan{"task_execution", true, true}, "task_execution"},
			"scanners":                  {scannerListing, condition{sql: "TRUE"}, readPlan{index: "scanner_created", ordered: true}, ""},
			"robots":                    {robotListing, condition{sql: robotLives}, readPlan{index: "robot_name", ordered: true}, ""},
		} {
			q := func(sorts []query.Sort, back bool) (string, []any) {
				return c.l.statement(c.base, c.l.orderBy(sorts, back)), append(c.base.args[:len(c.base.args):len(c.base.args)], 10, 0)
			}
			for _, back := range []bool{false, true} {
				statement, args := q(nil, back)
				c.byDefault.check(t, d, name, statement, args)
			}
			if c.inAnyOrder == "" {
				continue
			}
			for field := range c.l.columns {
				statement, args := q([]query.Sort{{Field: field}}, false)
				lines := indexPlan(t, d, statement, args, false)
				if !strings.Contains(lines, c.inAnyOrder) {
					t.Errorf("%s by %s is not read by %s:\n%s", name, field, c.inAnyOrder, lines)
				}
			}
		}
		tasks := condition{"t.execution_id = ? AND t.status = ?", []any{1, "Error"}}
		for _, field := range []string{"id", "status", "creation_time", "start_time", "update_time", "end_time"} {
			readPlan{index: "task_execution", covered: true}.check(t, d, "tasks by "+field, taskListing.statement(tasks, taskListing.orderBy([]query.Sort{{Field: field}}, false)), append(tasks.args, 10, 0))
		}
		behind := auditListing.restStatement(auditVisible(audit.Visible{ProjectID: 1}), auditListing.order[0])
		readPlan{index: "audit_log_project", covered: true}.check(t, d, "what is behind a page", behind, []any{1, 1, 1})
		part, err := auditListing.where(auditVisible(audit.Visible{ProjectID: 1}), []query.Filter{{Field: "resource", Op: query.Fuzzy, Value: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		readPlan{"audit_log_project", true, true}.check(t, d, "a part of a resource", auditListing.statement(part, auditListing.orderBy(nil, false)), append(part.args, 10, 0))
		readPlan{index: "audit_log_project", covered: true}.check(t, d, "a project's log by id", auditListing.statement(auditVisible(audit.Visible{ProjectID: 1}), "l.id"), []any{1, 10, 0})
		caches, err := projectListing.where(projectVisible(project.Visible{All: true}), []query.Filter{{Field: "registry_id", Value: int64(1)}})
		if err != nil {
			t.Fatal(err)
		}
		readPlan{index: "project_registry", ordered: true}.check(t, d, "projects of a registry", projectListing.statement(caches, projectListing.orderBy(nil, false)), append(caches.args, 10, 0))
		seen := condition{`r.project_id IN (` + projectsOf + `)`, []any{1, 1}}
		readPlan{index: "member_entity"}.check(t, d, "repositories that one may see", repositoryListing.statement(seen, "r.id"), append(seen.args, 10, 0))
	})
}

// TestIndexesOfChartsAreReadFromIndexes holds that what is asked for again and
// again reads no row of a chart, and that what is new is found without what is
// not.
func TestIndexesOfChartsAreReadFromIndexes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Dialect() == db.PostgreSQL { // which of two indexes it counts by depends on what is there
			readPlan{index: "chart_version_pkey", ordered: true}.check(t, d, "since", chartsSince, []any{"\n", 1, 5, 10})
			return
		}
		readPlan{index: "sqlite_autoindex_chart_version_2", covered: true}.check(t, d, "revision", chartRevision, []any{1})
		readPlan{index: "sqlite_autoindex_chart_version_2", ordered: true}.check(t, d, "since", chartsSince, []any{"\n", 1, 5, 10})
	})
}

// TestFindingsAreReadFromIndexes holds that findings of all projects are walked
// through in their order, whatever is asked for, and reports by what they are of.
func TestFindingsAreReadFromIndexes(t *testing.T) {
	high, seven := finding.High, int64(70)
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Dialect() == db.PostgreSQL { // which reads one empty table as well as another
			findings(t, d, 300)
		}
		for name, c := range map[string]struct {
			w          hub.Search
			repository int64
			set        *condition
			p          readPlan
		}{
			"all":                        {p: readPlan{index: "vulnerability_weight", ordered: true}},
			"a severity":                 {w: hub.Search{Severity: &high}, p: readPlan{index: "vulnerability_weight", ordered: true}},
			"a score":                    {w: hub.Search{MinScore: &seven}, p: readPlan{index: "vulnerability_weight", ordered: true}},
			"a status":                   {w: hub.Search{Status: finding.Fixed}, p: readPlan{index: "vulnerability_weight", ordered: true}},
			"a CVE":                      {w: hub.Search{CVE: "CVE-1"}, p: readPlan{index: "vulnerability_cve", ordered: true}},
			"a CVE of a project":         {w: hub.Search{CVE: "CVE-1", Project: 1}, p: readPlan{index: "vulnerability_cve", ordered: true}},
			"a package":                  {w: hub.Search{Package: "zlib"}, p: readPlan{index: "vulnerability_package", ordered: true}},
			"a CVE in a package":         {w: hub.Search{CVE: "CVE-1", Package: "zlib"}, p: readPlan{index: "vulnerability_cve", ordered: true}},
			"a project":                  {w: hub.Search{Project: 1}, p: readPlan{index: "finding_project", ordered: true}},
			"a severity in a project":    {w: hub.Search{Project: 1, Severity: &high}, p: readPlan{index: "finding_project", ordered: true}},
			"a repository":               {repository: 1, p: readPlan{index: "finding_repository", ordered: true}},
			"a severity in a repository": {repository: 1, w: hub.Search{Severity: &high}, p: readPlan{index: "finding_repository", ordered: true}},
			"a tag of many":              {set: &condition{reportsOfTag, []any{"latest"}}, p: readPlan{index: "vulnerability_weight", ordered: true}},
		} {
			h := hubSearchOf(1, c.w, c.repository, nil, c.set)
			if d.Dialect() == db.PostgreSQL { // which sorts what is of the same weight, and little by whatever index
				if c.p.ordered = false; slices.Contains([]string{"all", "a CVE", "a package", "a project", "a severity in a project", "a repository"}, name) {
					c.p.check(t, d, name, h.page(), append(h.args, 10, 0))
				}
				continue
			}
			c.p.check(t, d, name, h.page(), append(h.args, 10, 0))
			if c.p.index != "vulnerability_weight" { // all of them are counted by whatever index
				readPlan{index: c.p.index}.check(t, d, "count of "+name, `SELECT count(*) FROM (SELECT 1`+h.whole()+` LIMIT ?) AS x`, append(h.args, 1001))
			}
		}
		if d.Dialect() == db.PostgreSQL {
			return
		}
		for name, c := range map[string]struct {
			q    string
			args []any
			p    readPlan
		}{
			"reports of a tag":    {reportsOfTag, []any{"1"}, readPlan{index: "tag_project"}},
			"reports of a digest": {reportsOfDigest, []any{"sha256:0"}, readPlan{index: "artifact_by_digest"}},
			"counts":              {hubCounts, []any{"s"}, readPlan{index: "scan_report_worst", covered: true}},
			"the worst":           {hubWorst, []any{"s", 200}, readPlan{index: "vulnerability_weight", ordered: true}},
			"the worst artifacts": {hubWorstArtifacts, []any{"s", 5}, readPlan{index: "scan_report_worst"}},
			"overviews":           {strings.ReplaceAll(reportsShown, "IDS", "?"), []any{1, 1, "s"}, readPlan{index: "sqlite_autoindex_scan_report_2"}},
		} {
			c.p.check(t, d, name, c.q, c.args)
		}
		few := hubSearchOf(1, hub.Search{}, 0, []int64{1, 2}, nil)
		for _, c := range []struct {
			q, is string
			args  []any
		}{
			{few.page(), "SEARCH f USING PRIMARY KEY (report_id=?)", append(few.args, 10, 0)},
			{strings.Replace(findingsOf, "IDS", "?", 1), "SEARCH f USING PRIMARY KEY (report_id=?)", []any{1}},
			{strings.ReplaceAll(reportsShown, "IDS", "?"), "SEARCH f USING PRIMARY KEY (parent_id=?)", []any{1, 1, "s"}},
		} {
			if lines := indexPlan(t, d, c.q, c.args, false); !strings.Contains(lines, c.is) {
				t.Errorf("no %s:\n%s\n%s", c.is, c.q, lines)
			}
		}
	})
}
