package event

import "time"

// Where names the project and the repository that a fact is about.
type Where struct {
	ProjectID  int64  `json:"project_id"`
	Project    string `json:"project"`
	Repository string `json:"repository,omitempty"` // full name, with the project: "library/app"
}

// ArtifactPushed says that a manifest was stored, or stored again, and that its
// tags, if any, point at it.
type ArtifactPushed struct {
	Where
	Digest    string   `json:"digest"`
	MediaType string   `json:"media_type"`
	Tags      []string `json:"tags,omitempty"`

	ArtifactType string `json:"artifact_type,omitempty"` // of what refers to another artifact
	Subject      string `json:"subject,omitempty"`       // the digest of that
}

// ArtifactPulled says that a manifest was sent. Tag is empty for a pull by
// digest.
type ArtifactPulled struct {
	Where
	Digest    string `json:"digest"`
	Tag       string `json:"tag,omitempty"`
	Violation string `json:"violation,omitempty"` // of a policy that only watches, in words
}

// ArtifactDeleted says that a manifest and all its tags are gone.
type ArtifactDeleted struct {
	Where
	Digest string   `json:"digest"`
	Tags   []string `json:"tags,omitempty"`

	ArtifactType string `json:"artifact_type,omitempty"` // of what belonged to another artifact
	Subject      string `json:"subject,omitempty"`       // the digest of that
}

