package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/remote"
)

// One question after the other takes one connection, and no more questions than
// there are.
func TestNothingIsAskedTwice(t *testing.T) {
	var registry *upstream
	content := noise(100_000)
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			giveToken(w, r)
			return
		}
		switch {
		case asking(w, r, bearer(registry.URL+"/token")):
			_, _ = w.Write(noise(5000))
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/u")
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(noise(5000))
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case strings.HasSuffix(r.URL.Path, "missing"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(noise(5000))
		default:
			_, _ = w.Write(content)
		}
	})
	r := connect(t, registry.URL, account)
	for range 3 {
		if _, err := r.Manifest(t.Context(), "a/b", "latest"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.StatManifest(t.Context(), "a/b", "missing"); !errors.Is(err, remote.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := r.Manifest(t.Context(), "a/b", "missing"); !errors.Is(err, remote.ErrNotFound) {
			t.Fatal(err)
		}
		body, _, err := r.Blob(t.Context(), "a/b", sum(content), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Fatal(err)
		}
		body.Close()
		if sent, err := r.PushBlob(t.Context(), "a/b", source(content)); !sent || err != nil {
			t.Fatal(err)
		}
	}
	if n, lines := registry.connections.Load(), registry.lines(); n != 1 || len(lines) != 1+2+3*6 {
		t.Errorf("%d connections, %d requests:\n%s", n, len(lines), strings.Join(lines, "\n"))
	}
}

// No answer takes more memory, or is read for longer, than its bounds.
func TestEndlessAnswers(t *testing.T) {
	var written atomic.Int64
	var begin func(w http.ResponseWriter)
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") || begin == nil {
			endless(w, &written)
			return
		}
		begin(w)
		endless(w, &written)
	})
	asks := func(r *remote.Registry) map[string]func(ctx context.Context) error {
		return map[string]func(ctx context.Context) error{
			"manifest":     func(ctx context.Context) error { _, err := r.Manifest(ctx, "a/b", "latest"); return err },
			"tags":         func(ctx context.Context) error { return r.Tags(ctx, "a/b", func([]string) error { return nil }) },
			"repositories": func(ctx context.Context) error { return r.Repositories(ctx, func([]string) error { return nil }) },
			"referrers":    func(ctx context.Context) error { _, err := r.Referrers(ctx, "a/b", sum(nil)); return err },
			"labels":       func(ctx context.Context) error { _, err := r.Labels(ctx, "a/b", string(sum(nil))); return err },
		}
	}
	for name, tt := range map[string]struct {
		begin func(w http.ResponseWriter)
		want  error
	}{
		"chunked": {func(http.ResponseWriter) {}, remote.ErrAnswer},
		"a length": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<40))
		}, remote.ErrAnswer},
		"a list": {func(w http.ResponseWriter) { fmt.Fprint(w, `{"tags":["`) }, remote.ErrAnswer},
		"an error": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, `{"errors":[{"message":"`)
		}, remote.ErrUnavailable},
		"a token": {func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", bearer(registry.URL+"/token"))
			w.WriteHeader(http.StatusUnauthorized)
		}, remote.ErrAnswer},
	} {
		begin = tt.begin
		for _, kind := range []remote.Kind{remote.Distribution, remote.Harbor} {
			r := connectTo(t, remote.Settings{Kind: kind, URL: registry.URL})
			for what, ask := range asks(r) {
				if what == "labels" && kind != remote.Harbor || name == "a token" && kind == remote.Harbor && (what == "labels" || what == "repositories") {
					continue
				}
				written.Store(0)
				if err := ask(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("%s of %s as %s: %v", what, kind, name, err)
				}
				if n := written.Load(); n > 24<<20 { // what is on its way included
					t.Errorf("%s as %s: %d bytes were sent", what, name, n)
				}
			}
		}
	}

	begin = func(http.ResponseWriter) {}
	r := connect(t, registry.URL, "")
	body, size, err := r.Blob(t.Context(), "a/b", sum(nil), 0)
	if err != nil || size != -1 {
		t.Fatal(size, err)
	}
	if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
		t.Error(err)
	}
	body.Close() // which the server's end of the test waits for
	begin = func(w http.ResponseWriter) {
		w.Header().Set("Content-Range", "bytes 5-9/10")
		w.WriteHeader(http.StatusPartialContent)
	}
	body, size, err = r.Blob(t.Context(), "a/b", sum(nil), 5)
	if err != nil || size != 10 {
		t.Fatal(size, err)
	}
	if text, err := io.ReadAll(body); len(text) != 5 || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	body.Close()
}

