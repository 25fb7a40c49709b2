package app_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/intake"
)

// osvFolder is a folder in OSV's layout, with one record of each package.
func osvFolder(t *testing.T, packages ...string) string {
	t.Helper()
	folder := t.TempDir()
	writeOSV(t, folder, packages...)
	return folder
}

func writeOSV(t *testing.T, folder string, packages ...string) {
	t.Helper()
	var all []feedtest.Record
	for i, name := range packages {
		r := feedtest.Record{ID: fmt.Sprintf("GHSA-aaaa-bbbb-%04d", i), Modified: fmt.Sprintf("2026-01-02T03:04:0%dZ", i)}
		r.Text = fmt.Sprintf(`{"id":%q,"modified":%q,"aliases":["CVE-2026-%04d"],"affected":[{"package":{"ecosystem":"npm","name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`, r.ID, r.Modified, 1000+i, name)
		all = append(all, r)
	}
	feedtest.Write(t, folder, "npm", all...)
}

func from(source string, ecosystems ...string) func(*app.Config) {
	return func(c *app.Config) {
		c.Advisories = intake.Sources{Source: source, Ecosystems: ecosystems}
	}
}

// updated has the advisories brought up to date, and returns the log.
func updated(t *testing.T, s *apptest.Server, want string) (log string) {
	t.Helper()
	_, path := asked(t, s, 201, "POST", "/system/advisories/update", "")
	var text string
	eventually(t, "the end of the update", func() bool {
		text, _ = asked(t, s, 200, "GET", path, "")
		return strings.Contains(text, `"job_status":"Success"`) || strings.Contains(text, `"job_status":"Error"`) || want == "Scheduled" && strings.Contains(text, `"job_parameters":"{\"changed`)
	})
	eventually(t, "the log", func() bool { // which is kept after what it came to
		log, _ = asked(t, s, 200, "GET", path+"/log", "")
		return log != "" && (want != "Scheduled" || strings.Contains(log, "failed: "))
	})
	if want != "Scheduled" && !strings.Contains(text, `"job_status":"`+want+`"`) {
		t.Fatalf("%s, want %s: %s", text, want, log)
	}
	return log
}

func TestAdvisoriesComeFromAServerAndAFolder(t *testing.T) {
	t.Parallel()
	folder := osvFolder(t, "left", "right")
	site := httptest.NewServer(http.FileServer(http.Dir(folder)))
	t.Cleanup(site.Close)
	for name, source := range map[string]string{"server": site.URL, "folder": folder} {
		t.Run(name, func(t *testing.T) {
			s := apptest.Start(t, from(source, "npm", "Maven"))
			if text, _ := asked(t, s, 200, "GET", "/system/advisories/schedule", ""); !strings.Contains(text, `"type":"Custom"`) {
				t.Errorf("no schedule: %s", text)
			}
			log := updated(t, s, "Success")
			for _, part := range []string{"npm: up to date, 2 records changed", "Maven: it stays as it was", "there is a new generation", "0 reports came out otherwise"} {
				if !strings.Contains(log, part) {
					t.Errorf("%q is not in the log: %s", part, log)
				}
			}
			if log := updated(t, s, "Success"); !strings.Contains(log, "nothing is new") || strings.Contains(log, "came out otherwise") {
				t.Errorf("the second time: %s", log)
			}
			status, _ := asked(t, s, 200, "GET", "/system/advisories", "")
			if !strings.Contains(status, `"name":"npm","origin":"`+source+`","records":2`) || !strings.Contains(status, `"name":"Maven"`) {
				t.Error(status)
			}
			if text, _ := asked(t, s, 200, "GET", "/scanners", ""); !strings.Contains(text, `"name":"Berth"`) {
				t.Error(text)
			}
			text, _ := asked(t, s, 200, "GET", "/scanners/5a1c3f0e-7b7d-4f5e-9a86-2f6c1d0b9e42/metadata", "")
			if !strings.Contains(text, `"harbor.scanner-adapter/vulnerability-database-updated-at":"20`) {
				t.Error(text)
			}
		})
	}
}

