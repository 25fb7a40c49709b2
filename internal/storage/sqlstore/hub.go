package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/hub"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Hub finds what scanners found. It is a hub.Store.
type Hub struct{ db *db.DB }

// NewHub returns what was found, in d.
func NewHub(d *db.DB) *Hub { return &Hub{d} }

const (
	hubCounts = `SELECT count(*), COALESCE(SUM(r.critical), 0), COALESCE(SUM(r.high), 0), COALESCE(SUM(r.medium), 0), COALESCE(SUM(r.low), 0),
		COALESCE(SUM(r.negligible), 0), COALESCE(SUM(r.unknown), 0), COALESCE(SUM(r.fixable), 0)
		FROM scan_report r WHERE r.kind = 'vulnerability' AND r.scanner_id = ` + scannerOf + ` AND r.made > 0`
	hubArtifacts = `SELECT count(*) FROM artifact a WHERE a.accessory_of = ''`
	hubWorst     = `SELECT ` + vulnerabilityFields + ` FROM vulnerability v WHERE v.scanner_id = ` + scannerOf + ` AND v.status <> 'not_affected'
		AND EXISTS (SELECT 1 FROM finding f WHERE f.vulnerability_id = v.id) ORDER BY v.weight DESC, v.id DESC LIMIT ?`
	hubWorstArtifacts = `SELECT w.project_id, n.name, a.digest, w.critical, w.high, w.medium FROM (
			SELECT r.id, r.artifact_id, r.project_id, r.critical, r.high, r.medium FROM scan_report r
			WHERE r.kind = 'vulnerability' AND r.scanner_id = ` + scannerOf + ` ORDER BY r.critical DESC, r.high DESC, r.medium DESC, r.id DESC LIMIT ?) AS w
		JOIN artifact a ON a.id = w.artifact_id JOIN repository n ON n.id = a.repository_id ORDER BY w.critical DESC, w.high DESC, w.medium DESC, w.id DESC`
)

// sameWorst is how many vulnerabilities are looked at for each that is named: the
// same one is often in many packages.
const sameWorst = 40

// Summary implements hub.Store.
func (s *Hub) Summary(ctx context.Context, scanner string, vulnerabilities, artifacts int) (out hub.Summary, err error) {
	err = s.db.QueryRow(ctx, hubCounts, scanner).Scan(&out.Scanned, &out.Critical, &out.High, &out.Medium, &out.Low, &out.Negligible, &out.Unknown, &out.Fixable)
	if err == nil {
		err = s.db.QueryRow(ctx, hubArtifacts).Scan(&out.Artifacts)
	}
	if err == nil && vulnerabilities > 0 {
		out.WorstVulnerabilities, err = s.worst(ctx, scanner, vulnerabilities)
	}
	if err == nil && artifacts > 0 {
		out.WorstArtifacts, err = s.worstArtifacts(ctx, scanner, artifacts)
	}
	if err != nil {
		return out, fmt.Errorf("summary of findings: %w", err)
	}
	return out, nil
}

func (s *Hub) worst(ctx context.Context, scanner string, n int) (all []finding.Vulnerability, err error) {
	rows, err := s.db.Query(ctx, hubWorst, scanner, n*sameWorst)
	if err != nil {
		return nil, err
	}
	return all, eachRow(rows, func(rows *db.Rows) error {
		f, err := scanFinding(rows)
		if len(all) < n && !slices.ContainsFunc(all, func(v finding.Vulnerability) bool { return v.ID == f.ID }) {
			all = append(all, f.Vulnerability)
		}
		return err
	})
}

func (s *Hub) worstArtifacts(ctx context.Context, scanner string, n int) ([]hub.WorstArtifact, error) {
	rows, err := s.db.Query(ctx, hubWorstArtifacts, scanner, n)
	if err != nil {
		return nil, err
	}
	all, err := gather(rows, func(rows *db.Rows) (a hub.WorstArtifact, err error) {
		return a, rows.Scan(&a.ProjectID, &a.Repository, &a.Digest, &a.Critical, &a.High, &a.Medium)
	})
	return slices.DeleteFunc(all, func(a hub.WorstArtifact) bool { return a.Critical+a.High+a.Medium == 0 }), err
}

// A hubSearch is a statement's tables, conditions and order. What it walks along is
// an index that has the order, but for few reports, whose findings are sorted.
type hubSearch struct {
	from  string
	where []string
	args  []any
	order string
}

func (h *hubSearch) and(sql string, args ...any) {
	h.where, h.args = append(h.where, sql), append(h.args, args...)
}

func (h *hubSearch) whole() string {
	return ` FROM ` + h.from + ` WHERE ` + strings.Join(h.where, " AND ")
}

// The ways in which findings are walked through.
const (
	fromVulnerabilities = `vulnerability v JOIN finding f ON f.vulnerability_id = v.id`
	fromFindings        = `finding f JOIN vulnerability v ON v.id = f.vulnerability_id`

	byVulnerability = `v.weight DESC, v.id DESC, f.report_id DESC`
	byFinding       = `f.weight DESC, f.vulnerability_id DESC, f.report_id DESC`
)

