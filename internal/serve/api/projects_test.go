package api

import (
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
)

func TestProjects(t *testing.T) {
	w := newWorld(t)
	project := func(fields string) string { return "POST /projects\n\n{" + fields + "}" }
	w.walk([]step{
		{"bob", project(`"project_name":"alpha"`), 409, "CONFLICT"},
		{"bob", project(`"project_name":"Alpha"`), 400, "BAD_REQUEST"},
		{"bob", project(`"project_name":"a__b"`), 400, "BAD_REQUEST"},
		{"bob", project(`"metadata":{}`), 400, "BAD_REQUEST"},
		{"bob", project(`"project_name":"p","metadata":{"public":"yes"}`), 400, "BAD_REQUEST"},
		{"bob", project(`"project_name":"p","storage_limit":-2`), 400, "storage_limit"},
		{"bob", project(`"project_name":"p","storage_limit":1125899906842625`), 400, "storage_limit"},
		{"bob", project(`"project_name":"p","cve_allowlist":{"project_id":1}`), 400, "cve_allowlist"},
		{"bob", project(`"project_name":"p","cve_allowlist":{"items":[{"cve_id":""}]}`), 400, "CVE allowlist"},
		{"bob", project(`"project_name":"p","registry_id":1`), 403, "FORBIDDEN"},
		{"root", project(`"project_name":"p","registry_id":1`), 400, "there is no registry 1"},
		{"bob", project(`"project_name":"p","public":true,"storage_limit":-1`), 201, ""},
		{"", "GET /projects/p", 200, `"metadata":{"public":"true"}`},
		{"bob", "GET /projects/p", 200, `"owner_name":"bob"`},
		{"bob", "PUT /projects/p\n\n" + `{"metadata":{"public":"false","severity":"High"}}`, 200, ""},
		{"bob", "GET /projects/p", 200, `"metadata":{"public":"false","severity":"high"}`},
		{"bob", "PUT /projects/p\n\n" + `{"metadata":{"severity":"enormous"}}`, 400, "BAD_REQUEST"},
		{"bob", "PUT /projects/p\n\n" + `{"metadata":{"retention_id":"7"}}`, 400, "BAD_REQUEST"},
		{"bob", "PUT /projects/p\n\n" + `{"cve_allowlist":{"project_id":1,"items":[]}}`, 400, "another project"},
		{"bob", "PUT /projects/p\n\n" + `{"cve_allowlist":{"project_id":4,"items":[]}}`, 200, ""},
		{"", "GET /projects/p", 401, "UNAUTHORIZED"},
		{"alice", "HEAD /projects?project_name=beta", 200, ""},
		{"alice", "HEAD /projects?project_name=none", 404, ""},
		{"bob", "DELETE /projects/p", 200, ""},
		{"bob", "GET /projects/p", 403, "FORBIDDEN"},
		{"root", "GET /projects/p", 404, "project p not found"},
	})
}

func TestProjectsThatAreListed(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ as, query, names string }{
		{"", "", "open"},
		{"", "?public=false", ""},
		{"lim", "", "alpha open"},
		{"bob", "", "beta open"},
		{"bob", "?public=false", "beta"},
		{"bob", "?sort=-name", "open beta"},
		{"root", "", "alpha beta open"},
		{"root", "?owner=bob", "beta open"},
		{"root", "?q=owner%3Dalice", "alpha"},
		{"root", "?name=A&q=public%3Dfalse", "alpha beta"},
		{"robot:1", "", "alpha open"},
		{"robot:3", "", "alpha beta open"},
	} {
		var names []string
		for _, p := range into[[]projectBody](t, w.want(200, tt.as, "GET /projects"+tt.query)) {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != tt.names {
			t.Errorf("%s %s: %s, want %s", tt.as, tt.query, got, tt.names)
		}
	}
	for query, shown := range map[string]bool{"": true, "?with_detail=true": true, "?with_detail=false": false} {
		body := w.want(200, "lim", "GET /projects"+query).Body.String()
		for _, field := range []string{"metadata", "owner_name", "cve_allowlist"} {
			if strings.Contains(body, `"`+field+`"`) != shown {
				t.Errorf("%s: %s", query, body)
			}
		}
		if !strings.Contains(body, `"current_user_role_id":5,"current_user_role_ids":[5]`) {
			t.Errorf("no role in %s", body)
		}
	}
}

