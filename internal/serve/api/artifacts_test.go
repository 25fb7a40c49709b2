package api

import (
	"fmt"
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

func TestCopies(t *testing.T) {
	w := newWorld(t)
	from := func(source string) string { return "POST /projects/alpha/repositories/app/artifacts?from=" + source }
	digest := "sha256:" + strings.Repeat("0", 64)
	w.walk([]step{
		{"dev", from("open/lib/base:1"), 201, ""},
		{"dev", "GET /projects/alpha/repositories/app/artifacts/1/additions/build_history", 200, "COPY"},
		{"dev", from("alpha/lib/base:1@" + digest), 404, `"code":"NOT_FOUND"`},
		{"dev", from("alpha/none:1"), 404, `"code":"NOT_FOUND"`},
		{"dev", from("open/app:none"), 404, `"code":"NOT_FOUND"`},
		{"dev", from("beta/app:1"), 403, "FORBIDDEN"},
		{"dev", from("beta/none:1"), 403, "FORBIDDEN"},
		{"dev", from("nowhere/app:1"), 403, "FORBIDDEN"}, // as one without rights in it
		{"root", from("nowhere/app:1"), 404, "project nowhere not found"},
		{"dev", from(""), 422, "from in query is required"},
	})
	for _, bad := range []string{"app:1", "open/app", "open/app:", "open/app@", "open/app@sha256:12", "open/../app:1", "open/app:1@1", "/open/app:1", "open/app:-", "Open/app:1"} {
		w.want(400, "dev", from(bad))
	}
}

// TestWhoMayNotPullMayNotCopy: who has a copy where they may pull has the content.
func TestWhoMayNotPullMayNotCopy(t *testing.T) {
	w := newWorld(t)
	robot := func(right string) string {
		body := fmt.Sprintf(`{"name":"r%d","level":"system","duration":-1,"permissions":[
			{"kind":"project","namespace":"alpha","access":[{"resource":"artifact","action":"read"}%s]},
			{"kind":"project","namespace":"open","access":[{"resource":"artifact","action":"create"}]}]}`, len(right), right)
		made := into[struct{ ID int64 }](t, w.want(201, "root", "POST /robots\n\n"+body))
		return fmt.Sprintf("robot:%d", made.ID)
	}
	const request = "POST /projects/open/repositories/stolen/artifacts?from=alpha/app:1"
	w.want(403, robot(""), request)
	w.want(404, "root", "GET /projects/open/repositories/stolen")
	w.want(201, robot(`,{"resource":"repository","action":"pull"}`), request)
}

func TestAdditions(t *testing.T) {
	newWorld(t).walk([]step{
		{"lim", "GET /projects/alpha/repositories/app/artifacts/1/additions/readme.md", 400, "it has build_history"},
		{"lim", "GET /projects/alpha/repositories/app/artifacts/2/additions/build_history", 404, `"code":"NOT_FOUND"`},
		{"lim", "GET /projects/alpha/repositories/app/artifacts/2/additions/vulnerabilities", 404, `"code":"NOT_FOUND"`},
		{"lim", "GET /projects/alpha/repositories/none/artifacts/1/additions/build_history", 404, `"code":"NOT_FOUND"`},
		{"lim", "GET /projects/alpha/repositories/app/artifacts/1/additions/build_history\nAccept: application/json", 200, "COPY"},
		{"bob", "GET /projects/open/repositories/lib%252Fbase/artifacts/1/additions/build_history", 200, "COPY"},
	})
	a := newWorld(t).want(200, "", "GET /projects/open/repositories/app/artifacts/1/additions/build_history")
	if got := a.Header().Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("browsers may guess what the content is: %q", got)
	}
}

// TestArtifactsOfAProjectAreForThoseWithAnIdentity, also in a public project, whose
// repositories show theirs to everybody.
func TestArtifactsOfAProjectAreForThoseWithAnIdentity(t *testing.T) {
	w := newWorld(t)
	w.want(200, "", "GET /projects/open/repositories/app/artifacts")
	w.want(401, "", "GET /projects/open/artifacts")
	w.want(200, "lim", "GET /projects/open/artifacts")
}
