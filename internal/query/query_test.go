package query

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFilters(t *testing.T) {
	noon := time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		q    string
		want []Filter
	}{
		{"", nil},
		{"name=library", []Filter{{Field: "name", Value: "library"}}},
		{"name=~lib", []Filter{{Field: "name", Op: Fuzzy, Value: "lib"}}},
		{`name=\~lib`, []Filter{{Field: "name", Value: "~lib"}}},
		{"name=a=b", []Filter{{Field: "name", Value: "a=b"}}},
		{"name%3D~lib%2Cpublic%3Dtrue", []Filter{{Field: "name", Op: Fuzzy, Value: "lib"}, {Field: "public", Value: "true"}}},
		{"name=100%", []Filter{{Field: "name", Value: "100%"}}},
		{"id=[1~5]", []Filter{{Field: "id", Op: Range, Min: int64(1), Max: int64(5)}}},
		{"id=[~5]", []Filter{{Field: "id", Op: Range, Max: int64(5)}}},
		{"creation_time=[2024-01-02T12:00:00~]", []Filter{{Field: "creation_time", Op: Range, Min: noon}}},
		{`id={1 b 'c' "d"}`, []Filter{{Field: "id", Op: Any, Values: []any{int64(1), "b", "c", "d"}}}},
		{"tag={007 -0 7}", []Filter{{Field: "tag", Op: Any, Values: []any{"007", "-0", int64(7)}}}},
		{"at=[2024-01-02T12:00:00.5~]", []Filter{{Field: "at", Op: Range, Min: "2024-01-02T12:00:00.5"}}},
		{"labels=(1 2)", []Filter{{Field: "labels", Op: All, Values: []any{int64(1), int64(2)}}}},
		{"Level=project,ProjectID=7", []Filter{{Field: "level", Value: "project"}, {Field: "project_id", Value: "7"}}},
		{"level=system,Level=project", []Filter{{Field: "level", Value: "project"}}},
		{"1=1;--=x,name=a", []Filter{{Field: "1", Value: "1;--=x"}, {Field: "name", Value: "a"}}},
		{"na'me=x", nil},
		{strings.Repeat("k", 65) + "=x", nil},
	}
	for _, tt := range tests {
		got, err := Parse(tt.q, "", 1, 10)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.q, err)
			continue
		}
		if d := cmp.Diff(tt.want, got.Filters); d != "" {
			t.Errorf("Parse(%q): -want +got\n%s", tt.q, d)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, q := range []string{
		"name", "=x", "name=", "name=x,", ",", "name=~",
		"id=[1~2", "id=[~]", "id=[5]", "id=[]", "id={}", "id={ }", "id={1", "id=()", "id=(1",
		strings.Repeat("a=b,", 40) + "a=b",
		"a={" + strings.Repeat("1 ", 600) + "}",
		"a=" + strings.Repeat("b", maxText),
	} {
		if _, err := Parse(q, "", 1, 10); !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse(%.40q): %v, want ErrInvalid", q, err)
		}
	}
	if _, err := Parse("", strings.Repeat("a,", 20), 1, 10); !errors.Is(err, ErrInvalid) {
		t.Errorf("a long sort: %v, want ErrInvalid", err)
	}
	if _, err := Parse("", "", 1, -2); !errors.Is(err, ErrInvalid) {
		t.Errorf("page_size -2: %v, want ErrInvalid", err)
	}
}

func TestParseSorts(t *testing.T) {
	got, err := Parse("", "-CreationTime, name,,-,a;drop table", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	want := Query{Sorts: []Sort{{"creation_time", true}, {"name", false}}, Page: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestFieldNames(t *testing.T) {
	for in, want := range map[string]string{
		"ID": "id", "UserID": "user_id", "username": "username", "Username": "username",
		"OPTime": "op_time", "hard.storage": "hard.storage", "creation_time": "creation_time",
		"_x": "_x", "A_B": "a_b", "né": "",
	} {
		if got := field(in); got != want {
			t.Errorf("field(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLimit(t *testing.T) {
	tests := []struct{ page, size, limit, offset int }{
		{1, 10, 10, 0}, {3, 10, 10, 20}, {0, 0, MaxUnpaged, 0}, {2, 0, MaxUnpaged, MaxUnpaged},
		{math.MaxInt, 100, 100, math.MaxInt - 100}, {math.MaxInt, 0, MaxUnpaged, math.MaxInt - MaxUnpaged},
	}
	for _, tt := range tests {
		limit, offset := Query{Page: tt.page, Size: tt.size}.Limit()
		if limit != tt.limit || offset != tt.offset {
			t.Errorf("page %d of %d: %d, %d, want %d, %d", tt.page, tt.size, limit, offset, tt.limit, tt.offset)
		}
	}
}

func TestWhereLeavesItsReceiver(t *testing.T) {
	q, _ := Parse("a=1,b=2", "", 1, 10)
	r := q.Where(Filter{Field: "a", Value: "3"})
	if f, _ := q.Filter("a"); f.Value != "1" {
		t.Errorf("the receiver's a became %q", f.Value)
	}
	if f, ok := r.Filter("a"); !ok || f.Value != "3" || len(r.Filters) != 2 {
		t.Errorf("got %+v", r.Filters)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("name=~lib,id=[1~5],labels=(1 2),x={a b}", "-name,id", 1, 10)
	f.Add("%", "-", -1, 0)
	f.Add("a=\\", ",", math.MaxInt, math.MaxInt)
	f.Fuzz(func(t *testing.T, q, sort string, page, size int) {
		got, err := Parse(q, sort, page, size)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("not ErrInvalid: %v", err)
			}
			return
		}
		if limit, offset := got.Limit(); limit <= 0 || offset < 0 || limit+offset < 0 {
			t.Fatalf("limit %d, offset %d", limit, offset)
		}
		if len(got.Filters) > maxFilters || len(got.Sorts) > maxSorts {
			t.Fatalf("%d filters, %d sorts", len(got.Filters), len(got.Sorts))
		}
		seen := map[string]bool{}
		for _, c := range got.Filters {
			if seen[c.Field] || !isColumn(c.Field) || len(c.Values) > maxValues {
				t.Fatalf("filter %+v", c)
			}
			seen[c.Field] = true
		}
		for _, s := range got.Sorts {
			if !isColumn(s.Field) {
				t.Fatalf("sort by %q", s.Field)
			}
		}
	})
}

func isColumn(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}
