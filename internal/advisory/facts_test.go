package advisory_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/inventory/inventorytest"
	"github.com/berth-registry/berth/internal/osv"
	"github.com/berth-registry/berth/internal/outbound"
)

// imported returns a service that has the facts' advisories, by way of a server.
func imported(t testing.TB, folder string) (*advisory.Service, store) {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(folder, "osv"))))
	t.Cleanup(server.Close)
	out := outbound.New(outbound.ForSystem(), outbound.Limits{Whole: outbound.Unlimited})
	t.Cleanup(out.Close)
	web, err := feed.NewWeb(out, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s, kept := newService(t)
	_, outcomes, err := s.Update(t.Context(), advisory.Feeds{
		Origin: web, Ecosystems: []string{"AlmaLinux", "Alpine", "Debian", "Go", "Maven", "PyPI", "crates.io", "npm"},
		Exploited: file(filepath.Join(folder, "extra", "known_exploited_vulnerabilities.json")),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		broken := 0
		if o.Source == "PyPI" { // a record of the year 1, without its zeros
			broken = 1
		}
		if o.Error != "" || o.Skipped != broken {
			t.Errorf("%+v", o)
		}
	}
	return s, kept
}

// TestFindingsAreThoseOfOthers compares each advisory that is found, for each source
// package, and the version that it says mends it, with what others found.
func TestFindingsAreThoseOfOthers(t *testing.T) {
	installed := inventorytest.Inventories(t, inventorytest.Images(t))
	s, kept := imported(t, inventorytest.Folder(t))
	reader, err := kept.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	t.Run("what is known well", func(t *testing.T) { knownWell(t, s, installed) })
	for _, image := range []string{"debian12", "debian11", "alpine311", "alma8", "app"} {
		t.Run(image, func(t *testing.T) {
			inv := installed[image]
			found, err := s.Match(t.Context(), inv)
			if err != nil {
				t.Fatal(err)
			}
			by := map[string]inventory.Package{}
			for _, p := range inv.Packages {
				by[p.Name+" "+p.Version] = p
			}
			got := map[string]bool{}
			for _, v := range found.Rows {
				p := by[v.Package+" "+v.Version]
				name := osv.Name(p.Ecosystem, p.Source)
				if name == "stdlib" { // depends on what built it
					continue
				}
				records, err := reader.About(t.Context(), p.Ecosystem, name)
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range v.Vendor[advisory.OSV].([]any) {
					i := slices.IndexFunc(records, func(r osv.Record) bool { return r.ID == id })
					fixed := osv.FixedIn(osv.NewVersion(p.Ecosystem, p.SourceVersion), records[i].Affected...)
					got[fmt.Sprintf("%s %s %s %s %s", p.Ecosystem, name, p.SourceVersion, id, fixed)] = true
				}
			}
			want := map[string]bool{}
			for _, row := range inventorytest.Expected(t, image, "findings") {
				want[strings.Join(row[:5], " ")] = true
			}
			if len(want) < 10 {
				t.Errorf("only %d findings are expected", len(want))
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Error(diff)
			}
			once := map[[3]string]bool{}
			for _, v := range found.Rows {
				if k := [3]string{v.ID, v.Package, v.Version}; once[k] {
					t.Errorf("%s is there twice", k)
				} else {
					once[k] = true
				}
			}
			t.Logf("%d rows of %d packages", len(found.Rows), len(inv.Packages))
		})
	}
}

// knownWell looks at what is said of some.
func knownWell(t *testing.T, s *advisory.Service, installed map[string]inventory.Inventory) {
	row := func(image, id, name string) finding.Vulnerability {
		t.Helper()
		found, err := s.Match(t.Context(), installed[image])
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(found.Rows, func(v finding.Vulnerability) bool { return v.ID == id && v.Package == name })
		if i < 0 {
			t.Fatalf("%s of %s is not found in %s", id, name, image)
		}
		return found.Rows[i]
	}
	log4j := row("app", "CVE-2021-44228", "org.apache.logging.log4j:log4j-core")
	if log4j.Severity != finding.Critical || log4j.Fixed != "2.15.0" || log4j.Status != finding.Fixed || *log4j.CVSS.ScoreV3 != 10 || log4j.Vendor[advisory.KEV] != "2021-12-10" ||
		!slices.Contains(log4j.CWEs, "CWE-502") || !slices.Contains(log4j.Links, "https://nvd.nist.gov/vuln/detail/CVE-2021-44228") {
		t.Errorf("%+v", log4j)
	}
	if django := row("app", "CVE-2020-7471", "Django"); django.Fixed != "2.2.10" {
		t.Errorf("%+v", django)
	}
	found, err := s.Match(t.Context(), installed["alma8"])
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Rows) != 190 {
		t.Errorf("%d rows of errata, not one for each CVE", len(found.Rows))
	}
	for _, v := range found.Rows {
		if v.Severity == finding.Unknown && !strings.HasPrefix(v.ID, "ALBA") {
			t.Errorf("%s of %s is not rated: %v", v.ID, v.Package, v.Vendor[advisory.OSV])
		}
	}
}
