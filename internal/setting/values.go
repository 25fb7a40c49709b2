package setting

import (
	"time"

	"github.com/berth-registry/berth/internal/secret"
)

// The modes of signing in: by passwords kept here, or by a directory.
const (
	AuthDatabase = "db_auth"
	AuthLDAP     = "ldap_auth"
)

// Who may create projects.
const (
	Everyone  = "everyone"
	AdminOnly = "adminonly"
)

// Values are all settings as they are at one moment.
type Values struct {
	AuthMode         string // AuthDatabase or AuthLDAP
	PrimaryAuthMode  bool   // the portal goes to the identity provider without asking
	SelfRegistration bool   // anybody may create an account, in the mode AuthDatabase

	ProjectCreation string // Everyone or AdminOnly
	ReadOnly        bool   // nothing may be changed but settings
	RobotPrefix     string // what the login names of robots begin with
	RobotDuration   int64  // days; what is offered when a robot is made
	TokenMinutes    int64  // lifetime of registry tokens
	SessionMinutes  int64  // lifetime of a session that is not used
	Notifications   bool   // webhooks are called
	BannerMessage   string // JSON that the portal understands; empty for none
	ScanAllPolicy   string // JSON

	QuotaEnabled bool  // limits count
	QuotaDefault int64 // bytes that a new project may store; -1 for any number

	PullTimeOff        bool // pulls do not say when something was pulled
	PullCountOff       bool // pulls are not counted
	PullAuditOff       bool // pulls leave no audit rows
	ScannerPullTimeOff bool // those of scanners do not say when something was pulled

	AuditForward  string // HOST:PORT of a syslog server, by TCP; empty for none
	AuditSkip     bool   // audit rows are forwarded, and not kept
	AuditDisabled string // kinds of audit rows that are not made: "pull_artifact,login_user"

	LDAP      LDAP
	OIDC      OIDC
	AuthProxy AuthProxy
	UAA       UAA
}

// Registration reports whether anybody may create an account of their own.
func (v Values) Registration() bool { return v.SelfRegistration && v.AuthMode == AuthDatabase }

// LDAP says how a directory is asked.
type LDAP struct {
	URL          string // "ldap://host:389" or "ldaps://host:636"
	StartTLS     bool   // over ldap://
	VerifyCert   bool
	CA           string // PEM; empty for the system's authorities
	SearchDN     string
	SearchSecret secret.Text
	BaseDN       string
	Filter       string
	UID          string // the attribute that is the login name
	Scope        int64  // 0 the entry, 1 below it, 2 all below it
	Seconds      int64  // that an answer may take

	GroupBaseDN     string
	GroupFilter     string
	GroupName       string // the attribute that names a group
	GroupScope      int64
	GroupAdminDN    string // whose members are administrators
	GroupMembership string // the attribute of a user that lists groups
	GroupParallel   bool   // groups are looked up at once
}

// Timeout is how long the directory may take to answer.
func (l LDAP) Timeout() time.Duration { return time.Duration(l.Seconds) * time.Second }

// OIDC says how an OpenID provider is asked.
type OIDC struct {
	Name, Endpoint, ClientID string
	ClientSecret             secret.Text
	Scope                    string // comma-separated, "openid" among them
	GroupsClaim, AdminGroup  string
	GroupFilter              string // a regular expression
	UserClaim                string
	VerifyCert, AutoOnboard  bool
	ExtraRedirect            string // JSON object
	Logout                   bool
}

// AuthProxy says how a service that reviews tokens is asked.
type AuthProxy struct {
	Endpoint, ReviewEndpoint string
	AdminGroups, AdminUsers  string // comma-separated
	VerifyCert, SkipSearch   bool
	Certificate              string // PEM
}

// UAA says how a Cloud Foundry UAA is asked.
type UAA struct {
	Endpoint, ClientID string
	ClientSecret       secret.Text
	VerifyCert         bool
}
