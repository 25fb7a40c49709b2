package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
)

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func TestPasswordIsResetWithTheServerRunningOrNot(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := dataOf(s)
	code, out, errs := tool(t, nil, "", "user", "reset-password", "admin", "--data", data)
	made := strings.TrimSpace(out)
	if code != 0 || len(made) != madeUp {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	// Not given as wrong ones, which would lock the name for a moment.
	eventually(t, "the new password is good", func() bool { return s.status(current, "admin", made) == http.StatusOK })
	if got := s.status(current, "admin", given); got != http.StatusUnauthorized {
		t.Errorf("the old password: %d", got)
	}
	s.stop()

	code, out, errs = tool(t, nil, "Read-Passw0rd-2\n", "user", "reset-password", "admin", "--stdin", "--data", data)
	if code != 0 || strings.Contains(out, "Read-Passw0rd-2") {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	again := start(t, data, nil)
	if got := again.status(current, "admin", "Read-Passw0rd-2"); got != http.StatusOK {
		t.Errorf("the password that was read: %d", got)
	}
	for input, want := range map[string]string{"weak\n": "password", "": "password"} {
		code, _, errs := tool(t, nil, input, "user", "reset-password", "admin", "--stdin", "--data", data)
		if code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%q: exit %d: %s", input, code, errs)
		}
	}
	if code, _, errs := tool(t, nil, "", "user", "reset-password", "nobody", "--data", data); code != 1 || !strings.Contains(errs, "nobody: user not found") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestUsersAreListedAndCompleted(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	code, out, errs := tool(t, nil, "", "user", "list", "--data", dataOf(s))
	if code != 0 || !strings.Contains(out, "NAME") || !strings.Contains(out, "admin  true") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for start, want := range map[string]bool{"": true, "ad": true, "x": false} {
		_, out, _ := tool(t, nil, "", "__complete", "user", "reset-password", "--data", dataOf(s), start)
		if got := strings.HasPrefix(out, "admin\n"); got != want {
			t.Errorf("%q is completed by %q", start, out)
		}
	}
	if _, out, _ := tool(t, nil, "", "__complete", "user", "reset-password", "--data", "/does/not/exist", ""); !strings.HasPrefix(out, ":4") {
		t.Errorf("without data: %q", out)
	}
}

func TestTokenCertificateIsTheSameRunningOrNotAndAfterRotation(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := dataOf(s)
	code, running, errs := tool(t, nil, "", "token", "cert", "--data", data)
	if code != 0 {
		t.Fatal(errs)
	}
	block, rest := pem.Decode([]byte(running))
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one certificate: %s", running)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !cert.IsCA {
		t.Fatalf("not an authority: %v", err)
	}
	token := s.token()
	if code, _, errs := tool(t, nil, "", "token", "rotate", "--data", data); code != 0 {
		t.Fatal(errs)
	}
	if got := s.withToken(token); got != http.StatusOK {
		t.Errorf("a token from before the rotation: %d", got)
	}
	s.stop()
	if _, stopped, _ := tool(t, nil, "", "token", "cert", "--data", data); stopped != running {
		t.Errorf("the certificate is another now")
	}
	again := start(t, data, nil)
	if got := again.withToken(token); got != http.StatusOK {
		t.Errorf("a token from before the restart: %d", got)
	}
}

// token returns a token of the administrator's.
func (s *server) token() string {
	s.t.Helper()
	resp := s.do(http.MethodGet, "/service/token?service=harbor-registry", "admin", given, nil)
	defer resp.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("no token: %s: %v", resp.Status, err)
	}
	return answer.Token
}

func (s *server) withToken(token string) int {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+"/v2/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestToolsMakeNothingWhereNothingIs(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"user", "list"}, {"user", "reset-password", "admin"}, {"token", "cert"}, {"token", "rotate"}} {
		code, _, errs := tool(t, nil, "", append(args, "--data", data)...)
		if code != 1 || !strings.Contains(errs, "berth serve") {
			t.Errorf("%v: exit %d: %s", args, code, errs)
		}
	}
	if code, out, _ := tool(t, nil, "", "doctor", "--data", data, "--database", ""); code != 0 {
		t.Errorf("the doctor is not content with a fresh machine: %s", out)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the data folder was made: %v", err)
	}
}

