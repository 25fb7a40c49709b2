// Package health has what is elsewhere looked at now and then, each by one node at a
// time: registries, scanners. What is asked of them, and what is kept of the answer, is
// for their owners.
package health

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Every is how often each is looked at, by whichever node comes first.
const Every = 5 * time.Minute

const atOnce = 8

// Check looks at all that nobody has looked at for Every. claim returns up to n that
// were last looked at before a time, and notes that they are now: no other node gets
// them. A node that ends meanwhile leaves those that it had taken to the next time.
func Check[T any](ctx context.Context, claim func(ctx context.Context, before, now time.Time, n int) ([]T, error), look func(context.Context, T) error) error {
	for {
		now := time.Now()
		due, err := claim(ctx, now.Add(-Every), now, atOnce)
		if err != nil || len(due) == 0 {
			return err
		}
		failed := make([]error, len(due))
		var all sync.WaitGroup
		for i, one := range due {
			all.Go(func() { failed[i] = look(ctx, one) })
		}
		all.Wait()
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
}
