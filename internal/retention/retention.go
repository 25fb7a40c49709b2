// Package retention says which artifacts of a project no rule keeps, and deletes
// them. It promises that what a rule keeps stays, that repositories which no rule
// is about are left alone, and that a dry run says what would go and why. What
// else may not go (tags that are immutable, children of indexes) is enforced by
// whoever deletes.
package retention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
)

// Faults of policies.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "retention policy not found")
	ErrExists   = fault.New(fault.Invalid, "BAD_REQUEST", "the project has a retention policy already")
	ErrSame     = fault.New(fault.Conflict, "CONFLICT", "two retention rules are the same")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid retention policy")
)

// MaxRules is how many rules a policy may have.
const MaxRules = 15

// A Template is how a rule chooses what stays, of what its patterns choose.
type Template string

// The templates. Each but Always has a parameter of its own name.
const (
	LatestPushed Template = "latestPushedK"      // the K pushed last
	LatestPulled Template = "latestPulledN"      // the N pulled last
	LatestActive Template = "latestActiveK"      // the K pushed or pulled last
	PushedWithin Template = "nDaysSinceLastPush" // pushed in the last N days
	PulledWithin Template = "nDaysSinceLastPull" // pulled in the last N days
	ActiveWithin Template = "lastXDays"          // pushed in the last X days
	Always       Template = "always"
)

// defaults are the parameters of the templates where none is given.
var defaults = map[Template]int64{LatestPushed: 10, LatestPulled: 10, LatestActive: 10, PushedWithin: 30, PulledWithin: 30, ActiveWithin: 10, Always: 0}

// What parameters may be.
const (
	maxCount = 32766
	maxDays  = 20190904
)

func (t Template) counts() bool { return t == LatestPushed || t == LatestPulled || t == LatestActive }

// A Policy says what stays in the repositories of a project.
type Policy struct {
	ID        int64
	ProjectID int64
	Rules     []Rule
	Cron      string // when it runs by itself; empty for never
}

// A Rule keeps some artifacts of some repositories. Its id and priority are the
// client's.
type Rule struct {
	ID           int64
	Priority     int64
	Disabled     bool
	Template     Template
	Param        int64           // of the template
	Tags         pattern.Pattern // of at least one tag of an artifact
	Untagged     bool            // and artifacts without a tag
	Extras       string          // of the tags' selector, as the client sent them
	Repositories pattern.Pattern // without the project
}

// same reports whether two rules say the same.
func (r Rule) same(o Rule) bool {
	o.ID, o.Priority, o.Disabled = r.ID, r.Priority, r.Disabled
	return r == o
}

// String says in short what a rule keeps.
func (r Rule) String() string {
	if r.Template == Always {
		return string(Always)
	}
	return fmt.Sprintf("%s: %d", r.Template, r.Param)
}

func (r Rule) check() error {
	most := int64(maxDays)
	if r.Template.counts() {
		most = maxCount
	}
	if _, ok := defaults[r.Template]; !ok {
		return ErrInvalid.With("rules: there is no template %.80q", r.Template)
	}
	if r.Param < 0 || r.Param > most {
		return ErrInvalid.With("rules: params.%s must be from 0 to %d", r.Template, most)
	}
	if err := r.Tags.Check(); err != nil {
		return ErrInvalid.With("rules: tag_selectors: %v", err)
	}
	if err := r.Repositories.Check(); err != nil {
		return ErrInvalid.With("rules: scope_selectors: %v", err)
	}
	return nil
}

// Default returns the parameter of a template where none is given.
func Default(t Template) int64 { return defaults[t] }

func (p Policy) check() error {
	if len(p.Rules) > MaxRules {
		return ErrInvalid.With("rules: at most %d", MaxRules)
	}
	if p.Cron != "" {
		if _, err := job.Next(p.Cron, time.Now()); err != nil {
			return err
		}
	}
	for i, r := range p.Rules {
		if err := r.check(); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Rules[:i], r.same) {
			return ErrSame
		}
	}
	return nil
}

