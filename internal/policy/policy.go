// Package policy refuses pulls that a project's rules do not let through: for want
// of a signature, for vulnerabilities, for want of a list of what is inside. It
// promises that each refusal says why and what would help, that what cannot be
// found out is refused, and that what is unknown is decided by the rules. How
// signatures are verified and how vulnerabilities are found is for others.
package policy

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/maypok86/otter/v2"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
)

// ErrViolation is of a pull that the project's rules do not let through.
var ErrViolation = fault.New(fault.Precondition, "PROJECTPOLICYVIOLATION", "the project's policy does not let it be pulled")

// MaxParents bounds the indexes that are asked for what an image in them lacks.
const MaxParents = 10

// Facts are what rules need to know of an artifact.
type Facts struct {
	Accessory string       // what it is for another one, as artifact has it; empty: it is none
	MediaType string       // of the manifest
	SBOM      bool         // there is a list of what it holds: its own, or that of an index that contains it
	Parents   []oci.Digest // indexes of the repository that contain it, MaxParents at most
}

// A Store knows artifacts.
type Store interface {
	// Facts returns those of an artifact, or artifact.ErrUnknown.
	Facts(ctx context.Context, id int64) (Facts, error)
	// Manifest returns that of an artifact, or artifact.ErrUnknown.
	Manifest(ctx context.Context, id int64) ([]byte, error)
}

// Signed says what the signatures of one kind on an artifact come to.
type Signed struct {
	Present  bool   // there is one, of whomever
	Verified bool   // one is of somebody whom the project trusts
	Trusting bool   // the project trusts somebody
	Reason   string // why the first of them is not verified; empty where there is none
}

// Signatures verifies them.
type Signatures interface {
	// Signed says it of a kind, which is artifact.SignatureCosign or
	// artifact.SignatureNotation.
	Signed(ctx context.Context, repo artifact.Repo, d oci.Digest, kind string) (Signed, error)
}

// Scanned says what is known of an artifact's vulnerabilities.
type Scanned struct {
	Examinable bool  // a scanner could look at it
	Known      bool  // one has, at all of it
	Pending    bool  // one is about to
	Severe     int64 // of those that are severe enough, and accepted nowhere
	Worst      finding.Severity
	Part       bool  // there may be more of them, and worse
	Most       int64 // where more than so many are severe enough, which was not looked into to the end
}

// Runnable says whether a client could unpack an image out of an artifact's manifest.
type Runnable func(ctx context.Context, id int64, d oci.Digest, mediaType string) (bool, error)

// Reports knows what scanners found.
type Reports interface {
	// Scanned counts what is as severe as a threshold or worse, and is not accepted. Of
	// what nobody has scanned it asks whether somebody could.
	Scanned(ctx context.Context, repo artifact.Repo, id int64, threshold finding.Severity, could Runnable) (Scanned, error)
}

// Projects knows what projects want.
type Projects interface {
	ByID(ctx context.Context, id int64) (project.Project, error)
}

// Config is what a Service is made of.
type Config struct {
	Store      Store
	Projects   Projects
	Signatures Signatures
	Reports    Reports
	Epoch      *access.Epoch
	Log        *slog.Logger
}

// A Service is a registry.PullGate. It is safe for concurrent use.
type Service struct {
	Config

	rules   *access.Memory[int64, project.GuardRules]
	natures *otter.Cache[manifest, nature]
}

// What is remembered.
const (
	mostRules   = 10_000 // of so many projects
	mostNatures = 50_000 // of so many manifests
)

// New returns a service.
func New(c Config) *Service {
	return &Service{
		Config: c, rules: access.NewMemory[int64, project.GuardRules](c.Epoch, mostRules),
		natures: otter.Must(&otter.Options[manifest, nature]{MaximumSize: mostNatures}),
	}
}

// CheckPull implements registry.PullGate. In a project without rules it reads
// nothing.
func (s *Service) CheckPull(ctx context.Context, repo artifact.Repo, id int64, d oci.Digest, by registry.Puller) (violation string, err error) {
	rules, err := s.rules.Get(ctx, repo.ProjectID, func(ctx context.Context) (project.GuardRules, error) {
		p, err := s.Projects.ByID(ctx, repo.ProjectID)
		return p.Guard(), err
	})
	if err != nil {
		return "", fmt.Errorf("rules of project %d: %w", repo.ProjectID, err)
	}
	if !rules.Any() || by.Signs || by.Scans {
		return "", nil
	}
	why, err := s.violation(ctx, repo, id, d, rules)
	switch {
	case err != nil && rules.Watch:
		s.Log.WarnContext(ctx, "a pull is let through that could not be judged", "repository", repo.Name, "digest", d, "error", err)
		return "it could not be judged", nil
	case err != nil:
		return "", err
	case why != "" && rules.Watch:
		s.Log.InfoContext(ctx, "a pull is let through that the project's policy would refuse", "repository", repo.Name, "digest", d, "why", why)
		return why, nil
	case why != "":
		return "", ErrViolation.Saying("%s", why)
	}
	return "", nil
}

