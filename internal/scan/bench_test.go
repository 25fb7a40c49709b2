package scan_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/inventory/inventorytest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// benchmarked is how many reports are looked at.
const benchmarked = 1000

// BenchmarkReevaluate1000 looks at the reports of a thousand images with a new
// generation of real advisories. The images have no layer in common, and some
// packages in versions of their own. In "first" the reports are empty, so that all
// that is found is written; in "news" a vulnerability that every image has has
// changed, and so has every report.
func BenchmarkReevaluate1000(b *testing.B) {
	s := newStock(b)
	s.learn("")
	for name, before := range map[string]func(){
		"first": func() {
			s.exec(`DELETE FROM finding`)
			s.exec(`DELETE FROM vulnerability`)
			s.exec(`UPDATE scan_report SET content = '', generation = 0`)
		},
		"news": func() {
			if _, err := s.Reevaluate(s.Context(), s.by); err != nil {
				s.Fatal(err)
			}
			var cve string
			err := s.db.QueryRow(s.Context(), `SELECT v.cve FROM vulnerability v JOIN finding f ON f.vulnerability_id = v.id WHERE v.package = 'django'
				GROUP BY v.cve ORDER BY count(*) DESC, v.cve LIMIT 1`).Scan(&cve)
			if err != nil {
				s.Fatal(err)
			}
			s.learn(cve)
		},
	} {
		b.Run(name, func(b *testing.B) {
			var spent time.Duration
			for b.Loop() {
				b.StopTimer()
				before()
				began := used(b)
				b.StartTimer()
				changed, err := s.Reevaluate(b.Context(), s.by)
				if spent += used(b) - began; err != nil || changed != benchmarked {
					b.Fatalf("%d reports changed: %v", changed, err)
				}
			}
			b.ReportMetric(spent.Seconds()/float64(b.N), "cpu-s/op")
			var findings int
			if err := s.db.QueryRow(b.Context(), `SELECT count(*) FROM finding`).Scan(&findings); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(findings), "findings")
		})
	}
}

// used is how much time of processors the process has had.
func used(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A stock is a registry of images that were examined, with SQLite.
type stock struct {
	testing.TB
	*scan.Service

	db       *db.DB
	known    *advisory.Service
	by       scan.Registration
	exploits int
}

// only is scan.Scanners with one scanner.
type only struct {
	by      scan.Registration
	scanner scan.Scanner
}

func (o only) Of(context.Context, int64) (scan.Registration, error)          { return o.by, nil }
func (o only) Default(context.Context) (scan.Registration, error)            { return o.by, nil }
func (o only) Open(context.Context, scan.Registration) (scan.Scanner, error) { return o.scanner, nil }
func unread(context.Context, artifact.Repo, oci.Digest) (r blob.Reader, err error) {
	return nil, blob.ErrNotFound
}

func newStock(b testing.TB) *stock {
	b.Helper()
	inventorytest.Folder(b)
	kept, err := advisorydb.New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = kept.Close() })
	s := &stock{TB: b, db: storetest.SQLite(b), by: scan.Registration{UUID: "builtin", Vulnerabilities: true}}
	if s.known, err = advisory.New(kept); err != nil {
		b.Fatal(err)
	}
	store := sqlstore.NewScans(s.db)
	builtin := &scan.Builtin{Kept: store, Library: sqlstore.NewArtifacts(s.db), Open: unread, Indexes: store.Indexes, Advisories: s.known, Self: finding.Scanner{Name: "Berth"}}
	s.Service = scan.New(scan.Config{Store: store, Scanners: only{s.by, builtin}})
	s.exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'root', 1, 1)`)
	s.exec(`INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'p', 1, 1, 1)`)
	s.exec(`INSERT INTO repository (id, project_id, name, created, updated) VALUES (1, 1, 'p/app', 1, 1)`)
	images := inventorytest.Images(b)
	for i := range benchmarked {
		s.image(store, i, images[[]string{"app", "debian12", "debian11", "app", "alma8"}[i%5]])
	}
	return s
}

func (s *stock) exec(statement string, args ...any) {
	s.Helper()
	err := s.db.Write(s.Context(), func(tx *db.Tx) error { _, err := tx.Exec(statement, args...); return err })
	if err != nil {
		s.Fatal(err)
	}
}

// learn publishes a generation, in which a CVE is known to be exploited, since
// another date each time.
func (s *stock) learn(cve string) {
	s.Helper()
	folder := inventorytest.Folder(s)
	origin, err := feed.OpenFolder(filepath.Join(folder, "osv"))
	if err != nil {
		s.Fatal(err)
	}
	defer origin.Close()
	s.exploits++
	list := fmt.Sprintf(`{"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"},{"cveID":%q,"dateAdded":"2026-01-%02d"}]}`, cve, s.exploits%28+1)
	if cve == "" {
		list = `{"vulnerabilities":[{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10"}]}`
	}
	before, err := s.known.Generation(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	g, _, err := s.known.Update(s.Context(), advisory.Feeds{
		Origin: origin, Ecosystems: []string{"AlmaLinux", "Alpine", "Debian", "Go", "Maven", "PyPI", "crates.io", "npm"},
		Exploited: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(list)), nil },
	}, nil)
	if err != nil || g == before {
		s.Fatalf("generation %d after %d: %v", g, before, err)
	}
}

