package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

var repositoryListing = listing{
	fields: `r.id, r.project_id, r.name, r.description, r.artifact_count, r.pull_count, r.created, r.updated, p.name, p.public`,
	from:   `repository r JOIN project p ON p.id = r.project_id`,
	counts: `repository r`,
	columns: map[string]column{
		"repository_id":  {"r.id", number},
		"project_id":     {"r.project_id", number},
		"name":           {"r.name", text},
		"description":    {"r.description", text},
		"artifact_count": {"r.artifact_count", number},
		"pull_count":     {"r.pull_count", number},
		"creation_time":  {"r.created", moment},
		"update_time":    {"r.updated", moment},
	},
	order: []query.Sort{{Field: "creation_time", Desc: true}},
	id:    "r.id",
}

func scanRepository(row interface{ Scan(...any) error }) (artifact.Repository, error) {
	var r artifact.Repository
	var created, updated int64
	err := row.Scan(&r.ID, &r.ProjectID, &r.Name, &r.Description, &r.ArtifactCount, &r.PullCount, &created, &updated, &r.Project, &r.Public)
	r.Created, r.Updated = timeOf(created), timeOf(updated)
	return r, err
}

// timeOf returns a time that is kept as microseconds, of which 0 are none.
func timeOf(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

// Repositories implements artifact.Catalog.
func (s *Artifacts) Repositories(ctx context.Context, scope artifact.Scope, q query.Query) ([]artifact.Repository, int64, error) {
	base := condition{"r.listed = TRUE", nil}
	switch {
	case scope.ProjectID != 0:
		base = condition{"r.project_id = ? AND r.listed = TRUE", []any{scope.ProjectID}}
	case !scope.All:
		base = condition{`r.listed = TRUE AND r.project_id IN (SELECT id FROM project WHERE NOT deleted AND (public OR name IN (` + db.In(len(scope.Names)) + `))
			UNION ` + projectsOf + `)`,
			append(anyOf(scope.Names), scope.UserID, scope.UserID)}
	}
	return list(ctx, s.db, repositoryListing, base, q, func(rows *db.Rows) (artifact.Repository, error) { return scanRepository(rows) })
}

// Repository implements artifact.Catalog.
func (s *Artifacts) Repository(ctx context.Context, repo artifact.Repo) (artifact.Repository, error) {
	r, err := scanRepository(s.db.QueryRow(ctx, `SELECT `+repositoryListing.fields+` FROM `+repositoryListing.from+`
		WHERE r.name = ? AND r.project_id = ? AND r.listed = TRUE`, repo.Name, repo.ProjectID))
	if errors.Is(err, db.ErrNotFound) {
		err = artifact.ErrRepositoryUnknown.With("%s", repo.Name)
	}
	return r, err
}

// Artifact implements artifact.Catalog.
func (s *Artifacts) Artifact(ctx context.Context, repo artifact.Repo, ref oci.Reference, p artifact.Parts) (artifact.Detail, error) {
	a, _, err := s.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return artifact.Detail{}, err
	}
	found, err := s.details(ctx, []int64{a.ID}, parts{p, query.MaxUnpaged, query.MaxUnpaged})
	if err != nil {
		return artifact.Detail{}, err
	}
	if len(found) == 0 || found[0].ProjectID != repo.ProjectID {
		return artifact.Detail{}, artifact.ErrUnknown.With("%s", ref)
	}
	return found[0], nil
}

// parts says how much is shown of each artifact: of tags, and of the children of
// an index, its accessories and those that it inherits. Who wants to see the
// others asks for the one artifact, or for its tags and accessories in pages.
type parts struct {
	artifact.Parts
	tags, others int
}

// What a list shows of each artifact; of one artifact, as much is shown as a list
// has rows.
const (
	tagsInList   = 1000
	othersInList = 100
)

// details returns artifacts in the order of their ids as given. What was deleted
// meanwhile is missing.
func (s *Artifacts) details(ctx context.Context, ids []int64, p parts) ([]artifact.Detail, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	room := newRoom()
	byID := make(map[int64]*artifact.Detail, len(ids))
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		if err := s.detailsOf(ctx, anyOf(chunk), p, byID, room); err != nil {
			return nil, fmt.Errorf("show artifacts: %w", err)
		}
	}
	all := make([]artifact.Detail, 0, len(ids))
	for _, id := range ids {
		if d := byID[id]; d != nil {
			all = append(all, *d)
		}
	}
	return all, nil
}

