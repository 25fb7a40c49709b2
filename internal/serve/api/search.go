package api

import (
	"context"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
)

// search finds projects and repositories by a part of their names, and counts
// them.
type search struct {
	projects *project.Service
	catalog  artifact.Catalog
}

// maxFound is how many projects, and how many repositories, a search shows.
const maxFound = 1000

type searchRequest struct {
	Q string `query:"q" required:"true" maxLength:"255" doc:"a part of a name, whatever the case"`
}

type searchAnswer struct {
	Body struct {
		Projects     []projectBody     `json:"project" doc:"at most 1000"`
		Repositories []foundRepository `json:"repository" doc:"at most 1000"`
	} `nameHint:"Search"`
}

type foundRepository struct {
	ProjectID     int64  `json:"project_id"`
	ProjectName   string `json:"project_name"`
	Public        bool   `json:"project_public"`
	Name          string `json:"repository_name"`
	PullCount     int64  `json:"pull_count"`
	ArtifactCount int64  `json:"artifact_count"`
}

func asFound(r artifact.Repository) foundRepository {
	return foundRepository{r.ProjectID, r.Project, r.Public, r.Name, r.PullCount, r.ArtifactCount}
}

func (s search) find(ctx context.Context, in *searchRequest) (*searchAnswer, error) {
	caller := access.From(ctx)
	q := query.Query{Page: 1, Size: maxFound, Sorts: []query.Sort{{Field: "name"}}}
	if in.Q != "" {
		q = q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: in.Q})
	}
	projects, _, err := s.projects.List(ctx, caller, q)
	if err != nil {
		return nil, err
	}
	repositories, _, err := s.catalog.Repositories(ctx, scope(caller), q)
	if err != nil {
		return nil, err
	}
	out := &searchAnswer{}
	out.Body.Projects, out.Body.Repositories = all(projects, asProject), all(repositories, asFound)
	return out, nil
}

type statisticsAnswer struct {
	Body statistics `nameHint:"Statistic"`
}

// statistics has zero totals for who may not know them.
type statistics struct {
	PrivateProjects     int64 `json:"private_project_count"`
	PrivateRepositories int64 `json:"private_repo_count"`
	PublicProjects      int64 `json:"public_project_count"`
	PublicRepositories  int64 `json:"public_repo_count"`
	Projects            int64 `json:"total_project_count"`
	Repositories        int64 `json:"total_repo_count"`
	Storage             int64 `json:"total_storage_consumption" doc:"bytes that all projects use, as their quotas count"`
}

func (s search) statistics(ctx context.Context, _ *struct{}) (*statisticsAnswer, error) {
	c, err := s.projects.Counts(ctx, access.From(ctx))
	if err != nil {
		return nil, err
	}
	out := statistics{PrivateProjects: c.PrivateProjects, PrivateRepositories: c.PrivateRepositories, PublicProjects: c.PublicProjects, PublicRepositories: c.PublicRepositories}
	if c.All {
		out.Projects, out.Repositories, out.Storage = c.PrivateProjects+c.PublicProjects, c.PrivateRepositories+c.PublicRepositories, c.Bytes
	}
	return &statisticsAnswer{out}, nil
}
