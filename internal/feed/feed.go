// Package feed reads what others publish of vulnerabilities: advisories in the
// layout of OSV, from a server, a folder or one archive, and the lists of those
// that are exploited or likely to be. It promises that what it reads has limits,
// whatever the other side sends, and that no name in it becomes a path here. What
// is kept of it is for others.
//
// The layout has a folder for each ecosystem. all.zip in it has all records, each
// in a file ID.json; modified_id.csv lists them with the times of their last
// changes, the newest first; ID.json beside them is a single record.
package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/osv"
)

// Faults of feeds.
var (
	ErrUnavailable = fault.New(fault.Unavailable, "UNAVAILABLE", "the advisories cannot be read from where they come")
	ErrInvalid     = fault.New(fault.Invalid, "BAD_REQUEST", "that is not what advisories are published as")
	ErrTooLarge    = fault.New(fault.TooLarge, "SIZE_EXCEEDED", "there is more than advisories have")
	ErrNone        = fault.New(fault.NotFound, "NOT_FOUND", "there is no such file where the advisories come from")
)

// What there may be at most.
const (
	MaxFile    = 4 << 30 // bytes of an all.zip
	MaxArchive = 8 << 30 // bytes of an archive of all ecosystems, unpacked once

	maxLines   = 4 << 20
	maxLine    = 512
	maxEntries = 1 << 20   // of an all.zip or an archive
	maxIndex   = 256 << 20 // bytes of what lists the entries
	maxRecords = 16 << 30  // bytes of all records of an ecosystem
)

// An Origin has files of the layout.
type Origin interface {
	// Name says where it is, for people. It is the same as long as it is the same.
	Name() string
	// Singles reports whether it has single records too.
	Singles() bool
	// Open returns a file, by its path with slashes, that the caller closes. It
	// returns ErrNone and ErrUnavailable. Reading ends when ctx does.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
}

const allName = "all.zip"

// All is the file with all of an ecosystem's records.
func All(ecosystem string) string { return ecosystem + "/" + allName }

// Listed is the list of an ecosystem's records.
func Listed(ecosystem string) string { return ecosystem + "/modified_id.csv" }

// Single is one record of an ecosystem.
func Single(ecosystem, id string) string { return ecosystem + "/" + id + ".json" }

// IsEcosystem reports whether text can be the name of an ecosystem, and of its
// folder.
func IsEcosystem(text string) bool {
	return text != "" && len(text) <= 64 && text[0] != '.' && !strings.ContainsFunc(text, func(c rune) bool {
		return c < ' ' || c >= 0x7f || strings.ContainsRune(`/\:"'<>%?*[],`, c)
	})
}

// A Folder is an Origin in the file system.
type Folder struct{ root *os.Root }

// OpenFolder returns the folder at a path, which the caller closes. Nothing outside
// of it is read.
func OpenFolder(path string) (*Folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, ErrUnavailable.With("%v", err)
	}
	return &Folder{root}, nil
}

// Name is the folder's path.
func (f *Folder) Name() string { return f.root.Name() }

// Singles is false: all.zip has them, and is as near.
func (f *Folder) Singles() bool { return false }

// Open implements Origin.
func (f *Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone.With("%s", name)
	}
	if err != nil {
		return nil, ErrUnavailable.With("%v", err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(ErrUnavailable.With("%s is no file", name), file.Close())
	}
	return file, nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Listing reads the lines of a modified_id.csv, "2026-08-21T09:31:35Z,ALSA-2026:57462",
// until see returns false. A time that cannot be read is zero; lines about what
// cannot be a record are left out. It returns ErrInvalid where most lines are none,
// and ErrTooLarge.
func Listing(r io.Reader, see func(id string, modified time.Time) (more bool, err error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	good, bad := 0, 0
	for lines.Scan() {
		if good+bad == maxLines {
			return ErrTooLarge.With("the list has more than %d lines", maxLines)
		}
		line := strings.TrimSpace(lines.Text())
		at, id, _ := strings.Cut(line, ",")
		id = path.Base(id) // the list of all ecosystems has their names too
		modified, err := time.Parse(time.RFC3339Nano, at)
		if err != nil && line != "" {
			bad++
		} else {
			good++
		}
		if bad > good+mostBad {
			return ErrInvalid.With("the list has lines without a time: %.80q", line)
		}
		if !osv.IsID(id) {
			continue
		}
		if more, err := see(id, modified.Truncate(time.Microsecond)); err != nil || !more {
			return err
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return ErrInvalid.With("the list has a line of more than %d bytes", maxLine)
	case err != nil:
		return fmt.Errorf("read list: %w", err)
	case bad > 0 && bad >= good:
		return ErrInvalid.With("the list has lines without a time")
	}
	return nil
}

// mostBad is how many lines more may be bad than good, so far.
const mostBad = 100

// Copy copies at most limit bytes. It returns ErrTooLarge, and how many there were.
func Copy(to io.Writer, from io.Reader, limit int64) (int64, error) {
	n, err := io.Copy(to, io.LimitReader(from, limit+1))
	if err == nil && n > limit {
		err = ErrTooLarge.With("the file has more than %d bytes", limit)
	}
	return n, err
}
