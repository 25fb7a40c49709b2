package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

var groupListing = listing{
	fields: `id, kind, name, dn, key, created, updated`,
	from:   "user_group",
	columns: map[string]column{
		"id":         {"id", number},
		"group_name": {"name", text},
		"group_type": {"CAST(kind AS BIGINT)", number},
		"key":        {"key", text},
	},
	order: []query.Sort{{Field: "group_name"}},
	id:    "id",
}

func scanGroup(row scanner) (g account.Group, err error) {
	var created, updated int64
	err = row.Scan(&g.ID, &g.Kind, &g.Name, &g.DN, &g.Key, &created, &updated)
	g.Created, g.Updated = timeOf(created), timeOf(updated)
	return g, err
}

func groupFact(g account.Group) event.Group { return event.Group{ID: g.ID, Name: g.Name} }

// CreateGroup implements account.GroupStore.
func (s *Accounts) CreateGroup(ctx context.Context, g account.Group, by event.Actor) (int64, error) {
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		return createGroup(tx, &g, by)
	})
	if errors.Is(err, db.ErrDuplicate) {
		return 0, account.ErrGroupExists
	}
	if err != nil {
		return 0, fmt.Errorf("create group %s: %w", g.Name, err)
	}
	return g.ID, nil
}

func createGroup(tx *db.Tx, g *account.Group, by event.Actor) error {
	at := g.Created.UnixMicro()
	err := tx.QueryRow(`INSERT INTO user_group (kind, name, dn, key, created, updated) VALUES (?, ?, ?, ?, ?, ?) RETURNING id`,
		g.Kind, g.Name, g.DN, g.Key, at, at).Scan(&g.ID)
	if err != nil {
		return err
	}
	return record(tx, event.Event{At: g.Created, Actor: by, Fact: event.GroupCreated{Group: groupFact(*g)}})
}

// Group implements account.GroupStore.
func (s *Accounts) Group(ctx context.Context, id int64) (account.Group, error) {
	return foundGroup(s.db.QueryRow(ctx, `SELECT `+groupListing.fields+` FROM user_group WHERE id = ?`, id), id)
}

// GroupByKey implements account.GroupStore.
func (s *Accounts) GroupByKey(ctx context.Context, kind account.GroupKind, key string) (account.Group, error) {
	return foundGroup(s.db.QueryRow(ctx, `SELECT `+groupListing.fields+` FROM user_group WHERE kind = ? AND key = ?`, kind, key), key)
}

func foundGroup(row db.Row, idOrKey any) (account.Group, error) {
	g, err := scanGroup(row)
	if errors.Is(err, db.ErrNotFound) {
		return account.Group{}, noGroup(idOrKey)
	}
	if err != nil {
		return account.Group{}, fmt.Errorf("group %v: %w", idOrKey, err)
	}
	return g, nil
}

func noGroup(idOrKey any) error {
	return account.ErrGroupNotFound.Saying("user group %v not found", idOrKey)
}

// Groups implements account.GroupStore.
func (s *Accounts) Groups(ctx context.Context, q query.Query) ([]account.Group, int64, error) {
	return list(ctx, s.db, groupListing, condition{sql: "TRUE"}, q, func(rows *db.Rows) (account.Group, error) { return scanGroup(rows) })
}

// RenameGroup implements account.GroupStore.
func (s *Accounts) RenameGroup(ctx context.Context, id int64, name string, by event.Actor) error {
	return s.changeGroup(ctx, id, func(tx *db.Tx, g account.Group) error {
		if g.Name == name {
			return nil
		}
		g.Name = name
		e := event.New(by, event.GroupUpdated{Group: groupFact(g)})
		if _, err := tx.Exec(`UPDATE user_group SET name = ?, updated = ? WHERE id = ?`, name, e.At.UnixMicro(), id); err != nil {
			return err
		}
		return record(tx, e)
	})
}

// DeleteGroup implements account.GroupStore.
func (s *Accounts) DeleteGroup(ctx context.Context, id int64, by event.Actor) error {
	return s.changeGroup(ctx, id, func(tx *db.Tx, g account.Group) error {
		for _, q := range []string{
			`DELETE FROM member WHERE kind = 'g' AND entity_id = ?`,
			`DELETE FROM user_group WHERE id = ?`, // and with it who is in it
		} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		return record(tx, event.New(by, event.GroupDeleted{Group: groupFact(g)}))
	})
}

// changeGroup runs change on a group that nobody else changes meanwhile.
func (s *Accounts) changeGroup(ctx context.Context, id int64, change func(*db.Tx, account.Group) error) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		if err := touchRights(tx); err != nil {
			return err
		}
		g, err := foundGroup(tx.QueryRow(`SELECT `+groupListing.fields+` FROM user_group WHERE id = ?`, id), id)
		if err != nil {
			return err
		}
		return change(tx, g)
	})
}
