package chartrepo_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/helm/helmtest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A file is one of a chart's archive, or a field of a form.
type file = helmtest.File

func pack(t testing.TB, files ...file) string { return string(helmtest.Pack(t, files...)) }

// packed is a chart with values and a readme.
func packed(t testing.TB, name, version string) string {
	return pack(t, file{name + "/Chart.yaml", "apiVersion: v2\nname: " + name + "\nversion: " + version + "\ndescription: It is a chart\n"},
		file{name + "/values.yaml", "image: {tag: v1, pull: true}\nports: [1, 2]\n"}, file{name + "/README.md", "# " + name})
}

func provenance(name, version, archive string) string {
	return helmtest.Provenance(name, version, []byte(archive))
}

// A site is a server with a private project "closed" beside the public library,
// and a user "ann", who may read there.
type site struct {
	*testing.T
	*apptest.Server
}

const password = "Passw0rd!"

func newSite(t *testing.T, options ...func(*app.Config)) *site {
	s := &site{t, apptest.Start(t, options...)}
	s.want(201, "POST /api/v2.0/projects", `{"project_name":"closed"}`)
	for _, name := range []string{"ann", "dev", "maint"} {
		s.want(201, "POST /api/v2.0/users", fmt.Sprintf(`{"username":%q,"email":"%s@example.org","realname":%q,"password":%q}`, name, name, name, password))
	}
	for name, role := range map[string]int{"ann": 3, "dev": 2, "maint": 4} {
		s.want(201, "POST /api/v2.0/projects/closed/members", fmt.Sprintf(`{"role_id":%d,"member_user":{"username":%q}}`, role, name))
	}
	return s
}

// do sends a request, "GET /path", as a user. A JSON body is said to be one.
func (s *site) do(user, request, body string, header ...string) (*http.Response, string) {
	s.T.Helper()
	secret := password
	if user == apptest.Admin {
		secret = s.Password
	}
	if len(header) == 0 && strings.HasPrefix(body, "{") {
		header = append(header, "Content-Type", "application/json")
	}
	method, path, _ := strings.Cut(request, " ")
	resp := s.Do(method, path, user, secret, strings.NewReader(body), header...)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return resp, string(text)
}

// want sends a request as the administrator, and returns the body of an answer of
// a status.
func (s *site) want(status int, request, body string, header ...string) string {
	s.T.Helper()
	resp, text := s.do(apptest.Admin, request, body, header...)
	if resp.StatusCode != status {
		s.Fatalf("%s: %d %s, want %d", request, resp.StatusCode, text, status)
	}
	return text
}

func form(t *testing.T, fields ...file) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, f := range fields {
		part, err := w.CreateFormFile(f[0], f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

// An index is one as Helm reads it.
type index struct {
	APIVersion string `json:"apiVersion"`
	Entries    map[string][]struct {
		Name, Version, Description, Digest, Created string
		URLs                                        []string
	}
}

func (s *site) index(path string) (x index) {
	s.T.Helper()
	if err := json.Unmarshal([]byte(s.want(200, "GET "+path, "")), &x); err != nil {
		s.Fatal(err)
	}
	if x.APIVersion != "v1" {
		s.Errorf("an index of %q", x.APIVersion)
	}
	return x
}

// versions are "name version url" of all in an index.
func (x index) versions() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(x.Entries)) {
		for _, v := range x.Entries[key] {
			all = append(all, strings.Join(append([]string{key, v.Version}, v.URLs...), " "))
		}
	}
	return all
}

