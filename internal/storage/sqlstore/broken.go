package sqlstore

import (
	"context"
	"log/slog"
	"sync"

	"github.com/berth-registry/berth/internal/artifact"
)

// brokenIndexes are the indexes that could not be read again, each of which is
// logged once: a list is asked for again and again.
type brokenIndexes struct {
	mu   sync.Mutex
	log  *slog.Logger // nil: nobody is told
	told map[int64]bool
}

// LogTo has what is wrong with stored artifacts written to a log. It is called
// before the store is used.
func (s *Artifacts) LogTo(log *slog.Logger) { s.broken.log = log }

func (b *brokenIndexes) tell(ctx context.Context, d *artifact.Detail, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	const most = 10_000 // remembered
	if b.log == nil || b.told[d.ID] {
		return
	}
	if b.told == nil || len(b.told) >= most {
		b.told = map[int64]bool{}
	}
	b.told[d.ID] = true
	b.log.ErrorContext(ctx, "an index is shown without its children, since it cannot be read", "repository", d.Repository, "digest", d.Digest, "error", err)
}
