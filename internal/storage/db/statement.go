package db

import (
	"context"
	"database/sql"
	"sync"
)

const (
	// keptStatements is how many statements are kept prepared at least.
	keptStatements = 128
	// longestStatement bounds the text of a statement that is kept: long
	// ones are inserts of many rows, hardly one like another, and large.
	longestStatement = 4 << 10
)

// A preparer is a pool or a connection.
type preparer interface {
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// statements runs texts on SQLite, where planning a statement costs several
// times as much as running it, and keeps what was prepared.
type statements struct {
	on preparer

	mu    sync.Mutex
	known recent[*statement]
	dead  []*statement // dropped and unused
}

type statement struct {
	*sql.Stmt
	users   int // that hold it right now
	dropped bool
}

func newStatements(on preparer) *statements {
	s := &statements{on: on}
	s.known = newRecent(keptStatements, s.drop)
	return s
}

func (s *statements) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if len(text) > longestStatement {
		return s.on.QueryContext(ctx, text, args...)
	}
	st, err := s.take(ctx, text)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	return st.QueryContext(ctx, args...) // the rows keep it alive from here on
}

func (s *statements) exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if len(text) > longestStatement {
		return s.on.ExecContext(ctx, text, args...)
	}
	st, err := s.take(ctx, text)
	if err != nil {
		return nil, err
	}
	defer s.release(st)
	return st.ExecContext(ctx, args...)
}

// take returns a statement that stays open until it is released.
func (s *statements) take(ctx context.Context, text string) (*statement, error) {
	s.mu.Lock()
	st, ok := s.known.get(text)
	if ok {
		st.users++
	}
	s.mu.Unlock()
	if ok {
		return st, nil
	}
	prepared, err := s.on.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok = s.known.get(text); ok { // somebody was faster
		s.dead = append(s.dead, &statement{Stmt: prepared})
	} else {
		st = &statement{Stmt: prepared}
		s.known.put(text, st)
	}
	st.users++
	return st, nil
}

func (s *statements) release(st *statement) {
	s.mu.Lock()
	st.users--
	if st.dropped && st.users == 0 {
		s.dead = append(s.dead, st)
	}
	dead := s.dead
	s.dead = nil
	s.mu.Unlock()
	for _, st := range dead { // not under the lock: it may wait for a connection
		st.Close()
	}
}

// close closes what is kept. The statements of a pool end with it anyway; those
// of a connection do not, and keep it half alive.
func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.clear()
	for _, st := range s.dead {
		st.Close()
	}
	s.dead = nil
}

// drop is called by known, under the lock.
func (s *statements) drop(st *statement) {
	st.dropped = true
	if st.users == 0 {
		s.dead = append(s.dead, st)
	}
}
