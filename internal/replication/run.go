package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// What the work is given.
const (
	Workers  = 4              // repositories at once, on each node
	Attempts = 3              // of a repository
	Limit    = 24 * time.Hour // of one attempt
)

const (
	mostRepositories = 10_000
	mostTags         = 1_000_000
	mostFailures     = 100
	reportEvery      = 2 * time.Second
	mostPause        = time.Hour
	mostPauses       = 48
)

// Do is the work of job.Replication: it finds the repositories that a policy is
// about, each of which becomes a task, and copies what the policy wants of one.
func (s *Service) Do(ctx context.Context, r *job.Run) error {
	var w Work
	if err := r.Args(&w); err != nil {
		return err
	}
	p, err := s.store.ByID(ctx, w.Policy)
	if err != nil {
		return once(err, fault.NotFound)
	}
	from, to, err := s.sides(ctx, p)
	if err != nil {
		return once(err, fault.NotFound)
	}
	if w.Repository == "" {
		names, err := plan(ctx, p, from)
		if err != nil {
			return once(err, fault.Unsupported, fault.Invalid)
		}
		r.Logf("%d repositories are to be copied", len(names))
		if len(names) == 0 {
			return nil
		}
		parts := make([]any, len(names))
		for i, name := range names {
			parts[i] = Work{Policy: p.ID, Repository: name}
		}
		if err := r.Spread(ctx, parts); err != nil {
			return err
		}
		w.Repository = names[0]
	}
	return s.repository(ctx, r, p, w, from, to)
}

// hopeless are the kinds of faults that somebody has to mend first.
var hopeless = []fault.Kind{fault.Invalid, fault.Denied, fault.Conflict, fault.Precondition, fault.TooLarge, fault.Unsupported}

// once marks an error as one that trying again does not mend, where it is of one
// of some kinds.
func once(err error, kinds ...fault.Kind) error {
	if isOne(err, kinds) {
		return job.Permanent(err)
	}
	return err
}

func isOne(err error, kinds []fault.Kind) bool {
	return slices.ContainsFunc(kinds, func(k fault.Kind) bool { return fault.OfKind(err, k) })
}

// sides returns where a policy copies from and to.
func (s *Service) sides(ctx context.Context, p Policy) (from, to side, err error) {
	other, err := s.registries.Client(ctx, max(p.Source, p.Destination))
	if err != nil {
		return nil, nil, fmt.Errorf("registry %d: %w", max(p.Source, p.Destination), err)
	}
	if p.Source == 0 {
		return s.here, other, nil
	}
	return other, s.here, nil
}

