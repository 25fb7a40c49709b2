package project_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A world is a service over a database with some users.
type world struct {
	*testing.T
	*project.Service
	database *db.DB
	epoch    access.Epoch
	root     access.Caller
	alice    access.Caller
	bob      access.Caller
}

func newWorld(t *testing.T) *world {
	d := storetest.SQLite(t)
	w := &world{T: t, database: d}
	w.Service = project.New(sqlstore.NewProjects(d), storetest.People{Accounts: account.New(sqlstore.NewAccounts(d), secret.NewHasher(1), nil, &w.epoch)}, nil, nil, &w.epoch)
	w.root = w.user("root", true)
	w.alice, w.bob = w.user("alice", false), w.user("bob", false)
	return w
}

func (w *world) user(name string, admin bool) access.Caller {
	w.Helper()
	u := account.User{Name: name, Email: name + "@example.com", RealName: name, Admin: admin}
	id, err := sqlstore.NewAccounts(w.database).Create(w.Context(), u, "hash", event.Actor{Name: "test"})
	if err != nil {
		w.Fatal(err)
	}
	return access.Caller{Kind: access.User, ID: id, Name: name, Admin: admin}
}

// as returns a context in which c calls.
func (w *world) as(c access.Caller) context.Context { return access.With(w.Context(), c) }

// make creates a project that c owns.
func (w *world) make(c access.Caller, name string, public bool) int64 {
	w.Helper()
	id, err := w.Create(w.as(c), project.NewProject{Name: name, Public: public})
	if err != nil {
		w.Fatal(err)
	}
	return id
}

func (w *world) join(projectID int64, c access.Caller, role access.Role) int64 {
	w.Helper()
	id, err := w.AddMember(w.as(w.root), projectID, project.NewMember{UserID: c.ID, Role: role})
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// names lists the projects that c may see.
func (w *world) names(c access.Caller, q query.Query) string {
	w.Helper()
	found, total, err := w.List(w.as(c), c, q)
	if err != nil {
		w.Fatal(err)
	}
	names := make([]string, len(found))
	for i, p := range found {
		names[i] = p.Name
	}
	if q.Size == 0 && int(total) != len(found) {
		w.Errorf("%d of %d are on one page", len(found), total)
	}
	return strings.Join(names, " ")
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "library", "0", "42", "a.b_c-d", "x1-2", strings.Repeat("n", 255)} {
		id := w.make(w.alice, name, false)
		if p, err := w.ByName(t.Context(), name); err != nil || p.ID != id || p.Name != name {
			t.Errorf("%q is %+v, %v", name, p, err)
		}
	}
	for _, name := range []string{"", "A", "a b", "a/b", "-a", "a-", "a--b", "a._b", "a#1", "ä", "a\x00", "a\n", "..", "%", strings.Repeat("n", 256)} {
		if _, err := w.Create(w.as(w.alice), project.NewProject{Name: name}); !errors.Is(err, project.ErrInvalid) {
			t.Errorf("create %q: %v", name, err)
		}
		if _, err := w.ByName(t.Context(), name); !errors.Is(err, project.ErrNotFound) {
			t.Errorf("find %q: %v", name, err)
		}
		if _, err := w.Access(t.Context(), w.root, name); !errors.Is(err, project.ErrNotFound) {
			t.Errorf("access to %q: %v", name, err)
		}
	}
	if _, err := w.Create(w.as(w.bob), project.NewProject{Name: "a"}); !errors.Is(err, project.ErrExists) {
		t.Errorf("a second one of a name: %v", err)
	}
}

func TestNameOrID(t *testing.T) {
	w := newWorld(t)
	first := w.make(w.alice, "first", false)
	digits := w.make(w.alice, fmt.Sprint(first), false) // its name is the other's id
	cases := []struct {
		given  string
		isName bool
		want   int64
		fault  error
	}{
		{"first", false, first, nil},
		{"first", true, first, nil},
		{fmt.Sprint(first), false, first, nil},
		{fmt.Sprint(first), true, digits, nil},
		{"9999", false, 0, project.ErrNotFound},
		{"-1", false, 0, project.ErrNotFound},
		{"99999999999999999999", false, 0, project.ErrNotFound},
		{"none", false, 0, project.ErrNotFound},
		{"", false, 0, project.ErrNotFound},
		{"a b", false, 0, project.ErrInvalid},
		{"a b", true, 0, project.ErrInvalid},
	}
	for _, c := range cases {
		p, err := w.ByNameOrID(t.Context(), c.given, c.isName)
		if p.ID != c.want || !errors.Is(err, c.fault) {
			t.Errorf("%q, %v: got %d, %v", c.given, c.isName, p.ID, err)
		}
	}
}