// TagDeleted says that a tag is gone; the artifact remains.
type TagDeleted struct {
	Where
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// BlobDeleted says that a repository no longer serves a blob.
type BlobDeleted struct {
	Where
	Digest string `json:"digest"`
}

// ProjectCreated, ProjectUpdated and ProjectDeleted tell of a project.
type (
	ProjectCreated struct{ Where }
	ProjectUpdated struct {
		Where
		Changed []string `json:"changed,omitempty"` // names of the fields, never their values
	}
	ProjectDeleted struct{ Where }
)

// Member names who a membership is about.
type Member struct {
	Where
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
}

// MemberAdded, MemberUpdated and MemberRemoved tell of a project's members.
type (
	MemberAdded   struct{ Member }
	MemberUpdated struct{ Member }
	MemberRemoved struct{ Member }
)

// User names a user.
type User struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// UserCreated, UserUpdated and UserDeleted tell of a user.
type (
	UserCreated struct{ User }
	UserUpdated struct {
		User
		Changed []string `json:"changed,omitempty"` // names of the fields, never their values
	}
	UserDeleted struct{ User }
)

// Robot names a robot account. Where is empty for a robot of the system.
type Robot struct {
	Where
	ID   int64  `json:"id"`
	Name string `json:"name"` // login name
	// Stored is the name without what the login names of all robots begin with.
	Stored string `json:"stored,omitempty"`
}

// RobotCreated, RobotUpdated and RobotDeleted tell of a robot account.
type (
	RobotCreated struct{ Robot }
	RobotUpdated struct {
		Robot
		Changed []string `json:"changed,omitempty"` // names of the fields, never their values
	}
	RobotDeleted struct{ Robot }
)

// LoggedIn says that somebody asked to sign in, and whether it was granted.
type LoggedIn struct {
	Name    string `json:"name"` // as it was given
	Granted bool   `json:"granted"`
	Reason  string `json:"reason,omitempty"` // why not
}

// LoggedOut says that somebody ended a session.
type LoggedOut struct {
	Name string `json:"name"`
}

// RepositoryUpdated says that a repository has another description, and
// RepositoryDeleted that it is gone, after all its artifacts.
type (
	RepositoryUpdated struct{ Where }
	RepositoryDeleted struct{ Where }
)

// TagCreated says that a tag was made for an artifact that was there already.
type TagCreated struct {
	Where
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// Label names a label. Where is empty for one of all projects.
type Label struct {
	Where
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// LabelCreated, LabelUpdated and LabelDeleted tell of a label; LabelAdded and
// LabelRemoved of one on an artifact, where Where is the artifact's.
type (
	LabelCreated struct{ Label }
	LabelUpdated struct{ Label }
	LabelDeleted struct{ Label }
	LabelAdded   struct {
		Label
		Digest string `json:"digest"`
	}
	LabelRemoved struct {
		Label
		Digest string `json:"digest"`
	}
)

// ImmutableRule names a rule about tags that may not move.
type ImmutableRule struct {
	Where
	ID int64 `json:"id"`
}

// ImmutableRuleCreated, ImmutableRuleUpdated and ImmutableRuleDeleted tell of a
// rule about tags that may not move.
type (
	ImmutableRuleCreated struct{ ImmutableRule }
	ImmutableRuleUpdated struct{ ImmutableRule }
	ImmutableRuleDeleted struct{ ImmutableRule }
)

// Trust names an entry of what a project trusts signatures by.
type Trust struct {
	Where
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// TrustCreated, TrustUpdated and TrustDeleted tell of an entry of what a project
// trusts.
type (
	TrustCreated struct{ Trust }
	TrustUpdated struct{ Trust }
	TrustDeleted struct{ Trust }
)

// RetentionPolicy names a policy about what stays in a project.
type RetentionPolicy struct {
	Where
	ID int64 `json:"id"`
}

// RetentionPolicyCreated, RetentionPolicyUpdated and RetentionPolicyDeleted tell
// of a policy about what stays.
type (
	RetentionPolicyCreated struct{ RetentionPolicy }
	RetentionPolicyUpdated struct{ RetentionPolicy }
	RetentionPolicyDeleted struct{ RetentionPolicy }
)

// RetentionRan says that artifacts of a repository went because no rule of a
// policy keeps them.
type RetentionRan struct {
	RetentionPolicy
	Total    int               `json:"total"` // artifacts that there were
	Retained int               `json:"retained"`
	Rules    []RetentionRule   `json:"rules"`
	Deleted  []DeletedArtifact `json:"deleted"` // the first hundred
}

// A RetentionRule is a rule as it was when it decided.
type RetentionRule struct {
	Template     string `json:"template"`
	Param        *int64 `json:"param,omitempty"`
	Tags         Choice `json:"tags"`
	Repositories Choice `json:"repositories"` // without the project
}

// A Choice is of the names that a pattern matches, or of all others.
type Choice struct {
	Pattern string `json:"pattern"`
	Except  bool   `json:"except,omitempty"`
}

// A DeletedArtifact is an artifact that went.
type DeletedArtifact struct {
	Type   string   `json:"type"` // as the API shows it: "IMAGE"
	Digest string   `json:"digest"`
	Tags   []string `json:"tags,omitempty"` // the first hundred
}

// Webhook names a policy about who is told what happens in a project.
type Webhook struct {
	Where
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// WebhookCreated, WebhookUpdated and WebhookDeleted tell of a policy about who is
// told what happens.
type (
	WebhookCreated struct{ Webhook }
	WebhookUpdated struct{ Webhook }
	WebhookDeleted struct{ Webhook }
)

// ReplicationPolicy names a policy about what is copied between this registry and
// another.
type ReplicationPolicy struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// ReplicationPolicyCreated, ReplicationPolicyUpdated and ReplicationPolicyDeleted
// tell of a policy about what is copied.
type (
	ReplicationPolicyCreated struct{ ReplicationPolicy }
	ReplicationPolicyUpdated struct{ ReplicationPolicy }
	ReplicationPolicyDeleted struct{ ReplicationPolicy }
)

// ReplicationRan says that artifacts of a repository were copied or deleted by a
// policy, or could not be. Where is that repository here.
type ReplicationRan struct {
	Where
	Policy    ReplicationPolicy    `json:"policy"`
	Override  bool                 `json:"override"`
	Execution int64                `json:"execution"`
	Task      int64                `json:"task"`
	Trigger   string               `json:"trigger"` // MANUAL, SCHEDULE, EVENT
	Started   time.Time            `json:"started"`
	Type      string               `json:"type"` // Image or Artifact
	From      Replica              `json:"from"`
	To        Replica              `json:"to"`
	Verb      string               `json:"verb"` // copied or deleted
	Done      []string             `json:"done"` // artifacts at the source, the first hundred
	Failed    []ReplicationFailure `json:"failed"`
}

// A Replica is a repository that a policy copies from or to.
type Replica struct {
	Registry   string `json:"registry"` // its name
	Type       string `json:"type"`     // of the registry
	URL        string `json:"url"`      // of the registry; empty for this one
	Repository string `json:"repository"`
}

// A ReplicationFailure says why an artifact was not copied or deleted.
type ReplicationFailure struct {
	Artifact string `json:"artifact"` // repository:tag or repository@digest, at the source
	Cause    string `json:"cause"`
}

// Quota says how much a project uses and may use, in bytes. Hard is below 0
// where nothing limits it.
type Quota struct {
	Where
	Used int64 `json:"used"`
	Hard int64 `json:"hard"`
}

// QuotaUpdated says that a project may use another amount. QuotaWarned says that
// a push made a project use more than 85 % of what it may, and QuotaExceeded that
// one was refused.
type (
	QuotaUpdated  struct{ Quota }
	QuotaWarned   struct{ Quota }
	QuotaExceeded struct {
		Quota
		Needed int64 `json:"needed"` // bytes beyond Used
	}
)

// Group names a group of users.
type Group struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// GroupCreated, GroupUpdated and GroupDeleted tell of a group of users.
type (
	GroupCreated struct{ Group }
	GroupUpdated struct{ Group }
	GroupDeleted struct{ Group }
)

// Endpoint names another registry, as administrators do.
type Endpoint struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// EndpointCreated, EndpointUpdated and EndpointDeleted tell of another registry.
type (
	EndpointCreated struct{ Endpoint }
	EndpointUpdated struct {
		Endpoint
		Changed []string `json:"changed,omitempty"` // names of the fields, never their values
	}
	EndpointDeleted struct{ Endpoint }
)

// Scanner names a scanner, as administrators do.
type Scanner struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ScannerCreated, ScannerUpdated and ScannerDeleted tell of a scanner. Which one a
// project has is told of the project.
type (
	ScannerCreated struct{ Scanner }
	ScannerUpdated struct {
		Scanner
		Changed []string `json:"changed,omitempty"` // names of the fields, never their values
	}
	ScannerDeleted struct{ Scanner }
)

// SettingsUpdated says that an administrator changed settings.
type SettingsUpdated struct {
	Changed []string `json:"changed"` // their keys, never their values
}

// AuditPurged says that audit rows were removed on somebody's request.
type AuditPurged struct {
	Before string   `json:"before"`          // RFC 3339: rows from before this time
	Kinds  []string `json:"kinds,omitempty"` // "pull_artifact"; all where empty
	Rows   int64    `json:"rows"`
}

// A Scan is an examination of an artifact that is over, and what came of it.
type Scan struct {
	Where
	Digest string   `json:"digest"`
	Tags   []string `json:"tags,omitempty"`   // the first hundred
	Type   string   `json:"type"`             // vulnerability, sbom
	Report string   `json:"report,omitempty"` // its UUID
	Status string   `json:"status"`           // as the API names it: "Success"

	Scanner  Examiner  `json:"scanner"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Severity string    `json:"severity,omitempty"` // the worst, or None
	Total    int64     `json:"total,omitempty"`
	Fixable  int64     `json:"fixable,omitempty"`
	SBOM     string    `json:"sbom,omitempty"` // digest of the document's artifact

	Severities map[string]int64 `json:"severities,omitempty"` // how many there are of each
}

// An Examiner is a scanner as it says of itself.
type Examiner struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

// ScanCompleted, ScanFailed and ScanStopped tell of an examination.
type (
	ScanCompleted struct{ Scan }
	ScanFailed    struct{ Scan }
	ScanStopped   struct{ Scan }
)

// Kind returns the stored name of each fact. These never change.
func (ArtifactPushed) Kind() string  { return "artifact.pushed" }
func (ArtifactPulled) Kind() string  { return "artifact.pulled" }
func (ArtifactDeleted) Kind() string { return "artifact.deleted" }
func (TagDeleted) Kind() string      { return "tag.deleted" }
func (BlobDeleted) Kind() string     { return "blob.deleted" }
func (ProjectCreated) Kind() string  { return "project.created" }
func (ProjectUpdated) Kind() string  { return "project.updated" }
func (ProjectDeleted) Kind() string  { return "project.deleted" }
func (MemberAdded) Kind() string     { return "member.added" }
func (MemberUpdated) Kind() string   { return "member.updated" }
func (MemberRemoved) Kind() string   { return "member.removed" }
func (UserCreated) Kind() string     { return "user.created" }
func (UserUpdated) Kind() string     { return "user.updated" }
func (UserDeleted) Kind() string     { return "user.deleted" }
func (RobotCreated) Kind() string    { return "robot.created" }
func (RobotUpdated) Kind() string    { return "robot.updated" }
func (RobotDeleted) Kind() string    { return "robot.deleted" }
func (LoggedIn) Kind() string        { return "user.logged_in" }
func (LoggedOut) Kind() string       { return "user.logged_out" }

func (RepositoryUpdated) Kind() string { return "repository.updated" }
func (RepositoryDeleted) Kind() string { return "repository.deleted" }
func (TagCreated) Kind() string        { return "tag.created" }
func (LabelCreated) Kind() string      { return "label.created" }
func (LabelUpdated) Kind() string      { return "label.updated" }
func (LabelDeleted) Kind() string      { return "label.deleted" }
func (LabelAdded) Kind() string        { return "artifact.label_added" }
func (LabelRemoved) Kind() string      { return "artifact.label_removed" }

func (ImmutableRuleCreated) Kind() string { return "immutable_rule.created" }
func (ImmutableRuleUpdated) Kind() string { return "immutable_rule.updated" }
func (ImmutableRuleDeleted) Kind() string { return "immutable_rule.deleted" }

func (TrustCreated) Kind() string { return "trust.created" }
func (TrustUpdated) Kind() string { return "trust.updated" }
func (TrustDeleted) Kind() string { return "trust.deleted" }

func (EndpointCreated) Kind() string { return "endpoint.created" }
func (EndpointUpdated) Kind() string { return "endpoint.updated" }
func (EndpointDeleted) Kind() string { return "endpoint.deleted" }

func (ScannerCreated) Kind() string { return "scanner.created" }
func (ScannerUpdated) Kind() string { return "scanner.updated" }
func (ScannerDeleted) Kind() string { return "scanner.deleted" }

func (RetentionPolicyCreated) Kind() string { return "retention_policy.created" }
func (RetentionPolicyUpdated) Kind() string { return "retention_policy.updated" }
func (RetentionPolicyDeleted) Kind() string { return "retention_policy.deleted" }
func (RetentionRan) Kind() string           { return "retention.ran" }

func (WebhookCreated) Kind() string { return "webhook.created" }
func (WebhookUpdated) Kind() string { return "webhook.updated" }
func (WebhookDeleted) Kind() string { return "webhook.deleted" }

func (ReplicationPolicyCreated) Kind() string { return "replication_policy.created" }
func (ReplicationPolicyUpdated) Kind() string { return "replication_policy.updated" }
func (ReplicationPolicyDeleted) Kind() string { return "replication_policy.deleted" }
func (ReplicationRan) Kind() string           { return "replication.ran" }

func (QuotaUpdated) Kind() string    { return "quota.updated" }
func (QuotaWarned) Kind() string     { return "quota.warned" }
func (QuotaExceeded) Kind() string   { return "quota.exceeded" }
func (GroupCreated) Kind() string    { return "group.created" }
func (GroupUpdated) Kind() string    { return "group.updated" }
func (GroupDeleted) Kind() string    { return "group.deleted" }
func (SettingsUpdated) Kind() string { return "settings.updated" }
func (AuditPurged) Kind() string     { return "audit.purged" }

func (ScanCompleted) Kind() string { return "scan.completed" }
func (ScanFailed) Kind() string    { return "scan.failed" }
func (ScanStopped) Kind() string   { return "scan.stopped" }
