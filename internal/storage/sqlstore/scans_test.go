package sqlstore

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/scan"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// reported is what a report of an artifact says: "CVE-1 zlib Critical 9.8", for each
// vulnerability.
func reported(artifact int64, scanner string, found ...string) scan.Result {
	r := scan.Result{Artifact: artifact, Scanner: scanner, Kind: scan.Vulnerabilities, By: finding.Scanner{Name: "S"}, Started: accountTime, Ended: accountTime, Content: fmt.Sprint(scanner, found)}
	for _, text := range found {
		f := scan.Finding{Key: scanner + " " + text}
		var severity string
		var score float64
		if _, err := fmt.Sscanf(text, "%s %s %s %f", &f.ID, &f.Package, &severity, &score); err != nil {
			panic(err)
		}
		f.Severity, _ = finding.ParseSeverity(severity)
		f.CVSS.ScoreV3, f.Version, f.Fixed, f.Status = &score, "1", "2", finding.Fixed
		*map[finding.Severity]*int64{finding.Critical: &r.Counts.Critical, finding.High: &r.Counts.High, finding.Medium: &r.Counts.Medium, finding.Low: &r.Counts.Low}[f.Severity]++
		r.Findings = append(r.Findings, f)
	}
	slices.SortFunc(r.Findings, func(a, b scan.Finding) int { return strings.Compare(a.Key, b.Key) })
	return r
}

