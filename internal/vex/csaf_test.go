package vex_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/vex"
)

// csaf returns a CSAF document with a tree of products and vulnerabilities.
func csaf(tree, vulnerabilities string) string {
	return `{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"x","publisher":{"category":"vendor","name":"Somebody","namespace":"https://vex.test"},
		"tracking":{"id":"VEX-1","current_release_date":"2026-01-01T00:00:00Z","status":"final","version":"1"}},
		"product_tree":{` + tree + `},"vulnerabilities":[` + vulnerabilities + `]}`
}

func csafProduct(id, purl string) string {
	return fmt.Sprintf(`{"product_id":%q,"name":"x","product_identification_helper":{"purl":%q}}`, id, purl)
}

const docker = "pkg:golang/github.com/docker/cli"

func TestAStatementOfCSAFCountsOnlyForWhatItNames(t *testing.T) {
	below := func(category, product string) string {
		return fmt.Sprintf(`"branches":[{"category":"vendor","name":"x","branches":[{"category":%q,"name":"x","product":%s}]}]`, category, product)
	}
	together := func(a, b string) string {
		return `"full_product_names":[` + a + `,` + b + `],"relationships":[{"category":"default_component_of","product_reference":"a","relates_to_product_reference":"b","full_product_name":{"product_id":"p","name":"x"}}]`
	}
	for _, c := range []struct {
		tree, status string
		counts       bool
	}{
		{`"full_product_names":[` + csafProduct("p", docker) + `]`, "known_not_affected", false},
		{`"full_product_names":[` + csafProduct("p", docker) + `]`, "fixed", false},
		{`"full_product_names":[` + csafProduct("p", docker) + `]`, "known_affected", true},
		{`"full_product_names":[` + csafProduct("p", docker) + `]`, "recommended", true},
		{`"full_product_names":[` + csafProduct("q", docker) + `]`, "fixed", true},
		{below("product_version", csafProduct("p", docker+"@v23.0.1+incompatible")), "known_not_affected", false},
		{below("product_version", csafProduct("p", docker+"@v24.0.0")), "known_not_affected", true},
		{below("product_version_range", csafProduct("p", docker)), "known_not_affected", true}, // of which nobody can tell the versions
		{below("product_version", csafProduct("p", docker)), "known_not_affected", true},
		{below("product_name", csafProduct("p", docker)), "known_not_affected", false},
		{`"full_product_names":[{"product_id":"p","product_identification_helper":{"hashes":[{"filename":"x","file_hashes":[{"algorithm":"sha256","value":"` + strings.ToUpper(image[7:]) + `"}]}]}}]`, "fixed", false},
		{`"full_product_names":[{"product_id":"p","product_identification_helper":{"hashes":[{"filename":"x","file_hashes":[{"algorithm":"sha512","value":"` + image[7:] + `"}]}]}}]`, "fixed", true},
		{together(csafProduct("a", docker), csafProduct("b", "pkg:oci/app@"+image)), "known_not_affected", false},
		{together(csafProduct("a", docker), csafProduct("b", "pkg:oci/app@"+another)), "known_not_affected", true},
		{together(csafProduct("a", "pkg:golang/other"), csafProduct("b", "pkg:oci/app@"+image)), "known_not_affected", true},
		{together(`{"product_id":"a","name":"x"}`, csafProduct("b", "pkg:oci/app@"+image)), "known_not_affected", true}, // some part of the image
		{together(csafProduct("a", docker), `{"product_id":"b","name":"x"}`), "known_not_affected", true},
	} {
		d, err := vex.Parse([]byte(csaf(c.tree, fmt.Sprintf(`{"cve":"CVE-2026-0001","product_status":{%q:["p"]}}`, c.status))))
		if err != nil {
			t.Errorf("%s: %v", c.tree, err)
			continue
		}
		if got := vex.Apply([]finding.Vulnerability{cli}, []vex.Document{d}, subject)[0]; vex.Counts(got) != c.counts {
			t.Errorf("%s of %s: counts: %t", c.status, c.tree, !c.counts)
		}
	}
}

