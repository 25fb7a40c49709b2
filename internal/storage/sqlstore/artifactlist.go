package sqlstore

import (
	"context"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// artifactListing finds ids only: what is shown of an artifact stands behind the
// bytes of its manifest, and is read for one page.
//
// Its statements walk along an index of their order, which holds all that they
// look at. What the databases could find by another index, only to sort it, is
// hidden from them, see unindexed.
var artifactListing = listing{
	fields: `a.id`,
	from:   `artifact a`,
	columns: map[string]column{
		"id":                  {"a.id", number},
		"digest":              {"a.digest", digest},
		"type":                {ofKind("type"), text},
		"media_type":          {ofKind("media_type"), text},
		"manifest_media_type": {ofKind("manifest_media_type"), text},
		"artifact_type":       {ofKind("artifact_type"), text},
		"size":                {"a.size", number},
		"push_time":           {"a.pushed", moment},
		"pull_time":           {"a.pulled", moment},
	},
	order: []query.Sort{{Field: "push_time", Desc: true}},
	id:    "a.id",
}

// kindListing has the fields of artifacts that are texts of their kinds.
var kindListing = listing{
	columns: map[string]column{
		"type":                {"k.type", text},
		"media_type":          {"(CASE WHEN k.config_media_type = '' THEN k.media_type ELSE k.config_media_type END)", text},
		"manifest_media_type": {"k.media_type", text},
		"artifact_type":       {"k.artifact_type", text},
	},
	id: "k.id",
}

func isOfKind(field string) bool {
	_, ok := kindListing.columns[field]
	return ok
}

func ofKind(field string) string {
	return `(SELECT ` + kindListing.columns[field].expr + ` FROM artifact_kind k WHERE k.id = a.kind)`
}

// Artifacts implements artifact.Catalog.
func (s *Artifacts) Artifacts(ctx context.Context, w artifact.Where, q query.Query, p artifact.Parts) ([]artifact.Detail, int64, error) {
	of, err := s.artifactsOf(ctx, w, q)
	if err != nil {
		return nil, 0, err
	}
	read := s.inOrder
	switch by := artifactListing.sortedBy(q); {
	case w.Latest:
		read = s.newest
	case len(by) == 1 && isOfKind(by[0].Field) && !of.few:
		read = s.byKind
	}
	ids, total, err := read(ctx, of, q)
	if err != nil {
		return nil, 0, err
	}
	found, err := s.details(ctx, ids, parts{p, tagsInList, othersInList})
	return found, total, err
}

// inOrder returns the ids of one page, and how many there are on all pages.
func (s *Artifacts) inOrder(ctx context.Context, of artifactFilter, q query.Query) ([]int64, int64, error) {
	by := artifactListing.sortedBy(q)
	where, err := of.inOrderOf(by[0].Field)
	if err != nil {
		return nil, 0, err
	}
	if len(by) == 1 && of.searched(by[0].Field) {
		return walk(ctx, s.db, artifactListing, where, q, func() (int64, error) { return s.countOf(ctx, of) })
	}
	return pageOf(ctx, s.db, artifactListing, where, q, func() (int64, error) { return s.countOf(ctx, of) }, only[int64])
}

// countOf returns how many artifacts meet a filter. Of a whole project or
// repository that is kept.
func (s *Artifacts) countOf(ctx context.Context, of artifactFilter) (int64, error) {
	l := artifactListing
	if of.none() {
		l.total = &condition{`SELECT COALESCE(SUM(artifact_count), 0) FROM repository WHERE project_id = ? AND listed = TRUE`, []any{of.project}}
		if of.repository != 0 {
			l.total = &condition{`SELECT artifact_count FROM repository WHERE id = ?`, []any{of.repository}}
		}
	}
	where, err := of.inOrderOf("")
	if err != nil {
		return 0, err
	}
	return l.count(ctx, s.db, where)
}

// byKind returns the ids of one page in the order of a text of kinds: it counts
// each kind, and reads from those that the page is in. Of kinds with the same
// text, one comes whole after the other.
func (s *Artifacts) byKind(ctx context.Context, of artifactFilter, q query.Query) (ids []int64, total int64, err error) {
	by := artifactListing.sortedBy(q)[0]
	kinds, total, err := s.countKinds(ctx, of, by)
	if err != nil {
		return nil, 0, err
	}
	field, isKind := by.Field, " AND a.kind = ?"
	if of.repository != 0 { // of which no index is in the order of kinds
		field, isKind = "push_time", " AND +a.kind = ?"
	}
	where, err := of.inOrderOf(field)
	if err != nil {
		return nil, 0, err
	}
	limit, offset := q.Limit()
	for _, k := range kinds {
		if offset >= k.count {
			offset -= k.count
			continue
		}
		if limit == len(ids) {
			break
		}
		where := condition{where.sql + isKind, append(slices.Clone(where.args), k.id)}
		more, err := between(ctx, s.db, artifactListing, where, []query.Sort{{Field: "push_time", Desc: by.Desc}}, int64(k.count), limit-len(ids), offset, only[int64])
		if err != nil {
			return nil, 0, err
		}
		ids, offset = append(ids, more...), 0
	}
	return ids, total, nil
}

type countedKind struct {
	id    int64
	count int
}

// countKinds counts the artifacts of each kind, in the order of a field.
func (s *Artifacts) countKinds(ctx context.Context, of artifactFilter, by query.Sort) (kinds []countedKind, total int64, err error) {
	where, err := of.inOrderOf("")
	if err != nil {
		return nil, 0, err
	}
	rows, err := s.db.Query(ctx, `SELECT n.kind, n.many FROM (SELECT a.kind AS kind, count(*) AS many FROM artifact a WHERE `+where.sql+` GROUP BY a.kind) AS n
		JOIN artifact_kind k ON k.id = n.kind ORDER BY `+kindListing.orderBy([]query.Sort{by}, false), where.args...)
	if err != nil {
		return nil, 0, err
	}
	kinds, err = gather(rows, func(rows *db.Rows) (k countedKind, err error) { return k, rows.Scan(&k.id, &k.count) })
	for _, k := range kinds {
		total += int64(k.count)
	}
	return kinds, total, err
}
