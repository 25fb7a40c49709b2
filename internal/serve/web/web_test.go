package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/fault"
)

// serve answers one request through a Chain and returns the answer with the
// line of the log.
func serve(t testing.TB, r *http.Request, h http.HandlerFunc, trusted ...string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	var nets []netip.Prefix
	for _, s := range trusted {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	var out bytes.Buffer
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if e := recover(); e != nil && e != http.ErrAbortHandler {
				panic(e)
			}
		}()
		Chain(slog.New(slog.NewJSONHandler(&out, nil)), nil, nets)(h).ServeHTTP(w, r)
	}()
	line := map[string]any{}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one line of JSON: %v\n%s", err, out.Bytes())
	}
	return w, line
}

func ok(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func get(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }

func TestRequestIDIsEchoedWhenSane(t *testing.T) {
	for id, echoed := range map[string]bool{
		"abc-123": true, strings.Repeat("x", 128): true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\x00b": false, "é": false,
	} {
		r := get("/")
		r.Header["X-Request-Id"] = []string{id}
		seen := ""
		w, line := serve(t, r, func(w http.ResponseWriter, r *http.Request) { seen = RequestID(r.Context()) })
		got := w.Header().Get("X-Request-Id")
		if (got == id) != echoed || got == "" || got != seen || line["request"] != got {
			t.Errorf("sent %.20q, answered %.20q, handler saw %.20q, logged %v", id, got, seen, line["request"])
		}
	}
}

func TestLogLine(t *testing.T) {
	_, line := serve(t, get("/v2/?secret=1"), func(w http.ResponseWriter, r *http.Request) {
		SetOperation(r, "base")
		SetUser(r, "alice")
		ok(w, r)
	})
	delete(line, "time")
	delete(line, "request")
	if took, is := line["took"].(float64); !is || took < 0 {
		t.Errorf("took %v", line["took"])
	}
	delete(line, "took")
	want := map[string]any{"level": "INFO", "msg": "request", "method": "GET", "path": "/v2/", "status": 200.0,
		"sent": 5.0, "address": "192.0.2.1", "operation": "base", "user": "alice"}
	if d := cmp.Diff(want, line); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestHeadSendsNothing(t *testing.T) {
	_, line := serve(t, httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil), func(w http.ResponseWriter, r *http.Request) {
		Error(w, r, ErrNoRoute)
	})
	if line["sent"] != 0.0 {
		t.Errorf("sent %v", line["sent"])
	}
}

func TestErrorTable(t *testing.T) {
	secret := errors.New("password=hunter2")
	tests := []struct {
		err    error
		status int
		code   string
		level  string
	}{
		{fault.New(fault.Invalid, "BAD", "m"), 400, "BAD", "INFO"},
		{fault.New(fault.Unauthenticated, "UNAUTHORIZED", "m"), 401, "UNAUTHORIZED", "INFO"},
		{fault.New(fault.Denied, "FORBIDDEN", "m"), 403, "FORBIDDEN", "INFO"},
		{fault.New(fault.NotFound, "NOT_FOUND", "m").Because(secret), 404, "NOT_FOUND", "INFO"},
		{fault.New(fault.Unsupported, "UNSUPPORTED", "m"), 405, "UNSUPPORTED", "INFO"},
		{fault.New(fault.Conflict, "CONFLICT", "m"), 409, "CONFLICT", "INFO"},
		{fmt.Errorf("wrapped: %w", fault.New(fault.Precondition, "PRECONDITION", "m")), 412, "PRECONDITION", "INFO"},
		{fault.New(fault.TooLarge, "LARGE", "m"), 413, "LARGE", "INFO"},
		{&http.MaxBytesError{Limit: 9}, 413, "REQUEST_ENTITY_TOO_LARGE", "INFO"},
		{fault.New(fault.OutOfRange, "RANGE", "m"), 416, "RANGE", "INFO"},
		{fault.New(fault.TooMany, "TOOMANY", "m"), 429, "TOOMANY", "INFO"},
		{fault.New(fault.Internal, "X", "hunter2"), 500, "UNKNOWN", "ERROR"},
		{fault.New(fault.Unavailable, "UNAVAILABLE", "m").Because(secret), 503, "UNAVAILABLE", "ERROR"},
		{secret, 500, "UNKNOWN", "ERROR"},
		{fault.New(200, "X", "hunter2"), 500, "UNKNOWN", "ERROR"},
	}
	for _, tt := range tests {
		w, line := serve(t, get("/"), Handle(func(http.ResponseWriter, *http.Request) error { return tt.err }).ServeHTTP)
		var body Problems
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 {
			t.Fatalf("%v: body %q: %v", tt.err, w.Body, err)
		}
		if w.Code != tt.status || body.Errors[0].Code != tt.code || line["level"] != tt.level {
			t.Errorf("%v: %d %s, level %v; want %d %s, %s", tt.err, w.Code, body.Errors[0].Code, line["level"], tt.status, tt.code, tt.level)
		}
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v: the body tells: %s", tt.err, w.Body)
		}
		if tt.status >= 500 && !strings.Contains(fmt.Sprint(line["error"]), "hunter2") {
			t.Errorf("%v: the log does not tell: %v", tt.err, line["error"])
		}
		if tt.status == 500 && !strings.Contains(w.Body.String(), line["request"].(string)) {
			t.Errorf("%v: the body %q does not name the request", tt.err, w.Body)
		}
	}
}

