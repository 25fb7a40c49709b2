package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/oci"
)

// says starts a policy, waits until the log of its only task says something, and
// stops it.
func (p *pair) says(policy int, want string) {
	p.t.Helper()
	execution, log := p.start(policy), ""
	eventually(p.t, "a log that says "+want, func() bool {
		list, _ := asked(p.t, p.here, 200, "GET", execution+"/tasks", "")
		var tasks []replicationTask
		if err := json.Unmarshal([]byte(list), &tasks); err != nil {
			p.t.Fatal(err)
		}
		log, _ = asked(p.t, p.here, 200, "GET", fmt.Sprintf("%s/tasks/%d/log", execution, tasks[0].ID), "")
		return strings.Contains(log, want)
	})
	asked(p.t, p.here, 200, "PUT", execution, "")
}

// TestHostileSources has a source give something else than was asked for, or no end
// of it: nothing of it is kept, and the log says what was wrong.
func TestHostileSources(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	endless := func(w http.ResponseWriter) {
		for block := make([]byte, 32<<10); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	for i, tt := range []struct {
		name, path string // of what is meddled with
		answer     func(w http.ResponseWriter, right []byte)
		want       string
	}{
		{"other bytes of a blob", "/blobs/", func(w http.ResponseWriter, right []byte) { _, _ = w.Write(bytes.ToUpper(right)) }, "digest"},
		{"more of a blob", "/blobs/", func(w http.ResponseWriter, right []byte) { _, _ = w.Write(append(bytes.Clone(right), "more"...)) }, "failed: "},
		{"an endless blob", "/blobs/", func(w http.ResponseWriter, _ []byte) { endless(w) }, "failed: "},
		{"another manifest", "/manifests/", func(w http.ResponseWriter, right []byte) {
			w.Header().Set("Docker-Content-Digest", digestOf(right))
			_, _ = w.Write(append(bytes.Clone(right), ' '))
		}, "the manifest should have the digest"},
		{"no manifest", "/manifests/", func(w http.ResponseWriter, right []byte) {
			w.Header().Set("Docker-Content-Digest", digestOf(right))
			fmt.Fprint(w, "{}")
		}, "the manifest should have the digest"},
		{"an endless manifest", "/manifests/", func(w http.ResponseWriter, _ []byte) { endless(w) }, "it has more than"},
	} {
		repository := fmt.Sprintf("bad/app%d", i)
		layer := []byte("layer of " + tt.name)
		image := p.image(p.there, repository, "v1", `{"os":"linux"}`, "", layer)
		p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
			right := image
			if strings.HasSuffix(r.URL.Path, digestOf(layer)) {
				right = layer
			} else if tt.path == "/blobs/" {
				return false
			}
			if r.Method != "GET" || !strings.Contains(r.URL.Path, tt.path) || strings.Contains(r.URL.Path, "/referrers/") {
				return false
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageManifest)
			tt.answer(w, right)
			return true
		})
		p.says(p.policy(pulling+fmt.Sprintf(`,"filters":[{"type":"name","value":%q}]`, repository)), tt.want)
		if d := p.digest(p.here, repository, "v1"); d != "" {
			t.Errorf("%s: the manifest was kept", tt.name)
		}
		if _, err := p.at[p.here].StatBlob(t.Context(), repository, oci.Digest(digestOf(layer))); err == nil && tt.path == "/blobs/" {
			t.Errorf("%s: the blob was kept", tt.name)
		}
	}
}

// TestARegistryThatDoesNotSayHowLong is left alone for a minute.
func TestARegistryThatDoesNotSayHowLong(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	p.image(p.there, "many/app", "v1", `{"os":"linux"}`, "", []byte("layer"))
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		limited := strings.Contains(r.URL.Path, "/manifests/")
		if limited {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return limited
	})
	p.says(p.policy(pulling+`,"filters":[{"type":"name","value":"many/app"}]`), "it goes on after 1m0s")
}

// TestEachBlobIsCut breaks the connection in the middle of each blob of an image,
// its config, too, in both directions.
func TestEachBlobIsCut(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	for i, direction := range []string{pushing, pulling} {
		from, to, repository := p.here, p.there, "cut/push"
		if direction == pulling {
			from, to, repository = to, from, "cut/pull"
		}
		seed := byte(10 * i)
		config := fmt.Sprintf(`{"os":"linux","pad":"%x"}`, random(1<<20, seed))
		layers := [][]byte{random(2<<20, seed+1), random(3<<20, seed+2)}
		p.image(from, repository, "v1", config, "", layers...)
		var mu sync.Mutex
		cut := map[string]bool{}
		p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
			blob := r.Method == "PATCH" || r.Method == "GET" && strings.Contains(r.URL.Path, "/blobs/sha256:")
			mu.Lock()
			first := blob && !cut[r.URL.Path]
			if first {
				cut[r.URL.Path] = true
			}
			mu.Unlock()
			switch {
			case first && r.Method == "PATCH":
				r.Body = &halved{r.Body, int(r.ContentLength / 2)}
			case first:
				panicAfter(w, from.Do("GET", r.URL.Path, apptest.Admin, from.Password, nil))
			}
			return false
		})
		_, log := p.run(p.policy(direction + fmt.Sprintf(`,"filters":[{"type":"name","value":%q}]`, repository)))
		p.wire.meddle(nil)
		if len(cut) != 3 || strings.Contains(log, "failed: ") {
			t.Errorf("%d blobs were cut: %s", len(cut), log)
		}
		p.same(from, repository, to, repository, "v1")
		for _, b := range append(layers, []byte(config)) {
			body, _, err := p.at[to].Blob(t.Context(), repository, oci.Digest(digestOf(b)), 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d of %d bytes, %v", len(got), len(b), err)
			}
			body.Close()
		}
	}
}
