package app

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/webhook"
)

// works is all that is done later, each by the program itself. The names are
// stored: they never change.
func (a *App) works() map[job.Kind]job.Work {
	// Retention, replication, webhooks, scans, exports and the intake are made after the jobs,
	// which they ask.
	retain := func(ctx context.Context, r *job.Run) error { return a.retention.Do(ctx, r) }
	tell := func(ctx context.Context, r *job.Run) error { return a.webhooks.Do(ctx, r) }
	replicate := func(ctx context.Context, r *job.Run) error { return a.replication.Do(ctx, r) }
	due := func(ctx context.Context, at job.Schedule) (job.Submission, error) { return a.retention.Due(ctx, at) }
	replicationDue := func(ctx context.Context, at job.Schedule) (job.Submission, error) { return a.replication.Due(ctx, at) }
	examine := func(ctx context.Context, r *job.Run) error { return a.scans.Do(ctx, r) }
	examining := job.Work{Run: examine, Workers: scan.Workers, Attempts: scan.Attempts, Limit: scan.Limit, Keep: scan.Keep}
	telling := job.Work{
		Run: tell, Workers: webhook.Workers, Attempts: webhook.Attempts, Backoff: webhook.Backoff, Limit: webhook.Limit, Expire: webhook.Expire, Keep: webhook.Keep,
	}
	takeIn := func(ctx context.Context, r *job.Run) error { return a.intake.Do(ctx, r) }
	intakeDue := func(ctx context.Context, at job.Schedule) (job.Submission, error) { return a.intake.Due(ctx, at) }
	works := map[job.Kind]job.Work{
		job.GarbageCollection: {Run: a.garbage.Do, Scheduled: asScheduled, Attempts: 3, Limit: 24 * time.Hour},
		job.Retention:         {Run: retain, Scheduled: due, Workers: 2, Attempts: 3, Limit: 2 * time.Hour},
		job.Replication:       {Run: replicate, Scheduled: replicationDue, Workers: replication.Workers, Attempts: replication.Attempts, Limit: replication.Limit},
		job.Webhook:           telling,
		job.ScanExport:        {Run: func(ctx context.Context, r *job.Run) error { return a.exports.Do(ctx, r) }, Workers: export.Workers, Attempts: 3, Limit: export.Limit, Keep: export.Keep},
		job.ImageScan:         examining,
		job.SBOM:              examining,
		job.Advisories:        {Run: takeIn, Scheduled: intakeDue, Attempts: intake.Attempts, Limit: intake.Limit, Keep: intake.Keep},
		job.PurgeAudit:        {Run: a.audit.Do, Scheduled: asScheduled, Keep: 10, Attempts: 3, Limit: time.Hour},
	}
	telling.Workers /= 4
	works[job.Slack] = telling
	examining.Scheduled = func(ctx context.Context, at job.Schedule) (job.Submission, error) { return a.scans.Due(ctx, at) }
	works[job.ScanAll] = examining
	for kind, w := range works {
		run := w.Run
		w.Run = func(ctx context.Context, r *job.Run) error { return run(access.With(ctx, itself), r) }
		works[kind] = w
	}
	return works
}

// itself is who does what nobody does at this moment.
var itself = access.Caller{Kind: access.Server, Name: "harbor-jobservice"}

// asScheduled is one task that is told what the schedule says, while no other of
// its kind runs.
func asScheduled(_ context.Context, at job.Schedule) (job.Submission, error) {
	return job.Submission{Kind: at.Kind, OwnerID: at.OwnerID, Trigger: job.BySchedule, Attrs: at.Attrs, Tasks: []any{at.Attrs}, Alone: true}, nil
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
