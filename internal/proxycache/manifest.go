package proxycache

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/remote"
)

// A manifest is one whose blobs are on their way: it is kept when they are here.
type manifest struct {
	remote.Manifest

	done  chan struct{}
	pulls []artifact.Pull // that were served meanwhile
}

// mostPulls bounds the pulls that wait for their manifests to be kept.
const mostPulls = 10_000

// Manifest returns a manifest for a pull, as registry.Service does. It returns
// artifact.ErrUnknown, ErrFiltered, ErrUpstream, or a fault of kind TooMany. What
// is here and need not be asked for takes one read.
func (c *Cache) Manifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by registry.Puller) (registry.Manifest, error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return registry.Manifest{}, err
	}
	at := ref
	if said, known := c.s.recall(p.Name + " " + ref.String()); known && !said.missing {
		at.Digest = said.digest
	}
	if at.Digest != "" {
		m, err := c.s.Content.Manifest(ctx, p.Repo, at, by)
		if !fault.OfKind(err, fault.NotFound) {
			return m, err
		}
	}
	m, here, err := c.find(ctx, p, ref)
	if err != nil {
		return m, err
	}
	at.Digest = m.Digest
	if here {
		return c.s.Content.Manifest(ctx, p.Repo, at, by)
	}
	pull, err := c.s.Content.CheckPull(ctx, p.Repo, at, by)
	if err != nil {
		return m, err
	}
	return m, c.note(ctx, p, m.Digest, pull)
}

// note notes a pull of a manifest that is not here: when it is, or at once where
// that is not to be waited for.
func (c *Cache) note(ctx context.Context, p place, d oci.Digest, pull artifact.Pull) error {
	c.s.mu.Lock()
	m := c.s.coming[content{p.Name, d}]
	waits := m != nil && c.s.owed < mostPulls
	if waits {
		c.s.owed++
		m.pulls = append(m.pulls, pull)
	}
	c.s.mu.Unlock()
	if waits {
		return nil
	}
	return c.s.Content.NotePulls(ctx, p.Repo, d, pull)
}

// StatManifest returns a manifest's facts, as registry.Service does. What is not
// here is fetched: who asks for it is about to pull it.
func (c *Cache) StatManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by registry.Puller) (registry.Manifest, error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return registry.Manifest{}, err
	}
	m, _, err := c.find(ctx, p, ref)
	if err == nil {
		_, err = c.s.Content.CheckPull(ctx, p.Repo, oci.Reference{Tag: ref.Tag, Digest: m.Digest}, by)
	}
	m.Body = nil
	return m, err
}

// find returns a manifest, and whether it is here. What is on its way is looked for
// first: it is newer than what is here of its tag.
func (c *Cache) find(ctx context.Context, p place, ref oci.Reference) (registry.Manifest, bool, error) {
	key := p.Name + " " + ref.String()
	said, known := c.s.recall(key)
	var old answer
	if coming, ok := c.s.awaited(p.Name, cmp.Or(ref.Digest, said.digest)); ok {
		old.Manifest = coming
	} else {
		m, err := c.s.Content.FindManifest(ctx, p.Repo, ref)
		if err != nil && !fault.OfKind(err, fault.NotFound) {
			return m, false, err
		}
		old = answer{m, err == nil}
	}
	switch {
	case old.Digest != "" && ref.Digest != "":
		return old.Manifest, old.here, nil
	case !known || said.digest != old.Digest: // which is empty where there is nothing
		return c.ask(ctx, p, ref, key, old)
	case said.missing:
		return registry.Manifest{}, false, artifact.ErrUnknown.With("%s", ref)
	}
	return old.Manifest, old.here, nil
}

// awaited returns a manifest whose blobs are on their way.
func (s *Service) awaited(repository string, d oci.Digest) (registry.Manifest, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.coming[content{repository, d}]
	if m == nil {
		return registry.Manifest{}, false
	}
	return registry.Manifest(m.Manifest), true
}

