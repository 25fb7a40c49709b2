package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/query"
)

func TestUnreadableRequests(t *testing.T) {
	w := newWorld(t)
	big := `{"project_name":"` + strings.Repeat("x", maxBody) + `"}`
	tests := []struct {
		as, request string
		status      int
		code, about string // the message names what it is about
	}{
		{"root", "GET /users?page_size=101", 422, "UNPROCESSABLE_ENTITY", "page_size in query"},
		{"root", "GET /users?page_size=-2", 422, "UNPROCESSABLE_ENTITY", "page_size in query"},
		{"root", "GET /users?page=x", 422, "UNPROCESSABLE_ENTITY", "page in query"},
		{"root", "GET /users/search", 422, "UNPROCESSABLE_ENTITY", "username in query is required"},
		{"root", "GET /users/x", 422, "UNPROCESSABLE_ENTITY", "user_id in path"},
		{"root", "GET /users/99999999999999999999", 422, "UNPROCESSABLE_ENTITY", "user_id in path"},
		{"root", "GET /projects?public=maybe", 422, "UNPROCESSABLE_ENTITY", "public in query"},
		{"root", "POST /projects\n\n{", 422, "UNPROCESSABLE_ENTITY", "malformed JSON"},
		{"root", "POST /projects\n\n[]", 422, "UNPROCESSABLE_ENTITY", "body"},
		{"root", "POST /projects", 422, "UNPROCESSABLE_ENTITY", "body"},
		{"root", `POST /projects` + "\n\n" + `{"project_name":7}`, 422, "UNPROCESSABLE_ENTITY", "project_name in body"},
		{"root", `POST /projects` + "\n\n" + `{"PROJECT_NAME":7}`, 422, "UNPROCESSABLE_ENTITY", "project_name"},
		{"root", `POST /projects` + "\n\n" + `{"project_name":"` + strings.Repeat("x", 256) + `"}`, 422, "UNPROCESSABLE_ENTITY", "project_name in body"},
		{"root", `POST /projects` + "\n\n" + `{"metadata":{"auto_scan":true}}`, 422, "UNPROCESSABLE_ENTITY", "auto_scan"},
		{"root", `POST /projects` + "\n\n" + `{"storage_limit":1e300}`, 422, "UNPROCESSABLE_ENTITY", "storage_limit"},
		{"root", "POST /projects\nContent-Type: application/x-www-form-urlencoded\n\na=b", 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"root", "POST /projects\nContent-Type: text/plain\n\n{}", 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		{"root", "POST /projects\n\n" + big, 413, "REQUEST_ENTITY_TOO_LARGE", "4194305"},
		{"root", "GET /projects\nAccept: image/png", 406, "NOT_ACCEPTABLE", ""},
		{"root", "GET /nowhere", 404, "NOT_FOUND", ""},
		{"root", "GET /nowhere/", 404, "NOT_FOUND", ""},
		{"root", "DELETE /users/", 405, "METHOD_NOT_ALLOWED", ""},
		{"root", "GET /USERS", 404, "NOT_FOUND", ""},
		{"root", "GET /api/v2.0//users", 404, "NOT_FOUND", ""},
		{"root", "GET /users/../users", 404, "NOT_FOUND", ""},
		{"root", "GET /users/%2e%2e/users", 404, "NOT_FOUND", ""},
		{"root", "DELETE /users", 405, "METHOD_NOT_ALLOWED", ""},
		{"root", "GET /users?q=a;b", 400, "BAD_REQUEST", ""},
		{"root", "GET /users?q=name", 400, "BAD_REQUEST", "key=value"},
		{"", "POST /projects\n\n{", 401, "UNAUTHORIZED", "unauthorized"},
		{"bob", "PUT /projects/alpha\n\n{", 403, "FORBIDDEN", "forbidden"},
	}
	for _, tt := range tests {
		a := w.want(tt.status, tt.as, tt.request)
		code, message := problemOf(t, a)
		if code != tt.code || !strings.Contains(message, tt.about) {
			t.Errorf("%.60s: %s %q, want %s about %q", a.request, code, message, tt.code, tt.about)
		}
		if got := a.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("%.60s: content type %q", a.request, got)
		}
	}
	if allow := w.do("root", "DELETE /users").Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow %q", allow)
	}
}

