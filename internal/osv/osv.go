// Package osv reads advisories in the format of OSV (schema version 1.7), and
// judges whether they are about a version of a package. It promises that a record
// it has parsed is bounded, holds no more than judging and showing it needs, and
// that its ranges can be judged. Where records come from, and what is told of
// them, is for others.
package osv

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrInvalid is returned for what is no record.
var ErrInvalid = fault.New(fault.Invalid, "BAD_REQUEST", "invalid advisory")

// What a record may have.
const (
	MaxRecord = 16 << 20 // bytes, as it is published

	maxAffected   = 20_000
	maxEvents     = 50_000  // of all ranges
	maxVersions   = 200_000 // of all packages
	maxNames      = 5_000   // aliases and the like
	maxSeverities = 64
	maxCWEs       = 64
	maxID         = 128 // bytes
	maxName       = 512
	maxEcosystem  = 128
	maxVersion    = 256
	maxLinks      = 32
	maxLink       = 2 << 10
	maxSummary    = 1 << 10
	maxDetails    = 4 << 10 // the rest is cut off
	maxVector     = 512
)

// A Record is an advisory.
type Record struct {
	ID        string    `json:"id"`
	Modified  time.Time `json:"modified,omitzero"`
	Withdrawn time.Time `json:"withdrawn,omitzero"` // zero: it holds

	Aliases  []string `json:"aliases,omitempty"`  // the same vulnerability elsewhere
	Upstream []string `json:"upstream,omitempty"` // the vulnerabilities that it is about
	Related  []string `json:"related,omitempty"`  // others; of errata, those that they mend

	Summary    string      `json:"summary,omitempty"`
	Details    string      `json:"details,omitempty"`
	Severity   []Severity  `json:"severity,omitempty"`
	Affected   []Affected  `json:"affected,omitempty"`
	References []Reference `json:"references,omitempty"` // to other advisories, by http or https
	Specific   Specific    `json:"database_specific,omitzero"`
}

// A Severity is a vector, or another statement of how severe something is.
type Severity struct {
	Type  string `json:"type"` // CVSS_V2, CVSS_V3, CVSS_V4, Ubuntu
	Score string `json:"score"`
}

// A Reference leads to more about it.
type Reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

// Specific is what single databases say besides.
type Specific struct {
	Severity string   `json:"severity,omitempty"` // LOW, MODERATE, HIGH, CRITICAL
	CWEs     []string `json:"cwe_ids,omitempty"`
}

// An Affected says which versions of a package are.
type Affected struct {
	Package  Package          `json:"package,omitzero"`
	Ranges   []Range          `json:"ranges,omitempty"`   // none are of GIT
	Versions []string         `json:"versions,omitempty"` // only where there are no ranges
	Severity []Severity       `json:"severity,omitempty"`
	Specific PackageSpecifics `json:"ecosystem_specific,omitzero"`
}

// A Package is one as advisories name it.
type Package struct {
	Ecosystem string `json:"ecosystem"` // as Key has it
	Name      string `json:"name"`      // as Name has it
}

// PackageSpecifics is what single databases say of a package.
type PackageSpecifics struct {
	Urgency string `json:"urgency,omitempty"` // Debian's
}

// A Range has events in the order of their versions.
type Range struct {
	Type   string  `json:"type"` // SEMVER or ECOSYSTEM
	Events []Event `json:"events"`
}

