package project

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/remote"
)

func TestMetadataOfCaches(t *testing.T) {
	const refused, dropped = "\x00refused", "\x00dropped"
	for _, c := range []struct{ key, value, want string }{
		{"proxy_speed_kb", "-1", "-1"},
		{"proxy_speed_kb", "007", "7"},
		{"proxy_speed_kb", "-2", refused},
		{"max_upstream_conn", "30", "30"},
		{"max_upstream_conn", "0", refused},
		{"proxy_cache_filter_pattern", " library/** ", "library/**"},
		{"proxy_cache_filter_pattern", "", ""},
		{"proxy_cache_filter_pattern", "library/[a", refused},
		{"proxy_cache_filter_pattern", "{a", refused},
		{"proxy_cache_filter_pattern", strings.Repeat("{a,b}", 7), refused},
		{"proxy_cache_filter_pattern", strings.Repeat("x", maxValue+1), refused},
		{"proxy_cache_filter_kind", "regex", "regex"},
		{"proxy_cache_filter_kind", "", refused},
		{"proxy_referrer_api", "1", "true"},
		{"proxy_cache_local_on_not_found", "maybe", refused},
		{"enable_content_trust", "true", dropped},
		{"enable_content_trust", "maybe", refused},
		{"enable_content_trust_cosign", "true", "true"},
		{"severity", "Low", "low"},
		{"retention_id", "7", refused},
	} {
		now, _, err := Change{Set: map[string]string{c.key: c.value}}.Apply(nil, true)
		got, kept := now[c.key]
		switch {
		case errors.Is(err, ErrInvalid):
			got = refused
		case err != nil:
			t.Fatal(err)
		case !kept:
			got = dropped
		}
		if got != c.want {
			t.Errorf("%s %q becomes %q, %v", c.key, c.value, got, err)
		}
	}
}

// TestAPatternStaysOneOfItsKind holds that no change leads to a pattern that means
// nothing, or something else than before.
func TestAPatternStaysOneOfItsKind(t *testing.T) {
	of := func(pattern, kind string) map[string]string {
		m := map[string]string{MetaPublic: "false", metaPattern: pattern, metaPatternKind: kind}
		maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
		return m
	}
	for _, c := range []struct {
		name string
		old  map[string]string
		c    Change
		want map[string]string // nil: refused
	}{
		{"both", of("", ""), Change{Set: of("^a.*$", "regex")}, of("^a.*$", "regex")},
		{"no regex", of("", ""), Change{Set: of("a(", "regex")}, nil},
		{"no regex of a glob", of("**", ""), Change{Set: of("", "regex")}, nil},
		{"no glob of a regex", of("[^a]+|{", "regex"), Change{Set: of("", "doublestar")}, nil},
		{"too much of a regex", of("", "regex"), Change{Set: of("(a{500}){500}", "")}, nil},
		{"kind first", of("", ""), Change{Set: of("", "regex")}, of("", "regex")},
		{"away with the kind", of("a.*", "regex"), Change{Unset: []string{metaPatternKind}}, nil},
		{"of a glob, too", of("a*", "doublestar"), Change{Unset: []string{metaPatternKind}}, nil},
		{"away with the pattern", of("a.*", "regex"), Change{Unset: []string{metaPattern}}, of("", "regex")},
		{"and then with the kind", of("", "regex"), Change{Unset: []string{metaPatternKind}}, of("", "")},
		{"away with both", of("a.*", "regex"), Change{Unset: []string{metaPatternKind, metaPattern}}, of("", "")},
	} {
		now, _, err := c.c.Apply(c.old, true)
		if (c.want == nil) != errors.Is(err, ErrInvalid) || !maps.Equal(now, c.want) {
			t.Errorf("%s: %v, %v", c.name, now, err)
		}
	}
}

func TestCacheRules(t *testing.T) {
	const all, some = "library/alpine team/app alpine library/alpine/deep", "library/alpine"
	for _, c := range []struct {
		metadata     map[string]string
		want         CacheRules
		allowed, not string
	}{
		{nil, CacheRules{}, all, ""},
		{map[string]string{metaSpeed: "-1", metaConnections: "-1", metaReferrers: "false"}, CacheRules{}, all, ""},
		{map[string]string{metaSpeed: "512", metaConnections: "3", metaReferrers: "true", metaLocalOnNotFound: "true"},
			CacheRules{Speed: 512, Connections: 3, Referrers: true, LocalOnNotFound: true}, all, ""},
		{map[string]string{metaPattern: "", metaPatternKind: "regex"}, CacheRules{}, all, ""},
		{map[string]string{metaPattern: "library/*"}, CacheRules{}, some, "alpine team/app library/alpine/deep"},
		{map[string]string{metaPattern: "library/**", metaPatternKind: "doublestar"}, CacheRules{}, "library/alpine library/alpine/deep", "alpine team/library/app"},
		{map[string]string{metaPattern: "{library,team}/*"}, CacheRules{}, "library/alpine team/app", "other/app"},
		{map[string]string{metaPattern: "library/[a-c].*", metaPatternKind: "regex"}, CacheRules{}, "library/alpine library/alpine/deep", "my/library/alpine library/nginx"},
		{map[string]string{metaPattern: "a|ab", metaPatternKind: "regex"}, CacheRules{}, "a ab", "abc b"},
		{map[string]string{metaPattern: "^(library/)?(alpine|nginx)$", metaPatternKind: "regex"}, CacheRules{}, "library/alpine nginx", "nginx2"},
		{map[string]string{metaPattern: "a(", metaPatternKind: "regex"}, CacheRules{}, "", "a a( alpine"},
	} {
		got := Project{Metadata: c.metadata}.Cache()
		for _, name := range strings.Fields(c.allowed) {
			if !got.Allows(name) {
				t.Errorf("%v keeps %s out", c.metadata, name)
			}
		}
		for _, name := range strings.Fields(c.not) {
			if got.Allows(name) {
				t.Errorf("%v allows %s", c.metadata, name)
			}
		}
		if got.Speed != c.want.Speed || got.Connections != c.want.Connections || got.LocalOnNotFound != c.want.LocalOnNotFound || got.Referrers != c.want.Referrers {
			t.Errorf("%v: %+v", c.metadata, got)
		}
	}
}

func TestCacheableKinds(t *testing.T) {
	not := []remote.Kind{remote.Docker, remote.Huawei, remote.Tencent, remote.Volcengine}
	for _, k := range append(remote.Kinds(), "helm-hub") {
		if want := !slices.Contains(not, k) && k != "helm-hub"; Cacheable(k) != want {
			t.Errorf("%s: %t", k, !want)
		}
	}
}
