package scan

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/vex"
)

// A Standing says what is known of an artifact's vulnerabilities, to those who
// decide about it.
type Standing struct {
	Examinable bool // a scanner could look at it, or at some of what an index contains
	Known      bool // one has looked, at all of that
	Pending    bool // one is about to
	Findings   []finding.Vulnerability
}

// Standing returns that of an artifact of a project, by its id. What is found is
// read only where something is at least as severe as a threshold. It returns
// artifact.ErrUnknown and query.ErrTooMuch.
func (s *Service) Standing(ctx context.Context, project, id int64, threshold finding.Severity) (Standing, error) {
	images, _, err := s.Store.Images(ctx, id, mostImages)
	if err != nil {
		return Standing{}, err
	}
	_, ids, reports, err := s.vulnerabilities(ctx, project, images)
	st := Standing{Examinable: len(ids) > 0}
	if errors.Is(err, ErrNoScanner) {
		return st, nil
	}
	if err != nil || !st.Examinable {
		return st, err
	}
	known, bad := 0, []int64(nil)
	for _, r := range reports {
		if !r.Made.IsZero() {
			known++
		} else if !r.Status.Final() {
			st.Pending = true
		}
		if worst, found := r.Counts.Worst(); found && worst >= threshold {
			bad = append(bad, r.ID)
		}
	}
	if st.Known = known == len(ids); !st.Known || len(bad) == 0 {
		return st, nil
	}
	found, err := s.Store.Found(ctx, bad)
	for _, f := range found {
		if f.Severity >= threshold && vex.Counts(f.Vulnerability) {
			st.Findings = append(st.Findings, f.Vulnerability)
		}
	}
	return st, err
}
