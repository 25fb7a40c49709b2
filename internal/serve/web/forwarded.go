package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Address returns the IP address of the client: the peer's, or where the peer
// is a trusted proxy, the last address in X-Forwarded-For that is not one.
func Address(r *http.Request) string { return located(r).address }

// Base returns where the client believes the server to be, without a slash at
// the end: "https://registry.example.org:8443". It is made of the request's own
// Host and scheme, of X-Forwarded-Host and X-Forwarded-Proto where they come
// from a trusted proxy, or is what At fixed.
func Base(r *http.Request) string {
	x := located(r)
	return x.scheme + "://" + x.host
}

// External returns Base as a URL of the caller's own.
func External(r *http.Request) *url.URL {
	x := located(r)
	return &url.URL{Scheme: x.scheme, Host: x.host}
}

// At fixes what Base returns, for a server that is known by one address
// whatever its clients call it. It stands inside a Chain; an external URL of
// nil fixes nothing. Only its scheme and host are looked at. Who calls the server by
// the host of internal, a URL too or nothing, is answered with that: it may reach no other.
func At(external *url.URL, internal string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if external == nil {
			return next
		}
		scheme, host, known := strings.Cut(strings.TrimSuffix(internal, "/"), "://")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := of(r.Context())
			if known && host == x.host {
				x.scheme = scheme
			} else {
				x.scheme, x.host = external.Scheme, external.Host
			}
			next.ServeHTTP(w, r)
		})
	}
}

// located returns the request's exchange; outside of a Chain it trusts no
// proxy.
func located(r *http.Request) *exchange {
	x := of(r.Context())
	if x.scheme == "" {
		x.locate(r, nil)
	}
	return x
}

// locate fills in who the client is and what it calls the server.
func (x *exchange) locate(r *http.Request, trusted []netip.Prefix) {
	x.address, x.host, x.scheme = remote(r), r.Host, "http"
	if r.TLS != nil {
		x.scheme = "https"
	}
	if !isTrusted(x.address, trusted) {
		return
	}
	if from := client(r.Header.Values("X-Forwarded-For"), trusted); from != "" {
		x.address = from
	}
	if scheme := last(r.Header.Get("X-Forwarded-Proto")); scheme == "http" || scheme == "https" {
		x.scheme = scheme
	}
	if host := last(r.Header.Get("X-Forwarded-Host")); isHost(host) {
		x.host = host
	}
}

// client returns the last address of a chain of proxies that is not trusted, or
// the first of all where all are. What stands before it could be anybody's
// invention. It returns "" where there is no address.
func client(chain []string, trusted []netip.Prefix) string {
	found := ""
	hops := strings.Split(strings.Join(chain, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		found = hop.Unmap().WithZone("").String()
		if !isTrusted(found, trusted) {
			break
		}
	}
	return found
}

func isTrusted(address string, trusted []netip.Prefix) bool {
	if len(trusted) == 0 {
		return false
	}
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// last returns the last element of a list, which the nearest proxy wrote.
func last(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// isHost reports whether s can be a host with a port. It goes into headers
// between quotes.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 255
}
