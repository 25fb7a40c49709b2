package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/job/jobtest"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A lab has advisories in a folder of their own, and a database in which is noted
// which of them reports know.
type lab struct {
	testing.TB
	*intake.Service

	advisories *advisory.Service
	folder     string // of the advisories
	db         *db.DB
	looked     atomic.Int64 // how often reports were looked at again
	fails      atomic.Bool  // looking at them does
}

// newLab returns one in which nothing works on what waits, unless work is called.
func newLab(t testing.TB, from intake.Sources) (l *lab, work func()) {
	t.Helper()
	url := storetest.URL(t, db.SQLite)
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	l = &lab{TB: t, db: d, folder: filepath.Join(t.TempDir(), "advisories")}
	store, err := advisorydb.New(l.folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if l.advisories, err = advisory.New(store); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	q, err := queue.Open(t.Context(), url, log)
	if err != nil {
		t.Fatal(err)
	}
	rows := sqlstore.NewJobs(d)
	jobs := job.New(job.Config{Store: rows, Schedules: rows, Logs: rows, Queue: q, Log: log, Node: "node", Host: "host", Works: map[job.Kind]job.Work{job.Advisories: {
		Run: func(ctx context.Context, r *job.Run) error { return l.Do(ctx, r) }, Scheduled: func(ctx context.Context, at job.Schedule) (job.Submission, error) { return l.Due(ctx, at) },
		Attempts: 2, Backoff: func(int) time.Duration { return time.Millisecond }, Limit: time.Minute, Keep: intake.Keep,
	}}})
	l.Service = intake.New(intake.Config{
		Store: sqlstore.NewIntake(d), Advisories: l.advisories, Temp: store.Temp, Sources: from, Jobs: jobs,
		Reevaluate: func(context.Context) (int, error) {
			l.looked.Add(1)
			if l.fails.Load() {
				return 1, errors.New("the disk is full")
			}
			return 7, nil
		},
	})
	t.Cleanup(l.Close)
	return l, func() { jobtest.Work(t, jobs, q) }
}

// executions says of all what caused them and how they are, the first first.
func (l *lab) executions() (all []string) {
	l.Helper()
	rows, err := l.db.Query(l.Context(), `SELECT caused_by, status, COALESCE(cause, '') FROM execution WHERE kind = ? ORDER BY id`, job.Advisories)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var by, status, cause string
		if err := rows.Scan(&by, &status, &cause); err != nil {
			l.Fatal(err)
		}
		all = append(all, strings.TrimSpace(by+" "+status+" "+cause))
	}
	return all
}

// until waits for the executions to be so.
func (l *lab) until(want ...string) {
	l.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := l.executions()
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		if time.Now().After(end) {
			l.Fatalf("%q, want %q", got, want)
		}
	}
}

// log returns what all tasks have said.
func (l *lab) log() string {
	l.Helper()
	rows, err := l.db.Query(l.Context(), `SELECT text FROM task_log ORDER BY task_id, at_byte`)
	if err != nil {
		l.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			l.Fatal(err)
		}
		all.WriteString(text)
	}
	return all.String()
}

