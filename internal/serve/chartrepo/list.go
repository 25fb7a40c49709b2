package chartrepo

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/chart"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/label"
)

// maxPage is how many charts or versions are listed at once, and how many are
// where the request does not say. More are behind an offset.
const maxPage = 1000

var errPage = fault.New(fault.Invalid, "BAD_REQUEST", "invalid page")

// page reads which part of a list is asked for, as ChartMuseum has it.
func page(q url.Values) (offset, limit int, err error) {
	limit = maxPage
	for name, to := range map[string]*int{"offset": &offset, "limit": &limit} {
		if !q.Has(name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 0 || n > math.MaxInt32 {
			return 0, 0, errPage.With("%s must be a number from 0 on", name)
		}
		*to = n
	}
	if limit == 0 {
		return 0, 0, errPage.With("limit must be 1 at least")
	}
	return offset, min(limit, maxPage), nil
}

// A summary is a chart in the list of a project.
type summary struct {
	Name       string    `json:"name"`
	Versions   int       `json:"total_versions"`
	Latest     string    `json:"latest_version"`
	Created    time.Time `json:"created"`
	Updated    time.Time `json:"updated"`
	Icon       string    `json:"icon"`
	Home       string    `json:"home"`
	Deprecated bool      `json:"deprecated"`
}

func (h *Handler) list(w http.ResponseWriter, r *request) error {
	offset, limit, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := h.charts.Summaries(r.Context(), r.project, offset, limit)
	if err != nil {
		return err
	}
	shown := make([]summary, len(found))
	for i, c := range found {
		shown[i] = summary{c.Name, c.Versions, c.Latest.Version, c.First.UTC(), c.Newest.UTC(), c.Latest.Icon, c.Latest.Home, c.Latest.Deprecated}
	}
	return answer(w, http.StatusOK, shown)
}

// A listed version is one as the index has it, with its labels.
type listed struct {
	helm.Listed
	Labels []labelBody `json:"labels"`
}

// A labelBody is a label as the API shows it.
type labelBody struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Color       string    `json:"color"`
	Scope       string    `json:"scope"`
	ProjectID   int64     `json:"project_id"`
	Created     time.Time `json:"creation_time"`
	Updated     time.Time `json:"update_time"`
}

func bodies(labels []label.Label) []labelBody {
	shown := make([]labelBody, 0, len(labels))
	for _, l := range labels {
		shown = append(shown, labelBody{l.ID, l.Name, l.Description, l.Color, l.Scope, l.ProjectID, l.Created.UTC(), l.Updated.UTC()})
	}
	return shown
}

// listed returns versions with their labels.
func (h *Handler) listed(r *request, versions ...chart.Version) ([]listed, error) {
	ids := make([]int64, len(versions))
	for i, v := range versions {
		ids[i] = v.ArtifactID
	}
	labels, err := h.labels.OfArtifacts(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	shown := make([]listed, len(versions))
	for i, v := range versions {
		if err := json.Unmarshal(v.Entry, &shown[i].Listed); err != nil {
			return nil, fmt.Errorf("entry of %s %s: %w", v.Name, v.Version, err)
		}
		shown[i].URLs = []string{"charts/" + helm.File(v.Name, v.Version)}
		shown[i].Labels = bodies(labels[v.ArtifactID])
	}
	return shown, nil
}

func (h *Handler) versions(w http.ResponseWriter, r *request) error {
	offset, limit, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := h.charts.Versions(r.Context(), r.project, r.PathValue("name"), offset, limit)
	if err != nil {
		return err
	}
	shown, err := h.listed(r, found...)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, shown)
}

// details are a version with what is in its archive.
type details struct {
	Metadata     helm.Listed       `json:"metadata"`
	Dependencies []helm.Dependency `json:"dependencies"`
	Values       map[string]any    `json:"values"`
	Files        map[string]string `json:"files"`
	Security     security          `json:"security"`
	Labels       []labelBody       `json:"labels"`
}

type security struct {
	Signature signature `json:"signature"`
}

type signature struct {
	Signed     bool   `json:"signed"`
	Provenance string `json:"prov_file"`
}

// asked returns the version that the path names.
func (h *Handler) asked(r *request) (chart.Version, error) {
	return h.charts.Version(r.Context(), r.project, r.PathValue("name"), r.PathValue("version"))
}

func (h *Handler) version(w http.ResponseWriter, r *request) error {
	v, err := h.asked(r)
	if err != nil {
		return err
	}
	shown, err := h.listed(r, v)
	if err != nil {
		return err
	}
	content, err := h.charts.Content(r.Context(), r.project, v)
	if err != nil {
		return err
	}
	d := details{
		Metadata: shown[0].Listed, Dependencies: content.Metadata.Dependencies, Values: helm.Flatten(content.Values),
		Files: map[string]string{}, Labels: shown[0].Labels,
	}
	for name, text := range map[string][]byte{"README.md": content.Readme, "values.yaml": content.Values} {
		if text != nil {
			d.Files[name] = string(text)
		}
	}
	if content.Signed {
		d.Security.Signature = signature{true, shown[0].URLs[0] + ".prov"}
	}
	return answer(w, http.StatusOK, d)
}