func TestEnvelope(t *testing.T) {
	f := fault.New(fault.NotFound, "NAME_UNKNOWN", "no <such> name").Detailed(map[string]string{"name": "a/b"})
	w, _ := serve(t, get("/"), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "7")
		Error(w, r, f)
	})
	want := `{"errors":[{"code":"NAME_UNKNOWN","message":"no <such> name","detail":{"name":"a/b"}}]}` + "\n"
	if w.Body.String() != want {
		t.Errorf("got  %swant %s", w.Body, want)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	if got := w.Header().Get("Content-Length"); got != "" {
		t.Errorf("the length of the failed answer remains: %q", got)
	}
}

func TestRetryAfter(t *testing.T) {
	for want, err := range map[string]error{
		"":  fault.New(fault.Denied, "X", "m").Detailed(map[string]int{"retry_after": 7}),
		"7": fault.New(fault.TooMany, "X", "m").Detailed(map[string]int{"retry_after": 7}),
		"5": fault.New(fault.Unavailable, "X", "m"),
	} {
		w, _ := serve(t, get("/"), func(w http.ResponseWriter, r *http.Request) { Error(w, r, err) })
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After %q, want %q", err, got, want)
		}
	}
}

func TestPanics(t *testing.T) {
	w, line := serve(t, get("/"), func(http.ResponseWriter, *http.Request) { panic("hunter2") })
	if w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if text := fmt.Sprint(line["error"]); !strings.Contains(text, "hunter2") || !strings.Contains(text, "web_test.go") {
		t.Errorf("logged %q", text)
	}
}

func TestBrokenAnswersAreCut(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"error": func(w http.ResponseWriter, r *http.Request) { ok(w, r); Error(w, r, errors.New("disk")) },
		"panic": func(w http.ResponseWriter, r *http.Request) { ok(w, r); panic("disk") },
	} {
		var log bytes.Buffer
		s := httptest.NewServer(Chain(slog.New(slog.NewTextHandler(&log, nil)), nil, nil)(h))
		res, err := http.Get(s.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		s.Close()
		if err == nil {
			t.Errorf("%s: the client took the answer for whole", name)
		}
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "disk") {
			t.Errorf("%s: logged %s", name, &log)
		}
	}
}

func TestClientGoneIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w, line := serve(t, get("/").WithContext(ctx), func(w http.ResponseWriter, r *http.Request) { Error(w, r, ctx.Err()) })
	if w.Code != statusClientGone || line["level"] != "INFO" {
		t.Errorf("%d %v", w.Code, line)
	}
}

