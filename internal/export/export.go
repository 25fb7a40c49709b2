// Package export writes what scanners found in a project to a table for other
// programs. It promises that a file is whole or not there, that nothing in it is
// taken for a formula, and that it is gone after it was downloaded, or after a
// week. Only who asked for one may have it; whether somebody may ask has been
// decided before.
package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of exports.
var (
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid export")
	ErrDenied   = fault.New(fault.Denied, "FORBIDDEN", "the export is somebody else's")
	ErrNoFile   = fault.New(fault.NotFound, "NOT_FOUND", "the export has no file: it is not ready, has failed, or the file is gone")
	ErrTooLarge = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "the file would be too large; narrow the filters")
)

// What an export is given.
const (
	Workers = 1
	Limit   = 30 * time.Minute
	Keep    = 10                 // executions of each person
	keptFor = 7 * 24 * time.Hour // files that nobody has downloaded

	maxFile    = 64 << 20 // bytes, before they are compressed
	maxFilter  = 2048     // bytes of each
	maxLabels  = 100
	maxGlobs   = 50
	atOnce     = 100
	SweepEvery = time.Hour
)

// An Order says what is to be exported: what meets all that is given.
type Order struct {
	Name         string  `json:"job_name"`
	Project      int64   `json:"project"`
	Labels       []int64 `json:"labels,omitempty"`       // one of which the artifact has
	Repositories string  `json:"repositories,omitempty"` // globs, with commas between them, without the project
	CVEs         string  `json:"cves,omitempty"`         // ids, with commas between them
	Tags         string  `json:"tags,omitempty"`         // globs, with commas between them
	User         string  `json:"user"`                   // who asked
}

func (o Order) check() error {
	for name, text := range map[string]string{"repositories": o.Repositories, "cveIds": o.CVEs, "tags": o.Tags} {
		switch {
		case strings.ContainsAny(text, " \t\n"):
			return ErrInvalid.With("%s: there must be no space in it", name)
		case len(text) > maxFilter || strings.Count(text, ",") >= maxGlobs:
			return ErrInvalid.With("%s: at most %d, of %d bytes together", name, maxGlobs, maxFilter)
		}
	}
	if len(o.Labels) > maxLabels {
		return ErrInvalid.With("labels: at most %d", maxLabels)
	}
	if len(o.Name) > maxFilter {
		return ErrInvalid.With("job_name: at most %d bytes", maxFilter)
	}
	for _, globs := range []string{o.Repositories, o.Tags} {
		for _, p := range patterns(globs) {
			if err := p.Check(); err != nil {
				return ErrInvalid.With("%v", err)
			}
		}
	}
	return nil
}

func patterns(globs string) (all []pattern.Pattern) {
	for glob := range strings.SplitSeq(globs, ",") {
		if glob != "" {
			all = append(all, pattern.Pattern{Glob: glob})
		}
	}
	return all
}

// A Report is one of those of a project.
type Report struct {
	ID         int64
	Repository string // full name
	Digest     oci.Digest
	By         finding.Scanner
	Tags       []string
	Labels     []int64
}

// A Store reads reports, and keeps files. Each method is one transaction.
type Store interface {
	// Reports returns up to n reports by a scanner in a project behind one of an id.
	Reports(ctx context.Context, project int64, scanner string, after int64, n int) ([]Report, error)
	// Findings returns what a report found.
	Findings(ctx context.Context, report int64) ([]finding.Vulnerability, error)

	// Keep keeps the file of an execution.
	Keep(ctx context.Context, execution int64, data []byte, now time.Time) error
	// Present says which executions have one.
	Present(ctx context.Context, executions []int64) (map[int64]bool, error)
	// Take returns the file of an execution and removes both, or returns ErrNoFile.
	Take(ctx context.Context, execution int64) ([]byte, error)
	// Sweep removes the files from before a time.
	Sweep(ctx context.Context, before time.Time) error
}

// A Service is what the rest of the program asks about exports.
type Service struct {
	store   Store
	jobs    *job.Service
	scanner func(ctx context.Context, project int64) (uuid string, err error)
}

// New returns a service over what the scanners of projects found, which scanner
// names.
func New(store Store, jobs *job.Service, scanner func(ctx context.Context, project int64) (uuid string, err error)) *Service {
	return &Service{store, jobs, scanner}
}

// An Execution is an export that somebody asked for.
type Execution struct {
	job.Execution
	Order
	File bool // is there
}

// owner is the number of who asks, which is of no other kind of caller.
func owner(c access.Caller) int64 {
	if c.Kind == access.Robot {
		return -c.ID - 1 // AnyOwner is -1, and no robot has the id 0
	}
	return c.ID
}

// Start has a file made for the caller, and returns the id of the execution. It
// returns ErrInvalid.
func (s *Service) Start(ctx context.Context, o Order) (int64, error) {
	if err := o.check(); err != nil {
		return 0, err
	}
	c := access.From(ctx)
	o.User = c.Actor().Name
	return s.jobs.Submit(ctx, job.Submission{Kind: job.ScanExport, OwnerID: owner(c), Trigger: job.Manual, Attrs: o, Tasks: []any{o}})
}

// kinds are those of the executions.
var kinds = []job.Kind{job.ScanExport}

// ByID returns an execution of the caller. It returns job.ErrNotFound, and
// ErrDenied.
func (s *Service) ByID(ctx context.Context, id int64) (Execution, error) {
	e, err := s.jobs.Execution(ctx, kinds, job.AnyOwner, id)
	if err == nil && e.OwnerID != owner(access.From(ctx)) {
		err = ErrDenied
	}
	if err != nil {
		return Execution{}, err
	}
	all, err := s.shown(ctx, []job.Execution{e})
	if err != nil {
		return Execution{}, err
	}
	return all[0], nil
}

