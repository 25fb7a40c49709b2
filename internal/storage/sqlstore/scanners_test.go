package sqlstore

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/query"
	scanners "github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func aRegistration(name string) scanners.Registration {
	at := time.UnixMicro(5).UTC()
	return scanners.Registration{
		ID: "id of " + name, Name: name, Description: "d", URL: "https://" + name, Auth: adapter.Basic, Sealed: []byte{0, 255}, SkipVerify: true, Internal: true,
		Metadata: adapter.Metadata{Scanner: finding.Scanner{Name: "n", Vendor: "v", Version: "1"}, Capabilities: []adapter.Capability{{Kind: adapter.SBOM, Consumes: []string{"a"}, Produces: []string{"b", "c"}}},
			Properties: map[string]string{"p": "q"}},
		Healthy: true, HealthMessage: "m", Checked: at, Created: at, Updated: at, Version: 1,
	}
}

func TestScannersAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScanners(d), t.Context()
		r := aRegistration("probe")
		if err := s.Create(ctx, r, by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, r.ID); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, %v", got, err)
		}
		second := aRegistration("second")
		second.Sealed, second.Disabled, second.Created = nil, true, time.UnixMicro(6).UTC()
		if err := s.Create(ctx, second, by); err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func(r *scanners.Registration){
			"the name": func(r *scanners.Registration) { r.Name = "second" }, "the URL": func(r *scanners.Registration) { r.URL = second.URL }, "the built-in one's name": func(r *scanners.Registration) { r.Name = "Berth" },
		} {
			other := aRegistration("third")
			change(&other)
			if err := s.Create(ctx, other, by); !errors.Is(err, scanners.ErrExists) {
				t.Errorf("%s of another: %v", what, err)
			}
			taken := r
			change(&taken)
			if err := s.Update(ctx, taken, nil, by); !errors.Is(err, scanners.ErrExists) {
				t.Errorf("a change to %s of another: %v", what, err)
			}
		}
		r.Name, r.URL, r.Sealed, r.Auth, r.Healthy, r.HealthMessage, r.Updated = "renamed", "https://other", nil, "", false, "down", time.UnixMicro(9).UTC()
		r.Metadata.Scanner.Version = "2"
		if err := s.Update(ctx, r, []string{"name"}, by); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(ctx, r, nil, by); !errors.Is(err, scanners.ErrChanged) {
			t.Errorf("what somebody else has changed: %v", err)
		}
		r.Version = 2
		all, n, err := s.List(ctx, false, query.Query{})
		if err != nil || n != 3 || !all[0].Builtin() || !reflect.DeepEqual(all[1], r) || all[2].ID != second.ID {
			t.Errorf("%+v of %d, %v", all, n, err)
		}
		if some, n, err := s.List(ctx, true, query.Query{}); err != nil || n != 2 || some[1].ID != r.ID {
			t.Errorf("those that are enabled: %+v of %d, %v", some, n, err)
		}
		unwell := query.Query{}.Where(query.Filter{Field: "health", Op: query.Exact, Value: "unhealthy"})
		if some, n, err := s.List(ctx, false, unwell); err != nil || n != 1 || some[0].ID != r.ID {
			t.Errorf("those that are not well: %+v of %d, %v", some, n, err)
		}
		if err := s.Delete(ctx, r.ID, by); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{r.ID, "", "\x00", "\xff"} {
			_, err = s.ByID(ctx, id)
			for what, err := range map[string]error{"reading": err, "the default": s.MakeDefault(ctx, id, by)} {
				if !errors.Is(err, scanners.ErrNotFound) {
					t.Errorf("%s of %q: %v", what, id, err)
				}
			}
		}
		for what, err := range map[string]error{"changing": s.Update(ctx, r, nil, by), "deleting": s.Delete(ctx, r.ID, by)} {
			if !errors.Is(err, scanners.ErrNotFound) {
				t.Errorf("%s one that was deleted: %v", what, err)
			}
		}
		events, err := NewEvents(d).Pending(ctx, 100)
		var kinds []string
		for _, e := range events {
			kinds = append(kinds, strings.TrimPrefix(e.Fact.Kind(), "scanner."))
		}
		if err != nil || !slices.Equal(kinds, []string{"created", "created", "updated", "deleted"}) {
			t.Errorf("events %s, %v", kinds, err)
		}
	})
}

