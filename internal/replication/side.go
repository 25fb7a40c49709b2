package replication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/remote"
)

// A side is where artifacts are copied from or to: this registry, or another one.
// What is not there is a fault of kind NotFound.
type side interface {
	Kind() remote.Kind
	Repositories(ctx context.Context, fn func(names []string) error) error
	Tags(ctx context.Context, repository string, fn func(tags []string) error) error
	StatManifest(ctx context.Context, repository, ref string) (remote.Manifest, error)
	Manifest(ctx context.Context, repository, ref string) (remote.Manifest, error)
	Referrers(ctx context.Context, repository string, d oci.Digest) ([]oci.Descriptor, error)
	Labels(ctx context.Context, repository, digest string) ([]string, error)
	StatBlob(ctx context.Context, repository string, d oci.Digest) (int64, error)
	Blob(ctx context.Context, repository string, d oci.Digest, offset int64) (io.ReadCloser, int64, error)

	Prepare(ctx context.Context, repository string, public bool) error
	PushBlob(ctx context.Context, repository string, s remote.Source) (sent bool, err error)
	PushManifest(ctx context.Context, repository, ref, mediaType string, body []byte) error
	// TagsOf returns the tags that name an artifact.
	TagsOf(ctx context.Context, repository string, d oci.Digest) ([]string, error)
	DeleteManifest(ctx context.Context, repository, ref string) error
	DeleteTag(ctx context.Context, repository, tag string) error
}

var (
	_ side = (*remote.Registry)(nil)
	_ side = (*Here)(nil)
)

// Here is this registry, as a side.
type Here struct {
	Content   *registry.Service
	Artifacts artifact.Store
	Projects  *project.Service
	Catalog   artifact.Catalog
	LabelsOf  *label.Service
}

const listAtOnce = 1000

// Kind implements side.
func (h *Here) Kind() remote.Kind { return remote.Harbor }

// Repositories implements side.
func (h *Here) Repositories(ctx context.Context, fn func([]string) error) error {
	return paged(func(last string) ([]string, error) { return h.Content.Repositories(ctx, last, listAtOnce) }, fn)
}

// Tags implements side.
func (h *Here) Tags(ctx context.Context, repository string, fn func([]string) error) error {
	return paged(func(last string) ([]string, error) {
		return h.Artifacts.Tags(ctx, repository, last, listAtOnce)
	}, fn)
}

// paged calls fn with each page of a list of names, until one is not full.
func paged(page func(last string) ([]string, error), fn func([]string) error) error {
	for last := ""; ; {
		names, err := page(last)
		if err != nil || len(names) == 0 {
			return err
		}
		if err := fn(names); err != nil || len(names) < listAtOnce {
			return err
		}
		last = names[len(names)-1]
	}
}

// StatManifest implements side.
func (h *Here) StatManifest(ctx context.Context, repository, ref string) (remote.Manifest, error) {
	at, err := oci.ParseReference(ref)
	if err != nil {
		return remote.Manifest{}, err
	}
	m, err := h.Content.FindManifest(ctx, artifact.Repo{Name: repository}, at)
	return remote.Manifest(m), err
}

// Manifest implements side. It is no pull: nobody looks at the artifact.
func (h *Here) Manifest(ctx context.Context, repository, ref string) (remote.Manifest, error) {
	at, err := oci.ParseReference(ref)
	if err != nil {
		return remote.Manifest{}, err
	}
	m, err := h.Content.ReadManifest(ctx, artifact.Repo{Name: repository}, at)
	return remote.Manifest(m), err
}

// Referrers implements side.
func (h *Here) Referrers(ctx context.Context, repository string, d oci.Digest) ([]oci.Descriptor, error) {
	var all []oci.Descriptor
	for after := int64(0); ; {
		some, err := h.Artifacts.Referrers(ctx, repository, d, "", after, listAtOnce)
		if err != nil || len(some) == 0 {
			return all, err
		}
		for _, r := range some {
			var one oci.Descriptor
			if err := json.Unmarshal(r.Descriptor, &one); err != nil {
				return nil, fmt.Errorf("what refers to %s: %w", d, err)
			}
			all = append(all, one)
		}
		after = some[len(some)-1].ID
	}
}

