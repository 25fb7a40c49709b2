package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
)

// configure changes settings as the administrator.
func configure(t *testing.T, s *apptest.Server, changes string) {
	t.Helper()
	if resp := asJSON(s, "PUT", "/api/v2.0/configurations", apptest.Admin, s.Password, changes); resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s %s", changes, resp.Status, text)
	}
}

func asJSON(s *apptest.Server, method, path, user, password, body string) *http.Response {
	return s.Do(method, path, user, password, strings.NewReader(body), "Content-Type", "application/json")
}

func TestReadOnlyRefusesEveryChangeAndNothingElse(t *testing.T) {
	s := apptest.Start(t)
	push(t, s, "library/app", "1")
	configure(t, s, `{"read_only":true}`)
	for _, path := range []string{
		"/v2/", "/v2/library/app/manifests/1", "/v2/library/app/blobs/uploads/", "/v2/library/app/blobs/uploads/x",
		"/api/v2.0/projects", "/api/v2.0/users/1", "/api/v2.0/robots", "/api/v2.0/configurations/", "/api/v2.0/nothing", "/service/token/x", "/c/sign_up", "/",
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "INVENTED"} {
			resp := asJSON(s, method, path, apptest.Admin, s.Password, "{}")
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 403 || !strings.Contains(string(text), `"code":"DENIED"`) || !strings.Contains(string(text), "read-only") {
				t.Errorf("%s %s: %s %s", method, path, resp.Status, text)
			}
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			if resp := s.Do(method, path, apptest.Admin, s.Password, nil); resp.StatusCode == 403 {
				t.Errorf("%s %s: %s", method, path, resp.Status)
			}
		}
	}
	for _, path := range []string{"/c/login", "/c/userExists", "/service/token", "/api/v2.0/registries/ping", "/api/v2.0/scanners/ping"} {
		if resp := s.Do("POST", path, "", "", strings.NewReader("")); resp.StatusCode == 403 {
			t.Errorf("POST %s: %s", path, resp.Status)
		}
	}
	if resp := s.Do("GET", "/v2/library/app/manifests/1", apptest.Admin, s.Password, nil); resp.StatusCode != 200 {
		t.Errorf("a pull: %s", resp.Status)
	}
	configure(t, s, `{"read_only":false}`)
	push(t, s, "library/app", "2")
}

func TestProjectsAreMadeByThoseWhoMay(t *testing.T) {
	s := apptest.Start(t)
	const alice, password = "alice", "Passw0rd-of-alice"
	if resp := asJSON(s, "POST", "/api/v2.0/users", apptest.Admin, s.Password,
		`{"username":"alice","email":"alice@example.org","realname":"A","password":"`+password+`"}`); resp.StatusCode != 201 {
		t.Fatal(resp.Status)
	}
	resp := asJSON(s, "POST", "/api/v2.0/robots", apptest.Admin, s.Password,
		`{"name":"maker","level":"system","duration":-1,"permissions":[{"kind":"system","namespace":"/","access":[{"resource":"project","action":"create"}]}]}`)
	var robot struct{ Name, Secret string }
	if err := json.NewDecoder(resp.Body).Decode(&robot); err != nil || resp.StatusCode != 201 {
		t.Fatal(resp.Status, err)
	}
	configure(t, s, `{"project_creation_restriction":"adminonly"}`)
	for _, tt := range []struct {
		user, password, project string
		status                  int
	}{
		{alice, password, "one", 403}, {apptest.Admin, s.Password, "two", 201}, {robot.Name, robot.Secret, "three", 201},
	} {
		resp := asJSON(s, "POST", "/api/v2.0/projects", tt.user, tt.password, `{"project_name":"`+tt.project+`"}`)
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != tt.status || tt.status == 403 && !strings.Contains(string(text), `"code":"FORBIDDEN","message":"Only system admin can create project"`) {
			t.Errorf("%s: %s %s", tt.user, resp.Status, text)
		}
	}
	configure(t, s, `{"project_creation_restriction":"everyone"}`)
	if resp := asJSON(s, "POST", "/api/v2.0/projects", alice, password, `{"project_name":"one"}`); resp.StatusCode != 201 {
		t.Error(resp.Status)
	}
}

func TestTokensLiveAsLongAsTheSettingSays(t *testing.T) {
	s := apptest.Start(t)
	for minutes, seconds := range map[string]int{"7": 7 * 60, "9999999999": 90 * 24 * 3600 / 4} {
		configure(t, s, `{"token_expiration":`+minutes+`}`)
		var issued struct {
			Life int `json:"expires_in"`
		}
		resp := s.Do("GET", "/service/token?service=harbor-registry", apptest.Admin, s.Password, nil)
		if err := json.NewDecoder(resp.Body).Decode(&issued); err != nil {
			t.Fatal(err)
		}
		if issued.Life != seconds {
			t.Errorf("%s minutes: %d s, want %d", minutes, issued.Life, seconds)
		}
	}
}

func TestFixedSettingsAreShownAndCannotBeChanged(t *testing.T) {
	s := apptest.Start(t, func(c *app.Config) { c.Settings = map[string]any{"token_expiration": 12.0} })
	resp := s.Do("GET", "/api/v2.0/configurations", apptest.Admin, s.Password, nil)
	text, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(text), `"token_expiration":{"value":12,"editable":false}`) {
		t.Errorf("%s", text)
	}
	if resp := asJSON(s, "PUT", "/api/v2.0/configurations", apptest.Admin, s.Password, `{"token_expiration":13}`); resp.StatusCode != 403 {
		t.Error(resp.Status)
	}
}

func TestRobotsAreCalledAsTheSettingSays(t *testing.T) {
	s := apptest.Start(t)
	resp := asJSON(s, "POST", "/api/v2.0/robots", apptest.Admin, s.Password,
		`{"name":"ci","level":"system","duration":-1,"permissions":[{"kind":"system","namespace":"/","access":[{"resource":"user","action":"list"}]}]}`)
	var robot struct{ Name, Secret string }
	if err := json.NewDecoder(resp.Body).Decode(&robot); err != nil || robot.Name != "robot$ci" {
		t.Fatal(resp.Status, robot.Name, err)
	}
	as := func(name string) int { return s.Do("GET", "/api/v2.0/users", name, robot.Secret, nil).StatusCode }
	if got := as("robot$ci"); got != 200 {
		t.Fatalf("robot$ci: %d", got)
	}
	configure(t, s, `{"robot_name_prefix":"bot#"}`)
	if got := as("bot#ci"); got != 200 {
		t.Errorf("bot#ci: %d", got)
	}
	if got := as("robot$ci"); got != 401 {
		t.Errorf("robot$ci: %d", got)
	}
	text, _ := io.ReadAll(s.Do("GET", "/api/v2.0/robots", apptest.Admin, s.Password, nil).Body)
	if !strings.Contains(string(text), `"name":"bot#ci"`) {
		t.Errorf("%s", text)
	}
}
