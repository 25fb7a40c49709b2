package inventory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/berth-registry/berth/internal/software"
	"github.com/klauspost/compress/zstd"
)

// Version says how layers are read: facts of another one are to be read again. It
// is raised with what facts hold, and with each change of what is found, such as
// another version of the library.
const Version = 1

// ErrFacts is wrapped by errors about kept facts that are of another version, or
// damaged: the layer is to be read again.
var ErrFacts = errors.New("facts of a layer cannot be used")

const (
	factsMagic = "berth facts\x00"

	maxFacts = 256 << 20 // bytes of facts, unpacked
)

// Encode returns the facts in a form that is small and can be kept: a mark, the
// version, and the rest packed by zstd, with a checksum.
func (f *Facts) Encode() ([]byte, error) {
	w := &writer{}
	w.number(len(f.files))
	for _, file := range f.files {
		w.file(file)
	}
	for _, hashes := range [][]uint64{f.gone, f.emptied, f.folders} {
		w.hashes(hashes)
	}
	w.number(len(f.problems))
	for _, p := range f.problems {
		w.text(p.Path, p.Text)
	}
	if len(w.b) > maxFacts {
		return nil, ErrTooLarge.With("its facts have more than %d bytes", maxFacts)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	kept := z.EncodeAll(w.b, binary.BigEndian.AppendUint32([]byte(factsMagic), Version))
	return kept, z.Close()
}

// Decode returns facts that were encoded, or wraps ErrFacts.
func Decode(kept []byte) (*Facts, error) {
	packed, ok := bytes.CutPrefix(kept, []byte(factsMagic))
	if !ok || len(packed) < 4 {
		return nil, fmt.Errorf("%w: they are none", ErrFacts)
	}
	if v := binary.BigEndian.Uint32(packed); v != Version {
		return nil, fmt.Errorf("%w: they are of version %d", ErrFacts, v)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFacts))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	b, err := z.DecodeAll(packed[4:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFacts, err)
	}
	r := &reader{b: b}
	f := r.facts()
	if r.failed || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: they are damaged", ErrFacts)
	}
	return f, nil
}

// A writer puts values behind one another.
type writer struct{ b []byte }

func (w *writer) number(n int) { w.b = binary.AppendUvarint(w.b, uint64(n)) }

func (w *writer) text(all ...string) {
	for _, s := range all {
		w.number(len(s))
		w.b = append(w.b, s...)
	}
}

func (w *writer) hashes(all []uint64) {
	w.number(len(all))
	for _, h := range all {
		w.b = binary.BigEndian.AppendUint64(w.b, h)
	}
}

func (w *writer) file(f file) {
	w.text(f.path, f.release)
	w.hashes(f.owned)
	w.number(len(f.packages))
	for _, p := range f.packages {
		w.text(p.Type, p.Name, p.Version, p.Arch, p.PURL, p.Source, p.SourceVersion, p.Ecosystem)
		w.number(len(p.Licenses))
		w.text(p.Licenses...)
	}
}

// A reader takes values off the front of what is left. Once it failed, all that it
// returns is empty.
type reader struct {
	b      []byte
	failed bool
}

// number reads a count of things that have at least so many bytes each.
func (r *reader) number(least int) int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > math.MaxInt32 || int(n)*least > len(r.b)-size {
		r.b, r.failed = nil, true
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *reader) text() string {
	n := r.number(1)
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) texts() (all []string) {
	for range r.number(1) {
		all = append(all, r.text())
	}
	return all
}

func (r *reader) hashes() []uint64 {
	all := make([]uint64, r.number(8))
	for i := range all {
		all[i] = binary.BigEndian.Uint64(r.b)
		r.b = r.b[8:]
		r.failed = r.failed || i > 0 && all[i] <= all[i-1]
	}
	return all
}

func (r *reader) facts() *Facts {
	f := &Facts{}
	for range r.number(4) {
		f.files = append(f.files, r.file())
	}
	f.gone, f.emptied, f.folders = r.hashes(), r.hashes(), r.hashes()
	for range r.number(2) {
		f.problems = append(f.problems, Problem{Path: r.text(), Text: r.text()})
	}
	return f
}

func (r *reader) file() file {
	f := file{path: r.text(), release: r.text(), owned: r.hashes()}
	if name, outside := clean(f.path); name != f.path || name == "" || outside {
		r.b, r.failed = nil, true
	}
	for range r.number(9) {
		f.packages = append(f.packages, software.Package{
			Type: r.text(), Name: r.text(), Version: r.text(), Arch: r.text(), PURL: r.text(),
			Source: r.text(), SourceVersion: r.text(), Ecosystem: r.text(), Licenses: r.texts(),
		})
	}
	return f
}
