package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Scans keeps reports of scanners, and what was read out of layers. It is a
// scan.Store.
//
// Whoever changes a report first writes its row, and then vulnerabilities in the
// order of their hashes.
type Scans struct{ db *db.DB }

// NewScans returns the reports in d.
func NewScans(d *db.DB) *Scans { return &Scans{d} }

// maxImage is how many bytes the manifest of an image has at most that is looked
// at: with a description of 256 bytes each, that is 4,000 layers.
const maxImage = 1 << 20

// mostTags is how many tags of a subject are read.
const mostTags = 100

// Subject implements scan.Store.
func (s *Scans) Subject(ctx context.Context, id int64) (scan.Subject, error) {
	out := scan.Subject{ID: id}
	err := s.db.QueryRow(ctx, `SELECT a.project_id, r.name, a.digest, a.media_type, a.body FROM artifact a JOIN repository r ON r.id = a.repository_id WHERE a.id = ?`, id).
		Scan(&out.ProjectID, &out.Name, &out.Digest, &out.MediaType, &out.Body)
	if errors.Is(err, db.ErrNotFound) {
		return out, artifact.ErrUnknown
	}
	if err == nil {
		out.Tags, err = columnOf[string](s.db.Query(ctx, `SELECT t.name FROM tag t WHERE t.artifact_id = ? ORDER BY t.pushed DESC, t.id DESC LIMIT ?`, id, mostTags))
	}
	if err != nil {
		return out, fmt.Errorf("subject of a scan: %w", err)
	}
	return out, nil
}

// imageFields are those of a scan.Image; the bytes of what is too large are left.
const imageFields = `a.id, a.digest, a.media_type, a.type, a.accessory_of <> '', CASE WHEN a.manifest_size <= ? THEN a.body END`

func scanImage(rows *db.Rows) (i scan.Image, err error) {
	return i, rows.Scan(&i.ID, &i.Digest, &i.MediaType, &i.Type, &i.Accessory, &i.Body)
}

// Images implements scan.Store.
func (s *Scans) Images(ctx context.Context, id int64, n int) (all []scan.Image, index bool, err error) {
	rows, err := s.db.Query(ctx, `SELECT `+imageFields+` FROM artifact a WHERE a.id = ?`, maxImage, id)
	if err == nil {
		all, err = gather(rows, scanImage)
	}
	if err != nil {
		return nil, false, fmt.Errorf("images: %w", err)
	}
	if len(all) == 0 {
		return nil, false, artifact.ErrUnknown
	}
	if t := all[0].MediaType; t != oci.MediaTypeImageIndex && t != oci.MediaTypeDockerList {
		return all, false, nil
	}
	rows, err = s.db.Query(ctx, `SELECT `+imageFields+` FROM artifact_reference f JOIN artifact a ON a.repository_id = f.repository_id AND a.digest = f.child_digest
		WHERE f.parent_id = ? ORDER BY f.position LIMIT ?`, maxImage, id, n)
	if err == nil {
		all, err = gatherIn(rows, newRoom(), scanImage)
	}
	if err != nil {
		return nil, true, fmt.Errorf("images of an index: %w", err)
	}
	seen := map[int64]bool{}
	return slices.DeleteFunc(all, func(i scan.Image) bool {
		again := seen[i.ID]
		seen[i.ID] = true
		return again
	}), true, nil
}

// Indexes returns the digests of up to n indexes that an image is in, the newest
// first.
func (s *Scans) Indexes(ctx context.Context, image int64, n int) ([]oci.Digest, error) {
	all, err := columnOf[oci.Digest](s.db.Query(ctx, `SELECT p.digest FROM artifact p WHERE p.id IN (
			SELECT f.parent_id FROM artifact a JOIN artifact_reference f ON f.child_digest = a.digest AND f.repository_id = a.repository_id WHERE a.id = ?)
		ORDER BY p.id DESC LIMIT ?`, image, n))
	if err != nil {
		return nil, fmt.Errorf("indexes of an image: %w", err)
	}
	return all, nil
}

// After implements scan.Store.
func (s *Scans) After(ctx context.Context, id int64, n int) ([]scan.Image, error) {
	rows, err := s.db.Query(ctx, `SELECT `+imageFields+` FROM artifact a WHERE a.id > ? ORDER BY a.id LIMIT ?`, maxImage, id, n)
	if err != nil {
		return nil, fmt.Errorf("artifacts to be scanned: %w", err)
	}
	return gather(rows, scanImage)
}

// scannerOf returns the id of a scanner, by the UUID that is its parameter.
const scannerOf = `(SELECT k.id FROM scan_scanner k WHERE k.uuid = ?)`

func ensureScanner(tx *db.Tx, scanner string) error {
	_, err := tx.Exec(`INSERT INTO scan_scanner (uuid) VALUES (?) ON CONFLICT (uuid) DO NOTHING`, scanner)
	return err
}

