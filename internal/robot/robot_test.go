package robot_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var (
	pull = access.Action{Resource: "repository", Action: "pull"}
	push = access.Action{Resource: "repository", Action: "push"}
)

// A house is a service over a real database that has the projects "library" (1)
// and "other" (2).
type house struct {
	*robot.Service
	t      *testing.T
	db     *db.DB
	hasher *secret.Hasher
	epoch  *access.Epoch
	ctx    context.Context // of the administrator "root"
}

func open(t *testing.T) *house {
	t.Helper()
	d := storetest.SQLite(t)
	h := &house{t: t, db: d, hasher: secret.NewHasher(2), epoch: new(access.Epoch)}
	h.Service = robot.New(sqlstore.NewRobots(d), h.hasher, nil, h.epoch)
	h.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true,
		Address: "192.0.2.1", Request: "r1"})
	h.exec(`INSERT INTO account (name, created, updated) VALUES ('root', 1, 1)`)
	h.exec(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 1, 1, 1), ('other', 1, 1, 1)`)
	return h
}

// again returns a service over the same database that remembers no failure.
func (h *house) again() *robot.Service {
	return robot.New(sqlstore.NewRobots(h.db), h.hasher, nil, h.epoch)
}

// exec changes what is kept, behind the service's back.
func (h *house) exec(q string, args ...any) {
	h.t.Helper()
	err := h.db.Write(h.ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// events returns what happened since the last call.
func (h *house) events() []event.Event {
	h.t.Helper()
	s := sqlstore.NewEvents(h.db)
	all, err := s.Pending(h.ctx, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []int64
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	if err := s.Done(h.ctx, ids); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// forgets reports whether do ends what is remembered about rights.
func (h *house) forgets(do func()) bool {
	h.t.Helper()
	asked := 0
	m := access.NewMemory[string, int](h.epoch, 1)
	ask := func(context.Context) (int, error) { asked++; return asked, nil }
	_, _ = m.Get(h.ctx, "k", ask)
	do()
	_, _ = m.Get(h.ctx, "k", ask)
	return asked == 2
}

func in(project string, actions ...access.Action) access.Permission {
	return access.Permission{Kind: "project", Namespace: project, Access: actions}
}

func onSystem(actions ...access.Action) access.Permission {
	return access.Permission{Kind: "system", Namespace: "/", Access: actions}
}

// ofProject is a robot that may pull and push in a project.
func ofProject(name, project string) robot.NewRobot {
	return robot.NewRobot{Name: name, Level: "project", Duration: 30, Permissions: []access.Permission{in(project, pull, push)}}
}

// ofSystem is a robot with permissions of each kind.
func ofSystem(name string) robot.NewRobot {
	return robot.NewRobot{Name: name, Level: "system", Duration: -1, Description: "d", Permissions: []access.Permission{
		onSystem(access.Action{Resource: "project", Action: "create"}), in("*", pull), in("other", push)}}
}

func (h *house) create(n robot.NewRobot) (robot.Robot, secret.Text) {
	h.t.Helper()
	r, text, err := h.Create(h.ctx, n)
	if err != nil {
		h.t.Fatal(err)
	}
	return r, text
}

func caller(r robot.Robot) access.Caller {
	return access.Caller{Kind: access.Robot, ID: r.ID, Name: r.Login(), ProjectID: r.ProjectID, Permissions: r.Permissions}
}

func TestCreateForASystem(t *testing.T) {
	h := open(t)
	var r robot.Robot
	var text secret.Text
	if !h.forgets(func() { r, text = h.create(ofSystem("ci")) }) {
		t.Error("creating does not end what is remembered")
	}
	if r.Login() != "robot$ci" || r.ProjectID != 0 || !r.Expires.IsZero() || r.CreatorKind != "local" || r.CreatorID != 1 {
		t.Errorf("created %+v", r)
	}
	if len(text.Reveal()) != 32 || secret.CheckStrength(text) != nil {
		t.Error("the secret is not of 32 mixed characters")
	}
	kept, err := h.ByID(h.ctx, r.ID)
	if diff := cmp.Diff(r, kept); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff(ofSystem("ci").Permissions, kept.Permissions); diff != "" {
		t.Error(diff)
	}
	events := h.events()
	if len(events) != 1 || events[0].Fact != (event.RobotCreated{Robot: event.Robot{ID: r.ID, Name: "robot$ci", Stored: "ci"}}) ||
		events[0].Actor != (event.Actor{Name: "root", Address: "192.0.2.1", Request: "r1"}) {
		t.Errorf("events %+v", events)
	}
}

func TestCreateForAProject(t *testing.T) {
	h := open(t)
	r, _ := h.create(ofProject("ci", "library"))
	if r.Login() != "robot$library+ci" || r.Name != "library+ci" || r.ProjectID != 1 || r.Project != "library" {
		t.Errorf("created %+v", r)
	}
	if want := r.Created.AddDate(0, 0, 30); !r.Expires.Equal(want) {
		t.Errorf("expires %v, not %v", r.Expires, want)
	}
	want := event.RobotCreated{Robot: event.Robot{Where: event.Where{ProjectID: 1, Project: "library"}, ID: r.ID, Name: "robot$library+ci", Stored: "library+ci"}}
	if events := h.events(); len(events) != 1 || events[0].Fact != want {
		t.Errorf("events %+v", events)
	}
	h.create(ofProject("ci", "other")) // the same name in another project
	h.create(ofSystem("ci"))           // and in the system
	for _, n := range []robot.NewRobot{ofProject("ci", "library"), ofSystem("ci")} {
		if _, text, err := h.Create(h.ctx, n); !errors.Is(err, robot.ErrExists) || !text.Empty() {
			t.Errorf("a second one: %v", err)
		}
	}
}

func TestCreateRefusesWhatNoRobotMayBe(t *testing.T) {
	h := open(t)
	type spoil func(*robot.NewRobot)
	perms := func(p ...access.Permission) spoil { return func(n *robot.NewRobot) { n.Permissions = p } }
	named := func(s string) spoil { return func(n *robot.NewRobot) { n.Name = s } }
	lasts := func(d int64) spoil { return func(n *robot.NewRobot) { n.Duration = d } }
	both := map[string]spoil{
		"no name": named(""), "capitals": named("CI"), "a plus": named("a+b"), "a dollar": named("robot$ci"), "a slash": named("a/b"),
		"a dash before": named("-a"), "a dash behind": named("a-"), "two dots": named("a..b"), "a space": named("a b"),
		"a long name": named(strings.Repeat("a", 256)), "a line feed": named("a\n"),
		"no duration": lasts(0), "a negative duration": lasts(-2), "too long": lasts(2147483647),
		"no level":           func(n *robot.NewRobot) { n.Level = "" },
		"an unknown level":   func(n *robot.NewRobot) { n.Level = "root" },
		"a long description": func(n *robot.NewRobot) { n.Description = strings.Repeat("ü", 1025) },
		"broken text":        func(n *robot.NewRobot) { n.Description = "\xff" },
		"no permissions":     perms(), "no actions": perms(in("library")),
		"an unknown action":                perms(in("library", access.Action{Resource: "repository", Action: "burn"})),
		"an unknown resource":              perms(in("library", access.Action{Resource: "world", Action: "pull"})),
		"any action":                       perms(in("library", access.Action{Resource: "repository", Action: "*"})),
		"one of the system in a project":   perms(in("library", access.Action{Resource: "catalog", Action: "read"})),
		"an unknown kind":                  perms(access.Permission{Kind: "planet", Namespace: "library", Access: []access.Action{pull}}),
		"no namespace":                     perms(in("", pull)),
		"the system's namespace":           perms(in("/", pull)),
		"one of a project on the system":   perms(onSystem(pull)),
		"the system by a project's name":   perms(access.Permission{Kind: "system", Namespace: "library", Access: []access.Action{{Resource: "catalog", Action: "read"}}}),
		"the system by a star":             perms(access.Permission{Kind: "system", Namespace: "*", Access: []access.Action{{Resource: "catalog", Action: "read"}}}),
		"one good action and one bad one":  perms(in("library", pull, access.Action{Resource: "member", Action: "own"})),
		"one good permission, one bad one": perms(in("library", pull), in("other")),
	}
	project := map[string]spoil{
		"two projects":   perms(in("library", pull), in("other", pull)),
		"every project":  perms(in("*", pull)),
		"the system too": perms(in("library", pull), onSystem(access.Action{Resource: "catalog", Action: "read"})),
		"the system":     perms(onSystem(access.Action{Resource: "catalog", Action: "read"})),
	}
	check := func(name string, n robot.NewRobot, spoil spoil) {
		spoil(&n)
		_, text, err := h.Create(h.ctx, n)
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Code != "BAD_REQUEST" || !text.Empty() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range both {
		check("system: "+name, ofSystem("ci"), spoil)
		check("project: "+name, ofProject("ci", "library"), spoil)
	}
	for name, spoil := range project {
		check("project: "+name, ofProject("ci", "library"), spoil)
	}
	for _, n := range []robot.NewRobot{ofProject("ci", "nowhere"), {Name: "ci", Level: "system", Duration: 1,
		Permissions: []access.Permission{in("library", pull), in("nowhere", pull)}}} {
		if _, _, err := h.Create(h.ctx, n); !errors.Is(err, robot.ErrProjectUnknown) || err.Error() != "project nowhere not found" {
			t.Errorf("a project that does not exist: %v", err)
		}
	}
	if h.hasher.Computed() > 2 || len(h.events()) != 0 {
		t.Error("refusals cost hashes or left events")
	}
}

func TestPermissionsAreMerged(t *testing.T) {
	h := open(t)
	n := ofSystem("ci")
	n.Permissions = []access.Permission{in("library", push, pull, push), in("*", pull), in("library", pull, access.Action{Resource: "tag", Action: "list"})}
	r, _ := h.create(n)
	want := []access.Permission{in("library", push, pull, access.Action{Resource: "tag", Action: "list"}), in("*", pull)}
	if diff := cmp.Diff(want, r.Permissions); diff != "" {
		t.Error(diff)
	}
	n.Permissions[0].Access[0] = access.Action{Resource: "member", Action: "create"}
	if r.Permissions[0].Access[0] != push {
		t.Error("the caller's slice is the robot's")
	}
}

// Nothing that only the service decides can be said in a request.
func TestNothingElseCanBeAssigned(t *testing.T) {
	allowed := []string{"Name", "Level", "Description", "Disabled", "Duration", "Permissions"}
	for _, typ := range []reflect.Type{reflect.TypeFor[robot.NewRobot](), reflect.TypeFor[robot.Change]()} {
		for i := range typ.NumField() {
			if !slices.Contains(allowed, typ.Field(i).Name) {
				t.Errorf("%s has %s", typ, typ.Field(i).Name)
			}
		}
	}
	for i := range reflect.TypeFor[robot.Robot]().NumField() {
		name := strings.ToLower(reflect.TypeFor[robot.Robot]().Field(i).Name)
		if strings.Contains(name, "secret") || strings.Contains(name, "hash") {
			t.Errorf("a Robot has %s", name)
		}
	}
}

func TestTheLongestDurationIsKept(t *testing.T) {
	h := open(t)
	n := ofSystem("old")
	n.Duration = 2147483646
	r, text := h.create(n)
	kept, err := h.ByID(h.ctx, r.ID)
	if err != nil || kept.Duration != 2147483646 || kept.Expires.Year() < 100_000 || !kept.Expires.Equal(r.Expires) {
		t.Errorf("%+v, %v", kept, err)
	}
	if _, err := h.Authenticate(h.ctx, "robot$old", text); err != nil {
		t.Error(err)
	}
}

func TestUpdate(t *testing.T) {
	h := open(t)
	r, _ := h.create(ofProject("ci", "library"))
	h.events()
	c := robot.Change{Name: "robot$library+ci", Level: "project", Description: "new", Disabled: true, Duration: 7,
		Permissions: []access.Permission{in("library", pull)}}
	if !h.forgets(func() {
		if err := h.Update(h.ctx, r.ID, c); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("updating does not end what is remembered")
	}
	want := r
	want.Description, want.Disabled, want.Duration, want.Permissions = "new", true, 7, c.Permissions
	want.Expires = r.Created.AddDate(0, 0, 7) // from the creation, not from now
	got, err := h.ByID(h.ctx, r.ID)
	want.Updated = got.Updated
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	events := h.events()
	fact := event.RobotUpdated{Robot: r.Fact(), Changed: []string{"description", "disable", "duration", "permissions"}}
	if len(events) != 1 || !reflect.DeepEqual(events[0].Fact, fact) {
		t.Errorf("events %+v", events)
	}
	c.Name, c.Level, c.Duration = "", "", 0 // as it is
	if err := h.Update(h.ctx, r.ID, c); err != nil || len(h.events()) != 0 {
		t.Errorf("the same again: %v", err)
	}
	if got, _ := h.ByID(h.ctx, r.ID); got.Duration != 7 || !got.Expires.Equal(want.Expires) {
		t.Errorf("a duration of 0 changes it to %d", got.Duration)
	}
	c.Duration = -1
	if err := h.Update(h.ctx, r.ID, c); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.ByID(h.ctx, r.ID); got.Duration != -1 || !got.Expires.IsZero() {
		t.Errorf("%d days, %v", got.Duration, got.Expires)
	}
}

func TestUpdateRefuses(t *testing.T) {
	h := open(t)
	r, _ := h.create(ofProject("ci", "library"))
	s, _ := h.create(ofSystem("ci"))
	h.events()
	same := robot.Change{Permissions: r.Permissions}
	for name, c := range map[string]struct {
		id    int64
		spoil func(*robot.Change)
		want  error
	}{
		"another name":      {r.ID, func(c *robot.Change) { c.Name = "robot$library+other" }, robot.ErrInvalid},
		"the bare name":     {r.ID, func(c *robot.Change) { c.Name = "ci" }, robot.ErrInvalid},
		"another level":     {r.ID, func(c *robot.Change) { c.Level = "system" }, robot.ErrInvalid},
		"another project":   {r.ID, func(c *robot.Change) { c.Permissions = []access.Permission{in("other", pull)} }, robot.ErrInvalid},
		"every project":     {r.ID, func(c *robot.Change) { c.Permissions = []access.Permission{in("*", pull)} }, robot.ErrInvalid},
		"no permissions":    {r.ID, func(c *robot.Change) { c.Permissions = nil }, robot.ErrInvalid},
		"the system":        {r.ID, func(c *robot.Change) { c.Permissions = ofSystem("x").Permissions }, robot.ErrInvalid},
		"a bad duration":    {r.ID, func(c *robot.Change) { c.Duration = -2 }, robot.ErrInvalid},
		"an unknown action": {s.ID, func(c *robot.Change) { c.Permissions = []access.Permission{in("*", access.Action{})} }, robot.ErrInvalid},
		"an unknown place":  {s.ID, func(c *robot.Change) { c.Permissions = []access.Permission{in("nowhere", pull)} }, robot.ErrProjectUnknown},
		"nobody":            {99, func(*robot.Change) {}, robot.ErrNotFound},
	} {
		change := same
		c.spoil(&change)
		if err := h.Update(h.ctx, c.id, change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(h.events()) != 0 {
		t.Error("refused changes left events")
	}
}

func TestDelete(t *testing.T) {
	h := open(t)
	r, text := h.create(ofProject("ci", "library"))
	h.events()
	if !h.forgets(func() {
		if err := h.Delete(h.ctx, r.ID); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("deleting does not end what is remembered")
	}
	if events := h.events(); len(events) != 1 || events[0].Fact != (event.RobotDeleted{Robot: r.Fact()}) {
		t.Errorf("events %+v", events)
	}
	if _, err := h.Authenticate(h.ctx, r.Login(), text); !errors.Is(err, robot.ErrWrong) {
		t.Errorf("signing in: %v", err)
	}
	for name, err := range map[string]error{"Delete": h.Delete(h.ctx, r.ID), "ByID": second(h.ByID(h.ctx, r.ID)), "Refresh": second(h.Refresh(h.ctx, r.ID, secret.Text{}))} {
		if !errors.Is(err, robot.ErrNotFound) || err.Error() != fmt.Sprintf("robot %d not found", r.ID) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again, _ := h.create(ofProject("ci", "library")); again.ID == r.ID {
		t.Error("the id was given to another")
	}
}

func second[T any](_ T, err error) error { return err }

func TestRobotsEndWithTheirProject(t *testing.T) {
	h := open(t)
	r, text := h.create(ofProject("ci", "library"))
	s, _ := h.create(robot.NewRobot{Name: "all", Level: "system", Duration: 1,
		Permissions: []access.Permission{in("library", push), in("other", pull)}})
	h.exec(`UPDATE project SET deleted = TRUE, name = name || '#1' WHERE id = 1`)
	h.exec(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 1, 2, 2)`) // another one of that name
	if _, err := h.Authenticate(h.ctx, r.Login(), text); !errors.Is(err, robot.ErrWrong) {
		t.Errorf("signing in: %v", err)
	}
	for name, err := range map[string]error{
		"ByID": second(h.ByID(h.ctx, r.ID)), "Delete": h.Delete(h.ctx, r.ID), "Refresh": second(h.Refresh(h.ctx, r.ID, secret.Text{})),
		"Update": h.Update(h.ctx, r.ID, robot.Change{Permissions: r.Permissions}),
	} {
		if !errors.Is(err, robot.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	kept, err := h.ByID(h.ctx, s.ID)
	if diff := cmp.Diff([]access.Permission{in("other", pull)}, kept.Permissions); err != nil || diff != "" {
		t.Errorf("what a robot might in the old project, it may in the new one: %v %s", err, diff)
	}
	again, fresh := h.create(ofProject("ci", "library"))
	if again.ProjectID != 3 {
		t.Errorf("a robot of the new project is of project %d", again.ProjectID)
	}
	if got, err := h.again().Authenticate(h.ctx, "robot$library+ci", fresh); err != nil || got.ID != again.ID {
		t.Errorf("the robot of the new project: %+v, %v", got, err)
	}
	if _, err := h.again().Authenticate(h.ctx, "robot$library+ci", text); !errors.Is(err, robot.ErrWrong) {
		t.Errorf("the old secret: %v", err)
	}
}

func TestList(t *testing.T) {
	h := open(t)
	for _, name := range []string{"b", "a", "c"} {
		h.create(ofProject(name, "library"))
		h.create(ofSystem(name))
	}
	h.create(ofProject("x", "other"))
	for _, c := range []struct {
		q, sort    string
		page, size int
		want       []string
		total      int64
	}{
		{"", "", 1, 10, []string{"a", "b", "c"}, 3},
		{"Level=system", "-name", 1, 2, []string{"c", "b"}, 3},
		{"level=system,ProjectID=1", "", 1, 10, []string{"a", "b", "c"}, 3}, // not those of the project
		{"Level=project,ProjectID=1", "", 2, 2, []string{"library+c"}, 3},
		{"Level=project,project_id=2", "", 1, 10, []string{"other+x"}, 1},
		{"Level=project,ProjectID=1,Name=~%2BB", "", 1, 10, []string{"library+b"}, 1},
		{"name=a", "", 1, 10, []string{"a"}, 1},
		{"Level=project,ProjectID=9", "", 1, 10, nil, 0},
		{"secret=~a,hash=x", "-secret", 1, 1, []string{"a"}, 3},
	} {
		q, err := query.Parse(c.q, c.sort, c.page, c.size)
		if err != nil {
			t.Fatal(err)
		}
		robots, total, err := h.List(h.ctx, q)
		var got []string
		for _, r := range robots {
			got = append(got, r.Name)
			if len(r.Permissions) == 0 {
				t.Errorf("%s has no permissions", r.Name)
			}
		}
		if err != nil || total != c.total || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %d, %v", c, got, total, err)
		}
	}
}

