package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm/helmtest"
)

// A file is an entry of an archive.
type file = helmtest.File

func read(packed []byte) (Archive, error) {
	return ReadArchive(bytes.NewReader(packed), int64(len(packed)))
}

func TestAChartSaysWhatItIs(t *testing.T) {
	a, err := read(helmtest.Pack(t, file{"app/Chart.yaml", `apiVersion: v2
name: app
version: 1.2.3-rc.1+build
appVersion: 1.16
deprecated: true
keywords: [a, &b b, *b]
maintainers:
- {name: Ann, email: ann@example.org}
annotations: {x: y, n: 1}
unknown: {a: [1, 2]}
dependencies:
- name: db
  version: ">=1.0"
  repository: https://example.org
  tags: [back]
  import-values: [data, {child: a, parent: b}]
`}, file{"app/values.yaml", "a: 1\n"}, file{"app/ReadMe.md", "wrong"}, file{"app/README.md", "# app"}, file{"app/readme.MD", "wrong"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	want := Metadata{
		APIVersion: "v2", Name: "app", Version: "1.2.3-rc.1+build", AppVersion: "1.16", Deprecated: true, Keywords: []string{"a", "b", "b"},
		Maintainers: []Maintainer{{Name: "Ann", Email: "ann@example.org"}}, Annotations: map[string]string{"x": "y", "n": "1"},
		Dependencies: []Dependency{{
			Name: "db", Version: ">=1.0", Repository: "https://example.org", Tags: []string{"back"},
			ImportValues: []any{"data", map[string]string{"child": "a", "parent": "b"}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if string(a.Values) != "a: 1\n" || string(a.Readme) != "# app" {
		t.Errorf("values %q, readme %q", a.Values, a.Readme)
	}
	text, err := got.Configuration()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseConfiguration(text)
	if err != nil || back.Dependencies[0].ImportValues[0] != "data" || back.Version != want.Version {
		t.Errorf("its configuration is read as %+v, %v", back, err)
	}
}

func TestChartsOfTheFirstVersionListDependenciesApart(t *testing.T) {
	a, err := read(helmtest.Pack(t, file{"app/Chart.yaml", "name: app\nversion: 1.0.0\n"}, file{"app/requirements.yaml", "dependencies:\n- name: old\n"}))
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Metadata()
	if err != nil || len(m.Dependencies) != 1 || m.Dependencies[0].Name != "old" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestHostileArchives(t *testing.T) {
	chartYAML := file{"app/Chart.yaml", "name: app\n"}
	many := make([]file, 0, maxEntries+1)
	for i := range maxEntries + 1 {
		many = append(many, file{fmt.Sprintf("app/%d", i), ""})
	}
	good := helmtest.Pack(t, chartYAML, file{"app/values.yaml", strings.Repeat("a: 1 # and so on\n", 500)})
	for name, tt := range map[string]struct {
		archive []byte
		want    error
	}{
		"no gzip":        {[]byte("hello"), ErrInvalid},
		"empty":          {nil, ErrInvalid},
		"no chart":       {helmtest.Pack(t, file{"app/values.yaml", ""}), ErrInvalid},
		"not in folder":  {helmtest.Pack(t, file{"Chart.yaml", "name: app"}), ErrInvalid},
		"cut off":        {good[:len(good)/2], ErrInvalid},
		"out of folder":  {helmtest.Pack(t, chartYAML, file{"app/../../values.yaml", "x"}), ErrInvalid},
		"absolute":       {helmtest.Pack(t, chartYAML, file{"/app/values.yaml", "x"}), ErrInvalid},
		"out by windows": {helmtest.Pack(t, chartYAML, file{`app\..\..\values.yaml`, "x"}), ErrInvalid},
		"many files":     {helmtest.Pack(t, many...), ErrTooLarge},
		"large file":     {helmtest.Pack(t, chartYAML, file{"app/values.yaml", strings.Repeat("x", maxFile+1)}), ErrTooLarge},
		"bomb":           {helmtest.Pack(t, chartYAML, file{"app/other", strings.Repeat("\x00", 40<<20)}), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := read(tt.archive); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if _, err := ReadArchive(strings.NewReader(""), MaxArchive+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large an archive: %v", err)
	}
}

func TestHostileMetadata(t *testing.T) {
	const named = "name: app\nversion: 1.0.0\n"
	for text, want := range map[string]error{
		named + "dependencies:\n" + strings.Repeat("- name: a\n", maxItems+1):               ErrTooLarge,
		named + "keywords:\n" + strings.Repeat("- a\n", maxItems+1):                         ErrTooLarge,
		named + "a: &a " + strings.Repeat("x", maxText+1) + "\ndependencies:\n- name: *a\n": ErrTooLarge,
		named + "description: " + strings.Repeat("x", maxText+1):                            ErrTooLarge,
		strings.Repeat("#", maxYAML+1):                                                      ErrTooLarge,
		named + "dependencies: [":                                                           ErrInvalid,
		"version: 1.0.0":                                                                    ErrInvalid,
		"name: app":                                                                         ErrInvalid,
		"":                                                                                  ErrInvalid,
		"- a":                                                                               ErrInvalid,
		"name: ..\nversion: 1.0.0":                                                          ErrInvalid,
		"name: ../app\nversion: 1.0.0":                                                      ErrInvalid,
		"name: a/b\nversion: 1.0.0":                                                         ErrInvalid,
		"name: 'a\\b'\nversion: 1.0.0":                                                      ErrInvalid,
		"name: app\nversion: latest":                                                        ErrInvalid,
		"name: app\nversion: 1.2.3.4":                                                       ErrInvalid,
		"name: app\nversion: ../1":                                                          ErrInvalid,
		"name: app\nversion: 1.0.0-" + strings.Repeat("a", maxVersion): ErrInvalid,
		"a: &a [1,1]\nb: &b [*a,*a]\nname: *b\nversion: 1.0.0":         ErrInvalid,
		"name: &a app\nversion: 1.0.0\nkeywords: &k [*a, *k]":          nil, // which would go round and round
		strings.Repeat("dependencies:\n", 70_000) + named:              nil, // to compare each key with each other one would take minutes
	} {
		a := Archive{metadata: []byte(text)}
		if _, err := a.Metadata(); !errors.Is(err, want) && (err != nil || want != nil) {
			t.Errorf("%.60q: %v, want %v", text, err, want)
		}
	}
}

func TestConfigurationsOfOthers(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"name":"app","version":"v1.2","type":"library"}`:        true,
		`{"name":"app","version":"1.0.0","description":5}`:        false,
		`{"name":"app","version":"1.0.0","maintainers":"nobody"}`: false,
		`{"name":"..","version":"1.0.0"}`:                         false,
		`{"name":"app","version":"one"}`:                          false,
		`[]`:                                                      false,
	} {
		if _, err := ParseConfiguration([]byte(text)); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEntries(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	e, err := NewEntry(Metadata{Name: "app", Version: "1.0.0", Type: "application"}, "sha256:abc", at)
	if err != nil {
		t.Fatal(err)
	}
	whole, where := e.AppendTo([]byte("["), "charts/app-1.0.0.tgz")
	const want = `[{"name":"app","version":"1.0.0","apiVersion":"v1","type":"application","created":"2020-01-02T03:04:05Z","digest":"abc","urls":["charts/app-1.0.0.tgz"]}`
	if string(whole) != want || !strings.HasPrefix(string(whole[where:]), "charts/") {
		t.Errorf("%s at %d, want %s", whole, where, want)
	}
	e, err = NewEntry(Metadata{Name: "app", Version: "1.0.0", Keywords: []string{strings.Repeat("x", maxEntry)}}, "sha256:abc", at)
	if err != nil || len(e) > maxEntry || !json.Valid(e) {
		t.Errorf("an entry of %d bytes: %v", len(e), err)
	}
}

func TestVersionsStandInOrder(t *testing.T) {
	in := []string{"none", "v0.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.2", "1.10.0"}
	for i := 1; i < len(in); i++ {
		if OrderOf(in[i-1]).Compare(OrderOf(in[i])) >= 0 {
			t.Errorf("%s does not stand before %s", in[i-1], in[i])
		}
	}
	if Tag("1.0.0+b.1") != "1.0.0_b.1" || File("team/app", "1.0.0+b.1") != "team/app-1.0.0+b.1.tgz" {
		t.Error("wrong tag or file of a version with a build")
	}
}

const digestA = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

// signed is a provenance file as Helm writes it, but for the signature: what
// begins with a dash has another one before it.
func signed(metadata, files string) string {
	message := strings.TrimPrefix(strings.ReplaceAll("\n"+metadata+"\n...\nfiles:\n"+files, "\n-", "\n- -"), "\n")
	return "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + message +
		"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
}

func TestProvenanceVouchesForOneArchive(t *testing.T) {
	good := signed("name: app\nversion: 1.0.0\n", "  app-1.0.0.tgz: "+digestA+"\n")
	for text, ok := range map[string]bool{
		good:                                   true,
		strings.ReplaceAll(good, "\n", "\r\n"): true,
		signed("dependencies:\n- name: db\n  repository: https://example.org\nmaintainers:\n- email: ann@example.org\n  name: Ann\nname: app\nversion: 1.0.0\n", "  app-1.0.0.tgz: "+digestA+"\n"): true,
		signed("- name: app\n  version: 1.0.0\n", "  app-1.0.0.tgz: "+digestA+"\n"):                                                                                                                false,
		signed("name: other\nversion: 1.0.0\n", "  app-1.0.0.tgz: "+digestA+"\n"):                                                                                                                  false,
		signed("name: app\nversion: 1.0.1\n", "  app-1.0.0.tgz: "+digestA+"\n"):                                                                                                                    false,
		signed("name: app\nversion: 1.0.0\n", "  other-1.0.0.tgz: "+digestA+"\n"):                                                                                                                  false,
		signed("name: app\nversion: 1.0.0\n", "  app-1.0.0.tgz: sha256:00\n"):                                                                                                                      false,
		signed("name: [", ""):                       false,
		signed("name: app\nversion: 1.0.0\n", " ["): false,
		strings.Replace(good, "\n...\n", "\n", 1):   false,
		strings.Replace(good, "SIGNATURE", "", 1):   false,
		"": false,
	} {
		p, err := ParseProvenance([]byte(text))
		if err == nil {
			err = p.Check("app", "1.0.0", digestA)
		}
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrProvenance) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseProvenance(make([]byte, MaxProvenance+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(helmtest.Pack(f, file{"app/Chart.yaml", "name: app\nversion: 1.0.0\ndependencies:\n- name: a\n"}, file{"app/README.md", "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := read(data)
		if err == nil {
			_, err = a.Metadata()
		}
		var known *fault.Fault
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%v is no fault", err)
		}
	})
}

func FuzzProvenance(f *testing.F) {
	f.Add([]byte(signed("name: app\nversion: 1.0.0\n", "  app-1.0.0.tgz: "+digestA+"\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := ParseProvenance(data)
		var known *fault.Fault
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%v is no fault", err)
		}
	})
}

// allocated returns how many bytes a function asks for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestWhatIsReferredToDoesNotGrow: a few kilobytes that refer to their own parts
// would be gigabytes where each reference is written out.
func TestWhatIsReferredToDoesNotGrow(t *testing.T) {
	const most = 32 << 20
	refer := func(n int) string { return "[" + strings.Repeat("*x,", n) + "]" }
	table := "{"
	for i := range 100 {
		table += fmt.Sprintf("k%d: a,", i)
	}
	table += "}"
	for name, text := range map[string]string{
		"texts":   "x: &x " + strings.Repeat("x", 4000) + "\ny: &y {name: a, tags: &l " + refer(1000) + "}\n",
		"tables":  "x: &x " + table + "\ny: &y {name: a, import-values: " + refer(1000) + "}\n",
		"nothing": "x: &x []\ny: &y {name: a, tags: " + refer(1000) + "}\n",
	} {
		a := Archive{metadata: []byte("name: app\nversion: 1.0.0\n" + text + "dependencies: [" + strings.Repeat("*y,", 1000) + "]\n")}
		var err error
		if n := allocated(func() { _, err = a.Metadata() }); n > most || !errors.Is(err, ErrTooLarge) {
			t.Errorf("metadata of %s: %d bytes, %v", name, n, err)
		}
	}
	many := ""
	for i := range 1000 {
		many += fmt.Sprintf("y%d: *x\n", i)
	}
	for name, text := range map[string]string{
		"keys":  "x: &x\n  ? " + strings.Repeat("k", 100_000) + "\n  : 1\n" + many,
		"texts": "x: &x " + strings.Repeat("x", 100_000) + "\n" + many,
		"lists": "x: &x " + refer(50_000) + "\n",
	} {
		var got map[string]any
		if n := allocated(func() { got = Flatten([]byte(text)) }); n > most || len(got) > 0 {
			t.Errorf("values of %s: %d bytes, %d of them", name, n, len(got))
		}
	}
}
