package intake_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/intake"
)

// each reads the files of a folder, by their names in it.
func each(t testing.TB, folder string, see func(name string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil {
			see(filepath.ToSlash(strings.TrimPrefix(path, folder+string(filepath.Separator))), content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// zipped returns a folder as one zip.
func zipped(t testing.TB, folder string) io.Reader {
	t.Helper()
	var entries []string
	each(t, folder, func(name string, content []byte) { entries = append(entries, name, string(content)) })
	return bytes.NewReader(feedtest.Pack(t, entries...))
}

// tarred returns a folder as a tar.
func tarred(t testing.TB, folder string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	each(t, folder, func(name string, content []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed returns what w, over a buffer, makes of content.
func packed(t testing.TB, content []byte, over func(io.Writer) (io.WriteCloser, error)) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w, err := over(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func gzipped(w io.Writer) (io.WriteCloser, error)   { return gzip.NewWriter(w), nil }
func zstandard(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }

// exported returns an export of advisories of packages of npm.
func exported(t testing.TB, packages ...string) *bytes.Buffer {
	t.Helper()
	folder := t.TempDir()
	publish(t, folder, "npm", packages...)
	l, _ := newLab(t, intake.Sources{})
	if _, err := l.Import(t.Context(), "osv.zip", zipped(t, folder), nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.advisories.Export(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestAnExportComesInPlaceOfAllThatIsHere(t *testing.T) {
	folder := t.TempDir()
	publish(t, folder, "PyPI", "up")
	l, _ := newLab(t, intake.Sources{Source: folder, Ecosystems: []string{"PyPI"}})
	before, err := l.Update(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Import(t.Context(), "any name", exported(t, "left", "right"), nil)
	if err != nil || !r.New || r.Generation <= before.Generation {
		t.Fatalf("%+v, then %+v, %v", before, r, err)
	}
	if got := l.records(); got != "PyPI 0, npm 2" { // which is still brought up to date
		t.Error(got)
	}
}

func TestAnArchiveReplacesTheEcosystemsThatItHas(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	publish(t, first, "npm", "left", "right")
	publish(t, first, "PyPI", "up")
	publish(t, second, "npm", "left")
	for name, pack := range map[string]func(folder string) io.Reader{
		"zip":      func(folder string) io.Reader { return zipped(t, folder) },
		"tar":      func(folder string) io.Reader { return bytes.NewReader(tarred(t, folder)) },
		"tar.gz":   func(folder string) io.Reader { return packed(t, tarred(t, folder), gzipped) },
		"tar.zstd": func(folder string) io.Reader { return packed(t, tarred(t, folder), zstandard) },
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLab(t, intake.Sources{})
			told := 0
			for _, c := range []struct{ folder, want string }{{first, "PyPI 1, npm 2"}, {second, "PyPI 1, npm 1"}} {
				r, err := l.Import(t.Context(), "osv."+name, pack(c.folder), func(advisory.Progress) { told++ })
				if err != nil || !r.New {
					t.Fatalf("%+v, %v", r, err)
				}
				if got := l.records(); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
			if told == 0 {
				t.Error("no progress is told")
			}
			if r, err := l.Import(t.Context(), "osv."+name, pack(second), nil); err != nil || r.New {
				t.Errorf("the same again: %+v, %v", r, err)
			}
		})
	}
}

func TestWhatCannotBeImportedLeavesAllAsItWas(t *testing.T) {
	broken := t.TempDir()
	if err := os.MkdirAll(filepath.Join(broken, "npm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "npm", "all.zip"), []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 5000) // more than what is looked at to tell an export from an archive
	for i := range many {
		many[i] = rand.Text()
	}
	export := exported(t, many...).Bytes()
	flipped := bytes.Clone(export)
	flipped[len(flipped)/2] ^= 0xff
	whole := func() []byte {
		z, err := zstd.NewReader(bytes.NewReader(export))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	cut := errors.New("the line is cut")
	for name, c := range map[string]struct {
		file io.Reader
		want error
	}{
		"nothing":                      {strings.NewReader(""), feed.ErrInvalid},
		"a text":                       {strings.NewReader("advisories\n"), feed.ErrInvalid},
		"a long text":                  {strings.NewReader(strings.Repeat("advisories\n", 100_000)), feed.ErrInvalid},
		"half a zip":                   {io.LimitReader(zipped(t, broken), 40), feed.ErrInvalid},
		"a zip of other things":        {bytes.NewReader(feedtest.Pack(t, "readme.txt", "hello")), feed.ErrInvalid},
		"an ecosystem that is none":    {bytes.NewReader(feedtest.Pack(t, "../all.zip", "x", "a/b/all.zip", "x")), feed.ErrInvalid},
		"gzip of a text":               {packed(t, []byte("hello"), gzipped), feed.ErrInvalid},
		"zstd of a text":               {packed(t, []byte("hello"), zstandard), feed.ErrInvalid},
		"an ecosystem without archive": {zipped(t, broken), intake.ErrFailed},
		"an export that is not packed": {bytes.NewReader(whole), feed.ErrInvalid},
		"half an export":               {bytes.NewReader(export[:len(export)/2]), advisory.ErrDamaged},
		"an export without its end":    {bytes.NewReader(export[:len(export)-1]), advisory.ErrDamaged},
		"an export that has changed":   {bytes.NewReader(flipped), advisory.ErrDamaged},
		"another database":             {packed(t, append([]byte("SQLite format 3\x00"), make([]byte, 8192)...), zstandard), advisory.ErrDamaged},
		"a line that is cut":           {io.MultiReader(bytes.NewReader(tarred(t, broken)[:100]), errReader{cut}), cut},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			publish(t, folder, "npm", "here")
			l, _ := newLab(t, intake.Sources{Source: folder, Ecosystems: []string{"npm"}})
			before, err := l.Update(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := l.Import(t.Context(), "a file", c.file, nil); !errors.Is(err, c.want) || r.New {
				t.Errorf("%+v, %v, want %v", r, err, c.want)
			}
			after, err := l.advisories.Generation(t.Context())
			if err != nil || after != before.Generation || l.records() != "npm 1" {
				t.Errorf("generation %d, then %d, %v: %s", before.Generation, after, err, l.records())
			}
			left, err := filepath.Glob(filepath.Join(l.folder, "*tmp*"))
			if err != nil || len(left) != 0 {
				t.Errorf("%q are left, %v", left, err)
			}
		})
	}
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

func TestOneImportAtATime(t *testing.T) {
	folder := t.TempDir()
	publish(t, folder, "npm", "left")
	l, _ := newLab(t, intake.Sources{Source: folder, Ecosystems: []string{"npm"}})
	var busy []error
	_, err := l.Import(t.Context(), "osv.zip", zipped(t, folder), func(advisory.Progress) {
		if len(busy) > 0 {
			return
		}
		_, update := l.Update(t.Context(), nil)
		_, archive := l.Import(t.Context(), "osv.zip", zipped(t, folder), nil)
		busy = append(busy, update, archive)
	})
	if err != nil || len(busy) != 2 {
		t.Fatalf("%v, %v", err, busy)
	}
	for _, err := range busy {
		if !errors.Is(err, advisory.ErrBusy) || !fault.OfKind(err, fault.Conflict) {
			t.Error(err)
		}
	}
}
