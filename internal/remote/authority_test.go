package remote_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/remote"
)

// The realm is the registry's word. It decides where a password goes.
func TestCredentialsGoToNoForeignRealm(t *testing.T) {
	tokens := serve(t, elsewhere, giveToken)
	var realm string
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if !asking(w, r, bearer(realm)) {
			w.WriteHeader(http.StatusOK)
		}
	})
	port := strings.TrimPrefix(tokens.URL, "http://"+elsewhere)
	for _, realm = range []string{
		tokens.URL, tokens.URL + "/token", strings.Replace(tokens.URL, "http", "https", 1),
		"http://" + here + "@" + elsewhere + port, "http://" + here + "%00." + elsewhere + port, "http://localhost" + port,
		"http://" + elsewhere + port + "#" + registry.URL, "//" + elsewhere + port, "/token", "ftp://" + here, "http://", "token", "http://[::1" + port,
	} {
		r := connect(t, registry.URL, account)
		for range 2 {
			if err := r.Ping(t.Context()); !errors.Is(err, remote.ErrRealm) {
				t.Errorf("realm %q: %v", realm, err)
			}
		}
	}
	if arrived := tokens.take(); len(arrived) > 0 {
		t.Errorf("at the other host arrived %v", arrived)
	}
	for _, v := range registry.take() {
		if v.header.Get("Authorization") != "" {
			t.Errorf("%s with %v", v.line, v.header)
		}
	}

	realm = tokens.URL + "/token?account=x"
	nobody := connect(t, registry.URL, "")
	if err := nobody.Ping(t.Context()); err != nil {
		t.Errorf("as nobody: %v", err)
	}
	if _, err := nobody.StatManifest(t.Context(), "a/b", "v1"); err != nil {
		t.Errorf("as nobody: %v", err)
	}
	tokens.wantNoSecrets(t)
}

func TestTrustedRealms(t *testing.T) {
	for _, tt := range []struct {
		registry, realm string
		want            bool
	}{
		{"https://registry-1.docker.io", "https://auth.docker.io/token", true},
		{"https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true},
		{"https://ghcr.io", "https://ghcr.io/token", true},
		{"https://a.example.com:5000", "https://A.example.com:5001/auth", true},
		{"http://a.example.com", "https://a.example.com/auth", true},
		{"http://a.example.com", "http://a.example.com:81/auth", true},
		{"http://[::1]:5000", "http://[::1]:5001/token", true},

		{"https://registry-1.docker.io", "http://auth.docker.io/token", false},
		{"https://a.example.com", "http://a.example.com/auth", false},
		{"http://a.example.com", "http://auth.example.com/auth", false},
		{"https://registry-1.docker.io", "https://docker.io.evil.com/token", false},
		{"https://registry-1.docker.io", "https://evildocker.io/token", false},
		{"https://a.github.io", "https://b.github.io/token", false},
		{"https://a.co.uk", "https://b.co.uk/token", false},
		{"https://127.0.0.1", "https://127.0.0.2", false},
		{"https://10.0.0.1", "https://11.0.0.1", false},
		{"https://registry", "https://other", false},
		{"https://registry.local", "https://other.local", false},
		{"https://a.example.com", "https://127.0.0.1", false},
	} {
		if got := remote.Trusted(tt.registry, tt.realm); got != tt.want {
			t.Errorf("%s, %s: %t", tt.registry, tt.realm, got)
		}
	}
}

func TestRealmAtAnotherPort(t *testing.T) {
	tokens := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		name, pass, _ := r.BasicAuth()
		q := r.URL.Query()
		if name != account || pass != password || q.Get("service") != "it" || q.Get("fixed") != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		writeJSON(w, map[string]any{"access_token": "tok " + q.Get("scope")}) // none, because of the space
	})
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) { asking(w, r, bearer(tokens.URL+"/token?fixed=1")) })
	r := connect(t, registry.URL, account)
	if err := r.Ping(t.Context()); !errors.Is(err, remote.ErrRefused) || !strings.Contains(err.Error(), "gives no token") {
		t.Error(err)
	}
	if got := tokens.lines(); len(got) != 1 {
		t.Error(got)
	}
}

func TestBasicChallenge(t *testing.T) {
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("WWW-Authenticate", "Negotiate")
		asking(w, r, `Basic realm="here, \"there\""`)
	})
	r := connect(t, registry.URL, account)
	for range 3 {
		if err := r.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	visits := registry.take()
	if len(visits) != 4 { // it is asked once what it wants
		t.Errorf("%d requests", len(visits))
	}
	if got, want := visits[3].header.Get("Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte(account+":"+password)); got != want {
		t.Errorf("Authorization %q", got)
	}
	if err := connect(t, registry.URL, "").Ping(t.Context()); !errors.Is(err, remote.ErrRefused) {
		t.Errorf("as nobody: %v", err)
	}
}

