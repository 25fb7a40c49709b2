package gc

import (
	"context"

	"github.com/berth-registry/berth/internal/oci"
)

// maxLeaving bounds what a dry run keeps in memory of blobs with several users.
const maxLeaving = 100_000

// rehearse is collect for a dry run. Each slice is done in a transaction that is
// then undone, so that what only several leave behind is counted here. Where that
// is too much to be kept, what is counted is the least that would go.
func (r *run) rehearse(ctx context.Context) (Result, error) {
	waiting, err := r.waiting(ctx)
	if err != nil {
		return Result{}, err
	}
	if r.o.DeleteUntagged {
		r.enter(StepUntagged, waiting.Artifacts)
		if err := r.untag(ctx); err != nil {
			return r.at.Result, err
		}
	}
	r.enter(StepLinks, waiting.Links)
	if err := r.unlink(ctx); err != nil {
		return r.at.Result, err
	}
	sum := &r.at.Result
	sum.Trashed, sum.TrashedBytes = sum.Trashed+waiting.Blobs, sum.TrashedBytes+waiting.BlobBytes
	sum.Blobs, sum.Bytes = waiting.Trash+waiting.Keys, waiting.TrashBytes+waiting.KeyBytes
	if r.o.Trash == 0 {
		sum.Blobs, sum.Bytes = sum.Blobs+sum.Trashed, sum.Bytes+sum.TrashedBytes
	}
	r.tell(true)
	return *sum, nil
}

// A user is who needs a blob: the manifests of a repository, or, as 0, the
// repositories.
type user struct {
	repository int64 // id
	digest     oci.Digest
}

// free counts a blob that its last user in a repository, or of all, would no
// longer need. The caller holds r.mu.
func (r *run) free(repo int64, f Freed) {
	if f.Still > 0 && !r.last(user{repo, f.Digest}, f.By, f.By+f.Still) {
		return
	}
	r.at.Result.Links++
	if f.Elsewhere > 0 && !r.last(user{0, f.Digest}, 1, f.Elsewhere+1) {
		return
	}
	r.at.Result.Trashed++
	r.at.Result.TrashedBytes += f.Size
}

// last counts users that would go, and reports whether these are the last ones.
func (r *run) last(u user, by, of int64) bool {
	if _, known := r.leaving[u]; !known && len(r.leaving) == maxLeaving {
		return false
	}
	r.leaving[u] += by
	return r.leaving[u] == of
}