// hubSearchOf says how to find what a search wants. among are the reports that it is
// about, where they are few; and inSet chooses them, where they are not.
func hubSearchOf(scanner int64, w hub.Search, repository int64, among []int64, inSet *condition) hubSearch {
	h := hubSearch{from: fromFindings, order: byFinding}
	switch exact := w.CVE != "" || w.Package != ""; {
	case among != nil:
		h.and(`f.report_id IN (`+db.In(len(among))+`)`, anyOf(among)...)
		h.and(`+f.scanner_id = ?`, scanner)
	case !exact && repository != 0:
		h.and(`f.repository_id = ? AND f.scanner_id = ?`, repository, scanner)
	case !exact && w.Project != 0:
		h.and(`f.scanner_id = ? AND f.project_id = ?`, scanner, w.Project)
	default:
		h.from, h.order = fromVulnerabilities, byVulnerability
		h.and(`v.scanner_id = ?`, scanner)
	}
	if w.Project != 0 {
		h.and(`+f.project_id = ?`, w.Project)
	}
	if repository != 0 {
		h.and(`+f.repository_id = ?`, repository)
	}
	h.ofVulnerability(w)
	if inSet != nil {
		in := gathered("f.report_id", *inSet)
		h.and(in.sql, in.args...)
	}
	return h
}

// ofVulnerability adds the conditions that are of a vulnerability alone.
func (h *hubSearch) ofVulnerability(w hub.Search) {
	if w.Severity != nil {
		weight := "f.weight"
		if h.from == fromVulnerabilities {
			weight = "v.weight"
		}
		h.and(weight+` >= ? AND `+weight+` < ?`, int64(*w.Severity)*1000, int64(*w.Severity+1)*1000)
	}
	packageIs := `v.package = ?`
	if w.CVE != "" {
		h.and(`v.cve = ?`, w.CVE)
		packageIs = `(v.package || '') = ?` // by which nothing is to be found then
	}
	if w.Package != "" {
		h.and(packageIs, w.Package)
	}
	if w.Status != "" {
		h.and(`v.status = ?`, w.Status)
	}
	if w.MinScore != nil || w.MaxScore != nil {
		low, high := int64(0), int64(100)
		if w.MinScore != nil {
			low = *w.MinScore
		}
		if w.MaxScore != nil {
			high = *w.MaxScore
		}
		h.and(`v.score >= ? AND v.score <= ?`, low, high)
	}
}

// page is the statement that finds one page, whose last parameters are how many and
// how many not.
func (h *hubSearch) page() string {
	return `SELECT f.report_id, f.vulnerability_id` + h.whole() + ` ORDER BY ` + h.order + ` LIMIT ? OFFSET ?`
}

