//go:build e2e

package crash

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
	"github.com/berth-registry/berth/test/registry"
)

const (
	many      = 400 // artifacts that a policy deletes one by one
	stopLimit = 10 * time.Second
	workLimit = 2 * time.Minute
)

// TestWorkIsStoppedAndTakenUpAgain has a retention policy delete artifacts. It
// stops the first execution, and kills the server in the midst of the second one,
// which the next process goes on with.
func TestWorkIsStoppedAndTakenUpAgain(t *testing.T) {
	each(t, func(t *testing.T, o berth.Options) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		s := berth.Run(t, o)
		prepare(t, s)
		pushMany(ctx, t, s)
		w := work{t, ctx, s.Admin(), newPolicy(ctx, t, s.Admin())}

		stopped := w.midst(many)
		began := time.Now()
		w.do("PATCH", stopped, map[string]string{"action": "stop"}, nil)
		w.until("Stopped")
		left, last := w.artifacts(), time.Now()
		for time.Since(last) < time.Second && time.Since(began) < stopLimit {
			if n := w.artifacts(); n != left {
				left, last = n, time.Now()
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Logf("the last of %d artifacts went %s after the stop", many-left, last.Sub(began).Round(time.Millisecond))
		if time.Since(last) < time.Second || left <= 1 || left == many {
			t.Errorf("%d artifacts are left of %d; the last one went %s after the stop", left, many, last.Sub(began))
		}

		killed := w.midst(left)
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		hoursPass(ctx, t, s, o) // or another node would wait to take it over
		if status, runs := w.task(s, o, killed); status != "Running" || runs != 1 {
			t.Fatalf("when the server was killed, the task was %s and was begun %d times", status, runs)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		w.until("Success")
		if n := w.artifacts(); n != 1 {
			t.Errorf("%d artifacts are left, want the one that the policy keeps", n)
		}
		if status, runs := w.task(s, o, killed); status != "Success" || runs != 2 {
			t.Errorf("the task is %s and was begun %d times, want twice", status, runs)
		}
		var executions []struct{ ID int64 }
		if w.do("GET", "/executions", nil, &executions); len(executions) != 2 {
			t.Errorf("there are %d executions of two", len(executions))
		}
	})
}

// pushMany pushes artifacts of the same content.
func pushMany(ctx context.Context, t *testing.T, s *berth.Server) {
	t.Helper()
	const repo = project + "/many"
	c := registry.New(s.URL, user, password, workers)
	defer c.Close()
	session, err := c.SignIn(ctx, registry.Scope(repo, registry.Push))
	if err != nil {
		t.Fatal(err)
	}
	layer := registry.NewBlob(100, "layer of many")
	for _, b := range registry.NewImage("", layer).Blobs() {
		if err := session.PushBlob(ctx, repo, b); err != nil {
			t.Fatal(err)
		}
	}
	var pushing sync.WaitGroup
	for w := range workers {
		pushing.Go(func() {
			for n := w; n < many; n += workers {
				if err := session.PutManifest(ctx, repo, fmt.Sprint("v", n), registry.NewImage(fmt.Sprint(n), layer).Manifest); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if pushing.Wait(); t.Failed() {
		t.FailNow()
	}
}

// newPolicy makes a policy that keeps the artifact that was pushed last, and
// returns its path.
func newPolicy(ctx context.Context, t *testing.T, admin *berth.API) string {
	t.Helper()
	var p struct {
		ID int64 `json:"project_id"`
	}
	if _, err := admin.Do(ctx, "GET", "/projects/"+project, nil, &p); err != nil {
		t.Fatal(err)
	}
	everything := func(decoration string) []map[string]string {
		return []map[string]string{{"kind": "doublestar", "decoration": decoration, "pattern": "**"}}
	}
	header, err := admin.Do(ctx, "POST", "/retentions", map[string]any{
		"algorithm": "or", "scope": map[string]any{"level": "project", "ref": p.ID},
		"trigger": map[string]any{"kind": "Schedule", "settings": map[string]any{"cron": ""}},
		"rules": []map[string]any{{
			"action": "retain", "template": "latestPushedK", "params": map[string]any{"latestPushedK": 1},
			"tag_selectors": everything("matches"), "scope_selectors": map[string]any{"repository": everything("repoMatches")},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(header.Get("Location"), "/api/v2.0")
	return path
}

// A work is what a policy does.
type work struct {
	t      *testing.T
	ctx    context.Context
	admin  *berth.API
	policy string // path
}

func (w work) do(method, path string, in, out any) (location string) {
	w.t.Helper()
	header, err := w.admin.Do(w.ctx, method, w.policy+path, in, out)
	if err != nil {
		w.t.Fatal(err)
	}
	return header.Get("Location")
}

// midst starts an execution, and returns its path behind the policy's when some of
// so many artifacts are gone.
func (w work) midst(of int) string {
	w.t.Helper()
	at := w.do("POST", "/executions", map[string]bool{"dry_run": false}, nil)
	for end := time.Now().Add(workLimit); w.artifacts() == of; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("nothing is deleted")
		}
	}
	return at[strings.Index(at, "/executions/"):]
}

// until waits until the latest execution has a status.
func (w work) until(status string) {
	w.t.Helper()
	var all []struct{ Status string }
	for end := time.Now().Add(workLimit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if w.do("GET", "/executions", nil, &all); len(all) > 0 && all[0].Status == status {
			return
		}
	}
	w.t.Fatalf("the latest execution does not become %s: %+v", status, all)
}

// artifacts returns how many there are.
func (w work) artifacts() int {
	w.t.Helper()
	var repo struct {
		Artifacts int `json:"artifact_count"`
	}
	if _, err := w.admin.Do(w.ctx, "GET", "/projects/"+project+"/repositories/many", nil, &repo); err != nil {
		w.t.Fatal(err)
	}
	return repo.Artifacts
}

// task returns the status of the only task of an execution, and how often it was
// begun.
func (w work) task(s *berth.Server, o berth.Options, execution string) (status string, runs int) {
	w.t.Helper()
	d := openDatabase(w.ctx, w.t, s, o)
	defer d.Close()
	if err := d.QueryRow(w.ctx, `SELECT MIN(status), SUM(runs) FROM task WHERE execution_id = `+path.Base(execution)).Scan(&status, &runs); err != nil {
		w.t.Fatal(err)
	}
	return status, runs
}
