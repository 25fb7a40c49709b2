package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// A listing is what can be listed of one resource, and how. All of its texts are
// constants of this program: of a request, only parameters reach the database.
type listing struct {
	fields  string            // what to select: "p.id, p.name"
	from    string            // "project p JOIN account a ON a.id = p.owner_id"
	counts  string            // what of from is enough to count, where that is less
	total   *condition        // a query for how many there are on all pages, where that is kept
	columns map[string]column // what may filter and sort; no other field does
	sorts   []string          // what may sort, where that is not all of them
	order   []query.Sort      // where the query has none
	id      string            // decides between equals: "p.id"
}

// A column is a field of the API that may filter and sort. What is never to be
// found by guessing, such as hashes, must not be one.
type column struct {
	expr string // of SQL, never NULL; "p.name"
	kind columnKind
}

type columnKind uint8

const (
	text   columnKind = iota
	digest            // a text that has no capitals
	number            // BIGINT; narrower ones need a CAST, lest a large parameter fail
	flag              // BOOLEAN
	moment            // BIGINT of microseconds
)

// A condition is SQL with the values of its placeholders. Where a listing's from
// has placeholders, their values come before those of the condition.
type condition struct {
	sql  string
	args []any
}

// list returns one page of what meets both the base and the query's filters, in
// the query's order, and how many there are on all pages. It returns
// query.ErrInvalid for a value that its column cannot have, and for a column that
// may not sort.
func list[T any](ctx context.Context, d *db.DB, l listing, base condition, q query.Query, scan func(*db.Rows) (T, error)) ([]T, int64, error) {
	if err := l.checkSorts(q.Sorts); err != nil {
		return nil, 0, err
	}
	where, err := l.where(base, q.Filters)
	if err != nil {
		return nil, 0, err
	}
	return pageOf(ctx, d, l, where, q, func() (int64, error) { return l.count(ctx, d, where) }, scan)
}

// pageOf returns one page of what meets a condition, and how many there are on
// all pages, which count finds out where the page does not tell.
func pageOf[T any](ctx context.Context, d *db.DB, l listing, where condition, q query.Query, count func() (int64, error), scan func(*db.Rows) (T, error)) ([]T, int64, error) {
	limit, offset := q.Limit()
	if offset == 0 {
		found, err := some(ctx, d, l, where, l.orderBy(q.Sorts, false), limit, 0, scan)
		if err != nil || len(found) < limit {
			return found, int64(len(found)), err
		}
		total, err := count()
		return found, total, err
	}
	total, err := count()
	if err != nil || int64(offset) >= total {
		return nil, total, err
	}
	found, err := between(ctx, d, l, where, q.Sorts, total, limit, offset, scan)
	return found, total, err
}

// between returns some rows of the total that meet a condition. What is near the
// end is read from there.
func between[T any](ctx context.Context, d *db.DB, l listing, where condition, sorts []query.Sort, total int64, limit, offset int, scan func(*db.Rows) (T, error)) ([]T, error) {
	back := int64(offset) > total/2
	if back {
		end := max(total-int64(offset)-int64(limit), 0)
		limit, offset = int(total-int64(offset)-end), int(end)
	}
	found, err := some(ctx, d, l, where, l.orderBy(sorts, back), limit, offset, scan)
	if back {
		slices.Reverse(found)
	}
	return found, err
}

func some[T any](ctx context.Context, d *db.DB, l listing, where condition, order string, limit, offset int, scan func(*db.Rows) (T, error)) ([]T, error) {
	rows, err := d.Query(ctx, l.statement(where, order), append(slices.Clone(where.args), limit, offset)...)
	if err != nil {
		return nil, fmt.Errorf("list of %s: %w", l.from, err)
	}
	found, err := gatherIn(rows, newRoom(), scan)
	if err != nil {
		return nil, fmt.Errorf("list of %s: %w", l.from, err)
	}
	return found, nil
}

// statement reads some rows in an order; its last parameters are how many, and
// how many not.
func (l listing) statement(where condition, order string) string {
	return "SELECT " + l.fields + " FROM " + l.from + " WHERE " + where.sql + " ORDER BY " + order + " LIMIT ? OFFSET ?"
}

// count returns how many rows meet a condition.
func (l listing) count(ctx context.Context, d *db.DB, where condition) (n int64, err error) {
	q := condition{"SELECT count(*) FROM " + cmp.Or(l.counts, l.from) + " WHERE " + where.sql, where.args}
	if l.total != nil {
		q = *l.total
	}
	err = d.QueryRow(ctx, q.sql, q.args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count of %s: %w", l.from, err)
	}
	return n, nil
}

// where returns the base with the filters. Those of other fields than the
// columns are ignored, as the API has it.
func (l listing) where(base condition, filters []query.Filter) (condition, error) {
	parts := []string{"(" + base.sql + ")"}
	args := slices.Clone(base.args)
	for _, f := range filters {
		c, ok := l.columns[f.Field]
		if !ok {
			continue
		}
		one, err := c.condition(f)
		if err != nil {
			return condition{}, err
		}
		parts = append(parts, one.sql)
		args = append(args, one.args...)
	}
	return condition{strings.Join(parts, " AND "), args}, nil
}

// orderBy ends with the id, in the direction of what comes before it, so that
// pages neither overlap nor leave gaps. Where back is set, it begins at the end.
func (l listing) orderBy(sorts []query.Sort, back bool) string {
	var b strings.Builder
	desc := back
	for _, s := range l.sortedBy(query.Query{Sorts: sorts}) {
		b.WriteString(l.columns[s.Field].expr)
		if desc = s.Desc != back; desc {
			b.WriteString(" DESC")
		}
		b.WriteString(", ")
	}
	b.WriteString(l.id)
	if desc {
		b.WriteString(" DESC")
	}
	return b.String()
}

