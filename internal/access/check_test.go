package access

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func permission(kind, namespace string, access ...Action) Permission {
	return Permission{Kind: kind, Namespace: namespace, Access: access}
}

func TestCheck(t *testing.T) {
	alice := Caller{Kind: User, ID: 2, Name: "alice"}
	root := Caller{Kind: User, ID: 1, Name: "admin", Admin: true}
	token := func(c Caller, g ...Grant) Caller { c.Bearer, c.Grants = true, g; return c }
	catalog := Grant{"registry", "catalog", []string{"*"}}
	reader := Caller{Kind: Robot, ID: 4, Permissions: []Permission{permission(KindSystem, SystemNamespace, Action{"catalog", "read"})}}
	impostor := Caller{Kind: Robot, ID: 5, Admin: true}
	stray := Caller{Kind: Robot, ID: 6, ProjectID: 1, Permissions: reader.Permissions}
	closed, open := &Project{ID: 1, Name: "p"}, &Project{ID: 1, Name: "p", Public: true}
	mine := &Project{ID: 1, Name: "p", Roles: []Role{Developer}}
	both := &Project{ID: 1, Name: "p", Roles: []Role{ProjectAdmin, Guest}}
	readCatalog, read, remove := OfSystem("catalog", "read"), OfProject("project", "read"), OfProject("project", "delete")

	cases := []struct {
		name string
		c    Caller
		n    Need
		p    *Project
		want error
	}{
		{"anyone", Caller{}, Anyone, nil, nil},
		{"anyone, with a token", token(alice), Anyone, nil, nil},
		{"logged in, nobody", Caller{}, LoggedIn, nil, ErrUnauthenticated},
		{"logged in", alice, LoggedIn, nil, nil},
		{"logged in, a robot", reader, LoggedIn, nil, nil},
		{"logged in, with a token", token(alice), LoggedIn, nil, ErrDenied},
		{"no need declared", root, Need{}, nil, ErrDenied},
		{"no need declared, nobody", Caller{}, Need{}, open, ErrUnauthenticated},

		{"private project, nobody", Caller{}, read, closed, ErrUnauthenticated},
		{"private project, a stranger", alice, read, closed, ErrDenied},
		{"public project, nobody", Caller{}, read, open, nil},
		{"public project, a stranger", alice, read, open, nil},
		{"public project, a robot without permissions", impostor, read, open, nil},
		{"public project, more than reading", alice, remove, open, ErrDenied},
		{"public project, for those with an identity, nobody", Caller{}, read.AndLoggedIn(), open, ErrUnauthenticated},
		{"public project, for those with an identity, a stranger", alice, read.AndLoggedIn(), open, nil},
		{"member", alice, read, mine, nil},
		{"member, too weak", alice, remove, mine, ErrDenied},
		{"member, the stronger role counts", alice, remove, both, nil},
		{"member's roles are not a robot's", impostor, remove, both, ErrDenied},
		{"member's roles are not nobody's", Caller{}, remove, both, ErrUnauthenticated},
		{"administrator", root, remove, closed, nil},
		{"administrator, with a token", token(root), remove, closed, ErrDenied},
		{"no such project, nobody", Caller{}, read, nil, ErrUnauthenticated},
		{"no such project, a user", alice, read, nil, ErrDenied},
		{"no such project, a robot", reader, read, nil, ErrDenied},
		{"no such project, administrator", root, read, nil, nil},

		{"system, nobody", Caller{}, readCatalog, nil, ErrUnauthenticated},
		{"system, a user", alice, readCatalog, nil, ErrDenied},
		{"system, administrator", root, readCatalog, nil, nil},
		{"system, administrator, what robots cannot have", root, OfSystem("configuration", "update"), nil, nil},
		{"system, robot with it", reader, readCatalog, nil, nil},
		{"system, robot without it", reader, OfSystem("user", "list"), nil, ErrDenied},
		{"system, robot of a project", stray, readCatalog, nil, ErrDenied},
		{"system, robot that says it is administrator", impostor, readCatalog, nil, ErrDenied},
		{"catalog by a token for it", token(root, catalog), readCatalog, nil, nil},
		{"catalog by a robot's token for it", token(reader, catalog), readCatalog, nil, nil},
		{"catalog by a token without it", token(root), readCatalog, nil, ErrDenied},
		{"catalog by a token whose holder lost it", token(alice, catalog), readCatalog, nil, ErrDenied},
		{"catalog by nobody's token", token(Caller{}, catalog), readCatalog, nil, ErrUnauthenticated},
		{"other things by a token for the catalog", token(root, catalog), OfSystem("user", "list"), nil, ErrDenied},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Check(c.c, c.n, c.p); !errors.Is(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestAScannersRobotPullsFromItsRepositoryAlone and nobody else scans.
func TestAScannersRobotPullsFromItsRepositoryAlone(t *testing.T) {
	here, there, reborn := &Project{ID: 7, Name: "here"}, &Project{ID: 8, Name: "there"}, &Project{ID: 9, Name: "here"}
	only := Permission{Kind: KindProject, Namespace: "here", Repository: "here/app", Access: []Action{ScannerPull}}
	scanner := Caller{Kind: Robot, ID: 1, ProjectID: 7, Permissions: []Permission{only}}
	token := scanner
	token.Bearer, token.Grants = true, []Grant{{"repository", "here/other", []string{"pull"}}}
	whole := Caller{Kind: Robot, ID: 2, ProjectID: 7, Permissions: []Permission{permission(KindProject, "here", pull, ScannerPull)}}
	for _, c := range []struct {
		c                  Caller
		p                  *Project
		repository, action string
		may, scans         bool
	}{
		{scanner, here, "here/app", "pull", true, true},
		{scanner, here, "here/app", "push", false, true},
		{scanner, here, "here/app", "delete", false, true},
		{scanner, here, "here/app/deeper", "pull", false, false},
		{scanner, here, "here/other", "pull", false, false},
		{scanner, there, "here/app", "pull", false, false},
		{scanner, reborn, "here/app", "pull", false, false},
		{token, here, "here/app", "pull", false, true},
		{token, here, "here/other", "pull", false, false},
		{whole, here, "here/app", "pull", true, false},
		{Caller{Kind: User, ID: 1, Admin: true, Permissions: scanner.Permissions}, here, "here/app", "pull", true, false},
		{Caller{}, &Project{ID: 7, Name: "here", Public: true}, "here/app", "pull", true, false},
	} {
		if got := AllowedRepository(c.c, c.p, c.repository, c.action); got != c.may {
			t.Errorf("%+v may %s in %s: %t", c.c, c.action, c.repository, got)
		}
		if got := c.c.Scans(c.p, c.repository); got != c.scans {
			t.Errorf("%+v scans %s: %t", c.c, c.repository, got)
		}
	}
	if held := Permissions(scanner, here); len(held) > 0 {
		t.Errorf("in the project it may %v", held)
	}
	if names, every := scanner.Projects(Action{}); len(names) > 0 || every {
		t.Errorf("it sees the projects %v", names)
	}
	if _, project := Catalogue(); slices.Contains(project, ScannerPull) {
		t.Error("robots can be given the right of scanners")
	}
}

func TestRobots(t *testing.T) {
	here, there := &Project{ID: 7, Name: "here"}, &Project{ID: 8, Name: "there"}
	reborn := &Project{ID: 9, Name: "here"}
	ofHere := func(access ...Action) Caller {
		return Caller{Kind: Robot, ID: 1, ProjectID: 7, Permissions: []Permission{permission(KindProject, "here", access...)}}
	}
	system := func(namespace string, access ...Action) Caller {
		return Caller{Kind: Robot, ID: 2, Permissions: []Permission{permission(KindProject, namespace, access...)}}
	}
	wide := Caller{Kind: Robot, ID: 3, ProjectID: 7, Permissions: []Permission{permission(KindProject, EveryProject, pull)}}

	cases := []struct {
		name string
		c    Caller
		p    *Project
		a    Action
		want bool
	}{
		{"what it was given", ofHere(pull), here, pull, true},
		{"what it was not given", ofHere(pull), here, push, false},
		{"pull comes with push", ofHere(push), here, pull, true},
		{"push does not come with pull", ofHere(pull), here, push, false},
		{"delete comes with nothing", ofHere(push, pull), here, del, false},
		{"another project", ofHere(pull), there, pull, false},
		{"a new project under the old name", ofHere(pull), reborn, pull, false},
		{"its project's permission never is for all", wide, here, pull, false},
		{"system robot, by name", system("here", pull), here, pull, true},
		{"system robot, other name", system("here", pull), there, pull, false},
		{"system robot, all", system("*", pull), there, pull, true},
		{"system robot, push alone", system("*", push), there, pull, false},
		{"system permission is not a project's", Caller{Kind: Robot, Permissions: []Permission{permission(KindSystem, "*", pull)}}, here, pull, false},
		{"the project itself", system("here", Action{"project", "update"}), here, Action{"project", "update"}, true},
		{"permissions of a user count for nothing", Caller{Kind: User, Permissions: system("*", pull).Permissions}, here, pull, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Allowed(c.c, OfProject(c.a.Resource, c.a.Action), c.p); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRepositories(t *testing.T) {
	alice := Caller{Kind: User, ID: 2}
	closed := &Project{ID: 1, Name: "p"}
	open := &Project{ID: 1, Name: "p", Public: true}
	mine := &Project{ID: 1, Name: "p", Roles: []Role{Developer}}
	token := func(c Caller, name string, actions ...string) Caller {
		c.Bearer, c.Grants = true, []Grant{{"repository", name, actions}}
		return c
	}
	root := Caller{Kind: User, ID: 1, Admin: true}

	cases := []struct {
		name   string
		c      Caller
		p      *Project
		action string
		want   bool
	}{
		{"by password", alice, mine, "push", true},
		{"by password, not in the role", alice, mine, "delete", false},
		{"anonymous pull of a public one", Caller{}, open, "pull", true},
		{"anonymous push to a public one", Caller{}, open, "push", false},
		{"granted and held", token(alice, "p/app", "push"), mine, "push", true},
		{"granted and no longer held", token(alice, "p/app", "push"), closed, "push", false},
		{"held and not granted", token(alice, "p/app", "pull"), mine, "push", false},
		{"granted on another repository", token(alice, "p/ap", "push"), mine, "push", false},
		{"granted on what begins so", token(alice, "p", "push"), mine, "push", false},
		{"a name is no pattern", token(alice, "p/*", "*"), mine, "push", false},
		{"all actions", token(alice, "p/app", "*"), mine, "push", true},
		{"all actions, of those that are held", token(alice, "p/app", "*"), mine, "delete", false},
		{"anonymous token for a public one", token(Caller{}, "p/app", "pull"), open, "pull", true},
		{"anonymous token for one that is closed now", token(Caller{}, "p/app", "pull"), closed, "pull", false},
		{"administrator", root, closed, "delete", true},
		{"administrator's token narrows too", token(root, "p/app", "pull"), closed, "delete", false},
		{"a grant of another type", Caller{Kind: User, ID: 1, Admin: true, Bearer: true, Grants: []Grant{{"registry", "p/app", []string{"*"}}}}, closed, "pull", false},
		{"no project", root, nil, "pull", false},
		{"no such action", root, closed, "update", false},
		{"the star is no action", token(root, "p/app", "*"), closed, "*", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := AllowedRepository(c.c, c.p, "p/app", c.action); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	p := &Project{ID: 1, Name: "p", Roles: []Role{LimitedGuest}}
	alice := Caller{Kind: User, ID: 2}
	held := Permissions(alice, p)
	if len(held) != 14 || held[0] != (Action{"project", "read"}) {
		t.Errorf("a limited guest: %v", held)
	}
	if got := Permissions(Caller{Kind: User, Admin: true}, p); len(got) != len(matrix) {
		t.Errorf("an administrator holds %d of %d", len(got), len(matrix))
	}
	if got := Permissions(alice, nil); got != nil {
		t.Errorf("in no project: %v", got)
	}
	alice.Bearer = true
	if got := Permissions(alice, p); got != nil {
		t.Errorf("with a token: %v", got)
	}
	robot := Caller{Kind: Robot, Permissions: []Permission{permission(KindSystem, SystemNamespace, Action{"user", "list"})}}
	if got := SystemPermissions(robot); !slices.Equal(got, []Action{{"user", "list"}}) {
		t.Errorf("a robot over the system: %v", got)
	}
}

// What follows draws callers, projects and needs.

var (
	names     = rapid.SampledFrom([]string{"a", "b", "*", "/"})
	anyAction = rapid.Custom(func(t *rapid.T) Action {
		system, project := Catalogue()
		return rapid.SampledFrom(append(system, project...)).Draw(t, "action")
	})
	anyGrant = rapid.Custom(func(t *rapid.T) Grant {
		return Grant{
			Type:    rapid.SampledFrom([]string{"repository", "registry", "project"}).Draw(t, "type"),
			Name:    rapid.SampledFrom([]string{"a/app", "b/app", "a", "catalog", "*"}).Draw(t, "name"),
			Actions: rapid.SliceOfN(rapid.SampledFrom([]string{"pull", "push", "delete", "*", "read"}), 0, 3).Draw(t, "actions"),
		}
	})
	anyCaller = rapid.Custom(func(t *rapid.T) Caller {
		return Caller{
			Kind:      rapid.SampledFrom([]Kind{Nobody, User, Robot}).Draw(t, "kind"),
			ID:        1,
			Admin:     rapid.Bool().Draw(t, "admin"),
			ProjectID: rapid.Int64Range(0, 2).Draw(t, "project"),
			Permissions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Permission {
				return Permission{
					Kind:      rapid.SampledFrom([]string{KindSystem, KindProject}).Draw(t, "of"),
					Namespace: names.Draw(t, "namespace"),
					Access:    rapid.SliceOfN(anyAction, 0, 5).Draw(t, "access"),
				}
			}), 0, 3).Draw(t, "permissions"),
		}
	})
	anyProject = rapid.Custom(func(t *rapid.T) *Project {
		id := rapid.Int64Range(1, 2).Draw(t, "id")
		return &Project{
			ID:     id,
			Name:   []string{"a", "b"}[id-1],
			Public: rapid.Bool().Draw(t, "public"),
			Roles:  rapid.SliceOfN(rapid.SampledFrom(Roles()), 0, 2).Draw(t, "roles"),
		}
	})
	anyNeed = rapid.Custom(func(t *rapid.T) Need {
		a := anyAction.Draw(t, "need")
		return rapid.SampledFrom([]Need{LoggedIn, OfProject(a.Resource, a.Action), OfSystem(a.Resource, a.Action)}).Draw(t, "scope")
	})
)

func TestTokenNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p, n := anyCaller.Draw(t, "caller"), anyProject.Draw(t, "p"), anyNeed.Draw(t, "n")
		bearer := c
		bearer.Bearer, bearer.Grants = true, rapid.SliceOfN(anyGrant, 0, 4).Draw(t, "grants")
		if Allowed(bearer, n, p) && !Allowed(c, n, p) {
			t.Fatalf("%v only with a token", n)
		}
		action := rapid.SampledFrom([]string{"pull", "push", "delete", "*", "read"}).Draw(t, "action")
		if AllowedRepository(bearer, p, p.Name+"/app", action) && !AllowedRepository(c, p, p.Name+"/app", action) {
			t.Fatalf("%v only with a token", action)
		}
	})
}

func TestRobotNeverExceedsItsPermissions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p, n := anyCaller.Draw(t, "caller"), anyProject.Draw(t, "p"), anyNeed.Draw(t, "n")
		c.Kind = Robot
		if n == LoggedIn || !Allowed(c, n, p) {
			return
		}
		// Said again in other words: it is everybody's, or written down.
		if n.InProject() && Allowed(Caller{}, n, p) {
			return
		}
		for _, perm := range c.Permissions {
			mine := perm.Kind == KindProject && n.InProject() && (perm.Namespace == p.Name || perm.Namespace == "*")
			systems := perm.Kind == KindSystem && !n.InProject() && perm.Namespace == "/" && c.ProjectID == 0
			outside := c.ProjectID != 0 && (c.ProjectID != p.ID || perm.Namespace == "*")
			given := slices.Contains(perm.Access, n.Action) ||
				n.Action == pull && c.ProjectID != 0 && slices.Contains(perm.Access, push)
			if (mine && !outside || systems) && given {
				return
			}
		}
		t.Fatalf("%v was given to nobody", n)
	})
}

