// Package registry is a small client of the distribution API for tests and
// measurements. It finds out how a registry wants to be signed in to, as Docker
// does, so that it drives Berth and others alike; and it says exactly what was
// acknowledged, which a client made for people does not.
package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// An Error is an answer that was not the expected one.
type Error struct {
	Method, URL string
	Status      int
	Body        string // at most 4 KiB of it
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %s", e.Method, e.URL, e.Status, http.StatusText(e.Status), e.Body)
}

// StatusOf is the status of the answer that an error tells of, or 0.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// A Client is one user of one registry.
type Client struct {
	URL            string // http://HOST:PORT
	User, Password string // anonymous where empty
	HTTP           *http.Client
}

// New returns a client that keeps up to conns connections open.
func New(url, user, password string, conns int) *Client {
	return &Client{URL: url, User: user, Password: password, HTTP: &http.Client{
		Timeout: 10 * time.Minute,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: conns,
			DisableCompression:  true,
			WriteBufferSize:     64 << 10,
			ReadBufferSize:      64 << 10,
		},
	}}
}

// Close closes the idle connections.
func (c *Client) Close() { c.HTTP.CloseIdleConnections() }

// A Session is a client with what a registry gave it for some scopes. It is
// safe for concurrent use.
type Session struct {
	*Client
	authorization string // header, or empty
}

// Actions that a scope may ask for.
const (
	Pull   = "pull"
	Push   = "pull,push"
	Delete = "pull,push,delete"
)

// Scope asks for actions on a repository.
func Scope(repo, actions string) string { return "repository:" + repo + ":" + actions }

var challengeField = regexp.MustCompile(`(\w+)="([^"]*)"`)

// SignIn asks the registry how to sign in and does so, for the given scopes.
func (c *Client) SignIn(ctx context.Context, scopes ...string) (*Session, error) {
	s := &Session{Client: c}
	res, err := s.do(ctx, "GET", c.URL+"/v2/", nil, nil, http.StatusOK, http.StatusUnauthorized)
	if err != nil {
		return nil, err
	}
	drain(res)
	challenge := res.Header.Get("WWW-Authenticate")
	scheme, rest, _ := strings.Cut(challenge, " ")
	switch {
	case res.StatusCode == http.StatusOK:
		return s, nil
	case strings.EqualFold(scheme, "Basic"):
		s.authorization = c.basic()
		return s, nil
	case !strings.EqualFold(scheme, "Bearer"):
		return nil, fmt.Errorf("unknown challenge %q", challenge)
	}
	fields := map[string]string{}
	for _, m := range challengeField.FindAllStringSubmatch(rest, -1) {
		fields[m[1]] = m[2]
	}
	token, err := c.Token(ctx, fields["realm"], fields["service"], scopes...)
	if err != nil {
		return nil, err
	}
	s.authorization = "Bearer " + token
	return s, nil
}

// Token asks a token service for a token.
func (c *Client) Token(ctx context.Context, realm, service string, scopes ...string) (string, error) {
	q := url.Values{"service": {service}, "scope": scopes}
	s := &Session{Client: c, authorization: c.basic()}
	res, err := s.do(ctx, "GET", realm+"?"+q.Encode(), nil, nil, http.StatusOK)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", err
	}
	return answer.Token, nil
}