// List returns the newest of the caller's.
func (s *Service) List(ctx context.Context) ([]Execution, error) {
	found, _, err := s.jobs.Executions(ctx, kinds, owner(access.From(ctx)), query.Query{Page: 1, Size: atOnce})
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, found)
}

func (s *Service) shown(ctx context.Context, found []job.Execution) ([]Execution, error) {
	ids := make([]int64, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	present, err := s.store.Present(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := make([]Execution, len(found))
	for i, e := range found {
		all[i] = Execution{Execution: e, File: present[e.ID]}
		if err := json.Unmarshal(e.Attrs, &all[i].Order); err != nil {
			return nil, fmt.Errorf("export %d: %w", e.ID, err)
		}
	}
	return all, nil
}

// Take returns the file of an execution of the caller, which is gone then, with
// the execution. It returns what ByID does, and ErrNoFile.
func (s *Service) Take(ctx context.Context, id int64) ([]byte, error) {
	if _, err := s.ByID(ctx, id); err != nil {
		return nil, err
	}
	data, err := s.store.Take(ctx, id)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("file of export %d: %w", id, err)
	}
	return io.ReadAll(io.LimitReader(r, maxFile))
}

// Sweep removes the files that nobody has downloaded.
func (s *Service) Sweep(ctx context.Context) error {
	return s.store.Sweep(ctx, time.Now().Add(-keptFor))
}

// Do is the work of job.ScanExport.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var o Order
	if err := r.Args(&o); err != nil {
		return err
	}
	var file bytes.Buffer
	rows, err := s.write(ctx, o, &file)
	if errors.Is(err, ErrTooLarge) || fault.OfKind(err, fault.Precondition) {
		return job.Permanent(err)
	}
	if err != nil {
		return err
	}
	r.Logf("%d rows, %d bytes compressed", rows, file.Len())
	return s.store.Keep(ctx, r.Task.ExecutionID, file.Bytes(), time.Now())
}

// header are the names of the columns.
var header = []string{"Repository", "Artifact Digest", "CVE", "Package", "Current Version", "Fixed in version", "Severity", "CWE Ids", "Additional Data", "Scanner"}

// write writes what an order is about, compressed, and says how many rows it has.
func (s *Service) write(ctx context.Context, o Order, to io.Writer) (rows int, err error) {
	scanner, err := s.scanner(ctx, o.Project)
	if err != nil {
		return 0, err
	}
	zip := gzip.NewWriter(to)
	out := &bounded{to: zip}
	table := csv.NewWriter(out)
	if err := table.Write(header); err != nil {
		return 0, err
	}
	for after := int64(0); ; {
		reports, err := s.store.Reports(ctx, o.Project, scanner, after, atOnce)
		if err != nil {
			return rows, err
		}
		for _, r := range reports {
			n, err := s.report(ctx, o, r, table)
			if err != nil {
				return rows, err
			}
			rows += n
		}
		if len(reports) < atOnce {
			break
		}
		after = reports[len(reports)-1].ID
	}
	table.Flush()
	return rows, errors.Join(table.Error(), zip.Close())
}

// report writes a report, if the order is about it.
func (s *Service) report(ctx context.Context, o Order, r Report, table *csv.Writer) (rows int, err error) {
	if !o.about(r) {
		return 0, nil
	}
	found, err := s.store.Findings(ctx, r.ID)
	if err != nil {
		return 0, err
	}
	cves := strings.FieldsFunc(o.CVEs, func(c rune) bool { return c == ',' })
	for _, v := range found {
		if len(cves) > 0 && !slices.Contains(cves, v.ID) {
			continue
		}
		if err := table.Write(rowOf(r, v)); err != nil {
			return rows, err
		}
		rows++
	}
	table.Flush()
	return rows, table.Error()
}

func (o Order) about(r Report) bool {
	_, name := oci.SplitRepository(r.Repository)
	repositories, tags := patterns(o.Repositories), patterns(o.Tags)
	switch {
	case len(repositories) > 0 && !slices.ContainsFunc(repositories, func(p pattern.Pattern) bool { return p.Matches(name) }):
		return false
	case len(o.Labels) > 0 && !slices.ContainsFunc(r.Labels, func(id int64) bool { return slices.Contains(o.Labels, id) }):
		return false
	case len(tags) == 0:
		return true
	}
	return slices.ContainsFunc(r.Tags, func(tag string) bool {
		return slices.ContainsFunc(tags, func(p pattern.Pattern) bool { return p.Matches(tag) })
	})
}

func rowOf(r Report, v finding.Vulnerability) []string {
	more := ""
	if len(v.Vendor) > 0 {
		if text, err := json.Marshal(v.Vendor); err == nil {
			more = string(text)
		}
	}
	row := []string{r.Repository, string(r.Digest), v.ID, v.Package, v.Version, v.Fixed, v.Severity.String(), strings.Join(v.CWEs, ","), more, strings.TrimSpace(r.By.Name + " " + r.By.Version)}
	for i := range row {
		row[i] = harmless(row[i])
	}
	return row
}

// formulas are the characters that begin a formula for some program that reads
// tables, those of full width among them, or are left out before one.
const formulas = "=+-@\t\r\n＝＋－＠"

// harmless returns a text that no program that reads tables takes for a formula.
func harmless(cell string) string {
	if first, _ := utf8.DecodeRuneInString(cell); cell != "" && strings.ContainsRune(formulas, first) {
		return "'" + cell
	}
	return cell
}

// bounded refuses more than maxFile bytes.
type bounded struct {
	to io.Writer
	n  int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.n += len(p); b.n > maxFile {
		return 0, ErrTooLarge
	}
	return b.to.Write(p)
}
