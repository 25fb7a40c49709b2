package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berth-registry/berth/internal/addition"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/label"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/scan"
)

// artifacts answers for what is in repositories.
type artifacts struct {
	catalog artifact.Catalog
	content *registry.Service
	labels  *label.Service
	rules   *immutable.Service
	scans   *scan.Service
}

type artifactBody struct {
	ID             int64                   `json:"id"`
	Type           string                  `json:"type" doc:"IMAGE, CHART, CNAB, WASM, CNAI, SBOM, UNKNOWN or one's own"`
	MediaType      string                  `json:"media_type" doc:"of the configuration, or of an index"`
	ManifestType   string                  `json:"manifest_media_type"`
	ArtifactType   string                  `json:"artifact_type"`
	ProjectID      int64                   `json:"project_id"`
	RepositoryID   int64                   `json:"repository_id"`
	RepositoryName string                  `json:"repository_name"`
	Digest         string                  `json:"digest"`
	Size           int64                   `json:"size" doc:"bytes, with all that it refers to"`
	Icon           string                  `json:"icon" doc:"a digest, for GET /icons"`
	Pushed         moment                  `json:"push_time"`
	Pulled         moment                  `json:"pull_time"`
	Attrs          extraAttrs              `json:"extra_attrs" doc:"what the configuration says"`
	Annotations    map[string]string       `json:"annotations"`
	References     []referenceBody         `json:"references" nullable:"true" doc:"of an index; a list has the first 100 of each"`
	Tags           []tagBody               `json:"tags" nullable:"true" doc:"a list has the newest 1000 of each artifact"`
	Additions      map[string]additionLink `json:"addition_links"`
	Labels         []labelBody             `json:"labels" nullable:"true"`
	Scan           scanOverview            `json:"scan_overview,omitempty" doc:"by the media type of its report; missing: it was never examined"`
	SBOM           *sbomOverview           `json:"sbom_overview,omitempty" doc:"missing: nobody asked for one"`
	Accessories    []accessoryBody         `json:"accessories" nullable:"true" doc:"a list has the first 100 of each artifact"`
	Inherited      []accessoryBody         `json:"inherited_accessories,omitempty" doc:"of the indexes that it is a child of; a list has 100 at most for each artifact"`
}

// extraAttrs is an object of whatever fields.
type extraAttrs json.RawMessage

func (e extraAttrs) MarshalJSON() ([]byte, error) { return json.RawMessage(e).MarshalJSON() }

// Schema describes the attributes for the document.
func (extraAttrs) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

type labelBody struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Color       string `json:"color"`
	Scope       string `json:"scope" doc:"g for all projects, p for one"`
	ProjectID   int64  `json:"project_id"`
	Created     moment `json:"creation_time"`
	Updated     moment `json:"update_time"`
}

type referenceBody struct {
	ParentID    int64             `json:"parent_id"`
	ChildID     int64             `json:"child_id"`
	Digest      string            `json:"child_digest"`
	Platform    *platformBody     `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	URLs        []string          `json:"urls,omitempty"`
}

// platformBody has two of its fields under two names. Clients that were made of
// Harbor's description look for names with quotes; programs in Go, and so Harbor
// itself, cannot have these, and call the fields what they are called in Go.
type platformBody struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"'os.version'"`
	OSFeatures   []string `json:"'os.features'" nullable:"true"`
	GoVersion    string   `json:"OsVersion"`
	GoFeatures   []string `json:"OsFeatures" nullable:"true"`
	Variant      string   `json:"variant"`
}

// MarshalJSON writes the names that a tag cannot have.
func (p platformBody) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": p.Architecture, "os": p.OS, "variant": p.Variant,
		"'os.version'": p.OSVersion, "'os.features'": p.OSFeatures, "OsVersion": p.GoVersion, "OsFeatures": p.GoFeatures,
	})
}

type additionLink struct {
	Href     string `json:"href"`
	Absolute bool   `json:"absolute"`
}

type accessoryBody struct {
	ID         int64  `json:"id"`
	ArtifactID int64  `json:"artifact_id"`
	SubjectID  int64  `json:"subject_artifact_id"`
	Subject    string `json:"subject_artifact_digest"`
	Repository string `json:"subject_artifact_repo"`
	Size       int64  `json:"size"`
	Digest     string `json:"digest"`
	Type       string `json:"type"`
	Icon       string `json:"icon"`
	Created    moment `json:"creation_time"`
}

