package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
)

// A ledger takes pulls as a database would that fails when it is told to.
type ledger struct {
	artifact.Store // which Pulls does not use but for Pulled

	mu      sync.Mutex
	broken  error
	tried   int
	written []int64 // ids of the artifacts
	largest int     // batch
}

func (l *ledger) Pulled(ctx context.Context, pulls []artifact.Pull, _ artifact.Omit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried++
	if err := errors.Join(ctx.Err(), l.broken); err != nil {
		return err
	}
	l.largest = max(l.largest, len(pulls))
	for _, p := range pulls {
		l.written = append(l.written, p.ArtifactID)
	}
	return nil
}

// set breaks or mends the ledger and returns how often it was asked so far.
func (l *ledger) set(broken error) (tried int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = broken
	return l.tried
}

// holds expects the pulls from 0 to n, each once and in order.
func (l *ledger) holds(t *testing.T, n int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, id := range l.written {
		if id != int64(i) {
			t.Errorf("pull %d was written in place of %d", id, i)
			break
		}
	}
	if int64(len(l.written)) != n {
		t.Errorf("%d pulls were written, not %d", len(l.written), n)
	}
	if l.largest > pullBatch {
		t.Errorf("%d pulls were written at once", l.largest)
	}
}

var errBroken = errors.New("the database is out of order")

// gathering runs f beside Pulls over a ledger; stop ends them.
func gathering(t *testing.T, f func(t *testing.T, p *Pulls, l *ledger, stop func())) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{}
		p := NewPulls(l, nil, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		f(t, p, l, func() { cancel(); running.Wait() })
		cancel()
	})
}

func noteAll(t *testing.T, p *Pulls, from, to int64) {
	t.Helper()
	for id := range to - from {
		if err := p.note(t.Context(), artifact.Pull{ArtifactID: from + id}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPullsAreWrittenWithinASecondAndBatchesAtOnce(t *testing.T) {
	gathering(t, func(t *testing.T, p *Pulls, l *ledger, stop func()) {
		synctest.Wait()
		noteAll(t, p, 0, 3)
		synctest.Wait()
		l.holds(t, 0)
		time.Sleep(pullFlush)
		synctest.Wait()
		l.holds(t, 3)
		noteAll(t, p, 3, 3+pullBatch)
		synctest.Wait() // no time passes here
		l.holds(t, 3+pullBatch)
		stop()
		l.holds(t, 3+pullBatch)
	})
}

func TestStoppingWritesThePullsThatWait(t *testing.T) {
	gathering(t, func(t *testing.T, p *Pulls, l *ledger, stop func()) {
		synctest.Wait()
		noteAll(t, p, 0, 2*pullBatch+5)
		stop()
		l.holds(t, 2*pullBatch+5)
	})
}

// Pulls that could not be written are tried again every second, not with every
// pull that comes, and none of them is lost, doubled or out of order.
func TestPullsAreTriedAgain(t *testing.T) {
	gathering(t, func(t *testing.T, p *Pulls, l *ledger, stop func()) {
		l.set(errBroken)
		noteAll(t, p, 0, pullBatch)
		time.Sleep(pullFlush / 2)
		synctest.Wait()
		before := l.set(errBroken)
		for id := int64(pullBatch); id < pullBatch+500; id++ {
			noteAll(t, p, id, id+1)
			synctest.Wait()
		}
		time.Sleep(2 * pullFlush)
		synctest.Wait()
		if tried := l.set(nil) - before; tried < 1 || tried > 3 {
			t.Errorf("they were tried %d times within two and a half seconds", tried)
		}
		time.Sleep(pullFlush)
		synctest.Wait()
		l.holds(t, pullBatch+500)
		noteAll(t, p, pullBatch+500, 2*pullBatch+500) // and batches go at once again
		synctest.Wait()
		l.holds(t, 2*pullBatch+500)
		stop()
	})
}

func TestPullsWaitForRoomButNotForever(t *testing.T) {
	gathering(t, func(t *testing.T, p *Pulls, l *ledger, stop func()) {
		l.set(errBroken)
		noteAll(t, p, 0, pullMost)
		began := time.Now()
		if err := p.note(t.Context(), artifact.Pull{ArtifactID: -1}); !errors.Is(err, ErrPullsBehind) || time.Since(began) != pullPatience {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.note(gone, artifact.Pull{ArtifactID: -1}); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that has gone: %v", err)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { noteAll(t, p, pullMost, pullMost+1) })
		synctest.Wait()
		l.set(nil)
		waiting.Wait()
		stop()
		l.holds(t, pullMost+1)
	})
}

// Many clients pull at once.
func TestNoPullIsLostBetweenClients(t *testing.T) {
	gathering(t, func(t *testing.T, p *Pulls, l *ledger, stop func()) {
		const clients, each = 20, 500
		var pulling sync.WaitGroup
		for c := range int64(clients) {
			pulling.Go(func() { noteAll(t, p, c*each, (c+1)*each) })
		}
		pulling.Wait()
		stop()
		slices.Sort(l.written)
		l.holds(t, clients*each)
	})
}
