package adapter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
)

const (
	digest = oci.Digest("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	other  = oci.Digest("sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// client returns a client whose times are short.
func client(t *testing.T, s Settings) *Client {
	t.Helper()
	c, err := Open(outbound.ForSystem(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.times = times{ask: 2 * time.Second, read: 2 * time.Second, first: time.Millisecond, again: time.Millisecond, least: time.Millisecond, most: 5 * time.Millisecond, report: 10 * time.Second}
	return c
}

func of(d oci.Digest) Request {
	return Request{
		Kind: Vulnerabilities, Report: finding.MediaTypeReport,
		Registry: Registry{URL: "http://127.0.0.1:1", Authorization: secret.New("Basic eA==")},
		Artifact: Artifact{Repository: "library/app", Tag: "1", Digest: d, MediaType: oci.MediaTypeImageManifest, Size: 7},
	}
}

// reported has an artifact scanned and waits for the report.
func reported(t *testing.T, c *Client, q Request) (finding.Report, error) {
	t.Helper()
	id, err := c.Scan(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return c.Report(t.Context(), id, q)
}

// answering is a scanner that takes any scan and answers for each report so.
func answering(t *testing.T, report func(w http.ResponseWriter, r *http.Request)) *adaptertest.Scanner {
	t.Helper()
	return adaptertest.Start(t, adaptertest.Script{Instead: func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/report") {
			return false
		}
		report(w, r)
		return true
	}})
}

func TestSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		url        string
		auth       Auth
		credential string
		want       string // the URL, or what is wrong
	}{
		{"http://trivy:8080", NoAuth, "", "http://trivy:8080"},
		{" HTTPS://Trivy.example.org/below// ", NoAuth, "", "https://trivy.example.org/below"},
		{"https://trivy", Basic, "me:x", "https://trivy"},
		{"https://trivy", Bearer, "x", "https://trivy"},
		{"https://trivy", APIKey, "x", "https://trivy"},
		{"trivy:8080", NoAuth, "", "url: "},
		{"", NoAuth, "", "url: "},
		{"ftp://trivy", NoAuth, "", "url: "},
		{"http://u:p@trivy", NoAuth, "", "url: "},
		{"http://trivy/?x", NoAuth, "", "url: "},
		{"http://trivy/#x", NoAuth, "", "url: "},
		{"http://" + strings.Repeat("x", 1024), NoAuth, "", "url: "},
		{"https://trivy", "Digest", "x", "auth: "},
		{"https://trivy", "basic", "x:y", "auth: "},
		{"https://trivy", Basic, "", "access_credential: "},
		{"https://trivy", NoAuth, "x", "access_credential: "},
		{"https://trivy", Basic, "x", "access_credential: "},
		{"https://trivy", Bearer, "x\r\nX-Other: y", "access_credential: "},
		{"https://trivy", Bearer, strings.Repeat("x", 16<<10+1), "access_credential: "},
	} {
		s := Settings{URL: c.url, Auth: c.auth, Credential: secret.New(c.credential)}
		switch err := s.Check(); {
		case err == nil && s.URL != c.want:
			t.Errorf("%+v: %s", c, s.URL)
		case err != nil && (!errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := Open(outbound.ForSystem(), Settings{URL: "http://169.254.169.254"}); !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("the address of a cloud's metadata: %v", err)
	}
}

func TestAScannerSaysWhatItIs(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{})
	m, err := client(t, Settings{URL: s.URL}).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (finding.Scanner{Name: "Probe", Vendor: "Acme", Version: "7.1"}); m.Scanner != want || len(m.Capabilities) != 2 || m.Properties["harbor.scanner-adapter/scanner-type"] != "os-package-vulnerability" {
		t.Errorf("%+v", m)
	}
	for _, c := range []struct {
		kind     Kind
		manifest string
		report   string
	}{
		{Vulnerabilities, oci.MediaTypeImageManifest, finding.MediaTypeReport},
		{Vulnerabilities, dockerManifest, finding.MediaTypeReport},
		{SBOM, oci.MediaTypeImageManifest, MediaTypeSBOM},
		{SBOM, "application/vnd.oci.image.index.v1+json", ""},
		{"secrets", oci.MediaTypeImageManifest, ""},
	} {
		if got, can := m.Report(c.kind, c.manifest); got != c.report || can != (c.report != "") {
			t.Errorf("%+v: %q, %v", c, got, can)
		}
	}
	if !m.Does(SBOM) || m.Does("secrets") || m.WantsBearer() {
		t.Errorf("%+v", m)
	}
}

// TestOldScannersAreUnderstood has neither types nor a space in media types.
func TestOldScannersAreUnderstood(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{Metadata: `{"scanner":{"name":"a","vendor":"b","version":"c"},"properties":{"harbor.scanner-adapter/registry-authorization-type":"Bearer","n":7},` +
		`"capabilities":[{"consumes_mime_types":["application/vnd.docker.distribution.manifest.v2+json"],"produces_mime_types":["application/vnd.scanner.adapter.vuln.report.harbor+json;version=1.0"]}]}`})
	m, err := client(t, Settings{URL: s.URL}).Metadata(t.Context())
	if err != nil || !m.WantsBearer() || len(m.Properties) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if report, can := m.Report(Vulnerabilities, dockerManifest); !can || report != finding.MediaTypeNativeReport {
		t.Errorf("%q", report)
	}
}

func TestWhatIsNoScannerIsRefused(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{})
	c := client(t, Settings{URL: s.URL})
	replaced := func(old, new string) string {
		if !strings.Contains(adaptertest.Metadata, old) {
			t.Fatalf("there is no %s", old)
		}
		return strings.ReplaceAll(adaptertest.Metadata, old, new)
	}
	for _, metadata := range []string{
		`{}`, `[]`, `null`, `"x"`, `{`, `<html>`,
		replaced(`"name":"Probe"`, `"name":""`), replaced(`"Acme"`, `null`), replaced(`"7.1"`, `"\u0000"`), replaced(`"7.1"`, `7`), replaced("Acme", strings.Repeat("x", 300)),
		`{"scanner":{"name":"a","vendor":"b","version":"c"}}`, `{"scanner":{"name":"a","vendor":"b","version":"c"},"capabilities":null}`,
		replaced(dockerManifest, "application/x"), replaced("application/vnd.security.sbom.report+json; version=1.0", "application/x"),
		replaced(`"type":"sbom"`, `"type":"\n"`), replaced(`"application/spdx+json"`, `"`+strings.Repeat("x", maxAnswer)+`"`),
		replaced(`"produces_mime_types":[`, `"produces_mime_types":[`+strings.Repeat(`"x",`, maxTypes)),
	} {
		s.Become(adaptertest.Script{Metadata: metadata})
		if m, err := c.Metadata(t.Context()); !errors.Is(err, ErrAnswer) {
			t.Errorf("%.200s: %+v, %v", metadata, m, err)
		}
	}
	for mediaType, fits := range map[string]bool{"application/json": true, "application/json; charset=utf-8": true, mediaTypeMetadata: true, "text/html": false, "": false, ";": false} {
		s.Become(adaptertest.Script{Instead: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header()["Content-Type"] = []string{mediaType}
			adaptertest.Answer(w, 200, mediaType, adaptertest.Metadata)
			return true
		}})
		if _, err := c.Metadata(t.Context()); fits != (err == nil) || err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("as %q: %v", mediaType, err)
		}
	}
}

func TestCredentialsAreSentAsTheyAreWanted(t *testing.T) {
	for _, c := range []struct {
		auth                      Auth
		credential, header, value string
	}{
		{NoAuth, "", "User-Agent", "Berth"},
		{Basic, "me:p:x", "Authorization", "Basic bWU6cDp4"},
		{Bearer, "t0ken", "Authorization", "Bearer t0ken"},
		{APIKey, "k3y", "X-ScannerAdapter-API-Key", "k3y"},
	} {
		s := adaptertest.Start(t, adaptertest.Script{Header: c.header, Value: c.value})
		right := client(t, Settings{URL: s.URL, Auth: c.auth, Credential: secret.New(c.credential)})
		if _, err := right.Metadata(t.Context()); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := reported(t, right, of(digest)); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if c.auth == NoAuth {
			continue
		}
		wrong := client(t, Settings{URL: s.URL, Auth: Bearer, Credential: secret.New("wrong")})
		_, err := wrong.Metadata(t.Context())
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "who are you?") {
			t.Errorf("%+v, with another: %v", c, err)
		}
		if _, err := wrong.Scan(t.Context(), of(digest)); !errors.Is(err, ErrRefused) {
			t.Errorf("%+v, with another: %v", c, err)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	s := adaptertest.StartTLS(t, adaptertest.Script{})
	if _, err := client(t, Settings{URL: s.URL}).Metadata(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
	if _, err := client(t, Settings{URL: s.URL, SkipVerify: true}).Metadata(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestRedirectsAreNotFollowed sends whoever asks to a second server.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var led atomic.Int64
	there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	defer there.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := adaptertest.Start(t, adaptertest.Script{Instead: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, there.URL+r.URL.Path, status)
			return true
		}})
		c := client(t, Settings{URL: s.URL, Auth: Bearer, Credential: secret.New("x")})
		c.times.report = 50 * time.Millisecond
		_, asked := c.Metadata(t.Context())
		_, begun := c.Scan(t.Context(), of(digest))
		_, waited := c.Report(t.Context(), "1", of(digest))
		for _, err := range []error{asked, begun} {
			if !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%d: %v", status, err)
			}
		}
		if status == 302 && !errors.Is(waited, ErrUnavailable) || status != 302 && !errors.Is(waited, ErrAnswer) {
			t.Errorf("%d: %v", status, waited)
		}
	}
	if led.Load() > 0 {
		t.Error("the second server was asked")
	}
}

