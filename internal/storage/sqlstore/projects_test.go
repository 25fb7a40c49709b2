package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var by = event.Actor{Name: "alice", Address: "192.0.2.7", Request: "r-1"}

func createProject(t *testing.T, d *db.DB, name string, owner int64) int64 {
	t.Helper()
	id, err := NewProjects(d).Create(t.Context(), project.Project{Name: name, OwnerID: owner, Limit: -1, Created: accountTime}, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// upstream makes an endpoint and returns its id.
func upstream(t *testing.T, d *db.DB, name string) int64 {
	t.Helper()
	e := endpoint.Endpoint{Name: name, Kind: remote.Distribution, URL: "https://" + name + ".example.org", Healthy: true, Created: accountTime, Updated: accountTime, Checked: accountTime}
	id, err := NewEndpoints(d).Create(t.Context(), e, func(int64) []byte { return nil }, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func createCache(t *testing.T, d *db.DB, name string, owner, of int64) int64 {
	t.Helper()
	id, err := NewProjects(d).Create(t.Context(), project.Project{Name: name, OwnerID: owner, Limit: -1, Upstream: of, Created: accountTime}, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func addMember(t *testing.T, d *db.DB, projectID, user int64, role access.Role) int64 {
	t.Helper()
	id, err := NewProjects(d).AddMember(t.Context(), project.Member{ProjectID: projectID, Kind: project.KindUser, EntityID: user, Role: role}, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// rowsOf counts the rows that a condition holds for.
func rowsOf(t *testing.T, d *db.DB, from string, args ...any) int {
	t.Helper()
	var n int
	if err := d.QueryRow(t.Context(), `SELECT count(*) FROM `+from, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProjectsComeOutAsTheyWentIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewProjects(d)
		alice := createUser(t, d, sampleUser("alice"))
		for _, p := range []project.Project{
			{Name: "cache", OwnerID: alice.ID, Created: accountTime, Upstream: upstream(t, d, "hub")},
			{Name: "plain", OwnerID: alice.ID, Created: accountTime},
			{Name: "set", OwnerID: alice.ID, Created: accountTime, Metadata: map[string]string{"public": "true", "severity": `"high"`, "auto_scan": "ü"}},
		} {
			id, err := s.Create(t.Context(), p, by)
			if err != nil {
				t.Fatal(err)
			}
			want := p
			want.ID, want.OwnerName, want.Updated, want.Public = id, "alice", p.Created, p.Name == "set"
			if p.Metadata == nil {
				want.Metadata = map[string]string{"public": "false"}
			}
			byID, err := s.ByID(t.Context(), id)
			if diff := cmp.Diff(want, byID); diff != "" || err != nil {
				t.Error(diff, err)
			}
			byName, err := s.ByName(t.Context(), p.Name)
			if diff := cmp.Diff(want, byName); diff != "" || err != nil {
				t.Error(diff, err)
			}
			rights, err := s.Rights(t.Context(), p.Name, alice.ID)
			wantRights := access.Project{ID: id, Name: p.Name, Public: want.Public, Upstream: p.Upstream, Roles: []access.Role{access.ProjectAdmin}}
			if diff := cmp.Diff(wantRights, rights); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if rights, err := s.Rights(t.Context(), p.Name, 0); err != nil || rights.Roles != nil {
				t.Errorf("nobody holds %v, %v", rights.Roles, err)
			}
		}
		_, err := s.ByName(t.Context(), "none")
		if !errors.Is(err, project.ErrNotFound) || err.Error() != "project none not found" {
			t.Errorf("a project that there is not: %v", err)
		}
	})
}

func TestOwners(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewProjects(d)
		if _, err := s.Create(t.Context(), project.Project{Name: "p"}, by); !errors.Is(err, project.ErrInvalid) {
			t.Errorf("without any administrator: %v", err)
		}
		createUser(t, d, sampleUser("alice"))
		gone := sampleUser("gone")
		gone.Admin = true
		gone = createUser(t, d, gone)
		for _, name := range []string{"root", "toor"} {
			u := sampleUser(name)
			u.Admin = true
			createUser(t, d, u)
		}
		if err := NewAccounts(d).Delete(t.Context(), gone.ID, anEvent()); err != nil {
			t.Fatal(err)
		}
		id := createProject(t, d, "p", 0)
		if p, err := s.ByID(t.Context(), id); err != nil || p.OwnerName != "root" {
			t.Errorf("it belongs to %q, %v", p.OwnerName, err)
		}
		for _, owner := range []int64{999, gone.ID} {
			if _, err := s.Create(t.Context(), project.Project{Name: "q", OwnerID: owner}, by); !errors.Is(err, project.ErrInvalid) {
				t.Errorf("for user %d: %v", owner, err)
			}
		}
	})
}

// Each change writes one event, by its actor, and raises the version of the
// rights; what fails writes nothing.
func TestChangesOfProjectsAreTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, rights := NewProjects(d), NewRights(d)
		alice, bob := createUser(t, d, sampleUser("alice")), createUser(t, d, sampleUser("bob"))
		drain(t, d)
		var id, member int64
		where := func() event.Where { return event.Where{ProjectID: id, Project: "p"} }
		bobIs := func(role access.Role) event.Member {
			return event.Member{Where: where(), Name: "bob", Role: role.String()}
		}
		join := func(user int64) (err error) {
			m := project.Member{ProjectID: id, Kind: project.KindUser, EntityID: user, EntityName: "bob", Role: access.Guest}
			n, err := s.AddMember(t.Context(), m, by)
			if err == nil {
				member = n
			}
			return err
		}
		steps := []struct {
			name string
			do   func() error
			want func() event.Fact // nil where it fails
		}{
			{"create", func() (err error) {
				id, err = s.Create(t.Context(), project.Project{Name: "p", OwnerID: alice.ID, Created: accountTime}, by)
				return err
			}, func() event.Fact { return event.ProjectCreated{Where: where()} }},
			{"create again", func() error {
				_, err := s.Create(t.Context(), project.Project{Name: "p", OwnerID: alice.ID, Created: accountTime}, by)
				return err
			}, nil},
			{"join", func() error { return join(bob.ID) }, func() event.Fact { return event.MemberAdded{Member: bobIs(access.Guest)} }},
			{"join again", func() error { return join(bob.ID) }, nil},
			{"join of nobody", func() error { return join(999) }, nil},
			{"role", func() error { return s.SetRole(t.Context(), id, member, access.Developer, by) },
				func() event.Fact { return event.MemberUpdated{Member: bobIs(access.Developer)} }},
			{"role in another project", func() error { return s.SetRole(t.Context(), id+1, member, access.ProjectAdmin, by) }, nil},
			{"update", func() error {
				return s.Update(t.Context(), id, project.Change{Set: map[string]string{"public": "true", "severity": "low"}}, by)
			}, func() event.Fact {
				return event.ProjectUpdated{Where: where(), Changed: []string{"public", "severity"}}
			}},
			{"bad update", func() error {
				return s.Update(t.Context(), id, project.Change{Set: map[string]string{"colour": "red"}}, by)
			}, nil},
			{"leave", func() error { return s.RemoveMember(t.Context(), id, member, by) },
				func() event.Fact { return event.MemberRemoved{Member: bobIs(access.Developer)} }},
			{"leave again", func() error { return s.RemoveMember(t.Context(), id, member, by) }, nil},
			{"delete", func() error { return s.Delete(t.Context(), id, by) }, func() event.Fact { return event.ProjectDeleted{Where: where()} }},
			{"delete again", func() error { return s.Delete(t.Context(), id, by) }, nil},
		}
		for _, step := range steps {
			before, err := rights.Version(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := step.do(); (err == nil) != (step.want != nil) {
				t.Fatalf("%s: %v", step.name, err)
			}
			after, err := rights.Version(t.Context())
			if err != nil || (after != before) != (step.want != nil) {
				t.Errorf("%s: the rights went from version %d to %d, %v", step.name, before, after, err)
			}
			events := drain(t, d)
			if step.want == nil {
				if len(events) > 0 {
					t.Errorf("%s told of %+v", step.name, events)
				}
				continue
			}
			if len(events) != 1 || events[0].Actor != by || time.Since(events[0].At) > time.Minute {
				t.Fatalf("%s told of %+v", step.name, events)
			}
			if diff := cmp.Diff(step.want(), events[0].Fact); diff != "" {
				t.Errorf("%s: %s", step.name, diff)
			}
		}
		// What changes nothing is no news.
		id = createProject(t, d, "quiet", alice.ID)
		member = addMember(t, d, id, bob.ID, access.Guest)
		drain(t, d)
		if err := errors.Join(s.Update(t.Context(), id, project.Change{Set: map[string]string{"public": "0"}}, by),
			s.SetRole(t.Context(), id, member, access.Guest, by)); err != nil {
			t.Error(err)
		}
		if events := drain(t, d); len(events) > 0 {
			t.Errorf("nothing happened: %+v", events)
		}
	})
}

func TestDeletedProjectLeavesNothingToItsName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewProjects(d)
		alice, bob := createUser(t, d, sampleUser("alice")), createUser(t, d, sampleUser("bob"))
		id, other := createProject(t, d, "p", alice.ID), createProject(t, d, "other", alice.ID)
		addMember(t, d, id, bob.ID, access.Maintainer)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, project := range []int64{0, id, other} {
				_, err := tx.Exec(`INSERT INTO robot (project_id, name, level, secret, duration, expires, created, updated) VALUES (?, 'r', 'project', '', -1, -1, 0, 0)`, project)
				if err != nil {
					return err
				}
			}
			_, err := tx.Exec(`INSERT INTO repository (project_id, name, created, updated) VALUES (?, 'p/empty', 0, 0)`, id)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(t.Context(), id, by); err != nil {
			t.Fatal(err)
		}
		for from, want := range map[string]int{
			"project WHERE name = 'p'":                    0,
			"project WHERE deleted":                       1,
			"member WHERE project_id = " + fmt.Sprint(id): 0,
			"robot":      2,
			"repository": 0,
			"member WHERE project_id = " + fmt.Sprint(other): 1,
		} {
			if n := rowsOf(t, d, from); n != want {
				t.Errorf("%d rows in %s", n, from)
			}
		}
		var name string
		if err := d.QueryRow(t.Context(), `SELECT name FROM project WHERE id = ?`, id).Scan(&name); err != nil || name != fmt.Sprintf("p#%d", id) {
			t.Errorf("its row is called %q, %v", name, err)
		}
		if _, err := s.ByName(t.Context(), name); !errors.Is(err, project.ErrNotFound) {
			t.Errorf("by that name: %v", err)
		}
		again := createProject(t, d, "p", bob.ID)
		if p, err := s.Rights(t.Context(), "p", alice.ID); err != nil || p.ID != again || p.Roles != nil {
			t.Errorf("in the next one, alice is %+v, %v", p, err)
		}
		if err := s.Delete(t.Context(), again, by); err != nil {
			t.Errorf("a second one of the name: %v", err)
		}
	})
}

