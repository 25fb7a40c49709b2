package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// PushManifest writes a manifest under a tag or its digest.
func (r *Registry) PushManifest(ctx context.Context, repository, ref, mediaType string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := r.ask(ctx, request{
		method: http.MethodPut, url: r.v2(repository, "manifests/"+ref), scopes: writing(repository), whole: true,
		header: http.Header{"Content-Type": {mediaType}}, size: int64(len(body)),
		body: func() (io.Reader, error) { return bytes.NewReader(body), nil },
	})
	if err != nil {
		return err
	}
	defer drain(answer)
	if said := answer.Header.Get("Docker-Content-Digest"); said != "" {
		if d, err := oci.ParseDigest(said); err != nil || oci.Sum(d.Algorithm(), body) != d {
			return ErrAnswer.With("it has stored the manifest under another digest: %q", short(said))
		}
	}
	return nil
}

// A Source is content that is to be written.
type Source struct {
	Digest oci.Digest
	Size   int64
	// Open returns the content from an offset on.
	Open func(ctx context.Context, offset int64) (io.ReadCloser, error)
	// From is a repository of the same registry that may have the content; empty:
	// none is known.
	From string
	// Chunk is how many bytes are sent in one request at most; 0: all.
	Chunk int64
}

// Limits of pushes.
const (
	atOnce   = 1 << 20 // a blob of so few bytes is sent in one piece, or anew
	maxTries = 5       // that go on with a blob
)

// PushBlob writes a blob that is not there yet, and reports whether its bytes
// were sent: not where the registry could take it from another repository. Where
// the connection breaks it goes on from where the registry stands.
func (r *Registry) PushBlob(ctx context.Context, repository string, s Source) (sent bool, err error) {
	at, mounted, err := r.begin(ctx, repository, s)
	if err != nil || mounted {
		return false, err
	}
	u := &upload{r: r, repository: repository, source: s, at: at}
	if s.Size > atOnce || s.Chunk > 0 && s.Size > s.Chunk {
		if err := u.pieces(ctx); err != nil {
			return true, err
		}
	}
	return true, u.finish(ctx)
}

// begin starts an upload and returns where it is to be sent.
func (r *Registry) begin(ctx context.Context, repository string, s Source) (at *url.URL, mounted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	q := request{method: http.MethodPost, url: r.v2(repository, "blobs/uploads/"), scopes: writing(repository), whole: true, body: nothing}
	if s.From != "" {
		q.url += "?" + url.Values{"mount": {string(s.Digest)}, "from": {s.From}}.Encode()
		q.scopes = append(q.scopes, reading(s.From)...)
	}
	answer, err := r.ask(ctx, q)
	if s.From != "" && fault.OfKind(err, fault.Denied) { // of the other repository
		s.From = ""
		return r.begin(ctx, repository, s)
	}
	if err != nil {
		return nil, false, err
	}
	drain(answer)
	switch answer.StatusCode {
	case http.StatusCreated:
		return nil, true, nil
	case http.StatusAccepted:
		at, err = location(answer)
		return at, false, err
	}
	return nil, false, ErrAnswer.With("%d where an upload was to begin", answer.StatusCode)
}

func nothing() (io.Reader, error) { return http.NoBody, nil }

// location returns where an upload goes on.
func location(answer *http.Response) (*url.URL, error) {
	at, err := answer.Request.URL.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Header.Get("Location") == "" {
		return nil, ErrAnswer.With("it does not say where the upload goes on")
	}
	return at, nil
}

// An upload is a blob on its way.
type upload struct {
	r          *Registry
	repository string
	source     Source
	at         *url.URL // where it goes on
	size       int64    // that the registry has
}

// pieces sends all bytes, and goes on where the connection breaks.
func (u *upload) pieces(ctx context.Context) error {
	for tries := 0; u.size < u.source.Size; {
		before := u.size
		err := u.piece(ctx)
		if err == nil {
			tries = 0
			continue
		}
		if tries++; tries == maxTries || ctx.Err() != nil || !fault.OfKind(err, fault.Unavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(tries) * 500 * time.Millisecond):
		}
		if found := u.stand(ctx); found != nil {
			return err // the upload is gone: what broke it is the cause
		}
		if u.size > before {
			tries = 0
		}
	}
	return nil
}

// piece sends what one request may have.
func (u *upload) piece(ctx context.Context) error {
	n := u.source.Size - u.size
	if u.source.Chunk > 0 {
		n = min(n, u.source.Chunk)
	}
	answer, err := u.send(ctx, http.MethodPatch, u.at.String(), n, http.Header{
		"Content-Type": {"application/octet-stream"}, "Content-Range": {fmt.Sprintf("%d-%d", u.size, u.size+n-1)},
	})
	if err != nil {
		return err
	}
	if u.at, err = location(answer); err != nil {
		return err
	}
	u.size += n
	return nil
}

// send sends n bytes from where the upload stands.
func (u *upload) send(ctx context.Context, method, to string, n int64, h http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := request{method: method, url: to, scopes: writing(u.repository), whole: true, header: h, size: n, body: nothing}
	if n > 0 {
		content, err := u.source.Open(ctx, u.size)
		if err != nil {
			return nil, err
		}
		body := &stream{body: content, cancel: cancel, left: n, timer: time.AfterFunc(stallTime, cancel)}
		defer body.end()
		q.once, q.body = true, func() (io.Reader, error) { return io.NopCloser(body), nil }
		defer content.Close()
	}
	answer, err := u.r.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	drain(answer)
	return answer, nil
}

// stand asks how much of the upload the registry has.
func (u *upload) stand(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := u.r.ask(ctx, request{method: http.MethodGet, url: u.at.String(), scopes: writing(u.repository), as: http.StatusNoContent})
	if err != nil {
		return err
	}
	drain(answer)
	if where := answer.Header.Get("Location"); where != "" {
		if u.at, err = location(answer); err != nil {
			return err
		}
	}
	_, last, found := strings.Cut(strings.TrimPrefix(answer.Header.Get("Range"), "bytes="), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if !found || err != nil || end < 0 || end >= u.source.Size {
		return ErrAnswer.With("it does not say where the upload stands")
	}
	if u.size = end + 1; end == 0 { // "0-0" is also said of nothing
		u.size = 0
	}
	return nil
}

// finish sends what is left and ends the upload.
func (u *upload) finish(ctx context.Context) error {
	end := *u.at
	q := end.Query()
	q.Set("digest", string(u.source.Digest))
	end.RawQuery = q.Encode()
	_, err := u.send(ctx, http.MethodPut, end.String(), u.source.Size-u.size, http.Header{"Content-Type": {"application/octet-stream"}})
	return err
}
