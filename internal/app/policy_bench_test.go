package app

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/policy"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A gated is a policy with what it asks, about what is in a database.
type gated struct {
	testing.TB
	*policy.Service

	db    *db.DB
	epoch *access.Epoch
	repo  artifact.Repo
}

func newGated(t testing.TB, d *db.DB) *gated {
	t.Helper()
	g := &gated{TB: t, db: d, epoch: new(access.Epoch), repo: artifact.Repo{ProjectID: 1, Name: "p/app"}}
	g.write(`INSERT INTO account (id, name, created, updated) VALUES (1, 'root', 1, 1)`)
	g.write(`INSERT INTO project (id, name, owner_id, public, created, updated) VALUES (1, 'p', 1, FALSE, 1, 1)`)
	g.write(`INSERT INTO repository (id, project_id, name, created, updated) VALUES (1, 1, 'p/app', 1, 1)`)
	projects := project.New(sqlstore.NewProjects(d), nil, nil, nil, g.epoch)
	registered := scanner.New(sqlstore.NewScanners(d), nil, outbound.Rules{}, "1", slog.New(slog.DiscardHandler))
	scans := scan.New(scan.Config{Store: sqlstore.NewScans(d), Projects: projects, Scanners: scanners{registered: registered}})
	g.Service = policy.New(policy.Config{
		Store: sqlstore.NewPolicies(d), Projects: projects, Reports: reports{scans, registered, allowlist.New(sqlstore.NewAllowlists(d))},
		Epoch: g.epoch, Log: slog.New(slog.DiscardHandler),
	})
	return g
}

func (g *gated) write(q string, args ...any) {
	g.Helper()
	if err := g.db.Write(g.Context(), func(tx *db.Tx) error { _, err := tx.Exec(q, args...); return err }); err != nil {
		g.Fatalf("%s: %v", q, err)
	}
}

// rules changes the project's metadata, as JSON has it.
func (g *gated) rules(metadata string) {
	g.Helper()
	g.write(`UPDATE project SET metadata = ?`, metadata)
	g.epoch.Bump()
}

// accept changes the project's allowlist.
func (g *gated) accept(expires *time.Time, ids ...string) {
	g.Helper()
	l := allowlist.List{ProjectID: 1, Items: ids, Expires: expires, Updated: time.Now()}
	if err := sqlstore.NewAllowlists(g.db).Set(g.Context(), l, event.Actor{Name: "root"}); err != nil {
		g.Fatal(err)
	}
}

// store keeps a manifest, and returns its artifact's id and digest.
func (g *gated) store(mediaType, body string) (id int64, d oci.Digest) {
	g.Helper()
	d = oci.Sum(oci.SHA256, []byte(body))
	err := g.db.Write(g.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, kind, type, listed, pushed, body) VALUES (1, 1, ?, ?, 1, ?, 1, 'IMAGE', TRUE, 1, ?) RETURNING id`,
			d, mediaType, len(body), []byte(body)).Scan(&id)
	})
	if err != nil {
		g.Fatal(err)
	}
	return id, d
}

// image stores one of ten layers.
func (g *gated) image(name string) (id int64, d oci.Digest) {
	g.Helper()
	one := func(kind string, i int) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s","digest":%q,"size":1000}`, kind, oci.Sum(oci.SHA256, fmt.Append(nil, name, i)))
	}
	var layers []string
	for i := range 10 {
		layers = append(layers, one("layer.v1.tar+gzip", i))
	}
	return g.store(oci.MediaTypeImageManifest, `{"schemaVersion":2,"mediaType":"`+oci.MediaTypeImageManifest+`","config":`+one("config.v1+json", 99)+`,"layers":[`+strings.Join(layers, ",")+`]}`)
}

