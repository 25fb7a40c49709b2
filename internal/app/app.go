// Package app wires everything: it opens what is stored, makes each service of
// its parts, and runs them until it is told to stop. It is imported by cmd and
// by tests only, and decides nothing that another package could.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/addition"
	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/policy"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/proxycache"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/retention"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/api"
	"github.com/berth-registry/berth/internal/serve/auth"
	"github.com/berth-registry/berth/internal/serve/chartrepo"
	"github.com/berth-registry/berth/internal/serve/dist"
	"github.com/berth-registry/berth/internal/serve/metrics"
	"github.com/berth-registry/berth/internal/serve/portal"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/session"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/queue"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/webhook"
	built "github.com/berth-registry/berth/portal"
)

// An App is the whole server. New makes it, Run runs it; one that is not run is
// closed.
type App struct {
	cfg   Config
	began time.Time

	unlock func() error // nil where no lock is needed
	db     *db.DB

	system   *sqlstore.System
	epoch    *access.Epoch
	settings *setting.Service
	accounts *account.Service
	projects *project.Service
	robots   *robot.Service
	rights   *sqlstore.Rights
	content  *registry.Service
	pulls    *registry.Pulls
	audit    *audit.Service
	sessions *session.Service
	queue    *queue.Queue
	jobs     *job.Service
	events   *dispatcher
	garbage  *gc.Service
	metrics  *metrics.Metrics

	retention   *retention.Service
	webhooks    *webhook.Service
	endpoints   *endpoint.Service
	scanners    *scanner.Service
	replication *replication.Service
	scans       *scan.Service
	facts       *sqlstore.Scans
	advisoryDB  *advisorydb.Store
	advisories  *advisory.Service
	intake      *intake.Service
	signatures  *sign.Service
	allowlists  *allowlist.Service
	policy      *policy.Service
	exports     *export.Service
	caches      *proxycache.Service
	out         *outbound.Client // for what people of projects configure

	certificate *certificate // nil without TLS
	handler     http.Handler
	running     running
}