// racers do the same thing at once.
const racers = 20

// race runs f in all racers and returns how many succeeded. Others must have
// failed with one of the faults.
func race(t *testing.T, f func(ctx context.Context, i int) error, faults ...error) int {
	t.Helper()
	var won atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range racers {
		all.Go(func() {
			<-start
			switch err := f(t.Context(), i); {
			case err == nil:
				won.Add(1)
			case !slices.ContainsFunc(faults, func(fault error) bool { return errors.Is(err, fault) }):
				t.Errorf("racer %d: %v", i, err)
			}
		})
	}
	close(start)
	all.Wait()
	return int(won.Load())
}

func TestOneOfManyCreatesTheProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, alice := NewProjects(d), createUser(t, d, sampleUser("alice"))
		drain(t, d)
		won := race(t, func(ctx context.Context, i int) error {
			_, err := s.Create(ctx, project.Project{Name: "p", OwnerID: alice.ID, Created: accountTime}, by)
			return err
		}, project.ErrExists)
		if projects, members, events := rowsOf(t, d, "project"), rowsOf(t, d, "member"), len(drain(t, d)); won != 1 || projects != 1 || members != 1 || events != 1 {
			t.Errorf("%d won; there are %d projects, %d members, %d events", won, projects, members, events)
		}
	})
}

