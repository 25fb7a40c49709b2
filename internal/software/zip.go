package software

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
)

// Bounds of what is read of archives.
const (
	maxDirectory = 16 << 20 // bytes of a list of entries
	maxEntry     = 1 << 20  // bytes of an entry that describes
	maxEntries   = 50_000   // entries that are read, in an archive with all within it
)

// zips are formats whose files are archives. The library is given small archives
// that have nothing but what it reads: it would unpack, as often as an archive
// asks it to, whatever is called right.
type zips struct{ limits Limits }

// A walk goes through an archive and those within it.
type walk struct {
	limits   Limits
	unpacked int64 // bytes that were
	held     int64 // bytes of archives within archives that are in memory
	entries  int   // that were read
	problems []error
	over     error // why nothing more is read

	describes func(name string) bool
	nested    func(name string) bool
	found     func(ctx context.Context, name string, entries []entry) error
}

// An entry describes what is in an archive.
type entry struct {
	name    string
	content []byte
}

// java is the format of Java's archives.
func (z zips) java(f format, e filesystem.Extractor) format {
	f.large = true
	f.read = func(ctx context.Context, file File, content *io.SectionReader) (found Found, err error) {
		w := &walk{limits: z.limits, describes: describesJar, nested: archive.IsArchive}
		w.found = func(ctx context.Context, name string, entries []entry) error {
			small, err := pack(entries)
			if err != nil {
				return err
			}
			packages, err := run(ctx, e, File{Path: name}, small)
			found.Packages = append(found.Packages, packages...)
			return err
		}
		err = w.archive(ctx, file.Path, content, file.Size, 1)
		return found, errors.Join(append(w.problems, w.over, err)...)
	}
	return f
}

// python is the format of wheels and eggs: what describes them where they are
// installed, or packed.
func (z zips) python(f format, e filesystem.Extractor) format {
	plain := documentWith(pythonLicenses)(f, e).read
	f.large = true
	f.read = func(ctx context.Context, file File, content *io.SectionReader) (found Found, err error) {
		if !isWheel(file.Path) {
			if file.Size > z.limits.Document {
				return Found{}, tooLarge(file.Size, z.limits.Document)
			}
			return plain(ctx, file, content)
		}
		w := &walk{limits: z.limits, describes: describesWheel, nested: func(string) bool { return false }}
		w.found = func(ctx context.Context, name string, entries []entry) error {
			for _, d := range entries {
				packages, err := run(ctx, e, File{Path: path.Join(name, d.name)}, d.content)
				if err != nil {
					return err
				}
				if len(packages) == 1 {
					packages[0].Licenses = pythonLicenses(d.content)
				}
				found.Packages = append(found.Packages, packages...)
			}
			return nil
		}
		err = w.archive(ctx, file.Path, content, file.Size, 1)
		return found, errors.Join(append(w.problems, w.over, err)...)
	}
	return f
}

func isWheel(name string) bool {
	return strings.HasSuffix(name, ".whl") || strings.HasSuffix(name, ".egg")
}

func describesWheel(name string) bool {
	return strings.HasSuffix(name, "EGG-INFO/PKG-INFO") || strings.HasSuffix(name, ".dist-info/METADATA")
}

func describesJar(name string) bool {
	base := path.Base(name)
	return base == "pom.properties" || strings.EqualFold(base, "manifest.mf")
}

// archive walks through one archive. What is wrong with a part of it is noted,
// and the rest is still read.
func (w *walk) archive(ctx context.Context, name string, content io.ReaderAt, size int64, depth int) error {
	if depth > w.limits.Depth {
		return fmt.Errorf("%w: %s is deeper than %d archives", ErrLimit, name, w.limits.Depth)
	}
	directory := &metered{r: content, left: maxDirectory}
	r, err := zip.NewReader(directory, size)
	if err != nil {
		return fmt.Errorf("%s is no archive: %w", name, err)
	}
	directory.left = math.MaxInt64
	var describing []entry
	for _, f := range r.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.over != nil {
			break
		}
		switch {
		case strings.HasSuffix(f.Name, "/"):
		case w.describes(f.Name):
			b, err := w.describing(f)
			if err != nil {
				w.note(fmt.Errorf("%s of %s: %w", f.Name, name, err))
				continue
			}
			describing = append(describing, entry{f.Name, b})
		case w.nested(f.Name):
			if err := w.within(ctx, path.Join(name, f.Name), f, content, depth); err != nil {
				w.note(err)
			}
		}
	}
	return w.found(ctx, name, describing)
}

