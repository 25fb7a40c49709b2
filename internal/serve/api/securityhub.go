package api

import (
	"context"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/serve/web"
)

// securityHub answers for what was found in all projects.
type securityHub struct{ hub *hub.Service }

type getSecuritySummary struct {
	Vulnerabilities bool `query:"with_dangerous_cve" default:"false" doc:"name the five worst"`
	Artifacts       bool `query:"with_dangerous_artifact" default:"false" doc:"name the five with the most of the worst"`
}

type securitySummary struct {
	Critical   int64               `json:"critical_cnt"`
	High       int64               `json:"high_cnt"`
	Medium     int64               `json:"medium_cnt"`
	Low        int64               `json:"low_cnt"`
	None       int64               `json:"none_cnt" doc:"negligible ones"`
	Unknown    int64               `json:"unknown_cnt"`
	Total      int64               `json:"total_vuls"`
	Scanned    int64               `json:"scanned_cnt" doc:"artifacts that were examined"`
	Artifacts  int64               `json:"total_artifact"`
	Fixable    int64               `json:"fixable_cnt"`
	WorstVulns []dangerousCVE      `json:"dangerous_cves,omitempty"`
	WorstArts  []dangerousArtifact `json:"dangerous_artifacts,omitempty"`
}

type dangerousCVE struct {
	ID          string  `json:"cve_id"`
	Severity    string  `json:"severity"`
	Score       float64 `json:"cvss_score_v3"`
	Description string  `json:"desc"`
	Package     string  `json:"package"`
	Version     string  `json:"version"`
}

type dangerousArtifact struct {
	ProjectID  int64  `json:"project_id"`
	Repository string `json:"repository_name"`
	Digest     string `json:"digest"`
	Critical   int64  `json:"critical_cnt"`
	High       int64  `json:"high_cnt"`
	Medium     int64  `json:"medium_cnt"`
}

type securitySummaryAnswer struct {
	Body securitySummary `nameHint:"SecuritySummary"`
}

func (s securityHub) summary(ctx context.Context, in *getSecuritySummary) (*securitySummaryAnswer, error) {
	found, err := s.hub.Summary(ctx, in.Vulnerabilities, in.Artifacts)
	if err != nil {
		return nil, err
	}
	return &securitySummaryAnswer{securitySummary{
		Critical: found.Critical, High: found.High, Medium: found.Medium, Low: found.Low, None: found.Negligible, Unknown: found.Unknown,
		Total: found.Total(), Scanned: found.Scanned, Artifacts: found.Artifacts, Fixable: found.Fixable,
		WorstVulns: each(found.WorstVulnerabilities, asDangerousCVE),
		WorstArts: each(found.WorstArtifacts, func(a hub.WorstArtifact) dangerousArtifact {
			return dangerousArtifact{a.ProjectID, a.Repository, string(a.Digest), a.Critical, a.High, a.Medium}
		}),
	}}, nil
}

func asDangerousCVE(v finding.Vulnerability) dangerousCVE {
	return dangerousCVE{v.ID, v.Severity.String(), scoreOf(v), v.Description, v.Package, v.Version}
}

func scoreOf(v finding.Vulnerability) float64 {
	if v.CVSS.ScoreV3 == nil {
		return 0
	}
	return *v.CVSS.ScoreV3
}

// tuned is how far is counted where a client asks not to count everything.
const tuned = 1000

type listVulnerabilities struct {
	Q    string `query:"q" doc:"conditions, separated by commas: cve_id, severity, status, package, repository_name, tag, digest and project_id are exact, cvss_score_v3=[min~max]"`
	Tune bool   `query:"tune_count" default:"false" doc:"count no more than 1000; if there are more, X-Total-Count is -1"`
	Tags bool   `query:"with_tag" default:"false"`
	Paging
}

type vulnerabilityItem struct {
	ProjectID   int64    `json:"project_id"`
	Repository  string   `json:"repository_name"`
	Digest      string   `json:"digest"`
	Tags        []string `json:"tags"`
	ID          string   `json:"cve_id"`
	Severity    string   `json:"severity"`
	Status      string   `json:"status"`
	Score       float64  `json:"cvss_v3_score"`
	Package     string   `json:"package"`
	Version     string   `json:"version"`
	Fixed       string   `json:"fixed_version"`
	Description string   `json:"desc"`
	Links       []string `json:"links"`
}

func (s securityHub) list(ctx context.Context, in *listVulnerabilities) (*list[vulnerabilityItem], error) {
	q, err := ask(Filtering{Q: in.Q}, in.Paging)
	if err != nil {
		return nil, err
	}
	what, err := hub.Parse(q)
	if err != nil {
		return nil, err
	}
	what.Tags = in.Tags
	if in.Tune {
		what.Most = tuned
	}
	found, total, err := s.hub.Search(ctx, what)
	if err != nil {
		return nil, err
	}
	if !in.Tune || total <= tuned {
		return page(in.Paging, found, total, asVulnerabilityItem), nil
	}
	out := &list[vulnerabilityItem]{Total: -1, Body: all(found, asVulnerabilityItem)}
	out.Link = web.Links(&in.url, max(total, int64(in.Page)*int64(in.Size)+1), in.Page, in.Size) // there may be more, as far as anybody knows
	return out, nil
}

func asVulnerabilityItem(h hub.Hit) vulnerabilityItem {
	return vulnerabilityItem{
		ProjectID: h.ProjectID, Repository: h.Repository, Digest: string(h.Digest), Tags: orNone(h.Tags), ID: h.ID, Severity: h.Severity.String(), Status: string(h.Status),
		Score: scoreOf(h.Vulnerability), Package: h.Package, Version: h.Version, Fixed: h.Fixed, Description: h.Description, Links: orNone(h.Links),
	}
}
