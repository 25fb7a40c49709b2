package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/berth-registry/berth/test/registry"
)

// A bench is one run with its content and what it has found so far.
type bench struct {
	options
	corpus  corpus
	results results
	round   int
}

// Repositories that are measured.
const (
	manyTags = project + "/tags"
	images   = project + "/images"
	blobs    = project + "/blobs"
)

// A corpus is what every server is filled with.
type corpus struct {
	images []registry.Image // tagged v0, v1, …
	small  []registry.Blob
}

func newCorpus(o options) corpus {
	var c corpus
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 40 {
		c.images = append(c.images, smallImage(random, fmt.Sprintf("image %d", i)))
	}
	for i := range 100 {
		c.small = append(c.small, registry.NewBlob(4<<10, fmt.Sprintf("small %d", i)))
	}
	return c
}

// smallImage has four layers of 1 to 64 KiB.
func smallImage(random *rand.Rand, id string) registry.Image {
	var layers []registry.Blob
	for n := range 4 {
		layers = append(layers, registry.NewBlob(1<<10<<random.IntN(7), fmt.Sprint(id, " layer ", n)))
	}
	return registry.NewImage(id, layers...)
}

// fill puts the corpus on a server.
func (b *bench) fill(ctx context.Context, s *server) error {
	session, err := s.signIn(ctx)
	if err != nil {
		return err
	}
	for i, im := range b.corpus.images {
		if err := pushImage(ctx, session, images, fmt.Sprintf("v%d", i), im); err != nil {
			return err
		}
	}
	for _, blob := range b.corpus.small {
		if err := session.PushBlob(ctx, blobs, blob); err != nil {
			return err
		}
	}
	im := b.corpus.images[0]
	if err := pushImage(ctx, session, manyTags, tag(0), im); err != nil {
		return err
	}
	var next atomic.Int64
	return together(b.clients, func(int) error {
		for {
			n := int(next.Add(1))
			if n >= b.tags {
				return nil
			}
			if err := session.PutManifest(ctx, manyTags, tag(n), im.Manifest); err != nil {
				return err
			}
		}
	})
}

func tag(n int) string { return fmt.Sprintf("t%06d", n) }

// together runs f on so many clients and returns the first error.
func together(clients int, f func(client int) error) error {
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { errs[n] = f(n) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A work is one kind of operation.
type work struct {
	name  string
	op    operation
	flow  bool // an operation is many requests, with its own sign-in
	large bool // an operation moves the large blob: it is done once, and alone
	floor bool // the floor does it too
	once  bool // how many of them there are in a second means nothing
}

// An operation is done once by one client. n is another number each time, the
// same for all servers.
type operation func(ctx context.Context, s *server, session *registry.Session, n int) error

// works are all kinds of work, except what -only leaves out.
func (b *bench) works() []work {
	large := registry.Blob{}
	all := []work{
		{name: "HEAD manifest by tag", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			_, err := session.HeadManifest(ctx, manyTags, tag(n*7919%b.tags))
			return err
		}},
		{name: "GET manifest by digest", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			_, err := session.GetManifest(ctx, images, b.corpus.images[n%len(b.corpus.images)].Digest)
			return err
		}},
		{name: "HEAD blob", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			_, err := session.HasBlob(ctx, blobs, b.corpus.small[n%len(b.corpus.small)].Digest)
			return err
		}},
		{name: "GET blob of 4 KiB", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			_, err := session.ReadBlob(ctx, blobs, b.corpus.small[n%len(b.corpus.small)].Digest, io.Discard)
			return err
		}},
		{name: "push blob of 4 KiB", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			return session.PushBlob(ctx, blobs, registry.NewBlob(4<<10, fmt.Sprint("pushed ", b.round, n)))
		}},
		{name: "PUT manifest, new tag", op: func(ctx context.Context, _ *server, session *registry.Session, n int) error {
			name := fmt.Sprintf("new-%d-%d", b.round, n)
			return session.PutManifest(ctx, images, name, registry.NewImage(name, b.corpus.images[0].Layers...).Manifest)
		}},
		{name: "tags, first page of 100", op: b.page(func() string { return "" })},
		{name: "tags, last page of 100", op: b.page(func() string { return tag(b.tags - 101) })},
		{name: "pull a small image", flow: true, op: b.pull},
		{name: "push a small image", flow: true, op: b.push},
		{name: "9 pulls in 10, 1 push", flow: true, op: func(ctx context.Context, s *server, session *registry.Session, n int) error {
			if n%10 == 9 {
				return b.push(ctx, s, session, n+1<<30)
			}
			return b.pull(ctx, s, session, n)
		}},
		{name: "push", large: true, floor: true, op: func(ctx context.Context, s *server, session *registry.Session, _ int) error {
			return session.PushBlob(ctx, blobs, large)
		}},
		{name: "pull", large: true, floor: true, op: func(ctx context.Context, s *server, session *registry.Session, _ int) error {
			n, err := session.ReadBlob(ctx, blobs, large.Digest, io.Discard)
			if err == nil && n != large.Size {
				err = fmt.Errorf("%d bytes of %d", n, large.Size)
			}
			return err
		}},
	}
	all = slices.DeleteFunc(all, func(w work) bool { return !b.wanted(w.name) })
	if slices.ContainsFunc(all, func(w work) bool { return w.large }) {
		large = registry.NewBlob(b.large, fmt.Sprint("large ", b.round))
	}
	return all
}

