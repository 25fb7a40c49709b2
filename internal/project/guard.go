package project

import "github.com/berth-registry/berth/internal/finding"

// GuardRules say what may be pulled from a project. The zero value lets everything
// be pulled.
type GuardRules struct {
	Cosign    bool // a signature by cosign is needed, of somebody whom the project trusts
	Notation  bool // the same, of the Notary Project
	AnySigner bool // of whomever

	Threshold *finding.Severity // nothing so severe, or worse; nil: whatever was found
	Unscanned bool              // what nobody has examined so far may be pulled

	SBOM bool // a list of what it holds is needed

	Watch bool // nothing is refused: it is noted what would be
}

// Any reports whether there is a rule.
func (r GuardRules) Any() bool { return r.Cosign || r.Notation || r.Threshold != nil || r.SBOM }

// Guard reads the rules of a project out of its metadata.
func (p Project) Guard() GuardRules {
	is := func(key string) bool { return p.Metadata[key] == "true" }
	r := GuardRules{
		Cosign: is(metaCosign), Notation: is(metaNotation), AnySigner: is(metaAnySigner),
		Unscanned: is(metaUnscanned), SBOM: is(metaSBOM), Watch: is(metaWatch),
	}
	if is(metaPreventVulnerable) {
		least := severities[p.Metadata[metaSeverity]] // without one, whatever was found is too much
		r.Threshold = &least
	}
	return r
}

// severities are how metadata name them.
var severities = map[string]finding.Severity{
	"none": finding.Unknown, "unknown": finding.Unknown, "negligible": finding.Negligible,
	"low": finding.Low, "medium": finding.Medium, "high": finding.High, "critical": finding.Critical,
}
