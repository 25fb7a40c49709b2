// Package scan has artifacts examined, and keeps what was found: vulnerabilities,
// and lists of what is installed. It promises that a report belongs to one
// artifact of one project, that an old one can be read until a new one is there as
// a whole, that one which found the same again writes nothing, and that what
// failed or was stopped says so. Who examines, and how, others say: it knows
// scanners as an interface.
package scan

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sbom"
)

// Faults of scans.
var (
	ErrNoScanner   = fault.New(fault.Precondition, "PRECONDITION", "the project has no scanner")
	ErrDisabled    = fault.New(fault.Precondition, "PRECONDITION", "the project's scanner is disabled")
	ErrUnsupported = fault.New(fault.Invalid, "BAD_REQUEST", "the project's scanner cannot examine the artifact")
	ErrRunning     = fault.New(fault.Conflict, "CONFLICT", "the artifact is being examined already; wait for its end, or stop it")
	ErrNone        = fault.New(fault.Invalid, "BAD_REQUEST", "the artifact was not examined so far")
	ErrNotFound    = fault.New(fault.NotFound, "NOT_FOUND", "there is no such report")
	ErrTooMany     = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "the scanner found too much")
)

// A Kind is what an artifact is examined for. Its name is stored, and told to
// clients.
type Kind string

// The kinds.
const (
	Vulnerabilities Kind = "vulnerability"
	SBOM            Kind = "sbom"
)

// work is the kind of the work that examines one artifact.
func (k Kind) work() job.Kind {
	if k == SBOM {
		return job.SBOM
	}
	return job.ImageScan
}

// A Scanner examines images. Its methods are called at the same time for several,
// and end soon after their context. What trying again does not mend is an error
// that job.Permanent has marked.
type Scanner interface {
	// Scan says which vulnerabilities an image has. What it does is told to log.
	Scan(ctx context.Context, s Subject, log Log) (finding.Report, error)
	// Again is Scan without reading any content, from what is known of the image by
	// now. Where too little is, it returns false.
	Again(ctx context.Context, s Subject, log Log) (r finding.Report, known bool, err error)
	// Generation is a number of what is known of vulnerabilities by now, which grows
	// with it; 0 where the scanner does not tell.
	Generation(ctx context.Context) (int64, error)
	// SBOM lists what an image has installed, as a document.
	SBOM(ctx context.Context, s Subject, f sbom.Format, log Log) ([]byte, error)
	// SBOMAgain is SBOM without reading any content, as it was found at a time. Where
	// too little is known of the image, it returns false.
	SBOMAgain(ctx context.Context, s Subject, f sbom.Format, made time.Time) (document []byte, known bool, err error)
}

// A Log takes a line for those who look at a scan.
type Log func(format string, args ...any)

// A Subject is an image to be examined: a manifest that is no index.
type Subject struct {
	artifact.Repo
	ID        int64
	Digest    oci.Digest
	MediaType string
	Tags      []string // the newest, a hundred at most
	Body      []byte   // the manifest
}

// A Registration is a scanner as the registry knows it.
type Registration struct {
	UUID     string
	Scanner  finding.Scanner
	Disabled bool

	// What it can do.
	Vulnerabilities, SBOM bool
	CycloneDX             bool // as the format of an SBOM, besides SPDX
}

func (r Registration) does(k Kind) bool {
	if k == SBOM {
		return r.SBOM
	}
	return r.Vulnerabilities
}

// makes reports whether it makes SBOMs of a format.
func (r Registration) makes(f sbom.Format) bool { return r.SBOM && (f == sbom.SPDX || r.CycloneDX) }

// Scanners knows the scanners.
type Scanners interface {
	// Of returns the one that examines what is in a project, or ErrNoScanner.
	Of(ctx context.Context, project int64) (Registration, error)
	// Default returns that of projects which have chosen none, or ErrNoScanner.
	Default(ctx context.Context) (Registration, error)
	// Open returns what examines for a registration.
	Open(ctx context.Context, r Registration) (Scanner, error)
}

// An Image is an artifact that may be examined.
type Image struct {
	ID        int64
	Digest    oci.Digest
	MediaType string // of the manifest
	Type      string // as artifact has it
	Accessory bool
	Body      []byte // nil for one that is too large to be that of an image
}

// Counts says how many vulnerabilities a report has of each severity, without
// those that are said to affect nothing.
type Counts struct {
	Critical, High, Medium, Low, Negligible, Unknown int64

	Fixable int64 // of all, those that a later version does not have
}

// Total is how many there are.
func (c Counts) Total() int64 {
	return c.Critical + c.High + c.Medium + c.Low + c.Negligible + c.Unknown
}

// Worst returns the worst severity, and whether there is any.
func (c Counts) Worst() (worst finding.Severity, found bool) {
	for s := finding.Unknown; s <= finding.Critical; s++ {
		if *c.of(s) > 0 {
			worst, found = s, true
		}
	}
	return worst, found
}

func (c *Counts) of(s finding.Severity) *int64 {
	switch s {
	case finding.Critical:
		return &c.Critical
	case finding.High:
		return &c.High
	case finding.Medium:
		return &c.Medium
	case finding.Low:
		return &c.Low
	case finding.Negligible:
		return &c.Negligible
	case finding.Unknown:
	}
	return &c.Unknown
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Critical + o.Critical, c.High + o.High, c.Medium + o.Medium, c.Low + o.Low, c.Negligible + o.Negligible, c.Unknown + o.Unknown, c.Fixable + o.Fixable}
}

