package app

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunk is how many bytes must go out within one stall timeout.
	chunk = 1 << 20
	// nearBuffer is how many bytes may be on their way to a peer on this machine.
	nearBuffer = 256 << 10
)

// A listener hands out connections whose writes fail when the client takes
// nothing for the time of stall, however long the whole may take. At most a
// given number of them are open at once; further clients wait to be accepted.
type listener struct {
	net.Listener
	stall time.Duration
	slots chan struct{} // nil for no bound
	done  chan struct{}
	once  sync.Once
}

func listen(ctx context.Context, address string, stall time.Duration, most int) (*listener, error) {
	inner, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: inner, stall: stall, done: make(chan struct{})}
	if most > 0 {
		l.slots = make(chan struct{}, most)
	}
	return l, nil
}

// Accept waits for a free slot and a connection.
func (l *listener) Accept() (net.Conn, error) {
	if l.slots != nil {
		select {
		case l.slots <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.release()
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	if peer, ok := tcp.RemoteAddr().(*net.TCPAddr); ok && peer.IP.IsLoopback() {
		// For a peer far away the kernel finds the best size itself. A proxy on this
		// machine is served quicker when what it reads is still in the processor's
		// cache. Where this fails, it is only slower.
		_ = tcp.SetWriteBuffer(nearBuffer)
	}
	return &conn{TCPConn: tcp, stall: l.stall, release: sync.OnceFunc(l.release)}, nil
}

// Close ends accepting. Connections stay open.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

func (l *listener) release() {
	if l.slots != nil {
		<-l.slots
	}
}

// A conn extends its write deadline as long as bytes go out. It keeps the
// kernel's way of sending files: ReadFrom hands them on in pieces.
type conn struct {
	*net.TCPConn
	stall    time.Duration
	release  func()
	deadline atomic.Int64 // of writes, in Unix nanoseconds; 0 for none
}

// Write sends b in pieces, each of which has the time of stall.
func (c *conn) Write(b []byte) (n int, err error) {
	for {
		piece := b[n:min(len(b), n+chunk)]
		if err := c.extend(); err != nil {
			return n, err
		}
		sent, err := c.TCPConn.Write(piece)
		n += sent
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// ReadFrom sends what r holds in pieces, each of which has the time of stall.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	// The kernel sends a file only where it is seen directly below one limit.
	left := &io.LimitedReader{R: r, N: 1<<63 - 1}
	if l, ok := r.(*io.LimitedReader); ok {
		left = l
	}
	for left.N > 0 {
		if err := c.extend(); err != nil {
			return n, err
		}
		piece := &io.LimitedReader{R: left.R, N: min(chunk, left.N)}
		want := piece.N
		sent, err := c.TCPConn.ReadFrom(piece)
		n += sent
		left.N -= sent
		if err != nil || sent < want {
			return n, err
		}
	}
	return n, nil
}

// Close closes the connection and frees its slot.
func (c *conn) Close() error {
	defer c.release()
	return c.TCPConn.Close()
}

// SetWriteDeadline is what the server calls around a handshake.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(0)
	return c.TCPConn.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	c.deadline.Store(0)
	return c.TCPConn.SetDeadline(t)
}

// extend moves the deadline, unless most of its time is still left: setting one
// is not free.
func (c *conn) extend() error {
	now := time.Now()
	if time.Duration(c.deadline.Load()-now.UnixNano()) > c.stall*3/4 {
		return nil
	}
	end := now.Add(c.stall)
	c.deadline.Store(end.UnixNano())
	return c.TCPConn.SetWriteDeadline(end)
}
