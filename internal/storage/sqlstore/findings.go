package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
)

// touchEvery is how often it is noted that a vulnerability is used: often enough
// for scan.Service.Sweep.
const touchEvery = 30 * time.Minute

// replaceFindings makes the findings of a report those of a result. Those that are
// there already are not written.
func replaceFindings(tx *db.Tx, report int64, r scan.Result) error {
	ids, err := ensureVulnerabilities(tx, r)
	if err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT vulnerability_id, layers FROM finding WHERE report_id = ?`, report)
	if err != nil {
		return err
	}
	had := map[int64]string{}
	err = eachRow(rows, func(rows *db.Rows) error {
		var id int64
		var layers string
		err := rows.Scan(&id, &layers)
		had[id] = layers
		return err
	})
	if err != nil {
		return err
	}
	var add []any
	for _, f := range r.Findings {
		id, layers := ids[f.Key], layersText(f.Layers)
		if have, there := had[id]; there && have == layers {
			delete(had, id)
			continue
		}
		add = append(add, report, id, scan.Weight(f.Vulnerability), layers)
	}
	var gone []int64
	for id := range had { // those that are other by now are inserted again
		gone = append(gone, id)
	}
	for chunk := range slices.Chunk(gone, rowsAtOnce) {
		if _, err := tx.Exec(`DELETE FROM finding WHERE report_id = ? AND vulnerability_id IN (`+db.In(len(chunk))+`)`, append([]any{report}, anyOf(chunk)...)...); err != nil {
			return err
		}
	}
	return addFindings(tx, report, add)
}

// addFindings takes four values of each: report, vulnerability, weight, layers.
func addFindings(tx *db.Tx, report int64, values []any) error {
	if len(values) == 0 {
		return nil
	}
	var scanner, project, repository int64
	err := tx.QueryRow(`SELECT scanner_id, project_id, repository_id FROM scan_report WHERE id = ?`, report).Scan(&scanner, &project, &repository)
	if err != nil {
		return err
	}
	var args []any
	for one := range slices.Chunk(values, 4) {
		args = append(append(args, one...), scanner, project, repository)
	}
	return insertRows(tx, `INSERT INTO finding (report_id, vulnerability_id, weight, layers, scanner_id, project_id, repository_id) VALUES `, 7, args)
}

func layersText(layers []oci.Digest) string {
	texts := make([]string, len(layers))
	for i, l := range layers {
		texts[i] = string(l)
	}
	return strings.Join(texts, " ")
}

// ensureVulnerabilities returns the ids of vulnerabilities by their keys, in whose
// order they are.
func ensureVulnerabilities(tx *db.Tx, r scan.Result) (map[string]int64, error) {
	now := time.Now()
	ids := make(map[string]int64, len(r.Findings))
	for chunk := range slices.Chunk(r.Findings, rowsAtOnce) {
		old, err := knownVulnerabilities(tx, chunk, ids, now.Add(-touchEvery))
		if err != nil {
			return nil, err
		}
		if err := touch(tx, old, now); err != nil {
			return nil, err
		}
		lacking := slices.DeleteFunc(slices.Clone(chunk), func(f scan.Finding) bool { return ids[f.Key] != 0 })
		if len(lacking) == 0 {
			continue
		}
		if err := addVulnerabilities(tx, r.Scanner, lacking, now); err != nil {
			return nil, err
		}
		if _, err := knownVulnerabilities(tx, lacking, ids, time.Time{}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// knownVulnerabilities notes the ids of those that are there, and returns the ids of
// those of which it was last noted before a time that they are used.
func knownVulnerabilities(tx *db.Tx, all []scan.Finding, ids map[string]int64, before time.Time) (old []int64, err error) {
	keys := make([]any, len(all))
	for i, f := range all {
		keys[i] = f.Key
	}
	rows, err := tx.Query(`SELECT hash, id, used FROM vulnerability WHERE hash IN (`+db.In(len(keys))+`)`, keys...)
	if err != nil {
		return nil, err
	}
	return old, eachRow(rows, func(rows *db.Rows) error {
		var hash string
		var id, used int64
		err := rows.Scan(&hash, &id, &used)
		ids[hash] = id
		if timeOf(used).Before(before) {
			old = append(old, id)
		}
		return err
	})
}

// touch notes that vulnerabilities are used. That of one that goes at this moment
// is not; it then is missing, and the transaction fails.
func touch(tx *db.Tx, ids []int64, now time.Time) error {
	slices.Sort(ids)
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.Exec(`UPDATE vulnerability SET used = ? WHERE id IN (`+db.In(len(ids))+`)`, append([]any{now.UnixMicro()}, anyOf(ids)...)...)
	return err
}

// details is what is kept of a vulnerability as JSON.
type details struct {
	Links    []string       `json:"links,omitempty"`
	CWEs     []string       `json:"cwes,omitempty"`
	ScoreV3  *float64       `json:"score_v3,omitempty"`
	ScoreV2  *float64       `json:"score_v2,omitempty"`
	VectorV3 string         `json:"vector_v3,omitempty"`
	VectorV2 string         `json:"vector_v2,omitempty"`
	Vendor   map[string]any `json:"vendor,omitempty"`
}

func addVulnerabilities(tx *db.Tx, scanner string, all []scan.Finding, now time.Time) error {
	var of int64
	if err := tx.QueryRow(`SELECT id FROM scan_scanner WHERE uuid = ?`, scanner).Scan(&of); err != nil {
		return err
	}
	const width = 13
	args := make([]any, 0, width*len(all))
	for _, f := range all {
		text, err := json.Marshal(details{f.Links, f.CWEs, f.CVSS.ScoreV3, f.CVSS.ScoreV2, f.CVSS.VectorV3, f.CVSS.VectorV2, f.Vendor})
		if err != nil {
			return err
		}
		args = append(args, f.Key, of, scan.Weight(f.Vulnerability), f.ID, f.Package, f.Version, f.Fixed, int64(f.Severity), scan.Score(f.Vulnerability), f.Status, now.UnixMicro(), f.Description, string(text))
	}
	row := "(" + db.In(width) + ")"
	_, err := tx.Exec(`INSERT INTO vulnerability (hash, scanner_id, weight, cve, package, version, fixed, severity, score, status, used, description, details) VALUES `+
		row+strings.Repeat(", "+row, len(all)-1)+` ON CONFLICT (hash) DO UPDATE SET used = excluded.used`, args...)
	return err
}

const vulnerabilityFields = `v.hash, v.cve, v.package, v.version, v.fixed, v.severity, v.status, v.description, v.details`

// scanFinding reads vulnerabilityFields, and what follows them into more.
func scanFinding(rows *db.Rows, more ...any) (f scan.Finding, err error) {
	var severity int64
	var text string
	var d details
	if err := rows.Scan(append([]any{&f.Key, &f.ID, &f.Package, &f.Version, &f.Fixed, &severity, &f.Status, &f.Description, &text}, more...)...); err != nil {
		return f, err
	}
	f.Severity = finding.Severity(severity)
	err = json.Unmarshal([]byte(text), &d)
	f.Links, f.CWEs, f.Vendor = d.Links, d.CWEs, d.Vendor
	f.CVSS = finding.CVSS{ScoreV3: d.ScoreV3, ScoreV2: d.ScoreV2, VectorV3: d.VectorV3, VectorV2: d.VectorV2}
	return f, err
}

const findingsOf = `SELECT ` + vulnerabilityFields + `, f.layers, a.digest FROM finding f JOIN vulnerability v ON v.id = f.vulnerability_id
	JOIN scan_report r ON r.id = f.report_id JOIN artifact a ON a.id = r.artifact_id WHERE f.report_id IN (IDS) ORDER BY f.report_id, f.vulnerability_id`

// Found implements scan.Store.
func (s *Scans) Found(ctx context.Context, reports []int64) ([]scan.Finding, error) {
	var all []scan.Finding
	room, at := newRoom(), map[string]int{}
	for chunk := range slices.Chunk(reports, rowsAtOnce) {
		rows, err := s.db.Query(ctx, strings.Replace(findingsOf, "IDS", db.In(len(chunk)), 1), anyOf(chunk)...)
		if err != nil {
			return nil, fmt.Errorf("findings: %w", err)
		}
		found, err := gatherIn(rows, room, func(rows *db.Rows) (scan.Finding, error) {
			var layers string
			var image oci.Digest
			f, err := scanFinding(rows, &layers, &image)
			f.Images = []oci.Digest{image}
			for _, l := range strings.Fields(layers) {
				f.Layers = append(f.Layers, oci.Digest(l))
			}
			return f, err
		})
		if err != nil {
			return nil, fmt.Errorf("findings: %w", err)
		}
		for _, f := range found {
			if i, twice := at[f.Key]; twice {
				all[i].Layers, all[i].Images = append(all[i].Layers, f.Layers...), append(all[i].Images, f.Images...)
				continue
			}
			at[f.Key], all = len(all), append(all, f)
		}
	}
	return all, nil
}

// sweepUnused removes vulnerabilities of a list that nothing has, unless it was noted
// since a time that they are used.
const sweepUnused = `DELETE FROM vulnerability WHERE id IN (IDS) AND used < ? AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.vulnerability_id = vulnerability.id)`

// Sweep implements scan.Store. It writes only where there is something to remove.
func (s *Scans) Sweep(ctx context.Context, id int64, n int, before time.Time) (last int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT v.id, v.used < ? AND NOT EXISTS (SELECT 1 FROM finding f WHERE f.vulnerability_id = v.id) FROM vulnerability v WHERE v.id > ? ORDER BY v.id LIMIT ?`,
		before.UnixMicro(), id, n)
	if err != nil {
		return id, fmt.Errorf("unused vulnerabilities: %w", err)
	}
	var unused []int64
	count := 0
	err = eachRow(rows, func(rows *db.Rows) error {
		var is bool
		err := rows.Scan(&last, &is)
		if is {
			unused = append(unused, last)
		}
		count++
		return err
	})
	if err != nil {
		return id, fmt.Errorf("unused vulnerabilities: %w", err)
	}
	for chunk := range slices.Chunk(unused, rowsAtOnce) {
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(strings.Replace(sweepUnused, "IDS", db.In(len(chunk)), 1), append(anyOf(chunk), before.UnixMicro())...)
			return err
		})
		if err != nil {
			return id, fmt.Errorf("remove unused vulnerabilities: %w", err)
		}
	}
	if count < n {
		return 0, nil
	}
	return last, nil
}
