package api

import "github.com/berth-registry/berth/internal/job"

// execution and task are work that is done later, in the form that is the same
// for all kinds of it.
type (
	execution struct {
		ID      int64            `json:"id"`
		Kind    string           `json:"vendor_type"`
		OwnerID int64            `json:"vendor_id"`
		Status  string           `json:"status"`
		Message string           `json:"status_message"`
		Counts  executionMetrics `json:"metrics"`
		Trigger string           `json:"trigger"`
		Attrs   extraAttrs       `json:"extra_attrs" doc:"what its kind knows of it"`
		Started moment           `json:"start_time"`
		Ended   *moment          `json:"end_time,omitempty"`
	}
	executionMetrics struct {
		Tasks     int64 `json:"task_count"`
		Succeeded int64 `json:"success_task_count"`
		Failed    int64 `json:"error_task_count"`
		Pending   int64 `json:"pending_task_count"`
		Running   int64 `json:"running_task_count"`
		Scheduled int64 `json:"scheduled_task_count"`
		Stopped   int64 `json:"stopped_task_count"`
	}
	task struct {
		ID        int64      `json:"id"`
		Execution int64      `json:"execution_id"`
		Status    string     `json:"status"`
		Message   string     `json:"status_message"`
		Runs      int32      `json:"run_count"`
		Attrs     extraAttrs `json:"extra_attrs" doc:"what came of it"`
		Created   moment     `json:"creation_time"`
		Updated   moment     `json:"update_time"`
		Started   *moment    `json:"start_time,omitempty"`
		Ended     *moment    `json:"end_time,omitempty"`
	}
)

func asExecution(e job.Execution) execution {
	c := e.Counts
	return execution{
		ID: e.ID, Kind: string(e.Kind), OwnerID: e.OwnerID, Status: string(e.Status), Message: e.Message, Trigger: string(e.Trigger),
		Attrs: extraAttrs(e.Attrs), Started: moment(e.Started), Ended: perhaps(e.Ended),
		Counts: executionMetrics{c.Total(), c.Succeeded, c.Failed, c.Pending, c.Running, c.Scheduled, c.Stopped},
	}
}

func asTask(t job.Task) task {
	return task{
		ID: t.ID, Execution: t.ExecutionID, Status: string(t.Status), Message: t.Message, Runs: int32(min(t.Runs, 1<<30)), Attrs: extraAttrs(t.Attrs),
		Created: moment(t.Created), Updated: moment(t.Updated), Started: perhaps(t.Started), Ended: perhaps(t.Ended),
	}
}
