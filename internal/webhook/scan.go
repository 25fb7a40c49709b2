package webhook

import (
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
)

// What is told of a scan, in the form in which the API shows it.
type (
	scanData struct {
		Type string `json:"scan_type"`
	}
	scanOverview struct {
		Report   string         `json:"report_id"`
		Status   string         `json:"scan_status"`
		Severity string         `json:"severity,omitempty"`
		Duration int64          `json:"duration"` // seconds
		Summary  *scanSummary   `json:"summary,omitempty"`
		Start    time.Time      `json:"start_time"`
		End      time.Time      `json:"end_time"`
		Complete int            `json:"complete_percent"`
		Scanner  event.Examiner `json:"scanner"`
	}
	scanSummary struct {
		Total      int64            `json:"total"`
		Fixable    int64            `json:"fixable"`
		Severities map[string]int64 `json:"summary"`
	}
	sbomOverview struct {
		Report   string         `json:"report_id"`
		Status   string         `json:"scan_status"`
		Digest   string         `json:"sbom_digest,omitempty"`
		Duration int64          `json:"duration"` // seconds
		Start    time.Time      `json:"start_time"`
		End      time.Time      `json:"end_time"`
		Scanner  event.Examiner `json:"scanner"`
	}
)

// ofSBOM is the type of a scan for a list of what is installed.
const ofSBOM = "sbom"

// scanned makes it the news of a scan.
func (n *news) scanned(t Topic, f event.Scan) {
	n.topic, n.where, n.digest, n.tags, n.scan = t, f.Where, f.Digest, f.Tags, &f
}

// show adds what a scan has found, if it is the news of one.
func (r *resource) show(f *event.Scan) {
	if f == nil {
		return
	}
	took := int64(max(f.Ended.Sub(f.Started), 0) / time.Second)
	if f.Type == ofSBOM {
		r.SBOM = &sbomOverview{f.Report, f.Status, f.SBOM, took, f.Started, f.Ended, f.Scanner}
		return
	}
	o := scanOverview{Report: f.Report, Status: f.Status, Severity: f.Severity, Duration: took, Start: f.Started, End: f.Ended, Complete: 100, Scanner: f.Scanner}
	if f.Severity != "" {
		o.Summary = &scanSummary{f.Total, f.Fixable, f.Severities}
		if o.Summary.Severities == nil {
			o.Summary.Severities = map[string]int64{}
		}
	}
	r.Scan = map[string]scanOverview{finding.MediaTypeReport: o}
}
