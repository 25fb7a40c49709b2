package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app/apptest"
)

const (
	given   = "Given-Passw0rd-1"
	current = "/api/v2.0/users/current"
	library = "/api/v2.0/projects/library"
)

// withPassword gives the first start a password.
var withPassword = []string{"BERTH_ADMIN_PASSWORD=" + given}

func TestFirstStartShowsAPasswordOnceAndOnlyOnTheOutput(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data, nil)
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if s.status("/api/v2.0/ping", "", "") == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no answer")
		}
	}
	s.stop()
	password := s.shownPassword()
	if password == "" || !strings.Contains(s.out.String(), "admin") || !strings.Contains(s.out.String(), s.url) {
		t.Fatalf("no name, address and password are shown: %s", s.out.String())
	}
	if strings.Contains(s.log.String(), password) {
		t.Error("the password is in the log")
	}

	again := start(t, data, nil)
	for path, want := range map[string]int{current: 200, library: 200} {
		if got := again.status(path, "admin", password); got != want {
			t.Errorf("%s with the password that was shown: %d", path, got)
		}
	}
	again.stop()
	if again.out.Len() > 0 {
		t.Errorf("the second start prints: %s", again.out.String())
	}
	info, err := os.Stat(data)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder has the mode %v: %v", info.Mode(), err)
	}
}

func TestGivenPasswordIsUsedAndNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(given+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, environ := range [][]string{withPassword, {"BERTH_ADMIN_PASSWORD_FILE=" + file}} {
		s := start(t, t.TempDir(), environ)
		if got := s.status(current, "admin", given); got != http.StatusOK {
			t.Errorf("signing in with it: %d", got)
		}
		s.stop()
		if all := s.out.String() + s.log.String(); strings.Contains(all, given) || s.shownPassword() != "" {
			t.Errorf("it is shown: %s", all)
		}
	}
}

func TestKnownAndWeakPasswordsAreRefusedAtTheFirstStart(t *testing.T) {
	data := t.TempDir()
	for _, password := range []string{"Harbor12345", "admin", "password", "short1A"} {
		code, _, errs := tool(t, []string{"BERTH_ADMIN_PASSWORD=" + password}, "", "serve", "--data", data, "--listen", "127.0.0.1:0")
		if code != 1 || !strings.Contains(errs, "admin_password") || strings.Contains(errs, password) && password != "password" && password != "admin" {
			t.Errorf("%s: exit %d: %s", password, code, errs)
		}
	}
	s := start(t, data, withPassword)
	if got := s.status(current, "admin", given); got != http.StatusOK {
		t.Errorf("a good one afterwards: %d", got)
	}
}

func TestFirstStartThatIsKilledIsCompletedByTheNext(t *testing.T) {
	for range 5 {
		data, password := t.TempDir(), ""
		for range 5 {
			s := launch(t, data, nil)
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
			_ = s.cmd.Process.Kill()
			_ = s.wait() // killed
			if shown := s.shownPassword(); shown != "" {
				password = shown
			}
		}
		last := start(t, data, nil)
		last.stop()
		if shown := last.shownPassword(); shown != "" {
			password = shown
		}
		s := start(t, data, nil)
		for path, want := range map[string]int{current: http.StatusOK, library: http.StatusOK} {
			if got := s.status(path, "admin", password); got != want {
				t.Errorf("%s with the password that was shown last: %d", path, got)
			}
		}
		s.stop()
		if s.shownPassword() != "" {
			t.Error("a password is shown after a start that was complete")
		}
	}
}

func TestRequestsInFlightFinishWhenTheServerStops(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	content := strings.Repeat("layer ", 2000)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content)))
	address := strings.TrimPrefix(s.url, "http://")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v2/library/app/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\nContent-Type: application/octet-stream\r\n\r\n",
		digest, address, base64.StdEncoding.EncodeToString([]byte("admin:"+given)), len(content))
	half := len(content) / 2
	if _, err := io.WriteString(c, content[:half]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the request is being answered
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		other, err := net.Dial("tcp", address)
		if err != nil {
			break // nobody listens any more
		}
		other.Close()
		if time.Now().After(end) {
			t.Fatal("connections are still accepted")
		}
	}
	if _, err := io.WriteString(c, content[half:]); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("the upload is answered %v: %v", resp, err)
	}
	if err := s.wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	again := start(t, dataOf(s), nil)
	if got := again.status("/v2/library/app/blobs/"+digest, "admin", given); got != http.StatusOK {
		t.Errorf("the blob afterwards: %d", got)
	}
}

