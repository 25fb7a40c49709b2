package app

import (
	"context"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
)

// works is all that is done later. The names are stored: they never change.
func (a *App) works() map[job.Kind]job.Work {
	return map[job.Kind]job.Work{
		job.PurgeAudit: {Run: a.purgeAudit, Scheduled: asScheduled, Keep: 10, Attempts: 3, Limit: time.Hour},
	}
}

// asScheduled is one task that is told what the schedule says, while no other of
// its kind runs.
func asScheduled(at job.Schedule) job.Submission {
	return job.Submission{Kind: at.Kind, OwnerID: at.OwnerID, Trigger: job.BySchedule, Attrs: at.Attrs, Tasks: []any{at.Attrs}, Alone: true}
}

// itself is who does what nobody has asked for at this moment.
var itself = event.Actor{Name: "harbor-jobservice"}

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
	p := audit.Purge{Before: time.Now().Add(-time.Duration(order.Hours) * time.Hour), DryRun: order.DryRun, By: itself}
	if order.Kinds != "" {
		p.Kinds = strings.Split(order.Kinds, ",")
	}
	r.Logf("rows from before %s, of the kinds [%s]", p.Before.UTC().Format(time.RFC3339), order.Kinds)
	n, err := a.audit.Purge(ctx, p)
	if err != nil {
		return err
	}
	r.Logf("%s %d rows", map[bool]string{true: "would remove", false: "removed"}[p.DryRun], n)
	return r.Keep(ctx, map[string]int64{"purged_audit_logs": n})
}
