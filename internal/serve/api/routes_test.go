package api

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/scanner"
)

// A scenario is a row of the table as it is lived: without an identity, by one
// who may not, and done.
type scenario struct {
	before  func(w *world) // makes what the request is about, where no world has it
	request string         // as world.do takes it
	open    bool           // anybody may; then nobody is denied
	denied  string         // one who may not; empty where everybody with an identity may
	done    string         // one who may
	status  int            // when it is done
	check   func(t *testing.T, w *world, a answer)
}

// scenarios has one for every row of the table, by the operation's id.
var scenarios = map[string]scenario{
	"getPing":       {request: "GET /ping", open: true, status: 200, check: bodyIs("Pong")},
	"getHealth":     {request: "GET /health", open: true, status: 200, check: bodyHas(`"status":"healthy"`, `"name":"database"`)},
	"getVersion":    {request: "GET /api/version", open: true, status: 200, check: bodyIs(`{"version":"v2.0"}` + "\n")},
	"getDocument":   {request: "GET /openapi.json", open: true, status: 200, check: bodyHas(`"openapi":"3.1.0"`)},
	"getDocs":       {request: "GET /docs", open: true, status: 200, check: bodyHas("<h1>Berth API</h1>")},
	"getSystemInfo": {request: "GET /systeminfo", open: true, status: 200, check: bodyHas(`"auth_mode":"db_auth"`)},
	"getVolumes":    {request: "GET /systeminfo/volumes", denied: "alice", done: "root", status: 200, check: bodyHas(`"total":1099511627776,"free":549755813888`)},
	"getCert":       {request: "GET /systeminfo/getcert", open: true, status: 404},

	"getConfigurations":    {request: "GET /configurations", denied: "alice", done: "root", status: 200, check: bodyHas(`"auth_mode":{"value":"db_auth","editable":false}`, `"scan_all_policy":{"type":"none"}`, `"token_expiration":{"value":30,"editable":true}`)},
	"updateConfigurations": {request: "PUT /configurations\n\n" + `{"token_expiration":45,"no_such_key":1}`, denied: "alice", done: "root", status: 200, check: then("GET /configurations", "root", `"token_expiration":{"value":45,"editable":true}`)},
	"getInternalconfig":    {request: "GET /internalconfig", denied: "alice", done: "root", status: 200, check: bodyHas(`"scan_all_policy":{"value":{"type":"none"},"editable":true}`)},

	"listUsers":                 {request: "GET /users", denied: "alice", done: "root", status: 200, check: bodyHas(`"username":"alice"`)},
	"createUser":                {request: "POST /users\n\n" + newUser, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/users/8")},
	"searchUsers":               {request: "GET /users/search?username=ali", done: "lim", status: 200, check: bodyIs(`[{"user_id":2,"username":"alice"}]` + "\n")},
	"getCurrentUserInfo":        {request: "GET /users/current", denied: "robot:1 412", done: "alice", status: 200, check: bodyHas(`"user_id":2`)},
	"getCurrentUserPermissions": {request: "GET /users/current/permissions?scope=/project/1&relative=true", done: "lim", status: 200, check: bodyHas(`{"resource":"repository","action":"pull"}`)},
	"getUser":                   {request: "GET /users/2", denied: "bob", done: "alice", status: 200, check: bodyHas(`"username":"alice"`)},
	"updateUserProfile":         {request: "PUT /users/2\n\n" + profile, denied: "bob", done: "alice", status: 200, check: then("GET /users/2", "root", `"comment":"changed"`)},
	"deleteUser":                {request: "DELETE /users/7", denied: "bob", done: "root", status: 200, check: gone("GET /users/7")},
	"setUserSysAdmin":           {request: `PUT /users/2/sysadmin` + "\n\n" + `{"sysadmin_flag":true}`, denied: "alice", done: "root", status: 200, check: then("GET /users/2", "root", `"sysadmin_flag":true`)},
	"updateUserPassword":        {request: "PUT /users/2/password\n\n" + newPassword, denied: "bob", done: "alice", status: 200},
	"setCliSecret":              {request: `PUT /users/2/cli_secret` + "\n\n" + `{"secret":"Passw0rd1"}`, denied: "bob", done: "alice", status: 412},

	"listUserGroups":   {before: aGroup, request: "GET /usergroups?group_name=STA", denied: "alice", done: "root", status: 200, check: bodyIs(`[{"id":1,"group_name":"staff","group_type":3,"ldap_group_dn":""}]` + "\n")},
	"createUserGroup":  {request: "POST /usergroups\n\n" + newGroup, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/usergroups/1")},
	"searchUserGroups": {before: aGroup, request: "GET /usergroups/search?groupname=sta", done: "lim", status: 200, check: bodyIs(`[{"id":1,"group_name":"staff","group_type":3}]` + "\n")},
	"getUserGroup":     {before: aGroup, request: "GET /usergroups/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"group_name":"staff"`)},
	"updateUserGroup":  {before: aGroup, request: "PUT /usergroups/1\n\n" + `{"group_name":"people","group_type":1}`, denied: "alice", done: "root", status: 200, check: then("GET /usergroups/1", "root", `"group_name":"people","group_type":3`)},
	"deleteUserGroup":  {before: aGroup, request: "DELETE /usergroups/1", denied: "alice", done: "root", status: 200, check: gone("GET /usergroups/1")},

	// What a directory answers is tested with one, beside the package that asks it.
	"pingLdap":        {request: "POST /ldap/ping\n\n" + `{"ldap_url":""}`, denied: "alice", done: "root", status: 200, check: bodyHas(`"success":false`, "ldap_url is not set")},
	"searchLdapUser":  {request: "GET /ldap/users/search?username=x", denied: "alice", done: "root", status: 400, check: bodyHas("ldap_url is not set")},
	"importLdapUser":  {request: "POST /ldap/users/import\n\n" + `{"ldap_uid_list":["x"]}`, denied: "alice", done: "root", status: 400, check: bodyHas("ldap_url is not set")},
	"searchLdapGroup": {request: "GET /ldap/groups/search?groupname=x", denied: "alice", done: "root", status: 400, check: bodyHas("ldap_url is not set")},

	"listProjects":        {request: "GET /projects", open: true, status: 200, check: bodyHas(`"name":"open"`)},
	"headProject":         {request: "HEAD /projects?project_name=alpha", done: "bob", status: 200},
	"createProject":       {request: `POST /projects` + "\n\n" + `{"project_name":"gamma"}`, denied: "robot:3", done: "bob", status: 201, check: location("/api/v2.0/projects/4")},
	"getProject":          {request: "GET /projects/alpha", denied: "bob", done: "lim", status: 200, check: bodyHas(`"name":"alpha"`, `"current_user_role_id":5`)},
	"updateProject":       {request: `PUT /projects/alpha` + "\n\n" + `{"metadata":{"auto_scan":"true"}}`, denied: "mia", done: "alice", status: 200, check: then("GET /projects/1", "root", `"auto_scan":"true"`)},
	"deleteProject":       {before: emptyProject, request: "DELETE /projects/empty", denied: "mia", done: "alice", status: 200, check: gone("GET /projects/empty")},
	"getProjectDeletable": {before: emptyProject, request: "GET /projects/empty/_deletable", denied: "mia", done: "alice", status: 200, check: bodyHas(`"deletable":true`)},
	"getProjectSummary":   {request: "GET /projects/alpha/summary", denied: "bob", done: "gus", status: 200, check: bodyHas(`"project_admin_count":1`, `"limited_guest_count":1`)},

	"listProjectMembers":  {request: "GET /projects/alpha/members", denied: "lim", done: "gus", status: 200, check: bodyHas(`"role_name":"limitedGuest"`)},
	"createProjectMember": {request: `POST /projects/alpha/members` + "\n\n" + `{"role_id":2,"member_user":{"username":"bob"}}`, denied: "mia", done: "alice", status: 201, check: location("/api/v2.0/projects/alpha/members/8")},
	"getProjectMember":    {request: "GET /projects/1/members/1", denied: "lim", done: "gus", status: 200, check: bodyHas(`"entity_name":"alice"`, `"role_id":1`, `"entity_type":"u"`)},
	"updateProjectMember": {request: `PUT /projects/alpha/members/1` + "\n\n" + `{"role_id":3}`, denied: "mia", done: "alice", status: 200, check: then("GET /projects/1/members/1", "root", `"role_name":"guest"`)},
	"deleteProjectMember": {request: "DELETE /projects/alpha/members/1", denied: "mia", done: "alice", status: 200, check: gone("GET /projects/alpha/members/1")},

	"listAllRepositories": {request: "GET /repositories", open: true, status: 200, check: bodyHas(`"name":"open/app"`)},
	"listRepositories":    {request: "GET /projects/alpha/repositories?q=name%3D~base", denied: "bob", done: "lim", status: 200, check: bodyHas(`"name":"alpha/lib/base"`)},
	"getRepository":       {request: "GET /projects/alpha/repositories/lib%252Fbase", denied: "bob", done: "lim", status: 200, check: bodyHas(`"name":"alpha/lib/base"`, `"artifact_count":1`)},
	"updateRepository":    {request: "PUT /projects/alpha/repositories/app" + "\n\n" + `{"description":"new <b>words</b>"}`, denied: "gus", done: "dev", status: 200, check: then("GET /projects/alpha/repositories/app", "root", `"description":"new &lt;b&gt;words&lt;/b&gt;"`)},
	"deleteRepository":    {request: "DELETE /projects/alpha/repositories/app", denied: "dev", done: "mia", status: 200, check: gone("GET /projects/alpha/repositories/app")},

	"listArtifactsOfProject": {request: "GET /projects/alpha/artifacts", denied: "bob", done: "lim", status: 200, check: bodyHas(`"repository_name":"alpha/app"`, `"repository_name":"alpha/lib/base"`)},
	"listArtifacts":          {request: "GET /projects/alpha/repositories/app/artifacts?q=tags%3D*", denied: "bob", done: "lim", status: 200, check: bodyHas(`"type":"IMAGE"`, `"name":"1"`)},
	"getArtifact":            {request: "GET /projects/alpha/repositories/app/artifacts/1", denied: "bob", done: "lim", status: 200, check: bodyHas(`"architecture":"amd64"`, `"href":"/api/v2.0/projects/alpha/repositories/app/artifacts/sha256:`)},
	"deleteArtifact":         {request: "DELETE /projects/alpha/repositories/app/artifacts/1", denied: "dev", done: "mia", status: 200, check: gone("GET /projects/alpha/repositories/app/artifacts/1")},
	"listTags":               {request: "GET /projects/alpha/repositories/app/artifacts/1/tags", denied: "bob", done: "lim", status: 200, check: bodyHas(`"name":"1"`)},
	"createTag":              {request: "POST /projects/alpha/repositories/app/artifacts/1/tags" + "\n\n" + `{"name":"2"}`, denied: "gus", done: "dev", status: 201, check: then("GET /projects/alpha/repositories/app/artifacts/2", "root", `"name":"2"`)},
	"deleteTag":              {request: "DELETE /projects/alpha/repositories/app/artifacts/1/tags/1", denied: "dev", done: "mia", status: 200, check: gone("GET /projects/alpha/repositories/app/artifacts/1")},
	"listAccessories":        {request: "GET /projects/alpha/repositories/app/artifacts/1/accessories", denied: "bob", done: "lim", status: 200, check: bodyIs("[]\n")},

	"ListLabels":   {request: "GET /labels?scope=g", open: true, status: 200, check: bodyIs("[]\n")},
	"CreateLabel":  {request: "POST /labels\n\n" + newLabel, denied: "dev", done: "mia", status: 201, check: location("/api/v2.0/labels/1")},
	"GetLabelByID": {before: aLabel, request: "GET /labels/1", denied: "lim", done: "gus", status: 200, check: bodyHas(`"name":"gold"`, `"scope":"p","project_id":1`)},
	"UpdateLabel":  {before: aLabel, request: "PUT /labels/1" + "\n\n" + `{"name":"silver"}`, denied: "dev", done: "mia", status: 200, check: then("GET /labels/1", "root", `"name":"silver"`)},
	"DeleteLabel":  {before: aLabel, request: "DELETE /labels/1", denied: "dev", done: "mia", status: 200, check: gone("GET /labels/1")},
	"addLabel": {before: aLabel, request: "POST /projects/alpha/repositories/app/artifacts/1/labels" + "\n\n" + `{"id":1}`, denied: "gus", done: "dev", status: 200,
		check: then("GET /projects/alpha/repositories/app/artifacts/1?with_label=true", "root", `"labels":[{"id":1,"name":"gold"`)},
	"removeLabel": {before: aLabelOnApp, request: "DELETE /projects/alpha/repositories/app/artifacts/1/labels/1", denied: "gus", done: "dev", status: 200,
		check: then("GET /projects/alpha/repositories/app/artifacts/1?with_label=true", "root", `"labels":null`)},

	"ListImmuRules":  {before: aRule, request: "GET /projects/alpha/immutabletagrules", denied: "dev", done: "mia", status: 200, check: bodyHas(`"pattern":"v*"`, `"decoration":"repoMatches"`)},
	"CreateImmuRule": {request: "POST /projects/alpha/immutabletagrules\n\n" + newRule, denied: "dev", done: "mia", status: 201, check: location("/api/v2.0/projects/alpha/immutabletagrules/1")},
	"UpdateImmuRule": {before: aRule, request: "PUT /projects/alpha/immutabletagrules/1\n\n" + strings.Replace(newRule, "v*", "w*", 1), denied: "dev", done: "mia", status: 200, check: then("GET /projects/alpha/immutabletagrules", "root", `"pattern":"w*"`)},
	"DeleteImmuRule": {before: aRule, request: "DELETE /projects/alpha/immutabletagrules/1", denied: "dev", done: "mia", status: 200, check: then("GET /projects/alpha/immutabletagrules", "root", "[]")},

	"listSignatures": {before: aTrust, request: "GET /projects/alpha/repositories/app/artifacts/1/signatures", denied: "bob", done: "lim", status: 200, check: bodyIs(`{"verified":false,"trusting":true,"more":false,"signatures":[]}` + "\n")},
	"listTrust":      {before: aTrust, request: "GET /projects/alpha/trust?q=kind%3Dkey", denied: "dev", done: "mia", status: 200, check: bodyHas(`"name":"ci","description":"","kind":"key","content":"-----BEGIN PUBLIC KEY-----`)},
	"createTrust":    {request: "POST /projects/alpha/trust\n\n" + newTrust, denied: "mia", done: "alice", status: 201, check: location("/api/v2.0/projects/alpha/trust/1")},
	"getTrust":       {before: aTrust, request: "GET /projects/alpha/trust/1", denied: "dev", done: "mia", status: 200, check: bodyHas(`"id":1,"name":"ci"`)},
	"updateTrust":    {before: aTrust, request: "PUT /projects/alpha/trust/1\n\n" + strings.Replace(newTrust, `"ci"`, `"release"`, 1), denied: "mia", done: "alice", status: 200, check: then("GET /projects/alpha/trust/1", "mia", `"name":"release"`)},
	"deleteTrust":    {before: aTrust, request: "DELETE /projects/alpha/trust/1", denied: "mia", done: "alice", status: 200, check: gone("GET /projects/alpha/trust/1")},

	"listProjectMetadatas":  {request: "GET /projects/alpha/metadatas/", denied: "alice", done: "root", status: 200, check: bodyHas(`"public":"false"`)},
	"addProjectMetadatas":   {request: "POST /projects/alpha/metadatas/" + "\n\n" + `{"auto_scan":"1"}`, denied: "mia", done: "alice", status: 200, check: then("GET /projects/alpha/metadatas/auto_scan", "mia", `{"auto_scan":"true"}`)},
	"getProjectMetadata":    {request: "GET /projects/alpha/metadatas/public", denied: "dev", done: "mia", status: 200, check: bodyHas(`{"public":"false"}`)},
	"updateProjectMetadata": {request: "PUT /projects/alpha/metadatas/public" + "\n\n" + `{"public":"true"}`, denied: "mia", done: "alice", status: 200, check: then("GET /projects/alpha", "bob", `"public":"true"`)},
	"deleteProjectMetadata": {before: someMetadata, request: "DELETE /projects/alpha/metadatas/auto_scan", denied: "mia", done: "alice", status: 200, check: gone("GET /projects/alpha/metadatas/auto_scan")},

	"getScannerOfProject": {request: "GET /projects/alpha/scanner", denied: "bob", done: "lim", status: 200,
		check: bodyHas(`"uuid":"`+scanner.BuiltinID+`","name":"Berth"`, `"url":"http://berth.test"`, `"is_default":true`, `"vendor":"Berth","version":"1.2.3","health":"healthy"`, `"capabilities":{"support_vulnerability":true,"support_sbom":true}`)},
	"setScannerOfProject":            {before: aScanner, request: "PUT /projects/alpha/scanner" + "\n\n" + `{"uuid":"{scanner}"}`, denied: "mia", done: "alice", status: 200, check: then("GET /projects/alpha/scanner", "lim", `"name":"probe"`, `"is_default":false`)},
	"listScannerCandidatesOfProject": {before: aScanner, request: "GET /projects/alpha/scanner/candidates?sort=-name", denied: "mia", done: "alice", status: 200, check: bodyHas(`[{"uuid":"`, `"name":"probe"`, `"name":"Berth"`)},

	"listScanners": {before: aScanner, request: "GET /scanners?q=name%3D~PRO", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"name":"probe","description":"d"`, `"auth":"Bearer","access_credential":"","skip_certVerify":false,"use_internal_addr":true`, `"adapter":"Probe","vendor":"Acme","version":"7.1","health":"healthy"`)},
	"createScanner": {request: "POST /scanners\n\n" + newScanner, denied: "alice", done: "root", status: 201, check: func(t *testing.T, w *world, a answer) {
		then(strings.Replace("GET "+a.Header().Get("Location"), base, "", 1), "root", `"name":"probe"`, `"is_default":false`, `"disabled":false`)(t, w, a)
	}},
	"pingScanner": {request: "POST /scanners/ping\n\n" + newScanner, denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"getScanner":  {before: aScanner, request: "GET /scanners/{scanner}", denied: "alice", done: "root", status: 200, check: bodyHas(`"name":"probe"`, `"url":"`+probe.URL+`"`)},
	"updateScanner": {before: aScanner, request: "PUT /scanners/{scanner}\n\n" + strings.Replace(newScanner, "probe", "renamed", 1), denied: "alice", done: "root", status: 200,
		check: then("GET /scanners/{scanner}", "root", `"name":"renamed"`)},
	"deleteScanner": {before: aScanner, request: "DELETE /scanners/{scanner}", denied: "alice", done: "root", status: 200, check: func(t *testing.T, w *world, a answer) {
		bodyHas(`"name":"probe"`)(t, w, a)
		gone("GET /scanners/{scanner}")(t, w, a)
	}},
	"setScannerAsDefault": {before: aScanner, request: "PATCH /scanners/{scanner}\n\n" + `{"is_default":true}`, denied: "alice", done: "root", status: 200, check: then("GET /projects/alpha/scanner", "lim", `"name":"probe"`, `"is_default":true`)},
	"getScannerMetadata": {before: aScanner, request: "GET /scanners/{scanner}/metadata", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"scanner":{"name":"Probe","vendor":"Acme","version":"7.1"}`, `{"type":"sbom","consumes_mime_types":[`, `"harbor.scanner-adapter/scanner-type":"os-package-vulnerability"`)},

	"getSystemCVEAllowlist": {request: "GET /system/CVEAllowlist", done: "lim", status: 200, check: bodyHas(`"project_id":0,"items":[]`)},
	"putSystemCVEAllowlist": {request: "PUT /system/CVEAllowlist\n\n" + `{"items":[{"cve_id":"CVE-2026-1"}],"expires_at":4102444800}`, denied: "alice", done: "root", status: 200,
		check: then("GET /system/CVEAllowlist", "lim", `"project_id":0,"expires_at":4102444800,"items":[{"cve_id":"CVE-2026-1"}]`)},

	"search":          {request: "GET /search?q=APP", open: true, status: 200, check: bodyHas(`"project":[]`, `"repository_name":"open/app"`, `"project_public":true`)},
	"getStatistic":    {request: "GET /statistics", done: "alice", status: 200, check: bodyHas(`"private_project_count":1,"private_repo_count":2,"public_project_count":1,"public_repo_count":2,"total_project_count":0`)},
	"getPulls":        {request: "GET /statistics/pulls?days=2", denied: "alice", done: "root", status: 200, check: bodyHas(`[{"day":"20`, `","pulls":0},{"day":"20`)},
	"getProjectPulls": {request: "GET /projects/alpha/statistics/pulls?days=1", denied: "bob", done: "lim", status: 200, check: bodyHas(`[{"day":"20`, `","pulls":0}]`)},
	"getIcon":         {request: "GET /icons/" + string(pictures["IMAGE"].digest), open: true, status: 200, check: bodyHas(`"content-type":"image/png"`)},

	"listQuotas":  {request: "GET /quotas?reference=project&reference_id=1", denied: "alice", done: "root", status: 200, check: bodyHas(`"ref":{"id":1,"name":"alpha","owner_name":"alice"}`, `"hard":{"storage":-1}`)},
	"getQuota":    {request: "GET /quotas/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"used":{"storage":`)},
	"updateQuota": {request: "PUT /quotas/1" + "\n\n" + `{"hard":{"storage":1000}}`, denied: "alice", done: "root", status: 200, check: then("GET /quotas/1", "root", `"hard":{"storage":1000}`)},

	"getLogs":                {request: "GET /projects/alpha/logs", denied: "mia", done: "alice", status: 200, check: bodyHas(`"resource":"alpha/app:1"`)},
	"getLogExts":             {request: "GET /projects/alpha/auditlog-exts", denied: "mia", done: "alice", status: 200, check: bodyHas(`"operation_result":true`)},
	"listAuditLogs":          {request: "GET /audit-logs", done: "alice", status: 200, check: bodyHas(`"resource":"alpha/app:1"`)},
	"listAuditLogExts":       {request: "GET /auditlog-exts", done: "root", status: 200, check: bodyHas(`"operation_description":"create artifact`)},
	"listAuditLogEventTypes": {request: "GET /auditlog-exts/events", denied: "alice", done: "root", status: 200, check: bodyHas(`{"event_type":"pull_artifact"}`)},

	"getRentenitionMetadata": {request: "GET /retentions/metadatas", done: "lim", status: 200, check: bodyHas(`"rule_template":"latestPushedK"`, `"decorations":["repoMatches","repoExcludes"]`)},
	"createRetention":        {request: "POST /retentions\n\n" + newRetention, denied: "gus", done: "dev", status: 201, check: location("/api/v2.0/retentions/1")},
	"getRetention": {before: aRetention, request: "GET /retentions/1", denied: "gus", done: "dev", status: 200,
		check: bodyHas(`"params":{"latestPushedK":3}`, `"extras":"{\"untagged\":false}"`, `"scope":{"level":"project","ref":1}`, `"cron":"0 0 0 * * *","next_scheduled_time":"2`)},
	"updateRetention": {before: aRetention, request: "PUT /retentions/1\n\n" + strings.Replace(newRetention, `:3}`, `:7}`, 1), denied: "gus", done: "dev", status: 200, check: then("GET /retentions/1", "root", `{"latestPushedK":7}`)},
	"deleteRetention": {before: aRetention, request: "DELETE /retentions/1", denied: "gus", done: "dev", status: 200, check: gone("GET /retentions/1")},
	"triggerRetentionExecution": {before: aRetention, request: "POST /retentions/1/executions\n\n" + `{"dry_run":true}`, denied: "gus", done: "dev", status: 201,
		check: then("GET /retentions/1/executions", "dev", `"status":"Running","trigger":"MANUAL","dry_run":true,"operator":"dev"`)},
	"listRetentionExecutions":   {before: aRetentionRun, request: "GET /retentions/1/executions", denied: "gus", done: "dev", status: 200, check: bodyHas(`"policy_id":1`)},
	"operateRetentionExecution": {before: aRetentionRun, request: "PATCH /retentions/1/executions/1\n\n" + `{"action":"stop"}`, denied: "gus", done: "dev", status: 200, check: then("GET /retentions/1/executions", "mia", `"status":"Stopped"`)},
	"listRetentionTasks":        {before: aRetentionRun, request: "GET /retentions/1/executions/1/tasks", denied: "gus", done: "dev", status: 200, check: bodyHas(`"repository":"alpha/app"`, `"status":"Pending","status_code":0`)},
	"getRetentionTaskLog":       {before: aRetentionRun, request: "GET /retentions/1/executions/1/tasks/1", denied: "gus", done: "dev", status: 200, check: bodyIs("")},

	"listRegistries": {before: aRegistry, request: "GET /registries?name=THE", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"name":"other"`, `"type":"docker-registry"`, `"credential":{"type":"basic","access_key":"ci","access_secret":"*****"}`, `"status":"healthy"`)},
	"createRegistry": {request: "POST /registries\n\n" + newRegistry, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/registries/1")},
	"pingRegistry":   {before: aRegistry, request: "POST /registries/ping\n\n" + `{"id":1,"url":"http://127.0.0.1:1"}`, denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"getRegistry":    {before: aRegistry, request: "GET /registries/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"id":1,"name":"other"`, `"insecure":false`, `"access_secret":"*****"`)},
	"updateRegistry": {before: aRegistry, request: "PUT /registries/1\n\n" + `{"name":"renamed","ca_certificate":null}`, denied: "alice", done: "root", status: 200,
		check: then("GET /registries/1", "root", `"name":"renamed","description":"d"`, `"access_secret":"*****"`)},
	"deleteRegistry":  {before: aRegistry, request: "DELETE /registries/1", denied: "alice", done: "root", status: 200, check: gone("GET /registries/1")},
	"getRegistryInfo": {before: aRegistry, request: "GET /registries/1/info", denied: "alice", done: "root", status: 200, check: bodyHas(`"type":"docker-registry"`, `{"type":"name","style":"input","values":[]}`, `"supported_triggers":["manual","scheduled"]`)},
	"listRegistryProviderTypes": {request: "GET /replication/adapters", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"harbor"`, `"docker-hub"`, `"docker-registry"`, `"huawei-SWR"`, `"google-gcr"`, `"aws-ecr"`, `"azure-acr"`, `"ali-acr"`, `"jfrog-artifactory"`, `"quay"`, `"gitlab"`, `"dtr"`, `"tencent-tcr"`, `"github-ghcr"`, `"volcengine-cr"`)},
	"listRegistryProviderInfos": {request: "GET /replication/adapterinfos", denied: "alice", done: "root", status: 200, check: bodyHas(
		`"docker-hub":{"endpoint_pattern":{"endpoint_type":"EndpointPatternTypeFix","endpoints":[{"key":"hub.docker.com","value":"https://hub.docker.com"}]}`,
		`"harbor":{"endpoint_pattern":{"endpoint_type":"EndpointPatternTypeStandard","endpoints":[]},"credential_pattern":{"access_key_type":"AccessKeyTypeStandard","access_key_data":"","access_secret_type":"AccessSecretTypePass"`,
		`"access_key_type":"AccessKeyTypeFix","access_key_data":"_json_key","access_secret_type":"AccessSecretTypeFile"`,
		`"huawei-SWR":{"endpoint_pattern":{"endpoint_type":"EndpointPatternTypeList"`)},

	"ListWebhookPoliciesOfProject": {before: aWebhook, request: "GET /projects/alpha/webhook/policies?q=name%3Dci", denied: "dev", done: "mia", status: 200,
		check: bodyHas(`"name":"ci"`, `"targets":[{"type":"http","address":"https://ci.example.org/hook","auth_header":"********","skip_cert_verify":false,"payload_format":"Default"}]`, `"creator":"alice"`)},
	"CreateWebhookPolicyOfProject": {request: "POST /projects/alpha/webhook/policies\n\n" + newWebhook, denied: "mia", done: "alice", status: 201, check: location("/api/v2.0/projects/alpha/webhook/policies/1")},
	"GetWebhookPolicyOfProject":    {before: aWebhook, request: "GET /projects/alpha/webhook/policies/1", denied: "dev", done: "mia", status: 200, check: bodyHas(`"event_types":["DELETE_ARTIFACT","PUSH_ARTIFACT"]`, `"enabled":true`)},
	"UpdateWebhookPolicyOfProject": {before: aWebhook, request: "PUT /projects/alpha/webhook/policies/1\n\n" + strings.Replace(newWebhook, `true`, `false`, 1), denied: "mia", done: "alice", status: 200,
		check: then("GET /projects/alpha/webhook/policies/1", "alice", `"enabled":false`)},
	"DeleteWebhookPolicyOfProject":  {before: aWebhook, request: "DELETE /projects/alpha/webhook/policies/1", denied: "mia", done: "alice", status: 200, check: gone("GET /projects/alpha/webhook/policies/1")},
	"testWebhookPolicyOfProject":    {before: aWebhook, request: "POST /projects/alpha/webhook/policies/1/test", denied: "mia", done: "alice", status: 201, check: location("/api/v2.0/projects/alpha/webhook/policies/1/executions/1/tasks")},
	"ListExecutionsOfWebhookPolicy": {before: aWebhookTrial, request: "GET /projects/alpha/webhook/policies/1/executions?q=status%3DRunning", denied: "dev", done: "mia", status: 200, check: bodyHas(`"vendor_type":"WEBHOOK","vendor_id":1,"status":"Running"`, `"pending_task_count":1`, `"extra_attrs":{"event_type":"TEST","payload":"{`)},
	"ListTasksOfWebhookExecution":   {before: aWebhookTrial, request: "GET /projects/alpha/webhook/policies/1/executions/1/tasks", denied: "dev", done: "mia", status: 200, check: bodyHas(`"status":"Pending"`, `"run_count":0`)},
	"GetLogsOfWebhookTask":          {before: aWebhookTrial, request: "GET /projects/alpha/webhook/policies/1/executions/1/tasks/1/log", denied: "dev", done: "mia", status: 200, check: bodyIs("")},
	"LastTrigger":                   {before: aWebhook, request: "GET /projects/alpha/webhook/lasttrigger", denied: "dev", done: "mia", status: 200, check: bodyHas(`{"policy_name":"ci","event_type":"DELETE_ARTIFACT","enabled":true,"creation_time":"`)},
	"GetSupportedEventTypes":        {request: "GET /projects/alpha/webhook/events", denied: "dev", done: "mia", status: 200, check: bodyHas(`"TAG_RETENTION"`, `"notify_type":["http","slack"]`, `{"notify_type":"http","formats":["Default","CloudEvents"]}`)},
	"ListWebhookJobs":               {before: aWebhookTrial, request: "GET /projects/alpha/webhook/jobs?policy_id=1&status=Running&status=Error", denied: "dev", done: "mia", status: 200, check: bodyHas(`"policy_id":1,"event_type":"TEST","notify_type":"http","status":"Running","job_detail":"{`)},

	"listReplicationPolicies": {before: aReplication, request: "GET /replication/policies?name=OU", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"name":"out"`, `"src_registry":{"id":0,"name":"Local"`, `"dest_registry":{"id":1,"name":"other"`, `"access_secret":"*****"`,
			`"filters":[{"type":"name","value":"library/**"},{"type":"tag","value":"v*","decoration":"excludes"},{"type":"label","value":["a","b"],"decoration":"matches"}]`)},
	"createReplicationPolicy": {before: aRegistry, request: "POST /replication/policies\n\n" + newReplication, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/replication/policies/1")},
	"getReplicationPolicy": {before: aReplication, request: "GET /replication/policies/1", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"dest_namespace":"team","dest_namespace_replace_count":-1`, `"trigger":{"type":"scheduled","trigger_settings":{"cron":"0 0 4 * * *"}}`, `"speed":0`, `"single_active_replication":true`, `"platforms":["linux/amd64"]`)},
	"updateReplicationPolicy": {before: aReplication, request: "PUT /replication/policies/1\n\n" + strings.Replace(newReplication, `"team"`, `"crew"`, 1), denied: "alice", done: "root", status: 200,
		check: then("GET /replication/policies/1", "root", `"dest_namespace":"crew"`)},
	"deleteReplicationPolicy":   {before: aReplication, request: "DELETE /replication/policies/1", denied: "alice", done: "root", status: 200, check: gone("GET /replication/policies/1")},
	"listReplicationExecutions": {before: aReplicationRun, request: "GET /replication/executions?policy_id=1&status=InProgress&trigger=manual", denied: "alice", done: "root", status: 200, check: bodyHas(`[{"id":1,"policy_id":1,"status":"InProgress","status_text":"","trigger":"manual","start_time":"`, `"total":1,"failed":0,"succeed":0,"in_progress":1,"stopped":0`)},
	"startReplication":          {before: aReplication, request: "POST /replication/executions\n\n" + `{"policy_id":1}`, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/replication/executions/1")},
	"getReplicationExecution":   {before: aReplicationRun, request: "GET /replication/executions/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"id":1,"policy_id":1,"status":"InProgress"`)},
	"stopReplication":           {before: aReplicationRun, request: "PUT /replication/executions/1", denied: "alice", done: "root", status: 200, check: then("GET /replication/executions/1", "root", `"status":"Stopped"`, `"in_progress":0,"stopped":1`)},
	"listReplicationTasks":      {before: aReplicationRun, request: "GET /replication/executions/1/tasks?status=Pending", denied: "alice", done: "root", status: 200, check: bodyHas(`[{"id":1,"execution_id":1,"status":"Pending","job_id":"1","operation":"copy"`)},
	"getReplicationLog":         {before: aReplicationRun, request: "GET /replication/executions/1/tasks/1/log", denied: "alice", done: "root", status: 200, check: bodyIs("")},

	"scanArtifact": {before: anInspector, request: "POST /projects/alpha/repositories/app/artifacts/1/scan", denied: "dev", done: "mia", status: 202,
		check: then("GET /projects/alpha/repositories/app/artifacts/1?with_scan_overview=true", "lim", `"scan_status":"Pending"`, `"scanner":{"name":"Inspector"`)},
	"stopScanArtifact": {before: aScan, request: "POST /projects/alpha/repositories/app/artifacts/1/scan/stop\n\n" + `{"scan_type":"vulnerability"}`, denied: "dev", done: "mia", status: 202,
		check: then("GET /projects/alpha/repositories/app/artifacts/1?with_scan_overview=true", "lim", `"scan_status":"Stopped"`)},
	"getReportLog": {before: aScan, request: "GET /projects/alpha/repositories/app/artifacts/1/scan/" + theReport + "/log", denied: "bob", done: "lim", status: 200, check: bodyIs("")},

	"getLatestScanAllMetrics":          {before: aScanOfAll, request: "GET /scans/all/metrics", denied: "alice", done: "root", status: 200, check: bodyHas(`"total":1,"completed":0`, `"Pending":1`, `"ongoing":true,"trigger":"Manual"`)},
	"getLatestScheduledScanAllMetrics": {before: aScanOfAll, request: "GET /scans/schedule/metrics", denied: "alice", done: "root", status: 200, check: bodyHas(`"total":0,"completed":0`, `"ongoing":false`)},
	"getScanAllSchedule":               {before: anInspector, request: "GET /system/scanAll/schedule", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"createScanAllSchedule": {before: anInspector, request: "POST /system/scanAll/schedule\n\n" + `{"schedule":{"type":"Custom","cron":"0 30 3 * * *"}}`, denied: "alice", done: "root", status: 201,
		check: then("GET /system/scanAll/schedule", "root", `"schedule":{"type":"Custom","cron":"0 30 3 * * *","next_scheduled_time":"`)},
	"updateScanAllSchedule": {before: anInspector, request: "PUT /system/scanAll/schedule\n\n" + `{"schedule":{"type":"Hourly"}}`, denied: "alice", done: "root", status: 200, check: then("GET /system/scanAll/schedule", "root", `"cron":"0 0 * * * *"`)},
	"stopScanAll":           {before: aScanOfAll, request: "POST /system/scanAll/stop", denied: "alice", done: "root", status: 202, check: then("GET /scans/all/metrics", "root", `"Stopped":1`, `"ongoing":false`)},

	"getSecuritySummary": {before: aReport, request: "GET /security/summary?with_dangerous_cve=true&with_dangerous_artifact=true", denied: "alice", done: "root", status: 200,
		check: bodyHas(`"critical_cnt":1`, `"low_cnt":1`, `"total_vuls":2,"scanned_cnt":1,"total_artifact":6,"fixable_cnt":1`, `"dangerous_cves":[{"cve_id":"CVE-2026-0001","severity":"Critical","cvss_score_v3":9.8`, `"dangerous_artifacts":[{"project_id":1,"repository_name":"alpha/app"`)},
	"ListVulnerabilities": {before: aReport, request: "GET /security/vul?q=cve_id%3DCVE-2026-0001&with_tag=true", denied: "alice", done: "root", status: 200,
		check: bodyHas(`[{"project_id":1,"repository_name":"alpha/app","digest":"sha256:`, `"tags":["1"],"cve_id":"CVE-2026-0001","severity":"Critical","status":"fixed","cvss_v3_score":9.8,"package":"everywhere","version":"1","fixed_version":"2"`)},

	"exportScanData":                 {before: anInspector, request: newExport, denied: "gus", done: "dev", status: 200, check: bodyIs(`{"id":1}` + "\n")},
	"getScanDataExportExecution":     {before: anExport, request: "GET /export/cve/execution/1", denied: "mia", done: "dev", status: 200, check: bodyHas(`"user_name":"dev","status":"Running"`, `"file_present":false`)},
	"getScanDataExportExecutionList": {before: anExport, request: "GET /export/cve/executions", done: "dev", status: 200, check: bodyHas(`{"items":[{"id":1,"user_id":4,"user_name":"dev"`)},
	"downloadScanData":               {before: anExportThatIsReady, request: "GET /export/cve/download/1", denied: "mia", done: "dev", status: 200, check: bodyHas("Repository,Artifact Digest,CVE")},

	"getGCHistory":  {before: aCollection, request: "GET /system/gc?q=status%3DRunning", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_name":"GARBAGE_COLLECTION","job_kind":"MANUAL"`, `\"workers\":1`)},
	"getGC":         {before: aCollection, request: "GET /system/gc/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_status":"Running"`, `\"time_window\":2`)},
	"stopGC":        {before: aCollection, request: "PUT /system/gc/1", denied: "alice", done: "root", status: 200, check: then("GET /system/gc/1", "root", `"job_status":"Stopped"`)},
	"getGCLog":      {before: aCollection, request: "GET /system/gc/1/log", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"getGCSchedule": {request: "GET /system/gc/schedule", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"createGCSchedule": {request: "POST /system/gc/schedule\n\n" + `{"schedule":{"type":"Custom","cron":"0 30 3 * * *"},"parameters":{"delete_untagged":true,"workers":3}}`, denied: "alice", done: "root", status: 201,
		check: then("GET /system/gc/schedule", "root", `"schedule":{"type":"Custom","cron":"0 30 3 * * *"`)},
	"updateGCSchedule": {request: "PUT /system/gc/schedule\n\n" + `{"schedule":{"type":"Hourly"}}`, denied: "alice", done: "root", status: 200, check: then("GET /system/gc/schedule", "root", `"cron":"0 0 * * * *"`)},

	"getPurgeHistory":     {before: aPurge, request: "GET /system/purgeaudit?sort=-creation_time", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_name":"PURGE_AUDIT_LOG","job_kind":"MANUAL","job_parameters":"{\"audit_retention_hour\":24`, `"schedule":{"type":"Manual"`)},
	"getPurgeJob":         {before: aPurge, request: "GET /system/purgeaudit/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_status":"Running"`)},
	"stopPurge":           {before: aPurge, request: "PUT /system/purgeaudit/1", denied: "alice", done: "root", status: 200, check: then("GET /system/purgeaudit/1", "root", `"job_status":"Stopped"`)},
	"getPurgeJobLog":      {before: aPurge, request: "GET /system/purgeaudit/1/log", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"getPurgeSchedule":    {request: "GET /system/purgeaudit/schedule", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"createPurgeSchedule": {request: "POST /system/purgeaudit/schedule\n\n" + newPurge, denied: "alice", done: "root", status: 201, check: location("/api/v2.0/system/purgeaudit/1")},
	"updatePurgeSchedule": {request: "PUT /system/purgeaudit/schedule\n\n" + strings.Replace(newPurge, "Manual", "Daily", 1), denied: "alice", done: "root", status: 200,
		check: then("GET /system/purgeaudit/schedule", "root", `"schedule":{"type":"Daily","cron":"0 0 0 * * *","next_scheduled_time":"`)},

	"getAdvisories":        {before: someAdvisories, request: "GET /system/advisories", denied: "alice", done: "root", status: 200, check: bodyHas(`"sources":[{"name":"npm"`, `"records":1,`, `"update_records":1`)},
	"listAdvisoryUpdates":  {before: anUpdate, request: "GET /system/advisories/update", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_name":"ADVISORIES","job_kind":"MANUAL"`)},
	"updateAdvisories":     {request: "POST /system/advisories/update", denied: "alice", done: "root", status: 201, check: location("/api/v2.0/system/advisories/update/1")},
	"getAdvisoryUpdate":    {before: anUpdate, request: "GET /system/advisories/update/1", denied: "alice", done: "root", status: 200, check: bodyHas(`"job_status":"Running"`)},
	"stopAdvisoryUpdate":   {before: anUpdate, request: "PUT /system/advisories/update/1", denied: "alice", done: "root", status: 200, check: then("GET /system/advisories/update/1", "root", `"job_status":"Stopped"`)},
	"getAdvisoryUpdateLog": {before: anUpdate, request: "GET /system/advisories/update/1/log", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"getAdvisorySchedule":  {request: "GET /system/advisories/schedule", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"setAdvisorySchedule": {request: "PUT /system/advisories/schedule\n\n" + `{"schedule":{"type":"Custom","cron":"0 30 3 * * *"}}`, denied: "alice", done: "root", status: 200,
		check: then("GET /system/advisories/schedule", "root", `"schedule":{"type":"Custom","cron":"0 30 3 * * *"`)},
	"importAdvisories": {request: "POST /system/advisories/import\nContent-Type: application/octet-stream\n\n" + anArchive(), denied: "alice", done: "root", status: 200,
		check: func(t *testing.T, w *world, a answer) {
			bodyHas(`"sources":[{"name":"npm"`, `"update_records":1`)(t, w, a)
			then("GET /system/advisories", "root", `"records":1,`)(t, w, a)
		}},
	"exportAdvisories": {before: someAdvisories, request: "GET /system/advisories/export", denied: "alice", done: "root", status: 200, check: isExport},

	"getWorkerPools":    {request: "GET /jobservice/pools", denied: "alice", done: "root", status: 200, check: bodyIs("[]\n")},
	"getWorkers":        {request: "GET /jobservice/pools/all/workers", denied: "alice", done: "root", status: 200, check: bodyIs("[]\n")},
	"stopRunningJob":    {before: aPurge, request: "PUT /jobservice/jobs/1", denied: "alice", done: "root", status: 200, check: then("GET /system/purgeaudit/1", "root", `"job_status":"Stopped"`)},
	"actionGetJobLog":   {before: aPurge, request: "GET /jobservice/jobs/1/log", denied: "alice", done: "root", status: 200, check: bodyIs("")},
	"listJobQueues":     {before: aPurge, request: "GET /jobservice/queues", denied: "alice", done: "root", status: 200, check: bodyIs(`[{"job_type":"ADVISORIES","count":0,"latency":0,"paused":false},{"job_type":"GARBAGE_COLLECTION","count":0,"latency":0,"paused":false},{"job_type":"IMAGE_SCAN","count":0,"latency":0,"paused":false},{"job_type":"PURGE_AUDIT_LOG","count":1,"latency":0,"paused":false},{"job_type":"REPLICATION","count":0,"latency":0,"paused":false},{"job_type":"RETENTION","count":0,"latency":0,"paused":false},{"job_type":"SBOM","count":0,"latency":0,"paused":false},{"job_type":"SCAN_ALL","count":0,"latency":0,"paused":false},{"job_type":"SCAN_DATA_EXPORT","count":0,"latency":0,"paused":false},{"job_type":"SLACK","count":0,"latency":0,"paused":false},{"job_type":"WEBHOOK","count":0,"latency":0,"paused":false},{"job_type":"SCHEDULER","count":0,"latency":0,"paused":false}]` + "\n")},
	"actionPendingJobs": {request: "PUT /jobservice/queues/SCHEDULER\n\n" + `{"action":"pause"}`, denied: "alice", done: "root", status: 200, check: then("GET /schedules/all/paused", "lim", `{"paused":true}`)},
	"listSchedules":     {before: aPurgeSchedule, request: "GET /schedules", denied: "alice", done: "root", status: 200, check: bodyHas(`[{"id":1,"vendor_type":"PURGE_AUDIT_LOG","vendor_id":0,"cron":"0 0 0 * * *"`)},
	"getSchedulePaused": {request: "GET /schedules/all/paused", done: "lim", status: 200, check: bodyIs(`{"paused":false}` + "\n")},

	"ListRobot":    {request: "GET /robots?q=Level%3Dproject,ProjectID%3D1", denied: "lim", done: "gus", status: 200, check: bodyHas(`"name":"robot$alpha+ci"`)},
	"CreateRobot":  {request: "POST /robots\n\n" + newRobot, denied: "mia", done: "alice", status: 201, check: location("/api/v2.0/robots/4")},
	"GetRobotByID": {request: "GET /robots/1", denied: "lim", done: "gus", status: 200, check: bodyHas(`"name":"robot$alpha+ci"`, `"expires_at":-1`)},
	"UpdateRobot":  {request: "PUT /robots/1\n\n" + changedRobot, denied: "mia", done: "alice", status: 200, check: then("GET /robots/1", "root", `"description":"changed"`)},
	"RefreshSec":   {request: `PATCH /robots/1` + "\n\n" + `{"secret":""}`, denied: "mia", done: "alice", status: 200, check: bodyHas(`"secret":"`)},
	"DeleteRobot":  {request: "DELETE /robots/1", denied: "mia", done: "alice", status: 200, check: gone("GET /robots/1")},

	"CopyArtifact":               {request: "POST /projects/alpha/repositories/copied%252Fapp/artifacts?from=open/app:1", denied: "gus", done: "dev", status: 201, check: location("/api/v2.0/projects/alpha/repositories/copied%252Fapp/artifacts/1")},
	"getVulnerabilitiesAddition": {request: "GET /projects/alpha/repositories/app/artifacts/1/additions/vulnerabilities", denied: "bob", done: "lim", status: 404, check: bodyHas("no scanner")},
	"getAddition":                {request: "GET /projects/alpha/repositories/app/artifacts/1/additions/BUILD_history", denied: "bob", done: "lim", status: 200, check: bodyIs(`[{"created":"2026-01-02T03:04:05Z","created_by":"COPY app /"}]`)},

	"getPermissions": {request: "GET /permissions", denied: "mia", done: "alice", status: 200, check: bodyHas(`"project":[`)},
}

const (
	newGroup     = `{"group_name":"staff","group_type":3}`
	newLabel     = `{"name":"gold","color":"#FFD700","scope":"p","project_id":1}`
	newRetention = `{"algorithm":"or","rules":[{"action":"retain","template":"latestPushedK","params":{"latestPushedK":3},` +
		`"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**","extras":"{\"untagged\":false}"}],` +
		`"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]}}],` +
		`"trigger":{"kind":"Schedule","settings":{"cron":"0 0 0 * * *"},"references":{}},"scope":{"level":"project","ref":1}}`
	newWebhook     = `{"name":"ci","enabled":true,"event_types":["PUSH_ARTIFACT","DELETE_ARTIFACT"],"targets":[{"type":"http","address":"https://ci.example.org/hook","auth_header":"Bearer abc"}]}`
	newTrust       = `{"name":"ci","kind":"key","content":"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAkemY0Zor75M/o9ZStZOlZtBcJ9Iheb5/sPU0hbMVBAE=\n-----END PUBLIC KEY-----\n"}`
	newReplication = `{"name":"out","dest_registry":{"id":1},"dest_namespace":"team","enabled":true,"single_active_replication":true,"platforms":["linux/amd64"],"speed":-1,` +
		`"filters":[{"type":"name","value":"library/**"},{"type":"tag","value":"v*","decoration":"excludes"},{"type":"label","value":["a","b"]}],` +
		`"trigger":{"type":"scheduled","trigger_settings":{"cron":"0 0 4 * * *"}}}`
	newPurge = `{"schedule":{"type":"Manual"},"parameters":{"audit_retention_hour":24,"include_event_types":"create_artifact,other","dry_run":true}}`
	newRule  = `{"action":"immutable","template":"immutable_template","tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"v*"}],` +
		`"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**"}]}}`
	newUser      = `{"username":"eve","email":"eve@example.org","realname":"E","password":"` + canary + `"}`
	profile      = `{"email":"alice@example.org","realname":"A","comment":"changed"}`
	newPassword  = `{"old_password":"` + password + `","new_password":"` + canary + `"}`
	robotRights  = `[{"kind":"project","namespace":"alpha","access":[{"resource":"repository","action":"pull"}]}]`
	newRobot     = `{"name":"new","level":"project","duration":30,"permissions":` + robotRights + `}`
	changedRobot = `{"name":"robot$alpha+ci","level":"project","description":"changed","duration":30,"permissions":` + robotRights + `}`
)

func bodyIs(want string) func(*testing.T, *world, answer) {
	return func(t *testing.T, _ *world, a answer) {
		if got := a.Body.String(); got != want {
			t.Errorf("%s: %q, want %q", a.request, got, want)
		}
	}
}

func bodyHas(parts ...string) func(*testing.T, *world, answer) {
	return func(t *testing.T, _ *world, a answer) {
		for _, part := range parts {
			if !strings.Contains(a.Body.String(), part) {
				t.Errorf("%s: no %s in %s", a.request, part, a.Body)
			}
		}
	}
}

func location(want string) func(*testing.T, *world, answer) {
	return func(t *testing.T, _ *world, a answer) {
		if got := a.Header().Get("Location"); got != want {
			t.Errorf("%s: Location %q, want %q", a.request, got, want)
		}
	}
}

func then(request, as string, parts ...string) func(*testing.T, *world, answer) {
	return func(t *testing.T, w *world, _ answer) { bodyHas(parts...)(t, w, w.want(200, as, request)) }
}

func gone(request string) func(*testing.T, *world, answer) {
	return func(_ *testing.T, w *world, _ answer) { w.want(404, "root", request) }
}

func TestEveryRouteHasItsScenarios(t *testing.T) {
	known := newWorld(t).api.table
	for id := range scenarios {
		if !slices.ContainsFunc(known, func(r row) bool { return r.id == id }) {
			t.Errorf("there is a scenario for %s, and no such route", id)
		}
	}
	for _, r := range known {
		s, ok := scenarios[r.id]
		if !ok {
			t.Errorf("%s has no scenario", r.id)
			continue
		}
		t.Run(r.id, func(t *testing.T) { s.live(t, r) })
	}
}

func (s scenario) live(t *testing.T, r row) {
	method, _, _ := strings.Cut(s.request, " ")
	switch {
	case method != r.method:
		t.Fatalf("the scenario is of %s, the route of %s", method, r.method)
	case s.open != (r.need == access.Anyone):
		t.Fatalf("open is %v, and the need %v", s.open, r.need)
	case s.open && s.denied != "", !s.open && s.denied == "" && r.need != access.LoggedIn:
		t.Fatalf("denied is %q, and the need %v", s.denied, r.need)
	}
	w := newWorld(t)
	s.prepare(w)
	before := w.rows("account")
	anonymous := s.status
	if !s.open {
		anonymous = http.StatusUnauthorized
	}
	a := w.want(anonymous, "", s.request)
	if s.open {
		s.checked(t, w, a)
		return
	}
	if s.denied != "" {
		who, status := s.denied, 403
		if _, err := fmt.Sscanf(s.denied, "%s %d", &who, &status); err != nil {
			who = s.denied
		}
		w.want(status, who, s.request)
	}
	for key, value := range w.rows("account") {
		if before[key] != value {
			t.Errorf("%s changed although it was refused", key)
		}
	}
	s.checked(t, w, w.want(s.status, s.done, s.request))
}

func (s scenario) prepare(w *world) {
	if s.before != nil {
		s.before(w)
	}
}

func (s scenario) checked(t *testing.T, w *world, a answer) {
	if s.check != nil {
		s.check(t, w, a)
	}
}

func TestARouteWithoutNeedDoesNotStart(t *testing.T) {
	ping, read := (&system{}).ping, access.OfProject("project", "read")
	get := func(context.Context, *getProject) (*nothing, error) { return nil, nil }
	for name, add := range map[string]func(group){
		"no need":            func(g group) { op(g, "x", "GET /x", access.Need{}, ping) },
		"no rule":            func(g group) { opBy(g, "x", "GET /x", rule[struct{}]{}, ping) },
		"rule without words": func(g group) { opBy(g, "x", "GET /x", by("", (grantable{}).need), ping) },
		"no project in path": func(g group) { op(g, "x", "GET /x", read, get) },
		"project not read":   func(g group) { op(g, "x", "GET /projects/{project_name_or_id}/x", read, ping) },
	} {
		if _, err := newAPI(Config{}, func(a *API, c Config) { a.routes(c); add(a.group("test")) }); err == nil {
			t.Errorf("%s: it started", name)
		}
	}
	if _, err := New(Config{}); err != nil {
		t.Error(err)
	}
}

var update = flag.Bool("update", false, "write testdata/roles.golden")

// callers are those whose rights the golden file shows.
var callers = []struct{ title, as string }{
	{"nobody", ""}, {"other", "bob"}, {"limited", "lim"}, {"guest", "gus"}, {"develop", "dev"}, {"maintain", "mia"},
	{"padmin", "alice"}, {"root", "root"}, {"robot", "robot:1"}, {"foreign", "robot:2"}, {"sysbot", "robot:3"},
}

// TestRoles holds what each kind of caller is answered for each route against
// testdata/roles.golden. Its requests are those of the scenarios, for those of a
// user about alice.
func TestRoles(t *testing.T) {
	oneByOne(t)
	const file = "testdata/roles.golden"
	var out strings.Builder
	fmt.Fprintf(&out, "%-31s", "")
	for _, c := range callers {
		fmt.Fprintf(&out, "%9s", c.title)
	}
	readers := newWorld(t)
	for _, r := range readers.api.table {
		fmt.Fprintf(&out, "\n%-31s", r.id)
		s, w := scenarios[r.id], readers
		if s.before != nil || r.method != "GET" && r.method != "HEAD" {
			w = nil
		}
		for _, c := range callers {
			if w == nil {
				w = newWorld(t)
				s.prepare(w)
			}
			code := w.do(c.as, s.request).Code
			fmt.Fprintf(&out, "%9d", code)
			if w != readers && code < 400 { // it is another world now
				w = nil
			}
		}
	}
	out.WriteString("\n")
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("who may do what has changed; -update writes %s\n%s", file, got)
	}
}
