package chart_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/serve/chartrepo"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// listed is how many versions the index of the benchmark has, 100 of each chart.
const listed = 20_000

// BenchmarkIndex tells, in milliseconds, what a client waits for an index of
// 20,000 versions over HTTP: when the server has just started (cold), when it has
// not changed, when the client has it already (known), packed with gzip, and after
// a push (changed); and a push into that project beside one into an empty one.
func BenchmarkIndex(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			empty, full := newWorld(b, open(b)), newWorld(b, open(b))
			full.fill()
			took := map[string][]time.Duration{}
			measure := func(what string, f func() error) {
				began := time.Now()
				if err := f(); err != nil {
					b.Fatal(err)
				}
				took[what] = append(took[what], time.Since(began))
			}
			var size int64
			var name string
			for b.Loop() {
				server := full.serve()
				get := func(header, value string) func() error {
					return func() (err error) {
						size, name, err = full.get(server, header, value)
						return err
					}
				}
				measure("cold", get("", ""))
				whole := size
				measure("unchanged", get("", ""))
				measure("known", get("If-None-Match", name))
				measure("packed", get("Accept-Encoding", "gzip"))
				version := fmt.Sprintf("9.0.%d", len(took["push"]))
				measure("push", func() error { return full.push(b.Context(), "app0", version, "one more") })
				measure("push-empty", func() error { return empty.push(b.Context(), "app0", version, "one more") })
				measure("changed", get("", ""))
				server.Close()
				b.ReportMetric(float64(whole)/1e6, "MB")
			}
			for what, all := range took {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, what+"-ms")
			}
		})
	}
}

// serve starts a server that remembers nothing, to which everybody is an
// administrator.
func (w *world) serve() *httptest.Server {
	door := chartrepo.New(w.service(), nil, project.New(sqlstore.NewProjects(w.db), nil, nil, nil, new(access.Epoch)))
	return httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		door.ServeHTTP(rw, r.WithContext(access.With(r.Context(), access.Caller{Kind: access.User, ID: 1, Admin: true})))
	}))
}

// get asks for the index with a header, as Helm does, which asks for none that is
// packed. It returns how many bytes came, and the index's name.
func (w *world) get(server *httptest.Server, header, value string) (size int64, name string, err error) {
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, server.URL+"/chartrepo/p/index.yaml", nil)
	if err != nil {
		return 0, "", err
	}
	if header != "" {
		req.Header.Set(header, value)
	}
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	size, err = io.Copy(io.Discard, resp.Body)
	return size, resp.Header.Get("Etag"), err
}

func (w *world) fill() {
	w.Helper()
	const pushers = 16
	var all sync.WaitGroup
	for n := range pushers {
		all.Go(func() {
			for i := n; i < listed; i += pushers {
				err := w.push(w.Context(), fmt.Sprint("app", i%(listed/100)), fmt.Sprintf("1.%d.%d", i/(listed/100)%10, i/(listed/10)), "A chart that is as long as charts are, and says what it is for")
				if err != nil {
					w.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	err := w.db.Write(w.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`ANALYZE chart_version`) // as PostgreSQL does by itself within a minute
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}
