package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app/apptest"
)

// TestPurgingTheAuditLog has an administrator do it, as clients do: ask for it,
// wait for its end, and read its log.
func TestPurgingTheAuditLog(t *testing.T) {
	s := apptest.Start(t)
	do := func(method, path, body string, want int) (string, http.Header) {
		t.Helper()
		resp := s.Do(method, "/api/v2.0"+path, "admin", s.Password, strings.NewReader(body))
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %s, want %d: %s, %v", method, path, resp.Status, want, text, err)
		}
		return string(text), resp.Header
	}
	do("POST", "/projects", `{"project_name":"x"}`, 201)
	_, header := do("POST", "/system/purgeaudit/schedule", `{"schedule":{"type":"Manual"},"parameters":{"audit_retention_hour":0,"include_event_types":"other","dry_run":false}}`, 201)
	path := strings.TrimPrefix(header.Get("Location"), "/api/v2.0")
	var history struct {
		Status     string `json:"job_status"`
		Parameters string `json:"job_parameters"`
	}
	for end := time.Now().Add(10 * time.Second); history.Status != "Success"; time.Sleep(10 * time.Millisecond) {
		text, _ := do("GET", path, "", 200)
		if err := json.Unmarshal([]byte(text), &history); err != nil || time.Now().After(end) {
			t.Fatalf("%s, %v", text, err)
		}
	}
	if !strings.Contains(history.Parameters, `"purged_audit_logs":`) || !strings.Contains(history.Parameters, `"audit_retention_hour":0`) {
		t.Errorf("parameters %s", history.Parameters)
	}
	if log, _ := do("GET", path+"/log", "", 200); !strings.Contains(log, "removed ") {
		t.Errorf("log %q", log)
	}
	if rows, _ := do("GET", "/auditlog-exts", "", 200); strings.Contains(rows, `"create"`) || !strings.Contains(rows, `"username":"harbor-jobservice"`) {
		t.Errorf("rows %s", rows)
	}
	if pools, _ := do("GET", "/jobservice/pools", "", 200); strings.Count(pools, `"worker_pool_id"`) != 1 {
		t.Errorf("pools %s", pools)
	}
}
