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
	"github.com/berth-registry/berth/internal/remote"
)

// A shelf is a registry that takes one upload, and fails as the test says.
type shelf struct {
	*upstream
	got     []byte
	done    bool
	cuts    []int // how many bytes of each next PATCH arrive before the connection breaks
	patch   http.HandlerFunc
	status  http.HandlerFunc
	put     http.HandlerFunc // of the next one alone
	begin   http.Header
	patches atomic.Int64
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{begin: http.Header{"Location": {"/u?state=a%20b+c"}}}
	s.upstream = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		where := func() {
			w.Header().Set("Location", "/u?state=a%20b+c")
			w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(s.got)-1)))
		}
		switch r.Method {
		case http.MethodPost:
			for k, v := range s.begin {
				w.Header()[k] = v
			}
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPatch:
			if s.patches.Add(1); s.patch != nil {
				s.patch(w, r)
				return
			}
			if want := fmt.Sprintf("%d-%d", len(s.got), int64(len(s.got))+r.ContentLength-1); r.Header.Get("Content-Range") != want {
				where()
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			if len(s.cuts) > 0 {
				part, _ := io.ReadAll(io.LimitReader(r.Body, int64(s.cuts[0])))
				s.got, s.cuts = append(s.got, part...), s.cuts[1:]
				raw(w, "")
				return
			}
			part, _ := io.ReadAll(r.Body)
			s.got = append(s.got, part...)
			where()
			w.WriteHeader(http.StatusAccepted)
		case http.MethodGet:
			if s.status != nil {
				s.status(w, r)
				return
			}
			where()
			w.WriteHeader(http.StatusNoContent)
		case http.MethodPut:
			if f := s.put; f != nil {
				s.put = nil
				f(w, r)
				return
			}
			part, _ := io.ReadAll(r.Body)
			s.got = append(s.got, part...)
			if q := r.URL.Query(); !strings.HasPrefix(r.URL.RawQuery, "state=a%20b+c&digest=") || q.Get("digest") != string(sum(s.got)) {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			s.done = true
			w.WriteHeader(http.StatusCreated)
		}
	})
	return s
}

func methods(lines []string) string {
	var all []string
	for _, l := range lines {
		m, _, _ := strings.Cut(l, " ")
		all = append(all, m)
	}
	return strings.Join(all, " ")
}

