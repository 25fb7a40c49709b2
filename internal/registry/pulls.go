package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
)

const (
	pullFlush    = time.Second      // how long a pull may wait to be written
	pullBatch    = 1000             // pulls in one transaction
	pullMost     = 100_000          // pulls waiting; further ones have to wait for room
	pullPatience = 10 * time.Second // and wait at most this long
)

// Pulls gathers the pulls that were served and writes them in batches, since a
// pull itself writes nothing. A crash loses at most the last second's.
type Pulls struct {
	store artifact.Store
	omit  func(context.Context) (artifact.Omit, error)
	log   *slog.Logger
	room  chan struct{} // one token for each pull waiting
	wake  chan struct{}

	mu      sync.Mutex
	waiting []artifact.Pull
}

// NewPulls returns an empty gathering. Run must be called for it to be written.
// What is not to be written is asked of omit; nil stands for nothing.
func NewPulls(store artifact.Store, omit func(context.Context) (artifact.Omit, error), log *slog.Logger) *Pulls {
	if omit == nil {
		omit = func(context.Context) (artifact.Omit, error) { return artifact.Omit{}, nil }
	}
	return &Pulls{store: store, omit: omit, log: log, room: make(chan struct{}, pullMost), wake: make(chan struct{}, 1)}
}

// note takes a pull. It waits only where the database has fallen far behind,
// and then not for long: it returns ErrPullsBehind, or the context's error if
// that ends first.
func (p *Pulls) note(ctx context.Context, pull artifact.Pull) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	p.waiting = append(p.waiting, pull)
	full := len(p.waiting) >= pullBatch
	p.mu.Unlock()
	if full {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// enter takes a token of the room.
func (p *Pulls) enter(ctx context.Context) error {
	select {
	case p.room <- struct{}{}:
		return nil
	default:
	}
	patience := time.NewTimer(pullPatience)
	defer patience.Stop()
	select {
	case p.room <- struct{}{}:
		return nil
	case <-patience.C:
		return ErrPullsBehind
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run writes what is gathered, each second and whenever a batch is full, until
// ctx ends; then it writes the rest and returns. After a failure it waits for the
// second, however many pulls come.
func (p *Pulls) Run(ctx context.Context) {
	tick := time.NewTicker(pullFlush)
	defer tick.Stop()
	wake := p.wake
	for {
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			p.flush(rest)
			return
		case <-tick.C:
		case <-wake:
		}
		wake = p.wake
		if !p.flush(ctx) {
			wake = nil
		}
	}
}

// flush writes all that waits. What could not be written waits for the next
// time; flush reports whether nothing does.
func (p *Pulls) flush(ctx context.Context) bool {
	for {
		p.mu.Lock()
		batch := p.waiting[:min(len(p.waiting), pullBatch)]
		p.mu.Unlock()
		if len(batch) == 0 {
			return true
		}
		omit, err := p.omit(ctx)
		if err == nil {
			err = p.store.Pulled(ctx, batch, omit)
		}
		if err != nil {
			p.log.ErrorContext(ctx, "pulls not recorded yet", "count", len(batch), "error", err)
			return false
		}
		p.mu.Lock()
		p.waiting = append([]artifact.Pull(nil), p.waiting[len(batch):]...)
		p.mu.Unlock()
		for range batch {
			<-p.room
		}
	}
}
