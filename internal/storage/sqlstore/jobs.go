package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Jobs keeps executions and tasks, what they write, and their schedules. It is
// job.Store, job.LogStore and job.ScheduleStore.
//
// Whoever changes the status of a task first writes the row of its execution:
// that row is the lock under which its tasks are counted. Whoever makes or ends
// tasks of lanes does so in inLanes, which writes the rows of those lanes. The
// order is executions by their ids, then lanes by their names, then tasks.
type Jobs struct{ db *db.DB }

// NewJobs returns the executions in d.
func NewJobs(d *db.DB) *Jobs { return &Jobs{d} }

// Create implements job.Store.
func (s *Jobs) Create(ctx context.Context, subs []job.Submission, now time.Time) (ids []int64, d []job.Delivery, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		ids, d, err = submit(tx, subs, now)
		return err
	})
	return ids, d, err
}

// A newTask is one of an execution that has been made.
type newTask struct {
	execution int64
	of        *job.Submission
	args      any
}

// submit makes executions and their tasks.
func submit(tx *db.Tx, subs []job.Submission, now time.Time) (ids []int64, d []job.Delivery, err error) {
	var tasks []newTask
	var lanes []string
	for i := range subs {
		sub := &subs[i]
		id, made, err := addExecution(tx, sub, now)
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, id)
		if !made {
			continue
		}
		lanes = append(lanes, sub.Lane)
		for _, args := range sub.Tasks {
			tasks = append(tasks, newTask{id, sub, args})
		}
	}
	next, err := inLanes(tx, lanes, func() error {
		for chunk := range slices.Chunk(tasks, rowsAtOnce) {
			more, err := addTasks(tx, chunk, now)
			if err != nil {
				return fmt.Errorf("tasks of %s: %w", chunk[0].of.Kind, err)
			}
			d = append(d, more...)
		}
		return nil
	})
	return ids, append(d, next...), err
}

// addExecution makes an execution, unless its cause has one already.
func addExecution(tx *db.Tx, sub *job.Submission, now time.Time) (id int64, made bool, err error) {
	attrs, err := object(sub.Attrs)
	if err != nil {
		return 0, false, err
	}
	var alone, cause any
	if sub.Alone {
		alone = string(sub.Kind) + " " + strconv.FormatInt(sub.OwnerID, 10)
	}
	if sub.Cause != "" {
		cause = sub.Cause
	}
	at, tasks := now.UnixMicro(), len(sub.Tasks)
	err = tx.QueryRow(`INSERT INTO execution (kind, owner_id, caused_by, status, attrs, alone, cause, pending, started, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING RETURNING id`,
		sub.Kind, sub.OwnerID, sub.Trigger, job.Running, attrs, alone, cause, tasks, at, at).Scan(&id)
	if err == nil && tasks == 0 { // it is over
		err = countTasks(tx, id, change{}, "", now)
	}
	if !errors.Is(err, db.ErrNotFound) {
		if err != nil {
			err = fmt.Errorf("execution of %s: %w", sub.Kind, err)
		}
		return id, err == nil, err
	}
	err = tx.QueryRow(`SELECT id FROM execution WHERE cause = ?`, cause).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		err = nil // that of the cause has gone just now
		if sub.Alone {
			id, err = refuse(tx, sub, attrs, now)
		}
	}
	return id, false, err
}