// publish writes advisories of an ecosystem, one of each package, into a folder.
func publish(t testing.TB, folder, ecosystem string, packages ...string) {
	t.Helper()
	var all []feedtest.Record
	for i, name := range packages {
		r := feedtest.Record{ID: fmt.Sprintf("GHSA-%.4s-bbbb-%04d", strings.ToLower(ecosystem)+"xxxx", i), Modified: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC).Format(time.RFC3339)}
		r.Text = fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`, r.ID, r.Modified, ecosystem, name)
		all = append(all, r)
	}
	feedtest.Write(t, folder, ecosystem, all...)
}

// records says how many there are of each source: "Maven 0, npm 2".
func (l *lab) records() string {
	l.Helper()
	st, err := l.advisories.Status(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	var all []string
	for _, s := range st.Sources {
		all = append(all, fmt.Sprintf("%s %d", s.Name, s.Records))
	}
	return strings.Join(all, ", ")
}

func TestSourcesThatCannotBeAreNamed(t *testing.T) {
	for _, good := range []intake.Sources{
		{},
		{Source: "/srv/osv", KEV: "kev.json", EPSS: "./epss.csv.gz"},
		{Source: "https://mirror.example.org/osv/", Ecosystems: []string{"Debian", "crates.io"}},
		{Source: "http://10.0.0.8:8080/osv", KEV: "https://mirror.example.org/kev?format=json"},
	} {
		if err := good.Check(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, bad := range map[string]intake.Sources{
		`advisories.source: "ftp://example.org/osv" is neither a path nor`:              {Source: "ftp://example.org/osv"},
		`advisories.source: "file:///srv/osv" is neither a path nor`:                    {Source: "file:///srv/osv"},
		`advisories.source: "http://" is neither`:                                       {Source: "http://"},
		`advisories.source: "https://me:secret@example.org" is neither`:                 {Source: "https://me:secret@example.org"},
		`advisories.source: "https://example.org/osv?x=1" has more than`:                {Source: "https://example.org/osv?x=1"},
		`advisories.source: nothing can be sent to this URL`:                            {Source: "https://example.org/osv#x"},
		`advisories.kev: "https://" is neither`:                                         {Source: "/srv/osv", KEV: "https://"},
		`advisories.epss: "gopher://x" is neither`:                                      {EPSS: "gopher://x"},
		`advisories.ecosystems: "a/b" is no name of an ecosystem, like Debian or npm`:   {Ecosystems: []string{"npm", "a/b"}},
		`advisories.ecosystems: "" is no name of an ecosystem`:                          {Ecosystems: []string{""}},
		`advisories.ecosystems: ".." is no name of an ecosystem`:                        {Ecosystems: []string{".."}},
		`advisories.ecosystems: "Alpine:v3.19" is no name of an ecosystem, like Debian`: {Ecosystems: []string{"Alpine:v3.19"}},
	} {
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
}

func TestUpdatesThatAreOffSayHowToGoOn(t *testing.T) {
	l, _ := newLab(t, intake.Sources{Ecosystems: []string{"npm"}})
	for name, do := range map[string]func() error{
		"an update": func() error { _, err := l.Update(t.Context(), nil); return err },
		"a start":   func() error { _, err := l.Start(t.Context()); return err },
	} {
		if err := do(); !errors.Is(err, intake.ErrOff) || !strings.Contains(err.Error(), "advisories.source") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := l.executions(); got != nil {
		t.Error(got)
	}
}

func TestOneBrokenSourceKeepsNoOtherBack(t *testing.T) {
	folder := t.TempDir()
	publish(t, folder, "npm", "left", "right")
	publish(t, folder, "PyPI", "up")
	kev := filepath.Join(folder, "kev.json")
	l, _ := newLab(t, intake.Sources{Source: folder, Ecosystems: []string{"PyPI", "npm"}, KEV: kev})
	update := func() (intake.Result, map[string]string) {
		t.Helper()
		var told []string
		r, err := l.Update(t.Context(), func(p advisory.Progress) { told = append(told, p.Source) })
		if err != nil {
			t.Fatal(err)
		}
		why := map[string]string{}
		for _, o := range r.Outcomes {
			why[o.Source] = o.Error
		}
		if len(why) != 3 || len(told) == 0 {
			t.Fatalf("%+v, told of %q", r.Outcomes, told)
		}
		return r, why
	}
	first, why := update()
	if !first.New || first.Generation == 0 || why["npm"] != "" || why["PyPI"] != "" || !strings.Contains(fmt.Sprint(why), kev) {
		t.Fatalf("%+v", first)
	}
	if got := l.records(); !strings.Contains(got, "PyPI 1") || !strings.Contains(got, "npm 2") {
		t.Error(got)
	}

	publish(t, folder, "PyPI", "up", "down")
	if err := os.WriteFile(filepath.Join(folder, "npm", "all.zip"), []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "npm", "modified_id.csv"), []byte("2026-02-02T03:04:05Z,GHSA-none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, why := update()
	if !second.New || second.Generation <= first.Generation || why["PyPI"] != "" || why["npm"] == "" {
		t.Fatalf("%+v", second)
	}
	if got := l.records(); !strings.Contains(got, "PyPI 2") || !strings.Contains(got, "npm 2") {
		t.Errorf("what cannot be read stays as it was: %s", got)
	}
	third, _ := update()
	if third.New || third.Generation != second.Generation {
		t.Errorf("nothing is new: %+v, then %+v", second, third)
	}
}

func TestAnUpdateThatCanReadNothingFails(t *testing.T) {
	for name, from := range map[string]intake.Sources{
		"an empty folder": {Source: t.TempDir(), Ecosystems: []string{"npm", "Go"}},
		"no folder":       {Source: filepath.Join(t.TempDir(), "none"), Ecosystems: []string{"npm"}},
		"nobody listens":  {Source: "http://127.0.0.1:1/osv", Ecosystems: []string{"npm"}},
		"a list only":     {KEV: filepath.Join(t.TempDir(), "none.json")},
		"a folder for it": {EPSS: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLab(t, from)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			r, err := l.Update(ctx, nil)
			if kind := fault.OfKind(err, fault.Unavailable) || fault.OfKind(err, fault.NotFound); err == nil || !kind || r.New {
				t.Errorf("%+v, %v", r, err)
			}
			if g, err := l.advisories.Generation(t.Context()); err != nil || g != 0 {
				t.Errorf("%d, %v", g, err)
			}
		})
	}
}

func TestAnUpdateHasReportsLookedAtOnce(t *testing.T) {
	folder := t.TempDir()
	publish(t, folder, "npm", "left")
	l, work := newLab(t, intake.Sources{Source: folder, Ecosystems: []string{"npm"}})
	work()
	for range 2 {
		if _, err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"MANUAL Success"}
		if l.looked.Load() > 0 {
			want = append(want, want[0])
		}
		l.until(want...)
	}
	if n := l.looked.Load(); n != 1 {
		t.Errorf("reports were looked at %d times", n)
	}
	for _, line := range []string{"npm: up to date, 1 records changed", "there is a new generation: ", "7 reports came out otherwise", "nothing is new"} {
		if strings.Count(l.log(), line) != 1 {
			t.Errorf("%q is not there once:\n%s", line, l.log())
		}
	}
	if err := l.Notice(t.Context()); err != nil || len(l.executions()) != 2 {
		t.Errorf("%v: %q", err, l.executions())
	}
}

func TestAGenerationThatReportsDoNotKnowIsNoticed(t *testing.T) {
	folder := t.TempDir()
	l, work := newLab(t, intake.Sources{})
	if err := l.Notice(t.Context()); err != nil || l.executions() != nil {
		t.Fatalf("without any: %v, %q", err, l.executions())
	}
	generation := func(packages ...string) string {
		t.Helper()
		publish(t, folder, "npm", packages...)
		r, err := l.Import(t.Context(), "osv.zip", zipped(t, folder), nil)
		if err != nil || !r.New {
			t.Fatalf("%+v, %v", r, err)
		}
		return fmt.Sprintf("generation %d", r.Generation)
	}
	first := generation("left")
	for range 3 { // while it waits
		if err := l.Notice(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.until("EVENT Running " + first)
	work()
	l.until("EVENT Success " + first)
	if err := l.Notice(t.Context()); err != nil || len(l.executions()) != 1 || l.looked.Load() != 1 {
		t.Fatalf("%v, %q", err, l.executions())
	}

	l.fails.Store(true)
	second := generation("left", "right")
	for range 3 {
		if err := l.Notice(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.until("EVENT Success "+first, "EVENT Error "+second)
	if !strings.Contains(l.log(), "the disk is full") {
		t.Error(l.log())
	}
	l.fails.Store(false)
	third := generation("left", "right", "up")
	if err := l.Notice(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.until("EVENT Success "+first, "EVENT Error "+second, "EVENT Success "+third)
}
