package sqlstore

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A chartWorld is a repository for charts called "app".
type chartWorld struct {
	*testing.T
	db     *db.DB
	repo   artifact.Repo
	charts *Charts
}

func newChartWorld(t *testing.T, d *db.DB) *chartWorld {
	repo := createRepo(t, d, "p")
	repo.Name = "p/app"
	return &chartWorld{t, d, repo, NewCharts(d)}
}

// push pushes a version of the chart under tags.
func (w *chartWorld) push(p artifact.Push, tags ...string) error {
	w.Helper()
	p.Repo, p.Tags = w.repo, tags
	for _, b := range p.Manifest.Blobs {
		if _, err := NewBlobs(w.db).Finish(w.Context(), registry.Upload{Repo: p.Repo}, registry.Blob{Digest: b.Digest, Size: 1, Key: string(b.Digest)}); err != nil {
			w.Fatal(err)
		}
	}
	return NewArtifacts(w.db).Record(w.Context(), p, event.New(by, event.ArtifactPushed{Where: w.repo.Where()}))
}

func (w *chartWorld) want(last, count int64, versions ...string) {
	w.Helper()
	r, err := w.charts.Revision(w.Context(), w.repo.ProjectID)
	if err != nil || r != (chart.Revision{Last: last, Count: count}) {
		w.Fatalf("revision %+v, %v; want %d, %d", r, err, last, count)
	}
	come, err := w.charts.Since(w.Context(), w.repo.ProjectID, 0)
	if err != nil || int64(len(come)) != count {
		w.Fatalf("%d versions, %v", len(come), err)
	}
	slices.SortFunc(come, func(a, b chart.Version) int { return cmp.Compare(a.Number, b.Number) })
	found := []string{}
	for _, v := range come {
		found = append(found, v.Version)
		if v.Name != "app" || !strings.Contains(string(v.Entry), `"version":"`+v.Version+`"`) {
			w.Errorf("listed %+v %s", v, v.Entry)
		}
		one, err := w.charts.Version(w.Context(), w.repo.ProjectID, "app", v.Version)
		if err != nil || one.Number != v.Number || one.Digest == "" {
			w.Errorf("version %s: %+v, %v", v.Version, one, err)
		}
	}
	if strings.Join(found, " ") != strings.Join(versions, " ") {
		w.Errorf("found %v, want %v", found, versions)
	}
}

func TestChartsAreListedForTheTagsOfTheirVersions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := newChartWorld(t, d)
		artifacts := NewArtifacts(d)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(w.push(chartPush("app", "1.0.0"), "latest"))
		w.want(0, 0) // no tag of its version
		must(w.push(chartPush("other", "1.0.0"), "1.0.0"))
		w.want(0, 0) // called otherwise than the repository
		must(artifacts.DeleteTag(t.Context(), w.repo, "", "1.0.0", by))

		// A tag that is given later lists as well.
		chart := chartPush("app", "1.0.0")
		must(artifacts.CreateTag(t.Context(), w.repo, chart.Digest, "1.0.0", event.New(by, event.TagCreated{})))
		w.want(1, 1, "1.0.0")
		must(w.push(chart, "1.0.0"))
		w.want(1, 1, "1.0.0") // the same again is the same
		built := chartPush("app", "2.0.0+b1")
		built.Digest = oci.Sum(oci.SHA256, []byte("built"))
		must(w.push(built, "2.0.0_b1"))
		w.want(2, 2, "1.0.0", "2.0.0+b1")

		// Another under the tag is another version, and what is no chart none.
		again := chartPush("app", "1.0.0")
		again.Digest = oci.Sum(oci.SHA256, []byte("again"))
		must(w.push(again, "1.0.0"))
		w.want(3, 2, "2.0.0+b1", "1.0.0")
		image := artifact.Push{Digest: oci.Sum(oci.SHA256, []byte("image")), Body: []byte("image"), At: accountTime}
		must(w.push(image, "1.0.0"))
		w.want(2, 1, "2.0.0+b1")
		must(w.push(again, "1.0.0"))
		w.want(4, 2, "2.0.0+b1", "1.0.0") // a number is never given twice

		must(artifacts.DeleteTag(t.Context(), w.repo, "", "1.0.0", by))
		w.want(2, 1, "2.0.0+b1")
		must(artifacts.Delete(t.Context(), w.repo, built.Digest, by))
		w.want(0, 0)
		must(w.push(again, "1.0.0"))
		must(artifacts.DeleteRepository(t.Context(), w.repo, by))
		w.want(0, 0)
		all, err := w.charts.Listings(t.Context())
		if err != nil || len(all) > 0 {
			t.Errorf("listings %v, %v", all, err)
		}
	})
}

func TestAPushThatExpectsAnotherTagIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := newChartWorld(t, d)
		none, first := oci.Digest(""), chartPush("app", "1.0.0")
		second := first
		second.Digest = oci.Sum(oci.SHA256, []byte("second"))
		for _, step := range []struct {
			push   artifact.Push
			before *oci.Digest
			want   error
		}{
			{first, &first.Digest, artifact.ErrTagMoved},
			{first, &none, nil},
			{second, &none, artifact.ErrTagMoved},
			{second, &second.Digest, artifact.ErrTagMoved},
			{second, &first.Digest, nil},
			{first, nil, nil},
		} {
			step.push.Before = step.before
			if err := w.push(step.push, "1.0.0"); !errors.Is(err, step.want) && (err != nil || step.want != nil) {
				t.Fatalf("%v, want %v", err, step.want)
			}
		}
		w.want(3, 1, "1.0.0")
	})
}

func TestAVersionGoesWithItsLastTag(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w, artifacts, p := newChartWorld(t, d), NewArtifacts(d), chartPush("app", "1.0.0")
		if err := w.push(p, "1.0.0", "stable"); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			digest oci.Digest
			tag    string
			want   error
			stays  bool
		}{
			{layerOf(1), "1.0.0", artifact.ErrUnknown, true}, // points at something else
			{p.Digest, "1.0.0", nil, true},
			{p.Digest, "1.0.0", artifact.ErrUnknown, true},
			{p.Digest, "stable", nil, false},
		} {
			if err := artifacts.DeleteTagged(t.Context(), w.repo, step.digest, step.tag, by); !errors.Is(err, step.want) {
				t.Fatalf("%s of %s: %v, want %v", step.tag, step.digest, err, step.want)
			}
			_, _, err := artifacts.Find(t.Context(), w.repo.Name, oci.Reference{Digest: p.Digest}, false)
			if (err == nil) != step.stays || err != nil && !errors.Is(err, artifact.ErrUnknown) {
				t.Fatalf("the artifact after %s of %s: %v", step.tag, step.digest, err)
			}
		}
		w.want(0, 0)
	})
}

func TestChartsThatWerePushedBeforeAreListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := newChartWorld(t, d)
		for _, version := range []string{"1.0.0", "2.0.0", "3.0.0"} {
			p := chartPush("app", version)
			p.Digest = oci.Sum(oci.SHA256, []byte(version))
			if err := w.push(p, version, "also-"+version); err != nil {
				t.Fatal(err)
			}
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM chart_version WHERE version <> '2.0.0'`)
			return err
		})
		for range 2 {
			if err == nil {
				err = w.charts.ListOld(t.Context())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		w.want(5, 3, "2.0.0", "1.0.0", "3.0.0")
	})
}
