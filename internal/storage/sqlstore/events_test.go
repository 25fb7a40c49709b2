package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// recordAll records events in a transaction of their own.
func recordAll(t *testing.T, d *db.DB, events ...event.Event) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return record(tx, events...) }); err != nil {
		t.Fatal(err)
	}
}

// drain returns the events that wait, and delivers them.
func drain(t *testing.T, d *db.DB) []event.Event {
	t.Helper()
	s := NewEvents(d)
	all, err := s.Pending(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, len(all))
	for i, e := range all {
		ids[i] = e.ID
	}
	if err := s.Done(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEventsComeOutAsTheyWentIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		at := time.Date(2026, 11, 25, 1, 2, 3, 4000, time.UTC)
		where := event.Where{ProjectID: 7, Project: "library", Repository: "library/app"}
		in := []event.Event{
			{At: at, Actor: event.Actor{Name: "alice", Address: "192.0.2.1", Request: "r1"},
				Fact: event.ArtifactPushed{Where: where, Digest: "sha256:a", MediaType: "m", Tags: []string{"v1", "ü'\""}}},
			{At: at.Add(time.Second), Actor: event.Actor{Name: "anonymous"}, Fact: event.TagDeleted{Where: where, Tag: "v1", Digest: "sha256:a"}},
			{At: at.In(time.FixedZone("", 3600)), Actor: event.Actor{Name: "robot$ci"}, Fact: event.UserDeleted{User: event.User{ID: 1, Name: "bob"}}},
		}
		recordAll(t, d, in...)
		recordAll(t, d) // none
		out := drain(t, d)
		for i := range out {
			in[i].ID, in[i].At = out[i].ID, in[i].At.UTC()
		}
		if diff := cmp.Diff(in, out); diff != "" {
			t.Error(diff)
		}
		if left := drain(t, d); len(left) != 0 {
			t.Errorf("%d events are left", len(left))
		}
	})
}

func TestManyEventsKeepTheirOrderAndPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		const many = 2*eventChunk + 7
		in := make([]event.Event, many)
		for i := range in {
			in[i] = event.New(event.Actor{Name: "alice"}, event.LoggedIn{Name: fmt.Sprint(i)})
		}
		recordAll(t, d, in...)
		s := NewEvents(d)
		seen := 0
		for {
			page, err := s.Pending(t.Context(), 60)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			if want := min(60, many-seen); len(page) != want {
				t.Fatalf("%d events after %d, not %d", len(page), seen, want)
			}
			var ids []int64
			for _, e := range page {
				if name := e.Fact.(event.LoggedIn).Name; name != fmt.Sprint(seen) {
					t.Fatalf("event %d is %s", seen, name)
				}
				seen++
				ids = append(ids, e.ID)
			}
			ids = append(ids, 1<<40) // one that is gone already
			if err := s.Done(t.Context(), ids); err != nil {
				t.Fatal(err)
			}
		}
		if seen != many {
			t.Errorf("%d of %d events came out", seen, many)
		}
		if err := s.Done(t.Context(), nil); err != nil {
			t.Errorf("delivering nothing: %v", err)
		}
	})
}

func TestAnEventIsThereOnlyIfItsTransactionIs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		failed := errors.New("no")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := record(tx, event.New(event.Actor{}, event.LoggedIn{})); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return record(tx, event.Event{}) }); err == nil {
			t.Error("an event without a fact is recorded")
		}
		if left := drain(t, d); len(left) != 0 {
			t.Errorf("%d events of failed transactions", len(left))
		}
	})
}

func TestEventsOfANewerVersionStayAndHoldNothingUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		newer := func(n int) {
			t.Helper()
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				for range n {
					if _, err := tx.Exec(`INSERT INTO event (kind, at, actor, fact) VALUES ('future.thing', 1, '{}', '{}')`); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		newer(5)
		recordAll(t, d, event.New(event.Actor{}, event.LoggedIn{Name: "a"}))
		newer(1)
		recordAll(t, d, event.New(event.Actor{}, event.LoggedIn{Name: "b"}), event.New(event.Actor{}, event.LoggedIn{Name: "c"}))
		page, err := NewEvents(d).Pending(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(loginNames(page), []string{"a", "b"}) {
			t.Errorf("got %v", loginNames(page))
		}
		drain(t, d)
		var left int
		if err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM event WHERE kind = 'future.thing'`).Scan(&left); err != nil || left != 6 {
			t.Errorf("%d events of the newer version are left, %v", left, err)
		}
	})
}

func loginNames(events []event.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Fact.(event.LoggedIn).Name)
	}
	return out
}