// TestManyMistakes holds what a small request can make of an answer.
func TestManyMistakes(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{1000, maxBody/2 - 100} {
		request := `POST /robots` + "\n\n" + `{"permissions":[` + strings.Repeat("1,", n-1) + `1]}`
		if body := w.want(422, "bob", request).Body; body.Len() > 1000 {
			t.Errorf("%d mistakes are told in %d bytes", n, body.Len())
		}
	}
}

func TestTheLargestBody(t *testing.T) {
	body := `{"project_name":"gamma","pad":"`
	body += strings.Repeat("x", maxBody-len(body)-2) + `"}`
	newWorld(t).want(201, "root", "POST /projects\n\n"+body)
}

func TestAcceptable(t *testing.T) {
	w := newWorld(t)
	for _, accept := range []string{"application/json", "*/*", "application/*", "text/html, */*;q=0.1", "Application/JSON; charset=utf-8"} {
		w.want(200, "root", "GET /projects\nAccept: "+accept)
	}
	w.want(200, "root", "GET /ping\nAccept: text/plain")
	w.want(200, "root", "PUT /users/2\nAccept: text/plain\n\n"+profile)
}

func TestWhatIsLeftOutOrUnknownIsTaken(t *testing.T) {
	w := newWorld(t)
	w.want(201, "root", `POST /projects`+"\n\n"+`{"project_name":"gamma","public":null,"metadata":{"severity":null,"new_thing":{}},"storage_limit":null,"registry_id":null,"surplus":[1]}`)
	w.want(200, "root", "GET /users?surplus=1")
}

func TestASlashAtTheEndSaysNothing(t *testing.T) {
	w := newWorld(t)
	w.walk([]step{
		{"root", "GET /quotas/?page=1&page_size=100", 200, `"name":"alpha"`},
		{"root", "GET /projects/alpha/metadatas", 200, `"public":"false"`},
		{"root", "GET /projects/alpha/metadatas/", 200, `"public":"false"`},
		{"root", "GET /projects/alpha/repositories/lib%252Fbase/", 200, `"name":"alpha/lib/base"`},
		{"alice", `POST /projects/alpha/metadatas` + "\n\n" + `{"auto_scan":"true"}`, 200, ""},
		{"bob", "GET /projects/alpha/metadatas", 403, ""},
		{"root", "GET /projects/", 200, `"name":"alpha"`},
	})
	if got := w.do("root", "POST /projects/alpha/repositories/lib%252Fbase/artifacts/?from=alpha/app:1").Header().Get("Location"); got != base+"/projects/alpha/repositories/lib%252Fbase/artifacts/1" {
		t.Errorf("Location %s", got)
	}
	if got := w.do("root", "GET /users/?page_size=1").Header().Get("Link"); got != `</api/v2.0/users?page=2&page_size=1>; rel="next"` {
		t.Errorf("Link %s", got)
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.want(201, "root", fmt.Sprintf("POST /projects\n\n"+`{"project_name":"p%02d"}`, i))
	}
	tests := []struct {
		query, total string
		items        int
		link         string
	}{
		{"", "15", 10, `</api/v2.0/projects?page=2&page_size=10>; rel="next"`},
		{"?page=2", "15", 5, `</api/v2.0/projects?page=1&page_size=10>; rel="prev"`},
		{"?page=2&page_size=4", "15", 4, `</api/v2.0/projects?page=1&page_size=4>; rel="prev" , </api/v2.0/projects?page=3&page_size=4>; rel="next"`},
		{"?page_size=0", "15", 15, ""},
		{"?page_size=-1", "15", 15, ""},
		{"?page_size=100", "15", 15, ""},
		{"?page=99", "15", 0, ""},
		{"?q=name%3D~p0&page_size=5", "10", 5, `</api/v2.0/projects?page=2&page_size=5&q=name=~p0>; rel="next"`},
		{"?name=P0&sort=-name", "10", 10, ""},
		{"?q=name=nothing", "0", 0, ""},
	}
	for _, tt := range tests {
		a := w.want(200, "root", "GET /projects"+tt.query)
		if got := a.Header().Get("X-Total-Count"); got != tt.total {
			t.Errorf("%s: total %s, want %s", a.request, got, tt.total)
		}
		if got := a.Header().Get("Link"); got != tt.link {
			t.Errorf("%s: Link %s, want %s", a.request, got, tt.link)
		}
		if got := into[[]projectBody](t, a); len(got) != tt.items {
			t.Errorf("%s: %d items, want %d", a.request, len(got), tt.items)
		}
	}
	if body := w.do("root", "GET /projects?q=name=nothing").Body.String(); body != "[]\n" {
		t.Errorf("no items are %q", body)
	}
}

