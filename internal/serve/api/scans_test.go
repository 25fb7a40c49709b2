package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// An inspector is a scanner of the images of a world: it finds in each layer what
// the layer's text says, as a package, and the same thing in all of them.
type inspector struct {
	content  *registry.Service
	there    bool
	disabled bool

	cyclonedx bool // it makes such SBOMs, too
}

func (s *inspector) Of(context.Context, int64) (scan.Registration, error) {
	if !s.there {
		return scan.Registration{}, scan.ErrNoScanner
	}
	return scan.Registration{UUID: "i-1", Scanner: finding.Scanner{Name: "Inspector", Vendor: "Tests", Version: "2"}, Disabled: s.disabled, Vulnerabilities: true, SBOM: true, CycloneDX: s.cyclonedx}, nil
}

func (s *inspector) Default(ctx context.Context) (scan.Registration, error) { return s.Of(ctx, 0) }

func (s *inspector) Open(context.Context, scan.Registration) (scan.Scanner, error) { return s, nil }

func (s *inspector) texts(ctx context.Context, subject scan.Subject) (all []string, err error) {
	m, err := oci.ParseManifest(subject.MediaType, subject.Body)
	if err != nil {
		return nil, err
	}
	for _, layer := range m.Blobs[1:] {
		_, r, err := s.content.OpenBlob(ctx, subject.Repo, layer.Digest)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		_, err = b.ReadFrom(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		all = append(all, b.String())
	}
	return all, nil
}

func (s *inspector) Scan(ctx context.Context, subject scan.Subject, log scan.Log) (r finding.Report, err error) {
	all, err := s.texts(ctx, subject)
	log("%d layers", len(all))
	r.Scanner = finding.Scanner{Name: "Inspector", Vendor: "Tests", Version: "2"}
	score := 9.8
	for _, text := range all {
		r.Vulnerabilities = append(r.Vulnerabilities,
			finding.Vulnerability{ID: "CVE-2026-0001", Package: "everywhere", Version: "1", Fixed: "2", Severity: finding.Critical, Status: finding.Fixed, CVSS: finding.CVSS{ScoreV3: &score}, CWEs: []string{"CWE-1"}, Vendor: map[string]any{"CVSS": map[string]any{"nvd": map[string]any{"V3Score": 9.8}}}},
			finding.Vulnerability{ID: "CVE-2026-0002", Package: text, Version: "=1", Severity: finding.Low, Description: "in " + text, Links: []string{"https://example.org"}})
	}
	return r, err
}

func (s *inspector) Again(context.Context, scan.Subject, scan.Log) (finding.Report, bool, error) {
	return finding.Report{}, false, nil
}

func (s *inspector) Generation(context.Context) (int64, error) { return 0, nil }

func (s *inspector) SBOM(ctx context.Context, subject scan.Subject, _ sbom.Format, _ scan.Log) ([]byte, error) {
	all, err := s.texts(ctx, subject)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"spdxVersion": "SPDX-2.3", "packages": all})
}

func (s *inspector) SBOMAgain(ctx context.Context, subject scan.Subject, f sbom.Format, made time.Time) ([]byte, bool, error) {
	all, err := s.texts(ctx, subject)
	return fmt.Appendf(nil, `{"format":%q,"year":%d,"layers":%d}`, f, made.Year(), len(all)), err == nil, err
}

// work does what waits, as another node of the same database, until nothing does.
func (w *world) work() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	q, err := queue.Open(w.t.Context(), "sqlite:", log)
	if err != nil {
		w.t.Fatal(err)
	}
	do := job.Work{Run: func(ctx context.Context, r *job.Run) error {
		return w.scans.Do(access.With(ctx, access.Caller{Kind: access.Server, Name: "worker"}), r)
	}}
	works := map[job.Kind]job.Work{job.ImageScan: do, job.SBOM: do, job.ScanAll: do, job.ScanExport: {Run: w.exports.Do}}
	rows := sqlstore.NewJobs(w.db)
	node := job.New(job.Config{Store: rows, Schedules: rows, Logs: rows, Queue: q, Works: works, Log: log, Node: "worker", Host: "host"})
	if err := node.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(node.Close(w.t.Context()), q.Close()); err != nil {
			w.t.Error(err)
		}
	}()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if err := node.Tick(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		var open int
		if err := w.db.QueryRow(w.t.Context(), `SELECT count(*) FROM task WHERE ended = 0 AND kind NOT IN ('WEBHOOK', 'SLACK')`).Scan(&open); err != nil {
			w.t.Fatal(err)
		}
		if open == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%d tasks are not over", open)
		}
	}
}

const appOfAlpha = "/projects/alpha/repositories/app/artifacts/1"

