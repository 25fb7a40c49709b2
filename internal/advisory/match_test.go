package advisory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/osv"
)

// known returns a service that knows records, given as JSON by their ecosystems.
func known(t testing.TB, records map[string][]string) *advisory.Service {
	t.Helper()
	s, _ := newService(t)
	w := newSite(t)
	var ecosystems []string
	for e, all := range records {
		var entries []string
		for _, text := range all {
			_, id, _ := strings.Cut(text, `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			entries = append(entries, id+".json", text)
		}
		w.files[e+"/all.zip"] = feedtest.Pack(t, entries...)
		ecosystems = append(ecosystems, e)
	}
	_, outcomes, err := s.Update(t.Context(), advisory.Feeds{Origin: w, Ecosystems: ecosystems}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Error != "" || o.Skipped > 0 {
			t.Fatalf("%+v", o)
		}
	}
	return s
}

// about returns a record about all versions of package p before 2.0.0.
func about(id, ecosystem, more string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":%q,"name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]%s`, id, ecosystem, more)
}

const (
	critical = `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]` // 9.8
	low      = `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]` // 1.8
	four     = `"severity":[{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}]`
	two      = `"severity":[{"type":"CVSS_V2","score":"AV:N/AC:L/Au:N/C:P/I:P/A:P"}]` // 7.5
)

func match(t testing.TB, s *advisory.Service, all ...inventory.Package) advisory.Findings {
	t.Helper()
	f, err := s.Match(t.Context(), inventory.Inventory{Packages: all})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func p(ecosystem string) inventory.Package {
	return inventory.Package{Ecosystem: ecosystem, Name: "p", Version: "1.0.0"}
}

func TestAdvisoriesOfOneVulnerabilityAreOneRow(t *testing.T) {
	s := known(t, map[string][]string{"Go": {
		about("GO-1", "Go", `}],"aliases":["CVE-2026-0001","GHSA-a"]}`),
		about("GHSA-a", "Go", `}],"aliases":["CVE-2026-0001","GO-1"],"details":"of GitHub",`+critical+`,"database_specific":{"cwe_ids":["CWE-79"]}}`),
		about("XYZ-1", "Go", `}],"aliases":["GHSA-a"]}`),                       // has the CVE of its alias
		about("GO-2", "Go", `}],"aliases":["GHSA-b"]}`),                        // aliases in a circle
		about("GHSA-b", "Go", `}],"aliases":["GO-3"]}`),                        //
		about("GO-3", "Go", `}],"aliases":["GO-2"]}`),                          //
		about("GO-4", "Go", `}],"aliases":["CVE-2026-0002","CVE-2026-0003"]}`), // is two
		about("GO-5", "Go", `}],"related":["CVE-2026-0001"]}`),                 // is another one
		about("GO-6", "Go", `}],"aliases":["CVE-2026-0009"],"withdrawn":"2026-01-01T00:00:00Z"}`),
		about("GO-7", "Go", `}],"upstream":["CVE-2026-0004"]}`),
	}})
	got := map[string][]any{}
	for _, v := range match(t, s, p("Go")).Rows {
		got[v.ID] = v.Vendor[advisory.OSV].([]any)
		if v.Package != "p" || v.Version != "1.0.0" || v.Fixed != "2.0.0" || v.Status != finding.Fixed {
			t.Errorf("%+v", v)
		}
		if v.ID == "CVE-2026-0001" {
			want := []string{"https://nvd.nist.gov/vuln/detail/CVE-2026-0001", "https://osv.dev/vulnerability/GHSA-a", "https://osv.dev/vulnerability/GO-1", "https://osv.dev/vulnerability/XYZ-1"}
			if !slices.Equal(v.Links, want) || v.Description != "of GitHub" || !slices.Equal(v.CWEs, []string{"CWE-79"}) || v.Severity != finding.Critical {
				t.Errorf("%+v", v)
			}
		}
	}
	want := map[string][]any{
		"CVE-2026-0001": {"GHSA-a", "GO-1", "XYZ-1"}, "GHSA-b": {"GHSA-b", "GO-2", "GO-3"}, "CVE-2026-0002": {"GO-4"}, "CVE-2026-0003": {"GO-4"}, "GO-5": {"GO-5"}, "CVE-2026-0004": {"GO-7"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrataAreOneRowForEachCVE(t *testing.T) {
	s := known(t, map[string][]string{"AlmaLinux": {
		about("ALSA-2026:1", "AlmaLinux:9", `}],"summary":"Important: p security update","related":["CVE-2026-0001","CVE-2026-0002","ALSA-2025:9"]}`),
		about("ALBA-2026:2", "AlmaLinux:9", `}],"summary":"p bug fix update"}`),
	}})
	var got []string
	for _, v := range match(t, s, p("AlmaLinux:9")).Rows {
		got = append(got, v.ID+" "+v.Severity.String())
	}
	want(t, "rows", got, "CVE-2026-0001 High", "CVE-2026-0002 High", "ALBA-2026:2 Unknown")
}

func TestSeverityIsTheVendorsWordThenTheScore(t *testing.T) {
	for _, c := range []struct {
		name, ecosystem, more string
		want                  finding.Severity
	}{
		{"Debian's urgency", "Debian:12", `,"ecosystem_specific":{"urgency":"unimportant"}}],` + critical + `}`, finding.Negligible},
		{"Debian without one", "Debian:12", `,"ecosystem_specific":{"urgency":"not yet assigned"}}],` + critical + `}`, finding.Critical},
		{"an urgency with a star", "Debian:12", `,"ecosystem_specific":{"urgency":"medium**"}}]}`, finding.Medium},
		{"Ubuntu's priority", "Ubuntu:22.04:LTS", `}],"severity":[{"type":"Ubuntu","score":"low"}]}`, finding.Low},
		{"Ubuntu's priority of a package", "Ubuntu:22.04:LTS", `,"severity":[{"type":"Ubuntu","score":"high"}]}]}`, finding.High},
		{"GitHub's word", "npm", `}],` + critical + `,"database_specific":{"severity":"MODERATE"}}`, finding.Medium},
		{"a score", "npm", `}],` + low + `}`, finding.Low},
		{"a score of version 4", "npm", `}],` + four + `}`, finding.Critical},
		{"a score of version 2", "npm", `}],` + two + `}`, finding.High},
		{"a score of the package", "npm", `,` + critical + `}]}`, finding.Critical},
		{"a vector that cannot be read", "npm", `}],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:?"}]}`, finding.Unknown},
		{"a word that nobody knows", "npm", `}],"database_specific":{"severity":"AWFUL"}}`, finding.Unknown},
		{"a summary that looks like an erratum's", "npm", `}],"summary":"Important: no"}`, finding.Unknown},
		{"nothing", "npm", `}]}`, finding.Unknown},
	} {
		root, _, _ := strings.Cut(c.ecosystem, ":")
		rows := match(t, known(t, map[string][]string{root: {about("X-1", c.ecosystem, c.more)}}), p(c.ecosystem)).Rows
		if len(rows) != 1 || rows[0].Severity != c.want {
			t.Errorf("%s: %+v", c.name, rows)
		}
	}
}

func TestScoresComeFromOtherAdvisoriesOfTheCVE(t *testing.T) {
	s := known(t, map[string][]string{
		"Debian": {about("DEBIAN-CVE-2026-0001", "Debian:12", `}],"upstream":["CVE-2026-0001"]}`), about("DEBIAN-CVE-2026-0002", "Debian:12", `}],"upstream":["CVE-2026-0002"]}`)},
		"npm": {
			about("GHSA-1", "npm", `}],"aliases":["CVE-2026-0001"],`+critical+`,"database_specific":{"cwe_ids":["CWE-502"]}}`),
			about("GHSA-2", "npm", `}],"aliases":["CVE-2026-0002","CVE-2026-0003"],`+critical+`}`), // says nothing of each
		},
	})
	rows := match(t, s, p("Debian:12")).Rows
	if len(rows) != 2 || rows[0].ID != "CVE-2026-0001" || rows[0].Severity != finding.Critical || *rows[0].CVSS.ScoreV3 != 9.8 || !slices.Equal(rows[0].CWEs, []string{"CWE-502"}) || rows[1].Severity != finding.Unknown {
		t.Fatalf("%+v", rows)
	}
	want := map[string]any{"ghsa": map[string]any{"V3Score": 9.8, "V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}
	if diff := cmp.Diff(want, rows[0].Vendor[advisory.CVSS]); diff != "" {
		t.Error(diff)
	}
}

func TestAVersion3ScoreGoesBeforeVersion4(t *testing.T) {
	s := known(t, map[string][]string{"npm": {about("GHSA-1", "npm", `}],"aliases":["CVE-2026-0001"],`+four+`}`), about("X-1", "npm", `}],"aliases":["CVE-2026-0001"],`+low+`}`), about("X-2", "npm", `}],"aliases":["CVE-2026-0001"],`+two+`}`)}})
	v := match(t, s, p("npm")).Rows[0]
	if *v.CVSS.ScoreV3 != 1.8 || *v.CVSS.ScoreV2 != 7.5 || v.Severity != finding.Critical || len(v.Vendor[advisory.CVSS].(map[string]any)) != 2 {
		t.Errorf("%+v", v)
	}
}

func TestPackagesAreMatchedByTheirSources(t *testing.T) {
	s := known(t, map[string][]string{"Debian": {about("X-1", "Debian:12", `}]}`)}, "PyPI": {about("X-2", "PyPI", `}]}`)}, "Red Hat": {about("X-3", "Red Hat:enterprise_linux:9::baseos", `}]}`)}})
	lib := inventory.Package{Type: "deb", Ecosystem: "Debian:12", Name: "libp1", Version: "2.0.0+b1", Source: "p", SourceVersion: "1.9", PURL: "pkg:deb/debian/libp1@2.0.0%2Bb1", Layer: "sha256:1"}
	twice := lib
	twice.Layer = "sha256:2"
	elsewhere := inventory.Package{Ecosystem: "PyPI", Name: "P", Version: "1.0.0"}
	red := inventory.Package{Ecosystem: "Red Hat:enterprise_linux:9", Name: "p", Version: "1.0.0"}
	rows := match(t, s, lib, twice, elsewhere, red, inventory.Package{Name: "p", Version: "1"}).Rows
	if len(rows) != 3 || rows[0].Package != "libp1" || rows[0].Version != "2.0.0+b1" || !slices.Equal(rows[0].Layers, []oci.Digest{"sha256:1", "sha256:2"}) || rows[1].Package != "P" || rows[2].ID != "X-3" {
		t.Fatalf("%+v", rows)
	}
	if diff := cmp.Diff([]any{lib.PURL}, rows[0].Vendor[advisory.PURLs]); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheDistributionBroughtIsJudgedAsTheDistributions(t *testing.T) {
	s := known(t, map[string][]string{"Debian": {about("X-1", "Debian:12", `}]}`)}, "PyPI": {about("X-2", "PyPI", `}]}`)}})
	owned := p("PyPI")
	owned.Owned = true
	for release, rows := range map[string]int{"Debian:12": 1, "Debian:99": 1} {
		os := inventory.Package{Type: "deb", Ecosystem: release, Name: "p", Version: "1.0.0"}
		f := match(t, s, os, owned)
		if len(f.Rows) != rows || f.Rows[0].ID == "X-2" != (release == "Debian:99") {
			t.Errorf("%s: %+v", release, f.Rows)
		}
		if unknown := slices.Equal(f.Unknown, []string{"Debian:99"}); unknown != (release == "Debian:99") {
			t.Errorf("%s: not known: %q", release, f.Unknown)
		}
	}
}

func TestRowsAreTheCallersAndNeverNil(t *testing.T) {
	s := known(t, map[string][]string{"npm": {about("X-1", "npm", `}]}`)}})
	if f := match(t, s); f.Rows == nil || len(f.Rows) != 0 {
		t.Errorf("%#v", f.Rows)
	}
	first := match(t, s, p("npm")).Rows[0]
	first.Vendor["x"] = true
	if again := match(t, s, p("npm")).Rows[0]; again.Vendor["x"] != nil {
		t.Error("a change of a row is in the next one")
	}
}

func TestANewGenerationIsNoticed(t *testing.T) {
	s, _ := newService(t)
	w := newSite(t)
	w.put(t, "npm", record{id: "X-1", name: "p", modified: ago(10)})
	first, _ := updated(t, s, advisory.Feeds{Origin: w})
	if f := match(t, s, p("npm")); f.Generation != first || f.Rows[0].Fixed != "" {
		t.Errorf("%+v", f)
	}
	w.put(t, "npm", record{id: "X-1", name: "p", fixed: "3.0.0", modified: ago(1)})
	second, _ := updated(t, s, advisory.Feeds{Origin: w})
	if f := match(t, s, p("npm")); f.Generation != second || f.Rows[0].Fixed != "3.0.0" {
		t.Errorf("%+v", f)
	}
}

func TestAPackageWithTooManyVulnerabilitiesIsAnError(t *testing.T) {
	var all []string
	for i := range 12 {
		var cves []string
		for j := range 5_000 {
			cves = append(cves, fmt.Sprintf(`"CVE-2026-%d"`, 10_000+i*5_000+j))
		}
		all = append(all, about(fmt.Sprintf("ALSA-2026:%d", i), "AlmaLinux:9", `}],"related":[`+strings.Join(cves, ",")+`]}`))
	}
	s := known(t, map[string][]string{"AlmaLinux": all})
	if _, err := s.Match(t.Context(), inventory.Inventory{Packages: []inventory.Package{p("AlmaLinux:9")}}); err == nil {
		t.Error("all of them are shown")
	}
}

// FuzzMatch has records that share packages, whatever they say.
func FuzzMatch(f *testing.F) {
	f.Add(`"aliases":["GHSA-2"]`, `"aliases":["GHSA-1","CVE-2026-0001"],`+critical, "1.0.0", "Debian:12")
	f.Add(`"upstream":["CVE-2026-0001","CVE-2026-0002"]`, four, "1:1.0~rc1-1", "npm")
	f.Fuzz(func(t *testing.T, one, other, version, ecosystem string) {
		r, err := parseAll(about("GHSA-1", ecosystem, `}],`+one+`}`), about("GHSA-2", ecosystem, `}],`+other+`}`))
		if err != nil {
			return
		}
		rows, err := advisory.RowsOf(t.Context(), ecosystem, version, r)
		if err != nil {
			return
		}
		for _, v := range rows {
			if v.ID == "" || v.Vendor == nil || len(v.Links) == 0 {
				t.Errorf("%+v", v)
			}
		}
	})
}

func parseAll(texts ...string) (all []osv.Record, err error) {
	for _, text := range texts {
		r, err := osv.Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}
