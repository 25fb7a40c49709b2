package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/berth-registry/berth/internal/query"
)

// A Schedule has work done at times. There is one of each kind and owner at most.
type Schedule struct {
	ID      int64
	Kind    Kind
	OwnerID int64
	Type    string          // as its maker called it: "Daily", "Custom"
	Cron    string          // second, minute, hour, day of month, month, day of week; UTC
	Attrs   json.RawMessage // what the work is to be told: an object
	Next    time.Time
	Created time.Time
	Updated time.Time
}

// A ScheduleStore keeps schedules. Each method is one transaction.
type ScheduleStore interface {
	// Set keeps a schedule in place of the one of its kind and owner.
	Set(ctx context.Context, s Schedule) (id int64, err error)
	// Unset removes that of a kind and owner, if there is one.
	Unset(ctx context.Context, kind Kind, owner int64) error
	// Of returns that of a kind and owner, or ErrNotFound.
	Of(ctx context.Context, kind Kind, owner int64) (Schedule, error)
	// List lists all of them.
	List(ctx context.Context, q query.Query) ([]Schedule, int64, error)
	// Due returns up to n whose time has come, oldest first, unless all are paused.
	Due(ctx context.Context, now time.Time, n int) ([]Schedule, error)
	// Fire moves a schedule on to its next time, and creates an execution, as
	// Store.Create does. It returns ErrEnded where the schedule is not where the
	// caller saw it: of several nodes, one moves it. Where it returns ErrRunning,
	// the schedule has moved.
	Fire(ctx context.Context, at Schedule, next time.Time, s Submission, now time.Time) ([]Delivery, error)

	// Pause holds back work of a kind, or lets it go on. Scheduler stands for all
	// schedules.
	Pause(ctx context.Context, kind Kind, paused bool) error
	// Paused returns the kinds that are held back.
	Paused(ctx context.Context) (map[Kind]bool, error)
}

// Scheduler stands for all schedules, where they are paused.
const Scheduler Kind = "SCHEDULER"

var fields = cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Next returns when a schedule's time comes next, or ErrCron.
func Next(text string, after time.Time) (time.Time, error) {
	if len(text) > 255 {
		return time.Time{}, ErrCron.With("it is longer than 255 characters")
	}
	s, err := fields.Parse(text)
	if err != nil {
		return time.Time{}, ErrCron.With("%.80q: %v", text, err)
	}
	next := s.Next(after.UTC())
	if next.IsZero() { // as on the 30th of February
		return next, ErrCron.With("%.80q never comes", text)
	}
	return next, nil
}

// Schedule has work done at the times of a cron, in place of what was scheduled
// before for the kind and owner. It returns ErrCron.
func (s *Service) Schedule(ctx context.Context, at Schedule) (int64, error) {
	now := s.now()
	next, err := Next(at.Cron, now)
	if err != nil {
		return 0, err
	}
	at.Next, at.Created, at.Updated = next, now, now
	if at.Attrs == nil {
		at.Attrs = json.RawMessage(`{}`)
	}
	return s.schedules.Set(ctx, at)
}

// Unschedule ends that.
func (s *Service) Unschedule(ctx context.Context, kind Kind, owner int64) error {
	return s.schedules.Unset(ctx, kind, owner)
}

// fireDue starts what is due. Times that passed while nothing ran count once.
func (s *Service) fireDue(ctx context.Context) error {
	due, err := s.schedules.Due(ctx, s.now(), 100)
	if err != nil {
		return fmt.Errorf("job: schedules that are due: %w", err)
	}
	var failed error
	for _, at := range due {
		if err := s.fire(ctx, at); err != nil {
			failed = errors.Join(failed, fmt.Errorf("job: schedule %d: %w", at.ID, err))
		}
	}
	return failed
}

func (s *Service) fire(ctx context.Context, at Schedule) error {
	now := s.now()
	next, err := Next(at.Cron, now)
	if err != nil {
		return err
	}
	scheduled := s.works[at.Kind].Scheduled
	if scheduled == nil { // a newer node knows what to do
		return nil
	}
	sub, err := scheduled(ctx, at)
	if errors.Is(err, ErrNotFound) {
		return s.schedules.Unset(ctx, at.Kind, at.OwnerID)
	}
	if err != nil {
		return err
	}
	d, err := s.schedules.Fire(ctx, at, next, sub, now)
	switch {
	case errors.Is(err, ErrEnded):
		return nil
	case errors.Is(err, ErrRunning):
		s.log.WarnContext(ctx, "scheduled work waits for its next time: the last one is not over", "kind", string(at.Kind), "owner", at.OwnerID, "next", next)
		return nil
	case err != nil:
		return err
	}
	return s.send(ctx, d)
}