func TestMoment(t *testing.T) {
	for want, given := range map[string]time.Time{
		`"0001-01-01T00:00:00.000Z"`: {},
		`"2024-01-02T03:04:05.678Z"`: time.Date(2024, 1, 2, 5, 4, 5, 678_999_999, time.FixedZone("", 7200)),
		`"2024-01-02T03:04:05.000Z"`: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
	} {
		got, err := json.Marshal(moment(given))
		if err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestTheDocumentHasEveryRoute(t *testing.T) {
	w := newWorld(t)
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string
			Tags        []string
		}
	}
	if err := json.Unmarshal(w.api.Document(), &document); err != nil {
		t.Fatal(err)
	}
	if told := fmt.Sprint(query.MaxUnpaged, " at most"); !strings.Contains(string(w.api.Document()), told) {
		t.Errorf("the document does not say that a page holds %s", told)
	}
	for _, r := range w.api.table {
		o := document.Paths[r.path][strings.ToLower(r.method)]
		if o.OperationID != r.id || len(o.Tags) != 1 || o.Tags[0] == "" {
			t.Errorf("%s %s: %+v", r.method, r.path, o)
		}
	}
}

// TestSecretsStayUnseen sends a secret wherever one can be sent, rightly and
// wrongly, and looks for it in the answers and the log.
func TestSecretsStayUnseen(t *testing.T) {
	w := newWorld(t)
	for _, request := range []string{
		"POST /users\n\n" + newUser,
		"POST /users\n\n" + newUser,
		"POST /users\n\n" + newUser[:len(newUser)-1],
		`POST /users` + "\n\n" + `{"username":"x","password":["` + canary + `"]}`,
		`POST /users` + "\n\n" + `{"username":{"a":"` + canary + `"},"password":"` + canary + `"}`,
		`PUT /users/2/password` + "\n\n" + `{"new_password":"` + canary + `"}`,
		`PUT /users/2/password` + "\n\n" + `{"new_password":"` + canary + `"}`,
		`PUT /users/1/password` + "\n\n" + `{"old_password":"` + canary + `","new_password":"` + canary + `1"}`,
		`PUT /users/99/password` + "\n\n" + `{"new_password":"` + canary + `"}`,
		`PUT /users/2/cli_secret` + "\n\n" + `{"secret":"` + canary + `"}`,
		`PATCH /robots/1` + "\n\n" + `{"secret":"` + canary + `"}`,
		`PATCH /robots/1` + "\n\n" + `{"secret":{"` + canary + `":1}}`,
		"GET /users", "GET /users/8", "GET /robots/1", "GET /robots?q=Level%3Dproject,ProjectID%3D1",
	} {
		if a := w.do("root", request); strings.Contains(a.Body.String(), canary) || strings.Contains(a.Body.String(), "$argon2") {
			t.Errorf("%s: %s", a.request, a.Body)
		}
	}
	a := w.want(201, "root", "POST /robots\n\n"+newRobot)
	shown := into[struct{ Secret string }](t, a).Secret
	if len(shown) != 32 {
		t.Errorf("the secret of a new robot is %q", shown)
	}
	for _, secret := range []string{canary, shown, "$argon2"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, path := range []string{"/ping", "/projects/alpha", "/projects/1/members?page_size=5", "/nowhere"} {
		b.Run(path, func(b *testing.B) {
			w := newWorld(b)
			b.ReportAllocs()
			for b.Loop() {
				w.do("alice", "GET "+path)
				w.log.Reset()
			}
		})
	}
}
