package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// everything is a body with every field that any table or any body here has,
// as somebody would send it who hopes that one of them is taken over.
func everything(w *world, own string) string {
	fields := map[string]any{
		"id": 1, "ID": 1, "user_id": 1, "project_id": 2, "owner_id": 7, "entity_id": 7, "role": 1, "admin": true,
		"sysadmin_flag": true, "has_admin_role": true, "HasAdminRole": true, "admin_role_in_auth": true, "deleted": true,
		"password_hash": "x", "salt": "x", "secret": "x", "creation_time": "2001-01-01T00:00:00.000Z", "Created": 1,
		"update_time": "2001-01-01T00:00:00.000Z", "repo_count": 9, "owner_name": "bob", "deleted_at": 1, "expires_at": 4102444800,
		"editable": false, "creator_type": "robot", "creator_ref": 9, "kind": "g", "entity_type": "g", "metadata_public": true,
	}
	for _, table := range []string{"account", "project", "member", "robot"} {
		for _, column := range w.columns(table) {
			if _, set := fields[column]; !set {
				fields[column] = "1"
			}
		}
	}
	var mine map[string]any
	if err := json.Unmarshal([]byte(own), &mine); err != nil {
		w.t.Fatal(err)
	}
	maps.Copy(fields, mine)
	body, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// TestMassAssignment sends every field to every operation that changes
// something, and looks which columns of which rows are others then.
func TestMassAssignment(t *testing.T) {
	tests := []struct {
		as, request, own string
		changes          []string // columns of existing rows, and rows that are new
	}{
		{"alice", "PUT /users/2", `{"email":"new@example.org","realname":"New","comment":"new","password":"x"}`,
			[]string{"account.comment of 2", "account.email of 2", "account.realname of 2", "account.updated of 2"}},
		{"alice", "PUT /users/2/password", newPassword, []string{"account.password of 2", "account.sessions_from of 2", "account.updated of 2"}},
		{"root", "PUT /users/2/sysadmin", `{"sysadmin_flag":true}`, []string{"account.admin of 2", "account.updated of 2"}},
		{"root", "POST /users", newUser, []string{"account of 8"}},
		{"bob", "POST /projects", `{"project_name":"gamma","name":"delta","public":false,"metadata":{"public":"false","owner_id":"1"}}`,
			[]string{"member of 8", "project of 4"}},
		{"alice", "PUT /projects/alpha", `{"project_name":"renamed","name":"renamed","public":true,"metadata":{"auto_scan":"true","owner_id":"1"}}`,
			[]string{"project.metadata of 1", "project.updated of 1"}},
		{"alice", "POST /projects/alpha/members", `{"role_id":2,"member_user":{"user_id":7,"username":"root"}}`, []string{"member of 8"}},
		{"alice", "PUT /projects/alpha/members/4", `{"role_id":5}`, []string{"member.role of 4", "member.updated of 4"}},
		{"alice", "POST /robots", newRobot, []string{"robot of 4"}},
		{"alice", "PUT /robots/1", changedRobot,
			[]string{"robot.description of 1", "robot.duration of 1", "robot.expires of 1", "robot.permissions of 1", "robot.updated of 1"}},
		{"alice", "PATCH /robots/1", `{"secret":""}`, []string{"robot.secret of 1", "robot.updated of 1"}},
		{"alice", "PUT /projects/alpha/repositories/app", `{"description":"new"}`, []string{"repository.description of 1", "repository.updated of 1"}},
		{"alice", "POST /projects/alpha/repositories/app/artifacts/1/tags", `{"name":"2"}`, []string{"artifact.tag_names of 1", "repository.updated of 1", "tag of 7"}},
		{"alice", "POST /labels", newLabel, []string{"label of 1"}},
		{"alice", "PUT /labels/1", `{"name":"new","description":"new","color":"#000000"}`,
			[]string{"label.color of 1", "label.description of 1", "label.name of 1", "label.updated of 1"}},
		{"alice", "POST /projects/alpha/immutabletagrules", strings.Replace(newRule, "{", `{"disabled":false,"priority":0,`, 1), []string{"immutable_rule of 1"}},
		{"alice", "PUT /projects/alpha/immutabletagrules/1", strings.NewReplacer("v*", "w*", `{"action"`, `{"disabled":false,"priority":0,"action"`).Replace(newRule),
			[]string{"immutable_rule.tags of 1", "immutable_rule.updated of 1"}},
		{"root", "PUT /system/CVEAllowlist", `{"items":[{"cve_id":"CVE-1"}]}`, []string{"cve_allowlist of 1"}},
		{"alice", "PUT /projects/1", `{"project_name":"alpha","name":"alpha","public":false,"metadata":{},"cve_allowlist":{"id":9,"project_id":1,"items":[{"cve_id":"CVE-1"}]}}`, []string{"cve_allowlist of 1"}},
		{"alice", "POST /projects/alpha/trust", newTrust, []string{"project.trust_revision of 1", "trust_entry of 1"}},
		{"alice", "PUT /projects/alpha/trust/1", strings.Replace(newTrust, `"ci"`, `"release","description":"new"`, 1),
			[]string{"project.trust_revision of 1", "trust_entry.description of 1", "trust_entry.name of 1", "trust_entry.updated of 1"}},
	}
	for _, tt := range tests {
		w := newWorld(t)
		switch {
		case strings.HasPrefix(tt.request, "PUT /labels"):
			aLabel(w)
		case strings.HasPrefix(tt.request, "PUT /projects/alpha/immutable"):
			aRule(w)
		case strings.HasPrefix(tt.request, "PUT /projects/alpha/trust"):
			aTrust(w)
		}
		tables := []string{"account", "project", "member", "robot", "repository", "artifact", "tag", "label", "immutable_rule", "cve_allowlist", "trust_entry"}
		before := map[string]string{}
		for _, table := range tables {
			maps.Copy(before, w.rows(table))
		}
		body := everything(w, tt.own)
		got := w.do(tt.as, tt.request+"\n\n"+body)
		if got.Code != 200 && got.Code != 201 {
			t.Errorf("%s: %d %s", tt.request, got.Code, got.Body)
			continue
		}
		var changes []string
		for _, table := range tables {
			for key, value := range w.rows(table) {
				old, was := before[key]
				switch {
				case !was:
					changes = append(changes, table+key[strings.Index(key, " of "):])
				case old != value:
					changes = append(changes, key)
				}
			}
		}
		slices.Sort(changes)
		if changes = slices.Compact(changes); !slices.Equal(changes, tt.changes) {
			t.Errorf("%s changed\n%q, want\n%q", tt.request, changes, tt.changes)
		}
		w.created(tt.request)
	}
}

// created holds the rows that are new in TestMassAssignment against what they
// may be.
func (w *world) created(request string) {
	w.t.Helper()
	switch request {
	case "POST /users":
		if u := w.rows("account"); u["account.admin of 8"] != "0" || u["account.deleted of 8"] != "0" {
			w.t.Errorf("the new user: %v", u)
		}
	case "POST /projects":
		p := w.rows("project")
		if p["project.owner_id of 4"] != "7" || p["project.name of 4"] != "gamma" || p["project.public of 4"] != "0" || p["project.repo_count of 4"] != "0" {
			w.t.Errorf("the new project: %v", p)
		}
	case "POST /projects/alpha/members":
		if m := w.rows("member"); m["member.project_id of 8"] != "1" || m["member.kind of 8"] != "u" || m["member.role of 8"] != "2" {
			w.t.Errorf("the new member: %v", m)
		}
	case "PUT /system/CVEAllowlist", "PUT /projects/1":
		whose := map[string]string{"PUT /system/CVEAllowlist": "0", "PUT /projects/1": "1"}[request]
		if l := w.rows("cve_allowlist"); l["cve_allowlist.project_id of 1"] != whose {
			w.t.Errorf("the list: %v", l)
		}
	case "POST /robots":
		if r := w.rows("robot"); r["robot.project_id of 4"] != "1" || r["robot.creator_id of 4"] != "2" || r["robot.creator_kind of 4"] != "local" {
			w.t.Errorf("the new robot: %v", r)
		}
	}
}

// lists are the operations with q and sort, with what their items are made of
// and a field of each kind.
var lists = []struct {
	path, table string
	fields      []string
}{
	{"/users?", "account", []string{"username", "user_id", "sysadmin_flag", "creation_time"}},
	{"/projects?", "project", []string{"name", "project_id", "public", "creation_time"}},
	{"/robots?", "robot", []string{"name", "id", "disabled", "level", "expires_at"}},
	{"/scanners?", "scanner", []string{"name", "uuid", "disabled", "is_default", "create_time"}},
}

// listed are the fields that each list may be filtered and sorted by.
var listed = map[string][]string{
	"account": {"user_id", "username", "email", "realname", "sysadmin_flag", "creation_time", "update_time"},
	"project": {"name", "project_id", "owner", "owner_id", "owner_name", "public", "repo_count", "creation_time", "update_time"},
	"scanner": {"name", "description", "url", "disabled"},
	"robot":   {"id", "name", "level", "project_id", "description", "disable", "disabled", "duration", "expires_at", "creation_time", "update_time"},
}

func TestUnlistedColumnsNeitherFilterNorSort(t *testing.T) {
	w := newWorld(t)
	for _, l := range lists {
		plain := w.want(200, "root", "GET "+l.path).Body.String()
		names := append(w.columns(l.table), "password", "secret", "Password", "hash", "salt", "a.password", "m.role", "account.password", "signing_key.private")
		for _, column := range names {
			if slices.Contains(listed[l.table], column) {
				continue
			}
			for _, text := range []string{
				"q=" + url.QueryEscape(column+"=~$argon2"), "q=" + url.QueryEscape(column+"=~zzz"), "q=" + url.QueryEscape(column+"=x"),
				"q=" + url.QueryEscape(column+"=[0~1]"), "q=" + url.QueryEscape(column+"={0 1}"), "q=" + url.QueryEscape(column+"__in={a b}"),
				"sort=" + column, "sort=-" + column,
			} {
				if got := w.want(200, "root", "GET "+l.path+text).Body.String(); got != plain {
					t.Errorf("%s%s changes the list", l.path, text)
				}
			}
		}
	}
}

// injections are texts that would do something if they got into a statement.
var injections = []string{
	"'", "''", `"`, "`", "\\", "%", "_", "%25", ";", "--", "/*", "*/", "' OR '1'='1", "' OR 1=1 --", "') OR ('1'='1", "1 OR 1=1",
	"1; DROP TABLE account", "'; UPDATE account SET admin = TRUE; --", "' UNION SELECT password FROM account --", "name) FROM account --",
	"name, (SELECT password FROM account LIMIT 1)", "CASE WHEN 1=1 THEN name ELSE id END", "name DESC; --", "1 ASC", "?", "$1", ":name", "@x",
	"\x00", "\xff\xfe", "é", "🦀", "0x31", "1e9", "9223372036854775808", "-1", "NULL", "true", "[~", "{", "(", "~", "randomblob(1000000000)",
	strings.Repeat("a", 3000), strings.Repeat("%_", 1000),
}

func TestInjection(t *testing.T) {
	w := newWorld(t)
	before := w.rows("account")
	all := map[string]int{}
	for _, l := range lists {
		all[l.path] = len(into[[]map[string]any](t, w.want(200, "root", "GET "+l.path+"page_size=100")))
	}
	try := func(path string) {
		t.Helper()
		a := w.do("root", "GET "+path)
		if a.Code != 200 && a.Code != 400 && a.Code != 422 {
			t.Errorf("%.120q: %d %s", a.request, a.Code, a.Body)
		}
		if body := strings.ToLower(a.Body.String()); strings.Contains(body, "argon2") || strings.Contains(body, "sql") || strings.Contains(body, "syntax") {
			t.Errorf("%.120q: %s", a.request, body)
		}
	}
	for _, text := range injections {
		escaped := url.QueryEscape(text)
		for _, l := range lists {
			for _, field := range append(l.fields, text) {
				for _, form := range []string{"%s=%s", "%s=~%s", "%s=[%s~]", "%s={%s %[2]s}", "%s=(%s)"} {
					try(l.path + "q=" + url.QueryEscape(fmt.Sprintf(form, field, text)))
				}
			}
			for _, form := range []string{"sort=%s", "sort=-%s", "page=%s", "page_size=%s", "sort=name,%s"} {
				try(l.path + fmt.Sprintf(form, escaped))
			}
		}
		for _, path := range []string{"/users/search?username=", "/projects?name=", "/projects?owner=", "/projects/alpha/members?entityname=", "/users/current/permissions?scope="} {
			try(path + escaped)
		}
	}
	for key, value := range w.rows("account") {
		if before[key] != value {
			t.Errorf("%s became %q", key, value)
		}
	}
	for _, l := range lists {
		// What is no name of anything finds nothing, and not everything.
		for _, text := range []string{"' OR '1'='1", "%", "_"} {
			a := w.want(200, "root", "GET "+l.path+"q="+url.QueryEscape("name=~"+text)+"&page_size=100")
			if n := len(into[[]map[string]any](t, a)); l.table != "account" && n == all[l.path] {
				t.Errorf("%s finds all %d", a.request, n)
			}
		}
	}
}

func TestIDsAreLookedUpInTheirProject(t *testing.T) {
	w := newWorld(t)
	betas := into[[]memberEntity](t, w.want(200, "bob", "GET /projects/beta/members"))
	if len(betas) != 1 || betas[0].ProjectID != 2 {
		t.Fatalf("members of beta: %+v", betas)
	}
	// alice may do everything in alpha, and names a member of beta there.
	for _, request := range []string{"GET %s", "PUT %s\n\n" + `{"role_id":5}`, "DELETE %s"} {
		path := fmt.Sprintf("/projects/alpha/members/%d", betas[0].ID)
		code, _ := problemOf(t, w.want(404, "alice", fmt.Sprintf(request, path)))
		absent, _ := problemOf(t, w.want(404, "alice", fmt.Sprintf(request, "/projects/alpha/members/999")))
		if code != absent {
			t.Errorf("a member of another project is told from none: %s, %s", code, absent)
		}
	}
	w.want(200, "bob", fmt.Sprintf("GET /projects/beta/members/%d", betas[0].ID))

	// Robots and users of others look as if they were not there.
	for _, request := range []string{"GET /robots/%d", "PUT /robots/%d\n\n" + changedRobot, "PATCH /robots/%d\n\n{}", "DELETE /robots/%d",
		"GET /users/%d", "PUT /users/%d\n\n" + profile, "PUT /users/%d/password\n\n" + newPassword, "DELETE /users/%d"} {
		there := w.want(403, "alice", fmt.Sprintf(request, 3)).Body.String()
		if absent := w.want(403, "alice", fmt.Sprintf(request, 999)).Body.String(); there != absent {
			t.Errorf("%s: %s, absent: %s", request, there, absent)
		}
	}
}

func TestProjectsThatDoNotExist(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/projects/none", "/projects/999", "/projects/none/members", "/projects/none/summary", "/projects/ALPHA", "/projects/alpha%2F"} {
		w.want(401, "", "GET "+path)
		hidden := w.want(403, "bob", "GET "+path).Body.String()
		if private := w.want(403, "bob", "GET /projects/alpha").Body.String(); hidden != private {
			t.Errorf("%s is told from a private project: %s, %s", path, hidden, private)
		}
		w.want(404, "root", "GET "+path)
	}
	if _, message := problemOf(t, w.do("root", "GET /projects/none")); message != "project none not found" {
		t.Errorf("message %q", message)
	}
	w.want(400, "root", "GET /projects/a%20b")
}

func TestEachListTakesBackWhatItShows(t *testing.T) {
	w := newWorld(t)
	expires := into[robotBody](t, w.want(200, "root", "GET /robots/3")).Expires
	w.want(200, "root", "PUT /robots/3\n\n"+`{"duration":30,"permissions":[{"kind":"system","namespace":"/","access":[{"resource":"user","action":"list"}]}]}`)
	later := into[robotBody](t, w.want(200, "root", "GET /robots/3")).Expires
	if expires != -1 || later < 1e9 {
		t.Fatalf("expires_at %d, then %d", expires, later)
	}
	for q, want := range map[string]int{
		"expires_at=%d": 1, "expires_at=[%d~]": 1, "expires_at=[~%d]": 1, "expires_at={%d 7}": 1, "expires_at=-1,duration=%d": 0,
	} {
		a := w.want(200, "root", "GET /robots?q="+url.QueryEscape(fmt.Sprintf(q, later)))
		if n := len(into[[]robotBody](t, a)); n != want {
			t.Errorf("%s: %d robots, want %d", a.request, n, want)
		}
	}
}
