package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// cosign's tags of what refers to an artifact begin with its digest.
var cosignEnds = []string{".sig", ".att", ".sbom"}

// referrers copies what refers to a manifest: by its subject, or by a tag as
// cosign writes them.
func (c *copying) referrers(ctx context.Context, d oci.Digest, t *tally, w way) error {
	w.aside = true
	list, err := c.from.Referrers(ctx, c.source, d)
	if err != nil {
		return fmt.Errorf("what refers to %s: %w", d, err)
	}
	for _, r := range list {
		if err := c.child(ctx, r.Digest, t, w); err != nil {
			return fmt.Errorf("%s, which refers to %s: %w", r.Digest, d, err)
		}
	}
	if err := c.relist(ctx, d, list); err != nil {
		return fmt.Errorf("the list of what refers to %s at the destination: %w", d, err)
	}
	base := strings.Replace(string(d), ":", "-", 1)
	for _, end := range cosignEnds {
		if err := c.signature(ctx, base+end, t, w); err != nil {
			return fmt.Errorf("%s: %w", base+end, err)
		}
	}
	return nil
}

// relist has the target list what refers to a manifest, also where that was there
// before: a copy that was broken off may have left it out of a list that a tag
// stands for, or another program that wrote that at the same time.
func (c *copying) relist(ctx context.Context, d oci.Digest, referrers []oci.Descriptor) error {
	if len(referrers) == 0 {
		return nil
	}
	listed, err := c.to.Referrers(ctx, c.target, d)
	if err != nil {
		return err
	}
	for _, r := range referrers {
		if slices.ContainsFunc(listed, func(l oci.Descriptor) bool { return l.Digest == r.Digest }) {
			continue
		}
		m := remote.Manifest{Digest: r.Digest}
		parsed, err := load(ctx, c.to, c.target, &m)
		if fault.OfKind(err, fault.NotFound) {
			continue // it waits for this one, and is listed when it comes
		}
		if err == nil && parsed.Subject != nil && parsed.Subject.Digest == d {
			err = c.to.PushManifest(ctx, c.target, string(r.Digest), parsed.MediaType, m.Body)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Digest, err)
		}
	}
	return nil
}

func (c *copying) signature(ctx context.Context, tag string, t *tally, w way) error {
	if has, err := c.hasTag(ctx, tag); err != nil || !has {
		return err
	}
	m, err := c.from.Manifest(ctx, c.source, tag)
	if err != nil {
		return err
	}
	what, err := c.plan(ctx, tag, m.Digest)
	if err != nil || what != copied {
		return err
	}
	if slices.Contains(w.through, m.Digest) {
		return nil
	}
	return c.whole(ctx, m, tag, false, t, w)
}