// pushChart pushes a chart as "helm push" does.
func (s *site) pushChart(repository, tag, configuration, archive string) {
	s.T.Helper()
	var parts []string
	for _, content := range []string{configuration, archive} {
		d := oci.Sum(oci.SHA256, []byte(content))
		s.want(201, "POST /v2/"+repository+"/blobs/uploads/?digest="+string(d), content, "Content-Type", "application/octet-stream")
		parts = append(parts, fmt.Sprintf(`"digest":%q,"size":%d`, d, len(content)))
	}
	s.want(201, "PUT /v2/"+repository+"/manifests/"+tag, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json",%s},`+
		`"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip",%s}]}`, parts[0], parts[1]), "Content-Type", "application/vnd.oci.image.manifest.v1+json")
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestChartsOfBothWaysAreTheSame(t *testing.T) {
	each(t, func(s *site) {
		one := packed(s.T, "app", "1.0.0")
		body, kind := form(s.T, file{"chart", one}, file{"prov", provenance("app", "1.0.0", one)})
		if got := s.want(201, "POST /api/chartrepo/closed/charts", body, "Content-Type", kind); got != `{"saved":true}`+"\n" {
			s.Errorf("an upload is answered %s", got)
		}
		s.pushChart("closed/app", "1.10.0-rc.1_b2", `{"name":"app","version":"1.10.0-rc.1+b2","apiVersion":"v2"}`, packed(s.T, "app", "1.10.0-rc.1+b2"))
		s.pushChart("closed/team/db", "v2", `{"name":"db","version":"v2"}`, packed(s.T, "db", "v2"))
		s.pushChart("closed/app", "latest", `{"name":"app","version":"3.0.0"}`, packed(s.T, "app", "3.0.0"))
		x := s.index("/chartrepo/closed/index.yaml")
		same(s.T, "index", x.versions(), "app 1.10.0-rc.1+b2 charts/app-1.10.0-rc.1+b2.tgz", "app 1.0.0 charts/app-1.0.0.tgz", "team/db v2 charts/team/db-v2.tgz")
		if e := x.Entries["app"][1]; e.Digest != strings.TrimPrefix(string(oci.Sum(oci.SHA256, []byte(one))), "sha256:") || e.Description != "It is a chart" || e.Created == "" {
			s.Errorf("entry %+v", e)
		}
		for name, want := range map[string]string{
			"app-1.0.0.tgz": one, "app-1.10.0-rc.1+b2.tgz": packed(s.T, "app", "1.10.0-rc.1+b2"), "team/db-v2.tgz": packed(s.T, "db", "v2"),
			"app-1.0.0.tgz.prov": provenance("app", "1.0.0", one), "app-1.0.0.prov": provenance("app", "1.0.0", one),
		} {
			if got := s.want(200, "GET /chartrepo/closed/charts/"+name, ""); got != want {
				s.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
			}
		}
		if got := s.want(206, "GET /chartrepo/closed/charts/app-1.0.0.tgz", "", "Range", "bytes=1-3"); got != one[1:4] {
			s.Errorf("a part of a chart is %q", got)
		}
		// As an artifact it has all that artifacts have.
		shown := s.want(200, "GET /api/v2.0/projects/closed/repositories/app/artifacts/1.0.0?with_tag=true", "")
		for _, want := range []string{`"type":"CHART"`, `"name":"1.0.0"`, `"version":"1.0.0"`, "additions/provenance"} {
			if !strings.Contains(shown, want) {
				s.Errorf("the artifact lacks %s: %s", want, shown)
			}
		}
		if got := s.want(200, "GET /api/v2.0/projects/closed/repositories/app/artifacts/1.0.0/additions/provenance", ""); got != provenance("app", "1.0.0", one) {
			s.Errorf("provenance %q", got)
		}
		for _, file := range []string{"app-9.9.9.tgz", "app.tgz", "app-1.0.0.zip", "app-3.0.0.tgz", "db-v2.tgz", "app-1.10.0-rc.1+b2.tgz.prov", strings.Repeat("-1", 5000) + ".tgz"} {
			if got := s.want(404, "GET /chartrepo/closed/charts/"+file, ""); !strings.HasPrefix(got, `{"error":"chart not found`) {
				s.Errorf("%.50s: %s", file, got)
			}
		}
		// The same by the API: what is deleted there leaves the index.
		s.want(200, "DELETE /api/v2.0/projects/closed/repositories/team%252Fdb", "")
		s.want(200, "DELETE /api/v2.0/projects/closed/repositories/app/artifacts/1.0.0/tags/1.0.0", "")
		same(s.T, "index after deletions", s.index("/chartrepo/closed/index.yaml").versions(), "app 1.10.0-rc.1+b2 charts/app-1.10.0-rc.1+b2.tgz")
	})
}

// each runs a test over both databases.
func each(t *testing.T, test func(s *site)) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		test(newSite(t, func(c *app.Config) { c.Database = url }))
	})
}

