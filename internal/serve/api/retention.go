package api

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/retention"
)

// retentions answers for the policies about what stays in a project.
type retentions struct {
	policies *retention.Service
	jobs     *job.Service
}

const (
	ofProject = "project"
	retained  = "retain"
	algorithm = "or"
)

type retentionBody struct {
	ID        int64               `json:"id"`
	Algorithm string              `json:"algorithm" doc:"or"`
	Rules     []retentionRuleBody `json:"rules"`
	Trigger   *retentionTrigger   `json:"trigger,omitempty"`
	Scope     *retentionScope     `json:"scope,omitempty"`
}

type retentionRuleBody struct {
	ID       int64          `json:"id"`
	Priority int64          `json:"priority"`
	Disabled bool           `json:"disabled"`
	Action   string         `json:"action" doc:"retain"`
	Template string         `json:"template" doc:"what stays: see /retentions/metadatas"`
	Params   map[string]any `json:"params" doc:"one number, named as the template"`

	Selectors
}

type retentionTrigger struct {
	Kind       string         `json:"kind" doc:"Schedule"`
	Settings   map[string]any `json:"settings" doc:"cron: six fields, in UTC; empty for never"`
	References map[string]any `json:"references"`
}

type retentionScope struct {
	Level string `json:"level" doc:"project"`
	Ref   int64  `json:"ref" doc:"id of the project"`
}

// asRetention makes a policy what clients see. next is when it runs by itself,
// or zero.
func asRetention(p retention.Policy, next time.Time) retentionBody {
	settings := map[string]any{"cron": p.Cron}
	if !next.IsZero() {
		settings["next_scheduled_time"] = moment(next)
	}
	return retentionBody{
		ID: p.ID, Algorithm: algorithm, Rules: all(p.Rules, asRetentionRule),
		Trigger: &retentionTrigger{Kind: timed, Settings: settings, References: map[string]any{}}, Scope: &retentionScope{ofProject, p.ProjectID},
	}
}

func asRetentionRule(r retention.Rule) retentionRuleBody {
	b := retentionRuleBody{
		ID: r.ID, Priority: r.Priority, Disabled: r.Disabled, Action: retained, Template: string(r.Template), Params: map[string]any{},
		Selectors: selecting(r.Tags, r.Extras, r.Repositories),
	}
	if r.Template != retention.Always {
		b.Params[string(r.Template)] = r.Param
	}
	return b
}

