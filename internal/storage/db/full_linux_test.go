package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/berth-registry/berth/internal/fault"
)

// TestDiskFull writes until the disk is full, makes room, and goes on. Whatever
// was acknowledged is there, and nothing else is.
func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk is needed, which only root can have: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(folder, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openTest(t, folder)
	var mu sync.Mutex
	promised := []string{}
	// fill writes until each of a few writers has failed so often.
	fill := func(round string, failures int) {
		var all sync.WaitGroup
		for w := range 8 {
			all.Go(func() {
				failed := 0
				for i := 0; failed < failures && i < 1000; i++ {
					name := fmt.Sprintf("%s/%d/%d", round, w, i)
					err := d.Write(context.Background(), func(tx *Tx) error {
						_, err := tx.Exec(`INSERT INTO system (name, value) VALUES (?, ?)`, name, strings.Repeat("x", 1000*(1+i%7)))
						return err
					})
					if err == nil {
						mu.Lock()
						promised = append(promised, name)
						mu.Unlock()
						continue
					}
					failed++
					var f *fault.Fault
					if !errors.Is(err, ErrFull) || !errors.As(err, &f) || f.Kind != fault.Unavailable {
						t.Errorf("got %v, want ErrFull", err)
					}
				}
				if failed == 0 {
					t.Error("the disk never was full")
				}
			})
		}
		all.Wait()
	}
	check := func(d *DB) {
		t.Helper()
		slices.Sort(promised)
		if got := names(t, d); !slices.Equal(got, promised) {
			t.Errorf("%d rows are there, %d were promised", len(got), len(promised))
		}
	}
	fill("first", 20)
	check(d)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), insert("room")); err != nil {
		t.Errorf("there is room again: %v", err)
	} else {
		promised = append(promised, "room")
	}
	fill("second", 20)
	check(d)
	if err := d.Close(); err != nil {
		t.Logf("close: %v", err) // it may lack the room to tidy up
	}
	check(openTest(t, folder))
}
