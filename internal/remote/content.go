package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// A Manifest is one of a registry. Its digest is that of its body, where there is
// one; else what the registry says.
type Manifest struct {
	Digest    oci.Digest
	MediaType string
	Size      int64
	Body      []byte // nil where only its facts were asked for
}

var accept = []string{strings.Join([]string{
	oci.MediaTypeImageIndex, oci.MediaTypeDockerList, oci.MediaTypeImageManifest, oci.MediaTypeDockerManifest, oci.MediaTypeArtifactManifest, "*/*;q=0.1",
}, ", ")}

// v2 returns the URL of something of a repository. What is no name leads to none,
// so that none reaches another path.
func (r *Registry) v2(repository, what string) (string, error) {
	if err := checkRepository(repository); err != nil {
		return "", err
	}
	return r.base.JoinPath("v2", repository, what).String(), nil
}

// checkRepository is oci.CheckRepository for registries that have no projects:
// one component is enough.
func checkRepository(name string) error {
	if oci.CheckRepository("r/"+name) != nil {
		return oci.ErrNameInvalid.With("%q", short(name))
	}
	return nil
}

func (r *Registry) manifest(repository, ref string) (string, error) {
	if _, err := oci.ParseReference(ref); err != nil {
		return "", err
	}
	return r.v2(repository, "manifests/"+ref)
}

func (r *Registry) blob(repository string, d oci.Digest) (string, error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return r.v2(repository, "blobs/"+string(d))
}

func reading(repository string) []string { return []string{"repository:" + repository + ":pull"} }

func writing(repository string) []string { return []string{"repository:" + repository + ":pull,push"} }

func (r *Registry) askManifest(ctx context.Context, method, repository, ref string) (*http.Response, error) {
	to, err := r.manifest(repository, ref)
	if err != nil {
		return nil, err
	}
	return r.ask(ctx, request{method: method, url: to, scopes: reading(repository), header: http.Header{"Accept": accept}, as: http.StatusOK})
}

// StatManifest returns what the registry says of a manifest, which costs no pull
// of those that a registry counts. ref is a tag or a digest. Of a tag, the digest
// is empty where the registry does not say it.
func (r *Registry) StatManifest(ctx context.Context, repository, ref string) (Manifest, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.askManifest(ctx, http.MethodHead, repository, ref)
	if err != nil {
		return Manifest{}, err
	}
	answer.Body.Close()
	m := Manifest{MediaType: answer.Header.Get("Content-Type"), Size: answer.ContentLength}
	if m.Digest, err = said(answer); err != nil {
		return Manifest{}, err
	}
	if d, err := oci.ParseDigest(ref); err == nil {
		if m.Digest != "" && m.Digest != d && m.Digest.Algorithm() == d.Algorithm() {
			return Manifest{}, ErrAnswer.With("it says that the manifest has the digest %s", m.Digest)
		}
		m.Digest = d
	}
	return m, nil
}

// said returns the digest that an answer names, or nothing. For what was asked for
// by its digest it may be one of another algorithm.
func said(answer *http.Response) (oci.Digest, error) {
	text := answer.Header.Get("Docker-Content-Digest")
	if text == "" {
		return "", nil
	}
	d, err := oci.ParseDigest(text)
	if err != nil {
		return "", ErrAnswer.With("its digest of the manifest is none: %q", short(text))
	}
	return d, nil
}

