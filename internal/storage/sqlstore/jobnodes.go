package sqlstore

import (
	"context"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Turns implements job.Store.
func (s *Jobs) Turns(ctx context.Context, tasks []int64) (map[int64]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT id, turn FROM task WHERE id IN (`+db.In(len(tasks))+`) AND status = ?`, append(anyOf(tasks), job.Running)...)
	if err != nil {
		return nil, err
	}
	turns := map[int64]int64{}
	return turns, eachRow(rows, func(rows *db.Rows) error {
		var id, turn int64
		err := rows.Scan(&id, &turn)
		turns[id] = turn
		return err
	})
}

// unsent reads no task that waits behind another: its index has none.
const unsent = `SELECT kind, id, turn FROM task WHERE NOT sent AND NOT behind AND ended = 0 AND at <= ? AND status <> ?
	AND kind NOT IN (SELECT kind FROM paused_kind) ORDER BY at, id LIMIT ?`

// Unsent implements job.Store.
func (s *Jobs) Unsent(ctx context.Context, n int, now time.Time) ([]job.Delivery, error) {
	rows, err := s.db.Query(ctx, unsent, now.UnixMicro(), job.Running, n)
	if err != nil {
		return nil, err
	}
	return gather(rows, scanDelivery)
}

func scanDelivery(rows *db.Rows) (d job.Delivery, err error) {
	return d, rows.Scan(&d.Kind, &d.Task, &d.Turn)
}

// Sent implements job.Store.
func (s *Jobs) Sent(ctx context.Context, all []job.Delivery) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for chunk := range slices.Chunk(all, rowsAtOnce) {
			args := []any{}
			for _, d := range chunk {
				args = append(args, d.Task, d.Turn)
			}
			q := `UPDATE task SET sent = TRUE WHERE (id = ? AND turn = ?)`
			for range len(chunk) - 1 {
				q += ` OR (id = ? AND turn = ?)`
			}
			if _, err := tx.Exec(q, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reclaim implements job.Store.
func (s *Jobs) Reclaim(ctx context.Context, c job.Claim, n int, now time.Time) (taken int, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if c.Lost {
			if _, err := tx.Exec(`UPDATE task SET sent = FALSE, turn = turn + 1 WHERE ended = 0 AND sent AND status <> ?`, job.Running); err != nil {
				return err
			}
		}
		own := "TRUE"
		if len(c.Doing) > 0 {
			own = "id NOT IN (" + db.In(len(c.Doing)) + ")"
		}
		ids, err := columnOf[int64](tx.Query(`SELECT id FROM task WHERE ended = 0 AND status = ?
			AND (node NOT IN (SELECT id FROM node) OR node = ? AND updated < ? AND `+own+`) ORDER BY execution_id, id LIMIT ?`,
			append(append([]any{job.Running, c.Node, c.Before.UnixMicro()}, anyOf(c.Doing)...), n)...))
		taken = len(ids)
		for _, id := range ids {
			t, err := held(tx, id)
			if err != nil {
				return err
			}
			if t.Status != job.Running {
				continue
			}
			if _, err := tx.Exec(`UPDATE task SET status = ?, turn = turn + 1, sent = FALSE, node = '', updated = ? WHERE id = ?`, job.Pending, now.UnixMicro(), id); err != nil {
				return err
			}
			if err := countTasks(tx, t.ExecutionID, change{job.Running: -1, job.Pending: 1}, "", now); err != nil {
				return err
			}
		}
		return err
	})
	return taken, err
}

// Sweep implements job.Store. What is to go is looked for outside of the
// transaction, in which nobody else writes.
func (s *Jobs) Sweep(ctx context.Context, kind job.Kind, keep int, before time.Time, n int) (gone int, err error) {
	ids, err := columnOf[int64](s.db.Query(ctx, `SELECT id FROM execution WHERE kind = ? AND ended <> 0 AND ended < ? LIMIT ?`, kind, before.UnixMicro(), n))
	if err != nil {
		return 0, err
	}
	owners, err := columnOf[int64](s.db.Query(ctx, `SELECT owner_id FROM execution WHERE kind = ? GROUP BY owner_id HAVING COUNT(*) > ? ORDER BY owner_id`, kind, keep))
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		if len(ids) >= n {
			break
		}
		more, err := columnOf[int64](s.db.Query(ctx, `SELECT id FROM execution WHERE kind = ? AND owner_id = ? AND ended <> 0 AND ended >= ?
			AND id <= (SELECT id FROM execution WHERE kind = ? AND owner_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?) ORDER BY id LIMIT ?`,
			kind, owner, before.UnixMicro(), kind, owner, keep, n-len(ids)))
		if err != nil {
			return 0, err
		}
		ids = append(ids, more...)
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		gone = 0
		for chunk := range slices.Chunk(ids, rowsAtOnce) {
			k, err := tx.Exec(`DELETE FROM execution WHERE id IN (`+db.In(len(chunk))+`)`, anyOf(chunk)...)
			if err != nil {
				return err
			}
			gone += int(k)
		}
		return nil
	})
	return gone, err
}

// Heard implements job.Store.
func (s *Jobs) Heard(ctx context.Context, n job.Node, forget time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`DELETE FROM node WHERE heard < ? AND id <> ?`, forget.UnixMicro(), n.ID); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO node (id, host, workers, started, heard) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET heard = excluded.heard`,
			n.ID, n.Host, n.Workers, n.Started.UnixMicro(), n.Heard.UnixMicro())
		return err
	})
}

// Gone implements job.Store.
func (s *Jobs) Gone(ctx context.Context, node string) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM node WHERE id = ?`, node)
		return err
	})
}
