//go:build e2e

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/test/berth"
)

// patience is none: everything that nothing references goes at once.
var patience = []string{"--delay", "0s", "--trash", "0s"}

// collectImpatiently collects until the server is gone. Every other collection is
// killed.
func (r *life) collectImpatiently(ctx context.Context, t *testing.T) {
	random := rand.New(rand.NewPCG(r.seed, workers))
	for n := 0; !r.killed.Load(); n++ {
		limit := 5 * time.Minute
		if n%2 == 1 {
			limit = time.Duration(20+random.IntN(300)) * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		r.journal.note("another process collects without patience")
		out, err := r.server.Command(ctx, append([]string{"gc", "run", "--workers", "2"}, patience...)...)
		switch {
		case err == nil:
			r.journal.note("it has done so")
			r.journal.count("collect without patience", 1)
			r.journal.count("blobs collected without patience", deletedBy(out))
		case ctx.Err() != nil:
			r.journal.note("it was killed")
			r.journal.count("kill of a collection", 1)
		default:
			t.Errorf("a collection: %v", err)
		}
		cancel()
	}
}

// deletedBy reads how many blobs a collection has deleted.
func deletedBy(out []byte) (n int) {
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "blobs deleted") {
			_, _ = fmt.Sscan(line, &n) // or it is 0
		}
	}
	return n
}

// A collection is an execution as the API shows it.
type collection struct {
	ID     int64  `json:"id"`
	Status string `json:"job_status"`
}

func (c collection) over() bool {
	return c.Status == "Success" || c.Status == "Stopped" || c.Status == "Error"
}

// lastCollection returns the last one, which has no id where there was none.
func lastCollection(ctx context.Context, admin *berth.API) (c collection, err error) {
	var last []collection
	if _, err := admin.Do(ctx, "GET", "/system/gc?page_size=1", nil, &last); err != nil || len(last) == 0 {
		return collection{Status: "Success"}, err
	}
	return last[0], nil
}

func stopCollection(ctx context.Context, admin *berth.API, c collection) error {
	_, err := admin.Do(ctx, "PUT", fmt.Sprintf("/system/gc/%d", c.ID), nil, nil)
	return err
}

// collectOverAPI has the server collect until it is gone, also artifacts that no
// tag stands for. Some collections are stopped, and so is the one that the last
// crash has left: its node may be taken to live for a while.
func (r *life) collectOverAPI(ctx context.Context, t *testing.T) {
	random := rand.New(rand.NewPCG(r.seed, workers+1))
	admin := r.server.Admin()
	for {
		err := r.collectOnce(ctx, admin, random)
		if r.killed.Load() {
			return
		}
		if err != nil {
			t.Errorf("a collection over the API: %v", err)
			return
		}
		time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
	}
}