func (s *Artifacts) detailsOf(ctx context.Context, ids []any, p parts, byID map[int64]*artifact.Detail, room *room) error {
	rows, err := s.db.Query(ctx, `SELECT a.id, a.project_id, a.repository_id, r.name, a.digest, a.media_type, a.config_media_type, a.artifact_type, a.type,
		a.size, a.icon, a.pushed, a.pulled, a.accessory_of, a.annotations, a.attrs FROM artifact a JOIN repository r ON r.id = a.repository_id WHERE a.id IN (`+db.In(len(ids))+`)`, ids...)
	if err != nil {
		return err
	}
	found, err := gatherIn(rows, room, scanDetail)
	if err != nil {
		return err
	}
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	if err := s.references(ctx, ids, p.others, byID, room); err != nil {
		return err
	}
	if p.Tags {
		tags, err := capped(ctx, s.db, tagsShown, ids, p.tags, room, scanTag)
		if err != nil {
			return err
		}
		for _, t := range tags {
			if d := byID[t.ArtifactID]; d != nil {
				d.Tags = append(d.Tags, t)
			}
		}
	}
	if p.Accessories {
		found, err := capped(ctx, s.db, accessoriesShown, ids, p.others, room, scanAccessory)
		if err != nil {
			return err
		}
		for _, a := range found {
			if d := byID[a.SubjectID]; d != nil {
				d.Accessories = append(d.Accessories, a)
			}
		}
	}
	if p.Inherited {
		return s.inherited(ctx, ids, p.others, byID, room)
	}
	return nil
}

