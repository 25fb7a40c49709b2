package sqlstore

import (
	"context"
	"fmt"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Settings keeps the settings that were changed. It is a setting.Store.
type Settings struct{ db *db.DB }

// NewSettings returns the settings in d.
func NewSettings(d *db.DB) *Settings { return &Settings{d} }

// All implements setting.Store.
func (s *Settings) All(ctx context.Context) (map[string]string, error) {
	return settingsOf(s.db.Query(ctx, allSettings))
}

const allSettings = `SELECT name, value FROM setting`

func settingsOf(rows *db.Rows, err error) (map[string]string, error) {
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, rows.Err()
}

const othersThanTheFirst = `SELECT EXISTS (SELECT 1 FROM account WHERE NOT deleted AND id > (SELECT MIN(id) FROM account))`

// Save implements setting.Store.
func (s *Settings) Save(ctx context.Context, values map[string]string, alone bool, check func(map[string]string) error, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		if alone {
			var others bool
			if err := tx.QueryRow(othersThanTheFirst).Scan(&others); err != nil {
				return err
			}
			if others {
				return setting.ErrUsers
			}
		}
		kept, err := settingsOf(tx.Query(allSettings))
		if err == nil {
			err = check(kept)
		}
		if err != nil {
			return err
		}
		for name, value := range values {
			_, err := tx.Exec(`INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
			if err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
		return record(tx, e)
	})
}

// Alone implements setting.Store.
func (s *Settings) Alone(ctx context.Context) (bool, error) {
	var others bool
	err := s.db.QueryRow(ctx, othersThanTheFirst).Scan(&others)
	return !others, err
}
