package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`

func TestManifestsHaveTheirDigests(t *testing.T) {
	body := []byte(index)
	right, wrong := string(sum(body)), string(sum([]byte("x")))
	long := string(oci.Sum(oci.SHA512, body))
	var header, sent string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		if header != "" {
			w.Header().Set("Docker-Content-Digest", header)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(sent)))
		fmt.Fprint(w, sent)
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		ref, header, sent string
		digest, stat      string // empty: ErrAnswer; of stat, "none": an empty digest
	}{
		{"latest", right, index, right, right},
		{"latest", "", index, right, "none"},
		{"latest", long, index, long, long},
		{"latest", wrong, index, "", wrong},
		{"latest", right, index + " ", "", right},
		{"latest", "sha256:../../etc/passwd", index, "", ""},
		{"latest", "md5:d41d8cd98f00b204e9800998ecf8427e", index, "", ""},
		{"latest", strings.ToUpper(right), index, "", ""},
		{right, right, index, right, right},
		{right, "", index, right, right},
		{right, long, index, right, right}, // by another algorithm: its canonical digest
		{right, wrong, index, right, ""},   // what was sent is what was asked for
		{right, right, index + " ", "", right},
		{right, right, "", "", right},
		{long, right, index, long, long},
	} {
		header, sent = tt.header, tt.sent
		m, err := r.Manifest(t.Context(), "a/b", tt.ref)
		switch {
		case tt.digest == "":
			if !errors.Is(err, remote.ErrAnswer) {
				t.Errorf("%+v: %v", tt, err)
			}
		case err != nil || string(m.Digest) != tt.digest || string(m.Body) != tt.sent || m.Size != int64(len(m.Body)) || m.MediaType != oci.MediaTypeImageIndex:
			t.Errorf("%+v: %+v, %v", tt, m, err)
		}
		m, err = r.StatManifest(t.Context(), "a/b", tt.ref)
		switch {
		case tt.stat == "":
			if !errors.Is(err, remote.ErrAnswer) {
				t.Errorf("stat of %+v: %v", tt, err)
			}
		case err != nil || string(m.Digest) != strings.Replace(tt.stat, "none", "", 1) || m.Size != int64(len(tt.sent)) || m.Body != nil:
			t.Errorf("stat of %+v: %+v, %v", tt, m, err)
		}
		err = r.PushManifest(t.Context(), "a/b", "latest", oci.MediaTypeImageIndex, body)
		if ok := header == "" || header == right || header == long; ok != (err == nil) || err != nil && !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("push of %+v: %v", tt, err)
		}
	}
}

// What is no name never becomes a path, least of all one with credentials.
func TestNamesAreNoPaths(t *testing.T) {
	registry := serve(t, here, func(http.ResponseWriter, *http.Request) {})
	r := connectTo(t, remote.Settings{Kind: remote.Harbor, URL: registry.URL + "/path", Account: account})
	ctx := t.Context()
	all := func(repository, ref string, d oci.Digest) []error {
		var errs [9]error
		_, errs[0] = r.Manifest(ctx, repository, ref)
		_, errs[1] = r.StatManifest(ctx, repository, ref)
		errs[2] = r.PushManifest(ctx, repository, ref, "text/plain", nil)
		errs[3] = r.DeleteManifest(ctx, repository, ref)
		_, _, errs[4] = r.Blob(ctx, repository, d, 0)
		_, errs[5] = r.StatBlob(ctx, repository, d)
		_, errs[6] = r.Referrers(ctx, repository, d)
		_, errs[7] = r.PushBlob(ctx, repository, remote.Source{Digest: d})
		_, errs[8] = r.Labels(ctx, repository, ref)
		return errs[:]
	}
	good := sum(nil)
	for _, bad := range []string{"", ".", "..", "../x", "sha256:../../etc", "sha256:" + strings.Repeat("A", 64), "a/../../b", "a?b", "a#b", "a%2fb", "a b", "A/B/..", "//x", "a\n"} {
		for i, err := range all("a/b", bad, oci.Digest(bad)) {
			if !fault.OfKind(err, fault.Invalid) {
				t.Errorf("%q as a reference, %d: %v", bad, i, err)
			}
		}
		for i, err := range all(bad, "latest", good) {
			if !fault.OfKind(err, fault.Invalid) {
				t.Errorf("%q as a repository, %d: %v", bad, i, err)
			}
		}
		if err := r.Tags(ctx, bad, nil); !fault.OfKind(err, fault.Invalid) {
			t.Errorf("%q as a repository: %v", bad, err)
		}
	}
	if arrived := registry.lines(); len(arrived) > 0 {
		t.Errorf("%q", arrived)
	}
	if _, err := r.StatBlob(ctx, "one", good); err != nil {
		t.Error(err)
	}
	if arrived := registry.lines(); !slices.Equal(arrived, []string{"HEAD /path/v2/one/blobs/" + string(good)}) {
		t.Errorf("%q", arrived)
	}
}

// No answer takes more memory, or is read for longer, than its bounds.
func TestEndlessAnswers(t *testing.T) {
	var written atomic.Int64
	var begin func(w http.ResponseWriter)
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") || begin == nil {
			endless(w, &written)
			return
		}
		begin(w)
		endless(w, &written)
	})
	asks := func(r *remote.Registry) map[string]func(ctx context.Context) error {
		return map[string]func(ctx context.Context) error{
			"manifest":     func(ctx context.Context) error { _, err := r.Manifest(ctx, "a/b", "latest"); return err },
			"tags":         func(ctx context.Context) error { return r.Tags(ctx, "a/b", func([]string) error { return nil }) },
			"repositories": func(ctx context.Context) error { return r.Repositories(ctx, func([]string) error { return nil }) },
			"referrers":    func(ctx context.Context) error { _, err := r.Referrers(ctx, "a/b", sum(nil)); return err },
			"labels":       func(ctx context.Context) error { _, err := r.Labels(ctx, "a/b", string(sum(nil))); return err },
		}
	}
	for name, tt := range map[string]struct {
		begin func(w http.ResponseWriter)
		want  error
	}{
		"chunked": {func(http.ResponseWriter) {}, remote.ErrAnswer},
		"a length": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<40))
		}, remote.ErrAnswer},
		"a list": {func(w http.ResponseWriter) { fmt.Fprint(w, `{"tags":["`) }, remote.ErrAnswer},
		"an error": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, `{"errors":[{"message":"`)
		}, remote.ErrUnavailable},
		"a token": {func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", bearer(registry.URL+"/token"))
			w.WriteHeader(http.StatusUnauthorized)
		}, remote.ErrAnswer},
	} {
		begin = tt.begin
		for _, kind := range []remote.Kind{remote.Distribution, remote.Harbor} {
			r := connectTo(t, remote.Settings{Kind: kind, URL: registry.URL})
			for what, ask := range asks(r) {
				if what == "labels" && kind != remote.Harbor || name == "a token" && kind == remote.Harbor && (what == "labels" || what == "repositories") {
					continue
				}
				written.Store(0)
				if err := ask(t.Context()); !errors.Is(err, tt.want) {
					t.Errorf("%s of %s as %s: %v", what, kind, name, err)
				}
				if n := written.Load(); n > 24<<20 { // what is on its way included
					t.Errorf("%s as %s: %d bytes were sent", what, name, n)
				}
			}
		}
	}

	begin = func(http.ResponseWriter) {}
	r := connect(t, registry.URL, "")
	body, size, err := r.Blob(t.Context(), "a/b", sum(nil), 0)
	if err != nil || size != -1 {
		t.Fatal(size, err)
	}
	if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
		t.Error(err)
	}
	body.Close() // which the server's end of the test waits for
	begin = func(w http.ResponseWriter) {
		w.Header().Set("Content-Range", "bytes 5-9/10")
		w.WriteHeader(http.StatusPartialContent)
	}
	body, size, err = r.Blob(t.Context(), "a/b", sum(nil), 5)
	if err != nil || size != 10 {
		t.Fatal(size, err)
	}
	if text, err := io.ReadAll(body); len(text) != 5 || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	body.Close()
}

