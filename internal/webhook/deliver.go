package webhook

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/outbound"
)

// How targets are tried.
const (
	Attempts = 17               // in about an hour
	Workers  = 200              // on each node: they wait for targets, most of the time
	Patience = 10 * time.Second // with a target that does not answer
	Limit    = 20 * time.Second // of one attempt
	Expire   = 24 * time.Hour   // what is older is not begun any more
	Keep     = 500              // executions of a policy and a protocol

	refusals     = 5           // attempts with a target that says that it does not want this
	slackWait    = time.Second // between messages, which is as fast as Slack takes them
	submitAtOnce = 100
)

// Backoff is how long after an attempt the next one is: soon where a target was
// away for a moment, and then so long that those that hang keep few workers busy.
func Backoff(attempt int) time.Duration {
	waits := [...]time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}
	return waits[min(attempt, len(waits))-1]
}

// Attrs are what an execution knows: the topic, and the body that is sent.
type Attrs struct {
	Topic   Topic  `json:"event_type"`
	Payload string `json:"payload"`
}

// Kinds are those of the executions.
var Kinds = []job.Kind{job.Webhook, job.Slack}

// AttrsOf reads what an execution knows.
func AttrsOf(e job.Execution) (a Attrs, err error) {
	if err := json.Unmarshal(e.Attrs, &a); err != nil {
		return a, fmt.Errorf("execution %d: %w", e.ID, err)
	}
	return a, nil
}

// ProtocolOf is how the target of an execution is spoken to.
func ProtocolOf(kind job.Kind) Protocol {
	if kind == job.Slack {
		return Slack
	}
	return HTTP
}

// A delivery is the task of sending the payload of its execution to a target.
type delivery struct {
	Project int64  `json:"project"`
	Policy  int64  `json:"policy"`
	Target  string `json:"target"` // its key
	Type    string `json:"type"`   // of the payload
}

