package audit

import (
	"context"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/job"
)

// An Order is what a purge that is done as a job is told, in the form in which
// jobs keep it and clients of the API know it.
type Order struct {
	Hours  int    `json:"audit_retention_hour"`
	Kinds  string `json:"include_event_types"` // separated by commas; empty for all
	DryRun bool   `json:"dry_run"`
}

// Do does a purge as a job. Rows that went in an earlier run are not there for
// this one. The caller of the context is who purges.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var o Order
	if err := r.Args(&o); err != nil {
		return err
	}
	p := Purge{Before: time.Now().Add(-time.Duration(o.Hours) * time.Hour), DryRun: o.DryRun}
	if o.Kinds != "" {
		p.Kinds = strings.Split(o.Kinds, ",")
	}
	r.Logf("rows from before %s, of the kinds [%s]", p.Before.UTC().Format(time.RFC3339), o.Kinds)
	n, err := s.Purge(ctx, p)
	if err != nil {
		return err
	}
	verb := "removed"
	if p.DryRun {
		verb = "would remove"
	}
	r.Logf("%s %d rows", verb, n)
	return r.Keep(ctx, map[string]int64{"purged_audit_logs": n})
}
