package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/vex"
)

// What is looked at of what is said of an image, the oldest first.
const (
	mostSaid    = 50  // VEX documents, of the image and of its indexes
	mostBundles = 200 // of an image or an index, of all that may have such a document in it, of each kind
	mostIndexes = 10  // that an image is in
)

// carriers are the types of artifacts whose layer is a VEX document, or may have one
// in it.
var carriers = []string{vex.MediaType, vex.MediaTypeCSAF, vex.MediaTypeStatement, vex.MediaTypeEnvelope, vex.MediaTypeBundle}

// Annotations by which cosign says what an attestation is of: of a layer, and of the
// manifest of a bundle.
const (
	annotationPredicate = "predicateType"
	annotationBundled   = "dev.sigstore.bundle.predicateType"
	annotationContent   = "dev.sigstore.bundle.content"
)

// attested is the tag under which cosign keeps attestations of an image where it uses
// no referrers. Each is a layer.
var attested = regexp.MustCompile(`^sha256-([0-9a-f]{64})\.att$`)

// signed is the tag under which it keeps signatures so.
var signed = regexp.MustCompile(`^sha256-([0-9a-f]{64})\.sig$`)

// mayTell reports whether an artifact or a layer may be, or have in it, a VEX document,
// by its annotations: what says that it is something else is not read.
func mayTell(annotations map[string]string) bool {
	for _, key := range []string{annotationPredicate, annotationBundled} {
		if t := annotations[key]; t != "" {
			return vex.IsPredicate(t)
		}
	}
	c := annotations[annotationContent]
	return c == "" || c == "dsse-envelope"
}

// said returns what VEX documents say that are attached to an image, or to an index
// that it is in, and what they are to be held against. One that cannot be read says
// nothing.
func (b *Builtin) said(ctx context.Context, s Subject, log Log) (docs []vex.Document, about vex.Subject, err error) {
	indexes, err := b.Indexes(ctx, s.ID, mostIndexes)
	if err != nil {
		return nil, about, err
	}
	about = vex.Subject{Digests: append([]oci.Digest{s.Digest}, indexes...), Repositories: []string{s.Name}}
	for _, of := range about.Digests {
		layers, err := b.attached(ctx, s, of, log)
		if err != nil {
			return nil, about, fmt.Errorf("VEX documents: %w", err)
		}
		for _, l := range layers {
			if len(docs) == mostSaid {
				log("there are more than %d VEX documents: the rest says nothing", mostSaid)
				return docs, about, nil
			}
			doc, err := b.document(ctx, s, l)
			if ctx.Err() != nil {
				return nil, about, ctx.Err()
			}
			if err != nil {
				log("VEX document %s of %s says nothing: %v", l.Digest, of, err)
				continue
			}
			if of != s.Digest {
				doc = doc.Naming(about)
			}
			log("VEX document %s of %s, by %q, has %d statements", l.Digest, of, doc.Author, len(doc.Statements))
			docs = append(docs, doc)
		}
	}
	return docs, about, nil
}

// attached returns the layers of what is attached to an image or an index that may be
// VEX documents.
func (b *Builtin) attached(ctx context.Context, s Subject, of oci.Digest, log Log) (layers []oci.Descriptor, err error) {
	for _, carrier := range carriers {
		most := mostBundles
		if carrier == vex.MediaType || carrier == vex.MediaTypeCSAF {
			most = mostSaid
		}
		all, err := b.Library.Referrers(ctx, s.Name, of, carrier, 0, most)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			var d oci.Descriptor
			if err := json.Unmarshal(r.Descriptor, &d); err != nil {
				return nil, err
			}
			if !mayTell(d.Annotations) || len(layers) > mostSaid {
				continue
			}
			own, err := b.layers(ctx, s, oci.Reference{Digest: d.Digest}, log)
			if err != nil {
				return nil, err
			}
			if len(own) == 1 {
				layers = append(layers, own...)
			}
		}
	}
	if of.Algorithm() != oci.SHA256 {
		return layers, nil
	}
	own, err := b.layers(ctx, s, oci.Reference{Tag: "sha256-" + of.Hex() + ".att"}, log)
	return append(layers, slices.DeleteFunc(own, func(l oci.Descriptor) bool { return l.MediaType != vex.MediaTypeEnvelope || !mayTell(l.Annotations) })...), err
}

