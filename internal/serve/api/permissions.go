package api

import (
	"context"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/project"
)

// grantable answers for /permissions: what robots can be given.
type grantable struct{ projects *project.Service }

type grantableAnswer struct {
	Body struct {
		System  []permission `json:"system,omitempty"`
		Project []permission `json:"project"`
	} `nameHint:"Permissions"`
}

// need lets those in who may give any of it: the administrators of the system,
// and those of a project.
func (g grantable) need(ctx context.Context, _ *struct{}) (access.Need, where, error) {
	c := access.From(ctx)
	if c.Kind == access.User && !c.Admin {
		some, err := g.projects.Administers(ctx, c.ID)
		if some || err != nil {
			return access.LoggedIn, where{}, err
		}
	}
	return access.OfSystem("robot", "update"), where{}, nil
}

func (g grantable) list(ctx context.Context, _ *struct{}) (*grantableAnswer, error) {
	system, ofProject := access.Catalogue()
	out := &grantableAnswer{}
	out.Body.Project = asActions(ofProject)
	if access.From(ctx).Admin {
		out.Body.System = asActions(system)
	}
	return out, nil
}

func asActions(actions []access.Action) []permission {
	out := make([]permission, len(actions))
	for i, a := range actions {
		out[i] = permission{a.Resource, a.Action}
	}
	return out
}
