package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/oci"
)

// BenchmarkPush compares the store, fed as the registry feeds it, with the least
// that any program must do for the same promise. Sizes are in KiB.
func BenchmarkPush(b *testing.B) {
	for _, size := range []int{4, 1 << 10, 2 << 20} {
		piece := blobtest.Content(1, min(size, 256)<<10)
		b.Run(fmt.Sprintf("store/%d", size), func(b *testing.B) {
			s := open(b, b.TempDir())
			b.SetBytes(int64(size) << 10)
			for i := 0; b.Loop(); i++ {
				w := begin(b, s, fmt.Sprint("up-", i), nil)
				h := oci.SHA256.New()
				for range size << 10 / len(piece) {
					if _, err := w.Write(piece); err != nil {
						b.Fatal(err)
					}
					h.Write(piece)
				}
				key, err := w.Commit(b.Context(), oci.NewDigest(oci.SHA256, h.Sum(nil)))
				if err = errors.Join(err, s.Delete(b.Context(), key)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("plain/%d", size), func(b *testing.B) {
			root := b.TempDir()
			b.SetBytes(int64(size) << 10)
			for b.Loop() {
				if err := plain(root, piece, size<<10/len(piece)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// plain streams, hashes, syncs, renames and syncs the folder.
func plain(root string, piece []byte, times int) error {
	from, to := filepath.Join(root, "from"), filepath.Join(root, "to")
	f, err := os.OpenFile(from, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	h := oci.SHA256.New()
	for range times {
		if _, err := f.Write(piece); err != nil {
			return errors.Join(err, f.Close())
		}
		h.Write(piece)
	}
	h.Sum(nil)
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(from, to)); err != nil {
		return err
	}
	folder, err := os.Open(root)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close(), os.Remove(to))
}
