package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrNoRoute is the answer to a path that nothing serves, ErrMethod to one that
// is served for other methods.
var (
	ErrNoRoute = fault.New(fault.NotFound, "NOT_FOUND", "no such path")
	ErrMethod  = fault.New(fault.Unsupported, "METHOD_NOT_ALLOWED", "the method is not allowed here")

	errQuery = fault.New(fault.Invalid, "BAD_REQUEST", "the query of the URL cannot be parsed")
	errLarge = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "the body is too large")
)

// statuses is the only table from kinds of fault to status codes.
var statuses = [...]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Denied:          http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Precondition:    http.StatusPreconditionFailed,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.TooMany:         http.StatusTooManyRequests,
	fault.Unsupported:     http.StatusMethodNotAllowed,
	fault.Unavailable:     http.StatusServiceUnavailable,
	fault.OutOfRange:      http.StatusRequestedRangeNotSatisfiable,
}

// statusClientGone is logged for a request whose client did not wait.
const statusClientGone = 499

// BasicChallenge is the header WWW-Authenticate of a refusal that asks for a name
// and a secret.
const BasicChallenge = `Basic realm="berth"`

// A Problem is one error as it is told to a client.
type Problem struct {
	Code    string `json:"code"`             // for programs, stable
	Message string `json:"message"`          // for people
	Detail  any    `json:"detail,omitempty"` // further facts for programs
}

// Problems is the body of every answer that reports an error.
type Problems struct {
	Errors []Problem `json:"errors"`
}

// Error answers a request with an error, as Answer tells it. Where the answer
// has begun already, the connection is cut by a panic with http.ErrAbortHandler,
// so that nobody takes a part for the whole.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	status, header, body := Answer(r.Context(), err)
	if of(r.Context()).status != 0 {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), header)
	write(w, status, body)
}

// Answer returns what a client is told of an error, for doors that write their
// own answers. A fault is told by its kind, code, message and detail. Of
// anything else, and of an internal fault, the client learns the id of the
// request and nothing more; the line in the log has the rest. header, which may be nil, says when to try again.
func Answer(ctx context.Context, err error) (status int, header http.Header, body Problems) {
	x := of(ctx)
	f, status := classify(ctx, err)
	begun, ours := x.status != 0, status >= http.StatusInternalServerError
	if begun || f == nil || f.Unwrap() != nil || ours {
		x.err = err
		x.failed = ours || begun && ctx.Err() == nil
	}
	if f == nil || status == http.StatusInternalServerError {
		return status, again(status, nil), concealed(x.id)
	}
	return status, again(status, f.Detail), Problems{[]Problem{{Code: f.Code, Message: f.Message, Detail: f.Detail}}}
}

// again returns the header that says in how many seconds to try again, where
// that may help: what the detail of a fault has as retry_after, or a few.
func again(status int, detail any) http.Header {
	seconds := "5"
	switch status {
	case http.StatusServiceUnavailable:
	case http.StatusTooManyRequests:
		if d, ok := detail.(map[string]int); ok && d["retry_after"] > 0 {
			seconds = strconv.Itoa(d["retry_after"])
		}
	default:
		return nil
	}
	return http.Header{"Retry-After": {seconds}}
}

// classify returns the fault in an error, or nil, and the status of the answer.
func classify(ctx context.Context, err error) (*fault.Fault, int) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errLarge.With("at most %d bytes", large.Limit), http.StatusRequestEntityTooLarge
	}
	var f *fault.Fault
	if errors.As(err, &f) {
		if int(f.Kind) < len(statuses) {
			return f, statuses[f.Kind]
		}
		return f, http.StatusInternalServerError
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil, statusClientGone
	}
	return nil, http.StatusInternalServerError
}

// Fail answers with a status below 500 and a problem, for the few statuses that
// no kind of fault stands for.
func Fail(w http.ResponseWriter, status int, p Problem) { write(w, status, Problems{[]Problem{p}}) }

func write(w http.ResponseWriter, status int, body Problems) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		// Only a detail can fail to be JSON.
		body.Errors[0].Detail = nil
		_ = enc.Encode(body)
	}
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	// A client that is gone cannot be told.
	_, _ = w.Write(out.Bytes())
}

// concealed is the body that tells nothing but the id under which the log has
// the rest.
func concealed(id string) Problems {
	p := Problem{Code: "UNKNOWN", Message: "internal server error"}
	if id != "" {
		p.Detail = map[string]string{"request_id": id}
	}
	return Problems{[]Problem{p}}
}

// Handle makes a handler of a function that returns what went wrong.
func Handle(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Error(w, r, err)
		}
	})
}

// Routes serves a mux whose answers to unknown paths and wrong methods are ours
// (ErrNoRoute; ErrMethod with the header Allow) and not plain text.
func Routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := verdict{header: http.Header{}}
		h.ServeHTTP(&said, r)
		if said.status != http.StatusMethodNotAllowed {
			Error(w, r, ErrNoRoute)
			return
		}
		w.Header().Set("Allow", said.header.Get("Allow"))
		Error(w, r, ErrMethod)
	})
}

// verdict takes an answer and keeps its head.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }
