package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// ErrDescription is returned for a description that is too long or no text.
var ErrDescription = fault.New(fault.Invalid, "BAD_REQUEST", "invalid description")

// maxDescription is how many bytes the description of a repository may have.
const maxDescription = 8 << 10

// configuration returns what a manifest's configuration says, where that is
// looked at and the repository has it; else nil.
func (s *Service) configuration(ctx context.Context, repo artifact.Repo, m oci.Manifest) ([]byte, error) {
	if !artifact.Configured(m) {
		return nil, nil
	}
	_, r, err := s.OpenBlob(ctx, repo, m.Blobs[0].Digest)
	if errors.Is(err, ErrBlobUnknown) {
		return nil, nil // the push is refused for it, or it may be missing
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, artifact.MaxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return text, nil
}

// DeleteArtifact removes an artifact with its tags, its accessories, and those
// of its children that nothing else holds. It returns artifact.ErrUnknown,
// artifact.ErrRepositoryUnknown or artifact.ErrReferenced.
func (s *Service) DeleteArtifact(ctx context.Context, repo artifact.Repo, ref oci.Reference) error {
	a, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return err
	}
	return s.artifacts.Delete(ctx, repo, a.Digest, access.From(ctx).Actor())
}

// CreateTag gives an artifact another tag. It returns oci.ErrTagInvalid,
// artifact.ErrUnknown, artifact.ErrRepositoryUnknown or artifact.ErrTagExists.
func (s *Service) CreateTag(ctx context.Context, repo artifact.Repo, ref oci.Reference, tag string) error {
	if err := oci.CheckTag(tag); err != nil {
		return err
	}
	a, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return err
	}
	fact := event.TagCreated{Where: repo.Where(), Tag: tag, Digest: string(a.Digest)}
	return s.artifacts.CreateTag(ctx, repo, a.Digest, tag, event.New(access.From(ctx).Actor(), fact))
}

// DeleteTag removes one of an artifact's tags; the artifact stays. It returns
// artifact.ErrUnknown or artifact.ErrRepositoryUnknown.
func (s *Service) DeleteTag(ctx context.Context, repo artifact.Repo, ref oci.Reference, tag string) error {
	if oci.CheckTag(tag) != nil {
		return artifact.ErrUnknown.With("%.128s", tag)
	}
	a, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	if err != nil {
		return err
	}
	return s.artifacts.DeleteTag(ctx, repo, a.Digest, tag, access.From(ctx).Actor())
}

// DeleteRepository removes a repository with all that is in it, or returns
// artifact.ErrRepositoryUnknown.
func (s *Service) DeleteRepository(ctx context.Context, repo artifact.Repo) error {
	return s.artifacts.DeleteRepository(ctx, repo, access.From(ctx).Actor())
}

// DescribeRepository gives a repository another description, which is kept as it
// is: who shows it makes it safe. It returns ErrDescription or
// artifact.ErrRepositoryUnknown.
func (s *Service) DescribeRepository(ctx context.Context, repo artifact.Repo, text string) error {
	if len(text) > maxDescription || !utf8.ValidString(text) {
		return ErrDescription.With("it may have %d bytes of text, and has %d", maxDescription, len(text))
	}
	return s.artifacts.Describe(ctx, repo, text, event.New(access.From(ctx).Actor(), event.RepositoryUpdated{Where: repo.Where()}))
}
