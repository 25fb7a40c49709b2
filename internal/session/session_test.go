package session_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/session"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const password = "Sesame-open-1"

// A house has a service over a real database, and a clock that can be moved.
type house struct {
	*session.Service
	t        *testing.T
	db       *db.DB
	now      time.Time
	timeout  time.Duration
	accounts *account.Service
	store    *counter
	alice    int64
	root     context.Context
}

// A counter counts the questions and the writes.
type counter struct {
	session.Store
	found, renewed int
}

func (c *counter) Find(ctx context.Context, hash string, now time.Time) (session.Row, error) {
	c.found++
	return c.Store.Find(ctx, hash, now)
}

func (c *counter) Renew(ctx context.Context, r session.Row, expires time.Time) error {
	c.renewed++
	return c.Store.Renew(ctx, r, expires)
}

func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := &house{t: t, db: d, now: time.Now(), timeout: time.Hour, store: &counter{Store: sqlstore.NewSessions(d)}}
		h.Service = session.New(h.store, func(context.Context) (time.Duration, error) { return h.timeout, nil }, func() time.Time { return h.now })
		h.accounts = account.New(sqlstore.NewAccounts(d), secret.NewHasher(2), nil, new(access.Epoch))
		h.root = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "admin", Admin: true})
		if _, err := h.accounts.Bootstrap(h.root, secret.New(password)); err != nil {
			t.Fatal(err)
		}
		h.alice = h.user("alice")
		f(t, h)
	})
}

func (h *house) user(name string) int64 {
	h.t.Helper()
	id, err := h.accounts.Create(h.root, account.NewUser{Name: name, Email: name + "@example.org", RealName: name, Password: secret.New(password)})
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *house) begin(account int64) session.Session {
	h.t.Helper()
	mark, err := h.Mark(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := h.Begin(h.t.Context(), account, mark)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// alive complains where a session is not what it is to be.
func (h *house) alive(want bool, what string, s session.Session) session.Session {
	h.t.Helper()
	got, err := h.Find(h.t.Context(), s.Token)
	if want && (err != nil || got.Account != s.Account) {
		h.t.Errorf("%s: %+v, %v", what, got, err)
	}
	if !want && !errors.Is(err, session.ErrOver) {
		h.t.Errorf("%s it lives: %v", what, err)
	}
	return got
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestASessionIsFoundUntilItEnds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		first, second := h.begin(h.alice), h.begin(h.alice)
		if first.Token.Equal(second.Token) {
			t.Error("two sessions have one token")
		}
		if raw, err := base64.RawURLEncoding.DecodeString(first.Token.Reveal()); err != nil || len(raw) != 32 {
			t.Errorf("the token has %d bytes: %v", len(raw), err)
		}
		h.alive(true, "the first", first)
		for _, want := range []bool{true, false} {
			if ended, err := h.End(t.Context(), first.Token); err != nil || ended != want {
				t.Errorf("End = %v, %v", ended, err)
			}
		}
		h.alive(false, "ended,", first)
		h.alive(true, "the second", second)
	})
}

func TestNothingThatIsKeptLetsAnybodyIn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		s := h.begin(h.alice)
		var kept string
		h.must(h.db.QueryRow(t.Context(), `SELECT token FROM session`).Scan(&kept))
		raw, _ := base64.RawURLEncoding.DecodeString(s.Token.Reveal())
		if strings.Contains(kept, s.Token.Reveal()) || strings.Contains(kept, fmt.Sprintf("%x", raw)) {
			t.Error("the token is kept")
		}
		h.alive(false, "by what is kept,", session.Session{Token: secret.New(kept)})
		if printed := fmt.Sprintf("%+v %#v", s, s); strings.Contains(printed, s.Token.Reveal()) {
			t.Error("a session prints its token")
		}
	})
}

