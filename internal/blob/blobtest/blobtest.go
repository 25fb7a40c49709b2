// Package blobtest holds a store of content against the promises of package
// blob. Every store passes it; what only one of them promises is tested beside
// that one.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// Run tests stores that open makes, each with nothing in it.
func Run(t *testing.T, open func(*testing.T) blob.Store) {
	for name, test := range map[string]func(*testing.T, suite){
		"Commit":           testCommit,
		"Follow":           testFollow,
		"SameDigestTwice":  testSameDigestTwice,
		"Open":             testOpen,
		"OpenIsNotThere":   testOpenIsNotThere,
		"OpenAndDelete":    testOpenAndDelete,
		"Delete":           testDelete,
		"Resume":           testResume,
		"ResumeCutsOff":    testResumeCutsOff,
		"ResumeIsNotThere": testResumeIsNotThere,
		"BeginAgain":       testBeginAgain,
		"Cancel":           testCancel,
		"Abort":            testAbort,
		"WriterIsDone":     testWriterIsDone,
		"BadIDs":           testBadIDs,
		"Concurrent":       testConcurrent,
		"Check":            testCheck,
		"Walk":             testWalk,
		"WalkUploads":      testWalkUploads,
	} {
		t.Run(name, func(t *testing.T) { test(t, suite{open(t)}) })
	}
}

// A suite is a store with what the tests do to it over and over.
type suite struct{ blob.Store }

// Content returns n bytes that look random, the same for the same seed.
func Content(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func (s suite) begin(t *testing.T, id string, content []byte) blob.Writer {
	t.Helper()
	w, err := s.Begin(t.Context(), id)
	if err != nil {
		t.Fatalf("begin %s: %v", id, err)
	}
	s.write(t, w, content)
	return w
}

func (s suite) write(t *testing.T, w blob.Writer, content []byte) {
	t.Helper()
	before := w.Size()
	n, err := w.Write(content)
	if err != nil || n != len(content) {
		t.Fatalf("wrote %d bytes of %d: %v", n, len(content), err)
	}
	if w.Size() != before+int64(n) {
		t.Fatalf("the size went from %d to %d by %d bytes", before, w.Size(), n)
	}
}

func (s suite) commit(t *testing.T, w blob.Writer, a oci.Algorithm, content []byte) string {
	t.Helper()
	key, err := w.Commit(t.Context(), oci.Sum(a, content))
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return key
}

func (s suite) upload(t *testing.T, id string, content []byte) string {
	t.Helper()
	return s.commit(t, s.begin(t, id, content), oci.SHA256, content)
}

func (s suite) pause(t *testing.T, w blob.Writer) []byte {
	t.Helper()
	parts, err := w.Pause()
	if err != nil {
		t.Fatalf("pause: %v", err)
	}
	return parts
}

func (s suite) resume(t *testing.T, id string, size int, parts []byte) blob.Writer {
	t.Helper()
	w, err := s.Resume(t.Context(), id, int64(size), parts)
	if err != nil {
		t.Fatalf("resume %s at %d: %v", id, size, err)
	}
	if w.Size() != int64(size) {
		t.Fatalf("resumed at %d, not at %d", w.Size(), size)
	}
	return w
}

// holds compares what is kept under a key.
func (s suite) holds(t *testing.T, key string, want []byte) {
	t.Helper()
	r, err := s.Store.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %q: %v", key, err)
	}
	defer r.Close()
	if r.Size() != int64(len(want)) {
		t.Errorf("the size is %d, not %d", r.Size(), len(want))
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes that are not the %d that were written: %v", len(got), len(want), err)
	}
}

func (s suite) lacks(t *testing.T, key string) {
	t.Helper()
	r, err := s.Store.Open(t.Context(), key)
	if err == nil {
		r.Close()
	}
	if !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open %q: %v", key, err)
	}
}

// unknown expects that an upload cannot be resumed.
func (s suite) unknown(t *testing.T, id string, size int, parts []byte) {
	t.Helper()
	w, err := s.Resume(t.Context(), id, int64(size), parts)
	if err == nil {
		err = errors.Join(errors.New("it was resumed"), w.Cancel())
	}
	if !errors.Is(err, blob.ErrUploadUnknown) {
		t.Errorf("resume %s at %d: %v", id, size, err)
	}
}

func testCommit(t *testing.T, s suite) {
	for i, size := range []int{0, 1, 4095, 1<<20 + 1, 20 << 20} {
		for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			content := Content(1, size)
			w := s.begin(t, fmt.Sprintf("up-%d-%s", i, a), nil)
			for rest := content; len(rest) > 0; {
				n := min(len(rest), 77_777)
				s.write(t, w, rest[:n])
				rest = rest[n:]
			}
			s.holds(t, s.commit(t, w, a, content), content)
		}
	}
}

