// Package webhook tells others what happened in a project. It promises that what
// a policy names is sent to each of its targets once or more, in the order in
// which it happened, that a target which does not answer holds back nothing but
// what is meant for it, and that what was sent, and what came of it, can be
// looked up. How requests get out is outbound's affair, and that they do later is
// job's.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
)

// Faults of policies.
var (
	ErrNotFound = fault.New(fault.NotFound, "NOT_FOUND", "webhook policy not found")
	ErrExists   = fault.New(fault.Conflict, "CONFLICT", "the project has a webhook policy of that name already")
	ErrInvalid  = fault.New(fault.Invalid, "BAD_REQUEST", "invalid webhook policy")
	ErrTooMany  = fault.New(fault.Invalid, "BAD_REQUEST", "the project has too many webhook policies")
	ErrChanged  = fault.New(fault.Conflict, "CONFLICT", "the webhook policy was changed meanwhile; read it again")
	ErrDisabled = fault.New(fault.Precondition, "PRECONDITION", "webhooks are turned off by the setting notification_enable")
)

// What there may be.
const (
	MaxPolicies = 20 // of a project
	MaxTargets  = 5  // of a policy

	maxName   = 255        // bytes
	maxText   = 1024       // of a description
	maxSecret = 4096       // of a header's value
	Unchanged = "********" // as a secret: the one that is kept for the same target
)

// A Topic is a kind of what happens, as clients name it.
type Topic string

// The topics.
const (
	PushArtifact      Topic = "PUSH_ARTIFACT"
	PullArtifact      Topic = "PULL_ARTIFACT"
	DeleteArtifact    Topic = "DELETE_ARTIFACT"
	QuotaExceed       Topic = "QUOTA_EXCEED"
	QuotaWarning      Topic = "QUOTA_WARNING"
	ScanningFailed    Topic = "SCANNING_FAILED"
	ScanningStopped   Topic = "SCANNING_STOPPED"
	ScanningCompleted Topic = "SCANNING_COMPLETED"
	Replication       Topic = "REPLICATION"
	TagRetention      Topic = "TAG_RETENTION"

	trial Topic = "TEST" // what nobody subscribes to, and is sent on request
)

// Topics returns those that a policy may name.
func Topics() []Topic {
	return []Topic{
		PushArtifact, PullArtifact, DeleteArtifact, QuotaExceed, QuotaWarning,
		ScanningFailed, ScanningStopped, ScanningCompleted, Replication, TagRetention,
	}
}

// A Protocol is how a target is spoken to.
type Protocol string

// The protocols.
const (
	HTTP  Protocol = "http"
	Slack Protocol = "slack" // a Slack incoming webhook
)

// A Format is what a body looks like that HTTP sends. Slack has its own.
type Format string

// The formats.
const (
	Default     Format = "Default"
	CloudEvents Format = "CloudEvents" // version 1.0, JSON, structured
)

// A Policy says what of a project is told to whom.
type Policy struct {
	ID          int64
	ProjectID   int64
	Name        string
	Description string
	Targets     []Target
	Topics      []Topic
	Enabled     bool
	Creator     string // login name
	Created     time.Time
	Updated     time.Time
}

// A Target is told what happens.
type Target struct {
	Protocol   Protocol
	Address    string      // http:// or https://
	Secret     secret.Text // value of the header Authorization, where one is given
	Sealed     []byte      // the same as it is kept; empty for none
	SkipVerify bool        // of certificates
	Format     Format      // of HTTP
}

// key names a target in its policy: what is sent to it keeps its order.
func (t Target) key() string {
	sum := sha256.Sum256([]byte(string(t.Protocol) + " " + t.Address))
	return hex.EncodeToString(sum[:8])
}

func (t Target) kind() job.Kind {
	if t.Protocol == Slack {
		return job.Slack
	}
	return job.Webhook
}

// A Trigger is when a policy last told of a topic.
type Trigger struct {
	Policy Policy
	Topic  Topic
	Last   time.Time // zero for never
}