// An Artifact is what is kept or goes, with all its tags. Its times are the
// latest of it, its tags and its children: who pulls an image for a platform
// pulls a child of the index.
type Artifact struct {
	ID     int64
	Digest string
	Type   string
	Tags   []string
	Labels []string

	Indexes []int64 // ids of those that have it as a child
	Pushed  time.Time
	Pulled  time.Time // zero for never
}

func (a Artifact) active() time.Time {
	if a.Pulled.After(a.Pushed) {
		return a.Pulled
	}
	return a.Pushed
}

// A Verdict is what becomes of an artifact. Rule is the first that keeps it. Where
// it is nil, the artifact is to go, unless an index has it that stays.
type Verdict struct {
	Artifact
	Rule *Rule
	Held bool
}

func (v Verdict) stays() bool { return v.Rule != nil || v.Held }

// About reports whether an enabled rule is about a repository, which is named
// without its project. What none is about is left alone.
func (p Policy) About(repository string) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.about(repository) })
}

func (r Rule) about(repository string) bool { return !r.Disabled && r.Repositories.Matches(repository) }

// Judge says what becomes of the artifacts of a repository, in their order.
func (p Policy) Judge(repository string, all []Artifact, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(all))
	for i, a := range all {
		verdicts[i].Artifact = a
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.about(repository) {
			continue
		}
		for _, at := range r.keeps(all, now) {
			if verdicts[at].Rule == nil {
				verdicts[at].Rule = r
			}
		}
	}
	hold(verdicts)
	return verdicts
}

// hold keeps what indexes have that stay. One that is not among the artifacts
// is a child itself, and stays for now.
func hold(verdicts []Verdict) {
	stays := make(map[int64]bool, len(verdicts))
	for _, v := range verdicts {
		stays[v.ID] = v.stays()
	}
	for again := true; again; {
		again = false
		for i := range verdicts {
			v := &verdicts[i]
			v.Held = v.Held || v.Rule == nil && slices.ContainsFunc(v.Indexes, func(id int64) bool {
				s, known := stays[id]
				return s || !known
			})
			if v.Held && !stays[v.ID] {
				stays[v.ID], again = true, true
			}
		}
	}
}

// keeps returns the places of what a rule keeps.
func (r Rule) keeps(all []Artifact, now time.Time) []int {
	var chosen []int
	for i, a := range all {
		if r.chooses(a) {
			chosen = append(chosen, i)
		}
	}
	at := map[Template]func(Artifact) time.Time{
		LatestPushed: func(a Artifact) time.Time { return a.Pushed }, PushedWithin: func(a Artifact) time.Time { return a.Pushed },
		LatestPulled: func(a Artifact) time.Time { return a.Pulled }, PulledWithin: func(a Artifact) time.Time { return a.Pulled },
		LatestActive: Artifact.active, ActiveWithin: func(a Artifact) time.Time { return a.Pushed },
	}[r.Template]
	switch {
	case r.Template == Always:
	case r.Template.counts():
		slices.SortStableFunc(chosen, func(i, j int) int { return at(all[j]).Compare(at(all[i])) })
		chosen = chosen[:min(int64(len(chosen)), r.Param)]
	default:
		since := now.AddDate(0, 0, -int(r.Param))
		chosen = slices.DeleteFunc(chosen, func(i int) bool { return at(all[i]).Before(since) })
	}
	return chosen
}

func (r Rule) chooses(a Artifact) bool {
	if len(a.Tags) == 0 {
		return r.Untagged
	}
	return slices.ContainsFunc(a.Tags, r.Tags.Matches)
}

// A Store keeps policies. Each method is one transaction.
type Store interface {
	// Create keeps a new policy and returns its id, or ErrExists.
	Create(ctx context.Context, p Policy, now time.Time, by event.Actor) (int64, error)
	// ByID returns a policy, or ErrNotFound.
	ByID(ctx context.Context, id int64) (Policy, error)
	// Update keeps a policy in place of that of its id.
	Update(ctx context.Context, p Policy, now time.Time, by event.Actor) error
	// Delete ends a policy.
	Delete(ctx context.Context, id int64, by event.Actor) error

	// Ran records that artifacts went.
	Ran(ctx context.Context, ran event.RetentionRan, by event.Actor) error

	// Repositories returns up to n names of a project's repositories behind one,
	// in order.
	Repositories(ctx context.Context, project int64, after string, n int) ([]string, error)
	// Artifacts returns up to n artifacts of a repository behind one of an id, by
	// their ids: those that its list shows.
	Artifacts(ctx context.Context, repository string, after int64, n int) ([]Artifact, error)
}

