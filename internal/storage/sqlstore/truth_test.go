package sqlstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A chaos pushes, tags and deletes at random in two repositories of one project,
// and in one of another.
type chaos struct {
	t     *testing.T
	db    *db.DB
	rand  *rand.Rand
	repos []artifact.Repo
}

// manifest returns one of a few manifests: the first are images that share
// layers, then indexes of these, then what has one of all as its subject.
func (c *chaos) manifest(n int) artifact.Push {
	body := []byte(fmt.Sprintf("manifest %d", n))
	p := artifact.Push{Digest: oci.Sum(oci.SHA256, body), Body: body, At: accountTime}
	switch {
	case n == 3:
		return chartPush("other", "1.0.0")
	case n < 3:
		for i := range 2 {
			p.Manifest.Blobs = append(p.Manifest.Blobs, oci.Blob{Descriptor: oci.Descriptor{Digest: layerOf((n + i) % 4), Size: 1}})
		}
		p.Manifest.Blobs = append(p.Manifest.Blobs, oci.Blob{Descriptor: oci.Descriptor{Digest: layerOf(99), Size: 7}, Foreign: true})
	case n < 6:
		p.Manifest.Index = true
		p.Manifest.Children = []oci.Descriptor{{Digest: c.manifest(n - 4).Digest}, {Digest: c.manifest(n - 3).Digest}}
	default:
		p.Facts.AccessoryOf = c.manifest(n - 6).Digest
		p.Manifest.Subject = &oci.Descriptor{Digest: p.Facts.AccessoryOf}
	}
	return p
}

const manifests = 10

// chartPush returns a push of a chart as Helm makes it.
func chartPush(name, version string) artifact.Push {
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":1},"layers":[{"mediaType":%q,"digest":%q,"size":1}]}`,
		oci.MediaTypeImageManifest, helm.ConfigType, layerOf(1), helm.ContentType, layerOf(2))
	m, err := oci.ParseManifest("", body)
	if err != nil {
		panic(err)
	}
	d := oci.Sum(oci.SHA256, body)
	return artifact.Push{Digest: d, Body: body, Manifest: m, At: accountTime, Facts: artifact.Describe(m, d, nil, fmt.Appendf(nil, `{"name":%q,"version":%q}`, name, version))}
}

func layerOf(n int) oci.Digest { return oci.Sum(oci.SHA256, fmt.Appendf(nil, "layer %d", n)) }

func (c *chaos) step() {
	ctx, artifacts := c.t.Context(), NewArtifacts(c.db)
	p := c.manifest(c.rand.IntN(manifests))
	p.Repo = c.repos[c.rand.IntN(len(c.repos))]
	tag := []string{"t0", "t1", "1.0.0"}[c.rand.IntN(3)]
	var err error
	switch c.rand.IntN(10) {
	case 0, 1, 2, 3, 4:
		if c.rand.IntN(2) == 0 {
			p.Tags = []string{tag}
		}
		for _, b := range p.Manifest.Blobs {
			if !b.Foreign {
				_, err = NewBlobs(c.db).Finish(ctx, registry.Upload{Repo: p.Repo}, registry.Blob{Digest: b.Digest, Size: int64(100 + len(b.Digest)), Key: string(b.Digest)})
				if err != nil {
					c.t.Fatal(err)
				}
			}
		}
		err = artifacts.Record(ctx, p, event.New(by, event.ArtifactPushed{Where: p.Repo.Where()}))
	case 5, 6:
		err = artifacts.Delete(ctx, p.Repo, p.Digest, by)
	case 7:
		err = artifacts.DeleteTag(ctx, p.Repo, "", tag, by)
	case 8:
		err = artifacts.CreateTag(ctx, p.Repo, p.Digest, tag, event.New(by, event.TagCreated{Where: p.Repo.Where()}))
	case 9:
		if c.rand.IntN(4) == 0 {
			err = artifacts.DeleteRepository(ctx, p.Repo, by)
		}
	}
	var f *fault.Fault
	if err != nil && !errors.As(err, &f) {
		c.t.Fatal(err)
	}
}

