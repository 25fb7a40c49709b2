package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/serve/web"
)

// base is the path of all operations but one.
const base = "/api/v2.0"

// rightExtension is the field of an operation in the document that says in words
// what its caller needs.
const rightExtension = "x-berth-right"

// maxBody is the most that the body of a request may hold, in bytes.
const maxBody = 4 << 20

// A group is the operations of one tag of the document.
type group struct {
	api    *API
	tag    string
	server string // base, where empty
}

// A row is an operation as the table has it.
type row struct {
	id, method, path string
	need             access.Need
	right            string    // what is needed, in words
	ruled            bool      // and a rule decides on the parsed request
	open             condition // to those without an identity
}

// A condition says whether something holds at present. The zero one never does.
type condition struct {
	words string // as in "anybody while …", for the document
	holds func(context.Context) (bool, error)
}

// op adds an operation to the table. Its need is judged before anything of the
// request is read but its path; where the need is of a project, in the one that
// the path names.
func op[I, O any](g group, id, route string, need access.Need, handle func(context.Context, *I) (*O, error)) {
	opOpen(g, id, route, need, condition{}, handle)
}

// opOpen is op for what those without an identity may do as well, while open
// says so. It is not for needs of a project.
func opOpen[I, O any](g group, id, route string, need access.Need, open condition, handle func(context.Context, *I) (*O, error)) {
	_, learns := any(new(I)).(inside)
	if need.InProject() && !(learns && strings.Contains(route, "{project_name") && open.holds == nil) {
		g.api.wrong = append(g.api.wrong, fmt.Errorf("api: %s (%s) is judged in a project and does not learn in which", id, route))
		return
	}
	right := need.String()
	if open.holds != nil {
		right += ", or anybody " + open.words
	}
	g.add(row{id: id, need: need, right: right, open: open}, route, func(o huma.Operation) {
		huma.Register(g.api.huma, taking[I](sending[O](o)), func(ctx context.Context, in *I) (*O, error) {
			if p, ok := any(in).(inside); ok {
				p.enter(ctx)
			}
			return answered(ctx, in, handle)
		})
	})
}

// A rule says which right a request needs that asks for one thing or another,
// and where. It may look things up, and hand them to the handler in the request.
type rule[I any] struct {
	right string // in words, for the document
	need  func(ctx context.Context, in *I) (access.Need, where, error)
}

// by returns a rule.
func by[I any](right string, need func(context.Context, *I) (access.Need, where, error)) rule[I] {
	return rule[I]{right, need}
}

// perhapsInProject says in words what is needed where a thing belongs to a
// project or to the whole system.
func perhapsInProject(resource, action string) string {
	return access.OfProject(resource, action).String() + " that it belongs to, or else " + access.OfSystem(resource, action).String()
}

// where names the project in which a need is judged, or none.
type where struct {
	project string // name or id
	isName  bool   // although it may look like an id
}

// opBy adds an operation whose need depends on what is asked for. All of them
// are for callers with an identity only.
func opBy[I, O any](g group, id, route string, needs rule[I], handle func(context.Context, *I) (*O, error)) {
	r := row{id: id, ruled: needs.need != nil && needs.right != "", right: needs.right}
	if r.ruled {
		r.need = access.LoggedIn
	}
	g.add(r, route, func(o huma.Operation) {
		huma.Register(g.api.huma, sending[O](o), func(ctx context.Context, in *I) (*O, error) {
			need, at, err := needs.need(ctx, in)
			if err == nil {
				_, err = g.api.allow(ctx, need, at)
			}
			if err != nil {
				return nil, failed(ctx, err)
			}
			return answered(ctx, in, handle)
		})
	})
}

// answered runs a handler, and tells of its error as we tell of errors.
func answered[I, O any](ctx context.Context, in *I, handle func(context.Context, *I) (*O, error)) (*O, error) {
	out, err := handle(ctx, in)
	if err != nil {
		return nil, failed(ctx, err)
	}
	return out, nil
}

// add notes a row and registers its operation, if anybody may have its need.
func (g group) add(r row, route string, register func(huma.Operation)) {
	r.method, r.path, _ = strings.Cut(route, " ")
	if !r.need.Declared() {
		g.api.wrong = append(g.api.wrong, fmt.Errorf("api: %s (%s) declares no need", r.id, route))
		return
	}
	g.api.table = append(g.api.table, r)
	status := http.StatusOK
	if r.method == http.MethodPost {
		status = http.StatusCreated
	}
	o := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Tags: []string{g.tag},
		DefaultStatus:   status,
		MaxBodyBytes:    maxBody + 1, // the first size that is refused
		Extensions:      map[string]any{rightExtension: r.right},
		BodyReadTimeout: 30 * time.Second,
		Middlewares:     huma.Middlewares{g.api.admit(r)},
	}
	if g.server != "" {
		o.Servers = []*huma.Server{{URL: g.server}}
	}
	register(o)
}

