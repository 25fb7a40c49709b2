package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Labels keeps labels and what wears them. It is a label.Store.
type Labels struct{ db *db.DB }

// NewLabels returns the labels in d.
func NewLabels(d *db.DB) *Labels { return &Labels{d} }

var labelListing = listing{
	fields: `l.id, l.scope, l.project_id, l.name, l.description, l.color, l.created, l.updated`,
	from:   `label l`,
	columns: map[string]column{
		"id":            {"l.id", number},
		"name":          {"l.name", text},
		"description":   {"l.description", text},
		"color":         {"l.color", text},
		"creation_time": {"l.created", moment},
		"update_time":   {"l.updated", moment},
	},
	order: []query.Sort{{Field: "name"}},
	id:    "l.id",
}

func scanLabel(row interface{ Scan(...any) error }, before ...any) (label.Label, error) {
	var l label.Label
	var created, updated int64
	err := row.Scan(append(before, &l.ID, &l.Scope, &l.ProjectID, &l.Name, &l.Description, &l.Color, &created, &updated)...)
	l.Created, l.Updated = timeOf(created), timeOf(updated)
	return l, err
}

// Create implements label.Store.
func (s *Labels) Create(ctx context.Context, l label.Label, by event.Actor) (int64, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := labelWhere(tx, l.ProjectID)
		if err != nil {
			return err
		}
		at := l.Created.UnixMicro()
		err = tx.QueryRow(`INSERT INTO label (scope, project_id, name, description, color, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			l.Scope, l.ProjectID, l.Name, l.Description, l.Color, at, at).Scan(&l.ID)
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.LabelCreated{Label: event.Label{Where: where, ID: l.ID, Name: l.Name}}))
	})
	return l.ID, labelError(err)
}

// labelWhere names a label's project, which must not go meanwhile.
func labelWhere(tx *db.Tx, projectID int64) (event.Where, error) {
	if projectID == 0 {
		return event.Where{}, nil
	}
	where, err := holdProject(tx, projectID)
	if errors.Is(err, project.ErrNotFound) {
		return where, label.ErrInvalid.With("project_id: there is no project %d", projectID)
	}
	return where, err
}

func labelError(err error) error {
	if errors.Is(err, db.ErrDuplicate) {
		return label.ErrExists
	}
	if err != nil {
		return fmt.Errorf("label: %w", err)
	}
	return nil
}

// ByID implements label.Store.
func (s *Labels) ByID(ctx context.Context, id int64) (label.Label, error) {
	l, err := scanLabel(s.db.QueryRow(ctx, `SELECT `+labelListing.fields+` FROM label l WHERE l.id = ?`, id))
	if errors.Is(err, db.ErrNotFound) {
		return l, noLabel(id)
	}
	return l, err
}

func noLabel(id int64) error { return label.ErrNotFound.Saying("label %d not found", id) }

// List implements label.Store.
func (s *Labels) List(ctx context.Context, scope string, projectID int64, q query.Query) ([]label.Label, int64, error) {
	base := condition{"l.scope = ? AND l.project_id = ?", []any{scope, projectID}}
	return list(ctx, s.db, labelListing, base, q, func(rows *db.Rows) (label.Label, error) { return scanLabel(rows) })
}

// Update implements label.Store.
func (s *Labels) Update(ctx context.Context, l label.Label, by event.Actor) error {
	return labelError(s.db.Write(ctx, func(tx *db.Tx) error {
		e := event.New(by, event.LabelUpdated{Label: event.Label{Where: event.Where{ProjectID: l.ProjectID}, ID: l.ID, Name: l.Name}})
		n, err := tx.Exec(`UPDATE label SET name = ?, description = ?, color = ?, updated = ? WHERE id = ?`, l.Name, l.Description, l.Color, e.At.UnixMicro(), l.ID)
		if err == nil && n == 0 {
			err = noLabel(l.ID)
		}
		if err != nil {
			return err
		}
		return record(tx, e)
	}))
}

// Delete implements label.Store. What wears the label loses it with the row.
func (s *Labels) Delete(ctx context.Context, id int64, by event.Actor) error {
	return labelError(s.db.Write(ctx, func(tx *db.Tx) error {
		fact := event.Label{ID: id}
		err := tx.QueryRow(`DELETE FROM label WHERE id = ? RETURNING name, project_id`, id).Scan(&fact.Name, &fact.ProjectID)
		if errors.Is(err, db.ErrNotFound) {
			return noLabel(id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.LabelDeleted{Label: fact}))
	}))
}

// Attach implements label.Store.
func (s *Labels) Attach(ctx context.Context, a label.Artifact, id int64, by event.Actor) error {
	return labelError(s.db.Write(ctx, func(tx *db.Tx) error {
		artifact, fact, err := labelled(tx, a, id)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO artifact_label (artifact_id, label_id, created) VALUES (?, ?, ?) ON CONFLICT (artifact_id, label_id) DO NOTHING`,
			artifact, id, time.Now().UnixMicro())
		if err == nil && n == 0 {
			err = label.ErrAttached
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.LabelAdded{Label: fact, Digest: string(a.Digest)}))
	}))
}

