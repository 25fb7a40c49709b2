package inventory

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/rpm"
	"github.com/berth-registry/berth/internal/rpm/rpmtest"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	typeTar  = "application/vnd.oci.image.layer.v1.tar"
	typeGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	typeZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
)

// archive returns a layer of these entries.
func archive(t testing.TB, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h, content := header(e)
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Entries of a layer: a path is an empty file or, with a slash at its end, a
// folder.
type (
	npm     struct{ path, name string } // a package.json
	content struct{ path, content string }
	link    struct {
		kind       byte
		path, name string
	}
)

func header(e any) (*tar.Header, []byte) {
	switch e := e.(type) {
	case string:
		if strings.HasSuffix(e, "/") {
			return &tar.Header{Name: e, Typeflag: tar.TypeDir, Mode: 0o755}, nil
		}
		return &tar.Header{Name: e, Mode: 0o644}, nil
	case npm:
		return &tar.Header{Name: e.path, Mode: 0o644}, fmt.Appendf(nil, `{"name":%q,"version":"1"}`, e.name)
	case content:
		return &tar.Header{Name: e.path, Mode: 0o755}, []byte(e.content)
	case link:
		return &tar.Header{Name: e.path, Typeflag: e.kind, Linkname: e.name, Mode: 0o755}, nil
	}
	panic("a test has an unknown entry")
}

func facts(t testing.TB, layer []byte) *Facts {
	t.Helper()
	f, err := ReadLayer(t.Context(), bytes.NewReader(layer), typeTar, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// image merges layers, with digests of one letter, beginning with a.
func image(t testing.TB, layers ...[]byte) Inventory {
	t.Helper()
	var all []Layer
	for i, l := range layers {
		all = append(all, Layer{oci.Digest(rune('a' + i)), facts(t, l)})
	}
	return Merge(all)
}

// names returns the packages of an image: name, path and layer.
func names(inv Inventory) (all []string) {
	for _, p := range inv.Packages {
		all = append(all, fmt.Sprintf("%s %s %s", p.Name, p.Path, p.Layer))
	}
	return all
}

func TestLayersAreReadHoweverTheyArePacked(t *testing.T) {
	plain := archive(t, npm{"./app/package.json", "x"})
	zipped, zstded := packed(t, plain)
	for _, test := range []struct {
		mediaType string
		layer     []byte
	}{
		{typeTar, plain}, {typeGzip, zipped}, {typeZstd, zstded},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", zipped},
		{"application/vnd.docker.image.rootfs.diff.tar", plain},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd", zstded},
		{typeGzip, zstded}, {typeGzip, plain}, // some say it wrong
	} {
		f, err := ReadLayer(t.Context(), iotest.OneByteReader(bytes.NewReader(test.layer)), test.mediaType, Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.mediaType, err)
			continue
		}
		if got := names(Merge([]Layer{{"a", f}})); !slices.Equal(got, []string{"x app/package.json a"}) {
			t.Errorf("%s: %v", test.mediaType, got)
		}
	}
}

func packed(t testing.TB, plain []byte) (zipped, zstded []byte) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return b.Bytes(), e.EncodeAll(plain, nil)
}

func TestWhatIsNoLayerIsRefused(t *testing.T) {
	for _, mediaType := range []string{
		"", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.in-toto+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
	} {
		if _, err := ReadLayer(t.Context(), bytes.NewReader(archive(t, "a")), mediaType, Limits{}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), mediaType) {
			t.Errorf("%s: %v", mediaType, err)
		}
	}
}

