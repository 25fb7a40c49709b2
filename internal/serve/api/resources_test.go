package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/robot"
)

// A step is a request and what comes of it: a status, and parts of the body.
type step struct {
	as, request string
	status      int
	has         string
}

func (w *world) walk(steps []step) {
	w.t.Helper()
	for _, s := range steps {
		if a := w.want(s.status, s.as, s.request); !strings.Contains(a.Body.String(), s.has) {
			w.t.Errorf("%s: no %s in %s", a.request, s.has, a.Body)
		}
	}
}

func TestUsers(t *testing.T) {
	user := func(fields string) string { return "POST /users\n\n" + fields }
	newWorld(t).walk([]step{
		{"root", user(newUser), 201, ""},
		{"root", user(newUser), 409, "CONFLICT"},
		{"root", user(strings.Replace(newUser, `"eve"`, `"a~b"`, 1)), 400, "BAD_REQUEST"},
		{"root", user(strings.Replace(newUser, canary, "short", 1)), 400, "BAD_REQUEST"},
		{"root", user(strings.Replace(newUser, "eve@example.org", "eve", 1)), 400, "BAD_REQUEST"},
		{"root", "GET /users/8", 200, `"sysadmin_flag":false,"admin_role_in_auth":false`},
		{"root", "GET /users?sort=-username&page_size=1", 200, `"username":"root"`},
		{"root", "GET /users?q=username%3D~AL", 200, `"username":"alice"`},
		{"root", "GET /users?username=AL&page_size=1", 200, `"username":"alice"`},
		{"root", "GET /users?email=LICE@example&page_size=1", 200, `"username":"alice"`},
		{"root", "GET /users?username=al&email=bob", 200, "[]"},
		{"alice", "GET /users/search?username=E", 200, `{"user_id":2,"username":"alice"}`},
		{"alice", "GET /users/search?username=", 422, "username in query is required"},
		{"root", "GET /users/999", 404, "user 999 not found"},
		{"root", "PUT /users/999\n\n" + profile, 404, "user 999 not found"},
		{"root", "DELETE /users/999", 404, "user 999 not found"},
		{"root", "DELETE /users/1", 403, "FORBIDDEN"},
		{"alice", "PUT /users/2\n\n" + strings.Replace(profile, "alice@", "bob@", 1), 409, "CONFLICT"},
		{"root", `PUT /users/1/sysadmin` + "\n\n" + `{"sysadmin_flag":false}`, 403, "FORBIDDEN"},
		{"alice", "GET /users/current", 200, `"username":"alice","email":"alice@example.org","realname":"R. alice","comment":"","sysadmin_flag":false`},
	})
}

func TestPasswords(t *testing.T) {
	change := func(user int, old, new string) string {
		return fmt.Sprintf("PUT /users/%d/password\n\n"+`{"old_password":%q,"new_password":%q}`, user, old, new)
	}
	newWorld(t).walk([]step{
		{"alice", change(2, password, password), 400, "BAD_REQUEST"},
		{"alice", change(2, password, "weak"), 400, "BAD_REQUEST"},
		{"root", change(1, "", canary), 403, "FORBIDDEN"}, // their own takes the old one, of administrators too
		{"root", change(2, "", canary), 200, ""},
		{"root", change(999, "", canary), 404, "user 999 not found"},
		{"alice", change(2, canary, password), 200, ""},
		{"bob", change(7, "Wrong-Passw0rd", canary), 403, "FORBIDDEN"},
	})
}

