package feed

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// An Archive is an Origin in one file: a zip, or a tar, which may be packed with
// gzip or zstd.
type Archive struct {
	name  string
	files map[string]func() (io.ReadCloser, error)
}

// ReadArchive copies an archive to an empty file of the caller's, of at most
// MaxArchive bytes, and returns what is in it. The file must stay for as long as
// the archive is used. It returns ErrInvalid and ErrTooLarge.
func ReadArchive(name string, r io.Reader, f *os.File) (*Archive, error) {
	in, done, err := plain(r)
	if err != nil {
		return nil, err
	}
	defer done()
	size, err := Copy(f, in, MaxArchive)
	if err != nil {
		return nil, err
	}
	a := &Archive{name: name, files: map[string]func() (io.ReadCloser, error){}}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic, 0); err != nil {
		return nil, ErrInvalid.With("the archive is empty")
	}
	if bytes.HasPrefix(magic, []byte("PK")) {
		err = a.readZip(f, size)
	} else {
		err = a.readTar(f, size)
	}
	return a, err
}

// plain returns what is packed with gzip or zstd, and anything else as it is.
func plain(r io.Reader) (io.Reader, func(), error) {
	from := &source{Reader: r}
	in := bufio.NewReader(from)
	magic, _ := in.Peek(4) // a short file is no archive, as is seen later
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, ErrInvalid.With("%v", err)
		}
		return unpacked{z, from}, func() { _ = z.Close() }, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return nil, nil, ErrInvalid.With("%v", err)
		}
		return unpacked{z, from}, z.Close, nil
	}
	return in, func() {}, nil
}

// A source remembers why it could not be read on.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// unpacked is what comes out of a source. Where that could be read and this cannot,
// it is damaged.
type unpacked struct {
	io.Reader
	from *source
}

func (u unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && u.from.err == nil {
		err = ErrInvalid.With("it is damaged: %v", err)
	}
	return n, err
}

func (a *Archive) readZip(f io.ReaderAt, size int64) error {
	z, err := openZip(f, size)
	if err != nil {
		return err
	}
	for _, file := range z.File {
		if name, ok := clean(file.Name); ok && file.Mode().IsRegular() {
			a.files[name] = func() (io.ReadCloser, error) { return open(file) }
		}
	}
	return nil
}

func open(file *zip.File) (io.ReadCloser, error) {
	r, err := file.Open()
	if err != nil {
		return nil, ErrInvalid.With("%v", err)
	}
	return r, nil
}

func (a *Archive) readTar(f io.ReaderAt, size int64) error {
	in := io.NewSectionReader(f, 0, size)
	t := tar.NewReader(in)
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return ErrInvalid.With("%v", err)
		case n > maxEntries:
			return ErrTooLarge.With("the archive has more than %d entries", maxEntries)
		case h.Typeflag != tar.TypeReg:
			continue
		}
		name, ok := clean(h.Name)
		if !ok {
			continue
		}
		at, err := in.Seek(0, io.SeekCurrent)
		length := h.Size
		if err != nil || length > size-at {
			return ErrInvalid.With("the archive is cut off")
		}
		a.files[name] = func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(f, at, length)), nil
		}
	}
}

// Name is the one it was given.
func (a *Archive) Name() string { return a.name }

// Singles is false: all.zip has them, and is as near.
func (a *Archive) Singles() bool { return false }

// Open implements Origin.
func (a *Archive) Open(_ context.Context, name string) (io.ReadCloser, error) {
	file, ok := a.files[name]
	if !ok {
		return nil, ErrNone.With("%s", name)
	}
	return file()
}

// Ecosystems returns the names of those that the archive has all records of.
func (a *Archive) Ecosystems() (names []string) {
	for name := range a.files {
		if e, file := path.Split(name); file == allName && IsEcosystem(strings.TrimSuffix(e, "/")) {
			names = append(names, strings.TrimSuffix(e, "/"))
		}
	}
	slices.Sort(names)
	return names
}