func TestWhichScannerAProjectHas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScanners(d), t.Context()
		repo := createRepo(t, d, "library")
		has := func(what string, projectID int64, want string) {
			t.Helper()
			r, err := s.OfProject(ctx, projectID)
			all, _, failed := s.List(ctx, false, query.Query{})
			n := 0
			for _, one := range all {
				if one.Default {
					n++
				}
			}
			if err != nil || failed != nil || r.ID != want || n != 1 {
				t.Errorf("%s: %s, and %d defaults; %v, %v", what, r.ID, n, err, failed)
			}
		}
		one, two := aRegistration("one"), aRegistration("two")
		for _, r := range []scanners.Registration{one, two} {
			if err := s.Create(ctx, r, by); err != nil {
				t.Fatal(err)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		has("nobody has chosen", repo.ProjectID, scanners.BuiltinID)
		do(s.MakeDefault(ctx, one.ID, by))
		has("a default", repo.ProjectID, one.ID)
		do(s.Choose(ctx, repo.ProjectID, two.ID, by))
		has("a choice", repo.ProjectID, two.ID)
		has("of another project", 999, one.ID)
		do(s.Choose(ctx, repo.ProjectID, scanners.BuiltinID, by))
		has("another choice", repo.ProjectID, scanners.BuiltinID)
		do(s.MakeDefault(ctx, two.ID, by))
		has("another default", 999, two.ID)
		do(s.Choose(ctx, repo.ProjectID, two.ID, by))
		two.Disabled = true
		do(s.Update(ctx, two, nil, by))
		has("a choice that is disabled", repo.ProjectID, two.ID)
		for what, err := range map[string]error{"the default": s.MakeDefault(ctx, two.ID, by), "a project's": s.Choose(ctx, repo.ProjectID, two.ID, by)} {
			if !errors.Is(err, scanners.ErrDisabled) {
				t.Errorf("a disabled one as %s: %v", what, err)
			}
		}
		if err := s.Choose(ctx, 999, one.ID, by); !fault.OfKind(err, fault.NotFound) || errors.Is(err, scanners.ErrNotFound) {
			t.Errorf("of no project: %v", err)
		}
		do(s.Delete(ctx, two.ID, by))
		has("a choice that is gone", repo.ProjectID, scanners.BuiltinID)
		do(s.MakeDefault(ctx, one.ID, by))
		has("the default again", repo.ProjectID, one.ID)
	})
}

// TestThereIsOneDefault has many make another one that at once.
func TestThereIsOneDefault(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScanners(d), t.Context()
		for i := range 5 {
			if err := s.Create(ctx, aRegistration(fmt.Sprint(i)), by); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if err := s.MakeDefault(ctx, aRegistration(fmt.Sprint(i%5)).ID, by); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		_, n, err := s.List(ctx, false, query.Query{}.Where(query.Filter{Field: "is_default", Value: true}))
		if err != nil || n != 1 {
			t.Errorf("%d defaults, %v", n, err)
		}
	})
}

// TestScannersAreClaimedOnce has several nodes look for what is due.
func TestScannersAreClaimedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScanners(d), t.Context()
		const total, later = 20, 3
		for i := range total + later {
			r := aRegistration(fmt.Sprint(i))
			r.Checked = time.UnixMicro(int64(10 + i)).UTC()
			if err := s.Create(ctx, r, by); err != nil {
				t.Fatal(err)
			}
		}
		before, now := time.UnixMicro(10+total), time.UnixMicro(1000).UTC()
		var mu sync.Mutex
		claimed := map[string]int{}
		var nodes sync.WaitGroup
		for range 4 {
			nodes.Go(func() {
				for {
					due, err := s.Claim(ctx, before, now, 3)
					if err != nil {
						t.Error(err)
					}
					if len(due) == 0 {
						return
					}
					mu.Lock()
					for _, r := range due {
						claimed[r.Name]++
						if r.Checked != now || len(r.Sealed) != 2 {
							t.Errorf("%+v", r)
						}
					}
					mu.Unlock()
				}
			})
		}
		nodes.Wait()
		for i := range total {
			if n := claimed[fmt.Sprint(i)]; n != 1 {
				t.Errorf("%d was claimed %d times", i, n)
			}
		}
		if len(claimed) != total {
			t.Errorf("%d were claimed", len(claimed))
		}
	})
}

func TestHowAScannerWasFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScanners(d), t.Context()
		r := aRegistration("probe")
		if err := s.Create(ctx, r, by); err != nil {
			t.Fatal(err)
		}
		older := r
		r.Healthy, r.HealthMessage, r.Checked = false, "down", time.UnixMicro(99).UTC()
		r.Metadata.Scanner.Version = "2"
		if err := s.Found(ctx, r); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, r.ID); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, %v", got, err)
		}
		if err := s.Update(ctx, r, nil, by); err != nil {
			t.Fatal(err)
		}
		if err := s.Found(ctx, older); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, r.ID); err != nil || got.Healthy {
			t.Errorf("what an older version was found as counts: %+v, %v", got, err)
		}
	})
}