// New opens what is stored, brings it up to date, and wires all parts together.
// Nothing runs yet. ctx bounds New alone.
func New(ctx context.Context, cfg Config) (a *App, err error) {
	a = &App{began: time.Now()}
	if a.cfg, err = cfg.Complete(); err != nil {
		return nil, err
	}
	if err = a.open(ctx); err == nil {
		err = a.wire(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// open takes the data folder and opens the database.
func (a *App) open(ctx context.Context) (err error) {
	if err := os.MkdirAll(a.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if a.cfg.TLS.Certificate != "" {
		if a.certificate, err = loadCertificate(a.cfg.TLS.Certificate, a.cfg.TLS.Key, a.cfg.Log); err != nil {
			return err
		}
	}
	if strings.HasPrefix(a.cfg.Database, "sqlite:") {
		if a.unlock, err = lock(a.cfg.Data); err != nil {
			return err
		}
	}
	if a.db, err = openDB(ctx, a.cfg); err != nil {
		return err
	}
	return a.db.Migrate(ctx)
}

func openDB(ctx context.Context, cfg Config) (*db.DB, error) {
	return db.Open(ctx, cfg.Database, db.Options{Readers: cfg.Connections, Pool: cfg.Connections})
}

// wire makes each part of those before it, in the order of LAYERS.
func (a *App) wire(ctx context.Context) error {
	cfg, log, d := a.cfg, a.cfg.Log, a.db
	key, err := secret.LoadKey(cfg.SecretKeyFile)
	if err != nil {
		return fmt.Errorf("secret key: %w", err)
	}
	blobs, err := disk.New(cfg.blobs())
	if err != nil {
		return fmt.Errorf("blob store: %w", err)
	}
	external, err := cfg.external()
	if err != nil {
		return err
	}
	hasher, artifacts := secret.NewHasher(runtime.GOMAXPROCS(0)), sqlstore.NewArtifacts(d)
	artifacts.LogTo(log)
	a.system, a.rights, a.epoch = sqlstore.NewSystem(d), sqlstore.NewRights(d), new(access.Epoch)

	if a.settings, err = newSettings(cfg, d, key, a.epoch); err != nil {
		return err
	}
	a.accounts = account.New(sqlstore.NewAccounts(d), hasher, a.accountsLocal, a.epoch)
	out := outbound.NewDialer(outbound.ForSystem())
	directory := ldap.New(a.accounts, a.settings.Get, out)
	a.robots = robot.New(sqlstore.NewRobots(d), hasher, a.robotPrefix, a.epoch)
	a.projects = project.New(sqlstore.NewProjects(d), people{a.accounts, directory}, a.projectsRestricted, a.projectLimit, a.epoch)

	quotas := quota.New(sqlstore.NewQuotas(d), a.settings.Get, log)
	a.pulls = registry.NewPulls(artifacts, a.pullsOmit, log)
	a.content = registry.New(registry.Config{AllowMissingBlobs: cfg.AllowMissingBlobs, Gate: quotas, Pulls: pullGate{a}}, artifacts, sqlstore.NewBlobs(d), blobs, a.pulls)
	garbage := sqlstore.NewGarbage(d)
	a.garbage = gc.New(gc.Config{ReadOnly: isReadOnly(a.settings), Log: log}, garbage, garbage, blobs)
	a.audit = audit.New(sqlstore.NewAudit(d), a.settings.Get, time.Duration(cfg.AuditDays)*24*time.Hour, out, log)
	who := identity.New(a.epoch, identity.Robots(a.robots), directory, identity.Accounts(a.accounts))
	tokens, err := newTokens(ctx, cfg, d, key, a.projects, a.tokenLifetime)
	if err != nil {
		return err
	}
	if a.jobs, err = a.newJobs(ctx); err != nil {
		return err
	}
	labels := label.New(sqlstore.NewLabels(d))
	a.endpoints = endpoint.New(sqlstore.NewEndpoints(d), secret.NewSealer(key), outbound.ForSystem(), log)
	a.scanners = scanner.New(sqlstore.NewScanners(d), secret.NewSealer(key), outbound.ForSystem(), cfg.Version.Number, log)
	here := &replication.Here{Content: a.content, Artifacts: artifacts, Projects: a.projects, Catalog: artifacts, LabelsOf: labels}
	a.replication = replication.New(sqlstore.NewReplication(d), a.jobs, a.endpoints, here)
	a.caches = proxycache.New(proxycache.Config{Content: a.content, Projects: a.projects, Endpoints: a.endpoints, Fresh: cfg.CacheFresh, Log: log})
	if err := a.wireScanning(artifacts, tokens); err != nil {
		return err
	}
	a.wireIntake(artifacts)
	charts := chart.New(sqlstore.NewCharts(d), artifacts, a.content)
	rules := immutable.New(sqlstore.NewImmutable(d))
	a.retention = retention.New(sqlstore.NewRetention(d), remover{a.content, rules}, a.jobs)
	allowed, err := outbound.ParseAllow(cfg.OutboundAllow)
	if err != nil {
		return fmt.Errorf("outbound_allow: %w", err)
	}
	a.out = outbound.New(outbound.ForProjects(allowed), outbound.Limits{Whole: webhook.Patience})
	a.webhooks = webhook.New(webhook.Config{
		Store: sqlstore.NewWebhooks(d), Jobs: a.jobs, Sealer: secret.NewSealer(key), Out: a.out, Settings: a.settings.Get, Host: cfg.host(external),
	})
	a.events = &dispatcher{outbox: sqlstore.NewEvents(d), log: log, subscribers: []subscriber{{"audit", a.audit.Deliver}, {"webhook", a.webhooks.Deliver}, {"replication", a.replication.Deliver}, {"scan", a.scans.Deliver}, {"scanner", a.forgetScanners}}}

	a.metrics = metrics.New(metrics.Build{Version: cfg.Version.Number, Commit: cfg.Version.Commit, Go: cfg.Version.Go}, log)
	for name, stats := range d.Pools() {
		a.metrics.Pool(name, stats)
	}
	a.metrics.Garbage(a.garbage.Totals)
	a.sessions = session.New(sqlstore.NewSessions(d), a.sessionTimeout, nil)
	guard := auth.New(auth.Config{Identity: who, Tokens: tokens, Sessions: a.sessions, Accounts: a.accounts, Settings: a.settings.Get, Events: a.audit})
	rest, err := api.New(api.Config{
		Accounts: a.accounts, Directory: directory, Projects: a.projects, Robots: a.robots, Audit: a.audit, Quotas: quotas, Jobs: a.jobs, Settings: a.settings, Storage: "filesystem", Version: cfg.Version.Number, Log: log,
		Content: a.content, Catalog: artifacts, Labels: labels, Rules: rules, Retention: a.retention, Webhooks: a.webhooks, Endpoints: a.endpoints, Replication: a.replication, Additions: addition.New(artifacts, a.openBlob),
		Signatures: a.signatures, Scanners: a.scanners, Allowlists: a.allowlists, Scans: a.scans, Exports: a.exports, Advisories: a.advisories, Intake: a.intake, Hub: hub.New(sqlstore.NewHub(d), a.scans.DefaultScanner),
		Components: []api.Component{
			{Name: "core", Check: func(context.Context) error { return nil }},
			{Name: "database", Check: d.Ping},
			{Name: "registry", Check: blobs.Check},
		},
		Volume: func() (total, free uint64, err error) { return volume(cfg.Data) },
	})
	if err != nil {
		return err
	}
	pages, err := portal.New(built.Files())
	if err != nil {
		return err
	}
	doors := doors{
		registry: guard.Identify(dist.New(a.content, a.caches, a.projects, guard.Challenge)),
		api:      guard.Protect(rest),
		charts:   guard.Protect(chartrepo.New(charts, labels, a.projects)),
		token:    guard.Token(),
		sessions: guard.Sessions(),
		portal:   pages,
	}
	if cfg.MetricsListen == "" {
		doors.metrics = a.metrics
	}
	a.handler = unstall(web.Chain(log, a.metrics, cfg.TrustedProxies)(web.At(external, cfg.InternalURL)(readOnly{a.settings, doors})), cfg.HTTP.StallTimeout, a.metrics.Received)
	return nil
}

// newJobs returns what does work later.
func (a *App) newJobs(ctx context.Context) (*job.Service, error) {
	var err error
	if a.queue, err = queue.Open(ctx, a.cfg.Database, a.cfg.Log); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	rows := sqlstore.NewJobs(a.db)
	return job.New(job.Config{
		Store: rows, Schedules: rows, Logs: rows, Queue: a.queue, Works: a.works(), Log: a.cfg.Log,
		Node: uuid.NewString(), Host: host,
	}), nil
}

// newSettings returns the settings that are kept in d.
func newSettings(cfg Config, d *db.DB, key [32]byte, epoch *access.Epoch) (*setting.Service, error) {
	s, err := setting.New(sqlstore.NewSettings(d), secret.NewSealer(key), epoch, cfg.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

// doors are the handlers of the server, by the beginning of the path.
type doors struct {
	registry, api, charts, token, sessions, portal http.Handler

	metrics http.Handler // nil where it has a listener of its own, or none
}

// ServeHTTP does without a ServeMux, which redirects where clients of a registry
// expect an answer.
func (d doors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v2/"), path == "/v2":
		d.registry.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/chartrepo/"), strings.HasPrefix(path, "/api/chartrepo/"):
		d.charts.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/api/"):
		d.api.ServeHTTP(w, r)
	case path == "/service/token":
		d.token.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/c/"):
		d.sessions.ServeHTTP(w, r)
	case path == "/metrics" && d.metrics != nil:
		d.metrics.ServeHTTP(w, r)
	case path == "/metrics", path == "/v1", strings.HasPrefix(path, "/v1/"), strings.HasPrefix(path, "/service/"):
		web.Error(w, r, web.ErrNoRoute)
	default:
		d.portal.ServeHTTP(w, r)
	}
}

// openBlob is addition.Open.
func (a *App) openBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error) {
	_, r, err := a.content.OpenBlob(ctx, repo, d)
	return r, err
}

// Handler returns what answers all requests.
func (a *App) Handler() http.Handler { return a.handler }

// ReloadCertificate reads the files of the TLS certificate again, where there
// are any.
func (a *App) ReloadCertificate() {
	if a.certificate != nil {
		a.certificate.reload()
	}
}

// Close closes what New opened, for an App that does not run.
func (a *App) Close() error {
	var errs []error
	if a.queue != nil {
		errs = append(errs, a.queue.Close())
	}
	if a.out != nil {
		a.out.Close()
	}
	if a.caches != nil {
		a.caches.Close()
	}
	if a.endpoints != nil {
		a.endpoints.Close()
	}
	if a.intake != nil {
		a.intake.Close()
	}
	if a.advisoryDB != nil {
		errs = append(errs, a.advisoryDB.Close())
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	if a.unlock != nil {
		errs = append(errs, a.unlock())
	}
	return errors.Join(errs...)
}
