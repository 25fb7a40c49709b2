package access

import (
	"context"
	"sync"
	"sync/atomic"
)

// An Epoch counts the changes of rights that this node knows of. Whoever
// changes a user, a robot, a project or a membership bumps it, and what was
// remembered before counts no more.
type Epoch struct{ n atomic.Uint64 }

// Bump ends what was remembered so far.
func (e *Epoch) Bump() { e.n.Add(1) }

// Memory remembers answers about rights until the epoch changes. It holds at
// most a bounded number of them and forgets all when it is full.
type Memory[K comparable, V any] struct {
	epoch *Epoch
	most  int

	mu    sync.RWMutex
	since uint64
	known map[K]V
}

// NewMemory returns a memory of at most the given number of answers.
func NewMemory[K comparable, V any](epoch *Epoch, most int) *Memory[K, V] {
	return &Memory[K, V]{epoch: epoch, most: most, known: map[K]V{}}
}

// Get returns the answer for a key, asking for it where it is not known. An
// answer whose question was asked before a change of rights is given to its
// asker, and not remembered.
func (m *Memory[K, V]) Get(ctx context.Context, key K, ask func(context.Context) (V, error)) (V, error) {
	now := m.epoch.n.Load()
	m.mu.RLock()
	v, ok := m.known[key]
	ok = ok && m.since == now
	m.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := ask(ctx)
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since != now || len(m.known) >= m.most {
		if m.since > now {
			return v, nil
		}
		m.known, m.since = map[K]V{}, now
	}
	m.known[key] = v
	return v, nil
}
