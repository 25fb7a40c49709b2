package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Delete implements artifact.Store.
func (s *Artifacts) Delete(ctx context.Context, repo artifact.Repo, d oci.Digest, actor event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		repoID, err := lockRepository(tx, repo)
		if err != nil {
			return err
		}
		id, err := artifactID(tx, repoID, d)
		if err != nil {
			return err
		}
		return deleteArtifact(tx, repo, repoID, doomed{id: id, digest: d}, actor)
	})
}

// DeleteTagged implements artifact.Store.
func (s *Artifacts) DeleteTagged(ctx context.Context, repo artifact.Repo, d oci.Digest, tag string, actor event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		repoID, err := lockRepository(tx, repo)
		if err != nil {
			return err
		}
		id, digest, err := tagged(tx, repoID, d, tag)
		if err != nil {
			return err
		}
		var others bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM tag WHERE artifact_id = ? AND name <> ?)`, id, tag).Scan(&others); err != nil {
			return fmt.Errorf("other tags of %s: %w", digest, err)
		}
		if others {
			return deleteTag(tx, repo, repoID, doomed{id: id, digest: digest, tags: []string{tag}}, actor)
		}
		return deleteArtifact(tx, repo, repoID, doomed{id: id, digest: digest}, actor)
	})
}

// deleteArtifact removes an artifact with what goes along. The transaction must
// hold the repository's row.
func deleteArtifact(tx *db.Tx, repo artifact.Repo, repoID int64, first doomed, actor event.Actor) error {
	if err := refuseReferenced(tx, repoID, first.digest); err != nil {
		return err
	}
	x := newDeletion(tx, repo, repoID, actor, first)
	if err := x.collect([]doomed{first}); err != nil {
		return fmt.Errorf("delete artifact: %w", err)
	}
	return x.run()
}

// doomed is an artifact that goes.
type doomed struct {
	id     int64
	digest oci.Digest
	tags   []string

	kind, of string // the type of what belonged to another artifact, and the digest of that
}

// A deletion is of artifacts of one repository that go together, in a
// transaction that holds the repository's row: one, its accessories and theirs,
// and the children of all these that nothing else holds.
type deletion struct {
	tx     *db.Tx
	repo   artifact.Repo
	repoID int64
	actor  event.Actor

	all  []doomed
	seen map[int64]bool
	left []oci.Digest // children that stay, and may now be listed

	needs map[oci.Digest]int64 // how often what goes needed a content
	blobs map[oci.Digest]int64 // how often what goes referenced a blob
}

// newDeletion returns one of artifacts without what goes along.
func newDeletion(tx *db.Tx, repo artifact.Repo, repoID int64, actor event.Actor, first ...doomed) *deletion {
	x := &deletion{tx: tx, repo: repo, repoID: repoID, actor: actor, seen: map[int64]bool{}, needs: map[oci.Digest]int64{}, blobs: map[oci.Digest]int64{}}
	for _, d := range first {
		x.seen[d.id] = true
	}
	return x
}

// collect adds artifacts and what goes with them.
func (x *deletion) collect(next []doomed) error {
	for len(next) > 0 {
		x.all = append(x.all, next...)
		var found []doomed
		for chunk := range slices.Chunk(next, rowsAtOnce) {
			accessories, err := x.accessories(chunk)
			if err != nil {
				return err
			}
			children, err := x.children(chunk)
			if err != nil {
				return err
			}
			found = append(append(found, accessories...), children...)
		}
		held, err := x.held(found)
		if err != nil {
			return err
		}
		next = nil
		for _, d := range found {
			switch {
			case held[d.digest]:
				x.left = append(x.left, d.digest)
			case !x.seen[d.id]:
				x.seen[d.id] = true
				next = append(next, d)
			}
		}
	}
	return nil
}

func (x *deletion) accessories(of []doomed) ([]doomed, error) {
	args := []any{x.repoID}
	for _, d := range of {
		args = append(args, d.digest)
	}
	return x.found(`SELECT id, digest FROM artifact WHERE repository_id = ? AND accessory_of <> '' AND accessory_of IN (`+db.In(len(of))+`)`, args)
}

// children returns those without a tag.
func (x *deletion) children(of []doomed) ([]doomed, error) {
	args := []any{x.repoID}
	for _, d := range of {
		args = append(args, d.id)
	}
	return x.found(`SELECT DISTINCT c.id, c.digest FROM artifact_reference f JOIN artifact c ON c.digest = f.child_digest AND c.repository_id = ?
		WHERE f.parent_id IN (`+db.In(len(of))+`) AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = c.id)`, args)
}

func (x *deletion) found(q string, args []any) ([]doomed, error) {
	rows, err := x.tx.Query(q, args...)
	if err != nil {
		return nil, err
	}
	return gather(rows, func(rows *db.Rows) (d doomed, err error) {
		return d, rows.Scan(&d.id, &d.digest)
	})
}

// held returns which artifacts are children of an index that stays, as far as is
// known: where the index goes as well, its children are looked at once more.
func (x *deletion) held(found []doomed) (map[oci.Digest]bool, error) {
	held := map[oci.Digest]bool{}
	for chunk := range slices.Chunk(found, rowsAtOnce) {
		args := []any{x.repoID}
		for _, d := range chunk {
			args = append(args, d.digest)
		}
		rows, err := x.tx.Query(`SELECT child_digest, parent_id FROM artifact_reference WHERE repository_id = ? AND child_digest IN (`+db.In(len(chunk))+`)`, args...)
		if err != nil {
			return nil, err
		}
		err = eachRow(rows, func(rows *db.Rows) error {
			var child oci.Digest
			var parent int64
			err := rows.Scan(&child, &parent)
			if !x.seen[parent] {
				held[child] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return held, nil
}

// run deletes what was collected.
func (x *deletion) run() error {
	frozen, err := frozenIn(x.tx, x.repo.ProjectID, x.repo.Name)
	if err != nil {
		return err
	}
	listed := 0
	for chunk := range slices.Chunk(x.all, rowsAtOnce) {
		n, err := x.remove(chunk)
		if err != nil {
			return fmt.Errorf("delete artifacts: %w", err)
		}
		listed += n
		for _, d := range chunk {
			if err := frozen.Refuse(x.repo.Name, d.tags...); err != nil {
				return err
			}
		}
	}
	if err := countListed(x.tx, x.repoID, -listed); err != nil {
		return err
	}
	if err := relist(x.tx, x.repoID, nil, x.left); err != nil {
		return err
	}
	if err := countManifests(x.tx, x.repoID, x.repo.ProjectID, -int64(len(x.all))); err != nil {
		return err
	}
	if err := release(x.tx, x.repo.ProjectID, x.needs); err != nil {
		return err
	}
	if err := x.review(); err != nil {
		return err
	}
	events := make([]event.Event, len(x.all))
	for i, d := range x.all {
		events[i] = event.New(x.actor, event.ArtifactDeleted{Where: x.repo.Where(), Digest: string(d.digest), Tags: d.tags, ArtifactType: d.kind, Subject: d.of})
	}
	return record(x.tx, events...)
}

// review lets the blobs wait for a review that what goes referenced.
func (x *deletion) review() error {
	if err := reviewLinks(x.tx, x.repoID, slices.Collect(maps.Keys(x.blobs)), gc.Deleted, time.Now().UnixMicro()); err != nil {
		return err
	}
	digests := make([]oci.Digest, len(x.all))
	for i, d := range x.all {
		digests[i] = d.digest
	}
	return forgetReviews(x.tx, x.repoID, digests)
}

// remove deletes some artifacts, and returns how many of them were listed.
func (x *deletion) remove(some []doomed) (listed int, err error) {
	ids, byID := make([]any, len(some)), make(map[int64]*doomed, len(some))
	for i := range some {
		ids[i], byID[some[i].id] = some[i].id, &some[i]
	}
	in := `IN (` + db.In(len(ids)) + `)`
	rows, err := x.tx.Query(`DELETE FROM tag WHERE artifact_id `+in+` RETURNING artifact_id, name`, ids...)
	if err != nil {
		return 0, err
	}
	err = eachRow(rows, func(rows *db.Rows) error {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		byID[id].tags = append(byID[id].tags, name)
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, q := range []string{`DELETE FROM artifact_label WHERE artifact_id `, `DELETE FROM artifact_reference WHERE parent_id `} {
		if _, err := x.tx.Exec(q+in, ids...); err != nil {
			return 0, err
		}
	}
	rows, err = x.tx.Query(`DELETE FROM artifact_blob WHERE artifact_id `+in+` RETURNING digest, counted`, ids...)
	if err != nil {
		return 0, err
	}
	err = eachRow(rows, func(rows *db.Rows) error {
		var d oci.Digest
		var counted bool
		err := rows.Scan(&d, &counted)
		x.blobs[d]++
		if counted {
			x.needs[d]++
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	rows, err = x.tx.Query(`DELETE FROM artifact WHERE id `+in+` RETURNING id, digest, listed, accessory_of, artifact_type`, ids...)
	if err != nil {
		return 0, err
	}
	err = eachRow(rows, func(rows *db.Rows) error {
		var id int64
		var d oci.Digest
		var was bool
		var of, kind string
		if err := rows.Scan(&id, &d, &was, &of, &kind); err != nil {
			return err
		}
		if was {
			listed++
		}
		if x.needs[d]++; of != "" {
			byID[id].of, byID[id].kind = of, kind
		}
		return nil
	})
	return listed, err
}

// lockRepository returns the id of a repository whose row it holds until the
// transaction ends. One of the same name in another project, which has come to
// the project's name since the caller's rights were judged, is not meant.
func lockRepository(tx *db.Tx, repo artifact.Repo) (int64, error) {
	var id int64
	err := tx.QueryRow(`UPDATE repository SET updated = updated WHERE name = ? AND project_id = ? RETURNING id`, repo.Name, repo.ProjectID).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		return 0, artifact.ErrRepositoryUnknown.With("%s", repo.Name)
	}
	return id, err
}

func refuseReferenced(tx *db.Tx, repoID int64, d oci.Digest) error {
	var parent string
	err := tx.QueryRow(`SELECT p.digest FROM artifact_reference r JOIN artifact p ON p.id = r.parent_id
		WHERE r.child_digest = ? AND r.repository_id = ? LIMIT 1`, d, repoID).Scan(&parent)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return artifact.ErrReferenced.With("%s", parent).Detailed(map[string]string{"index": parent})
}

// DeleteRepository implements artifact.Store.
func (s *Artifacts) DeleteRepository(ctx context.Context, repo artifact.Repo, actor event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		id, err := lockRepository(tx, repo)
		if err != nil {
			return err
		}
		if err := refuseFrozen(tx, repo, id); err != nil {
			return err
		}
		needs, err := needsOf(tx, id)
		if err != nil {
			return err
		}
		if err := reviewAll(tx, `SELECT id FROM repository WHERE id = ?`, id, time.Now().UnixMicro()); err != nil {
			return err
		}
		var listed bool
		// Its artifacts, tags and what it may serve go along.
		err = tx.QueryRow(`DELETE FROM repository WHERE id = ? RETURNING listed`, id).Scan(&listed)
		if err == nil && listed {
			err = countRepositories(tx, repo.ProjectID, -1)
		}
		if err == nil {
			err = release(tx, repo.ProjectID, needs)
		}
		if err != nil {
			return fmt.Errorf("delete repository %s: %w", repo.Name, err)
		}
		return record(tx, event.New(actor, event.RepositoryDeleted{Where: repo.Where()}))
	})
}

// refuseFrozen returns immutable.ErrTag where a tag of the repository may not go.
func refuseFrozen(tx *db.Tx, repo artifact.Repo, id int64) error {
	frozen, err := frozenIn(tx, repo.ProjectID, repo.Name)
	if err != nil || len(frozen) == 0 {
		return err
	}
	tags, err := columnOf[string](tx.Query(`SELECT name FROM tag WHERE repository_id = ?`, id))
	if err != nil {
		return err
	}
	return frozen.Refuse(repo.Name, tags...)
}

// Describe implements artifact.Store.
func (s *Artifacts) Describe(ctx context.Context, repo artifact.Repo, text string, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`UPDATE repository SET description = ?, updated = ? WHERE name = ? AND project_id = ?`, text, e.At.UnixMicro(), repo.Name, repo.ProjectID)
		if err != nil {
			return fmt.Errorf("describe repository %s: %w", repo.Name, err)
		}
		if n == 0 {
			return artifact.ErrRepositoryUnknown.With("%s", repo.Name)
		}
		return record(tx, e)
	})
}
