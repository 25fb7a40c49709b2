package dist_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestPushAndPull(t *testing.T) {
	each(t, func(s *server) {
		manifest, _ := s.pushImage("closed/app", "v1")
		d := digest(manifest)
		for _, ref := range []string{"v1", d} {
			for _, method := range []string{"GET", "HEAD"} {
				res, body := s.want(200, method, "/v2/closed/app/manifests/"+ref, nil, nil)
				if method == "GET" && body != string(manifest) {
					s.Errorf("%s: the manifest has changed: %s", ref, body)
				}
				for k, v := range (header{"Content-Type": imageType, "Docker-Content-Digest": d, "Etag": `"` + d + `"`, "Content-Length": strconv.Itoa(len(manifest))}) {
					if res.Header.Get(k) != v {
						s.Errorf("%s %s: %s is %q, want %q", method, ref, k, res.Header.Get(k), v)
					}
				}
			}
		}
		for _, tag := range []string{d, `"` + d + `"`, `W/"` + d + `", "x"`} {
			s.want(304, "GET", "/v2/closed/app/manifests/v1", nil, header{"If-None-Match": tag})
			s.want(304, "HEAD", "/v2/closed/app/manifests/v1", nil, header{"If-None-Match": tag})
		}
		_, body := s.want(404, "GET", "/v2/closed/app/manifests/v2", nil, nil)
		wantCode(s.T, body, "MANIFEST_UNKNOWN")
		_, body = s.want(404, "GET", "/v2/closed/none/manifests/v2", nil, nil)
		wantCode(s.T, body, "NAME_UNKNOWN")
	})
}

func TestMovingATagKeepsTheOldManifest(t *testing.T) {
	each(t, func(s *server) {
		old, _ := s.pushImage("closed/app", "v1")
		fresh, _ := s.pushImage("closed/app", "v1")
		if _, body := s.want(200, "GET", "/v2/closed/app/manifests/v1", nil, nil); body != string(fresh) {
			s.Error("the tag did not move")
		}
		s.want(200, "GET", "/v2/closed/app/manifests/"+digest(old), nil, nil)
	})
}

func TestBlobRangesAndConditions(t *testing.T) {
	each(t, func(s *server) {
		content := random(10_000)
		path := "/v2/closed/app/blobs/" + s.pushBlob("closed/app", content)
		if _, body := s.want(200, "GET", path, nil, nil); body != string(content) {
			s.Error("the blob has changed")
		}
		res, body := s.want(206, "GET", path, nil, header{"Range": "bytes=100-199"})
		if body != string(content[100:200]) || res.Header.Get("Content-Range") != "bytes 100-199/10000" {
			s.Errorf("range: %d bytes, %s", len(body), res.Header.Get("Content-Range"))
		}
		s.want(206, "GET", path, nil, header{"Range": "bytes=-5"})
		s.want(416, "GET", path, nil, header{"Range": "bytes=10000-"})
		s.want(304, "GET", path, nil, header{"If-None-Match": `"` + digest(content) + `"`})
		res, _ = s.want(200, "HEAD", path, nil, nil)
		if res.Header.Get("Content-Length") != "10000" || res.Header.Get("Docker-Content-Digest") != digest(content) {
			s.Errorf("HEAD: %v", res.Header)
		}
	})
}

// A digest that another repository holds looks absent.
func TestBlobOfAnotherRepository(t *testing.T) {
	each(t, func(s *server) {
		d := s.pushBlob("closed/app", random(100))
		reader := access.Caller{Kind: access.Robot, ID: 9, Name: "robot$r", Permissions: []access.Permission{
			{Kind: "project", Namespace: "open", Access: []access.Action{{Resource: "repository", Action: "pull"}, {Resource: "repository", Action: "push"}}}}}
		for _, method := range []string{"GET", "HEAD"} {
			s.wantAs(reader, 404, method, "/v2/open/app/blobs/"+d, nil, nil)
		}
		for _, from := range []string{"", "&from=closed/app", "&from=closed/none"} {
			s.wantAs(reader, 202, "POST", "/v2/open/app/blobs/uploads/?mount="+d+from, nil, nil)
		}
		_, body := s.wantAs(reader, 400, "POST", "/v2/open/app/blobs/uploads/?digest="+d, nil, nil)
		wantCode(s.T, body, "DIGEST_INVALID")
		manifest := image(d)
		_, body = s.wantAs(reader, 404, "PUT", "/v2/open/app/manifests/v1", manifest, header{"Content-Type": imageType})
		wantCode(s.T, body, "MANIFEST_BLOB_UNKNOWN")
		s.wantAs(reader, 404, "HEAD", "/v2/open/app/blobs/"+d, nil, nil)
	})
}

