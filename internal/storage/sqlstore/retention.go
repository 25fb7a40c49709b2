package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/retention"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Retention keeps the policies about what stays. It is a retention.Store.
type Retention struct{ db *db.DB }

// NewRetention returns the policies in d.
func NewRetention(d *db.DB) *Retention { return &Retention{d} }

// keptRule is a rule as it is kept.
type keptRule struct {
	ID                 int64  `json:"id"`
	Priority           int64  `json:"priority"`
	Disabled           bool   `json:"disabled,omitempty"`
	Template           string `json:"template"`
	Param              int64  `json:"param"`
	Tags               string `json:"tags"`
	TagsExcept         bool   `json:"tags_except,omitempty"`
	Untagged           bool   `json:"untagged,omitempty"`
	Extras             string `json:"extras,omitempty"`
	Repositories       string `json:"repositories"`
	RepositoriesExcept bool   `json:"repositories_except,omitempty"`
}

func keepRules(rules []retention.Rule) (string, error) {
	kept := make([]keptRule, len(rules))
	for i, r := range rules {
		kept[i] = keptRule{
			r.ID, r.Priority, r.Disabled, string(r.Template), r.Param, r.Tags.Glob, r.Tags.Except, r.Untagged, r.Extras,
			r.Repositories.Glob, r.Repositories.Except,
		}
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

func readRules(text string) ([]retention.Rule, error) {
	var kept []keptRule
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	rules := make([]retention.Rule, len(kept))
	for i, k := range kept {
		rules[i] = retention.Rule{
			ID: k.ID, Priority: k.Priority, Disabled: k.Disabled, Template: retention.Template(k.Template), Param: k.Param,
			Tags: pattern.Pattern{Glob: k.Tags, Except: k.TagsExcept}, Untagged: k.Untagged, Extras: k.Extras,
			Repositories: pattern.Pattern{Glob: k.Repositories, Except: k.RepositoriesExcept},
		}
	}
	return rules, nil
}

// Create implements retention.Store.
func (s *Retention) Create(ctx context.Context, p retention.Policy, now time.Time, by event.Actor) (int64, error) {
	rules, err := keepRules(p.Rules)
	if err != nil {
		return 0, err
	}
	at := now.UnixMicro()
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		where, err := holdProject(tx, p.ProjectID)
		if err != nil {
			return err
		}
		err = tx.QueryRow(`INSERT INTO retention_policy (project_id, rules, cron, created, updated) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (project_id) DO NOTHING RETURNING id`, p.ProjectID, rules, p.Cron, at, at).Scan(&p.ID)
		if errors.Is(err, db.ErrNotFound) {
			return retention.ErrExists
		}
		if err == nil {
			err = nameRetention(tx, p.ProjectID, strconv.FormatInt(p.ID, 10), now)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.RetentionPolicyCreated{RetentionPolicy: event.RetentionPolicy{Where: where, ID: p.ID}}))
	})
	return p.ID, policyError(err)
}

func policyError(err error) error {
	if err != nil {
		return fmt.Errorf("retention policy: %w", err)
	}
	return nil
}

// nameRetention keeps in a project's metadata which policy it has. Who changes
// metadata holds the rights, see Projects.Update.
func nameRetention(tx *db.Tx, projectID int64, policy string, at time.Time) error {
	var public bool
	var rest string
	if err := tx.QueryRow(`SELECT public, metadata FROM project WHERE id = ?`, projectID).Scan(&public, &rest); err != nil {
		return err
	}
	m, err := metadata(public, rest)
	if err != nil {
		return err
	}
	if policy == "" {
		delete(m, project.MetaRetention)
	} else {
		m[project.MetaRetention] = policy
	}
	return setMetadata(tx, projectID, m, at)
}

// ByID implements retention.Store.
func (s *Retention) ByID(ctx context.Context, id int64) (retention.Policy, error) {
	p := retention.Policy{ID: id}
	var rules string
	err := s.db.QueryRow(ctx, `SELECT r.project_id, r.rules, r.cron FROM retention_policy r JOIN project p ON p.id = r.project_id WHERE r.id = ? AND NOT p.deleted`, id).
		Scan(&p.ProjectID, &rules, &p.Cron)
	if errors.Is(err, db.ErrNotFound) {
		return p, retention.ErrNotFound
	}
	if err == nil {
		p.Rules, err = readRules(rules)
	}
	return p, policyError(err)
}

