package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
)

// Attrs are what an execution of a policy knows.
type Attrs struct {
	DryRun   bool   `json:"dry_run"`
	Operator string `json:"operator"`
}

// A Task is what is to be done in one repository.
type Task struct {
	Policy     int64  `json:"policy"`
	Repository string `json:"repository"`
	DryRun     bool   `json:"dry_run"`
}

// Progress is what a task has come to.
type Progress struct {
	Total    int `json:"total"`
	Retained int `json:"retained"`
}

// Start has a policy run in each repository that it is about, and returns the id
// of the execution. It returns job.ErrRunning.
func (s *Service) Start(ctx context.Context, p Policy, dry bool) (int64, error) {
	sub, err := s.submission(ctx, p, job.Manual, Attrs{dry, access.From(ctx).Actor().Name})
	if err != nil {
		return 0, err
	}
	return s.jobs.Submit(ctx, sub)
}

// Due says what the schedule of a policy starts.
func (s *Service) Due(ctx context.Context, at job.Schedule) (job.Submission, error) {
	p, err := s.ByID(ctx, at.OwnerID)
	if errors.Is(err, ErrNotFound) {
		return job.Submission{}, job.ErrNotFound
	}
	if err != nil {
		return job.Submission{}, err
	}
	return s.submission(ctx, p, job.BySchedule, Attrs{})
}

func (s *Service) submission(ctx context.Context, p Policy, trigger job.Trigger, a Attrs) (job.Submission, error) {
	names, err := s.Repositories(ctx, p)
	if err != nil {
		return job.Submission{}, err
	}
	sub := job.Submission{Kind: job.Retention, OwnerID: p.ID, Trigger: trigger, Attrs: a, Alone: true}
	for _, name := range names {
		sub.Tasks = append(sub.Tasks, Task{p.ID, name, a.DryRun})
	}
	return sub, nil
}

// Do does a task of an execution. Its log has a line for each artifact.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var t Task
	if err := r.Args(&t); err != nil {
		return err
	}
	p, err := s.ByID(ctx, t.Policy)
	if errors.Is(err, ErrNotFound) {
		return job.Permanent(err)
	}
	if err != nil {
		return err
	}
	r.Logf("repository %s, dry run: %t", t.Repository, t.DryRun)
	r.Logf("Digest | Tag | Kind | Labels | PushedTime | PulledTime | CreatedTime | Retention | Why")
	gone := []event.DeletedArtifact{}
	res, err := s.Run(ctx, p, t.Repository, t.DryRun, func(v Verdict, became, why string) {
		if became == Deleted && len(gone) < maxNamed {
			gone = append(gone, event.DeletedArtifact{Type: v.Type, Digest: v.Digest, Tags: v.Tags[:min(len(v.Tags), maxNamed)]})
		}
		r.Logf("%s | %s | %s | %s | %s | %s | %s | %s | %s", v.Digest, strings.Join(v.Tags, ","), v.Type, strings.Join(v.Labels, ","),
			written(v.Pushed), written(v.Pulled), written(v.Pushed), became, why)
	})
	r.Logf("%d artifacts, %d retained", res.Total, res.Retained)
	if len(gone) > 0 && !t.DryRun { // first of all, since nothing else remembers it
		err = errors.Join(err, s.store.Ran(context.WithoutCancel(ctx), p.ran(t.Repository, res, gone), access.From(ctx).Actor()))
	}
	if res.Total > 0 || err == nil {
		err = errors.Join(err, r.Keep(ctx, Progress{res.Total, res.Retained}))
	}
	return err
}

// maxNamed is how many of the artifacts that went, and of the tags of each, are
// named to those who want to know.
const maxNamed = 100

// ran is the fact of what a run came to in a repository.
func (p Policy) ran(repository string, res Result, gone []event.DeletedArtifact) event.RetentionRan {
	where := event.Where{ProjectID: p.ProjectID, Repository: repository}
	fact := event.RetentionRan{RetentionPolicy: event.RetentionPolicy{Where: where, ID: p.ID}, Total: res.Total, Retained: res.Retained, Deleted: gone}
	_, name := oci.SplitRepository(repository)
	for _, r := range p.Rules {
		if !r.about(name) {
			continue
		}
		rule := event.RetentionRule{
			Template: string(r.Template), Tags: event.Choice{Pattern: r.Tags.Glob, Except: r.Tags.Except},
			Repositories: event.Choice{Pattern: r.Repositories.Glob, Except: r.Repositories.Except},
		}
		if r.Template != Always {
			rule.Param = &r.Param
		}
		fact.Rules = append(fact.Rules, rule)
	}
	return fact
}

func written(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006/01/02 15:04:05")
}

// AttrsOf reads what an execution knows.
func AttrsOf(e job.Execution) (a Attrs, err error) {
	if err := json.Unmarshal(e.Attrs, &a); err != nil {
		return a, fmt.Errorf("execution %d: %w", e.ID, err)
	}
	return a, nil
}
