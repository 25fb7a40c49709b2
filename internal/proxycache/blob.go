package proxycache

import (
	"context"
	"errors"
	"io"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/remote"
)

// A flight is a blob on its way, which all read who want it.
type flight struct {
	turn   chan struct{}      // closed when it has its connection, or is over
	begun  chan struct{}      // closed when the next is there, or it is over
	coming *registry.Incoming // nil where it was refused
	done   chan struct{}
	err    error // once it is over
}

// StatBlob returns a blob, as registry.Service does. It returns
// registry.ErrBlobUnknown, and what Manifest returns.
func (c *Cache) StatBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, _ bool) (registry.Blob, error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return registry.Blob{}, err
	}
	b, err := c.s.Content.StatBlob(ctx, p.Repo, d, false)
	if !errors.Is(err, registry.ErrBlobUnknown) {
		return b, err
	}
	if _, err := c.rules(ctx, p); err != nil {
		return b, err
	}
	other, err := c.reach(ctx, p)
	if err != nil {
		return b, told(err, registry.ErrBlobUnknown)
	}
	size, err := other.StatBlob(ctx, p.far, d)
	if err != nil {
		c.failed(p, err)
		return b, told(err, registry.ErrBlobUnknown)
	}
	if size < 0 {
		return b, told(errLength, registry.ErrBlobUnknown)
	}
	return registry.Blob{Digest: d, Size: size}, nil
}

// errLength is of an upstream that could send for ever.
var errLength = remote.ErrAnswer.With("it does not say how many bytes the blob has")

// mostOpens bounds how often a blob is looked for that comes and goes.
const mostOpens = 3

// OpenBlob returns a blob's content, which the caller closes, as registry.Service
// does: while it comes, where it is not here.
func (c *Cache) OpenBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) (b registry.Blob, r blob.Reader, err error) {
	p, err := c.at(ctx, repo)
	if err != nil {
		return b, nil, err
	}
	for range mostOpens {
		b, r, err = c.s.Content.OpenBlob(ctx, p.Repo, d)
		if !errors.Is(err, registry.ErrBlobUnknown) {
			return b, r, err
		}
		f := c.flight(p, d)
		if err := f.wait(ctx); err != nil {
			return b, nil, err
		}
		if f.coming != nil {
			if r, ok := f.coming.Open(ctx); ok {
				return registry.Blob{Digest: d, Size: f.coming.Size()}, r, nil
			}
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return b, nil, context.Cause(ctx)
		}
		if fault.OfKind(f.err, fault.Denied) && !isFar(f.err) { // it may not be kept: the project is full
			b, r, err := c.through(ctx, p, d)
			return b, r, told(err, registry.ErrBlobUnknown)
		}
		if f.err != nil {
			return b, nil, told(f.err, registry.ErrBlobUnknown)
		}
	}
	return b, nil, err
}

// wait waits until a blob is on its way, or over. Who waits too long for a
// connection gets ErrBusy, while the blob waits on.
func (f *flight) wait(ctx context.Context) error {
	line, cancel := inLine(ctx)
	defer cancel()
	select {
	case <-f.turn:
	case <-line.Done():
		return context.Cause(line)
	}
	select {
	case <-f.begun:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ensure waits until a blob is here.
func (c *Cache) ensure(ctx context.Context, p place, d oci.Digest) error {
	if _, err := c.s.Content.StatBlob(ctx, p.Repo, d, true); err == nil {
		return nil
	}
	f := c.flight(p, d)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flight returns the one of a blob, which it begins where there is none.
func (c *Cache) flight(p place, d oci.Digest) *flight {
	key := content{p.Name, d}
	c.s.mu.Lock()
	f := c.s.flights[key]
	if f != nil {
		c.s.mu.Unlock()
		return f
	}
	f = &flight{turn: make(chan struct{}), begun: make(chan struct{}), done: make(chan struct{})}
	c.s.flights[key] = f
	c.s.mu.Unlock()
	if !c.s.start(func() { c.s.landed(key, f, c.receive(p, d, f)) }) {
		c.s.landed(key, f, errClosed)
	}
	return f
}

func (s *Service) landed(key content, f *flight, err error) {
	s.mu.Lock()
	delete(s.flights, key)
	s.mu.Unlock()
	f.err = err
	for _, reached := range []chan struct{}{f.turn, f.begun} {
		select {
		case <-reached:
		default:
			close(reached)
		}
	}
	close(f.done)
}

// receive fetches a blob, and keeps it as it comes. Where the connection breaks it
// goes on from there.
func (c *Cache) receive(p place, d oci.Digest, f *flight) error {
	ctx, cancel := context.WithTimeout(c.s.ctx, imageTime)
	defer cancel()
	rules, err := c.rules(ctx, p)
	if err != nil {
		return err
	}
	if err := c.s.take(ctx, p.ProjectID, rules); err != nil {
		return err
	}
	defer c.s.give(p.ProjectID)
	close(f.turn)
	other, err := c.reach(ctx, p)
	if err != nil {
		return err
	}
	first, size, err := other.Blob(ctx, p.far, d, 0)
	if err != nil {
		c.failed(p, err)
		return err
	}
	if size < 0 {
		return errors.Join(errLength, first.Close())
	}
	body := remote.Lasting(ctx, first, size, func(offset int64) (io.ReadCloser, error) {
		r, _, err := other.Blob(ctx, p.far, d, offset)
		return r, err
	})
	defer body.Close()
	var in io.Reader = body
	if limit := remote.Limit(rules.Speed); limit != nil {
		in = remote.Slowly(ctx, body, limit)
	}
	err = c.s.Content.Receive(ctx, p.Repo, d, registry.Chunk{Size: size, Body: in}, func(coming *registry.Incoming) {
		f.coming = coming
		close(f.begun)
	})
	if failed := body.Err(); failed != nil {
		err = failed // the upstream's failure, not that of a client
	}
	if fault.OfKind(err, fault.Invalid) { // another digest or length than was said
		return remote.ErrAnswer.With("%v", err)
	}
	return err
}