func TestAnswersThatEndTooEarly(t *testing.T) {
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"tags\":[]}")
	})
	r := connect(t, registry.URL, "")
	if _, err := r.Manifest(t.Context(), "a/b", "latest"); !errors.Is(err, remote.ErrUnavailable) {
		t.Error(err)
	}
	if err := r.Tags(t.Context(), "a/b", func([]string) error { t.Error("a page"); return nil }); !errors.Is(err, remote.ErrUnavailable) {
		t.Error(err)
	}
	body, size, err := r.Blob(t.Context(), "a/b", sum(nil), 0)
	if err != nil || size != 1000 {
		t.Fatal(size, err)
	}
	defer body.Close()
	if text, err := io.ReadAll(body); len(text) != 11 || !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// A blob that breaks off is read on from there, also where the registry knows no
// ranges.
func TestBlobsAreReadOn(t *testing.T) {
	content := noise(300_000)
	var ranges bool
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		from := 0
		status := "200 OK"
		if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && ranges {
			from, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
			status = fmt.Sprintf("206 Partial Content\r\nContent-Range: bytes %d-%d/%d", from, len(content)-1, len(content))
		}
		end := min(len(content), from+100_000)
		if !ranges {
			end = min(len(content), 100_000*(1+len(r.Header.Get("X-Never"))))
			if r.Header.Get("Range") != "" {
				end = len(content)
			}
		}
		raw(w, fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(content)-from, content[from:end]))
	})
	r := connect(t, registry.URL, "")
	for _, ranges = range []bool{true, false} {
		var got []byte
		tries := 0
		for ; len(got) < len(content) && tries < 5; tries++ {
			body, size, err := r.Blob(t.Context(), "a/b", sum(content), int64(len(got)))
			if err != nil || size != int64(len(content)) {
				t.Fatalf("%d, %v", size, err)
			}
			part, err := io.ReadAll(body)
			if got = append(got, part...); len(got) < len(content) && !errors.Is(err, remote.ErrUnavailable) {
				t.Fatalf("at %d: %v", len(got), err)
			}
			body.Close()
		}
		if !bytes.Equal(got, content) || tries < 2 || tries > 3 {
			t.Errorf("ranges %t: %d bytes in %d tries", ranges, len(got), tries)
		}
	}
}

