// Package query reads how a list is asked for: the parameters q, sort, page and
// page_size of the API. It knows the language and none of the fields: which of
// them may filter or sort is for each store to say, and a store ignores what it
// does not list. Whatever the input, a parsed Query is small.
package query

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrInvalid is returned for a text that is not of the language.
var ErrInvalid = fault.New(fault.Invalid, "BAD_REQUEST", "invalid query")

// MaxUnpaged is how many rows a Query without a page size gives at a time. It
// bounds what one request can cost; the rows behind it are on page 2.
const MaxUnpaged = 50_000

// MaxAnswer is how many bytes the rows of one answer may come to, about: whether
// they are many or large.
const MaxAnswer = 32 << 20

// ErrTooMuch is returned for a page whose rows come to more than MaxAnswer.
var ErrTooMuch = fault.New(fault.Invalid, "BAD_REQUEST", "the answer would be larger than 32 MiB: ask for smaller pages, by page and page_size")

// What one query may hold.
const (
	maxText    = 16 << 10
	maxFilters = 32
	maxValues  = 500
	maxSorts   = 8
	maxField   = 64
)

// A Query says which rows are wanted, in which order, and which page of them.
// The zero Query wants the first MaxUnpaged rows in the order of the store.
type Query struct {
	Filters []Filter // all must hold; each field is there once at most
	Sorts   []Sort   // the first decides first; none: the store's own order
	Page    int      // from 1
	Size    int      // rows a page; 0 where none was asked for
}

// An Op is how a filter compares.
type Op uint8

// The comparisons, with the part of Filter that each uses and how it is
// written.
const (
	Exact Op = iota // Value: field=v
	Fuzzy           // Value, contained whatever the case: field=~v
	Range           // Min and Max, both inclusive, one of them may be nil: field=[a~b]
	Any             // Values, one of which matches: field={a b}
	All             // Values, all of which match: field=(a b)
)

// A Filter holds for the rows whose field compares so. Min, Max and Values are
// of type time.Time (UTC), int64 or string; Value is a string where it comes
// from Parse.
type Filter struct {
	Field    string // lower case, with underscores: "creation_time"
	Op       Op
	Value    any
	Values   []any
	Min, Max any
}

// A Sort orders by a field.
type Sort struct {
	Field string // as in Filter
	Desc  bool
}

// Parse reads the parameters of a list. A page below 1 is the first; a size of
// 0 or -1 asks for all rows, see MaxUnpaged. Fields may be written as columns
// ("project_id") or in the manner of Go ("ProjectID"); of a field that is given
// twice, the last counts. It returns ErrInvalid.
func Parse(q, sort string, page, size int) (Query, error) {
	if len(q) > maxText || len(sort) > maxText {
		return Query{}, ErrInvalid.With("more than %d characters", maxText)
	}
	if size < -1 {
		return Query{}, ErrInvalid.With("page_size %d", size)
	}
	out := Query{Page: max(page, 1), Size: max(size, 0)}
	var err error
	if out.Filters, err = filters(q); err != nil {
		return Query{}, err
	}
	if out.Sorts, err = sorts(sort); err != nil {
		return Query{}, err
	}
	return out, nil
}

// Limit returns how many rows to read and how many to pass over. Neither is
// negative, and their sum does not overflow.
func (q Query) Limit() (limit, offset int) {
	limit = q.Size
	if limit <= 0 {
		limit = MaxUnpaged
	}
	before := max(q.Page, 1) - 1
	if before > (math.MaxInt-limit)/limit {
		return limit, math.MaxInt - limit
	}
	return limit, before * limit
}

// Filter returns the filter of a field, where there is one.
func (q Query) Filter(field string) (Filter, bool) {
	for _, f := range q.Filters {
		if f.Field == field {
			return f, true
		}
	}
	return Filter{}, false
}

// Where returns q with one more filter, which replaces one of the same field. q
// itself does not change.
func (q Query) Where(f Filter) Query {
	kept := make([]Filter, 0, len(q.Filters)+1)
	for _, old := range q.Filters {
		if old.Field != f.Field {
			kept = append(kept, old)
		}
	}
	q.Filters = append(kept, f)
	return q
}

