package dist_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestTagParameters(t *testing.T) {
	each(t, func(s *server) {
		manifest := image(s.pushBlob("closed/app", random(3)))
		res, _ := s.want(201, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?tag=a&tag=b", manifest, header{"Content-Type": imageType})
		if got := res.Header.Values("OCI-Tag"); strings.Join(got, ",") != "a,b" {
			s.Errorf("OCI-Tag %v", got)
		}
		s.want(200, "GET", "/v2/closed/app/manifests/a", nil, nil)
		s.want(200, "GET", "/v2/closed/app/manifests/b", nil, nil)
		s.want(400, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?tag=c&tag=.", manifest, header{"Content-Type": imageType})
		s.want(404, "GET", "/v2/closed/app/manifests/c", nil, nil)
		s.want(400, "PUT", "/v2/closed/app/manifests/"+digest(manifest)+"?"+strings.Repeat("tag=x&", 101), manifest, header{"Content-Type": imageType})
	})
}

func TestListsArePaged(t *testing.T) {
	each(t, func(s *server) {
		manifest, _ := s.pushImage("closed/app", "v0")
		want := []string{"v0"}
		for i := 1; i < 25; i++ {
			tag := "v" + strconv.Itoa(i)
			s.want(201, "PUT", "/v2/closed/app/manifests/"+tag, manifest, header{"Content-Type": imageType})
			want = append(want, tag)
		}
		var got []string
		pages := 0
		for path := "/v2/closed/app/tags/list?n=10"; path != ""; pages++ {
			res, body := s.want(200, "GET", path, nil, nil)
			var list struct{ Tags []string }
			if err := json.Unmarshal([]byte(body), &list); err != nil {
				s.Fatal(err)
			}
			got = append(got, list.Tags...)
			path = next(res)
		}
		if pages != 3 || len(got) != len(want) || !ordered(got) {
			s.Errorf("%d pages: %v", pages, got)
		}
		for n, status := range map[string]int{"0": 200, "1000000000": 200, "18446744073709551615": 200, "-1": 400, "x": 400, "99999999999999999999": 400} {
			s.want(status, "GET", "/v2/closed/app/tags/list?n="+n, nil, nil)
		}
		_, body := s.want(200, "GET", "/v2/closed/app/tags/list?n=0", nil, nil)
		if body != `{"name":"closed/app","tags":[]}` {
			s.Errorf("n=0: %s", body)
		}
		s.pushImage("open/b", "v1")
		s.pushBlob("open/empty", random(3))
		res, body := s.want(200, "GET", "/v2/_catalog?n=1", nil, nil)
		if body != `{"repositories":["closed/app"]}` {
			s.Errorf("catalog: %s", body)
		}
		_, body = s.want(200, "GET", next(res), nil, nil)
		if body != `{"repositories":["open/b"]}` {
			s.Errorf("catalog: %s", body)
		}
		_, body = s.want(404, "GET", "/v2/closed/none/tags/list", nil, nil)
		wantCode(s.T, body, "NAME_UNKNOWN")
	})
}

func next(res *http.Response) string {
	link, _, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Link"), "<"), ">")
	return link
}

func ordered(names []string) bool {
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			return false
		}
	}
	return true
}

func TestReferrers(t *testing.T) {
	each(t, func(s *server) {
		subject, _ := s.pushImage("closed/app", "v1")
		config := s.pushBlob("closed/app", []byte("{}"))
		refer := func(artifactType string, extra int) string {
			m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"n":"%d"}}`,
				imageType, artifactType, config, imageType, digest(subject), extra)
			res, _ := s.want(201, "PUT", "/v2/closed/app/manifests/"+digest([]byte(m)), []byte(m), header{"Content-Type": imageType})
			if res.Header.Get("OCI-Subject") != digest(subject) {
				s.Errorf("OCI-Subject %q", res.Header.Get("OCI-Subject"))
			}
			return digest([]byte(m))
		}
		sbom := refer("example/sbom", 1)
		refer("example/signature", 2)
		path := "/v2/closed/app/referrers/" + digest(subject)
		if list := referrersOf(s, path); len(list) != 2 || list[0].Annotations["n"] != "1" || list[0].ArtifactType != "example/sbom" {
			s.Errorf("%+v", list)
		}
		res, _ := s.want(200, "GET", path+"?artifactType=example/sbom", nil, nil)
		if res.Header.Get("OCI-Filters-Applied") != "artifactType" || res.Header.Get("Content-Type") != indexType {
			s.Errorf("%v", res.Header)
		}
		if list := referrersOf(s, path+"?artifactType=example/sbom"); len(list) != 1 || string(list[0].Digest) != sbom {
			s.Errorf("%+v", list)
		}
		if list := referrersOf(s, "/v2/closed/app/referrers/"+digest([]byte("none"))); len(list) != 0 {
			s.Errorf("%+v", list)
		}
		s.want(400, "GET", "/v2/closed/app/referrers/latest", nil, nil)
		// A client that knows no referrers lists them in an index with the
		// fallback tag: those with a subject are found by their own.
		s.want(201, "PUT", "/v2/closed/app/manifests/"+strings.Replace(digest(subject), ":", "-", 1), indexOf(sbom), header{"Content-Type": indexType})
		if list := referrersOf(s, path); len(list) != 2 {
			s.Errorf("after the fallback tag: %+v", list)
		}
		s.want(202, "DELETE", "/v2/closed/app/manifests/"+strings.Replace(digest(subject), ":", "-", 1), nil, nil)
	})
}

func TestReferrersArePaged(t *testing.T) {
	s := start(t, storetest.SQLite(t), registry.Config{})
	subject, _ := s.pushImage("closed/app", "v1")
	config := s.pushBlob("closed/app", []byte("{}"))
	text := strings.Repeat("a", 20_000)
	for i := range 250 { // five megabytes of annotations
		m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"example/config","digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":1},"annotations":{"n":"%d","text":%q}}`,
			imageType, config, imageType, digest(subject), i, text)
		s.want(201, "PUT", "/v2/closed/app/manifests/"+digest([]byte(m)), []byte(m), header{"Content-Type": imageType})
	}
	pages, found := 0, 0
	for path := "/v2/closed/app/referrers/" + digest(subject); path != ""; pages++ {
		res, body := s.want(200, "GET", path, nil, nil)
		if len(body) > oci.MaxManifest {
			t.Errorf("a page of %d bytes", len(body))
		}
		var list struct{ Manifests []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		found += len(list.Manifests)
		path = next(res)
	}
	if pages != 2 || found != 250 {
		t.Errorf("%d pages with %d referrers", pages, found)
	}
}

func referrersOf(s *server, path string) []oci.Descriptor {
	_, body := s.want(200, "GET", path, nil, nil)
	var list struct{ Manifests []oci.Descriptor }
	if err := json.Unmarshal([]byte(body), &list); err != nil || list.Manifests == nil {
		s.Fatalf("%v: %s", err, body)
	}
	return list.Manifests
}
