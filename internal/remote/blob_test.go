package remote_test

import (
	"bytes"
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

// A blob that breaks off is read on from there, also where the registry knows no
// ranges.
func TestBlobsAreReadOn(t *testing.T) {
	content := noise(300_000)
	var ranges bool
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		from := 0
		status := "200 OK"
		if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && ranges {
			from, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
			status = fmt.Sprintf("206 Partial Content\r\nContent-Range: bytes %d-%d/%d", from, len(content)-1, len(content))
		}
		end := min(len(content), from+100_000)
		if !ranges {
			end = min(len(content), 100_000*(1+len(r.Header.Get("X-Never"))))
			if r.Header.Get("Range") != "" {
				end = len(content)
			}
		}
		raw(w, fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(content)-from, content[from:end]))
	})
	r := connect(t, registry.URL, "")
	for _, ranges = range []bool{true, false} {
		var got []byte
		tries := 0
		for ; len(got) < len(content) && tries < 5; tries++ {
			body, size, err := r.Blob(t.Context(), "a/b", sum(content), int64(len(got)))
			if err != nil || size != int64(len(content)) {
				t.Fatalf("%d, %v", size, err)
			}
			part, err := io.ReadAll(body)
			if got = append(got, part...); len(got) < len(content) && !errors.Is(err, remote.ErrUnavailable) {
				t.Fatalf("at %d: %v", len(got), err)
			}
			body.Close()
		}
		if !bytes.Equal(got, content) || tries < 2 || tries > 3 {
			t.Errorf("ranges %t: %d bytes in %d tries", ranges, len(got), tries)
		}
	}
}

func TestAnswersThatEndTooEarly(t *testing.T) {
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"tags\":[]}")
	})
	r := connect(t, registry.URL, "")
	if _, err := r.Manifest(t.Context(), "a/b", "latest"); !errors.Is(err, remote.ErrUnavailable) {
		t.Error(err)
	}
	if err := r.Tags(t.Context(), "a/b", func([]string) error { t.Error("a page"); return nil }); !errors.Is(err, remote.ErrUnavailable) {
		t.Error(err)
	}
	body, size, err := r.Blob(t.Context(), "a/b", sum(nil), 0)
	if err != nil || size != 1000 {
		t.Fatal(size, err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); len(text) != 11 || !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestWrongParts(t *testing.T) {
	var status int
	var part string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		if part != "" {
			w.Header().Set("Content-Range", part)
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			fmt.Fprint(w, "01234")
		}
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		status int
		part   string
		ok     bool
	}{
		{206, "bytes 5-9/10", true}, {206, "bytes 5-9/*", true}, {206, "bytes 5-6/10", true},
		{206, "", false}, {206, "bytes 4-9/10", false}, {206, "bytes 0-4/10", false}, {206, "bytes 5-9/5", false},
		{206, "bytes 5-9/-1", false}, {206, "bytes -5-9/10", false}, {206, "5-9/10", false}, {206, "bytes */10", false},
		{206, "bytes 5-9/99999999999999999999", false}, {206, "bytes 5-9", false},
		{200, "", true}, {204, "", false}, {416, "", false}, {304, "", false}, {202, "", false},
	} {
		status, part = tt.status, tt.part
		body, _, err := r.Blob(t.Context(), "a/b", sum(nil), 5)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("%+v: %v", tt, err)
		}
		if err == nil {
			body.Close()
		}
	}
	status, part = 200, ""
	if _, _, err := r.Blob(t.Context(), "a/b", sum(nil), 6); !errors.Is(err, remote.ErrAnswer) {
		t.Errorf("a blob that became shorter: %v", err)
	}
}

func TestBlobsThatStandStill(t *testing.T) {
	var before, between atomic.Int64
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		sleep := func(d *atomic.Int64) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Duration(d.Load())):
			}
		}
		sleep(&before)
		w.Header().Set("Content-Length", "6")
		for i, c := range "abcdef" {
			if i > 0 {
				sleep(&between)
			}
			fmt.Fprintf(w, "%c", c)
			w.(http.Flusher).Flush()
		}
	})
	r := connect(t, registry.URL, "")
	r.Hurry(150 * time.Millisecond)
	read := func(ctx context.Context, eachTakes time.Duration) (string, error) {
		body, _, err := r.Blob(ctx, "a/b", sum(nil), 0)
		if err != nil {
			return "", err
		}
		defer body.Close()
		var text []byte
		for one := make([]byte, 1); ; {
			n, err := body.Read(one)
			text = append(text, one[:n]...)
			if err == io.EOF {
				return string(text), nil
			}
			if err != nil {
				return string(text), err
			}
			time.Sleep(eachTakes)
		}
	}
	for name, tt := range map[string]struct {
		before, between, reader time.Duration
		want                    string
		err                     error
	}{
		"slow":           {0, 50 * time.Millisecond, 0, "abcdef", nil},
		"slow reader":    {0, 20 * time.Millisecond, 200 * time.Millisecond, "abcdef", nil}, // is not the registry's fault
		"still":          {0, time.Minute, 0, "a", remote.ErrUnavailable},
		"still at first": {time.Minute, 0, 0, "", remote.ErrUnavailable},
	} {
		before.Store(int64(tt.before))
		between.Store(int64(tt.between))
		if got, err := read(t.Context(), tt.reader); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	before.Store(0)
	between.Store(int64(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, 0); !fault.OfKind(err, fault.Unavailable) {
		t.Errorf("past the caller's time: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	if _, err := read(ctx, 0); !errors.Is(err, context.Canceled) || fault.OfKind(err, fault.Unavailable) {
		t.Errorf("cancelled by the caller: %v", err)
	}
	r.HurryAll(50 * time.Millisecond)
	before.Store(int64(time.Minute))
	if _, err := r.Manifest(t.Context(), "a/b", "latest"); !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "longer than 50ms") {
		t.Error(err)
	}
}
