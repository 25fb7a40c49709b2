package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var accountTime = time.Date(2026, 11, 25, 1, 2, 3, 4000, time.UTC)

// sampleUser returns a user who is not kept yet.
func sampleUser(name string) account.User {
	return account.User{Name: name, Email: name + "@example.com", RealName: "Mr " + name, Comment: "c",
		Created: accountTime, Updated: accountTime}
}

func createUser(t *testing.T, d *db.DB, u account.User) account.User {
	t.Helper()
	id, err := NewAccounts(d).Create(t.Context(), u, "hash of "+u.Name, event.Actor{Name: "root"})
	if err != nil {
		t.Fatal(err)
	}
	u.ID = id
	return u
}

// anEvent is for changes whose event does not matter.
func anEvent() event.Event { return event.New(event.Actor{Name: "root"}, event.UserUpdated{}) }

func TestAccountsKeepUsers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		plain := sampleUser("alice")
		admin := account.User{Name: "root", Admin: true, Created: accountTime, Updated: accountTime.Add(time.Hour)}
		for _, u := range []account.User{plain, admin} {
			u = createUser(t, d, u)
			got, hash, err := s.ByID(t.Context(), u.ID)
			if err != nil || hash != "hash of "+u.Name {
				t.Fatalf("%q, %v", hash, err)
			}
			if diff := cmp.Diff(u, got); diff != "" {
				t.Error(diff)
			}
			for _, name := range []string{u.Name, u.Email} {
				if name == "" {
					continue
				}
				if got, _, err := s.ByName(t.Context(), name); err != nil || got != u {
					t.Errorf("by %s: %+v, %v", name, got, err)
				}
			}
			want := event.UserCreated{User: event.User{ID: u.ID, Name: u.Name}}
			if events := drain(t, d); len(events) != 1 || events[0].Fact != want || events[0].Actor.Name != "root" {
				t.Errorf("events %+v", events)
			}
		}
		for _, name := range []string{"", "nobody", "ALICE", "alice@example", "#1", "%"} {
			if _, _, err := s.ByName(t.Context(), name); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("by %q: %v", name, err)
			}
		}
		if _, _, err := s.ByID(t.Context(), 99); !errors.Is(err, account.ErrNotFound) || err.Error() != "user 99 not found" {
			t.Errorf("by id: %v", err)
		}
	})
}

func TestNoNameOrAddressIsAnothers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		alice := createUser(t, d, sampleUser("alice"))
		bob := createUser(t, d, sampleUser("bob"))
		createUser(t, d, account.User{Name: "nomail1"})
		createUser(t, d, account.User{Name: "nomail2"}) // having no address is not the same address
		drain(t, d)
		for _, u := range []account.User{
			{Name: "alice", Email: "other@example.com"},
			{Name: "other", Email: "alice@example.com"},
			{Name: "alice@example.com", Email: "other@example.com"}, // would sign in for alice
			{Name: "other", Email: "alice"},
		} {
			if _, err := s.Create(t.Context(), u, "h", event.Actor{}); !errors.Is(err, account.ErrExists) {
				t.Errorf("%+v: %v", u, err)
			}
		}
		for _, email := range []string{"alice@example.com", "alice"} {
			bob.Email = email
			if err := s.Update(t.Context(), bob, anEvent()); !errors.Is(err, account.ErrExists) {
				t.Errorf("%s: %v", email, err)
			}
		}
		if err := s.Update(t.Context(), alice, anEvent()); err != nil {
			t.Errorf("keeping one's own address: %v", err)
		}
		if events := drain(t, d); len(events) != 1 {
			t.Errorf("%d events of refused changes", len(events)-1)
		}
	})
}

func TestAccountChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewAccounts(d), t.Context()
		root := createUser(t, d, account.User{Name: "root", Admin: true})
		u := createUser(t, d, sampleUser("alice"))
		other := createUser(t, d, sampleUser("bob"))
		drain(t, d)
		u.Email, u.RealName, u.Comment = "new@example.com", "New", "new"
		changed := u
		changed.Name, changed.Admin = "mallory", true // what Update does not change
		steps := []struct {
			name string
			do   func(event.Event) error
		}{
			{"profile", func(e event.Event) error { return s.Update(ctx, changed, e) }},
			{"admin", func(e event.Event) error { return s.SetAdmin(ctx, u.ID, true, e) }},
			{"no admin", func(e event.Event) error { return s.SetAdmin(ctx, u.ID, false, e) }},
			{"password", func(e event.Event) error { return s.SetPassword(ctx, u.ID, "hash of alice", "new hash", e) }},
		}
		for _, step := range steps {
			before := rightsVersion(t, d)
			e := event.Event{At: accountTime.Add(time.Hour), Actor: event.Actor{Name: "root"},
				Fact: event.UserUpdated{User: event.User{ID: u.ID}, Changed: []string{step.name}}}
			if err := step.do(e); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if rightsVersion(t, d) == before {
				t.Errorf("%s: the rights have the same version", step.name)
			}
			if events := drain(t, d); len(events) != 1 || events[0].Fact.(event.UserUpdated).Changed[0] != step.name {
				t.Errorf("%s: events %+v", step.name, events)
			}
		}
		u.Updated = accountTime.Add(time.Hour)
		got, hash, err := s.ByID(ctx, u.ID)
		if err != nil || got != u || hash != "new hash" {
			t.Errorf("%+v, %q, %v", got, hash, err)
		}
		if got, hash, _ := s.ByID(ctx, other.ID); got != other || hash != "hash of bob" {
			t.Errorf("another user changed: %+v %s", got, hash)
		}
		if got, _, _ := s.ByID(ctx, root.ID); !got.Admin {
			t.Error("another administrator changed")
		}
	})
}

func TestChangesOfNobodyAreNotFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewAccounts(d), t.Context()
		createUser(t, d, account.User{Name: "root", Admin: true})
		gone := createUser(t, d, sampleUser("gone"))
		if err := s.Delete(ctx, gone.ID, anEvent()); err != nil {
			t.Fatal(err)
		}
		drain(t, d)
		version := rightsVersion(t, d)
		for _, id := range []int64{gone.ID, 99} {
			for name, err := range map[string]error{
				"Update":      s.Update(ctx, account.User{ID: id, Email: "x@example.com"}, anEvent()),
				"SetAdmin":    s.SetAdmin(ctx, id, true, anEvent()),
				"no admin":    s.SetAdmin(ctx, id, false, anEvent()),
				"SetPassword": s.SetPassword(ctx, id, "hash of gone", "h", anEvent()),
				"reset":       s.SetPassword(ctx, id, "", "h", anEvent()),
				"Delete":      s.Delete(ctx, id, anEvent()),
			} {
				if !errors.Is(err, account.ErrNotFound) {
					t.Errorf("%s of user %d: %v", name, id, err)
				}
			}
		}
		if events := drain(t, d); len(events) != 0 || rightsVersion(t, d) != version {
			t.Errorf("changes of nobody left %d events", len(events))
		}
	})
}

func TestDeletedUserIsGoneAndFreesTheName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewAccounts(d), t.Context()
		root := createUser(t, d, account.User{Name: "root", Admin: true})
		u := createUser(t, d, sampleUser("alice"))
		project := insertProject(t, d, "library", root.ID)
		insertMember(t, d, project, u.ID)
		insertMember(t, d, project, root.ID)
		if err := s.Delete(ctx, u.ID, anEvent()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"alice", "alice@example.com", fmt.Sprintf("alice#%d", u.ID)} {
			if _, _, err := s.ByName(ctx, name); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if all, total, err := s.List(ctx, query.Query{}); err != nil || total != 1 || all[0].Name != "root" {
			t.Errorf("%d users, %v", total, err)
		}
		var members int
		if err := d.QueryRow(ctx, `SELECT COUNT(*) FROM member`).Scan(&members); err != nil || members != 1 {
			t.Errorf("%d members, %v", members, err)
		}
		var hash string
		if err := d.QueryRow(ctx, `SELECT password FROM account WHERE id = ?`, u.ID).Scan(&hash); err != nil || hash != "" {
			t.Errorf("the hash is still there: %q, %v", hash, err)
		}
		again := createUser(t, d, sampleUser("alice"))
		if again.ID == u.ID {
			t.Error("the id was given to another")
		}
		if err := s.Delete(ctx, again.ID, anEvent()); err != nil {
			t.Errorf("deleting a second user of the name: %v", err)
		}
	})
}

