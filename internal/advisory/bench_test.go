package advisory_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/inventory/inventorytest"
)

// BenchmarkMatch1000 matches a thousand inventories with a new generation: images of
// the facts, of which each has some packages in a version of its own.
func BenchmarkMatch1000(b *testing.B) {
	_, kept := imported(b, inventorytest.Folder(b))
	images := inventorytest.Inventories(b, inventorytest.Images(b))
	var all []inventory.Inventory
	for i := range 1000 {
		inv := images[[]string{"app", "debian12", "debian11", "app", "alma8"}[i%5]]
		inv.Packages = slices.Clone(inv.Packages)
		for n := range 5 {
			j := (i*7 + n*31) % len(inv.Packages)
			inv.Packages[j].SourceVersion += fmt.Sprintf(".%d", i)
		}
		all = append(all, inv)
	}
	rows := 0
	for b.Loop() {
		b.StopTimer()
		fresh, err := advisory.New(kept) // remembers nothing
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		rows = 0
		for _, inv := range all {
			f, err := fresh.Match(b.Context(), inv)
			if err != nil {
				b.Fatal(err)
			}
			rows += len(f.Rows)
		}
	}
	b.ReportMetric(float64(rows), "rows")
}

// BenchmarkImport takes all of the facts' advisories.
func BenchmarkImport(b *testing.B) {
	origin, err := feed.OpenFolder(filepath.Join(inventorytest.Folder(b), "osv"))
	if err != nil {
		b.Fatal(err)
	}
	defer origin.Close()
	peak := uint64(0)
	for b.Loop() {
		s, _ := newService(b)
		_, outcomes, err := s.Update(b.Context(), advisory.Feeds{Origin: origin, Ecosystems: []string{"AlmaLinux", "Alpine", "Debian", "Go", "Maven", "PyPI", "crates.io", "npm"}}, func(advisory.Progress) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		})
		if err != nil {
			b.Fatal(err)
		}
		records := 0
		for _, o := range outcomes {
			records += o.Changed
		}
		b.ReportMetric(float64(records), "records")
	}
	b.ReportMetric(float64(peak>>20), "MB-heap")
}
