package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/quota"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/token"
)

// errUnused is the answer where no server has kept anything so far.
var errUnused = errors.New(`nothing is stored there yet: start "berth serve" once, or name another place with --data or --database`)

// operator is the name under which the command line's changes are remembered.
const operator = "berth"

// atOnce is the size of the pages in which lists are read.
const atOnce = 500

// Tools do single things to what a server has stored, whether one is running or
// not. A running one sees changes of rights within a second.
type Tools struct {
	cfg      Config
	db       *db.DB
	accounts *account.Service
}

// Open returns tools for what a config names. It creates nothing. The caller
// closes them.
func Open(ctx context.Context, cfg Config) (*Tools, error) {
	cfg, err := cfg.Complete()
	if err != nil {
		return nil, err
	}
	if file := cfg.databaseFile(); file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("%w (%s)", errUnused, file)
		}
	}
	d, err := openDB(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := sqlstore.NewSystem(d).Get(ctx, firstStart); err != nil {
		return nil, errors.Join(errUnused, err, d.Close())
	}
	accounts := account.New(sqlstore.NewAccounts(d), secret.NewHasher(runtime.GOMAXPROCS(0)), nil, new(access.Epoch))
	return &Tools{cfg, d, accounts}, nil
}

// databaseFile returns the path of a database that is a file, else "".
func (c Config) databaseFile() string {
	escaped, ok := strings.CutPrefix(c.Database, "sqlite://")
	if !ok {
		return ""
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	return path
}

// Close closes the database.
func (t *Tools) Close() error { return t.db.Close() }

// Users returns all users, by name.
func (t *Tools) Users(ctx context.Context) (all []account.User, err error) {
	for page := 1; ; page++ {
		users, total, err := t.accounts.List(ctx, query.Query{Page: page, Size: atOnce})
		if err != nil {
			return nil, err
		}
		all = append(all, users...)
		if len(users) == 0 || int64(len(all)) >= total {
			return all, nil
		}
	}
}

// ResetPassword gives a user another password, without asking for the present
// one. It returns account.ErrNotFound, secret.ErrWeak or
// account.ErrSamePassword.
func (t *Tools) ResetPassword(ctx context.Context, name string, password secret.Text) error {
	u, err := t.accounts.ByName(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return t.accounts.ResetPassword(access.With(ctx, access.Caller{Kind: access.User, Name: operator}), u.ID, password)
}

// PurgeAudit removes rows of the audit log, and returns how many, as
// audit.Service does.
func (t *Tools) PurgeAudit(ctx context.Context, p audit.Purge) (int64, error) {
	settings, err := t.settings()
	if err != nil {
		return 0, err
	}
	rows := audit.New(sqlstore.NewAudit(t.db), settings.Get, 0, nil, t.cfg.Log)
	return rows.Purge(access.With(ctx, access.Caller{Kind: access.User, Name: operator}), p)
}

// RecalculateQuotas compares what is kept of the projects of the given names, or
// of all, with their artifacts, and corrects it but in a dry run. Each project is
// told as soon as it is done.
func (t *Tools) RecalculateQuotas(ctx context.Context, projects []string, dry bool, tell func(quota.Drift)) error {
	quotas := quota.New(sqlstore.NewQuotas(t.db), nil, t.cfg.Log)
	missing := slices.Clone(projects)
	for page := 1; ; page++ {
		found, _, err := quotas.List(ctx, query.Query{Page: page, Size: atOnce})
		if err != nil {
			return err
		}
		for _, q := range found {
			if len(projects) > 0 && !slices.Contains(projects, q.Project) {
				continue
			}
			drift, err := quotas.Recalculate(ctx, q.ProjectID, dry)
			if err != nil {
				return err
			}
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == q.Project })
			tell(drift)
		}
		if len(found) < atOnce {
			break
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s: project not found", strings.Join(missing, ", "))
	}
	return nil
}

// settings returns the settings as the server has them.
func (t *Tools) settings() (*setting.Service, error) {
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	return newSettings(t.cfg, t.db, key, new(access.Epoch))
}

// Bundle returns the certificates that registry tokens are verified with, in
// PEM.
func (t *Tools) Bundle(ctx context.Context) ([]byte, error) {
	tokens, err := t.tokens(ctx)
	if err != nil {
		return nil, err
	}
	return tokens.Bundle(ctx)
}

// Rotate makes a new key that tokens are signed with.
func (t *Tools) Rotate(ctx context.Context) error {
	tokens, err := t.tokens(ctx)
	if err != nil {
		return err
	}
	return tokens.Rotate(ctx)
}

// tokens returns a token service that grants nothing to anybody.
func (t *Tools) tokens(ctx context.Context) (*token.Service, error) {
	key, err := t.key()
	if err != nil {
		return nil, err
	}
	return newTokens(ctx, t.cfg, t.db, key, nil, nil)
}

// key returns the key that secrets are sealed with, which must be there.
func (t *Tools) key() (key [32]byte, err error) {
	if _, err = os.Stat(t.cfg.SecretKeyFile); err == nil {
		key, err = secret.LoadKey(t.cfg.SecretKeyFile)
	}
	if err != nil {
		err = fmt.Errorf("secret key: %w", err)
	}
	return key, err
}

// newTokens returns the token service over what is stored.
func newTokens(ctx context.Context, cfg Config, d *db.DB, key [32]byte, projects token.Projects, lifetime token.Lifetime) (*token.Service, error) {
	tokens, err := token.New(ctx, sqlstore.NewKeys(d), secret.NewSealer(key), projects, token.Config{
		Issuer: cfg.Token.Issuer, Services: cfg.Token.Services, Lifetime: lifetime, KeyLife: cfg.Token.KeyLife, Log: cfg.Log,
	})
	if errors.Is(err, secret.ErrSealed) {
		err = fmt.Errorf("%s is not the key that this database was used with: %w", cfg.SecretKeyFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("token keys: %w", err)
	}
	return tokens, nil
}
