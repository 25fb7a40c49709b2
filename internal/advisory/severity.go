package advisory

import (
	"slices"
	"strings"

	v2 "github.com/pandatix/go-cvss/20"
	v30 "github.com/pandatix/go-cvss/30"
	v31 "github.com/pandatix/go-cvss/31"
	v4 "github.com/pandatix/go-cvss/40"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/osv"
)

// words are those of databases for how severe something is.
var words = map[string]finding.Severity{
	"unimportant": finding.Negligible, "negligible": finding.Negligible,
	"low":      finding.Low,
	"moderate": finding.Medium, "medium": finding.Medium,
	"important": finding.High, "high": finding.High,
	"critical": finding.Critical,
}

// word returns what a record says of the affected in a word, or Unknown: Debian's
// urgency, Ubuntu's priority, GitHub's severity, or how a summary of the family of
// Red Hat begins.
func word(r osv.Record, a osv.Affected) finding.Severity {
	if s, ok := words[strings.TrimRight(a.Specific.Urgency, "*")]; ok {
		return s
	}
	for _, s := range slices.Concat(a.Severity, r.Severity) {
		if w, ok := words[strings.ToLower(s.Score)]; ok && s.Type == "Ubuntu" {
			return w
		}
	}
	if s, ok := words[strings.ToLower(r.Specific.Severity)]; ok {
		return s
	}
	if begin, _, ok := strings.Cut(r.Summary, ":"); ok && slices.ContainsFunc(errata, func(e string) bool { return strings.HasPrefix(r.ID, e) }) {
		if s, ok := words[strings.ToLower(begin)]; ok {
			return s
		}
	}
	if osv.Malicious(r.ID) {
		return finding.Critical
	}
	return finding.Unknown
}

// judge fills in how severe a row is. A vendor's word comes first, the worst of
// several; then the scores of the row's own records, those that other records give
// the CVE, and last those of records that are about several.
func (r *row) judge(v osv.Version, hits []hit, known CVE) {
	var own, several []Score
	for _, h := range hits {
		s := Score{Advisory: h.ID, Severity: h.Severity}
		for _, a := range h.Affected {
			if a.Affects(v) {
				r.Severity = max(r.Severity, word(h.Record, a))
				s.Severity = slices.Concat(s.Severity, a.Severity)
			}
		}
		if len(h.cves) > 1 {
			several = append(several, s)
		} else {
			own = append(own, s)
		}
	}
	vendors := map[string]any{}
	rated := finding.Unknown
	for _, s := range slices.Concat(own, known.Scores, several) {
		c, rating := rate(s.Severity)
		if c == (finding.CVSS{}) {
			continue
		}
		if rated == finding.Unknown {
			rated = rating
		}
		r.prefer(c)
		if name := vendor(s.Advisory); vendors[name] == nil {
			vendors[name] = attributes(c)
		}
	}
	if r.Severity == finding.Unknown {
		r.Severity = rated
	}
	if len(vendors) > 0 {
		r.Vendor[CVSS] = vendors
	}
}

// prefer takes scores where there are none yet. Version 4 gives way to version 3,
// which others read.
func (r *row) prefer(c finding.CVSS) {
	if r.CVSS.ScoreV2 == nil {
		r.CVSS.ScoreV2, r.CVSS.VectorV2 = c.ScoreV2, c.VectorV2
	}
	if c.ScoreV3 != nil && (r.CVSS.ScoreV3 == nil || is4(r.CVSS.VectorV3) && !is4(c.VectorV3)) {
		r.CVSS.ScoreV3, r.CVSS.VectorV3 = c.ScoreV3, c.VectorV3
	}
}

func is4(vector string) bool { return strings.HasPrefix(vector, "CVSS:4") }

// vendor returns who gives an advisory, by its id. CVE records are NVD's.
func vendor(id string) string {
	name, _, _ := strings.Cut(id, "-")
	if name == "CVE" {
		return "nvd"
	}
	return strings.ToLower(name)
}

// attributes are scores as scanners tell them beside a finding.
func attributes(c finding.CVSS) map[string]any {
	all := map[string]any{}
	if c.ScoreV3 != nil {
		all["V3Score"], all["V3Vector"] = *c.ScoreV3, c.VectorV3
	}
	if c.ScoreV2 != nil {
		all["V2Score"], all["V2Vector"] = *c.ScoreV2, c.VectorV2
	}
	return all
}

// rate returns the scores of an advisory, and how severe that is: by version 3,
// else 4, else 2. Vectors that cannot be read count for nothing.
func rate(all []osv.Severity) (c finding.CVSS, s finding.Severity) {
	for _, v := range all {
		score, ok := scoreOf(v)
		switch {
		case !ok:
		case v.Type == "CVSS_V2":
			if c.ScoreV2 == nil {
				c.ScoreV2, c.VectorV2 = &score, v.Score
			}
		case c.ScoreV3 == nil, is4(c.VectorV3) && !is4(v.Score):
			c.ScoreV3, c.VectorV3 = &score, v.Score
		}
	}
	switch {
	case c.ScoreV3 != nil:
		s = rating(*c.ScoreV3)
	case c.ScoreV2 != nil:
		s = min(rating(*c.ScoreV2), finding.High) // version 2 knows nothing above
	}
	return c, s
}

// scoreOf returns the base score of a vector.
func scoreOf(s osv.Severity) (float64, bool) {
	switch vector := s.Score; {
	case s.Type == "CVSS_V2":
		if c, err := v2.ParseVector(vector); err == nil {
			return c.BaseScore(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		if c, err := v30.ParseVector(vector); err == nil {
			return c.BaseScore(), true
		}
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		if c, err := v31.ParseVector(vector); err == nil {
			return c.BaseScore(), true
		}
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		if c, err := v4.ParseVector(vector); err == nil {
			return c.Score(), true
		}
	}
	return 0, false
}

// rating is the qualitative scale of CVSS 3.1, section 5. What has no impact is
// negligible.
func rating(score float64) finding.Severity {
	switch {
	case score >= 9:
		return finding.Critical
	case score >= 7:
		return finding.High
	case score >= 4:
		return finding.Medium
	case score > 0:
		return finding.Low
	}
	return finding.Negligible
}
