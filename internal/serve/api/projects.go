package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/retention"
)

// projects answers for /projects.
type projects struct {
	projects  *project.Service
	quotas    *quota.Service
	endpoints *endpoint.Service
	retention *retention.Service

	allowlists *allowlist.Service
}

type projectBody struct {
	ID         int64           `json:"project_id"`
	OwnerID    int64           `json:"owner_id"`
	OwnerName  string          `json:"owner_name,omitempty"`
	Name       string          `json:"name"`
	RegistryID int64           `json:"registry_id,omitempty" doc:"of the registry that the project is a cache of"`
	Created    moment          `json:"creation_time"`
	Updated    moment          `json:"update_time"`
	Deleted    bool            `json:"deleted,omitempty"`
	Togglable  bool            `json:"togglable,omitempty"`
	Role       int             `json:"current_user_role_id" doc:"the strongest role of the caller, 0 for none"`
	Roles      []int           `json:"current_user_role_ids"`
	RepoCount  int64           `json:"repo_count"`
	Metadata   projectMetadata `json:"metadata,omitempty"`
	Allowlist  *cveAllowlist   `json:"cve_allowlist,omitempty"`
}

// projectMetadata has text for values, whatever they mean. Of what a client
// sends, the keys that are not of the API and the nulls are left out.
type projectMetadata map[string]string

var metadataKeys = []string{
	"public", "enable_content_trust", "enable_content_trust_cosign", "prevent_vul", "severity", "auto_scan",
	"auto_sbom_generation", "reuse_sys_cve_allowlist", "retention_id", "proxy_speed_kb", "max_upstream_conn",
	"proxy_cache_local_on_not_found", "proxy_referrer_api", "proxy_cache_filter_pattern", "proxy_cache_filter_kind",
	"content_trust_any_signer", "allow_unscanned", "prevent_no_sbom", "policy_audit_only", "auto_sbom_media_type", "vex_signed_only",
}

// Schema describes the metadata for the document.
func (projectMetadata) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Properties: map[string]*huma.Schema{}}
	for _, key := range metadataKeys {
		s.Properties[key] = &huma.Schema{Type: huma.TypeString, Nullable: key != project.MetaPublic}
	}
	return s
}

// UnmarshalJSON reads what a client sent.
func (m *projectMetadata) UnmarshalJSON(data []byte) error {
	var sent map[string]any
	if err := json.Unmarshal(data, &sent); err != nil {
		return err
	}
	*m = projectMetadata{}
	for _, key := range metadataKeys {
		switch v := sent[key].(type) {
		case nil:
		case string:
			(*m)[key] = v
		default:
			return errors.New("metadata " + key + " is no text")
		}
	}
	return nil
}

func asProject(p project.Project) projectBody {
	out := projectBody{
		ID: p.ID, OwnerID: p.OwnerID, OwnerName: p.OwnerName, Name: p.Name, Created: moment(p.Created),
		RegistryID: p.Upstream, Updated: moment(p.Updated), Roles: make([]int, len(p.Roles)), RepoCount: p.RepoCount, Metadata: p.Metadata,
	}
	for i, role := range p.Roles {
		out.Roles[i] = int(role)
	}
	if len(out.Roles) > 0 {
		out.Role = out.Roles[0]
	}
	return out
}

// plain leaves out what a list without details has not.
func plain(p project.Project) projectBody {
	out := asProject(p)
	out.OwnerName, out.Metadata = "", nil
	return out
}

type listProjects struct {
	Filtering
	Paging
	Name   string `query:"name" doc:"a part of the name"`
	Public maybe  `query:"public" doc:"only those that everybody may read, or only the others"`
	Owner  string `query:"owner" doc:"name of the owner"`
	Detail bool   `query:"with_detail" default:"true" doc:"whether to show owner_name, metadata and cve_allowlist"`
}

func (in *listProjects) query() (query.Query, error) {
	q, err := ask(in.Filtering, in.Paging)
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: in.Name})
	}
	if in.Public.Set {
		q = q.Where(query.Filter{Field: "public", Value: in.Public.Value})
	}
	if in.Owner != "" {
		q = q.Where(query.Filter{Field: "owner", Value: in.Owner})
	}
	return q, err
}

