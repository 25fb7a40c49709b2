package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/ldap/ldaptest"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

var out = outbound.NewDialer(outbound.ForSystem())

// A house asks a directory as the program does.
type house struct {
	*ldap.Service
	t        *testing.T
	server   *ldaptest.Server
	db       *db.DB
	accounts *account.Service
	settings *setting.Service
	projects *project.Service
	who      *identity.Service
}

func open(t *testing.T, form ldaptest.Form) *house {
	t.Helper()
	h := &house{t: t, server: ldaptest.Start(t, form)}
	d, epoch, hasher := storetest.SQLite(t), new(access.Epoch), secret.NewHasher(2)
	h.db = d
	var err error
	if h.settings, err = setting.New(sqlstore.NewSettings(d), secret.NewSealer([32]byte{1}), epoch, nil); err != nil {
		t.Fatal(err)
	}
	h.accounts = account.New(sqlstore.NewAccounts(d), hasher, nil, epoch)
	h.Service = ldap.New(h.accounts, h.settings.Get, out)
	h.projects = project.New(sqlstore.NewProjects(d), storetest.People{Accounts: h.accounts}, nil, nil, epoch)
	h.who = identity.New(epoch, h.Service, identity.Accounts(h.accounts))
	if _, err := h.accounts.Bootstrap(t.Context(), secret.New(ldaptest.Password)); err != nil {
		t.Fatal(err)
	}
	h.set(map[string]any{
		"auth_mode": "ldap_auth", "ldap_url": h.server.URL, "ldap_search_dn": ldaptest.Searcher, "ldap_search_password": ldaptest.Password,
		"ldap_base_dn": ldaptest.People, "ldap_uid": "uid", "ldap_filter": "objectClass=inetOrgPerson",
		"ldap_group_base_dn": ldaptest.Groups, "ldap_group_search_filter": "(objectClass=groupOfNames)", "ldap_group_attribute_name": "cn",
		"ldap_group_admin_dn": strings.ToUpper(ldaptest.Group("admins")), "ldap_timeout": int64(2),
	})
	return h
}

func (h *house) set(changes map[string]any) {
	h.t.Helper()
	if err := h.settings.Update(h.t.Context(), changes); err != nil {
		h.t.Fatal(err)
	}
}

// enter signs somebody in.
func (h *house) enter(name, password string) (access.Caller, error) {
	return h.who.Identify(h.t.Context(), identity.Credentials{Name: name, Secret: secret.New(password)})
}

func (h *house) mustEnter(name string) access.Caller {
	h.t.Helper()
	c, err := h.enter(name, ldaptest.Password)
	if err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
	return c
}

// groups returns the names of all groups that are kept, by name.
func (h *house) groups() (names []string) {
	h.t.Helper()
	all, _, err := h.accounts.Groups(h.t.Context(), query.Query{Page: 1, Size: 100})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, g := range all {
		names = append(names, g.Name)
	}
	return names
}

// member makes a group of the directory a member of a new project.
func (h *house) member(projectName, group string, role access.Role) {
	h.t.Helper()
	admin := access.With(h.t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "admin", Admin: true})
	id, err := h.projects.Create(admin, project.NewProject{Name: projectName})
	if err != nil {
		h.t.Fatal(err)
	}
	g, err := h.Group(admin, ldaptest.Group(group))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.projects.AddMember(admin, id, project.NewMember{Group: project.GroupName{ID: g.ID}, Role: role}); err != nil {
		h.t.Fatal(err)
	}
}

// roles returns what somebody is in a project.
func (h *house) roles(c access.Caller, projectName string) []access.Role {
	h.t.Helper()
	p, err := h.projects.Access(h.t.Context(), c, projectName)
	if err != nil {
		h.t.Fatal(err)
	}
	return p.Roles
}

