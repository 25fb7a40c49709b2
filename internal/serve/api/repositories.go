package api

import (
	"context"
	"html"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
)

// repositories answers for repositories, of one project and of all.
type repositories struct {
	catalog artifact.Catalog
	content *registry.Service
}

type repositoryBody struct {
	ID            int64  `json:"id"`
	ProjectID     int64  `json:"project_id"`
	Name          string `json:"name" doc:"with the project"`
	Description   string `json:"description" doc:"text in which HTML is escaped, as clients show it as Markdown"`
	ArtifactCount int64  `json:"artifact_count"`
	PullCount     int64  `json:"pull_count"`
	Created       moment `json:"creation_time"`
	Updated       moment `json:"update_time"`
}

func asRepository(r artifact.Repository) repositoryBody {
	// What a client was shown it sends back, and that is not to be escaped twice.
	description := html.EscapeString(html.UnescapeString(r.Description))
	return repositoryBody{r.ID, r.ProjectID, r.Name, description, r.ArtifactCount, r.PullCount, moment(r.Created), moment(r.Updated)}
}

// scope says of which projects a caller sees the repositories in lists.
func scope(c access.Caller) artifact.Scope {
	v := project.VisibleTo(c)
	return artifact.Scope{All: v.All, UserID: v.UserID, Names: v.Names}
}

type listAllRepositories struct {
	Filtering
	Paging
}

func (r repositories) listAll(ctx context.Context, in *listAllRepositories) (*list[repositoryBody], error) {
	return r.page(ctx, scope(access.From(ctx)), in.Filtering, in.Paging)
}

type listRepositories struct {
	InNamedProject
	Filtering
	Paging
}

func (r repositories) list(ctx context.Context, in *listRepositories) (*list[repositoryBody], error) {
	return r.page(ctx, artifact.Scope{ProjectID: in.project.ID}, in.Filtering, in.Paging)
}

func (r repositories) page(ctx context.Context, s artifact.Scope, f Filtering, p Paging) (*list[repositoryBody], error) {
	q, err := ask(f, p)
	if err != nil {
		return nil, err
	}
	found, total, err := r.catalog.Repositories(ctx, s, q)
	if err != nil {
		return nil, err
	}
	return page(p, found, total, asRepository), nil
}

type getRepository struct{ InRepository }

type repositoryAnswer struct {
	Body repositoryBody `nameHint:"Repository"`
}

func (r repositories) get(ctx context.Context, in *getRepository) (*repositoryAnswer, error) {
	repo, err := in.repo()
	if err != nil {
		return nil, err
	}
	found, err := r.catalog.Repository(ctx, repo)
	if err != nil {
		return nil, err
	}
	return &repositoryAnswer{asRepository(found)}, nil
}

type updateRepository struct {
	InRepository
	Body repositoryBody `doc:"of which the description counts"`
}

func (r repositories) update(ctx context.Context, in *updateRepository) (*nothing, error) {
	repo, err := in.repo()
	if err != nil {
		return nil, err
	}
	return nil, r.content.DescribeRepository(ctx, repo, in.Body.Description)
}

func (r repositories) delete(ctx context.Context, in *getRepository) (*nothing, error) {
	repo, err := in.repo()
	if err != nil {
		return nil, err
	}
	return nil, r.content.DeleteRepository(ctx, repo)
}

// LastDays says of which days something is asked.
type LastDays struct {
	Days int `query:"days" default:"30" minimum:"1" maximum:"366" doc:"how many days, of which the last is today in UTC"`
}

type pullsOfProject struct {
	InProject
	LastDays
}

type pullsAnswer struct{ Body []dayPulls }

type dayPulls struct {
	Day   string `json:"day" format:"date" doc:"of UTC"`
	Pulls int64  `json:"pulls"`
}

func (r repositories) pulls(ctx context.Context, in *LastDays) (*pullsAnswer, error) {
	return r.pullsOf(ctx, 0, in.Days)
}

func (r repositories) projectPulls(ctx context.Context, in *pullsOfProject) (*pullsAnswer, error) {
	return r.pullsOf(ctx, in.project.ID, in.Days)
}

// pullsOf answers with the days of a project, or of all for 0, oldest first.
func (r repositories) pullsOf(ctx context.Context, projectID int64, days int) (*pullsAnswer, error) {
	found, err := r.catalog.PullsByDay(ctx, projectID, time.Now(), days)
	if err != nil {
		return nil, err
	}
	return &pullsAnswer{all(found, func(d artifact.DayPulls) dayPulls { return dayPulls{d.Day.Format(time.DateOnly), d.Count} })}, nil
}
