package registry

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// maxTags is how many tags one push may set.
const maxTags = 100

// A Manifest is one as it was pushed.
type Manifest struct {
	Digest    oci.Digest
	MediaType string
	Size      int64
	Body      []byte // nil where only its facts were asked for
}

// A PushRequest is a manifest as a client sent it.
type PushRequest struct {
	Ref       oci.Reference
	Tags      []string // further tags of a push by digest
	MediaType string   // as the request's Content-Type says
	Body      []byte   // at most oci.MaxManifest bytes

	// Before is what the tags must point at until now, empty for tags that are not
	// there; nil for anything.
	Before *oci.Digest
}

// A Pushed says what came of a push.
type Pushed struct {
	Digest  oci.Digest
	Subject oci.Digest // empty where the manifest has none
}

// PushManifest stores a manifest and moves its tags in one step. Content whose
// digest is not the one that was given is refused with ErrDigest, one that
// cannot be understood with oci.ErrManifestInvalid, and one whose blobs are not
// in the repository with artifact.ErrBlobUnknown. Where a tag does not point at
// what it is to, it returns artifact.ErrTagMoved.
func (s *Service) PushManifest(ctx context.Context, repo artifact.Repo, req PushRequest) (Pushed, error) {
	m, err := oci.ParseManifest(req.MediaType, req.Body)
	if err != nil {
		return Pushed{}, err
	}
	tags, err := tagsOf(req)
	if err != nil {
		return Pushed{}, err
	}
	d, err := digestOf(req)
	if err != nil {
		return Pushed{}, err
	}
	configuration, err := s.configuration(ctx, repo, m)
	if err != nil {
		return Pushed{}, err
	}
	push := artifact.Push{
		Repo: repo, Digest: d, Manifest: m, Body: req.Body, Tags: tags, Facts: artifact.Describe(m, d, tags, configuration),
		Before: req.Before, At: time.Now(), AllowMissing: s.cfg.AllowMissingBlobs,
	}
	if said := push.Facts.MediaType; said != "" {
		push.Manifest.ConfigMediaType = said // by which it is kept, shown and found
	}
	fact := event.ArtifactPushed{Where: repo.Where(), Digest: string(d), MediaType: m.MediaType, Tags: tags}
	if m.Subject != nil {
		fact.ArtifactType, fact.Subject = m.ArtifactType, string(m.Subject.Digest)
	}
	if s.cfg.Gate != nil {
		if err := s.cfg.Gate.CheckPush(ctx, &push); err != nil {
			return Pushed{}, err
		}
	}
	if err := s.artifacts.Record(ctx, push, event.New(access.From(ctx).Actor(), fact)); err != nil {
		if s.cfg.Gate != nil {
			s.cfg.Gate.Refused(ctx, repo, err)
		}
		return Pushed{}, err
	}
	done := Pushed{Digest: d}
	if m.Subject != nil {
		done.Subject = m.Subject.Digest
	}
	return done, nil
}

func digestOf(req PushRequest) (oci.Digest, error) {
	want := req.Ref.Digest
	if want == "" {
		return oci.Sum(oci.SHA256, req.Body), nil
	}
	got := oci.Sum(want.Algorithm(), req.Body)
	if got != want {
		return "", ErrDigest.With("given %s, found %s", want, got)
	}
	return got, nil
}

func tagsOf(req PushRequest) ([]string, error) {
	if req.Ref.Tag != "" {
		return []string{req.Ref.Tag}, nil
	}
	if len(req.Tags) > maxTags {
		return nil, ErrTooManyTags.With("%d, at most %d are allowed", len(req.Tags), maxTags)
	}
	for _, t := range req.Tags {
		if err := oci.CheckTag(t); err != nil {
			return nil, err
		}
	}
	return req.Tags, nil
}

// Manifest returns a manifest for a pull and notes the pull. What is asked for by a
// digest and a tag is what has the digest, pulled by that tag, wherever the tag
// points at the moment. It returns artifact.ErrUnknown or
// artifact.ErrRepositoryUnknown, and what the gate says.
func (s *Service) Manifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by Puller) (Manifest, error) {
	of := ref
	if ref.Digest != "" {
		of.Tag = ""
	}
	a, body, err := s.artifacts.Find(ctx, repo.Name, of, true)
	if err != nil {
		return Manifest{}, err
	}
	fact := event.ArtifactPulled{Where: repo.Where(), Digest: string(a.Digest), Tag: ref.Tag}
	if fact.Violation, err = s.checkPull(ctx, repo, a.ID, a.Digest, by); err != nil {
		return Manifest{}, err
	}
	err = s.pulls.note(ctx, artifact.Pull{ArtifactID: a.ID, Event: event.New(access.From(ctx).Actor(), fact), Scan: by.Scans})
	if err != nil {
		return Manifest{}, err
	}
	return Manifest{Digest: a.Digest, MediaType: a.MediaType, Size: a.Size, Body: body}, nil
}

// ReadManifest returns a manifest for the program itself. It is no pull.
func (s *Service) ReadManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference) (Manifest, error) {
	a, body, err := s.artifacts.Find(ctx, repo.Name, ref, true)
	return Manifest{Digest: a.Digest, MediaType: a.MediaType, Size: a.Size, Body: body}, err
}

// StatManifest returns a manifest's facts, without its bytes, to a client that may
// be about to pull it, as Manifest would. It is no pull. For one that may push, what
// is asked for by its digest is kept from being collected for a while, as StatBlob
// does.
func (s *Service) StatManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference, by Puller) (Manifest, error) {
	if by.MayPush && ref.Digest != "" {
		_ = s.artifacts.Reserve(ctx, repo.Name, ref.Digest, time.Now()) // what cannot be written is not kept
	}
	a, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	if err == nil {
		_, err = s.checkPull(ctx, repo, a.ID, a.Digest, by)
	}
	return Manifest{Digest: a.Digest, MediaType: a.MediaType, Size: a.Size}, err
}

// FindManifest returns a manifest's facts for the program itself.
func (s *Service) FindManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference) (Manifest, error) {
	a, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	return Manifest{Digest: a.Digest, MediaType: a.MediaType, Size: a.Size}, err
}

// CheckPull reports why a client may not have a manifest that need not be kept here,
// but that the program could give it. Else it returns the pull that it is, of a tag
// where ref has one beside the digest. Who sends the manifest notes it by NotePulls.
func (s *Service) CheckPull(ctx context.Context, repo artifact.Repo, ref oci.Reference, by Puller) (artifact.Pull, error) {
	id, err := s.idOf(ctx, repo, ref.Digest)
	if err != nil {
		return artifact.Pull{}, err
	}
	fact := event.ArtifactPulled{Where: repo.Where(), Digest: string(ref.Digest), Tag: ref.Tag}
	fact.Violation, err = s.checkPull(ctx, repo, id, ref.Digest, by)
	return artifact.Pull{ArtifactID: id, Event: event.New(access.From(ctx).Actor(), fact), Scan: by.Scans}, err
}

// NotePulls notes pulls of a manifest that may not have been kept here when it was
// sent: of the artifact that it is now, and otherwise of none.
func (s *Service) NotePulls(ctx context.Context, repo artifact.Repo, d oci.Digest, pulls ...artifact.Pull) error {
	id, err := s.idOf(ctx, repo, d)
	if err != nil {
		return err
	}
	for _, p := range pulls {
		p.ArtifactID = id
		if err := s.pulls.note(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// idOf returns an artifact's id, 0 where it is not kept here.
func (s *Service) idOf(ctx context.Context, repo artifact.Repo, d oci.Digest) (int64, error) {
	a, _, err := s.artifacts.Find(ctx, repo.Name, oci.Reference{Digest: d}, false)
	if err != nil && !fault.OfKind(err, fault.NotFound) {
		return 0, err
	}
	return a.ID, nil
}

func (s *Service) checkPull(ctx context.Context, repo artifact.Repo, id int64, d oci.Digest, by Puller) (violation string, err error) {
	if s.cfg.Pulls == nil {
		return "", nil
	}
	return s.cfg.Pulls.CheckPull(ctx, repo, id, d, by)
}

// DeleteManifest removes a tag, or an artifact with all its tags.
func (s *Service) DeleteManifest(ctx context.Context, repo artifact.Repo, ref oci.Reference) error {
	actor := access.From(ctx).Actor()
	if ref.Tag != "" {
		return s.artifacts.DeleteTag(ctx, repo, "", ref.Tag, actor)
	}
	return s.artifacts.Delete(ctx, repo, ref.Digest, actor)
}

// Tags returns at most n names of tags behind last.
func (s *Service) Tags(ctx context.Context, repo artifact.Repo, last string, n int) ([]string, error) {
	return s.artifacts.Tags(ctx, repo.Name, last, n)
}

// Repositories returns at most n full names of repositories behind last.
func (s *Service) Repositories(ctx context.Context, last string, n int) ([]string, error) {
	return s.artifacts.RepositoryNames(ctx, last, n)
}

// Referrers returns at most n artifacts whose subject is d, behind the id after.
func (s *Service) Referrers(ctx context.Context, repo artifact.Repo, d oci.Digest, artifactType string, after int64, n int) ([]artifact.Referrer, error) {
	return s.artifacts.Referrers(ctx, repo.Name, d, artifactType, after, n)
}