func TestUploadsGoOn(t *testing.T) {
	content := noise(3 << 20)
	for name, tt := range map[string]struct {
		content []byte
		chunk   int64
		least   string
		cuts    []int
		want    string
	}{
		"empty":         {nil, 0, "", nil, "POST PUT"},
		"small":         {content[:1000], 0, "", nil, "POST PUT"},
		"small, chunks": {content[:1000], 400, "", nil, "POST PATCH PATCH PATCH PUT"},
		"least chunk":   {content[:1000], 400, "600", nil, "POST PATCH PATCH PUT"},
		"large":         {content, 0, "", nil, "POST PATCH PUT"},
		"cut":           {content, 0, "", []int{1 << 20, 10_000, 0}, "POST PATCH GET PATCH GET PATCH GET PATCH PUT"},
		"cut at the end": {content, 0, "", []int{3 << 20},
			"POST PATCH GET PUT"},
		"cut chunks": {content, 1 << 20, "", []int{500_000}, "POST PATCH GET PATCH PATCH PATCH PUT"},
	} {
		s := newShelf(t)
		s.cuts = tt.cuts
		if tt.least != "" {
			s.begin.Set("OCI-Chunk-Min-Length", tt.least)
		}
		r := connect(t, s.URL, "")
		r.Hurry(5 * time.Second)
		src := source(tt.content)
		src.Chunk = tt.chunk
		sent, err := r.PushBlob(t.Context(), "a/b", src)
		if err != nil || !sent || !s.done || !bytes.Equal(s.got, tt.content) {
			t.Errorf("%s: %t, %v, %d bytes", name, sent, err, len(s.got))
		}
		if got := methods(s.lines()); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A registry that is away for a while has an upload go on where it was, also where
// only its end is missing, or the answer to that.
func TestUploadsOutlastAnAbsence(t *testing.T) {
	content := noise(3 << 20)
	for name, tt := range map[string]struct {
		cuts []int
		ends bool // the registry sees the end
		away int  // how many questions it does not answer
		want string
	}{
		"in the middle":  {[]int{1 << 20}, false, 4, "POST PATCH GET GET GET GET GET PATCH PUT"},
		"at the end":     {nil, false, 3, "POST PATCH PUT GET GET GET GET PUT"},
		"behind the end": {nil, true, 2, "POST PATCH PUT GET GET GET HEAD"},
	} {
		s := newShelf(t)
		s.cuts = tt.cuts
		r := connect(t, s.URL, "")
		r.Hurry(time.Minute)
		if tt.cuts == nil {
			s.put = func(w http.ResponseWriter, _ *http.Request) { s.done = tt.ends; raw(w, "") }
		}
		s.status = func(w http.ResponseWriter, _ *http.Request) {
			switch tt.away--; {
			case tt.away >= 0:
				raw(w, "")
			case s.done:
				w.WriteHeader(http.StatusNotFound)
			default:
				w.Header().Set("Location", "/u?state=a%20b+c")
				w.Header().Set("Range", fmt.Sprintf("0-%d", len(s.got)-1))
				w.WriteHeader(http.StatusNoContent)
			}
		}
		if sent, err := r.PushBlob(t.Context(), "a/b", source(content)); err != nil || !sent || !s.done || !bytes.Equal(s.got, content) {
			t.Errorf("%s: %t, %v, %d bytes", name, sent, err, len(s.got))
		}
		if got := methods(s.lines()); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// An upload ends, whatever the registry says of where it stands.
func TestUploadsEnd(t *testing.T) {
	content := noise(3 << 20)
	answer := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	cut := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		raw(w, "")
	}
	stands := 0
	for name, tt := range map[string]struct {
		patch, status http.HandlerFunc
		want          error
		most          int // PATCHes
	}{
		"gone":           {cut, answer(404), remote.ErrUnavailable, 1},
		"gone at once":   {answer(404), answer(404), remote.ErrUnavailable, 1},
		"nowhere":        {cut, answer(204), remote.ErrUnavailable, 1},
		"beyond the end": {cut, answer(204, "Range", "0-9999999"), remote.ErrUnavailable, 1},
		"negative":       {cut, answer(204, "Range", "0--5"), remote.ErrUnavailable, 1},
		"to and fro": {cut, func(w http.ResponseWriter, r *http.Request) {
			stands++
			answer(204, "Range", fmt.Sprintf("0-%d", stands%2*2_000_000))(w, r)
		}, remote.ErrUnavailable, 10},
		"by little": {cut, func(w http.ResponseWriter, r *http.Request) {
			stands++
			answer(204, "Range", fmt.Sprintf("0-%d", stands))(w, r)
		}, remote.ErrUnavailable, 8},
		"always cut":       {cut, nil, remote.ErrUnavailable, 8},
		"away for good":    {cut, func(w http.ResponseWriter, _ *http.Request) { raw(w, "") }, remote.ErrUnavailable, 1},
		"another part":     {answer(416), answer(204, "Range", "0-0"), remote.ErrAnswer, 8},
		"refused":          {answer(400), nil, remote.ErrRejected, 1},
		"not allowed":      {answer(403), nil, remote.ErrRefused, 1},
		"too many":         {answer(429), nil, remote.ErrLimited, 1},
		"nowhere to go on": {answer(202), nil, remote.ErrAnswer, 1},
		"no host":          {answer(202, "Location", "http:///x"), nil, remote.ErrAnswer, 1},
		"a file":           {answer(202, "Location", "file:///etc/passwd"), nil, remote.ErrAnswer, 1},
		"a user":           {answer(202, "Location", "http://a:b@127.0.0.1/"), nil, remote.ErrAnswer, 1},
	} {
		s := newShelf(t)
		s.patch, s.status, stands = tt.patch, tt.status, 0
		r := connect(t, s.URL, "")
		r.Hurry(5 * time.Second)
		if _, err := r.PushBlob(t.Context(), "a/b", source(content)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := s.patches.Load(); n > int64(tt.most) {
			t.Errorf("%s: %d tries", name, n)
		}
	}
}

func TestUploadsThatStandStill(t *testing.T) {
	content := noise(16 << 20)
	unread := func(http.ResponseWriter, *http.Request) { <-t.Context().Done() } // a server that reads nothing does not see that the client is gone
	unanswered := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	unended := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusBadGateway)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, patch := range map[string]http.HandlerFunc{"unread": unread, "unanswered": unanswered, "unended": unended} {
		s := newShelf(t)
		s.patch, s.status = patch, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
		r := connect(t, s.URL, "")
		r.HurryAll(100 * time.Millisecond)
		began := time.Now()
		if _, err := r.PushBlob(t.Context(), "a/b", source(content)); !errors.Is(err, remote.ErrUnavailable) || time.Since(began) > 3*time.Second {
			t.Errorf("%s: after %s: %v", name, time.Since(began), err)
		}
	}
	s := newShelf(t)
	s.patch = unanswered
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := connect(t, s.URL, "").PushBlob(ctx, "a/b", source(content)); !errors.Is(err, context.Canceled) || fault.OfKind(err, fault.Unavailable) {
		t.Errorf("cancelled: %v", err)
	}
}

// What is wrong with the source is not the registry's fault.
func TestSourcesThatFail(t *testing.T) {
	broken := fault.New(fault.NotFound, "X", "the source has lost it")
	for name, tt := range map[string]struct {
		open func() (io.ReadCloser, error)
		want error
	}{
		"at first": {func() (io.ReadCloser, error) { return nil, broken }, broken},
		"later": {func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("ab"), failing{broken})), nil
		}, broken},
		"short": {func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("ab")), nil }, io.ErrUnexpectedEOF},
	} {
		for _, size := range []int64{1000, 3 << 20} {
			s := newShelf(t)
			r := connect(t, s.URL, "")
			_, err := r.PushBlob(t.Context(), "a/b", remote.Source{Digest: sum(nil), Size: size, Open: func(context.Context, int64) (io.ReadCloser, error) { return tt.open() }})
			if !errors.Is(err, tt.want) || errors.Is(err, remote.ErrUnavailable) {
				t.Errorf("%s of %d: %v", name, size, err)
			}
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// An upload goes on at another host without credentials.
func TestUploadsElsewhereGetNoCredentials(t *testing.T) {
	content := noise(2 << 20)
	for _, by := range []string{"location", "redirect"} {
		var arrived bytes.Buffer
		other := serve(t, elsewhere, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(&arrived, r.Body)
			w.Header().Set("Location", "/on")
			w.WriteHeader(http.StatusAccepted)
		})
		registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
			if asking(w, r, "Basic x") {
				return
			}
			w.Header().Set("Location", other.URL+"/u")
			if by == "redirect" && r.Method == http.MethodPost {
				w.Header().Set("Location", "/u")
			}
			if r.Method != http.MethodPost {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusTemporaryRedirect)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		})
		if _, err := connect(t, registry.URL, account).PushBlob(t.Context(), "a/b", source(content)); err != nil {
			t.Errorf("%s: %v", by, err)
		}
		other.wantNoSecrets(t)
		if !bytes.Equal(arrived.Bytes(), content) {
			t.Errorf("%s: %d bytes arrived", by, arrived.Len())
		}
	}
}