// image makes one of the layers of another, as if all of them were its own, with some
// Python packages above them, and an empty report of it.
func (s *stock) image(store *sqlstore.Scans, i int, layers [][]byte) {
	s.Helper()
	var wheels bytes.Buffer
	w := tar.NewWriter(&wheels)
	for _, name := range []string{"django", "jinja2", "urllib3", "requests", "cryptography"} {
		version := fmt.Sprintf("2.0.%d", i)
		text := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
		err := w.WriteHeader(&tar.Header{Name: "usr/lib/python3/dist-packages/" + name + "-" + version + ".dist-info/METADATA", Mode: 0o644, Size: int64(len(text))})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	var descriptors []oci.Descriptor
	for n, layer := range append(layers[:len(layers):len(layers)], wheels.Bytes()) {
		f, err := inventory.ReadLayer(s.Context(), bytes.NewReader(layer), inventorytest.MediaType, inventory.Limits{})
		if err != nil {
			s.Fatal(err)
		}
		facts, err := f.Encode()
		if err != nil {
			s.Fatal(err)
		}
		d := oci.Sum(oci.SHA256, fmt.Appendf(nil, "%d of %d", n, i))
		s.exec(`INSERT INTO blob (digest, size, storage_key, created) VALUES (?, 1, ?, 1)`, d, d)
		if err := store.KeepFacts(s.Context(), d, inventory.Version, facts); err != nil {
			s.Fatal(err)
		}
		descriptors = append(descriptors, oci.Descriptor{MediaType: inventorytest.MediaType, Digest: d, Size: 1})
	}
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "layers": descriptors,
		"config": oci.Descriptor{MediaType: oci.MediaTypeImageConfig, Digest: oci.Sum(oci.SHA256, fmt.Append(nil, i)), Size: 1},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.exec(`INSERT INTO artifact (id, project_id, repository_id, digest, media_type, size, manifest_size, kind, type, pushed, body) VALUES (?, 1, 1, ?, ?, 1, ?, 1, 'IMAGE', 1, CAST(? AS BLOB))`,
		i+1, oci.Sum(oci.SHA256, body), oci.MediaTypeImageManifest, len(body), string(body))
	if _, err := store.Keep(s.Context(), scan.Result{Artifact: int64(i + 1), Scanner: s.by.UUID, Kind: scan.Vulnerabilities, Started: time.Now(), Ended: time.Now()}, nil); err != nil {
		s.Fatal(err)
	}
}
