package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Accounts keeps users. It is an account.Store.
//
// What a change looks at before it writes stays as it is until it has written,
// since touchRights, at its beginning, lets them pass one after another.
type Accounts struct{ db *db.DB }

// NewAccounts returns the users of a database.
func NewAccounts(d *db.DB) *Accounts { return &Accounts{d} }

const (
	// A user of this database has the source 'local', which is no directory.
	accountFields = `id, name, COALESCE(email, ''), realname, comment, admin, created, updated, password,
		COALESCE(NULLIF(source, 'local'), ''), external_id, external_admin`
	accountSelect = `SELECT ` + accountFields + ` FROM account `
)

// accountListing has no column for the password: a filter on its hash would
// tell it, letter by letter.
var accountListing = listing{
	fields: accountFields,
	from:   "account",
	columns: map[string]column{
		"user_id":       {"id", number},
		"username":      {"name", text},
		"email":         {"COALESCE(email, '')", text},
		"realname":      {"realname", text},
		"sysadmin_flag": {"admin", flag},
		"creation_time": {"created", moment},
		"update_time":   {"updated", moment},
	},
	order: []query.Sort{{Field: "username"}},
	id:    "id",
}

// Create implements account.Store.
func (s *Accounts) Create(ctx context.Context, u account.User, hash string, by event.Actor) (id int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		id, err = createAccount(tx, u, hash, by)
		return err
	})
	return id, err
}

// Bootstrap implements account.Store.
func (s *Accounts) Bootstrap(ctx context.Context, u account.User, hash string, by event.Actor) (id int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		var users int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM account`).Scan(&users); err != nil {
			return err
		}
		if users > 0 {
			return account.ErrBootstrapped
		}
		id, err = createAccount(tx, u, hash, by)
		return err
	})
	return id, err
}

func createAccount(tx *db.Tx, u account.User, hash string, by event.Actor) (int64, error) {
	if err := checkFree(tx, u); err != nil {
		return 0, err
	}
	err := tx.QueryRow(`INSERT INTO account (name, email, realname, comment, password, admin, created, updated, source, external_id, external_admin)
		VALUES (?, NULLIF(?, ''), ?, ?, ?, ?, ?, ?, COALESCE(NULLIF(?, ''), 'local'), ?, ?) RETURNING id`,
		u.Name, u.Email, u.RealName, u.Comment, hash, u.Admin, u.Created.UnixMicro(), u.Updated.UnixMicro(),
		u.Directory, u.DirectoryID, u.DirectoryAdmin).Scan(&u.ID)
	if err != nil {
		return 0, fmt.Errorf("creating user %s: %w", u.Name, err)
	}
	return u.ID, record(tx, event.Event{At: u.Created, Actor: by, Fact: event.UserCreated{User: event.User{ID: u.ID, Name: u.Name}}})
}

// checkFree returns account.ErrExists where the name or the address of u is
// another user's name or address: people sign in with either.
func checkFree(tx *db.Tx, u account.User) error {
	var other int64
	err := tx.QueryRow(`SELECT id FROM account WHERE (name = ? OR email = ?) AND id <> ?`, u.Name, u.Name, u.ID).Scan(&other)
	if errors.Is(err, db.ErrNotFound) && u.Email != "" {
		err = tx.QueryRow(`SELECT id FROM account WHERE (name = ? OR email = ?) AND id <> ?`, u.Email, u.Email, u.ID).Scan(&other)
	}
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return account.ErrExists
}

// ByID implements account.Store.
func (s *Accounts) ByID(ctx context.Context, id int64) (account.User, string, error) {
	u, hash, err := scanAccount(s.db.QueryRow(ctx, accountSelect+`WHERE id = ? AND NOT deleted`, id))
	if errors.Is(err, account.ErrNotFound) {
		err = noAccount(id)
	}
	return u, hash, err
}

// ByName implements account.Store.
func (s *Accounts) ByName(ctx context.Context, nameOrEmail string) (account.User, string, error) {
	return scanAccount(s.db.QueryRow(ctx, accountSelect+`WHERE (name = ? OR email = ?) AND NOT deleted`, nameOrEmail, nameOrEmail))
}

// List implements account.Store.
func (s *Accounts) List(ctx context.Context, q query.Query) ([]account.User, int64, error) {
	return list(ctx, s.db, accountListing, condition{sql: "NOT deleted"}, q, func(rows *db.Rows) (account.User, error) {
		u, _, err := scanAccount(rows)
		return u, err
	})
}

// A scanner is a row that can be read.
type scanner interface{ Scan(dest ...any) error }

func scanAccount(row scanner) (u account.User, hash string, err error) {
	var created, updated int64
	err = row.Scan(&u.ID, &u.Name, &u.Email, &u.RealName, &u.Comment, &u.Admin, &created, &updated, &hash,
		&u.Directory, &u.DirectoryID, &u.DirectoryAdmin)
	if errors.Is(err, db.ErrNotFound) {
		return account.User{}, "", account.ErrNotFound
	}
	if err != nil {
		return account.User{}, "", fmt.Errorf("reading a user: %w", err)
	}
	u.Created, u.Updated = time.UnixMicro(created).UTC(), time.UnixMicro(updated).UTC()
	return u, hash, nil
}

// Update implements account.Store.
func (s *Accounts) Update(ctx context.Context, u account.User, e event.Event) error {
	return s.change(ctx, e, func(tx *db.Tx) (int64, error) {
		if err := checkFree(tx, u); err != nil {
			return 0, err
		}
		return tx.Exec(`UPDATE account SET email = NULLIF(?, ''), realname = ?, comment = ?, updated = ? WHERE id = ? AND NOT deleted`,
			u.Email, u.RealName, u.Comment, e.At.UnixMicro(), u.ID)
	}, u.ID)
}

// SetPassword implements account.Store. The version of the rights is this
// transaction's own by now, so that sessions of the old password are over.
func (s *Accounts) SetPassword(ctx context.Context, id int64, was, hash string, e event.Event) error {
	return s.change(ctx, e, func(tx *db.Tx) (int64, error) {
		if was != "" {
			var other bool
			err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM account WHERE id = ? AND password <> ? AND NOT deleted)`, id, was).Scan(&other)
			if err == nil && other {
				err = account.ErrOldPassword
			}
			if err != nil {
				return 0, err
			}
		}
		return tx.Exec(`UPDATE account SET password = ?, sessions_from = (SELECT version FROM rights WHERE id = 1), updated = ?
			WHERE id = ? AND NOT deleted`, hash, e.At.UnixMicro(), id)
	}, id)
}

