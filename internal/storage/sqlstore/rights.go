package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/storage/db"
)

// touchRights says that this transaction changes what somebody may do: a user, a
// robot, a project or a membership. Other nodes see the new version, and forget
// what they remembered. It comes first in its transaction: the row is the lock
// that keeps two changes of rights apart, so that each sees what the one before
// it did.
func touchRights(tx *db.Tx) error {
	n, err := tx.Exec(`UPDATE rights SET version = version + 1 WHERE id = 1`)
	if err == nil && n != 1 {
		err = errors.New("the row is missing")
	}
	if err != nil {
		return fmt.Errorf("version of the rights: %w", err)
	}
	return nil
}

// Rights tells when rights have changed, on whichever node.
type Rights struct{ db *db.DB }

// NewRights returns the rights of d.
func NewRights(d *db.DB) *Rights { return &Rights{d} }

// Version returns a number that each change of rights raises. What was
// remembered under another one may no longer hold.
func (s *Rights) Version(ctx context.Context) (int64, error) {
	var v int64
	if err := s.db.QueryRow(ctx, `SELECT version FROM rights WHERE id = 1`).Scan(&v); err != nil {
		return 0, fmt.Errorf("version of the rights: %w", err)
	}
	return v, nil
}
