package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Immutable keeps the rules about tags that may not move. It is an
// immutable.Store.
type Immutable struct{ db *db.DB }

// NewImmutable returns the rules in d.
func NewImmutable(d *db.DB) *Immutable { return &Immutable{d} }

var ruleListing = listing{
	fields: `u.id, u.project_id, u.disabled, u.priority, u.tags, u.tags_except, u.tags_extras, u.repositories, u.repositories_except`,
	from:   `immutable_rule u`,
	columns: map[string]column{
		"id":       {"u.id", number},
		"priority": {"u.priority", number},
		"disabled": {"u.disabled", flag},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "u.id",
}

func scanRule(rows *db.Rows) (immutable.Rule, error) {
	var r immutable.Rule
	err := rows.Scan(&r.ID, &r.ProjectID, &r.Disabled, &r.Priority, &r.Tags.Glob, &r.Tags.Except, &r.Extras, &r.Repositories.Glob, &r.Repositories.Except)
	return r, err
}

// List implements immutable.Store.
func (s *Immutable) List(ctx context.Context, projectID int64, q query.Query) ([]immutable.Rule, int64, error) {
	return list(ctx, s.db, ruleListing, condition{"u.project_id = ?", []any{projectID}}, q, scanRule)
}

// rulesInForce are those of a project that are not disabled.
var rulesInForce = `SELECT ` + ruleListing.fields + ` FROM immutable_rule u WHERE u.project_id = ? AND u.disabled = FALSE ORDER BY u.id`

// Of implements immutable.Store.
func (s *Immutable) Of(ctx context.Context, projectID int64) (immutable.Rules, error) {
	rows, err := s.db.Query(ctx, rulesInForce, projectID)
	if err != nil {
		return nil, fmt.Errorf("immutable tag rules: %w", err)
	}
	return gather(rows, scanRule)
}

// frozenIn returns the rules that are about a repository, as they are in the
// transaction.
func frozenIn(tx *db.Tx, projectID int64, repository string) (immutable.Rules, error) {
	rows, err := tx.Query(rulesInForce, projectID)
	if err != nil {
		return nil, fmt.Errorf("immutable tag rules: %w", err)
	}
	all, err := gather(rows, scanRule)
	return immutable.Rules(all).In(repository), err
}

// Create implements immutable.Store. Rules of a project are made one after
// another, so that there are never too many.
func (s *Immutable) Create(ctx context.Context, r immutable.Rule, at time.Time, by event.Actor) (int64, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, r.ProjectID)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM immutable_rule WHERE project_id = ?`, r.ProjectID).Scan(&n); err != nil {
			return err
		}
		if n >= immutable.MaxRules {
			return immutable.ErrTooMany.With("at most %d", immutable.MaxRules)
		}
		err = tx.QueryRow(`INSERT INTO immutable_rule (project_id, disabled, priority, tags, tags_except, tags_extras, repositories, repositories_except, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, r.ProjectID, r.Disabled, r.Priority, r.Tags.Glob, r.Tags.Except, r.Extras,
			r.Repositories.Glob, r.Repositories.Except, at.UnixMicro(), at.UnixMicro()).Scan(&r.ID)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ImmutableRuleCreated{ImmutableRule: event.ImmutableRule{Where: where, ID: r.ID}}))
	})
	return r.ID, ruleError(err)
}

func ruleError(err error) error {
	if errors.Is(err, db.ErrDuplicate) {
		return immutable.ErrExists
	}
	if err != nil {
		return fmt.Errorf("immutable tag rule: %w", err)
	}
	return nil
}

func noRule(id int64) error {
	return immutable.ErrNotFound.Saying("immutable tag rule %d not found", id)
}

// Update implements immutable.Store.
func (s *Immutable) Update(ctx context.Context, r immutable.Rule, by event.Actor) error {
	return ruleError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, r.ProjectID)
		if err != nil {
			return err
		}
		e := event.New(by, event.ImmutableRuleUpdated{ImmutableRule: event.ImmutableRule{Where: where, ID: r.ID}})
		var disabled bool
		err = tx.QueryRow(`SELECT disabled FROM immutable_rule WHERE id = ? AND project_id = ?`, r.ID, r.ProjectID).Scan(&disabled)
		if errors.Is(err, db.ErrNotFound) {
			return noRule(r.ID)
		}
		if err == nil && disabled != r.Disabled {
			_, err = tx.Exec(`UPDATE immutable_rule SET disabled = ?, updated = ? WHERE id = ?`, r.Disabled, e.At.UnixMicro(), r.ID)
		} else if err == nil {
			_, err = tx.Exec(`UPDATE immutable_rule SET priority = ?, tags = ?, tags_except = ?, tags_extras = ?, repositories = ?, repositories_except = ?, updated = ? WHERE id = ?`,
				r.Priority, r.Tags.Glob, r.Tags.Except, r.Extras, r.Repositories.Glob, r.Repositories.Except, e.At.UnixMicro(), r.ID)
		}
		if err != nil {
			return err
		}
		return record(tx, e)
	}))
}

// Delete implements immutable.Store.
func (s *Immutable) Delete(ctx context.Context, projectID, id int64, by event.Actor) error {
	return ruleError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, projectID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM immutable_rule WHERE id = ? AND project_id = ?`, id, projectID)
		if err == nil && n == 0 {
			err = noRule(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ImmutableRuleDeleted{ImmutableRule: event.ImmutableRule{Where: where, ID: id}}))
	}))
}
