package api

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// belongings are what is in alpha and nowhere else, by the parameters of paths
// that name it.
func (w *world) belongings() map[string]string {
	return map[string]string{
		"mid": "1",

		"immutable_rule_id": "1",
		"webhook_policy_id": "1",
		"trust_id":          "1",
		"execution_id":      "1",
		"task_id":           "1",
		"label_id":          "1",
		"repository_name":   "app", // every project has one of that name; the references below are alpha's
		"reference":         w.digest("alpha"),
		"tag_name":          "1",
		"addition":          "build_history",
		"report_id":         theReport,
	}
}

// named are parameters that are no ids: what they name is the project's own
// whichever project that is.
var named = map[string]bool{"meta_name": true}

// digest returns the digest of a project's image app:1.
func (w *world) digest(project string) string {
	w.t.Helper()
	var d string
	err := w.db.QueryRow(w.t.Context(), `SELECT a.digest FROM artifact a JOIN repository r ON r.id = a.repository_id WHERE r.name = ?`, project+"/app").Scan(&d)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

var parameter = regexp.MustCompile(`\{([^}]*)\}`)

// TestNoIDOfOneProjectAnswersInAnother asks, for each route in a project with
// something further in its path, for what is alpha's in the other projects, as
// everybody there is.
func TestNoIDOfOneProjectAnswersInAnother(t *testing.T) {
	oneByOne(t)
	tables := []string{"account", "project", "member", "robot", "repository", "artifact", "tag", "label", "immutable_rule", "webhook_policy", "trust_entry", "execution", "task", "scan_report"}
	asked := 0
	for _, r := range newWorld(t).api.table {
		parts := parameter.FindAllStringSubmatch(r.path, -1)
		if len(parts) < 2 || !strings.HasPrefix(parts[0][1], "project_name") || named[parts[len(parts)-1][1]] {
			continue
		}
		if only := parts[len(parts)-1][1] == "repository_name"; only || strings.HasSuffix(r.path, "/artifacts") {
			continue // a repository is found by its name, which is in its project's
		}
		asked++
		for _, project := range []string{"beta", "open"} {
			w := newWorld(t)
			aLabelOnApp(w)
			aRule(w)
			aTrust(w)
			aWebhookTrial(w)
			aScan(w)
			mine := w.belongings()
			path := parameter.ReplaceAllStringFunc(r.path, func(p string) string {
				name := strings.Trim(p, "{}")
				if strings.HasPrefix(name, "project_name") {
					return project
				}
				value, known := mine[name]
				if !known {
					t.Errorf("%s: nothing is known that %s names in alpha", r.id, name)
				}
				return value
			})
			request := r.method + " " + path
			if _, body, ok := strings.Cut(scenarios[r.id].request, "\n\n"); ok {
				request += "\n\n" + body
			}
			before := map[string]string{}
			for _, table := range tables {
				maps.Copy(before, w.rows(table))
			}
			for _, c := range callers {
				switch a := w.do(c.as, request); {
				case a.Code < 400, a.Code >= 500:
					t.Errorf("%s: %d %s", a.request, a.Code, a.Body)
				case c.as == "root" && a.Code != http.StatusNotFound:
					t.Errorf("%s: %d, want 404: %s", a.request, a.Code, a.Body)
				}
			}
			for _, table := range tables {
				for key, value := range w.rows(table) {
					if before[key] != value {
						t.Errorf("%s: %s changed", request, key)
					}
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("only %d routes were asked", asked)
	}
}

// TestStaleIDs asks for what never was, or is no more.
func TestStaleIDs(t *testing.T) {
	oneByOne(t)
	gone := map[string]string{
		"project_name_or_id": "alpha", "project_name": "alpha", "repository_name": "app", "reference": "sha256:" + strings.Repeat("0", 64),
		"tag_name": "none", "meta_name": "severity", "addition": "build_history", "digest": "sha256:" + strings.Repeat("0", 64),
	}
	for _, r := range newWorld(t).api.table {
		parts := parameter.FindAllStringSubmatch(r.path, -1)
		if len(parts) == 0 {
			continue
		}
		if last := parts[len(parts)-1][1]; last == "repository_name" {
			gone["repository_name"] = "none"
		} else {
			gone["repository_name"] = "app"
			if strings.HasPrefix(last, "project_name") {
				continue // what is in the project is not what is asked for by an id
			}
		}
		path := parameter.ReplaceAllStringFunc(r.path, func(p string) string {
			if value, ok := gone[strings.Trim(p, "{}")]; ok {
				return value
			}
			return "987654321"
		})
		if strings.HasSuffix(r.path, "/artifacts") && strings.Contains(r.path, "repository_name") {
			continue // a list of nothing
		}
		request := r.method + " " + path
		if _, body, ok := strings.Cut(scenarios[r.id].request, "\n\n"); ok {
			request += "\n\n" + body
		}
		w := newWorld(t)
		if a := w.do("root", request); a.Code != http.StatusNotFound && !stale[r.id][a.Code] {
			t.Errorf("%s: %d, want 404: %s", a.request, a.Code, a.Body)
		}
	}
}

// stale are other answers that fit as well.
var stale = map[string]map[int]bool{
	"setCliSecret":          {http.StatusPreconditionFailed: true}, // whoever it is for
	"getSchedulePaused":     {http.StatusBadRequest: true},         // they are paused together
	"updateProjectMetadata": {http.StatusBadRequest: true},         // the body is about another one
}

func TestIDsThatAreNone(t *testing.T) {
	oneByOne(t)
	w := newWorld(t)
	for _, r := range w.api.table {
		parts := parameter.FindAllStringSubmatch(r.path, -1)
		if len(parts) == 0 {
			continue
		}
		for _, wrong := range []string{strings.Repeat("x", 1_000_000), "%00", "%ff", "'%20OR%201=1--", "..%2f..", "-1", "99999999999999999999", "%252e%252e%252fapp"} {
			path := r.path
			for _, p := range parts[:len(parts)-1] {
				value := map[string]string{"project_name": "alpha", "project_name_or_id": "alpha", "repository_name": "app", "reference": "1"}[p[1]]
				path = strings.Replace(path, p[0], value, 1)
			}
			path = strings.Replace(path, parts[len(parts)-1][0], wrong, 1)
			request := r.method + " " + path
			if _, body, ok := strings.Cut(scenarios[r.id].request, "\n\n"); ok {
				request += "\n\n" + body
			}
			a := w.do("root", request)
			if a.Code < 400 && !(r.method == "GET" && strings.HasSuffix(r.path, "/artifacts")) || a.Code >= 500 || a.Body.Len() > 4096 {
				t.Errorf("%.80s: %d with %d bytes: %.200s", a.request, a.Code, a.Body.Len(), a.Body)
			}
		}
	}
}

// TestWrongFieldsAreNamed sends, for each field of each body, what cannot be.
func TestWrongFieldsAreNamed(t *testing.T) {
	oneByOne(t)
	w := newWorld(t)
	document := w.document()
	for _, r := range w.api.table {
		fields := document.bodyFields(r)
		if len(fields) == 0 {
			continue
		}
		head, _, _ := strings.Cut(scenarios[r.id].request, "\n\n")
		for name, kind := range fields {
			wrong := map[string]string{"string": `{"a":1}`, "integer": `"x"`, "boolean": `"x"`, "number": `"x"`, "array": `7`, "object": `7`}[kind]
			if wrong == "" {
				continue
			}
			a := w.do("root", head+"\n\n"+fmt.Sprintf(`{%q:%s}`, name, wrong))
			if a.Code != 422 && a.Code != 400 {
				t.Errorf("%s: %d %s", a.request, a.Code, a.Body)
				continue
			}
			if _, message := problemOf(t, a); !strings.Contains(message, name) {
				t.Errorf("%s: the message does not name it: %s", a.request, message)
			}
			if kind == "string" {
				a := w.do("root", head+"\n\n"+fmt.Sprintf(`{%q:%q}`, name, strings.Repeat("x", 1_000_000)))
				if a.Code >= 500 || a.Body.Len() > 4096 {
					t.Errorf("%.80s with a million characters: %d with %d bytes", a.request, a.Code, a.Body.Len())
				}
			}
		}
		for _, body := range []string{"{", "[", `"x"`, "nul", "<xml/>"} {
			if a := w.do("root", head+"\n\n"+body); a.Code != 422 && a.Code != 400 {
				t.Errorf("%s: %d %s", a.request, a.Code, a.Body)
			}
		}
	}
}

// TestListsRefuseWhatIsNoPage asks every list for pages that there are none of,
// and filters by what no list has.
func TestListsRefuseWhatIsNoPage(t *testing.T) {
	w := newWorld(t)
	lists := 0
	document := w.document()
	for _, r := range w.api.table {
		if r.method != "GET" || !document.hasParameter(r, "page_size") {
			continue
		}
		lists++
		s := scenarios[r.id]
		own := newWorld(t)
		s.prepare(own)
		as := s.done
		if s.open {
			as = "root"
		}
		path := s.request
		with := "?"
		if strings.Contains(path, "?") {
			with = "&"
		}
		for _, c := range []struct {
			query string
			field string
		}{{"page=-1", "page"}, {"page=x", "page"}, {"page_size=101", "page_size"}, {"page_size=-2", "page_size"}, {"page_size=1e9", "page_size"}} {
			a := own.do(as, path+with+c.query)
			if a.Code != 422 && a.Code != 400 {
				t.Errorf("%s: %d", a.request, a.Code)
				continue
			}
			if _, message := problemOf(t, a); !strings.Contains(message, c.field) {
				t.Errorf("%s: %s", a.request, message)
			}
		}
		own.want(200, as, path+with+"page=999999999&page_size=100")
		if !document.hasParameter(r, "q") || strings.Contains(path, "q=") {
			continue
		}
		own.want(400, as, path+with+"q=name")
		all := own.want(200, as, path).Body.String()
		for _, ignored := range []string{"q=password%3D~a", "q=secret%3D~x", "sort=password", "q=project_id__in%3D1", "q=id;drop%3Dx"} {
			if a := own.do(as, path+with+ignored); a.Code != 400 && (a.Code != 200 || a.Body.String() != all) {
				t.Errorf("%s: %d, and another answer than without", a.request, a.Code)
			}
		}
	}
	if lists < 5 {
		t.Errorf("only %d lists were found", lists)
	}
}