func TestMount(t *testing.T) {
	each(t, func(s *server) {
		content := random(100)
		d := s.pushBlob("closed/app", content)
		for i, q := range []string{"&from=closed/app", ""} {
			repo := fmt.Sprintf("open/app%d", i)
			res, _ := s.want(201, "POST", "/v2/"+repo+"/blobs/uploads/?mount="+d+q, nil, nil)
			if got := res.Header.Get("Location"); got != "/v2/"+repo+"/blobs/"+d {
				s.Errorf("Location %q", got)
			}
			if _, body := s.want(200, "GET", "/v2/"+repo+"/blobs/"+d, nil, nil); body != string(content) {
				s.Error("the blob has changed")
			}
		}
		s.want(202, "POST", "/v2/open/app/blobs/uploads/?from=closed/app&mount="+digest([]byte("none")), nil, nil)
		// After its deletion here, it is still there.
		s.want(202, "DELETE", "/v2/closed/app/blobs/"+d, nil, nil)
		s.want(404, "HEAD", "/v2/closed/app/blobs/"+d, nil, nil)
		s.want(200, "GET", "/v2/open/app0/blobs/"+d, nil, nil)
	})
}

func TestManifestLimits(t *testing.T) {
	each(t, func(s *server) {
		config := s.pushBlob("closed/app", random(3))
		big := image(config)
		big = append(big[:len(big)-1], []byte(`,"x":"`+strings.Repeat("a", oci.MaxManifest)+`"}`)...)
		_, body := s.want(413, "PUT", "/v2/closed/app/manifests/v1", big, header{"Content-Type": imageType})
		wantCode(s.T, body, "SIZE_INVALID")
		r := httptest.NewRequestWithContext(access.With(s.Context(), admin), "PUT", "/v2/closed/app/manifests/v1", struct{ io.Reader }{bytes.NewReader(big)})
		r.ContentLength = -1
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 413 {
			s.Errorf("without a length: %d", w.Code)
		}
		for _, bad := range []string{
			"", "{", "[]", "null", `{"schemaVersion":2}`,
			`{"schemaVersion":2,"mediaType":"` + imageType + `","config":{},"layers":[],"manifests":[]}`,
			`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`, // not what Content-Type says
		} {
			_, body := s.want(400, "PUT", "/v2/closed/app/manifests/v1", []byte(bad), header{"Content-Type": imageType})
			wantCode(s.T, body, "MANIFEST_INVALID")
		}
		for _, tag := range []string{".x", "-x", strings.Repeat("a", 129), "a%20b", "a:b"} {
			res := s.do(admin, "PUT", "/v2/closed/app/manifests/"+tag, bytes.NewReader(image(config)), header{"Content-Type": imageType})
			if res.StatusCode != 400 && res.StatusCode != 404 {
				s.Errorf("tag %q: %d", tag, res.StatusCode)
			}
		}
	})
}

func TestMissingBlob(t *testing.T) {
	each(t, func(s *server) {
		config := s.pushBlob("closed/app", random(3))
		missing := digest([]byte("missing"))
		_, body := s.want(404, "PUT", "/v2/closed/app/manifests/v1", image(config, missing), header{"Content-Type": imageType})
		wantCode(s.T, body, "MANIFEST_BLOB_UNKNOWN")
		if !strings.Contains(body, missing) {
			s.Errorf("the answer does not name the blob: %s", body)
		}
		s.want(404, "GET", "/v2/closed/app/manifests/v1", nil, nil)
		foreign := strings.Replace(string(image(config, missing)), "layer.v1", "layer.nondistributable.v1", 1)
		s.want(201, "PUT", "/v2/closed/app/manifests/v1", []byte(foreign), header{"Content-Type": imageType})
	})
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := start(t, d, registry.Config{AllowMissingBlobs: true})
		s.want(201, "PUT", "/v2/closed/app/manifests/v1", image(s.pushBlob("closed/app", random(3)), digest([]byte("missing"))), header{"Content-Type": imageType})
	})
}

