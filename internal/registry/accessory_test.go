package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// cosign is the tag under which cosign attaches something to an artifact.
func cosign(to oci.Descriptor, suffix string) string {
	return strings.Replace(string(to.Digest), ":", "-", 1) + suffix
}

// lists expects the list of the repository to show exactly these artifacts.
func (h *house) lists(t *testing.T, d *db.DB, want ...oci.Descriptor) {
	t.Helper()
	where := artifact.Where{ProjectID: h.repo.ProjectID, Repository: h.repo.Name}
	found, total, err := sqlstore.NewArtifacts(d).Artifacts(t.Context(), where, query.Query{Page: 1, Size: 100}, artifact.Parts{})
	if err != nil || len(found) != len(want) || total != int64(len(want)) {
		t.Fatalf("%d of %d artifacts are listed, %v; want %d", len(found), total, err, len(want))
	}
	for _, w := range want {
		if !slices.ContainsFunc(found, func(a artifact.Detail) bool { return a.Digest == w.Digest }) {
			t.Errorf("%s is not listed", w.Digest)
		}
	}
}

func TestWhatIsAttachedByATagAloneHidesNothingThatHasAName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		app, other := h.image("app", nil, "1"), h.image("other", nil, "2")
		h.lists(t, d, app, other)
		h.image("other", nil, cosign(app, ".att")) // which is named 2 already
		h.lists(t, d, app, other)

		signature := h.image("attested", nil, cosign(app, ".att"))
		h.lists(t, d, app, other)
		h.image("attested", nil, "mine")
		h.lists(t, d, app, other, signature)
		h.image("attested", nil, cosign(app, ".sbom"))
		h.lists(t, d, app, other, signature)

		inventory := h.image("inventory", nil, cosign(app, ".sbom"))
		h.lists(t, d, app, other, signature)
		if err := h.CreateTag(h.ctx, h.repo, oci.Reference{Digest: inventory.Digest}, cosign(other, ".sbom")); err != nil {
			t.Fatal(err)
		}
		h.lists(t, d, app, other, signature)
		if err := h.CreateTag(h.ctx, h.repo, oci.Reference{Digest: inventory.Digest}, "inventory"); err != nil {
			t.Fatal(err)
		}
		h.lists(t, d, app, other, signature, inventory)
		if err := h.DeleteArtifact(h.ctx, h.repo, oci.Reference{Tag: "1"}); err != nil {
			t.Fatal(err)
		}
		h.lists(t, d, other, signature, inventory)
	})
}

func TestNothingIsAttachedToItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		app := h.image("app", nil)
		_, body, err := sqlstore.NewArtifacts(d).Find(t.Context(), h.repo.Name, oci.Reference{Digest: app.Digest}, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{".sig", ".att"} {
			push := registry.PushRequest{Ref: oci.Reference{Tag: cosign(app, suffix)}, MediaType: app.MediaType, Body: body}
			if _, err := h.PushManifest(h.ctx, h.repo, push); err != nil {
				t.Fatal(err)
			}
			h.lists(t, d, app)
		}
		kin, err := sqlstore.NewArtifacts(d).Kin(t.Context(), h.repo.Name, app.Digest, 10)
		if err != nil || kin.AccessoryOf != "" || len(kin.Accessories) != 0 {
			t.Errorf("%+v, %v", kin, err)
		}
		if err := h.DeleteArtifact(h.ctx, h.repo, oci.Reference{Digest: app.Digest}); err != nil {
			t.Error(err)
		}
	})
}