func TestWhoMayCreate(t *testing.T) {
	w := newWorld(t)
	creates := access.Permission{Kind: access.KindSystem, Namespace: access.SystemNamespace, Access: []access.Action{{Resource: "project", Action: "create"}}}
	cases := []struct {
		name  string
		c     access.Caller
		owner string
		fault error
	}{
		{"nobody", access.Caller{}, "", access.ErrUnauthenticated},
		{"user", w.alice, "alice", nil},
		{"admin", w.root, "root", nil},
		{"robot", access.Caller{Kind: access.Robot, ID: 1, Name: "robot$ci", Permissions: []access.Permission{creates}}, "root", nil},
		{"idle-robot", access.Caller{Kind: access.Robot, ID: 2, Name: "robot$idle"}, "", access.ErrDenied},
		{"project-robot", access.Caller{Kind: access.Robot, ID: 3, ProjectID: 1, Permissions: []access.Permission{creates}}, "", access.ErrDenied},
		{"token", access.Caller{Kind: access.User, ID: w.alice.ID, Bearer: true}, "", access.ErrDenied},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			id, err := w.Create(w.as(c.c), project.NewProject{Name: c.name})
			if !errors.Is(err, c.fault) {
				t.Fatalf("got %v, want %v", err, c.fault)
			}
			if c.fault != nil {
				return
			}
			p, err := w.ByID(t.Context(), id)
			if err != nil || p.OwnerName != c.owner {
				t.Errorf("the owner is %q, %v", p.OwnerName, err)
			}
			members, _, err := w.Members(t.Context(), id, "", query.Query{})
			if err != nil || len(members) != 1 || members[0].EntityName != c.owner || members[0].Role != access.ProjectAdmin {
				t.Errorf("members are %+v, %v", members, err)
			}
		})
	}
}

func TestPublicFlag(t *testing.T) {
	w := newWorld(t)
	cases := []struct {
		name   string
		flag   bool
		value  string
		public bool
		fault  error
	}{
		{"by-default", false, "", false, nil},
		{"by-flag", true, "", true, nil},
		{"by-metadata", false, "true", true, nil},
		{"metadata-win", true, "false", false, nil},
		{"garbled", true, "1", false, project.ErrInvalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := project.NewProject{Name: c.name, Public: c.flag}
			if c.value != "" {
				n.Metadata = map[string]string{project.MetaPublic: c.value}
			}
			id, err := w.Create(w.as(w.alice), n)
			if !errors.Is(err, c.fault) || c.fault != nil {
				if !errors.Is(err, c.fault) {
					t.Error(err)
				}
				return
			}
			p, err := w.ByID(t.Context(), id)
			if err != nil || p.Public != c.public || p.Metadata[project.MetaPublic] != fmt.Sprint(c.public) {
				t.Errorf("public is %v, metadata %v, %v", p.Public, p.Metadata, err)
			}
		})
	}
}

