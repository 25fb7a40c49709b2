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

// artifactListing finds ids only: what is shown of an artifact stands behind the
// bytes of its manifest, and is read for one page.
var artifactListing = listing{
	fields: `a.id`,
	from:   `artifact a`,
	columns: map[string]column{
		"id":                  {"a.id", number},
		"digest":              {"a.digest", text},
		"type":                {"a.type", text},
		"media_type":          {mediaTypeShown, text},
		"manifest_media_type": {"a.media_type", text},
		"artifact_type":       {"a.artifact_type", text},
		"size":                {"a.size", number},
		"push_time":           {"a.pushed", moment},
		"pull_time":           {"a.pulled", moment},
	},
	order: []query.Sort{{Field: "push_time", Desc: true}},
	id:    "a.id",
}

// mediaTypeShown is what the API calls the media type of an artifact.
const mediaTypeShown = `(CASE WHEN a.config_media_type = '' THEN a.media_type ELSE a.config_media_type END)`

// Artifacts implements artifact.Catalog.
func (s *Artifacts) Artifacts(ctx context.Context, w artifact.Where, q query.Query, p artifact.Parts) ([]artifact.Detail, int64, error) {
	l, base := artifactListing, condition{"a.project_id = ?", []any{w.ProjectID}}
	if len(q.Filters) == 0 && !w.Latest {
		l.total = &condition{`SELECT COALESCE(SUM(artifact_count), 0) FROM repository WHERE project_id = ? AND listed = TRUE`, base.args}
	}
	if w.Repository != "" {
		id, err := s.repositoryID(ctx, w.Repository)
		if err != nil {
			return nil, 0, err
		}
		base = condition{"a.repository_id = ?", []any{id}}
		if l.total != nil {
			l.total = &condition{`SELECT artifact_count FROM repository WHERE id = ?`, base.args}
		}
	}
	base, rest, err := s.shown(base, q.Filters)
	if err != nil {
		return nil, 0, err
	}
	q.Filters = rest
	if w.Latest {
		newer, err := newerOf(rest)
		if err != nil {
			return nil, 0, err
		}
		base.sql += newer
	}
	ids, total, err := list(ctx, s.db, l, base, q, only[int64])
	if err != nil {
		return nil, 0, err
	}
	found, err := s.details(ctx, ids, p)
	return found, total, err
}

// shown adds to a condition what a list shows, and the filters that are no
// columns; it returns the others.
func (s *Artifacts) shown(base condition, filters []query.Filter) (condition, []query.Filter, error) {
	listed := " AND a.listed = TRUE"
	var rest []query.Filter
	for _, f := range filters {
		switch f.Field {
		case "base":
			if f.Op == query.Exact && f.Value == "*" {
				listed = " AND a.accessory_of = ''"
			}
		case "tags":
			one, err := taggedAs(f)
			if err != nil {
				return base, nil, err
			}
			base.sql += " AND " + one.sql
			base.args = append(base.args, one.args...)
		case "labels":
			one, err := labelledWith(f)
			if err != nil {
				return base, nil, err
			}
			base.sql += one.sql
			base.args = append(base.args, one.args...)
		default:
			rest = append(rest, f)
		}
	}
	base.sql += listed
	return base, rest, nil
}

// taggedAs is the condition of a filter by tags: * for any, nil for none, a name,
// or a part of one.
func taggedAs(f query.Filter) (condition, error) {
	exists := `EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id`
	switch {
	case f.Op == query.Exact && f.Value == "*":
		return condition{exists + ")", nil}, nil
	case f.Op == query.Exact && f.Value == "nil":
		return condition{"NOT " + exists + ")", nil}, nil
	case f.Op == query.Exact || f.Op == query.Fuzzy:
		f.Field = "tags"
		one, err := column{"t.name", text}.condition(f)
		return condition{exists + " AND " + one.sql + ")", one.args}, err
	}
	return condition{}, artifact.ErrQuery.With("tags: it must be *, nil, a name, or a part of one behind ~")
}

// labelledWith is the condition of a filter by labels, all of which an artifact
// must have.
func labelledWith(f query.Filter) (c condition, err error) {
	values := f.Values
	if f.Op == query.Exact {
		values = []any{f.Value}
	} else if f.Op != query.All {
		return c, artifact.ErrQuery.With("labels: they must be ids between parentheses")
	}
	for _, v := range values {
		id, ok := numberOf(v)
		if !ok {
			return c, artifact.ErrQuery.With("labels: they must be ids")
		}
		c.sql += " AND EXISTS (SELECT 1 FROM artifact_label w WHERE w.artifact_id = a.id AND w.label_id = ?)"
		c.args = append(c.args, id)
	}
	return c, nil
}

// newerOf is the condition that no newer artifact of the repository has the same
// media type or artifact type, one of which must be filtered by.
func newerOf(filters []query.Filter) (string, error) {
	by := ""
	for _, f := range filters {
		expr := map[string]string{"media_type": mediaTypeShown, "artifact_type": "a.artifact_type"}[f.Field]
		if expr == "" {
			continue
		}
		if by != "" {
			by = ""
			break
		}
		by = expr
	}
	if by == "" {
		return "", artifact.ErrQuery.With("latest_in_repository: it needs a filter by exactly one of media_type and artifact_type")
	}
	return ` AND NOT EXISTS (SELECT 1 FROM artifact b WHERE b.repository_id = a.repository_id AND b.listed = TRUE AND (b.pushed, b.id) > (a.pushed, a.id)
		AND ` + strings.ReplaceAll(by, "a.", "b.") + ` = ` + by + `)`, nil
}

