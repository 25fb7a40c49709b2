package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// send makes a request as the administrator, whatever goroutine asks, and
// returns the status and the body of the answer.
func send(ctx context.Context, s *apptest.Server, method, path, mediaType, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.SetBasicAuth(apptest.Admin, s.Password)
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// layerSize is how many bytes a layer of pushSized has; its configuration is the
// same for all.
const layerSize = 4096

// pushSized pushes an image of a number with a layer of its own, and returns the
// status of the first request that was refused, or that of the manifest.
func pushSized(ctx context.Context, s *apptest.Server, repository string, n int) (int, string, error) {
	layer := fmt.Sprintf("%0*d", layerSize, n)
	var parts [2]string
	for i, content := range []string{"{}", layer} {
		d := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content)))
		parts[i] = fmt.Sprintf(`"digest":%q,"size":%d`, d, len(content))
		status, text, err := send(ctx, s, http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+d, "application/octet-stream", content)
		if err != nil || status != http.StatusCreated {
			return status, text, err
		}
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",%s}]}`, parts[0], parts[1])
	return send(ctx, s, http.MethodPut, fmt.Sprintf("/v2/%s/manifests/%d", repository, n), "application/vnd.oci.image.manifest.v1+json", manifest)
}

// used returns what the library uses and may use.
func used(ctx context.Context, s *apptest.Server) (used, hard int64, err error) {
	status, text, err := send(ctx, s, http.MethodGet, "/api/v2.0/quotas/1", "", "")
	if err != nil || status != http.StatusOK {
		return 0, 0, fmt.Errorf("%d %s: %w", status, text, err)
	}
	var q struct{ Used, Hard struct{ Storage int64 } }
	err = json.Unmarshal([]byte(text), &q)
	return q.Used.Storage, q.Hard.Storage, err
}

// TestFiftyClientsAtTheEdgeOfAQuota lets fifty clients push at once, and push
// again where they were refused, where twenty have room.
func TestFiftyClientsAtTheEdgeOfAQuota(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		ctx := t.Context()
		if status, text, err := pushSized(ctx, s, "library/app0", 1000); err != nil || status != http.StatusCreated {
			t.Fatal(status, text, err)
		}
		first, _, err := used(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		const room = 20
		each := first - 2 // of the configuration, which is counted once
		hard := first + room*each + each/2
		status, text, err := send(ctx, s, http.MethodPut, "/api/v2.0/quotas/1", "application/json", fmt.Sprintf(`{"hard":{"storage":%d}}`, hard))
		if err != nil || status != http.StatusOK {
			t.Fatal(status, text, err)
		}
		var stored atomic.Int64
		pushes, watch := sync.WaitGroup{}, make(chan struct{})
		for n := range 50 {
			pushes.Go(func() {
				for range 2 {
					status, text, err := pushSized(ctx, s, fmt.Sprintf("library/app%d", n%3), 1001+n)
					switch {
					case err != nil:
						t.Error(err)
					case status == http.StatusCreated:
						stored.Add(1)
						return
					case status != http.StatusForbidden || !strings.Contains(text, "DENIED") || !strings.Contains(text, "quota is exceeded"):
						t.Errorf("client %d: %d %s", n, status, text)
					}
				}
			})
		}
		go func() { pushes.Wait(); close(watch) }()
		for done := false; !done; {
			select {
			case <-watch:
				done = true
			default:
			}
			if now, most, err := used(ctx, s); err != nil || most != hard || now > hard {
				t.Errorf("%d bytes of %d are used: %v", now, most, err)
			}
		}
		if n := stored.Load(); n != room {
			t.Errorf("%d pushes had room, %d have", n, room)
		}
		usedInTruth(t, url, first+room*each)
	})
}

// usedInTruth expects the library to use so many bytes, both as it is kept and
// as its artifacts are.
func usedInTruth(t *testing.T, url string, want int64) {
	t.Helper()
	d, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	drift, err := sqlstore.NewQuotas(d).Recalculate(t.Context(), 1, true)
	if err != nil || drift.Kept != want || drift.True != want || drift.Wrong != 0 {
		t.Errorf("%d bytes are to be used: %+v, %v", want, drift, err)
	}
}
