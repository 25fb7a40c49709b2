package remote

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// list adds a manifest that refers to another one to the list that a tag stands
// for, as a client does where the registry keeps no such lists (distribution
// specification, "Pushing Manifests with Subject"). Of several clients who do so at
// the same time, the last one counts.
func (r *Registry) list(ctx context.Context, repository, mediaType string, body []byte, m oci.Manifest) error {
	r.listing.Lock()
	defer r.listing.Unlock()
	tag := referrersTag(m.Subject.Digest)
	d := oci.Sum(oci.SHA256, body)
	index := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + oci.MediaTypeImageIndex + `"`)}
	var all []json.RawMessage // as others wrote them, with whatever they say
	switch had, err := r.Manifest(ctx, repository, tag); {
	case err == nil:
		known, err := oci.ParseManifest(oci.MediaTypeImageIndex, had.Body)
		if err != nil || json.Unmarshal(had.Body, &index) != nil || index["manifests"] != nil && json.Unmarshal(index["manifests"], &all) != nil {
			return ErrAnswer.With("the tag %s is no index", tag)
		}
		if slices.ContainsFunc(known.Children, func(one oci.Descriptor) bool { return one.Digest == d }) {
			return nil
		}
	case !fault.OfKind(err, fault.NotFound):
		return err
	}
	own, err := json.Marshal(oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body)), ArtifactType: m.ArtifactType, Annotations: m.Annotations})
	if err != nil {
		return err
	}
	if index["manifests"], err = json.Marshal(append(all, own)); err != nil {
		return err
	}
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return r.PushManifest(ctx, repository, tag, oci.MediaTypeImageIndex, text)
}