// someImages makes projects p and q, with two repositories of one image each, of
// which each has the tags "1" and its project's name. The ids of the images are in
// the order p/a, p/b, q/a, q/b.
func someImages(t *testing.T, d *db.DB) (projects []int64, images []int64) {
	t.Helper()
	for _, name := range []string{"p", "q"} {
		project := createRepo(t, d, name).ProjectID
		projects = append(projects, project)
		for _, repository := range []string{"a", "b"} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				var repo, image int64
				full := name + "/" + repository
				err := tx.QueryRow(`INSERT INTO repository (project_id, name, created, updated) VALUES (?, ?, 1, 1) RETURNING id`, project, full).Scan(&repo)
				if err == nil {
					err = tx.QueryRow(`INSERT INTO artifact (project_id, repository_id, digest, media_type, size, manifest_size, kind, type, listed, pushed, body) VALUES (?, ?, ?, ?, 1, 2, 1, 'IMAGE', TRUE, 1, ?) RETURNING id`,
						project, repo, oci.Sum(oci.SHA256, []byte(full)), oci.MediaTypeImageManifest, []byte("{}")).Scan(&image)
				}
				for _, tag := range []string{"1", name} {
					if err == nil {
						_, err = tx.Exec(`INSERT INTO tag (repository_id, project_id, name, artifact_id, pushed, pulled) VALUES (?, ?, ?, ?, 1, 0)`, repo, project, tag, image)
					}
				}
				images = append(images, image)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return projects, images
}

func keepReports(t *testing.T, d *db.DB, all ...scan.Result) {
	t.Helper()
	for _, r := range all {
		if _, err := NewScans(d).Keep(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindingsAreFoundByWhatTheyAre(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		projects, images := someImages(t, d)
		keepReports(
			t, d,
			reported(images[0], "s", "CVE-1 zlib Critical 9.8", "CVE-2 curl Low 3.1", "CVE-3 curl High 7"),
			reported(images[1], "s", "CVE-1 zlib Critical 9.8"),
			reported(images[2], "s", "CVE-1 zlib Critical 9.8", "CVE-3 curl High 7", "CVE-4 bash High 8"),
			reported(images[3], "other", "CVE-1 zlib Critical 9.8"),
		)
		digest := string(oci.Sum(oci.SHA256, []byte("p/a")))
		for q, want := range map[string]string{
			"":                            "q/a CVE-1, p/b CVE-1, p/a CVE-1, q/a CVE-4, q/a CVE-3, p/a CVE-3, p/a CVE-2",
			"cve_id=CVE-3":                "q/a CVE-3, p/a CVE-3",
			"package=curl":                "q/a CVE-3, p/a CVE-3, p/a CVE-2",
			"package=curl,cve_id=CVE-2":   "p/a CVE-2",
			"severity=High":               "q/a CVE-4, q/a CVE-3, p/a CVE-3",
			"severity=Medium":             "",
			"status=fixed,severity=Low":   "p/a CVE-2",
			"status=affected":             "",
			"repository_name=p/a":         "p/a CVE-1, p/a CVE-3, p/a CVE-2",
			"repository_name=q/b":         "", // another scanner's
			"repository_name=none":        "",
			"project_id=1":                "p/b CVE-1, p/a CVE-1, p/a CVE-3, p/a CVE-2",
			"project_id=1,cve_id=CVE-1":   "p/b CVE-1, p/a CVE-1",
			"project_id=2,severity=High":  "q/a CVE-4, q/a CVE-3",
			"cvss_score_v3=[7~8]":         "q/a CVE-4, q/a CVE-3, p/a CVE-3",
			"cvss_score_v3=[9.8~]":        "q/a CVE-1, p/b CVE-1, p/a CVE-1",
			"cvss_score_v3=[~3.1]":        "p/a CVE-2",
			"digest=" + digest:            "p/a CVE-1, p/a CVE-3, p/a CVE-2",
			"digest=" + digest + ",tag=q": "",
			"tag=q":                       "q/a CVE-1, q/a CVE-4, q/a CVE-3",
			"tag=1,cve_id=CVE-1":          "q/a CVE-1, p/b CVE-1, p/a CVE-1",
			"tag=1,project_id=1,repository_name=p/b,package=zlib": "p/b CVE-1",
		} {
			q = strings.NewReplacer("project_id=1", fmt.Sprint("project_id=", projects[0]), "project_id=2", fmt.Sprint("project_id=", projects[1])).Replace(q)
			for _, size := range []int{100, 2} {
				var got []string
				total := int64(-1)
				for page := 1; page == 1 || len(got) < int(total) && page < 10; page++ {
					parsed, err := query.Parse(q, "", page, size)
					if err != nil {
						t.Fatal(err)
					}
					what, err := hub.Parse(parsed)
					if err != nil {
						t.Fatal(err)
					}
					what.Tags = true
					hits, n, err := NewHub(d).Search(t.Context(), "s", what)
					if err != nil {
						t.Fatal(err)
					}
					for _, h := range hits {
						got = append(got, h.Repository+" "+h.ID)
						if project, _ := oci.SplitRepository(h.Repository); !reflect.DeepEqual(h.Tags, []string{project, "1"}) {
							t.Errorf("tags %q of %s", h.Tags, h.Repository)
						}
					}
					total = n
				}
				if text := strings.Join(got, ", "); text != want || int(total) != len(got) {
					t.Errorf("%q in pages of %d: %s, in all %d, want %s", q, size, text, total, want)
				}
			}
		}
		if _, n, err := NewHub(d).Search(t.Context(), "s", hub.Search{Limit: 1, Most: 2}); err != nil || n != 3 {
			t.Errorf("%d are counted, want one more than 2: %v", n, err)
		}
		if _, n, err := NewHub(d).Search(t.Context(), "never heard of", hub.Search{Limit: 1}); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestTagsOfManyReportsAreFoundInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		keepReports(t, d, reported(images[0], "s", "CVE-1 zlib Critical 9.8", "CVE-2 curl Low 3.1"), reported(images[2], "s", "CVE-3 curl High 7"))
		var of int64
		if err := d.QueryRow(t.Context(), `SELECT id FROM scan_scanner WHERE uuid = 's'`).Scan(&of); err != nil {
			t.Fatal(err)
		}
		// As where there are more than fewReports.
		h := hubSearchOf(of, hub.Search{}, 0, nil, &condition{reportsOfTag, []any{"p"}})
		rows, err := d.Query(t.Context(), h.page(), append(h.args, 10, 0)...)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := gather(rows, func(rows *db.Rows) (k hubKey, err error) { return k, rows.Scan(&k.report, &k.vulnerability) })
		if err != nil {
			t.Fatal(err)
		}
		hits, err := NewHub(d).hits(t.Context(), keys, false)
		if err != nil || len(hits) != 2 || hits[0].ID != "CVE-1" || hits[1].ID != "CVE-2" {
			t.Errorf("%+v, %v", hits, err)
		}
	})
}

func TestTheWorstIsSummedUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		keepReports(
			t, d,
			reported(images[0], "s", "CVE-1 zlib Critical 9.8", "CVE-1 zlib-devel Critical 9.8", "CVE-2 curl Low 3.1"),
			reported(images[1], "s", "CVE-3 curl High 7"),
			reported(images[2], "s"),
			reported(images[3], "other", "CVE-9 zlib Critical 10"),
		)
		s, err := NewHub(d).Summary(t.Context(), "s", 2, 5)
		if err != nil {
			t.Fatal(err)
		}
		if s.Critical != 2 || s.High != 1 || s.Low != 1 || s.Total() != 4 || s.Scanned != 3 || s.Artifacts != 4 {
			t.Errorf("%+v", s)
		}
		if len(s.WorstVulnerabilities) != 2 || s.WorstVulnerabilities[0].ID != "CVE-1" || s.WorstVulnerabilities[1].ID != "CVE-3" {
			t.Errorf("%+v", s.WorstVulnerabilities)
		}
		if len(s.WorstArtifacts) != 2 || s.WorstArtifacts[0].Repository != "p/a" || s.WorstArtifacts[1].Repository != "p/b" {
			t.Errorf("%+v", s.WorstArtifacts)
		}
		if s, err := NewHub(d).Summary(t.Context(), "never heard of", 0, 0); err != nil || s.Total() != 0 || s.Artifacts != 4 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestFactsOfALayerGoWithIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := NewScans(d), t.Context()
		layer := oci.Sum(oci.SHA256, []byte("layer"))
		if err := s.KeepFacts(ctx, layer, 1, []byte("x")); err != nil {
			t.Errorf("of a layer that is not here: %v", err)
		}
		if data, err := s.Facts(ctx, layer, 1); err != nil || data != nil {
			t.Errorf("%q, %v", data, err)
		}
		write := func(q string, args ...any) {
			t.Helper()
			if err := d.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(q, args...); return err }); err != nil {
				t.Fatal(err)
			}
		}
		write(`INSERT INTO blob (digest, size, storage_key, state, created) VALUES (?, 5, 'k', 'live', 1)`, layer)
		for version := 1; version <= 3; version++ {
			if err := s.KeepFacts(ctx, layer, version, []byte{byte(version), 0, 255}); err != nil {
				t.Fatal(err)
			}
		}
		if data, err := s.Facts(ctx, layer, 2); err != nil || !bytes.Equal(data, []byte{2, 0, 255}) {
			t.Errorf("%q, %v", data, err)
		}
		if n, err := s.SweepFacts(ctx, 3, 1); err != nil || n == 0 {
			t.Errorf("%d removed: %v", n, err)
		}
		if data, err := s.Facts(ctx, layer, 3); err != nil || data == nil {
			t.Errorf("facts of the version are gone: %v", err)
		}
		write(`DELETE FROM blob WHERE digest = ?`, layer)
		if data, err := s.Facts(ctx, layer, 3); err != nil || data != nil {
			t.Errorf("facts of a layer that is gone: %q, %v", data, err)
		}
	})
}