// A Service is what the rest of the program asks about retention. The caller of
// the context is who makes a change.
type Service struct {
	store   Store
	remover Remover
	jobs    *job.Service
}

// A Remover deletes artifacts.
type Remover interface {
	// Delete deletes one, with what goes along. Where it may not go, the error is
	// a fault of kind Precondition.
	Delete(ctx context.Context, projectID int64, repository, digest string) error
	// Frozen returns what says of tags of a repository that one of them may not
	// go, and why: by such a fault.
	Frozen(ctx context.Context, projectID int64, repository string) (func(tags []string) error, error)
}

// New returns a service.
func New(store Store, remover Remover, jobs *job.Service) *Service {
	return &Service{store, remover, jobs}
}

// Create makes a policy, and returns its id. It returns ErrInvalid, ErrSame, and
// ErrExists.
func (s *Service) Create(ctx context.Context, p Policy) (int64, error) {
	if err := p.check(); err != nil {
		return 0, err
	}
	id, err := s.store.Create(ctx, p, time.Now(), access.From(ctx).Actor())
	if err != nil {
		return 0, err
	}
	p.ID = id
	return id, s.schedule(ctx, p)
}

// CreateForCache makes the policy that a project begins with which is a cache, and
// returns its id: what nobody has pulled for a week goes, each night. It returns
// ErrExists.
func (s *Service) CreateForCache(ctx context.Context, projectID int64) (int64, error) {
	all := pattern.Pattern{Glob: "**"}
	return s.Create(ctx, Policy{
		ProjectID: projectID, Cron: "0 0 0 * * *",
		Rules: []Rule{{ID: 1, Priority: 1, Template: PulledWithin, Param: 7, Tags: all, Untagged: true, Repositories: all}},
	})
}

// ByID returns a policy, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (Policy, error) { return s.store.ByID(ctx, id) }

// Update changes the rules and the schedule of a policy. It returns ErrInvalid,
// ErrSame, and ErrNotFound.
func (s *Service) Update(ctx context.Context, p Policy) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := s.store.Update(ctx, p, time.Now(), access.From(ctx).Actor()); err != nil {
		return err
	}
	return s.schedule(ctx, p)
}

// Delete ends a policy.
func (s *Service) Delete(ctx context.Context, id int64) error {
	if err := s.store.Delete(ctx, id, access.From(ctx).Actor()); err != nil {
		return err
	}
	return s.jobs.Unschedule(ctx, job.Retention, id)
}

const atOnce = 1000

// schedule has a policy run when it says. Where that fails, the policy is there
// and does not run by itself, until it is saved again.
func (s *Service) schedule(ctx context.Context, p Policy) error {
	if p.Cron == "" {
		return s.jobs.Unschedule(ctx, job.Retention, p.ID)
	}
	_, err := s.jobs.Schedule(ctx, job.Schedule{Kind: job.Retention, OwnerID: p.ID, Type: "Custom", Cron: p.Cron})
	return err
}

// Repositories returns the names of those that a policy is about.
func (s *Service) Repositories(ctx context.Context, p Policy) ([]string, error) {
	var all []string
	for after := ""; ; {
		names, err := s.store.Repositories(ctx, p.ProjectID, after, atOnce)
		if err != nil {
			return nil, fmt.Errorf("repositories of retention policy %d: %w", p.ID, err)
		}
		for _, name := range names {
			if _, rest := oci.SplitRepository(name); p.About(rest) {
				all = append(all, name)
			}
		}
		if len(names) < atOnce {
			return all, nil
		}
		after = names[len(names)-1]
	}
}
