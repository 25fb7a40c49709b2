package dist_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/serve/dist"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A server is the whole data plane over a real database and real files. Who is
// calling is said by each test, since finding that out is serve/auth's.
type server struct {
	*testing.T
	http.Handler
	database *db.DB
	registry *registry.Service
	projects *project.Service
	folder   string // of the blobs
}

var (
	admin    = access.Caller{Kind: access.User, ID: 1, Name: "admin", Admin: true}
	stranger = access.Caller{Kind: access.User, ID: 2, Name: "stranger"}
	nobody   = access.Caller{}
)

func start(t *testing.T, d *db.DB, cfg registry.Config) *server {
	t.Helper()
	folder := t.TempDir()
	bytes, err := disk.New(folder)
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		for id, name := range []string{"", "admin", "stranger"} {
			if name == "" {
				continue
			}
			_, err := tx.Exec(`INSERT INTO account (id, name, realname, comment, password, admin, deleted, created, updated)
				VALUES (?, ?, '', '', '', ?, ?, 0, 0)`, id, name, name == "admin", false)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	artifacts := sqlstore.NewArtifacts(d)
	pulls := registry.NewPulls(artifacts, nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pulls.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })

	projects := project.New(sqlstore.NewProjects(d), nil, nil, nil, new(access.Epoch)) // no members are added by name
	for _, p := range []project.NewProject{{Name: "open", Public: true}, {Name: "closed"}} {
		if _, err := projects.Create(access.With(t.Context(), admin), p); err != nil {
			t.Fatal(err)
		}
	}
	reg := registry.New(cfg, artifacts, sqlstore.NewBlobs(d), bytes, pulls)
	challenge := func(_ *http.Request, scopes ...string) string {
		return `Bearer scope="` + strings.Join(scopes, " ") + `"`
	}
	return &server{T: t, Handler: dist.New(reg, projects, challenge), database: d, registry: reg, projects: projects, folder: folder}
}

// each runs a test on SQLite, and on PostgreSQL where there is one.
func each(t *testing.T, f func(s *server)) {
	storetest.Each(t, func(t *testing.T, d *db.DB) { f(start(t, d, registry.Config{})) })
}

type header map[string]string

