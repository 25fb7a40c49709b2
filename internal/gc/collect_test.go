package gc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestWhatGoesAndWhatStays makes garbage in each way, and looks for the layers
// that are left.
func TestWhatGoesAndWhatStays(t *testing.T) {
	all := func(o gc.Options) gc.Options { o.DeleteUntagged = true; return o }
	for name, c := range map[string]struct {
		make        func(w *world)
		options     gc.Options
		stay, gone  string // layers of w.one, by words
		manifests   int64
		blobs       int64 // deleted
		alsoTwo     string
		alsoTwoGone string
	}{
		"a blob without a manifest":        {make: func(w *world) { w.must(w.upload(w.ctx, w.one, layer("a"))) }, options: now, gone: "a", blobs: 1},
		"which may be about to come":       {make: func(w *world) { w.must(w.upload(w.ctx, w.one, layer("a"))) }, options: gc.Options{Trash: gc.None}, stay: "a"},
		"an image with a tag":              {make: func(w *world) { w.push(w.one, "v1", "i", "a", "b") }, options: all(now), stay: "a b"},
		"one without a tag, which is kept": {make: func(w *world) { w.push(w.one, "", "i", "a", "b") }, options: now, stay: "a b"},
		"one without a tag":                {make: func(w *world) { w.push(w.one, "", "i", "a", "b") }, options: all(now), gone: "a b", manifests: 1, blobs: 3},
		"one that may be an index's":       {make: func(w *world) { w.push(w.one, "", "i", "a", "b") }, options: gc.Options{DeleteUntagged: true, Trash: gc.None}, stay: "a b"},
		"a tag that has moved": {make: func(w *world) {
			w.push(w.one, "v1", "i", "a", "b")
			w.push(w.one, "v1", "j", "b", "c")
		}, options: all(now), stay: "b c", gone: "a", manifests: 1, blobs: 1},
		"a tag that was deleted": {make: func(w *world) {
			m := w.push(w.one, "v1", "i", "a")
			w.push(w.one, "v2", "j", "b")
			w.must(w.DeleteTag(w.ctx, w.one, oci.Reference{Digest: sum(m)}, "v1"))
		}, options: all(now), stay: "b", gone: "a", manifests: 1, blobs: 1},
		"a tag that came later": {make: func(w *world) {
			m := w.push(w.one, "", "i", "a")
			w.must(w.CreateTag(w.ctx, w.one, oci.Reference{Digest: sum(m)}, "v1"))
		}, options: all(now), stay: "a"},
		"an artifact that was deleted": {make: func(w *world) {
			m := w.push(w.one, "v1", "i", "a", "b")
			w.push(w.one, "v2", "j", "b", "c")
			w.must(w.DeleteArtifact(w.ctx, w.one, oci.Reference{Digest: sum(m)}))
		}, options: now, stay: "b c", gone: "a", blobs: 1},
		"an index and its children": {make: func(w *world) {
			i, j := w.push(w.one, "", "i", "a"), w.push(w.one, "", "j", "b")
			w.must(w.put(w.ctx, w.one, "v1", index("x", i, j)))
		}, options: all(now), stay: "a b"},
		"an index without a tag": {make: func(w *world) {
			i, j := w.push(w.one, "", "i", "a"), w.push(w.one, "v2", "j", "b")
			w.must(w.put(w.ctx, w.one, "", index("x", i, j)))
		}, options: all(now), stay: "b", gone: "a", manifests: 2, blobs: 1},
		"a referrer of what stays": {make: func(w *world) {
			w.must(w.put(w.ctx, w.one, "", referrer(w.push(w.one, "v1", "i", "a"))))
		}, options: all(now), stay: "a"},
		"a referrer of what goes": {make: func(w *world) {
			w.must(w.put(w.ctx, w.one, "", referrer(w.push(w.one, "", "i", "a"))))
		}, options: all(now), gone: "a", manifests: 2, blobs: 2},
		"a blob that was mounted": {make: func(w *world) {
			w.push(w.two, "v1", "i", "a")
			w.must(w.Mount(w.ctx, w.one, w.two.Name, sum(layer("a")), func(string) bool { return true }))
		}, options: now, gone: "a", alsoTwo: "a"},
		"a copy": {make: func(w *world) {
			m := w.push(w.two, "v1", "i", "a")
			_, err := w.Copy(w.ctx, w.two, oci.Reference{Tag: "v1"}, w.one)
			w.must(err)
			w.must(w.DeleteArtifact(w.ctx, w.two, oci.Reference{Digest: sum(m)}))
		}, options: now, stay: "a", alsoTwoGone: "a"},
		"a repository that was deleted": {make: func(w *world) {
			w.push(w.one, "v1", "i", "a", "b")
			w.push(w.two, "v1", "j", "b")
			w.must(w.DeleteRepository(w.ctx, w.one))
		}, options: now, gone: "a b", alsoTwo: "b", blobs: 1},
		"a project that was deleted": {make: func(w *world) {
			w.must(w.upload(w.ctx, w.one, layer("a")))
			w.must(sqlstore.NewProjects(w.db).Delete(w.ctx, w.one.ProjectID, event.Actor{}))
			w.one = w.two
		}, options: now, gone: "a", blobs: 1},
		"a blob that was deleted": {make: func(w *world) {
			w.must(w.upload(w.ctx, w.one, layer("a")))
			w.must(w.DeleteBlob(w.ctx, w.one, sum(layer("a"))))
		}, options: gc.Options{Trash: gc.None}, gone: "a", blobs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *db.DB) {
				w := open(t, d)
				c.make(w)
				w.true("before")
				dry := c.options
				dry.DryRun = true
				rehearsed := w.collect(dry)
				r := w.collect(c.options)
				if sum := (gc.Totals{Collections: 1, Manifests: r.Manifests, Blobs: r.Blobs, Bytes: r.Bytes}); w.gc.Totals() != sum {
					t.Errorf("%+v in all, want %+v", w.gc.Totals(), sum)
				}
				if r.Manifests != c.manifests || r.Blobs != c.blobs || r.Failed+r.Remaining+r.Kept != 0 {
					t.Errorf("%+v", r)
				}
				if rehearsed.Manifests != r.Manifests || rehearsed.Blobs != r.Blobs || rehearsed.Bytes != r.Bytes || int64(len(rehearsed.Names)) != r.Manifests {
					t.Errorf("the dry run said %+v, the collection %+v", rehearsed, r)
				}
				w.layers(w.one, c.stay, true)
				w.layers(w.one, c.gone, false)
				w.layers(w.two, c.alsoTwo, true)
				w.layers(w.two, c.alsoTwoGone, false)
				if c.options == now || c.options == all(now) {
					w.clean("after")
				}
			})
		})
	}
}

