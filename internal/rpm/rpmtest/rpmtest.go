// Package rpmtest makes databases of RPM packages for tests, in the three formats
// that rpm has had.
package rpmtest

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/berth-registry/berth/internal/rpm"
	_ "modernc.org/sqlite" // writes the databases that packages are read from
)

// Header returns what a database has of a package: as rpm does, an index whose
// first entry is about the region that it is in, and the data.
func Header(p rpm.Package) []byte {
	h := header{order: binary.BigEndian}
	for tag, text := range map[uint32]string{
		1000: p.Name, 1001: p.Version, 1002: p.Release, 1011: p.Vendor, 1014: p.License, 1022: p.Arch, 1044: p.SourceRPM, 5096: p.Modularity,
	} {
		if text != "" {
			h.add(tag, 6, 1, append([]byte(text), 0))
		}
	}
	if p.Epoch != 0 {
		h.add(1003, 4, 1, binary.BigEndian.AppendUint32(nil, uint32(p.Epoch)))
	}
	var dirs []string
	var names, in []byte
	for _, f := range p.Files {
		dir, name := path.Split(f)
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		names = append(append(names, name...), 0)
		in = binary.BigEndian.AppendUint32(in, uint32(slices.Index(dirs, dir)))
	}
	if len(p.Files) > 0 {
		h.add(1117, 8, len(p.Files), names)
		h.add(1116, 4, len(p.Files), in)
		var all []byte
		for _, d := range dirs {
			all = append(append(all, d...), 0)
		}
		h.add(1118, 8, len(dirs), all)
	}
	return h.bytes()
}

// A header is one in the making.
type header struct {
	order       binary.AppendByteOrder
	count       int
	index, data []byte
}

func (h *header) add(tag, kind uint32, count int, data []byte) {
	for len(h.data)%4 != 0 {
		h.data = append(h.data, 0)
	}
	for _, n := range []uint32{tag, kind, uint32(len(h.data)), uint32(count)} {
		h.index = h.order.AppendUint32(h.index, n)
	}
	h.data = append(h.data, data...)
	h.count++
}

func (h *header) bytes() []byte {
	b := h.order.AppendUint32(nil, uint32(h.count))
	b = h.order.AppendUint32(b, uint32(len(h.data)))
	return slices.Concat(b, h.index, h.data)
}

func headers(packages []rpm.Package) (all [][]byte) {
	for _, p := range packages {
		all = append(all, Header(p))
	}
	return all
}

// SQLite returns an rpmdb.sqlite that SQLite itself has written.
func SQLite(t testing.TB, packages ...rpm.Package) []byte {
	t.Helper()
	return SQLiteOf(t, headers(packages)...)
}

// SQLiteOf is SQLite with headers that are given as they are.
func SQLiteOf(t testing.TB, headers ...[]byte) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
	exec("CREATE TABLE 'Name' (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
	for _, h := range headers {
		exec("INSERT INTO Packages (blob) VALUES (?)", h)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// NDB returns a Packages.db.
func NDB(packages ...rpm.Package) []byte {
	le := binary.LittleEndian
	file := make([]byte, 4096)
	copy(file, "RpmP")
	le.PutUint32(file[8:], 1)
	le.PutUint32(file[12:], 1)
	for at := 32; at < 4096; at += 16 {
		copy(file[at:], "Slot")
	}
	for i, h := range headers(packages) {
		slot := file[32+16*i:]
		le.PutUint32(slot[4:], uint32(i+1))
		le.PutUint32(slot[8:], uint32(len(file)/16))
		file = append(file, "BlbS"...)
		file = le.AppendUint32(file, uint32(i+1))
		file = le.AppendUint32(file, 0) // a checksum that nobody reads
		file = le.AppendUint32(file, uint32(len(h)))
		file = append(file, h...)
		file = append(file, make([]byte, 32-len(file)%16)...)
	}
	return file
}

// Pages of Berkeley DB in BDB.
const (
	page = 512
	head = 26
)

// BDB returns a Packages: a hash of Berkeley DB, whose numbers are in the order.
func BDB(order binary.ByteOrder, packages ...rpm.Package) []byte {
	file := make([]byte, page)
	order.PutUint32(file[12:], 0x061561)
	order.PutUint32(file[16:], 9)
	order.PutUint32(file[20:], page)
	file[25] = 8
	for i, h := range headers(packages) {
		file = append(file, hashPage(order, uint32(i+1), uint32(len(file)/page), h)...)
	}
	order.PutUint32(file[32:], uint32(len(file)/page-1))
	return file
}

// hashPage returns a page with a key and a value, and the pages of a long value.
func hashPage(order binary.ByteOrder, key, number uint32, value []byte) []byte {
	p := make([]byte, page)
	order.PutUint32(p[8:], number)
	order.PutUint16(p[20:], 2)
	p[25] = 13
	keyAt := page - 5
	p[keyAt] = 1
	order.PutUint32(p[keyAt+1:], key)
	order.PutUint16(p[head:], uint16(keyAt))
	if len(value) < 200 {
		at := keyAt - len(value) - 1
		p[at] = 1
		copy(p[at+1:], value)
		order.PutUint16(p[head+2:], uint16(at))
		return p
	}
	at := keyAt - 12
	p[at] = 3
	order.PutUint32(p[at+4:], number+1)
	order.PutUint32(p[at+8:], uint32(len(value)))
	order.PutUint16(p[head+2:], uint16(at))
	return append(p, overflow(order, number+1, value)...)
}

func overflow(order binary.ByteOrder, number uint32, value []byte) (pages []byte) {
	for chunk := range slices.Chunk(value, page-head) {
		p := make([]byte, page)
		order.PutUint32(p[8:], number)
		if number++; len(pages)/page < (len(value)-1)/(page-head) {
			order.PutUint32(p[16:], number)
		}
		order.PutUint16(p[22:], uint16(len(chunk)))
		p[25] = 7
		copy(p[head:], chunk)
		pages = append(pages, p...)
	}
	return pages
}

// Copies returns a package so many times, under other names.
func Copies(p rpm.Package, n int) []rpm.Package {
	all := make([]rpm.Package, n)
	for i := range all {
		all[i] = p
		all[i].Name += string(bytes.Repeat([]byte{'a' + byte(i%26)}, i/26+1))
	}
	return all
}
