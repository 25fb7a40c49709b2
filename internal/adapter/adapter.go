// Package adapter talks to scanners that are programs of their own, over version 1 of
// the API of pluggable scanners: it asks what they are, has them scan an artifact, and
// waits for what they found. It promises that the credential reaches the server that
// it is for and no other, that no answer takes more memory or is waited for longer
// than its bounds, and that nothing which is no whole report of the artifact passes
// for one. Which scanner is asked, and what becomes of a report, is for others.
package adapter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of scanners. Each says in its message what the scanner said, as far as that
// is short and printable.
var (
	ErrSettings    = fault.New(fault.Invalid, "BAD_REQUEST", "the scanner cannot be reached so")
	ErrRefused     = fault.New(fault.Denied, "DENIED", "the scanner refuses it")
	ErrRejected    = fault.New(fault.Invalid, "BAD_REQUEST", "the scanner does not take it")
	ErrNotFound    = fault.New(fault.NotFound, "NOT_FOUND", "the scanner does not have it")
	ErrFailed      = fault.New(fault.Unavailable, "UNAVAILABLE", "the scanner has failed")
	ErrUnavailable = fault.New(fault.Unavailable, "UNAVAILABLE", "the scanner does not answer")
	ErrAnswer      = fault.New(fault.Unavailable, "UNAVAILABLE", "the scanner's answer is not to be used")
)

// An Auth is how a credential is sent to a scanner.
type Auth string

// The ways.
const (
	NoAuth Auth = ""
	Basic  Auth = "Basic"  // the credential is NAME:PASSWORD
	Bearer Auth = "Bearer" // it is a token
	APIKey Auth = "X-ScannerAdapter-API-Key"
)

// auths are all ways.
var auths = []Auth{NoAuth, Basic, Bearer, APIKey}

const (
	maxURL        = 1024 // bytes
	maxCredential = 16 << 10
)

// Settings say where a scanner is, and how it is spoken to.
type Settings struct {
	URL        string // http or https, a host, and perhaps a path; the API is below it
	Auth       Auth
	Credential secret.Text
	SkipVerify bool // takes the server for who it says it is
}

// Check brings settings into their form, or returns ErrSettings.
func (s *Settings) Check() error {
	u, err := normal(s.URL)
	if err != nil {
		return err
	}
	s.URL = u.String()
	credential := s.Credential.Reveal()
	switch {
	case !slices.Contains(auths, s.Auth):
		return ErrSettings.With("auth: it must be empty, or Basic, Bearer or %s", APIKey)
	case (s.Auth == NoAuth) != (credential == ""):
		return ErrSettings.With("access_credential: it and auth go together")
	case len(credential) > maxCredential || strings.ContainsFunc(credential, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return ErrSettings.With("access_credential: at most %d bytes of one line", maxCredential)
	case s.Auth == Basic && !strings.Contains(credential, ":"):
		return ErrSettings.With("access_credential: for Basic it must be NAME:PASSWORD")
	}
	return nil
}

// normal returns a scanner's URL in one form: without a slash at the end.
func normal(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(text), "/"))
	if err != nil || len(text) > maxURL || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrSettings.With("url: it must be http:// or https:// with a host, have no user, query or fragment, and at most %d bytes", maxURL)
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// times are limits of time.
type times struct {
	ask    time.Duration // for what has a small answer
	read   time.Duration // for one try to read a report
	first  time.Duration // before the first try
	again  time.Duration // before a further one, where the scanner does not say when
	least  time.Duration // that it can have itself waited for
	most   time.Duration
	report time.Duration // for a report to be ready
}

var usual = times{
	ask: 20 * time.Second, read: 5 * time.Minute,
	first: 500 * time.Millisecond, again: 5 * time.Second, least: time.Second, most: time.Minute, report: Patience,
}

// Patience is how long a scanner may take for a report.
const Patience = 30 * time.Minute

// A Client speaks to one scanner. It is safe for concurrent use. Its owner closes it.
type Client struct {
	base       string // of the API
	header     http.Header
	credential string
	skipVerify bool
	out        *outbound.Client
	times      times
}

// Open returns a client, or ErrSettings, or what the rules say of the URL. It connects
// to nothing yet.
func Open(r outbound.Rules, s Settings) (*Client, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := r.CheckURL(s.URL); err != nil {
		return nil, err
	}
	return &Client{
		base: s.URL + "/api/v1", header: headerOf(s), credential: s.Credential.Reveal(), skipVerify: s.SkipVerify, times: usual,
		out: outbound.New(r, outbound.Limits{Header: usual.read, Whole: outbound.Unlimited, Straight: true}),
	}, nil
}

// headerOf is what each request has.
func headerOf(s Settings) http.Header {
	h := http.Header{"User-Agent": {"Berth"}}
	switch text := s.Credential.Reveal(); s.Auth {
	case Basic:
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(text)))
	case Bearer:
		h.Set("Authorization", "Bearer "+text)
	case APIKey:
		h.Set(string(APIKey), text)
	}
	return h
}

// Close ends connections that wait for a further request.
func (c *Client) Close() { c.out.Close() }

// unreachable says why nothing came of a request with the context: in a fault, but
// where the caller gave up.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var f *fault.Fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.Canceled):
		return err
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return ErrUnavailable.With("%s", short(err.Error())).Because(err)
}

// within bounds the time of something. The caller's own deadline is not told as the
// scanner's.
func within(ctx context.Context, d time.Duration, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, ErrUnavailable.With("%s takes longer than %s", what, d))
}

// short returns a text as something that may be shown: one line of printable
// characters.
func short(text string) string {
	const most = 300
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, cut(text, 4*most))
	if len(text) > most {
		text = cut(text, most) + "…"
	}
	return text
}

// cut returns the beginning of a text, of at most n bytes and whole characters.
func cut(text string, n int) string {
	return strings.ToValidUTF8(text[:min(n, len(text))], "")
}

// wrong is ErrAnswer with the reason.
func wrong(format string, args ...any) error {
	return ErrAnswer.With("%s", fmt.Sprintf(format, args...))
}