// policy returns what a body asks for.
func (b retentionBody) policy(id int64) (retention.Policy, error) {
	p := retention.Policy{ID: id}
	if b.Algorithm != "" && b.Algorithm != algorithm {
		return p, retention.ErrInvalid.With("algorithm: it must be %s", algorithm)
	}
	if b.Scope == nil || b.Scope.Level != ofProject || b.Scope.Ref <= 0 {
		return p, retention.ErrInvalid.With("scope: its level must be %s, and its ref the id of one", ofProject)
	}
	p.ProjectID = b.Scope.Ref
	if t := b.Trigger; t != nil {
		if t.Kind != "" && t.Kind != timed {
			return p, retention.ErrInvalid.With("trigger: its kind must be %s", timed)
		}
		switch cron := t.Settings["cron"].(type) {
		case nil:
		case string:
			p.Cron = cron
		default:
			return p, retention.ErrInvalid.With("trigger: settings.cron must be a text")
		}
	}
	for _, r := range b.Rules {
		rule, err := r.rule()
		if err != nil {
			return p, err
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, nil
}

func (b retentionRuleBody) rule() (retention.Rule, error) {
	r := retention.Rule{ID: b.ID, Priority: b.Priority, Disabled: b.Disabled, Template: retention.Template(b.Template)}
	if b.Action != "" && b.Action != retained {
		return r, retention.ErrInvalid.With("rules: the action must be %s", retained)
	}
	var err error
	if r.Tags, r.Repositories, err = b.chosen(retention.ErrInvalid); err != nil {
		return r, err
	}
	r.Extras = b.Tags[0].Extras
	if r.Untagged, err = untagged(r.Tags, r.Extras); err != nil {
		return r, err
	}
	r.Param = retention.Default(r.Template)
	if v, ok := b.Params[b.Template]; ok {
		n, whole := v.(float64)
		if !whole || n != float64(int64(n)) {
			return r, retention.ErrInvalid.With("rules: params.%s must be a whole number", b.Template)
		}
		r.Param = int64(n)
	}
	return r, nil
}

// untagged reports whether a rule is also about artifacts without a tag: those
// that are matched, unless the extras say no, or that are not excluded, unless
// they say yes.
func untagged(tags pattern.Pattern, extras string) (bool, error) {
	var said struct {
		Untagged *bool `json:"untagged"`
	}
	if extras != "" && json.Unmarshal([]byte(extras), &said) != nil {
		return false, retention.ErrInvalid.With(`rules: tag_selectors: the extras must be an object, as {"untagged":true}`)
	}
	if said.Untagged != nil {
		return *said.Untagged != tags.Except, nil
	}
	return true, nil
}

type retentionKinds struct {
	Body struct {
		Templates []retentionTemplate `json:"templates"`
		Scopes    []retentionSelector `json:"scope_selectors"`
		Tags      []retentionSelector `json:"tag_selectors"`
	} `nameHint:"RetentionMetadata"`
}

type retentionTemplate struct {
	Template string           `json:"rule_template"`
	Text     string           `json:"display_text"`
	Action   string           `json:"action"`
	Params   []retentionParam `json:"params"`
}

type retentionParam struct {
	Type     string `json:"type"`
	Unit     string `json:"unit"`
	Required bool   `json:"required"`
}

type retentionSelector struct {
	Text        string   `json:"display_text"`
	Kind        string   `json:"kind"`
	Decorations []string `json:"decorations"`
}

func (retentions) kinds(context.Context, *struct{}) (*retentionKinds, error) {
	template := func(t retention.Template, text, unit string) retentionTemplate {
		params := []retentionParam{}
		if unit != "" {
			params = append(params, retentionParam{"int", unit, true})
		}
		return retentionTemplate{string(t), text, retained, params}
	}
	out := &retentionKinds{}
	out.Body.Templates = []retentionTemplate{
		template(retention.LatestPushed, "the # artifacts pushed last", "COUNT"),
		template(retention.LatestPulled, "the # artifacts pulled last", "COUNT"),
		template(retention.PushedWithin, "what was pushed within the last # days", "DAYS"),
		template(retention.PulledWithin, "what was pulled within the last # days", "DAYS"),
		template(retention.Always, "everything", ""),
	}
	out.Body.Scopes = []retentionSelector{{"Repositories", doublestar, ofRepositories[:]}}
	out.Body.Tags = []retentionSelector{{"Tags", doublestar, ofTags[:]}}
	return out, nil
}

type createRetention struct {
	Body retentionBody `nameHint:"RetentionPolicy"`

	policy retention.Policy // of the body, once its need was found
}

// needToCreate is judged in the project that the body names.
func (retentions) needToCreate(_ context.Context, in *createRetention) (need access.Need, at where, err error) {
	in.policy, err = in.Body.policy(0)
	return access.OfProject("tag-retention", "create"), byID(in.policy.ProjectID), err
}

// byID is a project by its id.
func byID(project int64) where { return where{project: strconv.FormatInt(project, 10)} }

func (r retentions) create(ctx context.Context, in *createRetention) (*created, error) {
	id, err := r.policies.Create(ctx, in.policy)
	if err != nil {
		return nil, err
	}
	return &created{at("/retentions/%d", id)}, nil
}

// RetentionPath is the part of a request that names a policy.
type RetentionPath struct {
	ID int64 `path:"id"`

	policy retention.Policy // set with the need
}

func (p *RetentionPath) path() *RetentionPath { return p }

// inPolicy is the need of a right in the project of a policy.
func inPolicy[I any, P interface {
	*I
	path() *RetentionPath
}](r retentions, action string,
) rule[I] {
	need := access.OfProject("tag-retention", action)
	return by(need.String()+" of the policy", func(ctx context.Context, in *I) (access.Need, where, error) {
		p := P(in).path()
		var err error
		p.policy, err = r.policies.ByID(ctx, p.ID)
		return need, byID(p.policy.ProjectID), err
	})
}

type getRetention struct{ RetentionPath }

type retentionAnswer struct {
	Body retentionBody `nameHint:"RetentionPolicy"`
}

func (r retentions) get(ctx context.Context, in *getRetention) (*retentionAnswer, error) {
	var next time.Time
	if in.policy.Cron != "" {
		at, err := r.jobs.ScheduleOf(ctx, job.Retention, in.policy.ID)
		if err != nil && !errors.Is(err, job.ErrNotFound) {
			return nil, err
		}
		next = at.Next
	}
	return &retentionAnswer{asRetention(in.policy, next)}, nil
}

type updateRetention struct {
	RetentionPath
	Body retentionBody `nameHint:"RetentionPolicy"`
}

func (r retentions) update(ctx context.Context, in *updateRetention) (*nothing, error) {
	p, err := in.Body.policy(in.policy.ID)
	if err != nil {
		return nil, err
	}
	if in.Body.ID != 0 && in.Body.ID != in.ID {
		return nil, retention.ErrInvalid.With("id: it is not that of the path")
	}
	if p.ProjectID != in.policy.ProjectID {
		return nil, retention.ErrInvalid.With("scope: a policy stays in its project")
	}
	return nil, r.policies.Update(ctx, p)
}

func (r retentions) delete(ctx context.Context, in *getRetention) (*nothing, error) {
	return nil, r.policies.Delete(ctx, in.ID)
}

type startRetention struct {
	RetentionPath
	Body struct {
		DryRun bool `json:"dry_run"`
	}
}

// startedRetention is created, with the status that others have for it as well.
type startedRetention struct {
	Location string `header:"Location" doc:"path of what was created"`
}

func (*startedRetention) orOK() {}

func (r retentions) start(ctx context.Context, in *startRetention) (*startedRetention, error) {
	id, err := r.policies.Start(ctx, in.policy, in.Body.DryRun)
	if err != nil {
		return nil, err
	}
	return &startedRetention{at("/retentions/%d/executions/%d", in.ID, id)}, nil
}

type retentionExecution struct {
	ID       int64   `json:"id"`
	PolicyID int64   `json:"policy_id"`
	Started  moment  `json:"start_time"`
	Ended    *moment `json:"end_time,omitempty"`
	Status   string  `json:"status"`
	Trigger  string  `json:"trigger"`
	DryRun   bool    `json:"dry_run"`
	Operator string  `json:"operator,omitempty"`
}

type listRetentionExecutions struct {
	RetentionPath
	Paging
}

func (r retentions) executions(ctx context.Context, in *listRetentionExecutions) (*list[retentionExecution], error) {
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := r.jobs.Executions(ctx, []job.Kind{job.Retention}, in.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(e job.Execution) retentionExecution {
		attrs, _ := retention.AttrsOf(e) // which it wrote itself
		shown := retentionExecution{
			ID: e.ID, PolicyID: e.OwnerID, Started: moment(e.Started), Ended: perhaps(e.Ended), Status: string(e.Status),
			Trigger: string(e.Trigger), DryRun: attrs.DryRun, Operator: attrs.Operator,
		}
		if e.Trigger == job.BySchedule {
			shown.Trigger = timed
		}
		return shown
	}), nil
}

// RetentionExecutionPath is the part of a request that names an execution of a
// policy.
type RetentionExecutionPath struct {
	RetentionPath
	Execution int64 `path:"eid"`
}

// execution returns it, or job.ErrNotFound.
func (r retentions) execution(ctx context.Context, in RetentionExecutionPath) (job.Execution, error) {
	return r.jobs.Execution(ctx, []job.Kind{job.Retention}, in.ID, in.Execution)
}

type operateRetention struct {
	RetentionExecutionPath
	Body struct {
		Action string `json:"action" enum:"stop" required:"true"`
	}
}

func (r retentions) operate(ctx context.Context, in *operateRetention) (*nothing, error) {
	e, err := r.execution(ctx, in.RetentionExecutionPath)
	if err == nil {
		err = r.jobs.Stop(ctx, e.ID)
	}
	if errors.Is(err, job.ErrEnded) {
		err = nil
	}
	return nil, err
}

type retentionTask struct {
	ID         int64   `json:"id"`
	Execution  int64   `json:"execution_id"`
	Repository string  `json:"repository"`
	JobID      string  `json:"job_id"`
	Status     string  `json:"status"`
	Code       int     `json:"status_code"`
	Revision   int64   `json:"status_revision"`
	Started    *moment `json:"start_time,omitempty"`
	Ended      *moment `json:"end_time,omitempty"`
	Total      int     `json:"total"`
	Retained   int     `json:"retained"`
}

// statusCodes are the statuses as numbers.
var statusCodes = map[job.Status]int{job.Pending: 0, job.Scheduled: 1, job.Running: 2, job.Stopped: 3, job.Failed: 3, job.Succeeded: 3}

type listRetentionTasks struct {
	RetentionExecutionPath
	Paging
}

func (r retentions) tasks(ctx context.Context, in *listRetentionTasks) (*list[retentionTask], error) {
	e, err := r.execution(ctx, in.RetentionExecutionPath)
	if err != nil {
		return nil, err
	}
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := r.jobs.Tasks(ctx, e.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asRetentionTask), nil
}

func asRetentionTask(t job.Task) retentionTask {
	var told retention.Task
	var came retention.Progress
	_, _ = json.Unmarshal(t.Args, &told), json.Unmarshal(t.Attrs, &came) // which it wrote itself
	return retentionTask{
		ID: t.ID, Execution: t.ExecutionID, Repository: told.Repository, JobID: strconv.FormatInt(t.ID, 10), Status: string(t.Status), Code: statusCodes[t.Status],
		Revision: t.Updated.Unix(), Started: perhaps(t.Started), Ended: perhaps(t.Ended), Total: came.Total, Retained: came.Retained,
	}
}

type getRetentionLog struct {
	RetentionExecutionPath
	Task int64 `path:"tid"`
}

func (r retentions) log(ctx context.Context, in *getRetentionLog) (*text, error) {
	e, err := r.execution(ctx, in.RetentionExecutionPath)
	if err != nil {
		return nil, err
	}
	t, err := r.jobs.Task(ctx, e.ID, in.Task)
	if err != nil {
		return nil, err
	}
	return logOf(ctx, r.jobs, t.ID)
}
