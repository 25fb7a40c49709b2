package api

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A document is what the tests read of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Enum       []any
	Properties map[string]schema
	Items      *schema
	Required   []string
	Additional json.RawMessage `json:"additionalProperties"`
}

func (w *world) document() (d document) {
	w.t.Helper()
	if err := json.Unmarshal(w.api.Document(), &d); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (d document) resolve(s schema) schema {
	for s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}
	return s
}

// kind is the type of a schema, of several the one that is not null.
func (s schema) kind() string {
	switch t := s.Type.(type) {
	case string:
		return t
	case []any:
		for _, one := range t {
			if one != "null" {
				return one.(string)
			}
		}
	}
	return ""
}

// misfit says where a value of JSON is not what a schema says, or returns "".
func (d document) misfit(s schema, v any, at string) string {
	s = d.resolve(s)
	kinds := fmt.Sprint(s.Type)
	is := ""
	switch v := v.(type) {
	case nil:
		is = "null"
	case bool:
		is = "boolean"
	case string:
		is = "string"
	case float64:
		is = "number"
		if v == math.Trunc(v) && !strings.Contains(kinds, "number") {
			is = "integer"
		}
	case []any:
		is = "array"
		for i, one := range v {
			if s.Items == nil {
				break
			}
			if wrong := d.misfit(*s.Items, one, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case map[string]any:
		is = "object"
		if wrong := d.misfitObject(s, v, at); wrong != "" {
			return wrong
		}
	}
	if s.Type != nil && !strings.Contains(kinds, is) {
		return fmt.Sprintf("%s is %s, and in the document %s", at, is, kinds)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Sprintf("%s is %v, none of %v", at, v, s.Enum)
	}
	return ""
}

func (d document) misfitObject(s schema, v map[string]any, at string) string {
	for _, name := range s.Required {
		if _, has := v[name]; !has {
			return at + "." + name + " is missing"
		}
	}
	var others schema
	open := len(s.Additional) > 0 && json.Unmarshal(s.Additional, &others) == nil
	for name, one := range v {
		p, known := s.Properties[name]
		switch {
		case known:
		case open:
			p = others
		case len(s.Properties) > 0:
			return at + "." + name + " is not in the document"
		}
		if wrong := d.misfit(p, one, at+"."+name); wrong != "" {
			return wrong
		}
	}
	return ""
}

// fits complains of an answer that is not as the document has it.
func (w *world) fits(method, path string, a answer) {
	w.t.Helper()
	known := w.api.documented()
	for _, r := range w.api.table {
		if r.method != method || !matches(r.path, path) {
			continue
		}
		responses := known.Paths[r.path][strings.ToLower(method)].Responses
		said, ok := responses[strconv.Itoa(a.Code)]
		if !ok {
			said = responses["default"]
		}
		media, isJSON := said.Content["application/json"]
		if !isJSON || a.Body.Len() == 0 || !strings.HasPrefix(a.Header().Get("Content-Type"), "application/json") {
			return
		}
		var v any
		if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
			w.t.Errorf("%s: %v", a.request, err)
			return
		}
		if wrong := known.misfit(media.Schema, v, "answer"); wrong != "" {
			w.t.Errorf("%s: %d: %s\n%s", a.request, a.Code, wrong, a.Body)
		}
		return
	}
}

// documented returns the document, which is read once.
func (a *API) documented() document {
	read.Lock()
	defer read.Unlock()
	d, ok := documents[string(a.document)]
	if !ok {
		if err := json.Unmarshal(a.document, &d); err != nil {
			panic(err)
		}
		documents[string(a.document)] = d
	}
	return d
}

var (
	read      sync.Mutex
	documents = map[string]document{}
)

// matches reports whether a path of a request is one of a route.
func matches(route, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	parts := func(path string) []string { return strings.Split(strings.TrimSuffix(path, "/"), "/") }
	want, got := parts(route), parts(strings.TrimPrefix(path, base))
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && want[i] != got[i] {
			return false
		}
	}
	return true
}

// bodyFields returns the fields of a route's body and their types.
func (d document) bodyFields(r row) map[string]string {
	fields := map[string]string{}
	for _, media := range d.Paths[r.path][strings.ToLower(r.method)].RequestBody.Content {
		for name, s := range d.resolve(media.Schema).Properties {
			fields[name] = d.resolve(s).kind()
		}
	}
	return fields
}

func (d document) hasParameter(r row, name string) bool {
	for _, p := range d.Paths[r.path][strings.ToLower(r.method)].Parameters {
		if p.In == "query" && p.Name == name {
			return true
		}
	}
	return false
}
