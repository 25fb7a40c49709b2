package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/sbom"
)

// What the work is given.
const (
	Workers  = 2                // images at once, on each node, of each kind of work
	Attempts = 3                // of an image
	Limit    = 35 * time.Minute // of one attempt: scanners elsewhere have 30
	Keep     = 1                // executions of each image
)

// Do is the work of job.ImageScan, job.SBOM and job.ScanAll.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var t Task
	if err := r.Args(&t); err != nil {
		return err
	}
	if t.All {
		var err error
		if t, err = s.plan(ctx, r, t); err != nil {
			return err
		}
	}
	if t.Artifact == 0 {
		r.Logf("there is no image")
		return nil
	}
	subject, err := s.Store.Subject(ctx, t.Artifact)
	if errors.Is(err, artifact.ErrUnknown) {
		r.Logf("the artifact is gone")
		return nil
	}
	if err != nil {
		return err
	}
	return s.examine(ctx, r, subject, t)
}

// examine has one image examined, and keeps what comes of it.
func (s *Service) examine(ctx context.Context, r *job.Run, subject Subject, t Task) error {
	k := t.Kind
	r.Logf("%s of %s@%s", k, subject.Name, subject.Digest)
	by, err := s.usable(ctx, subject.ProjectID)
	if err == nil && !by.does(k) {
		err = ErrUnsupported.With("%s makes no report of type %s", by.Scanner.Name, k)
	}
	if err != nil {
		return once(err)
	}
	r.Logf("scanner: %s %s of %s", by.Scanner.Name, by.Scanner.Version, by.Scanner.Vendor)
	uuid, err := s.Store.Ask(ctx, subject.ID, by.UUID, k, r.Task.ID)
	if err != nil {
		return err
	}
	began := time.Now()
	result, err := s.ask(ctx, r, by, subject, t)
	result.Artifact, result.Scanner, result.Kind, result.Started, result.Ended = subject.ID, by.UUID, k, began, time.Now()
	if err != nil {
		return errors.Join(err, s.failed(ctx, r, fact(subject, result.report(uuid, job.Failed)), result, err))
	}
	e := event.New(access.From(ctx).Actor(), event.ScanCompleted{Scan: fact(subject, result.report(uuid, job.Succeeded))})
	changed, err := s.Store.Keep(ctx, result, &e)
	switch {
	case errors.Is(err, artifact.ErrUnknown):
		r.Logf("the artifact is gone")
		return nil
	case err != nil:
		return fmt.Errorf("keep the report: %w", err)
	case k == SBOM:
		r.Logf("the document is %s", result.SBOM)
	default:
		r.Logf("%d vulnerabilities, %d of them fixable; changed: %t", result.Counts.Total(), result.Counts.Fixable, changed)
		return s.catchUp(ctx, by, subject.ID)
	}
	return nil
}

// ask has a scanner examine an image.
func (s *Service) ask(ctx context.Context, r *job.Run, by Registration, subject Subject, t Task) (Result, error) {
	empty := Result{By: by.Scanner}
	scanner, err := s.Scanners.Open(ctx, by)
	if err != nil {
		return empty, err
	}
	if t.Kind == SBOM {
		f := cmp.Or(t.Format, sbom.SPDX)
		document, err := scanner.SBOM(ctx, subject, f, r.Logf)
		if err != nil {
			return empty, once(err)
		}
		empty.SBOM, err = s.attach(ctx, subject, by, f, document)
		empty.Content = string(empty.SBOM)
		return empty, once(err)
	}
	g, err := scanner.Generation(ctx) // before: what comes in between is looked at again
	if err != nil {
		return empty, err
	}
	var report finding.Report
	known := false
	if t.Stored {
		report, known, err = scanner.Again(ctx, subject, r.Logf)
	}
	if err == nil && !known {
		report, err = scanner.Scan(ctx, subject, r.Logf)
	}
	if err != nil {
		return empty, once(err)
	}
	result, err := resultOf(by.UUID, report)
	result.Generation = g
	return result, once(err)
}

// report is the report that a result will be.
func (r Result) report(uuid string, status job.Status) Report {
	return Report{
		UUID: uuid, Artifact: r.Artifact, Kind: r.Kind, Status: status, Started: r.Started, Ended: r.Ended, By: r.By, Counts: r.Counts, SBOM: r.SBOM,
	}
}

// failed notes that the last attempt has failed. What is tried again, or was
// stopped, has not.
func (s *Service) failed(ctx context.Context, r *job.Run, f event.Scan, result Result, why error) error {
	if errors.Is(ctx.Err(), context.Canceled) || r.Attempt < Attempts && !job.IsPermanent(why) {
		return nil
	}
	return s.Store.Fail(context.WithoutCancel(ctx), result, event.New(access.From(ctx).Actor(), event.ScanFailed{Scan: f}))
}

// once marks an error as one that trying again does not mend, where somebody has
// to do something first.
func once(err error) error {
	if err == nil {
		return nil
	}
	for _, k := range []fault.Kind{fault.Invalid, fault.Denied, fault.Conflict, fault.Precondition, fault.TooLarge, fault.Unsupported, fault.NotFound} {
		if fault.OfKind(err, k) {
			return job.Permanent(err)
		}
	}
	return err
}
