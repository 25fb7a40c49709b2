// Package adaptertest is a scanner for tests: a server on loopback that speaks the API
// of pluggable scanners as it is told to, also slowly and wrongly. It finds nothing by
// itself; what it reports of an artifact is what the test gives it.
package adaptertest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Media types of what it answers.
const (
	metadataType = "application/vnd.scanner.adapter.metadata+json; version=1.0"
	acceptedType = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
	sbomType     = "application/vnd.security.sbom.report+json; version=1.0"
)

// Metadata is what it says of itself unless it is told otherwise.
const Metadata = `{"scanner":{"name":"Probe","vendor":"Acme","version":"7.1"},"capabilities":[` +
	`{"type":"vulnerability","consumes_mime_types":["application/vnd.oci.image.manifest.v1+json","application/vnd.docker.distribution.manifest.v2+json"],` +
	`"produces_mime_types":["application/vnd.security.vulnerability.report; version=1.1","application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"]},` +
	`{"type":"sbom","consumes_mime_types":["application/vnd.oci.image.manifest.v1+json","application/vnd.docker.distribution.manifest.v2+json"],` +
	`"produces_mime_types":["application/vnd.security.sbom.report+json; version=1.0"],"additional_attributes":{"sbom_media_types":["application/spdx+json"]}}],` +
	`"properties":{"harbor.scanner-adapter/scanner-type":"os-package-vulnerability","harbor.scanner-adapter/registry-authorization-type":"Basic"}}`

// A Script is how a scanner behaves. The zero Script answers at once and knows nothing
// wrong of any artifact.
type Script struct {
	// Header and Value are what each request must have; empty: anything does.
	Header, Value string
	// Metadata is what it says of itself; empty: Metadata of the package.
	Metadata string
	// Reports are whole reports by the digest of the artifact, or under "" for all
	// others. %s in one is replaced by the digest. Without one, it has found nothing.
	Reports map[string]string
	// SBOMs are the same for SBOMs: the documents, without what is around them.
	SBOMs map[string]string
	// Pending is how often a report is not ready when it is asked for, and RefreshAfter
	// what the scanner then says of when to ask again.
	Pending      int
	RefreshAfter string
	// Delay is waited for before each answer, while the client waits.
	Delay time.Duration
	// Pull has it get the manifest from the registry, with the authorization that it was
	// given, before it accepts a scan's report to be asked for.
	Pull bool
	// Instead answers a request where it returns true, in whichever way.
	Instead func(w http.ResponseWriter, r *http.Request) bool
}

// A Scan is what it was asked to do, and what came of it.
type Scan struct {
	ID       string
	Registry struct {
		URL           string `json:"url"`
		Authorization string `json:"authorization"`
		Insecure      bool   `json:"insecure"`
	} `json:"registry"`
	Artifact struct {
		Repository string `json:"repository"`
		Tag        string `json:"tag"`
		Digest     string `json:"digest"`
		MediaType  string `json:"mime_type"`
		Size       int64  `json:"size"`
	} `json:"artifact"`
	Capabilities []struct {
		Type       string   `json:"type"`
		Produces   []string `json:"produces_mime_types"`
		Parameters struct {
			SBOMs []string `json:"sbom_media_types"`
		} `json:"parameters"`
	} `json:"enabled_capabilities"`

	Manifest []byte // as it was pulled
	Failed   string // why it was not
	Polls    int    // how often the report was asked for
}

// A Scanner is an http.Handler that speaks the API.
type Scanner struct {
	URL string // of the server that Start or StartTLS have started

	mu     sync.Mutex
	script Script
	scans  []*Scan
	asked  int
}

// New returns a scanner for a server that others start.
func New(script Script) *Scanner { return &Scanner{script: script} }

// Start starts a scanner, which runs until the end of the test.
func Start(t testing.TB, script Script) *Scanner {
	t.Helper()
	return start(t, script, (*httptest.Server).Start)
}

// StartTLS starts one whose certificate nobody has signed.
func StartTLS(t testing.TB, script Script) *Scanner {
	t.Helper()
	return start(t, script, (*httptest.Server).StartTLS)
}