// Who refuses all the same is not asked for ever.
func TestRefusalsEnd(t *testing.T) {
	var challenge string
	var registry *upstream
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			giveToken(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", strings.ReplaceAll(challenge, "HERE", registry.URL))
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"not\u001b[31m you\n"}]}`)
	})
	for _, challenge = range []string{`Basic realm="x"`, `Bearer realm="HERE/token",service="x"`, `bearer   service=x , realm=HERE/token`, "Digest x", "", "Bearer", `Bearer realm=""`, `Bearer realm="HERE/token`} {
		r := connect(t, registry.URL, account)
		err := r.Ping(t.Context())
		if !errors.Is(err, remote.ErrRefused) || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: %q", challenge, err)
		}
		if got := registry.lines(); len(got) > 3 {
			t.Errorf("%s: %q", challenge, got)
		}
	}
}

func TestTokenServiceFaults(t *testing.T) {
	var answer http.HandlerFunc
	var registry *upstream
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			answer(w, r)
		} else if !asking(w, r, bearer(registry.URL+"/token")) {
			t.Errorf("%s was asked with %v", r.URL, r.Header)
		}
	})
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"401": {status(401), remote.ErrRefused}, "403": {status(403), remote.ErrRefused}, "400": {status(400), remote.ErrRefused},
		"404": {status(404), remote.ErrRefused}, "405": {status(405), remote.ErrRefused}, "409": {status(409), remote.ErrRefused},
		"204": {status(204), remote.ErrRefused}, "429": {status(429), remote.ErrLimited}, "503": {status(503), remote.ErrUnavailable},
		"no JSON": {text("<html>"), remote.ErrAnswer}, "empty": {text(`{}`), remote.ErrRefused}, "null": {text(`null`), remote.ErrRefused},
		"newline": {text(`{"token":"a\nX-Other: b"}`), remote.ErrRefused}, "nul": {text(`{"token":"a\u0000"}`), remote.ErrRefused},
		"wide": {text(`{"token":"ä"}`), remote.ErrRefused}, "number": {text(`{"token":1}`), remote.ErrAnswer},
		"long": {text(`{"token":"` + strings.Repeat("x", 70_000) + `"}`), remote.ErrAnswer},
	} {
		answer = tt.answer
		r := connect(t, registry.URL, account)
		if _, err := r.Manifest(t.Context(), "a/b", "latest"); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of many who need a token at once one fetches it, and it serves until shortly
// before its end.
func TestTokensAreShared(t *testing.T) {
	var expires atomic.Int64
	var fetched atomic.Int64
	var registry *upstream
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			time.Sleep(20 * time.Millisecond)
			writeJSON(w, map[string]any{"token": fmt.Sprintf("tok%d", fetched.Add(1)), "expires_in": expires.Load()})
		} else if !asking(w, r, bearer(registry.URL+"/token")) {
			w.WriteHeader(http.StatusOK)
		}
	})
	r := connect(t, registry.URL, account)
	for _, seconds := range []int64{3600, -1, 1e15} {
		expires.Store(seconds)
		fetched.Store(0)
		r = connect(t, registry.URL, account)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := r.StatManifest(t.Context(), "a/b", "latest"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := fetched.Load(); n != 1 {
			t.Errorf("expires_in %d: %d tokens were fetched", seconds, n)
		}
	}
	registry.take()
	if _, err := r.StatManifest(t.Context(), "a/other", "latest"); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /token?scope=repository%3Aa%2Fother%3Apull&service=it", "HEAD /v2/a/other/manifests/latest"}
	if got := registry.lines(); !slices.Equal(got, want) { // no 401 in between
		t.Errorf("%q", got)
	}

	expires.Store(1)
	fetched.Store(0)
	r = connect(t, registry.URL, account)
	for range 2 {
		if _, err := r.StatManifest(t.Context(), "a/b", "latest"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(600 * time.Millisecond)
	}
	if n := fetched.Load(); n != 2 {
		t.Errorf("of tokens for a second %d were fetched", n)
	}
}

// A token that the registry no longer takes is fetched anew, once.
func TestRefusedTokenIsReplaced(t *testing.T) {
	var issued, valid atomic.Int64
	var registry *upstream
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			writeJSON(w, map[string]any{"token": fmt.Sprint("tok", issued.Add(1)), "expires_in": 3600})
		case r.Header.Get("Authorization") != fmt.Sprint("Bearer tok", valid.Load()):
			w.Header().Set("WWW-Authenticate", bearer(registry.URL+"/token"))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	r := connect(t, registry.URL, account)
	for i := range 3 {
		valid.Store(int64(i + 1))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := r.StatBlob(t.Context(), "a/b", sum(nil)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if issued.Load() != int64(i+1) {
			t.Fatalf("%d tokens were issued where %d were needed", issued.Load(), i+1)
		}
	}
}

// Who waits for a token that another fetches may give up.
func TestWaitingForATokenEnds(t *testing.T) {
	var registry *upstream
	entered := make(chan struct{}, 10)
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			entered <- struct{}{}
			<-r.Context().Done()
		} else {
			asking(w, r, bearer(registry.URL+"/token"))
		}
	})
	r := connect(t, registry.URL, account)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := r.StatBlob(ctx, "a/b", sum(nil))
		first <- err
	}()
	<-entered
	second, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := r.StatBlob(second, "a/b", sum(nil)); !fault.OfKind(err, fault.Unavailable) {
		t.Errorf("who waited: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who was cancelled: %v", err)
	}
	r.HurryAll(50 * time.Millisecond)
	if _, err := r.StatBlob(t.Context(), "a/b", sum(nil)); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("who waited for too long: %v", err)
	}
}

