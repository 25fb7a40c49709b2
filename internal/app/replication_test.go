package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// A wire is a proxy in front of a server that notes what passes.
type wire struct {
	*httptest.Server
	mu     sync.Mutex
	seen   []string // "PUT /v2/…"
	before func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func wireTo(t *testing.T, s *apptest.Server) *wire {
	t.Helper()
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := &wire{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		// What is cut is meant to be.
		ErrorLog: log.New(io.Discard, "", 0), ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		x.seen = append(x.seen, r.Method+" "+r.URL.RequestURI())
		before := x.before
		x.mu.Unlock()
		if before == nil || !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	x.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(x.Close)
	return x
}

// meddle has something done with each request from now on.
func (x *wire) meddle(before func(http.ResponseWriter, *http.Request) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.before = before
}

// forget has what passed so far not count.
func (x *wire) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen = nil
}

// sent counts the requests that brought bytes of blobs, or took them.
func (x *wire) sent() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.seen {
		method, path, _ := strings.Cut(s, " ")
		if method == "GET" && strings.Contains(path, "/blobs/sha256:") || method == "PUT" && strings.Contains(path, "/blobs/uploads/") {
			n++
		}
	}
	return n
}

// A pair is two servers, of which the one knows the other as registry 1, over a
// wire.
type pair struct {
	t           *testing.T
	here, there *apptest.Server
	wire        *wire
	at          map[*apptest.Server]*remote.Registry
	policies    int
}

