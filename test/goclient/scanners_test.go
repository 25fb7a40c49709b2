//go:build e2e

package goclient

import (
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/scanner"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/system_cve_allowlist"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"

	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/test/berth"
)

// TestScanners names a scanner, gives it to a project, and takes it away.
func TestScanners(t *testing.T) {
	s := berth.Run(t, berth.Options{})
	ctx, admin := t.Context(), as(t, s, "admin", berth.AdminPassword)
	probe := adaptertest.Start(t, adaptertest.Script{Header: "X-ScannerAdapter-API-Key", Value: "k3y"})
	fields := func(key string) []byte {
		return fmt.Appendf(nil, `{"name":"probe","url":%q,"auth":"X-ScannerAdapter-API-Key","access_credential":%q}`, probe.URL, key)
	}
	named := func(key string) *models.ScannerRegistrationReq {
		r := &models.ScannerRegistrationReq{}
		must(t, r.UnmarshalBinary(fields(key)))
		return r
	}
	trial := &models.ScannerRegistrationSettings{}
	must(t, trial.UnmarshalBinary(fields("k3y")))
	_, err := admin.Scanner.PingScanner(ctx, &scanner.PingScannerParams{Settings: trial})
	must(t, err)
	_, err = admin.Scanner.CreateScanner(ctx, &scanner.CreateScannerParams{Registration: named("wrong")})
	refused(t, 400, err)
	id := path.Base(got(admin.Scanner.CreateScanner(ctx, &scanner.CreateScannerParams{Registration: named("k3y")}))(t).Location)
	_, err = admin.Scanner.CreateScanner(ctx, &scanner.CreateScannerParams{Registration: named("k3y")})
	refused(t, 409, err)

	all := got(admin.Scanner.ListScanners(ctx, &scanner.ListScannersParams{}))(t)
	if all.XTotalCount != 2 || all.Payload[0].Name != "Berth" || !*all.Payload[0].IsDefault || all.Payload[1].UUID != id || *all.Payload[1].IsDefault || all.Payload[1].Vendor != "Acme" {
		t.Errorf("%d: %+v", all.XTotalCount, all.Payload)
	}
	metadata := got(admin.Scanner.GetScannerMetadata(ctx, &scanner.GetScannerMetadataParams{RegistrationID: id}))(t).Payload
	if metadata.Scanner.Name != "Probe" || len(metadata.Capabilities) != 2 {
		t.Errorf("%+v", metadata)
	}

	of := func() string {
		t.Helper()
		return got(admin.Project.GetScannerOfProject(ctx, &project.GetScannerOfProjectParams{ProjectNameOrID: "library"}))(t).Payload.Name
	}
	if name := of(); name != "Berth" {
		t.Errorf("the project has %s", name)
	}
	if found := got(admin.Project.ListScannerCandidatesOfProject(ctx, &project.ListScannerCandidatesOfProjectParams{ProjectNameOrID: "library"}))(t); len(found.Payload) != 2 {
		t.Errorf("%d candidates", len(found.Payload))
	}
	_, err = admin.Project.SetScannerOfProject(ctx, &project.SetScannerOfProjectParams{ProjectNameOrID: "library", Payload: &models.ProjectScanner{UUID: &id}})
	must(t, err)
	if name := of(); name != "probe" {
		t.Errorf("the project has %s", name)
	}
	_, err = admin.Scanner.SetScannerAsDefault(ctx, &scanner.SetScannerAsDefaultParams{RegistrationID: id, Payload: &models.IsDefault{IsDefault: true}})
	must(t, err)
	change := named("")
	change.Name, change.Disabled = p("renamed"), p(true)
	_, err = admin.Scanner.UpdateScanner(ctx, &scanner.UpdateScannerParams{RegistrationID: id, Registration: change})
	must(t, err)
	if r := got(admin.Scanner.GetScanner(ctx, &scanner.GetScannerParams{RegistrationID: id}))(t).Payload; r.Name != "renamed" || !*r.Disabled || !*r.IsDefault || r.Auth != "X-ScannerAdapter-API-Key" || r.AccessCredential != "" {
		t.Errorf("%+v", r)
	}
	_, err = admin.Scanner.DeleteScanner(ctx, &scanner.DeleteScannerParams{RegistrationID: all.Payload[0].UUID})
	refused(t, 403, err)
	if gone := got(admin.Scanner.DeleteScanner(ctx, &scanner.DeleteScannerParams{RegistrationID: id}))(t).Payload; gone.UUID != id {
		t.Errorf("%+v", gone)
	}
	if name := of(); name != "Berth" {
		t.Errorf("the project has %s", name)
	}
}

// TestAllowlists sets that of the system and that of a project.
func TestAllowlists(t *testing.T) {
	s := berth.Run(t, berth.Options{})
	ctx, admin := t.Context(), as(t, s, "admin", berth.AdminPassword)
	until := time.Now().Add(time.Hour).Unix()
	list := &models.CVEAllowlist{Items: []*models.CVEAllowlistItem{{CVEID: "CVE-2026-1"}}, ExpiresAt: &until}
	_, err := admin.SystemCVEAllowlist.PutSystemCVEAllowlist(ctx, &system_cve_allowlist.PutSystemCVEAllowlistParams{Allowlist: list})
	must(t, err)
	kept := got(admin.SystemCVEAllowlist.GetSystemCVEAllowlist(ctx, &system_cve_allowlist.GetSystemCVEAllowlistParams{}))(t).Payload
	if len(kept.Items) != 1 || kept.Items[0].CVEID != "CVE-2026-1" || *kept.ExpiresAt != until || kept.ProjectID != 0 {
		t.Errorf("%+v", kept)
	}
	_, err = admin.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{ProjectName: "team", CVEAllowlist: list, Metadata: &models.ProjectMetadata{ReuseSysCVEAllowlist: p("false")}}})
	must(t, err)
	get := func() *models.Project {
		t.Helper()
		return got(admin.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "team"}))(t).Payload
	}
	of := get()
	if of.CVEAllowlist.ProjectID != int64(of.ProjectID) || len(of.CVEAllowlist.Items) != 1 || *of.Metadata.ReuseSysCVEAllowlist != "false" {
		t.Errorf("%+v", of)
	}
	of.CVEAllowlist.Items = append(of.CVEAllowlist.Items, &models.CVEAllowlistItem{CVEID: "CVE-2026-2"})
	_, err = admin.Project.UpdateProject(ctx, &project.UpdateProjectParams{ProjectNameOrID: "team", Project: &models.ProjectReq{CVEAllowlist: of.CVEAllowlist}})
	must(t, err)
	if of := get(); len(of.CVEAllowlist.Items) != 2 {
		t.Errorf("%+v", of.CVEAllowlist)
	}
	of.CVEAllowlist.Items = append(of.CVEAllowlist.Items, &models.CVEAllowlistItem{CVEID: "CVE-2026-2"})
	_, err = admin.Project.UpdateProject(ctx, &project.UpdateProjectParams{ProjectNameOrID: "team", Project: &models.ProjectReq{CVEAllowlist: of.CVEAllowlist}})
	refused(t, 400, err)
}