// lies are what is kept beside the truth, each as a query for what differs.
var lies = map[string]string{
	"listed": `SELECT COUNT(*) FROM artifact WHERE listed <> ` + listedNow,
	"tagged": `SELECT COUNT(*) FROM artifact WHERE tagged <> ` + taggedNow,
	"artifacts with tags that are not listed": `SELECT COUNT(*) FROM artifact WHERE tagged AND accessory_of = '' AND NOT listed`,
	"tag_names": `SELECT COUNT(*) FROM artifact WHERE tag_names IS DISTINCT FROM ` + namesNow,
	"kind": `SELECT COUNT(*) FROM artifact a WHERE NOT EXISTS (SELECT 1 FROM artifact_kind k WHERE k.id = a.kind AND k.type = a.type
		AND k.media_type = a.media_type AND k.config_media_type = a.config_media_type AND k.artifact_type = a.artifact_type)`,
	"tags of projects": `SELECT COUNT(*) FROM tag t WHERE t.project_id <> (SELECT r.project_id FROM repository r WHERE r.id = t.repository_id)`,
	"artifact_count": `SELECT COUNT(*) FROM repository r WHERE artifact_count <>
		(SELECT COUNT(*) FROM artifact a WHERE a.repository_id = r.id AND a.listed)`,
	"manifest_count":      `SELECT COUNT(*) FROM repository r WHERE manifest_count <> (SELECT COUNT(*) FROM artifact a WHERE a.repository_id = r.id)`,
	"listed repositories": `SELECT COUNT(*) FROM repository r WHERE listed <> EXISTS (SELECT 1 FROM artifact a WHERE a.repository_id = r.id)`,
	"repo_count":          `SELECT COUNT(*) FROM project p WHERE repo_count <> (SELECT COUNT(*) FROM repository r WHERE r.project_id = p.id AND r.listed)`,
	"orphans": `SELECT (SELECT COUNT(*) FROM artifact_blob WHERE artifact_id NOT IN (SELECT id FROM artifact)) +
		(SELECT COUNT(*) FROM artifact_reference WHERE parent_id NOT IN (SELECT id FROM artifact))`,
	"used": `SELECT COUNT(*) FROM quota q WHERE used <> (SELECT COALESCE(SUM(b.size), 0) FROM project_blob b WHERE b.project_id = q.project_id)`,
	// What may be garbage waits for a review.
	"unneeded blobs that do not wait": `SELECT COUNT(*) FROM repository_blob l WHERE ` + unneeded + ` AND NOT EXISTS (
		SELECT 1 FROM gc_review g WHERE g.kind = 'link' AND g.repository_id = l.repository_id AND g.digest = l.digest)`,
	"unserved blobs that do not wait": `SELECT COUNT(*) FROM blob WHERE state = 'live' AND ` + unserved + ` AND NOT EXISTS (
		SELECT 1 FROM gc_review g WHERE g.kind = 'blob' AND g.digest = blob.digest)`,
	"untagged artifacts that do not wait": `SELECT COUNT(*) FROM artifact WHERE ` + listedNow + ` AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.artifact_id = artifact.id)
		AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'artifact' AND g.repository_id = artifact.repository_id AND g.digest = artifact.digest)`,
	"reviews of what is gone": `SELECT COUNT(*) FROM gc_review g WHERE g.kind <> 'blob' AND NOT EXISTS (SELECT 1 FROM repository r WHERE r.id = g.repository_id)
		OR g.kind = 'artifact' AND NOT EXISTS (SELECT 1 FROM artifact a WHERE a.repository_id = g.repository_id AND a.digest = g.digest)`,
	"charts that are listed and ought not to be, or the reverse": `SELECT COUNT(*) FROM tag t JOIN repository r ON r.id = t.repository_id JOIN artifact a ON a.id = t.artifact_id
		LEFT JOIN chart_version v ON v.tag_id = t.id AND v.project_id = r.project_id AND r.name LIKE '%/' || v.name
		WHERE (a.type = 'CHART' AND r.name = 'p/other' AND t.name = '1.0.0') <> (v.number IS NOT NULL)`,
	"charts of no tag":       `SELECT COUNT(*) FROM chart_version WHERE tag_id NOT IN (SELECT id FROM tag)`,
	"accessories of nothing": `SELECT COUNT(*) FROM artifact WHERE project_id <> (SELECT project_id FROM repository r WHERE r.id = repository_id)`,
}

func TestWhatIsKeptBesideTheTruthIsTrue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		c := &chaos{t: t, db: d, rand: rand.New(rand.NewPCG(1, 2)), repos: []artifact.Repo{one, {ProjectID: one.ProjectID, Name: "p/other"}, two}}
		for i := range 400 {
			c.step()
			if i%20 != 0 {
				continue
			}
			for _, repo := range c.repos {
				if drift, err := NewQuotas(d).Recalculate(t.Context(), repo.ProjectID, true); err != nil || drift.Wrong > 0 || drift.Kept != drift.True {
					t.Fatalf("after %d steps: %+v, %v", i, drift, err)
				}
			}
			for what, q := range lies {
				var n int
				if err := d.QueryRow(t.Context(), q).Scan(&n); err != nil || n > 0 {
					t.Fatalf("after %d steps: %d of %s: %v", i, n, what, err)
				}
			}
		}
	})
}

