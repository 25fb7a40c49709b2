package remote

import (
	"bytes"
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
	"github.com/berth-registry/berth/internal/oci"
)

// PushManifest writes a manifest under a tag or its digest. Where it refers to
// another one and the registry keeps no lists of what does, it is added to the list
// that a tag stands for.
func (r *Registry) PushManifest(ctx context.Context, repository, ref, mediaType string, body []byte) error {
	listed, err := r.putManifest(ctx, repository, ref, mediaType, body)
	if err != nil || listed {
		return err
	}
	m, err := oci.ParseManifest(mediaType, body)
	if err != nil || m.Subject == nil {
		return nil // it took the manifest, whatever that is
	}
	own := oci.Descriptor{MediaType: mediaType, Digest: oci.Sum(oci.SHA256, body), Size: int64(len(body)), ArtifactType: m.ArtifactType, Annotations: m.Annotations}
	if d, err := oci.ParseDigest(ref); err == nil {
		own.Digest = d
	}
	return r.list(ctx, repository, m.Subject.Digest, own)
}

// putManifest writes a manifest, and reports whether the registry says that it has
// put it into the list of what refers to its subject.
func (r *Registry) putManifest(ctx context.Context, repository, ref, mediaType string, body []byte) (listed bool, err error) {
	to, err := r.manifest(repository, ref)
	if err != nil {
		return false, err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(ctx, request{
		method: http.MethodPut, url: to, scopes: writing(repository), whole: true,
		header: http.Header{"Content-Type": {mediaType}}, body: bytesOf(body), size: int64(len(body)),
	})
	if err != nil {
		return false, err
	}
	defer drain(answer)
	d, err := said(answer)
	if err != nil {
		return false, err
	}
	if d != "" && oci.Sum(d.Algorithm(), body) != d {
		return false, ErrAnswer.With("it has stored the manifest under another digest: %s", d)
	}
	return answer.Header.Get("OCI-Subject") != "", nil
}

func bytesOf(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
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
	maxTries = 8       // that go on with a blob and bring it no further by atOnce
)

// PushBlob writes a blob that is not there yet, and reports whether its bytes
// were sent: not where the registry could take it from another repository. Where
// the connection breaks it goes on from where the registry stands, also where that
// is away for up to a minute. An error of the source is returned as it is.
func (r *Registry) PushBlob(ctx context.Context, repository string, s Source) (sent bool, err error) {
	if _, err := oci.ParseDigest(string(s.Digest)); err != nil {
		return false, err
	}
	u, err := r.begin(ctx, repository, s)
	if err != nil || u == nil {
		return false, err
	}
	if s.Size > atOnce || u.source.Chunk > 0 && s.Size > u.source.Chunk {
		return true, u.run(ctx)
	}
	return true, u.finish(ctx)
}

// begin starts an upload. It returns nil where the registry had the blob in
// another repository.
func (r *Registry) begin(ctx context.Context, repository string, s Source) (*upload, error) {
	to, err := r.v2(repository, "blobs/uploads/")
	if err != nil {
		return nil, err
	}
	asking, cancel := r.within(ctx)
	defer cancel()
	q := request{method: http.MethodPost, url: to, scopes: writing(repository), whole: true}
	if s.From != "" {
		q.url += "?" + url.Values{"mount": {string(s.Digest)}, "from": {s.From}}.Encode()
		q.scopes = append(q.scopes, reading(s.From)...)
	}
	answer, err := r.ask(asking, q)
	if s.From != "" && !errors.Is(err, ErrLimited) && !errors.Is(err, ErrUnavailable) && errors.As(err, new(*fault.Fault)) {
		// It should have begun an upload, but may say anything of the other repository.
		s.From = ""
		return r.begin(ctx, repository, s)
	}
	if err != nil {
		return nil, err
	}
	drain(answer)
	switch answer.StatusCode {
	case http.StatusCreated:
		if s.From == "" {
			break
		}
		return nil, nil
	case http.StatusAccepted:
		at, err := r.location(answer)
		if least, err := strconv.ParseInt(answer.Header.Get("OCI-Chunk-Min-Length"), 10, 64); err == nil && s.Chunk > 0 {
			s.Chunk = max(s.Chunk, least)
		}
		return &upload{r: r, repository: repository, source: s, at: at}, err
	}
	return nil, ErrAnswer.With("%d where an upload was to begin", answer.StatusCode)
}

// location returns where an upload goes on.
func (r *Registry) location(answer *http.Response) (*url.URL, error) {
	text := answer.Header.Get("Location")
	at, err := answer.Request.URL.Parse(text)
	switch {
	case err != nil || text == "" || at.Host == "" || at.User != nil || at.Scheme != "http" && at.Scheme != "https":
		return nil, ErrAnswer.With("it does not say where the upload goes on")
	case r.base.Scheme == "https" && at.Scheme != "https":
		return nil, ErrAnswer.With("it has the upload go on without TLS, at %s", short(at.Host))
	}
	return at, nil
}

// An upload is a blob on its way.
type upload struct {
	r          *Registry
	repository string
	source     Source
	at         *url.URL  // where it goes on
	size       int64     // that the registry has
	until      time.Time // when it is given up, unless it comes further before
}

// run sends all bytes and ends the upload. Where the connection breaks, or the
// registry is away for a while, it goes on.
func (u *upload) run(ctx context.Context) error {
	var best int64 // how far it came when tries were last counted from the beginning
	for tries := 0; ; {
		last, step := u.size == u.source.Size, u.piece
		if last {
			step = u.finish
		}
		err := step(ctx)
		switch {
		case err == nil && last:
			return nil
		case err == nil:
			tries, best = 0, u.size
			continue
		case ctx.Err() != nil || !passes(err):
			return err
		}
		if tries == 0 {
			u.until = time.Now().Add(u.r.times.patience)
		}
		if tries, err = u.rest(ctx, tries+1, err); err != nil {
			if _, has := u.r.StatBlob(ctx, u.repository, u.source.Digest); last && has == nil {
				return nil // it ended, and the answer was lost
			}
			return err
		}
		if u.size >= best+atOnce {
			tries, best = 0, u.size
		}
	}
}

// passes reports whether an upload may go on after an error.
func passes(err error) bool {
	return fault.OfKind(err, fault.Unavailable) && (!errors.Is(err, ErrAnswer) || errors.Is(err, errRange))
}

// rest waits until the registry says how much of the upload it has, with pauses
// that grow, and returns how many tries there were. Where it does not, the error is
// what broke the upload.
func (u *upload) rest(ctx context.Context, tries int, cause error) (int, error) {
	ctx, cancel := context.WithDeadline(ctx, u.until)
	defer cancel()
	for ; tries < maxTries; tries++ {
		select {
		case <-ctx.Done():
			return tries, cause
		case <-time.After(u.r.times.pause << (tries - 1)):
		}
		err := u.stand(ctx)
		if err == nil {
			return tries, nil
		}
		if !errors.Is(err, ErrUnavailable) {
			break // the upload is gone
		}
	}
	return tries, cause
}

// piece sends what one request may have.
func (u *upload) piece(ctx context.Context) error {
	n := u.source.Size - u.size
	if u.source.Chunk > 0 {
		n = min(n, u.source.Chunk)
	}
	at, err := u.send(ctx, http.MethodPatch, u.at.String(), n, http.Header{
		"Content-Type": {"application/octet-stream"}, "Content-Range": {fmt.Sprintf("%d-%d", u.size, u.size+n-1)},
	})
	if err != nil {
		return err
	}
	u.at, u.size = at, u.size+n
	return nil
}

// send sends n bytes from where the upload stands, and returns where it goes on
// after a PATCH.
func (u *upload) send(ctx context.Context, method, to string, n int64, h http.Header) (*url.URL, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(u.r.times.answer(n), func() { cancel(errStalled) })
	defer guard.Stop()
	answer, err := u.r.ask(ctx, request{
		method: method, url: to, scopes: writing(u.repository), whole: true, header: h, size: n,
		body: func() (io.ReadCloser, error) {
			content, err := u.source.Open(ctx, u.size)
			if err != nil {
				return nil, &sourceError{err}
			}
			return &sending{content, guard, u.r.times, n}, nil
		},
	})
	var source *sourceError
	switch {
	case errors.As(err, &source):
		return nil, source.err
	case errors.Is(err, ErrNotFound):
		return nil, ErrUnavailable.With("it has forgotten the upload").Because(err)
	case err != nil:
		return nil, err
	}
	drain(answer)
	if method != http.MethodPatch {
		return nil, nil
	}
	return u.r.location(answer)
}

// A sourceError is why content could not be read that was to be sent.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// A sending is the body of a request that is given up where it stands still.
type sending struct {
	io.ReadCloser
	guard *time.Timer
	times times
	left  int64
}

// Read implements io.Reader.
func (s *sending) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.guard.Reset(s.times.answer(s.left))
	switch {
	case s.left == 0 || err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%d bytes of what is sent are missing: %w", s.left, io.ErrUnexpectedEOF)
	}
	return n, &sourceError{err}
}

// answer is how long a request whose body lacks n bytes may stand still.
func (t times) answer(n int64) time.Duration {
	if n > 0 {
		return t.stall
	}
	return t.hash + t.ask
}

// stand asks how much of the upload the registry has.
func (u *upload) stand(ctx context.Context) error {
	ctx, cancel := u.r.within(ctx)
	defer cancel()
	answer, err := u.r.ask(ctx, request{method: http.MethodGet, url: u.at.String(), scopes: writing(u.repository), whole: true})
	if err != nil {
		return err
	}
	drain(answer)
	if where := answer.Header.Get("Location"); where != "" {
		at, err := u.r.location(answer)
		if err != nil {
			return err
		}
		u.at = at
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
	if end.RawQuery != "" { // which may be signed
		end.RawQuery += "&"
	}
	end.RawQuery += url.Values{"digest": {string(u.source.Digest)}}.Encode()
	_, err := u.send(ctx, http.MethodPut, end.String(), u.source.Size-u.size, http.Header{"Content-Type": {"application/octet-stream"}})
	return err
}
