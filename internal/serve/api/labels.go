package api

import (
	"context"
	"strconv"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/query"
)

// labels answers for labels, and for those on artifacts.
type labels struct {
	labels  *label.Service
	catalog artifact.Catalog
	allow   func(context.Context, access.Need, where) (access.Project, error)
}

func asLabel(l label.Label) labelBody {
	return labelBody{l.ID, l.Name, l.Description, l.Color, l.Scope, l.ProjectID, moment(l.Created), moment(l.Updated)}
}

// needTo is the right to do something with the labels of a scope.
func needTo(action, scope string, projectID int64) (access.Need, where, error) {
	switch {
	case scope == label.Global:
		return access.OfSystem("label", action), where{}, nil
	case scope == label.OfProject && projectID > 0:
		return access.OfProject("label", action), where{project: strconv.FormatInt(projectID, 10)}, nil
	}
	return access.Need{}, where{}, label.ErrInvalid.With("scope: it must be g, or p with a project_id")
}

type listLabels struct {
	Filtering
	Paging
	Name      string `query:"name" doc:"a part of the name"`
	Scope     string `query:"scope" doc:"g for those of all projects, p for those of one, which needs label:list in it"`
	ProjectID int64  `query:"project_id" doc:"of the project, for the scope p"`
}

// list is open to anybody, since the labels of all projects are; those of one are
// judged here.
func (l labels) list(ctx context.Context, in *listLabels) (*list[labelBody], error) {
	need, at, err := needTo("list", in.Scope, in.ProjectID)
	if err == nil && in.Scope == label.OfProject {
		_, err = l.allow(ctx, need, at)
	}
	if err != nil {
		return nil, err
	}
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: in.Name})
	}
	if in.Scope == label.Global {
		in.ProjectID = 0
	}
	found, total, err := l.labels.List(ctx, in.Scope, in.ProjectID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asLabel), nil
}

type createLabel struct {
	Body labelBody `nameHint:"Label"`
}

func (l labels) needToCreate(_ context.Context, in *createLabel) (access.Need, where, error) {
	return needTo("create", in.Body.Scope, in.Body.ProjectID)
}

func (l labels) create(ctx context.Context, in *createLabel) (*created, error) {
	b := in.Body
	if b.Scope == label.Global {
		b.ProjectID = 0
	}
	id, err := l.labels.Create(ctx, label.Label{Name: b.Name, Description: b.Description, Color: b.Color, Scope: b.Scope, ProjectID: b.ProjectID})
	if err != nil {
		return nil, err
	}
	return &created{at("/labels/%d", id)}, nil
}

// LabelPath is the part of a request that names a label.
type LabelPath struct {
	ID int64 `path:"label_id"`
}

func (p LabelPath) labelID() int64 { return p.ID }

// onLabel is the right to do something with the label of a path. A label that is
// not there is one of all projects: only who administers those learns so.
func onLabel[I interface{ labelID() int64 }](l labels, action string) rule[I] {
	return by(perhapsInProject("label", action), func(ctx context.Context, in *I) (access.Need, where, error) {
		found, err := l.labels.ByID(ctx, (*in).labelID())
		if err != nil {
			if denied := access.Check(access.From(ctx), access.OfSystem("label", action), nil); denied != nil {
				return access.Need{}, where{}, denied
			}
			return access.Need{}, where{}, err
		}
		return needTo(action, found.Scope, found.ProjectID)
	})
}

type getLabel struct{ LabelPath }

type labelAnswer struct {
	Body labelBody `nameHint:"Label"`
}

func (l labels) get(ctx context.Context, in *getLabel) (*labelAnswer, error) {
	found, err := l.labels.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &labelAnswer{asLabel(found)}, nil
}

type updateLabel struct {
	LabelPath
	Body labelBody `nameHint:"Label" doc:"of which name, description and color count"`
}

func (l labels) update(ctx context.Context, in *updateLabel) (*nothing, error) {
	return nil, l.labels.Update(ctx, in.ID, in.Body.Name, in.Body.Description, in.Body.Color)
}

func (l labels) delete(ctx context.Context, in *getLabel) (*nothing, error) {
	return nil, l.labels.Delete(ctx, in.ID)
}

type addLabel struct {
	InArtifact
	Body labelBody `nameHint:"Label" doc:"of which the id counts"`
}

func (l labels) artifact(ctx context.Context, in InArtifact) (label.Artifact, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return label.Artifact{}, err
	}
	d, err := l.catalog.Artifact(ctx, repo, ref, artifact.Parts{})
	return label.Artifact{Where: repo.Where(), Digest: d.Digest}, err
}

func (l labels) add(ctx context.Context, in *addLabel) (*changed, error) {
	a, err := l.artifact(ctx, in.InArtifact)
	if err != nil {
		return nil, err
	}
	return nil, l.labels.Attach(ctx, a, in.Body.ID)
}

type removeLabel struct {
	InArtifact
	ID int64 `path:"label_id"`
}

func (l labels) remove(ctx context.Context, in *removeLabel) (*nothing, error) {
	a, err := l.artifact(ctx, in.InArtifact)
	if err != nil {
		return nil, err
	}
	return nil, l.labels.Detach(ctx, a, in.ID)
}