func (w *world) layers(repo artifact.Repo, names string, want bool) {
	w.t.Helper()
	for name := range strings.FieldsSeq(names) {
		if got := w.has(repo, name); got != want {
			w.t.Errorf("%s has %s: %t", repo.Name, name, got)
		}
	}
}

// TestTrashIsFoundAgain brings content back from the trash in each way.
func TestTrashIsFoundAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for name, again := range map[string]func(w *world) error{
			"manifest": func(w *world) error {
				body, blobs := image("i", "a")
				return errors.Join(w.upload(w.ctx, w.one, blobs[0]), w.put(w.ctx, w.one, "v1", body))
			},
			"upload": func(w *world) error { return w.upload(w.ctx, w.one, layer("a")) },
			"elsewhere": func(w *world) error {
				w.one = beside(w.one, "other")
				return w.upload(w.ctx, w.one, layer("a"))
			},
		} {
			t.Run(name, func(t *testing.T) {
				w := &world{}
				*w = *open(t, fresh(t, d))
				w.must(w.upload(w.ctx, w.one, layer("a")))
				before := w.files()
				if r := w.collect(gc.Options{Delay: gc.None}); r.Links != 1 || r.Trashed != 1 || r.TrashedBytes != int64(len(layer("a"))) || r.Blobs != 0 {
					t.Fatalf("%+v", r)
				}
				if w.has(w.one, "a") || !w.stored("a") {
					t.Fatal("it is not in the trash")
				}
				w.must(again(w))
				if !w.has(w.one, "a") || w.count(`SELECT COUNT(*) FROM blob WHERE state = 'trash'`) != 0 {
					t.Error("it is not served again")
				}
				w.true("again")
				w.collect(gc.Options{Trash: gc.None})
				if !w.has(w.one, "a") || !w.stored("a") || w.readable(w.one, sum(layer("a"))) != nil {
					t.Error("it is gone")
				}
				if after := w.files(); after[0] != before[0] && len(after) == 1 {
					t.Errorf("it is kept as %v, and was as %v", after, before)
				}
			})
		}
	})
}

// fresh returns a database like d.
func fresh(t *testing.T, d *db.DB) *db.DB {
	if d.Dialect() == db.SQLite {
		return storetest.SQLite(t)
	}
	return storetest.PostgreSQL(t)
}

func TestAManifestThatComesTooLateIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		body, blobs := image("i", "a")
		for _, b := range blobs {
			w.must(w.upload(w.ctx, w.one, b))
		}
		w.collect(now)
		if err := w.put(w.ctx, w.one, "v1", body); !errors.Is(err, artifact.ErrBlobUnknown) {
			t.Errorf("%v", err)
		}
		for _, b := range blobs {
			w.must(w.upload(w.ctx, w.one, b))
		}
		w.must(w.put(w.ctx, w.one, "v1", body))
		w.must(w.whole(w.one, oci.Reference{Tag: "v1"}))
	})
}

// TestWhoMayPushIsGivenTime lets somebody ask for what is about to be looked at.
func TestWhoMayPushIsGivenTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		w.must(w.upload(w.ctx, w.one, layer("a")))
		m := w.push(w.one, "", "i", "b")
		age := func(by time.Duration) {
			w.exec(`UPDATE gc_review SET review_after = ?, attempts = 0`, time.Now().Add(gc.Delay-by).UnixMicro())
		}
		due := func(kind string, d oci.Digest) time.Duration {
			at := w.count(`SELECT review_after FROM gc_review WHERE kind = ? AND digest = ?`, kind, d)
			return time.Until(time.UnixMicro(at)).Round(time.Minute)
		}
		for _, c := range []struct {
			age     time.Duration
			mayPush bool
			left    time.Duration
		}{
			{gc.Delay / 4, true, gc.Delay * 3 / 4}, // there is time enough
			{gc.Delay * 3 / 4, false, gc.Delay / 4},
			{gc.Delay * 3 / 4, true, gc.Delay},
			{gc.Delay + time.Hour, true, gc.Delay}, // not collected so far
		} {
			age(c.age)
			if _, err := w.StatBlob(w.ctx, w.one, sum(layer("a")), c.mayPush); err != nil {
				t.Error(err)
			}
			if _, err := w.StatManifest(w.ctx, w.one, oci.Reference{Digest: sum(m)}, registry.Puller{MayPush: c.mayPush}); err != nil {
				t.Error(err)
			}
			if got := due("link", sum(layer("a"))); got != c.left {
				t.Errorf("%v ago, may push %t: the blob has %v left", c.age, c.mayPush, got)
			}
			if got := due("artifact", sum(m)); got != c.left {
				t.Errorf("%v ago, may push %t: the artifact has %v left", c.age, c.mayPush, got)
			}
		}
		age(gc.Delay + time.Hour)
		if _, err := w.StatBlob(w.ctx, w.one, sum(layer("a")), true); err != nil {
			t.Error(err)
		}
		w.must(w.gc.Review(w.ctx))
		if !w.has(w.one, "a") {
			t.Error("it was collected although somebody had asked for it")
		}
	})
}

// TestADeletionDoesNotShortenTheTimeOfAPush deletes what references a layer that
// another push has just sent.
func TestADeletionDoesNotShortenTheTimeOfAPush(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		m := w.push(w.one, "v1", "i", "a", "b")
		w.exec(`UPDATE gc_review SET review_after = ?`, time.Now().Add(-time.Minute).UnixMicro())
		w.must(w.upload(w.ctx, w.one, layer("a")))
		w.must(w.DeleteArtifact(w.ctx, w.one, oci.Reference{Digest: sum(m)}))
		w.collect(gc.Options{})
		w.layers(w.one, "a", true)
		w.layers(w.one, "b", false)
		w.must(w.gc.Review(w.ctx)) // by itself, nothing is early
		w.layers(w.one, "a", true)
	})
}

func TestReviewWaitsForDeletedThingsToo(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	m := w.push(w.one, "v1", "i", "a")
	w.exec(`UPDATE gc_review SET review_after = 0`)
	w.must(w.DeleteArtifact(w.ctx, w.one, oci.Reference{Digest: sum(m)}))
	w.must(w.gc.Review(w.ctx))
	w.layers(w.one, "a", true)
	w.exec(`UPDATE gc_review SET review_after = review_after - ?`, (gc.Delay + time.Second).Microseconds())
	w.must(w.gc.Review(w.ctx))
	w.layers(w.one, "a", false)
	if !w.stored("a") {
		t.Error("it did not go to the trash")
	}
	w.exec(`UPDATE blob SET trashed = trashed - ?`, (gc.Trash + time.Second).Microseconds())
	w.must(w.gc.Review(w.ctx))
	if w.stored("a") {
		t.Error("it stayed in the trash")
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		for i := range 60 {
			w.push(w.one, "", fmt.Sprint(i), fmt.Sprint(i), fmt.Sprint(i+1))
			w.must(w.upload(w.ctx, w.two, layer(fmt.Sprint(i+30))))
		}
		before, files := w.dump(), len(w.files())
		o := now
		o.DeleteUntagged, o.DryRun, o.Workers = true, true, 3
		r := w.collect(o)
		if after := w.dump(); after != before || len(w.files()) != files {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		if r.Manifests != 60 || len(r.Names) != 60 || r.Blobs != 91 || r.Links != 122 || r.Trashed != r.Blobs {
			r.Names = nil
			t.Errorf("%+v", r)
		}
		o.DryRun = false
		if done := w.collect(o); done.Blobs != r.Blobs || done.Bytes != r.Bytes || done.Links != r.Links {
			t.Errorf("%+v", done)
		}
	})
}

