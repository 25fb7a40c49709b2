package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/addition"
	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/retention"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/webhook"
)

// oneByOne is for tests that send thousands of requests, each after the answer to
// the last. They run without the race detector alone: it would find nothing more
// in them than in those that send one of each, and makes them take minutes.
func oneByOne(t *testing.T) {
	t.Helper()
	if raced {
		t.Skip("not run under the race detector: one request at a time")
	}
}

// A world is an API over real services and a database of its own, in which
// there are always the same people, projects and robots:
//
//	users     root (1), an administrator; alice, mia, dev, gus, lim; bob
//	alpha     (1) of alice, private; mia is its maintainer, dev a developer, gus
//	          a guest, lim a limited guest
//	beta      (2) of bob, private
//	open      (3) of bob, public
//	robots    robot$alpha+ci (1) and robot$beta+ci (2), which may push and read
//	          members; robot$sys (3), which may list users and projects and read
//	          alpha
type world struct {
	t     testing.TB
	db    *db.DB
	api   *API
	who   *identity.Service
	chain http.Handler
	log   bytes.Buffer

	accounts *account.Service
	projects *project.Service
	robots   *robot.Service
	content  *registry.Service

	endpoints *endpoint.Service
	settings  *setting.Service
	scanner   string // id of the one that aScanner has made
	scans     *scan.Service
	inspector *inspector
	exports   *export.Service

	advisories *advisory.Service
	intake     *intake.Service
}

// password is everybody's; canary is what tests set, and look for where it must
// not be.
const (
	password = "Old-Passw0rd"
	canary   = "Canary-Passw0rd"
)

// people are the users in the order of their ids.
var people = []string{"root", "alice", "mia", "dev", "gus", "lim", "bob"}

func idOf(name string) int64 {
	for i, n := range people {
		if n == name {
			return int64(i + 1)
		}
	}
	return 0
}

// original makes the folder that all worlds are copies of: a database and blobs.
var original = sync.OnceValues(func() (fstest.MapFS, error) {
	folder, err := os.MkdirTemp("", "berth-api-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	d, err := db.Open(context.Background(), "sqlite://"+filepath.Join(folder, "world.db"), db.Options{})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(populate(d), fill(d, folder), d.Close()); err != nil {
		return nil, err
	}
	return remember(os.DirFS(folder))
})

