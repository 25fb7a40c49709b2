// Package rpm reads databases of installed RPM packages, in the three formats
// that rpm has had: SQLite (rpmdb.sqlite), NDB (Packages.db) and a hash of
// Berkeley DB (Packages). It reads the bytes itself, without the programs and
// libraries that wrote them, because the databases come from strangers: it does
// no work, and takes no memory, beyond a small multiple of the file's size, and
// what makes no sense is an error. It changes nothing.
package rpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat is wrapped by errors about databases that are damaged, or none.
var ErrFormat = errors.New("rpm: not a readable database")

// A Package is one that is installed.
type Package struct {
	Name, Version, Release, Arch string
	Epoch                        int
	SourceRPM                    string // the file that it was built from: bash-5.1-1.el9.src.rpm
	Vendor, License              string
	Modularity                   string   // name:stream:version:context:arch of its module; empty: none
	Files                        []string // that it brought, folders too, with a leading slash
}

// Read calls each for every package of a database of so many bytes, in no
// particular order, and stops with the first error. Keys of signatures, which
// are kept there as packages too, are left out. It wraps ErrFormat.
func Read(ctx context.Context, db io.ReaderAt, size int64, each func(Package) error) error {
	read, err := format(db)
	if err != nil {
		return err
	}
	left := size // what is stored once cannot be longer than all
	return read(ctx, db, size, func(blob []byte) error {
		if left -= int64(len(blob)); left < 0 {
			return damaged("its packages are longer than the file")
		}
		p, err := parse(blob)
		if err != nil || p.Name == "gpg-pubkey" {
			return err
		}
		return each(p)
	})
}

// A reader calls each for every header that a database holds.
type reader func(ctx context.Context, db io.ReaderAt, size int64, each func([]byte) error) error

// format looks at how a database begins.
func format(db io.ReaderAt) (reader, error) {
	var start [16]byte
	if _, err := db.ReadAt(start[:], 0); err != nil {
		return nil, damaged("it is too short")
	}
	switch {
	case string(start[:]) == sqliteMagic:
		return readSQLite, nil
	case string(start[:4]) == ndbMagic:
		return readNDB, nil
	case binary.LittleEndian.Uint32(start[12:]) == bdbMagic, binary.BigEndian.Uint32(start[12:]) == bdbMagic:
		return readBDB, nil
	}
	return nil, damaged("it is of no known format")
}

// damaged returns an error that wraps ErrFormat.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// readAt returns n bytes of a database, which must have them.
func readAt(db io.ReaderAt, size, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > size || n > size-offset {
		return nil, damaged("it ends too early")
	}
	b := make([]byte, n)
	if read, err := db.ReadAt(b, offset); int64(read) < n {
		return nil, damaged("it ends too early: %v", err)
	}
	return b, nil
}

// Tags of a header, by rpm's rpmtag.h.
const (
	tagName       = 1000
	tagVersion    = 1001
	tagRelease    = 1002
	tagEpoch      = 1003
	tagVendor     = 1011
	tagLicense    = 1014
	tagArch       = 1022
	tagSourceRPM  = 1044
	tagDirIndexes = 1116
	tagBaseNames  = 1117
	tagDirNames   = 1118
	tagModularity = 5096
)

// Types of what a tag has, by the same file.
const (
	typeInt32   = 4
	typeString  = 6
	typeStrings = 8
	typeI18N    = 9
)

// maxTags is how many tags rpm itself allows in a header.
const maxTags = 0xffff

// An entry of a header's index: what a tag has, and where that is.
type entry struct{ tag, kind, offset, count uint32 }

// A header is what a database has of a package, unpacked.
type header struct {
	entries map[uint32]entry
	data    []byte
}

// parse reads a header: two counts, an index, the data.
func parse(blob []byte) (Package, error) {
	h, err := open(blob)
	if err != nil {
		return Package{}, err
	}
	p := Package{
		Name: h.text(tagName), Version: h.text(tagVersion), Release: h.text(tagRelease), Arch: h.text(tagArch),
		SourceRPM: h.text(tagSourceRPM), Vendor: h.text(tagVendor), License: h.text(tagLicense),
		Modularity: h.text(tagModularity), Files: h.files(),
	}
	if epoch := h.numbers(tagEpoch); len(epoch) > 0 {
		p.Epoch = int(int32(epoch[0]))
	}
	if p.Name == "" || p.Version == "" {
		return Package{}, damaged("a package has no name or no version")
	}
	return p, nil
}

// open reads the index of a header.
func open(blob []byte) (header, error) {
	if len(blob) < 8 {
		return header{}, damaged("a header is too short")
	}
	tags := binary.BigEndian.Uint32(blob)
	if tags > maxTags || int(tags)*16 > len(blob)-8 {
		return header{}, damaged("a header has %d tags", tags)
	}
	index, data := blob[8:8+tags*16], blob[8+tags*16:]
	h := header{entries: make(map[uint32]entry, tags), data: data}
	for ; len(index) > 0; index = index[16:] {
		e := entry{binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[4:]),
			binary.BigEndian.Uint32(index[8:]), binary.BigEndian.Uint32(index[12:])}
		if int64(e.offset) <= int64(len(data)) {
			h.entries[e.tag] = e
		}
	}
	return h, nil
}

// text returns the string that a tag has, or its first in other languages.
func (h header) text(tag uint32) string {
	e, ok := h.entries[tag]
	if !ok || e.kind != typeString && e.kind != typeI18N {
		return ""
	}
	text, _, _ := bytes.Cut(h.data[e.offset:], []byte{0})
	return string(text)
}

// texts returns the strings that a tag has, as many as there really are.
func (h header) texts(tag uint32) (texts []string) {
	e, ok := h.entries[tag]
	if !ok || e.kind != typeStrings {
		return nil
	}
	rest := h.data[e.offset:]
	for range e.count {
		text, more, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return texts
		}
		texts, rest = append(texts, string(text)), more
	}
	return texts
}

// numbers returns the numbers that a tag has, as many as there really are.
func (h header) numbers(tag uint32) (numbers []uint32) {
	e, ok := h.entries[tag]
	if !ok || e.kind != typeInt32 {
		return nil
	}
	rest := h.data[e.offset:]
	for n := uint32(0); n < e.count && len(rest) >= 4; n++ {
		numbers, rest = append(numbers, binary.BigEndian.Uint32(rest)), rest[4:]
	}
	return numbers
}

// maxPath is how long a file's path may be: folders are named once for many
// files, so that a small header could otherwise have very long paths.
const maxPath = 4096

// files puts the paths of a package's files together.
func (h header) files() (files []string) {
	dirs, in := h.texts(tagDirNames), h.numbers(tagDirIndexes)
	total := 0
	for i, name := range h.texts(tagBaseNames) {
		if i >= len(in) || int64(in[i]) >= int64(len(dirs)) {
			return files
		}
		path := len(dirs[in[i]]) + len(name)
		if total += path; path > maxPath || total > 64*len(h.data) {
			return files
		}
		files = append(files, dirs[in[i]]+name)
	}
	return files
}
