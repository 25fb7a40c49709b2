//go:build e2e

package crash

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/registry"
)

// A place is a reference (a tag or a digest) in a repository.
type place struct{ repo, reference string }

func (p place) String() string {
	if strings.HasPrefix(p.reference, "sha256:") {
		return p.repo + "@" + p.reference
	}
	return p.repo + ":" + p.reference
}

// A fate is what must have become of a manifest.
type fate int

const (
	doubtful  fate = iota // asked for and not answered: there as a whole, or not at all
	kept                  // acknowledged: there, as long as something holds it
	abandoned             // its deletion was acknowledged, or it was found to be gone: not there
)

// An upload is one that was begun and not ended.
type upload struct {
	repo, at string
	blob     registry.Blob
	offset   int64 // acknowledged
}

// An entry is something that was done, with the places and digests that it was
// about: none where it was about everything.
type entry struct {
	at    time.Time
	what  string
	about []string
}

// A journal is what the server acknowledged, and what it may have done without
// having been able to say so.
type journal struct {
	mu        sync.Mutex
	manifests map[place]fate
	tags      map[place][]string  // the digests that a tag may stand for; "" where it may be absent
	children  map[string][]string // of indexes, all by their digests
	fresh     map[place]bool      // manifests since the last check
	blobs     map[place]bool      // acknowledged since the last check
	uploads   []upload
	entries   []entry
	counts    map[string]int // of what was acknowledged
}

func newJournal() *journal {
	return &journal{
		manifests: map[place]fate{}, tags: map[place][]string{}, children: map[string][]string{},
		fresh: map[place]bool{}, blobs: map[place]bool{}, counts: map[string]int{},
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var said []string
	for what, n := range j.counts {
		said = append(said, fmt.Sprintf("%s: %d", what, n))
	}
	slices.Sort(said)
	return strings.Join(said, ", ")
}

// count counts something that was done.
func (j *journal) count(what string, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[what] += n
}

// note keeps something that was done, for who has to find out what went wrong.
func (j *journal) note(what string, about ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(what, about...)
}

// add is note for who holds j.mu.
func (j *journal) add(what string, about ...string) {
	j.entries = append(j.entries, entry{time.Now(), what, about})
}

var digests = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// story is what was last done with a place and with the digests in a text, and
// around it.
func (j *journal) story(text string, p place) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := append(digests.FindAllString(text, -1), p.String(), p.reference)
	const most = 20
	var of, all []entry
	for _, e := range j.entries {
		switch {
		case len(e.about) == 0:
			all = append(all, e)
		case slices.ContainsFunc(e.about, func(a string) bool { return slices.Contains(names, a) }):
			of = append(of, e)
		}
	}
	told := append(of[max(0, len(of)-most):], all[max(0, len(all)-most):]...)
	slices.SortStableFunc(told, func(a, b entry) int { return a.at.Compare(b.at) })
	var out strings.Builder
	for _, e := range told {
		fmt.Fprintf(&out, "\n\t%s %s %s", e.at.Format("15:04:05.000"), e.what, strings.Join(e.about, " "))
	}
	return out.String()
}

// fail fails the test with all that is known of a place.
func (j *journal) fail(t *testing.T, p place, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.Errorf("%s: %s; what was done:%s", p, text, j.story(text, p))
}

// blob notes one that was acknowledged.
func (j *journal) blob(p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.blobs[p] = true
}

func (j *journal) upload(u upload) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.uploads = append(j.uploads, u)
}

// whole returns a digest, and those of the children where it is an index's.
func (j *journal) whole(digest string) []string {
	return append([]string{digest}, j.children[digest]...)
}

// doubt notes that something is asked for which makes or deletes a manifest, and
// with it the children.
func (j *journal) doubt(p place) {
	for _, d := range j.whole(p.reference) {
		j.manifests[place{p.repo, d}], j.fresh[place{p.repo, d}] = doubtful, true
	}
}

// settle notes what became of a manifest, with its children.
func (j *journal) settle(p place, f fate) {
	for _, d := range j.whole(p.reference) {
		j.manifests[place{p.repo, d}] = f
	}
}