// remember reads a folder into memory.
func remember(folder fs.FS) (fstest.MapFS, error) {
	files := fstest.MapFS{}
	return files, fs.WalkDir(folder, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(folder, path)
		files[path] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
}

// dataPlane returns the data plane over a database and the blobs of a folder.
func dataPlane(d *db.DB, folder string) (*registry.Service, error) {
	blobs, err := disk.New(filepath.Join(folder, "blobs"))
	if err != nil {
		return nil, err
	}
	artifacts := sqlstore.NewArtifacts(d)
	return registry.New(registry.Config{}, artifacts, sqlstore.NewBlobs(d), blobs, registry.NewPulls(artifacts, nil, slog.New(slog.DiscardHandler))), nil
}

// fill pushes what is in the projects: alpha/app:1 and alpha/lib/base:1, which
// are images, the same to beta and open.
func fill(d *db.DB, folder string) (err error) {
	content, err := dataPlane(d, folder)
	if err != nil {
		return err
	}
	ctx := access.With(context.Background(), access.Caller{Kind: access.User, ID: idOf("root"), Name: "root", Admin: true})
	defer remembered(ctx, d, &err)
	for i, name := range []string{"alpha", "beta", "open"} {
		for _, repository := range []string{"app", "lib/base"} {
			repo := artifact.Repo{ProjectID: int64(i + 1), Name: name + "/" + repository}
			if _, err := pushImage(ctx, content, repo, "1", name+" "+repository); err != nil {
				return err
			}
		}
	}
	return nil
}

func newAudit(d *db.DB) *audit.Service {
	return audit.New(sqlstore.NewAudit(d), func(context.Context) (setting.Values, error) { return setting.Values{}, nil }, 0, outbound.NewDialer(outbound.ForSystem()), slog.New(slog.DiscardHandler))
}

// remembered brings what happened into the audit log, unless something went wrong
// before.
func remembered(ctx context.Context, d *db.DB, err *error) {
	if *err != nil {
		return
	}
	var events []event.Event
	if events, *err = sqlstore.NewEvents(d).Pending(ctx, 1000); *err == nil {
		*err = newAudit(d).Deliver(ctx, events)
	}
}

// pushBlob puts a blob into a repository.
func pushBlob(ctx context.Context, content *registry.Service, repo artifact.Repo, data []byte) (oci.Descriptor, error) {
	d := oci.Sum(oci.SHA256, data)
	_, err := content.PushBlob(ctx, repo, d, registry.Chunk{Body: bytes.NewReader(data), Size: int64(len(data))})
	return oci.Descriptor{Digest: d, Size: int64(len(data))}, err
}

// pushImage pushes an image of one layer, which holds a text, under a tag.
func pushImage(ctx context.Context, content *registry.Service, repo artifact.Repo, tag, text string) (oci.Digest, error) {
	config, err := pushBlob(ctx, content, repo, []byte(`{"architecture":"amd64","os":"linux","author":"`+text+`","created":"2026-01-02T03:04:05Z",`+
		`"config":{"Cmd":["/app"]},"history":[{"created":"2026-01-02T03:04:05Z","created_by":"COPY app /"}],"rootfs":{"type":"layers","diff_ids":[]}}`))
	if err != nil {
		return "", err
	}
	layer, err := pushBlob(ctx, content, repo, []byte("a layer with "+text))
	if err != nil {
		return "", err
	}
	config.MediaType, layer.MediaType = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": config, "layers": []any{layer}})
	if err != nil {
		return "", err
	}
	done, err := content.PushManifest(ctx, repo, registry.PushRequest{Ref: oci.Reference{Tag: tag}, MediaType: oci.MediaTypeImageManifest, Body: body})
	return done.Digest, err
}

func populate(d *db.DB) error {
	ctx := context.Background()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	accounts, projects, robots := services(d)
	hash, err := secret.NewHasher(1).Hash(ctx, secret.New(password))
	if err != nil {
		return err
	}
	for _, name := range people {
		u := account.User{Name: name, Email: name + "@example.org", RealName: "R. " + name, Admin: name == "root", Created: time.Now()}
		u.Updated = u.Created
		if _, err := sqlstore.NewAccounts(d).Create(ctx, u, hash, event.Actor{Name: "test"}); err != nil {
			return err
		}
	}
	if _, err := accounts.ByID(ctx, idOf("root")); err != nil {
		return err
	}
	for i, p := range []struct{ name, owner, public string }{{"alpha", "alice", "false"}, {"beta", "bob", "false"}, {"open", "bob", "true"}} {
		owner := access.With(ctx, access.Caller{Kind: access.User, ID: idOf(p.owner), Name: p.owner})
		id, err := projects.Create(owner, project.NewProject{Name: p.name, Metadata: map[string]string{"public": p.public}})
		if err != nil || id != int64(i+1) {
			return fmt.Errorf("project %s has the id %d: %w", p.name, id, err)
		}
	}
	// Their memberships have the ids 4 to 7; 1 to 3 are those of the owners.
	for i, role := range []access.Role{access.Maintainer, access.Developer, access.Guest, access.LimitedGuest} {
		if _, err := projects.AddMember(ctx, 1, project.NewMember{UserName: people[i+2], Role: role}); err != nil {
			return err
		}
	}
	push := []access.Action{{Resource: "repository", Action: "push"}, {Resource: "member", Action: "read"}, {Resource: "member", Action: "list"}}
	for _, n := range []robot.NewRobot{
		{Name: "ci", Level: "project", Permissions: []access.Permission{{Kind: "project", Namespace: "alpha", Access: push}}},
		{Name: "ci", Level: "project", Permissions: []access.Permission{{Kind: "project", Namespace: "beta", Access: push}}},
		{Name: "sys", Level: "system", Permissions: []access.Permission{
			{Kind: "system", Namespace: "/", Access: []access.Action{{Resource: "user", Action: "list"}, {Resource: "project", Action: "list"}}},
			{Kind: "project", Namespace: "alpha", Access: []access.Action{{Resource: "project", Action: "read"}}},
		}},
	} {
		n.Duration = -1
		if _, _, err := robots.Create(access.With(ctx, access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true}), n); err != nil {
			return err
		}
	}
	return nil
}