// sending notes in an operation which media types it answers with, where that is
// not JSON alone.
func sending[O any](o huma.Operation) huma.Operation {
	if other, ok := any(new(O)).(interface{ status() int }); ok {
		o.DefaultStatus = other.status()
	}
	if _, ok := any(new(O)).(interface{ orOK() }); ok {
		o.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK)}}
	}
	var types []string
	switch other := any(new(O)).(type) {
	case interface{ media() string }:
		types = []string{other.media()}
	case interface{ medias() []string }:
		types = other.medias()
	default:
		return o
	}
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		if t == "application/json" {
			content[t].Schema = &huma.Schema{} // of whatever form
		}
	}
	o.Responses = map[string]*huma.Response{strconv.Itoa(o.DefaultStatus): {Content: content}}
	return o
}

// taking notes in an operation that its body is a file, where the handler reads it
// while it arrives.
func taking[I any](o huma.Operation) huma.Operation {
	if in, ok := any(new(I)).(interface{ takes() string }); ok {
		content := map[string]*huma.MediaType{in.takes(): {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
		o.RequestBody = &huma.RequestBody{Required: true, Content: content}
	}
	return o
}

// admit returns what stands before an operation: it names it, and answers those
// who may not.
func (a *API) admit(to row) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		web.SetOperation(r, to.id)
		if !acceptable(r.Header.Values("Accept"), c.Operation()) {
			web.Fail(w, http.StatusNotAcceptable, problem(http.StatusNotAcceptable, "the answer has another media type"))
			return
		}
		p, err := a.allow(r.Context(), to.need, inPath(r))
		if err = to.strangers(r.Context(), err); err != nil {
			web.Error(w, r, err)
			return
		}
		next(huma.WithValue(c, insideKey{}, p))
	}
}

// strangers turns the refusal of one without an identity into none, where the
// operation is open to them.
func (r row) strangers(ctx context.Context, refused error) error {
	if r.open.holds == nil || !errors.Is(refused, access.ErrUnauthenticated) {
		return refused
	}
	open, err := r.open.holds(ctx)
	if err != nil || open {
		return err
	}
	return refused
}

// inPath returns which project the path of a request names.
func inPath(r *http.Request) where {
	if name := r.PathValue("project_name"); name != "" {
		return where{name, true}
	}
	// What is no boolean is refused once the request is read whole.
	isName, _ := strconv.ParseBool(r.Header.Get("X-Is-Resource-Name"))
	return where{r.PathValue("project_name_or_id"), isName}
}

// allow judges a need of the request's caller, in a project where it is a need
// of one. Of a project that does not exist only an administrator learns so.
func (a *API) allow(ctx context.Context, need access.Need, at where) (access.Project, error) {
	caller := access.From(ctx)
	if !need.InProject() {
		return access.Project{}, access.Check(caller, need, nil)
	}
	p, err := a.resolve(ctx, caller, at)
	if errors.Is(err, project.ErrNotFound) {
		if denied := access.Check(caller, need, nil); denied != nil {
			return p, denied
		}
	}
	if err != nil {
		return p, err
	}
	return p, access.Check(caller, need, &p)
}

// inside is met by requests about a project.
type inside interface{ enter(context.Context) }

type insideKey struct{}

// InProject is the part of a request that names the project it is about.
type InProject struct {
	NameOrID string `path:"project_name_or_id" doc:"name or id of the project"`
	IsName   bool   `header:"X-Is-Resource-Name" default:"false" doc:"whether the project is given by its name even if that looks like an id"`

	project access.Project // with the caller's roles; set before the handler runs
}

func (p *InProject) enter(ctx context.Context) {
	p.project, _ = ctx.Value(insideKey{}).(access.Project)
}

// acceptable reports whether one of the media types that a client takes is one
// that the operation sends.
func acceptable(accept []string, o *huma.Operation) bool {
	sent := o.Responses[strconv.Itoa(o.DefaultStatus)].Content
	if len(accept) == 0 || len(sent) == 0 {
		return true
	}
	for _, list := range accept {
		for part := range strings.SplitSeq(list, ",") {
			kind, _, _ := strings.Cut(part, ";")
			kind = strings.ToLower(strings.TrimSpace(kind))
			for have := range sent {
				prefix, open := strings.CutSuffix(kind, "*")
				if kind == have || kind == "*/*" || open && strings.HasPrefix(have, prefix) {
					return true
				}
			}
		}
	}
	return false
}