func TestRobotIsNeverAdministrator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p, n := anyCaller.Draw(t, "caller"), anyProject.Draw(t, "p"), anyNeed.Draw(t, "n")
		c.Kind, c.Admin = Robot, true
		plain := c
		plain.Admin = false
		if Allowed(c, n, p) != Allowed(plain, n, p) {
			t.Fatalf("%v differs by what the robot says of itself", n)
		}
	})
}

// Each role holds all that the next weaker one does, and becoming a member,
// opening a project or gaining a role takes nothing away.
func TestMoreIsNeverLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, p, n := anyCaller.Draw(t, "caller"), anyProject.Draw(t, "p"), anyNeed.Draw(t, "n")
		before := Allowed(c, n, p)
		more := *p
		more.Public = true
		if before && !Allowed(c, n, &more) {
			t.Fatalf("%v lost by opening the project", n)
		}
		more = *p
		more.Roles = append(slices.Clone(p.Roles), rapid.SampledFrom(Roles()).Draw(t, "role"))
		if before && !Allowed(c, n, &more) {
			t.Fatalf("%v lost by another role", n)
		}
	})
	for i, role := range Roles()[1:] {
		weaker, stronger := &Project{Roles: []Role{role}}, &Project{Roles: []Role{Roles()[i]}}
		user := Caller{Kind: User, ID: 2}
		for _, a := range Permissions(user, weaker) {
			if !Allowed(user, OfProject(a.Resource, a.Action), stronger) {
				t.Errorf("%v holds %v, and %v does not", role, a, Roles()[i])
			}
		}
		if len(Permissions(user, weaker)) >= len(Permissions(user, stronger)) {
			t.Errorf("%v is no weaker than %v", role, Roles()[i])
		}
	}
}
