package outbound

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrURL is returned for a URL to which nothing is sent, with the reason.
var ErrURL = fault.New(fault.Invalid, "BAD_REQUEST", "nothing can be sent to this URL")

const (
	maxURL  = 2048 // bytes
	maxHost = 253
)

var (
	hostName = regexp.MustCompile(`^([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?$`)
	// number is at the end of what many programs take for an address of IPv4:
	// 2130706433, 0x7f.1, 127.1.
	number = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$`)
)

// CheckURL returns ErrURL for what is not http or https with a host, in at most
// 2,048 bytes, or has a user or a fragment, and ErrForbidden where the host is an
// address that the rules forbid. What a name resolves to is judged when it is
// connected to.
func (r Rules) CheckURL(text string) error {
	if len(text) > maxURL {
		return ErrURL.With("it has more than %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return ErrURL.With("it cannot be parsed").Because(err)
	case strings.Contains(text, "#"):
		return ErrURL.With("it must not have a fragment (#)")
	}
	return r.checkTarget(u)
}

func (r Rules) checkTarget(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return ErrURL.With("it must begin with http:// or https://")
	case u.User != nil:
		return ErrURL.With("it must not have a user or a password")
	case host == "":
		return ErrURL.With("it must have a host")
	case !isPort(u.Port()):
		return ErrURL.With("the port must be from 1 to 65535")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.Check(a)
	}
	if len(host) > maxHost || !hostName.MatchString(host) || number.MatchString(host) {
		return ErrURL.With("the host must be a name in ASCII, or an IP address as it is usually written")
	}
	if name := "." + strings.ToLower(strings.TrimSuffix(host, ".")); strings.HasSuffix(name, ".localhost") { // RFC 6761
		return r.Check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}
