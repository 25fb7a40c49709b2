package outbound

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// names is a DNS server in memory: the nth question for a name has the nth
// answer, of addresses, and the last one from then on.
type names struct {
	answers map[string][][]string

	mu    sync.Mutex
	asked map[string]int // by name and type
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go n.serve(there)
		return here, nil
	}}
}

// serve answers questions as over TCP: RFC 1035, section 4.2.2.
func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		answer := n.answer(question)
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (n *names) answer(question []byte) []byte {
	var labels []string
	at := 12
	for question[at] != 0 {
		end := at + 1 + int(question[at])
		labels = append(labels, string(question[at+1:end]))
		at = end
	}
	at++
	kind := binary.BigEndian.Uint16(question[at:])
	found, known := n.next(strings.ToLower(strings.Join(labels, ".")), kind)
	answer := append([]byte(nil), question[:2]...)
	answer = append(answer, 0x81, 0x80, 0, 1, 0, byte(len(found)), 0, 0, 0, 0) // a response of one that may recurse
	if !known {
		answer[3] |= 3 // no such name
	}
	answer = append(answer, question[12:at+4]...)
	for _, a := range found {
		answer = append(answer, 0xc0, 12) // the name of the question
		answer = binary.BigEndian.AppendUint16(answer, kind)
		answer = append(answer, 0, 1, 0, 0, 0, 0, 0, byte(len(a))) // of the internet, for 0 s
		answer = append(answer, a...)
	}
	return answer
}

// next returns the addresses of a name that a question of some kind is about.
func (n *names) next(name string, kind uint16) (found [][]byte, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers := n.answers[name]
	if len(answers) == 0 {
		return nil, false
	}
	key := name + " " + map[uint16]string{1: "A", 28: "AAAA"}[kind]
	turn := min(n.asked[key], len(answers)-1)
	n.asked[key]++
	for _, text := range answers[turn] {
		if a := netip.MustParseAddr(text); a.Is4() == (kind == 1) && (kind == 1 || kind == 28) {
			found = append(found, a.AsSlice())
		}
	}
	return found, true
}

// errLeft ends what the rules allow and would leave this machine.
var errLeft = errors.New("the test would have left this machine")

// A watch is what a dialer did.
type watch struct {
	mu      sync.Mutex
	allowed []string // addresses with ports
}

// connected returns what the rules let the dialer connect to.
func (w *watch) connected() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.allowed)
}

// watched has a dialer resolve names by answers, keeps it on this machine, and
// notes what its rules say right before a connection.
func watched(d *Dialer, answers map[string][][]string) *watch {
	w := &watch{}
	d.net.Resolver = (&names{answers: answers, asked: map[string]int{}}).resolver()
	judge := d.net.ControlContext
	d.net.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := judge(ctx, network, address, c); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.allowed = append(w.allowed, address)
		if !netip.MustParseAddrPort(address).Addr().IsLoopback() {
			return errLeft
		}
		return nil
	}
	return w
}