func TestProjectNamesAndIDs(t *testing.T) {
	w := newWorld(t)
	w.walk([]step{
		{"bob", "POST /projects\nX-Resource-Name-In-Location: true\n\n" + `{"project_name":"1"}`, 201, ""},
		{"root", "GET /projects/1", 200, `"name":"alpha"`},
		{"root", "GET /projects/1\nX-Is-Resource-Name: true", 200, `"project_id":4`},
		{"root", "GET /projects/1\nX-Is-Resource-Name: false", 200, `"name":"alpha"`},
		{"root", "GET /projects/4", 200, `"name":"1"`},
		{"alice", "GET /projects/1\nX-Is-Resource-Name: true", 403, ""},
		{"alice", "GET /projects/4", 403, ""},
		{"root", "GET /projects/alpha\nX-Is-Resource-Name: maybe", 422, "X-Is-Resource-Name in header"},
	})
	a := w.want(201, "bob", "POST /projects\nX-Resource-Name-In-Location: true\n\n"+`{"project_name":"by-name"}`)
	location("/api/v2.0/projects/by-name")(t, w, a)
	a = w.want(201, "alice", "POST /projects/1/members\n\n"+`{"role_id":2,"member_user":{"user_id":7}}`)
	if got := a.Header().Get("Location"); !strings.HasPrefix(got, "/api/v2.0/projects/1/members/") {
		t.Errorf("Location %q", got)
	}
}

func TestProjectsWithRepositories(t *testing.T) {
	w := newWorld(t)
	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE project SET repo_count = 2 WHERE id = 1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.walk([]step{
		{"alice", "GET /projects/alpha/_deletable", 200, `{"deletable":false,"message":"`},
		{"alice", "DELETE /projects/alpha", 412, "PRECONDITION"},
		{"lim", "GET /projects/alpha/summary", 200, `{"repo_count":2,"quota":{"hard":{"storage":-1},"used":{"storage":`},
		{"gus", "GET /projects/alpha/summary", 200, `{"repo_count":2,"project_admin_count":1,"maintainer_count":1,"developer_count":1,"guest_count":1,"limited_guest_count":1,"quota":{"hard":{"storage":-1},"used":{"storage":`},
		{"root", "GET /projects/1", 200, `"repo_count":2`},
	})
}

