package scan_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/scan"
)

func TestAnImageIsExaminedAndItsReportCanBeRead(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.Critical, "1.3")
		l.lister.knows("CVE-2", "curl", finding.Low, "")
		d, id := l.push(l.repo, "1", "zlib 1.2", "curl 8", "bash 5")
		if r, err := l.Read(ctx, l.repo, tag("1")); err != nil || r != nil {
			t.Fatalf("before: %+v, %v", r, err)
		}
		if o := l.overview(id, scan.Vulnerabilities); o.Report != "" {
			t.Errorf("an overview before: %+v", o)
		}
		l.start("1", scan.Vulnerabilities)
		o := l.until(id, scan.Vulnerabilities, job.Succeeded)
		worst, found := o.Counts.Worst()
		if worst != finding.Critical || !found || o.Counts.Total() != 2 || o.Counts.Fixable != 1 || o.Complete != 100 || o.By.Name != "Lister" || o.Ended.Before(o.Started) || o.Started.IsZero() {
			t.Errorf("%+v", o)
		}
		r, err := l.Read(ctx, l.repo, tag("1"))
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if named(r.Findings) != "CVE-1 zlib 1.2, CVE-2 curl 8" || r.Findings[0].Images[0] != d || len(r.Findings[0].Layers) != 1 {
			t.Errorf("%+v", r)
		}
		f := r.Findings[0]
		if f.Fixed != "1.3" || f.Status != finding.Fixed || *f.CVSS.ScoreV3 != 9.5 || f.CVSS.VectorV3 != "CVSS:3.1/AV:N" || f.Description != "about zlib" || f.Links[0] != "https://example.org/CVE-1" || f.CWEs[0] != "CWE-79" {
			t.Errorf("%+v", f)
		}
		log, err := l.LogOf(ctx, l.repo, tag("1"), o.Report)
		if err != nil || !strings.Contains(log, "scanner: Lister 1 of Tests") || !strings.Contains(log, "2 vulnerabilities, 1 of them fixable") {
			t.Errorf("log %q, %v", log, err)
		}
	})
}

func TestWhatCannotBeExaminedSaysWhy(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		start := func(ref string, k scan.Kind) error { return l.Start(ctx, l.repo, tag(ref), k, "") }
		l.push(l.repo, "1", "a 1")
		config := l.blob(l.repo, []byte("{}"))
		config.MediaType = "application/vnd.example.thing.config.v1+json"
		l.manifest(l.repo, "thing", oci.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{}})
		l.index("empty")
		attestation := l.blob(l.repo, []byte(`{"architecture":"unknown"}`))
		attestation.MediaType = oci.MediaTypeImageConfig
		statement := l.blob(l.repo, []byte("{}"))
		statement.MediaType = "application/vnd.in-toto+json"
		l.manifest(l.repo, "attestation", oci.MediaTypeImageManifest, map[string]any{"config": attestation, "layers": []any{statement}})
		for ref, want := range map[string]error{"none": artifact.ErrUnknown, "thing": scan.ErrUnsupported, "empty": scan.ErrUnsupported, "attestation": scan.ErrUnsupported} {
			if err := start(ref, scan.Vulnerabilities); !errors.Is(err, want) {
				t.Errorf("%s: %v", ref, err)
			}
		}
		l.lister.change(func(s *lister) { s.registration.SBOM = false })
		if err := start("1", scan.SBOM); !errors.Is(err, scan.ErrUnsupported) {
			t.Errorf("what the scanner does not do: %v", err)
		}
		l.lister.change(func(s *lister) { s.registration.Disabled = true })
		if err := start("1", scan.Vulnerabilities); !errors.Is(err, scan.ErrDisabled) {
			t.Errorf("by a scanner that is disabled: %v", err)
		}
		l.lister.change(func(s *lister) { s.none = true })
		if err := start("1", scan.Vulnerabilities); !errors.Is(err, scan.ErrNoScanner) {
			t.Errorf("without a scanner: %v", err)
		}
		if _, err := l.Read(ctx, l.repo, tag("1")); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("a report without a scanner: %v", err)
		}
		if err := l.Stop(ctx, l.repo, tag("1"), scan.Vulnerabilities); !errors.Is(err, scan.ErrNone) {
			t.Errorf("stopping what never was: %v", err)
		}
		if _, err := l.StartAll(ctx); !errors.Is(err, scan.ErrNoScanner) {
			t.Errorf("all without a scanner: %v", err)
		}
	})
}

