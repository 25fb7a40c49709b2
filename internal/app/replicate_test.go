package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/blob/blobtest"
	"github.com/berth-registry/berth/internal/oci"
)

// A replicator is a server that knows of another one.
type replicator struct {
	cache
	other int64 // id of the registry
}

func startReplicator(t *testing.T, u *upstream) replicator {
	t.Helper()
	r := replicator{cache: cache{apptest.Start(t, allowing), t}}
	r.other = idOf(r.post("/api/v2.0/registries", fmt.Sprintf(`{"name":"up","type":"harbor","url":%q,"credential":{"type":"basic","access_key":%q,"access_secret":%q}}`, u.front.URL, apptest.Admin, u.Password)))
	return r
}

func idOf(location string) (id int64) {
	_, _ = fmt.Sscan(location[strings.LastIndex(location, "/")+1:], &id)
	return id
}

// policy makes one that copies to the other registry, or from it.
func (r replicator) policy(side, rest string) int64 {
	r.Helper()
	return idOf(r.post("/api/v2.0/replication/policies", fmt.Sprintf(`{"name":"p%d","%s_registry":{"id":%d},"enabled":true,"override":true%s}`, time.Now().UnixNano(), side, r.other, rest)))
}

type execution struct {
	ID     int64
	Status string
	Text   string `json:"status_text"`
	Total  int
}

// run runs a policy, and returns how it ended with the log of its first task.
func (r replicator) run(policy int64) (e execution, log string) {
	r.Helper()
	id := idOf(r.post("/api/v2.0/replication/executions", fmt.Sprintf(`{"policy_id":%d}`, policy)))
	return r.over(id)
}

func (r replicator) over(id int64) (e execution, log string) {
	r.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, body := r.ask("/api/v2.0/replication/executions/" + fmt.Sprint(id))
		if err := json.Unmarshal(body, &e); err != nil {
			r.Fatalf("%s: %v", body, err)
		}
		if e.Status != "InProgress" {
			break
		}
		if time.Now().After(end) {
			r.Fatalf("it does not end: %s", body)
		}
	}
	_, body := r.ask(fmt.Sprintf("/api/v2.0/replication/executions/%d/tasks", id))
	var tasks []struct{ ID int64 }
	if err := json.Unmarshal(body, &tasks); err != nil {
		r.Fatalf("%s: %v", body, err)
	}
	for _, t := range tasks {
		_, text := r.ask(fmt.Sprintf("/api/v2.0/replication/executions/%d/tasks/%d/log", id, t.ID))
		log += string(text)
	}
	return e, log
}

func (r replicator) ask(path string) (int, []byte) {
	r.Helper()
	answer := r.Do("GET", path, apptest.Admin, r.Password, nil)
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, body
}

func TestReplicationBringsWhatAnotherRegistryHas(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	image, _ := u.push(t, "library/app", "v1", blobtest.Content(1, 3<<20))
	other, _ := u.push(t, "library/app", "v2", blobtest.Content(2, 1000))
	child, _ := u.push(t, "library/multi", "", blobtest.Content(3, 1000))
	index := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":500,"platform":{"os":"linux","architecture":"amd64"}}]}`, oci.MediaTypeImageIndex, oci.MediaTypeImageManifest, child)
	if err := u.far.PushManifest(t.Context(), "library/multi", "v1", oci.MediaTypeImageIndex, index); err != nil {
		t.Fatal(err)
	}
	signature := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.example.signature","config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":500}}`,
		oci.MediaTypeImageManifest, oci.MediaTypeEmpty, oci.Sum(oci.SHA256, []byte("{}")), oci.MediaTypeImageManifest, image)
	u.blob(t, "library/app", []byte("{}"))
	if err := u.far.PushManifest(t.Context(), "library/app", string(oci.Sum(oci.SHA256, signature)), oci.MediaTypeImageManifest, signature); err != nil {
		t.Fatal(err)
	}
	r := startReplicator(t, u)
	u.cuts.Store(1)
	p := r.policy("src", `,"filters":[{"type":"name","value":"library/**"}],"dest_namespace":"copies"`)
	if e, log := r.run(p); e.Status != "Succeed" || e.Total != 2 {
		t.Fatalf("%+v\n%s", e, log)
	}
	for ref, want := range map[string]oci.Digest{"app:v1": image, "app:v2": other, "multi:v1": oci.Sum(oci.SHA256, index)} {
		name, tag, _ := strings.Cut(ref, ":")
		if d := r.pull("copies/"+name, tag); d != want {
			t.Errorf("%s: %s, want %s", ref, d, want)
		}
	}
	if _, body := r.get("GET", "/v2/copies/app/referrers/"+string(image)); !strings.Contains(string(body), string(oci.Sum(oci.SHA256, signature))) {
		t.Errorf("%s", body)
	}
	before := u.blobs.Load()
	if e, log := r.run(p); e.Status != "Succeed" || u.blobs.Load() != before || !strings.Contains(log, "is there already") {
		t.Errorf("%+v, %d blobs again\n%s", e, u.blobs.Load()-before, log)
	}
}

