package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Events is the outbox: what happened and was not yet delivered to all who want
// to know. Rows come in by record, in the transactions that made them true.
type Events struct{ db *db.DB }

// NewEvents returns the outbox in d.
func NewEvents(d *db.DB) *Events { return &Events{d} }

// eventChunk is how many events one statement writes or deletes. Few sizes make
// few texts to prepare.
const eventChunk = 50

// record writes events into the outbox. It is for the end of a transaction: what
// is recorded becomes known if, and only if, the transaction succeeds.
func record(tx *db.Tx, events ...event.Event) error {
	for len(events) > 0 {
		n := 1
		if len(events) >= eventChunk {
			n = eventChunk
		}
		if err := recordChunk(tx, events[:n]); err != nil {
			return fmt.Errorf("recording %d events: %w", n, err)
		}
		events = events[n:]
	}
	return nil
}

func recordChunk(tx *db.Tx, events []event.Event) error {
	args := make([]any, 0, 4*len(events))
	for _, e := range events {
		if e.Fact == nil {
			return errors.New("an event without a fact")
		}
		fact, err := event.Encode(e.Fact)
		if err != nil {
			return err
		}
		actor, err := json.Marshal(e.Actor)
		if err != nil {
			return err
		}
		args = append(args, e.Fact.Kind(), e.At.UnixMicro(), string(actor), string(fact))
	}
	_, err := tx.Exec(`INSERT INTO event (kind, at, actor, fact) VALUES (?, ?, ?, ?)`+
		strings.Repeat(`, (?, ?, ?, ?)`, len(events)-1), args...)
	return err
}

// Pending returns up to limit events, oldest first. An event that this version
// cannot read is left for the newer one that wrote it, and does not hold up
// those behind it.
func (s *Events) Pending(ctx context.Context, limit int) ([]event.Event, error) {
	var out []event.Event
	var after int64
	for len(out) < limit {
		page, last, err := s.page(ctx, after, limit)
		if err != nil {
			return nil, fmt.Errorf("reading events: %w", err)
		}
		if last == after {
			break
		}
		out, after = append(out, page...), last
	}
	return out[:min(len(out), limit)], nil
}

// page returns the readable ones of the next events behind an id, and the id of
// the last one that it looked at.
func (s *Events) page(ctx context.Context, after int64, limit int) (out []event.Event, last int64, err error) {
	rows, err := s.db.Query(ctx, `SELECT id, kind, at, actor, fact FROM event WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil {
		return nil, after, err
	}
	defer rows.Close()
	last = after
	for rows.Next() {
		var kind, actor, fact string
		var at int64
		if err := rows.Scan(&last, &kind, &at, &actor, &fact); err != nil {
			return nil, after, err
		}
		if e, ok := readEvent(last, kind, at, actor, fact); ok {
			out = append(out, e)
		}
	}
	return out, last, rows.Err()
}

func readEvent(id int64, kind string, at int64, actor, fact string) (event.Event, bool) {
	f, err := event.Decode(kind, []byte(fact))
	if err != nil {
		return event.Event{}, false
	}
	e := event.Event{ID: id, At: time.UnixMicro(at).UTC(), Fact: f}
	return e, json.Unmarshal([]byte(actor), &e.Actor) == nil
}

// Done deletes events that were delivered. Those that are gone already are no
// error.
func (s *Events) Done(ctx context.Context, ids []int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for chunk := range slices.Chunk(ids, eventChunk) {
			if _, err := tx.Exec(`DELETE FROM event WHERE id IN (`+db.In(len(chunk))+`)`, anyOf(chunk)...); err != nil {
				return fmt.Errorf("deleting delivered events: %w", err)
			}
		}
		return nil
	})
}
