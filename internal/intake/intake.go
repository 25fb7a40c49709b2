// Package intake brings advisories up to date from where whoever runs the server
// says that they come from, or from a file, and then has what was found in images
// looked at again. It promises that one update runs at a time, whatever asks for it,
// that its log says what each source came to, and that no generation of the database
// goes by unnoticed: one that a crash or another process left is looked at later. How
// advisories are kept is advisory's affair, and what is found in images scan's.
package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/outbound"
)

// Faults of updates.
var (
	ErrOff    = fault.New(fault.Precondition, "PRECONDITION", "updates of the advisories are turned off: nothing says where they come from (advisories.source); import a file instead")
	ErrFailed = fault.New(fault.Unavailable, "UNAVAILABLE", "none of the sources of advisories could be brought up to date")
)

const (
	// NoticeEvery is how often a generation is looked for that reports do not know.
	NoticeEvery = 30 * time.Second

	Attempts = 3
	Limit    = 6 * time.Hour // of one run
	Keep     = 30            // executions

	keptEvery = 5 * time.Second // what an update has come to so far
)

// Sources are where advisories come from.
type Sources struct {
	Source     string   // URL or folder of the layout of OSV, or "oci:" and an Address; empty: none
	Ecosystems []string // of Source; none: those of advisory.Ecosystems
	Malicious  bool     // also records of packages that do harm by design
	KEV, EPSS  string   // URL or file of each list; empty: none
	Publish    string   // the Address where each generation is pushed; empty: nowhere
}

// A Store keeps what was done. Each method is one transaction.
type Store interface {
	// Evaluated returns the generation that all reports know, or 0.
	Evaluated(ctx context.Context) (advisory.Generation, error)
	// NoteEvaluated keeps it.
	NoteEvaluated(ctx context.Context, g advisory.Generation) error

	// Arrived returns the artifact that was imported last.
	Arrived(ctx context.Context) (Arrival, error)
	// NoteArrived keeps it.
	NoteArrived(ctx context.Context, a Arrival) error
	// Published returns the artifact that was pushed last.
	Published(ctx context.Context) (Arrival, error)
	// NotePublished keeps it.
	NotePublished(ctx context.Context, a Arrival) error
}

// Config is what a Service is made of.
type Config struct {
	Store      Store
	Advisories *advisory.Service
	Temp       func() (*os.File, error) // an empty file that is gone when it is closed
	Sources    Sources
	Jobs       *job.Service // nil where nothing is to be started
	Registry   *Registry    // nil where nothing is read from it, or pushed

	// Reevaluate has the reports of the built-in scanner looked at again that do not
	// know the newest generation, until none is left, and says how many came out
	// otherwise. Called again where it was cut off, it goes on there.
	Reevaluate func(ctx context.Context) (changed int, err error)
}

// A Service is what the rest of the program asks about updates. It is safe for
// concurrent use. Its owner closes it.
type Service struct {
	Config

	out *outbound.Client
}

// New returns a service, which connects to what administrators may.
func New(c Config) *Service {
	return &Service{c, outbound.New(outbound.ForSystem(), outbound.Limits{Whole: outbound.Unlimited})}
}

// Close closes connections that wait.
func (s *Service) Close() { s.out.Close() }

// An order is what a task is told.
type order struct {
	Evaluate bool `json:"evaluate,omitempty"` // without an update
}

// Start has an update made now, and returns the id of the execution. It returns
// ErrOff, and job.ErrRunning.
func (s *Service) Start(ctx context.Context) (int64, error) {
	if s.Sources.Off() {
		return 0, ErrOff
	}
	return s.Jobs.Submit(ctx, submission(job.Manual, order{}))
}

// Due says what the schedule starts.
func (s *Service) Due(context.Context, job.Schedule) (job.Submission, error) {
	return submission(job.BySchedule, order{}), nil
}

func submission(t job.Trigger, o order) job.Submission {
	return job.Submission{Kind: job.Advisories, Trigger: t, Tasks: []any{o}, Alone: true}
}

// Notice starts what nobody else starts: an update, where another artifact of
// advisories has arrived; and having reports looked at again, where there is a
// generation that they do not know, since another process may have brought it. It
// does so once for each; a later update does it where it fails.
func (s *Service) Notice(ctx context.Context) error {
	if a, ok := s.Sources.artifact(); ok && s.Registry != nil {
		d, fresh, err := s.arrived(ctx, a)
		if fresh && err == nil {
			return s.submit(ctx, order{}, "artifact "+string(d))
		}
		if err != nil && !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	g, known, err := s.news(ctx)
	if err != nil || known {
		return err
	}
	return s.submit(ctx, order{Evaluate: true}, fmt.Sprintf("generation %d", g))
}

func (s *Service) submit(ctx context.Context, o order, cause string) error {
	sub := submission(job.ByEvent, o)
	sub.Cause = cause
	_, err := s.Jobs.Submit(ctx, sub)
	if fault.OfKind(err, fault.Conflict) {
		return nil // what runs does it, or the next time
	}
	return err
}

// news returns the newest generation, and whether reports know it.
func (s *Service) news(ctx context.Context) (g advisory.Generation, known bool, err error) {
	if g, err = s.Advisories.Generation(ctx); err != nil || g == 0 {
		return g, err == nil, err
	}
	last, err := s.Store.Evaluated(ctx)
	return g, err == nil && last == g, err
}
