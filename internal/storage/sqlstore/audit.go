package sqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Audit keeps audit rows. It is an audit.Store.
type Audit struct{ db *db.DB }

// NewAudit returns the audit rows of a database.
func NewAudit(d *db.DB) *Audit { return &Audit{d} }

const (
	auditInsert = `
		INSERT INTO audit_log (event_id, at, username, address, request_id, project_id,
			resource, resource_type, operation, description, success) VALUES `
	auditValues   = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	auditConflict = ` ON CONFLICT (event_id) DO NOTHING`

	// auditMany is how many rows are inserted by one statement, while there are
	// so many: on PostgreSQL each statement is a round trip.
	auditMany = 50
)

var (
	auditOne   = auditInsert + auditValues + auditConflict
	auditGroup = auditInsert + strings.Repeat(auditValues+", ", auditMany-1) + auditValues + auditConflict
)

// Add implements audit.Store.
func (a *Audit) Add(ctx context.Context, rows []audit.Row) error {
	return a.db.Write(ctx, func(tx *db.Tx) error {
		for rest := rows; len(rest) > 0; {
			statement, n := auditOne, 1
			if len(rest) >= auditMany {
				statement, n = auditGroup, auditMany
			}
			var args []any
			for _, r := range rest[:n] {
				args = append(args, orNull(r.EventID), r.At.UnixMicro(), r.Username, r.Address, r.Request, r.ProjectID,
					r.Resource, r.ResourceType, r.Operation, r.Description, r.Success)
			}
			if _, err := tx.Exec(statement, args...); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
}

// orNull returns the id of an event, or nothing for a fact without one: such
// ids are not compared.
func orNull(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// Expire implements audit.Store.
func (a *Audit) Expire(ctx context.Context, before time.Time, most int) (n int64, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		n, err = tx.Exec(`DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < ? ORDER BY at LIMIT ?)`,
			before.UnixMicro(), most)
		return err
	})
	return n, err
}
