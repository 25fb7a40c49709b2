package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// newest returns, for one page, the ids of the newest artifact of each repository
// that meets the filters. It reads what the repositories are sorted by, all of
// them at once, and then finds the artifacts of the page.
func (s *Artifacts) newest(ctx context.Context, of artifactFilter, q query.Query) (ids []int64, total int64, err error) {
	where, err := of.meeting(condition{sql: "a.repository_id = r.id"}, "push_time")
	if err != nil {
		return nil, 0, err
	}
	repositories, err := s.byNewest(ctx, of.project, where, artifactListing.sortedBy(q))
	if err != nil {
		return nil, 0, err
	}
	limit, offset := q.Limit()
	page := repositories[min(offset, len(repositories)):]
	page = page[:min(limit, len(page))]
	for chunk := range slices.Chunk(page, rowsAtOnce) {
		byRepository := map[int64]int64{}
		rows, err := s.db.Query(ctx, `SELECT r.id, COALESCE(`+ofNewest("a.id", where)+`, 0) FROM repository r WHERE r.id IN (`+db.In(len(chunk))+`)`,
			append(slices.Clone(where.args), anyOf(chunk)...)...)
		if err != nil {
			return nil, 0, err
		}
		err = eachRow(rows, func(rows *db.Rows) error {
			var repository, id int64
			err := rows.Scan(&repository, &id)
			byRepository[repository] = id
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		for _, repository := range chunk {
			ids = append(ids, byRepository[repository])
		}
	}
	return ids, int64(len(repositories)), nil
}

// byNewest returns the ids of the repositories in which an artifact meets a
// condition, in the order of the newest of these.
func (s *Artifacts) byNewest(ctx context.Context, project int64, where condition, by []query.Sort) ([]int64, error) {
	var keys, order []string
	var args []any
	for i, one := range by {
		key := fmt.Sprintf("k%d", i)
		keys = append(keys, ofNewest(artifactListing.columns[one.Field].expr, where)+" AS "+key)
		args = append(args, where.args...)
		if one.Desc {
			key += " DESC"
		}
		order = append(order, key)
	}
	rows, err := s.db.Query(ctx, `SELECT r.id, `+strings.Join(keys, ", ")+` FROM repository r WHERE r.project_id = ? AND r.listed = TRUE
		ORDER BY `+strings.Join(order, ", ")+`, r.id`, append(args, project)...)
	if err != nil {
		return nil, err
	}
	var id int64
	values := make([]any, len(by))
	targets := []any{&id}
	for i := range values {
		targets = append(targets, &values[i])
	}
	var found []int64
	err = eachRow(rows, func(rows *db.Rows) error {
		err := rows.Scan(targets...)
		if values[0] != nil { // an artifact does
			found = append(found, id)
		}
		return err
	})
	return found, err
}

// ofNewest asks for something of the newest artifact of a repository r.
func ofNewest(expr string, where condition) string {
	return `(SELECT ` + expr + ` FROM artifact a WHERE ` + where.sql + ` ORDER BY a.pushed DESC, a.id DESC LIMIT 1)`
}
