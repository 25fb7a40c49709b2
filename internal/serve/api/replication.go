package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/replication"
)

// replications answers for the policies about what is copied between this registry
// and others.
type replications struct {
	policies  *replication.Service
	endpoints *endpoint.Service
}

type replicationBody struct {
	ID          int64               `json:"id" readOnly:"true"`
	Name        string              `json:"name" doc:"one of its own"`
	Description string              `json:"description"`
	Source      *registryBody       `json:"src_registry" doc:"of what is given, the id alone counts; missing, or 0: this registry"`
	Destination *registryBody       `json:"dest_registry" doc:"the same; exactly one of the two is another registry"`
	Namespace   string              `json:"dest_namespace" doc:"what the names of repositories begin with at the destination; empty: they are the same there"`
	Replace     *int                `json:"dest_namespace_replace_count" nullable:"true" doc:"how many components dest_namespace stands for; missing, or -1: all but the last"`
	Filters     []replicationFilter `json:"filters" doc:"all of them hold for what is copied; none: everything is"`
	Platforms   []string            `json:"platforms,omitempty" doc:"of indexes, what is for these platforms alone, as linux/amd64 or linux/arm64/v8; empty: all. Berth's own: Harbor does not have it"`
	Trigger     *replicationTrigger `json:"trigger"`
	Deletion    *bool               `json:"deletion" nullable:"true" doc:"whether what is deleted at the source is deleted at the destination; with the trigger event_based"`
	Legacy      bool                `json:"replicate_deletion" doc:"the same, where deletion is missing"`
	Override    bool                `json:"override" doc:"whether tags of the destination are moved that are something else there"`
	Enabled     bool                `json:"enabled"`
	Speed       *int32              `json:"speed" nullable:"true" doc:"KB/s of each task; 0 and below: without bounds"`
	Chunked     *bool               `json:"copy_by_chunk" nullable:"true" doc:"whether blobs are sent in parts"`
	Alone       *bool               `json:"single_active_replication" nullable:"true" doc:"whether it has one execution at a time"`
	Created     moment              `json:"creation_time" readOnly:"true"`
	Updated     moment              `json:"update_time" readOnly:"true"`
}

type replicationTrigger struct {
	Type     string               `json:"type" doc:"manual, scheduled or event_based"`
	Settings *replicationSettings `json:"trigger_settings,omitempty"`
}

type replicationSettings struct {
	Cron string `json:"cron" doc:"of scheduled: second, which is 0, minute, hour, day of month, month, day of week; in UTC"`
}

type replicationFilter struct {
	Type       string `json:"type" doc:"name, tag, label or resource"`
	Value      any    `json:"value" doc:"of name and tag, a glob with ** and {a,b}; of label, a list of names; of resource, image or artifact"`
	Decoration string `json:"decoration,omitempty" doc:"of tag and label: matches or excludes"`
}

// show makes a policy what clients see, with the registries of known, which it adds
// to.
func (r replications) show(ctx context.Context, p replication.Policy, here Located, known map[int64]*registryBody) (replicationBody, error) {
	deletion, replace, speed, chunked, alone := p.Deletion, p.Replace, int32(min(p.Speed, 1<<31-1)), p.Chunked, p.Alone
	b := replicationBody{
		ID: p.ID, Name: p.Name, Description: p.Description, Namespace: p.Namespace, Replace: &replace, Filters: all(p.Filters, asReplicationFilter), Platforms: p.Platforms,
		Trigger:  &replicationTrigger{string(p.Trigger), &replicationSettings{p.Cron}},
		Deletion: &deletion, Legacy: p.Deletion, Override: p.Override, Enabled: p.Enabled, Speed: &speed, Chunked: &chunked, Alone: &alone,
		Created: moment(p.Created), Updated: moment(p.Updated),
	}
	for id, to := range map[int64]**registryBody{p.Source: &b.Source, p.Destination: &b.Destination} {
		if known[id] == nil {
			e, err := r.endpoints.ByID(ctx, id)
			if err != nil {
				return b, fmt.Errorf("registry of replication policy %d: %w", p.ID, err)
			}
			if id == endpoint.LocalID {
				e.URL = here.base.String()
			}
			shown := asRegistry(e)
			known[id] = &shown
		}
		*to = known[id]
	}
	return b, nil
}

