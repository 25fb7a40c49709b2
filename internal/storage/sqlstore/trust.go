package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Trust keeps what projects trust signatures by. It is a sign.Store.
type Trust struct{ db *db.DB }

// NewTrust returns what is trusted in d.
func NewTrust(d *db.DB) *Trust { return &Trust{d} }

// keptIdentity is an identity as it is kept.
type keptIdentity struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject"`
}

var trustListing = listing{
	fields: `e.id, e.project_id, e.name, e.description, e.kind, e.content, e.timestamps, e.identities, e.created, e.updated`,
	from:   `trust_entry e`,
	columns: map[string]column{
		"id":            {"e.id", number},
		"name":          {"e.name", text},
		"kind":          {"e.kind", text},
		"creation_time": {"e.created", moment},
		"update_time":   {"e.updated", moment},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "e.id",
}

func scanTrust[R scanner](row R) (e sign.Entry, err error) {
	var identities string
	var created, updated int64
	if err := row.Scan(&e.ID, &e.ProjectID, &e.Name, &e.Description, &e.Kind, &e.Content, &e.Timestamps, &identities, &created, &updated); err != nil {
		return e, err
	}
	e.Created, e.Updated = timeOf(created), timeOf(updated)
	var kept []keptIdentity
	if err := json.Unmarshal([]byte(identities), &kept); err != nil {
		return e, fmt.Errorf("trust entry %d: %w", e.ID, err)
	}
	for _, id := range kept {
		e.Identities = append(e.Identities, sign.Identity(id))
	}
	return e, nil
}

func keepIdentities(ids []sign.Identity) (string, error) {
	kept := make([]keptIdentity, len(ids))
	for i, id := range ids {
		kept[i] = keptIdentity(id)
	}
	text, err := json.Marshal(kept)
	return string(text), err
}

func trustError(err error) error {
	if errors.Is(err, db.ErrDuplicate) {
		return sign.ErrExists
	}
	if err != nil {
		return fmt.Errorf("trust entry: %w", err)
	}
	return nil
}

func noTrust(id int64) error { return sign.ErrNotFound.Saying("trust entry %d not found", id) }

// List implements sign.Store.
func (s *Trust) List(ctx context.Context, projectID int64, q query.Query) ([]sign.Entry, int64, error) {
	return list(ctx, s.db, trustListing, condition{"e.project_id = ?", []any{projectID}}, q, scanTrust[*db.Rows])
}

// ByID implements sign.Store.
func (s *Trust) ByID(ctx context.Context, projectID, id int64) (sign.Entry, error) {
	e, err := scanTrust(s.db.QueryRow(ctx, `SELECT `+trustListing.fields+` FROM trust_entry e JOIN project p ON p.id = e.project_id
		WHERE e.id = ? AND e.project_id = ? AND NOT p.deleted`, id, projectID))
	if errors.Is(err, db.ErrNotFound) {
		return e, noTrust(id)
	}
	return e, err
}

// holdTrust takes the row of a project, so that its trust changes one after
// another, and gives it the next revision.
func holdTrust(tx *db.Tx, projectID int64) (event.Where, error) {
	where, err := holdProject(tx, projectID)
	if err == nil {
		_, err = tx.Exec(`UPDATE project SET trust_revision = trust_revision + 1 WHERE id = ?`, projectID)
	}
	return where, err
}

// Create implements sign.Store.
func (s *Trust) Create(ctx context.Context, e sign.Entry, by event.Actor) (int64, error) {
	identities, err := keepIdentities(e.Identities)
	if err != nil {
		return 0, err
	}
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdTrust(tx, e.ProjectID)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM trust_entry WHERE project_id = ?`, e.ProjectID).Scan(&n); err != nil {
			return err
		}
		if n >= sign.MaxEntries {
			return sign.ErrTooMany.With("at most %d", sign.MaxEntries)
		}
		err = tx.QueryRow(`INSERT INTO trust_entry (project_id, name, description, kind, content, timestamps, identities, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			e.ProjectID, e.Name, e.Description, string(e.Kind), e.Content, e.Timestamps, identities, e.Created.UnixMicro(), e.Updated.UnixMicro()).Scan(&e.ID)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.TrustCreated{Trust: event.Trust{Where: where, ID: e.ID, Name: e.Name}}))
	})
	return e.ID, trustError(err)
}

