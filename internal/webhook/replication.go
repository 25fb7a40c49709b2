package webhook

import (
	"strings"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
)

// What is told of a replication.
type (
	replicationData struct {
		Host      string        `json:"harbor_hostname"`
		Status    string        `json:"job_status"` // Success or Error
		Policy    string        `json:"description"`
		Type      string        `json:"artifact_type,omitempty"`
		Override  bool          `json:"override_mode"`
		Trigger   string        `json:"trigger_type"`
		Started   int64         `json:"execution_timestamp"` // seconds since 1970
		From      replica       `json:"src_resource"`
		To        replica       `json:"dest_resource"`
		Done      []replicaItem `json:"successful_artifact,omitempty"`
		Failed    []replicaItem `json:"failed_artifact,omitempty"`
		Execution int64         `json:"execution_id"`
		Task      int64         `json:"task_id"`
	}
	replica struct {
		Name      string `json:"registry_name"`
		Type      string `json:"registry_type"`
		URL       string `json:"endpoint"`
		Namespace string `json:"namespace"`
	}
	replicaItem struct {
		Type   string `json:"type,omitempty"`
		Status string `json:"status"`
		Name   string `json:"name_tag"`
		Why    string `json:"fail_reason,omitempty"`
	}
)

func replicated(f event.ReplicationRan, host string) *replicationData {
	r := &replicationData{
		Host: host, Status: "Success", Policy: f.Policy.Name, Type: strings.ToLower(f.Type), Override: f.Override, Trigger: f.Trigger,
		Started: f.Started.Unix(), From: replicaOf(f.From, host), To: replicaOf(f.To, host), Execution: f.Execution, Task: f.Task,
	}
	for _, name := range f.Done {
		r.Done = append(r.Done, replicaItem{Type: r.Type, Status: succeeded, Name: name})
	}
	for _, failed := range f.Failed {
		r.Status = "Error"
		r.Failed = append(r.Failed, replicaItem{Type: r.Type, Status: "ERROR", Name: failed.Artifact, Why: failed.Cause})
	}
	return r
}

func replicaOf(r event.Replica, host string) replica {
	namespace, _ := oci.SplitRepository(r.Repository)
	if r.URL == "" {
		r.URL = host
	}
	return replica{r.Registry, r.Type, r.URL, namespace}
}
