package feed

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/berth-registry/berth/internal/osv"
)

// A Record is the text of one in an all.zip.
type Record struct {
	ID   string
	Text []byte // at most osv.MaxRecord bytes; valid until the next
	Err  error  // why there is no text
}

// Records reads an all.zip entry by entry. A record that cannot be read has an Err,
// and an entry whose name is none of a record's is told as one. It returns what see
// returns, ErrInvalid where the file is no such archive, and ErrTooLarge.
func Records(f io.ReaderAt, size int64, see func(Record) error) error {
	files, err := openZip(f, size)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	left := int64(maxRecords)
	for _, file := range files.File {
		id, ok := strings.CutSuffix(file.Name, ".json")
		r := Record{ID: id}
		switch {
		case strings.HasSuffix(file.Name, "/"):
			continue
		case !ok || !osv.IsID(id):
			r = Record{ID: fmt.Sprintf("%.80q", file.Name), Err: ErrInvalid.With("an entry has a name that is none of a record's")}
		default:
			r.Err = unpack(&text, file)
			r.Text = text.Bytes()
			left -= int64(text.Len())
		}
		if left < 0 {
			return ErrTooLarge.With("the records have more than %d bytes", int64(maxRecords))
		}
		if err := see(r); err != nil {
			return err
		}
	}
	return nil
}

func unpack(to *bytes.Buffer, file *zip.File) error {
	to.Reset()
	if file.UncompressedSize64 > osv.MaxRecord {
		return ErrTooLarge.With("the record has more than %d bytes", osv.MaxRecord)
	}
	r, err := file.Open()
	if err != nil {
		return ErrInvalid.With("%v", err)
	}
	_, err = Copy(to, r, osv.MaxRecord)
	if err := errors.Join(err, r.Close()); err != nil {
		return ErrInvalid.With("%v", err)
	}
	return nil
}

// openZip reads the index of a zip, unless that would take more memory than it is
// worth.
func openZip(f io.ReaderAt, size int64) (*zip.Reader, error) {
	entries, index, err := extent(f, size)
	if err != nil {
		return nil, err
	}
	if entries > maxEntries || index > maxIndex {
		return nil, ErrTooLarge.With("the zip has %d entries; at most %d are read", entries, maxEntries)
	}
	files, err := zip.NewReader(f, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // no name becomes a path
		return nil, ErrInvalid.With("%v", err)
	}
	if len(files.File) > maxEntries {
		return nil, ErrTooLarge.With("the zip has more than %d entries", maxEntries)
	}
	return files, nil
}

// The ends of a zip: APPNOTE.TXT 4.3.14 to 4.3.16.
const (
	endLen      = 22
	end64Len    = 56
	locatorLen  = 20
	longestEnd  = endLen + 1<<16
	endMark     = "PK\x05\x06"
	end64Mark   = "PK\x06\x06"
	locatorMark = "PK\x06\x07"
)

// extent returns how many entries a zip says it has, and how long it says its index
// is: all that lies before its end, at most.
func extent(f io.ReaderAt, size int64) (entries, index uint64, err error) {
	tail := make([]byte, min(size, longestEnd))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, ErrUnavailable.With("%v", err)
	}
	at := bytes.LastIndex(tail, []byte(endMark))
	if at < 0 || len(tail)-at < endLen {
		return 0, 0, ErrInvalid.With("it is no zip")
	}
	little := binary.LittleEndian
	entries, index = uint64(little.Uint16(tail[at+10:])), uint64(little.Uint32(tail[at+12:]))
	if at < locatorLen || string(tail[at-locatorLen:at-locatorLen+4]) != locatorMark {
		return entries, index, nil
	}
	end := make([]byte, end64Len)
	where := little.Uint64(tail[at-locatorLen+8:])
	if where > uint64(size) {
		return 0, 0, ErrInvalid.With("the zip ends nowhere")
	}
	if _, err := f.ReadAt(end, int64(where)); err != nil || string(end[:4]) != end64Mark { //nolint:gosec // G115: not above size
		return 0, 0, ErrInvalid.With("the zip ends nowhere")
	}
	return little.Uint64(end[32:]), little.Uint64(end[40:]), nil
}

// clean returns a name of an archive's entry as Origin.Open takes it, and whether
// it lies in the archive.
func clean(name string) (string, bool) {
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	return name, name != "." && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../")
}
