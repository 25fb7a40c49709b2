package sqlstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// freeze makes a rule for the tags of a pattern.
func freeze(t *testing.T, d *db.DB, project int64, tags string) int64 {
	t.Helper()
	id, err := NewImmutable(d).Create(t.Context(), immutable.Rule{ProjectID: project, Tags: pattern.Pattern{Glob: tags}}, accountTime, by)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestImmutableTagsStay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		push(t, d, repo, "one", "v1", "latest")
		push(t, d, repo, "two", "other")
		one := oci.Sum(oci.SHA256, []byte("one"))
		rule := freeze(t, d, repo.ProjectID, "v*")
		artifacts, ctx := NewArtifacts(d), t.Context()
		_, moved := pushArtifact(ctx, d, repo, "two", "v1")
		for what, err := range map[string]error{
			"a push that moves it":       moved,
			"a deletion of it":           artifacts.DeleteTag(ctx, repo, "", "v1", by),
			"a deletion of its artifact": artifacts.Delete(ctx, repo, one, by),
			"a deletion of all":          artifacts.DeleteRepository(ctx, repo, by),
		} {
			if !errors.Is(err, immutable.ErrTag) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if a, _, err := artifacts.Find(ctx, repo.Name, oci.Reference{Tag: "v1"}, false); err != nil || a.Digest != one {
			t.Errorf("%+v, %v", a, err)
		}
		for what, err := range map[string]error{
			"the same again":           func() error { _, err := pushArtifact(ctx, d, repo, "one", "v1"); return err }(),
			"a new one that matches":   func() error { _, err := pushArtifact(ctx, d, repo, "two", "v2"); return err }(),
			"one that no rule matches": artifacts.DeleteTag(ctx, repo, "", "latest", by),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		update := immutable.Rule{ID: rule, ProjectID: repo.ProjectID, Disabled: true, Tags: pattern.Pattern{Glob: "ignored"}}
		if err := NewImmutable(d).Update(ctx, update, by); err != nil {
			t.Fatal(err)
		}
		if err := artifacts.Delete(ctx, repo, one, by); err != nil {
			t.Errorf("while the rule is disabled: %v", err)
		}
		if rules, err := NewImmutable(d).Of(ctx, repo.ProjectID); err != nil || len(rules) != 0 {
			t.Errorf("%+v, %v", rules, err)
		}
		update.Disabled = false
		if err := NewImmutable(d).Update(ctx, update, by); err != nil {
			t.Fatal(err)
		}
		if rules, err := NewImmutable(d).Of(ctx, repo.ProjectID); err != nil || len(rules) != 1 || rules[0].Tags.Glob != "v*" {
			t.Errorf("%+v, %v", rules, err)
		}
	})
}

// TestOneOfManyFirstPushesWins lets twenty push another artifact under a tag that
// may not move.
func TestOneOfManyFirstPushesWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		freeze(t, d, repo.ProjectID, "**")
		var all sync.WaitGroup
		var mu sync.Mutex
		var won []string
		for i := range 20 {
			all.Go(func() {
				body := fmt.Sprint("image ", i)
				_, err := pushArtifact(t.Context(), d, repo, body, "v1")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, body)
				} else if !errors.Is(err, immutable.ErrTag) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		a, _, err := NewArtifacts(d).Find(t.Context(), repo.Name, oci.Reference{Tag: "v1"}, false)
		if len(won) != 1 || err != nil || a.Digest != oci.Sum(oci.SHA256, []byte(won[0])) {
			t.Errorf("%q won, and the tag is at %s: %v", won, a.Digest, err)
		}
	})
}

func TestRulesBelongToTheirProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		id := freeze(t, d, one.ProjectID, "v*")
		rules, ctx := NewImmutable(d), t.Context()
		if _, err := rules.Create(ctx, immutable.Rule{ProjectID: one.ProjectID, Tags: pattern.Pattern{Glob: "v*"}}, accountTime, by); !errors.Is(err, immutable.ErrExists) {
			t.Errorf("the same again: %v", err)
		}
		if err := rules.Delete(ctx, two.ProjectID, id, by); !errors.Is(err, immutable.ErrNotFound) {
			t.Errorf("in another project: %v", err)
		}
		if err := rules.Update(ctx, immutable.Rule{ID: id, ProjectID: two.ProjectID}, by); !errors.Is(err, immutable.ErrNotFound) {
			t.Errorf("in another project: %v", err)
		}
		for i := range immutable.MaxRules - 1 {
			freeze(t, d, one.ProjectID, fmt.Sprint("w", i))
		}
		if _, err := rules.Create(ctx, immutable.Rule{ProjectID: one.ProjectID, Tags: pattern.Pattern{Glob: "x"}}, accountTime, by); !errors.Is(err, immutable.ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
		if err := rules.Delete(ctx, one.ProjectID, id, by); err != nil {
			t.Error(err)
		}
	})
}

func TestLabelsAreOnWhatTheyMayBeOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		id := push(t, d, one, "one")
		labels, ctx := NewLabels(d), t.Context()
		made := map[string]int64{}
		for name, project := range map[string]int64{"global": 0, "own": one.ProjectID, "foreign": two.ProjectID} {
			l := label.Label{Name: name, Scope: label.OfProject, ProjectID: project, Created: accountTime}
			if project == 0 {
				l.Scope = label.Global
			}
			var err error
			if made[name], err = labels.Create(ctx, l, by); err != nil {
				t.Fatal(err)
			}
			if _, err := labels.Create(ctx, l, by); !errors.Is(err, label.ErrExists) {
				t.Errorf("%s again: %v", name, err)
			}
		}
		on := label.Artifact{Where: one.Where(), Digest: oci.Sum(oci.SHA256, []byte("one"))}
		elsewhere := label.Artifact{Where: event.Where{ProjectID: two.ProjectID, Project: "q", Repository: one.Name}, Digest: on.Digest}
		drain(t, d)
		for _, c := range []struct {
			what string
			err  error
			want error
		}{
			{"a global one", labels.Attach(ctx, on, made["global"], by), nil},
			{"one's own", labels.Attach(ctx, on, made["own"], by), nil},
			{"twice", labels.Attach(ctx, on, made["own"], by), label.ErrAttached},
			{"another project's", labels.Attach(ctx, on, made["foreign"], by), label.ErrNotFound},
			{"none", labels.Attach(ctx, on, 999, by), label.ErrNotFound},
			{"an artifact of another project", labels.Attach(ctx, elsewhere, made["global"], by), label.ErrArtifactUnknown},
			{"taken off", labels.Detach(ctx, on, made["global"], by), nil},
			{"taken off again", labels.Detach(ctx, on, made["global"], by), label.ErrNotFound},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: %v", c.what, c.err)
			}
		}
		if events := drain(t, d); len(events) != 3 {
			t.Errorf("%+v", events)
		}
		found, err := labels.OfArtifacts(ctx, []int64{id, 999})
		if err != nil || len(found) != 1 || len(found[id]) != 1 || found[id][0].Name != "own" {
			t.Errorf("%+v, %v", found, err)
		}
		if err := labels.Delete(ctx, made["own"], by); err != nil {
			t.Fatal(err)
		}
		if found, err := labels.OfArtifacts(ctx, []int64{id}); err != nil || len(found) != 0 {
			t.Errorf("%+v, %v", found, err)
		}
		if err := NewProjects(d).Delete(ctx, two.ProjectID, by); err != nil {
			t.Fatal(err)
		}
		if _, err := labels.ByID(ctx, made["foreign"]); !errors.Is(err, label.ErrNotFound) {
			t.Errorf("of a project that is gone: %v", err)
		}
		if _, err := labels.Create(ctx, label.Label{Name: "x", Scope: label.OfProject, ProjectID: two.ProjectID, Created: accountTime}, by); !errors.Is(err, label.ErrInvalid) {
			t.Errorf("for a project that is gone: %v", err)
		}
	})
}

var _ artifact.Catalog = (*Artifacts)(nil)
