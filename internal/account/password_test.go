package account_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

func TestAuthenticate(t *testing.T) {
	h := open(t)
	u := h.create(newUser("alice"))
	for _, name := range []string{"alice", "alice@example.com"} {
		if got, err := h.Authenticate(t.Context(), name, secret.New(password)); err != nil || got.ID != u.ID {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, c := range []struct{ name, password string }{
		{"alice", "Wrong1wrong"}, {"alice", ""}, {"alice", password + " "}, {"Alice", password}, {"nobody", password},
		{"", ""}, {"", password}, {"alice\x00", password}, {"\xff", password}, {"alice#1", ""}, {"robot$alice", password},
	} {
		got, err := h.again().Authenticate(t.Context(), c.name, secret.New(c.password))
		if !errors.Is(err, account.ErrWrong) || got != (account.User{}) {
			t.Errorf("%q with %q: %+v, %v", c.name, c.password, got, err)
		}
	}
}

func TestAnUnknownNameCostsAndLocksAsMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.create(newUser("alice"))
		type answer struct {
			err  string
			cost int64
		}
		attempts := func(name string) (all []answer) {
			for range 3 {
				before := h.hasher.Computed()
				_, err := h.Authenticate(t.Context(), name, secret.New("Wrong1wrong"))
				all = append(all, answer{fmt.Sprint(err), h.hasher.Computed() - before})
			}
			return all
		}
		known := attempts("alice")
		if known[0].cost != 1 || known[1].cost != 0 {
			t.Errorf("a known name: %+v", known)
		}
		for _, name := range []string{"nobody", "nobody@example.com", "", "a\x00"} {
			if got := attempts(name); fmt.Sprint(got) != fmt.Sprint(known) {
				t.Errorf("%q: %+v, a known name: %+v", name, got, known)
			}
		}
	})
}

func TestAWrongPasswordLocksTheNameAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		h.create(newUser("alice"))
		h.create(newUser("bob"))
		if _, err := h.Authenticate(t.Context(), "alice", secret.New("Wrong1wrong")); !errors.Is(err, account.ErrWrong) {
			t.Fatal(err)
		}
		if _, err := h.Authenticate(t.Context(), "alice", secret.New(password)); !errors.Is(err, secret.ErrLocked) {
			t.Errorf("the right password a moment after a wrong one: %v", err)
		}
		if _, err := h.Authenticate(t.Context(), "bob", secret.New(password)); err != nil {
			t.Errorf("another user: %v", err)
		}
		time.Sleep(1500 * time.Millisecond)
		if _, err := h.Authenticate(t.Context(), "alice", secret.New(password)); err != nil {
			t.Errorf("after the lock: %v", err)
		}
	})
}

