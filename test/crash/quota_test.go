//go:build e2e

package crash

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

// checkUsed checks that what the server says each project uses is what its
// artifacts need, counted anew. A collection that was stopped may be about to end,
// so that a difference counts when it stays.
func checkUsed(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	var wrong []string
	for range 3 {
		if wrong = usedWrongly(ctx, t, s); len(wrong) == 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Error(strings.Join(wrong, "; "))
}

// usedWrongly returns what is wrong with what projects use.
func usedWrongly(ctx context.Context, t *testing.T, s *berth.Server) (wrongly []string) {
	t.Helper()
	var quotas []struct {
		Ref  struct{ Name string }
		Used struct{ Storage int64 }
	}
	if _, err := s.Admin().Do(ctx, "GET", "/quotas?page_size=100", nil, &quotas); err != nil {
		t.Fatal(err)
	}
	said := map[string]int64{}
	for _, q := range quotas {
		said[q.Ref.Name] = q.Used.Storage
	}
	out, err := s.Command(ctx, "quota", "recalculate", "--dry-run")
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] { // behind the heading
		var name string
		var used, kept, wrong int64
		if _, err := fmt.Sscan(line, &name, &used, &kept, &wrong); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		counted[name] = true
		if said[name] != used || kept != used || wrong != 0 {
			wrongly = append(wrongly, fmt.Sprintf("%s uses %d bytes, the server says %d, %d are kept, %d contents are counted wrongly", name, used, said[name], kept, wrong))
		}
	}
	if !counted[project] {
		wrongly = append(wrongly, fmt.Sprintf("%s is not counted: %s", project, out))
	}
	return wrongly
}
