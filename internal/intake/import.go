package intake

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
)

// sqlite is how a database begins, which an export has packed.
const sqlite = "SQLite format 3\x00"

// peeked is how many bytes are looked at to tell an export from an archive: more than
// the largest block of zstd has.
const peeked = 256 << 10

// Import takes advisories from a file: an export, in place of all that is here, or an
// archive (tar, zip) of the layout of OSV, of which each ecosystem is replaced. name is
// how the file is called in what is said of it. It returns advisory.ErrDamaged,
// advisory.ErrBusy, feed.ErrInvalid, feed.ErrTooLarge, and ErrFailed where nothing
// could be taken.
func (s *Service) Import(ctx context.Context, name string, file io.Reader, tell func(advisory.Progress)) (Result, error) {
	in := bufio.NewReaderSize(file, peeked)
	if isExport(in) {
		g, err := s.Advisories.Import(ctx, in)
		return Result{Generation: g, New: err == nil}, err
	}
	f, err := s.Temp()
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	archive, err := feed.ReadArchive(name, in, f)
	if err != nil {
		return Result{}, err
	}
	ecosystems := archive.Ecosystems()
	if len(ecosystems) == 0 {
		return Result{}, feed.ErrInvalid.With("there is no folder of an ecosystem with an all.zip in it, and it is no export")
	}
	return s.take(ctx, advisory.Feeds{Origin: archive, Ecosystems: ecosystems, Benign: !s.Sources.Malicious, Whole: true}, tell)
}

// isExport looks at the beginning of a file.
func isExport(in *bufio.Reader) bool {
	head, _ := in.Peek(peeked) // it may be shorter
	z, err := zstd.NewReader(bytes.NewReader(head), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	if err != nil {
		return false
	}
	defer z.Close()
	begin := make([]byte, len(sqlite))
	_, err = io.ReadFull(z, begin)
	return err == nil && string(begin) == sqlite
}
