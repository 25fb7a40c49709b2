package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sbom"
)

// Keys of a project's metadata that ask for examinations.
const (
	metaScan = "auto_scan"
	metaSBOM = "auto_sbom_generation"
	metaForm = "auto_sbom_media_type"
)

// recent is for how long an image is not examined again because of a push: clients
// push one image under many names.
const recent = 10 * time.Minute

// Deliver has examined what was pushed to projects that want that, and again what
// others have said something of, or do not say it any more. It may be told the same
// twice.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	wanted := map[int64][]Task{}
	for _, e := range events {
		in, of, err := s.toldOf(ctx, e)
		for _, d := range of {
			err = errors.Join(err, s.told(ctx, e.ID, in, d))
		}
		if err != nil {
			return fmt.Errorf("what is said of %s@%s: %w", in.Repository, of, err)
		}
		f, pushed := e.Fact.(event.ArtifactPushed)
		if !pushed {
			continue
		}
		tasks, known := wanted[f.ProjectID]
		if !known {
			var err error
			if tasks, err = s.wants(ctx, f.ProjectID); err != nil {
				return err
			}
			wanted[f.ProjectID] = tasks
		}
		if len(tasks) == 0 {
			continue
		}
		if err := s.pushed(ctx, e.ID, f, tasks); err != nil {
			return fmt.Errorf("scans of %s@%s: %w", f.Repository, f.Digest, err)
		}
	}
	return nil
}

// wants says what a project wants of each image that is pushed to it.
func (s *Service) wants(ctx context.Context, project int64) (tasks []Task, err error) {
	p, err := s.Projects.ByID(ctx, project)
	if fault.OfKind(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.Metadata[metaScan] == "true" {
		tasks = append(tasks, Task{Kind: Vulnerabilities})
	}
	if p.Metadata[metaSBOM] == "true" {
		tasks = append(tasks, Task{Kind: SBOM, Format: sbom.Format(p.Metadata[metaForm])})
	}
	return tasks, nil
}

// pushed has an artifact examined. What cannot be is left: the push was good. An SBOM
// in a format that the scanner does not make is one in SPDX.
func (s *Service) pushed(ctx context.Context, id int64, f event.ArtifactPushed, tasks []Task) error {
	by, images, _, err := s.examinable(ctx, f.Where, f.Digest)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if !by.does(t.Kind) {
			continue
		}
		if t.Kind == SBOM && !by.makes(t.Format) {
			t.Format = sbom.SPDX
		}
		done, err := s.examined(ctx, by, images, t.Kind)
		if err != nil {
			return err
		}
		for _, i := range images {
			if done[i.ID] {
				continue
			}
			t.Artifact = i.ID
			sub := job.Submission{Trigger: job.ByEvent, Alone: true, Cause: fmt.Sprintf("%s of %d, event %d", t.Kind, i.ID, id)}
			if err := s.begin(ctx, by, t, sub); err != nil && !errors.Is(err, job.ErrRunning) {
				return err
			}
		}
	}
	return nil
}

// examinable returns what of an artifact the project's scanner can look into: nothing
// where there is no scanner, or it is gone already.
func (s *Service) examinable(ctx context.Context, in event.Where, digest string) (by Registration, images []Image, index bool, err error) {
	by, err = s.usable(ctx, in.ProjectID)
	if err == nil {
		images, index, err = s.find(ctx, artifact.Repo{ProjectID: in.ProjectID, Name: in.Repository}, oci.Reference{Digest: oci.Digest(digest)})
	}
	if errors.Is(err, ErrNoScanner) || errors.Is(err, ErrDisabled) || fault.OfKind(err, fault.NotFound) {
		return by, nil, false, nil
	}
	return by, slices.DeleteFunc(images, func(i Image) bool { return !i.Examinable() }), index, err
}

// examined says which of some images are being examined, or just were.
func (s *Service) examined(ctx context.Context, by Registration, images []Image, k Kind) (map[int64]bool, error) {
	done, err := s.running(ctx, by, images, k)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(images))
	for i, image := range images {
		ids[i] = image.ID
	}
	all, err := s.Store.Reports(ctx, by.UUID, ids)
	for _, r := range all {
		if r.Kind == k && r.Status == job.Succeeded && time.Since(r.Ended) < recent {
			done[r.Artifact] = true
		}
	}
	return done, err
}
