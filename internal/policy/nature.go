package policy

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

// A manifest is what a nature is known by: the digest is of all that it depends on
// but the media type, by which the manifest came.
type manifest struct {
	digest    oci.Digest
	mediaType string
}

// A nature is what a manifest is by its layers, whatever else it calls itself.
type nature struct {
	runnable bool // a client could unpack an image out of it
	proof    bool // it holds signatures or SBOMs, and nothing else
}

// nature reads a manifest, unless it is known. That of a digest never changes.
func (s *Service) nature(ctx context.Context, id int64, m manifest) (nature, error) {
	if n, known := s.natures.GetIfPresent(m); known {
		return n, nil
	}
	body, err := s.Store.Manifest(ctx, id)
	if err != nil {
		return nature{}, fmt.Errorf("manifest %s: %w", m.digest, err)
	}
	n := nature{oci.Runnable(m.mediaType, body), isProof(body)}
	s.natures.Set(m, n)
	return n, nil
}

// runnable is a Runnable.
func (s *Service) runnable(ctx context.Context, id int64, d oci.Digest, mediaType string) (bool, error) {
	if mediaType != oci.MediaTypeImageManifest && mediaType != oci.MediaTypeDockerManifest {
		return false, nil
	}
	n, err := s.nature(ctx, id, manifest{d, mediaType})
	return n.runnable, err
}

// proofs are the media types of what signatures and SBOMs hold. An accessory that
// holds anything else could be an image that only calls itself one of them.
var proofs = []string{
	"application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/jose+json", "application/cose",
	"application/spdx+json", "text/spdx", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml",
}

// proves reports whether an artifact is a signature or an SBOM, and nothing else.
func (s *Service) proves(ctx context.Context, id int64, d oci.Digest, f Facts) (bool, error) {
	switch f.Accessory {
	case artifact.SignatureCosign, artifact.SignatureNotation, artifact.AccessorySBOM, artifact.AccessoryOther:
		n, err := s.nature(ctx, id, manifest{d, f.MediaType})
		return n.proof, err
	}
	return false, nil
}

func isProof(body []byte) bool {
	_, layers, err := oci.Layers(body)
	return err == nil && len(layers) > 0 && !slices.ContainsFunc(layers, func(l oci.Descriptor) bool { return !slices.Contains(proofs, l.MediaType) })
}
