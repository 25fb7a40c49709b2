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
		p.Facts.Type, p.Facts.AccessoryType, p.Manifest.ArtifactType = "IMAGE", "signature.cosign", "any"
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
			"labels=(1 2)": {0}, "labels=(1)": {2, 0}, "labels=(7)": nil, "digest=" + string(c.manifest(4).Digest): {4}, "digest=~" + string(c.manifest(4).Digest)[:12]: {4}, "digest=~sha256": {2, 4, 0}, "digest=~sha": {2, 4, 0}, "digest=~sha512": nil,
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
		for _, q := range []string{"tags={a b}", "tags=[1~2]", "labels={1 2}", "labels=(x)", "labels=1"} {
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

// TestPartsOfDigests finds what a search through all digests would.
func TestPartsOfDigests(t *testing.T) {
	digests := []string{"sha256:0a", "sha256:0ab", "sha256:a2", "sha512:0a", "sha512:256"}
	for _, part := range []string{"sha256:0a", "SHA256:0A", "sha256:0", "sha256:", "sha256", "256:0", "56:", ":0a", ":", "sha", "s", "sha512", "512:2", "a256", "0a", "256", "a", "x", "sha256:x", "sha384:0", "0:0", "::", "sha256:0:"} {
		f, all := fromTheBegin(query.Filter{Field: "digest", Op: query.Fuzzy, Value: part})
		for _, d := range digests {
			found := all || strings.Contains(d, lowerASCII(part))
			if !all && f.Op == query.Range {
				found = f.Min.(string) <= d && d <= f.Max.(string)
			}
			if want := strings.Contains(d, lowerASCII(part)); found != want {
				t.Errorf("%q in %s: %t, want %t", part, d, found, want)
			}
		}
	}
	for part, want := range map[string]query.Op{"0a": query.Fuzzy, "sha256:0a": query.Range, "ha256": query.Range} {
		if f, all := fromTheBegin(query.Filter{Op: query.Fuzzy, Value: part}); f.Op != want || all {
			t.Errorf("%s: %+v", part, f)
		}
	}
	if _, all := fromTheBegin(query.Filter{Op: query.Fuzzy, Value: "sha"}); !all {
		t.Error("not all digests have sha")
	}
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
		c := shelf(t, d, repo)
		shelf(t, d, artifact.Repo{ProjectID: repo.ProjectID, Name: "p/other"})
		err := NewArtifacts(d).DeleteTag(t.Context(), artifact.Repo{ProjectID: repo.ProjectID, Name: "p/other"}, "", "uno", by)
		if err != nil {
			t.Fatal(err)
		}
		latest := func(q, sort string) (string, error) {
			parsed, err := query.Parse(q, sort, 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			found, total, err := NewArtifacts(d).Artifacts(t.Context(), artifact.Where{ProjectID: repo.ProjectID, Latest: true}, parsed, artifact.Parts{})
			got := fmt.Sprint(total)
			for _, a := range found {
				for n := range manifests {
					if a.Digest == c.manifest(n).Digest {
						got += fmt.Sprintf(" %s:%d", a.Repository, n)
					}
				}
			}
			return got, err
		}
		for _, x := range []struct{ q, sort, want string }{
			{"media_type=" + oci.MediaTypeImageIndex, "", "2 p/app:4 p/other:4"},
			{"artifact_type=any", "", "2 p/app:2 p/other:2"},
			{"artifact_type=any", "type,push_time", "2 p/app:2 p/other:2"},
			{"artifact_type=any,tags=uno", "", "1 p/app:0"},
			{"artifact_type=any,tags=~o", "-push_time", "2 p/app:0 p/other:0"},
			{"artifact_type=any,tags=*", "push_time", "2 p/app:4 p/other:4"},
			{"artifact_type=none", "", "0"},
		} {
			if got, err := latest(x.q, x.sort); got != x.want || err != nil {
				t.Errorf("%q by %q: %s, want %s: %v", x.q, x.sort, got, x.want, err)
			}
		}
		for _, q := range []string{"", "type=IMAGE", "media_type=a,artifact_type=b"} {
			if _, err := latest(q, ""); !errors.Is(err, artifact.ErrQuery) {
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

// TestPagesOfWhatIsSearchedMakeTheWholeList looks for parts of tags and of digests
// among artifacts of which many were pushed at once. Wherever a page begins, its
// total is that of the whole list, also behind the end.
func TestPagesOfWhatIsSearchedMakeTheWholeList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo, artifacts := createRepo(t, d, "p"), NewArtifacts(d)
		for i := range 47 {
			p := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, fmt.Append(nil, i)), Body: []byte("{}"), At: accountTime.Add(time.Duration(i/8) * time.Second)}
			p.Facts.Type = []string{"IMAGE", "CHART"}[i%2]
			if i%3 > 0 {
				p.Tags = []string{fmt.Sprint("tag-", i)}
			}
			if i%6 == 1 {
				for n := range mostNames {
					p.Tags = append(p.Tags, fmt.Sprint("also-", n, "-", i))
				}
			}
			if err := artifacts.Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range []string{"tags=~tag", "tags=~-1", "tags=~also", "tags=~none", "digest=~1", "digest=~ab", "digest=~abcdef", "digest=~1,tags=~tag", "tags=~tag,type=CHART", "tags=~tag,size=[0~]", "tags=~tag,base=*", "tags=~a,tags=~1", "tags=*,tags=~1", "tags=nil,digest=~7"} {
			for _, sort := range []string{"", "push_time", "digest", "-digest", "type", "-size", "push_time,digest"} {
				for _, w := range []artifact.Where{{ProjectID: repo.ProjectID}, {ProjectID: repo.ProjectID, Repository: repo.Name}} {
					read := func(page, size int) (digests []oci.Digest, total int64) {
						parsed, err := query.Parse(q, sort, page, size)
						if err != nil {
							t.Fatal(err)
						}
						found, total, err := artifacts.Artifacts(t.Context(), w, parsed, artifact.Parts{})
						if err != nil {
							t.Fatalf("%s by %q: %v", q, sort, err)
						}
						for _, a := range found {
							digests = append(digests, a.Digest)
						}
						return digests, total
					}
					whole, all := read(1, 100)
					if all != int64(len(whole)) || q == "tags=~tag" && all != 31 {
						t.Fatalf("%s by %q: %d of %d", q, sort, len(whole), all)
					}
					for _, size := range []int{1, 5} {
						var got []oci.Digest
						for page := 1; page <= int(all)/size+2; page++ {
							some, total := read(page, size)
							if got = append(got, some...); total != all {
								t.Errorf("%s by %q, page %d of %d: %d in all, want %d", q, sort, page, size, total, all)
							}
						}
						if !slices.Equal(got, whole) {
							t.Errorf("%s by %q in pages of %d: %v, want %v", q, sort, size, got, whole)
						}
					}
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

// TestListsShowSomeOfManyParts of an artifact, which by itself shows all of them.
func TestListsShowSomeOfManyParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		few, many := (&chaos{t: t, db: d}).manifest(0), artifact.Push{Digest: oci.Sum(oci.SHA256, []byte("many")), Body: []byte(`{"schemaVersion":2,"manifests":[]}`)}
		many.Manifest.Index, many.Manifest.MediaType = true, oci.MediaTypeImageIndex
		for i := range othersInList + 1 {
			many.Manifest.Children = append(many.Manifest.Children, oci.Descriptor{Digest: layerOf(i)})
		}
		few.Tags, many.Tags = []string{"one", "uno"}, []string{"many"}
		for i, p := range []artifact.Push{few, many} {
			p.Repo, p.AllowMissing, p.At = repo, true, accountTime.Add(time.Duration(i)*time.Second)
			if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
				t.Fatal(err)
			}
		}
		const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) `
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO tag (project_id, repository_id, name, artifact_id, pushed) `+fmt.Sprintf(numbers, tagsInList)+`
				SELECT a.project_id, a.repository_id, 'many' || CAST(i AS TEXT), a.id, 0 FROM n, artifact a WHERE a.digest = ?`, many.Digest)
			if err == nil {
				_, err = tx.Exec(`INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, accessory_of, accessory_type, listed, pushed, body) `+fmt.Sprintf(numbers, othersInList+1)+`
					SELECT a.project_id, a.repository_id, 'sha256:' || CAST(i AS TEXT), '', 1, 1, a.digest, 'signature.cosign', FALSE, 0, a.body FROM n, artifact a WHERE a.digest = ?`, many.Digest)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		show := artifact.Parts{Tags: true, Accessories: true, Inherited: true}
		parts := func(a artifact.Detail) [3]int { return [3]int{len(a.Tags), len(a.References), len(a.Accessories)} }
		found, _, err := NewArtifacts(d).Artifacts(t.Context(), artifact.Where{ProjectID: repo.ProjectID}, query.Query{Page: 1, Size: 10}, show)
		if err != nil || len(found) != 2 {
			t.Fatalf("%+v, %v", found, err)
		}
		for i, want := range [][3]int{{tagsInList, othersInList, othersInList}, {2, 0, 0}} {
			if got := parts(found[i]); got != want {
				t.Errorf("in the list: %v, want %v", got, want)
			}
		}
		a, err := NewArtifacts(d).Artifact(t.Context(), repo, oci.Reference{Digest: many.Digest}, show)
		if got, want := parts(a), [3]int{tagsInList + 1, othersInList + 1, othersInList + 1}; err != nil || got != want {
			t.Errorf("by itself: %v, want %v: %v", got, want, err)
		}
	})
}

// TestAnAnswerHasAnEnd whether its rows are many or large.
func TestAnAnswerHasAnEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) `
		text := strings.Repeat("x", 50_000)
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO repository (project_id, name, listed, description, created, updated) `+numbers+`SELECT ?, 'p/r' || CAST(i AS TEXT), TRUE, ?, i, i FROM n`, repo.ProjectID, text)
			if err == nil {
				_, err = tx.Exec(`INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, annotations, pushed, body) `+numbers+`
					SELECT r.project_id, r.id, 'sha256:' || CAST(i AS TEXT), '', 1, 1, ?, i, CAST('' AS `+bytesOf(d)+`) FROM n, repository r WHERE r.name = 'p/r1'`, `{"k":"`+text+`"}`)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for size, want := range map[int]error{100: nil, 0: query.ErrTooMuch} {
			q := query.Query{Page: 1, Size: size}
			if _, _, err := NewArtifacts(d).Repositories(t.Context(), artifact.Scope{ProjectID: repo.ProjectID}, q); !errors.Is(err, want) {
				t.Errorf("repositories by %d: %v", size, err)
			}
			if _, _, err := NewArtifacts(d).Artifacts(t.Context(), artifact.Where{ProjectID: repo.ProjectID}, q, artifact.Parts{}); !errors.Is(err, want) {
				t.Errorf("artifacts by %d: %v", size, err)
			}
		}
	})
}
