package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// An upstream is a registry that a cache fetches from, behind what counts, and
// fails as it is told.
type upstream struct {
	*apptest.Server
	far   *remote.Registry
	front *httptest.Server

	blobs, manifests, heads atomic.Int64
	lists, failed           atomic.Int64
	fail                    atomic.Int64                     // a status that it answers with; 0: none; -1: it hangs up
	failing                 atomic.Pointer[string]           // what is in the paths that it fails for; nil: all
	slow, slower            atomic.Pointer[chan struct{}]    // holds blobs, and manifests, back
	cuts                    atomic.Int64                     // blobs whose connection is cut in the middle
	lie                     atomic.Pointer[http.HandlerFunc] // which answers for blobs; nil: none does
	open, most              atomic.Int64                     // blobs that are being sent, and the most of them at once
}

func startUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{Server: apptest.Start(t)}
	target, err := url.Parse(u.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(target)
	through.FlushInterval = -1
	u.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := u.fail.Load()
		if of := u.failing.Load(); of != nil && !strings.Contains(r.URL.Path, *of) {
			code = 0
		}
		if code != 0 {
			u.failed.Add(1)
		}
		switch {
		case code == -1:
			panic(http.ErrAbortHandler)
		case code != 0:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(int(code))
			return
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			u.lists.Add(1)
		case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/"):
			u.heads.Add(1)
		case strings.Contains(r.URL.Path, "/manifests/"):
			u.manifests.Add(1)
			w.Header().Set("RateLimit-Limit", "100;w=21600")
			w.Header().Set("RateLimit-Remaining", "76;w=21600")
			if gate := u.slower.Load(); gate != nil {
				<-*gate
			}
		case r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/"):
			u.blobs.Add(1)
			u.count(u.open.Add(1))
			defer u.open.Add(-1)
			if gate := u.slow.Load(); gate != nil {
				w = &gated{ResponseWriter: w, gate: *gate}
			}
			if u.cuts.Add(-1) >= 0 {
				w = &cut{ResponseWriter: w}
			}
			if lie := u.lie.Load(); lie != nil {
				(*lie)(w, r)
				return
			}
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(u.front.Close)
	u.far, err = remote.Open(outbound.ForSystem(), remote.Settings{Kind: remote.Harbor, URL: u.URL, Account: apptest.Admin, Secret: secret.New(u.Password)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.far.Close)
	return u
}

// count keeps the largest number of blobs that were sent at once.
func (u *upstream) count(n int64) {
	for {
		most := u.most.Load()
		if n <= most || u.most.CompareAndSwap(most, n) {
			return
		}
	}
}

// gated sends the first half megabyte, and the rest when it may.
type gated struct {
	http.ResponseWriter
	gate chan struct{}
	sent int
}

func (g *gated) Write(p []byte) (int, error) {
	if g.sent > 512<<10 {
		<-g.gate
	}
	n, err := g.ResponseWriter.Write(p)
	g.sent += n
	return n, err
}

// cut ends the connection behind half a megabyte.
type cut struct {
	http.ResponseWriter
	sent int
}

func (c *cut) Write(p []byte) (int, error) {
	if c.sent > 512<<10 {
		panic(http.ErrAbortHandler)
	}
	n, err := c.ResponseWriter.Write(p)
	c.sent += n
	return n, err
}

func (g *gated) Unwrap() http.ResponseWriter { return g.ResponseWriter }

func (u *upstream) blob(t *testing.T, repository string, b []byte) {
	t.Helper()
	s := remote.Source{Digest: oci.Sum(oci.SHA256, b), Size: int64(len(b)), Open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b[offset:])), nil
	}}
	if _, err := u.far.PushBlob(t.Context(), repository, s); err != nil {
		t.Fatal(err)
	}
}

// push pushes an image of layers, and returns its digest and that of the first
// layer.
func (u *upstream) push(t *testing.T, repository, tag string, layers ...[]byte) (image, content oci.Digest) {
	t.Helper()
	config := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"created":"2026-01-01T00:00:00Z","author":%q}`, repository+tag))
	u.blob(t, repository, config)
	var list []string
	for _, b := range layers {
		u.blob(t, repository, b)
		list = append(list, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}`, oci.Sum(oci.SHA256, b), len(b)))
	}
	content = oci.Sum(oci.SHA256, layers[0])
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[%s]}`,
		oci.MediaTypeImageManifest, oci.MediaTypeImageConfig, oci.Sum(oci.SHA256, config), len(config), strings.Join(list, ","))
	image = oci.Sum(oci.SHA256, manifest)
	ref := tag
	if ref == "" {
		ref = string(image)
	}
	if err := u.far.PushManifest(t.Context(), repository, ref, oci.MediaTypeImageManifest, manifest); err != nil {
		t.Fatal(err)
	}
	return image, content
}

// A cache is a server with the project "mirror", a cache of an upstream.
type cache struct {
	*apptest.Server
	*testing.T
}

func startCache(t *testing.T, u *upstream, metadata string, options ...func(*app.Config)) cache {
	t.Helper()
	c := cache{apptest.Start(t, options...), t}
	at := c.post("/api/v2.0/registries", fmt.Sprintf(`{"name":"up","type":"harbor","url":%q,"credential":{"type":"basic","access_key":%q,"access_secret":%q}}`, u.front.URL, apptest.Admin, u.Password))
	id := at[strings.LastIndex(at, "/")+1:]
	c.post("/api/v2.0/projects", fmt.Sprintf(`{"project_name":"mirror","registry_id":%s,"metadata":{"public":"true"%s}}`, id, metadata))
	return c
}

func (c cache) post(path, body string) (location string) {
	c.Helper()
	r := c.Do("POST", path, apptest.Admin, c.Password, strings.NewReader(body), "Content-Type", "application/json")
	if r.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(r.Body)
		c.Fatalf("%s: %d %s", path, r.StatusCode, text)
	}
	return r.Header.Get("Location")
}

// get asks the cache as its administrator.
func (c cache) get(method, path string) (*http.Response, []byte) {
	c.Helper()
	r := c.Do(method, path, apptest.Admin, c.Password, nil, "Accept", oci.MediaTypeImageManifest+", "+oci.MediaTypeImageIndex)
	text, _ := io.ReadAll(r.Body)
	return r, text
}

// registry is what is shown of the cache's upstream.
func (c cache) registry() string {
	c.Helper()
	r := c.Do("GET", "/api/v2.0/registries/1", apptest.Admin, c.Password, nil)
	text, _ := io.ReadAll(r.Body)
	return string(text)
}

// pull pulls an image whole, and returns its digest.
func (c cache) pull(repository, ref string) oci.Digest {
	c.Helper()
	r, body := c.get("GET", "/v2/"+repository+"/manifests/"+ref)
	if r.StatusCode != http.StatusOK {
		c.Fatalf("%s:%s: %d %s", repository, ref, r.StatusCode, body)
	}
	m, err := oci.ParseManifest(r.Header.Get("Content-Type"), body)
	if err != nil {
		c.Fatal(err)
	}
	for _, child := range m.Children {
		c.pull(repository, string(child.Digest))
	}
	for _, b := range m.Blobs {
		r, body := c.get("GET", "/v2/"+repository+"/blobs/"+string(b.Digest))
		if sum := sha256.Sum256(body); r.StatusCode != http.StatusOK || "sha256:"+hex.EncodeToString(sum[:]) != string(b.Digest) {
			c.Fatalf("%s: %d, %d bytes", b.Digest, r.StatusCode, len(body))
		}
	}
	return oci.Sum(oci.SHA256, body)
}

// kept waits until an image is in the cache.
func (c cache) kept(repository, ref string) {
	c.Helper()
	project, rest := oci.SplitRepository(repository)
	path := "/api/v2.0/projects/" + project + "/repositories/" + url.PathEscape(url.PathEscape(rest)) + "/artifacts/" + ref
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r := c.Do("GET", path, apptest.Admin, c.Password, nil)
		body, _ := io.ReadAll(r.Body)
		if r.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(end) {
			c.Fatalf("%s:%s is not kept: %d %s", repository, ref, r.StatusCode, body)
		}
	}
}

func TestACacheServesWhatItsUpstreamDoesNot(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	one, _ := u.push(t, "library/app", "", blobtest.Content(1, 1<<20))
	two, _ := u.push(t, "library/app", "", blobtest.Content(2, 100))
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":500,"platform":{"os":"linux","architecture":"amd64"}},{"mediaType":%q,"digest":%q,"size":500,"platform":{"os":"linux","architecture":"arm64"}}]}`,
		oci.MediaTypeImageIndex, oci.MediaTypeImageManifest, one, oci.MediaTypeImageManifest, two)
	if err := u.far.PushManifest(t.Context(), "library/app", "v1", oci.MediaTypeImageIndex, index); err != nil {
		t.Fatal(err)
	}
	for _, fail := range []int64{http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusInternalServerError, -1} {
		u.fail.Store(0)
		u.manifests.Store(0)
		u.blobs.Store(0)
		c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = time.Millisecond })
		if d := c.pull("mirror/library/app", "v1"); d != oci.Sum(oci.SHA256, index) {
			t.Error(d)
		}
		for _, ref := range []string{"v1", string(one), string(two)} {
			c.kept("mirror/library/app", ref)
		}
		u.fail.Store(fail)
		for range 2 {
			c.pull("mirror/library/app", "v1")
			c.pull("mirror/library/app", string(one))
		}
		if u.manifests.Load() != 3 || u.blobs.Load() != 3 { // the two images have one configuration
			t.Errorf("%d: %d manifests and %d blobs were fetched", fail, u.manifests.Load(), u.blobs.Load())
		}
		// What is not here is refused, with the time to come back, and is never said not
		// to be there.
		r, body := c.get("GET", "/v2/mirror/library/other/manifests/v1")
		if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" {
			t.Errorf("%d: %d %s, Retry-After %q", fail, r.StatusCode, body, r.Header.Get("Retry-After"))
		}
	}
}

// TestAFailingRepositoryLeavesTheOthers has one repository of an upstream fail.
func TestAFailingRepositoryLeavesTheOthers(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/good", "v1", blobtest.Content(1, 100))
	u.push(t, "library/bad", "v1", blobtest.Content(2, 100))
	bad := "/library/bad/"
	u.failing.Store(&bad)
	for _, step := range []struct {
		fail int64
		all  bool // of the upstream is left alone
	}{{http.StatusInternalServerError, false}, {http.StatusServiceUnavailable, false}, {http.StatusTooManyRequests, true}, {-1, true}} {
		c := startCache(t, u, "")
		u.fail.Store(step.fail)
		c.get("GET", "/v2/mirror/library/bad/manifests/v1")
		before := u.failed.Load()
		if r, _ := c.get("GET", "/v2/mirror/library/bad/manifests/v1"); r.StatusCode == http.StatusOK || r.Header.Get("Retry-After") == "" {
			t.Errorf("%d: %d", step.fail, r.StatusCode)
		}
		if n := u.failed.Load() - before; before == 0 || n != 0 {
			t.Errorf("%d: what fails was asked %d times more", step.fail, n)
		}
		if r, _ := c.get("GET", "/v2/mirror/library/good/manifests/v1"); (r.StatusCode != http.StatusOK) != step.all {
			t.Errorf("%d: %d of another repository", step.fail, r.StatusCode)
		}
		u.fail.Store(0)
	}
}

func TestATagOfACacheFollowsItsUpstream(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	first, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 100))
	const fresh = 300 * time.Millisecond
	c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = fresh })
	if d := c.pull("mirror/library/app", "v1"); d != first {
		t.Error(d)
	}
	c.kept("mirror/library/app", "v1")
	heads, began := u.heads.Load(), time.Now()
	for range 5 {
		c.pull("mirror/library/app", "v1")
	}
	if n, most := u.heads.Load()-heads, int64(time.Since(began)/fresh)+1; n > most {
		t.Errorf("the upstream was asked %d times, at most %d are needed", n, most)
	}
	second, _ := u.push(t, "library/app", "v1", blobtest.Content(2, 100))
	for end := time.Now().Add(patience); c.pull("mirror/library/app", "v1") != second; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the tag stays behind")
		}
	}
	if r, _ := c.get("GET", "/v2/mirror/library/app/manifests/none"); r.StatusCode != http.StatusNotFound {
		t.Error(r.StatusCode)
	}
	var list struct{ Tags []string }
	u.push(t, "library/app", "v2", blobtest.Content(3, 100))
	if _, body := c.get("GET", "/v2/mirror/library/app/tags/list"); json.Unmarshal(body, &list) != nil || fmt.Sprint(list.Tags) != "[v1 v2]" {
		t.Errorf("%s", body)
	}
}

// TestATagOfACacheNeverGoesBack moves a tag to an image that takes long to come.
func TestATagOfACacheNeverGoesBack(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	first, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 100))
	const fresh = 2 * time.Second
	c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = fresh })
	c.pull("mirror/library/app", "v1")
	c.kept("mirror/library/app", "v1")
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	u.slow.Store(&gate)
	second, _ := u.push(t, "library/app", "v1", blobtest.Content(2, 2<<20))
	digest := func(method string) oci.Digest {
		r, _ := c.get(method, "/v2/mirror/library/app/manifests/v1")
		return oci.Digest(r.Header.Get("Docker-Content-Digest"))
	}
	eventually(t, "the tag follows", func() bool { return digest("HEAD") == second })
	serves := func(when string) {
		t.Helper()
		for _, method := range []string{"GET", "HEAD"} {
			if d := digest(method); d != second {
				t.Errorf("%s, %s: the tag went back to %s", when, method, d)
			}
		}
	}
	serves("at once")
	time.Sleep(fresh)
	serves("when it was asked for again")
	time.Sleep(fresh)
	u.fail.Store(http.StatusTooManyRequests)
	serves("when the upstream fails")
	u.fail.Store(0)
	open()
	c.kept("mirror/library/app", string(second))
	serves("when it is kept")
	if n := u.manifests.Load(); n != 2 {
		t.Errorf("%d manifests were fetched, there are 2", n)
	}
	// One pull was of the first, and all others of the second.
	pulls(t, c.Server, 5)
	if text, _ := asked(t, c.Server, http.StatusOK, "GET", "/auditlog-exts?page_size=100&q=operation%3Dpull", ""); strings.Count(text, "@"+string(first)) != 1 || strings.Count(text, "@"+string(second)) != 4 {
		t.Error(text)
	}
}

func TestACacheWaitsBrieflyWhereItHasSomething(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	first, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 100))
	c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = time.Millisecond })
	c.pull("mirror/library/app", "v1")
	c.kept("mirror/library/app", "v1")
	second, _ := u.push(t, "library/app", "v1", blobtest.Content(2, 100))
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	u.slower.Store(&gate)
	began := time.Now()
	for range 2 {
		if d := c.pull("mirror/library/app", "v1"); d != first {
			t.Errorf("%s is served, which the upstream has not sent", d)
		}
	}
	if took := time.Since(began); took > 30*time.Second { // the upstream has a minute
		t.Errorf("the upstream was waited for, for %s", took)
	}
	open()
	eventually(t, "the tag follows", func() bool { return c.pull("mirror/library/app", "v1") == second })
	if n := u.manifests.Load(); n != 2 {
		t.Errorf("%d manifests were fetched, there are 2", n)
	}
}

// pulls waits until the audit log has so many pulls, and returns of what they were,
// in order.
func pulls(t *testing.T, s *apptest.Server, n int) (resources []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d pulls are recorded", n), func() bool {
		text, _ := asked(t, s, http.StatusOK, "GET", "/auditlog-exts?page_size=100&q=operation%3Dpull", "")
		var rows []struct{ Resource string }
		if err := json.Unmarshal([]byte(text), &rows); err != nil {
			t.Fatal(err, text)
		}
		resources = nil
		for _, r := range rows {
			resources = append(resources, r.Resource)
		}
		return len(rows) >= n
	})
	slices.Sort(resources)
	return resources
}

// TestEachPullFromACacheIsRecordedOnce has manifests sent before they are kept, and
// such as are never kept.
func TestEachPullFromACacheIsRecordedOnce(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 2<<20))
	u.push(t, "library/large", "v1", blobtest.Content(2, 2<<20))
	c := startCache(t, u, "")
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	u.slow.Store(&gate)
	const app, large = "mirror/library/app", "mirror/library/large"
	c.get("HEAD", "/v2/"+app+"/manifests/v1")
	for _, ref := range []string{"v1", string(image), "v1"} {
		c.get("GET", "/v2/"+app+"/manifests/"+ref)
	}
	open()
	c.kept(app, "v1")
	want := []string{app + ":v1", app + ":v1", app + "@" + string(image)}
	if got := pulls(t, c.Server, 3); !slices.Equal(got, want) {
		t.Errorf("recorded are %v, pulled were %v", got, want)
	}
	var kept struct {
		Count int       `json:"pull_count"`
		At    time.Time `json:"pull_time"`
		Tags  []struct {
			At time.Time `json:"pull_time"`
		}
	}
	const path = "/projects/mirror/repositories/library%252Fapp"
	text, _ := asked(t, c.Server, http.StatusOK, "GET", path, "")
	if json.Unmarshal([]byte(text), &kept) != nil || kept.Count != 3 {
		t.Error(text)
	}
	text, _ = asked(t, c.Server, http.StatusOK, "GET", path+"/artifacts/v1", "")
	if json.Unmarshal([]byte(text), &kept) != nil || kept.At.Year() < 2000 || len(kept.Tags) != 1 || kept.Tags[0].At.Year() < 2000 {
		t.Error(text)
	}
	asked(t, c.Server, http.StatusOK, "PUT", "/quotas/2", `{"hard":{"storage":1000}}`)
	c.pull(large, "v1")
	want = append(want, large+":v1")
	if got := pulls(t, c.Server, 4); !slices.Equal(got, want) {
		t.Errorf("recorded are %v, pulled were %v", got, want)
	}
}

func TestPullsAreRecordedOfWhatWasNotKeptBeforeTheStop(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 2<<20))
	c := startCache(t, u, "")
	gate := make(chan struct{})
	defer close(gate)
	u.slow.Store(&gate)
	c.get("GET", "/v2/mirror/library/app/manifests/v1")
	c.Stop()
	again := apptest.Start(t, func(cfg *app.Config) { cfg.Data, cfg.AdminPassword = c.Config.Data, c.Config.AdminPassword })
	if got := pulls(t, again, 1); !slices.Equal(got, []string{"mirror/library/app:v1"}) {
		t.Error(got)
	}
}

func TestTheFirstPullFetchesAManifestOnce(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 2<<20))
	c := startCache(t, u, "")
	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	defer open()
	u.slow.Store(&gate)
	if r, _ := c.get("HEAD", "/v2/mirror/library/app/manifests/v1"); r.Header.Get("Docker-Content-Digest") != string(image) {
		t.Fatalf("%d %v", r.StatusCode, r.Header)
	}
	if r, body := c.get("GET", "/v2/mirror/library/app/manifests/"+string(image)); oci.Sum(oci.SHA256, body) != image {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	open()
	c.pull("mirror/library/app", string(image))
	c.kept("mirror/library/app", "v1")
	c.pull("mirror/library/app", "v1")
	if n := u.manifests.Load(); n != 1 {
		t.Errorf("the manifest was fetched %d times", n)
	}
}

func TestPagesOfTagsAreOfOneList(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	want := []string{"v1", "v2", "v3", "v4", "v5"}
	for _, tag := range want {
		u.push(t, "library/app", tag, blobtest.Content(1, 100))
	}
	const fresh = 2 * time.Second
	c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = fresh })
	c.pull("mirror/library/app", "v3")
	c.kept("mirror/library/app", "v3")
	pages := func(n int) (all []string) {
		t.Helper()
		for next := fmt.Sprintf("/v2/mirror/library/app/tags/list?n=%d", n); next != ""; {
			r, body := c.get("GET", next)
			var page struct{ Tags []string }
			if json.Unmarshal(body, &page) != nil || len(page.Tags) > n || len(all) > 10 {
				t.Fatalf("%d %s", r.StatusCode, body)
			}
			all = append(all, page.Tags...)
			next, _, _ = strings.Cut(strings.TrimPrefix(r.Header.Get("Link"), "<"), ">")
		}
		return all
	}
	c.get("HEAD", "/v2/mirror/library/app/manifests/v3") // so that it has signed in
	u.lists.Store(0)
	began := time.Now()
	for _, n := range []int{1, 2, 3, 5, 100} {
		if got := pages(n); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v", n, got)
		}
	}
	if n, most := u.lists.Load(), 2*int64(1+time.Since(began)/fresh); n > most { // the first is refused, until it has signed in for the list
		t.Errorf("the list was asked for %d times, at most %d are needed", n, most)
	}
	u.push(t, "library/app", "v6", blobtest.Content(1, 100))
	eventually(t, "the list has the new tag", func() bool { return slices.Contains(pages(100), "v6") })
	u.fail.Store(http.StatusInternalServerError)
	eventually(t, "the list is of what is here", func() bool { return slices.Equal(pages(100), []string{"v3"}) })
}

// TestOneDownloadServesAll has many clients want one blob, of which the upstream
// holds the end back until each has seen its beginning.
func TestOneDownloadServesAll(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	const clients = 100
	size := 100 << 20
	if raced { // which makes the copying of so many bytes take minutes
		size = 8 << 20
	}
	_, layer := u.push(t, "library/big", "v1", blobtest.Content(9, size))
	c := startCache(t, u, "")
	c.get("HEAD", "/v2/mirror/library/big/manifests/none") // so that it knows how to sign in
	gate := make(chan struct{})
	u.slow.Store(&gate)
	u.blobs.Store(0)
	var begun, over sync.WaitGroup
	begun.Add(clients)
	for range clients {
		over.Go(func() {
			r := c.Do("GET", "/v2/mirror/library/big/blobs/"+string(layer), apptest.Admin, c.Password, nil)
			_, err := io.ReadFull(r.Body, make([]byte, 100<<10))
			begun.Done()
			n, rest := io.Copy(io.Discard, r.Body)
			if err != nil || rest != nil || n != int64(size-100<<10) {
				t.Errorf("%d, %d bytes: %v, %v", r.StatusCode, n, err, rest)
			}
		})
	}
	begun.Wait()
	close(gate)
	over.Wait()
	if n := u.blobs.Load(); n != 1 {
		t.Errorf("the blob was fetched %d times", n)
	}
}

func TestWhatAnUpstreamAllowsIsShown(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	c := startCache(t, u, "")
	before := c.registry()
	c.pull("mirror/library/app", "v1")
	after := c.registry()
	const want = `"rate_limit":{"limit":100,"remaining":76,"window":21600,"time":"20`
	if strings.Contains(before, "rate_limit") || !strings.Contains(after, want) {
		t.Errorf("%s\nand after a pull\n%s", before, after)
	}
}

func TestAMirrorIsAskedByItsUpstreamsName(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, layer := u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	c := startCache(t, u, "")
	ns := "?ns=" + strings.TrimPrefix(u.front.URL, "http://")
	if r, body := c.get("GET", "/v2/library/app/manifests/v1"+ns); r.StatusCode != http.StatusOK || oci.Sum(oci.SHA256, body) != image {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if r, body := c.get("GET", "/v2/library/app/blobs/"+string(layer)+ns); r.StatusCode != http.StatusOK || len(body) != 1000 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if r, _ := c.get("GET", "/v2/library/app/manifests/v1?ns=unknown.example.org"); r.StatusCode != http.StatusNotFound {
		t.Error(r.StatusCode)
	}
	c.kept("mirror/library/app", "v1")
}

func TestWhatTheFilterOfACacheLetsPass(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	_, layer := u.push(t, "library/secret", "v1", blobtest.Content(2, 1000))
	c := startCache(t, u, `,"proxy_cache_filter_pattern":"library/a*"`)
	c.pull("mirror/library/app", "v1")
	for _, path := range []string{"manifests/v1", "blobs/" + string(layer)} {
		if r, body := c.get("GET", "/v2/mirror/library/secret/"+path); r.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "repository filter") {
			t.Errorf("%s: %d %s", path, r.StatusCode, body)
		}
	}
}

func TestACacheGoesOnWhereItsUpstreamBrokeOff(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 3<<20))
	c := startCache(t, u, "")
	u.cuts.Store(3)
	if d := c.pull("mirror/library/app", "v1"); d != image {
		t.Error(d)
	}
	c.kept("mirror/library/app", "v1")
	if n := u.blobs.Load(); n != 5 && n != 4 { // the configuration may be one of those that were to be cut
		t.Errorf("%d requests", n)
	}
}

func TestAFullCacheStillServes(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, layer := u.push(t, "library/app", "v1", blobtest.Content(1, 1<<20))
	c := startCache(t, u, "")
	if r := c.Do("PUT", "/api/v2.0/quotas/2", apptest.Admin, c.Password, strings.NewReader(`{"hard":{"storage":1000}}`), "Content-Type", "application/json"); r.StatusCode != http.StatusOK {
		t.Fatal(r.StatusCode)
	}
	for range 2 {
		if d := c.pull("mirror/library/app", "v1"); d != image {
			t.Error(d)
		}
	}
	r := c.Do("GET", "/v2/mirror/library/app/blobs/"+string(layer), apptest.Admin, c.Password, nil, "Range", "bytes=1000-1999")
	part, err := io.ReadAll(r.Body)
	if r.StatusCode != http.StatusPartialContent || !bytes.Equal(part, blobtest.Content(1, 1<<20)[1000:2000]) {
		t.Errorf("%d, %d bytes, %v", r.StatusCode, len(part), err)
	}
	if r := c.Do("GET", "/api/v2.0/projects/mirror/repositories/library%252Fapp/artifacts/v1", apptest.Admin, c.Password, nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("%d: it was kept", r.StatusCode)
	}
}

