package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// sentExtension is the field of a schema in the document that names the fields
// which are in every answer. In requests all may be missing, so that "required"
// cannot say it; programs that are made of the document, like the portal, need
// not ask of each field whether it is there.
const sentExtension = "x-berth-sent"

// noteSent adds the extension to all schemas that are made of structs.
func noteSent(schemas huma.Registry) {
	for name, s := range schemas.Map() {
		t := schemas.TypeFromRef("#/components/schemas/" + name)
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		if names := sent(t); len(names) > 0 {
			s.Extensions = map[string]any{sentExtension: names}
		}
	}
}

// sent returns the fields of a struct that encoding/json never leaves out.
func sent(t reflect.Type) (names []string) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && name != "" && name != "-" && !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			names = append(names, name)
		}
	}
	return names
}
