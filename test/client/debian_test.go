//go:build e2e

package client

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

func skopeo() client {
	return client{
		name: "skopeo",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "skopeo", "login", "--tls-verify=false", "-u", user, "--password-stdin", sh.host)
		},
		logout: func(sh *shell) (string, error) { return sh.run("skopeo", "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			file := sh.image(r.String(), "amd64", "skopeo for "+sh.person())
			if out, err := sh.run("skopeo", "copy", "--dest-tls-verify=false", "--digestfile", "pushed", "docker-archive:"+file, "docker://"+r.String()); err != nil {
				return out, err
			}
			b, err := os.ReadFile(sh.path("pushed"))
			return string(b), err
		},
		pull: func(sh *shell, r reference) (string, error) {
			if out, err := sh.run("skopeo", "copy", "--src-tls-verify=false", "docker://"+r.String(), "dir:pulled"); err != nil {
				return out, err
			}
			sum, err := sh.sum("pulled/manifest.json")
			return "sha256:" + sum, err
		},
		says: words{
			wrongPassword: regexp.MustCompile("invalid username/password"),
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("denied: requested access to the resource is denied"),
			readOnly:      mayNotPush,
			expired:       regexp.MustCompile("invalid username/password"),
			disabled:      regexp.MustCompile("invalid username/password"),
		},
		more: skopeoMore,
	}
}

func skopeoMore(t *testing.T, w *world, sh *shell) {
	repo := "docker://" + w.server.Host + "/" + project + "/skopeo-more"
	file := sh.image("skopeo-more", "amd64", "more of skopeo")
	for _, format := range []string{"oci", "v2s2"} {
		must(t)(sh.run("skopeo", "copy", "--dest-tls-verify=false", "--format", format, "docker-archive:"+file, repo+":"+format))
		must(t)(sh.run("skopeo", "copy", "--src-tls-verify=false", repo+":"+format, "oci:pulled:"+format))
	}
	if out := must(t)(sh.run("skopeo", "list-tags", "--tls-verify=false", repo)); !strings.Contains(out, `"oci",`) {
		t.Errorf("the tags are %s", out)
	}
	must(t)(sh.run("skopeo", "delete", "--tls-verify=false", repo+":oci"))
	wantRefusal(t, "a deleted image", regexp.MustCompile("manifest unknown"))(sh.run("skopeo", "inspect", "--tls-verify=false", repo+":oci"))
	must(t)(sh.run("skopeo", "inspect", "--tls-verify=false", repo+":v2s2"))
}

// storage has podman and buildah keep images in the person's folder, without
// what only a machine set up for containers has.
func storage(sh *shell, args ...string) []string {
	return append([]string{"--root", sh.path("storage"), "--runroot", sh.path("run"), "--storage-driver", "vfs"}, args...)
}

func buildah() client {
	run := func(sh *shell, args ...string) (string, error) { return sh.run("buildah", storage(sh, args...)...) }
	return client{
		name: "buildah",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "buildah", storage(sh, "login", "--tls-verify=false", "-u", user, "--password-stdin", sh.host)...)
		},
		logout: func(sh *shell) (string, error) { return run(sh, "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			file := sh.write("hello.txt", []byte("buildah for "+sh.person()))
			name, err := run(sh, "from", "scratch")
			if err != nil {
				return name, err
			}
			name = strings.TrimSpace(name)
			return all(
				func() (string, error) { return run(sh, "copy", name, file, "/hello.txt") },
				func() (string, error) { return run(sh, "commit", "--rm", name, r.String()) },
				func() (string, error) { return run(sh, "push", "--tls-verify=false", r.String()) },
				func() (string, error) { return run(sh, "images", "--quiet", "--no-trunc", r.String()) },
			)
		},
		pull: func(sh *shell, r reference) (string, error) {
			return all(
				func() (string, error) { return run(sh, "rmi", "--all", "--force") },
				func() (string, error) { return run(sh, "pull", "--tls-verify=false", r.String()) },
				func() (string, error) { return run(sh, "images", "--quiet", "--no-trunc", r.String()) },
			)
		},
		says: words{
			wrongPassword: regexp.MustCompile("invalid username/password"),
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("denied: requested access to the resource is denied"),
			readOnly:      mayNotPush,
			expired:       regexp.MustCompile("invalid username/password"),
			disabled:      regexp.MustCompile("invalid username/password"),
		},
		more: buildahMore,
	}
}