func TestAnAdministratorRemains(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewAccounts(d), t.Context()
		first := createUser(t, d, account.User{Name: "first", Admin: true})
		if err := s.SetAdmin(ctx, first.ID, false, anEvent()); !errors.Is(err, account.ErrLastAdmin) {
			t.Errorf("demoting the only one: %v", err)
		}
		var ids []int64
		for i := range 10 {
			u := createUser(t, d, account.User{Name: fmt.Sprint("admin", i), Admin: true})
			ids = append(ids, u.ID)
		}
		if err := s.Delete(ctx, first.ID, anEvent()); !errors.Is(err, account.ErrProtected) {
			t.Errorf("deleting the first user: %v", err)
		}
		if err := s.SetAdmin(ctx, first.ID, false, anEvent()); err != nil {
			t.Errorf("demoting the first of many: %v", err)
		}
		// All others at once, by demotion and by deletion: one has to remain.
		failed := atOnce(ids, func(i int, id int64) error {
			if i%2 == 0 {
				return s.Delete(ctx, id, anEvent())
			}
			return s.SetAdmin(ctx, id, false, anEvent())
		})
		if len(failed) != 1 || !errors.Is(failed[0], account.ErrLastAdmin) {
			t.Errorf("failed: %v", failed)
		}
		admins, total, err := s.List(ctx, query.Query{Filters: []query.Filter{{Field: "sysadmin_flag", Value: true}}})
		if err != nil || total != 1 {
			t.Errorf("%d administrators remain: %+v, %v", total, admins, err)
		}
	})
}

func TestBootstrapHappensOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		root := account.User{Name: "admin", Admin: true}
		failed := atOnce(make([]int64, 8), func(int, int64) error {
			_, err := s.Bootstrap(context.Background(), root, "h", event.Actor{})
			return err
		})
		if len(failed) != 7 {
			t.Errorf("%d of 8 failed", len(failed))
		}
		for _, err := range failed {
			if !errors.Is(err, account.ErrBootstrapped) {
				t.Error(err)
			}
		}
		// A user who was deleted counts: the registry is not for the next who comes.
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE account SET deleted = TRUE`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bootstrap(t.Context(), root, "h", event.Actor{}); !errors.Is(err, account.ErrBootstrapped) {
			t.Errorf("after a deletion: %v", err)
		}
	})
}

// atOnce calls fn for all ids at the same time and returns the errors.
func atOnce(ids []int64, fn func(i int, id int64) error) (failed []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			if err := fn(i, id); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	wg.Wait()
	return failed
}

func TestListUsers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		createUser(t, d, account.User{Name: "root", Admin: true, Created: accountTime.Add(time.Hour)})
		for _, name := range []string{"carol", "alice", "Albert", "bob"} {
			createUser(t, d, sampleUser(name))
		}
		for _, c := range []struct {
			q, sort    string
			page, size int
			want       []string
			total      int64
		}{
			{"", "", 1, 10, []string{"Albert", "alice", "bob", "carol", "root"}, 5},
			{"", "", 2, 2, []string{"bob", "carol"}, 5},
			{"", "-username", 1, 2, []string{"root", "carol"}, 5},
			{"", "-creation_time,username", 1, 2, []string{"root", "Albert"}, 5},
			{"username=~AL", "", 1, 10, []string{"Albert", "alice"}, 2},
			{"username=alice", "", 1, 10, []string{"alice"}, 1},
			{"email=~bob@", "", 1, 10, []string{"bob"}, 1},
			{"sysadmin_flag=true", "", 1, 10, []string{"root"}, 1},
			{"username=~%", "", 1, 10, nil, 0},
			{"nonsense=x", "nonsense", 1, 1, []string{"Albert"}, 5},
		} {
			q, err := query.Parse(c.q, c.sort, c.page, c.size)
			if err != nil {
				t.Fatal(err)
			}
			users, total, err := s.List(t.Context(), q)
			var got []string
			for _, u := range users {
				got = append(got, u.Name)
			}
			if err != nil || total != c.total || !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, %d, %v", c, got, total, err)
			}
		}
	})
}

func TestNoFilterTouchesTheHash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := NewAccounts(d)
		createUser(t, d, sampleUser("alice"))
		createUser(t, d, sampleUser("bob"))
		for _, field := range []string{"password", "Password", "hash", "secret", "deleted", "account.password"} {
			for _, form := range []string{"=~zzz", "=zzz", "=[a~b]", "={a b}", "=(a b)"} {
				q, err := query.Parse(field+form, "-"+field, 1, 10)
				if err != nil {
					t.Fatal(err)
				}
				users, total, err := s.List(t.Context(), q)
				if err != nil || total != 2 || users[0].Name != "alice" {
					t.Errorf("%s%s filters or sorts: %d users, %v", field, form, total, err)
				}
			}
		}
	})
}

func rightsVersion(t *testing.T, d *db.DB) int64 {
	t.Helper()
	v, err := NewRights(d).Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func insertProject(t *testing.T, d *db.DB, name string, owner int64) (id int64) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`INSERT INTO project (name, owner_id, created, updated) VALUES (?, ?, 1, 1) RETURNING id`, name, owner).Scan(&id)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func insertMember(t *testing.T, d *db.DB, project, user int64) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO member (project_id, kind, entity_id, role, created, updated) VALUES (?, 'u', ?, 2, 1, 1)`, project, user)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
