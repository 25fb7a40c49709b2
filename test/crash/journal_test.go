//go:build e2e

package crash

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/berth-registry/berth/test/registry"
)

// A place is a reference (a tag or a digest) in a repository.
type place struct{ repo, reference string }

// A fate is what must have become of a manifest.
type fate int

const (
	doubtful  fate = iota // asked for and not answered: there as a whole, or not at all
	kept                  // acknowledged: there
	abandoned             // its deletion was acknowledged: not there
)

// An upload is one that was begun and not ended.
type upload struct {
	repo, at string
	blob     registry.Blob
	offset   int64 // acknowledged
}

// A journal is what the server acknowledged, and what it may have done without
// having been able to say so.
type journal struct {
	mu        sync.Mutex
	manifests map[place]fate
	tags      map[place][]string // the digests that a tag may stand for; "" where it may be absent
	blobs     map[place]bool
	fresh     map[place]bool // manifests and blobs since the last check
	uploads   []upload
	resumed   int

	collected bool // blobs that no manifest references may be gone
}

func newJournal() *journal {
	return &journal{
		manifests: map[place]fate{}, tags: map[place][]string{}, blobs: map[place]bool{}, fresh: map[place]bool{},
	}
}

func (j *journal) String() string {
	counts := map[fate]int{}
	for _, f := range j.manifests {
		counts[f]++
	}
	return fmt.Sprintf("%d manifests kept, %d deleted; %d tags; %d blobs; %d uploads gone on with",
		counts[kept], counts[abandoned], len(j.tags), len(j.blobs), j.resumed)
}

func (j *journal) blob(p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.blobs[p], j.fresh[p] = true, true
}

func (j *journal) upload(u upload) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploads = append(j.uploads, u)
}

func (j *journal) pushing(repo, tag, digest string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.manifests[place{repo, digest}] = doubtful
	j.fresh[place{repo, digest}] = true
	if tag != "" {
		p := place{repo, tag}
		if len(j.tags[p]) == 0 {
			j.tags[p] = []string{""}
		}
		j.tags[p] = append(j.tags[p], digest)
	}
}

func (j *journal) pushed(repo, tag, digest string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.manifests[place{repo, digest}] = kept
	if tag != "" {
		j.tags[place{repo, tag}] = []string{digest}
	}
}

// deleting a manifest takes the tags that stand for it away.
func (j *journal) deleting(p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.manifests[p], j.fresh[p] = doubtful, true
	for tag, digests := range j.tags {
		if tag.repo == p.repo && slices.Contains(digests, p.reference) {
			j.tags[tag] = append(digests, "")
		}
	}
}

func (j *journal) deleted(p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.manifests[p] = abandoned
	for tag, digests := range j.tags {
		if tag.repo == p.repo {
			j.tags[tag] = slices.DeleteFunc(digests, func(d string) bool { return d == p.reference })
		}
	}
}

// check compares the server with what came into the journal since the last
// check, and what was in doubt is settled by what is found. No worker runs.
func (j *journal) check(ctx context.Context, t *testing.T, s *registry.Session) {
	t.Helper()
	for p := range j.fresh {
		if j.blobs[p] && j.collected {
			continue
		}
		if j.blobs[p] {
			if err := s.CheckBlob(ctx, p.repo, p.reference); err != nil {
				t.Errorf("an acknowledged blob: %v", err)
			}
			continue
		}
		j.manifests[p] = j.checkManifest(ctx, t, s, p, j.manifests[p])
	}
	for p, digests := range j.tags {
		if len(digests) > 1 || j.fresh[place{p.repo, digests[0]}] {
			j.checkTag(ctx, t, s, p)
		}
	}
	for _, u := range j.uploads {
		j.resume(ctx, t, s, u)
	}
	clear(j.fresh)
	j.uploads = nil
}

func (j *journal) checkManifest(ctx context.Context, t *testing.T, s *registry.Session, p place, f fate) fate {
	t.Helper()
	if _, err := s.GetManifest(ctx, p.repo, p.reference); err != nil {
		gone, err := absent(err)
		switch {
		case err != nil:
			t.Errorf("%s@%s: %v", p.repo, p.reference, err)
		case gone && f == kept:
			t.Errorf("the acknowledged manifest %s@%s is lost", p.repo, p.reference)
		}
		return abandoned
	}
	if f == abandoned {
		t.Errorf("the deleted manifest %s@%s is back", p.repo, p.reference)
	}
	if err := s.CheckImage(ctx, p.repo, p.reference); err != nil {
		t.Errorf("a manifest that is there: %v", err)
	}
	return kept
}

func (j *journal) checkTag(ctx context.Context, t *testing.T, s *registry.Session, p place) {
	t.Helper()
	digest, err := s.HeadManifest(ctx, p.repo, p.reference)
	if err != nil {
		gone, err := absent(err)
		if !gone {
			t.Errorf("%s:%s: %v", p.repo, p.reference, err)
			return
		}
	}
	if !slices.Contains(j.tags[p], digest) {
		t.Errorf("%s:%s stands for %q; it was last put to one of %q", p.repo, p.reference, digest, j.tags[p])
	}
	j.tags[p] = []string{digest}
}

// resume goes on with an upload of before the crash from where the server says
// that it stands.
func (j *journal) resume(ctx context.Context, t *testing.T, s *registry.Session, u upload) {
	t.Helper()
	offset, err := s.Offset(ctx, u.at)
	if err != nil {
		t.Errorf("an acknowledged part of an upload is lost: %v", err)
		return
	}
	if offset != u.offset {
		t.Errorf("an upload stands at %d, acknowledged were %d", offset, u.offset)
		return
	}
	at, err := s.Append(ctx, u.at, u.blob, offset, u.blob.Size)
	if err == nil {
		err = s.Commit(ctx, at, u.blob.Digest)
	}
	if err == nil {
		err = s.CheckBlob(ctx, u.repo, u.blob.Digest)
	}
	if err != nil {
		t.Errorf("going on with an upload: %v", err)
		return
	}
	j.blobs[place{u.repo, u.blob.Digest}] = true
	j.resumed++
}
