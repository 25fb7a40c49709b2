package addition

import (
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/helm"
)

func chartValues(m manifest, open opener) (Content, error) {
	c, err := openChart(m, open)
	return Content{MediaType: textContent, Body: c.Values}, err
}

func chartReadme(m manifest, open opener) (Content, error) {
	c, err := openChart(m, open)
	return Content{MediaType: markdownContent, Body: c.Readme}, err
}

// A dependency is what is shown of another chart that a chart needs.
type dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version"`
	Repository string `json:"repository"`
}

func chartDependencies(m manifest, open opener) (Content, error) {
	c, err := openChart(m, open)
	if err != nil {
		return Content{}, err
	}
	found, err := c.Dependencies()
	if err != nil {
		return Content{}, err
	}
	shown := make([]dependency, len(found))
	for i, d := range found {
		shown[i] = dependency{d.Name, d.Version, d.Repository}
	}
	return inJSON(shown)
}

func chartProvenance(m manifest, open opener) (Content, error) {
	_, provenance := artifact.ChartFiles(m.Layers)
	if provenance == "" {
		return Content{}, ErrMissing.With("nobody signed the chart: it has no provenance file")
	}
	text, err := readBlob(open, provenance, helm.MaxProvenance)
	return Content{MediaType: textContent, Body: text}, err
}

// openChart reads the archive of a chart. It returns faults of helm.
func openChart(m manifest, open opener) (helm.Archive, error) {
	archive, _ := artifact.ChartFiles(m.Layers)
	if archive == "" {
		return helm.Archive{}, ErrMissing.With("it has no layer with a chart")
	}
	r, err := open(archive)
	if err != nil {
		return helm.Archive{}, err
	}
	defer r.Close()
	return helm.ReadArchive(r, r.Size())
}
