package oci_test

import (
	"fmt"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
)

func TestRunnable(t *testing.T) {
	const (
		image = "application/vnd.oci.image.config.v1+json"
		none  = "application/vnd.oci.empty.v1+json"
		empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
		other = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
		tar   = `{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"}`
		bill  = `{"mediaType":"application/vnd.cyclonedx+json"}`
	)
	for _, tt := range []struct {
		config, digest, layers string
		want                   bool
	}{
		{image, other, tar, true}, {image, empty, tar, true}, {"application/x", other, tar, true}, {none, other, tar, true},
		{none, empty, tar, false}, {image, other, bill, false}, {image, other, bill + "," + tar, true}, {image, other, "", false},
		{image, other, `{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip"}`, true},
		{image, other, `{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip"}`, false},
	} {
		body := fmt.Sprintf(`{"config":{"mediaType":%q,"digest":%q},"layers":[%s]}`, tt.config, tt.digest, tt.layers)
		if got := oci.Runnable(oci.MediaTypeImageManifest, []byte(body)); got != tt.want {
			t.Errorf("%s: %t", body, got)
		}
	}
	if !oci.Runnable(oci.MediaTypeDockerManifest, nil) {
		t.Error("what cannot be read counts as nothing that could be run")
	}
	if oci.Runnable(oci.MediaTypeImageIndex, []byte(`{"layers":[`+tar+`]}`)) {
		t.Error("an index counts as an image")
	}
}
