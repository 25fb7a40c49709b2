package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Pulled implements artifact.Store.
func (s *Artifacts) Pulled(ctx context.Context, pulls []artifact.Pull, omit artifact.Omit) error {
	tallies := map[string]*tally{} // by repository
	events := make([]event.Event, 0, len(pulls))
	for _, p := range pulls {
		fact := p.Event.Fact.(event.ArtifactPulled)
		if !omit.Events {
			events = append(events, p.Event)
		}
		if p.Scan && omit.Scans {
			continue
		}
		t := tallies[fact.Repository]
		if t == nil {
			t = &tally{days: map[int64]int64{}, artifacts: map[int64]int64{}, tags: map[pulledTag]int64{}}
			tallies[fact.Repository] = t
		}
		t.add(p, fact.Tag)
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		days := map[pulledDay]int64{}
		for _, repository := range slices.Sorted(maps.Keys(tallies)) {
			if err := tallies[repository].write(tx, repository, omit, days); err != nil {
				return fmt.Errorf("pulls from %s: %w", repository, err)
			}
		}
		if err := addDays(tx, days); err != nil {
			return fmt.Errorf("count pulls by day: %w", err)
		}
		return record(tx, events...)
	})
}

// A tally is what the pulls from one repository come to: their number on each
// day, and when each artifact and each tag was pulled last.
type tally struct {
	days      map[int64]int64 // by day since 1970-01-01
	artifacts map[int64]int64
	tags      map[pulledTag]int64
}

type pulledTag struct {
	name     string
	artifact int64 // that it pointed at
}

func (t *tally) add(p artifact.Pull, tag string) {
	at := p.Event.At.UnixMicro()
	t.days[at/microsOfDay]++
	t.artifacts[p.ArtifactID] = max(t.artifacts[p.ArtifactID], at)
	if tag != "" {
		key := pulledTag{tag, p.ArtifactID}
		t.tags[key] = max(t.tags[key], at)
	}
}

// updatePulledTag finds the tag by its name, since an artifact may have many.
const updatePulledTag = `UPDATE tag SET pulled = ? WHERE repository_id = ? AND name = ? AND artifact_id = ? AND pulled < ?`

// write adds the tally to what is kept of the repository, and its days to those
// of its project and of all.
func (t *tally) write(tx *db.Tx, repository string, omit artifact.Omit, days map[pulledDay]int64) error {
	if omit.Counts && omit.Times {
		return nil
	}
	if omit.Counts {
		t.days = nil
	}
	if omit.Times {
		t.artifacts, t.tags = nil, nil
	}
	var count, repo, project int64
	for _, n := range t.days {
		count += n
	}
	err := tx.QueryRow(`UPDATE repository SET pull_count = pull_count + ? WHERE name = ? RETURNING id, project_id`, count, repository).Scan(&repo, &project)
	if errors.Is(err, db.ErrNotFound) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	for day, n := range t.days {
		days[pulledDay{project, day}] += n
		days[pulledDay{everyProject, day}] += n
	}
	for id, at := range t.artifacts {
		if _, err := tx.Exec(`UPDATE artifact SET pulled = ? WHERE id = ? AND pulled < ?`, at, id, at); err != nil {
			return err
		}
	}
	for tag, at := range t.tags {
		if _, err := tx.Exec(updatePulledTag, at, repo, tag.name, tag.artifact, at); err != nil {
			return err
		}
	}
	return nil
}

const (
	microsOfDay  = 24 * 3600 * 1_000_000
	daysKept     = 400 // some more than the year that can be asked for
	everyProject = 0   // the sum of all projects, as a project
)

type pulledDay struct{ project, day int64 }

// addDays adds to the counts of days, in an order that all writers have. The
// first pull of a day drops the days of its project that are too old.
func addDays(tx *db.Tx, days map[pulledDay]int64) error {
	order := slices.SortedFunc(maps.Keys(days), func(a, b pulledDay) int {
		return cmp.Or(cmp.Compare(a.project, b.project), cmp.Compare(a.day, b.day))
	})
	for _, d := range order {
		var count int64
		err := tx.QueryRow(`INSERT INTO pull_day (project_id, day, count) VALUES (?, ?, ?)
			ON CONFLICT (project_id, day) DO UPDATE SET count = pull_day.count + excluded.count RETURNING count`, d.project, d.day, days[d]).Scan(&count)
		if err == nil && count == days[d] {
			_, err = tx.Exec(`DELETE FROM pull_day WHERE project_id = ? AND day < ?`, d.project, d.day-daysKept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// PullsByDay implements artifact.Catalog.
func (s *Artifacts) PullsByDay(ctx context.Context, projectID int64, last time.Time, days int) ([]artifact.DayPulls, error) {
	end := last.UnixMicro() / microsOfDay
	begin := end - int64(days) + 1
	all := make([]artifact.DayPulls, days)
	for i := range all {
		all[i].Day = time.UnixMicro((begin + int64(i)) * microsOfDay).UTC()
	}
	rows, err := s.db.Query(ctx, `SELECT day, count FROM pull_day WHERE project_id = ? AND day BETWEEN ? AND ?`, projectID, begin, end)
	if err != nil {
		return nil, fmt.Errorf("pulls by day: %w", err)
	}
	err = eachRow(rows, func(rows *db.Rows) error {
		var day, count int64
		err := rows.Scan(&day, &count)
		if err == nil {
			all[day-begin].Count = count
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("pulls by day: %w", err)
	}
	return all, nil
}
