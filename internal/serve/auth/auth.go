// Package auth stands at the door: it finds out who makes a request, answers
// those whose credentials are wrong, refuses what pages of other sites have
// browsers send, lets people sign in and out, and hands out the tokens of the
// registry token protocol. What a caller may do is decided behind it.
package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/session"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/token"
)

// errCredentials is the answer to an Authorization header that cannot be read,
// or means nothing where it was sent.
var errCredentials = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "credentials of this form are not accepted here")

const (
	recordWithin = 5 * time.Second
	maxName      = 255 // bytes of a name in an event
)

// A Recorder keeps events, durably when it returns nil.
type Recorder interface {
	Record(ctx context.Context, e event.Event) error
}

// Config is what a Guard asks.
type Config struct {
	Identity *identity.Service
	Tokens   *token.Service
	Sessions *session.Service
	Accounts *account.Service
	Settings func(context.Context) (setting.Values, error)
	Events   Recorder // is told of those who sign in, or fail to, and out
}

// A Guard finds out who is calling. Safe for concurrent use.
type Guard struct {
	identity *identity.Service
	tokens   *token.Service
	sessions *session.Service
	accounts *account.Service
	settings func(context.Context) (setting.Values, error)
	events   Recorder

	asked secret.Allowance // of those who ask which users there are
}

// New returns a guard.
func New(c Config) *Guard {
	return &Guard{
		identity: c.Identity, tokens: c.Tokens, sessions: c.Sessions,
		accounts: c.Accounts, settings: c.Settings, events: c.Events,
	}
}

// Identify puts the caller into the context of each request, which access.From
// finds there. A request without credentials is nobody's and goes on; one with
// wrong credentials is answered 401, also where nobody's would do. Bearer tokens
// count below /v2 only, where basic authentication works as well. Sessions do
// not count: see Protect.
//
// It stands inside a web.Chain.
func (g *Guard) Identify(next http.Handler) http.Handler { return identified(g.caller, next) }

func identified(who func(http.ResponseWriter, *http.Request) (access.Caller, error), next http.Handler) http.Handler {
	return web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		caller, err := who(w, r)
		if err != nil {
			return err
		}
		next.ServeHTTP(w, r.WithContext(access.With(r.Context(), caller)))
		return nil
	})
}

// caller returns who makes a request. Where the credentials are wrong, it sets
// the headers of a refusal and records it.
func (g *Guard) caller(w http.ResponseWriter, r *http.Request) (access.Caller, error) {
	if !authorized(r) {
		return g.at(r, access.Caller{}), nil
	}
	header := r.Header.Values("Authorization")
	scheme, raw, _ := strings.Cut(header[0], " ")
	name, password, basic := r.BasicAuth()
	switch {
	case len(header) > 1:
		return g.refused(w, r, web.BasicChallenge, errCredentials)
	case basic:
		return g.bySecret(w, r, web.BasicChallenge, name, secret.New(password))
	case strings.EqualFold(scheme, "Bearer") && distribution(r):
		return g.byToken(w, r, strings.TrimSpace(raw))
	}
	return g.refused(w, r, web.BasicChallenge, errCredentials)
}

// authorized reports whether a request has credentials of its own.
func authorized(r *http.Request) bool {
	header := r.Header.Values("Authorization")
	return len(header) > 1 || len(header) == 1 && header[0] != ""
}

// at completes a caller with where the request came from.
func (g *Guard) at(r *http.Request, c access.Caller) access.Caller {
	c.Address, c.Request = web.Address(r), web.RequestID(r.Context())
	if !c.Anonymous() {
		web.SetUser(r, c.Name)
	}
	return c
}

// bySecret returns whose a password is. Where it is wrong, that is recorded, and
// the answer has the challenge, if there is one.
func (g *Guard) bySecret(w http.ResponseWriter, r *http.Request, challenge, name string, password secret.Text) (access.Caller, error) {
	nobody := g.at(r, access.Caller{}) // but from somewhere, which counts in the guessing of passwords
	caller, err := g.identity.Identify(access.With(r.Context(), nobody), identity.Credentials{Name: name, Secret: password})
	if err == nil {
		return g.at(r, caller), nil
	}
	f := refusal(err)
	if f == nil {
		return access.Caller{}, fmt.Errorf("finding out who is calling: %w", err)
	}
	if err := g.record(r, nobody.Actor(), event.LoggedIn{Name: clip(name), Reason: f.Message}); err != nil {
		return access.Caller{}, err
	}
	return g.refused(w, r, challenge, f)
}

