package sqlstore

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestAnIndexThatCannotBeReadIsShownWithoutChildrenAndLoggedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		index := shelf(t, d, repo).manifest(4).Digest
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE artifact SET body = ? WHERE digest = ?`, []byte("{"), index)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		artifacts := NewArtifacts(d)
		artifacts.LogTo(slog.New(slog.NewTextHandler(&log, nil)))
		where := artifact.Where{ProjectID: repo.ProjectID, Repository: repo.Name}
		for range 3 {
			found, total, err := artifacts.Artifacts(t.Context(), where, query.Query{Page: 1, Size: 10}, artifact.Parts{Tags: true})
			if err != nil || total != 3 || len(found) != 3 {
				t.Fatalf("%d of %d artifacts, %v", len(found), total, err)
			}
			one, err := artifacts.Artifact(t.Context(), repo, oci.Reference{Tag: "all"}, artifact.Parts{})
			if err != nil || one.Digest != index || one.References != nil {
				t.Errorf("%+v, %v", one, err)
			}
		}
		if n := strings.Count(log.String(), string(index)); n != 1 {
			t.Errorf("it is logged %d times:\n%s", n, &log)
		}
	})
}
