package proxycache

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/remote"
)

// through returns a blob of the upstream that is not to be kept here, which the
// caller closes. Who reads it holds it against its digest.
func (c *Cache) through(ctx context.Context, p place, d oci.Digest) (registry.Blob, blob.Reader, error) {
	rules, err := c.rules(ctx, p)
	if err != nil {
		return registry.Blob{}, nil, err
	}
	line, cancel := inLine(ctx)
	defer cancel()
	if err := c.s.take(line, p.ProjectID, rules); err != nil {
		return registry.Blob{}, nil, err
	}
	give := func() { c.s.give(p.ProjectID) }
	other, err := c.reach(ctx, p)
	if err != nil {
		give()
		return registry.Blob{}, nil, err
	}
	first, size, err := other.Blob(ctx, p.far, d, 0)
	if err == nil && size < 0 {
		err = errors.Join(errLength, first.Close())
	}
	if err != nil {
		give()
		c.failed(p, err)
		return registry.Blob{}, nil, err
	}
	r := &throughReader{ctx: ctx, size: size, give: give, open: func(offset int64) (io.ReadCloser, error) {
		r, _, err := other.Blob(ctx, p.far, d, offset)
		return r, err
	}}
	r.now = remote.Lasting(ctx, first, size, r.open)
	if limit := remote.Limit(rules.Speed); limit != nil {
		r.slowly = func(in io.Reader) io.Reader { return remote.Slowly(ctx, in, limit) }
	}
	return registry.Blob{Digest: d, Size: size}, r, nil
}

// A throughReader reads a blob of another registry. It is opened anew where it is
// read elsewhere than it was read before.
type throughReader struct {
	ctx    context.Context //nolint:containedctx // of the request that reads
	size   int64
	offset int64
	open   func(offset int64) (io.ReadCloser, error)
	slowly func(io.Reader) io.Reader // nil: as fast as it comes
	give   func()                    // the connection back; nil once it is closed

	now *remote.LastingReader // from offset on; nil: to be opened
}

// Size implements blob.Reader.
func (r *throughReader) Size() int64 { return r.size }

// Read implements io.Reader.
func (r *throughReader) Read(p []byte) (int, error) {
	if r.offset >= r.size {
		return 0, io.EOF
	}
	if r.now == nil {
		from := r.offset
		r.now = remote.Lasting(r.ctx, nil, r.size-from, func(offset int64) (io.ReadCloser, error) { return r.open(from + offset) })
	}
	var in io.Reader = r.now
	if r.slowly != nil {
		in = r.slowly(in)
	}
	n, err := in.Read(p)
	r.offset += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt.
func (r *throughReader) ReadAt(p []byte, offset int64) (int, error) {
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *throughReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset != r.offset {
		r.stop()
		r.offset = offset
	}
	return offset, nil
}

func (r *throughReader) stop() {
	if r.now != nil {
		_ = r.now.Close() // it was only read
		r.now = nil
	}
}

// Close implements io.Closer.
func (r *throughReader) Close() error {
	r.stop()
	if r.give != nil {
		r.give()
		r.give = nil
	}
	return nil
}