func TestReportsOfOneScannerAreNotThoseOfAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		keepReports(t, d, reported(images[0], "s", "CVE-1 zlib Critical 9.8"), reported(images[0], "other", "CVE-2 curl Low 3.1"))
		for scanner, want := range map[string]string{"s": "CVE-1", "other": "CVE-2"} {
			reports, err := NewScans(d).Reports(t.Context(), scanner, images)
			if err != nil || len(reports) != 1 {
				t.Fatalf("%+v, %v", reports, err)
			}
			found, err := NewScans(d).Found(t.Context(), []int64{reports[0].ID})
			if err != nil || len(found) != 1 || found[0].ID != want {
				t.Errorf("%+v, %v", found, err)
			}
		}
		if n, err := NewScans(d).Forget(t.Context(), "s", 10); err != nil || n != 1 {
			t.Errorf("%d, %v", n, err)
		}
		if reports, err := NewScans(d).Reports(t.Context(), "other", images); err != nil || len(reports) != 1 {
			t.Errorf("%+v, %v", reports, err)
		}
	})
}

// TestTwoReportsAtOnce has reports with the same vulnerabilities written at the same
// time.
func TestTwoReportsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		var found []string
		for i := range 50 {
			found = append(found, fmt.Sprintf("CVE-%d zlib High 7", i))
		}
		failed := make(chan error)
		for _, id := range images {
			go func() {
				var err error
				for n := range 20 {
					if _, e := NewScans(d).Keep(t.Context(), reported(id, "s", found[n:n+30]...), nil); e != nil {
						err = e
					}
				}
				failed <- err
			}()
		}
		for range images {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		_, n, err := NewHub(d).Search(t.Context(), "s", hub.Search{Limit: 1})
		if err != nil || n != 4*30 {
			t.Errorf("%d findings, %v", n, err)
		}
		if last, err := NewScans(d).Sweep(t.Context(), 0, 1000, time.Now().Add(time.Hour)); err != nil || last != 0 {
			t.Errorf("%d, %v", last, err)
		}
	})
}

