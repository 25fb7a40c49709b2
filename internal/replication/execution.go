package replication

import (
	"context"
	"errors"

	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/query"
)

// Work is what a task of an execution is told. The first one of an execution knows
// the policy alone.
type Work struct {
	Policy     int64    `json:"policy"`
	Repository string   `json:"repository,omitempty"` // full name at the source; empty: all that the policy is about
	Tags       []string `json:"tags,omitempty"`       // of these alone; empty: all
	Digest     string   `json:"digest,omitempty"`     // of this artifact alone; empty: all. Of a deletion: what the tags named
	Delete     bool     `json:"delete,omitempty"`     // at the destination
	Untag      bool     `json:"untag,omitempty"`      // of a deletion: the tags alone
}

// Progress is what a task has come to.
type Progress struct {
	Source   string    `json:"source"` // the repository's full name there
	Target   string    `json:"target"`
	Kind     string    `json:"kind"` // Image or Artifact
	Total    int       `json:"total"`
	Done     int       `json:"done"`    // copied or deleted, or there already
	Skipped  int       `json:"skipped"` // they may not be moved
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"` // the first hundred
	Blobs    int       `json:"blobs"`              // sent
	Bytes    int64     `json:"bytes"`              // of those
	Pauses   int       `json:"pauses,omitempty"`   // that a registry asked for
	Named    []string  `json:"named,omitempty"`    // what was copied or deleted, the first hundred
}

// A Failure says why an artifact was not copied.
type Failure struct {
	Artifact string `json:"artifact"` // repository:tag or repository@digest
	Cause    string `json:"cause"`
}

// refusal is what an execution says that was not to begin.
const refusal = "another execution of the policy is not over, and it is to have one at a time"

// Start has a policy run, and returns the id of the execution. It returns
// ErrNotFound and ErrDisabled. Where the policy is to have one execution at a time
// and has one, the new one has failed already.
func (s *Service) Start(ctx context.Context, policyID int64, trigger job.Trigger) (int64, error) {
	p, err := s.store.ByID(ctx, policyID)
	if err != nil {
		return 0, err
	}
	if !p.Enabled {
		return 0, ErrDisabled
	}
	return s.jobs.Submit(ctx, p.submission(trigger))
}

// Due says what the schedule of a policy starts.
func (s *Service) Due(ctx context.Context, at job.Schedule) (job.Submission, error) {
	p, err := s.store.ByID(ctx, at.OwnerID)
	if errors.Is(err, ErrNotFound) || err == nil && (!p.Enabled || p.Trigger != Scheduled) {
		return job.Submission{}, job.ErrNotFound
	}
	if err != nil {
		return job.Submission{}, err
	}
	return p.submission(job.BySchedule), nil
}

func (p Policy) submission(trigger job.Trigger) job.Submission {
	sub := job.Submission{Kind: job.Replication, OwnerID: p.ID, Trigger: trigger, Tasks: []any{Work{Policy: p.ID}}}
	if p.Alone {
		sub.Alone, sub.Refusal = true, refusal
	}
	return sub
}

var kinds = []job.Kind{job.Replication}

// Stop ends an execution. One that is over stays as it is. It returns
// job.ErrNotFound.
func (s *Service) Stop(ctx context.Context, execution int64) error {
	if _, err := s.Execution(ctx, execution); err != nil {
		return err
	}
	if err := s.jobs.Stop(ctx, execution); !errors.Is(err, job.ErrEnded) {
		return err
	}
	return nil
}

// Execution returns one of any policy, or job.ErrNotFound.
func (s *Service) Execution(ctx context.Context, id int64) (job.Execution, error) {
	return s.jobs.Execution(ctx, kinds, job.AnyOwner, id)
}

// Executions lists those of a policy, or of all where that is 0, the newest first.
func (s *Service) Executions(ctx context.Context, policy int64, q query.Query) ([]job.Execution, int64, error) {
	if policy == 0 {
		policy = job.AnyOwner
	}
	return s.jobs.Executions(ctx, kinds, policy, q)
}

// Tasks lists those of an execution in the order in which they were made. Where
// kind is not empty, they are those that say so in their Progress. It returns
// job.ErrNotFound.
func (s *Service) Tasks(ctx context.Context, execution int64, kind string, q query.Query) ([]job.Task, int64, error) {
	if _, err := s.Execution(ctx, execution); err != nil {
		return nil, 0, err
	}
	if kind != "" {
		q = q.Where(query.Filter{Field: "extra_attrs", Op: query.Fuzzy, Value: `"kind":"` + kind + `"`})
	}
	return s.jobs.Tasks(ctx, execution, q)
}

// Log returns the log of a task of an execution from a byte on, at most n bytes,
// or job.ErrNotFound.
func (s *Service) Log(ctx context.Context, execution, task, from int64, n int) (string, error) {
	if _, err := s.Execution(ctx, execution); err != nil {
		return "", err
	}
	if _, err := s.jobs.Task(ctx, execution, task); err != nil {
		return "", err
	}
	return s.jobs.Log(ctx, task, from, n)
}
