package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Endpoints keeps other registries. It is an endpoint.Store.
type Endpoints struct{ db *db.DB }

// NewEndpoints returns the endpoints in d.
func NewEndpoints(d *db.DB) *Endpoints { return &Endpoints{d} }

const endpointFields = `id, name, description, kind, url, credential_type, account, sealed, skip_verify, roots, healthy, health_message, version, created, updated, checked`

var endpointListing = listing{
	fields: endpointFields,
	from:   `endpoint`,
	columns: map[string]column{
		"id":            {"id", number},
		"name":          {"name", text},
		"description":   {"description", text},
		"type":          {"kind", text},
		"url":           {"url", text},
		"insecure":      {"skip_verify", flag},
		"status":        {"CASE WHEN healthy THEN 'healthy' ELSE 'unhealthy' END", text},
		"creation_time": {"created", moment},
		"update_time":   {"updated", moment},
	},
	order: []query.Sort{{Field: "creation_time", Desc: true}},
	id:    "id",
}

func scanEndpoint[R scanner](row R) (e endpoint.Endpoint, err error) {
	var created, updated, checked int64
	err = row.Scan(&e.ID, &e.Name, &e.Description, &e.Kind, &e.URL, &e.CredentialType, &e.Account, &e.Sealed, &e.SkipVerify, &e.Roots, &e.Healthy, &e.HealthMessage, &e.Version, &created, &updated, &checked)
	if len(e.Sealed) == 0 {
		e.Sealed = nil
	}
	e.Created, e.Updated, e.Checked = timeOf(created), timeOf(updated), timeOf(checked)
	return e, err
}

func endpointError(err error) error {
	switch {
	case errors.Is(err, db.ErrDuplicate):
		return endpoint.ErrExists
	case errors.Is(err, db.ErrReference):
		return endpoint.ErrInUse.Because(err)
	case err != nil:
		return fmt.Errorf("endpoint: %w", err)
	}
	return nil
}

func noEndpoint(id int64) error { return endpoint.ErrNotFound.Saying("registry %d not found", id) }

// blobOf is a value for a column that is never NULL.
func blobOf(b []byte) []byte { return append([]byte{}, b...) }

// Create implements endpoint.Store.
func (s *Endpoints) Create(ctx context.Context, e endpoint.Endpoint, seal func(id int64) []byte, by event.Actor) (int64, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`INSERT INTO endpoint (name, description, kind, url, credential_type, account, sealed, skip_verify, roots, healthy, health_message, created, updated, checked)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			e.Name, e.Description, e.Kind, e.URL, e.CredentialType, e.Account, []byte{}, e.SkipVerify, e.Roots, e.Healthy, e.HealthMessage,
			e.Created.UnixMicro(), e.Updated.UnixMicro(), e.Checked.UnixMicro()).Scan(&e.ID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE endpoint SET sealed = ? WHERE id = ?`, blobOf(seal(e.ID)), e.ID); err != nil {
			return err
		}
		return record(tx, event.New(by, event.EndpointCreated{Endpoint: event.Endpoint{ID: e.ID, Name: e.Name}}))
	})
	return e.ID, endpointError(err)
}

// ByID implements endpoint.Store.
func (s *Endpoints) ByID(ctx context.Context, id int64) (endpoint.Endpoint, error) {
	e, err := scanEndpoint(s.db.QueryRow(ctx, `SELECT `+endpointFields+` FROM endpoint WHERE id = ?`, id))
	if errors.Is(err, db.ErrNotFound) {
		return e, noEndpoint(id)
	}
	return e, endpointError(err)
}

// List implements endpoint.Store.
func (s *Endpoints) List(ctx context.Context, q query.Query) ([]endpoint.Endpoint, int64, error) {
	return list(ctx, s.db, endpointListing, condition{sql: "TRUE"}, q, scanEndpoint)
}

// Update implements endpoint.Store.
func (s *Endpoints) Update(ctx context.Context, e endpoint.Endpoint, changed []string, by event.Actor) error {
	return endpointError(s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE endpoint SET name = ?, description = ?, kind = ?, url = ?, credential_type = ?, account = ?, sealed = ?, skip_verify = ?, roots = ?,
			healthy = ?, health_message = ?, updated = ?, checked = ?, version = version + 1 WHERE id = ? AND version = ?`,
			e.Name, e.Description, e.Kind, e.URL, e.CredentialType, e.Account, blobOf(e.Sealed), e.SkipVerify, e.Roots,
			e.Healthy, e.HealthMessage, e.Updated.UnixMicro(), e.Checked.UnixMicro(), e.ID, e.Version)
		if err == nil && n == 0 {
			err = tx.QueryRow(`SELECT id FROM endpoint WHERE id = ?`, e.ID).Scan(&e.ID)
			if errors.Is(err, db.ErrNotFound) {
				return noEndpoint(e.ID)
			}
			if err == nil {
				err = endpoint.ErrChanged
			}
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.EndpointUpdated{Endpoint: event.Endpoint{ID: e.ID, Name: e.Name}, Changed: changed}))
	}))
}

// Delete implements endpoint.Store. What refers to an endpoint holds it by a
// foreign key.
func (s *Endpoints) Delete(ctx context.Context, id int64, by event.Actor) error {
	return endpointError(s.db.Write(ctx, func(tx *db.Tx) error {
		fact := event.Endpoint{ID: id}
		err := tx.QueryRow(`DELETE FROM endpoint WHERE id = ? RETURNING name`, id).Scan(&fact.Name)
		if errors.Is(err, db.ErrNotFound) {
			err = noEndpoint(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.EndpointDeleted{Endpoint: fact}))
	}))
}

const endpointsDue = `SELECT id FROM endpoint WHERE checked < ? ORDER BY checked, id LIMIT ?`

// Claim implements endpoint.Store. Where nothing is due, it writes nothing.
func (s *Endpoints) Claim(ctx context.Context, before, now time.Time, n int) ([]endpoint.Endpoint, error) {
	var any bool
	if err := s.db.QueryRow(ctx, `SELECT EXISTS (`+endpointsDue+`)`, before.UnixMicro(), 1).Scan(&any); err != nil || !any {
		return nil, endpointError(err)
	}
	var due []endpoint.Endpoint
	err := s.db.Write(ctx, func(tx *db.Tx) (err error) {
		// Whoever waited for another node's claim asks again whether it is due.
		rows, err := tx.Query(`UPDATE endpoint SET checked = ? WHERE id IN (`+endpointsDue+`) AND checked < ? RETURNING `+endpointFields,
			now.UnixMicro(), before.UnixMicro(), n, before.UnixMicro())
		if err == nil {
			due, err = gather(rows, scanEndpoint)
		}
		return err
	})
	return due, endpointError(err)
}

// Found implements endpoint.Store.
func (s *Endpoints) Found(ctx context.Context, e endpoint.Endpoint) error {
	return endpointError(s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE endpoint SET healthy = ?, health_message = ?, checked = ? WHERE id = ? AND version = ?`,
			e.Healthy, e.HealthMessage, e.Checked.UnixMicro(), e.ID, e.Version)
		return err
	}))
}
