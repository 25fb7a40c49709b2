package rpm

import (
	"context"
	"encoding/binary"
	"io"
)

const (
	ndbMagic = "RpmP"
	ndbSlot  = "Slot"
	ndbBlob  = "BlbS"
)

// maxSlotPages is how many pages of slots are read, of 4 KiB and 256 slots each.
const maxSlotPages = 2048

// readNDB reads rpm's own format: a head in the place of two slots, slots that
// say in which block of 16 bytes a package begins, and the packages. Numbers are
// little-endian.
func readNDB(ctx context.Context, db io.ReaderAt, size int64, each func([]byte) error) error {
	head, err := readAt(db, size, 0, 32)
	if err != nil {
		return err
	}
	version, pages := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
	if version != 0 || pages == 0 || pages > maxSlotPages {
		return damaged("it is of version %d, with %d pages of slots", version, pages)
	}
	slots, err := readAt(db, size, 32, int64(pages)*4096-32)
	if err != nil {
		return err
	}
	for left := size; len(slots) > 0; slots = slots[16:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if string(slots[:4]) != ndbSlot {
			return damaged("a slot is none")
		}
		if binary.LittleEndian.Uint32(slots[4:]) == 0 {
			continue
		}
		blob, err := ndbPackage(db, size, slots[:16])
		if err != nil {
			return err
		}
		if left -= int64(len(blob)); left < 0 {
			return damaged("its packages are longer than the file")
		}
		if err := each(blob); err != nil {
			return err
		}
	}
	return nil
}

// ndbPackage returns the header of the package that a slot refers to.
func ndbPackage(db io.ReaderAt, size int64, slot []byte) ([]byte, error) {
	at := int64(binary.LittleEndian.Uint32(slot[8:])) * 16
	head, err := readAt(db, size, at, 16)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) != ndbBlob || binary.LittleEndian.Uint32(head[4:]) != binary.LittleEndian.Uint32(slot[4:]) {
		return nil, damaged("a slot refers to no package")
	}
	return readAt(db, size, at+16, int64(binary.LittleEndian.Uint32(head[12:])))
}
