package project

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMetadataValues(t *testing.T) {
	const refused = "\x00refused"
	const dropped = "\x00dropped"
	cases := []struct{ key, value, want string }{
		{"public", "true", "true"},
		{"public", "1", "true"},
		{"public", "FALSE", "false"},
		{"public", "yes", refused},
		{"public", "", refused},
		{"enable_content_trust", "t", "true"},
		{"enable_content_trust_cosign", "0", "false"},
		{"prevent_vul", "true", "true"},
		{"prevent_vul", "truth", refused},
		{"auto_scan", "true", "true"},
		{"auto_sbom_generation", "true", "true"},
		{"auto_sbom_media_type", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+json"},
		{"auto_sbom_media_type", "text/spdx", refused},
		{"vex_signed_only", "1", "true"},
		{"vex_signed_only", "always", refused},
		{"reuse_sys_cve_allowlist", "false", "false"},
		{"severity", "High", "high"},
		{"severity", "critical", "critical"},
		{"severity", "negligible", "negligible"},
		{"severity", "none", "none"},
		{"severity", "unknown", refused},
		{"severity", "", refused},
		{"retention_id", "7", refused},
		{"retention_id", "", dropped},
		{"proxy_speed_kb", "-1", dropped},
		{"proxy_speed_kb", "2147483647", dropped},
		{"proxy_speed_kb", "2147483648", refused},
		{"proxy_speed_kb", "-2", refused},
		{"proxy_speed_kb", "fast", refused},
		{"max_upstream_conn", "-1", dropped},
		{"max_upstream_conn", "0", refused},
		{"max_upstream_conn", "30", dropped},
		{"proxy_cache_filter_pattern", "library/**", dropped},
		{"proxy_cache_filter_pattern", strings.Repeat("x", maxValue+1), refused},
		{"proxy_cache_filter_kind", "regex", dropped},
		{"proxy_cache_filter_kind", "glob", refused},
		{"proxy_referrer_api", "true", dropped},
		{"proxy_cache_local_on_not_found", "maybe", refused},
		{"owner_id", "1", refused},
		{"Public", "true", refused},
		{"", "true", refused},
	}
	for _, c := range cases {
		t.Run(c.key+"="+c.value[:min(len(c.value), 20)], func(t *testing.T) {
			now, _, err := Change{Set: map[string]string{c.key: c.value}}.Apply(map[string]string{MetaPublic: "false"}, false)
			got, kept := now[c.key]
			switch {
			case err != nil:
				if !errors.Is(err, ErrInvalid) {
					t.Fatal(err)
				}
				got = refused
			case !kept:
				got = dropped
			}
			if got != c.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestChangeMergesMetadata(t *testing.T) {
	old := map[string]string{MetaPublic: "true", "severity": "low", "auto_scan": "true", "retention_id": "7"}
	cases := []struct {
		name    string
		c       Change
		want    map[string]string
		changed []string
	}{
		{"nothing", Change{}, old, nil},
		{"the same again", Change{Set: map[string]string{"severity": "LOW", "retention_id": "7"}}, old, nil},
		{"one key", Change{Set: map[string]string{"severity": "high"}},
			map[string]string{MetaPublic: "true", "severity": "high", "auto_scan": "true", "retention_id": "7"}, []string{"severity"}},
		{"a key that was not there", Change{Set: map[string]string{"prevent_vul": "false"}},
			map[string]string{MetaPublic: "true", "severity": "low", "auto_scan": "true", "prevent_vul": "false", "retention_id": "7"}, []string{"prevent_vul"}},
		{"away with some", Change{Unset: []string{"auto_scan", "severity", "prevent_vul"}},
			map[string]string{MetaPublic: "true", "retention_id": "7"}, []string{"auto_scan", "severity"}},
		{"public cannot be missing", Change{Unset: []string{MetaPublic}},
			map[string]string{MetaPublic: "false", "severity": "low", "auto_scan": "true", "retention_id": "7"}, []string{MetaPublic}},
		{"another retention policy", Change{Set: map[string]string{"retention_id": "8"}}, nil, nil},
		{"no retention policy", Change{Unset: []string{"retention_id"}}, nil, nil},
		{"away with what there is none of", Change{Unset: []string{"colour"}}, nil, nil},
		{"one bad of two", Change{Set: map[string]string{"severity": "high", "colour": "red"}}, nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := maps.Clone(old)
			now, changed, err := c.c.Apply(old, false)
			if (c.want == nil) != errors.Is(err, ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			if !maps.Equal(now, c.want) || !slices.Equal(changed, c.changed) {
				t.Errorf("got %v, changed %v", now, changed)
			}
			if !maps.Equal(old, before) {
				t.Errorf("the old ones became %v", old)
			}
		})
	}
	if now, _, err := (Change{}).Apply(nil, false); err != nil || now[MetaPublic] != "false" {
		t.Errorf("of nothing comes %v, %v", now, err)
	}
}

// Whatever is asked for, what is kept is of a known key and would be accepted
// again, unchanged.
func TestMetadataAreStable(t *testing.T) {
	keys := slices.Sorted(maps.Keys(metaKeys))
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.MapOf(
			rapid.OneOf(rapid.SampledFrom(keys), rapid.String()),
			rapid.OneOf(rapid.SampledFrom([]string{"true", "1", "F", "High", "low", "-1", "007", "regex", "a(", "", " a/**"}), rapid.String()),
		).Draw(t, "set")
		cache := rapid.Bool().Draw(t, "cache")
		now, _, err := Change{Set: set}.Apply(map[string]string{MetaPublic: "false"}, cache)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, changed, err := Change{Set: now}.Apply(now, cache)
		if err != nil || len(changed) > 0 || !maps.Equal(again, now) {
			t.Fatalf("%v became %v, changed %v: %v", now, again, changed, err)
		}
	})
}