// A Store keeps policies. Each method is one transaction.
type Store interface {
	// Create keeps a new policy and returns its id, ErrExists, or ErrTooMany.
	Create(ctx context.Context, p Policy, by event.Actor) (int64, error)
	// ByID returns a policy of a project, or ErrNotFound.
	ByID(ctx context.Context, projectID, id int64) (Policy, error)
	// List lists those of a project.
	List(ctx context.Context, projectID int64, q query.Query) ([]Policy, int64, error)
	// Update keeps a policy in place of that of its id, but for who made it and
	// when, if that was last changed at a time. It returns ErrNotFound, ErrChanged,
	// and ErrExists.
	Update(ctx context.Context, p Policy, was time.Time, by event.Actor) error
	// Delete ends a policy of a project, or returns ErrNotFound.
	Delete(ctx context.Context, projectID, id int64, by event.Actor) error

	// Enabled returns the policies of some projects that are enabled.
	Enabled(ctx context.Context, projects []int64) ([]Policy, error)
	// Subject returns what is known of a project and of one of its repositories.
	Subject(ctx context.Context, projectID int64, repository string) (Subject, error)
	// Told notes when policies last told of topics.
	Told(ctx context.Context, last []Told) error
	// LastTold returns that for the policies of a project.
	LastTold(ctx context.Context, projectID int64) ([]Told, error)
}

// A Subject is what is known of what an event is about.
type Subject struct {
	Public  bool      // the project is
	Created time.Time // the repository was; zero where there is none
}

// Told is when a policy last told of a topic.
type Told struct {
	PolicyID int64
	Topic    Topic
	At       time.Time
}

// Config is what a Service is made of.
type Config struct {
	Store    Store
	Jobs     *job.Service
	Sealer   *secret.Sealer
	Out      *outbound.Client
	Settings func(context.Context) (setting.Values, error)
	Host     string // HOST or HOST:PORT, under which people know this server
}

// A Service is what the rest of the program asks about webhooks. The caller of
// the context is who makes a change.
type Service struct{ Config }

// New returns a service.
func New(c Config) *Service { return &Service{c} }

// Create makes a policy, and returns its id. It returns ErrInvalid, ErrExists, and
// ErrTooMany.
func (s *Service) Create(ctx context.Context, p Policy) (int64, error) {
	p.Created = time.Now()
	p.Updated, p.Creator = p.Created, access.From(ctx).Actor().Name
	if err := s.complete(&p, nil); err != nil {
		return 0, err
	}
	return s.Store.Create(ctx, p, access.From(ctx).Actor())
}

// ByID returns a policy of a project, or ErrNotFound. Secrets are sealed.
func (s *Service) ByID(ctx context.Context, projectID, id int64) (Policy, error) {
	return s.Store.ByID(ctx, projectID, id)
}

// List lists those of a project, the newest first.
func (s *Service) List(ctx context.Context, projectID int64, q query.Query) ([]Policy, int64, error) {
	return s.Store.List(ctx, projectID, q)
}

// Update changes a policy. What waits is not sent where the policy no longer has
// the target, or is no longer enabled. It returns ErrInvalid, ErrNotFound,
// ErrExists, and ErrChanged where somebody else changed it at the same time.
func (s *Service) Update(ctx context.Context, p Policy) error {
	old, err := s.Store.ByID(ctx, p.ProjectID, p.ID)
	if err != nil {
		return err
	}
	p.Updated = time.Now()
	if err := s.complete(&p, old.Targets); err != nil {
		return err
	}
	return s.Store.Update(ctx, p, old.Updated, access.From(ctx).Actor())
}

// Delete ends a policy. It returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, projectID, id int64) error {
	return s.Store.Delete(ctx, projectID, id, access.From(ctx).Actor())
}