// An answer is what asking an upstream came to, or what there was before: nothing
// where the digest is empty.
type answer struct {
	registry.Manifest

	here bool
}

// ask asks the upstream, once for all who want to know. Where it does not answer,
// or not soon, what there was before is served, however old. What comes later is
// there for who asks then.
func (c *Cache) ask(ctx context.Context, p place, ref oci.Reference, key string, old answer) (registry.Manifest, bool, error) {
	waits := ctx
	if old.Digest != "" {
		var cancel context.CancelFunc
		waits, cancel = context.WithDeadlineCause(ctx, c.s.since(key).Add(askBriefly), errSlow)
		defer cancel()
	}
	found, err := c.s.once(waits, key, wholeTime, func(asking context.Context) (any, error) {
		return c.upstream(asking, p, ref, key, old)
	})
	if errors.Is(err, errSlow) {
		c.servesOld(ctx, p, ref, err)
		return old.Manifest, old.here, nil
	}
	a, _ := found.(answer)
	return a.Manifest, a.here, err
}

var errSlow = errors.New("it takes longer than " + askBriefly.String())

func (c *Cache) servesOld(ctx context.Context, p place, ref oci.Reference, why error) {
	c.s.Log.WarnContext(ctx, "served from the cache, since its registry does not answer", "repository", p.Name, "reference", ref.String(), "error", why)
}

func (c *Cache) upstream(ctx context.Context, p place, ref oci.Reference, key string, old answer) (answer, error) {
	have := old.Digest != ""
	rules, err := c.rules(ctx, p)
	if err != nil {
		return answer{}, err
	}
	m, err := c.fetch(ctx, p, ref, old.Digest)
	switch {
	case err == nil:
		c.s.remember(key, finding{digest: m.Digest}, c.s.Fresh)
	case errors.Is(err, remote.ErrNotFound) && !(have && rules.LocalOnNotFound):
		c.s.remember(key, finding{digest: old.Digest, missing: true}, negative)
		return answer{}, told(err, artifact.ErrUnknown)
	case have:
		if errors.Is(err, remote.ErrNotFound) {
			c.s.remember(key, finding{digest: old.Digest}, negative)
		}
		c.servesOld(ctx, p, ref, err)
		return old, nil
	default:
		return answer{}, told(err, artifact.ErrUnknown)
	}
	if have && m.Digest == old.Digest {
		return old, nil
	}
	here, err := c.keep(ctx, p, m, ref)
	if err != nil {
		c.s.Log.WarnContext(ctx, "fetched, and not kept", "repository", p.Name, "reference", ref.String(), "error", err)
	}
	return answer{registry.Manifest(m), here}, nil
}

// fetch asks what a tag is, which costs no pull of those that a registry counts,
// and fetches it only where it is something else than the digest old.
func (c *Cache) fetch(ctx context.Context, p place, ref oci.Reference, old oci.Digest) (m remote.Manifest, err error) {
	other, err := c.reach(ctx, p)
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			c.failed(p, err)
		}
	}()
	at := ref.String()
	if ref.Tag != "" {
		within := askTime
		if old != "" {
			within = askBriefly
		}
		asking, cancel := context.WithTimeoutCause(ctx, within, remote.ErrUnavailable.With("it takes longer than %s", within).Because(context.DeadlineExceeded))
		defer cancel()
		if m, err = other.StatManifest(asking, p.far, ref.Tag); err != nil {
			if asking.Err() != nil && ctx.Err() == nil {
				err = context.Cause(asking)
			}
			return m, err
		}
		if m.Digest == old && old != "" {
			return m, nil
		}
		if m.Digest != "" {
			at = string(m.Digest)
			if here, err := c.s.Content.FindManifest(ctx, p.Repo, oci.Reference{Digest: m.Digest}); err == nil {
				return c.again(ctx, p, here)
			}
			if coming, ok := c.s.awaited(p.Name, m.Digest); ok {
				return remote.Manifest(coming), nil
			}
		}
	}
	return other.Manifest(ctx, p.far, at)
}

