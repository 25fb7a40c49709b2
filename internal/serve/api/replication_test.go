package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/replication"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

func TestReplicationPoliciesThatCannotBeMeant(t *testing.T) {
	w := newWorld(t)
	aRegistry(w)
	for _, tt := range []struct{ old, new, about string }{
		{`"out"`, `""`, "name: "},
		{`"dest_registry":{"id":1}`, `"dest_registry":null`, "src_registry, dest_registry: one of them must be another"},
		{`"dest_registry":{"id":1}`, `"src_registry":{"id":0},"dest_registry":{"id":0}`, "one of them must be another"},
		{`"dest_registry"`, `"src_registry":{"id":1},"dest_registry"`, "one of them must be this"},
		{`{"id":1}`, `{"id":9}`, "dest_registry: there is no registry 9"},
		{`"dest_registry":{"id":1}`, `"src_registry":{"id":9}`, "src_registry: there is no registry 9"},
		{`"team"`, `"Team"`, "dest_namespace: "},
		{`"team"`, `"team","dest_namespace_replace_count":300`, "dest_namespace_replace_count: "},
		{`"type":"name","value":"library/**"`, `"type":"name","value":"library/**","decoration":"matches"`, "filters: decoration: "},
		{`"type":"name","value":"library/**"`, `"type":"resource","value":"image","decoration":"excludes"`, "filters: decoration: "},
		{`"type":"name","value":"library/**"`, `"type":"resource","value":"chart"`, "filters: value of resource"},
		{`"type":"name"`, `"type":"size"`, `there is no type "size"`},
		{`"library/**"`, `7`, "filters: value of name: it must be a text"},
		{`"library/**"`, `null`, "filters: value of name: it must be a text"},
		{`"library/**"`, `"["`, "filters: value of name"},
		{`"excludes"`, `"likes"`, "filters: decoration: it must be matches or excludes"},
		{`["a","b"]`, `"a"`, "filters: value of label"},
		{`["a","b"]`, `[]`, "filters: value of label"},
		{`["a","b"]`, `["a",1]`, "filters: value of label: it must be a list of names"},
		{`"scheduled"`, `"daily"`, "trigger: type: "},
		{`"scheduled"`, `"event_based"`, "single_active_replication: "},
		{`"0 0 4 * * *"`, `""`, "trigger_settings.cron is missing"},
		{`"0 0 4 * * *"`, `"@daily"`, "six fields"},
		{`"0 0 4 * * *"`, `"1 0 4 * * *"`, "the seconds"},
		{`"0 0 4 * * *"`, `"0 * 4 * * *"`, "the minutes"},
		{`,"trigger_settings":{"cron":"0 0 4 * * *"}`, ``, "trigger_settings.cron is missing"},
		{`"linux/amd64"`, `"amd64"`, "platforms: "},
		{`"name":"out"`, `"id":7,"name":"out"`, "id: it is not that of the path"},
	} {
		if !strings.Contains(newReplication, tt.old) {
			t.Fatalf("there is no %s", tt.old)
		}
		request := "POST /replication/policies\n\n"
		if strings.HasPrefix(tt.about, "id: ") {
			request = "PUT /replication/policies/1\n\n"
		}
		code, message := problemOf(t, w.want(400, "root", request+strings.Replace(newReplication, tt.old, tt.new, 1)))
		if code != "BAD_REQUEST" || !strings.Contains(message, tt.about) {
			t.Errorf("%s for %s: %s %q", tt.new, tt.old, code, message)
		}
	}
	if shown := w.want(200, "root", "GET /replication/policies").Body.String(); shown != "[]\n" {
		t.Errorf("there are %s", shown)
	}
}

