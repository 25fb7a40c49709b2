package allowlist_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// aProject returns the id of a project of a new user.
func aProject(t *testing.T, d *db.DB, name string) (*project.Service, int64) {
	t.Helper()
	accounts := account.New(sqlstore.NewAccounts(d), secret.NewHasher(1), nil, new(access.Epoch))
	projects := project.New(sqlstore.NewProjects(d), storetest.People{Accounts: accounts}, nil, nil, new(access.Epoch))
	id, err := sqlstore.NewAccounts(d).Create(t.Context(), account.User{Name: name, Admin: true, Created: time.Now(), Updated: time.Now()}, "x", event.Actor{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	id, err = projects.Create(access.With(t.Context(), access.Caller{Kind: access.User, ID: id, Name: name, Admin: true}), project.NewProject{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return projects, id
}

func set(t *testing.T, s *allowlist.Service, projectID int64, expires *time.Time, ids ...string) {
	t.Helper()
	if err := s.Set(t.Context(), allowlist.List{ProjectID: projectID, Items: ids, Expires: expires}); err != nil {
		t.Fatal(err)
	}
}

func TestTheListThatCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := allowlist.New(sqlstore.NewAllowlists(d))
		projects, id := aProject(t, d, "team")
		through := func() string {
			t.Helper()
			found, err := s.Effective(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for one := range found {
				ids = append(ids, one)
			}
			slices.Sort(ids)
			return strings.Join(ids, " ")
		}
		own := func(value string) {
			t.Helper()
			if err := projects.Update(t.Context(), id, project.Change{Set: map[string]string{project.MetaSystemAllowlist: value}}); err != nil {
				t.Fatal(err)
			}
		}
		past, soon := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
		want := func(what, ids string) {
			t.Helper()
			if got := through(); got != ids {
				t.Errorf("%s: %q, want %q", what, got, ids)
			}
		}
		want("no list", "")
		set(t, s, id, nil, "CVE-1")
		want("the system's counts, which there is none of", "")
		set(t, s, allowlist.System, nil, "CVE-2", "ghsa-x")
		want("the system's counts", "CVE-2 GHSA-X")
		own("false")
		want("its own counts", "CVE-1")
		set(t, s, id, &soon, "CVE-3")
		want("it is not over", "CVE-3")
		set(t, s, id, &past, "CVE-3")
		want("it is over", "")
		own("true")
		want("the system's counts again", "CVE-2 GHSA-X")
		set(t, s, allowlist.System, &past, "CVE-2")
		want("and is over", "")
		if _, err := s.Effective(t.Context(), 999); !fault.OfKind(err, fault.NotFound) {
			t.Errorf("no project: %v", err)
		}
	})
}

func TestCapitalsMakeNoDifference(t *testing.T) {
	s := allowlist.List{Items: []string{"CVE-1", "ghsa-x"}}.InForce(time.Now())
	for id, has := range map[string]bool{"CVE-1": true, "cve-1": true, "GHSA-X": true, "CVE-11": false, "": false} {
		if s.Has(id) != has {
			t.Errorf("%q: %v", id, !has)
		}
	}
}

func TestAListEndsAtItsTime(t *testing.T) {
	at := time.Unix(1000, 0)
	l := allowlist.List{Items: []string{"CVE-1"}, Expires: &at}
	for now, has := range map[time.Time]bool{at.Add(-1): true, at: false, at.Add(1): false} {
		if l.InForce(now).Has("CVE-1") != has {
			t.Errorf("at %s: %v", now, !has)
		}
	}
}

func TestListsAreChangedWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := allowlist.New(sqlstore.NewAllowlists(d)), t.Context()
		_, id := aProject(t, d, "team")
		_, other := aProject(t, d, "other")
		if l, err := s.Of(ctx, id); err != nil || l.ID != 0 || l.ProjectID != id || l.Items != nil || l.Expires != nil {
			t.Errorf("none: %+v, %v", l, err)
		}
		at := time.Unix(4102444800, 0).UTC()
		set(t, s, id, &at, " CVE-1 ", "CVE-2")
		set(t, s, allowlist.System, nil, "CVE-3")
		first, err := s.Of(ctx, id)
		if err != nil || first.ID == 0 || !slices.Equal(first.Items, []string{"CVE-1", "CVE-2"}) || !first.Expires.Equal(at) || first.Created.IsZero() {
			t.Errorf("%+v, %v", first, err)
		}
		set(t, s, id, &at, "CVE-1", "CVE-2") // which is no change
		set(t, s, id, nil, "CVE-4")
		set(t, s, other, nil) // neither is this
		second, err := s.Of(ctx, id)
		if err != nil || second.ID != first.ID || !slices.Equal(second.Items, []string{"CVE-4"}) || second.Expires != nil || !second.Created.Equal(first.Created) || !second.Updated.After(first.Updated) {
			t.Errorf("%+v, %v", second, err)
		}
		all, err := s.OfAll(ctx, allowlist.System, id, other)
		if err != nil || len(all) != 3 || all[allowlist.System].Items[0] != "CVE-3" || all[id].Items[0] != "CVE-4" || all[other].ProjectID != other || all[other].ID != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		for what, err := range map[string]error{
			"no project":  s.Set(ctx, allowlist.List{ProjectID: 999}),
			"blank":       s.Set(ctx, allowlist.List{ProjectID: id, Items: []string{"\t"}}),
			"given twice": s.Set(ctx, allowlist.List{ProjectID: id, Items: []string{"CVE-1", "cve-1"}}),
		} {
			if !fault.OfKind(err, fault.NotFound) && !errors.Is(err, allowlist.ErrInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		events, err := sqlstore.NewEvents(d).Pending(ctx, 100)
		if err != nil {
			t.Fatal(err)
		}
		var facts []string
		for _, e := range events {
			switch f := e.Fact.(type) {
			case event.ProjectUpdated:
				facts = append(facts, f.Project+" "+strings.Join(f.Changed, " "))
			case event.SettingsUpdated:
				facts = append(facts, "system "+strings.Join(f.Changed, " "))
			}
		}
		if want := []string{"team cve_allowlist", "system cve_allowlist", "team cve_allowlist"}; !slices.Equal(facts, want) {
			t.Errorf("events %q", facts)
		}
	})
}
