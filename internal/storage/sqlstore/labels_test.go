package sqlstore

import (
	"context"
	"fmt"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// Whoever comes too late is told that the one or the other is not there.
func TestLabelsAreAddedWhileTheArtifactOrTheLabelIsDeleted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		labels, artifacts, repo := NewLabels(d), NewArtifacts(d), createRepo(t, d, "p")
		for n := range 10 {
			body := fmt.Sprint("artifact ", n)
			push(t, d, repo, body)
			on := label.Artifact{Where: repo.Where(), Digest: oci.Sum(oci.SHA256, []byte(body))}
			id, err := labels.Create(t.Context(), label.Label{Name: body, Scope: label.Global, Created: accountTime}, by)
			if err != nil {
				t.Fatal(err)
			}
			race(t, func(ctx context.Context, i int) error {
				switch {
				case i%3 == 0 && n%2 == 0:
					return artifacts.Delete(ctx, repo, on.Digest, by)
				case i%3 == 0:
					return labels.Delete(ctx, id, by)
				case i%3 == 1:
					return labels.Detach(ctx, on, id, by)
				}
				return labels.Attach(ctx, on, id, by)
			}, artifact.ErrUnknown, label.ErrArtifactUnknown, label.ErrNotFound, label.ErrAttached)
		}
		if left := rowsOf(t, d, "artifact_label"); left != 0 {
			t.Errorf("%d labels are left on what is gone", left)
		}
	})
}