// capped reads rows that belong to some artifacts, at most so many of each one.
// Mostly all of them together are no more, which the first query finds out. It
// asks for them with the placeholders of its ids in place of IDS, in the order of
// the artifacts.
func capped[T any](ctx context.Context, d *db.DB, q string, ids []any, most int, room *room, scan func(*db.Rows) (T, error)) ([]T, error) {
	read := func(ids []any, limit int) ([]T, error) {
		rows, err := d.Query(ctx, strings.Replace(q, "IDS", db.In(len(ids)), 1)+` LIMIT ?`, append(slices.Clone(ids), limit)...)
		if err != nil {
			return nil, err
		}
		return gatherIn(rows, room, scan)
	}
	before := *room
	all, err := read(ids, most+1)
	if err != nil || len(all) <= most {
		return all, err
	}
	*room, all = before, nil
	for _, id := range ids {
		more, err := read([]any{id}, most)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// What is shown of artifacts, in the order in which an index has it.
var (
	tagsShown        = `SELECT ` + tagListing.fields + ` FROM ` + tagListing.from + ` WHERE t.artifact_id IN (IDS) ORDER BY t.artifact_id DESC, t.pushed DESC, t.id DESC`
	accessoriesShown = `SELECT ` + accessoryFields + ` FROM ` + withAccessories + ` WHERE s.id IN (IDS) ORDER BY s.id, a.id`
)

const (
	childrenShown = `SELECT f.parent_id, f.child_digest, f.platform, COALESCE(c.id, 0) FROM artifact_reference f
		LEFT JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest WHERE f.parent_id IN (IDS) ORDER BY f.parent_id, f.position`
	parentsShown = `SELECT f.parent_id, c.id FROM artifact c JOIN artifact_reference f ON f.child_digest = c.digest AND f.repository_id = c.repository_id
		WHERE c.id IN (IDS) ORDER BY c.id, f.parent_id`
)

func scanDetail(rows *db.Rows) (artifact.Detail, error) {
	var d artifact.Detail
	var pushed, pulled int64
	var annotations, attrs string
	err := rows.Scan(&d.ID, &d.ProjectID, &d.RepositoryID, &d.Repository, &d.Digest, &d.MediaType, &d.ConfigMediaType, &d.ArtifactType, &d.Type,
		&d.Size, &d.Icon, &pushed, &pulled, &d.AccessoryOf, &annotations, &attrs)
	if err != nil {
		return d, err
	}
	d.Pushed, d.Pulled, d.Attrs = timeOf(pushed), timeOf(pulled), json.RawMessage(attrs)
	return d, json.Unmarshal([]byte(annotations), &d.Annotations)
}

// references adds the children of indexes, with what the index says of each,
// where that is not too much to show.
func (s *Artifacts) references(ctx context.Context, ids []any, most int, byID map[int64]*artifact.Detail, room *room) error {
	children, err := capped(ctx, s.db, childrenShown, ids, most, room, func(rows *db.Rows) (r artifact.Reference, err error) {
		var platform string
		if err = rows.Scan(&r.ParentID, &r.Digest, &platform, &r.ChildID); err == nil && platform != "" {
			err = json.Unmarshal([]byte(platform), &r.Platform)
		}
		return r, err
	})
	if err != nil || len(children) == 0 {
		return err
	}
	var parents []any
	for _, c := range children {
		d := byID[c.ParentID]
		if d.References == nil {
			parents = append(parents, d.ID)
		}
		d.References = append(d.References, c)
	}
	rows, err := s.db.Query(ctx, `SELECT id, media_type, body FROM artifact WHERE id IN (`+db.In(len(parents))+`) AND manifest_size <= ?`, append(parents, maxShown)...)
	if err != nil {
		return err
	}
	_, err = gatherIn(rows, room, func(rows *db.Rows) (none struct{}, err error) {
		var id int64
		var mediaType string
		var body []byte
		if err := rows.Scan(&id, &mediaType, &body); err != nil {
			return none, err
		}
		m, err := oci.ParseManifest(mediaType, body)
		if err != nil {
			// A page is not to fail for what one artifact of it is.
			byID[id].References = nil
			s.broken.tell(ctx, byID[id], err)
			return none, nil
		}
		references := byID[id].References
		for i := range min(len(m.Children), len(references)) {
			references[i].Annotations, references[i].URLs = m.Children[i].Annotations, m.Children[i].URLs
		}
		return none, nil
	})
	return err
}

// withAccessories finds accessories beside their subjects.
const withAccessories = `artifact s JOIN artifact a ON a.repository_id = s.repository_id AND a.accessory_of = s.digest AND a.accessory_of <> ''`

const accessoryFields = `a.id, s.id, s.digest, a.digest, a.accessory_type, a.size, a.icon, a.pushed`

func scanAccessory(rows *db.Rows) (artifact.Accessory, error) {
	var a artifact.Accessory
	var pushed int64
	err := rows.Scan(&a.ID, &a.SubjectID, &a.Subject, &a.Digest, &a.Type, &a.Size, &a.Icon, &pushed)
	a.Pushed = timeOf(pushed)
	return a, err
}

// inherited adds the accessories of the indexes that artifacts are children of.
func (s *Artifacts) inherited(ctx context.Context, ids []any, most int, byID map[int64]*artifact.Detail, room *room) error {
	children := map[int64][]int64{} // by parent
	var parents []any
	_, err := capped(ctx, s.db, parentsShown, ids, most, room, func(rows *db.Rows) (none struct{}, err error) {
		var parent, child int64
		if err := rows.Scan(&parent, &child); err != nil {
			return none, err
		}
		if children[parent] == nil {
			parents = append(parents, parent)
		}
		if !slices.Contains(children[parent], child) {
			children[parent] = append(children[parent], child)
		}
		return none, nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(parents, rowsAtOnce) {
		found, err := capped(ctx, s.db, accessoriesShown, chunk, most, room, scanAccessory)
		if err != nil {
			return err
		}
		for _, a := range found {
			for _, child := range children[a.SubjectID] {
				if d := byID[child]; d != nil && len(d.Inherited) < most {
					d.Inherited = append(d.Inherited, a)
				}
			}
		}
	}
	return nil
}

var tagListing = listing{
	fields: `t.id, t.repository_id, t.artifact_id, t.name, t.pushed, t.pulled`,
	from:   `tag t`,
	columns: map[string]column{
		"id":        {"t.id", number},
		"name":      {"t.name", text},
		"push_time": {"t.pushed", moment},
		"pull_time": {"t.pulled", moment},
	},
	order: []query.Sort{{Field: "push_time", Desc: true}},
	id:    "t.id",
}

func scanTag(rows *db.Rows) (artifact.Tag, error) {
	var t artifact.Tag
	var pushed, pulled int64
	err := rows.Scan(&t.ID, &t.RepositoryID, &t.ArtifactID, &t.Name, &pushed, &pulled)
	t.Pushed, t.Pulled = timeOf(pushed), timeOf(pulled)
	return t, err
}

// TagsOfArtifact implements artifact.Catalog.
func (s *Artifacts) TagsOfArtifact(ctx context.Context, artifactID int64, q query.Query) ([]artifact.Tag, int64, error) {
	return list(ctx, s.db, tagListing, condition{"t.artifact_id = ?", []any{artifactID}}, q, scanTag)
}

var accessoryListing = listing{
	fields: accessoryFields,
	from:   withAccessories,
	columns: map[string]column{
		"id":            {"a.id", number},
		"type":          {"a.accessory_type", text},
		"digest":        column{"a.digest", digest}.unindexed(), // an index has all artifacts in this order
		"size":          {"a.size", number},
		"creation_time": {"a.pushed", moment},
	},
	order: []query.Sort{{Field: "id"}},
	id:    "a.id",
}

// AccessoriesOf implements artifact.Catalog.
func (s *Artifacts) AccessoriesOf(ctx context.Context, of artifact.Detail, q query.Query) ([]artifact.Accessory, int64, error) {
	return list(ctx, s.db, accessoryListing, condition{"s.id = ?", []any{of.ID}}, q, scanAccessory)
}

// HasIcon implements artifact.Catalog.
func (s *Artifacts) HasIcon(ctx context.Context, icon oci.Digest) (repository string, err error) {
	err = s.db.QueryRow(ctx, `SELECT r.name FROM artifact a JOIN repository r ON r.id = a.repository_id WHERE a.icon = ? AND a.icon <> '' LIMIT 1`, icon).Scan(&repository)
	if errors.Is(err, db.ErrNotFound) {
		err = artifact.ErrUnknown.With("%s", icon)
	}
	return repository, err
}