// refuse makes an execution that has failed, or returns job.ErrRunning where none
// is asked for.
func refuse(tx *db.Tx, sub *job.Submission, attrs string, now time.Time) (id int64, err error) {
	if sub.Refusal == "" {
		return 0, job.ErrRunning
	}
	at := now.UnixMicro()
	err = tx.QueryRow(`INSERT INTO execution (kind, owner_id, caused_by, status, message, attrs, started, updated, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		sub.Kind, sub.OwnerID, sub.Trigger, job.Failed, sub.Refusal, attrs, at, at, at).Scan(&id)
	if err != nil {
		err = fmt.Errorf("execution of %s that is refused: %w", sub.Kind, err)
	}
	return id, err
}

// addTasks returns the deliveries of those that are in no lane: inLanes knows of
// the others.
func addTasks(tx *db.Tx, tasks []newTask, now time.Time) (d []job.Delivery, err error) {
	var args []any
	at := now.UnixMicro()
	for _, t := range tasks {
		text, err := object(t.args)
		if err != nil {
			return nil, err
		}
		args = append(args, t.execution, t.of.Kind, job.Pending, at, text, at, at, t.of.Lane, t.of.Lane != "")
	}
	row := "(" + db.In(9) + ")"
	rows, err := tx.Query(`INSERT INTO task (execution_id, kind, status, at, args, created, updated, lane, behind) VALUES `+
		row+strings.Repeat(", "+row, len(tasks)-1)+` RETURNING kind, id, turn, behind`, args...)
	if err != nil {
		return nil, err
	}
	return d, eachRow(rows, func(rows *db.Rows) error {
		var one job.Delivery
		var behind bool
		err := rows.Scan(&one.Kind, &one.Task, &one.Turn, &behind)
		if !behind {
			d = append(d, one)
		}
		return err
	})
}

// object returns the JSON of a value; nothing is an empty object.
func object(v any) (string, error) {
	if v == nil {
		return "{}", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}

// A change is by how much it changes how many tasks have each status.
type change map[job.Status]int64

// countTasks keeps how many tasks an execution has, and with it its status. failure
// is why one of them failed.
func countTasks(tx *db.Tx, execution int64, t change, failure string, now time.Time) error {
	var c job.Counts
	at := now.UnixMicro()
	err := tx.QueryRow(`UPDATE execution SET pending = pending + ?, scheduled = scheduled + ?, running = running + ?, stopped = stopped + ?, failed = failed + ?,
		succeeded = succeeded + ?, updated = ?, message = CASE WHEN ? = '' THEN message ELSE ? END WHERE id = ?
		RETURNING pending, scheduled, running, stopped, failed, succeeded`,
		t[job.Pending], t[job.Scheduled], t[job.Running], t[job.Stopped], t[job.Failed], t[job.Succeeded], at, failure, failure, execution).
		Scan(&c.Pending, &c.Scheduled, &c.Running, &c.Stopped, &c.Failed, &c.Succeeded)
	if err != nil || c.Pending+c.Scheduled+c.Running > 0 {
		return err
	}
	status := job.Succeeded
	switch {
	case c.Failed > 0:
		status = job.Failed
	case c.Stopped > 0:
		status = job.Stopped
	}
	_, err = tx.Exec(`UPDATE execution SET status = ?, ended = ?, alone = NULL WHERE id = ?`, status, at, execution)
	return err
}

// held returns a task, whose execution it holds.
func held(tx *db.Tx, id int64) (t job.Task, err error) {
	var execution int64
	err = tx.QueryRow(`UPDATE execution SET updated = updated WHERE id = (SELECT execution_id FROM task WHERE id = ?) RETURNING id`, id).Scan(&execution)
	if err == nil {
		t, err = scanTask(tx.QueryRow(`SELECT `+taskFields+` FROM task t WHERE t.id = ?`, id))
	}
	return t, noJob(err)
}

// Spread implements job.Store.
func (s *Jobs) Spread(ctx context.Context, task, turn int64, args []any, now time.Time) (d []job.Delivery, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		t, err := held(tx, task)
		if err != nil {
			return err
		}
		if t.Turn != turn || t.Status != job.Running {
			return job.ErrEnded
		}
		own, err := object(args[0])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE task SET args = ?, updated = ? WHERE id = ?`, own, now.UnixMicro(), task); err != nil {
			return err
		}
		of := &job.Submission{Kind: t.Kind}
		for chunk := range slices.Chunk(args[1:], rowsAtOnce) {
			tasks := make([]newTask, len(chunk))
			for i, a := range chunk {
				tasks[i] = newTask{t.ExecutionID, of, a}
			}
			more, err := addTasks(tx, tasks, now)
			if err != nil {
				return fmt.Errorf("tasks of %s: %w", t.Kind, err)
			}
			d = append(d, more...)
		}
		return countTasks(tx, t.ExecutionID, change{job.Pending: int64(len(args) - 1)}, "", now)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Begin implements job.Store.
func (s *Jobs) Begin(ctx context.Context, task, turn int64, node string, now time.Time) (t job.Task, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if t, err = held(tx, task); err != nil {
			return err
		}
		if t.Turn != turn || t.Status != job.Pending && t.Status != job.Scheduled {
			return job.ErrEnded
		}
		var paused bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM paused_kind WHERE kind = ?)`, t.Kind).Scan(&paused); err != nil {
			return err
		}
		if paused { // it is sent when they go on
			_, err := tx.Exec(`UPDATE task SET sent = FALSE, turn = turn + 1 WHERE id = ?`, task)
			t.Status = job.Pending
			return err
		}
		was := t.Status
		t.Status, t.Runs = job.Running, t.Runs+1
		_, err = tx.Exec(`UPDATE task SET status = ?, runs = runs + 1, node = ?, updated = ?, started = CASE WHEN started = 0 THEN ? ELSE started END WHERE id = ?`,
			job.Running, node, now.UnixMicro(), now.UnixMicro(), task)
		if err == nil {
			err = countTasks(tx, t.ExecutionID, change{was: -1, job.Running: 1}, "", now)
		}
		return err
	})
	if err == nil && t.Status != job.Running {
		err = job.ErrEnded
	}
	return t, err
}

// End implements job.Store. A run that goes on by itself is not counted as one
// that failed.
func (s *Jobs) End(ctx context.Context, task, turn int64, o job.Outcome, now time.Time) (next []job.Delivery, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		t, err := held(tx, task)
		if err != nil {
			return err
		}
		if t.Turn != turn || t.Status != job.Running {
			return job.ErrEnded
		}
		if o.Status.Final() {
			next, err = finish(tx, []job.Task{t}, o, now)
		} else {
			next, err = goOn(tx, t, o, now)
		}
		return err
	})
	return next, err
}

// goOn has a task run again, and returns its delivery where it is time for that.
func goOn(tx *db.Tx, t job.Task, o job.Outcome, now time.Time) (d []job.Delivery, err error) {
	if o.Status == job.Pending {
		t.Runs--
	}
	_, err = tx.Exec(`UPDATE task SET status = ?, message = ?, runs = ?, turn = turn + 1, at = ?, sent = FALSE, node = '', updated = ? WHERE id = ?`,
		o.Status, o.Message, t.Runs, o.At.UnixMicro(), now.UnixMicro(), t.ID)
	if err != nil {
		return nil, err
	}
	if !o.At.After(now) {
		d = []job.Delivery{{Kind: t.Kind, Task: t.ID, Turn: t.Turn + 1}}
	}
	return d, countTasks(tx, t.ExecutionID, change{job.Running: -1, o.Status: 1}, "", now)
}

// finish ends tasks, whose executions are held.
func finish(tx *db.Tx, tasks []job.Task, o job.Outcome, now time.Time) (next []job.Delivery, err error) {
	failure := ""
	if o.Status == job.Failed {
		failure = o.Message
	}
	lanes := make([]string, len(tasks))
	for i, t := range tasks {
		lanes[i] = t.Lane
	}
	at := now.UnixMicro()
	return inLanes(tx, lanes, func() error {
		for _, t := range tasks {
			if _, err := tx.Exec(`UPDATE task SET status = ?, message = ?, node = '', updated = ?, ended = ? WHERE id = ?`, o.Status, o.Message, at, at, t.ID); err != nil {
				return err
			}
			if err := countTasks(tx, t.ExecutionID, change{t.Status: -1, o.Status: 1}, failure, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// Report implements job.Store.
func (s *Jobs) Report(ctx context.Context, task, turn int64, attrs json.RawMessage, now time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE task SET attrs = ?, updated = ? WHERE id = ? AND turn = ? AND status = ?`, string(attrs), now.UnixMicro(), task, turn, job.Running)
		if err == nil && n == 0 {
			err = job.ErrEnded
		}
		return err
	})
}

