package replication

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
)

// submitAtOnce bounds the executions that are made in one transaction.
const submitAtOnce = 100

// Deliver has what was pushed and deleted here copied and deleted elsewhere, as
// the policies say that events start. It may be told the same twice.
func (s *Service) Deliver(ctx context.Context, events []event.Event) error {
	events = slices.DeleteFunc(slices.Clone(events), func(e event.Event) bool { _, about := workOf(e); return !about })
	if len(events) == 0 {
		return nil
	}
	policies, err := s.store.ForEvents(ctx)
	if err != nil || len(policies) == 0 {
		return err
	}
	var subs []job.Submission
	for _, e := range events {
		w, _ := workOf(e)
		for _, p := range policies {
			if w, ok := p.takes(w); ok {
				subs = append(subs, submission(p, e.ID, w))
			}
		}
	}
	for chunk := range slices.Chunk(subs, submitAtOnce) {
		if err := s.jobs.SubmitAll(ctx, chunk); err != nil {
			return fmt.Errorf("replications: %w", err)
		}
	}
	return nil
}

// submission is of what one event causes by one policy. What happens in one
// repository is done elsewhere in the same order.
func submission(p Policy, event int64, w Work) job.Submission {
	w.Policy = p.ID
	return job.Submission{
		Kind: job.Replication, OwnerID: p.ID, Trigger: job.ByEvent, Tasks: []any{w},
		Lane:  fmt.Sprintf("replication %d %s", p.ID, w.Repository),
		Cause: fmt.Sprintf("replication %d of event %d", p.ID, event),
	}
}

// workOf says what an event would have done, by a policy that is about it.
func workOf(e event.Event) (Work, bool) {
	switch f := e.Fact.(type) {
	case event.ArtifactPushed:
		w := Work{Repository: f.Repository, Tags: f.Tags}
		if len(f.Tags) == 0 {
			w.Digest = f.Digest
		}
		return w, true
	case event.TagCreated:
		return Work{Repository: f.Repository, Tags: []string{f.Tag}}, true
	case event.TagDeleted:
		return Work{Repository: f.Repository, Tags: []string{f.Tag}, Digest: f.Digest, Delete: true, Untag: true}, true
	case event.ArtifactDeleted:
		return Work{Repository: f.Repository, Tags: f.Tags, Digest: f.Digest, Delete: true}, true
	}
	return Work{}, false
}

// takes reports whether a policy is about some work, and returns what of it, by
// names and tags. The artifact itself, and its labels, are looked at later.
func (p Policy) takes(w Work) (Work, bool) {
	if w.Delete && !p.Deletion || !p.Wants(w.Repository) {
		return w, false
	}
	if len(w.Tags) == 0 {
		return w, !w.Delete || !p.AsksTags()
	}
	tags := slices.DeleteFunc(slices.Clone(w.Tags), func(t string) bool { return !p.WantsTag(t) })
	w.Untag = w.Untag || w.Delete && len(tags) < len(w.Tags) // there it may have tags that this policy is not about
	w.Tags = tags
	return w, len(tags) > 0
}

// policyWantsOneOf reports whether a tag of an artifact here is wanted.
func (d *doing) policyWantsOneOf(ctx context.Context, of oci.Digest) (bool, error) {
	here, ok := d.from.(*Here)
	if !ok {
		return false, nil
	}
	tags, err := here.Artifacts.TagsOf(ctx, d.source, of, mostFailures)
	return slices.ContainsFunc(tags, d.policy.WantsTag), err
}
