package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Garbage keeps the queue of what may be garbage, and removes what is. It is a
// gc.Store and a gc.Inventory.
type Garbage struct{ db *db.DB }

// NewGarbage returns the queue in d.
func NewGarbage(d *db.DB) *Garbage { return &Garbage{d} }

// dueNow takes the times of dueArgs.
const dueNow = `review_after <= ? AND (review_after <= ? OR reason = 'deleted' AND review_after <= ?)`

func dueArgs(due gc.Due) []any {
	rest, deleted := due.Rest.UnixMicro(), due.Deleted.UnixMicro()
	return []any{max(rest, deleted), rest, deleted}
}

// Page implements gc.Store.
func (s *Garbage) Page(ctx context.Context, k gc.Kind, due gc.Due, after gc.Mark, n int) ([]int64, gc.Mark, error) {
	args := append([]any{k}, dueArgs(due)...)
	rows, err := s.db.Query(ctx, `SELECT DISTINCT review_after, repository_id FROM gc_review WHERE kind = ? AND `+dueNow+`
		AND review_after >= ? AND (review_after > ? OR repository_id > ?) ORDER BY review_after, repository_id LIMIT ?`,
		append(args, after.After, after.After, after.Repository, n)...)
	if err != nil {
		return nil, after, fmt.Errorf("queue of garbage: %w", err)
	}
	var repos []int64
	err = eachRow(rows, func(rows *db.Rows) error {
		err := rows.Scan(&after.After, &after.Repository)
		repos = append(repos, after.Repository)
		return err
	})
	if err != nil {
		return nil, after, fmt.Errorf("queue of garbage: %w", err)
	}
	slices.Sort(repos)
	return slices.Compact(repos), after, nil
}

// errRehearsed ends the transaction of a dry run.
var errRehearsed = errors.New("this was a dry run")

// A reviewed is a repository whose row a review holds.
type reviewed struct {
	tx   *db.Tx
	id   int64
	repo artifact.Repo
	done *gc.Done
}

// review takes reviews of a repository from the queue, and does them.
func (s *Garbage) review(ctx context.Context, k gc.Kind, sl gc.Slice, do func(reviewed, []oci.Digest) error) (gc.Done, error) {
	var done gc.Done
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		done = gc.Done{}
		r := reviewed{tx: tx, id: sl.Repository, done: &done}
		err := tx.QueryRow(`UPDATE repository SET updated = updated WHERE id = ? RETURNING project_id, name`, r.id).Scan(&r.repo.ProjectID, &r.repo.Name)
		if errors.Is(err, db.ErrNotFound) {
			_, err = tx.Exec(`DELETE FROM gc_review WHERE kind = ? AND repository_id = ?`, k, r.id)
			return err
		}
		if err != nil {
			return err
		}
		digests, err := s.take(tx, k, sl, &done)
		if err == nil && len(digests) > 0 {
			err = do(r, digests)
		}
		if err == nil && sl.Dry {
			err = errRehearsed
		}
		return err
	})
	if err != nil && !errors.Is(err, errRehearsed) {
		return done, fmt.Errorf("review: %w", err)
	}
	return done, nil
}

// take takes reviews that are due from the queue. What somebody has asked for at
// this very moment is no longer due, and stays.
func (s *Garbage) take(tx *db.Tx, k gc.Kind, sl gc.Slice, done *gc.Done) ([]oci.Digest, error) {
	args := append([]any{k, sl.Repository, sl.After}, dueArgs(sl.Due)...)
	digests, err := columnOf[oci.Digest](tx.Query(`SELECT digest FROM gc_review WHERE kind = ? AND repository_id = ? AND digest > ? AND `+dueNow+`
		ORDER BY digest LIMIT ?`, append(args, sl.N)...))
	if err != nil || len(digests) == 0 {
		return nil, err
	}
	done.Looked, done.Last = len(digests), digests[len(digests)-1]
	args = append(append([]any{k, sl.Repository}, dueArgs(sl.Due)...), anyOf(digests)...)
	return columnOf[oci.Digest](tx.Query(`DELETE FROM gc_review WHERE kind = ? AND repository_id = ? AND `+dueNow+`
		AND digest IN (`+db.In(len(digests))+`) RETURNING digest`, args...))
}

// unneeded says of a repository's blob that no manifest of it references the
// blob, asked for each: a join would read through all blobs of a large one.
const unneeded = `(SELECT b.artifact_id FROM artifact_blob b WHERE b.digest = l.digest AND b.repository_id = l.repository_id LIMIT 1) IS NULL`

// Unlink implements gc.Store.
func (s *Garbage) Unlink(ctx context.Context, sl gc.Slice) (gc.Done, error) {
	return s.review(ctx, gc.Link, sl, func(r reviewed, digests []oci.Digest) error {
		gone, err := columnOf[oci.Digest](r.tx.Query(`DELETE FROM repository_blob AS l WHERE l.repository_id = ? AND l.digest IN (`+db.In(len(digests))+`)
			AND `+unneeded+` RETURNING digest`, append([]any{r.id}, anyOf(digests)...)...))
		if err != nil || len(gone) == 0 {
			return err
		}
		if sl.Dry {
			return r.tellFreed(gone, nil)
		}
		r.done.Links = int64(len(gone))
		at := sl.At.UnixMicro()
		// In this order, which is that of Trash.
		if err := reviewBlobs(r.tx, gone, at); err != nil {
			return err
		}
		_, err = r.tx.Exec(`INSERT INTO unlinked_blob (repository_id, digest, unlinked) SELECT ?, b.digest, ? FROM blob b WHERE b.digest IN (`+db.In(len(gone))+`)
			ON CONFLICT (repository_id, digest) DO UPDATE SET unlinked = excluded.unlinked`, append([]any{r.id, at}, anyOf(gone)...)...)
		return err
	})
}

