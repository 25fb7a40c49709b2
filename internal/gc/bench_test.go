package gc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const (
	benchBlobs     = 100_000
	benchGarbage   = 20_000 // of these
	benchPerImage  = 10     // blobs
	benchPerBatch  = 1000
	benchPullers   = 4
	benchBlobBytes = 512
	benchTurn      = time.Second
)

// BenchmarkCollect deletes 20,000 of 100,000 blobs, small files, in one
// repository, while others pull from it. The collection pauses again and again for
// as long as it went on, so that pulls with and without it are measured under the
// same conditions, whatever else the machine does.
func BenchmarkCollect(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		for _, workers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) { benchCollect(b, open(b), workers) })
		}
	}
}

func benchCollect(b *testing.B, d *db.DB, workers int) {
	w := open(b, d)
	for range b.N {
		b.StopTimer()
		w.fill()
		runtime.GC()
		var start, m runtime.MemStats
		runtime.ReadMemStats(&start)
		peak := start.HeapAlloc
		p := w.pull(b)
		time.Sleep(benchTurn)
		b.StartTimer()
		took := p.during(func(turn func()) {
			o := now
			o.Workers = workers
			r, err := w.gc.Collect(w.ctx, o, func(gc.Progress) {
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
				turn()
			})
			if err != nil || r.Blobs != benchGarbage {
				b.Errorf("%+v, %v", r, err)
			}
		})
		b.StopTimer()
		p.stop()
		b.ReportMetric(float64(benchGarbage)/took.Minutes(), "blobs/min")
		b.ReportMetric(float64(peak-start.HeapAlloc)/(1<<20), "MiB-heap-more")
		var p99 [2]float64
		for i, what := range []string{"without", "during"} {
			times := p.times[i]
			slices.Sort(times)
			ms := func(share float64) float64 {
				return float64(times[int(float64(len(times))*share)].Microseconds()) / 1000
			}
			p99[i] = ms(.99)
			b.ReportMetric(ms(.5), "ms-median-"+what)
			b.ReportMetric(p99[i], "ms-p99-"+what)
			b.ReportMetric(float64(len(times)), "pulls-"+what)
		}
		b.ReportMetric(p99[1]/p99[0], "p99-ratio")
		b.ReportMetric(0, "ns/op")
	}
}

// A puller has clients that pull at a steady pace, and keeps how long each pull
// took: without a collection, and during one.
type puller struct {
	stop       func()
	collecting atomic.Int32 // 1 while something is collected

	mu    sync.Mutex
	times [2][]time.Duration
}

// pull begins to pull, each time a manifest by its tag, and one of its layers.
func (w *world) pull(b *testing.B) *puller {
	ctx, cancel := context.WithCancel(w.ctx)
	var pulling sync.WaitGroup
	p := &puller{stop: func() { cancel(); pulling.Wait() }}
	for n := range benchPullers {
		pulling.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for ctx.Err() == nil {
				i := random.IntN((benchBlobs - benchGarbage) / benchPerImage)
				during, began := p.collecting.Load(), time.Now()
				err := w.pullOne(i)
				took := time.Since(began)
				if err != nil {
					b.Error(err)
					return
				}
				if during == p.collecting.Load() {
					p.mu.Lock()
					p.times[during] = append(p.times[during], took)
					p.mu.Unlock()
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return p
}

// during lets do collect, which calls turn often. It returns how long that took
// without the pauses.
func (p *puller) during(do func(turn func())) (took time.Duration) {
	began := time.Now()
	p.collecting.Store(1)
	do(func() {
		went := time.Since(began)
		if went < benchTurn {
			return
		}
		p.collecting.Store(0)
		time.Sleep(went)
		p.collecting.Store(1)
		took, began = took+went, time.Now()
	})
	p.collecting.Store(0)
	return took + time.Since(began)
}

func (w *world) pullOne(i int) error {
	_, _, err := w.artifacts.Find(w.ctx, w.one.Name, oci.Reference{Tag: fmt.Sprint("t", i)}, true)
	if err != nil {
		return err
	}
	_, r, err := w.OpenBlob(w.ctx, w.one, sum(layer(fmt.Sprint(i*benchPerImage+3))))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

// fill makes blobs with their files: the first of them are in images, and the
// last ones wait for a review.
func (w *world) fill() {
	w.t.Helper()
	for _, q := range []string{"artifact", "gc_review", "unlinked_blob", "repository", "blob"} {
		w.exec(`DELETE FROM ` + q)
	}
	w.exec(`INSERT INTO repository (id, project_id, name, created, updated) VALUES (1, ?, ?, 0, 0)`, w.one.ProjectID, w.one.Name)
	content := make([]byte, benchBlobBytes)
	for first := 0; first < benchBlobs; first += benchPerBatch {
		var blobs, links, reviews, needs []any
		for i := first; i < first+benchPerBatch; i++ {
			d := sum(layer(fmt.Sprint(i)))
			key := "sha256/" + d.Hex()[:2] + "/" + d.Hex() + fmt.Sprint("-b", i)
			path := filepath.Join(w.root, key)
			w.must(os.MkdirAll(filepath.Dir(path), 0o700))
			w.must(os.WriteFile(path, content, 0o600))
			blobs, links = append(blobs, d, benchBlobBytes, key, 0), append(links, 1, d, 0)
			if i >= benchBlobs-benchGarbage {
				reviews = append(reviews, "link", 1, d, i, "deleted")
			} else {
				needs = append(needs, i/benchPerImage+1, d, 1, benchBlobBytes)
			}
		}
		w.must(w.db.Write(w.ctx, func(tx *db.Tx) error {
			err := errors.Join(rows(tx, `blob (digest, size, storage_key, created)`, 4, blobs),
				rows(tx, `repository_blob (repository_id, digest, created)`, 3, links),
				rows(tx, `gc_review (kind, repository_id, digest, review_after, reason)`, 5, reviews))
			if err != nil || len(needs) == 0 {
				return err
			}
			return w.images(tx, first/benchPerImage, needs)
		}))
	}
	if w.db.Dialect() == db.PostgreSQL {
		w.exec(`ANALYZE`)
	}
}

func (w *world) images(tx *db.Tx, first int, needs []any) error {
	var artifacts, tags []any
	for i := first; i < first+benchPerBatch/benchPerImage; i++ {
		artifacts = append(artifacts, i+1, w.one.ProjectID, 1, sum(fmt.Append(nil, "image", i)), imageType, 5000, 1000, 0, make([]byte, 1000))
		tags = append(tags, 1, fmt.Sprint("t", i), i+1, 0)
	}
	return errors.Join(rows(tx, `artifact (id, project_id, repository_id, digest, media_type, size, manifest_size, pushed, body)`, 9, artifacts),
		rows(tx, `tag (repository_id, name, artifact_id, pushed)`, 4, tags),
		rows(tx, `artifact_blob (artifact_id, digest, repository_id, size)`, 4, needs))
}

// rows inserts rows of the given width.
func rows(tx *db.Tx, into string, width int, args []any) error {
	row := "(" + db.In(width) + ")"
	for some := range slices.Chunk(args, 100*width) {
		if _, err := tx.Exec(`INSERT INTO `+into+` VALUES `+row+strings.Repeat(", "+row, len(some)/width-1), some...); err != nil {
			return err
		}
	}
	return nil
}
