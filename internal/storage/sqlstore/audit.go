package sqlstore

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/query"
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
func (a *Audit) Add(ctx context.Context, rows []audit.Row, queue bool) error {
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
			if err := addAudit(tx, statement, args, queue); err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	})
}

// addAudit inserts rows, and where queue is set, lets those wait that were not
// there.
func addAudit(tx *db.Tx, statement string, args []any, queue bool) error {
	if !queue {
		_, err := tx.Exec(statement, args...)
		return err
	}
	ids, err := columnOf[int64](tx.Query(statement+` RETURNING id`, args...))
	if err != nil {
		return err
	}
	return insertRows(tx, `INSERT INTO audit_queue (audit_id) VALUES `, 1, anyOf(ids))
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

const auditFields = `l.id, COALESCE(l.event_id, 0), l.at, l.username, l.address, l.request_id, l.project_id,
	l.resource, l.resource_type, l.operation, l.description, l.success`

// auditListing finds ids only: who sorts a project's log by them, for which there
// is no index, is not to sort whole rows.
var auditListing = listing{
	fields: "l.id",
	from:   "audit_log l",
	columns: map[string]column{
		"id":                    {"l.id", number},
		"username":              {"l.username", text},
		"resource":              {"l.resource", text},
		"resource_type":         {"l.resource_type", text},
		"operation":             {"l.operation", text},
		"operation_description": {"l.description", text},
		"operation_result":      {"l.success", flag},
		"op_time":               {"l.at", moment},
		"project_id":            {"l.project_id", number},
	},
	sorts: []string{"id", "op_time"}, // any other index would cost something for each pull
	order: []query.Sort{{Field: "op_time", Desc: true}},
	id:    "l.id",
}

func scanAudit(rows *db.Rows) (audit.Row, error) {
	var r audit.Row
	var at int64
	err := rows.Scan(&r.ID, &r.EventID, &at, &r.Username, &r.Address, &r.Request, &r.ProjectID,
		&r.Resource, &r.ResourceType, &r.Operation, &r.Description, &r.Success)
	r.At = time.UnixMicro(at).UTC()
	return r, err
}

// List implements audit.Store.
func (a *Audit) List(ctx context.Context, v audit.Visible, q query.Query) ([]audit.Row, int64, error) {
	ids, total, err := listIDs(ctx, a.db, auditListing, auditVisible(v), q)
	if err != nil {
		return nil, 0, err
	}
	found, err := a.rows(ctx, ids)
	return found, total, err
}

// rows returns those of some ids that are still there, in the order of these.
func (a *Audit) rows(ctx context.Context, ids []int64) ([]audit.Row, error) {
	return inOrderOfIDs(ctx, a.db, `SELECT `+auditFields+` FROM audit_log l WHERE l.id`, ids, scanAudit, func(r audit.Row) int64 { return r.ID })
}

func auditVisible(v audit.Visible) condition {
	switch {
	case v.ProjectID != 0:
		return condition{"l.project_id = ?", []any{v.ProjectID}}
	case v.All:
		return condition{"TRUE", nil}
	case v.InProjects:
		return condition{"l.project_id <> 0", nil}
	case v.AdministratorID != 0:
		return gathered("l.project_id", condition{`SELECT m.project_id FROM member m WHERE m.role = ? AND m.kind = 'u' AND m.entity_id = ?
			UNION ALL SELECT m.project_id FROM member m JOIN account_group g ON g.group_id = m.entity_id WHERE m.role = ? AND m.kind = 'g' AND g.account_id = ?`,
			[]any{access.ProjectAdmin, v.AdministratorID, access.ProjectAdmin, v.AdministratorID}})
	case len(v.Projects) > 0:
		return condition{"l.project_id IN (SELECT id FROM project WHERE NOT deleted AND name IN (" + db.In(len(v.Projects)) + "))", anyOf(v.Projects)}
	}
	return condition{"FALSE", nil}
}

// Oldest implements audit.Store.
func (a *Audit) Oldest(ctx context.Context, before time.Time, after audit.Row, n int) ([]audit.Row, error) {
	from := int64(math.MinInt64)
	if after.ID != 0 {
		from = after.At.UnixMicro()
	}
	rows, err := a.db.Query(ctx, `SELECT `+auditFields+` FROM audit_log l WHERE l.at < ? AND (l.at, l.id) > (?, ?) ORDER BY l.at, l.id LIMIT ?`,
		before.UnixMicro(), from, after.ID, n)
	if err != nil {
		return nil, err
	}
	return gather(rows, scanAudit)
}

// Remove implements audit.Store.
func (a *Audit) Remove(ctx context.Context, ids []int64) (n int64, err error) {
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		n, err = tx.Exec(`DELETE FROM audit_log WHERE id IN (`+db.In(len(ids))+`)`, anyOf(ids)...)
		return err
	})
	return n, err
}

// Lead implements audit.Queue. The row holds until when, in twenty digits, and
// who.
func (a *Audit) Lead(ctx context.Context, node string, now, until time.Time) (mine bool, err error) {
	mark := func(t time.Time) string { return fmt.Sprintf("%020d", t.UnixMicro()) }
	err = a.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`INSERT INTO system (name, value) VALUES ('audit.forwarder', ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE system.value < ? OR SUBSTR(system.value, 22) = ?`,
			mark(until)+" "+node, mark(now), node)
		mine = n > 0
		return err
	})
	return mine, err
}

// Queued implements audit.Queue.
func (a *Audit) Queued(ctx context.Context, n int) ([]audit.Row, error) {
	rows, err := a.db.Query(ctx, `SELECT `+auditFields+` FROM audit_queue q JOIN audit_log l ON l.id = q.audit_id ORDER BY q.audit_id LIMIT ?`, n)
	if err != nil {
		return nil, err
	}
	return gather(rows, scanAudit)
}

// Forwarded implements audit.Queue.
func (a *Audit) Forwarded(ctx context.Context, ids []int64, remove bool) error {
	from := `audit_queue WHERE audit_id`
	if remove { // the queue's rows go along
		from = `audit_log WHERE id`
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM `+from+` IN (`+db.In(len(ids))+`)`, anyOf(ids)...)
		return err
	})
}
