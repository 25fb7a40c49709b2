package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/export"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
)

// exports answers for tables of what was found in a project.
type exports struct{ exports *export.Service }

// Faults of what is asked for.
var (
	errDataType  = fault.New(fault.Invalid, "BAD_REQUEST", "X-Scan-Data-Type must be "+finding.MediaTypeReport)
	errOneExport = fault.New(fault.Invalid, "BAD_REQUEST", "bad request: only support export single project")
)

type startExport struct {
	Type string `header:"X-Scan-Data-Type" required:"true" maxLength:"255" doc:"application/vnd.security.vulnerability.report; version=1.1"`
	Body struct {
		Name         string  `json:"job_name" maxLength:"2048"`
		Projects     []int64 `json:"projects" doc:"the id of one project"`
		Labels       []int64 `json:"labels" doc:"ids, one of which artifacts are to have"`
		Repositories string  `json:"repositories" maxLength:"2048" doc:"globs, with commas between them, without the project"`
		CVEs         string  `json:"cveIds" maxLength:"2048" doc:"with commas between them"`
		Tags         string  `json:"tags" maxLength:"2048" doc:"globs, with commas between them"`
	} `nameHint:"ScanDataExportRequest"`
}

func (s exports) needToStart(_ context.Context, in *startExport) (access.Need, where, error) {
	need := access.OfProject("export-cve", "create")
	if len(in.Body.Projects) != 1 {
		return need, where{}, errOneExport
	}
	return need, where{project: strconv.FormatInt(in.Body.Projects[0], 10)}, nil
}

type exportJob struct {
	Body struct {
		ID int64 `json:"id"`
	} `nameHint:"ScanDataExportJob"`
}

func (*exportJob) status() int { return http.StatusOK }

func (s exports) start(ctx context.Context, in *startExport) (*exportJob, error) {
	if in.Type != finding.MediaTypeReport {
		return nil, errDataType
	}
	b := in.Body
	id, err := s.exports.Start(ctx, export.Order{Name: b.Name, Project: b.Projects[0], Labels: b.Labels, Repositories: b.Repositories, CVEs: b.CVEs, Tags: b.Tags})
	if err != nil {
		return nil, err
	}
	out := &exportJob{}
	out.Body.ID = id
	return out, nil
}

type exportExecution struct {
	ID      int64   `json:"id"`
	UserID  int64   `json:"user_id"`
	User    string  `json:"user_name"`
	Status  string  `json:"status"`
	Message string  `json:"status_text"`
	Trigger string  `json:"trigger"`
	Started moment  `json:"start_time"`
	Ended   *moment `json:"end_time,omitempty"`
	File    bool    `json:"file_present"`
}

func asExport(e export.Execution) exportExecution {
	return exportExecution{e.ID, e.OwnerID, e.User, string(e.Status), e.Message, string(e.Trigger), moment(e.Started), perhaps(e.Ended), e.File}
}

type getExport struct {
	ID int64 `path:"execution_id"`
}

type exportAnswer struct {
	Body exportExecution `nameHint:"ScanDataExportExecution"`
}

// ofExport is the right to read what was found in the project that an export is of.
// Only who asked for the export has it.
func ofExport[I any](s exports, id func(*I) int64) rule[I] {
	right := access.OfProject("export-cve", "read").String() + " that it is of, and to have asked for it"
	return by(right, func(ctx context.Context, in *I) (access.Need, where, error) {
		e, err := s.exports.ByID(ctx, id(in))
		return access.OfProject("export-cve", "read"), where{project: strconv.FormatInt(e.Project, 10)}, err
	})
}

func (in *getExport) id() int64      { return in.ID }
func (in *downloadExport) id() int64 { return in.ID }

func (s exports) get(ctx context.Context, in *getExport) (*exportAnswer, error) {
	e, err := s.exports.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &exportAnswer{asExport(e)}, nil
}

type exportList struct {
	Body struct {
		Items []exportExecution `json:"items"`
	} `nameHint:"ScanDataExportExecutionList"`
}

func (s exports) list(ctx context.Context, _ *struct{}) (*exportList, error) {
	found, err := s.exports.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &exportList{}
	out.Body.Items = all(found, asExport)
	return out, nil
}

type downloadExport struct {
	ID     int64  `path:"execution_id"`
	Format string `query:"format" maxLength:"16" doc:"not looked at: there is one format"`
}

// csvFile is a table that a browser is to keep.
type csvFile struct {
	Type        string `header:"Content-Type" hidden:"true"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (*csvFile) media() string { return "text/csv" }

func (s exports) download(ctx context.Context, in *downloadExport) (*csvFile, error) {
	data, err := s.exports.Take(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &csvFile{"text/csv; charset=utf-8", fmt.Sprintf("attachment; filename=scandata_export_%d.csv", in.ID), data}, nil
}
