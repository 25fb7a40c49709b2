package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// asked makes a request of the API as the administrator, and returns what comes
// back of it and where it leads.
func asked(t testing.TB, s *apptest.Server, want int, method, path, body string) (text, location string) {
	t.Helper()
	resp := s.Do(method, "/api/v2.0"+path, apptest.Admin, s.Password, strings.NewReader(body), "Content-Type", "application/json")
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %s, want %d: %s, %v", method, path, resp.Status, want, all, err)
	}
	return string(all), strings.TrimPrefix(resp.Header.Get("Location"), "/api/v2.0")
}

func TestWhatNoRuleKeepsGoes(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		s := apptest.Start(t, func(c *app.Config) { c.Database = url })
		for _, tag := range []string{"v1", "v2", "v3", "old", "frozen"} {
			push(t, s, "library/app", tag)
		}
		push(t, s, "library/other", "v1")
		selector := func(decoration, glob string) string {
			return fmt.Sprintf(`[{"kind":"doublestar","decoration":%q,"pattern":%q}]`, decoration, glob)
		}
		asked(t, s, 201, "POST", "/projects/library/immutabletagrules", `{"tag_selectors":`+selector("matches", "frozen")+`,"scope_selectors":{"repository":`+selector("repoMatches", "**")+`}}`)
		_, policy := asked(t, s, 201, "POST", "/retentions", `{"algorithm":"or","scope":{"level":"project","ref":1},"rules":[{"action":"retain","template":"latestPushedK","params":{"latestPushedK":2},`+
			`"tag_selectors":`+selector("matches", "v*")+`,"scope_selectors":{"repository":`+selector("repoMatches", "app")+`}}]}`)
		if text, _ := asked(t, s, 200, "GET", "/projects/library", ""); !strings.Contains(text, `"retention_id":"`+policy[strings.LastIndexByte(policy, '/')+1:]+`"`) {
			t.Errorf("the project is %s", text)
		}
		run := func(dry bool) (log string) {
			t.Helper()
			_, execution := asked(t, s, 201, "POST", policy+"/executions", fmt.Sprintf(`{"dry_run":%t}`, dry))
			var tasks []struct {
				ID              int64
				Repository      string
				Status          string
				Total, Retained int
			}
			eventually(t, "the end of the policy's run", func() bool {
				text, _ := asked(t, s, 200, "GET", execution+"/tasks", "")
				if err := json.Unmarshal([]byte(text), &tasks); err != nil {
					t.Fatal(err)
				}
				return len(tasks) == 1 && tasks[0].Status == "Success"
			})
			if one := tasks[0]; one.Repository != "library/app" || one.Total != 5 || one.Retained != 3 {
				t.Errorf("task %+v", one)
			}
			log, _ = asked(t, s, 200, "GET", fmt.Sprintf("%s/tasks/%d", execution, tasks[0].ID), "")
			return log
		}
		tags := func(want string) {
			t.Helper()
			resp := s.Do(http.MethodGet, "/v2/library/app/tags/list", apptest.Admin, s.Password, nil)
			defer resp.Body.Close()
			var list struct{ Tags []string }
			if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || fmt.Sprint(list.Tags) != want {
				t.Errorf("tags %v, want %s, %v", list.Tags, want, err)
			}
		}
		log := run(true)
		for _, want := range []string{"| old |", "| DEL | no rule keeps it", "| RETAIN | latestPushedK: 2", "| IMMUTABLE | library/app:frozen is configured as immutable", "5 artifacts, 3 retained"} {
			if !strings.Contains(log, want) {
				t.Errorf("no %q in the log:\n%s", want, log)
			}
		}
		tags("[frozen old v1 v2 v3]")
		run(false)
		tags("[frozen v2 v3]")
		eventually(t, "both deletions in the audit log", func() bool {
			text, _ := asked(t, s, 200, "GET", "/auditlog-exts?q=operation%3Ddelete", "")
			return strings.Count(text, `"username":"harbor-jobservice"`) == 2
		})
		if text, _ := asked(t, s, 200, "GET", "/projects/library/repositories/other/artifacts", ""); !strings.Contains(text, `"name":"v1"`) {
			t.Errorf("what no rule is about: %s", text)
		}
	})
}
