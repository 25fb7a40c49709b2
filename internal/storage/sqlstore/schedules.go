package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

const scheduleFields = `s.id, s.kind, s.owner_id, s.type, s.cron, s.attrs, s.next, s.created, s.updated`

var scheduleListing = listing{
	fields: scheduleFields,
	from:   "schedule s",
	columns: map[string]column{
		"id":          {"s.id", number},
		"vendor_type": {"s.kind", text},
		"vendor_id":   {"s.owner_id", number},
		"cron":        {"s.cron", text},
		"update_time": {"s.updated", moment},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "s.id",
}

func scanSchedule[R scanner](row R) (s job.Schedule, err error) {
	var next, created, updated int64
	var attrs string
	err = row.Scan(&s.ID, &s.Kind, &s.OwnerID, &s.Type, &s.Cron, &attrs, &next, &created, &updated)
	s.Attrs, s.Next, s.Created, s.Updated = json.RawMessage(attrs), timeOf(next), timeOf(created), timeOf(updated)
	return s, err
}

// Set implements job.ScheduleStore.
func (s *Jobs) Set(ctx context.Context, at job.Schedule) (id int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(`INSERT INTO schedule (kind, owner_id, type, cron, attrs, next, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (kind, owner_id) DO UPDATE SET type = excluded.type, cron = excluded.cron, attrs = excluded.attrs, next = excluded.next, updated = excluded.updated
			RETURNING id`, at.Kind, at.OwnerID, at.Type, at.Cron, string(at.Attrs), at.Next.UnixMicro(), at.Created.UnixMicro(), at.Updated.UnixMicro()).Scan(&id)
	})
	return id, err
}

// Unset implements job.ScheduleStore.
func (s *Jobs) Unset(ctx context.Context, kind job.Kind, owner int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM schedule WHERE kind = ? AND owner_id = ?`, kind, owner)
		return err
	})
}

// Of implements job.ScheduleStore.
func (s *Jobs) Of(ctx context.Context, kind job.Kind, owner int64) (job.Schedule, error) {
	at, err := scanSchedule(s.db.QueryRow(ctx, `SELECT `+scheduleFields+` FROM schedule s WHERE s.kind = ? AND s.owner_id = ?`, kind, owner))
	return at, noJob(err)
}

// List implements job.ScheduleStore.
func (s *Jobs) List(ctx context.Context, q query.Query) ([]job.Schedule, int64, error) {
	return list(ctx, s.db, scheduleListing, condition{"TRUE", nil}, q, scanSchedule)
}

// Due implements job.ScheduleStore.
func (s *Jobs) Due(ctx context.Context, now time.Time, n int) ([]job.Schedule, error) {
	rows, err := s.db.Query(ctx, `SELECT `+scheduleFields+` FROM schedule s WHERE s.next <= ?
		AND NOT EXISTS (SELECT 1 FROM paused_kind WHERE kind = ?) ORDER BY s.next, s.id LIMIT ?`, now.UnixMicro(), job.Scheduler, n)
	if err != nil {
		return nil, err
	}
	return gather(rows, scanSchedule)
}

// Fire implements job.ScheduleStore.
func (s *Jobs) Fire(ctx context.Context, at job.Schedule, next time.Time, sub job.Submission, now time.Time) (d []job.Delivery, err error) {
	running := false
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE schedule SET next = ? WHERE id = ? AND next = ?`, next.UnixMicro(), at.ID, at.Next.UnixMicro())
		if err == nil && n == 0 {
			err = job.ErrEnded
		}
		if err == nil {
			_, d, err = submit(tx, []job.Submission{sub}, now)
		}
		if running = errors.Is(err, job.ErrRunning); running {
			return nil
		}
		return err
	})
	if err == nil && running {
		err = job.ErrRunning
	}
	return d, err
}

// Pause implements job.ScheduleStore.
func (s *Jobs) Pause(ctx context.Context, kind job.Kind, paused bool) error {
	return s.db.Write(ctx, func(tx *db.Tx) (err error) {
		if paused {
			_, err = tx.Exec(`INSERT INTO paused_kind (kind, at) VALUES (?, ?) ON CONFLICT (kind) DO NOTHING`, kind, time.Now().UnixMicro())
		} else {
			_, err = tx.Exec(`DELETE FROM paused_kind WHERE kind = ?`, kind)
		}
		return err
	})
}

// Paused implements job.ScheduleStore.
func (s *Jobs) Paused(ctx context.Context) (map[job.Kind]bool, error) {
	kinds, err := columnOf[job.Kind](s.db.Query(ctx, `SELECT kind FROM paused_kind`))
	all := map[job.Kind]bool{}
	for _, k := range kinds {
		all[k] = true
	}
	return all, err
}
