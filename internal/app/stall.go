package app

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// unstall ends requests that stand still for the time of stall, in either
// direction. A long upload to the registry, or any download, goes on as long as
// bytes move; what is sent elsewhere is small, and may be sent by anybody: it has
// that time in all. Charts, which wait in memory until they are complete, have
// some times of it. received is told how many bytes arrive.
func unstall(next http.Handler, stall time.Duration, received func(n int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.ContentLength != 0 && r.Body != nil {
			b := &body{ReadCloser: r.Body, control: control, stall: stall, whole: stall * stalls(r.URL.Path), received: received}
			if r.ProtoMajor == 1 {
				// What is not read of a small body the server reads by itself, before it
				// answers. Where this fails, so does what comes next.
				_ = b.set(time.Now().Add(stall))
			}
			r.Body = b
		}
		if r.ProtoMajor > 1 {
			w = &answer{ResponseWriter: w, control: control, stall: stall}
		}
		next.ServeHTTP(w, r)
	})
}

// chartStalls is how many times of stall the upload of a chart may take: with one
// of a minute, the largest chart needs 56 kB in a second.
const chartStalls = 10

// advisoryImport takes a file as large as a layer, and from administrators alone, who
// are known before any of it is read.
const advisoryImport = "/api/v2.0/system/advisories/import"

// stalls returns in how many times of stall all of a body is to arrive, 0 for
// any.
func stalls(path string) time.Duration {
	switch {
	case strings.HasPrefix(path, "/v2/"), path == advisoryImport:
		return 0
	case strings.HasPrefix(path, "/api/chartrepo/"):
		return chartStalls
	}
	return 1
}

// An answer extends the write deadline of its stream while bytes go out. Where a
// connection has one answer at a time, the connection sees to that; where it has
// many, a client can stop taking one of them and leave the connection moving.
type answer struct {
	http.ResponseWriter
	control  *http.ResponseController
	stall    time.Duration
	deadline time.Time
}

// Write sends p in pieces, each of which has the time of stall.
func (a *answer) Write(p []byte) (n int, err error) {
	for {
		if now := time.Now(); a.deadline.Sub(now) <= a.stall*3/4 {
			a.deadline = now.Add(a.stall)
			if err := a.control.SetWriteDeadline(a.deadline); err != nil {
				return n, err
			}
		}
		sent, err := a.ResponseWriter.Write(p[n:min(len(p), n+chunk)])
		n += sent
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// A body extends the read deadline while bytes arrive. Once it has ended there
// is no deadline: the server watches the connection for the client's leaving,
// and the answer may take its time.
type body struct {
	io.ReadCloser
	control  *http.ResponseController
	stall    time.Duration
	whole    time.Duration // in which all of it is to arrive; 0 for any
	received func(n int)
	deadline time.Time
	end      time.Time // of whole, once the first bytes are asked for
}

func (b *body) Read(p []byte) (int, error) {
	if now := time.Now(); b.deadline.IsZero() || b.deadline.Sub(now) <= b.stall*3/4 && !b.deadline.Equal(b.end) {
		b.deadline = b.next(now)
		if err := b.set(b.deadline); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.received(n)
	if errors.Is(err, io.EOF) {
		if cerr := b.set(time.Time{}); cerr != nil {
			err = cerr
		}
	}
	return n, err
}

// next returns the deadline of what is asked for now.
func (b *body) next(now time.Time) time.Time {
	if b.end.IsZero() && b.whole > 0 {
		b.end = now.Add(b.whole)
	}
	next := now.Add(b.stall)
	if b.whole > 0 && next.After(b.end) {
		return b.end
	}
	return next
}

// set sets the deadline where there is a connection that has one.
func (b *body) set(t time.Time) error {
	err := b.control.SetReadDeadline(t)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