func start(t testing.TB, script Script, begin func(*httptest.Server)) *Scanner {
	s := New(script)
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes and answers that are meant to fail
	begin(server)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Become has it behave otherwise from now on.
func (s *Scanner) Become(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Scans returns what it was asked to do so far.
func (s *Scanner) Scans() (all []Scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.scans {
		all = append(all, *one)
	}
	return all
}

// Asked returns how many requests there were.
func (s *Scanner) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// ServeHTTP implements http.Handler.
func (s *Scanner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	script := s.script
	s.mu.Unlock()
	if script.Delay > 0 {
		select {
		case <-time.After(script.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if script.Header != "" && r.Header.Get(script.Header) != script.Value {
		Fail(w, http.StatusUnauthorized, "who are you?")
		return
	}
	if script.Instead != nil && script.Instead(w, r) {
		return
	}
	id, isReport := strings.CutPrefix(r.URL.Path, "/api/v1/scan/")
	id, whole := strings.CutSuffix(id, "/report")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/metadata":
		body := script.Metadata
		if body == "" {
			body = Metadata
		}
		Answer(w, http.StatusOK, metadataType, body)
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/scan":
		s.accept(w, r, script)
	case r.Method == http.MethodGet && isReport && whole:
		s.report(w, r, script, id)
	default:
		Fail(w, http.StatusNotFound, "there is nothing here")
	}
}

// Answer writes an answer of a media type.
func Answer(w http.ResponseWriter, status int, mediaType, body string) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// Fail writes an error as the API has it.
func Fail(w http.ResponseWriter, status int, message string) {
	Answer(w, status, "application/vnd.scanner.adapter.error; version=1.0", fmt.Sprintf(`{"error":{"message":%q}}`, message))
}

func (s *Scanner) accept(w http.ResponseWriter, r *http.Request, script Script) {
	scan := &Scan{}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(scan); err != nil || len(scan.Capabilities) != 1 {
		Fail(w, http.StatusBadRequest, fmt.Sprintf("no request: %v", err))
		return
	}
	if script.Pull {
		scan.pull(r.Context())
	}
	s.mu.Lock()
	scan.ID = strconv.Itoa(len(s.scans) + 1)
	s.scans = append(s.scans, scan)
	s.mu.Unlock()
	Answer(w, http.StatusAccepted, acceptedType, fmt.Sprintf(`{"id":%q}`, scan.ID))
}

func (s *Scanner) report(w http.ResponseWriter, r *http.Request, script Script, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > len(s.scans) {
		Fail(w, http.StatusNotFound, "there is no scan "+id)
		return
	}
	scan := s.scans[n-1]
	scan.Polls++
	wants, have := scan.Capabilities[0].Produces[0], r.Header.Get("Accept")
	switch {
	case wants != have || (wants == sbomType) != (r.URL.Query().Get("sbom_media_type") == "application/spdx+json"):
		Fail(w, http.StatusBadRequest, "this is not what the scan was for: "+have)
	case scan.Failed != "":
		Fail(w, http.StatusInternalServerError, scan.Failed)
	case scan.Polls <= script.Pending:
		if script.RefreshAfter != "" {
			w.Header().Set("Refresh-After", script.RefreshAfter)
		}
		w.Header().Set("Location", r.URL.String()) // which is not to be followed
		w.WriteHeader(http.StatusFound)
	case wants == sbomType:
		Answer(w, http.StatusOK, have, Bill(scan.Artifact.Digest, of(script.SBOMs, scan.Artifact.Digest, `{"spdxVersion":"SPDX-2.3"}`)))
	default:
		Answer(w, http.StatusOK, have, of(script.Reports, scan.Artifact.Digest, Report("%s")))
	}
}

// of returns what there is of a digest.
func of(all map[string]string, digest, otherwise string) string {
	text, known := all[digest]
	if !known {
		if text, known = all[""]; !known {
			text = otherwise
		}
	}
	return strings.ReplaceAll(text, "%s", digest)
}

// Report returns a report of an artifact with the vulnerabilities, each an object of
// JSON.
func Report(digest string, vulnerabilities ...string) string {
	return `{"generated_at":"2026-01-02T03:04:05Z","artifact":{"repository":"x","digest":"` + digest + `"},"scanner":{"name":"Probe","vendor":"Acme","version":"7.1"},` +
		`"severity":"Unknown","vulnerabilities":[` + strings.Join(vulnerabilities, ",") + `]}`
}

// Bill returns a report of an artifact with an SBOM in it.
func Bill(digest, document string) string {
	return `{"generated_at":"2026-01-02T03:04:05Z","artifact":{"digest":"` + digest + `"},"scanner":{"name":"Probe","vendor":"Acme","version":"7.1"},` +
		`"vendor_attributes":{},"media_type":"application/spdx+json","sbom":` + document + `}`
}

// pull gets the manifest as the scanner's own client would: with a password it asks for
// a token where the registry wants one.
func (s *Scan) pull(ctx context.Context) {
	url := s.Registry.URL + "/v2/" + s.Artifact.Repository + "/manifests/" + s.Artifact.Digest
	answer, err := get(ctx, url, s.Artifact.MediaType, s.Registry.Authorization)
	if err == nil && answer.StatusCode == http.StatusUnauthorized && strings.HasPrefix(s.Registry.Authorization, "Basic ") {
		answer.Body.Close()
		var token string
		if token, err = s.token(ctx, answer.Header.Get("WWW-Authenticate")); err == nil {
			answer, err = get(ctx, url, s.Artifact.MediaType, "Bearer "+token)
		}
	}
	if err == nil {
		defer answer.Body.Close()
		s.Manifest, err = io.ReadAll(io.LimitReader(answer.Body, 4<<20))
		if answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s", answer.Status, s.Manifest)
		}
	}
	if err != nil {
		s.Manifest, s.Failed = nil, "the manifest cannot be pulled: "+err.Error()
	}
}

// token asks where a challenge says, for what it says.
func (s *Scan) token(ctx context.Context, challenge string) (string, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(challenge, "Bearer "), `",`) {
		name, value, _ := strings.Cut(part, "=")
		fields[strings.TrimSpace(name)] = strings.Trim(value, `"`)
	}
	answer, err := get(ctx, fields["realm"]+"?service="+fields["service"]+"&scope=repository:"+s.Artifact.Repository+":pull", "application/json", s.Registry.Authorization)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var given struct {
		Token string `json:"token"`
	}
	return given.Token, json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&given)
}

func get(ctx context.Context, url, accept, authorization string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // G402: of a registry on loopback
	return client.Do(r)
}

// Credential returns the header that a name and a password make.
func Credential(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}
