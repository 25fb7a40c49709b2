package registry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// uploadLife is how long an upload is kept that nobody adds to.
	uploadLife = 48 * time.Hour
	// expireBatch is how many uploads are forgotten in one transaction.
	expireBatch = 100
)

// ExpireUploads forgets the uploads that nobody has added to for two days, and
// then their bytes. What it leaves behind when it is interrupted is garbage.
func (s *Service) ExpireUploads(ctx context.Context) error {
	for {
		gone, err := s.store.Expire(ctx, time.Now().Add(-uploadLife), expireBatch)
		if err != nil {
			return fmt.Errorf("expire uploads: %w", err)
		}
		for _, u := range gone {
			err = errors.Join(err, s.bytes.Abort(ctx, u.ID, u.Parts))
		}
		if err != nil || len(gone) < expireBatch {
			return err
		}
	}
}
