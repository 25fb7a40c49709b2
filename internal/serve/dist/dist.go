// Package dist serves /v2/: the OCI distribution specification 1.1 with what
// its main branch adds, and Docker's registry API v2 before it. It translates
// between HTTP and registry; what is stored and how is not its affair.
package dist

import (
	"context"
	"net/http"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/proxycache"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/serve/web"
)

// Faults of the protocol, with the codes of the distribution specification.
var (
	errUnauthorized = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "authentication required")
	errDenied       = fault.New(fault.Denied, "DENIED", "access denied")
	errNotFound     = fault.New(fault.NotFound, "NOT_FOUND", "no such resource")
	errMethod       = fault.New(fault.Unsupported, "UNSUPPORTED", "the method is not supported here")
	errPage         = fault.New(fault.Invalid, "PAGINATION_NUMBER_INVALID", "n must be a number from 0 on")
	errText         = fault.New(fault.Invalid, "BAD_REQUEST", "a parameter of the URL is not text")
	errRange        = fault.New(fault.Invalid, "BLOB_UPLOAD_INVALID", "Content-Range must be START-END")
)

// Projects answers what a caller is in a project; project.Service does.
type Projects interface {
	Access(ctx context.Context, c access.Caller, name string) (access.Project, error)
}

// A source is where pulls are served from: the registry itself, or what a project
// that is a cache has and fetches.
type source interface {
	Manifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by registry.Puller) (registry.Manifest, error)
	StatManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by registry.Puller) (registry.Manifest, error)
	OpenBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) (registry.Blob, blob.Reader, error)
	StatBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, mayPush bool) (registry.Blob, error)
	Tags(ctx context.Context, repo artifact.Repo, last string, n int) ([]string, error)
	Referrers(ctx context.Context, repo artifact.Repo, d oci.Digest, artifactType string, after int64, n int) ([]artifact.Referrer, error)
}

// A Handler serves /v2/ and everything below it.
type Handler struct {
	registry *registry.Service
	caches   *proxycache.Service
	projects Projects
	// challenge makes the WWW-Authenticate header of a refusal that asks for the
	// given scopes of the registry token protocol.
	challenge func(r *http.Request, scopes ...string) string
}

// New returns a handler. The caller of each request is expected in its context.
func New(reg *registry.Service, caches *proxycache.Service, projects Projects, challenge func(r *http.Request, scopes ...string) string) *Handler {
	return &Handler{registry: reg, caches: caches, projects: projects, challenge: challenge}
}

// A request is one below /v2/<name>/, after it was found to be allowed.
type request struct {
	*http.Request
	repo artifact.Repo
	ref  string // what the path names: a tag, digest or upload id

	puller registry.Puller // MayPush is of a HEAD alone
	source source
}

type handler func(h *Handler, w http.ResponseWriter, r *request) error

// A route says what a method on a kind of resource needs and does.
type route struct {
	action string // on the repository: pull, push or delete
	serve  handler
}

