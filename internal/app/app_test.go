package app_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// patience is with what takes seconds at most on a machine that does nothing else.
const patience = 2 * time.Minute

func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// push pushes an image of one small layer as the administrator.
func push(t testing.TB, s *apptest.Server, repository, tag string) (digest string) {
	t.Helper()
	blob := func(content string) string {
		d := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content)))
		resp := s.Do(http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+d, apptest.Admin, s.Password, strings.NewReader(content),
			"Content-Type", "application/octet-stream")
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("blob: %s", resp.Status)
		}
		return fmt.Sprintf(`"digest":%q,"size":%d`, d, len(content))
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",%s}]}`,
		blob("{}"), blob("layer of "+tag))
	resp := s.Do(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, apptest.Admin, s.Password, strings.NewReader(manifest),
		"Content-Type", "application/vnd.oci.image.manifest.v1+json")
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("manifest: %s", resp.Status)
	}
	return resp.Header.Get("Docker-Content-Digest")
}

// audited returns the audit rows, each in a line.
func audited(t *testing.T, url string) (lines []string) {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rows, err := d.Query(t.Context(), `SELECT username, operation, resource_type, resource, success, address, request_id FROM audit_log ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var user, operation, kind, resource, address, request string
		var success bool
		if err := rows.Scan(&user, &operation, &kind, &resource, &success, &address, &request); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(user, " ", operation, " ", kind, " ", resource, " ", success))
		if user == apptest.Admin && operation != "create" && (address != "127.0.0.1" || request == "") {
			t.Errorf("%s from %q in request %q", lines[len(lines)-1], address, request)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestWhatIsDoneIsAudited(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		digest := push(t, s, "library/app", "1")
		s.Do(http.MethodGet, "/v2/library/app/manifests/1", apptest.Admin, s.Password, nil)
		s.Do(http.MethodGet, "/service/token?service=harbor-registry", apptest.Admin, s.Password, nil)
		s.Do(http.MethodGet, "/service/token?service=harbor-registry", "mallory", "guess", nil)
		s.Do(http.MethodDelete, "/v2/library/app/manifests/"+digest, apptest.Admin, s.Password, nil)
		s.Stop() // the last ones are written then
		lines := strings.Join(audited(t, url), "\n") + "\n"
		for _, want := range []string{
			"admin create user admin true", "admin create project library true",
			"admin create artifact library/app:1 true", "admin pull artifact library/app:1 true",
			"admin login user admin true", "mallory login user mallory false", "admin delete artifact library/app:1 true",
		} {
			if strings.Count(lines, want+"\n") != 1 {
				t.Errorf("%q is not there once:\n%s", want, lines)
			}
		}
	})
}

func TestWhatWasPushedIsThereAfterARestart(t *testing.T) {
	s := apptest.Start(t)
	digest := push(t, s, "library/app", "1")
	s.Stop()
	again := apptest.Start(t, func(c *app.Config) { c.Data = s.Config.Data })
	resp := again.Do(http.MethodGet, "/v2/library/app/manifests/1", apptest.Admin, s.Password, nil)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Docker-Content-Digest") != digest {
		t.Errorf("%s, digest %s", resp.Status, resp.Header.Get("Docker-Content-Digest"))
	}
	if resp := again.Do(http.MethodGet, "/api/v2.0/users/current", apptest.Admin, again.Password, nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the password that was given to the second start: %s", resp.Status)
	}
}

func TestEachDoorAnswers(t *testing.T) {
	s := apptest.Start(t)
	for path, want := range map[string]int{
		"/v2/": 401, "/v2": 401, "/api/version": 200, "/api/v2.0/ping": 200, "/api/v2.0/health": 200, "/api/v2.0/openapi.json": 200, "/api/v2.0/docs": 200,
		"/service/token": 400, "/metrics": 200, "/": 200, "/projects": 404, "/v1/_ping": 404, "/service/notifications": 404, "/c/log_out": 200, "/c/login": 405, "/c/": 404, "/c": 404, "/c/oidc/login": 404, "/metrics/": 404, "/apiary": 404, "/v2.0/ping": 404, "/debug/pprof/": 404,
	} {
		if resp := s.Do(http.MethodGet, path, "", "", nil); resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

func TestHealthNamesWhatCanFail(t *testing.T) {
	s := apptest.Start(t)
	var health struct {
		Status     string
		Components []struct{ Name, Status string }
	}
	resp := s.Do(http.MethodGet, "/api/v2.0/health", "", "", nil)
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range health.Components {
		names[c.Name] = c.Status == "healthy"
	}
	if health.Status != "healthy" || !names["core"] || !names["database"] || !names["registry"] {
		t.Errorf("%+v", health)
	}
}

func TestMetricsCountRequestsAndBytes(t *testing.T) {
	s := apptest.Start(t)
	push(t, s, "library/app", "1")
	body, err := io.ReadAll(s.Do(http.MethodGet, "/metrics", "", "", nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`berth_http_requests_total{code="201",method="PUT",operation="v2_manifest"} 1`,
		`berth_http_requests_total{code="201",method="POST",operation="v2_blob_upload"} 2`,
		"berth_http_received_bytes_total ", "go_goroutines ", "process_open_fds ", "berth_build_info{",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
	if strings.Contains(string(body), "berth_http_received_bytes_total 0\n") {
		t.Error("no byte was received")
	}
}

func TestChangeOfRightsByAnotherProcessIsSeen(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		other := apptest.Start(t, func(c *app.Config) {
			c.Database, c.SecretKeyFile = url, filepath.Join(s.Config.Data, "secret.key")
			c.Data = t.TempDir()
		})
		create := func(path, body string) string {
			t.Helper()
			resp := s.Do(http.MethodPost, path, apptest.Admin, s.Password, strings.NewReader(body), "Content-Type", "application/json")
			if resp.StatusCode != http.StatusCreated {
				text, _ := io.ReadAll(resp.Body)
				t.Fatalf("%s: %s: %s", path, resp.Status, text)
			}
			return resp.Header.Get("Location")
		}
		create("/api/v2.0/projects", `{"project_name":"private"}`)
		create("/api/v2.0/users", `{"username":"alice","email":"alice@example.org","realname":"Alice","password":"Alices-Passw0rd"}`)
		member := create("/api/v2.0/projects/private/members", `{"role_id":3,"member_user":{"username":"alice"}}`)
		tags := func(s *apptest.Server) int {
			return s.Do(http.MethodGet, "/v2/private/app/tags/list", "alice", "Alices-Passw0rd", nil).StatusCode
		}
		if here, there := tags(s), tags(other); here != http.StatusNotFound || there != http.StatusNotFound {
			t.Fatalf("a member sees %d here and %d there", here, there)
		}
		if resp := s.Do(http.MethodDelete, member, apptest.Admin, s.Password, nil); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		changed := time.Now()
		if got := tags(s); got == http.StatusNotFound {
			t.Error("the node that made the change does not know of it")
		}
		eventually(t, "the change is seen", func() bool { return tags(other) != http.StatusNotFound })
		if took := time.Since(changed); took > 20*time.Second { // promised within one, of a machine with nothing else to do
			t.Errorf("the change was seen after %s", took)
		}
	})
}

func TestNodesThatStartAtOnceShareOneFirstStart(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite") {
			t.Skip("SQLite is for one node")
		}
		key := filepath.Join(t.TempDir(), "secret.key")
		var mu sync.Mutex
		var shown []string
		var nodes sync.WaitGroup
		for range 4 {
			folder := t.TempDir()
			nodes.Go(func() {
				a, err := app.New(t.Context(), app.Config{
					Data: folder, Database: url, Listen: "127.0.0.1:0", SecretKeyFile: key,
					FirstPassword: func(_, _ string, password secret.Text) {
						mu.Lock()
						defer mu.Unlock()
						shown = append(shown, password.Reveal())
					},
				})
				if err != nil {
					t.Error(err)
					return
				}
				if err := a.Start(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if err := a.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
		nodes.Wait()
		if len(shown) != 1 {
			t.Fatalf("%d passwords were shown", len(shown))
		}
		s := apptest.Start(t, func(c *app.Config) { c.Database, c.SecretKeyFile = url, key })
		if resp := s.Do(http.MethodGet, "/api/v2.0/users/current", apptest.Admin, shown[0], nil); resp.StatusCode != http.StatusOK {
			t.Errorf("the password that was shown: %s", resp.Status)
		}
	})
}

func TestDatabaseOfAnotherKeyIsRefused(t *testing.T) {
	s := apptest.Start(t)
	s.Stop()
	if err := os.Remove(filepath.Join(s.Config.Data, "secret.key")); err != nil {
		t.Fatal(err)
	}
	_, err := app.New(context.Background(), app.Config{Data: s.Config.Data, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "is not the key that this database was used with") {
		t.Errorf("got %v", err)
	}
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	folder, until := t.TempDir(), time.Now().Add(time.Hour)
	certificate, key := apptest.Certificate(t, folder, "first", until)
	s := apptest.Start(t, func(c *app.Config) { c.TLS = app.TLS{Certificate: certificate, Key: key} })
	served := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{InsecureSkipVerify: true}) // whose it is, is the question
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := served(); got != "first" {
		t.Fatalf("it serves %s", got)
	}
	apptest.Certificate(t, folder, "second", until)
	eventually(t, "the second certificate is served", func() bool { return served() == "second" })
	if err := os.WriteFile(key, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // more than between two looks at the files
	if got := served(); got != "second" {
		t.Errorf("with files that cannot be used it serves %s", got)
	}
	if _, err := app.New(t.Context(), app.Config{Data: t.TempDir(), TLS: app.TLS{Certificate: certificate, Key: key}}); err == nil {
		t.Error("a server starts with files that cannot be used")
	}
}

func TestExternalURLIsWhatClientsAreTold(t *testing.T) {
	s := apptest.Start(t, func(c *app.Config) { c.ExternalURL = "https://registry.example.org" })
	challenge := s.Do(http.MethodGet, "/v2/", "", "", nil).Header.Get("WWW-Authenticate")
	if want := `Bearer realm="https://registry.example.org/service/token",service="harbor-registry"`; challenge != want {
		t.Errorf("got %s, want %s", challenge, want)
	}
}

func TestHeaderThatNeverEndsIsGivenUp(t *testing.T) {
	s := apptest.Start(t, func(c *app.Config) { c.HTTP.HeaderTimeout = 200 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("it is not ended: %v", err)
	}
}

func TestHeaderThatIsTooLargeIsRefused(t *testing.T) {
	s := apptest.Start(t)
	resp := s.Do(http.MethodGet, "/v2/", "", "", nil, "X-Large", strings.Repeat("x", 80<<10))
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %s", resp.Status)
	}
}