func buildahMore(t *testing.T, w *world, sh *shell) {
	run := func(args ...string) string { return must(t)(sh.run("buildah", storage(sh, args...)...)) }
	repo := w.server.Host + "/" + project + "/buildah-more"
	run("manifest", "create", "multi")
	for _, arch := range []string{"amd64", "arm64"} {
		name := strings.TrimSpace(run("from", "--arch", arch, "scratch"))
		run("config", "--arch", arch, name)
		run("commit", "--rm", "--manifest", "multi", name)
	}
	run("manifest", "push", "--all", "--tls-verify=false", "multi", "docker://"+repo+":multi")
	run("rmi", "--all", "--force")
	run("pull", "--tls-verify=false", "--arch", "arm64", repo+":multi")
	if got := run("inspect", "--type", "image", "--format", "{{.OCIv1.Architecture}}", repo+":multi"); strings.TrimSpace(got) != "arm64" {
		t.Errorf("pulled for arm64, got %s", got)
	}
}

func podman() client {
	run := func(sh *shell, args ...string) (string, error) { return sh.run("podman", podmanArgs(sh, args...)...) }
	return client{
		name: "podman",
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "podman", podmanArgs(sh, "login", "--tls-verify=false", "-u", user, "--password-stdin", sh.host)...)
		},
		logout: func(sh *shell) (string, error) { return run(sh, "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			file := sh.image(r.String(), "amd64", "podman for "+sh.person())
			return all(
				func() (string, error) { return run(sh, "load", "-i", file) },
				func() (string, error) { return run(sh, "push", "--tls-verify=false", r.String()) },
				func() (string, error) { return run(sh, "image", "inspect", "--format", "{{.Id}}", r.String()) },
			)
		},
		pull: func(sh *shell, r reference) (string, error) {
			return all(
				func() (string, error) { return run(sh, "rmi", "--all", "--force") },
				func() (string, error) { return run(sh, "pull", "--tls-verify=false", r.String()) },
				func() (string, error) { return run(sh, "image", "inspect", "--format", "{{.Id}}", r.String()) },
			)
		},
		says: words{
			wrongPassword: regexp.MustCompile("invalid username/password"),
			noPull:        mayNotPull,
			noPush:        regexp.MustCompile("denied: requested access to the resource is denied"),
			readOnly:      mayNotPush,
			expired:       regexp.MustCompile("invalid username/password"),
			disabled:      regexp.MustCompile("invalid username/password"),
		},
		more: podmanMore,
	}
}

func podmanArgs(sh *shell, args ...string) []string {
	return storage(sh, append([]string{"--cgroup-manager", "cgroupfs", "--events-backend", "none"}, args...)...)
}

func podmanMore(t *testing.T, w *world, sh *shell) {
	run := func(args ...string) string { return must(t)(sh.run("podman", podmanArgs(sh, args...)...)) }
	repo := w.server.Host + "/" + project + "/podman-more"
	run("manifest", "create", "multi")
	for _, arch := range []string{"amd64", "arm64"} {
		run("load", "-i", sh.image(repo+":"+arch, arch, "podman "+arch))
		run("manifest", "add", "multi", "containers-storage:"+repo+":"+arch)
	}
	run("manifest", "push", "--all", "--tls-verify=false", "multi", "docker://"+repo+":multi")
	run("rmi", "--all", "--force")
	run("pull", "--tls-verify=false", "--arch", "arm64", repo+":multi")
	if got := run("image", "inspect", "--format", "{{.Architecture}}", repo+":multi"); got != "arm64\n" {
		t.Errorf("pulled for arm64, got %s", got)
	}
}

