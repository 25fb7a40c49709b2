package db_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

func eachBenchmark(b *testing.B, f func(b *testing.B, d *db.DB)) {
	b.Run(string(db.SQLite), func(b *testing.B) { f(b, storetest.SQLite(b)) })
	b.Run(string(db.PostgreSQL), func(b *testing.B) { f(b, storetest.PostgreSQL(b)) })
}

// populate stores repositories of ten tags each.
func populate(b *testing.B, d *db.DB, repositories int) {
	b.Helper()
	body := make([]byte, 1500)
	err := d.Write(b.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'admin', 0, 0)`); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO project (id, name, owner_id, created, updated) VALUES (1, 'library', 1, 0, 0)`); err != nil {
			return err
		}
		for r := range repositories {
			if err := populateRepository(tx, r, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func populateRepository(tx *db.Tx, r int, body []byte) error {
	var repo int64
	err := tx.QueryRow(`INSERT INTO repository (project_id, name, created, updated) VALUES (1, ?, 0, 0) RETURNING id`,
		fmt.Sprintf("library/app%d", r)).Scan(&repo)
	if err != nil {
		return err
	}
	for i := range 10 {
		var id int64
		err := tx.QueryRow(`INSERT INTO artifact (repository_id, digest, media_type, size, manifest_size, pushed, body) VALUES (?, ?, ?, 0, 0, 0, ?) RETURNING id`,
			repo, fmt.Sprintf("sha256:%064d", i), "application/vnd.oci.image.manifest.v1+json", body).Scan(&id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO tag (repository_id, name, artifact_id, pushed) VALUES (?, ?, ?, 0)`, repo, fmt.Sprintf("v%d", i), id); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkTagLookup(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, d *db.DB) {
		populate(b, d, 1000)
		b.ResetTimer()
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i := n.Add(1) * 7919
				var id int64
				var digest, mediaType string
				var body []byte
				err := d.QueryRow(b.Context(), `SELECT a.id, a.digest, a.media_type, a.body FROM repository r
					JOIN tag t ON t.repository_id = r.id JOIN artifact a ON a.id = t.artifact_id WHERE r.name = ? AND t.name = ?`,
					fmt.Sprintf("library/app%d", i%1000), fmt.Sprintf("v%d", i%10)).Scan(&id, &digest, &mediaType, &body)
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkWrite makes durable what some writers write at the same time.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			eachBenchmark(b, func(b *testing.B, d *db.DB) {
				b.SetParallelism((writers + 1) / 2)
				var n atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						err := d.Write(b.Context(), func(tx *db.Tx) error {
							_, err := tx.Exec(`INSERT INTO event (kind, at, actor, fact) VALUES ('artifact.pushed', ?, '{}', '{}')`, n.Add(1))
							return err
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}
