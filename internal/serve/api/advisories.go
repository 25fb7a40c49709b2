package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/intake"
	"github.com/berth-registry/berth/internal/job"
)

// advisories answers for the database of advisories. Harbor has nothing like it.
type advisories struct {
	advisories *advisory.Service
	intake     *intake.Service
	jobs       *job.Service
}

// errImport is of a body that is no file.
var errImport = fault.New(fault.Invalid, "BAD_REQUEST", "the body must be an export, or an archive (tar, zip) of advisories")

type advisorySource struct {
	Name      string  `json:"name"`
	Origin    string  `json:"origin,omitempty" doc:"where it came from"`
	Records   int     `json:"records"`
	Malicious bool    `json:"malicious" doc:"whether records of packages that do harm by design are among them"`
	Changed   *moment `json:"changed_time,omitempty" doc:"when it last changed here"`
	Newest    *moment `json:"newest_time,omitempty" doc:"the time of the newest record"`

	Updated *moment  `json:"update_time,omitempty" doc:"when it was last tried to bring it up to date"`
	Error   string   `json:"error,omitempty" doc:"why it stayed as it was then"`
	Taken   int      `json:"update_records" doc:"records that were taken or removed then"`
	Skipped int      `json:"update_skipped" doc:"records that could not be read then"`
	Notes   []string `json:"update_notes,omitempty" doc:"why, of the first of them"`
}

type advisoryStatus struct {
	Generation int64            `json:"generation" doc:"0 where there are no advisories yet"`
	Published  *moment          `json:"generation_time,omitempty"`
	Source     string           `json:"source" doc:"where updates come from; empty: they are turned off"`
	Publish    string           `json:"publish,omitempty" doc:"where each generation is pushed as an artifact"`
	Sources    []advisorySource `json:"sources"`
}

type advisoryStatusAnswer struct {
	Body advisoryStatus `nameHint:"AdvisoryStatus"`
}

func (s advisories) status(ctx context.Context, _ *struct{}) (*advisoryStatusAnswer, error) {
	st, err := s.advisories.Status(ctx)
	if err != nil {
		return nil, err
	}
	out := advisoryStatus{Generation: int64(st.Generation), Source: s.intake.Sources.Source, Publish: s.intake.Sources.Publish, Sources: all(st.Sources, asSource)}
	if st.Generation != 0 {
		out.Published = perhaps(st.Generation.Published())
	}
	return &advisoryStatusAnswer{out}, nil
}

func asSource(s advisory.SourceStatus) advisorySource {
	return advisorySource{
		Name: s.Name, Origin: s.Origin, Records: s.Records, Malicious: s.Malicious, Changed: perhaps(s.At), Newest: perhaps(s.Newest),
		Updated: perhaps(s.Outcome.At), Error: s.Outcome.Error, Taken: s.Outcome.Changed, Skipped: s.Outcome.Skipped, Notes: s.Outcome.Notes,
	}
}

const inUpdates = "/system/advisories/update"

func (s advisories) start(ctx context.Context, _ *struct{}) (*created, error) {
	id, err := s.intake.Start(ctx)
	if err != nil {
		return nil, err
	}
	return &created{at(inUpdates+"/%d", id)}, nil
}

type setAdvisories struct {
	Body struct {
		Schedule *scheduleBody `json:"schedule"`
	} `nameHint:"AdvisorySchedule"`
}

// schedule sets the times of updates. What is done now is no schedule.
func (s advisories) schedule(ctx context.Context, in *setAdvisories) (*nothing, error) {
	at := in.Body.Schedule
	switch {
	case at == nil || at.Type == "":
		return nil, errSystemJob.With("schedule: it must have a type")
	case at.Type == never:
		return nil, s.jobs.Unschedule(ctx, job.Advisories, 0)
	case at.Type == manually:
		return nil, errSystemJob.With("schedule: what is done now is no schedule; use POST %s", inUpdates)
	case s.intake.Sources.Off():
		return nil, intake.ErrOff
	}
	cron := at.Cron
	if cron == "" {
		cron = crons[at.Type]
	}
	_, err := s.jobs.Schedule(ctx, job.Schedule{Kind: job.Advisories, Type: at.Type, Cron: cron, Attrs: []byte("{}")})
	return nil, err
}

// streamed is a request whose body is read while it arrives.
type streamed struct {
	body io.Reader
}

// Resolve keeps the body.
func (s *streamed) Resolve(c huma.Context) []error {
	r, _ := humago.Unwrap(c)
	s.body = r.Body
	return nil
}

func (*streamed) takes() string { return "application/octet-stream" }

type imported struct {
	Body struct {
		Generation int64            `json:"generation"`
		Sources    []advisorySource `json:"sources" doc:"what became of each source of an archive; none of an export, which replaces all"`
	} `nameHint:"AdvisoryImport"`
}

func (*imported) status() int { return http.StatusOK }

func (s advisories) take(ctx context.Context, in *streamed) (*imported, error) {
	if in.body == nil || in.body == http.NoBody {
		return nil, errImport
	}
	r, err := s.intake.Import(ctx, "an archive that was sent", in.body, nil)
	if err != nil {
		return nil, err
	}
	out := &imported{}
	out.Body.Generation = int64(r.Generation)
	out.Body.Sources = all(r.Outcomes, func(o advisory.Outcome) advisorySource {
		return asSource(advisory.SourceStatus{Source: advisory.Source{Name: o.Source}, Outcome: o})
	})
	return out, nil
}

// An advisoryFile is sent while it is packed.
type advisoryFile struct {
	Type        string `header:"Content-Type" hidden:"true"`
	Disposition string `header:"Content-Disposition"`
	Body        func(huma.Context)
}

func (*advisoryFile) media() string { return "application/zstd" }

// give sends all there is as one file. Where that breaks off, so does the connection:
// half a file must not look like one.
func (s advisories) give(ctx context.Context, _ *struct{}) (*advisoryFile, error) {
	g, err := s.advisories.Generation(ctx)
	if err != nil {
		return nil, err
	}
	if g == 0 {
		return nil, advisory.ErrNone
	}
	return &advisoryFile{"application/zstd", "attachment; filename=advisories.zst", func(c huma.Context) {
		if err := s.advisories.Export(ctx, c.BodyWriter()); err != nil {
			panic(http.ErrAbortHandler)
		}
	}}, nil
}
