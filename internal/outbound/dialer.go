package outbound

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// A Dialer connects to what its rules allow. It has no time limit but its
// callers'. It is safe for concurrent use.
type Dialer struct {
	net net.Dialer
}

// NewDialer returns a dialer.
func NewDialer(r Rules) *Dialer {
	return &Dialer{net.Dialer{ControlContext: r.control}}
}

// DialContext connects as net.Dialer does. Of the addresses of a name it passes
// over those that are forbidden; where it could connect to none and the first was
// one of these, the error is ErrForbidden.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.net.DialContext(ctx, network, address)
}

// control is called for each address right before it is connected to. What is
// judged here is what is connected to: no name is looked up in between.
func (r Rules) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrForbidden.With("%q is no address and port", address)
	}
	return r.Check(at.Addr())
}
