package account_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const password = "Right1right"

// A house is a service over a real database.
type house struct {
	*account.Service
	t      *testing.T
	db     *db.DB
	hasher *secret.Hasher
	epoch  *access.Epoch
	ctx    context.Context // of the administrator "root"
}

func open(t *testing.T) *house {
	t.Helper()
	d := storetest.SQLite(t)
	h := &house{t: t, db: d, hasher: secret.NewHasher(2), epoch: new(access.Epoch)}
	h.Service = account.New(sqlstore.NewAccounts(d), h.hasher, nil, h.epoch)
	h.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true,
		Address: "192.0.2.1", Request: "r1"})
	return h
}

// again returns a service over the same database that remembers no failure.
func (h *house) again() *account.Service {
	return account.New(sqlstore.NewAccounts(h.db), h.hasher, nil, h.epoch)
}

func newUser(name string) account.NewUser {
	return account.NewUser{Name: name, Email: name + "@example.com", RealName: "Mr " + name, Password: secret.New(password)}
}

func (h *house) create(n account.NewUser) account.User {
	h.t.Helper()
	id, err := h.Create(h.ctx, n)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := h.ByID(h.ctx, id)
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// events returns what happened since the last call.
func (h *house) events() []event.Event {
	h.t.Helper()
	s := sqlstore.NewEvents(h.db)
	all, err := s.Pending(h.ctx, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	var ids []int64
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	if err := s.Done(h.ctx, ids); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// forgets reports whether do ends what is remembered about rights.
func (h *house) forgets(do func()) bool {
	h.t.Helper()
	asked := 0
	m := access.NewMemory[string, int](h.epoch, 1)
	ask := func(context.Context) (int, error) { asked++; return asked, nil }
	_, _ = m.Get(h.ctx, "k", ask)
	do()
	_, _ = m.Get(h.ctx, "k", ask)
	return asked == 2
}

func TestCreateRefusesWhatNoUserMayBe(t *testing.T) {
	h := open(t)
	long := func(n int) string { return strings.Repeat("ü", n) }
	bad := map[string]func(*account.NewUser){
		"no name":            func(n *account.NewUser) { n.Name = "" },
		"a long name":        func(n *account.NewUser) { n.Name = long(256) },
		"a comma":            func(n *account.NewUser) { n.Name = "a,b" },
		"a quote":            func(n *account.NewUser) { n.Name = `a"b` },
		"a tilde":            func(n *account.NewUser) { n.Name = "a~b" },
		"a hash":             func(n *account.NewUser) { n.Name = "a#1" },
		"a percent sign":     func(n *account.NewUser) { n.Name = "a%b" },
		"a robot's name":     func(n *account.NewUser) { n.Name = "robot$ci" },
		"a colon":            func(n *account.NewUser) { n.Name = "a:b" },
		"a control sign":     func(n *account.NewUser) { n.Name = "a\x00b" },
		"a line feed":        func(n *account.NewUser) { n.Name = "a\nb" },
		"broken text":        func(n *account.NewUser) { n.Name = "a\xffb" },
		"a space before":     func(n *account.NewUser) { n.Name = " alice" },
		"a space behind":     func(n *account.NewUser) { n.Name = "alice " },
		"nobody's name":      func(n *account.NewUser) { n.Name = "Anonymous" },
		"no address":         func(n *account.NewUser) { n.Email = "" },
		"half an address":    func(n *account.NewUser) { n.Email = "alice" },
		"no domain":          func(n *account.NewUser) { n.Email = "alice@host" },
		"two addresses":      func(n *account.NewUser) { n.Email = "a@example.com,b@example.com" },
		"a named address":    func(n *account.NewUser) { n.Email = "Alice <a@example.com>" },
		"a long address":     func(n *account.NewUser) { n.Email = strings.Repeat("a", 250) + "@example.com" },
		"an unclean address": func(n *account.NewUser) { n.Email = "a\x00@example.com" },
		"no real name":       func(n *account.NewUser) { n.RealName = "" },
		"a long real name":   func(n *account.NewUser) { n.RealName = long(256) },
		"a long comment":     func(n *account.NewUser) { n.Comment = long(31) },
		"a broken comment":   func(n *account.NewUser) { n.Comment = "\xff" },
		"a short password":   func(n *account.NewUser) { n.Password = secret.New("Abcdef1") },
		"a plain password":   func(n *account.NewUser) { n.Password = secret.New("abcdefgh1") },
		"no password":        func(n *account.NewUser) { n.Password = secret.Text{} },
		"a default password": func(n *account.NewUser) { n.Password = secret.New("Harbor12345") },
	}
	for name, spoil := range bad {
		n := newUser("alice")
		spoil(&n)
		_, err := h.Create(h.ctx, n)
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Code != "BAD_REQUEST" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, total, err := h.List(h.ctx, query.Query{}); err != nil || total != 0 || len(h.events()) != 0 {
		t.Errorf("%d users after refusals, %v", total, err)
	}
	good := newUser("Ä'lice O/Neil-1.x_y@z")
	good.Email = "a.b+c'd@mail.example.co"
	good.RealName, good.Comment = long(255), long(30)
	if u := h.create(good); u.Name != good.Name || u.Email != good.Email || u.RealName != good.RealName || u.Comment != good.Comment {
		t.Errorf("created %+v", u)
	}
}

func TestCreate(t *testing.T) {
	h := open(t)
	var u account.User
	if !h.forgets(func() { u = h.create(newUser("alice")) }) {
		t.Error("creating does not end what is remembered")
	}
	if u.Admin || u.Created.IsZero() || !u.Created.Equal(u.Updated) {
		t.Errorf("created %+v", u)
	}
	want := event.UserCreated{User: event.User{ID: u.ID, Name: "alice"}}
	events := h.events()
	if len(events) != 1 || events[0].Fact != want || events[0].Actor != (event.Actor{Name: "root", Address: "192.0.2.1", Request: "r1"}) {
		t.Errorf("events %+v", events)
	}
	for _, n := range []account.NewUser{newUser("alice"), {Name: "bob", Email: "alice@example.com", RealName: "B", Password: secret.New(password)}} {
		if _, err := h.Create(h.ctx, n); !errors.Is(err, account.ErrExists) {
			t.Errorf("%s: %v", n.Name, err)
		}
	}
}

// Nothing that makes rights can be said where a user describes somebody.
func TestNoRightsCanBeAssignedByTheWay(t *testing.T) {
	allowed := map[reflect.Type][]string{
		reflect.TypeFor[account.NewUser](): {"Name", "Email", "RealName", "Comment", "Password"},
		reflect.TypeFor[account.Profile](): {"Email", "RealName", "Comment"},
		reflect.TypeFor[account.Found]():   {"ID", "Name"},
	}
	for typ, fields := range allowed {
		for i := range typ.NumField() {
			if !slices.Contains(fields, typ.Field(i).Name) {
				t.Errorf("%s has %s", typ, typ.Field(i).Name)
			}
		}
	}
	for i := range reflect.TypeFor[account.User]().NumField() {
		name := strings.ToLower(reflect.TypeFor[account.User]().Field(i).Name)
		if strings.Contains(name, "password") || strings.Contains(name, "hash") || strings.Contains(name, "secret") {
			t.Errorf("a User has %s", name)
		}
	}
}

func TestUpdateProfile(t *testing.T) {
	h := open(t)
	u, other := h.create(newUser("alice")), h.create(newUser("bob"))
	h.events()
	p := account.Profile{Email: "new@example.com", RealName: u.RealName, Comment: "hello"}
	if !h.forgets(func() {
		if err := h.UpdateProfile(h.ctx, u.ID, p); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("updating does not end what is remembered")
	}
	events := h.events()
	if len(events) != 1 || !reflect.DeepEqual(events[0].Fact,
		event.UserUpdated{User: event.User{ID: u.ID, Name: "alice"}, Changed: []string{"email", "comment"}}) {
		t.Errorf("events %+v", events)
	}
	got, err := h.ByName(h.ctx, "new@example.com")
	if err != nil || got.ID != u.ID || got.Comment != "hello" || got.Name != "alice" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := h.UpdateProfile(h.ctx, u.ID, p); err != nil || len(h.events()) != 0 {
		t.Errorf("the same again: %v", err)
	}
	for want, p := range map[error]account.Profile{
		account.ErrExists:  {Email: other.Email, RealName: "x"},
		account.ErrInvalid: {Email: "x", RealName: "x"},
	} {
		if err := h.UpdateProfile(h.ctx, u.ID, p); !errors.Is(err, want) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := h.UpdateProfile(h.ctx, 99, p); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func TestSetAdmin(t *testing.T) {
	h := open(t)
	if _, err := h.Bootstrap(h.ctx, secret.Text{}); err != nil {
		t.Fatal(err)
	}
	u := h.create(newUser("alice"))
	h.events()
	for _, admin := range []bool{true, false} {
		if !h.forgets(func() {
			if err := h.SetAdmin(h.ctx, u.ID, admin); err != nil {
				t.Fatal(err)
			}
		}) {
			t.Error("what is remembered does not end")
		}
		if got, _ := h.ByID(h.ctx, u.ID); got.Admin != admin {
			t.Errorf("admin is %t", got.Admin)
		}
		events := h.events()
		if len(events) != 1 || !slices.Equal(events[0].Fact.(event.UserUpdated).Changed, []string{"sysadmin_flag"}) {
			t.Errorf("events %+v", events)
		}
		if err := h.SetAdmin(h.ctx, u.ID, admin); err != nil || len(h.events()) != 0 {
			t.Errorf("the same again: %v", err)
		}
	}
	first, _ := h.ByName(h.ctx, "admin")
	if err := h.SetAdmin(h.ctx, first.ID, false); !errors.Is(err, account.ErrLastAdmin) {
		t.Errorf("the last one: %v", err)
	}
	if err := h.SetAdmin(h.ctx, 99, true); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func TestDelete(t *testing.T) {
	h := open(t)
	if _, err := h.Bootstrap(h.ctx, secret.Text{}); err != nil {
		t.Fatal(err)
	}
	first, _ := h.ByName(h.ctx, "admin")
	u := h.create(newUser("alice"))
	if err := h.SetAdmin(h.ctx, u.ID, true); err != nil {
		t.Fatal(err)
	}
	self := access.With(t.Context(), access.Caller{Kind: access.User, ID: u.ID, Name: "alice", Admin: true})
	h.events()
	for name, err := range map[string]error{
		"oneself": h.Service.Delete(self, u.ID), "the first": h.Service.Delete(self, first.ID),
	} {
		if !errors.Is(err, account.ErrProtected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A robot of the same number is not the user.
	robot := access.With(t.Context(), access.Caller{Kind: access.Robot, ID: u.ID, Name: "robot$x"})
	if !h.forgets(func() {
		if err := h.Service.Delete(robot, u.ID); err != nil {
			t.Fatal(err)
		}
	}) {
		t.Error("deleting does not end what is remembered")
	}
	if events := h.events(); len(events) != 1 || events[0].Fact != (event.UserDeleted{User: event.User{ID: u.ID, Name: "alice"}}) {
		t.Errorf("events %+v", events)
	}
	if _, err := h.Authenticate(t.Context(), "alice", secret.New(password)); !errors.Is(err, account.ErrWrong) {
		t.Errorf("signing in as a deleted user: %v", err)
	}
	if err := h.Service.Delete(h.ctx, u.ID); !errors.Is(err, account.ErrNotFound) || err.Error() != fmt.Sprintf("user %d not found", u.ID) {
		t.Errorf("deleting again: %v", err)
	}
	h.create(newUser("alice")) // the name is free
}

func TestSearchTellsTheLeast(t *testing.T) {
	h := open(t)
	for _, name := range []string{"alice", "Alina", "bob"} {
		h.create(newUser(name))
	}
	found, total, err := h.Search(h.ctx, "aLi", 1, 1)
	if err != nil || total != 2 || len(found) != 1 || found[0].Name != "Alina" {
		t.Errorf("%v, %d, %v", found, total, err)
	}
	for _, text := range []string{"example.com", "Mr", "%", "_____"} {
		if found, total, err := h.Search(h.ctx, text, 1, 10); err != nil || total != 0 || len(found) != 0 {
			t.Errorf("%q finds %v, %v", text, found, err)
		}
	}
	for _, text := range []string{"", "\x00", "\xff"} {
		if _, _, err := h.Search(h.ctx, text, 1, 10); !errors.Is(err, account.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// exec changes what is kept, behind the service's back.
func (h *house) exec(q string, args ...any) {
	h.t.Helper()
	err := h.db.Write(h.ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
