package inventory_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/inventory/inventorytest"
)

// TestInventoriesOfKnownImages holds what is found in images against lists that two
// other programs agree on.
func TestInventoriesOfKnownImages(t *testing.T) {
	for name, inv := range inventorytest.Inventories(t, inventorytest.Images(t)) {
		t.Run(name, func(t *testing.T) {
			if len(inv.Problems) > 0 {
				t.Errorf("problems: %+v", inv.Problems)
			}
			if inv.Distribution.Ecosystem == "" || inv.Distribution.Unsupported != "" {
				t.Errorf("distribution: %+v", inv.Distribution)
			}
			var got, want []string
			for _, p := range inv.Packages {
				version := p.Version
				if p.Type == "rpm" { // the lists have the epoch in the package URL only
					version = version[strings.Index(version, ":")+1:]
				}
				got = append(got, row(p.PURL, p.Name, version, p.Path))
			}
			for _, fields := range inventorytest.Expected(t, name, "packages") {
				want = append(want, row(fields...))
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("packages (-expected +found):\n%s", diff)
			}
			for _, f := range inventorytest.Expected(t, name, "must-not-report") {
				for _, p := range inv.Packages {
					if p.Ecosystem == f[0] && p.Name == f[1] && p.Version == f[2] {
						t.Errorf("%s %s is found in %s of layer %s, but %s", p.Name, p.Version, p.Path, p.Layer, f[3])
					}
				}
			}
		})
	}
}

// row makes one of fields. Rows about Go's own version are the same for all versions.
func row(fields ...string) string {
	return goVersion.ReplaceAllString(strings.Join(fields, "\t"), "${1}VERSION")
}

var goVersion = regexp.MustCompile(`(pkg:golang/go@|\tgo\t)[0-9.]+`)
