// Package audit remembers who did what, when and from where: one row for each
// fact. Facts reach it by the outbox, after the transaction that made them true,
// or directly where there was none, as with sign-ins. It decides nothing, and
// never holds a value that was changed, only what was changed.
package audit

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/event"
)

const (
	expireEvery = time.Hour
	expireBatch = 1000 // rows in one transaction, so that nobody waits long for it
)

// A Row is one fact as it is remembered.
type Row struct {
	EventID      int64 // of the outbox; 0 for a fact that was recorded directly
	At           time.Time
	Username     string // who did it, by login name
	Address      string // IP address of the client
	Request      string // id of the request
	ProjectID    int64  // 0 for what is in no project
	Resource     string // "library/app:1", a project's or a user's name, …
	ResourceType string // artifact, tag, blob, project, member, user, robot
	Operation    string // create, pull, update, delete, login
	Description  string
	Success      bool
}

// A Store keeps rows. Each method is one transaction.
type Store interface {
	// Add keeps rows; those whose event is known are left as they are.
	Add(ctx context.Context, rows []Row) error
	// Expire removes up to most rows from before a time, and returns how many.
	Expire(ctx context.Context, before time.Time, most int) (int64, error)
}

// A Service remembers facts. It is safe for concurrent use.
type Service struct {
	store Store
	keep  time.Duration // 0 or below: for ever
	log   *slog.Logger
}

// New returns a service whose Run forgets rows of that age; of 0 or below, none.
func New(store Store, keep time.Duration, log *slog.Logger) *Service {
	return &Service{store: store, keep: keep, log: log}
}

// Deliver remembers events of the outbox. One that comes again adds nothing.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	rows := make([]Row, len(events))
	for i, e := range events {
		rows[i] = describe(e)
	}
	return s.store.Add(ctx, rows)
}

// Record remembers a fact that no transaction made true. When it returns nil,
// the row is durable.
func (s *Service) Record(ctx context.Context, e event.Event) error {
	e.ID = 0
	return s.store.Add(ctx, []Row{describe(e)})
}

// Run forgets what is old, now and every hour, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		s.expire(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// expire forgets what is old. What it cannot forget now, it will in an hour.
func (s *Service) expire(ctx context.Context) {
	if s.keep <= 0 {
		return
	}
	before := time.Now().Add(-s.keep)
	for ctx.Err() == nil {
		n, err := s.store.Expire(ctx, before, expireBatch)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "old audit rows stay", "error", err)
		}
		if err != nil || n < expireBatch {
			return
		}
	}
}

// clean makes what a client sent fit to be kept: databases refuse what is no
// UTF-8, and nobody needs to read more than this of a name.
func clean(s string) string {
	const most = 512
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
