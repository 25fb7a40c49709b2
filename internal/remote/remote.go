// Package remote talks to other registries: it lists, reads, writes and deletes
// over the distribution specification, and knows in which ways vendors' registries
// differ. It promises that no credential reaches a host that it was not meant for,
// that nothing is returned as a manifest that has another digest, and that no
// answer takes more memory or waits longer than its bounds. What is copied, when,
// and what of it is kept, is for others.
package remote

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
)

// Faults of other registries. Each says in its message what the registry said, as
// far as that is short and printable.
var (
	ErrSettings    = fault.New(fault.Invalid, "BAD_REQUEST", "the registry cannot be reached so")
	ErrName        = fault.New(fault.Invalid, "BAD_REQUEST", "the registry can have no repository of the name")
	ErrNotFound    = fault.New(fault.NotFound, "NOT_FOUND", "the registry does not have it")
	ErrRefused     = fault.New(fault.Denied, "DENIED", "the registry refuses it")
	ErrRealm       = fault.New(fault.Denied, "DENIED", "the registry asks for its credentials to be sent to somebody else")
	ErrLimited     = fault.New(fault.TooMany, "TOOMANYREQUESTS", "the registry allows no more requests at the moment")
	ErrUnavailable = fault.New(fault.Unavailable, "UNAVAILABLE", "the registry does not answer")
	ErrAnswer      = fault.New(fault.Unavailable, "UNAVAILABLE", "the registry's answer is not to be used")
	ErrRejected    = fault.New(fault.Invalid, "BAD_REQUEST", "the registry does not take it")
	ErrConflict    = fault.New(fault.Conflict, "CONFLICT", "the registry has something else there")
	ErrUnsupported = fault.New(fault.Unsupported, "UNSUPPORTED", "the registry does not offer it")
)

// UserAgent is what the registries are told of who asks. Harbor does not count
// pulls by it as somebody's.
const UserAgent = "harbor-registry-client Berth"

// Settings say where a registry is, and as whom it is spoken to.
type Settings struct {
	Kind       Kind
	URL        string // http or https, a host, and perhaps a path
	Account    string // empty: as nobody
	Secret     secret.Text
	SkipVerify bool   // takes the server for who it says it is
	Roots      string // authorities in PEM that are trusted in place of the machine's; empty: none
}

// times are limits of time.
type times struct {
	hash  time.Duration // for an answer to begin: a registry may hash a whole blob before
	ask   time.Duration // for what has a small answer
	stall time.Duration // without a byte of a body
	pause time.Duration // before an upload that broke goes on; twice as much each time
	// patience is for how long an upload waits in all for a registry that is away.
	patience time.Duration
}

var usual = times{hash: 5 * time.Minute, ask: time.Minute, stall: time.Minute, pause: 500 * time.Millisecond, patience: time.Minute}

// A Registry is a client of one. It is safe for concurrent use. Its owner closes
// it.
type Registry struct {
	kind       Kind
	vendor     vendor
	base       *url.URL // of the registry's API: without /v2/
	account    string
	secret     secret.Text
	skipVerify bool
	out        *outbound.Client
	auth       authority
	times      times

	amazon amazon

	listing lock // of who adds to a list of referrers

	mu     sync.Mutex
	budget Budget
	lent   loan
}

// A Budget is how many pulls a registry says that it still allows.
type Budget struct {
	Limit     int // 0: it says nothing of it
	Remaining int
	Window    time.Duration
	At        time.Time // when it said so
}

// Open returns a client, or ErrSettings, or what the rules say of the URL. It
// connects to nothing yet.
func Open(r outbound.Rules, s Settings) (*Registry, error) {
	v, known := vendors[s.Kind]
	if !known {
		return nil, ErrSettings.With("type: there is no registry type %.80q", s.Kind)
	}
	home, err := Normal(s.URL)
	if err != nil {
		return nil, err
	}
	if err := r.CheckURL(home.String()); err != nil {
		return nil, err
	}
	roots, err := pool(s.Roots)
	if err != nil {
		return nil, err
	}
	base := home
	if v.base != nil {
		base = v.base(home)
	}
	reg := &Registry{
		kind: s.Kind, vendor: v, base: base, account: s.Account, secret: s.Secret, skipVerify: s.SkipVerify,
		out:   outbound.Trusting(roots, r, outbound.Limits{Header: usual.hash, Whole: outbound.Unlimited}),
		times: usual, amazon: amazonOf(base), listing: newLock(),
	}
	reg.auth.reset(reg)
	return reg, nil
}

// Normal returns a registry's URL in one form, or ErrSettings: with a scheme,
// which is https where none is given, and without a slash at the end.
func Normal(text string) (*url.URL, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, ErrSettings.With("url: it must be http:// or https:// with a host, and have no user, query or fragment")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// pool returns the authorities of a text in PEM, nil for an empty one.
func pool(text string) (*x509.CertPool, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(text)) {
		return nil, ErrSettings.With("ca_certificate: there is no certificate in it that can be read (PEM)")
	}
	return roots, nil
}

// Kind returns the registry's kind.
func (r *Registry) Kind() Kind { return r.kind }

// Close ends connections that wait for a further request.
func (r *Registry) Close() { r.out.Close() }

// Budget returns what the registry last said of how much it allows.
func (r *Registry) Budget() Budget {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.budget
}

// Ping asks whether the registry is there and takes the credentials.
func (r *Registry) Ping(ctx context.Context) error {
	ctx, cancel := r.within(ctx)
	defer cancel()
	if check := r.vendor.check; check != nil && r.account != "" {
		return check(ctx, r)
	}
	q := request{method: http.MethodGet, url: r.base.JoinPath("v2/").String(), whole: true}
	if r.account == "" {
		return r.greet(ctx, q)
	}
	answer, err := r.ask(ctx, q)
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}

// greet asks as nobody. A registry that wants tokens is there: who may have one
// for nothing depends on the repository.
func (r *Registry) greet(ctx context.Context, q request) error {
	q.password = true
	answer, err := r.send(ctx, q)
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusUnauthorized {
		defer drain(answer)
		return r.auth.learn(answer, nil)
	}
	if answer, err = r.judge(q, answer); err != nil {
		return err
	}
	drain(answer)
	return nil
}

// within bounds the time of what has a small answer.
func (r *Registry) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.times.ask, ErrUnavailable.With("it takes longer than %s", r.times.ask))
}

// unreachable says why nothing came of a request with the context: in a fault,
// but where the caller gave up, and in a sourceError.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var (
		f      *fault.Fault
		source *sourceError
	)
	switch {
	case errors.As(err, &source):
		return source
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

// short returns a text as something that may be shown: one line of printable
// characters.
func short(text string) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// at names what a fault is about.
func at(err error, format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, err)...)
}
