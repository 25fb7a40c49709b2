package api

import (
	"encoding/json"
	"sync"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/job"
)

// routes is the table of contents, and who may do what.
func (a *API) routes(c Config) {
	anyone, loggedIn, project, theSystem := access.Anyone, access.LoggedIn, access.OfProject, access.OfSystem

	s := &system{config: c, document: func() json.RawMessage { return a.document }, page: sync.OnceValues(a.renderDocs)}
	op(a.group("ping"), "getPing", "GET /ping", anyone, s.ping)
	op(a.group("health"), "getHealth", "GET /health", anyone, s.look)
	op(a.outside("version"), "getVersion", "GET /version", anyone, s.version)
	op(a.group("document"), "getDocument", "GET /openapi.json", anyone, s.describe)
	op(a.group("document"), "getDocs", "GET "+docsPath, anyone, s.docs)
	op(a.group("systeminfo"), "getSystemInfo", "GET /systeminfo", anyone, s.info)
	op(a.group("systeminfo"), "getVolumes", "GET /systeminfo/volumes", theSystem("system-volumes", "read"), s.volumes)
	op(a.group("systeminfo"), "getCert", "GET /systeminfo/getcert", anyone, s.cert)

	g, cf := a.group("configure"), configurations{c.Settings, c.Audit.Reach}
	op(g, "getConfigurations", "GET /configurations", theSystem("configuration", "read"), cf.get)
	op(g, "updateConfigurations", "PUT /configurations", theSystem("configuration", "update"), cf.update)
	op(g, "getInternalconfig", "GET /internalconfig", theSystem("configuration", "read"), cf.internal)

	g, u := a.group("user"), users{c.Accounts, c.Settings, a.resolve}
	op(g, "listUsers", "GET /users", theSystem("user", "list"), u.list)
	opOpen(g, "createUser", "POST /users", theSystem("user", "create"), condition{"while people may register themselves", u.registration}, u.create)
	op(g, "searchUsers", "GET /users/search", loggedIn, u.search)
	op(g, "getCurrentUserInfo", "GET /users/current", loggedIn, u.current)
	op(g, "getCurrentUserPermissions", "GET /users/current/permissions", loggedIn, u.permissions)
	opBy(g, "getUser", "GET /users/{user_id}", selfOr[getUser]("read"), u.get)
	opBy(g, "updateUserProfile", "PUT /users/{user_id}", selfOr[updateUser]("update"), u.update)
	op(g, "deleteUser", "DELETE /users/{user_id}", theSystem("user", "delete"), u.delete)
	op(g, "setUserSysAdmin", "PUT /users/{user_id}/sysadmin", appoint, u.setAdmin)
	opBy(g, "updateUserPassword", "PUT /users/{user_id}/password", by(selfOr[setPassword]("update").right+"; of a robot also "+appoint.String()+" where that user is an administrator", u.needToSetPassword), u.setPassword)
	opBy(g, "setCliSecret", "PUT /users/{user_id}/cli_secret", selfOr[setCLISecret]("update"), u.setCLISecret)

	g, ug := a.group("usergroup"), userGroups{c.Accounts, c.Directory}
	op(g, "listUserGroups", "GET /usergroups", theSystem("user-group", "list"), ug.list)
	op(g, "createUserGroup", "POST /usergroups", theSystem("user-group", "create"), ug.create)
	op(g, "searchUserGroups", "GET /usergroups/search", loggedIn, ug.search)
	op(g, "getUserGroup", "GET /usergroups/{group_id}", theSystem("user-group", "read"), ug.get)
	op(g, "updateUserGroup", "PUT /usergroups/{group_id}", theSystem("user-group", "update"), ug.update)
	op(g, "deleteUserGroup", "DELETE /usergroups/{group_id}", theSystem("user-group", "delete"), ug.delete)

	g, di := a.group("Ldap"), directory{c.Directory}
	op(g, "pingLdap", "POST /ldap/ping", theSystem("configuration", "read"), di.ping)
	op(g, "searchLdapUser", "GET /ldap/users/search", theSystem("ldap-user", "list"), di.users)
	op(g, "importLdapUser", "POST /ldap/users/import", theSystem("ldap-user", "create"), di.imports)
	op(g, "searchLdapGroup", "GET /ldap/groups/search", theSystem("ldap-user", "list"), di.groups)

	g, p := a.group("project"), projects{c.Projects, c.Quotas, c.Endpoints, c.Retention, c.Allowlists}
	op(g, "listProjects", "GET /projects", anyone, p.list)
	op(g, "headProject", "HEAD /projects", loggedIn, p.head)
	opBy(g, "createProject", "POST /projects", by(loggedIn.String()+"; of a robot, and for a cache of a registry, "+theSystem("project", "create").String(), p.needToCreate), p.create)
	op(g, "getProject", "GET /projects/{project_name_or_id}", project("project", "read"), p.get)
	op(g, "updateProject", "PUT /projects/{project_name_or_id}", project("project", "update"), p.update)
	op(g, "deleteProject", "DELETE /projects/{project_name_or_id}", project("project", "delete"), p.delete)
	op(g, "getProjectDeletable", "GET /projects/{project_name_or_id}/_deletable", project("project", "delete"), p.deletable)
	op(g, "getProjectSummary", "GET /projects/{project_name_or_id}/summary", project("project", "read"), p.summary)

	sn := scanners{c.Scanners}
	ar := artifacts{c.Catalog, c.Content, c.Labels, c.Rules, c.Scans}
	op(g, "listArtifactsOfProject", "GET /projects/{project_name_or_id}/artifacts", project("artifact", "list").AndLoggedIn(), ar.listOfProject)
	op(g, "getScannerOfProject", "GET /projects/{project_name_or_id}/scanner", project("scanner", "read"), sn.ofProject)
	op(g, "setScannerOfProject", "PUT /projects/{project_name_or_id}/scanner", project("scanner", "create"), sn.choose)
	op(g, "listScannerCandidatesOfProject", "GET /projects/{project_name_or_id}/scanner/candidates", project("scanner", "create"), sn.candidates)
	logs := auditLogs{c.Audit}
	op(g, "getLogs", "GET /projects/{project_name}/logs", project("log", "list"), logs.listOfProject)
	op(g, "getLogExts", "GET /projects/{project_name}/auditlog-exts", project("log", "list"), logs.listExtOfProject)

	g = a.group("auditlog")
	op(g, "listAuditLogs", "GET /audit-logs", loggedIn, logs.list)
	op(g, "listAuditLogExts", "GET /auditlog-exts", loggedIn, logs.listExt)
	op(g, "listAuditLogEventTypes", "GET /auditlog-exts/events", theSystem("audit-log", "list"), logs.kinds)

	g, re := a.group("repository"), repositories{c.Catalog, c.Content}
	op(g, "listAllRepositories", "GET /repositories", anyone, re.listAll)
	op(g, "listRepositories", "GET /projects/{project_name}/repositories", project("repository", "list"), re.list)
	op(g, "getRepository", "GET /projects/{project_name}/repositories/{repository_name}", project("repository", "read"), re.get)
	op(g, "updateRepository", "PUT /projects/{project_name}/repositories/{repository_name}", project("repository", "update"), re.update)
	op(g, "deleteRepository", "DELETE /projects/{project_name}/repositories/{repository_name}", project("repository", "delete"), re.delete)

	g = a.group("artifact")
	const inArtifact = "/projects/{project_name}/repositories/{repository_name}/artifacts"
	op(g, "listArtifacts", "GET "+inArtifact, project("artifact", "list"), ar.list)
	op(g, "getArtifact", "GET "+inArtifact+"/{reference}", project("artifact", "read"), ar.get)
	op(g, "deleteArtifact", "DELETE "+inArtifact+"/{reference}", project("artifact", "delete"), ar.delete)
	op(g, "listTags", "GET "+inArtifact+"/{reference}/tags", project("tag", "list"), ar.tags)
	op(g, "createTag", "POST "+inArtifact+"/{reference}/tags", project("tag", "create"), ar.createTag)
	op(g, "deleteTag", "DELETE "+inArtifact+"/{reference}/tags/{tag_name}", project("tag", "delete"), ar.deleteTag)
	op(g, "listAccessories", "GET "+inArtifact+"/{reference}/accessories", project("accessory", "list"), ar.accessories)
	la := labels{c.Labels, c.Catalog, a.allow}
	op(g, "addLabel", "POST "+inArtifact+"/{reference}/labels", project("artifact-label", "create"), la.add)
	op(g, "removeLabel", "DELETE "+inArtifact+"/{reference}/labels/{label_id}", project("artifact-label", "delete"), la.remove)
	ad, cp, sc := additions{c.Additions, c.Scans}, copies{c.Content, a.allow}, scans{c.Scans, a.resolve}
	op(g, "CopyArtifact", "POST "+inArtifact, project("artifact", "create"), cp.create)
	op(g, "getVulnerabilitiesAddition", "GET "+inArtifact+"/{reference}/additions/vulnerabilities", project("artifact-addition", "read"), sc.vulnerabilities)
	op(g, "getAddition", "GET "+inArtifact+"/{reference}/additions/{addition}", project("artifact-addition", "read"), ad.get)

	tr := trusts{c.Signatures, c.Catalog}
	op(g, "listSignatures", "GET "+inArtifact+"/{reference}/signatures", project("accessory", "list"), tr.verdict)

	g = a.group("trust")
	op(g, "listTrust", "GET /projects/{project_name_or_id}/trust", project("metadata", "read"), tr.list)
	op(g, "createTrust", "POST /projects/{project_name_or_id}/trust", project("metadata", "create"), tr.create)
	op(g, "getTrust", "GET /projects/{project_name_or_id}/trust/{trust_id}", project("metadata", "read"), tr.get)
	op(g, "updateTrust", "PUT /projects/{project_name_or_id}/trust/{trust_id}", project("metadata", "update"), tr.update)
	op(g, "deleteTrust", "DELETE /projects/{project_name_or_id}/trust/{trust_id}", project("metadata", "delete"), tr.delete)

	g = a.group("scan")
	opBy(g, "scanArtifact", "POST "+inArtifact+"/{reference}/scan", onScan(sc, "create", (*startScan).wanted), sc.start)
	opBy(g, "stopScanArtifact", "POST "+inArtifact+"/{reference}/scan/stop", onScan(sc, "stop", (*stopScan).wanted), sc.stop)
	op(g, "getReportLog", "GET "+inArtifact+"/{reference}/scan/{report_id}/log", project("scan", "read"), sc.log)

	g, sa := a.group("scanAll"), scanAlls{c.Scans, c.Jobs}
	op(g, "getLatestScanAllMetrics", "GET /scans/all/metrics", theSystem("scan-all", "read"), sa.latest)
	op(g, "getLatestScheduledScanAllMetrics", "GET /scans/schedule/metrics", theSystem("scan-all", "read"), sa.latestScheduled)
	op(g, "getScanAllSchedule", "GET /system/scanAll/schedule", theSystem("scan-all", "read"), sa.schedule)
	op(g, "createScanAllSchedule", "POST /system/scanAll/schedule", theSystem("scan-all", "create"), sa.create)
	op(g, "updateScanAllSchedule", "PUT /system/scanAll/schedule", theSystem("scan-all", "update"), sa.update)
	op(g, "stopScanAll", "POST /system/scanAll/stop", theSystem("scan-all", "stop"), sa.stop)

	g, sh := a.group("securityhub"), securityHub{c.Hub}
	op(g, "getSecuritySummary", "GET /security/summary", theSystem("security-hub", "read"), sh.summary)
	op(g, "ListVulnerabilities", "GET /security/vul", theSystem("security-hub", "list"), sh.list)

	g, ex := a.group("scan data export"), exports{c.Exports}
	opBy(g, "exportScanData", "POST /export/cve", by(project("export-cve", "create").String()+" of the body", ex.needToStart), ex.start)
	opBy(g, "getScanDataExportExecution", "GET /export/cve/execution/{execution_id}", ofExport(ex, (*getExport).id), ex.get)
	op(g, "getScanDataExportExecutionList", "GET /export/cve/executions", loggedIn, ex.list)
	opBy(g, "downloadScanData", "GET /export/cve/download/{execution_id}", ofExport(ex, (*downloadExport).id), ex.download)

	g = a.group("label")
	op(g, "ListLabels", "GET /labels", anyone, la.list)
	opBy(g, "CreateLabel", "POST /labels", by(perhapsInProject("label", "create"), la.needToCreate), la.create)
	opBy(g, "GetLabelByID", "GET /labels/{label_id}", onLabel[getLabel](la, "read"), la.get)
	opBy(g, "UpdateLabel", "PUT /labels/{label_id}", onLabel[updateLabel](la, "update"), la.update)
	opBy(g, "DeleteLabel", "DELETE /labels/{label_id}", onLabel[getLabel](la, "delete"), la.delete)

	g, im := a.group("immutable"), immutables{c.Rules}
	op(g, "ListImmuRules", "GET /projects/{project_name_or_id}/immutabletagrules", project("immutable-tag", "list"), im.list)
	op(g, "CreateImmuRule", "POST /projects/{project_name_or_id}/immutabletagrules", project("immutable-tag", "create"), im.create)
	op(g, "UpdateImmuRule", "PUT /projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}", project("immutable-tag", "update"), im.update)
	op(g, "DeleteImmuRule", "DELETE /projects/{project_name_or_id}/immutabletagrules/{immutable_rule_id}", project("immutable-tag", "delete"), im.delete)

	g, rt := a.group("Retention"), retentions{c.Retention, c.Jobs}
	op(g, "getRentenitionMetadata", "GET /retentions/metadatas", loggedIn, rt.kinds)
	opBy(g, "createRetention", "POST /retentions", by(project("tag-retention", "create").String()+" of the body", rt.needToCreate), rt.create)
	opBy(g, "getRetention", "GET /retentions/{id}", inPolicy[getRetention](rt, "read"), rt.get)
	opBy(g, "updateRetention", "PUT /retentions/{id}", inPolicy[updateRetention](rt, "update"), rt.update)
	opBy(g, "deleteRetention", "DELETE /retentions/{id}", inPolicy[getRetention](rt, "delete"), rt.delete)
	opBy(g, "triggerRetentionExecution", "POST /retentions/{id}/executions", inPolicy[startRetention](rt, "update"), rt.start)
	opBy(g, "listRetentionExecutions", "GET /retentions/{id}/executions", inPolicy[listRetentionExecutions](rt, "list"), rt.executions)
	opBy(g, "operateRetentionExecution", "PATCH /retentions/{id}/executions/{eid}", inPolicy[operateRetention](rt, "update"), rt.operate)
	opBy(g, "listRetentionTasks", "GET /retentions/{id}/executions/{eid}/tasks", inPolicy[listRetentionTasks](rt, "list"), rt.tasks)
	opBy(g, "getRetentionTaskLog", "GET /retentions/{id}/executions/{eid}/tasks/{tid}", inPolicy[getRetentionLog](rt, "read"), rt.log)

	g, me := a.group("projectMetadata"), metadatas{c.Projects}
	op(g, "listProjectMetadatas", "GET /projects/{project_name_or_id}/metadatas/", project("metadata", "list"), me.list)
	op(g, "addProjectMetadatas", "POST /projects/{project_name_or_id}/metadatas/", project("metadata", "create"), me.add)
	op(g, "getProjectMetadata", "GET /projects/{project_name_or_id}/metadatas/{meta_name}", project("metadata", "read"), me.get)
	op(g, "updateProjectMetadata", "PUT /projects/{project_name_or_id}/metadatas/{meta_name}", project("metadata", "update"), me.update)
	op(g, "deleteProjectMetadata", "DELETE /projects/{project_name_or_id}/metadatas/{meta_name}", project("metadata", "delete"), me.delete)

	se := search{c.Projects, c.Catalog}
	op(a.group("search"), "search", "GET /search", anyone, se.find)
	g = a.group("statistic")
	op(g, "getStatistic", "GET /statistics", loggedIn, se.statistics)
	op(g, "getPulls", "GET /statistics/pulls", theSystem("catalog", "read"), re.pulls)
	op(g, "getProjectPulls", "GET /projects/{project_name_or_id}/statistics/pulls", project("repository", "list"), re.projectPulls)
	op(a.group("icon"), "getIcon", "GET /icons/{digest}", anyone, icons{c.Catalog, c.Content}.get)

	g, m := a.group("member"), members{c.Projects}
	op(g, "listProjectMembers", "GET /projects/{project_name_or_id}/members", project("member", "list"), m.list)
	op(g, "createProjectMember", "POST /projects/{project_name_or_id}/members", project("member", "create"), m.create)
	op(g, "getProjectMember", "GET /projects/{project_name_or_id}/members/{mid}", project("member", "read"), m.get)
	op(g, "updateProjectMember", "PUT /projects/{project_name_or_id}/members/{mid}", project("member", "update"), m.update)
	op(g, "deleteProjectMember", "DELETE /projects/{project_name_or_id}/members/{mid}", project("member", "delete"), m.delete)

	g, qu := a.group("quota"), quotas{c.Quotas}
	op(g, "listQuotas", "GET /quotas", theSystem("quota", "list"), qu.list)
	op(g, "getQuota", "GET /quotas/{id}", theSystem("quota", "read"), qu.get)
	op(g, "updateQuota", "PUT /quotas/{id}", theSystem("quota", "update"), qu.update)

	g, r := a.group("robot"), robots{c.Robots}
	opBy(g, "ListRobot", "GET /robots", by(perhapsInProject("robot", "list"), r.needToList), r.list)
	opBy(g, "CreateRobot", "POST /robots", by(perhapsInProject("robot", "create"), r.needToCreate), r.create)
	opBy(g, "GetRobotByID", "GET /robots/{robot_id}", needOn[getRobot](c.Robots, "read"), r.get)
	opBy(g, "UpdateRobot", "PUT /robots/{robot_id}", needOn[updateRobot](c.Robots, "update"), r.update)
	opBy(g, "RefreshSec", "PATCH /robots/{robot_id}", needOn[refreshRobot](c.Robots, "update"), r.refresh)
	opBy(g, "DeleteRobot", "DELETE /robots/{robot_id}", needOn[getRobot](c.Robots, "delete"), r.delete)

	g, ga := a.group("gc"), systemJobs{c.Jobs, job.GarbageCollection, "/system/gc", checkCollect}
	op(g, "getGCHistory", "GET /system/gc", theSystem("garbage-collection", "list"), ga.list)
	op(g, "getGC", "GET /system/gc/{id}", theSystem("garbage-collection", "read"), ga.get)
	op(g, "stopGC", "PUT /system/gc/{id}", theSystem("garbage-collection", "stop"), ga.stop)
	op(g, "getGCLog", "GET /system/gc/{id}/log", theSystem("garbage-collection", "read"), ga.log)
	op(g, "getGCSchedule", "GET /system/gc/schedule", theSystem("garbage-collection", "read"), ga.schedule)
	op(g, "createGCSchedule", "POST /system/gc/schedule", theSystem("garbage-collection", "create"), ga.create)
	op(g, "updateGCSchedule", "PUT /system/gc/schedule", theSystem("garbage-collection", "update"), ga.update)

	g, pa := a.group("purge"), systemJobs{c.Jobs, job.PurgeAudit, "/system/purgeaudit", checkPurge}
	op(g, "getPurgeHistory", "GET /system/purgeaudit", theSystem("purge-audit", "list"), pa.list)
	op(g, "getPurgeJob", "GET /system/purgeaudit/{id}", theSystem("purge-audit", "read"), pa.get)
	op(g, "stopPurge", "PUT /system/purgeaudit/{id}", theSystem("purge-audit", "stop"), pa.stop)
	op(g, "getPurgeJobLog", "GET /system/purgeaudit/{id}/log", theSystem("purge-audit", "read"), pa.log)
	op(g, "getPurgeSchedule", "GET /system/purgeaudit/schedule", theSystem("purge-audit", "read"), pa.schedule)
	op(g, "createPurgeSchedule", "POST /system/purgeaudit/schedule", theSystem("purge-audit", "create"), pa.create)
	op(g, "updatePurgeSchedule", "PUT /system/purgeaudit/schedule", theSystem("purge-audit", "update"), pa.update)

	g, au, av := a.group("advisory"), systemJobs{c.Jobs, job.Advisories, inUpdates, nil}, advisories{c.Advisories, c.Intake, c.Jobs}
	op(g, "getAdvisories", "GET /system/advisories", theSystem("scanner", "read"), av.status)
	op(g, "listAdvisoryUpdates", "GET "+inUpdates, theSystem("scanner", "read"), au.list)
	op(g, "updateAdvisories", "POST "+inUpdates, theSystem("scanner", "update"), av.start)
	op(g, "getAdvisoryUpdate", "GET "+inUpdates+"/{id}", theSystem("scanner", "read"), au.get)
	op(g, "stopAdvisoryUpdate", "PUT "+inUpdates+"/{id}", theSystem("scanner", "update"), au.stop)
	op(g, "getAdvisoryUpdateLog", "GET "+inUpdates+"/{id}/log", theSystem("scanner", "read"), au.log)
	op(g, "getAdvisorySchedule", "GET /system/advisories/schedule", theSystem("scanner", "read"), au.schedule)
	op(g, "setAdvisorySchedule", "PUT /system/advisories/schedule", theSystem("scanner", "update"), av.schedule)
	op(g, "importAdvisories", "POST /system/advisories/import", theSystem("scanner", "update"), av.take)
	op(g, "exportAdvisories", "GET /system/advisories/export", theSystem("scanner", "read"), av.give)

	g, wh := a.group("webhook"), webhooks{c.Webhooks, c.Jobs}
	op(g, "ListWebhookPoliciesOfProject", "GET /projects/{project_name_or_id}/webhook/policies", project("notification-policy", "list"), wh.list)
	op(g, "CreateWebhookPolicyOfProject", "POST /projects/{project_name_or_id}/webhook/policies", project("notification-policy", "create"), wh.create)
	op(g, "GetWebhookPolicyOfProject", "GET /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}", project("notification-policy", "read"), wh.get)
	op(g, "UpdateWebhookPolicyOfProject", "PUT /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}", project("notification-policy", "update"), wh.update)
	op(g, "DeleteWebhookPolicyOfProject", "DELETE /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}", project("notification-policy", "delete"), wh.delete)
	op(g, "testWebhookPolicyOfProject", "POST /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/test", project("notification-policy", "update"), wh.try)
	op(g, "ListExecutionsOfWebhookPolicy", "GET /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions", project("notification-policy", "read"), wh.executions)
	op(g, "ListTasksOfWebhookExecution", "GET /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks", project("notification-policy", "read"), wh.tasks)
	op(g, "GetLogsOfWebhookTask", "GET /projects/{project_name_or_id}/webhook/policies/{webhook_policy_id}/executions/{execution_id}/tasks/{task_id}/log", project("notification-policy", "read"), wh.log)
	op(g, "LastTrigger", "GET /projects/{project_name_or_id}/webhook/lasttrigger", project("notification-policy", "read"), wh.triggers)
	op(g, "GetSupportedEventTypes", "GET /projects/{project_name_or_id}/webhook/events", project("notification-policy", "read"), wh.kinds)
	op(a.group("webhookjob"), "ListWebhookJobs", "GET /projects/{project_name_or_id}/webhook/jobs", project("notification-policy", "list"), wh.sent)

	g, rg := a.group("registry"), registries{c.Endpoints, c.Labels}
	op(g, "listRegistries", "GET /registries", theSystem("registry", "list"), rg.list)
	op(g, "createRegistry", "POST /registries", theSystem("registry", "create"), rg.create)
	op(g, "pingRegistry", "POST /registries/ping", theSystem("registry", "read"), rg.ping)
	op(g, "getRegistry", "GET /registries/{id}", theSystem("registry", "read"), rg.get)
	op(g, "updateRegistry", "PUT /registries/{id}", theSystem("registry", "update"), rg.update)
	op(g, "deleteRegistry", "DELETE /registries/{id}", theSystem("registry", "delete"), rg.delete)
	op(g, "getRegistryInfo", "GET /registries/{id}/info", theSystem("registry", "read"), rg.info)
	op(g, "listRegistryProviderTypes", "GET /replication/adapters", theSystem("replication-adapter", "list"), rg.kinds)
	op(g, "listRegistryProviderInfos", "GET /replication/adapterinfos", theSystem("replication-adapter", "list"), rg.providers)

	g = a.group("scanner")
	op(g, "listScanners", "GET /scanners", theSystem("scanner", "list"), sn.list)
	op(g, "createScanner", "POST /scanners", theSystem("scanner", "create"), sn.create)
	op(g, "pingScanner", "POST /scanners/ping", theSystem("scanner", "read"), sn.ping)
	op(g, "getScanner", "GET /scanners/{registration_id}", theSystem("scanner", "read"), sn.get)
	op(g, "updateScanner", "PUT /scanners/{registration_id}", theSystem("scanner", "update"), sn.update)
	op(g, "deleteScanner", "DELETE /scanners/{registration_id}", theSystem("scanner", "delete"), sn.delete)
	op(g, "setScannerAsDefault", "PATCH /scanners/{registration_id}", theSystem("scanner", "update"), sn.makeDefault)
	op(g, "getScannerMetadata", "GET /scanners/{registration_id}/metadata", theSystem("scanner", "read"), sn.metadata)

	g, al := a.group("SystemCVEAllowlist"), allowlists{c.Allowlists}
	op(g, "getSystemCVEAllowlist", "GET /system/CVEAllowlist", loggedIn, al.get)
	op(g, "putSystemCVEAllowlist", "PUT /system/CVEAllowlist", theSystem("configuration", "update"), al.put)

	g, rp := a.group("replication"), replications{c.Replication, c.Endpoints}
	op(g, "listReplicationPolicies", "GET /replication/policies", theSystem("replication-policy", "list"), rp.list)
	op(g, "createReplicationPolicy", "POST /replication/policies", theSystem("replication-policy", "create"), rp.create)
	op(g, "getReplicationPolicy", "GET /replication/policies/{id}", theSystem("replication-policy", "read"), rp.get)
	op(g, "updateReplicationPolicy", "PUT /replication/policies/{id}", theSystem("replication-policy", "update"), rp.update)
	op(g, "deleteReplicationPolicy", "DELETE /replication/policies/{id}", theSystem("replication-policy", "delete"), rp.delete)
	op(g, "listReplicationExecutions", "GET /replication/executions", theSystem("replication", "list"), rp.executions)
	op(g, "startReplication", "POST /replication/executions", theSystem("replication", "create"), rp.start)
	op(g, "getReplicationExecution", "GET /replication/executions/{id}", theSystem("replication", "read"), rp.execution)
	op(g, "stopReplication", "PUT /replication/executions/{id}", theSystem("replication", "create"), rp.stop)
	op(g, "listReplicationTasks", "GET /replication/executions/{id}/tasks", theSystem("replication", "list"), rp.tasks)
	op(g, "getReplicationLog", "GET /replication/executions/{id}/tasks/{task_id}/log", theSystem("replication", "read"), rp.log)

	g, js := a.group("jobservice"), jobService{c.Jobs}
	op(g, "getWorkerPools", "GET /jobservice/pools", theSystem("jobservice-monitor", "list"), js.pools)
	op(g, "getWorkers", "GET /jobservice/pools/{pool_id}/workers", theSystem("jobservice-monitor", "list"), js.workers)
	op(g, "stopRunningJob", "PUT /jobservice/jobs/{job_id}", theSystem("jobservice-monitor", "stop"), js.stop)
	op(g, "actionGetJobLog", "GET /jobservice/jobs/{job_id}/log", theSystem("jobservice-monitor", "list"), js.log)
	op(g, "listJobQueues", "GET /jobservice/queues", theSystem("jobservice-monitor", "list"), js.queues)
	op(g, "actionPendingJobs", "PUT /jobservice/queues/{job_type}", theSystem("jobservice-monitor", "stop"), js.act)
	g = a.group("schedule")
	op(g, "listSchedules", "GET /schedules", theSystem("jobservice-monitor", "list"), js.schedules)
	op(g, "getSchedulePaused", "GET /schedules/{job_type}/paused", loggedIn, js.paused)

	gr := grantable{c.Projects}
	opBy(a.group("permissions"), "getPermissions", "GET /permissions", by("to administer the system or a project; of a robot, "+theSystem("robot", "update").String(), gr.need), gr.list)
}

// group returns where the operations of one tag go.
func (a *API) group(tag string) group { return group{api: a, tag: tag} }

// outside returns where operations go that are not below the base.
func (a *API) outside(tag string) group { return group{api: a, tag: tag, server: "/api"} }