func TestAmbiguousRequestsAreRefused(t *testing.T) {
	for path, want := range map[string]int{
		"/": 200, "/v2/": 200, "/a/b/c": 200, "/a%2Fb": 200, "/a.b/..c": 200,
		"//": 404, "//v2/": 404, "/v2//x": 404, "/v2/./x": 404, "/v2/../x": 404, "/v2/%2e%2e/x": 404,
		"/v2/a%2F%2Fb": 404, "/v2/a%2F..%2Fb": 404, "/v2/..": 404, "/v2/a//": 404,
		"/?a=b": 200, "/?a=%41&b": 200, "/?a;b": 400, "/?a=%4": 400, "/?a=%zz": 400, "/?%": 400,
	} {
		if w, _ := serve(t, get("http://h"+path), ok); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

func TestForwardedHeadersNeedATrustedPeer(t *testing.T) {
	tests := []struct {
		name                 string
		peer                 string
		from, proto, host    []string
		wantAddress, wantURL string
	}{
		{"stranger", "198.51.100.1:9", []string{"1.1.1.1"}, []string{"https"}, []string{"evil"}, "198.51.100.1", "http://example.com"},
		{"proxy", "10.0.0.1:9", []string{"203.0.113.7"}, []string{"https"}, []string{"reg.example:8443"}, "203.0.113.7", "https://reg.example:8443"},
		{"spoofed before the proxy", "10.0.0.1:9", []string{"9.9.9.9, 203.0.113.7, 10.0.0.2"}, nil, nil, "203.0.113.7", "http://example.com"},
		{"several headers", "10.0.0.1:9", []string{"9.9.9.9", "203.0.113.7"}, nil, nil, "203.0.113.7", "http://example.com"},
		{"all trusted", "10.0.0.1:9", []string{"10.0.0.3, 10.0.0.2"}, nil, nil, "10.0.0.3", "http://example.com"},
		{"garbage", "10.0.0.1:9", []string{"x"}, []string{"gopher"}, []string{`h"`}, "10.0.0.1", "http://example.com"},
		{"lists", "10.0.0.1:9", nil, []string{"http, https"}, []string{"evil, good"}, "10.0.0.1", "https://good"},
		{"v4 in v6", "[::ffff:10.0.0.1]:9", []string{"2001:db8::1"}, nil, nil, "2001:db8::1", "http://example.com"},
	}
	for _, tt := range tests {
		r := get("/")
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Host"] = tt.from, tt.proto, tt.host
		serve(t, r, func(w http.ResponseWriter, r *http.Request) {
			if got := Address(r); got != tt.wantAddress {
				t.Errorf("%s: address %s, want %s", tt.name, got, tt.wantAddress)
			}
			if got := Base(r); got != tt.wantURL || got != External(r).String() {
				t.Errorf("%s: base %s, want %s", tt.name, got, tt.wantURL)
			}
		}, "10.0.0.0/8")
	}
}

func TestAtFixesTheBase(t *testing.T) {
	r := get("/")
	u, _ := r.URL.Parse("https://reg.example:444/ignored")
	for internal, want := range map[string]string{
		"": "https://reg.example:444", "http://other:80": "https://reg.example:444", "http://" + r.Host: "http://" + r.Host, "https://" + r.Host + "/": "https://" + r.Host,
	} {
		serve(t, r, At(u, internal)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := Base(r); got != want {
				t.Errorf("base %s, want %s", got, want)
			}
		})).ServeHTTP)
	}
}