func docker() client {
	run := func(sh *shell, args ...string) (string, error) { return sh.run("docker", args...) }
	return client{
		name:  "docker",
		start: startDocker,
		login: func(sh *shell, user, secret string) (string, error) {
			return sh.pipe(secret, "docker", "login", "-u", user, "--password-stdin", sh.host)
		},
		logout: func(sh *shell) (string, error) { return run(sh, "logout", sh.host) },
		push: func(sh *shell, r reference) (string, error) {
			file := sh.image(r.String(), "amd64", "docker for "+sh.person())
			return all(
				func() (string, error) { return run(sh, "load", "-i", file) },
				func() (string, error) { return run(sh, "push", r.String()) },
				func() (string, error) { return run(sh, "image", "inspect", "--format", "{{.Id}}", r.String()) },
			)
		},
		pull: func(sh *shell, r reference) (string, error) {
			if out, err := run(sh, "image", "ls", "--quiet", r.String()); err != nil || out != "" {
				if out, err = run(sh, "rmi", "--force", r.String()); err != nil {
					return out, err
				}
			}
			return all(
				func() (string, error) { return run(sh, "pull", r.String()) },
				func() (string, error) { return run(sh, "image", "inspect", "--format", "{{.Id}}", r.String()) },
			)
		},
		says: words{
			wrongPassword: badPassword,
			noPull:        regexp.MustCompile("denied: requested access to the resource is denied"),
			noPush:        regexp.MustCompile("denied: requested access to the resource is denied"),
			readOnly:      regexp.MustCompile("denied: requested access to the resource is denied"),
			expired:       hasExpired,
			disabled:      isDisabled,
		},
		more: dockerMore,
	}
}

func dockerMore(t *testing.T, w *world, sh *shell) {
	run := func(args ...string) string { return must(t)(sh.run("docker", args...)) }
	repo := w.server.Host + "/" + project + "/docker-more"
	create := []string{"manifest", "create", "--insecure", repo + ":multi"}
	for _, arch := range []string{"amd64", "arm64"} {
		run("load", "-i", sh.image(repo+":"+arch, arch, "docker "+arch))
		run("push", repo+":"+arch)
		create = append(create, repo+":"+arch)
	}
	run(create...)
	run("manifest", "push", "--insecure", repo+":multi")
	run("rmi", "--force", repo+":amd64", repo+":arm64")
	run("pull", "--platform", "linux/arm64", repo+":multi")
	if got := run("image", "inspect", "--format", "{{.Architecture}}", repo+":multi"); got != "arm64\n" {
		t.Errorf("pulled for arm64, got %s", got)
	}
}

// startDocker runs an engine for the test, which needs root but no network and
// no storage driver of the machine's.
func startDocker(t *testing.T, sh *shell) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not run: Docker's engine needs root")
	}
	dir, err := os.MkdirTemp("", "dockerd-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "sock")
	cmd := exec.Command("dockerd",
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"-H", socket, "--storage-driver", "vfs", "--iptables=false", "--bridge=none", "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = log, log
	process, ended, err := berth.Spawn(cmd)
	if err != nil {
		t.Fatalf("%v: %q installs it", err, "make e2e")
	}
	t.Cleanup(func() {
		if err := berth.End(process, ended, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		log.Close()
		if words, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the engine's log:\n%s", words)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	sh.vars["DOCKER_HOST"] = socket
	if err := sh.waitDocker(ended); err != nil {
		t.Fatal(err)
	}
}

func (sh *shell) waitDocker(ended <-chan string) error {
	for deadline := time.Now().Add(30 * time.Second); ; {
		out, err := sh.run("docker", "info")
		if err == nil {
			return nil
		}
		select {
		case exit := <-ended:
			return fmt.Errorf("the engine ended: %s", exit)
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
}