// routes is all that can be done below /v2/<name>/.
var routes = map[kind]map[string]route{
	manifests: {
		http.MethodGet:    {"pull", (*Handler).getManifest},
		http.MethodHead:   {"pull", (*Handler).headManifest},
		http.MethodPut:    {"push", (*Handler).putManifest},
		http.MethodDelete: {"delete", (*Handler).deleteManifest},
	},
	blobs: {
		http.MethodGet:    {"pull", (*Handler).getBlob},
		http.MethodHead:   {"pull", (*Handler).headBlob},
		http.MethodDelete: {"delete", (*Handler).deleteBlob},
	},
	uploads: {
		http.MethodPost: {"push", (*Handler).beginUpload},
	},
	upload: {
		http.MethodGet:    {"push", (*Handler).getUpload},
		http.MethodHead:   {"push", (*Handler).getUpload},
		http.MethodPatch:  {"push", (*Handler).patchUpload},
		http.MethodPut:    {"push", (*Handler).putUpload},
		http.MethodDelete: {"push", (*Handler).cancelUpload},
	},
	tags:      {http.MethodGet: {"pull", (*Handler).listTags}},
	referrers: {http.MethodGet: {"pull", (*Handler).listReferrers}},
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := h.serve(w, r); err != nil {
		web.Error(w, r, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	t := parsePath(r.URL)
	web.SetOperation(r, operations[t.kind])
	switch t.kind {
	case root:
		return h.ping(w, r)
	case catalog:
		return h.listCatalog(w, r)
	case nowhere:
		return errNotFound
	}
	methods := routes[t.kind]
	rt, ok := methods[r.Method]
	if !ok {
		w.Header().Set("Allow", allowed(methods))
		return errMethod
	}
	if err := oci.CheckRepository(t.name); err != nil {
		return err
	}
	name, err := h.mirrored(r, t.name)
	if err != nil {
		return err
	}
	req, err := h.authorize(w, r, name, rt.action)
	if err != nil {
		return err
	}
	req.ref = t.ref
	return rt.serve(h, w, req)
}

// mirrored returns the repository that a client means which takes this registry
// for a mirror of another: it asks for what is pulled by its name there, and says
// in ns which registry that is, as containerd does. Of a registry that there is no
// cache of, nothing is here: what has the same name here is something else.
func (h *Handler) mirrored(r *http.Request, name string) (string, error) {
	if r.URL.RawQuery == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return name, nil
	}
	host := r.URL.Query().Get("ns")
	if host == "" {
		return name, nil
	}
	project, found, err := h.caches.Mirror(r.Context(), host)
	switch {
	case err != nil:
		return "", err
	case found:
		name = project + "/" + name
		return name, oci.CheckRepository(name)
	case strings.EqualFold(host, r.Host) || strings.EqualFold(host, web.External(r).Host):
		return name, nil
	}
	return "", artifact.ErrRepositoryUnknown.With("no project is a cache of %s", host)
}

// authorize answers whether the caller may do the action in a repository, and
// for a HEAD whether it may push there. That a project does not exist looks the
// same as that it is closed. To one that is a cache nobody pushes, whatever their
// rights are.
func (h *Handler) authorize(w http.ResponseWriter, r *http.Request, name, action string) (*request, error) {
	caller := access.From(r.Context())
	if caller.Anonymous() && !caller.Bearer {
		// Even for a public project: a client that has credentials shows them
		// only when asked, and its pull would be nobody's in the audit log.
		return nil, h.refuse(w, r, name, action)
	}
	in, _ := oci.SplitRepository(name)
	p, err := h.projects.Access(r.Context(), caller, in)
	if fault.OfKind(err, fault.NotFound) {
		return nil, h.refuse(w, r, name, action)
	}
	if err != nil {
		return nil, err
	}
	if !access.AllowedRepository(caller, &p, name, action) {
		return nil, h.refuse(w, r, name, action)
	}
	if action == "push" && p.Upstream != 0 {
		return nil, project.ErrCache
	}
	puller := registry.Puller{
		MayPush: r.Method == http.MethodHead && p.Upstream == 0 && access.AllowedRepository(caller, &p, name, "push"),
		Signs:   p.Upstream == 0 && signs(r.UserAgent()) && access.AllowedRepository(holder(caller), &p, name, "push"),
		Scans:   caller.Scans(&p, name),
	}
	var from source = h.registry
	if p.Upstream != 0 {
		from = h.caches.Of(p.Upstream)
	}
	return &request{Request: r, repo: artifact.Repo{ProjectID: p.ID, Name: name}, puller: puller, source: from}, nil
}

// holder is the caller without a token. Who is about to sign asks for one to pull
// first.
func holder(c access.Caller) access.Caller {
	c.Bearer, c.Grants = false, nil
	return c
}

// signs reports whether a client by its name is one that signs what it reads.
func signs(userAgent string) bool {
	return strings.Contains(userAgent, "cosign") || strings.Contains(userAgent, "notation")
}

// mayPull reports whether the caller may pull from a repository, and whether it
// may do so with the token that it shows, if it shows one.
func (h *Handler) mayPull(ctx context.Context, name string) (holder, token bool) {
	caller := access.From(ctx)
	in, _ := oci.SplitRepository(name)
	p, err := h.projects.Access(ctx, caller, in)
	if err != nil {
		return false, false
	}
	token = access.AllowedRepository(caller, &p, name, "pull")
	caller.Bearer, caller.Grants = false, nil
	return access.AllowedRepository(caller, &p, name, "pull"), token
}

// refuse asks for better credentials where they could help: a token can be had
// for more, a password cannot.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, name, action string) error {
	caller := access.From(r.Context())
	text := "unauthorized to access repository: " + name + ", action: " + action
	if !caller.Anonymous() && !caller.Bearer {
		return errDenied.Saying("%s", text)
	}
	h.ask(w, r, name, action)
	// Said twice, since people's scripts look for what Harbor says.
	return errUnauthorized.Saying("%s: %s", text, text)
}

// ask tells the client for what to ask a token: for an action on a repository,
// and for what it wants to mount.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, name, action string) {
	scopes := []string{"repository:" + name + ":" + scopeActions(action)}
	if from := r.URL.Query().Get("from"); from != "" && r.Method == http.MethodPost && oci.CheckRepository(from) == nil {
		scopes = append(scopes, "repository:"+from+":pull")
	}
	w.Header().Set("WWW-Authenticate", h.challenge(r, scopes...))
}

func scopeActions(action string) string {
	if action == "push" {
		return "pull,push"
	}
	return action
}

// ping answers /v2/, where clients find out how to sign in.
func (h *Handler) ping(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return errMethod
	}
	if access.From(r.Context()).Anonymous() {
		w.Header().Set("WWW-Authenticate", h.challenge(r))
		return errUnauthorized
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write([]byte("{}"))
	return err
}