// TestReplicationPoliciesSayTheSameAgain sends back what is shown.
func TestReplicationPoliciesSayTheSameAgain(t *testing.T) {
	w := newWorld(t)
	aRegistry(w)
	for i, body := range []string{
		newReplication,
		`{"name":"in","src_registry":{"id":1},"dest_registry":null,"dest_namespace_replace_count":null,"filters":null,"trigger":null,"speed":null,"copy_by_chunk":null,"single_active_replication":null,"deletion":null,"platforms":null}`,
		`{"name":"now","dest_registry":{"id":1},"dest_namespace":"a/b","dest_namespace_replace_count":2,"deletion":true,"override":true,"enabled":true,"speed":512,"copy_by_chunk":true,"trigger":{"type":"event_based","trigger_settings":null},` +
			`"filters":[{"type":"resource","value":"image"},{"type":"tag","value":""}]}`,
	} {
		path := fmt.Sprintf("/replication/policies/%d", i+1)
		w.want(201, "root", "POST /replication/policies\n\n"+body)
		told := func() map[string]any {
			m := into[map[string]any](t, w.want(200, "root", "GET "+path))
			delete(m, "update_time")
			return m
		}
		first := told()
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		w.want(200, "root", "PUT "+path+"\n\n"+string(text))
		if second := told(); fmt.Sprint(second) != fmt.Sprint(first) {
			t.Errorf("%v, was %v", second, first)
		}
	}
	bodyHas(`"src_registry":{"id":1,"name":"other"`, `"dest_registry":{"id":0,"name":"Local"`, `"url":"http://berth.test"`, `"dest_namespace_replace_count":-1`, `"filters":[]`, `"type":"manual"`,
		`"deletion":false,"replicate_deletion":false`, `"enabled":false`, `"speed":0,"copy_by_chunk":false,"single_active_replication":false`)(t, w, w.want(200, "root", "GET /replication/policies/2"))
	bodyHas(`"dest_namespace":"a/b","dest_namespace_replace_count":2`, `"deletion":true,"replicate_deletion":true,"override":true`, `"speed":512,"copy_by_chunk":true`, `"type":"event_based"`,
		`"filters":[{"type":"resource","value":"image"},{"type":"tag","value":"","decoration":"matches"}]`)(t, w, w.want(200, "root", "GET /replication/policies/3"))
	names := []string{}
	for _, p := range into[[]replicationBody](t, w.want(200, "root", "GET /replication/policies")) {
		names = append(names, p.Name)
	}
	if fmt.Sprint(names) != "[now in out]" {
		t.Errorf("the list is %v", names)
	}
}

func TestOneOfTwoNamesSaysWhatIsDeleted(t *testing.T) {
	w := newWorld(t)
	aReplication(w)
	for said, want := range map[string]bool{
		`"deletion":true`: true, `"replicate_deletion":true`: true, `"enabled":true`: false,
		`"deletion":false,"replicate_deletion":true`: false, `"deletion":true,"replicate_deletion":false`: true,
	} {
		w.want(200, "root", "PUT /replication/policies/1\n\n"+`{"name":"out","dest_registry":{"id":1},`+said+`}`)
		bodyHas(fmt.Sprintf(`"deletion":%t,"replicate_deletion":%t`, want, want))(t, w, w.want(200, "root", "GET /replication/policies/1"))
	}
}

func TestWhatReplicationPoliciesStandInTheWayOf(t *testing.T) {
	w := newWorld(t)
	aReplicationRun(w)
	second := strings.Replace(newReplication, `"out"`, `"off"`, 1)
	w.want(409, "root", "POST /replication/policies\n\n"+newReplication)
	w.want(201, "root", "POST /replication/policies\n\n"+strings.Replace(second, `"enabled":true`, `"enabled":false`, 1))
	w.want(409, "root", "PUT /replication/policies/2\n\n"+newReplication)
	w.want(412, "root", "POST /replication/executions\n\n"+`{"policy_id":2}`)
	w.want(404, "root", "POST /replication/executions\n\n"+`{"policy_id":9}`)
	w.want(412, "root", "DELETE /replication/policies/1")
	w.want(412, "root", "DELETE /registries/1")
	w.want(200, "root", "PUT /replication/executions/1")
	w.want(200, "root", "PUT /replication/executions/1") // which is over
	w.want(200, "root", "DELETE /replication/policies/1")
	w.want(200, "root", "DELETE /replication/policies/2")
	w.want(200, "root", "DELETE /registries/1")
	w.want(200, "root", "GET /replication/executions/1")
}

