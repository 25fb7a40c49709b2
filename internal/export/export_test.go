package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/job/jobtest"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// scanner is the UUID of that of all projects.
const scanner = "s-1"

// who asks.
var (
	dev = access.Caller{Kind: access.User, ID: 1, Name: "dev"}
	mia = access.Caller{Kind: access.User, ID: 2, Name: "mia"}
)

// A lab is a registry in which exports are made, and the project p with the id 1.
type lab struct {
	*testing.T
	*export.Service

	db      *db.DB
	content *registry.Service
	scans   *sqlstore.Scans
	jobs    *job.Service
	none    bool // there is no scanner
}

func each(t *testing.T, f func(l *lab)) {
	t.Helper()
	storetest.EachOf(t, func(t *testing.T, d *db.DB, url string) { f(newLab(t, d, url)) })
}

func newLab(t *testing.T, d *db.DB, url string) *lab {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	blobs, err := disk.New(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, db: d, scans: sqlstore.NewScans(d)}
	l.exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'dev', 1, 1), (2, 'mia', 1, 1)`)
	artifacts, projects := sqlstore.NewArtifacts(d), project.New(sqlstore.NewProjects(d), nil, nil, nil, new(access.Epoch))
	l.content = registry.New(registry.Config{}, artifacts, sqlstore.NewBlobs(d), blobs, registry.NewPulls(artifacts, nil, log))
	for _, name := range []string{"p", "q"} {
		admin := access.Caller{Kind: access.User, ID: 1, Name: "dev", Admin: true}
		if _, err := projects.Create(access.With(t.Context(), admin), project.NewProject{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	q, err := queue.Open(t.Context(), url, log)
	if err != nil {
		t.Fatal(err)
	}
	rows := sqlstore.NewJobs(d)
	l.jobs = job.New(job.Config{Store: rows, Schedules: rows, Logs: rows, Queue: q, Log: log, Node: "node", Host: "host", Works: map[job.Kind]job.Work{job.ScanExport: {
		Run: func(ctx context.Context, r *job.Run) error { return l.Do(ctx, r) }, Workers: export.Workers, Attempts: 3,
		Backoff: func(int) time.Duration { return time.Millisecond }, Limit: export.Limit, Keep: export.Keep,
	}}})
	l.Service = export.New(sqlstore.NewExports(d), l.jobs, func(context.Context, int64) (string, error) {
		if l.none {
			return "", scan.ErrNoScanner
		}
		return scanner, nil
	})
	jobtest.Work(t, l.jobs, q)
	return l
}

func (l *lab) exec(statement string, args ...any) {
	l.Helper()
	err := l.db.Write(l.T.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
}

// image pushes one in which a scanner has found something, and returns its id and
// digest.
func (l *lab) image(by, repository string, found []finding.Vulnerability, tags ...string) (int64, oci.Digest) {
	l.Helper()
	repo := artifact.Repo{ProjectID: map[string]int64{"p": 1, "q": 2}[strings.Split(repository, "/")[0]], Name: repository}
	config, err := l.content.Put(l.T.Context(), repo, oci.MediaTypeImageConfig, fmt.Appendf(nil, `{"for":%q}`, fmt.Sprint(repository, tags)))
	if err != nil {
		l.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": config, "layers": []any{}})
	if err != nil {
		l.Fatal(err)
	}
	for _, tag := range tags {
		if _, err := l.content.PushManifest(l.T.Context(), repo, registry.PushRequest{Ref: oci.Reference{Tag: tag}, MediaType: oci.MediaTypeImageManifest, Body: body}); err != nil {
			l.Fatal(err)
		}
	}
	d := oci.Sum(oci.SHA256, body)
	var id int64
	if err := l.db.QueryRow(l.T.Context(), `SELECT id FROM artifact WHERE digest = ? AND project_id = ?`, d, repo.ProjectID).Scan(&id); err != nil {
		l.Fatal(err)
	}
	result := scan.Result{Artifact: id, Scanner: by, Kind: scan.Vulnerabilities, By: finding.Scanner{Name: "Inspector", Version: "2"}, Content: "x"}
	for _, v := range found {
		result.Findings = append(result.Findings, scan.Finding{Vulnerability: v, Key: v.ID + v.Package + v.Version})
	}
	slices.SortFunc(result.Findings, func(a, b scan.Finding) int { return strings.Compare(a.Key, b.Key) })
	if _, err := l.scans.Keep(l.T.Context(), result, nil); err != nil {
		l.Fatal(err)
	}
	return id, d
}

// start asks for an export, and waits for its end.
func (l *lab) start(o export.Order) export.Execution {
	l.Helper()
	ctx := access.With(l.T.Context(), dev)
	o.Project = 1
	id, err := l.Start(ctx, o)
	if err != nil {
		l.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		e, err := l.ByID(ctx, id)
		if err != nil {
			l.Fatal(err)
		}
		if e.Status.Final() {
			return e
		}
		if time.Now().After(end) {
			l.Fatalf("it does not end: %+v", e)
		}
	}
}

// table returns what an export has, without the names of the columns.
func (l *lab) table(o export.Order) (rows [][]string) {
	l.Helper()
	e := l.start(o)
	if e.Status != job.Succeeded || !e.File {
		l.Fatalf("%+v", e)
	}
	file, err := l.Take(access.With(l.T.Context(), dev), e.Execution.ID)
	if err != nil {
		l.Fatal(err)
	}
	rows, err = csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(rows) == 0 || rows[0][0] != "Repository" || rows[0][9] != "Scanner" {
		l.Fatalf("%q, %v", file, err)
	}
	return rows[1:]
}

// log returns that of an export.
func (l *lab) log(e export.Execution) string {
	l.Helper()
	tasks, err := l.jobs.FirstTasks(l.T.Context(), e.Execution.ID)
	if err != nil {
		l.Fatal(err)
	}
	log, err := l.jobs.Log(l.T.Context(), tasks[e.Execution.ID].ID, 0, 1<<20)
	if err != nil {
		l.Fatal(err)
	}
	return log
}

func TestAnExportHasWhatMeetsAllFilters(t *testing.T) {
	each(t, func(l *lab) {
		of := func(ids ...string) (all []finding.Vulnerability) {
			for _, id := range ids {
				all = append(all, finding.Vulnerability{ID: id, Package: "zlib", Version: "1", Severity: finding.High})
			}
			return all
		}
		app, _ := l.image(scanner, "p/app", of("CVE-1", "CVE-2"), "v1", "latest")
		old, _ := l.image(scanner, "p/app", of("CVE-1"), "old")
		lib, _ := l.image(scanner, "p/lib/base", of("CVE-3"), "v1")
		l.image(scanner, "p/none", nil, "v1")
		l.image("s-2", "p/app", of("CVE-9"), "by another scanner")
		l.image(scanner, "q/app", of("CVE-9"), "v1")
		var labels []int64
		for i, worn := range [][]int64{{app, lib}, {old}, nil} {
			id, err := sqlstore.NewLabels(l.db).Create(l.T.Context(), label.Label{Name: fmt.Sprint("l", i), Scope: label.Global, Created: time.Now()}, event.Actor{})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range worn {
				l.exec(`INSERT INTO artifact_label (artifact_id, label_id, created) VALUES (?, ?, 1)`, a, id)
			}
			labels = append(labels, id)
		}
		for _, c := range []struct {
			order export.Order
			want  string
		}{
			{export.Order{}, "app CVE-1, app CVE-1, app CVE-2, lib/base CVE-3"},
			{export.Order{Repositories: "app"}, "app CVE-1, app CVE-1, app CVE-2"},
			{export.Order{Repositories: "lib"}, ""},
			{export.Order{Repositories: "lib/**"}, "lib/base CVE-3"},
			{export.Order{Repositories: "p/app"}, ""}, // it is without the project
			{export.Order{Repositories: "none,lib/*,x"}, "lib/base CVE-3"},
			{export.Order{Tags: "v*"}, "app CVE-1, app CVE-2, lib/base CVE-3"},
			{export.Order{Tags: "lat*,old"}, "app CVE-1, app CVE-1, app CVE-2"},
			{export.Order{Tags: "V1"}, ""},
			{export.Order{CVEs: "CVE-1,CVE-3"}, "app CVE-1, app CVE-1, lib/base CVE-3"},
			{export.Order{CVEs: "CVE"}, ""}, // ids are whole
			{export.Order{CVEs: "CVE-9"}, ""},
			{export.Order{Labels: labels[:1]}, "app CVE-1, app CVE-2, lib/base CVE-3"},
			{export.Order{Labels: labels[1:2]}, "app CVE-1"},
			{export.Order{Labels: labels[:2]}, "app CVE-1, app CVE-1, app CVE-2, lib/base CVE-3"}, // one of them will do
			{export.Order{Labels: labels[2:]}, ""},
			{export.Order{Labels: labels[:1], Tags: "v1", Repositories: "a*", CVEs: "CVE-2"}, "app CVE-2"},
			{export.Order{Labels: labels[1:2], Tags: "v1"}, ""},
		} {
			var got []string
			for _, row := range l.table(c.order) {
				got = append(got, strings.TrimPrefix(row[0], "p/")+" "+row[2])
			}
			slices.Sort(got)
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%+v: %q, want %q", c.order, got, c.want)
			}
		}
	})
}

func TestAnOrderThatCannotBeMeantIsRefused(t *testing.T) {
	each(t, func(l *lab) {
		for _, o := range []export.Order{
			{Repositories: "a, b"}, {Tags: "a\tb"}, {CVEs: "CVE-1\nCVE-2"}, {Tags: "[a"}, {Repositories: "{a"}, {Labels: make([]int64, 101)},
			{Tags: strings.Repeat("a,", 50)}, {CVEs: strings.Repeat("C", 2049)}, {Name: strings.Repeat("n", 2049)},
		} {
			if _, err := l.Start(access.With(l.T.Context(), dev), o); !errors.Is(err, export.ErrInvalid) {
				t.Errorf("%.80v: %v", o, err)
			}
		}
		l.none = true
		if e := l.start(export.Order{}); e.Status != job.Failed || e.File || strings.Count(l.log(e), "has no scanner") != 1 {
			t.Errorf("without a scanner: %+v: %s", e, l.log(e))
		}
	})
}

func TestNothingInATableIsTakenForAFormula(t *testing.T) {
	each(t, func(l *lab) {
		texts := []string{"=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"}
		var found []finding.Vulnerability
		for _, text := range texts {
			found = append(found, finding.Vulnerability{ID: text, Package: text, Version: text, Fixed: text, CWEs: []string{text, "CWE-1"}})
		}
		plain := finding.Vulnerability{ID: "CVE-1", Package: "a=b", Version: "1:1.0-1", Fixed: `he said "2", and`, CWEs: []string{"CWE-1", "CWE-2"}, Vendor: map[string]any{"a": "=1"}}
		_, d := l.image(scanner, "p/app", append(found, plain), "v1")
		got := map[string][]string{}
		for _, row := range l.table(export.Order{}) {
			got[row[2]] = row
		}
		if len(got) != len(texts)+1 {
			t.Errorf("%q", got)
		}
		for _, text := range texts {
			text = "'" + text
			if row, want := got[text], []string{"p/app", string(d), text, text, text, text, "Unknown", text + ",CWE-1", "", "Inspector 2"}; !slices.Equal(row, want) {
				t.Errorf("%q, want %q", row, want)
			}
		}
		if row, want := got["CVE-1"], []string{"p/app", string(d), "CVE-1", "a=b", "1:1.0-1", `he said "2", and`, "Unknown", "CWE-1,CWE-2", `{"a":"=1"}`, "Inspector 2"}; !slices.Equal(row, want) {
			t.Errorf("%q, want %q", row, want)
		}
	})
}

func TestATableThatIsTooLargeIsRefused(t *testing.T) {
	each(t, func(l *lab) {
		var found []finding.Vulnerability
		for i := range 140 {
			found = append(found, finding.Vulnerability{ID: fmt.Sprint("CVE-", i), Package: "zlib", Version: "1", Vendor: map[string]any{"more": strings.Repeat("x", 15<<10)}})
		}
		const images, each = 32, 140 * 15 << 10
		for i := range images {
			l.image(scanner, "p/app", found, fmt.Sprint("v", i))
		}
		if images*each <= 64<<20 || (images-1)*each >= 64<<20 {
			t.Fatalf("%d bytes say nothing about the limit", images*each)
		}
		e := l.start(export.Order{})
		if log := l.log(e); e.Status != job.Failed || e.File || strings.Count(log, "the file would be too large; narrow the filters") != 1 {
			t.Errorf("%+v: %s", e, log)
		}
		if _, err := l.Take(access.With(l.T.Context(), dev), e.Execution.ID); !errors.Is(err, export.ErrNoFile) {
			t.Errorf("%v", err)
		}
		if rows := l.table(export.Order{Tags: "v?,v1?"}); len(rows) != 20*140 {
			t.Errorf("%d rows of what was narrowed", len(rows))
		}
	})
}

func TestAFileIsOnePersonsOnceAndForAWeek(t *testing.T) {
	each(t, func(l *lab) {
		mine, others := access.With(l.T.Context(), dev), access.With(l.T.Context(), mia)
		l.image(scanner, "p/app", []finding.Vulnerability{{ID: "CVE-1", Package: "zlib", Version: "1"}}, "v1")
		old, young := l.start(export.Order{Name: "old"}).Execution.ID, l.start(export.Order{Name: "young"}).Execution.ID
		age := func(id int64, by time.Duration) {
			l.exec(`UPDATE export_file SET created = ? WHERE execution_id = ?`, time.Now().Add(-by).UnixMicro(), id)
		}
		age(old, 7*24*time.Hour+time.Minute)
		age(young, 7*24*time.Hour-time.Minute)
		if err := l.Sweep(l.T.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := l.List(mine)
		if err != nil || len(all) != 2 || all[0].Name != "young" || !all[0].File || all[1].Name != "old" || all[1].File {
			t.Errorf("%+v, %v", all, err)
		}
		if _, err := l.Take(mine, old); !errors.Is(err, export.ErrNoFile) {
			t.Errorf("after a week: %v", err)
		}
		if _, err := l.Take(others, young); !errors.Is(err, export.ErrDenied) {
			t.Errorf("by somebody else: %v", err)
		}
		robot := access.With(l.T.Context(), access.Caller{Kind: access.Robot, ID: dev.ID, Name: "robot$dev"})
		if _, err := l.Take(robot, young); !errors.Is(err, export.ErrDenied) {
			t.Errorf("by a robot of the same number: %v", err)
		}
		if all, err := l.List(others); err != nil || len(all) != 0 {
			t.Errorf("somebody else's: %+v, %v", all, err)
		}
		if file, err := l.Take(mine, young); err != nil || !bytes.Contains(file, []byte("CVE-1")) {
			t.Errorf("%q, %v", file, err)
		}
		if _, err := l.Take(mine, young); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("a second time: %v", err)
		}
	})
}