// pushing a manifest may make it, and its tag if there is one.
func (j *journal) pushing(who, how, repo, tag, digest string, parts ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" "+how, append(parts, place{repo, digest}.String(), place{repo, tag}.String(), digest)...)
	j.doubt(place{repo, digest})
	if tag != "" {
		p := place{repo, tag}
		if len(j.tags[p]) == 0 {
			j.tags[p] = []string{""}
		}
		j.tags[p] = append(j.tags[p], digest)
	}
}

func (j *journal) pushed(who, how, repo, tag, digest string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" did "+how, place{repo, digest}.String(), place{repo, tag}.String(), digest)
	j.counts[how]++
	j.settle(place{repo, digest}, kept)
	if tag != "" {
		j.tags[place{repo, tag}] = []string{digest}
	}
}

// untagging takes one tag away.
func (j *journal) untagging(who string, p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" untags", append(j.tags[p], p.String())...)
	j.tags[p] = append(j.tags[p], "")
}

func (j *journal) untagged(who string, p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" untagged", p.String())
	j.counts["untag"]++
	j.tags[p] = []string{""}
}

// deleting a manifest takes the tags that stand for it away.
func (j *journal) deleting(who string, p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" deletes", p.String(), p.reference)
	j.doubt(p)
	for tag, digests := range j.tags {
		if tag.repo == p.repo && slices.Contains(digests, p.reference) {
			j.tags[tag] = append(digests, "")
		}
	}
}

func (j *journal) deleted(who string, p place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who+" deleted", p.String(), p.reference)
	j.counts["delete"]++
	j.settle(p, abandoned)
	for tag, digests := range j.tags {
		if tag.repo == p.repo {
			j.tags[tag] = slices.DeleteFunc(digests, func(d string) bool { return d == p.reference })
		}
	}
}

// dropping a repository takes everything in it away. It reports whether it
// must be there.
func (j *journal) dropping(who, repo string) (there bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for p, f := range j.manifests {
		there = there || p.repo == repo && f == kept
		if p.repo == repo && f != abandoned {
			j.manifests[p], j.fresh[p] = doubtful, true
			j.add(who+" deletes the repository of", p.String(), p.reference)
		}
	}
	for p := range j.tags {
		if p.repo == repo {
			j.tags[p] = append(j.tags[p], "")
		}
	}
	for p := range j.blobs {
		if p.repo == repo {
			delete(j.blobs, p)
		}
	}
	return there
}

func (j *journal) dropped(who, repo string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(who + " deleted the repository " + repo)
	j.counts["delete repository"]++
	for p := range j.manifests {
		if p.repo == repo {
			j.manifests[p] = abandoned
		}
	}
	for p := range j.tags {
		if p.repo == repo {
			j.tags[p] = []string{""}
		}
	}
}

// tagsOf returns the tags in a repository that stand for a digest, and no other.
func (j *journal) tagsOf(repo, digest string) (tags []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for p, digests := range j.tags {
		if p.repo == repo && len(digests) == 1 && digests[0] == digest {
			tags = append(tags, p.reference)
		}
	}
	return tags
}

// fate returns what is known of a manifest.
func (j *journal) fate(p place) fate {
	j.mu.Lock()
	defer j.mu.Unlock()
	f, known := j.manifests[p]
	if !known {
		return abandoned
	}
	return f
}

// held returns the manifests that a tag stands for, or an index of these lists.
func (j *journal) held() map[place]bool {
	held := map[place]bool{}
	for p, digests := range j.tags {
		for _, d := range j.whole(digests[0]) {
			held[place{p.repo, d}] = true
		}
	}
	return held
}

// check compares the server with what came into the journal since the last
// check, and what was in doubt is settled by what is found. No worker runs.
// patient says that nothing has waited for its time since then: what nothing
// holds so far is still there.
func (j *journal) check(ctx context.Context, t *testing.T, s *registry.Session, patient, blobs bool) {
	t.Helper()
	for p, digests := range j.tags {
		if len(digests) > 1 || j.fresh[place{p.repo, digests[0]}] {
			j.checkTag(ctx, t, s, p)
		}
	}
	held := j.held()
	for p := range j.fresh {
		j.manifests[p] = j.checkManifest(ctx, t, s, p, patient || held[p])
	}
	if blobs {
		for p := range j.blobs {
			if err := s.CheckBlob(ctx, p.repo, p.reference); err != nil {
				j.fail(t, p, "an acknowledged blob: %v", err)
			}
		}
	}
	for _, u := range j.uploads {
		j.resume(ctx, t, s, u)
	}
	clear(j.fresh)
	clear(j.blobs)
	j.uploads = nil
}

