//go:build e2e

package crash

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to create a database

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const (
	project  = "crash"
	user     = "pusher"
	password = "Pushes-and-dies-1"
	workers  = 4
)

// TestNothingAcknowledgedIsLost kills the server with SIGKILL at random
// instants while several clients push, and after each restart compares what is
// there with what was acknowledged: on SQLite and, where BERTH_TEST_POSTGRES
// names a server, on PostgreSQL. BERTH_TEST_KILLS is how often, BERTH_TEST_SEED
// repeats the choices of an earlier run.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	kills, seed := setting(t, "BERTH_TEST_KILLS", 20), setting(t, "BERTH_TEST_SEED", int(time.Now().UnixNano()%1e9))
	t.Logf("%d kills, BERTH_TEST_SEED=%d", kills, seed)
	t.Run("sqlite", func(t *testing.T) {
		killAgainAndAgain(t, berth.Options{}, kills, uint64(seed), false)
	})
	t.Run("postgres", func(t *testing.T) {
		killAgainAndAgain(t, berth.Options{Env: []string{"BERTH_DATABASE=" + newDatabase(t)}}, kills, uint64(seed), false)
	})
}

func killAgainAndAgain(t *testing.T, o berth.Options, kills int, seed uint64, collect bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(kills)*10*time.Second)
	defer cancel()
	s := berth.Run(t, o)
	prepare(t, s)
	j := newJournal()
	j.collected = collect
	random := rand.New(rand.NewPCG(seed, 0))
	var slowest time.Duration
	for n := range kills {
		r := &life{server: s, journal: j, number: n, seed: random.Uint64()}
		long := time.Duration(20+random.IntN(400)) * time.Millisecond
		if collect {
			long *= 4 // in which several collections begin
		}
		before := r.pushUntilKilled(ctx, t, long)
		began := time.Now()
		if err := s.Start(); err != nil {
			t.Fatalf("after kill %d: %v", n+1, err)
		}
		slowest = max(slowest, time.Since(began))
		// The session is of before the crash: what was signed then is still good.
		j.check(ctx, t, before)
		j.checkTags(ctx, t, before, r.repo())
		checkUsed(ctx, t, s)
		if collect {
			checkStorage(ctx, t, s)
		}
		if t.Failed() {
			t.Fatalf("after kill %d", n+1)
		}
	}
	if collect {
		collectEverything(ctx, t, s)
	}
	j.checkEverything(ctx, t, s)
	t.Logf("%s; the slowest of %d starts took %s", j, kills, slowest.Round(time.Millisecond))
	if len(j.manifests) < kills {
		t.Errorf("only %d manifests in %d rounds: the test does not test", len(j.manifests), kills)
	}
}