// Artifact implements artifact.Catalog.
func (s *Artifacts) Artifact(ctx context.Context, repo artifact.Repo, ref oci.Reference, p artifact.Parts) (artifact.Detail, error) {
	a, _, err := s.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return artifact.Detail{}, err
	}
	found, err := s.details(ctx, []int64{a.ID}, p)
	if err != nil {
		return artifact.Detail{}, err
	}
	if len(found) == 0 || found[0].ProjectID != repo.ProjectID {
		return artifact.Detail{}, artifact.ErrUnknown.With("%s", ref)
	}
	return found[0], nil
}

// details returns artifacts in the order of their ids as given. What was deleted
// meanwhile is missing.
func (s *Artifacts) details(ctx context.Context, ids []int64, p artifact.Parts) ([]artifact.Detail, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	byID := make(map[int64]*artifact.Detail, len(ids))
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		if err := s.detailsOf(ctx, anyOf(chunk), p, byID); err != nil {
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

func (s *Artifacts) detailsOf(ctx context.Context, ids []any, p artifact.Parts, byID map[int64]*artifact.Detail) error {
	in := ` IN (` + db.In(len(ids)) + `)`
	rows, err := s.db.Query(ctx, `SELECT a.id, a.project_id, a.repository_id, r.name, a.digest, a.media_type, a.config_media_type, a.artifact_type, a.type,
		a.size, a.icon, a.pushed, a.pulled, a.accessory_of, a.annotations, a.attrs FROM artifact a JOIN repository r ON r.id = a.repository_id WHERE a.id`+in, ids...)
	if err != nil {
		return err
	}
	found, err := gather(rows, scanDetail)
	if err != nil {
		return err
	}
	for i := range found {
		byID[found[i].ID] = &found[i]
	}
	if err := s.references(ctx, in, ids, byID); err != nil {
		return err
	}
	if p.Tags {
		rows, err := s.db.Query(ctx, `SELECT `+tagListing.fields+` FROM `+tagListing.from+` WHERE t.artifact_id`+in+` ORDER BY t.pushed DESC, t.id DESC`, ids...)
		if err != nil {
			return err
		}
		tags, err := gather(rows, scanTag)
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
		if err := s.accessories(ctx, in, ids, func(id int64, a artifact.Accessory) {
			if d := byID[id]; d != nil {
				d.Accessories = append(d.Accessories, a)
			}
		}); err != nil {
			return err
		}
	}
	if p.Inherited {
		return s.inherited(ctx, in, ids, byID)
	}
	return nil
}

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
func (s *Artifacts) references(ctx context.Context, in string, ids []any, byID map[int64]*artifact.Detail) error {
	rows, err := s.db.Query(ctx, `SELECT f.parent_id, f.child_digest, f.platform, COALESCE(c.id, 0) FROM artifact_reference f
		LEFT JOIN artifact c ON c.repository_id = f.repository_id AND c.digest = f.child_digest WHERE f.parent_id`+in+` ORDER BY f.parent_id, f.position`, ids...)
	if err != nil {
		return err
	}
	children, err := gather(rows, func(rows *db.Rows) (r artifact.Reference, err error) {
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
	rows, err = s.db.Query(ctx, `SELECT id, media_type, body FROM artifact WHERE id IN (`+db.In(len(parents))+`) AND manifest_size <= ?`, append(parents, maxShown)...)
	if err != nil {
		return err
	}
	return eachRow(rows, func(rows *db.Rows) error {
		var id int64
		var mediaType string
		var body []byte
		if err := rows.Scan(&id, &mediaType, &body); err != nil {
			return err
		}
		m, err := oci.ParseManifest(mediaType, body)
		if err != nil {
			// A page is not to fail for what one artifact of it is.
			byID[id].References = nil
			s.broken.tell(ctx, byID[id], err)
			return nil
		}
		references := byID[id].References
		for i := range min(len(m.Children), len(references)) {
			references[i].Annotations, references[i].URLs = m.Children[i].Annotations, m.Children[i].URLs
		}
		return nil
	})
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

// accessories finds those of the subjects of the ids.
func (s *Artifacts) accessories(ctx context.Context, in string, ids []any, add func(id int64, a artifact.Accessory)) error {
	rows, err := s.db.Query(ctx, `SELECT `+accessoryFields+` FROM `+withAccessories+` WHERE s.id`+in+` ORDER BY a.id`, ids...)
	if err != nil {
		return err
	}
	found, err := gather(rows, scanAccessory)
	for _, a := range found {
		add(a.SubjectID, a)
	}
	return err
}

// inherited adds the accessories of the indexes that artifacts are children of.
func (s *Artifacts) inherited(ctx context.Context, in string, ids []any, byID map[int64]*artifact.Detail) error {
	rows, err := s.db.Query(ctx, `SELECT c.id, f.parent_id FROM artifact c JOIN artifact_reference f ON f.child_digest = c.digest AND f.repository_id = c.repository_id
		WHERE c.id`+in, ids...)
	if err != nil {
		return err
	}
	children := map[int64][]int64{} // by parent
	err = eachRow(rows, func(rows *db.Rows) error {
		var child, parent int64
		err := rows.Scan(&child, &parent)
		children[parent] = append(children[parent], child)
		return err
	})
	if err != nil || len(children) == 0 {
		return err
	}
	var parents []any
	for id := range children {
		parents = append(parents, id)
	}
	return s.accessories(ctx, ` IN (`+db.In(len(parents))+`)`, parents, func(parent int64, a artifact.Accessory) {
		for _, child := range children[parent] {
			if d := byID[child]; d != nil {
				d.Inherited = append(d.Inherited, a)
			}
		}
	})
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
		"digest":        {"a.digest", text},
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
