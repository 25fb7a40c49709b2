package sign

import (
	"encoding/hex"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	mediaTypeBundle  = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadStatement = "application/vnd.in-toto+json"

	// predicateSigned is what a statement says that is a signature, and nothing
	// else about what it is of.
	predicateSigned = "https://sigstore.dev/cosign/sign/v1"
)

// statements are the types of statements that are understood.
var statements = map[string]bool{"https://in-toto.io/Statement/v0.1": true, "https://in-toto.io/Statement/v1": true}

// A bundled is a signature as a bundle of Sigstore's.
type bundled struct{ *bundle.Bundle }

func readBundle(text []byte) (b bundled, err error) {
	if len(text) == 0 {
		return b, errors.New("the bundle is empty")
	}
	b.Bundle = new(bundle.Bundle)
	if err := b.UnmarshalJSON(text); err != nil {
		return b, errors.New("the bundle cannot be read")
	}
	return b, nil
}

// entity implements form.
func (b bundled) entity(byKey bool) (verify.SignedEntity, error) {
	_, keyed := b.GetVerificationMaterial().GetContent().(*protobundle.VerificationMaterial_PublicKey)
	switch {
	case byKey && !keyed:
		return nil, errors.New("it was made with a certificate")
	case !byKey && keyed:
		return nil, errors.New("it was made with a key, and has no certificate")
	}
	return b, nil
}

// Version implements verify.SignedEntity. None lets the library take no hashes
// but those that belong to a key; which version it is was checked before.
func (b bundled) Version() (string, error) { return "", nil }

// Timestamps implements verify.SignedEntity.
func (b bundled) Timestamps() ([][]byte, error) {
	all, err := b.Bundle.Timestamps()
	for _, stamp := range all {
		if len(stamp) > maxTimestamp {
			return nil, errors.New("its timestamps cannot be read")
		}
	}
	return all, err
}

// over implements form.
func (b bundled) over(of artifact.Artifact) verify.ArtifactPolicyOption {
	return withDigest(of.Digest)
}

func withDigest(d oci.Digest) verify.ArtifactPolicyOption {
	sum, err := hex.DecodeString(d.Hex())
	if err != nil {
		return func(*verify.PolicyConfig) error { return fmt.Errorf("digest %s: %w", d, err) }
	}
	return verify.WithArtifactDigest(string(d.Algorithm()), sum)
}

// says implements form. Attestations are signed as signatures are, and say
// something else.
func (b bundled) says(artifact.Artifact) error {
	envelope, err := b.Envelope()
	if err != nil { // it is of the manifest itself
		if b.GetMessageSignature() == nil {
			return errors.New("the bundle has no signature")
		}
		return nil
	}
	statement, err := envelope.Statement()
	switch {
	case envelope.RawEnvelope().PayloadType != payloadStatement || err != nil || !statements[statement.GetType()]:
		return errors.New("what was signed cannot be read")
	case statement.GetPredicateType() != predicateSigned:
		return fmt.Errorf("it is an attestation, and no signature: it says %.200q", statement.GetPredicateType())
	}
	return nil
}
