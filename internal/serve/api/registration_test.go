package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
)

// register is a request to make a user.
func register(name string) string {
	return "POST /users\n\n" + strings.ReplaceAll(newUser, "eve", name)
}

func (w *world) selfRegistration(on bool) {
	w.t.Helper()
	if err := w.settings.Update(w.t.Context(), map[string]any{"self_registration": on}); err != nil {
		w.t.Fatal(err)
	}
}

func TestPeopleRegisterWhereTheSettingSaysSo(t *testing.T) {
	w := newWorld(t)
	before := w.rows("account")
	for _, request := range []string{register("eve"), "POST /users\n\n{", "POST /users"} {
		w.want(401, "", request)
	}
	if len(w.rows("account")) != len(before) {
		t.Error("somebody has registered")
	}

	w.selfRegistration(true)
	body := strings.Replace(newUser, "{", `{"sysadmin_flag":true,"has_admin_role":true,"admin":true,"user_id":1,`, 1)
	a := w.want(201, "", "POST /users\n\n"+body)
	if got := a.Header().Get("Location"); got != "/api/v2.0/users/8" {
		t.Errorf("Location %q", got)
	}
	if u := w.rows("account"); u["account.admin of 8"] != "0" || u["account.name of 8"] != "eve" {
		t.Errorf("the new user: %v", u)
	}
	w.want(409, "", register("eve"))
	w.want(400, "", strings.ReplaceAll(register("mallory"), canary, "password"))
	w.want(422, "", "POST /users\n\n{")

	// All others may what they might before, and nobody may more.
	w.want(403, "alice", register("one"))
	w.want(403, "robot:3", register("two"))
	w.want(201, "root", register("three"))
	for _, r := range w.api.table {
		if r.id != "createUser" && r.need != access.Anyone {
			w.want(401, "", scenarios[r.id].request)
		}
	}

	w.selfRegistration(false)
	w.want(401, "", register("four"))
}

func TestANetworkRegistersFewPeople(t *testing.T) {
	w := newWorld(t)
	w.selfRegistration(true)
	made := 0
	var last answer
	for i := range 30 {
		if last = w.do("", register(fmt.Sprint("eve", i))); last.Code == http.StatusCreated {
			made++
		}
	}
	if made != 20 || last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") == "" {
		t.Errorf("%d users were made; then %d, Retry-After %q", made, last.Code, last.Header().Get("Retry-After"))
	}
	w.want(201, "root", register("chosen"))
}

func TestNothingOfAProjectIsOpen(t *testing.T) {
	_, err := newAPI(Config{}, func(a *API, c Config) {
		a.routes(c)
		opOpen(a.group("test"), "x", "GET /projects/{project_name_or_id}/x", access.OfProject("project", "read"), condition{"always", users{}.registration}, projects{}.get)
	})
	if err == nil {
		t.Error("it started")
	}
}
