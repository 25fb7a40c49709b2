package disk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/oci"
)

func TestDisk(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func open(t testing.TB, root string) *disk.Store {
	t.Helper()
	s, err := disk.New(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t testing.TB, s *disk.Store, id string, content []byte) blob.Writer {
	t.Helper()
	w, err := s.Begin(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	return w
}

func push(t testing.TB, s *disk.Store, id string, content []byte) (key string) {
	t.Helper()
	key, err := begin(t, s, id, content).Commit(t.Context(), oci.Sum(oci.SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func holds(t testing.TB, s *disk.Store, key string, want []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that are not the %d expected, %v", key, len(got), len(want), err)
	}
}

// files returns the paths of all files below root.
func files(t testing.TB, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(root, path)
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestNobodyElseMayRead(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "blobs")
	s := open(t, root)
	push(t, s, "done", []byte("content"))
	if _, err := begin(t, s, "paused", []byte("half")).Pause(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		seen++
		return err
	})
	if err != nil || seen != 7 {
		t.Errorf("saw %d files and folders, %v", seen, err)
	}
}

func TestWhereContentLies(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	content := []byte("content")
	d := oci.Sum(oci.SHA256, content)
	key := push(t, s, "0b1c-2d", content)
	if want := "sha256/" + d.Hex()[:2] + "/" + d.Hex() + "-0b1c-2d"; key != want {
		t.Errorf("the key is %q, not %q", key, want)
	}
	if got, err := os.ReadFile(filepath.Join(root, key)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file holds %q, %v", got, err)
	}
	if got := files(t, root); len(got) != 1 {
		t.Errorf("there are %q", got)
	}
}

func TestANewStoreFindsWhatAnotherLeft(t *testing.T) {
	root := t.TempDir()
	first := open(t, root)
	content := blobtest.Content(1, 1000)
	key := push(t, first, "done", content)
	if _, err := begin(t, first, "paused", content[:400]).Pause(); err != nil {
		t.Fatal(err)
	}

	second := open(t, root)
	holds(t, second, key, content)
	w, err := second.Resume(t.Context(), "paused", 400, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[400:]); err != nil {
		t.Fatal(err)
	}
	key, err = w.Commit(t.Context(), oci.Sum(oci.SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, second, key, content)
}

// TestCommitThatFails puts a file where a folder must be.
func TestCommitThatFails(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	content := blobtest.Content(2, 1000)
	d := oci.Sum(oci.SHA256, content)
	obstacle := filepath.Join(root, "sha256", d.Hex()[:2])
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := begin(t, s, "new", content).Commit(t.Context(), d); err == nil {
		t.Fatal("a new upload was committed")
	}
	if got := files(t, root); len(got) != 1 {
		t.Errorf("what is left of it is %q", got)
	}

	if _, err := begin(t, s, "old", content[:300]).Pause(); err != nil {
		t.Fatal(err)
	}
	resume := func() blob.Writer {
		w, err := s.Resume(t.Context(), "old", 300, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content[300:]); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if _, err := resume().Commit(t.Context(), d); err == nil {
		t.Fatal("an old upload was committed")
	}
	if info, err := os.Stat(filepath.Join(root, "uploads", "old")); err != nil || info.Size() != 300 {
		t.Fatalf("it does not stand where it stood: %v, %v", info, err)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := resume().Commit(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, key, content)
}

func TestCheckFails(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"sha256", "uploads"} {
		if err := os.Rename(filepath.Join(root, folder), filepath.Join(root, "away")); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context()); err == nil {
			t.Errorf("without %s nothing is wrong", folder)
		}
		if err := os.Rename(filepath.Join(root, "away"), filepath.Join(root, folder)); err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, root); len(got) != 0 {
		t.Errorf("it left %q", got)
	}
}

func TestDeleteStopsWithItsContext(t *testing.T) {
	s := open(t, t.TempDir())
	key := push(t, s, "up", []byte("content"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Delete(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	holds(t, s, key, []byte("content"))
}

func TestContentIsServedAsAFile(t *testing.T) {
	s := open(t, t.TempDir())
	content := blobtest.Content(3, 2<<20)
	key := push(t, s, "up", content)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reader, err := s.Open(r.Context(), key)
		if err != nil {
			t.Error(err)
			return
		}
		defer reader.Close()
		http.ServeContent(w, r, "", time.Time{}, reader.(blob.Filer).File())
	}))
	defer server.Close()
	for span, want := range map[string][]byte{"": content, "bytes=1000-1999": content[1000:2000], "bytes=-5": content[len(content)-5:]} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", span)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("range %q: %d bytes, %v", span, len(got), err)
		}
	}
}

// TestFilesAreClosed does everything that opens a file, well and badly, and
// counts what is open afterwards.
func TestFilesAreClosed(t *testing.T) {
	root := t.TempDir()
	if opened(root) < 0 {
		t.Skip("this system does not list the open files of a process in /proc")
	}
	s := open(t, root)
	content := []byte("content")
	d := oci.Sum(oci.SHA256, content)
	key := push(t, s, "done", content)
	if _, err := begin(t, s, "paused", content).Pause(); err != nil {
		t.Fatal(err)
	}
	if err := begin(t, s, "cancelled", content).Cancel(); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Resume(t.Context(), "paused", 100, nil); err == nil {
		t.Fatal(w.Cancel())
	}
	if w, err := s.Resume(t.Context(), "missing", 100, nil); err == nil {
		t.Fatal(w.Cancel())
	}
	w := begin(t, s, "failed", content)
	if err := os.Rename(filepath.Join(root, "uploads", "failed"), filepath.Join(root, "stolen")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), d); err == nil {
		t.Fatal("an upload without a file was committed")
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, s, key, content)
	if n := opened(root); n != 0 {
		t.Errorf("%d files are still open", n)
	}
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if n := opened(root); n != 1 {
		t.Errorf("%d files are open while one is", n)
	}
	r.Close()
}

// opened counts the open files below root, or returns -1 where it cannot.
func opened(root string) (n int) {
	const descriptors = "/proc/self/fd"
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return -1
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(descriptors, e.Name()))
		if err == nil && strings.HasPrefix(target, root) {
			n++
		}
	}
	return n
}

// TestContentIsAsOldAsItsCommit lets an upload wait for long before its end, which
// must not make it look as if it had been content since.
func TestContentIsAsOldAsItsCommit(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	content := blobtest.Content(1, 1000)
	if _, err := begin(t, s, "up", content).Pause(); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-100 * time.Hour)
	if err := os.Chtimes(filepath.Join(root, "uploads", "up"), past, past); err != nil {
		t.Fatal(err)
	}
	w, err := s.Resume(t.Context(), "up", 1000, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.Commit(t.Context(), oci.Sum(oci.SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Walk(t.Context(), func(i blob.Item) error {
		if i.Key != key || time.Since(i.Changed) > time.Minute {
			t.Errorf("%+v", i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
