package robot_test

import (
	"errors"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// eachHouse is open on each database.
func eachHouse(t *testing.T, f func(h *house)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		h := &house{t: t, db: d, hasher: secret.NewHasher(2), epoch: new(access.Epoch), ctx: t.Context()}
		h.Service = robot.New(sqlstore.NewRobots(d), h.hasher, nil, h.epoch)
		h.exec(`INSERT INTO account (name, created, updated) VALUES ('root', 1, 1)`)
		h.exec(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 1, 1, 1), ('other', 1, 1, 1)`)
		f(h)
	})
}

// left returns how many robots and events there are.
func (h *house) left() (robots, events int) {
	h.t.Helper()
	err := errors.Join(h.db.QueryRow(h.ctx, `SELECT COUNT(*) FROM robot`).Scan(&robots), h.db.QueryRow(h.ctx, `SELECT COUNT(*) FROM event`).Scan(&events))
	if err != nil {
		h.t.Fatal(err)
	}
	return robots, events
}

// TestRobotsOfScansAreNobodysToSee, nor to change, nor in what happened, and do what they
// are for.
func TestRobotsOfScansAreNobodysToSee(t *testing.T) {
	eachHouse(t, func(h *house) {
		r, password, err := h.ForScan(h.ctx, "library", "library/app")
		if err != nil {
			t.Fatal(err)
		}
		if life := time.Until(r.Expires); life > time.Hour || life < 35*time.Minute {
			t.Errorf("it lives for %s", life)
		}
		got, err := h.Authenticate(h.ctx, r.Login(), password)
		if err != nil || !got.Caller().Scans(&access.Project{ID: r.ProjectID, Name: "library"}, "library/app") {
			t.Errorf("%+v, %v", got, err)
		}
		if held, err := h.Holder(h.ctx, r.ID); err != nil || held.ID != r.ID {
			t.Errorf("%+v, %v", held, err)
		}
		_, err = h.ByID(h.ctx, r.ID)
		_, refreshed := h.Refresh(h.ctx, r.ID, secret.Text{})
		for i, err := range []error{err, refreshed, h.Delete(h.ctx, r.ID), h.Update(h.ctx, r.ID, robot.Change{Level: robot.LevelScan})} {
			if !errors.Is(err, robot.ErrNotFound) {
				t.Errorf("%d: %v", i, err)
			}
		}
		for _, q := range []query.Query{{}, query.Query{}.Where(query.Filter{Field: "level", Value: robot.LevelProject}).Where(query.Filter{Field: "project_id", Value: "1"})} {
			if all, total, err := h.List(h.ctx, q); err != nil || total != 0 || len(all) != 0 {
				t.Errorf("%v, %d, %v", all, total, err)
			}
		}
		for range 2 { // once more does no harm
			if err := h.EndScan(h.ctx, r.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.again().Authenticate(h.ctx, r.Login(), password); !errors.Is(err, robot.ErrWrong) {
			t.Errorf("with what is over: %v", err)
		}
		if robots, events := h.left(); robots != 0 || events != 0 {
			t.Errorf("%d robots and %d events are left", robots, events)
		}
		if _, _, err := h.ForScan(h.ctx, "absent", "absent/app"); !errors.Is(err, robot.ErrProjectUnknown) {
			t.Error(err)
		}
	})
}

// TestRobotsThatACrashLeavesGo once they have expired, and others stay.
func TestRobotsThatACrashLeavesGo(t *testing.T) {
	eachHouse(t, func(h *house) {
		for _, project := range []string{"library", "other", "library"} {
			if _, _, err := h.ForScan(h.ctx, project, project+"/app"); err != nil {
				t.Fatal(err)
			}
		}
		usual := robot.NewRobot{Name: "ci", Level: robot.LevelProject, Duration: 1, Permissions: []access.Permission{{Kind: access.KindProject, Namespace: "library", Access: []access.Action{pull}}}}
		r, _, err := h.Create(access.With(h.ctx, access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true}), usual)
		if err != nil {
			t.Fatal(err)
		}
		h.exec(`UPDATE robot SET expires = 1 WHERE id = (SELECT MIN(id) FROM robot WHERE project_id = 1) OR project_id = 2 OR id = ?`, r.ID)
		h.exec(`UPDATE project SET deleted = TRUE WHERE id = 2`)
		if err := h.ExpireScans(h.ctx); err != nil {
			t.Fatal(err)
		}
		if robots, _ := h.left(); robots != 2 {
			t.Errorf("%d robots are left, want the one that lives and the one that is no scan's", robots)
		}
	})
}
