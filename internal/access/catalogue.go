package access

import "slices"

// systemCatalogue is what a robot can be allowed to do to the system.
var systemCatalogue = slices.Concat(
	on("audit-log", "list"),
	on("preheat-instance", "read", "create", "delete", "list", "update"),
	on("project", "list", "create"),
	on("replication-policy", "read", "create", "delete", "list", "update"),
	on("replication", "read", "create", "list"),
	on("replication-adapter", "list"),
	on("registry", "read", "create", "delete", "list", "update"),
	on("scan-all", "read", "update", "stop", "create"),
	on("system-volumes", "read"),
	on("garbage-collection", "read", "create", "list", "update", "stop"),
	on("purge-audit", "read", "create", "list", "update", "stop"),
	on("jobservice-monitor", "list", "stop"),
	on("scanner", "read", "create", "delete", "list", "update"),
	on("label", "read", "create", "delete", "update"),
	on("security-hub", "read", "list"),
	on("catalog", "read"),
	on("quota", "read", "list", "update"),
	on("robot", "create", "read", "list", "delete"),
	on("user", "create", "read", "update", "list", "delete"),
	on("ldap-user", "create", "list"),
	on("user-group", "create", "read", "update", "list", "delete"),
)

// projectCatalogue is what a robot can be allowed to do in a project.
var projectCatalogue = slices.Concat(
	on("log", "list"),
	on("project", "read", "delete", "update"),
	on("metadata", "read", "create", "delete", "list", "update"),
	on("repository", "read", "update", "delete", "list", "pull", "push"),
	on("artifact", "read", "create", "list", "delete"),
	on("scan", "create", "read", "stop"),
	on("sbom", "create", "stop", "read"),
	on("tag", "create", "list", "delete"),
	on("accessory", "list"),
	on("artifact-addition", "read"),
	on("artifact-label", "create", "delete"),
	on("scanner", "create", "read"),
	on("preheat-policy", "read", "create", "delete", "list", "update"),
	on("immutable-tag", "create", "delete", "list", "update"),
	on("notification-policy", "read", "create", "delete", "list", "update"),
	on("tag-retention", "read", "create", "delete", "list", "update"),
	on("label", "read", "create", "delete", "list", "update"),
	on("quota", "read"),
	on("robot", "create", "read", "list", "delete"),
	on("export-cve", "create", "read"),
	on("member", "create", "read", "update", "list", "delete"),
)

// Catalogue returns what a robot's permissions may name, for permissions of
// the kinds "system" and "project". The slices are the caller's own.
func Catalogue() (system, project []Action) {
	return slices.Clone(systemCatalogue), slices.Clone(projectCatalogue)
}

func on(resource string, verbs ...string) []Action {
	all := make([]Action, len(verbs))
	for i, verb := range verbs {
		all[i] = Action{resource, verb}
	}
	return all
}
