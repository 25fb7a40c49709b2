package audit

import (
	"context"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/query"
)

// Kinds are those of the rows that there can be, as Row.Kind names them. Those
// that clients of the API know come first.
var Kinds = []string{
	"create_artifact", "delete_artifact", "pull_artifact",
	"create_project", "delete_project", "delete_repository",
	"login_user", "logout_user", "create_user", "delete_user", "update_user",
	"create_robot", "delete_robot", "update_configuration",
	"create_member", "delete_member", "update_member", "update_project",

	"update_artifact", "create_tag", "delete_tag", "delete_blob", "update_repository", "update_robot",
	"create_label", "update_label", "delete_label",
	"create_immutable_rule", "update_immutable_rule", "delete_immutable_rule",
	"create_trust", "update_trust", "delete_trust",
	"create_group", "update_group", "delete_group", "create_registry", "update_registry", "delete_registry",
	"create_scanner", "update_scanner", "delete_scanner",
	"create_replication_policy", "update_replication_policy", "delete_replication_policy", "update_quota", "delete_audit_log",
}

// Visible says which rows a list shows: all, or those of some projects.
type Visible struct {
	All             bool
	InProjects      bool     // those of all projects
	ProjectID       int64    // those of one project
	AdministratorID int64    // those of the projects that a user administers
	Projects        []string // those of the projects of these names
}

// List returns a page of the rows that the caller may see, and how many there
// are on all pages: all for who may see those of the system, else those of the
// projects in which the caller may. It filters and sorts by id, username,
// resource, resource_type, operation, operation_description, operation_result,
// op_time and project_id; the newest come first where the query has no order.
func (s *Service) List(ctx context.Context, c access.Caller, q query.Query) ([]Row, int64, error) {
	return s.store.List(ctx, visible(c), q)
}

// InProject returns a page of a project's rows, as List does.
func (s *Service) InProject(ctx context.Context, projectID int64, q query.Query) ([]Row, int64, error) {
	return s.store.List(ctx, Visible{ProjectID: projectID}, q)
}

func visible(c access.Caller) Visible {
	v := Visible{All: access.Allowed(c, access.OfSystem("audit-log", "list"), nil)}
	switch c.Kind {
	case access.User:
		v.AdministratorID = c.ID
	case access.Robot:
		v.Projects, v.InProjects = c.Projects(access.Action{Resource: "log", Action: "list"})
	}
	return v
}
