package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const password = "Sesame-open-1"

// A world is the accounts and robots of one database, and who asks them.
type world struct {
	db       *db.DB
	epoch    *access.Epoch
	accounts *account.Service
	robots   *robot.Service
	identity *identity.Service
	counting *counter
}

// A counter is a provider that counts how often holders are asked for.
type counter struct {
	identity.Provider
	holders int
}

func (c *counter) Holder(ctx context.Context, kind access.Kind, id int64) (identity.Holder, error) {
	c.holders++
	return c.Provider.Holder(ctx, kind, id)
}

func newWorld(t *testing.T, d *db.DB) *world {
	epoch, hasher := &access.Epoch{}, secret.NewHasher(2)
	w := &world{
		db: d, epoch: epoch,
		accounts: account.New(sqlstore.NewAccounts(d), hasher, nil, epoch),
		robots:   robot.New(sqlstore.NewRobots(d), hasher, nil, epoch),
	}
	w.counting = &counter{Provider: identity.Accounts(w.accounts)}
	w.identity = identity.New(epoch, identity.Robots(w.robots), w.counting)
	// The first user can never be deleted.
	if _, err := w.accounts.Bootstrap(t.Context(), secret.New(password)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) user(t *testing.T, name string) access.Caller {
	t.Helper()
	id, err := w.accounts.Create(t.Context(), account.NewUser{Name: name, Email: name + "@example.org", RealName: name, Password: secret.New(password)})
	if err != nil {
		t.Fatal(err)
	}
	return access.Caller{Kind: access.User, ID: id, Name: name}
}

func (w *world) robot(t *testing.T, name string) (robot.Robot, secret.Text) {
	t.Helper()
	r, text, err := w.robots.Create(t.Context(), robot.NewRobot{
		Name: name, Level: robot.LevelSystem, Duration: 30,
		Permissions: []access.Permission{{Kind: "system", Namespace: "/", Access: []access.Action{{Resource: "catalog", Action: "read"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, text
}

func (w *world) identify(t *testing.T, name, text string) (access.Caller, error) {
	t.Helper()
	return w.identity.Identify(t.Context(), identity.Credentials{Name: name, Secret: secret.New(text)})
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) })
}

func TestIdentifyUsers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		alice := w.user(t, "alice")
		for _, name := range []string{"alice", "alice@example.org"} {
			got, err := w.identify(t, name, password)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(alice, got); d != "" {
				t.Errorf("by %s: %s", name, d)
			}
		}
		if got, err := w.identify(t, "admin", password); err != nil || !got.Admin || got.Kind != access.User {
			t.Errorf("admin: %+v, %v", got, err)
		}
	})
}

func TestIdentifyRobots(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, text := w.robot(t, "ci")
		got, err := w.identify(t, "robot$ci", text.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		want := access.Caller{Kind: access.Robot, ID: r.ID, Name: "robot$ci", Permissions: r.Permissions}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestIdentifyRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.user(t, "alice")
		_, text := w.robot(t, "ci")
		for _, c := range [][2]string{
			{"alice", "wrong"}, {"alice2", ""}, {"", password}, {"Alice", password}, {"nobody", password},
			{"robot$ci", "wrong"}, {"robot$gone", text.Reveal()}, {"ci", text.Reveal()}, {"robot$", ""},
			{"robot$alice", password}, {"user:1", password}, {"al\x00ice", password}, {"\xff", password},
		} {
			got, err := w.identify(t, c[0], c[1])
			var f *fault.Fault
			if !errors.As(err, &f) || f.Kind != fault.Unauthenticated || !cmp.Equal(got, access.Caller{}) {
				t.Errorf("%q: %+v, %v", c, got, err)
			}
		}
		if _, err := w.identify(t, "alice", "another"); err == nil {
			t.Error("another wrong password")
		}
		// And once more within the second: even the right one has to wait.
		if _, err := w.identify(t, "alice", password); !errors.Is(err, secret.ErrLocked) {
			t.Errorf("right after a wrong password: %v", err)
		}
	})
}

// directory is a provider as LDAP would be one: it knows users whose accounts
// it does not keep.
type directory struct{ name string }

func (d directory) Identify(_ context.Context, c identity.Credentials) (access.Caller, error) {
	if c.Name != d.name {
		return access.Caller{}, identity.ErrUnknown
	}
	if c.Secret.Reveal() != password {
		return access.Caller{}, identity.ErrRefused
	}
	return access.Caller{Kind: access.User, ID: 99, Name: d.name}, nil
}

func (directory) Holder(context.Context, access.Kind, int64) (identity.Holder, error) {
	return identity.Holder{}, identity.ErrUnknown
}

