package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
)

const (
	// Patience bounds a file, with all that is tried again.
	Patience = time.Hour

	mostTries = 4 // without a byte in between
	firstRest = 250 * time.Millisecond
)

// A Web is an Origin on a server.
type Web struct {
	out  *outbound.Client
	base *url.URL
}

// NewWeb returns the origin below a URL. The client should let a request take as
// long as it takes; Patience ends it.
func NewWeb(out *outbound.Client, base string) (*Web, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrInvalid.Saying("the URL of the advisories must be like https://host/path, without more")
	}
	if err := out.CheckURL(u.String()); err != nil {
		return nil, err
	}
	return &Web{out, u}, nil
}

// Name is the URL.
func (w *Web) Name() string { return w.base.String() }

// Singles is true.
func (w *Web) Singles() bool { return true }

// Open implements Origin. Where a connection breaks, reading goes on from there, if
// the server can do that; otherwise it fails.
func (w *Web) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return Get(ctx, w.out, w.base.String()+"/"+strings.Join(parts, "/"))
}

// Get returns a file of a server, as Open does.
func Get(ctx context.Context, out *outbound.Client, address string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	d := &download{ctx: ctx, cancel: cancel, out: out, address: address}
	if err := d.open(); err != nil {
		cancel()
		return nil, err
	}
	return d, nil
}

// A download is a file that may come in pieces.
type download struct {
	ctx     context.Context //nolint:containedctx // of whoever reads
	cancel  context.CancelFunc
	out     *outbound.Client
	address string

	body  io.ReadCloser
	tag   string // by which the server knows that the file is still the same; empty: it cannot
	read  int64
	tries int
}

// open asks for what is not read yet, again and again where the server does not
// answer.
func (d *download) open() error {
	for {
		body, err := d.ask()
		if err == nil {
			d.body = body
			return nil
		}
		if errors.Is(err, ErrNone) {
			return ErrNone.With("%s", d.address)
		}
		if !errors.As(err, new(transient)) || !d.rest() {
			return ErrUnavailable.With("%s: %v", d.address, err).Because(err)
		}
	}
}

// A transient failure may be over the next time.
type transient struct{ error }

// rest waits, and reports whether to try again.
func (d *download) rest() bool {
	if d.tries++; d.tries >= mostTries {
		return false
	}
	select {
	case <-d.ctx.Done():
		return false
	case <-time.After(firstRest << d.tries):
		return true
	}
}

func (d *download) ask() (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.address, nil)
	if err != nil {
		return nil, err
	}
	if d.read > 0 {
		r.Header.Set("Range", "bytes="+strconv.FormatInt(d.read, 10)+"-")
		r.Header.Set("If-Range", d.tag)
	}
	answer, err := d.out.Do(r, false)
	if errors.As(err, new(*fault.Fault)) {
		return nil, err // the rules do not allow it
	}
	if err != nil {
		return nil, transient{err}
	}
	switch {
	case d.read == 0 && answer.StatusCode == http.StatusOK:
		if d.tag = answer.Header.Get("ETag"); d.tag == "" || strings.HasPrefix(d.tag, "W/") {
			d.tag = answer.Header.Get("Last-Modified")
		}
		return answer.Body, nil
	case d.read > 0 && answer.StatusCode == http.StatusPartialContent && strings.HasPrefix(answer.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.read)):
		return answer.Body, nil
	}
	_ = answer.Body.Close() // what it says is not read
	switch code := answer.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		return nil, ErrNone
	case code == http.StatusTooManyRequests, code >= http.StatusInternalServerError:
		return nil, transient{fmt.Errorf("the server answers %d", code)}
	case code == http.StatusOK, code == http.StatusPartialContent:
		return nil, errors.New("the connection broke, and the file has changed meanwhile")
	default:
		return nil, fmt.Errorf("the server answers %d", code)
	}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	for {
		n, err := d.body.Read(p)
		if n > 0 {
			d.read += int64(n)
			d.tries = 0
		}
		if err == nil || errors.Is(err, io.EOF) || n > 0 {
			return n, eof(err)
		}
		if d.tag == "" && d.read > 0 || !d.rest() {
			return 0, ErrUnavailable.With("%s broke off after %d bytes: %v", d.address, d.read, err)
		}
		_ = d.body.Close() // it is broken
		if err := d.open(); err != nil {
			d.body = http.NoBody
			return 0, err
		}
	}
}

// eof is nil for all but the end: what broke is asked for once more.
func eof(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return nil
}

// Close implements io.Closer.
func (d *download) Close() error {
	d.cancel()
	return d.body.Close()
}