func TestUploadsThatAreRefusedSayWhy(t *testing.T) {
	s := newSite(t)
	good := packed(t, "app", "1.0.0")
	s.want(201, "POST /api/chartrepo/charts", good)
	signed, signedKind := form(t, file{"chart", packed(t, "app", "2.0.0")}, file{"prov", provenance("other", "2.0.0", packed(t, "app", "2.0.0"))})
	replaced, replacedKind := form(t, file{"chart", packed(t, "app", "2.0.0")}, file{"prov", provenance("app", "2.0.0", good)})
	strange, strangeKind := form(t, file{"chrat", good})
	twice, twiceKind := form(t, file{"chart", good}, file{"chart", good})
	empty, emptyKind := form(t)
	const charts, raw = "/api/chartrepo/library/charts", "application/octet-stream"
	for name, tt := range map[string]struct {
		path, kind, body string
		status           int
		says             string
	}{
		"there already":         {charts, raw, good, 409, "file already exists: app-1.0.0.tgz"},
		"no archive":            {charts, raw, "hello", 400, "it is no gzip archive"},
		"empty":                 {charts, raw, "", 400, "chart is empty"},
		"no chart":              {charts, raw, pack(t, file{"app/values.yaml", ""}), 400, "it has no Chart.yaml"},
		"bomb":                  {charts, raw, pack(t, file{"app/Chart.yaml", "name: app"}, file{"app/big", strings.Repeat("\x00", 40<<20)}), 413, "has more than"},
		"too large":             {charts, raw, strings.Repeat("x", 32<<20+1), 413, "chart has more than 33554432 bytes"},
		"dot segments":          {charts, raw, pack(t, file{"a/Chart.yaml", "name: ..\nversion: 1.0.0"}), 400, `the name \"..\" is a path`},
		"a path":                {charts, raw, pack(t, file{"a/Chart.yaml", "name: ../../etc\nversion: 1.0.0"}), 400, "is a path"},
		"files elsewhere":       {charts, raw, pack(t, file{"app/../../etc/passwd", ""}), 400, "outside of its folder"},
		"capitals":              {charts, raw, pack(t, file{"a/Chart.yaml", "name: App\nversion: 1.0.0"}), 400, "lower-case letters"},
		"says too much":         {charts, raw, pack(t, file{"a/Chart.yaml", "name: app\nversion: 2.0.0\nsources:\n" + strings.Repeat("- "+strings.Repeat("<", 1000)+"\n", 300)}), 413, "what it says of itself has more than"},
		"no version":            {charts, raw, pack(t, file{"a/Chart.yaml", "name: app"}), 400, "Chart.yaml has no version"},
		"not SemVer":            {charts, raw, packed(t, "app", "latest"), 400, `the version \"latest\" is none of Semantic Versioning`},
		"signed for another":    {charts, signedKind, signed, 400, `it is for \"other\" \"2.0.0\"`},
		"other bytes":           {charts, replacedKind, replaced, 400, "it is for another archive of app-2.0.0.tgz"},
		"unknown field":         {charts, strangeKind, strange, 400, `the field \"chrat\" is none`},
		"field twice":           {charts, twiceKind, twice, 400, "there twice"},
		"no field":              {charts, emptyKind, empty, 400, "is missing"},
		"no form":               {charts, "multipart/form-data", good, 400, "it is no form"},
		"half a form":           {charts, twiceKind, twice[:200], 400, "it ended before it was complete"},
		"no provenance":         {"/api/chartrepo/library/prov", raw, good, 400, "is missing"},
		"provenance of nothing": {"/api/chartrepo/library/prov", raw, provenance("app", "9.0.0", good), 404, "chart not found"},
		"provenance of another": {"/api/chartrepo/library/prov", raw, provenance("app", "1.0.0", "something"), 400, "it is for another archive of app-1.0.0.tgz"},
		"provenance of a path":  {"/api/chartrepo/library/prov", raw, provenance("../app", "1.0.0", good), 400, "is a path"},
	} {
		if got := s.want(tt.status, "POST "+tt.path, tt.body, "Content-Type", tt.kind); !strings.Contains(got, tt.says) || !strings.HasPrefix(got, `{"error":"`) {
			t.Errorf("%s: %s, want %s", name, got, tt.says)
		}
	}
	same(t, "index", s.index("/chartrepo/library/index.yaml").versions(), "app 1.0.0 charts/app-1.0.0.tgz")
	if got := s.want(200, "GET /api/v2.0/projects/library", ""); !strings.Contains(got, `"repo_count":1`) {
		t.Errorf("what was refused left a repository: %s", got)
	}
}

