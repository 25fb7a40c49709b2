package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/time/rate"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// Limits of copies.
const (
	artifactsAtOnce = 8 // of a repository
	blobsAtOnce     = 8 // of a repository
	mostParts       = 10_000
	mostDeep        = 8 // manifests within or about one another
	chunkSize       = 16 << 20
)

// A copying copies artifacts of one repository to another.
type copying struct {
	policy         Policy
	from, to       side
	source, target string // repositories
	sent           *sent
	limit          *rate.Limiter // nil: none
	blobs          chan struct{}
	hasTag         func(ctx context.Context, tag string) (bool, error) // at the source
	absent         map[string]bool                                     // tags that the target lacks
	empty          bool                                                // the target has no tag at all

	mu    sync.Mutex
	parts map[oci.Digest]*part // manifests and blobs that were seen to
	kind  string               // Image or Artifact: what was copied first; empty before
}

// A part is a manifest or a blob that is copied once, whoever needs it.
type part struct {
	done chan struct{} // closed once err says what came of it
	err  error
}

// A way is how one came to a manifest: the manifests that contain it or that it
// refers to, each of which waits for the next one.
//
// What an index contains has another digest than it, so that nobody waits for
// himself who only waits for what something contains. What refers to a manifest
// may contain it, too. So who copies that waits for no other who copies a manifest,
// and copies it himself, perhaps once more.
type way struct {
	through []oci.Digest
	aside   bool // through something that refers to what is before it
}

func (w way) to(d oci.Digest) way {
	return way{append(slices.Clip(w.through), d), w.aside}
}

// A result is what came of one artifact.
type result struct {
	what   string // "copied"
	why    string // it was skipped
	digest oci.Digest
	blobs  int   // sent
	bytes  int64 // sent
}

// What became of an artifact.
const (
	copied    = "copied"
	unchanged = "unchanged"
	skipped   = "skipped"
	deleted   = "deleted"
	gone      = "gone" // from the source, since somebody said that it is there
)

// tally counts what an artifact took.
type tally struct {
	mu    sync.Mutex
	blobs int
	bytes int64
}

func (t *tally) add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blobs++
	t.bytes += n
}

// artifact copies what a tag or a digest names, with its children, what refers to
// it, and last of all itself: whoever sees it sees its signatures.
func (c *copying) artifact(ctx context.Context, ref string) (r result, err error) {
	m, err := stat(ctx, c.from, c.source, ref)
	if fault.OfKind(err, fault.NotFound) {
		return result{what: gone}, nil
	}
	if err != nil {
		return r, err
	}
	r.digest = m.Digest
	if ok, err := c.wanted(ctx, &m); err != nil || !ok {
		r.what = ""
		return r, err
	}
	if r.what, err = c.plan(ctx, ref, m.Digest); err != nil || r.what == skipped {
		r.why = "the destination has another artifact there, and the policy does not override"
		return r, err
	}
	var t tally
	if err := c.whole(ctx, m, ref, r.what == unchanged, &t, way{}); err != nil {
		return r, err
	}
	r.blobs, r.bytes = t.blobs, t.bytes
	if r.what == unchanged && t.blobs > 0 {
		r.what = copied // what refers to it
	}
	return r, nil
}

// stat returns what a side says of a manifest, and fetches it where its digest is
// not said.
func stat(ctx context.Context, at side, repository, ref string) (remote.Manifest, error) {
	m, err := at.StatManifest(ctx, repository, ref)
	if err == nil && m.Digest == "" {
		return at.Manifest(ctx, repository, ref)
	}
	return m, err
}

// plan says what is to become of a tag or a digest: copied, unchanged or skipped.
func (c *copying) plan(ctx context.Context, ref string, d oci.Digest) (string, error) {
	if c.absent[ref] {
		return copied, nil
	}
	there, err := stat(ctx, c.to, c.target, ref)
	switch {
	case fault.OfKind(err, fault.NotFound):
		return copied, nil
	case err != nil:
		return "", err
	case there.Digest == d:
		return unchanged, nil
	case !c.policy.Override:
		return skipped, nil
	}
	return copied, nil
}

// wanted reports whether the filters of labels and of kinds let an artifact pass.
// It may fetch the manifest for that.
func (c *copying) wanted(ctx context.Context, m *remote.Manifest) (bool, error) {
	if c.policy.AsksLabels() {
		labels, err := c.from.Labels(ctx, c.source, string(m.Digest))
		if err != nil || !c.policy.WantsLabels(labels) {
			return false, err
		}
	}
	if !c.policy.AsksType() {
		return true, nil
	}
	parsed, err := load(ctx, c.from, c.source, m)
	if err != nil {
		return false, err
	}
	return c.policy.WantsType(typeOf(parsed, m.Digest)), nil
}

func typeOf(m oci.Manifest, d oci.Digest) string { return artifact.Describe(m, d, nil, nil).Type }

