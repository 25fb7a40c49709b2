package access

// A right says which roles hold it: the least of them, and all that are
// stronger. Where public is set, everybody holds it in a public project.
type right struct {
	Action
	least  Role
	public bool
}

// What stands in the table's last two columns.
const (
	nobody = Role(0) // no role holds it; system administrators do, and robots may

	members   = false
	everybody = true // in a public project
)

// matrix is every right that there is in a project. The resource "project" is
// the project itself. "configuration" guards nothing: the portal shows its
// tab by it.
var matrix = []right{
	{Action{"project", "read"}, LimitedGuest, everybody},
	{Action{"project", "update"}, ProjectAdmin, members},
	{Action{"project", "delete"}, ProjectAdmin, members},

	{Action{"member", "create"}, ProjectAdmin, members},
	{Action{"member", "read"}, Guest, members},
	{Action{"member", "update"}, ProjectAdmin, members},
	{Action{"member", "delete"}, ProjectAdmin, members},
	{Action{"member", "list"}, Guest, members},

	{Action{"metadata", "create"}, ProjectAdmin, members},
	{Action{"metadata", "read"}, Maintainer, members},
	{Action{"metadata", "update"}, ProjectAdmin, members},
	{Action{"metadata", "delete"}, ProjectAdmin, members},
	{Action{"metadata", "list"}, nobody, members},

	{Action{"log", "list"}, ProjectAdmin, members},

	{Action{"label", "create"}, Maintainer, members},
	{Action{"label", "read"}, Guest, everybody},
	{Action{"label", "update"}, Maintainer, members},
	{Action{"label", "delete"}, Maintainer, members},
	{Action{"label", "list"}, Guest, everybody},

	{Action{"quota", "read"}, LimitedGuest, members},

	{Action{"repository", "create"}, Developer, members},
	{Action{"repository", "read"}, LimitedGuest, members},
	{Action{"repository", "update"}, Developer, members},
	{Action{"repository", "delete"}, Maintainer, members},
	{Action{"repository", "list"}, LimitedGuest, everybody},
	{Action{"repository", "pull"}, LimitedGuest, everybody},
	{Action{"repository", "push"}, Developer, members},

	{Action{"tag-retention", "create"}, Developer, members},
	{Action{"tag-retention", "read"}, Developer, members},
	{Action{"tag-retention", "update"}, Developer, members},
	{Action{"tag-retention", "delete"}, Developer, members},
	{Action{"tag-retention", "list"}, Developer, members},
	{Action{"tag-retention", "operate"}, Developer, members},

	{Action{"immutable-tag", "create"}, Maintainer, members},
	{Action{"immutable-tag", "update"}, Maintainer, members},
	{Action{"immutable-tag", "delete"}, Maintainer, members},
	{Action{"immutable-tag", "list"}, Maintainer, members},

	{Action{"configuration", "read"}, LimitedGuest, members},
	{Action{"configuration", "update"}, ProjectAdmin, members},

	{Action{"robot", "create"}, ProjectAdmin, members},
	{Action{"robot", "read"}, Guest, members},
	{Action{"robot", "update"}, ProjectAdmin, members},
	{Action{"robot", "delete"}, ProjectAdmin, members},
	{Action{"robot", "list"}, Guest, members},

	{Action{"notification-policy", "create"}, ProjectAdmin, members},
	{Action{"notification-policy", "update"}, ProjectAdmin, members},
	{Action{"notification-policy", "delete"}, ProjectAdmin, members},
	{Action{"notification-policy", "list"}, Maintainer, members},
	{Action{"notification-policy", "read"}, Maintainer, members},

	{Action{"scan", "create"}, Maintainer, members},
	{Action{"scan", "read"}, LimitedGuest, everybody},
	{Action{"scan", "stop"}, Maintainer, members},

	{Action{"sbom", "create"}, Maintainer, members},
	{Action{"sbom", "stop"}, Maintainer, members},
	{Action{"sbom", "read"}, LimitedGuest, members},

	{Action{"scanner", "read"}, LimitedGuest, everybody},
	{Action{"scanner", "create"}, ProjectAdmin, members},

	{Action{"artifact", "create"}, Developer, members},
	{Action{"artifact", "read"}, LimitedGuest, everybody},
	{Action{"artifact", "delete"}, Maintainer, members},
	{Action{"artifact", "list"}, LimitedGuest, everybody},

	{Action{"artifact-addition", "read"}, LimitedGuest, everybody},

	{Action{"tag", "list"}, LimitedGuest, everybody},
	{Action{"tag", "create"}, Developer, members},
	{Action{"tag", "delete"}, Maintainer, members},

	{Action{"accessory", "list"}, LimitedGuest, everybody},

	{Action{"artifact-label", "create"}, Developer, members},
	{Action{"artifact-label", "delete"}, Developer, members},

	{Action{"preheat-policy", "create"}, ProjectAdmin, members},
	{Action{"preheat-policy", "read"}, ProjectAdmin, members},
	{Action{"preheat-policy", "update"}, ProjectAdmin, members},
	{Action{"preheat-policy", "delete"}, ProjectAdmin, members},
	{Action{"preheat-policy", "list"}, ProjectAdmin, members},

	{Action{"export-cve", "create"}, Developer, members},
	{Action{"export-cve", "read"}, Developer, members},
	{Action{"export-cve", "list"}, Developer, members},
}

// rights finds the rows of the matrix.
var rights = index(matrix)

func index(rows []right) map[Action]right {
	m := make(map[Action]right, len(rows))
	for _, r := range rows {
		m[r.Action] = r
	}
	return m
}

// heldBy reports whether a caller with the roles holds the right in a project
// that is public or not.
func (r right) heldBy(roles []Role, public bool) bool {
	if public && r.public {
		return true
	}
	if r.least == nobody {
		return false
	}
	for _, role := range roles {
		if role.Power() >= r.least.Power() {
			return true
		}
	}
	return false
}