func services(d *db.DB) (*account.Service, *project.Service, *robot.Service) {
	epoch, hasher := new(access.Epoch), secret.NewHasher(2)
	accounts := account.New(sqlstore.NewAccounts(d), hasher, nil, epoch)
	return accounts, project.New(sqlstore.NewProjects(d), storetest.People{Accounts: accounts}, nil, nil, epoch), robot.New(sqlstore.NewRobots(d), hasher, nil, epoch)
}

// newWorld makes a world. change may alter the configuration.
func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	data, err := original()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, data); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	if w.db, err = db.Open(t.Context(), "sqlite://"+filepath.Join(folder, "world.db"), db.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	if w.settings, err = setting.New(sqlstore.NewSettings(w.db), secret.NewSealer([32]byte{1}), new(access.Epoch), nil); err != nil {
		t.Fatal(err)
	}
	if w.content, err = dataPlane(w.db, folder); err != nil {
		t.Fatal(err)
	}
	w.accounts, w.projects, w.robots = services(w.db)
	w.who = identity.New(new(access.Epoch), identity.Robots(w.robots), identity.Accounts(w.accounts))
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	jobs := idleJobs(w.db, log)
	w.inspector = &inspector{content: w.content}
	w.scans = scan.New(scan.Config{Store: sqlstore.NewScans(w.db), Artifacts: sqlstore.NewArtifacts(w.db), Projects: w.projects, Content: w.content, Scanners: w.inspector, Jobs: jobs})
	w.exports = export.New(sqlstore.NewExports(w.db), jobs, w.scans.ScannerOf)
	w.endpoints = endpoint.New(sqlstore.NewEndpoints(w.db), secret.NewSealer([32]byte{1}), outbound.ForSystem(), log)
	t.Cleanup(w.endpoints.Close)
	known, err := advisorydb.New(filepath.Join(folder, "advisories"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { known.Close() })
	if w.advisories, err = advisory.New(known); err != nil {
		t.Fatal(err)
	}
	w.intake = intake.New(intake.Config{Store: sqlstore.NewIntake(w.db), Advisories: w.advisories, Temp: known.Temp, Sources: intake.Sources{Source: filepath.Join(folder, "osv")}, Jobs: jobs})
	t.Cleanup(w.intake.Close)
	c := Config{
		Accounts: w.accounts, Directory: ldap.New(w.accounts, w.settings.Get, outbound.NewDialer(outbound.ForSystem())), Projects: w.projects, Robots: w.robots, Audit: newAudit(w.db), Quotas: quota.New(sqlstore.NewQuotas(w.db), w.settings.Get, log), Settings: w.settings, Storage: "filesystem", Version: "1.2.3", Log: log,
		Content: w.content, Labels: label.New(sqlstore.NewLabels(w.db)), Rules: immutable.New(sqlstore.NewImmutable(w.db)), Catalog: sqlstore.NewArtifacts(w.db), Additions: addition.New(sqlstore.NewArtifacts(w.db), w.open), Signatures: sign.New(sqlstore.NewTrust(w.db), sqlstore.NewArtifacts(w.db), w.open),
		Jobs: jobs, Retention: retention.New(sqlstore.NewRetention(w.db), nil, jobs),
		Webhooks:   webhook.New(webhook.Config{Store: sqlstore.NewWebhooks(w.db), Jobs: jobs, Sealer: secret.NewSealer([32]byte{1}), Out: outbound.New(outbound.ForProjects(nil), outbound.Limits{}), Settings: w.settings.Get, Host: "berth.test"}),
		Scans:      w.scans,
		Advisories: w.advisories, Intake: w.intake,
		Exports:   w.exports,
		Hub:       hub.New(sqlstore.NewHub(w.db), w.scans.DefaultScanner),
		Endpoints: w.endpoints, Replication: replication.New(sqlstore.NewReplication(w.db), jobs, w.endpoints, nil),
		Scanners:   scanner.New(sqlstore.NewScanners(w.db), secret.NewSealer([32]byte{1}), outbound.ForSystem(), "1.2.3", log),
		Allowlists: allowlist.New(sqlstore.NewAllowlists(w.db)),
		Components: []Component{{"database", w.db.Ping}},
		Volume:     func() (total, free uint64, err error) { return 1 << 40, 1 << 39, nil },
	}
	for _, f := range change {
		f(&c)
	}
	if w.api, err = New(c); err != nil {
		t.Fatal(err)
	}
	w.chain = web.Chain(log, nil, nil)(w.identify(w.api))
	return w
}

// idleJobs has work wait: nothing is started that would do it.
func idleJobs(d *db.DB, log *slog.Logger) *job.Service {
	rows := sqlstore.NewJobs(d)
	return job.New(job.Config{
		Store: rows, Schedules: rows, Logs: rows, Queue: new(queue.Queue), Works: map[job.Kind]job.Work{job.GarbageCollection: {}, job.PurgeAudit: {}, job.Retention: {}, job.Webhook: {}, job.Slack: {}, job.Replication: {}, job.ImageScan: {}, job.SBOM: {}, job.ScanAll: {}, job.ScanExport: {}, job.Advisories: {}}, Log: log, Node: "node", Host: "host",
	})
}

// open is addition.Open.
func (w *world) open(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error) {
	_, r, err := w.content.OpenBlob(ctx, repo, d)
	return r, err
}

// identify takes the caller from the header As: a user's name, or robot:1.
func (w *world) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		principal := r.Header.Get("As")
		if id := idOf(principal); id != 0 {
			principal = fmt.Sprintf("user:%d", id)
		}
		c, err := w.who.ByPrincipal(r.Context(), principal)
		if err != nil {
			web.Error(rw, r, err)
			return
		}
		c.Request = web.RequestID(r.Context())
		next.ServeHTTP(rw, r.WithContext(access.With(r.Context(), c)))
	})
}

