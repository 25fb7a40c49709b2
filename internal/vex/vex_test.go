package vex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/vex"
)

const (
	context = `"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://vex.test/1","author":"Somebody"`
	image   = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	another = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

var subject = vex.Subject{
	Digests: []oci.Digest{image}, Repositories: []string{"registry.test/library/app"},
	Packages: []string{"pkg:golang/example.test/main@v1.0.0", "pkg:golang/github.com/docker/cli@v23.0.1%2Bincompatible"},
}

func row(id, name, version string, purls ...any) finding.Vulnerability {
	v := finding.Vulnerability{ID: id, Package: name, Version: version, Fixed: "9", Status: finding.Fixed, Vendor: map[string]any{"osv_ids": []any{"GHSA-1", "GO-1"}}}
	if len(purls) > 0 {
		v.Vendor["purls"] = purls
	}
	return v
}

var cli = row("CVE-2026-0001", "github.com/docker/cli", "23.0.1+incompatible", "pkg:golang/github.com/docker/cli@v23.0.1%2Bincompatible")

func document(t *testing.T, statements ...string) vex.Document {
	t.Helper()
	d, err := vex.Parse([]byte("{" + context + `,"timestamp":"2026-01-01T00:00:00Z","statements":[` + strings.Join(statements, ",") + "]}"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func says(name, products, status string) string {
	return fmt.Sprintf(`{"vulnerability":{"name":%q},"products":[%s],"status":%q,"justification":"vulnerable_code_not_present"}`, name, products, status)
}

func TestAStatementCountsOnlyForWhatItNames(t *testing.T) {
	log4j := row("CVE-2026-0001", "org.apache.logging.log4j:log4j-core", "2.14.1")
	bash := row("CVE-2026-0001", "bash", "5.2.15-2+b13", "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64")
	for _, c := range []struct {
		products string
		v        finding.Vulnerability
		is       bool
	}{
		{`{"@id":"pkg:oci/app@` + strings.ReplaceAll(image, ":", "%3A") + `"}`, cli, true},
		{`{"@id":"pkg:oci/app@` + image + `?repository_url=registry.test/library/app"}`, cli, true},
		{`{"@id":"pkg:oci/app@` + image + `?repository_url=registry.test/other"}`, cli, false},
		{`{"@id":"pkg:oci/app@` + another + `"}`, cli, false},
		{`{"@id":"pkg:oci/app?repository_url=registry.test/library"}`, cli, true},
		{`{"@id":"pkg:oci/app?repository_url=registry.test/library/app"}`, cli, true},
		{`{"@id":"pkg:oci/app?repository_url=registry.test/librarian"}`, cli, false},
		{`{"@id":"pkg:oci/app"}`, cli, false},
		{`{"@id":"` + image + `"}`, cli, true},
		{`{"@id":"x","hashes":{"sha-256":"` + image[7:] + `"}}`, cli, true},
		{`"pkg:oci/app@` + image + `"`, cli, true}, // as version 0.0 has it
		{`{"@id":"pkg:golang/github.com/docker/cli"}`, cli, true},
		{`{"@id":"pkg:golang/github.com/docker/cli@v23.0.1+incompatible"}`, cli, true},
		{`{"@id":"x","identifiers":{"purl":"pkg:golang/github.com/docker/cli@23.0.1%2Bincompatible"}}`, cli, true},
		{`{"@id":"pkg:golang/github.com/docker/cli@v24.0.0"}`, cli, false},
		{`{"@id":"pkg:golang/github.com/docker/client"}`, cli, false},
		{`{"@id":"pkg:npm/github.com/docker/cli"}`, cli, false},
		{`{"@id":"pkg:golang/example.test/main","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli"}]}`, cli, true},
		{`{"@id":"pkg:golang/example.test/main@v2.0.0","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli"}]}`, cli, false},
		{`{"@id":"pkg:golang/example.test/main","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli@v1.0.0"}]}`, cli, false},
		{`{"@id":"pkg:golang/example.test/other","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli"}]}`, cli, false},
		{`{"@id":"pkg:golang/example.test/main"}`, cli, false}, // which is only one of those that have it
		{`{"@id":"pkg:oci/app@` + image + `","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli"}]}`, cli, true},
		{`{"@id":"pkg:oci/app@` + another + `","subcomponents":[{"@id":"pkg:golang/github.com/docker/cli"}]}`, cli, false},
		{`{"@id":"pkg:maven/org.apache.logging.log4j/log4j-core"}`, log4j, true},
		{`{"@id":"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar"}`, log4j, true},
		{`{"@id":"pkg:maven/org.other/log4j-core"}`, log4j, false},
		{`{"@id":"pkg:deb/debian/bash"}`, bash, true},
		{`{"@id":"pkg:deb/debian/bash@5.2.15-2%2Bb13"}`, bash, true},
		{`{"@id":"pkg:deb/ubuntu/bash"}`, bash, false},
		{`{"@id":"something else"}`, cli, false},
		{`{"@id":"pkg:%zz/%zz"}`, cli, false},
	} {
		for _, name := range []string{"CVE-2026-0001", "GHSA-1", "go-1", "CVE-2026-0002"} {
			is := c.is && name != "CVE-2026-0002"
			got := vex.Apply([]finding.Vulnerability{c.v}, []vex.Document{document(t, says(name, c.products, "not_affected"))}, subject)[0]
			if (got.Status == finding.NotAffected) != is || vex.Counts(got) == is {
				t.Errorf("%s of %s: status %s of %s", name, c.products, got.Status, c.v.Package)
			}
		}
	}
}

func TestARowSaysWhyItDoesNotCount(t *testing.T) {
	before := fmt.Sprint(cli)
	got := vex.Apply([]finding.Vulnerability{cli}, []vex.Document{document(t, says("CVE-2026-0001", `"`+image+`"`, "not_affected"))}, subject)[0]
	want := map[string]any{"status": "not_affected", "justification": "vulnerable_code_not_present", "author": "Somebody", "document": "https://vex.test/1", "timestamp": "2026-01-01T00:00:00Z"}
	if diff := cmp.Diff(want, got.Vendor[vex.Key]); diff != "" || got.Fixed != "9" {
		t.Error(diff, got.Fixed)
	}
	if fmt.Sprint(cli) != before {
		t.Error("the row that was given is changed")
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var kept finding.Vulnerability
	if err := json.Unmarshal(text, &kept); err != nil || vex.Counts(kept) {
		t.Errorf("it counts again once it was kept: %v", err)
	}
}

func TestTheLatestStatementCounts(t *testing.T) {
	at := func(year int, status string) vex.Document {
		return document(t, strings.TrimSuffix(says("CVE-2026-0001", `"`+image+`"`, status), "}")+fmt.Sprintf(`,"timestamp":"%d-01-01T00:00:00Z"}`, year))
	}
	for _, c := range []struct {
		docs   []vex.Document
		want   finding.Status
		counts bool
	}{
		{[]vex.Document{at(2024, "not_affected"), at(2025, "under_investigation")}, finding.UnderInvestigation, true},
		{[]vex.Document{at(2025, "under_investigation"), at(2024, "not_affected")}, finding.UnderInvestigation, true},
		{[]vex.Document{at(2025, "fixed"), at(2024, "not_affected")}, finding.Fixed, false},
		{[]vex.Document{at(2024, "not_affected"), at(2025, "affected")}, finding.Fixed, true}, // a later version mends it
		{[]vex.Document{at(2024, "affected"), at(2025, "not_affected")}, finding.NotAffected, false},
	} {
		got := vex.Apply([]finding.Vulnerability{cli}, c.docs, subject)[0]
		if got.Status != c.want || vex.Counts(got) != c.counts {
			t.Errorf("%v: %s, counts: %t", c.docs, got.Status, vex.Counts(got))
		}
	}
	if !vex.Counts(cli) {
		t.Error("what a later version mends does not count")
	}
}

func TestAnAttestationIsAboutItsSubjects(t *testing.T) {
	attest := func(digest string) string {
		return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x","digest":{"sha256":%q}}],"predicateType":"https://openvex.dev/ns/v0.2.0","predicate":{%s,"statements":[%s]}}`,
			digest[7:], context, says("CVE-2026-0001", `"pkg:golang/github.com/docker/cli"`, "not_affected"))
	}
	for digest, counts := range map[string]bool{image: false, another: true} {
		d, err := vex.Parse([]byte(attest(digest)))
		if err != nil {
			t.Fatal(err)
		}
		if got := vex.Apply([]finding.Vulnerability{cli}, []vex.Document{d}, subject); vex.Counts(got[0]) != counts {
			t.Errorf("about %s: counts: %t", digest, !counts)
		}
	}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(says("CVE-2026-0001", `"x"`, "fixed")+",", 20_001), ",")
	products := strings.TrimSuffix(strings.Repeat(`"x",`, 50_001), ",")
	for name, text := range map[string]string{
		"nothing":           ``,
		"another document":  `{"@context":"https://spdx.org","statements":[]}`,
		"another statement": `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`,
		"no subject":        `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://openvex.dev/ns","predicate":{` + context + `}}`,
		"no predicate":      `{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://openvex.dev/ns"}`,
		"another status":    `{` + context + `,"statements":[` + says("CVE-2026-0001", `"x"`, "harmless") + `]}`,
		"no name":           `{` + context + `,"statements":[` + says("", `"x"`, "fixed") + `]}`,
		"an odd product":    `{` + context + `,"statements":[` + says("CVE-2026-0001", `[1]`, "fixed") + `]}`,
		"a nameless one":    `{` + context + `,"statements":[` + says("CVE-2026-0001", `{}`, "fixed") + `]}`,
		"an odd time":       `{` + context + `,"timestamp":"soon","statements":[]}`,
		"many statements":   `{` + context + `,"statements":[` + many + `]}`,
		"many products":     `{` + context + `,"statements":[` + says("CVE-2026-0001", products, "fixed") + `]}`,
		"more than 8 MiB":   `{` + context + `,"x":"` + strings.Repeat("x", vex.MaxDocument) + `"}`,
	} {
		if _, err := vex.Parse([]byte(text)); !errors.Is(err, vex.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRealDocumentsAreRead(t *testing.T) {
	folder := os.Getenv("BERTH_TEST_FACTS")
	if folder == "" {
		t.Skip("not run: BERTH_TEST_FACTS names no folder with VEX documents")
	}
	read := func(name string) vex.Document {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, "scan", "extra", "vex", name))
		if err != nil {
			t.Fatal(err)
		}
		d, err := vex.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	k3s := read("k3s-helm-set-status.openvex.json")
	rows := []finding.Vulnerability{row("CVE-2025-15558", "github.com/docker/cli", "23.0.1+incompatible", "pkg:golang/github.com/docker/cli@23.0.1%2Bincompatible")}
	with := vex.Subject{Packages: []string{"pkg:golang/github.com/k3s-io/helm-set-status@v0.3.0"}}
	if got := vex.Apply(rows, []vex.Document{k3s}, with)[0]; got.Status != finding.NotAffected || vex.Counts(got) {
		t.Errorf("%+v", got)
	}
	if got := vex.Apply(rows, []vex.Document{k3s}, vex.Subject{})[0]; got.Status != finding.Fixed || !vex.Counts(got) {
		t.Errorf("without the program: %+v", got)
	}
	gadget := read("inspektor-gadget.openvex.json")
	own := []finding.Vulnerability{row("CVE-2025-54388", "github.com/inspektor-gadget/inspektor-gadget", "0.42.0"), row("CVE-2025-54388", "github.com/inspektor-gadget/inspektor-gadget", "0.43.0")}
	got := vex.Apply(own, []vex.Document{gadget, k3s}, vex.Subject{})
	if vex.Counts(got[0]) || !vex.Counts(got[1]) {
		t.Errorf("%+v", got)
	}
	if len(gadget.Statements) != 2 || !gadget.Statements[0].Time.Equal(time.Date(2025, 11, 12, 12, 27, 14, 7523636, time.UTC)) {
		t.Errorf("%+v", gadget)
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{`+context+`,"statements":[`+says("CVE-2026-0001", `{"@id":"pkg:oci/app@`+image+`","subcomponents":["pkg:golang/github.com/docker/cli@v1"]}`, "not_affected")+`]}`), "pkg:npm/%40a/b@1")
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"x"}}],"predicateType":"https://openvex.dev/ns","predicate":{}}`), "pkg:a/@")
	f.Fuzz(func(_ *testing.T, text []byte, purl string) {
		d, err := vex.Parse(text)
		if err != nil {
			return
		}
		vex.Apply([]finding.Vulnerability{cli, row("CVE-2026-0001", "a", "1", purl)}, []vex.Document{d}, vex.Subject{Digests: []oci.Digest{image}, Packages: []string{purl}})
	})
}