func (p projects) list(ctx context.Context, in *listProjects) (*list[projectBody], error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	found, total, err := p.projects.List(ctx, access.From(ctx), q)
	if err != nil {
		return nil, err
	}
	if !in.Detail {
		return page(in.Paging, found, total, plain), nil
	}
	lists, err := p.allowlists.OfAll(ctx, all(found, func(p project.Project) int64 { return p.ID })...)
	return page(in.Paging, found, total, func(p project.Project) projectBody { return detailed(p, lists[p.ID]) }), err
}

// detailed adds the project's list of vulnerabilities that are let through. Nobody may
// have set one yet; then it is as old as the project.
func detailed(p project.Project, l allowlist.List) projectBody {
	out := asProject(p)
	if l.ID == 0 {
		l.Created, l.Updated = p.Created, p.Created
	}
	out.Allowlist = asAllowlist(l)
	return out
}

type headProject struct {
	Name string `query:"project_name" required:"true"`
}

func (p projects) head(ctx context.Context, in *headProject) (*nothing, error) {
	_, err := p.projects.ByNameOrID(ctx, in.Name, true)
	return nil, err
}

type projectReq struct {
	Name       string          `json:"project_name" maxLength:"255"`
	Public     *bool           `json:"public" doc:"where metadata do not say"`
	Metadata   projectMetadata `json:"metadata"`
	Allowlist  *cveAllowlist   `json:"cve_allowlist"`
	Limit      *int64          `json:"storage_limit" doc:"bytes, -1 for no limit; of administrators only, and only for a new project; else the default"`
	RegistryID *int64          `json:"registry_id" nullable:"true" doc:"of the registry that the project is a cache of; only for a new project"`
}

// checkNew refuses what no new project can have.
func (r projectReq) checkNew() error {
	if r.Limit != nil && *r.Limit != 0 && quota.Check(*r.Limit) != nil {
		return project.ErrInvalid.With("storage_limit is -1 or from 0 to %d", int64(quota.Most))
	}
	return r.check(0)
}

// check refuses what cannot be kept. What is not looked at may be anything.
func (r projectReq) check(projectID int64) error {
	if r.Allowlist == nil {
		return nil
	}
	if r.Allowlist.ProjectID != 0 && r.Allowlist.ProjectID != projectID {
		return project.ErrInvalid.With("cve_allowlist is of another project")
	}
	return r.Allowlist.list(projectID).Check()
}

type createProject struct {
	NameInLocation bool `header:"X-Resource-Name-In-Location" default:"false" doc:"whether Location has the project's name in place of its id"`
	Body           projectReq
}

// needToCreate asks of robots what users need not be given, and of all who name
// a registry what only those have who see registries.
func (p projects) needToCreate(ctx context.Context, in *createProject) (access.Need, where, error) {
	if access.From(ctx).Kind == access.User && in.Body.RegistryID == nil {
		return access.LoggedIn, where{}, nil
	}
	return access.OfSystem("project", "create"), where{}, nil
}

func (p projects) create(ctx context.Context, in *createProject) (*created, error) {
	if err := in.Body.checkNew(); err != nil {
		return nil, err
	}
	upstream, err := p.upstream(ctx, in.Body.RegistryID)
	if err != nil {
		return nil, err
	}
	made := project.NewProject{Name: in.Body.Name, Metadata: in.Body.Metadata, Upstream: upstream}
	if in.Body.Public != nil {
		made.Public = *in.Body.Public
	}
	if in.Body.Limit != nil && access.Allowed(access.From(ctx), access.OfSystem("quota", "update"), nil) {
		made.Limit = *in.Body.Limit
	}
	id, err := p.projects.Create(ctx, made)
	if err != nil {
		return nil, err
	}
	if upstream != 0 {
		if _, err := p.retention.CreateForCache(ctx, id); err != nil {
			return nil, errors.Join(err, p.projects.Delete(ctx, id)) // it would grow for ever
		}
	}
	if in.Body.Allowlist != nil {
		if err := p.allowlists.Set(ctx, in.Body.Allowlist.list(id)); err != nil {
			return nil, errors.Join(err, p.projects.Delete(ctx, id)) // it would not be what was asked for
		}
	}
	if in.NameInLocation {
		return &created{at("/projects/%s", in.Body.Name)}, nil
	}
	return &created{at("/projects/%d", id)}, nil
}

// upstream returns the registry that a new project is to be a cache of, or 0.
func (p projects) upstream(ctx context.Context, id *int64) (int64, error) {
	if id == nil {
		return 0, nil
	}
	if *id <= 0 {
		return 0, project.ErrInvalid.With("registry_id must be above 0")
	}
	e, err := p.endpoints.ByID(ctx, *id)
	if errors.Is(err, endpoint.ErrNotFound) {
		return 0, project.ErrNoUpstream.Saying("there is no registry %d", *id)
	}
	if err == nil && !project.Cacheable(e.Kind) {
		err = project.ErrInvalid.With("there are no caches of registries of type %s", e.Kind)
	}
	return e.ID, err
}