func (s *server) do(c access.Caller, method, path string, body io.Reader, h header) *http.Response {
	s.Helper()
	r := httptest.NewRequestWithContext(access.With(s.Context(), c), method, path, body)
	for k, v := range h {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

// want is do by the administrator with the status that must come of it, and
// returns the answer's body.
func (s *server) want(status int, method, path string, body []byte, h header) (*http.Response, string) {
	s.Helper()
	return s.wantAs(admin, status, method, path, body, h)
}

func (s *server) wantAs(c access.Caller, status int, method, path string, body []byte, h header) (*http.Response, string) {
	s.Helper()
	res := s.do(c, method, path, bytes.NewReader(body), h)
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	if res.StatusCode != status {
		s.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, status, text)
	}
	return res, string(text)
}

func wantCode(t *testing.T, body, code string) {
	t.Helper()
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || len(e.Errors) != 1 || e.Errors[0].Code != code || e.Errors[0].Message == "" {
		t.Fatalf("want one error %s with a message, got %s (%v)", code, body, err)
	}
}

// uploads counts the uploads that have bytes.
func (s *server) uploads() int {
	s.Helper()
	files, err := os.ReadDir(filepath.Join(s.folder, "uploads"))
	if err != nil {
		s.Fatal(err)
	}
	return len(files)
}

func digest(b []byte) string { return string(oci.Sum(oci.SHA256, b)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (s *server) pushBlob(repo string, content []byte) string {
	s.Helper()
	d := digest(content)
	s.want(201, "POST", "/v2/"+repo+"/blobs/uploads/?digest="+d, content, nil)
	return d
}

func (s *server) begin(repo string) string {
	s.Helper()
	res, _ := s.want(202, "POST", "/v2/"+repo+"/blobs/uploads/", nil, nil)
	return res.Header.Get("Location")
}

const imageType = "application/vnd.oci.image.manifest.v1+json"

// image returns an image manifest of one config and some layers.
func image(config string, layers ...string) []byte {
	m := map[string]any{"schemaVersion": 2, "mediaType": imageType, "config": descriptor("application/vnd.oci.image.config.v1+json", config)}
	list := []any{}
	for _, l := range layers {
		list = append(list, descriptor("application/vnd.oci.image.layer.v1.tar+gzip", l))
	}
	m["layers"] = list
	text, _ := json.Marshal(m)
	return text
}

func descriptor(mediaType, digest string) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest, "size": 3}
}

func (s *server) pushImage(repo, tag string) (manifest []byte, layer string) {
	s.Helper()
	layer = s.pushBlob(repo, random(3))
	manifest = image(s.pushBlob(repo, random(3)), layer)
	s.want(201, "PUT", "/v2/"+repo+"/manifests/"+tag, manifest, header{"Content-Type": imageType})
	return manifest, layer
}

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

func TestChunkedUploadResumes(t *testing.T) {
	each(t, func(s *server) {
		content := random(300_000)
		at := s.begin("closed/app")
		res, _ := s.want(202, "PATCH", at, content[:100_000], header{"Content-Range": "0-99999"})
		if res.Header.Get("Range") != "0-99999" {
			s.Fatalf("Range %q", res.Header.Get("Range"))
		}
		res, body := s.want(416, "PATCH", at, content[:5], header{"Content-Range": "7-11"})
		wantCode(s.T, body, "BLOB_UPLOAD_INVALID")
		if res.Header.Get("Range") != "0-99999" || res.Header.Get("Location") != at {
			s.Errorf("a refused chunk must say where to go on: %v", res.Header)
		}
		res, _ = s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-99999" {
			s.Errorf("status: %q", res.Header.Get("Range"))
		}
		res, _ = s.want(416, "PUT", at+"?digest="+digest(content), content[:5], header{"Content-Range": "7-11"})
		if res.Header.Get("Range") != "0-99999" || res.Header.Get("Location") != at {
			s.Errorf("a refused last chunk must say where to go on: %v", res.Header)
		}
		s.want(202, "PATCH", at, content[100_000:200_000], nil)
		d := digest(content)
		res, _ = s.want(201, "PUT", at+"?digest="+d, content[200_000:], nil)
		if got := res.Header.Get("Location"); got != "/v2/closed/app/blobs/"+d {
			s.Errorf("Location %q", got)
		}
		if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+d, nil, nil); body != string(content) {
			s.Error("the blob has changed")
		}
		s.want(404, "GET", at, nil, nil)
	})
}

