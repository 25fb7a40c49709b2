package api

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/berth-registry/berth/internal/immutable"
)

// immutables answers for the rules about tags that may not move.
type immutables struct{ rules *immutable.Service }

type ruleBody struct {
	ID       int64          `json:"id"`
	Priority int64          `json:"priority"`
	Disabled bool           `json:"disabled"`
	Action   string         `json:"action" doc:"immutable"`
	Template string         `json:"template" doc:"immutable_template"`
	Params   map[string]any `json:"params,omitempty" doc:"none are known"`

	Selectors
}

func asRule(r immutable.Rule) ruleBody {
	return ruleBody{
		ID: r.ID, Priority: r.Priority, Disabled: r.Disabled, Action: "immutable", Template: "immutable_template",
		Selectors: selecting(r.Tags, r.Extras, r.Repositories),
	}
}

// rule returns what a body asks for.
func (b ruleBody) rule(projectID, id int64) (immutable.Rule, error) {
	r := immutable.Rule{ID: id, ProjectID: projectID, Disabled: b.Disabled, Priority: b.Priority}
	var err error
	if r.Tags, r.Repositories, err = b.chosen(immutable.ErrInvalid); err != nil {
		return r, err
	}
	r.Extras = b.Tags[0].Extras
	if r.Extras != "" && !json.Valid([]byte(r.Extras)) {
		return r, immutable.ErrInvalid.With("tag_selectors: the extras must be JSON")
	}
	return r, nil
}

type listRules struct {
	InProject
	Filtering
	Paging
}

func (i immutables) list(ctx context.Context, in *listRules) (*list[ruleBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := i.rules.List(ctx, in.project.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asRule), nil
}

type createRule struct {
	InProject
	Body ruleBody `nameHint:"ImmutableRule"`
}

func (i immutables) create(ctx context.Context, in *createRule) (*created, error) {
	r, err := in.Body.rule(in.project.ID, 0)
	if err != nil {
		return nil, err
	}
	id, err := i.rules.Create(ctx, r)
	if err != nil {
		return nil, err
	}
	return &created{at("/projects/%s/immutabletagrules/%d", url.PathEscape(in.NameOrID), id)}, nil
}

// RulePath is the part of a request that names a rule, which is looked up in the
// project alone.
type RulePath struct {
	InProject
	ID int64 `path:"immutable_rule_id"`
}

type updateRule struct {
	RulePath
	Body ruleBody `nameHint:"ImmutableRule"`
}

func (i immutables) update(ctx context.Context, in *updateRule) (*nothing, error) {
	if in.Body.ID != 0 && in.Body.ID != in.ID {
		return nil, immutable.ErrInvalid.With("id: it is not that of the path")
	}
	r, err := in.Body.rule(in.project.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, i.rules.Update(ctx, r)
}

type deleteRule struct{ RulePath }

func (i immutables) delete(ctx context.Context, in *deleteRule) (*nothing, error) {
	return nil, i.rules.Delete(ctx, in.project.ID, in.ID)
}
