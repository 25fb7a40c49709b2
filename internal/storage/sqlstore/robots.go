package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Robots keeps robot accounts. It is a robot.Store.
type Robots struct{ db *db.DB }

// NewRobots returns the robots of a database.
func NewRobots(d *db.DB) *Robots { return &Robots{d} }

const (
	robotFields = `r.id, r.project_id, COALESCE(p.name, ''), r.name, r.level, r.description, r.permissions, r.disabled,
		r.duration, r.expires, r.creator_kind, r.creator_id, r.created, r.updated, r.secret`
	robotFrom = `robot r LEFT JOIN project p ON p.id = r.project_id`
	// robotLives leaves out the robots of deleted projects, and of projects that
	// are not there at all.
	robotLives = `(r.project_id = 0 OR COALESCE(NOT p.deleted, FALSE))`
	// robotExpiry is when a robot ends as the API shows it: seconds, or -1.
	robotExpiry = `CASE WHEN r.expires < 0 THEN -1 ELSE r.expires / 1000000 END`
	robotSelect = `SELECT ` + robotFields + ` FROM ` + robotFrom + ` WHERE ` + robotLives
)

// robotListing has no column for the secret: a filter on its hash would tell
// it, letter by letter.
var robotListing = listing{
	fields: robotFields,
	from:   robotFrom,
	columns: map[string]column{
		"id":            {"r.id", number},
		"project_id":    {"r.project_id", number},
		"name":          {"r.name", text},
		"level":         {"r.level", text},
		"description":   {"r.description", text},
		"disabled":      {"r.disabled", flag},
		"duration":      {"r.duration", number},
		"expires_at":    {robotExpiry, number},
		"creation_time": {"r.created", moment},
		"update_time":   {"r.updated", moment},
	},
	order: []query.Sort{{Field: "name"}},
	id:    "r.id",
}