func TestARepeatedSignInIsHashedOnce(t *testing.T) {
	h := open(t)
	h.create(newUser("alice"))
	before := h.hasher.Computed()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := h.Authenticate(t.Context(), "alice", secret.New(password)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.hasher.Computed() - before; n < 1 || n > 2 { // two may begin at the same time
		t.Errorf("%d hashes for 20 sign-ins", n)
	}
}

func TestNoDefaultPasswordIsAccepted(t *testing.T) {
	h := open(t)
	first, err := h.Bootstrap(t.Context(), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Harbor12345", "Berth12345", "admin", "", "password", "Passw0rd"} {
		if _, err := h.again().Authenticate(t.Context(), "admin", secret.New(text)); !errors.Is(err, account.ErrWrong) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// Not even where an imported hash is that of a default.
	hash, err := h.hasher.Hash(t.Context(), secret.New("Harbor12345"))
	if err != nil {
		t.Fatal(err)
	}
	h.exec(`UPDATE account SET password = ?`, hash)
	if _, err := h.again().Authenticate(t.Context(), "admin", secret.New("Harbor12345")); !errors.Is(err, account.ErrWrong) {
		t.Errorf("an imported default: %v", err)
	}
	// Nor is an account without a password open to an empty one.
	h.exec(`UPDATE account SET password = ?`, "")
	for _, text := range []secret.Text{{}, secret.New(""), first} {
		if _, err := h.again().Authenticate(t.Context(), "admin", text); !errors.Is(err, account.ErrWrong) {
			t.Errorf("no password: %v", err)
		}
	}
}

func TestBootstrap(t *testing.T) {
	h := open(t)
	for _, text := range []string{"Harbor12345", "admin", "short1A"} {
		if _, err := h.Bootstrap(t.Context(), secret.New(text)); !errors.Is(err, secret.ErrWeak) {
			t.Errorf("%s: %v", text, err)
		}
	}
	shown, err := h.Bootstrap(t.Context(), secret.Text{})
	if err != nil || len(shown.Reveal()) != 24 {
		t.Fatalf("%d characters, %v", len(shown.Reveal()), err)
	}
	u, err := h.Authenticate(t.Context(), "admin", shown)
	if err != nil || u.ID != 1 || u.Name != "admin" || !u.Admin {
		t.Errorf("%+v, %v", u, err)
	}
	if again, err := h.Bootstrap(t.Context(), secret.New(password)); !errors.Is(err, account.ErrBootstrapped) || !again.Empty() {
		t.Errorf("again: %v", err)
	}
	if second, err := open(t).Bootstrap(t.Context(), secret.Text{}); err != nil || second.Equal(shown) {
		t.Errorf("two registries have the same password, %v", err)
	}
	if given, err := open(t).Bootstrap(t.Context(), secret.New(password)); err != nil || given.Reveal() != password {
		t.Errorf("a given password: %v", err)
	}
}

func TestSetPassword(t *testing.T) {
	h := open(t)
	u := h.create(newUser("alice"))
	h.events()
	newer := secret.New("Newer1newer")
	for _, c := range []struct {
		name     string
		id       int64
		old, new secret.Text
		want     error
	}{
		{"a weak one", u.ID, secret.New(password), secret.New("weak"), secret.ErrWeak},
		{"a wrong old one", u.ID, secret.New("Wrong1wrong"), newer, account.ErrOldPassword},
		{"no old one", u.ID, secret.Text{}, newer, account.ErrOldPassword},
		{"the same", u.ID, secret.New(password), secret.New(password), account.ErrSamePassword},
		{"nobody's", 99, secret.New(password), newer, account.ErrNotFound},
	} {
		if err := h.again().SetPassword(h.ctx, c.id, c.old, c.new); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(h.events()) != 0 {
		t.Error("refused changes left events")
	}
	if !h.forgets(func() {
		if err := h.SetPassword(h.ctx, u.ID, secret.New(password), newer); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("what is remembered does not end")
	}
	h.mustBePassword("Newer1newer")
	events := h.events()
	if len(events) != 1 || fmt.Sprint(events[0].Fact) != fmt.Sprint(event.UserUpdated{User: event.User{ID: u.ID, Name: "alice"}, Changed: []string{"password"}}) {
		t.Errorf("events %+v", events)
	}
}

// A late store does something else first, once, when a password is to be kept.
type late struct {
	account.Store
	first func()
}

func (l *late) SetPassword(ctx context.Context, id int64, was, hash string, e event.Event) error {
	if first := l.first; first != nil {
		l.first = nil
		first()
	}
	return l.Store.SetPassword(ctx, id, was, hash, e)
}

// TestAPasswordThatIsReplacedMeanwhileChangesNothing: whoever knows the old one
// must not undo that it was taken from them.
func TestAPasswordThatIsReplacedMeanwhileChangesNothing(t *testing.T) {
	h := open(t)
	u := h.create(newUser("alice"))
	store := &late{sqlstore.NewAccounts(h.db), func() {
		if err := h.ResetPassword(h.ctx, u.ID, secret.New("Newer1newer")); err != nil {
			t.Fatal(err)
		}
	}}
	thief := account.New(store, h.hasher, nil, h.epoch)
	if err := thief.SetPassword(h.ctx, u.ID, secret.New(password), secret.New("Thief1thief")); !errors.Is(err, account.ErrOldPassword) {
		t.Errorf("%v", err)
	}
	h.mustBePassword("Newer1newer")
	store.first = func() {
		if err := h.again().SetPassword(h.ctx, u.ID, secret.New("Newer1newer"), secret.New("Newest1newest")); err != nil {
			t.Fatal(err)
		}
	}
	if err := thief.ResetPassword(h.ctx, u.ID, secret.New("Given1given")); err != nil {
		t.Errorf("an administrator's: %v", err)
	}
	if _, err := h.again().Authenticate(h.ctx, "alice", secret.New("Given1given")); err != nil {
		t.Errorf("an administrator's: %v", err)
	}
}

func TestGuessingTheOldPasswordIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		u := h.create(newUser("alice"))
		if err := h.SetPassword(h.ctx, u.ID, secret.New("Wrong1wrong"), secret.New("Newer1newer")); !errors.Is(err, account.ErrOldPassword) {
			t.Fatal(err)
		}
		if err := h.SetPassword(h.ctx, u.ID, secret.New(password), secret.New("Newer1newer")); !errors.Is(err, secret.ErrLocked) {
			t.Errorf("a second attempt: %v", err)
		}
		if _, err := h.Authenticate(h.ctx, "alice", secret.New(password)); !errors.Is(err, secret.ErrLocked) {
			t.Errorf("signing in: %v", err)
		}
	})
}

func TestResetPassword(t *testing.T) {
	h := open(t)
	u := h.create(newUser("alice"))
	for _, c := range []struct {
		id   int64
		new  string
		want error
	}{
		{u.ID, "weak", secret.ErrWeak}, {u.ID, password, account.ErrSamePassword}, {99, "Newer1newer", account.ErrNotFound},
	} {
		if err := h.ResetPassword(h.ctx, c.id, secret.New(c.new)); !errors.Is(err, c.want) {
			t.Errorf("%d %s: %v", c.id, c.new, err)
		}
	}
	if err := h.ResetPassword(h.ctx, u.ID, secret.New("Newer1newer")); err != nil {
		t.Fatal(err)
	}
	h.mustBePassword("Newer1newer")
}

// mustBePassword fails where alice's password is another, or an older one too.
func (h *house) mustBePassword(text string) {
	h.t.Helper()
	if _, err := h.Authenticate(h.ctx, "alice", secret.New(text)); err != nil {
		h.t.Errorf("the new password: %v", err)
	}
	if _, err := h.Authenticate(h.ctx, "alice", secret.New(password)); !errors.Is(err, account.ErrWrong) {
		h.t.Errorf("the old password: %v", err)
	}
}
