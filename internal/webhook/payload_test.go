package webhook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"github.com/berth-registry/berth/internal/event"
)

var (
	here  = event.Where{ProjectID: 7, Project: "team", Repository: "team/lib/app"}
	at    = time.Unix(1_790_000_000, 0).UTC()
	three = int64(3)
)

const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"

// told returns the body that one fact becomes for a target.
func told(t *testing.T, f event.Fact, to Target) []byte {
	t.Helper()
	s := New(Config{Host: "registry.example.org"})
	n, ok := s.newsOf(event.Event{ID: 5, At: at, Actor: event.Actor{Name: "alice", Request: "req-1"}, Fact: f})
	if !ok {
		t.Fatalf("%T is no news", f)
	}
	body, err := n.body(Subject{Public: true, Created: time.Unix(1_780_000_000, 0)}, s.Host, Policy{ID: 9, ProjectID: 7}, to, "id-1")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestWhatIsTold(t *testing.T) {
	const repository = `"repository":{"date_created":1780000000,"name":"lib/app","namespace":"team","repo_full_name":"team/lib/app","repo_type":"public"}`
	quota := event.Quota{Where: here, Used: 90, Hard: 100}
	for name, tt := range map[string]struct {
		fact event.Fact
		want string
	}{
		"a push of two tags": {
			event.ArtifactPushed{Where: here, Digest: digest, Tags: []string{"1", "latest"}},
			`{"type":"PUSH_ARTIFACT","occur_at":1790000000,"operator":"alice","event_data":{"resources":[` +
				`{"digest":"` + digest + `","tag":"1","resource_url":"registry.example.org/team/lib/app:1"},` +
				`{"digest":"` + digest + `","tag":"latest","resource_url":"registry.example.org/team/lib/app:latest"}],` + repository + `}}`,
		},
		"a pull by digest": {
			event.ArtifactPulled{Where: here, Digest: digest},
			`{"type":"PULL_ARTIFACT","occur_at":1790000000,"operator":"alice","event_data":{"resources":[` +
				`{"digest":"` + digest + `","tag":"` + digest + `","resource_url":"registry.example.org/team/lib/app@` + digest + `"}],` + repository + `}}`,
		},
		"a deletion": {
			event.ArtifactDeleted{Where: here, Digest: digest, Tags: []string{"1"}},
			`{"type":"DELETE_ARTIFACT","occur_at":1790000000,"operator":"alice","event_data":{"resources":[` +
				`{"digest":"` + digest + `","tag":"1","resource_url":"registry.example.org/team/lib/app:1"}],` + repository + `}}`,
		},
		"a quota that was exceeded": {
			event.QuotaExceeded{Quota: quota, Needed: 20},
			`{"type":"QUOTA_EXCEED","occur_at":1790000000,"operator":"alice","event_data":{` + repository +
				`,"custom_attributes":{"Details":"A push of 20 bytes was refused: the project uses 90 bytes of the 100 that it may."}}}`,
		},
		"a quota that is nearly used up": {
			event.QuotaWarned{Quota: quota},
			`{"type":"QUOTA_WARNING","occur_at":1790000000,"operator":"alice","event_data":{` + repository +
				`,"custom_attributes":{"Details":"The project uses 90 bytes of the 100 that it may, which is more than 85 %."}}}`,
		},
		"a replication of which a part failed": {
			event.ReplicationRan{
				Where: here, Policy: event.ReplicationPolicy{ID: 2, Name: "out"}, Override: true, Execution: 7, Task: 9, Trigger: "MANUAL", Started: time.Unix(1790000001, 0), Type: "Image",
				From: event.Replica{Registry: "Local", Type: "harbor", Repository: "team/lib/app"}, To: event.Replica{Registry: "hub", Type: "docker-hub", URL: "https://hub.docker.com", Repository: "us/app"},
				Verb: "copied", Done: []string{"team/lib/app:1"}, Failed: []event.ReplicationFailure{{Artifact: "team/lib/app:2", Cause: "it is full"}},
			},
			`{"type":"REPLICATION","occur_at":1790000000,"operator":"alice","event_data":{` + repository + `,"replication":{"harbor_hostname":"registry.example.org","job_status":"Error",` +
				`"description":"out","artifact_type":"image","override_mode":true,"trigger_type":"MANUAL","execution_timestamp":1790000001,` +
				`"src_resource":{"registry_name":"Local","registry_type":"harbor","endpoint":"registry.example.org","namespace":"team"},` +
				`"dest_resource":{"registry_name":"hub","registry_type":"docker-hub","endpoint":"https://hub.docker.com","namespace":"us"},` +
				`"successful_artifact":[{"type":"image","status":"SUCCESS","name_tag":"team/lib/app:1"}],` +
				`"failed_artifact":[{"type":"image","status":"ERROR","name_tag":"team/lib/app:2","fail_reason":"it is full"}],"execution_id":7,"task_id":9}}}`,
		},
		"a run of a retention policy": {
			event.RetentionRan{
				RetentionPolicy: event.RetentionPolicy{Where: here, ID: 4}, Total: 3, Retained: 2,
				Rules:   []event.RetentionRule{{Template: "latestPushedK", Param: &three, Tags: event.Choice{Pattern: "**"}, Repositories: event.Choice{Pattern: "x", Except: true}}},
				Deleted: []event.DeletedArtifact{{Type: "IMAGE", Digest: digest, Tags: []string{"old"}}},
			},
			`{"type":"TAG_RETENTION","occur_at":1790000000,"operator":"alice","event_data":{` + repository + `,"retention":{"total":3,"retained":2,` +
				`"harbor_hostname":"registry.example.org","project_name":"team","retention_policy_id":4,"retention_rule":[{"template":"latestPushedK","params":{"latestPushedK":3},` +
				`"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**"}],"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoExcludes","pattern":"x"}]}}],` +
				`"result":"SUCCESS","deleted_artifact":[{"type":"IMAGE","status":"SUCCESS","name_tag":"team/lib/app:old"}]}}}`,
		},
		"a scan that is over": {
			event.ScanCompleted{Scan: event.Scan{
				Where: here, Digest: digest, Tags: []string{"1"}, Type: "vulnerability", Report: "r-1", Status: "Success", Scanner: event.Examiner{Name: "S", Vendor: "V", Version: "1"},
				Started: at, Ended: at.Add(90 * time.Second), Severity: "High", Total: 3, Fixable: 2, Severities: map[string]int64{"High": 1, "Low": 2},
			}},
			`{"type":"SCANNING_COMPLETED","occur_at":1790000000,"operator":"alice","event_data":{"resources":[{"digest":"` + digest + `","tag":"1","resource_url":"registry.example.org/team/lib/app:1",` +
				`"scan_overview":{"application/vnd.security.vulnerability.report; version=1.1":{"report_id":"r-1","scan_status":"Success","severity":"High","duration":90,` +
				`"summary":{"total":3,"fixable":2,"summary":{"High":1,"Low":2}},"start_time":"2026-09-21T14:13:20Z","end_time":"2026-09-21T14:14:50Z","complete_percent":100,"scanner":{"name":"S","vendor":"V","version":"1"}}}}],` +
				repository + `,"scan":{"scan_type":"vulnerability"}}}`,
		},
		"a scan that failed": {
			event.ScanFailed{Scan: event.Scan{Where: here, Digest: digest, Type: "sbom", Report: "r-2", Status: "Error", Started: at, Ended: at}},
			`{"type":"SCANNING_FAILED","occur_at":1790000000,"operator":"alice","event_data":{"resources":[{"digest":"` + digest + `","tag":"` + digest + `","resource_url":"registry.example.org/team/lib/app@` + digest + `",` +
				`"sbom_overview":{"report_id":"r-2","scan_status":"Error","duration":0,"start_time":"2026-09-21T14:13:20Z","end_time":"2026-09-21T14:13:20Z","scanner":{"name":"","vendor":"","version":""}}}],` +
				repository + `,"scan":{"scan_type":"sbom"}}}`,
		},
	} {
		if got := string(told(t, tt.fact, Target{Protocol: HTTP, Format: Default})); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

func TestCloudEventsAreOfTheirSpecification(t *testing.T) {
	to := Target{Protocol: HTTP, Format: CloudEvents}
	var e cloudevents.Event
	if err := json.Unmarshal(told(t, event.ArtifactPushed{Where: here, Digest: digest, Tags: []string{"1"}}, to), &e); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if e.SpecVersion() != "1.0" || e.Type() != "harbor.artifact.pushed" || e.Source() != "/projects/7/webhook/policies/9" || !e.Time().Equal(at) ||
		e.DataContentType() != "application/json" || e.Extensions()["operator"] != "alice" || e.Extensions()["requestid"] != "req-1" || e.ID() != "id-1" {
		t.Errorf("%v", e)
	}
	var d data
	if err := e.DataAs(&d); err != nil || len(d.Resources) != 1 || d.Resources[0].Tag != "1" || d.Repository.FullName != "team/lib/app" {
		t.Errorf("%+v, %v", d, err)
	}
	if to.mediaType() != "application/cloudevents+json" {
		t.Error(to.mediaType())
	}
}

// TestSlackReadsNamesAsText sends names that Slack would take for links and
// mentions, and more of them than it takes.
func TestSlackReadsNamesAsText(t *testing.T) {
	f := event.ArtifactPushed{Where: here, Digest: digest, Tags: []string{"<!channel>", "``` & more"}}
	for range 100 {
		f.Tags = append(f.Tags, "tag")
	}
	var m struct {
		Blocks []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal(told(t, f, Target{Protocol: Slack}), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Blocks) != 5 {
		t.Fatalf("%+v", m)
	}
	for _, b := range m.Blocks {
		if b.Type != "section" || b.Text.Type != "mrkdwn" || len(b.Text.Text) > 3000 {
			t.Errorf("%+v", b)
		}
	}
	if text := m.Blocks[4].Text.Text; strings.Contains(text, "<!channel>") || strings.Count(text, "```") != 2 || !strings.Contains(text, "&lt;!channel&gt;") || !strings.Contains(text, "&amp; more") {
		t.Errorf("%s", text)
	}
	if text := m.Blocks[2].Text.Text; text != "*occur_at:* <!date^1790000000^{date_num} {time_secs}|2026-09-21T14:13:20Z>" {
		t.Error(text)
	}
}
