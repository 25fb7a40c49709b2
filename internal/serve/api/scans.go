package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/scan"
)

// scans answers for examinations of one artifact.
type scans struct {
	scans   *scan.Service
	resolve func(context.Context, access.Caller, where) (access.Project, error)
}

// accepted is the answer without a body of what is done later.
type accepted struct{}

func (*accepted) status() int { return http.StatusAccepted }

type scanBody struct {
	Type string `json:"scan_type" enum:"vulnerability,sbom" default:"vulnerability" doc:"what is looked for"`
}

type scanRequest struct {
	Type   string      `json:"scan_type" enum:"vulnerability,sbom" default:"vulnerability" doc:"what is looked for"`
	Format sbom.Format `json:"sbom_media_type,omitempty" enum:"application/spdx+json,application/vnd.cyclonedx+json" doc:"of an SBOM; missing: application/spdx+json"`
}

type startScan struct {
	InArtifact
	Body *scanRequest `nameHint:"ScanRequest"`
}

// kind is the kind of scan that is asked for, and the format of an SBOM.
func (in *startScan) kind() (scan.Kind, sbom.Format) {
	if in.Body == nil {
		return scan.Vulnerabilities, ""
	}
	return kindOf(in.Body.Type), in.Body.Format
}

func kindOf(scanType string) scan.Kind {
	if scanType == string(scan.SBOM) {
		return scan.SBOM
	}
	return scan.Vulnerabilities
}

type stopScan struct {
	InArtifact
	Body scanBody `nameHint:"ScanType"`
}

// onScan is the right to have an artifact looked into, whatever for.
func onScan[I any](s scans, action string, of func(*I) (*InArtifact, scan.Kind)) rule[I] {
	right := access.OfProject("scan", action).String() + "; for a list of what is installed, " + access.OfProject("sbom", action).String()
	return by(right, func(ctx context.Context, in *I) (need access.Need, at where, err error) {
		a, kind := of(in)
		at = where{a.Project, true}
		if p, err := s.resolve(ctx, access.From(ctx), at); err == nil { // or else it is refused
			a.project = p
		}
		if kind == scan.SBOM {
			return access.OfProject("sbom", action), at, nil
		}
		return access.OfProject("scan", action), at, nil
	})
}

func (in *startScan) wanted() (*InArtifact, scan.Kind) {
	kind, _ := in.kind()
	return &in.InArtifact, kind
}

func (in *stopScan) wanted() (*InArtifact, scan.Kind) { return &in.InArtifact, kindOf(in.Body.Type) }

func (s scans) start(ctx context.Context, in *startScan) (*accepted, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	kind, format := in.kind()
	return nil, s.scans.Start(ctx, repo, ref, kind, format)
}

func (s scans) stop(ctx context.Context, in *stopScan) (*accepted, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	return nil, s.scans.Stop(ctx, repo, ref, kindOf(in.Body.Type))
}

type getReportLog struct {
	InArtifact
	Report string `path:"report_id" maxLength:"64" doc:"of the overview of the artifact"`
}

func (s scans) log(ctx context.Context, in *getReportLog) (*text, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	log, err := s.scans.LogOf(ctx, repo, ref, in.Report)
	if err != nil {
		return nil, err
	}
	return &text{"text/plain; charset=utf-8", []byte(log)}, nil
}

// The forms of what is known of an artifact.
type (
	scanOverview map[string]scanSummary
	scanSummary  struct {
		Report   string                `json:"report_id"`
		Status   string                `json:"scan_status" doc:"Pending, Scheduled, Running, Success, Error or Stopped"`
		Severity string                `json:"severity,omitempty" doc:"the worst; None where there is none"`
		Duration int64                 `json:"duration" doc:"seconds"`
		Summary  *vulnerabilitySummary `json:"summary,omitempty" doc:"missing: none was looked for so far"`
		Start    moment                `json:"start_time"`
		End      moment                `json:"end_time"`
		Complete int                   `json:"complete_percent"`
		Scanner  scannerName           `json:"scanner"`
	}
	vulnerabilitySummary struct {
		Total    int64            `json:"total"`
		Fixable  int64            `json:"fixable"`
		Severity map[string]int64 `json:"summary" doc:"how many there are of each severity"`
	}
	sbomOverview struct {
		Start    moment      `json:"start_time"`
		End      moment      `json:"end_time"`
		Status   string      `json:"scan_status"`
		Digest   string      `json:"sbom_digest"`
		Report   string      `json:"report_id"`
		Duration int64       `json:"duration" doc:"seconds"`
		Scanner  scannerName `json:"scanner"`
	}
)