func TestAScanFromItsStartToItsReport(t *testing.T) {
	w := newWorld(t)
	w.want(412, "mia", "POST "+appOfAlpha+"/scan")
	anInspector(w)
	links := w.want(200, "lim", "GET "+appOfAlpha).Body.String()
	digest := w.digest("alpha")
	for _, part := range []string{
		`"vulnerabilities":{"href":"/api/v2.0/projects/alpha/repositories/app/artifacts/` + digest + `/additions/vulnerabilities"`,
		`"sboms":{"href":"/api/v2.0/projects/alpha/repositories/app/artifacts//additions/sbom"`,
	} {
		if !strings.Contains(links, part) {
			t.Errorf("no %s in %s", part, links)
		}
	}
	bodyIs("{}")(t, w, w.want(200, "lim", "GET "+appOfAlpha+"/additions/vulnerabilities"))
	w.want(202, "mia", "POST "+appOfAlpha+"/scan\n\n"+`{"scan_type":"vulnerability"}`)
	w.want(409, "mia", "POST "+appOfAlpha+"/scan")
	w.work()

	a := into[artifactBodyRead](t, w.want(200, "lim", "GET "+appOfAlpha+"?with_scan_overview=true"))
	o, ok := a.Scan[finding.MediaTypeReport]
	if !ok || len(a.Scan) != 1 || o.Status != "Success" || o.Severity != "Critical" || o.Summary.Total != 2 || o.Summary.Fixable != 1 || o.Summary.Summary["Low"] != 1 || o.Complete != 100 || o.Scanner.Version != "2" {
		t.Errorf("%+v", a.Scan)
	}
	all := into[[]artifactBodyRead](t, w.want(200, "lim", "GET /projects/alpha/repositories/app/artifacts?with_scan_overview=true\nX-Accept-Vulnerabilities: application/x, "+finding.MediaTypeNativeReport))
	if len(all) != 1 || all[0].Scan[finding.MediaTypeNativeReport].Report != o.Report {
		t.Errorf("%+v", all)
	}
	if plain := w.want(200, "lim", "GET "+appOfAlpha).Body.String(); strings.Contains(plain, "scan_overview") {
		t.Errorf("an overview that nobody asked for: %s", plain)
	}
	report := w.want(200, "lim", "GET "+appOfAlpha+"/additions/vulnerabilities")
	bodyHas(`{"application/vnd.security.vulnerability.report; version=1.1":{"generated_at":"2`, `"severity":"Critical","vulnerabilities":[{"id":"CVE-2026-0001","package":"everywhere","version":"1","fix_version":"2","severity":"Critical","status":"fixed"`,
		`"preferred_cvss":{"score_v3":9.8,"score_v2":null`, `"artifact_digests":["`+digest+`"]`, `"vendor_attributes":{"CVSS":{"nvd":{"V3Score":9.8}}}`)(t, w, report)
	bodyHas("1 layers", "2 vulnerabilities")(t, w, w.want(200, "lim", "GET "+appOfAlpha+"/scan/"+o.Report+"/log"))
	w.want(404, "root", "GET /projects/alpha/repositories/lib%252Fbase/artifacts/1/scan/"+o.Report+"/log")

	w.want(202, "mia", "POST "+appOfAlpha+"/scan/stop\n\n"+`{"scan_type":"vulnerability"}`) // it is over: nothing happens
	w.want(400, "mia", "POST "+appOfAlpha+"/scan/stop\n\n"+`{"scan_type":"sbom"}`)
	w.inspector.disabled = true
	w.want(412, "mia", "POST "+appOfAlpha+"/scan")
}

// artifactBodyRead is what these tests read of an artifact.
type artifactBodyRead struct {
	Scan map[string]struct {
		Report   string `json:"report_id"`
		Status   string `json:"scan_status"`
		Severity string
		Complete int `json:"complete_percent"`
		Summary  struct {
			Total, Fixable int
			Summary        map[string]int
		}
		Scanner struct{ Version string }
	} `json:"scan_overview"`
	SBOM struct {
		Status string `json:"scan_status"`
		Digest string `json:"sbom_digest"`
	} `json:"sbom_overview"`
	Additions map[string]struct{ Href string } `json:"addition_links"`
}

