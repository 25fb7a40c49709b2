package remote

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"
)

// Limits of what is kept of tokens.
const (
	maxToken   = 64 << 10
	maxTokens  = 4096
	tokenTime  = 60 * time.Second // where the answer does not say how long one holds
	tokenAhead = 10 * time.Second // a token that ends so soon is fetched anew
)

// An authority gets requests allowed: by name and password (RFC 7617), or by
// tokens of the service that the registry names.
type authority struct {
	r *Registry

	mu      sync.Mutex
	learned challenge
	tokens  map[string]*token // by their scopes
}

// A challenge is what a registry wants of who asks. The zero one is nothing.
type challenge struct {
	basic          bool
	realm, service string
}

// A token is one that was fetched, or is being fetched by who holds its lock.
type token struct {
	lock

	value string
	ends  time.Time // of the value; zero: none was ever fetched

	lent  string // what another token was whose value was used in place of one of its own
	alone bool   // that was refused: it is not done again
}

func (t *token) fresh() bool { return t.value != "" && time.Now().Before(t.ends) }

// A lock is held by one at a time, and waited for no longer than a context. It is
// made by newLock.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) hold(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unreachable(ctx, ctx.Err())
	}
}

func (l lock) release() { <-l }

func (a *authority) reset(r *Registry) {
	a.r, a.tokens = r, map[string]*token{}
}

// authorize adds to a request what the registry wants, as far as that is known.
func (a *authority) authorize(ctx context.Context, hr *http.Request, scopes []string) error {
	a.mu.Lock()
	c := a.learned
	a.mu.Unlock()
	switch {
	case c.basic:
		name, password, err := a.r.login(ctx)
		if err != nil {
			return err
		}
		hr.SetBasicAuth(name, password)
	case c.realm != "":
		value, err := a.token(ctx, c, scopes)
		if err != nil {
			return err
		}
		hr.Header.Set("Authorization", "Bearer "+value)
	}
	return nil
}

// learn keeps what a refusal asks for, and forgets the token that was refused. It
// returns ErrRefused where there is nothing that could be tried.
func (a *authority) learn(refused *http.Response, scopes []string) error {
	c, ok := readChallenge(refused.Header.Values("WWW-Authenticate"))
	sent := refused.Request.Header.Get("Authorization")
	switch {
	case !ok:
		return ErrRefused.With("401, and it does not say how to sign in")
	case c.basic && a.r.account == "":
		return ErrRefused.With("it wants a name and a password")
	case c.basic && strings.HasPrefix(sent, "Basic "):
		return ErrRefused.With("401 %s", reason(refused))
	}
	a.mu.Lock()
	a.learned = c
	a.mu.Unlock()
	_, err := a.forget(refused, scopes)
	return err
}

// forget has the token that was refused not be used again for its scopes, and
// reports whether it was one that was lent.
func (a *authority) forget(refused *http.Response, scopes []string) (lent bool, err error) {
	a.mu.Lock()
	t := a.tokens[strings.Join(scopes, " ")]
	a.mu.Unlock()
	value, bearer := strings.CutPrefix(refused.Request.Header.Get("Authorization"), "Bearer ")
	if t == nil || !bearer {
		return false, nil
	}
	if err := t.hold(refused.Request.Context()); err != nil {
		return false, err
	}
	defer t.release()
	if value == t.value { // and no other was fetched meanwhile
		t.value = ""
	}
	if value == t.lent {
		t.alone, lent = true, true
	}
	return lent, nil
}

// token returns one for the scopes. Of several who want it one fetches it.
func (a *authority) token(ctx context.Context, c challenge, scopes []string) (string, error) {
	t := a.of(scopes)
	if err := t.hold(ctx); err != nil {
		return "", err
	}
	defer t.release()
	if t.fresh() {
		return t.value, nil
	}
	if !t.alone {
		value, err := a.lend(ctx, c, scopes)
		if err == nil && value != "" {
			t.lent = value
			return value, nil
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			return "", err
		}
		t.alone = err != nil
	}
	return a.renew(ctx, c, t, scopes)
}

// of returns the token for some scopes, which may have no value yet.
func (a *authority) of(scopes []string) *token {
	key := strings.Join(scopes, " ")
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tokens[key]
	if t == nil {
		if len(a.tokens) >= maxTokens {
			clear(a.tokens)
		}
		t = &token{lock: newLock()}
		a.tokens[key] = t
	}
	return t
}

// lend returns the token by which a repository is written to as one for reading
// it, so that one serves for both; nothing where none was ever fetched, or where
// the scopes are others.
func (a *authority) lend(ctx context.Context, c challenge, scopes []string) (string, error) {
	if len(scopes) != 1 {
		return "", nil
	}
	repository, isOne := strings.CutPrefix(scopes[0], "repository:")
	repository, reads := strings.CutSuffix(repository, ":pull")
	if !isOne || !reads {
		return "", nil
	}
	wide := writing(repository)
	a.mu.Lock()
	t := a.tokens[wide[0]]
	a.mu.Unlock()
	if t == nil {
		return "", nil
	}
	if err := t.hold(ctx); err != nil {
		return "", err
	}
	defer t.release()
	if t.ends.IsZero() || t.fresh() {
		return t.value, nil
	}
	return a.renew(ctx, c, t, wide)
}

