package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

const (
	executionFields = `e.id, e.kind, e.owner_id, e.caused_by, e.status, e.message, e.attrs, e.started, e.updated, e.ended,
		e.pending, e.scheduled, e.running, e.stopped, e.failed, e.succeeded`
	taskFields = `t.id, t.execution_id, t.kind, t.status, t.message, t.runs, t.turn, t.node, t.args, t.attrs, t.created, t.started, t.updated, t.ended, t.lane`
)

// executionListing finds ids only, as taskListing does: by what has no index, they
// are sorted, and whole rows are not.
var executionListing = listing{
	fields: "e.id",
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

// taskListing reads an index that has all of its columns but extra_attrs.
var taskListing = listing{
	fields: "t.id",
	from:   "task t",
	columns: map[string]column{
		"id":            {"t.id", number},
		"status":        {"t.status", text},
		"extra_attrs":   {"t.attrs", text},
		"creation_time": {"t.created", moment},
		"start_time":    {"t.started", moment},
		"update_time":   {"t.updated", moment},
		"end_time":      {"t.ended", moment},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "t.id",
}

func scanExecution[R scanner](row R) (e job.Execution, err error) {
	var started, updated, ended int64
	var attrs string
	c := &e.Counts
	err = row.Scan(&e.ID, &e.Kind, &e.OwnerID, &e.Trigger, &e.Status, &e.Message, &attrs, &started, &updated, &ended,
		&c.Pending, &c.Scheduled, &c.Running, &c.Stopped, &c.Failed, &c.Succeeded)
	e.Attrs, e.Started, e.Updated, e.Ended = json.RawMessage(attrs), timeOf(started), timeOf(updated), timeOf(ended)
	return e, err
}

func scanTask[R scanner](row R) (t job.Task, err error) {
	var created, started, updated, ended int64
	var args, attrs string
	err = row.Scan(&t.ID, &t.ExecutionID, &t.Kind, &t.Status, &t.Message, &t.Runs, &t.Turn, &t.Node, &args, &attrs, &created, &started, &updated, &ended, &t.Lane)
	t.Args, t.Attrs = json.RawMessage(args), json.RawMessage(attrs)
	t.Created, t.Started, t.Updated, t.Ended = timeOf(created), timeOf(started), timeOf(updated), timeOf(ended)
	return t, err
}

// Execution implements job.Store.
func (s *Jobs) Execution(ctx context.Context, id int64) (job.Execution, error) {
	e, err := scanExecution(s.db.QueryRow(ctx, `SELECT `+executionFields+` FROM execution e WHERE e.id = ?`, id))
	return e, noJob(err)
}

// noJob is job.ErrNotFound where there is no row.
func noJob(err error) error {
	if errors.Is(err, db.ErrNotFound) {
		return job.ErrNotFound
	}
	return err
}

// Executions implements job.Store.
func (s *Jobs) Executions(ctx context.Context, kinds []job.Kind, owner int64, q query.Query) ([]job.Execution, int64, error) {
	ids, total, err := listIDs(ctx, s.db, executionListing, executionsOf(kinds, owner), q)
	if err != nil {
		return nil, 0, err
	}
	found, err := inOrderOfIDs(ctx, s.db, `SELECT `+executionFields+` FROM execution e WHERE e.id`, ids, scanExecution, func(e job.Execution) int64 { return e.ID })
	return found, total, err
}

// executionsOf meets those of an owner. Of several kinds, they are found in their
// order, which is that of no index by kind.
func executionsOf(kinds []job.Kind, owner int64) condition {
	if owner == job.AnyOwner {
		return condition{"e.kind IN (" + db.In(len(kinds)) + ")", anyOf(kinds)}
	}
	if len(kinds) == 1 {
		return condition{"e.owner_id = ? AND e.kind = ?", []any{owner, kinds[0]}}
	}
	kind := column{"e.kind", text}.unindexed()
	return condition{"e.owner_id = ? AND " + kind.expr + " IN (" + db.In(len(kinds)) + ")", append([]any{owner}, anyOf(kinds)...)}
}

// Task implements job.Store.
func (s *Jobs) Task(ctx context.Context, id int64) (job.Task, error) {
	t, err := scanTask(s.db.QueryRow(ctx, `SELECT `+taskFields+` FROM task t WHERE t.id = ?`, id))
	return t, noJob(err)
}

// Tasks implements job.Store.
func (s *Jobs) Tasks(ctx context.Context, execution int64, q query.Query) ([]job.Task, int64, error) {
	ids, total, err := listIDs(ctx, s.db, taskListing, condition{"t.execution_id = ?", []any{execution}}, q)
	if err != nil {
		return nil, 0, err
	}
	found, err := inOrderOfIDs(ctx, s.db, `SELECT `+taskFields+` FROM task t WHERE t.id`, ids, scanTask, func(t job.Task) int64 { return t.ID })
	return found, total, err
}

// FirstTasks implements job.Store.
func (s *Jobs) FirstTasks(ctx context.Context, executions []int64) (map[int64]job.Task, error) {
	first := map[int64]job.Task{}
	for chunk := range slices.Chunk(executions, rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT `+taskFields+` FROM task t WHERE t.id IN (
			SELECT MIN(id) FROM task WHERE execution_id IN (`+db.In(len(chunk))+`) GROUP BY execution_id)`, anyOf(chunk)...)
		if err != nil {
			return nil, err
		}
		tasks, err := gather(rows, scanTask)
		if err != nil {
			return nil, err
		}
		for _, t := range tasks {
			first[t.ExecutionID] = t
		}
	}
	return first, nil
}

// Doing implements job.Store.
func (s *Jobs) Doing(ctx context.Context, node string, n int) ([]job.Task, error) {
	where, args := "t.ended = 0 AND t.status = ?", []any{job.Running}
	if node != "" {
		where, args = where+" AND t.node = ?", append(args, node)
	}
	rows, err := s.db.Query(ctx, `SELECT `+taskFields+` FROM task t WHERE `+where+` ORDER BY t.id DESC LIMIT ?`, append(args, n)...)
	if err != nil {
		return nil, err
	}
	return gather(rows, scanTask)
}

// Waiting implements job.Store.
func (s *Jobs) Waiting(ctx context.Context) (map[job.Kind]job.Waiting, error) {
	rows, err := s.db.Query(ctx, `SELECT kind, count(*), MIN(created) FROM task WHERE ended = 0 AND status <> ? GROUP BY kind`, job.Running)
	if err != nil {
		return nil, err
	}
	all := map[job.Kind]job.Waiting{}
	return all, eachRow(rows, func(rows *db.Rows) error {
		var kind job.Kind
		var w job.Waiting
		var since int64
		err := rows.Scan(&kind, &w.Tasks, &since)
		w.Since = timeOf(since)
		all[kind] = w
		return err
	})
}

// Nodes implements job.Store.
func (s *Jobs) Nodes(ctx context.Context) ([]job.Node, error) {
	rows, err := s.db.Query(ctx, `SELECT id, host, workers, started, heard FROM node ORDER BY started, id`)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (n job.Node, err error) {
		var started, heard int64
		err = rows.Scan(&n.ID, &n.Host, &n.Workers, &started, &heard)
		n.Started, n.Heard = timeOf(started), timeOf(heard)
		return n, err
	})
}
