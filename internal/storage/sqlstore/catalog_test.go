package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// shelf fills a repository: the images 0 and 1, of which 0 is tagged; the index 4
// of both, tagged; 8, which is an accessory of 2, and 6, one of 0; and 2, without
// a tag. Each is pushed a second after the one before.
func shelf(t *testing.T, d *db.DB, repo artifact.Repo) *chaos {
	t.Helper()
	c := &chaos{t: t, db: d}
	for i, n := range []int{0, 1, 4, 2, 8, 6} {
		p := c.manifest(n)
		p.Repo, p.AllowMissing, p.At = repo, true, accountTime.Add(time.Duration(i)*time.Second)
		p.Facts.Type, p.Facts.AccessoryType = "IMAGE", "signature.cosign"
		p.Tags = map[int][]string{0: {"one", "uno"}, 4: {"all"}}[n]
		if p.Manifest.Index {
			p.Body = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"m","digest":%q,"size":1,"annotations":{"k":"v"}},{"mediaType":"m","digest":%q,"size":1}]}`,
				oci.MediaTypeImageIndex, p.Manifest.Children[0].Digest, p.Manifest.Children[1].Digest)
			p.Manifest.MediaType = oci.MediaTypeImageIndex
			p.Manifest.Children[0].Platform = &oci.Platform{Architecture: "arm64", OS: "linux"}
		}
		if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestArtifactsAreListedAndFiltered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		c := shelf(t, d, repo)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO label (id, scope, name, created, updated) VALUES (1, 'g', 'a', 0, 0), (2, 'g', 'b', 0, 0)`)
			if err == nil {
				_, err = tx.Exec(`INSERT INTO artifact_label (artifact_id, label_id, created) SELECT a.id, l.id, 0 FROM artifact a, label l WHERE a.digest = ? OR a.digest = ? AND l.id = 1`,
					c.manifest(0).Digest, c.manifest(2).Digest)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for q, want := range map[string][]int{
			"": {2, 4, 0}, "base=*": {2, 4, 1, 0}, "tags=*": {4, 0}, "tags=nil": {2}, "tags=uno": {0}, "tags=~AL": {4}, "type=IMAGE": {2, 4, 0}, "type=CHART": nil,
			"labels=(1 2)": {0}, "labels=(1)": {2, 0}, "labels=1": {2, 0}, "labels=(7)": nil, "digest=" + string(c.manifest(4).Digest): {4},
			"media_type=" + oci.MediaTypeImageIndex: {4}, "nothing=1": {2, 4, 0}, "tags=*,type=IMAGE": {4, 0},
		} {
			for _, w := range []artifact.Where{{ProjectID: repo.ProjectID, Repository: repo.Name}, {ProjectID: repo.ProjectID}} {
				parsed, err := query.Parse(q, "", 1, 10)
				if err != nil {
					t.Fatal(err)
				}
				found, total, err := NewArtifacts(d).Artifacts(t.Context(), w, parsed, artifact.Parts{})
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				var got, wanted []oci.Digest
				for _, f := range found {
					got = append(got, f.Digest)
				}
				for _, n := range want {
					wanted = append(wanted, c.manifest(n).Digest)
				}
				if !slices.Equal(got, wanted) || total != int64(len(want)) {
					t.Errorf("%q of %+v: %d %v, want %v", q, w, total, got, want)
				}
			}
		}
		for _, q := range []string{"tags={a b}", "tags=[1~2]", "labels={1 2}", "labels=(x)"} {
			parsed, err := query.Parse(q, "", 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := NewArtifacts(d).Artifacts(t.Context(), artifact.Where{ProjectID: repo.ProjectID}, parsed, artifact.Parts{}); !errors.Is(err, artifact.ErrQuery) {
				t.Errorf("%s: %v", q, err)
			}
		}
	})
}

func TestAnArtifactHasItsParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		c := shelf(t, d, repo)
		get := func(n int) artifact.Detail {
			t.Helper()
			a, err := NewArtifacts(d).Artifact(t.Context(), repo, oci.Reference{Digest: c.manifest(n).Digest}, artifact.Parts{Tags: true, Accessories: true, Inherited: true})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		index := get(4)
		want := []artifact.Reference{
			{ParentID: index.ID, ChildID: get(0).ID, Digest: c.manifest(0).Digest, Platform: &oci.Platform{Architecture: "arm64", OS: "linux"}, Annotations: map[string]string{"k": "v"}},
			{ParentID: index.ID, ChildID: get(1).ID, Digest: c.manifest(1).Digest},
		}
		if diff := cmp.Diff(want, index.References); diff != "" {
			t.Error(diff)
		}
		image := get(0)
		var names []string
		for _, tag := range image.Tags {
			names = append(names, tag.Name)
		}
		if diff := cmp.Diff([]string{"uno", "one"}, names); diff != "" {
			t.Error(diff)
		}
		if len(image.Accessories) != 1 || image.Accessories[0].Digest != c.manifest(6).Digest || image.Accessories[0].SubjectID != image.ID || image.Accessories[0].Type != "signature.cosign" {
			t.Errorf("%+v", image.Accessories)
		}
		if len(image.Inherited) != 0 {
			t.Errorf("inherited: %+v", image.Inherited)
		}
		found, total, err := NewArtifacts(d).AccessoriesOf(t.Context(), image, query.Query{Page: 1, Size: 10})
		if err != nil || total != 1 || len(found) != 1 {
			t.Errorf("%d %+v, %v", total, found, err)
		}
		elsewhere := artifact.Repo{ProjectID: repo.ProjectID + 1, Name: repo.Name}
		if _, err := NewArtifacts(d).Artifact(t.Context(), elsewhere, oci.Reference{Tag: "one"}, artifact.Parts{}); !errors.Is(err, artifact.ErrUnknown) {
			t.Errorf("as another project's: %v", err)
		}
	})
}

func TestTheNewestOfEachRepository(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		shelf(t, d, repo)
		shelf(t, d, artifact.Repo{ProjectID: repo.ProjectID, Name: "p/other"})
		latest := func(q string) (int64, error) {
			parsed, err := query.Parse(q, "", 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			_, total, err := NewArtifacts(d).Artifacts(t.Context(), artifact.Where{ProjectID: repo.ProjectID, Latest: true}, parsed, artifact.Parts{})
			return total, err
		}
		if n, err := latest("media_type=" + oci.MediaTypeImageIndex); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		for _, q := range []string{"", "type=IMAGE", "media_type=a,artifact_type=b"} {
			if _, err := latest(q); !errors.Is(err, artifact.ErrQuery) {
				t.Errorf("%q: %v", q, err)
			}
		}
	})
}

// TestPagesMakeTheWholeList reads lists page by page, also those that are read
// from their ends.
func TestPagesMakeTheWholeList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		for i := range 23 {
			p := artifact.Push{Repo: artifact.Repo{ProjectID: repo.ProjectID, Name: fmt.Sprintf("p/r%02d", i)}, Digest: oci.Sum(oci.SHA256, fmt.Append(nil, i)),
				Body: []byte("{}"), At: accountTime.Add(time.Duration(i/4) * time.Second)} // four at a time
			if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
				t.Fatal(err)
			}
		}
		read := func(sort string, size int) (names []string) {
			for n := 1; ; n++ {
				q, err := query.Parse("", sort, n, size)
				if err != nil {
					t.Fatal(err)
				}
				found, total, err := NewArtifacts(d).Repositories(t.Context(), artifact.Scope{ProjectID: repo.ProjectID}, q)
				if err != nil || total != 23 {
					t.Fatalf("page %d of %d: %d, %v", n, size, total, err)
				}
				if len(found) == 0 {
					return names
				}
				for _, r := range found {
					names = append(names, r.Name)
				}
			}
		}
		for _, sort := range []string{"", "creation_time", "-name", "name", "pull_count", "-pull_count,name"} {
			whole := read(sort, 100)
			for _, size := range []int{1, 2, 5, 7, 22, 23} {
				if got := read(sort, size); !slices.Equal(got, whole) {
					t.Errorf("by %q in pages of %d:\n%s\nwant\n%s", sort, size, strings.Join(got, " "), strings.Join(whole, " "))
				}
			}
		}
	})
}

