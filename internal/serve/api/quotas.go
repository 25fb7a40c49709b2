package api

import (
	"context"
	"strconv"

	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/quota"
)

// quotas answers for /quotas.
type quotas struct{ quotas *quota.Service }

// resourceList has the bytes of the one resource that is limited.
type resourceList map[string]int64

const storageResource = "storage"

func storage(bytes int64) resourceList { return resourceList{storageResource: bytes} }

type quotaBody struct {
	ID      int64        `json:"id" doc:"that of the project"`
	Ref     quotaRef     `json:"ref"`
	Hard    resourceList `json:"hard" doc:"bytes of storage, -1 for any number"`
	Used    resourceList `json:"used" doc:"bytes of storage"`
	Created moment       `json:"creation_time"`
	Updated moment       `json:"update_time"`
}

type quotaRef struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner_name"`
}

func asQuota(q quota.Quota) quotaBody {
	return quotaBody{
		ID: q.ProjectID, Ref: quotaRef{q.ProjectID, q.Project, q.Owner}, Hard: storage(q.Hard), Used: storage(q.Used),
		Created: moment(q.Created), Updated: moment(q.Updated),
	}
}

type listQuotas struct {
	Paging
	Reference   string `query:"reference" doc:"what the quotas are of: project"`
	ReferenceID string `query:"reference_id" doc:"id of the project"`
	Sort        string `query:"sort" doc:"hard.storage or used.storage, - before it reverses it"`
}

func (q quotas) list(ctx context.Context, in *listQuotas) (*list[quotaBody], error) {
	asked, err := ask(Filtering{Sort: in.Sort}, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.Reference != "" && in.Reference != "project" {
		return nil, quota.ErrInvalid.With("reference: quotas are of a project")
	}
	if in.ReferenceID != "" {
		id, err := strconv.ParseInt(in.ReferenceID, 10, 64)
		if err != nil {
			return nil, quota.ErrInvalid.With("reference_id: it must be the id of a project")
		}
		asked = asked.Where(query.Filter{Field: "reference_id", Value: id})
	}
	found, total, err := q.quotas.List(ctx, asked)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asQuota), nil
}

type getQuota struct {
	ID int64 `path:"id" doc:"id of the quota, which is that of the project"`
}

type quotaAnswer struct {
	Body quotaBody `nameHint:"Quota"`
}

func (q quotas) get(ctx context.Context, in *getQuota) (*quotaAnswer, error) {
	found, err := q.quotas.ByProject(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &quotaAnswer{asQuota(found)}, nil
}

type updateQuota struct {
	ID   int64 `path:"id" doc:"id of the quota, which is that of the project"`
	Body struct {
		Hard resourceList `json:"hard" required:"true" doc:"storage in bytes: -1 for any number, or from 1 to 1125899906842624"`
	} `nameHint:"QuotaUpdateReq"`
}

func (q quotas) update(ctx context.Context, in *updateQuota) (*nothing, error) {
	hard, ok := in.Body.Hard[storageResource]
	if !ok || len(in.Body.Hard) != 1 {
		return nil, quota.ErrInvalid.With("hard: it must have storage, and nothing else")
	}
	return nil, q.quotas.Update(ctx, in.ID, hard)
}
