package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// A receiver takes what webhooks send, on a port of its own.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	received []string // "PUSH_ARTIFACT library/app:1"
	bodies   []string
	headers  []http.Header
	status   int // that it answers with; what it refuses is not noted
}

func receive(t *testing.T) *receiver {
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		var told struct {
			Type string
			Data struct {
				Resources []struct {
					URL string `json:"resource_url"`
				}
			} `json:"event_data"`
		}
		if err != nil || json.Unmarshal(body, &told) != nil {
			t.Errorf("%s: %v", body, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		w.WriteHeader(r.status)
		if r.status > 299 {
			return
		}
		r.headers, r.bodies = append(r.headers, in.Header), append(r.bodies, string(body))
		for _, x := range told.Data.Resources {
			_, name, _ := strings.Cut(x.URL, "/")
			r.received = append(r.received, told.Type+" "+name)
		}
		if len(told.Data.Resources) == 0 {
			r.received = append(r.received, told.Type)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// all returns what was received so far.
func (r *receiver) all() (received, bodies []string, headers []http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received), slices.Clone(r.bodies), slices.Clone(r.headers)
}

// of returns what was received of one name, each once.
func (r *receiver) of(name string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.received {
		if topic, what, _ := strings.Cut(s, " "); what == name && !slices.Contains(all, topic) {
			all = append(all, topic)
		}
	}
	return all
}

// subscribe makes a policy for a receiver, and returns its path.
func subscribe(t *testing.T, s *apptest.Server, name, url, topics string) string {
	t.Helper()
	_, path := asked(t, s, 201, "POST", "/projects/library/webhook/policies",
		fmt.Sprintf(`{"name":%q,"enabled":true,"event_types":[%s],"targets":[{"type":"http","address":%q,"auth_header":"Bearer of %s"}]}`, name, topics, url, name))
	return path
}

// allowing lets webhooks go to the machine of the tests.
func allowing(c *app.Config) { c.OutboundAllow = []string{"127.0.0.1"} }

const everything = `"PUSH_ARTIFACT","PULL_ARTIFACT","DELETE_ARTIFACT","QUOTA_EXCEED","QUOTA_WARNING","TAG_RETENTION"`

// TestWebhooksTellEverythingInOrder has a receiver fail and the server end in the
// meantime.
func TestWebhooksTellEverythingInOrder(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := receive(t)
		s := apptest.Start(t, allowing, func(c *app.Config) { c.Database = url })
		path := subscribe(t, s, "ci", r.URL, everything)
		const n = 12
		for i := range n {
			if i == n/3 {
				r.answer(http.StatusInternalServerError)
			}
			if i == 2*n/3 {
				s.Stop()
				s = apptest.Start(t, allowing, func(c *app.Config) { *c = s.Config })
				r.answer(http.StatusOK)
			}
			tag := fmt.Sprint("v", i)
			digest := push(t, s, "library/app", tag)
			asked(t, s, 200, "DELETE", "/projects/library/repositories/app/artifacts/"+digest, "")
		}
		for i := range n {
			name := fmt.Sprint("library/app:v", i)
			eventually(t, "what is told of "+name, func() bool { return len(r.of(name)) == 2 })
			if got := fmt.Sprint(r.of(name)); got != "[PUSH_ARTIFACT DELETE_ARTIFACT]" {
				t.Errorf("%s: %s", name, got)
			}
		}
		_, _, headers := r.all()
		for _, h := range headers {
			if h.Get("Authorization") != "Bearer of ci" || h.Get("Content-Type") != "application/json" {
				t.Fatalf("%v", h)
			}
		}
		text, _ := asked(t, s, 200, "GET", path+"/executions?page_size=1&sort=id&q=status%3DSuccess", "")
		if !strings.Contains(text, `"vendor_type":"WEBHOOK"`) || !strings.Contains(text, `"success_task_count":1`) {
			t.Errorf("executions %s", text)
		}
		if text, _ := asked(t, s, 200, "GET", "/projects/library/webhook/lasttrigger", ""); strings.Count(text, "last_trigger_time") != 2 {
			t.Errorf("last triggers %s", text)
		}
	})
}

// TestTargetsThatHangHoldBackNothingElse has forty of them, and one that refuses
// everything.
func TestTargetsThatHangHoldBackNothingElse(t *testing.T) {
	s, r := apptest.Start(t, allowing), receive(t)
	end := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(end) })
	refusing := receive(t)
	refusing.answer(http.StatusInternalServerError)
	var hung string
	for i := range 8 {
		var targets []string
		for n := range 5 {
			targets = append(targets, fmt.Sprintf(`{"type":"http","address":"%s/%d"}`, hanging.URL, n))
		}
		_, hung = asked(t, s, 201, "POST", "/projects/library/webhook/policies",
			fmt.Sprintf(`{"name":"hanging %d","enabled":true,"event_types":["PUSH_ARTIFACT"],"targets":[%s]}`, i, strings.Join(targets, ",")))
	}
	refused := subscribe(t, s, "refusing", refusing.URL, everything)
	subscribe(t, s, "good", r.URL, everything)
	const n = 20
	for i := range n {
		push(t, s, "library/app", fmt.Sprint(i))
	}
	eventually(t, "everything for the good one", func() bool {
		received, _, _ := r.all()
		return len(received) >= n
	})
	for path, count := range map[string]int{hung: 5 * n, refused: n} {
		text, _ := asked(t, s, 200, "GET", path+"/executions?page_size=100", "")
		if strings.Count(text, `"status":"Running"`) != count || strings.Contains(text, `"Success"`) {
			t.Errorf("%s: %s", path, text)
		}
	}
	eventually(t, "why the first one was not taken", func() bool {
		_, tasks := first(t, s, refused)
		return strings.Contains(tasks, `"status":"Scheduled","status_message":"the target answered 500 Internal Server Error"`)
	})
	// What waits for a policy that is disabled is not sent.
	refusing.answer(http.StatusOK)
	asked(t, s, 200, "PUT", refused, fmt.Sprintf(`{"name":"refusing","enabled":false,"event_types":["PUSH_ARTIFACT"],"targets":[{"type":"http","address":%q}]}`, refusing.URL))
	eventually(t, "the end of what waited", func() bool {
		text, _ := asked(t, s, 200, "GET", refused+"/executions?page_size=100&q=status%3DError", "")
		return strings.Count(text, "the policy is disabled") == n
	})
	if received, _, _ := refusing.all(); len(received) != 0 {
		t.Errorf("received %v", received)
	}
}

