//go:build e2e

package stock

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const (
	service  = "stock.example.org"
	project  = "team"
	member   = "member"
	stranger = "stranger"
	password = "Same-for-both-1"
)

// TestAuthorizationService runs each registry with "auth.token" as its
// documentation has it, and the bundle that "berth token cert" prints.
func TestAuthorizationService(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := berth.Run(t, berth.Options{Env: []string{"BERTH_TOKEN_SERVICES=berth," + service}})
	prepare(ctx, t, s)
	bundle := bundle(ctx, t, s)
	v3, err := berth.Tool("registry")
	if err != nil {
		t.Fatal(err)
	}
	for name, bin := range map[string]string{"debian": "docker-registry", "v3": v3} {
		t.Run(name, func(t *testing.T) {
			url := start(t, bin, s, bundle)
			checkRights(ctx, t, url, name)
			checkServices(ctx, t, s, url)
			checkClient(ctx, t, url)

			if _, err := s.Command(ctx, "token", "rotate"); err != nil {
				t.Fatal(err)
			}
			checkRights(ctx, t, url, name+"-with-another-key")
		})
	}
}

func prepare(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	admin := s.Admin()
	if err := admin.CreateProject(ctx, project, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{member, stranger} {
		if _, err := admin.CreateUser(ctx, name, password); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.AddMember(ctx, project, member, berth.Developer); err != nil {
		t.Fatal(err)
	}
}

// bundle is a file with what "berth token cert" prints, which is the same
// whether the server runs or not.
func bundle(ctx context.Context, t *testing.T, s *berth.Server) string {
	t.Helper()
	running, err := s.Command(ctx, "token", "cert")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	stopped, err := s.Command(ctx, "token", "cert")
	if err != nil {
		t.Fatal(err)
	}
	if string(running) != string(stopped) {
		t.Errorf("with the server running:\n%s\nand stopped:\n%s", running, stopped)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(file, running, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  filesystem: {rootdirectory: %s}
http: {addr: %s}
auth:
  token:
    realm: %s/service/token
    service: %s
    issuer: berth
    rootcertbundle: %s
`

// start runs a registry for a test and returns its URL.
func start(t *testing.T, bin string, s *berth.Server, bundle string) string {
	t.Helper()
	dir := t.TempDir()
	host, err := berth.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, filepath.Join(dir, "data"), host, s.URL, service, bundle), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
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
			t.Logf("the registry's log:\n%s", words)
		}
	})
	if err := berth.WaitHTTP("http://"+host+"/v2/", 10*time.Second, ended); err != nil {
		t.Fatal(err)
	}
	return "http://" + host
}

// checkRights pushes and pulls as a member, and wants a stranger, nobody and a
// wrong password to be refused.
func checkRights(ctx context.Context, t *testing.T, url, name string) {
	t.Helper()
	repo := project + "/" + name
	session := signIn(ctx, t, url, member, registry.Scope(repo, registry.Push))
	im := registry.NewImage(name, registry.NewBlob(100<<10, name))
	for _, b := range im.Blobs() {
		if err := session.PushBlob(ctx, repo, b); err != nil {
			t.Fatalf("a member's push: %v", err)
		}
	}
	if err := session.PutManifest(ctx, repo, "v1", im.Manifest); err != nil {
		t.Fatalf("a member's push: %v", err)
	}
	if err := session.CheckImage(ctx, repo, "v1"); err != nil {
		t.Errorf("a member's pull: %v", err)
	}
	if err := session.Delete(ctx, repo, im.Digest); !refused(err) {
		t.Errorf("a developer deletes: %v", err)
	}
	for _, who := range []string{stranger, ""} {
		session := signIn(ctx, t, url, who, registry.Scope(repo, registry.Push))
		if _, err := session.Begin(ctx, repo); !refused(err) {
			t.Errorf("%q, who has no rights, pushes: %v", who, err)
		}
		if _, err := session.GetManifest(ctx, repo, "v1"); !refused(err) {
			t.Errorf("%q, who has no rights, pulls: %v", who, err)
		}
	}
	c := registry.New(url, stranger, "Wrong-password-1", 1)
	defer c.Close()
	if _, err := c.SignIn(ctx, registry.Scope(repo, registry.Pull)); !refused(err) {
		t.Errorf("a wrong password: %v", err)
	}
	time.Sleep(1600 * time.Millisecond) // a wrong password locks the name for 1.5 s
}

// refused reports whether the answer was that the caller may not.
func refused(err error) bool {
	status := registry.StatusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

func signIn(ctx context.Context, t *testing.T, url, user string, scopes ...string) *registry.Session {
	t.Helper()
	c := registry.New(url, user, password, 2)
	t.Cleanup(c.Close)
	session, err := c.SignIn(ctx, scopes...)
	if err != nil {
		t.Fatalf("%q signs in: %v", user, err)
	}
	return session
}

// checkServices wants a token for one registry to be refused by the other.
func checkServices(ctx context.Context, t *testing.T, s *berth.Server, url string) {
	t.Helper()
	scope := registry.Scope(project+"/any", registry.Pull)
	for there, of := range map[string]string{url: "berth", s.URL: service} {
		c := registry.New(s.URL, member, password, 1)
		token, err := c.Token(ctx, s.URL+"/service/token", of, scope)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(ctx, "GET", there+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a token for %s used at %s: %s", of, there, res.Status)
		}
	}
}

// checkClient has a client that people use do the same.
func checkClient(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := writeImage(image); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{member, stranger} {
		skopeo := func(args ...string) (string, error) {
			cmd := exec.CommandContext(ctx, "skopeo", args...)
			cmd.Env = append(os.Environ(), "REGISTRY_AUTH_FILE="+filepath.Join(dir, who+".json"))
			cmd.Stdin = strings.NewReader(password)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := skopeo("login", "--tls-verify=false", "-u", who, "--password-stdin", host); err != nil {
			t.Fatalf("%s signs in: %v: %s", who, err, out)
		}
		there := "docker://" + host + "/" + project + "/skopeo:v1"
		out, err := skopeo("copy", "--dest-tls-verify=false", "oci:"+image, there)
		switch {
		case who == member && err != nil:
			t.Errorf("a member's push: %v: %s", err, out)
		case who == stranger && (err == nil || !strings.Contains(out, "denied")):
			t.Errorf("a stranger's push: %v: %s", err, out)
		}
		out, err = skopeo("copy", "--src-tls-verify=false", there, "oci:"+filepath.Join(dir, who))
		switch {
		case who == member && err != nil:
			t.Errorf("a member's pull: %v: %s", err, out)
		case who == stranger && (err == nil || !strings.Contains(out, "denied")):
			t.Errorf("a stranger's pull: %v: %s", err, out)
		}
	}
}

// writeImage writes an image as a folder in the form of the OCI image layout.
func writeImage(dir string) error {
	im := registry.NewImage("skopeo", registry.NewBlob(10<<10, "skopeo"))
	index := registry.NewIndex(im)
	files := map[string][]byte{
		"oci-layout":        []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json":        index.Body,
		blobFile(im.Digest): im.Body,
	}
	for _, b := range im.Blobs() {
		content, err := io.ReadAll(b.Part(0, b.Size))
		if err != nil {
			return err
		}
		files[blobFile(b.Digest)] = content
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func blobFile(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }
