package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/oci"
)

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

	// It refuses everything.
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	execution = p.start(p.policy(pulling + `,"filters":[{"type":"name","value":"slow/{app,none}"}]`))
	tasks, log := p.end(execution, "Failed")
	if len(tasks) != 2 || strings.Count(log, "403") < 2 {
		t.Errorf("%+v: %s", tasks, log)
	}
	asked(t, p.here, 200, "PUT", execution, "") // which is over
	p.end(execution, "Failed")

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
	_, log = p.run(p.policy(pushing + filters))
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
	_, log = p.end(p.start(p.policy(pushing+`,"filters":[{"type":"name","value":"slow/app"},{"type":"tag","value":"v2"}]`)), "Failed")
	if !strings.Contains(log, "slow/app:v2: failed: the registry refuses it: ") {
		t.Errorf("log %s", log)
	}
	if strings.Contains(log, "it is tried again") {
		t.Error(log)
	}
}

// TestDestinationsThatRefuse copies to a project that is a cache, and to tags that
// may not move.
func TestDestinationsThatRefuse(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	p.image(p.there, "from/app", "v1", `{"os":"linux"}`, "", []byte("one"))
	asked(t, p.here, 201, "POST", "/projects", `{"project_name":"mirror","registry_id":1}`)
	p.wire.forget()
	_, log := p.end(p.start(p.policy(pulling+`,"dest_namespace":"mirror","filters":[{"type":"name","value":"from/app"}]`)), "Failed")
	if !strings.Contains(log, "repository mirror/app of the destination: the project is a cache of a registry and takes no pushes") || p.wire.sent() != 0 {
		t.Errorf("%d blobs were sent: %s", p.wire.sent(), log)
	}
	if text, _ := asked(t, p.here, 200, "GET", "/projects/mirror/repositories", ""); strings.TrimSpace(text) != "[]" {
		t.Error(text)
	}

	for _, tag := range []string{"frozen", "v2"} {
		p.image(p.there, "keep/app", tag, `{"os":"linux"}`, "", []byte(tag))
	}
	asked(t, p.here, 201, "POST", "/projects", `{"project_name":"keep"}`)
	asked(t, p.here, 201, "POST", "/projects/keep/immutabletagrules", `{"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"frozen"}],"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]}}`)
	policy := p.policy(pulling + `,"filters":[{"type":"name","value":"keep/app"}]`)
	p.run(policy)
	p.same(p.there, "keep/app", p.here, "keep/app", "frozen", "v2")
	frozen := p.digest(p.here, "keep/app", "frozen")
	for _, tag := range []string{"frozen", "v2"} {
		p.image(p.there, "keep/app", tag, `{"os":"linux"}`, "", []byte("another "+tag))
	}
	tasks, log := p.end(p.start(policy), "Failed")
	p.same(p.there, "keep/app", p.here, "keep/app", "v2")
	if d := p.digest(p.here, "keep/app", "frozen"); d != frozen {
		t.Errorf("the immutable tag is %s by now", d)
	}
	if f := tasks[0].Failures; len(f) != 1 || f[0].Artifact != "keep/app:frozen" || !strings.Contains(f[0].Cause, "immutable") || !strings.HasPrefix(tasks[0].Text, "1 of 2 artifacts could not be copied") {
		t.Errorf("the task says %+v", tasks[0])
	}
	if strings.Count(log, "keep/app:frozen: failed: ") != 1 || !strings.Contains(log, "immutable") || !strings.Contains(log, "keep/app:v2: copied") || !strings.Contains(tasks[0].Source, "[2 item(s) in total]") {
		t.Errorf("%+v: %s", tasks, log)
	}
	if strings.Contains(log, "it is tried again") {
		t.Error(log)
	}
}

// TestWhatIsGoneMeanwhile has a tag, an artifact and a registry deleted while a
// policy runs that is about them.
func TestWhatIsGoneMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	p.image(p.there, "gone/app", "v1", `{"os":"linux"}`, "", []byte("one"))
	p.image(p.there, "gone/app", "v2", `{"os":"linux"}`, "", []byte("two"))
	var once sync.Once
	p.wire.meddle(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/gone/app/manifests/v2") {
			once.Do(func() {
				if err := p.at[p.there].DeleteTag(t.Context(), "gone/app", "v2"); err != nil {
					t.Error(err)
				}
			})
		}
		return false
	})
	tasks, log := p.run(p.policy(pulling + `,"filters":[{"type":"name","value":"gone/app"}]`))
	p.same(p.there, "gone/app", p.here, "gone/app", "v1")
	if !strings.Contains(log, "gone/app:v2: is not there any more") || !strings.Contains(tasks[0].Source, "[1 item(s) in total]") {
		t.Errorf("%+v: %s", tasks, log)
	}

	// An artifact without a tag, of which is asked whether what it refers to is wanted.
	entered, release := p.hold("PUT", "/lost/app/manifests/v1")
	policy := p.policy(pushing + `,"trigger":{"type":"event_based"},"filters":[{"type":"name","value":"lost/app"},{"type":"tag","value":"v*"}]`)
	p.image(p.here, "lost/app", "v1", `{"os":"linux"}`, "", []byte("first"))
	<-entered
	lost := p.image(p.here, "lost/app", "", `{"os":"linux"}`, "", []byte("lost"))
	var executions []struct{ ID int64 }
	eventually(t, "both executions", func() bool {
		text, _ := asked(t, p.here, 200, "GET", fmt.Sprintf("/replication/executions?policy_id=%d", policy), "")
		if err := json.Unmarshal([]byte(text), &executions); err != nil {
			t.Fatal(text, err)
		}
		return len(executions) == 2
	})
	asked(t, p.here, 200, "DELETE", "/projects/lost/repositories/app/artifacts/"+digestOf(lost), "")
	release()
	log = ""
	for _, e := range executions {
		_, some := p.end(fmt.Sprintf("/replication/executions/%d", e.ID), "Succeed")
		log += some
	}
	if !strings.Contains(log, "lost/app@"+digestOf(lost)+": is not there any more") || !strings.Contains(log, "lost/app:v1: copied") {
		t.Error(log)
	}

	// The registry itself, which the policy names no more.
	p.image(p.there, "late/app", "v1", `{"os":"linux"}`, "", []byte("late"))
	entered, release = p.hold("GET", "/late/app/manifests/")
	fields := `,"filters":[{"type":"name","value":"late/app"}]`
	late := p.policy(pulling + fields)
	execution := p.start(late)
	<-entered
	asked(t, p.here, 412, "DELETE", "/registries/1", "")
	asked(t, p.here, 201, "POST", "/registries", fmt.Sprintf(`{"name":"other","type":"harbor","url":%q}`, p.wire.URL))
	for i := 1; i < late; i++ {
		asked(t, p.here, 200, "DELETE", fmt.Sprintf("/replication/policies/%d", i), "")
	}
	asked(t, p.here, 200, "PUT", fmt.Sprintf("/replication/policies/%d", late), `{"name":"late","src_registry":{"id":2},"enabled":true,"override":true`+fields+`}`)
	asked(t, p.here, 200, "DELETE", "/registries/1", "")
	release()
	if _, log := p.end(execution, "Succeed"); strings.Count(log, "late/app:v1: copied") != 1 {
		t.Error(log)
	}
	p.same(p.there, "late/app", p.here, "late/app", "v1")
}

// TestListsOfReferrersAreMended breaks off a copy to a registry that keeps no such
// lists, right before the list would be written.
func TestListsOfReferrersAreMended(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	asked(t, p.there, 201, "POST", "/projects", `{"project_name":"old"}`)
	image := p.image(p.here, "old/app", "v1", `{"os":"linux"}`, "", []byte("app"))
	signature := p.image(p.here, "old/app", "", `{}`, `,"artifactType":"x/sign","subject":`+descriptor(oci.MediaTypeImageManifest, image, ""), []byte("signature"))
	list := strings.Replace(digestOf(image), ":", "-", 1)
	var broken atomic.Bool
	broken.Store(true)
	p.wire.change(func(r *http.Response) { r.Header.Del("OCI-Subject") })
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/referrers/"):
			w.WriteHeader(http.StatusNotFound)
		case broken.Load() && r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/manifests/"+list):
			w.WriteHeader(http.StatusBadRequest)
		default:
			return false
		}
		return true
	})
	policy := p.policy(pushing + `,"filters":[{"type":"name","value":"old/app"},{"type":"tag","value":"v1"}]`)
	p.end(p.start(policy), "Failed")
	p.same(p.here, "old/app", p.there, "old/app", digestOf(signature))
	if d := p.digest(p.there, "old/app", "v1"); d != "" {
		t.Errorf("%s can be seen without its signature", d)
	}
	broken.Store(false)
	for range 2 {
		p.run(policy)
		m, err := p.at[p.there].Manifest(t.Context(), "old/app", list)
		if err != nil || strings.Count(string(m.Body), digestOf(signature)) != 1 {
			t.Errorf("%s, %v", m.Body, err)
		}
	}
	p.same(p.here, "old/app", p.there, "old/app", "v1")
	p.wire.forget()
	p.run(policy)
	if p.wire.has("PUT ") {
		t.Errorf("what is there was written again: %q", p.wire.seen)
	}
}

// TestAbsencesAreOutlasted has the other registry be away for some seconds in the
// middle of a blob: that goes on where it was.
func TestAbsencesAreOutlasted(t *testing.T) {
	t.Parallel()
	const size, cut, again, away = 16 << 20, 8 << 20, 1 << 20, 2500 * time.Millisecond
	for i, direction := range []string{pushing, pulling} {
		t.Run([]string{"push", "pull"}[i], func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "harbor")
			from, to := p.here, p.there
			if direction == pulling {
				from, to = to, from
			}
			big := random(size, byte(i))
			p.image(from, "away/app", "v1", `{"os":"linux"}`, "", big, []byte("small"))
			var (
				mu    sync.Mutex
				cuts  int
				until time.Time // it is away
				bytes atomic.Int64
			)
			p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
				blob := r.Method == "PATCH" || r.Method == "GET" && strings.HasSuffix(r.URL.Path, digestOf(big))
				mu.Lock()
				gone := time.Now().Before(until)
				first := blob && cuts == 0
				if blob {
					cuts++
				}
				mu.Unlock()
				leave := func() {
					mu.Lock()
					defer mu.Unlock()
					until = time.Now().Add(away)
				}
				switch {
				case gone:
					panic(http.ErrAbortHandler)
				case !blob:
				case r.Method == "PATCH":
					r.Body = &counted{ReadCloser: r.Body, n: &bytes}
					if first {
						r.Body = &leaving{&halved{r.Body, cut}, leave}
					}
				case first:
					answer := from.Do("GET", r.URL.Path, apptest.Admin, from.Password, nil)
					bytes.Add(cut)
					defer leave()
					panicAfter(w, answer)
				default:
					var offset int64
					if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &offset); err != nil {
						t.Errorf("range %q: %v", r.Header.Get("Range"), err)
					}
					bytes.Add(size - offset)
				}
				return false
			})
			_, log := p.run(p.policy(direction + `,"filters":[{"type":"name","value":"away/app"}]`))
			p.wire.meddle(nil)
			p.same(from, "away/app", to, "away/app", "v1")
			if n := bytes.Load(); n < size || n > size+again {
				t.Errorf("%d of %d bytes were sent: %s", n, size, log)
			}
		})
	}
}

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// leaving calls something once it breaks.
type leaving struct {
	io.ReadCloser
	leave func()
}

// Read implements io.Reader.
func (l *leaving) Read(b []byte) (int, error) {
	n, err := l.ReadCloser.Read(b)
	if err != nil {
		l.leave()
	}
	return n, err
}