// first returns the id of the oldest execution of a policy, and its tasks.
func first(t *testing.T, s *apptest.Server, policy string) (id int64, tasks string) {
	t.Helper()
	var executions []struct{ ID int64 }
	text, _ := asked(t, s, 200, "GET", policy+"/executions?sort=id&page_size=1", "")
	if err := json.Unmarshal([]byte(text), &executions); err != nil || len(executions) != 1 {
		t.Fatal(text, err)
	}
	tasks, _ = asked(t, s, 200, "GET", fmt.Sprintf("%s/executions/%d/tasks", policy, executions[0].ID), "")
	return executions[0].ID, tasks
}

// TestWebhooksAreTriedOnRequest in each form that there is.
func TestWebhooksAreTriedOnRequest(t *testing.T) {
	s, r := apptest.Start(t, allowing), receive(t)
	_, policy := asked(t, s, 201, "POST", "/projects/library/webhook/policies", fmt.Sprintf(`{"name":"ci","enabled":false,"event_types":["REPLICATION"],"targets":[`+
		`{"type":"http","address":"%[1]s/default"},{"type":"http","address":"%[1]s/cloud","payload_format":"CloudEvents"},{"type":"slack","address":"%[1]s/services/SECRET"}]}`, r.URL))
	asked(t, s, 201, "POST", policy+"/test", "")
	successes := func(s *apptest.Server, want int) func() bool {
		return func() bool {
			text, _ := asked(t, s, 200, "GET", policy+"/executions?q=status%3DSuccess", "")
			return strings.Count(text, `"vendor_id":`) == want
		}
	}
	eventually(t, "three trials", successes(s, 3))
	_, bodies, headers := r.all()
	got := map[string]string{}
	for i, h := range headers {
		got[h.Get("Content-Type")] += bodies[i] + "\n"
	}
	for _, want := range []struct{ mediaType, part string }{
		{"application/json", `"type":"TEST"`}, {"application/json", `{"blocks":[{"type":"section"`},
		{"application/cloudevents+json", `"type":"harbor.webhook.test"`}, {"application/cloudevents+json", `"specversion":"1.0"`},
	} {
		if !strings.Contains(got[want.mediaType], want.part) {
			t.Errorf("no %s in %v", want.part, got)
		}
	}
	// A server that does not allow it any more sends nothing, and says why; of the
	// address it says no more than where that is.
	s.Stop()
	strict := apptest.Start(t, func(c *app.Config) { *c = s.Config; c.OutboundAllow = nil })
	asked(t, strict, 201, "POST", policy+"/test", "")
	eventually(t, "the refusals", func() bool {
		text, _ := asked(t, strict, 200, "GET", policy+"/executions?q=status%3DError", "")
		return strings.Count(text, "outbound_allow") == 3
	})
	if received, _, _ := r.all(); len(received) != 3 {
		t.Errorf("received %v", received)
	}
	text, _ := asked(t, strict, 200, "GET", policy+"/executions", "")
	for id := range int64(6) {
		tasks, _ := asked(t, strict, 200, "GET", fmt.Sprintf("%s/executions/%d/tasks", policy, id+1), "")
		log, _ := asked(t, strict, 200, "GET", fmt.Sprintf("%s/executions/%d/tasks/%d/log", policy, id+1, id+1), "")
		text += tasks + log
	}
	if strings.Contains(text, "SECRET") || !strings.Contains(text, "attempt 1: TEST to http://127.0.0.1:") {
		t.Errorf("what is told of the trials:\n%s", text)
	}
}

