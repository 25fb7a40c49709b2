package audit_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var (
	library = event.Where{ProjectID: 7, Project: "library", Repository: "library/app"}
	alice   = event.Actor{Name: "alice", Address: "192.0.2.1", Request: "r-1"}
	noon    = time.Date(2025, 11, 25, 12, 0, 0, 0, time.UTC)
)

// newService returns a service whose settings are as change leaves them.
func newService(d *db.DB, keep time.Duration, change ...func(*setting.Values)) *audit.Service {
	settings := func(context.Context) (setting.Values, error) {
		var v setting.Values
		for _, f := range change {
			f(&v)
		}
		return v, nil
	}
	return audit.New(sqlstore.NewAudit(d), settings, keep, outbound.NewDialer(outbound.ForSystem()), slog.New(slog.DiscardHandler))
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
		{event.TagCreated{Where: library, Tag: "2", Digest: digest}, "create", "tag", "library/app:2", "create tag library/app:2", 7},
		{event.RepositoryUpdated{Where: library}, "update", "repository", "library/app", "update repository library/app: description", 7},
		{event.RepositoryDeleted{Where: library}, "delete", "repository", "library/app", "delete repository library/app", 7},
		{event.LabelAdded{Label: event.Label{Where: library, Name: "gold"}, Digest: digest}, "update", "artifact", "library/app@sha256:0123",
			"update artifact library/app@sha256:0123: label gold added", 7},
		{event.LabelRemoved{Label: event.Label{Where: library, Name: "gold"}, Digest: digest}, "update", "artifact", "library/app@sha256:0123",
			"update artifact library/app@sha256:0123: label gold removed", 7},
		{event.LabelCreated{Label: event.Label{Name: "gold"}}, "create", "label", "gold", "create label gold", 0},
		{event.LabelUpdated{Label: event.Label{Name: "gold"}}, "update", "label", "gold", "update label gold", 0},
		{event.LabelDeleted{Label: event.Label{Where: project, Name: "gold"}}, "delete", "label", "gold", "delete label gold", 7},
		{event.ImmutableRuleCreated{ImmutableRule: event.ImmutableRule{Where: project, ID: 5}}, "create", "immutable_rule", "library/5", "create immutable_rule library/5", 7},
		{event.TrustCreated{Trust: event.Trust{Where: project, ID: 5, Name: "ci"}}, "create", "trust", "ci", "create trust ci", 7},
		{event.TrustUpdated{Trust: event.Trust{Where: project, ID: 5, Name: "ci"}}, "update", "trust", "ci", "update trust ci", 7},
		{event.TrustDeleted{Trust: event.Trust{Where: project, ID: 5, Name: "ci"}}, "delete", "trust", "ci", "delete trust ci", 7},
		{event.ImmutableRuleUpdated{ImmutableRule: event.ImmutableRule{Where: project, ID: 5}}, "update", "immutable_rule", "library/5", "update immutable_rule library/5", 7},
		{event.ImmutableRuleDeleted{ImmutableRule: event.ImmutableRule{Where: project, ID: 5}}, "delete", "immutable_rule", "library/5", "delete immutable_rule library/5", 7},
		{event.QuotaUpdated{Quota: event.Quota{Where: project, Used: 1, Hard: 5}}, "update", "quota", "library", "update quota library: 5 bytes", 7},
		{event.GroupCreated{Group: event.Group{ID: 1, Name: "ops"}}, "create", "group", "ops", "create group ops", 0},
		{event.GroupUpdated{Group: event.Group{ID: 1, Name: "ops"}}, "update", "group", "ops", "update group ops: name", 0},
		{event.GroupDeleted{Group: event.Group{ID: 1, Name: "ops"}}, "delete", "group", "ops", "delete group ops", 0},
		{event.EndpointCreated{Endpoint: event.Endpoint{ID: 1, Name: "hub"}}, "create", "registry", "hub", "create registry hub", 0},
		{event.EndpointUpdated{Endpoint: event.Endpoint{ID: 1, Name: "hub"}, Changed: []string{"url"}}, "update", "registry", "hub", "update registry hub: url", 0},
		{event.EndpointDeleted{Endpoint: event.Endpoint{ID: 1, Name: "hub"}}, "delete", "registry", "hub", "delete registry hub", 0},
		{event.ScannerCreated{Scanner: event.Scanner{ID: "x", Name: "probe"}}, "create", "scanner", "probe", "create scanner probe", 0},
		{event.ScannerUpdated{Scanner: event.Scanner{ID: "x", Name: "probe"}, Changed: []string{"url"}}, "update", "scanner", "probe", "update scanner probe: url", 0},
		{event.ScannerDeleted{Scanner: event.Scanner{ID: "x", Name: "probe"}}, "delete", "scanner", "probe", "delete scanner probe", 0},
		{event.ReplicationPolicyCreated{ReplicationPolicy: event.ReplicationPolicy{ID: 1, Name: "out"}}, "create", "replication_policy", "out", "create replication_policy out", 0},
		{event.ReplicationPolicyUpdated{ReplicationPolicy: event.ReplicationPolicy{ID: 1, Name: "out"}}, "update", "replication_policy", "out", "update replication_policy out", 0},
		{event.ReplicationPolicyDeleted{ReplicationPolicy: event.ReplicationPolicy{ID: 1, Name: "out"}}, "delete", "replication_policy", "out", "delete replication_policy out", 0},
		{event.SettingsUpdated{Changed: []string{"read_only"}}, "update", "configuration", "configuration", "update configuration configuration: read_only", 0},
		{event.AuditPurged{Before: "2026-01-01T00:00:00Z", Kinds: []string{"pull_artifact"}, Rows: 3}, "delete", "audit_log", "before 2026-01-01T00:00:00Z",
			"delete audit_log before 2026-01-01T00:00:00Z: pull_artifact, 3 rows", 0},
		{event.LoggedOut{Name: "alice"}, "logout", "user", "alice", "logout user alice", 0},
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
	got := rows(t, d)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, r := range got {
		if !slices.Contains(audit.Kinds, r.Kind()) {
			t.Errorf("the kind %s is missing in the list of kinds", r.Kind())
		}
	}
}

func TestNobodysFactsHaveNoRow(t *testing.T) {
	d := storetest.SQLite(t)
	for _, fact := range []event.Fact{event.QuotaWarned{}, event.QuotaExceeded{}} {
		if err := newService(d, 0).Record(t.Context(), event.Event{At: noon, Actor: alice, Fact: fact}); err != nil {
			t.Fatal(err)
		}
	}
	if got := rows(t, d); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestKindsThatAreDisabledLeaveNoRow(t *testing.T) {
	d := storetest.SQLite(t)
	s := newService(d, 0, func(v *setting.Values) { v.AuditDisabled = "pull_artifact, login_user" })
	events := []event.Event{
		{ID: 1, At: noon, Actor: alice, Fact: event.ArtifactPulled{Where: library}},
		{ID: 2, At: noon, Actor: alice, Fact: event.ArtifactPushed{Where: library}},
		{ID: 3, At: noon, Actor: alice, Fact: event.LoggedIn{Name: "alice"}},
	}
	if err := s.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, d); len(got) != 1 || got[0].Kind() != "create_artifact" {
		t.Errorf("%+v", got)
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
