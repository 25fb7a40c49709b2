package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
)

const (
	eventPoll  = 500 * time.Millisecond // how often the outbox is looked at
	eventBatch = 500
	auditPoll  = time.Second            // how often audit rows to be forwarded are looked for
	rightsPoll = 500 * time.Millisecond // how long a change of rights elsewhere may go unseen
	mostWait   = time.Minute            // between attempts that fail

	garbageReview = 10 * time.Minute // how often what may be garbage is looked at

	healthPoll = 30 * time.Second // how often registries are looked for that are due

	sessionSweep = 10 * time.Minute // how often sessions that have expired are looked for
)

// An outbox holds the events that are not delivered yet, oldest first.
type outbox interface {
	Pending(ctx context.Context, limit int) ([]event.Event, error)
	Done(ctx context.Context, ids []int64) error
}

// A subscriber takes events. One that it has taken before does no harm, and
// none is taken from the outbox before every subscriber has it.
type subscriber struct {
	name    string
	deliver func(ctx context.Context, events []event.Event) error
}

// A dispatcher brings events from the outbox to the subscribers.
type dispatcher struct {
	outbox      outbox
	subscribers []subscriber
	log         *slog.Logger
}

// run delivers until ctx ends. A failure is tried again, ever more slowly.
func (d *dispatcher) run(ctx context.Context) {
	retry(ctx, d.log, "events wait to be delivered", eventPoll, d.drain)
}

// drain delivers all that waits.
func (d *dispatcher) drain(ctx context.Context) error {
	for {
		events, err := d.outbox.Pending(ctx, eventBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, s := range d.subscribers {
			if err := s.deliver(ctx, events); err != nil {
				return err
			}
		}
		ids := make([]int64, len(events))
		for i, e := range events {
			ids[i] = e.ID
		}
		if err := d.outbox.Done(ctx, ids); err != nil {
			return err
		}
	}
}

// watchRights bumps the epoch when the version of the rights in the database
// has changed, so that what another process or node changed counts here too.
// While the version cannot be read, nothing is remembered.
func watchRights(ctx context.Context, log *slog.Logger, version func(context.Context) (int64, error), epoch *access.Epoch) {
	tick := time.NewTicker(rightsPoll)
	defer tick.Stop()
	known, failing := int64(-1), false
	for {
		v, err := version(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			log.ErrorContext(ctx, "changes of rights elsewhere cannot be seen", "error", err)
		}
		if err != nil || v != known {
			epoch.Bump()
		}
		known, failing = v, err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// retry calls do every interval until ctx ends. While do fails it is called
// more and more rarely, at least once a minute; each failure is logged.
func retry(ctx context.Context, log *slog.Logger, failure string, interval time.Duration, do func(context.Context) error) {
	wait := interval
	for {
		switch err := do(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(2*wait, max(mostWait, interval))
			log.ErrorContext(ctx, failure, "error", err, "again_in", wait)
		default:
			wait = interval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
