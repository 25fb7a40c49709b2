//go:build e2e

package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/berth-registry/berth/internal/ldap/ldaptest"
	"github.com/berth-registry/berth/test/berth"
)

// TestADirectorySignsPeopleIn drives a server and a directory as their
// administrators and users do: by the API, and by the token service, which is
// what docker login asks.
func TestADirectorySignsPeopleIn(t *testing.T) {
	directory := ldaptest.Start(t, ldaptest.Form{Secure: true})
	s := berth.Run(t, berth.Options{})
	admin := s.Admin()
	do := func(as *berth.API, method, path string, in, out any) {
		t.Helper()
		if _, err := as.Do(t.Context(), method, path, in, out); err != nil {
			t.Fatal(err)
		}
	}
	var pinged struct {
		Success bool
		Message string
	}
	do(admin, "POST", "/ldap/ping", map[string]any{
		"ldap_url": directory.TLSURL, "ldap_search_dn": ldaptest.Searcher, "ldap_search_password": ldaptest.Password, "ldap_base_dn": ldaptest.People,
	}, &pinged)
	if pinged.Success || !strings.Contains(pinged.Message, "ldap_ca_certificate") {
		t.Errorf("ping without the authority: %+v", pinged)
	}
	do(admin, "PUT", "/configurations", map[string]any{
		"auth_mode": "ldap_auth", "ldap_url": directory.URL, "ldap_start_tls": true, "ldap_ca_certificate": directory.CA,
		"ldap_search_dn": ldaptest.Searcher, "ldap_search_password": ldaptest.Password, "ldap_base_dn": ldaptest.People, "ldap_uid": "uid",
		"ldap_group_base_dn": ldaptest.Groups, "ldap_group_search_filter": "objectclass=groupOfNames", "ldap_group_attribute_name": "cn",
		"ldap_group_admin_dn": ldaptest.Group("admins"),
	}, nil)
	if do(admin, "POST", "/ldap/ping", nil, &pinged); !pinged.Success {
		t.Errorf("ping with the settings: %+v", pinged)
	}
	if _, err := admin.CreateUser(t.Context(), "dave", ldaptest.Password); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a user that the directory does not know is created: %v", err)
	}

	var people []struct{ Username, Email, Realname string }
	if do(admin, "GET", "/ldap/users/search?username=bo", nil, &people); fmt.Sprint(people) != "[{bob bob@example.org Real bob}]" {
		t.Errorf("people %v", people)
	}
	var groups []struct {
		Name string `json:"group_name"`
		DN   string `json:"ldap_group_dn"`
		Type int    `json:"group_type"`
	}
	if do(admin, "GET", "/ldap/groups/search?groupname=dev", nil, &groups); len(groups) != 1 || groups[0].DN != ldaptest.Group("developers") || groups[0].Type != 1 {
		t.Errorf("groups %v", groups)
	}
	do(admin, "POST", "/ldap/users/import", map[string]any{"ldap_uid_list": []string{"bob"}}, nil)
	if _, err := admin.Do(t.Context(), "POST", "/ldap/users/import", map[string]any{"ldap_uid_list": []string{"nobody"}}, nil); err == nil || !strings.Contains(err.Error(), `"uid":"nobody"`) {
		t.Errorf("importing nobody: %v", err)
	}

	if err := admin.CreateProject(t.Context(), "team", false); err != nil {
		t.Fatal(err)
	}
	directory.Join("developers", ldaptest.Person("bob"))
	do(admin, "POST", "/projects/team/members", map[string]any{"role_id": berth.Developer, "member_group": map[string]any{"ldap_group_dn": ldaptest.Group("developers"), "group_type": 1}}, nil)
	if err := admin.AddMember(t.Context(), "team", "carol", berth.Guest); err != nil { // whom only the directory knows
		t.Fatal(err)
	}

	alice := s.As("alice", ldaptest.Password)
	var user struct {
		Name      string `json:"username"`
		AuthAdmin bool   `json:"admin_role_in_auth"`
	}
	if do(alice, "GET", "/users/current", nil, &user); user.Name != "alice" || user.AuthAdmin {
		t.Errorf("alice is %+v", user)
	}
	if do(s.As("carol", ldaptest.Password), "GET", "/users/current", nil, &user); !user.AuthAdmin {
		t.Errorf("carol is %+v", user)
	}
	if got := granted(t, s, "alice"); !strings.Contains(got, "push") {
		t.Errorf("a developer is granted %q", got)
	}
	directory.Leave("developers", ldaptest.Person("alice"))
	if got := granted(t, s, "alice"); got != "" {
		t.Errorf("out of the group, the next token grants %q", got)
	}
	if _, err := alice.Do(t.Context(), "GET", "/projects/team", nil, nil); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("out of the group: %v", err)
	}
}

// granted asks the token service for everything in a project, and returns which
// actions it grants.
func granted(t *testing.T, s *berth.Server, name string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/service/token?service=harbor-registry&scope=repository:team/app:pull,push", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(name, ldaptest.Password)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", res.Status, err)
	}
	var claims struct {
		jwt.RegisteredClaims
		Access []struct{ Actions []string }
	}
	if _, _, err := jwt.NewParser().ParseUnverified(answer.Token, &claims); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, a := range claims.Access {
		actions = append(actions, a.Actions...)
	}
	return strings.Join(actions, ",")
}
