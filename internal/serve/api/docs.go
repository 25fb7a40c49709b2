package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsPath is where the page is, below the base.
const docsPath = "/docs"

// What the page is made of. It loads nothing: its style and its script are in
// it, and its policy names them by their hashes.
var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.css
	docsCSS string
	//go:embed docs.js
	docsJS string

	docsTemplate = template.Must(template.New("docs").Parse(docsHTML))
	docsPolicy   = "default-src 'none'; style-src " + hashed(docsCSS) + "; script-src " + hashed(docsJS) +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// hashed returns how a policy names an element by what is in it.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

type docsAnswer struct {
	Type   string `header:"Content-Type" hidden:"true"`
	Policy string `header:"Content-Security-Policy"`
	Body   []byte
}

func (*docsAnswer) media() string { return "text/html" }

// docs answers with the document for people: a page without need of anything
// else.
func (s *system) docs(context.Context, *struct{}) (*docsAnswer, error) {
	body, err := s.page()
	if err != nil {
		return nil, fmt.Errorf("api: page: %w", err)
	}
	return &docsAnswer{"text/html; charset=utf-8", docsPolicy, body}, nil
}

// A docsPage is what the template shows: everything in it is text, and escaped,
// but the style and the script.
type docsPage struct {
	Title, Version string
	Style          template.CSS
	Script         template.JS
	Groups         []docsGroup
	Schemas        []docsSchema
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

// Anchor is what links to the group say.
func (g docsGroup) Anchor() string { return strings.ReplaceAll(g.Name, " ", "-") }

type docsOperation struct {
	ID, Method, Path, Right string
	Parameters              []docsField
	Body                    []docsContent
	Responses               []docsResponse
}

type docsResponse struct {
	Status, Text string
	Headers      []docsField
	Content      []docsContent
}

type docsContent struct {
	Media string
	Type  docsType
}

type docsSchema struct {
	Name   string
	Type   docsType
	Fields []docsField
}

// A docsField is a parameter, a header, or a field of a schema.
type docsField struct {
	Name, In, Text string
	Required       bool
	Type           docsType
}

// A docsType is a type in words: what is before the schema that it names, if it
// names one, and what its values are bound by.
type docsType struct{ Words, Ref, Bounds string }

// renderDocs makes the page of the document.
func (a *API) renderDocs() ([]byte, error) { return renderDocs(a.huma.OpenAPI(), a.table) }

func renderDocs(doc *huma.OpenAPI, table []row) ([]byte, error) {
	p := docsPage{Title: doc.Info.Title, Version: doc.Info.Version, Style: template.CSS(docsCSS), Script: template.JS(docsJS)}
	for _, r := range table {
		o := operationOf(doc.Paths[r.path], r.method)
		i := slices.IndexFunc(p.Groups, func(g docsGroup) bool { return g.Name == o.Tags[0] })
		if i < 0 {
			i = len(p.Groups)
			p.Groups = append(p.Groups, docsGroup{Name: o.Tags[0]})
		}
		p.Groups[i].Operations = append(p.Groups[i].Operations, describeOperation(o))
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		p.Schemas = append(p.Schemas, docsSchema{name, describeType(schemas[name]), describeProperties(schemas[name])})
	}
	var out bytes.Buffer
	err := docsTemplate.Execute(&out, p)
	return out.Bytes(), err
}

func operationOf(p *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{
		"GET": p.Get, "HEAD": p.Head, "POST": p.Post, "PUT": p.Put, "PATCH": p.Patch, "DELETE": p.Delete,
	}[method]
}

func describeOperation(o *huma.Operation) docsOperation {
	d := docsOperation{ID: o.OperationID, Method: o.Method, Path: base + o.Path}
	if len(o.Servers) > 0 {
		d.Path = o.Servers[0].URL + o.Path
	}
	d.Right, _ = o.Extensions[rightExtension].(string)
	for _, p := range o.Parameters {
		d.Parameters = append(d.Parameters, docsField{p.Name, p.In, p.Description, p.Required, describeType(p.Schema)})
	}
	if o.RequestBody != nil {
		d.Body = describeContent(o.RequestBody.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		said := o.Responses[status]
		r := docsResponse{Status: status, Text: said.Description, Content: describeContent(said.Content)}
		for _, name := range slices.Sorted(maps.Keys(said.Headers)) {
			s := said.Headers[name].Schema
			r.Headers = append(r.Headers, docsField{Name: name, Text: s.Description, Type: describeType(s)})
		}
		d.Responses = append(d.Responses, r)
	}
	return d
}

func describeContent(content map[string]*huma.MediaType) (out []docsContent) {
	for _, media := range slices.Sorted(maps.Keys(content)) {
		out = append(out, docsContent{media, describeType(content[media].Schema)})
	}
	return out
}

func describeProperties(s *huma.Schema) (out []docsField) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		out = append(out, docsField{Name: name, Text: p.Description, Required: slices.Contains(s.Required, name), Type: describeType(p)})
	}
	return out
}

func describeType(s *huma.Schema) docsType {
	if s == nil {
		return docsType{Words: "anything"}
	}
	if s.Ref != "" {
		return docsType{Ref: s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]}
	}
	t := docsType{Words: cmp.Or(s.Type, "anything"), Bounds: describeBounds(s)}
	others, _ := s.AdditionalProperties.(*huma.Schema)
	switch {
	case s.Type == huma.TypeArray && s.Items != nil:
		t = describeType(s.Items)
		t.Words = strings.TrimSpace("list of " + t.Words)
	case s.Type == huma.TypeObject && others != nil && len(s.Properties) == 0:
		t = describeType(others)
		t.Words = strings.TrimSpace("map of " + t.Words)
	}
	if s.Nullable {
		t.Bounds = strings.TrimPrefix(t.Bounds+", or null", ", ")
	}
	return t
}

// describeBounds says which values a schema allows.
func describeBounds(s *huma.Schema) string {
	var out []string
	say := func(format string, v any) { out = append(out, fmt.Sprintf(format, v)) }
	if s.Format != "" && s.Format != "int64" {
		say("%s", s.Format)
	}
	if len(s.Enum) > 0 {
		say("one of %v", s.Enum)
	}
	if s.Minimum != nil {
		say("at least %v", *s.Minimum)
	}
	if s.Maximum != nil {
		say("at most %v", *s.Maximum)
	}
	if s.MaxLength != nil {
		say("at most %d characters", *s.MaxLength)
	}
	if s.Default != nil {
		say("%v by default", s.Default)
	}
	return strings.Join(out, ", ")
}