// again returns a manifest that is here, for another tag of it.
func (c *Cache) again(ctx context.Context, p place, m registry.Manifest) (remote.Manifest, error) {
	m, err := c.s.Content.ReadManifest(ctx, p.Repo, oci.Reference{Digest: m.Digest})
	return remote.Manifest(m), err
}

// keep stores a manifest where all its blobs are here, and reports whether they
// are; where they are not, it has them fetched. An index needs none.
func (c *Cache) keep(ctx context.Context, p place, m remote.Manifest, ref oci.Reference) (bool, error) {
	parsed, err := oci.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		return false, err
	}
	missing := slices.Clone(parsed.Blobs)
	missing = slices.DeleteFunc(missing, func(b oci.Blob) bool {
		if b.Foreign {
			return true
		}
		_, err := c.s.Content.StatBlob(ctx, p.Repo, b.Digest, true)
		return err == nil
	})
	if len(missing) == 0 {
		return c.store(ctx, p, m, ref)
	}
	return false, c.complete(p, m, ref, missing)
}

func (c *Cache) store(ctx context.Context, p place, m remote.Manifest, ref oci.Reference) (bool, error) {
	req := registry.PushRequest{Ref: oci.Reference{Digest: m.Digest}, MediaType: m.MediaType, Body: m.Body}
	if ref.Tag != "" {
		req.Tags = []string{ref.Tag}
	}
	_, err := c.s.Content.PushManifest(ctx, p.Repo, req)
	return err == nil, err
}

// complete has the blobs of an image fetched, unless that goes on already, and
// then the image kept.
func (c *Cache) complete(p place, m remote.Manifest, ref oci.Reference, missing []oci.Blob) error {
	key := content{p.Name, m.Digest}
	c.s.mu.Lock()
	before := c.s.coming[key]
	if before == nil && c.s.held > mostComing {
		c.s.mu.Unlock()
		return ErrUpstream.With("too many images are on their way")
	}
	mine := &manifest{Manifest: m, done: make(chan struct{})}
	if before == nil {
		c.s.coming[key] = mine
		c.s.held += m.Size
	}
	c.s.mu.Unlock()
	started := c.s.start(func() {
		if before != nil {
			// Another tag, or the digest, of the same image.
			select {
			case <-before.done:
			case <-c.s.ctx.Done():
			}
		} else {
			defer c.arrived(p, mine)
		}
		if err := c.all(p, m, ref, missing); err != nil && c.s.ctx.Err() == nil {
			c.s.Log.Warn("an image is not kept", "repository", p.Name, "digest", m.Digest, "error", err)
		}
	})
	if !started && before == nil {
		c.arrived(p, mine)
	}
	return nil
}

// noteTime bounds how long pulls may take to be noted, also while the server stops.
const noteTime = 10 * time.Second

func (c *Cache) arrived(p place, m *manifest) {
	c.s.mu.Lock()
	delete(c.s.coming, content{p.Name, m.Digest})
	c.s.held -= m.Size
	pulls := m.pulls
	c.s.owed -= len(pulls)
	c.s.mu.Unlock()
	close(m.done)
	if len(pulls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.s.ctx), noteTime)
	defer cancel()
	if err := c.s.Content.NotePulls(ctx, p.Repo, m.Digest, pulls...); err != nil {
		c.s.Log.Error("pulls are not recorded", "repository", p.Name, "digest", m.Digest, "count", len(pulls), "error", err)
	}
}

// imageTime bounds how long an image may be on its way.
const imageTime = 6 * time.Hour

// all fetches blobs, and stores the manifest.
func (c *Cache) all(p place, m remote.Manifest, ref oci.Reference, missing []oci.Blob) error {
	ctx, cancel := context.WithTimeout(c.s.ctx, imageTime)
	defer cancel()
	g, fetching := errgroup.WithContext(ctx)
	g.SetLimit(3)
	for _, b := range missing {
		g.Go(func() error { return c.ensure(fetching, p, b.Digest) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := c.store(ctx, p, m, ref)
	return err
}
