package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// createRepo returns a repository, which does not exist so far, of a new project.
func createRepo(t *testing.T, d *db.DB, project string) artifact.Repo {
	t.Helper()
	owner := createUser(t, d, sampleUser("owner of "+project))
	return artifact.Repo{ProjectID: createProject(t, d, project, owner.ID), Name: project + "/app"}
}

// pushArtifact pushes a manifest without blobs and returns its id.
func pushArtifact(ctx context.Context, d *db.DB, repo artifact.Repo, body string, tags ...string) (id int64, err error) {
	p := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, []byte(body)), Body: []byte(body), Tags: tags, At: accountTime}
	if err := NewArtifacts(d).Record(ctx, p, event.New(by, event.ArtifactPushed{Where: repo.Where()})); err != nil {
		return 0, err
	}
	a, _, err := NewArtifacts(d).Find(ctx, repo.Name, oci.Reference{Digest: p.Digest}, false)
	return a.ID, err
}

func push(t *testing.T, d *db.DB, repo artifact.Repo, body string, tags ...string) (id int64) {
	t.Helper()
	id, err := pushArtifact(t.Context(), d, repo, body, tags...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func pullOf(repo artifact.Repo, id int64, tag string, at time.Time) artifact.Pull {
	return artifact.Pull{ArtifactID: id, Event: event.Event{At: at, Actor: by, Fact: event.ArtifactPulled{Where: repo.Where(), Tag: tag}}}
}

// pulledAt returns a time of the last pull in seconds after accountTime, or -1.
func pulledAt(t *testing.T, d *db.DB, from string, args ...any) float64 {
	t.Helper()
	var at int64
	if err := d.QueryRow(t.Context(), `SELECT pulled FROM `+from, args...).Scan(&at); err != nil {
		t.Fatal(err)
	}
	if at == 0 {
		return -1
	}
	return time.UnixMicro(at).Sub(accountTime).Seconds()
}

func TestPullsAreCountedAndTimesOnlyGoForward(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		app, gone := createRepo(t, d, "p"), createRepo(t, d, "q")
		old, fresh := push(t, d, app, "old", "stays", "moves"), push(t, d, app, "fresh", "moves")
		drain(t, d)
		after := func(seconds int) time.Time { return accountTime.Add(time.Duration(seconds) * time.Second) }
		pulls := []artifact.Pull{
			pullOf(app, old, "stays", after(5)),
			pullOf(gone, 1<<40, "moves", after(9)), // of a repository that was deleted
			pullOf(app, old, "moves", after(7)),    // which pointed at it then
			pullOf(app, old, "stays", after(3)),
			pullOf(app, old, "", after(6)),
		}
		if err := NewArtifacts(d).Pulled(t.Context(), pulls, artifact.Omit{}); err != nil {
			t.Fatal(err)
		}
		for from, want := range map[string]float64{
			fmt.Sprintf("artifact WHERE id = %d", old): 7, fmt.Sprintf("artifact WHERE id = %d", fresh): -1,
			"tag WHERE name = 'stays'": 5, "tag WHERE name = 'moves'": -1,
		} {
			if got := pulledAt(t, d, from); got != want {
				t.Errorf("%s: pulled at %v, want %v", from, got, want)
			}
		}
		var count int64
		if err := d.QueryRow(t.Context(), `SELECT pull_count FROM repository WHERE name = ?`, app.Name).Scan(&count); err != nil || count != 4 {
			t.Errorf("%d pulls, %v", count, err)
		}
		events := drain(t, d)
		if len(events) != len(pulls) {
			t.Fatalf("%d events of %d pulls", len(events), len(pulls))
		}
		for i, e := range events {
			if !e.At.Equal(pulls[i].Event.At) {
				t.Errorf("event %d is of %v", i, e.At)
			}
		}
	})
}

