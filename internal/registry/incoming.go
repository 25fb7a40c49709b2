package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// An Incoming is a blob on its way in that others read meanwhile. Nobody reads its
// last byte before all of it was found to have its digest, so that nobody takes
// something else for it. It is safe for concurrent use.
type Incoming struct {
	size int64
	file blob.Follower

	mu      sync.Mutex
	have    int64
	over    bool
	err     error         // why it did not become a blob, once it is over
	changed chan struct{} // closed with each change
	users   int           // of the file
}

// Receive stores a blob as PushBlob does, and lets it be read meanwhile: begun is
// called with it once, unless the blob is refused from the start.
func (s *Service) Receive(ctx context.Context, repo artifact.Repo, d oci.Digest, c Chunk, begun func(*Incoming)) error {
	if err := s.admit(ctx, repo, d, 0, c); err != nil {
		return err
	}
	u := Upload{ID: uuid.NewString(), Repo: repo, Algorithm: d.Algorithm()}
	w, err := s.bytes.Begin(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	file, err := w.Follow()
	if err != nil {
		return errors.Join(err, w.Cancel())
	}
	coming := &Incoming{size: c.Size, file: file, changed: make(chan struct{}), users: 1}
	defer coming.release()
	begun(coming)
	_, err = s.receive(ctx, u, &input{Writer: followed{w, coming}, hash: u.Algorithm.New()}, d, c)
	coming.end(err)
	return err
}

// followed tells an Incoming of what was written.
type followed struct {
	blob.Writer
	coming *Incoming
}

// Write implements io.Writer.
func (f followed) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	f.coming.change(func(c *Incoming) { c.have += int64(n) })
	return n, err
}

// change wakes who waits.
func (c *Incoming) change(do func(*Incoming)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c)
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Incoming) end(err error) { c.change(func(c *Incoming) { c.over, c.err = true, err }) }

// release closes the file behind its last user.
func (c *Incoming) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 {
		_ = c.file.Close() // it was only read
	}
}

// Size is how many bytes the blob has when it is whole.
func (c *Incoming) Size() int64 { return c.size }

// Open returns the blob for reading, which the caller closes, or false where the
// last reader has gone and the blob is over: then it is a blob, or nothing.
func (c *Incoming) Open(ctx context.Context) (blob.Reader, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		return nil, false
	}
	c.users++
	return &incomingReader{Incoming: c, ctx: ctx}, true
}

// wait waits until bytes from an offset on are there, and returns how many.
func (c *Incoming) wait(ctx context.Context, offset int64) (int64, error) {
	for {
		c.mu.Lock()
		end, over, err, changed := c.have, c.over, c.err, c.changed
		c.mu.Unlock()
		if !over {
			end = min(end, c.size-1)
		}
		switch {
		case over && err != nil:
			return 0, fmt.Errorf("the blob did not arrive: %w", err)
		case offset < end:
			return end - offset, nil
		case over:
			return 0, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// An incomingReader reads an Incoming from its own place.
type incomingReader struct {
	*Incoming

	ctx    context.Context //nolint:containedctx // of the request that reads
	offset int64
	closed bool
}

var errWhence = errors.New("registry: a place that cannot be sought")

// Read implements io.Reader.
func (r *incomingReader) Read(p []byte) (int, error) {
	n, err := r.some(p, r.offset)
	r.offset += int64(n)
	return n, err
}

func (r *incomingReader) some(p []byte, offset int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.wait(r.ctx, offset)
	if err != nil {
		return 0, err
	}
	got, err := r.file.ReadAt(p[:min(int64(len(p)), n)], offset)
	if got > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return got, err
}

// ReadAt implements io.ReaderAt.
func (r *incomingReader) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) && err == nil {
		var some int
		some, err = r.some(p[n:], offset+int64(n))
		n += some
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *incomingReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, errWhence
	}
	r.offset = offset
	return offset, nil
}

// Close implements io.Closer.
func (r *incomingReader) Close() error {
	if !r.closed {
		r.closed = true
		r.release()
	}
	return nil
}
