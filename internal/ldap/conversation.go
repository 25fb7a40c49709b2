package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/setting"
)

// A conversation is a connection to the directory. Several searches may run on
// it at once; binding is for one who has it alone.
type conversation struct {
	*ldap.Conn
	cfg setting.LDAP
}

// dial connects, by TLS from the beginning (ldaps), or by StartTLS where the
// settings ask for it (RFC 4513, section 3.1). All of that is to be done within
// the time for one answer, and the whole conversation by the end of ctx.
func dial(ctx context.Context, out *outbound.Dialer, cfg setting.LDAP) (*conversation, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ldap" && u.Scheme != "ldaps" {
		return nil, fmt.Errorf("ldap_url begins with ldap:// or ldaps://, and not with %s://", u.Scheme)
	}
	secured := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         u.Hostname(),
		InsecureSkipVerify: !cfg.VerifyCert, //nolint:gosec // G402: an administrator's choice, in the open
	}
	if cfg.CA != "" {
		if secured.RootCAs, err = x509.SystemCertPool(); err != nil {
			secured.RootCAs = x509.NewCertPool()
		}
		secured.RootCAs.AppendCertsFromPEM([]byte(cfg.CA))
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[u.Scheme]
	}
	soon, cancel := context.WithTimeout(ctx, cfg.Timeout())
	defer cancel()
	socket, err := out.DialContext(soon, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	conn, err := secure(soon, socket, secured, u.Scheme == "ldaps", cfg.StartTLS)
	if err == nil {
		end, _ := ctx.Deadline()
		err = socket.SetDeadline(end)
	}
	if err != nil {
		_ = socket.Close() // it is as broken as err says
		return nil, err
	}
	conn.SetTimeout(cfg.Timeout())
	return &conversation{conn, cfg}, nil
}

// secure begins to speak LDAP over a socket, which has a deadline afterwards. The
// library waits without end for the handshake that follows StartTLS.
func secure(ctx context.Context, socket net.Conn, secured *tls.Config, atOnce, startTLS bool) (*ldap.Conn, error) {
	soon, _ := ctx.Deadline()
	if err := socket.SetDeadline(soon); err != nil {
		return nil, err
	}
	if atOnce {
		over := tls.Client(socket, secured)
		if err := over.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		socket = over
	}
	conn := ldap.NewConn(socket, atOnce)
	conn.Start()
	if !atOnce && startTLS {
		if err := conn.StartTLS(secured); err != nil {
			_ = conn.Close() // it is as broken as err says
			return nil, err
		}
	}
	return conn, nil
}

// bind becomes the one who searches, whoever it was before.
func (c *conversation) bind() error {
	switch {
	case c.cfg.SearchDN == "":
		return c.UnauthenticatedBind("") // anonymous, RFC 4513, section 5.1.1
	case c.cfg.SearchSecret.Empty():
		return errors.New("ldap_search_dn is set, and its password, ldap_search_password, is not")
	}
	return c.Bind(c.cfg.SearchDN, c.cfg.SearchSecret.Reveal())
}

// search returns at most so many entries. More than that are cut off.
func (c *conversation) search(base string, scope int64, filter string, most int, attributes ...string) ([]*ldap.Entry, error) {
	found, err := c.Search(ldap.NewSearchRequest(base, int(scope), ldap.DerefAlways, most, int(c.cfg.Seconds), false, filter, attributes, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return found.Entries[:min(len(found.Entries), most)], nil
}

// entry returns the entry of a DN if it meets the filter, else nil.
func (c *conversation) entry(dn, filter string, attributes ...string) (*ldap.Entry, error) {
	found, err := c.search(dn, ldap.ScopeBaseObject, filter, 1, attributes...)
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultReferral) {
		return nil, nil //nolint:nilnil // no entry is no error
	}
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// both returns a filter that asks for two others at once (RFC 4515). The first,
// an administrator's, may be empty and may lack its parentheses.
func both(own, other string) string {
	if own = enclosed(own); own == "" {
		return other
	}
	return "(&" + own + other + ")"
}

func enclosed(filter string) string {
	if filter = strings.TrimSpace(filter); filter == "" || strings.HasPrefix(filter, "(") {
		return filter
	}
	return "(" + filter + ")"
}

// canonical returns a DN in the one form in which two spellings of it are equal,
// or ErrDN.
func canonical(dn string) (string, error) {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 || len(dn) > maxDN {
		return "", ErrDN.With("%.100s", dn)
	}
	return strings.ToLower(parsed.String()), nil
}

// within reports whether a search of that base and scope would come by a DN.
func within(dn, base string, scope int64) bool {
	entry, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	top, err := ldap.ParseDN(base)
	if err != nil {
		return false
	}
	switch scope {
	case ldap.ScopeBaseObject:
		return top.EqualFold(entry)
	case ldap.ScopeSingleLevel:
		return len(entry.RDNs) == len(top.RDNs)+1 && top.AncestorOfFold(entry)
	}
	return len(top.RDNs) == 0 || top.EqualFold(entry) || top.AncestorOfFold(entry)
}

// reason says to an administrator why the directory failed.
func reason(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		dns     *net.DNSError
		refused *fault.Fault
	)
	switch {
	case errors.As(err, &unknown), strings.Contains(err.Error(), unknown.Error()): // of StartTLS, the text alone is kept
		return "its certificate is signed by an authority that is not trusted; give that authority's certificate in ldap_ca_certificate"
	case errors.As(err, &name), errors.As(err, &invalid):
		return "its certificate is not good: " + err.Error()
	case errors.As(err, &refused):
		return refused.Message
	case errors.As(err, &dns):
		return "the host " + dns.Name + " cannot be found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at the address of ldap_url"
	case timedOut(err):
		return "it did not answer within ldap_timeout"
	}
	var answered *ldap.Error
	if errors.As(err, &answered) {
		if text, ok := reasons[answered.ResultCode]; ok {
			return text
		}
	}
	return err.Error()
}

func timedOut(err error) bool {
	var late net.Error
	text := err.Error() // of some of the library's errors, it alone is kept
	return errors.As(err, &late) && late.Timeout() || strings.Contains(text, "connection timed out") || strings.Contains(text, "i/o timeout")
}

// reasons are what the result codes of RFC 4511, appendix A, mean here.
var reasons = map[uint16]string{
	ldap.LDAPResultInvalidCredentials:          "it does not accept ldap_search_dn with ldap_search_password",
	ldap.LDAPResultNoSuchObject:                "there is no entry of ldap_base_dn, or ldap_search_dn may not see it",
	ldap.LDAPResultInvalidDNSyntax:             "ldap_base_dn or ldap_search_dn is no distinguished name",
	ldap.LDAPResultConfidentialityRequired:     "it wants TLS: set ldap_start_tls, or an ldap_url that begins with ldaps://",
	ldap.LDAPResultStrongAuthRequired:          "it wants TLS: set ldap_start_tls, or an ldap_url that begins with ldaps://",
	ldap.LDAPResultInsufficientAccessRights:    "ldap_search_dn may not search there",
	ldap.LDAPResultInappropriateAuthentication: "it wants somebody to search as: set ldap_search_dn and ldap_search_password",
	ldap.LDAPResultUnwillingToPerform:          "it is not willing to: does it want TLS, or somebody to search as?",
	ldap.ErrorFilterCompile:                    "ldap_filter is no filter of RFC 4515",
}
