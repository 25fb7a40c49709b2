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

// find returns at most n signatures that are in an accessory, and whether there
// are more. What it cannot make out is one that is wrong. Its error is the
// server's own.
func (s *Service) find(ctx context.Context, repo artifact.Repo, f Stored, n int) (all []candidate, more bool, err error) {
	of := Signature{Type: f.Type, Artifact: f.Digest, Form: Cosign}
	if f.Type == artifact.SignatureNotation {
		of.Form = Notary
	}
	l, err := s.list(ctx, repo, f.Digest)
	if err != nil {
		c, err := wrong(of, err)
		return []candidate{c}, false, err
	}
	for _, layer := range l.Layers {
		form, ok := formOf(f.Type, layer.MediaType)
		if !ok {
			continue
		}
		if len(all) == n {
			return all, true, nil
		}
		of.Form, of.Digest = form, layer.Digest
		c, err := s.read(ctx, repo, of, layer)
		if err != nil {
			return nil, false, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		of.Digest = ""
		return []candidate{{Signature: of, wrong: errors.New("there is no signature in it of a known form")}}, false, nil
	}
	if f.Type == artifact.SignatureNotation && len(l.Layers) != 1 {
		for i := range all {
			all[i].wrong = errors.New("there must be one envelope in it, and nothing else")
		}
	}
	return all, false, nil
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
	limit := int64(maxEnvelope)
	if of.Form == Cosign {
		limit = maxPayload
	}
	content, err := s.content(ctx, repo, layer, limit)
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
func (s *Service) content(ctx context.Context, repo artifact.Repo, of oci.Descriptor, limit int64) ([]byte, error) {
	if of.Size > limit {
		return nil, errTooLarge.With("at most %d bytes", limit)
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
	if r.Size() > limit {
		return nil, errTooLarge.With("at most %d bytes", limit)
	}
	content, err := io.ReadAll(io.LimitReader(r, limit))
	switch {
	case err != nil:
		return nil, fmt.Errorf("signature %s: %w", d, err)
	case oci.Sum(d.Algorithm(), content) != d:
		return nil, errBroken
	}
	return content, nil
}
