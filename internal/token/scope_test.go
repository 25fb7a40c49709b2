package token_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/token"
)

func TestParseScopes(t *testing.T) {
	repo := func(name string, actions ...string) access.Grant {
		return access.Grant{Type: "repository", Name: name, Actions: append([]string{}, actions...)}
	}
	for _, tc := range []struct {
		params []string
		want   []access.Grant
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"  "}, nil},
		{[]string{"repository:library/app:pull"}, []access.Grant{repo("library/app", "pull")}},
		{[]string{"repository:library/app:pull,push"}, []access.Grant{repo("library/app", "pull", "push")}},
		{[]string{"repository:a/b:pull repository:c/d:pull,push"}, []access.Grant{repo("a/b", "pull"), repo("c/d", "pull", "push")}},
		{[]string{"repository:a/b:pull", "repository:c/d:push"}, []access.Grant{repo("a/b", "pull"), repo("c/d", "push")}},
		{[]string{"repository:a/b:pull", "repository:a/b:push,pull"}, []access.Grant{repo("a/b", "pull", "push")}},
		{[]string{"repository:host:5000/a/b:pull"}, []access.Grant{repo("host:5000/a/b", "pull")}},
		{[]string{"repository(plugin):a/b:pull"}, []access.Grant{repo("a/b", "pull")}},
		{[]string{"repository:a/b:"}, []access.Grant{repo("a/b")}},
		{[]string{"repository:a/b:" + strings.Repeat("pull,push,", 50)}, []access.Grant{repo("a/b", "pull", "push")}},
		{[]string{"repository:a/b:,pull,,pull"}, []access.Grant{repo("a/b", "pull")}},
		{[]string{"registry:catalog:*"}, []access.Grant{{Type: "registry", Name: "catalog", Actions: []string{"*"}}}},
	} {
		got, err := token.ParseScopes(tc.params)
		if err != nil {
			t.Errorf("%q: %v", tc.params, err)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%q: %s", tc.params, d)
		}
	}
}

func TestParseScopesRefuses(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("repository:p/r%d:pull", i)
	}
	if _, err := token.ParseScopes(many[:100]); err != nil {
		t.Errorf("100 scopes: %v", err)
	}
	for _, params := range [][]string{
		{"pull"}, {"repository:a/b"}, {":a/b:pull"}, {"repository::pull"}, {"::"}, {"(plugin):a/b:pull"},
		{"repository(plugin:a/b:pull"}, {"repository(a)b:a/b:pull"}, {"repository(a)):a/b:pull"},
		{"repository:a/b:pull\n"}, {"repository:a/b:pull\x00"}, {"repository:ä/b:pull"}, {"repository:a/b\t:pull"},
		{"repository:" + strings.Repeat("a", 1100) + ":pull"},
		{"repository:a/b:1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"},
		{"repository:a/b:1,2,3,4,5,6,7,8,9", "repository:a/b:a,b,c,d,e,f,g,h"},
		many, {strings.Join(many, " ")},
		{strings.Repeat("repository:a/b:pull ", 101)},
	} {
		if got, err := token.ParseScopes(params); !errors.Is(err, token.ErrScope) {
			t.Errorf("ParseScopes(%.60q) = %v, %v", params, got, err)
		}
	}
}

func FuzzScope(f *testing.F) {
	f.Add("repository:library/app:pull,push")
	f.Add("repository(plugin):host:5000/a/b:pull registry:catalog:*")
	f.Add("repository:a/b: repository:a/b:pull ::: ")
	f.Fuzz(func(t *testing.T, param string) {
		got, err := token.ParseScopes([]string{param})
		if err != nil {
			if !errors.Is(err, token.ErrScope) || got != nil {
				t.Errorf("%q: %v, %v", param, got, err)
			}
			return
		}
		seen := map[string]bool{}
		var written []string
		for _, g := range got {
			if g.Type == "" || g.Name == "" || g.Actions == nil || len(g.Actions) > 16 || strings.ContainsAny(g.Type, ":(") {
				t.Errorf("%q: %+v", param, g)
			}
			if seen[g.Type+":"+g.Name] {
				t.Errorf("%q: %s twice", param, g.Name)
			}
			seen[g.Type+":"+g.Name] = true
			if len(slices.Compact(slices.Sorted(slices.Values(g.Actions)))) != len(g.Actions) {
				t.Errorf("%q: %q", param, g.Actions)
			}
			written = append(written, g.Type+":"+g.Name+":"+strings.Join(g.Actions, ","))
		}
		// What was understood is understood again.
		again, err := token.ParseScopes(written)
		if err != nil || !cmp.Equal(got, again) {
			t.Errorf("%q: %v, then %v, %v", param, got, again, err)
		}
	})
}
