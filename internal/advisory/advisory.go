// Package advisory keeps what is known of vulnerabilities, brings it up to date,
// and says which of them are in an image. It promises that an update which fails,
// or is cut off at any moment, leaves what was there; that of a feed no single
// record can spoil the others; and that the same inventory and the same generation
// of the database give the same answer. How the database is kept is its Store's
// affair, what feeds look like that of feed and osv; who asks, and what is done
// with findings, is for others.
package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/osv"
)

// ArtifactType is that of an artifact whose one layer is what Export writes.
const ArtifactType = "application/vnd.berth.advisories.v1"

// Faults of advisories.
var (
	ErrNone    = fault.New(fault.Precondition, "NO_ADVISORIES", "there are no advisories yet: the database of vulnerabilities must be updated or imported first")
	ErrBusy    = fault.New(fault.Conflict, "CONFLICT", "the advisories are being updated already")
	ErrDamaged = fault.New(fault.Invalid, "BAD_REQUEST", "that is no whole database of advisories")
	ErrShrunk  = fault.New(fault.Invalid, "BAD_REQUEST", "so many advisories are gone at once that something must be wrong with the feed")
	ErrTooMany = fault.New(fault.TooLarge, "SIZE_EXCEEDED", "the advisories say more of a package than can be shown")
)

// Ecosystems are those whose advisories are kept where nobody says otherwise.
func Ecosystems() []string {
	return []string{
		"Debian", "Ubuntu", "Alpine", "Red Hat", "AlmaLinux", "Rocky Linux", "Wolfi", "Chainguard",
		"Go", "npm", "PyPI", "Maven", "crates.io", "NuGet", "Packagist", "RubyGems",
	}
}

// Sources besides ecosystems.
const (
	Exploited   = "exploited vulnerabilities" // CISA's list
	Likelihoods = "likelihoods of exploits"   // EPSS
)

// A Generation is a state of the database, which never changes. It is the time at
// which it was published, in microseconds; a later one is greater.
type Generation int64

// Published returns when that was.
func (g Generation) Published() time.Time { return time.UnixMicro(int64(g)).UTC() }

// A Source is an ecosystem, or a list, as it is kept.
type Source struct {
	Name      string
	Origin    string    // where it came from
	At        time.Time // when it last changed here
	Newest    time.Time // the time of the newest record; never in the future
	Records   int       // that hold
	Malicious bool      // those about packages that do harm by design are among them
	Mark      string    // hash of the file that all of it came from last
}

// An Entry is a record as a source has it.
type Entry struct {
	osv.Record // all that is affected is of the source

	Seen time.Time // the time of its last change, as the source lists it
	CVE  string    // the only one that it is about; empty: none, or several
}

// A Score is what one advisory says of how severe a CVE is.
type Score struct {
	Advisory string // its id
	Severity []osv.Severity
	CWEs     []string
}

// A CVE is what is known of one besides advisories about packages.
type CVE struct {
	Scores     []Score // by the ids of the advisories; not all where there are many
	Exploited  string  // the date since when it is known to be; empty: it is not
	Likelihood *feed.Likelihood
}

// A Store keeps the database, in generations.
type Store interface {
	// Open returns the newest generation, which the caller closes, or ErrNone. It is
	// cheap.
	Open(ctx context.Context) (Reader, error)
	// Next lets change work on a copy of the newest generation, or on an empty one
	// where there is none, and publishes the copy if it says so. It returns ErrBusy
	// while another one is made.
	Next(ctx context.Context, change func(Draft) (publish bool, err error)) (Generation, error)
	// Export writes the newest generation as one file. It returns ErrNone.
	Export(ctx context.Context, w io.Writer) error
	// Import publishes what Export wrote, after having looked at all of it. It
	// returns ErrDamaged and ErrBusy.
	Import(ctx context.Context, r io.Reader) (Generation, error)
	// Temp returns an empty file beside the database. It is gone when it is closed.
	Temp() (*os.File, error)

	// Note keeps outcomes in place of those of the same sources.
	Note(ctx context.Context, all []Outcome) error
	// Outcomes returns them all, by their sources.
	Outcomes(ctx context.Context) ([]Outcome, error)
}

