package advisory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/feed"
)

// A list is a source that is one file.
type list struct {
	name string
	open func(context.Context) (io.ReadCloser, error)
	read func(io.Reader, Writer, *Outcome) error
}

// lists returns those that are to be read.
func (u *update) lists() (all []list) {
	if u.Exploited != nil {
		all = append(all, list{Exploited, u.Exploited, exploited})
	}
	if u.Likelihoods != nil {
		all = append(all, list{Likelihoods, u.Likelihoods, likelihoods})
	}
	return all
}

func exploited(r io.Reader, w Writer, o *Outcome) error {
	return feed.Exploited(r, func(cve, since string) error {
		o.Changed++
		return w.Exploit(cve, since)
	})
}

func likelihoods(r io.Reader, w Writer, o *Outcome) error {
	return feed.Likelihoods(r, func(l feed.Likelihood) error {
		o.Changed++
		return w.Likely(l)
	})
}

// fetchList says what is to be done with a list: nothing where it is the file that
// all came from last.
func (u *update) fetchList(ctx context.Context, s *step, l list) error {
	u.tell(Progress{Source: l.name, Message: "fetching"})
	f, err := u.store.Temp()
	if err != nil {
		return err
	}
	u.temps = append(u.temps, f)
	in, err := l.open(ctx)
	if err != nil {
		return err
	}
	hash := sha256.New()
	size, err := feed.Copy(io.MultiWriter(f, hash), in, feed.MaxList)
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	mark := hex.EncodeToString(hash.Sum(nil))
	if u.have[l.name].Mark == mark {
		return nil
	}
	s.do = func(ctx context.Context, d Draft, o *Outcome) error {
		return u.takeList(ctx, d, o, l, io.NewSectionReader(f, 0, size), mark)
	}
	return nil
}

// takeList takes all of a list.
func (u *update) takeList(ctx context.Context, d Draft, o *Outcome, l list, text io.Reader, mark string) error {
	return d.Within(ctx, func(w Writer) error {
		if err := w.Clear(l.name); err != nil {
			return err
		}
		if err := l.read(text, w, o); err != nil {
			return err
		}
		if had := u.have[l.name].Records; had >= fewRecords && o.Changed < had/2 {
			return ErrShrunk.With("%d of %d", o.Changed, had)
		}
		return w.Note(Source{Name: l.name, At: u.now(), Mark: mark})
	})
}

// sortBy sorts by a text.
func sortBy[T any](all []T, text func(T) string) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(text(a), text(b)) })
}