func TestAListOfWhatIsInstalledIsAnAccessory(t *testing.T) {
	w := newWorld(t)
	anInspector(w)
	w.want(403, "dev", "POST "+appOfAlpha+"/scan\n\n"+`{"scan_type":"sbom"}`)
	w.want(202, "mia", "POST "+appOfAlpha+"/scan\n\n"+`{"scan_type":"sbom"}`)
	w.work()
	a := into[artifactBodyRead](t, w.want(200, "lim", "GET "+appOfAlpha+"?with_sbom_overview=true"))
	if a.SBOM.Status != "Success" || !strings.HasPrefix(a.SBOM.Digest, "sha256:") || !strings.HasSuffix(a.Additions["sboms"].Href, a.SBOM.Digest+"/additions/sbom") {
		t.Fatalf("%+v", a)
	}
	bodyHas(`"spdxVersion":"SPDX-2.3"`, "a layer with alpha app")(t, w, w.want(200, "lim", "GET "+a.Additions["sboms"].Href))
	bodyHas(`"type":"sbom.harbor"`, a.SBOM.Digest)(t, w, w.want(200, "lim", "GET "+appOfAlpha+"/accessories"))
	bodyHas(`"type":"SBOM"`)(t, w, w.want(200, "lim", "GET /projects/alpha/repositories/app/artifacts/"+a.SBOM.Digest))
	w.want(400, "mia", "POST /projects/alpha/repositories/app/artifacts/"+a.SBOM.Digest+"/scan")
	w.want(404, "lim", "GET /projects/alpha/repositories/app/artifacts/"+a.SBOM.Digest+"/additions/vulnerabilities")
}

func TestTheFormatOfAnSBOMIsChosenByWhoAsks(t *testing.T) {
	w := newWorld(t)
	anInspector(w)
	const cyclonedx = "POST " + appOfAlpha + "/scan\n\n" + `{"scan_type":"sbom","sbom_media_type":"application/vnd.cyclonedx+json"}`
	bodyHas("Inspector makes no SBOM of type application/vnd.cyclonedx+json")(t, w, w.want(400, "mia", cyclonedx))
	w.inspector.cyclonedx = true
	w.want(422, "mia", "POST "+appOfAlpha+"/scan\n\n"+`{"scan_type":"sbom","sbom_media_type":"text/spdx"}`)
	w.want(422, "mia", "POST "+appOfAlpha+"/scan\n\n"+`{"scan_type":"bill"}`)
	w.want(403, "dev", cyclonedx)
	w.want(202, "mia", cyclonedx)
	w.work()
	a := into[artifactBodyRead](t, w.want(200, "lim", "GET "+appOfAlpha+"?with_sbom_overview=true"))
	bodyHas(`"media_type":"application/vnd.cyclonedx+json"`)(t, w, w.want(200, "lim", "GET "+strings.TrimSuffix(a.Additions["sboms"].Href, "sbom")+"layers"))
	for accept, want := range map[string]struct{ mediaType, body string }{
		"*/*":                                    {"application/vnd.goharbor.harbor.sbom.v1", `{"packages":["a layer with alpha app"]`},
		"application/json":                       {"application/vnd.goharbor.harbor.sbom.v1", `{"packages":["a layer with alpha app"]`},
		"application/vnd.cyclonedx+json, */*":    {"application/vnd.cyclonedx+json", `{"packages":["a layer with alpha app"]`},
		"text/html, Application/SPDX+json;q=0.9": {"application/spdx+json", fmt.Sprintf(`{"format":"application/spdx+json","year":%d,"layers":1}`, time.Now().UTC().Year())},
	} {
		answer := w.want(200, "lim", "GET "+a.Additions["sboms"].Href+"\nAccept: "+accept)
		if got := answer.Header().Get("Content-Type"); got != want.mediaType || !strings.HasPrefix(answer.Body.String(), want.body) {
			t.Errorf("%s: %s, %s", accept, got, answer.Body)
		}
	}
	w.want(406, "lim", "GET "+a.Additions["sboms"].Href+"\nAccept: text/html")
}

func TestAllIsScannedNowOrByASchedule(t *testing.T) {
	w := newWorld(t)
	const path = "/system/scanAll/schedule"
	set := func(method string, status int, schedule string) {
		t.Helper()
		w.want(status, "root", method+" "+path+"\n\n"+`{"schedule":`+schedule+`}`)
	}
	set("POST", 412, `{"type":"Manual"}`)
	w.want(412, "root", "GET /scans/all/metrics")
	w.want(400, "root", "POST /system/scanAll/stop")
	anInspector(w)
	bodyHas(`"total":0`, `"metrics":{}`, `"ongoing":false`)(t, w, w.want(200, "root", "GET /scans/all/metrics"))
	set("POST", 201, `{"type":"None"}`)
	set("PUT", 400, `{"type":"Manual"}`)
	set("POST", 400, `{"type":"Custom","cron":"often"}`)
	set("POST", 400, `null`)
	set("POST", 201, `{"type":"Daily"}`)
	set("POST", 412, `{"type":"Weekly"}`)
	set("PUT", 200, `{"type":"Weekly"}`)
	bodyHas(`"type":"Weekly","cron":"0 0 0 * * 0"`)(t, w, w.want(200, "root", "GET "+path))
	set("PUT", 200, `{"type":"None"}`)
	bodyIs("")(t, w, w.want(200, "root", "GET "+path))
	set("POST", 201, `{"type":"Manual"}`)
	set("POST", 409, `{"type":"Manual"}`)
	w.work()
	bodyHas(`"total":6,"completed":6`, `"Success":6`, `"ongoing":false,"trigger":"Manual"`)(t, w, w.want(200, "root", "GET /scans/all/metrics"))
	bodyHas(`"total":0`)(t, w, w.want(200, "root", "GET /scans/schedule/metrics"))
}

