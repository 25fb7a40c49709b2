// Package oci holds the words of the OCI specifications, and of Docker's before
// them: digests, names, references, media types, descriptors and manifests. It
// is strict where two readers could understand one text differently, and lenient
// where a specification says less than a client sends. It stores nothing and
// asks nobody.
package oci

import "strings"

// Media types of manifests.
const (
	MediaTypeImageManifest    = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeImageIndex       = "application/vnd.oci.image.index.v1+json"
	MediaTypeArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json" // of release candidates of OCI 1.1
	MediaTypeDockerManifest   = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList       = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Media types of configurations. MediaTypeEmpty is that of the two bytes "{}",
// which stand where there is no configuration.
const (
	MediaTypeImageConfig  = "application/vnd.oci.image.config.v1+json"
	MediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
	MediaTypeEmpty        = "application/vnd.oci.empty.v1+json"
)

// mediaTypeJSON says no more of a manifest than that it is one.
const mediaTypeJSON = "application/json"

// foreign reports whether layers of the media type may not be distributed by
// everybody, and so are not expected to be in a registry.
func foreign(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(mediaType, "application/vnd.docker.image.rootfs.foreign.")
}
