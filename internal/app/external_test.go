package app_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// hole is a vulnerability as scanners tell of one.
const hole = `{"id":"CVE-2026-7","package":"p","version":"1","severity":"High"}`

// credential is how a scanner knows the server.
const credential = "me:hunter2-hunter2-hunter2"

// A bench is a server whose project "library", which is private, has a scanner of its
// own.
type bench struct {
	lab

	probe *adaptertest.Scanner
	id    string // of the scanner
	url   string // of the database

	mu  sync.Mutex
	log bytes.Buffer // of the server
}

// Write implements io.Writer for the log.
func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func startBench(t *testing.T, url string, script adaptertest.Script, options ...func(*app.Config)) *bench {
	t.Helper()
	b := &bench{url: url, probe: adaptertest.Start(t, script)}
	options = append(options, func(c *app.Config) {
		c.Database, c.Log = url, slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b.lab = lab{apptest.Start(t, options...), t}
	if url == "" {
		b.url = "sqlite://" + filepath.Join(b.Config.Data, "berth.db")
	}
	push(t, b.Server, "library/app", "1")
	push(t, b.Server, "library/other", "1")
	asked(t, b.Server, 200, "PUT", "/projects/library", `{"metadata":{"public":"false"}}`)
	_, path := asked(t, b.Server, 201, "POST", "/scanners", `{"name":"probe","url":"`+b.probe.URL+`","auth":"Basic","access_credential":"`+credential+`"}`)
	b.id = path[strings.LastIndex(path, "/")+1:]
	asked(t, b.Server, 200, "PUT", "/projects/library/scanner", `{"uuid":"`+b.id+`"}`)
	return b
}

// begin has the image examined.
func (b *bench) begin(kind string) {
	b.Helper()
	asked(b.T, b.Server, 202, "POST", appArtifacts+"1/scan", `{"scan_type":"`+kind+`"}`)
}

// fails has the image examined, wants that to fail, and returns the log of it and what
// the overview says.
func (b *bench) fails() (log, overview string) {
	b.Helper()
	b.begin("vulnerability")
	eventually(b.T, "the end of the scan", func() bool {
		overview, _ = asked(b.T, b.Server, 200, "GET", appArtifacts+"1?with_scan_overview=true", "")
		return strings.Contains(overview, `"scan_status":"Error"`)
	})
	_, report, _ := strings.Cut(overview, `"report_id":"`)
	report, _, _ = strings.Cut(report, `"`)
	log, _ = asked(b.T, b.Server, 200, "GET", appArtifacts+"1/scan/"+report+"/log", "")
	return log, overview
}

// count asks the database.
func (b *bench) count(from string) (n int) {
	b.Helper()
	d, err := db.Open(b.Context(), b.url, db.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	if err := d.QueryRow(b.Context(), `SELECT COUNT(*) FROM `+from).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// nowhere wants texts to be in neither the log nor, on SQLite, the database's files.
func (b *bench) nowhere(texts ...string) {
	b.Helper()
	b.mu.Lock()
	kept := map[string][]byte{"the log": bytes.Clone(b.log.Bytes())}
	b.mu.Unlock()
	for _, name := range []string{"berth.db", "berth.db-wal"} {
		if data, err := os.ReadFile(filepath.Join(b.Config.Data, name)); err == nil {
			kept[name] = data
		}
	}
	for name, data := range kept {
		for _, text := range texts {
			if text != "" && bytes.Contains(data, []byte(text)) {
				b.Errorf("a secret is in %s", name)
			}
		}
	}
}

// secrets returns in which forms the credential and an authorization are secret.
func secrets(authorization string) []string {
	_, bare, _ := strings.Cut(authorization, " ")
	all := []string{bare, "hunter2-hunter2-hunter2", base64.StdEncoding.EncodeToString([]byte(credential))}
	if strings.HasPrefix(authorization, "Basic ") {
		text, _ := base64.StdEncoding.DecodeString(bare)
		_, password, _ := strings.Cut(string(text), ":")
		all = append(all, password)
	}
	return all
}

// tried says what an authorization opens at this moment.
func (b *bench) tried(authorization string) (status map[string]int) {
	status = map[string]int{}
	for _, request := range []string{
		"GET /v2/library/app/manifests/1", "GET /v2/library/other/manifests/1", "PUT /v2/library/app/manifests/2", "POST /v2/library/app/blobs/uploads/",
		"DELETE /v2/library/app/manifests/1", "GET /v2/_catalog", "GET /api/v2.0/projects/library/repositories", "GET /api/v2.0/robots",
	} {
		method, path, _ := strings.Cut(request, " ")
		r := b.Do(method, path, "", "", strings.NewReader("{}"), "Authorization", authorization)
		_, _ = io.Copy(io.Discard, r.Body)
		status[request] = r.StatusCode
	}
	return status
}

// TestScannersOfTheirOwnScan with both ways to authorize, in a private project that
// refuses to people what has holes.
func TestScannersOfTheirOwnScan(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) { scansItself(t, url, "Basic") })
	t.Run("Bearer", func(t *testing.T) { scansItself(t, "", "Bearer") })
}

func scansItself(t *testing.T, url, way string) {
	if strings.HasPrefix(url, "sqlite:") {
		url = "" // in the folder of the server, which is searched for secrets
	}
	var b *bench
	opens := make(chan map[string]int, 4)
	script := adaptertest.Script{
		Pull: true, Metadata: strings.ReplaceAll(adaptertest.Metadata, `-type":"Basic"`, `-type":"`+way+`"`),
		Reports: map[string]string{"": adaptertest.Report("%s", hole)}, SBOMs: map[string]string{"": `{"spdxVersion":"SPDX-2.3","name":"mine"}`},
		Header: "Authorization", Value: adaptertest.Credential("me", "hunter2-hunter2-hunter2"),
	}
	b = startBench(t, url, script)
	script.Instead = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/report") {
			all := b.probe.Scans()
			opens <- b.tried(all[len(all)-1].Registry.Authorization)
		}
		return false
	}
	b.probe.Become(script)
	b.rules(`"prevent_vul":"true","severity":"low"`)
	b.pulls("1", 412, "The image was not scanned")
	for i, kind := range []string{"vulnerability", "sbom"} {
		b.scan("1", kind)
		given := b.probe.Scans()[i]
		if given.Failed != "" || len(given.Manifest) == 0 || given.Registry.URL != b.URL || !strings.HasPrefix(given.Registry.Authorization, way+" ") || given.Artifact.Tag != "1" {
			t.Errorf("%+v", given)
		}
		while := <-opens
		if while["GET /v2/library/app/manifests/1"] != 200 {
			t.Errorf("while it scans: %v", while)
		}
		delete(while, "GET /v2/library/app/manifests/1")
		for request, status := range while {
			if status != 401 && status != 403 {
				t.Errorf("%s: %d, while it scans", request, status)
			}
		}
		for request, status := range b.tried(given.Registry.Authorization) {
			if status != 401 {
				t.Errorf("%s: %d, afterwards", request, status)
			}
		}
		b.nowhere(secrets(given.Registry.Authorization)...)
	}
	b.pulls("1", 412, "The image has 1 vulnerability")
	if n := b.count(`robot`); n != 0 {
		t.Errorf("%d robots are left", n)
	}
	text, _ := asked(t, b.Server, 200, "GET", appArtifacts+"1/additions/vulnerabilities", "")
	if !strings.Contains(text, `"CVE-2026-7"`) {
		t.Error(text)
	}
	text, _ = asked(t, b.Server, 200, "GET", appArtifacts+"1?with_sbom_overview=true", "")
	_, digest, _ := strings.Cut(text, `"sbom_digest":"`)
	digest, _, _ = strings.Cut(digest, `"`)
	if text, _ = asked(t, b.Server, 200, "GET", appArtifacts+digest+"/additions/sbom", ""); !strings.Contains(text, `"mine"`) {
		t.Error(text)
	}
	eventually(t, "the pulls in the audit log", func() bool {
		text, _ = asked(t, b.Server, 200, "GET", "/auditlog-exts?page_size=100&q=operation%3Dpull", "")
		return strings.Contains(text, "library+scanner-")
	})
	if text, _ = asked(t, b.Server, 200, "GET", "/auditlog-exts?page_size=100&q=resource_type%3Drobot", ""); strings.Contains(text, "scanner-") {
		t.Errorf("robots in the audit log: %s", text)
	}
}