func TestCSAFSaysWhy(t *testing.T) {
	d, err := vex.Parse([]byte(csaf(`"full_product_names":[`+csafProduct("p", docker)+`,`+csafProduct("q", "pkg:npm/a")+`],"product_groups":[{"group_id":"g","product_ids":["p"]}]`,
		`{"ids":[{"system_name":"GitHub","text":"GHSA-1"}],"product_status":{"known_not_affected":["p","q"],"known_affected":["q"]},
		"flags":[{"label":"component_not_present","group_ids":["g","h"]}],"threats":[{"category":"impact","details":"not built in","product_ids":["p"]},{"category":"exploit_status","details":"x","product_ids":["p"]}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	all := vex.Apply([]finding.Vulnerability{cli, row("CVE-2026-0001", "a", "1", "pkg:npm/a@1")}, []vex.Document{d}, subject)
	want := map[string]any{"status": "not_affected", "justification": "component_not_present", "impact_statement": "not built in", "author": "Somebody", "document": "VEX-1", "timestamp": "2026-01-01T00:00:00Z"}
	if diff := cmp.Diff(want, all[0].Vendor[vex.Key]); diff != "" {
		t.Error(diff)
	}
	if !vex.Counts(all[1]) {
		t.Error("what is said to be affected and not to be does not count")
	}
}

func TestWhatIsNoCSAFDocumentIsRefused(t *testing.T) {
	ids := func(n int) string { return `["p"` + strings.Repeat(`,"p"`, n-1) + `]` }
	flags := strings.TrimSuffix(strings.Repeat(`{"label":"x","group_ids":["g"]},`, 1000), ",")
	product := `"full_product_names":[` + csafProduct("p", docker) + `]`
	for name, text := range map[string]string{
		"another category": strings.Replace(csaf("", ""), "csaf_vex", "csaf_security_advisory", 1),
		"no name":          csaf(product, `{"product_status":{"fixed":["p"]}}`),
		"an odd status":    csaf(product, `{"cve":"CVE-1","product_status":[]}`),
		"many products":    csaf(product, `{"cve":"CVE-1","product_status":{"fixed":`+ids(50_001)+`}}`),
		"many names":       csaf("", `{"cve":"CVE-1","product_status":{"fixed":`+ids(500_001)+`}}`),
		"large groups":     csaf(`"product_groups":[{"group_id":"g","product_ids":`+ids(1000)+`}]`, `{"cve":"CVE-1","flags":[`+flags+`]}`),
		"deep branches":    csaf(strings.Repeat(`"branches":[{`, 10_001)+strings.Repeat(`}]`, 10_001), ""),
		"many statements":  csaf(product, strings.TrimSuffix(strings.Repeat(`{"cve":"CVE-1","product_status":{"fixed":["p"]}},`, 20_001), ",")),
	} {
		if _, err := vex.Parse([]byte(text)); !errors.Is(err, vex.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// statement returns an in-toto statement of a digest, as cosign makes it of an OpenVEX
// document.
func statement(predicateType, digest string) string {
	return fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":%q,"subject":[{"name":"registry.test/library/app","digest":{"sha256":%q}}],"predicate":{%s,"statements":[%s]}}`,
		predicateType, digest[7:], context, says("CVE-2026-0001", `"`+docker+`"`, "not_affected"))
}

// sealed returns something in an envelope, as cosign makes it, and that in a bundle.
func sealed(t testing.TB, payloadType string, encoding *base64.Encoding, payload string) (envelope, bundle string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"payloadType": payloadType, "payload": encoding.EncodeToString([]byte(payload)), "signatures": []any{map[string]string{"keyid": "", "sig": "AAAA"}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text), `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":` + string(text) + `}`
}

func TestAnEnvelopeHasAnAttestation(t *testing.T) {
	for digest, counts := range map[string]bool{image: false, another: true} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			one, two := sealed(t, vex.MediaTypeStatement, encoding, statement("https://openvex.dev/ns", digest))
			for _, text := range []string{one, two} {
				d, err := vex.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if got := vex.Apply([]finding.Vulnerability{cli}, []vex.Document{d}, subject); vex.Counts(got[0]) != counts {
					t.Errorf("about %s: counts: %t", digest, !counts)
				}
			}
		}
	}
}