// TestReplicationsAreNamedAsClientsKnowThem takes executions through all that they
// may come to.
func TestReplicationsAreNamedAsClientsKnowThem(t *testing.T) {
	w := newWorld(t)
	aReplication(w)
	w.want(200, "root", "PUT /replication/policies/1\n\n"+strings.Replace(newReplication, `"single_active_replication":true,`, "", 1))
	now := time.Now()
	task := func(id int64, came replication.Progress, o job.Outcome) {
		t.Helper()
		w.want(201, "root", "POST /replication/executions\n\n"+`{"policy_id":1}`)
		attrs, err := json.Marshal(came)
		if err != nil {
			t.Fatal(err)
		}
		rows := sqlstore.NewJobs(w.db)
		one, err := rows.Begin(t.Context(), id, 1, "node", now)
		if err == nil {
			err = rows.Report(t.Context(), one.ID, one.Turn, attrs, now)
		}
		if err == nil && o.Status != "" {
			_, err = rows.End(t.Context(), one.ID, one.Turn, o, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	came := replication.Progress{Source: "library/app", Target: "team/app", Kind: replication.Image, Total: 2}
	task(1, came, job.Outcome{Status: job.Succeeded})
	task(2, came, job.Outcome{Status: job.Failed, Message: "no route"})
	task(3, came, job.Outcome{Status: job.Scheduled, Message: "not now", At: now.Add(time.Hour)})
	task(4, came, job.Outcome{})
	came.Kind = replication.Artifact
	task(5, came, job.Outcome{})
	w.want(200, "root", "PUT /replication/executions/5")
	w.want(201, "root", "POST /replication/executions\n\n"+`{"policy_id":1}`)
	for i, want := range []struct{ execution, text, task string }{
		{"Succeed", "", "Succeed"}, {"Failed", "no route", "Failed"}, {"InProgress", "", "InProgress"}, {"InProgress", "", "InProgress"}, {"Stopped", "", "Stopped"}, {"InProgress", "", "Pending"},
	} {
		path := fmt.Sprintf("/replication/executions/%d", i+1)
		e := into[replicationExecution](t, w.want(200, "root", "GET "+path))
		tasks := into[[]replicationTask](t, w.want(200, "root", "GET "+path+"/tasks?status="+want.task))
		if e.Status != want.execution || e.Text != want.text || e.Total != 1 || len(tasks) != 1 || tasks[0].Status != want.task {
			t.Errorf("%+v, %+v, want %+v", e, tasks, want)
		}
		if sum := e.Failed + e.Succeeded + e.InProgress + e.Stopped; sum != 1 {
			t.Errorf("%+v counts %d", e, sum)
		}
	}
	bodyHas(`"resource_type":"image","src_resource":"library/app [2 item(s) in total]","dst_resource":"team/app [2 item(s) in total]","start_time":"`)(t, w, w.want(200, "root", "GET /replication/executions/1/tasks?resource_type=image"))
	for query, want := range map[string]string{
		"":                                "654321",
		"?sort=start_time":                "123456",
		"?page=2&page_size=4":             "21",
		"?policy_id=1":                    "654321",
		"?policy_id=2":                    "",
		"?status=Succeed":                 "1",
		"?status=Failed":                  "2",
		"?status=InProgress":              "643",
		"?status=Stopped&sort=id":         "5",
		"?status=Nonsense":                "",
		"?trigger=manual&status=Failed":   "2",
		"?trigger=scheduled":              "",
		"?trigger=event_based":            "",
		"?status=&trigger=&policy_id=0":   "654321",
		"?policy_id=1&trigger=no&sort=-x": "",
	} {
		got := ""
		for _, e := range into[[]replicationExecution](t, w.want(200, "root", "GET /replication/executions"+query)) {
			got += fmt.Sprint(e.ID)
		}
		if got != want {
			t.Errorf("%s lists %s, want %s", query, got, want)
		}
	}
	for query, want := range map[string]int{"1/tasks?resource_type=artifact": 0, "5/tasks?resource_type=artifact": 1, "6/tasks?resource_type=image": 0, "6/tasks": 1, "1/tasks?status=Failed": 0} {
		if got := into[[]replicationTask](t, w.want(200, "root", "GET /replication/executions/"+query)); len(got) != want {
			t.Errorf("%s lists %+v", query, got)
		}
	}
	w.want(404, "root", "GET /replication/executions/1/tasks/2/log")
}

func TestARefusedReplicationSaysWhy(t *testing.T) {
	w := newWorld(t)
	aReplicationRun(w)
	at := w.want(201, "root", "POST /replication/executions\n\n"+`{"policy_id":1}`).Header().Get("Location")
	bodyHas(`"status":"Failed"`, "one at a time", `"total":0`)(t, w, w.want(200, "root", "GET "+at))
	if got := w.want(200, "root", "GET "+at+"/tasks").Body.String(); got != "[]\n" {
		t.Errorf("its tasks are %s", got)
	}
}

// TestOtherWorkIsNoReplication asks for an execution of something else.
func TestOtherWorkIsNoReplication(t *testing.T) {
	w := newWorld(t)
	aPurge(w)
	for _, request := range []string{"GET /replication/executions/1", "PUT /replication/executions/1", "GET /replication/executions/1/tasks", "GET /replication/executions/1/tasks/1/log"} {
		w.want(404, "root", request)
	}
	then("GET /system/purgeaudit/1", "root", `"job_status":"Running"`)(t, w, answer{})
}

func TestTasksThatDeleteSaySo(t *testing.T) {
	shown := asReplicationTask(job.Task{ID: 3, Args: json.RawMessage(`{"policy":1,"repository":"library/app","tags":["1"],"delete":true}`), Attrs: json.RawMessage(`{}`), Status: job.Pending})
	if shown.Operation != "deletion" || shown.Source != "library/app" || shown.Destination != "" || shown.Status != "Pending" {
		t.Errorf("%+v", shown)
	}
}
