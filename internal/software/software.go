// Package software looks into single files for the packages that they tell of:
// databases of package managers, binaries with a list of their modules, archives,
// descriptions beside what was installed. It reads no other file than the one it
// is given, believes nothing that is said there of sizes, and is done after work
// and memory that its limits bound. The library that knows most formats is seen
// by nobody else. Which files an image has, and what its distribution is called,
// is for others to know.
package software

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"
)

// ErrLimit is wrapped by errors about files that go beyond a limit, which they
// name.
var ErrLimit = errors.New("software: beyond a limit")

// Limits bound what is done for one file. All must be positive.
type Limits struct {
	Binary   int64 // bytes of a binary or an archive
	Document int64 // bytes of any other file, and of an archive within an archive: they are read into memory
	Unpacked int64 // bytes that an archive may have, unpacked, with all within it
	Depth    int   // archives within archives; 1 is none
	Packages int   // that a file tells of
}

// A Package is software that a file tells of.
type Package struct {
	Type    string // as in its package URL: deb, apk, rpm, alpm, golang, npm, pypi, maven, …
	Name    string // as its package manager says it; group:artifact with Maven
	Version string // with its epoch where that is not 0
	Arch    string // of packages of distributions

	// PURL is its package URL. It is empty with packages of distributions, whose
	// name this file does not tell.
	PURL string

	// Source and SourceVersion are the source package that it was built from, or
	// the name that advisories have for it; Name and Version where there is none.
	Source, SourceVersion string

	Ecosystem string   // of the advisories about its kind, as OSV names it; empty with distributions
	Licenses  []string // as it says them
}

// OS reports whether a distribution brought the package.
func (p Package) OS() bool { return slices.Contains(osTypes, p.Type) }

var osTypes = []string{"deb", "apk", "rpm", "alpm", "opkg"}

// Found is what a file tells.
type Found struct {
	Packages []Package // by Type, Name, Version
	Owned    []string  // paths that packages of distributions brought and that may tell of packages, without a leading slash, sorted
}

// A File is one that may be looked into.
type File struct {
	Path string // clean, without a leading slash
	Size int64
	Mode fs.FileMode
}

// A Reader looks into files. It may be used by many at once.
type Reader struct {
	limits  Limits
	formats []format
}

// A format is a kind of file that tells of packages.
type format struct {
	name   string
	wants  func(File) bool
	binary bool  // the content is looked at before the file is read, and may be large
	large  bool  // it may be large
	most   int64 // bytes that it may have, where that is less than any document may
	read   func(ctx context.Context, f File, content *io.SectionReader) (Found, error)
}

// New returns a Reader.
func New(limits Limits) (*Reader, error) {
	r := &Reader{limits: limits}
	library, err := libraryFormats(limits)
	if err != nil {
		return nil, fmt.Errorf("preparing to look for packages: %w", err)
	}
	r.formats = slices.Concat(library, []format{
		{name: "rpm", wants: isRPM, large: true, read: r.rpm},
		{name: "rust", wants: isBinary, binary: true, large: true, read: rust},
		{name: "composer", wants: isComposer, read: composer},
		{name: "owned", wants: isOwnedList, read: owned},
	})
	return r, nil
}

// Wants is how a file is to be looked into; the zero Wants is not at all.
type Wants struct {
	formats []format
	peek    bool
}

// Any reports whether a file is to be looked into. Peek reports that this is so
// only if Executable says yes of how it begins.
func (w Wants) Any() bool  { return len(w.formats) > 0 }
func (w Wants) Peek() bool { return w.peek }

// Wants says how a file is to be looked into, by its name, mode and size, or
// returns an error that wraps ErrLimit where it would be but is too large.
func (r *Reader) Wants(f File) (w Wants, err error) {
	if f.Size == 0 {
		return Wants{}, nil
	}
	w.peek = true
	limit, most := r.limits.Document, r.limits.Binary
	for _, format := range r.formats {
		if !format.wants(f) {
			continue
		}
		w.formats = append(w.formats, format)
		w.peek = w.peek && format.binary
		if format.large && !format.binary {
			limit = r.limits.Binary
		}
		if format.most > 0 {
			most = format.most
		}
	}
	limit = min(limit, most)
	if w.Any() && !w.peek && f.Size > limit {
		return Wants{}, tooLarge(f.Size, limit)
	}
	return w, nil
}

