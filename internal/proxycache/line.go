package proxycache

import (
	"context"
	"slices"

	"github.com/berth-registry/berth/internal/project"
)

// A line is of those who wait for one of the connections that a project may have
// to its upstream: who came first is served first.
type line struct {
	most    int // connections at once; 0: any number
	taken   int
	waiting []chan struct{} // closed when it is their turn
}

// move lets in as many as there are connections for.
func (l *line) move() {
	for len(l.waiting) > 0 && (l.most == 0 || l.taken < l.most) {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.taken++
	}
}

// take takes one of the connections that a project may have, which the caller
// gives back, and waits in line for it until the context ends. Where the line is
// too long it returns ErrBusy.
func (s *Service) take(ctx context.Context, project int64, r project.CacheRules) error {
	s.mu.Lock()
	l := s.lines[project]
	if l == nil {
		l = &line{}
		s.lines[project] = l
	}
	if len(l.waiting) >= mostWaiting {
		s.mu.Unlock()
		return waiting(ErrBusy, rest)
	}
	turn := make(chan struct{})
	l.most = r.Connections
	l.waiting = append(l.waiting, turn)
	l.move()
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	i := slices.Index(l.waiting, turn)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // its turn came meanwhile
		s.give(project)
	}
	return context.Cause(ctx)
}

// inLine bounds how long a client's request waits for a connection.
func inLine(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, waiting(ErrBusy, rest))
}

// give gives a connection back.
func (s *Service) give(project int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[project]
	l.taken--
	l.move()
	if l.taken == 0 {
		delete(s.lines, project)
	}
}
