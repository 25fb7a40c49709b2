package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// moveTags lets the tags of a push point at its artifact, and returns the
// artifacts that they pointed at before.
func moveTags(tx *db.Tx, repo, id int64, p artifact.Push) (left []int64, err error) {
	if len(p.Tags) == 0 {
		return nil, nil
	}
	frozen, err := frozenIn(tx, p.ProjectID, p.Name)
	if err != nil {
		return nil, err
	}
	for _, tag := range p.Tags {
		old, err := moveTag(tx, repo, id, tag, p, frozen)
		if err != nil {
			return nil, err
		}
		if old != 0 {
			left = append(left, old)
		}
	}
	return left, nil
}

// moveTag lets a tag point at the artifact of a push, and returns at which other
// one it pointed before, if any.
func moveTag(tx *db.Tx, repo, id int64, tag string, p artifact.Push, frozen immutable.Rules) (left int64, err error) {
	was, err := tagNow(tx, repo, tag)
	if err != nil {
		return 0, fmt.Errorf("tag %s: %w", tag, err)
	}
	if p.Before != nil && *p.Before != was.digest {
		return 0, artifact.ErrTagMoved.With("%s", tag)
	}
	// Who pushes the same again moves nothing.
	moved := was.artifact != 0 && was.artifact != id
	if moved {
		if err := frozen.Refuse(p.Name, tag); err != nil {
			return 0, err
		}
	}
	var tagID int64
	err = tx.QueryRow(`INSERT INTO tag (project_id, repository_id, name, artifact_id, pushed, pulled) VALUES (?, ?, ?, ?, ?, 0)
		ON CONFLICT (repository_id, name) DO UPDATE SET artifact_id = excluded.artifact_id, pushed = excluded.pushed RETURNING id`,
		p.ProjectID, repo, tag, id, p.At.UnixMicro()).Scan(&tagID)
	if err != nil {
		return 0, fmt.Errorf("tag %s: %w", tag, err)
	}
	if moved {
		left = was.artifact
	}
	if was.listed && moved {
		err = unlistChart(tx, tagID)
	}
	if err == nil && (!was.listed || moved) {
		err = listChart(tx, p.Repo, tagID, tag, p.Facts.Chart, p.At)
	}
	return left, err
}

// A pointer is a tag as a push finds it; the zero pointer is of a tag that is not
// there.
type pointer struct {
	artifact int64
	digest   oci.Digest
	listed   bool // as a chart's version
}

func tagNow(tx *db.Tx, repo int64, tag string) (p pointer, err error) {
	err = tx.QueryRow(`SELECT t.artifact_id, a.digest, EXISTS (SELECT 1 FROM chart_version v WHERE v.tag_id = t.id)
		FROM tag t JOIN artifact a ON a.id = t.artifact_id WHERE t.repository_id = ? AND t.name = ?`, repo, tag).Scan(&p.artifact, &p.digest, &p.listed)
	if errors.Is(err, db.ErrNotFound) {
		err = nil
	}
	return p, err
}

// attach makes an artifact an accessory by a tag that it has only now, unless
// another one names it: who attaches something must not hide what is there.
func attach(tx *db.Tx, id int64, f artifact.Facts) error {
	_, err := tx.Exec(`UPDATE artifact SET accessory_of = ?, accessory_type = ? WHERE id = ? AND NOT EXISTS (SELECT 1 FROM tag
		WHERE tag.artifact_id = artifact.id AND NOT (SUBSTR(tag.name, 1, 7) = 'sha256-' AND SUBSTR(tag.name, 72) IN ('.sig', '.att', '.sbom')))`,
		f.AccessoryOf, f.AccessoryType, id)
	return err
}

// detach lets an artifact be one of its own that is an accessory by its tags
// alone, since now a tag names it.
func detach(tx *db.Tx, id int64) error {
	_, err := tx.Exec(`UPDATE artifact SET accessory_of = '', accessory_type = '' WHERE id = ? AND accessory_of <> '' AND subject = ''`, id)
	return err
}

// taggedNow says of an artifact whether it has a tag.
const taggedNow = `EXISTS (SELECT 1 FROM tag WHERE tag.artifact_id = artifact.id)`

// namesNow says which names an artifact's tags have, as lists look for a part of
// one: '/latest/v1', in small letters, and NULL where they are more than mostNames.
const namesNow = `(SELECT CASE WHEN COUNT(*) <= 8 THEN LOWER(COALESCE(STRING_AGG('/' || n.name, '' ORDER BY n.name), '')) END
	FROM (SELECT tag.name FROM tag WHERE tag.artifact_id = artifact.id LIMIT 9) AS n)`