func TestPullsAreCountedByDay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		store, one, other := NewArtifacts(d), createRepo(t, d, "p"), createRepo(t, d, "q")
		push(t, d, one, "one", "1")
		push(t, d, other, "other", "1")
		midnight := accountTime.Truncate(24 * time.Hour)
		pulled := func(omit artifact.Omit, at time.Time, repos ...artifact.Repo) {
			t.Helper()
			var pulls []artifact.Pull
			for _, r := range repos {
				pulls = append(pulls, pullOf(r, 1<<40, "", at))
			}
			if err := store.Pulled(t.Context(), pulls, omit); err != nil {
				t.Fatal(err)
			}
		}
		days := func(projectID int64, n int, want ...int64) {
			t.Helper()
			found, err := store.PullsByDay(t.Context(), projectID, accountTime, n)
			if err != nil || len(found) != n {
				t.Fatalf("%d days: %v", len(found), err)
			}
			for i, w := range want {
				day := midnight.AddDate(0, 0, i-len(want)+1)
				if got := found[n-len(want)+i]; got.Count != w || !got.Day.Equal(day) {
					t.Errorf("project %d: %+v, want %d on %v", projectID, got, w, day)
				}
			}
		}
		pulled(artifact.Omit{}, midnight.AddDate(0, 0, -500), one)
		pulled(artifact.Omit{}, midnight.Add(-time.Microsecond), one, one)
		pulled(artifact.Omit{}, midnight, one, other)
		pulled(artifact.Omit{}, midnight.Add(time.Hour), one)
		pulled(artifact.Omit{Counts: true}, midnight, one)
		days(one.ProjectID, 3, 0, 2, 2)
		days(other.ProjectID, 2, 0, 1)
		days(0, 2, 2, 3)
		days(0, 1, 3)
		var oldest int64
		if err := d.QueryRow(t.Context(), `SELECT MIN(day) FROM pull_day`).Scan(&oldest); err != nil || oldest != midnight.Unix()/86400-1 {
			t.Errorf("the oldest day is %d, %v", oldest, err)
		}
	})
}

// TestPullsByScannersAreLeftOutWhereThatIsWanted: their times and counts, and no event.
func TestPullsByScannersAreLeftOutWhereThatIsWanted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		app := createRepo(t, d, "p")
		id := push(t, d, app, "image", "1")
		drain(t, d)
		pull := pullOf(app, id, "1", accountTime.Add(5*time.Second))
		pull.Scan = true
		for _, step := range []struct {
			omit  artifact.Omit
			at    float64
			count int64
		}{{artifact.Omit{Scans: true}, -1, 0}, {artifact.Omit{}, 5, 1}} {
			if err := NewArtifacts(d).Pulled(t.Context(), []artifact.Pull{pull}, step.omit); err != nil {
				t.Fatal(err)
			}
			var count int64
			if err := d.QueryRow(t.Context(), `SELECT pull_count FROM repository WHERE name = ?`, app.Name).Scan(&count); err != nil || count != step.count {
				t.Errorf("%+v: %d pulls, %v", step.omit, count, err)
			}
			if got := pulledAt(t, d, fmt.Sprintf("artifact WHERE id = %d", id)); got != step.at {
				t.Errorf("%+v: pulled at %v", step.omit, got)
			}
			if events := drain(t, d); len(events) != 1 {
				t.Errorf("%+v: %d events", step.omit, len(events))
			}
		}
	})
}

// Pulls are written on every node, every second, beside the pushes. They must
// not wait for each other in a circle: that ends only by PostgreSQL's timeout of
// a second, at the cost of whoever is chosen.
func TestPullsAndPushesDoNotWaitForEachOtherInCircles(t *testing.T) {
	d := storetest.PostgreSQL(t)
	const repositories = 10
	var repos [repositories]artifact.Repo
	var ids [repositories]int64
	first := createRepo(t, d, "p")
	for i := range repos {
		repos[i] = artifact.Repo{ProjectID: first.ProjectID, Name: fmt.Sprintf("p/app%d", i)}
		ids[i] = push(t, d, repos[i], "image", "latest")
	}
	race(t, func(ctx context.Context, i int) error {
		for round := range 20 {
			if i%4 == 0 {
				at := (i + round) % repositories
				if _, err := pushArtifact(ctx, d, repos[at], "image", "latest"); err != nil {
					return err
				}
				continue
			}
			var pulls []artifact.Pull
			for at := range repos {
				pulls = append(pulls, pullOf(repos[at], ids[at], "latest", accountTime.Add(time.Duration(1+round*racers+i)*time.Second)))
			}
			if err := NewArtifacts(d).Pulled(ctx, pulls, artifact.Omit{}); err != nil {
				return err
			}
		}
		return nil
	})
	var circles int
	if err := d.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&circles); err != nil || circles > 0 {
		t.Errorf("%d deadlocks, %v", circles, err)
	}
}