func TestACacheOfOneConnectionServesAndKeepsAll(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	var layers [][]byte
	for i := range 8 {
		layers = append(layers, blobtest.Content(uint64(i), 300<<10))
	}
	image, _ := u.push(t, "library/app", "v1", layers...)
	other, _ := u.push(t, "library/app", "v2", blobtest.Content(20, 300<<10), blobtest.Content(21, 300<<10))
	c := startCache(t, u, `,"max_upstream_conn":"1"`)
	c.get("HEAD", "/v2/mirror/library/app/manifests/v2") // which has it fetched
	if d := c.pull("mirror/library/app", "v1"); d != image {
		t.Error(d)
	}
	c.kept("mirror/library/app", string(image))
	c.kept("mirror/library/app", string(other))
	if n := u.most.Load(); n != 1 {
		t.Errorf("%d blobs were fetched at once", n)
	}
}

// stored is how many files of content the cache has, whole or not.
func (c cache) stored() (n int) {
	c.Helper()
	err := filepath.WalkDir(filepath.Join(c.Config.Data, "blobs"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		c.Fatal(err)
	}
	return n
}

func TestACacheKeepsNothingWrong(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	right := blobtest.Content(1, size)
	u := startUpstream(t)
	_, layer := u.push(t, "library/app", "v1", right)
	c := startCache(t, u, "")
	send := func(length int, parts ...[]byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(length))
			for _, p := range parts {
				_, _ = w.Write(p) // the cache may have seen enough
			}
		}
	}
	for _, lie := range []struct {
		what string
		tell http.HandlerFunc
	}{
		{"other content", send(size, make([]byte, size))},
		{"a wrong last byte", send(size, right[:size-1], []byte{right[size-1] + 1})},
		{"more content", send(size+1<<20, right, make([]byte, 1<<20))},
		{"less content", send(1<<20, right[:1<<20])},
		{"no content", send(0)},
		{"content without end", func(w http.ResponseWriter, _ *http.Request) {
			for some := make([]byte, 1<<16); ; {
				if _, err := w.Write(some); err != nil {
					return
				}
			}
		}},
		{"content that does not say its length", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(right)
		}},
	} {
		u.lie.Store(&lie.tell)
		r := c.Do("GET", "/v2/mirror/library/app/blobs/"+string(layer), apptest.Admin, c.Password, nil)
		if n, err := io.Copy(io.Discard, r.Body); err == nil && r.StatusCode == http.StatusOK {
			t.Errorf("%s: %d wrong bytes are taken for the blob", lie.what, n)
		}
		eventually(t, lie.what+" is gone", func() bool { return c.stored() == 0 })
	}
	u.lie.Store(nil)
	c.pull("mirror/library/app", "v1")
	c.kept("mirror/library/app", "v1")
	if n := c.stored(); n != 2 {
		t.Errorf("%d files are kept of two blobs", n)
	}
}

func TestACacheFetchesNoFasterThanItMay(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 300<<10))
	c := startCache(t, u, `,"proxy_speed_kb":"100"`)
	began := time.Now()
	c.pull("mirror/library/app", "v1")
	if took := time.Since(began); took < 1500*time.Millisecond { // the first 100 KB come at once
		t.Errorf("300 KB came in %s", took)
	}
}

func TestWhatACachesUpstreamHasNoMore(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	soon := func(cfg *app.Config) { cfg.CacheFresh = time.Millisecond }
	follows, holds := startCache(t, u, "", soon), startCache(t, u, `,"proxy_cache_local_on_not_found":"true"`, soon)
	for _, c := range []cache{follows, holds} {
		c.pull("mirror/library/app", "v1")
		c.kept("mirror/library/app", "v1")
	}
	if err := u.far.DeleteManifest(t.Context(), "library/app", string(image)); err != nil {
		t.Fatal(err)
	}
	for c, want := range map[cache]int{follows: http.StatusNotFound, holds: http.StatusOK} {
		for _, method := range []string{"HEAD", "GET"} {
			if r, body := c.get(method, "/v2/mirror/library/app/manifests/v1"); r.StatusCode != want {
				t.Errorf("%s: %d %s, want %d", method, r.StatusCode, body, want)
			}
		}
		c.pull("mirror/library/app", string(image)) // which stays what it is
	}
}

