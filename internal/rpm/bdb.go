package rpm

import (
	"context"
	"encoding/binary"
	"io"
)

// bdbMagic marks a hash of Berkeley DB, as a number at byte 12.
const bdbMagic = 0x061561

// Kinds of pages and of what is in them, by Berkeley DB's db_page.h.
const (
	bdbUnsorted = 2 // a page of a hash, as before version 4.6
	bdbOverflow = 7
	bdbHash     = 13

	bdbOnPage  = 1
	bdbOffPage = 3

	bdbHead = 26 // bytes at the beginning of a page
)

// bdbLeast is the fewest bytes that a package has: there are counters beside them.
const bdbLeast = 16

// A bdb is a hash that is read page by page.
type bdb struct {
	db    io.ReaderAt
	size  int64
	page  int64
	order binary.ByteOrder
	left  int64 // bytes that values may still have
}

// readBDB reads the values of a hash, on all its pages: keys do not matter.
func readBDB(ctx context.Context, db io.ReaderAt, size int64, each func([]byte) error) error {
	head, err := readAt(db, size, 0, 72)
	if err != nil {
		return err
	}
	b := &bdb{db: db, size: size, order: binary.LittleEndian, left: size}
	if binary.BigEndian.Uint32(head[12:]) == bdbMagic {
		b.order = binary.BigEndian
	}
	b.page = int64(b.order.Uint32(head[20:]))
	if b.page < 512 || b.page > 1<<16 || b.page&(b.page-1) != 0 {
		return damaged("its pages have %d bytes", b.page)
	}
	for number := int64(1); number < size/b.page; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := readAt(db, size, number*b.page, b.page)
		if err != nil {
			return err
		}
		if kind := page[25]; kind != bdbHash && kind != bdbUnsorted {
			continue
		}
		if err := b.values(page, each); err != nil {
			return err
		}
	}
	return nil
}

// values goes through the values of a page. Its entries are keys and values in
// turns; each reaches from its offset to that of the one before.
func (b *bdb) values(page []byte, each func([]byte) error) error {
	entries := int(b.order.Uint16(page[20:]))
	if bdbHead+2*entries > len(page) {
		return damaged("a page has %d entries", entries)
	}
	end := len(page)
	for i := range entries {
		at := int(b.order.Uint16(page[bdbHead+2*i:]))
		if at < bdbHead+2*entries || at >= end {
			return damaged("an entry is outside of its page")
		}
		item := page[at:end]
		end = at
		if i%2 == 0 {
			continue
		}
		value, err := b.value(item)
		if err != nil {
			return err
		}
		if len(value) < bdbLeast {
			continue
		}
		if err := each(value); err != nil {
			return err
		}
	}
	return nil
}

// value returns what an entry has, there or on pages of its own.
func (b *bdb) value(item []byte) ([]byte, error) {
	switch {
	case item[0] == bdbOnPage:
		return item[1:], nil
	case item[0] != bdbOffPage:
		return nil, nil
	case len(item) < 12:
		return nil, damaged("an entry is cut off")
	}
	next, length := b.order.Uint32(item[4:]), int64(b.order.Uint32(item[8:]))
	if b.left -= length; b.left < 0 {
		return nil, damaged("its values are longer than the file")
	}
	value := make([]byte, 0, length)
	for int64(len(value)) < length {
		page, err := readAt(b.db, b.size, int64(next)*b.page, b.page)
		if err != nil {
			return nil, err
		}
		has := int64(b.order.Uint16(page[22:]))
		if next == 0 || page[25] != bdbOverflow || has == 0 || has > b.page-bdbHead {
			return nil, damaged("a value goes on where none is")
		}
		value = append(value, page[bdbHead:bdbHead+min(has, length-int64(len(value)))]...)
		next = b.order.Uint32(page[16:])
	}
	return value, nil
}
