package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func sampleGroup(name string) account.Group {
	return account.Group{Kind: account.LDAPGroup, Name: name, DN: "CN=" + name, Key: "cn=" + name, Created: accountTime}
}

func createGroupOf(t *testing.T, d *db.DB, name string) account.Group {
	t.Helper()
	g := sampleGroup(name)
	id, err := NewAccounts(d).CreateGroup(t.Context(), g, by)
	if err != nil {
		t.Fatal(err)
	}
	g.ID, g.Updated = id, g.Created
	return g
}

// entryOf is somebody as a directory knows them.
func entryOf(name string, groups ...string) account.Entry {
	e := account.Entry{Directory: account.LDAP, ID: "uid=" + name, Name: name, Email: name + "@example.com", RealName: "Real " + name}
	for _, g := range groups {
		e.Groups = append(e.Groups, sampleGroup(g))
	}
	return e
}

func onboard(t *testing.T, d *db.DB, e account.Entry) (account.User, bool) {
	t.Helper()
	u, changed, err := NewAccounts(d).Onboard(t.Context(), e, by)
	if err != nil {
		t.Fatal(err)
	}
	return u, changed
}

// kinds returns the kinds of the events since the last call, in their order.
func kinds(t *testing.T, d *db.DB) (all []string) {
	t.Helper()
	for _, e := range drain(t, d) {
		all = append(all, e.Fact.Kind())
	}
	return all
}

func TestGroupsComeOutAsTheyWentIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		g := createGroupOf(t, d, "staff")
		if got, err := s.Group(t.Context(), g.ID); err != nil || got != g {
			t.Errorf("%s, %v", cmp.Diff(g, got), err)
		}
		if got, err := s.GroupByKey(t.Context(), g.Kind, g.Key); err != nil || got != g {
			t.Errorf("by key %+v, %v", got, err)
		}
		if _, err := s.CreateGroup(t.Context(), sampleGroup("staff"), by); !errors.Is(err, account.ErrGroupExists) {
			t.Errorf("again: %v", err)
		}
		other := sampleGroup("staff")
		other.Kind = account.OIDCGroup
		if _, err := s.CreateGroup(t.Context(), other, by); err != nil {
			t.Errorf("of another kind: %v", err)
		}
		if err := s.RenameGroup(t.Context(), g.ID, "people", by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Group(t.Context(), g.ID); err != nil || got.Name != "people" || got.Key != g.Key {
			t.Errorf("renamed: %+v, %v", got, err)
		}
		found, total, err := s.Groups(t.Context(), query.Query{Size: 1, Filters: []query.Filter{{Field: "group_name", Op: query.Fuzzy, Value: "P"}}})
		if err != nil || total != 1 || found[0].ID != g.ID {
			t.Errorf("%+v, %d, %v", found, total, err)
		}
		for _, err := range []error{s.RenameGroup(t.Context(), 99, "x", by), s.DeleteGroup(t.Context(), 99, by)} {
			if !errors.Is(err, account.ErrGroupNotFound) {
				t.Errorf("a group that is not there: %v", err)
			}
		}
		if got := kinds(t, d); !slices.Equal(got, []string{"group.created", "group.created", "group.updated"}) {
			t.Errorf("events %v", got)
		}
	})
}

func TestAnEntryBecomesAnAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		createGroupOf(t, d, "staff")
		drain(t, d)
		u, changed := onboard(t, d, entryOf("alice", "staff", "makers"))
		want := account.User{ID: u.ID, Name: "alice", Email: "alice@example.com", RealName: "Real alice", Directory: account.LDAP, DirectoryID: "uid=alice",
			Created: u.Created, Updated: u.Updated}
		if kept, hash, err := NewAccounts(d).ByID(t.Context(), u.ID); err != nil || hash != "" || kept.ID != want.ID || kept.Directory != want.Directory || !changed || u != want {
			t.Errorf("%s, %q, %v", cmp.Diff(want, kept), hash, err)
		}
		if n := rowsOf(t, d, `account_group m JOIN user_group g ON g.id = m.group_id WHERE m.account_id = ? AND g.key IN ('cn=staff', 'cn=makers')`, u.ID); n != 2 {
			t.Errorf("in %d groups", n)
		}
		if got := kinds(t, d); !slices.Equal(got, []string{"user.created", "group.created"}) {
			t.Errorf("events %v", got)
		}
	})
}

func TestAnEntryThatChangesChangesItsAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		first, _ := onboard(t, d, entryOf("alice", "staff", "makers"))
		drain(t, d)
		version, err := NewRights(d).Version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if u, changed := onboard(t, d, entryOf("alice", "makers", "staff")); changed || u.ID != first.ID {
			t.Errorf("the same again: %+v", u)
		}
		if v, err := NewRights(d).Version(t.Context()); err != nil || v != version || len(drain(t, d)) > 0 {
			t.Errorf("the same again was written, %v", err)
		}
		e := entryOf("alice", "makers", "night")
		e.Admin, e.Email, e.RealName = true, "", "Somebody else"
		u, changed := onboard(t, d, e)
		if !changed || u.ID != first.ID || !u.DirectoryAdmin || !u.Administers() || u.Admin || u.Email != "" || u.RealName != "Real alice" {
			t.Errorf("%+v", u)
		}
		if n := rowsOf(t, d, `account_group m JOIN user_group g ON g.id = m.group_id WHERE m.account_id = ? AND g.key = 'cn=staff'`, u.ID); n != 0 {
			t.Error("still in a group that was left")
		}
		events := drain(t, d)
		if len(events) != 2 || fmt.Sprint(events[0].Fact) != fmt.Sprint(event.UserUpdated{User: event.User{ID: u.ID, Name: "alice"}, Changed: []string{"email", "admin_role_in_auth", "groups"}}) {
			t.Errorf("events %+v", events)
		}
		if v, err := NewRights(d).Version(t.Context()); err != nil || v == version {
			t.Errorf("other nodes do not learn of it, %v", err)
		}
	})
}

func TestAnEntryTakesNobodysAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		createUser(t, d, sampleUser("alice"))
		address := sampleUser("bob")
		address.Email = "carol"
		createUser(t, d, address)
		for _, name := range []string{"alice", "carol"} {
			if _, _, err := NewAccounts(d).Onboard(t.Context(), entryOf(name, "staff"), by); !errors.Is(err, account.ErrForeign) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if rowsOf(t, d, `user_group`) != 0 {
			t.Error("a group was kept")
		}
		e := entryOf("dave")
		e.Email = "alice@example.com"
		if u, _ := onboard(t, d, e); u.Email != "" {
			t.Errorf("the address of another: %+v", u)
		}
		if _, changed := onboard(t, d, e); changed {
			t.Error("the address of another is news each time")
		}
	})
}

func TestManyGroupsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprintf("g%04d", i)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if _, _, err := NewAccounts(d).Onboard(t.Context(), entryOf(fmt.Sprint("user", i), names...), by); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := rowsOf(t, d, `account_group`); n != 4000 {
			t.Errorf("%d memberships", n)
		}
		onboard(t, d, entryOf("user0"))
		if n := rowsOf(t, d, `account_group`); n != 3000 {
			t.Errorf("%d memberships after one user left all", n)
		}
	})
}

