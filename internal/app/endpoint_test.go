package app_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestAnotherBerthIsARegistry names a server, over TLS with a certificate of its
// own, to another one, and stops it.
func TestAnotherBerthIsARegistry(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		certificate, key := apptest.Certificate(t, t.TempDir(), "other", time.Now().Add(time.Hour))
		other := apptest.Start(t, func(c *app.Config) {
			c.TLS.Certificate, c.TLS.Key = certificate, key
			c.Log = slog.New(slog.NewTextHandler(io.Discard, nil)) // of handshakes that are meant to fail
		})
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		authority, err := os.ReadFile(certificate)
		if err != nil {
			t.Fatal(err)
		}
		body := func(roots string) string {
			text, err := json.Marshal(map[string]any{
				"name": "other", "type": "harbor", "url": other.URL, "ca_certificate": roots,
				"credential": map[string]any{"type": "basic", "access_key": apptest.Admin, "access_secret": other.Password},
			})
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		asked(t, s, 400, "POST", "/registries", body(""))
		_, path := asked(t, s, 201, "POST", "/registries", body(string(authority)))
		configure(t, s, `{"read_only":true}`)
		asked(t, s, 200, "POST", "/registries/ping", `{"id":1}`)
		asked(t, s, 403, "PUT", path, `{}`)
		configure(t, s, `{"read_only":false}`)
		asked(t, s, 200, "PUT", path, `{"insecure":true,"ca_certificate":""}`)

		if text, _ := asked(t, s, 400, "PUT", path, `{"access_secret":"wrong"}`); !strings.Contains(text, "the registry is unhealthy: ") {
			t.Errorf("with a wrong password: %s", text)
		}

		// It is looked at by itself.
		other.Stop()
		s.Stop()
		overdue(t, url)
		s = apptest.Start(t, func(c *app.Config) { *c = s.Config })
		eventually(t, "that it is unhealthy", func() bool {
			text, _ := asked(t, s, 200, "GET", path, "")
			return strings.Contains(text, `"status":"unhealthy","status_message":"`)
		})
		asked(t, s, 200, "GET", path+"/info", "")
	})
}

// TestLabelsOfAnotherBerth are offered, and none once it is gone.
func TestLabelsOfAnotherBerth(t *testing.T) {
	other, s := apptest.Start(t), apptest.Start(t)
	asked(t, other, 201, "POST", "/labels", `{"name":"gold","scope":"g"}`)
	asked(t, other, 201, "POST", "/labels", `{"name":"local","scope":"p","project_id":1}`)
	_, path := asked(t, s, 201, "POST", "/registries", `{"name":"other","type":"harbor","url":"`+other.URL+`"}`)
	if text, _ := asked(t, s, 200, "GET", path+"/info", ""); !strings.Contains(text, `{"type":"label","style":"list","values":["gold"]}`) {
		t.Errorf("info %s", text)
	}
	other.Stop()
	if text, _ := asked(t, s, 200, "GET", path+"/info", ""); !strings.Contains(text, `{"type":"label","style":"list","values":[]}`) {
		t.Errorf("info %s", text)
	}
}

// overdue has what a stopped server knows of other registries be from long ago.
func overdue(t *testing.T, url string) {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE endpoint SET checked = 0`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
