package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// unserved says of a blob that no repository may serve it, asked for each: see
// unneeded.
const unserved = `(SELECT l.digest FROM repository_blob l WHERE l.digest = blob.digest LIMIT 1) IS NULL`

// Trash implements gc.Store. It holds the rows of the blobs before it asks who
// may serve them: whoever lets a repository serve one refers to its row, and so
// is either seen here, or comes later and finds trash.
func (s *Garbage) Trash(ctx context.Context, due gc.Due, at time.Time, n int) (gc.Done, error) {
	var done gc.Done
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		done = gc.Done{}
		digests, err := columnOf[oci.Digest](tx.Query(`SELECT digest FROM gc_review WHERE kind = 'blob' AND repository_id = 0 AND `+dueNow+`
			ORDER BY review_after LIMIT ?`+s.db.LockFree(), append(dueArgs(due), n)...))
		if err != nil || len(digests) == 0 {
			return err
		}
		done.Looked = len(digests)
		in, args := ` IN (`+db.In(len(digests))+`)`, anyOf(digests)
		if _, err := columnOf[oci.Digest](tx.Query(`SELECT digest FROM blob WHERE digest`+in+` ORDER BY digest`+s.db.Lock(), args...)); err != nil {
			return err
		}
		rows, err := tx.Query(`UPDATE blob SET state = 'trash', trashed = ? WHERE digest`+in+` AND state = 'live' AND `+unserved+` RETURNING size`,
			append([]any{at.UnixMicro()}, args...)...)
		if err == nil {
			err = countSizes(rows, &done)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM gc_review WHERE kind = 'blob' AND repository_id = 0 AND digest`+in, args...)
		return err
	})
	if err != nil {
		return done, fmt.Errorf("trash: %w", err)
	}
	return done, nil
}

// countSizes counts rows of sizes.
func countSizes(rows *db.Rows, done *gc.Done) error {
	return eachRow(rows, func(rows *db.Rows) error {
		var size int64
		err := rows.Scan(&size)
		done.Blobs, done.Bytes = done.Blobs+1, done.Bytes+size
		return err
	})
}

// Purge implements gc.Store. A blob that was taken out of the trash meanwhile is
// left out by its state, and one that a repository may serve by its row's key.
func (s *Garbage) Purge(ctx context.Context, before, at time.Time, n int) (gc.Done, error) {
	var done gc.Done
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		done = gc.Done{}
		digests, err := columnOf[oci.Digest](tx.Query(`SELECT digest FROM blob WHERE state = 'trash' AND trashed <= ? AND `+unserved+`
			ORDER BY trashed, digest LIMIT ?`+s.db.LockFree(), before.UnixMicro(), n))
		if err != nil || len(digests) == 0 {
			return err
		}
		done.Looked = len(digests)
		rows, err := tx.Query(`DELETE FROM blob WHERE digest IN (`+db.In(len(digests))+`) RETURNING storage_key, size`, anyOf(digests)...)
		if err != nil {
			return err
		}
		var args []any
		err = eachRow(rows, func(rows *db.Rows) error {
			var k gc.Key
			err := rows.Scan(&k.Key, &k.Size)
			args = append(args, k.Key, k.Size, at.UnixMicro())
			done.Blobs, done.Bytes = done.Blobs+1, done.Bytes+k.Size
			return err
		})
		if err != nil {
			return err
		}
		return insertRows(tx, `INSERT INTO garbage_key (storage_key, size, delete_after) VALUES `, 3, args)
	})
	if err != nil {
		return done, fmt.Errorf("purge: %w", err)
	}
	return done, nil
}

// Expire implements gc.Store.
func (s *Garbage) Expire(ctx context.Context, before time.Time, n int) (int, error) {
	var gone int64
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT repository_id, digest FROM unlinked_blob WHERE unlinked <= ? ORDER BY unlinked LIMIT ?`+s.db.LockFree(), before.UnixMicro(), n)
		if err != nil {
			return err
		}
		var args []any
		err = eachRow(rows, func(rows *db.Rows) error {
			var repo int64
			var d oci.Digest
			err := rows.Scan(&repo, &d)
			args = append(args, repo, d)
			return err
		})
		if err != nil || len(args) == 0 {
			gone = 0
			return err
		}
		gone, err = tx.Exec(`DELETE FROM unlinked_blob WHERE (repository_id, digest) IN (VALUES (CAST(? AS BIGINT), ?)`+strings.Repeat(`, (?, ?)`, len(args)/2-1)+`)`, args...)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("expire: %w", err)
	}
	return int(gone), nil
}

// Keys implements gc.Store.
func (s *Garbage) Keys(ctx context.Context, at time.Time, lease time.Duration, n int) ([]gc.Key, error) {
	var keys []gc.Key
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(`SELECT storage_key, size FROM garbage_key WHERE delete_after <= ? ORDER BY delete_after LIMIT ?`+s.db.LockFree(), at.UnixMicro(), n)
		if err != nil {
			return err
		}
		keys, err = gather(rows, func(rows *db.Rows) (k gc.Key, err error) { return k, rows.Scan(&k.Key, &k.Size) })
		if err != nil || len(keys) == 0 {
			return err
		}
		_, err = tx.Exec(`UPDATE garbage_key SET delete_after = ?, attempts = attempts + 1 WHERE storage_key IN (`+db.In(len(keys))+`)`,
			append([]any{at.Add(lease).UnixMicro()}, namesOf(keys)...)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keys of garbage: %w", err)
	}
	return keys, nil
}

func namesOf(keys []gc.Key) []any {
	names := make([]any, len(keys))
	for i, k := range keys {
		names[i] = k.Key
	}
	return names
}

// Forget implements gc.Store.
func (s *Garbage) Forget(ctx context.Context, keys []gc.Key) error {
	if len(keys) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM garbage_key WHERE storage_key IN (`+db.In(len(keys))+`)`, namesOf(keys)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget keys: %w", err)
	}
	return nil
}

// Waiting implements gc.Store.
func (s *Garbage) Waiting(ctx context.Context, due gc.Due, before, at time.Time) (gc.Waiting, error) {
	var w gc.Waiting
	for _, q := range []struct {
		sql  string
		args []any
		into []any
	}{
		{`SELECT COUNT(*) FROM gc_review WHERE kind = 'artifact' AND ` + dueNow, dueArgs(due), []any{&w.Artifacts}},
		{`SELECT COUNT(*) FROM gc_review WHERE kind = 'link' AND ` + dueNow, dueArgs(due), []any{&w.Links}},
		{`SELECT COUNT(*), COALESCE(SUM(blob.size), 0) FROM gc_review JOIN blob ON blob.digest = gc_review.digest
			WHERE kind = 'blob' AND blob.state = 'live' AND ` + unserved + ` AND ` + dueNow, dueArgs(due), []any{&w.Blobs, &w.BlobBytes}},
		{`SELECT COUNT(*), COALESCE(SUM(size), 0) FROM blob WHERE state = 'trash' AND trashed <= ?`, []any{before.UnixMicro()}, []any{&w.Trash, &w.TrashBytes}},
		{`SELECT COUNT(*), COALESCE(SUM(size), 0) FROM garbage_key WHERE delete_after <= ?`, []any{at.UnixMicro()}, []any{&w.Keys, &w.KeyBytes}},
	} {
		if err := s.db.QueryRow(ctx, q.sql, q.args...).Scan(q.into...); err != nil {
			return w, fmt.Errorf("count garbage: %w", err)
		}
	}
	return w, nil
}
