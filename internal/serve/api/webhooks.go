package api

import (
	"context"
	"net/url"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/webhook"
)

// webhooks answers for the policies about who is told what happens in a project.
type webhooks struct {
	policies *webhook.Service
	jobs     *job.Service
}

type webhookBody struct {
	ID          int64           `json:"id" readOnly:"true"`
	Name        string          `json:"name" doc:"one of its own in the project"`
	Description string          `json:"description"`
	ProjectID   int64           `json:"project_id" readOnly:"true"`
	Targets     []webhookTarget `json:"targets"`
	EventTypes  []string        `json:"event_types" doc:"see /projects/{project_name_or_id}/webhook/events"`
	Creator     string          `json:"creator" readOnly:"true"`
	Created     moment          `json:"creation_time" readOnly:"true"`
	Updated     moment          `json:"update_time" readOnly:"true"`
	Enabled     bool            `json:"enabled"`
}

type webhookTarget struct {
	Type       string `json:"type" doc:"http or slack"`
	Address    string `json:"address" doc:"a URL, of HTTP or HTTPS"`
	Secret     string `json:"auth_header,omitempty" doc:"value of the header Authorization. What is kept is never shown: stars stand for it, and sent back they leave it as it is"`
	SkipVerify bool   `json:"skip_cert_verify"`
	Format     string `json:"payload_format,omitempty" doc:"of http: Default or CloudEvents"`
}

// asWebhook makes a policy what clients see, with the addresses of Slack, which are
// as good as passwords, for those who may change it.
func asWebhook(p webhook.Policy, whole bool) webhookBody {
	return webhookBody{
		ID: p.ID, Name: p.Name, Description: p.Description, ProjectID: p.ProjectID, Targets: all(p.Targets, func(t webhook.Target) webhookTarget { return asWebhookTarget(t, whole) }), EventTypes: all(p.Topics, asText[webhook.Topic]),
		Creator: p.Creator, Created: moment(p.Created), Updated: moment(p.Updated), Enabled: p.Enabled,
	}
}

func asWebhookTarget(t webhook.Target, whole bool) webhookTarget {
	shown := webhookTarget{Type: string(t.Protocol), Address: t.Address, SkipVerify: t.SkipVerify, Format: string(t.Format)}
	if t.Protocol == webhook.Slack && !whole {
		shown.Address = t.Site() + "/" + webhook.Unchanged
	}
	if len(t.Sealed) > 0 {
		shown.Secret = webhook.Unchanged
	}
	return shown
}

func asText[T ~string](t T) string { return string(t) }

// policy returns what a body asks for.
func (b webhookBody) policy(projectID, id int64) webhook.Policy {
	return webhook.Policy{
		ID: id, ProjectID: projectID, Name: b.Name, Description: b.Description, Enabled: b.Enabled,
		Topics: all(b.EventTypes, func(t string) webhook.Topic { return webhook.Topic(t) }),
		Targets: all(b.Targets, func(t webhookTarget) webhook.Target {
			return webhook.Target{
				Protocol: webhook.Protocol(t.Type), Address: t.Address, Secret: secret.New(t.Secret), SkipVerify: t.SkipVerify, Format: webhook.Format(t.Format),
			}
		}),
	}
}

type listWebhooks struct {
	InProject
	Filtering
	Paging
}

