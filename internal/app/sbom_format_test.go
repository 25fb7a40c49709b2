package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
)

// bill reads the SBOM of an image as a client that takes a media type, and returns of
// which one it is.
func (l lab) bill(ref, accept string) (text, mediaType string) {
	l.Helper()
	shown, _ := asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"?with_sbom_overview=true", "")
	_, path, _ := strings.Cut(shown, `"sboms":{"href":"`)
	path, _, _ = strings.Cut(path, `"`)
	r := l.Do("GET", path, apptest.Admin, l.Password, nil, "Accept", accept)
	all, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		l.Fatalf("%s: %s, %v", path, r.Status, err)
	}
	return string(all), r.Header.Get("Content-Type")
}

func TestTheBuiltInScannerMakesSBOMsInBothFormats(t *testing.T) {
	t.Parallel()
	const plain, spdx, cyclonedx = "application/vnd.goharbor.harbor.sbom.v1", "application/spdx+json", "application/vnd.cyclonedx+json"
	l := startLab(t)
	l.image("v1", "openssl 3.1.4-r0", "zlib 1.3-r2")
	wants := func(accept, mediaType, format string) {
		t.Helper()
		text, got := l.bill("v1", accept)
		var read struct {
			SPDX, Format string
			Packages     []struct{ Name, VersionInfo string }
			Components   []struct{ Name, Version, PURL string }
		}
		if err := json.Unmarshal([]byte(strings.NewReplacer("spdxVersion", "spdx", "bomFormat", "format").Replace(text)), &read); err != nil {
			t.Fatal(err)
		}
		cdx := len(read.Components) == 3 && read.Components[1].Name == "openssl" && read.Components[1].Version == "3.1.4-r0" && strings.HasPrefix(read.Components[1].PURL, "pkg:apk/alpine/openssl@")
		is := map[string]bool{
			spdx: read.SPDX == "SPDX-2.3" && len(read.Packages) == 3 && read.Packages[1].Name == "openssl" && read.Packages[1].VersionInfo == "3.1.4-r0", cyclonedx: read.Format == "CycloneDX" && cdx,
		}
		if got != mediaType || !is[format] {
			t.Errorf("to %s: %s: %s", accept, got, text)
		}
	}
	l.scan("v1", "sbom")
	wants("*/*", plain, spdx)
	wants(spdx, spdx, spdx)
	wants(cyclonedx, cyclonedx, cyclonedx)
	first, _ := l.bill("v1", cyclonedx)
	if again, _ := l.bill("v1", cyclonedx); again != first {
		t.Error("what is written again is another document each time")
	}
	l.scan("v1", `sbom","sbom_media_type":"`+cyclonedx)
	eventually(t, "the document in the other format", func() bool {
		text, _ := l.bill("v1", plain)
		return strings.Contains(text, `"bomFormat": "CycloneDX"`)
	})
	wants("*/*", plain, cyclonedx)
	wants(cyclonedx, cyclonedx, cyclonedx)
	wants(spdx, spdx, spdx)

	l.rules(`"auto_sbom_generation":"true","auto_sbom_media_type":"application/vnd.cyclonedx+json"`)
	l.image("v2", "openssl 3.1.4-r0")
	eventually(t, "the document of what was pushed", func() bool {
		text, _ := asked(t, l.Server, 200, "GET", appArtifacts+"v2?with_sbom_overview=true", "")
		return strings.Contains(text, `"sbom_digest":"sha256:`)
	})
	if text, got := l.bill("v2", cyclonedx); got != cyclonedx || !strings.Contains(text, `"bomFormat": "CycloneDX"`) {
		t.Errorf("%s: %s", got, text)
	}
}
