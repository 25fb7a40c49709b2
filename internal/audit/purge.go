package audit

import (
	"context"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
)

// ErrPurge is returned for a purge that cannot be meant.
var ErrPurge = fault.New(fault.Invalid, "BAD_REQUEST", "invalid purge")

// Others is the word for all kinds but those of artifacts that clients name
// one by one.
const Others = "other"

// artifacts are the kinds that Others leaves out.
var artifacts = []string{"create_artifact", "delete_artifact", "pull_artifact"}

// A Purge says which rows are to go.
type Purge struct {
	Before time.Time
	Kinds  []string // of Kinds, or Others; empty for all
	DryRun bool     // nothing goes
}

// Purge removes rows, a batch after the other, and returns how many went, or
// would go. What was removed before an error stays removed. It returns ErrPurge
// for a kind that there is none of.
func (s *Service) Purge(ctx context.Context, p Purge) (n int64, err error) {
	for _, kind := range p.Kinds {
		if !Purgeable(kind) {
			return 0, ErrPurge.With("there is no kind %.80q", kind)
		}
	}
	defer func() {
		if n > 0 && !p.DryRun {
			fact := event.AuditPurged{Before: p.Before.UTC().Format(time.RFC3339), Kinds: p.Kinds, Rows: n}
			if rerr := s.Record(context.WithoutCancel(ctx), event.New(access.From(ctx).Actor(), fact)); err == nil {
				err = rerr
			}
		}
	}()
	for last := (Row{}); ; {
		rows, err := s.store.Oldest(ctx, p.Before, last, expireBatch)
		if err != nil || len(rows) == 0 {
			return n, err
		}
		last = rows[len(rows)-1]
		var ids []int64
		for _, r := range rows {
			if p.means(r.Kind()) {
				ids = append(ids, r.ID)
			}
		}
		gone := int64(len(ids))
		if !p.DryRun && gone > 0 {
			if gone, err = s.store.Remove(ctx, ids); err != nil {
				return n, err
			}
		}
		n += gone
	}
}

// Purgeable reports whether there are rows of a kind: one of Kinds, or Others.
func Purgeable(kind string) bool { return kind == Others || slices.Contains(Kinds, kind) }

func (p Purge) means(kind string) bool {
	return len(p.Kinds) == 0 || slices.Contains(p.Kinds, kind) ||
		slices.Contains(p.Kinds, Others) && !slices.Contains(artifacts, kind)
}
