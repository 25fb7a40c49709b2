package remote_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// An office is a registry whose tokens say what they are for, and which takes none
// for anything else.
type office struct {
	*upstream
	refusal int // what it answers then

	mu     sync.Mutex
	grant  func(scope string) string // what of a scope a token is for; "no": there is no token
	void   bool                      // tokens that were issued so far are taken no more
	issued []string                  // the scopes that tokens were asked for
	wrong  []string                  // requests whose token was for something else
}

func newOffice(t *testing.T) *office {
	o := &office{refusal: http.StatusUnauthorized, grant: func(scope string) string { return scope }}
	o.upstream = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if r.URL.Path == "/token" {
			o.issue(w, r.URL.Query()["scope"])
			return
		}
		token, bears := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if serial, of, _ := strings.Cut(token, "."); !bears || o.void && serial != fmt.Sprint(len(o.issued)) {
			w.Header().Set("WWW-Authenticate", bearer(o.URL+"/token"))
			w.WriteHeader(http.StatusUnauthorized)
		} else if !allows(of, r) {
			o.wrong = append(o.wrong, r.Method+" "+r.URL.Path)
			w.Header().Set("WWW-Authenticate", bearer(o.URL+"/token"))
			w.WriteHeader(o.refusal)
		} else if r.Method == http.MethodPut || r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		} else {
			writeJSON(w, map[string]any{})
		}
	})
	return o
}

func (o *office) issue(w http.ResponseWriter, scopes []string) {
	o.issued = append(o.issued, strings.Join(scopes, " "))
	var granted []string
	for _, s := range scopes {
		if s = o.grant(s); s == "no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		granted = append(granted, s)
	}
	writeJSON(w, map[string]any{"token": fmt.Sprintf("%d.%x", len(o.issued), strings.Join(granted, " ")), "expires_in": 3600})
}

// allows reports whether a token is for what a request wants.
func allows(token string, r *http.Request) bool {
	text, _ := hex.DecodeString(token)
	has := func(of, action string) bool {
		return slices.ContainsFunc(strings.Fields(string(text)), func(scope string) bool {
			actions, found := strings.CutPrefix(scope, of+":")
			return found && slices.Contains(strings.Split(actions, ","), action)
		})
	}
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "_catalog" {
		return has("registry:catalog", "*")
	}
	of := "repository:" + strings.Join(strings.Split(path, "/")[:2], "/")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return has(of, "pull")
	case http.MethodDelete:
		return has(of, "delete")
	}
	from := r.URL.Query().Get("from")
	return has(of, "push") && (from == "" || has("repository:"+from, "pull"))
}

// did returns what tokens were asked for, and demands so many that were for
// something else.
func (o *office) did(t *testing.T, wrong int) string {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.wrong) != wrong {
		t.Errorf("tokens for something else: %q", o.wrong)
	}
	return strings.ReplaceAll(strings.Join(o.issued, " | "), "repository:", "")
}

func read(ctx context.Context, r *remote.Registry, repository string) error {
	_, manifest := r.StatManifest(ctx, repository, "v1")
	_, blob := r.StatBlob(ctx, repository, sum(nil))
	return errors.Join(manifest, blob, r.Tags(ctx, repository, func([]string) error { return nil }))
}

func write(ctx context.Context, r *remote.Registry, repository string) error {
	return r.PushManifest(ctx, repository, "v1", oci.MediaTypeImageIndex, []byte(index))
}

