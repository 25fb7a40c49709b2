package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"slices"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// icons answers for the pictures of artifacts.
type icons struct {
	catalog artifact.Catalog
	content *registry.Service
}

var errNoIcon = fault.New(fault.NotFound, "NOT_FOUND", "no artifact has this icon")

// maxIcon is how many bytes the picture of an artifact may have.
const maxIcon = 1 << 20

// A picture is one of ours, for the artifacts of a type that bring none.
type picture struct {
	digest oci.Digest
	png    []byte
}

// pictures are ours by the type of what they stand for.
var pictures = func() map[string]picture {
	all := map[string]picture{}
	for kind, c := range map[string]color.NRGBA{
		artifact.TypeImage: {0x1f, 0x6f, 0xeb, 0xff}, artifact.TypeChart: {0x27, 0x7a, 0x9f, 0xff}, artifact.TypeCNAB: {0x8a, 0x5a, 0xc4, 0xff},
		artifact.TypeWASM: {0x65, 0x4f, 0xf0, 0xff}, artifact.TypeModel: {0xd9, 0x6c, 0x1e, 0xff}, artifact.TypeSBOM: {0x2d, 0x8a, 0x4e, 0xff},
		artifact.TypeUnknown: {0x6b, 0x72, 0x80, 0xff}, artifact.SignatureCosign: {0x0f, 0x8b, 0x8d, 0xff}, artifact.SignatureNotation: {0xb0, 0x3a, 0x5b, 0xff},
		artifact.AcceleratorNydus: {0xc0, 0x8a, 0x12, 0xff},
	} {
		drawn := draw(c)
		all[kind] = picture{oci.Sum(oci.SHA256, drawn), drawn}
	}
	all[artifact.AccessorySBOM], all[artifact.AccessoryOther] = all[artifact.TypeSBOM], all[artifact.TypeUnknown]
	return all
}()

// draw returns a container of a colour, as PNG.
func draw(c color.NRGBA) []byte {
	const side, edge, rib = 32, 4, 6
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := edge; y < side-edge; y++ {
		for x := edge; x < side-edge; x++ {
			if (x-edge)%rib != rib-1 || y < edge+2 || y >= side-edge-2 {
				m.SetNRGBA(x, y, c)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		panic(err) // into memory
	}
	return out.Bytes()
}

// iconOf returns the digest of an artifact's picture, or of ours for its type.
func iconOf(own oci.Digest, kind string) string {
	if own != "" {
		return string(own)
	}
	p, known := pictures[kind]
	if !known {
		p = pictures[artifact.TypeUnknown]
	}
	return string(p.digest)
}

type getIcon struct {
	Digest string `path:"digest"`
}

type iconAnswer struct {
	Body struct {
		Type    string `json:"content-type"`
		Content string `json:"content" doc:"in base64"`
	} `nameHint:"Icon"`
}

func (i icons) get(ctx context.Context, in *getIcon) (*iconAnswer, error) {
	d, err := oci.ParseDigest(in.Digest)
	if err != nil {
		return nil, err
	}
	data, err := i.read(ctx, d)
	if err != nil {
		return nil, err
	}
	out := &iconAnswer{}
	out.Body.Type = http.DetectContentType(data)
	if !slices.Contains([]string{"image/png", "image/jpeg", "image/gif"}, out.Body.Type) {
		return nil, errNoIcon
	}
	out.Body.Content = base64.StdEncoding.EncodeToString(data)
	return out, nil
}

func (i icons) read(ctx context.Context, d oci.Digest) ([]byte, error) {
	for _, p := range pictures {
		if p.digest == d {
			return p.png, nil
		}
	}
	repository, err := i.catalog.HasIcon(ctx, d)
	if err != nil {
		return nil, errNoIcon.Because(err)
	}
	b, r, err := i.content.OpenBlob(ctx, artifact.Repo{Name: repository}, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if b.Size > maxIcon {
		return nil, errNoIcon.With("it has more than %d bytes", maxIcon)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxIcon))
	if err != nil {
		return nil, fmt.Errorf("read icon: %w", err)
	}
	return data, nil
}
