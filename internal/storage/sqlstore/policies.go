package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/policy"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Policies knows of artifacts what rules about pulls ask. It is a policy.Store.
type Policies struct{ db *db.DB }

// NewPolicies returns it over d.
func NewPolicies(d *db.DB) *Policies { return &Policies{d} }

// factsOf reads what is known of an artifact beside its manifest, with those indexes
// that contain it and have accessories, and looks for an SBOM beside each of them.
var factsOf = `SELECT a.accessory_type, a.media_type, COALESCE(p.digest, ''),
	EXISTS (SELECT 1 FROM artifact s WHERE s.repository_id = a.repository_id AND s.accessory_of <> '' AND s.accessory_of IN (a.digest, COALESCE(p.digest, a.digest))
		AND (s.accessory_type = '` + artifact.AccessorySBOM + `' OR s.artifact_type IN ('application/spdx+json', 'text/spdx', 'application/vnd.cyclonedx', 'application/vnd.cyclonedx+json', 'application/vnd.cyclonedx+xml')))
	FROM artifact a
	LEFT JOIN artifact_reference r ON r.child_digest = a.digest AND r.repository_id = a.repository_id
	LEFT JOIN artifact p ON p.id = r.parent_id AND EXISTS (SELECT 1 FROM artifact s WHERE s.repository_id = p.repository_id AND s.accessory_of <> '' AND s.accessory_of = p.digest)
	WHERE a.id = ? ORDER BY p.id IS NULL, p.id LIMIT ?`

// Facts implements policy.Store.
func (s *Policies) Facts(ctx context.Context, id int64) (f policy.Facts, err error) {
	rows, err := s.db.Query(ctx, factsOf, id, policy.MaxParents)
	there := false
	if err == nil {
		err = eachRow(rows, func(rows *db.Rows) error {
			var parent oci.Digest
			var listed bool
			if err := rows.Scan(&f.Accessory, &f.MediaType, &parent, &listed); err != nil {
				return err
			}
			there = true
			f.SBOM = f.SBOM || listed
			if parent != "" {
				f.Parents = append(f.Parents, parent)
			}
			return nil
		})
	}
	if err != nil {
		return f, fmt.Errorf("facts of artifact %d: %w", id, err)
	}
	if !there {
		return f, artifact.ErrUnknown
	}
	return f, nil
}

const manifestOf = `SELECT body FROM artifact WHERE id = ?`

// Manifest implements policy.Store.
func (s *Policies) Manifest(ctx context.Context, id int64) (body []byte, err error) {
	err = s.db.QueryRow(ctx, manifestOf, id).Scan(&body)
	if errors.Is(err, db.ErrNotFound) {
		return nil, artifact.ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("manifest of artifact %d: %w", id, err)
	}
	return body, nil
}