const indexType = "application/vnd.oci.image.index.v1+json"

func indexOf(children ...string) []byte {
	list := []any{}
	for _, c := range children {
		list = append(list, descriptor(imageType, c))
	}
	text, _ := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": list})
	return text
}

func TestIndexesAndDeletion(t *testing.T) {
	each(t, func(s *server) {
		child, layer := s.pushImage("closed/app", "v1")
		index := indexOf(digest(child), digest([]byte("absent"))) // sparse
		s.want(201, "PUT", "/v2/closed/app/manifests/all", index, header{"Content-Type": indexType})

		_, body := s.want(412, "DELETE", "/v2/closed/app/manifests/"+digest(child), nil, nil)
		wantCode(s.T, body, "DENIED")
		_, body = s.want(412, "DELETE", "/v2/closed/app/blobs/"+layer, nil, nil)
		wantCode(s.T, body, "DENIED")

		s.want(202, "DELETE", "/v2/closed/app/manifests/v1", nil, nil) // the tag
		s.want(404, "GET", "/v2/closed/app/manifests/v1", nil, nil)
		s.want(404, "DELETE", "/v2/closed/app/manifests/v1", nil, nil)
		s.want(200, "GET", "/v2/closed/app/manifests/"+digest(child), nil, nil)

		s.want(202, "DELETE", "/v2/closed/app/manifests/"+digest(index), nil, nil)
		s.want(404, "GET", "/v2/closed/app/manifests/all", nil, nil)
		s.want(404, "GET", "/v2/closed/app/manifests/"+digest(child), nil, nil) // nothing held it any more
		s.want(202, "DELETE", "/v2/closed/app/blobs/"+layer, nil, nil)
		s.want(404, "DELETE", "/v2/closed/app/blobs/"+layer, nil, nil)
		s.want(404, "DELETE", "/v2/closed/app/manifests/"+digest(child), nil, nil)
	})
}

func TestRights(t *testing.T) {
	each(t, func(s *server) {
		manifest, layer := s.pushImage("closed/app", "v1")
		s.pushImage("open/app", "v1")
		bearer := func(c access.Caller, grants ...access.Grant) access.Caller {
			c.Bearer, c.Grants = true, grants
			return c
		}
		pull := func(name string) access.Grant {
			return access.Grant{Type: "repository", Name: name, Actions: []string{"pull"}}
		}
		for _, c := range []struct {
			name         string
			caller       access.Caller
			method, path string
			status       int
		}{
			{"ping", nobody, "GET", "/v2/", 401},
			{"ping", stranger, "GET", "/v2/", 200},
			{"without credentials", nobody, "GET", "/v2/open/app/manifests/v1", 401},
			{"anonymous token", bearer(nobody, pull("open/app")), "GET", "/v2/open/app/manifests/v1", 200},
			{"anonymous token of a closed project", bearer(nobody, pull("closed/app")), "GET", "/v2/closed/app/manifests/v1", 401},
			{"public project", stranger, "GET", "/v2/open/app/manifests/v1", 200},
			{"push to a public project", stranger, "PUT", "/v2/open/app/manifests/v1", 403},
			{"closed project", stranger, "GET", "/v2/closed/app/manifests/v1", 403},
			{"project that does not exist", stranger, "GET", "/v2/none/app/manifests/v1", 403},
			{"token of another repository", bearer(admin, pull("closed/other")), "GET", "/v2/closed/app/manifests/v1", 401},
			{"token without push", bearer(admin, pull("closed/app")), "PUT", "/v2/closed/app/manifests/v1", 401},
			{"token without delete", bearer(admin, pull("closed/app")), "DELETE", "/v2/closed/app/manifests/v1", 401},
			{"catalog", stranger, "GET", "/v2/_catalog", 403},
			{"catalog", nobody, "GET", "/v2/_catalog", 401},
			{"catalog by a token for something else", bearer(admin, pull("closed/app")), "GET", "/v2/_catalog", 401},
			{"catalog by its token", bearer(admin, access.Grant{Type: "registry", Name: "catalog", Actions: []string{"*"}}), "GET", "/v2/_catalog", 200},
			{"blob", stranger, "GET", "/v2/closed/app/blobs/" + layer, 403},
			{"referrers", stranger, "GET", "/v2/closed/app/referrers/" + digest(manifest), 403},
			{"tags", stranger, "GET", "/v2/closed/app/tags/list", 403},
			{"upload", stranger, "POST", "/v2/closed/app/blobs/uploads/", 403},
			{"method", admin, "POST", "/v2/closed/app/manifests/v1", 405},
			{"nothing", nobody, "GET", "/v2/closed", 404},
		} {
			res, body := s.wantAs(c.caller, c.status, c.method, c.path, nil, nil)
			if asked := res.Header.Get("WWW-Authenticate") != ""; asked != (c.status == 401) {
				s.Errorf("%s: WWW-Authenticate %q with %d", c.name, res.Header.Get("WWW-Authenticate"), c.status)
			}
			if c.status == 401 && c.caller.Bearer && strings.Contains(c.path, "manifests") && !strings.Contains(body, "unauthorized to access repository: ") {
				s.Errorf("%s: %s", c.name, body)
			}
		}
		res, _ := s.wantAs(nobody, 401, "POST", "/v2/open/app/blobs/uploads/?mount="+layer+"&from=closed/app", nil, nil)
		if got := res.Header.Get("WWW-Authenticate"); got != `Bearer scope="repository:open/app:pull,push repository:closed/app:pull"` {
			s.Errorf("challenge of a mount: %s", got)
		}
	})
}

