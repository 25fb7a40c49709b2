package dist_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// listen serves over a real connection, whose every request comes from c, and
// returns the address.
func (s *server) listen(c access.Caller) string {
	s.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(access.With(r.Context(), c)))
	}))
	s.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

// A line is a connection on which requests are written by hand.
type line struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, address string) *line {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &line{t, c, bufio.NewReader(c)}
}

// ask sends a request and returns the answer with all of its body.
func (l *line) ask(method, head string, body string) (*http.Response, string) {
	l.Helper()
	if _, err := io.WriteString(l.Conn, method+" "+head+"\r\nHost: berth\r\n\r\n"+body); err != nil {
		l.Fatal(err)
	}
	res, err := http.ReadResponse(l.in, &http.Request{Method: method})
	if err != nil {
		l.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.Fatal(err)
	}
	return res, string(text)
}

// One connection carries answers with and without bodies. If one of them had a
// byte too many, the next could not be read.
func TestAnswersOnOneConnection(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	manifest, layer := s.pushImage("closed/app", "v1")
	l := dial(t, s.listen(admin))
	blob, etag := "/v2/closed/app/blobs/"+layer, "\r\nIf-None-Match: "
	for _, c := range []struct {
		method, head string
		status       int
		length       string // Content-Length
		body         int    // bytes
	}{
		{"HEAD", "/v2/closed/app/manifests/v1 HTTP/1.1", 200, strconv.Itoa(len(manifest)), 0},
		{"GET", "/v2/closed/app/manifests/v1 HTTP/1.1", 200, strconv.Itoa(len(manifest)), len(manifest)},
		{"GET", "/v2/closed/app/manifests/v1 HTTP/1.1" + etag + `"` + digest(manifest) + `"`, 304, "", 0},
		{"HEAD", "/v2/closed/app/manifests/v1 HTTP/1.1" + etag + digest(manifest), 304, "", 0},
		{"HEAD", "/v2/closed/app/manifests/none HTTP/1.1", 404, "", 0},
		{"HEAD", blob + " HTTP/1.1", 200, "3", 0},
		{"HEAD", blob + " HTTP/1.1" + etag + `"` + layer + `"`, 304, "", 0},
		{"GET", blob + " HTTP/1.1" + etag + `"` + layer + `"`, 304, "", 0},
		{"GET", blob + " HTTP/1.1\r\nRange: bytes=1-", 206, "2", 2},
		{"GET", blob + " HTTP/1.1\r\nRange: bytes=1-\r\nIf-Range: \"" + layer + `"`, 206, "2", 2},
		{"GET", blob + " HTTP/1.1\r\nRange: bytes=1-\r\nIf-Range: \"another\"", 200, "3", 3},
		{"GET", blob + " HTTP/1.1\r\nRange: bytes=1-\r\nIf-Range: Wed, 21 Oct 2015 07:28:00 GMT", 200, "3", 3},
		{"GET", blob + " HTTP/1.1\r\nIf-Match: \"another\"", 412, "", 0},
		{"GET", blob + " HTTP/1.1", 200, "3", 3},
	} {
		res, body := l.ask(c.method, c.head, "")
		if res.StatusCode != c.status || len(body) != c.body || c.length != "" && res.Header.Get("Content-Length") != c.length {
			t.Errorf("%s %q: %d with %d bytes, Content-Length %q", c.method, c.head, res.StatusCode, len(body), res.Header.Get("Content-Length"))
		}
	}
}

// What is refused is refused before its body is sent, and a body that was sent
// all the same does not become the next request.
func TestRefusalsDoNotReadTheBody(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	at := s.begin("closed/app")
	for name, refused := range map[string]struct {
		caller access.Caller
		head   string
		status int
	}{
		"credentials": {nobody, "POST /v2/closed/app/blobs/uploads/?digest=" + digest(nil), 401},
		"rights":      {stranger, "PATCH " + at, 403},
		"range":       {admin, "PATCH " + at, 416},
		"digest":      {admin, "PUT " + at + "?digest=x", 400},
		"size":        {admin, "PUT /v2/closed/app/manifests/v1", 413},
	} {
		method, path, _ := strings.Cut(refused.head, " ")
		const length = 100 << 20
		size := fmt.Sprintf("\r\nContent-Length: %d\r\nContent-Range: 5-%d", length, length+4)
		l := dial(t, s.listen(refused.caller))
		res, _ := l.ask(method, path+" HTTP/1.1\r\nExpect: 100-continue"+size, "")
		if res.StatusCode != refused.status {
			t.Errorf("%s: %d before the body, not %d", name, res.StatusCode, refused.status)
		}
		l = dial(t, s.listen(refused.caller))
		res, _ = l.ask(method, path+" HTTP/1.1"+size, "GET /v2/ HTTP/1.1\r\nHost: berth\r\n\r\n")
		if res.StatusCode != refused.status || !res.Close {
			t.Errorf("%s: %d with the body, the connection stays: %v", name, res.StatusCode, !res.Close)
		}
	}
}