func TestPeopleSignInByTheDirectory(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	alice := h.mustEnter("alice")
	if alice.Kind != access.User || alice.Name != "alice" || alice.Admin {
		t.Errorf("alice is %+v", alice)
	}
	u, err := h.accounts.ByID(t.Context(), alice.ID)
	if err != nil || u.Email != "alice@example.org" || u.RealName != "Real alice" || u.Directory != account.LDAP || u.DirectoryID != ldaptest.Person("alice") {
		t.Errorf("her account is %+v, %v", u, err)
	}
	if again := h.mustEnter("ALICE"); again.ID != alice.ID || again.Name != "alice" {
		t.Errorf("in other letters she is %+v", again)
	}
	if carol := h.mustEnter("carol"); !carol.Admin {
		t.Error("the administrators' group makes no administrator")
	}
	h.mustEnter("bob")
	if got := h.groups(); !slices.Equal(got, []string{"admins", "developers", "staff"}) {
		t.Errorf("groups %v", got)
	}
	if got, err := h.who.ByPrincipal(t.Context(), alice.Principal()); err != nil || got.ID != alice.ID {
		t.Errorf("the holder of her token: %+v, %v", got, err)
	}
}

// TestTheFirstAdministratorNeedsNoDirectory: whoever mends the settings must
// come in when the directory does not answer, or knows another admin.
func TestTheFirstAdministratorNeedsNoDirectory(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.server.AddPerson("admin")
	h.server.Modify(ldaptest.Person("admin"), func(r *goldap.ModifyRequest) { r.Replace("userPassword", []string{"Another-1"}) })
	if _, err := h.enter("admin", "Another-1"); !errors.Is(err, account.ErrWrong) {
		t.Errorf("the directory's admin: %v", err)
	}
	time.Sleep(1600 * time.Millisecond) // the name is locked for a moment
	h.set(map[string]any{"ldap_url": "ldap://127.0.0.1:1"})
	if c := h.mustEnter("admin"); !c.Admin || c.ID != 1 {
		t.Errorf("admin is %+v", c)
	}
}

func TestANameOfSeveralEntriesIsRefused(t *testing.T) { // alone: a lock does not last long
	h := open(t, ldaptest.Form{})
	h.server.Modify(ldaptest.Person("bob"), func(r *goldap.ModifyRequest) { r.Add("uid", []string{"both"}) })
	h.server.Modify(ldaptest.Person("carol"), func(r *goldap.ModifyRequest) { r.Add("uid", []string{"both"}) })
	_, err := h.enter("both", ldaptest.Password)
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != identity.ErrRefused.Kind || f.Message != identity.ErrRefused.Message {
		t.Errorf("who signs in learns more than of a name that there is none of: %v", err)
	}
	if !errors.Is(err, ldap.ErrAmbiguous) {
		t.Errorf("the log does not learn why: %v", err)
	}
	if _, err := h.enter("both", ldaptest.Password+"?"); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("a moment later: %v", err)
	}
	if c := h.mustEnter("bob"); c.Name != "bob" { // of two names, the one that was given
		t.Errorf("bob is %+v", c)
	}
}

func TestWrongCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	for _, c := range []struct{ name, password string }{
		{"alice", "wrong"}, {"alice", ""}, {"nobody", ldaptest.Password}, {"", ldaptest.Password}, {"", ""},
		{"*", ldaptest.Password}, {"a*", ldaptest.Password}, {"alice)(uid=*", ldaptest.Password}, {"alice)(|(uid=*", ldaptest.Password},
		{"*)(objectClass=*", ldaptest.Password}, {"alice\x00", ldaptest.Password}, {"\xff", ldaptest.Password}, {`\61lice`, ldaptest.Password},
		{"searcher", ldaptest.Password}, {"alice@example.org", ldaptest.Password}, {ldaptest.Person("alice"), ldaptest.Password},
		{strings.Repeat("x", 100_000), ldaptest.Password},
	} {
		got, err := ldap.New(h.accounts, h.settings.Get, out).Identify(t.Context(), identity.Credentials{Name: c.name, Secret: secret.New(c.password)})
		if !errors.Is(err, identity.ErrRefused) || !got.Anonymous() {
			t.Errorf("%.40q with %q: %+v, %v", c.name, c.password, got, err)
		}
	}
	if users, _, err := h.accounts.List(t.Context(), query.Query{Page: 1, Size: 10}); err != nil || len(users) != 1 {
		t.Errorf("accounts were made: %v, %v", users, err)
	}
}