func (r *life) collectOnce(ctx context.Context, admin *berth.API, random *rand.Rand) error {
	c, err := lastCollection(ctx, admin)
	if err == nil && !c.over() {
		err = stopCollection(ctx, admin, c)
	}
	if err != nil {
		return err
	}
	order := map[string]any{"schedule": map[string]any{"type": "Manual"}, "parameters": map[string]any{"delete_untagged": true, "workers": 1 + random.IntN(3)}}
	if _, err := admin.Do(ctx, "POST", "/system/gc/schedule", order, nil); err != nil {
		return err
	}
	r.journal.note("the server collects")
	r.journal.count("collect over the API", 1)
	for patience := random.IntN(100); ; patience-- {
		c, err := lastCollection(ctx, admin)
		switch {
		case err != nil:
			return err
		case c.over() && c.Status != "Success":
			return fmt.Errorf("it ended as %s", c.Status)
		case c.over():
			r.journal.note("the server has collected")
			r.journal.count("complete collection over the API", 1)
			return nil
		case patience == 0:
			r.journal.note("the server's collection is stopped")
			return stopCollection(ctx, admin, c)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// quiet waits for the end of a collection that the server has taken up again, or
// stops it.
func quiet(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	admin := s.Admin()
	for n := range 50 {
		c, err := lastCollection(ctx, admin)
		if err == nil && c.over() {
			return
		}
		if err == nil && n == 49 {
			err = stopCollection(ctx, admin, c)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// openDatabase opens the database of a server beside it.
func openDatabase(ctx context.Context, t *testing.T, s *berth.Server, o berth.Options) *db.DB {
	t.Helper()
	at := "sqlite://" + s.Dir + "/berth.db"
	for _, v := range o.Env {
		if name, value, _ := strings.Cut(v, "="); name == databaseKey {
			at = value
		}
	}
	d, err := db.Open(ctx, at, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// hoursPass moves all times of a server that does not run into the past, so that
// all that may be garbage has waited for its time, and other nodes have been
// silent for long.
func hoursPass(ctx context.Context, t *testing.T, s *berth.Server, o berth.Options) {
	t.Helper()
	d := openDatabase(ctx, t, s, o)
	err := d.Write(ctx, func(tx *db.Tx) error {
		var failed error
		for _, q := range []string{
			`UPDATE gc_review SET review_after = review_after - ?`, `UPDATE blob SET trashed = trashed - ? WHERE state = 'trash'`,
			`UPDATE unlinked_blob SET unlinked = unlinked - ?`, `UPDATE garbage_key SET delete_after = delete_after - ?`, `UPDATE node SET heard = heard - ?`,
		} {
			_, err := tx.Exec(q, (7 * time.Hour).Microseconds())
			failed = errors.Join(failed, err)
		}
		return failed
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
}

// forgotten are rows that nothing references, and that nobody will look at; and
// first, those that are needed and not there.
var forgotten = map[string]string{
	"blobs that a manifest needs and its repository does not have": `SELECT COUNT(*) FROM artifact_blob b WHERE NOT b.foreign_layer
		AND NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest AND l.repository_id = b.repository_id)`,
	"blobs of repositories that nothing needs, and that do not wait": `SELECT COUNT(*) FROM repository_blob l
		WHERE NOT EXISTS (SELECT 1 FROM artifact_blob b WHERE b.digest = l.digest AND b.repository_id = l.repository_id)
		AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'link' AND g.repository_id = l.repository_id AND g.digest = l.digest)`,
	"blobs that no repository has, and that do not wait": `SELECT COUNT(*) FROM blob b WHERE b.state = 'live'
		AND NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest)
		AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'blob' AND g.digest = b.digest)`,
	"artifacts that nothing holds, and that do not wait": `SELECT COUNT(*) FROM artifact a WHERE a.accessory_of = ''
		AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id)
		AND NOT EXISTS (SELECT 1 FROM artifact_reference p WHERE p.child_digest = a.digest AND p.repository_id = a.repository_id)
		AND NOT EXISTS (SELECT 1 FROM gc_review g WHERE g.kind = 'artifact' AND g.repository_id = a.repository_id AND g.digest = a.digest)`,
}

// checkStorage checks that every row has its content, and that whatever nothing
// references waits to be looked at. Crashes leave content without a row, which is
// no loss.
func checkStorage(ctx context.Context, t *testing.T, s *berth.Server, o berth.Options) {
	t.Helper()
	if out, err := s.Command(ctx, "gc", "check"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	checkNone(ctx, t, s, o, forgotten)
}

// checkNone checks that queries count nothing.
func checkNone(ctx context.Context, t *testing.T, s *berth.Server, o berth.Options, queries map[string]string) {
	t.Helper()
	d := openDatabase(ctx, t, s, o)
	defer d.Close()
	for what, q := range queries {
		var n int64
		if err := d.QueryRow(ctx, q).Scan(&n); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n > 0 {
			t.Errorf("there are %d %s", n, what)
		}
	}
}

// garbage is what may not be there once everything was collected.
var garbage = map[string]string{
	"blobs that nothing references": `SELECT COUNT(*) FROM blob b WHERE NOT EXISTS (SELECT 1 FROM artifact_blob a WHERE a.digest = b.digest)`,
	"blobs of repositories that nothing references": `SELECT COUNT(*) FROM repository_blob l
		WHERE NOT EXISTS (SELECT 1 FROM artifact_blob a WHERE a.digest = l.digest AND a.repository_id = l.repository_id)`,
	"artifacts that nothing holds": `SELECT COUNT(*) FROM artifact a WHERE a.accessory_of = ''
		AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id)
		AND NOT EXISTS (SELECT 1 FROM artifact_reference p WHERE p.child_digest = a.digest AND p.repository_id = a.repository_id)`,
	"reviews": `SELECT COUNT(*) FROM gc_review`, "contents to be deleted": `SELECT COUNT(*) FROM garbage_key`, "notes of blobs that were here": `SELECT COUNT(*) FROM unlinked_blob`,
}

// collectEverything expects that nothing is left which nothing references. What a
// collection that was killed had taken to delete has been left to it for long
// enough when hours have passed.
func collectEverything(ctx context.Context, t *testing.T, s *berth.Server, o berth.Options) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	hoursPass(ctx, t, s, o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, command := range [][]string{
		append([]string{"gc", "run", "--delete-untagged"}, patience...),
		append([]string{"gc", "run"}, patience...),
		{"gc", "check", "--repair", "--grace", "0s"},
		{"gc", "check", "--grace", "0s"},
	} {
		var err error
		if out, err = s.Command(ctx, command...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	checkNone(ctx, t, s, o, garbage)
	var rows, contents int
	left := strings.TrimSpace(string(out))
	if _, err := fmt.Sscanf(left, "%d rows and %d contents compared", &rows, &contents); err != nil || rows != contents || !strings.Contains(left, " 0 contents of 0 bytes and 0 uploads") {
		t.Errorf("garbage stays: %s", left)
	}
}