func TestRoutes(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{id}", ok)
	mux.HandleFunc("PUT /a/{id}", ok)
	h := Routes(mux)
	for request, want := range map[string]struct {
		status int
		code   string
		allow  string
	}{
		"GET /a/1":    {200, "", ""},
		"HEAD /a/1":   {200, "", ""},
		"POST /a/1":   {405, "METHOD_NOT_ALLOWED", "GET, HEAD, PUT"},
		"GET /a":      {404, "NOT_FOUND", ""},
		"DELETE /b/1": {404, "NOT_FOUND", ""},
	} {
		method, path, _ := strings.Cut(request, " ")
		w, _ := serve(t, httptest.NewRequest(method, path, nil), h.ServeHTTP)
		if w.Code != want.status || w.Header().Get("Allow") != want.allow || !strings.Contains(w.Body.String(), want.code) {
			t.Errorf("%s: %d %q %s", request, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}

// TestFilesReachTheConnectionWhole holds the writer to what sendfile needs: the
// connection's own ReadFrom, and a way to its controller.
func TestFilesReachTheConnectionWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blob")
	content := bytes.Repeat([]byte("berth"), 100_000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	handed := &counting{}
	h := Chain(slog.New(slog.DiscardHandler), handed, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		if _, err := io.CopyN(w, f, int64(len(content))); err != nil {
			t.Error(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	}))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&spy{ResponseWriter: w, seen: handed}, r)
	}))
	defer s.Close()
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if !handed.file {
		t.Error("the connection was not given the file itself")
	}
	s.Close()
	if want := (Exchange{Method: "GET", Status: 200, Sent: int64(len(content))}); handed.last != want {
		t.Errorf("observed %+v, want %+v", handed.last, want)
	}
	if handed.started != 1 {
		t.Errorf("%d started", handed.started)
	}
}

// spy notes what the connection under it is given.
type spy struct {
	http.ResponseWriter
	seen *counting
}

func (s *spy) ReadFrom(src io.Reader) (int64, error) {
	if part, ok := src.(*io.LimitedReader); ok {
		_, s.seen.file = part.R.(*os.File)
	}
	return s.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
}

func (s *spy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

type counting struct {
	file    bool
	started int
	last    Exchange
}

func (c *counting) Started()            { c.started++ }
func (c *counting) Finished(e Exchange) { e.Took = 0; c.last = e }

func TestWritersWithoutReadFrom(t *testing.T) {
	w, line := serve(t, get("/"), func(w http.ResponseWriter, r *http.Request) {
		if _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("abc")); err != nil {
			t.Error(err)
		}
	})
	if w.Body.String() != "abc" || line["sent"] != 3.0 {
		t.Errorf("%q, %v", w.Body, line)
	}
}

func TestLinks(t *testing.T) {
	tests := []struct {
		url        string
		total      int64
		page, size int
		want       string
	}{
		{"/p", 5, 1, 10, ""},
		{"/p", 0, 1, 10, ""},
		{"/p", 30, 1, 10, `</p?page=2&page_size=10>; rel="next"`},
		{"/p", 30, 3, 10, `</p?page=2&page_size=10>; rel="prev"`},
		{"/p", 30, 2, 10, `</p?page=1&page_size=10>; rel="prev" , </p?page=3&page_size=10>; rel="next"`},
		{"/p", 30, 9, 10, ""},
		{"/p", 30, 1, 0, ""},
		{"/p", 30, 1, -1, ""},
		{"/p", 50_001, 1, 0, `</p?page=2&page_size=0>; rel="next"`},
		{"/p?q=name%3D~lib&page=1", 30, 1, 10, `</p?page=2&page_size=10&q=name=~lib>; rel="next"`},
		{"/p?q=a%3E%0D%0A%22%26%2C%23%25", 30, 1, 10, `</p?page=2&page_size=10&q=a%3E%0D%0A%22%26%2C%23%25>; rel="next"`},
		{"/p/a%252Fb", 30, 1, 10, `</p/a%252Fb?page=2&page_size=10>; rel="next"`},
	}
	for _, tt := range tests {
		if got := Links(get(tt.url).URL, tt.total, tt.page, tt.size); got != tt.want {
			t.Errorf("%s, page %d of %d: %s, want %s", tt.url, tt.page, tt.size, got, tt.want)
		}
	}
}

func BenchmarkChain(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	h := Chain(log, nil, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		SetOperation(r, "v2_blob")
	}))
	r := get("/v2/library/app/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
