//go:build e2e

package client

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

// TestACacheOutlivesItsUpstream has Docker's engine pull images of two platforms
// by a cache, once while the upstream runs and once after it was stopped.
func TestACacheOutlivesItsUpstream(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	upstream := berth.Run(t, berth.Options{})
	w := &world{server: berth.Run(t, berth.Options{Env: []string{"BERTH_CACHE_FRESH=1s"}})}
	sh := newShell(ctx, t, w)
	startDocker(t, sh)
	run := func(args ...string) string {
		t.Helper()
		return must(t)(sh.run("docker", args...))
	}
	digests := fill(ctx, t, upstream, sh, run)

	admin := w.server.Admin()
	header, err := admin.Do(ctx, "POST", "/registries", map[string]any{"name": "up", "type": "docker-registry", "url": upstream.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	_, _ = fmt.Sscan(header.Get("Location")[strings.LastIndex(header.Get("Location"), "/")+1:], &id)
	hub := map[string]any{"project_name": "hub", "registry_id": id, "metadata": map[string]string{"public": "true"}}
	if _, err := admin.Do(ctx, "POST", "/projects", hub, nil); err != nil {
		t.Fatal(err)
	}
	name := w.server.Host + "/hub/library/app"
	pull := func(when string) {
		t.Helper()
		for _, platform := range []string{"linux/amd64", "linux/arm64"} {
			for _, ref := range []string{name + ":multi", name + "@" + digests["multi"]} {
				run("pull", "--platform", platform, ref)
				if arch := strings.TrimSpace(run("image", "inspect", "--format", "{{.Architecture}}", ref)); "linux/"+arch != platform {
					t.Errorf("%s: %s for %s is for %s", when, ref, platform, arch)
				}
				run("rmi", "--force", strings.TrimSpace(run("image", "inspect", "--format", "{{.Id}}", ref)))
			}
		}
		for _, arch := range []string{"amd64", "arm64"} {
			run("pull", "--platform", "linux/"+arch, name+":"+arch)
			run("rmi", "--force", strings.TrimSpace(run("image", "inspect", "--format", "{{.Id}}", name+":"+arch)))
		}
	}
	pull("with the upstream")
	kept(ctx, t, admin, "multi", "amd64", "arm64")
	if err := upstream.Stop(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // what it knew of the tags is old now
	pull("without the upstream")
	if out, err := sh.run("docker", "pull", name+":never"); err == nil || strings.Contains(out, "not found") {
		t.Errorf("what was never pulled: %s, %v", out, err)
	}
	if err := upstream.Start(); err != nil {
		t.Fatal(err)
	}
}

// fill pushes an image for each of two platforms, and an index of both, to the
// public project library, and returns the digests by their tags.
func fill(ctx context.Context, t *testing.T, upstream *berth.Server, sh *shell, run func(...string) string) map[string]string {
	t.Helper()
	must(t)(sh.pipe(berth.AdminPassword, "docker", "login", "-u", "admin", "--password-stdin", upstream.Host))
	c := registry.New(upstream.URL, "admin", berth.AdminPassword, 2)
	t.Cleanup(c.Close)
	session, err := c.SignIn(ctx, registry.Scope("library/app", registry.Push))
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]string{}
	var images []registry.Image
	for _, arch := range []string{"amd64", "arm64"} {
		ref := upstream.Host + "/library/app:" + arch
		run("load", "-i", sh.image(ref, arch, "for "+arch))
		run("push", ref)
		run("rmi", "--force", ref)
		m, err := session.GetManifest(ctx, "library/app", arch)
		if err != nil {
			t.Fatal(err)
		}
		digests[arch] = m.Digest
		images = append(images, registry.Image{Manifest: m})
	}
	index := registry.NewIndex(images...)
	if err := session.PutManifest(ctx, "library/app", "multi", index); err != nil {
		t.Fatal(err)
	}
	digests["multi"] = index.Digest
	return digests
}

// kept waits until a cache has all of some tags.
func kept(ctx context.Context, t *testing.T, admin *berth.API, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			_, err := admin.Do(ctx, "GET", "/projects/hub/repositories/library%252Fapp/artifacts/"+tag, nil, nil)
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is not kept: %v", tag, err)
			}
		}
	}
}