// plan returns the repositories that a policy is about. Where its filters name
// them, the source is not asked for its list, which many registries do not have.
func plan(ctx context.Context, p Policy, from side) ([]string, error) {
	if names, literal := p.Names(); literal {
		for i, name := range names {
			names[i] = remote.FullName(from.Kind(), name)
		}
		slices.Sort(names)
		return slices.Compact(names), nil
	}
	var all []string
	err := from.Repositories(ctx, func(names []string) error {
		for _, name := range names {
			if p.Wants(name) {
				all = append(all, name)
			}
		}
		if len(all) > mostRepositories {
			return ErrInvalid.With("the filters let more than %d repositories pass; divide them among policies", mostRepositories)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("repositories: %w", err)
	}
	return all, nil
}

// A doing is what a task does in one repository.
type doing struct {
	*copying
	run *job.Run

	mu       sync.Mutex
	progress Progress
	kept     time.Time
	pause    time.Duration // that the registry asks for
	mendable bool          // trying again may mend one of the failures
}

// repository does in one repository what a task is to do.
func (s *Service) repository(ctx context.Context, r *job.Run, p Policy, w Work, from, to side) error {
	target, err := p.Target(w.Repository)
	if err == nil {
		err = remote.CheckName(to.Kind(), target)
	}
	if err != nil {
		return job.Permanent(err)
	}
	d := &doing{run: r, copying: &copying{
		policy: p, from: from, to: to, source: w.Repository, target: target, limit: remote.Limit(p.Speed),
		sent: s.sentBetween(p.Source, p.Destination), blobs: make(chan struct{}, blobsAtOnce), parts: map[oci.Digest]*part{},
	}}
	before := Progress{}
	if err := r.Attrs(&before); err != nil {
		return job.Permanent(err)
	}
	d.progress = Progress{Source: w.Repository, Target: target, Kind: before.Kind, Pauses: before.Pauses, Named: before.Named}
	if w.Delete {
		err = d.delete(ctx, w)
	} else {
		err = d.copy(ctx, s, w)
	}
	if d.kind != "" {
		d.progress.Kind = d.kind
	}
	if err != nil {
		err = once(err, hopeless...)
	} else if d.progress.Failed > 0 {
		err = fmt.Errorf("%d of %d artifacts could not be copied, the first because of: %s", d.progress.Failed, d.progress.Total, d.progress.Failures[0].Cause)
		if !d.mendable {
			err = job.Permanent(err)
		}
	}
	if d.pause > 0 && d.progress.Pauses < mostPauses {
		d.progress.Pauses++
		r.Logf("the registry allows no more requests at the moment; it goes on after %s", d.pause)
		err = job.Again{After: d.pause}
	} else if ctx.Err() == nil && (err == nil || job.IsPermanent(err) || r.Attempt >= Attempts) {
		err = errors.Join(err, s.announce(ctx, d, w, err))
	}
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if kept := r.Keep(keeping, d.progress); kept != nil && err == nil {
		err = kept
	}
	return err
}

// sentBetween returns what is known of what one registry sent to another.
func (s *Service) sentBetween(from, to int64) *sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]int64{from, to}
	if s.sent[key] == nil {
		s.sent[key] = newSent()
	}
	return s.sent[key]
}

// copy copies what a task names, or all that the policy wants.
func (d *doing) copy(ctx context.Context, s *Service, w Work) error {
	d.hasTag = d.findTag
	refs := w.Tags
	if w.Digest != "" {
		wanted, err := d.wantsDigest(ctx, w.Digest)
		if err != nil || !wanted {
			return err
		}
		refs = []string{w.Digest}
	} else if refs == nil {
		tags, err := d.tags(ctx)
		if err != nil || len(tags) == 0 {
			return err
		}
		refs = tags
	}
	if err := s.prepare(ctx, d.copying); err != nil {
		return err
	}
	g, copying := errgroup.WithContext(ctx)
	g.SetLimit(artifactsAtOnce)
	for _, ref := range refs {
		g.Go(func() error {
			if err := context.Cause(copying); err != nil {
				return err
			}
			r, err := d.artifact(copying, ref)
			return d.tell(ctx, ref, r, err)
		})
	}
	return g.Wait()
}