func TestWhatIsNoTokenAsksNobody(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		good := h.begin(h.alice).Token.Reveal()
		for _, text := range []string{"", "x", good[:42], good + "A", good + "=", good[:42] + "!", good[:42] + "\x00", strings.Repeat("A", 1<<20), "' OR '1'='1", " " + good} {
			h.alive(false, fmt.Sprintf("%.50q:", text), session.Session{Token: secret.New(text)})
			if ended, err := h.End(t.Context(), secret.New(text)); ended || err != nil {
				t.Errorf("End of %.50q = %v, %v", text, ended, err)
			}
		}
		if h.store.found > 0 {
			t.Errorf("the store was asked %d times", h.store.found)
		}
		h.alive(false, "another one:", session.Session{Token: secret.New(strings.Repeat("A", 43))})
	})
}

func TestAnIdleSessionEnds(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		used, idle := h.begin(h.alice), h.begin(h.alice)
		for range 5 {
			h.now = h.now.Add(50 * time.Minute)
			h.must(h.Renew(t.Context(), h.alive(true, "a used one", used)))
		}
		h.alive(false, "idle,", idle)
		h.now = h.now.Add(time.Hour)
		h.alive(false, "after an hour", used)
	})
}

func TestRenewingSeldomWrites(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, tt := range []struct{ timeout, step time.Duration }{{time.Hour, time.Minute}, {10 * time.Minute, time.Minute}, {time.Minute, 6 * time.Second}} {
			h.timeout, h.store.renewed = tt.timeout, 0
			s := h.begin(h.alice)
			use := func() { h.must(h.Renew(t.Context(), h.alive(true, "used", s))) }
			for range 5 {
				use()
				h.now = h.now.Add(tt.step / 6)
			}
			if h.store.renewed > 0 {
				t.Errorf("timeout %s: %d writes before %s have passed", tt.timeout, h.store.renewed, tt.step)
			}
			h.now = h.now.Add(tt.step)
			use()
			use()
			if h.store.renewed != 1 {
				t.Errorf("timeout %s: %d writes after %s", tt.timeout, h.store.renewed, tt.step)
			}
			if left := h.alive(true, "renewed", s).Expires.Sub(h.now); (left - tt.timeout).Abs() > time.Millisecond {
				t.Errorf("timeout %s: renewed for %s", tt.timeout, left)
			}
		}
	})
}

func TestAnotherTimeoutCountsFromTheNextUse(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		s := h.begin(h.alice)
		for _, timeout := range []time.Duration{time.Minute, 24 * time.Hour} {
			h.timeout = timeout
			h.must(h.Renew(t.Context(), h.alive(true, "used", s)))
			if left := h.alive(true, "used", s).Expires.Sub(h.now); (left - h.timeout).Abs() > time.Millisecond {
				t.Errorf("a timeout of %s: it lives for %s", h.timeout, left)
			}
		}
	})
}

func TestRenewingRevivesNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		found := h.begin(h.alice)
		h.now = h.now.Add(30 * time.Minute)
		if _, err := h.End(t.Context(), found.Token); err != nil {
			t.Fatal(err)
		}
		h.must(h.Renew(t.Context(), found)) // as a request does that was under way
		h.alive(false, "renewed after its end,", found)
	})
}

