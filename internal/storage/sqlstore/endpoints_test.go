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

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func anEndpoint(name string) endpoint.Endpoint {
	at := time.UnixMicro(5).UTC()
	return endpoint.Endpoint{
		Name: name, Description: "d", Kind: remote.Quay, URL: "https://quay.example.org", CredentialType: "basic", Account: "ci", Sealed: []byte{0, 255},
		SkipVerify: true, Roots: "PEM", Healthy: true, HealthMessage: "m", Created: at, Updated: at, Checked: at, Version: 1,
	}
}

// sealing returns what a test has as a secret.
func sealing(e endpoint.Endpoint) func(int64) []byte {
	return func(int64) []byte { return e.Sealed }
}

func TestEndpointsAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewEndpoints(d), t.Context()
		e := anEndpoint("hub")
		var sealedFor int64
		var err error
		if e.ID, err = s.Create(ctx, e, func(id int64) []byte { sealedFor = id; return e.Sealed }, by); err != nil || e.ID != sealedFor {
			t.Fatalf("%d, sealed for %d, %v", e.ID, sealedFor, err)
		}
		if got, err := s.ByID(ctx, e.ID); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.Create(ctx, e, sealing(e), by); !errors.Is(err, endpoint.ErrExists) {
			t.Errorf("a second one of the name: %v", err)
		}
		open := anEndpoint("open")
		open.Sealed, open.Created = nil, time.UnixMicro(6).UTC()
		second, err := s.Create(ctx, open, sealing(open), by)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, second); err != nil || len(got.Sealed) > 0 {
			t.Errorf("one without a secret has %v, %v", got.Sealed, err)
		}
		e.Name = "open"
		if err := s.Update(ctx, e, nil, by); !errors.Is(err, endpoint.ErrExists) {
			t.Errorf("the name of another: %v", err)
		}
		e.Name, e.Sealed, e.URL, e.Healthy, e.HealthMessage, e.Updated = "renamed", nil, "https://other.example.org", false, "down", time.UnixMicro(9).UTC()
		if err := s.Update(ctx, e, []string{"name"}, by); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(ctx, e, nil, by); !errors.Is(err, endpoint.ErrChanged) {
			t.Errorf("what somebody else has changed: %v", err)
		}
		e.Version = 2
		if all, n, err := s.List(ctx, query.Query{}); err != nil || n != 2 || all[0].ID != second || !reflect.DeepEqual(all[1], e) {
			t.Errorf("%+v of %d, %v", all, n, err)
		}
		unwell := query.Query{}.Where(query.Filter{Field: "status", Op: query.Exact, Value: "unhealthy"})
		if all, n, err := s.List(ctx, unwell); err != nil || n != 1 || all[0].ID != e.ID {
			t.Errorf("those that are not well: %+v of %d, %v", all, n, err)
		}
		if err := s.Delete(ctx, e.ID, by); err != nil {
			t.Fatal(err)
		}
		_, err = s.ByID(ctx, e.ID)
		for what, err := range map[string]error{"reading": err, "changing": s.Update(ctx, e, nil, by), "deleting": s.Delete(ctx, e.ID, by)} {
			if !errors.Is(err, endpoint.ErrNotFound) {
				t.Errorf("%s one that was deleted: %v", what, err)
			}
		}
		events, err := NewEvents(d).Pending(ctx, 100)
		var kinds []string
		for _, e := range events {
			kinds = append(kinds, strings.TrimPrefix(e.Fact.Kind(), "endpoint."))
		}
		if err != nil || !slices.Equal(kinds, []string{"created", "created", "updated", "deleted"}) {
			t.Errorf("events %s, %v", kinds, err)
		}
	})
}

func TestAnEndpointThatIsReferredToStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewEndpoints(d), t.Context()
		id, err := s.Create(ctx, anEndpoint("hub"), sealing(anEndpoint("hub")), by)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`CREATE TABLE copies_from (endpoint_id BIGINT NOT NULL REFERENCES endpoint (id))`)
			if err == nil {
				_, err = tx.Exec(`INSERT INTO copies_from (endpoint_id) VALUES (?)`, id)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Delete(ctx, id, by); !errors.Is(err, endpoint.ErrInUse) {
			t.Errorf("%v", err)
		}
		if _, err := s.ByID(ctx, id); err != nil {
			t.Error(err)
		}
	})
}

// TestEndpointsAreClaimedOnce has several nodes look for what is due.
func TestEndpointsAreClaimedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewEndpoints(d), t.Context()
		const total, later = 20, 3
		for i := range total + later {
			e := anEndpoint(fmt.Sprint(i))
			e.Checked = time.UnixMicro(int64(10 + i)).UTC()
			if _, err := s.Create(ctx, e, sealing(e), by); err != nil {
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
					for _, e := range due {
						claimed[e.Name]++
						if e.Checked != now || len(e.Sealed) != 2 {
							t.Errorf("%+v", e)
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

func TestHowAnEndpointWasFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewEndpoints(d), t.Context()
		e := anEndpoint("hub")
		var err error
		if e.ID, err = s.Create(ctx, e, sealing(e), by); err != nil {
			t.Fatal(err)
		}
		older := e
		e.Healthy, e.HealthMessage, e.Checked = false, "down", time.UnixMicro(99).UTC()
		if err := s.Found(ctx, e); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, e.ID); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%+v, %v", got, err)
		}
		if err := s.Update(ctx, e, nil, by); err != nil {
			t.Fatal(err)
		}
		if err := s.Found(ctx, older); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, e.ID); err != nil || got.Healthy {
			t.Errorf("what an older version was found as counts: %+v, %v", got, err)
		}
	})
}
