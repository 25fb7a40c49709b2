package rpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

const sqliteMagic = "SQLite format 3\x00"

// Kinds of pages of SQLite's file format, section 1.6: those of tables.
const (
	sqliteInterior = 0x05
	sqliteLeaf     = 0x0d
)

// maxSQLiteDepth is far above what trees reach: each level multiplies the pages.
const maxSQLiteDepth = 40

// A sqlite is a database of SQLite that is read page by page. What a page says
// of others is believed once only: each is looked at at most once as a part of a
// tree, and rows have no more bytes than the file.
type sqlite struct {
	ctx    context.Context
	db     io.ReaderAt
	size   int64
	page   int64 // bytes of one
	usable int64 // … without what extensions reserve
	seen   map[uint32]bool
	left   int64 // bytes that rows may still have
}

// readSQLite reads the column "blob" of the table "Packages". What is only in a
// journal beside the file is not seen.
func readSQLite(ctx context.Context, db io.ReaderAt, size int64, each func([]byte) error) error {
	head, err := readAt(db, size, 0, 100)
	if err != nil {
		return err
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 {
		page = 1 << 16
	}
	s := &sqlite{ctx: ctx, db: db, size: size, page: page, usable: page - int64(head[20]), seen: map[uint32]bool{}, left: size}
	if page < 512 || page&(page-1) != 0 || s.usable < 480 {
		return damaged("its pages have %d bytes", page)
	}
	root, err := s.table("Packages")
	if err != nil {
		return err
	}
	return s.rows(root, 0, func(columns [][]byte) error {
		if len(columns) < 2 {
			return damaged("a row has %d columns", len(columns))
		}
		return each(columns[1])
	})
}

// table returns the first page of a table, by the schema on page 1: type, name,
// table, page, statement.
func (s *sqlite) table(name string) (root uint32, err error) {
	err = s.rows(1, 0, func(c [][]byte) error {
		if len(c) >= 4 && string(c[0]) == "table" && string(c[1]) == name && len(c[3]) <= 4 {
			root = 0
			for _, b := range c[3] {
				root = root<<8 | uint32(b)
			}
		}
		return nil
	})
	if err == nil && root == 0 {
		err = damaged("it has no table %s", name)
	}
	return root, err
}

// rows calls each for the rows below a page of a table's tree. It is given the
// bytes of the columns, without their types.
func (s *sqlite) rows(number uint32, depth int, each func([][]byte) error) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.seen[number] || depth > maxSQLiteDepth {
		return damaged("its pages go round in circles")
	}
	s.seen[number] = true
	page, err := s.load(number)
	if err != nil {
		return err
	}
	start := 0
	if number == 1 {
		start = 100
	}
	head := page[start:]
	cells := int(binary.BigEndian.Uint16(head[3:]))
	switch head[0] {
	case sqliteLeaf:
		return s.leaf(page, head[8:], cells, each)
	case sqliteInterior:
		return s.interior(page, head, cells, depth, each)
	}
	return damaged("page %d is of kind %d", number, head[0])
}

// load reads a page; they are numbered from 1.
func (s *sqlite) load(number uint32) ([]byte, error) {
	if number == 0 {
		return nil, damaged("it refers to no page")
	}
	return readAt(s.db, s.size, (int64(number)-1)*s.page, s.page)
}

// interior goes through the pages below one: those of its cells, and the last.
func (s *sqlite) interior(page, head []byte, cells, depth int, each func([][]byte) error) error {
	if 12+2*cells > len(head) {
		return damaged("a page has %d cells", cells)
	}
	for i := range cells {
		at := int(binary.BigEndian.Uint16(head[12+2*i:]))
		if at+4 > len(page) {
			return damaged("a cell is outside of its page")
		}
		if err := s.rows(binary.BigEndian.Uint32(page[at:]), depth+1, each); err != nil {
			return err
		}
	}
	return s.rows(binary.BigEndian.Uint32(head[8:]), depth+1, each)
}

// leaf goes through the rows of a page.
func (s *sqlite) leaf(page, pointers []byte, cells int, each func([][]byte) error) error {
	if 2*cells > len(pointers) {
		return damaged("a page has %d cells", cells)
	}
	for i := range cells {
		at := int(binary.BigEndian.Uint16(pointers[2*i:]))
		if at >= len(page) {
			return damaged("a cell is outside of its page")
		}
		row, err := s.row(page[:s.usable], int64(at))
		if err != nil {
			return err
		}
		columns, err := sqliteColumns(row)
		if err != nil {
			return err
		}
		if err := each(columns); err != nil {
			return err
		}
	}
	return nil
}

// row returns the bytes of a row, of which a page may have only the first.
func (s *sqlite) row(page []byte, at int64) ([]byte, error) {
	if at > int64(len(page)) {
		return nil, damaged("a cell is outside of its page")
	}
	length, n := varint(page[at:])
	_, m := varint(page[at+int64(n):])
	at += int64(n + m)
	if n == 0 || m == 0 || length > uint64(s.left) {
		return nil, damaged("a row is longer than the file")
	}
	s.left -= int64(length)
	local := s.local(int64(length))
	if at+local > int64(len(page)) {
		return nil, damaged("a row is outside of its page")
	}
	row := bytes.Clone(page[at : at+local])
	if local == int64(length) {
		return row, nil
	}
	if at+local+4 > int64(len(page)) {
		return nil, damaged("a row is outside of its page")
	}
	return s.overflow(row, int64(length), binary.BigEndian.Uint32(page[at+local:]))
}

// local returns how many bytes of a row are in its page, by section 1.6.
func (s *sqlite) local(length int64) int64 {
	most := s.usable - 35
	if length <= most {
		return length
	}
	least := (s.usable-12)*32/255 - 23
	if k := least + (length-least)%(s.usable-4); k <= most {
		return k
	}
	return least
}

// overflow appends what a row has in further pages, each of which begins with
// the number of the next.
func (s *sqlite) overflow(row []byte, length int64, next uint32) ([]byte, error) {
	for int64(len(row)) < length {
		page, err := s.load(next)
		if err != nil {
			return nil, err
		}
		take := min(length-int64(len(row)), s.usable-4)
		row = append(row, page[4:4+take]...)
		next = binary.BigEndian.Uint32(page)
	}
	return row, nil
}

// sqliteColumns takes a row apart, by section 2.1: a header of types, the values.
func sqliteColumns(row []byte) (columns [][]byte, err error) {
	length, n := varint(row)
	if n == 0 || length < uint64(n) || length > uint64(len(row)) {
		return nil, damaged("a row has no header")
	}
	types, values := row[n:length], row[length:]
	for len(types) > 0 {
		kind, n := varint(types)
		if n == 0 {
			return nil, damaged("a row's header is cut off")
		}
		size := sqliteSize(kind)
		if size > uint64(len(values)) {
			return nil, damaged("a row is cut off")
		}
		columns = append(columns, values[:size])
		types, values = types[n:], values[size:]
	}
	return columns, nil
}

// sqliteSize is how many bytes a value of a type has.
func sqliteSize(kind uint64) uint64 {
	if kind >= 12 {
		return (kind - 12) / 2
	}
	return [12]uint64{0, 1, 2, 3, 4, 6, 8, 8}[kind]
}

// varint returns a number of one to nine bytes, and how many it has; 0 where
// there is none.
func varint(b []byte) (v uint64, n int) {
	for n = 1; n <= 9 && n <= len(b); n++ {
		c := b[n-1]
		if n == 9 {
			return v<<8 | uint64(c), n
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	return 0, 0
}
