package audit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A collector is a syslog server that gives away each line.
type collector struct {
	net.Listener
	lines chan string
	conns chan net.Conn
}

func collect(t *testing.T, address string) *collector {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{l, make(chan string, 1000), make(chan net.Conn, 10)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns <- conn
			go func() {
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					c.lines <- lines.Text()
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return c
}

// next returns the next line, or fails.
func (c *collector) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-c.lines:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		return ""
	}
}

// forwarding runs s until the test ends.
func forwarding(t *testing.T, s *audit.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		f := s.Forwarder()
		defer f.Close()
		for ctx.Err() == nil {
			_ = f.Forward(ctx) // what failed waits for the next time
			time.Sleep(50 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
}

func deliver(t *testing.T, s *audit.Service, id int64, tag string) {
	t.Helper()
	e := event.Event{ID: id, At: noon, Actor: alice, Fact: event.ArtifactPulled{Where: library, Digest: "sha256:0", Tag: tag}}
	if err := s.Deliver(t.Context(), []event.Event{e}); err != nil {
		t.Fatal(err)
	}
}

func TestRowsAreForwarded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		c := collect(t, "127.0.0.1:0")
		s := newService(d, 0, func(v *setting.Values) { v.AuditForward = c.Addr().String() })
		deliver(t, s, 1, "a\nb")
		forwarding(t, s)
		form := regexp.MustCompile(`^<110>1 2025-11-25T12:00:00\.000000Z \S+ berth \d+ pull_artifact - (\{.*\})$`)
		found := form.FindStringSubmatch(c.next(t))
		if found == nil {
			t.Fatal("no message of RFC 5424")
		}
		var row struct {
			Username, Resource, Operation string
			Success                       bool
		}
		if err := json.Unmarshal([]byte(found[1]), &row); err != nil || row.Username != "alice" || row.Resource != "library/app:a\nb" || !row.Success {
			t.Errorf("%s: %v", found[1], err)
		}
		if len(rows(t, d)) != 1 {
			t.Error("the row is not kept")
		}
	})
}

func TestRowsThatAreNotToBeKeptGoWhenTheyWereForwarded(t *testing.T) {
	d := storetest.SQLite(t)
	c := collect(t, "127.0.0.1:0")
	s := newService(d, 0, func(v *setting.Values) { v.AuditForward, v.AuditSkip = c.Addr().String(), true })
	deliver(t, s, 1, "1")
	if len(rows(t, d)) != 1 {
		t.Fatal("nothing waits")
	}
	forwarding(t, s)
	c.next(t)
	for end := time.Now().Add(20 * time.Second); len(rows(t, d)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the row is still there")
		}
	}
}

// TestAServerThatWasAwayGetsTheRows has it hang up between two rows, and come
// back on the same port.
func TestAServerThatWasAwayGetsTheRows(t *testing.T) {
	d := storetest.SQLite(t)
	c := collect(t, "127.0.0.1:0")
	address := c.Addr().String()
	s := newService(d, 0, func(v *setting.Values) { v.AuditForward = address })
	forwarding(t, s)
	deliver(t, s, 1, "1")
	c.next(t)
	c.Close()
	(<-c.conns).Close()
	deliver(t, s, 2, "2")
	time.Sleep(1500 * time.Millisecond) // for an attempt that fails
	again := collect(t, address)
	if line := again.next(t); !regexp.MustCompile(`library/app:2`).MatchString(line) {
		t.Error(line)
	}
}

func TestReach(t *testing.T) {
	c := collect(t, "127.0.0.1:0")
	address := c.Addr().String()
	s := newService(storetest.SQLite(t), 0)
	if err := s.Reach(t.Context(), address); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := s.Reach(t.Context(), address); !errors.Is(err, audit.ErrUnreachable) || err.(*fault.Fault).Message != "the syslog server cannot be reached: "+address {
		t.Errorf("nobody listens: %v", err)
	}
	if err := s.Reach(t.Context(), "169.254.169.254:514"); !errors.Is(err, outbound.ErrForbidden) || !strings.Contains(err.(*fault.Fault).Message, "169.254.169.254 is a link-local address") {
		t.Errorf("nobody may connect: %v", err)
	}
}
