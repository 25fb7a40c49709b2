package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
)

var errDown = errors.New("down")

// memory is an outbox that loses nothing and fails when it is told to.
type memory struct {
	mu     sync.Mutex
	events []event.Event
	down   bool
}

func (m *memory) add(ids ...int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		m.events = append(m.events, event.Event{ID: id})
	}
}

func (m *memory) Pending(_ context.Context, limit int) ([]event.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errDown
	}
	return slices.Clone(m.events[:min(limit, len(m.events))]), nil
}

func (m *memory) Done(_ context.Context, ids []int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = slices.DeleteFunc(m.events, func(e event.Event) bool { return slices.Contains(ids, e.ID) })
	return nil
}

func TestEventsReachEverySubscriberBeforeTheyAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &memory{}
		var failing atomic.Bool
		failing.Store(true)
		var first, second []int64
		d := &dispatcher{outbox: box, log: slog.New(slog.DiscardHandler), subscribers: []subscriber{
			{"first", func(_ context.Context, events []event.Event) error {
				for _, e := range events {
					first = append(first, e.ID)
				}
				return nil
			}},
			{"second", func(_ context.Context, events []event.Event) error {
				if failing.Load() {
					return errDown
				}
				for _, e := range events {
					second = append(second, e.ID)
				}
				return nil
			}},
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.run(ctx) }()
		box.add(1, 2)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(second) > 0 || len(box.events) != 2 {
			t.Errorf("with a subscriber failing: %v were taken, %v remain", second, box.events)
		}
		failing.Store(false)
		time.Sleep(mostWait)
		synctest.Wait()
		if !slices.Equal(second, []int64{1, 2}) || len(box.events) > 0 {
			t.Errorf("after its recovery: %v were taken, %v remain", second, box.events)
		}
		if len(first) < 4 || len(first) > 2*12 {
			t.Errorf("the first subscriber was given %d events: not again, or without a pause", len(first))
		}
		box.add(3)
		time.Sleep(eventPoll)
		synctest.Wait()
		if !slices.Equal(second, []int64{1, 2, 3}) {
			t.Errorf("later: %v", second)
		}
		cancel()
		<-ended
	})
}

func TestManyEventsAreDeliveredWithoutPause(t *testing.T) {
	box := &memory{}
	for id := range int64(3*eventBatch + 1) {
		box.add(id + 1)
	}
	n := 0
	d := &dispatcher{outbox: box, subscribers: []subscriber{{"one", func(_ context.Context, events []event.Event) error {
		n += len(events)
		return nil
	}}}}
	if err := d.drain(t.Context()); err != nil || n != 3*eventBatch+1 {
		t.Errorf("%d events: %v", n, err)
	}
}

func TestChangesOfRightsElsewhereEndWhatIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var version, asked atomic.Int64
		var down atomic.Bool
		epoch := new(access.Epoch)
		remembered := access.NewMemory[string, int64](epoch, 10)
		ask := func() int64 {
			v, err := remembered.Get(t.Context(), "k", func(context.Context) (int64, error) { return asked.Add(1), nil })
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			watchRights(ctx, slog.New(slog.DiscardHandler), func(context.Context) (int64, error) {
				if down.Load() {
					return 0, errDown
				}
				return version.Load(), nil
			}, epoch)
		}()
		synctest.Wait()
		before := ask()
		time.Sleep(5 * time.Second)
		if ask() != before {
			t.Error("forgotten without a change")
		}
		version.Add(1)
		time.Sleep(time.Second)
		if ask() == before {
			t.Error("remembered a second after a change")
		}
		before = ask()
		down.Store(true)
		time.Sleep(time.Second)
		if ask() == before {
			t.Error("remembered though the version cannot be read")
		}
		cancel()
		<-ended
	})
}