// load fetches a manifest by its digest where it is not there yet, and reads it.
func load(ctx context.Context, from side, repository string, m *remote.Manifest) (oci.Manifest, error) {
	if m.Body == nil {
		found, err := from.Manifest(ctx, repository, string(m.Digest))
		if err != nil {
			return oci.Manifest{}, err
		}
		*m = found
	}
	return oci.ParseManifest(m.MediaType, m.Body)
}

// whole copies a manifest with all that belongs to it. Where it is there already,
// only what refers to it, or to its children, may be missing.
func (c *copying) whole(ctx context.Context, m remote.Manifest, ref string, there bool, t *tally, w way) error {
	if len(w.through) > mostDeep {
		return fmt.Errorf("%s: more than %d manifests lie within or about one another", m.Digest, mostDeep)
	}
	var parsed oci.Manifest
	if !there || isIndex(m.MediaType) {
		from, repository := c.from, c.source
		if there { // where it costs no pull of those that a registry counts
			from, repository = c.to, c.target
		}
		var err error
		if parsed, err = load(ctx, from, repository, &m); err != nil {
			return err
		}
	}
	if err := c.children(ctx, c.chosen(parsed.Children), t, w.to(m.Digest)); err != nil {
		return err
	}
	if len(w.through) == 0 && !there {
		c.note(typeOf(parsed, m.Digest))
	}
	if !there {
		if err := c.content(ctx, parsed.Blobs, t); err != nil {
			return err
		}
	}
	if err := c.referrers(ctx, m.Digest, t, w.to(m.Digest)); err != nil {
		return err
	}
	if there {
		return nil
	}
	return c.to.PushManifest(ctx, c.target, ref, parsed.MediaType, m.Body)
}

func (c *copying) children(ctx context.Context, all []oci.Descriptor, t *tally, w way) error {
	return each(ctx, artifactsAtOnce, all, func(d oci.Descriptor) error {
		if err := c.child(ctx, d.Digest, t, w); err != nil {
			return fmt.Errorf("%s: %w", d.Digest, err)
		}
		return nil
	})
}

// note keeps what the first artifact is.
func (c *copying) note(artifactType string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kind != "" {
		return
	}
	if c.kind = Artifact; artifactType == artifact.TypeImage {
		c.kind = Image
	}
}

func isIndex(mediaType string) bool {
	return mediaType == oci.MediaTypeImageIndex || mediaType == oci.MediaTypeDockerList
}

// chosen returns those children that the policy's platforms let pass. What says
// of no platform, or of none that is known, goes with the child that it is about
// where it names one, and else always.
func (c *copying) chosen(children []oci.Descriptor) []oci.Descriptor {
	if len(c.policy.Platforms) == 0 {
		return children
	}
	left := map[string]bool{}
	var all []oci.Descriptor
	for _, d := range children {
		if d.Platform == nil || d.Platform.OS == "unknown" || c.policy.WantsPlatform(*d.Platform) {
			all = append(all, d)
		} else {
			left[string(d.Digest)] = true
		}
	}
	return slices.DeleteFunc(all, func(d oci.Descriptor) bool { return left[d.Annotations["vnd.docker.reference.digest"]] })
}

// part does what copies a digest, once: whoever else needs it waits, unless wait is
// false. Where it was given up because another artifact failed that needed it
// first, it is done again.
func (c *copying) part(ctx context.Context, d oci.Digest, wait bool, do func() error) error {
	for {
		p, mine := c.partOf(d)
		if mine {
			return c.begin(d, p, do)
		}
		if !wait && !p.over() {
			return do()
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !errors.Is(p.err, context.Canceled) || ctx.Err() != nil {
			return p.err
		}
	}
}

func (p *part) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (c *copying) begin(d oci.Digest, p *part, do func() error) error {
	p.err = context.Canceled // where it panics
	defer close(p.done)
	if p.err = do(); p.err != nil {
		c.forget(d, p) // the next artifact that needs it tries again
	}
	return p.err
}

func (c *copying) partOf(d oci.Digest) (p *part, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p = c.parts[d]; p != nil {
		return p, false
	}
	if len(c.parts) >= mostParts {
		clear(c.parts) // what is there already is found to be there
	}
	p = &part{done: make(chan struct{})}
	c.parts[d] = p
	return p, true
}

func (c *copying) forget(d oci.Digest, p *part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.parts[d] == p {
		delete(c.parts, d)
	}
}

// child copies a manifest that another one has, or that refers to another one.
func (c *copying) child(ctx context.Context, d oci.Digest, t *tally, w way) error {
	if slices.Contains(w.through, d) {
		return nil
	}
	return c.part(ctx, d, !w.aside, func() error {
		m, err := c.to.StatManifest(ctx, c.target, string(d))
		if err != nil && !fault.OfKind(err, fault.NotFound) {
			return err
		}
		m.Digest = d
		return c.whole(ctx, m, string(d), err == nil, t, w)
	})
}