func asReplicationFilter(f replication.Filter) replicationFilter {
	b := replicationFilter{Type: string(f.Type), Value: f.Pattern}
	if f.Type == replication.ByLabel {
		b.Value = f.Labels
	}
	if f.Type == replication.ByLabel || f.Type == replication.ByTag {
		b.Decoration = ofTags[0]
		if f.Excludes {
			b.Decoration = ofTags[1]
		}
	}
	return b
}

// policy returns what a body asks for.
func (b replicationBody) policy(id int64) (replication.Policy, error) {
	p := replication.Policy{
		ID: id, Name: b.Name, Description: b.Description, Source: or(b.Source).ID, Destination: or(b.Destination).ID, Namespace: b.Namespace, Replace: -1,
		Platforms: slices.Clone(b.Platforms), Trigger: replication.Trigger(or(b.Trigger).Type), Cron: or(or(b.Trigger).Settings).Cron,
		Deletion: b.Legacy, Override: b.Override, Enabled: b.Enabled, Alone: or(b.Alone), Speed: int64(or(b.Speed)), Chunked: or(b.Chunked),
	}
	if b.Replace != nil {
		p.Replace = *b.Replace
	}
	if b.Deletion != nil {
		p.Deletion = *b.Deletion
	}
	for _, f := range b.Filters {
		one, err := f.filter()
		if err != nil {
			return p, err
		}
		p.Filters = append(p.Filters, one)
	}
	return p, nil
}

func (b replicationFilter) filter() (replication.Filter, error) {
	f := replication.Filter{Type: replication.FilterType(b.Type), Excludes: b.Decoration == ofTags[1]}
	switch f.Type {
	case replication.ByName, replication.ByResource:
		if b.Decoration != "" {
			return f, replication.ErrInvalid.With("filters: decoration: %s and %s alone have one", replication.ByTag, replication.ByLabel)
		}
	case replication.ByTag, replication.ByLabel:
		if b.Decoration != "" && !slices.Contains(ofTags[:], b.Decoration) {
			return f, replication.ErrInvalid.With("filters: decoration: it must be %s or %s", ofTags[0], ofTags[1])
		}
	default:
		return f, nil // which is refused for its type
	}
	if f.Type == replication.ByLabel {
		names, _ := b.Value.([]any)
		for _, n := range names {
			name, ok := n.(string)
			if !ok {
				return f, replication.ErrInvalid.With("filters: value of %s: it must be a list of names", f.Type)
			}
			f.Labels = append(f.Labels, name)
		}
		return f, nil // one without names is refused
	}
	var ok bool
	if f.Pattern, ok = b.Value.(string); !ok {
		return f, replication.ErrInvalid.With("filters: value of %s: it must be a text", f.Type)
	}
	return f, nil
}

type listReplications struct {
	Filtering
	Paging
	Located
	Name string `query:"name" doc:"a part of the name"`
}

func (r replications) list(ctx context.Context, in *listReplications) (*list[replicationBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "name", Op: query.Fuzzy, Value: in.Name})
	}
	found, total, err := r.policies.List(ctx, q)
	if err != nil {
		return nil, err
	}
	shown, known := make([]replicationBody, len(found)), map[int64]*registryBody{}
	for i, p := range found {
		if shown[i], err = r.show(ctx, p, in.Located, known); err != nil {
			return nil, err
		}
	}
	return page(in.Paging, shown, total, func(b replicationBody) replicationBody { return b }), nil
}

type createReplication struct {
	Body replicationBody `nameHint:"ReplicationPolicy"`
}

func (r replications) create(ctx context.Context, in *createReplication) (*created, error) {
	p, err := in.Body.policy(0)
	if err != nil {
		return nil, err
	}
	id, err := r.policies.Create(ctx, p)
	if err != nil {
		return nil, err
	}
	return &created{at("/replication/policies/%d", id)}, nil
}

type getReplication struct {
	ID int64 `path:"id"`
	Located
}

type replicationAnswer struct {
	Body replicationBody `nameHint:"ReplicationPolicy"`
}

