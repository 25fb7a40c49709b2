package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const proof = "X-Harbor-CSRF-Token"

// post sends a form as nobody.
func post(s *apptest.Server, path string, form url.Values, header ...string) *http.Response {
	return s.Do("POST", path, "", "", strings.NewReader(form.Encode()), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

// signIn signs somebody in, and returns the headers that a script sends then.
func signIn(t *testing.T, s *apptest.Server, name, password string) []string {
	t.Helper()
	resp := post(s, "/c/login", url.Values{"principal": {name}, "password": {password}})
	if resp.StatusCode != 200 || len(resp.Cookies()) != 1 || resp.Header.Get(proof) == "" {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s", resp.Status, text)
	}
	return []string{"Cookie", "sid=" + resp.Cookies()[0].Value, proof, resp.Header.Get(proof)}
}

// signedIn reports whether somebody is.
func signedIn(t *testing.T, s *apptest.Server, header []string) bool {
	t.Helper()
	switch resp := s.Do("GET", "/api/v2.0/users/current", "", "", nil, header...); resp.StatusCode {
	case 200:
		return true
	case 401:
		return false
	default:
		t.Fatal(resp.Status)
		return false
	}
}

// changes returns all operations of the API that change something, as the
// document has them, which is made of the table of routes.
func changes(t *testing.T, s *apptest.Server) (requests [][2]string) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]any
	}
	resp := s.Do("GET", "/api/v2.0/openapi.json", "", "", nil)
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		var parts []string
		for part := range strings.SplitSeq(path, "/") {
			if strings.HasPrefix(part, "{") {
				part = "1"
			}
			parts = append(parts, part)
		}
		for method := range methods {
			if method = strings.ToUpper(method); method != "GET" && method != "HEAD" && method != "OPTIONS" {
				requests = append(requests, [2]string{method, "/api/v2.0" + strings.Join(parts, "/")})
			}
		}
	}
	if len(requests) < 30 {
		t.Fatalf("only %d operations change something", len(requests))
	}
	return append(requests, [2]string{"POST", "/c/userExists"}, [2]string{"PUT", "/api/anything"})
}

// TestNoChangeIsMadeForAnotherSite has a browser in which the administrator is
// signed in, and pages of other sites there that send forms and fetch.
func TestNoChangeIsMadeForAnotherSite(t *testing.T) {
	s := apptest.Start(t)
	session := signIn(t, s, apptest.Admin, s.Password)
	evil := map[string][]string{
		"a form":                {"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Origin", "https://evil.test"},
		"a form of text":        {"Content-Type", "text/plain", "Sec-Fetch-Site", "cross-site", "Origin", "null"},
		"a fetch":               {"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Origin", "https://evil.test"},
		"a neighbour's fetch":   {"Content-Type", "application/json", "Sec-Fetch-Site", "same-site", "Origin", "http://evil.127.0.0.1"},
		"an old browser's form": {"Content-Type", "application/json", "Origin", "http://evil.test"},
		"nobody knows what":     {"Content-Type", "application/json"}, // says nothing, and does not know the proof
	}
	for _, request := range changes(t, s) {
		for name, header := range evil {
			resp := s.Do(request[0], request[1], "", "", strings.NewReader("{}"), append(header, session[:2]...)...)
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 403 || !strings.Contains(string(text), `"code":"FORBIDDEN"`) {
				t.Errorf("%s %s by %s: %s %s", request[0], request[1], name, resp.Status, text)
			}
			if name == "nobody knows what" {
				continue
			}
			resp = s.Do(request[0], request[1], apptest.Admin, s.Password, strings.NewReader("{}"), header...)
			if resp.StatusCode != 403 {
				t.Errorf("%s %s by %s with a password that the browser remembers: %s", request[0], request[1], name, resp.Status)
			}
		}
	}
	if !signedIn(t, s, session) {
		t.Error("the administrator is signed in no more")
	}
	s.Stop()
	for _, line := range audited(t, "sqlite://"+filepath.Join(s.Config.Data, "berth.db")) {
		if line != "admin create user admin true" && line != "admin create project library true" && line != "admin login user admin true" {
			t.Errorf("something was done: %s", line)
		}
	}
}

func TestScriptsWorkBySession(t *testing.T) {
	s := apptest.Start(t)
	session := signIn(t, s, apptest.Admin, s.Password)
	resp := s.Do("POST", "/api/v2.0/projects", "", "", strings.NewReader(`{"project_name":"team"}`), append(session, "Content-Type", "application/json")...)
	if resp.StatusCode != 201 || resp.Header.Get(proof) == "" {
		t.Errorf("%s, proof %q", resp.Status, resp.Header.Get(proof))
	}
	if resp := s.Do("GET", "/v2/", "", "", nil, session...); resp.StatusCode != 401 {
		t.Errorf("/v2/: %s", resp.Status)
	}
	if resp := s.Do("GET", "/service/token?service=harbor-registry", "", "", nil, session...); resp.StatusCode != 401 {
		t.Errorf("/service/token: %s", resp.Status)
	}
}

func TestSessionsOfAllNodesEndAtOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		here := apptest.Start(t, func(c *app.Config) { c.Database = url })
		there := apptest.Start(t, func(c *app.Config) {
			c.Database, c.SecretKeyFile = url, filepath.Join(here.Config.Data, "secret.key")
			c.Data = t.TempDir()
		})
		const first, second = "Alices-Passw0rd", "Alices-0ther-Passw0rd"
		resp := asJSON(here, "POST", "/api/v2.0/users", apptest.Admin, here.Password, `{"username":"alice","email":"alice@example.org","realname":"Alice","password":"`+first+`"}`)
		if resp.StatusCode != 201 {
			t.Fatal(resp.Status)
		}
		alice := resp.Header.Get("Location")
		begin := func(password string) []string {
			t.Helper()
			session := signIn(t, here, "alice", password)
			if !signedIn(t, there, session) {
				t.Fatal("a session of this node is none of the other")
			}
			return session
		}
		over := func(what string, session []string) {
			t.Helper()
			if signedIn(t, there, session) {
				t.Error("signed in there after " + what)
			}
		}
		session := begin(first)
		if resp := here.Do("GET", "/c/log_out", "", "", nil, session...); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		over("signing out", session)

		session, own := begin(first), begin(first)
		resp = here.Do("PUT", alice+"/password", "", "", strings.NewReader(`{"old_password":"`+first+`","new_password":"`+second+`"}`), append(own, "Content-Type", "application/json")...)
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		over("a change of the password", session)
		over("a change of the password by it", own)

		session = begin(second)
		if resp := here.Do("DELETE", alice, apptest.Admin, here.Password, nil); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		over("the deletion", session)
	})
}

// stored opens the database of a server.
func stored(t *testing.T, s *apptest.Server) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), "sqlite://"+filepath.Join(s.Config.Data, "berth.db"), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestSessionsLiveAsLongAsTheSettingSays(t *testing.T) {
	s := apptest.Start(t)
	for _, tt := range []struct {
		minutes string
		want    time.Duration
	}{{"7", 7 * time.Minute}, {"9999999999", 1 << 24 * time.Minute}} {
		configure(t, s, `{"session_timeout":`+tt.minutes+`}`)
		signIn(t, s, apptest.Admin, s.Password)
		var expires int64
		if err := stored(t, s).QueryRow(t.Context(), `SELECT expires FROM session ORDER BY expires DESC`).Scan(&expires); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(time.UnixMicro(expires)); left > tt.want || left < tt.want-time.Minute {
			t.Errorf("%s minutes: %s are left", tt.minutes, left)
		}
	}
}

func TestExpiredSessionsAreSwept(t *testing.T) {
	s := apptest.Start(t)
	live := signIn(t, s, apptest.Admin, s.Password)
	s.Stop()
	d := stored(t, s)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO session (token, account_id, began, expires) VALUES ('x', 1, 0, 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	again := apptest.Start(t, func(c *app.Config) { c.Data = s.Config.Data })
	eventually(t, "the session is gone", func() bool {
		var n int
		if err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM session WHERE token = 'x'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
	if !signedIn(t, again, live) {
		t.Error("a session does not outlive a restart")
	}
}

func TestPeopleComeAndGoWhileTheServerIsReadOnly(t *testing.T) {
	s := apptest.Start(t)
	configure(t, s, `{"read_only":true,"self_registration":true}`)
	session := signIn(t, s, apptest.Admin, s.Password)
	if !signedIn(t, s, session) {
		t.Error("signed in, and not")
	}
	if resp := post(s, "/c/userExists", url.Values{"target": {"username"}, "value": {"admin"}}); resp.StatusCode != 200 {
		t.Errorf("userExists: %s", resp.Status)
	}
	if resp := asJSON(s, "POST", "/api/v2.0/users", "", "", `{}`); resp.StatusCode != 403 {
		t.Errorf("a registration: %s", resp.Status)
	}
	if resp := s.Do("GET", "/c/log_out", "", "", nil, session...); resp.StatusCode != 200 || signedIn(t, s, session) {
		t.Errorf("log_out: %s", resp.Status)
	}
}

func TestWhoRegistersCanSignIn(t *testing.T) {
	s := apptest.Start(t)
	const alice = `{"username":"alice","email":"alice@example.org","realname":"Alice","password":"Alices-Passw0rd"}`
	if resp := asJSON(s, "POST", "/api/v2.0/users", "", "", alice); resp.StatusCode != 401 {
		t.Errorf("while the setting is off: %s", resp.Status)
	}
	configure(t, s, `{"self_registration":true}`)
	if resp := asJSON(s, "POST", "/api/v2.0/users", "", "", alice); resp.StatusCode != 201 {
		t.Fatal(resp.Status)
	}
	session := signIn(t, s, "alice", "Alices-Passw0rd")
	if resp := s.Do("GET", "/api/v2.0/users", "", "", nil, session...); resp.StatusCode != 403 {
		t.Errorf("alice lists users: %s", resp.Status)
	}
}