// A Report is what is known of an artifact by one scanner. While the artifact is
// examined again, what was found before is there.
type Report struct {
	ID       int64
	UUID     string // which never changes
	Artifact int64
	Kind     Kind

	Status         job.Status // of the last examination
	Task           int64      // that does or did it; its log may be gone
	Started, Ended time.Time  // zero before

	Made    time.Time       // when the rest was found; zero: nothing was
	By      finding.Scanner // at that time
	Counts  Counts
	SBOM    oci.Digest // of the artifact that is the document
	Content string     // hash of what was found

	Generation int64 // of what the scanner knew when the report was last held against it, or a later one
}

// A Shown is a report of an artifact, or of a child of an index.
type Shown struct {
	Report
	Of int64 // the artifact or the index
}

// A Finding is a vulnerability with its key: the hash of what it says, but for the
// layers, and of its scanner.
type Finding struct {
	finding.Vulnerability
	Key    string
	Images []oci.Digest // in which it was found, where that was asked for
}

// A Result is what an examination came to.
type Result struct {
	Artifact       int64
	Scanner        string // its UUID
	Kind           Kind
	By             finding.Scanner
	Started, Ended time.Time
	Findings       []Finding // each key once
	Counts         Counts
	SBOM           oci.Digest
	Content        string
	Generation     int64 // that there was before the scanner was asked

	// Replaces is when the report was made that this one takes the place of, and of
	// no other, without an examination of its own; zero: of any that is no later.
	Replaces time.Time
}

// Overtaken reports whether a result must not take the place of a report: somebody
// has made another one meanwhile, or of vulnerabilities one that was begun later, and
// so knows of what happened in between.
func (r Result) Overtaken(by Report) bool {
	if !r.Replaces.IsZero() {
		return !r.Replaces.Equal(by.Made)
	}
	return r.Kind == Vulnerabilities && by.Status == job.Succeeded && by.Started.After(r.Started)
}

// A Store keeps reports. Each method is one transaction.
type Store interface {
	// Subject returns an artifact by its id, or artifact.ErrUnknown.
	Subject(ctx context.Context, id int64) (Subject, error)
	// Images returns an artifact, or up to n children of an index that are here. It
	// returns artifact.ErrUnknown.
	Images(ctx context.Context, id int64, n int) (all []Image, index bool, err error)
	// After returns up to n artifacts behind one of an id, by their ids, that may be
	// images.
	After(ctx context.Context, id int64, n int) ([]Image, error)

	// Ask notes that a task is to examine an artifact, unless a later one is, and makes
	// the report's row where there is none. It returns the report's UUID, which is empty
	// where the artifact is gone.
	Ask(ctx context.Context, id int64, scanner string, k Kind, task int64) (uuid string, err error)
	// Keep puts what was found in the place of what was found before, unless that has
	// overtaken it. It reports whether there is something else now, and returns
	// artifact.ErrUnknown where the artifact is gone.
	Keep(ctx context.Context, r Result, e *event.Event) (changed bool, err error)
	// Fail notes that an examination failed.
	Fail(ctx context.Context, r Result, e event.Event) error
	// Stopped records that one was stopped.
	Stopped(ctx context.Context, e event.Event) error

	// Reports returns those of some artifacts by a scanner, and of the children of
	// those that are indexes, by the ids of the former.
	Reports(ctx context.Context, scanner string, artifacts []int64) ([]Shown, error)
	// Found returns what some reports found, the worst first, each once. It returns
	// query.ErrTooMuch.
	Found(ctx context.Context, reports []int64) ([]Finding, error)
	// Outdated returns up to n reports of vulnerabilities by a scanner that were not
	// held against a generation, or a later one, yet: the furthest behind first.
	Outdated(ctx context.Context, scanner string, generation int64, n int) ([]Report, error)
	// Confirm notes that reports stay as they are with a generation. It leaves those
	// that were made anew meanwhile.
	Confirm(ctx context.Context, all []Report, generation int64) error
	// Judged returns an artifact, or up to n children of an index that are here, each
	// once, with its report of vulnerabilities by a scanner. It returns
	// artifact.ErrUnknown.
	Judged(ctx context.Context, scanner string, id int64, n int) ([]Judged, error)
	// Severe returns up to n of what a report found that is at least so severe, behind a
	// vulnerability, in their order.
	Severe(ctx context.Context, report int64, threshold finding.Severity, after int64, n int) ([]Severe, error)

	// Sweep looks at up to n vulnerabilities behind one of an id, and removes those that
	// no report has and none had since a time. It returns the last id, which is 0 at
	// the end.
	Sweep(ctx context.Context, id int64, n int, before time.Time) (last int64, err error)
	// Forget removes up to n reports of a scanner.
	Forget(ctx context.Context, scanner string, n int) (int, error)
}

// Content is where documents are kept; registry.Service is.
type Content interface {
	Put(ctx context.Context, repo artifact.Repo, mediaType string, content []byte) (oci.Descriptor, error)
	PushManifest(ctx context.Context, repo artifact.Repo, req registry.PushRequest) (registry.Pushed, error)
	DeleteArtifact(ctx context.Context, repo artifact.Repo, ref oci.Reference) error
}

// Artifacts finds artifacts; artifact.Store does.
type Artifacts interface {
	Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (artifact.Artifact, []byte, error)
}

// Projects knows what projects want.
type Projects interface {
	ByID(ctx context.Context, id int64) (project.Project, error)
}

// Config is what a Service is made of.
type Config struct {
	Store     Store
	Artifacts Artifacts
	Projects  Projects
	Content   Content
	Scanners  Scanners
	Jobs      *job.Service
}

// A Service is what the rest of the program asks about scans. It is safe for
// concurrent use.
type Service struct {
	Config

	swept int64 // the last vulnerability that Sweep has looked at
}

// New returns a service.
func New(c Config) *Service { return &Service{Config: c} }
