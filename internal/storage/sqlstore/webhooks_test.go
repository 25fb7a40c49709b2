package sqlstore

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/webhook"
)

func aWebhook(projectID int64, name string) webhook.Policy {
	return webhook.Policy{
		ProjectID: projectID, Name: name, Description: "d", Enabled: true, Creator: "alice", Created: time.UnixMicro(5).UTC(), Updated: time.UnixMicro(6).UTC(),
		Topics: []webhook.Topic{webhook.PushArtifact, webhook.TagRetention},
		Targets: []webhook.Target{
			{Protocol: webhook.HTTP, Address: "https://a.example.org", Sealed: []byte{0, 255}, SkipVerify: true, Format: webhook.CloudEvents},
			{Protocol: webhook.Slack, Address: "https://b.example.org"},
		},
	}
}

func TestWebhookPoliciesAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewWebhooks(d), t.Context()
		one, other := createRepo(t, d, "one"), createRepo(t, d, "other")
		p := aWebhook(one.ProjectID, "ci")
		var err error
		if p.ID, err = s.Create(ctx, p, by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, p.ProjectID, p.ID); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.Create(ctx, p, by); !errors.Is(err, webhook.ErrExists) {
			t.Errorf("a second one of the name: %v", err)
		}
		if _, err := s.Create(ctx, aWebhook(other.ProjectID, "ci"), by); err != nil {
			t.Errorf("one of the name in another project: %v", err)
		}
		second, err := s.Create(ctx, aWebhook(p.ProjectID, "mail"), by)
		if err != nil {
			t.Fatal(err)
		}
		was := p.Updated
		p.Name, p.Enabled, p.Targets, p.Updated = "mail", false, p.Targets[:1], time.UnixMicro(9).UTC()
		if err := s.Update(ctx, p, was, by); !errors.Is(err, webhook.ErrExists) {
			t.Errorf("the name of another: %v", err)
		}
		p.Name = "builds"
		if err := s.Update(ctx, p, was, by); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(ctx, p, was, by); !errors.Is(err, webhook.ErrChanged) {
			t.Errorf("what somebody else has changed: %v", err)
		}
		if all, n, err := s.List(ctx, p.ProjectID, query.Query{}); err != nil || n != 2 || all[0].ID != second || !reflect.DeepEqual(all[1], p) {
			t.Errorf("%+v of %d, %v", all, n, err)
		}
		elsewhere := p
		elsewhere.ProjectID = other.ProjectID
		_, err = s.ByID(ctx, other.ProjectID, p.ID)
		for what, err := range map[string]error{"reading": err, "changing": s.Update(ctx, elsewhere, p.Updated, by), "deleting": s.Delete(ctx, other.ProjectID, p.ID, by)} {
			if !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("%s one of another project: %v", what, err)
			}
		}
		if err := s.Delete(ctx, p.ProjectID, p.ID, by); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ByID(ctx, p.ProjectID, p.ID); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("one that was deleted: %v", err)
		}
		events, err := NewEvents(d).Pending(ctx, 100)
		kinds := ""
		for _, e := range events {
			if strings.HasPrefix(e.Fact.Kind(), "webhook.") {
				kinds += e.Fact.Kind() + " "
			}
		}
		if err != nil || kinds != "webhook.created webhook.created webhook.created webhook.updated webhook.deleted " {
			t.Errorf("events %s, %v", kinds, err)
		}
	})
}

func TestAProjectHasTwentyWebhookPolicies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, repo := NewWebhooks(d), createRepo(t, d, "p")
		for i := range webhook.MaxPolicies {
			if _, err := s.Create(t.Context(), aWebhook(repo.ProjectID, fmt.Sprint(i)), by); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Create(t.Context(), aWebhook(repo.ProjectID, "more"), by); !errors.Is(err, webhook.ErrTooMany) {
			t.Errorf("one more: %v", err)
		}
	})
}

func TestWhoIsToldOfWhat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewWebhooks(d), t.Context()
		one, other, gone := createRepo(t, d, "one"), createRepo(t, d, "other"), createRepo(t, d, "gone")
		ids := map[string]int64{}
		for _, p := range []webhook.Policy{aWebhook(one.ProjectID, "a"), aWebhook(one.ProjectID, "off"), aWebhook(other.ProjectID, "b"), aWebhook(gone.ProjectID, "c")} {
			p.Enabled = p.Name != "off"
			id, err := s.Create(ctx, p, by)
			if err != nil {
				t.Fatal(err)
			}
			ids[p.Name] = id
		}
		err := d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE project SET deleted = TRUE WHERE id = ?`, gone.ProjectID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		told, err := s.Enabled(ctx, []int64{one.ProjectID, gone.ProjectID})
		if err != nil || len(told) != 1 || told[0].ID != ids["a"] {
			t.Errorf("%+v, %v", told, err)
		}
		early, late := time.UnixMicro(100).UTC(), time.UnixMicro(200).UTC()
		for _, at := range []time.Time{late, early} { // nodes may note it in any order
			if err := s.Told(ctx, []webhook.Told{{PolicyID: ids["a"], Topic: webhook.PushArtifact, At: at}, {PolicyID: 987, Topic: webhook.PushArtifact, At: at}}); err != nil {
				t.Fatal(err)
			}
		}
		if last, err := s.LastTold(ctx, one.ProjectID); err != nil || !reflect.DeepEqual(last, []webhook.Told{{PolicyID: ids["a"], Topic: webhook.PushArtifact, At: late}}) {
			t.Errorf("%+v, %v", last, err)
		}
		if _, err := pushArtifact(ctx, d, one, "{}", "1"); err != nil {
			t.Fatal(err)
		}
		if about, err := s.Subject(ctx, one.ProjectID, one.Name); err != nil || about.Public || about.Created.IsZero() {
			t.Errorf("%+v, %v", about, err)
		}
		if about, err := s.Subject(ctx, one.ProjectID, "one/none"); err != nil || !about.Created.IsZero() {
			t.Errorf("of a repository that is not there: %+v, %v", about, err)
		}
	})
}
