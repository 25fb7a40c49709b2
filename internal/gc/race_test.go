package gc_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// rounds is how often each race is run.
const rounds = 40

// together runs functions at once, and returns their errors.
func together(do ...func() error) []error {
	errs := make([]error, len(do))
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i, f := range do {
		all.Go(func() {
			<-begin
			errs[i] = f()
		})
	}
	close(begin)
	all.Wait()
	return errs
}

// collecting returns a function that collects with the given options.
func (w *world) collecting(o gc.Options) func() error {
	return func() error {
		_, err := w.gc.Collect(w.ctx, o, nil)
		return err
	}
}

// TestAManifestAndTheTrash pushes a manifest while its layer goes: either it is
// taken and whole, or refused.
func TestAManifestAndTheTrash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		taken := 0
		for i := range rounds {
			name := fmt.Sprint(i)
			body, blobs := image(name, name, "shared")
			for _, b := range blobs {
				w.must(w.upload(w.ctx, w.one, b))
			}
			if i%3 == 0 {
				w.collect(gc.Options{Delay: gc.None}) // into the trash
			}
			trash := gc.None
			if i%2 == 0 {
				trash = 0
			}
			errs := together(w.collecting(gc.Options{Delay: gc.None, Trash: trash}), func() error {
				time.Sleep(time.Duration(i%7) * 300 * time.Microsecond)
				return w.put(w.ctx, w.one, name, body)
			})
			w.must(errs[0])
			switch {
			case errs[1] == nil:
				taken++
				w.must(w.whole(w.one, oci.Reference{Tag: name}))
			case !errors.Is(errs[1], artifact.ErrBlobUnknown):
				t.Fatal(errs[1])
			case trash == 0:
				t.Error("it was refused although its layers could only be in the trash")
			}
			w.must(w.wholeTags(w.one))
			w.true("in the end")
		}
		if taken == 0 || taken == rounds {
			t.Logf("%d of %d were taken", taken, rounds)
		}
	})
}

// wholeTags checks all tags of a repository.
func (w *world) wholeTags(repo artifact.Repo) error {
	tags, err := w.artifacts.Tags(w.ctx, repo.Name, "", 10_000)
	if errors.Is(err, artifact.ErrRepositoryUnknown) {
		return nil
	}
	for _, tag := range tags {
		err = errors.Join(err, w.whole(repo, oci.Reference{Tag: tag}))
	}
	return err
}

// TestAMountAndAReview mounts a blob while its source is taken from it.
func TestAMountAndAReview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		mounted := 0
		for i := range rounds {
			name := fmt.Sprint(i)
			body, blobs := image(name, name)
			w.must(w.upload(w.ctx, w.two, blobs[0]))
			w.must(w.upload(w.ctx, w.one, blobs[1]))
			errs := together(w.collecting(now), func() error {
				time.Sleep(time.Duration(i%5) * 400 * time.Microsecond)
				return w.Mount(w.ctx, w.two, w.one.Name, sum(blobs[1]), func(string) bool { return true })
			})
			w.must(errs[0])
			if errs[1] != nil {
				if !errors.Is(errs[1], registry.ErrBlobUnknown) {
					t.Fatal(errs[1])
				}
				continue
			}
			mounted++
			for i := 0; i < 2; i++ { // the collection may have taken the target's, too
				err := w.put(w.ctx, w.two, name, body)
				if err == nil {
					break
				}
				if !errors.Is(err, artifact.ErrBlobUnknown) {
					t.Fatal(err)
				}
				w.must(w.upload(w.ctx, w.two, blobs[0]))
				w.must(w.upload(w.ctx, w.two, blobs[1]))
			}
			w.must(w.whole(w.two, oci.Reference{Tag: name}))
			w.true("in the end")
		}
		t.Logf("%d of %d were mounted", mounted, rounds)
		w.collect(now)
		w.must(w.wholeTags(w.two))
		w.clean("after a last collection")
	})
}

// TestTheSameContentComesWhileItGoes uploads what is being deleted.
func TestTheSameContentComesWhileItGoes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		for i := range rounds {
			w.must(w.upload(w.ctx, w.one, layer("a")))
			if i%2 == 0 {
				w.collect(gc.Options{Delay: gc.None})
			}
			// What comes now waits for its manifest, and only the old one goes.
			errs := together(w.collecting(gc.Options{Trash: gc.None}), w.collecting(gc.Options{Trash: gc.None}), func() error {
				time.Sleep(time.Duration(i%6) * 300 * time.Microsecond)
				return w.upload(w.ctx, w.one, layer("a"))
			}, func() error { return w.upload(w.ctx, beside(w.one, "b"), layer("a")) })
			w.must(errors.Join(errs...))
			w.must(w.readable(w.one, sum(layer("a"))))
			w.must(w.readable(beside(w.one, "b"), sum(layer("a"))))
			w.true("in the end")
			if n := len(w.files()); n != 1 {
				t.Fatalf("%d files", n)
			}
			w.collect(now)
			if n := len(w.files()); n != 0 {
				t.Fatalf("%d files after all", n)
			}
		}
	})
}

// TestTwoCollectorsShareTheWork counts each piece of work once.
func TestTwoCollectorsShareTheWork(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := open(t, d)
		const images = 120
		for i := range images {
			repo := beside(w.one, fmt.Sprint("r", i%7))
			w.push(repo, "", fmt.Sprint("i", i), fmt.Sprint(i))
		}
		w.push(w.two, "v1", "kept", "5")
		o := now
		o.DeleteUntagged, o.Workers = true, 3
		var results [2]gc.Result
		collect := func(i int) func() error {
			return func() (err error) {
				results[i], err = w.gc.Collect(w.ctx, o, nil)
				return err
			}
		}
		w.must(errors.Join(together(collect(0), collect(1))...))
		last := w.collect(o)
		sum := func(of func(gc.Result) int64) int64 { return of(results[0]) + of(results[1]) + of(last) }
		if n := sum(func(r gc.Result) int64 { return r.Manifests }); n != images {
			t.Errorf("%d manifests", n)
		}
		if n := sum(func(r gc.Result) int64 { return r.Blobs }); n != images-1 {
			t.Errorf("%d blobs", n)
		}
		if n := sum(func(r gc.Result) int64 { return r.Links }); n != images+7 {
			t.Errorf("%d links", n)
		}
		t.Logf("%d and %d blobs, and %d later", results[0].Blobs, results[1].Blobs, last.Blobs)
		w.must(w.wholeTags(w.two))
		w.clean("in the end")
	})
}