// tellFreed tells of a dry run who still needs what the repository, or so many of
// its manifests, would not.
func (r reviewed) tellFreed(digests []oci.Digest, by map[oci.Digest]int64) error {
	rows, err := r.tx.Query(`SELECT b.digest, b.size,
		(SELECT COUNT(*) FROM artifact_blob a WHERE a.digest = b.digest AND a.repository_id = ?),
		(SELECT COUNT(*) FROM repository_blob l WHERE l.digest = b.digest AND l.repository_id <> ?)
		FROM blob b WHERE b.digest IN (`+db.In(len(digests))+`)`, append([]any{r.id, r.id}, anyOf(digests)...)...)
	if err != nil {
		return err
	}
	freed, err := gather(rows, func(rows *db.Rows) (f gc.Freed, err error) {
		err = rows.Scan(&f.Digest, &f.Size, &f.Still, &f.Elsewhere)
		f.By = by[f.Digest]
		return f, err
	})
	r.done.Freed = append(r.done.Freed, freed...)
	return err
}

// keptFor is when an artifact is looked at again that a rule holds.
const keptFor = 24 * time.Hour

// Untag implements gc.Store. Where a rule about immutable tags holds something
// that would go along, the artifacts are tried one by one.
func (s *Garbage) Untag(ctx context.Context, sl gc.Slice) (gc.Done, error) {
	done, err := s.untag(ctx, sl)
	if !errors.Is(err, immutable.ErrTag) {
		return done, err
	}
	if sl.N == 1 {
		return s.keep(ctx, sl)
	}
	sum, one := gc.Done{Last: sl.After}, sl
	one.N = 1
	for range sl.N {
		one.After = sum.Last
		done, err := s.Untag(ctx, one)
		if err != nil || done.Looked == 0 {
			return sum, err
		}
		sum.Last, sum.Looked = done.Last, sum.Looked+1
		sum.Artifacts, sum.Kept = sum.Artifacts+done.Artifacts, sum.Kept+done.Kept
		sum.Names, sum.Freed = append(sum.Names, done.Names...), append(sum.Freed, done.Freed...)
	}
	return sum, nil
}

func (s *Garbage) untag(ctx context.Context, sl gc.Slice) (gc.Done, error) {
	return s.review(ctx, gc.Artifact, sl, func(r reviewed, digests []oci.Digest) error {
		rows, err := r.tx.Query(`SELECT a.id, a.digest FROM artifact a WHERE a.repository_id = ? AND a.accessory_of = '' AND a.digest IN (`+db.In(len(digests))+`)
			AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id)
			AND NOT EXISTS (SELECT 1 FROM artifact_reference p WHERE p.child_digest = a.digest AND p.repository_id = a.repository_id)`,
			append([]any{r.id}, anyOf(digests)...)...)
		if err != nil {
			return err
		}
		roots, err := gather(rows, func(rows *db.Rows) (d doomed, err error) { return d, rows.Scan(&d.id, &d.digest) })
		if err != nil || len(roots) == 0 {
			return err
		}
		x := newDeletion(r.tx, r.repo, r.id, sl.By, roots...)
		if err = x.collect(roots); err == nil {
			err = x.run()
		}
		r.done.Artifacts = int64(len(x.all))
		if err != nil || !sl.Dry {
			return err
		}
		return r.tellDeletion(x)
	})
}

// tellDeletion tells of a dry run what goes with artifacts.
func (r reviewed) tellDeletion(x *deletion) error {
	for _, d := range x.all {
		r.done.Names = append(r.done.Names, r.repo.Name+"@"+string(d.digest))
	}
	for chunk := range slices.Chunk(slices.Collect(maps.Keys(x.blobs)), rowsAtOnce) {
		here, err := columnOf[oci.Digest](r.tx.Query(`SELECT digest FROM repository_blob WHERE repository_id = ? AND digest IN (`+db.In(len(chunk))+`)`,
			append([]any{r.id}, anyOf(chunk)...)...))
		if err == nil && len(here) > 0 {
			err = r.tellFreed(here, x.blobs)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep lets the next artifact that is due wait for another day.
func (s *Garbage) keep(ctx context.Context, sl gc.Slice) (gc.Done, error) {
	return s.review(ctx, gc.Artifact, sl, func(r reviewed, digests []oci.Digest) error {
		r.done.Kept = 1
		_, err := r.tx.Exec(queue+`VALUES ('artifact', ?, ?, ?, ?, 1)`+postponed, r.id, digests[0], sl.At.Add(keptFor).UnixMicro(), gc.Untagged)
		return err
	})
}
