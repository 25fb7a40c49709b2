package db_test

import (
	"slices"
	"testing"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// TestContentOfTheFirstSchemaIsKept fills a database of the first schema with two
// images that share a layer, an index of them, a referrer and an untagged image,
// and brings it up to date.
func TestContentOfTheFirstSchemaIsKept(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		d := open(t, url)
		if err := d.MigrateFirst(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		body := map[db.Dialect]string{db.SQLite: "CAST('{}' AS BLOB)", db.PostgreSQL: "CAST('{}' AS BYTEA)"}[d.Dialect()]
		image := func(id, repository, digest string) string {
			return `INSERT INTO artifact (id, repository_id, digest, media_type, config_media_type, size, manifest_size, pushed, body)
				VALUES (` + id + `, ` + repository + `, '` + digest + `', 'm', 'application/vnd.oci.image.config.v1+json', 500, 100, 7, ` + body + `)`
		}
		for _, q := range []string{
			`INSERT INTO account (id, name, created, updated) VALUES (1, 'a', 0, 0)`,
			`INSERT INTO project (id, name, owner_id, repo_count, created, updated) VALUES (1, 'p', 1, 2, 0, 0)`,
			`INSERT INTO project (id, name, owner_id, created, updated, deleted) VALUES (2, 'gone#2', 1, 0, 0, TRUE)`,
			`INSERT INTO repository (id, project_id, name, artifact_count, created, updated) VALUES (1, 1, 'p/app', 5, 0, 0), (2, 1, 'p/other', 1, 0, 0), (3, 1, 'p/empty', 0, 0, 0)`,
			`INSERT INTO blob (digest, size, storage_key, created) VALUES ('l1', 1000, 'k1', 0), ('l2', 2000, 'k2', 0), ('l3', 3000, 'k3', 5), ('l4', 4000, 'k4', 6)`,
			`INSERT INTO repository_blob (repository_id, digest, created) VALUES (1, 'l1', 0), (1, 'l2', 0), (2, 'l1', 0), (2, 'l3', 4)`,
			image("10", "1", "one"), image("11", "1", "two"), image("12", "1", "loose"), image("20", "2", "one"),
			`INSERT INTO artifact (id, repository_id, digest, media_type, size, manifest_size, pushed, body) VALUES (13, 1, 'index', 'application/vnd.oci.image.index.v1+json', 600, 200, 7, ` + body + `)`,
			`INSERT INTO artifact (id, repository_id, digest, media_type, size, manifest_size, subject, pushed, body) VALUES (14, 1, 'signature', 'm', 50, 50, 'one', 7, ` + body + `)`,
			`INSERT INTO artifact_blob (artifact_id, digest, repository_id, foreign_layer, size) VALUES
				(10, 'l1', 1, FALSE, 1000), (11, 'l1', 1, FALSE, 1000), (11, 'l2', 1, FALSE, 2000), (11, 'far', 1, TRUE, 9), (12, 'missing', 1, FALSE, 5), (20, 'l1', 2, FALSE, 1000)`,
			`INSERT INTO artifact_reference (parent_id, position, child_digest, repository_id) VALUES (13, 0, 'one', 1), (13, 1, 'two', 1)`,
			`INSERT INTO tag (id, repository_id, name, artifact_id, pushed) VALUES (5, 1, 'v1', 13, 7), (6, 1, 'two', 11, 7), (7, 2, 'v1', 20, 7)`,
		} {
			write(t, d, q)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for q, want := range map[string][]string{
			`SELECT CAST(id AS TEXT) || ' ' || type FROM artifact ORDER BY id`:         {"10 IMAGE", "11 IMAGE", "12 IMAGE", "13 IMAGE", "14 UNKNOWN", "20 IMAGE"},
			`SELECT CAST(id AS TEXT) FROM artifact WHERE listed = TRUE ORDER BY id`:    {"11", "12", "13", "20"}, // 10 is a child without a tag
			`SELECT accessory_of || ' ' || accessory_type FROM artifact WHERE id = 14`: {"one subject.accessory"},
			`SELECT DISTINCT CAST(project_id AS TEXT) FROM artifact`:                   {"1"},
			`SELECT DISTINCT CAST(project_id AS TEXT) FROM tag`:                        {"1"},
			`SELECT CAST(id AS TEXT) FROM artifact WHERE tagged = TRUE ORDER BY id`:    {"11", "13", "20"},
			`SELECT CAST(id AS TEXT) || tag_names FROM artifact ORDER BY id`:           {"10", "11/two", "12", "13/v1", "14", "20/v1"},
			`SELECT CAST(a.id AS TEXT) FROM artifact a JOIN artifact_kind k ON k.id = a.kind AND k.type = a.type AND k.media_type = a.media_type AND k.config_media_type = a.config_media_type ORDER BY a.id`: {"10", "11", "12", "13", "14", "20"},
			`SELECT name FROM repository WHERE listed = TRUE ORDER BY id`:                                               {"p/app", "p/other"},
			`SELECT CAST(artifact_count AS TEXT) || ' of ' || CAST(manifest_count AS TEXT) FROM repository ORDER BY id`: {"3 of 5", "1 of 1", "0 of 0"},
			`SELECT digest || ' ' || CAST(size AS TEXT) || ' ' || CAST(refs AS TEXT) FROM project_blob ORDER BY digest`: {"index 200 1", "l1 1000 3", "l2 2000 1", "loose 100 1", "one 100 2", "signature 50 1", "two 100 1"},
			`SELECT CAST(project_id AS TEXT) || ' ' || CAST(used AS TEXT) || ' ' || CAST(hard AS TEXT) FROM quota`:      {"1 3550 -1"},
			`SELECT name || ' ' || CAST(artifact_id AS TEXT) FROM tag ORDER BY id`:                                      {"v1 13", "two 11", "v1 20"},
			`SELECT CAST(artifact_id AS TEXT) || ' ' || digest FROM artifact_blob WHERE counted = TRUE ORDER BY 1`:      {"10 l1", "11 l1", "11 l2", "20 l1"},
			`SELECT child_digest FROM artifact_reference ORDER BY position`:                                             {"one", "two"},
		} {
			if got := texts(t, d, q); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
				t.Errorf("%s:\n%q, want\n%q", q, got, want)
			}
		}
		const waiting = `SELECT kind || ' ' || digest || ' ' || CAST(repository_id AS TEXT) || ' ' || CAST(review_after - 7200000000 AS TEXT) FROM gc_review ORDER BY kind`
		if got := texts(t, d, waiting); !slices.Equal(got, []string{"artifact loose 1 7", "blob l4 0 6", "link l3 2 4"}) {
			t.Errorf("%q wait for a review", got)
		}
		// New rows get ids of their own, and references still hold.
		write(t, d, `INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, pushed, body) VALUES (1, 2, 'new', 'm', 1, 1, 8, `+body+`)`)
		write(t, d, `INSERT INTO tag (repository_id, name, artifact_id, pushed) SELECT 2, 'new', id, 8 FROM artifact WHERE digest = 'new'`)
		write(t, d, `DELETE FROM repository WHERE id = 1`)
		for q, want := range map[string][]string{
			`SELECT digest FROM artifact ORDER BY id`: {"one", "new"},
			`SELECT name FROM tag ORDER BY id`:        {"v1", "new"},
			`SELECT digest FROM artifact_blob`:        {"l1"},
		} {
			if got := texts(t, d, q); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", q, got, want)
			}
		}
	})
}
