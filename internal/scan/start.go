package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sbom"
)

// mostImages is how many children of an index are examined.
const mostImages = 500

// A Task is what is to be done: to examine one image, if there is one, but first to
// find all others where that is asked for.
type Task struct {
	Artifact int64 `json:"artifact,omitempty"`
	Kind     Kind  `json:"kind"`
	All      bool  `json:"all,omitempty"`
	After    int64 `json:"after,omitempty"` // the artifact up to which all are found

	Format sbom.Format `json:"format,omitempty"` // of an SBOM; SPDX where it is empty

	// Stored: without reading any content where what is kept of it is enough.
	Stored bool `json:"stored,omitempty"`
}

// Start has an artifact examined, or each image of an index. The format is that of an
// SBOM; an empty one is SPDX. It returns ErrNoScanner, ErrDisabled, ErrUnsupported, and
// ErrRunning where all that could be begun runs already; faults of artifacts besides.
func (s *Service) Start(ctx context.Context, repo artifact.Repo, ref oci.Reference, k Kind, f sbom.Format) error {
	images, index, err := s.find(ctx, repo, ref)
	if err != nil {
		return err
	}
	by, err := s.usable(ctx, repo.ProjectID)
	if err != nil {
		return err
	}
	images = slices.DeleteFunc(images, func(i Image) bool { return !i.Examinable() })
	switch {
	case !by.does(k):
		return ErrUnsupported.With("%s makes no report of type %s", by.Scanner.Name, k)
	case k == SBOM && !by.makes(cmp.Or(f, sbom.SPDX)):
		return ErrUnsupported.With("%s makes no SBOM of type %s", by.Scanner.Name, f)
	case len(images) == 0 && index:
		return ErrUnsupported.With("no image of the index is here")
	case len(images) == 0:
		return ErrUnsupported.With("it is no image")
	}
	running, err := s.running(ctx, by, images, k)
	if err != nil {
		return err
	}
	begun := false
	for _, i := range images {
		if running[i.ID] {
			continue
		}
		switch err := s.begin(ctx, by, Task{Artifact: i.ID, Kind: k, Format: f}, job.Submission{Trigger: job.Manual, Alone: true}); {
		case errors.Is(err, job.ErrRunning):
		case err != nil:
			return err
		default:
			begun = true
		}
	}
	if !begun {
		return ErrRunning
	}
	return nil
}

// find returns an artifact, or the images of an index.
func (s *Service) find(ctx context.Context, repo artifact.Repo, ref oci.Reference) ([]Image, bool, error) {
	a, _, err := s.Artifacts.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return nil, false, err
	}
	return s.Store.Images(ctx, a.ID, mostImages)
}

// usable returns the scanner of a project where it may be used.
func (s *Service) usable(ctx context.Context, project int64) (Registration, error) {
	by, err := s.Scanners.Of(ctx, project)
	if err == nil && by.Disabled {
		err = ErrDisabled.With("%s", by.Scanner.Name)
	}
	return by, err
}

// running says which of some images are being examined, or wait for it.
func (s *Service) running(ctx context.Context, by Registration, images []Image, k Kind) (map[int64]bool, error) {
	ids := make([]int64, len(images))
	for i, image := range images {
		ids[i] = image.ID
	}
	all, err := s.Store.Reports(ctx, by.UUID, ids)
	if err != nil {
		return nil, err
	}
	running := map[int64]bool{}
	for _, r := range all {
		running[r.Artifact] = running[r.Artifact] || r.Kind == k && !r.Status.Final()
	}
	return running, nil
}

// begin submits the work for one image, and notes that it waits.
func (s *Service) begin(ctx context.Context, by Registration, t Task, sub job.Submission) error {
	sub.Kind, sub.OwnerID, sub.Tasks = t.Kind.work(), t.Artifact, []any{t}
	sub.Attrs = map[string]any{"artifact": t.Artifact, "scanner": by.Scanner.Name}
	execution, err := s.Jobs.Submit(ctx, sub)
	if err != nil {
		return err
	}
	tasks, err := s.Jobs.FirstTasks(ctx, execution)
	if err != nil {
		return err
	}
	_, err = s.Store.Ask(ctx, t.Artifact, by.UUID, t.Kind, tasks[execution].ID)
	return err
}

// Examinable reports whether it is an image whose content a scanner can look into:
// one that has layers of files.
func (i Image) Examinable() bool {
	return oci.Runnable(i.MediaType, i.Body)
}

// Stop ends the examination of an artifact, or of the images of an index. It
// returns ErrNone where there never was any.
func (s *Service) Stop(ctx context.Context, repo artifact.Repo, ref oci.Reference, k Kind) error {
	reports, err := s.reportsOf(ctx, repo, ref)
	if err != nil {
		return err
	}
	known := false
	for _, r := range reports {
		if r.Kind != k {
			continue
		}
		known = true
		if r.Status.Final() {
			continue
		}
		if err := s.stop(ctx, r.Report); err != nil {
			return err
		}
	}
	if !known {
		return ErrNone
	}
	return nil
}

func (s *Service) stop(ctx context.Context, r Report) error {
	err := s.Jobs.StopTask(ctx, r.Task)
	if errors.Is(err, job.ErrEnded) || errors.Is(err, job.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	subject, err := s.Store.Subject(ctx, r.Artifact)
	if errors.Is(err, artifact.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Status = job.Stopped
	return s.Store.Stopped(ctx, event.New(access.From(ctx).Actor(), event.ScanStopped{Scan: fact(subject, r)}))
}

// reportsOf returns those of an artifact, and of the children of an index, by the
// project's scanner. Without a scanner there are none.
func (s *Service) reportsOf(ctx context.Context, repo artifact.Repo, ref oci.Reference) ([]Shown, error) {
	a, _, err := s.Artifacts.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return nil, err
	}
	by, err := s.Scanners.Of(ctx, repo.ProjectID)
	if errors.Is(err, ErrNoScanner) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.Store.Reports(ctx, by.UUID, []int64{a.ID})
}

// maxLog is how many bytes of logs are shown.
const maxLog = 16 << 20

// LogOf returns what was written while a report of an artifact was made, or of an
// index, while those of its children were. It returns ErrNotFound where the report
// is another artifact's.
func (s *Service) LogOf(ctx context.Context, repo artifact.Repo, ref oci.Reference, uuid string) (string, error) {
	reports, err := s.reportsOf(ctx, repo, ref)
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(reports, func(r Shown) bool { return r.UUID == uuid })
	if at < 0 {
		return "", ErrNotFound.With("%.64s", uuid)
	}
	if reports[at].Artifact == reports[at].Of {
		return s.Jobs.Log(ctx, reports[at].Task, 0, maxLog)
	}
	var b strings.Builder
	for _, r := range reports {
		if r.Kind != reports[at].Kind || b.Len() > maxLog {
			continue
		}
		log, err := s.Jobs.Log(ctx, r.Task, 0, maxLog-b.Len()+1)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "-- report %s\n%s", r.UUID, log)
	}
	return b.String(), nil
}
