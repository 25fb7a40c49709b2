package remote

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/time/rate"

	"github.com/berth-registry/berth/internal/fault"
)

// How often content is opened again that gives not one byte, after pauses of half a
// second, and twice as much each time.
const (
	mostOpened  = 4 // after 7.5 s in all, where somebody waits for it
	mostPatient = 7 // after a minute
)

// A LastingReader is content that goes on where its source broke off, so that
// whoever keeps it sees one stream.
type LastingReader struct {
	ctx  context.Context //nolint:containedctx // of whoever reads
	open func(offset int64) (io.ReadCloser, error)
	size int64
	most int // of tries

	now    io.ReadCloser
	offset int64
	tries  int // since the last byte
	err    error
}

// Lasting returns content of a size, or of any where that is below 0, that begins
// with what is open already, or nil, and that open opens from an offset on.
func Lasting(ctx context.Context, first io.ReadCloser, size int64, open func(offset int64) (io.ReadCloser, error)) *LastingReader {
	return &LastingReader{ctx: ctx, open: open, size: size, most: mostOpened, now: first}
}

// Patient returns what Lasting does, for content that nobody waits for: it lasts
// until its source was away for a minute.
func Patient(ctx context.Context, size int64, open func(offset int64) (io.ReadCloser, error)) *LastingReader {
	return &LastingReader{ctx: ctx, open: open, size: size, most: mostPatient}
}

// Read implements io.Reader.
func (l *LastingReader) Read(p []byte) (int, error) {
	for l.err == nil {
		if l.now == nil {
			if l.now, l.err = l.open(l.offset); l.err != nil {
				l.now = nil
				l.again()
				continue
			}
		}
		n, err := l.now.Read(p)
		if n > 0 {
			l.offset += int64(n)
			l.tries = 0
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && l.offset >= l.size:
			l.err = io.EOF
		case errors.Is(err, io.EOF):
			l.err = ErrUnavailable.With("the blob ended after %d of %d bytes", l.offset, l.size)
			l.again()
		default:
			l.err = err
			l.again()
		}
		if n > 0 || err == nil {
			return n, nil
		}
	}
	return 0, l.err
}

// again has the source opened again, unless that would not help.
func (l *LastingReader) again() {
	_ = l.Close() // it was only read
	if l.tries++; l.tries > l.most || !fault.OfKind(l.err, fault.Unavailable) {
		return
	}
	select {
	case <-l.ctx.Done():
	case <-time.After(time.Second << l.tries / 4):
		l.err = nil
	}
}

// Err returns why the source failed for good, or nil.
func (l *LastingReader) Err() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}

// Close implements io.Closer.
func (l *LastingReader) Close() error {
	if l.now == nil {
		return nil
	}
	defer func() { l.now = nil }()
	return l.now.Close()
}

const mostBurst = 256 << 10

// Limit returns the limit of a number of KB in a second, nil for 0.
func Limit(speed int64) *rate.Limiter {
	if speed <= 0 {
		return nil
	}
	perSecond := speed << 10
	return rate.NewLimiter(rate.Limit(perSecond), int(min(perSecond, mostBurst)))
}

// Slowly returns content that is read no faster than a limit of bytes in a second.
func Slowly(ctx context.Context, r io.Reader, limit *rate.Limiter) io.Reader {
	return &slow{r, ctx, limit}
}

type slow struct {
	io.Reader

	ctx   context.Context //nolint:containedctx // of whoever reads
	limit *rate.Limiter
}

// Read implements io.Reader.
func (s *slow) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), s.limit.Burst())])
	if n > 0 {
		if waited := s.limit.WaitN(s.ctx, n); waited != nil {
			return n, waited
		}
	}
	return n, err
}
