package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Facts returns what a version of the program has read out of a layer, or nil
// where nothing is kept. Facts go with the blob that they are of.
func (s *Scans) Facts(ctx context.Context, layer oci.Digest, version int) ([]byte, error) {
	var data []byte
	err := s.db.QueryRow(ctx, `SELECT data FROM layer_facts WHERE digest = ? AND version = ?`, layer, version).Scan(&data)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("facts of %s: %w", layer, err)
	}
	return data, nil
}

// KeepFacts keeps what a version of the program has read out of a layer. Where the
// layer is gone, nothing is kept.
func (s *Scans) KeepFacts(ctx context.Context, layer oci.Digest, version int, data []byte) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO layer_facts (digest, version, data) SELECT b.digest, ?, ? FROM blob b WHERE b.digest = ?
			ON CONFLICT (digest, version) DO UPDATE SET data = excluded.data`, version, blobOf(data), layer)
		return err
	})
	if err != nil && !errors.Is(err, db.ErrReference) {
		return fmt.Errorf("keep facts of %s: %w", layer, err)
	}
	return nil
}

// SweepFacts removes up to n facts that versions before one have read, and says how
// many those were.
func (s *Scans) SweepFacts(ctx context.Context, version, n int) (removed int, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`DELETE FROM layer_facts WHERE version < ? AND digest IN (SELECT f.digest FROM layer_facts f WHERE f.version < ? ORDER BY f.version LIMIT ?)`, version, version, n)
		removed = int(n)
		return err
	})
	return removed, err
}
