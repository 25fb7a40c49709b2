package advisory_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/osv"
	"github.com/berth-registry/berth/internal/outbound"
)

// facts returns the folder of images and advisories with what is known of them.
func facts(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("BERTH_TEST_FACTS")
	if folder == "" {
		t.Skip("not run: BERTH_TEST_FACTS names no folder with advisories and the findings of images")
	}
	return filepath.Join(folder, "scan")
}

// lines returns the rows of a file of facts, without that of the names.
func lines(t testing.TB, path string) (all [][]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Scan()
	for in.Scan() {
		all = append(all, strings.Split(in.Text(), "\t"))
	}
	return all
}

// installed returns the inventory of an image.
func installed(t testing.TB, folder, image string) (inv inventory.Inventory) {
	t.Helper()
	release := map[string]string{"alma8": "AlmaLinux:8", "alpine311": "Alpine:v3.11", "debian11": "Debian:11", "debian12": "Debian:12", "app": "Debian:12"}[image]
	status := map[string]string{"debian11": "bullseye", "debian12": "bookworm", "app": "bookworm"}[image]
	ecosystems := map[string]string{"deb": release, "apk": release, "rpm": release, "golang": "Go", "npm": "npm", "pypi": "PyPI", "maven": "Maven"}
	sources := map[string][2]string{}
	if status != "" {
		sources = debianSources(t, filepath.Join(folder, "images", "files", "dpkg-status-"+status))
	}
	if image == "alpine311" {
		sources = alpineOrigins(t, filepath.Join(folder, "images", "files", "apk-installed-3.11"))
	}
	for _, row := range lines(t, filepath.Join(folder, "expected", image+".packages.tsv")) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(row[0], "pkg:"), "/")
		p := inventory.Package{Type: kind, PURL: row[0], Name: row[1], Version: row[2], Source: row[1], SourceVersion: row[2], Path: row[3], Ecosystem: ecosystems[kind]}
		if s, ok := sources[p.Name]; ok && p.Ecosystem == release {
			p.Source, p.SourceVersion = s[0], s[1]
		}
		if epoch := strings.Index(row[0], "epoch="); kind == "rpm" && epoch > 0 {
			p.Version = row[0][epoch+len("epoch="):] + ":" + row[2]
			p.SourceVersion = p.Version
		}
		if p.Name == "go" {
			p.Source = "stdlib"
		}
		inv.Packages = append(inv.Packages, p)
	}
	return inv
}

// debianSources returns the source packages of those that a status file names.
func debianSources(t testing.TB, path string) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]string{}
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		fields := map[string]string{}
		for _, line := range strings.Split(paragraph, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				fields[name] = value
			}
		}
		source, version, ok := strings.Cut(fields["Source"], " (")
		if source == "" {
			source = fields["Package"]
		}
		if !ok {
			version = fields["Version"]
		}
		all[fields["Package"]] = [2]string{source, strings.TrimSuffix(version, ")")}
	}
	return all
}

// alpineOrigins returns what the packages of an installed database are built from.
func alpineOrigins(t testing.TB, path string) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][2]string{}
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		fields := map[string]string{}
		for _, line := range strings.Split(paragraph, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				fields[name] = value
			}
		}
		all[fields["P"]] = [2]string{fields["o"], fields["V"]}
	}
	return all
}

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
	folder := facts(t)
	s, kept := imported(t, folder)
	reader, err := kept.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	t.Run("what is known well", func(t *testing.T) { knownWell(t, s, folder) })
	for _, image := range []string{"debian12", "debian11", "alpine311", "alma8", "app"} {
		t.Run(image, func(t *testing.T) {
			inv := installed(t, folder, image)
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
			for _, row := range lines(t, filepath.Join(folder, "expected", image+".findings.tsv")) {
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
func knownWell(t *testing.T, s *advisory.Service, folder string) {
	row := func(image, id, name string) finding.Vulnerability {
		t.Helper()
		found, err := s.Match(t.Context(), installed(t, folder, image))
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
	found, err := s.Match(t.Context(), installed(t, folder, "alma8"))
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
