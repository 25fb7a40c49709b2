package outbound

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrRedirect is returned where a server redirects in a way that is not followed.
var ErrRedirect = fault.New(fault.Invalid, "BAD_REQUEST", "the redirect is not followed")

const (
	maxRedirects = 3
	maxHeader    = 64 << 10 // bytes of an answer's header
	maxIdle      = 32       // connections that wait for a further request
	idleFor      = 30 * time.Second
)

// Limits are how long a request may take, and whether it may lead elsewhere. What is
// 0 has a default.
type Limits struct {
	Dial   time.Duration // to resolve the name and to connect: 10 s
	TLS    time.Duration // for the handshake: 10 s
	Header time.Duration // from the end of the request to that of the answer's header: 20 s
	Whole  time.Duration // for all, with redirects and the answer's body: 60 s, or Unlimited

	Straight bool // no redirect is followed: it is an answer like any other
}

// Unlimited is for a whole request whose caller sees to its end.
const Unlimited time.Duration = -1

// A Client sends requests of HTTP to what its rules allow. It is safe for
// concurrent use. Its owner closes it.
type Client struct {
	rules                Rules
	dialer               *Dialer
	limits               Limits
	roots                *x509.CertPool // nil: those of the machine
	verified, unverified *http.Client
}

// New returns a client that trusts the authorities of the machine.
func New(r Rules, l Limits) *Client { return Trusting(nil, r, l) }

// Trusting returns a client that trusts other authorities than the machine's.
func Trusting(roots *x509.CertPool, r Rules, l Limits) *Client {
	l.Dial, l.TLS = cmp.Or(l.Dial, 10*time.Second), cmp.Or(l.TLS, 10*time.Second)
	l.Header, l.Whole = cmp.Or(l.Header, 20*time.Second), cmp.Or(l.Whole, time.Minute)
	c := &Client{rules: r, dialer: NewDialer(r), limits: l, roots: roots}
	c.verified, c.unverified = c.http(false), c.http(true)
	return c
}

// http returns a client of which the connections are its own: one whose server
// was not verified never serves a request that asks for that.
func (c *Client) http(skipVerify bool) *http.Client {
	return &http.Client{
		Timeout:       max(0, c.limits.Whole),
		CheckRedirect: c.redirect,
		Transport: &http.Transport{
			// A proxy of the environment is not used: it would resolve the names, and
			// the rules would see nothing but its own address.
			Proxy:                  nil,
			DialContext:            c.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots, InsecureSkipVerify: skipVerify}, //nolint:gosec // G402: a choice of whoever names the server, in the open
			TLSHandshakeTimeout:    c.limits.TLS,
			ResponseHeaderTimeout:  c.limits.Header,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleFor,
			DisableCompression:     true, // a small answer stays small
		},
	}
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limits.Dial)
	defer cancel()
	return c.dialer.DialContext(ctx, network, address)
}

// CheckURL is that of the client's rules.
func (c *Client) CheckURL(text string) error { return c.rules.CheckURL(text) }

// Do sends a request and returns the answer, whose body the caller closes.
// skipVerify takes the server for who it says it is. The errors include
// ErrForbidden, ErrURL and ErrRedirect.
//
// Up to 3 redirects are followed where they keep the method, unless the limits say
// that none is. To another scheme,
// host or port only headers that hold no secrets are sent.
func (c *Client) Do(r *http.Request, skipVerify bool) (*http.Response, error) {
	if skipVerify {
		return c.unverified.Do(r)
	}
	return c.verified.Do(r)
}

// Close closes connections that wait for a further request.
func (c *Client) Close() {
	c.verified.CloseIdleConnections()
	c.unverified.CloseIdleConnections()
}

// harmless are the headers that another server may see. A key may be in any
// other, whatever its name.
var harmless = []string{"Accept", "Content-Encoding", "Content-Type", "Range", "User-Agent"}

// redirect implements http.Client.CheckRedirect.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if c.limits.Straight {
		return http.ErrUseLastResponse
	}
	first := via[0]
	switch {
	case len(via) > maxRedirects:
		return ErrRedirect.With("it is one more than %d", maxRedirects)
	case r.Method != first.Method:
		return ErrRedirect.With("it would make %s of %s; the statuses 307 and 308 keep the method", r.Method, first.Method)
	}
	if err := c.rules.checkTarget(r.URL); err != nil {
		return err
	}
	elsewhere := func(r *http.Request) bool { return origin(r.URL) != origin(first.URL) }
	if elsewhere(r) || slices.ContainsFunc(via, elsewhere) { // another server does not choose what is done with a secret
		for name := range r.Header {
			if !slices.Contains(harmless, name) {
				delete(r.Header, name)
			}
		}
	}
	return nil
}

// origin returns the scheme, host and port of a URL.
func origin(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
