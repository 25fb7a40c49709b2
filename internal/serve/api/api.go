// Package api is the REST API under /api/v2.0, in the form that clients of
// Harbor's API expect, and its OpenAPI document, which is made of the same types
// that read and write the bodies. routes.go is its table of contents and all of
// its authorization; beside it is one file for each resource. What is odd on the
// wire (booleans as strings, ids or names in one place) is known here and
// nowhere else; what may be done, and when, is decided by the services below.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/addition"
	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/retention"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/webhook"
)

// Config is what the API is made of.
type Config struct {
	Accounts  *account.Service
	Directory *ldap.Service
	Projects  *project.Service
	Robots    *robot.Service
	Audit     *audit.Service
	Settings  *setting.Service
	Labels    *label.Service
	Rules     *immutable.Service
	Catalog   artifact.Catalog
	Quotas    *quota.Service
	Jobs      *job.Service
	Retention *retention.Service
	Webhooks  *webhook.Service
	Endpoints *endpoint.Service

	Replication *replication.Service
	Scanners    *scanner.Service
	Allowlists  *allowlist.Service
	Scans       *scan.Service
	Hub         *hub.Service
	Exports     *export.Service
	Advisories  *advisory.Service
	Intake      *intake.Service

	Content    *registry.Service
	Additions  *addition.Service
	Signatures *sign.Service

	Components  []Component                            // what GET /health looks at
	Volume      func() (total, free uint64, err error) // bytes of the storage; nil: it has no bounds
	Certificate func() []byte                          // of the server's own authority, in PEM; nil or empty: there is none
	Storage     string                                 // what the storage is: "filesystem", "s3"
	Version     string                                 // of the program
	Log         *slog.Logger                           // takes what is not told to clients; may be nil
}

// A Component is a part of the server that can fail by itself.
type Component struct {
	Name  string
	Check func(context.Context) error // returns, within its context, why it does not work
}

// An API answers for everything under /api/. It is an http.Handler.
type API struct {
	huma     huma.API
	handler  http.Handler
	projects *project.Service
	table    []row
	wrong    []error
	document json.RawMessage
}

// New makes the API. It fails where a row of the table declares no need.
func New(c Config) (*API, error) { return newAPI(c, (*API).routes) }

func newAPI(c Config, routes func(*API, Config)) (*API, error) {
	adoptErrors()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Berth", c.Version)
	config.CreateHooks, config.OpenAPIPath, config.DocsPath, config.SchemasPath = nil, "", "", ""
	config.Servers = []*huma.Server{{URL: base}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"basic": {Type: "http", Scheme: "basic"}}
	config.Security = []map[string][]string{{"basic": {}}, {}}
	config.FieldsOptionalByDefault, config.AllowAdditionalPropertiesByDefault = true, true
	config.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	mux.Handle("GET "+base, http.RedirectHandler(base+docsPath, http.StatusSeeOther))
	a := &API{projects: c.Projects, handler: web.Routes(mux)}
	a.huma = huma.NewAPI(config, hanger{mux})
	routes(a, c)
	if len(a.wrong) > 0 {
		return nil, errors.Join(a.wrong...)
	}
	noteSent(a.huma.OpenAPI().Components.Schemas)
	var err error
	if a.document, err = json.Marshal(a.huma.OpenAPI()); err != nil {
		return nil, fmt.Errorf("api: document: %w", err)
	}
	return a, nil
}

// ServeHTTP answers a request, whose path begins with /api/.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	a.handler.ServeHTTP(w, unslashed(r))
}

// unslashed returns a request whose path does not end with a slash. It says
// nothing, and clients write it or not: Terraform asks for "/quotas/?page=1".
func unslashed(r *http.Request) *http.Request {
	if !strings.HasSuffix(r.URL.EscapedPath(), "/") {
		return r
	}
	plain, u := *r, *r.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	plain.URL = &u
	return &plain
}

// Document returns the OpenAPI document, as JSON.
func (a *API) Document() []byte { return a.document }

// hanger hangs operations into a mux: below the server that one names, or else
// below base.
type hanger struct{ *http.ServeMux }

// Handle adds an operation. Where its path ends with a slash in the document,
// requests do without: see unslashed.
func (m hanger) Handle(o *huma.Operation, handle func(huma.Context)) {
	prefix := base
	if len(o.Servers) > 0 {
		prefix = o.Servers[0].URL
	}
	m.HandleFunc(o.Method+" "+prefix+strings.TrimSuffix(o.Path, "/"), func(w http.ResponseWriter, r *http.Request) {
		handle(humago.NewContext(o, r, w))
	})
}

// resolve returns the project of a name or an id, with the caller's roles, or
// project.ErrNotFound.
func (a *API) resolve(ctx context.Context, caller access.Caller, at where) (access.Project, error) {
	name := at.project
	_, err := strconv.ParseInt(name, 10, 64)
	if isID := err == nil && !at.isName; isID || strings.Contains(name, " ") {
		p, err := a.projects.ByNameOrID(ctx, name, at.isName)
		if err != nil {
			return access.Project{}, at.named(err)
		}
		name = p.Name
	}
	p, err := a.projects.Access(ctx, caller, name)
	return p, at.named(err)
}

// named says which project was not found.
func (at where) named(err error) error {
	if errors.Is(err, project.ErrNotFound) {
		return project.ErrNotFound.Saying("project %.255s not found", at.project)
	}
	return err
}