// A Reader is a generation.
type Reader interface {
	Generation() Generation
	// Knows reports whether there is any record about an ecosystem, with its release.
	Knows(ctx context.Context, ecosystem string) (bool, error)
	// About returns the records about a package, by their ids, with what is affected
	// of it alone. The names are those of osv.Key and osv.Name.
	About(ctx context.Context, ecosystem, name string) ([]osv.Record, error)
	// CVEs returns what is known of those among ids of which something is.
	CVEs(ctx context.Context, ids []string) (map[string]CVE, error)
	// Sources returns all, by their names.
	Sources(ctx context.Context) ([]Source, error)
	// Seen returns the times of the entries of a source that are there among ids.
	Seen(ctx context.Context, source string, ids []string) (map[string]time.Time, error)
	// IDs tells of all entries of a source.
	IDs(ctx context.Context, source string, see func(id string)) error
	Close() error
}

// A Draft is a generation that is being made.
type Draft interface {
	// Within lets fn write, in one transaction: of one that fails nothing stays.
	Within(ctx context.Context, fn func(Writer) error) error
}

// A Writer changes a draft.
type Writer interface {
	// Clear removes all of a source.
	Clear(source string) error
	// Put keeps an entry, and reports whether it did: not where there is one of its
	// id. A withdrawn one is only known to be there.
	Put(source string, e Entry) (bool, error)
	// Forget removes entries.
	Forget(source string, ids []string) error
	// Exploit notes since when a CVE is known to be exploited.
	Exploit(cve, since string) error
	// Likely notes how likely a CVE is to be exploited.
	Likely(l feed.Likelihood) error
	// Note keeps what is said of a source, and counts its records.
	Note(s Source) error
}

// A Service is what the rest of the program asks about advisories.
type Service struct {
	store Store
	now   func() time.Time
	busy  sync.Mutex // held while a generation is made
	rows  *otter.Cache[key, []row]
}

// maxRemembered is how many bytes of rows are remembered, as far as they are
// counted.
const maxRemembered = 64 << 20

// New returns a service.
func New(store Store) (*Service, error) {
	rows, err := otter.New(&otter.Options[key, []row]{
		MaximumWeight: maxRemembered,
		Weigher:       func(k key, all []row) uint32 { return k.weight(all) },
	})
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	return &Service{store: store, now: time.Now, rows: rows}, nil
}

// A Status says what there is. The zero Generation is that of no database.
type Status struct {
	Generation Generation
	Sources    []SourceStatus // by their names
}

// A SourceStatus is a source, and what its last update came to.
type SourceStatus struct {
	Source
	Outcome Outcome // zero: there was none
}

// Generation returns the newest one there is, or 0. It reads no row.
func (s *Service) Generation(ctx context.Context) (Generation, error) {
	r, err := s.store.Open(ctx)
	if errors.Is(err, ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return r.Generation(), r.Close()
}

// Status says what there is.
func (s *Service) Status(ctx context.Context) (Status, error) {
	var st Status
	outcomes, err := s.outcomes(ctx)
	if err != nil {
		return st, err
	}
	r, err := s.store.Open(ctx)
	switch {
	case err == nil:
		defer r.Close()
		st.Generation = r.Generation()
		sources, err := r.Sources(ctx)
		if err != nil {
			return st, err
		}
		for _, source := range sources {
			st.Sources = append(st.Sources, SourceStatus{source, outcomes[source.Name]})
			delete(outcomes, source.Name)
		}
	case !errors.Is(err, ErrNone):
		return st, err
	}
	for _, o := range outcomes { // of sources of which there is nothing
		st.Sources = append(st.Sources, SourceStatus{Source{Name: o.Source}, o})
	}
	sortBy(st.Sources, func(s SourceStatus) string { return s.Name })
	return st, nil
}

func (s *Service) outcomes(ctx context.Context) (map[string]Outcome, error) {
	all, err := s.store.Outcomes(ctx)
	by := make(map[string]Outcome, len(all))
	for _, o := range all {
		by[o.Source] = o
	}
	return by, err
}

// Export writes the database as one file, packed with zstd. It returns ErrNone.
func (s *Service) Export(ctx context.Context, w io.Writer) error { return s.store.Export(ctx, w) }

// Import takes a database that Export wrote, in place of all that is here, after
// having looked at all of it. It returns ErrDamaged and ErrBusy.
func (s *Service) Import(ctx context.Context, r io.Reader) (Generation, error) {
	if !s.busy.TryLock() {
		return 0, ErrBusy
	}
	defer s.busy.Unlock()
	g, err := s.store.Import(ctx, r)
	if err != nil {
		return g, err
	}
	return g, s.forget(context.WithoutCancel(ctx))
}

// forget has every source compared with all that its origin lists the next time:
// what was compared before was another database.
func (s *Service) forget(ctx context.Context) error {
	all, err := s.store.Outcomes(ctx)
	for i := range all {
		all[i] = Outcome{Source: all[i].Source, At: s.now()}
	}
	return errors.Join(err, s.store.Note(ctx, all))
}