// dataOf returns the folder that a server was started with.
func dataOf(s *server) string { return s.cmd.Args[3] }

func TestSecondSignalEndsTheServerAtOnce(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /api/v2.0/users/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
		base64.StdEncoding.EncodeToString([]byte("admin:"+given)))
	time.Sleep(200 * time.Millisecond)
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	select {
	case err := <-s.done:
		t.Fatalf("ended with a request in flight: %v", err)
	default:
	}
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := s.wait(); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("ended after %s with %v", time.Since(began), err)
	}
}

func TestRequestThatTakesTooLongIsCutAtTheEnd(t *testing.T) {
	s := start(t, t.TempDir(), append([]string{"BERTH_STOP_TIMEOUT=200ms"}, withPassword...))
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "PUT /api/v2.0/users/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{",
		base64.StdEncoding.EncodeToString([]byte("admin:"+given)))
	time.Sleep(100 * time.Millisecond)
	s.stop()
	if s.logged("stopped", "level") == "" {
		t.Errorf("it did not stop in good order:\n%s", s.log.String())
	}
}

func TestSecondServerOnTheSameDataIsRefused(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	code, _, errs := tool(t, withPassword, "", "serve", "--data", dataOf(s), "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errs, "in use by another berth server") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if got := s.status(current, "admin", given); got != http.StatusOK {
		t.Errorf("the first one now answers %d", got)
	}
}

func TestAddressInUseIsRefusedAndNoPasswordLost(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	data := filepath.Join(t.TempDir(), "data")
	code, out, errs := tool(t, nil, "", "serve", "--data", data, "--listen", strings.TrimPrefix(s.url, "http://"))
	if code != 1 || !strings.Contains(errs, "address already in use; choose another") || out != "" {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	again := start(t, data, nil)
	again.stop()
	if again.shownPassword() == "" {
		t.Error("the password was lost with the start that failed")
	}
}

func TestCertificateIsReadAgainAtHangup(t *testing.T) {
	folder := t.TempDir()
	until := time.Now().Add(time.Hour)
	certificate, key := apptest.Certificate(t, folder, "first", until)
	s := start(t, t.TempDir(), append([]string{
		"BERTH_TLS_CERTIFICATE=" + certificate, "BERTH_TLS_KEY=" + key}, withPassword...))
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it serves %s", s.url)
	}
	served := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{InsecureSkipVerify: true}) // whose it is, is the question
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
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); served() != "second"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the first one is still served")
		}
	}
}

func TestMetricsAndProfilesHaveTheirOwnAddresses(t *testing.T) {
	plain := start(t, t.TempDir(), withPassword)
	if got := plain.status("/metrics", "", ""); got != http.StatusOK {
		t.Errorf("metrics: %d", got)
	}
	if got := plain.status("/debug/pprof/", "", ""); got != http.StatusNotFound {
		t.Errorf("profiles that nobody asked for: %d", got)
	}
	apart := start(t, t.TempDir(), append([]string{"BERTH_METRICS_LISTEN=127.0.0.1:0", "BERTH_DEBUG_LISTEN=127.0.0.1:0"}, withPassword...))
	if got := apart.status("/metrics", "", ""); got != http.StatusNotFound {
		t.Errorf("metrics beside their own address: %d", got)
	}
	for key, path := range map[string]string{"metrics.listen": "/metrics", "debug.listen": "/debug/pprof/"} {
		side := &server{t: t, url: "http://" + apart.logged("serving "+key, "listen")}
		if got := side.status(path, "", ""); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
	off := start(t, t.TempDir(), append([]string{"BERTH_METRICS_LISTEN=off"}, withPassword...))
	if got := off.status("/metrics", "", ""); got != http.StatusNotFound {
		t.Errorf("metrics that are off: %d", got)
	}
}

func TestLogIsStructured(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	s.status(current, "admin", given)
	s.stop()
	var request map[string]any
	for line := range strings.Lines(s.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("not JSON: %s", line)
		}
		if fields["msg"] == "request" {
			request = fields
		}
	}
	for field, want := range map[string]any{"method": "GET", "path": current, "status": 200.0, "user": "admin", "operation": "getCurrentUserInfo"} {
		if request[field] != want {
			t.Errorf("the request's line has the %s %v, want %v", field, request[field], want)
		}
	}
	if request["request"] == nil || request["address"] == nil {
		t.Errorf("no id or address: %v", request)
	}
}