func (r replications) get(ctx context.Context, in *getReplication) (*replicationAnswer, error) {
	p, err := r.policies.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	b, err := r.show(ctx, p, in.Located, map[int64]*registryBody{})
	if err != nil {
		return nil, err
	}
	return &replicationAnswer{b}, nil
}

type updateReplication struct {
	ID   int64           `path:"id"`
	Body replicationBody `nameHint:"ReplicationPolicy"`
}

func (r replications) update(ctx context.Context, in *updateReplication) (*nothing, error) {
	if in.Body.ID != 0 && in.Body.ID != in.ID {
		return nil, replication.ErrInvalid.With("id: it is not that of the path")
	}
	p, err := in.Body.policy(in.ID)
	if err != nil {
		return nil, err
	}
	return nil, r.policies.Update(ctx, p)
}

type deleteReplication struct {
	ID int64 `path:"id"`
}

func (r replications) delete(ctx context.Context, in *deleteReplication) (*nothing, error) {
	return nil, r.policies.Delete(ctx, in.ID)
}

type replicationExecution struct {
	ID         int64   `json:"id"`
	PolicyID   int64   `json:"policy_id"`
	Status     string  `json:"status" doc:"InProgress, Succeed, Failed or Stopped"`
	Text       string  `json:"status_text" doc:"why it failed"`
	Trigger    string  `json:"trigger" doc:"manual, scheduled or event_based"`
	Started    moment  `json:"start_time"`
	Ended      *moment `json:"end_time,omitempty"`
	Total      int64   `json:"total" doc:"how many tasks it has"`
	Failed     int64   `json:"failed"`
	Succeeded  int64   `json:"succeed"`
	InProgress int64   `json:"in_progress"`
	Stopped    int64   `json:"stopped"`
}

// What clients call the statuses and triggers of what is copied, where it is
// something else than everywhere. A task that waits to be tried again is in
// progress.
var (
	replicationStatuses = map[job.Status]string{job.Scheduled: inProgress, job.Running: inProgress, job.Failed: "Failed", job.Succeeded: "Succeed"}
	replicationTriggers = map[job.Trigger]replication.Trigger{job.Manual: replication.Manual, job.BySchedule: replication.Scheduled, job.ByEvent: replication.ByEvent}
)

const inProgress = "InProgress"

func replicationStatus(s job.Status) string {
	if name, ok := replicationStatuses[s]; ok {
		return name
	}
	return string(s)
}

// filtered adds to a query that a field is what clients call a value. A value that
// is empty is any.
func filtered[K, V ~string](q query.Query, field, value string, names map[K]V) query.Query {
	if value == "" {
		return q
	}
	values := []any{}
	for is, name := range names {
		if string(name) == value {
			values = append(values, string(is))
		}
	}
	if len(values) == 0 {
		values = append(values, value)
	}
	return q.Where(query.Filter{Field: field, Op: query.Any, Values: values})
}

func asReplicationExecution(e job.Execution) replicationExecution {
	c := e.Counts
	return replicationExecution{
		ID: e.ID, PolicyID: e.OwnerID, Status: replicationStatus(e.Status), Text: e.Message, Trigger: string(replicationTriggers[e.Trigger]),
		Started: moment(e.Started), Ended: perhaps(e.Ended),
		Total: c.Total(), Failed: c.Failed, Succeeded: c.Succeeded, InProgress: c.Pending + c.Scheduled + c.Running, Stopped: c.Stopped,
	}
}

type listReplicationExecutions struct {
	Sort string `query:"sort" doc:"fields to sort by, separated by commas; - before one reverses it"`
	Paging
	Policy  int64  `query:"policy_id" doc:"those of this policy; missing, or 0: of all"`
	Status  string `query:"status" doc:"those of this status"`
	Trigger string `query:"trigger" doc:"those that this has started"`
}

func (r replications) executions(ctx context.Context, in *listReplicationExecutions) (*list[replicationExecution], error) {
	q, err := ask(Filtering{Sort: in.Sort}, in.Paging)
	if err != nil {
		return nil, err
	}
	q = filtered(q, "status", in.Status, replicationStatuses)
	q = filtered(q, "trigger", in.Trigger, replicationTriggers)
	found, total, err := r.policies.Executions(ctx, in.Policy, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asReplicationExecution), nil
}

