package inventory

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/software"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// mediaTypes are those of layers that are looked into. How a layer is packed is
// seen by how it begins, as others do: some say it wrong.
var mediaTypes = map[string]bool{
	"application/vnd.oci.image.layer.v1.tar":            true,
	"application/vnd.oci.image.layer.v1.tar+gzip":       true,
	"application/vnd.oci.image.layer.v1.tar+zstd":       true,
	"application/vnd.docker.image.rootfs.diff.tar":      true,
	"application/vnd.docker.image.rootfs.diff.tar.gzip": true,
	"application/vnd.docker.image.rootfs.diff.tar.zstd": true,
}

// maxWindow is how much memory unpacking zstd may take.
const maxWindow = 128 << 20

// ReadLayer returns the facts of a layer, which it reads to its end but does not
// close. It returns ErrUnsupported for foreign layers and whatever else is no
// layer, ErrDamaged or ErrTooLarge; the context's error; or that of reading. An
// uncompressed layer that ends between two entries is not known to be cut off:
// that is for the digest to tell.
func ReadLayer(ctx context.Context, r io.Reader, mediaType string, limits Limits) (*Facts, error) {
	if !mediaTypes[mediaType] {
		return nil, ErrUnsupported.With("%.100q", mediaType)
	}
	limits = limits.withDefaults()
	files, err := software.New(limits.ofFiles())
	if err != nil {
		return nil, err
	}
	packed := &source{r: r}
	l := &layer{ctx: ctx, limits: limits, files: files, gone: set{}, emptied: set{}, folders: set{}, found: &node{}}
	switch err := l.read(packed); {
	case packed.err != nil:
		return nil, fmt.Errorf("reading a layer: %w", packed.err)
	case err != nil:
		return nil, failure(err)
	}
	return l.facts(), nil
}

// failure returns what an error says of a layer.
func failure(err error) error {
	var f *fault.Fault
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrDamaged.With("it is cut off")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &f), errors.Is(err, errTemporary):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return ErrTooLarge.With("unpacking it takes more than %d bytes", maxWindow).Because(err)
	}
	return ErrDamaged.Because(err)
}

// errTemporary is wrapped where a temporary file fails.
var errTemporary = errors.New("temporary file of a layer")

// A layer is one that is being read.
type layer struct {
	ctx    context.Context
	limits Limits
	files  *software.Reader
	buffer []byte // of files that are read into memory, one after the other

	entries, packages, owned int
	gone, emptied, folders   set
	found                    *node
	problems                 []Problem
}

// read reads all of a layer, so that a checksum at its end is seen too.
func (l *layer) read(packed *source) error {
	unpacked, done, err := unpack(bufio.NewReaderSize(packed, 64<<10))
	if err != nil {
		return err
	}
	defer done()
	all := &meter{ctx: l.ctx, r: unpacked, packed: packed, limits: l.limits}
	entries := tar.NewReader(all)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) && all.n%512 == 0 { // and not within what follows a file
			break
		}
		if err != nil {
			return err
		}
		if err := l.entry(h, entries); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, all)
	return err
}

// unpack returns the archive that a layer is, and what to call when it was read.
func unpack(packed *bufio.Reader) (io.Reader, func(), error) {
	start, err := packed.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { _ = z.Close() }, nil
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return packed, func() {}, nil
}

// entry takes an entry of the archive in. Whiteouts are about the layers below,
// wherever in the archive they are.
func (l *layer) entry(h *tar.Header, content io.Reader) error {
	if err := l.count(); err != nil {
		return err
	}
	name, outside := clean(h.Name)
	if outside {
		l.note(name, "its path leads out of the image: it is taken as if it did not")
	}
	if len(name) > maxPath {
		return ErrTooLarge.With("it has a path of more than %d bytes", maxPath)
	}
	if name == "" || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if err := l.folder(path.Dir(name)); err != nil {
		return err
	}
	dir, base := path.Split(name)
	switch {
	case base == ".wh..wh..opq":
		l.emptied.add(strings.TrimSuffix(dir, "/"))
	case strings.HasPrefix(base, ".wh..wh.") || strings.Contains(dir, ".wh..wh."):
		// What AUFS keeps for itself.
	case strings.HasPrefix(base, ".wh."):
		l.whiteout(dir, base)
	case h.Typeflag == tar.TypeDir:
		return l.folder(name)
	default:
		return l.file(name, h, content)
	}
	return nil
}

// count counts an entry, or a folder that one implies.
func (l *layer) count() error {
	if l.entries++; l.entries > l.limits.Entries {
		return ErrTooLarge.With("it has more than %d entries", l.limits.Entries)
	}
	return l.ctx.Err()
}

// maxPath is how long a path in a layer may be, as with Linux.
const maxPath = 4096

// clean returns a path as it is below the image's root, empty for the root, and
// whether it leads out of that. Absolute paths are below the root too.
func clean(name string) (_ string, outside bool) {
	depth := 0
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		outside = outside || depth < 0
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), outside
}

// whiteout notes that something of the layers below is gone.
func (l *layer) whiteout(dir, base string) {
	name := strings.TrimPrefix(base, ".wh.")
	if name == "" || name == "." || name == ".." {
		l.note(dir+base, "it is a whiteout of nothing")
		return
	}
	l.gone.add(dir + name)
}

