package storetest_test

import (
	"fmt"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func TestEachIsFreshAndMigrated(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, d *db.DB) {
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(`INSERT INTO system (name, value) VALUES ('a', '')`)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				var n int
				if err := d.QueryRow(t.Context(), `SELECT COUNT(*) FROM system`).Scan(&n); err != nil || n != 1 {
					t.Errorf("%d rows, %v", n, err)
				}
			})
		})
	}
}

func TestEachURLIsEmpty(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.QueryRow(t.Context(), `SELECT version FROM rights`).Scan(new(int)); err == nil {
			t.Error("it is migrated")
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
