package scan_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/job/jobtest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A lab is a registry with a scanner, in which work is done, and the project p with
// the id 1.
type lab struct {
	*testing.T
	*scan.Service

	db      *db.DB
	content *registry.Service
	store   *sqlstore.Scans
	rows    *sqlstore.Jobs
	lister  *lister
	repo    artifact.Repo
}

func each(t *testing.T, f func(l *lab)) {
	t.Helper()
	storetest.EachOf(t, func(t *testing.T, d *db.DB, url string) { f(newLab(t, d, url)) })
}

func newLab(t *testing.T, d *db.DB, url string) *lab {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'root', 1, 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := disk.New(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	artifacts, projects := sqlstore.NewArtifacts(d), project.New(sqlstore.NewProjects(d), nil, nil, nil, new(access.Epoch))
	id, err := projects.Create(access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true}), project.NewProject{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, db: d, store: sqlstore.NewScans(d), rows: sqlstore.NewJobs(d), repo: artifact.Repo{ProjectID: id, Name: "p/app"}}
	l.content = registry.New(registry.Config{}, artifacts, sqlstore.NewBlobs(d), blobs, registry.NewPulls(artifacts, nil, log))
	l.lister = &lister{
		content: l.content, known: map[string]finding.Vulnerability{}, facts: map[oci.Digest]string{},
		registration: scan.Registration{UUID: "s-1", Scanner: finding.Scanner{Name: "Lister", Vendor: "Tests", Version: "1"}, Vulnerabilities: true, SBOM: true},
	}
	work := job.Work{
		Run: func(ctx context.Context, r *job.Run) error { return l.Do(ctx, r) }, Workers: scan.Workers, Attempts: scan.Attempts, Limit: scan.Limit, Keep: scan.Keep,
		Backoff:   func(int) time.Duration { return time.Millisecond },
		Scheduled: func(ctx context.Context, at job.Schedule) (job.Submission, error) { return l.Due(ctx, at) },
	}
	q, err := queue.Open(t.Context(), url, log)
	if err != nil {
		t.Fatal(err)
	}
	jobs := job.New(job.Config{
		Store: l.rows, Schedules: l.rows, Logs: l.rows, Queue: q, Works: map[job.Kind]job.Work{job.ImageScan: work, job.SBOM: work, job.ScanAll: work}, Log: log, Node: "node", Host: "host",
	})
	l.Service = scan.New(scan.Config{Store: l.store, Artifacts: artifacts, Projects: projects, Content: l.content, Scanners: l.lister, Jobs: jobs})
	jobtest.Work(t, jobs, q)
	return l
}

// A lister is a scanner of images whose layers are lines of a package and a
// version. It knows what is wrong with packages, and remembers the lines.
type lister struct {
	content      *registry.Service
	registration scan.Registration

	mu    sync.Mutex
	known map[string]finding.Vulnerability // by package
	facts map[oci.Digest]string            // lines, by layer
	fails error
	holds chan struct{} // a scan waits for it, where there is one
	found chan struct{} // closed by a scan that has found all, and then
	ends  chan struct{} // waits for this
	reads int
	looks int                  // at what is remembered of an image
	after func(looks int)      // one of these
	bad   map[oci.Digest]error // what is remembered of an image fails
	gen   int64                // of what is known
	none  bool                 // there is no scanner
}

func (s *lister) Of(context.Context, int64) (scan.Registration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.none {
		return scan.Registration{}, scan.ErrNoScanner
	}
	return s.registration, nil
}

func (s *lister) Default(ctx context.Context) (scan.Registration, error) { return s.Of(ctx, 0) }

func (s *lister) Open(context.Context, scan.Registration) (scan.Scanner, error) { return s, nil }

