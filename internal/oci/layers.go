package oci

import (
	"encoding/json"
	"strings"
)

// emptyConfig is the digest of "{}", of which no client makes a container (image
// specification, "Guidance for an Empty Descriptor").
const emptyConfig Digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

// Layers returns the configuration and the layers of a manifest as it has them: each,
// in its order, also where several are of one digest.
func Layers(body []byte) (config Descriptor, layers []Descriptor, err error) {
	var m struct {
		Config Descriptor
		Layers []Descriptor
	}
	err = json.Unmarshal(body, &m)
	return m.Config, m.Layers, err
}

// Runnable reports whether a client could unpack an image out of a manifest, by its
// layers alone: whatever else it calls itself, a client need not mind. Of one that
// cannot be read, nobody knows, and it could.
func Runnable(mediaType string, body []byte) bool {
	if mediaType != MediaTypeImageManifest && mediaType != MediaTypeDockerManifest {
		return false
	}
	config, layers, err := Layers(body)
	if err != nil {
		return true
	}
	if config.MediaType == MediaTypeEmpty && config.Digest == emptyConfig {
		return false
	}
	for _, l := range layers {
		if strings.HasPrefix(l.MediaType, "application/vnd.oci.image.") || strings.HasPrefix(l.MediaType, "application/vnd.docker.") {
			return true
		}
	}
	return false
}
