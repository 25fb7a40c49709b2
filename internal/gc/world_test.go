package gc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	indexType  = "application/vnd.oci.image.index.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar"
)

// now collects at once whatever nothing references.
var now = gc.Options{Delay: gc.None, Trash: gc.None}

// A world is a registry over a real database and a real folder, with what
// collects its garbage.
type world struct {
	*registry.Service
	t         testing.TB
	ctx       context.Context // of a user
	db        *db.DB
	root      string
	bytes     blob.Store
	artifacts *sqlstore.Artifacts
	gc        *gc.Service
	readOnly  bool
	one, two  artifact.Repo // of two projects
}

func open(t testing.TB, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, db: d, root: t.TempDir(), artifacts: sqlstore.NewArtifacts(d)}
	w.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "alice"})
	w.exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`)
	w.one, w.two = w.project("one"), w.project("two")
	store, err := disk.New(w.root)
	if err != nil {
		t.Fatal(err)
	}
	w.bytes = store
	w.rewire(store)
	return w
}

// rewire puts another store of bytes under the services.
func (w *world) rewire(bytes blob.Store) {
	w.Service = registry.New(registry.Config{}, w.artifacts, sqlstore.NewBlobs(w.db), bytes, registry.NewPulls(w.artifacts, nil, slog.New(slog.DiscardHandler)))
	rows := sqlstore.NewGarbage(w.db)
	w.gc = gc.New(gc.Config{ReadOnly: func(context.Context) (bool, error) { return w.readOnly, nil }}, rows, rows, bytes)
}

func (w *world) project(name string) artifact.Repo {
	w.t.Helper()
	id, err := sqlstore.NewProjects(w.db).Create(w.ctx, project.Project{Name: name, OwnerID: 1, Limit: -1, Created: time.Now()}, access.From(w.ctx).Actor())
	if err != nil {
		w.t.Fatal(err)
	}
	return artifact.Repo{ProjectID: id, Name: name + "/app"}
}

// beside is another repository of the same project.
func beside(r artifact.Repo, name string) artifact.Repo {
	p, _ := oci.SplitRepository(r.Name)
	return artifact.Repo{ProjectID: r.ProjectID, Name: p + "/" + name}
}

func (w *world) exec(q string, args ...any) {
	w.t.Helper()
	err := w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// count returns the only column of the only row.
func (w *world) count(q string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), q, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", q, err)
	}
	return n
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func sum(content []byte) oci.Digest { return oci.Sum(oci.SHA256, content) }

func layer(name string) []byte { return []byte("layer " + name) }

// upload sends a blob in one request, or in three.
func (w *world) upload(ctx context.Context, repo artifact.Repo, content []byte) error {
	c := registry.Chunk{From: registry.Any, Size: int64(len(content)), Body: bytes.NewReader(content)}
	if len(content)%2 == 0 {
		_, err := w.PushBlob(ctx, repo, sum(content), c)
		return err
	}
	u, err := w.BeginUpload(ctx, repo, oci.SHA256)
	if err == nil {
		_, err = w.Finish(ctx, repo, u.ID, sum(content), c)
	}
	return err
}

// image returns the manifest of an image whose layers have the given names. Its
// own name makes it another one than others of the same layers.
func image(name string, layers ...string) (body []byte, blobs [][]byte) {
	blobs = [][]byte{[]byte(`{"of":"everything"}`)}
	descriptor := func(mediaType string, content []byte) map[string]any {
		return map[string]any{"mediaType": mediaType, "digest": sum(content), "size": len(content)}
	}
	var descriptors []any
	for _, l := range layers {
		blobs = append(blobs, layer(l))
		descriptors = append(descriptors, descriptor(layerType, layer(l)))
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": imageType, "config": descriptor(configType, blobs[0]), "layers": descriptors,
		"annotations": map[string]string{"name": name},
	})
	if err != nil {
		panic(err)
	}
	return body, blobs
}

func index(name string, children ...[]byte) []byte {
	var list []any
	for _, c := range children {
		list = append(list, map[string]any{"mediaType": imageType, "digest": sum(c), "size": len(c)})
	}
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": list, "annotations": map[string]string{"name": name}})
	if err != nil {
		panic(err)
	}
	return body
}

func referrer(of []byte) []byte {
	body, _ := image("signature")
	return bytes.Replace(body, []byte(`"schemaVersion"`), fmt.Appendf(nil, `"subject":{"mediaType":%q,"digest":%q,"size":%d},"schemaVersion"`, imageType, sum(of), len(of)), 1)
}

func (w *world) put(ctx context.Context, repo artifact.Repo, tag string, body []byte) error {
	req := registry.PushRequest{Ref: oci.Reference{Tag: tag}, MediaType: imageType, Body: body}
	if tag == "" {
		req.Ref.Digest = sum(body)
	}
	if bytes.Contains(body, []byte(indexType)) {
		req.MediaType = indexType
	}
	_, err := w.PushManifest(ctx, repo, req)
	return err
}

// push pushes an image that must be taken, and returns its manifest.
func (w *world) push(repo artifact.Repo, tag, name string, layers ...string) []byte {
	w.t.Helper()
	body, blobs := image(name, layers...)
	for _, b := range blobs {
		w.must(w.upload(w.ctx, repo, b))
	}
	w.must(w.put(w.ctx, repo, tag, body))
	return body
}

func (w *world) collect(o gc.Options) gc.Result {
	w.t.Helper()
	r, err := w.gc.Collect(w.ctx, o, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// whole checks that a manifest is there with all that it refers to.
func (w *world) whole(repo artifact.Repo, ref oci.Reference) error {
	_, body, err := w.artifacts.Find(w.ctx, repo.Name, ref, true)
	if err != nil {
		return err
	}
	var m struct {
		Config    *struct{ Digest oci.Digest }
		Layers    []struct{ Digest oci.Digest }
		Manifests []struct{ Digest oci.Digest }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, b := range m.Layers {
		if err := w.readable(repo, b.Digest); err != nil {
			return fmt.Errorf("%s lacks %s: %w", sum(body), b.Digest, err)
		}
	}
	for _, c := range m.Manifests {
		if err := w.whole(repo, oci.Reference{Digest: c.Digest}); err != nil {
			return fmt.Errorf("child of %s: %w", sum(body), err)
		}
	}
	return nil
}

func (w *world) readable(repo artifact.Repo, d oci.Digest) error {
	_, r, err := w.OpenBlob(w.ctx, repo, d)
	if err != nil {
		return err
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err == nil && sum(content) != d {
		err = errors.New("its content is another one")
	}
	return err
}

// has reports whether a repository serves a layer.
func (w *world) has(repo artifact.Repo, name string) bool {
	w.t.Helper()
	_, err := w.StatBlob(w.ctx, repo, sum(layer(name)), false)
	if err != nil && !errors.Is(err, registry.ErrBlobUnknown) {
		w.t.Fatal(err)
	}
	return err == nil
}

// files returns the names of the files of content.
func (w *world) files() (names []string) {
	w.t.Helper()
	err := filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "sha256") {
			names = append(names, d.Name())
		}
		return err
	})
	w.must(err)
	return names
}

// stored reports whether the bytes of a layer are in the folder.
func (w *world) stored(name string) bool {
	w.t.Helper()
	return slices.ContainsFunc(w.files(), func(f string) bool { return strings.HasPrefix(f, sum(layer(name)).Hex()) })
}

// truths are what must be so at any moment, each as a query for what is not.
var truths = map[string]string{
	"trash that is served":       `SELECT COUNT(*) FROM blob b WHERE b.state = 'trash' AND EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest)`,
	"manifests without":          `SELECT COUNT(*) FROM artifact_blob b WHERE NOT b.foreign_layer AND NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest AND l.repository_id = b.repository_id)`,
	"reviews of nothing":         `SELECT COUNT(*) FROM gc_review g WHERE g.kind <> 'blob' AND NOT EXISTS (SELECT 1 FROM repository r WHERE r.id = g.repository_id)`,
	"orphans not waiting":        `SELECT COUNT(*) FROM repository_blob l WHERE NOT EXISTS (SELECT 1 FROM artifact_blob b WHERE b.digest = l.digest AND b.repository_id = l.repository_id) AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'link' AND g.repository_id = l.repository_id AND g.digest = l.digest)`,
	"unserved not waiting":       `SELECT COUNT(*) FROM blob b WHERE b.state = 'live' AND NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest) AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'blob' AND g.digest = b.digest)`,
	"untagged not waiting":       `SELECT COUNT(*) FROM artifact a WHERE a.accessory_of = '' AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id) AND NOT EXISTS (SELECT 1 FROM artifact_reference p WHERE p.child_digest = a.digest AND p.repository_id = a.repository_id) AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'artifact' AND g.repository_id = a.repository_id AND g.digest = a.digest)`,
	"keys of rows to be deleted": `SELECT COUNT(*) FROM garbage_key k WHERE EXISTS (SELECT 1 FROM blob b WHERE b.storage_key = k.storage_key)`,
}

// true holds what is kept against the truths.
func (w *world) true(when string) {
	w.t.Helper()
	for what, q := range truths {
		if n := w.count(q); n > 0 {
			w.t.Errorf("%s: %d %s", when, n, what)
		}
	}
	for _, repo := range []artifact.Repo{w.one, w.two} {
		drift, err := sqlstore.NewQuotas(w.db).Recalculate(w.ctx, repo.ProjectID, true)
		if err != nil || drift.Wrong > 0 || drift.Kept != drift.True {
			w.t.Errorf("%s: the quota is %+v, %v", when, drift, err)
		}
	}
}

// clean expects that nothing is left but what is referenced.
func (w *world) clean(when string) {
	w.t.Helper()
	w.true(when)
	referenced := w.count(`SELECT COUNT(DISTINCT digest) FROM artifact_blob WHERE NOT foreign_layer`)
	for what, q := range map[string]string{
		"blobs": `SELECT COUNT(*) FROM blob`, "links": `SELECT COUNT(DISTINCT digest) FROM repository_blob`,
	} {
		if n := w.count(q); n != referenced {
			w.t.Errorf("%s: %d %s, %d are referenced", when, n, what, referenced)
		}
	}
	if n := int64(len(w.files())); n != referenced {
		w.t.Errorf("%s: %d files, %d blobs are referenced", when, n, referenced)
	}
	for _, table := range []string{"unlinked_blob", "garbage_key", "gc_review WHERE kind <> 'artifact'"} {
		if n := w.count(`SELECT COUNT(*) FROM ` + table); n != 0 {
			w.t.Errorf("%s: %d rows in %s", when, n, table)
		}
	}
	found, err := w.gc.Reconcile(w.ctx, gc.Repair{Grace: gc.None}, func(f gc.Finding) { w.t.Errorf("%s: %+v", when, f) })
	if err != nil && referenced > 0 || found.Rows != referenced {
		w.t.Errorf("%s: %+v, %v", when, found, err)
	}
}
