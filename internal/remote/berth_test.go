package remote_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// TestBerth speaks to the real program, as a user with tokens.
func TestBerth(t *testing.T) {
	s := apptest.Start(t)
	const name, pass = "alice", "Alices-password-1"
	as := func(user, password, path, body string) {
		t.Helper()
		resp := s.Do(http.MethodPost, path, user, password, strings.NewReader(body), "Content-Type", "application/json")
		if resp.StatusCode/100 != 2 {
			text, _ := io.ReadAll(resp.Body)
			t.Fatalf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	as(apptest.Admin, s.Password, "/api/v2.0/users", fmt.Sprintf(`{"username":%q,"email":"alice@example.com","realname":"Alice","password":%q}`, name, pass))

	ctx := t.Context()
	settings := remote.Settings{Kind: remote.Harbor, URL: s.URL, Account: name, Secret: secret.New(pass)}
	r := connectTo(t, settings)
	if err := r.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there
		if err := r.Prepare(ctx, "alpha/app", false); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Prepare(ctx, "Not A Name/app", false); err == nil {
		t.Error("a project with no name")
	}

	content := noise(5 << 20)
	d := sum(content)
	if _, err := r.StatBlob(ctx, "alpha/app", d); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
	push := func(repository string, src remote.Source, want bool) {
		t.Helper()
		if sent, err := r.PushBlob(ctx, repository, src); err != nil || sent != want {
			t.Errorf("%s: sent %t, %v", repository, sent, err)
		}
		if size, err := r.StatBlob(ctx, repository, src.Digest); err != nil || size != src.Size {
			t.Errorf("%s: %d, %v", repository, size, err)
		}
	}
	push("alpha/app", source(content), true)
	mounted := source(content)
	mounted.From = "alpha/app"
	push("alpha/deep/copy", mounted, false)
	chunked := source(noise(5<<20 + 1))
	chunked.Chunk = 1 << 20
	push("alpha/app", chunked, true)
	small := source([]byte("{}"))
	small.From = "library/private" // where there is nothing
	push("alpha/app", small, true)
	push("alpha/deep/copy", source([]byte("{}")), true)

	manifest := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		oci.MediaTypeImageManifest, small.Digest, d, len(content)))
	for _, repository := range []string{"alpha/app", "alpha/deep/copy"} {
		for _, tag := range []string{"v1", "v2"} {
			if err := r.PushManifest(ctx, repository, tag, oci.MediaTypeImageManifest, manifest); err != nil {
				t.Fatal(err)
			}
		}
	}
	referrer := bytes.Replace(manifest, []byte(`"layers"`), []byte(fmt.Sprintf(`"artifactType":"x/sign","subject":{"mediaType":%q,"digest":%q,"size":%d},"layers"`, oci.MediaTypeImageManifest, sum(manifest), len(manifest))), 1)
	if err := r.PushManifest(ctx, "alpha/app", string(sum(referrer)), oci.MediaTypeImageManifest, referrer); err != nil {
		t.Fatal(err)
	}
	if err := r.PushManifest(ctx, "alpha/app", "v3", oci.MediaTypeImageManifest, []byte("{")); !errors.Is(err, remote.ErrRejected) {
		t.Errorf("no manifest: %v", err)
	}
	if all, err := r.Referrers(ctx, "alpha/app", sum(manifest)); err != nil || len(all) != 1 || all[0].Digest != sum(referrer) || all[0].ArtifactType != "x/sign" {
		t.Errorf("%+v, %v", all, err)
	}

	for _, ref := range []string{"v1", string(sum(manifest))} {
		m, err := r.Manifest(ctx, "alpha/app", ref)
		if err != nil || m.Digest != sum(manifest) || !bytes.Equal(m.Body, manifest) || m.MediaType != oci.MediaTypeImageManifest {
			t.Errorf("%s: %+v, %v", ref, m, err)
		}
		stat, err := r.StatManifest(ctx, "alpha/app", ref)
		if err != nil || stat.Digest != m.Digest || stat.Size != m.Size || stat.MediaType != m.MediaType {
			t.Errorf("%s: %+v, %v", ref, stat, err)
		}
	}
	for _, offset := range []int64{0, 3 << 20} {
		body, size, err := r.Blob(ctx, "alpha/app", d, offset)
		if err != nil || size != int64(len(content)) {
			t.Fatal(size, err)
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content[offset:]) {
			t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
		}
		body.Close()
	}

	var tags []string
	if err := r.Tags(ctx, "alpha/app", func(page []string) error { tags = append(tags, page...); return nil }); err != nil || !slices.Equal(tags, []string{"v1", "v2"}) {
		t.Errorf("%q, %v", tags, err)
	}
	if err := r.Tags(ctx, "alpha/none", func([]string) error { return nil }); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
	admin := remote.Settings{Kind: remote.Distribution, URL: s.URL, Account: apptest.Admin, Secret: secret.New(s.Password)}
	for _, by := range []*remote.Registry{r, connectTo(t, admin)} { // the catalog is for administrators
		var names []string
		err := by.Repositories(ctx, func(page []string) error { names = append(names, page...); return nil })
		if slices.Sort(names); err != nil || !slices.Equal(names, []string{"alpha/app", "alpha/deep/copy"}) {
			t.Errorf("%s: %q, %v", by.Kind(), names, err)
		}
	}

	resp := s.Do(http.MethodGet, "/api/v2.0/projects/alpha", name, pass, nil, "X-Is-Resource-Name", "true")
	var project struct {
		ID int `json:"project_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&project); err != nil || project.ID == 0 {
		t.Fatal(project, err)
	}
	as(name, pass, "/api/v2.0/labels", fmt.Sprintf(`{"name":"gold","scope":"p","project_id":%d}`, project.ID))
	as(name, pass, "/api/v2.0/projects/alpha/repositories/deep%252Fcopy/artifacts/v1/labels", `{"id":1}`)
	for repository, want := range map[string][]string{"alpha/app": nil, "alpha/deep/copy": {"gold"}} {
		if got, err := r.Labels(ctx, repository, string(sum(manifest))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", repository, got, err)
		}
	}

	if err := r.DeleteManifest(ctx, "alpha/app", "v2"); err != nil {
		t.Error(err)
	}
	if _, err := r.StatManifest(ctx, "alpha/app", "v2"); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
	if _, err := r.StatManifest(ctx, "alpha/app", "v1"); err != nil {
		t.Errorf("the deletion of one tag took the other: %v", err)
	}
	if err := r.DeleteManifest(ctx, "alpha/deep/copy", string(sum(manifest))); err != nil {
		t.Error(err)
	}
	if _, err := r.Manifest(ctx, "alpha/deep/copy", "v1"); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}

	nobody := connectTo(t, remote.Settings{Kind: remote.Harbor, URL: s.URL})
	if _, err := nobody.Manifest(ctx, "alpha/app", "v1"); !fault.OfKind(err, fault.Denied) {
		t.Errorf("as nobody: %v", err)
	}
	if err := nobody.Prepare(ctx, "beta/app", true); !errors.Is(err, remote.ErrRefused) {
		t.Errorf("as nobody: %v", err)
	}
	wrong := settings // at the end, since who fails has to wait
	wrong.Secret = secret.New("Another-password-1")
	if err := connectTo(t, wrong).Ping(ctx); !errors.Is(err, remote.ErrRefused) {
		t.Errorf("a wrong password: %v", err)
	}
}
