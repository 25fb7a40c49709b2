package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// hoursPass lets everything that may be garbage have waited for its time.
func hoursPass(t *testing.T, url string) {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE gc_review SET review_after = 0`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCollectingGarbageOverTheAPI has an administrator do it as clients do: look
// what would go, have it go, and read what went.
func TestCollectingGarbageOverTheAPI(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		gone, kept := push(t, s, "library/app", "gone"), push(t, s, "library/app", "kept")
		asked(t, s, 200, "DELETE", "/projects/library/repositories/app/artifacts/"+gone, "")
		hoursPass(t, url)
		collect := func(dry bool) (parameters, log string) {
			t.Helper()
			_, path := asked(t, s, 201, "POST", "/system/gc/schedule", fmt.Sprintf(`{"schedule":{"type":"Manual"},"parameters":{"dry_run":%t,"workers":2}}`, dry))
			var history struct {
				Status     string `json:"job_status"`
				Parameters string `json:"job_parameters"`
			}
			eventually(t, "the end of the collection", func() bool {
				text, _ := asked(t, s, 200, "GET", path, "")
				return json.Unmarshal([]byte(text), &history) == nil && history.Status == "Success"
			})
			log, _ = asked(t, s, 200, "GET", path+"/log", "")
			return history.Parameters, log
		}
		size := len("layer of gone")
		for _, dry := range []bool{true, false} {
			parameters, log := collect(dry)
			var did struct {
				Freed int `json:"freed_space"`
				Blobs int `json:"purged_blobs"`
			}
			if err := json.Unmarshal([]byte(parameters), &did); err != nil || did.Freed != size || did.Blobs != 1 {
				t.Errorf("dry run %t: %s, want %d bytes of a blob; its log:\n%s", dry, parameters, size, log)
			}
			if !strings.Contains(log, "1 blobs put into the trash") {
				t.Errorf("log:\n%s", log)
			}
		}
		if resp := s.Do(http.MethodGet, "/v2/library/app/manifests/"+kept, apptest.Admin, s.Password, nil); resp.StatusCode != http.StatusOK {
			t.Errorf("what is kept: %s", resp.Status)
		}
		if text, _ := asked(t, s, 200, "GET", "/system/gc?page_size=1", ""); strings.Count(text, `"job_name":"GARBAGE_COLLECTION"`) != 1 {
			t.Errorf("history %s", text)
		}
	})
}
