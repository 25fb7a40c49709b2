package sqlstore

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/storage/db"
)

// An artifactFilter says which artifacts a list has.
type artifactFilter struct {
	project    int64
	repository int64  // 0: all of the project
	few        bool   // the repository has few
	all        bool   // also those that are listed only where base=* is asked for
	walked     bool   // all may be looked at, in the order that is asked for
	by         string // the first field of that order

	tagged string         // that they have a tag, or none
	kinds  *condition     // of which kinds they are
	sets   []artifactSet  // they are in all of these
	among  bool           // and they have
	ids    []int64        // one of these ids
	plain  []query.Filter // by columns of artifact
}

// An artifactSet is what other tables say of artifacts.
type artifactSet struct {
	ids   condition // a query for all of them
	has   condition // a query for a row where the artifact a is in it
	names condition // the same where the index has the names of tags, if they say it
	large bool      // to gather it costs more than to ask of each artifact
}

const (
	withTags    = " AND a.tagged = TRUE"
	withoutTags = " AND a.tagged = FALSE"

	// A repository that has no more artifacts is read whole and sorted; those of a
	// larger one are picked from those of its project, which have more indexes.
	fewArtifacts = 4000
	// A set that has no more is read before the list, which is then of these ids.
	smallSet = 1000
	// PostgreSQL gathers no more ids than work_mem has room for, and rather goes
	// through all of them for each artifact.
	largeSet = 200_000
)

// artifactsOf returns which artifacts are meant.
func (s *Artifacts) artifactsOf(ctx context.Context, w artifact.Where, q query.Query) (of artifactFilter, err error) {
	filters := q.Filters
	of.project = w.ProjectID
	by := artifactListing.sortedBy(q)
	of.by, of.walked = by[0].Field, len(by) == 1 && !w.Latest
	if w.Latest {
		if err := filteredOnce(filters); err != nil {
			return of, err
		}
	}
	if w.Repository != "" {
		var count int64
		err := s.db.QueryRow(ctx, `SELECT id, manifest_count FROM repository WHERE name = ? AND project_id = ?`, w.Repository, w.ProjectID).Scan(&of.repository, &count)
		if errors.Is(err, db.ErrNotFound) {
			return of, artifact.ErrRepositoryUnknown.With("%s", w.Repository)
		}
		if err != nil {
			return of, err
		}
		of.few = count <= fewArtifacts
	}
	var kinds []query.Filter
	for _, f := range filters {
		switch {
		case f.Field == "base":
			of.all = f.Op == query.Exact && f.Value == "*"
		case f.Field == "tags":
			err = s.filterTags(ctx, &of, f)
		case f.Field == "labels":
			err = s.filterLabels(ctx, &of, f)
		case f.Field == "digest":
			err = s.filterDigest(ctx, &of, f)
		case isOfKind(f.Field):
			kinds = append(kinds, f)
		case artifactListing.columns[f.Field].expr != "":
			of.plain = append(of.plain, f)
		}
		if err != nil {
			return of, err
		}
	}
	return of, s.filterKinds(ctx, &of, kinds, w.Latest)
}

// filteredOnce returns artifact.ErrQuery unless there is a filter of exactly one of
// media type and artifact type.
func filteredOnce(filters []query.Filter) error {
	n := 0
	for _, f := range filters {
		if f.Field == "media_type" || f.Field == "artifact_type" {
			n++
		}
	}
	if n != 1 {
		return artifact.ErrQuery.With("latest_in_repository: it needs a filter by exactly one of media_type and artifact_type")
	}
	return nil
}

// filterTags adds a filter by tags: * for any, nil for none, a name, or a part of
// one.
func (s *Artifacts) filterTags(ctx context.Context, of *artifactFilter, f query.Filter) error {
	switch {
	case f.Op == query.Exact && f.Value == "*":
		of.tagged = withTags
		return nil
	case f.Op == query.Exact && f.Value == "nil":
		of.tagged = withoutTags
		return nil
	case f.Op != query.Exact && f.Op != query.Fuzzy:
		return artifact.ErrQuery.With("tags: it must be *, nil, a name, or a part of one behind ~")
	}
	in := condition{"t.project_id = ?", []any{of.project}}
	if of.repository != 0 {
		in = condition{"t.repository_id = ?", []any{of.repository}}
	}
	set, err := withTag(f, in)
	if err != nil {
		return err
	}
	return s.filterSet(ctx, of, set)
}

// withTag returns the artifacts whose tags in a project or a repository meet a
// filter.
func withTag(f query.Filter, in condition) (artifactSet, error) {
	name, err := column{"t.name", text}.condition(f)
	if err != nil {
		return artifactSet{}, err
	}
	set := artifactSet{
		ids: condition{"SELECT t.artifact_id FROM tag t WHERE " + in.sql + " AND " + name.sql, append(in.args, name.args...)},
		// By itself, the condition would have PostgreSQL guess that few tags meet it.
		has:   condition{"SELECT 1 FROM tag t WHERE t.artifact_id = a.id AND CASE WHEN " + name.sql + " THEN TRUE END", name.args},
		large: f.Op == query.Fuzzy,
	}
	// No name has a slash, and whoever has no tag has no part of one.
	if part, _ := f.Value.(string); set.large && part != "" && !strings.Contains(part, "/") {
		part, err := column{"a.tag_names", digest}.condition(f)
		if err != nil {
			return artifactSet{}, err
		}
		set.names = condition{"CASE WHEN " + part.sql + " THEN TRUE WHEN a.tag_names IS NULL THEN EXISTS (" + set.has.sql + " LIMIT 1 OFFSET 0) END", append(slices.Clone(part.args), name.args...)}
	}
	return set, nil
}

