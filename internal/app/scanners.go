package app

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/adapter"
	"github.com/berth-registry/berth/internal/allowlist"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/policy"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/token"
)

// scanners is scan.Scanners: those that are registered.
type scanners struct {
	registered *scanner.Service
	builtin    *scan.Builtin
	external   func(scanner.Registration) *scan.External
}

// Of implements scan.Scanners.
func (s scanners) Of(ctx context.Context, project int64) (scan.Registration, error) {
	r, err := s.registered.OfProject(ctx, project)
	if errors.Is(err, scanner.ErrNotFound) {
		err = scan.ErrNoScanner
	}
	return scan.Registration{
		UUID: r.ID, Scanner: r.Metadata.Scanner, Disabled: r.Disabled,
		Vulnerabilities: r.Metadata.Does(adapter.Vulnerabilities), SBOM: r.Metadata.Does(adapter.SBOM), CycloneDX: r.Builtin(),
	}, err
}

// Default implements scan.Scanners: a project that there is none of has chosen
// nothing.
func (s scanners) Default(ctx context.Context) (scan.Registration, error) { return s.Of(ctx, 0) }

// Open implements scan.Scanners.
func (s scanners) Open(ctx context.Context, r scan.Registration) (scan.Scanner, error) {
	if r.UUID == scanner.BuiltinID {
		return s.builtin, nil
	}
	registered, err := s.registered.ByID(ctx, r.UUID)
	if err != nil {
		return nil, err
	}
	return s.external(registered), nil
}

// wireScanning makes what looks into artifacts, and what decides by it.
func (a *App) wireScanning(artifacts *sqlstore.Artifacts, tokens *token.Service) (err error) {
	if a.advisoryDB, a.advisories, err = openAdvisories(a.cfg); err != nil {
		return err
	}
	a.facts = sqlstore.NewScans(a.db)
	builtin := &scan.Builtin{
		Kept: a.facts, Library: artifacts, Open: a.openBlob, Indexes: a.facts.Indexes, Advisories: a.advisories,
		Believed: a.believes, Self: scanner.Self(a.cfg.Version.Number),
	}
	a.scans = scan.New(scan.Config{
		Store: a.facts, Artifacts: artifacts, Projects: a.projects, Content: a.content, Scanners: scanners{a.scanners, builtin, a.external(tokens)}, Jobs: a.jobs,
	})
	a.exports = export.New(sqlstore.NewExports(a.db), a.jobs, a.scans.ScannerOf)
	a.signatures, a.allowlists = sign.New(sqlstore.NewTrust(a.db), artifacts, a.openBlob), allowlist.New(sqlstore.NewAllowlists(a.db))
	a.policy = policy.New(policy.Config{
		Store: sqlstore.NewPolicies(a.db), Projects: a.projects, Signatures: signatures{a.signatures}, Reports: reports{a.scans, a.scanners, a.allowlists},
		Epoch: a.epoch, Log: a.cfg.Log,
	})
	return nil
}

// believes reports whether a project believes what an artifact of it says of an image.
func (a *App) believes(ctx context.Context, repo artifact.Repo, d oci.Digest) (bool, error) {
	p, err := a.projects.ByID(ctx, repo.ProjectID)
	if err != nil || p.Metadata[project.MetaSignedVEX] != "true" {
		return err == nil, err
	}
	v, err := a.signatures.Verdict(ctx, repo, d)
	if errors.Is(err, artifact.ErrUnknown) || errors.Is(err, artifact.ErrRepositoryUnknown) {
		err = nil // it was deleted
	}
	return v.Verified(), err
}

// pullGate is registry.PullGate: the policy, which is made of what needs the
// registry.
type pullGate struct{ *App }

// CheckPull implements registry.PullGate.
func (g pullGate) CheckPull(ctx context.Context, repo artifact.Repo, id int64, d oci.Digest, by registry.Puller) (string, error) {
	return g.policy.CheckPull(ctx, repo, id, d, by)
}

// forgetFacts is how many facts of layers are removed in one step that an earlier
// version of the program has read.
const forgetFacts = 100

// sweepFacts removes some that are of no use any more.
func sweepFacts(s *sqlstore.Scans) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.SweepFacts(ctx, inventory.Version, forgetFacts)
		return err
	}
}

// signatures is policy.Signatures.
type signatures struct{ *sign.Service }

// Signed implements policy.Signatures.
func (s signatures) Signed(ctx context.Context, repo artifact.Repo, d oci.Digest, kind string) (policy.Signed, error) {
	v, err := s.Verdict(ctx, repo, d)
	if errors.Is(err, artifact.ErrUnknown) || errors.Is(err, artifact.ErrRepositoryUnknown) {
		err = nil // what is not here has no signature
	}
	got := policy.Signed{Trusting: v.Trusting, Verified: v.VerifiedAs(kind)}
	for _, one := range v.Signatures {
		if one.Type != kind {
			continue
		}
		if got.Present = true; got.Reason == "" {
			got.Reason = one.Reason
		}
	}
	return got, err
}

// reports is policy.Reports.
type reports struct {
	scans      *scan.Service
	scanners   *scanner.Service
	allowlists *allowlist.Service
}

// Scanned implements policy.Reports.
func (r reports) Scanned(ctx context.Context, repo artifact.Repo, id int64, threshold finding.Severity, could policy.Runnable) (policy.Scanned, error) {
	by, err := r.scanners.ChosenBy(ctx, repo.ProjectID)
	if err != nil && !errors.Is(err, scanner.ErrNotFound) {
		return policy.Scanned{}, err
	}
	st, err := r.scans.Standing(ctx, by, id, threshold, func(ctx context.Context, i scan.Image) (bool, error) { return could(ctx, i.ID, i.Digest, i.MediaType) })
	got := policy.Scanned{Examinable: st.Examinable, Known: st.Known, Pending: st.Pending, Severe: st.Severe.Count, Worst: st.Severe.Worst}
	if err != nil || !st.Known || got.Severe == 0 {
		return got, err
	}
	accepted, err := r.allowlists.Effective(ctx, repo.ProjectID)
	if err != nil || len(accepted) == 0 {
		return got, err
	}
	t, err := r.scans.Unaccepted(ctx, st.Reports, threshold, accepted.Has)
	got.Severe, got.Worst, got.Part = t.Count, t.Worst, t.Part
	if t.Over {
		got.Most = scan.MostUnaccepted
	}
	return got, err
}
