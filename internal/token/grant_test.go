package token_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

// A world has two projects, "library" which is public and "team" which is not,
// some users and robots, and a token service.
type world struct {
	tokens   *token.Service
	projects *project.Service
	callers  map[string]access.Caller
}

func newWorld(t testing.TB) *world {
	t.Helper()
	d, epoch, hasher := storetest.SQLite(t), &access.Epoch{}, secret.NewHasher(2)
	accounts := account.New(sqlstore.NewAccounts(d), hasher, nil, epoch)
	robots := robot.New(sqlstore.NewRobots(d), hasher, nil, epoch)
	w := &world{
		projects: project.New(sqlstore.NewProjects(d), storetest.People{Accounts: accounts}, nil, nil, epoch),
		callers:  map[string]access.Caller{"nobody": {}},
	}
	var err error
	if w.tokens, err = token.New(t.Context(), sqlstore.NewKeys(d), sealer(), w.projects, token.Config{}); err != nil {
		t.Fatal(err)
	}
	w.people(t, d)
	w.robots(t, robots)
	return w
}

func (w *world) people(t testing.TB, d *db.DB) {
	t.Helper()
	for _, name := range []string{"root", "owner", "maintainer", "developer", "guest", "limited", "stranger"} {
		u := account.User{Name: name, Admin: name == "root"}
		id, err := sqlstore.NewAccounts(d).Create(t.Context(), u, "no hash", event.Actor{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		w.callers[name] = access.Caller{Kind: access.User, ID: id, Name: name, Admin: u.Admin}
	}
	ctx := access.With(t.Context(), w.callers["owner"])
	roles := map[string]access.Role{
		"maintainer": access.Maintainer, "developer": access.Developer, "guest": access.Guest, "limited": access.LimitedGuest,
	}
	for _, p := range []project.NewProject{{Name: "library", Public: true}, {Name: "team"}, {Name: "other"}} {
		id, err := w.projects.Create(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		for name, role := range roles {
			if p.Name != "team" {
				continue
			}
			if _, err := w.projects.AddMember(ctx, id, project.NewMember{UserName: name, Role: role}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (w *world) robots(t testing.TB, robots *robot.Service) {
	t.Helper()
	ctx := access.With(t.Context(), w.callers["root"])
	on := func(kind, namespace string, actions ...access.Action) access.Permission {
		return access.Permission{Kind: kind, Namespace: namespace, Access: actions}
	}
	pull, push := access.Action{Resource: "repository", Action: "pull"}, access.Action{Resource: "repository", Action: "push"}
	for _, n := range []robot.NewRobot{
		{Name: "pusher", Level: robot.LevelProject, Permissions: []access.Permission{on("project", "team", push)}},
		{Name: "reader", Level: robot.LevelSystem, Permissions: []access.Permission{on("project", "*", pull)}},
		{Name: "lister", Level: robot.LevelSystem, Permissions: []access.Permission{on("system", "/", access.Action{Resource: "catalog", Action: "read"})}},
	} {
		n.Duration = -1
		r, _, err := robots.Create(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		w.callers[n.Name] = access.Caller{Kind: access.Robot, ID: r.ID, Name: r.Login(), ProjectID: r.ProjectID, Permissions: r.Permissions}
	}
}

// granted returns what one caller is granted for one scope.
func (w *world) granted(t testing.TB, caller, scope string) []string {
	t.Helper()
	asked, err := token.ParseScopes([]string{scope})
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.tokens.Grant(t.Context(), w.callers[caller], asked)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Type != asked[0].Type || got[0].Name != asked[0].Name || got[0].Actions == nil {
		t.Fatalf("%s asked for %s and got %+v", caller, scope, got)
	}
	return got[0].Actions
}

func TestGrantIsWhatWasAskedAndHeld(t *testing.T) {
	w := newWorld(t)
	all, none := []string{"pull", "push", "delete"}, []string{}
	for _, tc := range []struct {
		caller, scope string
		want          []string
	}{
		{"owner", "repository:team/app:*", all},
		{"owner", "repository:team/app:delete,pull", []string{"pull", "delete"}},
		{"maintainer", "repository:team/app:*", all},
		{"developer", "repository:team/app:*", []string{"pull", "push"}},
		{"developer", "repository:team/app:pull", []string{"pull"}},
		{"developer", "repository:team/deep/er/app:pull,push,delete", []string{"pull", "push"}},
		{"developer", "repository:team/app:scanner-pull,fly", none},
		{"developer", "repository:team/app:", none},
		{"guest", "repository:team/app:pull,push", []string{"pull"}},
		{"limited", "repository:team/app:pull,push", []string{"pull"}},
		{"root", "repository:team/app:*", all},
		{"root", "repository:team/app:pull", []string{"pull"}},

		// Public: everybody pulls, nobody else pushes.
		{"nobody", "repository:library/app:*", []string{"pull"}},
		{"stranger", "repository:library/app:pull,push", []string{"pull"}},
		{"pusher", "repository:library/app:*", []string{"pull"}},

		// Forbidden and unknown look the same.
		{"nobody", "repository:team/app:*", none},
		{"nobody", "repository:absent/app:*", none},
		{"stranger", "repository:team/app:pull", none},
		{"stranger", "repository:absent/app:pull", none},
		{"root", "repository:absent/app:pull", none},
		{"owner", "repository:team:pull", none},
		{"owner", "repository:team/App:pull", none},
		{"owner", "repository:team/../library/app:pull", none},
		{"owner", "repository:team/app:5000:pull", none},
		{"root", "image:team/app:pull", none},
		{"root", "registry:team/app:*", none},

		{"pusher", "repository:team/app:*", []string{"pull", "push"}},
		{"pusher", "repository:other/app:*", none},
		{"reader", "repository:other/app:*", []string{"pull"}},
		{"lister", "repository:other/app:*", none},

		{"owner", "repository(plugin):team/app:pull", []string{"pull"}},

		{"root", "registry:catalog:*", []string{"*"}},
		{"root", "registry:catalog:*,pull", []string{"*"}},
		{"root", "registry:catalog:pull", none},
		{"lister", "registry:catalog:*", []string{"*"}},
		{"reader", "registry:catalog:*", none},
		{"owner", "registry:catalog:*", none},
		{"nobody", "registry:catalog:*", none},
	} {
		if d := cmp.Diff(tc.want, w.granted(t, tc.caller, tc.scope)); d != "" {
			t.Errorf("%s asks for %s: %s", tc.caller, tc.scope, d)
		}
	}
}

// TestGrantNeverExceeds asks for anything and holds the answer against the
// question and against the live right.
func TestGrantNeverExceeds(t *testing.T) {
	w := newWorld(t)
	names := []string{"nobody", "root", "owner", "developer", "guest", "stranger", "pusher", "reader", "lister"}
	rapid.Check(t, func(rt *rapid.T) {
		caller := w.callers[rapid.SampledFrom(names).Draw(rt, "caller")]
		asked := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) access.Grant {
			return access.Grant{
				Type:    rapid.SampledFrom([]string{"repository", "registry"}).Draw(rt, "type"),
				Name:    rapid.SampledFrom([]string{"team/app", "library/app", "other/x", "gone/x", "catalog", "team"}).Draw(rt, "name"),
				Actions: rapid.SliceOf(rapid.SampledFrom([]string{"pull", "push", "delete", "*", "x"})).Draw(rt, "actions"),
			}
		}), 0, 5).Draw(rt, "asked")
		granted, err := w.tokens.Grant(t.Context(), caller, asked)
		if err != nil || len(granted) != len(asked) {
			rt.Fatalf("%+v, %v", granted, err)
		}
		for i, g := range granted {
			for _, a := range g.Actions {
				if !slices.Contains(asked[i].Actions, a) && !slices.Contains(asked[i].Actions, "*") {
					rt.Fatalf("%s was not asked for in %+v", a, asked[i])
				}
				if g.Type != "repository" {
					continue
				}
				p, err := w.projects.Access(t.Context(), caller, g.Name[:slices.Index([]byte(g.Name), '/')])
				if err != nil || !access.AllowedRepository(caller, &p, g.Name, a) {
					rt.Fatalf("%s on %s is granted to %s, who has it not", a, g.Name, caller.Name)
				}
			}
		}
	})
}

func TestATokenIsForItsRepositoryAlone(t *testing.T) {
	w := newWorld(t)
	owner := w.callers["owner"]
	asked, _ := token.ParseScopes([]string{"repository:team/app:pull,push"})
	granted, err := w.tokens.Grant(t.Context(), owner, asked)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := w.tokens.Verify(t.Context(), issue(t, w.tokens, owner, granted...))
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.projects.Access(t.Context(), owner, "team")
	if err != nil {
		t.Fatal(err)
	}
	bearer := owner
	bearer.Bearer, bearer.Grants = true, claims.Grants
	for _, tc := range []struct {
		repository, action string
		want               bool
	}{
		{"team/app", "pull", true}, {"team/app", "push", true}, {"team/app", "delete", false},
		{"team/other", "pull", false}, {"team/app/sub", "pull", false}, {"library/app", "pull", false},
	} {
		if got := access.AllowedRepository(bearer, &p, tc.repository, tc.action); got != tc.want {
			t.Errorf("%s %s: %v", tc.action, tc.repository, got)
		}
	}
	if access.Allowed(bearer, access.OfProject("member", "list"), &p) {
		t.Error("a token opens the API")
	}
}

// away stands for projects that cannot be asked.
type away struct{}

func (away) Access(context.Context, access.Caller, string) (access.Project, error) {
	return access.Project{}, errBroken
}

func TestGrantDoesNotGuessWhenProjectsFail(t *testing.T) {
	s, err := token.New(t.Context(), sqlstore.NewKeys(storetest.SQLite(t)), sealer(), away{}, token.Config{})
	if err != nil {
		t.Fatal(err)
	}
	asked, _ := token.ParseScopes([]string{"repository:team/app:pull"})
	if got, err := s.Grant(t.Context(), alice, asked); !errors.Is(err, errBroken) {
		t.Errorf("Grant = %v, %v", got, err)
	}
}
