//go:build e2e

package conformance

import (
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

const (
	project  = "conformance"
	user     = "conformance"
	password = "Every-option-on-1"
)

// everything switches on each API and each kind of data that the program knows.
// What it has on by default is named too, so that a default that changes does
// not go unnoticed.
var everything = []string{
	"OCI_VERSION=dev",
	"OCI_CACHE_AUTH=true",
	"OCI_API_PING=true",
	"OCI_API_PULL=true",
	"OCI_API_PUSH=true",
	"OCI_API_BLOBS_ATOMIC=true",
	"OCI_API_BLOBS_DELETE=true",
	"OCI_API_BLOBS_DIGEST_HEADER=true",
	"OCI_API_BLOBS_MOUNT_ANONYMOUS=true",
	"OCI_API_BLOBS_UPLOAD_CANCEL=true",
	"OCI_API_MANIFESTS_ATOMIC=true",
	"OCI_API_MANIFESTS_DELETE=true",
	"OCI_API_MANIFESTS_DIGEST_HEADER=true",
	"OCI_API_MANIFESTS_TAG_PARAM=true",
	"OCI_API_TAGS_ATOMIC=true",
	"OCI_API_TAGS_DELETE=true",
	"OCI_API_TAGS_LIST=true",
	"OCI_API_REFERRER=true",
	"OCI_DATA_IMAGE=true",
	"OCI_DATA_INDEX=true",
	"OCI_DATA_INDEX_LIST=true",
	"OCI_DATA_SPARSE=true",
	"OCI_DATA_ARTIFACT=true",
	"OCI_DATA_SUBJECT=true",
	"OCI_DATA_SUBJECT_MISSING=true",
	"OCI_DATA_ARTIFACT_LIST=true",
	"OCI_DATA_SUBJECT_LIST=true",
	"OCI_DATA_DATA_FIELD=true",
	"OCI_DATA_NONDISTRIBUTABLE=true",
	"OCI_DATA_CUSTOM_FIELDS=true",
	"OCI_DATA_NO_LAYERS=true",
	"OCI_DATA_EMPTY_BLOB=true",
	"OCI_DATA_SHA512=true",
}

// TestConformance runs the program as a user with rights in one project, and
// wants no test to fail and none to be left out.
func TestConformance(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tool, err := berth.Tool("conformance")
	if err != nil {
		t.Fatal(err)
	}
	// Images of which layers are missing are refused unless the server is told
	// to take them, and the program pushes such.
	s := berth.Run(t, berth.Options{Env: []string{"BERTH_ALLOW_MISSING_BLOBS=true"}})
	prepare(ctx, t, s)

	results := t.TempDir()
	cmd := exec.CommandContext(ctx, tool)
	cmd.Dir = results
	cmd.Env = append(os.Environ(), everything...)
	cmd.Env = append(cmd.Env,
		"OCI_REGISTRY="+s.Host, "OCI_TLS=disabled",
		"OCI_REPO1="+project+"/first", "OCI_REPO2="+project+"/second",
		"OCI_USERNAME="+user, "OCI_PASSWORD="+password,
		"OCI_RESULTS_DIR="+results,
	)
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the program ended with %v", err)
	}
	report := readReport(t, results)
	if report.Tests == 0 || report.Failures+report.Errors+report.Skipped+report.Disabled > 0 {
		t.Errorf("%d tests: %d failed, %d broken, %d skipped, %d disabled",
			report.Tests, report.Failures, report.Errors, report.Skipped, report.Disabled)
	}
	if t.Failed() {
		t.Logf("%s", output)
		keep(t, results)
		return
	}
	t.Logf("%d tests passed", report.Tests)
}

func prepare(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	admin := s.Admin()
	if err := admin.CreateProject(ctx, project, false); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateUser(ctx, user, password); err != nil {
		t.Fatal(err)
	}
	if err := admin.AddMember(ctx, project, user, berth.ProjectAdmin); err != nil {
		t.Fatal(err)
	}
}

// A report is what a JUnit file counts in its outermost element.
type report struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
	Disabled int `xml:"disabled,attr"`
}

func readReport(t *testing.T, dir string) report {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := xml.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// keep saves the report of a failed run from the end of the test's folder.
func keep(t *testing.T, dir string) {
	t.Helper()
	to, err := os.MkdirTemp("", "conformance-")
	if err == nil {
		err = os.CopyFS(to, os.DirFS(dir))
	}
	if err != nil {
		t.Error(err)
		return
	}
	t.Logf("the report is kept in %s", to)
}
