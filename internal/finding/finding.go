// Package finding has the words in which every scanner tells what is wrong with
// an artifact: vulnerabilities, how severe they are, and the report that holds
// them. How they are found, kept and sent is for others to know.
package finding

import (
	"time"

	"github.com/berth-registry/berth/internal/oci"
)

// Media types of reports.
const (
	// MediaTypeReport is a report's common form.
	MediaTypeReport = "application/vnd.security.vulnerability.report; version=1.1"
	// MediaTypeNativeReport is the same document under its older name.
	MediaTypeNativeReport = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"
)

// A Severity of a vulnerability. A higher one is worse.
type Severity uint8

// The severities. Unknown is the zero Severity.
const (
	Unknown Severity = iota
	Negligible
	Low
	Medium
	High
	Critical
)

var severities = [...]string{"Unknown", "Negligible", "Low", "Medium", "High", "Critical"}

// String returns its name, as clients know it.
func (s Severity) String() string { return severities[min(s, Critical)] }

// ParseSeverity returns the severity of a name, and whether there is one.
func ParseSeverity(name string) (Severity, bool) {
	for i, s := range severities {
		if s == name {
			return Severity(i), true
		}
	}
	return Unknown, false
}

// A Status says what is known of a vulnerability in a package.
type Status string

// The statuses.
const (
	Affected           Status = "affected"
	Fixed              Status = "fixed"        // a later version of the package is not affected
	NotAffected        Status = "not_affected" // somebody has looked, and says so
	UnderInvestigation Status = "under_investigation"
)

// A CVSS has the scores, from 0 to 10, and vectors of the Common Vulnerability
// Scoring System; nil and empty where there are none. V3 is of 3.0, 3.1 or 4.0.
type CVSS struct {
	ScoreV3  *float64
	ScoreV2  *float64
	VectorV3 string
	VectorV2 string
}

// A Vulnerability of one version of one package. A report has each at most once
// by ID, Package and Version.
type Vulnerability struct {
	ID          string // the CVE where there is one, otherwise the advisory's
	Package     string
	Version     string
	Fixed       string // the first version that is not affected; empty: none is known
	Severity    Severity
	Status      Status
	Description string
	Links       []string
	Layers      []oci.Digest // that brought the package
	CVSS        CVSS
	CWEs        []string       // "CWE-79"
	Vendor      map[string]any // what else there is to say, as JSON has it; nil: nothing
}

// A Scanner is what made a report.
type Scanner struct{ Name, Vendor, Version string }

// A Report is what a scanner says of one artifact.
type Report struct {
	Generated       time.Time
	Scanner         Scanner
	Vulnerabilities []Vulnerability // the worst first
}

// Severity returns the worst of all, and whether there is any.
func (r Report) Severity() (worst Severity, any bool) {
	for _, v := range r.Vulnerabilities {
		worst = max(worst, v.Severity)
	}
	return worst, len(r.Vulnerabilities) > 0
}
