package api

import (
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/addition"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/scan"
)

// errFrom is the fault of copies of nothing.
var errFrom = fault.New(fault.Invalid, "BAD_REQUEST", "from must be <project>/<repository>:<tag> or <project>/<repository>@<digest>")

type additions struct {
	additions *addition.Service
	scans     *scan.Service
}

type getAddition struct {
	InArtifact
	Addition string `path:"addition" maxLength:"64" doc:"build_history, values.yaml, readme.md, dependencies, provenance, sbom, license, files or layers, in any case; which of them there are depends on the type of the artifact; that of an SBOM is answered as SPDX or CycloneDX where Accept names one of these, and it is so or can be written so"`

	format sbom.Format // that the client asks for; empty where it asks for none
}

// Resolve reads which format of an SBOM the client names first.
func (g *getAddition) Resolve(h huma.Context) []error {
	r, _ := humago.Unwrap(h)
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if f := sbom.Format(strings.ToLower(strings.TrimSpace(kind))); f == sbom.SPDX || f == sbom.CycloneDX {
			g.format = f
			return nil
		}
	}
	return nil
}

// shown is content that somebody else wrote.
type shown struct {
	Type   string `header:"Content-Type" hidden:"true"`
	Trust  string `header:"X-Content-Type-Options" hidden:"true"`
	Policy string `header:"Content-Security-Policy" hidden:"true"`
	Body   []byte
}

func (*shown) medias() []string {
	return []string{"application/json", "text/plain", "text/markdown", "application/vnd.goharbor.harbor.sbom.v1", string(sbom.SPDX), string(sbom.CycloneDX)}
}

func (s additions) get(ctx context.Context, in *getAddition) (*shown, error) {
	repo, ref, err := in.artifact()
	if err != nil {
		return nil, err
	}
	c, err := s.additions.Get(ctx, repo, ref, in.Addition)
	if err != nil {
		return nil, err
	}
	if in.format != "" && c.Format != "" {
		if c, err = s.in(ctx, repo, ref, c, in.format); err != nil {
			return nil, err
		}
	}
	return &shown{Type: c.MediaType, Trust: "nosniff", Policy: "default-src 'none'; sandbox", Body: c.Body}, nil
}

// in returns an SBOM in a format, and in the one that it has where it cannot be written
// in that one, with the media type of what it is.
func (s additions) in(ctx context.Context, repo artifact.Repo, ref oci.Reference, c addition.Content, f sbom.Format) (addition.Content, error) {
	if have := sbom.Format(c.Format); have != f {
		document, known, err := s.scans.Document(ctx, repo, ref, f)
		switch {
		case err != nil:
			return c, err
		case known:
			return addition.Content{MediaType: string(f), Body: document}, nil
		case have != sbom.SPDX && have != sbom.CycloneDX:
			return c, nil
		}
	}
	c.MediaType = c.Format
	return c, nil
}

type copies struct {
	content *registry.Service
	allow   func(context.Context, access.Need, where) (access.Project, error)
}

type copyArtifact struct {
	InRepository
	From string `query:"from" required:"true" maxLength:"1024" doc:"what to copy: <project>/<repository>:<tag> or <project>/<repository>@<digest>"`

	path string
}

// Resolve keeps the path of the request, in which the copy will be.
func (c *copyArtifact) Resolve(h huma.Context) []error {
	r, _ := humago.Unwrap(h)
	c.path = r.URL.EscapedPath()
	return nil
}

// create asks for the rights to read and to pull the source, besides that to make
// artifacts where the path says: who has the copy has the content. Of a source
// project that does not exist it tells no more than of one that the caller may
// not read.
func (s copies) create(ctx context.Context, in *copyArtifact) (*created, error) {
	if err := in.takesPushes(); err != nil {
		return nil, err
	}
	to, err := in.repo()
	if err != nil {
		return nil, err
	}
	name, ref, err := parseFrom(in.From)
	if err != nil {
		return nil, err
	}
	source, _ := oci.SplitRepository(name)
	p, err := s.allow(ctx, access.OfProject("artifact", "read"), where{source, true})
	if err == nil {
		err = access.Check(access.From(ctx), access.OfProject("repository", "pull"), &p)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.content.Copy(ctx, artifact.Repo{ProjectID: p.ID, Name: name}, ref, to); err != nil {
		return nil, err
	}
	return &created{Location: in.path + "/" + ref.String()}, nil
}

// parseFrom reads "project/repository:tag@digest", of which the tag or the
// digest may be missing. Where both are there, the digest counts.
func parseFrom(from string) (repository string, ref oci.Reference, err error) {
	rest, digest, hasDigest := strings.Cut(from, "@")
	repository, tag, hasTag := strings.Cut(rest, ":")
	if oci.CheckRepository(repository) != nil || !hasDigest && !hasTag || hasTag && oci.CheckTag(tag) != nil {
		return "", ref, errFrom
	}
	if !hasDigest {
		return repository, oci.Reference{Tag: tag}, nil
	}
	d, err := oci.ParseDigest(digest)
	if err != nil {
		return "", ref, errFrom
	}
	return repository, oci.Reference{Digest: d}, nil
}
