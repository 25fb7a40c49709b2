package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/job"
)

// systemJobs answers for one kind of work of the whole system, which is done
// when it is asked for, and at the times of one schedule.
type systemJobs struct {
	jobs  *job.Service
	kind  job.Kind
	path  string                                    // below the base
	check func(params json.RawMessage) (any, error) // returns what the work is told
}

var errSystemJob = fault.New(fault.Invalid, "BAD_REQUEST", "invalid schedule")

// crons are the times of the schedules that have names.
var crons = map[string]string{"Hourly": "0 0 * * * *", "Daily": "0 0 0 * * *", "Weekly": "0 0 0 * * 0"}

const (
	manually = "Manual" // now, once
	custom   = "Custom"
	never    = "None"
	timed    = "Schedule"
)

// maxParameters is how many bytes of parameters are kept.
const maxParameters = 16 << 10

type scheduleBody struct {
	Type string  `json:"type" enum:"Hourly,Daily,Weekly,Custom,Manual,None,Schedule" doc:"Manual has it done now; None removes the schedule"`
	Cron string  `json:"cron" maxLength:"255" doc:"second, minute, hour, day of month, month, day of week; in UTC"`
	Next *moment `json:"next_scheduled_time,omitempty" readOnly:"true"`
}

type systemJob struct {
	ID         int64         `json:"id"`
	Name       string        `json:"job_name"`
	Trigger    string        `json:"job_kind"`
	Parameters string        `json:"job_parameters" doc:"JSON: what it was told, and what came of it"`
	Schedule   *scheduleBody `json:"schedule"`
	Status     string        `json:"job_status"`
	Deleted    bool          `json:"deleted"`
	Created    moment        `json:"creation_time"`
	Updated    moment        `json:"update_time"`
}

type listSystemJobs struct {
	Filtering
	Paging
}

func (s systemJobs) list(ctx context.Context, in *listSystemJobs) (*list[systemJob], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := s.jobs.Executions(ctx, []job.Kind{s.kind}, 0, q)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	tasks, err := s.jobs.FirstTasks(ctx, ids...)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(e job.Execution) systemJob { return s.show(e, tasks[e.ID]) }), nil
}

type getSystemJob struct {
	ID int64 `path:"id"`
}

type systemJobAnswer struct{ Body systemJob }

func (s systemJobs) get(ctx context.Context, in *getSystemJob) (*systemJobAnswer, error) {
	e, t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &systemJobAnswer{s.show(e, t)}, nil
}

// find returns an execution with its task, which has no id where there is none.
func (s systemJobs) find(ctx context.Context, id int64) (job.Execution, job.Task, error) {
	e, err := s.jobs.Execution(ctx, []job.Kind{s.kind}, 0, id)
	if err != nil {
		return e, job.Task{}, err
	}
	tasks, err := s.jobs.FirstTasks(ctx, e.ID)
	return e, tasks[e.ID], err
}

// show makes an execution what clients see.
func (s systemJobs) show(e job.Execution, t job.Task) systemJob {
	shown := systemJob{
		ID: e.ID, Name: string(s.kind), Trigger: string(e.Trigger), Parameters: merged(e.Attrs, t.Attrs),
		Schedule: &scheduleBody{Type: manually}, Status: string(e.Status), Created: moment(e.Started), Updated: moment(e.Updated),
	}
	if e.Trigger == job.BySchedule {
		shown.Schedule.Type = timed
	}
	return shown
}

// merged returns the fields of some objects as those of one.
func merged(objects ...json.RawMessage) string {
	all := map[string]any{}
	for _, o := range objects {
		d := json.NewDecoder(bytes.NewReader(o))
		d.UseNumber()
		_ = d.Decode(&all) // what is kept is an object; none is empty
	}
	text, _ := json.Marshal(all)
	return string(text)
}

func (s systemJobs) stop(ctx context.Context, in *getSystemJob) (*nothing, error) {
	if _, err := s.jobs.Execution(ctx, []job.Kind{s.kind}, 0, in.ID); err != nil {
		return nil, err
	}
	if err := s.jobs.Stop(ctx, in.ID); err != nil && !errors.Is(err, job.ErrEnded) {
		return nil, err
	}
	return nil, nil
}

// maxLogShown is how many bytes of a log are sent: more than any has.
const maxLogShown = 64 << 20

func (s systemJobs) log(ctx context.Context, in *getSystemJob) (*text, error) {
	_, t, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if t.ID == 0 {
		return nil, job.ErrNotFound
	}
	return logOf(ctx, s.jobs, t.ID)
}

func logOf(ctx context.Context, jobs *job.Service, task int64) (*text, error) {
	log, err := jobs.Log(ctx, task, 0, maxLogShown)
	if err != nil {
		return nil, err
	}
	return &text{"text/plain; charset=utf-8", []byte(log)}, nil
}

