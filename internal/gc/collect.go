package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/event"
)

const (
	// page is how many places of the queue are read at once.
	page = 500
	// linksAtOnce, artifactsAtOnce and keysAtOnce bound one slice of work, which a
	// push into the same repository may have to wait for.
	linksAtOnce     = 100
	artifactsAtOnce = 25
	keysAtOnce      = 250
	// rest is how long a worker rests for each thing that it has looked at, at
	// least. A blob is looked at five times on its way out.
	rest = time.Millisecond
	// lease is how long keys are left to who took them; deleting takes seconds.
	lease = 2 * time.Minute
	// told is how often progress is told at most.
	told = 100 * time.Millisecond
)

// by is who deletes artifacts where nobody else is named.
const by = "berth"

// A run is one collection.
type run struct {
	*Service
	o      Options
	dry    bool
	shift  time.Duration // how far ahead of their time things are looked at
	early  bool          // what was deleted is looked at at once
	report func(Progress)

	mu       sync.Mutex
	leaving  map[user]int64 // of a dry run: how many users would no longer need a blob
	at       Progress
	began    time.Time // of the step
	reported time.Time
}

// Collect removes what nothing references: what was deleted at once, all else
// when it has waited for its delay. It goes on where an earlier collection was
// interrupted, and may run beside others. report, if not nil, is called from time
// to time, never twice at once.
//
// When ctx ends, Collect soon returns its error with what was done so far. It
// returns ErrReadOnly while nothing may be changed, and ErrWorkers. Content that
// cannot be deleted is no error: it is counted, and tried again the next time.
func (s *Service) Collect(ctx context.Context, o Options, report func(Progress)) (Result, error) {
	if o.Workers < 0 || o.Workers > MaxWorkers {
		return Result{}, ErrWorkers
	}
	r := s.run(o, report)
	r.early = true
	if o.DryRun {
		return r.rehearse(ctx)
	}
	return r.collect(ctx)
}

// Review removes what has waited for its time: the one pass that is to be made
// every few minutes. While nothing may be changed it does nothing.
func (s *Service) Review(ctx context.Context) error {
	result, err := s.run(Options{}, nil).collect(ctx)
	if errors.Is(err, ErrReadOnly) {
		return nil
	}
	if result.Links+result.Trashed+result.Blobs+result.Failed > 0 {
		s.cfg.Log.InfoContext(ctx, "collected garbage", "unlinked", result.Links, "trashed", result.Trashed, "trashed_bytes", result.TrashedBytes,
			"deleted", result.Blobs, "freed_bytes", result.Bytes, "failed", result.Failed)
	}
	if err == nil && result.Failed > 0 {
		err = fmt.Errorf("%d blobs could not be deleted: %v", result.Failed, result.Errors)
	}
	return err
}

func (s *Service) run(o Options, report func(Progress)) *run {
	usual := func(given, configured, usual time.Duration) time.Duration {
		return max(0, cmp.Or(given, configured, usual))
	}
	o.Delay, o.Trash = usual(o.Delay, s.cfg.Delay, Delay), usual(o.Trash, s.cfg.Trash, Trash)
	o.Workers = max(1, o.Workers)
	if o.By == (event.Actor{}) {
		o.By.Name = by
	}
	return &run{Service: s, o: o, dry: o.DryRun, shift: Delay - o.Delay, report: report, leaving: map[user]int64{}}
}

// due is what is looked at now.
func (r *run) due() Due {
	now := time.Now()
	d := Due{Deleted: now.Add(r.shift), Rest: now.Add(r.shift)}
	if r.early {
		d.Deleted = now.Add(Delay)
	}
	return d
}

// trashed is since when trash must have been some to go.
func (r *run) trashed() time.Time { return time.Now().Add(-r.o.Trash) }

