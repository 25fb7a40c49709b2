package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// advisoriesScheduled is the fact that advisories have had a schedule since when. One
// that administrators have removed is not made again.
const advisoriesScheduled = "advisories_scheduled"

// wireIntake makes what brings advisories up to date.
func (a *App) wireIntake(catalog artifact.Catalog) {
	a.intake = intake.New(intake.Config{
		Store: sqlstore.NewIntake(a.db), Advisories: a.advisories, Temp: a.advisoryDB.Temp, Sources: a.cfg.Advisories, Jobs: a.jobs, Reevaluate: a.reevaluate,
		Registry: &intake.Registry{Content: a.content, Catalog: catalog, Projects: a.projects},
	})
	a.scanners.Updated = func(ctx context.Context) (time.Time, error) {
		g, err := a.advisories.Generation(ctx)
		if g == 0 {
			return time.Time{}, err
		}
		return g.Published(), err
	}
}

// scheduleAdvisories has advisories brought up to date daily, from the first start on
// that knows where they come from, and no more where nothing says so. The time is
// nobody else's, so that not all servers ask at once.
func (a *App) scheduleAdvisories(ctx context.Context) error {
	since, err := a.system.Get(ctx, advisoriesScheduled)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if off := a.cfg.Advisories.Off(); off && since != "" {
		return errors.Join(a.jobs.Unschedule(access.With(ctx, itself), job.Advisories, 0), a.system.Set(ctx, advisoriesScheduled, ""))
	} else if off || since != "" {
		return nil
	}
	cron := fmt.Sprintf("%d %d %d * * *", rand.IntN(60), rand.IntN(60), rand.IntN(24))
	if _, err := a.jobs.Schedule(access.With(ctx, itself), job.Schedule{Kind: job.Advisories, Type: "Custom", Cron: cron}); err != nil {
		return fmt.Errorf("advisories: schedule: %w", err)
	}
	return a.system.Set(ctx, advisoriesScheduled, time.Now().UTC().Format(time.RFC3339))
}

// reevaluate is intake.Config's.
func (a *App) reevaluate(ctx context.Context) (int, error) {
	self, err := a.scanners.ByID(ctx, scanner.BuiltinID)
	if err != nil {
		return 0, err
	}
	return a.scans.Reevaluate(ctx, scan.Registration{UUID: self.ID, Scanner: self.Metadata.Scanner, Vulnerabilities: true})
}

// UpdateAdvisories is intake.Service.Update. A server that runs notices what is new.
func (t *Tools) UpdateAdvisories(ctx context.Context, tell func(advisory.Progress)) (r intake.Result, err error) {
	err = t.withIntake(func(s *intake.Service) error {
		r, err = s.Update(ctx, tell)
		return err
	})
	return r, err
}

// ImportAdvisories is intake.Service.Import.
func (t *Tools) ImportAdvisories(ctx context.Context, name string, file io.Reader, tell func(advisory.Progress)) (r intake.Result, err error) {
	err = t.withIntake(func(s *intake.Service) error {
		r, err = s.Import(ctx, name, file, tell)
		return err
	})
	return r, err
}

// ExportAdvisories is advisory.Service.Export.
func (t *Tools) ExportAdvisories(ctx context.Context, w io.Writer) error {
	return t.withIntake(func(s *intake.Service) error { return s.Advisories.Export(ctx, w) })
}

// AdvisoryStatus is advisory.Service.Status.
func (t *Tools) AdvisoryStatus(ctx context.Context) (st advisory.Status, err error) {
	err = t.withIntake(func(s *intake.Service) error {
		st, err = s.Advisories.Status(ctx)
		return err
	})
	return st, err
}

// withIntake opens the database of advisories.
func (t *Tools) withIntake(do func(*intake.Service) error) error {
	known, advisories, err := openAdvisories(t.cfg)
	if err != nil {
		return err
	}
	s := intake.New(intake.Config{Store: sqlstore.NewIntake(t.db), Advisories: advisories, Temp: known.Temp, Sources: t.cfg.Advisories})
	defer s.Close()
	return errors.Join(do(s), known.Close())
}

// openAdvisories opens the database of advisories, which its user closes.
func openAdvisories(cfg Config) (*advisorydb.Store, *advisory.Service, error) {
	known, err := advisorydb.New(cfg.advisories())
	if err != nil {
		return nil, nil, fmt.Errorf("advisories: %w", err)
	}
	s, err := advisory.New(known)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("advisories: %w", err), known.Close())
	}
	return known, s, nil
}

// advisories looks whether images can be judged.
func (e *examination) advisories(ctx context.Context) {
	const check = "advisories"
	if _, err := os.Stat(e.cfg.advisories()); errors.Is(err, os.ErrNotExist) {
		e.noAdvisories(check)
		return
	}
	known, err := advisorydb.New(e.cfg.advisories())
	if err != nil {
		e.fail(check, err, "give the user that runs berth the right to read there")
		return
	}
	defer known.Close()
	r, err := known.Open(ctx)
	if errors.Is(err, advisory.ErrNone) {
		e.noAdvisories(check)
		return
	}
	if err != nil {
		e.fail(check, err, `bring them up to date: "berth advisories update"`)
		return
	}
	defer r.Close()
	at := r.Generation().Published().UTC()
	if old := time.Since(at); old > oldAdvisories {
		e.warn(check, `look at "berth advisories status" for what failed, or import a newer file`, "the vulnerabilities that are known are %d days old", int(old.Hours()/24))
		return
	}
	e.ok(check, "the vulnerabilities that are known are those of %s", at.Format(time.RFC3339))
}

// oldAdvisories is the age that makes doctor warn.
const oldAdvisories = 7 * 24 * time.Hour

func (e *examination) noAdvisories(check string) {
	advice := `run "berth advisories update", or wait for the daily update`
	if e.cfg.Advisories.Source == "" {
		advice = `set advisories.source, or run "berth advisories import FILE"`
	}
	e.warn(check, advice, "there are no advisories yet: the built-in scanner cannot look for vulnerabilities")
}
