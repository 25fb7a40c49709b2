package dist

import (
	"net/url"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
)

func TestParsePath(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for path, want := range map[string]target{
		"/v2":                                  {kind: root},
		"/v2/":                                 {kind: root},
		"/v2/_catalog":                         {kind: catalog},
		"/v2/a/b/tags/list":                    {kind: tags, name: "a/b"},
		"/v2/a/b/manifests/latest":             {kind: manifests, name: "a/b", ref: "latest"},
		"/v2/a/b/manifests/" + digest:          {kind: manifests, name: "a/b", ref: digest},
		"/v2/a/b/blobs/" + digest:              {kind: blobs, name: "a/b", ref: digest},
		"/v2/a/b/blobs/sha256%3A" + digest[7:]: {kind: blobs, name: "a/b", ref: digest},
		"/v2/a/b/blobs/uploads/":               {kind: uploads, name: "a/b"},
		"/v2/a/b/blobs/uploads":                {kind: uploads, name: "a/b"},
		"/v2/a/b/blobs/uploads/1-2":            {kind: upload, name: "a/b", ref: "1-2"},
		"/v2/a/b/referrers/" + digest:          {kind: referrers, name: "a/b", ref: digest},
		// Words of the protocol may be parts of a name.
		"/v2/a/blobs/tags/list":            {kind: tags, name: "a/blobs"},
		"/v2/a/manifests/manifests/latest": {kind: manifests, name: "a/manifests", ref: "latest"},
		// Anything else is nowhere, above all other ways to write the same.
		"/v3/a/b/tags/list":           {},
		"/v2/a/b":                     {},
		"/v2/a/b/manifests/":          {},
		"/v2/a/b/manifests":           {},
		"/v2/a%2Fb/tags/list":         {},
		"/v2/a%2fb/manifests/latest":  {},
		"/V2/_catalog":                {},
		"/v2/_CATALOG":                {},
		"/v2/_catalog/":               {},
		"//v2/_catalog":               {},
		"/v2/a/b/blobs/uploads/1/2/3": {},
	} {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsePath(u); got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

// Tricks with a path end at a name that the grammar refuses, never at another
// repository.
func TestPathTricksReachNoRepository(t *testing.T) {
	for _, path := range []string{
		"/v2//_catalog", "/v2/./_catalog", "/v2/a/../_catalog", "/v2/a/../../b/tags/list",
		"/v2//a/b/tags/list", "/v2/a//b/tags/list", "/v2/a/b//tags/list", "/v2/%61/%2e%2e/b/tags/list",
		"/v2/a/b/./manifests/latest", "/v2/A/B/manifests/latest", "/v2/a/b%00/manifests/latest", "/v2/a\\b/tags/list",
		"/v2/_catalog/tags/list",
	} {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			continue
		}
		got := parsePath(u)
		if got.kind == root || got.kind == catalog {
			t.Errorf("%s reaches %+v", path, got)
		}
		if got.kind != nowhere && oci.CheckRepository(got.name) == nil {
			t.Errorf("%s reaches the repository %q", path, got.name)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("/v2/a/b/blobs/uploads/x")
	f.Add("/v2/_catalog")
	f.Add("/v2/a/b/manifests/%2e%2e")
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		got := parsePath(u)
		if strings.Contains(got.ref, "/") {
			t.Errorf("%q: reference %q holds a slash", path, got.ref)
		}
		if got.kind != nowhere && !strings.HasPrefix(u.Path, "/v2") {
			t.Errorf("%q is outside of /v2", path)
		}
	})
}

func TestParseRange(t *testing.T) {
	for text, want := range map[string][2]int64{
		"0-0": {0, 0}, "5-9": {5, 9}, "bytes 0-99/100": {0, 99}, "bytes 0-99/*": {0, 99},
	} {
		from, to, err := parseRange(text)
		if err != nil || from != want[0] || to != want[1] {
			t.Errorf("%q: %d %d %v", text, from, to, err)
		}
	}
	for _, text := range []string{"", "-", "5", "5-", "-5", "9-5", "a-b", "+1-2", "0-99999999999999999999", "0-9223372036854775807", "1-2-3"} {
		if _, _, err := parseRange(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("0-1")
	f.Add("bytes 0-1/2")
	f.Fuzz(func(t *testing.T, text string) {
		from, to, err := parseRange(text)
		if err == nil && (from < 0 || to < from || to-from+1 <= 0) {
			t.Errorf("%q: %d-%d", text, from, to)
		}
	})
}
