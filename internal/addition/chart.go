package addition

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-registry/berth/internal/oci"
)

// chartLayers are the media types of a chart's archive.
var chartLayers = []string{"application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"}

// Limits of a chart. Helm itself unpacks no more bytes, and no larger files.
const (
	maxArchive  = 32 << 20 // packed
	maxUnpacked = 100 << 20
	maxEntries  = 10_000
	maxFile     = 5 << 20
	maxYAML     = 1 << 20 // of what is parsed

	maxDependencies = 1000
	maxText         = 4096 // of a dependency, in bytes
)

// A chart may grow by maxRatio where it is unpacked; what is small may grow to
// freeUnpacked anyway.
const (
	maxRatio     = 100
	freeUnpacked = 8 << 20
)

// A chart is the files of an archive that are looked at; nil where it has none.
type chart struct {
	metadata, requirements, values, readme []byte
	exact                                  bool // the readme is called README.md
}

func chartValues(m manifest, open opener) (Content, error) {
	c, err := openChart(m, open)
	return Content{textContent, c.values}, err
}

func chartReadme(m manifest, open opener) (Content, error) {
	c, err := openChart(m, open)
	return Content{markdownContent, c.readme}, err
}

// A dependency is another chart that a chart needs.
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
	found, err := c.dependencies()
	if err != nil {
		return Content{}, err
	}
	return inJSON(found)
}

// dependencies are in Chart.yaml, or in charts of the first version in a file of
// their own, which counts where there is one.
func (c chart) dependencies() ([]dependency, error) {
	found := []dependency{}
	for _, file := range [][]byte{c.metadata, c.requirements} {
		if len(file) > maxYAML {
			return nil, tooLarge(maxYAML)
		}
		// Decoding into a struct would compare each key with each other one, and
		// write out what is referred to again and again.
		var root yaml.Node
		if err := yaml.Unmarshal(file, &root); err != nil {
			return nil, ErrUnreadable.With("the chart's list of dependencies").Because(err)
		}
		if len(root.Content) == 0 {
			continue
		}
		list := member(root.Content[0], "dependencies")
		if list == nil {
			continue
		}
		if len(list.Content) > maxDependencies {
			return nil, ErrTooLarge.With("the chart has more than %d dependencies", maxDependencies)
		}
		found = found[:0]
		for _, item := range list.Content {
			d := dependency{text(item, "name"), text(item, "version"), text(item, "repository")}
			if max(len(d.Name), len(d.Version), len(d.Repository)) > maxText {
				return nil, ErrTooLarge.With("a dependency of the chart has a text of more than %d bytes", maxText)
			}
			found = append(found, d)
		}
	}
	return found, nil
}

// member returns the first value of a key, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	n = target(n)
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return target(n.Content[i+1])
		}
	}
	return nil
}

func text(n *yaml.Node, key string) string {
	if v := member(n, key); v != nil && v.Kind == yaml.ScalarNode && v.Tag != "!!null" {
		return v.Value
	}
	return ""
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// openChart reads the archive of a chart.
func openChart(m manifest, open opener) (chart, error) {
	at := slices.IndexFunc(m.Layers, func(l oci.Descriptor) bool { return slices.Contains(chartLayers, l.MediaType) })
	if at < 0 {
		return chart{}, ErrMissing.With("it has no layer with a chart")
	}
	r, err := open(m.Layers[at].Digest)
	if err != nil {
		return chart{}, err
	}
	defer r.Close()
	if r.Size() > maxArchive {
		return chart{}, tooLarge(maxArchive)
	}
	return readChart(r, r.Size())
}

// readChart takes out of a packed chart of the given size what is looked at.
func readChart(packed io.Reader, size int64) (chart, error) {
	unzip, err := gzip.NewReader(packed)
	if err != nil {
		return chart{}, unreadable("the chart is no gzip archive", err)
	}
	limit := min(maxUnpacked, max(freeUnpacked, size*maxRatio))
	entries := tar.NewReader(&meter{r: unzip, left: limit, limit: limit})
	var c chart
	for n := 0; ; n++ {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return chart{}, unreadable("the chart's archive is damaged", err)
		}
		if n == maxEntries {
			return chart{}, ErrTooLarge.With("the chart has more than %d files", maxEntries)
		}
		if err := c.take(h, entries); err != nil {
			return chart{}, unreadable("the chart's archive is damaged", err)
		}
	}
	if c.metadata == nil {
		return chart{}, ErrUnreadable.With("the chart has no Chart.yaml")
	}
	return c, nil
}

// take keeps a file that is looked at. They stand in the one folder at the top,
// and are called as Helm wants them; only of a readme the case does not matter.
func (c *chart) take(h *tar.Header, content io.Reader) error {
	name, err := inChart(h.Name)
	if err != nil || h.Typeflag != tar.TypeReg {
		return err
	}
	var file *[]byte
	switch {
	case name == "Chart.yaml":
		file = &c.metadata
	case name == "requirements.yaml":
		file = &c.requirements
	case name == "values.yaml":
		file = &c.values
	case strings.EqualFold(name, "README.md") && !c.exact:
		file, c.exact = &c.readme, name == "README.md"
	default:
		return nil
	}
	if h.Size > maxFile {
		return ErrTooLarge.With("%s has more than %d bytes", name, maxFile)
	}
	*file, err = readAll(content, maxFile)
	return err
}

// inChart returns the path of an entry below the folder at the top, empty for
// the folder itself. Paths that lead elsewhere make an archive that is no chart.
func inChart(name string) (string, error) {
	name = strings.ReplaceAll(name, `\`, "/")
	if path.IsAbs(name) || slices.Contains(strings.Split(name, "/"), "..") {
		return "", ErrUnreadable.With("the chart has a file outside of its folder")
	}
	_, rest, _ := strings.Cut(path.Clean(name), "/")
	return rest, nil
}

// A meter passes on at most so many bytes, and returns ErrTooLarge then.
type meter struct {
	r           io.Reader
	left, limit int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, ErrTooLarge.With("the chart has more than %d bytes when it is unpacked", m.limit)
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}
