package chart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// An Upload is a chart as it was packed.
type Upload struct {
	Archive    []byte // at most helm.MaxArchive bytes
	Provenance []byte // nil where nobody signed it
	Replace    bool   // may take the place of a version that is there
}

// absent is what a tag is to point at before the push of a new version: nothing.
var absent = oci.Digest("")

// Upload stores a packed chart as "helm push" would. It returns ErrExists where
// the version is there and not to be replaced, faults of helm for what is no
// chart, and what a push returns.
func (s *Service) Upload(ctx context.Context, p Project, u Upload) error {
	metadata, err := u.Check(p)
	if err != nil {
		return err
	}
	repo := p.repo(metadata.Name)
	var before *oci.Digest
	if !u.Replace {
		before = &absent
		// Before anything is stored; what races with this is decided by the push.
		if _, err := s.store.Version(ctx, p.ID, metadata.Name, metadata.Version); err == nil {
			return exists(metadata)
		}
	}
	m, err := s.pack(ctx, repo, metadata, u)
	if err != nil {
		return err
	}
	err = s.push(ctx, repo, metadata.Version, m, before)
	if errors.Is(err, artifact.ErrTagMoved) {
		err = exists(metadata)
	}
	return err
}

func exists(m helm.Metadata) error { return ErrExists.With("%s", helm.File(m.Name, m.Version)) }

// Check returns what a chart says of itself. It returns faults of helm for what
// is no chart and for a provenance file of another one, and faults of oci for a
// name or version that the project can keep nothing under.
func (u Upload) Check(p Project) (helm.Metadata, error) {
	a, err := helm.ReadArchive(bytes.NewReader(u.Archive), int64(len(u.Archive)))
	if err != nil {
		return helm.Metadata{}, err
	}
	m, err := a.Metadata()
	if err != nil {
		return helm.Metadata{}, err
	}
	if u.Provenance != nil {
		signed, err := helm.ParseProvenance(u.Provenance)
		if err == nil {
			err = signed.Check(m.Name, m.Version, string(oci.Sum(oci.SHA256, u.Archive)))
		}
		if err != nil {
			return helm.Metadata{}, err
		}
	}
	return m, errors.Join(oci.CheckRepository(p.repo(m.Name).Name), oci.CheckTag(helm.Tag(m.Version)))
}

// pack stores the parts of a chart and returns the manifest that holds them.
func (s *Service) pack(ctx context.Context, repo artifact.Repo, metadata helm.Metadata, u Upload) (manifest, error) {
	text, err := metadata.Configuration()
	if err != nil {
		return manifest{}, err
	}
	if len(text) > artifact.MaxConfig { // which nobody would look at
		return manifest{}, helm.ErrTooLarge.With("what it says of itself has more than %d bytes", artifact.MaxConfig)
	}
	m := manifest{SchemaVersion: 2, MediaType: oci.MediaTypeImageManifest, Annotations: annotations(metadata)}
	if m.Config, err = s.registry.Put(ctx, repo, helm.ConfigType, text); err != nil {
		return manifest{}, err
	}
	layers := []struct {
		mediaType string
		content   []byte
	}{{helm.ContentType, u.Archive}, {helm.ProvenanceType, u.Provenance}}
	for _, l := range layers {
		if l.content == nil {
			continue
		}
		d, err := s.registry.Put(ctx, repo, l.mediaType, l.content)
		if err != nil {
			return manifest{}, err
		}
		m.Layers = append(m.Layers, d)
	}
	return m, nil
}

// annotations are those that "helm push" gives a chart, but for the time: the
// same chart is the same artifact.
func annotations(m helm.Metadata) map[string]string {
	said := map[string]string{
		"org.opencontainers.image.title":       m.Name,
		"org.opencontainers.image.version":     m.Version,
		"org.opencontainers.image.description": m.Description,
		"org.opencontainers.image.url":         m.Home,
	}
	if len(m.Sources) > 0 {
		said["org.opencontainers.image.source"] = m.Sources[0]
	}
	maps.DeleteFunc(said, func(_, value string) bool { return value == "" })
	return said
}

