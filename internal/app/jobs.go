package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// works is all that is done later. The names are stored: they never change.
func (a *App) works() map[job.Kind]job.Work {
	return map[job.Kind]job.Work{
		job.GarbageCollection: {Run: a.collect, Scheduled: asScheduled, Attempts: 3, Limit: 24 * time.Hour},
		job.Retention:         {Run: a.retain, Scheduled: a.retentionDue, Workers: 2, Attempts: 3, Limit: 2 * time.Hour},
		job.PurgeAudit:        {Run: a.purgeAudit, Scheduled: asScheduled, Keep: 10, Attempts: 3, Limit: time.Hour},
	}
}

// asScheduled is one task that is told what the schedule says, while no other of
// its kind runs.
func asScheduled(_ context.Context, at job.Schedule) (job.Submission, error) {
	return job.Submission{Kind: at.Kind, OwnerID: at.OwnerID, Trigger: job.BySchedule, Attrs: at.Attrs, Tasks: []any{at.Attrs}, Alone: true}, nil
}

// itself is who does what nobody has asked for at this moment.
var itself = access.Caller{Kind: access.Server, Name: "harbor-jobservice"}

// collect collects garbage. One that was stopped, or died with its node, goes on
// where it was.
func (a *App) collect(ctx context.Context, r *job.Run) error {
	var order struct {
		DeleteUntagged bool `json:"delete_untagged"`
		DryRun         bool `json:"dry_run"`
		Workers        int  `json:"workers"`
	}
	if err := r.Args(&order); err != nil {
		return err
	}
	step, kept := "", time.Now()
	result, err := a.garbage.Collect(ctx, gc.Options{
		DeleteUntagged: order.DeleteUntagged, DryRun: order.DryRun, Workers: order.Workers, By: itself.Actor(),
	}, func(p gc.Progress) {
		if p.Step != step {
			step = p.Step
			r.Logf("%s: about %d", step, p.Total)
		}
		if time.Since(kept) > progressEvery {
			kept = time.Now()
			r.Logf("%s: %d of %d, about %s left", p.Step, p.Done, p.Total, p.Left.Round(time.Second))
			_ = r.Keep(ctx, collected(p.Result)) // the next time will do
		}
	})
	for _, name := range result.Names {
		r.Logf("would delete %s", name)
	}
	for _, failure := range result.Errors {
		r.Logf("failed: %s", failure)
	}
	r.Logf("%d artifacts deleted, %d kept by immutable tags; %d blobs put into the trash, of %d bytes; %d deleted, of %d bytes; %d things remain",
		result.Manifests, result.Kept, result.Trashed, result.TrashedBytes, result.Blobs, result.Bytes, result.Remaining)
	return errors.Join(err, r.Keep(context.WithoutCancel(ctx), collected(result)))
}

// progressEvery is how often long work tells how far it is.
const progressEvery = 5 * time.Second

// collected is what is kept of a collection, by the names that clients know: what
// goes into the trash counts as freed.
func collected(r gc.Result) map[string]int64 {
	return map[string]int64{
		"freed_space": r.Bytes + r.TrashedBytes, "purged_blobs": r.Blobs + r.Trashed, "purged_manifests": r.Manifests, "remaining": r.Remaining,
	}
}

// purgeAudit removes old rows of the audit log. Rows that went in an earlier run
// are not there for this one.
func (a *App) purgeAudit(ctx context.Context, r *job.Run) error {
	var order struct {
		Hours  int    `json:"audit_retention_hour"`
		Kinds  string `json:"include_event_types"`
		DryRun bool   `json:"dry_run"`
	}
	if err := r.Args(&order); err != nil {
		return err
	}
	p := audit.Purge{Before: time.Now().Add(-time.Duration(order.Hours) * time.Hour), DryRun: order.DryRun}
	if order.Kinds != "" {
		p.Kinds = strings.Split(order.Kinds, ",")
	}
	r.Logf("rows from before %s, of the kinds [%s]", p.Before.UTC().Format(time.RFC3339), order.Kinds)
	n, err := a.audit.Purge(access.With(ctx, itself), p)
	if err != nil {
		return err
	}
	r.Logf("%s %d rows", map[bool]string{true: "would remove", false: "removed"}[p.DryRun], n)
	return r.Keep(ctx, map[string]int64{"purged_audit_logs": n})
}

// retain is a task of a retention policy.
func (a *App) retain(ctx context.Context, r *job.Run) error {
	e, err := a.jobs.Execution(ctx, job.Retention, r.Task.ExecutionID)
	if err != nil {
		return err
	}
	return a.retention.Do(access.With(ctx, itself), r, e.OwnerID)
}

// retentionDue is what the schedule of a retention policy starts.
func (a *App) retentionDue(ctx context.Context, at job.Schedule) (job.Submission, error) {
	return a.retention.Due(ctx, at)
}

// remover is retention's.
type remover struct {
	content *registry.Service
	rules   *immutable.Service
}

// Delete implements retention.Remover.
func (r remover) Delete(ctx context.Context, projectID int64, repository, digest string) error {
	return r.content.DeleteArtifact(ctx, artifact.Repo{ProjectID: projectID, Name: repository}, oci.Reference{Digest: oci.Digest(digest)})
}

// Frozen implements retention.Remover.
func (r remover) Frozen(ctx context.Context, projectID int64, repository string) (func([]string) error, error) {
	rules, err := r.rules.Of(ctx, projectID)
	here := rules.In(repository)
	return func(tags []string) error { return here.Refuse(repository, tags...) }, err
}
