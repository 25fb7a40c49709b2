package scan

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
)

// An Overview says in short what is known of an artifact, and of an index, of its
// children together.
type Overview struct {
	Report         string // its UUID; of an index, of the first child's
	Kind           Kind
	Status         job.Status
	Started, Ended time.Time // zero before
	Complete       int       // percent of what is to be examined
	By             finding.Scanner
	Made           time.Time // when the rest was found; zero: nothing was
	Counts         Counts
	SBOM           oci.Digest // empty: there is none, or each child has its own
}

// Overviews returns those of some artifacts of a project, by their ids. Of what was
// never examined there is none, and neither is any in a project without a scanner.
func (s *Service) Overviews(ctx context.Context, project int64, artifacts []int64) (map[int64][]Overview, error) {
	if len(artifacts) == 0 {
		return nil, nil
	}
	by, err := s.Scanners.Of(ctx, project)
	if errors.Is(err, ErrNoScanner) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	reports, err := s.Store.Reports(ctx, by.UUID, artifacts)
	if err != nil {
		return nil, err
	}
	parts := map[int64]map[Kind][]Shown{}
	for _, r := range reports {
		if parts[r.Of] == nil {
			parts[r.Of] = map[Kind][]Shown{}
		}
		parts[r.Of][r.Kind] = append(parts[r.Of][r.Kind], r)
	}
	all := map[int64][]Overview{}
	for of, kinds := range parts {
		for _, k := range []Kind{Vulnerabilities, SBOM} {
			if len(kinds[k]) > 0 {
				all[of] = append(all[of], together(by, kinds[k]))
			}
		}
	}
	return all, nil
}

// together makes one overview of reports of the same kind.
func together(by Registration, all []Shown) Overview {
	first := all[0]
	o := Overview{Report: first.UUID, Kind: first.Kind, By: by.Scanner, SBOM: first.SBOM}
	over, statuses := 0, map[job.Status]bool{}
	for _, r := range all {
		statuses[r.Status] = true
		if r.Status.Final() {
			over++
		}
		if !r.Made.IsZero() {
			o.By, o.Counts = r.By, o.Counts.plus(r.Counts)
		}
		if !r.Started.IsZero() && (o.Started.IsZero() || r.Started.Before(o.Started)) {
			o.Started = r.Started
		}
		if r.Ended.After(o.Ended) {
			o.Ended = r.Ended
		}
		if r.Made.After(o.Made) {
			o.Made = r.Made
		}
	}
	o.Complete = 100 * over / len(all)
	o.Status = statusOf(statuses, over == len(all))
	if !o.Status.Final() {
		o.Ended = time.Time{}
	}
	if len(all) > 1 {
		o.SBOM = ""
	}
	return o
}

// statusOf is the status of several examinations together.
func statusOf(has map[job.Status]bool, over bool) job.Status {
	order := []job.Status{job.Succeeded, job.Failed, job.Stopped}
	if !over {
		order = []job.Status{job.Running, job.Scheduled, job.Pending}
		if has[job.Succeeded] {
			return job.Running
		}
	}
	for _, s := range order {
		if has[s] {
			return s
		}
	}
	return job.Pending
}

// A Full is a report with all that was found.
type Full struct {
	Made     time.Time
	By       finding.Scanner
	Counts   Counts
	Findings []Finding // the worst first, each once
}

// Read returns what was found in an artifact, and in an index, in its children. It
// returns nil where it was not examined, or not all of the children were;
// ErrNotFound where the project has no scanner, or it cannot examine the artifact;
// and query.ErrTooMuch.
func (s *Service) Read(ctx context.Context, repo artifact.Repo, ref oci.Reference) (*Full, error) {
	images, _, err := s.find(ctx, repo, ref)
	if err != nil {
		return nil, err
	}
	by, ids, reports, err := s.vulnerabilities(ctx, repo.ProjectID, images)
	if errors.Is(err, ErrNoScanner) || err == nil && (len(ids) == 0 || !by.Vulnerabilities) {
		return nil, ErrNotFound.Saying("the project has no scanner that supports the artifact")
	}
	if err != nil {
		return nil, err
	}
	f := &Full{}
	var from []int64
	for _, r := range reports {
		if r.Made.IsZero() {
			continue
		}
		from = append(from, r.ID)
		f.By, f.Counts = r.By, f.Counts.plus(r.Counts)
		if r.Made.After(f.Made) {
			f.Made = r.Made
		}
	}
	if len(from) < len(ids) {
		return nil, nil
	}
	f.Findings, err = s.Store.Found(ctx, from)
	byWeight(f.Findings)
	return f, err
}

// vulnerabilities returns those of some images that a scanner could look at, and the
// reports of their vulnerabilities by that of the project. It returns ErrNoScanner.
func (s *Service) vulnerabilities(ctx context.Context, project int64, images []Image) (by Registration, ids []int64, reports []Shown, err error) {
	for _, i := range images {
		if i.Examinable() {
			ids = append(ids, i.ID)
		}
	}
	if by, err = s.Scanners.Of(ctx, project); err != nil || len(ids) == 0 {
		return by, ids, nil, err
	}
	all, err := s.Store.Reports(ctx, by.UUID, ids)
	return by, ids, slices.DeleteFunc(all, func(r Shown) bool { return r.Kind != Vulnerabilities }), err
}

// Sweeping.
const (
	SweepEvery  = time.Minute
	sweepAtOnce = 2000
	// unusedFor is how long a vulnerability stays that no report has: longer than any
	// transaction that is about to use it.
	unusedFor = time.Hour
)

// Sweep removes what no report has any more, some at each call.
func (s *Service) Sweep(ctx context.Context) (err error) {
	s.swept, err = s.Store.Sweep(ctx, s.swept, sweepAtOnce, time.Now().Add(-unusedFor))
	return err
}

// Forget removes all reports of a scanner, whose registration is gone.
func (s *Service) Forget(ctx context.Context, scanner string) error {
	for {
		n, err := s.Store.Forget(ctx, scanner, findAtOnce)
		if err != nil || n < findAtOnce {
			return err
		}
	}
}

// A Scannable says what the project's scanner can do with an artifact of a list.
type Scannable struct{ Vulnerabilities, SBOM bool }

// Can returns what the scanner of a project can do: nothing where it has none.
func (s *Service) Can(ctx context.Context, project int64) (Scannable, error) {
	by, err := s.Scanners.Of(ctx, project)
	if errors.Is(err, ErrNoScanner) {
		return Scannable{}, nil
	}
	return Scannable{by.Vulnerabilities, by.SBOM}, err
}

// DefaultScanner returns the UUID of the scanner of projects that have chosen none,
// or ErrNoScanner.
func (s *Service) DefaultScanner(ctx context.Context) (string, error) {
	by, err := s.Scanners.Default(ctx)
	return by.UUID, err
}

// ScannerOf returns the UUID of the scanner of a project, or ErrNoScanner.
func (s *Service) ScannerOf(ctx context.Context, project int64) (string, error) {
	by, err := s.Scanners.Of(ctx, project)
	return by.UUID, err
}