func TestOwnPermissions(t *testing.T) {
	w := newWorld(t)
	ask := func(as, query string) string {
		return w.want(200, as, "GET /users/current/permissions"+query).Body.String()
	}
	for _, tt := range []struct{ as, query, has, hasNot string }{
		{"alice", "?scope=/project/1&relative=true", `{"resource":".","action":"update"}`, "/project/1"},
		{"alice", "?scope=/project/1", `{"resource":"/project/1","action":"update"}`, `"."`},
		{"alice", "?scope=/project/1/", `{"resource":"/project/1/member","action":"create"}`, "//"},
		{"mia", "?scope=/project/1&relative=true", `{"resource":"repository","action":"delete"}`, `{"resource":"member","action":"create"}`},
		{"bob", "?scope=/project/3&relative=true", `{"resource":"member","action":"create"}`, "system"},
		{"alice", "?scope=/project/3&relative=true", `{"resource":"repository","action":"pull"}`, "push"},
		{"root", "?scope=/system", `{"resource":"/system/user","action":"create"}`, "project/"},
		{"robot:3", "?scope=/system&relative=true", `{"resource":"project","action":"list"}`, "create"},
		{"root", "?scope=/project/1&relative=true", `{"resource":"metadata","action":"list"}`, "/"},
	} {
		got := ask(tt.as, tt.query)
		if !strings.Contains(got, tt.has) || strings.Contains(got, tt.hasNot) {
			t.Errorf("%s %s: %s", tt.as, tt.query, got)
		}
	}
	for _, query := range []string{"", "?scope=", "?scope=/", "?scope=/project", "?scope=/project/x", "?scope=/project/999", "?scope=/project/alpha", "?scope=/nothing/1", "?scope=/project/1/member"} {
		for _, as := range []string{"root", "bob"} {
			if got := ask(as, query); got != "[]\n" {
				t.Errorf("%s %s: %s", as, query, got)
			}
		}
	}
	for _, query := range []string{"?scope=/project/1", "?scope=/system"} {
		if got := ask("bob", query); got != "[]\n" {
			t.Errorf("bob %s: %s", query, got)
		}
	}
}

func TestRobots(t *testing.T) {
	w := newWorld(t)
	project := func(name, namespace, resource, action string, duration int) string {
		return fmt.Sprintf("POST /robots\n\n"+`{"name":%q,"level":"project","duration":%d,"permissions":[{"kind":"project","namespace":%q,"access":[{"resource":%q,"action":%q}]}]}`,
			name, duration, namespace, resource, action)
	}
	system := "POST /robots\n\n" + `{"name":"global","level":"system","duration":-1,"disable":true,"permissions":[{"kind":"system","namespace":"/","access":[{"resource":"user","action":"list","effect":"allow"}]},{"kind":"project","namespace":"*","access":[{"resource":"repository","action":"pull"}]}]}`
	w.walk([]step{
		{"alice", project("a+b", "alpha", "repository", "pull", 1), 400, "BAD_REQUEST"},
		{"alice", project("ok", "alpha", "repository", "pull", 0), 400, "BAD_REQUEST"},
		{"alice", project("ok", "alpha", "repository", "fly", 1), 400, "BAD_REQUEST"},
		{"alice", project("ci", "alpha", "repository", "pull", 1), 409, "CONFLICT"},
		{"alice", project("ok", "beta", "repository", "pull", 1), 403, "FORBIDDEN"},
		{"alice", project("ok", "none", "repository", "pull", 1), 403, "FORBIDDEN"},
		{"root", project("ok", "none", "repository", "pull", 1), 404, "NOT_FOUND"},
		{"alice", "POST /robots\n\n" + `{"name":"x","level":"project"}`, 400, "BAD_REQUEST"},
		{"root", "POST /robots\n\n" + `{"name":"x","level":"both"}`, 400, "BAD_REQUEST"},
		{"root", "POST /robots\n\n" + strings.Replace(newRobot, `"pull"`, `"pull","effect":"deny"`, 1), 400, "effect"},
		{"alice", system, 403, "FORBIDDEN"},
		{"root", system, 201, `"name":"robot$global"`},
		{"root", "GET /robots/4", 200, `"level":"system","duration":-1,"editable":true,"disable":true,"expires_at":-1`},
		{"root", "GET /robots/4", 200, `"creator_type":"local","creator_ref":1`},
		{"root", "GET /robots", 200, `"name":"robot$sys"`},
		{"root", "GET /robots?q=Level%3Dproject", 400, "BAD_REQUEST"},
		{"root", "GET /robots?q=Level%3Dproject,ProjectID%3D999", 404, "NOT_FOUND"},
		{"bob", "GET /robots?q=Level%3Dproject,ProjectID%3D1", 403, "FORBIDDEN"},
		{"bob", "GET /robots?q=Level%3Dproject,ProjectID%3D1,project_id%3D2", 200, `"name":"robot$beta+ci"`},
		{"alice", "GET /robots?q=Level%3Dsystem", 403, "FORBIDDEN"},
		{"root", "GET /robots/999", 404, "NOT_FOUND"},
		{"root", "PUT /robots/999\n\n" + changedRobot, 404, "NOT_FOUND"},
		{"root", "PATCH /robots/999\n\n{}", 404, "NOT_FOUND"},
		{"root", "DELETE /robots/999", 404, "NOT_FOUND"},
		{"alice", "PUT /robots/1\n\n" + strings.Replace(changedRobot, "alpha+ci", "other", 1), 400, "name"},
		{"alice", "PUT /robots/1\n\n" + strings.Replace(changedRobot, `"level":"project"`, `"level":"system"`, 1), 400, "level"},
		{"alice", "PUT /robots/1\n\n" + strings.Replace(changedRobot, `"namespace":"alpha"`, `"namespace":"beta"`, 1), 400, "project"},
		{"alice", "PUT /robots/1\n\n" + strings.Replace(changedRobot, `"duration":30`, `"duration":0`, 1), 400, "duration"},
		{"alice", "PUT /robots/1\n\n" + strings.Replace(changedRobot, `"duration":30,`, ``, 1), 200, ""},
		{"alice", "GET /robots/1", 200, `"duration":-1`},
		{"alice", `PATCH /robots/1` + "\n\n" + `{"secret":"weak"}`, 400, "BAD_REQUEST"},
		{"alice", `PATCH /robots/1` + "\n\n" + `{"secret":"` + canary + `"}`, 200, `{"secret":""}`},
	})
}