// Stop implements job.Store.
func (s *Jobs) Stop(ctx context.Context, execution int64, now time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		open, err := heldOpen(tx, execution)
		if err == nil && !open {
			err = job.ErrEnded
		}
		if err != nil {
			return noJob(err)
		}
		return stop(tx, []int64{execution}, now)
	})
}

// heldOpen reports whether an execution, which it holds, is not over.
func heldOpen(tx *db.Tx, execution int64) (open bool, err error) {
	err = tx.QueryRow(`UPDATE execution SET updated = updated WHERE id = ? RETURNING ended = 0`, execution).Scan(&open)
	return open, err
}

// stop stops the tasks of executions, whose rows are held.
func stop(tx *db.Tx, executions []int64, now time.Time) error {
	var lanes []string
	for chunk := range slices.Chunk(executions, rowsAtOnce) {
		more, err := columnOf[string](tx.Query(`SELECT DISTINCT lane FROM task WHERE execution_id IN (`+db.In(len(chunk))+`) AND ended = 0`, anyOf(chunk)...))
		if err != nil {
			return fmt.Errorf("lanes of executions: %w", err)
		}
		lanes = append(lanes, more...)
	}
	_, err := inLanes(tx, lanes, func() error {
		for _, id := range executions {
			if err := stopTasks(tx, id, now); err != nil {
				return fmt.Errorf("stop tasks: %w", err)
			}
		}
		return nil
	})
	return err
}