// Update implements retention.Store.
func (s *Retention) Update(ctx context.Context, p retention.Policy, now time.Time, by event.Actor) error {
	rules, err := keepRules(p.Rules)
	if err != nil {
		return err
	}
	return policyError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, p.ProjectID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE retention_policy SET rules = ?, cron = ?, updated = ? WHERE id = ? AND project_id = ?`, rules, p.Cron, now.UnixMicro(), p.ID, p.ProjectID)
		if err == nil && n == 0 {
			err = retention.ErrNotFound
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.RetentionPolicyUpdated{RetentionPolicy: event.RetentionPolicy{Where: where, ID: p.ID}}))
	}))
}

// Delete implements retention.Store.
func (s *Retention) Delete(ctx context.Context, id int64, by event.Actor) error {
	return policyError(s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		var projectID int64
		err := tx.QueryRow(`DELETE FROM retention_policy WHERE id = ? RETURNING project_id`, id).Scan(&projectID)
		if errors.Is(err, db.ErrNotFound) {
			return retention.ErrNotFound
		}
		if err != nil {
			return err
		}
		where, err := holdProject(tx, projectID)
		if err == nil {
			err = nameRetention(tx, projectID, "", time.Now())
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.RetentionPolicyDeleted{RetentionPolicy: event.RetentionPolicy{Where: where, ID: id}}))
	}))
}

// Ran implements retention.Store.
func (s *Retention) Ran(ctx context.Context, ran event.RetentionRan, by event.Actor) error {
	return policyError(s.db.Write(ctx, func(tx *db.Tx) error {
		var err error
		if ran.Project, err = projectName(tx, ran.ProjectID); err != nil {
			return err
		}
		return record(tx, event.New(by, ran))
	}))
}

// Repositories implements retention.Store.
func (s *Retention) Repositories(ctx context.Context, project int64, after string, n int) ([]string, error) {
	return columnOf[string](s.db.Query(ctx, `SELECT name FROM repository WHERE project_id = ? AND name > ? ORDER BY name LIMIT ?`, project, after, n))
}

// Artifacts implements retention.Store.
func (s *Retention) Artifacts(ctx context.Context, repository string, after int64, n int) ([]retention.Artifact, error) {
	rows, err := s.db.Query(ctx, `SELECT a.id, a.digest, a.type, a.pushed, a.pulled FROM artifact a
		WHERE a.repository_id = (SELECT id FROM repository WHERE name = ?) AND a.id > ? AND a.listed = TRUE ORDER BY a.id LIMIT ?`, repository, after, n)
	if err != nil {
		return nil, err
	}
	all, err := gather(rows, func(rows *db.Rows) (a retention.Artifact, err error) {
		var pushed, pulled int64
		err = rows.Scan(&a.ID, &a.Digest, &a.Type, &pushed, &pulled)
		a.Pushed, a.Pulled = timeOf(pushed), timeOf(pulled)
		return a, err
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	byID, ids := make(map[int64]*retention.Artifact, len(all)), make([]any, len(all))
	for i := range all {
		byID[all[i].ID], ids[i] = &all[i], all[i].ID
	}
	return all, s.complete(ctx, byID, ids)
}

// complete adds what other rows say of artifacts: tags, labels, which indexes
// have them, and when their children were pulled.
func (s *Retention) complete(ctx context.Context, byID map[int64]*retention.Artifact, ids []any) error {
	in := ` IN (` + db.In(len(ids)) + `)`
	var id, at, more int64
	var name string
	for _, q := range []struct {
		text string
		into []any
		add  func(a *retention.Artifact)
	}{
		{`SELECT artifact_id, name, pushed, pulled FROM tag WHERE artifact_id` + in + ` ORDER BY artifact_id, name`, []any{&id, &name, &at, &more}, func(a *retention.Artifact) {
			a.Tags = append(a.Tags, name)
			a.Pushed, a.Pulled = later(a.Pushed, timeOf(at)), later(a.Pulled, timeOf(more))
		}},
		{`SELECT f.parent_id, MAX(c.pulled) FROM artifact_reference f JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest
			WHERE f.parent_id` + in + ` GROUP BY f.parent_id`, []any{&id, &at}, func(a *retention.Artifact) { a.Pulled = later(a.Pulled, timeOf(at)) }},
		{`SELECT c.id, f.parent_id FROM artifact c JOIN artifact_reference f ON f.child_digest = c.digest AND f.repository_id = c.repository_id
			WHERE c.id` + in, []any{&id, &more}, func(a *retention.Artifact) { a.Indexes = append(a.Indexes, more) }},
		{`SELECT w.artifact_id, l.name FROM artifact_label w JOIN label l ON l.id = w.label_id WHERE w.artifact_id` + in + ` ORDER BY w.artifact_id, l.name`,
			[]any{&id, &name}, func(a *retention.Artifact) { a.Labels = append(a.Labels, name) }},
	} {
		rows, err := s.db.Query(ctx, q.text, ids...)
		if err != nil {
			return err
		}
		err = eachRow(rows, func(rows *db.Rows) error {
			if err := rows.Scan(q.into...); err != nil {
				return err
			}
			q.add(byID[id])
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
