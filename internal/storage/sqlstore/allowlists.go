package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Allowlists keeps which vulnerabilities are let through. It is an allowlist.Store.
type Allowlists struct{ db *db.DB }

// NewAllowlists returns the lists in d.
func NewAllowlists(d *db.DB) *Allowlists { return &Allowlists{d} }

const allowlistFields = `SELECT id, project_id, items, expires, created, updated FROM cve_allowlist`

func scanAllowlist[R scanner](row R) (l allowlist.List, err error) {
	var items string
	var expires *int64
	var created, updated int64
	if err := row.Scan(&l.ID, &l.ProjectID, &items, &expires, &created, &updated); err != nil {
		return l, err
	}
	if expires != nil {
		at := time.UnixMicro(*expires).UTC()
		l.Expires = &at
	}
	l.Created, l.Updated = timeOf(created), timeOf(updated)
	return l, json.Unmarshal([]byte(items), &l.Items)
}

// Of implements allowlist.Store.
func (s *Allowlists) Of(ctx context.Context, projectIDs ...int64) (all []allowlist.List, err error) {
	left := newRoom()
	for ids := range slices.Chunk(projectIDs, rowsAtOnce) {
		rows, err := s.db.Query(ctx, allowlistFields+` WHERE project_id IN (`+db.In(len(ids))+`)`, anyOf(ids)...)
		if err != nil {
			return nil, fmt.Errorf("allowlists: %w", err)
		}
		some, err := gatherIn(rows, left, scanAllowlist)
		if err != nil {
			return nil, fmt.Errorf("allowlists: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Effective implements allowlist.Store.
func (s *Allowlists) Effective(ctx context.Context, projectID int64) (allowlist.List, error) {
	var public bool
	var rest string
	err := s.db.QueryRow(ctx, `SELECT public, metadata FROM project WHERE id = ? AND NOT deleted`, projectID).Scan(&public, &rest)
	if errors.Is(err, db.ErrNotFound) {
		return allowlist.List{}, noProject(projectID)
	}
	if err != nil {
		return allowlist.List{}, fmt.Errorf("allowlist of project %d: %w", projectID, err)
	}
	m, err := metadata(public, rest)
	if err != nil {
		return allowlist.List{}, err
	}
	if m[project.MetaSystemAllowlist] != "false" {
		projectID = allowlist.System
	}
	l, err := scanAllowlist(s.db.QueryRow(ctx, allowlistFields+` WHERE project_id = ?`, projectID))
	if errors.Is(err, db.ErrNotFound) {
		return allowlist.List{ProjectID: projectID}, nil
	}
	if err != nil {
		return l, fmt.Errorf("allowlist of project %d: %w", projectID, err)
	}
	return l, nil
}

// changedAllowlist is what events call a list that was changed.
var changedAllowlist = []string{"cve_allowlist"}

// Set implements allowlist.Store. What is the same as before is no change.
func (s *Allowlists) Set(ctx context.Context, l allowlist.List, by event.Actor) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		var fact event.Fact = event.SettingsUpdated{Changed: changedAllowlist}
		if l.ProjectID != allowlist.System {
			where, err := holdProject(tx, l.ProjectID)
			if err != nil {
				return err
			}
			fact = event.ProjectUpdated{Where: where, Changed: changedAllowlist}
		}
		old, err := scanAllowlist(tx.QueryRow(allowlistFields+` WHERE project_id = ?`, l.ProjectID))
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if sameAllowlist(old, l) {
			return nil
		}
		if err := setAllowlist(tx, l); err != nil {
			return err
		}
		return record(tx, event.New(by, fact))
	})
	if err != nil {
		return fmt.Errorf("allowlist of project %d: %w", l.ProjectID, err)
	}
	return nil
}

func sameAllowlist(a, b allowlist.List) bool {
	return slices.Equal(a.Items, b.Items) && (a.Expires == nil) == (b.Expires == nil) && (a.Expires == nil || a.Expires.Equal(*b.Expires))
}

func setAllowlist(tx *db.Tx, l allowlist.List) error {
	items, err := json.Marshal(append([]string{}, l.Items...))
	if err != nil {
		return err
	}
	var expires *int64
	if l.Expires != nil {
		at := l.Expires.UnixMicro()
		expires = &at
	}
	_, err = tx.Exec(`INSERT INTO cve_allowlist (project_id, items, expires, created, updated) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (project_id) DO UPDATE SET items = excluded.items, expires = excluded.expires, updated = excluded.updated`,
		l.ProjectID, string(items), expires, l.Updated.UnixMicro(), l.Updated.UnixMicro())
	return err
}