func TestAScanIsAskedForWhole(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{})
	c := client(t, Settings{URL: s.URL + "/"})
	q := of(digest)
	q.Registry.Insecure = true
	if _, err := c.Scan(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	q.Kind, q.Report = SBOM, MediaTypeSBOM
	if _, err := c.Scan(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	scans := s.Scans()
	if len(scans) != 2 {
		t.Fatalf("%d scans", len(scans))
	}
	first, second := scans[0], scans[1]
	if first.Registry.URL != "http://127.0.0.1:1" || first.Registry.Authorization != "Basic eA==" || !first.Registry.Insecure {
		t.Errorf("%+v", first.Registry)
	}
	if a := first.Artifact; a.Repository != "library/app" || a.Tag != "1" || a.Digest != string(digest) || a.MediaType != oci.MediaTypeImageManifest || a.Size != 7 {
		t.Errorf("%+v", a)
	}
	if e := first.Capabilities[0]; e.Type != "vulnerability" || len(e.Produces) != 1 || e.Produces[0] != finding.MediaTypeReport || e.Parameters.SBOMs != nil {
		t.Errorf("%+v", e)
	}
	if e := second.Capabilities[0]; e.Type != "sbom" || e.Produces[0] != MediaTypeSBOM || len(e.Parameters.SBOMs) != 1 || e.Parameters.SBOMs[0] != SPDX {
		t.Errorf("%+v", e)
	}
}

func TestIDsOfScansDoNotLeadElsewhere(t *testing.T) {
	var paths []string
	for id, good := range map[string]bool{"7": true, "a/../../b?c#d": true, "": false, ".": false, "..": false, "\x00": false, strings.Repeat("x", 257): false} {
		s := adaptertest.Start(t, adaptertest.Script{Instead: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				adaptertest.Answer(w, 202, mediaTypeResponse, fmt.Sprintf(`{"id":%s}`, quoted(id)))
				return true
			}
			paths = append(paths, r.URL.EscapedPath()+"?"+r.URL.RawQuery)
			adaptertest.Answer(w, 200, finding.MediaTypeReport, adaptertest.Report(string(digest)))
			return true
		}})
		c := client(t, Settings{URL: s.URL})
		got, err := c.Scan(t.Context(), of(digest))
		if good != (err == nil) || err != nil && !errors.Is(err, ErrAnswer) || err == nil && got != id {
			t.Errorf("%q: %q, %v", id, got, err)
		}
		if _, err := c.Report(t.Context(), id, of(digest)); good != (err == nil) || err != nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, p := range paths {
		if p != "/api/v1/scan/7/report?" && p != "/api/v1/scan/a%2F..%2F..%2Fb%3Fc%23d/report?" {
			t.Errorf("%s was asked for", p)
		}
	}
}