func TestListShowsTheVisible(t *testing.T) {
	w := newWorld(t)
	w.make(w.root, "closed", false)
	w.make(w.root, "open", true)
	w.make(w.alice, "alices", false)
	shared := w.make(w.root, "shared", false)
	w.join(shared, w.alice, access.Guest)
	w.join(shared, w.bob, access.Developer)

	robot := func(projectID int64, perms ...access.Permission) access.Caller {
		return access.Caller{Kind: access.Robot, ID: 9, ProjectID: projectID, Permissions: perms}
	}
	permit := func(kind, namespace, resource, action string) access.Permission {
		return access.Permission{Kind: kind, Namespace: namespace, Access: []access.Action{{Resource: resource, Action: action}}}
	}
	public := func(v any) query.Query {
		return query.Query{Filters: []query.Filter{{Field: "public", Value: v}}}
	}
	cases := []struct {
		name string
		c    access.Caller
		q    query.Query
		want string
	}{
		{"nobody", access.Caller{}, query.Query{}, "open"},
		{"nobody, of the private", access.Caller{}, public(false), ""},
		{"administrator", w.root, query.Query{}, "alices closed open shared"},
		{"member", w.alice, query.Query{}, "alices open shared"},
		{"member, of the private", w.alice, public("false"), "alices shared"},
		{"member, of the public", w.alice, public("true"), "open"},
		{"other member", w.bob, query.Query{}, "open shared"},
		{"robot of a project", robot(shared, permit("project", "shared", "repository", "pull")), query.Query{}, "open shared"},
		{"robot of a project that says it is for all", robot(shared, permit("project", "*", "repository", "pull")), query.Query{}, "open"},
		{"robot of the system", robot(0, permit("project", "closed", "repository", "pull")), query.Query{}, "closed open"},
		{"robot for all projects", robot(0, permit("project", "*", "repository", "pull")), query.Query{}, "alices closed open shared"},
		{"robot that lists projects", robot(0, permit("system", "/", "project", "list")), query.Query{}, "alices closed open shared"},
		{"robot of other rights", robot(0, permit("system", "/", "user", "list")), query.Query{}, "open"},
		{"robot whose id is a user's", access.Caller{Kind: access.Robot, ID: w.alice.ID}, query.Query{}, "open"},
		{"by a part of the name", w.root, query.Query{Filters: []query.Filter{{Field: "name", Op: query.Fuzzy, Value: "E"}}}, "alices closed open shared"},
		{"by a part of the name, fewer", w.root, query.Query{Filters: []query.Filter{{Field: "name", Op: query.Fuzzy, Value: "sHa"}}}, "shared"},
		{"by owner", w.root, query.Query{Filters: []query.Filter{{Field: "owner", Value: "alice"}}}, "alices"},
		{"by id", w.root, query.Query{Filters: []query.Filter{{Field: "project_id", Value: fmt.Sprint(shared)}}}, "shared"},
		{"the other way round", w.root, query.Query{Sorts: []query.Sort{{Field: "name", Desc: true}}}, "shared open closed alices"},
		{"second page", w.root, query.Query{Page: 2, Size: 2}, "open shared"},
		{"fields that there are none of", w.root, query.Query{Filters: []query.Filter{{Field: "metadata", Op: query.Fuzzy, Value: "x"}}, Sorts: []query.Sort{{Field: "deleted"}}}, "alices closed open shared"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := w.names(c.c, c.q); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	found, _, err := w.List(t.Context(), w.bob, query.Query{})
	if err != nil || found[0].Roles != nil || !slices.Equal(found[1].Roles, []access.Role{access.Developer}) {
		t.Errorf("the caller's roles: %+v, %v", found, err)
	}
	if _, _, err := w.List(t.Context(), w.bob, public("perhaps")); !errors.Is(err, query.ErrInvalid) {
		t.Errorf("a value that is none: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	id := w.make(w.alice, "p", false)
	if err := w.Update(w.as(w.alice), id, project.Change{Set: map[string]string{"severity": "high", project.MetaPublic: "true"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Update(w.as(w.alice), id, project.Change{Set: map[string]string{"auto_scan": "true"}, Unset: []string{"severity"}}); err != nil {
		t.Fatal(err)
	}
	p, err := w.ByID(t.Context(), id)
	if err != nil || !p.Public || fmt.Sprint(p.Metadata) != "map[auto_scan:true public:true]" {
		t.Errorf("got %v, %v, %v", p.Public, p.Metadata, err)
	}
	err = w.Update(w.as(w.alice), id, project.Change{Set: map[string]string{"auto_scan": "false", "colour": "red"}})
	if !errors.Is(err, project.ErrInvalid) {
		t.Error(err)
	}
	if p, _ := w.ByID(t.Context(), id); p.Metadata["auto_scan"] != "true" {
		t.Errorf("half of a bad change was made: %v", p.Metadata)
	}
	if err := w.Update(w.as(w.alice), id+1, project.Change{}); !errors.Is(err, project.ErrNotFound) {
		t.Error(err)
	}
}

func TestDelete(t *testing.T) {
	w := newWorld(t)
	id := w.make(w.alice, "p", true)
	if err := w.Deletable(t.Context(), id); err != nil {
		t.Errorf("an empty project: %v", err)
	}
	w.count(id, 1)
	if err := w.Deletable(t.Context(), id); !errors.Is(err, project.ErrNotEmpty) {
		t.Errorf("with a repository: %v", err)
	}
	if err := w.Delete(w.as(w.alice), id); !errors.Is(err, project.ErrNotEmpty) {
		t.Errorf("with a repository: %v", err)
	}
	if p, err := w.ByName(t.Context(), "p"); err != nil || p.ID != id {
		t.Errorf("what cannot be deleted is %+v, %v", p, err)
	}
	w.count(id, 0)
	if err := w.Delete(w.as(w.alice), id); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"by id":     second(w.ByID(t.Context(), id)),
		"by name":   second(w.ByName(t.Context(), "p")),
		"access":    second(w.Access(t.Context(), w.root, "p")),
		"deletable": w.Deletable(t.Context(), id),
		"summary":   second(w.Summary(t.Context(), id)),
		"again":     w.Delete(w.as(w.alice), id),
		"update":    w.Update(w.as(w.alice), id, project.Change{}),
		"join":      second(w.AddMember(w.as(w.alice), id, project.NewMember{UserID: w.bob.ID, Role: access.Guest})),
	} {
		if !errors.Is(err, project.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := w.names(w.root, query.Query{}); got != "" {
		t.Errorf("listed: %s", got)
	}
	again := w.make(w.bob, "p", false)
	if p, err := w.Access(t.Context(), w.alice, "p"); err != nil || again == id || p.ID != again || len(p.Roles) > 0 {
		t.Errorf("the old administrator is %+v in the new project: %v", p, err)
	}
}

// count says that a project has so many repositories, as a push would.
func (w *world) count(id, n int64) {
	w.Helper()
	err := w.database.Write(w.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE project SET repo_count = ? WHERE id = ?`, n, id)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestMembers(t *testing.T) {
	w := newWorld(t)
	id := w.make(w.alice, "p", false)
	other := w.make(w.root, "other", false)
	bob := w.join(id, w.bob, access.Developer)

	m, err := w.Member(t.Context(), id, bob)
	if err != nil || m != (project.Member{ID: bob, ProjectID: id, Kind: "u", EntityID: w.bob.ID, EntityName: "bob", Role: access.Developer}) {
		t.Errorf("got %+v, %v", m, err)
	}
	if err := w.SetRole(w.as(w.alice), id, bob, access.LimitedGuest); err != nil {
		t.Error(err)
	}
	if s, err := w.Summary(t.Context(), id); err != nil || fmt.Sprint(s.Members) != "map[projectAdmin:1 limitedGuest:1]" || s.Repositories != 0 {
		t.Errorf("the summary is %+v, %v", s, err)
	}

	// A member is found in its own project only.
	for what, err := range map[string]error{
		"read":          second(w.Member(t.Context(), other, bob)),
		"change":        w.SetRole(w.as(w.root), other, bob, access.ProjectAdmin),
		"remove":        w.RemoveMember(w.as(w.root), other, bob),
		"no such":       w.RemoveMember(w.as(w.root), id, bob+99),
		"no project":    w.RemoveMember(w.as(w.root), 999, bob),
		"change no one": w.SetRole(w.as(w.root), id, bob+99, access.Guest),
	} {
		if !errors.Is(err, project.ErrMemberUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if m, err := w.Member(t.Context(), id, bob); err != nil || m.Role != access.LimitedGuest {
		t.Errorf("through another project bob became %+v, %v", m, err)
	}
	if err := w.RemoveMember(w.as(w.alice), id, bob); err != nil {
		t.Error(err)
	}
	if _, err := w.Member(t.Context(), id, bob); !errors.Is(err, project.ErrMemberUnknown) {
		t.Errorf("after removal: %v", err)
	}
}

func TestWhoCanBeAMember(t *testing.T) {
	w := newWorld(t)
	id := w.make(w.alice, "p", false)
	cases := []struct {
		name  string
		n     project.NewMember
		fault error
	}{
		{"by name", project.NewMember{UserName: "bob", Role: access.Guest}, nil},
		{"a second time", project.NewMember{UserID: w.bob.ID, Role: access.Maintainer}, project.ErrMemberExists},
		{"the id counts", project.NewMember{UserID: w.bob.ID, UserName: "root", Role: access.Guest}, project.ErrMemberExists},
		{"by id", project.NewMember{UserID: w.root.ID, Role: access.Guest}, nil},
		{"unknown id", project.NewMember{UserID: 999, Role: access.Guest}, project.ErrUserUnknown},
		{"no id at all", project.NewMember{UserID: -1, Role: access.Guest}, project.ErrUserUnknown},
		{"unknown name", project.NewMember{UserName: "nobody", Role: access.Guest}, account.ErrNotFound},
		{"not named", project.NewMember{Role: access.Guest}, project.ErrMember},
		{"no role", project.NewMember{UserName: "bob"}, project.ErrMember},
		{"no such role", project.NewMember{UserName: "bob", Role: 6}, project.ErrMember},
		{"no such group", project.NewMember{Group: project.GroupName{ID: 99}, Role: access.Guest}, project.ErrGroupUnknown},
		{"a user and a group", project.NewMember{UserID: w.alice.ID, Group: project.GroupName{ID: 1}, Role: access.Guest}, project.ErrMember},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := w.AddMember(w.as(w.alice), id, c.n); !errors.Is(err, c.fault) {
				t.Errorf("got %v, want %v", err, c.fault)
			}
		})
	}
	if project.ErrGroupUnknown.Kind != fault.Invalid || project.ErrUserUnknown.Kind != fault.Invalid || account.ErrNotFound.Kind != fault.NotFound {
		t.Error("what the client must mend is told apart from what is not there")
	}
	if err := w.SetRole(w.as(w.alice), id, 1, 0); !errors.Is(err, project.ErrMember) {
		t.Errorf("no role: %v", err)
	}
	found, total, err := w.Members(t.Context(), id, "O", query.Query{})
	if err != nil || total != 2 || found[0].EntityName != "bob" || found[1].EntityName != "root" {
		t.Errorf("names with an o: %+v, %v", found, err)
	}
}

// Whatever changes somebody's rights is seen by the very next question.
func TestAccessFollowsEachChange(t *testing.T) {
	w := newWorld(t)
	var id, bob int64
	state := func(c access.Caller) string {
		p, err := w.Access(t.Context(), c, "p")
		if errors.Is(err, project.ErrNotFound) {
			return "none"
		}
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(p.ID == id, p.Public, p.Roles)
	}
	steps := []struct {
		name              string
		do                func() error
		alice, bob, robot string
	}{
		{"nothing", func() error { return nil }, "none", "none", "none"},
		{"create", func() (err error) {
			id, err = w.Create(w.as(w.alice), project.NewProject{Name: "p"})
			return err
		}, "true false [projectAdmin]", "true false []", "true false []"},
		{"join", func() (err error) {
			bob, err = w.AddMember(w.as(w.alice), id, project.NewMember{UserName: "bob", Role: access.Guest})
			return err
		}, "true false [projectAdmin]", "true false [guest]", "true false []"},
		{"role", func() error { return w.SetRole(w.as(w.alice), id, bob, access.Maintainer) },
			"true false [projectAdmin]", "true false [maintainer]", "true false []"},
		{"open", func() error {
			return w.Update(w.as(w.alice), id, project.Change{Set: map[string]string{project.MetaPublic: "true"}})
		}, "true true [projectAdmin]", "true true [maintainer]", "true true []"},
		{"leave", func() error { return w.RemoveMember(w.as(w.alice), id, bob) },
			"true true [projectAdmin]", "true true []", "true true []"},
		{"delete", func() error { return w.Delete(w.as(w.alice), id) }, "none", "none", "none"},
		{"again", func() (err error) {
			id, err = w.Create(w.as(w.bob), project.NewProject{Name: "p"})
			return err
		}, "true false []", "true false [projectAdmin]", "true false []"},
	}
	robot := access.Caller{Kind: access.Robot, ID: w.alice.ID}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for range 2 {
			if a, b, r := state(w.alice), state(w.bob), state(robot); a != s.alice || b != s.bob || r != s.robot {
				t.Errorf("%s: alice %q, bob %q, robot %q", s.name, a, b, r)
			}
		}
	}
}

func TestAccessIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.make(w.alice, "p", false)
	first, err := w.Access(t.Context(), w.alice, "p")
	if err != nil {
		t.Fatal(err)
	}
	ctx, alice := t.Context(), w.alice
	ask := func() {
		if p, err := w.Access(ctx, alice, "p"); err != nil || p.ID != first.ID {
			t.Errorf("got %+v, %v", p, err)
		}
	}
	if n := testing.AllocsPerRun(100, ask); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if err := w.database.Close(); err != nil {
		t.Fatal(err)
	}
	ask() // there is no database to ask
	w.epoch.Bump()
	if _, err := w.Access(ctx, alice, "p"); err == nil {
		t.Error("remembered over a change of rights")
	}
}

func TestAdministers(t *testing.T) {
	w := newWorld(t)
	is := func(want bool, who string) {
		t.Helper()
		if got, err := w.Administers(t.Context(), w.bob.ID); err != nil || got != want {
			t.Errorf("%s administers a project: %t, %v", who, got, err)
		}
	}
	id := w.make(w.alice, "one", true)
	w.make(w.alice, "two", false)
	is(false, "a stranger")
	member := w.join(id, w.bob, access.Maintainer)
	is(false, "a maintainer")
	if err := w.SetRole(w.as(w.alice), id, member, access.ProjectAdmin); err != nil {
		t.Fatal(err)
	}
	is(true, "an administrator")
	if err := w.Delete(w.as(w.alice), id); err != nil {
		t.Fatal(err)
	}
	is(false, "one of a deleted project")
}
