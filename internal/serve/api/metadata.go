package api

import (
	"context"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/project"
)

// metadatas answers for the metadata of a project, one by one.
type metadatas struct{ projects *project.Service }

var (
	errNoMetadata  = fault.New(fault.NotFound, "NOT_FOUND", "the project does not have this metadata")
	errHasMetadata = fault.New(fault.Conflict, "CONFLICT", "the project has this metadata")
)

type listMetadata struct{ InProject }

type metadataAnswer struct {
	Body map[string]string
}

func (m metadatas) list(ctx context.Context, in *listMetadata) (*metadataAnswer, error) {
	p, err := m.projects.ByID(ctx, in.project.ID)
	if err != nil {
		return nil, err
	}
	return &metadataAnswer{p.Metadata}, nil
}

// MetadataPath is the part of a request that names a metadata.
type MetadataPath struct {
	InProject
	Name string `path:"meta_name" maxLength:"255"`
}

type getMetadata struct{ MetadataPath }

func (m metadatas) get(ctx context.Context, in *getMetadata) (*metadataAnswer, error) {
	value, err := m.value(ctx, in.project.ID, in.Name)
	if err != nil {
		return nil, err
	}
	return &metadataAnswer{map[string]string{in.Name: value}}, nil
}

// value returns a project's metadata of a name, or errNoMetadata.
func (m metadatas) value(ctx context.Context, projectID int64, name string) (string, error) {
	p, err := m.projects.ByID(ctx, projectID)
	if err != nil {
		return "", err
	}
	value, has := p.Metadata[name]
	if !has {
		return "", errNoMetadata.With("%s", name)
	}
	return value, nil
}

type addMetadata struct {
	InProject
	Body map[string]string `doc:"exactly one"`
}

func (m metadatas) add(ctx context.Context, in *addMetadata) (*changed, error) {
	if len(in.Body) != 1 {
		return nil, project.ErrInvalid.With("there must be exactly one metadata, and there are %d", len(in.Body))
	}
	for name := range in.Body {
		if _, err := m.value(ctx, in.project.ID, name); err == nil {
			return nil, errHasMetadata.With("%s", name)
		}
	}
	return nil, m.projects.Update(ctx, in.project.ID, project.Change{Set: in.Body})
}

type updateMetadata struct {
	MetadataPath
	Body map[string]string `doc:"exactly one, of the path's name"`
}

func (m metadatas) update(ctx context.Context, in *updateMetadata) (*nothing, error) {
	if _, named := in.Body[in.Name]; !named || len(in.Body) != 1 {
		return nil, project.ErrInvalid.With("there must be exactly one metadata: %s", in.Name)
	}
	if _, err := m.value(ctx, in.project.ID, in.Name); err != nil {
		return nil, err
	}
	return nil, m.projects.Update(ctx, in.project.ID, project.Change{Set: in.Body})
}

func (m metadatas) delete(ctx context.Context, in *getMetadata) (*nothing, error) {
	if _, err := m.value(ctx, in.project.ID, in.Name); err != nil {
		return nil, err
	}
	return nil, m.projects.Update(ctx, in.project.ID, project.Change{Unset: []string{in.Name}})
}
