package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var (
	repositoryPull = access.Action{Resource: "repository", Action: "pull"}
	tagList        = access.Action{Resource: "tag", Action: "list"}
	catalogRead    = access.Action{Resource: "catalog", Action: "read"}
)

// systemRobot returns one with permissions of all kinds that is not kept yet.
func systemRobot(name string) robot.Robot {
	return robot.Robot{Name: name, Level: robot.LevelSystem, Description: "it's a \"robot\"", Duration: -1,
		CreatorKind: robot.CreatorUser, CreatorID: 1, Created: accountTime, Updated: accountTime,
		Permissions: []access.Permission{
			{Kind: access.KindProject, Namespace: "other", Access: []access.Action{tagList, repositoryPull}},
			{Kind: access.KindSystem, Namespace: "/", Access: []access.Action{catalogRead}},
			{Kind: access.KindProject, Namespace: "*", Access: []access.Action{repositoryPull}},
		}}
}

// projectRobot returns one of a project that is not kept yet.
func projectRobot(project, name string) robot.Robot {
	return robot.Robot{Name: project + "+" + name, Project: project, Level: robot.LevelProject, Duration: 30, Disabled: true,
		Expires: accountTime.AddDate(0, 0, 30), CreatorKind: robot.CreatorRobot, CreatorID: 7, Created: accountTime, Updated: accountTime,
		Permissions: []access.Permission{{Kind: access.KindProject, Namespace: project, Access: []access.Action{repositoryPull}}}}
}