// A request whose rights were judged in a project that was deleted since changes
// nothing in the next project of that name.
func TestTheNextProjectOfTheSameNameIsNotMeant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		before := createRepo(t, d, "p")
		if err := NewProjects(d).Delete(t.Context(), before.ProjectID, by); err != nil {
			t.Fatal(err)
		}
		now := artifact.Repo{ProjectID: createProject(t, d, "p", createUser(t, d, sampleUser("bob")).ID), Name: before.Name}
		push(t, d, now, "image", "v1")
		content := registry.Blob{Digest: oci.Sum(oci.SHA256, nil), Key: "k"}
		if _, err := NewBlobs(d).Finish(t.Context(), registry.Upload{Repo: now}, content); err != nil {
			t.Fatal(err)
		}
		artifacts, d1 := NewArtifacts(d), oci.Sum(oci.SHA256, []byte("image"))
		_, pushed := pushArtifact(t.Context(), d, before, "other")
		for what, err := range map[string]error{
			"a push": pushed, "a deletion": artifacts.Delete(t.Context(), before, d1, by),
			"a deletion of a tag": artifacts.DeleteTag(t.Context(), before, "", "v1", by),
		} {
			if !errors.Is(err, artifact.ErrRepositoryUnknown) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := NewBlobs(d).Unlink(t.Context(), before, content.Digest, event.New(by, event.BlobDeleted{})); !errors.Is(err, registry.ErrBlobUnknown) {
			t.Errorf("a deletion of a blob: %v", err)
		}
		if tags, blobs := rowsOf(t, d, "tag"), rowsOf(t, d, "repository_blob"); tags != 1 || blobs != 1 {
			t.Errorf("%d tags and %d blobs are left of one each", tags, blobs)
		}
	})
}

// A thousand referrers may have annotations of four megabytes each.
func TestReferrersEndWhereAnIndexIsFull(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo, subject := createRepo(t, d, "p"), oci.Sum(oci.SHA256, []byte("subject"))
		refer := func(from, n, size int) {
			t.Helper()
			for i := range n {
				body := fmt.Appendf(nil, "referrer %d", from+i)
				p := artifact.Push{Repo: repo, Digest: oci.Sum(oci.SHA256, body), Body: body, At: accountTime, Manifest: oci.Manifest{
					Subject: &oci.Descriptor{Digest: subject}, Annotations: map[string]string{"text": strings.Repeat("a", size)}}}
				if err := NewArtifacts(d).Record(t.Context(), p, event.New(by, event.ArtifactPushed{})); err != nil {
					t.Fatal(err)
				}
			}
		}
		refer(0, 10, 10)
		refer(10, 10, oci.MaxManifest/3)
		var after int64
		for page, want := range []int{14, 4, 2} {
			found, err := NewArtifacts(d).Referrers(t.Context(), repo.Name, subject, "", after, 1001)
			if err != nil || len(found) != want {
				t.Fatalf("page %d has %d referrers, not %d: %v", page, len(found), want, err)
			}
			after = found[len(found)-1].ID
		}
	})
}

