package api

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berth-registry/berth/internal/access"
)

// docsOf returns the page, without its markup and with it.
func docsOf(t *testing.T, w *world) (plain, whole string) {
	t.Helper()
	a := w.want(200, "", "GET /docs")
	if kind := a.Header().Get("Content-Type"); kind != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", kind)
	}
	whole = a.Body.String()
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(whole, "")), whole
}

func TestThePageShowsEveryOperationWithItsRight(t *testing.T) {
	w := newWorld(t)
	plain, whole := docsOf(t, w)
	for _, r := range w.api.table {
		path := base + r.path
		if r.id == "getVersion" {
			path = "/api/version"
		}
		if line := r.method + " " + path + " needs " + r.right + "\n"; !strings.Contains(plain, line) {
			t.Errorf("not on the page: %s", line)
		}
		if !strings.Contains(whole, `id="operation-`+r.id+`"`) {
			t.Errorf("%s has no place on the page", r.id)
		}
		if !r.ruled && r.open.holds == nil && r.right != r.need.String() || r.need == (access.Need{}) {
			t.Errorf("%s needs %v, and says %s", r.id, r.need, r.right)
		}
	}
	for _, part := range []string{"quota:update of the system", "repository:delete in the project", "user:read of the system, or to be that user", "user:create of the system, or anybody while people may register themselves", "list of MemberEntity", "X-Total-Count"} {
		if !strings.Contains(plain, part) {
			t.Errorf("no %q on the page", part)
		}
	}
	for _, link := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(whole, -1) {
		if !strings.Contains(whole, `id="`+link[1]+`"`) {
			t.Errorf("a link to #%s, which is nowhere", link[1])
		}
	}
}

func TestTheDocumentSaysWhichRightEachOperationNeeds(t *testing.T) {
	w := newWorld(t)
	var d struct {
		Paths map[string]map[string]struct {
			Right string `json:"x-berth-right"`
		}
	}
	if err := json.Unmarshal(w.api.Document(), &d); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.api.table {
		if got := d.Paths[r.path][strings.ToLower(r.method)].Right; got != r.right || got == "" {
			t.Errorf("%s: %q, want %q", r.id, got, r.right)
		}
	}
}

func TestThePageLoadsNothingAndRunsOnlyItsOwnScript(t *testing.T) {
	w := newWorld(t)
	_, whole := docsOf(t, w)
	policy := w.want(200, "", "GET /docs").Header().Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("no %q in %s", part, policy)
		}
	}
	for _, part := range []string{"unsafe", "http:", "https:", "*", "'self'"} {
		if strings.Contains(policy, part) {
			t.Errorf("%q in %s", part, policy)
		}
	}
	for _, element := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(whole, -1)
		if len(found) != 1 || !strings.Contains(policy, element+"-src "+hashed(found[0][1])+";") {
			t.Errorf("the policy does not let the page's %s", element)
		}
	}
	if wrong := regexp.MustCompile(`(?i) on[a-z]+=| style=|<script [^>]|<link|<img|<iframe|url\(|@import|https?://`).FindString(whole); wrong != "" {
		t.Errorf("%q on the page", wrong)
	}
}

func TestThePageEscapesWhatTheDocumentSays(t *testing.T) {
	const evil = `</script><script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	schema := &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{evil: {Type: evil, Description: evil, Enum: []any{evil}, Default: evil}}}
	schemas := huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
	schemas.Map()[evil] = schema
	o := &huma.Operation{
		OperationID: evil, Method: http.MethodGet, Path: "/" + evil, Tags: []string{evil}, Extensions: map[string]any{rightExtension: evil},
		Parameters:  []*huma.Param{{Name: evil, In: evil, Description: evil, Schema: schema}},
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{evil: {Schema: &huma.Schema{Ref: "#/" + evil}}}},
		Responses:   map[string]*huma.Response{evil: {Description: evil, Headers: map[string]*huma.Param{evil: {Schema: schema}}}},
	}
	page, err := renderDocs(&huma.OpenAPI{
		Info: &huma.Info{Title: evil, Version: evil}, Paths: map[string]*huma.PathItem{"/" + evil: {Get: o}}, Components: &huma.Components{Schemas: schemas},
	}, []row{{id: evil, method: http.MethodGet, path: "/" + evil}})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "<script"); n != 1 || strings.Contains(string(page), "<img") {
		t.Errorf("%d scripts on the page:\n%s", n, page)
	}
}

func TestTheAddressOfTheAPILeadsToThePage(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v2.0", "/api/v2.0/"} {
		if got := w.want(303, "", "GET "+path).Header().Get("Location"); got != "/api/v2.0/docs" {
			t.Errorf("%s: Location %q", path, got)
		}
	}
	w.want(404, "", "GET /nothing")
	w.want(405, "", "POST /")
}