// TestRobotsGiveNoMoreThanTheyHave lets a robot that may create robots create
// one, and one that could do more.
func TestRobotsGiveNoMoreThanTheyHave(t *testing.T) {
	w := newWorld(t)
	root := access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true})
	maker, _, err := w.robots.Create(root, robot.NewRobot{Name: "maker", Level: "project", Duration: -1, Permissions: []access.Permission{
		{Kind: "project", Namespace: "alpha", Access: []access.Action{{Resource: "robot", Action: "create"}, {Resource: "repository", Action: "pull"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	as := fmt.Sprintf("robot:%d", maker.ID)
	w.walk([]step{
		{as, "POST /robots\n\n" + newRobot, 201, `"name":"robot$alpha+new"`},
		{as, "POST /robots\n\n" + strings.Replace(newRobot, `"pull"`, `"push"`, 1), 403, "DENIED"},
		{as, "POST /robots\n\n" + strings.Replace(newRobot, `"namespace":"alpha"`, `"namespace":"beta"`, 1), 403, "FORBIDDEN"},
		{"root", fmt.Sprintf("GET /robots/%d", maker.ID+1), 200, fmt.Sprintf(`"creator_type":"robot","creator_ref":%d`, maker.ID)},
	})
}

// TestRobotsMakeNoAdministrators lets a robot that may change users try to
// become one who may do everything.
func TestRobotsMakeNoAdministrators(t *testing.T) {
	w := newWorld(t)
	root := access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true})
	keeper, _, err := w.robots.Create(root, robot.NewRobot{Name: "keeper", Level: "system", Duration: -1, Permissions: []access.Permission{
		{Kind: "system", Namespace: "/", Access: []access.Action{{Resource: "user", Action: "create"}, {Resource: "user", Action: "update"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	as := fmt.Sprintf("robot:%d", keeper.ID)
	w.walk([]step{
		{as, "POST /users\n\n" + newUser, 201, ""},
		{as, "PUT /users/8/sysadmin\n\n" + `{"sysadmin_flag":true}`, 403, "FORBIDDEN"},
		{as, "PUT /users/1/sysadmin\n\n" + `{"sysadmin_flag":false}`, 403, "FORBIDDEN"},
		{as, "PUT /users/1/password\n\n" + newPassword, 403, "FORBIDDEN"},
		{as, "PUT /users/2/password\n\n" + newPassword, 200, ""},
		{as, "PUT /users/99/password\n\n" + newPassword, 404, "NOT_FOUND"},
		{"root", "GET /users/8", 200, `"sysadmin_flag":false`},
		{"robot:3", "PUT /users/2/password\n\n" + newPassword, 403, "FORBIDDEN"},
	})
}

func TestSystemInfo(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Certificate = func() []byte { return []byte("PEM") } })
	anonymous := into[map[string]any](t, w.want(200, "", "GET /systeminfo"))
	known := into[map[string]any](t, w.want(200, "lim", "GET /systeminfo"))
	for field, value := range map[string]any{
		"registry_url": "berth.test", "external_url": "http://berth.test", "harbor_version": apiLevel + "-1.2.3", "has_ca_root": true,
		"project_creation_restriction": "everyone", "read_only": false, "registry_storage_provider_name": "filesystem", "notification_enable": true,
	} {
		if known[field] != value {
			t.Errorf("%s is %v, want %v", field, known[field], value)
		}
		if v, told := anonymous[field]; told {
			t.Errorf("nobody is told %s: %v", field, v)
		}
	}
	if now, err := time.Parse("2006-01-02T15:04:05.000Z", fmt.Sprint(known["current_time"])); err != nil || time.Since(now).Abs() > time.Minute {
		t.Errorf("current_time %v: %v", known["current_time"], err)
	}
	for _, field := range []string{"auth_mode", "primary_auth_mode", "self_registration", "banner_message", "oidc_provider_name"} {
		if _, told := anonymous[field]; !told {
			t.Errorf("nobody is told %s", field)
		}
	}
	a := w.want(200, "", "GET /systeminfo/getcert")
	if a.Body.String() != "PEM" || a.Header().Get("Content-Type") != "application/octet-stream" || a.Header().Get("Content-Disposition") != "attachment; filename=ca.crt" {
		t.Errorf("%v %s", a.Header(), a.Body)
	}
}

func TestHealth(t *testing.T) {
	asked := 0
	w := newWorld(t, func(c *Config) {
		c.Components = []Component{
			{"fine", func(context.Context) error { return nil }},
			{"broken", func(context.Context) error { asked++; return errors.New("/secret/path is full") }},
		}
	})
	want := `{"status":"unhealthy","components":[{"name":"fine","status":"healthy"},{"name":"broken","status":"unhealthy","error":"it does not answer as it should; the log says why"}]}` + "\n"
	for range 3 {
		if got := w.want(http.StatusOK, "", "GET /health").Body.String(); got != want {
			t.Errorf("%s", got)
		}
	}
	if asked != 1 {
		t.Errorf("the component was asked %d times", asked)
	}
	if !strings.Contains(w.log.String(), "/secret/path is full") {
		t.Errorf("the log does not say why: %s", &w.log)
	}
}

func TestFailuresAreNotTold(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Volume = func() (total, free uint64, err error) { return 0, 0, errors.New("/secret/path is gone") }
	})
	a := w.want(500, "root", "GET /systeminfo/volumes\nX-Request-Id: r-1")
	if got := a.Body.String(); got != `{"errors":[{"code":"UNKNOWN","message":"internal server error","detail":{"request_id":"r-1"}}]}`+"\n" {
		t.Errorf("%s", got)
	}
	if !strings.Contains(w.log.String(), "/secret/path is gone") || !strings.Contains(w.log.String(), `"operation":"getVolumes"`) {
		t.Errorf("the log: %s", &w.log)
	}
}

func TestGrantable(t *testing.T) {
	w := newWorld(t)
	if got := w.want(200, "root", "GET /permissions").Body.String(); !strings.Contains(got, `"system":[{"resource":"audit-log","action":"list"}`) {
		t.Errorf("%s", got)
	}
	if got := w.want(200, "alice", "GET /permissions").Body.String(); strings.Contains(got, "audit-log") || !strings.Contains(got, `{"resource":"repository","action":"push"}`) {
		t.Errorf("%s", got)
	}
}

func TestASyslogServerMustTakeConnectionsToBeSet(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	set := "PUT /configurations\n\n" + fmt.Sprintf(`{"audit_log_forward_endpoint":%q}`, l.Addr())
	w.want(200, "root", set)
	l.Close()
	w.walk([]step{
		{"root", set, 400, "cannot be reached"},
		{"root", `PUT /configurations` + "\n\n" + `{"audit_log_forward_endpoint":"nowhere"}`, 400, "BAD_REQUEST"},
		{"root", `PUT /configurations` + "\n\n" + `{"audit_log_forward_endpoint":""}`, 200, ""},
	})
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	aLabel(w)
	make := func(fields string) string { return "POST /labels\n\n{" + fields + "}" }
	w.walk([]step{
		{"root", "POST /labels\n\n" + newLabel, 409, "CONFLICT"},
		{"root", make(`"name":"a","scope":"x"`), 400, "scope"},
		{"root", make(`"name":"a","scope":"p"`), 400, "scope"},
		{"root", make(`"name":" ","scope":"g"`), 400, "name"},
		{"root", make(`"name":"` + strings.Repeat("x", 129) + `","scope":"g"`), 400, "name"},
		{"root", make(`"name":"a","scope":"g","color":"red;x"`), 400, "color"},
		{"root", make(`"name":"a","scope":"g","color":"#000000 "`), 400, "color"},
		{"root", make(`"name":"b","scope":"g","color":"false"`), 201, ""}, // as Terraform has it where nothing is said
		{"root", make(`"name":"a","scope":"p","project_id":999`), 404, ""},
		{"alice", make(`"name":"a","scope":"g"`), 403, ""},
		{"alice", make(`"name":"a","scope":"p","project_id":2`), 403, ""},
		{"root", make(`"name":"a","scope":"g","project_id":2`), 201, ""},
		{"", "GET /labels?scope=g", 200, `"name":"a","description":"","color":"","scope":"g","project_id":0`},
		{"", "GET /labels", 400, "scope"},
		{"", "GET /labels?scope=p", 400, "scope"},
		{"", "GET /labels?scope=p&project_id=1", 401, ""},
		{"bob", "GET /labels?scope=p&project_id=1", 403, ""},
		{"gus", "GET /labels?scope=p&project_id=1&name=OLD", 200, `"name":"gold"`},
		{"bob", "GET /labels/1", 403, ""},
		{"bob", "GET /labels/999", 403, ""},
		{"root", "GET /labels/999", 404, "label 999 not found"},
		{"bob", "POST /projects/beta/repositories/app/artifacts/1/labels\n\n" + `{"id":1}`, 404, ""}, // alpha's
		{"bob", "POST /projects/beta/repositories/app/artifacts/1/labels\n\n" + `{"id":2}`, 200, ""},
		{"bob", "GET /projects/beta/repositories/app/artifacts?q=labels%3D(2)", 200, `"repository_name":"beta/app"`},
		{"bob", "GET /projects/beta/repositories/app/artifacts?q=labels%3D(1)", 200, `[]`},
	})
}

func TestImmutableTags(t *testing.T) {
	w := newWorld(t)
	rule := func(old, now string) string {
		return "POST /projects/alpha/immutabletagrules\n\n" + strings.Replace(newRule, old, now, 1)
	}
	w.walk([]step{
		{"alice", rule(`"v*"`, `"1"`), 201, ""},
		{"alice", rule(`"v*"`, `"1"`), 409, "CONFLICT"},
		{"alice", rule(`"v*"`, `"["`), 400, "tag_selectors"},
		{"alice", rule(`"matches"`, `"is"`), 400, "matches or excludes"},
		{"alice", rule(`"repoMatches"`, `"matches"`), 400, "repoMatches or repoExcludes"},
		{"alice", rule(`"doublestar"`, `"regex"`), 400, "kind"},
		{"alice", "POST /projects/alpha/immutabletagrules\n\n{}", 400, "selector"},
		{"alice", "PUT /projects/alpha/immutabletagrules/1\n\n" + strings.Replace(newRule, "{", `{"id":2,`, 1), 400, "id"},
		{"alice", "GET /projects/alpha/repositories/app/artifacts/1?with_immutable_status=true", 200, `"immutable":true`},
		{"alice", "GET /projects/alpha/repositories/app/artifacts/1/tags?with_immutable_status=true", 200, `"immutable":true`},
		{"alice", "DELETE /projects/alpha/repositories/app/artifacts/1/tags/1", 412, "configured as immutable, cannot be deleted/updated"},
		{"alice", "DELETE /projects/alpha/repositories/app/artifacts/1", 412, "configured as immutable"},
		{"alice", "DELETE /projects/alpha/repositories/app", 412, "configured as immutable"},
		{"alice", "POST /projects/alpha/repositories/app/artifacts?from=alpha/lib/base:1", 412, "configured as immutable"},
		{"alice", "DELETE /projects/alpha/immutabletagrules/1", 200, ""},
		{"alice", "DELETE /projects/alpha/repositories/app/artifacts/1/tags/1", 200, ""},
	})
}

func TestARuleTooManyIsRefusedWithHowManyThereMayBe(t *testing.T) {
	w := newWorld(t)
	for i := range immutable.MaxRules {
		w.want(201, "alice", "POST /projects/alpha/immutabletagrules\n\n"+strings.Replace(newRule, "v*", fmt.Sprintf("v%d", i), 1))
	}
	w.walk([]step{{"alice", "POST /projects/alpha/immutabletagrules\n\n" + newRule, 400, "at most 15"}})
}

func TestAModeThatNobodyCouldSignInByIsRefused(t *testing.T) {
	newWorld(t).walk([]step{
		{"root", "PUT /configurations\n\n" + `{"auth_mode":"ldap_auth","ldap_url":"ldap://host"}`, 400, "auth_mode"},
		{"root", "PUT /configurations\n\n" + `{"auth_mode":"db_auth"}`, 200, ""},
	})
}
