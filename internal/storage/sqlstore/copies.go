package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Kin implements artifact.Store.
func (s *Artifacts) Kin(ctx context.Context, repository string, d oci.Digest, n int) (artifact.Kin, error) {
	var id, repo int64
	var kin artifact.Kin
	err := s.db.QueryRow(ctx, `SELECT a.id, a.repository_id, a.accessory_of FROM repository r
		JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.digest = ?`, repository, d).Scan(&id, &repo, &kin.AccessoryOf)
	if errors.Is(err, db.ErrNotFound) {
		return kin, artifact.ErrUnknown.With("%s", d)
	}
	if err != nil {
		return kin, fmt.Errorf("kin of %s: %w", d, err)
	}
	kin.Children, err = columnOf[oci.Digest](s.db.Query(ctx, `SELECT c.digest FROM artifact_reference f
		JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest WHERE f.parent_id = ? ORDER BY f.position LIMIT ?`, id, n))
	if err != nil {
		return kin, fmt.Errorf("children of %s: %w", d, err)
	}
	kin.Accessories, err = columnOf[oci.Digest](s.db.Query(ctx, `SELECT digest FROM artifact
		WHERE repository_id = ? AND accessory_of = ? AND accessory_of <> '' ORDER BY id LIMIT ?`, repo, d, n))
	if err != nil {
		return kin, fmt.Errorf("accessories of %s: %w", d, err)
	}
	return kin, nil
}

// TagsOf implements artifact.Store.
func (s *Artifacts) TagsOf(ctx context.Context, repository string, d oci.Digest, n int) ([]string, error) {
	return columnOf[string](s.db.Query(ctx, `SELECT t.name FROM repository r JOIN artifact a ON a.repository_id = r.id
		JOIN tag t ON t.artifact_id = a.id WHERE r.name = ? AND a.digest = ? ORDER BY t.id LIMIT ?`, repository, d, n))
}

// LinkAll implements registry.Store. While it holds the row of the source, what
// that may serve does not become trash.
func (s *Blobs) LinkAll(ctx context.Context, to, from artifact.Repo, d oci.Digest, at time.Time) error {
	if to == from {
		return nil
	}
	now := at.UnixMicro()
	return s.db.Write(ctx, func(tx *db.Tx) error {
		source, target, err := lockBoth(tx, from, to, now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO repository_blob (repository_id, digest, created)
			SELECT ?, l.digest, ? FROM artifact a JOIN artifact_blob b ON b.artifact_id = a.id
			JOIN repository_blob l ON l.repository_id = a.repository_id AND l.digest = b.digest
			WHERE a.repository_id = ? AND a.digest = ? ORDER BY l.digest ON CONFLICT (repository_id, digest) DO NOTHING`, target, now, source, d)
		if err != nil {
			return fmt.Errorf("link blobs of %s: %w", d, err)
		}
		_, err = tx.Exec(queue+`SELECT 'link', l.repository_id, l.digest, ?, ?, 0 FROM artifact a JOIN artifact_blob b ON b.artifact_id = a.id
			JOIN repository_blob l ON l.repository_id = ? AND l.digest = b.digest WHERE a.repository_id = ? AND a.digest = ?`+postponed,
			delayed(now), gc.Copied, target, source, d)
		if err != nil {
			return fmt.Errorf("queue blobs of %s: %w", d, err)
		}
		return nil
	})
}

// lockBoth holds the rows of two repositories, of which the second is made
// where needed.
func lockBoth(tx *db.Tx, from, to artifact.Repo, now int64) (source, target int64, err error) {
	if to.Name < from.Name {
		if target, err = ensureRepository(tx, to, now); err == nil {
			source, err = lockRepository(tx, from)
		}
		return source, target, err
	}
	if source, err = lockRepository(tx, from); err == nil {
		target, err = ensureRepository(tx, to, now)
	}
	return source, target, err
}

// CopyLabels implements registry.Store. It holds the rows of the copy's
// repository and of the labels, so that none of them goes meanwhile.
func (s *Blobs) CopyLabels(ctx context.Context, to, from artifact.Repo, d oci.Digest, by event.Actor) error {
	if to == from {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		repo, err := lockRepository(tx, to)
		if err != nil {
			return err
		}
		labels, err := labelsToCopy(tx, to, from, d)
		if err != nil || len(labels) == 0 {
			return err
		}
		copied, err := artifactID(tx, repo, d)
		if err != nil {
			return err
		}
		for _, l := range labels {
			e := event.New(by, event.LabelAdded{Label: l, Digest: string(d)})
			n, err := tx.Exec(`INSERT INTO artifact_label (artifact_id, label_id, created) VALUES (?, ?, ?) ON CONFLICT (artifact_id, label_id) DO NOTHING`,
				copied, l.ID, e.At.UnixMicro())
			if err == nil && n > 0 {
				err = record(tx, e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy labels of %s: %w", d, err)
	}
	return nil
}

// labelsToCopy returns the labels of an artifact that its copy's project may use.
func labelsToCopy(tx *db.Tx, to, from artifact.Repo, d oci.Digest) ([]event.Label, error) {
	rows, err := tx.Query(`UPDATE label SET updated = updated WHERE (scope = 'g' OR project_id = ?) AND id IN (
		SELECT w.label_id FROM repository r JOIN artifact a ON a.repository_id = r.id JOIN artifact_label w ON w.artifact_id = a.id
		WHERE r.name = ? AND a.digest = ?) RETURNING id, name`, to.ProjectID, from.Name, d)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (event.Label, error) {
		l := event.Label{Where: to.Where()}
		return l, rows.Scan(&l.ID, &l.Name)
	})
}
