package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Blobs keeps which repository may serve which blob, and uploads under way. It
// meets registry.Store.
type Blobs struct{ db *db.DB }

// NewBlobs returns the store of blobs in d.
func NewBlobs(d *db.DB) *Blobs { return &Blobs{d} }

// Begin implements registry.Store.
func (s *Blobs) Begin(ctx context.Context, u registry.Upload) error {
	at := u.At.UnixMicro()
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO upload (id, project_id, repository, principal, algorithm, size, hash_state, parts, created, updated)
			VALUES (?, ?, ?, ?, ?, 0, NULL, NULL, ?, ?)`,
			u.ID, u.Repo.ProjectID, u.Repo.Name, u.Principal, string(u.Algorithm), at, at)
		return err
	})
}

// Upload implements registry.Store.
func (s *Blobs) Upload(ctx context.Context, id string) (registry.Upload, error) {
	u := registry.Upload{ID: id}
	var at int64
	err := s.db.QueryRow(ctx, `SELECT project_id, repository, principal, algorithm, size, hash_state, parts, updated FROM upload WHERE id = ?`, id).
		Scan(&u.Repo.ProjectID, &u.Repo.Name, &u.Principal, &u.Algorithm, &u.Size, &u.Hash, &u.Parts, &at)
	if errors.Is(err, db.ErrNotFound) {
		return u, registry.ErrUploadUnknown
	}
	u.At = time.UnixMicro(at)
	return u, err
}

// Advance implements registry.Store.
func (s *Blobs) Advance(ctx context.Context, u registry.Upload, from int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE upload SET size = ?, hash_state = ?, parts = ?, updated = ? WHERE id = ? AND size = ?`,
			u.Size, u.Hash, u.Parts, u.At.UnixMicro(), u.ID, from)
		if err == nil && n == 0 {
			return registry.ErrUploadBusy
		}
		return err
	})
}

// Finish implements registry.Store.
func (s *Blobs) Finish(ctx context.Context, u registry.Upload, b registry.Blob) (string, error) {
	now := time.Now().UnixMicro()
	var key string
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		repo, err := ensureRepository(tx, u.Repo, now)
		if err != nil {
			return err
		}
		// Trash is needed again. What is missing is here again, under another key.
		err = tx.QueryRow(`INSERT INTO blob (digest, size, storage_key, state, created) VALUES (?, ?, ?, 'live', ?)
			ON CONFLICT (digest) DO UPDATE SET state = 'live', trashed = 0, missing = FALSE,
				storage_key = CASE WHEN blob.missing THEN excluded.storage_key ELSE blob.storage_key END RETURNING storage_key`,
			b.Digest, b.Size, b.Key, now).Scan(&key)
		if err != nil {
			return fmt.Errorf("blob %s: %w", b.Digest, err)
		}
		if err := link(tx, repo, b.Digest, now); err != nil {
			return err
		}
		if err := reviewOne(tx, gc.Link, repo, b.Digest, gc.Uploaded, now); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM upload WHERE id = ?`, u.ID)
		return err
	})
	return key, err
}

// link lets a repository serve a blob.
func link(tx *db.Tx, repo int64, d oci.Digest, now int64) error {
	_, err := tx.Exec(`INSERT INTO repository_blob (repository_id, digest, created) VALUES (?, ?, ?) ON CONFLICT (repository_id, digest) DO NOTHING`, repo, d, now)
	return err
}

// Cancel implements registry.Store.
func (s *Blobs) Cancel(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM upload WHERE id = ?`, id)
		return err
	})
}

// Expire implements registry.Store.
func (s *Blobs) Expire(ctx context.Context, before time.Time, n int) ([]registry.Upload, error) {
	var gone []registry.Upload
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		gone = nil
		at := before.UnixMicro()
		rows, err := tx.Query(`DELETE FROM upload WHERE updated < ? AND id IN (SELECT id FROM upload WHERE updated < ? ORDER BY updated LIMIT ?)
			RETURNING id, parts`, at, at, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var u registry.Upload
			if err := rows.Scan(&u.ID, &u.Parts); err != nil {
				return err
			}
			gone = append(gone, u)
		}
		return rows.Err()
	})
	return gone, err
}

// blobFrom finds the repository first: in a join, PostgreSQL takes all blobs for
// equally common, and reads through all repositories that have a common one.
const (
	blobHere = `SELECT b.size, b.storage_key ` + blobFrom
	blobFrom = `FROM repository_blob l JOIN blob b ON b.digest = l.digest
	WHERE l.repository_id = (SELECT id FROM repository WHERE name = ?) AND l.digest = ? AND b.missing = FALSE`
)

// Blob implements registry.Store. It is one indexed read.
func (s *Blobs) Blob(ctx context.Context, repository string, d oci.Digest) (registry.Blob, error) {
	b := registry.Blob{Digest: d}
	err := s.db.QueryRow(ctx, blobHere, repository, d).Scan(&b.Size, &b.Key)
	if errors.Is(err, db.ErrNotFound) {
		return b, registry.ErrBlobUnknown.With("%s", d)
	}
	return b, err
}

// Holders implements registry.Store.
func (s *Blobs) Holders(ctx context.Context, d oci.Digest, n int) ([]string, error) {
	return columnOf[string](s.db.Query(ctx, `SELECT r.name FROM repository_blob l JOIN repository r ON r.id = l.repository_id
		WHERE l.digest = ? LIMIT ?`, d, n))
}

// Link implements registry.Store.
func (s *Blobs) Link(ctx context.Context, to artifact.Repo, from string, d oci.Digest, at time.Time) error {
	now := at.UnixMicro()
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		var b registry.Blob
		err := tx.QueryRow(blobHere, from, d).Scan(&b.Size, &b.Key)
		if errors.Is(err, db.ErrNotFound) {
			return registry.ErrBlobUnknown.With("%s", d)
		}
		if err != nil {
			return err
		}
		repo, err := ensureRepository(tx, to, now)
		if err != nil {
			return err
		}
		if err := link(tx, repo, d, now); err != nil {
			return err
		}
		if err := revive(tx, d); err != nil {
			return err
		}
		return reviewOne(tx, gc.Link, repo, d, gc.Mounted, now)
	})
	if errors.Is(err, db.ErrReference) {
		return registry.ErrBlobUnknown.Because(err) // it has gone since it was read
	}
	return err
}

// Unlink implements registry.Store.
func (s *Blobs) Unlink(ctx context.Context, repo artifact.Repo, d oci.Digest, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		id, err := lockRepository(tx, repo)
		if errors.Is(err, artifact.ErrRepositoryUnknown) {
			return registry.ErrBlobUnknown.With("%s", d)
		}
		if err != nil {
			return err
		}
		var by string
		err = tx.QueryRow(`SELECT a.digest FROM artifact_blob b JOIN artifact a ON a.id = b.artifact_id
			WHERE b.digest = ? AND b.repository_id = ? LIMIT 1`, d, id).Scan(&by)
		if err == nil {
			return registry.ErrBlobInUse.With("%s", by).Detailed(map[string]string{"manifest": by})
		}
		if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		n, err := tx.Exec(`DELETE FROM repository_blob WHERE repository_id = ? AND digest = ?`, id, d)
		if err != nil {
			return err
		}
		if n == 0 {
			return registry.ErrBlobUnknown.With("%s", d)
		}
		if err := reviewBlobs(tx, []oci.Digest{d}, delayed(e.At.UnixMicro())); err != nil {
			return err
		}
		return record(tx, e)
	})
}