func TestWrongParts(t *testing.T) {
	var status int
	var part string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		if part != "" {
			w.Header().Set("Content-Range", part)
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			fmt.Fprint(w, "01234")
		}
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		status int
		part   string
		ok     bool
	}{
		{206, "bytes 5-9/10", true}, {206, "bytes 5-9/*", true}, {206, "bytes 5-6/10", true},
		{206, "", false}, {206, "bytes 4-9/10", false}, {206, "bytes 0-4/10", false}, {206, "bytes 5-9/5", false},
		{206, "bytes 5-9/-1", false}, {206, "bytes -5-9/10", false}, {206, "5-9/10", false}, {206, "bytes */10", false},
		{206, "bytes 5-9/99999999999999999999", false}, {206, "bytes 5-9", false},
		{200, "", true}, {204, "", false}, {416, "", false}, {304, "", false}, {202, "", false},
	} {
		status, part = tt.status, tt.part
		body, _, err := r.Blob(t.Context(), "a/b", sum(nil), 5)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("%+v: %v", tt, err)
		}
		if err == nil {
			body.Close()
		}
	}
	status, part = 200, ""
	if _, _, err := r.Blob(t.Context(), "a/b", sum(nil), 6); !errors.Is(err, remote.ErrAnswer) {
		t.Errorf("a blob that became shorter: %v", err)
	}
}