func TestReplicationTakesWhatIsHereToAnotherRegistry(t *testing.T) {
	t.Parallel()
	u, source := startUpstream(t), startUpstream(t)
	r := startReplicator(t, u)
	// The image comes here by a policy of its own.
	image, _ := source.push(t, "library/app", "v1", blobtest.Content(1, 3<<20))
	source.push(t, "library/app", "skip", blobtest.Content(2, 10))
	from := idOf(r.post("/api/v2.0/registries", fmt.Sprintf(`{"name":"source","type":"harbor","url":%q,"credential":{"type":"basic","access_key":%q,"access_secret":%q}}`, source.URL, apptest.Admin, source.Password)))
	bring := idOf(r.post("/api/v2.0/replication/policies", fmt.Sprintf(`{"name":"bring","src_registry":{"id":%d},"enabled":true,"filters":[{"type":"name","value":"library/app"}]}`, from)))
	if e, log := r.run(bring); e.Status != "Succeed" {
		t.Fatalf("%+v\n%s", e, log)
	}
	told := receive(t)
	subscribe(t, r.Server, "copies", told.URL, `"REPLICATION"`)
	p := r.policy("dest", `,"filters":[{"type":"name","value":"library/app"},{"type":"tag","value":"v*"}],"dest_namespace":"backup/here","copy_by_chunk":true`)
	for range 2 { // the second time there is nothing to do, and to tell
		if e, log := r.run(p); e.Status != "Succeed" {
			t.Fatalf("%+v\n%s", e, log)
		}
	}
	eventually(t, "what is told of it", func() bool {
		all, bodies, _ := told.all()
		return len(all) == 1 && strings.Contains(bodies[0], `"name_tag":"library/app:v1"`)
	})
	if m, err := u.far.StatManifest(t.Context(), "backup/here/app", "v1"); err != nil || m.Digest != image {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := u.far.StatManifest(t.Context(), "backup/here/app", "skip"); err == nil {
		t.Error("what the filter leaves out was copied")
	}
	r.policy("dest", `,"filters":[{"type":"name","value":"library/*"}],"dest_namespace":"live","trigger":{"type":"event_based"},"deletion":true`)
	r.tag("library/app", "v1", "v3")
	eventually(t, "the copy of a new tag", func() bool {
		m, err := u.far.StatManifest(t.Context(), "live/app", "v3")
		return err == nil && m.Digest == image
	})
	if answer := r.Do("DELETE", "/api/v2.0/projects/library/repositories/app/artifacts/v1/tags/v3", apptest.Admin, r.Password, nil); answer.StatusCode != http.StatusOK {
		t.Fatal(answer.StatusCode)
	}
	eventually(t, "the deletion of a tag", func() bool {
		_, err := u.far.StatManifest(t.Context(), "live/app", "v3")
		return err != nil
	})
}

func (r replicator) tag(repository, ref, tag string) {
	r.Helper()
	project, rest, _ := strings.Cut(repository, "/")
	r.post("/api/v2.0/projects/"+project+"/repositories/"+rest+"/artifacts/"+ref+"/tags", fmt.Sprintf(`{"name":%q}`, tag))
}

func TestReplicationSaysWhatFailed(t *testing.T) {
	t.Parallel()
	u := startUpstream(t)
	u.push(t, "library/app", "v1", blobtest.Content(1, 1000))
	r := startReplicator(t, u)
	p := r.policy("src", `,"filters":[{"type":"name","value":"library/{app,none}"}],"dest_namespace":"copies"`)
	u.fail.Store(http.StatusForbidden)
	id := idOf(r.post("/api/v2.0/replication/executions", fmt.Sprintf(`{"policy_id":%d}`, p)))
	eventually(t, "a first try", func() bool {
		_, body := r.ask(fmt.Sprintf("/api/v2.0/replication/executions/%d/tasks", id))
		var tasks []struct{ ID int64 }
		if json.Unmarshal(body, &tasks) != nil || len(tasks) == 0 {
			return false
		}
		_, text := r.ask(fmt.Sprintf("/api/v2.0/replication/executions/%d/tasks/%d/log", id, tasks[0].ID))
		return strings.Contains(string(text), "403")
	})
	if answer := r.Do("PUT", fmt.Sprintf("/api/v2.0/replication/executions/%d", id), apptest.Admin, r.Password, nil); answer.StatusCode != http.StatusOK {
		t.Fatal(answer.StatusCode)
	}
	if e, _ := r.over(id); e.Status != "Stopped" && e.Status != "Failed" {
		t.Errorf("%+v", e)
	}
}
