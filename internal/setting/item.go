package setting

import (
	"crypto/x509"
	"encoding/json"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/berth-registry/berth/internal/secret"
)

// An item is a row of the table: a key of the API, where in Values it is, what
// it is where nothing else was said, and what it may be.
type item struct {
	key   string
	def   string
	field func(v *Values) any      // *string, *bool, *int64 or *secret.Text
	check func(text string) string // why the text cannot be, empty where it can; may be nil
}

// maxText is how many bytes a value may have. Certificates are the longest.
const maxText = 64 << 10

var items = []item{
	{"auth_mode", AuthDatabase, func(v *Values) any { return &v.AuthMode }, oneOf(AuthDatabase, AuthLDAP)},
	{"primary_auth_mode", "false", func(v *Values) any { return &v.PrimaryAuthMode }, nil},
	{"self_registration", "false", func(v *Values) any { return &v.SelfRegistration }, nil},
	{"project_creation_restriction", Everyone, func(v *Values) any { return &v.ProjectCreation }, oneOf(Everyone, AdminOnly)},
	{"read_only", "false", func(v *Values) any { return &v.ReadOnly }, nil},
	{"robot_name_prefix", "robot$", func(v *Values) any { return &v.RobotPrefix }, prefix},
	{"robot_token_duration", "30", func(v *Values) any { return &v.RobotDuration }, from(1, maxNumber)},
	{"token_expiration", "30", func(v *Values) any { return &v.TokenMinutes }, from(1, maxNumber)},
	{"session_timeout", "60", func(v *Values) any { return &v.SessionMinutes }, from(1, maxNumber)},
	{"notification_enable", "true", func(v *Values) any { return &v.Notifications }, nil},
	{"banner_message", "", func(v *Values) any { return &v.BannerMessage }, nil},
	{"scan_all_policy", `{"type":"none"}`, func(v *Values) any { return &v.ScanAllPolicy }, object},

	{"quota_per_project_enable", "true", func(v *Values) any { return &v.QuotaEnabled }, nil},
	{"storage_per_project", "-1", func(v *Values) any { return &v.QuotaDefault }, storage},

	{"pull_time_update_disable", "false", func(v *Values) any { return &v.PullTimeOff }, nil},
	{"pull_count_update_disable", "false", func(v *Values) any { return &v.PullCountOff }, nil},
	{"pull_audit_log_disable", "false", func(v *Values) any { return &v.PullAuditOff }, nil},
	{"scanner_skip_update_pulltime", "false", func(v *Values) any { return &v.ScannerPullTimeOff }, nil},
	{"audit_log_forward_endpoint", "", func(v *Values) any { return &v.AuditForward }, endpoint},
	{"skip_audit_log_database", "false", func(v *Values) any { return &v.AuditSkip }, nil},
	{"disabled_audit_log_event_types", "", func(v *Values) any { return &v.AuditDisabled }, nil},

	{"ldap_url", "", func(v *Values) any { return &v.LDAP.URL }, scheme("ldap", "ldaps")},
	{"ldap_start_tls", "false", func(v *Values) any { return &v.LDAP.StartTLS }, nil},
	{"ldap_verify_cert", "true", func(v *Values) any { return &v.LDAP.VerifyCert }, nil},
	{"ldap_ca_certificate", "", func(v *Values) any { return &v.LDAP.CA }, certificates},
	{"ldap_search_dn", "", func(v *Values) any { return &v.LDAP.SearchDN }, maybe(dn)},
	{"ldap_search_password", "", func(v *Values) any { return &v.LDAP.SearchSecret }, nil},
	{"ldap_base_dn", "", func(v *Values) any { return &v.LDAP.BaseDN }, maybe(dn)},
	{"ldap_filter", "", func(v *Values) any { return &v.LDAP.Filter }, maybe(filter)},
	{"ldap_uid", "cn", func(v *Values) any { return &v.LDAP.UID }, attribute},
	{"ldap_scope", "2", func(v *Values) any { return &v.LDAP.Scope }, from(0, 2)},
	{"ldap_timeout", "5", func(v *Values) any { return &v.LDAP.Seconds }, from(1, 600)},
	{"ldap_group_base_dn", "", func(v *Values) any { return &v.LDAP.GroupBaseDN }, maybe(dn)},
	{"ldap_group_search_filter", "", func(v *Values) any { return &v.LDAP.GroupFilter }, maybe(filter)},
	{"ldap_group_attribute_name", "", func(v *Values) any { return &v.LDAP.GroupName }, maybe(attribute)},
	{"ldap_group_search_scope", "2", func(v *Values) any { return &v.LDAP.GroupScope }, from(0, 2)},
	{"ldap_group_admin_dn", "", func(v *Values) any { return &v.LDAP.GroupAdminDN }, maybe(dn)},
	{"ldap_group_membership_attribute", "memberof", func(v *Values) any { return &v.LDAP.GroupMembership }, attribute},
	{"ldap_group_attach_parallel", "false", func(v *Values) any { return &v.LDAP.GroupParallel }, nil},

	{"oidc_name", "", func(v *Values) any { return &v.OIDC.Name }, nil},
	{"oidc_endpoint", "", func(v *Values) any { return &v.OIDC.Endpoint }, scheme("https", "http")},
	{"oidc_client_id", "", func(v *Values) any { return &v.OIDC.ClientID }, nil},
	{"oidc_client_secret", "", func(v *Values) any { return &v.OIDC.ClientSecret }, nil},
	{"oidc_scope", "", func(v *Values) any { return &v.OIDC.Scope }, maybe(withOpenID)},
	{"oidc_groups_claim", "", func(v *Values) any { return &v.OIDC.GroupsClaim }, nil},
	{"oidc_admin_group", "", func(v *Values) any { return &v.OIDC.AdminGroup }, nil},
	{"oidc_group_filter", "", func(v *Values) any { return &v.OIDC.GroupFilter }, expression},
	{"oidc_user_claim", "", func(v *Values) any { return &v.OIDC.UserClaim }, nil},
	{"oidc_verify_cert", "true", func(v *Values) any { return &v.OIDC.VerifyCert }, nil},
	{"oidc_auto_onboard", "false", func(v *Values) any { return &v.OIDC.AutoOnboard }, nil},
	{"oidc_extra_redirect_parms", "{}", func(v *Values) any { return &v.OIDC.ExtraRedirect }, object},
	{"oidc_logout", "false", func(v *Values) any { return &v.OIDC.Logout }, nil},

	{"http_authproxy_endpoint", "", func(v *Values) any { return &v.AuthProxy.Endpoint }, scheme("https", "http")},
	{"http_authproxy_tokenreview_endpoint", "", func(v *Values) any { return &v.AuthProxy.ReviewEndpoint }, scheme("https", "http")},
	{"http_authproxy_admin_groups", "", func(v *Values) any { return &v.AuthProxy.AdminGroups }, nil},
	{"http_authproxy_admin_usernames", "", func(v *Values) any { return &v.AuthProxy.AdminUsers }, nil},
	{"http_authproxy_verify_cert", "true", func(v *Values) any { return &v.AuthProxy.VerifyCert }, nil},
	{"http_authproxy_skip_search", "false", func(v *Values) any { return &v.AuthProxy.SkipSearch }, nil},
	{"http_authproxy_server_certificate", "", func(v *Values) any { return &v.AuthProxy.Certificate }, certificates},

	{"uaa_endpoint", "", func(v *Values) any { return &v.UAA.Endpoint }, scheme("https", "http")},
	{"uaa_client_id", "", func(v *Values) any { return &v.UAA.ClientID }, nil},
	{"uaa_client_secret", "", func(v *Values) any { return &v.UAA.ClientSecret }, nil},
	{"uaa_verify_cert", "false", func(v *Values) any { return &v.UAA.VerifyCert }, nil},
}

