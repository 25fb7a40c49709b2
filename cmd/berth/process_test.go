package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asMain makes the test's own program behave as berth.
const asMain = "BERTH_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// command returns a command of berth's in a process of its own.
func command(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{asMain + "=1", "PATH=" + os.Getenv("PATH"), "BERTH_LOG_FORMAT=json", "BERTH_ADVISORIES_SOURCE=off"}, environ...)
	return cmd
}

// A server is a running "berth serve".
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	out  bytes.Buffer // complete when it has ended
	log  buffer
	done chan error
}

// buffer is one that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// launch starts a server on a free port and does not wait for it to serve.
func launch(t *testing.T, data string, environ []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, done: make(chan error, 1)}
	s.cmd = command(t, environ, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		s.wait()
	})
	return s
}

// start is launch, and waits until the server serves.
func start(t *testing.T, data string, environ []string, args ...string) *server {
	t.Helper()
	s := launch(t, data, environ, args...)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if s.url = s.logged("serving", "address"); s.url != "" {
			return s
		}
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("ended: %v\n%s", err, s.log.String())
		default:
		}
	}
	t.Fatalf("does not serve:\n%s", s.log.String())
	return nil
}

// logged returns a field of the first line of the log with a message.
func (s *server) logged(msg, field string) string {
	lines := bufio.NewScanner(strings.NewReader(s.log.String()))
	for lines.Scan() {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) == nil && line["msg"] == msg {
			return fmt.Sprint(line[field])
		}
	}
	return ""
}

// wait returns how the process ended.
func (s *server) wait() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.done <- err
		return err
	case <-time.After(patience):
		s.t.Fatalf("does not end:\n%s", s.log.String())
		return nil
	}
}

// stop ends the server as a service manager does.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.wait(); err != nil {
		s.t.Fatalf("%v\n%s", err, s.log.String())
	}
}

// status returns how a request of a user's is answered.
func (s *server) status(path, user, password string) int {
	s.t.Helper()
	resp := s.do(http.MethodGet, path, user, password, nil)
	resp.Body.Close()
	return resp.StatusCode
}

func (s *server) do(method, path, user, password string, body io.Reader) *http.Response {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

var shown = regexp.MustCompile(`password  (\S+)`)

// shownPassword returns the password that an ended server printed, or "".
func (s *server) shownPassword() string {
	if found := shown.FindStringSubmatch(s.out.String()); found != nil {
		return found[1]
	}
	return ""
}

// tool runs another command on the same data to its end.
func tool(t *testing.T, environ []string, input string, args ...string) (code int, out, errs string) {
	t.Helper()
	cmd := command(t, environ, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}
