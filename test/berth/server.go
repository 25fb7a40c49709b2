// Package berth starts the program under test as its users do, on a folder and
// a port of its own, and asks its REST API for what an administrator would. It
// knows flags, environment, files and HTTP; nothing of the program's inside.
package berth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// AdminPassword is what every server here gives its administrator at its first
// start.
const AdminPassword = "Berth-under-test-1"

// How long a server may take. The test fails where one takes longer.
const (
	startLimit = 20 * time.Second
	stopLimit  = 30 * time.Second
)

// Options are what a test wants other than usual; the zero value is usual.
type Options struct {
	Dir  string   // where the data goes; a temporary folder where empty
	Args []string // further arguments of "berth serve"
	Env  []string // further variables, NAME=value
}

// A Server is one "berth serve", which may be ended and started again on the
// same folder and address.
type Server struct {
	Dir  string // the folder given as --data
	Host string // HOST:PORT it listens on
	URL  string // http://HOST:PORT

	options Options
	log     string
	process *os.Process
	ended   <-chan string // how it ended, once
}

// Run starts a server for a test, which ends with the test. Its last words are
// shown where the test fails.
func Run(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "data")
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server's last words:\n%s", s.LastWords())
		}
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// New prepares a server on a free port. Nothing runs yet.
func New(o Options) (*Server, error) {
	host, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	return &Server{Dir: o.Dir, Host: host, URL: "http://" + host, options: o, log: o.Dir + ".log"}, nil
}

// Start starts the program and returns when it answers on /v2/.
func (s *Server) Start() error {
	bin, err := Binary()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"serve", "--data", s.Dir, "--listen", s.Host}, s.options.Args...)
	cmd := exec.Command(bin, args...)
	cmd.Env = append(environment(), "BERTH_ADMIN_PASSWORD="+AdminPassword)
	cmd.Env = append(cmd.Env, s.options.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, s.ended, err = Spawn(cmd); err != nil {
		return fmt.Errorf("start %s: %w", bin, err)
	}
	if err := s.waitReady(); err != nil {
		return errors.Join(err, s.Kill())
	}
	return nil
}

func (s *Server) waitReady() error {
	if err := WaitHTTP(s.URL+"/v2/", startLimit, s.ended); err != nil {
		return fmt.Errorf("the server did not come up: %w\n%s", err, s.LastWords())
	}
	return nil
}

// PID is the process id of the running server.
func (s *Server) PID() int { return s.process.Pid }

// Stop asks the server to end and waits until it has. A server that has ended
// is left alone.
func (s *Server) Stop() error { return s.end(syscall.SIGTERM) }

// Kill ends the server with SIGKILL, as a crash would.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	p, ended := s.process, s.ended
	s.process = nil
	return End(p, ended, sig)
}

// LastWords is the end of what the server logged.
func (s *Server) LastWords() string {
	const most = 8 << 10
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// environment is this process's, without what would configure a server. Nothing is
// to be fetched from the internet.
func environment() []string {
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BERTH_") })
	return append(own, "BERTH_ADVISORIES_SOURCE=off")
}

// Command runs another of the program's commands on the server's folder and
// returns what it printed: Command(ctx, "token", "cert").
func (s *Server) Command(ctx context.Context, args ...string) ([]byte, error) {
	bin, err := Binary()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, bin, append(args, "--data", s.Dir)...)
	cmd.Env = append(environment(), s.options.Env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, fmt.Errorf("berth %v: %w: %s", args, err, exit.Stderr)
	}
	return out, err
}

// Spawn starts a command in such a way that it does not outlive this process,
// whatever ends it. The channel tells once how the command ended.
func Spawn(cmd *exec.Cmd) (*os.Process, <-chan string, error) {
	started, ended := make(chan error, 1), make(chan string, 1)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go func() {
		// The signal is sent when the thread that started the command ends, so
		// the thread is kept until the command has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state says it too
			ended <- cmd.ProcessState.String()
		}
	}()
	if err := <-started; err != nil {
		return nil, nil, err
	}
	return cmd.Process, ended, nil
}

// End sends a signal to a process that Spawn started and waits for its end.
// What does not end in time is killed, and that is an error.
func End(p *os.Process, ended <-chan string, sig syscall.Signal) error {
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("process %d did not end within %s of %s", p.Pid, stopLimit, sig), p.Kill())
	}
}

// WaitHTTP waits until the address answers with 200 or 401, the process ends,
// or the time is over.
func WaitHTTP(url string, limit time.Duration, ended <-chan string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(limit)
	for {
		res, err := client.Get(url)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusUnauthorized {
				return nil
			}
			err = fmt.Errorf("%s answered %s", url, res.Status)
		}
		select {
		case exit := <-ended:
			return fmt.Errorf("it ended: %s", exit)
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// FreeAddress is 127.0.0.1 and a port on which nobody listens.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Binary is the path of the program under test: $BERTH_TEST_BIN, or what "make
// build" makes.
func Binary() (string, error) {
	if bin := os.Getenv("BERTH_TEST_BIN"); bin != "" {
		return bin, nil
	}
	return built("bin/berth", "make build")
}

// Tool is the path of a pinned program that the Makefile builds.
func Tool(name string) (string, error) {
	return built(filepath.Join(".cache/tools", name), "make e2e")
}

func built(path, by string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	path = filepath.Join(root, path)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: %q builds it", err, by)
	}
	return path, nil
}

// root is the folder of the checkout, which holds go.mod.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the current folder")
		}
	}
}
