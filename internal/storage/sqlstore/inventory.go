package sqlstore

import (
	"context"
	"fmt"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Stored implements gc.Inventory.
func (s *Garbage) Stored(ctx context.Context, after string, n int) ([]gc.Stored, error) {
	rows, err := s.db.Query(ctx, `SELECT digest, storage_key, size, missing FROM blob WHERE storage_key > ? ORDER BY storage_key LIMIT ?`, after, n)
	if err != nil {
		return nil, fmt.Errorf("rows of blobs: %w", err)
	}
	return gather(rows, func(rows *db.Rows) (b gc.Stored, err error) {
		return b, rows.Scan(&b.Digest, &b.Key, &b.Size, &b.Missing)
	})
}

// Known implements gc.Inventory.
func (s *Garbage) Known(ctx context.Context, keys []string) (map[string]bool, error) {
	in := ` IN (` + db.In(len(keys)) + `)`
	known := make(map[string]bool, len(keys))
	rows, err := s.db.Query(ctx, `SELECT storage_key, 1 FROM blob WHERE storage_key`+in+` UNION ALL SELECT storage_key, 0 FROM garbage_key WHERE storage_key`+in,
		append(anyOf(keys), anyOf(keys)...)...)
	if err == nil {
		err = eachRow(rows, func(rows *db.Rows) error {
			var key string
			var needed int
			err := rows.Scan(&key, &needed)
			known[key] = needed > 0
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("rows of content: %w", err)
	}
	return known, nil
}

// Uploads implements gc.Inventory.
func (s *Garbage) Uploads(ctx context.Context, ids []string) (map[string]bool, error) {
	all, err := columnOf[string](s.db.Query(ctx, `SELECT id FROM upload WHERE id IN (`+db.In(len(ids))+`)`, anyOf(ids)...))
	if err != nil {
		return nil, fmt.Errorf("rows of uploads: %w", err)
	}
	set := make(map[string]bool, len(all))
	for _, id := range all {
		set[id] = true
	}
	return set, nil
}

// Users implements gc.Inventory.
func (s *Garbage) Users(ctx context.Context, d oci.Digest, n int) (repositories, artifacts []string, err error) {
	repositories, err = columnOf[string](s.db.Query(ctx, `SELECT r.name FROM repository_blob l JOIN repository r ON r.id = l.repository_id
		WHERE l.digest = ? ORDER BY r.name LIMIT ?`, d, n))
	if err == nil {
		artifacts, err = columnOf[string](s.db.Query(ctx, `SELECT r.name || '@' || a.digest FROM artifact_blob b JOIN artifact a ON a.id = b.artifact_id
			JOIN repository r ON r.id = a.repository_id WHERE b.digest = ? ORDER BY r.name, a.id LIMIT ?`, d, n))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("users of %s: %w", d, err)
	}
	return repositories, artifacts, nil
}

// Mark implements gc.Inventory. What has come anew meanwhile has another key.
func (s *Garbage) Mark(ctx context.Context, b gc.Stored, missing bool) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE blob SET missing = ? WHERE digest = ? AND storage_key = ?`, missing, b.Digest, b.Key)
		return err
	})
	if err != nil {
		return fmt.Errorf("mark %s: %w", b.Digest, err)
	}
	return nil
}
