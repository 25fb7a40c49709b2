package app

import (
	"context"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/token"
)

// external returns what examines for scanners that are programs of their own.
func (a *App) external(tokens *token.Service) func(scanner.Registration) *scan.External {
	pull := func(ctx context.Context, c access.Caller, repository string) (secret.Text, error) {
		granted, err := tokens.Grant(ctx, c, []access.Grant{{Type: "repository", Name: repository, Actions: []string{"pull"}}})
		if err != nil {
			return secret.Text{}, err
		}
		issued, err := tokens.Issue(ctx, c, tokens.Service(), granted)
		return secret.New(issued.Token), err
	}
	return func(r scanner.Registration) *scan.External {
		at := a.address()
		if r.Internal {
			at = a.internal()
		}
		return &scan.External{
			Connect: func() (*adapter.Client, error) { return a.scanners.Client(r) },
			Robots:  a.robots, Token: pull, Registry: strings.TrimSuffix(at, "/"),
		}
	}
}

// forgetScanners removes the reports of scanners that were deleted.
func (a *App) forgetScanners(ctx context.Context, events []event.Event) error {
	for _, e := range events {
		f, deleted := e.Fact.(event.ScannerDeleted)
		if !deleted {
			continue
		}
		if err := a.scans.Forget(ctx, f.ID); err != nil {
			return err
		}
	}
	return nil
}
