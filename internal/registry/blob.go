package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
)

// maxHolders is how many repositories are considered when a mount names none.
const maxHolders = 50

// StatBlob returns a blob that the repository may serve, or ErrBlobUnknown. For a
// caller who may push it is kept from being collected for a while, unless that
// cannot be written: a manifest that comes too late says what it lacks.
func (s *Service) StatBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, mayPush bool) (Blob, error) {
	if mayPush {
		if b, err := s.store.Reserve(ctx, repo.Name, d, time.Now()); err == nil || errors.Is(err, ErrBlobUnknown) {
			return b, err
		}
	}
	return s.store.Blob(ctx, repo.Name, d)
}

// OpenBlob returns a blob's content, which the caller closes, or ErrBlobUnknown.
func (s *Service) OpenBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) (Blob, blob.Reader, error) {
	b, r, err := s.openBlob(ctx, repo, d)
	if errors.Is(err, blob.ErrNotFound) {
		// It may have been collected, or come anew, since its row was read.
		b, r, err = s.openBlob(ctx, repo, d)
	}
	return b, r, err
}

func (s *Service) openBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) (Blob, blob.Reader, error) {
	b, err := s.store.Blob(ctx, repo.Name, d)
	if err != nil {
		return Blob{}, nil, err
	}
	r, err := s.bytes.Open(ctx, b.Key)
	if err != nil {
		return Blob{}, nil, fmt.Errorf("open blob %s: %w", d, err)
	}
	return b, r, nil
}

// Mount lets the repository serve a blob that the repository from serves, or,
// where from is empty, any repository that the caller may pull from. It returns
// ErrBlobUnknown where there is none; that a blob is elsewhere is not to be
// learned from it.
func (s *Service) Mount(ctx context.Context, to artifact.Repo, from string, d oci.Digest, mayPull func(repository string) bool) error {
	sources := []string{from}
	if from == "" {
		var err error
		if sources, err = s.store.Holders(ctx, d, maxHolders); err != nil {
			return err
		}
	}
	for _, source := range sources {
		if mayPull(source) {
			return s.store.Link(ctx, to, source, d, time.Now())
		}
	}
	return ErrBlobUnknown
}

// DeleteBlob ends the repository's right to serve a blob. The bytes go when no
// repository has it.
func (s *Service) DeleteBlob(ctx context.Context, repo artifact.Repo, d oci.Digest) error {
	fact := event.BlobDeleted{Where: repo.Where(), Digest: string(d)}
	return s.store.Unlink(ctx, repo, d, event.New(access.From(ctx).Actor(), fact))
}