// Twenty clients push the same image under the same tag at once: all succeed,
// and what is there is whole.
func TestConcurrentPushes(t *testing.T) {
	each(t, func(s *server) {
		layers := [][]byte{random(1000), random(1000)}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for _, l := range layers {
					res := s.do(admin, "POST", "/v2/closed/app/blobs/uploads/?digest="+digest(l), bytes.NewReader(l), nil)
					if res.StatusCode != 201 {
						s.Errorf("blob: %d", res.StatusCode)
					}
				}
				manifest := image(digest(layers[0]), digest(layers[1]))
				res := s.do(admin, "PUT", "/v2/closed/app/manifests/v1", bytes.NewReader(manifest), header{"Content-Type": imageType})
				if res.StatusCode != 201 {
					s.Errorf("manifest: %d", res.StatusCode)
				}
			})
		}
		wg.Wait()
		for _, l := range layers {
			if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+digest(l), nil, nil); body != string(l) {
				s.Error("a blob has changed")
			}
		}
		var artifacts, repositories int
		err := s.database.QueryRow(s.Context(), `SELECT artifact_count, repo_count FROM repository r JOIN project p ON p.id = r.project_id WHERE r.name = ?`, "closed/app").Scan(&artifacts, &repositories)
		if err != nil || artifacts != 1 || repositories != 1 {
			s.Errorf("%d artifacts, %d repositories, %v", artifacts, repositories, err)
		}
	})
}

// Pulls are written a moment later, with their times and counts.
func TestPullsAreRecorded(t *testing.T) {
	each(t, func(s *server) {
		s.pushImage("closed/app", "v1")
		s.want(200, "GET", "/v2/closed/app/manifests/v1", nil, nil)
		s.want(200, "HEAD", "/v2/closed/app/manifests/v1", nil, nil) // is none
		var pulls, artifactTime, tagTime int64
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			err := s.database.QueryRow(s.Context(), `SELECT r.pull_count, a.pulled, t.pulled FROM repository r JOIN tag t ON t.repository_id = r.id
				JOIN artifact a ON a.id = t.artifact_id WHERE r.name = ?`, "closed/app").Scan(&pulls, &artifactTime, &tagTime)
			if err != nil {
				s.Fatal(err)
			}
			if pulls > 0 || time.Now().After(deadline) {
				break
			}
		}
		if pulls != 1 || artifactTime == 0 || tagTime == 0 {
			s.Errorf("%d pulls at %d and %d", pulls, artifactTime, tagTime)
		}
	})
}

