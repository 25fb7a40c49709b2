package scan

import (
	"context"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
)

// A Judged is an image, without its body, with what the report of its
// vulnerabilities by one scanner comes to.
type Judged struct {
	Image

	Report int64      // 0: there is none
	Status job.Status // of the last examination
	Made   bool       // the rest was found
	Counts Counts
}

// A Severe is a finding as those need it who decide about it.
type Severe struct {
	Vulnerability int64 // by which those of a report are in order
	CVE           string
	Severity      finding.Severity
	Harmless      bool // somebody has said so of it here
}

// A Standing says what is known of an artifact's vulnerabilities, to those who
// decide about it.
type Standing struct {
	Examinable bool    // a scanner could look at it, or at some of what an index contains
	Known      bool    // one has looked, at all of that
	Pending    bool    // one is about to
	Severe     Tally   // of what is at least as severe as was asked, once for each image
	Reports    []int64 // that have any of it
}

// A Tally says how many vulnerabilities there are.
type Tally struct {
	Count int64
	Worst finding.Severity
	Part  bool // there may be more, and worse
	Over  bool // there are more than are looked at
}

func (t *Tally) add(n int64, s finding.Severity) {
	if n > 0 {
		t.Count, t.Worst = t.Count+n, max(t.Worst, s)
	}
}

// Standing returns that of an artifact by a scanner, whose UUID is empty where there
// is none. No finding is read for it: reports have counts. Of an image that has no
// report runnable is asked whether there could be one. It returns
// artifact.ErrUnknown.
func (s *Service) Standing(ctx context.Context, scanner string, id int64, threshold finding.Severity, runnable func(context.Context, Image) (bool, error)) (Standing, error) {
	images, err := s.Store.Judged(ctx, scanner, id, mostImages)
	st := Standing{Known: true}
	for _, i := range images {
		is := i.Report != 0 // only images are examined
		if !is {
			if is, err = runnable(ctx, i.Image); err != nil {
				return Standing{}, err
			}
		}
		if !is {
			continue
		}
		st.Examinable, st.Known = true, st.Known && i.Made
		st.Pending = st.Pending || !i.Made && i.Report != 0 && !i.Status.Final()
		before := st.Severe.Count
		for at := threshold; at <= finding.Critical; at++ {
			st.Severe.add(*i.Counts.of(at), at)
		}
		if st.Severe.Count > before {
			st.Reports = append(st.Reports, i.Report)
		}
	}
	st.Known = st.Known && st.Examinable
	return st, err
}

// What Unaccepted looks at.
const (
	severeAtOnce   = 1000
	enoughSevere   = 1000    // of what is not accepted: it then leaves off
	MostUnaccepted = 250_000 // of all
)

// Unaccepted counts what some reports have that is at least as severe as a
// threshold, harms, and is not accepted. It leaves off after so much that it makes
// no difference any more, and says so.
func (s *Service) Unaccepted(ctx context.Context, reports []int64, threshold finding.Severity, accepted func(cve string) bool) (t Tally, err error) {
	left := MostUnaccepted
	for _, report := range reports {
		for after := int64(0); ; {
			some, err := s.Store.Severe(ctx, report, threshold, after, min(severeAtOnce, left+1))
			if err != nil {
				return t, err
			}
			for _, f := range some {
				if !f.Harmless && !accepted(f.CVE) {
					t.add(1, f.Severity)
				}
				after = f.Vulnerability
			}
			left -= len(some)
			switch {
			case left < 0:
				t.Over = true
				return t, nil
			case t.Count >= enoughSevere:
				t.Part = true
				return t, nil
			}
			if len(some) < severeAtOnce {
				break
			}
		}
	}
	return t, nil
}