func TestVersionsAreReplacedSignedAndDeleted(t *testing.T) {
	each(t, func(s *site) {
		const charts = "/api/chartrepo/closed/charts"
		first := packed(s.T, "app", "1.0.0")
		second := pack(s.T, file{"app/Chart.yaml", "name: app\nversion: 1.0.0\nicon: https://example.org/i.png\ndeprecated: true\n"})
		s.want(201, "POST "+charts, first)
		s.want(201, "POST "+charts+"?force", second, "Content-Type", "application/octet-stream")
		if got := s.want(200, "GET /chartrepo/closed/charts/app-1.0.0.tgz", ""); got != second {
			s.Error("a chart that was replaced is served as it was")
		}
		s.want(201, "POST "+charts, packed(s.T, "app", "1.1.0"))
		s.want(201, "POST "+charts, packed(s.T, "db", "0.1.0"))
		s.want(201, "POST /api/chartrepo/closed/prov", provenance("app", "1.1.0", packed(s.T, "app", "1.1.0")))
		s.want(200, "GET /chartrepo/closed/charts/app-1.1.0.tgz.prov", "")

		var list []map[string]any
		unmarshal(s.T, s.want(200, "GET "+charts, ""), &list)
		if len(list) != 2 || list[0]["name"] != "app" || list[0]["total_versions"] != 2.0 || list[0]["latest_version"] != "1.1.0" || list[0]["deprecated"] != false || list[0]["created"] == nil {
			s.Errorf("list %v", list)
		}
		unmarshal(s.T, s.want(200, "GET "+charts+"?limit=1&offset=1", ""), &list)
		if len(list) != 1 || list[0]["name"] != "db" {
			s.Errorf("the second of the list is %v", list)
		}
		for _, bad := range []string{"?limit=0", "?limit=x", "?offset=-1", "?offset=99999999999999"} {
			s.want(400, "GET "+charts+bad, "")
			s.want(400, "GET "+charts+"/app"+bad, "")
		}
		var versions []map[string]any
		unmarshal(s.T, s.want(200, "GET "+charts+"/app", ""), &versions)
		if len(versions) != 2 || versions[0]["version"] != "1.1.0" || versions[1]["icon"] != "https://example.org/i.png" || versions[0]["urls"] == nil {
			s.Errorf("versions %v", versions)
		}
		var details struct {
			Metadata     map[string]any
			Dependencies []any
			Values       map[string]any
			Files        map[string]string
			Security     struct {
				Signature struct {
					Signed     bool
					Provenance string `json:"prov_file"`
				}
			}
			Labels []map[string]any
		}
		unmarshal(s.T, s.want(200, "GET "+charts+"/app/1.1.0", ""), &details)
		if details.Metadata["name"] != "app" || details.Values["image.tag"] != "v1" || details.Values["image.pull"] != true || details.Files["README.md"] != "# app" || details.Dependencies == nil ||
			!details.Security.Signature.Signed || details.Security.Signature.Provenance != "charts/app-1.1.0.tgz.prov" {
			s.Errorf("details %+v", details)
		}

		s.want(201, "POST /api/v2.0/labels", `{"name":"good","scope":"g"}`)
		s.want(200, "POST "+charts+"/app/1.1.0/labels", `{"id":1}`)
		s.want(409, "POST "+charts+"/app/1.1.0/labels", `{"id":1}`)
		s.want(400, "POST "+charts+"/app/1.1.0/labels", `{"id":"x"}`)
		s.want(404, "POST "+charts+"/app/1.1.0/labels", `{"id":77}`)
		unmarshal(s.T, s.want(200, "GET "+charts+"/app/1.1.0", ""), &details)
		if len(details.Labels) != 1 || details.Labels[0]["name"] != "good" || !strings.Contains(s.want(200, "GET "+charts+"/app", ""), `"name":"good"`) ||
			!strings.Contains(s.want(200, "GET "+charts+"/app/1.1.0/labels", ""), `"name":"good"`) {
			s.Errorf("labels %+v", details.Labels)
		}
		s.want(200, "DELETE "+charts+"/app/1.1.0/labels/1", "")
		s.want(404, "DELETE "+charts+"/app/1.1.0/labels/1", "")

		// A version that has another tag loses only its own.
		s.want(201, "POST /api/v2.0/projects/closed/repositories/app/artifacts/1.1.0/tags", `{"name":"stable"}`)
		if got := s.want(200, "DELETE "+charts+"/app/1.1.0", ""); got != "" {
			s.Errorf("a deletion is answered %q", got)
		}
		s.want(404, "DELETE "+charts+"/app/1.1.0", "")
		s.want(200, "GET /api/v2.0/projects/closed/repositories/app/artifacts/stable", "")
		s.want(200, "DELETE "+charts+"/app", "")
		s.want(404, "GET /api/v2.0/projects/closed/repositories/app/artifacts/1.0.0", "")
		for _, gone := range []string{"DELETE " + charts + "/app", "GET " + charts + "/app", "GET " + charts + "/app/1.0.0", "GET " + charts + "/app/1.0.0/labels", "DELETE " + charts + "/none/1.0.0"} {
			s.want(404, gone, "")
		}
		same(s.T, "index", s.index("/chartrepo/closed/index.yaml").versions(), "db 0.1.0 charts/db-0.1.0.tgz")
	})
}