func quoted(text string) string { return strings.ReplaceAll(fmt.Sprintf("%q", text), `\x00`, `\u0000`) }

func TestAScannerIsWaitedFor(t *testing.T) {
	s := adaptertest.Start(t, adaptertest.Script{Pending: 3})
	c := client(t, Settings{URL: s.URL})
	for _, after := range []string{"", "0", "1", "-9", "x", "999999999999999999999", "1.5"} {
		s.Become(adaptertest.Script{Pending: 3, RefreshAfter: after})
		began := time.Now()
		if _, err := reported(t, c, of(digest)); err != nil {
			t.Errorf("again in %q: %v", after, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("again in %q: it took %s", after, took)
		}
	}
	for _, scan := range s.Scans() {
		if scan.Polls != 4 {
			t.Errorf("%d times", scan.Polls)
		}
	}
}

func TestPausesAreBounded(t *testing.T) {
	c := &Client{times: usual}
	for text, want := range map[string]time.Duration{
		"": 5 * time.Second, "0": 5 * time.Second, "-5": 5 * time.Second, "x": 5 * time.Second, "99999999999999999999": 5 * time.Second,
		"1": time.Second, "30": 30 * time.Second, "127": time.Minute, "9223372036": time.Minute, "9223372036854775807": time.Minute,
	} {
		if got := c.pause(http.Header{"Refresh-After": {text}}); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestEveryWaitEnds(t *testing.T) {
	never := adaptertest.Start(t, adaptertest.Script{Pending: 1 << 30})
	c := client(t, Settings{URL: never.URL})
	c.times.report = 50 * time.Millisecond
	if _, err := reported(t, c, of(digest)); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "longer than 50ms") {
		t.Errorf("a report that does not come: %v", err)
	}
	mute := adaptertest.Start(t, adaptertest.Script{Delay: time.Minute})
	c = client(t, Settings{URL: mute.URL})
	c.times.ask, c.times.read = 50*time.Millisecond, 20*time.Millisecond
	if _, err := c.Metadata(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "longer than 50ms") {
		t.Errorf("no answer: %v", err)
	}
	if _, err := c.Report(t.Context(), "1", of(digest)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no answer for a report: %v", err)
	}
	drips := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", finding.MediaTypeReport)
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	c = client(t, Settings{URL: drips.URL})
	c.times.read = 30 * time.Millisecond
	if _, err := reported(t, c, of(digest)); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "longer than 30ms") {
		t.Errorf("a report that does not end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := client(t, Settings{URL: never.URL}).Report(ctx, "1", of(digest)); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := client(t, Settings{URL: "http://127.0.0.1:1"}).Metadata(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestASingleFailureEndsNoScan has a scanner not answer now and then.
func TestASingleFailureEndsNoScan(t *testing.T) {
	for _, c := range []struct {
		inARow int
		ends   bool
	}{{1, false}, {maxMissed, false}, {maxMissed + 1, true}} {
		n := 0
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			switch n++; {
			case n <= c.inARow || n > c.inARow+1 && n <= 2*c.inARow+1:
				adaptertest.Fail(w, 503, "busy")
			case n == c.inARow+1:
				w.WriteHeader(http.StatusFound)
			default:
				adaptertest.Answer(w, 200, finding.MediaTypeReport, adaptertest.Report(string(digest)))
			}
		})
		_, err := reported(t, client(t, Settings{URL: s.URL}), of(digest))
		if c.ends != (err != nil) || c.ends && (!errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "busy")) {
			t.Errorf("%d in a row: %v", c.inARow, err)
		}
	}
	dropped := false
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		if !dropped {
			dropped = true
			w.Header().Set("Content-Length", "1000")
			adaptertest.Answer(w, 200, finding.MediaTypeReport, `{"vulnerabilities":[`)
			panic(http.ErrAbortHandler)
		}
		adaptertest.Answer(w, 200, finding.MediaTypeReport, adaptertest.Report(string(digest)))
	})
	if _, err := reported(t, client(t, Settings{URL: s.URL}), of(digest)); err != nil || !dropped {
		t.Errorf("a connection that breaks: %v", err)
	}
}

