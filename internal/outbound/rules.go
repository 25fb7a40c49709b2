// Package outbound is the only way out of the program. It promises that each
// address is judged at the moment of connecting to it, after names are resolved:
// neither a name that means something else the second time nor a redirect leads
// past its rules. What is sent, and what an answer means, is for its callers.
package outbound

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrForbidden is returned for an address that the rules do not allow. Its message
// names the address.
var ErrForbidden = fault.New(fault.Denied, "FORBIDDEN", "connecting to this address is forbidden")

// Private is the word that stands for all private networks where networks are
// allowed.
const Private = "private"

// A block is a part of the address space that is not simply the internet.
type block struct {
	prefix netip.Prefix
	what   string // is an address of it; empty for the internet
	never  bool   // nobody has a reason to connect there, whatever is allowed
}

const (
	privateAddress = "a private address"
	// metadataAddress is where a cloud tells a machine its credentials, when it is
	// not link-local. Who allows private networks does not mean that.
	metadataAddress = "the address of a cloud's metadata"
)

// blocks follows IANA's registries of special-purpose addresses (RFC 6890). The
// first that holds an address counts.
var blocks = func() []block {
	p := netip.MustParsePrefix
	return []block{
		{p("0.0.0.0/8"), "an unspecified address", true}, // Linux takes 0.0.0.0 for itself
		{p("10.0.0.0/8"), privateAddress, false},
		{p("100.100.100.200/32"), metadataAddress, true},
		{p("100.64.0.0/10"), privateAddress, false}, // between providers and customers, and in overlay networks
		{p("127.0.0.0/8"), "a loopback address", false},
		{p("168.63.129.16/32"), metadataAddress, true},
		{p("169.254.0.0/16"), "a link-local address", true}, // most clouds' metadata among them
		{p("172.16.0.0/12"), privateAddress, false},
		{p("192.0.0.192/32"), metadataAddress, true},
		{p("192.0.0.0/24"), "an address of a protocol", false},
		{p("192.0.2.0/24"), "an address for documentation", false},
		{p("192.88.99.0/24"), "a reserved address", false},
		{p("192.168.0.0/16"), privateAddress, false},
		{p("198.18.0.0/15"), "an address for benchmarks", false},
		{p("198.51.100.0/24"), "an address for documentation", false},
		{p("203.0.113.0/24"), "an address for documentation", false},
		{p("224.0.0.0/4"), "a multicast address", true},
		{p("255.255.255.255/32"), "the broadcast address", true},
		{p("240.0.0.0/4"), "a reserved address", false},
		{p("0.0.0.0/0"), "", false},

		{p("::/128"), "an unspecified address", true},
		{p("::1/128"), "a loopback address", false},
		{p("64:ff9b::/96"), "", false}, // what it carries counts
		{p("2001::/23"), "an address of a protocol", false},
		{p("2001:db8::/32"), "an address for documentation", false},
		{p("3fff::/20"), "an address for documentation", false},
		{p("2000::/3"), "", false},
		{p("fd00:ec2::254/128"), metadataAddress, true},
		{p("fd20:ce::254/128"), metadataAddress, true},
		{p("fc00::/7"), privateAddress, false},
		{p("fe80::/10"), "a link-local address", true},
		{p("fec0::/10"), privateAddress, false}, // deprecated by RFC 3879, and still in use
		{p("ff00::/8"), "a multicast address", true},
		{p("::/0"), "a reserved address", false},
	}
}()

// Rules say which addresses may be connected to. The zero Rules are ForProjects
// with nothing allowed.
type Rules struct {
	allow []netip.Prefix
}

// ForProjects returns the rules for what people of projects configure: the
// internet, and the networks that whoever runs the server allows besides. Addresses
// that are unspecified, link-local, multicast, broadcast, or of a cloud's metadata
// are forbidden whatever is allowed.
func ForProjects(allow []netip.Prefix) Rules { return Rules{allow} }

// ForSystem returns the rules for what administrators of the system configure,
// whose servers are in private networks or on the same machine as often as not:
// everything but what is always forbidden.
func ForSystem() Rules {
	return Rules{[]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
}

// ParseAllow reads what ForProjects takes: networks (10.0.0.0/8), single addresses
// and the word Private. It says what is wrong with the first entry that is none of
// these, or lies in what is always forbidden.
func ParseAllow(entries []string) (allow []netip.Prefix, err error) {
	for _, e := range entries {
		if e == Private {
			for _, b := range blocks {
				if b.what == privateAddress {
					allow = append(allow, b.prefix)
				}
			}
			continue
		}
		p, err := parseNetwork(e)
		if err != nil {
			return nil, err
		}
		allow = append(allow, p)
	}
	return allow, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if a, notOne := netip.ParseAddr(text); notOne == nil && a.Zone() == "" {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	switch {
	case err != nil || p.Addr().Is4In6():
		return p, fmt.Errorf("%q is neither a network like 10.0.0.0/8 nor an address, nor the word %q", text, Private)
	case p != p.Masked():
		return p, fmt.Errorf("%q is an address within the network %s: write one of the two", text, p.Masked())
	}
	if b := blockOf(p.Addr()); b.never && p.Bits() >= b.prefix.Bits() {
		return p, fmt.Errorf("%q cannot be allowed: it is %s", text, b.what)
	}
	return p, nil
}

// Check returns ErrForbidden for an address that may not be connected to. IPv6
// addresses that carry one of IPv4 are judged by both.
func (r Rules) Check(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return ErrForbidden.With("%s is no address, or one with a zone", a)
	}
	a = a.Unmap()
	for _, b := range carried(a) {
		if err := r.judge(b, fmt.Sprintf("%s carries %s,", a, b)); err != nil {
			return err
		}
	}
	return r.judge(a, a.String()+" is")
}

// judge judges an address by itself. The message begins with about.
func (r Rules) judge(a netip.Addr, about string) error {
	switch b := blockOf(a); {
	case b.never:
		return ErrForbidden.With("%s %s", about, b.what)
	case b.what != "" && !slices.ContainsFunc(r.allow, func(p netip.Prefix) bool { return p.Contains(a) }):
		return ErrForbidden.With("%s %s; the server's setting outbound_allow can allow it", about, b.what)
	}
	return nil
}

// blockOf returns the block of a valid address.
func blockOf(a netip.Addr) block {
	return blocks[slices.IndexFunc(blocks, func(b block) bool { return b.prefix.Contains(a) })]
}

var (
	teredo    = netip.MustParsePrefix("2001::/32")
	sixToFour = netip.MustParsePrefix("2002::/16")
	// atTheEnd are the forms that end with the address of IPv4: IPv4-compatible,
	// IPv4-translated (RFC 2765) and NAT64. A NAT64 of RFC 8215 may put it
	// elsewhere, which only its own network knows.
	atTheEnd = []netip.Prefix{
		netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	}
)

// carried returns the addresses of IPv4 that one of IPv6 leads to where there is a
// translator or a tunnel.
func carried(a netip.Addr) []netip.Addr {
	b := a.As16()
	switch {
	case a.Is4() || a.IsLoopback():
		return nil
	case sixToFour.Contains(a): // RFC 3056
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(a): // the server's, and the client's with its bits turned over: RFC 4380
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	}
	for _, p := range atTheEnd {
		if p.Contains(a) {
			return []netip.Addr{netip.AddrFrom4([4]byte(b[12:16]))}
		}
	}
	return nil
}
