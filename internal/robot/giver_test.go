package robot_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/robot"
)

func TestARobotGivesNoMoreThanItHas(t *testing.T) {
	h := open(t)
	create := access.Action{Resource: "robot", Action: "create"}
	catalog := access.Action{Resource: "catalog", Action: "read"}
	all := access.Caller{Kind: access.Robot, ID: 5, Name: "robot$all",
		Permissions: []access.Permission{onSystem(create), in("*", pull), in("library", push)}}
	own := access.Caller{Kind: access.Robot, ID: 6, Name: "robot$library+own", ProjectID: 1,
		Permissions: []access.Permission{in("library", push, create)}}
	for i, c := range []struct {
		giver access.Caller
		level string
		given []access.Permission
		want  error
	}{
		{all, "system", []access.Permission{in("*", pull)}, nil},
		{all, "system", []access.Permission{in("other", pull), in("library", pull, push), onSystem(create)}, nil},
		{all, "system", []access.Permission{in("other", push)}, robot.ErrExceeds},
		{all, "system", []access.Permission{in("*", push)}, robot.ErrExceeds},
		{all, "system", []access.Permission{onSystem(create, catalog)}, robot.ErrExceeds},
		{all, "project", []access.Permission{in("library", push)}, nil},
		{own, "project", []access.Permission{in("library", push)}, nil},
		{own, "project", []access.Permission{in("library", pull)}, nil}, // which it may, as it may push
		{own, "project", []access.Permission{in("other", push)}, robot.ErrExceeds},
		{own, "project", []access.Permission{in("library", push, access.Action{Resource: "member", Action: "create"})}, robot.ErrExceeds},
		{own, "system", []access.Permission{in("*", push)}, robot.ErrExceeds},
		// For a robot of a project, "*" stands for nothing.
		{access.Caller{Kind: access.Robot, ProjectID: 1, Permissions: []access.Permission{in("*", pull)}}, "project",
			[]access.Permission{in("other", pull)}, robot.ErrExceeds},
		// Of a project, it could pull as well.
		{access.Caller{Kind: access.Robot, Permissions: []access.Permission{in("library", push)}}, "project",
			[]access.Permission{in("library", push)}, robot.ErrExceeds},
		{access.Caller{Kind: access.User, ID: 1}, "system", []access.Permission{in("*", push), onSystem(catalog)}, nil},
	} {
		n := robot.NewRobot{Name: fmt.Sprint("r", i), Level: c.level, Duration: 1, Permissions: c.given}
		r, text, err := h.Create(access.With(t.Context(), c.giver), n)
		if !errors.Is(err, c.want) || (err == nil) == text.Empty() {
			t.Errorf("%d: %v", i, err)
		}
		if err == nil && c.giver.Kind == access.Robot && (r.CreatorKind != "robot" || r.CreatorID != c.giver.ID) {
			t.Errorf("%d: created by %s %d", i, r.CreatorKind, r.CreatorID)
		}
	}
	r, _ := h.create(ofProject("ci", "library"))
	more := robot.Change{Permissions: []access.Permission{in("library", access.Action{Resource: "tag", Action: "delete"})}}
	if err := h.Update(access.With(t.Context(), own), r.ID, more); !errors.Is(err, robot.ErrExceeds) {
		t.Errorf("by an update: %v", err)
	}
}

// Whatever robots give to one another, access allows nothing to the new one that
// it does not allow to the giver; and what is refused would have been more.
func TestRightsOfACreatedRobotAreASubset(t *testing.T) {
	h := open(t)
	projects := []*access.Project{{ID: 1, Name: "library"}, {ID: 2, Name: "other"}, {ID: 1, Name: "library", Public: true}}
	system, project := access.Catalogue()
	// Few actions, so that subsets are found; pull and push depend on each other.
	few := []access.Action{pull, push, {Resource: "robot", Action: "create"}, {Resource: "project", Action: "read"}}
	permissions := func(t *rapid.T, name string, ofProject bool) []access.Permission {
		if ofProject {
			where := rapid.SampledFrom([]string{"library", "other"}).Draw(t, name+" project")
			return []access.Permission{in(where, rapid.SliceOfN(rapid.SampledFrom(few), 1, 4).Draw(t, name+" access")...)}
		}
		var out []access.Permission
		for i := range rapid.IntRange(1, 4).Draw(t, name+" permissions") {
			draw := fmt.Sprint(name, i)
			where := rapid.SampledFrom([]string{"/", "*", "library", "other"}).Draw(t, draw+" namespace")
			if where == "/" {
				out = append(out, onSystem(rapid.SliceOfN(rapid.SampledFrom(system[:4]), 1, 3).Draw(t, draw+" access")...))
				continue
			}
			out = append(out, in(where, rapid.SliceOfN(rapid.SampledFrom(few), 1, 4).Draw(t, draw+" access")...))
		}
		return out
	}
	// exceeds reports whether access allows a anything that it does not allow b.
	exceeds := func(a, b access.Caller) bool {
		for _, action := range system {
			n := access.OfSystem(action.Resource, action.Action)
			if access.Allowed(a, n, nil) && !access.Allowed(b, n, nil) {
				return true
			}
		}
		for _, p := range projects {
			for _, action := range project {
				n := access.OfProject(action.Resource, action.Action)
				if access.Allowed(a, n, p) && !access.Allowed(b, n, p) {
					return true
				}
			}
			for _, verb := range []string{"pull", "push", "delete"} {
				if access.AllowedRepository(a, p, p.Name+"/app", verb) && !access.AllowedRepository(b, p, p.Name+"/app", verb) {
					return true
				}
			}
		}
		return false
	}
	created, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		giver := access.Caller{Kind: access.Robot, ID: 9, Name: "robot$giver"}
		giverOfProject := rapid.Bool().Draw(t, "giver of a project")
		giver.Permissions = permissions(t, "giver", giverOfProject)
		if giverOfProject {
			giver.ProjectID = map[string]int64{"library": 1, "other": 2}[giver.Permissions[0].Namespace]
		}
		n := robot.NewRobot{Name: "new", Level: "system", Duration: 1}
		newOfProject := rapid.Bool().Draw(t, "new one of a project")
		n.Permissions = permissions(t, "new", newOfProject)
		if newOfProject {
			n.Level = "project"
		}
		r, _, err := h.Create(access.With(h.ctx, giver), n)
		if err == nil {
			created++
			if err := h.Delete(h.ctx, r.ID); err != nil {
				t.Fatal(err)
			}
			if exceeds(caller(r), giver) {
				t.Fatalf("%+v may do more than %+v", caller(r), giver)
			}
			return
		}
		refused++
		would := access.Caller{Kind: access.Robot, ID: 10, Permissions: n.Permissions}
		if newOfProject {
			would.ProjectID = map[string]int64{"library": 1, "other": 2}[n.Permissions[0].Namespace]
		}
		// "*" also means projects to come, which these two do not show.
		if !errors.Is(err, robot.ErrExceeds) || !exceeds(would, giver) && !namesAll(n.Permissions) {
			t.Fatalf("%+v was refused: %v", n, err)
		}
	})
	if created == 0 || refused == 0 {
		t.Errorf("%d robots created, %d refused: the property was not tried", created, refused)
	}
}

func namesAll(perms []access.Permission) bool {
	for _, p := range perms {
		if p.Namespace == access.EveryProject {
			return true
		}
	}
	return false
}
