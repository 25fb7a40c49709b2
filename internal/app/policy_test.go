package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// noHigh are rules that refuse what is of High or worse, beside the project's own
// allowlist.
const noHigh = `{"prevent_vul":"true","severity":"high","reuse_sys_cve_allowlist":"false"}`

// wants checks that a pull is refused for a reason, or let through where that is
// empty.
func (g *gated) wants(id int64, d oci.Digest, reason string) {
	g.Helper()
	if why := g.ask(id, d); (why == "") != (reason == "") || !strings.Contains(why, reason) {
		g.Errorf("it is refused because %q, want %q", why, reason)
	}
}

// each runs a test with a policy on each database.
func each(t *testing.T, f func(g *gated)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *db.DB) { f(newGated(t, d)) })
}

// vex is what is kept of a vulnerability about which somebody has said a status.
func vex(status finding.Status) map[string]any {
	return map[string]any{"purls": []any{"pkg:apk/alpine/zlib@1"}, "vex": map[string]any{"author": "us", "status": string(status)}}
}

func TestSeverityIsJudgedByWhatIsNotAccepted(t *testing.T) {
	each(t, func(g *gated) {
		g.rules(noHigh)
		id, d := g.image("a")
		g.examined(id, 6, func(i int, v *finding.Vulnerability) {
			v.ID = [...]string{"CVE-1", "CVE-1", "GHSA-abcd-1", "CVE-3", "CVE-4", "CVE-5"}[i]
			v.Severity = [...]finding.Severity{finding.High, finding.High, finding.Critical, finding.Medium, finding.High, finding.Critical}[i]
			if i >= 4 {
				v.Vendor = vex([...]finding.Status{finding.NotAffected, finding.Fixed}[i-4])
			}
		})
		past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
		for _, c := range []struct {
			expires *time.Time
			ids     []string
			reason  string
		}{
			{nil, nil, "3 vulnerabilities of severity High or worse, the worst of them Critical"},
			{nil, []string{"CVE-9"}, "3 vulnerabilities of severity High or worse, the worst of them Critical"},
			{nil, []string{"CVE-3", "CVE-4"}, "3 vulnerabilities"},
			{nil, []string{"cve-1"}, "1 vulnerability of severity High or worse, the worst of them Critical"},
			{&future, []string{"ghsa-ABCD-1"}, "2 vulnerabilities of severity High or worse, the worst of them High"},
			{&future, []string{"CVE-1", "GHSA-abcd-1"}, ""},
			{&past, []string{"CVE-1", "GHSA-abcd-1"}, "3 vulnerabilities"},
			{nil, []string{"CVE-1", "GHSA-abcd-1"}, ""},
		} {
			g.accept(c.expires, c.ids...)
			g.wants(id, d, c.reason)
		}
	})
}

