package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestAllowlists(t *testing.T) {
	items := func(ids ...string) string {
		for i, id := range ids {
			ids[i] = fmt.Sprintf(`{"cve_id":%q}`, id)
		}
		return `"items":[` + strings.Join(ids, ",") + `]`
	}
	var many []string
	for i := range 5001 {
		many = append(many, fmt.Sprintf("CVE-%d", i))
	}
	lists := []struct {
		list   string
		status int
		has    string
	}{
		{`{` + items("CVE-2026-1", " GHSA-x ") + `}`, 200, `"items":[{"cve_id":"CVE-2026-1"},{"cve_id":"GHSA-x"}]`},
		{`{` + items("CVE-1", "CVE-1") + `}`, 400, "item 2: CVE-1 is there twice"},
		{`{` + items("CVE-1", "cve-1 ") + `}`, 400, "twice"},
		{`{` + items("CVE-1", " ") + `}`, 400, "item 2: cve_id is blank"},
		{`{"items":[{}]}`, 400, "blank"},
		{`{` + items("CVE-1,CVE-2") + `}`, 400, "commas"},
		{`{` + items("CVE 1") + `}`, 400, "spaces"},
		{`{"items":[{"cve_id":"\u0000"}]}`, 400, "item 1"},
		{`{` + items(strings.Repeat("x", 129)) + `}`, 400, "128 bytes"},
		{`{` + items(many...) + `}`, 400, "5000"},
		{`{"items":[],"expires_at":-1}`, 400, "expires_at"},
		{`{"items":[],"expires_at":253402300800}`, 400, "expires_at"},
		{`{"items":[],"expires_at":9223372036854775807}`, 400, "expires_at"},
		{`{"items":[{"cve_id":7}]}`, 422, "cve_id"},
		{`{"items":"x"}`, 422, "items"},
		{`{` + items("CVE-2") + `,"expires_at":253402300799,"id":77,"creation_time":"2001-01-01T00:00:00.000Z"}`, 200, `"expires_at":253402300799,"items":[{"cve_id":"CVE-2"}]`},
		{`{"items":null,"expires_at":null}`, 200, `"items":[]`},
	}
	w := newWorld(t)
	for _, l := range lists {
		want := func(request string, a answer) {
			t.Helper()
			body := a.Body.String()
			if l.status == 200 {
				body = w.want(200, "root", request).Body.String()
			}
			if !strings.Contains(body, l.has) {
				t.Errorf("%.100s: no %s in %s", l.list, l.has, body)
			}
		}
		want("GET /system/CVEAllowlist", w.want(l.status, "root", "PUT /system/CVEAllowlist\n\n"+l.list))
		want("GET /projects/alpha", w.want(l.status, "alice", "PUT /projects/alpha\n\n"+`{"cve_allowlist":`+l.list+`}`))
		w.want(l.status, "alice", "PUT /projects/alpha\n\n"+`{"cve_allowlist":`+l.list+`}`)
	}
	w.want(200, "root", "PUT /system/CVEAllowlist\n\n"+`{"project_id":1,`+items("CVE-9")+`}`)
	w.walk([]step{
		{"root", "GET /projects/alpha", 200, `"project_id":1,"items":[]`},
		{"root", "GET /system/CVEAllowlist", 200, `"project_id":0,"items":[{"cve_id":"CVE-9"}]`},
	})
}

func TestProjectsHaveTheirAllowlist(t *testing.T) {
	w := newWorld(t)
	list := `"cve_allowlist":{"items":[{"cve_id":"CVE-1"}],"expires_at":4102444800}`
	w.walk([]step{
		{"bob", "GET /projects/beta", 200, `"cve_allowlist":{"id":0,"project_id":2,"items":[],"creation_time":"2`},
		{"bob", "POST /projects\n\n" + `{"project_name":"gamma",` + list + `}`, 201, ""},
		{"bob", "GET /projects/gamma", 200, `"project_id":4,"expires_at":4102444800,"items":[{"cve_id":"CVE-1"}]`},
		{"bob", "POST /projects\n\n" + `{"project_name":"delta","cve_allowlist":{"items":[{"cve_id":""}]}}`, 400, "blank"},
		{"bob", "HEAD /projects?project_name=delta", 404, ""},
		{"bob", "PUT /projects/beta\n\n" + `{"cve_allowlist":{"items":[{"cve_id":"CVE-2"}],"project_id":1}}`, 400, "another project"},
		{"alice", "PUT /projects/beta\n\n" + `{"cve_allowlist":{"items":[]}}`, 403, ""},
		{"bob", "PUT /projects/beta\n\n" + `{"cve_allowlist":{"items":[{"cve_id":"CVE-2"}],"project_id":2}}`, 200, ""},
		{"bob", "PUT /projects/beta\n\n" + `{"metadata":{"reuse_sys_cve_allowlist":"false"}}`, 200, ""},
		{"bob", "GET /projects/beta", 200, `"items":[{"cve_id":"CVE-2"}]`},
		{"bob", "PUT /projects/beta\n\n" + `{"metadata":{"auto_scan":"x"},"cve_allowlist":{"items":[]}}`, 400, "auto_scan"},
		{"bob", "GET /projects/beta", 200, `"items":[{"cve_id":"CVE-2"}]`},
		{"bob", "PUT /projects/beta\n\n" + `{"metadata":{"auto_scan":"true"},"cve_allowlist":{"items":[{"cve_id":" "}]}}`, 400, "blank"},
		{"bob", "GET /projects/beta", 200, `"metadata":{"public":"false","reuse_sys_cve_allowlist":"false"}`},
		{"bob", "GET /projects?sort=-name&page_size=2", 200, `"items":[{"cve_id":"CVE-1"}]`},
		{"root", "DELETE /projects/gamma", 200, ""},
		{"bob", "POST /projects\n\n" + `{"project_name":"gamma"}`, 201, ""},
		{"bob", "GET /projects/gamma", 200, `"project_id":5,"items":[]`},
	})
	if n := len(w.rows("cve_allowlist")) / len(w.columns("cve_allowlist")); n != 1 {
		t.Errorf("%d lists are kept", n)
	}
}