// ensureReport returns a report's row, which it holds from then on, with what it
// replaces.
func ensureReport(tx *db.Tx, id int64, scanner string, k scan.Kind, task int64) (r scan.Report, err error) {
	if err := ensureScanner(tx, scanner); err != nil {
		return r, err
	}
	var started, ended, made int64
	err = tx.QueryRow(`INSERT INTO scan_report (uuid, artifact_id, project_id, repository_id, scanner_id, kind, task_id)
		SELECT ?, a.id, a.project_id, a.repository_id, `+scannerOf+`, ?, ? FROM artifact a WHERE a.id = ?
		ON CONFLICT (artifact_id, scanner_id, kind) DO UPDATE SET task_id = CASE WHEN scan_report.task_id < excluded.task_id THEN excluded.task_id ELSE scan_report.task_id END
		RETURNING id, uuid, status, started, ended, made, content`, uuid.NewString(), scanner, k, task, id).Scan(&r.ID, &r.UUID, &r.Status, &started, &ended, &made, &r.Content)
	r.Started, r.Ended, r.Made = timeOf(started), timeOf(ended), timeOf(made)
	if errors.Is(err, db.ErrNotFound) || errors.Is(err, db.ErrReference) {
		err = artifact.ErrUnknown
	}
	return r, err
}

// Ask implements scan.Store.
func (s *Scans) Ask(ctx context.Context, id int64, scanner string, k scan.Kind, task int64) (uid string, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		r, err := ensureReport(tx, id, scanner, k, task)
		uid = r.UUID
		return err
	})
	if errors.Is(err, artifact.ErrUnknown) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask for a scan: %w", err)
	}
	return uid, nil
}

// errOvertaken rolls back what would keep a result that is older than what is there.
var errOvertaken = errors.New("a later result is there")

// Keep implements scan.Store.
func (s *Scans) Keep(ctx context.Context, r scan.Result, e *event.Event) (changed bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		old, err := ensureReport(tx, r.Artifact, r.Scanner, r.Kind, 0)
		if err != nil {
			return err
		}
		if r.Overtaken(old) {
			return errOvertaken
		}
		if changed = old.Content != r.Content; changed && r.Kind == scan.Vulnerabilities {
			if err := replaceFindings(tx, old.ID, r); err != nil {
				return err
			}
		}
		status := job.Succeeded
		if !r.Replaces.IsZero() {
			status, r.Started, r.Ended = old.Status, old.Started, old.Ended // nothing was examined
		}
		c, made := r.Counts, max(time.Now().UnixMicro(), old.Made.UnixMicro()+1)
		_, err = tx.Exec(`UPDATE scan_report SET status = ?, started = ?, ended = ?, made = ?, name = ?, vendor = ?, version = ?,
			critical = ?, high = ?, medium = ?, low = ?, negligible = ?, unknown = ?, fixable = ?, sbom = ?, content = ?, generation = ? WHERE id = ?`,
			status, r.Started.UnixMicro(), r.Ended.UnixMicro(), made, r.By.Name, r.By.Vendor, r.By.Version,
			c.Critical, c.High, c.Medium, c.Low, c.Negligible, c.Unknown, c.Fixable, r.SBOM, r.Content, r.Generation, old.ID)
		if err == nil && e != nil {
			err = record(tx, *e)
		}
		return err
	})
	if errors.Is(err, errOvertaken) {
		return false, nil
	}
	if err != nil && !errors.Is(err, artifact.ErrUnknown) {
		err = fmt.Errorf("report of artifact %d: %w", r.Artifact, err)
	}
	return changed, err
}

