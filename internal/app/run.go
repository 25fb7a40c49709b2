package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/scan"
)

const (
	lastDelivery = 10 * time.Second // for events that still wait when the server stops
	lastWork     = 20 * time.Second // for what is done in the background to end
	sideShutdown = time.Second      // for the listeners of metrics and profiles
)

// running is what an App has while it runs.
type running struct {
	server *http.Server
	local  string         // URL
	sides  []*http.Server // metrics and profiles
	failed chan error     // of any listener

	cancel     context.CancelFunc // ends what runs in the background
	background sync.WaitGroup
}

// Run starts, serves until ctx ends, and stops.
func (a *App) Run(ctx context.Context) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-a.running.failed:
	}
	return errors.Join(failed, a.Stop())
}

// Start listens, completes the first start, and begins to serve. ctx bounds
// Start alone. Where it fails, the App is closed.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.Stop())
	}
	return nil
}

func (a *App) start(ctx context.Context) error {
	cfg, r := a.cfg, &a.running
	r.failed = make(chan error, 3)
	l, err := listen(ctx, cfg.Listen, cfg.HTTP.StallTimeout, cfg.HTTP.MaxConnections)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	// Clients that come now wait until the first start is complete.
	r.local = cfg.local(l.Addr().String())
	if err := a.bootstrap(ctx, a.address()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.listCharts(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.scheduleAdvisories(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.startSides(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := a.jobs.Start(ctx); err != nil {
		return errors.Join(err, l.Close())
	}
	a.startBackground()
	r.server = &http.Server{
		Handler:           a.handler,
		ReadHeaderTimeout: cfg.HTTP.HeaderTimeout,
		IdleTimeout:       cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    cfg.HTTP.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	if a.certificate != nil {
		r.server.TLSConfig = a.certificate.config()
		go a.serve(func() error { return r.server.ServeTLS(l, "", "") })
	} else {
		go a.serve(func() error { return r.server.Serve(l) })
	}
	cfg.Log.InfoContext(ctx, "serving", "address", a.address(), "listen", l.Addr().String(), "version", cfg.Version.Number,
		"data", cfg.Data, "database", string(a.db.Dialect()), "took", time.Since(a.began))
	return nil
}

// Local returns the URL by which this machine reaches the server, which is known
// after Start.
func (a *App) Local() string { return a.running.local }

// address returns the URL by which people reach the server.
func (a *App) address() string {
	if a.cfg.ExternalURL != "" {
		return a.cfg.ExternalURL
	}
	return a.running.local
}

// internal returns the URL by which neighbours reach the server.
func (a *App) internal() string {
	if a.cfg.InternalURL != "" {
		return a.cfg.InternalURL
	}
	return a.running.local
}

// serve runs a listener and tells when it ends by itself.
func (a *App) serve(run func() error) {
	if err := run(); !errors.Is(err, http.ErrServerClosed) {
		a.running.failed <- fmt.Errorf("serve: %w", err)
	}
}

// startSides begins to serve metrics and profiles where they have listeners of
// their own.
func (a *App) startSides(ctx context.Context) error {
	if at := a.cfg.MetricsListen; at != "" && at != off {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", a.metrics)
		if err := a.startSide(ctx, "metrics.listen", at, mux); err != nil {
			return err
		}
	}
	if at := a.cfg.DebugListen; at != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
		return a.startSide(ctx, "debug.listen", at, mux)
	}
	return nil
}

func (a *App) startSide(ctx context.Context, key, at string, h http.Handler) error {
	l, err := listen(ctx, at, a.cfg.HTTP.StallTimeout, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	side := &http.Server{Handler: h, ReadHeaderTimeout: a.cfg.HTTP.HeaderTimeout, IdleTimeout: a.cfg.HTTP.IdleTimeout}
	a.running.sides = append(a.running.sides, side)
	a.cfg.Log.InfoContext(ctx, "serving "+key, "listen", l.Addr().String())
	go a.serve(func() error { return side.Serve(l) })
	return nil
}

// startBackground begins what runs beside the requests, until Stop.
func (a *App) startBackground() {
	ctx, cancel := context.WithCancel(context.Background())
	r, log := &a.running, a.cfg.Log
	r.cancel = cancel
	r.background.Go(func() { a.pulls.Run(ctx) })
	r.background.Go(func() { a.audit.Run(ctx) })
	r.background.Go(func() {
		f := a.audit.Forwarder()
		defer f.Close()
		retry(ctx, log, "audit rows wait to be forwarded", auditPoll, f.Forward)
	})
	r.background.Go(func() { a.events.run(ctx) })
	r.background.Go(func() {
		retry(ctx, log, "abandoned uploads are not removed", time.Hour, a.content.ExpireUploads)
	})
	r.background.Go(func() { retry(ctx, log, "garbage is not collected", garbageReview, a.garbage.Review) })
	r.background.Go(func() {
		retry(ctx, log, "sessions that have expired are not removed", sessionSweep, a.sessions.Expire)
	})
	r.background.Go(func() {
		retry(ctx, log, "robots of scans that have expired are not removed", robot.ScanSweepEvery, a.robots.ExpireScans)
	})
	r.background.Go(func() {
		retry(ctx, log, "the health of registries is not looked at", healthPoll, a.endpoints.Check)
	})
	r.background.Go(func() {
		retry(ctx, log, "the health of scanners is not looked at", healthPoll, a.scanners.Check)
	})
	r.background.Go(func() {
		retry(ctx, log, "vulnerabilities that nothing has are not removed", scan.SweepEvery, a.scans.Sweep)
	})
	r.background.Go(func() {
		retry(ctx, log, "what earlier versions have read of layers is not removed", scan.SweepEvery, sweepFacts(a.facts))
	})
	r.background.Go(func() {
		retry(ctx, log, "reports do not know the newest advisories", intake.NoticeEvery, a.intake.Notice)
	})
	r.background.Go(func() { retry(ctx, log, "old exports are not removed", export.SweepEvery, a.exports.Sweep) })
	r.background.Go(func() { retry(ctx, log, "work that was stopped may go on", job.WatchEvery, a.jobs.Watch) })
	r.background.Go(func() { retry(ctx, log, "work waits to begin", job.TickEvery, a.jobs.Tick) })
	r.background.Go(func() { retry(ctx, log, "other nodes do not hear of this one", job.BeatEvery, a.jobs.Beat) })
	r.background.Go(func() { retry(ctx, log, "work that is over is not forgotten", job.SweepEvery, a.jobs.Sweep) })
	r.background.Go(func() { watchRights(ctx, log, a.rights.Version, a.epoch) })
}

// Stop accepts no more requests, lets those in flight finish, delivers what
// waits to be, and closes everything.
func (a *App) Stop() error {
	log, r := a.cfg.Log, &a.running
	var errs []error
	served := r.server != nil
	if served {
		log.Info("stopping; requests in flight may finish", "within", a.cfg.StopTimeout)
		errs = append(errs, a.shutdown())
	}
	for _, side := range r.sides {
		ctx, cancel := context.WithTimeout(context.Background(), sideShutdown)
		if side.Shutdown(ctx) != nil {
			errs = append(errs, side.Close())
		}
		cancel()
	}
	if r.cancel != nil {
		ctx, cancel := context.WithTimeout(context.Background(), lastWork)
		if err := a.jobs.Close(ctx); err != nil {
			log.Error("work did not end; it is taken up again", "error", err)
		}
		cancel()
		a.caches.Close() // which notes the pulls of what is not whole
		r.cancel()
		r.background.Wait()
		// The last pulls have only now become events.
		ctx, cancel = context.WithTimeout(context.Background(), lastDelivery)
		defer cancel()
		if err := a.events.drain(ctx); err != nil {
			log.Error("events wait for the next start to be delivered", "error", err)
		}
	}
	if err := errors.Join(append(errs, a.Close())...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if served {
		log.Info("stopped")
	}
	return nil
}

// shutdown ends the server, by force where requests take too long.
func (a *App) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.StopTimeout)
	defer cancel()
	err := a.running.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.cfg.Log.Warn("requests in flight took too long and are cut")
		return a.running.server.Close()
	}
	return err
}
