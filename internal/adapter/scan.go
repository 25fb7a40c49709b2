package adapter

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/secret"
)

// SPDX is the form of the SBOMs that are asked for.
const SPDX = "application/spdx+json"

// A Request is what a scanner is to do.
type Request struct {
	Kind     Kind
	Report   string // the media type, as Metadata.Report has it
	Registry Registry
	Artifact Artifact
}

// A Registry is where a scanner gets the artifact from.
type Registry struct {
	URL           string
	Authorization secret.Text // a whole header: "Basic …" or "Bearer …"; empty: it asks as nobody
	Insecure      bool        // its certificate is not one that the scanner can verify
}

// An Artifact is what is scanned.
type Artifact struct {
	Repository string // with the project
	Tag        string // may be empty: the digest counts
	Digest     oci.Digest
	MediaType  string // of the manifest
	Size       int64  // bytes
}

type wireRequest struct {
	Registry     wireRegistry  `json:"registry"`
	Artifact     wireArtifact  `json:"artifact"`
	Capabilities []wireEnabled `json:"enabled_capabilities"`
}

type wireRegistry struct {
	URL           string `json:"url"`
	Authorization string `json:"authorization,omitempty"`
	Insecure      bool   `json:"insecure,omitempty"`
}

type wireArtifact struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag,omitempty"`
	Digest     string `json:"digest"`
	MediaType  string `json:"mime_type"`
	Size       int64  `json:"size,omitempty"`
}

type wireEnabled struct {
	Type       Kind            `json:"type"`
	Produces   []string        `json:"produces_mime_types"`
	Parameters *wireParameters `json:"parameters,omitempty"`
}

type wireParameters struct {
	SBOMs []string `json:"sbom_media_types"`
}

// Scan has the scanner begin, and returns by which id it knows what it does. It returns
// ErrRefused, ErrRejected, ErrUnavailable, ErrFailed and ErrAnswer.
func (c *Client) Scan(ctx context.Context, q Request) (string, error) {
	body, err := json.Marshal(wireRequest{
		Registry:     wireRegistry{q.Registry.URL, q.Registry.Authorization.Reveal(), q.Registry.Insecure},
		Artifact:     wireArtifact{q.Artifact.Repository, q.Artifact.Tag, string(q.Artifact.Digest), q.Artifact.MediaType, q.Artifact.Size},
		Capabilities: []wireEnabled{q.enabled()},
	})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	err = c.ask(ctx, request{method: http.MethodPost, path: "/scan", sends: mediaTypeRequest, body: body, wants: mediaTypeResponse}, http.StatusAccepted, &made)
	if err == nil && !isID(made.ID) {
		err = wrong("the scan has no id that can be asked for")
	}
	return made.ID, err
}

func (q Request) enabled() wireEnabled {
	e := wireEnabled{Type: q.Kind, Produces: []string{q.Report}}
	if q.Kind == SBOM {
		e.Parameters = &wireParameters{[]string{SPDX}}
	}
	return e
}

// isID reports whether an id can be a part of a path.
func isID(id string) bool { return isWord(id) && id != "." && id != ".." }

// reportOf is what asks for the report of a scan.
func (q Request) reportOf(id string) request {
	r := request{method: http.MethodGet, path: "/scan/" + url.PathEscape(id) + "/report", wants: q.Report}
	if q.Kind == SBOM {
		r.path += "?sbom_media_type=" + url.QueryEscape(SPDX)
	}
	return r
}