// Triggers returns when each policy of a project last told of each of its topics.
func (s *Service) Triggers(ctx context.Context, projectID int64) ([]Trigger, error) {
	policies, _, err := s.Store.List(ctx, projectID, query.Query{})
	if err != nil {
		return nil, err
	}
	told, err := s.Store.LastTold(ctx, projectID)
	if err != nil {
		return nil, err
	}
	type key struct {
		policy int64
		topic  Topic
	}
	last := map[key]time.Time{}
	for _, t := range told {
		last[key{t.PolicyID, t.Topic}] = t.At
	}
	var all []Trigger
	for _, p := range policies {
		for _, topic := range p.Topics {
			all = append(all, Trigger{p, topic, last[key{p.ID, topic}]})
		}
	}
	return all, nil
}

// complete checks a policy that is to be kept, and seals its secrets. old are the
// targets that it has so far.
func (s *Service) complete(p *Policy, old []Target) error {
	if p.Name == "" || len(p.Name) > maxName {
		return ErrInvalid.With("name: it must have 1 to %d bytes", maxName)
	}
	if len(p.Description) > maxText {
		return ErrInvalid.With("description: at most %d bytes", maxText)
	}
	if len(p.Topics) == 0 {
		return ErrInvalid.With("event_types: at least one")
	}
	for _, t := range p.Topics {
		if !slices.Contains(Topics(), t) {
			return ErrInvalid.With("event_types: there is no %.80q", t)
		}
	}
	slices.Sort(p.Topics)
	p.Topics = slices.Compact(p.Topics)
	if len(p.Targets) == 0 || len(p.Targets) > MaxTargets {
		return ErrInvalid.With("targets: 1 to %d", MaxTargets)
	}
	seen := map[string]bool{}
	for i := range p.Targets {
		t := &p.Targets[i]
		if err := s.completeTarget(t, p.ProjectID, old); err != nil {
			return err
		}
		if seen[t.key()] {
			return ErrInvalid.With("targets: %.255s is there twice", t.Address)
		}
		seen[t.key()] = true
	}
	return nil
}

func (s *Service) completeTarget(t *Target, projectID int64, old []Target) error {
	switch {
	case t.Protocol != HTTP && t.Protocol != Slack:
		return ErrInvalid.With("targets: type: it must be %s or %s", HTTP, Slack)
	case t.Protocol == Slack && t.Format != "":
		return ErrInvalid.With("targets: payload_format: %s has its own", Slack)
	case t.Protocol == HTTP && t.Format == "":
		t.Format = Default
	case t.Protocol == HTTP && t.Format != Default && t.Format != CloudEvents:
		return ErrInvalid.With("targets: payload_format: it must be %s or %s", Default, CloudEvents)
	}
	if err := s.Out.CheckURL(t.Address); err != nil {
		return ErrInvalid.With("targets: address: %v", err)
	}
	return s.seal(t, projectID, old)
}

// seal puts the secret of a target away. It is bound to the address, so that it
// is sent to no other.
func (s *Service) seal(t *Target, projectID int64, old []Target) error {
	t.Sealed = nil
	text := t.Secret.Reveal()
	t.Secret = secret.Text{}
	switch {
	case text == "":
		return nil
	case text == Unchanged:
		at := slices.IndexFunc(old, func(o Target) bool { return o.key() == t.key() })
		if at < 0 {
			return ErrInvalid.With("targets: auth_header: none is kept for this type and address yet")
		}
		t.Sealed = old[at].Sealed
		return nil
	case len(text) > maxSecret || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return ErrInvalid.With("targets: auth_header: it must be the value of a header, of at most %d characters", maxSecret)
	}
	t.Sealed = s.Sealer.Seal([]byte(text), sealedAs(projectID, *t))
	return nil
}

func sealedAs(projectID int64, t Target) string {
	return fmt.Sprintf("webhook/%d/%s/%s", projectID, t.Protocol, t.Address)
}

// authorize puts the secret of a target into a request to it.
func (s *Service) authorize(r *http.Request, projectID int64, t Target) error {
	if len(t.Sealed) == 0 {
		return nil
	}
	text, err := s.Sealer.Open(t.Sealed, sealedAs(projectID, t))
	if err != nil {
		return fmt.Errorf("the target's auth_header cannot be read: %w", err)
	}
	r.Header.Set("Authorization", string(text))
	return nil
}
