package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Projects keeps projects and their members. It is a project.Store.
type Projects struct{ db *db.DB }

// NewProjects returns the store of projects in d.
func NewProjects(d *db.DB) *Projects { return &Projects{d} }

// Create implements project.Store.
func (s *Projects) Create(ctx context.Context, p project.Project, by event.Actor) (int64, error) {
	public, rest, err := metadataColumns(p.Metadata)
	if err != nil {
		return 0, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		owner, err := ownerOf(tx, p.OwnerID)
		if err != nil {
			return err
		}
		now := p.Created.UnixMicro()
		err = tx.QueryRow(`INSERT INTO project (name, owner_id, public, metadata, repo_count, upstream, created, updated, deleted)
			VALUES (?, ?, ?, ?, 0, NULLIF(?, 0), ?, ?, FALSE) RETURNING id`, p.Name, owner, public, rest, p.Upstream, now, now).Scan(&p.ID)
		if errors.Is(err, db.ErrReference) { // the owner is there
			return project.ErrNoUpstream
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (?, ?, ?, ?, ?, ?)`,
			p.ID, project.KindUser, owner, access.ProjectAdmin, now, now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO quota (project_id, hard, used, created, updated) VALUES (?, ?, 0, ?, ?)`, p.ID, p.Limit, now, now)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ProjectCreated{Where: p.Where()}))
	})
	if errors.Is(err, db.ErrDuplicate) {
		return 0, project.ErrExists
	}
	if err != nil {
		return 0, fmt.Errorf("create project %s: %w", p.Name, err)
	}
	return p.ID, nil
}

// ownerOf returns the id of the user that is to own a project: for 0, the first
// administrator.
func ownerOf(tx *db.Tx, id int64) (int64, error) {
	q, args := `SELECT id FROM account WHERE id = ? AND NOT deleted`, []any{id}
	if id == 0 {
		q, args = `SELECT id FROM account WHERE admin AND NOT deleted ORDER BY id LIMIT 1`, nil
	}
	err := tx.QueryRow(q, args...).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		return 0, project.ErrInvalid.With("its owner does not exist")
	}
	return id, err
}

// metadataColumns returns what the columns public and metadata hold. Each key is
// in one of them only.
func metadataColumns(m map[string]string) (public bool, rest string, err error) {
	others := maps.Clone(m)
	delete(others, project.MetaPublic)
	if others == nil {
		others = map[string]string{}
	}
	text, err := json.Marshal(others)
	return m[project.MetaPublic] == "true", string(text), err
}

// metadata undoes metadataColumns.
func metadata(public bool, rest string) (map[string]string, error) {
	var m map[string]string
	if err := json.Unmarshal([]byte(rest), &m); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if m == nil {
		m = map[string]string{}
	}
	m[project.MetaPublic] = strconv.FormatBool(public)
	return m, nil
}

// projectListing is how projects are listed and found.
var projectListing = listing{
	fields: `p.id, p.name, p.owner_id, a.name, p.public, p.metadata, p.repo_count, COALESCE(p.upstream, 0), p.created, p.updated`,
	from:   `project p JOIN account a ON a.id = p.owner_id`,
	columns: map[string]column{
		"name":          {"p.name", text},
		"project_id":    {"p.id", number},
		"owner":         {"a.name", text},
		"owner_name":    {"a.name", text},
		"owner_id":      {"p.owner_id", number},
		"public":        {"p.public", flag},
		"repo_count":    {"p.repo_count", number},
		"registry_id":   {"COALESCE(p.upstream, 0)", number},
		"creation_time": {"p.created", moment},
		"update_time":   {"p.updated", moment},
	},
	order: []query.Sort{{Field: "name"}},
	id:    "p.id",
}

func scanProject(row interface{ Scan(...any) error }) (project.Project, error) {
	var p project.Project
	var rest string
	var created, updated int64
	err := row.Scan(&p.ID, &p.Name, &p.OwnerID, &p.OwnerName, &p.Public, &rest, &p.RepoCount, &p.Upstream, &created, &updated)
	if err != nil {
		return p, err
	}
	p.Created, p.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	p.Metadata, err = metadata(p.Public, rest)
	return p, err
}

// ByID implements project.Store.
func (s *Projects) ByID(ctx context.Context, id int64) (project.Project, error) {
	return foundProject(s.db.QueryRow(ctx, `SELECT `+projectListing.fields+` FROM `+projectListing.from+` WHERE p.id = ? AND NOT p.deleted`, id), id)
}

