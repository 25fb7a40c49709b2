//go:build e2e

package replication

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const (
	account  = "copier"
	password = "Copies-for-both-1"
	tags     = 2000 // of the largest repository
	distinct = 5    // tags there have the same image
)

// TestCopies pushes what a Berth has to another registry, looks at it there, and
// has a second Berth pull it from there.
func TestCopies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	source := berth.Run(t, berth.Options{})
	want := fill(ctx, t, source)
	for name, secured := range map[string]bool{"without passwords": false, "with passwords": true} {
		t.Run(name, func(t *testing.T) {
			url := start(t, secured)
			as, secret := "", ""
			if secured {
				as, secret = account, password
			}
			p := policy{t: t, ctx: ctx, api: source.Admin()}
			p.make("dest", url, "docker-registry", as, secret, "copies"+fmt.Sprint(secured), map[string]any{"filters": filters("library/**")})
			p.run()
			there := signIn(ctx, t, url, as, secret)
			for ref, digest := range want {
				repo, tag, _ := strings.Cut(ref, ":")
				if d, err := there.HeadManifest(ctx, p.namespace+"/"+repo, tag); err != nil || d != digest {
					t.Errorf("%s is %s there, want %s: %v", ref, d, digest, err)
				}
			}
			if log := p.run(); strings.Contains(log, "blobs with") {
				t.Errorf("the second run copies again:\n%.2000s", log)
			}
			referrers(ctx, t, there, p.namespace+"/app", want["app:v1"])

			second := berth.Run(t, berth.Options{})
			back := policy{t: t, ctx: ctx, api: second.Admin()}
			back.make("src", url, "docker-registry", as, secret, "library", map[string]any{"filters": filters(p.namespace + "/**")})
			back.run()
			here := signIn(ctx, t, second.URL, "admin", berth.AdminPassword)
			for ref, digest := range want {
				repo, tag, _ := strings.Cut(ref, ":")
				if d, err := here.HeadManifest(ctx, "library/"+repo, tag); err != nil || d != digest {
					t.Errorf("%s is %s in the second Berth, want %s: %v", ref, d, digest, err)
				}
			}
			for _, ref := range []string{"app:v1", "deep/multi:v1", "chart:1.0.0"} {
				repo, tag, _ := strings.Cut(ref, ":")
				if err := here.CheckImage(ctx, "library/"+repo, tag); err != nil {
					t.Errorf("%s: %v", ref, err)
				}
			}
			accessory(ctx, t, second, "/projects/library/repositories/app/artifacts/v1", want["app:v1"], want)
			if log := back.run(); strings.Contains(log, "blobs with") {
				t.Errorf("the second run copies again:\n%.2000s", log)
			}
		})
	}
}

func filters(name string) []map[string]string {
	return []map[string]string{{"type": "name", "value": name}}
}

// fill pushes an image with a referrer, an index, a chart of Helm, and hundreds of
// images with many tags, and returns the digests by "repository:tag", and by
// "repository:digest" of what has no tag.
func fill(ctx context.Context, t *testing.T, s *berth.Server) map[string]string {
	t.Helper()
	session := signIn(ctx, t, s.URL, "admin", berth.AdminPassword)
	want := map[string]string{}
	push := func(repo, tag string, m registry.Manifest, blobs ...registry.Blob) {
		t.Helper()
		for _, b := range blobs {
			if err := session.PushBlob(ctx, "library/"+repo, b); err != nil {
				t.Fatal(err)
			}
		}
		if err := session.PutManifest(ctx, "library/"+repo, tag, m); err != nil {
			t.Fatal(err)
		}
		want[repo+":"+tag] = m.Digest // what is pushed by its digest, too
	}
	shared := registry.NewBlob(3<<20, "shared")
	app := registry.NewImage("app", shared, registry.NewBlob(5<<20, "app"))
	push("app", "v1", app.Manifest, app.Blobs()...)
	empty := registry.Bytes([]byte("{}"))
	referrer := registry.NewManifest(registry.ImageManifest, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.note","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2}],"subject":{"mediaType":%q,"digest":%q,"size":%d}}`,
		registry.ImageManifest, empty.Digest, empty.Digest, registry.ImageManifest, app.Digest, len(app.Body)))
	push("app", referrer.Digest, referrer, empty)
	one, two := registry.NewImage("one", shared), registry.NewImage("two", shared, registry.NewBlob(1000, "two"))
	push("deep/multi", one.Digest, one.Manifest, one.Blobs()...)
	push("deep/multi", two.Digest, two.Manifest, two.Blobs()...)
	push("deep/multi", "v1", registry.NewIndex(one, two))
	about, chart := registry.Bytes([]byte(chartFile)), registry.Bytes(archive(t, "app/Chart.yaml", chartFile))
	push("chart", "1.0.0", registry.NewManifest(registry.ImageManifest, fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":%q,"size":%d},"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":%q,"size":%d}]}`,
		registry.ImageManifest, about.Digest, about.Size, chart.Digest, chart.Size)), about, chart)
	layer := registry.NewBlob(100, "many")
	many := registry.NewImage("many", layer)
	push("many", "t0", many.Manifest, many.Blobs()...)
	for i := 1; i < tags; i++ {
		if i%distinct == 0 {
			many = registry.NewImage(fmt.Sprint("many", i), layer)
			push("many", fmt.Sprint("t", i), many.Manifest, many.Config)
			continue
		}
		push("many", fmt.Sprint("t", i), many.Manifest)
	}
	return want
}

