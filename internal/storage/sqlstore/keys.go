package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/token"
)

// Keys keeps the keys that sign tokens. It is a token.Store.
type Keys struct{ db *db.DB }

// NewKeys returns the keys of a database.
func NewKeys(d *db.DB) *Keys { return &Keys{d} }

const (
	kindAuthority = "ca"
	kindSigner    = "token"
)

// Keys implements token.Store.
func (k *Keys) Keys(ctx context.Context) ([]token.Key, error) {
	rows, err := k.db.Query(ctx, `
		SELECT kind, kid, certificate, private, created, expires
		FROM signing_key ORDER BY created DESC, id DESC`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []token.Key
	for rows.Next() {
		var key token.Key
		var kind string
		var created, expires int64
		if err := rows.Scan(&kind, &key.KID, &key.Certificate, &key.Private, &created, &expires); err != nil {
			return nil, err
		}
		key.Authority = kind == kindAuthority
		key.Created, key.Expires = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// Create implements token.Store.
func (k *Keys) Create(ctx context.Context, expired time.Time, keys ...token.Key) error {
	err := k.db.Write(ctx, func(tx *db.Tx) error {
		for _, key := range keys {
			kind := kindSigner
			if key.Authority {
				kind = kindAuthority
			}
			_, err := tx.Exec(`
				INSERT INTO signing_key (kind, kid, certificate, private, created, expires)
				VALUES (?, ?, ?, ?, ?, ?)`,
				kind, key.KID, key.Certificate, key.Private, key.Created.UnixMicro(), key.Expires.UnixMicro())
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(`DELETE FROM signing_key WHERE kind = ? AND expires < ?`, kindSigner, expired.UnixMicro())
		return err
	})
	if errors.Is(err, db.ErrDuplicate) {
		return token.ErrKeyExists
	}
	return err
}