func testFollow(t *testing.T, s suite) {
	content := Content(11, 3<<20)
	w := s.begin(t, "followed", content[:1000])
	f, err := w.Follow()
	if err != nil {
		t.Fatal(err)
	}
	shows := func(n int) {
		t.Helper()
		got := make([]byte, n)
		if _, err := f.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(got, content[:n]) {
			t.Errorf("%d bytes are not shown: %v", n, err)
		}
	}
	shows(1000)
	s.write(t, w, content[1000:])
	shows(len(content))
	key := s.commit(t, w, oci.SHA256, content)
	shows(len(content))
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	shows(len(content))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Follow(); err == nil {
		t.Error("a writer that is done is followed")
	}
}

func testSameDigestTwice(t *testing.T, s suite) {
	content := Content(2, 1000)
	first, second := s.begin(t, "first", content), s.begin(t, "second", content)
	one, two := s.commit(t, first, oci.SHA256, content), s.commit(t, second, oci.SHA256, content)
	if one == two {
		t.Fatalf("both uploads have the key %q", one)
	}
	if err := s.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	s.lacks(t, one)
	s.holds(t, two, content)
	if three := s.upload(t, "third", content); three == one || three == two {
		t.Fatalf("%q was given out again", three)
	}
	s.lacks(t, one)
}

