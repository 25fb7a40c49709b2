package remote_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// A vendorFake is a registry of any kind, as far as what differs between them goes:
// tokens for /v2/, Harbor's API, and ECR's.
type vendorFake struct {
	*upstream
	repositories []string
	tags         []string // of Harbor's artifacts
}

func newVendorFake(t *testing.T, kind remote.Kind) *vendorFake {
	f := &vendorFake{}
	for i := range 150 { // more than a page of Harbor's
		f.repositories = append(f.repositories, "team/app"+strconv.Itoa(i))
	}
	f.upstream = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		as, pass, _ := r.BasicAuth()
		own := as == account && pass == password
		switch path := r.URL.Path; {
		case path == "/token" && own:
			giveToken(w, r)
		case path == "/token":
			w.WriteHeader(http.StatusUnauthorized)
		case path == "/": // ECR's own API, for whose signature there is another test
			_, _ = io.Copy(io.Discard, r.Body)
			if !strings.Contains(r.Header.Get("Authorization"), "Credential="+account+"/") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			writeJSON(w, map[string]any{"authorizationData": []any{map[string]string{"authorizationToken": base64.StdEncoding.EncodeToString([]byte("AWS:lent"))}}})
		case strings.HasPrefix(path, "/api/v2.0/") && !own:
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(path, "/api/v2.0/"):
			f.harbor(w, r)
		case r.Header.Get("Authorization") != "Bearer tok" && (as != "AWS" || pass != "lent"):
			challenge := bearer(f.URL + "/token")
			if kind == remote.Amazon {
				challenge = "Basic x"
			}
			w.Header().Add("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		case path == "/v2/_catalog":
			writeJSON(w, map[string]any{"repositories": f.repositories})
		}
	})
	return f
}

// harbor answers as Harbor's API.
func (f *vendorFake) harbor(w http.ResponseWriter, r *http.Request) {
	named := func(names []string) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
		all := []map[string]string{}
		for _, n := range names[min((page-1)*size, len(names)):min(page*size, len(names))] {
			all = append(all, map[string]string{"name": n})
		}
		writeJSON(w, all)
	}
	artifact := "/api/v2.0/projects/team/repositories/deep%252Fapp/artifacts/"
	switch path := r.URL.EscapedPath(); {
	case path == "/api/v2.0/projects":
		writeJSON(w, []any{})
	case path == "/api/v2.0/repositories":
		named(f.repositories)
	case strings.HasPrefix(path, artifact+"sha256:") && strings.HasSuffix(path, "/tags"):
		named(f.tags)
	case strings.HasPrefix(path, artifact+"sha256:"):
		writeJSON(w, map[string]any{"labels": []map[string]string{{"name": "gold"}}})
	case r.Method == http.MethodDelete && path == artifact+"v1/tags/v1":
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestVendors signs in to a registry of each kind, and lists what it has: by the
// distribution specification where nothing else is said here.
func TestVendors(t *testing.T) {
	type way struct{ check, list string } // what is asked first, without a token; empty: it is asked for nothing
	plain := way{"/v2/", "/v2/_catalog?n=1000"}
	ways := map[remote.Kind]way{
		remote.Harbor:    {"/api/v2.0/projects?page_size=1", "/api/v2.0/repositories?page=1&page_size=100&sort=name"},
		remote.DockerHub: {"/v2/", ""},
		remote.GitHub:    {"/v2/", ""},
	}
	for _, kind := range remote.Kinds() {
		want, differs := ways[kind]
		if !differs {
			want = plain
		}
		f := newVendorFake(t, kind)
		client := func(user string) *remote.Registry {
			r := connectTo(t, remote.Settings{Kind: kind, URL: f.URL, Account: user, Secret: secret.New(password)})
			r.AmazonAt(f.URL+"/", "eu-west-1") // which no other kind asks
			return r
		}
		asked := func(path string) {
			t.Helper()
			lines := slices.DeleteFunc(f.lines(), func(l string) bool {
				return strings.HasPrefix(l, "GET /token") || l == "POST /" && kind == remote.Amazon
			})
			if path == "" && len(lines) > 0 || path != "" && (len(lines) == 0 || lines[0] != "GET "+path) {
				t.Errorf("%s was asked for %q, want %q", kind, lines, path)
			}
		}
		r := client(account)
		if err := r.Ping(t.Context()); err != nil || r.Kind() != kind {
			t.Errorf("%s: %v", kind, err)
		}
		asked(want.check)
		if err := client("another").Ping(t.Context()); !errors.Is(err, remote.ErrRefused) {
			t.Errorf("%s takes another account: %v", kind, err)
		}
		if err := client("").Ping(t.Context()); (err == nil) == (kind == remote.Amazon) { // which has nothing for nobody
			t.Errorf("%s, as nobody: %v", kind, err)
		}
		f.take()

		var got []string
		err := r.Repositories(t.Context(), func(names []string) error { got = append(got, names...); return nil })
		asked(want.list)
		if want.list == "" {
			if !errors.Is(err, remote.ErrUnsupported) {
				t.Errorf("%s lists: %v", kind, err)
			}
		} else if err != nil || !slices.Equal(got, f.repositories) {
			t.Errorf("%s lists %d, %v", kind, len(got), err)
		}
	}
}

// TestHarborsAPI asks for what the distribution specification does not have, and
// for nothing of what is no name.
func TestHarborsAPI(t *testing.T) {
	f, d := newVendorFake(t, remote.Harbor), sum(nil)
	for i := range 201 {
		f.tags = append(f.tags, "t"+strconv.Itoa(i))
	}
	r := connectTo(t, remote.Settings{Kind: remote.Harbor, URL: f.URL, Account: account, Secret: secret.New(password)})
	if got, err := r.TagsOf(t.Context(), "team/deep/app", d); err != nil || !slices.Equal(got, f.tags) {
		t.Errorf("%d tags, %v", len(got), err)
	}
	if got, err := r.Labels(t.Context(), "team/deep/app", string(d)); err != nil || !slices.Equal(got, []string{"gold"}) {
		t.Errorf("labels %q, %v", got, err)
	}
	if err := r.DeleteTag(t.Context(), "team/deep/app", "v1"); err != nil {
		t.Error(err)
	}
	if err := r.DeleteTag(t.Context(), "team/deep/app", "v2"); !errors.Is(err, remote.ErrNotFound) {
		t.Error(err)
	}
	f.take()
	for _, bad := range []string{"team", "team/../../users", "Team/app"} {
		_, tags := r.TagsOf(t.Context(), bad, d)
		_, labels := r.Labels(t.Context(), bad, string(d))
		for what, err := range map[string]error{"tags": tags, "labels": labels, "deletion": r.DeleteTag(t.Context(), bad, "v1"), "project": r.Prepare(t.Context(), bad, false)} {
			if !errors.Is(err, oci.ErrNameInvalid) {
				t.Errorf("%s of %s: %v", what, bad, err)
			}
		}
	}
	if err := r.DeleteTag(t.Context(), "team/app", "../v1"); err == nil {
		t.Error("a tag with a path")
	}
	if lines := f.lines(); len(lines) > 0 {
		t.Errorf("it was asked for %q", lines)
	}
}
