package audit

import (
	"fmt"
	"strings"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/robot"
)

// describe returns the row of an event, unless it is one that nobody did, or that
// has a row for each of its parts.
func describe(e event.Event) (row Row, remembered bool) {
	switch e.Fact.(type) {
	case event.QuotaWarned, event.QuotaExceeded, event.RetentionRan, event.ReplicationRan, event.ScanCompleted, event.ScanFailed, event.ScanStopped:
		return Row{}, false
	}
	return rowOf(e), true
}

func rowOf(e event.Event) Row {
	r := Row{
		EventID: e.ID, At: e.At, Username: clean(e.Actor.Name), Address: clean(e.Actor.Address), Request: clean(e.Actor.Request),
		Success: true,
	}
	switch f := e.Fact.(type) {
	case event.ArtifactPushed:
		r.artifact("create", f.Where, f.Digest, f.Tags)
	case event.ArtifactPulled:
		r.artifact("pull", f.Where, f.Digest, tags(f.Tag))
		if f.Violation != "" {
			r.Description += "; against the project's policy: " + clean(f.Violation)
		}
	case event.ArtifactDeleted:
		r.artifact("delete", f.Where, f.Digest, f.Tags)
	case event.TagDeleted:
		r.is("delete", "tag", f.Where, f.Repository+":"+f.Tag)
	case event.BlobDeleted:
		r.is("delete", "blob", f.Where, f.Repository+"@"+f.Digest)
	case event.TagCreated:
		r.is("create", "tag", f.Where, f.Repository+":"+f.Tag)
	case event.RepositoryUpdated:
		r.is("update", "repository", f.Where, f.Repository, "description")
	case event.RepositoryDeleted:
		r.is("delete", "repository", f.Where, f.Repository)
	case event.LabelAdded:
		r.is("update", "artifact", f.Where, f.Repository+"@"+f.Digest, "label "+f.Name+" added")
	case event.LabelRemoved:
		r.is("update", "artifact", f.Where, f.Repository+"@"+f.Digest, "label "+f.Name+" removed")
	case event.LoggedIn:
		r.login(f)
	case event.LoggedOut:
		r.is("logout", "user", event.Where{}, f.Name)
	default:
		r.administration(e.Fact)
	}
	return r
}

// administration fills in a fact about what is administered.
func (r *Row) administration(fact event.Fact) {
	switch f := fact.(type) {
	case event.ProjectCreated:
		r.is("create", "project", f.Where, f.Project)
	case event.ProjectUpdated:
		r.is("update", "project", f.Where, f.Project, f.Changed...)
	case event.ProjectDeleted:
		r.is("delete", "project", f.Where, f.Project)
	case event.MemberAdded:
		r.member("create", f.Member)
	case event.MemberUpdated:
		r.member("update", f.Member)
	case event.MemberRemoved:
		r.member("delete", f.Member)
	case event.UserCreated:
		r.is("create", "user", event.Where{}, f.Name)
	case event.UserUpdated:
		r.is("update", "user", event.Where{}, f.Name, f.Changed...)
	case event.UserDeleted:
		r.is("delete", "user", event.Where{}, f.Name)
	case event.RobotCreated:
		r.is("create", "robot", f.Where, stored(f.Robot))
	case event.RobotUpdated:
		r.is("update", "robot", f.Where, stored(f.Robot), f.Changed...)
	case event.RobotDeleted:
		r.is("delete", "robot", f.Where, stored(f.Robot))
	case event.GroupCreated:
		r.is("create", "group", event.Where{}, f.Name)
	case event.GroupUpdated:
		r.is("update", "group", event.Where{}, f.Name, "name")
	case event.GroupDeleted:
		r.is("delete", "group", event.Where{}, f.Name)
	default:
		r.rules(fact)
	}
}

