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
	"slices"

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
	Body      []byte       // the manifest
	SBOM      bool         // there is a list of what it holds: its own, or that of an index that contains it
	Parents   []oci.Digest // indexes of the repository that contain it, MaxParents at most
}

// A Store knows artifacts.
type Store interface {
	// Facts returns those of an artifact, or artifact.ErrUnknown.
	Facts(ctx context.Context, id int64) (Facts, error)
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
	Examinable bool // a scanner could look at it
	Known      bool // one has, at all of it
	Pending    bool // one is about to
	Count      int  // of those that are severe enough, and accepted nowhere
	Worst      finding.Severity
}

// Reports knows what scanners found.
type Reports interface {
	// Scanned counts what is as severe as a threshold or worse, and is not accepted.
	Scanned(ctx context.Context, repo artifact.Repo, id int64, threshold finding.Severity) (Scanned, error)
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

	rules *access.Memory[int64, project.GuardRules]
}

// mostRules bounds the projects whose rules are remembered.
const mostRules = 10_000

// New returns a service.
func New(c Config) *Service {
	return &Service{Config: c, rules: access.NewMemory[int64, project.GuardRules](c.Epoch, mostRules)}
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
	if proves(f) {
		return "", nil // who verifies an artifact has to read it
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
	if rules.SBOM && !f.SBOM && (id == 0 || oci.Runnable(f.MediaType, f.Body)) {
		return "The image has no SBOM, which its project wants before it is pulled.", nil
	}
	return "", nil
}

// proofs are the media types of what signatures and SBOMs hold. An accessory that
// holds anything else could be an image that only calls itself one of them.
var proofs = []string{
	"application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json", "application/jose+json", "application/cose",
	"application/spdx+json", "text/spdx", "application/vnd.cyclonedx+json", "application/vnd.cyclonedx+xml",
}

// proves reports whether an artifact is a signature or an SBOM, and nothing else.
func proves(f Facts) bool {
	switch f.Accessory {
	case artifact.SignatureCosign, artifact.SignatureNotation, artifact.AccessorySBOM, artifact.AccessoryOther:
	default:
		return false
	}
	_, layers, err := oci.Layers(f.Body)
	if err != nil || len(layers) == 0 {
		return false
	}
	for _, l := range layers {
		if !slices.Contains(proofs, l.MediaType) {
			return false
		}
	}
	return true
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
		if got, err = s.Reports.Scanned(ctx, repo, id, *rules.Threshold); err != nil {
			return "", fmt.Errorf("vulnerabilities: %w", err)
		}
	}
	switch {
	case got.Known && got.Count > 0:
		return fmt.Sprintf("The image has %s of severity %s or worse, the worst of them %s, which its project does not let be pulled.",
			count(got.Count), *rules.Threshold, got.Worst), nil
	case got.Known || !got.Examinable || rules.Unscanned:
		return "", nil
	case got.Pending:
		return "The image is being scanned for vulnerabilities; try again in a moment.", nil
	}
	return "The image was not scanned for vulnerabilities, which its project wants before it is pulled.", nil
}

func count(n int) string {
	if n == 1 {
		return "1 vulnerability"
	}
	return fmt.Sprintf("%d vulnerabilities", n)
}
