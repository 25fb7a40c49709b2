package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/gc"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/db"
)

// Artifacts keeps repositories, artifacts and tags. It meets artifact.Store.
//
// Whoever adds a reference to a blob, or takes a blob from a repository, first
// writes the repository's row: that row is the lock that keeps the two apart.
// Whoever needs several writes them in the order of their names.
type Artifacts struct {
	db     *db.DB
	broken brokenIndexes
}

// NewArtifacts returns the store of artifacts in d.
func NewArtifacts(d *db.DB) *Artifacts { return &Artifacts{db: d} }

// Record implements artifact.Store.
func (s *Artifacts) Record(ctx context.Context, p artifact.Push, e event.Event) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		repo, err := ensureRepository(tx, p.Repo, p.At.UnixMicro())
		if err != nil {
			return err
		}
		id, stored, err := recordArtifact(tx, repo, p)
		if err != nil {
			return err
		}
		left, err := moveTags(tx, repo, id, p)
		if err != nil {
			return err
		}
		if err := inheritLabels(tx, repo, id, p.Before); err != nil {
			return err
		}
		if err := reviewPushed(tx, repo, left, p); err != nil {
			return err
		}
		if !stored { // what is new is listed as it is
			left = append(left, id)
		}
		if err := relist(tx, repo, left, childDigests(p, stored)); err != nil {
			return err
		}
		return record(tx, e)
	})
}

// reviewPushed lets artifacts wait for a review that a push left without a tag:
// its own, and those that its tags pointed at before.
func reviewPushed(tx *db.Tx, repo int64, left []int64, p artifact.Push) error {
	if len(p.Tags) == 0 && p.Manifest.Subject == nil {
		return reviewOne(tx, gc.Artifact, repo, p.Digest, gc.Untagged, p.At.UnixMicro())
	}
	return reviewUntagged(tx, repo, left, p.At.UnixMicro())
}

// childDigests returns the children that an index, where it is new, takes from
// the list of its repository.
func childDigests(p artifact.Push, stored bool) []oci.Digest {
	if !stored {
		return nil
	}
	digests := make([]oci.Digest, len(p.Manifest.Children))
	for i, c := range p.Manifest.Children {
		digests[i] = c.Digest
	}
	return digests
}

// ensureRepository returns the id of a repository, making it where needed, and
// holds its row until the transaction ends.
func ensureRepository(tx *db.Tx, repo artifact.Repo, now int64) (int64, error) {
	var id, project int64
	err := tx.QueryRow(`INSERT INTO repository (project_id, name, description, artifact_count, pull_count, created, updated)
		SELECT id, ?, '', 0, 0, ?, ? FROM project WHERE id = ? AND NOT deleted
		ON CONFLICT (name) DO UPDATE SET updated = excluded.updated WHERE repository.project_id = excluded.project_id RETURNING id`,
		repo.Name, now, now, repo.ProjectID).Scan(&id)
	if err == nil {
		// The insert may have waited for the deletion of the project. From now on
		// its foreign key holds the project.
		err = tx.QueryRow(`SELECT id FROM project WHERE id = ? AND NOT deleted`, repo.ProjectID).Scan(&project)
	}
	if errors.Is(err, db.ErrNotFound) {
		return 0, artifact.ErrRepositoryUnknown.Because(errors.New("its project is gone"))
	}
	if err != nil {
		return 0, fmt.Errorf("repository %s: %w", repo.Name, err)
	}
	return id, nil
}

// recordArtifact returns the id of the artifact. Where it is new, it is stored
// with all its references.
func recordArtifact(tx *db.Tx, repo int64, p artifact.Push) (id int64, stored bool, err error) {
	var of, subject oci.Digest
	err = tx.QueryRow(`SELECT id, accessory_of, subject FROM artifact WHERE repository_id = ? AND digest = ?`, repo, p.Digest).Scan(&id, &of, &subject)
	switch {
	case err != nil:
	case of == "" && p.Facts.AccessoryOf != "":
		err = attach(tx, id, p.Facts)
	case of != "" && subject == "" && artifact.Named(p.Tags):
		err = detach(tx, id)
	}
	if !errors.Is(err, db.ErrNotFound) {
		return id, false, err
	}
	id, err = storeArtifact(tx, repo, p)
	return id, true, err
}

// maxShown is how many bytes of annotations a list shows of an artifact: a page
// of small requests must not be an answer that fills the memory. The manifest
// itself has all of them.
const maxShown = 64 << 10

