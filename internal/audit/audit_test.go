package audit_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var (
	library = event.Where{ProjectID: 7, Project: "library", Repository: "library/app"}
	alice   = event.Actor{Name: "alice", Address: "192.0.2.1", Request: "r-1"}
	noon    = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
)

func newService(d *db.DB, keep time.Duration) *audit.Service {
	return audit.New(sqlstore.NewAudit(d), keep, slog.New(slog.DiscardHandler))
}

// rows returns what is kept, in order.
func rows(t *testing.T, d *db.DB) (all []audit.Row) {
	t.Helper()
	found, err := d.Query(t.Context(), `SELECT COALESCE(event_id, 0), at, username, address, request_id, project_id,
		resource, resource_type, operation, description, success FROM audit_log ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var r audit.Row
		var at int64
		err := found.Scan(&r.EventID, &at, &r.Username, &r.Address, &r.Request, &r.ProjectID,
			&r.Resource, &r.ResourceType, &r.Operation, &r.Description, &r.Success)
		if err != nil {
			t.Fatal(err)
		}
		r.At = time.UnixMicro(at).UTC()
		all = append(all, r)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryFactHasARow(t *testing.T) {
	const digest = "sha256:0123"
	user, robot := event.User{ID: 3, Name: "bob"}, event.Robot{Where: event.Where{ProjectID: 7, Project: "library"}, ID: 4, Name: "robot$library+ci"}
	member := event.Member{Where: event.Where{ProjectID: 7, Project: "library"}, Name: "bob", Role: "developer"}
	project := event.Where{ProjectID: 7, Project: "library"}
	cases := []struct {
		fact                           event.Fact
		operation, kind, resource, say string
		projectID                      int64
	}{
		{event.ArtifactPushed{Where: library, Digest: digest, Tags: []string{"1", "latest"}}, "create", "artifact", "library/app:1",
			"create artifact library/app@sha256:0123: 1, latest", 7},
		{event.ArtifactPushed{Where: library, Digest: digest}, "create", "artifact", "library/app@sha256:0123", "create artifact library/app@sha256:0123", 7},
		{event.ArtifactPulled{Where: library, Digest: digest, Tag: "1"}, "pull", "artifact", "library/app:1", "pull artifact library/app@sha256:0123: 1", 7},
		{event.ArtifactPulled{Where: library, Digest: digest}, "pull", "artifact", "library/app@sha256:0123", "pull artifact library/app@sha256:0123", 7},
		{event.ArtifactDeleted{Where: library, Digest: digest}, "delete", "artifact", "library/app@sha256:0123", "delete artifact library/app@sha256:0123", 7},
		{event.TagDeleted{Where: library, Tag: "1", Digest: digest}, "delete", "tag", "library/app:1", "delete tag library/app:1", 7},
		{event.BlobDeleted{Where: library, Digest: digest}, "delete", "blob", "library/app@sha256:0123", "delete blob library/app@sha256:0123", 7},
		{event.ProjectCreated{Where: project}, "create", "project", "library", "create project library", 7},
		{event.ProjectUpdated{Where: project, Changed: []string{"public", "auto_scan"}}, "update", "project", "library", "update project library: public, auto_scan", 7},
		{event.ProjectDeleted{Where: project}, "delete", "project", "library", "delete project library", 7},
		{event.MemberAdded{Member: member}, "create", "member", "bob", "create member bob of project library as developer", 7},
		{event.MemberUpdated{Member: member}, "update", "member", "bob", "update member bob of project library as developer", 7},
		{event.MemberRemoved{Member: event.Member{Where: project, Name: "bob"}}, "delete", "member", "bob", "delete member bob of project library", 7},
		{event.UserCreated{User: user}, "create", "user", "bob", "create user bob", 0},
		{event.UserUpdated{User: user, Changed: []string{"password"}}, "update", "user", "bob", "update user bob: password", 0},
		{event.UserDeleted{User: user}, "delete", "user", "bob", "delete user bob", 0},
		{event.RobotCreated{Robot: robot}, "create", "robot", "library+ci", "create robot library+ci", 7},
		{event.RobotUpdated{Robot: robot, Changed: []string{"disable"}}, "update", "robot", "library+ci", "update robot library+ci: disable", 7},
		{event.RobotDeleted{Robot: robot}, "delete", "robot", "library+ci", "delete robot library+ci", 7},
	}
	d := storetest.SQLite(t)
	var events []event.Event
	var want []audit.Row
	for i, c := range cases {
		id := int64(i + 1)
		events = append(events, event.Event{ID: id, At: noon, Actor: alice, Fact: c.fact})
		want = append(want, audit.Row{EventID: id, At: noon, Username: "alice", Address: "192.0.2.1", Request: "r-1",
			ProjectID: c.projectID, Resource: c.resource, ResourceType: c.kind, Operation: c.operation, Description: c.say, Success: true})
	}
	if err := newService(d, 0).Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, rows(t, d)); diff != "" {
		t.Error(diff)
	}
}

func TestSignInsAreRecordedUnderTheNameThatWasGiven(t *testing.T) {
	d := storetest.SQLite(t)
	s := newService(d, 0)
	nobody := event.Actor{Name: "anonymous", Address: "192.0.2.1", Request: "r-1"}
	for _, e := range []event.Event{
		{At: noon, Actor: alice, Fact: event.LoggedIn{Name: "alice", Granted: true}},
		{At: noon, Actor: nobody, Fact: event.LoggedIn{Name: "mallory", Reason: "wrong name or password"}},
	} {
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	row := audit.Row{At: noon, Username: "alice", Address: "192.0.2.1", Request: "r-1", Resource: "alice", ResourceType: "user",
		Operation: "login", Description: "login user alice", Success: true}
	failed := row
	failed.Username, failed.Resource, failed.Success = "mallory", "mallory", false
	failed.Description = "login user mallory: wrong name or password"
	if diff := cmp.Diff([]audit.Row{row, failed}, rows(t, d)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatClientsSendIsMadeFitToBeKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		name := "a\x00b\xff" + strings.Repeat("x", 10_000)
		err := newService(d, 0).Record(t.Context(), event.Event{At: noon, Actor: event.Actor{Name: name, Request: name}, Fact: event.LoggedIn{Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		got := rows(t, d)[0]
		if !strings.HasPrefix(got.Username, "ab\uFFFDxxx") || len(got.Username) > 600 || len(got.Request) > 600 {
			t.Errorf("%d bytes are kept: %.20q", len(got.Username), got.Username)
		}
	})
}

func TestOldRowsAreForgotten(t *testing.T) {
	d := storetest.SQLite(t)
	s := newService(d, 24*time.Hour)
	now := time.Now()
	for _, age := range []time.Duration{0, 23 * time.Hour, 25 * time.Hour, 1000 * time.Hour} {
		if err := s.Record(t.Context(), event.Event{At: now.Add(-age), Actor: alice, Fact: event.LoggedIn{Name: "alice"}}); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(ended); s.Run(ctx) }()
	for len(rows(t, d)) != 2 {
		if t.Context().Err() != nil || time.Since(now) > 20*time.Second {
			t.Fatalf("%d rows are left", len(rows(t, d)))
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-ended
}