// Fail implements scan.Store.
func (s *Scans) Fail(ctx context.Context, r scan.Result, e event.Event) error {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE scan_report SET status = ?, started = ?, ended = ? WHERE artifact_id = ? AND kind = ? AND scanner_id = `+scannerOf,
			job.Failed, r.Started.UnixMicro(), r.Ended.UnixMicro(), r.Artifact, r.Kind, r.Scanner)
		if err != nil || n == 0 {
			return err
		}
		return record(tx, e)
	})
	if err != nil {
		return fmt.Errorf("report of artifact %d: %w", r.Artifact, err)
	}
	return nil
}

// Stopped implements scan.Store.
func (s *Scans) Stopped(ctx context.Context, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error { return record(tx, e) })
}

const reportFields = `r.id, r.uuid, r.artifact_id, r.kind, r.status, r.task_id, r.started, r.ended, r.made, r.name, r.vendor, r.version,
	r.critical, r.high, r.medium, r.low, r.negligible, r.unknown, r.fixable, r.sbom, r.content, r.generation`

// scanReport reads reportFields, and what follows them into more.
func scanReport(rows *db.Rows, more ...any) (r scan.Report, err error) {
	var started, ended, made int64
	c := &r.Counts
	err = rows.Scan(append([]any{
		&r.ID, &r.UUID, &r.Artifact, &r.Kind, &r.Status, &r.Task, &started, &ended, &made, &r.By.Name, &r.By.Vendor, &r.By.Version,
		&c.Critical, &c.High, &c.Medium, &c.Low, &c.Negligible, &c.Unknown, &c.Fixable, &r.SBOM, &r.Content, &r.Generation,
	}, more...)...)
	r.Started, r.Ended, r.Made = timeOf(started), timeOf(ended), timeOf(made)
	return r, err
}

// reportsShown finds the reports of artifacts and of the children of indexes, with
// the tasks that make them, whose status counts before that of a report. Of a
// document that is gone there is none. IDS stands for the ids, twice.
const reportsShown = `SELECT ` + reportFields + `, x.shown, COALESCE(t.status, ''), COALESCE(t.created, 0), COALESCE(t.started, 0), COALESCE(t.ended, 0)
	FROM (SELECT a.id AS shown, 0 AS position, a.id AS id FROM artifact a WHERE a.id IN (IDS)
		UNION ALL SELECT f.parent_id, f.position, c.id FROM artifact_reference f JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest WHERE f.parent_id IN (IDS)) AS x
	JOIN scan_report r ON r.artifact_id = x.id AND r.scanner_id = ` + scannerOf + `
	LEFT JOIN task t ON t.id = r.task_id
	WHERE r.sbom = '' OR EXISTS (SELECT 1 FROM artifact s WHERE s.repository_id = r.repository_id AND s.digest = r.sbom)
	ORDER BY x.shown, x.position, r.id`

// Reports implements scan.Store.
func (s *Scans) Reports(ctx context.Context, scanner string, artifacts []int64) ([]scan.Shown, error) {
	var all []scan.Shown
	room := newRoom()
	for chunk := range slices.Chunk(artifacts, rowsAtOnce) {
		args := append(append(anyOf(chunk), anyOf(chunk)...), scanner)
		rows, err := s.db.Query(ctx, strings.ReplaceAll(reportsShown, "IDS", db.In(len(chunk))), args...)
		if err != nil {
			return nil, fmt.Errorf("reports: %w", err)
		}
		seen := map[[2]int64]bool{}
		found, err := gatherIn(rows, room, scanShown)
		if err != nil {
			return nil, fmt.Errorf("reports: %w", err)
		}
		for _, r := range found {
			if key := [2]int64{r.Of, r.ID}; !seen[key] { // an index may have a child twice
				seen[key], all = true, append(all, r)
			}
		}
	}
	return all, nil
}

func scanShown(rows *db.Rows) (out scan.Shown, err error) {
	var status job.Status
	var created, started, ended int64
	out.Report, err = scanReport(rows, &out.Of, &status, &created, &started, &ended)
	switch {
	case status != "":
		if started == 0 {
			started = created
		}
		out.Status, out.Started, out.Ended = status, timeOf(started), timeOf(ended)
	case out.Status == "": // it never ended by itself, and its task is forgotten
		out.Status = job.Stopped
	}
	return out, err
}

// outdated finds reports by the index that is made for it.
const outdated = `SELECT ` + reportFields + ` FROM scan_report r
	WHERE r.scanner_id = ` + scannerOf + ` AND r.kind = '` + string(scan.Vulnerabilities) + `' AND r.made > 0 AND r.generation < ? ORDER BY r.generation, r.id LIMIT ?`

// Outdated implements scan.Store.
func (s *Scans) Outdated(ctx context.Context, scanner string, generation int64, n int) ([]scan.Report, error) {
	rows, err := s.db.Query(ctx, outdated, scanner, generation, n)
	if err != nil {
		return nil, fmt.Errorf("reports that are outdated: %w", err)
	}
	return gather(rows, func(rows *db.Rows) (scan.Report, error) { return scanReport(rows) })
}

// Confirm implements scan.Store.
func (s *Scans) Confirm(ctx context.Context, all []scan.Report, generation int64) error {
	if len(all) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		for _, r := range all {
			if _, err := tx.Exec(`UPDATE scan_report SET generation = ? WHERE id = ? AND made = ? AND generation < ?`, generation, r.ID, r.Made.UnixMicro(), generation); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reports that stay as they are: %w", err)
	}
	return nil
}

// Forget implements scan.Store.
func (s *Scans) Forget(ctx context.Context, scanner string, n int) (removed int, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`DELETE FROM scan_report WHERE id IN (SELECT r.id FROM scan_report r WHERE r.scanner_id = `+scannerOf+` ORDER BY r.id LIMIT ?)`, scanner, n)
		removed = int(n)
		return err
	})
	return removed, err
}
