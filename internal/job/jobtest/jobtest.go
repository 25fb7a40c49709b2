// Package jobtest does work that waits, for tests.
package jobtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/storage/queue"
)

// Work does what waits, until stop is called or the test ends, when it also closes
// both.
func Work(t testing.TB, jobs *job.Service, q *queue.Queue) (stop func()) {
	t.Helper()
	if err := jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if err := errors.Join(jobs.Tick(ctx), jobs.Watch(ctx)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(func() {
		stop()
		if err := errors.Join(jobs.Close(context.WithoutCancel(ctx)), q.Close()); err != nil {
			t.Error(err)
		}
	})
	return stop
}
