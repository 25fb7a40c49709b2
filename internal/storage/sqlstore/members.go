package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

const (
	// isMember is true of the rows m of member that make a user, who is given
	// twice, a member: the user's own, and those of groups.
	isMember = `(m.kind = 'u' AND m.entity_id = ? OR m.kind = 'g' AND m.entity_id IN (SELECT group_id FROM account_group WHERE account_id = ?))`
	// projectsOf finds the projects in which a user, who is given twice, is a
	// member.
	projectsOf = `SELECT project_id FROM member WHERE kind = 'u' AND entity_id = ?
		UNION SELECT m.project_id FROM member m JOIN account_group g ON g.group_id = m.entity_id WHERE m.kind = 'g' AND g.account_id = ?`
)

// memberListing is how the members of a project are listed and found.
var memberListing = listing{
	fields: `m.id, m.project_id, m.kind, m.entity_id, COALESCE(a.name, g.name), m.role`,
	from: `member m LEFT JOIN account a ON m.kind = 'u' AND a.id = m.entity_id
		LEFT JOIN user_group g ON m.kind = 'g' AND g.id = m.entity_id`,
	columns: map[string]column{
		"id":          {"m.id", number},
		"entity_id":   {"m.entity_id", number},
		"entity_name": {"COALESCE(a.name, g.name)", text},
		"role_id":     {"CAST(m.role AS BIGINT)", number},
	},
	order: []query.Sort{{Field: "entity_name"}},
	id:    "m.id",
}

func scanMember(row interface{ Scan(...any) error }) (project.Member, error) {
	var m project.Member
	err := row.Scan(&m.ID, &m.ProjectID, &m.Kind, &m.EntityID, &m.EntityName, &m.Role)
	return m, err
}

// AddMember implements project.Store.
func (s *Projects) AddMember(ctx context.Context, m project.Member, by event.Actor) (int64, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		name, err := projectName(tx, m.ProjectID)
		if err != nil {
			return err
		}
		e := event.New(by, event.MemberAdded{Member: memberFact(m, name)})
		from, gone := `account WHERE id = ? AND NOT deleted`, project.ErrUserUnknown
		if m.Kind == project.KindGroup {
			from, gone = `user_group WHERE id = ?`, project.ErrGroupUnknown
		}
		err = tx.QueryRow(`INSERT INTO member (project_id, kind, entity_id, role, created, updated)
			SELECT ?, ?, id, ?, ?, ? FROM `+from+` RETURNING id`,
			m.ProjectID, m.Kind, m.Role, e.At.UnixMicro(), e.At.UnixMicro(), m.EntityID).Scan(&m.ID)
		if errors.Is(err, db.ErrNotFound) {
			return gone
		}
		if err != nil {
			return err
		}
		return record(tx, e)
	})
	if errors.Is(err, db.ErrDuplicate) {
		return 0, project.ErrMemberExists
	}
	if err != nil {
		return 0, fmt.Errorf("add member to project %d: %w", m.ProjectID, err)
	}
	return m.ID, nil
}

func memberFact(m project.Member, projectName string) event.Member {
	return event.Member{Where: event.Where{ProjectID: m.ProjectID, Project: projectName}, Name: m.EntityName, Role: m.Role.String()}
}

// Member implements project.Store.
func (s *Projects) Member(ctx context.Context, projectID, id int64) (project.Member, error) {
	m, err := scanMember(s.db.QueryRow(ctx, `SELECT `+memberListing.fields+` FROM `+memberListing.from+`
		WHERE m.id = ? AND m.project_id = ?`, id, projectID))
	if errors.Is(err, db.ErrNotFound) {
		return m, project.ErrMemberUnknown
	}
	if err != nil {
		return m, fmt.Errorf("member %d of project %d: %w", id, projectID, err)
	}
	return m, nil
}

// Members implements project.Store.
func (s *Projects) Members(ctx context.Context, projectID int64, q query.Query) ([]project.Member, int64, error) {
	base := condition{"m.project_id = ?", []any{projectID}}
	return list(ctx, s.db, memberListing, base, q, func(rows *db.Rows) (project.Member, error) { return scanMember(rows) })
}

// Administers implements project.Store.
func (s *Projects) Administers(ctx context.Context, userID int64) (some bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM member m JOIN project p ON p.id = m.project_id
		WHERE `+isMember+` AND m.role = ? AND NOT p.deleted)`, userID, userID, access.ProjectAdmin).Scan(&some)
	if err != nil {
		return false, fmt.Errorf("projects that user %d administers: %w", userID, err)
	}
	return some, nil
}

// CountMembers implements project.Store.
func (s *Projects) CountMembers(ctx context.Context, projectID int64) (map[access.Role]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT role, count(*) FROM member WHERE project_id = ? GROUP BY role`, projectID)
	if err != nil {
		return nil, fmt.Errorf("count members of project %d: %w", projectID, err)
	}
	defer rows.Close()
	counts := map[access.Role]int64{}
	for rows.Next() {
		var role access.Role
		var n int64
		if err := rows.Scan(&role, &n); err != nil {
			return nil, err
		}
		counts[role] = n
	}
	return counts, rows.Err()
}

// SetRole implements project.Store.
func (s *Projects) SetRole(ctx context.Context, projectID, id int64, role access.Role, by event.Actor) error {
	return s.changeMember(ctx, projectID, id, func(tx *db.Tx, m project.Member, name string) error {
		if m.Role == role {
			return nil
		}
		m.Role = role
		if _, err := tx.Exec(`UPDATE member SET role = ?, updated = ? WHERE id = ?`, role, time.Now().UnixMicro(), id); err != nil {
			return err
		}
		return record(tx, event.New(by, event.MemberUpdated{Member: memberFact(m, name)}))
	})
}

// RemoveMember implements project.Store.
func (s *Projects) RemoveMember(ctx context.Context, projectID, id int64, by event.Actor) error {
	return s.changeMember(ctx, projectID, id, func(tx *db.Tx, m project.Member, name string) error {
		if _, err := tx.Exec(`DELETE FROM member WHERE id = ?`, id); err != nil {
			return err
		}
		return record(tx, event.New(by, event.MemberRemoved{Member: memberFact(m, name)}))
	})
}

// changeMember runs change on a member of the project, whom nobody else changes
// meanwhile.
func (s *Projects) changeMember(ctx context.Context, projectID, id int64, change func(tx *db.Tx, m project.Member, projectName string) error) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		m, err := scanMember(tx.QueryRow(`SELECT `+memberListing.fields+` FROM `+memberListing.from+`
			WHERE m.id = ? AND m.project_id = ?`, id, projectID))
		if errors.Is(err, db.ErrNotFound) {
			return project.ErrMemberUnknown
		}
		if err != nil {
			return err
		}
		name, err := projectName(tx, projectID)
		if err != nil {
			return err
		}
		return change(tx, m, name)
	})
	if err != nil {
		return fmt.Errorf("change member %d of project %d: %w", id, projectID, err)
	}
	return nil
}
