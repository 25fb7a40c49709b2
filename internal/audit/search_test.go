package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// history is what happened: pulls in the projects 1 to 3, and a user who was made.
func history(t *testing.T, s *audit.Service) {
	t.Helper()
	var events []event.Event
	for i := range int64(3) {
		where := event.Where{ProjectID: i + 1, Project: fmt.Sprintf("p%d", i+1), Repository: fmt.Sprintf("p%d/app", i+1)}
		events = append(events, event.Event{ID: i + 1, At: noon.Add(time.Duration(i) * time.Minute), Actor: alice,
			Fact: event.ArtifactPulled{Where: where, Digest: "sha256:0", Tag: "1"}})
	}
	events = append(events, event.Event{ID: 9, At: noon.Add(time.Hour), Actor: event.Actor{Name: "root"}, Fact: event.UserCreated{User: event.User{Name: "bob"}}})
	if err := s.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// populate makes users 1 and 2, who administer the projects 1 and 2, the latter
// by a group; both are guests of 3.
func populate(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			`INSERT INTO account (id, name, created, updated) VALUES (1, 'one', 0, 0), (2, 'two', 0, 0)`,
			`INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'p1', 1, 0, 0), (2, 'p2', 1, 0, 0), (3, 'p3', 1, 0, 0)`,
			`INSERT INTO user_group (id, kind, name, key, created, updated) VALUES (7, 1, 'ops', 'ops', 0, 0)`,
			`INSERT INTO account_group (account_id, group_id) VALUES (2, 7)`,
			`INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES
				(1, 'u', 1, 1, 0, 0), (2, 'g', 7, 1, 0, 0), (3, 'u', 1, 3, 0, 0), (3, 'u', 2, 3, 0, 0)`,
		} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func robotWith(kind, namespace string, projectID int64, a access.Action) access.Caller {
	return access.Caller{Kind: access.Robot, ID: 1, Name: "robot$x", ProjectID: projectID,
		Permissions: []access.Permission{{Kind: kind, Namespace: namespace, Access: []access.Action{a}}}}
}

func TestRowsAreSeenByThoseWhoMay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		populate(t, d)
		s := newService(d, 0)
		history(t, s)
		logs := access.Action{Resource: "log", Action: "list"}
		for name, c := range map[string]struct {
			caller access.Caller
			want   []string
		}{
			"an administrator":           {access.Caller{Kind: access.User, ID: 1, Admin: true}, []string{"bob", "p3/app:1", "p2/app:1", "p1/app:1"}},
			"of a project":               {access.Caller{Kind: access.User, ID: 1}, []string{"p1/app:1"}},
			"of a project by a group":    {access.Caller{Kind: access.User, ID: 2}, []string{"p2/app:1"}},
			"a robot of the system":      {robotWith("system", "/", 0, access.Action{Resource: "audit-log", Action: "list"}), []string{"bob", "p3/app:1", "p2/app:1", "p1/app:1"}},
			"a robot of all projects":    {robotWith("project", "*", 0, logs), []string{"p3/app:1", "p2/app:1", "p1/app:1"}},
			"a robot of one project":     {robotWith("project", "p3", 3, logs), []string{"p3/app:1"}},
			"a robot without the right":  {robotWith("project", "p3", 3, access.Action{Resource: "repository", Action: "pull"}), nil},
			"a project's robot with all": {robotWith("project", "*", 3, logs), nil},
			"nobody":                     {access.Caller{}, nil},
		} {
			found, total, err := s.List(t.Context(), c.caller, query.Query{Page: 1, Size: 10})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range found {
				got = append(got, r.Resource)
			}
			if d := cmp.Diff(c.want, got); d != "" || total != int64(len(c.want)) {
				t.Errorf("%s: %d %s", name, total, d)
			}
		}
		found, _, err := s.InProject(t.Context(), 2, query.Query{Page: 1, Size: 10})
		if err != nil || len(found) != 1 || found[0].ProjectID != 2 {
			t.Errorf("of project 2: %+v, %v", found, err)
		}
	})
}

func TestRowsAreFoundByEveryField(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := newService(d, 0)
		history(t, s)
		for q, want := range map[string]int{
			"username=root": 1, "username=~LIC": 3, "resource=~p2": 1, "resource_type=user": 1, "operation={pull create}": 4,
			"operation_result=false": 0, "operation_description=~create user": 1, "op_time=[2025-11-25T12:01:00~2025-11-25T12:02:00]": 2,
			"project_id=3": 1, "address=192.0.2.1": 4, // no column: it filters nothing
		} {
			parsed, err := query.Parse(q, "op_time", 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			found, total, err := s.List(t.Context(), access.Caller{Kind: access.User, ID: 1, Admin: true}, parsed)
			if err != nil || len(found) != want || total != int64(want) {
				t.Errorf("%s: %d of %d, want %d: %v", q, len(found), total, want, err)
			}
		}
	})
}

func TestPurge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := newService(d, 0)
		history(t, s)
		if err := s.Deliver(t.Context(), []event.Event{{ID: 10, At: noon.Add(time.Hour), Actor: alice, Fact: event.ArtifactPushed{Where: library}}}); err != nil {
			t.Fatal(err)
		}
		purge := func(p audit.Purge, want int64, left int) {
			t.Helper()
			n, err := s.Purge(t.Context(), p)
			if err != nil || n != want {
				t.Errorf("%+v: %d rows, want %d: %v", p, n, want, err)
			}
			if got := len(rows(t, d)); got != left {
				t.Errorf("%+v: %d rows are left, want %d", p, got, left)
			}
		}
		late := noon.Add(24 * time.Hour)
		purge(audit.Purge{Before: late, DryRun: true}, 5, 5)
		purge(audit.Purge{Before: noon}, 0, 5)
		purge(audit.Purge{Before: noon.Add(time.Minute)}, 1, 5) // the purge itself leaves a row
		purge(audit.Purge{Before: late, Kinds: []string{"create_artifact"}}, 1, 5)
		purge(audit.Purge{Before: late, Kinds: []string{audit.Others}, DryRun: true}, 1, 5)
		purge(audit.Purge{Before: late, Kinds: []string{"pull_artifact", audit.Others}}, 3, 3)
		if _, err := s.Purge(t.Context(), audit.Purge{Before: late, Kinds: []string{"pull"}}); err == nil {
			t.Error("a kind that there is none of")
		}
		for _, r := range rows(t, d) {
			if r.Kind() != "delete_audit_log" {
				t.Errorf("%+v is left", r)
			}
		}
	})
}

func TestAPurgeOfManyRowsGoesThroughAll(t *testing.T) {
	d := storetest.SQLite(t)
	s := newService(d, 0)
	var events []event.Event
	for i := range int64(2500) { // at one time, of two kinds
		e := event.Event{ID: i + 1, At: noon, Actor: alice, Fact: event.ArtifactPulled{Where: library}}
		if i%2 == 0 {
			e.Fact = event.ArtifactPushed{Where: library}
		}
		events = append(events, e)
	}
	if err := s.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	n, err := s.Purge(t.Context(), audit.Purge{Before: noon.Add(time.Microsecond), Kinds: []string{"pull_artifact"}})
	if err != nil || n != 1250 {
		t.Errorf("%d rows went: %v", n, err)
	}
}
