package scan_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
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