func testOpen(t *testing.T, s suite) {
	content := Content(3, 100_000)
	r, err := s.Open(t.Context(), s.upload(t, "up", content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	// TestReader reads, seeks, and reads at offsets, in and out of range.
	if err := iotest.TestReader(r, content); err != nil {
		t.Error(err)
	}
	if _, err := r.Seek(-10, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[len(content)-10:]) {
		t.Errorf("the last ten bytes: %x, %v", got, err)
	}
	part := make([]byte, 100)
	if n, err := r.ReadAt(part, 500); n != 100 || err != nil || !bytes.Equal(part, content[500:600]) {
		t.Errorf("a range: %d bytes, %v", n, err)
	}
}

func testOpenIsNotThere(t *testing.T, s suite) {
	key := s.upload(t, "up", Content(4, 10))
	paused := s.begin(t, "paused", Content(4, 10))
	s.pause(t, paused)
	for _, k := range []string{
		"", ".", "..", "/", "up", "paused", "uploads/paused", "../uploads/paused", "/etc/passwd", "../../../../../../etc/passwd",
		key + "0", key[:len(key)-1], key + "/", "/" + key, key + "/../" + key, "./" + key,
		strings.ToUpper(key), strings.Replace(key, "/", "//", 1), strings.Replace(key, "/", "/../", 1), key + "\x00",
	} {
		s.lacks(t, k)
	}
}

func testOpenAndDelete(t *testing.T, s suite) {
	content := Content(5, 3<<20)
	key := s.upload(t, "up", content)
	r, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(head, rest...), content) {
		t.Errorf("after the deletion came %d bytes of %d: %v", len(rest), len(content)-len(head), err)
	}
	s.lacks(t, key)
}

func testDelete(t *testing.T, s suite) {
	var keys []string
	for i := range 5 {
		keys = append(keys, s.upload(t, fmt.Sprint("up-", i), Content(uint64(i), 100)))
	}
	gone := append([]string{"nonsense", "../../etc/passwd", ""}, keys[:4]...)
	for range 2 { // the second time, none of them is there
		if err := s.Delete(t.Context(), gone...); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys[:4] {
		s.lacks(t, key)
	}
	s.holds(t, keys[4], Content(4, 100))
	if err := s.Delete(t.Context()); err != nil {
		t.Errorf("delete nothing: %v", err)
	}
}

func testResume(t *testing.T, s suite) {
	content := Content(6, 3<<20)
	w, at := s.begin(t, "up", content[:10]), 10
	parts := s.pause(t, w)
	for _, end := range []int{10, 1 << 20, 1<<20 + 1, len(content)} {
		w = s.resume(t, "up", at, parts)
		s.write(t, w, content[at:end])
		parts, at = s.pause(t, w), end
	}
	w = s.resume(t, "up", at, parts)
	s.holds(t, s.commit(t, w, oci.SHA256, content), content)
	s.unknown(t, "up", at, parts)
}

func testResumeCutsOff(t *testing.T, s suite) {
	content := Content(7, 200_000)
	w := s.begin(t, "up", content[:100_000])
	parts := s.pause(t, w)

	// Bytes that the caller took no note of, twice.
	for range 2 {
		w = s.resume(t, "up", 100_000, parts)
		s.write(t, w, Content(8, 50_000))
		s.pause(t, w)
	}
	w = s.resume(t, "up", 100_000, parts)
	s.write(t, w, content[100_000:])
	s.holds(t, s.commit(t, w, oci.SHA256, content), content)
}

func testResumeIsNotThere(t *testing.T, s suite) {
	s.unknown(t, "never", 0, nil)
	s.unknown(t, "never", 10, nil)
	parts := s.pause(t, s.begin(t, "short", Content(9, 10)))
	s.unknown(t, "short", 11, parts)
}

func testBeginAgain(t *testing.T, s suite) {
	parts := s.pause(t, s.begin(t, "up", Content(10, 1000)))
	content := Content(11, 10)
	w := s.begin(t, "up", content)
	s.holds(t, s.commit(t, w, oci.SHA256, content), content)
	s.unknown(t, "up", 1000, parts)
}

func testCancel(t *testing.T, s suite) {
	if err := s.begin(t, "up", Content(12, 1000)).Cancel(); err != nil {
		t.Fatal(err)
	}
	s.unknown(t, "up", 1000, nil)

	parts := s.pause(t, s.begin(t, "later", Content(12, 1000)))
	if err := s.resume(t, "later", 1000, parts).Cancel(); err != nil {
		t.Fatal(err)
	}
	s.unknown(t, "later", 1000, parts)
}

func testAbort(t *testing.T, s suite) {
	parts := s.pause(t, s.begin(t, "up", Content(13, 1000)))
	for range 2 { // the second time, it is not there
		if err := s.Abort(t.Context(), "up", parts); err != nil {
			t.Fatal(err)
		}
	}
	s.unknown(t, "up", 1000, parts)

	content := Content(14, 1000)
	key := s.upload(t, "done", content)
	if err := s.Abort(t.Context(), "done", nil); err != nil {
		t.Fatal(err)
	}
	s.holds(t, key, content)
}

func testWriterIsDone(t *testing.T, s suite) {
	content := Content(15, 1000)
	paused := s.begin(t, "paused", content)
	parts := s.pause(t, paused)
	committed := s.begin(t, "committed", content)
	key := s.commit(t, committed, oci.SHA256, content)
	for name, w := range map[string]blob.Writer{"paused": paused, "committed": committed} {
		if n, err := w.Write([]byte("more")); n != 0 || err == nil {
			t.Errorf("%s: wrote %d bytes, %v", name, n, err)
		}
		if _, err := w.Pause(); err == nil {
			t.Errorf("%s: can be paused", name)
		}
		if _, err := w.Commit(t.Context(), oci.Sum(oci.SHA256, nil)); err == nil {
			t.Errorf("%s: can be committed", name)
		}
		if err := w.Cancel(); err == nil {
			t.Errorf("%s: can be cancelled", name)
		}
	}
	s.holds(t, key, content)
	s.holds(t, s.commit(t, s.resume(t, "paused", 1000, parts), oci.SHA256, content), content)
}

func testBadIDs(t *testing.T, s suite) {
	for _, id := range []string{
		"", ".", "..", "../x", "x/../../y", "/etc/passwd", "a/b", "a\\b", "A", "a.b", "a_b", "a\x00b", "a%2fb", "é",
		strings.Repeat("a", 65),
	} {
		if w, err := s.Begin(t.Context(), id); err == nil {
			t.Errorf("began %q: %v", id, w.Cancel())
		}
		s.unknown(t, id, 0, nil)
	}
	longest := strings.Repeat("a", 64)
	content := Content(16, 10)
	s.holds(t, s.upload(t, longest, content), content)
}

// testConcurrent lets twenty clients push the same few blobs in pieces, read
// them, and delete what they pushed.
func testConcurrent(t *testing.T, s suite) {
	var group sync.WaitGroup
	for client := range 20 {
		group.Go(func() {
			for i := range 5 {
				id := fmt.Sprintf("client-%d-%d", client, i)
				if err := roundTrip(t.Context(), s.Store, id, Content(uint64(i), 100_000*i)); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	group.Wait()
}

func roundTrip(ctx context.Context, s blob.Store, id string, content []byte) error {
	key, err := inTwoSteps(ctx, s, id, content)
	if err != nil {
		return err
	}
	r, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := s.Delete(ctx, key); err != nil {
		return err
	}
	got, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(got, content) {
		err = errors.New("other bytes were read than written")
	}
	return err
}

func inTwoSteps(ctx context.Context, s blob.Store, id string, content []byte) (key string, err error) {
	w, err := s.Begin(ctx, id)
	if err != nil {
		return "", err
	}
	half := len(content) / 2
	_, err = w.Write(content[:half])
	parts, perr := w.Pause()
	if err := errors.Join(err, perr); err != nil {
		return "", err
	}
	if w, err = s.Resume(ctx, id, int64(half), parts); err != nil {
		return "", err
	}
	if _, err := w.Write(content[half:]); err != nil {
		return "", errors.Join(err, w.Cancel())
	}
	return w.Commit(ctx, oci.Sum(oci.SHA256, content))
}

func testCheck(t *testing.T, s suite) {
	for range 2 {
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