func (s systemJobs) schedule(ctx context.Context, _ *struct{}) (*systemJobAnswer, error) {
	at, err := s.jobs.ScheduleOf(ctx, s.kind, 0)
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &systemJobAnswer{systemJob{
		ID: at.ID, Name: string(s.kind), Trigger: string(job.BySchedule), Parameters: string(at.Attrs),
		Schedule: &scheduleBody{at.Type, at.Cron, perhaps(at.Next)}, Created: moment(at.Created), Updated: moment(at.Updated),
	}}, nil
}

type setSchedule struct {
	Body struct {
		Schedule   *scheduleBody   `json:"schedule"`
		Parameters json.RawMessage `json:"parameters"`

		// What clients send back of what they were shown.
		ID      int64  `json:"id" readOnly:"true"`
		Status  string `json:"status" readOnly:"true"`
		Created moment `json:"creation_time" readOnly:"true"`
		Updated moment `json:"update_time" readOnly:"true"`
	} `nameHint:"Schedule"`
}

func (s systemJobs) create(ctx context.Context, in *setSchedule) (*created, error) {
	id, err := s.set(ctx, in)
	if err != nil {
		return nil, err
	}
	return &created{at(s.path+"/%d", id)}, nil
}

func (s systemJobs) update(ctx context.Context, in *setSchedule) (*nothing, error) {
	_, err := s.set(ctx, in)
	return nil, err
}

// set does what a schedule says, and returns the id of the execution where it
// started one.
func (s systemJobs) set(ctx context.Context, in *setSchedule) (int64, error) {
	at := in.Body.Schedule
	if at == nil || at.Type == "" {
		return 0, errSystemJob.With("schedule: it must have a type")
	}
	if at.Type == never {
		return 0, s.jobs.Unschedule(ctx, s.kind, 0)
	}
	if len(in.Body.Parameters) > maxParameters {
		return 0, errSystemJob.With("parameters: more than %d bytes", maxParameters)
	}
	params, err := s.check(in.Body.Parameters)
	if err != nil {
		return 0, err
	}
	if at.Type == manually {
		return s.jobs.Submit(ctx, job.Submission{Kind: s.kind, Trigger: job.Manual, Attrs: params, Tasks: []any{params}, Alone: true})
	}
	cron := at.Cron
	if cron == "" {
		cron = crons[at.Type]
	}
	attrs, err := json.Marshal(params)
	if err == nil {
		_, err = s.jobs.Schedule(ctx, job.Schedule{Kind: s.kind, Type: at.Type, Cron: cron, Attrs: attrs})
	}
	return 0, err
}

// checkCollect reads the parameters of a collection. All may be left out.
func checkCollect(params json.RawMessage) (any, error) {
	o := gc.Order{Workers: 1}
	if len(params) > 0 && string(params) != "null" {
		if err := readParameters(params, &o); err != nil {
			return nil, err
		}
	}
	if o.Workers < 1 || o.Workers > gc.MaxWorkers {
		return nil, errSystemJob.With("workers: it must be from 1 to %d", gc.MaxWorkers)
	}
	o.Hours = int(gc.Delay / time.Hour)
	return o, nil
}

const maxPurgeHours = 240_000

// checkPurge reads the parameters of a purge.
func checkPurge(params json.RawMessage) (any, error) {
	var o audit.Order
	if err := readParameters(params, &o); err != nil {
		return nil, err
	}
	if o.Hours < 0 || o.Hours > maxPurgeHours {
		return nil, errSystemJob.With("audit_retention_hour: it must be from 0 to %d", maxPurgeHours)
	}
	for kind := range strings.SplitSeq(o.Kinds, ",") {
		if kind != "" && !audit.Purgeable(kind) {
			return nil, errSystemJob.With("include_event_types: there is no %.80q", kind)
		}
	}
	return o, nil
}

// readParameters reads an object, of which fields that are not known are left.
func readParameters(params json.RawMessage, into any) error {
	if len(params) == 0 || string(params) == "null" {
		return errSystemJob.With("parameters: they are missing")
	}
	var wrong *json.UnmarshalTypeError
	err := json.Unmarshal(params, into)
	if errors.As(err, &wrong) && wrong.Field != "" {
		return errSystemJob.With("parameters: %s must be of type %s", wrong.Field, plainType(wrong.Type.Kind()))
	}
	if err != nil {
		return errSystemJob.With("parameters: they must be an object")
	}
	return nil
}

func plainType(k fmt.Stringer) string {
	return map[string]string{"bool": "boolean", "int": "integer", "string": "string"}[k.String()]
}