func TestToLookForAnArchiveIsNoPull(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST /api/chartrepo/closed/charts", packed(t, "app", "1.0.0"))
	for _, request := range []string{"HEAD", "HEAD", "GET"} {
		resp, _ := s.do(apptest.Admin, request+" /chartrepo/closed/charts/app-1.0.0.tgz", "")
		if resp.StatusCode != 200 || resp.ContentLength <= 0 || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d, %d bytes, %v", request, resp.StatusCode, resp.ContentLength, resp.Header)
		}
	}
	var repository struct {
		Pulls int64 `json:"pull_count"`
	}
	for deadline := time.Now().Add(20 * time.Second); repository.Pulls == 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		unmarshal(t, s.want(200, "GET /api/v2.0/projects/closed/repositories/app", ""), &repository)
	}
	if repository.Pulls != 1 {
		t.Errorf("%d pulls", repository.Pulls)
	}
}

func TestASignatureChangesNothingElse(t *testing.T) {
	each(t, func(s *site) {
		const of = "/api/v2.0/projects/closed/repositories/app/artifacts/"
		chart := packed(s.T, "app", "1.0.0")
		s.pushChart("closed/app", "1.0.0", `{"name":"app","version":"1.0.0"}`, chart)
		s.want(201, "POST "+of+"1.0.0/tags", `{"name":"stable"}`)
		s.want(201, "POST /api/v2.0/labels", `{"name":"good","scope":"g"}`)
		s.want(200, "POST "+of+"1.0.0/labels", `{"id":1}`)
		var before, after map[string]json.RawMessage
		accept := "application/vnd.oci.image.manifest.v1+json"
		unmarshal(s.T, s.want(200, "GET /v2/closed/app/manifests/1.0.0", "", "Accept", accept), &before)
		s.want(201, "POST /api/chartrepo/closed/prov", provenance("app", "1.0.0", chart))
		for _, tag := range []string{"1.0.0", "stable"} {
			unmarshal(s.T, s.want(200, "GET /v2/closed/app/manifests/"+tag, "", "Accept", accept), &after)
			if string(after["config"]) != string(before["config"]) || string(after["layers"]) == string(before["layers"]) || len(after) != len(before) {
				s.Errorf("%s was %s and is %s", tag, before, after)
			}
		}
		if shown := s.want(200, "GET "+of+"1.0.0?with_label=true", ""); !strings.Contains(shown, `"name":"good"`) {
			s.Errorf("the label is lost: %s", shown)
		}
		s.want(201, "POST /api/chartrepo/closed/prov", provenance("app", "1.0.0", chart)) // again
	})
}

