package scan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/job"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/scan"
)

// attach pushes an artifact that refers to another, and returns its digest.
func (l *lab) attach(subject oci.Digest, artifactType, content string, annotations map[string]string) oci.Digest {
	l.Helper()
	layer, config := l.blob(l.repo, []byte(content)), l.blob(l.repo, []byte("{}"))
	layer.MediaType, config.MediaType = artifactType, "application/vnd.oci.empty.v1+json"
	d, _ := l.manifest(l.repo, "", oci.MediaTypeImageManifest, map[string]any{
		"artifactType": artifactType, "config": config, "layers": []any{layer}, "annotations": annotations,
		"subject": oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: subject, Size: 1},
	})
	return d
}

// told delivers what happened since the last time, twice, and returns how many images
// are looked at because of that, after they were.
func (l *lab) told(since *int64) (n int) {
	l.Helper()
	before := l.count("execution")
	var all []event.Event
	for _, e := range l.events() {
		if e.ID > *since {
			all, *since = append(all, e), max(*since, e.ID)
		}
	}
	for range 2 {
		if err := l.Deliver(l.T.Context(), all); err != nil {
			l.Fatal(err)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		open := 0
		if err := l.db.QueryRow(l.T.Context(), `SELECT count(*) FROM task WHERE ended = 0`).Scan(&open); err != nil {
			l.Fatal(err)
		}
		if open == 0 {
			return l.count("execution") - before
		}
		if time.Now().After(end) {
			l.Fatalf("%d tasks are not over", open)
		}
	}
}

func TestImagesAreLookedAtAgainWhereWhatIsSaidOfThemChanges(t *testing.T) {
	each(t, func(l *lab) {
		l.lister.knows("CVE-1", "zlib", finding.High, "")
		one, id := l.push(l.repo, "one", "zlib 1")
		two, twin := l.push(l.repo, "two", "zlib 2")
		three, _ := l.push(l.repo, "three", "zlib 3") // was never examined
		index, _ := l.index("all", one, two, three)
		for name, image := range map[string]int64{"one": id, "two": twin} {
			l.start(name, scan.Vulnerabilities)
			l.until(image, scan.Vulnerabilities, job.Succeeded)
		}
		since := int64(0)
		if n := l.told(&since); n != 0 {
			t.Fatalf("%d images are looked at again", n)
		}
		reads, looks := l.lister.reads, l.lister.looks
		const openVEX, bundle = "application/vnd.openvex+json", "application/vnd.dev.sigstore.bundle.v0.3+json"
		for i, c := range []struct {
			subject      oci.Digest
			artifactType string
			annotations  map[string]string
			pushed, gone int
		}{
			{one, openVEX, nil, 1, 1},
			{three, openVEX, nil, 0, 0},
			{index, openVEX, nil, 2, 2},
			{one, "application/csaf+json", nil, 1, 1},
			{one, "application/vnd.dsse.envelope.v1+json", nil, 1, 1},
			{one, bundle, map[string]string{"dev.sigstore.bundle.predicateType": "https://openvex.dev/ns"}, 1, 1},
			{one, bundle, map[string]string{"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}, 0, 1}, // nobody knows any more what it was
			{one, bundle, map[string]string{"dev.sigstore.bundle.content": "message-signature"}, 0, 1},
			{one, "application/spdx+json", nil, 0, 0},
		} {
			d := l.attach(c.subject, c.artifactType, fmt.Sprint(i), c.annotations)
			pushed := l.told(&since)
			if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Digest: d}); err != nil {
				t.Fatal(err)
			}
			if gone := l.told(&since); pushed != c.pushed || gone != c.gone {
				t.Errorf("%s %v: %d images are looked at again after it was pushed, %d after it was deleted, want %d and %d", c.artifactType, c.annotations, pushed, gone, c.pushed, c.gone)
			}
		}
		if l.lister.reads != reads || l.lister.looks == looks {
			t.Errorf("%d layers were read, %d images looked at", l.lister.reads-reads, l.lister.looks-looks)
		}
		l.attach(one, openVEX, "last", nil)
		l.told(&since)
		l.lister.change(func(s *lister) { s.none = true })
		if n := l.told(&since); n != 0 {
			t.Errorf("%d images are looked at without a scanner", n)
		}
		l.lister.change(func(s *lister) { s.none = false })
		if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Tag: "all"}); err != nil {
			t.Fatal(err)
		}
		if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Digest: one}); err != nil { // and what is said of it
			t.Fatal(err)
		}
		if n := l.told(&since); n != 0 {
			t.Errorf("%d images are looked at that are gone", n)
		}
	})
}

