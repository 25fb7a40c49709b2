package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Jobs keeps executions and tasks, what they write, and their schedules. It is
// job.Store, job.LogStore and job.ScheduleStore.
//
// Whoever changes the status of a task first writes the row of its execution:
// that row is the lock under which its tasks are counted.
type Jobs struct{ db *db.DB }

// NewJobs returns the executions in d.
func NewJobs(d *db.DB) *Jobs { return &Jobs{d} }

// Create implements job.Store.
func (s *Jobs) Create(ctx context.Context, sub job.Submission, now time.Time) (id int64, d []job.Delivery, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		id, d, err = submit(tx, sub, now)
		return err
	})
	return id, d, err
}

// submit makes an execution and its tasks.
func submit(tx *db.Tx, sub job.Submission, now time.Time) (id int64, d []job.Delivery, err error) {
	attrs, err := object(sub.Attrs)
	if err != nil {
		return 0, nil, err
	}
	var alone any
	if sub.Alone {
		alone = string(sub.Kind) + " " + strconv.FormatInt(sub.OwnerID, 10)
	}
	at := now.UnixMicro()
	err = tx.QueryRow(`INSERT INTO execution (kind, owner_id, caused_by, status, attrs, alone, started, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (alone) DO NOTHING RETURNING id`,
		sub.Kind, sub.OwnerID, sub.Trigger, job.Running, attrs, alone, at, at).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		return 0, nil, job.ErrRunning
	}
	if err != nil {
		return 0, nil, fmt.Errorf("execution of %s: %w", sub.Kind, err)
	}
	for chunk := range slices.Chunk(sub.Tasks, rowsAtOnce) {
		more, err := addTasks(tx, id, sub.Kind, chunk, at)
		if err != nil {
			return 0, nil, fmt.Errorf("tasks of %s: %w", sub.Kind, err)
		}
		d = append(d, more...)
	}
	return id, d, countTasks(tx, id, change{job.Pending: int64(len(d))}, "", now)
}

func addTasks(tx *db.Tx, execution int64, kind job.Kind, all []any, at int64) ([]job.Delivery, error) {
	var args []any
	for _, a := range all {
		text, err := object(a)
		if err != nil {
			return nil, err
		}
		args = append(args, execution, kind, job.Pending, at, text, at, at)
	}
	row := "(" + db.In(7) + ")"
	q := `INSERT INTO task (execution_id, kind, status, at, args, created, updated) VALUES ` + row
	for range len(all) - 1 {
		q += ", " + row
	}
	ids, err := columnOf[int64](tx.Query(q+` RETURNING id`, args...))
	d := make([]job.Delivery, len(ids))
	for i, id := range ids {
		d[i] = job.Delivery{Kind: kind, Task: id, Turn: 1}
	}
	return d, err
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
func (s *Jobs) End(ctx context.Context, task, turn int64, o job.Outcome, now time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		t, err := held(tx, task)
		if err != nil {
			return err
		}
		if t.Turn != turn || t.Status != job.Running {
			return job.ErrEnded
		}
		at, ended, runs := now.UnixMicro(), int64(0), t.Runs
		switch {
		case o.Status.Final():
			ended = at
		case o.Status == job.Pending:
			runs--
		}
		_, err = tx.Exec(`UPDATE task SET status = ?, message = ?, runs = ?, turn = turn + 1, at = ?, sent = FALSE, node = '', updated = ?, ended = ? WHERE id = ?`,
			o.Status, o.Message, runs, max(o.At.UnixMicro(), 0), at, ended, task)
		if err != nil {
			return err
		}
		failure := ""
		if o.Status == job.Failed {
			failure = o.Message
		}
		return countTasks(tx, t.ExecutionID, change{job.Running: -1, o.Status: 1}, failure, now)
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
		var ended int64
		err := tx.QueryRow(`UPDATE execution SET updated = updated WHERE id = ? RETURNING ended`, execution).Scan(&ended)
		switch {
		case errors.Is(err, db.ErrNotFound):
			return job.ErrNotFound
		case err != nil:
			return err
		case ended != 0:
			return job.ErrEnded
		}
		return stop(tx, execution, now)
	})
}

// stop stops the tasks of an execution, whose row is held.
func stop(tx *db.Tx, execution int64, now time.Time) error {
	t, at := change{}, now.UnixMicro()
	for _, from := range []job.Status{job.Pending, job.Scheduled, job.Running} {
		n, err := tx.Exec(`UPDATE task SET status = ?, updated = ?, ended = ? WHERE execution_id = ? AND status = ?`, job.Stopped, at, at, execution, from)
		if err != nil {
			return fmt.Errorf("stop tasks: %w", err)
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
		at := now.UnixMicro()
		if _, err := tx.Exec(`UPDATE task SET status = ?, updated = ?, ended = ? WHERE id = ?`, job.Stopped, at, at, id); err != nil {
			return err
		}
		return countTasks(tx, t.ExecutionID, change{t.Status: -1, job.Stopped: 1}, "", now)
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
		stopped = len(ids)
		for _, id := range ids {
			var open bool
			if err := tx.QueryRow(`UPDATE execution SET updated = updated WHERE id = ? RETURNING ended = 0`, id).Scan(&open); err != nil {
				return err
			}
			if open {
				if err := stop(tx, id, now); err != nil {
					return err
				}
			}
		}
		return err
	})
	return stopped, err
}