// A list that asks for robots of more than one owner would pass the check of one.
func TestAListHasOneOwner(t *testing.T) {
	h := open(t)
	h.create(ofProject("a", "library"))
	for _, text := range []string{
		"Level=project", "Level=project,ProjectID=0", "Level=project,ProjectID=-1", "Level=project,ProjectID=x",
		"Level=project,ProjectID={1 2}", "Level=project,ProjectID=[1~2]", "Level=project,ProjectID=~1",
		"Level={system project}", "Level=~s", "Level=[a~z]", "Level=(system)", "Level=robot", "Level=System",
	} {
		q, err := query.Parse(text, "", 1, 10)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.List(h.ctx, q); !errors.Is(err, robot.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"": "system 0", "ProjectID=1": "system 0", "Level=system": "system 0", "Level=project,ProjectID=7": "project 7",
	} {
		q, err := query.Parse(text, "", 1, 10)
		if err != nil {
			t.Fatal(err)
		}
		level, project, err := robot.Scope(q)
		if got := fmt.Sprint(level, " ", project); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestUsable(t *testing.T) {
	now := time.Now()
	for want, robots := range map[error][]robot.Robot{
		nil:               {{}, {Expires: now.Add(1)}},
		robot.ErrDisabled: {{Disabled: true}, {Disabled: true, Expires: now.Add(-1)}},
		robot.ErrExpired:  {{Expires: now}, {Expires: now.Add(-1)}},
	} {
		for _, r := range robots {
			if err := r.Usable(now); err != want {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
}