// TestPullsOfScannersCountAsTheSettingSays.
func TestPullsOfScannersCountAsTheSettingSays(t *testing.T) {
	t.Parallel()
	b := startBench(t, "", adaptertest.Script{Pull: true})
	counts := func() int { return b.count(`repository WHERE name = 'library/app' AND pull_count > 0`) }
	pulls := func() int {
		return b.count(`event WHERE kind = 'artifact.pulled'`) + b.count(`audit_log WHERE operation = 'pull'`)
	}
	configure(t, b.Server, `{"scanner_skip_update_pulltime":true}`)
	b.scan("1", "vulnerability")
	eventually(t, "the pull", func() bool { return pulls() > 0 })
	if counts() > 0 || b.count(`artifact WHERE pulled > 0`) > 0 {
		t.Error("a pull counts that is not to")
	}
	configure(t, b.Server, `{"scanner_skip_update_pulltime":false}`)
	b.begin("vulnerability")
	eventually(t, "that the pull counts", func() bool { return counts() == 1 && b.count(`artifact WHERE pulled > 0`) == 1 })
}

// TestWhatScannersDoWrong ends in an error that says why, and what was known stays. They
// tell nobody the secrets that they know.
func TestWhatScannersDoWrong(t *testing.T) {
	t.Parallel()
	b := startBench(t, "", adaptertest.Script{Reports: map[string]string{"": adaptertest.Report("%s", hole)}})
	b.scan("1", "vulnerability")
	type answer func(http.ResponseWriter, *http.Request)
	fail := func(status int) answer {
		return func(w http.ResponseWriter, r *http.Request) {
			said := fmt.Sprint(r.Header)
			if scans := b.probe.Scans(); len(scans) > 0 && strings.HasSuffix(r.URL.Path, "/report") {
				said = strings.Join(secrets(scans[len(scans)-1].Registry.Authorization), " ")
			}
			adaptertest.Fail(w, status, "sorry: "+said)
		}
	}
	reports := func(mediaType, body string) answer {
		return func(w http.ResponseWriter, _ *http.Request) { adaptertest.Answer(w, 200, mediaType, body) }
	}
	const good = "application/vnd.security.vulnerability.report; version=1.1"
	for _, tc := range []struct {
		name, at string // the end of the path
		do       answer
		says     string
	}{
		{"who knows nobody", "/metadata", fail(401), "refuses it: sorry"},
		{"who is no scanner", "/metadata", reports("text/html", "<html>"), "not to be used"},
		{"who does not take it", "/scan", fail(400), "does not take it: sorry"},
		{"who refuses the report", "/report", fail(403), "refuses it: sorry"},
		{"of another image", "/report", reports(good, adaptertest.Report("sha256:"+strings.Repeat("0", 64), hole)), "it is of the artifact sha256:000"},
		{"of another type", "/report", reports("text/html", adaptertest.Report("%s")), `it is "text/html"`},
		{"that is no report", "/report", reports(good, `{}`), "not to be used"},
		{"that is huge", "/report", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", good)
			_, _ = io.WriteString(w, `{"vulnerabilities":[`)
			for chunk := []byte(`{"id":"CVE-1","package":"p","version":"1","severity":"Low","description":"` + strings.Repeat("long ", 100_000) + `"},`); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "more than"},
	} {
		b.probe.Become(adaptertest.Script{Instead: func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, tc.at) {
				return false
			}
			tc.do(w, r)
			return true
		}})
		log, overview := b.fails()
		if !strings.Contains(log, tc.says) {
			t.Errorf("%s: the log lacks %q: %s", tc.name, tc.says, log)
		}
		if !strings.Contains(overview, `"severity":"High"`) || !strings.Contains(overview, `"total":1`) {
			t.Errorf("%s: what was known is gone: %s", tc.name, overview)
		}
		if n := b.count(`robot`); n != 0 {
			t.Errorf("%s: %d robots are left", tc.name, n)
		}
	}
	for _, s := range b.probe.Scans() {
		b.nowhere(secrets(s.Registry.Authorization)...)
	}
	if text, _ := asked(t, b.Server, 200, "GET", appArtifacts+"1/additions/vulnerabilities", ""); !strings.Contains(text, `"CVE-2026-7"`) {
		t.Errorf("the report: %s", text)
	}
	b.probe.Become(adaptertest.Script{Reports: map[string]string{"": adaptertest.Report("%s", strings.ReplaceAll(hole, "High", "Dreadful"))}})
	b.begin("vulnerability")
	eventually(t, "that a severity which nobody knows counts as the worst", func() bool {
		text, _ := asked(t, b.Server, 200, "GET", appArtifacts+"1?with_scan_overview=true", "")
		return strings.Contains(text, `"severity":"Critical"`)
	})
}

