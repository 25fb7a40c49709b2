package dist_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/proxycache"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/secret"
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
	endpoints := endpoint.New(sqlstore.NewEndpoints(d), secret.NewSealer([32]byte{1}), outbound.ForSystem(), slog.New(slog.DiscardHandler))
	t.Cleanup(endpoints.Close)
	caches := proxycache.New(proxycache.Config{Content: reg, Projects: projects, Endpoints: endpoints, Fresh: time.Minute, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(caches.Close)
	return &server{T: t, Handler: dist.New(reg, caches, projects, challenge), database: d, registry: reg, projects: projects, folder: folder}
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