func TestOneOfManyAddsTheMember(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, alice, bob := NewProjects(d), createUser(t, d, sampleUser("alice")), createUser(t, d, sampleUser("bob"))
		id := createProject(t, d, "p", alice.ID)
		won := race(t, func(ctx context.Context, i int) error {
			m := project.Member{ProjectID: id, Kind: project.KindUser, EntityID: bob.ID, EntityName: "bob", Role: access.Roles()[i%5]}
			_, err := s.AddMember(ctx, m, by)
			return err
		}, project.ErrMemberExists)
		if n := rowsOf(t, d, "member WHERE entity_id = ?", bob.ID); won != 1 || n != 1 {
			t.Errorf("%d won; bob is a member %d times", won, n)
		}
		member := addMember(t, d, id, createUser(t, d, sampleUser("carol")).ID, access.Guest)
		if won := race(t, func(ctx context.Context, i int) error {
			return s.RemoveMember(ctx, id, member, by)
		}, project.ErrMemberUnknown); won != 1 {
			t.Errorf("%d removed the one member", won)
		}
	})
}

func TestChangesOfMetadataAtOnceAllStay(t *testing.T) {
	keys := []string{"enable_content_trust", "enable_content_trust_cosign", "prevent_vul", "auto_scan", "auto_sbom_generation", "reuse_sys_cve_allowlist", "public"}
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, alice := NewProjects(d), createUser(t, d, sampleUser("alice"))
		id := createProject(t, d, "p", alice.ID)
		race(t, func(ctx context.Context, i int) error {
			return s.Update(ctx, id, project.Change{Set: map[string]string{keys[i%len(keys)]: "true"}}, by)
		})
		p, err := s.ByID(t.Context(), id)
		if err != nil || len(p.Metadata) != len(keys) || !p.Public {
			t.Errorf("of %d there are %v, %v", len(keys), p.Metadata, err)
		}
	})
}

