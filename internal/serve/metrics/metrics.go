// Package metrics counts what the server does and shows it at /metrics in the
// form of Prometheus. No label holds a name that a client chose, so that their
// number is bounded and nothing private is in them.
package metrics

import (
	"database/sql"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/serve/web"
)

// buckets are the bounds of durations in seconds: a cached manifest takes less
// than the first, a layer of gigabytes more than the last.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 300}

// A Build names what is running.
type Build struct {
	Version string
	Commit  string
	Go      string // version of the compiler
}

// Metrics is a web.Observer, and a handler for Prometheus to ask.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	requests *prometheus.CounterVec   // by operation, method, code
	duration *prometheus.HistogramVec // by operation
	inFlight prometheus.Gauge
	sent     prometheus.Counter
	received prometheus.Counter

	// known holds the children for each set of labels that was seen: looking
	// them up by their labels each time costs a multiple.
	known sync.Map // label -> child
}

type label struct {
	operation, method string
	status            int
}

type child struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

// New returns metrics of a process that is what build says. What cannot be
// gathered is told to the log and left out.
func New(build Build, log *slog.Logger) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_http_requests_total", Help: "Requests answered.",
		}, []string{"operation", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer.", Buckets: buckets,
		}, []string{"operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "berth_http_requests_in_flight", Help: "Requests being answered.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "berth_http_sent_bytes_total", Help: "Bytes of answers' bodies.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "berth_http_received_bytes_total", Help: "Bytes of requests' bodies.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "berth_build_info", Help: "What is running; always 1.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go": build.Go},
	})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.sent, m.received, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelError),
	})
	return m
}

// Pool adds the connections of a database pool, under the name that tells it
// from others. The name must be new.
func (m *Metrics) Pool(name string, stats func() sql.DBStats) {
	gauge := func(metric, help string, value func(sql.DBStats) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: metric, Help: help, ConstLabels: prometheus.Labels{"pool": name},
		}, func() float64 { return value(stats()) }))
	}
	counter := func(metric, help string, value func(sql.DBStats) float64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: metric, Help: help, ConstLabels: prometheus.Labels{"pool": name},
		}, func() float64 { return value(stats()) }))
	}
	gauge("berth_db_connections_open", "Connections to the database.", func(s sql.DBStats) float64 { return float64(s.OpenConnections) })
	gauge("berth_db_connections_in_use", "Connections that something is using.", func(s sql.DBStats) float64 { return float64(s.InUse) })
	gauge("berth_db_connections_limit", "Connections that there may be; 0 for no limit.", func(s sql.DBStats) float64 { return float64(s.MaxOpenConnections) })
	counter("berth_db_waits_total", "How often something waited for a connection.", func(s sql.DBStats) float64 { return float64(s.WaitCount) })
	counter("berth_db_wait_seconds_total", "Time spent waiting for connections.", func(s sql.DBStats) float64 { return s.WaitDuration.Seconds() })
}

// Garbage adds what collections of garbage have come to.
func (m *Metrics) Garbage(totals func() gc.Totals) {
	counter := func(metric, help string, value func(gc.Totals) int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: metric, Help: help},
			func() float64 { return float64(value(totals())) }))
	}
	counter("berth_gc_collections_total", "Collections of garbage that have ended.", func(t gc.Totals) int64 { return t.Collections })
	counter("berth_gc_deleted_artifacts_total", "Artifacts deleted for having no tag.", func(t gc.Totals) int64 { return t.Manifests })
	counter("berth_gc_deleted_blobs_total", "Blobs whose content was deleted.", func(t gc.Totals) int64 { return t.Blobs })
	counter("berth_gc_freed_bytes_total", "Bytes of these blobs.", func(t gc.Totals) int64 { return t.Bytes })
	counter("berth_gc_failures_total", "How often content could not be deleted.", func(t gc.Totals) int64 { return t.Failed })
}

// ServeHTTP answers Prometheus.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	web.SetOperation(r, "metrics")
	m.handler.ServeHTTP(w, r)
}

// Started counts a request that is being answered.
func (m *Metrics) Started() { m.inFlight.Inc() }

// Finished counts one that was answered.
func (m *Metrics) Finished(x web.Exchange) {
	m.inFlight.Dec()
	m.sent.Add(float64(x.Sent))
	c := m.child(label{x.Operation, method(x.Method), x.Status})
	c.requests.Inc()
	c.duration.Observe(x.Took.Seconds())
}

// Received counts bytes of a request's body.
func (m *Metrics) Received(n int) { m.received.Add(float64(n)) }

func (m *Metrics) child(l label) child {
	if c, ok := m.known.Load(l); ok {
		return c.(child)
	}
	operation := l.operation
	if operation == "" {
		operation = "other"
	}
	c, _ := m.known.LoadOrStore(l, child{
		requests: m.requests.WithLabelValues(operation, l.method, strconv.Itoa(l.status)),
		duration: m.duration.WithLabelValues(operation),
	})
	return c.(child)
}

// method keeps clients from inventing labels.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
