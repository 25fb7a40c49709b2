package software

import (
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/osv-scalibr/extractor/filesystem"
)

// notPrograms are names of what may be executable and is none.
var notPrograms = map[string]bool{
	".a": true, ".c": true, ".css": true, ".h": true, ".html": true, ".jar": true, ".js": true, ".json": true, ".md": true, ".o": true,
	".pl": true, ".pm": true, ".py": true, ".pyc": true, ".rb": true, ".sh": true, ".txt": true, ".xml": true, ".yaml": true, ".yml": true,
}

// isBinary reports whether a file may be a program, by its name and mode: one
// that may be executed, or a library.
func isBinary(f File) bool {
	ext := path.Ext(f.Path)
	return !notPrograms[ext] && f.Size > 64 &&
		(f.Mode&0o111 != 0 || ext == ".exe" || ext == ".dll" || ext == ".so" || strings.Contains(path.Base(f.Path), ".so."))
}

// goBinary is the format of programs of Go, which list their modules.
func goBinary(f format, e filesystem.Extractor) format {
	f.wants, f.binary, f.large = isBinary, true, true
	f.read = func(ctx context.Context, file File, content *io.SectionReader) (Found, error) {
		if strange(content) {
			return Found{}, nil
		}
		packages, err := runOn(ctx, e, file, content)
		return Found{Packages: packages}, err
	}
	return f
}

// maxNames bounds how many bytes the names of a program's sections may have: each
// may be the whole table of names. Real ones have some thousands.
const maxNames = 16 << 20

// strange reports whether what a program says of its sections is as no tool
// writes it: so many, or such names, that reading them takes all memory.
func strange(f io.ReaderAt) bool {
	var head [64]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:4]) != "\x7fELF" {
		return true
	}
	h := elfHead{r: f, order: binary.LittleEndian, wide: head[4] == byte(elf.ELFCLASS64)}
	if head[5] == byte(elf.ELFDATA2MSB) {
		h.order = binary.BigEndian
	}
	h.table, h.each = int64(h.order.Uint32(head[32:])), int64(h.order.Uint16(head[46:]))
	sections, names := uint64(h.order.Uint16(head[48:])), uint64(h.order.Uint16(head[50:]))
	if h.wide {
		h.table, h.each = int64(h.order.Uint64(head[40:])), int64(h.order.Uint16(head[58:]))
		sections, names = uint64(h.order.Uint16(head[60:])), uint64(h.order.Uint16(head[62:]))
	}
	if sections == 0 || names == uint64(elf.SHN_XINDEX) {
		return h.table != 0
	}
	flags, size := h.section(names)
	return flags&uint64(elf.SHF_COMPRESSED) != 0 || size > maxNames || sections*size > maxNames
}

// An elfHead is the beginning of a program of ELF.
type elfHead struct {
	r           io.ReaderAt
	order       binary.ByteOrder
	wide        bool
	table, each int64 // where descriptions of sections are, and how long one is
}

// section returns the flags and the size of a section.
func (h elfHead) section(i uint64) (flags, size uint64) {
	var s [40]byte
	if _, err := h.r.ReadAt(s[:], h.table+int64(i)*h.each); err != nil {
		return 0, 0
	}
	if h.wide {
		return h.order.Uint64(s[8:]), h.order.Uint64(s[32:])
	}
	return uint64(h.order.Uint32(s[8:])), uint64(h.order.Uint32(s[20:]))
}

// maxAudit is how many bytes the list of a Rust program's crates may have,
// packed and unpacked.
const maxAudit = 8 << 20

// rust reads the list of crates that `cargo auditable` puts into programs: JSON,
// packed by zlib, in a section of its own.
func rust(_ context.Context, f File, content *io.SectionReader) (Found, error) {
	if strange(content) {
		return Found{}, nil
	}
	program, err := elf.NewFile(content)
	if err != nil {
		return Found{}, nil //nolint:nilerr // it is no program of ELF, and so tells of nothing
	}
	section := program.Section(".dep-v0")
	if section == nil {
		return Found{}, nil
	}
	if section.Flags&elf.SHF_COMPRESSED != 0 || section.Size > maxAudit {
		return Found{}, fmt.Errorf("%w: its list of crates has more than %d bytes", ErrLimit, maxAudit)
	}
	unpacked, err := zlib.NewReader(section.Open())
	if err != nil {
		return Found{}, fmt.Errorf("its list of crates is damaged: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(unpacked, maxAudit+1))
	if err = errors.Join(err, unpacked.Close()); err != nil {
		return Found{}, fmt.Errorf("its list of crates is damaged: %w", err)
	}
	if len(b) > maxAudit {
		return Found{}, fmt.Errorf("%w: its list of crates has more than %d bytes", ErrLimit, maxAudit)
	}
	return crates(b)
}

// crates parses the list. What only built the program is left out.
func crates(list []byte) (found Found, err error) {
	var doc struct {
		Packages []struct{ Name, Version, Kind string }
	}
	if err := json.Unmarshal(list, &doc); err != nil {
		return Found{}, fmt.Errorf("its list of crates is damaged: %w", err)
	}
	for _, p := range doc.Packages {
		if p.Kind != "build" {
			found.Packages = append(found.Packages, Package{
				Type: "cargo", Name: p.Name, Version: p.Version, Source: p.Name, SourceVersion: p.Version,
				Ecosystem: ecosystems["cargo"], PURL: "pkg:cargo/" + Escape(p.Name) + "@" + Escape(p.Version),
			})
		}
	}
	return found, nil
}

// Escape writes a part of a package URL. Letters, digits and -._~+ stay as they
// are.
func Escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~+", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