type getProject struct{ InProject }

type projectAnswer struct {
	Body projectBody `nameHint:"Project"`
}

func (p projects) get(ctx context.Context, in *getProject) (*projectAnswer, error) {
	found, err := p.projects.ByID(ctx, in.project.ID)
	if err != nil {
		return nil, err
	}
	found.Roles = in.project.Roles
	list, err := p.allowlists.Of(ctx, found.ID)
	return &projectAnswer{detailed(found, list)}, err
}

type updateProject struct {
	InProject
	Body projectReq
}

func (p projects) update(ctx context.Context, in *updateProject) (*nothing, error) {
	if err := in.Body.check(in.project.ID); err != nil {
		return nil, err
	}
	err := p.projects.Update(ctx, in.project.ID, project.Change{Set: in.Body.Metadata})
	if err == nil && in.Body.Allowlist != nil {
		err = p.allowlists.Set(ctx, in.Body.Allowlist.list(in.project.ID))
	}
	return nil, err
}

func (p projects) delete(ctx context.Context, in *getProject) (*nothing, error) {
	return nil, p.projects.Delete(ctx, in.project.ID)
}

type deletableAnswer struct {
	Body struct {
		Deletable bool   `json:"deletable"`
		Message   string `json:"message,omitempty" doc:"why not"`
	} `nameHint:"ProjectDeletable"`
}

func (p projects) deletable(ctx context.Context, in *getProject) (*deletableAnswer, error) {
	out := &deletableAnswer{}
	err := p.projects.Deletable(ctx, in.project.ID)
	if errors.Is(err, project.ErrNotEmpty) {
		out.Body.Message = project.ErrNotEmpty.Message
		return out, nil
	}
	out.Body.Deletable = err == nil
	return out, err
}

type summaryAnswer struct{ Body projectSummary }

// projectSummary leaves out what the caller may not know.
type projectSummary struct {
	RepoCount     int64         `json:"repo_count"`
	Admins        *int64        `json:"project_admin_count,omitempty"`
	Maintainers   *int64        `json:"maintainer_count,omitempty"`
	Developers    *int64        `json:"developer_count,omitempty"`
	Guests        *int64        `json:"guest_count,omitempty"`
	LimitedGuests *int64        `json:"limited_guest_count,omitempty"`
	Quota         *summaryQuota `json:"quota,omitempty" doc:"missing for who may not know"`
	Registry      *registryBody `json:"registry,omitempty" doc:"that the project is a cache of"`
}

type summaryQuota struct {
	Hard resourceList `json:"hard"`
	Used resourceList `json:"used"`
}

func (p projects) summary(ctx context.Context, in *getProject) (*summaryAnswer, error) {
	s, err := p.projects.Summary(ctx, in.project.ID)
	if err != nil {
		return nil, err
	}
	out := projectSummary{RepoCount: s.Repositories}
	if out.Registry, err = p.registry(ctx, in.project.Upstream); err != nil {
		return nil, err
	}
	if access.Allowed(access.From(ctx), access.OfProject("member", "list"), &in.project) {
		count := func(r access.Role) *int64 { n := s.Members[r]; return &n }
		out.Admins, out.Maintainers = count(access.ProjectAdmin), count(access.Maintainer)
		out.Developers, out.Guests, out.LimitedGuests = count(access.Developer), count(access.Guest), count(access.LimitedGuest)
	}
	if !access.Allowed(access.From(ctx), access.OfProject("quota", "read"), &in.project) {
		return &summaryAnswer{out}, nil
	}
	q, err := p.quotas.ByProject(ctx, in.project.ID)
	if err == nil {
		out.Quota = &summaryQuota{Hard: storage(q.Hard), Used: storage(q.Used)}
	}
	return &summaryAnswer{out}, err
}

// registry returns what everybody who sees a cache may know of its upstream, or
// nil for none.
func (p projects) registry(ctx context.Context, id int64) (*registryBody, error) {
	if id == 0 {
		return nil, nil
	}
	e, err := p.endpoints.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	b := asRegistry(e)
	b.Credential, b.Roots, b.Message = nil, "", ""
	return &b, nil
}
