package sqlstore

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// pushLayer pushes a manifest of ten bytes with one layer of a size.
func pushLayer(t *testing.T, d *db.DB, repo artifact.Repo, n int, layer string, size int64) error {
	t.Helper()
	content := oci.Sum(oci.SHA256, []byte(layer))
	if _, err := NewBlobs(d).Finish(t.Context(), registry.Upload{Repo: repo}, registry.Blob{Digest: content, Size: size, Key: layer}); err != nil {
		t.Error(err)
	}
	body := fmt.Appendf(nil, "image %04d", n)
	p := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, body), Body: body, At: accountTime, Limited: true}
	p.Manifest.Blobs = []oci.Blob{{Descriptor: oci.Descriptor{Digest: content, Size: size}}}
	return NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{Where: repo.Where()}))
}

// sound expects a project to use so many bytes, and recalculation to agree.
func sound(t *testing.T, d *db.DB, project, used int64) {
	t.Helper()
	drift, err := NewQuotas(d).Recalculate(t.Context(), project, true)
	if err != nil || drift.Kept != used || drift.True != used || drift.Wrong != 0 {
		t.Errorf("%d bytes are to be used: %+v, %v", used, drift, err)
	}
}

func limit(t *testing.T, d *db.DB, project, hard int64) {
	t.Helper()
	if err := NewQuotas(d).SetHard(t.Context(), project, hard, by); err != nil {
		t.Fatal(err)
	}
}

func TestContentIsChargedOnceAProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		other := artifact.Repo{ProjectID: one.ProjectID, Name: "p/other"}
		for _, repo := range []artifact.Repo{one, one, other, two} {
			if err := pushLayer(t, d, repo, 1, "layer", 100); err != nil {
				t.Fatal(err)
			}
		}
		if err := pushLayer(t, d, other, 2, "layer", 100); err != nil {
			t.Fatal(err)
		}
		sound(t, d, one.ProjectID, 120)
		sound(t, d, two.ProjectID, 110)
		first := oci.Sum(oci.SHA256, []byte("image 0001"))
		for _, c := range []struct {
			repo artifact.Repo
			used int64
		}{{one, 120}, {other, 110}} {
			if err := NewArtifacts(d).Delete(t.Context(), c.repo, first, by); err != nil {
				t.Fatal(err)
			}
			sound(t, d, one.ProjectID, c.used)
		}
		if err := NewArtifacts(d).DeleteRepository(t.Context(), other, by); err != nil {
			t.Fatal(err)
		}
		sound(t, d, one.ProjectID, 0)
		sound(t, d, two.ProjectID, 110)
	})
}

// TestPushesAtTheEdgeOfAQuota lets fifty push at once where ten have room.
func TestPushesAtTheEdgeOfAQuota(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		limit(t, d, repo.ProjectID, 10*110+109)
		var all sync.WaitGroup
		var mu sync.Mutex
		stored := 0
		for i := range 50 {
			in := artifact.Repo{ProjectID: repo.ProjectID, Name: fmt.Sprintf("p/app%d", i%3)}
			all.Go(func() {
				err := pushLayer(t, d, in, i, fmt.Sprint("layer ", i), 100)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					stored++
				case !errors.Is(err, quota.ErrExceeded):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if stored != 10 {
			t.Errorf("%d pushes had room", stored)
		}
		sound(t, d, repo.ProjectID, int64(stored*110))
	})
}

func TestWarningsComeOnce(t *testing.T) {
	d := storetest.SQLite(t)
	repo := createRepo(t, d, "p")
	limit(t, d, repo.ProjectID, 1000)
	drain(t, d)
	var warned []string
	for i := range 9 {
		if err := pushLayer(t, d, repo, i, fmt.Sprint(i), 100); err != nil {
			t.Fatal(err)
		}
		for _, e := range drain(t, d) {
			if f, is := e.Fact.(event.QuotaWarned); is {
				warned = append(warned, fmt.Sprint(i, ": ", f.Used, " of ", f.Hard))
			}
		}
	}
	if fmt.Sprint(warned) != "[7: 880 of 1000]" {
		t.Errorf("%q", warned)
	}
}

func TestAPushBeyondTheQuotaLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		limit(t, d, repo.ProjectID, 109)
		err := pushLayer(t, d, repo, 1, "layer", 100)
		if !errors.Is(err, quota.ErrExceeded) {
			t.Fatal(err)
		}
		sound(t, d, repo.ProjectID, 0)
		if _, _, err := NewArtifacts(d).Find(t.Context(), repo.Name, oci.Reference{Digest: oci.Sum(oci.SHA256, []byte("image 0001"))}, false); !errors.Is(err, artifact.ErrUnknown) {
			t.Errorf("the manifest: %v", err)
		}
		limit(t, d, repo.ProjectID, 110)
		if err := pushLayer(t, d, repo, 1, "layer", 100); err != nil {
			t.Error(err)
		}
		limit(t, d, repo.ProjectID, 1) // below what is used
		if err := pushLayer(t, d, repo, 1, "layer", 100); err != nil {
			t.Errorf("the same again: %v", err)
		}
	})
}

