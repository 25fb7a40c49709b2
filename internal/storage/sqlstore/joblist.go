package sqlstore

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

const (
	executionFields = `e.id, e.kind, e.owner_id, e.caused_by, e.status, e.message, e.attrs, e.started, e.updated, e.ended,
		e.pending, e.scheduled, e.running, e.stopped, e.failed, e.succeeded`
	taskFields = `t.id, t.execution_id, t.kind, t.status, t.message, t.runs, t.turn, t.args, t.attrs, t.created, t.started, t.updated, t.ended`
)

var executionListing = listing{
	fields: executionFields,
	from:   "execution e",
	columns: map[string]column{
		"id":            {"e.id", number},
		"status":        {"e.status", text},
		"trigger":       {"e.caused_by", text},
		"creation_time": {"e.started", moment},
		"start_time":    {"e.started", moment},
		"update_time":   {"e.updated", moment},
		"end_time":      {"e.ended", moment},
	},
	order: []query.Sort{{Field: "id", Desc: true}},
	id:    "e.id",
}

var taskListing = listing{
	fields: taskFields,
	from:   "task t",
	columns: map[string]column{
		"id":            {"t.id", number},
		"status":        {"t.status", text},
		"creation_time": {"t.created", moment},
		"start_time":    {"t.started", moment},
		"update_time":   {"t.updated", moment},
		"end_time":      {"t.ended", moment},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "t.id",
}

func scanExecution(rows *db.Rows) (e job.Execution, err error) {
	var started, updated, ended int64
	var attrs string
	c := &e.Counts
	err = rows.Scan(&e.ID, &e.Kind, &e.OwnerID, &e.Trigger, &e.Status, &e.Message, &attrs, &started, &updated, &ended,
		&c.Pending, &c.Scheduled, &c.Running, &c.Stopped, &c.Failed, &c.Succeeded)
	e.Attrs, e.Started, e.Updated, e.Ended = json.RawMessage(attrs), timeOf(started), timeOf(updated), timeOf(ended)
	return e, err
}

func scanTask(rows *db.Rows) (t job.Task, err error) {
	var created, started, updated, ended int64
	var args, attrs string
	err = rows.Scan(&t.ID, &t.ExecutionID, &t.Kind, &t.Status, &t.Message, &t.Runs, &t.Turn, &args, &attrs, &created, &started, &updated, &ended)
	t.Args, t.Attrs = json.RawMessage(args), json.RawMessage(attrs)
	t.Created, t.Started, t.Updated, t.Ended = timeOf(created), timeOf(started), timeOf(updated), timeOf(ended)
	return t, err
}

// Execution implements job.Store.
func (s *Jobs) Execution(ctx context.Context, id int64) (job.Execution, error) {
	rows, err := s.db.Query(ctx, `SELECT `+executionFields+` FROM execution e WHERE e.id = ?`, id)
	if err != nil {
		return job.Execution{}, err
	}
	all, err := gather(rows, scanExecution)
	if err == nil && len(all) == 0 {
		err = job.ErrNotFound
	}
	if err != nil {
		return job.Execution{}, err
	}
	return all[0], nil
}

// Executions implements job.Store.
func (s *Jobs) Executions(ctx context.Context, kind job.Kind, owner int64, q query.Query) ([]job.Execution, int64, error) {
	return list(ctx, s.db, executionListing, condition{"e.kind = ? AND e.owner_id = ?", []any{kind, owner}}, q, scanExecution)
}

// Task implements job.Store.
func (s *Jobs) Task(ctx context.Context, id int64) (job.Task, error) {
	t, err := one(s.db.Query(ctx, `SELECT `+taskFields+` FROM task t WHERE t.id = ?`, id))
	if errors.Is(err, db.ErrNotFound) {
		err = job.ErrNotFound
	}
	return t, err
}

// Tasks implements job.Store.
func (s *Jobs) Tasks(ctx context.Context, execution int64, q query.Query) ([]job.Task, int64, error) {
	return list(ctx, s.db, taskListing, condition{"t.execution_id = ?", []any{execution}}, q, scanTask)
}