// An Event has one of the versions.
type Event struct {
	Introduced   string `json:"introduced,omitempty"` // "0": before all others
	Fixed        string `json:"fixed,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
}

// at is the version of the event.
func (e Event) at() string { return e.Introduced + e.Fixed + e.LastAffected }

// UnmarshalJSON leaves out what has another type than here: databases are free to
// say there what they like.
func (s *Specific) UnmarshalJSON(b []byte) error {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(b, &fields) // so too with what is no object
	var is Specific
	if json.Unmarshal(fields["severity"], &is.Severity) != nil {
		is.Severity = ""
	}
	if json.Unmarshal(fields["cwe_ids"], &is.CWEs) != nil {
		is.CWEs = nil
	}
	*s = is
	return nil
}

// UnmarshalJSON leaves out what has another type than here.
func (s *PackageSpecifics) UnmarshalJSON(b []byte) error {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal(b, &fields)
	var is PackageSpecifics
	if json.Unmarshal(fields["urgency"], &is.Urgency) != nil {
		is.Urgency = ""
	}
	*s = is
	return nil
}

// Parse reads a record, and leaves out of it what neither judging nor showing it
// needs: ranges of GIT, ranges of which a version cannot be read, lists of versions
// beside ranges, and all details behind 4 KiB. It returns ErrInvalid.
func Parse(b []byte) (Record, error) {
	var r Record
	if len(b) > MaxRecord {
		return r, ErrInvalid.With("it has more than %d bytes", MaxRecord)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, ErrInvalid.With("%v", err)
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	r.clean()
	return r, nil
}

// check looks at what would make the record of no use.
func (r *Record) check() error {
	switch {
	case !IsID(r.ID):
		return ErrInvalid.With("id %.80q", r.ID)
	case len(r.Affected) > maxAffected:
		return ErrInvalid.With("%s is about more than %d packages", r.ID, maxAffected)
	case len(r.Aliases) > maxNames, len(r.Upstream) > maxNames, len(r.Related) > maxNames:
		return ErrInvalid.With("%s has more than %d names", r.ID, maxNames)
	}
	events, versions := 0, 0
	for _, a := range r.Affected {
		versions += len(a.Versions)
		for _, g := range a.Ranges {
			events += len(g.Events)
		}
	}
	if events > maxEvents || versions > maxVersions {
		return ErrInvalid.With("%s has more than %d events or %d versions", r.ID, maxEvents, maxVersions)
	}
	return nil
}

// IsID reports whether text can be a record's id, and so a file's name.
func IsID(text string) bool {
	return text != "" && len(text) <= maxID && text[0] != '.' && !strings.ContainsFunc(text, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`/\"'<>%`, c)
	})
}

// IsCVE reports whether an id is that of a CVE.
func IsCVE(id string) bool {
	year, number, ok := strings.Cut(strings.TrimPrefix(id, "CVE-"), "-")
	return ok && strings.HasPrefix(id, "CVE-") && len(id) <= maxID && digits(year, 4, 4) && digits(number, 4, 19)
}

func digits(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && !strings.ContainsFunc(text, func(c rune) bool { return c < '0' || c > '9' })
}

// Malicious reports whether a record is of a package that does harm by design.
func Malicious(id string) bool { return strings.HasPrefix(id, "MAL-") }

// clean brings a record into the form that is kept.
func (r *Record) clean() {
	r.Aliases, r.Upstream, r.Related = names(r.Aliases), names(r.Upstream), names(r.Related)
	r.Summary, r.Details = cut(r.Summary, maxSummary), cut(r.Details, maxDetails)
	r.Severity = severities(r.Severity)
	r.References = links(r.References)
	r.Specific.Severity = cut(r.Specific.Severity, maxID)
	r.Specific.CWEs = slices.DeleteFunc(r.Specific.CWEs, func(c string) bool {
		return !strings.HasPrefix(c, "CWE-") || !digits(c[len("CWE-"):], 1, 8)
	})
	r.Specific.CWEs = r.Specific.CWEs[:min(len(r.Specific.CWEs), maxCWEs)]
	kept := r.Affected[:0]
	for _, a := range r.Affected {
		if a.clean() {
			kept = append(kept, a)
		}
	}
	r.Affected = kept
}

// clean reports whether anything remains that could be affected.
func (a *Affected) clean() bool {
	p := Package{Key(a.Package.Ecosystem), Name(a.Package.Ecosystem, a.Package.Name)}
	if p.Name == "" || len(p.Name) > maxName || p.Ecosystem == "" || len(p.Ecosystem) > maxEcosystem {
		return false
	}
	a.Package = p
	a.Severity = severities(a.Severity)
	a.Specific.Urgency = cut(a.Specific.Urgency, maxID)
	kept := a.Ranges[:0]
	for _, g := range a.Ranges {
		if g.clean(p.Ecosystem) {
			kept = append(kept, g)
		}
	}
	a.Ranges = kept
	if len(kept) > 0 {
		a.Versions = nil
	}
	a.Versions = slices.DeleteFunc(a.Versions, func(v string) bool { return v == "" || len(v) > maxVersion })
	return len(a.Ranges) > 0 || len(a.Versions) > 0
}

func names(ids []string) []string {
	ids = slices.DeleteFunc(ids, func(id string) bool { return !IsID(id) })
	slices.Sort(ids)
	return slices.Compact(ids)
}

func severities(all []Severity) []Severity {
	all = all[:min(len(all), maxSeverities)]
	return slices.DeleteFunc(all, func(s Severity) bool { return len(s.Type) > maxID || len(s.Score) > maxVector || s.Score == "" })
}

// links returns the references to advisories that a browser may follow.
func links(all []Reference) []Reference {
	kept := all[:0]
	for _, l := range all {
		if l.Type != "ADVISORY" || len(l.URL) > maxLink || len(kept) == maxLinks {
			continue
		}
		if u, err := url.Parse(l.URL); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

// cut returns at most n bytes of text, and no half characters.
func cut(text string, n int) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