// TestRolesComeFromUsersAndGroups holds every place that asks for a role to the
// same answer.
func TestRolesComeFromUsersAndGroups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		projects, artifacts := NewProjects(d), NewArtifacts(d)
		root := createUser(t, d, sampleUser("root"))
		alice, _ := onboard(t, d, entryOf("alice", "staff", "night"))
		bob, _ := onboard(t, d, entryOf("bob"))
		id := createProject(t, d, "p", root.ID)
		group := func(key string) int64 {
			g, err := NewAccounts(d).GroupByKey(t.Context(), account.LDAPGroup, key)
			if err != nil {
				t.Fatal(err)
			}
			return g.ID
		}
		join := func(kind string, entity int64, role access.Role) int64 {
			m, err := projects.AddMember(t.Context(), project.Member{ProjectID: id, Kind: kind, EntityID: entity, EntityName: "x", Role: role}, by)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		state := func(u account.User) string {
			p, err := projects.Rights(t.Context(), "p", u.ID)
			if err != nil {
				t.Fatal(err)
			}
			listed, total, err := projects.List(t.Context(), project.Visible{UserID: u.ID}, query.Query{})
			if err != nil {
				t.Fatal(err)
			}
			var roles []access.Role
			if total > 0 {
				roles = listed[0].Roles
			}
			counts, err := projects.Counts(t.Context(), project.Visible{UserID: u.ID})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = artifacts.Repositories(t.Context(), artifact.Scope{UserID: u.ID}, query.Query{})
			if err != nil {
				t.Fatal(err)
			}
			administers, err := projects.Administers(t.Context(), u.ID)
			if err != nil || !slices.Equal(p.Roles, roles) || counts.PrivateProjects != total {
				t.Errorf("%s is %v by rights and %v by the list, sees %d projects and counts %d, %v", u.Name, p.Roles, roles, total, counts.PrivateProjects, err)
			}
			return fmt.Sprint(p.Roles, administers)
		}
		check := func(when, wantAlice, wantBob string) {
			if a, b := state(alice), state(bob); a != wantAlice || b != wantBob {
				t.Errorf("%s: alice %s, bob %s", when, a, b)
			}
		}
		check("at first", "[] false", "[] false")
		join(project.KindGroup, group("cn=staff"), access.Guest)
		check("through a group", "[guest] false", "[] false")
		join(project.KindUser, alice.ID, access.Developer)
		check("and by herself", "[developer guest] false", "[] false")
		night := join(project.KindGroup, group("cn=night"), access.ProjectAdmin)
		check("and through another", "[projectAdmin developer guest] true", "[] false")
		members, total, err := projects.Members(t.Context(), id, query.Query{Filters: []query.Filter{{Field: "entity_name", Op: query.Fuzzy, Value: "s"}}})
		if err != nil || total != 1 || members[0].Kind != project.KindGroup || members[0].EntityName != "staff" {
			t.Errorf("members %+v, %v", members, err)
		}
		if err := projects.SetRole(t.Context(), id, night, access.Guest, by); err != nil {
			t.Fatal(err)
		}
		check("twice the same", "[developer guest] false", "[] false")
		if err := NewAccounts(d).DeleteGroup(t.Context(), group("cn=staff"), by); err != nil {
			t.Fatal(err)
		}
		if err := projects.RemoveMember(t.Context(), id, night, by); err != nil {
			t.Fatal(err)
		}
		check("after the groups", "[developer] false", "[] false")
		if n := rowsOf(t, d, `member WHERE kind = 'g'`); n != 0 {
			t.Errorf("%d groups are still members", n)
		}
		if err := NewAccounts(d).Delete(t.Context(), alice.ID, anEvent()); err != nil || rowsOf(t, d, `account_group`) != 0 {
			t.Errorf("a deleted user is still in a group, %v", err)
		}
	})
}

func TestAGroupThatIsNotThereIsNoMember(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		root := createUser(t, d, sampleUser("root"))
		id := createProject(t, d, "p", root.ID)
		_, err := NewProjects(d).AddMember(t.Context(), project.Member{ProjectID: id, Kind: project.KindGroup, EntityID: 9, Role: access.Guest}, by)
		if !errors.Is(err, project.ErrGroupUnknown) || !strings.Contains(err.Error(), "no such user group") {
			t.Errorf("%v", err)
		}
	})
}
