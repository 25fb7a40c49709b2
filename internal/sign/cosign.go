package sign

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"time"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

// What cosign writes beside a payload, as annotations of its layer.
const (
	mediaTypePayload = "application/vnd.dev.cosign.simplesigning.v1+json"

	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationChain       = "dev.sigstore.cosign/chain"
	annotationLog         = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"

	cosignType = "cosign container image signature"
)

// A simple is a signature of cosign over a payload that names an image.
type simple struct {
	payload, signature []byte

	certificate *x509.Certificate // nil: there is none
	between     []*x509.Certificate
	entries     []*tlog.Entry
	timestamps  [][]byte
}

// readSimple reads what the annotations of a layer say of its payload.
func readSimple(l oci.Descriptor, payload []byte) (s *simple, err error) {
	s = &simple{payload: payload}
	if len(payload) == 0 {
		return nil, errors.New("what was signed is empty")
	}
	if s.signature, err = base64.StdEncoding.DecodeString(l.Annotations[annotationSignature]); err != nil || len(s.signature) == 0 {
		return nil, errors.New("there is no signature beside what was signed")
	}
	if text := l.Annotations[annotationCertificate]; text != "" {
		certs, err := embedded(text)
		if err != nil {
			return nil, err
		}
		s.certificate = certs[0]
	}
	if text := l.Annotations[annotationChain]; text != "" {
		if s.between, err = embedded(text); err != nil {
			return nil, err
		}
	}
	if text := l.Annotations[annotationLog]; text != "" {
		entry, err := readEntry(text)
		if err != nil {
			return nil, err
		}
		s.entries = []*tlog.Entry{entry}
	}
	if text := l.Annotations[annotationTimestamp]; text != "" {
		var stamp struct{ SignedRFC3161Timestamp []byte }
		if json.Unmarshal([]byte(text), &stamp) != nil || len(stamp.SignedRFC3161Timestamp) == 0 || len(stamp.SignedRFC3161Timestamp) > maxTimestamp {
			return nil, errors.New("its timestamp cannot be read")
		}
		s.timestamps = [][]byte{stamp.SignedRFC3161Timestamp}
	}
	return s, nil
}

// embedded returns certificates that came with a signature. They prove nothing by
// themselves.
func embedded(text string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := []byte(text); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil || len(all) == maxCertificates {
			return nil, errors.New("its certificates cannot be read")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("its certificates cannot be read")
	}
	return all, nil
}

// readEntry reads the promise of a log to have an entry.
func readEntry(text string) (*tlog.Entry, error) {
	var kept struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body                     []byte
			IntegratedTime, LogIndex int64
			LogID                    string
		}
	}
	var kind struct{ Kind, APIVersion string }
	unreadable := errors.New("the entry of a log that came with it cannot be read")
	if json.Unmarshal([]byte(text), &kept) != nil || len(kept.SignedEntryTimestamp) == 0 || json.Unmarshal(kept.Payload.Body, &kind) != nil {
		return nil, unreadable
	}
	id, err := hex.DecodeString(kept.Payload.LogID)
	if err != nil {
		return nil, unreadable
	}
	entry, err := tlog.ParseTransparencyLogEntry(&rekor.TransparencyLogEntry{
		LogIndex: kept.Payload.LogIndex, LogId: &common.LogId{KeyId: id}, IntegratedTime: kept.Payload.IntegratedTime,
		KindVersion:       &rekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion},
		InclusionPromise:  &rekor.InclusionPromise{SignedEntryTimestamp: kept.SignedEntryTimestamp},
		CanonicalizedBody: kept.Payload.Body,
	})
	if err != nil {
		return nil, unreadable
	}
	return entry, nil
}

// entity implements form.
func (s *simple) entity(byKey bool) (verify.SignedEntity, error) {
	if byKey {
		return &simpleEntity{simple: s, by: new(keyed)}, nil
	}
	if s.certificate == nil {
		return nil, errors.New("it was made with a key, and has no certificate")
	}
	return &simpleEntity{simple: s, by: certificated{bundle.NewCertificate(s.certificate), s.between}}, nil
}

// over implements form.
func (s *simple) over(artifact.Artifact) verify.ArtifactPolicyOption {
	return verify.WithArtifact(bytes.NewReader(s.payload))
}

// says implements form.
func (s *simple) says(of artifact.Artifact) error {
	var p struct {
		Critical struct {
			Type  string `json:"type"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	switch err := json.Unmarshal(s.payload, &p); {
	case err != nil:
		return errors.New("what was signed cannot be read")
	case p.Critical.Type != cosignType:
		return errors.New("what was signed is no signature of an image: its critical.type is another one")
	case p.Critical.Image.Digest == "" || p.Critical.Image.Digest != string(of.Digest):
		return errors.New("it is a signature of another image")
	}
	return nil
}

// A simpleEntity is a simple as the library takes it.
type simpleEntity struct {
	verify.BaseSignedEntity
	*simple
	by verify.VerificationContent
}

// VerificationContent implements verify.SignedEntity.
func (e *simpleEntity) VerificationContent() (verify.VerificationContent, error) { return e.by, nil }

// SignatureContent implements verify.SignedEntity.
func (e *simpleEntity) SignatureContent() (verify.SignatureContent, error) {
	sum := sha256.Sum256(e.payload)
	return bundle.NewMessageSignature(sum[:], common.HashAlgorithm_SHA2_256.String(), e.signature), nil
}

// HasInclusionPromise implements verify.SignedEntity.
func (e *simpleEntity) HasInclusionPromise() bool { return len(e.entries) > 0 }

// TlogEntries implements verify.SignedEntity.
func (e *simpleEntity) TlogEntries() ([]*tlog.Entry, error) { return e.entries, nil }

// Timestamps implements verify.SignedEntity.
func (e *simpleEntity) Timestamps() ([][]byte, error) { return e.timestamps, nil }

// Version implements verify.SignedEntity. None lets the library take no hashes
// but those that belong to a key.
func (e *simpleEntity) Version() (string, error) { return "", nil }

// certificated adds what came with a certificate to it.
type certificated struct {
	verify.VerificationContent
	between []*x509.Certificate
}

// Intermediates implements verify.VerificationContent.
func (c certificated) Intermediates() []*x509.Certificate { return c.between }

// keyed is the content of a signature that was made with the key that is trusted.
type keyed struct{}

// CompareKey implements verify.VerificationContent.
func (*keyed) CompareKey(any, root.TrustedMaterial) bool { return false }

// ValidAtTime implements verify.VerificationContent.
func (*keyed) ValidAtTime(time.Time, root.TrustedMaterial) bool { return true }

// Certificate implements verify.VerificationContent.
func (*keyed) Certificate() *x509.Certificate { return nil }

// Intermediates implements verify.VerificationContent.
func (*keyed) Intermediates() []*x509.Certificate { return nil }

// PublicKey implements verify.VerificationContent.
func (k *keyed) PublicKey() verify.PublicKeyProvider { return k }

// Hint implements verify.PublicKeyProvider.
func (*keyed) Hint() string { return "" }
