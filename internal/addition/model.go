package addition

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/oci"
)

// Annotations of a model's layers, by the model specification and by what was
// in use before it.
var (
	filePaths = []string{"org.cncf.model.filepath", "org.cnai.model.filepath"}
	fileFacts = []string{"org.cncf.model.file.metadata+json", "org.cnai.model.file.metadata+json"}
)

// docLayer begins the media types of layers that hold a document.
const docLayer = "application/vnd.cncf.model.doc.v1."

// Limits of a model's tree of files.
const (
	maxDepth = 64
	maxFacts = 64 << 10 // bytes of the annotation with a file's facts
	maxPath  = 1024
)

// maxWindow is how many bytes of memory a document may ask for that is packed
// with zstd: what fits into a document needs no more.
const maxWindow = 8 << 20

func modelReadme(m manifest, open opener) (Content, error) {
	body, err := document(m, open, "README.md", "README")
	return Content{MediaType: markdownContent, Body: body}, err
}

func modelLicense(m manifest, open opener) (Content, error) {
	body, err := document(m, open, "LICENSE", "LICENSE.txt", "LICENSE.md")
	return Content{MediaType: textContent, Body: body}, err
}

// document returns the document of one of the names, whatever their case, of
// which those in front go first.
func document(m manifest, open opener, names ...string) ([]byte, error) {
	for _, name := range names {
		for _, l := range m.Layers {
			if strings.HasPrefix(l.MediaType, docLayer) && strings.EqualFold(annotated(l, filePaths), name) {
				return readDoc(open, l)
			}
		}
	}
	return nil, ErrMissing.With("no document is called %s", strings.Join(names, " or "))
}

// readDoc returns the one document of a layer, unpacked.
func readDoc(open opener, l oci.Descriptor) ([]byte, error) {
	form := strings.TrimPrefix(l.MediaType, docLayer)
	limit := int64(maxDocument)
	if form != "raw" {
		limit += 64 << 10 // the archive around it
	}
	data, err := readBlob(open, l.Digest, limit)
	if err != nil || form == "raw" {
		return data, err
	}
	var r io.Reader = bytes.NewReader(data)
	switch form {
	case "tar":
	case "tar+gzip":
		if r, err = gzip.NewReader(r); err != nil {
			return nil, unreadable("the document is no gzip archive", err)
		}
	case "tar+zstd":
		unpacked, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, unreadable("the document is no zstd archive", err)
		}
		defer unpacked.Close()
		r = unpacked
	default:
		return nil, ErrUnreadable.With("documents that are packed as %.64q are not", form)
	}
	return firstFile(&meter{r: r, left: limit, limit: limit})
}

func firstFile(r io.Reader) ([]byte, error) {
	for entries := tar.NewReader(r); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil, ErrMissing.With("the document's archive is empty")
		}
		if err != nil {
			return nil, unreadable("the document's archive is damaged", err)
		}
		if h.Typeflag == tar.TypeReg {
			data, err := readAll(entries, maxDocument)
			return data, unreadable("the document's archive is damaged", err)
		}
	}
}

// A node is a file of a model, or a folder.
type node struct {
	Name     string  `json:"name"`
	Type     string  `json:"type"` // "file" or "directory"
	Size     int64   `json:"size,omitempty"`
	Children []*node `json:"children,omitempty"`

	folders map[string]*node
}

// modelFiles lists the files of a model from what its manifest says of them.
// Layers without a path, or with one that leads out of the model, are left out.
func modelFiles(m manifest, _ opener) (Content, error) {
	root := &node{}
	for _, l := range m.Layers {
		at := path.Clean(annotated(l, filePaths))
		parts := strings.Split(at, "/")
		if at == "." || len(at) > maxPath || len(parts) > maxDepth || path.IsAbs(at) || parts[0] == ".." {
			continue
		}
		root.add(parts, sizeOf(l))
	}
	root.sort()
	if root.Children == nil {
		root.Children = []*node{}
	}
	return inJSON(root.Children)
}

func (n *node) add(parts []string, size int64) {
	for _, name := range parts[:len(parts)-1] {
		next := n.folders[name]
		if next == nil {
			if n.folders == nil {
				n.folders = map[string]*node{}
			}
			next = &node{Name: name, Type: "directory"}
			n.folders[name] = next
			n.Children = append(n.Children, next)
		}
		n = next
	}
	n.Children = append(n.Children, &node{Name: parts[len(parts)-1], Type: "file", Size: size})
}

// sort puts folders before files, each by their names.
func (n *node) sort() {
	slices.SortFunc(n.Children, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	for _, c := range n.Children {
		c.sort()
	}
}

// sizeOf is what the manifest says of the file, or of the layer that holds it.
func sizeOf(l oci.Descriptor) int64 {
	text := annotated(l, fileFacts)
	var facts struct{ Size int64 }
	if text == "" || len(text) > maxFacts || json.Unmarshal([]byte(text), &facts) != nil || facts.Size < 0 {
		return l.Size
	}
	return facts.Size
}

func annotated(l oci.Descriptor, keys []string) string {
	for _, key := range keys {
		if v := l.Annotations[key]; v != "" {
			return v
		}
	}
	return ""
}

// A meter passes on at most so many bytes, and returns ErrTooLarge then.
type meter struct {
	r           io.Reader
	left, limit int64
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, ErrTooLarge.With("the document has more than %d bytes when it is unpacked", m.limit)
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}
