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
)

// Keys of a project's metadata that ask for examinations.
const (
	metaScan = "auto_scan"
	metaSBOM = "auto_sbom_generation"
)

// recent is for how long an image is not examined again because of a push: clients
// push one image under many names.
const recent = 10 * time.Minute

// Deliver has examined what was pushed to projects that want that, and again what
// others have said something of, or do not say it any more. It may be told the same
// twice.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	wanted := map[int64][]Kind{}
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
		kinds, known := wanted[f.ProjectID]
		if !known {
			var err error
			if kinds, err = s.wants(ctx, f.ProjectID); err != nil {
				return err
			}
			wanted[f.ProjectID] = kinds
		}
		if len(kinds) == 0 {
			continue
		}
		if err := s.pushed(ctx, e.ID, f, kinds); err != nil {
			return fmt.Errorf("scans of %s@%s: %w", f.Repository, f.Digest, err)
		}
	}
	return nil
}

// wants says what a project wants of what is pushed to it.
func (s *Service) wants(ctx context.Context, project int64) (kinds []Kind, err error) {
	p, err := s.Projects.ByID(ctx, project)
	if fault.OfKind(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.Metadata[metaScan] == "true" {
		kinds = append(kinds, Vulnerabilities)
	}
	if p.Metadata[metaSBOM] == "true" {
		kinds = append(kinds, SBOM)
	}
	return kinds, nil
}

// pushed has an artifact examined. What cannot be is left: the push was good.
func (s *Service) pushed(ctx context.Context, id int64, f event.ArtifactPushed, kinds []Kind) error {
	by, images, _, err := s.examinable(ctx, f.Where, f.Digest)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if !by.does(k) {
			continue
		}
		done, err := s.examined(ctx, by, images, k)
		if err != nil {
			return err
		}
		for _, i := range images {
			if done[i.ID] {
				continue
			}
			sub := job.Submission{Trigger: job.ByEvent, Alone: true, Cause: fmt.Sprintf("%s of %d, event %d", k, i.ID, id)}
			if err := s.begin(ctx, by, Task{Artifact: i.ID, Kind: k}, sub); err != nil && !errors.Is(err, job.ErrRunning) {
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
