package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

// Names of the servers, in the order of the tables' columns.
const (
	stock = "docker-registry"
	ours  = "berth"
	floor = "floor"
)

const (
	project  = "bench"
	user     = "bencher"
	password = "Measures-all-day-1"
)

// A server is one that is measured.
type server struct {
	name     string
	registry bool // it does all that a registry does
	pid      int
	client   *counter
	start    func() error
	end      func() error
}

func (s *server) stop() error {
	s.client.Close()
	return s.end()
}

// signIn gets what is needed to push to every repository that is measured.
func (s *server) signIn(ctx context.Context) (*registry.Session, error) {
	return s.client.SignIn(ctx, registry.Scope(images, registry.Push), registry.Scope(blobs, registry.Push), registry.Scope(manyTags, registry.Push))
}

// newBerth starts Berth with a project and a user who may push to it.
func newBerth(dir string) (*server, error) {
	b, err := berth.New(berth.Options{Dir: filepath.Join(dir, ours)})
	if err != nil {
		return nil, err
	}
	s := &server{name: ours, registry: true, end: b.Stop, client: newCounter(b.URL, user, password)}
	s.start = func() error {
		if err := b.Start(); err != nil {
			return err
		}
		s.pid = b.PID()
		return nil
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	ctx, admin := context.Background(), b.Admin()
	if err := admin.CreateProject(ctx, project, false); err != nil {
		return nil, err
	}
	if _, err := admin.CreateUser(ctx, user, password); err != nil {
		return nil, err
	}
	return s, admin.AddMember(ctx, project, user, berth.Developer)
}

const stockConfig = `version: 0.1
log: {level: info}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: %s}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: %s, secret: only-for-this-run}
`

// newStock starts Debian's docker-registry, which asks for no password.
func newStock(dir string) (*server, error) {
	host, err := berth.FreeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "stock.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, stockConfig, filepath.Join(dir, stock), host), 0o600); err != nil {
		return nil, err
	}
	return newProcess(stock, host, true, dir, "docker-registry", "serve", config)
}

// newFloor starts the server that does the least.
func newFloor(dir string) (*server, error) {
	host, err := berth.FreeAddress()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return newProcess(floor, host, false, dir, self, "floor", host, filepath.Join(dir, floor))
}

// newProcess starts a command that listens on host.
func newProcess(name, host string, isRegistry bool, dir, command string, args ...string) (*server, error) {
	s := &server{name: name, registry: isRegistry, client: newCounter("http://"+host, "", "")}
	var process *os.Process
	var ended <-chan string
	s.end = func() error { return berth.End(process, ended, syscall.SIGTERM) }
	s.start = func() error {
		log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd := exec.Command(command, args...)
		cmd.Stdout, cmd.Stderr = log, log
		if process, ended, err = berth.Spawn(cmd); err != nil {
			return err
		}
		s.pid = process.Pid
		return berth.WaitHTTP("http://"+host+"/v2/", 20*time.Second, ended)
	}
	return s, s.start()
}

// cpu is the time that the process has used on all processors.
func (s *server) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0, err
	}
	// The second field is the command in parentheses, which may hold anything;
	// user and system time are the 14th and 15th, in hundredths of a second.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", s.pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// forgetPeak lets the kernel count the process's peak memory from now on.
func (s *server) forgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0)
}

// memory is what the process holds now ("VmRSS") or held at its peak ("VmHWM"),
// in MiB.
func (s *server) memory(field string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			var kib float64
			_, err := fmt.Sscanf(value, "%f kB", &kib)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no %s", s.pid, field)
}

// A counter is a client that counts its requests.
type counter struct {
	*registry.Client
	requests *counting
}

func newCounter(url, user, password string) *counter {
	c := &counter{Client: registry.New(url, user, password, 64)}
	c.requests = &counting{Transport: c.HTTP.Transport.(*http.Transport)}
	c.HTTP.Transport = c.requests
	return c
}
