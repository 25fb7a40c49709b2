// Package sign verifies the signatures that are kept beside artifacts: those of
// cosign, by tag and by referrer, Sigstore's bundles, and the Notary Project's.
// What a project trusts is kept here too, and it is all that counts. Everything
// fails closed: what cannot be read, is too large, takes too long or makes a
// library panic is not verified, and says why. Nothing is asked of anybody
// outside, so neither logs nor lists of revoked certificates are looked at, and
// only content of the repository itself is read. Whether a pull is refused for
// want of a signature is for others to say.
package sign

import (
	"context"
	"runtime"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of what projects trust.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "trust entry not found")
	ErrExists   = fault.New(fault.Conflict, "CONFLICT", "the project has a trust entry of that name")
	ErrTooMany  = fault.New(fault.Invalid, "BAD_REQUEST", "the project has as many trust entries as it may")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid trust entry")
	ErrPrivate  = fault.New(fault.Invalid, "BAD_REQUEST", "that is a private key, which nobody else should have; it was not kept: give the public one")
)

// MaxEntries is how many trust entries a project may have: each signature may be
// held against all of them.
const MaxEntries = 20

// MaxSignatures is how many signatures of an artifact are looked at, the oldest
// first, so that nobody hides one behind others that come later.
const MaxSignatures = 50

// What is looked at, in bytes. Nothing is ever unpacked. Real ones have a few KiB;
// what is read of a hostile one may take a hundred times its size in memory.
const (
	maxManifest  = 1 << 20  // with the signatures of cosign in its annotations
	maxSigned    = 1 << 20  // what cosign signs, a bundle, or an envelope of the Notary Project
	maxTimestamp = 64 << 10 // what a clock says
)

// patience is for all signatures of an artifact together.
const patience = 10 * time.Second

// What is remembered, in bytes, and for how long. Certificates expire meanwhile,
// and a verdict may be as old as that.
const (
	maxVerdicts = 32 << 20
	maxTrusts   = 64 << 20
	memory      = time.Minute
)

// A Kind says what an entry trusts.
type Kind string

// The kinds of trust entries.
const (
	Key       Kind = "key"       // whoever holds a key
	Authority Kind = "authority" // people whose certificates are of authorities of one's own
	Keyless   Kind = "keyless"   // people whom Sigstore's authorities have seen sign in somewhere
	Notation  Kind = "notation"  // people with certificates, who sign as the Notary Project does
)

// An Identity is who may have signed.
type Identity struct {
	// Issuer is where they signed in, exactly. For Authority and Notation it is
	// empty, and of no matter.
	Issuer string
	// Subject is who they are. For Authority and Keyless it is the name of the
	// certificate, which is an address or a URL: * stands for any text without a
	// slash, ** for any text, and everything else for itself. For Notation it is a
	// distinguished name whose parts the certificate's must have, or * for anybody.
	Subject string
}

// An Entry is something that a project trusts. All of it is public.
type Entry struct {
	ID, ProjectID     int64
	Name, Description string
	Kind              Kind
	// Content is a public key in PEM, the certificates of authorities in PEM, a
	// trusted_root.json of Sigstore, or certificates in PEM of authorities or
	// signers, by the kind.
	Content string
	// Timestamps are certificates in PEM of authorities that say when something
	// was signed, for Authority and Notation; empty for none, and then a signature
	// counts as long as its certificate is good.
	Timestamps       string
	Identities       []Identity // one at least, but for Key, which has none
	Created, Updated time.Time
}

// A Trust is all that a project trusts. Its revision is another one after each
// change.
type Trust struct {
	Revision int64
	Entries  []Entry
}

// A Stored is an artifact that is kept as a signature of another one.
type Stored struct {
	Digest oci.Digest
	Type   string // artifact.SignatureCosign or artifact.SignatureNotation
}