// findings returns what the doctor finds, by check.
func findings(t *testing.T, environ []string, args ...string) (code int, found map[string][]app.Finding) {
	t.Helper()
	code, out, errs := tool(t, environ, "", append([]string{"doctor", "--json"}, args...)...)
	var all []app.Finding
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	found = map[string][]app.Finding{}
	for _, f := range all {
		found[f.Check] = append(found[f.Check], f)
	}
	return code, found
}

func TestDoctorIsContentWithARunningServer(t *testing.T) {
	folder := t.TempDir()
	certificate, key := apptest.Certificate(t, folder, "registry", time.Now().Add(100*24*time.Hour))
	for name, environ := range map[string][]string{
		"plain": nil,
		"TLS":   {"BERTH_TLS_CERTIFICATE=" + certificate, "BERTH_TLS_KEY=" + key},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir(), append(environ, withPassword...))
			listen := s.logged("serving", "listen")
			code, found := findings(t, environ, "--data", dataOf(s), "--listen", listen)
			if code != 0 {
				t.Errorf("exit %d", code)
			}
			for check, all := range found {
				for _, f := range all {
					if f.Status != app.OK && check != "data folder" && check != "advisories" { // the disk of this machine may be nearly full, and there are no advisories yet
						t.Errorf("%s: %s: %s", f.Status, check, f.Message)
					}
				}
			}
			for _, check := range []string{"configuration", "data folder", "database", "blob store", "clock", "secret key", "token keys", "TLS", "listen address", "external URL", "advisories"} {
				if len(found[check]) == 0 {
					t.Errorf("nothing is said about: %s", check)
				}
			}
		})
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := dataOf(s)
	s.stop()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { _ = http.Serve(other, http.NotFoundHandler()) }() // until it is closed
	expired, key := apptest.Certificate(t, t.TempDir(), "registry", time.Now().Add(-time.Hour))
	ending, endingKey := apptest.Certificate(t, t.TempDir(), "registry", time.Now().Add(time.Hour))
	otherKey := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(otherKey, []byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open.key")
	if err := os.WriteFile(open, []byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, environ string
		check, status string
		say           string
		code          int
	}{
		{"unknown variable", "BERTH_LISSTEN=x", "configuration", app.Fail, "BERTH_LISTEN", 1},
		{"no TLS", "BERTH_LISTEN=0.0.0.0:0", "configuration", app.Warn, "without TLS", 0},
		{"another program", "BERTH_LISTEN=" + other.Addr().String(), "listen address", app.Fail, "is it this server", 1},
		{"not our address", "BERTH_LISTEN=192.0.2.1:80", "listen address", app.Fail, "192.0.2.1:80", 1},
		{"external URL", "BERTH_EXTERNAL_URL=http://" + other.Addr().String(), "external URL", app.Fail, "404", 1},
		{"database", "BERTH_DATABASE=postgres://127.0.0.1:1/x?connect_timeout=1", "database", app.Fail, "connect", 1},
		{"another secret key", "BERTH_SECRET_KEY_FILE=" + otherKey, "token keys", app.Fail, "not the key that this database was used with", 1},
		{"no secret key", "BERTH_SECRET_KEY_FILE=/does/not/exist", "secret key", app.Fail, "no such file", 1},
		{"open secret key", "BERTH_SECRET_KEY_FILE=" + open, "secret key", app.Fail, "open to others", 1},
		{"expired certificate", "BERTH_TLS_CERTIFICATE=" + expired + " BERTH_TLS_KEY=" + key, "TLS", app.Fail, "expired", 1},
		{"ending certificate", "BERTH_TLS_CERTIFICATE=" + ending + " BERTH_TLS_KEY=" + endingKey, "TLS", app.Warn, "expires", 0},
		{"mixed certificate", "BERTH_TLS_CERTIFICATE=" + ending + " BERTH_TLS_KEY=" + key, "TLS", app.Fail, "private key does not match", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			environ := strings.Fields(c.environ)
			if !strings.Contains(c.environ, "LISTEN") {
				environ = append(environ, "BERTH_LISTEN=127.0.0.1:0")
			}
			code, found := findings(t, environ, "--data", data)
			said := false
			for _, f := range found[c.check] {
				said = said || f.Status == c.status && strings.Contains(f.Message, c.say) && f.Advice != ""
			}
			if !said || code != c.code {
				t.Errorf("exit %d: %+v", code, found[c.check])
			}
		})
	}
}

