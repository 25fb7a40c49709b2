package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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

const chartRevision = `SELECT COALESCE(MAX(number), 0), COUNT(*) FROM chart_version WHERE project_id = ?`

// oldCharts finds tags of charts that are listed for none.
const oldCharts = `SELECT t.id FROM tag t JOIN artifact a ON a.id = t.artifact_id
	WHERE a.type = 'CHART' AND t.id > ? AND NOT EXISTS (SELECT 1 FROM chart_version v WHERE v.tag_id = t.id) ORDER BY t.id LIMIT ?`

// ListOld lists the charts that were pushed before projects listed any. It may be
// ended, and called again.
func (s *Charts) ListOld(ctx context.Context) error {
	for last := int64(0); ; {
		tags, err := columnOf[int64](s.db.Query(ctx, oldCharts, last, rowsAtOnce))
		if err != nil || len(tags) == 0 {
			return err
		}
		for _, id := range tags {
			if err := s.listOld(ctx, id); err != nil {
				return err
			}
			last = id
		}
	}
}

// listOld lists the chart of a tag, unless that was done or the tag went since it
// was found.
func (s *Charts) listOld(ctx context.Context, tagID int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		var repo artifact.Repo
		var tag string
		var artifactID, pushed int64
		err := tx.QueryRow(`UPDATE repository SET updated = updated WHERE id = (SELECT repository_id FROM tag WHERE id = ?) RETURNING project_id, name`, tagID).Scan(&repo.ProjectID, &repo.Name)
		if err == nil {
			err = tx.QueryRow(`SELECT name, artifact_id, pushed FROM tag t WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chart_version v WHERE v.tag_id = t.id)`, tagID).Scan(&tag, &artifactID, &pushed)
		}
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("old chart: %w", err)
		}
		c, err := storedChart(tx, artifactID)
		if err != nil {
			return err
		}
		return listChart(tx, repo, tagID, tag, c, time.UnixMicro(pushed))
	})
}

// Revision implements chart.Store.
func (s *Charts) Revision(ctx context.Context, project int64) (r chart.Revision, err error) {
	err = s.db.QueryRow(ctx, chartRevision, project).Scan(&r.Last, &r.Count)
	return r, err
}

// chartsAtOnce is how many versions come in one row: for rows as small as these,
// each of its own costs more than what is in it.
const chartsAtOnce = 500

const chartsSince = `SELECT COALESCE(string_agg(number || ' ' || created || ' ' || name || ' ' || version || ' ' || entry, ?), '')
	FROM (SELECT * FROM chart_version WHERE project_id = ? AND number > ? ORDER BY number LIMIT ?) v`

// Since implements chart.Store.
func (s *Charts) Since(ctx context.Context, project, number int64) (all []chart.Version, err error) {
	for size := 0; ; {
		var text []byte
		err := s.db.QueryRow(ctx, chartsSince, "\n", project, number, chartsAtOnce).Scan(&text)
		if err != nil || len(text) == 0 {
			return all, err
		}
		if size += len(text); size > chart.MaxIndex {
			return nil, chart.ErrTooMany.With("those of one project come to more than %d bytes", chart.MaxIndex)
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) { // which is in no JSON text
			v, err := parseChart(line)
			if err != nil {
				return nil, err
			}
			all, number = append(all, v), max(number, v.Number)
		}
	}
}

func parseChart(line []byte) (v chart.Version, err error) {
	var parts [4][]byte
	rest := line
	for i := range parts {
		var ok bool
		if parts[i], rest, ok = bytes.Cut(rest, []byte(" ")); !ok {
			return v, fmt.Errorf("chart version %q", line)
		}
	}
	created, bad := strconv.ParseInt(string(parts[1]), 10, 64)
	v.Number, err = strconv.ParseInt(string(parts[0]), 10, 64)
	v.Created, v.Name, v.Version, v.Entry = time.UnixMicro(created), string(parts[2]), string(parts[3]), rest
	return v, errors.Join(err, bad)
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
