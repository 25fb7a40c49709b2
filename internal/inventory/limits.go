package inventory

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/software"
)

// Errors of reading a layer. Each says what is wrong.
var (
	ErrUnsupported = fault.New(fault.Unsupported, "LAYER_UNSUPPORTED", "the layer is of a kind that is not looked into")
	ErrDamaged     = fault.New(fault.Invalid, "LAYER_DAMAGED", "the layer is damaged")
	ErrTooLarge    = fault.New(fault.TooLarge, "LAYER_TOO_LARGE", "the layer is too large to look into")
)

// Limits bound what is done for one layer. A zero one is its default.
type Limits struct {
	Entries  int   // in its archive, and folders that these imply: 1,000,000
	Bytes    int64 // that it has, unpacked: 32 GiB
	Ratio    int64 // by which it may grow where it is unpacked, beyond 64 MiB: 200
	Packages int   // that its files tell of: 100,000

	Binary   int64 // bytes of a program, an archive or a database that is looked into: 256 MiB
	Document int64 // bytes of any other file that is: 16 MiB
	Memory   int64 // bytes of such a file that is read into memory, and not into a temporary file: 16 MiB
	Unpacked int64 // bytes that an archive in it, such as of Java, may have, unpacked: 512 MiB
	Depth    int   // archives within such archives: 8

	Temporary string // folder of temporary files; the system's own where it is empty
}

// freeUnpacked is what is not held against the ratio: what is small may be packed
// very well.
const freeUnpacked = 64 << 20

func (l Limits) withDefaults() Limits {
	l.Entries = cmp.Or(l.Entries, 1_000_000)
	l.Bytes = cmp.Or(l.Bytes, 32<<30)
	l.Ratio = cmp.Or(l.Ratio, 200)
	l.Packages = cmp.Or(l.Packages, 100_000)
	l.Binary = cmp.Or(l.Binary, 256<<20)
	l.Document = cmp.Or(l.Document, 16<<20)
	l.Memory = cmp.Or(l.Memory, 16<<20)
	l.Unpacked = cmp.Or(l.Unpacked, 512<<20)
	l.Depth = cmp.Or(l.Depth, 8)
	return l
}

// ofFiles are the limits of what is done for each file.
func (l Limits) ofFiles() software.Limits {
	return software.Limits{Binary: l.Binary, Document: l.Document, Unpacked: l.Unpacked, Depth: l.Depth, Packages: l.Packages}
}

// A source counts what is read of a packed layer, and remembers how that failed:
// that reading fails says nothing about the layer.
type source struct {
	r   io.Reader
	n   int64
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// A meter passes on what a layer has, unpacked, as far as limits and the context
// allow.
type meter struct {
	ctx    context.Context
	r      io.Reader
	packed *source
	limits Limits
	n      int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	switch {
	case m.n > m.limits.Bytes:
		return 0, ErrTooLarge.With("it has more than %d bytes, unpacked", m.limits.Bytes)
	case m.n > freeUnpacked && m.n/m.limits.Ratio > m.packed.n:
		return 0, ErrTooLarge.With("it grows more than %d-fold where it is unpacked", m.limits.Ratio)
	}
	return n, err
}