func newPair(t *testing.T, kind string) *pair {
	t.Helper()
	quiet := func(c *app.Config) { c.Log = slog.New(slog.NewTextHandler(io.Discard, nil)) }
	p := &pair{t: t, here: apptest.Start(t), there: apptest.Start(t, quiet), at: map[*apptest.Server]*remote.Registry{}}
	p.wire = wireTo(t, p.there)
	for _, s := range []*apptest.Server{p.here, p.there} {
		r, err := remote.Open(outbound.ForSystem(), remote.Settings{Kind: remote.Harbor, URL: s.URL, Account: apptest.Admin, Secret: secret.New(s.Password)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		p.at[s] = r
	}
	asked(t, p.here, 201, "POST", "/registries", fmt.Sprintf(`{"name":"there","type":%q,"url":%q,"credential":{"type":"basic","access_key":%q,"access_secret":%q}}`,
		kind, p.wire.URL, apptest.Admin, p.there.Password))
	return p
}

const (
	pushing = `"dest_registry":{"id":1},"enabled":true,"override":true`
	pulling = `"src_registry":{"id":1},"enabled":true,"override":true`
)

// policy makes one, and returns its id.
func (p *pair) policy(fields string) int {
	p.t.Helper()
	p.policies++
	_, path := asked(p.t, p.here, 201, "POST", "/replication/policies", fmt.Sprintf(`{"name":"policy %d",%s}`, p.policies, fields))
	var id int
	if _, err := fmt.Sscanf(path, "/replication/policies/%d", &id); err != nil {
		p.t.Fatal(path, err)
	}
	return id
}

func (p *pair) start(policy int) (execution string) {
	p.t.Helper()
	_, path := asked(p.t, p.here, 201, "POST", "/replication/executions", fmt.Sprintf(`{"policy_id":%d}`, policy))
	return path
}

type replicationTask struct {
	ID          int64
	Status      string
	Kind        string `json:"resource_type"`
	Source      string `json:"src_resource"`
	Destination string `json:"dst_resource"`
}

// end waits for the end of an execution, and returns its tasks and their logs.
func (p *pair) end(execution, want string) (tasks []replicationTask, log string) {
	p.t.Helper()
	var text string
	eventually(p.t, "the end of "+execution, func() bool {
		text, _ = asked(p.t, p.here, 200, "GET", execution, "")
		return !strings.Contains(text, `"status":"InProgress"`)
	})
	list, _ := asked(p.t, p.here, 200, "GET", execution+"/tasks", "")
	if err := json.Unmarshal([]byte(list), &tasks); err != nil {
		p.t.Fatal(err)
	}
	for _, one := range tasks {
		some, _ := asked(p.t, p.here, 200, "GET", fmt.Sprintf("%s/tasks/%d/log", execution, one.ID), "")
		log += some
	}
	if !strings.Contains(text, fmt.Sprintf(`"status":%q`, want)) {
		p.t.Fatalf("%s, want %s: %s", text, want, log)
	}
	return tasks, log
}

// run has a policy run, and waits.
func (p *pair) run(policy int) (tasks []replicationTask, log string) {
	p.t.Helper()
	return p.end(p.start(policy), "Succeed")
}

// digest returns what a tag or a digest names, or nothing.
func (p *pair) digest(s *apptest.Server, repository, ref string) oci.Digest {
	p.t.Helper()
	m, err := p.at[s].Manifest(p.t.Context(), repository, ref)
	if err != nil && !fault.OfKind(err, fault.NotFound) && !fault.OfKind(err, fault.Denied) { // that, where there is no project
		p.t.Fatal(err)
	}
	return m.Digest
}

// same demands that a tag or a digest names the same at both.
func (p *pair) same(from *apptest.Server, source string, to *apptest.Server, target string, refs ...string) {
	p.t.Helper()
	for _, ref := range refs {
		if want, got := p.digest(from, source, ref), p.digest(to, target, ref); got != want || want == "" {
			p.t.Errorf("%s:%s is %q, and %s is %q", source, ref, want, target, got)
		}
	}
}

func random(n int, seed byte) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func descriptor(mediaType string, content []byte, more string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, oci.Sum(oci.SHA256, content), len(content), more)
}

// image pushes one. More is of its manifest.
func (p *pair) image(s *apptest.Server, repository, tag, config, more string, layers ...[]byte) []byte {
	p.t.Helper()
	ctx, to := p.t.Context(), p.at[s]
	project, _ := oci.SplitRepository(repository)
	if err := to.Prepare(ctx, project, false); err != nil {
		p.t.Fatal(err)
	}
	var list []string
	for _, b := range append(layers, []byte(config)) {
		if _, err := to.PushBlob(ctx, repository, remote.Source{Digest: oci.Sum(oci.SHA256, b), Size: int64(len(b)), Open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(b[offset:])), nil
		}}); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, l := range layers {
		list = append(list, descriptor("application/vnd.oci.image.layer.v1.tar", l, ""))
	}
	return p.manifest(s, repository, tag, oci.MediaTypeImageManifest, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s]%s}`,
		oci.MediaTypeImageManifest, descriptor(oci.MediaTypeImageConfig, []byte(config), ""), strings.Join(list, ","), more))
}

// manifest pushes one, by its digest where there is no tag.
func (p *pair) manifest(s *apptest.Server, repository, tag, mediaType, body string) []byte {
	p.t.Helper()
	if tag == "" {
		tag = string(oci.Sum(oci.SHA256, []byte(body)))
	}
	if err := p.at[s].PushManifest(p.t.Context(), repository, tag, mediaType, []byte(body)); err != nil {
		p.t.Fatal(err)
	}
	return []byte(body)
}

// A fleet is an index for two platforms with an attestation, which is signed in
// two ways.
type fleet struct {
	index, amd, arm, attestation, referrer, signature []byte
	signatureTag                                      string
}

func digestOf(b []byte) string { return string(oci.Sum(oci.SHA256, b)) }

func (p *pair) fleet(s *apptest.Server, repository, tag string) fleet {
	p.t.Helper()
	var f fleet
	f.amd = p.image(s, repository, "", `{"os":"linux","architecture":"amd64"}`, "", []byte("base"), []byte("amd "+repository))
	f.arm = p.image(s, repository, "", `{"os":"linux","architecture":"arm64"}`, "", []byte("base"), []byte("arm "+repository))
	f.attestation = p.image(s, repository, "", `{"os":"unknown","architecture":"unknown"}`, "", []byte("provenance "+repository))
	f.index = p.manifest(s, repository, tag, oci.MediaTypeImageIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s,%s]}`, oci.MediaTypeImageIndex,
		descriptor(oci.MediaTypeImageManifest, f.amd, `,"platform":{"os":"linux","architecture":"amd64"}`),
		descriptor(oci.MediaTypeImageManifest, f.arm, `,"platform":{"os":"linux","architecture":"arm64"}`),
		descriptor(oci.MediaTypeImageManifest, f.attestation, fmt.Sprintf(`,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}`, digestOf(f.arm)))))
	subject := fmt.Sprintf(`,"artifactType":"x/sign","subject":%s`, descriptor(oci.MediaTypeImageIndex, f.index, ""))
	f.referrer = p.image(s, repository, "", `{}`, subject, []byte("signed "+repository))
	f.signatureTag = strings.Replace(digestOf(f.index), ":", "-", 1) + ".sig"
	f.signature = p.image(s, repository, f.signatureTag, `{"cosign":1}`, "", []byte("signature "+repository))
	return f
}