func TestGuessingIsThrottled(t *testing.T) { // alone: a lock does not last long
	h := open(t, ldaptest.Form{})
	if _, err := h.enter("alice", "wrong"); !errors.Is(err, identity.ErrRefused) {
		t.Fatal(err)
	}
	if _, err := h.enter("alice", ldaptest.Password); !errors.Is(err, secret.ErrLocked) {
		t.Errorf("a moment after a wrong password: %v", err)
	}
}

// TestTheSpellingsOfANameShareTheirGuesses: a directory knows an entry by many of
// them, and of a name that there is none of nobody must see that.
func TestTheSpellingsOfANameShareTheirGuesses(t *testing.T) { // alone: a lock does not last long
	h := open(t, ldaptest.Form{})
	alice := []string{"alice", "Alice", "ALICE", " alice", "alice ", "\uff41lice"}
	for _, name := range alice {
		h.mustEnter(name)
	}
	for _, names := range [][]string{alice, {"nobody", "Nobody", "NOBODY", " nobody", "nobody "}} {
		if _, err := h.enter(names[0], "wrong"); !errors.Is(err, identity.ErrRefused) {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, err := h.enter(name, ldaptest.Password); !errors.Is(err, secret.ErrLocked) {
				t.Errorf("%q, a moment after a wrong password of %q: %v", name, names[0], err)
			}
		}
	}
}

// TestSomebodyTakenOutOfAGroupHasLeftIt asks for the rights at the next sign-in,
// of the new caller and of the holder of an old token.
func TestSomebodyTakenOutOfAGroupHasLeftIt(t *testing.T) {
	t.Parallel()
	for _, form := range []ldaptest.Form{{}, {Plain: true}} {
		t.Run(fmt.Sprintf("%+v", form), func(t *testing.T) {
			h := open(t, form)
			h.server.Join("developers", ldaptest.Person("bob"))
			h.member("dev", "developers", access.Developer)
			h.member("all", "staff", access.Guest)
			alice := h.mustEnter("alice")
			if got := h.roles(alice, "dev"); !slices.Equal(got, []access.Role{access.Developer}) {
				t.Errorf("in dev she is %v", got)
			}
			if got := h.roles(alice, "all"); !slices.Equal(got, []access.Role{access.Guest}) {
				t.Errorf("through a group in a group she is %v", got)
			}
			h.server.Leave("developers", ldaptest.Person("alice"))
			if got := h.mustEnter("alice"); got.ID != alice.ID {
				t.Errorf("she is another: %+v", got)
			}
			for _, name := range []string{"dev", "all"} {
				if got := h.roles(alice, name); len(got) > 0 {
					t.Errorf("in %s she is still %v", name, got)
				}
			}
			h.server.Leave("staff", ldaptest.Group("developers"))
			h.server.Join("admins", ldaptest.Person("alice"))
			if got := h.mustEnter("alice"); !got.Admin {
				t.Error("she is no administrator yet")
			}
			h.server.Leave("admins", ldaptest.Person("alice"))
			h.mustEnter("alice")
			if got, err := h.who.ByPrincipal(t.Context(), alice.Principal()); err != nil || got.Admin {
				t.Errorf("she is still an administrator: %+v, %v", got, err)
			}
		})
	}
}

func TestGroupsInGroupsMayGoInCircles(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.server.AddGroup("a", ldaptest.Person("alice"))
	h.server.AddGroup("b", ldaptest.Group("a"))
	h.server.Join("a", ldaptest.Group("b"))
	for i := range 30 {
		h.server.AddGroup(fmt.Sprintf("many, %d=#+", i), ldaptest.Person("alice"))
	}
	h.set(map[string]any{"ldap_group_attach_parallel": true})
	h.mustEnter("alice")
	if got := h.groups(); len(got) != 34 {
		t.Errorf("%d groups: %v", len(got), got)
	}
}

func TestGroupsThatTheFilterLeavesOutCountForNothing(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.set(map[string]any{"ldap_group_search_filter": "(cn=staff)"})
	h.mustEnter("alice") // in staff through developers alone, which is not looked at
	h.mustEnter("bob")
	if got := h.groups(); !slices.Equal(got, []string{"staff"}) {
		t.Errorf("groups %v", got)
	}
	h.set(map[string]any{"ldap_group_search_filter": "(objectClass=*)", "ldap_group_base_dn": "ou=elsewhere," + ldaptest.Base})
	bob := h.mustEnter("bob")
	if got := h.groups(); !slices.Equal(got, []string{"staff"}) || bob.Admin {
		t.Errorf("groups %v", got)
	}
}