func TestAnOverviewOfManyArtifactsIsReadAtOnce(t *testing.T) {
	w := newWorld(t)
	anInspector(w)
	for i := range 20 {
		if _, err := pushImage(w.t.Context(), w.content, artifact.Repo{ProjectID: 1, Name: "alpha/app"}, fmt.Sprint("t", i), fmt.Sprint("image ", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.want(201, "root", "POST /system/scanAll/schedule\n\n"+`{"schedule":{"type":"Manual"}}`)
	w.work()
	all := into[[]artifactBodyRead](t, w.want(200, "lim", "GET /projects/alpha/repositories/app/artifacts?page_size=100&with_scan_overview=true"))
	if len(all) != 21 {
		t.Fatalf("%d artifacts", len(all))
	}
	for _, a := range all {
		if a.Scan[finding.MediaTypeReport].Summary.Total != 2 {
			t.Errorf("%+v", a)
		}
	}
}

func TestFindingsAreExportedOnce(t *testing.T) {
	w := newWorld(t)
	aReport(w)
	const order = "POST /export/cve\nX-Scan-Data-Type: application/vnd.security.vulnerability.report; version=1.1\n\n"
	w.want(422, "dev", "POST /export/cve\n\n"+`{"projects":[1]}`)
	w.want(400, "dev", strings.Replace(order, "1.1", "1.0", 1)+`{"projects":[1]}`)
	w.want(400, "dev", order+`{"projects":[1,2]}`)
	w.want(400, "dev", order+`{"projects":[1],"cveIds":"CVE-1, CVE-2"}`)
	w.want(403, "dev", order+`{"projects":[2]}`)
	export := func(filters, want string) {
		t.Helper()
		id := into[struct{ ID int64 }](t, w.want(200, "dev", order+`{"projects":[1]`+filters+`}`)).ID
		path := fmt.Sprint("/export/cve/download/", id)
		w.want(404, "dev", "GET "+path)
		w.work()
		w.want(403, "mia", "GET "+path)
		bodyHas(`"status":"Success"`, `"user_name":"dev"`, `"file_present":true`)(t, w, w.want(200, "dev", fmt.Sprint("GET /export/cve/execution/", id)))
		a := w.want(200, "dev", "GET "+path)
		if got := a.Body.String(); !strings.HasPrefix(got, "Repository,Artifact Digest,CVE,Package,Current Version,Fixed in version,Severity,CWE Ids,Additional Data,Scanner\n") || strings.TrimPrefix(got[strings.Index(got, "\n"):], "\n") != want {
			t.Errorf("%s: %s", filters, got)
		}
		if a.Header().Get("Content-Disposition") != fmt.Sprintf("attachment; filename=scandata_export_%d.csv", id) || !strings.HasPrefix(a.Header().Get("Content-Type"), "text/csv") {
			t.Errorf("%v", a.Header())
		}
		w.want(404, "dev", "GET "+path)
		w.want(404, "dev", fmt.Sprint("GET /export/cve/execution/", id))
	}
	digest := w.digest("alpha")
	first := "alpha/app," + digest + ",CVE-2026-0001,everywhere,1,2,Critical,CWE-1,\"{\"\"CVSS\"\":{\"\"nvd\"\":{\"\"V3Score\"\":9.8}}}\",Inspector 2\n"
	second := "alpha/app," + digest + ",CVE-2026-0002,a layer with alpha app,'=1,,Low,,,Inspector 2\n"
	export(`,"cveIds":"CVE-2026-0001"`, first)
	export(`,"cveIds":"CVE-2026-0002,CVE-0"`, second)
	export(`,"repositories":"app","tags":"1"`, first+second)
	export(`,"repositories":"lib/**"`, "")
	export(`,"tags":"v*"`, "")
	export(`,"labels":[7]`, "")
	bodyIs(`{"items":[]}`+"\n")(t, w, w.want(200, "dev", "GET /export/cve/executions"))
}