// arrived demands that all of a fleet is somewhere.
func (p *pair) arrived(f fleet, from, to *apptest.Server, source, target, tag string) {
	p.t.Helper()
	p.same(from, source, to, target, tag, f.signatureTag, digestOf(f.index), digestOf(f.amd), digestOf(f.arm), digestOf(f.attestation), digestOf(f.referrer))
	list, err := p.at[to].Referrers(p.t.Context(), target, oci.Digest(digestOf(f.index)))
	if err != nil || len(list) != 1 || string(list[0].Digest) != digestOf(f.referrer) || list[0].ArtifactType != "x/sign" {
		p.t.Errorf("what refers to %s at the destination: %+v, %v", target, list, err)
	}
}

func (p *pair) public(s *apptest.Server, project string) bool {
	p.t.Helper()
	text, _ := asked(p.t, s, 200, "GET", "/projects/"+project, "")
	return strings.Contains(text, `"public":"true"`)
}

// TestWholeArtifactsAreCopied copies in both directions, twice.
func TestWholeArtifactsAreCopied(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	for _, tt := range []struct {
		policy   string
		from, to *apptest.Server
		project  string
	}{{pushing, p.here, p.there, "out"}, {pulling, p.there, p.here, "in"}} {
		p.image(tt.from, tt.project+"/app", "v1", `{"os":"linux"}`, "", []byte("first of "+tt.project), []byte("second of "+tt.project))
		f := p.fleet(tt.from, tt.project+"/deep/fleet", "v2")
		asked(t, tt.from, 201, "POST", "/projects", fmt.Sprintf(`{"project_name":"open-%s","metadata":{"public":"true"}}`, tt.project))
		p.image(tt.from, "open-"+tt.project+"/app", "v1", `{}`, "", []byte("layer"))
		policy := p.policy(tt.policy + fmt.Sprintf(`,"filters":[{"type":"name","value":"{%s,open-%s}/**"}]`, tt.project, tt.project))
		tasks, log := p.run(policy)
		if len(tasks) != 3 {
			t.Errorf("tasks %+v", tasks)
		}
		for _, one := range tasks {
			if one.Kind != "image" || one.Status != "Succeed" || !strings.Contains(one.Source, " item(s) in total]") {
				t.Errorf("task %+v", one)
			}
		}
		p.same(tt.from, tt.project+"/app", tt.to, tt.project+"/app", "v1")
		p.arrived(f, tt.from, tt.to, tt.project+"/deep/fleet", tt.project+"/deep/fleet", "v2")
		if p.public(tt.to, tt.project) {
			t.Errorf("%s has become public", tt.project)
		}
		if got := p.public(tt.to, "open-"+tt.project); got != (tt.from == p.here) {
			t.Errorf("open-%s public: %t", tt.project, got)
		}
		if !strings.Contains(log, tt.project+"/app:v1: copied, sha256:") || !strings.Contains(log, ", 3 blobs with ") {
			t.Errorf("log %s", log)
		}

		p.wire.forget()
		_, log = p.run(policy)
		if n := p.wire.sent(); n != 0 || strings.Contains(log, "blobs with") || strings.Count(log, "is there already") != 4 {
			t.Errorf("the second time %d blobs were sent: %s", n, log)
		}
		// What is new of what is there already.
		late := p.image(tt.from, tt.project+"/deep/fleet", "", `{"late":1}`, `,"artifactType":"x/late","subject":`+descriptor(oci.MediaTypeImageManifest, f.arm, ""), []byte("late"))
		p.run(policy)
		p.same(tt.from, tt.project+"/deep/fleet", tt.to, tt.project+"/deep/fleet", digestOf(late))
	}
}