// violation says which rule an artifact breaks first, or nothing.
func (s *Service) violation(ctx context.Context, repo artifact.Repo, id int64, d oci.Digest, rules project.GuardRules) (string, error) {
	var f Facts
	if id != 0 {
		var err error
		if f, err = s.Store.Facts(ctx, id); err != nil {
			return "", err
		}
	}
	if proof, err := s.proves(ctx, id, d, f); proof || err != nil {
		return "", err // who verifies an artifact has to read it
	}
	for _, sig := range []struct {
		wanted    bool
		kind, who string
	}{{rules.Cosign, artifact.SignatureCosign, "cosign"}, {rules.Notation, artifact.SignatureNotation, "notation"}} {
		if !sig.wanted {
			continue
		}
		if why, err := s.unsigned(ctx, repo, append([]oci.Digest{d}, f.Parents...), sig.kind, sig.who, rules.AnySigner); why != "" || err != nil {
			return why, err
		}
	}
	if rules.Threshold != nil {
		if why, err := s.vulnerable(ctx, repo, id, rules); why != "" || err != nil {
			return why, err
		}
	}
	if rules.SBOM && !f.SBOM {
		return s.unlisted(ctx, id, d, f)
	}
	return "", nil
}

// unlisted says why an artifact without an SBOM is not to be pulled.
func (s *Service) unlisted(ctx context.Context, id int64, d oci.Digest, f Facts) (string, error) {
	if id != 0 {
		if is, err := s.runnable(ctx, id, d, f.MediaType); !is || err != nil {
			return "", err
		}
	}
	return "The image has no SBOM, which its project wants before it is pulled.", nil
}

// unsigned says why an artifact does not count as signed. What an index contains is
// signed with it: the signature is of its digest, which is of theirs.
func (s *Service) unsigned(ctx context.Context, repo artifact.Repo, candidates []oci.Digest, kind, who string, anySigner bool) (string, error) {
	var first Signed
	for i, d := range candidates {
		got, err := s.Signatures.Signed(ctx, repo, d, kind)
		if err != nil {
			return "", fmt.Errorf("signatures of %s: %w", d, err)
		}
		if got.Verified || anySigner && got.Present {
			return "", nil
		}
		if i == 0 || got.Present && !first.Present {
			first = got
		}
	}
	switch {
	case !first.Present:
		return "The image is not signed by " + who + ".", nil
	case !first.Trusting:
		return fmt.Sprintf("The image is signed by %s, but project %s trusts nobody: its administrators say whom, or that any signer will do.", who, projectOf(repo)), nil
	}
	return fmt.Sprintf("The image is not signed by %s by anybody whom project %s trusts: %s.", who, projectOf(repo), first.Reason), nil
}

func projectOf(repo artifact.Repo) string {
	name, _ := oci.SplitRepository(repo.Name)
	return name
}

// vulnerable says why an artifact's vulnerabilities keep it from being pulled.
func (s *Service) vulnerable(ctx context.Context, repo artifact.Repo, id int64, rules project.GuardRules) (string, error) {
	got := Scanned{Examinable: true}
	if id != 0 {
		var err error
		if got, err = s.Reports.Scanned(ctx, repo, id, *rules.Threshold, s.runnable); err != nil {
			return "", fmt.Errorf("vulnerabilities: %w", err)
		}
	}
	switch {
	case got.Known && (got.Severe > 0 || got.Most > 0):
		return "The image has " + got.severe(*rules.Threshold) + ", which its project does not let be pulled.", nil
	case got.Known || !got.Examinable || rules.Unscanned:
		return "", nil
	case got.Pending:
		return "The image is being scanned for vulnerabilities; try again in a moment.", nil
	}
	return "The image was not scanned for vulnerabilities, which its project wants before it is pulled.", nil
}

// severe says what there is of a severity or worse.
func (s Scanned) severe(threshold finding.Severity) string {
	switch {
	case s.Part:
		return fmt.Sprintf("at least %d vulnerabilities of severity %s or worse", s.Severe, threshold)
	case s.Most > 0:
		return fmt.Sprintf("more than %d vulnerabilities of severity %s or worse, which is more than are held against the CVE allowlist", s.Most, threshold)
	case s.Severe == 1:
		return fmt.Sprintf("1 vulnerability of severity %s or worse, the worst of them %s", threshold, s.Worst)
	}
	return fmt.Sprintf("%d vulnerabilities of severity %s or worse, the worst of them %s", s.Severe, threshold, s.Worst)
}
