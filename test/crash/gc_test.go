//go:build e2e

package crash

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

// patience is none: everything that nothing references goes at once.
var patience = []string{"--delay", "0s", "--trash", "0s"}

// TestCollectionsLoseNothing is TestNothingAcknowledgedIsLost with garbage being
// collected all the time, without any patience, by another process that is killed
// as well.
func TestCollectionsLoseNothing(t *testing.T) {
	kills, seed := (setting(t, "BERTH_TEST_KILLS", 20)+1)/2, setting(t, "BERTH_TEST_SEED", int(time.Now().UnixNano()%1e9))
	t.Logf("%d kills, BERTH_TEST_SEED=%d", kills, seed)
	t.Run("sqlite", func(t *testing.T) {
		killAgainAndAgain(t, berth.Options{}, kills, uint64(seed), true)
	})
	t.Run("postgres", func(t *testing.T) {
		killAgainAndAgain(t, berth.Options{Env: []string{"BERTH_DATABASE=" + newDatabase(t)}}, kills, uint64(seed), true)
	})
}

// collect collects until the server is gone. Every other collection is killed.
func (r *life) collect(ctx context.Context, t *testing.T) {
	random := rand.New(rand.NewPCG(r.seed, workers))
	for n := 0; !r.killed.Load(); n++ {
		limit := time.Minute
		if n%2 == 1 {
			limit = time.Duration(20+random.IntN(150)) * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		_, err := r.server.Command(ctx, append([]string{"gc", "run", "--workers", "2"}, patience...)...)
		if err != nil && ctx.Err() == nil {
			t.Errorf("a collection: %v", err)
		}
		cancel()
	}
}

// checkStorage checks that every row has its content. Crashes leave content
// without a row, which is no loss.
func checkStorage(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	if out, err := s.Command(ctx, "gc", "check"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// collectEverything expects that nothing is left which nothing references.
func collectEverything(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	// What a collection that was killed had taken to delete is left to it for a
	// while.
	var left string
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		if out, err := s.Command(ctx, append([]string{"gc", "run"}, patience...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out, err := s.Command(ctx, "gc", "check", "--repair", "--grace", "0s"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		out, err := s.Command(ctx, "gc", "check", "--grace", "0s")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		// As many rows as contents: what is due to be deleted has no row.
		left = strings.TrimSpace(string(out))
		var rows, contents string
		if words := strings.Fields(left); len(words) > 4 {
			rows, contents = words[0], words[3]
		}
		if rows == contents && strings.Contains(left, " 0 contents of 0 bytes and 0 uploads") {
			return
		}
	}
	t.Errorf("garbage stays: %s", left)
}
