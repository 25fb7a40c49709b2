package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/oci"
)

// StatBlob returns the size of a blob, or -1 where the registry does not say it.
func (r *Registry) StatBlob(ctx context.Context, repository string, d oci.Digest) (int64, error) {
	to, err := r.blob(repository, d)
	if err != nil {
		return 0, err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(ctx, request{method: http.MethodHead, url: to, scopes: reading(repository), as: http.StatusOK})
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	return answer.ContentLength, nil
}

// Blob returns a blob from an offset on, which the caller closes, and its whole
// size, or -1. What is read is neither more than that size, nor checked by the
// digest. The error of a read is ErrUnavailable where the connection breaks or
// stands still.
func (r *Registry) Blob(ctx context.Context, repository string, d oci.Digest, offset int64) (io.ReadCloser, int64, error) {
	to, err := r.blob(repository, d)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &stream{cancel: cancel, stall: r.times.stall, left: -1}
	s.timer = time.AfterFunc(s.stall, func() { cancel(errStalled) })
	q := request{method: http.MethodGet, url: to, scopes: reading(repository), whole: true, header: http.Header{}}
	if offset > 0 {
		q.header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	answer, err := r.ask(ctx, q) //nolint:bodyclose // the stream closes it
	if err != nil {
		s.end()
		return nil, 0, err
	}
	s.timer.Stop()
	s.ctx = ctx
	s.body = answer.Body
	size, err := s.begin(answer, offset)
	if err != nil {
		s.Close()
		return nil, 0, err
	}
	return s, size, nil
}

var errStalled = ErrUnavailable.With("no byte came or went for too long")

// A stream is the body of an answer that is given up where it stands still. Time
// that its reader takes does not count.
type stream struct {
	body   io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	left   int64 // -1: not known
}

// begin sees to it that the stream begins at the offset, and returns the size of
// the whole.
func (s *stream) begin(answer *http.Response, offset int64) (int64, error) {
	size := answer.ContentLength
	if answer.StatusCode == http.StatusPartialContent {
		from, whole, ok := contentRange(answer.Header.Get("Content-Range"))
		if !ok || from != offset {
			return 0, ErrAnswer.With("it sends another part of the blob than the one asked for")
		}
		s.left = max(-1, whole-from)
		return whole, nil
	}
	if answer.StatusCode != http.StatusOK {
		return 0, ErrAnswer.With("%d", answer.StatusCode)
	}
	s.left = size
	if offset > 0 { // it knows no ranges
		switch _, err := io.CopyN(io.Discard, s, offset); {
		case errors.Is(err, io.EOF):
			return 0, ErrAnswer.With("the blob has not as many bytes as were read of it before")
		case err != nil:
			return 0, err
		}
	}
	return size, nil
}

// contentRange reads "bytes 5-9/10"; the whole is -1 for "*".
func contentRange(text string) (from, whole int64, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes ")
	part, total, found := strings.Cut(text, "/")
	first, _, dash := strings.Cut(part, "-")
	if !ok || !found || !dash {
		return 0, 0, false
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, 0, false
	}
	if total == "*" {
		return from, -1, true
	}
	whole, err = strconv.ParseInt(total, 10, 64)
	return from, whole, err == nil && whole > from
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left > 0 && int64(len(p)) > s.left {
		p = p[:s.left]
	}
	s.timer.Reset(s.stall)
	n, err := s.body.Read(p)
	s.timer.Stop()
	if s.left > 0 {
		s.left -= int64(n)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF) && s.left <= 0:
		err = io.EOF
	case s.ctx.Err() != nil:
		err = unreachable(s.ctx, err)
	default:
		err = ErrUnavailable.With("the blob broke off: %s", short(err.Error()))
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.end()
	return s.body.Close()
}

func (s *stream) end() {
	s.timer.Stop()
	s.cancel(nil)
}
