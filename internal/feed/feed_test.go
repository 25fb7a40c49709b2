package feed_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/osv"
	"github.com/berth-registry/berth/internal/outbound"
)

// records tells what is in a zip: "ID text", or "ID !" where it has no text.
func records(b []byte) (all []string, err error) {
	err = feed.Records(bytes.NewReader(b), int64(len(b)), func(r feed.Record) error {
		text := string(r.Text)
		if r.Err != nil {
			text = "!"
		}
		all = append(all, fmt.Sprintf("%s %.20s", r.ID, text))
		return nil
	})
	return all, err
}

func TestAZipIsReadEntryByEntry(t *testing.T) {
	all, err := records(feedtest.Pack(t, "X-1.json", "one", "folder/", "", "../X-2.json", "two", `..\X-3.json`, "three", "X-1.json", "again", "readme.txt", "no", "X-5.json", strings.Repeat("0", osv.MaxRecord+1), "X-6.json", "six"))
	want := []string{"X-1 one", `"../X-2.json" !`, `"..\\X-3.json" !`, "X-1 again", `"readme.txt" !`, "X-5 !", "X-6 six"}
	if err != nil || !slices.Equal(all, want) {
		t.Errorf("%q, %v", all, err)
	}
}

// TestABombIsStopped has entries that say they are small.
func TestABombIsStopped(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	var deflated bytes.Buffer
	w := zip.NewWriter(&deflated)
	inner, _ := w.Create("x")
	zeros := make([]byte, 1<<20)
	for range 40 {
		if _, err := inner.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	source, err := zip.NewReader(bytes.NewReader(deflated.Bytes()), int64(deflated.Len()))
	if err != nil {
		t.Fatal(err)
	}
	h := source.File[0].FileHeader
	h.Name, h.UncompressedSize64, h.Flags = "X-1.json", 100, 0
	raw, err := z.CreateRaw(&h)
	if err != nil {
		t.Fatal(err)
	}
	from, err := source.File[0].OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(raw, from); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if all, err := records(b.Bytes()); err != nil || !slices.Equal(all, []string{"X-1 !"}) {
		t.Errorf("%q, %v", all, err)
	}
}

func TestADamagedRecordIsToldAndADamagedZipRefused(t *testing.T) {
	good := feedtest.Pack(t, "X-1.json", strings.Repeat("text ", 100), "X-2.json", "two")
	bad := slices.Clone(good)
	bad[60] ^= 0xff // in the first entry's content
	if all, err := records(bad); err != nil || !slices.Equal(all, []string{"X-1 !", "X-2 two"}) {
		t.Errorf("%q, %v", all, err)
	}
	for name, b := range map[string][]byte{"cut off": good[:len(good)-30], "a page": []byte("<html>" + strings.Repeat("x", 200)), "empty": {}} {
		if all, err := records(b); !errors.Is(err, feed.ErrInvalid) {
			t.Errorf("%s: %q, %v", name, all, err)
		}
	}
}

func TestAnIndexThatSaysItIsHugeIsNotRead(t *testing.T) {
	b := feedtest.Pack(t, "X-1.json", "one")
	end := bytes.LastIndex(b, []byte("PK\x05\x06"))
	for i := range 4 {
		b[end+12+i] = 0xfe // bytes of the index
	}
	if _, err := records(b); !errors.Is(err, feed.ErrTooLarge) {
		t.Error(err)
	}
}

func TestAListIsReadUntilItIsEnough(t *testing.T) {
	list := "2026-01-03T00:00:00.123456789Z,npm/GHSA-1\n\n2026-01-02T00:00:00Z,../..\n1-01-01T00:00:00Z,X-0\n2026-01-02T00:00:00Z,X-2\n2026-01-01T00:00:00Z,X-3\n"
	var ids []string
	err := feed.Listing(strings.NewReader(list), func(id string, at time.Time) (bool, error) {
		ids = append(ids, id+" "+at.Format(time.RFC3339Nano))
		return id != "X-2", nil
	})
	if want := []string{"GHSA-1 2026-01-03T00:00:00.123456Z", "X-0 0001-01-01T00:00:00Z", "X-2 2026-01-02T00:00:00Z"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("%q, %v", ids, err)
	}
	for _, bad := range []string{"<html>", "yesterday,X-1", strings.Repeat("x", 1000)} {
		if err := feed.Listing(strings.NewReader(bad), func(string, time.Time) (bool, error) { return true, nil }); !errors.Is(err, feed.ErrInvalid) {
			t.Errorf("%.20s: %v", bad, err)
		}
	}
}

func web(t *testing.T, h http.HandlerFunc) *feed.Web {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	out := outbound.New(outbound.ForSystem(), outbound.Limits{Whole: outbound.Unlimited})
	t.Cleanup(out.Close)
	w, err := feed.NewWeb(out, s.URL+"/osv/")
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func fetch(t *testing.T, o feed.Origin, name string) (string, error) {
	t.Helper()
	r, err := o.Open(t.Context(), name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestABrokenDownloadGoesOnWhereItBroke(t *testing.T) {
	content := strings.Repeat("0123456789", 10_000)
	var asked atomic.Int32
	w := web(t, func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		w.Header().Set("ETag", `"1"`)
		if n == 4 { // busy for a moment
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if n == 3 || n > 4 {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
			return
		}
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = io.WriteString(w, content[from:from+30_000])
		panic(http.ErrAbortHandler)
	})
	if got, err := fetch(t, w, feed.All("npm")); err != nil || got != content || asked.Load() != 3 {
		t.Errorf("%d bytes, %v, asked %d times", len(got), err, asked.Load())
	}
	if got, err := fetch(t, w, feed.All("npm")); err != nil || got != content || asked.Load() != 5 {
		t.Errorf("busy: %d bytes, %v, asked %d times", len(got), err, asked.Load())
	}
}

func TestADownloadThatCannotGoOnFails(t *testing.T) {
	w := web(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		if strings.HasSuffix(r.URL.Path, "changed") {
			w.Header().Set("ETag", `"`+r.Header.Get("If-Range")+`x"`)
		}
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	for _, name := range []string{"npm/plain", "npm/changed"} {
		if got, err := fetch(t, w, name); !errors.Is(err, feed.ErrUnavailable) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestNamesAreEscapedAndAnswersUnderstood(t *testing.T) {
	w := web(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.EscapedPath() {
		case "/osv/Rocky%20Linux/ALPINE-CVE-%3F%3F.json":
			_, _ = io.WriteString(w, "it")
		case "/osv/moved/all.zip":
			http.Redirect(w, r, "/osv/Rocky%20Linux/ALPINE-CVE-%3F%3F.json", http.StatusTemporaryRedirect)
		case "/osv/denied/all.zip":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	})
	for _, name := range []string{feed.Single("Rocky Linux", "ALPINE-CVE-??"), "moved/all.zip"} {
		if got, err := fetch(t, w, name); err != nil || got != "it" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := fetch(t, w, feed.All("none")); !errors.Is(err, feed.ErrNone) || errors.Is(err, feed.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := fetch(t, w, feed.All("denied")); !errors.Is(err, feed.ErrUnavailable) {
		t.Error(err)
	}
}

func TestRulesOfConnectionsHold(t *testing.T) {
	out := outbound.New(outbound.ForProjects(nil), outbound.Limits{})
	t.Cleanup(out.Close)
	for _, bad := range []string{"ftp://x.test", "https://u:p@x.test", "https://x.test/?q", "http://127.0.0.1/x", "x"} {
		if _, err := feed.NewWeb(out, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	start := time.Now()
	if _, err := feed.Get(t.Context(), out, s.URL); !errors.Is(err, outbound.ErrForbidden) || time.Since(start) > 400*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	w := web(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := w.Open(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); err == nil {
		t.Error("it ended well")
	}
}

func tarred(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: entries[i], Typeflag: tar.TypeReg, Size: int64(len(entries[i+1])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOneArchiveHasAllEcosystems(t *testing.T) {
	entries := []string{"./npm/all.zip", "one", "Rocky Linux/all.zip", "two", "npm/modified_id.csv", "three", "../../etc/x/all.zip", "no", "/all.zip", "no", "a/b/all.zip", "no"}
	var gz, zst bytes.Buffer
	w := gzip.NewWriter(&gz)
	z, _ := zstd.NewWriter(&zst)
	for _, w := range []io.WriteCloser{w, z} {
		if _, err := w.Write(tarred(t, entries...)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for kind, b := range map[string][]byte{"tar": tarred(t, entries...), "tar.gz": gz.Bytes(), "tar.zst": zst.Bytes(), "zip": feedtest.Pack(t, entries...)} {
		f, err := os.Create(filepath.Join(t.TempDir(), "archive"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		a, err := feed.ReadArchive("upload", bytes.NewReader(b), f)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if got := a.Ecosystems(); !slices.Equal(got, []string{"Rocky Linux", "npm"}) {
			t.Errorf("%s: %q", kind, got)
		}
		for name, want := range map[string]string{"npm/all.zip": "one", "Rocky Linux/all.zip": "two", "npm/modified_id.csv": "three"} {
			if got, err := fetch(t, a, name); err != nil || got != want {
				t.Errorf("%s: %s: %q, %v", kind, name, got, err)
			}
		}
		if _, err := fetch(t, a, "PyPI/all.zip"); !errors.Is(err, feed.ErrNone) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestWhatIsNoArchiveIsRefused(t *testing.T) {
	whole := tarred(t, "npm/all.zip", strings.Repeat("x", 5000))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(whole); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(packed.Bytes())
	changed[len(changed)-8] ^= 1 // of the checksum
	for name, b := range map[string][]byte{
		"empty": {}, "text": []byte(strings.Repeat("text", 500)), "cut off": whole[:2000], "half gzip": {0x1f, 0x8b, 8},
		"gzip that is cut off": packed.Bytes()[:packed.Len()/2], "gzip that was changed": changed, "zstd that is none": {0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "archive"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := feed.ReadArchive("upload", bytes.NewReader(b), f); !errors.Is(err, feed.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFolderIsNotLeft(t *testing.T) {
	outer := t.TempDir()
	inner := filepath.Join(outer, "osv")
	if err := errors.Join(os.MkdirAll(filepath.Join(inner, "npm"), 0o700), os.WriteFile(filepath.Join(outer, "secret"), []byte("s"), 0o600),
		os.WriteFile(filepath.Join(inner, "npm", "all.zip"), []byte("it"), 0o600), os.Symlink(filepath.Join(outer, "secret"), filepath.Join(inner, "npm", "modified_id.csv"))); err != nil {
		t.Fatal(err)
	}
	f, err := feed.OpenFolder(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := fetch(t, f, feed.All("npm")); err != nil || got != "it" {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{feed.Listed("npm"), "../secret", "npm"} {
		if got, err := fetch(t, f, name); err == nil {
			t.Errorf("%s is %q", name, got)
		}
	}
	if _, err := fetch(t, f, feed.All("PyPI")); !errors.Is(err, feed.ErrNone) {
		t.Error(err)
	}
}

func TestExploitsAreRead(t *testing.T) {
	var got []string
	err := feed.Exploited(strings.NewReader(`{"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"},{"cveID":"x","dateAdded":"2021-12-10"},{"cveID":"CVE-2021-0001","dateAdded":"soon"}]}`), func(cve, added string) error {
		got = append(got, cve+" "+added)
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"CVE-2021-44228 2021-12-10"}) {
		t.Errorf("%q, %v", got, err)
	}
	epss := "#model_version:v2025.03.14,score_date:2026-11-27T00:00:00+0000\ncve,epss,percentile\nCVE-2021-44228,0.97,0.99999\nCVE-2020-0001,NaN,0.5\nCVE-2020-0002,2,0.5\nCVE-2020-0003,0.00042\n"
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := io.WriteString(w, epss); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, in := range []io.Reader{strings.NewReader(epss), bytes.NewReader(gz.Bytes())} {
		var all []feed.Likelihood
		err := feed.Likelihoods(in, func(l feed.Likelihood) error {
			all = append(all, l)
			return nil
		})
		if err != nil || !slices.Equal(all, []feed.Likelihood{{CVE: "CVE-2021-44228", Score: 0.97, Percentile: 0.99999}}) {
			t.Errorf("%v, %v", all, err)
		}
	}
	none := func(feed.Likelihood) error { return nil }
	for _, bad := range []string{"", "<html>", gz.String()[:gz.Len()-12]} {
		if err := feed.Likelihoods(strings.NewReader(bad), none); !errors.Is(err, feed.ErrInvalid) {
			t.Errorf("%.10q: %v", bad, err)
		}
		if err := feed.Exploited(strings.NewReader(bad), func(string, string) error { return nil }); !errors.Is(err, feed.ErrInvalid) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
}

func FuzzRecords(f *testing.F) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("X-1.json")
	_, _ = io.WriteString(w, `{"id":"X-1"}`)
	_ = z.Close()
	f.Add(b.Bytes())
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = records(b) })
}