// push gives a version's tag to a manifest, where it points at what it is to
// point at before: anything for nil.
func (s *Service) push(ctx context.Context, repo artifact.Repo, version string, m manifest, before *oci.Digest) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = s.registry.PushManifest(ctx, repo, registry.PushRequest{
		Ref: oci.Reference{Tag: helm.Tag(version)}, MediaType: m.MediaType, Body: body, Before: before,
	})
	return err
}

// Sign adds a provenance file to a version that is there, in the place of the one
// that it may have. What comes of it is another artifact, to which all tags go,
// and which has the labels of the one before. It returns ErrUnknown,
// helm.ErrProvenance for a file that is for something else, artifact.ErrTagMoved
// where another is pushed meanwhile, and what a push returns.
func (s *Service) Sign(ctx context.Context, p Project, provenance []byte) error {
	signed, err := helm.ParseProvenance(provenance)
	if err != nil {
		return err
	}
	if err := errors.Join(helm.CheckName(signed.Name), helm.CheckVersion(signed.Version)); err != nil {
		return err
	}
	v, err := s.store.Version(ctx, p.ID, signed.Name, signed.Version)
	if err != nil {
		return err
	}
	repo := p.repo(v.Name)
	_, before, err := s.artifacts.Find(ctx, repo.Name, oci.Reference{Digest: v.Digest}, true)
	m, err := parse(before, err)
	if err != nil {
		return err
	}
	archive, _ := artifact.ChartFiles(m.Layers)
	if err := signed.Check(v.Name, v.Version, string(archive)); err != nil {
		return err
	}
	tags, err := s.tagsOf(ctx, repo, v)
	if err != nil {
		return err
	}
	d, err := s.registry.Put(ctx, repo, helm.ProvenanceType, provenance)
	if err != nil {
		return err
	}
	body, err := withLayers(before, append(slices.DeleteFunc(m.Layers, isProvenance), d))
	if err != nil {
		return err
	}
	_, err = s.registry.PushManifest(ctx, repo, registry.PushRequest{
		Ref: oci.Reference{Digest: oci.Sum(oci.SHA256, body)}, Tags: tags, Body: body, Before: &v.Digest,
	})
	return err
}

func isProvenance(l oci.Descriptor) bool { return l.MediaType == helm.ProvenanceType }

// maxMoved is how many tags go from one artifact to another at once.
const maxMoved = 100

// tagsOf returns the tags of a version, among them its own.
func (s *Service) tagsOf(ctx context.Context, repo artifact.Repo, v Version) ([]string, error) {
	tags, err := s.artifacts.TagsOf(ctx, repo.Name, v.Digest, maxMoved)
	if own := helm.Tag(v.Version); err == nil && !slices.Contains(tags, own) {
		tags = append(tags[:min(len(tags), maxMoved-1)], own)
	}
	return tags, err
}

// withLayers returns a manifest with other layers, and all else that it had.
func withLayers(body []byte, layers []oci.Descriptor) ([]byte, error) {
	var all map[string]json.RawMessage
	err := json.Unmarshal(body, &all)
	if err == nil {
		all["layers"], err = json.Marshal(layers)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// Delete removes one version of a chart: its tag, and with its last tag the
// artifact. It returns ErrUnknown, and what the deletion of an artifact returns.
func (s *Service) Delete(ctx context.Context, p Project, name, version string) error {
	v, err := s.store.Version(ctx, p.ID, name, version)
	if err != nil {
		return err
	}
	return s.remove(ctx, p, v)
}

func (s *Service) remove(ctx context.Context, p Project, v Version) error {
	return s.artifacts.DeleteTagged(ctx, p.repo(v.Name), v.Digest, helm.Tag(v.Version), access.From(ctx).Actor())
}

// atOnce is how many versions are looked up in one step.
const atOnce = 100

// DeleteAll removes all versions of a chart, or returns ErrUnknown where there is
// none. What was removed before a failure is gone.
func (s *Service) DeleteAll(ctx context.Context, p Project, name string) error {
	for found := false; ; found = true {
		some, err := s.store.Versions(ctx, p.ID, name, 0, atOnce)
		if err != nil {
			return err
		}
		if len(some) == 0 && !found {
			return ErrUnknown.With("%.300q", name)
		}
		if len(some) == 0 {
			return nil
		}
		for _, v := range some {
			if err := s.remove(ctx, p, v); err != nil && !errors.Is(err, artifact.ErrUnknown) {
				return err
			}
		}
	}
}
