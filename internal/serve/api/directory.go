package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/secret"
)

// directory answers for /ldap.
type directory struct{ ldap *ldap.Service }

type pingLDAP struct{ Body *ldapConf }

// ldapConf has settings that are tried out. Those that are left out are as they
// are kept.
type ldapConf struct {
	URL          *string `json:"ldap_url"`
	SearchDN     *string `json:"ldap_search_dn"`
	SearchSecret string  `json:"ldap_search_password" doc:"where it is left out, that of the settings, for the server and the ldap_search_dn of the settings only"`
	BaseDN       *string `json:"ldap_base_dn"`
	Filter       *string `json:"ldap_filter"`
	UID          *string `json:"ldap_uid"`
	Scope        *int64  `json:"ldap_scope"`
	Seconds      *int64  `json:"ldap_connection_timeout"`
	VerifyCert   *bool   `json:"ldap_verify_cert"`
}

type ldapPingAnswer struct{ Body ldapPingResult }

func (*ldapPingAnswer) status() int { return http.StatusOK }

type ldapPingResult struct {
	Success bool   `json:"success"`
	Message string `json:"message" doc:"why not"`
}

// ping answers 200 whatever the directory says, and says what that was.
func (d directory) ping(ctx context.Context, in *pingLDAP) (*ldapPingAnswer, error) {
	trial := ldap.Trial{}
	if b := in.Body; b != nil {
		trial = ldap.Trial{
			URL: b.URL, SearchDN: b.SearchDN, SearchSecret: secret.New(b.SearchSecret), BaseDN: b.BaseDN, Filter: b.Filter,
			UID: b.UID, Scope: b.Scope, Seconds: b.Seconds, VerifyCert: b.VerifyCert,
		}
	}
	err := d.ldap.Ping(ctx, trial)
	var f *fault.Fault
	if err != nil && !(errors.As(err, &f) && f.Kind == fault.Invalid) {
		return nil, err
	}
	out := &ldapPingAnswer{ldapPingResult{Success: err == nil}}
	if err != nil {
		out.Body.Message = f.Message
	}
	return out, nil
}

type searchLDAPUser struct {
	Name string `query:"username" doc:"a part of the login name"`
}

type ldapUsers struct{ Body []ldapUser }

type ldapUser struct {
	Name     string `json:"username"`
	RealName string `json:"realname"`
	Email    string `json:"email"`
}

func (d directory) users(ctx context.Context, in *searchLDAPUser) (*ldapUsers, error) {
	found, err := d.ldap.Search(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &ldapUsers{all(found, func(p ldap.Person) ldapUser { return ldapUser{p.Name, p.RealName, p.Email} })}, nil
}

type importLDAPUser struct {
	Body struct {
		Logins []string `json:"ldap_uid_list" doc:"login names, 1000 at most"`
	} `nameHint:"LdapImportUsers"`
}

type ldapImportAnswer struct {
	Status int
	Body   []ldapFailedImport
}

func (*ldapImportAnswer) status() int { return http.StatusOK }

type ldapFailedImport struct {
	Login  string `json:"uid"`
	Reason string `json:"error"`
}

// imports answers 404 with those that were not imported, where there are any.
func (d directory) imports(ctx context.Context, in *importLDAPUser) (*ldapImportAnswer, error) {
	failures, err := d.ldap.Import(ctx, in.Body.Logins)
	if err != nil {
		return nil, err
	}
	out := &ldapImportAnswer{Status: http.StatusOK, Body: all(failures, func(f ldap.Failure) ldapFailedImport { return ldapFailedImport(f) })}
	if len(failures) > 0 {
		out.Status = http.StatusNotFound
	}
	return out, nil
}

type searchLDAPGroup struct {
	Name string `query:"groupname" doc:"a part of the name"`
	DN   string `query:"groupdn" doc:"the whole distinguished name"`
}

type ldapGroups struct{ Body []userGroup }

var errNoGroupNamed = fault.New(fault.Invalid, "BAD_REQUEST", "groupname or groupdn is needed")

func (d directory) groups(ctx context.Context, in *searchLDAPGroup) (*ldapGroups, error) {
	if in.Name == "" && in.DN == "" {
		return nil, errNoGroupNamed
	}
	found, err := d.ldap.SearchGroups(ctx, in.DN, in.Name)
	if err != nil {
		return nil, err
	}
	return &ldapGroups{all(found, asGroup)}, nil
}