func TestAnExaminationIsNotBegunTwiceAndCanBeStopped(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		_, id := l.push(l.repo, "1", "zlib 1")
		l.start("1", scan.Vulnerabilities)
		first := l.until(id, scan.Vulnerabilities, job.Succeeded)
		l.lister.change(func(s *lister) { s.holds = make(chan struct{}) })
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Running)
		if err := l.Start(ctx, l.repo, tag("1"), scan.Vulnerabilities, ""); !errors.Is(err, scan.ErrRunning) {
			t.Errorf("a second one: %v", err)
		}
		if r, err := l.Read(ctx, l.repo, tag("1")); err != nil || r == nil || named(r.Findings) != "CVE-1 zlib 1" {
			t.Errorf("the old report meanwhile: %+v, %v", r, err)
		}
		if err := l.Stop(ctx, l.repo, tag("1"), scan.Vulnerabilities); err != nil {
			t.Fatal(err)
		}
		o := l.until(id, scan.Vulnerabilities, job.Stopped)
		if o.Report != first.Report || o.Counts.High != 1 {
			t.Errorf("after it was stopped: %+v", o)
		}
		if err := l.Stop(ctx, l.repo, tag("1"), scan.Vulnerabilities); err != nil {
			t.Errorf("stopping it again: %v", err)
		}
		stopped := 0
		for _, e := range l.events() {
			if f, ok := e.Fact.(event.ScanStopped); ok && f.Type == "vulnerability" && f.Tags[0] == "1" && f.Report == o.Report {
				stopped++
			}
		}
		if stopped != 1 {
			t.Errorf("%d events of being stopped", stopped)
		}
		l.lister.change(func(s *lister) { s.holds = nil })
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
	})
}

func TestAFailureIsTriedAgainAndThenTold(t *testing.T) {
	each(t, func(l *lab) {
		_, id := l.push(l.repo, "1", "zlib 1")
		l.lister.change(func(s *lister) { s.fails = errors.New("the feed is away") })
		l.start("1", scan.Vulnerabilities)
		o := l.until(id, scan.Vulnerabilities, job.Failed)
		log, err := l.LogOf(l.T.Context(), l.repo, tag("1"), o.Report)
		if err != nil || strings.Count(log, "the feed is away") != scan.Attempts {
			t.Errorf("%q, %v", log, err)
		}
		failed := 0
		for _, e := range l.events() {
			if f, ok := e.Fact.(event.ScanFailed); ok && f.Status == "Error" && f.Repository == "p/app" {
				failed++
			}
		}
		if failed != 1 || !o.Made.IsZero() || o.Counts.Total() != 0 {
			t.Errorf("%d events, %+v", failed, o)
		}
		l.lister.change(func(s *lister) { s.fails = scan.ErrUnsupported })
		l.start("1", scan.Vulnerabilities)
		for l.overview(id, scan.Vulnerabilities).Status != job.Failed { // it is Pending or Running
			time.Sleep(10 * time.Millisecond)
		}
		log, err = l.LogOf(l.T.Context(), l.repo, tag("1"), o.Report)
		if err != nil || strings.Count(log, "cannot examine") != 1 {
			t.Errorf("what nobody can mend is tried again: %q, %v", log, err)
		}
	})
}

func TestAnIndexIsExaminedByItsChildren(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "2")
		l.lister.knows("CVE-2", "curl", finding.Medium, "")
		one, first := l.push(l.repo, "one", "zlib 1", "curl 1")
		two, second := l.push(l.repo, "two", "zlib 1")
		_, id := l.index("all", one, two, oci.Sum(oci.SHA256, []byte("is not here")))
		l.start("one", scan.Vulnerabilities)
		l.until(first, scan.Vulnerabilities, job.Succeeded)
		if r, err := l.Read(ctx, l.repo, tag("all")); err != nil || r != nil {
			t.Errorf("a report although a child has none: %+v, %v", r, err)
		}
		l.start("all", scan.Vulnerabilities)
		l.until(second, scan.Vulnerabilities, job.Succeeded)
		o := l.until(id, scan.Vulnerabilities, job.Succeeded)
		if o.Counts.High != 2 || o.Counts.Medium != 1 || o.Counts.Fixable != 2 || o.Complete != 100 {
			t.Errorf("%+v", o)
		}
		r, err := l.Read(ctx, l.repo, tag("all"))
		if err != nil || r == nil || named(r.Findings) != "CVE-1 zlib 1, CVE-2 curl 1" || len(r.Findings[0].Images) != 2 || len(r.Findings[0].Layers) != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		log, err := l.LogOf(ctx, l.repo, tag("all"), o.Report)
		if err != nil || !strings.Contains(log, string(one)) || !strings.Contains(log, string(two)) {
			t.Errorf("%q, %v", log, err)
		}
		if _, err := l.LogOf(ctx, l.repo, tag("two"), o.Report); !errors.Is(err, scan.ErrNotFound) {
			t.Errorf("a log by another artifact: %v", err)
		}
	})
}

