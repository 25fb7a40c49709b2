package scan

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/vex"
)

// What is kept of a report. Of more, the rest is cut; a report of more
// vulnerabilities is refused: it must not look better than it is.
const (
	MaxFindings = 50_000

	maxName        = 512      // bytes of an id, a package, a version
	maxDescription = 8 << 10  // bytes
	maxLinks       = 50       // of maxLink bytes each
	maxLink        = 1 << 10  // bytes
	maxCWEs        = 50       // of maxName bytes each
	maxVendor      = 16 << 10 // bytes, as JSON
	maxLayers      = 200
)

// resultOf makes a report what is kept of it. It returns ErrTooMany.
func resultOf(scanner string, r finding.Report) (Result, error) {
	out := Result{Scanner: scanner, Kind: Vulnerabilities, By: tidyScanner(r.Scanner)}
	if len(r.Vulnerabilities) > MaxFindings {
		return out, ErrTooMany.With("%d vulnerabilities, at most %d are kept", len(r.Vulnerabilities), MaxFindings)
	}
	seen := map[string]bool{}
	for _, v := range r.Vulnerabilities {
		f := Finding{Vulnerability: tidy(v)}
		if id := f.ID + "\x00" + f.Package + "\x00" + f.Version; f.ID == "" || seen[id] {
			continue
		} else {
			seen[id] = true
		}
		f.Key = keyOf(scanner, f.Vulnerability)
		out.Findings = append(out.Findings, f)
		out.Counts.add(f.Vulnerability)
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int { return strings.Compare(a.Key, b.Key) })
	out.Content = contentOf(out.Findings)
	return out, nil
}

func (c *Counts) add(v finding.Vulnerability) {
	if !vex.Counts(v) {
		return
	}
	*c.of(v.Severity)++
	if v.Fixed != "" {
		c.Fixable++
	}
}

// Weight orders vulnerabilities: by severity, and of one severity by score.
func Weight(v finding.Vulnerability) int64 {
	return int64(v.Severity)*1000 + max(Score(v), 0)
}

// Score is ten times that of CVSS 3, or -1 where there is none.
func Score(v finding.Vulnerability) int64 {
	if v.CVSS.ScoreV3 == nil {
		return -1
	}
	return int64(*v.CVSS.ScoreV3*10 + 0.5)
}

// keyOf returns the hash of what a scanner says, but for the layers, which differ
// from image to image.
func keyOf(scanner string, v finding.Vulnerability) string {
	v.Layers = nil
	text, err := json.Marshal(v) // objects in the order of their keys
	if err != nil {              // of what no JSON has; tidy has removed that
		text = []byte(v.ID + " " + v.Package + " " + v.Version)
	}
	sum := sha256.Sum256(append([]byte(scanner+"\n"), text...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// contentOf returns the hash of findings in the order of their keys.
func contentOf(all []Finding) string {
	h := sha256.New()
	for _, f := range all {
		h.Write([]byte(f.Key))
		for _, l := range f.Layers {
			h.Write([]byte(" " + string(l)))
		}
		h.Write([]byte("\n"))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// tidy cuts what is too long, and removes what the databases do not take.
func tidy(v finding.Vulnerability) finding.Vulnerability {
	v.ID, v.Package, v.Version, v.Fixed = clean(v.ID, maxName), clean(v.Package, maxName), clean(v.Version, maxName), clean(v.Fixed, maxName)
	v.Severity = min(v.Severity, finding.Critical)
	v.Status = finding.Status(clean(string(v.Status), maxName))
	if v.Status == "" {
		v.Status = finding.Affected
		if v.Fixed != "" {
			v.Status = finding.Fixed
		}
	}
	v.Description = clean(v.Description, maxDescription)
	v.Links = cleanAll(v.Links, maxLinks, maxLink)
	v.CWEs = cleanAll(v.CWEs, maxCWEs, maxName)
	v.CVSS.VectorV3, v.CVSS.VectorV2 = clean(v.CVSS.VectorV3, maxName), clean(v.CVSS.VectorV2, maxName)
	v.CVSS.ScoreV3, v.CVSS.ScoreV2 = score(v.CVSS.ScoreV3), score(v.CVSS.ScoreV2)
	v.Layers = slices.Clone(v.Layers[:min(len(v.Layers), maxLayers)])
	slices.Sort(v.Layers)
	if text, err := json.Marshal(v.Vendor); err != nil || len(text) > maxVendor || strings.Contains(string(text), `\u0000`) {
		v.Vendor = nil
	}
	return v
}

// score is nil for one that cannot be.
func score(s *float64) *float64 {
	if s == nil || !(*s >= 0 && *s <= 10) {
		return nil
	}
	return s
}

func clean(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
}

func cleanAll(all []string, most, length int) []string {
	var out []string
	for _, s := range all[:min(len(all), most)] {
		out = append(out, clean(s, length))
	}
	return out
}

func tidyScanner(s finding.Scanner) finding.Scanner {
	return finding.Scanner{Name: clean(s.Name, maxName), Vendor: clean(s.Vendor, maxName), Version: clean(s.Version, maxName)}
}

// maxNamed is how many tags of an artifact are told.
const maxNamed = 100

// fact is what happened to an artifact, of which a report tells.
func fact(s Subject, r Report) event.Scan {
	worst, found := r.Counts.Worst()
	f := event.Scan{
		Where: s.Where(), Digest: string(s.Digest), Tags: s.Tags[:min(len(s.Tags), maxNamed)], Type: string(r.Kind), Report: r.UUID,
		Status: string(r.Status), Scanner: event.Examiner(r.By), Started: r.Started, Ended: r.Ended, SBOM: string(r.SBOM),
	}
	if r.Kind == Vulnerabilities && r.Status == job.Succeeded {
		f.Total, f.Fixable, f.Severity = r.Counts.Total(), r.Counts.Fixable, SeverityName(worst, found)
		f.Severities = r.Counts.Named()
	}
	return f
}

// SeverityName is how clients know the worst severity of a report.
func SeverityName(worst finding.Severity, found bool) string {
	if !found {
		return "None"
	}
	return worst.String()
}

// Named returns how many there are of each severity of which there are any, by
// the names that clients know.
func (c Counts) Named() map[string]int64 {
	named := map[string]int64{}
	for s := finding.Unknown; s <= finding.Critical; s++ {
		if n := *c.of(s); n > 0 {
			named[s.String()] = n
		}
	}
	return named
}

// byWeight sorts findings, the worst first.
func byWeight(all []Finding) {
	slices.SortFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(Weight(b.Vulnerability), Weight(a.Vulnerability)), strings.Compare(a.ID, b.ID), strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version))
	})
}