// checkManifest returns what became of a manifest, which must be there if it was
// acknowledged, and if something holds it.
func (j *journal) checkManifest(ctx context.Context, t *testing.T, s *registry.Session, p place, held bool) fate {
	t.Helper()
	f := j.manifests[p]
	err := s.CheckImage(ctx, p.repo, p.reference)
	if err == nil {
		if f == abandoned {
			j.fail(t, p, "the deleted manifest is back")
		}
		return kept
	}
	// It may have gone while it was looked at.
	_, absent := s.GetManifest(ctx, p.repo, p.reference)
	switch {
	case registry.StatusOf(absent) != http.StatusNotFound:
		j.fail(t, p, "a manifest that is there: %v", err)
	case f == kept && held:
		j.fail(t, p, "the acknowledged manifest is lost: %v", err)
	}
	return abandoned
}

func (j *journal) checkTag(ctx context.Context, t *testing.T, s *registry.Session, p place) {
	t.Helper()
	digest, err := s.HeadManifest(ctx, p.repo, p.reference)
	if err != nil && registry.StatusOf(err) != http.StatusNotFound {
		j.fail(t, p, "%v", err)
		return
	}
	if !slices.Contains(j.tags[p], digest) {
		j.fail(t, p, "it stands for %q; it was last put to one of %q", digest, j.tags[p])
	}
	j.tags[p] = []string{digest}
}

// resume goes on with an upload of before the crash from where the server says
// that it stands.
func (j *journal) resume(ctx context.Context, t *testing.T, s *registry.Session, u upload) {
	t.Helper()
	p := place{u.repo, u.blob.Digest}
	offset, err := s.Offset(ctx, u.at)
	if err != nil {
		j.fail(t, p, "an acknowledged part of an upload is lost: %v", err)
		return
	}
	if offset != u.offset {
		j.fail(t, p, "an upload stands at %d, acknowledged were %d", offset, u.offset)
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
		j.fail(t, p, "going on with an upload: %v", err)
		return
	}
	j.count("go on with an upload", 1)
}

// checkTags checks that all that the repository shows can be pulled whole.
func (j *journal) checkTags(ctx context.Context, t *testing.T, s *registry.Session, repo string) {
	t.Helper()
	tags, err := s.Tags(ctx, repo, 10000, "")
	if registry.StatusOf(err) == http.StatusNotFound {
		return // killed before its first manifest
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		p := place{repo, tag}
		if stands := j.tags[p]; len(stands) == 0 || stands[0] == "" {
			j.fail(t, p, "it is there, but nobody pushed it, or it was deleted")
		}
		if err := s.CheckImage(ctx, repo, tag); err != nil {
			j.fail(t, p, "a tag that the server lists: %v", err)
		}
	}
}

// checkEverything checks all that was ever acknowledged, and then all that the
// server shows, known or not.
func (j *journal) checkEverything(ctx context.Context, t *testing.T, c *registry.Client) {
	t.Helper()
	catalog, err := c.SignIn(ctx, "registry:catalog:*")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := catalog.Repositories(ctx, 10000, "")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, repo := range shown {
		all[repo] = true
	}
	for p := range j.manifests {
		all[p.repo] = true
	}
	held := j.held()
	for repo := range all {
		s, err := c.SignIn(ctx, registry.Scope(repo, registry.Pull))
		if err != nil {
			t.Fatal(err)
		}
		j.checkTags(ctx, t, s, repo)
		for p := range j.tags {
			if p.repo == repo {
				j.checkTag(ctx, t, s, p)
			}
		}
		for p := range j.manifests {
			if p.repo == repo {
				j.manifests[p] = j.checkManifest(ctx, t, s, p, held[p])
			}
		}
	}
}

// lists notes the children of an index.
func (j *journal) lists(index string, children []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.children[index] = children
}
