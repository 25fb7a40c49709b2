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
	var all []oci.Descriptor
	had, err := r.Manifest(ctx, repository, tag)
	switch {
	case err == nil:
		index, err := oci.ParseManifest(had.MediaType, had.Body)
		if err != nil {
			return ErrAnswer.With("its list of referrers is no index")
		}
		all = index.Children
	case !fault.OfKind(err, fault.NotFound):
		return err
	}
	d := oci.Sum(m.Subject.Digest.Algorithm(), body)
	if slices.ContainsFunc(all, func(one oci.Descriptor) bool { return one.Digest == d }) {
		return nil
	}
	all = append(all, oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(body)), ArtifactType: m.ArtifactType, Annotations: m.Annotations})
	index, err := json.Marshal(struct {
		SchemaVersion int              `json:"schemaVersion"`
		MediaType     string           `json:"mediaType"`
		Manifests     []oci.Descriptor `json:"manifests"`
	}{2, oci.MediaTypeImageIndex, all})
	if err != nil {
		return err
	}
	return r.PushManifest(ctx, repository, tag, oci.MediaTypeImageIndex, index)
}
