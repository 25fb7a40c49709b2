//go:build e2e

package goclient

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	v2 "github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/gc"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/jobservice"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/purge"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/retention"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/schedule"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/webhook"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/webhookjob"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"

	"github.com/berth-registry/berth/test/berth"
)

// until asks until the answer is yes.
func until(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ask(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// idOf returns the number at the end of a path.
func idOf(t *testing.T, location string) int64 {
	t.Helper()
	id, err := strconv.ParseInt(path.Base(location), 10, 64)
	must(t, err)
	return id
}

// TestWebhooks has a receiver told of a push and of a deletion.
func TestWebhooks(t *testing.T) {
	ctx := t.Context()
	s := berth.Run(t, berth.Options{Args: []string{"--outbound-allow", "127.0.0.1"}})
	admin := as(t, s, "admin", berth.AdminPassword)
	type told struct{ authorization, body string }
	received := make(chan told, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- told{r.Header.Get("Authorization"), string(body)}
	}))
	t.Cleanup(receiver.Close)

	kinds := got(admin.Webhook.GetSupportedEventTypes(ctx, &webhook.GetSupportedEventTypesParams{ProjectNameOrID: "library"}))(t).Payload
	if len(kinds.EventType) != 10 || len(kinds.NotifyType) != 2 || len(kinds.PayloadFormats) != 1 {
		t.Errorf("%+v", kinds)
	}
	policy := &models.WebhookPolicy{
		Name: "ci", Enabled: true, EventTypes: []string{"PUSH_ARTIFACT", "DELETE_ARTIFACT"},
		Targets: []*models.WebhookTargetObject{{Type: "http", Address: receiver.URL, AuthHeader: "Bearer 5ecret", PayloadFormat: "Default"}},
	}
	made := got(admin.Webhook.CreateWebhookPolicyOfProject(ctx, &webhook.CreateWebhookPolicyOfProjectParams{ProjectNameOrID: "library", Policy: policy}))(t)
	id := idOf(t, made.Location)
	_, err := admin.Webhook.CreateWebhookPolicyOfProject(ctx, &webhook.CreateWebhookPolicyOfProjectParams{ProjectNameOrID: "library", Policy: policy})
	refused(t, http.StatusConflict, err)
	// As the portal and Terraform do it: what was read is written back.
	read := got(admin.Webhook.GetWebhookPolicyOfProject(ctx, &webhook.GetWebhookPolicyOfProjectParams{ProjectNameOrID: "library", WebhookPolicyID: id}))(t).Payload
	read.Description = "for the builds"
	got(admin.Webhook.UpdateWebhookPolicyOfProject(ctx, &webhook.UpdateWebhookPolicyOfProjectParams{ProjectNameOrID: "library", WebhookPolicyID: id, Policy: read}))(t)
	list := got(admin.Webhook.ListWebhookPoliciesOfProject(ctx, &webhook.ListWebhookPoliciesOfProjectParams{ProjectNameOrID: "library"}))(t).Payload
	if len(list) != 1 || list[0].Description != "for the builds" || list[0].Creator != "admin" {
		t.Errorf("%+v", list)
	}

	digest := got(push(t, s, "admin", berth.AdminPassword, "library/app", "1", "told"))(t)
	select {
	case one := <-received:
		if one.authorization != "Bearer 5ecret" || !strings.Contains(one.body, `"type":"PUSH_ARTIFACT"`) || !strings.Contains(one.body, digest) {
			t.Errorf("%+v", one)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was received")
	}
	var last []*models.WebhookLastTrigger
	until(t, "the last trigger", func() bool {
		last = got(admin.Webhook.LastTrigger(ctx, &webhook.LastTriggerParams{ProjectNameOrID: "library"}))(t).Payload
		return len(last) == 2 && !time.Time(last[1].LastTriggerTime).IsZero() && time.Since(time.Time(last[1].LastTriggerTime)) < time.Hour
	})
	var executions []*models.Execution
	until(t, "success", func() bool {
		executions = got(admin.Webhook.ListExecutionsOfWebhookPolicy(ctx, &webhook.ListExecutionsOfWebhookPolicyParams{ProjectNameOrID: "library", WebhookPolicyID: id, Q: p("status=Success")}))(t).Payload
		return len(executions) == 1
	})
	tasks := got(admin.Webhook.ListTasksOfWebhookExecution(ctx, &webhook.ListTasksOfWebhookExecutionParams{ProjectNameOrID: "library", WebhookPolicyID: id, ExecutionID: executions[0].ID}))(t).Payload
	if len(tasks) != 1 || tasks[0].RunCount != 1 || tasks[0].Status != "Success" {
		t.Errorf("%+v", tasks)
	}
	log := got(admin.Webhook.GetLogsOfWebhookTask(ctx, &webhook.GetLogsOfWebhookTaskParams{ProjectNameOrID: "library", WebhookPolicyID: id, ExecutionID: executions[0].ID, TaskID: tasks[0].ID}))(t).Payload
	if !strings.Contains(log, "attempt 1") || strings.Contains(log, "5ecret") {
		t.Errorf("log %s", log)
	}
	jobs := got(admin.Webhookjob.ListWebhookJobs(ctx, &webhookjob.ListWebhookJobsParams{ProjectNameOrID: "library", PolicyID: id, Status: []string{"Success", "Error"}}))(t).Payload
	if len(jobs) != 1 || jobs[0].EventType != "PUSH_ARTIFACT" || jobs[0].NotifyType != "http" || !json.Valid([]byte(jobs[0].JobDetail)) {
		t.Errorf("%+v", jobs)
	}
	got(admin.Webhook.DeleteWebhookPolicyOfProject(ctx, &webhook.DeleteWebhookPolicyOfProjectParams{ProjectNameOrID: "library", WebhookPolicyID: id}))(t)
	_, err = admin.Webhook.GetWebhookPolicyOfProject(ctx, &webhook.GetWebhookPolicyOfProjectParams{ProjectNameOrID: "library", WebhookPolicyID: id})
	refused(t, http.StatusNotFound, err)
}

// TestWork has work done that waits: collections, purges, retention.
func TestWork(t *testing.T) {
	ctx := t.Context()
	s := berth.Run(t, berth.Options{})
	admin := as(t, s, "admin", berth.AdminPassword)
	for i := range 3 {
		got(push(t, s, "admin", berth.AdminPassword, "library/app", fmt.Sprint("v", i), fmt.Sprint("content ", i)))(t)
	}
	retain(t, admin)

	made := got(admin.GC.CreateGCSchedule(ctx, &gc.CreateGCScheduleParams{Schedule: &models.Schedule{
		Schedule: &models.ScheduleObj{Type: "Manual"}, Parameters: map[string]any{"delete_untagged": true, "dry_run": true, "workers": 2},
	}}))(t)
	id := idOf(t, made.Location)
	until(t, "the end of the collection", func() bool {
		return got(admin.GC.GetGC(ctx, &gc.GetGCParams{GCID: id}))(t).Payload.JobStatus == "Success"
	})
	if log := got(admin.GC.GetGCLog(ctx, &gc.GetGCLogParams{GCID: id}))(t).Payload; !strings.Contains(log, "blobs") {
		t.Errorf("log %s", log)
	}
	got(admin.GC.CreateGCSchedule(ctx, &gc.CreateGCScheduleParams{Schedule: &models.Schedule{Schedule: &models.ScheduleObj{Type: "Weekly"}}}))(t)
	if at := got(admin.GC.GetGCSchedule(ctx, &gc.GetGCScheduleParams{}))(t).Payload; at.Schedule.Cron != "0 0 0 * * 0" {
		t.Errorf("%+v", at.Schedule)
	}
	if all := got(admin.GC.GetGCHistory(ctx, &gc.GetGCHistoryParams{}))(t).Payload; len(all) != 1 {
		t.Errorf("%d collections", len(all))
	}

	purged := got(admin.Purge.CreatePurgeSchedule(ctx, &purge.CreatePurgeScheduleParams{Schedule: &models.Schedule{
		Schedule: &models.ScheduleObj{Type: "Manual"}, Parameters: map[string]any{"audit_retention_hour": 24, "include_event_types": "create_artifact", "dry_run": true},
	}}))(t)
	id = idOf(t, purged.Location)
	until(t, "the end of the purge", func() bool {
		return got(admin.Purge.GetPurgeJob(ctx, &purge.GetPurgeJobParams{PurgeID: id}))(t).Payload.JobStatus == "Success"
	})

	pools := got(admin.Jobservice.GetWorkerPools(ctx, &jobservice.GetWorkerPoolsParams{}))(t).Payload
	queues := got(admin.Jobservice.ListJobQueues(ctx, &jobservice.ListJobQueuesParams{}))(t).Payload
	if len(pools) != 1 || len(queues) < 5 {
		t.Errorf("%d pools, %d queues", len(pools), len(queues))
	}
	got(admin.Jobservice.ActionPendingJobs(ctx, &jobservice.ActionPendingJobsParams{JobType: "SCHEDULER", ActionRequest: &models.ActionRequest{Action: "pause"}}))(t)
	if !got(admin.Schedule.GetSchedulePaused(ctx, &schedule.GetSchedulePausedParams{JobType: "all"}))(t).Payload.Paused {
		t.Error("schedules are not paused")
	}
	if all := got(admin.Schedule.ListSchedules(ctx, &schedule.ListSchedulesParams{}))(t).Payload; len(all) != 2 {
		t.Errorf("%d schedules", len(all))
	}
}

// retain has a policy keep two of the artifacts, first in a dry run.
func retain(t *testing.T, admin *v2.HarborAPI) {
	t.Helper()
	ctx := t.Context()
	library := got(admin.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "library"}))(t).Payload
	made := got(admin.Retention.CreateRetention(ctx, &retention.CreateRetentionParams{Policy: &models.RetentionPolicy{
		Algorithm: "or", Scope: &models.RetentionPolicyScope{Level: "project", Ref: int64(library.ProjectID)},
		Trigger: &models.RetentionRuleTrigger{Kind: "Schedule", Settings: map[string]any{"cron": "0 0 0 * * *"}},
		Rules: []*models.RetentionRule{{
			Action: "retain", Template: "latestPushedK", Params: map[string]any{"latestPushedK": 2},
			TagSelectors:   []*models.RetentionSelector{{Kind: "doublestar", Decoration: "matches", Pattern: "**"}},
			ScopeSelectors: map[string][]models.RetentionSelector{"repository": {{Kind: "doublestar", Decoration: "repoMatches", Pattern: "**"}}},
		}},
	}}))(t)
	id := idOf(t, made.Location)
	for _, dry := range []bool{true, false} {
		_, created, err := admin.Retention.TriggerRetentionExecution(ctx, &retention.TriggerRetentionExecutionParams{ID: id, Body: retention.TriggerRetentionExecutionBody{DryRun: dry}})
		must(t, err)
		execution := idOf(t, created.Location)
		var tasks []*models.RetentionExecutionTask
		until(t, "the end of the policy's run", func() bool {
			tasks = got(admin.Retention.ListRetentionTasks(ctx, &retention.ListRetentionTasksParams{ID: id, Eid: execution}))(t).Payload
			return len(tasks) == 1 && tasks[0].Status == "Success"
		})
		if tasks[0].Total != 3 || tasks[0].Retained != 2 {
			t.Errorf("%+v", tasks[0])
		}
		log := got(admin.Retention.GetRetentionTaskLog(ctx, &retention.GetRetentionTaskLogParams{ID: id, Eid: execution, Tid: tasks[0].ID}))(t).Payload
		if strings.Count(log, "| DEL |") != 1 || strings.Count(log, "| RETAIN |") != 2 {
			t.Errorf("log %s", log)
		}
	}
}
