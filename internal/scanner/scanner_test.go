package scanner_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/health"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// node returns a service as each node has one.
func node(d *db.DB, key byte, log *slog.Logger) *scanner.Service {
	return scanner.New(sqlstore.NewScanners(d), secret.NewSealer([32]byte{key}), outbound.ForSystem(), "1.2.3", log)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// locked is how a scanner behaves that wants a token.
func locked(token string) adaptertest.Script {
	return adaptertest.Script{Header: "Authorization", Value: "Bearer " + token}
}

func registration(name string, s *adaptertest.Scanner, token string) scanner.Registration {
	return scanner.Registration{Name: name, URL: s.URL, Auth: adapter.Bearer, Credential: secret.New(token)}
}

func create(t *testing.T, s *scanner.Service, r scanner.Registration) string {
	t.Helper()
	id, err := s.Create(t.Context(), r)
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

// TestAScannerIsSpokenTo scans by the client of the one that a project has.
func TestAScannerIsSpokenTo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := node(d, 1, discard()), t.Context()
		server := adaptertest.Start(t, locked("x"))
		id := create(t, s, registration("probe", server, "x"))
		if err := s.MakeDefault(ctx, id); err != nil {
			t.Fatal(err)
		}
		r, err := node(d, 1, discard()).OfProject(ctx, 7)
		if err != nil || r.ID != id || !r.Default || !r.Healthy || r.Metadata.Scanner.Vendor != "Acme" {
			t.Fatalf("%+v, %v", r, err)
		}
		c, err := s.Client(r)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		report, can := r.Metadata.Report(adapter.Vulnerabilities, oci.MediaTypeImageManifest)
		if !can {
			t.Fatal("it does not scan images")
		}
		q := adapter.Request{Kind: adapter.Vulnerabilities, Report: report, Artifact: adapter.Artifact{Repository: "library/app", Digest: oci.Sum(oci.SHA256, nil), MediaType: oci.MediaTypeImageManifest}}
		scan, err := c.Scan(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Report(ctx, scan, q); err != nil || got.Scanner.Name != "Probe" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestTheBuiltInScannerIsAlwaysThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := node(d, 1, discard()), t.Context()
		for what, find := range map[string]func() (scanner.Registration, error){
			"by its id":    func() (scanner.Registration, error) { return s.ByID(ctx, scanner.BuiltinID) },
			"of a project": func() (scanner.Registration, error) { return s.OfProject(ctx, 1) },
			"in the list": func() (scanner.Registration, error) {
				all, n, err := s.List(ctx, query.Query{})
				if n != 1 {
					t.Errorf("there are %d", n)
				}
				return all[0], err
			},
		} {
			r, err := find()
			if err != nil || !r.Builtin() || !r.Default || !r.Healthy || r.Disabled || r.Metadata.Scanner != (finding.Scanner{Name: "Berth", Vendor: "Berth", Version: "1.2.3"}) ||
				!r.Metadata.Does(adapter.Vulnerabilities) || !r.Metadata.Does(adapter.SBOM) {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
			if _, err := s.Client(r); !errors.Is(err, scanner.ErrBuiltin) {
				t.Errorf("%s: a client: %v", what, err)
			}
		}
		off := true
		if err := s.Update(ctx, scanner.BuiltinID, scanner.Change{Disabled: &off}); !errors.Is(err, scanner.ErrBuiltin) {
			t.Errorf("disabling: %v", err)
		}
		if _, err := s.Delete(ctx, scanner.BuiltinID); !errors.Is(err, scanner.ErrBuiltin) {
			t.Errorf("deleting: %v", err)
		}
		if err := s.Check(ctx); err != nil {
			t.Error(err)
		}
	})
}

// TestACredentialOpensForItsServerAlone alters rows as somebody could who has the
// database.
func TestACredentialOpensForItsServerAlone(t *testing.T) {
	d := storetest.SQLite(t)
	s := node(d, 1, discard())
	home, second, thief := adaptertest.Start(t, locked("x")), adaptertest.Start(t, locked("x")), adaptertest.Start(t, adaptertest.Script{})
	id, other := create(t, s, registration("one", home, "x")), create(t, s, registration("two", second, "x"))
	for what, alter := range map[string]func(){
		"the URL of another server": func() { write(t, d, `UPDATE scanner SET url = ? WHERE id = ?`, thief.URL, id) },
		"another scheme": func() {
			write(t, d, `UPDATE scanner SET url = ? WHERE id = ?`, strings.Replace(home.URL, "http", "https", 1), id)
		},
		"the credential of another one": func() {
			write(t, d, `UPDATE scanner SET sealed = (SELECT sealed FROM scanner WHERE id = ?) WHERE id = ?`, other, id)
		},
		"a credential that nothing sealed": func() { write(t, d, `UPDATE scanner SET sealed = ? WHERE id = ?`, []byte("x"), id) },
	} {
		var sealed []byte
		if err := d.QueryRow(t.Context(), `SELECT sealed FROM scanner WHERE id = ?`, id).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		alter()
		r, err := s.ByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Client(r); !errors.Is(err, scanner.ErrSecret) {
			t.Errorf("%s: client: %v", what, err)
		}
		if _, err := s.Metadata(t.Context(), id); !errors.Is(err, scanner.ErrUnhealthy) {
			t.Errorf("%s: metadata: %v", what, err)
		}
		write(t, d, `UPDATE scanner SET url = ?, sealed = ? WHERE id = ?`, home.URL, sealed, id)
	}
	if _, err := s.Metadata(t.Context(), id); err != nil {
		t.Errorf("as it was: %v", err)
	}
	if _, err := node(d, 2, discard()).Metadata(t.Context(), id); !errors.Is(err, scanner.ErrUnhealthy) {
		t.Errorf("with another key: %v", err)
	}
	if n := thief.Asked(); n > 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

// TestHealthIsNoted looks at scanners that change their token, or what they are.
func TestHealthIsNoted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var log bytes.Buffer
		s, ctx := node(d, 1, slog.New(slog.NewTextHandler(&log, nil))), t.Context()
		for i := range 10 { // more than are looked at at once
			create(t, s, registration(fmt.Sprint("well ", i), adaptertest.Start(t, locked("x")), "x"))
		}
		changes, turns := adaptertest.Start(t, locked("x")), adaptertest.Start(t, locked("x"))
		create(t, s, registration("changes", changes, "x"))
		create(t, s, registration("turns", turns, "x"))
		look := func() map[string]scanner.Registration {
			t.Helper()
			if err := s.Check(ctx); err != nil {
				t.Fatal(err)
			}
			all, _, err := s.List(ctx, query.Query{Size: 100})
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]scanner.Registration{}
			for _, r := range all {
				found[r.Name] = r
			}
			return found
		}
		changes.Become(locked("y"))
		newer := locked("x")
		newer.Metadata = strings.Replace(adaptertest.Metadata, "7.1", "7.2", 1)
		turns.Become(newer)
		asked := changes.Asked()
		if !look()["changes"].Healthy || changes.Asked() != asked {
			t.Error("what was looked at just now is looked at again")
		}
		began := time.Now()
		overdue := func() {
			write(t, d, `UPDATE scanner SET checked = ?`, began.Add(-health.Every-time.Second).UnixMicro())
		}
		overdue()
		found := look()
		if len(found) != 13 {
			t.Errorf("there are %d", len(found))
		}
		for name, r := range found {
			if r.Healthy != (name != "changes") || r.Healthy != (r.HealthMessage == "") || r.Version != 1 || !r.Builtin() && r.Checked.Before(began.Truncate(time.Microsecond)) {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if v := found["turns"].Metadata.Scanner.Version; v != "7.2" {
			t.Errorf("it is of the version %s", v)
		}
		if m := found["changes"].HealthMessage; !strings.Contains(m, "who are you?") || found["changes"].Metadata.Scanner.Name != "Probe" {
			t.Errorf("the reason is %q, and it is %+v", m, found["changes"].Metadata)
		}
		changes.Become(locked("x"))
		overdue()
		if r := look()["changes"]; !r.Healthy || r.HealthMessage != "" {
			t.Errorf("once it is well again: %+v", r)
		}
		if n := strings.Count(log.String(), "scanner=changes"); n != 2 {
			t.Errorf("two changes are logged %d times: %s", n, &log)
		}
	})
}

