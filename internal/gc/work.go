package gc

import (
	"context"
	"errors"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/job"
)

// An Order is what a collection that is done as a job is told, in the form in
// which jobs keep it and clients of the API know it.
type Order struct {
	DeleteUntagged bool `json:"delete_untagged"`
	DeleteTag      bool `json:"delete_tag"` // of clients of long ago; it says nothing
	DryRun         bool `json:"dry_run"`
	Workers        int  `json:"workers"`
	Hours          int  `json:"time_window"` // for which content waits before it may be garbage
}

// progressEvery is how often a collection tells its job how far it is.
const progressEvery = 5 * time.Second

// Do does a collection as a job. One that was stopped, or died with its node, goes
// on where it was. The caller of the context is who deletes artifacts.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var o Order
	if err := r.Args(&o); err != nil {
		return err
	}
	step, kept := "", time.Now()
	result, err := s.Collect(ctx, Options{
		DeleteUntagged: o.DeleteUntagged, DryRun: o.DryRun, Workers: o.Workers, By: access.From(ctx).Actor(),
	}, func(p Progress) {
		if p.Step != step {
			step = p.Step
			r.Logf("%s: about %d", step, p.Total)
		}
		if time.Since(kept) > progressEvery {
			kept = time.Now()
			r.Logf("%s: %d of %d, about %s left", p.Step, p.Done, p.Total, p.Left.Round(time.Second))
			_ = r.Keep(ctx, p.Result.kept()) // the next time will do
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
	return errors.Join(err, r.Keep(context.WithoutCancel(ctx), result.kept()))
}

// kept is what a job keeps of a result, by the names that clients know: what goes
// into the trash counts as freed.
func (r Result) kept() map[string]int64 {
	return map[string]int64{
		"freed_space": r.Bytes + r.TrashedBytes, "purged_blobs": r.Blobs + r.Trashed, "purged_manifests": r.Manifests, "remaining": r.Remaining,
	}
}
