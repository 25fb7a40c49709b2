package advisorydb_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/osv"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
)

func open(t testing.TB, folder string) *advisorydb.Store {
	t.Helper()
	s, err := advisorydb.New(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func entry(t testing.TB, id, more string) advisory.Entry {
	t.Helper()
	r, err := osv.Parse([]byte(fmt.Sprintf(`{"id":%q,"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]},
		{"package":{"ecosystem":"npm","name":"p"},"versions":["9"]},{"package":{"ecosystem":"npm","name":"q"},"versions":["1"]}]%s}`, id, more)))
	if err != nil {
		t.Fatal(err)
	}
	return advisory.Entry{Record: r, Seen: r.Modified}
}

// put publishes a generation with entries more.
func put(t testing.TB, s *advisorydb.Store, all ...advisory.Entry) advisory.Generation {
	t.Helper()
	g, err := s.Next(t.Context(), func(d advisory.Draft) (bool, error) {
		return true, d.Within(t.Context(), func(w advisory.Writer) error {
			for _, e := range all {
				if _, err := w.Put("npm", e); err != nil {
					return err
				}
			}
			return w.Note(advisory.Source{Name: "npm", Origin: "test"})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func ids(t testing.TB, r advisory.Reader) (all []string) {
	t.Helper()
	records, err := r.About(t.Context(), "npm", "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

func newest(t testing.TB, s *advisorydb.Store) advisory.Reader {
	t.Helper()
	r, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func files(t testing.TB, folder string) (dbs []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ".db") || strings.HasSuffix(e.Name(), ".new") {
			dbs = append(dbs, e.Name())
		}
	}
	return dbs
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	s := open(t, t.TempDir())
	e := entry(t, "X-1", `,"aliases":["CVE-2026-0001"],"summary":"s","details":"d","severity":[{"type":"CVSS_V3","score":"v"}]`)
	e.CVE = "CVE-2026-0001"
	gone := entry(t, "X-2", `,"withdrawn":"2026-01-01T00:00:00Z"`)
	put(t, s, e, gone, e)
	r := newest(t, s)
	records, err := r.About(t.Context(), "npm", "p")
	if err != nil || len(records) != 1 || len(records[0].Affected) != 2 || records[0].Affected[0].Package.Name != "p" || records[0].Summary != "s" {
		t.Fatalf("%+v, %v", records, err)
	}
	cves, err := r.CVEs(t.Context(), []string{"CVE-2026-0001", "CVE-2026-0002"})
	if err != nil || len(cves) != 1 || cves["CVE-2026-0001"].Scores[0].Advisory != "X-1" {
		t.Errorf("%+v, %v", cves, err)
	}
	seen, err := r.Seen(t.Context(), "npm", []string{"X-1", "X-2", "X-3"})
	if err != nil || len(seen) != 2 || !seen["X-2"].Equal(gone.Seen) {
		t.Errorf("%v, %v", seen, err)
	}
	sources, err := r.Sources(t.Context())
	if err != nil || len(sources) != 1 || sources[0].Records != 1 || sources[0].Origin != "test" {
		t.Errorf("%+v, %v", sources, err)
	}
	for ecosystem, want := range map[string]bool{"npm": true, "PyPI": false} {
		if is, err := r.Knows(t.Context(), ecosystem); err != nil || is != want {
			t.Errorf("%s: %t, %v", ecosystem, is, err)
		}
	}
}

func TestReadersKeepTheirGeneration(t *testing.T) {
	folder := t.TempDir()
	s, other := open(t, folder), open(t, folder) // the other is another process
	first := put(t, s, entry(t, "X-1", ""))
	old, apart := newest(t, s), newest(t, other)
	second := put(t, s, entry(t, "X-2", ""))
	third := put(t, s, entry(t, "X-3", ""))
	if first >= second || second >= third {
		t.Errorf("generations %d, %d, %d", first, second, third)
	}
	for _, r := range []advisory.Reader{old, apart} {
		if got := ids(t, r); !slices.Equal(got, []string{"X-1"}) {
			t.Errorf("generation 1 has %q", got)
		}
	}
	for _, s := range []*advisorydb.Store{s, other} {
		if r := newest(t, s); r.Generation() != third || !slices.Equal(ids(t, r), []string{"X-1", "X-2", "X-3"}) {
			t.Errorf("generation %d of %d has %q", r.Generation(), third, ids(t, r))
		}
	}
	if err := errors.Join(old.Close(), old.Close(), apart.Close()); err != nil {
		t.Error(err)
	}
	if got := files(t, folder); !slices.Equal(got, []string{fmt.Sprint(third) + ".db"}) {
		t.Errorf("%q are left", got)
	}
}

func TestADraftThatFailsLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	failed := errors.New("no")
	if _, err := s.Next(t.Context(), func(advisory.Draft) (bool, error) { return true, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if _, err := s.Open(t.Context()); !errors.Is(err, advisory.ErrNone) {
		t.Error(err)
	}
	first := put(t, s, entry(t, "X-1", ""))
	_, err := s.Next(t.Context(), func(d advisory.Draft) (bool, error) {
		err := d.Within(t.Context(), func(w advisory.Writer) error { // undone
			_, err := w.Put("npm", entry(t, "X-2", ""))
			return errors.Join(err, w.Clear("npm"), failed)
		})
		if !errors.Is(err, failed) {
			t.Error(err)
		}
		return true, d.Within(t.Context(), func(w advisory.Writer) error {
			_, err := w.Put("npm", entry(t, "X-3", ""))
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, newest(t, s)); !slices.Equal(got, []string{"X-1", "X-3"}) {
		t.Errorf("%q", got)
	}
	if g, err := s.Next(t.Context(), func(advisory.Draft) (bool, error) { return false, nil }); g != 0 || err != nil {
		t.Errorf("%d, %v", g, err)
	}
	if r := newest(t, s); r.Generation() <= first || len(files(t, folder)) != 1 {
		t.Errorf("%q", files(t, folder))
	}
}

// TestWhatACrashLeavesIsSwept has the files of a process that was killed in the
// middle: half a draft, its journal, and a whole one that was not named yet.
func TestWhatACrashLeavesIsSwept(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	put(t, s, entry(t, "X-1", ""))
	later := fmt.Sprint(time.Now().Add(time.Hour).UnixMicro())
	for _, name := range []string{later + ".db.new", later + ".db.new-journal", later + ".db", "current-1.new"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, folder)
	for _, want := range [][]string{{"X-1"}, {"X-1", "X-2"}} {
		r := newest(t, again)
		if got := ids(t, r); !slices.Equal(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
		r.Close()
		if len(want) == 1 {
			put(t, again, entry(t, "X-2", ""))
		}
	}
	if got := files(t, folder); len(got) != 1 {
		t.Errorf("%q are left", got)
	}
}

func TestADatabaseOfAnotherFormCountsForNone(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	g := put(t, s, entry(t, "X-1", ""))
	change(t, filepath.Join(folder, fmt.Sprint(g)+".db"), `PRAGMA user_version = 2`)
	again := open(t, folder)
	if _, err := again.Open(t.Context()); !errors.Is(err, advisory.ErrNone) {
		t.Error(err)
	}
	put(t, again, entry(t, "X-2", ""))
	if got := ids(t, newest(t, again)); !slices.Equal(got, []string{"X-2"}) {
		t.Errorf("%q", got)
	}
}

func change(t testing.TB, path string, statements ...string) {
	t.Helper()
	d, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, q := range statements {
		if _, err := d.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadingAndPublishingAtTheSameTime(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, entry(t, "X-0", ""))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := 0
			for ctx.Err() == nil {
				r, err := s.Open(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				records, err := r.About(t.Context(), "npm", "p")
				if err = errors.Join(err, r.Close()); err != nil || len(records) < last {
					t.Errorf("%d behind %d records, %v", len(records), last, err)
					return
				}
				last = len(records)
			}
		})
	}
	for i := range 20 {
		put(t, s, entry(t, fmt.Sprintf("X-%d", i+1), ""))
	}
	stop()
	readers.Wait()
	if got := ids(t, newest(t, s)); len(got) != 21 {
		t.Errorf("%d records", len(got))
	}
}

func exported(t testing.TB, s *advisorydb.Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnExportIsImportedElsewhere(t *testing.T) {
	s, other := open(t, t.TempDir()), open(t, t.TempDir())
	put(t, s, entry(t, "X-1", ""), entry(t, "X-2", ""))
	old := put(t, other, entry(t, "X-9", ""))
	text := exported(t, s)
	g, err := other.Import(t.Context(), bytes.NewReader(text))
	if err != nil || g <= old {
		t.Fatalf("%d behind %d, %v", g, old, err)
	}
	if got := ids(t, newest(t, other)); !slices.Equal(got, []string{"X-1", "X-2"}) {
		t.Errorf("%q", got)
	}
}

func TestADamagedImportChangesNothing(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain.db")
	s := open(t, t.TempDir())
	put(t, s, entry(t, "X-1", `,"details":"`+strings.Repeat("text ", 500)+`"`), entry(t, "X-2", ""))
	good := exported(t, s)
	z, err := zstd.NewReader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	pack := func(b []byte) []byte {
		w, _ := zstd.NewWriter(nil)
		return w.EncodeAll(b, nil)
	}
	with := func(statements ...string) []byte {
		if err := os.WriteFile(plain, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		change(t, plain, statements...)
		b, err := os.ReadFile(plain)
		if err != nil {
			t.Fatal(err)
		}
		return pack(b)
	}
	flipped := slices.Clone(whole)
	for i := 4096; i < len(flipped); i += 4096 {
		flipped[i] ^= 0xff // what kind of page it is
	}
	for name, b := range map[string][]byte{
		"nothing":               {},
		"a text":                []byte("text"),
		"cut off":               good[:len(good)-9],
		"another file":          pack([]byte(strings.Repeat("text", 5000))),
		"half a database":       pack(whole[:len(whole)/2]),
		"broken pages":          pack(flipped),
		"another version":       with(`PRAGMA user_version = 9`),
		"another program's":     with(`PRAGMA application_id = 9`),
		"a trigger":             with(`CREATE TRIGGER t AFTER INSERT ON source BEGIN DELETE FROM advisory; END`),
		"a view":                with(`ALTER TABLE source RENAME TO s`, `CREATE VIEW source AS SELECT * FROM s`),
		"a table more":          with(`CREATE TABLE x (y)`),
		"a table less":          with(`DROP TABLE exploited`),
		"a body of rubbish":     with(`UPDATE advisory SET body = x'00'`),
		"no body":               with(`UPDATE advisory SET body = NULL`),
		"a row of nobody":       with(`DELETE FROM advisory WHERE name = 'X-1'`),
		"another name":          with(`UPDATE advisory SET name = 'X-3' WHERE name = 'X-1'`),
		"a broken range":        with(`UPDATE affected SET body = '[{"ranges":[{"type":"SEMVER","events":[{"fixed":"1"}]}]}]'`),
		"affected of rubbish":   with(`UPDATE affected SET body = '{'`),
		"a likelihood of two":   with(`INSERT INTO likelihood VALUES ('CVE-2026-0001', 2, 0)`),
		"an odd date":           with(`INSERT INTO exploited VALUES ('CVE-2026-0001', '<script>')`),
		"more than the decoder": append([]byte{0x28, 0xb5, 0x2f, 0xfd}, 0x00, 0xff, 1, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			other := open(t, folder)
			was := put(t, other, entry(t, "X-9", ""))
			if _, err := other.Import(t.Context(), bytes.NewReader(b)); !errors.Is(err, advisory.ErrDamaged) {
				t.Error(err)
			}
			if r := newest(t, other); r.Generation() != was || !slices.Equal(ids(t, r), []string{"X-9"}) || len(files(t, folder)) != 1 {
				t.Errorf("%q, files %q", ids(t, r), files(t, folder))
			}
		})
	}
}

func TestABombIsNotUnpacked(t *testing.T) {
	s := open(t, t.TempDir())
	s.LimitImport(1 << 20)
	w, _ := zstd.NewWriter(nil)
	bomb := w.EncodeAll(make([]byte, 64<<20), nil)
	if _, err := s.Import(t.Context(), bytes.NewReader(bomb)); !errors.Is(err, advisory.ErrDamaged) || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

func TestAnImportEndsWithItsContext(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Import(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOutcomesAreKept(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	if err := errors.Join(s.Note(t.Context(), []advisory.Outcome{{Source: "npm", Error: "no"}, {Source: "Go", At: at}}),
		s.Note(t.Context(), []advisory.Outcome{{Source: "npm", At: at, Skipped: 1, Notes: []string{"X-1: no"}}})); err != nil {
		t.Fatal(err)
	}
	all, err := open(t, folder).Outcomes(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, o := range all {
		if o.Error != "" || !o.At.Equal(at) {
			t.Errorf("%+v", o)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "outcomes.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Outcomes(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}
