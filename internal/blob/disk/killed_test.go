package disk_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	victimRoot  = "BERTH_TEST_VICTIM_ROOT"
	victimRound = "BERTH_TEST_VICTIM_ROUND"
)

// TestMain is also the program that TestKilledAtAnyMoment kills.
func TestMain(m *testing.M) {
	root := os.Getenv(victimRoot)
	if root == "" {
		os.Exit(m.Run())
	}
	if err := pushForever(root, os.Getenv(victimRound)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pushForever pushes content in two steps, and tells of each: "paused ID SIZE
// SEED", "done KEY SIZE SEED".
func pushForever(root, round string) error {
	s, err := disk.New(root)
	if err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		if err := pushOne(s, fmt.Sprintf("r%s-%d", round, i), i); err != nil {
			return err
		}
	}
}

func pushOne(s *disk.Store, id string, seed uint64) error {
	content := blobtest.Content(seed, 100_000)
	half := len(content) / 2
	ctx := context.Background()
	w, err := s.Begin(ctx, id)
	if err != nil {
		return err
	}
	if _, err := w.Write(content[:half]); err != nil {
		return err
	}
	if _, err := w.Pause(); err != nil {
		return err
	}
	fmt.Println("paused", id, half, seed)
	if w, err = s.Resume(ctx, id, int64(half), nil); err != nil {
		return err
	}
	if _, err := w.Write(content[half:]); err != nil {
		return err
	}
	key, err := w.Commit(ctx, oci.Sum(oci.SHA256, content))
	if err != nil {
		return err
	}
	fmt.Println("done", key, len(content), seed)
	return nil
}

// TestKilledAtAnyMoment kills a process that pushes, and then asks for all that
// it was told of.
func TestKilledAtAnyMoment(t *testing.T) {
	root := t.TempDir()
	acknowledged := 0
	for round := range 6 {
		for _, line := range killed(t, root, round) {
			acknowledged += acknowledgedBy(t, root, line)
		}
	}
	if acknowledged == 0 {
		t.Error("no push was acknowledged before the end")
	}
	checkDigests(t, root)
}

// killed runs the victim for a moment, and returns what it said.
func killed(t *testing.T, root string, round int) (lines []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimRoot+"="+root, victimRound+"="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The clock starts with its first word, however slow its start.
	var once *time.Timer
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		if once == nil {
			once = time.AfterFunc(20*time.Millisecond+rand.N(200*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		lines = append(lines, scanner.Text())
	}
	if err := cmd.Wait(); err == nil || once == nil {
		t.Fatalf("it ended by itself, having said %q", lines)
	}
	return lines
}

// acknowledgedBy asks for what a line tells of, and returns 1 for content.
func acknowledgedBy(t *testing.T, root, line string) int {
	t.Helper()
	var what, name string
	var size int
	var seed uint64
	if _, err := fmt.Sscan(line, &what, &name, &size, &seed); err != nil {
		t.Fatalf("it said %q: %v", line, err)
	}
	s, content := open(t, root), blobtest.Content(seed, 100_000)
	if what == "done" {
		holds(t, s, name, content)
		return 1
	}
	w, err := s.Resume(t.Context(), name, int64(size), nil)
	if errors.Is(err, blob.ErrUploadUnknown) {
		if at, err := filepath.Glob(filepath.Join(root, "sha256", "*", "*-"+name)); len(at) != 1 {
			t.Errorf("%s is neither an upload nor content: %v", name, err)
		}
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content[size:]); err != nil {
		t.Fatal(err)
	}
	key, err := w.Commit(t.Context(), oci.Sum(oci.SHA256, content))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, s, key, content)
	return 0
}

// checkDigests compares all content with its name: nothing incomplete is there,
// acknowledged or not.
func checkDigests(t *testing.T, root string) {
	t.Helper()
	for _, path := range files(t, root) {
		folder, name := filepath.Split(path)
		if strings.HasPrefix(folder, "uploads") {
			continue
		}
		f, err := os.Open(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		h := oci.SHA256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if got := oci.NewDigest(oci.SHA256, h.Sum(nil)); err != nil || !strings.HasPrefix(name, got.Hex()+"-") {
			t.Errorf("%s holds %s, %v", path, got, err)
		}
	}
}