func TestProvidersAreAskedInTurn(t *testing.T) {
	s := identity.New(&access.Epoch{}, directory{"one"}, directory{"two"})
	ask := func(name, text string) error {
		_, err := s.Identify(t.Context(), identity.Credentials{Name: name, Secret: secret.New(text)})
		return err
	}
	if err := ask("two", password); err != nil {
		t.Errorf("the second is not asked: %v", err)
	}
	for _, name := range []string{"one", "two", "three"} {
		if err := ask(name, "wrong"); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAHolderIsTakenAsTheyAreNow(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin, err := w.accounts.ByName(t.Context(), "admin")
		if err != nil {
			t.Fatal(err)
		}
		ctx := access.With(t.Context(), access.Caller{Kind: access.User, ID: admin.ID, Name: "admin", Admin: true})
		alice := w.user(t, "alice")
		r, _ := w.robot(t, "ci")

		for range 3 {
			got, err := w.identity.ByPrincipal(ctx, alice.Principal())
			if err != nil || !cmp.Equal(got, alice) {
				t.Fatalf("ByPrincipal = %+v, %v", got, err)
			}
		}
		if w.counting.holders != 1 {
			t.Errorf("the accounts were asked %d times", w.counting.holders)
		}

		if err := w.accounts.SetAdmin(ctx, alice.ID, true); err != nil {
			t.Fatal(err)
		}
		if got, err := w.identity.ByPrincipal(ctx, alice.Principal()); err != nil || !got.Admin {
			t.Errorf("after being made an administrator: %+v, %v", got, err)
		}
		if err := w.accounts.Delete(ctx, alice.ID); err != nil {
			t.Fatal(err)
		}
		refused(t, w, alice.Principal())
		// Another alice is another.
		again := w.user(t, "alice")
		refused(t, w, alice.Principal())
		if got, err := w.identity.ByPrincipal(ctx, again.Principal()); err != nil || got.ID != again.ID {
			t.Errorf("the new alice: %+v, %v", got, err)
		}

		principal := access.Caller{Kind: access.Robot, ID: r.ID}.Principal()
		change := robot.Change{Permissions: r.Permissions, Disabled: true}
		if got, err := w.identity.ByPrincipal(ctx, principal); err != nil || got.Name != "robot$ci" {
			t.Errorf("the robot: %+v, %v", got, err)
		}
		if err := w.robots.Update(ctx, r.ID, change); err != nil {
			t.Fatal(err)
		}
		refused(t, w, principal)
		change.Disabled = false
		if err := w.robots.Update(ctx, r.ID, change); err != nil {
			t.Fatal(err)
		}
		if _, err := w.identity.ByPrincipal(ctx, principal); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		if err := w.robots.Delete(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		refused(t, w, principal)
	})
}

func refused(t *testing.T, w *world, principal string) {
	t.Helper()
	if got, err := w.identity.ByPrincipal(t.Context(), principal); !errors.Is(err, identity.ErrRefused) || !got.Anonymous() {
		t.Errorf("%s: %+v, %v", principal, got, err)
	}
}

// TestARobotExpiresWhileItIsRemembered has no change of rights between: time
// alone must do.
func TestARobotExpiresWhileItIsRemembered(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r, text := w.robot(t, "ci")
		const left = 400 * time.Millisecond
		end := time.Now().Add(left)
		err := w.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE robot SET expires = ? WHERE id = ?`, end.UnixMicro(), r.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		principal := access.Caller{Kind: access.Robot, ID: r.ID}.Principal()
		if _, err := w.identity.ByPrincipal(t.Context(), principal); err != nil && time.Now().Before(end) {
			t.Fatalf("before it expires: %v", err)
		}
		time.Sleep(time.Until(end.Add(time.Millisecond)))
		refused(t, w, principal)
		w.epoch.Bump()
		refused(t, w, principal)
		if _, err := w.identify(t, "robot$ci", text.Reveal()); !errors.Is(err, robot.ErrExpired) {
			t.Errorf("with its secret: %v", err)
		}
	})
}

func TestNobodyIsTheHolderOfAnEmptyPrincipal(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	if got, err := w.identity.ByPrincipal(t.Context(), ""); err != nil || !got.Anonymous() {
		t.Errorf("ByPrincipal = %+v, %v", got, err)
	}
	for _, p := range []string{"user:", "user:0", "user:-1", "user:999", "user:1x", "user:+1", "user:01", "group:1", "robot:1", "1", ":", "user"} {
		refused(t, w, p)
	}
}

// TestAStoreThatFailsRefusesNobody: that nothing is known is not that nobody is.
func TestAStoreThatFailsRefusesNobody(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	alice := w.user(t, "alice")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []string{alice.Principal(), "robot:1"} {
		if _, err := w.identity.ByPrincipal(ctx, p); err == nil || errors.Is(err, identity.ErrRefused) {
			t.Errorf("ByPrincipal of %s = %v", p, err)
		}
	}
	_, err := w.identity.Identify(ctx, identity.Credentials{Name: "alice", Secret: secret.New(password)})
	var f *fault.Fault
	if err == nil || errors.As(err, &f) && f.Kind == fault.Unauthenticated {
		t.Errorf("Identify = %v", err)
	}
	if _, err := w.identity.ByPrincipal(t.Context(), alice.Principal()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func BenchmarkByPrincipal(b *testing.B) {
	s := identity.New(&access.Epoch{}, holderOfAll{})
	for b.Loop() {
		if _, err := s.ByPrincipal(b.Context(), "user:1"); err != nil {
			b.Fatal(err)
		}
	}
}

type holderOfAll struct{ directory }

func (holderOfAll) Holder(_ context.Context, kind access.Kind, id int64) (identity.Holder, error) {
	return identity.Holder{Caller: access.Caller{Kind: kind, ID: id}}, nil
}