// note keeps the first problems.
func (w *walk) note(err error) {
	if len(w.problems) < 8 {
		w.problems = append(w.problems, err)
	}
}

// describing reads a small entry.
func (w *walk) describing(f *zip.File) ([]byte, error) {
	if f.UncompressedSize64 > maxEntry {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrLimit, maxEntry)
	}
	b, err := w.unpack(f)
	if err == nil && strings.EqualFold(path.Base(f.Name), "manifest.mf") {
		b = headers(b)
	}
	return b, err
}

// within walks through an archive that is an entry of another. One that is only
// stored there is read where it is; others are unpacked into memory.
func (w *walk) within(ctx context.Context, name string, f *zip.File, outer io.ReaderAt, depth int) error {
	if depth+1 > w.limits.Depth {
		return fmt.Errorf("%w: %s is deeper than %d archives", ErrLimit, name, w.limits.Depth)
	}
	size := int64(f.UncompressedSize64)
	if f.Method == zip.Store && f.CompressedSize64 == f.UncompressedSize64 {
		if err := w.charge(f); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		offset, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return w.archive(ctx, name, io.NewSectionReader(outer, offset, size), size, depth+1)
	}
	if f.UncompressedSize64 > uint64(w.limits.Document) || w.held+size > 4*w.limits.Document {
		return fmt.Errorf("%w: %s has %d bytes, and at most %d are looked into", ErrLimit, name, f.UncompressedSize64, w.limits.Document)
	}
	b, err := w.unpack(f)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.held += size
	defer func() { w.held -= size }()
	return w.archive(ctx, name, bytes.NewReader(b), int64(len(b)), depth+1)
}

// charge counts an entry and its bytes.
func (w *walk) charge(f *zip.File) error {
	if w.entries++; w.entries > maxEntries {
		w.over = fmt.Errorf("%w: it has more than %d entries that are read", ErrLimit, maxEntries)
		return w.over
	}
	if f.UncompressedSize64 > uint64(w.limits.Unpacked-w.unpacked) {
		w.over = fmt.Errorf("%w: it has more than %d bytes, unpacked", ErrLimit, w.limits.Unpacked)
		return w.over
	}
	w.unpacked += int64(f.UncompressedSize64)
	return nil
}

// unpack reads an entry, which has as many bytes as it says.
func (w *walk) unpack(f *zip.File) ([]byte, error) {
	if err := w.charge(f); err != nil {
		return nil, err
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(r, int64(f.UncompressedSize64)+1))
	return b.Bytes(), errors.Join(err, r.Close())
}

// A metered reads at most so many bytes.
type metered struct {
	r    io.ReaderAt
	left int64
}

func (m *metered) ReadAt(p []byte, at int64) (int, error) {
	if m.left -= int64(len(p)); m.left < 0 {
		return 0, fmt.Errorf("%w: its list of entries is too long", ErrLimit)
	}
	return m.r.ReadAt(p, at)
}

// pack writes an archive that has only these entries.
func pack(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if len(entries) == 0 { // the library skips archives that are as short as an empty one
		if err := z.SetComment("nothing describes it"); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// manifestFields are those that the library looks at.
var manifestFields = []string{
	"automatic-module-name", "bundle-activator", "bundle-name", "bundle-symbolicname", "bundle-version", "created-by", "extension-name",
	"implementation-title", "implementation-vendor", "implementation-vendor-id", "implementation-version", "main-class", "name", "package",
	"plugin-version", "short-name", "specification-title", "specification-vendor", "specification-version",
}

// headers leaves of a manifest the first of each field that matters, in lines
// that the library reads to their end: where it stops before, one of its
// goroutines waits for ever. A line that begins with a space goes on with the
// last one.
func headers(manifest []byte) (kept []byte) {
	var fields []string
	values := map[string]string{}
	last := ""
	for line := range bytes.Lines(manifest) {
		text := strings.TrimRight(string(line[:min(len(line), maxName)]), "\r\n")
		if more, ok := strings.CutPrefix(text, " "); ok && last != "" && len(values[last]) < maxName {
			values[last] += more
			continue
		}
		name, value, _ := strings.Cut(text, ":")
		name, last = strings.ToLower(name), ""
		if _, seen := values[name]; !seen && slices.Contains(manifestFields, name) {
			values[name], last = strings.TrimSpace(value), name
			fields = append(fields, name)
		}
	}
	for _, name := range fields {
		if isText(values[name], 2*maxName) {
			kept = append(kept, name+": "+values[name]+"\n"...)
		}
	}
	return kept
}
