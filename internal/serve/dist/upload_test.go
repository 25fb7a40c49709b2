package dist_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestChunkedUploadResumes(t *testing.T) {
	each(t, func(s *server) {
		content := random(300_000)
		at := s.begin("closed/app")
		res, _ := s.want(202, "PATCH", at, content[:100_000], header{"Content-Range": "0-99999"})
		if res.Header.Get("Range") != "0-99999" {
			s.Fatalf("Range %q", res.Header.Get("Range"))
		}
		res, body := s.want(416, "PATCH", at, content[:5], header{"Content-Range": "7-11"})
		wantCode(s.T, body, "BLOB_UPLOAD_INVALID")
		if res.Header.Get("Range") != "0-99999" || res.Header.Get("Location") != at {
			s.Errorf("a refused chunk must say where to go on: %v", res.Header)
		}
		res, _ = s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-99999" {
			s.Errorf("status: %q", res.Header.Get("Range"))
		}
		res, _ = s.want(416, "PUT", at+"?digest="+digest(content), content[:5], header{"Content-Range": "7-11"})
		if res.Header.Get("Range") != "0-99999" || res.Header.Get("Location") != at {
			s.Errorf("a refused last chunk must say where to go on: %v", res.Header)
		}
		s.want(202, "PATCH", at, content[100_000:200_000], nil)
		d := digest(content)
		res, _ = s.want(201, "PUT", at+"?digest="+d, content[200_000:], nil)
		if got := res.Header.Get("Location"); got != "/v2/closed/app/blobs/"+d {
			s.Errorf("Location %q", got)
		}
		if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+d, nil, nil); body != string(content) {
			s.Error("the blob has changed")
		}
		s.want(404, "GET", at, nil, nil)
	})
}

