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
// condition, in the order of the newest of these. What is read of it is kept before
// its kind is looked up: PostgreSQL would read it twice.
func (s *Artifacts) byNewest(ctx context.Context, project int64, where condition, by []query.Sort) ([]int64, error) {
	var keys, order []string
	var args []any
	read := func(expr string) string {
		key := fmt.Sprintf("k%d", len(keys))
		keys, args = append(keys, ofNewest(expr, where)+" AS "+key), append(args, where.args...)
		return "n." + key
	}
	kinds := ""
	for _, one := range by {
		var key string
		if c, ok := kindListing.columns[one.Field]; ok {
			if kinds == "" {
				kinds = " JOIN artifact_kind k ON k.id = " + read("a.kind")
			}
			key = c.expr
		} else {
			key = read(artifactListing.columns[one.Field].expr)
		}
		if one.Desc {
			key += " DESC"
		}
		order = append(order, key)
	}
	return columnOf[int64](s.db.Query(ctx, `WITH n AS MATERIALIZED (SELECT r.id AS id, `+strings.Join(keys, ", ")+` FROM repository r WHERE r.project_id = ? AND r.listed = TRUE)
		SELECT n.id FROM n`+kinds+` WHERE n.k0 IS NOT NULL ORDER BY `+strings.Join(order, ", ")+`, n.id`, append(args, project)...))
}

// ofNewest asks for something of the newest artifact of a repository r.
func ofNewest(expr string, where condition) string {
	return `(SELECT ` + expr + ` FROM artifact a WHERE ` + where.sql + ` ORDER BY a.pushed DESC, a.id DESC LIMIT 1)`
}