// Create implements robot.Store.
func (s *Robots) Create(ctx context.Context, r robot.Robot, hash string, by event.Actor) (robot.Robot, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		scans := r.Level == robot.LevelScan // of which nobody can remember anything
		if !scans {
			if err := touchRights(tx); err != nil {
				return err
			}
		}
		permissions, ids, err := encodePermissions(tx, r.Permissions)
		if err != nil {
			return err
		}
		if scans || r.Level == robot.LevelProject {
			r.ProjectID = ids[r.Project]
		}
		err = tx.QueryRow(`INSERT INTO robot (project_id, name, level, description, secret, permissions, disabled, duration, expires,
			creator_kind, creator_id, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			r.ProjectID, r.Name, r.Level, r.Description, hash, permissions, r.Disabled, r.Duration, microOrNever(r.Expires),
			r.CreatorKind, r.CreatorID, r.Created.UnixMicro(), r.Updated.UnixMicro()).Scan(&r.ID)
		if errors.Is(err, db.ErrDuplicate) {
			return robot.ErrExists.With("%s", r.Name)
		}
		if err != nil {
			return fmt.Errorf("creating robot %s: %w", r.Name, err)
		}
		if scans {
			return nil
		}
		return record(tx, event.Event{At: r.Created, Actor: by, Fact: event.RobotCreated{Robot: r.Fact()}})
	})
	return r, err
}

// ByID implements robot.Store.
func (s *Robots) ByID(ctx context.Context, id int64) (robot.Robot, string, error) {
	r, hash, err := s.one(ctx, robotSelect+` AND r.id = ?`, id)
	if errors.Is(err, robot.ErrNotFound) {
		err = noRobot(id)
	}
	return r, hash, err
}

// ByName implements robot.Store. Of the same name there may be robots of
// projects that were deleted, but only one that lives.
func (s *Robots) ByName(ctx context.Context, name string) (robot.Robot, string, error) {
	return s.one(ctx, robotSelect+` AND r.name = ?`, name)
}

func (s *Robots) one(ctx context.Context, q string, arg any) (robot.Robot, string, error) {
	row, err := scanRobot(s.db.QueryRow(ctx, q, arg))
	if errors.Is(err, db.ErrNotFound) {
		return robot.Robot{}, "", robot.ErrNotFound
	}
	if err != nil {
		return robot.Robot{}, "", err
	}
	all := []robotRow{row}
	if err := s.fillPermissions(ctx, all); err != nil {
		return robot.Robot{}, "", err
	}
	return all[0].Robot, row.hash, nil
}

// List implements robot.Store.
func (s *Robots) List(ctx context.Context, q query.Query) ([]robot.Robot, int64, error) {
	rows, total, err := list(ctx, s.db, robotListing, condition{sql: robotLives}, q, func(rows *db.Rows) (robotRow, error) {
		return scanRobot(rows)
	})
	if err != nil {
		return nil, 0, err
	}
	if err := s.fillPermissions(ctx, rows); err != nil {
		return nil, 0, err
	}
	robots := make([]robot.Robot, len(rows))
	for i, r := range rows {
		robots[i] = r.Robot
	}
	return robots, total, nil
}

// Update implements robot.Store.
func (s *Robots) Update(ctx context.Context, r robot.Robot, e event.Event) error {
	return s.change(ctx, e, r.ID, func(tx *db.Tx) (int64, error) {
		permissions, _, err := encodePermissions(tx, r.Permissions)
		if err != nil {
			return 0, err
		}
		return tx.Exec(`UPDATE robot SET description = ?, permissions = ?, disabled = ?, duration = ?, expires = ?, updated = ?
			WHERE id = ?`, r.Description, permissions, r.Disabled, r.Duration, microOrNever(r.Expires), e.At.UnixMicro(), r.ID)
	})
}

// SetSecret implements robot.Store.
func (s *Robots) SetSecret(ctx context.Context, id int64, hash string, e event.Event) error {
	return s.change(ctx, e, id, func(tx *db.Tx) (int64, error) {
		return tx.Exec(`UPDATE robot SET secret = ?, updated = ? WHERE id = ?`, hash, e.At.UnixMicro(), id)
	})
}

// Delete implements robot.Store.
func (s *Robots) Delete(ctx context.Context, id int64, e event.Event) error {
	return s.change(ctx, e, id, func(tx *db.Tx) (int64, error) {
		return tx.Exec(`DELETE FROM robot WHERE id = ?`, id)
	})
}

// EndScan implements robot.Store.
func (s *Robots) EndScan(ctx context.Context, id int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM robot WHERE id = ? AND level = ?`, id, robot.LevelScan)
		return err
	})
}

// ExpireScans implements robot.Store. What has expired gives no rights to anybody,
// whatever is remembered of it.
func (s *Robots) ExpireScans(ctx context.Context, now time.Time, n int) (gone int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		gone, err = tx.Exec(`DELETE FROM robot WHERE id IN (
			SELECT id FROM robot WHERE level = ? AND expires <= ? ORDER BY expires LIMIT ?)`, robot.LevelScan, now.UnixMicro(), n)
		return err
	})
	return gone, err
}

// change runs a transaction that changes one robot and records it. It returns
// robot.ErrNotFound where fn touched no row, or its project was deleted.
func (s *Robots) change(ctx context.Context, e event.Event, id int64, fn func(*db.Tx) (int64, error)) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		var lives bool
		err := tx.QueryRow(`SELECT `+robotLives+` FROM `+robotFrom+` WHERE r.id = ?`, id).Scan(&lives)
		if errors.Is(err, db.ErrNotFound) || err == nil && !lives {
			return noRobot(id)
		}
		if err != nil {
			return err
		}
		if _, err := fn(tx); err != nil {
			return err
		}
		return record(tx, e)
	})
}

func noRobot(id int64) error { return robot.ErrNotFound.Saying("robot %d not found", id) }

// A robotRow is a robot with what is not yet, or never, part of it.
type robotRow struct {
	robot.Robot
	hash   string
	stored []storedPermission
}