// TestRetentionAndQuotasAreTold of what no request has asked for by name.
func TestRetentionAndQuotasAreTold(t *testing.T) {
	s, r := apptest.Start(t, allowing), receive(t)
	subscribe(t, s, "ci", r.URL, everything)
	for i := range 3 {
		push(t, s, "library/app", fmt.Sprint("v", i))
	}
	selector := func(decoration string) string {
		return `[{"kind":"doublestar","decoration":"` + decoration + `","pattern":"**"}]`
	}
	_, policy := asked(t, s, 201, "POST", "/retentions", `{"algorithm":"or","scope":{"level":"project","ref":1},"rules":[{"action":"retain","template":"latestPushedK","params":{"latestPushedK":1},`+
		`"tag_selectors":`+selector("matches")+`,"scope_selectors":{"repository":`+selector("repoMatches")+`}}]}`)
	asked(t, s, 201, "POST", policy+"/executions", `{"dry_run":true}`)
	received := func(what string) func() bool {
		return func() bool {
			all, _, _ := r.all()
			return slices.Contains(all, what)
		}
	}
	eventually(t, "the end of the dry run", func() bool {
		text, _ := asked(t, s, 200, "GET", policy+"/executions", "")
		return strings.Contains(text, `"status":"Success"`)
	})
	asked(t, s, 201, "POST", policy+"/executions", `{"dry_run":false}`)
	eventually(t, "that retention ran", received("TAG_RETENTION"))
	eventually(t, "the deletions", func() bool { return len(r.of("library/app:v0")) == 2 && len(r.of("library/app:v1")) == 2 })
	asked(t, s, 200, "PUT", "/quotas/1", `{"hard":{"storage":1}}`)
	if status, text, err := pushSized(t.Context(), s, "library/app", 1); status != http.StatusForbidden {
		t.Fatalf("%d %s %v", status, text, err)
	}
	eventually(t, "that a quota was exceeded", received("QUOTA_EXCEED"))
	all, _, _ := r.all()
	if got := strings.Count(strings.Join(all, "\n"), "TAG_RETENTION"); got != 1 {
		t.Errorf("%d runs were told, of which one was dry", got)
	}
}