func stopTasks(tx *db.Tx, execution int64, now time.Time) error {
	t, at := change{}, now.UnixMicro()
	for _, from := range []job.Status{job.Pending, job.Scheduled, job.Running} {
		n, err := tx.Exec(`UPDATE task SET status = ?, updated = ?, ended = ? WHERE execution_id = ? AND status = ?`, job.Stopped, at, at, execution, from)
		if err != nil {
			return err
		}
		t[from] = -n
		t[job.Stopped] += n
	}
	return countTasks(tx, execution, t, "", now)
}

// StopTask implements job.Store.
func (s *Jobs) StopTask(ctx context.Context, id int64, now time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		t, err := held(tx, id)
		if err != nil {
			return err
		}
		if t.Status.Final() {
			return job.ErrEnded
		}
		_, err = finish(tx, []job.Task{t}, job.Outcome{Status: job.Stopped, Message: t.Message}, now)
		return err
	})
}

// StopAll implements job.Store.
func (s *Jobs) StopAll(ctx context.Context, kind job.Kind, running bool, n int, now time.Time) (stopped int, err error) {
	where, args := "ended = 0 AND running = 0", []any{}
	if running {
		where = "ended = 0 AND running > 0"
	}
	if kind != "" {
		where, args = where+" AND kind = ?", []any{kind}
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		ids, err := columnOf[int64](tx.Query(`SELECT id FROM execution WHERE `+where+` ORDER BY id LIMIT ?`, append(args, n)...))
		if err != nil {
			return err
		}
		stopped = len(ids)
		var all []int64
		for _, id := range ids {
			open, err := heldOpen(tx, id)
			if err != nil {
				return err
			}
			if open {
				all = append(all, id)
			}
		}
		return stop(tx, all, now)
	})
	return stopped, err
}

// staleTasks finds tasks that were made before a time and never begun.
const staleTasks = `SELECT id, execution_id FROM task WHERE kind = ? AND status = ? AND created < ? AND ended = 0 AND runs = 0 ORDER BY created LIMIT ?`

// Expire implements job.Store.
func (s *Jobs) Expire(ctx context.Context, c job.Stale, n int, now time.Time) (int, error) {
	ids, err := columnOf[int64](s.db.Query(ctx, `SELECT id FROM (`+staleTasks+`) AS stale ORDER BY execution_id, id`, c.Kind, job.Pending, c.Before.UnixMicro(), n))
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return len(ids), s.db.Write(ctx, func(tx *db.Tx) error {
		var stale []job.Task
		for _, id := range ids {
			t, err := held(tx, id)
			if err != nil && !errors.Is(err, job.ErrNotFound) {
				return err
			}
			if err == nil && t.Status == job.Pending && t.Runs == 0 {
				stale = append(stale, t)
			}
		}
		_, err := finish(tx, stale, job.Outcome{Status: job.Failed, Message: c.Message}, now)
		return err
	})
}
