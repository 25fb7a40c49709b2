package vex

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
)

// IsPredicate reports whether an in-toto statement of a type of predicate is an
// OpenVEX document.
func IsPredicate(predicateType string) bool {
	return predicateType == namespace || strings.HasPrefix(predicateType, namespace+"/")
}

// namespace is that of OpenVEX.
const namespace = "https://openvex.dev/ns"

// An attestation is a statement of in-toto's.
type attestation struct {
	Type    string `json:"_type"`
	Subject []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

// An envelope is DSSE's. Who has signed it is not looked at.
type envelope struct {
	PayloadType string `json:"payloadType"`
	Payload     string `json:"payload"`
}

// unwrap returns what is in an envelope, by itself or in a bundle, and all else as it
// is.
func unwrap(text []byte) (payload []byte, enveloped bool, err error) {
	var w struct {
		envelope

		Bundled *envelope `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, false, ErrInvalid.With("%v", err)
	}
	e := w.envelope
	if w.Bundled != nil {
		e = *w.Bundled
	} else if e.PayloadType == "" {
		return text, false, nil
	}
	if e.PayloadType != MediaTypeStatement {
		return nil, true, ErrInvalid.With("the envelope has no in-toto statement: %.80q", e.PayloadType)
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} { // as it likes (DSSE, protocol)
		if payload, err = encoding.DecodeString(e.Payload); err == nil {
			return payload, true, nil
		}
	}
	return nil, true, ErrInvalid.With("what is in the envelope is no base64")
}

// parseAttestation reads a statement with a document.
func parseAttestation(text []byte) (Document, error) {
	var a attestation
	if err := json.Unmarshal(text, &a); err != nil {
		return Document{}, ErrInvalid.With("%v", err)
	}
	if !strings.HasPrefix(a.Type, "https://in-toto.io/Statement/") || !IsPredicate(a.PredicateType) {
		return Document{}, ErrInvalid.With("it is a statement of %.80q about something else: %.80q", a.Type, a.PredicateType)
	}
	d, err := parse(a.Predicate)
	if err != nil {
		return d, err
	}
	for _, s := range a.Subject {
		for algorithm, hash := range s.Digest {
			if digest, err := oci.ParseDigest(algorithm + ":" + hash); err == nil {
				d.Subjects = append(d.Subjects, digest)
			}
		}
	}
	if len(d.Subjects) == 0 {
		return Document{}, ErrInvalid.With("the statement is about nothing that has a digest")
	}
	return d, nil
}