func (c *Client) basic() string {
	if c.User == "" {
		return ""
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(c.User, c.Password)
	return r.Header.Get("Authorization")
}

// do sends a request and returns an answer with one of the wanted statuses;
// any other is an *Error. The caller closes the body.
func (s *Session) do(ctx context.Context, method, where string, header http.Header, body io.Reader, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, where, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if s.authorization != "" {
		req.Header.Set("Authorization", s.authorization)
	}
	if b, ok := body.(sized); ok {
		req.ContentLength = b.Len()
	}
	res, err := s.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	for _, w := range want {
		if res.StatusCode == w {
			return res, nil
		}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return nil, &Error{method, where, res.StatusCode, string(text)}
}

// sized is a body whose length is known before it is sent.
type sized interface{ Len() int64 }

func drain(res *http.Response) {
	_, _ = io.Copy(io.Discard, res.Body) // what matters came with the headers
	res.Body.Close()
}

func (s *Session) at(repo, format string, args ...any) string {
	return s.URL + "/v2/" + repo + "/" + fmt.Sprintf(format, args...)
}

var octets = http.Header{"Content-Type": {"application/octet-stream"}}

// HasBlob reports whether the repository serves the blob.
func (s *Session) HasBlob(ctx context.Context, repo, digest string) (bool, error) {
	res, err := s.do(ctx, "HEAD", s.at(repo, "blobs/%s", digest), nil, nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	drain(res)
	return res.StatusCode == http.StatusOK, nil
}

// PushBlob sends a blob in one stream, as Docker does: POST, PATCH, PUT.
func (s *Session) PushBlob(ctx context.Context, repo string, b Blob) error {
	at, err := s.Begin(ctx, repo)
	if err != nil {
		return err
	}
	if at, err = s.Append(ctx, at, b, 0, b.Size); err != nil {
		return err
	}
	return s.Commit(ctx, at, b.Digest)
}

// Mount asks that the repository may serve a blob that another one has. Where the
// registry does not do that, it begins an upload, whose address is returned.
func (s *Session) Mount(ctx context.Context, repo, from, digest string) (mounted bool, at string, err error) {
	q := url.Values{"mount": {digest}, "from": {from}}
	res, err := s.do(ctx, "POST", s.at(repo, "blobs/uploads/?%s", q.Encode()), nil, nil, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return false, "", err
	}
	drain(res)
	if res.StatusCode == http.StatusCreated {
		return true, "", nil
	}
	at, err = s.location(res)
	return false, at, err
}

// Begin starts an upload and returns its address.
func (s *Session) Begin(ctx context.Context, repo string) (string, error) {
	res, err := s.do(ctx, "POST", s.at(repo, "blobs/uploads/"), nil, nil, http.StatusAccepted)
	if err != nil {
		return "", err
	}
	drain(res)
	return s.location(res)
}

// Append sends the bytes from..to of a blob to an upload and returns its next
// address. The whole of a blob is sent as a stream, a part as a chunk with its
// range.
func (s *Session) Append(ctx context.Context, at string, b Blob, from, to int64) (string, error) {
	header := octets
	if to-from != b.Size {
		header = header.Clone()
		header.Set("Content-Range", fmt.Sprintf("%d-%d", from, to-1))
	}
	res, err := s.do(ctx, "PATCH", at, header, b.Part(from, to), http.StatusAccepted)
	if err != nil {
		return "", err
	}
	drain(res)
	return s.location(res)
}

// Commit ends an upload. What it returns without an error is acknowledged.
func (s *Session) Commit(ctx context.Context, at, digest string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	res, err := s.do(ctx, "PUT", u.String(), octets, http.NoBody, http.StatusCreated)
	if err != nil {
		return err
	}
	drain(res)
	return nil
}

// Offset asks how many bytes of an upload the registry has.
func (s *Session) Offset(ctx context.Context, at string) (int64, error) {
	res, err := s.do(ctx, "GET", at, nil, nil, http.StatusNoContent)
	if err != nil {
		return 0, err
	}
	drain(res)
	var last int64
	if _, err := fmt.Sscanf(res.Header.Get("Range"), "0-%d", &last); err != nil {
		return 0, fmt.Errorf("range %q of an upload: %w", res.Header.Get("Range"), err)
	}
	return last + 1, nil
}

// location is the address of an upload, which may be relative.
func (s *Session) location(res *http.Response) (string, error) {
	u, err := res.Location()
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// ReadBlob copies a blob to w and returns its length.
func (s *Session) ReadBlob(ctx context.Context, repo, digest string, w io.Writer) (int64, error) {
	res, err := s.do(ctx, "GET", s.at(repo, "blobs/%s", digest), nil, nil, http.StatusOK)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return io.Copy(w, res.Body)
}

// CheckBlob reads a blob and returns an error where it is not what its digest
// says.
func (s *Session) CheckBlob(ctx context.Context, repo, digest string) error {
	h := sha256.New()
	if _, err := s.ReadBlob(ctx, repo, digest, h); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != digest {
		return fmt.Errorf("blob %s@%s is damaged: its content has the digest %s", repo, digest, got)
	}
	return nil
}

// PutManifest sends a manifest under a tag or its digest.
func (s *Session) PutManifest(ctx context.Context, repo, reference string, m Manifest) error {
	res, err := s.do(ctx, "PUT", s.at(repo, "manifests/%s", reference),
		http.Header{"Content-Type": {m.MediaType}}, bytes.NewReader(m.Body), http.StatusCreated)
	if err != nil {
		return err
	}
	drain(res)
	return nil
}

var acceptManifests = http.Header{"Accept": {ImageManifest, ImageIndex}}

// HeadManifest returns the digest that a tag or digest stands for.
func (s *Session) HeadManifest(ctx context.Context, repo, reference string) (string, error) {
	res, err := s.do(ctx, "HEAD", s.at(repo, "manifests/%s", reference), acceptManifests, nil, http.StatusOK)
	if err != nil {
		return "", err
	}
	drain(res)
	return res.Header.Get("Docker-Content-Digest"), nil
}

// GetManifest returns a manifest and checks it against the digest that the
// registry states and, where it was asked for by digest, against that.
func (s *Session) GetManifest(ctx context.Context, repo, reference string) (Manifest, error) {
	res, err := s.do(ctx, "GET", s.at(repo, "manifests/%s", reference), acceptManifests, nil, http.StatusOK)
	if err != nil {
		return Manifest{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return Manifest{}, err
	}
	m := NewManifest(res.Header.Get("Content-Type"), body)
	if stated := res.Header.Get("Docker-Content-Digest"); stated != m.Digest {
		return Manifest{}, fmt.Errorf("manifest %s:%s is damaged: stated as %s, content has %s", repo, reference, stated, m.Digest)
	}
	if strings.HasPrefix(reference, "sha256:") && reference != m.Digest {
		return Manifest{}, fmt.Errorf("manifest %s@%s is another: %s", repo, reference, m.Digest)
	}
	return m, nil
}

// Delete deletes a manifest by digest, or a tag.
func (s *Session) Delete(ctx context.Context, repo, reference string) error {
	res, err := s.do(ctx, "DELETE", s.at(repo, "manifests/%s", reference), nil, nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	drain(res)
	return nil
}

// Tags returns one page of a repository's tags: up to n that follow last.
func (s *Session) Tags(ctx context.Context, repo string, n int, last string) ([]string, error) {
	q := url.Values{"n": {fmt.Sprint(n)}}
	if last != "" {
		q.Set("last", last)
	}
	var page struct{ Tags []string }
	err := s.getJSON(ctx, s.at(repo, "tags/list?%s", q.Encode()), &page)
	return page.Tags, err
}

// Repositories returns one page of the catalog: up to n that follow last.
func (s *Session) Repositories(ctx context.Context, n int, last string) ([]string, error) {
	q := url.Values{"n": {fmt.Sprint(n)}}
	if last != "" {
		q.Set("last", last)
	}
	var page struct{ Repositories []string }
	err := s.getJSON(ctx, s.URL+"/v2/_catalog?"+q.Encode(), &page)
	return page.Repositories, err
}

func (s *Session) getJSON(ctx context.Context, where string, into any) error {
	res, err := s.do(ctx, "GET", where, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(into)
}

// CheckImage pulls a manifest and everything below it, and returns an error
// where any of it is missing or is not what its digest says.
func (s *Session) CheckImage(ctx context.Context, repo, reference string) error {
	m, err := s.GetManifest(ctx, repo, reference)
	if err != nil {
		return err
	}
	blobs, children, err := m.Parts()
	if err != nil {
		return fmt.Errorf("manifest %s:%s: %w", repo, reference, err)
	}
	for _, d := range blobs {
		if err := s.CheckBlob(ctx, repo, d); err != nil {
			return fmt.Errorf("%s:%s: %w", repo, reference, err)
		}
	}
	for _, d := range children {
		if err := s.CheckImage(ctx, repo, d); err != nil {
			return fmt.Errorf("%s:%s: %w", repo, reference, err)
		}
	}
	return nil
}