func TestImmutableVersionsStay(t *testing.T) {
	s := newSite(t)
	const charts = "/api/chartrepo/closed/charts"
	s.want(201, "POST "+charts, packed(t, "app", "1.0.0"))
	s.want(201, "POST /api/v2.0/projects/closed/immutabletagrules", `{"template":"immutable_template","action":"immutable","scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]},"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"}]}`)
	s.want(412, "POST "+charts+"?force", pack(t, file{"app/Chart.yaml", "name: app\nversion: 1.0.0\n"}), "Content-Type", "x/y")
	s.want(412, "POST /api/chartrepo/closed/prov", provenance("app", "1.0.0", packed(t, "app", "1.0.0")))
	s.want(412, "DELETE "+charts+"/app/1.0.0", "")
	s.want(200, "GET /chartrepo/closed/charts/app-1.0.0.tgz", "")
}

func TestWhoMayDoWhat(t *testing.T) {
	s := newSite(t)
	const charts = "/api/chartrepo/closed/charts"
	chart := packed(t, "app", "1.0.0")
	s.want(201, "POST "+charts, chart)
	s.want(201, "POST /api/chartrepo/charts", chart)
	s.want(201, "POST /api/v2.0/users", fmt.Sprintf(`{"username":"eve","email":"eve@example.org","realname":"eve","password":%q}`, password))
	var robot struct{ Name, Secret string }
	unmarshal(t, s.want(201, "POST /api/v2.0/robots", `{"name":"ci","level":"project","duration":-1,"permissions":[{"kind":"project","namespace":"closed","access":[{"resource":"repository","action":"pull"},{"resource":"repository","action":"push"}]}]}`), &robot)
	reads := []string{"GET /chartrepo/closed/index.yaml", "GET /chartrepo/closed/charts/app-1.0.0.tgz", "GET " + charts, "GET " + charts + "/app", "GET " + charts + "/app/1.0.0", "GET " + charts + "/app/1.0.0/labels"}
	pushes := []string{"POST " + charts, "POST /api/chartrepo/closed/prov", "POST " + charts + "/app/1.0.0/labels", "DELETE " + charts + "/app/1.0.0/labels/1"}
	deletes := []string{"DELETE " + charts + "/none", "DELETE " + charts + "/none/1.0.0"}
	for user, may := range map[string]struct{ read, push, remove bool }{
		"": {}, "eve": {}, "ann": {true, false, false}, "dev": {true, true, false}, "maint": {true, true, true}, apptest.Admin: {true, true, true}, robot.Name: {true, true, false},
	} {
		for allowed, requests := range map[*bool][]string{&may.read: reads, &may.push: pushes, &may.remove: deletes} {
			for _, request := range requests {
				if user == robot.Name && strings.Contains(request, "/labels") && !strings.HasPrefix(request, "GET") {
					continue // a right of its own, which it was not given
				}
				secret := password
				switch user {
				case apptest.Admin:
					secret = s.Password
				case robot.Name:
					secret = robot.Secret
				}
				method, path, _ := strings.Cut(request, " ")
				resp := s.Do(method, path, user, secret, strings.NewReader("x"))
				refused := resp.StatusCode == 401 || resp.StatusCode == 403
				if refused == *allowed {
					t.Errorf("%s as %q: %d", request, user, resp.StatusCode)
				}
				if challenge := resp.Header.Get("WWW-Authenticate"); user == "" && (resp.StatusCode != 401 || !strings.HasPrefix(challenge, "Basic ")) {
					t.Errorf("%s as nobody: %d, challenge %q", request, resp.StatusCode, challenge)
				}
			}
		}
		// The public library is open to all.
		if resp := s.Do("GET", "/chartrepo/library/index.yaml", "", "", nil); resp.StatusCode != 200 {
			t.Errorf("the library's index: %d", resp.StatusCode)
		}
	}
	// What does not exist looks as what is closed, but to the administrator.
	for user, want := range map[string]int{"": 401, "eve": 403, apptest.Admin: 404} {
		if resp, text := s.do(user, "GET /chartrepo/none/index.yaml", ""); user != "" && resp.StatusCode != want {
			t.Errorf("no project as %q: %d %s", user, resp.StatusCode, text)
		}
	}
	for user, want := range map[string][]string{
		"eve": {"library/app 1.0.0 library/charts/app-1.0.0.tgz"},
		"ann": {"closed/app 1.0.0 closed/charts/app-1.0.0.tgz", "library/app 1.0.0 library/charts/app-1.0.0.tgz"},
	} {
		_, text := s.do(user, "GET /chartrepo/index.yaml", "")
		var x index
		unmarshal(t, text, &x)
		same(t, "what "+user+" sees", x.versions(), want...)
	}
	if got := s.want(200, "GET /api/chartrepo/health", ""); got != `{"healthy":true}`+"\n" {
		t.Errorf("health %s", got)
	}
	s.want(404, "GET /api/chartrepo/closed/other", "")
	s.want(405, "PUT "+charts, "")
}