// What arrived before a client went away is kept, and it may go on from there.
func TestBrokenChunkIsKept(t *testing.T) {
	each(t, func(s *server) {
		content := random(1000)
		at := s.begin("closed/app")
		broken := io.MultiReader(bytes.NewReader(content[:600]), failing{})
		res := s.do(admin, "PATCH", at, broken, nil)
		if res.StatusCode != 400 {
			s.Fatalf("status %d", res.StatusCode)
		}
		res, _ = s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-599" {
			s.Fatalf("Range %q", res.Header.Get("Range"))
		}
		s.want(201, "PUT", at+"?digest="+digest(content), content[600:], header{"Content-Range": "600-999"})
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestLyingLengthsAndRanges(t *testing.T) {
	each(t, func(s *server) {
		at := s.begin("closed/app")
		for text, code := range map[string]string{
			"0-9":                    "SIZE_INVALID", // of five bytes
			"5-1":                    "BLOB_UPLOAD_INVALID",
			"x":                      "BLOB_UPLOAD_INVALID",
			"-1-3":                   "BLOB_UPLOAD_INVALID",
			"0-99999999999999999999": "BLOB_UPLOAD_INVALID",
			"bytes 0-9/10":           "SIZE_INVALID",
			"9223372036854775806-9223372036854775807": "BLOB_UPLOAD_INVALID",
		} {
			_, body := s.want(400, "PATCH", at, []byte("abcde"), header{"Content-Range": text})
			wantCode(s.T, body, code)
		}
		// A length that is longer than the body, without a range.
		r := httptest.NewRequestWithContext(access.With(s.Context(), admin), "PATCH", at, struct{ io.Reader }{strings.NewReader("abc")})
		r.ContentLength = 10
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 400 {
			s.Errorf("short body: %d", w.Code)
		}
		wantCode(s.T, w.Body.String(), "SIZE_INVALID")
		s.want(201, "PUT", at+"?digest="+digest([]byte("abcdef")), []byte("def"), header{"Content-Range": "3-5"})
	})
}

func TestWrongDigestKeepsTheUpload(t *testing.T) {
	each(t, func(s *server) {
		content := random(100)
		at := s.begin("closed/app")
		s.want(202, "PATCH", at, content[:50], nil)
		_, body := s.want(400, "PUT", at+"?digest="+digest([]byte("other")), content[50:], nil)
		wantCode(s.T, body, "DIGEST_INVALID")
		for _, d := range []string{"", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + strings.Repeat("A", 64), "sha256:../../etc"} {
			_, body := s.want(400, "PUT", at+"?digest="+d, nil, nil)
			wantCode(s.T, body, "DIGEST_INVALID")
		}
		s.want(404, "GET", "/v2/closed/app/blobs/"+digest([]byte("other")), nil, nil)
		s.want(201, "PUT", at+"?digest="+digest(content), content[50:], nil)
		_, body = s.want(400, "POST", "/v2/closed/app/blobs/uploads/?digest="+digest([]byte("other")), content, nil)
		wantCode(s.T, body, "DIGEST_INVALID")
	})
}

func TestSHA512(t *testing.T) {
	each(t, func(s *server) {
		content := random(1000)
		d := string(oci.Sum(oci.SHA512, content))
		for _, how := range []func(){
			func() { s.want(201, "POST", "/v2/closed/app/blobs/uploads/?digest="+d, content, nil) },
			func() { s.want(201, "PUT", s.begin("closed/app")+"?digest="+d, content, nil) },
			func() { // the algorithm is not known before the end
				at := s.begin("closed/app")
				s.want(202, "PATCH", at, content[:500], nil)
				s.want(201, "PUT", at+"?digest="+d, content[500:], nil)
			},
			func() {
				res, _ := s.want(202, "POST", "/v2/closed/app/blobs/uploads/?digest-algorithm=sha512", nil, nil)
				at := res.Header.Get("Location")
				s.want(202, "PATCH", at, content[:500], nil)
				s.want(201, "PUT", at+"?digest="+d, content[500:], nil)
			},
		} {
			how()
			if _, body := s.want(200, "GET", "/v2/closed/app/blobs/"+d, nil, nil); body != string(content) {
				s.Error("the blob has changed")
			}
			s.want(202, "DELETE", "/v2/closed/app/blobs/"+d, nil, nil)
		}
		at := s.begin("closed/app")
		s.want(202, "PATCH", at, content, nil)
		_, body := s.want(400, "PUT", at+"?digest="+string(oci.Sum(oci.SHA512, []byte("other"))), nil, nil)
		wantCode(s.T, body, "DIGEST_INVALID")
		manifest := image(s.pushBlob("closed/app", random(3)))
		md := string(oci.Sum(oci.SHA512, manifest))
		s.want(201, "PUT", "/v2/closed/app/manifests/"+md, manifest, header{"Content-Type": imageType})
		s.want(200, "GET", "/v2/closed/app/manifests/"+md, nil, nil)
		_, body = s.want(400, "PUT", "/v2/closed/app/manifests/"+d, manifest, header{"Content-Type": imageType})
		wantCode(s.T, body, "DIGEST_INVALID")
	})
}

// An upload belongs to one repository and one principal: to all others it does
// not exist.
func TestUploadOfSomebodyElse(t *testing.T) {
	each(t, func(s *server) {
		other := access.Caller{Kind: access.User, ID: 7, Name: "other", Admin: true}
		at := s.begin("closed/app")
		elsewhere := strings.Replace(at, "closed/app", "open/app", 1)
		for _, method := range []string{"GET", "HEAD", "PATCH", "PUT", "DELETE"} {
			q := ""
			if method == "PUT" {
				q = "?digest=" + digest([]byte("x"))
			}
			if _, body := s.want(404, method, elsewhere+q, []byte("x"), nil); method != "HEAD" {
				wantCode(s.T, body, "BLOB_UPLOAD_UNKNOWN")
			}
			s.wantAs(other, 404, method, at+q, []byte("x"), nil)
		}
		res, _ := s.want(204, "GET", at, nil, nil)
		if res.Header.Get("Range") != "0-0" {
			s.Errorf("somebody else wrote to the upload: %s", res.Header.Get("Range"))
		}
		for _, id := range []string{"x", "..", "%2e%2e", "00000000-0000-0000-0000-000000000000"} {
			s.want(404, "PATCH", "/v2/closed/app/blobs/uploads/"+id, []byte("x"), nil)
		}
		s.want(204, "DELETE", at, nil, nil)
		s.want(404, "GET", at, nil, nil)
		s.want(404, "DELETE", at, nil, nil)
	})
}

// Two requests cannot write to one upload at once.
func TestUploadHasOneWriter(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	at := s.begin("closed/app")
	hold, release := io.Pipe()
	first := make(chan int)
	go func() { first <- s.do(admin, "PATCH", at, hold, nil).StatusCode }()
	if _, err := release.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	_, body := s.want(409, "PATCH", at, []byte("x"), nil)
	wantCode(t, body, "BLOB_UPLOAD_INVALID")
	s.want(409, "DELETE", at, nil, nil)
	release.Close()
	if got := <-first; got != 202 {
		t.Errorf("the first writer: %d", got)
	}
	s.want(201, "PUT", at+"?digest="+digest([]byte("abc")), nil, nil)
}

// An upload that nobody adds to goes away after two days, with its bytes.
func TestAbandonedUploadsExpire(t *testing.T) {
	each(t, func(s *server) {
		old, fresh := s.begin("closed/app"), s.begin("closed/app")
		s.want(202, "PATCH", old, random(10), nil)
		s.want(202, "PATCH", fresh, random(10), nil)
		err := s.database.Write(s.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE upload SET updated = ? WHERE id = ?`, time.Now().Add(-49*time.Hour).UnixMicro(), old[strings.LastIndexByte(old, '/')+1:])
			return err
		})
		if err != nil {
			s.Fatal(err)
		}
		if err := s.registry.ExpireUploads(s.Context()); err != nil {
			s.Fatal(err)
		}
		s.want(404, "GET", old, nil, nil)
		s.want(204, "GET", fresh, nil, nil)
		if n := s.uploads(); n != 1 {
			s.Errorf("%d uploads have bytes", n)
		}
	})
}
