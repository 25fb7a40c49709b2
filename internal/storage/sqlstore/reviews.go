package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Whatever may have become garbage waits in gc_review, where the transactions put
// it that may have made it so. Those of a repository do so while they hold its
// row, and so does whoever looks at what waits.

// queue is the beginning of a statement that lets things wait.
const queue = `INSERT INTO gc_review (kind, repository_id, digest, review_after, reason, attempts) `

// postponed is its end: what waits already waits longer, and is never dropped.
// What somebody may be about to use is not taken for what was deleted until its
// own time is over.
var postponed = ` ON CONFLICT (kind, repository_id, digest) DO UPDATE SET attempts = 0,
	reason = CASE WHEN excluded.reason = 'deleted' AND gc_review.reason <> 'deleted'
		AND gc_review.review_after > excluded.review_after - ` + strconv.FormatInt(gc.Delay.Microseconds(), 10) + ` THEN gc_review.reason ELSE excluded.reason END,
	review_after = CASE WHEN excluded.review_after > gc_review.review_after THEN excluded.review_after ELSE gc_review.review_after END`

// delayed is when something is looked at that came up at a time.
func delayed(at int64) int64 { return at + gc.Delay.Microseconds() }

// reviewOne lets one thing of a repository wait.
func reviewOne(tx *db.Tx, k gc.Kind, repo int64, d oci.Digest, r gc.Reason, at int64) error {
	_, err := tx.Exec(queue+`VALUES (?, ?, ?, ?, ?, 0)`+postponed, k, repo, d, delayed(at), r)
	if err != nil {
		return fmt.Errorf("queue %s: %w", d, err)
	}
	return nil
}

// reviewLinks lets those of some blobs wait that the repository may serve.
func reviewLinks(tx *db.Tx, repo int64, digests []oci.Digest, r gc.Reason, at int64) error {
	for chunk := range slices.Chunk(digests, rowsAtOnce) {
		args := append([]any{delayed(at), r, repo}, anyOf(chunk)...)
		_, err := tx.Exec(queue+`SELECT 'link', l.repository_id, l.digest, ?, ?, 0 FROM repository_blob l
			WHERE l.repository_id = ? AND l.digest IN (`+db.In(len(chunk))+`)`+postponed, args...)
		if err != nil {
			return fmt.Errorf("queue blobs: %w", err)
		}
	}
	return nil
}

// reviewUntagged lets artifacts wait that have lost a tag.
func reviewUntagged(tx *db.Tx, repo int64, ids []int64, at int64) error {
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		args := append([]any{delayed(at), gc.Untagged, repo}, anyOf(chunk)...)
		_, err := tx.Exec(queue+`SELECT 'artifact', a.repository_id, a.digest, ?, ?, 0 FROM artifact a
			WHERE a.repository_id = ? AND a.id IN (`+db.In(len(chunk))+`)`+postponed, args...)
		if err != nil {
			return fmt.Errorf("queue artifacts: %w", err)
		}
	}
	return nil
}

// reviewBlobs lets blobs wait that were taken from a repository. They are queued
// in one order, since those of other repositories are queued at once.
func reviewBlobs(tx *db.Tx, digests []oci.Digest, after int64) error {
	slices.Sort(digests)
	for chunk := range slices.Chunk(digests, rowsAtOnce) {
		_, err := tx.Exec(queue+`SELECT 'blob', 0, b.digest, ?, 'deleted', 0 FROM blob b WHERE b.digest IN (`+db.In(len(chunk))+`) ORDER BY b.digest`+postponed,
			append([]any{after}, anyOf(chunk)...)...)
		if err != nil {
			return fmt.Errorf("queue blobs: %w", err)
		}
	}
	return nil
}

