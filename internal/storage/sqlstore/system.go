package sqlstore

import (
	"context"
	"fmt"

	"github.com/berth-registry/berth/internal/storage/db"
)

// System keeps facts of which there is one each, such as when the first start
// was complete.
type System struct{ db *db.DB }

// NewSystem returns the facts in d.
func NewSystem(d *db.DB) *System { return &System{d} }

// Get returns a fact, or db.ErrNotFound.
func (s *System) Get(ctx context.Context, name string) (string, error) {
	var value string
	if err := s.db.QueryRow(ctx, `SELECT value FROM system WHERE name = ?`, name).Scan(&value); err != nil {
		return "", fmt.Errorf("fact %s: %w", name, err)
	}
	return value, nil
}

// Set keeps a fact, in the place of what it was before.
func (s *System) Set(ctx context.Context, name, value string) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO system (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value); err != nil {
			return fmt.Errorf("fact %s: %w", name, err)
		}
		return nil
	})
}