// layers returns those of an artifact, and none of one that is gone, has none, or does
// not count.
func (b *Builtin) layers(ctx context.Context, s Subject, ref oci.Reference, log Log) ([]oci.Descriptor, error) {
	a, body, err := b.Library.Find(ctx, s.Name, ref, true)
	if fault.OfKind(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	_, layers, err := oci.Layers(body)
	if err != nil || len(layers) == 0 {
		return nil, nil
	}
	if b.Believed != nil {
		counts, err := b.Believed(ctx, s.Repo, a.Digest)
		if err != nil {
			return nil, err
		}
		if !counts {
			log("%s says nothing: it is not signed by anybody whom the project trusts", a.Digest)
			return nil, nil
		}
	}
	return layers, nil
}

// document reads one.
func (b *Builtin) document(ctx context.Context, s Subject, l oci.Descriptor) (vex.Document, error) {
	r, err := b.Open(ctx, s.Repo, l.Digest)
	if err != nil {
		return vex.Document{}, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, vex.MaxDocument+1))
	if err != nil {
		return vex.Document{}, err
	}
	return vex.Parse(text)
}

// toldOf returns the artifacts of whose vulnerabilities something is said now, or not
// any more: by a VEX document that was pushed or deleted, or by what may have one in it.
func (s *Service) toldOf(ctx context.Context, e event.Event) (in event.Where, of []oci.Digest, err error) {
	var carrier string
	var subject oci.Digest
	var tags []string
	switch f := e.Fact.(type) {
	case event.ArtifactPushed:
		in, carrier, subject, tags = f.Where, f.ArtifactType, oci.Digest(f.Subject), f.Tags
		if subject != "" && slices.Contains(carriers, carrier) {
			tells, err := s.tells(ctx, f)
			if err != nil {
				return in, nil, err
			}
			if !tells { // it may be the signature of what does
				carrier = ""
			}
		}
	case event.ArtifactDeleted:
		in, carrier, subject, tags = f.Where, f.ArtifactType, oci.Digest(f.Subject), f.Tags
	case event.TagDeleted:
		in, tags = f.Where, []string{f.Tag}
	}
	if subject != "" && slices.Contains(carriers, carrier) {
		of = append(of, subject)
	}
	for _, tag := range tags {
		if found := attested.FindStringSubmatch(tag); found != nil {
			of = append(of, oci.Digest("sha256:"+found[1]))
		}
		if found := signed.FindStringSubmatch(tag); found != nil {
			subject = oci.Digest("sha256:" + found[1])
		}
	}
	about, err := s.signedOf(ctx, in, subject)
	if about != "" {
		of = append(of, about)
	}
	return in, of, err
}

// signedOf returns of what an artifact says something that was signed, or is not any
// more, where that matters to its project; of others nothing.
func (s *Service) signedOf(ctx context.Context, in event.Where, d oci.Digest) (about oci.Digest, err error) {
	if d == "" {
		return "", nil
	}
	p, err := s.Projects.ByID(ctx, in.ProjectID)
	if err == nil && p.Metadata[project.MetaSignedVEX] == "true" {
		var a artifact.Artifact
		var body []byte
		if a, body, err = s.Artifacts.Find(ctx, in.Repository, oci.Reference{Digest: d}, true); err == nil {
			m, damaged := oci.ParseManifest(a.MediaType, body)
			if damaged == nil && m.Subject != nil && slices.Contains(carriers, m.ArtifactType) {
				about = m.Subject.Digest
			}
		}
	}
	if fault.OfKind(err, fault.NotFound) {
		return "", nil
	}
	return about, err
}

// tells reports whether what was pushed may say something, as far as it tells what it
// is: signatures come in bundles, too.
func (s *Service) tells(ctx context.Context, f event.ArtifactPushed) (bool, error) {
	_, body, err := s.Artifacts.Find(ctx, f.Repository, oci.Reference{Digest: oci.Digest(f.Digest)}, true)
	if fault.OfKind(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var m struct{ Annotations map[string]string }
	return json.Unmarshal(body, &m) == nil && mayTell(m.Annotations), nil
}

// told has an image examined again of whose vulnerabilities somebody has said
// something, or does not say it any more, if it ever was; and of an index, each such
// image. What is known of its content is enough.
func (s *Service) told(ctx context.Context, id int64, in event.Where, of oci.Digest) error {
	by, images, _, err := s.examinable(ctx, in, string(of))
	if err != nil || len(images) == 0 {
		return err
	}
	ids := make([]int64, len(images))
	for i, image := range images {
		ids[i] = image.ID
	}
	reports, err := s.Store.Reports(ctx, by.UUID, ids)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Kind != Vulnerabilities || r.Made.IsZero() {
			continue
		}
		sub := job.Submission{Trigger: job.ByEvent, Cause: fmt.Sprintf("what is said of %d, event %d", r.Artifact, id)}
		if err := s.begin(ctx, by, Task{Artifact: r.Artifact, Kind: Vulnerabilities, Stored: true}, sub); err != nil {
			return err
		}
	}
	return nil
}
