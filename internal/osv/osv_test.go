package osv_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/osv"
)

func parse(t *testing.T, text string) osv.Record {
	t.Helper()
	r, err := osv.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// about returns a record of one package with the JSON of what is affected of it.
func about(ecosystem, affected string) string {
	return fmt.Sprintf(`{"id":"X-1","modified":"2026-01-02T03:04:05.123456Z","affected":[{"package":{"ecosystem":%q,"name":"p"},%s}]}`, ecosystem, affected)
}

func TestOnlyWhatMatchingAndShowingNeedsIsKept(t *testing.T) {
	r := parse(t, `{"schema_version":"1.7.0","id":"GHSA-aaaa-bbbb-cccc","modified":"2026-01-02T03:04:05Z","published":"1-01-01T00:00:00Z",
		"aliases":["CVE-2026-0001","CVE-2026-0001","../x"],"summary":"s","details":"`+strings.Repeat("ä", 5000)+`",
		"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected":[{"package":{"ecosystem":"PyPI","name":"My_.Package"},"versions":["1.0","1.1"],"ecosystem_specific":{"urgency":7},
			"ranges":[{"type":"GIT","repo":"https://x.test","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"fixed":"1.2"},{"introduced":"0"}]}]},
			{"package":{"ecosystem":"PyPI","name":"only-git"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}],
		"references":[{"type":"WEB","url":"https://web.test"},{"type":"ADVISORY","url":"javascript:alert(1)"},{"type":"ADVISORY","url":"https://advisory.test"}],
		"database_specific":{"severity":"HIGH","cwe_ids":["CWE-79","x"],"other":[1]}}`)
	want := osv.Record{
		ID: "GHSA-aaaa-bbbb-cccc", Modified: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Aliases: []string{"CVE-2026-0001"},
		Summary: "s", Details: strings.Repeat("ä", 2048),
		Severity: []osv.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		Affected: []osv.Affected{{
			Package: osv.Package{Ecosystem: "PyPI", Name: "my-package"},
			Ranges:  []osv.Range{{Type: "ECOSYSTEM", Events: []osv.Event{{Introduced: "0"}, {Fixed: "1.2"}}}},
		}},
		References: []osv.Reference{{Type: "ADVISORY", URL: "https://advisory.test"}},
		Specific:   osv.Specific{Severity: "HIGH", CWEs: []string{"CWE-79"}},
	}
	if diff := cmp.Diff(want, r, cmp.Transformer("none", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		t.Error(diff)
	}
}

func TestAVersionIsAffectedAsItsEcosystemOrdersThem(t *testing.T) {
	for _, c := range []struct {
		ecosystem, affected string
		yes, no             []string
	}{
		{"npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.10.0"}]}]`, []string{"1.9.0", "1.10.0-rc.1"}, []string{"1.10.0", "2.0.0"}},
		{"npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"last_affected":"1.5.0"}]}]`, []string{"1.0.0", "1.5.0"}, []string{"0.9.9", "1.5.1"}},
		{"npm", `"ranges":[{"type":"SEMVER","events":[{"fixed":"2.2.0"},{"introduced":"2.0.0"},{"fixed":"1.1.0"},{"introduced":"0"}]}]`, []string{"1.0.0", "2.1.0"}, []string{"1.1.0", "1.9.0", "2.2.0"}},
		{"npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"limit":"1.5.0"}]}]`, []string{"1.6.0"}, []string{"0.1.0"}},
		{"npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"fixed":"1.0.0"}]}]`, nil, []string{"0.1.0", "1.0.0", "1.0.1"}},
		{"Debian:12", `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:2.0-1+deb12u1"}]}]`, []string{"1:2.0-1", "3.0-1", "1:2.0~rc1-1"}, []string{"1:2.0-1+deb12u1", "2:1.0-1"}},
		{"Alpine:v3.19", `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.2.3-r1"}]}]`, []string{"1.2.3-r0", "1.2.3_rc1-r5"}, []string{"1.2.3-r1", "1.2.3_p1-r0"}},
		{"AlmaLinux:9", `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:1.1.1k-6.el8_5"}]}]`, []string{"1:1.1.1g-11.el8", "9.0-1.el8"}, []string{"1:1.1.1k-6.el8_5"}},
		{"PyPI", `"ranges":[{"type":"GIT","events":[{"introduced":"0"}]},{"type":"ECOSYSTEM","events":[{"introduced":"2.2"},{"fixed":"2.2.10"}]}],"versions":["2.2"]`, []string{"2.2.0", "2.2"}, []string{"2.2.10", "2.1"}},
		{"PyPI", `"versions":["2.2","3.0rc1"]`, []string{"2.2.0", "3.0.rc1"}, []string{"2.2.1", "3.0"}},
		{"Go", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.21.5"}]}]`, []string{"go1.21.4", "v1.21.4"}, []string{"go1.21.5", "v1.22.0"}},
		{"Maven", `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1.5"},{"fixed":"1.10.0"}]}]`, []string{"1.9"}, []string{"1.10.0", "1.4"}},
		{"Nothing anybody knows", `"versions":["1.0"],"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1.0"}]}]`, []string{"1.0"}, []string{"1.1"}},
		{"Debian:12", `"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]`, []string{"1.0-1"}, []string{"not:a:version", "", strings.Repeat("1", 300)}},
	} {
		r := parse(t, about(c.ecosystem, c.affected))
		for _, v := range c.yes {
			if !r.Affected[0].Affects(osv.NewVersion(c.ecosystem, v)) {
				t.Errorf("%s %s: %s is not affected", c.ecosystem, c.affected, v)
			}
		}
		for _, v := range c.no {
			if r.Affected[0].Affects(osv.NewVersion(c.ecosystem, v)) {
				t.Errorf("%s %s: %s is affected", c.ecosystem, c.affected, v)
			}
		}
	}
}

func TestRangesThatCannotBeJudgedAreLeftOut(t *testing.T) {
	for _, affected := range []string{
		`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"x:1"}]}]`,
		`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1","fixed":"2"}]}]`,
		`"ranges":[{"type":"ECOSYSTEM","events":[{"fixed":"2"}]}]`,
		`"ranges":[{"type":"ECOSYSTEM","events":[]}]`,
		`"ranges":[{"type":"WAT","events":[{"introduced":"0"}]}]`,
		`"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"` + strings.Repeat("1", 300) + `"}]}]`,
	} {
		if r := parse(t, about("Debian:12", affected)); len(r.Affected) > 0 {
			t.Errorf("%s became %+v", affected, r.Affected)
		}
	}
}

func TestTheFixIsTheLowestVersionThatNothingAffects(t *testing.T) {
	one := parse(t, about("npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"2.0.0"},{"fixed":"2.1.0"}]}]`)).Affected[0]
	other := parse(t, about("npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.3.0"}]}]`)).Affected[0]
	unfixed := parse(t, about("npm", `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]`)).Affected[0]
	for _, c := range []struct {
		installed, want string
		all             []osv.Affected
	}{
		{"1.0.0", "1.2.0", []osv.Affected{one}},
		{"2.0.5", "2.1.0", []osv.Affected{one}},
		{"1.0.0", "1.3.0", []osv.Affected{one, other}},
		{"1.0.0", "1.2.0", []osv.Affected{unfixed, one}},
		{"1.0.0", "", []osv.Affected{unfixed}},
		{"2.1.0", "", []osv.Affected{one}},
	} {
		if got := osv.FixedIn(osv.NewVersion("npm", c.installed), c.all...); got != c.want {
			t.Errorf("%s is fixed in %q, not %q", c.installed, got, c.want)
		}
	}
}

func TestWhatIsNoRecordIsRefused(t *testing.T) {
	many := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	for name, text := range map[string]string{
		"nothing":          ``,
		"an array":         `[]`,
		"no id":            `{"modified":"2026-01-01T00:00:00Z"}`,
		"a path as id":     `{"id":"../../etc/passwd"}`,
		"a hidden file":    `{"id":".x"}`,
		"a broken time":    `{"id":"X-1","modified":"yesterday"}`,
		"another type":     `{"id":"X-1","aliases":"CVE-2026-0001"}`,
		"cut off":          `{"id":"X-1","details":"`,
		"deep":             `{"id":"X-1","database_specific":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		"many packages":    `{"id":"X-1","affected":[` + many(20_001, `{}`) + `]}`,
		"many events":      about("npm", `"ranges":[{"type":"SEMVER","events":[`+many(50_001, `{"introduced":"1"}`)+`]}]`),
		"many versions":    about("npm", `"versions":[`+many(200_001, `"1"`)+`]`),
		"many aliases":     `{"id":"X-1","aliases":[` + many(5001, `"a"`) + `]}`,
		"more than 16 MiB": `{"id":"X-1","x":"` + strings.Repeat("x", osv.MaxRecord) + `"}`,
	} {
		if _, err := osv.Parse([]byte(text)); !errors.Is(err, osv.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHugeRangeIsJudgedInTime(t *testing.T) {
	var events []string
	for i := range 25_000 {
		events = append(events, fmt.Sprintf(`{"introduced":"%d.0.0"},{"fixed":"%d.5.0"}`, i, i))
	}
	r := parse(t, about("npm", `"ranges":[{"type":"SEMVER","events":[`+strings.Join(events, ",")+`]}]`))
	start := time.Now()
	if got := osv.FixedIn(osv.NewVersion("npm", "20000.1.0"), r.Affected...); got != "20000.5.0" {
		t.Errorf("it is fixed in %q", got)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("that took %s", took)
	}
}

func TestNamesAndEcosystemsAreBroughtTogether(t *testing.T) {
	for _, c := range []struct{ ecosystem, name, key, same string }{
		{"PyPI", "Foo__Bar.baz", "PyPI", "foo-bar-baz"},
		{"NuGet", "Newtonsoft.Json", "NuGet", "newtonsoft.json"},
		{"npm", "JSONStream", "npm", "JSONStream"},
		{"Red Hat:enterprise_linux:9::baseos", "bash", "Red Hat:enterprise_linux:9", "bash"},
		{"Ubuntu:22.04:LTS", "bash", "Ubuntu:22.04:LTS", "bash"},
	} {
		if key, name := osv.Key(c.ecosystem), osv.Name(c.ecosystem, c.name); key != c.key || name != c.same {
			t.Errorf("%s of %s is %s of %s", c.name, c.ecosystem, name, key)
		}
	}
	for id, is := range map[string]bool{"CVE-2026-0001": true, "CVE-2026-109518": true, "CVE-????-?????": false, "CVE-2026": false, "CVE-2026-1": false, "GHSA-2026-0001": false} {
		if osv.IsCVE(id) != is {
			t.Errorf("%s is a CVE: %t", id, !is)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, e := range []string{"npm", "Debian:12", "Alpine:v3.19", "AlmaLinux:9", "PyPI", "Maven", "NuGet", "RubyGems", "Packagist", "crates.io", "Go"} {
		f.Add([]byte(about(e, `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0-1"},{"introduced":"1:2.0~rc1+x"},{"last_affected":"3.0_p1"}]}],"versions":["1.0"]`)), "1.0.1")
	}
	f.Add([]byte(`{"id":"X-1","affected":[{"package":{"ecosystem":"Debian","name":"p"},"versions":["1","2"]}],"database_specific":{"severity":1}}`), "v1:1-1")
	f.Fuzz(func(t *testing.T, text []byte, version string) {
		r, err := osv.Parse(text)
		if err != nil {
			return
		}
		if len(r.Details) > 4<<10 || !osv.IsID(r.ID) {
			t.Errorf("%q", r.ID)
		}
		for _, a := range r.Affected {
			v := osv.NewVersion(a.Package.Ecosystem, version)
			a.Affects(v)
			osv.FixedIn(v, a)
		}
	})
}