func filters(q string) ([]Filter, error) {
	if q == "" {
		return nil, nil
	}
	// Clients escape the whole of q once more than its place in a URL asks for.
	if plain, err := url.PathUnescape(q); err == nil {
		q = plain
	}
	if strings.Count(q, ",") >= maxFilters {
		return nil, ErrInvalid.With("more than %d conditions", maxFilters)
	}
	var all Query
	for part := range strings.SplitSeq(q, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || key == "" || value == "" {
			return nil, ErrInvalid.With("%q is not of the form key=value", clip(part))
		}
		f, err := filter(value)
		if err != nil {
			return nil, err
		}
		if f.Field = field(key); f.Field != "" {
			all = all.Where(f)
		}
	}
	return all.Filters, nil
}

func filter(value string) (Filter, error) {
	switch value[0] {
	case '~':
		if len(value) == 1 {
			return Filter{}, ErrInvalid.With("nothing behind ~")
		}
		return Filter{Op: Fuzzy, Value: value[1:]}, nil
	case '[':
		return between(value)
	case '{':
		return list(value, Any, "}")
	case '(':
		return list(value, All, ")")
	case '\\':
		return Filter{Op: Exact, Value: value[1:]}, nil
	}
	return Filter{Op: Exact, Value: value}, nil
}

func between(value string) (Filter, error) {
	inner, closed := strings.CutSuffix(value[1:], "]")
	low, high, split := strings.Cut(inner, "~")
	if !closed || !split || low == "" && high == "" {
		return Filter{}, ErrInvalid.With("%q is not of the form [min~max]", clip(value))
	}
	return Filter{Op: Range, Min: item(low), Max: item(high)}, nil
}

func list(value string, op Op, end string) (Filter, error) {
	inner, closed := strings.CutSuffix(value[1:], end)
	items := strings.Fields(inner)
	if !closed || len(items) == 0 {
		return Filter{}, ErrInvalid.With("%q is not a list", clip(value))
	}
	if len(items) > maxValues {
		return Filter{}, ErrInvalid.With("more than %d values", maxValues)
	}
	f := Filter{Op: op, Values: make([]any, len(items))}
	for i, s := range items {
		f.Values[i] = item(s)
	}
	return f, nil
}

// item returns what s looks like: nothing, a time, a number or a text. It is a
// text also where a time or a number would not be written so again ("007"): in a
// column of texts that is another one.
func item(s string) any {
	const plain = "2006-01-02T15:04:05"
	if s == "" {
		return nil
	}
	if t, err := time.Parse(plain, s); err == nil && t.Format(plain) == s {
		return t
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return strings.Trim(s, `"'`)
}

func sorts(s string) ([]Sort, error) {
	if strings.Count(s, ",") >= maxSorts {
		return nil, ErrInvalid.With("more than %d fields to sort by", maxSorts)
	}
	var out []Sort
	for part := range strings.SplitSeq(s, ",") {
		name, desc := strings.CutPrefix(strings.TrimSpace(part), "-")
		if f := field(name); f != "" {
			out = append(out, Sort{Field: f, Desc: desc})
		}
	}
	return out, nil
}

// field returns a name as a column is written, or "" for one that no column
// has.
func field(name string) string {
	name = strings.TrimSpace(name)
	if len(name) > maxField {
		return ""
	}
	out := make([]byte, 0, len(name)+4)
	for i := range len(name) {
		c := name[i]
		switch {
		case isUpper(c):
			if startsWord(name, i) {
				out = append(out, '_')
			}
			out = append(out, c+'a'-'A')
		case isLower(c), '0' <= c && c <= '9', c == '_', c == '.':
			out = append(out, c)
		default:
			return ""
		}
	}
	return string(out)
}

// startsWord reports whether the capital at i begins a word: behind a small
// letter ("projectId") or before one ("IDName").
func startsWord(name string, i int) bool {
	if i == 0 || name[i-1] == '_' || name[i-1] == '.' {
		return false
	}
	return !isUpper(name[i-1]) || i+1 < len(name) && isLower(name[i+1])
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

// clip keeps a text that is repeated to its sender short.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