// What arrived before a client went away is kept, and it may go on from there.
func TestBrokenChunkIsKept(t *testing.T) {
	each(t, func(s *server) {
		content := random(1000)
		at := s.begin("closed/app")
		broken := io.MultiReader(bytes.NewReader(content[:600]), failing{})
		res := s.do(admin, "PATCH", at, broken, nil)
		if res.StatusCode != 400 {
			s.Fatalf("status %d", res.StatusCode)
		}
		res, _ = s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-599" {
			s.Fatalf("Range %q", res.Header.Get("Range"))
		}
		s.want(201, "PUT", at+"?digest="+digest(content), content[600:], header{"Content-Range": "600-999"})
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestLyingLengthsAndRanges(t *testing.T) {
	each(t, func(s *server) {
		at := s.begin("closed/app")
		for text, code := range map[string]string{
			"0-9":                    "SIZE_INVALID", // of five bytes
			"5-1":                    "BLOB_UPLOAD_INVALID",
			"x":                      "BLOB_UPLOAD_INVALID",
			"-1-3":                   "BLOB_UPLOAD_INVALID",
			"0-99999999999999999999": "BLOB_UPLOAD_INVALID",
			"bytes 0-9/10":           "SIZE_INVALID",
			"9223372036854775806-9223372036854775807": "BLOB_UPLOAD_INVALID",
		} {
			_, body := s.want(400, "PATCH", at, []byte("abcde"), header{"Content-Range": text})
			wantCode(s.T, body, code)
		}
		// A length that is longer than the body, without a range.
		r := httptest.NewRequestWithContext(access.With(s.Context(), admin), "PATCH", at, struct{ io.Reader }{strings.NewReader("abc")})
		r.ContentLength = 10
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 400 {
			s.Errorf("short body: %d", w.Code)
		}
		wantCode(s.T, w.Body.String(), "SIZE_INVALID")
		s.want(201, "PUT", at+"?digest="+digest([]byte("abcdef")), []byte("def"), header{"Content-Range": "3-5"})
	})
}

func TestWrongDigestKeepsTheUpload(t *testing.T) {
	each(t, func(s *server) {
		content := random(100)
		at := s.begin("closed/app")
		s.want(202, "PATCH", at, content[:50], nil)
		_, body := s.want(400, "PUT", at+"?digest="+digest([]byte("other")), content[50:], nil)
		wantCode(s.T, body, "DIGEST_INVALID")
		for _, d := range []string{"", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("A", 64), "sha256:../../etc"} {
			_, body := s.want(400, "PUT", at+"?digest="+d, nil, nil)
			wantCode(s.T, body, "DIGEST_INVALID")
		}
		s.want(404, "GET", "/v2/closed/app/blobs/"+digest([]byte("other")), nil, nil)
		s.want(201, "PUT", at+"?digest="+digest(content), content[50:], nil)
		_, body = s.want(400, "POST", "/v2/closed/app/blobs/uploads/?digest="+digest([]byte("other")), content, nil)
		wantCode(s.T, body, "DIGEST_INVALID")
	})
}

func TestSHA512(t *testing.T) {
	each(t, func(s *server) {
		content := random(1000)
		d := string(oci.Sum(oci.SHA512, content))
		for _, how := range []func(){
			func() { s.want(201, "POST", "/v2/closed/app/blobs/uploads/?digest="+d, content, nil) },
			func() { s.want(201, "PUT", s.begin("closed/app")+"?digest="+d, content, nil) },
			func() { // the algorithm is not known before the end
				at := s.begin("closed/app")
				s.want(202, "PATCH", at, content[:500], nil)
				s.want(201, "PUT", at+"?digest="+d, content[500:], nil)
			},
			func() {
				res, _ := s.want(202, "POST", "/v2/closed/app/blobs/uploads/?digest-algorithm=sha512", nil, nil)
				at := res.Header.Get("Location")
				s.want(202, "PATCH", at, content[:500], nil)
				s.want(201, "PUT", at+"?digest="+d, content[500:], nil)
			},
		} {
			how()
			if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+d, nil, nil); body != string(content) {
				s.Error("the blob has changed")
			}
			s.want(202, "DELETE", "/v2/closed/app/blobs/"+d, nil, nil)
		}
		at := s.begin("closed/app")
		s.want(202, "PATCH", at, content, nil)
		_, body := s.want(400, "PUT", at+"?digest="+string(oci.Sum(oci.SHA512, []byte("other"))), nil, nil)
		wantCode(s.T, body, "DIGEST_INVALID")
		manifest := image(s.pushBlob("closed/app", random(3)))
		md := string(oci.Sum(oci.SHA512, manifest))
		s.want(201, "PUT", "/v2/closed/app/manifests/"+md, manifest, header{"Content-Type": imageType})
		s.want(200, "GET", "/v2/closed/app/manifests/"+md, nil, nil)
		_, body = s.want(400, "PUT", "/v2/closed/app/manifests/"+d, manifest, header{"Content-Type": imageType})
		wantCode(s.T, body, "DIGEST_INVALID")
	})
}

// An upload belongs to one repository and one principal: to all others it does
// not exist.
func TestUploadOfSomebodyElse(t *testing.T) {
	each(t, func(s *server) {
		other := access.Caller{Kind: access.User, ID: 7, Name: "other", Admin: true}
		at := s.begin("closed/app")
		elsewhere := strings.Replace(at, "closed/app", "open/app", 1)
		for _, method := range []string{"GET", "HEAD", "PATCH", "PUT", "DELETE"} {
			q := ""
			if method == "PUT" {
				q = "?digest=" + digest([]byte("x"))
			}
			if _, body := s.want(404, method, elsewhere+q, []byte("x"), nil); method != "HEAD" {
				wantCode(s.T, body, "BLOB_UPLOAD_UNKNOWN")
			}
			s.wantAs(other, 404, method, at+q, []byte("x"), nil)
		}
		res, _ := s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-0" {
			s.Errorf("somebody else wrote to the upload: %s", res.Header.Get("Range"))
		}
		for _, id := range []string{"x", "..", "%2e%2e", "00000000-0000-0000-0000-000000000000"} {
			s.want(404, "PATCH", "/v2/closed/app/blobs/uploads/"+id, []byte("x"), nil)
		}
		s.want(204, "DELETE", at, nil, nil)
		s.want(404, "GET", at, nil, nil)
		s.want(404, "DELETE", at, nil, nil)
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

func TestTagParameters(t *testing.T) {
	each(t, func(s *server) {
		manifest := image(s.pushBlob("closed/app", random(3)))
		res, _ := s.want(201, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?tag=a&tag=b", manifest, header{"Content-Type": imageType})
		if got := res.Header.Values("OCI-Tag"); strings.Join(got, ",") != "a,b" {
			s.Errorf("OCI-Tag %v", got)
		}
		s.want(200, "GET", "/v2/closed/app/manifests/a", nil, nil)
		s.want(200, "GET", "/v2/closed/app/manifests/b", nil, nil)
		s.want(400, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?tag=c&tag=.", manifest, header{"Content-Type": imageType})
		s.want(404, "GET", "/v2/closed/app/manifests/c", nil, nil)
		s.want(400, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?"+strings.Repeat("tag=x&", 101), manifest, header{"Content-Type": imageType})
	})
}

func TestListsArePaged(t *testing.T) {
	each(t, func(s *server) {
		manifest, _ := s.pushImage("closed/app", "v0")
		want := []string{"v0"}
		for i := 1; i < 25; i++ {
			tag := "v" + strconv.Itoa(i)
			s.want(201, "PUT", "/v2/closed/app/manifests/"+tag, manifest, header{"Content-Type": imageType})
			want = append(want, tag)
		}
		var got []string
		pages := 0
		for path := "/v2/closed/app/tags/list?n=10"; path != ""; pages++ {
			res, body := s.want(200, "GET", path, nil, nil)
			var list struct{ Tags []string }
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				s.Fatal(err)
			}
			got = append(got, list.Tags...)
			path = next(res)
		}
		if pages != 3 || len(got) != len(want) || !ordered(got) {
			s.Errorf("%d pages: %v", pages, got)
		}
		for n, status := range map[string]int{"0": 200, "1000000000": 200, "18446744073709551615": 200, "-1": 400, "x": 400, "99999999999999999999": 400} {
			s.want(status, "GET", "/v2/closed/app/tags/list?n="+n, nil, nil)
		}
		_, body := s.want(200, "GET", "/v2/closed/app/tags/list?n=0", nil, nil)
		if body != `{"name":"closed/app","tags":[]}` {
			s.Errorf("n=0: %s", body)
		}
		s.pushImage("open/b", "v1")
		s.pushBlob("open/empty", random(3))
		res, body := s.want(200, "GET", "/v2/_catalog?n=1", nil, nil)
		if body != `{"repositories":["closed/app"]}` {
			s.Errorf("catalog: %s", body)
		}
		_, body = s.want(200, "GET", next(res), nil, nil)
		if body != `{"repositories":["open/b"]}` {
			s.Errorf("catalog: %s", body)
		}
		_, body = s.want(404, "GET", "/v2/closed/none/tags/list", nil, nil)
		wantCode(s.T, body, "NAME_UNKNOWN")
	})
}

func next(res *http.Response) string {
	link, _, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
	return link
}

func ordered(names []string) bool {
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			return false
		}
	}
	return true
}

func TestReferrers(t *testing.T) {
	each(t, func(s *server) {
		subject, _ := s.pushImage("closed/app", "v1")
		config := s.pushBlob("closed/app", []byte("{}"))
		refer := func(artifactType string, extra int) string {
			m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"n":"%d"}}`,
				imageType, artifactType, config, imageType, digest(subject), extra)
			res, _ := s.want(201, "PUT", "/v2/closed/app/manifests/"+digest([]byte(m)), []byte(m), header{"Content-Type": imageType})
			if res.Header.Get("OCI-Subject") != digest(subject) {
				s.Errorf("OCI-Subject %q", res.Header.Get("OCI-Subject"))
			}
			return digest([]byte(m))
		}
		sbom := refer("example/sbom", 1)
		refer("example/signature", 2)
		path := "/v2/closed/app/referrers/" + digest(subject)
		if list := referrersOf(s, path); len(list) != 2 || list[0].Annotations["n"] != "1" || list[0].ArtifactType != "example/sbom" {
			s.Errorf("%+v", list)
		}
		res, _ := s.want(200, "GET", path+"?artifactType=example/sbom", nil, nil)
		if res.Header.Get("OCI-Filters-Applied") != "artifactType" || res.Header.Get("Content-Type") != indexType {
			s.Errorf("%v", res.Header)
		}
		if list := referrersOf(s, path+"?artifactType=example/sbom"); len(list) != 1 || string(list[0].Digest) != sbom {
			s.Errorf("%+v", list)
		}
		if list := referrersOf(s, "/v2/closed/app/referrers/"+digest([]byte("none"))); len(list) != 0 {
			s.Errorf("%+v", list)
		}
		s.want(400, "GET", "/v2/closed/app/referrers/latest", nil, nil)
		// A client that knows no referrers lists them in an index with the
		// fallback tag: those with a subject are found by their own.
		s.want(201, "PUT", "/v2/closed/app/manifests/"+strings.Replace(digest(subject), ":", "-", 1), indexOf(sbom), header{"Content-Type": indexType})
		if list := referrersOf(s, path); len(list) != 2 {
			s.Errorf("after the fallback tag: %+v", list)
		}
		s.want(202, "DELETE", "/v2/closed/app/manifests/"+strings.Replace(digest(subject), ":", "-", 1), nil, nil)
	})
}

func TestReferrersArePaged(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	subject, _ := s.pushImage("closed/app", "v1")
	config := s.pushBlob("closed/app", []byte("{}"))
	text := strings.Repeat("a", 20_000)
	for i := range 250 { // five megabytes of annotations
		m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"example/config","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"n":"%d","text":%q}}`,
			imageType, config, imageType, digest(subject), i, text)
		s.want(201, "PUT", "/v2/closed/app/manifests/"+digest([]byte(m)), []byte(m), header{"Content-Type": imageType})
	}
	pages, found := 0, 0
	for path := "/v2/closed/app/referrers/" + digest(subject); path != ""; pages++ {
		res, body := s.want(200, "GET", path, nil, nil)
		if len(body) > oci.MaxManifest {
			t.Errorf("a page of %d bytes", len(body))
		}
		var list struct{ Manifests []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		found += len(list.Manifests)
		path = next(res)
	}
	if pages != 2 || found != 250 {
		t.Errorf("%d pages with %d referrers", pages, found)
	}
}

func referrersOf(s *server, path string) []oci.Descriptor {
	_, body := s.want(200, "GET", path, nil, nil)
	var list struct{ Manifests []oci.Descriptor }
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Manifests == nil {
		s.Fatalf("%v: %s", err, body)
	}
	return list.Manifests
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

// Two requests cannot write to one upload at once.
func TestUploadHasOneWriter(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	at := s.begin("closed/app")
	hold, release := io.Pipe()
	first := make(chan int)
	go func() { first <- s.do(admin, "PATCH", at, hold, nil).StatusCode }()
	if _, err := release.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	_, body := s.want(409, "PATCH", at, []byte("x"), nil)
	wantCode(t, body, "BLOB_UPLOAD_INVALID")
	s.want(409, "DELETE", at, nil, nil)
	release.Close()
	if got := <-first; got != 202 {
		t.Errorf("the first writer: %d", got)
	}
	s.want(201, "PUT", at+"?digest="+digest([]byte("abc")), nil, nil)
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

// An upload that nobody adds to goes away after two days, with its bytes.
func TestAbandonedUploadsExpire(t *testing.T) {
	each(t, func(s *server) {
		old, fresh := s.begin("closed/app"), s.begin("closed/app")
		s.want(202, "PATCH", old, random(10), nil)
		s.want(202, "PATCH", fresh, random(10), nil)
		err := s.database.Write(s.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE upload SET updated = ? WHERE id = ?`, time.Now().Add(-49*time.Hour).UnixMicro(), old[strings.LastIndexByte(old, '/')+1:])
			return err
		})
		if err != nil {
			s.Fatal(err)
		}
		if err := s.registry.ExpireUploads(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.want(404, "GET", old, nil, nil)
		s.want(204, "GET", fresh, nil, nil)
		if n := s.uploads(); n != 1 {
			s.Errorf("%d uploads have bytes", n)
		}
	})
}
