package inventory

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// bulk is how large the layer below is, unpacked.
const bulk = 360 << 20

// BenchmarkImage looks into an image of two layers, made of this machine's /usr as
// far as it goes, with a database of dpkg: one of 360 MiB that is about 150 MB,
// packed, and one of 10 MiB. "cold" reads both, "second" another image on the same
// base, whose facts are kept. Besides what is usual it tells the CPU time of the
// process, and its peak of memory, which must be measured one at a time:
//
//	go test ./internal/inventory -run - -bench Image/cold -benchtime 5x
//	go test ./internal/inventory -run - -bench Image/second -benchtime 5x
func BenchmarkImage(b *testing.B) {
	dir := b.TempDir()
	base, app := filepath.Join(dir, "base"), filepath.Join(dir, "app")
	size := pack(b, base, "/usr", bulk)
	pack(b, app, "/usr/lib/python3", 10<<20)
	kept, err := layerOf(b, base).Encode()
	if err != nil {
		b.Fatal(err)
	}
	for _, run := range []struct {
		name string
		base func() *Facts
	}{
		{"cold", func() *Facts { return layerOf(b, base) }},
		{"second", func() *Facts {
			f, err := Decode(kept)
			if err != nil {
				b.Fatal(err)
			}
			return f
		}},
	} {
		b.Run(run.name, func(b *testing.B) {
			before, packages := cpu(b), 0
			for b.Loop() {
				packages = len(Merge([]Layer{{"a", run.base()}, {"b", layerOf(b, app)}}).Packages)
			}
			b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(peak(b))/1024, "peak-MiB")
			b.ReportMetric(float64(packages), "packages")
			b.ReportMetric(float64(size)/1e6, "packed-MB")
			b.ReportMetric(float64(len(kept))/1e3, "facts-kB")
		})
	}
}

func layerOf(b *testing.B, name string) *Facts {
	b.Helper()
	r, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	f, err := ReadLayer(b.Context(), r, typeGzip, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that the process has had, in KiB.
func peak(b *testing.B) (kib int64) {
	s, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(s)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}

// pack writes a layer of the files of a folder, of at most so many bytes in sum,
// and returns how large it is. Where the folder has too few, random bytes follow.
func pack(b *testing.B, name, root string, most int64) int64 {
	b.Helper()
	out, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	w := tar.NewWriter(z)
	put := func(h *tar.Header, r io.Reader) {
		b.Helper()
		if err := w.WriteHeader(h); err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			b.Fatal(err)
		}
		most -= h.Size
	}
	put(memory("etc/os-release", debian))
	put(memory("var/lib/dpkg/status", databaseOf(300)))
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		info, infoErr := d.Info()
		if err != nil || infoErr != nil || !d.Type().IsRegular() || info.Size() > min(most, 64<<20) {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = path
		put(h, io.LimitReader(f, h.Size))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if most > 0 {
		put(&tar.Header{Name: "srv/data", Size: most, Mode: 0o644}, io.LimitReader(rand.NewChaCha8([32]byte{}), most))
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := out.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

func memory(name, text string) (*tar.Header, io.Reader) {
	return &tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644}, strings.NewReader(text)
}

func databaseOf(packages int) string {
	var b bytes.Buffer
	for i := range packages {
		fmt.Fprintf(&b, "Package: p%d\nStatus: install ok installed\nArchitecture: amd64\nSource: s%d\nVersion: 1.%d-1\nDescription: a package\n %s\n\n", i, i/2, i, strings.Repeat("words ", 100))
	}
	return b.String()
}
