package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Quotas keeps what projects may store and do. It is a quota.Store.
type Quotas struct{ db *db.DB }

// NewQuotas returns the quotas in d.
func NewQuotas(d *db.DB) *Quotas { return &Quotas{d} }

// A part is content that artifacts need, and how much more often they do.
type part struct {
	digest oci.Digest
	size   int64
	by     int64 // below 0 where they need it less often
}

// charge counts what a new artifact needs, of which only what the project did not
// need before is charged. It returns quota.ErrExceeded.
func charge(tx *db.Tx, p artifact.Push, parts []part) error {
	var needed int64
	err := count(tx, p.ProjectID, parts, func(size, refs int64) {
		if refs == 1 {
			needed += size
		}
	})
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	if needed == 0 {
		return nil
	}
	return take(tx, p, needed)
}

// count keeps how often the artifacts of a project need each content, and tells
// the size and the new number of each. It goes in the order of the digests, so
// that those who count at once do not wait for each other in a circle.
func count(tx *db.Tx, projectID int64, parts []part, tell func(size, refs int64)) error {
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(string(a.digest), string(b.digest)) })
	for chunk := range slices.Chunk(parts, rowsAtOnce) {
		args := make([]any, 0, 4*len(chunk))
		for _, one := range chunk {
			args = append(args, projectID, one.digest, one.size, one.by)
		}
		rows, err := tx.Query(`INSERT INTO project_blob (project_id, digest, size, refs) VALUES (?, ?, ?, ?)`+strings.Repeat(`, (?, ?, ?, ?)`, len(chunk)-1)+`
			ON CONFLICT (project_id, digest) DO UPDATE SET refs = project_blob.refs + excluded.refs RETURNING size, refs`, args...)
		if err != nil {
			return err
		}
		err = eachRow(rows, func(rows *db.Rows) error {
			var size, refs int64
			err := rows.Scan(&size, &refs)
			if err == nil {
				tell(size, refs)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take adds to what a project uses, where that fits.
func take(tx *db.Tx, p artifact.Push, needed int64) error {
	q, args := `UPDATE quota SET used = used + ?, updated = ? WHERE project_id = ?`, []any{needed, p.At.UnixMicro(), p.ProjectID}
	if p.Limited {
		q += ` AND (hard < 0 OR used + ? <= hard)`
		args = append(args, needed)
	}
	var used, hard int64
	err := tx.QueryRow(q+` RETURNING used, hard`, args...).Scan(&used, &hard)
	if errors.Is(err, db.ErrNotFound) {
		if err = tx.QueryRow(`SELECT used, hard FROM quota WHERE project_id = ?`, p.ProjectID).Scan(&used, &hard); err == nil {
			return quota.Exceeded(needed, used, hard)
		}
		if errors.Is(err, db.ErrNotFound) {
			return artifact.ErrRepositoryUnknown.Because(errors.New("its project is gone"))
		}
	}
	if err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	if warns := func(n int64) bool { return n > hard/100*85 }; p.Limited && hard > 0 && warns(used) && !warns(used-needed) {
		fact := event.QuotaWarned{Quota: event.Quota{Where: p.Where(), Used: used, Hard: hard}}
		return record(tx, event.Event{At: p.At, Actor: event.Actor{Name: "berth"}, Fact: fact})
	}
	return nil
}

// release undoes charge: needs says how often each content was needed by what is
// gone. What nothing needs any more is no longer used.
func release(tx *db.Tx, projectID int64, needs map[oci.Digest]int64) error {
	parts := make([]part, 0, len(needs))
	for d, n := range needs {
		parts = append(parts, part{digest: d, by: -n})
	}
	var freed int64
	err := count(tx, projectID, parts, func(size, refs int64) {
		if refs <= 0 {
			freed += size
		}
	})
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := forget(tx, projectID, parts); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if freed == 0 {
		return nil
	}
	if _, err := tx.Exec(`UPDATE quota SET used = used - ?, updated = ? WHERE project_id = ?`, freed, time.Now().UnixMicro(), projectID); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// forget removes those of some contents that nothing needs any more.
func forget(tx *db.Tx, projectID int64, parts []part) error {
	for chunk := range slices.Chunk(parts, rowsAtOnce) {
		args := []any{projectID}
		for _, one := range chunk {
			args = append(args, one.digest)
		}
		if _, err := tx.Exec(`DELETE FROM project_blob WHERE project_id = ? AND digest IN (`+db.In(len(chunk))+`) AND refs <= 0`, args...); err != nil {
			return err
		}
	}
	return nil
}

// needsOf returns how often each content is needed in a repository.
func needsOf(tx *db.Tx, repo int64) (map[oci.Digest]int64, error) {
	rows, err := tx.Query(`SELECT digest, COUNT(*) FROM (
		SELECT digest FROM artifact WHERE repository_id = ?
		UNION ALL
		SELECT b.digest FROM artifact_blob b JOIN artifact a ON a.id = b.artifact_id WHERE a.repository_id = ? AND b.counted) AS needed GROUP BY digest`, repo, repo)
	if err != nil {
		return nil, err
	}
	needs := map[oci.Digest]int64{}
	err = eachRow(rows, func(rows *db.Rows) error {
		var d oci.Digest
		var n int64
		err := rows.Scan(&d, &n)
		needs[d] = n
		return err
	})
	return needs, err
}

var quotaListing = listing{
	fields: `q.project_id, p.name, a.name, q.hard, q.used, q.created, q.updated`,
	from:   `quota q JOIN project p ON p.id = q.project_id JOIN account a ON a.id = p.owner_id`,
	columns: map[string]column{
		"id":            {"q.project_id", number},
		"reference_id":  {"q.project_id", number},
		"project":       {"p.name", text},
		"hard.storage":  {"q.hard", number},
		"used.storage":  {"q.used", number},
		"creation_time": {"q.created", moment},
		"update_time":   {"q.updated", moment},
	},
	order: []query.Sort{{Field: "project"}},
	id:    "q.project_id",
}

func scanQuota(row interface{ Scan(...any) error }) (quota.Quota, error) {
	var q quota.Quota
	var created, updated int64
	err := row.Scan(&q.ProjectID, &q.Project, &q.Owner, &q.Hard, &q.Used, &created, &updated)
	q.Created, q.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return q, err
}

// List implements quota.Store.
func (s *Quotas) List(ctx context.Context, q query.Query) ([]quota.Quota, int64, error) {
	return list(ctx, s.db, quotaListing, condition{"NOT p.deleted", nil}, q, func(rows *db.Rows) (quota.Quota, error) { return scanQuota(rows) })
}

// ByProject implements quota.Store.
func (s *Quotas) ByProject(ctx context.Context, projectID int64) (quota.Quota, error) {
	q, err := scanQuota(s.db.QueryRow(ctx, `SELECT `+quotaListing.fields+` FROM `+quotaListing.from+` WHERE q.project_id = ? AND NOT p.deleted`, projectID))
	if errors.Is(err, db.ErrNotFound) {
		return q, noQuota(projectID)
	}
	return q, err
}

func noQuota(projectID int64) error { return quota.ErrNotFound.Saying("quota %d not found", projectID) }

// SetHard implements quota.Store.
func (s *Quotas) SetHard(ctx context.Context, projectID, hard int64, by event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		e := event.New(by, nil)
		var used int64
		err := tx.QueryRow(`UPDATE quota SET hard = ?, updated = ? WHERE project_id = ? RETURNING used`, hard, e.At.UnixMicro(), projectID).Scan(&used)
		if errors.Is(err, db.ErrNotFound) {
			return noQuota(projectID)
		}
		if err != nil {
			return fmt.Errorf("limit of project %d: %w", projectID, err)
		}
		name, err := projectName(tx, projectID)
		if err != nil {
			return err
		}
		e.Fact = event.QuotaUpdated{Quota: event.Quota{Where: event.Where{ProjectID: projectID, Project: name}, Used: used, Hard: hard}}
		return record(tx, e)
	})
}

// Room implements quota.Store. It is one indexed read.
func (s *Quotas) Room(ctx context.Context, projectID int64, d oci.Digest) (used, hard int64, has bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT used, hard, EXISTS (SELECT 1 FROM project_blob b WHERE b.project_id = quota.project_id AND b.digest = ?)
		FROM quota WHERE project_id = ?`, d, projectID).Scan(&used, &hard, &has)
	if errors.Is(err, db.ErrNotFound) {
		return 0, quota.Unlimited, false, nil // its project is gone, which the push will tell
	}
	return used, hard, has, err
}

// HasAtLeast implements quota.Store. It looks through what the project has, which
// is done only where there is no room.
func (s *Quotas) HasAtLeast(ctx context.Context, projectID, size int64) (has bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM project_blob WHERE project_id = ? AND size >= ?)`, projectID, size).Scan(&has)
	return has, err
}

// Announce implements quota.Store.
func (s *Quotas) Announce(ctx context.Context, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error { return record(tx, e) })
}

// trueNeeds is what project_blob should hold of a project.
const trueNeeds = `SELECT digest, MAX(size) AS size, COUNT(*) AS refs FROM (
	SELECT a.digest, a.manifest_size AS size FROM artifact a WHERE a.project_id = ?
	UNION ALL
	SELECT b.digest, b.size FROM artifact_blob b JOIN artifact a ON a.id = b.artifact_id WHERE a.project_id = ? AND b.counted) AS needed GROUP BY digest`

// wrongNeeds are the rows of project_blob that are not as they should be, those
// that are missing included: what is to be added to how often they are needed.
const wrongNeeds = `SELECT COALESCE(n.digest, k.digest), COALESCE(n.size, k.size), COALESCE(n.refs, 0) - COALESCE(k.refs, 0)
	FROM (` + trueNeeds + `) n FULL JOIN (SELECT digest, size, refs FROM project_blob WHERE project_id = ?) k ON k.digest = n.digest
	WHERE n.digest IS NULL OR k.digest IS NULL OR n.size <> k.size OR n.refs <> k.refs`

// Recalculate implements quota.Store. What it corrects are differences, each found
// by one statement, so that pushes and deletions go on beside it.
func (s *Quotas) Recalculate(ctx context.Context, projectID int64, dry bool) (quota.Drift, error) {
	var drift quota.Drift
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		where, err := holdProject(tx, projectID) // one recalculation at a time
		if errors.Is(err, project.ErrNotFound) {
			return noQuota(projectID)
		}
		if err != nil {
			return err
		}
		drift = quota.Drift{Project: where.Project}
		rows, err := tx.Query(wrongNeeds, projectID, projectID, projectID)
		if err != nil {
			return err
		}
		wrong, err := gather(rows, func(rows *db.Rows) (p part, err error) { return p, rows.Scan(&p.digest, &p.size, &p.by) })
		if err != nil {
			return err
		}
		drift.Wrong = int64(len(wrong))
		err = tx.QueryRow(`SELECT used, (SELECT COALESCE(SUM(size), 0) FROM (`+trueNeeds+`) AS needs) FROM quota WHERE project_id = ?`,
			projectID, projectID, projectID).Scan(&drift.Kept, &drift.True)
		if err != nil || dry {
			return err
		}
		return correct(tx, projectID, wrong, drift.True-drift.Kept)
	})
	if err != nil {
		return drift, fmt.Errorf("recalculate quota of project %d: %w", projectID, err)
	}
	return drift, nil
}

// correct adds to what is kept of a project what it lacks.
func correct(tx *db.Tx, projectID int64, wrong []part, used int64) error {
	if err := count(tx, projectID, wrong, func(size, refs int64) {}); err != nil {
		return err
	}
	for _, p := range wrong {
		if _, err := tx.Exec(`UPDATE project_blob SET size = ? WHERE project_id = ? AND digest = ? AND size <> ?`, p.size, projectID, p.digest, p.size); err != nil {
			return err
		}
	}
	if err := forget(tx, projectID, wrong); err != nil || used == 0 {
		return err
	}
	_, err := tx.Exec(`UPDATE quota SET used = used + ? WHERE project_id = ?`, used, projectID)
	return err
}
