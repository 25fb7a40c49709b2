package app_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestScannersAreLookedAt by themselves, also after a restart, and are tried while
// nothing can be changed.
func TestScannersAreLookedAt(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		probe := adaptertest.Start(t, adaptertest.Script{})
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		body := `{"name":"probe","url":"` + probe.URL + `"}`
		_, path := asked(t, s, 201, "POST", "/scanners", body)
		configure(t, s, `{"read_only":true}`)
		asked(t, s, 200, "POST", "/scanners/ping", body)
		asked(t, s, 403, "PUT", path, body)
		configure(t, s, `{"read_only":false}`)
		asked(t, s, 200, "PUT", "/projects/library/scanner", `{"uuid":"`+path[strings.LastIndex(path, "/")+1:]+`"}`)

		probe.Become(adaptertest.Script{Header: "Authorization", Value: "Bearer x"})
		s.Stop()
		forgotten(t, url)
		s = apptest.Start(t, func(c *app.Config) { *c = s.Config })
		eventually(t, "that it is unhealthy", func() bool {
			text, _ := asked(t, s, 200, "GET", path, "")
			return strings.Contains(text, `"health":"unhealthy","health_message":"the scanner refuses it: who are you?"`)
		})
		if text, _ := asked(t, s, 200, "GET", "/projects/library/scanner", ""); !strings.Contains(text, `"name":"probe"`) || strings.Contains(text, "health_message") {
			t.Errorf("of the project: %s", text)
		}
		asked(t, s, 200, "DELETE", path, "")
		if text, _ := asked(t, s, 200, "GET", "/projects/library/scanner", ""); !strings.Contains(text, `"name":"Berth"`) {
			t.Errorf("of the project, once it is gone: %s", text)
		}
	})
}

// forgotten has what a stopped server knows of scanners be from long ago.
func forgotten(t *testing.T, url string) {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE scanner SET checked = 0`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestAScannerPullsFromHere has one get a manifest from the program, with a password and
// with a wrong one.
func TestAScannerPullsFromHere(t *testing.T) {
	s := apptest.Start(t)
	push(t, s, "library/app", "1")
	text, _ := asked(t, s, 200, "GET", "/projects/library/repositories/app/artifacts/1", "")
	var artifact struct {
		Digest    oci.Digest
		MediaType string `json:"manifest_media_type"`
	}
	if err := json.Unmarshal([]byte(text), &artifact); err != nil {
		t.Fatal(err)
	}
	asked(t, s, 200, "PUT", "/projects/library", `{"metadata":{"public":"false"}}`)
	probe := adaptertest.Start(t, adaptertest.Script{Pull: true})
	c, err := adapter.Open(outbound.ForSystem(), adapter.Settings{URL: probe.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The wrong one comes last: it keeps the right one out for a while.
	for _, tt := range []struct {
		password string
		want     error
	}{{s.Password, nil}, {"wrong", adapter.ErrFailed}} {
		password, want := tt.password, tt.want
		q := adapter.Request{
			Kind: adapter.Vulnerabilities, Report: finding.MediaTypeReport,
			Registry: adapter.Registry{URL: s.URL, Authorization: secret.New(adaptertest.Credential(apptest.Admin, password))},
			Artifact: adapter.Artifact{Repository: "library/app", Digest: artifact.Digest, MediaType: artifact.MediaType},
		}
		id, err := c.Scan(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Report(t.Context(), id, q); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		scans := probe.Scans()
		if manifest := scans[len(scans)-1].Manifest; (want == nil) != (len(manifest) > 0 && oci.Sum(oci.SHA256, manifest) == artifact.Digest) {
			t.Errorf("it has pulled %q", manifest)
		}
	}
}

// TestChangesOfAllowlistsAreRemembered in the audit log, of the system and of projects.
func TestChangesOfAllowlistsAreRemembered(t *testing.T) {
	s := apptest.Start(t)
	asked(t, s, 200, "PUT", "/system/CVEAllowlist", `{"items":[{"cve_id":"CVE-1"}]}`)
	asked(t, s, 200, "PUT", "/projects/library", `{"cve_allowlist":{"items":[{"cve_id":"CVE-2"}]}}`)
	eventually(t, "both changes in the audit log", func() bool {
		text, _ := asked(t, s, 200, "GET", "/auditlog-exts?page_size=100", "")
		return strings.Contains(text, "update configuration configuration: cve_allowlist") && strings.Contains(text, "update project library: cve_allowlist")
	})
}