func TestRecalculationCorrectsWhatIsWrong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		if err := pushLayer(t, d, repo, 1, "layer", 100); err != nil {
			t.Fatal(err)
		}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(`UPDATE quota SET used = 7`); err != nil {
				return err
			}
			_, err := tx.Exec(`UPDATE project_blob SET refs = 5 WHERE size = 100`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		drift, err := NewQuotas(d).Recalculate(t.Context(), repo.ProjectID, false)
		if want := (quota.Drift{Project: "p", Kept: 7, True: 110, Wrong: 1}); err != nil || drift != want {
			t.Errorf("%+v, want %+v: %v", drift, want, err)
		}
		sound(t, d, repo.ProjectID, 110)
		if _, err := NewQuotas(d).Recalculate(t.Context(), 999, true); !errors.Is(err, quota.ErrNotFound) {
			t.Errorf("of no project: %v", err)
		}
	})
}

func TestQuotasAreListed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		one, two := createRepo(t, d, "p"), createRepo(t, d, "q")
		limit(t, d, two.ProjectID, 500)
		if err := pushLayer(t, d, one, 1, "layer", 100); err != nil {
			t.Fatal(err)
		}
		for sort, want := range map[string]string{"": "pq", "hard.storage": "pq", "-hard.storage": "qp", "used.storage": "qp", "-used.storage": "pq"} {
			q, err := query.Parse("", sort, 1, 10)
			if err != nil {
				t.Fatal(err)
			}
			found, total, err := NewQuotas(d).List(t.Context(), q)
			got := ""
			for _, f := range found {
				got += f.Project
			}
			if err != nil || total != 2 || got != want {
				t.Errorf("by %q: %q, want %q: %v", sort, got, want, err)
			}
		}
		if err := NewProjects(d).Delete(t.Context(), two.ProjectID, by); err != nil {
			t.Fatal(err)
		}
		if _, err := NewQuotas(d).ByProject(t.Context(), two.ProjectID); !errors.Is(err, quota.ErrNotFound) {
			t.Errorf("of a project that is gone: %v", err)
		}
	})
}

// TestRecalculationsGoOnBesidePushes lets six push and delete while one
// recalculates what another makes wrong.
func TestRecalculationsGoOnBesidePushes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		base := createRepo(t, d, "p")
		artifacts, quotas := NewArtifacts(d), NewQuotas(d)
		var all sync.WaitGroup
		for g := range 6 {
			repo := artifact.Repo{ProjectID: base.ProjectID, Name: fmt.Sprintf("p/app%d", g)}
			all.Go(func() {
				for i := range 15 {
					n := 100*g + i
					if err := pushLayer(t, d, repo, n, fmt.Sprint("shared ", i%4), 100); err != nil {
						t.Error(err)
					}
					if i%2 == 0 {
						continue
					}
					if err := artifacts.Delete(t.Context(), repo, oci.Sum(oci.SHA256, fmt.Appendf(nil, "image %04d", n)), by); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			for i := range 10 {
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(`UPDATE quota SET used = used + ? WHERE project_id = ?`, i+1, base.ProjectID)
					return err
				})
				if err == nil {
					_, err = quotas.Recalculate(t.Context(), base.ProjectID, false)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		all.Wait()
		sound(t, d, base.ProjectID, 6*8*10+2*100) // of each, those of even numbers, with layers 0 and 2
	})
}

func TestRecalculationCorrectsEachWayOfBeingWrong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		for i := range 3 {
			if err := pushLayer(t, d, repo, i, fmt.Sprint("layer ", i), int64(100*(i+1))); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range []string{
			`DELETE FROM project_blob WHERE size = 100`,
			`UPDATE project_blob SET size = 7 WHERE size = 200`,
			`UPDATE project_blob SET refs = 9 WHERE size = 300`,
			`INSERT INTO project_blob (project_id, digest, size, refs) SELECT project_id, 'surplus', 5, 2 FROM quota`,
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(q)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		drift, err := NewQuotas(d).Recalculate(t.Context(), repo.ProjectID, false)
		if err != nil || drift.Wrong != 4 {
			t.Errorf("%+v, %v", drift, err)
		}
		sound(t, d, repo.ProjectID, 630)
	})
}