// Deleting a project while others push to it, join it and create its successor:
// whoever comes first, nothing of the old one is left where the name is free.
func TestDeletingMeetsPushes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, artifacts := NewProjects(d), NewArtifacts(d)
		alice, bob := createUser(t, d, sampleUser("alice")), createUser(t, d, sampleUser("bob"))
		for round := range 5 {
			name := fmt.Sprintf("p%d", round)
			id := createProject(t, d, name, alice.ID)
			race(t, func(ctx context.Context, i int) error {
				switch i % 4 {
				case 0:
					return s.Delete(ctx, id, by)
				case 1:
					m := project.Member{ProjectID: id, Kind: project.KindUser, EntityID: bob.ID, EntityName: "bob", Role: access.Guest}
					_, err := s.AddMember(ctx, m, by)
					return err
				}
				body := fmt.Appendf(nil, `{"round":%d,"i":%d}`, round, i)
				repo := artifact.Repo{ProjectID: id, Name: fmt.Sprintf("%s/r%d", name, i%3)}
				push := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, body), Body: body, At: accountTime}
				return artifacts.Record(ctx, push, event.New(by, event.ArtifactPushed{}))
			}, project.ErrNotEmpty, project.ErrNotFound, artifact.ErrRepositoryUnknown, project.ErrMemberExists)
			_, err := s.ByID(t.Context(), id)
			deleted := errors.Is(err, project.ErrNotFound)
			repositories := rowsOf(t, d, "repository WHERE project_id = ?", id)
			counted := rowsOf(t, d, "project p JOIN repository r ON r.project_id = p.id WHERE p.id = ? AND r.artifact_count > 0", id)
			if deleted && (repositories > 0 || rowsOf(t, d, "member WHERE project_id = ?", id) > 0) {
				t.Errorf("round %d: the deleted project has %d repositories", round, repositories)
			}
			if !deleted && counted == 0 {
				t.Errorf("round %d: why was it not deleted? %v", round, err)
			}
		}
	})
}

