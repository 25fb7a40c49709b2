package scan

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
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
	var ids []int64
	for _, i := range images {
		if i.Examinable() {
			ids = append(ids, i.ID)
		}
	}
	st := Standing{Examinable: len(ids) > 0}
	by, err := s.Scanners.Of(ctx, project)
	if errors.Is(err, ErrNoScanner) || err == nil && !st.Examinable {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	reports, err := s.Store.Reports(ctx, by.UUID, ids)
	if err != nil {
		return st, err
	}
	known, bad := 0, []int64(nil)
	for _, r := range reports {
		switch {
		case r.Kind != Vulnerabilities:
			continue
		case !r.Made.IsZero():
			known++
		case r.Status == job.Pending || r.Status == job.Running || r.Status == job.Scheduled:
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
