package sign

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/result"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-registry/berth/internal/artifact"
)

// envelopes are the media types of what the Notary Project signs with.
var envelopes = map[string]bool{"application/jose+json": true, "application/cose": true}

// ofTrust is what the one policy, and the certificates that it names, are called
// among themselves.
const ofTrust = "trust"

// newNotation returns what verifies signatures by an entry: everything that the
// Notary Project's strict level does but to ask whether a certificate was revoked.
// It has no plugins; what needs some is not verified.
func newNotation(e Entry) (notation.Verifier, error) {
	signing, err := certificates("content", e.Content)
	if err != nil {
		return nil, err
	}
	for i, c := range signing {
		if !c.IsCA && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			return nil, fmt.Errorf("content: the certificate %d must be one of an authority, or have signed itself", i+1)
		}
	}
	have, stores := known{truststore.TypeCA: signing}, []string{string(truststore.TypeCA) + ":" + ofTrust}
	if e.Timestamps != "" {
		if have[truststore.TypeTSA], err = certificates("timestamps", e.Timestamps); err != nil {
			return nil, err
		}
		stores = append(stores, string(truststore.TypeTSA)+":"+ofTrust)
	}
	var identities []string
	for _, id := range e.Identities {
		who := id.Subject
		if who != "*" {
			who = "x509.subject:" + who
		}
		identities = append(identities, who)
	}
	policy := trustpolicy.TrustPolicy{
		Name: ofTrust, RegistryScopes: []string{"*"}, TrustStores: stores, TrustedIdentities: identities,
		SignatureVerification: trustpolicy.SignatureVerification{
			VerificationLevel: trustpolicy.LevelStrict.Name,
			Override:          map[trustpolicy.ValidationType]trustpolicy.ValidationAction{trustpolicy.TypeRevocation: trustpolicy.ActionSkip},
			VerifyTimestamp:   trustpolicy.OptionAfterCertExpiry,
		},
	}
	document := &trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{policy}}
	if err := document.Validate(); err != nil {
		return nil, fmt.Errorf("identities: a subject must be a distinguished name with C, ST and O, or *: %w", err)
	}
	return verifier.NewWithOptions(document, have, nil, verifier.VerifierOptions{RevocationCodeSigningValidator: offline{}, RevocationTimestampingValidator: offline{}})
}

// known are the certificates of an entry, by what they are for.
type known map[truststore.Type][]*x509.Certificate

// GetCertificates implements truststore.X509TrustStore.
func (k known) GetCertificates(_ context.Context, kind truststore.Type, _ string) ([]*x509.Certificate, error) {
	return k[kind], nil
}

// offline asks nobody whether certificates were revoked.
type offline struct{}

// ValidateContext implements revocation.Validator.
func (offline) ValidateContext(_ context.Context, of revocation.ValidateContextOptions) ([]*result.CertRevocationResult, error) {
	all := make([]*result.CertRevocationResult, len(of.CertChain))
	for i := range all {
		all[i] = &result.CertRevocationResult{Result: result.ResultNonRevokable, ServerResults: []*result.ServerResult{{Result: result.ResultNonRevokable}}}
	}
	return all, nil
}

// A notarized is a signature in an envelope of the Notary Project.
type notarized struct {
	envelope  []byte
	mediaType string
}

func (notarized) fits(m material) bool { return m.Kind == Notation }

func (n notarized) verify(ctx context.Context, m material, of artifact.Artifact) (outcome, error) {
	if len(n.envelope) == 0 {
		return outcome{}, errors.New("the envelope is empty")
	}
	target := ocispec.Descriptor{MediaType: of.MediaType, Digest: digest.Digest(of.Digest), Size: of.Size}
	done, err := m.notation.Verify(ctx, target, n.envelope, notation.VerifierVerifyOptions{
		ArtifactReference: "localhost/" + ofTrust + "@" + string(of.Digest), SignatureMediaType: n.mediaType,
	})
	switch {
	case err != nil:
		return outcome{}, err
	case done == nil || done.Error != nil || done.EnvelopeContent == nil:
		return outcome{}, errors.New("it was not verified")
	}
	for _, r := range done.VerificationResults {
		if r.Error != nil {
			return outcome{}, r.Error
		}
	}
	return outcomeOf(done.EnvelopeContent.SignerInfo)
}

// outcomeOf says who made a signature that holds. One that asks for more to be
// understood than is understood here is none.
func outcomeOf(by signature.SignerInfo) (outcome, error) {
	if by.SignedAttributes.SigningScheme != signature.SigningSchemeX509 {
		return outcome{}, fmt.Errorf("it is of the scheme %.80q, which is not known", by.SignedAttributes.SigningScheme)
	}
	for _, a := range by.SignedAttributes.ExtendedAttributes {
		if a.Critical {
			return outcome{}, fmt.Errorf("it asks for %.80q to be understood, which is not known", fmt.Sprint(a.Key))
		}
	}
	if len(by.CertificateChain) == 0 {
		return outcome{}, errors.New("it has no certificate")
	}
	c := by.CertificateChain[0]
	return outcome{
		signer: Signer{Subject: c.Subject.String(), Issuer: c.Issuer.String(), Fingerprint: certified(c)}, at: by.SignedAttributes.SigningTime,
	}, nil
}
