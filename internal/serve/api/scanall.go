package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/scan"
)

// scanAlls answers for the examination of all images, now or at the times of one
// schedule.
type scanAlls struct {
	scans *scan.Service
	jobs  *job.Service
}

// Faults of its schedule.
var (
	errScheduled = fault.New(fault.Precondition, "PRECONDITION", "there is a schedule already; change it, or remove it")
	errScanAll   = fault.New(fault.Invalid, "BAD_REQUEST", "invalid schedule")
)

type scanAllSchedule struct {
	ID         int64           `json:"id" readOnly:"true"`
	Status     string          `json:"status" readOnly:"true"`
	Created    moment          `json:"creation_time" readOnly:"true"`
	Updated    moment          `json:"update_time" readOnly:"true"`
	Schedule   *scheduleBody   `json:"schedule"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
}

type scanAllAnswer struct {
	Body scanAllSchedule `nameHint:"Schedule"`
}

func (s scanAlls) schedule(ctx context.Context, _ *struct{}) (*scanAllAnswer, error) {
	at, err := s.jobs.ScheduleOf(ctx, job.ScanAll, 0)
	if errors.Is(err, job.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &scanAllAnswer{scanAllSchedule{
		ID: at.ID, Created: moment(at.Created), Updated: moment(at.Updated), Parameters: at.Attrs,
		Schedule: &scheduleBody{at.Type, at.Cron, perhaps(at.Next)},
	}}, nil
}

type setScanAll struct {
	Body scanAllSchedule `nameHint:"Schedule"`
}

// create has all examined now, or makes a schedule where there is none.
func (s scanAlls) create(ctx context.Context, in *setScanAll) (*created, error) {
	when, err := s.check(ctx, in)
	if err != nil {
		return nil, err
	}
	switch when.Type {
	case never:
		return &created{}, nil
	case manually:
		id, err := s.scans.StartAll(ctx)
		return &created{at("/system/scanAll/schedule/%d", id)}, err
	}
	_, err = s.jobs.ScheduleOf(ctx, job.ScanAll, 0)
	if err == nil {
		return nil, errScheduled
	}
	if !errors.Is(err, job.ErrNotFound) {
		return nil, err
	}
	id, err := s.set(ctx, when)
	return &created{at("/system/scanAll/schedule/%d", id)}, err
}

// update puts a schedule in the place of the one there is.
func (s scanAlls) update(ctx context.Context, in *setScanAll) (*nothing, error) {
	at, err := s.check(ctx, in)
	if err != nil {
		return nil, err
	}
	switch at.Type {
	case never:
		return nil, s.jobs.Unschedule(ctx, job.ScanAll, 0)
	case manually:
		return nil, errScanAll.With("schedule: what is done now is no schedule; use POST")
	}
	_, err = s.set(ctx, at)
	return nil, err
}

func (s scanAlls) check(ctx context.Context, in *setScanAll) (*scheduleBody, error) {
	at := in.Body.Schedule
	if at == nil || at.Type == "" {
		return nil, errScanAll.With("schedule: it must have a type")
	}
	if at.Type == never {
		return at, nil
	}
	return at, s.scans.CheckAll(ctx)
}

func (s scanAlls) set(ctx context.Context, at *scheduleBody) (int64, error) {
	cron := at.Cron
	if cron == "" {
		cron = crons[at.Type]
	}
	return s.jobs.Schedule(ctx, job.Schedule{Kind: job.ScanAll, Type: at.Type, Cron: cron})
}

func (s scanAlls) stop(ctx context.Context, _ *struct{}) (*accepted, error) {
	return nil, s.scans.StopAll(ctx)
}

type scanStats struct {
	Total     int64            `json:"total"`
	Completed int64            `json:"completed"`
	Metrics   map[string]int64 `json:"metrics" doc:"how many images have each status"`
	Ongoing   bool             `json:"ongoing"`
	Trigger   string           `json:"trigger,omitempty" enum:"Manual,Schedule,Event"`
}

type scanStatsAnswer struct {
	Body scanStats `nameHint:"Stats"`
}

// triggers are what this operation calls what started an execution.
var triggers = map[job.Trigger]string{job.Manual: manually, job.BySchedule: timed, job.ByEvent: "Event"}

func (s scanAlls) latest(ctx context.Context, _ *struct{}) (*scanStatsAnswer, error) {
	return s.statsOf(ctx, "")
}

func (s scanAlls) latestScheduled(ctx context.Context, _ *struct{}) (*scanStatsAnswer, error) {
	return s.statsOf(ctx, job.BySchedule)
}

func (s scanAlls) statsOf(ctx context.Context, t job.Trigger) (*scanStatsAnswer, error) {
	if err := s.scans.CheckAll(ctx); err != nil && !errors.Is(err, scan.ErrDisabled) {
		return nil, err
	}
	e, err := s.scans.LastAll(ctx, t)
	if errors.Is(err, job.ErrNotFound) {
		return &scanStatsAnswer{scanStats{Metrics: map[string]int64{}}}, nil
	}
	if err != nil {
		return nil, err
	}
	c := e.Counts
	return &scanStatsAnswer{scanStats{
		Total: c.Total(), Completed: c.Succeeded + c.Failed + c.Stopped, Ongoing: !e.Status.Final(), Trigger: triggers[e.Trigger],
		Metrics: map[string]int64{
			string(job.Pending): c.Pending + c.Scheduled, string(job.Running): c.Running, string(job.Succeeded): c.Succeeded, string(job.Failed): c.Failed, string(job.Stopped): c.Stopped,
		},
	}}, nil
}