const mostNames = 8

// tagNames is namesNow of an artifact that is to have these tags.
func tagNames(tags []string) any {
	tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	if len(tags) > mostNames {
		return nil
	}
	names := ""
	for _, tag := range tags {
		names += "/" + lowerASCII(tag)
	}
	return names
}

// listedNow says of an artifact whether the list of its repository shows it: it
// is no accessory, and has a tag or no index that it is a child of.
const listedNow = `(accessory_of = '' AND (` + taggedNow + ` OR NOT EXISTS (
	SELECT 1 FROM artifact_reference WHERE artifact_reference.child_digest = artifact.digest AND artifact_reference.repository_id = artifact.repository_id)))`

// relist lists some artifacts of a repository, or lists them no more, as they
// now are, by their ids and by their digests. The transaction must hold the
// repository's row.
func relist(tx *db.Tx, repo int64, ids []int64, digests []oci.Digest) error {
	for chunk := range slices.Chunk(anyOf(ids), rowsAtOnce) {
		if err := relistBy(tx, repo, "id", chunk); err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
	}
	for chunk := range slices.Chunk(anyOf(digests), rowsAtOnce) {
		if err := relistBy(tx, repo, "digest", chunk); err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
	}
	return nil
}

// relistBy reads first, since most need no change, which all indexes of lists
// would take part in, and some only one of names, which fewer have.
func relistBy(tx *db.Tx, repo int64, column string, values []any) error {
	rows, err := tx.Query(`SELECT id, listed, `+listedNow+`, tagged <> `+taggedNow+`, tag_names IS DISTINCT FROM `+namesNow+` FROM artifact WHERE repository_id = ? AND `+column+` IN (`+db.In(len(values))+`)`,
		append([]any{repo}, values...)...)
	if err != nil {
		return err
	}
	more := 0
	var changed, renamed []any
	err = eachRow(rows, func(rows *db.Rows) error {
		var id int64
		var was, is, retagged, named bool
		if err := rows.Scan(&id, &was, &is, &retagged, &named); err != nil {
			return err
		}
		if was != is || retagged {
			changed = append(changed, id)
		} else if named {
			renamed = append(renamed, id)
		}
		if is && !was {
			more++
		} else if was && !is {
			more--
		}
		return nil
	})
	if err != nil {
		return err
	}
	for set, ids := range map[string][]any{
		`tag_names = ` + namesNow: renamed,
		`tag_names = ` + namesNow + `, tagged = ` + taggedNow + `, listed = ` + listedNow: changed,
	} {
		if len(ids) == 0 {
			continue
		}
		if _, err := tx.Exec(`UPDATE artifact SET `+set+` WHERE id IN (`+db.In(len(ids))+`)`, ids...); err != nil {
			return err
		}
	}
	return countListed(tx, repo, more)
}

// countListed keeps the number of artifacts that a repository's list shows.
func countListed(tx *db.Tx, repo int64, by int) error {
	if by == 0 {
		return nil
	}
	if _, err := tx.Exec(`UPDATE repository SET artifact_count = artifact_count + ? WHERE id = ?`, by, repo); err != nil {
		return fmt.Errorf("count artifacts: %w", err)
	}
	return nil
}

// countManifests keeps the number of a repository's manifests, and with its
// first and last one that of the project's repositories.
func countManifests(tx *db.Tx, repo, project, by int64) error {
	var count int64
	err := tx.QueryRow(`UPDATE repository SET manifest_count = manifest_count + ? WHERE id = ? RETURNING manifest_count`, by, repo).Scan(&count)
	if err != nil {
		return fmt.Errorf("count manifests: %w", err)
	}
	if before := count - by; before != 0 && count != 0 {
		return nil
	}
	if _, err := tx.Exec(`UPDATE repository SET listed = ? WHERE id = ?`, count > 0, repo); err != nil {
		return fmt.Errorf("count manifests: %w", err)
	}
	if count > 0 {
		return countRepositories(tx, project, +1)
	}
	return countRepositories(tx, project, -1)
}

// countRepositories keeps the number of a project's repositories.
func countRepositories(tx *db.Tx, project, by int64) error {
	n, err := tx.Exec(`UPDATE project SET repo_count = repo_count + ? WHERE id = ? AND NOT deleted`, by, project)
	if err == nil && n == 0 {
		return artifact.ErrRepositoryUnknown.Because(errors.New("its project is gone"))
	}
	return err
}