// Labels implements side.
func (h *Here) Labels(ctx context.Context, repository, digest string) ([]string, error) {
	r, err := h.repo(ctx, repository)
	if err != nil {
		return nil, err
	}
	a, err := h.Catalog.Artifact(ctx, r, oci.Reference{Digest: oci.Digest(digest)}, artifact.Parts{})
	if err != nil {
		return nil, err
	}
	labels, err := h.LabelsOf.OfArtifacts(ctx, []int64{a.ID})
	var names []string
	for _, l := range labels[a.ID] {
		names = append(names, l.Name)
	}
	return names, err
}

// repo returns a repository with its project.
func (h *Here) repo(ctx context.Context, name string) (artifact.Repo, error) {
	of, _ := oci.SplitRepository(name)
	p, err := h.Projects.ByName(ctx, of)
	return artifact.Repo{ProjectID: p.ID, Name: name}, err
}

// StatBlob implements side. A blob that waits to be collected waits longer, since
// a manifest may follow that needs it.
func (h *Here) StatBlob(ctx context.Context, repository string, d oci.Digest) (int64, error) {
	b, err := h.Content.StatBlob(ctx, artifact.Repo{Name: repository}, d, true)
	return b.Size, err
}

// Blob implements side.
func (h *Here) Blob(ctx context.Context, repository string, d oci.Digest, offset int64) (io.ReadCloser, int64, error) {
	b, r, err := h.Content.OpenBlob(ctx, artifact.Repo{Name: repository}, d)
	if err != nil {
		return nil, 0, err
	}
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, errors.Join(err, r.Close())
	}
	return r, b.Size, nil
}

// Public reports whether everybody may pull from a repository.
func (h *Here) Public(ctx context.Context, repository string) (bool, error) {
	of, _ := oci.SplitRepository(repository)
	p, err := h.Projects.ByName(ctx, of)
	return p.Public, err
}

// Prepare implements side.
func (h *Here) Prepare(ctx context.Context, repository string, public bool) error {
	name, _ := oci.SplitRepository(repository)
	p, err := h.Projects.ByName(ctx, name)
	if err == nil && p.Upstream != 0 {
		return project.ErrCache
	}
	if !errors.Is(err, project.ErrNotFound) {
		return err
	}
	_, err = h.Projects.Create(ctx, project.NewProject{Name: name, Public: public})
	if errors.Is(err, project.ErrExists) {
		return nil // somebody else has made it
	}
	return err
}

// PushBlob implements side. Where the source breaks off it goes on from there.
func (h *Here) PushBlob(ctx context.Context, repository string, s remote.Source) (sent bool, err error) {
	r, err := h.repo(ctx, repository)
	if err != nil {
		return false, err
	}
	if s.From != "" {
		err := h.Content.Mount(ctx, r, s.From, s.Digest, func(string) bool { return true })
		if !errors.Is(err, registry.ErrBlobUnknown) {
			return false, err
		}
	}
	in := remote.Patient(ctx, s.Size, func(offset int64) (io.ReadCloser, error) { return s.Open(ctx, offset) })
	defer in.Close()
	_, err = h.Content.PushBlob(ctx, r, s.Digest, registry.Chunk{Size: s.Size, Body: in})
	if failed := in.Err(); failed != nil {
		err = failed // the source's failure, not that of a client
	}
	return true, err
}

// PushManifest implements side.
func (h *Here) PushManifest(ctx context.Context, repository, ref, mediaType string, body []byte) error {
	r, err := h.repo(ctx, repository)
	if err != nil {
		return err
	}
	at, err := oci.ParseReference(ref)
	if err != nil {
		return err
	}
	_, err = h.Content.PushManifest(ctx, r, registry.PushRequest{Ref: at, MediaType: mediaType, Body: body})
	return err
}

// TagsOf implements side.
func (h *Here) TagsOf(ctx context.Context, repository string, d oci.Digest) ([]string, error) {
	return h.Artifacts.TagsOf(ctx, repository, d, mostTags)
}

// DeleteManifest implements side.
func (h *Here) DeleteManifest(ctx context.Context, repository, ref string) error {
	r, err := h.repo(ctx, repository)
	if err != nil {
		return err
	}
	at, err := oci.ParseReference(ref)
	if err != nil {
		return err
	}
	return h.Content.DeleteManifest(ctx, r, at)
}

// DeleteTag implements side.
func (h *Here) DeleteTag(ctx context.Context, repository, tag string) error {
	return h.DeleteManifest(ctx, repository, tag)
}
