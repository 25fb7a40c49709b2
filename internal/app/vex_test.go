package app_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/oci"
)

// attach pushes an artifact of one layer that refers to another, and returns its
// digest.
func (l lab) attach(subject, artifactType, document, more string) string {
	l.Helper()
	return l.put("", oci.MediaTypeImageManifest, fmt.Sprintf(`"artifactType":%q,"config":%s,"layers":[%s],"subject":{"mediaType":%q,"digest":%q,"size":1}%s`,
		artifactType, l.blob("application/vnd.oci.empty.v1+json", []byte("{}"), ""), l.blob(artifactType, []byte(document), ""), oci.MediaTypeImageManifest, subject, more))
}

// openVEX says that a product is not affected.
func openVEX(product string) string {
	return fmt.Sprintf(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/1","author":"us","timestamp":"2026-11-01T00:00:00Z","version":1,
		"statements":[{"vulnerability":{"name":"CVE-2026-0001"},"products":[{"@id":%q}],"status":"not_affected","justification":"vulnerable_code_not_present"}]}`, product)
}

// sealedVEX is a document as the attestation of a digest, in an envelope as cosign
// makes it.
func sealedVEX(digest, document string) string {
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://openvex.dev/ns","subject":[{"name":"registry.test/library/app","digest":{"sha256":%q}}],"predicate":%s}`,
		strings.TrimPrefix(digest, "sha256:"), document)
	return fmt.Sprintf(`{"payloadType":"application/vnd.in-toto+json","payload":%q,"signatures":[{"keyid":"","sig":"AAAA"}]}`, base64.StdEncoding.EncodeToString([]byte(statement)))
}

func TestWhatIsSaidOfAnImageCountsWhileItIsThere(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	bad := l.image("bad", "openssl 3.1.4-r0")
	index := l.put("index", oci.MediaTypeImageIndex, fmt.Sprintf(`"manifests":[{"mediaType":%q,"digest":%q,"size":1}]`, oci.MediaTypeImageManifest, bad))
	l.rules(`"prevent_vul":"true","severity":"high"`)
	l.scan("bad", "vulnerability")
	l.pulls("bad", 412, "PROJECTPOLICYVIOLATION")
	until := func(what string, status int) {
		t.Helper()
		eventually(t, what, func() bool {
			return l.Do("GET", "/v2/library/app/manifests/bad", apptest.Admin, l.Password, nil).StatusCode == status
		})
	}
	const openssl = "pkg:apk/alpine/openssl"
	const envelope, bundle = "application/vnd.dsse.envelope.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json"
	bundled := `{"mediaType":"` + bundle + `","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":` + sealedVEX(bad, openVEX(openssl)) + `}`
	csaf := `{"document":{"category":"csaf_vex","csaf_version":"2.0","publisher":{"name":"us"},"tracking":{"id":"1","current_release_date":"2026-11-01T00:00:00Z"}},
		"product_tree":{"full_product_names":[{"product_id":"p","name":"openssl","product_identification_helper":{"purl":"` + openssl + `"}}]},
		"vulnerabilities":[{"cve":"CVE-2026-0001","product_status":{"known_not_affected":["p"]},"flags":[{"label":"vulnerable_code_not_present","product_ids":["p"]}]}]}`
	for _, c := range []struct {
		name string
		push func() string
	}{
		{"OpenVEX", func() string { return l.attach(bad, "application/vnd.openvex+json", openVEX(openssl), "") }},
		{"CSAF", func() string { return l.attach(bad, "application/csaf+json", csaf, "") }},
		{"an envelope", func() string { return l.attach(bad, envelope, sealedVEX(bad, openVEX(openssl)), "") }},
		{"a bundle", func() string {
			return l.attach(bad, bundle, bundled, `,"annotations":{"dev.sigstore.bundle.content":"dsse-envelope","dev.sigstore.bundle.predicateType":"https://openvex.dev/ns"}`)
		}},
		{"an envelope under a tag", func() string {
			other := l.blob(envelope, []byte(`{"payloadType":"x"}`), `,"annotations":{"predicateType":"https://spdx.dev/Document"}`)
			own := l.blob(envelope, []byte(sealedVEX(bad, openVEX(openssl))), `,"annotations":{"predicateType":"https://openvex.dev/ns"}`)
			return l.put(strings.Replace(bad, ":", "-", 1)+".att", oci.MediaTypeImageManifest, `"config":`+l.blob(oci.MediaTypeImageConfig, []byte(`{}`), "")+`,"layers":[`+other+","+own+`]`)
		}},
		{"OpenVEX of the index", func() string {
			return l.attach(index, "application/vnd.openvex+json", openVEX("pkg:oci/app@"+index), "")
		}},
		{"OpenVEX of the index that names the image", func() string { return l.attach(index, "application/vnd.openvex+json", openVEX(bad), "") }},
	} {
		d := c.push()
		until("the report that knows of "+c.name, http.StatusOK)
		if r := l.Do("DELETE", "/v2/library/app/manifests/"+d, apptest.Admin, l.Password, nil); r.StatusCode != http.StatusAccepted {
			t.Fatal(r.Status)
		}
		until("the report that knows that there is no more of "+c.name, http.StatusPreconditionFailed)
	}

	l.attach(index, "application/vnd.openvex+json", openVEX(openssl), "") // names a package in many images
	l.attach(bad, envelope, sealedVEX(index, openVEX("pkg:apk/alpine/zlib")), "")
	l.attach(bad, envelope, sealedVEX("sha256:"+strings.Repeat("0", 64), openVEX(openssl)), "")
	l.attach(bad, bundle, bundled, `,"annotations":{"dev.sigstore.bundle.predicateType":"https://spdx.dev/Document"}`)
	l.attach(bad, "application/csaf+json", strings.Replace(csaf, "csaf_vex", "csaf_base", 1), "")
	l.attach(bad, "application/vnd.openvex+json", strings.Repeat(" ", 8<<20)+openVEX(openssl), "")
	l.scan("bad", "vulnerability")
	l.pulls("bad", 412, "PROJECTPOLICYVIOLATION")
}