// tags returns those of the source that the policy wants, and has all at hand for
// what is asked for later.
func (d *doing) tags(ctx context.Context) ([]string, error) {
	all, wanted := map[string]bool{}, []string(nil)
	err := d.from.Tags(ctx, d.source, func(tags []string) error {
		for _, t := range tags {
			if all[t] = true; d.policy.WantsTag(t) {
				wanted = append(wanted, t)
			}
		}
		if len(all) > mostTags {
			return job.Permanent(ErrInvalid.With("%s has more than %d tags", d.source, mostTags))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tags of %s: %w", d.source, err)
	}
	d.hasTag = func(_ context.Context, tag string) (bool, error) { return all[tag], nil }
	d.run.Logf("%s has %d tags, of which %d are to be copied to %s", d.source, len(all), len(wanted), d.target)
	return wanted, d.findAbsent(ctx, wanted)
}

// listed is how many tags are asked for with a list that need not be asked for
// one by one.
const listed = 20

var errMany = errors.New("replication: asking for each takes less")

// findAbsent finds those of some tags that the target lacks by its list, where
// that takes less than asking for each. Tags that are not to be moved are asked
// for in any case, right before they would be.
func (d *doing) findAbsent(ctx context.Context, tags []string) error {
	if !d.policy.Override {
		return nil
	}
	pages, absent, empty := len(tags)/listed, make(map[string]bool, len(tags)), true
	for _, t := range tags {
		absent[t] = true
	}
	err := errMany
	if pages > 0 {
		err = d.to.Tags(ctx, d.target, func(there []string) error {
			if pages--; pages < 0 {
				return errMany
			}
			for _, t := range there {
				delete(absent, t)
				empty = false
			}
			return nil
		})
	}
	switch {
	case err == nil, fault.OfKind(err, fault.NotFound):
		d.absent, d.empty = absent, empty
	case errors.Is(err, errMany), fault.OfKind(err, fault.Unsupported), fault.OfKind(err, fault.Denied):
	default:
		return fmt.Errorf("tags of %s at the destination: %w", d.target, err)
	}
	return nil
}

// findTag asks the source for a tag.
func (d *doing) findTag(ctx context.Context, tag string) (bool, error) {
	_, err := d.from.StatManifest(ctx, d.source, tag)
	if fault.OfKind(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// wantsDigest reports whether the policy wants an artifact that came without a
// tag: where no filter asks for tags; or where it refers to one that is wanted.
func (d *doing) wantsDigest(ctx context.Context, digest string) (bool, error) {
	if !d.policy.AsksTags() {
		return true, nil
	}
	m := remote.Manifest{Digest: oci.Digest(digest)}
	parsed, err := load(ctx, d.from, d.source, &m)
	if fault.OfKind(err, fault.NotFound) {
		return false, d.tell(ctx, digest, result{what: gone}, nil)
	}
	if err != nil || parsed.Subject == nil {
		return false, err
	}
	return d.policyWantsOneOf(ctx, parsed.Subject.Digest)
}

// prepare makes what the target lacks: its project, or itself.
func (s *Service) prepare(ctx context.Context, c *copying) error {
	public := false
	if here, ok := c.from.(*Here); ok {
		var err error
		if public, err = here.Public(ctx, c.source); err != nil {
			return err
		}
	}
	if err := c.to.Prepare(ctx, c.target, public); err != nil {
		return fmt.Errorf("repository %s of the destination: %w", c.target, err)
	}
	return nil
}

// tell notes what came of an artifact. It returns an error where going on with
// the others makes no sense.
func (d *doing) tell(ctx context.Context, ref string, r result, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	name := d.source + ":" + ref
	if _, notOne := oci.ParseDigest(ref); notOne == nil {
		name = d.source + "@" + ref
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if errors.Is(err, context.Canceled) {
		return nil // another one's failure has ended all
	}
	if err == nil && r.what == "" {
		d.run.Logf("%s: the policy does not want it", name)
		return nil
	}
	if err == nil && r.what == gone {
		d.run.Logf("%s: is not there any more", name)
		return nil
	}
	d.progress.Total++
	switch {
	case err != nil:
		d.progress.Failed++
		d.mendable = d.mendable || !isOne(err, hopeless)
		if len(d.progress.Failures) < mostFailures {
			d.progress.Failures = append(d.progress.Failures, Failure{Artifact: name, Cause: err.Error()})
		}
		d.run.Logf("%s: failed: %v", name, err)
		if after, limited := asksToWait(err); limited {
			d.pause = max(d.pause, after)
			return err
		}
	case r.what == skipped:
		d.progress.Skipped++
		d.run.Logf("%s: left alone: %s", name, r.why)
	case r.what == unchanged:
		d.progress.Done++
		d.run.Logf("%s: is there already, %s", name, r.digest)
	default:
		d.progress.Done++
		took := ""
		if r.what == copied {
			took = fmt.Sprintf(", %d blobs with %d bytes were sent", r.blobs, r.bytes)
		}
		if len(d.progress.Named) < mostFailures {
			d.progress.Named = append(d.progress.Named, name)
		}
		d.progress.Blobs += r.blobs
		d.progress.Bytes += r.bytes
		d.run.Logf("%s: %s, %s%s", name, r.what, r.digest, took)
	}
	if time.Since(d.kept) < reportEvery {
		return nil
	}
	d.kept = time.Now()
	return d.run.Keep(ctx, d.progress)
}

// asksToWait returns how long a registry wants to be left alone that allows no
// more requests.
func asksToWait(err error) (time.Duration, bool) {
	if !fault.OfKind(err, fault.TooMany) {
		return 0, false
	}
	return min(cmp.Or(fault.After(err), time.Minute), mostPause), true
}