func createRobot(t *testing.T, d *db.DB, r robot.Robot) robot.Robot {
	t.Helper()
	r, err := NewRobots(d).Create(t.Context(), r, "hash of "+r.Name, event.Actor{Name: "root"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// robotHouse makes the projects "library" and "other" and returns their ids.
func robotHouse(t *testing.T, d *db.DB) (library, other int64) {
	t.Helper()
	root := createUser(t, d, account.User{Name: "root", Admin: true})
	library, other = insertProject(t, d, "library", root.ID), insertProject(t, d, "other", root.ID)
	drain(t, d)
	return library, other
}

// deleteProject does what deleting a project comes to for its robots.
func deleteProject(t *testing.T, d *db.DB, id int64) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE project SET deleted = TRUE, name = name || '#' || id WHERE id = ?`, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRobotsKeepRobots(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewRobots(d)
		library, _ := robotHouse(t, d)
		for _, r := range []robot.Robot{systemRobot("ci"), projectRobot("library", "ci")} {
			version := rightsVersion(t, d)
			kept := createRobot(t, d, r)
			if r.Project != "" {
				r.ProjectID = library
			}
			r.ID = kept.ID
			if diff := cmp.Diff(r, kept); diff != "" {
				t.Errorf("created: %s", diff)
			}
			byID, hash, err := s.ByID(t.Context(), kept.ID)
			if diff := cmp.Diff(r, byID); err != nil || diff != "" || hash != "hash of "+r.Name {
				t.Errorf("by id: %v %s %s", err, hash, diff)
			}
			byName, hash, err := s.ByName(t.Context(), r.Name)
			if diff := cmp.Diff(r, byName); err != nil || diff != "" || hash != "hash of "+r.Name {
				t.Errorf("by name: %v %s %s", err, hash, diff)
			}
			if events := drain(t, d); len(events) != 1 || events[0].Fact != (event.RobotCreated{Robot: r.Fact()}) ||
				events[0].Actor.Name != "root" || !events[0].At.Equal(accountTime) {
				t.Errorf("events %+v", events)
			}
			if rightsVersion(t, d) == version {
				t.Error("the rights have the same version")
			}
			if _, err := s.Create(t.Context(), r, "h", event.Actor{}); !errors.Is(err, robot.ErrExists) {
				t.Errorf("a second one: %v", err)
			}
		}
		if _, _, err := s.ByID(t.Context(), 99); !errors.Is(err, robot.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		for _, name := range []string{"", "nobody", "library+", "other+ci", "CI", "robot$ci"} {
			if _, _, err := s.ByName(t.Context(), name); !errors.Is(err, robot.ErrNotFound) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}

func TestRobotsOfUnknownProjectsAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewRobots(d)
		library, _ := robotHouse(t, d)
		kept := createRobot(t, d, systemRobot("ci"))
		drain(t, d)
		deleteProject(t, d, library)
		bad := kept
		bad.Permissions = []access.Permission{{Kind: access.KindProject, Namespace: "library", Access: []access.Action{tagList}}}
		for name, err := range map[string]error{
			"of a deleted project": second(s.Create(t.Context(), projectRobot("library", "x"), "h", event.Actor{})),
			"of none":              second(s.Create(t.Context(), projectRobot("nowhere", "x"), "h", event.Actor{})),
			"by its old row":       second(s.Create(t.Context(), projectRobot(fmt.Sprint("library#", library), "x"), "h", event.Actor{})),
			"by an update":         s.Update(t.Context(), bad, anEvent()),
		} {
			if !errors.Is(err, robot.ErrProjectUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, _, err := s.ByID(t.Context(), kept.ID); err != nil || !cmp.Equal(got, kept) || len(drain(t, d)) != 0 {
			t.Errorf("a refused update changed something: %+v, %v", got, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestRobotChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewRobots(d), t.Context()
		robotHouse(t, d)
		r, other := createRobot(t, d, systemRobot("ci")), createRobot(t, d, projectRobot("library", "ci"))
		drain(t, d)
		at := accountTime.Add(time.Hour)
		e := func(field string) event.Event {
			return event.Event{At: at, Fact: event.RobotUpdated{Robot: r.Fact(), Changed: []string{field}}}
		}
		r.Description, r.Disabled, r.Duration, r.Expires = "new", true, 3, accountTime.AddDate(0, 0, 3)
		r.Permissions = []access.Permission{{Kind: access.KindProject, Namespace: "library", Access: []access.Action{tagList}}}
		changed := r
		changed.Name, changed.Level, changed.ProjectID = "mallory", "project", 1 // what Update does not change
		for _, err := range []error{s.Update(ctx, changed, e("all")), s.SetSecret(ctx, r.ID, "new hash", e("secret"))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		r.Updated = at
		got, hash, err := s.ByID(ctx, r.ID)
		if diff := cmp.Diff(r, got); err != nil || hash != "new hash" || diff != "" {
			t.Errorf("%v %s %s", err, hash, diff)
		}
		if got, hash, _ := s.ByID(ctx, other.ID); !cmp.Equal(got, other) || hash != "hash of library+ci" {
			t.Errorf("another robot changed: %+v", got)
		}
		if err := s.Delete(ctx, r.ID, event.Event{At: at, Fact: event.RobotDeleted{Robot: r.Fact()}}); err != nil {
			t.Fatal(err)
		}
		if events := drain(t, d); len(events) != 3 {
			t.Errorf("%d events of 3 changes", len(events))
		}
		version := rightsVersion(t, d)
		for name, err := range map[string]error{
			"Update": s.Update(ctx, r, e("x")), "SetSecret": s.SetSecret(ctx, r.ID, "h", e("x")), "Delete": s.Delete(ctx, r.ID, e("x")),
			"ByID": third(s.ByID(ctx, r.ID)),
		} {
			if !errors.Is(err, robot.ErrNotFound) || err.Error() != fmt.Sprintf("robot %d not found", r.ID) {
				t.Errorf("%s of nobody: %v", name, err)
			}
		}
		if len(drain(t, d)) != 0 || rightsVersion(t, d) != version {
			t.Error("changes of nobody left something")
		}
	})
}

func third[T, U any](_ T, _ U, err error) error { return err }

func TestRobotsOfDeletedProjectsAreGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewRobots(d), t.Context()
		library, other := robotHouse(t, d)
		r, all := createRobot(t, d, projectRobot("library", "ci")), createRobot(t, d, systemRobot("all"))
		deleteProject(t, d, library)
		deleteProject(t, d, other)
		insertProject(t, d, "library", 1)
		insertProject(t, d, "other", 1)
		for name, err := range map[string]error{
			"ByID": third(s.ByID(ctx, r.ID)), "ByName": third(s.ByName(ctx, r.Name)), "Update": s.Update(ctx, r, anEvent()),
			"SetSecret": s.SetSecret(ctx, r.ID, "h", anEvent()), "Delete": s.Delete(ctx, r.ID, anEvent()),
		} {
			if !errors.Is(err, robot.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		robots, total, err := s.List(ctx, query.Query{})
		if err != nil || total != 1 || robots[0].ID != all.ID || !cmp.Equal(robots[0].Permissions, all.Permissions[1:]) {
			t.Errorf("%+v, %d, %v", robots, total, err)
		}
		// The name is free for a robot of the new project.
		again := createRobot(t, d, projectRobot("library", "ci"))
		if got, _, err := s.ByName(ctx, "library+ci"); err != nil || got.ID != again.ID {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestListRobots(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewRobots(d)
		library, other := robotHouse(t, d)
		for _, name := range []string{"c", "a", "b"} {
			createRobot(t, d, systemRobot(name))
			createRobot(t, d, projectRobot("library", name))
		}
		createRobot(t, d, projectRobot("other", "x"))
		for _, c := range []struct {
			q, sort    string
			page, size int
			want       []string
			total      int64
		}{
			{"level=system", "", 1, 10, []string{"a", "b", "c"}, 3},
			{fmt.Sprint("Level=project,ProjectID=", library), "-name", 1, 2, []string{"library+c", "library+b"}, 3},
			{fmt.Sprint("Level=project,ProjectId=", other), "", 1, 10, []string{"other+x"}, 1},
			{"name=~RARY", "-id", 1, 10, []string{"library+b", "library+a", "library+c"}, 3},
			{"disabled=true,level=system", "", 1, 10, nil, 0},
			{fmt.Sprint("name=~%2Bb,expires_at=", accountTime.AddDate(0, 0, 30).Unix()), "", 1, 10, []string{"library+b"}, 1},
			{fmt.Sprint("expires_at=[", accountTime.AddDate(0, 0, 30).Unix()+1, "~]"), "", 1, 10, nil, 0},
			{"expires_at=-1", "-expires_at,name", 1, 2, []string{"a", "b"}, 3},
			{"secret=~hash", "-secret", 1, 2, []string{"a", "b"}, 7},
			{"permissions=~xyz", "", 3, 3, []string{"other+x"}, 7},
		} {
			q, err := query.Parse(c.q, c.sort, c.page, c.size)
			if err != nil {
				t.Fatal(err)
			}
			robots, total, err := s.List(t.Context(), q)
			var got []string
			for _, r := range robots {
				got = append(got, r.Name)
				if full, _, err := s.ByID(t.Context(), r.ID); err != nil || !cmp.Equal(r, full) {
					t.Errorf("%s is another in the list", r.Name)
				}
			}
			if err != nil || total != c.total || !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, %d, %v", c, got, total, err)
			}
		}
	})
}