func TestBlobsThatStandStill(t *testing.T) {
	var before, between atomic.Int64
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		sleep := func(d *atomic.Int64) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Duration(d.Load())):
			}
		}
		sleep(&before)
		w.Header().Set("Content-Length", "6")
		for i, c := range "abcdef" {
			if i > 0 {
				sleep(&between)
			}
			fmt.Fprintf(w, "%c", c)
			w.(http.Flusher).Flush()
		}
	})
	r := connect(t, registry.URL, "")
	r.Hurry(150 * time.Millisecond)
	read := func(ctx context.Context, eachTakes time.Duration) (string, error) {
		body, _, err := r.Blob(ctx, "a/b", sum(nil), 0)
		if err != nil {
			return "", err
		}
		defer body.Close()
		var text []byte
		for one := make([]byte, 1); ; {
			n, err := body.Read(one)
			text = append(text, one[:n]...)
			if err == io.EOF {
				return string(text), nil
			}
			if err != nil {
				return string(text), err
			}
			time.Sleep(eachTakes)
		}
	}
	for name, tt := range map[string]struct {
		before, between, reader time.Duration
		want                    string
		err                     error
	}{
		"slow":           {0, 50 * time.Millisecond, 0, "abcdef", nil},
		"slow reader":    {0, 20 * time.Millisecond, 200 * time.Millisecond, "abcdef", nil}, // is not the registry's fault
		"still":          {0, time.Minute, 0, "a", remote.ErrUnavailable},
		"still at first": {time.Minute, 0, 0, "", remote.ErrUnavailable},
	} {
		before.Store(int64(tt.before))
		between.Store(int64(tt.between))
		if got, err := read(t.Context(), tt.reader); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	before.Store(0)
	between.Store(int64(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, 0); !fault.OfKind(err, fault.Unavailable) {
		t.Errorf("past the caller's time: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, stop)
	if _, err := read(ctx, 0); !errors.Is(err, context.Canceled) || fault.OfKind(err, fault.Unavailable) {
		t.Errorf("cancelled by the caller: %v", err)
	}
	r.HurryAll(50 * time.Millisecond)
	before.Store(int64(time.Minute))
	if _, err := r.Manifest(t.Context(), "a/b", "latest"); !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "longer than 50ms") {
		t.Error(err)
	}
}

func TestLists(t *testing.T) {
	var many []string
	for i := range 2500 {
		many = append(many, fmt.Sprintf("t%04d", i))
	}
	many[7] = "../../etc"
	many[8] = "a,b"
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		from := 0
		if last := r.URL.Query().Get("last"); last != "" {
			from, _ = strconv.Atoi(strings.Split(last, ",")[1])
		}
		to := min(from+n, len(many))
		if to < len(many) {
			w.Header().Add("Link", `<https://other.example>; rel="help"`)
			w.Header().Add("Link", fmt.Sprintf(`</x,y>; rel="prev", <%s?n=%d&last=a,%d>; rel="next"`, r.URL.Path, n, to))
		}
		writeJSON(w, map[string]any{"name": "a/b", "tags": many[from:to], "repositories": many[from:to]})
	})
	r := connect(t, registry.URL, "")
	want := slices.Concat(many[:7], many[9:])
	for name, list := range map[string]func(context.Context, func([]string) error) error{
		"tags":         func(ctx context.Context, fn func([]string) error) error { return r.Tags(ctx, "a/b", fn) },
		"repositories": r.Repositories,
	} {
		var got []string
		pages := 0
		if err := list(t.Context(), func(names []string) error {
			pages++
			got = append(got, names...)
			return nil
		}); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) || pages != 3 {
			t.Errorf("%s: %d in %d pages", name, len(got), pages)
		}
		enough := errors.New("enough")
		if err := list(t.Context(), func([]string) error { return enough }); err != enough {
			t.Errorf("%s: %v", name, err)
		}
	}
	registry.take()
	if n := registry.connections.Load(); n != 1 {
		t.Errorf("%d connections for one question after the other", n)
	}
}