// filterLabels adds a filter by labels, all of which an artifact must have.
func (s *Artifacts) filterLabels(ctx context.Context, of *artifactFilter, f query.Filter) error {
	wrong := artifact.ErrQuery.With("labels: they must be ids between parentheses, as in labels=(1 2)")
	if f.Op != query.All {
		return wrong
	}
	for _, v := range f.Values {
		id, ok := numberOf(v)
		if !ok {
			return wrong
		}
		err := s.filterSet(ctx, of, artifactSet{
			ids: condition{"SELECT w.artifact_id FROM artifact_label w WHERE w.label_id = ?", []any{id}},
			has: condition{"SELECT 1 FROM artifact_label w WHERE w.artifact_id = a.id AND w.label_id = ?", []any{id}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// filterSet adds that artifacts must be in a set.
func (s *Artifacts) filterSet(ctx context.Context, of *artifactFilter, set artifactSet) error {
	if of.walked && of.named(set, of.by) { // which finds out no later whether they are few
		of.sets = append(of.sets, set)
		return nil
	}
	small, err := s.filterSmall(ctx, of, set.ids)
	if err != nil || small {
		return err
	}
	if !set.large {
		var n int
		err = s.db.QueryRow(ctx, `SELECT count(*) FROM (`+set.ids.sql+` LIMIT ?) AS found`, append(slices.Clone(set.ids.args), largeSet+1)...).Scan(&n)
		set.large = n > largeSet
	}
	of.sets = append(of.sets, set)
	return err
}

// filterSmall adds that artifacts must be among those that a query finds, and
// reports that it did so, unless they are too many.
func (s *Artifacts) filterSmall(ctx context.Context, of *artifactFilter, q condition) (bool, error) {
	ids, err := columnOf[int64](s.db.Query(ctx, q.sql+` LIMIT ?`, append(slices.Clone(q.args), smallSet+1)...))
	if err != nil || len(ids) > smallSet {
		return false, err
	}
	if of.among {
		ids = slices.DeleteFunc(ids, func(id int64) bool { return !slices.Contains(of.ids, id) })
	}
	slices.Sort(ids)
	of.ids, of.among = slices.Compact(ids), true
	return true, nil
}

// filterDigest adds a filter by digests, which only one index is in the order of.
func (s *Artifacts) filterDigest(ctx context.Context, of *artifactFilter, f query.Filter) error {
	f, all := fromTheBegin(f)
	if all {
		return nil
	}
	if of.walked && f.Op == query.Fuzzy && (of.by == "push_time" || of.by == "digest") {
		of.plain = append(of.plain, f)
		return nil
	}
	where, err := artifactFilter{project: of.project, repository: of.repository, all: true, plain: []query.Filter{f}}.inOrderOf("digest")
	if err != nil {
		return err
	}
	small, err := s.filterSmall(ctx, of, condition{"SELECT a.id FROM artifact a WHERE " + where.sql + " ORDER BY a.digest", where.args})
	if err == nil && !small {
		of.plain = append(of.plain, f)
	}
	return err
}

// fromTheBegin returns a filter by a part of digests as one by what they begin
// with, where that part reaches into the name of the algorithm: hashes have no
// colon, and no letter behind f. It reports whether all digests meet it.
func fromTheBegin(f query.Filter) (_ query.Filter, all bool) {
	part, ok := f.Value.(string)
	part = lowerASCII(part)
	if !ok || f.Op != query.Fuzzy || strings.Trim(part, "0123456789abcdef") == "" {
		return f, false
	}
	name, hash, colon := strings.Cut(part, ":")
	if colon {
		name += ":"
	}
	var begins []string
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		begin := string(a) + ":"
		if colon && strings.HasSuffix(begin, name) || !colon && strings.Contains(begin, name) {
			begins = append(begins, begin+hash)
		}
	}
	if len(begins) != 1 {
		return f, hash == "" && len(begins) > 1
	}
	return query.Filter{Field: f.Field, Op: query.Range, Min: begins[0], Max: begins[0] + "g"}, false
}

// artifactsOfKinds finds those of a project, without a walk in any order.
const artifactsOfKinds = `SELECT a.id FROM artifact a WHERE a.project_id = ? AND a.accessory_of = '' AND `

// filterKinds adds the filters by what is said of kinds. Where latest is set, few
// artifacts of them are found first: each repository would be read to its end for
// them.
func (s *Artifacts) filterKinds(ctx context.Context, of *artifactFilter, filters []query.Filter, latest bool) error {
	if len(filters) == 0 {
		return nil
	}
	where, err := kindListing.where(condition{"TRUE", nil}, filters)
	if err != nil {
		return err
	}
	kinds := `SELECT k.id FROM artifact_kind k WHERE ` + where.sql
	ids, err := columnOf[int64](s.db.Query(ctx, kinds+` LIMIT ?`, append(slices.Clone(where.args), rowsAtOnce+1)...))
	if err != nil {
		return err
	}
	of.kinds = &condition{"a.kind IN (" + kinds + ")", where.args}
	if len(ids) <= rowsAtOnce {
		of.kinds = &condition{"a.kind IN (" + db.In(len(ids)) + ")", anyOf(ids)}
	}
	if !latest {
		return nil
	}
	_, err = s.filterSmall(ctx, of, condition{artifactsOfKinds + of.kinds.sql, append([]any{of.project}, of.kinds.args...)})
	return err
}

// none reports whether all artifacts are meant that are listed.
func (of artifactFilter) none() bool {
	return !of.all && of.tagged == "" && of.kinds == nil && len(of.sets) == 0 && !of.among && len(of.plain) == 0
}

// inOrderOf is the condition for a walk in the order of a field, or for counting,
// where there is none.
func (of artifactFilter) inOrderOf(field string) (condition, error) {
	in := condition{"a.project_id = ?", []any{of.project}}
	switch {
	case of.among && of.repository != 0: // they are found by their ids
		in = condition{"+a.repository_id = ?", []any{of.repository}}
	case of.among:
		in = condition{"+a.project_id = ?", []any{of.project}}
	case of.repository != 0 && (of.few || field == "push_time" || field == ""):
		in = condition{"a.repository_id = ?", []any{of.repository}}
	case of.repository != 0:
		in = condition{"a.project_id = ? AND +a.repository_id = ?", []any{of.project, of.repository}}
	}
	return of.meeting(in, field)
}

// named reports whether a walk in the order of a field, or a count, finds the names
// of tags in its index, and what else it looks at.
func (of artifactFilter) named(set artifactSet, field string) bool {
	if of.among || set.names.sql == "" {
		return false
	}
	if of.repository == 0 && (field == "" || field == "push_time") {
		return !slices.ContainsFunc(of.plain, func(f query.Filter) bool { return f.Field == "digest" || f.Field == "pull_time" })
	}
	return field == "" || field == "push_time" || isOfKind(field)
}

// searched reports whether a walk in the order of a field looks for a part of a
// text in each artifact, and its index has that text.
func (of artifactFilter) searched(field string) bool {
	if of.among || field != "push_time" && field != "digest" {
		return false
	}
	for _, set := range of.sets {
		if !of.named(set, field) {
			return false
		}
	}
	return len(of.sets) > 0 || slices.ContainsFunc(of.plain, func(f query.Filter) bool { return f.Field == "digest" && f.Op == query.Fuzzy })
}

// shown says which artifacts are listed, and which have tags. Those that have are
// listed, and where that is not asked again, artifact_by_tag has all that are meant.
func (of artifactFilter) shown(field string) string {
	inIndex := field == "" || field == "push_time"
	named := slices.ContainsFunc(of.sets, func(set artifactSet) bool { return of.named(set, field) })
	switch {
	case inIndex && of.tagged == "" && named:
		return withTags
	case of.all || inIndex && of.tagged == withTags:
		return of.tagged
	}
	return of.tagged + " AND a.listed = TRUE"
}

// meeting adds the filters to a condition, see inOrderOf.
func (of artifactFilter) meeting(in condition, field string) (condition, error) {
	add := func(c condition) { in.sql, in.args = in.sql+" AND "+c.sql, append(in.args, c.args...) }
	in.sql += " AND a.accessory_of = ''" + of.shown(field)
	if of.kinds != nil {
		add(condition{"+" + of.kinds.sql, of.kinds.args})
	}
	for _, set := range of.sets {
		switch {
		case of.named(set, field):
			add(set.names)
		case of.among || set.large && field == "": // where both databases may walk along both tables
			add(condition{"EXISTS (" + set.has.sql + ")", set.has.args})
		case set.large: // PostgreSQL is not to gather them after all
			add(condition{"EXISTS (" + set.has.sql + " LIMIT 1 OFFSET 0)", set.has.args})
		case field == "" && of.repository == 0: // where the set may lead to the artifacts
			add(condition{"a.id IN (" + set.ids.sql + ")", set.ids.args})
		default:
			add(gathered("a.id", set.ids))
		}
	}
	if of.among {
		add(condition{"a.id IN (" + db.In(len(of.ids)) + ")", anyOf(of.ids)})
	}
	for _, f := range of.plain {
		c := artifactListing.columns[f.Field]
		found := field == "" && of.repository == 0 && f.Field == "digest" // by an index of digests, where they begin alike
		if f.Field != field && !found && f.Op != query.Fuzzy {            // nothing leads to parts of texts
			c = c.unindexed()
		}
		one, err := c.condition(f)
		if err != nil {
			return in, err
		}
		add(one)
	}
	return in, nil
}