// page lists 100 tags. docker-registry 2.8 does not know pages of tags and
// answers with all that follow.
func (b *bench) page(last func() string) operation {
	return func(ctx context.Context, _ *server, session *registry.Session, _ int) error {
		tags, err := session.Tags(ctx, manyTags, 100, last())
		if err == nil && len(tags) < 100 {
			err = fmt.Errorf("a page of %d tags", len(tags))
		}
		return err
	}
}

// pull does what a client of an image does, from signing in to the last layer.
func (b *bench) pull(ctx context.Context, s *server, _ *registry.Session, n int) error {
	session, err := s.client.SignIn(ctx, registry.Scope(images, registry.Pull))
	if err != nil {
		return err
	}
	i := n % len(b.corpus.images)
	digest, err := session.HeadManifest(ctx, images, fmt.Sprintf("v%d", i))
	if err != nil {
		return err
	}
	if _, err := session.GetManifest(ctx, images, digest); err != nil {
		return err
	}
	for _, blob := range b.corpus.images[i].Blobs() {
		if _, err := session.ReadBlob(ctx, images, blob.Digest, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

// push pushes an image of which two layers are there already.
func (b *bench) push(ctx context.Context, s *server, _ *registry.Session, n int) error {
	session, err := s.client.SignIn(ctx, registry.Scope(images, registry.Push))
	if err != nil {
		return err
	}
	id := fmt.Sprintf("pushed-%d-%d", b.round, n)
	layers := slices.Clone(b.corpus.images[n%len(b.corpus.images)].Layers[:2])
	layers = append(layers, registry.NewBlob(8<<10, id+" a"), registry.NewBlob(32<<10, id+" b"))
	return pushImage(ctx, session, images, id, registry.NewImage(id, layers...))
}

// pushImage pushes what is not there of an image.
func pushImage(ctx context.Context, session *registry.Session, repo, tag string, im registry.Image) error {
	for _, blob := range im.Blobs() {
		has, err := session.HasBlob(ctx, repo, blob.Digest)
		if err != nil {
			return err
		}
		if has {
			continue
		}
		if err := session.PushBlob(ctx, repo, blob); err != nil {
			return err
		}
	}
	return session.PutManifest(ctx, repo, tag, im.Manifest)
}

// counting counts the requests that pass.
type counting struct {
	*http.Transport
	n atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.Transport.RoundTrip(r)
}
