package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/berth-registry/berth/internal/session"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Sessions keeps who has signed in. It is a session.Store.
type Sessions struct{ db *db.DB }

// NewSessions returns the sessions of a database.
func NewSessions(d *db.DB) *Sessions { return &Sessions{d} }

// Mark implements session.Store: it is the version of the rights, which each
// change of an account raises in its own transaction.
func (s *Sessions) Mark(ctx context.Context) (int64, error) { return NewRights(s.db).Version(ctx) }

// Create implements session.Store. A change of the account that commits after
// this raises sessions_from above the mark.
func (s *Sessions) Create(ctx context.Context, r session.Row) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`INSERT INTO session (token, account_id, began, expires)
			SELECT ?, id, ?, ? FROM account WHERE id = ? AND NOT deleted AND sessions_from <= ?`,
			r.Hash, r.Began, r.Expires.UnixMicro(), r.Account, r.Began)
		if err == nil && n == 0 {
			err = session.ErrOver
		}
		return err
	})
}

// Find implements session.Store.
func (s *Sessions) Find(ctx context.Context, hash string, now time.Time) (session.Row, error) {
	r, expires := session.Row{Hash: hash}, int64(0)
	err := s.db.QueryRow(ctx, `SELECT s.account_id, s.began, s.expires FROM session s JOIN account a ON a.id = s.account_id
		WHERE s.token = ? AND s.expires > ? AND s.began >= a.sessions_from AND NOT a.deleted`,
		hash, now.UnixMicro()).Scan(&r.Account, &r.Began, &expires)
	if errors.Is(err, db.ErrNotFound) {
		return session.Row{}, session.ErrOver
	}
	r.Expires = time.UnixMicro(expires).UTC()
	return r, err
}

// Renew implements session.Store. Of many requests at once, one writes.
func (s *Sessions) Renew(ctx context.Context, r session.Row, expires time.Time) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE session SET expires = ? WHERE token = ? AND expires = ?`,
			expires.UnixMicro(), r.Hash, r.Expires.UnixMicro())
		return err
	})
}

// End implements session.Store.
func (s *Sessions) End(ctx context.Context, hash string) (ended bool, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`DELETE FROM session WHERE token = ?`, hash)
		ended = n > 0
		return err
	})
	return ended, err
}

// Expire implements session.Store.
func (s *Sessions) Expire(ctx context.Context, now time.Time, n int) (gone int64, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) (err error) {
		at := now.UnixMicro()
		gone, err = tx.Exec(`DELETE FROM session WHERE expires <= ? AND token IN (
			SELECT token FROM session WHERE expires <= ? ORDER BY expires LIMIT ?)`, at, at, n)
		return err
	})
	return gone, err
}
