package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Replication keeps the policies about what is copied. It is a replication.Store.
type Replication struct{ db *db.DB }

// NewReplication returns the policies in d.
func NewReplication(d *db.DB) *Replication { return &Replication{d} }

// keptFilter is a filter as it is kept.
type keptFilter struct {
	Type     string   `json:"type"`
	Pattern  string   `json:"pattern,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	Excludes bool     `json:"excludes,omitempty"`
}

var replicationListing = listing{
	fields: `r.id, r.name, r.description, COALESCE(r.source, 0), COALESCE(r.destination, 0), r.filters, r.platforms, r.namespace, r.replace_count, r.caused_by, r.cron,
		r.deletion, r.override, r.enabled, r.alone, r.speed, r.chunked, r.created, r.updated`,
	from: `replication_policy r`,
	columns: map[string]column{
		"id":               {"r.id", number},
		"name":             {"r.name", text},
		"description":      {"r.description", text},
		"src_registry_id":  {"COALESCE(r.source, 0)", number},
		"dest_registry_id": {"COALESCE(r.destination, 0)", number},
		"dest_namespace":   {"r.namespace", text},
		"trigger":          {"r.caused_by", text},
		"enabled":          {"r.enabled", flag},
		"creation_time":    {"r.created", moment},
		"update_time":      {"r.updated", moment},
	},
	order: []query.Sort{{Field: "creation_time", Desc: true}},
	id:    "r.id",
}

func scanReplication[R scanner](row R) (p replication.Policy, err error) {
	var filters, platforms string
	var created, updated int64
	err = row.Scan(&p.ID, &p.Name, &p.Description, &p.Source, &p.Destination, &filters, &platforms, &p.Namespace, &p.Replace, &p.Trigger, &p.Cron,
		&p.Deletion, &p.Override, &p.Enabled, &p.Alone, &p.Speed, &p.Chunked, &created, &updated)
	if err != nil {
		return p, err
	}
	p.Created, p.Updated = timeOf(created), timeOf(updated)
	var kept []keptFilter
	if err := errors.Join(json.Unmarshal([]byte(filters), &kept), json.Unmarshal([]byte(platforms), &p.Platforms)); err != nil {
		return p, fmt.Errorf("replication policy %d: %w", p.ID, err)
	}
	for _, f := range kept {
		p.Filters = append(p.Filters, replication.Filter{Type: replication.FilterType(f.Type), Pattern: f.Pattern, Labels: f.Labels, Excludes: f.Excludes})
	}
	return p, nil
}

// keepReplication returns the values of the columns of a policy from source to
// chunked.
func keepReplication(p replication.Policy) ([]any, error) {
	kept := make([]keptFilter, len(p.Filters))
	for i, f := range p.Filters {
		kept[i] = keptFilter{string(f.Type), f.Pattern, f.Labels, f.Excludes}
	}
	filters, err := json.Marshal(kept)
	if err != nil {
		return nil, err
	}
	platforms, err := json.Marshal(p.Platforms)
	if err != nil {
		return nil, err
	}
	return []any{
		elsewhere(p.Source), elsewhere(p.Destination), string(filters), string(platforms), p.Namespace, p.Replace, p.Trigger, p.Cron,
		p.Deletion, p.Override, p.Enabled, p.Alone, p.Speed, p.Chunked,
	}, nil
}

// elsewhere is an endpoint, or NULL for this registry.
func elsewhere(endpoint int64) any {
	if endpoint == 0 {
		return nil
	}
	return endpoint
}

func replicationError(err error, p replication.Policy) error {
	switch {
	case errors.Is(err, db.ErrDuplicate):
		return replication.ErrExists
	case errors.Is(err, db.ErrReference) && p.Source != 0:
		return replication.ErrInvalid.With("src_registry: there is no registry %d", p.Source)
	case errors.Is(err, db.ErrReference):
		return replication.ErrInvalid.With("dest_registry: there is no registry %d", p.Destination)
	case err != nil:
		return fmt.Errorf("replication policy: %w", err)
	}
	return nil
}

func noReplication(id int64) error {
	return replication.ErrNotFound.Saying("replication policy %d not found", id)
}

// Create implements replication.Store.
func (s *Replication) Create(ctx context.Context, p replication.Policy, by event.Actor) (int64, error) {
	kept, err := keepReplication(p)
	if err != nil {
		return 0, err
	}
	values := append(append([]any{p.Name, p.Description}, kept...), p.Created.UnixMicro(), p.Updated.UnixMicro())
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`INSERT INTO replication_policy (name, description, source, destination, filters, platforms, namespace, replace_count, caused_by, cron,
			deletion, override, enabled, alone, speed, chunked, created, updated) VALUES (`+db.In(len(values))+`) RETURNING id`, values...).Scan(&p.ID)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ReplicationPolicyCreated{ReplicationPolicy: event.ReplicationPolicy{ID: p.ID, Name: p.Name}}))
	})
	return p.ID, replicationError(err, p)
}

// ByID implements replication.Store.
func (s *Replication) ByID(ctx context.Context, id int64) (replication.Policy, error) {
	p, err := scanReplication(s.db.QueryRow(ctx, `SELECT `+replicationListing.fields+` FROM replication_policy r WHERE r.id = ?`, id))
	if errors.Is(err, db.ErrNotFound) {
		return p, noReplication(id)
	}
	return p, replicationError(err, p)
}

// List implements replication.Store.
func (s *Replication) List(ctx context.Context, q query.Query) ([]replication.Policy, int64, error) {
	return list(ctx, s.db, replicationListing, condition{"TRUE", nil}, q, scanReplication)
}

// Update implements replication.Store.
func (s *Replication) Update(ctx context.Context, p replication.Policy, by event.Actor) error {
	kept, err := keepReplication(p)
	if err != nil {
		return err
	}
	values := append(append([]any{p.Name, p.Description}, kept...), p.Updated.UnixMicro(), p.ID)
	return replicationError(s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE replication_policy SET name = ?, description = ?, source = ?, destination = ?, filters = ?, platforms = ?, namespace = ?, replace_count = ?,
			caused_by = ?, cron = ?, deletion = ?, override = ?, enabled = ?, alone = ?, speed = ?, chunked = ?, updated = ? WHERE id = ?`, values...)
		if err == nil && n == 0 {
			err = noReplication(p.ID)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ReplicationPolicyUpdated{ReplicationPolicy: event.ReplicationPolicy{ID: p.ID, Name: p.Name}}))
	}), p)
}