func asAccessory(repository string) func(artifact.Accessory) accessoryBody {
	return func(a artifact.Accessory) accessoryBody {
		return accessoryBody{a.ID, a.ID, a.SubjectID, string(a.Subject), repository, a.Size, string(a.Digest), a.Type, iconOf(a.Icon, a.Type), moment(a.Pushed)}
	}
}

func asReference(r artifact.Reference) referenceBody {
	out := referenceBody{ParentID: r.ParentID, ChildID: r.ChildID, Digest: string(r.Digest), Annotations: r.Annotations, URLs: r.URLs}
	if p := r.Platform; p != nil {
		out.Platform = &platformBody{p.Architecture, p.OS, p.OSVersion, p.OSFeatures, p.OSVersion, p.OSFeatures, p.Variant}
	}
	return out
}

func asArtifact(d artifact.Detail) artifactBody {
	shown := d.ConfigMediaType
	if shown == "" {
		shown = d.MediaType
	}
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	accessory := asAccessory(d.Repository)
	return artifactBody{
		ID: d.ID, Type: d.Type, MediaType: shown, ManifestType: d.MediaType, ArtifactType: d.ArtifactType, ProjectID: d.ProjectID,
		RepositoryID: d.RepositoryID, RepositoryName: d.Repository, Digest: string(d.Digest), Size: d.Size, Icon: iconOf(d.Icon, d.Type),
		Pushed: moment(d.Pushed), Pulled: moment(d.Pulled), Attrs: extraAttrs(d.Attrs), Annotations: d.Annotations,
		References: each(d.References, asReference), Tags: each(d.Tags, asTag), Additions: additionLinks(d),
		Accessories: each(d.Accessories, accessory), Inherited: each(d.Inherited, accessory),
	}
}

// additionLinks says where the additions of an artifact are.
func additionLinks(d artifact.Detail) map[string]additionLink {
	links := map[string]additionLink{}
	for _, a := range addition.Of(d) {
		links[a] = linkTo(d, d.Digest, a)
	}
	return links
}

// linkTo says where an addition is of an artifact in the repository of another one.
func linkTo(d artifact.Detail, of oci.Digest, name string) additionLink {
	project, rest := oci.SplitRepository(d.Repository)
	repository := strings.ReplaceAll(url.PathEscape(rest), "%2F", "%252F")
	return additionLink{Href: fmt.Sprintf("%s/projects/%s/repositories/%s/artifacts/%s/additions/%s", base, project, repository, of, name)}
}

// Showing is the part of a request that says what of artifacts to show.
type Showing struct {
	Reports   string `header:"X-Accept-Vulnerabilities" doc:"media types of reports, separated by commas"`
	Tags      bool   `query:"with_tag" default:"true"`
	Labels    bool   `query:"with_label" default:"false"`
	Scan      bool   `query:"with_scan_overview" default:"false"`
	SBOM      bool   `query:"with_sbom_overview" default:"false"`
	Immutable bool   `query:"with_immutable_status" default:"false" doc:"whether tags may move; needs with_tag"`
	Accessory bool   `query:"with_accessory" default:"false"`
	Inherited bool   `query:"with_inherited_accessory" default:"false"`
}

func (s Showing) parts() artifact.Parts {
	return artifact.Parts{Tags: s.Tags, Accessories: s.Accessory, Inherited: s.Inherited}
}

// complete adds what is known of artifacts elsewhere: what scanners found, their
// labels, and which of their tags may not move.
func (a artifacts) complete(ctx context.Context, projectID int64, s Showing, found []artifact.Detail, shown []artifactBody) error {
	if err := a.examined(ctx, projectID, s, found, shown); err != nil {
		return err
	}
	if s.Labels {
		ids := make([]int64, len(shown))
		for i := range shown {
			ids[i] = shown[i].ID
		}
		labels, err := a.labels.OfArtifacts(ctx, ids)
		if err != nil {
			return err
		}
		for i := range shown {
			shown[i].Labels = each(labels[shown[i].ID], asLabel)
		}
	}
	if !s.Tags || !s.Immutable {
		return nil
	}
	rules, err := a.rules.Of(ctx, projectID)
	for i := range shown {
		markImmutable(rules.In(shown[i].RepositoryName), shown[i].Tags)
	}
	return err
}

