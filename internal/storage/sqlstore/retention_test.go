package sqlstore

import (
	"errors"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/retention"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestRetentionPoliciesAreKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, repo := NewRetention(d), t.Context(), createRepo(t, d, "p")
		p := retention.Policy{ProjectID: repo.ProjectID, Cron: "0 0 0 * * *", Rules: []retention.Rule{{
			ID: 3, Priority: 4, Disabled: true, Template: retention.LatestPulled, Param: 5, Tags: pattern.Pattern{Glob: "v*", Except: true},
			Untagged: true, Extras: "{}", Repositories: pattern.Pattern{Glob: "**", Except: true},
		}}}
		var err error
		if p.ID, err = s.Create(ctx, p, time.Now(), by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, p.ID); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s.Create(ctx, p, time.Now(), by); !errors.Is(err, retention.ErrExists) {
			t.Errorf("a second one: %v", err)
		}
		p.Rules, p.Cron = nil, ""
		if err := s.Update(ctx, p, time.Now(), by); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ByID(ctx, p.ID); err != nil || len(got.Rules) != 0 || got.Cron != "" {
			t.Errorf("%+v, %v", got, err)
		}
		if err := s.Delete(ctx, p.ID, by); err != nil {
			t.Fatal(err)
		}
		_, err = s.ByID(ctx, p.ID)
		for what, err := range map[string]error{"reading": err, "changing": s.Update(ctx, p, time.Now(), by), "deleting": s.Delete(ctx, p.ID, by)} {
			if !errors.Is(err, retention.ErrNotFound) {
				t.Errorf("%s one that is gone: %v", what, err)
			}
		}
	})
}

func TestAPolicyAndAChangeOfItsProjectDoNotUndoEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx, repo := NewRetention(d), t.Context(), createRepo(t, d, "p")
		for i := range 20 {
			severity := []string{"low", "high"}[i%2]
			var id int64
			var changed, made error
			var both sync.WaitGroup
			both.Go(func() {
				changed = NewProjects(d).Update(ctx, repo.ProjectID, project.Change{Set: map[string]string{"severity": severity}}, by)
			})
			both.Go(func() { id, made = s.Create(ctx, retention.Policy{ProjectID: repo.ProjectID}, time.Now(), by) })
			both.Wait()
			p, err := NewProjects(d).ByID(ctx, repo.ProjectID)
			if err = errors.Join(changed, made, err); err != nil {
				t.Fatal(err)
			}
			if p.Metadata["severity"] != severity || p.Metadata[project.MetaRetention] != strconv.FormatInt(id, 10) {
				t.Fatalf("metadata %v, want severity %s and policy %d", p.Metadata, severity, id)
			}
			if err := s.Delete(ctx, id, by); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestPullsOfChildrenCountForTheirIndex pulls an image as those do that take the
// one for their platform.
func TestPullsOfChildrenCountForTheirIndex(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		c := shelf(t, d, repo)
		s, at := NewRetention(d), time.Now().UTC().Truncate(time.Microsecond)
		all, err := s.Artifacts(t.Context(), repo.Name, 0, 100)
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		index, child := int64(0), int64(0)
		if err := d.QueryRow(t.Context(), `SELECT f.parent_id, a.id FROM artifact_reference f JOIN artifact a ON a.digest = f.child_digest AND a.repository_id = f.repository_id WHERE a.digest = ?`, c.manifest(1).Digest).Scan(&index, &child); err != nil {
			t.Fatal(err)
		}
		if err := NewArtifacts(d).Pulled(t.Context(), []artifact.Pull{pullOf(repo, child, "", at)}, artifact.Omit{}); err != nil {
			t.Fatal(err)
		}
		all, err = s.Artifacts(t.Context(), repo.Name, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			if a.ID == child {
				t.Errorf("a child is judged by itself: %+v", a)
			}
			if pulled := a.Pulled.Equal(at); pulled != (a.ID == index) {
				t.Errorf("%+v", a)
			}
		}
		var paged []retention.Artifact
		for after := int64(0); ; {
			some, err := s.Artifacts(t.Context(), repo.Name, after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 {
				break
			}
			paged, after = append(paged, some...), some[len(some)-1].ID
		}
		if !reflect.DeepEqual(paged, all) {
			t.Errorf("%+v, want %+v", paged, all)
		}
	})
}
