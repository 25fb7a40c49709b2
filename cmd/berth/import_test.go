package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/helm/helmtest"
)

// A folder of ChartMuseum's, in which each file is a second newer than the one
// before it.
type museum struct {
	t    *testing.T
	path string
	last time.Time
}

func newMuseum(t *testing.T) *museum {
	return &museum{t, t.TempDir(), time.Now().Add(-time.Hour)}
}

// put writes a file.
func (m *museum) put(name string, content []byte) {
	m.t.Helper()
	path := filepath.Join(m.path, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	m.last = m.last.Add(time.Second)
	if err == nil {
		err = os.Chtimes(path, m.last, m.last)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// packed returns the archive of a chart, which is another for another note.
func packed(t *testing.T, name, version, note string) []byte {
	t.Helper()
	return helmtest.Pack(t, helmtest.File{"chart/Chart.yaml", fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %q\n", name, version)},
		helmtest.File{"chart/README.md", note})
}

func provenance(name, version string, archive []byte) []byte {
	return []byte(helmtest.Provenance(name, version, archive))
}

// find is findCharts in the folder.
func (m *museum) find(project string) (*chartFolder, error) {
	root, err := os.OpenRoot(m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { root.Close() })
	return findCharts(root.FS(), project)
}

// names returns what was found, as PROJECT=FILE.
func (f *chartFolder) names() string {
	var names []string
	for _, c := range f.charts {
		names = append(names, c.project+"="+c.name)
	}
	return strings.Join(names, " ")
}

func TestFoldersOfChartMuseumAreUnderstood(t *testing.T) {
	cases := []struct {
		name, files, project string
		want, err            string
	}{
		{"depth 0", "b.tgz a.tgz a.tgz.prov index-cache.yaml", "team", "team=b.tgz team=a.tgz", ""},
		{"depth 0 of no project", "a.tgz", "", "", "name their project by --project"},
		{"depth 1", "two/b.tgz one/a.tgz one/index-cache.yaml two/c.tgz empty/readme.txt", "", "two=two/b.tgz one=one/a.tgz two=two/c.tgz", ""},
		{"depth 1, one project", "two/b.tgz one/a.tgz deep/er/c.tgz", "one", "one=one/a.tgz", ""},
		{"depth 1, no such project", "two/b.tgz", "one", "", "there are no charts"},
		{"depth 2", "one/a.tgz org/repo/a.tgz", "", "", "org/repo/a.tgz is in a folder of a folder"},
		{"depth 3", "org/repo/sub/a.tgz", "", "", "org/repo/sub/a.tgz is in a folder of a folder"},
		{"mixed", "a.tgz one/a.tgz", "team", "", "in the folder itself and in one"},
		{"no charts", "readme.txt one/index-cache.yaml", "", "", "there are no charts"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newMuseum(t)
			for file := range strings.FieldsSeq(c.files) {
				m.put(file, nil)
			}
			f, err := m.find(c.project)
			if err != nil {
				if c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Error(err)
				}
				return
			}
			if got := f.names(); got != c.want || c.err != "" {
				t.Errorf("found %q", got)
			}
		})
	}
}

func TestFilesThatAreNoChartsAreRefusedByName(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "secret.tgz")
	if err := os.WriteFile(elsewhere, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := newMuseum(t)
	m.put("team/good.tgz", packed(t, "good", "1.0.0", ""))
	m.put("team/large.tgz", nil)
	m.put("team/alone.tgz.prov", nil)
	if err := os.Truncate(filepath.Join(m.path, "team/large.tgz"), helm.MaxArchive+1); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"team/inside.tgz": "good.tgz", "team/outside.tgz": elsewhere, "team/nowhere.tgz": "nothing.tgz", "other": filepath.Dir(elsewhere)} {
		if err := os.Symlink(to, filepath.Join(m.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := m.find("")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.names(); got != "team=team/good.tgz team=team/inside.tgz" && got != "team=team/inside.tgz team=team/good.tgz" {
		t.Errorf("found %q", got)
	}
	if got := fmt.Sprint(f.strays); got != "[team/alone.tgz.prov]" {
		t.Errorf("provenance without a chart: %s", got)
	}
	refused := map[string]string{}
	for _, r := range f.refused {
		refused[r[0]] = r[1]
	}
	for name, why := range map[string]string{"team/large.tgz": "33554433 bytes", "team/outside.tgz": "escapes", "team/nowhere.tgz": "no such file", "other": "escapes"} {
		if !strings.Contains(refused[name], why) {
			t.Errorf("%s: %q", name, refused[name])
		}
	}
	if len(refused) != 4 {
		t.Errorf("refused: %v", refused)
	}
}

// TestChartsAreWhatTheirArchivesSay has files whose names say other things.
func TestChartsAreWhatTheirArchivesSay(t *testing.T) {
	good := packed(t, "good", "1.0.0+build", "")
	m := newMuseum(t)
	m.put("other-2.0.0.tgz", good)
	m.put("other-2.0.0.tgz.prov", provenance("good", "1.0.0+build", good))
	m.put("stale.tgz", good)
	m.put("stale.tgz.prov", provenance("good", "1.0.0+build", nil))
	m.put("unsigned.tgz", good)
	m.put("unsigned.tgz.prov", []byte("nothing"))
	m.put("text.tgz", []byte("no archive"))
	m.put("path.tgz", packed(t, "..", "1.0.0", ""))
	m.put("capital.tgz", packed(t, "Good", "1.0.0", ""))
	m.put("version.tgz", packed(t, "good", "one", ""))
	f, err := m.find("team")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.charts {
		want := map[string]string{
			"stale.tgz": "another archive", "unsigned.tgz": "OpenPGP", "text.tgz": "gzip", "path.tgz": "path", "capital.tgz": "Good", "version.tgz": "Semantic Versioning",
		}[c.name]
		p, err := f.read(c)
		switch {
		case want == "" && err == nil && p.name == "good" && p.version == "1.0.0+build" && p.provenance != nil:
		case want != "" && err != nil && strings.Contains(err.Error(), want):
		default:
			t.Errorf("%s: %q %q, %v", c.name, p.name, p.version, err)
		}
	}
}

// imports runs an import of the folder to a server, and returns what was printed.
func (m *museum) imports(url string, args ...string) (code int, all string) {
	m.t.Helper()
	args = append([]string{"import", "chartmuseum", m.path, "--server", url, "--user", "admin", "--password-stdin"}, args...)
	var said bytes.Buffer
	code = run(m.t.Context(), args, nil, strings.NewReader(given+"\n"), &said, &said)
	if strings.Contains(said.String(), given) {
		m.t.Error("the password is shown")
	}
	return code, said.String()
}

// wants is imports, and checks the exit code and what is said.
func (m *museum) wants(code int, says []string, url string, args ...string) {
	m.t.Helper()
	got, said := m.imports(url, args...)
	for _, word := range says {
		if !strings.Contains(said, word) {
			m.t.Errorf("%q: it does not say %q", args, word)
		}
	}
	if got != code || m.t.Failed() {
		m.t.Fatalf("%q: exit %d:\n%s", args, got, said)
	}
}

// fetch returns what the server has at a path, or its status.
func (s *server) fetch(path string) string {
	s.t.Helper()
	resp := s.do(http.MethodGet, path, "admin", given, nil)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

// TestImports has all of them go to one server.
func TestImports(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	for _, c := range []struct {
		name string
		test func(*testing.T, *server)
	}{
		{"bring in charts", importBrings},
		{"replace by force alone", importReplaces},
		{"wait for a busy server", importWaits},
		{"trust who they are told to", importTrusts},
		{"say what is wrong with their use", importSays}, // the last, since it gives a wrong password
	} {
		t.Run(c.name, func(t *testing.T) {
			s := server{t: t, url: s.url}
			c.test(t, &s)
		})
	}
}

func importBrings(t *testing.T, s *server) {
	m := newMuseum(t)
	app1, app2, tool1 := packed(t, "app", "1.0.0", ""), packed(t, "app", "2.0.0+build.1", ""), packed(t, "tool", "0.1.0", "")
	signature := provenance("app", "2.0.0+build.1", app2)
	m.put("team/app-2.0.0+build.1.tgz", app2) // the older file is the newer version
	m.put("team/app-2.0.0+build.1.tgz.prov", signature)
	m.put("team/index-cache.yaml", []byte("apiVersion: v1\n"))
	m.put("team/app-1.0.0.tgz", app1)
	m.put("library/tool-0.1.0.tgz", tool1)
	m.put("library/tool-copy.tgz", tool1)
	m.put("team/broken-0.1.0.tgz", []byte("broken"))
	m.put("team/lost-0.1.0.tgz.prov", signature)

	m.wants(1, []string{"there is no project team, or none that admin may read:"}, s.url)
	m.wants(1, []string{
		"would be made: project team\n", "would be uploaded: team/app-1.0.0.tgz: app 1.0.0\n", "refused: team/broken-0.1.0.tgz: invalid chart",
		"provenance without a chart: team/lost-0.1.0.tgz.prov\n", "3 charts would be uploaded, 0 of them in place of others; 1 are there",
	}, s.url, "--create-projects", "--dry-run")
	for path, want := range map[string]string{"/api/v2.0/projects/team": "404 Not Found", "/api/chartrepo/library/charts/tool": "404 Not Found"} {
		if got := strings.TrimSpace(s.fetch(path)); got != want {
			t.Errorf("%s after what only said what would be done: %s", path, got)
		}
	}
	m.wants(1, []string{"refused: team/broken-0.1.0.tgz: invalid chart", "3 charts uploaded, 0 of them in place of others; 1 are there", "1 refused", "some charts were not brought in"}, s.url, "--create-projects")
	for path, want := range map[string][]byte{
		"team/charts/app-1.0.0.tgz": app1, "team/charts/app-2.0.0+build.1.tgz": app2, "team/charts/app-2.0.0+build.1.tgz.prov": signature, "library/charts/tool-0.1.0.tgz": tool1,
	} {
		if got := s.fetch("/chartrepo/" + path); got != string(want) {
			t.Errorf("%s is %.100q", path, got)
		}
	}
	if got := s.status("/chartrepo/team/index.yaml", "", ""); got != http.StatusUnauthorized {
		t.Errorf("the project that was made is public: %d", got)
	}
	var index struct {
		Entries map[string][]struct {
			Version string
			Created time.Time
		}
	}
	if err := json.Unmarshal([]byte(s.fetch("/chartrepo/team/index.yaml")), &index); err != nil {
		t.Fatal(err)
	}
	if v := index.Entries["app"]; len(v) != 2 || v[0].Version != "2.0.0+build.1" || !v[0].Created.Before(v[1].Created) {
		t.Errorf("what is newer in the folder is not newer here: %v", v)
	}

	if err := os.Remove(filepath.Join(m.path, "team/broken-0.1.0.tgz")); err != nil {
		t.Fatal(err)
	}
	m.wants(0, []string{"0 charts uploaded", "4 are there"}, s.url)
	m.wants(0, []string{"is there: library/tool-0.1.0.tgz: tool 0.1.0\n", "2 are there"}, s.url, "--project", "library", "--dry-run")
}

func importReplaces(t *testing.T, s *server) {
	m := newMuseum(t)
	first, second := packed(t, "again", "1.0.0", "first"), packed(t, "again", "1.0.0", "second")
	m.put("again.tgz", first)
	m.wants(0, []string{"1 charts uploaded"}, s.url, "--project", "library")
	m.put("again.tgz", second)
	m.wants(1, []string{"conflict: again.tgz: again 1.0.0 is there with other content\n", "0 charts would be uploaded", "1 conflicts"}, s.url, "--project", "library", "--dry-run")
	m.wants(1, []string{"conflict: again.tgz: again 1.0.0 is there with other content\n", "0 charts uploaded", "1 conflicts"}, s.url, "--project", "library")
	const there = "/chartrepo/library/charts/again-1.0.0.tgz"
	if s.fetch(there) != string(first) {
		t.Error("it was replaced")
	}
	m.wants(0, []string{"would be replaced: again.tgz: again 1.0.0\n", "1 of them in place of others"}, s.url, "--project", "library", "--force", "--dry-run")
	m.wants(0, []string{"1 charts uploaded, 1 of them in place of others"}, s.url, "--project", "library", "--force")
	if s.fetch(there) != string(second) {
		t.Error("it was not replaced")
	}

	m.put("again.tgz.prov", provenance("again", "1.0.0", second))
	m.wants(0, []string{"would get its provenance: again.tgz: again 1.0.0\n"}, s.url, "--project", "library", "--dry-run")
	if got := s.fetch(there + ".prov"); !strings.HasPrefix(got, "404") {
		t.Errorf("its provenance: %.100q", got)
	}
	m.wants(0, []string{"1 are there, and 1 of them given provenance"}, s.url, "--project", "library")
	if got := s.fetch(there + ".prov"); got != string(provenance("again", "1.0.0", second)) {
		t.Errorf("its provenance: %.100q", got)
	}
	m.wants(0, []string{"1 are there, and 0 of them given provenance"}, s.url, "--project", "library")
	if s.fetch(there) != string(second) {
		t.Error("with its provenance it is another")
	}
}

// behind passes requests on to the server.
func behind(t *testing.T, s *server) http.Handler {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(to)
}

// inFront starts a server that answers some requests itself, and passes on the
// others.
func inFront(t *testing.T, s *server, answers func(http.ResponseWriter, *http.Request) bool) string {
	next := behind(t, s)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answers(w, r) {
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL
}

func importWaits(t *testing.T, s *server) {
	m := newMuseum(t)
	for i := range 4 {
		m.put(fmt.Sprintf("late-%d.tgz", i), packed(t, "late", fmt.Sprintf("1.0.%d", i), ""))
	}
	var posts atomic.Int64
	busy := inFront(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		switch posts.Add(1) {
		case 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.Header().Set("Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		case 4:
			panic(http.ErrAbortHandler) // the connection ends
		default:
			return false
		}
		return true
	})
	m.wants(1, []string{"the server is busy: trying again in 0s", "late-1.tgz: ", "1 charts uploaded"}, busy, "--project", "library")
	m.wants(0, []string{"3 charts uploaded", "1 are there"}, busy, "--project", "library")

	var asked atomic.Int64
	always := inFront(t, s, func(w http.ResponseWriter, r *http.Request) bool {
		asked.Add(1)
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	m.wants(1, []string{"6 times: the server answers 503 Service Unavailable"}, always, "--project", "library")
	if n := asked.Load(); n != importTries {
		t.Errorf("it was asked %d times", n)
	}
}

func importTrusts(t *testing.T, s *server) {
	front := httptest.NewTLSServer(behind(t, s))
	t.Cleanup(front.Close)
	m := newMuseum(t)
	m.put("trusted.tgz", packed(t, "trusted", "1.0.0", ""))
	m.put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}))
	m.wants(1, []string{"certificate"}, front.URL, "--project", "library")
	m.wants(0, []string{"1 charts uploaded"}, front.URL, "--project", "library", "--ca-file", filepath.Join(m.path, "ca.pem"))
	m.wants(1, []string{"has no certificate"}, front.URL, "--project", "library", "--ca-file", filepath.Join(m.path, "trusted.tgz"))
}

func importSays(t *testing.T, s *server) {
	m := newMuseum(t)
	m.put("app.tgz", packed(t, "said", "1.0.0", ""))
	for _, c := range []struct{ url, say string }{
		{"", "--server is needed"},
		{"registry.example.org", "is no address of a server"},
		{s.url + "/chartrepo", "is no address of a server"},
		{inFront(t, s, func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true }), "is it Berth?"},
		{inFront(t, s, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, s.url+r.URL.Path, http.StatusTemporaryRedirect)
			return true
		}), "answers 307"},
	} {
		m.wants(1, []string{c.say}, c.url, "--project", "library")
	}
	ask := []string{"import", "chartmuseum", m.path, "--project", "library", "--user", "admin"}
	for _, c := range []struct {
		input, say string
		code       int
		args       []string
	}{
		{"", "--password-stdin", 1, nil},
		{given, "1 charts uploaded", 0, []string{"--password-stdin"}},
		{"Wrong-Passw0rd-1\n", "password", 1, []string{"--password-stdin"}}, // which locks the name for a moment
	} {
		var said bytes.Buffer
		code := run(t.Context(), append(ask, c.args...), []string{"BERTH_EXTERNAL_URL=" + s.url}, strings.NewReader(c.input), &said, &said)
		if code != c.code || !strings.Contains(said.String(), c.say) || strings.Contains(said.String(), "Wrong") {
			t.Errorf("%q with %q: exit %d: %s", c.args, c.input, code, said.String())
		}
	}
	m.put("team/app.tgz", nil)
	if _, out, _ := tool(t, nil, "", "__complete", "import", "chartmuseum", m.path, "--project", ""); !strings.HasPrefix(out, "team\n:4") {
		t.Errorf("projects are completed by %q", out)
	}
	if _, out, _ := tool(t, nil, "", "__complete", "import", "chartmuseum", ""); !strings.HasPrefix(out, ":16") {
		t.Errorf("the folder is completed by %q", out)
	}
}
