//go:build e2e

package sign

import (
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/feed/feedtest"
)

// found waits until an image was scanned and has so many vulnerabilities.
func (d *desk) found(name string, want int) {
	d.t.Helper()
	type overview struct {
		Status  string `json:"scan_status"`
		Summary struct{ Total int }
	}
	for {
		var a struct {
			Scans map[string]overview `json:"scan_overview"`
		}
		if _, err := d.admin.Do(d.ctx, "GET", "/projects/"+project+"/repositories/"+name+"/artifacts/v1?with_scan_overview=true", nil, &a); err != nil {
			d.t.Fatal(err)
		}
		for _, one := range a.Scans {
			if one.Status == "Success" && one.Summary.Total == want {
				return
			}
		}
		select {
		case <-d.ctx.Done():
			d.t.Fatalf("%s never has %d vulnerabilities: %+v", name, want, a.Scans)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// TestVEXThatCosignAttestsCounts in the ways in which cosign keeps attestations.
func TestVEXThatCosignAttestsCounts(t *testing.T) {
	feed := t.TempDir()
	feedtest.Write(t, feed, "npm", feedtest.Record{ID: "GHSA-aaaa-bbbb-cccc", Modified: "2026-01-02T03:04:05Z", Text: `{"id":"GHSA-aaaa-bbbb-cccc","modified":"2026-01-02T03:04:05Z","aliases":["CVE-2026-0001"],
		"affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`})
	d := newDesk(t, "BERTH_ADVISORIES_SOURCE="+feed, "BERTH_ADVISORIES_ECOSYSTEMS=npm")
	if _, err := d.admin.Do(d.ctx, "POST", "/system/advisories/update", nil, nil); err != nil {
		t.Fatal(err)
	}
	for known := struct{ Generation int64 }{}; known.Generation == 0; time.Sleep(100 * time.Millisecond) {
		if _, err := d.admin.Do(d.ctx, "GET", "/system/advisories", nil, &known); err != nil {
			t.Fatal(err)
		}
	}
	d.run(nil, "cosign", "generate-key-pair")
	vex := d.write("vex.json", []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/vex/1","author":"us","timestamp":"2026-11-01T00:00:00Z","version":1,
		"statements":[{"vulnerability":{"name":"CVE-2026-0001"},"products":[{"@id":"pkg:npm/left@1.0.0"}],"status":"not_affected","justification":"vulnerable_code_not_in_execute_path"}]}`))
	for name, more := range map[string][]string{"by-tag": nil, "bundle": {"--new-bundle-format"}} {
		ref := d.imageWith(name, "app/node_modules/left/package.json", `{"name":"left","version":"1.0.0","description":"of `+name+`"}`)
		if _, err := d.admin.Do(d.ctx, "POST", "/projects/"+project+"/repositories/"+name+"/artifacts/v1/scan", nil, nil); err != nil {
			t.Fatal(err)
		}
		d.found(name, 1)
		args := append([]string{"attest", "--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", "--predicate", vex, "--type", "openvex"}, more...)
		d.run(nil, "cosign", append(args, ref)...)
		d.found(name, 0)
	}
}
