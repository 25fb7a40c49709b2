package api

import (
	"context"
	"net/url"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
)

// InNamedProject is the part of a request that names the project it is about, by
// its name alone.
type InNamedProject struct {
	Name string `path:"project_name" doc:"name of the project"`

	project access.Project // with the caller's roles; set before the handler runs
}

func (p *InNamedProject) enter(ctx context.Context) {
	p.project, _ = ctx.Value(insideKey{}).(access.Project)
}

// InRepository is the part of a request that names the repository it is about.
type InRepository struct {
	Project    string `path:"project_name" doc:"name of the project"`
	Repository string `path:"repository_name" doc:"name of the repository without the project; a slash in it is written as %252F"`

	project access.Project // with the caller's roles; set before the handler runs
}

func (p *InRepository) enter(ctx context.Context) {
	p.project, _ = ctx.Value(insideKey{}).(access.Project)
}

// errCache is project.ErrCache, as the API tells it.
var errCache = fault.New(fault.Unsupported, "METHOD_NOT_ALLOWED", project.ErrCache.Message)

// takesPushes returns errCache where nobody brings anything to the project.
func (p *InRepository) takesPushes() error {
	if p.project.Upstream != 0 {
		return errCache
	}
	return nil
}

// repo returns the repository, which need not exist. A name that no repository
// can have is artifact.ErrRepositoryUnknown.
func (p *InRepository) repo() (artifact.Repo, error) {
	// Clients escape a slash twice, since proxies undo it once.
	name, err := url.PathUnescape(p.Repository)
	full := p.project.Name + "/" + name
	if err != nil || oci.CheckRepository(full) != nil {
		return artifact.Repo{}, artifact.ErrRepositoryUnknown.With("%.255s", p.Repository)
	}
	return artifact.Repo{ProjectID: p.project.ID, Name: full}, nil
}

// InArtifact is the part of a request that names the artifact it is about.
type InArtifact struct {
	InRepository
	Reference string `path:"reference" doc:"tag or digest"`
}

// artifact returns the repository and the tag or digest. What is neither is
// artifact.ErrUnknown.
func (p *InArtifact) artifact() (artifact.Repo, oci.Reference, error) {
	repo, err := p.repo()
	if err != nil {
		return repo, oci.Reference{}, err
	}
	ref, err := oci.ParseReference(p.Reference)
	if err != nil {
		return repo, ref, artifact.ErrUnknown.With("%.255s", p.Reference)
	}
	return repo, ref, nil
}
