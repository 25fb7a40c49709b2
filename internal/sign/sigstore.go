package sign

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/berth-registry/berth/internal/artifact"
)

// A form is a signature of Sigstore's tools, in one of its forms.
type form interface {
	// entity returns the signature as the library takes it: by a key, or else with
	// its certificate. It returns why it is not signed so.
	entity(byKey bool) (verify.SignedEntity, error)
	// over is what the signature must be of.
	over(of artifact.Artifact) verify.ArtifactPolicyOption
	// says returns why what was signed is no signature of the artifact. It is asked
	// where the signature holds.
	says(of artifact.Artifact) error
}

// A sigstored is a signature of Sigstore's tools.
type sigstored struct{ form }

// fits is check's.
func (s sigstored) fits(m material) bool { return m.Kind != Notation }

// verify is check's.
func (s sigstored) verify(_ context.Context, m material, of artifact.Artifact) (by outcome, err error) {
	if m.Kind == Key {
		by, err = s.byKey(m, of)
	} else {
		by, err = s.byCertificate(m, of)
	}
	if err != nil {
		return outcome{}, err
	}
	return by, s.says(of)
}

// byKey tries the key with each hash that signers use with it.
func (s sigstored) byKey(m material, of artifact.Artifact) (outcome, error) {
	entity, err := s.entity(true)
	if err != nil {
		return outcome{}, err
	}
	verifiers, err := verifiersOf(m.key)
	if err != nil {
		return outcome{}, err
	}
	for _, v := range verifiers {
		by, err := verify.NewVerifier(&oneKey{verifier: v}, verify.WithNoObserverTimestamps())
		if err != nil {
			return outcome{}, err
		}
		if _, err := by.Verify(entity, verify.NewPolicy(s.over(of), verify.WithKey())); err == nil {
			return outcome{signer: Signer{Fingerprint: m.fingerprint}}, nil
		}
	}
	return outcome{}, errors.New("it was not made with this key, or is of something else")
}

// verifiersOf returns what verifies signatures of a key. Only what the key is
// decides how they are verified, never what a signature says of itself.
func verifiersOf(key crypto.PublicKey) ([]signature.Verifier, error) {
	hashes := []crypto.Hash{crypto.SHA256}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P384() { // with SHA-256 by older signers
			hashes = []crypto.Hash{crypto.SHA384, crypto.SHA256}
		}
	case ed25519.PublicKey:
		pure, err := signature.LoadED25519Verifier(k)
		if err != nil {
			return nil, err
		}
		hashed, err := signature.LoadED25519phVerifier(k)
		return []signature.Verifier{pure, hashed}, err
	}
	var all []signature.Verifier
	for _, h := range hashes {
		v, err := signature.LoadVerifier(key, h)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// oneKey trusts one key, however a signature calls it.
type oneKey struct {
	root.BaseTrustedMaterial
	verifier signature.Verifier
}

// PublicKeyVerifier implements root.TrustedMaterial.
func (k *oneKey) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return root.NewExpiringKey(k.verifier, time.Time{}, time.Time{}), nil
}

// byCertificate wants a certificate that was good when it was signed, as somebody
// trusted says who saw it; where nobody is trusted with that, it must be good now.
func (s sigstored) byCertificate(m material, of artifact.Artifact) (outcome, error) {
	entity, err := s.entity(false)
	if err != nil {
		return outcome{}, err
	}
	options, err := timing(m, entity)
	if err != nil {
		return outcome{}, err
	}
	v, err := verify.NewVerifier(m.sigstore, append(options, verify.WithoutStatementPredicate())...)
	if err != nil {
		return outcome{}, err
	}
	// Who signed is judged below, by rules that have no regular expressions.
	done, err := v.Verify(entity, verify.NewPolicy(s.over(of), verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return outcome{}, err
	}
	if done.Signature == nil || done.Signature.Certificate == nil {
		return outcome{}, errors.New("it has no certificate")
	}
	who := done.Signature.Certificate
	if !allows(m.Identities, who.Issuer, who.SubjectAlternativeName) {
		return outcome{}, fmt.Errorf("it was signed by %.200q of %.200q, who is not trusted", who.SubjectAlternativeName, who.Issuer)
	}
	by := outcome{signer: Signer{Subject: who.SubjectAlternativeName, Issuer: who.Issuer}}
	if by.signer.Issuer == "" {
		by.signer.Issuer = who.CertificateIssuer
	}
	if by.signer.Fingerprint, err = fingerprintOf(entity); err != nil {
		return outcome{}, err
	}
	if now := m.Kind == Authority && !stamped(m, entity); !now && len(done.VerifiedTimestamps) > 0 {
		by.at = done.VerifiedTimestamps[0].Timestamp
	}
	return by, nil
}

// timing says by whom a certificate's time is told.
func timing(m material, entity verify.SignedEntity) ([]verify.VerifierOption, error) {
	if m.Kind == Authority {
		if stamped(m, entity) {
			return []verify.VerifierOption{verify.WithSignedTimestamps(1)}, nil
		}
		return []verify.VerifierOption{verify.WithCurrentTime()}, nil
	}
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(m.sigstore.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(m.sigstore.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	return options, nil
}

// stamped reports whether a signature has timestamps, and somebody is trusted
// with some.
func stamped(m material, entity verify.SignedEntity) bool {
	if len(m.sigstore.TimestampingAuthorities()) == 0 {
		return false
	}
	have, err := entity.Timestamps()
	return err == nil && len(have) > 0
}

func fingerprintOf(entity verify.SignedEntity) (string, error) {
	content, err := entity.VerificationContent()
	if err != nil {
		return "", err
	}
	c := content.Certificate()
	if c == nil {
		return "", errors.New("it has no certificate")
	}
	return certified(c), nil
}

// certified is the fingerprint of a certificate.
func certified(c *x509.Certificate) string { return fingerprint(c.Raw) }

// fingerprint is the SHA-256 of a key or certificate, as its DER has it.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
