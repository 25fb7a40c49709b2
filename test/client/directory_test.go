//go:build e2e

package client

import (
	"context"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/ldap/ldaptest"
	"github.com/berth-registry/berth/test/berth"
)

// TestPeopleOfADirectory has Docker sign in and push for somebody whom only a
// directory knows, with the right that a group of hers has.
func TestPeopleOfADirectory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	directory := ldaptest.Start(t, ldaptest.Form{Secure: true})
	directory.Join("developers", ldaptest.Person("bob"))
	w := &world{server: berth.Run(t, berth.Options{})}
	do := func(method, path string, body any) {
		t.Helper()
		if _, err := w.server.Admin().Do(ctx, method, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	do("PUT", "/configurations", map[string]any{
		"auth_mode": "ldap_auth", "ldap_url": directory.TLSURL, "ldap_ca_certificate": directory.CA,
		"ldap_search_dn": ldaptest.Searcher, "ldap_search_password": ldaptest.Password, "ldap_base_dn": ldaptest.People, "ldap_uid": "uid",
		"ldap_group_base_dn": ldaptest.Groups, "ldap_group_search_filter": "objectclass=groupOfNames", "ldap_group_attribute_name": "cn",
	})
	do("POST", "/projects", map[string]any{"project_name": project})
	do("POST", "/projects/"+project+"/members", map[string]any{
		"role_id": berth.Developer, "member_group": map[string]any{"ldap_group_dn": ldaptest.Group("developers"), "group_type": 1},
	})

	sh, c := newShell(ctx, t, w), docker()
	c.start(t, sh)
	r := reference{w.server.Host, project + "/directory", "1.0.0"}
	alice := sh.as(t, "alice")
	must(t)(c.login(alice, "alice", ldaptest.Password))
	pushed := must(t)(c.push(alice, r))
	if pulled := must(t)(c.pull(alice, r)); pushed != pulled {
		t.Errorf("pushed %q and pulled %q", pushed, pulled)
	}
	directory.Leave("developers", ldaptest.Person("alice"))
	wantRefusal(t, "out of the group", c.says.noPull)(c.pull(alice, r))
	wantRefusal(t, "a wrong password", c.says.wrongPassword)(c.login(sh.as(t, "wrong"), "alice", "Not-the-password-1"))
}