// reviewAll lets all blobs wait that some repositories may serve, which are about
// to be deleted, and forgets what waits of these. The condition is on
// repository.id.
func reviewAll(tx *db.Tx, repositories string, arg any, at int64) error {
	_, err := tx.Exec(queue+`SELECT 'blob', 0, l.digest, CAST(? AS BIGINT), 'deleted', 0 FROM repository_blob l
		WHERE l.repository_id IN (`+repositories+`) GROUP BY l.digest ORDER BY l.digest`+postponed, delayed(at), arg)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM gc_review WHERE kind IN ('link', 'artifact') AND repository_id IN (`+repositories+`)`, arg)
	}
	if err != nil {
		return fmt.Errorf("queue blobs: %w", err)
	}
	return nil
}

// forgetReviews ends the waiting of artifacts that are gone.
func forgetReviews(tx *db.Tx, repo int64, digests []oci.Digest) error {
	for chunk := range slices.Chunk(digests, rowsAtOnce) {
		_, err := tx.Exec(`DELETE FROM gc_review WHERE kind = 'artifact' AND repository_id = ? AND digest IN (`+db.In(len(chunk))+`)`,
			append([]any{repo}, anyOf(chunk)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// revive takes a blob out of the trash that a repository was just let to serve.
// From that moment on nobody puts it there: whoever does holds the blob's row,
// and looks for such repositories then.
func revive(tx *db.Tx, d oci.Digest) error {
	_, err := tx.Exec(`UPDATE blob SET state = 'live', trashed = 0 WHERE digest = ? AND state = 'trash'`, d)
	return err
}

// relink lets a repository serve again those of some blobs that a review took
// from it lately, and tells their sizes.
func relink(tx *db.Tx, repo int64, digests []oci.Digest, now int64, tell func(oci.Digest, int64)) error {
	for chunk := range slices.Chunk(digests, rowsAtOnce) {
		lately, err := columnOf[oci.Digest](tx.Query(`SELECT digest FROM unlinked_blob WHERE repository_id = ? AND digest IN (`+db.In(len(chunk))+`) ORDER BY digest`,
			append([]any{repo}, anyOf(chunk)...)...))
		if err != nil {
			return fmt.Errorf("blobs that were here: %w", err)
		}
		for _, d := range lately {
			size, err := relinkOne(tx, repo, d, now)
			if errors.Is(err, db.ErrNotFound) {
				continue // its content is lost, or gone by now
			}
			if err != nil {
				return fmt.Errorf("blob %s, which was here: %w", d, err)
			}
			tell(d, size)
		}
	}
	return nil
}

// relinkOne holds the blob's row first, so that it does not go meanwhile.
func relinkOne(tx *db.Tx, repo int64, d oci.Digest, now int64) (size int64, err error) {
	err = tx.QueryRow(`UPDATE blob SET state = 'live', trashed = 0 WHERE digest = ? AND missing = FALSE RETURNING size`, d).Scan(&size)
	if err == nil {
		err = link(tx, repo, d, now)
	}
	if err == nil {
		_, err = tx.Exec(`DELETE FROM unlinked_blob WHERE repository_id = ? AND digest = ?`, repo, d)
	}
	return size, err
}

// near is when something that waits is given more time by somebody who asks for
// it, so that those who ask again and again write once.
func near(at time.Time) int64 { return at.Add(gc.Delay / 2).UnixMicro() }

// give gives what waits another Delay.
func give(ctx context.Context, d *db.DB, k gc.Kind, repo int64, digest oci.Digest, at time.Time) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE gc_review SET review_after = ?, reason = ?, attempts = 0 WHERE kind = ? AND repository_id = ? AND digest = ? AND review_after < ?`,
			delayed(at.UnixMicro()), gc.Asked, k, repo, digest, near(at))
		return err
	})
}

// Reserve implements registry.Store. It is one indexed read unless the blob waits
// and its time is near.
func (s *Blobs) Reserve(ctx context.Context, repository string, d oci.Digest, at time.Time) (registry.Blob, error) {
	b := registry.Blob{Digest: d}
	var repo int64
	var due sql.NullInt64
	err := s.db.QueryRow(ctx, `SELECT b.size, b.storage_key, l.repository_id,
		(SELECT g.review_after FROM gc_review g WHERE g.kind = 'link' AND g.repository_id = l.repository_id AND g.digest = l.digest) `+blobFrom, repository, d).
		Scan(&b.Size, &b.Key, &repo, &due)
	if errors.Is(err, db.ErrNotFound) {
		return b, registry.ErrBlobUnknown.With("%s", d)
	}
	if err != nil || !due.Valid || due.Int64 >= near(at) {
		return b, err
	}
	if err := give(ctx, s.db, gc.Link, repo, d, at); err != nil {
		return b, fmt.Errorf("reserve %s: %w", d, err)
	}
	return s.Blob(ctx, repository, d) // it may have gone since it was read
}

// Reserve implements artifact.Store. It is one indexed read unless the artifact
// waits and its time is near.
func (s *Artifacts) Reserve(ctx context.Context, repository string, d oci.Digest, at time.Time) error {
	var repo, due int64
	err := s.db.QueryRow(ctx, `SELECT g.repository_id, g.review_after FROM gc_review g
		WHERE g.kind = 'artifact' AND g.repository_id = (SELECT id FROM repository WHERE name = ?) AND g.digest = ?`, repository, d).Scan(&repo, &due)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err == nil && due < near(at) {
		err = give(ctx, s.db, gc.Artifact, repo, d, at)
	}
	if err != nil {
		return fmt.Errorf("reserve %s: %w", d, err)
	}
	return nil
}
