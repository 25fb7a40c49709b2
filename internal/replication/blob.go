package replication

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// content copies the blobs of a manifest that the target lacks. Those that may be
// elsewhere (foreign layers) stay there.
func (c *copying) content(ctx context.Context, blobs []oci.Blob, t *tally) error {
	return each(ctx, blobsAtOnce, blobs, func(b oci.Blob) error {
		if b.Foreign {
			return nil
		}
		err := c.part(ctx, b.Digest, true, func() error { return c.blob(ctx, b.Descriptor, t) })
		if err != nil {
			return fmt.Errorf("blob %s: %w", b.Digest, err)
		}
		return nil
	})
}

// each does something with all of a list, so many at once. Where one fails, what
// has begun goes on to its end, so that it need not be done again, and no other
// begins.
func each[T any](ctx context.Context, atOnce int, list []T, do func(T) error) error {
	g, begins := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, one := range list {
		g.Go(func() error {
			if begins.Err() != nil {
				return context.Cause(begins)
			}
			return do(one)
		})
	}
	return g.Wait()
}

// blob copies one. Nothing is sent that the target repository has, or that the
// target can take from another repository; of several that want to send it to the
// same registry, one does, and the others have it taken from there.
func (c *copying) blob(ctx context.Context, d oci.Descriptor, t *tally) error {
	select {
	case c.blobs <- struct{}{}:
		defer func() { <-c.blobs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if has, err := c.has(ctx, d); err != nil || has {
		return err
	}
	release, err := c.sent.claim(ctx, d.Digest)
	if err != nil {
		return err
	}
	defer release()
	s := remote.Source{
		Digest: d.Digest, Size: d.Size, From: c.sent.holder(d.Digest, c.target),
		Open: func(ctx context.Context, offset int64) (io.ReadCloser, error) { return c.read(ctx, d.Digest, offset) },
	}
	if c.policy.Chunked {
		s.Chunk = chunkSize
	}
	moved, err := c.to.PushBlob(ctx, c.target, s)
	if err != nil {
		return err
	}
	if moved {
		t.add(d.Size)
	}
	c.sent.note(d.Digest, c.target)
	return nil
}

// small is of how many bytes a blob may be that is sent as fast as it is asked
// for.
const small = 1 << 20

// has reports whether the target repository has a blob. An empty one has none but
// what a copy left behind that was broken off, so that is asked for only where it
// may save something.
func (c *copying) has(ctx context.Context, d oci.Descriptor) (bool, error) {
	if c.empty && d.Size <= small {
		return false, nil
	}
	_, err := c.to.StatBlob(ctx, c.target, d.Digest)
	if fault.OfKind(err, fault.NotFound) {
		return false, nil
	}
	if err == nil {
		c.sent.note(d.Digest, c.target)
	}
	return err == nil, err
}

// read opens a blob of the source, no faster than the policy allows.
func (c *copying) read(ctx context.Context, d oci.Digest, offset int64) (io.ReadCloser, error) {
	r, _, err := c.from.Blob(ctx, c.source, d, offset)
	if err != nil || c.limit == nil {
		return r, err
	}
	return limited{remote.Slowly(ctx, r, c.limit), r}, nil
}

// limited is read slowly.
type limited struct {
	io.Reader
	io.Closer
}

// A sent knows of a pair of registries which repositories of the one have which
// blobs that came from the other, and what is being sent.
type sent struct {
	mu     sync.Mutex
	held   map[oci.Digest]string
	claims map[oci.Digest]chan struct{}
}

// mostHeld bounds what is remembered of a pair of registries.
const mostHeld = 200_000

func newSent() *sent {
	return &sent{held: map[oci.Digest]string{}, claims: map[oci.Digest]chan struct{}{}}
}

// note says that a repository has a blob.
func (s *sent) note(d oci.Digest, repository string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= mostHeld {
		clear(s.held)
	}
	s.held[d] = repository
}

// holder returns another repository that has a blob, or nothing.
func (s *sent) holder(d oci.Digest, but string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.held[d]; at != but {
		return at
	}
	return ""
}

// claim waits until nobody else sends a blob.
func (s *sent) claim(ctx context.Context, d oci.Digest) (release func(), err error) {
	for {
		s.mu.Lock()
		busy := s.claims[d]
		if busy == nil {
			mine := make(chan struct{})
			s.claims[d] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.claims, d)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