func TestOutdatedReportsAreFoundUntilTheyAreConfirmed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		s, ctx := NewScans(d), t.Context()
		for i, image := range images {
			r := reported(image, "s", "CVE-1 zlib Critical 9.8")
			r.Generation = int64(5 - i) // 5, 4, 3, 2
			keepReports(t, d, r, reported(image, "other", "CVE-1 zlib Critical 9.8"))
		}
		if _, err := s.Ask(ctx, images[0], "third", scan.Vulnerabilities, 1); err != nil {
			t.Fatal(err)
		}
		find := func(generation int64, n int, want ...int64) []scan.Report {
			t.Helper()
			all, err := s.Outdated(ctx, "s", generation, n)
			var got []int64
			for _, r := range all {
				got = append(got, r.Artifact)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d before generation %d, want %d: %v", got, generation, want, err)
			}
			return all
		}
		find(2, 10)
		find(5, 2, images[3], images[2])
		all := find(5, 10, images[3], images[2], images[1])
		again := reported(images[2], "s", "CVE-2 curl Low 3.1")
		again.Generation = 4
		keepReports(t, d, again)
		if err := s.Confirm(ctx, all, 5); err != nil {
			t.Fatal(err)
		}
		find(5, 10, images[2]) // was made anew meanwhile
		if err := s.Confirm(ctx, find(6, 10, images[2], images[0], images[1], images[3]), 6); err != nil {
			t.Fatal(err)
		}
		find(6, 10)
		if all, err := s.Outdated(ctx, "third", 9, 10); len(all) != 0 || err != nil {
			t.Errorf("%+v was never made: %v", all, err)
		}
		readPlan{index: "scan_report_generation", ordered: true}.check(t, d, "reports that are outdated", outdated, []any{"s", 5, 100})
	})
}

func TestAReportTakesThePlaceOfNoLaterOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		_, images := someImages(t, d)
		s, ctx := NewScans(d), t.Context()
		says := func(want string) scan.Report {
			t.Helper()
			all, err := s.Outdated(ctx, "s", 100, 10)
			if err != nil || len(all) != 1 || all[0].Content != "s["+want+"]" {
				t.Fatalf("%+v, want %q: %v", all, want, err)
			}
			return all[0]
		}
		keep := func(begun time.Duration, replaces time.Time, found string) {
			t.Helper()
			r := reported(images[0], "s", found)
			r.Started, r.Replaces = r.Started.Add(begun), replaces
			keepReports(t, d, r)
		}
		const first, second, third = "CVE-1 zlib Critical 9.8", "CVE-2 curl Low 3.1", "CVE-3 curl High 7"
		keep(time.Minute, time.Time{}, first)
		keep(0, time.Time{}, second) // was begun before
		made := says(first).Made
		keep(time.Minute, made, second)
		keep(time.Minute, made, third) // is about the first
		says(second)
		keep(time.Hour, time.Time{}, third)
		says(third)
	})
}