// renew fetches a token whose lock the caller holds.
func (a *authority) renew(ctx context.Context, c challenge, t *token, scopes []string) (string, error) {
	value, holds, err := a.fetch(ctx, c, scopes)
	if err != nil {
		return "", err
	}
	t.value, t.ends = value, time.Now().Add(max(holds-tokenAhead, holds/2))
	return value, nil
}

// fetch asks the registry's token service, which is given the credentials only
// where it is the registry's own.
func (a *authority) fetch(ctx context.Context, c challenge, scopes []string) (value string, holds time.Duration, err error) {
	realm, err := url.Parse(c.realm)
	if err != nil || realm.Host == "" || realm.Scheme != "http" && realm.Scheme != "https" || realm.User != nil {
		return "", 0, ErrRealm.With("%q is no URL of a token service", short(c.realm))
	}
	ctx, cancel := a.r.within(ctx)
	defer cancel()
	q := realm.Query()
	if c.service != "" {
		q.Set("service", c.service)
	}
	for _, s := range scopes {
		q.Add("scope", s)
	}
	realm.RawQuery = q.Encode()
	hr, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
	if err != nil {
		return "", 0, ErrRealm.With("%q is no URL of a token service", short(c.realm))
	}
	hr.Header.Set("User-Agent", UserAgent)
	if a.r.account != "" {
		if !trusted(a.r.base, realm) {
			return "", 0, ErrRealm.With("%s://%s is neither its host nor of its domain", realm.Scheme, realm.Host)
		}
		name, password, err := a.r.login(ctx)
		if err != nil {
			return "", 0, err
		}
		hr.SetBasicAuth(name, password)
	}
	answer, err := a.r.out.Do(hr, a.r.skipVerify)
	if err != nil {
		return "", 0, unreachable(ctx, err)
	}
	if answer.StatusCode != http.StatusOK {
		defer drain(answer)
		why := reason(answer)
		f := failure(answer, why)
		if !errors.Is(f, ErrLimited) && !errors.Is(f, ErrUnavailable) { // what else it says is of the service, not of what is wanted
			f = ErrRefused.With("its token service answers %d %s", answer.StatusCode, why)
		}
		return "", 0, f
	}
	var body struct {
		Token     string `json:"token"`
		Access    string `json:"access_token"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := object(answer, maxToken, &body); err != nil {
		return "", 0, err
	}
	if value = cmp.Or(body.Token, body.Access); value == "" || strings.ContainsFunc(value, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return "", 0, ErrRefused.With("its token service gives no token")
	}
	holds = tokenTime
	if body.ExpiresIn > 0 {
		holds = time.Duration(min(body.ExpiresIn, 3600)) * time.Second
	}
	return value, holds, nil
}

// login returns the name and the password that the registry is told.
func (r *Registry) login(ctx context.Context) (name, password string, err error) {
	if exchange := r.vendor.login; exchange != nil && r.account != "" {
		return exchange(ctx, r)
	}
	return r.account, r.secret.Reveal(), nil
}

// trusted reports whether a registry's credentials may be sent to a URL: to its
// own host, or to another of its domain, as registries with a token service of
// their own have it (registry-1.docker.io and auth.docker.io). Never without TLS
// where the registry has it.
func trusted(registry, u *url.URL) bool {
	if registry.Scheme == "https" && u.Scheme != "https" {
		return false
	}
	ours, theirs := strings.ToLower(registry.Hostname()), strings.ToLower(u.Hostname())
	if ours == theirs {
		return true
	}
	if _, err := netip.ParseAddr(ours); err == nil {
		return false
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(ours)
	if err != nil {
		return false
	}
	other, err := publicsuffix.EffectiveTLDPlusOne(theirs)
	return err == nil && domain == other && u.Scheme == "https"
}

// readChallenge returns the first challenge that can be met, tokens before
// passwords (RFC 9110, section 11.6.1).
func readChallenge(headers []string) (c challenge, ok bool) {
	for _, h := range headers {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			p := parameters(rest)
			if p["realm"] != "" {
				return challenge{realm: p["realm"], service: p["service"]}, true
			}
		case strings.EqualFold(scheme, "Basic"):
			c, ok = challenge{basic: true}, true
		}
	}
	return c, ok
}

// parameters reads name=value and name="value", with commas between.
func parameters(text string) map[string]string {
	all := map[string]string{}
	for text != "" {
		name, rest, found := strings.Cut(strings.TrimLeft(text, ", \t"), "=")
		if !found {
			break
		}
		var value string
		if value, text = parameter(rest); name != "" {
			all[strings.ToLower(strings.TrimSpace(name))] = value
		}
	}
	return all
}

// parameter reads one value, and returns what is behind it.
func parameter(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			return b.String(), text[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
