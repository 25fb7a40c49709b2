package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Pulled implements artifact.Store.
func (s *Artifacts) Pulled(ctx context.Context, pulls []artifact.Pull, omit artifact.Omit) error {
	tallies := map[string]*tally{} // by repository
	events := make([]event.Event, 0, len(pulls))
	for _, p := range pulls {
		fact := p.Event.Fact.(event.ArtifactPulled)
		if !omit.Events {
			events = append(events, p.Event)
		}
		if p.Scan && omit.Scans {
			continue
		}
		t := tallies[fact.Repository]
		if t == nil {
			t = &tally{artifacts: map[int64]int64{}, tags: map[pulledTag]int64{}}
			tallies[fact.Repository] = t
		}
		t.add(p, fact.Tag)
	}
	return s.db.Write(ctx, func(tx *db.Tx) error {
		for _, repository := range slices.Sorted(maps.Keys(tallies)) {
			if err := tallies[repository].write(tx, repository, omit); err != nil {
				return fmt.Errorf("pulls from %s: %w", repository, err)
			}
		}
		return record(tx, events...)
	})
}

// A tally is what the pulls from one repository come to: their number, and when
// each artifact and each tag was pulled last.
type tally struct {
	count     int64
	artifacts map[int64]int64
	tags      map[pulledTag]int64
}

type pulledTag struct {
	name     string
	artifact int64 // that it pointed at
}

func (t *tally) add(p artifact.Pull, tag string) {
	at := p.Event.At.UnixMicro()
	t.count++
	t.artifacts[p.ArtifactID] = max(t.artifacts[p.ArtifactID], at)
	if tag != "" {
		key := pulledTag{tag, p.ArtifactID}
		t.tags[key] = max(t.tags[key], at)
	}
}

// updatePulledTag finds the tag by its name, since an artifact may have many.
const updatePulledTag = `UPDATE tag SET pulled = ? WHERE repository_id = ? AND name = ? AND artifact_id = ? AND pulled < ?`

func (t *tally) write(tx *db.Tx, repository string, omit artifact.Omit) error {
	if omit.Counts && omit.Times {
		return nil
	}
	if omit.Counts {
		t.count = 0
	}
	if omit.Times {
		t.artifacts, t.tags = nil, nil
	}
	var repo int64
	err := tx.QueryRow(`UPDATE repository SET pull_count = pull_count + ? WHERE name = ? RETURNING id`, t.count, repository).Scan(&repo)
	if errors.Is(err, db.ErrNotFound) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	for id, at := range t.artifacts {
		if _, err := tx.Exec(`UPDATE artifact SET pulled = ? WHERE id = ? AND pulled < ?`, at, id, at); err != nil {
			return err
		}
	}
	for tag, at := range t.tags {
		if _, err := tx.Exec(updatePulledTag, at, repo, tag.name, tag.artifact, at); err != nil {
			return err
		}
	}
	return nil
}
