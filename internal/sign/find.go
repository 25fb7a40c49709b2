package sign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// A list is the part of a manifest that lists what it is made of. Layers of one
// digest may come with several signatures.
type list struct {
	ArtifactType string           `json:"artifactType"`
	Config       oci.Descriptor   `json:"config"`
	Layers       []oci.Descriptor `json:"layers"`
}

// find tells of at most n signatures that are in an accessory, one after the other,
// so that they are not all in memory, and reports whether there are more. What it
// cannot make out is one that is wrong. Its error is the server's own.
func (s *Service) find(ctx context.Context, repo artifact.Repo, f Stored, n int, tell func(candidate)) (more bool, err error) {
	l, err := s.list(ctx, repo, f.Digest)
	if err != nil {
		c, err := wrong(f.signature(), err)
		if err == nil {
			tell(c)
		}
		return false, err
	}
	told := 0
	for _, layer := range l.Layers {
		form, ok := formOf(f.Type, layer.MediaType)
		if !ok {
			continue
		}
		if told == n {
			return true, nil
		}
		of := f.signature()
		of.Form, of.Digest = form, layer.Digest
		c, err := s.read(ctx, repo, of, layer)
		if err != nil {
			return false, err
		}
		if form == Notary && len(l.Layers) != 1 {
			c.wrong = errors.New("there must be one envelope in it, and nothing else")
		}
		tell(c)
		told++
	}
	if told == 0 {
		tell(candidate{Signature: f.signature(), wrong: errors.New("there is no signature in it of a known form")})
	}
	return false, nil
}

// signature is what is known of one before it is looked at.
func (f Stored) signature() Signature {
	s := Signature{Type: f.Type, Artifact: f.Digest, Form: Cosign}
	if f.Type == artifact.SignatureNotation {
		s.Form = Notary
	}
	return s
}

// formOf returns the form of a signature that a layer of a media type is.
func formOf(kind, mediaType string) (Form, bool) {
	switch {
	case kind == artifact.SignatureNotation:
		return Notary, envelopes[mediaType]
	case mediaType == mediaTypePayload:
		return Cosign, true
	case mediaType == mediaTypeBundle:
		return Bundle, true
	}
	return "", false
}

// list returns what an accessory's manifest lists.
func (s *Service) list(ctx context.Context, repo artifact.Repo, d oci.Digest) (l list, err error) {
	a, body, err := s.artifacts.Find(ctx, repo.Name, oci.Reference{Digest: d}, true)
	switch {
	case err != nil:
		return l, err
	case a.Size > maxManifest || len(body) > maxManifest:
		return l, errTooLarge.With("its manifest may have at most %d bytes", maxManifest)
	}
	if json.Unmarshal(body, &l) != nil {
		return l, errUnreadable
	}
	return l, nil
}

// Why something is no signature.
var (
	errTooLarge   = fault.New(fault.TooLarge, "SIZE_INVALID", "it is too large")
	errUnreadable = fault.New(fault.Invalid, "MANIFEST_INVALID", "its manifest cannot be read")
	errBroken     = fault.New(fault.Internal, "UNKNOWN", "its content is not what its digest says")
)

// read reads a signature that a layer is.
func (s *Service) read(ctx context.Context, repo artifact.Repo, of Signature, layer oci.Descriptor) (candidate, error) {
	content, err := s.content(ctx, repo, layer)
	if err != nil {
		return wrong(of, err)
	}
	return parsed(of, layer, content), nil
}

// parsed returns a signature as it can be verified. A library that panics has not
// understood it.
func parsed(of Signature, layer oci.Descriptor, content []byte) (c candidate) {
	c.Signature = of
	defer func() {
		if r := recover(); r != nil {
			c.check, c.wrong = nil, errors.New("it cannot be understood")
		}
	}()
	switch of.Form {
	case Cosign:
		var s *simple
		s, c.wrong = readSimple(layer, content)
		c.check = sigstored{s}
	case Bundle:
		var b bundled
		b, c.wrong = readBundle(content)
		c.check = sigstored{b}
	case Notary:
		c.check = notarized{content, layer.MediaType}
	}
	return c
}

// wrong returns something that is no signature for a reason that may be told. Any
// other reason is an error.
func wrong(of Signature, why error) (candidate, error) {
	var f *fault.Fault
	if !errors.As(why, &f) {
		return candidate{}, why
	}
	return candidate{Signature: of, wrong: errors.New(f.Message)}, nil
}

// content returns what a descriptor is of, as the repository itself has it. What
// else a manifest says of where to find it is not followed.
func (s *Service) content(ctx context.Context, repo artifact.Repo, of oci.Descriptor) ([]byte, error) {
	if of.Size > maxSigned {
		return nil, errTooLarge.With("at most %d bytes", maxSigned)
	}
	d, err := oci.ParseDigest(string(of.Digest))
	if err != nil {
		return nil, errUnreadable
	}
	r, err := s.open(ctx, repo, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > maxSigned {
		return nil, errTooLarge.With("at most %d bytes", maxSigned)
	}
	content, err := io.ReadAll(io.LimitReader(r, maxSigned))
	switch {
	case err != nil:
		return nil, fmt.Errorf("signature %s: %w", d, err)
	case oci.Sum(d.Algorithm(), content) != d:
		return nil, errBroken
	}
	return content, nil
}