// TestPartsOfTagsAreFoundAmongAnyNumber gives artifacts as many tags as stand beside
// them, and one more, and looks for parts of these in all orders.
func TestPartsOfTagsAreFoundAmongAnyNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo, artifacts := createRepo(t, d, "p"), NewArtifacts(d)
		c := &chaos{t: t, db: d}
		tag := func(n int, tags ...string) {
			t.Helper()
			p := c.manifest(n)
			p.Repo, p.AllowMissing, p.Tags = repo, true, tags
			if err := artifacts.Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
				t.Fatal(err)
			}
			var lie int
			if err := d.QueryRow(t.Context(), lies["tag_names"]).Scan(&lie); err != nil || lie > 0 {
				t.Fatalf("%d artifacts have other names than their tags: %v", lie, err)
			}
		}
		for n := range 4 {
			tag(n, fmt.Sprint("First-", n), fmt.Sprint("First-", n))
			for i := range mostNames - 1 + n%2 { // every other has one too many
				tag(n, fmt.Sprint("more-", n, "-", i))
			}
		}
		q := query.Filter{Field: "tags", Op: query.Fuzzy, Value: "irst"}
		of := artifactFilter{project: repo.ProjectID}
		if err := artifacts.filterTags(t.Context(), &of, q); err != nil || !of.among || len(of.ids) != 4 {
			t.Fatalf("%+v: %v", of, err)
		}
		set, err := withTag(q, condition{"TRUE", nil})
		if err != nil {
			t.Fatal(err)
		}
		for field := range artifactListing.columns {
			where, err := artifactFilter{project: repo.ProjectID, sets: []artifactSet{set}}.inOrderOf(field)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := artifactListing.count(t.Context(), d, where); err != nil || n != 4 {
				t.Errorf("by %s: %d, want 4: %v", field, n, err)
			}
		}
		for part, want := range map[string]int64{"1/more": 0, "/": 0, "": 4} {
			set, err := withTag(query.Filter{Field: "tags", Op: query.Fuzzy, Value: part}, condition{"TRUE", nil})
			if err != nil {
				t.Fatal(err)
			}
			tag(4) // which has no tag
			where, err := artifactFilter{project: repo.ProjectID, all: true, sets: []artifactSet{set}}.inOrderOf("push_time")
			if err != nil {
				t.Fatal(err)
			}
			if n, err := artifactListing.count(t.Context(), d, where); err != nil || n != want {
				t.Errorf("a part %q: %d, want %d: %v", part, n, want, err)
			}
		}
		tag(0, "more-1-0") // of those that have one too many, one has so no more
		if err := artifacts.DeleteTag(t.Context(), repo, "", "more-3-0", by); err != nil {
			t.Fatal(err)
		}
		tag(2, "First-2")
	})
}

func TestADeletionTakesAlongWhatNothingElseHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		c := &chaos{t: t, db: d}
		for _, n := range []int{0, 1, 2, 4, 5, 6, 8, 9} { // 4 holds 0 and 1, 5 holds 1 and 2; 6 is of 0, 8 of 2, 9 of 3
			p := c.manifest(n)
			p.Repo, p.AllowMissing = repo, true
			if n == 0 {
				p.Tags = []string{"kept"}
			}
			if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
				t.Fatal(err)
			}
		}
		drain(t, d)
		remains := func(want ...int) {
			t.Helper()
			for n := range manifests {
				_, _, err := NewArtifacts(d).Find(t.Context(), repo.Name, oci.Reference{Digest: c.manifest(n).Digest}, false)
				is := false
				for _, w := range want {
					is = is || w == n
				}
				if is != (err == nil) {
					t.Errorf("%d: %v", n, err)
				}
			}
		}
		artifacts := NewArtifacts(d)
		if err := artifacts.Delete(t.Context(), repo, c.manifest(1).Digest, by); !errors.Is(err, artifact.ErrReferenced) {
			t.Errorf("a child: %v", err)
		}
		if err := artifacts.Delete(t.Context(), repo, c.manifest(4).Digest, by); err != nil {
			t.Fatal(err)
		}
		remains(0, 1, 2, 5, 6, 8, 9)
		if err := artifacts.Delete(t.Context(), repo, c.manifest(5).Digest, by); err != nil {
			t.Fatal(err)
		}
		remains(0, 6, 9) // 8 went with 2
		if events := drain(t, d); len(events) != 5 {
			t.Errorf("%d events: %+v", len(events), events)
		}
	})
}