func TestVisibleNamesAreExact(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, alice := NewProjects(d), createUser(t, d, sampleUser("alice"))
		for _, name := range []string{"a", "ab", "b"} {
			createProject(t, d, name, alice.ID)
		}
		cases := []struct {
			v    project.Visible
			want string
		}{
			{project.Visible{}, ""},
			{project.Visible{Names: []string{"a", "none"}}, "a"},
			{project.Visible{Names: []string{"a", "b", "ab", "a"}}, "a ab b"},
			{project.Visible{UserID: alice.ID}, "a ab b"},
			{project.Visible{UserID: alice.ID + 1}, ""},
			{project.Visible{All: true}, "a ab b"},
		}
		for _, c := range cases {
			found, total, err := s.List(t.Context(), c.v, query.Query{})
			if err != nil || int(total) != len(found) {
				t.Fatal(total, err)
			}
			var names []string
			for _, p := range found {
				names = append(names, p.Name)
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("%+v: %q", c.v, got)
			}
		}
	})
}

func TestAdministersAnyProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		alice, bob := createUser(t, d, account.User{Name: "alice"}), createUser(t, d, account.User{Name: "bob"})
		id := createProject(t, d, "one", alice.ID)
		addMember(t, d, id, bob.ID, access.Maintainer)
		for user, want := range map[int64]bool{alice.ID: true, bob.ID: false, 99: false} {
			if got, err := NewProjects(d).Administers(t.Context(), user); err != nil || got != want {
				t.Errorf("user %d: %t, %v", user, got, err)
			}
		}
	})
}

// TestACacheHoldsItsUpstream until it is deleted itself.
func TestACacheHoldsItsUpstream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, endpoints, alice := NewProjects(d), NewEndpoints(d), createUser(t, d, sampleUser("alice"))
		hub, quay := upstream(t, d, "hub"), upstream(t, d, "quay")
		id, of := createCache(t, d, "cache", alice.ID, hub), func() int64 {
			t.Helper()
			p, err := s.ByName(t.Context(), "cache")
			if err != nil {
				t.Fatal(err)
			}
			return p.Upstream
		}
		if _, err := s.Create(t.Context(), project.Project{Name: "other", OwnerID: alice.ID, Upstream: quay + 1}, by); !errors.Is(err, project.ErrNoUpstream) {
			t.Errorf("a cache of nothing: %v", err)
		}
		if n := rowsOf(t, d, "project") + rowsOf(t, d, "member") + rowsOf(t, d, "quota"); n != 3 {
			t.Errorf("%d rows are there, of one project", n)
		}
		if err := endpoints.Delete(t.Context(), hub, by); !errors.Is(err, endpoint.ErrInUse) {
			t.Errorf("its upstream goes: %v", err)
		}
		if err := s.Update(t.Context(), id, project.Change{Set: map[string]string{"proxy_speed_kb": "7", "public": "true", "enable_content_trust": "true"}}, by); err != nil {
			t.Error(err)
		}
		if p, err := s.ByID(t.Context(), id); err != nil || of() != hub || p.Cache().Speed != 7 || len(p.Metadata) != 2 {
			t.Errorf("after a change it is %+v, %v", p, err)
		}
		if err := endpoints.Delete(t.Context(), quay, by); err != nil {
			t.Errorf("one of nobody: %v", err)
		}
		if err := s.Delete(t.Context(), id, by); err != nil {
			t.Error(err)
		}
		if err := endpoints.Delete(t.Context(), hub, by); err != nil {
			t.Errorf("that of a deleted project: %v", err)
		}
	})
}

func TestProjectsAreFoundByTheirUpstream(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		alice := createUser(t, d, sampleUser("alice"))
		hub, quay := upstream(t, d, "hub"), upstream(t, d, "quay")
		createProject(t, d, "plain", alice.ID)
		for name, of := range map[string]int64{"b": hub, "a": hub, "c": quay} {
			createCache(t, d, name, alice.ID, of)
		}
		for of, want := range map[any]string{hub: "a b", quay: "c", int64(0): "plain", quay + 1: ""} {
			found, total, err := NewProjects(d).List(t.Context(), project.Visible{All: true}, query.Query{Filters: []query.Filter{{Field: "registry_id", Value: of}}})
			var names []string
			for _, p := range found {
				names = append(names, p.Name)
			}
			if got := strings.Join(names, " "); got != want || int(total) != len(found) || err != nil {
				t.Errorf("of %v there are %s, %v", of, got, err)
			}
		}
	})
}