// Search implements hub.Store.
func (s *Hub) Search(ctx context.Context, scanner string, w hub.Search) ([]hub.Hit, int64, error) {
	h, none, err := s.search(ctx, scanner, w)
	if err != nil || none {
		return nil, 0, err
	}
	rows, err := s.db.Query(ctx, h.page(), append(slices.Clone(h.args), w.Limit, w.Offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("findings: %w", err)
	}
	found, err := gatherIn(rows, newRoom(), func(rows *db.Rows) (k hubKey, err error) { return k, rows.Scan(&k.report, &k.vulnerability) })
	if err != nil {
		return nil, 0, fmt.Errorf("findings: %w", err)
	}
	total := int64(w.Offset + len(found))
	if len(found) == w.Limit || len(found) == 0 && w.Offset > 0 {
		if total, err = s.count(ctx, h, w.Most); err != nil {
			return nil, 0, err
		}
	}
	hits, err := s.hits(ctx, found, w.Tags)
	return hits, total, err
}

type hubKey struct{ report, vulnerability int64 }

// count says how many findings there are, or that there are more than most.
func (s *Hub) count(ctx context.Context, h hubSearch, most int) (n int64, err error) {
	q, args := `SELECT count(*)`+h.whole(), h.args
	if most > 0 {
		q, args = `SELECT count(*) FROM (SELECT 1`+h.whole()+` LIMIT ?) AS x`, append(slices.Clone(h.args), most+1)
	}
	if err = s.db.QueryRow(ctx, q, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count of findings: %w", err)
	}
	return n, nil
}

// hubArtifactsOf chooses the reports of artifacts. An index has digests and tags by
// project.
const (
	reportsOfDigest = `SELECT r.id FROM artifact a JOIN scan_report r ON r.artifact_id = a.id AND r.kind = 'vulnerability' WHERE a.project_id IN (SELECT p.id FROM project p) AND a.accessory_of = '' AND a.digest = ?`
	reportsOfTag    = `SELECT r.id FROM tag t JOIN scan_report r ON r.artifact_id = t.artifact_id AND r.kind = 'vulnerability' WHERE t.project_id IN (SELECT p.id FROM project p) AND t.name = ?`
)

// search says how to find what is wanted, or that there is none of it.
func (s *Hub) search(ctx context.Context, scanner string, w hub.Search) (h hubSearch, none bool, err error) {
	var of, repository int64
	err = s.db.QueryRow(ctx, `SELECT k.id FROM scan_scanner k WHERE k.uuid = ?`, scanner).Scan(&of)
	if err == nil && w.Repository != "" {
		err = s.db.QueryRow(ctx, `SELECT r.id FROM repository r WHERE r.name = ?`, w.Repository).Scan(&repository)
	}
	if errors.Is(err, db.ErrNotFound) {
		return h, true, nil
	}
	if err != nil {
		return h, false, fmt.Errorf("findings: %w", err)
	}
	set := condition{}
	switch {
	case w.Digest != "":
		set = condition{reportsOfDigest, []any{w.Digest}}
		if w.Tag != "" {
			set = condition{reportsOfDigest + ` AND EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id AND t.name = ?)`, []any{w.Digest, w.Tag}}
		}
	case w.Tag != "":
		set = condition{reportsOfTag, []any{w.Tag}}
	default:
		return hubSearchOf(of, w, repository, nil, nil), false, nil
	}
	among, err := columnOf[int64](s.db.Query(ctx, set.sql+` LIMIT ?`, append(slices.Clone(set.args), fewReports+1)...))
	switch {
	case err != nil || len(among) == 0:
		return h, true, err
	case len(among) > fewReports:
		return hubSearchOf(of, w, repository, nil, &set), false, nil
	}
	return hubSearchOf(of, w, repository, among, nil), false, nil
}

// fewReports is of how many reports all findings are sorted: some ten thousand.
const fewReports = 100

// hits reads what is shown of some findings, in their order.
func (s *Hub) hits(ctx context.Context, keys []hubKey, tags bool) ([]hub.Hit, error) {
	room := newRoom()
	var reports, vulnerabilities []int64
	for _, k := range keys {
		reports, vulnerabilities = append(reports, k.report), append(vulnerabilities, k.vulnerability)
	}
	places := map[int64]hub.Hit{}
	artifacts := map[int64]int64{} // by report
	for chunk := range slices.Chunk(distinct(reports), rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT r.id, a.id, a.project_id, n.name, a.digest FROM scan_report r JOIN artifact a ON a.id = r.artifact_id
			JOIN repository n ON n.id = a.repository_id WHERE r.id IN (`+db.In(len(chunk))+`)`, anyOf(chunk)...)
		if err != nil {
			return nil, fmt.Errorf("artifacts of findings: %w", err)
		}
		_, err = gatherIn(rows, room, func(rows *db.Rows) (h hub.Hit, err error) {
			var report, artifact int64
			err = rows.Scan(&report, &artifact, &h.ProjectID, &h.Repository, &h.Digest)
			places[report], artifacts[report] = h, artifact
			return h, err
		})
		if err != nil {
			return nil, fmt.Errorf("artifacts of findings: %w", err)
		}
	}
	known := map[int64]finding.Vulnerability{}
	for chunk := range slices.Chunk(distinct(vulnerabilities), rowsAtOnce) {
		rows, err := s.db.Query(ctx, `SELECT `+vulnerabilityFields+`, v.id FROM vulnerability v WHERE v.id IN (`+db.In(len(chunk))+`)`, anyOf(chunk)...)
		if err != nil {
			return nil, fmt.Errorf("vulnerabilities: %w", err)
		}
		_, err = gatherIn(rows, room, func(rows *db.Rows) (v finding.Vulnerability, err error) {
			var id int64
			f, err := scanFinding(rows, &id)
			known[id] = f.Vulnerability
			return v, err
		})
		if err != nil {
			return nil, fmt.Errorf("vulnerabilities: %w", err)
		}
	}
	named := map[int64][]string{}
	if tags {
		var err error
		if named, err = s.tagsOf(ctx, artifacts, room); err != nil {
			return nil, fmt.Errorf("tags of findings: %w", err)
		}
	}
	var all []hub.Hit
	for _, k := range keys {
		h, there := places[k.report]
		v, is := known[k.vulnerability]
		if there && is { // and was not deleted meanwhile
			h.Vulnerability, h.Tags = v, named[artifacts[k.report]]
			all = append(all, h)
		}
	}
	return all, nil
}

// tagsOf returns the newest tags of some artifacts.
func (s *Hub) tagsOf(ctx context.Context, artifacts map[int64]int64, room *room) (map[int64][]string, error) {
	var ids []int64
	for _, id := range artifacts {
		ids = append(ids, id)
	}
	named := map[int64][]string{}
	for chunk := range slices.Chunk(distinct(ids), rowsAtOnce) {
		tags, err := capped(ctx, s.db, tagsShown, anyOf(chunk), mostTags, room, scanTag)
		if err != nil {
			return nil, err
		}
		for _, t := range tags {
			named[t.ArtifactID] = append(named[t.ArtifactID], t.Name)
		}
	}
	return named, nil
}

// distinct returns numbers in order, each once.
func distinct(all []int64) []int64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return slices.Compact(all)
}