func asScanSummary(o scan.Overview) scanSummary {
	s := scanSummary{
		Report: o.Report, Status: string(o.Status), Duration: lasted(o), Start: moment(o.Started), End: moment(o.Ended), Complete: o.Complete, Scanner: scannerName(o.By),
	}
	if !o.Made.IsZero() {
		s.Severity = scan.SeverityName(o.Counts.Worst())
		s.Summary = &vulnerabilitySummary{o.Counts.Total(), o.Counts.Fixable, o.Counts.Named()}
	}
	return s
}

func asSBOMOverview(o scan.Overview) *sbomOverview {
	return &sbomOverview{
		Report: o.Report, Status: string(o.Status), Duration: lasted(o), Start: moment(o.Started), End: moment(o.Ended), Digest: string(o.SBOM), Scanner: scannerName(o.By),
	}
}

func lasted(o scan.Overview) int64 {
	if o.Started.IsZero() || o.Ended.Before(o.Started) {
		return 0
	}
	return int64(o.Ended.Sub(o.Started) / time.Second)
}

// reportType returns the media type in which a client is told of vulnerabilities:
// the first that it names, and the older one where it names none that there is.
func reportType(accept string) string {
	if strings.TrimSpace(accept) == "" {
		return finding.MediaTypeReport
	}
	for one := range strings.SplitSeq(accept, ",") {
		for _, known := range []string{finding.MediaTypeReport, finding.MediaTypeNativeReport} {
			if plainType := strings.ReplaceAll(known, " ", ""); strings.EqualFold(strings.ReplaceAll(one, " ", ""), plainType) {
				return known
			}
		}
	}
	return finding.MediaTypeNativeReport
}

// A report, as scanners have it.
type (
	vulnerabilityReport struct {
		Generated       moment              `json:"generated_at"`
		Scanner         scannerName         `json:"scanner"`
		Severity        string              `json:"severity"`
		Vulnerabilities []vulnerabilityBody `json:"vulnerabilities"`
	}
	vulnerabilityBody struct {
		ID          string         `json:"id"`
		Package     string         `json:"package"`
		Version     string         `json:"version"`
		Fixed       string         `json:"fix_version"`
		Severity    string         `json:"severity"`
		Status      string         `json:"status,omitempty"`
		Description string         `json:"description"`
		Links       []string       `json:"links"`
		Images      []string       `json:"artifact_digests"`
		Layers      []string       `json:"layer_digests,omitempty"`
		CVSS        cvssBody       `json:"preferred_cvss"`
		CWEs        []string       `json:"cwe_ids"`
		Vendor      map[string]any `json:"vendor_attributes"`
	}
	cvssBody struct {
		ScoreV3  *float64 `json:"score_v3"`
		ScoreV2  *float64 `json:"score_v2"`
		VectorV3 string   `json:"vector_v3"`
		VectorV2 string   `json:"vector_v2"`
	}
)

func asVulnerability(f scan.Finding) vulnerabilityBody {
	return vulnerabilityBody{
		ID: f.ID, Package: f.Package, Version: f.Version, Fixed: f.Fixed, Severity: f.Severity.String(), Status: string(f.Status), Description: f.Description,
		Links: orNone(f.Links), Images: texts(f.Images), Layers: texts(f.Layers), CVSS: cvssBody(f.CVSS), CWEs: orNone(f.CWEs), Vendor: f.Vendor,
	}
}

func orNone(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}

func texts[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, one := range all {
		out[i] = string(one)
	}
	return out
}

type getVulnerabilities struct {
	InArtifact
	Accept string `header:"X-Accept-Vulnerabilities" default:"application/vnd.security.vulnerability.report; version=1.1, application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0" doc:"media types of reports that the client understands"`
}

// vulnerabilities answers with an empty object where there is no report so far.
func (s scans) vulnerabilities(ctx context.Context, in *getVulnerabilities) (*shown, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	r, err := s.scans.Read(ctx, repo, ref)
	if err != nil {
		return nil, err
	}
	reports := map[string]vulnerabilityReport{}
	if r != nil {
		reports[reportType(in.Accept)] = vulnerabilityReport{
			Generated: moment(r.Made), Scanner: scannerName(r.By), Severity: scan.SeverityName(r.Counts.Worst()), Vulnerabilities: all(r.Findings, asVulnerability),
		}
	}
	body, err := json.Marshal(reports)
	if err != nil {
		return nil, err
	}
	return &shown{Type: "application/json; charset=utf-8", Trust: "nosniff", Policy: "default-src 'none'; sandbox", Body: body}, nil
}
