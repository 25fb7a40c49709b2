package api

import (
	"encoding/json"
	"strings"
)

// A document is what the tests read of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		Parameters  []struct{ Name, In string }
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Properties map[string]schema
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
