package blobtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// aWhile is how much the clocks of a store and of the test may differ.
const aWhile = time.Minute

// walk gathers what a walk goes past, by key, in order.
func walk(t *testing.T, from func(context.Context, func(blob.Item) error) error) (keys []string, items map[string]blob.Item) {
	t.Helper()
	items = map[string]blob.Item{}
	err := from(t.Context(), func(i blob.Item) error {
		keys, items[i.Key] = append(keys, i.Key), i
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, items
}

func testWalk(t *testing.T, s suite) {
	if keys, _ := walk(t, s.Walk); len(keys) != 0 {
		t.Errorf("nothing was pushed, and it goes past %q", keys)
	}
	sizes := map[string]int64{}
	for i := range 300 {
		algorithm := oci.SHA256
		if i%10 == 0 {
			algorithm = oci.SHA512
		}
		content := Content(uint64(i/2), i/2) // each twice
		sizes[s.commit(t, s.begin(t, fmt.Sprint("up-", i), content), algorithm, content)] = int64(len(content))
	}
	s.pause(t, s.begin(t, "unfinished", Content(1, 100)))
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	keys, items := walk(t, s.Walk)
	if len(keys) != len(sizes) || !slices.IsSorted(keys) {
		t.Errorf("%d keys of %d, sorted: %t", len(keys), len(sizes), slices.IsSorted(keys))
	}
	for key, size := range sizes {
		if i := items[key]; i.Key != key || i.Size != size || time.Since(i.Changed).Abs() > aWhile {
			t.Errorf("%s of %d bytes is %+v", key, size, i)
		}
	}
	gone := keys[17]
	if err := s.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	if keys, _ := walk(t, s.Walk); len(keys) != len(sizes)-1 || slices.Contains(keys, gone) {
		t.Errorf("%d keys after one of %d was deleted", len(keys), len(sizes))
	}
	enough, seen := errors.New("enough"), 0
	err := s.Walk(t.Context(), func(blob.Item) error {
		if seen++; seen == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 5 {
		t.Errorf("ended after %d, by %v", seen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Walk(ctx, func(blob.Item) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// testWalkUploads lets a store that does not know its uploads be silent.
func testWalkUploads(t *testing.T, s suite) {
	s.upload(t, "content", Content(1, 10))
	parts := s.pause(t, s.begin(t, "paused", Content(2, 20)))
	keys, items := walk(t, s.WalkUploads)
	if len(keys) == 0 {
		return
	}
	if i := items["paused"]; len(keys) != 1 || i.Key != "paused" || i.Size != 20 || time.Since(i.Changed).Abs() > aWhile {
		t.Errorf("%+v", items)
	}
	if err := s.Abort(t.Context(), "paused", parts); err != nil {
		t.Fatal(err)
	}
	if keys, _ := walk(t, s.WalkUploads); len(keys) != 0 {
		t.Errorf("after the end of the upload: %q", keys)
	}
}
