package gc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const (
	clients   = 6
	collected = 2               // collections at once
	layers    = 100             // that images are made of
	modelTime = 3 * time.Second // on each database
)

// A place is a tag in a repository.
type place struct {
	repo artifact.Repo
	tag  string
}

// A client pushes, mounts, copies, moves tags and deletes. Its tags and its
// manifests are its own, so that it knows what must be there; its layers are
// everybody's.
type client struct {
	*world
	number int
	rand   *rand.Rand
	n      int
	repos  []artifact.Repo
	tags   map[place][]byte // manifests
	again  *atomic.Int64    // pushes that lacked a layer at first
}

func (c *client) name() string {
	c.n++
	return fmt.Sprintf("%d-%d", c.number, c.n)
}

func (c *client) repo() artifact.Repo { return c.repos[c.rand.IntN(len(c.repos))] }

// tag is one of a few, so that tags move.
func (c *client) tag() string { return fmt.Sprintf("t%d-%d", c.number, c.rand.IntN(4)) }

// step does one thing, which must succeed, or fail as it may.
func (c *client) step() error {
	switch c.rand.IntN(12) {
	case 0, 1, 2, 3:
		_, err := c.image(c.repo(), c.tag())
		return err
	case 4, 5:
		return c.index(c.repo(), c.tag())
	case 6: // pushed and forgotten
		_, err := c.image(c.repo(), "")
		return err
	case 7:
		return c.upload(c.ctx, c.repo(), layer(fmt.Sprint(c.rand.IntN(layers))))
	case 8:
		return c.copy()
	case 9:
		return c.untag()
	case 10:
		return c.delete()
	default:
		return c.mine()
	}
}

// image pushes one as clients do: it asks for each layer, mounts it, or sends it,
// and sends what the server lacks after all.
func (c *client) image(repo artifact.Repo, tag string) ([]byte, error) {
	var names []string
	for range 1 + c.rand.IntN(3) {
		names = append(names, fmt.Sprint(c.rand.IntN(layers)))
	}
	slices.Sort(names)
	body, blobs := image(c.name(), slices.Compact(names)...)
	return body, c.bring(repo, tag, body, blobs)
}

func (c *client) bring(repo artifact.Repo, tag string, body []byte, blobs [][]byte) error {
	for _, b := range blobs {
		if err := c.blob(repo, b); err != nil {
			return err
		}
	}
	for {
		err := c.put(c.ctx, repo, tag, body)
		if err == nil {
			if tag != "" {
				c.tags[place{repo, tag}] = body
			}
			return nil
		}
		if !errors.Is(err, artifact.ErrBlobUnknown) {
			return fmt.Errorf("push: %w", err)
		}
		c.again.Add(1)
		for _, b := range blobs {
			if err := c.upload(c.ctx, repo, b); err != nil {
				return err
			}
		}
	}
}

func (c *client) blob(repo artifact.Repo, content []byte) error {
	_, err := c.StatBlob(c.ctx, repo, sum(content), true)
	if !errors.Is(err, registry.ErrBlobUnknown) {
		return err
	}
	from := ""
	if c.rand.IntN(2) == 0 {
		from = c.repo().Name
	}
	err = c.Mount(c.ctx, repo, from, sum(content), func(string) bool { return true })
	if errors.Is(err, registry.ErrBlobUnknown) {
		err = c.upload(c.ctx, repo, content)
	}
	return err
}

// index pushes two images and what lists them. A child that was collected before
// it had an index is pushed again.
func (c *client) index(repo artifact.Repo, tag string) error {
	var children [][]byte
	var blobs [][][]byte
	for range 2 {
		body, its := image(c.name(), fmt.Sprint(c.rand.IntN(layers)))
		children, blobs = append(children, body), append(blobs, its)
		if err := c.bring(repo, "", body, its); err != nil {
			return err
		}
	}
	body := index(c.name(), children...)
	if err := c.put(c.ctx, repo, tag, body); err != nil {
		return fmt.Errorf("push index: %w", err)
	}
	for i, child := range children {
		_, err := c.StatManifest(c.ctx, repo, oci.Reference{Digest: sum(child)}, registry.Puller{MayPush: true})
		if errors.Is(err, artifact.ErrUnknown) {
			err = c.bring(repo, "", child, blobs[i])
		}
		if err != nil {
			return err
		}
	}
	c.tags[place{repo, tag}] = body
	return nil
}

// any returns one of the client's tags.
func (c *client) any() (place, bool) {
	i := c.rand.IntN(len(c.tags) + 1)
	for p := range c.tags {
		if i--; i < 0 {
			return p, true
		}
	}
	return place{}, false
}

