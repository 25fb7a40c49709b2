package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
)

// Media types of what is pushed here.
const (
	ImageManifest = "application/vnd.oci.image.manifest.v1+json"
	ImageIndex    = "application/vnd.oci.image.index.v1+json"
	imageConfig   = "application/vnd.oci.image.config.v1+json"
	layer         = "application/vnd.oci.image.layer.v1.tar"
)

// A Blob is content that is made when it is read, so that large ones need no
// memory.
type Blob struct {
	Digest string
	Size   int64
	head   []byte // what makes it unlike the others; the rest is noise
}

// noise is repeated to fill a blob. It does not compress.
var noise = func() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}()

// NewBlob makes a blob of the given size, at least 32 bytes. The same id and
// size make the same content, another id another.
func NewBlob(size int64, id string) Blob {
	head := sha256.Sum256([]byte(id))
	return seal(Blob{Size: max(size, int64(len(head))), head: head[:]})
}

// Bytes makes a blob of given content.
func Bytes(content []byte) Blob {
	return seal(Blob{Size: int64(len(content)), head: content})
}

func seal(b Blob) Blob {
	h := sha256.New()
	_, _ = io.Copy(h, b.Part(0, b.Size)) // neither of them fails
	b.Digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	return b
}

// Part reads the bytes from..to.
func (b Blob) Part(from, to int64) io.Reader { return &part{b, from, to} }

type part struct {
	blob     Blob
	from, to int64
}

// Len is how many bytes remain.
func (p *part) Len() int64 { return p.to - p.from }

func (p *part) Read(out []byte) (int, error) {
	if p.from >= p.to {
		return 0, io.EOF
	}
	src := noise[p.from%int64(len(noise)):]
	if p.from < int64(len(p.blob.head)) {
		src = p.blob.head[p.from:]
	}
	n := copy(out, src[:min(int64(len(src)), p.to-p.from)])
	p.from += int64(n)
	return n, nil
}

// A Manifest is the bytes of one and what they are called.
type Manifest struct {
	MediaType, Digest string
	Body              []byte
}

// NewManifest names the bytes of a manifest.
func NewManifest(mediaType string, body []byte) Manifest {
	sum := sha256.Sum256(body)
	return Manifest{mediaType, "sha256:" + hex.EncodeToString(sum[:]), body}
}

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int64     `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        *descriptor       `json:"config,omitempty"`
	Layers        []descriptor      `json:"layers,omitempty"`
	Manifests     []descriptor      `json:"manifests,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

func (d document) manifest() Manifest {
	d.SchemaVersion = 2
	body, _ := json.Marshal(d) // strings and numbers always can be
	return NewManifest(d.MediaType, body)
}

// An Image is a manifest with the blobs that it needs.
type Image struct {
	Manifest
	Config Blob
	Layers []Blob
}

// NewImage makes an image of the given layers. The id makes its manifest unlike
// others of the same layers.
func NewImage(id string, layers ...Blob) Image {
	im := Image{Layers: layers, Config: Bytes([]byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`))}
	d := document{
		MediaType:   ImageManifest,
		Config:      &descriptor{imageConfig, im.Config.Digest, im.Config.Size, nil},
		Annotations: map[string]string{"id": id},
	}
	for _, l := range layers {
		d.Layers = append(d.Layers, descriptor{layer, l.Digest, l.Size, nil})
	}
	im.Manifest = d.manifest()
	return im
}

// Blobs are the image's config and layers.
func (im Image) Blobs() []Blob { return append([]Blob{im.Config}, im.Layers...) }

// NewIndex makes an index of images for as many architectures.
func NewIndex(images ...Image) Manifest {
	d := document{MediaType: ImageIndex}
	names := []string{"amd64", "arm64", "riscv64", "s390x"}
	for i, im := range images {
		p := &platform{names[i%len(names)], "linux"}
		d.Manifests = append(d.Manifests, descriptor{im.MediaType, im.Digest, int64(len(im.Body)), p})
	}
	return d.manifest()
}

// Parts are the digests of the blobs and of the manifests that a manifest
// needs.
func (m Manifest) Parts() (blobs, children []string, err error) {
	var d document
	if err := json.NewDecoder(bytes.NewReader(m.Body)).Decode(&d); err != nil {
		return nil, nil, err
	}
	if d.Config != nil {
		blobs = append(blobs, d.Config.Digest)
	}
	for _, l := range d.Layers {
		blobs = append(blobs, l.Digest)
	}
	for _, c := range d.Manifests {
		children = append(children, c.Digest)
	}
	return blobs, children, nil
}