// An answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	request string
}

// do makes a request: "PUT /users/2". Lines behind the first are headers, and
// behind an empty one the body. A path that begins with /api is taken as it is, and
// {scanner} stands for the id of aScanner.
func (w *world) do(as, request string) answer {
	w.t.Helper()
	request = strings.ReplaceAll(request, "{scanner}", cmp.Or(w.scanner, "none"))
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	if !strings.HasPrefix(path, "/api") {
		path = base + path
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://berth.test"+path, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	r.Header.Set("As", as)
	out := answer{httptest.NewRecorder(), as + " " + request}
	w.chain.ServeHTTP(out, r)
	w.fits(method, path, out)
	return out
}

// want makes a request and complains of another status.
func (w *world) want(status int, as, request string) answer {
	w.t.Helper()
	got := w.do(as, request)
	if got.Code != status {
		w.t.Errorf("%s: %d, want %d\n%s", got.request, got.Code, status, got.Body)
	}
	return got
}

// into reads the body of an answer.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s: %v\n%s", a.request, err, a.Body)
	}
	return v
}

// problemOf returns the code and the message of an error.
func problemOf(t testing.TB, a answer) (code, message string) {
	t.Helper()
	p := into[web.Problems](t, a)
	if len(p.Errors) != 1 {
		t.Fatalf("%s: %s", a.request, a.Body)
	}
	return p.Errors[0].Code, p.Errors[0].Message
}

// rows returns what a table holds, as text by column and id.
func (w *world) rows(table string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, column := range w.columns(table) {
		rows, err := w.db.Query(w.t.Context(), "SELECT id, COALESCE(CAST("+column+" AS TEXT), '') FROM "+table)
		if err != nil {
			w.t.Fatal(err)
		}
		for rows.Next() {
			var id int64
			var value string
			if err := rows.Scan(&id, &value); err != nil {
				w.t.Fatal(err)
			}
			out[fmt.Sprintf("%s.%s of %d", table, column, id)] = value
		}
		rows.Close()
	}
	return out
}

// columns returns the names of a table's columns.
func (w *world) columns(table string) []string {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		w.t.Fatalf("no table %s", table)
	}
	return names
}
