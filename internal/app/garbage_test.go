package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestOnlyWhoMayPushKeepsGarbage asks for a blob that is about to be collected, as
// somebody who may only pull, and as somebody who may push.
func TestOnlyWhoMayPushKeepsGarbage(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
		status, text, err := send(t.Context(), s, http.MethodPost, "/v2/library/app/blobs/uploads/?digest="+digest, "application/octet-stream", "hello")
		if err != nil || status != http.StatusCreated {
			t.Fatal(status, text, err)
		}
		status, text, err = send(t.Context(), s, http.MethodPost, "/api/v2.0/users", "application/json",
			`{"username":"reader","email":"reader@example.com","realname":"r","password":"Only-reads-1"}`)
		if err != nil || status != http.StatusCreated {
			t.Fatal(status, text, err)
		}
		d, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		near := time.Now().Add(gc.Delay / 4)
		err = d.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE gc_review SET review_after = ?`, near.UnixMicro())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			method, user, password string
			written                bool
		}{
			{http.MethodHead, "reader", "Only-reads-1", false},
			{http.MethodGet, "reader", "Only-reads-1", false},
			{http.MethodGet, apptest.Admin, s.Password, false},
			{http.MethodHead, apptest.Admin, s.Password, true},
		} {
			if got := s.Do(c.method, "/v2/library/app/blobs/"+digest, c.user, c.password, nil).StatusCode; got != http.StatusOK {
				t.Errorf("%s by %s: %d", c.method, c.user, got)
			}
			var after int64
			if err := d.QueryRow(t.Context(), `SELECT review_after FROM gc_review`).Scan(&after); err != nil {
				t.Fatal(err)
			}
			if written := after != near.UnixMicro(); written != c.written {
				t.Errorf("%s by %s: it was written: %t", c.method, c.user, written)
			}
		}
	})
}

// TestGarbageIsCollectedWhileTheServerRuns lets a server find at its start what
// another one left.
func TestGarbageIsCollectedWhileTheServerRuns(t *testing.T) {
	first := apptest.Start(t)
	data := first.Config.Data
	status, text, err := pushSized(t.Context(), first, "library/app", 1)
	if err != nil || status != http.StatusCreated {
		t.Fatal(status, text, err)
	}
	if status, text, err = send(t.Context(), first, http.MethodDelete, "/api/v2.0/projects/library/repositories/app", "", ""); err != nil || status != http.StatusOK {
		t.Fatal(status, text, err)
	}
	first.Stop()
	url := "sqlite://" + data + "/berth.db"
	hoursPass(t, url)
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	apptest.Start(t, func(c *app.Config) { c.Data = data })
	var trash, live int
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := d.QueryRow(t.Context(), `SELECT COALESCE(SUM(CASE WHEN state = 'trash' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'live' THEN 1 ELSE 0 END), 0) FROM blob`).Scan(&trash, &live); err != nil {
			t.Fatal(err)
		}
		if trash == 2 && live == 0 {
			return
		}
	}
	t.Errorf("%d blobs in the trash, %d live", trash, live)
}