func (s *lister) change(f func(s *lister)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// knows has all packages of a name affected by a vulnerability, which is news.
func (s *lister) knows(id, name string, severity finding.Severity, fixed string) {
	s.change(func(s *lister) {
		score := float64(severity) * 1.9
		s.known[name] = finding.Vulnerability{
			ID: id, Package: name, Severity: severity, Fixed: fixed, Description: "about " + name, Links: []string{"https://example.org/" + id},
			CWEs: []string{"CWE-79"}, CVSS: finding.CVSS{ScoreV3: &score, VectorV3: "CVSS:3.1/AV:N"},
		}
		s.gen++
	})
}

func (s *lister) Scan(ctx context.Context, subject scan.Subject, log scan.Log) (finding.Report, error) {
	s.mu.Lock()
	fails, holds := s.fails, s.holds
	s.mu.Unlock()
	if holds != nil {
		select {
		case <-holds:
		case <-ctx.Done():
			return finding.Report{}, ctx.Err()
		}
	}
	if fails != nil {
		return finding.Report{}, fails
	}
	r, err := s.report(ctx, subject, func(d oci.Digest) (string, error) {
		log("layer %s", d)
		s.change(func(s *lister) { s.reads++ })
		_, r, err := s.content.OpenBlob(ctx, subject.Repo, d)
		if err != nil {
			return "", err
		}
		defer r.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(r)
		s.change(func(s *lister) { s.facts[d] = b.String() })
		return b.String(), err
	})
	s.mu.Lock()
	found, ends := s.found, s.ends
	s.found, s.ends = nil, nil
	s.mu.Unlock()
	if ends != nil {
		close(found)
		<-ends
	}
	return r, err
}

func (s *lister) Generation(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen, nil
}

func (s *lister) Again(ctx context.Context, subject scan.Subject, _ scan.Log) (finding.Report, bool, error) {
	known := true
	r, err := s.report(ctx, subject, func(d oci.Digest) (lines string, err error) {
		s.change(func(s *lister) {
			text, is := s.facts[d]
			lines, known = text, known && is
		})
		return lines, nil
	})
	s.mu.Lock()
	s.looks++
	looks, after := s.looks, s.after
	s.mu.Unlock()
	if after != nil {
		after(looks)
	}
	s.change(func(s *lister) { err = errors.Join(err, s.bad[subject.Digest]) })
	return r, known, err
}

func (s *lister) report(_ context.Context, subject scan.Subject, read func(oci.Digest) (string, error)) (finding.Report, error) {
	r := finding.Report{Generated: time.Now(), Scanner: s.registration.Scanner}
	m, err := oci.ParseManifest(subject.MediaType, subject.Body)
	if err != nil {
		return r, err
	}
	for _, layer := range m.Blobs[1:] {
		text, err := read(layer.Digest)
		if err != nil {
			return r, err
		}
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			name, version, _ := strings.Cut(lines.Text(), " ")
			s.mu.Lock()
			v, affected := s.known[name]
			s.mu.Unlock()
			if affected && version != v.Fixed {
				v.Version, v.Layers = version, []oci.Digest{layer.Digest}
				r.Vulnerabilities = append(r.Vulnerabilities, v)
			}
		}
	}
	return r, nil
}

func (s *lister) SBOM(ctx context.Context, subject scan.Subject, f sbom.Format, log scan.Log) ([]byte, error) {
	var lines []string
	_, err := s.report(ctx, subject, func(d oci.Digest) (string, error) {
		lines = append(lines, string(d))
		return "", nil
	})
	log("%d layers as %s", len(lines), f)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"format": f, "layers": lines})
}

// SBOMAgain knows of an image that was looked into for vulnerabilities.
func (s *lister) SBOMAgain(ctx context.Context, subject scan.Subject, f sbom.Format, _ time.Time) ([]byte, bool, error) {
	known := true
	_, err := s.report(ctx, subject, func(d oci.Digest) (lines string, err error) {
		s.change(func(s *lister) {
			text, is := s.facts[d]
			lines, known = text, known && is
		})
		return lines, nil
	})
	if err != nil || !known {
		return nil, false, err
	}
	document, err := json.Marshal(map[string]any{"format": f, "again": true})
	return document, true, err
}

