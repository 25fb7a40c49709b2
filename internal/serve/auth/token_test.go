package auth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
)

func TestTokensForScopes(t *testing.T) {
	o := open(t)
	repo := func(name string, actions ...string) access.Grant {
		return access.Grant{Type: "repository", Name: name, Actions: append([]string{}, actions...)}
	}
	for _, tc := range []struct {
		query, authorization string
		want                 []access.Grant
	}{
		{"&scope=repository:team/app:pull", basic("alice", password), []access.Grant{repo("team/app", "pull")}},
		{"&scope=repository:team/app:pull,push,delete", basic("alice", password), []access.Grant{repo("team/app", "pull", "push")}},
		{"&scope=repository:team/app:*&scope=repository:library/base:pull", basic("alice", password),
			[]access.Grant{repo("team/app", "pull", "push"), repo("library/base", "pull")}},
		{"&scope=repository:team/app:push+repository:library/app:push", basic("alice", password),
			[]access.Grant{repo("team/app", "push"), repo("library/app")}},
		{"&scope=repository:library/app:pull,push", "", []access.Grant{repo("library/app", "pull")}},
		{"&scope=repository:team/app:pull", "", []access.Grant{repo("team/app")}},
		{"&scope=repository:absent/app:pull", "", []access.Grant{repo("absent/app")}},
		{"&scope=registry:catalog:*", basic("admin", password), []access.Grant{{Type: "registry", Name: "catalog", Actions: []string{"*"}}}},
		{"&scope=registry:catalog:*", "", []access.Grant{{Type: "registry", Name: "catalog", Actions: []string{}}}},
	} {
		claims, err := o.tokens.Verify(t.Context(), o.token(t, tc.query, tc.authorization).Token)
		must(t, err)
		if d := cmp.Diff(tc.want, claims.Grants); d != "" {
			t.Errorf("%s: %s", tc.query, d)
		}
	}
}

func TestTokensForAnotherService(t *testing.T) {
	o := open(t)
	a := o.ask(t, "GET", "/service/token?service=other-registry&scope=repository:library/app:pull", "")
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	o := open(t)
	alice := basic("alice", password)
	for _, tc := range []struct {
		method, path, authorization string
		status                      int
	}{
		{"GET", "/service/token", alice, 400},
		{"GET", "/service/token?service=", alice, 400},
		{"GET", "/service/token?service=harbor-registry&scope=repository:library/app:pull", "", 400},
		{"GET", "/service/token?service=berth&scope=nonsense", alice, 400},
		{"GET", "/service/token?service=berth" + strings.Repeat("&scope=repository:a/b:pull", 101), alice, 400},
		{"GET", "/service/token?service=berth", "", 401},
		{"GET", "/service/token?service=berth&scope=", "", 401},
		{"GET", "/service/token?service=unknown", basic("mallory", "wrong"), 401},
		{"POST", "/service/token", "", 405},
		{"POST", "/service/token?service=berth", basic("mallory", "wrong"), 405},
		{"HEAD", "/service/token?service=berth", alice, 405},
		{"PUT", "/service/token?service=berth", alice, 405},
	} {
		a := o.ask(t, tc.method, tc.path, tc.authorization)
		if a.status != tc.status {
			t.Errorf("%s %.80s: %d, want %d", tc.method, tc.path, a.status, tc.status)
		}
		if tc.status == 405 && a.header.Get("Allow") != "GET" {
			t.Errorf("%s: Allow %q", tc.method, a.header.Get("Allow"))
		}
		if tc.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: WWW-Authenticate %q", tc.path, a.header.Get("WWW-Authenticate"))
		}
	}
}

// TestContainerdsWayIn posts an OAuth 2 form first, as containerd does.
func TestContainerdsWayIn(t *testing.T) {
	o := open(t)
	form := url.Values{"grant_type": {"password"}, "service": {"berth"}, "username": {"alice"}, "password": {password}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", o.url+"/service/token", strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a := do(t, r); !slices.Contains([]int{400, 401, 404, 405}, a.status) {
		t.Errorf("%d: it would give up", a.status)
	}
}