func TestAnIndexIsAskedForByItsName(t *testing.T) {
	each(t, func(s *site) {
		for i := range 30 {
			s.want(201, "POST /api/chartrepo/closed/charts", packed(s.T, "app", fmt.Sprintf("1.%d.0", i)))
		}
		for _, path := range []string{"/chartrepo/closed/index.yaml", "/chartrepo/index.yaml"} {
			resp, whole := s.do(apptest.Admin, "GET "+path, "")
			name := resp.Header.Get("Etag")
			if name == "" || !strings.Contains(resp.Header.Get("Content-Type"), "yaml") {
				s.Fatalf("%s: headers %v", path, resp.Header)
			}
			for _, known := range []string{name, `"x", ` + name, strings.TrimPrefix(name, "W/"), "*"} {
				if resp, text := s.do(apptest.Admin, "GET "+path, "", "If-None-Match", known); resp.StatusCode != 304 || text != "" || resp.Header.Get("Etag") != name {
					s.Errorf("%s known as %s: %d %s", path, known, resp.StatusCode, text)
				}
			}
			resp, zipped := s.do(apptest.Admin, "GET "+path, "", "Accept-Encoding", "gzip")
			if resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(resp.Header.Get("Vary"), "Accept-Encoding") || len(zipped) > len(whole)/2 {
				s.Errorf("%s compressed: %v, %d bytes of %d", path, resp.Header, len(zipped), len(whole))
			}
			unzip, err := gzip.NewReader(strings.NewReader(zipped))
			if err != nil {
				s.Fatal(err)
			}
			if plain, err := io.ReadAll(unzip); err != nil || string(plain) != whole {
				s.Errorf("%s is another when it is compressed: %v", path, err)
			}
			if resp, text := s.do(apptest.Admin, "HEAD "+path, ""); resp.StatusCode != 200 || text != "" || resp.Header.Get("Etag") != name {
				s.Errorf("HEAD %s: %d %v", path, resp.StatusCode, resp.Header)
			}
			s.want(201, "POST /api/chartrepo/closed/charts", packed(s.T, "db", fmt.Sprintf("1.0.%d", len(path))))
			if resp, _ := s.do(apptest.Admin, "GET "+path, "", "If-None-Match", name); resp.StatusCode != 200 || resp.Header.Get("Etag") == name {
				s.Errorf("%s after a push: %d", path, resp.StatusCode)
			}
		}
	})
}

func unmarshal(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// TestNobodyUploadsToACache by whichever way, also not an administrator.
func TestNobodyUploadsToACache(t *testing.T) {
	s := newSite(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // which is well
	defer upstream.Close()
	s.want(201, "POST /api/v2.0/registries", fmt.Sprintf(`{"name":"hub","type":"docker-registry","url":%q}`, upstream.URL))
	s.want(201, "POST /api/v2.0/projects", `{"project_name":"cache","registry_id":1}`)
	archive := packed(t, "app", "1.0.0")
	body, kind := form(t, file{"chart", archive})
	for _, path := range []string{"/api/chartrepo/cache/charts", "/api/chartrepo/cache/prov"} {
		if text := s.want(403, "POST "+path, body, "Content-Type", kind); !strings.Contains(text, "takes no pushes") {
			t.Errorf("%s: %s", path, text)
		}
	}
	if text := s.want(403, "POST /api/chartrepo/cache/charts", archive); !strings.Contains(text, "takes no pushes") {
		t.Error(text)
	}
	if resp, _ := s.do("ann", "POST /api/chartrepo/cache/charts", archive); resp.StatusCode != 403 {
		t.Errorf("ann: %d", resp.StatusCode)
	}
	if n := len(s.index("/chartrepo/cache/index.yaml").Entries); n != 0 {
		t.Errorf("%d charts are there", n)
	}
}