type startReplication struct {
	Body struct {
		PolicyID int64 `json:"policy_id"`
	} `nameHint:"StartReplicationExecution"`
}

func (r replications) start(ctx context.Context, in *startReplication) (*created, error) {
	id, err := r.policies.Start(ctx, in.Body.PolicyID, job.Manual)
	if err != nil {
		return nil, err
	}
	return &created{at("/replication/executions/%d", id)}, nil
}

type getReplicationExecution struct {
	ID int64 `path:"id"`
}

type replicationExecutionAnswer struct {
	Body replicationExecution `nameHint:"ReplicationExecution"`
}

func (r replications) execution(ctx context.Context, in *getReplicationExecution) (*replicationExecutionAnswer, error) {
	e, err := r.policies.Execution(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &replicationExecutionAnswer{asReplicationExecution(e)}, nil
}

func (r replications) stop(ctx context.Context, in *getReplicationExecution) (*nothing, error) {
	return nil, r.policies.Stop(ctx, in.ID)
}

type replicationTask struct {
	ID          int64   `json:"id"`
	Execution   int64   `json:"execution_id"`
	Status      string  `json:"status" doc:"Pending, InProgress, Succeed, Failed or Stopped"`
	JobID       string  `json:"job_id"`
	Operation   string  `json:"operation" doc:"copy or deletion"`
	Kind        string  `json:"resource_type" doc:"image or artifact; empty while it is not known"`
	Source      string  `json:"src_resource" doc:"which repository, and how much of it; empty while it is not known"`
	Destination string  `json:"dst_resource"`
	Started     *moment `json:"start_time,omitempty"`
	Ended       *moment `json:"end_time,omitempty"`

	Text     string               `json:"status_text,omitempty" doc:"why it failed. Berth's own: Harbor does not have it"`
	Failures []replicationFailure `json:"failures,omitempty" doc:"the artifacts that failed, the first hundred. Berth's own: Harbor does not have it"`
}

type replicationFailure struct {
	Artifact string `json:"artifact" doc:"as repository:tag or repository@digest"`
	Cause    string `json:"cause" doc:"why it failed"`
}

func asReplicationTask(t job.Task) replicationTask {
	var told replication.Work
	var came replication.Progress
	_, _ = json.Unmarshal(t.Args, &told), json.Unmarshal(t.Attrs, &came) // which it wrote itself
	shown := replicationTask{
		ID: t.ID, Execution: t.ExecutionID, Status: replicationStatus(t.Status), JobID: strconv.FormatInt(t.ID, 10), Operation: "copy", Kind: came.Kind,
		Source: told.Repository, Started: perhaps(t.Started), Ended: perhaps(t.Ended), Text: t.Message,
		Failures: all(came.Failures, func(f replication.Failure) replicationFailure { return replicationFailure(f) }),
	}
	if told.Delete {
		shown.Operation = "deletion"
	}
	if came.Source != "" {
		shown.Source = fmt.Sprintf("%s [%d item(s) in total]", came.Source, came.Total)
		shown.Destination = fmt.Sprintf("%s [%d item(s) in total]", came.Target, came.Total)
	}
	return shown
}

type listReplicationTasks struct {
	ID   int64  `path:"id"`
	Sort string `query:"sort" doc:"fields to sort by, separated by commas; - before one reverses it"`
	Paging
	Status string `query:"status" doc:"those of this status"`
	Kind   string `query:"resource_type" doc:"those of this type"`
}

func (r replications) tasks(ctx context.Context, in *listReplicationTasks) (*list[replicationTask], error) {
	q, err := ask(Filtering{Sort: in.Sort}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := r.policies.Tasks(ctx, in.ID, in.Kind, filtered(q, "status", in.Status, replicationStatuses))
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asReplicationTask), nil
}

type getReplicationLog struct {
	ID   int64 `path:"id"`
	Task int64 `path:"task_id"`
}

func (r replications) log(ctx context.Context, in *getReplicationLog) (*text, error) {
	log, err := r.policies.Log(ctx, in.ID, in.Task, 0, maxLogShown)
	if err != nil {
		return nil, err
	}
	return &text{"text/plain; charset=utf-8", []byte(log)}, nil
}
