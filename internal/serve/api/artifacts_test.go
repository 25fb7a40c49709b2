package api

import (
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
)

// windows is an index of alpha/app:1, for a platform with all that one can have.
func (w *world) windows() map[string]any {
	return map[string]any{"manifests": []oci.Descriptor{{
		MediaType: oci.MediaTypeImageManifest, Digest: oci.Digest(w.digest("alpha")), Size: 1,
		Platform: &oci.Platform{Architecture: "amd64", OS: "windows", OSVersion: "10.0", OSFeatures: []string{"win32k"}, Variant: "v2"},
	}}}
}

func TestThePlatformOfAReference(t *testing.T) {
	w := newWorld(t)
	w.push(oci.Reference{Tag: "index"}, oci.MediaTypeImageIndex, w.windows())
	got := w.want(200, "lim", "GET /projects/alpha/repositories/app/artifacts/index").Body.String()
	for _, field := range []string{
		`"architecture":"amd64"`, `"os":"windows"`, `"variant":"v2"`,
		`"'os.version'":"10.0"`, `"'os.features'":["win32k"]`, // as Harbor describes it
		`"OsVersion":"10.0"`, `"OsFeatures":["win32k"]`, // as Harbor, and clients in Go, have it
	} {
		if !strings.Contains(got, field) {
			t.Errorf("no %s in %s", field, got)
		}
	}
}

// TestCodes holds the codes of this API, where the distribution API has others.
func TestCodes(t *testing.T) {
	w := newWorld(t)
	w.push(oci.Reference{Tag: "index"}, oci.MediaTypeImageIndex, w.windows())
	const in = "/projects/alpha/repositories/app"
	for request, want := range map[string]string{
		"GET /projects/alpha/repositories/none":                "NOT_FOUND",
		"GET /projects/alpha/repositories/none/artifacts":      "NOT_FOUND",
		"GET " + in + "/artifacts/none":                        "NOT_FOUND",
		"GET " + in + "/artifacts/sha256:12":                   "NOT_FOUND",
		"DELETE " + in + "/artifacts/1/tags/none":              "NOT_FOUND",
		"DELETE " + in + "/artifacts/1":                        "VIOLATE_FOREIGN_KEY_CONSTRAINT",
		"POST " + in + "/artifacts/1/tags\n\n{\"name\":\"-\"}": "BAD_REQUEST",
		"GET /icons/none":                                      "DIGEST_INVALID",
	} {
		if code, message := problemOf(t, w.do("root", request)); code != want {
			t.Errorf("%s: %s (%s), want %s", request, code, message, want)
		}
	}
}