// copy copies what a tag points at, with all its tags.
func (c *client) copy() error {
	p, ok := c.any()
	to := c.repo()
	if !ok || to == p.repo {
		return nil
	}
	for range 20 {
		_, err := c.Copy(c.ctx, p.repo, oci.Reference{Tag: p.tag}, to)
		if err == nil {
			body := c.tags[p]
			for q, m := range c.tags {
				if q.repo == p.repo && sum(m) == sum(body) {
					c.tags[place{to, q.tag}] = body
				}
			}
			// A child may have gone before its index came, as with a push.
			if c.whole(to, oci.Reference{Tag: p.tag}) == nil {
				return nil
			}
		} else if !errors.Is(err, artifact.ErrUnknown) && !errors.Is(err, artifact.ErrBlobUnknown) {
			return fmt.Errorf("copy: %w", err)
		}
	}
	return fmt.Errorf("copy of %s:%s to %s is never whole", p.repo.Name, p.tag, to.Name)
}

func (c *client) untag() error {
	p, ok := c.any()
	if !ok {
		return nil
	}
	err := c.DeleteTag(c.ctx, p.repo, oci.Reference{Tag: p.tag}, p.tag)
	delete(c.tags, p)
	return err
}

// delete deletes an artifact with all its tags.
func (c *client) delete() error {
	p, ok := c.any()
	if !ok {
		return nil
	}
	body := c.tags[p]
	err := c.DeleteArtifact(c.ctx, p.repo, oci.Reference{Tag: p.tag})
	for q, m := range c.tags {
		if q.repo == p.repo && sum(m) == sum(body) {
			delete(c.tags, q)
		}
	}
	return err
}

// mine makes a repository of its own and deletes it again.
func (c *client) mine() error {
	repo := beside(c.repo(), fmt.Sprint("mine", c.number))
	if _, err := c.image(repo, "v1"); err != nil {
		return err
	}
	delete(c.tags, place{repo, "v1"})
	return c.DeleteRepository(c.ctx, repo)
}

// TestNothingIsLostAndNothingStays lets clients do at random all that they may,
// while two collections with hardly any patience run again and again. Then each
// tag that was acknowledged must be whole, and nothing may be left that nothing
// references.
func TestNothingIsLostAndNothingStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("the seed is %d", seed)
		w := open(t, d)
		repos := []artifact.Repo{w.one, beside(w.one, "b"), beside(w.one, "c"), w.two, beside(w.two, "b")}
		var again, freed, unlinked atomic.Int64
		ctx, stop := context.WithTimeout(w.ctx, modelTime)
		defer stop()
		var pushing, collecting sync.WaitGroup
		var all []*client
		for n := range clients {
			c := &client{world: w, number: n, rand: rand.New(rand.NewPCG(seed, uint64(n))), repos: repos, tags: map[place][]byte{}, again: &again}
			all = append(all, c)
			pushing.Go(func() {
				for ctx.Err() == nil {
					if err := c.step(); err != nil {
						t.Errorf("client %d: %v", c.number, err)
						stop()
					}
				}
			})
		}
		for n := range collected {
			collecting.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					o := gc.Options{Delay: time.Duration(i%4) * 5 * time.Millisecond, Trash: time.Duration((i+n)%3) * 10 * time.Millisecond, Workers: 1 + i%2, DeleteUntagged: i%2 == 0}
					if o.Delay == 0 {
						o.Delay = gc.None
					}
					if o.Trash == 0 {
						o.Trash = gc.None
					}
					r, err := w.gc.Collect(w.ctx, o, nil)
					if err != nil && !retried(err) {
						t.Errorf("collection: %v", err)
						stop()
					}
					freed.Add(r.Blobs)
					unlinked.Add(r.Links)
				}
			})
		}
		pushing.Wait()
		collecting.Wait()
		if freed.Load() == 0 {
			t.Error("nothing was collected meanwhile")
		}
		steps, tags := 0, 0
		for _, c := range all {
			steps, tags = steps+c.n, tags+len(c.tags)
			for p, body := range c.tags {
				a, _, err := w.artifacts.Find(w.ctx, p.repo.Name, oci.Reference{Tag: p.tag}, false)
				if err != nil || a.Digest != sum(body) {
					t.Errorf("%s:%s is %s, %v", p.repo.Name, p.tag, a.Digest, err)
				} else if err := w.whole(p.repo, oci.Reference{Tag: p.tag}); err != nil {
					t.Errorf("%s:%s: %v", p.repo.Name, p.tag, err)
				}
			}
		}
		w.true("when all are done")
		o := now
		o.DeleteUntagged = true
		w.collect(o)
		w.clean("after a last collection")
		for _, c := range all {
			for p := range c.tags {
				if err := w.whole(p.repo, oci.Reference{Tag: p.tag}); err != nil {
					t.Errorf("%s:%s: %v", p.repo.Name, p.tag, err)
				}
			}
		}
		t.Logf("%d manifests were pushed, %d tags are left; meanwhile %d blobs were taken from repositories and %d deleted; %d pushes had to send a layer again", steps, tags, unlinked.Load(), freed.Load(), again.Load())
	})
}

// retried reports whether the database gave up on a transaction that met others,
// which the next collection makes good.
func retried(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Kind == fault.Unavailable
}
