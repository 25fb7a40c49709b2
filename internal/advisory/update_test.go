package advisory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
)

func TestWithoutADatabaseThatIsSaid(t *testing.T) {
	s, _ := newService(t)
	if _, err := s.Match(t.Context(), inventory.Inventory{}); !errors.Is(err, advisory.ErrNone) {
		t.Error(err)
	}
	if err := s.Export(t.Context(), io.Discard); !errors.Is(err, advisory.ErrNone) {
		t.Error(err)
	}
	if st, err := s.Status(t.Context()); err != nil || st.Generation != 0 || len(st.Sources) != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestOnlyWhatChangedIsFetched(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	a, b, c := record{id: "X-1", name: "a", fixed: "2.0.0", modified: ago(100)}, record{id: "X-2", name: "a", fixed: "3.0.0", modified: ago(200)}, record{id: "X-3", name: "b", modified: ago(300)}
	w.put(t, "npm", a, b, c)
	first, _ := updated(t, s, advisory.Feeds{Origin: w})
	want(t, "asked at first", w.fetched(), "npm/all.zip")
	want(t, "found at first", found(t, s, "npm", "a", "b"), "X-1 2.0.0", "X-2 3.0.0", "X-3")

	updated(t, s, advisory.Feeds{Origin: w}) // which compares all that is listed once
	if again, o := updated(t, s, advisory.Feeds{Origin: w}); again != first || o.Changed != 0 {
		t.Errorf("nothing is new, and generation %d is published: %+v", again, o)
	}
	want(t, "asked again", w.fetched(), "npm/modified_id.csv", "npm/modified_id.csv")

	a.fixed, a.modified = "2.5.0", ago(1)
	d := record{id: "X-4", name: "b", modified: ago(2)}
	b.more, b.modified = `,"withdrawn":"2026-01-01T00:00:00Z"`, ago(3)
	w.put(t, "npm", a, b, c, d)
	second, o := updated(t, s, advisory.Feeds{Origin: w})
	if second <= first || o.Changed != 3 {
		t.Errorf("%d behind %d: %+v", second, first, o)
	}
	want(t, "asked for changes", w.fetched(), "npm/X-1.json", "npm/X-2.json", "npm/X-4.json", "npm/modified_id.csv")
	want(t, "found then", found(t, s, "npm", "a", "b"), "X-1 2.5.0", "X-3", "X-4")
	if again, _ := updated(t, s, advisory.Feeds{Origin: w}); again != second {
		t.Error("what is withdrawn is new again and again")
	}

	w.put(t, "npm", b, c, d)
	updated(t, s, advisory.Feeds{Origin: w, Whole: true})
	want(t, "found without what is not listed", found(t, s, "npm", "a", "b"), "X-3", "X-4")
}

func TestADifferentOriginIsComparedAsAWhole(t *testing.T) {
	s, _ := newService(t)
	w, mirror := newSite(t), newSite(t)
	a, b := record{id: "X-1", name: "a", modified: ago(1000)}, record{id: "X-2", name: "a", modified: ago(10)}
	w.put(t, "npm", a, b)
	mirror.put(t, "npm", b)
	updated(t, s, advisory.Feeds{Origin: w})
	updated(t, s, advisory.Feeds{Origin: mirror})
	want(t, "found", found(t, s, "npm", "a"), "X-2")
}

func TestASiteWithoutSingleRecordsOrListsIsTakenWhole(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(10)})
	first, _ := updated(t, s, advisory.Feeds{Origin: w})
	w.put(t, "npm", record{id: "X-1", name: "a", fixed: "2.0.0", modified: ago(1)})
	delete(w.files, "npm/X-1.json")
	second, _ := updated(t, s, advisory.Feeds{Origin: w})
	want(t, "found", found(t, s, "npm", "a"), "X-1 2.0.0")
	delete(w.files, "npm/modified_id.csv")
	third, o := updated(t, s, advisory.Feeds{Origin: w})
	if second <= first || third != second || o.Changed != 0 {
		t.Errorf("generations %d, %d, %d: %+v", first, second, third, o)
	}
}

func TestManyChangesAreTakenWhole(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	many := func(hours int) (all []record) {
		for i := range 2_100 {
			all = append(all, record{id: fmt.Sprintf("X-%d", i), name: "a", fixed: fmt.Sprintf("%d.0.0", 2+hours), modified: ago(hours)})
		}
		return all
	}
	w.put(t, "npm", many(5)...)
	updated(t, s, advisory.Feeds{Origin: w})
	w.put(t, "npm", many(1)...)
	if _, o := updated(t, s, advisory.Feeds{Origin: w}); o.Changed != 2_100 {
		t.Errorf("%+v", o)
	}
	want(t, "asked", w.fetched(), "npm/all.zip", "npm/modified_id.csv")
	if all := found(t, s, "npm", "a"); len(all) != 2_100 || !strings.HasSuffix(all[0], " 3.0.0") {
		t.Errorf("%d are found: %s", len(all), all[0])
	}
}

