//go:build e2e

package client

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-registry/berth/test/berth"
)

// A shell runs commands for one person, whose files are in a folder of their
// own: whatever the commands remember, nobody else knows.
type shell struct {
	t    *testing.T
	ctx  context.Context
	host string // of the server
	home string
	vars map[string]string
}

func newShell(ctx context.Context, t *testing.T, w *world) *shell {
	return &shell{t: t, ctx: ctx, host: w.server.Host, home: t.TempDir(), vars: map[string]string{}}
}

// with is the same shell for a part of the test.
func (sh *shell) with(t *testing.T) *shell {
	other := *sh
	other.t = t
	return &other
}

// as is a shell of another person.
func (sh *shell) as(t *testing.T, person string) *shell {
	t.Helper()
	other := sh.with(t)
	other.home = filepath.Join(sh.home, person)
	other.vars = maps.Clone(sh.vars)
	if err := os.MkdirAll(filepath.Join(other.home, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	return other
}

// person is who the shell is of.
func (sh *shell) person() string { return filepath.Base(sh.home) }

// path is a file or folder of this person.
func (sh *shell) path(name string) string { return filepath.Join(sh.home, name) }

// run runs a command and returns all that it printed.
func (sh *shell) run(name string, args ...string) (string, error) { return sh.pipe("", name, args...) }

// pipe runs a command that reads the given text.
func (sh *shell) pipe(stdin, name string, args ...string) (string, error) {
	if tool, err := berth.Tool(name); err == nil {
		name = tool
	}
	cmd := exec.CommandContext(sh.ctx, name, args...)
	cmd.Dir = sh.home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = sh.environment()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		return out.String() + errs.String(), fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return out.String(), nil
}

// environment has every client keep its things in the person's folder.
func (sh *shell) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"HOME=" + sh.home,
		"XDG_CONFIG_HOME=" + sh.path("config"),
		"XDG_CACHE_HOME=" + sh.path("cache"),
		"XDG_DATA_HOME=" + sh.path("data"),
		"XDG_RUNTIME_DIR=" + sh.path("run"),
		"DOCKER_CONFIG=" + sh.path("docker"),
		"REGISTRY_AUTH_FILE=" + sh.path("auth.json"),
	}
	for k, v := range sh.vars {
		env = append(env, k+"="+v)
	}
	return env
}

// all runs commands one after the other and returns what the last one printed.
func all(steps ...func() (string, error)) (out string, err error) {
	for _, step := range steps {
		if out, err = step(); err != nil {
			return out, err
		}
	}
	return out, nil
}

// write writes a file of this person and returns its path.
func (sh *shell) write(name string, content []byte) string {
	sh.t.Helper()
	path := sh.path(name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		sh.t.Fatal(err)
	}
	return path
}

// sum is the digest of a file.
func (sh *shell) sum(name string) (string, error) {
	b, err := os.ReadFile(sh.path(name))
	return digest(b), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// image writes an image as "docker save" does, with one file in it whose
// content is the given text, and returns its path. The same text makes the same
// image.
func (sh *shell) image(name, arch, text string) string {
	sh.t.Helper()
	layer := sh.archive(map[string][]byte{"hello.txt": []byte(text)})
	config := sh.json(map[string]any{
		"architecture": arch,
		"os":           "linux",
		"config":       map[string]any{"Cmd": []string{"/hello.txt"}},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
		"history":      []map[string]any{{"created_by": "test"}},
	})
	manifest := sh.json([]map[string]any{{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	file := fmt.Sprintf("%s-%s.tar", digest([]byte(name))[:8], arch)
	return sh.write(file, sh.archive(map[string][]byte{"layer.tar": layer, "config.json": config, "manifest.json": manifest}))
}

func (sh *shell) json(v any) []byte {
	sh.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		sh.t.Fatal(err)
	}
	return b
}

// archive is a tar file, always the same for the same files.
func (sh *shell) archive(files map[string][]byte) []byte {
	sh.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"hello.txt", "layer.tar", "config.json", "manifest.json"} {
		content, ok := files[name]
		if !ok {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			sh.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			sh.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		sh.t.Fatal(err)
	}
	return b.Bytes()
}