// collect takes the steps, of which each makes work for the next.
func (r *run) collect(ctx context.Context) (Result, error) {
	defer r.total()
	waiting, err := r.waiting(ctx)
	if err != nil {
		return Result{}, err
	}
	steps := []struct {
		name  string
		total int64
		do    func(context.Context) error
	}{
		{StepUntagged, waiting.Artifacts, r.untag},
		{StepLinks, waiting.Links, r.unlink},
		{StepBlobs, waiting.Blobs, r.trash},
		{StepTrash, waiting.Trash, r.purge},
		{StepContent, waiting.Keys, r.erase},
	}
	for _, s := range steps {
		if s.name == StepUntagged && !r.o.DeleteUntagged {
			continue
		}
		r.enter(s.name, s.total)
		if err := s.do(ctx); err != nil {
			return r.at.Result, err
		}
	}
	if waiting, err = r.waiting(ctx); err != nil {
		return r.at.Result, err
	}
	r.at.Result.Remaining = waiting.Links + waiting.Blobs + waiting.Trash + waiting.Keys + r.at.Result.Failed
	if r.o.DeleteUntagged {
		r.at.Result.Remaining += waiting.Artifacts
	}
	r.tell(true)
	return r.at.Result, nil
}

// total adds what came of a run to the totals.
func (r *run) total() {
	r.Service.mu.Lock()
	defer r.Service.mu.Unlock()
	sum, t := r.at.Result, &r.totals
	t.Collections++
	t.Manifests, t.Blobs, t.Bytes, t.Failed = t.Manifests+sum.Manifests, t.Blobs+sum.Blobs, t.Bytes+sum.Bytes, t.Failed+sum.Failed
}

func (r *run) waiting(ctx context.Context) (Waiting, error) {
	return r.store.Waiting(ctx, r.due(), r.trashed(), time.Now())
}

// slice does a slice of work, which is to say how many things it has looked at.
// Then it rests: pulls that meet work wait for the processor and for the database,
// so that few of them may meet any. The more others keep the machine busy, the
// longer slices take, and the longer the rest.
func (r *run) slice(ctx context.Context, do func() (looked int, err error)) error {
	if err := r.may(ctx); err != nil {
		return err
	}
	began := time.Now()
	looked, err := do()
	if err != nil || looked == 0 {
		return err
	}
	select {
	case <-time.After(max(time.Since(began), time.Duration(looked)*rest)):
	case <-ctx.Done(): // which the next slice tells
	}
	return nil
}

// may is asked before each slice.
func (r *run) may(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.dry || r.cfg.ReadOnly == nil {
		return nil
	}
	frozen, err := r.cfg.ReadOnly(ctx)
	if err == nil && frozen {
		err = ErrReadOnly
	}
	return err
}

func (r *run) untag(ctx context.Context) error {
	return r.each(ctx, Artifact, func(ctx context.Context, repo int64) error {
		return r.slices(ctx, repo, artifactsAtOnce, r.store.Untag)
	})
}

func (r *run) unlink(ctx context.Context) error {
	return r.each(ctx, Link, func(ctx context.Context, repo int64) error {
		return r.slices(ctx, repo, linksAtOnce, r.store.Unlink)
	})
}

// each goes once through the queue, repository by repository.
func (r *run) each(ctx context.Context, k Kind, do func(ctx context.Context, repo int64) error) error {
	due := r.due()
	for mark := (Mark{}); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		repos, next, err := r.store.Page(ctx, k, due, mark, page)
		if err != nil || len(repos) == 0 {
			return err
		}
		mark = next
		// Those who collect at once do not wait for each other all the way.
		rand.Shuffle(len(repos), func(i, j int) { repos[i], repos[j] = repos[j], repos[i] })
		if err := r.share(ctx, repos, do); err != nil {
			return err
		}
	}
}

// share lets the workers do something for each repository.
func (r *run) share(ctx context.Context, repos []int64, do func(ctx context.Context, repo int64) error) error {
	todo := make(chan int64, len(repos))
	for _, repo := range repos {
		todo <- repo
	}
	close(todo)
	return r.together(ctx, func(ctx context.Context) (more bool, err error) {
		repo, more := <-todo
		if more {
			err = do(ctx, repo)
		}
		return more, err
	})
}

