//go:build e2e

package crash

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
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
	rounds   = 6 // whose repositories are there
)

// TestNothingAcknowledgedIsLost kills the server with SIGKILL at random instants
// while several clients push, mount, move tags, copy and delete, and while
// garbage is collected: by the server itself, by executions of the API, and by
// another process that has no patience and is killed as well. After each restart
// it compares what is there with what was acknowledged, on SQLite and, where
// BERTH_TEST_POSTGRES names a server, on PostgreSQL, both at once.
//
// BERTH_TEST_KILLS is how often the server is killed, BERTH_TEST_SOAK for how long
// at least. BERTH_TEST_SEED repeats the choices of an earlier run, though not what
// came of them.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	kills, seed := setting(t, "BERTH_TEST_KILLS", 10), setting(t, "BERTH_TEST_SEED", int(time.Now().UnixNano()%1e9))
	var soak time.Duration
	if text := os.Getenv("BERTH_TEST_SOAK"); text != "" {
		var err error
		if soak, err = time.ParseDuration(text); err != nil {
			t.Fatalf("BERTH_TEST_SOAK: %v", err)
		}
	}
	t.Logf("%d kills, %s, BERTH_TEST_SEED=%d", kills, soak, seed)
	each(t, func(t *testing.T, o berth.Options) {
		t.Parallel()
		killAgainAndAgain(t, o, kills, soak, uint64(seed))
	})
}

// each runs a test on SQLite and on PostgreSQL.
func each(t *testing.T, test func(t *testing.T, o berth.Options)) {
	t.Run("sqlite", func(t *testing.T) { test(t, berth.Options{}) })
	t.Run("postgres", func(t *testing.T) {
		test(t, berth.Options{Env: []string{databaseKey + "=" + newDatabase(t)}})
	})
}

const databaseKey = "BERTH_DATABASE"

func killAgainAndAgain(t *testing.T, o berth.Options, kills int, soak time.Duration, seed uint64) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+2*soak+time.Duration(kills)*10*time.Second)
	defer cancel()
	s := berth.Run(t, o)
	prepare(t, s)
	random := rand.New(rand.NewPCG(seed, 0))
	var all []*worker
	for n := range workers {
		all = append(all, &worker{name: strconv.Itoa(n), random: rand.New(rand.NewPCG(seed, uint64(n+1)))})
	}
	j, began, slowest := newJournal(), time.Now(), time.Duration(0)
	for n := 0; n < kills || time.Since(began) < soak; n++ {
		r := newLife(s, j, n, random)
		session := r.untilKilled(ctx, t, all)
		hours := random.IntN(2) == 0
		if hours {
			hoursPass(ctx, t, s, o)
			j.note("hours pass")
		}
		starting := time.Now()
		if err := s.Start(); err != nil {
			t.Fatalf("after kill %d: %v", n+1, err)
		}
		slowest = max(slowest, time.Since(starting))
		// The session is of before the crash: what was signed then is still good.
		j.check(ctx, t, session, !hours, !hours && !r.impatient)
		j.checkTags(ctx, t, session, r.repo(0))
		quiet(ctx, t, s)
		checkUsed(ctx, t, s)
		checkStorage(ctx, t, s, o)
		if t.Failed() {
			t.Fatalf("after kill %d", n+1)
		}
		j.count("kill", 1)
	}
	t.Logf("%s; the slowest start took %s; %s in all", j, slowest.Round(time.Millisecond), time.Since(began).Round(time.Second))
	c := registry.New(s.URL, "admin", berth.AdminPassword, workers)
	defer c.Close()
	j.checkEverything(ctx, t, c)
	collectEverything(ctx, t, s, o)
	j.checkEverything(ctx, t, c)
	if !t.Failed() {
		j.checkVariety(t)
	}
}

