package proxycache

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/project"
)

func TestConnectionsAreGivenToWhoCameFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		rules := project.CacheRules{Connections: 2}
		var mu sync.Mutex
		var order []int
		for i := range 6 {
			go func() {
				if err := s.take(t.Context(), 7, rules); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Duration(10+i) * time.Second)
				s.give(7)
			}()
			synctest.Wait()
			if most := min(i+1, 2); len(order) != most {
				t.Errorf("%d have a connection, %d may", len(order), most)
			}
		}
		if err := s.take(t.Context(), 8, rules); err != nil { // another project's
			t.Error(err)
		}
		s.give(8)
		time.Sleep(5 * time.Second)
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.take(gone, 7, rules); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, n := range order {
			if i != n {
				t.Fatalf("the order is %v", order)
			}
		}
		if len(order) != 6 || len(s.lines) != 0 {
			t.Errorf("%v, %d lines are left", order, len(s.lines))
		}
	})
}

func TestAClientWaitsForAConnectionAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flight{turn: make(chan struct{}), begun: make(chan struct{})}
		began := time.Now()
		err := f.wait(t.Context())
		if !errors.Is(err, ErrBusy) || fault.After(err) == 0 || time.Since(began) != patience {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		// What has a connection may take as long as the upstream does.
		close(f.turn)
		time.AfterFunc(10*patience, func() { close(f.begun) })
		if err := f.wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestALineHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		ctx, cancel := context.WithCancel(t.Context())
		rules := project.CacheRules{Connections: 1}
		for range 1 + mostWaiting {
			go func() { _ = s.take(ctx, 7, rules) }()
		}
		synctest.Wait()
		if err := s.take(ctx, 7, rules); !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		if err := s.take(ctx, 8, project.CacheRules{}); err != nil {
			t.Error(err)
		}
		cancel()
		synctest.Wait()
		if n := len(s.lines[7].waiting); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}