// examined adds what the project's scanner has found, and where all of that is. It
// asks once for all artifacts.
func (a artifacts) examined(ctx context.Context, projectID int64, s Showing, found []artifact.Detail, shown []artifactBody) error {
	can, err := a.scans.Can(ctx, projectID)
	if err != nil || can == (scan.Scannable{}) {
		return err
	}
	ids, at := []int64{}, map[int64]int{}
	for i, d := range found {
		if d.Type == artifact.TypeImage && d.AccessoryOf == "" {
			ids, at[d.ID] = append(ids, d.ID), i
		}
	}
	overviews, err := a.scans.Overviews(ctx, projectID, ids)
	if err != nil {
		return err
	}
	for id, i := range at {
		var document oci.Digest
		for _, o := range overviews[id] {
			switch {
			case o.Kind == scan.SBOM:
				document = o.SBOM
				if s.SBOM {
					shown[i].SBOM = asSBOMOverview(o)
				}
			case s.Scan:
				shown[i].Scan = scanOverview{reportType(s.Reports): asScanSummary(o)}
			}
		}
		if can.Vulnerabilities {
			shown[i].Additions["vulnerabilities"] = linkTo(found[i], found[i].Digest, "vulnerabilities")
		}
		if can.SBOM { // which has no digest where there is no document
			shown[i].Additions["sboms"] = linkTo(found[i], document, "sbom")
		}
	}
	return nil
}

type listArtifacts struct {
	InRepository
	Filtering
	Paging
	Showing
}

func (a artifacts) list(ctx context.Context, in *listArtifacts) (*list[artifactBody], error) {
	repo, err := in.repo()
	if err != nil {
		return nil, err
	}
	return a.page(ctx, artifact.Where{ProjectID: repo.ProjectID, Repository: repo.Name}, in.Filtering, in.Paging, in.Showing)
}

type listArtifactsOfProject struct {
	InProject
	Filtering
	Paging
	Showing
	Latest bool `query:"latest_in_repository" default:"false" doc:"of each repository the newest that meets q, which must have media_type or artifact_type"`
}

func (a artifacts) listOfProject(ctx context.Context, in *listArtifactsOfProject) (*list[artifactBody], error) {
	return a.page(ctx, artifact.Where{ProjectID: in.project.ID, Latest: in.Latest}, in.Filtering, in.Paging, in.Showing)
}

func (a artifacts) page(ctx context.Context, w artifact.Where, f Filtering, p Paging, s Showing) (*list[artifactBody], error) {
	q, err := ask(f, p)
	if err != nil {
		return nil, err
	}
	found, total, err := a.catalog.Artifacts(ctx, w, q, s.parts())
	if err != nil {
		return nil, err
	}
	out := page(p, found, total, asArtifact)
	return out, a.complete(ctx, w.ProjectID, s, found, out.Body)
}

type getArtifact struct {
	InArtifact
	Showing
	Page      int  `query:"page" default:"1" minimum:"0" doc:"not looked at: one artifact has no pages"`
	Size      int  `query:"page_size" default:"10" minimum:"-1" maximum:"100" doc:"not looked at"`
	Signature bool `query:"with_signature" default:"false" doc:"not looked at: signatures are accessories"`
}

type artifactAnswer struct {
	Body artifactBody `nameHint:"Artifact"`
}

func (a artifacts) get(ctx context.Context, in *getArtifact) (*artifactAnswer, error) {
	d, err := a.find(ctx, in.InArtifact, in.parts())
	if err != nil {
		return nil, err
	}
	out := []artifactBody{asArtifact(d)}
	if err := a.complete(ctx, d.ProjectID, in.Showing, []artifact.Detail{d}, out); err != nil {
		return nil, err
	}
	return &artifactAnswer{out[0]}, nil
}

func (a artifacts) find(ctx context.Context, in InArtifact, p artifact.Parts) (artifact.Detail, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return artifact.Detail{}, err
	}
	return a.catalog.Artifact(ctx, repo, ref, p)
}

type deleteArtifact struct{ InArtifact }

func (a artifacts) delete(ctx context.Context, in *deleteArtifact) (*nothing, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	return nil, a.content.DeleteArtifact(ctx, repo, ref)
}

type listAccessories struct {
	InArtifact
	Filtering
	Paging
}

func (a artifacts) accessories(ctx context.Context, in *listAccessories) (*list[accessoryBody], error) {
	d, err := a.find(ctx, in.InArtifact, artifact.Parts{})
	if err != nil {
		return nil, err
	}
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := a.catalog.AccessoriesOf(ctx, d, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asAccessory(d.Repository)), nil
}
