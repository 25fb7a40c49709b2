package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// Limits of one copy.
const (
	maxCopied     = 1000   // manifests
	maxCopiedTags = 10_000 // of one artifact
)

// Faults of copying.
var (
	ErrCopyAccessory = fault.New(fault.Denied, "DENIED", "the artifact is an accessory, which is copied with what it belongs to")
	ErrCopyTooLarge  = fault.New(fault.Invalid, "BAD_REQUEST", "the artifact is too large to be copied at once")
)

// Copy copies an artifact to another repository with its children, with what is
// an accessory of any of these, and with all its tags, and returns its digest.
// No content moves: the repository is let to serve it. Each manifest is pushed,
// the artifact and its tags last of all, so that a copy that ends early leaves
// nothing but parts that nothing points at, and can be repeated.
//
// It returns artifact.ErrUnknown or artifact.ErrRepositoryUnknown where there is
// no such artifact, or where it is deleted meanwhile; ErrCopyAccessory,
// ErrCopyTooLarge, and whatever a push returns.
func (s *Service) Copy(ctx context.Context, from artifact.Repo, ref oci.Reference, to artifact.Repo) (oci.Digest, error) {
	a, _, err := s.artifacts.Find(ctx, from.Name, ref, false)
	if err == nil {
		_, err = s.checkPull(ctx, from, a.ID, a.Digest, Puller{}) // who may not pull it may not have it by a copy
	}
	if err != nil {
		return "", err
	}
	kin, err := s.artifacts.Kin(ctx, from.Name, a.Digest, maxCopied)
	if err != nil {
		return "", err
	}
	if kin.AccessoryOf != "" {
		return "", ErrCopyAccessory
	}
	c := copying{s: s, from: from, to: to, seen: map[oci.Digest]bool{a.Digest: true}, accessory: map[oci.Digest]bool{}}
	if err := c.collect(ctx, kin); err != nil {
		return "", err
	}
	for _, d := range c.parts {
		if err := c.push(ctx, d, c.accessory[d]); err != nil {
			return "", err
		}
	}
	if err := c.push(ctx, a.Digest, true); err != nil {
		return "", err
	}
	return a.Digest, s.store.CopyLabels(ctx, to, from, a.Digest, access.From(ctx).Actor())
}

// A copying is one on its way.
type copying struct {
	s         *Service
	from, to  artifact.Repo
	seen      map[oci.Digest]bool
	parts     []oci.Digest // in the order in which they are pushed
	accessory map[oci.Digest]bool
}

// collect notes what an artifact needs: its children, each behind its own parts,
// and then its accessories.
func (c *copying) collect(ctx context.Context, kin artifact.Kin) error {
	for _, d := range kin.Accessories {
		if !c.seen[d] {
			c.accessory[d] = true
		}
	}
	for _, d := range slices.Concat(kin.Children, kin.Accessories) {
		if c.seen[d] {
			continue
		}
		if len(c.seen) == maxCopied {
			return ErrCopyTooLarge.With("it has more than %d manifests", maxCopied)
		}
		c.seen[d] = true
		next, err := c.s.artifacts.Kin(ctx, c.from.Name, d, maxCopied)
		if errors.Is(err, artifact.ErrUnknown) {
			continue // it was deleted meanwhile; where it is needed, the push says so
		}
		if err != nil {
			return err
		}
		if err := c.collect(ctx, next); err != nil {
			return err
		}
		c.parts = append(c.parts, d)
	}
	return nil
}

// push copies one manifest with the blobs that the source serves of it, and
// where tagged is set with the tags that point at it now.
func (c *copying) push(ctx context.Context, d oci.Digest, tagged bool) error {
	a, body, err := c.s.artifacts.Find(ctx, c.from.Name, oci.Reference{Digest: d}, true)
	if err != nil {
		return err
	}
	var tags []string
	if tagged {
		if tags, err = c.s.artifacts.TagsOf(ctx, c.from.Name, d, maxCopiedTags+1); err != nil {
			return err
		}
		if len(tags) > maxCopiedTags {
			return ErrCopyTooLarge.With("%s has more than %d tags", d, maxCopiedTags)
		}
	}
	if err := c.s.store.LinkAll(ctx, c.to, c.from, d, time.Now()); err != nil {
		return err
	}
	for first := true; first || len(tags) > 0; first = false {
		n := min(len(tags), maxTags)
		req := PushRequest{Ref: oci.Reference{Digest: d}, Tags: tags[:n], MediaType: a.MediaType, Body: body}
		if _, err := c.s.PushManifest(ctx, c.to, req); err != nil {
			return err
		}
		tags = tags[n:]
	}
	return nil
}