func scanRobot(row scanner) (r robotRow, err error) {
	var expires, created, updated int64
	var permissions string
	err = row.Scan(&r.ID, &r.ProjectID, &r.Project, &r.Name, &r.Level, &r.Description, &permissions, &r.Disabled,
		&r.Duration, &expires, &r.CreatorKind, &r.CreatorID, &created, &updated, &r.hash)
	if err != nil {
		return robotRow{}, err
	}
	if expires >= 0 {
		r.Expires = time.UnixMicro(expires).UTC()
	}
	r.Created, r.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	if err := json.Unmarshal([]byte(permissions), &r.stored); err != nil {
		return robotRow{}, fmt.Errorf("permissions of robot %d: %w", r.ID, err)
	}
	return r, nil
}

func microOrNever(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMicro()
}

// A storedPermission is an access.Permission that names its project by its id,
// so that it ends with it.
type storedPermission struct {
	Kind      string         `json:"kind"`
	Namespace string         `json:"namespace,omitempty"` // "/" or "*"
	Project   int64          `json:"project,omitempty"`   // or one project
	Access    []storedAction `json:"access"`

	Repository string `json:"repository,omitempty"` // the only one that it is about
}

type storedAction struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// encodePermissions returns permissions as they are stored, and the ids of the
// projects that they name.
func encodePermissions(tx *db.Tx, perms []access.Permission) (string, map[string]int64, error) {
	ids := map[string]int64{}
	stored := make([]storedPermission, len(perms))
	for i, p := range perms {
		stored[i] = storedPermission{Kind: p.Kind, Repository: p.Repository}
		for _, a := range p.Access {
			stored[i].Access = append(stored[i].Access, storedAction(a))
		}
		if p.Namespace == access.SystemNamespace || p.Namespace == access.EveryProject {
			stored[i].Namespace = p.Namespace
			continue
		}
		err := tx.QueryRow(`SELECT id FROM project WHERE name = ? AND NOT deleted`, p.Namespace).Scan(&stored[i].Project)
		if errors.Is(err, db.ErrNotFound) {
			return "", nil, robot.ErrProjectUnknown.Saying("project %s not found", p.Namespace)
		}
		if err != nil {
			return "", nil, err
		}
		ids[p.Namespace] = stored[i].Project
	}
	text, err := json.Marshal(stored)
	return string(text), ids, err
}

// fillPermissions gives the robots their permissions with the names of the
// projects. Those for projects that are gone are left out.
func (s *Robots) fillPermissions(ctx context.Context, rows []robotRow) error {
	names, err := s.projectNames(ctx, rows)
	if err != nil {
		return err
	}
	for i := range rows {
		for _, p := range rows[i].stored {
			namespace, known := p.namespace(names)
			if !known {
				continue
			}
			perm := access.Permission{Kind: p.Kind, Namespace: namespace, Repository: p.Repository}
			for _, a := range p.Access {
				perm.Access = append(perm.Access, access.Action(a))
			}
			rows[i].Permissions = append(rows[i].Permissions, perm)
		}
	}
	return nil
}

func (p storedPermission) namespace(names map[int64]string) (string, bool) {
	if p.Namespace != "" {
		return p.Namespace, true
	}
	name, known := names[p.Project]
	return name, known
}

// projectNames returns the names of the projects that the robots' permissions
// are about. A robot's own project is known without asking.
func (s *Robots) projectNames(ctx context.Context, rows []robotRow) (map[int64]string, error) {
	names := map[int64]string{}
	for _, r := range rows {
		if r.ProjectID != 0 {
			names[r.ProjectID] = r.Project
		}
	}
	var ids []any
	asked := map[int64]bool{0: true}
	for _, r := range rows {
		for _, p := range r.stored {
			if _, known := names[p.Project]; !known && !asked[p.Project] {
				asked[p.Project] = true
				ids = append(ids, p.Project)
			}
		}
	}
	for chunk := range slices.Chunk(ids, 500) {
		if err := s.addNames(ctx, names, chunk); err != nil {
			return nil, fmt.Errorf("projects of robots' permissions: %w", err)
		}
	}
	return names, nil
}

func (s *Robots) addNames(ctx context.Context, names map[int64]string, ids []any) error {
	rows, err := s.db.Query(ctx, `SELECT id, name FROM project WHERE id IN (`+db.In(len(ids))+`) AND NOT deleted`, ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		names[id] = name
	}
	return rows.Err()
}
