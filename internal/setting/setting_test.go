package setting_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

const canary = "canary-in-the-mine"

func open(t *testing.T, d *db.DB, epoch *access.Epoch, fixed map[string]any) *setting.Service {
	t.Helper()
	s, err := setting.New(sqlstore.NewSettings(d), secret.NewSealer([32]byte{1}), epoch, fixed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fresh returns the settings of an empty database.
func fresh(t *testing.T, fixed map[string]any) *setting.Service {
	t.Helper()
	return open(t, storetest.SQLite(t), new(access.Epoch), fixed)
}

func shown(t *testing.T, s *setting.Service) map[string]setting.Item {
	t.Helper()
	items, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]setting.Item{}
	for _, it := range items {
		m[it.Key] = it
	}
	return m
}

func get(t *testing.T, s *setting.Service) setting.Values {
	t.Helper()
	v, err := s.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	text, err := os.ReadFile("testdata/defaults.golden")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	items, err := fresh(t, nil).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		fmt.Fprintf(&got, "%s %T %v\n", it.Key, it.Value, it.Value)
	}
	if got.String() != string(text) {
		t.Errorf("%s\nwant\n%s", got.String(), text)
	}
}

func TestWhatCannotBeIsRefusedWithKeyAndReason(t *testing.T) {
	s := fresh(t, nil)
	for _, tt := range []struct {
		key   string
		value any
	}{
		{"auth_mode", "uaa_auth"}, {"auth_mode", "ldap_auth"}, // without ldap_url
		{"read_only", "perhaps"}, {"read_only", 1.0}, {"project_creation_restriction", "nobody"},
		{"token_expiration", 0.0}, {"token_expiration", 1.5}, {"token_expiration", 1e10}, {"token_expiration", true}, {"token_expiration", "x"},
		{"session_timeout", -1.0}, {"robot_token_duration", 0.0}, {"storage_per_project", 0.0}, {"storage_per_project", -2.0},
		{"robot_name_prefix", ""}, {"robot_name_prefix", "bot"}, {"robot_name_prefix", "a b$"}, {"robot_name_prefix", strings.Repeat("$", 65)},
		{"ldap_scope", 3.0}, {"ldap_url", "http://host"}, {"ldap_uid", ""}, {"ldap_timeout", 0.0}, {"ldap_ca_certificate", "no pem"},
		{"oidc_endpoint", "ftp://x"}, {"oidc_scope", "email"}, {"oidc_group_filter", "("}, {"oidc_extra_redirect_parms", "[]"},
		{"scan_all_policy", "null"}, {"scan_all_policy", []any{}}, {"banner_message", map[string]any{}},
		{"banner_message", strings.Repeat("x", 64<<10+1)}, {"banner_message", "a\x00b"}, {"banner_message", "\xff"},
		{"audit_log_forward_endpoint", "nowhere"}, {"skip_audit_log_database", true}, // with no endpoint
	} {
		err := s.Update(t.Context(), map[string]any{tt.key: tt.value, "ldap_filter": "(cn=*)"})
		if !errors.Is(err, setting.ErrInvalid) || !strings.Contains(err.Error(), tt.key+": ") {
			t.Errorf("%s = %.40v: %v", tt.key, tt.value, err)
		}
	}
	if v := get(t, s); v.LDAP.Filter != "" {
		t.Error("a part of what was refused is kept")
	}
}

func TestValuesComeAsTheyAreOrAsTexts(t *testing.T) {
	s := fresh(t, nil)
	err := s.Update(t.Context(), map[string]any{
		"read_only": "1", "token_expiration": "45", "session_timeout": 9_999_999_999.0, "storage_per_project": 1 << 40 * 1.0,
		"scan_all_policy": map[string]any{"type": "daily"}, "no_such_key": 1.0, "banner_message": nil, "robot_name_prefix": "bot~",
	})
	if err != nil {
		t.Fatal(err)
	}
	v := get(t, s)
	if !v.ReadOnly || v.TokenMinutes != 45 || v.SessionMinutes != 9_999_999_999 || v.QuotaDefault != 1<<40 || v.ScanAllPolicy != `{"type":"daily"}` || v.RobotPrefix != "bot~" {
		t.Errorf("%+v", v)
	}
}

func TestTheAuditLogGoesSomewhere(t *testing.T) {
	s := fresh(t, nil)
	if err := s.Update(t.Context(), map[string]any{"skip_audit_log_database": true, "audit_log_forward_endpoint": "host:514"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), map[string]any{"audit_log_forward_endpoint": ""}); !errors.Is(err, setting.ErrInvalid) {
		t.Errorf("clearing the endpoint: %v", err)
	}
	if err := s.Update(t.Context(), map[string]any{"audit_log_forward_endpoint": "", "skip_audit_log_database": false}); err != nil {
		t.Error(err)
	}
}

