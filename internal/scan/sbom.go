package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

const (
	// documentType is the media type of the documents that are asked for, and
	// accessoryType what says that an artifact is one of them.
	documentType  = "application/spdx+json"
	accessoryType = "application/vnd.goharbor.harbor.sbom.v1"
	// MaxDocument is how many bytes one may have: as many as are shown.
	MaxDocument = 32 << 20
)

// attach pushes a document as an accessory of its subject, in the place of the one
// that was made before, and returns its digest.
func (s *Service) attach(ctx context.Context, subject Subject, by Registration, document []byte) (oci.Digest, error) {
	if len(document) == 0 || len(document) > MaxDocument || !json.Valid(document) {
		return "", ErrTooMany.Saying("the scanner's document has %d bytes, or is no JSON", len(document))
	}
	config, err := s.Content.Put(ctx, subject.Repo, accessoryType, []byte("{}"))
	if err != nil {
		return "", fmt.Errorf("push the document: %w", err)
	}
	layer, err := s.Content.Put(ctx, subject.Repo, documentType, document)
	if err != nil {
		return "", fmt.Errorf("push the document: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": accessoryType, "config": config, "layers": []oci.Descriptor{layer},
		"subject": oci.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: int64(len(subject.Body))},
		"annotations": map[string]string{
			"created-by": by.Scanner.Name, "org.opencontainers.artifact.created": time.Now().UTC().Format(time.RFC3339),
			"org.opencontainers.artifact.description": "SPDX JSON SBOM",
		},
	})
	if err != nil {
		return "", err
	}
	done, err := s.Content.PushManifest(ctx, subject.Repo, registry.PushRequest{MediaType: oci.MediaTypeImageManifest, Body: body})
	if err != nil {
		return "", fmt.Errorf("push the document: %w", err)
	}
	return done.Digest, s.removeOld(ctx, subject, by, done.Digest)
}

// removeOld deletes the document that was made of an image before.
func (s *Service) removeOld(ctx context.Context, subject Subject, by Registration, now oci.Digest) error {
	reports, err := s.Store.Reports(ctx, by.UUID, []int64{subject.ID})
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Kind != SBOM || r.SBOM == "" || r.SBOM == now {
			continue
		}
		err := s.Content.DeleteArtifact(ctx, subject.Repo, oci.Reference{Digest: r.SBOM})
		if err != nil && !fault.OfKind(err, fault.NotFound) {
			return errors.Join(err, errors.New("the document that was made before is still there"))
		}
	}
	return nil
}