func TestReportsBelongToArtifactsNotToDigests(t *testing.T) {
	each(t, func(l *lab) {
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		other := artifact.Repo{ProjectID: l.repo.ProjectID, Name: "p/other"}
		d, id := l.push(l.repo, "1", "zlib 1")
		_, twin := l.push(other, "1", "zlib 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		if o := l.overview(twin, scan.Vulnerabilities); o.Report != "" {
			t.Errorf("the same image elsewhere: %+v", o)
		}
		if err := l.Start(l.T.Context(), other, tag("1"), scan.Vulnerabilities, ""); err != nil {
			t.Fatal(err)
		}
		l.until(twin, scan.Vulnerabilities, job.Succeeded)
		if n, m := l.count("vulnerability"), l.count("finding"); n != 1 || m != 2 {
			t.Errorf("%d vulnerabilities and %d findings", n, m)
		}
		if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Digest: d}); err != nil {
			t.Fatal(err)
		}
		if n, m := l.count("scan_report"), l.count("finding"); n != 1 || m != 1 {
			t.Errorf("%d reports and %d findings after one was deleted", n, m)
		}
	})
}

func TestAReportThatCameOutTheSameWritesNoFinding(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		l.lister.knows("CVE-2", "curl", finding.Low, "")
		_, id := l.push(l.repo, "1", "zlib 1", "curl 1", "bash 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		reads := l.lister.reads
		again := func(want int) {
			t.Helper()
			if n, err := l.Reevaluate(ctx, l.lister.registration); err != nil || n != want {
				t.Errorf("%d reports changed, want %d: %v", n, want, err)
			}
		}
		again(0)
		before := l.overview(id, scan.Vulnerabilities)
		l.lister.knows("CVE-3", "bash", finding.Critical, "2")
		again(1)
		again(0)
		after := l.overview(id, scan.Vulnerabilities)
		if after.Counts.Total() != 3 || after.Counts.Critical != 1 || !after.Ended.Equal(before.Ended) || l.lister.reads != reads {
			t.Errorf("%+v, %d layers were read", after, l.lister.reads-reads)
		}
		l.lister.change(func(s *lister) { clear(s.known); s.gen++ })
		again(1)
		if n, m := l.count("vulnerability"), l.count("finding"); n != 3 || m != 0 {
			t.Errorf("%d vulnerabilities, %d findings", n, m)
		}
		l.lister.change(func(s *lister) { clear(s.facts) })
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		again(0) // it is not known what is in it
	})
}

func TestVulnerabilitiesThatNothingHasGo(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		l.lister.knows("CVE-2", "curl", finding.Low, "")
		_, id := l.push(l.repo, "1", "zlib 1", "curl 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		l.lister.change(func(s *lister) { delete(s.known, "zlib"); s.gen++ })
		if n, err := l.Reevaluate(ctx, l.lister.registration); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if err := l.Sweep(ctx); err != nil || l.count("vulnerability") != 2 {
			t.Errorf("what was used a moment ago went: %v", err)
		}
		for last := int64(0); ; {
			next, err := l.store.Sweep(ctx, last, 1, time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if last = next; last == 0 {
				break
			}
		}
		if r, err := l.Read(ctx, l.repo, tag("1")); err != nil || named(r.Findings) != "CVE-2 curl 1" || l.count("vulnerability") != 1 {
			t.Errorf("%+v, %v, %d left", r, err, l.count("vulnerability"))
		}
		if err := l.Forget(ctx, "s-1"); err != nil || l.count("scan_report") != 0 {
			t.Errorf("reports of a scanner that is gone: %v", err)
		}
	})
}