func TestSecretsAreSealedAndNeverShown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, new(access.Epoch), nil)
		for _, key := range []string{"ldap_search_password", "oidc_client_secret", "uaa_client_secret"} {
			if err := s.Update(t.Context(), map[string]any{key: canary}); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(t.Context(), map[string]any{key: ""}); err != nil {
				t.Fatal(err)
			}
			if _, is := shown(t, s)[key]; is {
				t.Errorf("%s is listed", key)
			}
		}
		v := get(t, s)
		if v.LDAP.SearchSecret.Reveal() != canary || v.OIDC.ClientSecret.Reveal() != canary || v.UAA.ClientSecret.Reveal() != canary {
			t.Error("a secret is not what was set")
		}
		err := s.Update(t.Context(), map[string]any{"ldap_search_password": canary + "\x00"})
		kept, _ := sqlstore.NewSettings(d).All(t.Context())
		events, eerr := sqlstore.NewEvents(d).Pending(t.Context(), 100)
		if eerr != nil || len(events) != 3 {
			t.Errorf("%d events, %v", len(events), eerr)
		}
		told, _ := json.Marshal(events)
		if all := fmt.Sprint(v, kept, string(told), err, shown(t, s)); err == nil || strings.Contains(all, canary) {
			t.Errorf("the secret is in %s", all)
		}
		if !strings.Contains(string(told), "oidc_client_secret") {
			t.Errorf("what was changed is not in %s", told)
		}
		if _, err := setting.New(sqlstore.NewSettings(d), secret.NewSealer([32]byte{2}), new(access.Epoch), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestModeIsFixedOnceThereAreUsers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s := open(t, d, new(access.Epoch), nil)
		accounts := account.New(sqlstore.NewAccounts(d), secret.NewHasher(1), nil, new(access.Epoch))
		root := access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "root", Admin: true})
		create := func(name string) {
			if _, err := accounts.Create(root, account.NewUser{Name: name, Email: name + "@example.org", RealName: name, Password: secret.New("Passw0rd-" + name)}); err != nil {
				t.Fatal(err)
			}
		}
		create("root")
		if err := s.Update(t.Context(), map[string]any{"auth_mode": "ldap_auth", "ldap_url": "ldap://host"}); err != nil || !shown(t, s)["auth_mode"].Editable {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), map[string]any{"ldap_url": ""}); !errors.Is(err, setting.ErrInvalid) {
			t.Errorf("the mode without a directory: %v", err)
		}
		create("alice")
		if err := s.Update(t.Context(), map[string]any{"auth_mode": "db_auth", "read_only": true}); !errors.Is(err, setting.ErrUsers) {
			t.Error(err)
		}
		if err := s.Update(t.Context(), map[string]any{"auth_mode": "ldap_auth"}); err != nil {
			t.Errorf("the mode that it is: %v", err)
		}
		if v := get(t, s); v.ReadOnly || v.AuthMode != "ldap_auth" || shown(t, s)["auth_mode"].Editable {
			t.Errorf("%+v", v)
		}
	})
}

func TestFixedSettingsHoldAndCannotBeChanged(t *testing.T) {
	d := storetest.SQLite(t)
	if err := open(t, d, new(access.Epoch), nil).Update(t.Context(), map[string]any{"token_expiration": 5.0, "session_timeout": 7.0}); err != nil {
		t.Fatal(err)
	}
	s := open(t, d, new(access.Epoch), map[string]any{"token_expiration": 90.0, "auth_mode": "ldap_auth"})
	if v := get(t, s); v.TokenMinutes != 90 || v.SessionMinutes != 7 || v.AuthMode != "ldap_auth" {
		t.Errorf("%+v", v)
	}
	if items := shown(t, s); items["token_expiration"].Editable || items["auth_mode"].Editable || !items["session_timeout"].Editable {
		t.Error(items)
	}
	if err := s.Update(t.Context(), map[string]any{"token_expiration": 91.0, "session_timeout": 8.0}); !errors.Is(err, setting.ErrFixed) || !strings.Contains(err.Error(), "token_expiration") {
		t.Error(err)
	}
	if err := s.Update(t.Context(), map[string]any{"token_expiration": 90.0, "session_timeout": 9.0}); err != nil || get(t, s).SessionMinutes != 9 {
		t.Error(err)
	}
	if _, err := setting.New(sqlstore.NewSettings(d), secret.NewSealer([32]byte{1}), new(access.Epoch), map[string]any{"read_only": "x"}); !errors.Is(err, setting.ErrInvalid) {
		t.Error(err)
	}
}

func TestAnotherNodeSeesAChangeOnceItsEpochIsBumped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		var epoch access.Epoch
		one, other := open(t, d, new(access.Epoch), nil), open(t, d, &epoch, nil)
		version := func() int64 {
			v, err := sqlstore.NewRights(d).Version(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		before := version()
		if get(t, other).ReadOnly {
			t.Fatal("read-only from the start")
		}
		if err := one.Update(t.Context(), map[string]any{"read_only": true}); err != nil || !get(t, one).ReadOnly {
			t.Fatal(err)
		}
		if version() == before {
			t.Error("nothing tells the other node")
		}
		epoch.Bump()
		if !get(t, other).ReadOnly {
			t.Error("the other node does not see it")
		}
		before = version()
		if err := one.Update(t.Context(), map[string]any{"read_only": true}); err != nil || version() != before {
			t.Errorf("what is so already was written: %v", err)
		}
	})
}

func TestOnlyADatabaseOfUsersTakesNewOnes(t *testing.T) {
	for _, tt := range []struct {
		values setting.Values
		want   bool
	}{
		{setting.Values{AuthMode: setting.AuthDatabase}, false},
		{setting.Values{AuthMode: setting.AuthDatabase, SelfRegistration: true}, true},
		{setting.Values{AuthMode: setting.AuthLDAP, SelfRegistration: true}, false},
	} {
		if got := tt.values.Registration(); got != tt.want {
			t.Errorf("%s, %v: %v", tt.values.AuthMode, tt.values.SelfRegistration, got)
		}
	}
}
