package sqlstore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// otherRegistry makes an endpoint and returns its id.
func otherRegistry(t *testing.T, d *db.DB, name string) int64 {
	t.Helper()
	e := endpoint.Endpoint{Name: name, Kind: "harbor", URL: "https://" + name + ".example.org", Healthy: true, Created: time.UnixMicro(1), Updated: time.UnixMicro(1), Checked: time.UnixMicro(1)}
	id, err := NewEndpoints(d).Create(t.Context(), e, func(int64) []byte { return nil }, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReplicationPoliciesAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, far := NewReplication(d), t.Context(), otherRegistry(t, d, "far")
		p := replication.Policy{
			Name: "pull", Description: "d", Source: far, Namespace: "n/m", Replace: 2, Trigger: replication.Scheduled, Cron: "0 0 0 * * *",
			Filters: []replication.Filter{
				{Type: replication.ByName, Pattern: "library/**"}, {Type: replication.ByTag, Pattern: "v*", Excludes: true}, {Type: replication.ByLabel, Labels: []string{"a", "b"}},
			},
			Platforms: []string{"linux/amd64"}, Deletion: true, Override: true, Enabled: true, Alone: true, Speed: 1 << 40, Chunked: true,
			Created: time.UnixMicro(5).UTC(), Updated: time.UnixMicro(6).UTC(),
		}
		var err error
		if p.ID, err = s.Create(ctx, p, by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, p.ID); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.Create(ctx, p, by); !errors.Is(err, replication.ErrExists) {
			t.Errorf("a second one of the name: %v", err)
		}
		plain := replication.Policy{Name: "push", Destination: far, Trigger: replication.Manual, Created: time.UnixMicro(7).UTC(), Updated: time.UnixMicro(7).UTC()}
		if plain.ID, err = s.Create(ctx, plain, by); err != nil {
			t.Fatal(err)
		}
		p.Name, p.Source, p.Destination, p.Filters, p.Platforms, p.Enabled, p.Updated = "push", 0, far, nil, nil, false, time.UnixMicro(9).UTC()
		if err := s.Update(ctx, p, by); !errors.Is(err, replication.ErrExists) {
			t.Errorf("the name of another: %v", err)
		}
		p.Name = "out"
		if err := s.Update(ctx, p, by); err != nil {
			t.Fatal(err)
		}
		if all, n, err := s.List(ctx, query.Query{}); err != nil || n != 2 || !reflect.DeepEqual(all, []replication.Policy{plain, p}) {
			t.Errorf("%+v of %d, %v", all, n, err)
		}
		if err := s.Delete(ctx, p.ID, by); err != nil {
			t.Fatal(err)
		}
		_, err = s.ByID(ctx, p.ID)
		for what, err := range map[string]error{"reading": err, "changing": s.Update(ctx, p, by), "deleting": s.Delete(ctx, p.ID, by)} {
			if !errors.Is(err, replication.ErrNotFound) {
				t.Errorf("%s one that is gone: %v", what, err)
			}
		}
		var kinds []string
		for _, e := range drain(t, d) {
			if strings.HasPrefix(e.Fact.Kind(), "replication_policy.") {
				kinds = append(kinds, strings.TrimPrefix(e.Fact.Kind(), "replication_policy."))
			}
		}
		if got := strings.Join(kinds, " "); got != "created created updated deleted" {
			t.Errorf("events %s", got)
		}
	})
}

func TestReplicationPoliciesAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewReplication(d), t.Context()
		far, near := otherRegistry(t, d, "far"), otherRegistry(t, d, "near")
		for i, p := range []replication.Policy{
			{Name: "one", Destination: far, Trigger: replication.ByEvent, Enabled: true},
			{Name: "two", Destination: near, Trigger: replication.ByEvent},
			{Name: "three", Source: far, Trigger: replication.ByEvent, Enabled: true},
			{Name: "four", Destination: near, Trigger: replication.Manual, Enabled: true},
			{Name: "five", Destination: near, Trigger: replication.ByEvent, Enabled: true},
		} {
			p.Created = time.UnixMicro(int64(i))
			if _, err := s.Create(ctx, p, by); err != nil {
				t.Fatal(err)
			}
		}
		names := func(all []replication.Policy, err error) string {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, p := range all {
				names = append(names, p.Name)
			}
			return strings.Join(names, " ")
		}
		if got := names(s.ForEvents(ctx)); got != "one five" {
			t.Errorf("events start %s", got)
		}
		for _, tt := range []struct {
			f    query.Filter
			want string
		}{
			{query.Filter{Field: "name", Op: query.Fuzzy, Value: "O"}, "four two one"},
			{query.Filter{Field: "src_registry_id", Value: far}, "three"},
			{query.Filter{Field: "dest_registry_id", Value: int64(0)}, "three"},
			{query.Filter{Field: "trigger", Value: "manual"}, "four"},
			{query.Filter{Field: "enabled", Value: "false"}, "two"},
		} {
			all, _, err := s.List(ctx, query.Query{}.Where(tt.f))
			if got := names(all, err); got != tt.want {
				t.Errorf("%+v finds %s, want %s", tt.f, got, tt.want)
			}
		}
	})
}

// TestPoliciesHoldTheirRegistries holds that neither is there without the other.
func TestPoliciesHoldTheirRegistries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, far := NewReplication(d), t.Context(), otherRegistry(t, d, "far")
		for want, p := range map[string]replication.Policy{
			"src_registry: there is no registry 99":  {Name: "p", Source: 99},
			"dest_registry: there is no registry 99": {Name: "p", Destination: 99},
		} {
			if _, err := s.Create(ctx, p, by); !errors.Is(err, replication.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		id, err := s.Create(ctx, replication.Policy{Name: "p", Source: far}, by)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Update(ctx, replication.Policy{ID: id, Name: "p", Destination: 99}, by); !errors.Is(err, replication.ErrInvalid) {
			t.Error(err)
		}
		if err := NewEndpoints(d).Delete(ctx, far, by); !errors.Is(err, endpoint.ErrInUse) {
			t.Errorf("a registry that a policy needs: %v", err)
		}
		if err := s.Delete(ctx, id, by); err != nil {
			t.Fatal(err)
		}
		if err := NewEndpoints(d).Delete(ctx, far, by); err != nil {
			t.Error(err)
		}
	})
}

// TestOneIsRefusedOrKept holds what becomes of a submission that is to be alone.
func TestOneIsRefusedOrKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, now := NewJobs(d), t.Context(), time.UnixMicro(5)
		one := job.Submission{Kind: job.Replication, OwnerID: 1, Trigger: job.Manual, Tasks: []any{1, 2}, Alone: true}
		refusable := one
		refusable.Refusal, refusable.Attrs = "not now", map[string]int{"n": 1}
		ids, next, err := s.Create(ctx, []job.Submission{one, refusable}, now)
		if err != nil || len(next) != 2 || ids[0] == ids[1] {
			t.Fatal(ids, next, err)
		}
		want := job.Execution{
			ID: ids[1], Kind: job.Replication, OwnerID: 1, Trigger: job.Manual, Status: job.Failed, Message: "not now", Attrs: []byte(`{"n":1}`),
			Started: now.UTC(), Updated: now.UTC(), Ended: now.UTC(),
		}
		if e, err := s.Execution(ctx, ids[1]); err != nil || !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, %v", e, err)
		}
		if _, _, err := s.Create(ctx, []job.Submission{one}, now); !errors.Is(err, job.ErrRunning) {
			t.Errorf("one without a refusal: %v", err)
		}
		if e, err := s.Execution(ctx, ids[0]); err != nil || e.Status != job.Running || e.Counts.Pending != 2 {
			t.Errorf("%+v, %v", e, err)
		}
		if err := s.Stop(ctx, ids[0], now); err != nil {
			t.Fatal(err)
		}
		if _, next, err := s.Create(ctx, []job.Submission{refusable}, now); err != nil || len(next) != 2 {
			t.Errorf("once nothing runs: %v, %v", next, err)
		}
	})
}
