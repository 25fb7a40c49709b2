package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
)

// TestPurgingTheAuditLog has an administrator do it, as clients do: ask for it,
// wait for its end, and read its log.
func TestPurgingTheAuditLog(t *testing.T) {
	s := apptest.Start(t)
	asked(t, s, 201, "POST", "/projects", `{"project_name":"x"}`)
	eventually(t, "what is to be purged", func() bool {
		rows, _ := asked(t, s, 200, "GET", "/auditlog-exts?q=resource%3Dx", "")
		return strings.Contains(rows, `"create"`)
	})
	_, path := asked(t, s, 201, "POST", "/system/purgeaudit/schedule", `{"schedule":{"type":"Manual"},"parameters":{"audit_retention_hour":0,"include_event_types":"other","dry_run":false}}`)
	var history struct {
		Status     string `json:"job_status"`
		Parameters string `json:"job_parameters"`
	}
	eventually(t, "the end of the purge", func() bool {
		text, _ := asked(t, s, 200, "GET", path, "")
		return json.Unmarshal([]byte(text), &history) == nil && history.Status == "Success"
	})
	if !strings.Contains(history.Parameters, `"purged_audit_logs":`) || !strings.Contains(history.Parameters, `"audit_retention_hour":0`) {
		t.Errorf("parameters %s", history.Parameters)
	}
	if log, _ := asked(t, s, 200, "GET", path+"/log", ""); !strings.Contains(log, "removed ") {
		t.Errorf("log %q", log)
	}
	if rows, _ := asked(t, s, 200, "GET", "/auditlog-exts", ""); strings.Contains(rows, `"create"`) || !strings.Contains(rows, `"username":"harbor-jobservice"`) {
		t.Errorf("rows %s", rows)
	}
	if pools, _ := asked(t, s, 200, "GET", "/jobservice/pools", ""); strings.Count(pools, `"worker_pool_id"`) != 1 {
		t.Errorf("pools %s", pools)
	}
}
