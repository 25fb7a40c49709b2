package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMemoryForgetsWhenRightsChange(t *testing.T) {
	var epoch Epoch
	m := NewMemory[string, int](&epoch, 2)
	asked := 0
	ask := func(context.Context) (int, error) { asked++; return asked, nil }
	get := func(key string, want int) {
		t.Helper()
		if got, err := m.Get(t.Context(), key, ask); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
	get("a", 1)
	get("a", 1)
	get("b", 2)
	epoch.Bump()
	get("a", 3)
	get("a", 3)
	get("b", 4)
	get("c", 5) // full: all is forgotten
	get("a", 6)
}

func TestMemoryKeepsNoFailure(t *testing.T) {
	m := NewMemory[string, int](new(Epoch), 2)
	boom := errors.New("boom")
	if _, err := m.Get(t.Context(), "a", func(context.Context) (int, error) { return 0, boom }); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if v, err := m.Get(t.Context(), "a", func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

// An answer to a question that was asked before a change may be the old one.
func TestMemoryKeepsNothingAskedBeforeAChange(t *testing.T) {
	var epoch Epoch
	m := NewMemory[string, string](&epoch, 2)
	old, _ := m.Get(t.Context(), "a", func(context.Context) (string, error) {
		epoch.Bump()
		_, _ = m.Get(t.Context(), "b", func(context.Context) (string, error) { return "new", nil })
		return "old", nil
	})
	fresh, _ := m.Get(t.Context(), "a", func(context.Context) (string, error) { return "new", nil })
	if old != "old" || fresh != "new" {
		t.Errorf("got %q, then %q", old, fresh)
	}
	kept, _ := m.Get(t.Context(), "b", func(context.Context) (string, error) { return "asked again", nil })
	if kept != "new" {
		t.Errorf("the slow question cost the others their answers: %q", kept)
	}
}

// While rights change, nobody gets an answer from before the last change that
// was complete when it asked.
func TestMemoryNeverAnswersFromThePast(t *testing.T) {
	var epoch Epoch
	var truth atomic.Int64
	m := NewMemory[string, int64](&epoch, 4)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			key := fmt.Sprint(i % 3)
			for range 500 {
				least := truth.Load()
				got, _ := m.Get(t.Context(), key, func(context.Context) (int64, error) { return truth.Load(), nil })
				// The change that was under way when we looked may not be announced.
				if got < least-1 {
					t.Errorf("got %d after %d", got, least)
				}
			}
		})
	}
	all.Go(func() {
		for range 500 {
			truth.Add(1)
			epoch.Bump()
		}
	})
	all.Wait()
}

func TestMemoryHitAllocatesNothing(t *testing.T) {
	type key struct {
		id   int64
		name string
	}
	m := NewMemory[key, Project](new(Epoch), 4)
	id, name := int64(3), "library"
	get := func() {
		_, _ = m.Get(t.Context(), key{id, name}, func(context.Context) (Project, error) { return Project{ID: id, Name: name}, nil })
	}
	get()
	if n := testing.AllocsPerRun(100, get); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