// TestWhatOnlyLooksLikeVEXCounts holds that a text about VEX is no statement.
func TestWhatOnlyLooksLikeVEXCounts(t *testing.T) {
	each(t, func(g *gated) {
		g.rules(noHigh)
		g.accept(nil, "CVE-9")
		for name, vendor := range map[string]map[string]any{
			"a text":           {"note": `"vex":{"status":"not_affected"}`},
			"below":            {"more": map[string]any{"vex": map[string]any{"status": "not_affected"}}},
			"affected":         vex(finding.Affected),
			"being looked at":  vex(finding.UnderInvestigation),
			"without a status": {"vex": map[string]any{}},
		} {
			id, d := g.image(name)
			g.examined(id, 1, func(_ int, v *finding.Vulnerability) { v.Severity = finding.High })
			// The counts stay those of a report of one that does harm.
			g.write(`UPDATE vulnerability SET details = ? WHERE id = (SELECT MAX(id) FROM vulnerability)`, `{"vendor":`+text(g, vendor)+`}`)
			g.wants(id, d, "1 vulnerability")
			g.write(`DELETE FROM finding`)
			g.write(`DELETE FROM vulnerability`)
		}
	})
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestImagesOfAnIndexAreJudgedTogether(t *testing.T) {
	each(t, func(g *gated) {
		g.rules(noHigh)
		good, _ := g.image("good")
		bad, _ := g.image("bad")
		late, _ := g.image("late")
		proof, _ := g.store(oci.MediaTypeImageManifest, `{"config":{},"layers":[{"mediaType":"application/vnd.in-toto+json"}]}`)
		index, d := g.index(good, bad, bad, proof)
		both, other := g.index(good, late)
		g.wants(index, d, "The image was not scanned")
		g.examined(good, 3, nil)
		g.wants(index, d, "The image was not scanned")
		g.examined(bad, 2, func(_ int, v *finding.Vulnerability) { v.Severity = finding.Critical })
		g.wants(index, d, "2 vulnerabilities")
		g.accept(nil, "CVE-2026-0")
		g.wants(index, d, "1 vulnerability")
		g.accept(nil, "CVE-2026-0", "CVE-2026-1")
		g.wants(index, d, "")
		g.wants(both, other, "The image was not scanned")
		g.write(`INSERT INTO scan_report (uuid, artifact_id, project_id, repository_id, scanner_id, kind) SELECT 'late', ?, 1, 1, id, 'vulnerability' FROM scan_scanner WHERE uuid = ?`, late, scanner.BuiltinID)
		g.wants(both, other, "The image was not scanned") // whatever was to scan it is gone
		g.write(`INSERT INTO execution (id, kind, caused_by, status, started, updated) VALUES (1, 'IMAGE_SCAN', 'MANUAL', 'Pending', 1, 1)`)
		g.write(`INSERT INTO task (id, execution_id, kind, status, at, args, created, updated) VALUES (1, 1, 'IMAGE_SCAN', 'Pending', 1, '{}', 1, 1)`)
		g.write(`UPDATE scan_report SET task_id = 1 WHERE uuid = 'late'`)
		g.wants(both, other, "The image is being scanned")
		g.rules(strings.Replace(noHigh, "{", `{"allow_unscanned":"true",`, 1))
		g.wants(both, other, "")
	})
}

// TestManifestsAreReadOnce changes bodies, which never happens, and holds that
// nobody minds.
func TestManifestsAreReadOnce(t *testing.T) {
	each(t, func(g *gated) {
		g.rules(noHigh)
		file, d := g.store(oci.MediaTypeImageManifest, `{"config":{},"layers":[{"mediaType":"text/plain"}]}`)
		image, other := g.image("a")
		signature, its := g.store(oci.MediaTypeImageManifest, `{"config":{},"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json"}]}`)
		g.write(`UPDATE artifact SET accessory_type = 'signature.cosign', accessory_of = ? WHERE id = ?`, other, signature)
		for _, body := range []string{"", `{"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar"}]}`, `{"layers":[{"mediaType":"text/plain"}]}`} {
			if body != "" {
				g.write(`UPDATE artifact SET body = ?`, []byte(body))
			}
			g.wants(file, d, "")
			g.wants(signature, its, "")
			g.wants(image, other, "The image was not scanned")
		}
		// What changes is asked for again.
		g.examined(image, 1, nil)
		g.wants(image, other, "")
		g.examined(image, 1, func(_ int, v *finding.Vulnerability) { v.Severity = finding.High })
		g.wants(image, other, "1 vulnerability")
		g.rules(`{"prevent_no_sbom":"true"}`)
		g.wants(file, d, "")
		g.wants(image, other, "The image has no SBOM")
		g.write(`UPDATE artifact SET accessory_type = 'sbom.harbor' WHERE id = ?`, signature)
		g.wants(image, other, "")
		g.write(`UPDATE artifact SET accessory_type = '', accessory_of = '' WHERE id = ?`, signature)
		g.wants(image, other, "The image has no SBOM")
	})
}

// many gives an image a report of n vulnerabilities of High, which have fifty ids.
func (g *gated) many(id int64, n int) {
	g.Helper()
	g.examined(id, 1, nil)
	g.write(`DELETE FROM finding WHERE report_id = (SELECT id FROM scan_report WHERE artifact_id = ?)`, id)
	const numbers = `WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
	g.write(`INSERT INTO vulnerability (hash, scanner_id, weight, cve, package, version, fixed, severity, score, status, used, description, details) ` +
		fmt.Sprintf(numbers, n) + `SELECT 'h' || CAST(i AS TEXT), 1, 4000, 'CVE-' || CAST(i % 50 AS TEXT), 'p' || CAST(i AS TEXT), '1', '', 4, -1, 'affected', 1, 'It is bad.', '{}' FROM n WHERE TRUE ON CONFLICT (hash) DO NOTHING`)
	g.write(`INSERT INTO finding (report_id, vulnerability_id, scanner_id, project_id, repository_id, weight)
		SELECT r.id, v.id, 1, 1, 1, v.weight FROM scan_report r CROSS JOIN vulnerability v WHERE r.artifact_id = ? AND v.severity = 4`, id)
	g.write(`UPDATE scan_report SET medium = 0, high = ? WHERE artifact_id = ?`, n, id)
}

// TestReportsOfAnySizeAreDecidedOn has 100,000 vulnerabilities in each of three
// images.
func TestReportsOfAnySizeAreDecidedOn(t *testing.T) {
	each(t, func(g *gated) {
		const n = 100_000
		for _, index := range []string{"finding_vulnerability", "finding_project", "finding_repository", "vulnerability_weight", "vulnerability_cve", "vulnerability_package"} {
			g.write(`DROP INDEX ` + index) // which pulls do not need, and take most of the time here
		}
		g.rules(noHigh)
		id, d := g.image("a")
		g.many(id, n)
		g.wants(id, d, "The image has 100000 vulnerabilities of severity High or worse, the worst of them High")
		var all []string
		for i := range 50 {
			all = append(all, fmt.Sprintf("CVE-%d", i))
		}
		g.accept(nil, all...)
		g.wants(id, d, "")
		g.accept(nil, all[2:]...)
		g.wants(id, d, "at least 1")
		g.accept(nil, "CVE-0")
		g.wants(id, d, "at least 1")
		g.write(`UPDATE vulnerability SET cve = 'CVE-x' WHERE id = (SELECT MAX(id) FROM vulnerability)`)
		g.accept(nil, all...)
		g.wants(id, d, "1 vulnerability of severity High or worse, the worst of them High")
		g.accept(nil, append(all, "CVE-X")...)
		g.wants(id, d, "")

		var images []int64
		for i := range scan.MostUnaccepted / n {
			image, _ := g.image(fmt.Sprint(i))
			g.many(image, n)
			images = append(images, image)
		}
		index, of := g.index(append(images, id)...)
		g.wants(index, of, fmt.Sprintf("more than %d vulnerabilities of severity High or worse, which is more than are held against the CVE allowlist", scan.MostUnaccepted))
	})
}