// storeArtifact stores a new artifact.
func storeArtifact(tx *db.Tx, repo int64, p artifact.Push) (id int64, err error) {
	sizes, err := blobSizes(tx, repo, p)
	if err != nil {
		return 0, err
	}
	size, err := totalSize(tx, repo, p, sizes)
	if err != nil {
		return 0, err
	}
	annotations, err := json.Marshal(p.Manifest.Annotations)
	if err != nil {
		return 0, err
	}
	if len(annotations) > maxShown {
		annotations = []byte(`{}`)
	}
	subject, descriptor, err := subjectOf(p)
	if err != nil {
		return 0, err
	}
	of := cmp.Or(p.Facts.AccessoryOf, subject)
	attrs := p.Facts.Attrs
	if attrs == nil {
		attrs = json.RawMessage(`{}`)
	}
	insert := func() (listed bool, err error) {
		err = tx.QueryRow(insertArtifact, p.ProjectID, repo, p.Digest, p.Manifest.MediaType, p.Manifest.ArtifactType, p.Manifest.ConfigMediaType, size, len(p.Body),
			subject, of, p.Facts.AccessoryType, len(p.Tags) > 0, tagNames(p.Tags), of == "", len(p.Tags) > 0, p.Digest, repo, p.At.UnixMicro(), p.Facts.Icon, string(annotations), descriptor, p.Body, string(attrs),
			cmp.Or(p.Facts.Type, artifact.TypeUnknown), p.Manifest.MediaType, p.Manifest.ConfigMediaType, p.Manifest.ArtifactType).Scan(&id, &listed)
		return listed, err
	}
	listed, err := insert()
	if errors.Is(err, db.ErrNotFound) { // the first of its kind
		if err = recordKind(tx, p); err == nil {
			listed, err = insert()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("artifact %s: %w", p.Digest, err)
	}
	if listed {
		if err := countListed(tx, repo, +1); err != nil {
			return 0, err
		}
	}
	if err := recordBlobs(tx, repo, id, p.Manifest.Blobs, sizes); err != nil {
		return 0, err
	}
	if err := recordChildren(tx, repo, id, p.Manifest.Children); err != nil {
		return 0, err
	}
	if err := countManifests(tx, repo, p.ProjectID, +1); err != nil {
		return 0, err
	}
	return id, charge(tx, p, partsOf(p, sizes))
}

// insertArtifact inserts nothing where there is no such kind. What it says of
// being listed is listedNow, before the tags are there.
const insertArtifact = `INSERT INTO artifact (project_id, repository_id, digest, media_type, artifact_type, config_media_type, size, manifest_size,
		subject, accessory_of, accessory_type, tagged, tag_names, listed, pushed, pulled, icon, annotations, descriptor, body, attrs, type, kind)
	SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? AND (? OR NOT EXISTS (SELECT 1 FROM artifact_reference c WHERE c.child_digest = ? AND c.repository_id = ?)),
		?, 0, ?, ?, ?, ?, ?, k.type, k.id
	FROM artifact_kind k WHERE k.type = ? AND k.media_type = ? AND k.config_media_type = ? AND k.artifact_type = ? RETURNING id, listed`

func recordKind(tx *db.Tx, p artifact.Push) error {
	_, err := tx.Exec(`INSERT INTO artifact_kind (type, media_type, config_media_type, artifact_type) VALUES (?, ?, ?, ?)
		ON CONFLICT (type, media_type, config_media_type, artifact_type) DO NOTHING`,
		cmp.Or(p.Facts.Type, artifact.TypeUnknown), p.Manifest.MediaType, p.Manifest.ConfigMediaType, p.Manifest.ArtifactType)
	return err
}

// partsOf returns what a push is charged for: the manifest, and those of its
// blobs that are here to stay.
func partsOf(p artifact.Push, sizes map[oci.Digest]int64) []part {
	parts := []part{{p.Digest, int64(len(p.Body)), 1}}
	for _, b := range p.Manifest.Blobs {
		if size, here := sizes[b.Digest]; here && !b.Foreign {
			parts = append(parts, part{b.Digest, size, 1})
		}
	}
	return parts
}

// subjectOf returns the digest of a manifest's subject and the descriptor under
// which the subject's referrers are to list the manifest; both are empty where it
// has none. The list is read often and in whole, so its parts are made ready.
func subjectOf(p artifact.Push) (subject oci.Digest, descriptor string, err error) {
	if p.Manifest.Subject == nil {
		return "", "", nil
	}
	text, err := json.Marshal(oci.Descriptor{
		MediaType: p.Manifest.MediaType, Digest: p.Digest, Size: int64(len(p.Body)),
		ArtifactType: p.Manifest.ArtifactType, Annotations: p.Manifest.Annotations,
	})
	return p.Manifest.Subject.Digest, string(text), err
}

// blobsHere asks for n blobs, one by one: in a join, PostgreSQL takes all
// repositories for equally large, and reads through all blobs of a large one.
func blobsHere(n int) string {
	return `SELECT b.digest, b.size, b.state FROM blob b WHERE b.digest IN (` + db.In(n) + `) AND b.missing = FALSE
		AND (SELECT r.digest FROM repository_blob r WHERE r.repository_id = ? AND r.digest = b.digest) IS NOT NULL`
}

// blobSizes returns the true sizes of the blobs that the repository has, and
// refuses the push where it lacks one that it needs.
func blobSizes(tx *db.Tx, repo int64, p artifact.Push) (map[oci.Digest]int64, error) {
	blobs := p.Manifest.Blobs
	if len(blobs) == 0 {
		return nil, nil
	}
	args := make([]any, 0, len(blobs)+1)
	for _, b := range blobs {
		args = append(args, b.Digest)
	}
	args = append(args, repo)
	rows, err := tx.Query(blobsHere(len(blobs)), args...)
	if err != nil {
		return nil, fmt.Errorf("blobs of %s: %w", p.Digest, err)
	}
	sizes := make(map[oci.Digest]int64, len(blobs))
	var trash []oci.Digest
	err = eachRow(rows, func(rows *db.Rows) error {
		var d oci.Digest
		var size int64
		var state string
		err := rows.Scan(&d, &size, &state)
		sizes[d] = size
		if state == "trash" {
			trash = append(trash, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, d := range trash {
		if err := revive(tx, d); err != nil {
			return nil, err
		}
	}
	if err := relink(tx, repo, lacking(blobs, sizes), p.At.UnixMicro(), func(d oci.Digest, size int64) { sizes[d] = size }); err != nil {
		return nil, err
	}
	for _, b := range blobs {
		if _, here := sizes[b.Digest]; !here && !b.Foreign && !p.AllowMissing {
			return nil, artifact.ErrBlobUnknown.Detailed(map[string]string{"digest": string(b.Digest)}).With("%s", b.Digest)
		}
	}
	return sizes, nil
}

// lacking returns the blobs that have no size.
func lacking(blobs []oci.Blob, sizes map[oci.Digest]int64) (digests []oci.Digest) {
	for _, b := range blobs {
		if _, here := sizes[b.Digest]; !here && !b.Foreign {
			digests = append(digests, b.Digest)
		}
	}
	return digests
}

// totalSize is what the artifact takes here with all it refers to. What a
// manifest says of content that is elsewhere is not counted.
func totalSize(tx *db.Tx, repo int64, p artifact.Push, sizes map[oci.Digest]int64) (int64, error) {
	size := int64(len(p.Body))
	for _, s := range sizes {
		size += s
	}
	if len(p.Manifest.Children) == 0 {
		return size, nil
	}
	args := []any{repo}
	for _, c := range p.Manifest.Children {
		args = append(args, c.Digest)
	}
	var children int64
	err := tx.QueryRow(`SELECT COALESCE(SUM(size), 0) FROM artifact WHERE repository_id = ? AND digest IN (`+
		db.In(len(p.Manifest.Children))+`)`, args...).Scan(&children)
	return size + children, err
}

func recordBlobs(tx *db.Tx, repo, id int64, blobs []oci.Blob, sizes map[oci.Digest]int64) error {
	args := make([]any, 0, 6*len(blobs))
	for _, b := range blobs {
		size, here := sizes[b.Digest]
		if !here {
			size = b.Size
		}
		args = append(args, id, b.Digest, repo, b.Foreign, here && !b.Foreign, size)
	}
	return insertRows(tx, `INSERT INTO artifact_blob (artifact_id, digest, repository_id, foreign_layer, counted, size) VALUES `, 6, args)
}

func recordChildren(tx *db.Tx, repo, id int64, children []oci.Descriptor) error {
	args := make([]any, 0, 5*len(children))
	for i, c := range children {
		platform := ""
		if c.Platform != nil {
			text, err := json.Marshal(c.Platform)
			if err != nil {
				return err
			}
			platform = string(text)
		}
		args = append(args, id, i, c.Digest, repo, platform)
	}
	return insertRows(tx, `INSERT INTO artifact_reference (parent_id, position, child_digest, repository_id, platform) VALUES `, 5, args)
}

// Find implements artifact.Store. It is one indexed read unless nothing is
// found.
func (s *Artifacts) Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (artifact.Artifact, []byte, error) {
	var a artifact.Artifact
	var body []byte
	var row db.Row
	switch {
	case ref.Tag != "" && withBody:
		row = s.db.QueryRow(ctx, `SELECT a.id, a.digest, a.media_type, a.manifest_size, a.body FROM repository r
			JOIN tag t ON t.repository_id = r.id JOIN artifact a ON a.id = t.artifact_id WHERE r.name = ? AND t.name = ?`, repository, ref.Tag)
	case ref.Tag != "":
		row = s.db.QueryRow(ctx, `SELECT a.id, a.digest, a.media_type, a.manifest_size, NULL FROM repository r
			JOIN tag t ON t.repository_id = r.id JOIN artifact a ON a.id = t.artifact_id WHERE r.name = ? AND t.name = ?`, repository, ref.Tag)
	case withBody:
		row = s.db.QueryRow(ctx, `SELECT a.id, a.digest, a.media_type, a.manifest_size, a.body FROM repository r
			JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.digest = ?`, repository, ref.Digest)
	default:
		row = s.db.QueryRow(ctx, `SELECT a.id, a.digest, a.media_type, a.manifest_size, NULL FROM repository r
			JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.digest = ?`, repository, ref.Digest)
	}
	err := row.Scan(&a.ID, &a.Digest, &a.MediaType, &a.Size, &body)
	if errors.Is(err, db.ErrNotFound) {
		return a, nil, s.unknown(ctx, repository, ref)
	}
	if err != nil {
		return a, nil, fmt.Errorf("find manifest: %w", err)
	}
	return a, body, nil
}

// unknown says whether the manifest or all of the repository is missing.
func (s *Artifacts) unknown(ctx context.Context, repository string, ref oci.Reference) error {
	if _, err := s.repositoryID(ctx, repository); err != nil {
		return err
	}
	return artifact.ErrUnknown.With("%s", ref)
}

func (s *Artifacts) repositoryID(ctx context.Context, name string) (int64, error) {
	var id int64
	err := s.db.QueryRow(ctx, `SELECT id FROM repository WHERE name = ?`, name).Scan(&id)
	if errors.Is(err, db.ErrNotFound) {
		return 0, artifact.ErrRepositoryUnknown.With("%s", name)
	}
	return id, err
}

// Tags implements artifact.Store.
func (s *Artifacts) Tags(ctx context.Context, repository, last string, n int) ([]string, error) {
	id, err := s.repositoryID(ctx, repository)
	if err != nil {
		return nil, err
	}
	return columnOf[string](s.db.Query(ctx, `SELECT name FROM tag WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?`, id, last, n))
}

// RepositoryNames implements artifact.Store.
func (s *Artifacts) RepositoryNames(ctx context.Context, last string, n int) ([]string, error) {
	return columnOf[string](s.db.Query(ctx, `SELECT name FROM repository WHERE listed AND name > ? ORDER BY name LIMIT ?`, last, n))
}

// Referrers implements artifact.Store.
func (s *Artifacts) Referrers(ctx context.Context, repository string, d oci.Digest, artifactType string, after int64, n int) ([]artifact.Referrer, error) {
	q := `SELECT a.id, a.descriptor FROM repository r
		JOIN artifact a ON a.repository_id = r.id WHERE r.name = ? AND a.accessory_of = ? AND a.accessory_of <> '' AND a.subject <> '' AND a.id > ?`
	args := []any{repository, d, after}
	if artifactType != "" {
		q += ` AND a.artifact_type = ?`
		args = append(args, artifactType)
	}
	rows, err := s.db.Query(ctx, q+` ORDER BY a.id LIMIT ?`, append(args, n)...)
	if err != nil {
		return nil, fmt.Errorf("referrers: %w", err)
	}
	defer rows.Close()
	var found []artifact.Referrer
	for room := oci.MaxManifest; rows.Next(); {
		var r artifact.Referrer
		if err := rows.Scan(&r.ID, &r.Descriptor); err != nil {
			return nil, err
		}
		found = append(found, r)
		if room < 0 {
			break // the annotations of all of them could fill the memory
		}
		room -= len(r.Descriptor)
	}
	return found, rows.Err()
}
