// Package audit remembers who did what, when and from where: one row for each
// fact. Facts reach it by the outbox, after the transaction that made them true,
// or directly where there was none, as with sign-ins. Rows can be searched,
// purged, and forwarded to a syslog server. It decides nothing, and never holds
// a value that was changed, only what was changed.
package audit

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/setting"
)

const (
	expireEvery = time.Hour
	expireBatch = 1000 // rows in one transaction, so that nobody waits long for it
)

// A Row is one fact as it is remembered.
type Row struct {
	ID           int64 // given by the store
	EventID      int64 // of the outbox; 0 for a fact that was recorded directly
	At           time.Time
	Username     string // who did it, by login name
	Address      string // IP address of the client
	Request      string // id of the request
	ProjectID    int64  // 0 for what is in no project
	Resource     string // "library/app:1", a project's or a user's name, …
	ResourceType string // artifact, tag, blob, project, member, user, robot, …
	Operation    string // create, pull, update, delete, login, logout
	Description  string
	Success      bool
}

// Kind is what the API calls the type of an event: "create_artifact".
func (r Row) Kind() string { return r.Operation + "_" + r.ResourceType }

// A Store keeps rows. Each method is one transaction.
type Store interface {
	// Add keeps rows; those whose event is known are left as they are. Where queue
	// is set, the new ones wait to be forwarded.
	Add(ctx context.Context, rows []Row, queue bool) error
	// List returns a page of the visible rows and how many there are on all pages,
	// the newest first where the query does not say otherwise.
	List(ctx context.Context, v Visible, q query.Query) ([]Row, int64, error)
	// Expire removes up to most rows from before a time, and returns how many.
	Expire(ctx context.Context, before time.Time, most int) (int64, error)
	// Oldest returns up to n rows from before a time, oldest first, beginning
	// behind the row after, of which only At and ID count.
	Oldest(ctx context.Context, before time.Time, after Row, n int) ([]Row, error)
	// Remove removes rows, and returns how many of them were there.
	Remove(ctx context.Context, ids []int64) (int64, error)

	Queue
}

// Settings returns what administrators have chosen.
type Settings func(context.Context) (setting.Values, error)

// A Service remembers facts. It is safe for concurrent use.
type Service struct {
	store    Store
	settings Settings
	keep     time.Duration // 0 or below: for ever
	out      *outbound.Dialer
	log      *slog.Logger
}

// New returns a service whose Run forgets rows of that age, of 0 or below none. It
// reaches the syslog server by out, which is nil for one that does not forward.
func New(store Store, settings Settings, keep time.Duration, out *outbound.Dialer, log *slog.Logger) *Service {
	return &Service{store: store, settings: settings, keep: keep, out: out, log: log}
}

// Deliver remembers events of the outbox. One that comes again adds nothing.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	return s.add(ctx, events...)
}

// Record remembers a fact that no transaction made true. When it returns nil,
// the row is durable, unless the settings say that there is to be none.
func (s *Service) Record(ctx context.Context, e event.Event) error {
	e.ID = 0
	return s.add(ctx, e)
}

func (s *Service) add(ctx context.Context, events ...event.Event) error {
	v, err := s.settings(ctx)
	if err != nil {
		return err
	}
	rows := make([]Row, 0, len(events))
	for _, e := range events {
		r, remembered := describe(e)
		if remembered && !listed(v.AuditDisabled, r.Kind()) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.store.Add(ctx, rows, v.AuditForward != "")
}

// listed reports whether a word is one of those between commas.
func listed(words, word string) bool {
	for w := range strings.SplitSeq(words, ",") {
		if strings.TrimSpace(w) == word {
			return true
		}
	}
	return false
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
