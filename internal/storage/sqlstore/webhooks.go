package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/webhook"
)

// Webhooks keeps the policies about who is told what happens. It is a
// webhook.Store.
type Webhooks struct{ db *db.DB }

// NewWebhooks returns the policies in d.
func NewWebhooks(d *db.DB) *Webhooks { return &Webhooks{d} }

// keptTarget is a target as it is kept.
type keptTarget struct {
	Protocol   string `json:"protocol"`
	Address    string `json:"address"`
	Sealed     []byte `json:"sealed,omitempty"`
	SkipVerify bool   `json:"skip_verify,omitempty"`
	Format     string `json:"format,omitempty"`
}

var webhookListing = listing{
	fields: `w.id, w.project_id, w.name, w.description, w.targets, w.topics, w.enabled, w.creator, w.created, w.updated`,
	from:   `webhook_policy w`,
	columns: map[string]column{
		"id":            {"w.id", number},
		"name":          {"w.name", text},
		"description":   {"w.description", text},
		"enabled":       {"w.enabled", flag},
		"creator":       {"w.creator", text},
		"creation_time": {"w.created", moment},
		"update_time":   {"w.updated", moment},
	},
	order: []query.Sort{{Field: "creation_time", Desc: true}},
	id:    "w.id",
}

func scanWebhook[R scanner](row R) (p webhook.Policy, err error) {
	var targets, topics string
	var created, updated int64
	if err := row.Scan(&p.ID, &p.ProjectID, &p.Name, &p.Description, &targets, &topics, &p.Enabled, &p.Creator, &created, &updated); err != nil {
		return p, err
	}
	p.Created, p.Updated = timeOf(created), timeOf(updated)
	var kept []keptTarget
	if err := errors.Join(json.Unmarshal([]byte(targets), &kept), json.Unmarshal([]byte(topics), &p.Topics)); err != nil {
		return p, fmt.Errorf("webhook policy %d: %w", p.ID, err)
	}
	for _, t := range kept {
		p.Targets = append(p.Targets, webhook.Target{
			Protocol: webhook.Protocol(t.Protocol), Address: t.Address, Sealed: t.Sealed, SkipVerify: t.SkipVerify, Format: webhook.Format(t.Format),
		})
	}
	return p, nil
}

// keepWebhook returns the targets and topics of a policy as they are kept.
func keepWebhook(p webhook.Policy) (targets, topics string, err error) {
	kept := make([]keptTarget, len(p.Targets))
	for i, t := range p.Targets {
		kept[i] = keptTarget{string(t.Protocol), t.Address, t.Sealed, t.SkipVerify, string(t.Format)}
	}
	a, err := json.Marshal(kept)
	if err != nil {
		return "", "", err
	}
	b, err := json.Marshal(p.Topics)
	return string(a), string(b), err
}

func webhookError(err error) error {
	if errors.Is(err, db.ErrDuplicate) {
		return webhook.ErrExists
	}
	if err != nil {
		return fmt.Errorf("webhook policy: %w", err)
	}
	return nil
}

func noWebhook(id int64) error { return webhook.ErrNotFound.Saying("webhook policy %d not found", id) }

// Create implements webhook.Store. Policies of a project are made one after
// another, so that there are never too many.
func (s *Webhooks) Create(ctx context.Context, p webhook.Policy, by event.Actor) (int64, error) {
	targets, topics, err := keepWebhook(p)
	if err != nil {
		return 0, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, p.ProjectID)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM webhook_policy WHERE project_id = ?`, p.ProjectID).Scan(&n); err != nil {
			return err
		}
		if n >= webhook.MaxPolicies {
			return webhook.ErrTooMany.With("at most %d", webhook.MaxPolicies)
		}
		err = tx.QueryRow(`INSERT INTO webhook_policy (project_id, name, description, targets, topics, enabled, creator, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			p.ProjectID, p.Name, p.Description, targets, topics, p.Enabled, p.Creator, p.Created.UnixMicro(), p.Updated.UnixMicro()).Scan(&p.ID)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.WebhookCreated{Webhook: event.Webhook{Where: where, ID: p.ID, Name: p.Name}}))
	})
	return p.ID, webhookError(err)
}

// ByID implements webhook.Store.
func (s *Webhooks) ByID(ctx context.Context, projectID, id int64) (webhook.Policy, error) {
	p, err := scanWebhook(s.db.QueryRow(ctx, `SELECT `+webhookListing.fields+` FROM webhook_policy w JOIN project p ON p.id = w.project_id
		WHERE w.id = ? AND w.project_id = ? AND NOT p.deleted`, id, projectID))
	if errors.Is(err, db.ErrNotFound) {
		return p, noWebhook(id)
	}
	return p, webhookError(err)
}