// SetAdmin implements account.Store.
func (s *Accounts) SetAdmin(ctx context.Context, id int64, admin bool, e event.Event) error {
	return s.change(ctx, e, func(tx *db.Tx) (int64, error) {
		if !admin {
			if err := keepAnAdmin(tx, id); err != nil {
				return 0, err
			}
		}
		return tx.Exec(`UPDATE account SET admin = ?, updated = ? WHERE id = ? AND NOT deleted`, admin, e.At.UnixMicro(), id)
	}, id)
}

// keepAnAdmin returns account.ErrLastAdmin where nobody but this one is an
// administrator.
func keepAnAdmin(tx *db.Tx, id int64) error {
	var last bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM account WHERE id = ? AND admin AND NOT deleted)
		AND NOT EXISTS (SELECT 1 FROM account WHERE id <> ? AND admin AND NOT deleted)`, id, id).Scan(&last)
	if err == nil && last {
		err = account.ErrLastAdmin
	}
	return err
}

// Delete implements account.Store.
func (s *Accounts) Delete(ctx context.Context, id int64, e event.Event) error {
	return s.change(ctx, e, func(tx *db.Tx) (int64, error) {
		var first int64
		if err := tx.QueryRow(`SELECT COALESCE(MIN(id), 0) FROM account`).Scan(&first); err != nil {
			return 0, err
		}
		if id == first {
			return 0, account.ErrProtected
		}
		if err := keepAnAdmin(tx, id); err != nil {
			return 0, err
		}
		for _, q := range []string{
			`DELETE FROM member WHERE kind = 'u' AND entity_id = ?`,
			`DELETE FROM account_group WHERE account_id = ?`,
		} {
			if _, err := tx.Exec(q, id); err != nil {
				return 0, err
			}
		}
		return tx.Exec(`UPDATE account SET name = name || '#' || id, email = email || '#' || id, password = '', admin = FALSE,
			external_admin = FALSE, deleted = TRUE, updated = ? WHERE id = ? AND NOT deleted`, e.At.UnixMicro(), id)
	}, id)
}

// change runs a transaction that changes one user and records it. It returns
// account.ErrNotFound where fn touched no row.
func (s *Accounts) change(ctx context.Context, e event.Event, fn func(*db.Tx) (int64, error), id int64) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		n, err := fn(tx)
		if err != nil {
			return err
		}
		if n == 0 {
			return noAccount(id)
		}
		return record(tx, e)
	})
}

func noAccount(id int64) error { return account.ErrNotFound.Saying("user %d not found", id) }
