package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/google/go-cmp/cmp"
)

func sample() Document {
	layer := oci.Sum(oci.SHA256, []byte("layer"))
	return Document{
		Name: "library/Shop", Digest: oci.Sum(oci.SHA256, []byte("image")), Tool: Tool{"Berth", "1.2"},
		Created: time.Date(2026, 11, 28, 6, 0, 0, 5, time.FixedZone("", 3600)),
		Inventory: inventory.Inventory{
			Distribution: inventory.Distribution{ID: "alpine", Version: "3.19.1"},
			Packages: []inventory.Package{
				{Type: "apk", Name: "busybox", Version: "1.36-r1", PURL: "pkg:apk/alpine/busybox@1.36-r1", Path: "lib/apk/db/installed", Layer: layer, Licenses: []string{"GPL-2.0-only"}},
				{Type: "npm", Name: "left", Version: "1.0.0", PURL: "pkg:npm/left@1.0.0", Path: "app/package.json", Layer: layer, Licenses: []string{"(mit or apache-2.0)"}},
				{Type: "npm", Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0", Path: "a/package.json", Layer: layer, Licenses: []string{"SEE LICENSE IN <x> & \"y\""}},
				{Type: "npm", Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0", Path: "b/package.json", Layer: layer},
				{Type: "npm", Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0", Path: "b/package.json", Layer: layer},
			},
		},
	}
}

func written(t *testing.T, f Format, d Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheSameDocumentGivesTheSameBytes(t *testing.T) {
	for _, f := range []Format{SPDX, CycloneDX} {
		one := written(t, f, sample())
		if two := written(t, f, sample()); !bytes.Equal(one, two) {
			t.Errorf("%s differs", f)
		}
		later := sample()
		later.Created = later.Created.Add(time.Second)
		if bytes.Equal(one, written(t, f, later)) {
			t.Errorf("%s has the same name at another time", f)
		}
	}
}

func TestWhatIsWrittenCanBeRead(t *testing.T) {
	want := []Package{
		{Name: "busybox", Version: "1.36-r1", PURL: "pkg:apk/alpine/busybox@1.36-r1", Licenses: []string{"GPL-2.0-only"}},
		{Name: "left", Version: "1.0.0", PURL: "pkg:npm/left@1.0.0", Licenses: []string{"(MIT OR Apache-2.0)"}},
		{Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0"},
		{Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0"},
		{Name: "right", Version: "2.0.0", PURL: "pkg:npm/right@2.0.0"},
	}
	for format, version := range map[Format]string{SPDX: "2.3", CycloneDX: "1.6"} {
		got, err := Read(bytes.NewReader(written(t, format, sample())))
		if err != nil {
			t.Fatal(err)
		}
		expected := Bill{Format: format, Version: version, Name: "library/Shop", Packages: want}
		if format == CycloneDX { // which can say what is no expression
			expected.Packages = append([]Package{}, want...)
			expected.Packages[2].Licenses = []string{"SEE LICENSE IN <x> & \"y\""}
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

// The rules of SPDX 2.3, sections 6, 7 and 11, that its schema and its tools hold
// documents against.
func TestSPDXFollowsItsRules(t *testing.T) {
	var doc spdxDocument
	d := json.NewDecoder(bytes.NewReader(written(t, SPDX, sample())))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "SPDX-2.3" || doc.DataLicense != "CC0-1.0" || doc.ID != "SPDXRef-DOCUMENT" || doc.Name == "" {
		t.Errorf("document: %+v", doc)
	}
	match(t, "namespace", `^urn:uuid:[0-9a-f-]{36}$`, doc.Namespace)
	match(t, "created", `^2026-11-28T05:00:00Z$`, doc.Created.Created)
	match(t, "creator", `^Tool: Berth-1\.2$`, strings.Join(doc.Created.Creators, ","))
	elements := map[string]bool{doc.ID: true}
	for _, p := range doc.Packages {
		match(t, "id", `^SPDXRef-[a-zA-Z0-9.-]+$`, p.ID)
		if elements[p.ID] {
			t.Errorf("%s is there twice", p.ID)
		}
		elements[p.ID] = true
		for _, l := range []string{p.LicenseConcluded, p.LicenseDeclared} {
			if _, ok := Expression([]string{l}); !ok && l != noAssertion {
				t.Errorf("%s: licence %q", p.Name, l)
			}
		}
		if p.Name == "" || p.Download != noAssertion || p.Copyright != noAssertion || p.FilesAnalyzed {
			t.Errorf("package: %+v", p)
		}
		for _, r := range p.References {
			match(t, "reference", `^PACKAGE-MANAGER purl pkg:[a-z]+/\S+$`, r.Category+" "+r.Type+" "+r.Locator)
		}
	}
	match(t, "checksum", `^SHA256 [0-9a-f]{64}$`, doc.Packages[0].Checksums[0].Algorithm+" "+doc.Packages[0].Checksums[0].Value)
	described := 0
	for _, r := range doc.Relationships {
		if !elements[r.From] || !elements[r.To] {
			t.Errorf("relationship to nothing: %+v", r)
		}
		if r.Type == "DESCRIBES" {
			described++
		}
	}
	if described != 1 || len(doc.Relationships) != len(doc.Packages) {
		t.Errorf("%d described, %d relationships of %d packages", described, len(doc.Relationships), len(doc.Packages))
	}
}

// The rules of bom-1.6.schema.json for what is written.
func TestCycloneDXFollowsItsRules(t *testing.T) {
	var doc cdxDocument
	d := json.NewDecoder(bytes.NewReader(written(t, CycloneDX, sample())))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Format != "CycloneDX" || doc.Version != "1.6" || doc.Number < 1 {
		t.Errorf("document: %+v", doc)
	}
	match(t, "serial", `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`, doc.Serial)
	match(t, "image", `^pkg:oci/shop@sha256%3A[0-9a-f]{64}$`, doc.Metadata.Component.PURL)
	refs := map[string]bool{doc.Metadata.Component.Ref: true}
	for _, c := range doc.Components {
		if c.Ref == "" || refs[c.Ref] || c.Name == "" {
			t.Errorf("component: %+v", c)
		}
		refs[c.Ref] = true
		match(t, "type", `^(library|operating-system)$`, c.Type)
		for _, l := range c.Licenses {
			if (l.License == nil) == (l.Expression == "") || l.Expression != "" && len(c.Licenses) > 1 {
				t.Errorf("%s: licences %+v", c.Name, c.Licenses)
			}
			if l.License != nil && l.License.Name == "" {
				t.Errorf("%s: a licence without a name", c.Name)
			}
		}
	}
}

func match(t *testing.T, what, pattern, s string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(s) {
		t.Errorf("%s is %q", what, s)
	}
}

func TestLicencesBecomeExpressionsOfKnownNames(t *testing.T) {
	for _, test := range []struct {
		licenses []string
		want     string // empty: none
	}{
		{[]string{"MIT"}, "MIT"},
		{[]string{"mit"}, "MIT"},
		{[]string{"(MIT OR Apache-2.0)"}, "(MIT OR Apache-2.0)"},
		{[]string{"MIT or apache-2.0", "BSD-3-Clause"}, "(MIT OR Apache-2.0) AND BSD-3-Clause"},
		{[]string{"GPL-2.0-only with Classpath-exception-2.0"}, "GPL-2.0-only WITH Classpath-exception-2.0"},
		{[]string{"GPL-2.0+"}, "GPL-2.0+"},
		{[]string{"Apache-2.0+ AND (MIT)"}, "Apache-2.0+ AND (MIT)"},
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"BSD"}, ""},
		{[]string{"MIT License"}, ""},
		{[]string{"MIT OR"}, ""},
		{[]string{"(MIT"}, ""},
		{[]string{"MIT)"}, ""},
		{[]string{"MIT WITH nothing"}, ""},
		{[]string{"LicenseRef-mine"}, ""},
		{[]string{"NOASSERTION"}, ""},
		{[]string{"MIT", "who knows"}, ""},
		{[]string{strings.Repeat("(", 17) + "MIT" + strings.Repeat(")", 17)}, ""},
		{[]string{strings.Repeat("MIT AND ", 200) + "MIT"}, ""},
	} {
		got, ok := Expression(test.licenses)
		if ok != (test.want != "") || ok && got != test.want {
			t.Errorf("%q: %q, %t", test.licenses, got, ok)
		}
	}
}

func TestBillsOfOthersAreRead(t *testing.T) {
	for name, test := range map[string]struct {
		doc  string
		want Bill
	}{
		"CycloneDX 1.5 with components within components": {
			doc: `{"components":[{"type":"library","group":"org.acme","name":"a","version":"1","components":[{"name":"b","type":"library"}],
				"licenses":[{"license":{"id":"MIT"}},{"license":{"name":"mine"}}]},{"type":"operating-system","name":"debian"}],
				"specVersion":"1.5","metadata":{"component":{"name":"app"}},"dependencies":[{"ref":"x"}]}`,
			want: Bill{Format: CycloneDX, Version: "1.5", Name: "app", Packages: []Package{{Name: "b"}, {Name: "org.acme/a", Version: "1", Licenses: []string{"MIT", "mine"}}}},
		},
		"SPDX 2.2 with what was concluded": {
			doc: `{"spdxVersion":"SPDX-2.2","name":"n","packages":[{"name":"a","versionInfo":"1","licenseDeclared":"NOASSERTION","licenseConcluded":"MIT",
				"externalRefs":[{"referenceType":"cpe23Type","referenceLocator":"cpe:"},{"referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`,
			want: Bill{Format: SPDX, Version: "2.2", Name: "n", Packages: []Package{{Name: "a", Version: "1", PURL: "pkg:npm/a@1", Licenses: []string{"MIT"}}}},
		},
		"no packages": {doc: `{"specVersion":"1.6","components":null}`, want: Bill{Format: CycloneDX, Version: "1.6"}},
		"texts that no page can hold": {
			doc:  `{"specVersion":"1.6","components":[{"name":"a\u0000\u001b[31m","version":"` + strings.Repeat("9", 2000) + `"}]}`,
			want: Bill{Format: CycloneDX, Version: "1.6", Packages: []Package{{Name: "a[31m", Version: strings.Repeat("9", 1024)}}},
		},
	} {
		got, err := Read(strings.NewReader(test.doc))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestBillsThatCannotBeReadGiveFaults(t *testing.T) {
	many := `{"specVersion":"1.6","components":[` + strings.Repeat(`{"name":"a"},`, MaxPackages) + `{"name":"a"}]}`
	for name, test := range map[string]struct {
		doc  string
		want error
	}{
		"nothing":              {"", ErrInvalid},
		"no JSON":              {"<bom/>", ErrInvalid},
		"a list":               {"[]", ErrInvalid},
		"cut off":              {`{"specVersion":"1.6","components":[{"name":"a"}`, ErrInvalid},
		"followed":             {`{"specVersion":"1.6"} {}`, ErrInvalid},
		"components are text":  {`{"specVersion":"1.6","components":"a"}`, ErrInvalid},
		"a component is text":  {`{"specVersion":"1.6","components":["a"]}`, ErrInvalid},
		"another document":     {`{"schemaVersion":2}`, ErrUnknown},
		"SPDX 3":               {`{"spdxVersion":"SPDX-3.0"}`, ErrUnknown},
		"deep":                 {`{"specVersion":"1.6","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, ErrTooLarge},
		"deep components":      {`{"specVersion":"1.6"` + strings.Repeat(`,"components":[{"name":"a"`, 100), ErrTooLarge},
		"more packages":        {many, ErrTooLarge},
		"larger than is read":  {`{"specVersion":"1.6","x":"` + strings.Repeat("a", MaxBytes) + `"}`, ErrTooLarge},
		"brackets in a string": {`{"specVersion":"1.6","x":"` + strings.Repeat("[", 100) + `\"` + strings.Repeat("{", 100) + `"}`, nil},
	} {
		_, err := Read(strings.NewReader(test.doc))
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"spdxVersion":"SPDX-2.2","packages":[{"name":"a"}]}`))
	f.Add([]byte(`{"specVersion":"1.5","components":[{"name":"a","components":[{"name":"b"}]}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		bill, err := Read(bytes.NewReader(doc))
		if err == nil && bill.Format == "" {
			t.Error("it is read, and of no format")
		}
		for _, p := range bill.Packages {
			if p.Name == "" || len(p.Name) > maxText || len(p.Licenses) > maxLicenses {
				t.Errorf("%+v", p)
			}
		}
	})
}
