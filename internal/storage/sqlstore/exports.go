package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Exports reads what scanners found in a project, and keeps files of it. It is an
// export.Store.
type Exports struct {
	db    *db.DB
	scans *Scans
}

// NewExports returns the exports in d.
func NewExports(d *db.DB) *Exports { return &Exports{d, NewScans(d)} }

// Reports implements export.Store.
func (s *Exports) Reports(ctx context.Context, project int64, scanner string, after int64, n int) ([]export.Report, error) {
	rows, err := s.db.Query(ctx, `SELECT r.id, n.name, a.digest, r.name, r.vendor, r.version, a.id FROM scan_report r JOIN artifact a ON a.id = r.artifact_id
		JOIN repository n ON n.id = a.repository_id WHERE r.project_id = ? AND r.id > ? AND r.kind = 'vulnerability' AND r.made > 0 AND +r.scanner_id = `+scannerOf+` ORDER BY r.id LIMIT ?`,
		project, after, scanner, n)
	var all []export.Report
	at := map[int64]int{} // by artifact
	if err == nil {
		err = eachRow(rows, func(rows *db.Rows) error {
			var r export.Report
			var artifact int64
			err := rows.Scan(&r.ID, &r.Repository, &r.Digest, &r.By.Name, &r.By.Vendor, &r.By.Version, &artifact)
			at[artifact], all = len(all), append(all, r)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reports of project %d: %w", project, err)
	}
	return all, s.worn(ctx, all, at)
}

// worn adds the tags and the labels of artifacts.
func (s *Exports) worn(ctx context.Context, all []export.Report, at map[int64]int) error {
	var ids []any
	for id := range at {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	tags, err := capped(ctx, s.db, tagsShown, ids, tagsInList, newRoom(), scanTag)
	if err != nil {
		return fmt.Errorf("tags of reports: %w", err)
	}
	for _, t := range tags {
		all[at[t.ArtifactID]].Tags = append(all[at[t.ArtifactID]].Tags, t.Name)
	}
	rows, err := s.db.Query(ctx, `SELECT artifact_id, label_id FROM artifact_label WHERE artifact_id IN (`+db.In(len(ids))+`)`, ids...)
	if err != nil {
		return fmt.Errorf("labels of reports: %w", err)
	}
	return eachRow(rows, func(rows *db.Rows) error {
		var artifact, label int64
		err := rows.Scan(&artifact, &label)
		all[at[artifact]].Labels = append(all[at[artifact]].Labels, label)
		return err
	})
}

// Findings implements export.Store.
func (s *Exports) Findings(ctx context.Context, report int64) ([]finding.Vulnerability, error) {
	found, err := s.scans.Found(ctx, []int64{report})
	all := make([]finding.Vulnerability, len(found))
	for i, f := range found {
		all[i] = f.Vulnerability
	}
	return all, err
}

// Keep implements export.Store.
func (s *Exports) Keep(ctx context.Context, execution int64, data []byte, now time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO export_file (execution_id, created, data) VALUES (?, ?, ?) ON CONFLICT (execution_id) DO UPDATE SET created = excluded.created, data = excluded.data`,
			execution, now.UnixMicro(), blobOf(data))
		return err
	})
}

// Present implements export.Store.
func (s *Exports) Present(ctx context.Context, executions []int64) (map[int64]bool, error) {
	present := map[int64]bool{}
	if len(executions) == 0 {
		return present, nil
	}
	ids, err := columnOf[int64](s.db.Query(ctx, `SELECT execution_id FROM export_file WHERE execution_id IN (`+db.In(len(executions))+`)`, anyOf(executions)...))
	for _, id := range ids {
		present[id] = true
	}
	return present, err
}

// Take implements export.Store. Of several at the same time, one has it.
func (s *Exports) Take(ctx context.Context, execution int64) (data []byte, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`DELETE FROM export_file WHERE execution_id = ? RETURNING data`, execution).Scan(&data)
		if errors.Is(err, db.ErrNotFound) {
			return export.ErrNoFile
		}
		if err == nil {
			_, err = tx.Exec(`DELETE FROM execution WHERE id = ? AND kind = ? AND ended > 0`, execution, job.ScanExport)
		}
		return err
	})
	return data, err
}

// Sweep implements export.Store.
func (s *Exports) Sweep(ctx context.Context, before time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`DELETE FROM export_file WHERE created < ?`, before.UnixMicro())
		return err
	})
}