func TestAMissingTagIsAskedForOnceInAWhile(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	c := startCache(t, u, "", func(cfg *app.Config) { cfg.CacheFresh = time.Millisecond })
	c.pull("mirror/library/app", "v1") // so that it has signed in
	heads, manifests, began := u.heads.Load(), u.manifests.Load(), time.Now()
	for range 5 {
		for _, method := range []string{"HEAD", "GET"} {
			if r, _ := c.get(method, "/v2/mirror/library/app/manifests/v2"); r.StatusCode != http.StatusNotFound {
				t.Fatal(r.StatusCode)
			}
		}
	}
	const holds = 10 * time.Second
	if n, most := u.heads.Load()-heads, int64(1+time.Since(began)/holds); n == 0 || n > most || u.manifests.Load() != manifests {
		t.Errorf("it was asked for %d times, at most %d are needed, and fetched %d times", n, most, u.manifests.Load()-manifests)
	}
	u.push(t, "library/app", "v2", blobtest.Content(2, 1000))
	eventually(t, "the tag is there", func() bool {
		r, _ := c.get("GET", "/v2/mirror/library/app/manifests/v2")
		return r.StatusCode == http.StatusOK
	})
}

func TestACacheFetchesReferrersWhereItMay(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, layer := u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	signature := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"x/signature","config":{"mediaType":"x/none","digest":%q,"size":1000},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":500}}`,
		oci.MediaTypeImageManifest, layer, oci.MediaTypeImageManifest, image)
	digest := oci.Sum(oci.SHA256, signature)
	if err := u.far.PushManifest(t.Context(), "library/app", string(digest), oci.MediaTypeImageManifest, signature); err != nil {
		t.Fatal(err)
	}
	for metadata, want := range map[string]bool{"": false, `,"proxy_referrer_api":"true"`: true} {
		c := startCache(t, u, metadata)
		c.pull("mirror/library/app", "v1")
		c.kept("mirror/library/app", "v1")
		for range 2 {
			r, body := c.get("GET", "/v2/mirror/library/app/referrers/"+string(image))
			if r.StatusCode != http.StatusOK || strings.Contains(string(body), string(digest)) != want {
				t.Errorf("%q: %d %s", metadata, r.StatusCode, body)
			}
		}
		if !want {
			continue
		}
		u.fail.Store(http.StatusInternalServerError)
		c.pull("mirror/library/app", string(digest)) // which came with the list
		u.fail.Store(0)
	}
}

func TestRulesAboutPullsHoldInACache(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	c := startCache(t, u, `,"prevent_vul":"true","severity":"low"`)
	refused := func(when string) {
		t.Helper()
		for _, ref := range []string{"v1", string(image)} {
			for _, method := range []string{"HEAD", "GET"} {
				if r, body := c.get(method, "/v2/mirror/library/app/manifests/"+ref); r.StatusCode != http.StatusPreconditionFailed {
					t.Errorf("%s %s %s: %d %s", method, ref, when, r.StatusCode, body)
				}
			}
		}
	}
	refused("before it is kept")
	c.kept("mirror/library/app", "v1")
	refused("when it is kept, and was not examined")
	asked(t, c.Server, http.StatusOK, "PUT", "/projects/mirror", `{"metadata":{"prevent_vul":"false"}}`)
	eventually(t, "the rule is gone", func() bool {
		r, _ := c.get("GET", "/v2/mirror/library/app/manifests/v1")
		return r.StatusCode == http.StatusOK
	})
	if got := pulls(t, c.Server, 1); !slices.Equal(got, []string{"mirror/library/app:v1"}) {
		t.Errorf("recorded are %v", got)
	}
}

func TestNobodyPushesToACache(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	c := startCache(t, u, "")
	if r, body := c.get("POST", "/v2/mirror/library/app/blobs/uploads/"); r.StatusCode != http.StatusForbidden {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}
