package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Charts tells which charts projects list. It meets chart.Store. Rows come by
// listChart, in the transactions that point tags at charts, and go with their
// tags.
type Charts struct{ db *db.DB }

// NewCharts returns the charts in d.
func NewCharts(d *db.DB) *Charts { return &Charts{d} }

// listChart lists a chart for the tag that points at it since now, if it is to be
// listed for that.
//
// The row of the project's number is written by all who list a chart in it, and
// held until the transaction ends, so that numbers become known in their order.
func listChart(tx *db.Tx, repo artifact.Repo, tagID int64, tag string, c *artifact.Chart, at time.Time) error {
	if !c.ListedAs(repo.Name, tag) {
		return nil
	}
	entry, err := helm.NewEntry(c.Metadata, string(c.Archive), at)
	if err != nil {
		return err
	}
	var number int64
	err = tx.QueryRow(`INSERT INTO chart_number (project_id, last) VALUES (?, 1)
		ON CONFLICT (project_id) DO UPDATE SET last = chart_number.last + 1 RETURNING last`, repo.ProjectID).Scan(&number)
	if err != nil {
		return fmt.Errorf("number of chart: %w", err)
	}
	_, name := oci.SplitRepository(repo.Name)
	_, err = tx.Exec(`INSERT INTO chart_version (project_id, number, tag_id, name, version, created, entry) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		repo.ProjectID, number, tagID, name, c.Version, at.UnixMicro(), string(entry))
	if err != nil {
		return fmt.Errorf("list chart: %w", err)
	}
	return nil
}

// unlistChart ends that a tag's chart is listed.
func unlistChart(tx *db.Tx, tagID int64) error {
	_, err := tx.Exec(`DELETE FROM chart_version WHERE tag_id = ?`, tagID)
	return err
}

// storedChart returns the chart that a stored artifact is, or nil.
func storedChart(tx *db.Tx, id int64) (*artifact.Chart, error) {
	var kind, mediaType, attrs string
	err := tx.QueryRow(`SELECT type, media_type, attrs FROM artifact WHERE id = ?`, id).Scan(&kind, &mediaType, &attrs)
	if err != nil || kind != artifact.TypeChart {
		return nil, err
	}
	var body []byte
	if err := tx.QueryRow(`SELECT body FROM artifact WHERE id = ?`, id).Scan(&body); err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(mediaType, body)
	if err != nil {
		return nil, fmt.Errorf("stored manifest: %w", err)
	}
	return artifact.ChartOf(m, json.RawMessage(attrs)), nil
}

// Revision implements chart.Store.
func (s *Charts) Revision(ctx context.Context, project int64) (r chart.Revision, err error) {
	err = s.db.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0), COUNT(*) FROM chart_version WHERE project_id = ?`, project).Scan(&r.Last, &r.Count)
	return r, err
}

// Since implements chart.Store.
func (s *Charts) Since(ctx context.Context, project, number int64) (come []chart.Version, count int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT number, name, version, created, entry, (SELECT COUNT(*) FROM chart_version WHERE project_id = ?)
		FROM chart_version WHERE project_id = ? AND number > ? ORDER BY number`, project, project, number)
	if err != nil {
		return nil, 0, err
	}
	come, err = gather(rows, func(rows *db.Rows) (v chart.Version, err error) {
		var created int64
		err = rows.Scan(&v.Number, &v.Name, &v.Version, &created, (*[]byte)(&v.Entry), &count)
		v.Created = time.UnixMicro(created)
		return v, err
	})
	return come, count, err
}

// Numbers implements chart.Store.
func (s *Charts) Numbers(ctx context.Context, project int64) ([]int64, error) {
	return columnOf[int64](s.db.Query(ctx, `SELECT number FROM chart_version WHERE project_id = ? ORDER BY number`, project))
}

// Listings implements chart.Store.
func (s *Charts) Listings(ctx context.Context) ([]chart.Listing, error) {
	rows, err := s.db.Query(ctx, `SELECT p.id, p.name, v.last, v.versions
		FROM (SELECT project_id, MAX(number) AS last, COUNT(*) AS versions FROM chart_version GROUP BY project_id) v
		JOIN project p ON p.id = v.project_id WHERE NOT p.deleted ORDER BY p.name`)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (l chart.Listing, err error) {
		return l, rows.Scan(&l.ID, &l.Name, &l.Last, &l.Count)
	})
}

const chartVersions = `SELECT v.number, v.name, v.version, v.created, v.entry, a.id, a.digest
	FROM chart_version v JOIN tag t ON t.id = v.tag_id JOIN artifact a ON a.id = t.artifact_id WHERE v.project_id = ? AND v.name = ? AND `

func scanChart(scan func(...any) error) (v chart.Version, err error) {
	var created int64
	err = scan(&v.Number, &v.Name, &v.Version, &created, (*[]byte)(&v.Entry), &v.ArtifactID, &v.Digest)
	v.Created = time.UnixMicro(created)
	return v, err
}

// Version implements chart.Store.
func (s *Charts) Version(ctx context.Context, project int64, name, version string) (chart.Version, error) {
	v, err := scanChart(s.db.QueryRow(ctx, chartVersions+`v.version = ?`, project, name, version).Scan)
	if errors.Is(err, db.ErrNotFound) {
		err = chart.ErrUnknown.With("%.300q %.128q", name, version)
	}
	return v, err
}

// Versions implements chart.Store.
func (s *Charts) Versions(ctx context.Context, project int64, name string, offset, n int) ([]chart.Version, error) {
	rows, err := s.db.Query(ctx, chartVersions+`TRUE ORDER BY v.number DESC LIMIT ? OFFSET ?`, project, name, n, offset)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (chart.Version, error) { return scanChart(rows.Scan) })
}
