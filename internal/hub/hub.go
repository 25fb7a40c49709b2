// Package hub looks at what scanners found in all projects together: how much of
// it there is, what is worst, and where a vulnerability is. It promises that one
// page of findings costs the same among thousands and among millions. What is
// shown is of the scanner that projects have by themselves; how it came to be
// found is scan's affair.
package hub

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
)

// ErrQuery is returned for conditions that cannot be.
var ErrQuery = fault.New(fault.Invalid, "BAD_REQUEST", "invalid query")

// A Search says which findings are wanted: those that meet all that is given.
type Search struct {
	CVE, Package string // exact
	Severity     *finding.Severity
	Status       finding.Status
	Project      int64
	Repository   string // full name
	Digest, Tag  string // of the artifact

	MinScore, MaxScore *int64 // ten times that of CVSS 3, both inclusive

	Limit, Offset int
	Most          int  // how far is counted; 0: to the end
	Tags          bool // are wanted of each artifact
}

// A Hit is a vulnerability of an artifact.
type Hit struct {
	finding.Vulnerability
	ProjectID  int64
	Repository string // full name
	Digest     oci.Digest
	Tags       []string // the newest, a hundred at most
}

// A Summary counts what was found, and how much was looked at. Vulnerabilities that
// are said to affect nothing do not count.
type Summary struct {
	Critical, High, Medium, Low, Negligible, Unknown int64

	Fixable   int64 // of all, those that a later version does not have
	Scanned   int64 // artifacts
	Artifacts int64 // that there are

	WorstVulnerabilities []finding.Vulnerability // each id once
	WorstArtifacts       []WorstArtifact
}

// Total is how many vulnerabilities there are.
func (s Summary) Total() int64 {
	return s.Critical + s.High + s.Medium + s.Low + s.Negligible + s.Unknown
}

// A WorstArtifact is one with the most of the worst vulnerabilities.
type WorstArtifact struct {
	ProjectID              int64
	Repository             string // full name
	Digest                 oci.Digest
	Critical, High, Medium int64
}

// A Store finds what is kept of reports. Each method is one transaction.
type Store interface {
	// Summary counts what a scanner found, and names up to so many of the worst.
	Summary(ctx context.Context, scanner string, vulnerabilities, artifacts int) (Summary, error)
	// Search returns a page of what a scanner found, the worst first, and how many
	// there are on all pages; where that is more than Most, some number above it.
	Search(ctx context.Context, scanner string, s Search) ([]Hit, int64, error)
}

// A Service is what the rest of the program asks about findings.
type Service struct {
	store   Store
	scanner func(ctx context.Context) (uuid string, err error)
}

// New returns a service that shows what a scanner found. The fault with which
// scanner answers where there is none is a Precondition.
func New(store Store, scanner func(ctx context.Context) (uuid string, err error)) *Service {
	return &Service{store, scanner}
}

// worst is how many of the worst are named.
const worst = 5

// Summary returns one, with the worst vulnerabilities and artifacts where they are
// wanted. Without a scanner there is nothing.
func (s *Service) Summary(ctx context.Context, vulnerabilities, artifacts bool) (Summary, error) {
	by, err := s.scanner(ctx)
	if err != nil && !fault.OfKind(err, fault.Precondition) {
		return Summary{}, err
	}
	named := func(wanted bool) int {
		if wanted {
			return worst
		}
		return 0
	}
	return s.store.Summary(ctx, by, named(vulnerabilities), named(artifacts))
}

// Search returns a page of findings. It returns query.ErrTooMuch.
func (s *Service) Search(ctx context.Context, what Search) ([]Hit, int64, error) {
	by, err := s.scanner(ctx)
	if fault.OfKind(err, fault.Precondition) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return s.store.Search(ctx, by, what)
}

// fields are what may be asked for, as a query has it.
var fields = []string{"cve_id", "severity", "status", "package", "repository_name", "tag", "digest", "project_id", "cvss_score_v3"}

// Parse returns the search that a query asks for. It returns ErrQuery.
func Parse(q query.Query) (Search, error) {
	s := Search{}
	s.Limit, s.Offset = q.Limit()
	texts := map[string]*string{"cve_id": &s.CVE, "package": &s.Package, "repository_name": &s.Repository, "tag": &s.Tag, "digest": &s.Digest}
	for _, f := range q.Filters {
		var err error
		switch {
		case !slices.Contains(fields, f.Field):
			return s, ErrQuery.With("%.64s is none of %v", f.Field, fields)
		case f.Field == "cvss_score_v3":
			err = s.scores(f)
		case f.Op != query.Exact:
			return s, ErrQuery.With("%s is compared as a whole: %s=value", f.Field, f.Field)
		case texts[f.Field] != nil:
			*texts[f.Field], _ = f.Value.(string)
		default:
			err = s.word(f)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// word reads a value that is one of a few, or a number.
func (s *Search) word(f query.Filter) error {
	value, _ := f.Value.(string)
	switch f.Field {
	case "severity":
		severity, ok := finding.ParseSeverity(value)
		if !ok {
			return ErrQuery.With("severity: there is no %.64q", value)
		}
		s.Severity = &severity
	case "status":
		s.Status = finding.Status(value)
	case "project_id":
		id, err := strconv.ParseInt(value, 10, 64)
		if err != nil || id <= 0 {
			return ErrQuery.With("project_id must be a number")
		}
		s.Project = id
	}
	return nil
}

var errScore = errors.New("no score")

func (s *Search) scores(f query.Filter) (err error) {
	if f.Op == query.Range {
		if s.MinScore, err = scoreOf(f.Min); err == nil {
			s.MaxScore, err = scoreOf(f.Max)
		}
	}
	if f.Op != query.Range || err != nil {
		return ErrQuery.With("cvss_score_v3 is a range: cvss_score_v3=[7~9.9]")
	}
	return nil
}

// scoreOf returns ten times a score, or nil for none.
func scoreOf(v any) (*int64, error) {
	if v == nil {
		return nil, nil
	}
	var score float64
	switch v := v.(type) {
	case int64:
		score = float64(v)
	case string:
		parsed, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return nil, err
		}
		score = parsed
	default:
		return nil, errScore
	}
	if !(score >= 0 && score <= 10) {
		return nil, errScore
	}
	tenths := int64(math.Round(score * 10))
	return &tenths, nil
}