func TestAllImagesAreExamined(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		var ids []int64
		var digests []oci.Digest
		for _, name := range []string{"a", "b", "c"} {
			d, id := l.push(l.repo, name, "zlib "+name)
			ids, digests = append(ids, id), append(digests, d)
		}
		l.index("all", digests...)
		if _, err := l.StartAll(ctx); err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			l.until(id, scan.Vulnerabilities, job.Succeeded)
		}
		e, err := l.LastAll(ctx, "")
		for end := time.Now().Add(10 * time.Second); err == nil && !e.Status.Final() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			e, err = l.LastAll(ctx, job.Manual)
		}
		if err != nil || e.Status != job.Succeeded || e.Counts.Succeeded != 3 || e.Counts.Total() != 3 {
			t.Errorf("%+v, %v", e, err)
		}
		if _, err := l.LastAll(ctx, job.BySchedule); !errors.Is(err, job.ErrNotFound) {
			t.Errorf("one by schedule: %v", err)
		}
		l.lister.change(func(s *lister) { s.holds = make(chan struct{}) })
		if _, err := l.StartAll(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := l.StartAll(ctx); !errors.Is(err, job.ErrRunning) {
			t.Errorf("a second one: %v", err)
		}
		if err := l.StopAll(ctx); err != nil {
			t.Fatal(err)
		}
		if e, err := l.LastAll(ctx, ""); err != nil || e.Status != job.Stopped {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestADocumentIsAnAccessoryAndIsReplaced(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		d, id := l.push(l.repo, "1", "zlib 1")
		l.start("1", scan.SBOM)
		o := l.until(id, scan.SBOM, job.Succeeded)
		accessories := func() []artifact.Referrer {
			all, err := l.content.Referrers(ctx, l.repo, d, "application/vnd.goharbor.harbor.sbom.v1", 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		if all := accessories(); len(all) != 1 || !strings.Contains(string(all[0].Descriptor), string(o.SBOM)) {
			t.Fatalf("%+v, overview %+v", all, o)
		}
		time.Sleep(1100 * time.Millisecond) // another second is another document
		l.start("1", scan.SBOM)
		var now scan.Overview
		for now = l.overview(id, scan.SBOM); !now.Status.Final(); now = l.overview(id, scan.SBOM) {
			time.Sleep(10 * time.Millisecond)
		}
		if all := accessories(); len(all) != 1 || now.SBOM == o.SBOM || !strings.Contains(string(all[0].Descriptor), string(now.SBOM)) {
			t.Errorf("%+v, overview %+v", all, now)
		}
		if err := l.content.DeleteArtifact(ctx, l.repo, oci.Reference{Digest: now.SBOM}); err != nil {
			t.Fatal(err)
		}
		if o := l.overview(id, scan.SBOM); o.Report != "" {
			t.Errorf("an overview of a document that was deleted: %+v", o)
		}
		if err := l.Start(ctx, l.repo, oci.Reference{Digest: now.SBOM}, scan.SBOM, ""); !errors.Is(err, artifact.ErrUnknown) {
			t.Errorf("%v", err)
		}
	})
}

// forms returns the media types of the documents that an image has, and the digest of
// the last one.
func (l *lab) forms(of oci.Digest) (forms string, last oci.Digest) {
	l.Helper()
	all, err := l.content.Referrers(l.T.Context(), l.repo, of, "application/vnd.goharbor.harbor.sbom.v1", 0, 10)
	if err != nil {
		l.Fatal(err)
	}
	for _, r := range all {
		var d oci.Descriptor
		if err := json.Unmarshal(r.Descriptor, &d); err != nil {
			l.Fatal(err)
		}
		_, body, err := l.Artifacts.Find(l.T.Context(), l.repo.Name, oci.Reference{Digest: d.Digest}, true)
		if err != nil {
			l.Fatal(err)
		}
		_, layers, err := oci.Layers(body)
		if err != nil || len(layers) != 1 {
			l.Fatalf("%s, %v", body, err)
		}
		forms, last = strings.TrimSpace(forms+" "+layers[0].MediaType), d.Digest
	}
	return forms, last
}

func TestADocumentIsInTheFormatThatIsAskedForAndCanBeReadInAnother(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		d, id := l.push(l.repo, "1", "zlib 1")
		ask := func(f sbom.Format) error { return l.Start(ctx, l.repo, tag("1"), scan.SBOM, f) }
		if err := ask(sbom.CycloneDX); !errors.Is(err, scan.ErrUnsupported) || !strings.Contains(err.Error(), "application/vnd.cyclonedx+json") {
			t.Errorf("by a scanner that does not make it: %v", err)
		}
		l.lister.change(func(s *lister) { s.registration.CycloneDX = true })
		var last oci.Digest
		for _, f := range []sbom.Format{"", sbom.CycloneDX, sbom.SPDX} {
			if err := ask(f); err != nil {
				t.Fatal(err)
			}
			want := cmp.Or(f, sbom.SPDX)
			var forms string
			for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if forms, last = l.forms(d); forms == string(want) && l.overview(id, scan.SBOM).Status == job.Succeeded {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%q instead of %q", forms, want)
				}
			}
		}
		if _, known, err := l.Document(ctx, l.repo, oci.Reference{Digest: last}, sbom.CycloneDX); known || err != nil {
			t.Errorf("of an image of which nothing is known: %t, %v", known, err)
		}
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		document, known, err := l.Document(ctx, l.repo, oci.Reference{Digest: last}, sbom.CycloneDX)
		if !known || err != nil || string(document) != `{"again":true,"format":"application/vnd.cyclonedx+json"}` {
			t.Errorf("%s, %t, %v", document, known, err)
		}
		config, layer := l.blob(l.repo, []byte("{}")), l.blob(l.repo, []byte(`{"spdxVersion":"SPDX-2.3"}`))
		config.MediaType, layer.MediaType = "application/vnd.goharbor.harbor.sbom.v1", string(sbom.SPDX)
		for name, fields := range map[string]map[string]any{
			"somebody else's": {"config": config, "layers": []any{layer}, "subject": oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: d, Size: 1}},
			"of nothing":      {"config": config, "layers": []any{layer}},
			"of what is gone": {"config": config, "layers": []any{layer}, "subject": oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: oci.Sum(oci.SHA256, nil), Size: 1}},
		} {
			other, _ := l.manifest(l.repo, "other", oci.MediaTypeImageManifest, fields)
			if _, known, err := l.Document(ctx, l.repo, oci.Reference{Digest: other}, sbom.CycloneDX); known || err != nil {
				t.Errorf("%s: %t, %v", name, known, err)
			}
		}
	})
}