// Check returns an error that wraps ErrLimit if a file that Peek was said of is
// too large.
func (r *Reader) Check(f File) error {
	if f.Size > r.limits.Binary {
		return tooLarge(f.Size, r.limits.Binary)
	}
	return nil
}

func tooLarge(size, limit int64) error {
	return fmt.Errorf("%w: it has %d bytes, and at most %d are looked into", ErrLimit, size, limit)
}

// Executable reports whether a file that begins so is a program of ELF, the only
// kind that is looked into. Four bytes are enough.
func Executable(start []byte) bool { return bytes.HasPrefix(start, []byte("\x7fELF")) }

// Read looks into a file. What could be read is returned even with an error,
// which may be several that are joined.
func (r *Reader) Read(ctx context.Context, w Wants, f File, content io.ReaderAt) (Found, error) {
	var all Found
	var errs []error
	start := make([]byte, 4)
	n, _ := content.ReadAt(start, 0) // a file that is shorter is no program
	for _, format := range w.formats {
		if format.binary && !Executable(start[:n]) {
			continue
		}
		found, err := guarded(ctx, format, f, io.NewSectionReader(content, 0, f.Size))
		all.Packages = append(all.Packages, found.Packages...)
		all.Owned = append(all.Owned, found.Owned...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", format.name, err))
		}
	}
	err := r.tidy(&all)
	return all, errors.Join(append(errs, err)...)
}

// guarded reads a file by one format. Where that panics, so that it has a mistake
// that somebody may know of, nothing is lost but this file.
func guarded(ctx context.Context, format format, f File, content *io.SectionReader) (found Found, err error) {
	defer func() {
		if p := recover(); p != nil {
			found, err = Found{}, fmt.Errorf("%s: looking into it went wrong: %v", f.Path, p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return Found{}, err
	}
	return format.read(ctx, f, content)
}

// How long texts may be. Longer ones are no names of software.
const (
	maxName    = 512
	maxLicense = 1024
	maxLists   = 32 // licences of a package
)

// tidy brings what was found into order, once each, and leaves out what nobody
// could use.
func (r *Reader) tidy(f *Found) error {
	slices.SortFunc(f.Packages, compare)
	f.Packages = slices.CompactFunc(f.Packages, func(a, b Package) bool { return compare(a, b) == 0 })
	before := len(f.Packages)
	f.Packages = slices.DeleteFunc(f.Packages, func(p Package) bool { return !p.usable() })
	slices.Sort(f.Owned)
	f.Owned = slices.Compact(f.Owned)
	for i := range f.Packages {
		f.Packages[i].Licenses = licenses(f.Packages[i].Licenses)
	}
	if n := len(f.Packages); n > r.limits.Packages {
		f.Packages = f.Packages[:r.limits.Packages:r.limits.Packages]
		return fmt.Errorf("%w: it tells of %d packages, and at most %d are kept", ErrLimit, n, r.limits.Packages)
	}
	if n := before - len(f.Packages); n > 0 {
		return fmt.Errorf("%d packages have names or versions that are empty, too long or no text", n)
	}
	return nil
}

func compare(a, b Package) int {
	return cmpAll(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Arch, b.Arch))
}

// cmpAll returns the first that is not 0.
func cmpAll(order ...int) int {
	for _, o := range order {
		if o != 0 {
			return o
		}
	}
	return 0
}

// usable reports whether all that identifies a package is text of a sane length.
func (p Package) usable() bool {
	for _, s := range []string{p.Name, p.Version, p.Source, p.SourceVersion} {
		if !isText(s, maxName) {
			return false
		}
	}
	return p.Name != "" && p.Version != ""
}

func isText(s string, most int) bool {
	return len(s) <= most && strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// licenses leaves out what is empty or no text.
func licenses(all []string) (good []string) {
	for _, l := range all {
		if l = strings.TrimSpace(l); l != "" && isText(l, maxLicense) && len(good) < maxLists {
			good = append(good, l)
		}
	}
	return good
}
