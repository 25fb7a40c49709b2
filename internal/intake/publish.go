package intake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// fileType is the media type of the layer, which Export writes.
const fileType = advisory.ArtifactType + "+zstd"

// publish pushes the newest generation as an artifact to where it is to be, in place
// of the one that was pushed before.
func (s *Service) publish(ctx context.Context, r *job.Run) error {
	if s.Sources.Publish == "" || s.Registry == nil {
		return nil
	}
	to, err := ParseAddress(s.Sources.Publish)
	if err != nil {
		return job.Permanent(err)
	}
	g, err := s.Advisories.Generation(ctx)
	if err != nil || g == 0 {
		return err
	}
	last, err := s.Store.Published(ctx)
	if err != nil || last.Generation == g {
		return err
	}
	r.Logf("pushing the advisories to %s", to)
	repo, err := s.Registry.repo(ctx, to)
	var d oci.Digest
	if err == nil {
		d, err = s.push(ctx, repo, to.Tag, g)
	}
	if err != nil {
		return fmt.Errorf("push the advisories to %s: %w", to, err)
	}
	r.Logf("%s is %s", to, d)
	if err := s.Store.NotePublished(ctx, Arrival{d, g}); err != nil {
		return err
	}
	if last.Digest == "" || last.Digest == d {
		return nil
	}
	if err := s.removeOld(ctx, repo, last.Digest); err != nil {
		r.Logf("the artifact that was there before stays: %v", err)
	}
	return nil
}

// push pushes what there is. Its digest must be known first, so it is packed into a
// file.
func (s *Service) push(ctx context.Context, repo artifact.Repo, tag string, g advisory.Generation) (oci.Digest, error) {
	f, err := s.Temp()
	if err != nil {
		return "", err
	}
	defer f.Close()
	layer, err := s.pack(ctx, f)
	if err != nil {
		return "", err
	}
	content := s.Registry.Content
	config, err := content.Put(ctx, repo, oci.MediaTypeEmpty, []byte("{}"))
	if err != nil {
		return "", err
	}
	if _, err := content.PushBlob(ctx, repo, layer.Digest, registry.Chunk{Body: f, Size: layer.Size}); err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": advisory.ArtifactType,
		"config": config, "layers": []oci.Descriptor{layer},
		"annotations": map[string]string{"org.opencontainers.image.created": stamp(g), "org.opencontainers.image.title": "Advisories of vulnerabilities"},
	})
	if err != nil {
		return "", err
	}
	done, err := content.PushManifest(ctx, repo, registry.PushRequest{Ref: oci.Reference{Tag: tag}, MediaType: oci.MediaTypeImageManifest, Body: body})
	return done.Digest, err
}

// pack writes the newest generation into f, and has f read from its beginning.
func (s *Service) pack(ctx context.Context, f *os.File) (oci.Descriptor, error) {
	sum := sha256.New()
	if err := s.Advisories.Export(ctx, io.MultiWriter(f, sum)); err != nil {
		return oci.Descriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return oci.Descriptor{MediaType: fileType, Digest: oci.NewDigest(oci.SHA256, sum.Sum(nil)), Size: size}, err
}

// removeOld deletes the artifact that was pushed before, unless somebody gave it
// another tag.
func (s *Service) removeOld(ctx context.Context, repo artifact.Repo, d oci.Digest) error {
	ref := oci.Reference{Digest: d}
	old, err := s.Registry.Catalog.Artifact(ctx, repo, ref, artifact.Parts{Tags: true})
	if err == nil && len(old.Tags) == 0 {
		err = s.Registry.Content.DeleteArtifact(ctx, repo, ref)
	}
	if fault.OfKind(err, fault.NotFound) {
		return nil
	}
	return err
}
