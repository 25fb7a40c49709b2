package replication

import (
	"context"
	"slices"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// delete deletes at the target what was deleted here, as far as the policy chose
// it. What is not there is no failure.
func (d *doing) delete(ctx context.Context, w Work) error {
	whole := w.Digest != "" && !w.Untag
	r, err := d.chose(ctx, w)
	if err != nil || r.what != deleted {
		refs := w.Tags
		if len(refs) == 0 {
			refs = []string{w.Digest}
		}
		for _, ref := range refs {
			if err := d.tell(ctx, ref, r, err); err != nil {
				return err
			}
		}
		return nil
	}
	if whole {
		r, err := d.deleteArtifact(ctx, w)
		if told := d.tell(ctx, w.Digest, r, err); told != nil || err != nil {
			return told
		}
	}
	for _, tag := range w.Tags {
		r, err := d.deleteTag(ctx, tag, oci.Digest(w.Digest))
		if whole && err == nil && r.what == gone {
			continue // with its artifact
		}
		if err := d.tell(ctx, tag, r, err); err != nil {
			return err
		}
	}
	return nil
}

// chose says whether the filters of labels and of kinds let pass what was deleted:
// it is deleted, skipped, or nothing where they do not. With an artifact its labels
// are gone: it is skipped then. Its manifest may be left at the target.
func (d *doing) chose(ctx context.Context, w Work) (result, error) {
	r := result{what: deleted, digest: oci.Digest(w.Digest)}
	if d.policy.AsksLabels() {
		labels, err := d.labels(ctx, w.Digest)
		if fault.OfKind(err, fault.NotFound) {
			return result{what: skipped, why: "its labels are gone with it, by which the policy chooses"}, nil
		}
		if err != nil || !d.policy.WantsLabels(labels) {
			return result{}, err
		}
	}
	if !d.policy.AsksType() {
		return r, nil
	}
	m := remote.Manifest{Digest: r.digest}
	parsed, err := load(ctx, d.from, d.source, &m)
	if fault.OfKind(err, fault.NotFound) {
		parsed, err = load(ctx, d.to, d.target, &m)
	}
	if fault.OfKind(err, fault.NotFound) {
		return result{what: skipped, why: "it is nowhere any more, and so is its kind, by which the policy chooses"}, nil
	}
	if err != nil || !d.policy.WantsType(typeOf(parsed, m.Digest)) {
		return result{}, err
	}
	return r, nil
}

// labels returns those of an artifact of the source, which may be gone.
func (d *doing) labels(ctx context.Context, digest string) ([]string, error) {
	if digest == "" {
		return nil, remote.ErrNotFound
	}
	return d.from.Labels(ctx, d.source, digest)
}

// deleteArtifact deletes one with all its tags, unless that would take something
// along that did not come from here: another tag, or a part of an index.
func (d *doing) deleteArtifact(ctx context.Context, w Work) (result, error) {
	r := result{what: deleted, digest: oci.Digest(w.Digest)}
	tags, err := d.to.TagsOf(ctx, d.target, r.digest)
	if i := slices.IndexFunc(tags, func(t string) bool { return !slices.Contains(w.Tags, t) }); i >= 0 {
		r.what, r.why = skipped, "the destination has it by the tag "+tags[i]+", too"
		return r, nil
	}
	if err == nil {
		err = d.to.DeleteManifest(ctx, d.target, w.Digest)
	}
	switch {
	case fault.OfKind(err, fault.NotFound):
		r.what, err = gone, nil
	case fault.OfKind(err, fault.Conflict):
		r.what, r.why, err = skipped, "something of the destination needs it", nil
	}
	return r, err
}

// deleteTag deletes a tag that named an artifact. Where it names another one by
// then, it may not have come from here, unless the policy overrides.
func (d *doing) deleteTag(ctx context.Context, tag string, of oci.Digest) (result, error) {
	m, err := stat(ctx, d.to, d.target, tag)
	if err == nil && of != "" && m.Digest != of && !d.policy.Override {
		return result{what: skipped, why: "it names another artifact at the destination, and the policy does not override"}, nil
	}
	if err == nil {
		err = d.to.DeleteTag(ctx, d.target, tag)
	}
	if fault.OfKind(err, fault.NotFound) {
		return result{what: gone}, nil
	}
	return result{what: deleted, digest: m.Digest}, err
}