// A Store keeps what projects trust. Each method is one transaction; each change
// also writes its event, and gives the project's trust its next revision. An
// entry of another project is as good as none: ErrNotFound.
type Store interface {
	// List returns a page of a project's entries, by their ids where the query
	// does not say otherwise, and how many there are on all pages.
	List(ctx context.Context, projectID int64, q query.Query) ([]Entry, int64, error)
	// ByID returns one.
	ByID(ctx context.Context, projectID, id int64) (Entry, error)
	// Create keeps a new entry and returns its id, or ErrExists or ErrTooMany.
	Create(ctx context.Context, e Entry, by event.Actor) (int64, error)
	// Update keeps an entry in place of that of its id, which stays of its kind. It
	// returns ErrExists.
	Update(ctx context.Context, e Entry, by event.Actor) error
	// Delete removes one.
	Delete(ctx context.Context, projectID, id int64, by event.Actor) error

	// Trust returns all that a project trusts, with its revision.
	Trust(ctx context.Context, projectID int64) (Trust, error)
	// Signatures returns the revision of a project's trust, and at most n artifacts
	// that are kept as signatures of one, in the order of their arrival. It is one
	// statement. An artifact that is not there has none.
	Signatures(ctx context.Context, repo artifact.Repo, d oci.Digest, n int) (revision int64, found []Stored, err error)
}

// Artifacts finds manifests; artifact.Store does.
type Artifacts interface {
	Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (artifact.Artifact, []byte, error)
}

// Open returns a blob that the repository may serve, which the caller closes, or
// a fault where it has none.
type Open func(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error)

// A Service is what the rest of the program asks about signatures. The caller of
// the context is who makes a change. It is safe for concurrent use.
type Service struct {
	store     Store
	artifacts Artifacts
	open      Open

	working  chan struct{}
	verdicts *otter.Cache[subject, Verdict]
	trusts   *otter.Cache[int64, trust]
}

// New returns a service over what is stored.
func New(store Store, artifacts Artifacts, open Open) *Service {
	return &Service{
		store: store, artifacts: artifacts, open: open,
		working: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
		verdicts: otter.Must(&otter.Options[subject, Verdict]{
			MaximumWeight: maxVerdicts, Weigher: func(_ subject, v Verdict) uint32 { return v.size() }, ExpiryCalculator: otter.ExpiryWriting[subject, Verdict](memory),
		}),
		trusts: otter.Must(&otter.Options[int64, trust]{MaximumWeight: maxTrusts, Weigher: func(_ int64, t trust) uint32 { return t.size() }}),
	}
}

// List returns a page of what a project trusts, and how many entries there are on
// all pages. It filters and sorts by id, name, kind, creation_time and
// update_time.
func (s *Service) List(ctx context.Context, projectID int64, q query.Query) ([]Entry, int64, error) {
	return s.store.List(ctx, projectID, q)
}

// ByID returns an entry, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, projectID, id int64) (Entry, error) {
	return s.store.ByID(ctx, projectID, id)
}

// Create lets a project trust something, and returns the entry's id. It returns
// ErrInvalid, ErrPrivate, ErrExists or ErrTooMany.
func (s *Service) Create(ctx context.Context, e Entry) (int64, error) {
	if err := e.check(); err != nil {
		return 0, err
	}
	e.Created = time.Now()
	e.Updated = e.Created
	return s.store.Create(ctx, e, access.From(ctx).Actor())
}

// Update changes an entry, but not its kind. It returns ErrNotFound, ErrInvalid,
// ErrPrivate or ErrExists.
func (s *Service) Update(ctx context.Context, e Entry) error {
	old, err := s.store.ByID(ctx, e.ProjectID, e.ID)
	if err != nil {
		return err
	}
	if e.Kind == "" {
		e.Kind = old.Kind
	}
	if e.Kind != old.Kind {
		return ErrInvalid.With("kind: it is %s and stays so; make another entry", old.Kind)
	}
	if err := e.check(); err != nil {
		return err
	}
	e.Updated = time.Now()
	return s.store.Update(ctx, e, access.From(ctx).Actor())
}

// Delete ends what a project trusts by an entry, or returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, projectID, id int64) error {
	return s.store.Delete(ctx, projectID, id, access.From(ctx).Actor())
}
