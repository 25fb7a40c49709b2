//go:build linux

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// small returns a folder on a file system of a megabyte.
func small(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("filling a disk needs a small one, and mounting that needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", root, err)
		}
	})
	return root
}

// fill writes content until it is refused.
func fill(t *testing.T, w blob.Writer, content []byte) (taken int) {
	t.Helper()
	for rest := content; ; {
		n, err := w.Write(rest[:min(len(rest), 100_001)])
		taken, rest = taken+n, rest[n:]
		if err == nil {
			continue
		}
		var f *fault.Fault
		if !errors.Is(err, blob.ErrFull) || !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Code != "UNAVAILABLE" {
			t.Fatalf("a full disk says %v", err)
		}
		return taken
	}
}

func TestDiskFull(t *testing.T) {
	root := small(t)
	s := open(t, root)
	before := blobtest.Content(1, 300_000)
	key := push(t, s, "before", before)
	content := blobtest.Content(2, 2<<20)
	if _, err := begin(t, s, "up", content[:200_000]).Pause(); err != nil {
		t.Fatal(err)
	}

	at := refused(t, s, root, content)
	holds(t, s, key, before)
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	goOn(t, s, at, content[:at+100_000])
}

// refused resumes an upload until the disk is full, and returns where it stands
// then.
func refused(t *testing.T, s *disk.Store, root string, content []byte) (at int) {
	t.Helper()
	w, err := s.Resume(t.Context(), "up", 200_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	at = 200_000 + fill(t, w, content[200_000:])
	if w.Size() != int64(at) {
		t.Errorf("the size is %d, %d bytes were taken", w.Size(), at)
	}
	if info, err := os.Stat(filepath.Join(root, "uploads", "up")); err != nil || info.Size() != int64(at) {
		t.Errorf("the file has not the %d bytes that were taken: %v, %v", at, info, err)
	}
	if _, err := w.Pause(); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Begin(t.Context(), "late"); err == nil {
		if n, err := w.Write(content[:10]); n != 0 || !errors.Is(err, blob.ErrFull) {
			t.Errorf("another upload takes %d bytes, %v", n, err)
		}
		if err := w.Cancel(); err != nil {
			t.Error(err)
		}
	} else if !errors.Is(err, blob.ErrFull) {
		t.Errorf("another upload: %v", err)
	}
	if err := s.Check(t.Context()); !errors.Is(err, blob.ErrFull) {
		t.Errorf("a check of the full disk says %v", err)
	}
	return at
}

// goOn finishes the upload, where there is room again.
func goOn(t *testing.T, s *disk.Store, at int, content []byte) {
	t.Helper()
	w, err := s.Resume(t.Context(), "up", int64(at), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[at:]); err != nil {
		t.Fatal(err)
	}
	key, err := w.Commit(t.Context(), oci.Sum(oci.SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, key, content)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelMakesRoom(t *testing.T) {
	s := open(t, small(t))
	content := blobtest.Content(3, 2<<20)
	for range 3 {
		w, err := s.Begin(t.Context(), "up")
		if err != nil {
			t.Fatal(err)
		}
		if n := fill(t, w, content); n < 500_000 {
			t.Fatalf("only %d bytes fit", n)
		}
		if err := w.Cancel(); err != nil {
			t.Fatal(err)
		}
	}
}
