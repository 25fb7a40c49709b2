// Package chartrepo serves classic Helm repositories: /chartrepo/, which Helm
// reads, and /api/chartrepo/, by which charts come and go, in the forms of
// ChartMuseum and of Harbor up to 2.7. It translates between HTTP and chart; what
// a repository lists is not its affair.
package chartrepo

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/serve/web"
)

// Projects answers what a caller is in a project; project.Service does.
type Projects interface {
	Access(ctx context.Context, c access.Caller, name string) (access.Project, error)
}

// A Handler serves classic Helm repositories.
type Handler struct {
	charts   *chart.Service
	labels   *label.Service
	projects Projects
	turns    chan struct{} // of charts that are received
	routes   http.Handler
}

// maxReceived is how many charts are received at once: each is in memory until
// it is known to be one.
const maxReceived = 8

// New returns a handler. The caller of each request is expected in its context.
func New(charts *chart.Service, labels *label.Service, projects Projects) *Handler {
	h := &Handler{charts: charts, labels: labels, projects: projects, turns: make(chan struct{}, maxReceived)}
	mux := http.NewServeMux()
	for _, r := range h.table() {
		mux.Handle(r.pattern, h.serve(r))
	}
	h.routes = web.Routes(mux)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.routes.ServeHTTP(w, r) }

// The needs of charts are those of the artifacts that they are.
var (
	pull   = access.OfProject("repository", "pull")
	push   = access.OfProject("repository", "push")
	remove = access.OfProject("artifact", "delete")
	attach = access.OfProject("artifact-label", "create")
	detach = access.OfProject("artifact-label", "delete")
)

// A route is one operation with the right that it needs in the project of its
// path, which is the default project where the path has none.
type route struct {
	pattern   string
	operation string
	need      access.Need
	serve     func(w http.ResponseWriter, r *request) error
}

// defaultProject is where charts go that are uploaded to no project.
const defaultProject = "library"

func (h *Handler) table() []route {
	const api, version = "/api/chartrepo/{project}", "/api/chartrepo/{project}/charts/{name}/{version}"
	return []route{
		{"GET /chartrepo/index.yaml", "chart_index", access.Anyone, h.merged},
		{"GET /chartrepo/{project}/index.yaml", "chart_index", pull, h.index},
		{"GET /chartrepo/{project}/charts/{file...}", "chart_file", pull, h.file},

		{"GET /api/chartrepo/health", "chart_health", access.Anyone, h.health},
		{"POST /api/chartrepo/charts", "chart_upload", push, h.receiving(h.upload)},
		{"GET " + api + "/charts", "chart_list", pull, h.list},
		{"POST " + api + "/charts", "chart_upload", push, h.receiving(h.upload)},
		{"POST " + api + "/prov", "chart_sign", push, h.receiving(h.sign)},
		{"GET " + api + "/charts/{name}", "chart_versions", pull, h.versions},
		{"DELETE " + api + "/charts/{name}", "chart_delete", remove, h.removeAll},
		{"GET " + version, "chart_version", pull, h.version},
		{"DELETE " + version, "chart_delete", remove, h.remove},
		{"GET " + version + "/labels", "chart_labels", pull, h.labelsOf},
		{"POST " + version + "/labels", "chart_labels", attach, h.attach},
		{"DELETE " + version + "/labels/{id}", "chart_labels", detach, h.detach},
	}
}

// A request is one that was found to be allowed.
type request struct {
	*http.Request
	project chart.Project // empty where the route needs none
}

func (h *Handler) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.SetOperation(r, rt.operation)
		p, err := h.authorize(r, rt.need)
		if err == nil {
			err = rt.serve(w, &request{r, p})
		}
		if err != nil {
			h.fail(w, r, err)
		}
	})
}

// authorize judges the need in the project of the path. That a project does not
// exist looks the same as that it is closed, but to those who may see all. To one
// that is a cache nobody uploads, whatever their rights are.
func (h *Handler) authorize(r *http.Request, need access.Need) (chart.Project, error) {
	caller := access.From(r.Context())
	if !need.InProject() {
		return chart.Project{}, access.Check(caller, need, nil)
	}
	name := r.PathValue("project")
	if name == "" {
		name = defaultProject
	}
	p, err := h.projects.Access(r.Context(), caller, name)
	switch {
	case fault.OfKind(err, fault.NotFound):
		if refused := access.Check(caller, need, nil); refused != nil {
			return chart.Project{}, refused
		}
		return chart.Project{}, err
	case err != nil:
		return chart.Project{}, err
	}
	err = access.Check(caller, need, &p)
	if errors.Is(err, access.ErrDenied) {
		err = access.ErrDenied.With("this needs %s", need)
	}
	if err == nil && need == push && p.Upstream != 0 {
		err = project.ErrCache
	}
	return chart.Project{ID: p.ID, Name: p.Name}, err
}

// fail answers as ChartMuseum does: {"error":"…"}.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, header, body := web.Answer(r.Context(), err)
	maps.Copy(w.Header(), header)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", web.BasicChallenge)
	}
	text := body.Errors[0].Message
	_ = answer(w, status, map[string]string{"error": text}) // a client that is gone cannot be told
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // it is what this caller may see, now
	w.WriteHeader(status)
	_, err = w.Write(append(body, '\n'))
	return err
}

func (h *Handler) health(w http.ResponseWriter, _ *request) error {
	return answer(w, http.StatusOK, map[string]bool{"healthy": true})
}
