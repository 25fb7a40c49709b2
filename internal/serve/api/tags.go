package api

import (
	"context"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/immutable"
)

type tagBody struct {
	ID           int64  `json:"id"`
	RepositoryID int64  `json:"repository_id"`
	ArtifactID   int64  `json:"artifact_id"`
	Name         string `json:"name"`
	Pushed       moment `json:"push_time"`
	Pulled       moment `json:"pull_time"`
	Immutable    bool   `json:"immutable" doc:"only where it is asked for"`
}

func asTag(t artifact.Tag) tagBody {
	return tagBody{ID: t.ID, RepositoryID: t.RepositoryID, ArtifactID: t.ArtifactID, Name: t.Name, Pushed: moment(t.Pushed), Pulled: moment(t.Pulled)}
}

type listTags struct {
	InArtifact
	Filtering
	Paging
	Immutable bool `query:"with_immutable_status" default:"false" doc:"whether tags may move"`
}

func (a artifacts) tags(ctx context.Context, in *listTags) (*list[tagBody], error) {
	d, err := a.find(ctx, in.InArtifact, artifact.Parts{})
	if err != nil {
		return nil, err
	}
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := a.catalog.TagsOfArtifact(ctx, d.ID, q)
	if err != nil {
		return nil, err
	}
	out := page(in.Paging, found, total, asTag)
	if in.Immutable {
		rules, err := a.rules.Of(ctx, d.ProjectID)
		if err != nil {
			return nil, err
		}
		markImmutable(rules.In(d.Repository), out.Body)
	}
	return out, nil
}

func markImmutable(rules immutable.Rules, tags []tagBody) {
	for i := range tags {
		tags[i].Immutable = rules.Match(tags[i].Name)
	}
}

type createTag struct {
	InArtifact
	Body tagBody `doc:"of which the name counts"`
}

func (a artifacts) createTag(ctx context.Context, in *createTag) (*created, error) {
	if err := in.takesPushes(); err != nil {
		return nil, err
	}
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	if err := a.content.CreateTag(ctx, repo, ref, in.Body.Name); err != nil {
		return nil, err
	}
	return &created{}, nil
}

type deleteTag struct {
	InArtifact
	Tag string `path:"tag_name"`
}

func (a artifacts) deleteTag(ctx context.Context, in *deleteTag) (*nothing, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	return nil, a.content.DeleteTag(ctx, repo, ref, in.Tag)
}