// ByName implements project.Store.
func (s *Projects) ByName(ctx context.Context, name string) (project.Project, error) {
	return foundProject(s.db.QueryRow(ctx, `SELECT `+projectListing.fields+` FROM `+projectListing.from+` WHERE p.name = ? AND NOT p.deleted`, name), name)
}

func foundProject(row db.Row, nameOrID any) (project.Project, error) {
	p, err := scanProject(row)
	if errors.Is(err, db.ErrNotFound) {
		return p, noProject(nameOrID)
	}
	if err != nil {
		return p, fmt.Errorf("find project %v: %w", nameOrID, err)
	}
	return p, nil
}

func noProject(nameOrID any) error {
	return project.ErrNotFound.Saying("project %v not found", nameOrID)
}

// List implements project.Store.
func (s *Projects) List(ctx context.Context, v project.Visible, q query.Query) ([]project.Project, int64, error) {
	found, total, err := list(ctx, s.db, projectListing, projectVisible(v), q, func(rows *db.Rows) (project.Project, error) { return scanProject(rows) })
	if err != nil || v.UserID == 0 {
		return found, total, err
	}
	return found, total, s.addRoles(ctx, v.UserID, found)
}

// addRoles tells of each project which roles a user has in it.
func (s *Projects) addRoles(ctx context.Context, userID int64, projects []project.Project) error {
	at := make(map[int64]*project.Project, len(projects))
	ids := make([]int64, len(projects))
	for i := range projects {
		ids[i], at[projects[i].ID] = projects[i].ID, &projects[i]
	}
	for some := range slices.Chunk(ids, rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT m.project_id, m.role FROM member m WHERE m.project_id IN (`+db.In(len(some))+`) AND `+isMember,
			append(anyOf(some), userID, userID)...)
		if err == nil {
			err = eachRow(rows, func(rows *db.Rows) error {
				var id int64
				var role access.Role
				err := rows.Scan(&id, &role)
				at[id].Roles = append(at[id].Roles, role)
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("roles of user %d: %w", userID, err)
		}
	}
	for i := range projects {
		projects[i].Roles = access.Strongest(projects[i].Roles)
	}
	return nil
}

func projectVisible(v project.Visible) condition {
	base := condition{sql: "NOT p.deleted"}
	if !v.All {
		base.sql += " AND (p.public OR p.id IN (" + projectsOf + ") OR p.name IN (" + db.In(len(v.Names)) + "))"
		base.args = append([]any{v.UserID, v.UserID}, anyOf(v.Names)...)
	}
	return base
}

// Counts implements project.Store.
func (s *Projects) Counts(ctx context.Context, v project.Visible) (project.Counts, error) {
	c := project.Counts{All: v.All}
	base := projectVisible(v)
	rows, err := s.db.Query(ctx, `SELECT p.public, COUNT(*), COALESCE(SUM(p.repo_count), 0) FROM `+projectListing.from+` WHERE `+base.sql+` GROUP BY p.public`, base.args...)
	if err != nil {
		return c, fmt.Errorf("count projects: %w", err)
	}
	err = eachRow(rows, func(rows *db.Rows) error {
		var public bool
		var projects, repositories int64
		err := rows.Scan(&public, &projects, &repositories)
		if public {
			c.PublicProjects, c.PublicRepositories = projects, repositories
		} else {
			c.PrivateProjects, c.PrivateRepositories = projects, repositories
		}
		return err
	})
	if err == nil && v.All {
		err = s.db.QueryRow(ctx, `SELECT COALESCE(SUM(used), 0) FROM quota`).Scan(&c.Bytes)
	}
	if err != nil {
		return c, fmt.Errorf("count projects: %w", err)
	}
	return c, nil
}

// Update implements project.Store.
func (s *Projects) Update(ctx context.Context, id int64, c project.Change, by event.Actor) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		p := project.Project{ID: id}
		var rest string
		err := tx.QueryRow(`SELECT name, public, metadata, COALESCE(upstream, 0) FROM project WHERE id = ? AND NOT deleted`, id).Scan(&p.Name, &p.Public, &rest, &p.Upstream)
		if errors.Is(err, db.ErrNotFound) {
			return noProject(id)
		}
		if err != nil {
			return err
		}
		old, err := metadata(p.Public, rest)
		if err != nil {
			return err
		}
		now, changed, err := c.Apply(old, p.Upstream != 0)
		if err != nil || len(changed) == 0 {
			return err
		}
		e := event.New(by, event.ProjectUpdated{Where: p.Where(), Changed: changed})
		if err := setMetadata(tx, id, now, e.At); err != nil {
			return err
		}
		return record(tx, e)
	})
	if err != nil {
		return fmt.Errorf("update project %d: %w", id, err)
	}
	return nil
}

func setMetadata(tx *db.Tx, id int64, m map[string]string, at time.Time) error {
	public, rest, err := metadataColumns(m)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE project SET public = ?, metadata = ?, updated = ? WHERE id = ?`, public, rest, at.UnixMicro(), id)
	return err
}

