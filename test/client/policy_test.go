//go:build e2e

package client

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

// TestUnsignedImagesAreNotPulled has Docker's engine pull images of a project that
// wants them signed, before and after cosign and notation have signed them.
func TestUnsignedImagesAreNotPulled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	w := &world{server: berth.Run(t, berth.Options{})}
	sh := newShell(ctx, t, w)
	startDocker(t, sh)
	run := func(name string, args ...string) string {
		t.Helper()
		return must(t)(sh.run(name, args...))
	}
	sh.vars["COSIGN_PASSWORD"], sh.vars["TUF_ROOT"], sh.vars["XDG_CONFIG_HOME"] = "secret", sh.path("tuf"), sh.path("config")
	must(t)(sh.pipe(berth.AdminPassword, "docker", "login", "-u", "admin", "--password-stdin", w.server.Host))
	admin := w.server.Admin()
	send := func(method, path string, body any) {
		t.Helper()
		if _, err := admin.Do(ctx, method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	trust := func(name, kind, file string, more map[string]any) {
		t.Helper()
		content, err := os.ReadFile(sh.path(file))
		if err != nil {
			t.Fatal(err)
		}
		entry := map[string]any{"name": name, "kind": kind, "content": string(content)}
		for key, value := range more {
			entry[key] = value
		}
		send("POST", "/projects/library/trust", entry)
	}
	refused := func(ref, why string) {
		t.Helper()
		if out, err := sh.run("docker", "pull", ref); err == nil || !strings.Contains(out, why) {
			t.Errorf("%s: %v, want %q: %s", ref, err, why, out)
		}
	}

	ref := w.server.Host + "/library/app:v1"
	run("docker", "load", "-i", sh.image(ref, "amd64", "signed"))
	run("docker", "push", ref)
	digest := strings.TrimSpace(run("docker", "image", "inspect", "--format", "{{index .RepoDigests 0}}", ref))
	run("docker", "rmi", "--force", ref)

	run("cosign", "generate-key-pair", "--output-key-prefix", sh.path("cosign"))
	send("PUT", "/projects/library", map[string]any{"metadata": map[string]string{"enable_content_trust_cosign": "true"}})
	refused(ref, "The image is not signed by cosign")
	run("cosign", "sign", "--yes", "--tlog-upload=false", "--allow-http-registry", "--allow-insecure-registry", "--key", sh.path("cosign.key"), digest)
	refused(ref, "project library trusts nobody")
	trust("ci", "key", "cosign.pub", nil)
	run("docker", "pull", ref)
	run("docker", "rmi", "--force", ref)

	send("PUT", "/projects/library", map[string]any{"metadata": map[string]string{"enable_content_trust": "true"}})
	refused(ref, "The image is not signed by notation")
	run("notation", "cert", "generate-test", "--default", "release.example.org")
	run("notation", "sign", "--insecure-registry", digest)
	trust("builds", "notation", "config/notation/localkeys/release.example.org.crt", map[string]any{"identities": []any{map[string]any{"subject": "*"}}})
	run("docker", "pull", ref)

	other := w.server.Host + "/library/app:v2"
	run("docker", "load", "-i", sh.image(other, "amd64", "unsigned"))
	run("docker", "push", other)
	run("docker", "rmi", "--force", other)
	refused(other, "The image is not signed by cosign")
}
