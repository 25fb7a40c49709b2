package api

import (
	"path"
	"strings"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/storage/db"
)

// newExport asks for what was found in alpha.
const newExport = "POST /export/cve\nX-Scan-Data-Type: application/vnd.security.vulnerability.report; version=1.1\n\n" + `{"projects":[1]}`

// theReport is the UUID of the report that aScan makes.
const theReport = "00000000-0000-4000-8000-000000000001"

func anInspector(w *world) { w.inspector.there = true }

func aScan(w *world) {
	anInspector(w)
	w.want(202, "mia", "POST /projects/alpha/repositories/app/artifacts/1/scan")
	err := w.db.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE scan_report SET uuid = ?`, theReport)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func aReport(w *world) {
	aScan(w)
	w.work()
}

func anExport(w *world) {
	anInspector(w)
	w.want(200, "dev", newExport)
}

func anExportThatIsReady(w *world) {
	anExport(w)
	w.work()
}

func aScanOfAll(w *world) {
	anInspector(w)
	w.want(201, "root", "POST /system/scanAll/schedule\n\n"+`{"schedule":{"type":"Manual"}}`)
}

func aGroup(w *world) { w.want(201, "root", "POST /usergroups\n\n"+newGroup) }

func aLabel(w *world) { w.want(201, "alice", "POST /labels\n\n"+newLabel) }

func aLabelOnApp(w *world) {
	aLabel(w)
	w.want(200, "alice", "POST /projects/alpha/repositories/app/artifacts/1/labels\n\n"+`{"id":1}`)
}

func aCollection(w *world) {
	w.want(201, "root", "POST /system/gc/schedule\n\n"+`{"schedule":{"type":"Manual"}}`)
}

func aPurge(w *world) { w.want(201, "root", "POST /system/purgeaudit/schedule\n\n"+newPurge) }

func aPurgeSchedule(w *world) {
	w.want(201, "root", "POST /system/purgeaudit/schedule\n\n"+strings.Replace(newPurge, "Manual", "Daily", 1))
}

func aRetention(w *world) { w.want(201, "root", "POST /retentions\n\n"+newRetention) }

func aRetentionRun(w *world) {
	aRetention(w)
	w.want(201, "root", "POST /retentions/1/executions\n\n{}")
}

func aRegistry(w *world) { w.want(201, "root", "POST /registries\n\n"+newRegistry) }

// aCache makes the project "cache" (4), of which dev is a developer, with the image
// cache/app:1 as if it had been fetched.
func aCache(w *world) {
	aRegistry(w)
	w.want(201, "root", "POST /projects\n\n"+`{"project_name":"cache","registry_id":1}`)
	w.want(201, "root", "POST /projects/cache/members\n\n"+`{"role_id":2,"member_user":{"username":"dev"}}`)
	if _, err := pushImage(w.t.Context(), w.content, artifact.Repo{ProjectID: 4, Name: "cache/app"}, "1", "cached"); err != nil {
		w.t.Fatal(err)
	}
}

func aTrust(w *world) {
	w.want(201, "alice", "POST /projects/alpha/trust\n\n"+newTrust)
}

func aWebhook(w *world) {
	w.want(201, "alice", "POST /projects/alpha/webhook/policies\n\n"+newWebhook)
}

func aWebhookTrial(w *world) {
	aWebhook(w)
	w.want(201, "alice", "POST /projects/alpha/webhook/policies/1/test")
}

func aReplication(w *world) {
	aRegistry(w)
	w.want(201, "root", "POST /replication/policies\n\n"+newReplication)
}

func aReplicationRun(w *world) {
	aReplication(w)
	w.want(201, "root", "POST /replication/executions\n\n"+`{"policy_id":1}`)
}

func aScanner(w *world) {
	a := w.want(201, "root", "POST /scanners\n\n"+newScanner)
	w.scanner = path.Base(a.Header().Get("Location"))
}

func aRule(w *world) { w.want(201, "alice", "POST /projects/alpha/immutabletagrules\n\n"+newRule) }

func someMetadata(w *world) {
	w.want(200, "alice", "POST /projects/alpha/metadatas/\n\n"+`{"auto_scan":"true"}`)
}

func emptyProject(w *world) { w.want(201, "alice", "POST /projects\n\n"+`{"project_name":"empty"}`) }