// TestAFailingEcosystemKeepsWhatItHad lets one of two fail in each way there is.
func TestAFailingEcosystemKeepsWhatItHad(t *testing.T) {
	good := feedtest.Pack(t, "X-1.json", record{id: "X-1", name: "a", modified: ago(1)}.json("npm"))
	var few, many []record
	for i := range 200 {
		many = append(many, record{id: fmt.Sprintf("X-%d", i), name: "a", modified: ago(50)})
	}
	few = many[:20]
	for name, spoil := range map[string]func(w *site){
		"nothing is there": func(w *site) { clear(w.files) },
		"a page instead of a zip": func(w *site) {
			w.files["npm/all.zip"] = []byte("<html>no</html>")
			delete(w.files, "npm/modified_id.csv")
		},
		"half a zip":   func(w *site) { w.files["npm/all.zip"] = good[:len(good)/2]; delete(w.files, "npm/modified_id.csv") },
		"an empty zip": func(w *site) { w.files["npm/all.zip"] = feedtest.Pack(t); delete(w.files, "npm/modified_id.csv") },
		"a zip of rubbish": func(w *site) {
			w.files["npm/all.zip"] = feedtest.Pack(t, "X-1.json", "rubbish")
			delete(w.files, "npm/modified_id.csv")
		},
		"most records are gone": func(w *site) {
			w.put(t, "npm", few...)
			delete(w.files, "npm/modified_id.csv")
		},
		"most are not listed":  func(w *site) { w.files["npm/modified_id.csv"] = list(few...) },
		"an empty list":        func(w *site) { w.files["npm/modified_id.csv"] = nil },
		"a page instead of it": func(w *site) { w.files["npm/modified_id.csv"] = []byte("<html>\nno\n</html>") },
		"a server that fails": func(w *site) {
			w.before = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasPrefix(r.URL.Path, "/npm") {
					w.WriteHeader(http.StatusForbidden)
					return true
				}
				return false
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := newService(t)
			w := newSite(t)
			w.put(t, "npm", many...)
			first, _ := updated(t, s, advisory.Feeds{Origin: w})
			spoil(w)
			w.put(t, "Go", record{id: "GO-1", name: "b", modified: ago(1)})
			second, outcomes, err := s.Update(t.Context(), advisory.Feeds{Origin: w, Ecosystems: []string{"npm", "Go"}, Whole: true}, nil)
			if err != nil || outcomes[0].Error == "" || outcomes[1].Error != "" || second <= first {
				t.Fatalf("%d behind %d: %+v, %v", second, first, outcomes, err)
			}
			if all := found(t, s, "npm", "a"); len(all) != 200 {
				t.Errorf("%d of 200 records are left", len(all))
			}
			want(t, "found of the other", found(t, s, "Go", "b"), "GO-1")
			st, err := s.Status(t.Context())
			if err != nil || len(st.Sources) != 2 || st.Sources[1].Records != 200 || st.Sources[1].Outcome.Error == "" || st.Sources[0].Outcome.Error != "" || st.Generation != second {
				t.Errorf("%+v, %v", st, err)
			}
		})
	}
}

