package app

import (
	"context"
	"fmt"
	"os"

	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// CollectGarbage is gc.Service.Collect.
func (t *Tools) CollectGarbage(ctx context.Context, o gc.Options, report func(gc.Progress)) (gc.Result, error) {
	s, err := t.garbage()
	if err != nil {
		return gc.Result{}, err
	}
	o.By.Name = operator
	return s.Collect(ctx, o, report)
}

// CheckStorage is gc.Service.Reconcile.
func (t *Tools) CheckStorage(ctx context.Context, do gc.Repair, report func(gc.Finding)) (gc.Comparison, error) {
	s, err := t.garbage()
	if err != nil {
		return gc.Comparison{}, err
	}
	return s.Reconcile(ctx, do, report)
}

// garbage returns the garbage collection over what a server has stored, whose
// keys no other process ever gives out again.
func (t *Tools) garbage() (*gc.Service, error) {
	if _, err := os.Stat(t.cfg.blobs()); err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	blobs, err := disk.New(t.cfg.blobs())
	if err != nil {
		return nil, fmt.Errorf("blob store: %w", err)
	}
	settings, err := t.settings()
	if err != nil {
		return nil, err
	}
	rows := sqlstore.NewGarbage(t.db)
	return gc.New(gc.Config{ReadOnly: isReadOnly(settings), Log: t.cfg.Log}, rows, rows, blobs), nil
}
