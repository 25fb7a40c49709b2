package metrics_test

import (
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/serve/metrics"
	"github.com/berth-registry/berth/internal/serve/web"
)

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Build{Version: "1.2.3", Commit: "abc", Go: "go1.26"}, slog.New(slog.DiscardHandler))
}

// scrape returns the lines of /metrics.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, body)
	}
	return string(body)
}

func expect(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in:\n%s", line, text)
		}
	}
}

func TestRequestsAreCounted(t *testing.T) {
	m := newMetrics()
	log := slog.New(slog.DiscardHandler)
	handler := web.Chain(log, m, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expect(t, scrape(t, m), "berth_http_requests_in_flight 1")
		web.SetOperation(r, "v2_manifest")
		_, _ = io.WriteString(w, "hello")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v2/a/b/manifests/c", nil))
	expect(t, scrape(t, m),
		`berth_http_requests_total{code="200",method="GET",operation="v2_manifest"} 1`,
		`berth_http_request_duration_seconds_count{operation="v2_manifest"} 1`,
		"berth_http_requests_in_flight 0",
		"berth_http_sent_bytes_total 5",
		`berth_build_info{commit="abc",go="go1.26",version="1.2.3"} 1`,
	)
}

func TestRequestsOfNoOperationAndInventedMethodsShareALabel(t *testing.T) {
	m := newMetrics()
	for _, method := range []string{"BREW", "PROPFIND"} {
		m.Started()
		m.Finished(web.Exchange{Method: method, Status: 404, Took: time.Second})
	}
	text := scrape(t, m)
	expect(t, text, `berth_http_requests_total{code="404",method="other",operation="other"} 2`)
	if strings.Contains(text, "BREW") {
		t.Error("a client's own word is a label")
	}
}

func TestReceivedBytesAreCounted(t *testing.T) {
	m := newMetrics()
	m.Received(3)
	m.Received(4)
	expect(t, scrape(t, m), "berth_http_received_bytes_total 7")
}

func TestPoolsAreShownByName(t *testing.T) {
	m := newMetrics()
	for _, name := range []string{"read", "write"} {
		m.Pool(name, func() sql.DBStats {
			return sql.DBStats{OpenConnections: 3, InUse: 2, MaxOpenConnections: 9, WaitCount: 5, WaitDuration: 1500 * time.Millisecond}
		})
	}
	expect(t, scrape(t, m),
		`berth_db_connections_open{pool="read"} 3`,
		`berth_db_connections_in_use{pool="write"} 2`,
		`berth_db_connections_limit{pool="read"} 9`,
		`berth_db_waits_total{pool="write"} 5`,
		`berth_db_wait_seconds_total{pool="read"} 1.5`,
	)
}

func TestCollectionsAreCounted(t *testing.T) {
	m := newMetrics()
	m.Garbage(func() gc.Totals { return gc.Totals{Collections: 1, Manifests: 2, Blobs: 3, Bytes: 4, Failed: 5} })
	expect(t, scrape(t, m), "berth_gc_collections_total 1", "berth_gc_deleted_artifacts_total 2", "berth_gc_deleted_blobs_total 3", "berth_gc_freed_bytes_total 4", "berth_gc_failures_total 5")
}

func TestCountingIsSafeForManyAtOnce(t *testing.T) {
	m := newMetrics()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 100 {
				m.Started()
				m.Finished(web.Exchange{Operation: "ping", Method: "GET", Status: 200})
			}
		})
	}
	wg.Wait()
	expect(t, scrape(t, m), `berth_http_requests_total{code="200",method="GET",operation="ping"} 2000`)
}

func BenchmarkFinished(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Started()
		m.Finished(web.Exchange{Operation: "v2_manifest", Method: "GET", Status: 200, Sent: 512, Took: time.Millisecond})
	}
}