func TestRepositoriesAreSeenByThoseWhoMay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		for _, name := range []string{"p", "q", "r"} {
			push(t, d, createRepo(t, d, name), "one")
		}
		var owner int64
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(`UPDATE project SET public = TRUE WHERE name = 'q'`); err != nil {
				return err
			}
			return tx.QueryRow(`SELECT owner_id FROM project WHERE name = 'p'`).Scan(&owner)
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			scope artifact.Scope
			want  string
		}{
			{artifact.Scope{}, "q/app"}, {artifact.Scope{All: true}, "p/app q/app r/app"}, {artifact.Scope{UserID: owner}, "p/app q/app"}, {artifact.Scope{Names: []string{"r"}}, "q/app r/app"},
		} {
			found, _, err := NewArtifacts(d).Repositories(t.Context(), c.scope, query.Query{Page: 1, Size: 10, Sorts: []query.Sort{{Field: "name"}}})
			var got []string
			for _, r := range found {
				got = append(got, r.Name)
			}
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("%+v: %q, want %q: %v", c.scope, got, c.want, err)
			}
		}
	})
}

// TestListsReadNoMoreThanTheirPages holds the plans of the lists that grow: each
// is read in its order from an index.
func TestListsReadNoMoreThanTheirPages(t *testing.T) {
	d := storetest.SQLite(t)
	for name, c := range map[string]struct {
		l    listing
		base condition
		by   string
	}{
		"artifacts of a project":    {artifactListing, condition{"a.project_id = ? AND a.listed = TRUE", []any{1}}, "INDEX artifact_project (project_id=? AND listed=?)"},
		"artifacts of a repository": {artifactListing, condition{"a.repository_id = ? AND a.listed = TRUE", []any{1}}, "INDEX artifact_repository (repository_id=? AND listed=?)"},
		"repositories of a project": {repositoryListing, condition{"r.project_id = ? AND r.listed = TRUE", []any{1}}, "INDEX repository_project_listed (project_id=? AND listed=?)"},
		"all repositories":          {repositoryListing, condition{"r.listed = TRUE", nil}, "INDEX repository_listed (listed=?)"},
		"the audit log":             {auditListing, auditVisible(audit.Visible{All: true}), "INDEX audit_log_at"},
		"a project's audit log":     {auditListing, auditVisible(audit.Visible{ProjectID: 1}), "INDEX audit_log_project (project_id=?)"},
	} {
		for _, back := range []bool{false, true} {
			got := plan(t, d, "SELECT "+c.l.fields+" FROM "+c.l.from+" WHERE "+c.base.sql+" ORDER BY "+c.l.orderBy(nil, back)+" LIMIT ? OFFSET ?", append(c.base.args, 10, 0))
			if !strings.Contains(got, c.by) || strings.Contains(got, "TEMP B-TREE") {
				t.Errorf("%s, from the end %v:\n%s", name, back, got)
			}
		}
	}
	for name, c := range map[string]struct{ q, by string }{
		"tags of artifacts": {`SELECT t.name FROM tag t WHERE t.artifact_id IN (?, ?)`, "INDEX tag_artifact (artifact_id=?)"},
		"accessories":       {`SELECT a.id FROM artifact a WHERE a.repository_id = ? AND a.accessory_of = ? AND a.accessory_of <> ''`, "INDEX artifact_accessory (repository_id=? AND accessory_of=?)"},
		"labels":            {`SELECT label_id FROM artifact_label WHERE artifact_id IN (?, ?)`, "PRIMARY KEY (artifact_id=?)"},
		"an icon":           {`SELECT id FROM artifact WHERE icon = ? AND icon <> ''`, "INDEX artifact_icon (icon=?)"},
	} {
		if got := plan(t, d, c.q, make([]any, strings.Count(c.q, "?"))); !strings.Contains(got, c.by) {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func TestWhatIsTooMuchToShowIsNotShown(t *testing.T) {
	d := storetest.SQLite(t)
	repo := createRepo(t, d, "p")
	for name, size := range map[string]int{"some": 1000, "many": 70_000} {
		p := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, []byte(name)), Body: []byte(name), Tags: []string{name}, At: accountTime}
		p.Manifest.Annotations = map[string]string{"k": strings.Repeat("x", size)}
		if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
			t.Fatal(err)
		}
		a, err := NewArtifacts(d).Artifact(t.Context(), repo, oci.Reference{Tag: name}, artifact.Parts{})
		if shown := len(a.Annotations) > 0; err != nil || shown != (name == "some") {
			t.Errorf("%s: %d annotations, %v", name, len(a.Annotations), err)
		}
	}
}