// TestACredentialThatAScannerSaysAgainIsNotShown in whichever form.
func TestACredentialThatAScannerSaysAgainIsNotShown(t *testing.T) {
	for auth, credential := range map[Auth]string{Basic: "me:hunter2hunter2", Bearer: "t0ken-t0ken", APIKey: "k3y-k3y-k3y"} {
		probe := adaptertest.Start(t, adaptertest.Script{Instead: func(w http.ResponseWriter, r *http.Request) bool {
			adaptertest.Fail(w, http.StatusBadRequest, fmt.Sprint("you said ", r.Header, ", which is ", credential, " of hunter2hunter2"))
			return true
		}})
		c, err := Open(outbound.ForSystem(), Settings{URL: probe.URL, Auth: auth, Credential: secret.New(credential)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		_, err = c.Metadata(t.Context())
		if err == nil || !strings.Contains(err.Error(), "you said") {
			t.Fatalf("%s: %v", auth, err)
		}
		for _, hidden := range []string{credential, base64.StdEncoding.EncodeToString([]byte(credential)), "hunter2hunter2"} {
			if strings.Contains(err.Error(), hidden) && (hidden != "hunter2hunter2" || auth == Basic) {
				t.Errorf("%s: %v", auth, err)
			}
		}
	}
}

func TestErrorsSayWhatTheScannerSays(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   *fault.Fault
		says   string
	}{
		{400, `{"error":{"message":"no such artifact"}}`, ErrRejected, "no such artifact"},
		{401, `{}`, ErrRefused, "Unauthorized"},
		{403, `x`, ErrRefused, "Forbidden"},
		{404, `{"error":{"message":"gone"}}`, ErrNotFound, "gone"},
		{422, `{"error":null}`, ErrRejected, "Unprocessable"},
		{500, `{"error":{"message":"out of\u0000\nmemory"}}`, ErrFailed, "out of  memory"},
		{500, `{"error":{"message":"` + strings.Repeat("x", 5000) + `"}}`, ErrFailed, strings.Repeat("x", 300) + "…"},
		{500, strings.Repeat(" ", maxError) + `{"error":{"message":"far away"}}`, ErrFailed, "Internal Server Error"},
		{599, ``, ErrFailed, "a status that there is none of"},
		{204, ``, ErrAnswer, "204"},
		{202, `{}`, ErrAnswer, "202"},
	} {
		s := answering(t, func(w http.ResponseWriter, _ *http.Request) { adaptertest.Answer(w, c.status, "text/plain", c.body) })
		_, err := reported(t, client(t, Settings{URL: s.URL}), of(digest))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 500 {
			t.Errorf("%d %.60s: %v", c.status, c.body, err)
		}
	}
}

func TestAScannerPullsWithWhatItIsGiven(t *testing.T) {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/v2/library/app/manifests/"+string(digest):
			http.NotFound(w, r)
		case r.Header.Get("Authorization") != adaptertest.Credential("robot", "x"):
			w.WriteHeader(http.StatusForbidden)
		default:
			_, _ = w.Write([]byte(`{"schemaVersion":2}`))
		}
	}))
	defer registry.Close()
	s := adaptertest.Start(t, adaptertest.Script{Pull: true})
	c := client(t, Settings{URL: s.URL})
	q := of(digest)
	q.Registry = Registry{URL: registry.URL, Authorization: secret.New(adaptertest.Credential("robot", "x"))}
	if _, err := reported(t, c, q); err != nil {
		t.Error(err)
	}
	q.Registry.Authorization = secret.New(adaptertest.Credential("robot", "y"))
	if _, err := reported(t, c, q); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
	if scans := s.Scans(); string(scans[0].Manifest) != `{"schemaVersion":2}` || scans[1].Manifest != nil {
		t.Errorf("%q, %q", scans[0].Manifest, scans[1].Manifest)
	}
}

// diff compares two values.
func diff[T any](want, got T) string { return cmp.Diff(want, got) }