func TestListsGoOnAtTheSameServerOnly(t *testing.T) {
	other := serve(t, elsewhere, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{}) })
	var link string
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if !asking(w, r, "Basic x") {
			w.Header().Set("Link", link)
			writeJSON(w, map[string]any{"tags": []string{"a"}})
		}
	})
	r := connect(t, registry.URL, account)
	for _, link = range []string{
		"<" + other.URL + "/v2/a/b/tags/list>; rel=next", "<//" + strings.TrimPrefix(other.URL, "http://") + ">; rel=\"next\"",
		"<" + strings.Replace(registry.URL, "http", "https", 1) + "/v2/>; rel=next", "<?n=1000>; rel=next", "<:>; rel=next",
	} {
		pages := 0
		err := r.Tags(t.Context(), "a/b", func([]string) error { pages++; return nil })
		if !errors.Is(err, remote.ErrAnswer) || pages > 1 {
			t.Errorf("%s: %d pages, %v", link, pages, err)
		}
	}
	if got := other.lines(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestReferrers(t *testing.T) {
	subject := []byte("subject")
	short, long := sum(subject), oci.Sum(oci.SHA512, subject)
	child := func(i int) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":7,"artifactType":"x/y"}`, sum([]byte{byte(i), byte(i >> 8)}))
	}
	list := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, child(i))
		}
		return strings.Replace(index, "[]", "["+strings.Join(all, ",")+"]", 1)
	}
	var answers map[string]string // by path; "405": the status
	var endlessly bool
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[strings.TrimPrefix(r.URL.Path, "/v2/a/b/")]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case len(text) == 3:
			code, _ := strconv.Atoi(text)
			w.WriteHeader(code)
		default:
			if endlessly || r.URL.RawQuery == "" && strings.Contains(text, "paged") {
				w.Header().Set("Link", fmt.Sprintf(`<?p=%s1>; rel="next"`, r.URL.Query().Get("p")))
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			fmt.Fprint(w, text)
		}
	})
	r := connect(t, registry.URL, "")
	tag := "manifests/sha256-" + short.Hex()
	for name, tt := range map[string]struct {
		answers map[string]string
		digest  oci.Digest
		want    int // -1: an error
	}{
		"by the list":      {map[string]string{"referrers/" + string(short): list(3), tag: list(1)}, short, 3},
		"in pages":         {map[string]string{"referrers/" + string(short): list(2) + strings.Repeat(" ", 3) + "\n"}, short, 2},
		"by the tag":       {map[string]string{tag: list(2)}, short, 2},
		"405":              {map[string]string{"referrers/" + string(short): "405", tag: list(2)}, short, 2},
		"neither":          {nil, short, 0},
		"sha512":           {map[string]string{"manifests/sha512-" + long.Hex()[:64]: list(2)}, long, 2},
		"refused":          {map[string]string{"referrers/" + string(short): "403", tag: list(2)}, short, -1},
		"no index":         {map[string]string{"referrers/" + string(short): `{"manifests":"x"}`}, short, -1},
		"no digests":       {map[string]string{"referrers/" + string(short): strings.Replace(list(1), "sha256:", "sha256:../", 1)}, short, -1},
		"the tag is wrong": {map[string]string{tag: `{"schemaVersion":2,"config":{}}`}, short, -1},
		"the tag fails":    {map[string]string{tag: "500"}, short, -1},
	} {
		answers = tt.answers
		all, err := r.Referrers(t.Context(), "a/b", tt.digest)
		if (tt.want < 0) != (err != nil) || len(all) != max(tt.want, 0) {
			t.Errorf("%s: %d, %v", name, len(all), err)
		}
		if len(all) > 0 && (all[0].Digest != sum([]byte{0, 0}) || all[0].ArtifactType != "x/y" || all[0].Size != 7) {
			t.Errorf("%s: %+v", name, all[0])
		}
	}
	endlessly, answers = true, map[string]string{"referrers/" + string(short): list(3000)}
	registry.take()
	if all, err := r.Referrers(t.Context(), "a/b", short); !errors.Is(err, remote.ErrAnswer) || all != nil {
		t.Errorf("%d, %v", len(all), err)
	}
	if got := registry.lines(); len(got) != 4 {
		t.Errorf("%d pages of a list without an end were read", len(got))
	}
}

