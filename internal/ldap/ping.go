package ldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
)

// A Trial is what a directory is to be asked with, before that becomes a
// setting. What is nil is as the settings have it.
type Trial struct {
	URL, SearchDN, BaseDN, Filter, UID *string
	SearchSecret                       secret.Text // empty for that of the settings
	Scope, Seconds                     *int64
	VerifyCert                         *bool
}

// Ping returns nil where the directory answers: it can be reached, takes who
// searches, and has the base. Otherwise it returns why not, as ErrFailed, ErrUnset
// or setting.ErrInvalid.
//
// The password that the settings keep is sent to no other server, and as nobody
// else, than the settings say: who may try settings out may not learn it.
func (s *Service) Ping(ctx context.Context, trial Trial) error {
	v, err := s.settings(ctx)
	if err != nil {
		return fmt.Errorf("settings of the directory: %w", err)
	}
	cfg, err := trial.over(v.LDAP)
	if err != nil {
		return err
	}
	return s.converseWith(ctx, cfg, func(c *conversation) error {
		e, err := c.entry(cfg.BaseDN, "(objectClass=*)", "1.1")
		if err == nil && e == nil {
			err = ErrFailed.With("there is no entry of ldap_base_dn %q, or ldap_search_dn may not see it", cfg.BaseDN)
		}
		if err == nil {
			_, err = c.people("*", 1) // the filter can be one
		}
		return err
	})
}

// over returns the settings with the trial's values in their place.
func (t Trial) over(kept setting.LDAP) (setting.LDAP, error) {
	cfg := kept
	set(&cfg.URL, t.URL)
	set(&cfg.SearchDN, t.SearchDN)
	set(&cfg.BaseDN, t.BaseDN)
	set(&cfg.Filter, t.Filter)
	set(&cfg.UID, t.UID)
	set(&cfg.Scope, t.Scope)
	set(&cfg.Seconds, t.Seconds)
	set(&cfg.VerifyCert, t.VerifyCert)
	switch {
	case !t.SearchSecret.Empty():
		cfg.SearchSecret = t.SearchSecret
	case cfg.SearchDN != "" && (cfg.URL != kept.URL || cfg.SearchDN != kept.SearchDN || !cfg.VerifyCert && kept.VerifyCert):
		return cfg, ErrFailed.Saying("ldap_search_password is needed to try another server, or another ldap_search_dn, than the settings name")
	}
	return cfg, check(cfg)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// check returns an error where the values could be no settings.
func check(cfg setting.LDAP) error {
	return errors.Join(
		setting.Check("ldap_url", cfg.URL), setting.Check("ldap_base_dn", cfg.BaseDN), setting.Check("ldap_search_dn", cfg.SearchDN),
		setting.Check("ldap_filter", cfg.Filter), setting.Check("ldap_uid", cfg.UID),
		setting.Check("ldap_scope", fmt.Sprint(cfg.Scope)), setting.Check("ldap_timeout", fmt.Sprint(cfg.Seconds)),
	)
}
