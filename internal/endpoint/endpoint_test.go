package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/health"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// node returns a service as each node has one.
func node(t *testing.T, d *db.DB, key byte, log *slog.Logger) *endpoint.Service {
	t.Helper()
	s := endpoint.New(sqlstore.NewEndpoints(d), secret.NewSealer([32]byte{key}), outbound.ForSystem(), log)
	t.Cleanup(s.Close)
	return s
}

// A door is a registry for one account, whose password may change.
type door struct {
	*httptest.Server
	password atomic.Value
	asked    atomic.Int64
}

func opened(t *testing.T, password string) *door {
	d := &door{}
	d.password.Store(password)
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		if _, given, _ := r.BasicAuth(); given != d.password.Load() {
			w.Header().Set("WWW-Authenticate", `Basic realm="door"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) endpoint(name string) endpoint.Endpoint {
	return endpoint.Endpoint{Name: name, Kind: remote.Distribution, URL: d.URL, Account: "ci", Secret: secret.New(d.password.Load().(string))}
}

func create(t *testing.T, s *endpoint.Service, e endpoint.Endpoint) int64 {
	t.Helper()
	id, err := s.Create(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func write(t *testing.T, d *db.DB, q string, args ...any) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(q, args...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestClientsFollowWhatOtherNodesChange asks one node for clients and changes the
// endpoint on another.
func TestClientsFollowWhatOtherNodesChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		here, there, ctx := node(t, d, 1, discard()), node(t, d, 1, discard()), t.Context()
		one := opened(t, "first")
		id := create(t, there, one.endpoint("hub"))
		client := func() *remote.Registry {
			t.Helper()
			c, err := here.Client(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Ping(ctx); err != nil {
				t.Errorf("it is spoken to wrongly: %v", err)
			}
			return c
		}
		first := client()
		if err := there.Check(ctx); err != nil {
			t.Fatal(err)
		}
		if client() != first {
			t.Error("there is another client although nothing has changed")
		}
		one.password.Store("second")
		changed := secret.New("second")
		if err := there.Update(ctx, id, endpoint.Change{Secret: &changed}); err != nil {
			t.Fatal(err)
		}
		second := client()
		if second == first {
			t.Error("there is no other client although the secret has changed")
		}
		if client() != second {
			t.Error("there is a client for each request")
		}
		if err := there.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
		for _, id := range []int64{id, endpoint.LocalID} {
			if _, err := here.Client(ctx, id); !errors.Is(err, endpoint.ErrNotFound) {
				t.Errorf("client of %d: %v", id, err)
			}
		}
	})
}

// TestOneClientServesAll is for the race detector as well.
func TestOneClientServesAll(t *testing.T) {
	s := node(t, storetest.SQLite(t), 1, discard())
	id := create(t, s, opened(t, "x").endpoint("hub"))
	var all sync.WaitGroup
	found := make([]*remote.Registry, 20)
	for i := range found {
		all.Go(func() {
			var err error
			if found[i], err = s.Client(t.Context(), id); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range found {
		if c != found[0] {
			t.Fatal("there are several")
		}
	}
}

// TestSecretsOpenForTheirServerAlone alters rows as somebody could who has the
// database.
func TestSecretsOpenForTheirServerAlone(t *testing.T) {
	d := storetest.SQLite(t)
	s := node(t, d, 1, discard())
	home, thief := opened(t, "x"), opened(t, "x")
	id, second := create(t, s, home.endpoint("one")), create(t, s, home.endpoint("two"))
	for what, alter := range map[string]func(){
		"the URL of another server": func() { write(t, d, `UPDATE endpoint SET url = ? WHERE id = ?`, thief.URL, id) },
		"another scheme": func() {
			write(t, d, `UPDATE endpoint SET url = ? WHERE id = ?`, strings.Replace(home.URL, "http", "https", 1), id)
		},
		"the secret of another one": func() {
			write(t, d, `UPDATE endpoint SET sealed = (SELECT sealed FROM endpoint WHERE id = ?) WHERE id = ?`, second, id)
		},
		"a secret that nothing sealed": func() { write(t, d, `UPDATE endpoint SET sealed = ? WHERE id = ?`, []byte("x"), id) },
	} {
		t.Run(what, func(t *testing.T) {
			var sealed []byte
			if err := d.QueryRow(t.Context(), `SELECT sealed FROM endpoint WHERE id = ?`, id).Scan(&sealed); err != nil {
				t.Fatal(err)
			}
			defer write(t, d, `UPDATE endpoint SET url = ?, sealed = ? WHERE id = ?`, home.URL, sealed, id)
			alter()
			fresh := node(t, d, 1, discard())
			if _, err := fresh.Client(t.Context(), id); !errors.Is(err, endpoint.ErrSecret) {
				t.Errorf("client: %v", err)
			}
			if err := fresh.Ping(t.Context(), id, endpoint.Change{}); !errors.Is(err, endpoint.ErrUnhealthy) || !fault.OfKind(err, fault.Invalid) {
				t.Errorf("ping: %v", err)
			}
		})
	}
	if _, err := s.Client(t.Context(), id); err != nil {
		t.Errorf("as it was: %v", err)
	}
	if _, err := node(t, d, 2, discard()).Client(t.Context(), id); !errors.Is(err, endpoint.ErrSecret) {
		t.Errorf("with another key: %v", err)
	}
	if n := thief.asked.Load(); n > 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

// TestHealthIsNoted looks at a registry that changes its password, and at one
// whose secret cannot be read.
func TestHealthIsNoted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var log bytes.Buffer
		s, ctx := node(t, d, 1, slog.New(slog.NewTextHandler(&log, nil))), t.Context()
		well, locked, moved := opened(t, "x"), opened(t, "x"), opened(t, "x")
		for i := range 12 { // more than are looked at at once
			create(t, s, well.endpoint(fmt.Sprint("well ", i)))
		}
		other := create(t, s, locked.endpoint("locked"))
		third := create(t, s, moved.endpoint("moved"))
		look := func() map[string]endpoint.Endpoint {
			t.Helper()
			if err := s.Check(ctx); err != nil {
				t.Fatal(err)
			}
			all, _, err := s.List(ctx, query.Query{})
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]endpoint.Endpoint{}
			for _, e := range all {
				found[e.Name] = e
			}
			return found
		}
		locked.password.Store("y")
		asked := well.asked.Load()
		if !look()["locked"].Healthy || well.asked.Load() != asked {
			t.Error("what was looked at just now is looked at again")
		}
		began := time.Now()
		write(t, d, `UPDATE endpoint SET checked = ?`, began.Add(-health.Every-time.Second).UnixMicro())
		write(t, d, `UPDATE endpoint SET url = ? WHERE id = ?`, well.URL, third)
		found := look()
		for name, e := range found {
			if e.Healthy != strings.HasPrefix(name, "well") || e.Healthy != (e.HealthMessage == "") || e.Checked.Before(began.Truncate(time.Microsecond)) || e.Version != 1 {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if m := found["moved"].HealthMessage; !strings.Contains(m, "secret cannot be read") {
			t.Errorf("the reason is %q", m)
		}
		if n := well.asked.Load(); n-asked < 12 {
			t.Errorf("%d were asked", n-asked)
		}
		write(t, d, `UPDATE endpoint SET checked = 0 WHERE id = ?`, other)
		locked.password.Store("x")
		if e := look()["locked"]; !e.Healthy || e.HealthMessage != "" {
			t.Errorf("once it is well again: %+v", e)
		}
		if n := strings.Count(log.String(), "registry=locked"); n != 2 {
			t.Errorf("two changes are logged %d times: %s", n, &log)
		}
	})
}

// TestWhatEndsALookSaysNothing has the server stop while a registry does not
// answer.
func TestWhatEndsALookSaysNothing(t *testing.T) {
	d := storetest.SQLite(t)
	s := node(t, d, 1, discard())
	entered, end := make(chan struct{}, 1), make(chan struct{})
	var hang atomic.Bool
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if hang.Load() {
			entered <- struct{}{}
			<-end
		}
	}))
	defer slow.Close()
	defer close(end)
	id := create(t, s, endpoint.Endpoint{Name: "slow", Kind: remote.Distribution, URL: slow.URL})
	write(t, d, `UPDATE endpoint SET checked = 0`)
	hang.Store(true)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Check(ctx) }()
	<-entered
	stop()
	<-ended
	if e, err := s.ByID(t.Context(), id); err != nil || !e.Healthy {
		t.Errorf("%+v, %v", e, err)
	}
}