// CreateTag implements artifact.Store.
func (s *Artifacts) CreateTag(ctx context.Context, repo artifact.Repo, d oci.Digest, tag string, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		repoID, err := lockRepository(tx, repo)
		if err != nil {
			return err
		}
		id, err := artifactID(tx, repoID, d)
		if err != nil {
			return err
		}
		var tagID int64
		err = tx.QueryRow(`INSERT INTO tag (project_id, repository_id, name, artifact_id, pushed, pulled) VALUES (?, ?, ?, ?, ?, 0)
			ON CONFLICT (repository_id, name) DO NOTHING RETURNING id`, repo.ProjectID, repoID, tag, id, e.At.UnixMicro()).Scan(&tagID)
		if errors.Is(err, db.ErrNotFound) {
			return artifact.ErrTagExists.With("%s", tag)
		}
		if err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
		c, err := storedChart(tx, id)
		if err == nil {
			err = listChart(tx, repo, tagID, tag, c, e.At)
		}
		if err != nil {
			return err
		}
		if artifact.Named([]string{tag}) {
			if err := detach(tx, id); err != nil {
				return err
			}
		}
		if err := touchRepository(tx, repoID, e); err != nil {
			return err
		}
		if err := relist(tx, repoID, []int64{id}, nil); err != nil {
			return err
		}
		return record(tx, e)
	})
}

func artifactID(tx *db.Tx, repo int64, d oci.Digest) (id int64, err error) {
	err = tx.QueryRow(`SELECT id FROM artifact WHERE repository_id = ? AND digest = ?`, repo, d).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		err = artifact.ErrUnknown.With("%s", d)
	}
	return id, err
}

// touchRepository says when a repository was changed.
func touchRepository(tx *db.Tx, repo int64, e event.Event) error {
	_, err := tx.Exec(`UPDATE repository SET updated = ? WHERE id = ?`, e.At.UnixMicro(), repo)
	return err
}

// DeleteTag implements artifact.Store.
func (s *Artifacts) DeleteTag(ctx context.Context, repo artifact.Repo, d oci.Digest, tag string, actor event.Actor) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		repoID, err := lockRepository(tx, repo)
		if err != nil {
			return err
		}
		id, digest, err := tagged(tx, repoID, d, tag)
		if err != nil {
			return err
		}
		return deleteTag(tx, repo, repoID, doomed{id: id, digest: digest, tags: []string{tag}}, actor)
	})
}

// tagged returns the artifact at which a tag points. It returns ErrUnknown, also
// where that is another one than d, unless d is empty.
func tagged(tx *db.Tx, repo int64, d oci.Digest, tag string) (id int64, digest oci.Digest, err error) {
	err = tx.QueryRow(`SELECT a.id, a.digest FROM tag t JOIN artifact a ON a.id = t.artifact_id WHERE t.repository_id = ? AND t.name = ?`, repo, tag).Scan(&id, &digest)
	if errors.Is(err, db.ErrNotFound) || err == nil && d != "" && d != digest {
		return 0, "", artifact.ErrUnknown.With("%s", tag)
	}
	if err != nil {
		return 0, "", fmt.Errorf("tag %s: %w", tag, err)
	}
	return id, digest, nil
}

// deleteTag takes the one tag that goes from an artifact, which stays. The
// transaction must hold the repository's row.
func deleteTag(tx *db.Tx, repo artifact.Repo, repoID int64, of doomed, actor event.Actor) error {
	tag := of.tags[0]
	frozen, err := frozenIn(tx, repo.ProjectID, repo.Name)
	if err == nil {
		err = frozen.Refuse(repo.Name, tag)
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM tag WHERE repository_id = ? AND name = ?`, repoID, tag); err != nil {
		return fmt.Errorf("delete tag: %w", err)
	}
	e := event.New(actor, event.TagDeleted{Where: repo.Where(), Tag: tag, Digest: string(of.digest)})
	if err := touchRepository(tx, repoID, e); err != nil {
		return err
	}
	if err := reviewUntagged(tx, repoID, []int64{of.id}, e.At.UnixMicro()); err != nil {
		return err
	}
	if err := relist(tx, repoID, []int64{of.id}, nil); err != nil {
		return err
	}
	return record(tx, e)
}