func TestAnEcosystemThatIsNotThereIsSaidToFail(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	if g, o := update(t, s, advisory.Feeds{Origin: w}); g != 0 || !strings.Contains(o.Error, "no such file") {
		t.Errorf("%d, %+v", g, o)
	}
	if _, o := update(t, s, advisory.Feeds{Origin: w, Ecosystems: []string{"../npm"}}); o.Error == "" {
		t.Errorf("%+v", o)
	}
	st, err := s.Status(t.Context())
	if err != nil || st.Generation != 0 || len(st.Sources) != 2 || st.Sources[1].Outcome.Error == "" {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestBrokenRecordsAreSkippedAndToldOf(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	ok := record{id: "X-1", name: "a", modified: ago(10)}
	w.put(t, "npm", ok)
	w.files["npm/all.zip"] = feedtest.Pack(t,
		"X-1.json", ok.json("npm"), "X-1.json", record{id: "X-1", name: "a", fixed: "9.0.0", modified: ago(1)}.json("npm"),
		"X-2.json", "{", "X-3.json", record{id: "X-4", name: "a", modified: ago(1)}.json("npm"), "../X-5.json", ok.json("npm"),
		"X-6.json", record{id: "X-6", name: "a", modified: ago(1)}.json("PyPI"))
	_, o := updated(t, s, advisory.Feeds{Origin: w})
	if o.Changed != 2 || o.Skipped != 4 || len(o.Notes) != 4 {
		t.Errorf("%+v", o)
	}
	want(t, "found", found(t, s, "npm", "a"), "X-1")
	want(t, "found of another ecosystem", found(t, s, "PyPI", "a"))

	ok.fixed, ok.modified = "2.0.0", ago(1)
	w.put(t, "npm", ok, record{id: "X-7", name: "a", modified: ago(1)}, record{id: "X-8", name: "a", modified: ago(1)})
	w.files["npm/X-7.json"] = []byte("rubbish")
	delete(w.files, "npm/X-8.json")
	if _, o := updated(t, s, advisory.Feeds{Origin: w}); o.Skipped != 2 {
		t.Errorf("%+v", o)
	}
	want(t, "found then", found(t, s, "npm", "a"), "X-1 2.0.0")
}

func TestTimesInTheFutureHideNothing(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	future := record{id: "X-1", name: "a", modified: ago(-24 * 365 * 50)}
	w.put(t, "npm", future)
	updated(t, s, advisory.Feeds{Origin: w})
	first, _ := updated(t, s, advisory.Feeds{Origin: w})
	w.put(t, "npm", future, record{id: "X-2", name: "a", modified: ago(1)})
	second, _ := updated(t, s, advisory.Feeds{Origin: w})
	want(t, "found", found(t, s, "npm", "a"), "X-1", "X-2")
	if third, _ := updated(t, s, advisory.Feeds{Origin: w}); second <= first || third != second {
		t.Errorf("generations %d, %d, %d", first, second, third)
	}
}

func TestABrokenConnectionLosesNothing(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(1)})
	w.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, "PK")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if g, o := update(t, s, advisory.Feeds{Origin: w}); g != 0 || !strings.Contains(o.Error, "broke off") {
		t.Errorf("%d, %+v", g, o)
	}
	w.before = nil
	updated(t, s, advisory.Feeds{Origin: w})
	want(t, "found", found(t, s, "npm", "a"), "X-1")
}

func TestAnUpdateThatIsStoppedLeavesWhatWasThere(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(10)})
	updated(t, s, advisory.Feeds{Origin: w})
	w.put(t, "npm", record{id: "X-1", name: "a", fixed: "2.0.0", modified: ago(1)})
	ctx, cancel := context.WithCancel(t.Context())
	w.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".json") {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	if _, _, err := s.Update(ctx, advisory.Feeds{Origin: w, Ecosystems: []string{"npm"}}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	want(t, "found", found(t, s, "npm", "a"), "X-1")
	if _, _, err := s.Update(ctx, advisory.Feeds{Origin: w, Ecosystems: []string{"npm"}}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTwoUpdatesAtOnceAreOne(t *testing.T) {
	s, kept := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(10)})
	in, out := make(chan struct{}), make(chan struct{})
	w.before = func(http.ResponseWriter, *http.Request) bool {
		close(in)
		<-out
		return false
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := s.Update(context.WithoutCancel(t.Context()), advisory.Feeds{Origin: w, Ecosystems: []string{"npm"}}, nil)
		done <- err
	}()
	<-in
	if _, _, err := s.Update(t.Context(), advisory.Feeds{Origin: w}, nil); !errors.Is(err, advisory.ErrBusy) {
		t.Error(err)
	}
	if _, err := s.Import(t.Context(), strings.NewReader("")); !errors.Is(err, advisory.ErrBusy) {
		t.Error(err)
	}
	other, err := advisory.New(kept) // another process, as it were
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Import(t.Context(), strings.NewReader("")); !errors.Is(err, advisory.ErrBusy) {
		t.Error(err)
	}
	w.mu.Lock()
	w.before = nil
	w.mu.Unlock()
	close(out)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMaliciousPackagesAreASwitch(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "MAL-2026-1", name: "a", modified: ago(1)}, record{id: "X-1", name: "a", modified: ago(1)})
	updated(t, s, advisory.Feeds{Origin: w, Benign: true})
	want(t, "found without", found(t, s, "npm", "a"), "X-1")
	first, _ := updated(t, s, advisory.Feeds{Origin: w, Benign: true})
	second, _ := updated(t, s, advisory.Feeds{Origin: w})
	want(t, "found with", found(t, s, "npm", "a"), "MAL-2026-1", "X-1")
	f, err := s.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "a", Version: "1.0.0"}}})
	if err != nil || f.Rows[0].ID != "MAL-2026-1" || f.Rows[0].Severity != finding.Critical {
		t.Errorf("%+v, %v", f.Rows, err)
	}
	if third, _ := updated(t, s, advisory.Feeds{Origin: w, Benign: true}); first >= second || second >= third {
		t.Errorf("generations %d, %d, %d", first, second, third)
	}
	want(t, "found without them again", found(t, s, "npm", "a"), "X-1")
}