// A token that ends between two requests costs nothing but another token.
func TestTokenEndsDuringAnUpload(t *testing.T) {
	content := noise(2 << 20)
	var registry *upstream
	valid, issued := 1, 0
	var got []byte
	registry = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			issued++
			writeJSON(w, map[string]any{"token": "tok" + strconv.Itoa(issued), "expires_in": 3600})
			return
		}
		if r.Header.Get("Authorization") != "Bearer tok"+strconv.Itoa(valid) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("WWW-Authenticate", bearer(registry.URL+"/token"))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		part, _ := io.ReadAll(r.Body)
		got = append(got, part...)
		valid++
		w.Header().Set("Location", "/u")
		w.WriteHeader(http.StatusAccepted)
	})
	src := source(content)
	src.Chunk = 700_000
	if _, err := connect(t, registry.URL, account).PushBlob(t.Context(), "a/b", src); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%v, %d bytes", err, len(got))
	}
}

func TestMounts(t *testing.T) {
	content := []byte("content")
	for status, want := range map[int]struct {
		methods string
		sent    bool
		err     error
	}{
		201: {"POST", false, nil}, 202: {"POST PUT", true, nil},
		401: {"POST POST PUT", true, nil}, 403: {"POST POST PUT", true, nil}, 404: {"POST POST PUT", true, nil}, 400: {"POST POST PUT", true, nil}, 405: {"POST POST PUT", true, nil},
		429: {"POST", false, remote.ErrLimited}, 500: {"POST", false, remote.ErrUnavailable},
	} {
		registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/u")
			switch q := r.URL.Query(); {
			case r.Method == http.MethodPut:
				w.WriteHeader(http.StatusCreated)
			case q.Get("mount") == string(sum(content)) && q.Get("from") == "c/d":
				w.WriteHeader(status)
			default:
				w.WriteHeader(http.StatusAccepted)
			}
		})
		src := source(content)
		src.From = "c/d"
		sent, err := connect(t, registry.URL, "").PushBlob(t.Context(), "a/b", src)
		if sent != want.sent || !errors.Is(err, want.err) {
			t.Errorf("%d: %t, %v", status, sent, err)
		}
		if got := methods(registry.lines()); got != want.methods {
			t.Errorf("%d: %s", status, got)
		}
	}
	done := serve(t, here, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	if _, err := connect(t, done.URL, "").PushBlob(t.Context(), "a/b", source(content)); !errors.Is(err, remote.ErrAnswer) {
		t.Errorf("a mount of nothing: %v", err)
	}
	if got := done.lines(); !slices.Equal(got, []string{"POST /v2/a/b/blobs/uploads/"}) {
		t.Errorf("%q", got)
	}
}