func TestSessionsEndWithTheirPasswordAndTheirAccount(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		bob := h.user("bob")
		others := h.begin(bob)
		old := []session.Session{h.begin(h.alice), h.begin(h.alice)}
		mark, err := h.Mark(t.Context())
		h.must(err)
		h.must(h.accounts.SetPassword(h.root, h.alice, secret.New(password), secret.New("Sesame-open-2")))
		for _, s := range old {
			h.alive(false, "after a change of the password", s)
		}
		if _, err := h.Begin(t.Context(), h.alice, mark); !errors.Is(err, session.ErrOver) {
			t.Errorf("by the old password: %v", err)
		}
		s := h.begin(h.alice)
		h.must(h.accounts.SetAdmin(h.root, h.alice, true))
		h.must(h.accounts.UpdateProfile(h.root, h.alice, account.Profile{Email: "a@example.org", RealName: "A"}))
		h.alive(true, "after other changes", s)
		h.must(h.accounts.ResetPassword(h.root, h.alice, secret.New("Sesame-open-3")))
		h.alive(false, "after a reset of the password", s)

		s = h.begin(h.alice)
		if mark, err = h.Mark(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.must(h.accounts.Delete(h.root, h.alice))
		h.alive(false, "after the deletion", s)
		if _, err := h.Begin(t.Context(), h.alice, mark); !errors.Is(err, session.ErrOver) {
			t.Errorf("of a deleted account: %v", err)
		}
		h.alive(true, "another's", others)
	})
}

// TestNoSessionOutlivesItsPassword signs in, as fast as can be, while the password
// is changed. Whoever saw the old one must have no session afterwards.
func TestNoSessionOutlivesItsPassword(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		accounts := sqlstore.NewAccounts(h.db)
		byOld := 0
		for round := range 60 {
			old, new := fmt.Sprint("hash ", round), fmt.Sprint("hash ", round+1)
			h.must(accounts.SetPassword(t.Context(), h.alice, "", old, event.New(event.Actor{}, event.UserUpdated{})))
			type login struct {
				hash    string
				session session.Session
				err     error
			}
			logins := make([]login, 4)
			var all sync.WaitGroup
			for i := range logins {
				all.Go(func() {
					time.Sleep(rand.N(2 * time.Millisecond))
					mark, err := h.Mark(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					_, hash, err := accounts.ByName(t.Context(), "alice")
					if err != nil {
						t.Error(err)
						return
					}
					s, err := h.Begin(t.Context(), h.alice, mark)
					logins[i] = login{hash, s, err}
				})
			}
			all.Go(func() {
				time.Sleep(rand.N(2 * time.Millisecond))
				if err := accounts.SetPassword(t.Context(), h.alice, "", new, event.New(event.Actor{}, event.UserUpdated{})); err != nil {
					t.Error(err)
				}
			})
			all.Wait()
			for _, l := range logins {
				if l.err != nil && !errors.Is(l.err, session.ErrOver) {
					t.Fatal(l.err)
				}
				if l.err == nil && l.hash == old {
					byOld++
					h.alive(false, "begun by the old password,", l.session)
				}
			}
		}
		if byOld == 0 {
			t.Log("no session was begun by the old password")
		}
	})
}

func TestExpiredSessionsAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.must(h.db.Write(t.Context(), func(tx *db.Tx) error {
			for i := range 1201 {
				if _, err := tx.Exec(`INSERT INTO session (token, account_id, began, expires) VALUES (?, ?, 0, ?)`, fmt.Sprint(i), h.alice, h.now.UnixMicro()-int64(i)); err != nil {
					return err
				}
			}
			return nil
		}))
		s := h.begin(h.alice)
		h.must(h.Expire(t.Context()))
		var left int
		h.must(h.db.QueryRow(t.Context(), `SELECT COUNT(*) FROM session`).Scan(&left))
		if left != 1 {
			t.Errorf("%d sessions are left", left)
		}
		h.alive(true, "one that has not expired", s)
	})
}

func TestProofs(t *testing.T) {
	one, other := session.Session{Token: secret.New("one")}, session.Session{Token: secret.New("other")}
	if !one.Proves(one.Proof()) {
		t.Error("a session does not know its proof")
	}
	for _, text := range []string{"", "one", other.Proof(), one.Proof() + "A", one.Proof()[1:]} {
		if one.Proves(text) {
			t.Errorf("%q is no proof", text)
		}
	}
	if strings.Contains(one.Proof(), "one") || len(one.Proof()) != 43 {
		t.Errorf("proof %s", one.Proof())
	}
}
