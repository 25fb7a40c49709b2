package quota_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A house is a registry with the projects 1 and 2, which quotas hold.
type house struct {
	*registry.Service
	t      *testing.T
	ctx    context.Context
	db     *db.DB
	quotas *quota.Service
	repo   artifact.Repo // of the project 1
	clock  time.Time
}

func open(t *testing.T, d *db.DB) *house {
	t.Helper()
	h := &house{t: t, db: d, repo: artifact.Repo{ProjectID: 1, Name: "one/app"}, clock: time.Now()}
	h.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "alice"})
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{
			`INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`,
			`INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'one', 1, 0, 0), (2, 'two', 1, 0, 0)`,
			`INSERT INTO quota (project_id, hard, created, updated) VALUES (1, -1, 0, 0), (2, 10, 0, 0)`,
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
	bytes, err := disk.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	settings := func(context.Context) (setting.Values, error) { return setting.Values{QuotaEnabled: true}, nil }
	h.quotas = quota.New(sqlstore.NewQuotas(d), settings, slog.New(slog.DiscardHandler))
	h.quotas.SetClock(func() time.Time { return h.clock })
	artifacts := sqlstore.NewArtifacts(d)
	h.Service = registry.New(registry.Config{Gate: h.quotas}, artifacts, sqlstore.NewBlobs(d), bytes, registry.NewPulls(artifacts, nil, slog.New(slog.DiscardHandler)))
	return h
}

// blob returns the content of a name, of a size in bytes.
func blob(name string, size int) (oci.Digest, string) {
	text := (name + strings.Repeat(".", size))[:size]
	return oci.Sum(oci.SHA256, []byte(text)), text
}

// image pushes an artifact that needs a blob of a name and a size, and returns
// what the push came to.
func (h *house) image(repo artifact.Repo, name string, size int) error {
	h.t.Helper()
	d, text := blob(name, size)
	if _, err := h.PushBlob(h.ctx, repo, d, registry.Chunk{Size: int64(size), Body: strings.NewReader(text)}); err != nil {
		return err
	}
	body := fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":"application/x","digest":%q,"size":%d},"layers":[]}`, d, size)
	_, err := h.PushManifest(h.ctx, repo, registry.PushRequest{Ref: oci.Reference{Tag: "1"}, MediaType: oci.MediaTypeImageManifest, Body: body})
	return err
}

// limit leaves the project so much room beyond what it uses.
func (h *house) limit(room int64) {
	h.t.Helper()
	q, err := h.quotas.ByProject(h.ctx, 1)
	if err == nil {
		err = h.quotas.Update(h.ctx, 1, q.Used+room)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the content was read")
	return 0, io.EOF
}

func TestContentThatSurelyDoesNotFitIsRefusedBeforeItIsRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d)
		if err := h.image(h.repo, "there", 500); err != nil {
			t.Fatal(err)
		}
		h.limit(200)
		begin := func() registry.Upload {
			u, err := h.BeginUpload(h.ctx, h.repo, oci.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		large, _ := blob("large", 501)
		chunk := registry.Chunk{From: registry.Any, Size: 501, Body: unread{t}}
		endless := registry.Chunk{From: registry.Any, Size: math.MaxInt64, Body: unread{t}}
		for what, try := range map[string]func() error{
			"at once":      func() error { _, err := h.PushBlob(h.ctx, h.repo, large, chunk); return err },
			"as a chunk":   func() error { _, err := h.Append(h.ctx, h.repo, begin().ID, chunk); return err },
			"as the last":  func() error { _, err := h.Finish(h.ctx, h.repo, begin().ID, large, chunk); return err },
			"without end":  func() error { _, err := h.Append(h.ctx, h.repo, begin().ID, endless); return err },
			"of a digest":  func() error { _, err := h.PushBlob(h.ctx, h.repo, large, endless); return err },
			"chunk by two": func() error { return h.inChunks(begin(), 400, 101) },
		} {
			if err := try(); !errors.Is(err, quota.ErrExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		}

		there, text := blob("there", 500)
		if err := h.inChunks(begin(), 200); err != nil {
			t.Errorf("what fits: %v", err)
		}
		u := begin()
		if _, err := h.Append(h.ctx, h.repo, u.ID, registry.Chunk{From: registry.Any, Size: 500, Body: strings.NewReader(text)}); err != nil {
			t.Errorf("what the project may have: %v", err)
		}
		if _, err := h.Finish(h.ctx, h.repo, u.ID, there, registry.Chunk{From: registry.Any, Body: strings.NewReader("")}); err != nil {
			t.Errorf("what the project has: %v", err)
		}
		u = begin()
		other, text := blob("other", 500)
		if _, err := h.Append(h.ctx, h.repo, u.ID, registry.Chunk{From: registry.Any, Size: registry.Any, Body: strings.NewReader(text)}); err != nil {
			t.Errorf("of unknown length: %v", err)
		}
		if _, err := h.Finish(h.ctx, h.repo, u.ID, other, registry.Chunk{From: registry.Any, Body: strings.NewReader("")}); !errors.Is(err, quota.ErrExceeded) {
			t.Errorf("of unknown length, at its end: %v", err)
		}
	})
}

// inChunks adds chunks of some sizes to an upload; the last one, where there are
// several, is not to be read.
func (h *house) inChunks(u registry.Upload, sizes ...int64) error {
	for i, size := range sizes {
		c := registry.Chunk{From: registry.Any, Size: size, Body: strings.NewReader(strings.Repeat("x", int(size)))}
		if i > 0 {
			c.Body = unread{h.t}
		}
		if _, err := h.Append(h.ctx, h.repo, u.ID, c); err != nil {
			return err
		}
	}
	return nil
}

// told returns what events say of quotas: "exceeded one".
func (h *house) told() (told []string) {
	h.t.Helper()
	events, err := sqlstore.NewEvents(h.db).Pending(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range events {
		switch f := e.Fact.(type) {
		case event.QuotaExceeded:
			told = append(told, "exceeded "+f.Project)
		case event.QuotaWarned:
			told = append(told, "warned "+f.Project)
		}
	}
	slices.Sort(told)
	return told
}

func TestThatAQuotaIsExceededIsAnnouncedOnceAMinuteAndProject(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d)
		if err := h.image(h.repo, "first", 500); err != nil {
			t.Fatal(err)
		}
		h.limit(300)
		two := artifact.Repo{ProjectID: 2, Name: "two/app"}
		for _, step := range []struct {
			after   time.Duration
			repo    artifact.Repo
			size    int
			refused bool
			told    string
		}{
			{0, h.repo, 301, true, "exceeded one"},
			{0, h.repo, 299, true, "exceeded one"}, // with its manifest it is too much
			{59 * time.Second, h.repo, 400, true, "exceeded one"},
			{0, two, 11, true, "exceeded one, exceeded two"},
			{time.Second, h.repo, 400, true, "exceeded one, exceeded one, exceeded two"},
			{time.Second, h.repo, 100, false, "exceeded one, exceeded one, exceeded two, warned one"},
			{time.Hour, h.repo, 1, true, "exceeded one, exceeded one, exceeded one, exceeded two, warned one"},
		} {
			h.clock = h.clock.Add(step.after)
			err := h.image(step.repo, fmt.Sprint("more of ", step.size), step.size)
			if errors.Is(err, quota.ErrExceeded) != step.refused || err != nil && !step.refused {
				t.Errorf("%d bytes: %v", step.size, err)
			}
			if got := strings.Join(h.told(), ", "); got != step.told {
				t.Errorf("%d bytes, after %s: %s; want %s", step.size, step.after, got, step.told)
			}
		}
	})
}
