package scan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sbom"
)

const (
	// accessoryType says that an artifact is a document that was made here.
	accessoryType = "application/vnd.goharbor.harbor.sbom.v1"
	// MaxDocument is how many bytes one may have: as many as are shown.
	MaxDocument = 32 << 20
)

// described is what an accessory says of the document that it is.
var described = map[sbom.Format]string{sbom.SPDX: "SPDX JSON SBOM", sbom.CycloneDX: "CycloneDX JSON SBOM"}

// attach pushes a document as an accessory of its subject, in the place of the one
// that was made before, and returns its digest.
func (s *Service) attach(ctx context.Context, subject Subject, by Registration, f sbom.Format, document []byte) (oci.Digest, error) {
	if len(document) == 0 || len(document) > MaxDocument || !json.Valid(document) {
		return "", ErrTooMany.Saying("the scanner's document has %d bytes, or is no JSON", len(document))
	}
	config, err := s.Content.Put(ctx, subject.Repo, accessoryType, []byte("{}"))
	if err != nil {
		return "", fmt.Errorf("push the document: %w", err)
	}
	layer, err := s.Content.Put(ctx, subject.Repo, string(f), document)
	if err != nil {
		return "", fmt.Errorf("push the document: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": accessoryType, "config": config, "layers": []oci.Descriptor{layer},
		"subject": oci.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: int64(len(subject.Body))},
		"annotations": map[string]string{
			"created-by": by.Scanner.Name, "org.opencontainers.artifact.created": time.Now().UTC().Format(time.RFC3339),
			"org.opencontainers.artifact.description": described[f],
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

// Document returns what a document that was made here lists in another format, from
// what the project's scanner keeps of the image. Where too little is known of that, or
// the document is somebody else's, it returns false.
func (s *Service) Document(ctx context.Context, repo artifact.Repo, ref oci.Reference, f sbom.Format) (document []byte, known bool, err error) {
	a, body, err := s.Artifacts.Find(ctx, repo.Name, ref, true)
	if err != nil {
		return nil, false, err
	}
	m, err := oci.ParseManifest(a.MediaType, body)
	if err != nil || m.Subject == nil {
		return nil, false, err
	}
	reports, err := s.reportsOf(ctx, repo, oci.Reference{Digest: m.Subject.Digest})
	if fault.OfKind(err, fault.NotFound) {
		return nil, false, nil // of an image that is not here
	}
	if err != nil {
		return nil, false, err
	}
	at := slices.IndexFunc(reports, func(r Shown) bool { return r.Kind == SBOM && r.SBOM == a.Digest })
	if at < 0 {
		return nil, false, nil
	}
	by, err := s.Scanners.Of(ctx, repo.ProjectID)
	if err != nil {
		return nil, false, err
	}
	scanner, err := s.Scanners.Open(ctx, by)
	if err != nil {
		return nil, false, err
	}
	subject, err := s.Store.Subject(ctx, reports[at].Artifact)
	if err != nil {
		return nil, false, err
	}
	return scanner.SBOMAgain(ctx, subject, f, reports[at].Made)
}