func TestMembers(t *testing.T) {
	add := func(fields string) string { return "POST /projects/alpha/members\n\n{" + fields + "}" }
	newWorld(t).walk([]step{
		{"alice", "POST /projects/alpha/members", 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_user":null,"member_group":null`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_user":{}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_group":{"id":1}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_group":{"group_name":"x","group_type":1}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_user":{"user_id":999}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":2,"member_user":{"username":"nobody"}`), 404, "NOT_FOUND"},
		{"alice", add(`"role_id":2,"member_user":{"username":"dev"}`), 409, "CONFLICT"},
		{"alice", add(`"role_id":0,"member_user":{"username":"bob"}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":6,"member_user":{"username":"bob"}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":65537,"member_user":{"username":"bob"}`), 400, "BAD_REQUEST"}, // 1, in 16 bits
		{"alice", add(`"role_id":-65535,"member_user":{"username":"bob"}`), 400, "BAD_REQUEST"},
		{"alice", add(`"role_id":4,"member_user":{"username":"bob"}`), 201, ""},
		{"bob", "GET /projects/alpha/members?entityname=O", 200, `[{"id":8,"project_id":1,"entity_name":"bob","role_name":"maintainer","role_id":4,"entity_id":7,"entity_type":"u"}]`},
		{"alice", "PUT /projects/alpha/members/8\n\n" + `{"role_id":65539}`, 400, "BAD_REQUEST"},
		{"alice", "PUT /projects/alpha/members/8", 400, "BAD_REQUEST"},
		{"alice", "PUT /projects/alpha/members/8\n\n" + `{"role_id":3}`, 200, ""},
		{"bob", "GET /projects/alpha", 200, `"current_user_role_id":3`},
		{"alice", "DELETE /projects/alpha/members/8", 200, ""},
		{"alice", "DELETE /projects/alpha/members/8", 404, "NOT_FOUND"},
		{"bob", "GET /projects/alpha", 403, "FORBIDDEN"},
		{"alice", "GET /projects/alpha/members?page_size=2", 200, `"entity_name":"alice"`},
	})
}

func TestMetadata(t *testing.T) {
	newWorld(t).walk([]step{
		{"alice", "POST /projects/alpha/metadatas/\n\n" + `{"auto_scan":"true","severity":"low"}`, 400, "exactly one"},
		{"alice", "POST /projects/alpha/metadatas/\n\n" + `{}`, 400, "exactly one"},
		{"alice", "POST /projects/alpha/metadatas/\n\n" + `{"owner":"bob"}`, 400, "owner"},
		{"alice", "POST /projects/alpha/metadatas/\n\n" + `{"public":"true"}`, 409, "CONFLICT"},
		{"alice", "PUT /projects/alpha/metadatas/public\n\n" + `{"severity":"low"}`, 400, "exactly one"},
		{"alice", "PUT /projects/alpha/metadatas/severity\n\n" + `{"severity":"low"}`, 404, "NOT_FOUND"},
		{"alice", "PUT /projects/alpha/metadatas/public\n\n" + `{"public":"maybe"}`, 400, "public"},
		{"alice", "POST /projects/alpha/metadatas/\n\n" + `{"severity":"HIGH"}`, 200, ""},
		{"mia", "GET /projects/alpha/metadatas/severity", 200, `{"severity":"high"}`},
		{"bob", "GET /projects/alpha/metadatas/severity", 403, ""},
	})
}

func TestQuotas(t *testing.T) {
	set := func(body string) string { return "PUT /quotas/1\n\n" + body }
	newWorld(t).walk([]step{
		{"root", set(`{"hard":{"storage":0}}`), 400, "from 1 to 1125899906842624"},
		{"root", set(`{"hard":{"storage":-2}}`), 400, "BAD_REQUEST"},
		{"root", set(`{"hard":{"storage":1125899906842625}}`), 400, "BAD_REQUEST"},
		{"root", set(`{"hard":{"count":1}}`), 400, "hard"},
		{"root", set(`{"hard":{"storage":1,"count":1}}`), 400, "hard"},
		{"root", set(`{}`), 422, "hard"},
		{"root", set(`{"hard":{"storage":1}}`), 200, ""}, // less than is used
		{"root", "GET /quotas?sort=-hard.storage&page_size=1", 200, `"hard":{"storage":1}`},
		{"root", "GET /quotas?reference=user", 400, "reference"},
		{"root", "GET /quotas?reference_id=x", 400, "reference_id"},
		{"root", "GET /quotas/999", 404, "quota 999 not found"},
		{"root", strings.Replace(set(`{"hard":{"storage":1}}`), "/1", "/999", 1), 404, "quota 999 not found"},

		{"root", "POST /projects\n\n" + `{"project_name":"gamma","storage_limit":5}`, 201, ""},
		{"root", "GET /projects/gamma/summary", 200, `"hard":{"storage":5}`},
		{"alice", "POST /projects\n\n" + `{"project_name":"delta","storage_limit":5}`, 201, ""}, // who may not say
		{"alice", "GET /projects/delta/summary", 200, `"hard":{"storage":-1}`},
		{"alice", "PUT /projects/delta\n\n" + `{"storage_limit":5}`, 200, ""},
		{"alice", "PUT /projects/delta\n\n" + `{"storage_limit":-2}`, 200, ""}, // nobody looks at it there
		{"alice", "GET /projects/delta/summary", 200, `"hard":{"storage":-1}`},
		{"root", "POST /projects\n\n" + `{"project_name":"eps","storage_limit":-2}`, 400, "storage_limit"},
		{"root", "DELETE /projects/gamma", 200, ""},
		{"root", "GET /quotas/4", 404, "NOT_FOUND"},
	})
}

func TestCaches(t *testing.T) {
	w := newWorld(t)
	aCache(w)
	project := func(fields string) string { return "POST /projects\n\n{" + fields + "}" }
	set := func(fields string) string { return "PUT /projects/cache\n\n" + `{"metadata":{` + fields + `}}` }
	const app = "/projects/cache/repositories/app/artifacts"
	w.walk([]step{
		{"bob", project(`"project_name":"p","registry_id":1`), 403, "FORBIDDEN"},
		{"robot:3", project(`"project_name":"p","registry_id":1`), 403, "FORBIDDEN"},
		{"", project(`"project_name":"p","registry_id":1`), 401, ""},
		{"root", project(`"project_name":"p","registry_id":0`), 400, "registry_id must be above 0"},
		{"root", project(`"project_name":"p","registry_id":-1`), 400, "registry_id must be above 0"},
		{"root", project(`"project_name":"p","registry_id":9`), 400, "there is no registry 9"},
		{"root", project(`"project_name":"p","registry_id":1,"metadata":{"proxy_cache_filter_pattern":"[a"}`), 400, "proxy_cache_filter_pattern"},
		{"root", "GET /projects?q=name%3Dp", 200, "[]"},
		{"root", "GET /retentions/2", 404, ""}, // nor has any of these left a policy
		{"bob", project(`"project_name":"p","registry_id":null`), 201, ""},
		{"bob", "PUT /projects/p\n\n" + `{"registry_id":1,"metadata":{"proxy_speed_kb":"5","proxy_cache_filter_pattern":"[a"}}`, 200, ""},
		{"bob", "GET /projects/p", 200, `"metadata":{"public":"false"}`},

		{"root", "GET /projects/cache", 200, `"name":"cache","registry_id":1,`},
		{"root", "GET /projects?q=registry_id%3D1", 200, `[{"project_id":4,`},
		{"root", "GET /projects?q=registry_id%3D1&with_detail=false", 200, `"registry_id":1`},
		{"root", "GET /projects?q=registry_id%3D2", 200, `[]`},
		{"root", "GET /search?q=cache", 200, `"registry_id":1`},
		{"dev", "GET /projects/cache/summary", 200, `"registry":{"id":1,"name":"other","description":"d","type":"docker-registry","url":"` + other.URL + `","insecure":false,"status":"healthy","creation_time":`},

		{"root", "GET /projects/cache", 200, `"metadata":{"public":"false","retention_id":"1"}`},
		{"root", "GET /retentions/1", 200, `"action":"retain","template":"nDaysSinceLastPull","params":{"nDaysSinceLastPull":7},"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"`},
		{"root", "GET /retentions/1", 200, `"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"`},
		{"root", "GET /retentions/1", 200, `"cron":"0 0 0 * * *","next_scheduled_time":"`},
		{"root", "GET /retentions/1", 200, `"scope":{"level":"project","ref":4}`},

		{"root", set(`"proxy_speed_kb":"512","max_upstream_conn":"3","proxy_referrer_api":"1","enable_content_trust":"true"`), 200, ""},
		{"root", "GET /projects/cache", 200, `"metadata":{"max_upstream_conn":"3","proxy_referrer_api":"true","proxy_speed_kb":"512","public":"false","retention_id":"1"}`},
		{"root", set(`"proxy_cache_filter_pattern":"a(","proxy_cache_filter_kind":"regex"`), 400, "proxy_cache_filter_pattern"},
		{"root", set(`"proxy_cache_filter_pattern":"a.*","proxy_cache_filter_kind":"regex"`), 200, ""},
		{"root", "PUT /projects/cache/metadatas/proxy_cache_filter_pattern\n\n" + `{"proxy_cache_filter_pattern":"a("}`, 400, "regular expression"},
		{"root", "DELETE /projects/cache/metadatas/proxy_cache_filter_kind", 400, "cannot be removed"},
		{"root", "DELETE /projects/cache/metadatas/proxy_cache_filter_pattern", 200, ""},
		{"root", "DELETE /projects/cache/metadatas/proxy_cache_filter_kind", 200, ""},

		{"root", "POST " + app + "/1/tags\n\n" + `{"name":"2"}`, 405, "the project is a cache of a registry and takes no pushes"},
		{"dev", "POST " + app + "/1/tags\n\n" + `{"name":"2"}`, 405, "METHOD_NOT_ALLOWED"},
		{"bob", "POST " + app + "/1/tags\n\n" + `{"name":"2"}`, 403, "FORBIDDEN"},
		{"dev", "POST " + app + "?from=open/app:1", 405, "METHOD_NOT_ALLOWED"},
		{"bob", "POST " + app + "?from=open/app:1", 403, "FORBIDDEN"},
		{"root", "POST /projects/alpha/repositories/copy/artifacts?from=cache/app:1", 201, ""},
		{"root", "DELETE /registries/1", 412, "PRECONDITION"},
		{"root", "DELETE " + app + "/1", 200, ""},
		{"root", "DELETE /projects/cache/repositories/app", 200, ""},
		{"root", "DELETE /projects/cache", 200, ""},
		{"root", "GET /retentions/1", 404, ""},
		{"root", "DELETE /registries/1", 200, ""},
	})
}

// TestACachesUpstreamIsShownWithoutItsCredential, also to everybody where the
// project is public.
func TestACachesUpstreamIsShownWithoutItsCredential(t *testing.T) {
	w := newWorld(t)
	aCache(w)
	w.want(200, "root", "PUT /projects/cache\n\n"+`{"metadata":{"public":"true"}}`)
	for _, as := range []string{"root", "dev", "bob", ""} {
		body := w.want(200, as, "GET /projects/cache/summary").Body.String()
		if strings.Contains(body, "credential") || strings.Contains(body, "access") || !strings.Contains(body, `"name":"other"`) {
			t.Errorf("%s is shown %s", as, body)
		}
	}
}

func TestOfSomeRegistriesThereAreNoCaches(t *testing.T) {
	w := newWorld(t)
	for id, kind := range map[int64]string{1: "huawei-SWR", 2: "quay"} {
		err := w.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO endpoint (id, name, kind, url, sealed, healthy, created, updated, checked) VALUES (?, ?, ?, 'https://registry.example.org', ?, ?, 0, 0, 0)`, id, kind, kind, []byte{}, false)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.walk([]step{
		{"root", "POST /projects\n\n" + `{"project_name":"p","registry_id":1}`, 400, "huawei-SWR"},
		{"root", "POST /projects\n\n" + `{"project_name":"p","registry_id":2}`, 201, ""}, // it need not answer
		{"root", "GET /projects/p/summary", 200, `"status":"unhealthy"`},
	})
}