// Update implements sign.Store.
func (s *Trust) Update(ctx context.Context, e sign.Entry, by event.Actor) error {
	identities, err := keepIdentities(e.Identities)
	if err != nil {
		return err
	}
	return trustError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdTrust(tx, e.ProjectID)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`UPDATE trust_entry SET name = ?, description = ?, content = ?, timestamps = ?, identities = ?, updated = ?
			WHERE id = ? AND project_id = ? AND kind = ?`,
			e.Name, e.Description, e.Content, e.Timestamps, identities, e.Updated.UnixMicro(), e.ID, e.ProjectID, string(e.Kind))
		if err == nil && n == 0 {
			err = noTrust(e.ID)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.TrustUpdated{Trust: event.Trust{Where: where, ID: e.ID, Name: e.Name}}))
	}))
}

// Delete implements sign.Store.
func (s *Trust) Delete(ctx context.Context, projectID, id int64, by event.Actor) error {
	return trustError(s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdTrust(tx, projectID)
		if err != nil {
			return err
		}
		var name string
		err = tx.QueryRow(`DELETE FROM trust_entry WHERE id = ? AND project_id = ? RETURNING name`, id, projectID).Scan(&name)
		if errors.Is(err, db.ErrNotFound) {
			err = noTrust(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.TrustDeleted{Trust: event.Trust{Where: where, ID: id, Name: name}}))
	}))
}

// Trust implements sign.Store. Entries that are newer than the revision do no
// harm: their change gives it another one.
func (s *Trust) Trust(ctx context.Context, projectID int64) (t sign.Trust, err error) {
	if t.Revision, err = s.revision(ctx, projectID); err != nil {
		return t, err
	}
	rows, err := s.db.Query(ctx, `SELECT `+trustListing.fields+` FROM trust_entry e WHERE e.project_id = ? ORDER BY e.id`, projectID)
	if err != nil {
		return t, fmt.Errorf("trust entries: %w", err)
	}
	t.Entries, err = gather(rows, scanTrust[*db.Rows])
	return t, err
}

func (s *Trust) revision(ctx context.Context, projectID int64) (revision int64, err error) {
	err = s.db.QueryRow(ctx, `SELECT trust_revision FROM project WHERE id = ? AND NOT deleted`, projectID).Scan(&revision)
	if errors.Is(err, db.ErrNotFound) {
		err = noProject(projectID)
	}
	return revision, err
}

// signaturesOf finds a revision, and what is kept as signatures of an artifact: one
// row without any where there is none.
const signaturesOf = `SELECT p.trust_revision, COALESCE(a.digest, ''), COALESCE(a.accessory_type, '') FROM project p
	LEFT JOIN repository r ON r.project_id = p.id AND r.name = ?
	LEFT JOIN artifact a ON a.repository_id = r.id AND a.accessory_of = ? AND a.accessory_of <> '' AND a.accessory_type IN (?, ?)
	WHERE p.id = ? AND NOT p.deleted ORDER BY a.id LIMIT ?`

// Signatures implements sign.Store.
func (s *Trust) Signatures(ctx context.Context, repo artifact.Repo, d oci.Digest, n int) (revision int64, found []sign.Stored, err error) {
	rows, err := s.db.Query(ctx, signaturesOf, repo.Name, d, artifact.SignatureCosign, artifact.SignatureNotation, repo.ProjectID, n)
	if err != nil {
		return 0, nil, fmt.Errorf("signatures: %w", err)
	}
	there := false
	err = eachRow(rows, func(rows *db.Rows) error {
		var f sign.Stored
		there = true
		if err := rows.Scan(&revision, &f.Digest, &f.Type); err != nil {
			return err
		}
		if f.Digest != "" {
			found = append(found, f)
		}
		return nil
	})
	if err == nil && !there {
		err = noProject(repo.ProjectID)
	}
	return revision, found, err
}