// Delete implements project.Store. Pushes count their repositories in the
// project's row, under the condition that it is not deleted: so either they
// come first and are seen here, or they fail.
func (s *Projects) Delete(ctx context.Context, id int64, by event.Actor) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		name, err := projectName(tx, id)
		if err != nil {
			return err
		}
		e := event.New(by, event.ProjectDeleted{Where: event.Where{ProjectID: id, Project: name}})
		var repositories int64
		err = tx.QueryRow(`UPDATE project SET name = name || '#' || CAST(id AS TEXT), deleted = TRUE, upstream = NULL, updated = ?
			WHERE id = ? RETURNING repo_count`, e.At.UnixMicro(), id).Scan(&repositories)
		if err != nil {
			return err
		}
		if repositories > 0 {
			return project.ErrNotEmpty
		}
		if err := reviewAll(tx, `SELECT id FROM repository WHERE project_id = ?`, id, e.At.UnixMicro()); err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM member WHERE project_id = ?`,
			`DELETE FROM robot WHERE project_id = ?`,
			// These are empty. What they may serve must not pass to a new project
			// that comes to the same name.
			`DELETE FROM repository WHERE project_id = ?`,
			`DELETE FROM project_blob WHERE project_id = ?`,
			`DELETE FROM immutable_rule WHERE project_id = ?`,
			`DELETE FROM retention_policy WHERE project_id = ?`,
			`DELETE FROM webhook_policy WHERE project_id = ?`,
			`DELETE FROM trust_entry WHERE project_id = ?`,
			`DELETE FROM label WHERE project_id = ?`,
			`DELETE FROM quota WHERE project_id = ?`,
			`DELETE FROM scanner_choice WHERE project_id = ?`,
			`DELETE FROM cve_allowlist WHERE project_id = ?`,
		} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		return record(tx, e)
	})
	if err != nil {
		return fmt.Errorf("delete project %d: %w", id, err)
	}
	return nil
}

// holdProject names a project whose row it holds until the transaction ends: it
// does not go meanwhile, and others who hold it wait.
func holdProject(tx *db.Tx, id int64) (event.Where, error) {
	where := event.Where{ProjectID: id}
	err := tx.QueryRow(`UPDATE project SET updated = updated WHERE id = ? AND NOT deleted RETURNING name`, id).Scan(&where.Project)
	if errors.Is(err, db.ErrNotFound) {
		err = noProject(id)
	}
	return where, err
}

// projectName returns the name of a project that was not deleted. After
// touchRights, it stays one until the transaction ends.
func projectName(tx *db.Tx, id int64) (string, error) {
	var name string
	err := tx.QueryRow(`SELECT name FROM project WHERE id = ? AND NOT deleted`, id).Scan(&name)
	if errors.Is(err, db.ErrNotFound) {
		return "", noProject(id)
	}
	return name, err
}

// Rights implements project.Store. It is one indexed read, of as many rows as
// the user is in groups.
func (s *Projects) Rights(ctx context.Context, name string, userID int64) (access.Project, error) {
	p := access.Project{Name: name}
	rows, err := s.db.Query(ctx, `SELECT p.id, p.public, COALESCE(p.upstream, 0), COALESCE(m.role, 0), COALESCE(n.role, 0) FROM project p
		LEFT JOIN member m ON m.project_id = p.id AND m.kind = 'u' AND m.entity_id = ?
		LEFT JOIN account_group g ON g.account_id = ?
		LEFT JOIN member n ON n.project_id = p.id AND n.kind = 'g' AND n.entity_id = g.group_id
		WHERE p.name = ? AND NOT p.deleted`, userID, userID, name)
	if err == nil {
		err = eachRow(rows, func(rows *db.Rows) error {
			var own, through access.Role
			err := rows.Scan(&p.ID, &p.Public, &p.Upstream, &own, &through)
			p.Roles = append(p.Roles, own, through)
			return err
		})
	}
	if err != nil {
		return access.Project{}, fmt.Errorf("rights in project %s: %w", name, err)
	}
	if p.ID == 0 {
		return access.Project{}, noProject(name)
	}
	p.Roles = access.Strongest(p.Roles)
	return p, nil
}
