package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
)

func TestAReportIsRead(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{Reports: map[string]string{"": adaptertest.Report("%s",
		`{"id":"CVE-2026-2","package":"zlib","version":"1.2","severity":"Low"}`,
		`{"id":"CVE-2026-1","package":"openssl","version":"3.0.1","fix_version":"3.0.2","severity":"High","status":"fixed","description":"two\nlines","links":["https://a.example.org/1"],`+
			`"artifact_digests":["`+string(other)+`"],"preferred_cvss":{"score_v3":9.8,"score_v2":null,"vector_v3":"CVSS:3.1/AV:N","vector_v2":""},"cwe_ids":["CWE-79"],"vendor_attributes":{"CVSS":{"nvd":{"V3Score":9.8}}}}`,
	)}})
	c := client(t, Settings{URL: s.URL})
	for _, mediaType := range []string{finding.MediaTypeReport, finding.MediaTypeNativeReport} {
		q := of(digest)
		q.Report = mediaType
		got, err := reported(t, c, q)
		if err != nil {
			t.Fatal(err)
		}
		score := 9.8
		want := finding.Report{
			Generated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Scanner: finding.Scanner{Name: "Probe", Vendor: "Acme", Version: "7.1"},
			Vulnerabilities: []finding.Vulnerability{
				{ID: "CVE-2026-1", Package: "openssl", Version: "3.0.1", Fixed: "3.0.2", Severity: finding.High, Status: finding.Fixed, Description: "two\nlines", Links: []string{"https://a.example.org/1"},
					Layers: []oci.Digest{other}, CVSS: finding.CVSS{ScoreV3: &score, VectorV3: "CVSS:3.1/AV:N"}, CWEs: []string{"CWE-79"}, Vendor: map[string]any{"CVSS": map[string]any{"nvd": map[string]any{"V3Score": 9.8}}}},
				{ID: "CVE-2026-2", Package: "zlib", Version: "1.2", Severity: finding.Low, Status: finding.Affected},
			},
		}
		if d := diff(want, got); d != "" {
			t.Errorf("%s: %s", mediaType, d)
		}
	}
}

// reading is the report of what a scanner sends, as it is read.
func reading(t *testing.T, body string) (finding.Report, error) {
	t.Helper()
	return readReport(strings.NewReader(body), digest)
}