func TestFoldersAndArchivesAreFeedsToo(t *testing.T) {
	folder := t.TempDir()
	all := feedtest.Pack(t, "X-1.json", record{id: "X-1", name: "a", modified: ago(10)}.json("Rocky Linux:9"))
	if err := errors.Join(os.Mkdir(filepath.Join(folder, "Rocky Linux"), 0o700), os.WriteFile(filepath.Join(folder, "Rocky Linux", "all.zip"), all, 0o600)); err != nil {
		t.Fatal(err)
	}
	f, err := feed.OpenFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, kept := newService(t)
	first, _ := updated(t, s, advisory.Feeds{Origin: f, Ecosystems: []string{"Rocky Linux"}})
	want(t, "found", found(t, s, "Rocky Linux:9", "a"), "X-1")
	if again, _ := updated(t, s, advisory.Feeds{Origin: f, Ecosystems: []string{"Rocky Linux"}}); again != first {
		t.Error("the same folder is new again")
	}
	temp, err := kept.Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Close()
	a, err := feed.ReadArchive("upload", bytes.NewReader(feedtest.Pack(t, "npm/all.zip", string(feedtest.Pack(t, "X-2.json", record{id: "X-2", name: "b", modified: ago(10)}.json("npm"))))), temp)
	if err != nil {
		t.Fatal(err)
	}
	updated(t, s, advisory.Feeds{Origin: a, Ecosystems: a.Ecosystems()})
	want(t, "found in the archive", found(t, s, "npm", "b"), "X-2")
	want(t, "found still", found(t, s, "Rocky Linux:9", "a"), "X-1")
}

func TestExploitsAreJoinedByCVE(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(10), more: `,"aliases":["CVE-2026-0001"]`})
	text := func(text string) func(context.Context) (io.ReadCloser, error) {
		return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	}
	f := advisory.Feeds{Origin: w, Ecosystems: []string{"npm"},
		Exploited:   text(`{"vulnerabilities":[{"cveID":"CVE-2026-0001","dateAdded":"2026-02-03"}]}`),
		Likelihoods: text("cve,epss,percentile\nCVE-2026-0001,0.5,0.9\nCVE-2026-0002,0.1,0.2\n")}
	first, _ := updated(t, s, f)
	match := func() finding.Vulnerability {
		t.Helper()
		found, err := s.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{{Ecosystem: "npm", Name: "a", Version: "1.0.0"}}})
		if err != nil || len(found.Rows) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		return found.Rows[0]
	}
	if v := match().Vendor; v[advisory.KEV] != "2026-02-03" || v[advisory.EPSS] != 0.5 || v[advisory.Percentile] != 0.9 {
		t.Errorf("%v", v)
	}
	if again, _ := updated(t, s, f); again != first {
		t.Error("the same lists are new again")
	}
	f.Likelihoods, f.Exploited = text("CVE-2026-0001,0.6,0.95\n"), text("<html>")
	_, outcomes, err := s.Update(t.Context(), f, nil)
	if err != nil || outcomes[1].Error == "" || outcomes[2].Error != "" {
		t.Errorf("%+v, %v", outcomes, err)
	}
	if v := match().Vendor; v[advisory.KEV] != "2026-02-03" || v[advisory.EPSS] != 0.6 {
		t.Errorf("%v", v)
	}
}

func TestAnImportIsComparedWithAllThatIsListed(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	a, b := record{id: "X-1", name: "a", modified: ago(1000)}, record{id: "X-2", name: "a", modified: ago(10)}
	w.put(t, "npm", a, b)
	updated(t, s, advisory.Feeds{Origin: w})
	var saved bytes.Buffer
	if err := s.Export(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	w.put(t, "npm", b)
	updated(t, s, advisory.Feeds{Origin: w, Whole: true})
	want(t, "found", found(t, s, "npm", "a"), "X-2")
	if _, err := s.Import(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	want(t, "found in what was imported", found(t, s, "npm", "a"), "X-1", "X-2")
	updated(t, s, advisory.Feeds{Origin: w})
	want(t, "found once it is up to date", found(t, s, "npm", "a"), "X-2")
}

func TestProgressIsTold(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "a", modified: ago(10)})
	var told []string
	_, _, err := s.Update(t.Context(), advisory.Feeds{Origin: w, Ecosystems: []string{"npm", "PyPI"}}, func(p advisory.Progress) { told = append(told, p.Source+": "+p.Message) })
	if err != nil {
		t.Fatal(err)
	}
	for _, begin := range []string{"npm: looking", "npm: fetching all", "npm: done", "PyPI: failed"} {
		if !slices.ContainsFunc(told, func(line string) bool { return strings.HasPrefix(line, begin) }) {
			t.Errorf("%q is not among %q", begin, told)
		}
	}
}