func TestAttestationsUnderATagAreWhatIsSaidOfItsImage(t *testing.T) {
	each(t, func(l *lab) {
		d, id := l.push(l.repo, "1", "zlib 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		since := int64(0)
		l.told(&since)
		name := "sha256-" + d.Hex() + ".att"
		layer, config := l.blob(l.repo, []byte("{}")), l.blob(l.repo, []byte("{}"))
		layer.MediaType, config.MediaType = "application/vnd.dsse.envelope.v1+json", oci.MediaTypeImageConfig
		l.manifest(l.repo, name, oci.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{layer}})
		if n := l.told(&since); n != 1 {
			t.Errorf("%d images are looked at after it was pushed", n)
		}
		if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Tag: name}); err != nil {
			t.Fatal(err)
		}
		if n := l.told(&since); n != 1 {
			t.Errorf("%d images are looked at after it was deleted", n)
		}
	})
}

func TestASignatureOfWhatIsSaidIsNewsWhereOnlyWhatIsSignedCounts(t *testing.T) {
	each(t, func(l *lab) {
		d, id := l.push(l.repo, "1", "zlib 1")
		l.start("1", scan.Vulnerabilities)
		l.until(id, scan.Vulnerabilities, job.Succeeded)
		vex := l.attach(d, "application/vnd.openvex+json", "{}", nil)
		since := int64(0)
		l.told(&since)
		const bundle, notary = "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.cncf.notary.signature"
		signature := map[string]string{"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"}
		tagged := func() oci.Digest {
			layer, config := l.blob(l.repo, []byte("payload")), l.blob(l.repo, []byte("{}"))
			layer.MediaType, config.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json", oci.MediaTypeImageConfig
			signed, _ := l.manifest(l.repo, "sha256-"+vex.Hex()+".sig", oci.MediaTypeImageManifest, map[string]any{"config": config, "layers": []any{layer}})
			return signed
		}
		for _, strict := range []bool{true, false} {
			wish := map[string]string{project.MetaSignedVEX: fmt.Sprint(strict)}
			if err := l.Projects.(*project.Service).Update(l.T.Context(), l.repo.ProjectID, project.Change{Set: wish}); err != nil {
				t.Fatal(err)
			}
			want := map[bool]int{true: 1}[strict]
			for name, push := range map[string]func() oci.Digest{
				"a tag": tagged, "a bundle": func() oci.Digest { return l.attach(vex, bundle, "{}", signature) }, "an envelope": func() oci.Digest { return l.attach(vex, notary, "{}", nil) },
			} {
				signed := push()
				pushed := l.told(&since)
				if err := l.content.DeleteArtifact(l.T.Context(), l.repo, oci.Reference{Digest: signed}); err != nil {
					t.Fatal(err)
				}
				if gone := l.told(&since); pushed != want || gone != want {
					t.Errorf("%s, %t: %d images are looked at again after it was pushed, %d after it was deleted", name, strict, pushed, gone)
				}
			}
			image := l.attach(d, bundle, fmt.Sprint(strict), signature) // which says nothing of it
			if n := l.told(&since); n != 0 {
				t.Errorf("%d images are looked at because %s was signed", n, image)
			}
		}
	})
}
