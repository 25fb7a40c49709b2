package chart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A world has a project in which charts come and go.
type world struct {
	testing.TB
	db      *db.DB
	project chart.Project
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	w := &world{t, d, chart.Project{Name: "p"}}
	var owner int64
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`INSERT INTO account (name, created, updated) VALUES ('owner', 0, 0) RETURNING id`).Scan(&owner)
	})
	if err == nil {
		w.project.ID, err = sqlstore.NewProjects(d).Create(t.Context(), project.Project{Name: w.project.Name, OwnerID: owner, Limit: -1, Created: time.Now()}, event.Actor{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// service returns one that remembers nothing.
func (w *world) service() *chart.Service {
	return chart.New(sqlstore.NewCharts(w.db), sqlstore.NewArtifacts(w.db), nil)
}

func (w *world) repo(name string) artifact.Repo {
	return artifact.Repo{ProjectID: w.project.ID, Name: w.project.Name + "/" + name}
}

// push points the tag of a version at a chart with a description.
func (w *world) push(ctx context.Context, name, version, description string) error {
	configuration := fmt.Appendf(nil, `{"name":%q,"version":%q,"description":%q,"apiVersion":"v2","appVersion":"1.0","type":"application","home":"https://example.org",`+
		`"sources":["https://example.org/source"],"keywords":["a","b"],"maintainers":[{"name":"ann","email":"ann@example.org"}],"icon":"https://example.org/icon.svg"}`, name, version, description)
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":1},"layers":[{"mediaType":%q,"digest":%q,"size":1}]}`,
		oci.MediaTypeImageManifest, helm.ConfigType, oci.Sum(oci.SHA256, configuration), helm.ContentType, oci.Sum(oci.SHA256, append(configuration, "packed"...)))
	m, err := oci.ParseManifest("", body)
	if err != nil {
		return err
	}
	d, repo := oci.Sum(oci.SHA256, body), w.repo(name)
	return sqlstore.NewArtifacts(w.db).Record(ctx, artifact.Push{
		Repo: repo, Digest: d, Body: body, Manifest: m, Tags: []string{helm.Tag(version)}, Facts: artifact.Describe(m, d, nil, configuration), At: time.Now(), AllowMissing: true,
	}, event.New(event.Actor{}, event.ArtifactPushed{Where: repo.Where()}))
}

// step makes a random change.
func (w *world) step(ctx context.Context, r *rand.Rand) error {
	name, version := fmt.Sprint("app", r.IntN(3)), fmt.Sprintf("1.%d.0", r.IntN(5))
	var err error
	switch r.IntN(5) {
	case 0:
		err = sqlstore.NewArtifacts(w.db).DeleteTag(ctx, w.repo(name), "", version, event.Actor{})
	case 1:
		if r.IntN(4) == 0 {
			err = sqlstore.NewArtifacts(w.db).DeleteRepository(ctx, w.repo(name), event.Actor{})
		}
	default:
		return w.push(ctx, name, version, fmt.Sprint(r.IntN(1000)))
	}
	var f *fault.Fault
	if errors.As(err, &f) {
		return nil // there was nothing to delete
	}
	return err
}

func unknown(string) bool { return false }

// index returns what a service says now, and its validator.
func (w *world) index(ctx context.Context, s *chart.Service) (text, validator string, err error) {
	x, err := s.Index(ctx, w.project, unknown)
	if err != nil {
		return "", "", err
	}
	var out bytes.Buffer
	_, err = x.WriteTo(&out)
	return out.String(), x.Validator(), err
}

func TestAnIndexThatIsBroughtUpToDateIsTheOneThatIsMadeAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w, r := newWorld(t, d), rand.New(rand.NewPCG(1, 2))
		kept := w.service()
		for i := range 300 {
			if err := w.step(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if r.IntN(3) == 0 {
				continue // so that several changes come at once
			}
			got, name, err := w.index(t.Context(), kept)
			if err != nil {
				t.Fatal(err)
			}
			want, wantName, err := w.index(t.Context(), w.service())
			if err != nil {
				t.Fatal(err)
			}
			if got != want || name != wantName || !json.Valid([]byte(got)) {
				t.Fatalf("after %d changes the index %s is\n%s\nand %s anew\n%s", i, name, got, wantName, want)
			}
		}
	})
}

func TestIndexesOfOneNameAreTheSame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		services := []*chart.Service{w.service(), w.service()} // as on two nodes
		var mu sync.Mutex
		seen := map[string]string{}
		var writers, readers sync.WaitGroup
		done := make(chan struct{})
		for n := range 6 {
			writers.Go(func() {
				r := rand.New(rand.NewPCG(uint64(n), 7))
				for range 40 {
					if err := w.step(t.Context(), r); err != nil {
						t.Error(err)
						return
					}
				}
			})
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					text, name, err := w.index(t.Context(), services[n%2])
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if before, ok := seen[name]; ok && before != text {
						t.Errorf("two indexes are called %s:\n%s\n%s", name, before, text)
					}
					seen[name] = text
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		close(done)
		readers.Wait()
		want, _, err := w.index(t.Context(), w.service())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range services {
			if got, _, err := w.index(t.Context(), s); err != nil || got != want {
				t.Errorf("in the end the index is\n%s\nand anew\n%s, %v", got, want, err)
			}
		}
		if len(seen) < 10 {
			t.Errorf("only %d indexes were seen", len(seen))
		}
	})
}