var byKey = func() map[string]item {
	m := make(map[string]item, len(items))
	for _, it := range items {
		m[it.key] = it
	}
	return m
}()

func defaults() Values {
	var v Values
	for _, it := range items {
		if err := it.set(&v, it.def); err != nil {
			panic(err) // of the table
		}
	}
	return v
}

func (it item) secret() bool {
	_, is := it.field(new(Values)).(*secret.Text)
	return is
}

// set puts a text into its field.
func (it item) set(v *Values, text string) (err error) {
	switch f := it.field(v).(type) {
	case *string:
		*f = text
	case *secret.Text:
		*f = secret.New(text)
	case *bool:
		*f, err = strconv.ParseBool(text)
	case *int64:
		*f, err = strconv.ParseInt(text, 10, 64)
	}
	return err
}

// value returns what the field holds, and text the same as it is kept.
func (it item) value(v Values) any {
	switch f := it.field(&v).(type) {
	case *bool:
		return *f
	case *int64:
		return *f
	case *string:
		return *f
	}
	return it.text(v)
}

func (it item) text(v Values) string {
	switch f := it.field(&v).(type) {
	case *bool:
		return strconv.FormatBool(*f)
	case *int64:
		return strconv.FormatInt(*f, 10)
	case *secret.Text:
		return f.Reveal()
	case *string:
		return *f
	}
	return ""
}

// apply puts what a request sent into v, and returns it as texts by key.
func apply(v *Values, sent map[string]any) (map[string]string, error) {
	texts := make(map[string]string, len(sent))
	for key, value := range sent {
		it, known := byKey[key]
		if !known || value == nil {
			continue
		}
		text, ok := it.read(value)
		if !ok {
			return nil, ErrInvalid.With("%s: it must be a %s", key, it.kind())
		}
		if len(text) > maxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return nil, ErrInvalid.With("%s: it must be text of at most %d bytes", key, maxText)
		}
		if it.check != nil {
			if why := it.check(text); why != "" {
				return nil, ErrInvalid.With("%s: %s", key, why)
			}
		}
		if err := it.set(v, text); err != nil {
			return nil, ErrInvalid.With("%s: it must be a %s", key, it.kind())
		}
		texts[key] = it.text(*v) // "1" is kept as "true"
	}
	return texts, nil
}