// together lets every worker do something until there is no more of it, or one
// has failed.
func (r *run) together(ctx context.Context, do func(context.Context) (more bool, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range r.o.Workers {
		workers.Go(func() {
			for more := true; more && ctx.Err() == nil; {
				var err error
				if more, err = do(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// slices does the reviews of one repository that are due.
func (r *run) slices(ctx context.Context, repo int64, n int, do func(context.Context, Slice) (Done, error)) error {
	s := Slice{Repository: repo, Due: r.due(), N: n, By: r.o.By, Dry: r.dry}
	for {
		var done Done
		err := r.slice(ctx, func() (_ int, err error) {
			s.At = time.Now()
			done, err = do(ctx, s)
			return done.Looked, err
		})
		if err != nil {
			return err
		}
		r.add(int64(done.Looked), func(sum *Result) {
			sum.Manifests += done.Artifacts
			sum.Kept += done.Kept
			sum.Links += done.Links
			sum.Names = append(sum.Names, done.Names[:min(len(done.Names), MaxNames-len(sum.Names))]...)
			for _, f := range done.Freed {
				r.free(repo, f)
			}
		})
		if done.Looked < n {
			return nil
		}
		s.After = done.Last
	}
}

func (r *run) trash(ctx context.Context) error {
	return r.together(ctx, func(ctx context.Context) (bool, error) {
		var done Done
		err := r.slice(ctx, func() (_ int, err error) {
			done, err = r.store.Trash(ctx, r.due(), time.Now(), linksAtOnce)
			return done.Looked, err
		})
		r.add(done.Blobs, func(sum *Result) {
			sum.Trashed += done.Blobs
			sum.TrashedBytes += done.Bytes
		})
		return done.Looked > 0, err
	})
}

// purge empties the trash, and forgets what repositories could serve before.
func (r *run) purge(ctx context.Context) error {
	err := r.together(ctx, func(ctx context.Context) (bool, error) {
		var done Done
		err := r.slice(ctx, func() (_ int, err error) {
			done, err = r.store.Purge(ctx, r.trashed(), time.Now(), linksAtOnce)
			return done.Looked, err
		})
		r.add(done.Blobs, nil)
		return done.Looked > 0, err
	})
	for n := linksAtOnce; err == nil && n == linksAtOnce; {
		err = r.slice(ctx, func() (int, error) {
			n, err = r.store.Expire(ctx, r.trashed(), linksAtOnce)
			return n, err
		})
	}
	return err
}

// erase deletes the content that no row leads to.
func (r *run) erase(ctx context.Context) error {
	return r.together(ctx, func(ctx context.Context) (bool, error) {
		var keys, gone []Key
		var failed []error
		err := r.slice(ctx, func() (_ int, err error) {
			keys, err = r.store.Keys(ctx, time.Now(), lease, keysAtOnce)
			if err != nil || len(keys) == 0 {
				return 0, err
			}
			gone, failed = r.eraseSome(ctx, keys)
			// What is gone is forgotten even where ctx has ended.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetting)
			defer cancel()
			return len(keys), r.store.Forget(ctx, gone)
		})
		r.add(int64(len(gone)), func(sum *Result) {
			for _, k := range gone {
				sum.Blobs, sum.Bytes = sum.Blobs+1, sum.Bytes+k.Size
			}
			for _, err := range failed {
				sum.Failed++
				if len(sum.Errors) < maxErrors {
					sum.Errors = append(sum.Errors, err.Error())
				}
			}
		})
		return len(keys) > 0, err
	})
}

// forgetting bounds how long it may take to forget what is gone.
const forgetting = 30 * time.Second

// eraseSome deletes content, one by one where not all of it can be deleted.
func (r *run) eraseSome(ctx context.Context, keys []Key) (gone []Key, failed []error) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Key
	}
	if r.bytes.Delete(ctx, names...) == nil {
		return keys, nil
	}
	for _, k := range keys {
		if ctx.Err() != nil {
			break
		}
		if err := r.bytes.Delete(ctx, k.Key); err != nil {
			failed = append(failed, fmt.Errorf("delete %s: %w", k.Key, err))
		} else {
			gone = append(gone, k)
		}
	}
	return gone, failed
}

// enter begins a step, of which so much is known to be there.
func (r *run) enter(step string, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Step, r.at.Done, r.at.Total, r.at.Left, r.began = step, 0, total, 0, time.Now()
	r.reported = time.Time{} // the first slice is told in any case
}

// add counts what was done.
func (r *run) add(n int64, count func(*Result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if count != nil {
		count(&r.at.Result)
	}
	r.at.Done += n
	r.at.Total = max(r.at.Total, r.at.Done)
	if took := time.Since(r.began); r.at.Done > 0 {
		r.at.Left = time.Duration(float64(took) / float64(r.at.Done) * float64(r.at.Total-r.at.Done))
	}
	r.tell(false)
}

// tell reports, unless it did so just now and need not.
func (r *run) tell(must bool) {
	if r.report != nil && (must || time.Since(r.reported) >= told) {
		r.reported = time.Now()
		r.report(r.at)
	}
}
