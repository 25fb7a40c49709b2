package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

const (
	// firstStart is the fact that the first start was complete, and when.
	firstStart = "first_start"
	// chartsListed is the fact that projects list the charts that were pushed
	// before there were classic repositories.
	chartsListed = "charts_listed"

	adminName      = "admin"
	libraryName    = "library"
	passwordLength = 24

	otherNode = 10 * time.Second // how long another node may take for the first start
)

// bootstrap completes the first start: the administrator, the project library,
// and the password shown. Killed at any point, it is completed by the next
// start; nobody can have signed in before, as nothing is served until then.
func (a *App) bootstrap(ctx context.Context, address string) error {
	done, err := a.bootstrapped(ctx)
	if done || err != nil {
		return err
	}
	password := a.cfg.AdminPassword
	if password.Empty() {
		password = secret.New(secret.Random(passwordLength))
	}
	ctx = access.With(ctx, access.Caller{Kind: access.User, Name: adminName})
	_, err = a.accounts.Bootstrap(ctx, password)
	if errors.Is(err, account.ErrBootstrapped) {
		if done, err := a.awaitOther(ctx); done || err != nil {
			return err
		}
		err = a.resetAdmin(ctx, password)
	}
	if errors.Is(err, secret.ErrWeak) {
		err = fmt.Errorf("admin_password: %w", err)
	}
	if err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	if err := a.createLibrary(ctx); err != nil {
		return fmt.Errorf("first start: project %s: %w", libraryName, err)
	}
	if a.cfg.AdminPassword.Empty() && a.cfg.FirstPassword != nil {
		a.cfg.FirstPassword(address, adminName, password)
	}
	return a.system.Set(ctx, firstStart, time.Now().UTC().Format(time.RFC3339))
}

// listCharts lists once what was pushed before projects listed charts. A start
// that ends meanwhile is completed by the next.
func (a *App) listCharts(ctx context.Context) error {
	_, err := a.system.Get(ctx, chartsListed)
	if !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err := sqlstore.NewCharts(a.db).ListOld(ctx); err != nil {
		return fmt.Errorf("listing the charts that are there: %w", err)
	}
	return a.system.Set(ctx, chartsListed, time.Now().UTC().Format(time.RFC3339))
}

func (a *App) bootstrapped(ctx context.Context) (bool, error) {
	_, err := a.system.Get(ctx, firstStart)
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// awaitOther gives another node that is at it the time to finish. Whoever holds
// the lock of the data folder is alone: the one who began is gone.
func (a *App) awaitOther(ctx context.Context) (done bool, err error) {
	if a.unlock != nil {
		return false, nil
	}
	end := time.After(otherNode)
	for {
		if done, err := a.bootstrapped(ctx); done || err != nil {
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-end:
			return false, nil
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// resetAdmin gives the administrator of a start that was cut short a password
// that can be shown again.
func (a *App) resetAdmin(ctx context.Context, password secret.Text) error {
	u, err := a.accounts.ByName(ctx, adminName)
	if err != nil {
		return err
	}
	err = a.accounts.ResetPassword(ctx, u.ID, password)
	if errors.Is(err, account.ErrSamePassword) {
		return nil
	}
	return err
}

func (a *App) createLibrary(ctx context.Context) error {
	u, err := a.accounts.ByName(ctx, adminName)
	if err != nil {
		return err
	}
	ctx = access.With(ctx, access.Caller{Kind: access.User, ID: u.ID, Name: u.Name, Admin: true})
	_, err = a.projects.Create(ctx, project.NewProject{Name: libraryName, Public: true})
	if errors.Is(err, project.ErrExists) {
		return nil
	}
	return err
}
