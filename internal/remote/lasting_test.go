package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/remote"
)

// A spring is content of which each opening gives so much, and then an error; the
// last one gives all.
type spring struct {
	content []byte
	gives   []int
	err     error // io.EOF: it ends as if that were all
	opened  []int64
	closed  int
}

func (s *spring) open(offset int64) (io.ReadCloser, error) {
	s.opened = append(s.opened, offset)
	rest := s.content[offset:]
	if len(s.gives) == 0 {
		return &flow{bytes.NewReader(rest), s}, nil
	}
	n := s.gives[0]
	s.gives = s.gives[1:]
	if n < 0 {
		return nil, s.err
	}
	return &flow{io.MultiReader(bytes.NewReader(rest[:n]), failing{s.err}), s}, nil
}

type flow struct {
	io.Reader
	of *spring
}

func (f *flow) Close() error {
	f.of.closed++
	return nil
}

// Content goes on where its source broke off, and ends where that never comes
// back.
func TestContentThatLasts(t *testing.T) {
	down := remote.ErrUnavailable.With("down")
	lost := remote.ErrNotFound.With("lost")
	other := errors.New("the disk")
	for name, tt := range map[string]struct {
		size   int64
		gives  []int
		err    error
		got    int
		want   error
		opened []int64
	}{
		"at once":                  {100, nil, nil, 100, nil, []int64{0}},
		"breaks off":               {100, []int{30, 20}, down, 100, nil, []int64{0, 30, 50}},
		"breaks off at its end":    {100, []int{100}, down, 100, nil, []int64{0, 100}},
		"ends early":               {100, []int{30, 20}, io.EOF, 100, nil, []int64{0, 30, 50}},
		"is not open at first":     {100, []int{-1, -1, 40}, down, 100, nil, []int64{0, 0, 0, 40}},
		"never comes back":         {100, []int{30, -1, -1, -1, 0, -1}, down, 30, remote.ErrUnavailable, []int64{0, 30, 30, 30, 30}},
		"always ends early":        {100, []int{30, 0, 0, 0, 0, 0}, io.EOF, 30, remote.ErrUnavailable, []int64{0, 30, 30, 30, 30}},
		"comes back each time":     {100, []int{10, -1, -1, -1, 10, -1, -1, -1, 10, -1, -1, -1}, down, 100, nil, []int64{0, 10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30}},
		"is gone":                  {100, []int{30, -1}, lost, 30, remote.ErrNotFound, []int64{0}},
		"fails":                    {100, []int{30}, other, 30, other, []int64{0}},
		"of any size":              {-1, nil, nil, 100, nil, []int64{0}},
		"of any size, breaks off":  {-1, []int{30}, down, 100, nil, []int64{0, 30}},
		"of any size, ends early":  {-1, []int{30}, io.EOF, 30, nil, []int64{0}}, // which nobody can tell from its end
		"of any size, never there": {-1, []int{-1, -1, -1, -1, -1}, down, 0, remote.ErrUnavailable, []int64{0, 0, 0, 0, 0}},
		"of nothing":               {0, []int{0}, io.EOF, 0, nil, []int64{0}},
	} {
		synctest.Test(t, func(t *testing.T) { // pauses take no time
			s := &spring{content: noise(100), gives: tt.gives, err: tt.err}
			if name == "of nothing" {
				s.content = nil
			}
			l := remote.Lasting(t.Context(), nil, tt.size, s.open)
			got, err := io.ReadAll(l)
			if !bytes.Equal(got, s.content[:tt.got]) || !errors.Is(err, tt.want) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			if failed := l.Err(); !errors.Is(failed, tt.want) {
				t.Errorf("%s: it says that it failed: %v", name, failed)
			}
			if n, err := l.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: past its end %d, %v", name, n, err)
			}
			if !slices.Equal(s.opened, tt.opened) {
				t.Errorf("%s: opened at %v", name, s.opened)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What nobody waits for lasts for a minute, and no longer.
func TestPatientContent(t *testing.T) {
	for _, away := range []int{7, 8} {
		synctest.Test(t, func(t *testing.T) {
			s := &spring{content: noise(100), gives: append([]int{30}, slices.Repeat([]int{-1}, away-1)...), err: remote.ErrUnavailable.With("down")}
			l, began := remote.Patient(t.Context(), 100, s.open), time.Now()
			got, err := io.ReadAll(l)
			if lasted := err == nil && len(got) == 100; lasted != (away == 7) || !lasted && !errors.Is(err, remote.ErrUnavailable) {
				t.Errorf("away for %d tries: %d bytes, %v", away, len(got), err)
			}
			if took := time.Since(began); took < time.Minute || took > 70*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// What is open already is read first, and each source is closed.
func TestContentThatIsOpenAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spring{content: noise(100), gives: []int{30, 30}, err: io.EOF}
		first, err := s.open(0)
		if err != nil {
			t.Fatal(err)
		}
		l := remote.Lasting(t.Context(), first, 100, s.open)
		if n, err := l.Read(nil); n != 0 || err != nil {
			t.Errorf("no bytes: %d, %v", n, err)
		}
		got, err := io.ReadAll(l)
		if err != nil || !bytes.Equal(got, s.content) || !slices.Equal(s.opened, []int64{0, 30, 60}) {
			t.Errorf("%d bytes, %v, opened at %v", len(got), err, s.opened)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil || s.closed != 3 {
			t.Errorf("%d sources were closed, %v", s.closed, err)
		}
	})
}

// Who no longer wants content does not wait for its source.
func TestContentThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &spring{content: noise(100), gives: []int{30, -1, -1, -1, -1}, err: remote.ErrUnavailable.With("down")}
		l := remote.Lasting(ctx, nil, 100, s.open)
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if got, err := io.ReadAll(l); len(got) != 30 || !fault.OfKind(err, fault.Unavailable) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