// rules fills in a fact about settings, limits, rules and labels.
func (r *Row) rules(fact event.Fact) {
	switch f := fact.(type) {
	case event.LabelCreated:
		r.is("create", "label", f.Where, f.Name)
	case event.LabelUpdated:
		r.is("update", "label", f.Where, f.Name)
	case event.LabelDeleted:
		r.is("delete", "label", f.Where, f.Name)
	case event.ImmutableRuleCreated:
		r.is("create", "immutable_rule", f.Where, numbered(f.Where, f.ID))
	case event.ImmutableRuleUpdated:
		r.is("update", "immutable_rule", f.Where, numbered(f.Where, f.ID))
	case event.ImmutableRuleDeleted:
		r.is("delete", "immutable_rule", f.Where, numbered(f.Where, f.ID))
	case event.TrustCreated:
		r.is("create", "trust", f.Where, f.Name)
	case event.TrustUpdated:
		r.is("update", "trust", f.Where, f.Name)
	case event.TrustDeleted:
		r.is("delete", "trust", f.Where, f.Name)
	case event.RetentionPolicyCreated:
		r.is("create", "retention_policy", f.Where, numbered(f.Where, f.ID))
	case event.RetentionPolicyUpdated:
		r.is("update", "retention_policy", f.Where, numbered(f.Where, f.ID))
	case event.RetentionPolicyDeleted:
		r.is("delete", "retention_policy", f.Where, numbered(f.Where, f.ID))
	case event.EndpointCreated:
		r.is("create", "registry", event.Where{}, f.Name)
	case event.EndpointUpdated:
		r.is("update", "registry", event.Where{}, f.Name, f.Changed...)
	case event.EndpointDeleted:
		r.is("delete", "registry", event.Where{}, f.Name)
	case event.ScannerCreated:
		r.is("create", "scanner", event.Where{}, f.Name)
	case event.ScannerUpdated:
		r.is("update", "scanner", event.Where{}, f.Name, f.Changed...)
	case event.ScannerDeleted:
		r.is("delete", "scanner", event.Where{}, f.Name)
	case event.WebhookCreated:
		r.is("create", "webhook", f.Where, f.Name)
	case event.WebhookUpdated:
		r.is("update", "webhook", f.Where, f.Name)
	case event.WebhookDeleted:
		r.is("delete", "webhook", f.Where, f.Name)
	case event.ReplicationPolicyCreated:
		r.is("create", "replication_policy", event.Where{}, f.Name)
	case event.ReplicationPolicyUpdated:
		r.is("update", "replication_policy", event.Where{}, f.Name)
	case event.ReplicationPolicyDeleted:
		r.is("delete", "replication_policy", event.Where{}, f.Name)
	case event.QuotaUpdated:
		r.is("update", "quota", f.Where, f.Project, fmt.Sprintf("%d bytes", f.Hard))
	case event.SettingsUpdated:
		r.is("update", "configuration", event.Where{}, "configuration", f.Changed...)
	case event.AuditPurged:
		r.is("delete", "audit_log", event.Where{}, "before "+f.Before, append(f.Kinds, fmt.Sprintf("%d rows", f.Rows))...)
	default:
		// A fact that this table does not know is still remembered by its name.
		r.is("other", fact.Kind(), event.Where{}, "")
	}
}

// is fills in what was done to what. The fields that were changed, if they are
// known, are named in the description.
func (r *Row) is(operation, kind string, where event.Where, resource string, changed ...string) {
	r.Operation, r.ResourceType, r.ProjectID, r.Resource = operation, kind, where.ProjectID, clean(resource)
	r.Description = strings.TrimSpace(operation + " " + kind + " " + r.Resource)
	if len(changed) > 0 {
		r.Description += ": " + clean(strings.Join(changed, ", "))
	}
}

// artifact names an artifact as its first tag does, or by its digest. The
// description has all of them.
func (r *Row) artifact(operation string, where event.Where, digest string, tags []string) {
	resource := where.Repository + "@" + digest
	if len(tags) == 0 {
		r.is(operation, "artifact", where, resource)
		return
	}
	r.is(operation, "artifact", where, where.Repository+":"+tags[0])
	r.Description = operation + " artifact " + resource + ": " + clean(strings.Join(tags, ", "))
}

func (r *Row) member(operation string, m event.Member) {
	r.is(operation, "member", m.Where, m.Name)
	r.Description += " of project " + m.Project
	if m.Role != "" {
		r.Description += " as " + m.Role
	}
}

// login names who signed in, or whom somebody pretended to be.
func (r *Row) login(f event.LoggedIn) {
	r.is("login", "user", event.Where{}, f.Name)
	r.Username, r.Success = r.Resource, f.Granted
	if f.Reason != "" {
		r.Description += ": " + clean(f.Reason)
	}
}

// stored returns a robot's name without what all robots' login names begin with.
// Facts from before that could change have only the login name.
func stored(f event.Robot) string {
	if f.Stored != "" {
		return f.Stored
	}
	return strings.TrimPrefix(f.Name, robot.Prefix)
}

// numbered names what has no name.
func numbered(where event.Where, id int64) string { return fmt.Sprintf("%s/%d", where.Project, id) }

func tags(tag string) []string {
	if tag == "" {
		return nil
	}
	return []string{tag}
}
