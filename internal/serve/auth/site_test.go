package auth_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/serve/web"
)

// origins are what browsers say of the page that makes a request, with whether it
// is of ours. Host stands for what the server is called.
var origins = []struct {
	header []string
	ours   bool
}{
	{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "Host"}, true},
	{[]string{"Sec-Fetch-Site", "same-origin"}, true},
	{[]string{"Sec-Fetch-Site", "none"}, true},
	{[]string{"Origin", "Host"}, true},
	{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"}, false},
	{[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.registry.test"}, false},
	{[]string{"Sec-Fetch-Site", "cross-site"}, false},
	{[]string{"Sec-Fetch-Site", "cross-site", "Origin", "Host"}, false}, // which no browser says
	{[]string{"Sec-Fetch-Site", "invented"}, false},
	{[]string{"Origin", "https://evil.test"}, false}, // older browsers, and sites without TLS
	{[]string{"Origin", "null"}, false},              // a sandbox, a file, a redirect
	{[]string{"Origin", "Host.evil.test"}, false},
	{[]string{"Origin", "Host:81"}, false},
}

// from returns a page's headers, for a server at a URL.
func from(header []string, server string) []string {
	out := make([]string, len(header))
	for i, h := range header {
		out[i] = strings.Replace(h, "Host", server, 1)
	}
	return out
}

var methods = []string{"POST", "PUT", "PATCH", "DELETE", "INVENTED"}

func TestOtherSitesPagesChangeNothing(t *testing.T) {
	o := open(t)
	cookie, proven := o.signIn(t)
	for _, tt := range origins {
		page := from(tt.header, o.url)
		for by, with := range map[string][]string{
			"nobody": nil, "a password": {"Authorization", basic("alice", password)}, "a session": {"Cookie", cookie}, "a session with proof": {"Cookie", cookie, proof, proven},
		} {
			for _, method := range methods {
				a := o.send(t, method, profile, nil, append(with, page...)...)
				if tt.ours != (a.status == 200) || !tt.ours && a.status != 403 {
					t.Errorf("%s by %s from %v: %d %s", method, by, tt.header, a.status, a.body)
				}
				if !tt.ours && a.header.Get(proof) != "" {
					t.Errorf("%s by %s from %v is told the proof", method, by, tt.header)
				}
			}
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} { // which the page cannot read
				if a := o.send(t, method, profile, nil, append(with, page...)...); a.status != 200 {
					t.Errorf("%s by %s from %v: %d", method, by, tt.header, a.status)
				}
			}
		}
	}
	// A form of another site, which needs no leave of ours to be sent.
	evil := []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Cookie", cookie}
	if a := o.send(t, "POST", profile, url.Values{"sysadmin_flag": {"true"}}, evil...); a.status != 403 {
		t.Errorf("a form: %d", a.status)
	}
	// Other doors have no cookies and answer no pages.
	if a := o.send(t, "PATCH", "/v2/team/app/blobs/uploads/u1", nil, "Sec-Fetch-Site", "cross-site"); a.status != 200 {
		t.Errorf("/v2: %d", a.status)
	}
}

// TestOtherSitesPagesSignNobodyIn: nor out, into an account of theirs.
func TestOtherSitesPagesSignNobodyIn(t *testing.T) {
	o := open(t)
	cookie, proven := o.signIn(t)
	for _, tt := range origins {
		page := from(tt.header, o.url)
		a := o.send(t, "POST", "/c/login", credentials("alice", password), page...)
		if tt.ours != (a.status == 200) || tt.ours != (a.cookie(t) != nil) {
			t.Errorf("login from %v: %d, cookie %v", tt.header, a.status, a.cookie(t))
		}
		if a := o.send(t, "POST", "/c/userExists", url.Values{"target": {"email"}, "value": {"x"}}, page...); (a.status == 403) == tt.ours {
			t.Errorf("userExists from %v: %d", tt.header, a.status)
		}
	}
	if a := o.send(t, "POST", "/c/login", credentials("alice", password), "Cookie", "sid=x"); a.status != 200 {
		t.Errorf("by a script with an old cookie: %d", a.status)
	}
	for _, header := range [][]string{
		nil, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", o.url}, {"Referer", o.url},
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-User", "?1"}, {proof, ""}, {proof, proven[1:]},
	} {
		a := o.send(t, "GET", "/c/log_out", nil, append(header, "Cookie", cookie)...)
		if a.status != 403 || a.header.Get(proof) != proven || a.cookie(t) != nil {
			t.Errorf("log_out with %v: %d, cookie %v", header, a.status, a.cookie(t))
		}
	}
	if name := o.who(t, cookie); name != "alice" {
		t.Error("another site signed alice out")
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {proof, ""}} {
		cookie, proven := o.signIn(t)
		if header[0] == proof {
			header = []string{proof, proven}
		}
		if a := o.send(t, "GET", "/c/log_out", nil, append(header, "Cookie", cookie)...); a.status != 200 {
			t.Errorf("log_out with %v: %d", header, a.status)
		}
		if name := o.who(t, cookie); name != "" {
			t.Errorf("log_out with %v: it is %s's", header, name)
		}
	}
}

func TestScriptsProveThatTheyReadAnswers(t *testing.T) {
	o := open(t)
	cookie, proven := o.signIn(t)
	_, others := o.signIn(t)
	for _, method := range methods {
		for token, want := range map[string]int{proven: 200, "": 403, others: 403, proven + "A": 403, proven[1:]: 403, cookie[4:]: 403, "x": 403} {
			a := o.send(t, method, profile, nil, "Cookie", cookie, proof, token)
			if a.status != want || a.header.Get(proof) != proven {
				t.Errorf("%s with %.8q: %d %s, told %.8q", method, token, a.status, a.body, a.header.Get(proof))
			}
		}
		if a := o.send(t, method, profile, nil, "Cookie", cookie); a.status != 403 || !strings.Contains(a.body, proof) {
			t.Errorf("%s without: %d %s", method, a.status, a.body)
		}
		// A password needs none, as it never did.
		if a := o.send(t, method, profile, nil, "Cookie", cookie, "Authorization", basic("alice", password)); a.status != 200 {
			t.Errorf("%s with a password: %d", method, a.status)
		}
	}
	if a := o.send(t, "GET", profile, nil, "Cookie", cookie); a.caller(t).Name != "alice" || a.header.Get(proof) != proven {
		t.Errorf("GET: %s, told %q", a.body, a.header.Get(proof))
	}
}

// TestPagesOfOursAreKnownBehindProxies: what the browser calls the server is not
// what the server is called by the proxy.
func TestPagesOfOursAreKnownBehindProxies(t *testing.T) {
	o := open(t)
	outside, err := url.Parse("https://Registry.example.org")
	must(t, err)
	guarded := o.guard(new(access.Epoch)).Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	fixed := web.Chain(slog.New(slog.DiscardHandler), nil, nil)(web.At(outside, "")(guarded))
	trusting := web.Chain(slog.New(slog.DiscardHandler), nil, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})(guarded)
	strange := web.Chain(slog.New(slog.DiscardHandler), nil, nil)(guarded)
	const ours = "https://registry.example.org"
	for _, tt := range []struct {
		name   string
		by     http.Handler
		origin string
		want   int
	}{
		{"an external URL", fixed, ours, 200},
		{"an external URL", fixed, "https://evil.test", 403},
		{"its own name beside it", fixed, "http://inside.test:8080", 200},
		{"a trusted proxy", trusting, ours, 200},
		{"a trusted proxy", trusting, "https://evil.test", 403},
		{"a proxy that is not trusted", strange, ours, 403},
	} {
		r := httptest.NewRequest("POST", "http://inside.test:8080/api/v2.0/users", nil)
		r.RemoteAddr = "192.0.2.1:1234"
		r.Header.Set("X-Forwarded-Host", "registry.example.org")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Origin", tt.origin)
		w := httptest.NewRecorder()
		tt.by.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s, from %s: %d, want %d", tt.name, tt.origin, w.Code, tt.want)
		}
	}
}
