package remote

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// Referrers returns the descriptors of the artifacts whose subject a digest is, by
// the registry's list or, where it has none, by the tag that stands for one
// (distribution specification, "Referrers Tag Schema"). There are at most 10,000.
func (r *Registry) Referrers(ctx context.Context, repository string, d oci.Digest) (all []oci.Descriptor, err error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return nil, err
	}
	first, err := r.v2(repository, "referrers/"+string(d))
	if err != nil {
		return nil, err
	}
	read := func(body []byte) error {
		m, err := oci.ParseManifest(oci.MediaTypeImageIndex, body)
		if err != nil {
			return ErrAnswer.With("its list of referrers is no index")
		}
		if all = append(all, m.Children...); len(all) > maxReferrers {
			return ErrAnswer.With("it has more than %d referrers", maxReferrers)
		}
		return nil
	}
	header := http.Header{"Accept": {oci.MediaTypeImageIndex}}
	err = r.pages(ctx, first, reading(repository), header, func(answer *http.Response) error {
		defer answer.Body.Close()
		body, err := content(answer, oci.MaxManifest)
		if err != nil {
			return err
		}
		return read(body)
	})
	if fault.OfKind(err, fault.NotFound) || fault.OfKind(err, fault.Unsupported) {
		all = nil
		var m Manifest
		if m, err = r.Manifest(ctx, repository, referrersTag(d)); err == nil {
			err = read(m.Body)
		} else if fault.OfKind(err, fault.NotFound) {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// referrersTag is the tag that stands for the list of referrers.
func referrersTag(d oci.Digest) string {
	return string(d.Algorithm()) + "-" + d.Hex()[:64]
}

// list adds a manifest that refers to another one to the list that a tag stands
// for, as a client does where the registry keeps no such lists (distribution
// specification, "Pushing Manifests with Subject"). Of several programs that do so
// at the same time, the last one counts. It returns ErrAnswer where the tag is no
// list, and ErrRejected where that is full; nothing is written then.
func (r *Registry) list(ctx context.Context, repository string, subject oci.Digest, own oci.Descriptor) error {
	if err := r.listing.hold(ctx); err != nil {
		return err
	}
	defer r.listing.release()
	tag := referrersTag(subject)
	index := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + oci.MediaTypeImageIndex + `"`)}
	var all []json.RawMessage // as others wrote them, with whatever they say
	switch had, err := r.Manifest(ctx, repository, tag); {
	case err == nil:
		known, err := oci.ParseManifest(oci.MediaTypeImageIndex, had.Body)
		if err != nil || json.Unmarshal(had.Body, &index) != nil || index["manifests"] != nil && json.Unmarshal(index["manifests"], &all) != nil {
			return ErrAnswer.With("the tag %s is no index", tag)
		}
		if slices.ContainsFunc(known.Children, func(one oci.Descriptor) bool { return one.Digest == own.Digest }) {
			return nil
		}
	case !fault.OfKind(err, fault.NotFound):
		return err
	}
	text, err := listOf(index, all, own)
	if err != nil {
		return err
	}
	if len(all) >= maxReferrers || len(text) > oci.MaxManifest {
		return ErrRejected.With("the list %s of what refers to %s is full", tag, subject)
	}
	_, err = r.putManifest(ctx, repository, tag, oci.MediaTypeImageIndex, text)
	return err
}

// listOf writes an index with another descriptor behind those that it had.
func listOf(index map[string]json.RawMessage, had []json.RawMessage, own oci.Descriptor) ([]byte, error) {
	text, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	if index["manifests"], err = json.Marshal(append(had, text)); err != nil {
		return nil, err
	}
	return json.Marshal(index)
}