// By the token that a repository is written with it is read, too. No token serves
// for anything else.
func TestOneTokenServesForWritingAndReading(t *testing.T) {
	o := newOffice(t)
	r, ctx := connect(t, o.URL, account), t.Context()
	mount := source(nil)
	mount.From = "a/b"
	for _, step := range []struct {
		do   func() error
		want string // tokens that it takes
	}{
		{func() error { return write(ctx, r, "a/b") }, "a/b:pull,push"},
		{func() error { return read(ctx, r, "a/b") }, ""},
		{func() error { return write(ctx, r, "a/b") }, ""},
		{func() error { return read(ctx, r, "a/bc") }, "a/bc:pull"}, // and not what is for its beginning
		{func() error { return write(ctx, r, "a/bc") }, "a/bc:pull,push"},
		{func() error { return read(ctx, r, "a/bc") }, ""},
		{func() error { return r.DeleteManifest(ctx, "a/b", "v1") }, "a/b:delete,pull"},
		{func() error { _, err := r.PushBlob(ctx, "c/d", mount); return err }, "c/d:pull,push a/b:pull"},
		{func() error { return read(ctx, r, "c/d") }, "c/d:pull"},
		{func() error { return r.Repositories(ctx, func([]string) error { return nil }) }, "registry:catalog:*"},
		{func() error { return errors.Join(read(ctx, r, "a/b"), write(ctx, r, "a/b")) }, ""},
	} {
		before := o.did(t, 0)
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.want, err)
		}
		if got := strings.TrimPrefix(strings.TrimPrefix(o.did(t, 0), before), " | "); got != step.want {
			t.Errorf("tokens for %q, want %q", got, step.want)
		}
	}
}

func TestOneTokenIsRenewedForWritingAndReading(t *testing.T) {
	o := newOffice(t)
	r := connect(t, o.URL, account)
	for _, do := range []func(context.Context, *remote.Registry, string) error{read, write} {
		if err := do(t.Context(), r, "a/b"); err != nil {
			t.Fatal(err)
		}
	}
	r.EndTokens()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := errors.Join(read(t.Context(), r, "a/b"), write(t.Context(), r, "a/b")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := o.did(t, 0); got != "a/b:pull | a/b:pull,push | a/b:pull,push" {
		t.Error(got)
	}
}

// Where the token for writing does not serve for reading, one for that is fetched,
// and nothing is tried again and again.
func TestTokensForWritingThatDoNotServeForReading(t *testing.T) {
	for _, refusal := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		o := newOffice(t)
		o.refusal, o.grant = refusal, func(scope string) string { return strings.Replace(scope, "pull,push", "push", 1) }
		r := connect(t, o.URL, account)
		for range 3 {
			if err := errors.Join(write(t.Context(), r, "a/b"), read(t.Context(), r, "a/b")); err != nil {
				t.Fatalf("%d: %v", refusal, err)
			}
		}
		if got := o.did(t, 1); got != "a/b:pull,push | a/b:pull" {
			t.Errorf("%d: %s", refusal, got)
		}
	}
}

// The right to write may be withdrawn: what may be read stays so.
func TestTokensForWritingThatAreWithdrawn(t *testing.T) {
	o := newOffice(t)
	r := connect(t, o.URL, account)
	if err := write(t.Context(), r, "a/b"); err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	o.void, o.grant = true, func(scope string) string { return strings.Replace(scope, "repository:a/b:pull,push", "no", 1) }
	o.issued = append(o.issued, "withdrawn")
	o.mu.Unlock()
	for range 2 { // by one that is refused, and by one that is not to be had any more
		for range 2 {
			if err := read(t.Context(), r, "a/b"); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(t.Context(), r, "a/b"); !errors.Is(err, remote.ErrRefused) {
			t.Error(err)
		}
		o.mu.Lock()
		o.void = false
		o.mu.Unlock()
		r.EndTokens()
	}
	if got := o.did(t, 0); got != "a/b:pull,push | withdrawn | a/b:pull | a/b:pull,push | a/b:pull | a/b:pull,push" {
		t.Error(got)
	}
}

// Where the token for writing has ended and there is none any more, that is asked
// once for each token for reading.
func TestTokensForWritingThatAreNotRenewed(t *testing.T) {
	o := newOffice(t)
	r := connect(t, o.URL, account)
	if err := write(t.Context(), r, "a/b"); err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	o.grant = func(scope string) string { return strings.Replace(scope, "repository:a/b:pull,push", "no", 1) }
	o.mu.Unlock()
	for range 2 {
		r.EndTokens()
		if err := read(t.Context(), r, "a/b"); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.did(t, 0); got != "a/b:pull,push | a/b:pull,push | a/b:pull | a/b:pull" {
		t.Error(got)
	}
}