// What a registry leads to elsewhere gets no credentials, nor do its questions.
func TestRedirectsGetNoCredentials(t *testing.T) {
	for _, challenge := range []string{`Basic realm="x"`, "Bearer"} {
		t.Run(challenge, func(t *testing.T) {
			var questions bool
			other := serve(t, elsewhere, func(w http.ResponseWriter, r *http.Request) {
				if questions {
					w.Header().Set("RateLimit-Limit", "1")
					w.Header().Set("RateLimit-Remaining", "1")
					asking(w, r, challenge)
				}
			})
			var registry *upstream
			registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					giveToken(w, r)
					return
				}
				if challenge == "Bearer" {
					challenge = bearer(registry.URL + "/token")
				}
				if !asking(w, r, challenge) {
					http.Redirect(w, r, other.URL+"/x?signed=1", http.StatusTemporaryRedirect)
				}
			})
			r := connect(t, registry.URL, account)
			body, _, err := r.Blob(t.Context(), "a/b", sum(nil), 0)
			if err != nil {
				t.Fatal(err)
			}
			body.Close()
			if _, _, err := r.Blob(t.Context(), "a/b", sum(nil), 7); err == nil {
				t.Error("a blob of nothing has no byte 7")
			}
			if got := other.take(); len(got) != 2 || got[1].header.Get("Range") != "bytes=7-" {
				t.Errorf("%v", got)
			}
			if _, err := r.StatManifest(t.Context(), "a/b", "latest"); err != nil {
				t.Error(err)
			}
			other.wantNoSecrets(t)
			if err := r.PushManifest(t.Context(), "a/b", "latest", "text/plain", []byte("x")); err != nil {
				t.Error(err)
			}
			other.wantNoSecrets(t)
			questions = true
			if _, err := r.StatBlob(t.Context(), "a/b", sum(nil)); !errors.Is(err, remote.ErrRefused) {
				t.Error(err)
			}
			other.wantNoSecrets(t)
			if b := r.Budget(); b.Limit != 0 {
				t.Errorf("another host has changed the budget: %+v", b)
			}
		})
	}
}

func TestRedirectedTokenRequestsGetNoCredentials(t *testing.T) {
	other := serve(t, elsewhere, giveToken)
	var registry *upstream
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			http.Redirect(w, r, other.URL+"/token?"+r.URL.RawQuery, http.StatusFound)
		} else {
			asking(w, r, bearer(registry.URL+"/token"))
		}
	})
	if err := connect(t, registry.URL, account).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.wantNoSecrets(t)
}

// A client without TLS is not made to send what one with TLS would.
func TestTLS(t *testing.T) {
	plain := serve(t, here, giveToken)
	realm := plain.URL
	secure := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case asking(w, r, bearer(realm)):
		case r.Method == http.MethodPost:
			w.Header().Set("Location", plain.URL+"/upload")
			w.WriteHeader(http.StatusAccepted)
		}
	})
	u, err := url.Parse(secure.URL)
	if err != nil {
		t.Fatal(err)
	}
	settings := remote.Settings{Kind: remote.Distribution, URL: u.Host, Account: account}
	if err := connectTo(t, settings).Ping(t.Context()); !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	for _, how := range []func(*remote.Settings){
		func(s *remote.Settings) { s.SkipVerify = true },
		func(s *remote.Settings) { s.Roots = pemOf(secure.Certificate()) },
	} {
		s := settings
		how(&s)
		if err := connectTo(t, s).Ping(t.Context()); !errors.Is(err, remote.ErrRealm) {
			t.Errorf("a realm without TLS: %v", err)
		}
		s.Account = ""
		if _, err := connectTo(t, s).PushBlob(t.Context(), "a/b", source([]byte("x"))); !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("an upload without TLS: %v", err)
		}
	}
	for _, v := range plain.take() {
		if v.header.Get("Authorization") != "" || strings.Contains(v.line, "upload") {
			t.Errorf("%v", v)
		}
	}
}