// List implements webhook.Store.
func (s *Webhooks) List(ctx context.Context, projectID int64, q query.Query) ([]webhook.Policy, int64, error) {
	return list(ctx, s.db, webhookListing, condition{"w.project_id = ?", []any{projectID}}, q, scanWebhook)
}

// Update implements webhook.Store.
func (s *Webhooks) Update(ctx context.Context, p webhook.Policy, was time.Time, by event.Actor) error {
	targets, topics, err := keepWebhook(p)
	if err != nil {
		return err
	}
	return webhookError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, p.ProjectID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE webhook_policy SET name = ?, description = ?, targets = ?, topics = ?, enabled = ?, updated = ? WHERE id = ? AND project_id = ? AND updated = ?`,
			p.Name, p.Description, targets, topics, p.Enabled, p.Updated.UnixMicro(), p.ID, p.ProjectID, was.UnixMicro())
		if err == nil && n == 0 {
			err = tx.QueryRow(`SELECT id FROM webhook_policy WHERE id = ? AND project_id = ?`, p.ID, p.ProjectID).Scan(&p.ID)
			if errors.Is(err, db.ErrNotFound) {
				return noWebhook(p.ID)
			}
			if err == nil {
				err = webhook.ErrChanged
			}
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.WebhookUpdated{Webhook: event.Webhook{Where: where, ID: p.ID, Name: p.Name}}))
	}))
}

// Delete implements webhook.Store.
func (s *Webhooks) Delete(ctx context.Context, projectID, id int64, by event.Actor) error {
	return webhookError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, projectID)
		if err != nil {
			return err
		}
		var name string
		err = tx.QueryRow(`DELETE FROM webhook_policy WHERE id = ? AND project_id = ? RETURNING name`, id, projectID).Scan(&name)
		if errors.Is(err, db.ErrNotFound) {
			err = noWebhook(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.WebhookDeleted{Webhook: event.Webhook{Where: where, ID: id, Name: name}}))
	}))
}

// Enabled implements webhook.Store.
func (s *Webhooks) Enabled(ctx context.Context, projects []int64) ([]webhook.Policy, error) {
	var all []webhook.Policy
	for chunk := range slices.Chunk(projects, rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT `+webhookListing.fields+` FROM webhook_policy w JOIN project p ON p.id = w.project_id
			WHERE w.project_id IN (`+db.In(len(chunk))+`) AND w.enabled AND NOT p.deleted ORDER BY w.id`, anyOf(chunk)...)
		if err != nil {
			return nil, webhookError(err)
		}
		some, err := gather(rows, scanWebhook)
		if err != nil {
			return nil, webhookError(err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Subject implements webhook.Store.
func (s *Webhooks) Subject(ctx context.Context, projectID int64, repository string) (about webhook.Subject, err error) {
	var created int64
	err = s.db.QueryRow(ctx, `SELECT p.public, COALESCE(r.created, 0) FROM project p LEFT JOIN repository r ON r.project_id = p.id AND r.name = ? WHERE p.id = ?`,
		repository, projectID).Scan(&about.Public, &created)
	if errors.Is(err, db.ErrNotFound) { // it went meanwhile
		err = nil
	}
	about.Created = timeOf(created)
	return about, err
}

// Told implements webhook.Store. Of a policy that went meanwhile nothing is kept.
func (s *Webhooks) Told(ctx context.Context, last []webhook.Told) error {
	slices.SortFunc(last, func(a, b webhook.Told) int { // as other nodes do, so that none waits for another in a circle
		return cmp.Or(cmp.Compare(a.PolicyID, b.PolicyID), cmp.Compare(a.Topic, b.Topic))
	})
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for _, t := range last {
			_, err := tx.Exec(`INSERT INTO webhook_told (policy_id, topic, at) SELECT id, ?, ? FROM webhook_policy WHERE id = ?
				ON CONFLICT (policy_id, topic) DO UPDATE SET at = excluded.at WHERE webhook_told.at < excluded.at`, t.Topic, t.At.UnixMicro(), t.PolicyID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// LastTold implements webhook.Store.
func (s *Webhooks) LastTold(ctx context.Context, projectID int64) ([]webhook.Told, error) {
	rows, err := s.db.Query(ctx, `SELECT t.policy_id, t.topic, t.at FROM webhook_policy w JOIN webhook_told t ON t.policy_id = w.id WHERE w.project_id = ?`, projectID)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (t webhook.Told, err error) {
		var at int64
		err = rows.Scan(&t.PolicyID, &t.Topic, &at)
		t.At = timeOf(at)
		return t, err
	})
}
