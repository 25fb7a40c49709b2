package chart_test

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// listed is how many versions the index of the benchmark has, 100 of each chart.
const listed = 20_000

// BenchmarkIndex tells, in milliseconds, what an index of 20,000 versions takes
// to be written: when nothing is remembered (cold, and packed with gzip), when it
// has not changed, when only its name is asked for (known), and after a push
// (changed); and a push into that project beside one into an empty one.
func BenchmarkIndex(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			empty, full := newWorld(b, open(b)), newWorld(b, open(b))
			full.fill()
			took := map[string][]time.Duration{}
			measure := func(what string, f func() error) {
				began := time.Now()
				if err := f(); err != nil {
					b.Fatal(err)
				}
				took[what] = append(took[what], time.Since(began))
			}
			size := int64(0)
			for b.Loop() {
				s := full.service()
				write := func(to io.Writer) error {
					x, err := s.Index(b.Context(), full.project, unknown)
					if err == nil {
						size, err = x.WriteTo(to)
					}
					return err
				}
				measure("cold", func() error { return write(io.Discard) })
				measure("unchanged", func() error { return write(io.Discard) })
				measure("known", func() error {
					_, err := s.Index(b.Context(), full.project, func(string) bool { return true })
					return err
				})
				measure("packed", func() error {
					zip, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
					if err == nil {
						err = write(zip)
					}
					return err
				})
				version := fmt.Sprintf("9.0.%d", len(took["push"]))
				measure("push", func() error { return full.push(b.Context(), "app0", version, "one more") })
				measure("push-empty", func() error { return empty.push(b.Context(), "app0", version, "one more") })
				measure("changed", func() error { return write(io.Discard) })
			}
			for what, all := range took {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, what+"-ms")
			}
			b.ReportMetric(float64(size)/1e6, "MB")
		})
	}
}

func (w *world) fill() {
	w.Helper()
	const pushers = 16
	var all sync.WaitGroup
	for n := range pushers {
		all.Go(func() {
			for i := n; i < listed; i += pushers {
				err := w.push(w.Context(), fmt.Sprint("app", i%(listed/100)), fmt.Sprintf("1.%d.%d", i/(listed/100)%10, i/(listed/10)), "A chart that is as long as charts are, and says what it is for")
				if err != nil {
					w.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	err := w.db.Write(w.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`ANALYZE chart_version`) // as PostgreSQL does by itself within a minute
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}