func TestDoctorMissesTheBlobsOfADatabaseInUse(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := dataOf(s)
	s.stop()
	if err := os.RemoveAll(filepath.Join(data, "blobs")); err != nil {
		t.Fatal(err)
	}
	code, found := findings(t, nil, "--data", data, "--listen", "127.0.0.1:0")
	if f := found["blob store"]; code != 1 || len(f) != 1 || f[0].Status != app.Fail || f[0].Advice == "" {
		t.Errorf("exit %d: %+v", code, f)
	}
}

func TestDoctorIsReadByPeopleToo(t *testing.T) {
	code, out, errs := tool(t, []string{"BERTH_LISSTEN=x", "BERTH_DATUM=x"}, "", "doctor", "--data", t.TempDir())
	if code != 1 || !strings.HasPrefix(out, "fail  configuration  ") || !strings.Contains(out, "-> ") || !strings.Contains(errs, "see above") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines[1:] {
		if !strings.HasPrefix(line, strings.Repeat(" ", len("fail  configuration  "))) {
			t.Errorf("a line that does not stand below its finding: %q", line)
		}
	}
	if len(lines) != 3 {
		t.Errorf("two complaints and an advice are %d lines:\n%s", len(lines), out)
	}
}

func TestTheAuditLogIsPurged(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := dataOf(s)
	if got := s.status(current, "admin", "Wrong-Passw0rd-1"); got != http.StatusUnauthorized {
		t.Fatalf("%d", got)
	}
	purge := func(args ...string) (int, string) {
		code, out, errs := tool(t, nil, "", append([]string{"audit", "purge", "--data", data}, args...)...)
		return code, out + errs
	}
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--older-than", "1h"}, 0, "0 rows from before "},
		{[]string{"--older-than", "0h", "--kinds", "login_user", "--dry-run"}, 0, "1 rows from before "},
		{[]string{"--older-than", "0h", "--kinds", "login_user"}, 0, "were removed"},
		{[]string{"--older-than", "0h", "--kinds", "login_user", "--dry-run"}, 0, "0 rows from before "},
		{[]string{"--older-than", "0h", "--kinds", "nothing"}, 1, `there is no kind "nothing"`},
		{[]string{"--older-than", "soon"}, 1, "--older-than: it must be a number of days or hours"},
		{nil, 1, "older-than"},
	} {
		if code, out := purge(c.args...); code != c.code || !strings.Contains(out, c.say) {
			t.Errorf("%q: exit %d: %s", c.args, code, out)
		}
	}
	if _, out, _ := tool(t, nil, "", "__complete", "audit", "purge", "--kinds", "login_user,pull"); !strings.Contains(out, "login_user,pull_artifact") {
		t.Error(out)
	}
}

func TestQuotasAreRecalculated(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	run := func(args ...string) (int, string) {
		code, out, errs := tool(t, nil, "", append([]string{"quota", "recalculate", "--data", dataOf(s)}, args...)...)
		return code, out + errs
	}
	if code, out := run("--dry-run"); code != 0 || !strings.Contains(out, "library") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := run("library"); code != 0 || !strings.Contains(out, "library") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := run("nothing"); code != 1 || !strings.Contains(out, "nothing: project not found") {
		t.Errorf("exit %d: %s", code, out)
	}
}