// TestWhatEndsALookSaysNothing has the server stop while a scanner does not answer.
func TestWhatEndsALookSaysNothing(t *testing.T) {
	d := storetest.SQLite(t)
	s := node(d, 1, discard())
	server := adaptertest.Start(t, locked("x"))
	id := create(t, s, registration("slow", server, "x"))
	write(t, d, `UPDATE scanner SET checked = 0`)
	entered := make(chan struct{}, 1)
	server.Become(adaptertest.Script{Instead: func(_ http.ResponseWriter, r *http.Request) bool {
		entered <- struct{}{}
		<-r.Context().Done()
		return true
	}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Check(ctx) }()
	<-entered
	stop()
	<-ended
	if r, err := s.ByID(t.Context(), id); err != nil || !r.Healthy {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestChangesAtOnceAreNoticed(t *testing.T) {
	d := storetest.SQLite(t)
	s, ctx := node(d, 1, discard()), t.Context()
	server := adaptertest.Start(t, adaptertest.Script{})
	id := create(t, s, scanner.Registration{Name: "probe", URL: server.URL})
	server.Become(adaptertest.Script{Instead: func(http.ResponseWriter, *http.Request) bool {
		name := "renamed"
		if err := node(d, 1, discard()).Update(ctx, id, scanner.Change{Name: &name}); err != nil {
			t.Error(err)
		}
		return false
	}})
	skip := true
	if err := s.Update(ctx, id, scanner.Change{SkipVerify: &skip}); !errors.Is(err, scanner.ErrChanged) {
		t.Errorf("%v", err)
	}
	if r, err := s.ByID(ctx, id); err != nil || r.Name != "renamed" || r.SkipVerify {
		t.Errorf("%+v, %v", r, err)
	}
}