// dump counts the rows of all tables that a collection changes.
func (w *world) dump() string {
	var s strings.Builder
	for _, q := range []string{
		`SELECT COUNT(*) FROM artifact`, `SELECT COUNT(*) FROM tag`, `SELECT COUNT(*) FROM artifact_blob`, `SELECT COUNT(*) FROM repository_blob`, `SELECT COUNT(*) FROM event`,
		`SELECT COUNT(*) FROM blob`, `SELECT COUNT(*) FROM blob WHERE state = 'live'`, `SELECT COALESCE(SUM(trashed), 0) FROM blob`, `SELECT COUNT(*) FROM unlinked_blob`,
		`SELECT COUNT(*) FROM garbage_key`, `SELECT COUNT(*) FROM gc_review`, `SELECT CAST(SUM(review_after / 1000000) + SUM(attempts) AS BIGINT) FROM gc_review`,
		`SELECT CAST(SUM(used) AS BIGINT) FROM quota`, `SELECT CAST(SUM(updated / 1000000) AS BIGINT) FROM repository`,
	} {
		fmt.Fprintf(&s, "%s: %d\n", q, w.count(q))
	}
	return s.String()
}

func TestAReadOnlyServerDeletesNothing(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	w.must(w.upload(w.ctx, w.one, layer("a")))
	w.exec(`UPDATE gc_review SET review_after = 0`)
	w.readOnly = true
	if _, err := w.gc.Collect(w.ctx, now, nil); !errors.Is(err, gc.ErrReadOnly) {
		t.Errorf("%v", err)
	}
	w.must(w.gc.Review(w.ctx))
	if _, err := w.gc.Reconcile(w.ctx, gc.Repair{Garbage: true}, nil); !errors.Is(err, gc.ErrReadOnly) {
		t.Errorf("%v", err)
	}
	dry := now
	dry.DryRun = true
	if r := w.collect(dry); r.Blobs != 1 {
		t.Errorf("%+v", r)
	}
	w.layers(w.one, "a", true)
	w.readOnly = false
	w.must(w.gc.Review(w.ctx))
	w.layers(w.one, "a", false)
}

// TestImmutableTagsHoldWhatIsUntagged lets a rule hold the tag of a signature,
// which goes only with what it signs.
func TestImmutableTagsHoldWhatIsUntagged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		var names []string
		for i := range 4 {
			m := w.push(w.one, "", fmt.Sprint("i", i), fmt.Sprint(i))
			names = append(names, string(sum(m)))
			if i == 1 {
				w.push(w.one, "sha256-"+sum(m).Hex()+".sbom", "signature", "s")
			}
		}
		rule := immutable.Rule{ProjectID: w.one.ProjectID, Tags: pattern.Pattern{Glob: "*.sbom"}, Repositories: pattern.Pattern{Glob: "**"}}
		_, err := sqlstore.NewImmutable(d).Create(w.ctx, rule, time.Now(), event.Actor{})
		w.must(err)
		o := now
		o.DeleteUntagged, o.DryRun = true, true
		if r := w.collect(o); r.Manifests != 3 || r.Kept != 1 {
			t.Errorf("dry: %+v", r)
		}
		o.DryRun = false
		if r := w.collect(o); r.Manifests != 3 || r.Kept != 1 || r.Remaining != 0 {
			t.Errorf("%+v", r)
		}
		w.must(w.whole(w.one, oci.Reference{Digest: oci.Digest(names[1])}))
		w.layers(w.one, "1 s", true)
		w.layers(w.one, "0 2 3", false)
		if n := w.count(`SELECT attempts FROM gc_review WHERE kind = 'artifact'`); n != 1 {
			t.Errorf("%d attempts", n)
		}
		w.true("after")
	})
}