func (w webhooks) list(ctx context.Context, in *listWebhooks) (*list[webhookBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := w.policies.List(ctx, in.project.ID, q)
	if err != nil {
		return nil, err
	}
	whole := mayChangeWebhooks(ctx, in.InProject)
	return page(in.Paging, found, total, func(p webhook.Policy) webhookBody { return asWebhook(p, whole) }), nil
}

func mayChangeWebhooks(ctx context.Context, in InProject) bool {
	return access.Check(access.From(ctx), access.OfProject("notification-policy", "update"), &in.project) == nil
}

type createWebhook struct {
	InProject
	Body webhookBody `nameHint:"WebhookPolicy"`
}

func (w webhooks) create(ctx context.Context, in *createWebhook) (*created, error) {
	id, err := w.policies.Create(ctx, in.Body.policy(in.project.ID, 0))
	if err != nil {
		return nil, err
	}
	return &created{at("/projects/%s/webhook/policies/%d", url.PathEscape(in.NameOrID), id)}, nil
}

// WebhookPath is the part of a request that names a policy, which is looked up in
// the project alone.
type WebhookPath struct {
	InProject
	ID int64 `path:"webhook_policy_id"`
}

type getWebhook struct{ WebhookPath }

type webhookAnswer struct {
	Body webhookBody `nameHint:"WebhookPolicy"`
}

func (w webhooks) get(ctx context.Context, in *getWebhook) (*webhookAnswer, error) {
	p, err := w.policies.ByID(ctx, in.project.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookAnswer{asWebhook(p, mayChangeWebhooks(ctx, in.InProject))}, nil
}

type updateWebhook struct {
	WebhookPath
	Body webhookBody `nameHint:"WebhookPolicy"`
}

func (w webhooks) update(ctx context.Context, in *updateWebhook) (*nothing, error) {
	if in.Body.ID != 0 && in.Body.ID != in.ID {
		return nil, webhook.ErrInvalid.With("id: it is not that of the path")
	}
	return nil, w.policies.Update(ctx, in.Body.policy(in.project.ID, in.ID))
}

func (w webhooks) delete(ctx context.Context, in *getWebhook) (*nothing, error) {
	return nil, w.policies.Delete(ctx, in.project.ID, in.ID)
}

type tryWebhook struct{ WebhookPath }

// try sends something to each target now.
func (w webhooks) try(ctx context.Context, in *tryWebhook) (*created, error) {
	p, err := w.policies.ByID(ctx, in.project.ID, in.ID)
	if err != nil {
		return nil, err
	}
	ids, err := w.policies.Try(ctx, p, in.project.Name)
	if err != nil {
		return nil, err
	}
	return &created{at("/projects/%s/webhook/policies/%d/executions/%d/tasks", url.PathEscape(in.NameOrID), p.ID, ids[0])}, nil
}

type webhookKinds struct {
	Body struct {
		Events  []string        `json:"event_type"`
		Targets []string        `json:"notify_type"`
		Formats []webhookFormat `json:"payload_formats"`
	} `nameHint:"SupportedWebhookEventTypes"`
}

type webhookFormat struct {
	Target  string   `json:"notify_type"`
	Formats []string `json:"formats"`
}

type inProject struct{ InProject }

func (webhooks) kinds(context.Context, *inProject) (*webhookKinds, error) {
	out := &webhookKinds{}
	out.Body.Events = all(webhook.Topics(), asText[webhook.Topic])
	out.Body.Targets = []string{string(webhook.HTTP), string(webhook.Slack)}
	out.Body.Formats = []webhookFormat{{string(webhook.HTTP), []string{string(webhook.Default), string(webhook.CloudEvents)}}}
	return out, nil
}

type webhookTrigger struct {
	Policy  string  `json:"policy_name"`
	Event   string  `json:"event_type"`
	Enabled bool    `json:"enabled"`
	Created moment  `json:"creation_time"`
	Last    *moment `json:"last_trigger_time,omitempty"`
}

type webhookTriggers struct{ Body []webhookTrigger }

func (w webhooks) triggers(ctx context.Context, in *inProject) (*webhookTriggers, error) {
	found, err := w.policies.Triggers(ctx, in.project.ID)
	if err != nil {
		return nil, err
	}
	return &webhookTriggers{all(found, func(t webhook.Trigger) webhookTrigger {
		return webhookTrigger{t.Policy.Name, string(t.Topic), t.Policy.Enabled, moment(t.Policy.Created), perhaps(t.Last)}
	})}, nil
}

type webhookJob struct {
	ID      int64  `json:"id"`
	Policy  int64  `json:"policy_id"`
	Event   string `json:"event_type"`
	Target  string `json:"notify_type"`
	Status  string `json:"status"`
	Detail  string `json:"job_detail" doc:"the body that is sent"`
	Created moment `json:"creation_time"`
	Updated moment `json:"update_time"`
}

type listWebhookJobs struct {
	InProject
	Filtering
	Paging
	Policy int64    `query:"policy_id" required:"true"`
	Status []string `query:"status" maxItems:"6" doc:"those of these statuses"`
}

func (w webhooks) sent(ctx context.Context, in *listWebhookJobs) (*list[webhookJob], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if len(in.Status) > 0 {
		q = q.Where(query.Filter{Field: "status", Op: query.Any, Values: all(in.Status, func(s string) any { return s })})
	}
	if _, err := w.policies.ByID(ctx, in.project.ID, in.Policy); err != nil {
		return nil, err
	}
	found, total, err := w.jobs.Executions(ctx, webhook.Kinds, in.Policy, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(e job.Execution) webhookJob {
		attrs, _ := webhook.AttrsOf(e) // which it wrote itself
		return webhookJob{e.ID, e.OwnerID, string(attrs.Topic), string(webhook.ProtocolOf(e.Kind)), string(e.Status), attrs.Payload, moment(e.Started), moment(e.Updated)}
	}), nil
}

// WebhookExecutionPath is the part of a request that names an execution of a
// policy.
type WebhookExecutionPath struct {
	WebhookPath
	Execution int64 `path:"execution_id"`
}

type listWebhookExecutions struct {
	WebhookPath
	Filtering
	Paging
}

func (w webhooks) executions(ctx context.Context, in *listWebhookExecutions) (*list[execution], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if _, err := w.policies.ByID(ctx, in.project.ID, in.ID); err != nil {
		return nil, err
	}
	found, total, err := w.jobs.Executions(ctx, webhook.Kinds, in.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asExecution), nil
}

type listWebhookTasks struct {
	WebhookExecutionPath
	Filtering
	Paging
}

func (w webhooks) tasks(ctx context.Context, in *listWebhookTasks) (*list[task], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	e, err := w.execution(ctx, in.WebhookExecutionPath)
	if err != nil {
		return nil, err
	}
	found, total, err := w.jobs.Tasks(ctx, e.ID, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asTask), nil
}

type getWebhookLog struct {
	WebhookExecutionPath
	Task int64 `path:"task_id"`
}

func (w webhooks) log(ctx context.Context, in *getWebhookLog) (*text, error) {
	e, err := w.execution(ctx, in.WebhookExecutionPath)
	if err != nil {
		return nil, err
	}
	t, err := w.jobs.Task(ctx, e.ID, in.Task)
	if err != nil {
		return nil, err
	}
	return logOf(ctx, w.jobs, t.ID)
}

// execution returns it, or a fault of what is not there.
func (w webhooks) execution(ctx context.Context, in WebhookExecutionPath) (job.Execution, error) {
	if _, err := w.policies.ByID(ctx, in.project.ID, in.ID); err != nil {
		return job.Execution{}, err
	}
	return w.jobs.Execution(ctx, webhook.Kinds, in.ID, in.Execution)
}
