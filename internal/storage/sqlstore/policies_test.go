package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestWhatPullsAskIsReadFromIndexes holds that no pull, however much there is, walks
// through a table, or reads a manifest beside the one statement that is for it.
func TestWhatPullsAskIsReadFromIndexes(t *testing.T) {
	image, report := "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH r USING INDEX sqlite_autoindex_scan_report_2 (artifact_id=? AND scanner_id=? AND kind=?)"
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for name, c := range map[string]struct {
			q    string
			args []any
			is   []string
		}{
			"facts":    {factsOf, []any{1, 10}, []string{image, "artifact_reference_child (child_digest=? AND repository_id=?)", "artifact_accessory (repository_id=? AND accessory_of=?)"}},
			"manifest": {manifestOf, []any{1}, []string{"SEARCH artifact USING INTEGER PRIMARY KEY (rowid=?)"}},
			"reports":  {judgedOf, []any{1, 1, "s", 10}, []string{image, report, "SEARCH f USING PRIMARY KEY (parent_id=?)", "(repository_id=? AND digest=?)", "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)"}},
			"findings": {severeOf, []any{1, 1, 4000, 10}, []string{"SEARCH f USING PRIMARY KEY (report_id=? AND vulnerability_id>?)", "SEARCH v USING INTEGER PRIMARY KEY (rowid=?)"}},
			"scanner":  {scannerChosen, []any{1}, []string{"SEARCH scanner USING COVERING INDEX sqlite_autoindex_scanner_1 (id=?)"}},
		} {
			lines := indexPlan(t, d, c.q, c.args, false)
			if d.Dialect() == db.PostgreSQL {
				c.is = nil
			}
			for _, is := range c.is {
				if !strings.Contains(lines, is) {
					t.Errorf("%s: no %s:\n%s", name, is, lines)
				}
			}
			if walks := strings.Contains(strings.ReplaceAll(lines, "SCAN x\n", ""), "SCAN "); walks || strings.Contains(lines, "Seq Scan") {
				t.Errorf("%s walks through a table:\n%s", name, lines)
			}
			if name == "findings" && strings.Contains(lines, "TEMP B-TREE") {
				t.Errorf("%s are sorted:\n%s", name, lines)
			}
			if name != "manifest" && strings.Contains(c.q, "body") {
				t.Errorf("%s reads manifests: %s", name, c.q)
			}
		}
	})
}

func TestReportsAreJudgedByOneScanner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		s, ctx := NewScans(d), t.Context()
		keepReports(t, d, reported(images[0], "s", "CVE-1 zlib Critical 9.8", "CVE-2 curl Low 3.1", "CVE-3 curl High 7", "CVE-4 bash High 8"), reported(images[0], "other", "CVE-5 curl Low 3.1"))
		if _, err := s.Ask(ctx, images[0], "s", scan.SBOM, 7); err != nil {
			t.Fatal(err)
		}
		all, err := s.Judged(ctx, "s", images[0], 10)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		j := all[0]
		if j.ID != images[0] || j.Digest != oci.Sum(oci.SHA256, []byte("p/a")) || j.MediaType != oci.MediaTypeImageManifest || j.Body != nil || !j.Made || j.Status != "Success" {
			t.Errorf("%+v", j)
		}
		if want := (scan.Counts{Critical: 1, High: 2, Low: 1}); j.Counts != want {
			t.Errorf("%+v", j.Counts)
		}
		var found []string
		for after := int64(0); ; {
			some, err := s.Severe(ctx, j.Report, finding.High, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			for _, f := range some {
				if f.Vulnerability <= after || f.Harmless {
					t.Errorf("%+v behind %d", f, after)
				}
				found, after = append(found, fmt.Sprint(f.CVE, " ", f.Severity)), f.Vulnerability
			}
		}
		if got := strings.Join(found, ", "); got != "CVE-1 Critical, CVE-3 High, CVE-4 High" {
			t.Error(got)
		}
		for scanner, made := range map[string]bool{"other": true, "": false, "never heard of": false} {
			if all, err := s.Judged(ctx, scanner, images[0], 10); err != nil || len(all) != 1 || all[0].Made != made || (all[0].Report != 0) != made {
				t.Errorf("%q: %+v, %v", scanner, all, err)
			}
		}
		if _, err := s.Judged(ctx, "s", 1<<40, 10); !errors.Is(err, artifact.ErrUnknown) {
			t.Error(err)
		}
		if _, err := NewPolicies(d).Manifest(ctx, 1<<40); !errors.Is(err, artifact.ErrUnknown) {
			t.Error(err)
		}
		if body, err := NewPolicies(d).Manifest(ctx, images[0]); err != nil || string(body) != "{}" {
			t.Errorf("%s, %v", body, err)
		}
	})
}