// chartFile is JSON, and so YAML, too.
const chartFile = `{"apiVersion":"v2","name":"app","version":"1.0.0"}`

// archive returns a tar.gz of one file.
func archive(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	header := a.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	_, written := a.Write([]byte(content))
	if err := errors.Join(header, written, a.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// referrers wants the list of what refers to an artifact, by the tag that stands
// for it where a registry knows no such lists.
func referrers(ctx context.Context, t *testing.T, s *registry.Session, repo, digest string) {
	t.Helper()
	m, err := s.GetManifest(ctx, repo, strings.Replace(digest, ":", "-", 1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(m.Body, []byte("application/vnd.example.note")) {
		t.Errorf("%s", m.Body)
	}
}

// accessory wants an artifact of a Berth to have the note as its only accessory.
func accessory(ctx context.Context, t *testing.T, s *berth.Server, at, subject string, want map[string]string) {
	t.Helper()
	var shown struct {
		Accessories []struct {
			Digest  string
			Subject string `json:"subject_artifact_digest"`
		}
	}
	if _, err := s.Admin().Do(ctx, http.MethodGet, at+"?with_accessory=true", nil, &shown); err != nil {
		t.Fatal(err)
	}
	if a := shown.Accessories; len(a) != 1 || a[0].Subject != subject || want["app:"+a[0].Digest] == "" {
		t.Errorf("%s has the accessories %+v", at, shown.Accessories)
	}
}

// TestDeletions has a registry that deletes by digests alone follow what is deleted
// in a Berth.
func TestDeletions(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	source, url := berth.Run(t, berth.Options{}), start(t, true)
	p := policy{t: t, ctx: ctx, api: source.Admin()}
	p.make("dest", url, "docker-registry", account, password, "far", map[string]any{"filters": filters("library/app"), "deletion": true, "trigger": map[string]string{"type": "event_based"}})
	here, there := signIn(ctx, t, source.URL, "admin", berth.AdminPassword), signIn(ctx, t, url, account, password)
	is := func(ref, want string) {
		t.Helper()
		for {
			d, err := there.HeadManifest(ctx, "far/app", ref)
			if d == want && (want != "" || registry.StatusOf(err) == http.StatusNotFound) {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s is %q, want %q: %v", ref, d, want, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	var images []registry.Image
	for i := range 4 {
		im := registry.NewImage(fmt.Sprint("image", i), registry.NewBlob(1000, fmt.Sprint("layer", i)))
		images = append(images, im)
		for _, b := range im.Blobs() {
			if err := here.PushBlob(ctx, "library/app", b); err != nil {
				t.Fatal(err)
			}
		}
		if err := here.PutManifest(ctx, "library/app", fmt.Sprint("v", i), im.Manifest); err != nil {
			t.Fatal(err)
		}
		is(fmt.Sprint("v", i), im.Digest)
	}
	if err := there.PutManifest(ctx, "far/app", "mine", images[1].Manifest); err != nil {
		t.Fatal(err)
	}
	const artifacts = "/projects/library/repositories/app/artifacts/"
	for _, path := range []string{"v0", "v1", "v2/tags/v2", "v3"} { // in this order there, too
		if _, err := p.api.Do(ctx, http.MethodDelete, artifacts+path, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	is(images[3].Digest, "")
	is(images[2].Digest, "")
	is(images[0].Digest, "")
	is("mine", images[1].Digest)
	is("v1", images[1].Digest) // the registry cannot delete the tag alone
	var executions []struct{ Status string }
	if _, err := p.api.Do(ctx, http.MethodGet, fmt.Sprintf("/replication/executions?sort=-id&policy_id=%d", p.id), nil, &executions); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, e := range executions {
		if e.Status == "Failed" {
			failed++
		}
	}
	if failed != 1 || len(executions) != 8 {
		t.Errorf("%+v", executions)
	}
}

// A policy is one of a Berth.
type policy struct {
	t         testing.TB
	ctx       context.Context
	api       *berth.API
	id        int64
	namespace string
}

func (p *policy) post(path string, in any) (id int64) {
	p.t.Helper()
	header, err := p.api.Do(p.ctx, http.MethodPost, path, in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	at := header.Get("Location")
	_, _ = fmt.Sscan(at[strings.LastIndex(at, "/")+1:], &id)
	return id
}

func (p *policy) make(side, url, kind, as, secret, namespace string, more map[string]any) {
	p.t.Helper()
	name := namespace + " " + url // one of its own
	endpoint := map[string]any{"name": name, "type": kind, "url": url}
	if as != "" {
		endpoint["credential"] = map[string]string{"type": "basic", "access_key": as, "access_secret": secret}
	}
	p.namespace = namespace
	more["name"], more["enabled"], more["override"] = name, true, true
	more[side+"_registry"] = map[string]int64{"id": p.post("/registries", endpoint)}
	more["dest_namespace"], more["dest_namespace_replace_count"] = namespace, 1
	p.id = p.post("/replication/policies", more)
}

// run runs the policy, wants it to succeed, and returns its logs.
func (p *policy) run() (log string) {
	p.t.Helper()
	at := fmt.Sprintf("/replication/executions/%d", p.post("/replication/executions", map[string]int64{"policy_id": p.id}))
	var e struct {
		Status string
		Text   string `json:"status_text"`
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err := p.api.Do(p.ctx, http.MethodGet, at, nil, &e); err != nil {
			p.t.Fatal(err)
		}
		if e.Status != "InProgress" {
			p.t.Logf("%s after %.1f s", e.Status, time.Since(begun).Seconds())
			break
		}
	}
	var tasks []struct{ ID int64 }
	if _, err := p.api.Do(p.ctx, http.MethodGet, at+"/tasks?page_size=100", nil, &tasks); err != nil {
		p.t.Fatal(err)
	}
	for _, task := range tasks {
		var text string
		if _, err := p.api.Do(p.ctx, http.MethodGet, fmt.Sprintf("%s/tasks/%d/log", at, task.ID), nil, &text); err != nil {
			p.t.Fatal(err)
		}
		log += text
	}
	if e.Status != "Succeed" {
		p.t.Fatalf("%s: %s\n%s", e.Status, e.Text, log)
	}
	return log
}

func signIn(ctx context.Context, t *testing.T, url, user, secret string) *registry.Session {
	t.Helper()
	c := registry.New(url, user, secret, 4)
	t.Cleanup(c.Close)
	var scopes []string
	for _, repo := range []string{"app", "deep/multi", "chart", "many"} {
		scopes = append(scopes, registry.Scope("library/"+repo, registry.Push))
	}
	session, err := c.SignIn(ctx, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

const config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  delete: {enabled: true}
  filesystem: {rootdirectory: %s}
http: {addr: %s}
`

// start runs Debian's registry for a test, and returns its URL.
func start(t testing.TB, secured bool) string {
	t.Helper()
	dir := t.TempDir()
	host, err := berth.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(config, filepath.Join(dir, "data"), host)
	if secured {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users := filepath.Join(dir, "users")
		if err := os.WriteFile(users, append([]byte(account+":"), hash...), 0o600); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("auth: {htpasswd: {realm: here, path: %s}}\n", users)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", file)
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	process, ended, err := berth.Spawn(cmd)
	if err != nil {
		t.Fatalf("%v: %q installs it", err, "make e2e")
	}
	t.Cleanup(func() {
		if err := berth.End(process, ended, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	if err := berth.WaitHTTP("http://"+host+"/v2/", 10*time.Second, ended); err != nil {
		t.Fatal(err)
	}
	return "http://" + host
}
