package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// image pushes an image of one layer and returns its descriptor. subject may be
// nil.
func (h *house) image(text string, subject *oci.Descriptor, tags ...string) oci.Descriptor {
	h.t.Helper()
	blobs := make([]oci.Descriptor, 0, 2)
	for _, data := range []string{`{"author":"` + text + `"}`, "layer of " + text} {
		d := sum([]byte(data))
		if _, err := h.PushBlob(h.ctx, h.repo, d, registry.Chunk{Body: strings.NewReader(data), Size: int64(len(data))}); err != nil {
			h.t.Fatal(err)
		}
		blobs = append(blobs, oci.Descriptor{MediaType: "application/vnd.oci.image.config.v1+json", Digest: d, Size: int64(len(data))})
	}
	return h.manifest(oci.MediaTypeImageManifest, map[string]any{"config": blobs[0], "layers": blobs[1:], "subject": subject}, tags...)
}

func (h *house) manifest(mediaType string, fields map[string]any, tags ...string) oci.Descriptor {
	h.t.Helper()
	fields["schemaVersion"], fields["mediaType"] = 2, mediaType
	body, err := json.Marshal(fields)
	if err != nil {
		h.t.Fatal(err)
	}
	d := oci.Descriptor{MediaType: mediaType, Digest: sum(body), Size: int64(len(body))}
	if _, err := h.PushManifest(h.ctx, h.repo, registry.PushRequest{Ref: oci.Reference{Digest: d.Digest}, Tags: tags, MediaType: mediaType, Body: body}); err != nil {
		h.t.Fatal(err)
	}
	return d
}

// has expects a repository to have artifacts, and tags.
func (h *house) has(repo artifact.Repo, tags []string, artifacts ...oci.Descriptor) {
	h.t.Helper()
	for _, a := range artifacts {
		if _, err := h.StatManifest(h.ctx, repo, oci.Reference{Digest: a.Digest}, registry.Puller{}); err != nil {
			h.t.Errorf("%s in %s: %v", a.Digest, repo.Name, err)
		}
	}
	if got, err := h.Tags(h.ctx, repo, "", 1000); err != nil || !slices.Equal(got, tags) {
		h.t.Errorf("tags of %s are %q, %v; want %q", repo.Name, got, err, tags)
	}
}

func (h *house) beside(name string) artifact.Repo {
	return artifact.Repo{ProjectID: h.repo.ProjectID, Name: "library/" + name}
}

func TestACopyHasAllThatBelongsToTheArtifact(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		one, two := h.image("one", nil, "one"), h.image("two", nil)
		index := h.manifest(oci.MediaTypeImageIndex, map[string]any{"manifests": []oci.Descriptor{one, two, two, {MediaType: one.MediaType, Digest: sum([]byte("elsewhere")), Size: 1}}}, "1.0", "latest")
		signed, attested := h.image("signature of two", &two), h.image("signature of the index", &index)
		twice := h.image("signature of a signature", &attested)
		other := h.image("other", nil, "other")
		for _, name := range []string{"a", "z"} { // before and behind the source, where locks are concerned
			for range 2 {
				got, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "latest"}, h.beside(name))
				if err != nil || got != index.Digest {
					t.Fatalf("%s, %v", got, err)
				}
			}
			h.has(h.beside(name), []string{"1.0", "latest"}, index, one, two, signed, attested, twice)
			if _, err := h.StatManifest(h.ctx, h.beside(name), oci.Reference{Digest: other.Digest}, registry.Puller{}); !errors.Is(err, artifact.ErrUnknown) {
				t.Errorf("what does not belong to it was copied: %v", err)
			}
			if _, r, err := h.OpenBlob(h.ctx, h.beside(name), sum([]byte("layer of two"))); err != nil {
				t.Error(err)
			} else {
				r.Close()
			}
		}
		if _, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "latest"}, h.repo); err != nil {
			t.Errorf("onto itself: %v", err)
		}
		for want, ref := range map[error]oci.Reference{
			registry.ErrCopyAccessory: {Digest: attested.Digest},
			artifact.ErrUnknown:       {Tag: "none"},
		} {
			if _, err := h.Copy(h.ctx, h.repo, ref, h.beside("b")); !errors.Is(err, want) {
				t.Errorf("%v: %v, want %v", ref, err, want)
			}
		}
		if _, err := h.Copy(h.ctx, h.beside("none"), oci.Reference{Tag: "1.0"}, h.beside("b")); !errors.Is(err, artifact.ErrRepositoryUnknown) {
			t.Error(err)
		}
	})
}