// together checks what no single key can, of the keys that change.
func together(v Values, changed map[string]string) error {
	touched := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { _, is := changed[key]; return is })
	}
	if v.AuditSkip && v.AuditForward == "" && touched("skip_audit_log_database", "audit_log_forward_endpoint") {
		return ErrInvalid.With("skip_audit_log_database: it needs audit_log_forward_endpoint, or nothing is kept anywhere")
	}
	if v.AuthMode == AuthLDAP && v.LDAP.URL == "" && touched("auth_mode", "ldap_url") {
		return ErrInvalid.With("auth_mode: %s needs ldap_url", AuthLDAP)
	}
	return nil
}

// kind names what the item is.
func (it item) kind() Kind {
	switch it.field(new(Values)).(type) {
	case *bool:
		return Boolean
	case *int64:
		return Number
	}
	if objects[it.key] {
		return Object
	}
	return Text
}

// objects are the keys whose texts are JSON.
var objects = map[string]bool{"scan_all_policy": true, "oidc_extra_redirect_parms": true}

// read returns a value of JSON as text. Numbers and booleans may come as texts,
// as clients send them that took them from a file.
func (it item) read(value any) (string, bool) {
	switch x := value.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), it.kind() == Boolean
	case int64:
		return strconv.FormatInt(x, 10), it.kind() == Number
	case map[string]any:
		text, err := json.Marshal(x)
		return string(text), err == nil && objects[it.key]
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), it.kind() == Number && x == math.Trunc(x)
	}
	return "", false
}

const (
	maxNumber  = 9_999_999_999
	maxStorage = 1 << 50 // bytes, 1024 TiB
)

func oneOf(words ...string) func(string) string {
	return func(text string) string {
		if slices.Contains(words, text) {
			return ""
		}
		return "it must be one of " + strings.Join(words, ", ")
	}
}

func from(least, most int64) func(string) string {
	return func(text string) string {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= least && n <= most {
			return ""
		}
		return "it must be from " + strconv.FormatInt(least, 10) + " to " + strconv.FormatInt(most, 10)
	}
}

func storage(text string) string {
	if text == "-1" {
		return ""
	}
	if from(1, maxStorage)(text) == "" {
		return ""
	}
	return "it must be -1 or from 1 to " + strconv.FormatInt(maxStorage, 10) + " bytes"
}

var prefixPattern = regexp.MustCompile(`^[A-Za-z0-9._-]*[$#~%][A-Za-z0-9._$#~%-]*$`)

// prefix must hold a character that no user's name has, so that no user is taken
// for a robot.
func prefix(text string) string {
	if len(text) <= 64 && prefixPattern.MatchString(text) {
		return ""
	}
	return "it must be up to 64 letters, digits, dots, dashes and underscores, with one of $ # ~ % among them"
}

func maybe(check func(string) string) func(string) string {
	return func(text string) string {
		if text == "" {
			return ""
		}
		return check(text)
	}
}

var attributePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.;-]{0,127}$`)

func attribute(text string) string {
	if attributePattern.MatchString(text) {
		return ""
	}
	return "it must be the name of an attribute"
}

func dn(text string) string {
	if _, err := ldap.ParseDN(text); err != nil {
		return "it must be a distinguished name, such as ou=people,dc=example,dc=org"
	}
	return ""
}

// filter takes one without its outer parentheses as well.
func filter(text string) string {
	if !strings.HasPrefix(text, "(") {
		text = "(" + text + ")"
	}
	if _, err := ldap.CompileFilter(text); err != nil {
		return "it must be a filter, such as (objectClass=person)"
	}
	return ""
}

func object(text string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) == nil && fields != nil {
		return ""
	}
	return "it must be a JSON object"
}

func endpoint(text string) string {
	if text == "" {
		return ""
	}
	if host, port, err := net.SplitHostPort(text); err == nil && host != "" && from(1, 65535)(port) == "" {
		return ""
	}
	return "it must be HOST:PORT"
}

func scheme(allowed ...string) func(string) string {
	return func(text string) string {
		if text == "" {
			return ""
		}
		if u, err := url.Parse(text); err == nil && u.Host != "" && slices.Contains(allowed, u.Scheme) {
			return ""
		}
		return "it must be a URL that begins with " + strings.Join(allowed, ":// or ") + "://"
	}
}

func withOpenID(text string) string {
	for s := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(s) == "openid" {
			return ""
		}
	}
	return `it must have "openid" among its parts`
}

func expression(text string) string {
	if _, err := regexp.Compile(text); err != nil {
		return "it must be a regular expression"
	}
	return ""
}

func certificates(text string) string {
	if text == "" || pool(text) {
		return ""
	}
	return "it must be certificates in PEM"
}

func pool(pem string) bool { return x509.NewCertPool().AppendCertsFromPEM([]byte(pem)) }
