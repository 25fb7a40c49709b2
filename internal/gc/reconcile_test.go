package gc_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// file returns the path of a layer's content.
func (w *world) file(name string) string {
	w.t.Helper()
	hex := sum(layer(name)).Hex()
	found, err := filepath.Glob(filepath.Join(w.root, "sha256", hex[:2], hex+"-*"))
	if err != nil || len(found) != 1 {
		w.t.Fatalf("%v, %v", found, err)
	}
	return found[0]
}

// stray commits content that no row leads to, as a crash leaves it.
func (w *world) stray(name string) string {
	w.t.Helper()
	b, err := w.bytes.Begin(w.ctx, "stray-"+name)
	w.must(err)
	_, err = b.Write(layer(name))
	w.must(err)
	key, err := b.Commit(w.ctx, sum(layer(name)))
	w.must(err)
	return key
}

func (w *world) reconcile(do gc.Repair) (gc.Comparison, []gc.Finding) {
	w.t.Helper()
	var found []gc.Finding
	sum, err := w.gc.Reconcile(w.ctx, do, func(f gc.Finding) { found = append(found, f) })
	w.must(err)
	return sum, found
}

func TestContentWithoutARow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		w.push(w.one, "v1", "i", "a", "b")
		old, young := w.stray("old"), w.stray("young")
		w.must(os.Chtimes(w.file("old"), time.Time{}, time.Now().Add(-gc.Grace-time.Minute)))
		// An upload that nobody knows, and one that goes on after all.
		unknown, err := w.bytes.Begin(w.ctx, "unknown")
		w.must(err)
		_, err = unknown.Pause()
		w.must(err)
		u, err := w.BeginUpload(w.ctx, w.one, oci.SHA256)
		w.must(err)
		_, err = w.Append(w.ctx, w.one, u.ID, registry.Chunk{From: registry.Any, Size: -1, Body: bytes.NewReader(layer("late"))})
		w.must(err)
		for _, id := range []string{"unknown", u.ID} {
			w.must(os.Chtimes(filepath.Join(w.root, "uploads", id), time.Time{}, time.Now().Add(-gc.Grace-time.Minute)))
		}
		for _, repair := range []bool{false, true, true} {
			c, found := w.reconcile(gc.Repair{Garbage: repair, Losses: repair})
			want := []gc.Finding{{Garbage: old}, {Upload: "unknown"}}
			if c.Repaired == 0 && repair {
				want = nil // it was repaired before
			}
			if !slices.Equal(found, want) || c.Young != 1 || c.Losses+c.Back != 0 || c.Rows != 3 {
				t.Errorf("repair %t: %+v, %+v", repair, c, found)
			}
		}
		if _, err := w.bytes.Open(w.ctx, old); err == nil {
			t.Error("garbage stays")
		}
		if r, err := w.bytes.Open(w.ctx, young); err != nil {
			t.Errorf("what may be on its way is gone: %v", err)
		} else {
			r.Close()
		}
		_, err = w.Finish(w.ctx, w.one, u.ID, sum(layer("late")), registry.Chunk{From: registry.Any, Body: bytes.NewReader(nil)})
		w.must(err)
		w.must(w.whole(w.one, oci.Reference{Tag: "v1"}))
	})
}

func TestARowWithoutContent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		m := w.push(w.one, "v1", "i", "a", "b", "c")
		w.must(w.Mount(w.ctx, w.two, w.one.Name, sum(layer("a")), func(string) bool { return true }))
		lost, kept := w.file("a"), filepath.Join(w.root, "elsewhere")
		w.must(os.Rename(lost, kept))
		w.must(os.Truncate(w.file("b"), 2))
		c, found := w.reconcile(gc.Repair{})
		if c.Losses != 2 || len(found) != 2 || c.Repaired != 0 {
			t.Fatalf("%+v, %+v", c, found)
		}
		for _, f := range found {
			if f.Loss.Digest != sum(layer("a")) {
				if f.Loss.Digest != sum(layer("b")) || f.Loss.Found != 2 {
					t.Errorf("%+v", f.Loss)
				}
				continue
			}
			if !slices.Equal(f.Loss.Repositories, []string{w.one.Name, w.two.Name}) || !slices.Equal(f.Loss.Artifacts, []string{w.one.Name + "@" + string(sum(m))}) || f.Loss.Found != -1 {
				t.Errorf("%+v", f.Loss)
			}
		}
		if !w.has(w.one, "a") {
			t.Error("a row is gone")
		}
		if _, err := w.gc.Reconcile(w.ctx, gc.Repair{Garbage: true}, nil); err != nil || !w.has(w.one, "a") {
			t.Errorf("a row is gone: %v", err)
		}
		w.reconcile(gc.Repair{Losses: true})
		w.layers(w.one, "a b", false)
		w.layers(w.one, "c", true)
		if err := w.put(w.ctx, w.one, "v2", imageOf("j", "a")); !errors.Is(err, artifact.ErrBlobUnknown) {
			t.Errorf("a manifest of what is lost: %v", err)
		}
		// One is sent again, the other one is found.
		w.must(w.upload(w.ctx, w.one, layer("b")))
		w.must(w.readable(w.one, sum(layer("b"))))
		w.must(os.Rename(kept, lost))
		c, _ = w.reconcile(gc.Repair{Losses: true})
		if c.Losses != 0 || c.Back != 1 || c.Young != 1 { // young is what is left of b
			t.Errorf("%+v", c)
		}
		w.must(w.whole(w.one, oci.Reference{Tag: "v1"}))
		w.true("after all")
	})
}

func imageOf(name string, layers ...string) []byte {
	body, _ := image(name, layers...)
	return body
}

func TestAStorageThatIsNotThereIsNoLoss(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	w.push(w.one, "v1", "i", "a", "b")
	other := open(t, storetest.SQLite(t))
	w.rewire(other.bytes)
	found := 0
	if _, err := w.gc.Reconcile(w.ctx, gc.Repair{Losses: true}, func(gc.Finding) { found++ }); !errors.Is(err, gc.ErrStorage) || found > 0 {
		t.Errorf("%v, %d findings", err, found)
	}
	w.rewire(w.bytes)
	w.must(w.whole(w.one, oci.Reference{Tag: "v1"}))
}

// TestManyRowsAndKeys compares more than one page, with losses and garbage in
// between.
func TestManyRowsAndKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		for i := range 1203 {
			w.stray(fmt.Sprint(i))
		}
		err := w.db.Write(w.ctx, func(tx *db.Tx) error {
			for i := range 1400 {
				if i%3 == 0 {
					continue
				}
				d := sum(layer(fmt.Sprint(i)))
				key := fmt.Sprintf("sha256/%s/%s-stray-%d", d.Hex()[:2], d.Hex(), i)
				if _, err := tx.Exec(`INSERT INTO blob (digest, size, storage_key, created) VALUES (?, ?, ?, 0)`, d, len(layer(fmt.Sprint(i))), key); err != nil {
					return err
				}
			}
			return nil
		})
		w.must(err)
		c, found := w.reconcile(gc.Repair{Grace: gc.None, Garbage: true})
		if c.Garbage != 401 || c.Losses != 131 || c.Keys != 1203 || c.Rows != 933 || c.Repaired != 401 || len(found) != 532 {
			t.Errorf("%+v, %d findings", c, len(found))
		}
		if c, _ := w.reconcile(gc.Repair{}); c.Garbage != 0 || c.Losses != 131 || c.Keys != 802 {
			t.Errorf("%+v", c)
		}
	})
}
