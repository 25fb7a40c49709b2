package api

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/serve/web"
)

// A moment is a time as the API writes it: RFC 3339 in UTC with exactly three
// digits behind the second.
type moment time.Time

// MarshalJSON writes the time; the zero time is in the year 1.
func (m moment) MarshalJSON() ([]byte, error) {
	return time.Time(m).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// UnmarshalJSON takes any JSON: clients send back what they were given, and no
// operation reads a time.
func (m *moment) UnmarshalJSON([]byte) error { return nil }

// Schema describes a moment for the document.
func (moment) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

// perhaps is a time that may not have come.
func perhaps(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := moment(t)
	return &m
}

// nothing is the answer without a body.
type nothing struct{}

// changed is the answer without a body of a POST that makes nothing of its own.
type changed struct{}

func (*changed) status() int { return http.StatusOK }

// created is the answer of most operations that make something.
type created struct {
	Location string `header:"Location" doc:"path of what was created"`
}

// at returns the path of what was created.
func at(path string, args ...any) string { return base + fmt.Sprintf(path, args...) }

// Paging is the part of a request that asks for a page of a list.
type Paging struct {
	Page int `query:"page" default:"1" minimum:"0" doc:"which page, from 1; 0 is the first as well"`
	Size int `query:"page_size" default:"10" minimum:"-1" maximum:"100" doc:"how many items are on a page; 0 and -1 ask for all, of which a page holds 50000 at most; one that would come to more than about 32 MiB is refused"`

	url url.URL
}

// Resolve keeps the address of the request, for the links to the other pages.
func (p *Paging) Resolve(c huma.Context) []error {
	p.url = c.URL()
	return nil
}

// Filtering is the part of a request that asks for some items of a list, in an
// order.
type Filtering struct {
	Q    string `query:"q" doc:"conditions, separated by commas: k=v is exact, k=~v fuzzy, k=[min~max] a range, k={a b} any of, k=(a b) all of"`
	Sort string `query:"sort" doc:"fields to sort by, separated by commas; - before one reverses it"`
}

// ask returns what a request asks of a list.
func ask(f Filtering, p Paging) (query.Query, error) { return query.Parse(f.Q, f.Sort, p.Page, p.Size) }

// maybe is a boolean of a query that may be left out.
type maybe struct{ Value, Set bool }

// Receiver, OnParamSet and Schema are how huma fills in and describes one.
func (m *maybe) Receiver() reflect.Value { return reflect.ValueOf(m).Elem().Field(0) }

func (m *maybe) OnParamSet(set bool, _ any) { m.Set = set }

func (maybe) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean} }

// list is the answer with a page of items.
type list[T any] struct {
	Total int64  `header:"X-Total-Count" doc:"how many items there are on all pages"`
	Link  string `header:"Link" doc:"the pages before and after this one"`
	Body  []T
}

// page makes the answer of a page's items.
func page[F, T any](p Paging, from []F, total int64, item func(F) T) *list[T] {
	return &list[T]{Total: total, Link: web.Links(&p.url, total, p.Page, p.Size), Body: all(from, item)}
}

// all converts items. Lists of none are [] on the wire.
func all[F, T any](from []F, item func(F) T) []T {
	out := make([]T, len(from))
	for i, f := range from {
		out[i] = item(f)
	}
	return out
}

// each is all where a list of none is null on the wire.
func each[F, T any](from []F, item func(F) T) []T {
	if from == nil {
		return nil
	}
	return all(from, item)
}

// Located is the part of a request that knows where the client believes the
// server to be.
type Located struct {
	base url.URL
}

// Resolve keeps the address.
func (l *Located) Resolve(c huma.Context) []error {
	r, _ := humago.Unwrap(c)
	l.base = *web.External(r)
	return nil
}

// text and file are answers that are no JSON.
type (
	text struct {
		Type string `header:"Content-Type" hidden:"true"`
		Body []byte
	}
	file struct {
		Type        string `header:"Content-Type" hidden:"true"`
		Disposition string `header:"Content-Disposition"`
		Body        []byte
	}
)

func (*text) media() string { return "text/plain" }
func (*file) media() string { return "application/octet-stream" }
