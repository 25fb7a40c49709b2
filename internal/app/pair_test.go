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
	after  func(r *http.Response)
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
		ModifyResponse: func(r *http.Response) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.after != nil {
				x.after(r)
			}
			return nil
		},
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

// change has something done with each answer from now on.
func (x *wire) change(after func(*http.Response)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.after = after
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

// has reports whether something passed that begins so.
func (x *wire) has(begin string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.seen, func(s string) bool { return strings.HasPrefix(s, begin) })
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
	p := &pair{t: t, here: apptest.Start(t, allowing), there: apptest.Start(t, quiet), at: map[*apptest.Server]*remote.Registry{}}
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

// hold holds up the first request of a method whose path has some part, until it
// is released.
func (p *pair) hold(method, part string) (entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.wire.meddle(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == method && strings.Contains(r.URL.Path, part) {
			once.Do(func() {
				close(in)
				<-out
			})
		}
		return false
	})
	release = sync.OnceFunc(func() { close(out) })
	p.t.Cleanup(release)
	return in, release
}

type replicationTask struct {
	ID          int64
	Status      string
	Kind        string `json:"resource_type"`
	Source      string `json:"src_resource"`
	Destination string `json:"dst_resource"`
	Text        string `json:"status_text"`
	Failures    []struct{ Artifact, Cause string }
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
	if err := to.Prepare(ctx, repository, false); err != nil {
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

// referrers returns the digests of what refers to something, in their order.
func (p *pair) referrers(s *apptest.Server, repository string, d oci.Digest) (all []string) {
	p.t.Helper()
	list, err := p.at[s].Referrers(p.t.Context(), repository, d)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range list {
		all = append(all, string(r.Digest))
	}
	slices.Sort(all)
	return all
}

func (p *pair) public(s *apptest.Server, project string) bool {
	p.t.Helper()
	text, _ := asked(p.t, s, 200, "GET", "/projects/"+project, "")
	return strings.Contains(text, `"public":"true"`)
}