func TestTagsMoveAndLabelsGoAlongWithACopy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		tags := make([]string, 0, 250)
		for i := range 250 { // more than one push may set
			tags = append(tags, fmt.Sprintf("t%03d", i))
		}
		first := h.image("first", nil)
		for part := range slices.Chunk(tags, 100) {
			h.image("first", nil, part...)
		}
		if _, err := h.Copy(h.ctx, h.repo, oci.Reference{Digest: first.Digest}, h.beside("b")); err != nil {
			t.Fatal(err)
		}
		h.has(h.beside("b"), tags, first)
		second := h.image("second", nil, "t000")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, q := range []string{
				`INSERT INTO label (scope, project_id, name, created, updated) VALUES ('g', 0, 'global', 0, 0), ('p', 1, 'own', 0, 0), ('p', 99, 'foreign', 0, 0)`,
				`INSERT INTO artifact_label (artifact_id, label_id, created) SELECT a.id, l.id, 0 FROM artifact a, label l WHERE a.digest = '` + string(second.Digest) + `'`,
			} {
				if _, err := tx.Exec(q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "t000"}, h.beside("b")); err != nil {
			t.Fatal(err)
		}
		if m, err := h.StatManifest(h.ctx, h.beside("b"), oci.Reference{Tag: "t000"}, registry.Puller{}); err != nil || m.Digest != second.Digest {
			t.Errorf("t000 is %s, %v", m.Digest, err)
		}
		var worn int
		err = d.QueryRow(t.Context(), `SELECT COUNT(*) FROM artifact_label w JOIN artifact a ON a.id = w.artifact_id
			JOIN repository r ON r.id = a.repository_id WHERE r.name = 'library/b'`).Scan(&worn)
		if err != nil || worn != 2 {
			t.Errorf("the copy wears %d labels, %v", worn, err)
		}
		if _, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "t000"}, h.beside("b")); err != nil { // which has them now
			t.Fatal(err)
		}
		if got := labelsAdded(t, d); !slices.Equal(got, []string{"global on library/b", "own on library/b"}) {
			t.Errorf("labels were added: %q", got)
		}
	})
}

// labelsAdded returns which labels the events say were put on artifacts.
func labelsAdded(t *testing.T, d *db.DB) (added []string) {
	t.Helper()
	events, err := sqlstore.NewEvents(d).Pending(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if fact, ok := e.Fact.(event.LabelAdded); ok {
			added = append(added, fact.Name+" on "+fact.Repository)
		}
	}
	slices.Sort(added)
	return added
}

func TestCopiesAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		one := h.image("one", nil, "1")
		for i := range 1000 {
			h.manifest(oci.MediaTypeImageIndex, map[string]any{"manifests": []any{}, "subject": one, "annotations": map[string]string{"n": fmt.Sprint(i)}})
		}
		if _, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "1"}, h.beside("b")); !errors.Is(err, registry.ErrCopyTooLarge) {
			t.Error(err)
		}
		if _, err := h.Tags(h.ctx, h.beside("b"), "", 1); !errors.Is(err, artifact.ErrRepositoryUnknown) {
			t.Errorf("something was copied: %v", err)
		}
	})
}

// Each copy gets one of the answers that it may get, and what tags point at in
// the end is whole.
func TestCopiesWhileTheSourceIsDeletedAndTagsMove(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		h.ctx = access.With(context.WithoutCancel(t.Context()), access.Caller{Kind: access.User, ID: 1, Name: "alice"})
		back := h.beside("z")
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				for n := range 15 {
					text := fmt.Sprint((i + n) % 3)
					switch i % 3 {
					case 0:
						a := h.image(text, nil, "moves", "t"+text)
						h.image("signature of "+text, &a)
					case 1:
						err := h.DeleteManifest(h.ctx, h.repo, oci.Reference{Digest: h.digestOf("t" + text)})
						h.fits("delete", err)
					default:
						_, err := h.Copy(h.ctx, h.repo, oci.Reference{Tag: "moves"}, back)
						h.fits("copy", err)
						_, err = h.Copy(h.ctx, back, oci.Reference{Tag: "t" + text}, h.repo)
						h.fits("copy back", err)
					}
				}
			})
		}
		all.Wait()
		var broken int
		err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM artifact_blob b LEFT JOIN repository_blob r
			ON r.repository_id = b.repository_id AND r.digest = b.digest WHERE r.digest IS NULL`).Scan(&broken)
		if err != nil || broken != 0 {
			t.Errorf("%d blobs are missing, %v", broken, err)
		}
	})
}

// digestOf returns what a tag points at, or a digest that nothing has.
func (h *house) digestOf(tag string) oci.Digest {
	m, err := h.StatManifest(h.ctx, h.repo, oci.Reference{Tag: tag}, registry.Puller{})
	if err != nil {
		return sum([]byte(tag))
	}
	return m.Digest
}

// fits expects no other failure than one that says that something is not there.
func (h *house) fits(what string, err error) {
	var f *fault.Fault
	if err != nil && !(errors.As(err, &f) && f.Kind == fault.NotFound) {
		h.t.Errorf("%s: %v", what, err)
	}
}