// checkVariety checks that the test has tested all that it should.
func (j *journal) checkVariety(t *testing.T) {
	t.Helper()
	for _, what := range []string{
		"push an image", "push an index", "mount", "retag", "untag", "delete", "copy", "delete repository",
		"leave an upload open", "go on with an upload", "collect over the API", "collect without patience", "blobs collected without patience",
	} {
		if j.counts[what] == 0 {
			t.Errorf("the test does not test: %s never succeeded", what)
		}
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
	server    *berth.Server
	journal   *journal
	number    int
	seed      uint64
	collect   bool // over the API
	impatient bool // garbage does not wait

	steps  atomic.Int64 // that were acknowledged
	last   int64        // how many, before the server is killed
	enough chan struct{}
	moment time.Duration // when that is, after the last step
	killed atomic.Bool
}

// newLife returns one that ends after some steps, however long these take on
// this machine. Some end before anything was done.
func newLife(s *berth.Server, j *journal, n int, random *rand.Rand) *life {
	r := &life{server: s, journal: j, number: n, seed: random.Uint64(), collect: n%2 == 1, impatient: n%4 >= 2, enough: make(chan struct{})}
	r.last = int64(random.IntN(50))
	if r.collect || r.impatient {
		r.last *= 2 // in which several collections begin
	}
	r.moment = time.Duration(random.IntN(30)) * time.Millisecond
	if r.last == 0 {
		close(r.enough)
	}
	return r
}

// stepped counts a step that was acknowledged.
func (r *life) stepped() {
	if r.steps.Add(1) == r.last {
		close(r.enough)
	}
}

// repo is the repository that was new some lives ago.
func (r *life) repo(ago int) string { return fmt.Sprintf("%s/round-%04d", project, r.number-ago) }

func (r *life) mine(worker string) string { return project + "/mine-" + worker }

// repos are where workers push: a new repository, one that is not, and one that
// is old.
func (r *life) repos() []string {
	return []string{r.repo(0), r.repo(min(1, r.number)), project + "/always"}
}

// scopes are of all that is touched in this life.
func (r *life) scopes() (scopes []string) {
	repos := []string{project + "/always"}
	for ago := range min(rounds, r.number) + 1 {
		repos = append(repos, r.repo(ago))
	}
	for n := range workers {
		repos = append(repos, r.mine(strconv.Itoa(n)))
	}
	for _, repo := range repos {
		scopes = append(scopes, registry.Scope(repo, registry.Delete))
	}
	return scopes
}

// untilKilled lets the workers work and garbage be collected, kills the server,
// and returns the session that they used.
func (r *life) untilKilled(ctx context.Context, t *testing.T, all []*worker) *registry.Session {
	t.Helper()
	c := registry.New(r.server.URL, user, password, workers)
	defer c.Close()
	session, err := c.SignIn(ctx, r.scopes()...)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	if r.collect {
		wg.Go(func() { r.collectOverAPI(ctx, t) })
	}
	if r.impatient {
		wg.Go(func() { r.collectImpatiently(ctx, t) })
	}
	for n, w := range all {
		w.life, w.session, w.api = r, session, r.server.As(user, password)
		w.things = slices.DeleteFunc(w.things, func(x thing) bool { return r.number >= rounds && x.repo == r.repo(rounds) })
		wg.Go(func() {
			var err error
			if n == 0 && r.number >= rounds {
				err = w.drop(ctx, r.repo(rounds))
			}
			if err == nil || r.killed.Load() {
				err = w.work(ctx)
			}
			if err != nil {
				t.Errorf("worker %s, before the kill: %v; what was done:%s", w.name, err, r.journal.story(err.Error(), place{}))
			}
		})
	}
	select {
	case <-r.enough:
	case <-time.After(2 * time.Minute):
		t.Errorf("only %d of %d steps in two minutes", r.steps.Load(), r.last)
	}
	time.Sleep(r.moment)
	r.killed.Store(true)
	if err := r.server.Kill(); err != nil {
		t.Error(err)
	}
	r.journal.note("the server was killed")
	wg.Wait()
	r.journal.count("step", int(r.steps.Load()))
	return session
}
