package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/vex"
)

// judgedOf finds an artifact, then the children of an index, with their reports by
// a scanner. The status of a task counts before that of a report. The kind is no
// parameter: an index depends on it, and SQLite would plan anew for each value.
const judgedOf = `SELECT a.id, a.digest, a.media_type, a.type, a.accessory_of <> '', COALESCE(r.id, 0), COALESCE(t.status, r.status, ''), COALESCE(r.made, 0),
	COALESCE(r.critical, 0), COALESCE(r.high, 0), COALESCE(r.medium, 0), COALESCE(r.low, 0), COALESCE(r.negligible, 0), COALESCE(r.unknown, 0)
	FROM (SELECT a.id AS id, -1 AS position FROM artifact a WHERE a.id = ?
		UNION ALL SELECT c.id, f.position FROM artifact_reference f JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest WHERE f.parent_id = ?) AS x
	JOIN artifact a ON a.id = x.id
	LEFT JOIN scan_report r ON r.artifact_id = a.id AND r.kind = '` + string(scan.Vulnerabilities) + `' AND r.scanner_id = ` + scannerOf + `
	LEFT JOIN task t ON t.id = r.task_id
	ORDER BY x.position LIMIT ?`

// Judged implements scan.Store.
func (s *Scans) Judged(ctx context.Context, scanner string, id int64, n int) ([]scan.Judged, error) {
	rows, err := s.db.Query(ctx, judgedOf, id, id, scanner, n+1)
	if err != nil {
		return nil, fmt.Errorf("reports of artifact %d: %w", id, err)
	}
	all, err := gather(rows, scanJudged)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reports of artifact %d: %w", id, err)
	case len(all) == 0 || all[0].ID != id:
		return nil, artifact.ErrUnknown
	case all[0].MediaType != oci.MediaTypeImageIndex && all[0].MediaType != oci.MediaTypeDockerList:
		return all[:1], nil
	}
	seen := map[int64]bool{}
	return slices.DeleteFunc(all[1:], func(j scan.Judged) bool {
		again := seen[j.ID]
		seen[j.ID] = true
		return again
	}), nil
}

func scanJudged(rows *db.Rows) (j scan.Judged, err error) {
	var made int64
	c := &j.Counts
	err = rows.Scan(&j.ID, &j.Digest, &j.MediaType, &j.Type, &j.Accessory, &j.Report, &j.Status, &made, &c.Critical, &c.High, &c.Medium, &c.Low, &c.Negligible, &c.Unknown)
	if j.Made = made > 0; j.Status == "" && j.Report != 0 { // it never ended by itself, and its task is forgotten
		j.Status = job.Stopped
	}
	return j, err
}

// severeOf reads findings of a report with as little of each as can be: what is said
// of it only where that may be that it does no harm.
const severeOf = `SELECT v.id, v.cve, v.severity, CASE WHEN v.details LIKE '%"` + vex.Key + `":{%' THEN v.details ELSE '{}' END
	FROM finding f JOIN vulnerability v ON v.id = f.vulnerability_id WHERE f.report_id = ? AND f.vulnerability_id > ? AND f.weight >= ? ORDER BY f.vulnerability_id LIMIT ?`

// Severe implements scan.Store.
func (s *Scans) Severe(ctx context.Context, report int64, threshold finding.Severity, after int64, n int) ([]scan.Severe, error) {
	rows, err := s.db.Query(ctx, severeOf, report, after, scan.Weight(finding.Vulnerability{Severity: threshold}), n)
	if err != nil {
		return nil, fmt.Errorf("findings of report %d: %w", report, err)
	}
	return gather(rows, func(rows *db.Rows) (f scan.Severe, err error) {
		var severity int64
		var text string
		if err := rows.Scan(&f.Vulnerability, &f.CVE, &severity, &text); err != nil {
			return f, err
		}
		f.Severity = finding.Severity(severity)
		f.Harmless, err = harmless(text)
		return f, err
	})
}

// harmless reads out of the details of a vulnerability whether it is said to do no
// harm.
func harmless(text string) (bool, error) {
	if text == "{}" {
		return false, nil
	}
	var d details
	err := json.Unmarshal([]byte(text), &d)
	return !vex.Counts(finding.Vulnerability{Vendor: d.Vendor}), err
}