// TestAnUnchangedSignInWritesNothing holds for those who came before.
func TestAnUnchangedSignInWritesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	alice := h.mustEnter("alice")
	before, err := h.accounts.ByID(t.Context(), alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	h.mustEnter("alice")
	if after, err := h.accounts.ByID(t.Context(), alice.ID); err != nil || after != before {
		t.Errorf("%+v has become %+v, %v", before, after, err)
	}
	h.server.Modify(ldaptest.Person("alice"), func(r *goldap.ModifyRequest) { r.Replace("mail", []string{"a@example.org"}) })
	h.mustEnter("alice")
	if after, err := h.accounts.ByID(t.Context(), alice.ID); err != nil || after.Email != "a@example.org" {
		t.Errorf("after a change of the address: %+v, %v", after, err)
	}
}

func TestManySignInsAtOnceMakeOneAccount(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	var wg sync.WaitGroup
	ids := make([]int64, 20)
	for i := range ids {
		wg.Go(func() {
			c, err := h.enter("alice", ldaptest.Password)
			if err != nil {
				t.Error(err)
			}
			ids[i] = c.ID
		})
	}
	wg.Wait()
	if slices.Min(ids) != slices.Max(ids) {
		t.Errorf("accounts %v", ids)
	}
}

// TestNobodyTakesTheNameOfOneWhoHasNotComeYet: where people sign in with their
// addresses, whoever gives themselves another's address would lock them out.
func TestNobodyTakesTheNameOfOneWhoHasNotComeYet(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.set(map[string]any{"ldap_uid": "mail"})
	alice := h.mustEnter("alice@example.org")
	profile := account.Profile{Email: "bob@example.org", RealName: "Alice", Comment: "hello"}
	if err := h.accounts.UpdateProfile(t.Context(), alice.ID, profile); !errors.Is(err, account.ErrAddress) {
		t.Errorf("%v", err)
	}
	h.mustEnter("bob@example.org")
	profile.Email = "alice@example.org"
	if err := h.accounts.UpdateProfile(t.Context(), alice.ID, profile); err != nil {
		t.Errorf("her name alone: %v", err)
	}
}