// push pushes an image of one layer of lines under a tag, and returns its digest and
// id.
func (l *lab) push(repo artifact.Repo, tag string, lines ...string) (oci.Digest, int64) {
	l.Helper()
	layer := l.blob(repo, []byte(strings.Join(lines, "\n")))
	layer.MediaType = "application/vnd.oci.image.layer.v1.tar"
	config := l.blob(repo, []byte(`{"architecture":"amd64","os":"linux"}`))
	config.MediaType = oci.MediaTypeImageConfig
	return l.manifest(repo, tag, oci.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{layer}})
}

// index pushes an index of manifests.
func (l *lab) index(tag string, children ...oci.Digest) (oci.Digest, int64) {
	l.Helper()
	var all []any
	for _, d := range children {
		all = append(all, oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: d, Size: 500})
	}
	return l.manifest(l.repo, tag, oci.MediaTypeImageIndex, map[string]any{"manifests": all})
}

func (l *lab) blob(repo artifact.Repo, data []byte) oci.Descriptor {
	l.Helper()
	d := oci.Sum(oci.SHA256, data)
	if _, err := l.content.PushBlob(l.T.Context(), repo, d, registry.Chunk{Body: bytes.NewReader(data), Size: int64(len(data))}); err != nil {
		l.Fatal(err)
	}
	return oci.Descriptor{Digest: d, Size: int64(len(data))}
}

func (l *lab) manifest(repo artifact.Repo, tag, mediaType string, fields map[string]any) (oci.Digest, int64) {
	l.Helper()
	fields["schemaVersion"], fields["mediaType"] = 2, mediaType
	body, err := json.Marshal(fields)
	if err != nil {
		l.Fatal(err)
	}
	done, err := l.content.PushManifest(l.T.Context(), repo, registry.PushRequest{Ref: oci.Reference{Tag: tag}, MediaType: mediaType, Body: body})
	if err != nil {
		l.Fatal(err)
	}
	a, _, err := l.Artifacts.Find(l.T.Context(), repo.Name, oci.Reference{Digest: done.Digest}, false)
	if err != nil {
		l.Fatal(err)
	}
	return done.Digest, a.ID
}

// overview returns that of an artifact, of which there is none where its report is
// empty.
func (l *lab) overview(id int64, k scan.Kind) scan.Overview {
	l.Helper()
	all, err := l.Overviews(l.T.Context(), l.repo.ProjectID, []int64{id})
	if err != nil {
		l.Fatal(err)
	}
	for _, o := range all[id] {
		if o.Kind == k {
			return o
		}
	}
	return scan.Overview{}
}

// until waits until an examination of an artifact has a status.
func (l *lab) until(id int64, k scan.Kind, status job.Status) scan.Overview {
	l.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		o := l.overview(id, k)
		if o.Status == status {
			return o
		}
		if time.Now().After(end) {
			l.Fatalf("it is not %s: %+v", status, o)
		}
	}
}

func (l *lab) start(ref string, k scan.Kind) {
	l.Helper()
	if err := l.Start(l.T.Context(), l.repo, tag(ref), k, ""); err != nil {
		l.Fatal(err)
	}
}

func tag(name string) oci.Reference {
	if d, err := oci.ParseDigest(name); err == nil {
		return oci.Reference{Digest: d}
	}
	return oci.Reference{Tag: name}
}

// events returns what happened, by the kinds of facts.
func (l *lab) events() (all []event.Event) {
	l.Helper()
	all, err := sqlstore.NewEvents(l.db).Pending(l.T.Context(), 1000)
	if err != nil {
		l.Fatal(err)
	}
	return all
}

func (l *lab) count(table string) (n int) {
	l.Helper()
	if err := l.db.QueryRow(l.T.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		l.Fatal(err)
	}
	return n
}

func named(all []scan.Finding) string {
	var names []string
	for _, f := range all {
		names = append(names, fmt.Sprintf("%s %s %s", f.ID, f.Package, f.Version))
	}
	return strings.Join(names, ", ")
}