// newDatabase creates a database for a test and returns its URL.
func newDatabase(t *testing.T) string {
	t.Helper()
	server := os.Getenv("BERTH_TEST_POSTGRES")
	if server == "" {
		t.Skip("not run: BERTH_TEST_POSTGRES names no PostgreSQL")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprintf("crash_%d", time.Now().UnixNano())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func prepare(t *testing.T, s *berth.Server) {
	t.Helper()
	admin := s.Admin()
	if err := admin.CreateProject(t.Context(), project, false); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateUser(t.Context(), user, password); err != nil {
		t.Fatal(err)
	}
	if err := admin.AddMember(t.Context(), project, user, berth.Maintainer); err != nil {
		t.Fatal(err)
	}
}

// A life is that of the server between two kills.
type life struct {
	server  *berth.Server
	journal *journal
	number  int
	seed    uint64
	killed  atomic.Bool
}

func (r *life) repo() string { return fmt.Sprintf("%s/round-%03d", project, r.number) }

// repos are where this round pushes: one new repository, one that is old.
func (r *life) repos() []string { return []string{r.repo(), project + "/always"} }

// pushUntilKilled lets the workers push, kills the server after the given time,
// and returns the session that they used.
func (r *life) pushUntilKilled(ctx context.Context, t *testing.T, after time.Duration) *registry.Session {
	t.Helper()
	c := registry.New(r.server.URL, user, password, workers)
	defer c.Close()
	var scopes []string
	for _, repo := range r.repos() {
		scopes = append(scopes, registry.Scope(repo, registry.Delete))
	}
	session, err := c.SignIn(ctx, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	if r.journal.collected {
		wg.Go(func() { r.collect(ctx, t) })
	}
	for n := range workers {
		w := &worker{life: r, session: session, name: fmt.Sprintf("%d-%d", r.number, n), random: rand.New(rand.NewPCG(r.seed, uint64(n)))}
		wg.Go(func() {
			if err := w.work(ctx); err != nil {
				t.Errorf("worker %s, before the kill: %v", w.name, err)
			}
		})
	}
	time.Sleep(after)
	r.killed.Store(true)
	if err := r.server.Kill(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	return session
}

// A worker is one client. Its tags are its own, so that it knows what each may
// stand for.
type worker struct {
	*life
	session *registry.Session
	name    string
	random  *rand.Rand
	count   int
	pushed  []place // what may be deleted again
}

// work pushes until the server is gone. An error before that is returned.
func (w *worker) work(ctx context.Context) error {
	for {
		w.count++
		err := w.step(ctx)
		if w.killed.Load() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *worker) step(ctx context.Context) error {
	repos := w.repos()
	repo := repos[w.random.IntN(len(repos))]
	switch w.random.IntN(12) {
	case 0:
		return w.leaveOpen(ctx, repo)
	case 1:
		return w.pushIndex(ctx, repo)
	case 2:
		if len(w.pushed) > 0 {
			return w.deleteOne(ctx)
		}
	}
	im, err := w.pushImage(ctx, repo, w.tag())
	if err == nil {
		w.pushed = append(w.pushed, place{repo, im.Digest})
	}
	return err
}

// tag is a new one, or the one that this worker moves from image to image.
func (w *worker) tag() string {
	if w.random.IntN(3) == 0 {
		return "moving-" + w.name
	}
	return fmt.Sprintf("v%s-%d", w.name, w.count)
}

// pushImage pushes an image of its own layers and of one that every worker of
// the round pushes at the same time. Without a tag it is pushed by digest.
func (w *worker) pushImage(ctx context.Context, repo, tag string) (registry.Image, error) {
	id := fmt.Sprintf("%s/%s/%d", repo, w.name, w.count)
	layers := []registry.Blob{registry.NewBlob(100<<10, fmt.Sprintf("common %d %d", w.number, w.count))}
	for n := range 1 + w.random.IntN(3) {
		size := int64(w.random.IntN(64 << 10))
		if w.random.IntN(10) == 0 {
			size = 2 << 20
		}
		layers = append(layers, registry.NewBlob(size, fmt.Sprint(id, n)))
	}
	im := registry.NewImage(id, layers...)
	for _, b := range im.Blobs() {
		if err := w.pushBlob(ctx, repo, b); err != nil {
			return im, err
		}
	}
	for {
		err := w.putManifest(ctx, repo, tag, im.Manifest)
		if !w.journal.collected || registry.StatusOf(err) != http.StatusNotFound {
			return im, err
		}
		// What it needs was collected before it came: clients send it again.
		for _, b := range im.Blobs() {
			if err := w.session.PushBlob(ctx, repo, b); err != nil {
				return im, err
			}
		}
	}
}

func (w *worker) pushBlob(ctx context.Context, repo string, b registry.Blob) error {
	has, err := w.session.HasBlob(ctx, repo, b.Digest)
	if err != nil || has {
		return err
	}
	if w.random.IntN(2) == 0 || b.Size < 3 {
		err = w.session.PushBlob(ctx, repo, b)
	} else {
		err = w.pushChunks(ctx, repo, b)
	}
	if err == nil {
		w.journal.blob(place{repo, b.Digest})
	}
	return err
}

func (w *worker) pushChunks(ctx context.Context, repo string, b registry.Blob) error {
	at, err := w.session.Begin(ctx, repo)
	if err != nil {
		return err
	}
	middle := 1 + w.random.Int64N(b.Size-1)
	if at, err = w.session.Append(ctx, at, b, 0, middle); err != nil {
		return err
	}
	if at, err = w.session.Append(ctx, at, b, middle, b.Size); err != nil {
		return err
	}
	return w.session.Commit(ctx, at, b.Digest)
}

// leaveOpen sends half a blob, which can be gone on with after the crash.
func (w *worker) leaveOpen(ctx context.Context, repo string) error {
	b := registry.NewBlob(50<<10, "open "+w.name+strconv.Itoa(w.count))
	at, err := w.session.Begin(ctx, repo)
	if err != nil {
		return err
	}
	half := b.Size / 2
	if at, err = w.session.Append(ctx, at, b, 0, half); err != nil {
		return err
	}
	w.journal.upload(upload{repo, at, b, half})
	return nil
}

func (w *worker) pushIndex(ctx context.Context, repo string) error {
	var images []registry.Image
	for range 2 {
		w.count++
		im, err := w.pushImage(ctx, repo, "")
		if err != nil {
			return err
		}
		images = append(images, im)
	}
	return w.putManifest(ctx, repo, w.tag(), registry.NewIndex(images...))
}

func (w *worker) putManifest(ctx context.Context, repo, tag string, m registry.Manifest) error {
	reference := tag
	if tag == "" {
		reference = m.Digest
	}
	w.journal.pushing(repo, tag, m.Digest)
	err := w.session.PutManifest(ctx, repo, reference, m)
	if err == nil {
		w.journal.pushed(repo, tag, m.Digest)
	}
	return err
}

func (w *worker) deleteOne(ctx context.Context) error {
	n := w.random.IntN(len(w.pushed))
	p := w.pushed[n]
	w.pushed = append(w.pushed[:n], w.pushed[n+1:]...)
	w.journal.deleting(p)
	err := w.session.Delete(ctx, p.repo, p.reference)
	if err == nil {
		w.journal.deleted(p)
	}
	return err
}

// checkEverything checks all that was ever acknowledged, and then all that the
// server shows, known or not.
func (j *journal) checkEverything(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	c := registry.New(s.URL, "admin", berth.AdminPassword, workers)
	defer c.Close()
	catalog, err := c.SignIn(ctx, "registry:catalog:*")
	if err != nil {
		t.Fatal(err)
	}
	repos, err := catalog.Repositories(ctx, 10000, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, repo := range repos {
		session, err := c.SignIn(ctx, registry.Scope(repo, registry.Pull))
		if err != nil {
			t.Fatal(err)
		}
		j.checkTags(ctx, t, session, repo)
		for p, f := range j.manifests {
			if p.repo == repo {
				j.checkManifest(ctx, t, session, p, f)
			}
		}
		for p := range j.blobs {
			if p.repo == repo && !j.collected {
				if err := session.CheckBlob(ctx, p.repo, p.reference); err != nil {
					t.Errorf("an acknowledged blob: %v", err)
				}
			}
		}
	}
}

// checkTags checks that all that the repository shows can be pulled whole.
func (j *journal) checkTags(ctx context.Context, t *testing.T, s *registry.Session, repo string) {
	t.Helper()
	tags, err := s.Tags(ctx, repo, 10000, "")
	if registry.StatusOf(err) == http.StatusNotFound {
		return // killed before its first manifest
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if _, known := j.tags[place{repo, tag}]; !known {
			t.Errorf("%s:%s is there, but nobody pushed it", repo, tag)
		}
		if err := s.CheckImage(ctx, repo, tag); err != nil {
			t.Errorf("a tag that the server lists: %v", err)
		}
	}
}

// absent reports whether the server said that a thing is not there, and errors
// that say anything else.
func absent(err error) (bool, error) {
	var e *registry.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return true, nil
	}
	return false, err
}