// plan returns how a database goes about a statement. PostgreSQL runs it.
func plan(t *testing.T, d *db.DB, q string, args []any) string {
	t.Helper()
	var lines []string
	err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		if d.Dialect() == db.PostgreSQL {
			lines, err = columnOf[string](tx.Query(`EXPLAIN ANALYZE `+q, args...))
			return err
		}
		rows, err := tx.Query(`EXPLAIN QUERY PLAN `+q, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var line string
			if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// Pushes and pulls look up what they need, however many blobs the repository
// has, however many repositories have the blob, and however many tags the
// artifact. PostgreSQL's statistics are of before there were so many.
func TestLookupsDoNotGrow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) `
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, q := range []string{
				fmt.Sprintf(`INSERT INTO repository (id, project_id, name, created, updated) %s SELECT i, %d, 'p/r' || CAST(i AS TEXT), 0, 0 FROM n`, numbers, repo.ProjectID),
				`INSERT INTO blob (digest, size, storage_key, created) ` + numbers + `SELECT 'd' || CAST(i AS TEXT), 1, 'k', 0 FROM n`,
				`INSERT INTO repository_blob (repository_id, digest, created) ` + numbers + `SELECT i, 'd' || CAST(i AS TEXT), 0 FROM n`,
				`INSERT INTO artifact (id, project_id, repository_id, digest, media_type, size, manifest_size, pushed, body) ` + numbers + `SELECT i, 1, i, 'd', 'm', 1, 1, 0, CAST('' AS ` + bytesOf(d) + `) FROM n`,
				`INSERT INTO tag (repository_id, name, artifact_id, pushed) ` + numbers + `SELECT i, 'v1', i, 0 FROM n`,
				`ANALYZE`,
				`INSERT INTO repository_blob (repository_id, digest, created) ` + numbers + `SELECT 1, 'd' || CAST(i AS TEXT), 0 FROM n WHERE i > 1`,
				`INSERT INTO repository_blob (repository_id, digest, created) ` + numbers + `SELECT i, 'd1', 0 FROM n WHERE i > 1`,
				`INSERT INTO tag (repository_id, name, artifact_id, pushed) ` + numbers + `SELECT 1, 'w' || CAST(i AS TEXT), 1, 0 FROM n`,
			} {
				if _, err := tx.Exec(q); err != nil {
					return fmt.Errorf("%s: %w", q, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d.Dialect() == db.PostgreSQL { // which does so by itself, some time later
			rows, err := d.Query(t.Context(), `VACUUM repository_blob`)
			if err != nil {
				t.Fatal(err)
			}
			rows.Close()
		}
		for name, c := range map[string]struct {
			q    string
			args []any
			by   string // what SQLite must look a row up by
		}{
			"a blob":            {blobHere, []any{"p/r3000", "d1"}, "(digest=? AND repository_id=?)"},
			"blobs":             {blobsHere(3), []any{"d1", "d2000", "d3000", 1}, "(repository_id=? AND digest=?)"},
			"a tag's last pull": {updatePulledTag, []any{5, 1, "w3000", 1, 5}, "(repository_id=? AND name=?)"},
		} {
			p := plan(t, d, c.q, c.args)
			if strings.Contains(p, "Rows Removed") || d.Dialect() == db.SQLite && !strings.Contains(p, c.by) {
				t.Errorf("%s is searched for:\n%s", name, p)
			}
		}
	})
}

// bytesOf returns the name of the type of bytes.
func bytesOf(d *db.DB) string {
	if d.Dialect() == db.PostgreSQL {
		return "BYTEA"
	}
	return "BLOB"
}

func TestPullsLeaveNothingThatIsToBeOmitted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		repo := createRepo(t, d, "p")
		id := push(t, d, repo, "one", "1")
		drain(t, d)
		pulls := []artifact.Pull{pullOf(repo, id, "1", accountTime)}
		pulled := func(omit artifact.Omit, times, counts, events int) {
			t.Helper()
			if err := NewArtifacts(d).Pulled(t.Context(), pulls, omit); err != nil {
				t.Fatal(err)
			}
			var gotTimes, gotCounts int
			err := d.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM tag WHERE pulled > 0) + (SELECT COUNT(*) FROM artifact WHERE pulled > 0),
				(SELECT pull_count FROM repository WHERE name = ?)`, repo.Name).Scan(&gotTimes, &gotCounts)
			if got := len(drain(t, d)); err != nil || gotTimes != times || gotCounts != counts || got != events {
				t.Errorf("%+v: %d times, %d pulls, %d events: %v", omit, gotTimes, gotCounts, got, err)
			}
		}
		pulled(artifact.Omit{Times: true, Counts: true, Events: true}, 0, 0, 0)
		pulled(artifact.Omit{Times: true, Events: true}, 0, 1, 0)
		pulled(artifact.Omit{Times: true, Counts: true}, 0, 1, 1)
		pulled(artifact.Omit{Counts: true, Events: true}, 2, 1, 0)
	})
}