func (g *Guard) byToken(w http.ResponseWriter, r *http.Request, raw string) (access.Caller, error) {
	claims, err := g.tokens.Verify(r.Context(), raw)
	if errors.Is(err, token.ErrExpired) && underway(r) {
		err = nil
	}
	var caller access.Caller
	if err == nil {
		caller, err = g.identity.ByPrincipal(r.Context(), claims.Principal)
	}
	if f := refusal(err); f != nil {
		return g.refused(w, r, g.challenge(r, "invalid_token", scopes(r)), f)
	}
	if err != nil {
		return access.Caller{}, fmt.Errorf("finding out who holds a token: %w", err)
	}
	caller.Bearer, caller.Grants = true, claims.Grants
	return g.at(r, caller), nil
}

// underway reports whether a request goes on with an upload, which was begun
// with a token that was good and belongs to its holder: a push that takes longer
// than its token lives is not to be lost. What its holder may do is asked all
// the same.
func underway(r *http.Request) bool {
	if r.Method != http.MethodPatch && r.Method != http.MethodPut {
		return false
	}
	found := resource.FindStringSubmatch(r.URL.Path)
	return found != nil && strings.HasPrefix(found[2], "blobs/uploads/")
}

// refusal returns the fault to answer with, where an error says that credentials
// are wrong, or not looked at for now; else nil.
func refusal(err error) *fault.Fault {
	var f *fault.Fault
	switch {
	case !errors.As(err, &f):
		return nil
	case f.Kind == fault.TooMany:
		// 401 as for wrong ones: which they are is not known, and clients that see
		// anything else try on.
		return errCredentials.Saying("%s", f.Message).Detailed(f.Detail)
	case f.Kind == fault.Unauthenticated:
		return f
	}
	return nil
}

func (g *Guard) refused(w http.ResponseWriter, r *http.Request, challenge string, f *fault.Fault) (access.Caller, error) {
	if distribution(r) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	}
	if wait, ok := f.Detail.(map[string]int); ok && wait["retry_after"] > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait["retry_after"]))
	}
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	return access.Caller{}, f
}

// record keeps that somebody signed in or failed to, or signed out, even if the
// client does not wait for the answer: who guesses passwords must not choose what
// is kept.
func (g *Guard) record(r *http.Request, actor event.Actor, fact event.Fact) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), recordWithin)
	defer cancel()
	if err := g.events.Record(ctx, event.New(actor, fact)); err != nil {
		return fmt.Errorf("recording a sign-in: %w", err)
	}
	return nil
}

// Challenge returns the value of WWW-Authenticate that asks for a token with the
// given scopes, "repository:library/app:pull". The address of the token service
// is what the client calls this server.
func (g *Guard) Challenge(r *http.Request, scopes ...string) string {
	reason := ""
	if access.From(r.Context()).Bearer {
		reason = "insufficient_scope"
	}
	return g.challenge(r, reason, scopes)
}

func (g *Guard) challenge(r *http.Request, reason string, scopes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Bearer realm=%q,service=%q", web.Base(r)+"/service/token", g.tokens.Service())
	if len(scopes) > 0 {
		fmt.Fprintf(&b, ",scope=%q", strings.Join(scopes, " "))
	}
	if reason != "" {
		fmt.Fprintf(&b, ",error=%q", reason)
	}
	return b.String()
}

// distribution reports whether a request is for the registry.
func distribution(r *http.Request) bool {
	return r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/")
}

// resource finds the repository in a path below /v2/, which is everything before
// the last words that the specification gives a meaning.
var resource = regexp.MustCompile(`^/v2/(.+)/(tags/list|blobs/uploads(?:/[^/]*)?|(?:manifests|blobs|referrers)/[^/]+)$`)

// scopes returns what a token for the request must be asked for. A client whose
// token has expired takes it from the challenge.
func scopes(r *http.Request) []string {
	if r.URL.Path == "/v2/_catalog" {
		return []string{"registry:catalog:*"}
	}
	found := resource.FindStringSubmatch(r.URL.Path)
	if found == nil || oci.CheckRepository(found[1]) != nil {
		return nil
	}
	scopes := []string{"repository:" + found[1] + ":" + actions(r.Method, strings.HasPrefix(found[2], "blobs/uploads"))}
	from := r.URL.Query().Get("from")
	if r.Method == http.MethodPost && oci.CheckRepository(from) == nil {
		scopes = append(scopes, "repository:"+from+":pull")
	}
	return scopes
}

func actions(method string, upload bool) string {
	switch {
	case upload:
		return "pull,push"
	case method == http.MethodGet, method == http.MethodHead:
		return "pull"
	case method == http.MethodDelete:
		return "delete"
	}
	return "pull,push"
}

// clip makes what a client sent as a name fit to be kept.
func clip(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxName)], "")
}