// TestAScannerThatFailsIsAskedAgain, and one that has lost what it did.
func TestAScannerThatFailsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{500, 404} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			var once sync.Once
			b := startBench(t, "", adaptertest.Script{Pull: true, Pending: 1, RefreshAfter: "1", Instead: func(w http.ResponseWriter, r *http.Request) (failed bool) {
				if strings.HasSuffix(r.URL.Path, "/report") {
					once.Do(func() { failed = true; adaptertest.Fail(w, status, "out of memory") })
				}
				return failed
			}})
			b.scan("1", "vulnerability")
			if scans := b.probe.Scans(); len(scans) != 2 || scans[0].Registry.Authorization == scans[1].Registry.Authorization {
				t.Errorf("%d scans, or with the same robot", len(scans))
			}
		})
	}
}

// TestAScanThatIsStoppedLeavesNoRobot, while the scanner goes on.
func TestAScanThatIsStoppedLeavesNoRobot(t *testing.T) {
	t.Parallel()
	b := startBench(t, "", adaptertest.Script{Pull: true, Pending: 1 << 20, RefreshAfter: "1"})
	b.begin("vulnerability")
	eventually(t, "that it is asked for the report", func() bool { all := b.probe.Scans(); return len(all) == 1 && all[0].Polls > 0 })
	if n := b.count(`robot WHERE level = 'scan'`); n != 1 {
		t.Errorf("%d robots while it scans", n)
	}
	asked(t, b.Server, 202, "POST", appArtifacts+"1/scan/stop", `{"scan_type":"vulnerability"}`)
	eventually(t, "that the robot is gone", func() bool { return b.count(`robot`) == 0 })
	if status := b.tried(b.probe.Scans()[0].Registry.Authorization)["GET /v2/library/app/manifests/1"]; status != 401 {
		t.Errorf("a pull afterwards: %d", status)
	}
}