// Manifest returns a manifest of at most oci.MaxManifest bytes. One that was asked
// for by its digest has it; of one that was asked for by a tag the registry does
// not say another.
func (r *Registry) Manifest(ctx context.Context, repository, ref string) (Manifest, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.askManifest(ctx, http.MethodGet, repository, ref)
	if err != nil {
		return Manifest{}, err
	}
	defer answer.Body.Close()
	body, err := content(answer, oci.MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	want, err := oci.ParseDigest(ref)
	if err != nil {
		if want, err = said(answer); err != nil {
			return Manifest{}, err
		}
	}
	d := oci.Sum(cmp.Or(want.Algorithm(), oci.SHA256), body)
	if want != "" && d != want {
		return Manifest{}, ErrAnswer.With("the manifest should have the digest %s and has %s", want, d)
	}
	return Manifest{Digest: d, MediaType: answer.Header.Get("Content-Type"), Size: int64(len(body)), Body: body}, nil
}

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

// DeleteManifest deletes what a tag or a digest names. By a tag, only that goes
// where the registry can do so; where it cannot, the error is ErrUnsupported.
func (r *Registry) DeleteManifest(ctx context.Context, repository, ref string) error {
	to, err := r.manifest(repository, ref)
	if err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(ctx, request{
		method: http.MethodDelete, url: to, scopes: []string{"repository:" + repository + ":delete,pull"}, whole: true,
	})
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}

const (
	maxList      = 8 << 20 // bytes of a page
	maxPages     = 100_000
	pageSize     = 1000
	maxReferrers = 10_000
)

// Tags calls fn for each page of a repository's tags. Those that are none are
// left out.
func (r *Registry) Tags(ctx context.Context, repository string, fn func(tags []string) error) error {
	first, err := r.v2(repository, "tags/list")
	if err != nil {
		return err
	}
	return r.pages(ctx, first+"?n="+strconv.Itoa(pageSize), reading(repository), nil, func(answer *http.Response) error {
		var body struct{ Tags []string }
		if err := object(answer, maxList, &body); err != nil {
			return err
		}
		return fn(slices.DeleteFunc(body.Tags, func(t string) bool { return oci.CheckTag(t) != nil }))
	})
}

// Repositories calls fn for each page of the registry's repositories that the
// account may see. Names that are none are left out. It returns ErrUnsupported,
// or another fault of the registry's, where there is no such list.
func (r *Registry) Repositories(ctx context.Context, fn func(names []string) error) error {
	keep := func(names []string) error {
		return fn(slices.DeleteFunc(names, func(n string) bool { return checkRepository(n) != nil }))
	}
	if list := r.vendor.repositories; list != nil {
		return list(ctx, r, keep)
	}
	first := r.base.JoinPath("v2", "_catalog").String() + "?n=" + strconv.Itoa(pageSize)
	return r.pages(ctx, first, []string{"registry:catalog:*"}, nil, func(answer *http.Response) error {
		var body struct{ Repositories []string }
		if err := object(answer, maxList, &body); err != nil {
			return err
		}
		return keep(body.Repositories)
	})
}

// Referrers returns the descriptors of the artifacts whose subject a digest is, by
// the registry's list or, where it has none, by the tag that stands for one
// (distribution specification, "Referrers Tag Schema"). There are at most 10,000.
func (r *Registry) Referrers(ctx context.Context, repository string, d oci.Digest) (all []oci.Descriptor, err error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return nil, err
	}
	first, err := r.v2(repository, "referrers/"+string(d))
	if err != nil {
		return nil, err
	}
	read := func(body []byte) error {
		m, err := oci.ParseManifest(oci.MediaTypeImageIndex, body)
		if err != nil {
			return ErrAnswer.With("its list of referrers is no index")
		}
		if all = append(all, m.Children...); len(all) > maxReferrers {
			return ErrAnswer.With("it has more than %d referrers", maxReferrers)
		}
		return nil
	}
	header := http.Header{"Accept": {oci.MediaTypeImageIndex}}
	err = r.pages(ctx, first, reading(repository), header, func(answer *http.Response) error {
		defer answer.Body.Close()
		body, err := content(answer, oci.MaxManifest)
		if err != nil {
			return err
		}
		return read(body)
	})
	if fault.OfKind(err, fault.NotFound) || fault.OfKind(err, fault.Unsupported) {
		all = nil
		var m Manifest
		if m, err = r.Manifest(ctx, repository, referrersTag(d)); err == nil {
			err = read(m.Body)
		} else if fault.OfKind(err, fault.NotFound) {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// referrersTag is the tag that stands for the list of referrers.
func referrersTag(d oci.Digest) string {
	return string(d.Algorithm()) + "-" + d.Hex()[:64]
}

// pages reads a list and what its answers' Link headers lead on to (RFC 8288),
// which is to be of the same server.
func (r *Registry) pages(ctx context.Context, first string, scopes []string, header http.Header, fn func(*http.Response) error) error {
	next, err := url.Parse(first)
	if err != nil {
		return ErrSettings.With("url")
	}
	for range maxPages {
		following, err := r.page(ctx, next, scopes, header, fn)
		if err != nil || following == nil {
			return err
		}
		if !r.ours(following) || following.String() == next.String() {
			return ErrAnswer.With("its list goes on elsewhere, or nowhere")
		}
		next = following
	}
	return ErrAnswer.With("its list has more than %d pages", maxPages)
}

func (r *Registry) page(ctx context.Context, at *url.URL, scopes []string, header http.Header, fn func(*http.Response) error) (next *url.URL, err error) {
	asking, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(asking, request{method: http.MethodGet, url: at.String(), scopes: scopes, header: header, as: http.StatusOK})
	if err != nil {
		return nil, err
	}
	if link := nextLink(answer.Header.Values("Link")); link != "" {
		if next, err = at.Parse(link); err != nil {
			answer.Body.Close()
			return nil, ErrAnswer.With("its list goes on at what is no URL")
		}
	}
	return next, fn(answer)
}

// nextLink returns the target of the link to the next page, or nothing. A target
// may have commas.
func nextLink(headers []string) string {
	for _, h := range headers {
		for {
			_, rest, _ := strings.Cut(h, "<")
			target, rest, found := strings.Cut(rest, ">")
			if !found {
				break
			}
			about, _, _ := strings.Cut(rest, "<")
			if strings.Contains(strings.ReplaceAll(about, `"`, ""), "rel=next") {
				return target
			}
			h = rest
		}
	}
	return ""
}
