package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// listIDs is list for a listing that finds ids only. In its own order, it looks for
// parts of texts in one walk, see walk: an index must have that order.
func listIDs(ctx context.Context, d *db.DB, l listing, base condition, q query.Query) ([]int64, int64, error) {
	by := l.sortedBy(q)
	inOrder := len(by) == 1 && by[0].Field == l.order[0].Field
	if !inOrder || !slices.ContainsFunc(q.Filters, func(f query.Filter) bool { return f.Op == query.Fuzzy }) {
		return list(ctx, d, l, base, q, only[int64])
	}
	where, err := l.where(base, q.Filters)
	if err != nil {
		return nil, 0, err
	}
	return walk(ctx, d, l, where, q, func() (int64, error) { return l.count(ctx, d, where) })
}

// walk returns the ids of one page, and how many there are on all pages, as list
// does, and looks at each row once: what is behind the page is counted from there.
// That is for conditions that no index helps with, such as a part of a text, which
// are most of what a list costs. The order must be that of one field.
func walk(ctx context.Context, d *db.DB, l listing, where condition, q query.Query, count func() (int64, error)) ([]int64, int64, error) {
	limit, offset := q.Limit()
	ids, err := some(ctx, d, l, where, l.orderBy(q.Sorts, false), limit, offset, only[int64])
	total := int64(offset) + int64(len(ids))
	switch {
	case err != nil:
		return nil, 0, err
	case len(ids) == 0 && offset > 0: // behind the end
		total, err = count()
		return nil, total, err
	case len(ids) < limit:
		return ids, total, nil
	}
	rest, err := l.rest(ctx, d, where, l.sortedBy(q)[0], ids[len(ids)-1])
	if errors.Is(err, db.ErrNotFound) { // the row is gone
		total, err = count()
		return ids, total, err
	}
	return ids, total + rest, err
}

// rest counts what meets a condition behind one row, in the order of a field. It
// returns db.ErrNotFound where that row is no more.
func (l listing) rest(ctx context.Context, d *db.DB, where condition, by query.Sort, id int64) (n int64, err error) {
	expr := l.columns[by.Field].expr
	var at any
	err = d.QueryRow(ctx, "SELECT "+expr+" FROM "+l.from+" WHERE "+l.id+" = ?", id).Scan(&at)
	if err != nil {
		return 0, fmt.Errorf("rest of %s: %w", l.from, err)
	}
	err = d.QueryRow(ctx, l.restStatement(where, by), append(slices.Clone(where.args), at, id)...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("rest of %s: %w", l.from, err)
	}
	return n, nil
}

// restStatement counts what is behind a row in the order of a field; its last
// parameters are that row's value of the field, and its id.
func (l listing) restStatement(where condition, by query.Sort) string {
	behind := ">"
	if by.Desc {
		behind = "<"
	}
	return "SELECT count(*) FROM " + l.from + " WHERE " + where.sql + " AND (" + l.columns[by.Field].expr + ", " + l.id + ") " + behind + " (?, ?)"
}

// inOrderOfIDs returns the rows with some ids that are still there, in the order of
// these: a list that finds ids first does not sort whole rows. The query ends with
// the expression that is the id.
func inOrderOfIDs[T any](ctx context.Context, d *db.DB, q string, ids []int64, scan func(*db.Rows) (T, error), idOf func(T) int64) (found []T, err error) {
	byID := make(map[int64]T, len(ids))
	free := newRoom()
	for chunk := range slices.Chunk(ids, rowsAtOnce) {
		rows, err := d.Query(ctx, q+` IN (`+db.In(len(chunk))+`)`, anyOf(chunk)...)
		if err != nil {
			return nil, err
		}
		some, err := gatherIn(rows, free, scan)
		if err != nil {
			return nil, err
		}
		for _, row := range some {
			byID[idOf(row)] = row
		}
	}
	for _, id := range ids {
		if row, ok := byID[id]; ok {
			found = append(found, row)
		}
	}
	return found, nil
}