// labelled finds an artifact, and a label that may be on it. Neither goes until
// the transaction ends: it holds the rows of the repository and of the label.
func labelled(tx *db.Tx, a label.Artifact, id int64) (worn int64, fact event.Label, err error) {
	fact = event.Label{Where: a.Where, ID: id}
	repo, err := lockRepository(tx, artifact.Repo{ProjectID: a.Where.ProjectID, Name: a.Where.Repository})
	if err == nil {
		worn, err = artifactID(tx, repo, a.Digest)
	}
	if errors.Is(err, artifact.ErrRepositoryUnknown) || errors.Is(err, artifact.ErrUnknown) {
		return 0, fact, label.ErrArtifactUnknown
	}
	if err != nil {
		return 0, fact, err
	}
	err = tx.QueryRow(`UPDATE label SET updated = updated WHERE id = ? AND (scope = 'g' OR project_id = ?) RETURNING name`, id, a.Where.ProjectID).Scan(&fact.Name)
	if errors.Is(err, db.ErrNotFound) {
		err = noLabel(id)
	}
	return worn, fact, err
}

// Detach implements label.Store.
func (s *Labels) Detach(ctx context.Context, a label.Artifact, id int64, by event.Actor) error {
	return labelError(s.db.Write(ctx, func(tx *db.Tx) error {
		artifact, fact, err := labelled(tx, a, id)
		if err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM artifact_label WHERE artifact_id = ? AND label_id = ?`, artifact, id)
		if err == nil && n == 0 {
			err = label.ErrNotFound.Saying("the artifact does not have the label %d", id)
		}
		if err != nil {
			return err
		}
		return record(tx, event.New(by, event.LabelRemoved{Label: fact, Digest: string(a.Digest)}))
	}))
}

// OfArtifacts implements label.Store.
func (s *Labels) OfArtifacts(ctx context.Context, ids []int64) (map[int64][]label.Label, error) {
	all, room := map[int64][]label.Label{}, newRoom()
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT w.artifact_id, `+labelListing.fields+` FROM artifact_label w JOIN label l ON l.id = w.label_id
			WHERE w.artifact_id IN (`+db.In(len(chunk))+`) ORDER BY l.name, l.id`, anyOf(chunk)...)
		if err == nil {
			_, err = gatherIn(rows, room, func(rows *db.Rows) (l label.Label, err error) {
				var artifact int64
				l, err = scanLabel(rows, &artifact)
				all[artifact] = append(all[artifact], l)
				return l, err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("labels of artifacts: %w", err)
		}
	}
	return all, nil
}

// inheritLabels puts the labels of an artifact on another one that comes in its
// place.
func inheritLabels(tx *db.Tx, repo, id int64, before *oci.Digest) error {
	if before == nil || *before == "" {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO artifact_label (artifact_id, label_id, created)
		SELECT ?, w.label_id, w.created FROM artifact a JOIN artifact_label w ON w.artifact_id = a.id WHERE a.repository_id = ? AND a.digest = ? AND a.id <> ?
		ON CONFLICT (artifact_id, label_id) DO NOTHING`, id, repo, *before, id)
	if err != nil {
		return fmt.Errorf("labels of %s: %w", *before, err)
	}
	return nil
}