// A client that sends chunks of HTTP tells no length before the end.
func TestStreamedUpload(t *testing.T) {
	each(t, func(s *server) {
		content := random(3 << 20)
		web := "http://" + s.listen(admin)
		at := s.begin("closed/app")
		for _, step := range []struct {
			method, path string
			body         []byte
			status       int
		}{
			{"PATCH", at, content[:1<<20], 202},
			{"PATCH", at, nil, 202},
			{"PUT", at + "?digest=" + digest(content), content[1<<20:], 201},
		} {
			req, err := http.NewRequestWithContext(s.Context(), step.method, web+step.path, struct{ io.Reader }{bytes.NewReader(step.body)})
			if err != nil {
				s.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				s.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != step.status {
				s.Errorf("%s of %d bytes: %d", step.method, len(step.body), res.StatusCode)
			}
		}
		if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+digest(content), nil, nil); body != string(content) {
			s.Error("the blob has changed")
		}
	})
}

// A client may announce a chunk in Content-Range and send more than that.
func TestChunkThatIsLongerThanAnnounced(t *testing.T) {
	each(t, func(s *server) {
		at := s.begin("closed/app")
		sent := &counter{Reader: io.LimitReader(zeros{}, 64<<20)}
		r := httptest.NewRequestWithContext(access.With(s.Context(), admin), "PATCH", at, sent)
		r.ContentLength = -1
		r.Header.Set("Content-Range", "0-4")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 400 {
			s.Errorf("status %d", w.Code)
		}
		wantCode(s.T, w.Body.String(), "SIZE_INVALID")
		if n := sent.n.Load(); n > 1<<20 {
			s.Errorf("%d bytes were read of a chunk of 5", n)
		}
		res, _ := s.want(204, "GET", at, nil, nil)
		if got := res.Header.Get("Range"); got != "0-4" {
			s.Errorf("the upload stands at %s", got)
		}
		s.want(201, "PUT", at+"?digest="+digest(make([]byte, 8)), make([]byte, 3), header{"Content-Range": "5-7"})
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter struct {
	io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// What is no text for a database is the client's mistake, or is not there.
func TestParametersThatAreNoText(t *testing.T) {
	each(t, func(s *server) {
		manifest, _ := s.pushImage("closed/app", "v1")
		for _, bad := range []string{"%00", "%ff", "a%00b"} {
			s.want(404, "GET", "/v2/closed/app/blobs/uploads/"+bad, nil, nil)
			s.want(404, "PATCH", "/v2/closed/app/blobs/uploads/"+bad, []byte("x"), nil)
			s.want(404, "DELETE", "/v2/closed/app/blobs/uploads/"+bad, nil, nil)
			s.want(400, "GET", "/v2/closed/app/tags/list?last="+bad, nil, nil)
			s.want(400, "GET", "/v2/_catalog?last="+bad, nil, nil)
			s.want(400, "GET", "/v2/closed/app/referrers/"+digest(manifest)+"?artifactType="+bad, nil, nil)
			s.want(202, "POST", "/v2/closed/app/blobs/uploads/?mount="+digest([]byte("x"))+"&from="+bad, nil, nil)
		}
	})
}

// Neither pushing nor pulling ever needs a second connection while it holds one.
func TestAPoolOfOneConnectionIsEnough(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url, db.Options{Readers: 1, Pool: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := start(t, d, registry.Config{})
		began := time.Now()
		done := make(chan struct{})
		for i := range 8 {
			go func() {
				defer func() { done <- struct{}{} }()
				s.pushAndPull(fmt.Sprintf("closed/app%d", i%4), fmt.Sprintf("v%d", i))
			}()
		}
		for range 8 {
			<-done
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("it took %v: something waited for a connection until it was given up", took)
		}
	})
}

// pushAndPull does everything once. It is run by many goroutines at once and
// tells failures without ending the test.
func (s *server) pushAndPull(repo, tag string) {
	must := func(status int, method, path string, body []byte, h header) string {
		res := s.do(admin, method, path, bytes.NewReader(body), h)
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != status {
			s.Errorf("%s %s: %d, want %d: %s %v", method, path, res.StatusCode, status, text, err)
		}
		return string(text)
	}
	v2, layer, config := "/v2/"+repo, random(5000), random(300)
	res := s.do(admin, "POST", v2+"/blobs/uploads/", nil, nil)
	at := res.Header.Get("Location")
	must(202, "PATCH", at, layer[:2000], nil)
	must(204, "GET", at, nil, nil)
	must(201, "PUT", at+"?digest="+digest(layer), layer[2000:], nil)
	must(201, "POST", v2+"/blobs/uploads/?digest="+digest(config), config, nil)
	must(201, "POST", "/v2/open/copy/blobs/uploads/?from="+repo+"&mount="+digest(layer), nil, nil)
	must(201, "POST", "/v2/open/other/blobs/uploads/?mount="+digest(layer), nil, nil)
	manifest := image(digest(config), digest(layer))
	must(201, "PUT", v2+"/manifests/"+tag, manifest, header{"Content-Type": imageType})
	index := indexOf(digest(manifest))
	must(201, "PUT", v2+"/manifests/"+tag+"-all", index, header{"Content-Type": indexType})
	must(200, "HEAD", v2+"/manifests/"+tag, nil, nil)
	if must(200, "GET", v2+"/manifests/"+tag, nil, nil) != string(manifest) {
		s.Error("the manifest has changed")
	}
	if must(200, "GET", v2+"/blobs/"+digest(layer), nil, nil) != string(layer) {
		s.Error("the layer has changed")
	}
	must(304, "GET", v2+"/manifests/"+tag, nil, header{"If-None-Match": digest(manifest)})
	must(404, "GET", v2+"/manifests/none", nil, nil)
	must(200, "GET", v2+"/tags/list", nil, nil)
	must(200, "GET", v2+"/referrers/"+digest(manifest), nil, nil)
	must(200, "GET", "/v2/_catalog", nil, nil)
	must(202, "DELETE", v2+"/manifests/"+tag+"-all", nil, nil)
	must(202, "DELETE", v2+"/manifests/"+digest(index), nil, nil)
	must(202, "DELETE", v2+"/manifests/"+digest(manifest), nil, nil)
	must(202, "DELETE", v2+"/blobs/"+digest(layer), nil, nil)
	res = s.do(admin, "POST", v2+"/blobs/uploads/", nil, nil)
	must(204, "DELETE", res.Header.Get("Location"), nil, nil)
}

// A token for one repository does not let its holder take blobs from another, and
// the answer says what token would.
func TestMountNeedsATokenForItsSource(t *testing.T) {
	each(t, func(s *server) {
		layer := s.pushBlob("closed/app", random(100))
		token := func(c access.Caller, grants ...string) access.Caller {
			c.Bearer = true
			for _, g := range grants {
				name, actions, _ := strings.Cut(g, ":")
				c.Grants = append(c.Grants, access.Grant{Type: "repository", Name: name, Actions: strings.Split(actions, ",")})
			}
			return c
		}
		pusher := access.Caller{Kind: access.Robot, ID: 9, Name: "robot$r", Permissions: []access.Permission{
			{Kind: "project", Namespace: "open", Access: []access.Action{{Resource: "repository", Action: "pull"}, {Resource: "repository", Action: "push"}}}}}
		for _, c := range []struct {
			name   string
			caller access.Caller
			from   string
			status int
		}{
			{"token for the target only", token(admin, "open/app:pull,push"), "closed/app", 401},
			{"token for another source", token(admin, "open/app:pull,push", "closed/other:pull"), "closed/app", 401},
			{"token for pushing to the source", token(admin, "open/app:pull,push", "closed/app:push"), "closed/app", 401},
			{"token for both", token(admin, "open/app:pull,push", "closed/app:pull"), "closed/app", 201},
			{"token for both without the right", token(pusher, "open/app:pull,push", "closed/app:pull"), "closed/app", 202},
			{"token for the target without the right", token(pusher, "open/app:pull,push"), "closed/app", 202},
			{"a source that is no name", token(admin, "open/app:pull,push"), "app", 202},
			{"no source", token(admin, "open/app:pull,push"), "", 201},
			{"no source and no right", token(pusher, "open/app:pull,push"), "", 202},
			{"password", admin, "closed/app", 201},
		} {
			path := "/v2/open/app/blobs/uploads/?mount=" + layer
			if c.from != "" {
				path += "&from=" + c.from
			}
			res, _ := s.wantAs(c.caller, c.status, "POST", path, nil, nil)
			want := ""
			if c.status == 401 {
				want = `Bearer scope="repository:open/app:pull,push repository:closed/app:pull"`
			}
			if got := res.Header.Get("WWW-Authenticate"); got != want {
				s.Errorf("%s: WWW-Authenticate %q", c.name, got)
			}
			if c.status == 201 {
				s.want(202, "DELETE", "/v2/open/app/blobs/"+layer, nil, nil)
			}
		}
	})
}
