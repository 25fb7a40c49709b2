package helm

import (
	"encoding/json"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Limits of what a chart says of itself.
const (
	maxYAML  = 1 << 20  // bytes of what is parsed
	maxItems = 1000     // of a list
	maxText  = 64 << 10 // bytes of one text; annotations have examples and lists of changes

	// textBytes is what a text counts for beside its own bytes.
	textBytes = 16
)

// A Metadata is what Chart.yaml says, in the fields and the form of an
// artifact's configuration, which Helm writes as JSON.
type Metadata struct {
	Name         string            `json:"name,omitempty"`
	Home         string            `json:"home,omitempty"`
	Sources      []string          `json:"sources,omitempty"`
	Version      string            `json:"version,omitempty"`
	Description  string            `json:"description,omitempty"`
	Keywords     []string          `json:"keywords,omitempty"`
	Maintainers  []Maintainer      `json:"maintainers,omitempty"`
	Icon         string            `json:"icon,omitempty"`
	APIVersion   string            `json:"apiVersion,omitempty"`
	Condition    string            `json:"condition,omitempty"`
	Tags         string            `json:"tags,omitempty"`
	AppVersion   string            `json:"appVersion,omitempty"`
	Deprecated   bool              `json:"deprecated,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	KubeVersion  string            `json:"kubeVersion,omitempty"`
	Dependencies []Dependency      `json:"dependencies,omitempty"`
	Type         string            `json:"type,omitempty"`
}

// A Maintainer of a chart.
type Maintainer struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	URL   string `json:"url,omitempty"`
}

// A Dependency is another chart that a chart needs.
type Dependency struct {
	Name         string   `json:"name"`
	Version      string   `json:"version,omitempty"`
	Repository   string   `json:"repository"`
	Condition    string   `json:"condition,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Enabled      bool     `json:"enabled,omitempty"`
	ImportValues []any    `json:"import-values,omitempty"` // texts, and maps of texts
	Alias        string   `json:"alias,omitempty"`
}

// Metadata returns what the chart says of itself: its name and version are
// checked. Dependencies are in Chart.yaml, or in charts of the first version in a
// file of their own, which counts where there is one. It returns ErrInvalid or
// ErrTooLarge.
func (a Archive) Metadata() (Metadata, error) {
	n, err := parse("Chart.yaml", a.metadata)
	if err != nil {
		return Metadata{}, err
	}
	r := reader{}
	m := Metadata{
		Name: r.text(n, "name"), Home: r.text(n, "home"), Sources: r.texts(n, "sources"), Version: r.text(n, "version"),
		Description: r.text(n, "description"), Keywords: r.texts(n, "keywords"), Icon: r.text(n, "icon"), APIVersion: r.text(n, "apiVersion"),
		Condition: r.text(n, "condition"), Tags: r.text(n, "tags"), AppVersion: r.text(n, "appVersion"), Deprecated: r.flag(n, "deprecated"),
		Annotations: r.table(member(n, "annotations")), KubeVersion: r.text(n, "kubeVersion"), Type: r.text(n, "type"),
	}
	for _, item := range r.list(n, "maintainers") {
		m.Maintainers = append(m.Maintainers, Maintainer{r.text(item, "name"), r.text(item, "email"), r.text(item, "url")})
	}
	if r.err != nil {
		return Metadata{}, r.err
	}
	if m.Dependencies, err = a.dependencies(n); err != nil {
		return Metadata{}, err
	}
	if err := CheckName(m.Name); err != nil {
		return Metadata{}, err
	}
	return m, CheckVersion(m.Version)
}

// Dependencies returns which charts the chart needs, as Metadata does.
func (a Archive) Dependencies() ([]Dependency, error) {
	n, err := parse("Chart.yaml", a.metadata)
	if err != nil {
		return nil, err
	}
	return a.dependencies(n)
}

// dependencies is Dependencies for who has Chart.yaml parsed already.
func (a Archive) dependencies(metadata *yaml.Node) ([]Dependency, error) {
	requirements, err := parse("requirements.yaml", a.requirements)
	if err != nil {
		return nil, err
	}
	found := []Dependency{}
	for _, n := range []*yaml.Node{metadata, requirements} {
		if member(n, "dependencies") == nil {
			continue
		}
		r := reader{}
		found = found[:0]
		for _, item := range r.list(n, "dependencies") {
			found = append(found, r.dependency(item))
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	return found, nil
}

// parse returns the root of a document, nil of an empty one. Decoding into a
// struct would compare each key with each other one, and write out what is
// referred to again and again.
func parse(name string, text []byte) (*yaml.Node, error) {
	if len(text) > maxYAML {
		return nil, tooLarge(name, maxYAML)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, ErrInvalid.With("%s is no YAML", name).Because(err)
	}
	if len(root.Content) == 0 {
		return nil, nil
	}
	return root.Content[0], nil
}

// A reader takes values out of a document, and keeps the first that passes a
// limit. What is referred to again and again counts each time, so that nothing
// grows by it: all that is taken may have as many bytes as a document.
type reader struct {
	err   error
	taken int // bytes
}

// take counts bytes that are taken, and reports whether they may be.
func (r *reader) take(n int) bool {
	if r.taken += n; r.taken > maxYAML {
		r.fail(ErrTooLarge.With("what it says of itself has more than %d bytes, with all that it refers to", maxYAML))
	}
	return r.err == nil
}

func (r *reader) dependency(n *yaml.Node) Dependency {
	d := Dependency{
		Name: r.text(n, "name"), Version: r.text(n, "version"), Repository: r.text(n, "repository"), Condition: r.text(n, "condition"),
		Tags: r.texts(n, "tags"), Enabled: r.flag(n, "enabled"), Alias: r.text(n, "alias"),
	}
	for _, v := range r.list(n, "import-values") {
		switch v.Kind {
		case yaml.ScalarNode:
			d.ImportValues = append(d.ImportValues, r.scalar(v))
		case yaml.MappingNode:
			d.ImportValues = append(d.ImportValues, r.table(v))
		}
	}
	return d
}

func (r *reader) text(n *yaml.Node, key string) string { return r.scalar(member(n, key)) }

func (r *reader) flag(n *yaml.Node, key string) bool {
	v, err := strconv.ParseBool(r.text(n, key))
	return err == nil && v
}

func (r *reader) scalar(n *yaml.Node) string {
	if !r.take(textBytes) || n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	if len(n.Value) > maxText {
		r.fail(ErrTooLarge.With("a text in line %d has more than %d bytes", n.Line, maxText))
	}
	if !r.take(len(n.Value)) {
		return ""
	}
	return n.Value
}

func (r *reader) texts(n *yaml.Node, key string) (found []string) {
	for _, item := range r.list(n, key) {
		found = append(found, r.scalar(item))
	}
	return found
}

func (r *reader) list(n *yaml.Node, key string) []*yaml.Node {
	v := member(n, key)
	if v == nil || v.Kind != yaml.SequenceNode {
		return nil
	}
	if len(v.Content) > maxItems {
		r.fail(ErrTooLarge.With("%s has more than %d items", key, maxItems))
		return nil
	}
	if !r.take(textBytes * len(v.Content)) {
		return nil
	}
	items := make([]*yaml.Node, len(v.Content))
	for i, item := range v.Content {
		items[i] = target(item)
		r.fits(items[i])
	}
	return items
}

// fits keeps a failure where a table has too many items: each value that is
// looked for in it looks at all of them.
func (r *reader) fits(n *yaml.Node) {
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxItems {
		r.fail(ErrTooLarge.With("the table in line %d has more than %d items", n.Line, maxItems))
	}
}

func (r *reader) table(n *yaml.Node) map[string]string {
	if n == nil || n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return nil
	}
	if r.fits(n); !r.take(textBytes) {
		return nil
	}
	found := make(map[string]string, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		found[r.scalar(target(n.Content[i]))] = r.scalar(target(n.Content[i+1]))
	}
	return found
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// member returns the first value of a key, or nil.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
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

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// Configuration returns the metadata as an artifact's configuration.
func (m Metadata) Configuration() ([]byte, error) { return json.Marshal(m) }

// ParseConfiguration returns the metadata of an artifact's configuration. It
// returns ErrInvalid where a field has another type than Helm gives it, since
// Helm would read no index with such an entry, or where the name or version is
// invalid.
func ParseConfiguration(configuration []byte) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal(configuration, &m); err != nil {
		return Metadata{}, ErrInvalid.With("its configuration is not as Helm writes it").Because(err)
	}
	if err := CheckName(m.Name); err != nil {
		return Metadata{}, err
	}
	return m, CheckVersion(m.Version)
}