func TestAProjectChoosesTheFormatOfDocumentsOfWhatIsPushed(t *testing.T) {
	for cyclonedx, want := range map[bool]sbom.Format{true: sbom.CycloneDX, false: sbom.SPDX} {
		t.Run(string(want), func(t *testing.T) {
			each(t, func(l *lab) {
				l.lister.change(func(s *lister) { s.registration.CycloneDX = cyclonedx })
				wish := map[string]string{"auto_sbom_generation": "true", "auto_sbom_media_type": "application/vnd.cyclonedx+json"}
				if err := l.Projects.(*project.Service).Update(l.T.Context(), l.repo.ProjectID, project.Change{Set: wish}); err != nil {
					t.Fatal(err)
				}
				d, id := l.push(l.repo, "1", "zlib 1")
				if err := l.Deliver(l.T.Context(), l.events()); err != nil {
					t.Fatal(err)
				}
				l.until(id, scan.SBOM, job.Succeeded)
				if forms, _ := l.forms(d); forms != string(want) {
					t.Errorf("%q", forms)
				}
			})
		})
	}
}

func TestWhatIsPushedIsExaminedWhereTheProjectWantsIt(t *testing.T) {
	each(t, func(l *lab) {
		ctx := l.T.Context()
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		_, before := l.push(l.repo, "0", "zlib 0")
		if err := l.Deliver(ctx, l.events()); err != nil || l.count("execution") != 0 {
			t.Fatalf("%d executions although nobody wants it: %v", l.count("execution"), err)
		}
		if err := l.Projects.(*project.Service).Update(ctx, l.repo.ProjectID, project.Change{Set: map[string]string{"auto_scan": "true", "auto_sbom_generation": "true"}}); err != nil {
			t.Fatal(err)
		}
		d, id := l.push(l.repo, "1", "zlib 1")
		l.index("all", d)
		all := l.events()
		if err := l.Deliver(ctx, all); err != nil {
			t.Fatal(err)
		}
		for _, image := range []int64{before, id} {
			l.until(image, scan.Vulnerabilities, job.Succeeded)
			l.until(image, scan.SBOM, job.Succeeded)
		}
		if n := l.count("execution"); n != 4 {
			t.Errorf("%d executions of two images", n)
		}
		if err := l.Deliver(ctx, all); err != nil { // which comes at least once
			t.Fatal(err)
		}
		if err := l.Deliver(ctx, l.events()); err != nil { // and has the documents in it now
			t.Fatal(err)
		}
		if n := l.count("execution"); n != 4 {
			t.Errorf("%d executions after the same came again", n)
		}
	})
}
