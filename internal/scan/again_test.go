package scan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/scan"
)

// outdated returns how many reports are not held against what is known by now.
func (l *lab) outdated() int {
	l.Helper()
	g, err := l.lister.Generation(l.T.Context())
	if err != nil {
		l.Fatal(err)
	}
	all, err := l.store.Outdated(l.T.Context(), l.lister.registration.UUID, g, 1000)
	if err != nil {
		l.Fatal(err)
	}
	return len(all)
}

func TestAReevaluationThatWasCutOffGoesOnWhereItWas(t *testing.T) {
	each(t, func(l *lab) {
		const images = 9
		for i := range images {
			name := fmt.Sprint("v", i)
			_, id := l.push(l.repo, name, "zlib "+name)
			l.start(name, scan.Vulnerabilities)
			l.until(id, scan.Vulnerabilities, job.Succeeded)
		}
		l.lister.knows("CVE-1", "zlib", finding.High, "v2") // which stays as it is
		ctx, cancel := context.WithCancel(l.T.Context())
		l.lister.change(func(s *lister) {
			s.looks, s.after = 0, func(looks int) {
				if looks == images/2 {
					cancel()
				}
			}
		})
		first, err := l.Reevaluate(ctx, l.lister.registration)
		left := l.outdated()
		if !errors.Is(err, context.Canceled) || left == 0 || left == images {
			t.Fatalf("%d are left after it was cut off: %v", left, err)
		}
		l.lister.change(func(s *lister) { s.looks = 0 })
		second, err := l.Reevaluate(l.T.Context(), l.lister.registration)
		if err != nil || l.lister.looks != left || first+second != images-1 || l.outdated() != 0 {
			t.Errorf("%d were left, %d were looked at, %d and then %d came out otherwise, %d are left: %v", left, l.lister.looks, first, second, l.outdated(), err)
		}
		if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); n != 0 || err != nil || l.lister.looks != left {
			t.Errorf("%d changed and %d were looked at although nothing is new: %v", n, l.lister.looks-left, err)
		}
	})
}

func TestAReportThatFailsIsToldAndKeepsNoOtherFromBeingLookedAt(t *testing.T) {
	each(t, func(l *lab) {
		broken := errors.New("its layers are cursed")
		var digests []oci.Digest
		for i := range 6 {
			name := fmt.Sprint("v", i)
			d, id := l.push(l.repo, name, "zlib "+name)
			l.start(name, scan.Vulnerabilities)
			l.until(id, scan.Vulnerabilities, job.Succeeded)
			digests = append(digests, d)
		}
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		l.lister.change(func(s *lister) { s.bad = map[oci.Digest]error{digests[0]: broken, digests[3]: broken} })
		for i, want := range []int{4, 0} {
			n, err := l.Reevaluate(l.T.Context(), l.lister.registration)
			if n != want || !errors.Is(err, broken) || !strings.Contains(err.Error(), "2 reports cannot be looked at") || !strings.Contains(err.Error(), "p/app@"+string(digests[3])) || l.outdated() != 2 {
				t.Errorf("%d: %d came out otherwise, %d are left: %v", i, n, l.outdated(), err)
			}
		}
		l.lister.change(func(s *lister) { delete(s.bad, digests[0]) })
		if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); n != 1 || !errors.Is(err, broken) || l.outdated() != 1 {
			t.Errorf("after one was mended: %d, %v", n, err)
		}
		l.lister.knows("CVE-1", "zlib", finding.Low, "")
		if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); n != 5 || !errors.Is(err, broken) || l.outdated() != 1 {
			t.Errorf("with the next news: %d, %v", n, err)
		}
	})
}

// layerOf is the layer of the image of a number.
func layerOf(i int) oci.Digest { return oci.Sum(oci.SHA256, fmt.Append(nil, "zlib ", i)) }

func TestWhatAllReportsNeedEndsAReevaluationWhereItIsAway(t *testing.T) {
	each(t, func(l *lab) {
		const images = 60
		away := errors.New("the advisories are away")
		bad := map[oci.Digest]error{}
		for i := range images {
			d, id := l.push(l.repo, fmt.Sprint("v", i), fmt.Sprint("zlib ", i))
			bad[d] = away
			if _, err := l.store.Keep(l.T.Context(), scan.Result{Artifact: id, Scanner: l.lister.registration.UUID, Kind: scan.Vulnerabilities, Content: "nothing"}, nil); err != nil {
				t.Fatal(err)
			}
			l.lister.change(func(s *lister) { s.facts[layerOf(i)] = fmt.Sprint("zlib ", i) })
		}
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		l.lister.change(func(s *lister) { s.bad = bad })
		n, err := l.Reevaluate(l.T.Context(), l.lister.registration)
		if n != 0 || !errors.Is(err, away) || l.lister.looks < 25 || l.lister.looks > 25+scan.Workers || l.outdated() != images {
			t.Errorf("%d were looked at, %d came out otherwise, %d are left: %v", l.lister.looks, n, l.outdated(), err)
		}
		l.lister.change(func(s *lister) { s.bad = nil })
		if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); n != images || err != nil || l.outdated() != 0 {
			t.Errorf("once they are back: %d, %d are left: %v", n, l.outdated(), err)
		}
	})
}

func TestAReportThatEndsAfterAReevaluationHasPassedKnowsWhatIsNew(t *testing.T) {
	for name, before := range map[string]bool{"the first": false, "another": true} {
		t.Run(name, func(t *testing.T) {
			each(t, func(l *lab) {
				l.lister.knows("CVE-1", "zlib", finding.High, "")
				_, id := l.push(l.repo, "1", "zlib 1", "curl 1")
				if before {
					l.start("1", scan.Vulnerabilities)
					l.until(id, scan.Vulnerabilities, job.Succeeded)
				}
				found, ends := make(chan struct{}), make(chan struct{})
				l.lister.change(func(s *lister) { s.found, s.ends = found, ends })
				l.start("1", scan.Vulnerabilities)
				<-found
				l.lister.knows("CVE-2", "curl", finding.Low, "")
				if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); err != nil || (n == 1) != before || l.outdated() != 0 {
					t.Errorf("%d came out otherwise: %v", n, err)
				}
				close(ends)
				l.until(id, scan.Vulnerabilities, job.Succeeded)
				if r, err := l.Read(l.T.Context(), l.repo, tag("1")); err != nil || named(r.Findings) != "CVE-1 zlib 1, CVE-2 curl 1" || l.outdated() != 0 {
					t.Errorf("%+v, %v, %d are outdated", r, err, l.outdated())
				}
			})
		})
	}
}

func TestAReevaluationSaysNothingOfAnExamination(t *testing.T) {
	each(t, func(l *lab) {
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		_, id := l.push(l.repo, "1", "zlib 1", "curl 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		l.lister.change(func(s *lister) { s.fails = scan.ErrUnsupported })
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Failed)
		l.lister.knows("CVE-2", "curl", finding.Low, "")
		if n, err := l.Reevaluate(l.T.Context(), l.lister.registration); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		var status job.Status
		if err := l.db.QueryRow(l.T.Context(), `SELECT status FROM scan_report`).Scan(&status); err != nil || status != job.Failed {
			t.Errorf("%q, %v", status, err)
		}
	})
}