// Delete implements replication.Store.
func (s *Replication) Delete(ctx context.Context, id int64, by event.Actor) error {
	return replicationError(s.db.Write(ctx, func(tx *db.Tx) error {
		var name string
		err := tx.QueryRow(`DELETE FROM replication_policy WHERE id = ? RETURNING name`, id).Scan(&name)
		if errors.Is(err, db.ErrNotFound) {
			err = noReplication(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.ReplicationPolicyDeleted{ReplicationPolicy: event.ReplicationPolicy{ID: id, Name: name}}))
	}), replication.Policy{})
}

// Ran implements replication.Store.
func (s *Replication) Ran(ctx context.Context, ran event.ReplicationRan, by event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`SELECT id FROM project WHERE name = ? AND NOT deleted`, ran.Project).Scan(&ran.ProjectID)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("what a replication came to: %w", err)
		}
		return record(tx, event.New(by, ran))
	})
}

// ForEvents implements replication.Store.
func (s *Replication) ForEvents(ctx context.Context) ([]replication.Policy, error) {
	rows, err := s.db.Query(ctx, `SELECT `+replicationListing.fields+` FROM replication_policy r WHERE r.enabled AND r.caused_by = ? AND r.source IS NULL ORDER BY r.id`, replication.ByEvent)
	if err != nil {
		return nil, fmt.Errorf("replication policies for events: %w", err)
	}
	return gather(rows, scanReplication)
}
