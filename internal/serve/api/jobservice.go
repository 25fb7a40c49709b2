package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
)

// jobService answers for the nodes that do work, the work that waits for them,
// and all schedules.
type jobService struct{ jobs *job.Service }

// allOfThem stands for all jobs, pools or kinds in a path.
const allOfThem = "all"

var (
	errKind = fault.New(fault.NotFound, "NOT_FOUND", "there is no such kind of work")
	errPool = fault.New(fault.NotFound, "NOT_FOUND", "there is no such pool of workers")
)

type workerPool struct {
	PID     int64  `json:"pid" doc:"0: nodes are known by their pools"`
	ID      string `json:"worker_pool_id"`
	Started moment `json:"start_at"`
	Heard   moment `json:"heartbeat_at"`
	Workers int    `json:"concurrency"`
	Host    string `json:"host"`
}

type workerPools struct{ Body []workerPool }

func (s jobService) pools(ctx context.Context, _ *struct{}) (*workerPools, error) {
	nodes, err := s.jobs.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return &workerPools{all(nodes, func(n job.Node) workerPool {
		return workerPool{ID: n.ID, Started: moment(n.Started), Heard: moment(n.Heard), Workers: n.Workers, Host: n.Host}
	})}, nil
}

type worker struct {
	ID      string  `json:"id"`
	Pool    string  `json:"pool_id"`
	Job     string  `json:"job_name"`
	JobID   string  `json:"job_id"`
	Started *moment `json:"start_at,omitempty"`
	CheckIn string  `json:"check_in"`
	Checked *moment `json:"checkin_at,omitempty"`
}

type getWorkers struct {
	Pool string `path:"pool_id" maxLength:"255" doc:"of a node, or all"`
}

type workers struct{ Body []worker }

func (s jobService) workers(ctx context.Context, in *getWorkers) (*workers, error) {
	node := in.Pool
	nodes, err := s.jobs.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	if node == allOfThem {
		node = ""
	} else if !slices.ContainsFunc(nodes, func(n job.Node) bool { return n.ID == node }) {
		return nil, errPool
	}
	tasks, err := s.jobs.Doing(ctx, node)
	if err != nil {
		return nil, err
	}
	return &workers{all(tasks, func(t job.Task) worker {
		id := strconv.FormatInt(t.ID, 10)
		return worker{ID: id, Pool: t.Node, Job: string(t.Kind), JobID: id, Started: perhaps(t.Started), CheckIn: string(t.Attrs), Checked: perhaps(t.Updated)}
	})}, nil
}

type getJob struct {
	ID string `path:"job_id" maxLength:"64" doc:"of a job; all stops all that run"`
}

func (s jobService) stop(ctx context.Context, in *getJob) (*nothing, error) {
	if in.ID == allOfThem {
		return nil, s.jobs.StopRunning(ctx, "")
	}
	id, err := in.task()
	if err == nil {
		err = s.jobs.StopTask(ctx, id)
	}
	if errors.Is(err, job.ErrEnded) {
		err = nil
	}
	return nil, err
}

func (s jobService) log(ctx context.Context, in *getJob) (*text, error) {
	id, err := in.task()
	if err == nil {
		_, err = s.jobs.TaskByID(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return logOf(ctx, s.jobs, id)
}

func (in *getJob) task() (int64, error) {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil {
		return 0, job.ErrNotFound
	}
	return id, nil
}

type jobQueue struct {
	Kind    string `json:"job_type"`
	Count   int64  `json:"count" doc:"how many jobs wait"`
	Latency int64  `json:"latency" doc:"seconds that the first of them has waited"`
	Paused  bool   `json:"paused"`
}

type jobQueues struct{ Body []jobQueue }

func (s jobService) queues(ctx context.Context, _ *struct{}) (*jobQueues, error) {
	lines, err := s.jobs.Lines(ctx)
	if err != nil {
		return nil, err
	}
	return &jobQueues{all(lines, func(l job.Line) jobQueue {
		q := jobQueue{Kind: string(l.Kind), Count: l.Tasks, Paused: l.Paused}
		if l.Tasks > 0 {
			q.Latency = max(int64(time.Since(l.Since)/time.Second), 0)
		}
		return q
	})}, nil
}

type actOnQueue struct {
	Kind string `path:"job_type" maxLength:"64" doc:"a kind of work, or all; SCHEDULER stands for all schedules"`
	Body struct {
		Action string `json:"action" enum:"stop,pause,resume" required:"true"`
	} `nameHint:"ActionRequest"`
}

func (s jobService) act(ctx context.Context, in *actOnQueue) (*nothing, error) {
	kinds := []job.Kind{job.Kind(in.Kind)}
	if in.Kind == allOfThem {
		lines, err := s.jobs.Lines(ctx)
		if err != nil {
			return nil, err
		}
		kinds = each(lines, func(l job.Line) job.Kind { return l.Kind })
	} else if !s.jobs.Known(kinds[0]) {
		return nil, errKind.With("%s", in.Kind)
	}
	for _, kind := range kinds {
		var err error
		if in.Body.Action == "stop" {
			err = s.jobs.StopWaiting(ctx, kind)
		} else {
			err = s.jobs.Pause(ctx, kind, in.Body.Action == "pause")
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

type scheduleTask struct {
	ID      int64  `json:"id"`
	Kind    string `json:"vendor_type"`
	OwnerID int64  `json:"vendor_id"`
	Cron    string `json:"cron"`
	Updated moment `json:"update_time"`
}

type listSchedules struct{ Paging }

func (s jobService) schedules(ctx context.Context, in *listSchedules) (*list[scheduleTask], error) {
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := s.jobs.Schedules(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(at job.Schedule) scheduleTask {
		return scheduleTask{at.ID, string(at.Kind), at.OwnerID, at.Cron, moment(at.Updated)}
	}), nil
}

type getPaused struct {
	Kind string `path:"job_type" maxLength:"64" doc:"all"`
}

type pausedAnswer struct {
	Body struct {
		Paused bool `json:"paused"`
	} `nameHint:"SchedulerStatus"`
}

var errPausedKind = fault.New(fault.Invalid, "BAD_REQUEST", "schedules are paused together: ask for all")

func (s jobService) paused(ctx context.Context, in *getPaused) (*pausedAnswer, error) {
	if in.Kind != allOfThem {
		return nil, errPausedKind
	}
	paused, err := s.jobs.Paused(ctx)
	out := &pausedAnswer{}
	out.Body.Paused = paused[job.Scheduler]
	return out, err
}
