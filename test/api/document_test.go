//go:build e2e

package api

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

// groups are the parts of Harbor's API that are here.
var groups = []string{
	"Ldap", "Retention", "SystemCVEAllowlist", "artifact", "auditlog", "configure", "gc", "health", "icon", "immutable", "jobservice", "label", "member", "permissions", "ping",
	"project", "projectMetadata", "purge", "quota", "registry", "replication", "repository", "robot", "scan", "scan data export", "scanAll", "scanner", "schedule", "search", "securityhub",
	"statistic", "systeminfo", "user", "usergroup", "webhook", "webhookjob",
}

// TestDocumentHoldsWhatHarborHas compares each path, parameter and field. The
// folder BERTH_TEST_FACTS has Harbor's and the program that compares them.
func TestDocumentHoldsWhatHarborHas(t *testing.T) {
	facts := os.Getenv("BERTH_TEST_FACTS")
	if facts == "" {
		t.Skip("not run: BERTH_TEST_FACTS names no folder with a description of Harbor's API")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := berth.Run(t, berth.Options{})
	args := []string{filepath.Join(facts, "wire", "coverage.py"), s.URL + "/api/v2.0/openapi.json", "--all"}
	for _, g := range groups {
		args = append(args, "--tag", g)
	}
	out, err := exec.CommandContext(ctx, "python3", args...).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: there are differences
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), " passed, ") {
		t.Fatalf("it compared nothing: %s", out)
	}
	for line := range strings.Lines(string(out)) {
		operation, difference, found := strings.Cut(strings.TrimSpace(line), ": ")
		if found && strings.Contains(operation, " /") { // and no count
			t.Errorf("%s: %s", operation, difference)
		}
	}
}
