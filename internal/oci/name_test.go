package oci

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckRepository(t *testing.T) {
	good := []string{
		"library/nginx", "a/b", "0/0", "a/b/c/d/e/f", "my-project/my.app_name", "a/b--c", "a/b-----c",
		"a/b__c", "a/b_c", "a/b.c", "a/v2", "a/blobs/uploads", "a/manifests/latest", "a/tags/list",
		"a/" + strings.Repeat("b", 253),
	}
	for _, name := range good {
		if err := CheckRepository(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	bad := []string{
		"", "/", "a", "a/", "/a", "/a/b", "a/b/", "a//b", "a/../b", "../a/b", "a/b/..", "a/./b", "./a/b",
		"a/%2e%2e/b", "a%2fb", "a/b%00", "A/b", "a/B", "a/b c", "a/b\n", "a/b\x00", "a\\b/c", "a/b:c", "a/b@c",
		"a/é", "a/ｂ", "a/.b", "a/b.", "a/-b", "a/b-", "a/_b", "a/b_", "a/b..c", "a/b___c", "a/b._c", "a/b_.c",
		"a/b-.c", "a/b_-c", "a/b.-c", "a/~b", "a/b?c", "a/b#c", "a/b;c", "a/b&c=d", "$project/b",
		"a/" + strings.Repeat("b", 254), strings.Repeat("a/", 1<<16) + "a",
	}
	for _, name := range bad {
		err := CheckRepository(name)
		if !errors.Is(err, ErrNameInvalid) {
			t.Errorf("%q: %v", name, err)
		} else if len(err.Error()) > 1000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	}
}

func TestCheckRepositorySaysThatAProjectIsMissing(t *testing.T) {
	err := CheckRepository("nginx")
	if err == nil || !strings.Contains(err.Error(), "PROJECT/NAME") {
		t.Errorf("got %v", err)
	}
}

func TestSplitRepository(t *testing.T) {
	for name, want := range map[string][2]string{
		"library/nginx": {"library", "nginx"},
		"a/b/c":         {"a", "b/c"},
		"a":             {"a", ""},
	} {
		if project, rest := SplitRepository(name); project != want[0] || rest != want[1] {
			t.Errorf("%q: %q, %q", name, project, rest)
		}
	}
}

func TestCheckTag(t *testing.T) {
	for _, tag := range []string{"latest", "v1.0.0", "_", "A", "0", "1.0-rc.1_x", "a..b", strings.Repeat("t", 128)} {
		if err := CheckTag(tag); err != nil {
			t.Errorf("%q: %v", tag, err)
		}
	}
	bad := []string{
		"", ".", "..", "-a", ".a", "a/b", "a:b", "a@b", "a b", "a\n", "é", "a+b", "%2e", "a\x00", "<script>",
		strings.Repeat("t", 129), strings.Repeat("t", 1<<20),
	}
	for _, tag := range bad {
		if err := CheckTag(tag); !errors.Is(err, ErrTagInvalid) {
			t.Errorf("%.200q: %v", tag, err)
		}
	}
}

func TestParseReference(t *testing.T) {
	digest := "sha256:" + hex64
	for s, want := range map[string]Reference{
		"latest": {Tag: "latest"},
		"sha256": {Tag: "sha256"},
		digest:   {Digest: Digest(digest)},
	} {
		if got, err := ParseReference(s); err != nil || got != want || got.String() != s {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]error{
		"":             ErrTagInvalid,
		"a/b":          ErrTagInvalid,
		"sha256:short": ErrDigestInvalid,
		"md5:" + hex64: ErrDigestInvalid,
		"a:b":          ErrDigestInvalid,
		":":            ErrDigestInvalid,
	} {
		if got, err := ParseReference(s); !errors.Is(err, want) || got != (Reference{}) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

func BenchmarkCheckRepository(b *testing.B) {
	for b.Loop() {
		if err := CheckRepository("library/some-group/some.name_of__an-application"); err != nil {
			b.Fatal(err)
		}
	}
}
