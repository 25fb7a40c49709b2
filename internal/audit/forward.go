package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrUnreachable is returned for a syslog server that does not take connections.
var ErrUnreachable = fault.New(fault.Invalid, "BAD_REQUEST", "the syslog server cannot be reached")

const (
	forwardBatch = 200
	forwardLease = 30 * time.Second // how long a node that is gone keeps others from forwarding
	forwardWait  = 10 * time.Second // for the server to take a batch
)

// A Queue holds the rows that wait to be forwarded; what is said of Store holds
// for it.
type Queue interface {
	// Lead lets one node forward until a time: it reports whether that is node.
	Lead(ctx context.Context, node string, now, until time.Time) (bool, error)
	// Queued returns up to n rows that wait, in the order in which they came.
	Queued(ctx context.Context, n int) ([]Row, error)
	// Forwarded takes rows from the queue, and removes them where remove is set.
	Forwarded(ctx context.Context, ids []int64, remove bool) error
}

// Reach returns ErrUnreachable where no connection to HOST:PORT can be made, or
// may be.
func (s *Service) Reach(ctx context.Context, endpoint string) error {
	conn, err := s.dial(ctx, endpoint)
	var refused *fault.Fault
	if errors.As(err, &refused) {
		return ErrUnreachable.With("%.255s: %s", endpoint, refused.Message).Because(err)
	}
	if err != nil {
		return ErrUnreachable.With("%.255s", endpoint).Because(err)
	}
	return conn.Close()
}

func (s *Service) dial(ctx context.Context, endpoint string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardWait)
	defer cancel()
	return s.out.DialContext(ctx, "tcp", endpoint)
}

// A Forwarder sends rows to the syslog server that the settings name. Of many
// nodes one does so at a time. It is for one goroutine, which closes it.
type Forwarder struct {
	*Service
	node     string
	endpoint string
	conn     net.Conn // nil while there is none
}

// Forwarder returns a forwarder of this node.
func (s *Service) Forwarder() *Forwarder { return &Forwarder{Service: s, node: uuid.NewString()} }

// Close ends the connection, if there is one.
func (f *Forwarder) Close() {
	if f.conn != nil {
		_ = f.conn.Close() // what was to be sent was flushed
		f.conn = nil
	}
}

// Forward sends all that waits. A row is sent once or more; those that the server
// took and lost are not known to be lost, since the protocol has no answers.
// After an error, what was not sent waits for the next time.
func (f *Forwarder) Forward(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	for ctx.Err() == nil {
		v, err := f.settings(ctx)
		if err != nil {
			return err
		}
		rows, err := f.store.Queued(ctx, forwardBatch)
		if err != nil || len(rows) == 0 {
			return err
		}
		now := time.Now()
		if mine, err := f.store.Lead(ctx, f.node, now, now.Add(forwardLease)); err != nil || !mine {
			return err
		}
		if v.AuditForward != "" {
			if err := f.send(ctx, v.AuditForward, rows); err != nil {
				return err
			}
		}
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		if err := f.store.Forwarded(ctx, ids, v.AuditSkip && v.AuditForward != ""); err != nil {
			return err
		}
	}
	return nil
}

// send writes rows, one message each, over a connection that it keeps.
func (f *Forwarder) send(ctx context.Context, endpoint string, rows []Row) (err error) {
	if f.endpoint != endpoint || f.conn != nil && hungUp(f.conn) {
		f.Close()
	}
	if f.conn == nil {
		if f.conn, err = f.dial(ctx, endpoint); err != nil {
			return err
		}
		f.endpoint = endpoint
	}
	if err := f.conn.SetWriteDeadline(time.Now().Add(forwardWait)); err != nil {
		return err
	}
	out := bufio.NewWriter(f.conn)
	for _, r := range rows {
		if _, err := out.WriteString(message(r)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// hungUp reports whether the other side has closed a connection on which it
// never sends.
func hungUp(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return true
	}
	var b [512]byte
	_, err := conn.Read(b[:])
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

// priority is that of the facility "log audit" and the severity "informational":
// RFC 5424 section 6.2.1.
const priority = 13*8 + 6

// message returns a row as RFC 5424 has it, ended by a line feed: RFC 6587
// section 3.4.2. The text is JSON, which has none within.
func message(r Row) string {
	text, err := json.Marshal(map[string]any{
		"username": r.Username, "operation": r.Operation, "resource_type": r.ResourceType, "resource": r.Resource,
		"description": r.Description, "success": r.Success, "address": r.Address, "request_id": r.Request, "project_id": r.ProjectID,
	})
	if err != nil {
		panic(err) // of texts, numbers and booleans
	}
	return fmt.Sprintf("<%d>1 %s %s berth %d %s - %s\n", priority, r.At.UTC().Format("2006-01-02T15:04:05.000000Z"), host(), os.Getpid(), r.Kind(), text)
}

// host is this machine's name as a syslog message has it.
func host() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsAny(name, " \t") {
		return "-"
	}
	return name
}
