package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
)

// An asker reads, in a transaction or outside of one.
type asker struct {
	row  func(q string, args ...any) db.Row
	rows func(q string, args ...any) (*db.Rows, error)
}

// Onboard implements account.DirectoryStore. People sign in far more often than
// their entry changes, so it looks first whether there is anything to write.
func (s *Accounts) Onboard(ctx context.Context, e account.Entry, by event.Actor) (u account.User, changed bool, err error) {
	look := asker{
		func(q string, args ...any) db.Row { return s.db.QueryRow(ctx, q, args...) },
		func(q string, args ...any) (*db.Rows, error) { return s.db.Query(ctx, q, args...) },
	}
	news, err := newsOf(look, e)
	if err == nil && news.any() {
		err = s.db.Write(ctx, func(tx *db.Tx) error {
			if err := touchRights(tx); err != nil {
				return err
			}
			if news, err = newsOf(asker{tx.QueryRow, tx.Query}, e); err != nil {
				return err
			}
			return news.keep(tx, by)
		})
		changed = true
	}
	if err != nil {
		return account.User{}, changed, fmt.Errorf("onboarding %s from %s: %w", e.Name, e.Directory, err)
	}
	return news.user, changed, nil
}

// news is what an entry of a directory says that is not kept yet.
type news struct {
	user    account.User // as the entry has it; without an id where there is no account
	changed []string     // fields of an account that is there
	groups  []account.Group
	left    []int64 // groups that the user is no longer in
}

func (n news) any() bool {
	return n.user.ID == 0 || len(n.changed)+len(n.groups)+len(n.left) > 0
}

func newsOf(ask asker, e account.Entry) (n news, err error) {
	n.user, _, err = scanAccount(ask.row(accountSelect+`WHERE name = ? AND NOT deleted`, e.Name))
	switch {
	case errors.Is(err, account.ErrNotFound):
		n.user = account.User{Name: e.Name, RealName: e.RealName, Directory: e.Directory}
	case err != nil:
		return n, err
	case n.user.Directory != e.Directory:
		return n, account.ErrForeign
	}
	if err := n.profile(ask, e); err != nil {
		return n, err
	}
	return n, n.memberships(ask, e.Groups)
}

// profile compares what belongs to the account itself.
func (n *news) profile(ask asker, e account.Entry) error {
	u := &n.user
	email, err := freeEmail(ask, *u, e.Email)
	if err != nil {
		return err
	}
	if u.Email != email {
		n.changed, u.Email = append(n.changed, "email"), email
	}
	if u.DirectoryAdmin != e.Admin {
		n.changed, u.DirectoryAdmin = append(n.changed, "admin_role_in_auth"), e.Admin
	}
	if u.DirectoryID != e.ID {
		n.changed, u.DirectoryID = append(n.changed, "directory entry"), e.ID
	}
	return nil
}

// freeEmail returns an address, or none where it is another user's name or
// address: people sign in with either.
func freeEmail(ask asker, u account.User, email string) (string, error) {
	if email == "" || email == u.Email {
		return email, nil
	}
	var other int64
	err := ask.row(`SELECT id FROM account WHERE (name = ? OR email = ?) AND id <> ?`, email, email, u.ID).Scan(&other)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return email, nil
	case err != nil:
		return "", err
	}
	return "", nil
}

// memberships compares the groups of the entry with those that are kept.
func (n *news) memberships(ask asker, groups []account.Group) error {
	n.groups = slices.Clone(groups)
	if n.user.ID == 0 {
		return nil
	}
	rows, err := ask.rows(`SELECT g.id, g.kind, g.name, g.dn, g.key, g.created, g.updated
		FROM account_group m JOIN user_group g ON g.id = m.group_id WHERE m.account_id = ?`, n.user.ID)
	if err != nil {
		return err
	}
	return eachRow(rows, func(rows *db.Rows) error {
		had, err := scanGroup(rows)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(n.groups, func(g account.Group) bool { return g.Kind == had.Kind && g.Key == had.Key })
		if i < 0 {
			n.left = append(n.left, had.ID)
		} else {
			n.groups = slices.Delete(n.groups, i, i+1)
		}
		return nil
	})
}

// keep writes the news.
func (n *news) keep(tx *db.Tx, by event.Actor) error {
	u := &n.user
	if len(n.groups)+len(n.left) > 0 {
		n.changed = append(n.changed, "groups")
	}
	e := event.New(by, event.UserUpdated{User: event.User{ID: u.ID, Name: u.Name}, Changed: n.changed})
	u.Updated = e.At
	var err error
	switch {
	case u.ID == 0:
		u.Created = e.At
		u.ID, err = createAccount(tx, *u, "", by)
		if errors.Is(err, account.ErrExists) {
			err = account.ErrForeign
		}
	case len(n.changed) > 0:
		_, err = tx.Exec(`UPDATE account SET email = NULLIF(?, ''), external_admin = ?, external_id = ?, updated = ? WHERE id = ?`,
			u.Email, u.DirectoryAdmin, u.DirectoryID, e.At.UnixMicro(), u.ID)
		if err == nil {
			err = record(tx, e)
		}
	}
	if err != nil {
		return err
	}
	return n.keepGroups(tx, by)
}

// keepGroups makes the groups that there are not, puts the user into those that
// are new to them, and takes the user out of others.
func (n *news) keepGroups(tx *db.Tx, by event.Actor) error {
	var joined []any
	for _, g := range n.groups {
		err := tx.QueryRow(`SELECT id FROM user_group WHERE kind = ? AND key = ?`, g.Kind, g.Key).Scan(&g.ID)
		if errors.Is(err, db.ErrNotFound) {
			err = createGroup(tx, &g, by)
		}
		if err != nil {
			return err
		}
		joined = append(joined, n.user.ID, g.ID)
	}
	if err := insertRows(tx, `INSERT INTO account_group (account_id, group_id) VALUES `, 2, joined); err != nil {
		return err
	}
	for some := range slices.Chunk(n.left, rowsAtOnce) {
		_, err := tx.Exec(`DELETE FROM account_group WHERE account_id = ? AND group_id IN (`+db.In(len(some))+`)`, append([]any{n.user.ID}, anyOf(some)...)...)
		if err != nil {
			return err
		}
	}
	return nil
}
