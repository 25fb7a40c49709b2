package sqlstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func anEntry(project int64, name string) sign.Entry {
	return sign.Entry{
		ProjectID: project, Name: name, Description: "d", Kind: sign.Keyless, Content: "content", Timestamps: "timestamps",
		Identities: []sign.Identity{{Issuer: "i", Subject: "s"}, {Subject: `"*"`}}, Created: accountTime, Updated: accountTime,
	}
}

func TestEachChangeOfTrustIsANewRevision(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		trust, ctx := NewTrust(d), t.Context()
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		last := int64(-1)
		revised := func(what string, want ...sign.Entry) {
			t.Helper()
			got, err := trust.Trust(ctx, one.ProjectID)
			if err != nil || got.Revision <= last || cmp.Diff(got.Entries, want) != "" {
				t.Errorf("%s: %+v after the revision %d, %v", what, got, last, err)
			}
			last = got.Revision
			if revision, _, err := trust.Signatures(ctx, one, "sha256:x", 1); err != nil || revision != last {
				t.Errorf("%s: the revision %d, %v", what, revision, err)
			}
		}
		revised("nothing")
		e := anEntry(one.ProjectID, "ci")
		id, err := trust.Create(ctx, e, by)
		if err != nil {
			t.Fatal(err)
		}
		e.ID = id
		revised("created", e)
		if got, err := trust.ByID(ctx, one.ProjectID, id); err != nil || cmp.Diff(got, e) != "" {
			t.Errorf("%+v, %v", got, err)
		}
		e.Name, e.Content, e.Timestamps, e.Identities = "release", "other", "", nil
		if err := trust.Update(ctx, e, by); err != nil {
			t.Fatal(err)
		}
		revised("updated", e)
		for what, err := range map[string]error{
			"read in another project":    func() error { _, err := trust.ByID(ctx, two.ProjectID, id); return err }(),
			"updated in another project": trust.Update(ctx, sign.Entry{ID: id, ProjectID: two.ProjectID, Name: "x", Kind: sign.Keyless}, by),
			"deleted in another project": trust.Delete(ctx, two.ProjectID, id, by),
			"updated to another kind":    trust.Update(ctx, sign.Entry{ID: id, ProjectID: one.ProjectID, Name: "x", Kind: sign.Key}, by),
		} {
			if !errors.Is(err, sign.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got, err := trust.Trust(ctx, one.ProjectID); err != nil || got.Revision != last {
			t.Errorf("what was refused made the revision %d of %d: %v", got.Revision, last, err)
		}
		if err := trust.Delete(ctx, one.ProjectID, id, by); err != nil {
			t.Fatal(err)
		}
		revised("deleted")
		if _, err := trust.Trust(ctx, 999); !errors.Is(err, project.ErrNotFound) {
			t.Errorf("a project that is not there: %v", err)
		}
		if _, _, err := trust.Signatures(ctx, artifact.Repo{ProjectID: 999, Name: "p/app"}, "sha256:x", 1); !errors.Is(err, project.ErrNotFound) {
			t.Errorf("signatures of a project that is not there: %v", err)
		}
	})
}

// TestAProjectTrustsOnlySoMuch lets twenty make entries at once, more than there
// may be together.
func TestAProjectTrustsOnlySoMuch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		trust, repo := NewTrust(d), createRepo(t, d, "p")
		for i := range sign.MaxEntries - 5 {
			if _, err := trust.Create(t.Context(), anEntry(repo.ProjectID, fmt.Sprint(i)), by); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := trust.Create(t.Context(), anEntry(repo.ProjectID, "1"), by); !errors.Is(err, sign.ErrExists) {
			t.Errorf("the same name again: %v", err)
		}
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if _, err := trust.Create(t.Context(), anEntry(repo.ProjectID, fmt.Sprint("more ", i)), by); err != nil && !errors.Is(err, sign.ErrTooMany) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		found, total, err := trust.List(t.Context(), repo.ProjectID, query.Query{Page: 1, Size: 5, Sorts: []query.Sort{{Field: "name"}}})
		if err != nil || total != sign.MaxEntries || len(found) != 5 || found[0].Name != "0" {
			t.Errorf("%d of %d, %v", len(found), total, err)
		}
	})
}

func TestSignaturesAreFoundInTheOrderOfTheirArrival(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo, other := createRepo(t, d, "p"), createRepo(t, d, "q")
		image := oci.Sum(oci.SHA256, []byte("image"))
		push(t, d, repo, "image", "v1")
		keep := func(in artifact.Repo, body, kind string) {
			t.Helper()
			push(t, d, in, body)
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(`UPDATE artifact SET accessory_of = ?, accessory_type = ? WHERE digest = ?`, image, kind, oci.Sum(oci.SHA256, []byte(body)))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		for _, body := range []string{"c", "a", "b"} {
			keep(repo, body, artifact.SignatureCosign)
		}
		keep(repo, "sbom", artifact.AccessorySBOM)
		keep(repo, "d", artifact.SignatureNotation)
		keep(other, "elsewhere", artifact.SignatureCosign)
		stored := func(body, kind string) sign.Stored {
			return sign.Stored{Digest: oci.Sum(oci.SHA256, []byte(body)), Type: kind}
		}
		want := []sign.Stored{stored("c", artifact.SignatureCosign), stored("a", artifact.SignatureCosign), stored("b", artifact.SignatureCosign), stored("d", artifact.SignatureNotation)}
		for n, want := range map[int][]sign.Stored{10: want, 2: want[:2]} {
			if _, found, err := NewTrust(d).Signatures(t.Context(), repo, image, n); err != nil || cmp.Diff(found, want) != "" {
				t.Errorf("%+v, %v", found, err)
			}
		}
		if _, found, err := NewTrust(d).Signatures(t.Context(), artifact.Repo{ProjectID: other.ProjectID, Name: repo.Name}, image, 10); err != nil || len(found) > 0 {
			t.Errorf("of a repository in another project: %+v, %v", found, err)
		}
		lines := indexPlan(t, d, signaturesOf, []any{repo.Name, image, artifact.SignatureCosign, artifact.SignatureNotation, repo.ProjectID, 10}, false)
		if !strings.Contains(lines, "artifact_accessory") {
			t.Errorf("the plan:\n%s", lines)
		}
	})
}