func TestDeletionsAreTold(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	m := w.push(w.one, "", "i", "a")
	w.exec(`DELETE FROM event`)
	o := now
	o.DeleteUntagged = true
	w.collect(o)
	events, err := sqlstore.NewEvents(w.db).Pending(w.ctx, 10)
	w.must(err)
	if len(events) != 1 || events[0].Actor.Name != "berth" {
		t.Fatalf("%+v", events)
	}
	if f, ok := events[0].Fact.(event.ArtifactDeleted); !ok || f.Digest != string(sum(m)) {
		t.Errorf("%+v", events[0])
	}
}

func TestWorkersAreBounded(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	for _, n := range []int{-1, 11} {
		if _, err := w.gc.Collect(w.ctx, gc.Options{Workers: n}, nil); !errors.Is(err, gc.ErrWorkers) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// stubborn is a store some of whose content cannot be deleted.
type stubborn struct {
	blob.Store
	but  string
	slow time.Duration
}

func (s *stubborn) Delete(ctx context.Context, keys ...string) error {
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, k := range keys {
		if s.but != "" && strings.Contains(k, s.but) {
			return errors.New("it is stuck")
		}
	}
	return s.Store.Delete(ctx, keys...)
}

func TestWhatCannotBeDeletedIsTriedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		for i := range 5 {
			w.must(w.upload(w.ctx, w.one, layer(fmt.Sprint(i))))
		}
		s := &stubborn{Store: w.bytes, but: sum(layer("3")).Hex()}
		w.rewire(s)
		r := w.collect(now)
		if r.Blobs != 4 || r.Failed != 1 || r.Remaining != 1 || len(r.Errors) != 1 || !w.stored("3") || len(w.files()) != 1 {
			t.Errorf("%+v, %d files", r, len(w.files()))
		}
		// Meanwhile the same content comes again: it has a key of its own.
		w.must(w.upload(w.ctx, w.one, layer("3")))
		s.but = ""
		if r := w.collect(gc.Options{}); r.Blobs != 0 {
			t.Errorf("while it was left to another: %+v", r)
		}
		w.exec(`UPDATE garbage_key SET delete_after = 0`)
		if r := w.collect(gc.Options{}); r.Blobs != 1 || r.Failed != 0 {
			t.Errorf("%+v", r)
		}
		w.must(w.readable(w.one, sum(layer("3"))))
		if len(w.files()) != 1 {
			t.Errorf("%d files", len(w.files()))
		}
	})
}

// TestACollectionIsCancelledAndGoesOn cancels one in each of its steps.
func TestACollectionIsCancelledAndGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		const blobs = 400
		for i := range blobs {
			w.must(w.upload(w.ctx, w.one, layer(fmt.Sprint(i))))
		}
		w.push(w.one, "v1", "i", "1", "2")
		w.rewire(&stubborn{Store: w.bytes, slow: 100 * time.Millisecond})
		for _, step := range []string{gc.StepLinks, gc.StepBlobs, gc.StepTrash, gc.StepContent} {
			ctx, cancel := context.WithCancel(w.ctx)
			var at time.Time
			o := now
			o.Workers = 2
			_, err := w.gc.Collect(ctx, o, func(p gc.Progress) {
				if p.Step == step {
					cancel()
					at = time.Now()
				}
			})
			cancel()
			if err != nil && (!errors.Is(err, context.Canceled) || time.Since(at) > 20*time.Second) {
				t.Errorf("cancelled in %s: %v after %v", step, err, time.Since(at))
			}
			w.true("cancelled in " + step)
		}
		w.exec(`UPDATE garbage_key SET delete_after = 0`)
		w.collect(now)
		w.clean("at last")
		w.must(w.whole(w.one, oci.Reference{Tag: "v1"}))
	})
}

func TestAnonymousHeadersWriteNothing(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	w.must(w.upload(w.ctx, w.one, layer("a")))
	w.exec(`UPDATE gc_review SET review_after = 0`)
	ctx := access.With(t.Context(), access.Caller{})
	if _, err := w.StatBlob(ctx, w.one, sum(layer("a")), false); err != nil {
		t.Error(err)
	}
	if _, r, err := w.OpenBlob(ctx, w.one, sum(layer("a"))); err != nil {
		t.Error(err)
	} else {
		r.Close()
	}
	if n := w.count(`SELECT review_after FROM gc_review`); n != 0 {
		t.Errorf("looked at after %d", n)
	}
	if _, err := w.StatBlob(ctx, w.one, sum(layer("b")), true); !errors.Is(err, registry.ErrBlobUnknown) {
		t.Error(err)
	}
}
