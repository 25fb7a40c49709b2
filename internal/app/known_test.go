package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/inventory/inventorytest"
	"github.com/berth-registry/berth/internal/oci"
)

// A row is a vulnerability as the API shows it.
type row struct {
	ID, Package, Version, Severity string
	Fixed                          string `json:"fix_version"`
	Vendor                         struct {
		Advisories []string `json:"osv_ids"`
	} `json:"vendor_attributes"`
}

// report reads what was found in an artifact, and the log of that.
func (l lab) report(ref string) (rows []row, log string) {
	l.Helper()
	const kind = "application/vnd.security.vulnerability.report; version=1.1"
	text, _ := asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"/additions/vulnerabilities", "")
	var reports map[string]struct{ Vulnerabilities []row }
	if err := json.Unmarshal([]byte(text), &reports); err != nil {
		l.Fatal(err)
	}
	text, _ = asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"?with_scan_overview=true", "")
	var shown struct {
		Overview map[string]struct {
			ID string `json:"report_id"`
		} `json:"scan_overview"`
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		l.Fatal(err)
	}
	log, _ = asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"/scan/"+shown.Overview[kind].ID+"/log", "")
	return reports[kind].Vulnerabilities, log
}

// zipped packs a layer.
func zipped(t *testing.T, layer []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestScansFindWhatOthersFound has a server scan images, and holds what it shows of
// them against what two other programs found with the same advisories.
func TestScansFindWhatOthersFound(t *testing.T) {
	t.Parallel()
	images := inventorytest.Images(t)
	installed := inventorytest.Inventories(t, images)
	l := lab{apptest.Start(t), t}
	l.learn(filepath.Join(inventorytest.Folder(t), "osv"), "AlmaLinux", "Alpine", "Debian", "Go", "Maven", "PyPI", "crates.io", "npm")
	total := map[string]int{}
	names := []string{"alma8", "alpine311", "debian11", "debian12", "app"} // the last one is on the base of the one before
	for _, name := range names {
		var layers [][]byte
		for _, one := range images[name] {
			layers = append(layers, zipped(t, one))
		}
		l.layers(name, layers...)
		l.scan(name, "vulnerability")
		rows, log := l.report(name)
		for i, one := range layers {
			known := name == "app" && i == 0
			if was := strings.Contains(log, "layer "+string(oci.Sum(oci.SHA256, one))+": read "); was == known {
				t.Errorf("%s, layer %d: read is %t, known before is %t: %s", name, i, was, known, log)
			}
		}
		compareFindings(t, name, installed[name], rows)
		for _, v := range rows {
			total[v.Severity]++
			total["all"]++
			if v.Fixed != "" {
				total["fixable"]++
			}
		}
		t.Logf("%s: %d rows", name, len(rows))
	}
	l.scan("app", "vulnerability")
	if _, log := l.report("app"); strings.Contains(log, ": read ") || !strings.Contains(log, "changed: false") {
		t.Errorf("a layer is read although all is known: %s", log)
	}
	l.summarizes(total, len(names))
}

// compareFindings wants each advisory once for each source package and version that
// others name, in rows of one CVE, package and version each.
func compareFindings(t *testing.T, name string, inv inventory.Inventory, rows []row) {
	t.Helper()
	by := map[[2]string]inventory.Package{}
	for _, p := range inv.Packages {
		by[[2]string{p.Name, p.Version}] = p
	}
	got, want, once := map[string]bool{}, map[string]bool{}, map[[3]string]bool{}
	for _, v := range rows {
		if k := [3]string{v.ID, v.Package, v.Version}; once[k] {
			t.Errorf("%s: %s is there twice", name, k)
		} else {
			once[k] = true
		}
		p, ok := by[[2]string{v.Package, v.Version}]
		if !ok || len(v.Vendor.Advisories) == 0 {
			t.Errorf("%s: %+v is of no package, or by no advisory", name, v)
		}
		if p.Source == "stdlib" { // depends on what built it
			continue
		}
		for _, id := range v.Vendor.Advisories {
			got[strings.Join([]string{p.Ecosystem, p.Source, p.SourceVersion, id}, " ")] = true
		}
	}
	for _, fields := range inventorytest.Expected(t, name, "findings") {
		want[strings.Join(fields[:4], " ")] = true
	}
	if len(want) < 10 {
		t.Errorf("%s: only %d findings are expected", name, len(want))
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s (-expected +found):\n%s", name, diff)
	}
	for _, fields := range inventorytest.Expected(t, name, "must-not-report") {
		for _, v := range rows {
			if v.Package == fields[1] && v.Version == fields[2] {
				t.Errorf("%s of %s %s is reported, but %s", v.ID, v.Package, v.Version, fields[3])
			}
		}
	}
}

// summarizes wants the security hub to count what all reports have together.
func (l lab) summarizes(total map[string]int, artifacts int) {
	l.Helper()
	text, _ := asked(l.T, l.Server, 200, "GET", "/security/summary", "")
	got := map[string]int{}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		l.Fatal(err)
	}
	want := map[string]int{
		"critical_cnt": total["Critical"], "high_cnt": total["High"], "medium_cnt": total["Medium"], "low_cnt": total["Low"], "none_cnt": total["Negligible"],
		"unknown_cnt": total["Unknown"], "total_vuls": total["all"], "fixable_cnt": total["fixable"], "scanned_cnt": artifacts, "total_artifact": artifacts,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("summary (-of the reports +shown):\n%s", diff)
	}
}
