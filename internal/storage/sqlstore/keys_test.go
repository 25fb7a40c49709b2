package sqlstore

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

var keyTime = time.Date(2026, 11, 25, 1, 2, 3, 4000, time.UTC)

func sampleKey(kid string, created time.Time) token.Key {
	return token.Key{KID: kid, Certificate: "PEM of " + kid, Private: []byte{0, 1, 0xff}, Created: created, Expires: created.Add(time.Hour)}
}

func keyIDs(t *testing.T, s *Keys) (ids []string) {
	t.Helper()
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		ids = append(ids, k.KID)
	}
	return ids
}

func TestKeysAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewKeys(d)
		if got, err := s.Keys(t.Context()); err != nil || len(got) != 0 {
			t.Fatalf("before: %v, %v", got, err)
		}
		authority, first := sampleKey("authority", keyTime), sampleKey("one", keyTime)
		authority.Authority = true
		second := sampleKey("two", keyTime.Add(time.Minute))
		for _, keys := range [][]token.Key{{authority, first}, {second}} {
			if err := s.Create(t.Context(), keyTime, keys...); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]token.Key{second, first, authority}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestKeysAreCreatedAllOrNone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewKeys(d)
		if err := s.Create(t.Context(), keyTime, sampleKey("authority", keyTime)); err != nil {
			t.Fatal(err)
		}
		err := s.Create(t.Context(), keyTime, sampleKey("one", keyTime), sampleKey("authority", keyTime))
		if !errors.Is(err, token.ErrKeyExists) {
			t.Errorf("Create = %v, want ErrKeyExists", err)
		}
		if diff := cmp.Diff([]string{"authority"}, keyIDs(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestExpiredKeysGoWithTheNextCreate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewKeys(d)
		authority := sampleKey("authority", keyTime.Add(-5*time.Hour))
		authority.Authority = true
		old, last := sampleKey("old", keyTime.Add(-2*time.Hour)), sampleKey("last", keyTime.Add(-time.Hour))
		if err := s.Create(t.Context(), keyTime.Add(-5*time.Hour), authority, old, last); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), keyTime, sampleKey("new", keyTime)); err != nil {
			t.Fatal(err)
		}
		// last expires at that very time.
		if diff := cmp.Diff([]string{"new", "last", "authority"}, keyIDs(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}
