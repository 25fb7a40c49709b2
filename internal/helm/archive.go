package helm

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
)

// MaxArchive is how many bytes a packed chart may have.
const MaxArchive = 32 << 20

// Limits of what is unpacked. Helm itself unpacks no more bytes, and no larger
// files.
const (
	maxUnpacked = 100 << 20
	maxEntries  = 10_000
	maxFile     = 5 << 20
)

// A chart may grow by maxRatio where it is unpacked; what is small may grow to
// freeUnpacked anyway.
const (
	maxRatio     = 100
	freeUnpacked = 8 << 20
)

// An Archive is what is looked at of a packed chart; nil where it has none.
type Archive struct {
	Values, Readme []byte

	metadata, requirements []byte
	exact                  bool // the readme is called README.md
}

// ReadArchive takes out of a packed chart of the given size, in bytes, what is
// looked at. It returns ErrInvalid or ErrTooLarge.
func ReadArchive(packed io.Reader, size int64) (Archive, error) {
	if size > MaxArchive {
		return Archive{}, tooLarge("its archive", MaxArchive)
	}
	unzip, err := gzip.NewReader(packed)
	if err != nil {
		return Archive{}, damaged("it is no gzip archive", err)
	}
	limit := min(maxUnpacked, max(freeUnpacked, size*maxRatio))
	entries := tar.NewReader(&meter{r: unzip, left: limit, limit: limit})
	var a Archive
	for n := 0; ; n++ {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Archive{}, damaged("its archive is damaged", err)
		}
		if n == maxEntries {
			return Archive{}, ErrTooLarge.With("it has more than %d files", maxEntries)
		}
		if err := a.take(h, entries); err != nil {
			return Archive{}, damaged("its archive is damaged", err)
		}
	}
	if a.metadata == nil {
		return Archive{}, ErrInvalid.With("it has no Chart.yaml")
	}
	return a, nil
}

// take keeps a file that is looked at. They stand in the one folder at the top,
// and are called as Helm wants them; only of a readme the case does not matter.
func (a *Archive) take(h *tar.Header, content io.Reader) error {
	name, err := inChart(h.Name)
	if err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	var file *[]byte
	switch {
	case name == "Chart.yaml":
		file = &a.metadata
	case name == "requirements.yaml":
		file = &a.requirements
	case name == "values.yaml":
		file = &a.Values
	case strings.EqualFold(name, "README.md") && !a.exact:
		file, a.exact = &a.Readme, name == "README.md"
	default:
		return nil
	}
	if h.Size > maxFile {
		return tooLarge(name, maxFile)
	}
	*file, err = io.ReadAll(content)
	return err
}

// inChart returns the path of an entry below the folder at the top, empty for
// the folder itself. Paths that lead elsewhere make an archive that is no chart.
func inChart(name string) (string, error) {
	name = strings.ReplaceAll(name, `\`, "/")
	if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") {
		return "", ErrInvalid.With("it has a file outside of its folder")
	}
	_, rest, _ := strings.Cut(path.Clean(name), "/")
	return rest, nil
}

// damaged returns err where it is a fault, and ErrInvalid for what a reader of a
// format complained of.
func damaged(how string, err error) error {
	var f *fault.Fault
	if errors.As(err, &f) {
		return err
	}
	return ErrInvalid.With("%s", how).Because(err)
}

// A meter passes on at most so many bytes, and returns ErrTooLarge then.
type meter struct {
	r           io.Reader
	left, limit int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, tooLarge("it, unpacked,", m.limit)
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}
