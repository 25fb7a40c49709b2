package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A house is a service over a real database and a real folder. Tests put
// themselves between them to make a step fail.
type house struct {
	*registry.Service
	t    *testing.T
	root string // of the blobs
	repo artifact.Repo
	ctx  context.Context // of a user
}

func open(t *testing.T, d *db.DB, between func(registry.Store, blob.Store) (registry.Store, blob.Store)) *house {
	t.Helper()
	h := &house{t: t, root: t.TempDir(), repo: artifact.Repo{Name: "library/app"}}
	h.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "alice"})
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`)
		if err != nil {
			return err
		}
		err = tx.QueryRow(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 1, 0, 0) RETURNING id`).Scan(&h.repo.ProjectID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO quota (project_id, hard, created, updated) VALUES (?, -1, 0, 0)`, h.repo.ProjectID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := disk.New(h.root)
	if err != nil {
		t.Fatal(err)
	}
	var rows registry.Store = sqlstore.NewBlobs(d)
	var bytes blob.Store = content
	if between != nil {
		rows, bytes = between(rows, bytes)
	}
	artifacts := sqlstore.NewArtifacts(d)
	h.Service = registry.New(registry.Config{}, artifacts, rows, bytes, registry.NewPulls(artifacts, nil, slog.New(slog.DiscardHandler)))
	return h
}

func (h *house) begin() (id string) {
	h.t.Helper()
	u, err := h.BeginUpload(h.ctx, h.repo, oci.SHA256)
	if err != nil {
		h.t.Fatal(err)
	}
	return u.ID
}

func chunk(content []byte) registry.Chunk {
	return registry.Chunk{From: registry.Any, Size: int64(len(content)), Body: bytes.NewReader(content)}
}

func sum(content []byte) oci.Digest { return oci.Sum(oci.SHA256, content) }

// append adds a chunk that must succeed and leave the upload at a size.
func (h *house) append(id string, content []byte, size int64) {
	h.t.Helper()
	if u, err := h.Append(h.ctx, h.repo, id, chunk(content)); err != nil || u.Size != size {
		h.t.Fatalf("the upload stands at %d, not %d: %v", u.Size, size, err)
	}
}

// serves expects the content, and no file but it.
func (h *house) serves(content []byte) {
	h.t.Helper()
	_, r, err := h.OpenBlob(h.ctx, h.repo, sum(content))
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		h.t.Errorf("%d bytes that are not the %d pushed: %v", len(got), len(content), err)
	}
	h.files(1)
}

// files expects that so many lie in the folder, of content and of uploads.
func (h *house) files(want int) {
	h.t.Helper()
	var found []string
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != want {
		h.t.Errorf("%d files, not %d: %q %v", len(found), want, found, err)
	}
}

func (h *house) gone(id string) {
	h.t.Helper()
	if _, err := h.Upload(h.ctx, h.repo, id); !errors.Is(err, registry.ErrUploadUnknown) {
		h.t.Errorf("the upload is still there: %v", err)
	}
}

// impatient is a blob store whose client goes away when its content has just
// been committed.
type impatient struct {
	blob.Store
	leave context.CancelFunc
}

func (s impatient) Begin(ctx context.Context, id string) (blob.Writer, error) {
	w, err := s.Store.Begin(ctx, id)
	return impatientWriter{w, s.leave}, err
}

type impatientWriter struct {
	blob.Writer
	leave context.CancelFunc
}

func (w impatientWriter) Commit(ctx context.Context, d oci.Digest) (string, error) {
	defer w.leave()
	return w.Writer.Commit(ctx, d)
}

func TestAClientThatLeavesAtTheLastMomentLeavesNoUnknownContent(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	h := open(t, storetest.SQLite(t), func(rows registry.Store, bytes blob.Store) (registry.Store, blob.Store) {
		return rows, impatient{bytes, leave}
	})
	ctx = access.With(ctx, access.From(h.ctx))
	content := blobtest.Content(1, 1000)
	id := h.begin()
	if _, err := h.Finish(ctx, h.repo, id, sum(content), chunk(content)); err != nil {
		t.Errorf("after the commit: %v", err)
	}
	if ctx.Err() == nil {
		t.Fatal("the client is still there")
	}
	h.serves(content)
	h.gone(id)
}

// The second of two equal blobs is removed even if nobody waits for it.
func TestADuplicateIsRemovedWhenTheClientLeaves(t *testing.T) {
	h := open(t, storetest.SQLite(t), nil)
	content := blobtest.Content(1, 1000)
	ctx, leave := context.WithCancel(h.ctx)
	defer leave()
	for range 2 {
		if _, err := h.PushBlob(ctx, h.repo, sum(content), chunk(content)); err != nil {
			t.Error(err)
		}
		leave()
	}
	h.serves(content)
}

func TestTwentyPushesOfOneBlobKeepOneFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		content := blobtest.Content(2, 10_000)
		var pushing sync.WaitGroup
		for i := range 20 {
			pushing.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = h.PushBlob(h.ctx, h.repo, sum(content), chunk(content))
				} else {
					var u registry.Upload
					if u, err = h.BeginUpload(h.ctx, h.repo, oci.SHA256); err == nil {
						_, err = h.Finish(h.ctx, h.repo, u.ID, sum(content), chunk(content))
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		pushing.Wait()
		h.serves(content)
	})
}

// Nothing can go on with the bytes of a first chunk that was refused.
func TestARefusedFirstChunkTakesNoRoom(t *testing.T) {
	h := open(t, storetest.SQLite(t), nil)
	content := blobtest.Content(3, 1000)
	id := h.begin()
	if _, err := h.Finish(h.ctx, h.repo, id, sum(nil), chunk(content)); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("another digest: %v", err)
	}
	h.files(0)
	broken := registry.Chunk{From: registry.Any, Size: -1, Body: io.MultiReader(bytes.NewReader(content[:500]), failing{})}
	if _, err := h.Finish(h.ctx, h.repo, id, sum(content), broken); !errors.Is(err, registry.ErrUploadBroken) {
		t.Errorf("a body that breaks off: %v", err)
	}
	h.files(0)
	if _, err := h.PushBlob(h.ctx, h.repo, sum(nil), chunk(content)); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("another digest in one step: %v", err)
	}
	h.files(0)
	if _, err := h.Finish(h.ctx, h.repo, id, sum(content), chunk(content)); err != nil {
		t.Errorf("the upload cannot be finished afterwards: %v", err)
	}
	h.serves(content)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// The algorithm is known only at the end: the content is read again, and is not
// what it was said to be.
func TestContentThatIsRefusedAfterReadingItAgainTakesNoRoom(t *testing.T) {
	h := open(t, storetest.SQLite(t), nil)
	id := h.begin()
	h.append(id, []byte("content"), 7)
	other := oci.Sum(oci.SHA512, []byte("other"))
	if _, err := h.Finish(h.ctx, h.repo, id, other, chunk(nil)); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("got %v", err)
	}
	if _, err := h.StatBlob(h.ctx, h.repo, other, false); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Errorf("it is served: %v", err)
	}
	h.files(0)
	h.gone(id)
}

// forgetful is a database that fails to keep how far an upload came, as if the
// server had been killed between the bytes and the row.
type forgetful struct {
	registry.Store
	times int
}

func (f *forgetful) Advance(ctx context.Context, u registry.Upload, from int64) error {
	if f.times--; f.times >= 0 {
		return errors.New("killed")
	}
	return f.Store.Advance(ctx, u, from)
}

func TestAChunkWhoseRowWasNotWrittenIsSentAgain(t *testing.T) {
	for name, first := range map[string]int{"the first": 0, "a later one": 300} {
		t.Run(name, func(t *testing.T) {
			rows := &forgetful{}
			h := open(t, storetest.SQLite(t), func(s registry.Store, b blob.Store) (registry.Store, blob.Store) {
				rows.Store = s
				return rows, b
			})
			content := blobtest.Content(4, 1000)
			id := h.begin()
			h.append(id, content[:first], int64(first))
			rows.times = 1
			if _, err := h.Append(h.ctx, h.repo, id, chunk(content[first:])); err == nil {
				t.Fatal("the chunk was kept")
			}
			if u, err := h.Upload(h.ctx, h.repo, id); err != nil || u.Size != int64(first) {
				t.Fatalf("it stands at %d: %v", u.Size, err)
			}
			h.append(id, content[first:600], 600) // another cut than before
			h.append(id, nil, 600)
			h.append(id, content[600:], 1000)
			if _, err := h.Finish(h.ctx, h.repo, id, sum(content), chunk(nil)); err != nil {
				t.Fatal(err)
			}
			h.serves(content)
		})
	}
}

// Whom an upload does not belong to cannot see that it is written to, nor hold
// it up.
func TestABusyUploadIsUnknownToOthers(t *testing.T) {
	h := open(t, storetest.SQLite(t), nil)
	id := h.begin()
	in, out := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := h.Append(h.ctx, h.repo, id, registry.Chunk{From: registry.Any, Size: -1, Body: in})
		done <- err
	}()
	if _, err := out.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	other := access.With(t.Context(), access.Caller{Kind: access.User, ID: 2, Name: "bob"})
	elsewhere := artifact.Repo{ProjectID: h.repo.ProjectID, Name: "library/other"}
	for name, err := range map[string]error{
		"another user's append":       second(h.Append(other, h.repo, id, chunk([]byte("x")))),
		"another user's end":          second(h.Finish(other, h.repo, id, sum(nil), chunk(nil))),
		"another user's cancellation": h.CancelUpload(other, h.repo, id),
		"another repository's append": second(h.Append(h.ctx, elsewhere, id, chunk([]byte("x")))),
	} {
		if !errors.Is(err, registry.ErrUploadUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.CancelUpload(h.ctx, h.repo, id); !errors.Is(err, registry.ErrUploadBusy) {
		t.Errorf("the owner: %v", err)
	}
	out.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := h.Finish(h.ctx, h.repo, id, sum([]byte("content")), chunk(nil)); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