// TestNobodyPushesToACache, whatever they may do elsewhere. What they may not even
// see looks as it always does.
func TestNobodyPushesToACache(t *testing.T) {
	each(t, func(s *server) {
		empty := httptest.NewServer(http.NotFoundHandler())
		defer empty.Close()
		err := s.database.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO endpoint (id, name, kind, url, sealed, healthy, created, updated, checked) VALUES (1, 'empty', 'docker-registry', ?, ?, ?, 0, 0, 0)`, empty.URL, []byte{}, true)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		id, err := s.projects.Create(access.With(t.Context(), admin), project.NewProject{Name: "cache", Upstream: 1, Metadata: map[string]string{"proxy_cache_local_on_not_found": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		manifest, layer := s.pushImage("closed/app", "v1")
		for _, request := range []string{
			"PUT /v2/cache/app/manifests/v1", "PUT /v2/cache/app/manifests/" + digest(manifest), "PUT /v2/cache/app/manifests/no.", "POST /v2/cache/app/blobs/uploads/", "POST /v2/cache/app/blobs/uploads/?digest=" + digest(manifest),
			"POST /v2/cache/app/blobs/uploads/?mount=" + layer + "&from=closed/app", "POST /v2/cache/app/blobs/uploads/?mount=" + layer,
			"PATCH /v2/cache/app/blobs/uploads/1", "PUT /v2/cache/app/blobs/uploads/1?digest=" + layer, "GET /v2/cache/app/blobs/uploads/1", "DELETE /v2/cache/app/blobs/uploads/1",
		} {
			method, path, _ := strings.Cut(request, " ")
			_, body := s.want(403, method, path, manifest, header{"Content-Type": imageType})
			if wantCode(s.T, body, "DENIED"); !strings.Contains(body, "the project is a cache of a registry and takes no pushes") {
				s.Errorf("%s: %s", request, body)
			}
			if _, body := s.wantAs(stranger, 403, method, path, manifest, nil); !strings.Contains(body, "unauthorized to access repository") {
				s.Errorf("%s of a stranger: %s", request, body)
			}
			s.wantAs(nobody, 401, method, path, manifest, nil)
		}
		if n := s.uploads(); n != 0 {
			s.Errorf("%d uploads have begun", n)
		}
		s.want(404, "GET", "/v2/cache/app/manifests/v1", nil, nil)
		s.want(404, "HEAD", "/v2/cache/app/blobs/"+layer, nil, nil)

		// What came there otherwise is served, mounted elsewhere, and deleted.
		ctx, repo := access.With(t.Context(), admin), artifact.Repo{ProjectID: id, Name: "cache/app"}
		if _, err := s.registry.Copy(ctx, artifact.Repo{ProjectID: 2, Name: "closed/app"}, oci.Reference{Tag: "v1"}, repo); err != nil {
			t.Fatal(err)
		}
		s.want(200, "GET", "/v2/cache/app/manifests/v1", nil, nil)
		s.want(200, "HEAD", "/v2/cache/app/blobs/"+layer, nil, nil)
		s.want(201, "POST", "/v2/open/app/blobs/uploads/?mount="+layer+"&from=cache/app", nil, nil)
		s.want(202, "DELETE", "/v2/cache/app/manifests/"+digest(manifest), nil, nil)
		s.want(404, "GET", "/v2/cache/app/manifests/v1", nil, nil)
	})
}

// TestWhatAMirrorHasNoCacheOfIsNotHere asks for images of another registry whose
// names are taken here.
func TestWhatAMirrorHasNoCacheOfIsNotHere(t *testing.T) {
	each(t, func(s *server) {
		s.pushImage("open/app", "v1")
		for host, status := range map[string]int{
			"docker.io": http.StatusNotFound, "example.org:443": http.StatusNotFound, "": http.StatusOK,
			"example.com": http.StatusOK, "EXAMPLE.com": http.StatusOK, // what the requests of tests are sent to
		} {
			for _, method := range []string{"GET", "HEAD"} {
				s.want(status, method, "/v2/open/app/manifests/v1?ns="+host, nil, nil)
			}
		}
	})
}