// TestWhatAScannerCannotDoIsNotAsked of one that is disabled, or makes no such report;
// and of one that is gone nothing is left.
func TestWhatAScannerCannotDoIsNotAsked(t *testing.T) {
	t.Parallel()
	only := adaptertest.Metadata[:strings.Index(adaptertest.Metadata, `,{"type":"sbom"`)] + `]}`
	if !json.Valid([]byte(only)) {
		t.Fatal(only)
	}
	b := startBench(t, "", adaptertest.Script{Metadata: only, Reports: map[string]string{"": adaptertest.Report("%s", hole)}})
	asked(t, b.Server, 400, "POST", appArtifacts+"1/scan", `{"scan_type":"sbom"}`)
	b.scan("1", "vulnerability")
	asked(t, b.Server, 200, "PUT", "/scanners/"+b.id, `{"name":"probe","url":"`+b.probe.URL+`","disabled":true}`)
	asked(t, b.Server, 412, "POST", appArtifacts+"1/scan", `{"scan_type":"vulnerability"}`)
	asked(t, b.Server, 200, "DELETE", "/scanners/"+b.id, "")
	eventually(t, "that its reports are gone", func() bool { return b.count(`scan_report`) == 0 })
	if text, _ := asked(t, b.Server, 200, "GET", appArtifacts+"1?with_scan_overview=true", ""); strings.Contains(text, "Probe") {
		t.Error(text)
	}
	if n := len(b.probe.Scans()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// TestScannersReachTheRegistryByTheAddressThatTheyHave: what all call it, or what is for
// neighbours, where also tokens are had.
func TestScannersReachTheRegistryByTheAddressThatTheyHave(t *testing.T) {
	t.Parallel()
	const outside = "https://registry.invalid"
	b := startBench(t, "", adaptertest.Script{}, func(c *app.Config) { c.ExternalURL = outside })
	b.scan("1", "vulnerability")
	if got := b.probe.Scans()[0].Registry.URL; got != outside {
		t.Errorf("by %s", got)
	}
	b.probe.Become(adaptertest.Script{Pull: true})
	asked(t, b.Server, 200, "PUT", "/scanners/"+b.id, `{"name":"probe","url":"`+b.probe.URL+`","use_internal_addr":true}`)
	b.begin("sbom")
	eventually(t, "the scan", func() bool { return len(b.probe.Scans()) == 2 })
	if got := b.probe.Scans()[1]; got.Registry.URL != b.URL || len(got.Manifest) == 0 {
		t.Errorf("by %s: %s", got.Registry.URL, got.Failed)
	}
	const inside = "http://berth.internal:8080"
	near := apptest.Start(t, func(c *app.Config) { c.ExternalURL, c.InternalURL = outside, inside })
	for host, realm := range map[string]string{"berth.internal:8080": inside, strings.TrimPrefix(near.URL, "http://"): outside, "registry.invalid": outside} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, near.URL+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := answer.Header.Get("WWW-Authenticate"); !strings.Contains(got, `realm="`+realm+`/service/token"`) {
			t.Errorf("%s is told %s", host, got)
		}
	}
}