func TestFaults(t *testing.T) {
	var status int
	var after string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errors":[{"code":"SOME","message":"of it\u0007\u202e"}]}`)
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		status int
		after  string
		want   error
		least  int
		most   int // seconds; 0: nothing is said
	}{
		{404, "", remote.ErrNotFound, 0, 0}, {401, "", remote.ErrRefused, 0, 0}, {403, "9", remote.ErrRefused, 0, 0},
		{405, "", remote.ErrUnsupported, 0, 0}, {409, "", remote.ErrConflict, 0, 0}, {400, "", remote.ErrRejected, 0, 0}, {412, "", remote.ErrConflict, 0, 0}, {418, "", remote.ErrAnswer, 0, 0},
		{500, "", remote.ErrUnavailable, 0, 0}, {503, "9", remote.ErrUnavailable, 9, 9},
		{429, "", remote.ErrLimited, 0, 0}, {429, "17", remote.ErrLimited, 17, 17}, {429, "0", remote.ErrLimited, 1, 1}, {429, "-4", remote.ErrLimited, 1, 1},
		{429, "999999999", remote.ErrLimited, 86400, 86400}, {429, "99999999999999999999999", remote.ErrLimited, 0, 0}, {429, "soon", remote.ErrLimited, 0, 0},
		{429, time.Now().Add(100 * time.Second).UTC().Format(http.TimeFormat), remote.ErrLimited, 95, 100},
		{429, "Mon, 02 Jan 2006 15:04:05 GMT", remote.ErrLimited, 1, 1},
	} {
		status, after = tt.status, tt.after
		_, err := r.Manifest(t.Context(), "a/b", "latest")
		if !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		var f *fault.Fault
		errors.As(err, &f)
		detail, _ := f.Detail.(map[string]int)
		if seconds := detail["retry_after"]; seconds < tt.least || seconds > tt.most || tt.most == 0 && f.Detail != nil {
			t.Errorf("%+v: %v", tt, f.Detail)
		}
		if tt.status != 401 && (!strings.Contains(f.Message, "SOME of it") || strings.ContainsAny(f.Message, "\a\u202e")) {
			t.Errorf("%q", f.Message)
		}
	}
	if n := registry.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestBudget(t *testing.T) {
	var limit, remaining string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ratelimit-limit", limit)
		w.Header().Set("ratelimit-remaining", remaining)
		w.WriteHeader(http.StatusTooManyRequests) // says so too
	})
	for _, tt := range []struct {
		limit, remaining string
		want             remote.Budget
	}{
		{"100;w=21600", "76;w=21600", remote.Budget{Limit: 100, Remaining: 76, Window: 6 * time.Hour}},
		{"100", "0", remote.Budget{Limit: 100}},
		{"100; w=60;burst=1", "3", remote.Budget{Limit: 100, Remaining: 3}},
		{"100;w=-1", "3", remote.Budget{Limit: 100, Remaining: 3}},
		{"", "3", remote.Budget{}}, {"100", "", remote.Budget{}}, {"-1", "3", remote.Budget{}}, {"x", "3", remote.Budget{}}, {"100", "-3", remote.Budget{}},
	} {
		limit, remaining = tt.limit, tt.remaining
		r := connect(t, registry.URL, "")
		_, _ = r.StatManifest(t.Context(), "a/b", "latest")
		got := r.Budget()
		if fresh := time.Since(got.At) < time.Minute; fresh != (tt.want.Limit > 0) {
			t.Errorf("%+v: at %s", tt, got.At)
		}
		if got.At = (time.Time{}); got != tt.want {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// One question after the other takes one connection, and no more questions than
// there are.
func TestNothingIsAskedTwice(t *testing.T) {
	var registry *upstream
	content := noise(100_000)
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			giveToken(w, r)
			return
		}
		switch {
		case asking(w, r, bearer(registry.URL+"/token")):
			_, _ = w.Write(noise(5000))
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/u")
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(noise(5000))
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case strings.HasSuffix(r.URL.Path, "missing"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write(noise(5000))
		default:
			_, _ = w.Write(content)
		}
	})
	r := connect(t, registry.URL, account)
	for range 3 {
		if _, err := r.Manifest(t.Context(), "a/b", "latest"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.StatManifest(t.Context(), "a/b", "missing"); !errors.Is(err, remote.ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := r.Manifest(t.Context(), "a/b", "missing"); !errors.Is(err, remote.ErrNotFound) {
			t.Fatal(err)
		}
		body, _, err := r.Blob(t.Context(), "a/b", sum(content), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Fatal(err)
		}
		body.Close()
		if sent, err := r.PushBlob(t.Context(), "a/b", source(content)); !sent || err != nil {
			t.Fatal(err)
		}
	}
	if n, lines := registry.connections.Load(), registry.lines(); n != 1 || len(lines) != 1+2+3*6 {
		t.Errorf("%d connections, %d requests:\n%s", n, len(lines), strings.Join(lines, "\n"))
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\r\nc\x1b[2J\u0085\u202e": "a b  c [2J  ", "\xff\xfe": "��", "ä→": "ä→",
		strings.Repeat("ä", 200): strings.Repeat("ä", 150) + "…", "x" + strings.Repeat("ä", 200): "x" + strings.Repeat("ä", 149) + "…",
	} {
		if got := remote.Short(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