// Deliver has events told to those who want to know. One that comes again does
// nothing.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	v, err := s.Settings(ctx)
	if err != nil || !v.Notifications {
		return err
	}
	var all []news
	var projects []int64
	for _, e := range events {
		if n, ok := s.newsOf(e); ok {
			all, projects = append(all, n), append(projects, n.where.ProjectID)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(projects)
	policies, err := s.Store.Enabled(ctx, slices.Compact(projects))
	if err != nil || len(policies) == 0 {
		return err
	}
	return s.tell(ctx, all, policies)
}

// wanted pairs each of some news with each policy that wants to be told of it.
func wanted(all []news, policies []Policy) iter.Seq2[news, Policy] {
	return func(yield func(news, Policy) bool) {
		for _, n := range all {
			for _, p := range policies {
				if p.ProjectID == n.where.ProjectID && slices.Contains(p.Topics, n.topic) && !yield(n, p) {
					return
				}
			}
		}
	}
}

// tell has some news told as some policies want it. There are never many bodies
// in memory.
func (s *Service) tell(ctx context.Context, all []news, policies []Policy) error {
	subjects := map[event.Where]Subject{}
	last := map[Told]time.Time{}
	var subs []job.Submission
	for n, p := range wanted(all, policies) {
		subject, known := subjects[n.where]
		if !known {
			var err error
			if subject, err = s.Store.Subject(ctx, n.where.ProjectID, n.where.Repository); err != nil {
				return err
			}
			subjects[n.where] = subject
		}
		if len(subs) >= submitAtOnce {
			if err := s.Jobs.SubmitAll(ctx, subs); err != nil {
				return err
			}
			subs = subs[:0]
		}
		for _, t := range p.Targets {
			sub, err := s.submission(n, subject, p, t)
			if err != nil {
				return err
			}
			subs = append(subs, sub)
		}
		last[Told{PolicyID: p.ID, Topic: n.topic}] = n.at
	}
	if len(subs) == 0 {
		return nil
	}
	if err := s.Jobs.SubmitAll(ctx, subs); err != nil {
		return err
	}
	var told []Told
	for t, at := range last {
		t.At = at
		told = append(told, t)
	}
	return s.Store.Told(ctx, told)
}

func (s *Service) submission(n news, about Subject, p Policy, t Target) (job.Submission, error) {
	sub := job.Submission{Kind: t.kind(), OwnerID: p.ID, Trigger: job.ByEvent, Lane: fmt.Sprintf("webhook %d %s", p.ID, t.key())}
	id := uuid.New()
	if n.topic == trial { // which does not wait for what cannot be sent
		sub.Trigger, sub.Lane = job.Manual, "trial of "+sub.Lane
	} else {
		sub.Cause = fmt.Sprintf("%s %d", sub.Lane, n.id)
		id = uuid.NewSHA1(uuid.NameSpaceURL, []byte(s.Host+" "+sub.Cause)) // the same whenever the event comes
	}
	body, err := n.body(about, s.Host, p, t, id.String())
	if err != nil {
		return sub, fmt.Errorf("webhook: body of event %d: %w", n.id, err)
	}
	sub.Attrs, sub.Tasks = Attrs{n.topic, string(body)}, []any{delivery{p.ProjectID, p.ID, t.key(), t.mediaType()}}
	return sub, nil
}

// Try sends something once to each target of a policy, whether it is enabled or
// not, past what waits, and returns the ids of the executions.
func (s *Service) Try(ctx context.Context, p Policy, project string) ([]int64, error) {
	if v, err := s.Settings(ctx); err != nil || !v.Notifications {
		return nil, errors.Join(err, ErrDisabled)
	}
	actor := access.From(ctx).Actor()
	n := news{
		at: time.Now(), topic: trial, operator: actor.Name, request: actor.Request, where: event.Where{ProjectID: p.ProjectID, Project: project},
		details: fmt.Sprintf("A trial of the webhook policy %s.", p.Name),
	}
	about, err := s.Store.Subject(ctx, p.ProjectID, "")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, t := range p.Targets {
		sub, err := s.submission(n, about, p, t)
		if err != nil {
			return ids, err
		}
		id, err := s.Jobs.Submit(ctx, sub)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Do does a task of an execution: one attempt to tell a target.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var d delivery
	if err := r.Args(&d); err != nil {
		return err
	}
	e, err := s.Jobs.Execution(ctx, Kinds, d.Policy, r.Task.ExecutionID)
	if err != nil {
		return err
	}
	attrs, err := AttrsOf(e)
	if err != nil {
		return job.Permanent(err)
	}
	p, t, err := s.find(ctx, d, attrs.Topic)
	if err != nil {
		return err
	}
	r.Logf("attempt %d: %s to %s", r.Attempt, attrs.Topic, t.Site())
	began := time.Now()
	err = s.send(ctx, p, t, d.Type, attrs.Payload)
	took := time.Since(began).Round(time.Millisecond)
	var refused refusedError
	switch {
	case err == nil:
		r.Logf("taken after %s", took)
		if t.Protocol == Slack {
			select {
			case <-ctx.Done():
			case <-time.After(slackWait):
			}
		}
		return nil
	case ctx.Err() != nil:
		return err
	case attrs.Topic == trial, errors.As(err, &refused) && r.Attempt >= refusals:
		err = job.Permanent(err)
	}
	r.Logf("not taken after %s", took)
	return err
}

// find returns who is to be told, or why nobody is any more.
func (s *Service) find(ctx context.Context, d delivery, topic Topic) (p Policy, t Target, err error) {
	v, err := s.Settings(ctx)
	if err != nil {
		return p, t, err
	}
	if !v.Notifications {
		return p, t, job.Permanent(ErrDisabled)
	}
	p, err = s.Store.ByID(ctx, d.Project, d.Policy)
	if errors.Is(err, ErrNotFound) {
		return p, t, job.Permanent(errors.New("the policy was deleted"))
	}
	if err != nil {
		return p, t, err
	}
	if !p.Enabled && topic != trial {
		return p, t, job.Permanent(errors.New("the policy is disabled"))
	}
	at := slices.IndexFunc(p.Targets, func(t Target) bool { return t.key() == d.Target })
	if at < 0 {
		return p, t, job.Permanent(errors.New("the policy has this target no more"))
	}
	return p, p.Targets[at], nil
}

// Site is where a target is, without the rest of its address, which may be as
// good as a password.
func (t Target) Site() string {
	u, err := url.Parse(t.Address)
	if err != nil {
		return "?"
	}
	return u.Scheme + "://" + u.Host
}

// A refusedError is an answer that says that the same request will not be taken
// later either.
type refusedError struct{ status int }

// Error implements error.
func (e refusedError) Error() string { return answered(e.status) }

func answered(status int) string {
	return strings.TrimSpace(fmt.Sprintf("the target answered %d %s", status, http.StatusText(status)))
}

// send tells a target. Of its answer nothing is told but the status, and of a
// failure no more than its kind: the target may be where those who read this
// cannot look.
func (s *Service) send(ctx context.Context, p Policy, t Target, mediaType, payload string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.Address, strings.NewReader(payload))
	if err != nil {
		return job.Permanent(errors.New("the target's address is none"))
	}
	r.Header.Set("Content-Type", mediaType)
	r.Header.Set("User-Agent", "Berth")
	if err := s.authorize(r, p.ProjectID, t); err != nil {
		return job.Permanent(err)
	}
	answer, err := s.Out.Do(r, t.SkipVerify)
	if err != nil {
		return failure(err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection may be used again
	switch status := answer.StatusCode; {
	case status >= 200 && status <= 299:
		return nil
	case status >= 400 && status <= 499 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests:
		return refusedError{status}
	default:
		return errors.New(answered(status))
	}
}

// failure says of what kind an error of a request is.
func failure(err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var slow net.Error
	switch {
	case errors.Is(err, outbound.ErrForbidden):
		return job.Permanent(errors.New("the target's address is not allowed; whoever runs the server can allow it by outbound_allow"))
	case errors.Is(err, outbound.ErrRedirect), errors.Is(err, outbound.ErrURL):
		return job.Permanent(errors.New("the target redirects, to where it is not followed; give the address that it redirects to"))
	case errors.As(err, &certificate):
		return errors.New("the target's certificate cannot be verified")
	case errors.As(err, &name):
		return errors.New("the target's name cannot be resolved")
	case errors.As(err, &slow) && slow.Timeout():
		return fmt.Errorf("the target did not answer within %s", Patience)
	}
	return errors.New("there is no connection to the target")
}