func TestAnArtifactWithoutVulnerabilitiesHasAReport(t *testing.T) {
	for _, body := range []string{
		adaptertest.Report(string(digest)), `{"vulnerabilities":null}`, `{"vulnerabilities":[],"artifact":{"digest":""},"more":{"x":[1,{}]}}`, ` {"vulnerabilities" : [ ] } ` + "\n",
	} {
		if r, err := reading(t, body); err != nil || len(r.Vulnerabilities) > 0 || time.Since(r.Generated) < 0 || r.Generated.IsZero() {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}

func TestWhatIsNoWholeReportOfTheArtifactIsRefused(t *testing.T) {
	for what, body := range map[string]string{
		"nothing":                  ``,
		"no object":                `[]`,
		"null":                     `null`,
		"no list":                  `{}`,
		"an error":                 `{"error":{"message":"x"}}`,
		"another form of list":     `{"vulnerabilities":{}}`,
		"a text for a list":        `{"vulnerabilities":"none"}`,
		"half a report":            `{"vulnerabilities":[{"id":"CVE-1"}`,
		"half an object":           `{"vulnerabilities":[]`,
		"something behind it":      `{"vulnerabilities":[]}{"vulnerabilities":[]}`,
		"another artifact's":       adaptertest.Report(string(other)),
		"another's, told last":     `{"vulnerabilities":[],"artifact":{"digest":"` + string(other) + `"}}`,
		"an artifact that is none": `{"vulnerabilities":[],"artifact":"x"}`,
		"a vulnerability of null":  `{"vulnerabilities":[null]}`,
		"one without an id":        `{"vulnerabilities":[{"package":"x","severity":"Low"}]}`,
		"an id with a NUL":         `{"vulnerabilities":[{"id":"CVE\u0000"}]}`,
		"an id of lines":           `{"vulnerabilities":[{"id":"CVE\n1"}]}`,
		"a long id":                `{"vulnerabilities":[{"id":"` + strings.Repeat("x", 300) + `"}]}`,
		"a severity of a number":   `{"vulnerabilities":[{"id":"CVE-1","severity":5}]}`,
		"NaN":                      `{"vulnerabilities":[{"id":"CVE-1","preferred_cvss":{"score_v3":NaN}}]}`,
		"links that are no list":   `{"vulnerabilities":[{"id":"CVE-1","links":"x"}]}`,
		"one of a mebibyte":        `{"vulnerabilities":[{"id":"CVE-1","description":"` + strings.Repeat("x", maxVulnerability) + `"}]}`,
		"a page":                   `<html></html>`,
	} {
		if r, err := reading(t, body); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
}

func TestWhatIsOddOfAVulnerabilityIsLeftOut(t *testing.T) {
	r, err := reading(t, `{"generated_at":"9999-01-01T00:00:00Z","scanner":null,"vulnerabilities":[{"id":"CVE-1","package":"a\u0000b\nc","version":null,"fix_version":"2","severity":"low","status":null,"description":"x\u0000\u001b[31my",`+
		`"links":["javascript:alert(1)","https://good.example.org/?a=b","ftp://x","//x","https://x\n","","https://`+strings.Repeat("x", 3000)+`"],"artifact_digests":["x","`+string(other)+`",""],`+
		`"preferred_cvss":{"score_v3":1e400,"score_v2":"7","vector_v3":"a\nb"},"cwe_ids":[null,"CWE-1",""],"vendor_attributes":["x"]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []finding.Vulnerability{{ID: "CVE-1", Package: "a b c", Fixed: "2", Severity: finding.Low, Status: finding.Fixed, Description: "x[31my",
		Links: []string{"https://good.example.org/?a=b"}, Layers: []oci.Digest{other}, CVSS: finding.CVSS{VectorV3: "a b"}, CWEs: []string{"CWE-1"}}}
	if d := diff(want, r.Vulnerabilities); d != "" {
		t.Error(d)
	}
	if time.Since(r.Generated) > time.Minute || time.Since(r.Generated) < 0 {
		t.Errorf("it is of %s", r.Generated)
	}
	for text, good := range map[string]bool{`0`: true, `10`: true, `7.5`: true, `-0.1`: false, `10.1`: false, `1e400`: false, `"7"`: false, `null`: false, `[]`: false, ``: false} {
		if got := score([]byte(text)); good != (got != nil) {
			t.Errorf("the score %s is %v", text, got)
		}
	}
}

func TestSeveritiesAreUnderstood(t *testing.T) {
	for word, want := range map[string]finding.Severity{
		"Critical": finding.Critical, "HIGH": finding.High, "medium": finding.Medium, " Low ": finding.Low, "Negligible": finding.Negligible, "Unknown": finding.Unknown,
		"": finding.Unknown, "None": finding.Unknown, "Moderate": finding.Medium, "Important": finding.High,
		"Defcon1": finding.Critical, "Severity(9)": finding.Critical, // what nobody knows lets nothing through
	} {
		if got := severity(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
}

// TestListsAreBounded sends more than is kept, and more than is taken.
func TestListsAreBounded(t *testing.T) {
	many := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	r, err := reading(t, `{"vulnerabilities":[{"id":"CVE-1","package":"`+strings.Repeat("é", 1000)+`","description":"`+strings.Repeat("é", 20_000)+`","links":`+many(100, `"https://x"`)+
		`,"cwe_ids":`+many(100, `"CWE-1"`)+`,"artifact_digests":`+many(300, `"`+string(other)+`"`)+`,"vendor_attributes":{"x":"`+strings.Repeat("x", maxVendor)+`"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	v := r.Vulnerabilities[0]
	if len(v.Package) > maxName || len(v.Description) != maxDescription || len(v.Links) != maxLinks || len(v.CWEs) != maxCWEs || len(v.Layers) != maxLayers || v.Vendor != nil {
		t.Errorf("%d, %d, %d, %d, %d, %v", len(v.Package), len(v.Description), len(v.Links), len(v.CWEs), len(v.Layers), v.Vendor)
	}
	var body bytes.Buffer
	body.WriteString(`{"vulnerabilities":[`)
	for i := range MaxVulnerabilities {
		fmt.Fprintf(&body, `{"id":"CVE-%d"},`, i)
	}
	if r, err := reading(t, body.String()+`{"id":"CVE-0"}]}`); err != nil || len(r.Vulnerabilities) != MaxVulnerabilities {
		t.Errorf("%d, %v", len(r.Vulnerabilities), err)
	}
	if _, err := reading(t, body.String()+`{"id":"CVE-x"}]}`); !errors.Is(err, ErrAnswer) {
		t.Errorf("one more: %v", err)
	}
}

func TestAVulnerabilityIsInAReportOnce(t *testing.T) {
	r, err := reading(t, `{"vulnerabilities":[{"id":"CVE-1","package":"a","version":"1","severity":"Low"},{"id":"CVE-1","package":"a","version":"2","severity":"Low"},`+
		`{"id":"CVE-1","package":"a","version":"1","severity":"High"},{"id":"CVE-1","package":"a","version":"1","severity":"Medium"}],"vulnerabilities":[{"id":"CVE-0","severity":"Low"}]}`)
	var got []string
	for _, v := range r.Vulnerabilities {
		got = append(got, v.ID+" "+v.Version+" "+v.Severity.String())
	}
	if d := diff([]string{"CVE-1 1 High", "CVE-0  Low", "CVE-1 2 Low"}, got); d != "" || err != nil {
		t.Errorf("%s %v", d, err)
	}
}

// TestAReportIsReadWithinBounds sends one that does not end, and looks how much of it
// is taken.
func TestAReportIsReadWithinBounds(t *testing.T) {
	var sent atomic.Int64
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", finding.MediaTypeReport)
		_, _ = w.Write([]byte(`{"vulnerabilities":[`))
		item := []byte(strings.Repeat(`{"id":"CVE-1","description":"`+strings.Repeat("x", 1000)+`"},`, 1000))
		for {
			n, err := w.Write(item)
			if sent.Add(int64(n)) > 4*MaxReport || err != nil {
				return
			}
		}
	})
	c := client(t, Settings{URL: s.URL})
	c.times.read, c.times.report = time.Minute, time.Minute
	if _, err := reported(t, c, of(digest)); !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
	if n := sent.Load(); n > 2*MaxReport {
		t.Errorf("%d bytes were taken", n)
	}
}

func TestReportsOfAnotherMediaTypeAreRefused(t *testing.T) {
	for mediaType, fits := range map[string]bool{
		finding.MediaTypeReport: true, finding.MediaTypeNativeReport: true, "application/json": true, "application/vnd.security.vulnerability.report": true,
		"text/html": false, "text/plain; charset=utf-8": false, MediaTypeSBOM: false, MediaTypeRaw: false,
	} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			adaptertest.Answer(w, 200, mediaType, adaptertest.Report(string(digest)))
		})
		if _, err := reported(t, client(t, Settings{URL: s.URL}), of(digest)); fits != (err == nil) || err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", mediaType, err)
		}
	}
}

func TestAnSBOMIsRead(t *testing.T) {
	const document = `{"spdxVersion": "SPDX-2.3", "packages": []}`
	s := adaptertest.Start(t, adaptertest.Script{Pending: 1, SBOMs: map[string]string{string(digest): document}})
	c := client(t, Settings{URL: s.URL})
	q := of(digest)
	q.Kind, q.Report = SBOM, MediaTypeSBOM
	id, err := c.Scan(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.SBOM(t.Context(), id, q)
	if err != nil || string(b.Document) != document || b.MediaType != SPDX || b.Scanner.Name != "Probe" || b.Generated.Year() != 2026 {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestWhatIsNoSBOMOfTheArtifactIsRefused(t *testing.T) {
	for what, body := range map[string]string{
		"none":              `{}`,
		"null":              adaptertest.Bill(string(digest), `null`),
		"a text":            adaptertest.Bill(string(digest), `"x"`),
		"a list":            adaptertest.Bill(string(digest), `[{}]`),
		"an empty one":      adaptertest.Bill(string(digest), `{}`),
		"another artifact":  adaptertest.Bill(string(other), `{"a":1}`),
		"another form":      strings.Replace(adaptertest.Bill(string(digest), `{"a":1}`), "spdx", "cyclonedx", 1),
		"half of one":       adaptertest.Bill(string(digest), `{"a":1}`)[:200],
		"something besides": adaptertest.Bill(string(digest), `{"a":1}`) + "x",
	} {
		if b, err := readBill(strings.NewReader(body), digest); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %+v, %v", what, b, err)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add(adaptertest.Report(string(digest), `{"id":"CVE-1","links":["https://x"],"vendor_attributes":{"a":1}}`))
	f.Add(`{"vulnerabilities":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := readReport(strings.NewReader(body), digest)
		if err != nil {
			if !errors.Is(err, ErrAnswer) {
				t.Errorf("%v", err)
			}
			return
		}
		for i, v := range r.Vulnerabilities {
			if !isWord(v.ID) || strings.ContainsRune(v.Package+v.Version+v.Fixed+v.Description, 0) || i > 0 && v.Severity > r.Vulnerabilities[i-1].Severity {
				t.Errorf("%+v", v)
			}
		}
	})
}