// folder notes that a path is a folder, as are those that it is in.
func (l *layer) folder(name string) error {
	l.found.folder(name)
	for ; name != "." && name != ""; name = path.Dir(name) {
		if !l.folders.add(name) {
			return nil
		}
		if err := l.count(); err != nil {
			return err
		}
	}
	return nil
}

// file takes in what is no folder. It replaces whatever was at its path.
func (l *layer) file(name string, h *tar.Header, content io.Reader) error {
	l.gone.add(name)
	l.found.remove(name)
	switch h.Typeflag {
	case tar.TypeLink:
		l.link(name, h)
	case tar.TypeReg, tar.TypeGNUSparse:
		return l.look(software.File{Path: name, Size: h.Size, Mode: h.FileInfo().Mode()}, sparse(h), content)
	}
	return nil
}

// sparse reports whether a file has holes, which are not in the archive.
func sparse(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != ""
}

// link takes in another name of a file of the same layer, and of what that tells.
func (l *layer) link(name string, h *tar.Header) {
	wants, err := l.files.Wants(software.File{Path: name, Size: 1 << 10, Mode: h.FileInfo().Mode()})
	if err != nil || !wants.Any() {
		return
	}
	target, _ := clean(h.Linkname)
	if f := l.found.at(target); f != nil && f.release == "" {
		l.found.put(name, &file{path: name, packages: f.packages, owned: f.owned})
		return
	}
	seen, _ := l.files.Wants(software.File{Path: target, Size: 1 << 10, Mode: h.FileInfo().Mode()}) // the size is made up
	if !wants.Peek() && (!seen.Any() || seen.Peek()) {
		l.note(name, "it is another name of a file that was not looked into")
	}
}

// look looks into a file, if it is one that may tell of packages.
func (l *layer) look(f software.File, sparse bool, content io.Reader) error {
	if isRelease(f.Path) {
		return l.release(f, content)
	}
	wants, err := l.files.Wants(f)
	if err == nil && wants.Any() && wants.Peek() {
		var program bool
		if content, program, err = peek(content); err != nil {
			return err
		}
		if !program {
			return nil
		}
		err = l.files.Check(f)
	}
	switch {
	case err != nil:
		l.note(f.Path, err.Error())
		return nil
	case !wants.Any():
		return nil
	case sparse:
		l.note(f.Path, "it is a file with holes, which is not looked into")
		return nil
	}
	whole, done, err := l.load(f, content)
	if err != nil {
		return err
	}
	defer done()
	return l.take(wants, f, whole)
}

// peek reports whether content begins as a program does, and returns all of it.
func peek(content io.Reader) (io.Reader, bool, error) {
	start := make([]byte, 4)
	n, err := io.ReadFull(content, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, err
	}
	return io.MultiReader(bytes.NewReader(start[:n]), content), software.Executable(start[:n]), nil
}

// load makes a file's content readable at any place: in memory, or in a temporary
// file that is gone when done was called.
func (l *layer) load(f software.File, content io.Reader) (_ io.ReaderAt, done func(), err error) {
	if f.Size <= l.limits.Memory {
		if int64(cap(l.buffer)) < f.Size {
			l.buffer = make([]byte, f.Size)
		}
		b := l.buffer[:f.Size]
		_, err := io.ReadFull(content, b)
		return bytes.NewReader(b), func() {}, err
	}
	t, err := os.CreateTemp(l.limits.Temporary, "berth-layer-")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errTemporary, err)
	}
	done = func() { _ = t.Close() }
	if err := os.Remove(t.Name()); err != nil { // it lives as long as it is open
		done()
		return nil, nil, fmt.Errorf("%w: %w", errTemporary, err)
	}
	if _, err := io.Copy(&temporary{t}, content); err != nil {
		done()
		return nil, nil, err
	}
	return t, done, nil
}

// A temporary tells its own failures from those of what is copied into it.
type temporary struct{ f *os.File }

func (t *temporary) Write(p []byte) (int, error) {
	n, err := t.f.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errTemporary, err)
	}
	return n, err
}

// take looks into a file whose content is at hand.
func (l *layer) take(wants software.Wants, f software.File, content io.ReaderAt) error {
	found, err := l.files.Read(l.ctx, wants, f, content)
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if err != nil {
		l.note(f.Path, err.Error())
	}
	if l.packages += len(found.Packages); l.packages > l.limits.Packages {
		return ErrTooLarge.With("it has more than %d packages", l.limits.Packages)
	}
	if l.owned += len(found.Owned); l.owned > l.limits.Entries {
		return ErrTooLarge.With("its packages have more than %d files", l.limits.Entries)
	}
	if len(found.Packages)+len(found.Owned) > 0 {
		l.found.put(f.Path, &file{path: f.Path, packages: found.Packages, owned: hashes(found.Owned)})
	}
	return nil
}

// release keeps what an os-release says.
func (l *layer) release(f software.File, content io.Reader) error {
	if f.Size > maxRelease {
		l.note(f.Path, fmt.Sprintf("it has more than %d bytes", maxRelease))
		return nil
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	l.found.put(f.Path, &file{path: f.Path, release: string(b)})
	return nil
}

// maxText is how long a problem's text may be.
const maxText = 500

// note notes a problem, unless there are many.
func (l *layer) note(name, text string) {
	l.problems = with(l.problems, Problem{Path: printable(name, maxPath), Text: printable(text, maxText)})
}