func (l listing) checkSorts(sorts []query.Sort) error {
	for _, s := range sorts {
		if _, ok := l.columns[s.Field]; ok && l.sorts != nil && !slices.Contains(l.sorts, s.Field) {
			return query.ErrInvalid.With("%s cannot sort this list, but %s can", s.Field, strings.Join(l.sorts, " and "))
		}
	}
	return nil
}

// sortedBy returns the query's sorts by columns, each once, or the order of the
// listing.
func (l listing) sortedBy(q query.Query) []query.Sort {
	var by []query.Sort
	seen := map[string]bool{}
	for _, s := range q.Sorts {
		if _, ok := l.columns[s.Field]; ok && !seen[s.Field] {
			by = append(by, s)
			seen[s.Field] = true
		}
	}
	if len(by) == 0 {
		return l.order
	}
	return by
}

// gathered is the condition that an expression is among what a query finds, which
// is gathered once and then asked for each row. As a mere IN, it would lead to the
// rows, or be asked by PostgreSQL for each of them again.
func gathered(expr string, among condition) condition {
	return condition{"NOT (" + expr + " NOT IN (" + among.sql + "))", among.args}
}

// unindexed is the column for conditions that rows are not to be found by: where
// they are many, sorting them takes ten times as long as a walk in their order.
func (c column) unindexed() column {
	if c.kind == text || c.kind == digest {
		c.expr = "(" + c.expr + " || '')"
	} else {
		c.expr = "+" + c.expr
	}
	return c
}

func (c column) condition(f query.Filter) (condition, error) {
	switch f.Op {
	case query.Fuzzy:
		return c.contains(f)
	case query.Range:
		return c.between(f)
	case query.Any:
		args, err := c.values(f.Field, f.Values)
		return condition{c.expr + " IN (" + db.In(len(args)) + ")", args}, err
	case query.All:
		args, err := c.values(f.Field, f.Values)
		return condition{strings.Join(slices.Repeat([]string{c.expr + " = ?"}, len(args)), " AND "), args}, err
	}
	args, err := c.values(f.Field, []any{f.Value})
	return condition{c.expr + " = ?", args}, err
}

func (c column) between(f query.Filter) (condition, error) {
	if c.kind == flag {
		return condition{}, query.ErrInvalid.With("%s has no order", f.Field)
	}
	var parts []string
	var bounds []any
	if f.Min != nil {
		parts, bounds = append(parts, c.expr+" >= ?"), append(bounds, f.Min)
	}
	if f.Max != nil {
		parts, bounds = append(parts, c.expr+" <= ?"), append(bounds, f.Max)
	}
	args, err := c.values(f.Field, bounds)
	return condition{strings.Join(parts, " AND "), args}, err
}

// contains lowers the letters of ASCII on both sides, and no others: that is
// what both databases do.
func (c column) contains(f query.Filter) (condition, error) {
	if c.kind != text && c.kind != digest {
		return condition{}, query.ErrInvalid.With("%s is no text to search in", f.Field)
	}
	args, err := c.values(f.Field, []any{f.Value})
	if err != nil {
		return condition{}, err
	}
	expr, part := c.expr, lowerASCII(args[0].(string))
	if c.kind == text {
		expr = "LOWER(" + expr + ")"
	}
	if strings.ContainsAny(part, escaped) {
		return condition{expr + " LIKE ? ESCAPE '!'", []any{"%" + likeEscaper.Replace(part) + "%"}}, nil
	}
	return condition{expr + " LIKE ?", []any{"%" + part + "%"}}, nil
}

// escaped are the letters that LIKE does not take as they are. Without ESCAPE,
// the backslash is one of them to PostgreSQL. With it, both look at it for each row.
const escaped = `!%_\`

var likeEscaper = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// values returns what to give to the database for values of the column.
func (c column) values(field string, given []any) ([]any, error) {
	if len(given) == 0 {
		return nil, query.ErrInvalid.With("%s is compared with nothing", field)
	}
	args := make([]any, len(given))
	for i, v := range given {
		arg, ok := c.kind.value(v)
		if !ok {
			return nil, query.ErrInvalid.With("%s cannot have such a value", field)
		}
		args[i] = arg
	}
	return args, nil
}

// value converts what a query says to what a column of the kind holds.
func (k columnKind) value(v any) (any, bool) {
	switch k {
	case number:
		return numberOf(v)
	case flag:
		return flagOf(v)
	case moment:
		return momentOf(v)
	}
	return textOf(v)
}

const plainTime = "2006-01-02T15:04:05"

// textOf also undoes what query made of a text that looks like something else.
func textOf(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		// PostgreSQL takes neither of these, and no text has them.
		return v, utf8.ValidString(v) && !strings.Contains(v, "\x00")
	case int64:
		return strconv.FormatInt(v, 10), true
	case time.Time:
		return v.Format(plainTime), true
	}
	return nil, false
}

func numberOf(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return nil, false
}

func flagOf(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case int64:
		return v == 1, v == 0 || v == 1
	case string:
		b, err := strconv.ParseBool(v)
		return b, err == nil
	}
	return nil, false
}

func momentOf(v any) (any, bool) {
	switch v := v.(type) {
	case time.Time:
		return v.UnixMicro(), true
	case string:
		for _, layout := range []string{plainTime, time.DateTime, time.RFC3339} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UnixMicro(), true
			}
		}
	}
	return nil, false
}