func TestAScheduleThatWasRemovedStaysSo(t *testing.T) {
	t.Parallel()
	folder := osvFolder(t, "left")
	s := apptest.Start(t, from(folder, "npm"))
	asked(t, s, 200, "PUT", "/system/advisories/schedule", `{"schedule":{"type":"None"}}`)
	s.Stop()
	again := apptest.Start(t, from(folder, "npm"), func(c *app.Config) { c.Data = s.Config.Data; c.AdminPassword = s.Config.AdminPassword })
	if text, _ := asked(t, again, 200, "GET", "/system/advisories/schedule", ""); text != "" {
		t.Error(text)
	}
}

func TestAnUpdateThatReadsNothingFailsAndLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	folder := osvFolder(t, "left")
	s := apptest.Start(t, from(folder, "npm"))
	updated(t, s, "Success")
	if err := os.WriteFile(filepath.Join(folder, "npm", "all.zip"), []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "npm", "modified_id.csv"), []byte("2026-02-02T03:04:05Z,GHSA-none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if log := updated(t, s, "Scheduled"); !strings.Contains(log, "npm: it stays as it was") || !strings.Contains(log, "failed: ") {
		t.Error(log)
	}
	if text, _ := asked(t, s, 200, "GET", "/system/advisories", ""); !strings.Contains(text, `"records":1,`) || !strings.Contains(text, `"error":"`) {
		t.Error(text)
	}
}

func TestWhatTheCommandLineImportsReportsComeToKnow(t *testing.T) {
	t.Parallel()
	first := apptest.Start(t, from(osvFolder(t, "left", "right"), "npm"))
	updated(t, first, "Success")
	ctx := context.Background()
	var file bytes.Buffer
	use := func(s *apptest.Server, do func(*app.Tools) error) {
		t.Helper()
		tools, err := app.Open(ctx, s.Config)
		if err != nil {
			t.Fatal(err)
		}
		defer tools.Close()
		if err := do(tools); err != nil {
			t.Fatal(err)
		}
	}
	use(first, func(tools *app.Tools) error { return tools.ExportAdvisories(ctx, &file) })
	second := apptest.Start(t)
	use(second, func(tools *app.Tools) error {
		r, err := tools.ImportAdvisories(ctx, "file", &file, nil)
		if !r.New {
			t.Errorf("%+v", r)
		}
		return err
	})
	use(second, func(tools *app.Tools) error {
		st, err := tools.AdvisoryStatus(ctx)
		if len(st.Sources) != 1 || st.Sources[0].Records != 2 {
			t.Errorf("%+v", st)
		}
		return err
	})
	second.Stop()
	// The next start looks at once.
	again := apptest.Start(t, func(c *app.Config) { c.Data = second.Config.Data; c.AdminPassword = second.Config.AdminPassword })
	eventually(t, "reports looked at again", func() bool {
		text, _ := asked(t, again, 200, "GET", "/system/advisories/update", "")
		return strings.Contains(text, `"job_kind":"EVENT"`) && strings.Contains(text, `"job_status":"Success"`)
	})
}

func TestWhereAdvisoriesComeFromIsChecked(t *testing.T) {
	for key, sources := range map[string]intake.Sources{
		"advisories.source":     {Source: "ftp://example.org"},
		"advisories.source: ":   {Source: "oci:Library/app"},
		"advisories.publish":    {Publish: "app:latest"},
		"advisories.publish: ":  {Source: "oci:library/app", Publish: "library/app:latest"},
		"advisories.kev":        {KEV: "https://"},
		"advisories.epss":       {EPSS: "https://user@example.org/x"},
		"advisories.ecosystems": {Ecosystems: []string{"../x"}},
	} {
		if _, err := (app.Config{Advisories: sources}).Complete(); err == nil || !strings.HasPrefix(err.Error(), strings.TrimSuffix(key, ": ")+": ") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