// index stores one of images.
func (g *gated) index(ids ...int64) (id int64, d oci.Digest) {
	g.Helper()
	id, d = g.store(oci.MediaTypeImageIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"x":"%d"}}`, oci.MediaTypeImageIndex, ids))
	for i, child := range ids {
		g.write(`INSERT INTO artifact_reference (parent_id, position, repository_id, child_digest) SELECT ?, ?, 1, digest FROM artifact WHERE id = ?`, id, i, child)
	}
	return id, d
}

// examined keeps a report of n vulnerabilities, as scan does; change says what is
// other of each.
func (g *gated) examined(id int64, n int, change func(i int, v *finding.Vulnerability)) {
	g.Helper()
	r := scan.Result{Artifact: id, Scanner: scanner.BuiltinID, Kind: scan.Vulnerabilities, Content: fmt.Sprint(time.Now().UnixNano(), id)}
	for i := range n {
		v := finding.Vulnerability{
			ID: fmt.Sprintf("CVE-2026-%d", i), Package: fmt.Sprintf("package-%d", i), Version: "1.2.3", Fixed: "1.2.4", Severity: finding.Medium, Status: finding.Fixed,
			Description: strings.Repeat("An attacker does what should not be done. ", 12), Links: []string{"https://example.org/advisories/CVE-2026-1", "https://example.org/fixes/1"},
			Layers: []oci.Digest{oci.Sum(oci.SHA256, []byte("x"))},
		}
		if change != nil {
			change(i, &v)
		}
		r.Findings = append(r.Findings, scan.Finding{Vulnerability: v, Key: fmt.Sprintf("%08d %s %s %v", i, v.Package, v.Severity, v.Vendor)})
		if v.Vendor == nil {
			*map[finding.Severity]*int64{
				finding.Critical: &r.Counts.Critical, finding.High: &r.Counts.High, finding.Medium: &r.Counts.Medium, finding.Low: &r.Counts.Low,
			}[v.Severity]++
		}
	}
	if _, err := sqlstore.NewScans(g.db).Keep(g.Context(), r, nil); err != nil {
		g.Fatal(err)
	}
}

// ask returns why a pull is refused; empty: it is not.
func (g *gated) ask(id int64, d oci.Digest) string {
	g.Helper()
	_, err := g.CheckPull(g.Context(), g.repo, id, d, registry.Puller{})
	if err != nil && !fault.OfKind(err, fault.Precondition) {
		g.Fatal(err)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// BenchmarkCheckPull asks about pulls of an image of ten layers, in whose report are
// a thousand vulnerabilities.
func BenchmarkCheckPull(b *testing.B) {
	for _, of := range []db.Dialect{db.SQLite, db.PostgreSQL} {
		b.Run(string(of), func(b *testing.B) {
			url := storetest.URL(b, of)
			d, err := db.Open(b.Context(), url, db.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = d.Close() })
			if err := d.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			benchCheckPull(b, newGated(b, d))
		})
	}
}

func benchCheckPull(b *testing.B, g *gated) {
	few := func(i int, v *finding.Vulnerability) {
		if i%100 == 0 {
			v.Severity = finding.High
		}
	}
	good, goodDigest := g.image("good")
	g.examined(good, 1000, nil)
	bad, badDigest := g.image("bad")
	g.examined(bad, 1000, few)
	index, indexDigest := g.index(good)
	var accepted []string
	for i := 0; i < 1000; i += 100 {
		accepted = append(accepted, fmt.Sprintf("CVE-2026-%d", i))
	}
	const rule = `{"prevent_vul":"true","severity":"high","reuse_sys_cve_allowlist":"false"}`
	for _, c := range []struct {
		name, rules string
		id          int64
		d           oci.Digest
		accepted    []string
		refused     bool
	}{
		{"without rules", `{}`, good, goodDigest, nil, false},
		{"passing", rule, good, goodDigest, nil, false},
		{"an index passing", rule, index, indexDigest, nil, false},
		{"refusing", rule, bad, badDigest, nil, true},
		{"passing by the allowlist", rule, bad, badDigest, accepted, false},
		{"refusing beside the allowlist", rule, bad, badDigest, accepted[1:], true},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := *g
			g.TB = b
			g.rules(c.rules)
			g.accept(nil, c.accepted...)
			for b.Loop() {
				if why := g.ask(c.id, c.d); (why != "") != c.refused {
					b.Fatal(why)
				}
			}
		})
	}
}