// listener takes connections and closes them.
func listener(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestAddressesAreJudgedAfterNamesAreResolved(t *testing.T) {
	port := listener(t)
	for _, c := range []struct {
		what    string
		host    string
		answers []string
		want    error // nil for a connection
	}{
		{"a loopback address", "127.0.0.1", nil, ErrForbidden},
		{"a link-local address", "169.254.169.254", nil, ErrForbidden},
		{"a mapped address", "::ffff:10.0.0.1", nil, ErrForbidden},
		{"an address with a zone", "fe80::1%lo", nil, ErrForbidden},
		{"an address of NAT64", "64:ff9b::169.254.169.254", nil, ErrForbidden},
		{"the unspecified address", "0.0.0.0", nil, ErrForbidden},
		{"no host, which means this machine", "", nil, ErrForbidden},
		{"an address of the internet", "1.1.1.1", nil, errLeft},
		{"localhost", "localhost", nil, ErrForbidden},
		{"a name of a loopback address", "a.test", []string{"127.0.0.1"}, ErrForbidden},
		{"a name of a private address", "a.test", []string{"10.0.0.1"}, ErrForbidden},
		{"a name of the metadata", "a.test", []string{"169.254.169.254"}, ErrForbidden},
		{"a name of ::1", "a.test", []string{"::1"}, ErrForbidden},
		{"a name of a mapped address", "a.test", []string{"::ffff:127.0.0.1"}, ErrForbidden},
		{"a name of several", "a.test", []string{"10.0.0.1", "127.0.0.1", "::1", "fd00::1"}, ErrForbidden},
		{"an address in hexadecimal that resolves", "0x7f000001", []string{"127.0.0.1"}, ErrForbidden},
		{"a name of the internet", "a.test", []string{"1.1.1.1", "2600::1"}, errLeft},
	} {
		d := NewDialer(ForProjects(nil))
		w := watched(d, map[string][][]string{c.host: {c.answers}})
		conn, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(c.host, port))
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, c.want) || c.want == ErrForbidden && len(w.connected()) > 0 {
			t.Errorf("%s: %v; connections to %v", c.what, err, w.connected())
		}
	}
}

// TestForbiddenAddressesOfANameArePassedOver has a name of several addresses, of
// which one is allowed.
func TestForbiddenAddressesOfANameArePassedOver(t *testing.T) {
	port := listener(t)
	d := NewDialer(ForProjects(allow(t, "127.0.0.1")))
	w := watched(d, map[string][][]string{"mixed.test": {{"10.0.0.1", "127.0.0.2", "::1", "127.0.0.1", "192.168.0.1"}}})
	conn, err := d.DialContext(t.Context(), "tcp", "mixed.test:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if want := "127.0.0.1:" + port; !slices.Equal(w.connected(), []string{want}) || conn.RemoteAddr().String() != want {
		t.Errorf("connections to %v", w.connected())
	}
}

func TestANameThatMeansSomethingElseTheSecondTimeIsRefused(t *testing.T) {
	port := listener(t)
	for what, c := range map[string]struct {
		allow        []string
		first, later string
		want         error
	}{
		"from the internet to this machine":        {nil, "1.1.1.1", "127.0.0.1", errLeft},
		"from the internet to the metadata":        {[]string{Private}, "1.1.1.1", "169.254.169.254", errLeft},
		"from an allowed address to its neighbour": {[]string{"127.0.0.1"}, "127.0.0.1", "127.0.0.2", nil},
	} {
		d := NewDialer(ForProjects(allow(t, c.allow...)))
		w := watched(d, map[string][][]string{"rebind.test": {{c.first}, {c.later}}})
		conn, err := d.DialContext(t.Context(), "tcp", "rebind.test:"+port)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: at first %v", what, err)
		}
		for range 2 {
			if _, err := d.DialContext(t.Context(), "tcp", "rebind.test:"+port); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s: later %v", what, err)
			}
		}
		if len(w.connected()) != 1 {
			t.Errorf("%s: connections to %v", what, w.connected())
		}
	}
}

func TestTheSystemReachesThisMachine(t *testing.T) {
	port := listener(t)
	d := NewDialer(ForSystem())
	watched(d, map[string][][]string{"metadata.test": {{"169.254.169.254"}}})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		conn, err := d.DialContext(t.Context(), "tcp4", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		conn.Close()
	}
	for host, want := range map[string]error{
		"metadata.test": ErrForbidden, "0.0.0.0": ErrForbidden, "fe80::1%lo": ErrForbidden, "10.0.0.1": errLeft,
	} {
		if _, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); !errors.Is(err, want) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestOnlyAddressesOfIPAreConnectedTo(t *testing.T) {
	l, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := NewDialer(ForSystem()).DialContext(t.Context(), "unix", l.Addr().String()); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
}