// TestArtifactsThatNeedOneAnotherAreCopied has indexes refer to what they contain,
// also crosswise, which would have each wait for the other.
func TestArtifactsThatNeedOneAnotherAreCopied(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	var all []string
	for i := range 6 {
		a := p.image(p.here, "odd/app", fmt.Sprint("a", i), fmt.Sprintf(`{"a":%d}`, i), "", []byte("a"))
		b := p.image(p.here, "odd/app", fmt.Sprint("b", i), fmt.Sprintf(`{"b":%d}`, i), "", []byte("b"))
		about := func(tag string, subject, child []byte) {
			all = append(all, tag, digestOf(subject), digestOf(child))
			p.manifest(p.here, "odd/app", tag, oci.MediaTypeImageIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"subject":%s,"manifests":[%s]}`, oci.MediaTypeImageIndex,
				descriptor(oci.MediaTypeImageManifest, subject, ""), descriptor(oci.MediaTypeImageManifest, child, "")))
		}
		about(fmt.Sprint("c", i), a, a)
		about(fmt.Sprint("d", i), a, b)
		about(fmt.Sprint("e", i), b, a)
	}
	p.run(p.policy(pushing + `,"filters":[{"type":"name","value":"odd/app"}]`))
	p.same(p.here, "odd/app", p.there, "odd/app", all...)
}

// TestPoliciesChoose has filters, platforms and names be what they say.
func TestPoliciesChoose(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	for _, name := range []string{"a/b/one", "a/b/two", "a/c/one"} {
		for _, tag := range []string{"v1", "v2", "dev"} {
			p.image(p.here, name, tag, `{"os":"linux"}`, "", []byte(name+tag))
		}
	}
	tags := func(repository, want string) {
		t.Helper()
		all := []string{}
		err := p.at[p.there].Tags(t.Context(), repository, func(some []string) error { all = append(all, some...); return nil })
		if slices.Sort(all); fmt.Sprint(all) != want || err != nil && want != "[]" {
			t.Errorf("%s has %v, want %s, %v", repository, all, want, err)
		}
	}
	p.run(p.policy(pushing + `,"dest_namespace":"flat","filters":[{"type":"name","value":"a/b/*"},{"type":"tag","value":"v*"},{"type":"tag","value":"v2","decoration":"excludes"}]`))
	tags("flat/one", "[v1]")
	tags("flat/two", "[v1]")
	p.run(p.policy(pushing + `,"dest_namespace":"x/y","dest_namespace_replace_count":1,"filters":[{"type":"name","value":"a/c/one"}]`))
	tags("x/y/c/one", "[dev v1 v2]")
	tags("flat/one", "[v1]")

	// Labels.
	asked(t, p.here, 201, "POST", "/labels", `{"name":"gold","scope":"g"}`)
	asked(t, p.here, 200, "POST", "/projects/a/repositories/b%252Fone/artifacts/v2/labels", `{"id":1}`)
	p.run(p.policy(pushing + `,"dest_namespace":"labels","filters":[{"type":"name","value":"a/b/*"},{"type":"label","value":["gold"]}]`))
	tags("labels/one", "[v2]")
	tags("labels/two", "[]")
	p.run(p.policy(pushing + `,"dest_namespace":"unlabelled","filters":[{"type":"name","value":"a/b/one"},{"type":"label","value":["gold"],"decoration":"excludes"}]`))
	tags("unlabelled/one", "[dev v1]")
	_, log := p.run(p.policy(pushing + `,"dest_namespace":"artifacts","filters":[{"type":"name","value":"a/b/one"},{"type":"resource","value":"artifact"}]`))
	if strings.Count(log, "the policy does not want it") != 3 {
		t.Error(log)
	}

	// Platforms.
	f := p.fleet(p.here, "a/fleet", "v1")
	p.run(p.policy(pushing + `,"dest_namespace":"sparse","platforms":["linux/amd64"],"filters":[{"type":"name","value":"a/fleet"}]`))
	p.same(p.here, "a/fleet", p.there, "sparse/fleet", "v1", digestOf(f.amd), digestOf(f.referrer))
	for _, left := range [][]byte{f.arm, f.attestation} {
		if d := p.digest(p.there, "sparse/fleet", digestOf(left)); d != "" {
			t.Errorf("%s was copied", d)
		}
	}

	// Tags that have moved.
	old := p.digest(p.there, "flat/two", "v1")
	p.image(p.here, "a/b/two", "v1", `{"os":"linux"}`, "", []byte("moved"))
	filters := `,"dest_namespace":"flat","filters":[{"type":"name","value":"a/b/two"},{"type":"tag","value":"v1"}]`
	_, log = p.run(p.policy(strings.Replace(pushing, `"override":true`, `"override":false`, 1) + filters))
	if p.digest(p.there, "flat/two", "v1") != old || !strings.Contains(log, "a/b/two:v1: left alone") {
		t.Error("a tag was moved: " + log)
	}
	p.run(p.policy(pushing + filters))
	p.same(p.here, "a/b/two", p.there, "flat/two", "v1")
}

// TestEventsAreFollowed has what happens here happen there.
func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	p.policy(pushing + `,"deletion":true,"trigger":{"type":"event_based"},"filters":[{"type":"name","value":"live/**"},{"type":"tag","value":"v*"}]`)
	is := func(what, ref string, want oci.Digest) {
		t.Helper()
		eventually(t, what, func() bool { return p.digest(p.there, "live/app", ref) == want })
	}
	p.image(p.here, "live/app", "dev", `{"n":0}`, "", []byte("zero"))
	first := oci.Digest(digestOf(p.image(p.here, "live/app", "v1", `{"n":1}`, "", []byte("one"))))
	is("a push", "v1", first)
	asked(t, p.here, 201, "POST", "/projects/live/repositories/app/artifacts/v1/tags", `{"name":"v2"}`)
	is("a new tag", "v2", first)
	referrer := p.image(p.here, "live/app", "", `{"n":2}`, fmt.Sprintf(`,"subject":{"mediaType":%q,"digest":%q,"size":1}`, oci.MediaTypeImageManifest, first), []byte("two"))
	is("a signature", digestOf(referrer), oci.Digest(digestOf(referrer)))
	asked(t, p.here, 200, "DELETE", "/projects/live/repositories/app/artifacts/v1/tags/v1", "")
	is("the end of a tag", "v1", "")
	is("the other tag", "v2", first)
	second := p.image(p.here, "live/app", "v3", `{"n":3}`, "", []byte("three"))
	is("a push", "v3", oci.Digest(digestOf(second)))
	asked(t, p.here, 200, "DELETE", "/projects/live/repositories/app/artifacts/v3", "")
	is("the end of an artifact", digestOf(second), "")
	if d := p.digest(p.there, "live/app", "dev"); d != "" {
		t.Error("what the policy is not about was copied")
	}
}

// TestNothingIsSentTwice has two repositories share layers, and a connection break.
func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	big := random(5<<20, 1)
	for _, name := range []string{"share/one", "share/two"} {
		p.image(p.here, name, "v1", `{"os":"linux"}`, "", big)
	}
	// The first piece of the blob that comes is cut in its middle.
	var once sync.Once
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		cut := false
		if r.Method == "PATCH" {
			once.Do(func() { cut = true })
		}
		if cut {
			r.Body = &halved{r.Body, 2 << 20}
		}
		return false
	})
	_, log := p.run(p.policy(pushing + `,"filters":[{"type":"name","value":"share/*"}]`))
	if strings.Contains(log, "failed: ") {
		t.Error(log)
	}
	for _, name := range []string{"share/one", "share/two"} {
		p.same(p.here, name, p.there, name, "v1")
		body, size, err := p.at[p.there].Blob(t.Context(), name, oci.Sum(oci.SHA256, big), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, big) {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), size, err)
		}
		body.Close()
	}
	if strings.Count(log, "2 blobs with") != 1 || strings.Count(log, "0 blobs with 0 bytes") != 1 {
		t.Errorf("log %s", log)
	}

	// The same the other way round.
	p.image(p.there, "back/one", "v1", `{"os":"linux"}`, "", random(5<<20, 2))
	var asked []string // ranges of the layer
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || !strings.HasSuffix(r.URL.Path, digestOf(random(5<<20, 2))) {
			return false
		}
		p.wire.mu.Lock()
		asked = append(asked, r.Header.Get("Range"))
		cut := len(asked) == 1
		p.wire.mu.Unlock()
		if cut {
			panicAfter(w, p.there.Do("GET", r.URL.Path, apptest.Admin, p.there.Password, nil))
		}
		return cut
	})
	_, log = p.run(p.policy(pulling + `,"filters":[{"type":"name","value":"back/one"}]`))
	p.wire.meddle(nil)
	if len(asked) != 2 || asked[0] != "" || !strings.HasPrefix(asked[1], "bytes=") || strings.Contains(log, "failed: ") {
		t.Errorf("it was asked for %q: %s", asked, log)
	}
	p.same(p.there, "back/one", p.here, "back/one", "v1")
	body, _, err := p.at[p.here].Blob(t.Context(), "back/one", oci.Sum(oci.SHA256, random(5<<20, 2)), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, random(5<<20, 2)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// panicAfter passes on half of an answer, and breaks the connection.
func panicAfter(w http.ResponseWriter, from *http.Response) {
	w.Header().Set("Content-Length", fmt.Sprint(from.ContentLength))
	_, _ = io.CopyN(w, from.Body, from.ContentLength/2)
	panic(http.ErrAbortHandler)
}

// halved is a body whose connection breaks.
type halved struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (h *halved) Read(b []byte) (int, error) {
	if h.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := h.ReadCloser.Read(b[:min(len(b), h.left)])
	h.left -= n
	return n, err
}

// TestReplicationsThatDoNotGetThrough has executions stopped, refused and put off.
func TestReplicationsThatDoNotGetThrough(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	asked(t, p.there, 201, "POST", "/projects", `{"project_name":"slow"}`)
	for i := range 2 {
		p.image(p.here, "slow/app", fmt.Sprint("v", i), `{"os":"linux"}`, "", random(3<<20, byte(i)))
	}
	filters := `,"filters":[{"type":"name","value":"slow/app"}]`

	execution := p.start(p.policy(pushing + `,"speed":64` + filters))
	eventually(t, "bytes that come", func() bool { return p.wire.has("PATCH ") })
	asked(t, p.here, 200, "PUT", execution, "")
	tasks, _ := p.end(execution, "Stopped")
	if len(tasks) != 1 || tasks[0].Status != "Stopped" || p.digest(p.there, "slow/app", "v1") != "" {
		t.Errorf("after its stop: %+v", tasks)
	}

	// It asks to be left alone.
	limited := 0
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		p.wire.mu.Lock()
		defer p.wire.mu.Unlock()
		if limited > 0 || r.Method != "PUT" || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		limited++
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	_, log := p.run(p.policy(pushing + filters))
	p.same(p.here, "slow/app", p.there, "slow/app", "v0", "v1")
	if !strings.Contains(log, "it goes on after 1s") {
		t.Errorf("log %s", log)
	}

	// It takes the password no more.
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/service/token") {
			if r.Header.Get("Authorization") != "" {
				r.Header.Set("Authorization", "Bearer none")
			}
			return false
		}
		r.SetBasicAuth(apptest.Admin, "not-the-password")
		return false
	})
	p.image(p.here, "slow/app", "v2", `{"os":"linux"}`, "", []byte("small"))
	start := time.Now()
	_, log = p.end(p.start(p.policy(pushing+`,"filters":[{"type":"name","value":"slow/app"},{"type":"tag","value":"v2"}]`)), "Failed")
	if !strings.Contains(log, "slow/app:v2: failed: the registry refuses it: ") {
		t.Errorf("log %s", log)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("it was tried again, for %s", took)
	}
}

// has reports whether something passed that begins so.
func (x *wire) has(begin string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.seen, func(s string) bool { return strings.HasPrefix(s, begin) })
}
