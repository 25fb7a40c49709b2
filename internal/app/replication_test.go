package app_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/oci"
)

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
	var subjects []oci.Digest
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

		// What an index contains may refer to what else that contains.
		r := p.image(p.here, "odd/app", "", fmt.Sprintf(`{"r":%d}`, i), `,"artifactType":"x/sign","subject":`+descriptor(oci.MediaTypeImageManifest, a, ""), []byte("r"))
		p.manifest(p.here, "odd/app", fmt.Sprint("f", i), oci.MediaTypeImageIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s,%s]}`, oci.MediaTypeImageIndex,
			descriptor(oci.MediaTypeImageManifest, r, ""), descriptor(oci.MediaTypeImageManifest, a, "")))
		all = append(all, fmt.Sprint("f", i), digestOf(r))
		subjects = append(subjects, oci.Digest(digestOf(a)), oci.Digest(digestOf(b)))
	}
	p.run(p.policy(pushing + `,"filters":[{"type":"name","value":"odd/app"}]`))
	p.same(p.here, "odd/app", p.there, "odd/app", all...)
	for _, d := range subjects {
		want, got := p.referrers(p.here, "odd/app", d), p.referrers(p.there, "odd/app", d)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("to %s refer %q, want %q", d, got, want)
		}
	}
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
	p.run(p.policy(pushing + `,"copy_by_chunk":true,"dest_namespace":"x/y","dest_namespace_replace_count":1,"filters":[{"type":"name","value":"a/c/one"}]`))
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

// TestWhatWasCopiedIsTold has webhooks told of what was copied, and of nothing else.
func TestWhatWasCopiedIsTold(t *testing.T) {
	t.Parallel()
	p, told := newPair(t, "harbor"), receive(t)
	subscribe(t, p.here, "copies", told.URL, `"REPLICATION"`)
	policy := p.policy(pushing + `,"dest_namespace":"backup/here","filters":[{"type":"name","value":"library/app"},{"type":"tag","value":"v*"}]`)
	p.image(p.here, "library/app", "v1", `{"os":"linux"}`, "", []byte("one"))
	p.image(p.here, "library/app", "dev", `{"os":"linux"}`, "", []byte("dev"))
	for range 2 { // the second time there is nothing to do, and to tell
		p.run(policy)
	}
	p.image(p.here, "library/app", "v2", `{"os":"linux"}`, "", []byte("two"))
	p.run(policy)
	p.same(p.here, "library/app", p.there, "backup/here/app", "v1", "v2")
	var bodies []string
	eventually(t, "what is told of it", func() bool {
		_, bodies, _ = told.all()
		return len(bodies) > 0 && strings.Contains(bodies[len(bodies)-1], `"name_tag":"library/app:v2"`)
	})
	if len(bodies) != 2 || !strings.Contains(bodies[0], `"name_tag":"library/app:v1"`) || strings.Contains(strings.Join(bodies, ""), "dev") {
		t.Errorf("%q", bodies)
	}
}

// TestEventsAreFollowed has what happens here happen there.
func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	p.policy(pushing + `,"deletion":true,"dest_namespace":"far/away","trigger":{"type":"event_based"},"filters":[{"type":"name","value":"live/**"},{"type":"tag","value":"v*"}]`)
	is := func(what, ref string, want oci.Digest) {
		t.Helper()
		eventually(t, what, func() bool { return p.digest(p.there, "far/away/app", ref) == want })
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
	if d := p.digest(p.there, "far/away/app", "dev"); d != "" {
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
	blobs, total := 0, 0 // of both, whichever sent the one and the other
	for line := range strings.Lines(log) {
		var n, size int
		if _, sent, found := strings.Cut(line, "copied, "); found {
			if _, err := fmt.Sscanf(sent[strings.Index(sent, ", ")+2:], "%d blobs with %d bytes", &n, &size); err != nil {
				t.Error(line, err)
			}
		}
		blobs, total = blobs+n, total+size
	}
	if blobs != 2 || total != len(big)+len(`{"os":"linux"}`) {
		t.Errorf("%d blobs with %d bytes were sent: %s", blobs, total, log)
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
	_, log = p.run(p.policy(pulling + `,"dest_namespace":"copies","filters":[{"type":"name","value":"back/one"}]`))
	p.wire.meddle(nil)
	if len(asked) != 2 || asked[0] != "" || !strings.HasPrefix(asked[1], "bytes=") || strings.Contains(log, "failed: ") {
		t.Errorf("it was asked for %q: %s", asked, log)
	}
	p.same(p.there, "back/one", p.here, "copies/one", "v1")
	body, _, err := p.at[p.here].Blob(t.Context(), "copies/one", oci.Sum(oci.SHA256, random(5<<20, 2)), 0)
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

// TestTagsThatMayNotMoveStay copies without override to a registry that does not
// say which digests its tags name.
func TestTagsThatMayNotMoveStay(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	p.wire.change(func(r *http.Response) { r.Header.Del("Docker-Content-Digest") })
	image := p.image(p.here, "stay/app", "v1", `{"os":"linux"}`, "", []byte("here"))
	p.image(p.here, "stay/app", "v2", `{"os":"linux"}`, "", []byte("new"))
	signature := strings.Replace(digestOf(image), ":", "-", 1) + ".sig"
	p.image(p.here, "stay/app", signature, `{}`, "", []byte("signature here"))
	var there []string
	for _, tag := range []string{"v1", signature} {
		there = append(there, digestOf(p.image(p.there, "stay/app", tag, `{"os":"linux"}`, "", []byte(tag+" there"))))
	}
	policy := p.policy(strings.Replace(pushing, `"override":true`, `"override":false`, 1) + `,"filters":[{"type":"name","value":"stay/app"},{"type":"tag","value":"v*"}]`)
	_, log := p.run(policy)
	p.same(p.here, "stay/app", p.there, "stay/app", "v2")
	if d := p.digest(p.there, "stay/app", "v1"); string(d) != there[0] || !strings.Contains(log, "stay/app:v1: left alone: ") {
		t.Errorf("v1 is %s, want %s: %s", d, there[0], log)
	}
	// The image itself is the same by another tag: its signature there is another one.
	asked(t, p.here, 201, "POST", "/projects/stay/repositories/app/artifacts/v1/tags", `{"name":"v3"}`)
	_, log = p.run(policy)
	p.same(p.here, "stay/app", p.there, "stay/app", "v3")
	if d := p.digest(p.there, "stay/app", signature); string(d) != there[1] {
		t.Errorf("the signature is %s, want %s: %s", d, there[1], log)
	}
	if !strings.Contains(log, "stay/app:v2: is there already") {
		t.Error(log)
	}
}

// TestImagesOfDockerHub have a namespace that people leave out.
func TestImagesOfDockerHub(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-hub")
	p.image(p.there, "library/alpine", "v1", `{"os":"linux"}`, "", []byte("alpine"))
	p.run(p.policy(pulling + `,"filters":[{"type":"name","value":"{alpine,library/alpine}"}]`))
	p.same(p.there, "library/alpine", p.here, "library/alpine", "v1")
	tasks, _ := p.run(p.policy(pulling + `,"dest_namespace":"mirror","filters":[{"type":"name","value":"alpine"}]`))
	p.same(p.there, "library/alpine", p.here, "mirror/alpine", "v1")
	if len(tasks) != 1 || !strings.HasPrefix(tasks[0].Source, "library/alpine ") {
		t.Errorf("%+v", tasks)
	}

	// It has names of two components.
	text, _ := asked(t, p.here, 400, "POST", "/replication/policies", `{"name":"deep",`+pushing+`,"dest_namespace":"acme/deep"}`)
	if !strings.Contains(text, "Docker Hub has names of 2 components") {
		t.Error(text)
	}
	p.image(p.here, "deep/down/app", "v1", `{"os":"linux"}`, "", []byte("deep"))
	_, log := p.end(p.start(p.policy(pushing+`,"filters":[{"type":"name","value":"deep/**"}]`)), "Failed")
	if !strings.Contains(log, "Docker Hub has names of 2 components, and deep/down/app has 3") || strings.Contains(log, "it is tried again") || p.wire.has("POST ") {
		t.Errorf("%q: %s", p.wire.seen, log)
	}
}
