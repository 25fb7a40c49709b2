package sqlstore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/db"
)

// inLanes makes or ends tasks of lanes, by do, while nobody else does, and returns
// those whose turn has come by it: of each lane, the first task that is not over
// is not behind another. An empty name is no lane.
func inLanes(tx *db.Tx, lanes []string, do func() error) (next []job.Delivery, err error) {
	lanes = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(lanes))), func(name string) bool { return name == "" })
	for chunk := range slices.Chunk(lanes, rowsAtOnce) {
		if _, err := tx.Exec(`INSERT INTO lane (name) VALUES (?)`+strings.Repeat(`, (?)`, len(chunk)-1)+` ON CONFLICT (name) DO UPDATE SET name = excluded.name`, anyOf(chunk)...); err != nil {
			return nil, fmt.Errorf("hold lanes: %w", err)
		}
	}
	if err := do(); err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(lanes, rowsAtOnce) {
		more, err := settle(tx, chunk)
		if err != nil {
			return nil, fmt.Errorf("who is next in lanes: %w", err)
		}
		next = append(next, more...)
	}
	return next, nil
}

// The parameters of these are the names of lanes l, in place of LANES. The sum is
// what task_lane is ordered by, and nothing else: PostgreSQL would rather walk
// through the tasks of all lanes in the order of their ids.
const (
	firstOfLane  = `(SELECT MIN(t.id + 0) FROM task t WHERE t.lane = l.name AND t.ended = 0)`
	firstOfLanes = `UPDATE task SET behind = FALSE WHERE behind AND id IN (SELECT ` + firstOfLane + ` FROM lane l WHERE l.name IN (LANES)) RETURNING kind, id, turn`
	emptyLanes   = `DELETE FROM lane AS l WHERE l.name IN (LANES) AND ` + firstOfLane + ` IS NULL`
)

// settle lets the first of each lane begin, and removes lanes that are empty.
func settle(tx *db.Tx, lanes []string) ([]job.Delivery, error) {
	of := func(q string) string { return strings.Replace(q, "LANES", db.In(len(lanes)), 1) }
	rows, err := tx.Query(of(firstOfLanes), anyOf(lanes)...)
	if err != nil {
		return nil, err
	}
	next, err := gather(rows, scanDelivery)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(of(emptyLanes), anyOf(lanes)...)
	return next, err
}
