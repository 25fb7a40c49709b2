package sqlstore

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// sample is a listing of every kind of column.
var sample = listing{
	columns: map[string]column{
		"name":    {"s.name", text},
		"size":    {"s.size", number},
		"public":  {"s.public", flag},
		"created": {"s.created", moment},
	},
	order: []query.Sort{{Field: "created", Desc: true}},
	id:    "s.id",
}

func TestFiltersBecomeConditions(t *testing.T) {
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	type values = []any
	cases := []struct {
		name string
		f    query.Filter
		sql  string
		args values
	}{
		{"text", query.Filter{Field: "name", Value: "x"}, "s.name = ?", values{"x"}},
		{"text that looks like a number", query.Filter{Field: "name", Op: query.Any, Values: values{int64(42), "x"}}, "s.name IN (?, ?)", values{"42", "x"}},
		{"text that looks like a time", query.Filter{Field: "name", Op: query.Any, Values: values{at}}, "s.name IN (?)", values{"2026-11-25T01:02:03"}},
		{"text, fuzzy", query.Filter{Field: "name", Op: query.Fuzzy, Value: "A_b%C!ß"}, "LOWER(s.name) LIKE ? ESCAPE '!'", values{"%a!_b!%c!!ß%"}},
		{"text, fuzzy, of letters alone", query.Filter{Field: "name", Op: query.Fuzzy, Value: "ABß"}, "LOWER(s.name) LIKE ?", values{"%abß%"}},
		{"text, fuzzy, with a backslash", query.Filter{Field: "name", Op: query.Fuzzy, Value: `a\`}, "LOWER(s.name) LIKE ? ESCAPE '!'", values{`%a\%`}},
		{"text, range", query.Filter{Field: "name", Op: query.Range, Min: "a", Max: int64(7)}, "s.name >= ? AND s.name <= ?", values{"a", "7"}},
		{"text, all", query.Filter{Field: "name", Op: query.All, Values: values{"a", "b"}}, "s.name = ? AND s.name = ?", values{"a", "b"}},
		{"text with a zero byte", query.Filter{Field: "name", Value: "a\x00"}, "", nil},
		{"text that is none", query.Filter{Field: "name", Op: query.Fuzzy, Value: "\xff"}, "", nil},
		{"text of a strange type", query.Filter{Field: "name", Value: 1.5}, "", nil},
		{"nothing", query.Filter{Field: "name"}, "", nil},
		{"any of nothing", query.Filter{Field: "name", Op: query.Any}, "", nil},
		{"range without bounds", query.Filter{Field: "name", Op: query.Range}, "", nil},
		{"number", query.Filter{Field: "size", Value: "-7"}, "s.size = ?", values{int64(-7)}},
		{"number, range", query.Filter{Field: "size", Op: query.Range, Min: int64(3)}, "s.size >= ?", values{int64(3)}},
		{"number that is none", query.Filter{Field: "size", Value: "7 OR 1=1"}, "", nil},
		{"number, too large", query.Filter{Field: "size", Value: "9223372036854775808"}, "", nil},
		{"number, fuzzy", query.Filter{Field: "size", Op: query.Fuzzy, Value: "7"}, "", nil},
		{"number from a time", query.Filter{Field: "size", Op: query.Range, Min: at}, "", nil},
		{"flag", query.Filter{Field: "public", Value: "true"}, "s.public = ?", values{true}},
		{"flag of Go", query.Filter{Field: "public", Value: false}, "s.public = ?", values{false}},
		{"flag as a number", query.Filter{Field: "public", Op: query.Any, Values: values{int64(1)}}, "s.public IN (?)", values{true}},
		{"flag that is none", query.Filter{Field: "public", Op: query.Any, Values: values{int64(2)}}, "", nil},
		{"flag, range", query.Filter{Field: "public", Op: query.Range, Min: int64(0)}, "", nil},
		{"moment, range", query.Filter{Field: "created", Op: query.Range, Min: at, Max: "2026-11-25 01:02:04"}, "s.created >= ? AND s.created <= ?",
			values{at.UnixMicro(), at.UnixMicro() + 1e6}},
		{"moment", query.Filter{Field: "created", Value: "2026-11-25T01:02:03"}, "s.created = ?", values{at.UnixMicro()}},
		{"moment that is none", query.Filter{Field: "created", Value: "yesterday"}, "", nil},
		{"moment from a number", query.Filter{Field: "created", Op: query.Range, Min: int64(7)}, "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := sample.where(condition{"b = ?", values{"base"}}, []query.Filter{c.f})
			if c.sql == "" {
				if !errors.Is(err, query.ErrInvalid) {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got.sql != "(b = ?) AND "+c.sql || !slices.Equal(got.args, append(values{"base"}, c.args...)) {
				t.Errorf("got %s with %v, %v", got.sql, got.args, err)
			}
		})
	}
}

func TestOnlyColumnsFilterAndSort(t *testing.T) {
	base := condition{"TRUE", nil}
	for _, field := range []string{"password", "s.name", "name; DROP TABLE s", "name--", "", "Name", "deleted", "s.public OR 1"} {
		got, err := sample.where(base, []query.Filter{{Field: field, Value: "x"}})
		if err != nil || got.sql != "(TRUE)" || len(got.args) != 0 {
			t.Errorf("filter by %q: %v, %v", field, got, err)
		}
		if got := sample.orderBy([]query.Sort{{Field: field}}, false); got != "s.created DESC, s.id DESC" {
			t.Errorf("sort by %q: %s", field, got)
		}
	}
}

func TestOrderIsTotal(t *testing.T) {
	cases := []struct {
		sorts []query.Sort
		want  string
	}{
		{nil, "s.created DESC, s.id DESC"},
		{[]query.Sort{{Field: "name"}}, "s.name, s.id"},
		{[]query.Sort{{Field: "name", Desc: true}}, "s.name DESC, s.id DESC"},
		{[]query.Sort{{Field: "public", Desc: true}, {Field: "size"}}, "s.public DESC, s.size, s.id"},
		{[]query.Sort{{Field: "none"}, {Field: "size"}, {Field: "size", Desc: true}}, "s.size, s.id"},
	}
	for _, c := range cases {
		if got := sample.orderBy(c.sorts, false); got != c.want {
			t.Errorf("%v: %s", c.sorts, got)
		}
	}
}

// No listing may have a column by which somebody could find, letter by letter,
// what is not shown.
func TestListingsHaveNoSecrets(t *testing.T) {
	for _, l := range []listing{projectListing, memberListing, accountListing, robotListing} {
		for field, c := range l.columns {
			for _, word := range []string{"password", "secret", "private", "hash", "permissions", "metadata"} {
				if strings.Contains(field, word) || strings.Contains(c.expr, word) {
					t.Errorf("%s of %s can be found by guessing", field, l.from)
				}
			}
		}
	}
}

var injections = []string{
	`'`, `"`, `\`, `\'`, `''`, `--`, `;`, `/*`, `?`, `$1`, `:a`, `@a`, `%`, `_`, `!`, `%%`, `!%`,
	`' OR '1'='1`, `" OR "1"="1`, `1 OR 1=1`, `1); DROP TABLE project; --`, `'; DELETE FROM project; --`,
	`x' UNION SELECT password FROM account --`, `(SELECT password FROM account)`, `1/0`, `pg_sleep(5)`,
	`'||(SELECT password FROM account LIMIT 1)||'`, "'\n--", `{}`, `[1~2]`, `ä`, `%27`, `\u0027`, "\x1b", "\u202e",
	"a\x00b", "\xc3\x28", strings.Repeat("a", 10_000), strings.Repeat("%", 5_000),
}

// Whatever comes in as a value, a field or an order, the answer is a page of
// what is there or a complaint about the query, and nothing is changed.
func TestListSurvivesInjection(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		alice := createUser(t, d, sampleUser("alice"))
		s := NewProjects(d)
		p := project.Project{Name: "p", OwnerID: alice.ID, Created: accountTime}
		if _, err := s.Create(t.Context(), p, event.Actor{Name: "alice"}); err != nil {
			t.Fatal(err)
		}
		fields := slices.Collect(maps.Keys(projectListing.columns))
		for _, nasty := range injections {
			for _, field := range append(fields, nasty, "password", "a.password", "p.name OR 1=1") {
				for _, f := range []query.Filter{
					{Field: field, Value: nasty},
					{Field: field, Op: query.Fuzzy, Value: nasty},
					{Field: field, Op: query.Range, Min: nasty},
					{Field: field, Op: query.Any, Values: []any{nasty, nasty}},
					{Field: field, Op: query.All, Values: []any{nasty}},
				} {
					q := query.Query{Filters: []query.Filter{f}, Sorts: []query.Sort{{Field: nasty}, {Field: field, Desc: true}}}
					found, total, err := s.List(t.Context(), project.Visible{All: true}, q)
					c, isColumn := projectListing.columns[field]
					plain := utf8.ValidString(nasty) && !strings.Contains(nasty, "\x00")
					switch {
					case errors.Is(err, query.ErrInvalid) && isColumn && (c.kind != text || !plain):
					case err != nil:
						t.Fatalf("%+v: %v", f, err)
					case int(total) != len(found):
						t.Errorf("%+v: %d of %d", f, len(found), total)
					case isColumn && (f.Op == query.Fuzzy || f.Op == query.Any) && len(found) > 0:
						t.Errorf("%+v: it matches", f)
					case !isColumn && len(found) != 1:
						t.Errorf("%+v: found %d", f, len(found))
					}
				}
			}
			if found, _, err := s.List(t.Context(), project.Visible{Names: []string{nasty}}, query.Query{}); err == nil && len(found) > 0 {
				t.Errorf("visible by the name %q: %v", nasty, found)
			}
		}
	})
}

func TestFuzzyTakesLettersAsTheyAre(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewProjects(d)
		var id int64
		for i, name := range []string{"a_b", "aXb", "100%", "100 things", "bang!", "ÄRGER", "back\\slash"} {
			u := createUser(t, d, sampleUser(name))
			if i == 0 {
				var err error
				if id, err = s.Create(t.Context(), project.Project{Name: "p", OwnerID: u.ID, Created: accountTime}, event.Actor{}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			m := project.Member{ProjectID: id, Kind: project.KindUser, EntityID: u.ID, EntityName: name, Role: access.Guest}
			if _, err := s.AddMember(t.Context(), m, event.Actor{}); err != nil {
				t.Fatal(err)
			}
		}
		for text, want := range map[string]string{
			"_": "a_b", "a_b": "a_b", "axb": "aXb", "AXB": "aXb", "%": "100%", "100": "100 things 100%",
			"!": "bang!", "Ärger": "ÄRGER", "ärger": "", `\`: `back\slash`,
		} {
			found, _, err := s.Members(t.Context(), id, query.Query{Filters: []query.Filter{{Field: "entity_name", Op: query.Fuzzy, Value: text}}})
			if err != nil {
				t.Fatal(err)
			}
			names := make([]string, len(found))
			for i, m := range found {
				names[i] = m.EntityName
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%q finds %q, want %q", text, got, want)
			}
		}
	})
}

func TestPagesNeitherOverlapNorLeaveGaps(t *testing.T) {
	const n = 23
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		alice := createUser(t, d, sampleUser("alice"))
		s := NewProjects(d)
		for i := range n {
			p := project.Project{Name: fmt.Sprintf("p%02d", i*7%n), OwnerID: alice.ID, Created: accountTime}
			if _, err := s.Create(t.Context(), p, event.Actor{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, size := range []int{1, 4, n, n + 1} {
			for _, sort := range []query.Sort{{Field: "public"}, {Field: "creation_time", Desc: true}, {Field: "name"}} {
				seen := map[int64]bool{}
				for page := 1; ; page++ {
					found, total, err := s.List(t.Context(), project.Visible{All: true}, query.Query{Sorts: []query.Sort{sort}, Page: page, Size: size})
					if err != nil || total != n {
						t.Fatalf("page %d of %d by %v: %d in all, %v", page, size, sort, total, err)
					}
					for _, p := range found {
						if seen[p.ID] {
							t.Errorf("by %v with %d a page, %s is there twice", sort, size, p.Name)
						}
						seen[p.ID] = true
					}
					if len(found) == 0 {
						break
					}
				}
				if len(seen) != n {
					t.Errorf("by %v with %d a page, there are %d of %d", sort, size, len(seen), n)
				}
			}
		}
		found, total, err := s.List(t.Context(), project.Visible{All: true}, query.Query{})
		if err != nil || total != n || len(found) != n || found[0].Name != "p00" {
			t.Errorf("all on one page: %d, %v", total, err)
		}
		if found, total, err := s.List(t.Context(), project.Visible{}, query.Query{Page: 1 << 62, Size: 100}); err != nil || total != 0 || len(found) != 0 {
			t.Errorf("far behind the end: %d of %d, %v", len(found), total, err)
		}
	})
}
