package event

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
}

// ArtifactPulled says that a manifest was sent. Tag is empty for a pull by
// digest.
type ArtifactPulled struct {
	Where
	Digest string `json:"digest"`
	Tag    string `json:"tag,omitempty"`
}

// ArtifactDeleted says that a manifest and all its tags are gone.
type ArtifactDeleted struct {
	Where
	Digest string   `json:"digest"`
	Tags   []string `json:"tags,omitempty"`
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
