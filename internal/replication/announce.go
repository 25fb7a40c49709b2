package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/endpoint"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
)

// announce tells the project here what a task came to that has ended with an
// error, or with none. Of one that found nothing to do there is nothing to tell.
func (s *Service) announce(ctx context.Context, d *doing, w Work, ended error) error {
	if len(d.progress.Named) == 0 && d.progress.Failed == 0 && ended == nil {
		return nil
	}
	e, err := s.Execution(ctx, d.run.Task.ExecutionID)
	if err != nil {
		return err
	}
	fact := event.ReplicationRan{
		Policy: event.ReplicationPolicy{ID: d.policy.ID, Name: d.policy.Name}, Override: d.policy.Override,
		Execution: e.ID, Task: d.run.Task.ID, Trigger: string(e.Trigger), Started: e.Started, Type: d.progress.Kind, Verb: copied, Done: d.progress.Named,
	}
	if w.Delete {
		fact.Verb = deleted
	}
	for _, f := range d.progress.Failures {
		fact.Failed = append(fact.Failed, event.ReplicationFailure(f))
	}
	if ended != nil && len(fact.Failed) == 0 {
		fact.Failed = []event.ReplicationFailure{{Artifact: d.source, Cause: ended.Error()}}
	}
	if fact.From, err = s.replica(ctx, d.policy.Source, d.source); err != nil {
		return err
	}
	if fact.To, err = s.replica(ctx, d.policy.Destination, d.target); err != nil {
		return err
	}
	fact.Repository = d.source
	if d.policy.Destination == 0 {
		fact.Repository = d.target
	}
	fact.Project, _ = oci.SplitRepository(fact.Repository)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.store.Ran(ctx, fact, access.From(ctx).Actor())
}

// replica says where a repository is. Of a registry that was deleted meanwhile
// nothing else is known.
func (s *Service) replica(ctx context.Context, registry int64, repository string) (event.Replica, error) {
	e, err := s.registries.ByID(ctx, registry)
	if errors.Is(err, endpoint.ErrNotFound) {
		e, err = endpoint.Endpoint{Name: fmt.Sprintf("registry %d", registry)}, nil
	}
	return event.Replica{Registry: e.Name, Type: string(e.Kind), URL: e.URL, Repository: repository}, err
}