func TestAnAddressOfAnotherIsLeftOut(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.mustEnter("alice")
	h.server.Modify(ldaptest.Person("bob"), func(r *goldap.ModifyRequest) { r.Replace("mail", []string{"alice@example.org"}) })
	bob := h.mustEnter("bob")
	if u, err := h.accounts.ByID(t.Context(), bob.ID); err != nil || u.Email != "" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestANameThatNoUserCanHaveIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.server.AddPerson("robot$x")
	if _, err := h.enter("robot$x", ldaptest.Password); !errors.Is(err, identity.ErrRefused) || !strings.Contains(err.Error(), "a user name has none of") {
		t.Errorf("%v", err)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	for text, want := range map[string][]string{"": {"alice", "bob", "carol"}, "AL": {"alice"}, "o": {"bob", "carol"}, "*": nil, "x)(uid=*": nil} {
		found, err := h.Search(t.Context(), text)
		var names []string
		for _, p := range found {
			names = append(names, p.Name)
		}
		if slices.Sort(names); err != nil || !slices.Equal(names, want) {
			t.Errorf("%q finds %v, %v", text, names, err)
		}
	}
	groups, err := h.SearchGroups(t.Context(), "", "dev")
	if err != nil || len(groups) != 1 || groups[0].Name != "developers" || groups[0].DN != ldaptest.Group("developers") {
		t.Errorf("groups %+v, %v", groups, err)
	}
	if groups, err := h.SearchGroups(t.Context(), strings.ToUpper(ldaptest.Group("staff")), ""); err != nil || len(groups) != 1 {
		t.Errorf("by DN %+v, %v", groups, err)
	}
	if groups, err := h.SearchGroups(t.Context(), ldaptest.Group("none"), ""); err != nil || len(groups) != 0 {
		t.Errorf("by a DN of nothing %+v, %v", groups, err)
	}
	if _, err := h.SearchGroups(t.Context(), "none", ""); !errors.Is(err, ldap.ErrDN) {
		t.Errorf("by what is no DN: %v", err)
	}
}

func TestImport(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	failures, err := h.Import(t.Context(), []string{"alice", "nobody", "", "bob", "alice", "admin"})
	if err != nil || len(failures) != 3 || failures[0].Login != "nobody" || failures[1].Login != "" || failures[2].Login != "admin" {
		t.Errorf("%+v, %v", failures, err)
	}
	for _, name := range []string{"alice", "bob"} {
		if u, err := h.accounts.ByName(t.Context(), name); err != nil || u.Directory != account.LDAP {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	for _, logins := range [][]string{nil, make([]string, 1001)} {
		if _, err := h.Import(t.Context(), logins); !errors.Is(err, account.ErrInvalid) {
			t.Errorf("%d logins: %v", len(logins), err)
		}
	}
}

func TestGroupsAreKeptOnceWhateverTheirSpelling(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	id, err := h.CreateGroup(t.Context(), "CN=Developers , OU=groups,"+ldaptest.Base, "Makers")
	if err != nil {
		t.Fatal(err)
	}
	g, err := h.Group(t.Context(), ldaptest.Group("developers"))
	if err != nil || g.ID != id || g.Name != "Makers" {
		t.Errorf("%+v, %v", g, err)
	}
	if _, err := h.CreateGroup(t.Context(), ldaptest.Group("developers"), ""); !errors.Is(err, account.ErrGroupExists) {
		t.Errorf("again: %v", err)
	}
	h.mustEnter("alice")
	if got := h.groups(); !slices.Equal(got, []string{"Makers", "staff"}) {
		t.Errorf("groups %v", got)
	}
	for dn, want := range map[string]error{"": ldap.ErrDN, "x": ldap.ErrDN, ldaptest.Group("none"): ldap.ErrNoGroup, ldaptest.Person("alice"): ldap.ErrNoGroup} {
		if _, err := h.CreateGroup(t.Context(), dn, ""); !errors.Is(err, want) {
			t.Errorf("%q: %v", dn, err)
		}
	}
}

// TestTheDirectoryIsNotAskedInTheOtherMode leaves every name to the accounts.
func TestTheDirectoryIsNotAskedInTheOtherMode(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.set(map[string]any{"auth_mode": "db_auth"})
	if _, err := h.enter("alice", ldaptest.Password); !errors.Is(err, account.ErrWrong) {
		t.Errorf("%v", err)
	}
}

// TestWhoCannotSignInAnyMoreHoldsNothing: the mode may be fixed where the server
// is started, after people have come from the directory.
func TestWhoCannotSignInAnyMoreHoldsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	carol := h.mustEnter("carol")
	if got, err := h.who.ByPrincipal(t.Context(), carol.Principal()); err != nil || !got.Admin {
		t.Errorf("before, she is %+v, %v", got, err)
	}
	epoch := new(access.Epoch)
	settings, err := setting.New(sqlstore.NewSettings(h.db), secret.NewSealer([32]byte{1}), epoch, map[string]any{"auth_mode": "db_auth"})
	if err != nil {
		t.Fatal(err)
	}
	who := identity.New(epoch, ldap.New(h.accounts, settings.Get, out), identity.Accounts(h.accounts))
	if got, err := who.ByPrincipal(t.Context(), carol.Principal()); !errors.Is(err, identity.ErrRefused) {
		t.Errorf("she still holds a token or a session: %+v, %v", got, err)
	}
	if got, err := who.ByPrincipal(t.Context(), "user:1"); err != nil || !got.Admin {
		t.Errorf("the first administrator is %+v, %v", got, err)
	}
}

func TestAPasswordOfTheDirectoryIsChangedThere(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	alice := h.mustEnter("alice")
	if err := h.accounts.ResetPassword(t.Context(), alice.ID, secret.New("Newer1newer")); !errors.Is(err, account.ErrDirectory) {
		t.Errorf("reset: %v", err)
	}
	if err := h.accounts.SetPassword(t.Context(), alice.ID, secret.New(ldaptest.Password), secret.New("Newer1newer")); !errors.Is(err, account.ErrDirectory) {
		t.Errorf("set: %v", err)
	}
}