func TestWhatIsNoAttestationIsRefused(t *testing.T) {
	good := statement("https://openvex.dev/ns", image)
	inner, _ := sealed(t, vex.MediaTypeStatement, base64.StdEncoding, good)
	for name, c := range map[string]struct{ payloadType, payload string }{
		"another payload":    {"application/json", good},
		"another predicate":  {vex.MediaTypeStatement, statement("https://spdx.dev/Document", image)},
		"one like it":        {vex.MediaTypeStatement, statement("https://openvex.dev/nsx", image)},
		"a bare document":    {vex.MediaTypeStatement, `{` + context + `,"statements":[]}`},
		"one in another":     {vex.MediaTypeStatement, inner},
		"no digest":          {vex.MediaTypeStatement, statement("https://openvex.dev/ns", "sha256:x")},
		"nothing":            {vex.MediaTypeStatement, ""},
		"more than 8 MiB":    {vex.MediaTypeStatement, strings.Repeat(" ", vex.MaxDocument) + good},
		"6 MiB in base64":    {vex.MediaTypeStatement, strings.Repeat(" ", 6<<20) + good},
		"a CSAF document":    {vex.MediaTypeStatement, csaf("", "")},
		"a nested statement": {vex.MediaTypeStatement, strings.Repeat("[", 20_000)},
	} {
		envelope, bundle := sealed(t, c.payloadType, base64.StdEncoding, c.payload)
		for _, text := range []string{envelope, bundle} {
			if _, err := vex.Parse([]byte(text)); !errors.Is(err, vex.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, text := range []string{`{"payloadType":"application/vnd.in-toto+json","payload":"%%"}`, `{"payloadType":"application/vnd.in-toto+json"}`, `{"dsseEnvelope":{}}`, `{"dsseEnvelope":[]}`, `{"messageSignature":{}}`} {
		if _, err := vex.Parse([]byte(text)); !errors.Is(err, vex.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOfAnIndexOnlyWhatIsCalledByADigestCounts(t *testing.T) {
	with := subject
	with.Digests = append(with.Digests, another) // an index that has the image
	for products, counts := range map[string]bool{
		`"` + image + `"`:                   false,
		`"` + another + `"`:                 false,
		`"pkg:oci/app@` + another + `"`:     false,
		`"x","pkg:oci/app@` + another + `"`: false,
		`{"@id":"pkg:oci/app@` + another + `","subcomponents":["` + docker + `"]}`:   false,
		`{"@id":"pkg:oci/app@` + another + `","subcomponents":["pkg:golang/other"]}`: true,
		`"` + docker + `"`: true,
		`"pkg:oci/app?repository_url=registry.test/library/app"`:                            true,
		`"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","other"`: true,
	} {
		d := document(t, says("CVE-2026-0001", products, "not_affected")).Naming(with)
		if got := vex.Apply([]finding.Vulnerability{cli}, []vex.Document{d}, with); vex.Counts(got[0]) != counts {
			t.Errorf("%s: counts: %t", products, !counts)
		}
	}
}

func FuzzCSAF(f *testing.F) {
	f.Add([]byte(csaf(`"branches":[{"category":"product_version","product":`+csafProduct("p", docker+"@1")+`}],"product_groups":[{"group_id":"g","product_ids":["p"]}]`,
		`{"cve":"CVE-2026-0001","product_status":{"fixed":["p"]},"flags":[{"label":"x","group_ids":["g"]}]}`)))
	one, two := sealed(f, vex.MediaTypeStatement, base64.StdEncoding, statement("https://openvex.dev/ns", image))
	f.Add([]byte(one))
	f.Add([]byte(two))
	f.Fuzz(func(_ *testing.T, text []byte) {
		d, err := vex.Parse(text)
		if err != nil {
			return
		}
		about := vex.Subject{Digests: []oci.Digest{image}, Packages: []string{docker + "@1"}}
		vex.Apply([]finding.Vulnerability{cli}, []vex.Document{d, d.Naming(about)}, about)
	})
}
