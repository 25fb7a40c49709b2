// Package web is what all doors of the server share: it gives each request an
// id, a client address and one line in the log, turns errors into answers, sends
// blobs, and writes the headers of paged lists. Who is calling, and whether they
// may, is for serve/auth and access to say.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
)

// An Observer is told of every request, for metrics. Its methods are called by
// many goroutines at once and on the path of every request.
type Observer interface {
	Started()          // a request is being answered
	Finished(Exchange) // and now it is, or was given up
}

// An Exchange is a request that was answered.
type Exchange struct {
	Operation string // as SetOperation named it, or ""
	Method    string
	Status    int
	Sent      int64 // bytes of the body
	Took      time.Duration
}

// Chain returns what stands around every handler. In this order: the id of the
// request, its client and external address, the log line and the metrics, the
// recovery from panics, and the refusal of paths and queries that two readers
// could read differently. Forwarded headers count only where they come from one
// of the trusted networks. metrics may be nil.
func Chain(log *slog.Logger, metrics Observer, trusted []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := &exchange{w: w, began: time.Now(), id: requestID(r)}
			x.locate(r, trusted)
			r = r.WithContext(context.WithValue(r.Context(), key{}, x))
			w.Header().Set("X-Request-Id", x.id)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			if metrics != nil {
				metrics.Started()
			}
			defer x.finish(log, metrics, r)
			switch {
			case !cleanPath(r.URL.Path):
				Error(x, r, ErrNoRoute)
			case !cleanQuery(r.URL.RawQuery):
				Error(x, r, errQuery)
			default:
				next.ServeHTTP(x, r)
			}
		})
	}
}

// exchange is one request on its way, and the writer of its answer.
type exchange struct {
	w     http.ResponseWriter
	began time.Time
	id    string

	address, scheme, host string
	operation, user       string

	status int   // 0 until the answer begins
	sent   int64 // bytes of its body
	err    error // what went wrong, for the log
	failed bool  // … and it was not the client's doing
}

type key struct{}

// of returns the request's exchange, or an empty one outside of a Chain.
func of(ctx context.Context) *exchange {
	if x, ok := ctx.Value(key{}).(*exchange); ok {
		return x
	}
	return &exchange{}
}

// RequestID returns the id of the request that a context belongs to: what the
// client sent as X-Request-Id where that is sane, else a random one.
func RequestID(ctx context.Context) string { return of(ctx).id }

// SetOperation names what the request does, for the log and the metrics. There
// must be few names: "v2_manifest", "createProject".
func SetOperation(r *http.Request, name string) { of(r.Context()).operation = name }

// SetUser names who is calling, for the log.
func SetUser(r *http.Request, name string) { of(r.Context()).user = name }

// finish ends an exchange: it answers for a handler that panicked, writes the
// log line and tells the metrics. A panic in the midst of an answer goes on as
// http.ErrAbortHandler, so that the client sees a broken answer and not a short
// one.
func (x *exchange) finish(log *slog.Logger, metrics Observer, r *http.Request) {
	abort := x.recovered(recover())
	if x.status == 0 {
		x.status = http.StatusOK // what net/http sends for a handler that wrote nothing
	}
	if r.Method == http.MethodHead {
		x.sent = 0 // whatever its handler wrote
	}
	took := time.Since(x.began)
	x.log(log, r, took)
	if metrics != nil {
		metrics.Finished(Exchange{x.operation, r.Method, x.status, x.sent, took})
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// recovered answers for a panic and reports whether the connection has to be
// cut.
func (x *exchange) recovered(what any) (abort bool) {
	if what == nil {
		return false
	}
	err, _ := what.(error)
	aborted := errors.Is(err, http.ErrAbortHandler)
	if !aborted {
		x.err, x.failed = fmt.Errorf("panic: %v\n%s", what, debug.Stack()), true
	}
	if x.status != 0 || aborted {
		return true
	}
	write(x, http.StatusInternalServerError, concealed(x.id))
	return false
}

func (x *exchange) log(log *slog.Logger, r *http.Request, took time.Duration) {
	level := slog.LevelInfo
	if x.failed {
		level = slog.LevelError
	}
	ctx := r.Context()
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("method", r.Method),
		slog.String("path", clip(r.URL.Path)),
		slog.Int("status", x.status),
		slog.Int64("sent", x.sent),
		slog.Duration("took", took),
		slog.String("address", x.address),
		slog.String("request", x.id),
	)
	if x.operation != "" {
		attrs = append(attrs, slog.String("operation", x.operation))
	}
	if x.user != "" {
		attrs = append(attrs, slog.String("user", x.user))
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}

// Header, WriteHeader, Write and Flush are those of http.ResponseWriter and
// http.Flusher.
func (x *exchange) Header() http.Header { return x.w.Header() }

func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
	x.w.WriteHeader(status)
}

func (x *exchange) Write(p []byte) (int, error) {
	x.begin()
	n, err := x.w.Write(p)
	x.sent += int64(n)
	return n, err
}

// ReadFrom hands a file to the connection whole, so that the kernel can send
// it.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	x.begin()
	if to, ok := x.w.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{x.w}, src)
	}
	x.sent += n
	return n, err
}

func (x *exchange) Flush() {
	x.begin()
	// The error says that the connection cannot flush, or is gone; the next
	// write tells its caller.
	_ = http.NewResponseController(x.w).Flush()
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

func (x *exchange) begin() {
	if x.status == 0 {
		x.status = http.StatusOK
	}
}

// requestID returns the client's id for the request, if it can stand in a log
// and a header, or a new one.
func requestID(r *http.Request) string {
	const most = 128
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > most {
		return uuid.NewString()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return uuid.NewString()
		}
	}
	return id
}

// cleanPath reports whether a path has no empty, "." or ".." segments. What
// decides and what acts must not read two paths in one.
func cleanPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	rest, more := path[1:], true
	for more {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "." || segment == ".." || segment == "" && more {
			return false
		}
	}
	return true
}

// cleanQuery reports whether net/url can parse a query wholly.
func cleanQuery(raw string) bool {
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case ';':
			return false
		case '%':
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return false
			}
			i += 2
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// clip keeps what a client sent from filling the log.
func clip(s string) string {
	const most = 1024
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// remote returns the host of a request's peer.
func remote(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