func TestFaults(t *testing.T) {
	var status int
	var after string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errors":[{"code":"SOME","message":"of it\u0007\u202e"}]}`)
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		status int
		after  string
		want   error
		least  int
		most   int // seconds; 0: nothing is said
	}{
		{404, "", remote.ErrNotFound, 0, 0}, {401, "", remote.ErrRefused, 0, 0}, {403, "9", remote.ErrRefused, 0, 0},
		{405, "", remote.ErrUnsupported, 0, 0}, {409, "", remote.ErrConflict, 0, 0}, {400, "", remote.ErrRejected, 0, 0}, {412, "", remote.ErrConflict, 0, 0}, {418, "", remote.ErrAnswer, 0, 0},
		{500, "", remote.ErrUnavailable, 0, 0}, {503, "9", remote.ErrUnavailable, 9, 9},
		{429, "", remote.ErrLimited, 0, 0}, {429, "17", remote.ErrLimited, 17, 17}, {429, "0", remote.ErrLimited, 1, 1}, {429, "-4", remote.ErrLimited, 1, 1},
		{429, "999999999", remote.ErrLimited, 86400, 86400}, {429, "99999999999999999999999", remote.ErrLimited, 0, 0}, {429, "soon", remote.ErrLimited, 0, 0},
		{429, time.Now().Add(100 * time.Second).UTC().Format(http.TimeFormat), remote.ErrLimited, 95, 100},
		{429, "Mon, 02 Jan 2006 15:04:05 GMT", remote.ErrLimited, 1, 1},
	} {
		status, after = tt.status, tt.after
		_, err := r.Manifest(t.Context(), "a/b", "latest")
		if !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		var f *fault.Fault
		errors.As(err, &f)
		detail, _ := f.Detail.(map[string]int)
		if seconds := detail["retry_after"]; seconds < tt.least || seconds > tt.most || tt.most == 0 && f.Detail != nil {
			t.Errorf("%+v: %v", tt, f.Detail)
		}
		if tt.status != 401 && (!strings.Contains(f.Message, "SOME of it") || strings.ContainsAny(f.Message, "\a\u202e")) {
			t.Errorf("%q", f.Message)
		}
	}
	if n := registry.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestBudget(t *testing.T) {
	var limit, remaining string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ratelimit-limit", limit)
		w.Header().Set("ratelimit-remaining", remaining)
		w.WriteHeader(http.StatusTooManyRequests) // says so too
	})
	for _, tt := range []struct {
		limit, remaining string
		want             remote.Budget
	}{
		{"100;w=21600", "76;w=21600", remote.Budget{Limit: 100, Remaining: 76, Window: 6 * time.Hour}},
		{"100", "0", remote.Budget{Limit: 100}},
		{"100; w=60;burst=1", "3", remote.Budget{Limit: 100, Remaining: 3}},
		{"100;w=-1", "3", remote.Budget{Limit: 100, Remaining: 3}},
		{"", "3", remote.Budget{}}, {"100", "", remote.Budget{}}, {"-1", "3", remote.Budget{}}, {"x", "3", remote.Budget{}}, {"100", "-3", remote.Budget{}},
	} {
		limit, remaining = tt.limit, tt.remaining
		r := connect(t, registry.URL, "")
		_, _ = r.StatManifest(t.Context(), "a/b", "latest")
		got := r.Budget()
		if fresh := time.Since(got.At) < time.Minute; fresh != (tt.want.Limit > 0) {
			t.Errorf("%+v: at %s", tt, got.At)
		}
		if got.At = (time.Time{}); got != tt.want {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\r\nc\x1b[2J\u0085\u202e": "a b  c [2J  ", "\xff\xfe": "��", "ä→": "ä→",
		strings.Repeat("ä", 200): strings.Repeat("ä", 150) + "…", "x" + strings.Repeat("ä", 200): "x" + strings.Repeat("ä", 149) + "…",
	} {
		if got := remote.Short(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
