package portal

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	built "github.com/berth-registry/berth/portal"
)

var files = fstest.MapFS{
	"index.html":             {Data: []byte(`<meta name="style-nonce" content="{{nonce}}">`)},
	"berth.svg":              {Data: []byte("<svg/>")},
	".gitkeep":               {},
	"assets/main-1a2b.js":    {Data: []byte("plain")},
	"assets/main-1a2b.js.br": {Data: []byte("brotli")},
	"assets/main-1a2b.js.gz": {Data: []byte("gzip")},
	"assets/font-1a2b.woff2": {Data: []byte("font")},
}

// ask asks a portal, as a browser that goes to a page where there is nothing else.
func ask(t *testing.T, files fstest.MapFS, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	p, err := New(files)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestPagesAreTheApplicationWithANonceOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, path := range []string{"/", "/projects", "/projects/a/repositories/b%2Fc.js", "/index.html", "/.gitkeep"} {
		w := ask(t, files, "GET", path)
		policy := w.Header().Get("Content-Security-Policy")
		_, rest, _ := strings.Cut(policy, "'nonce-")
		nonce, _, _ := strings.Cut(rest, "'")
		if w.Code != http.StatusOK || nonce == "" || seen[nonce] || w.Body.String() != `<meta name="style-nonce" content="`+nonce+`">` {
			t.Errorf("%s: %d, %q, policy %q", path, w.Code, w.Body, policy)
		}
		seen[nonce] = true
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestPolicyLetsNothingThroughButOurOwn(t *testing.T) {
	policy := ask(t, files, "GET", "/").Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %q in %q", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q", policy)
	}
}

func TestFilesComeInTheSmallestFormThatTheClientTakes(t *testing.T) {
	for _, c := range []struct{ takes, body, encoding string }{
		{"", "plain", ""},
		{"gzip, deflate", "gzip", "gzip"},
		{"gzip, deflate, br", "brotli", "br"},
		{"br;q=0, gzip;q=0.5", "gzip", "gzip"},
		{"br; q=0.0, gzip; q=x", "plain", ""},
		{"brotli, xgzip", "plain", ""},
	} {
		w := ask(t, files, "GET", "/assets/main-1a2b.js", "Accept-Encoding", c.takes)
		h := w.Header()
		if w.Body.String() != c.body || h.Get("Content-Encoding") != c.encoding || h.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %q, %v", c.takes, w.Body, h)
		}
		if h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%q: %v", c.takes, h)
		}
	}
	if w := ask(t, files, "GET", "/assets/font-1a2b.woff2", "Accept-Encoding", "br"); w.Body.String() != "font" || w.Header().Get("Content-Type") != "font/woff2" {
		t.Errorf("a file that is not packed: %q, %v", w.Body, w.Header())
	}
	if w := ask(t, files, "GET", "/berth.svg"); w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("a file without a hash in its name is kept: %v", w.Header())
	}
}

func TestWhatIsNotThereIsNotThere(t *testing.T) {
	for _, c := range []struct{ method, path, accept string }{
		{"GET", "/assets/old-0000.js", "text/html"}, // of a version before: no page in its place
		{"GET", "/assets/main-1a2b.js.br", "text/html"},
		{"GET", "/projects", "*/*"},
		{"GET", "/wp-login.php", "application/json"},
		{"POST", "/projects", "text/html"},
		{"DELETE", "/assets/main-1a2b.js", "*/*"},
	} {
		w := ask(t, files, c.method, c.path, "Accept", c.accept)
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `"NOT_FOUND"`) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	for _, path := range []string{"/assets/main-1a2b.js", "/"} {
		w, whole := ask(t, files, "HEAD", path), ask(t, files, "GET", path)
		if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Length") != strconv.Itoa(whole.Body.Len()) {
			t.Errorf("%s: %d, %q, %v", path, w.Code, w.Body, w.Header())
		}
	}
}

func TestWithoutABuildAPageSaysHowToBuild(t *testing.T) {
	w := ask(t, fstest.MapFS{".gitkeep": {}}, "GET", "/")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "make portal build") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhatIsEmbeddedIsServed(t *testing.T) {
	p, err := New(built.Files())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(w.Body.String(), "<title>Berth</title>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