func TestDamagedLayersGiveNoFacts(t *testing.T) {
	plain := archive(t, npm{"a/package.json", "x"}, content{"bin/large", strings.Repeat("\x7fELF", 100_000)})
	zipped, zstded := packed(t, plain)
	for name, layer := range map[string][]byte{
		"no tar":                    bytes.Repeat([]byte("x"), 2048),
		"gzip of no tar":            []byte("\x1f\x8bno"),
		"cut within an entry":       plain[:2000],
		"cut within a head":         plain[:700],
		"gzip, cut":                 zipped[:len(zipped)/2],
		"gzip, cut at its checksum": zipped[:len(zipped)-4],
		"gzip, wrong checksum":      flipped(zipped, len(zipped)-6),
		"zstd, cut":                 zstded[:len(zstded)/2],
		"zstd, cut at its checksum": zstded[:len(zstded)-2],
		"zstd, wrong checksum":      flipped(zstded, len(zstded)-1),
		"wrong checksum of a head":  flipped(plain, 0),
	} {
		if f, err := ReadLayer(t.Context(), bytes.NewReader(layer), typeTar, Limits{}); !errors.Is(err, ErrDamaged) || f != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func flipped(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 0xff
	return b
}

func TestErrorsOfReadingAreNotTheLayers(t *testing.T) {
	broken := errors.New("disk on fire")
	zipped, _ := packed(t, archive(t, npm{"a/package.json", "x"}))
	for _, layer := range [][]byte{nil, zipped[:20], archive(t, "a")[:600]} {
		_, err := ReadLayer(t.Context(), io.MultiReader(bytes.NewReader(layer), iotest.ErrReader(broken)), typeGzip, Limits{})
		if !errors.Is(err, broken) || errors.Is(err, ErrDamaged) {
			t.Errorf("after %d bytes: %v", len(layer), err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ReadLayer(ctx, endless{}, typeTar, Limits{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an endless layer: %v", err)
	}
}

// endless is a layer of one file after the other.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "a"})
	_ = w.Flush()
	if len(p) < b.Len() {
		return 0, io.ErrShortBuffer
	}
	return copy(p, b.Bytes()), nil
}

func TestLimitsSayWhatIsPassed(t *testing.T) {
	zipped, zstded := packed(t, archive(t, content{"zeros", strings.Repeat("\x00", 80<<20)}))
	many := archive(t, npm{"a/package.json", "a"}, npm{"b/package.json", "b"}, npm{"c/package.json", "c"})
	for name, test := range map[string]struct {
		layer  []byte
		limits Limits
		says   string
	}{
		"entries":                {archive(t, "a", "b", "c"), Limits{Entries: 2}, "2 entries"},
		"folders that are meant": {archive(t, strings.Repeat("d/", 50)+"f"), Limits{Entries: 20}, "20 entries"},
		"bytes":                  {many, Limits{Bytes: 1000}, "1000 bytes"},
		"ratio, gzip":            {zipped, Limits{}, "200-fold"},
		"ratio, zstd":            {zstded, Limits{}, "200-fold"},
		"packages":               {many, Limits{Packages: 2}, "2 packages"},
		"paths":                  {archive(t, strings.Repeat("d/", 2100)), Limits{}, "4096 bytes"},
	} {
		_, err := ReadLayer(t.Context(), bytes.NewReader(test.layer), typeGzip, test.limits)
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), test.says) || !fault.OfKind(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMillionEntriesTakeLittleMemory(t *testing.T) {
	r, w := io.Pipe()
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		out := bufio.NewWriterSize(w, 1<<20)
		b := archive(t, "d/0000000")[:512]
		zeros, err := strconv.ParseInt(string(b[148:154]), 8, 64)
		if err != nil {
			t.Error(err)
		}
		for i := range 1_000_002 {
			sum := int(zeros)
			for at, rest := 8, i; at > 1; at, rest = at-1, rest/10 {
				b[at] = '0' + byte(rest%10)
				sum += rest % 10
			}
			for at := 153; at >= 148; at, sum = at-1, sum/8 {
				b[at] = '0' + byte(sum%8)
			}
			if _, err := out.Write(b); err != nil {
				return // the reader has had enough
			}
		}
		out.Flush()
		w.Close()
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadLayer(t.Context(), r, typeTar, Limits{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "1000000 entries") {
		t.Error(err)
	}
	if n := int64(after.Sys) - int64(before.Sys); n > 300<<20 {
		t.Errorf("it took %d MiB", n>>20)
	}
	r.Close()
	<-wrote
}

// summed puts the right checksum into a head.
func summed(b []byte) []byte {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func TestFilesBeyondALimitAreNotedAndLoseNothingElse(t *testing.T) {
	inv := image(t, archive(t,
		npm{"a/package.json", "a"},
		content{"b/package.json", strings.Repeat(" ", 17<<20)},
		content{"c/package.json", "no JSON"},
		content{"../../d/package.json", `{"name":"d","version":"1"}`},
		content{"/e/package.json", `{"name":"e","version":"1"}`},
		content{"x.jar", "no archive"},
		"y/.wh.", "y/.wh...",
		npm{"z/package.json", "z"},
	))
	if diff := cmp.Diff([]string{"a a/package.json a", "d d/package.json a", "e e/package.json a", "z z/package.json a"}, names(inv)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	var paths []string
	for _, p := range inv.Problems {
		paths = append(paths, p.Path)
	}
	if diff := cmp.Diff([]string{"b/package.json", "c/package.json", "d/package.json", "x.jar", "y/.wh.", "y/.wh..."}, paths); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestProblemsAreBoundedAndGoWithTheirFiles(t *testing.T) {
	var bad []any
	for i := range 300 {
		bad = append(bad, content{fmt.Sprintf("d/%03d/package.json", i), "no JSON"})
	}
	lower := archive(t, bad...)
	if n := len(image(t, lower, lower).Problems); n != maxProblems {
		t.Errorf("%d problems", n)
	}
	if p := image(t, lower, archive(t, "d/.wh..wh..opq")).Problems; len(p) > 0 {
		t.Errorf("problems with files that are not there: %v", p[0])
	}
}

func TestThatAnImagesPackagesCannotBeReadIsNotLostAmongProblems(t *testing.T) {
	var bad []any
	for i := range 300 {
		bad = append(bad, content{fmt.Sprintf("d/%03d/package.json", i), "no JSON"})
	}
	damaged := content{"var/lib/rpm/rpmdb.sqlite", "no database"}
	for name, inv := range map[string]Inventory{
		"of a layer":  image(t, archive(t, append(bad, damaged)...)),
		"of an image": image(t, archive(t, bad...), archive(t, damaged)),
	} {
		if p, unread := inv.Unread(); !unread || p.Path != damaged.path || len(inv.Problems) != maxProblems {
			t.Errorf("%s: %t, %+v, %d problems", name, unread, p, len(inv.Problems))
		}
	}
	if p, unread := image(t, archive(t, damaged), archive(t, "var/lib/rpm/.wh.rpmdb.sqlite")).Unread(); unread {
		t.Errorf("of what is not there: %+v", p)
	}
	if p, unread := image(t, archive(t, bad...)).Unread(); unread {
		t.Errorf("of other files: %+v", p)
	}
}

func TestLargeFilesAreReadFromDiskAndNothingStaysThere(t *testing.T) {
	dir := t.TempDir()
	p := rpm.Package{Name: "p", Version: "1", Release: "1", License: strings.Repeat("l", 900)}
	db := rpmtest.NDB(rpmtest.Copies(p, 200)...)
	f, err := ReadLayer(t.Context(), bytes.NewReader(archive(t, content{"var/lib/rpm/Packages.db", string(db)})), typeTar, Limits{Memory: 1000, Temporary: dir})
	if err != nil || len(Merge([]Layer{{"a", f}}).Packages) != 200 {
		t.Errorf("%d packages, %v", len(Merge([]Layer{{"a", f}}).Packages), err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	_, err = ReadLayer(t.Context(), bytes.NewReader(archive(t, content{"var/lib/rpm/Packages.db", string(db)})), typeTar, Limits{Memory: 1000, Temporary: dir + "/absent"})
	if !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrDamaged) {
		t.Errorf("no folder for temporary files: %v", err)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	inv := image(t, archive(t,
		npm{"real/package.json", "real"},
		link{tar.TypeSymlink, "s/package.json", "../real/package.json"},
		link{tar.TypeSymlink, "out", "../../../../etc"},
		npm{"out/package.json", "through"}, // the link is replaced, not followed
		link{tar.TypeLink, "h/package.json", "real/package.json"},
		link{tar.TypeLink, "h2/package.json", "../../../etc/passwd"},
		link{tar.TypeChar, "dev/package.json", ""},
		link{tar.TypeFifo, "fifo/package.json", ""},
	))
	want := []string{"real h/package.json a", "real real/package.json a", "through out/package.json a"}
	if diff := cmp.Diff(want, names(inv)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if len(inv.Problems) != 1 || inv.Problems[0].Path != "h2/package.json" {
		t.Errorf("problems: %v", inv.Problems)
	}
}

func TestFilesWithHolesAreNoted(t *testing.T) {
	head := func(name, typeflag, size string, pax ...string) []byte {
		b := make([]byte, 512)
		copy(b, name)
		copy(b[100:], "0000644\x00")
		copy(b[124:], size+"\x00")
		copy(b[136:], "00000000000\x00")
		copy(b[156:], typeflag)
		copy(b[257:], "ustar\x0000")
		return summed(b)
	}
	var records string
	for _, r := range []string{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=a/package.json", "GNU.sparse.realsize=8000000"} {
		n := len(r) + 4
		records += fmt.Sprintf("%d %s\n", n, r)
	}
	layer := slices.Concat(head("pax", "x", fmt.Sprintf("%011o", len(records))), []byte(records), make([]byte, 512-len(records)),
		head("data", "0", fmt.Sprintf("%011o", 512)), []byte("0\n"), make([]byte, 510), make([]byte, 1024))
	inv := image(t, layer)
	if len(inv.Problems) != 1 || !strings.Contains(inv.Problems[0].Text, "holes") {
		t.Errorf("problems: %v", inv.Problems)
	}
}

func FuzzReadLayer(f *testing.F) {
	seed := archive(f, npm{"a/package.json", "a"}, "b/.wh.c", "b/.wh..wh..opq", content{"etc/os-release", "ID=debian\nVERSION_ID=12\n"},
		content{"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"}, content{"bin/x", "\x7fELF"}, link{tar.TypeLink, "l/package.json", "a/package.json"})
	zipped, zstded := packed(f, seed)
	for _, s := range [][]byte{seed, zipped, zstded} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, layer []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		facts, err := ReadLayer(ctx, bytes.NewReader(layer), typeTar, Limits{Bytes: 16 << 20, Entries: 10_000})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrTooLarge) {
				t.Error(err)
			}
			return
		}
		kept, err := facts.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(kept)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Merge([]Layer{{"a", facts}}), Merge([]Layer{{"a", again}})); diff != "" {
			t.Errorf("kept facts differ:\n%s", diff)
		}
	})
}
