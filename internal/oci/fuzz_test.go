package oci

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The grammar as the specifications write it.
var (
	digestGrammar     = regexp.MustCompile(`\A(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})\z`)
	repositoryGrammar = regexp.MustCompile(`\A[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\z`)
	tagGrammar        = regexp.MustCompile(`\A[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\z`)
)

func FuzzDigest(f *testing.F) {
	for _, s := range []string{"sha256:" + hex64, "sha512:" + hex128, "sha256:", ":", "sha256:" + hex128, "md5:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDigest(s)
		if want := digestGrammar.MatchString(s); want != (err == nil) {
			t.Fatalf("%q: %v", s, err)
		}
		if err == nil && (string(d) != s || string(d.Algorithm())+":"+d.Hex() != s) {
			t.Fatalf("%q became %q", s, d)
		}
	})
}

func FuzzRepository(f *testing.F) {
	for _, s := range []string{"a/b", "a", "a//b", "a/b__c", "a/b___c", "a/b---c", "a/b.c", "a/b..c", "a/b-", "A/b", "a/_b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := CheckRepository(s)
		want := repositoryGrammar.MatchString(s) && strings.Contains(s, "/") && len(s) <= maxRepository
		if want != (err == nil) {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil && !errors.Is(err, ErrNameInvalid) {
			t.Fatalf("%q: not a fault of names: %v", s, err)
		}
		if err == nil && strings.Join(pair(SplitRepository(s)), "/") != s {
			t.Fatalf("%q does not split", s)
		}
	})
}

func pair(a, b string) []string { return []string{a, b} }

func FuzzReference(f *testing.F) {
	for _, s := range []string{"latest", "sha256:" + hex64, "a:b", "-a", "_", ".", "", strings.Repeat("x", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if want := tagGrammar.MatchString(s) || digestGrammar.MatchString(s); want != (err == nil) {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil {
			return
		}
		if r.String() != s || (r.Tag == "") == (r.Digest == "") {
			t.Fatalf("%q became %+v", s, r)
		}
	})
}

// FuzzManifest holds what is accepted against what encoding/json reads, which is
// what clients written in Go see.
func FuzzManifest(f *testing.F) {
	for _, c := range manifestCases {
		f.Add(c.contentType, []byte(c.body))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		m, err := ParseManifest(contentType, body)
		if err != nil {
			if !errors.Is(err, ErrManifestInvalid) && !errors.Is(err, ErrManifestTooLarge) {
				t.Fatalf("not a fault of manifests: %v", err)
			}
			return
		}
		checkAccepted(t, m, body)
	})
}

func checkAccepted(t *testing.T, m Manifest, body []byte) {
	var total int64
	for _, b := range m.Blobs {
		total += b.Size
		if !digestGrammar.MatchString(string(b.Digest)) || b.Size < 0 || total < 0 {
			t.Fatalf("accepted blob %+v", b)
		}
	}
	for _, c := range m.Children {
		if !digestGrammar.MatchString(string(c.Digest)) || c.Size < 0 {
			t.Fatalf("accepted child %+v", c)
		}
	}
	switch m.MediaType {
	case MediaTypeImageManifest, MediaTypeDockerManifest, MediaTypeImageIndex, MediaTypeDockerList, MediaTypeArtifactManifest:
	default:
		return
	}
	var other struct {
		Config            *Descriptor
		Layers, Manifests []Descriptor
		Subject           *Descriptor
	}
	if err := json.Unmarshal(body, &other); err != nil {
		t.Fatalf("accepted what encoding/json does not read: %v", err)
	}
	want := other.Layers
	if m.MediaType == MediaTypeArtifactManifest {
		var old struct{ Blobs []Descriptor }
		if err := json.Unmarshal(body, &old); err != nil {
			t.Fatalf("accepted what encoding/json does not read: %v", err)
		}
		want = old.Blobs
	} else if other.Config != nil {
		want = append([]Descriptor{*other.Config}, want...)
	}
	if got, want := digestsOf(m.Blobs), distinct(want); !slices.Equal(got, want) {
		t.Fatalf("blobs are %q, encoding/json reads %q", got, want)
	}
	if got, want := childrenOf(m.Children), childrenOf(other.Manifests); !slices.Equal(got, want) {
		t.Fatalf("children are %q, encoding/json reads %q", got, want)
	}
	if (m.Subject == nil) != (other.Subject == nil) || m.Subject != nil && m.Subject.Digest != other.Subject.Digest {
		t.Fatalf("subject is %+v, encoding/json reads %+v", m.Subject, other.Subject)
	}
}

func digestsOf(blobs []Blob) (ds []Digest) {
	for _, b := range blobs {
		ds = append(ds, b.Digest)
	}
	return ds
}

func childrenOf(list []Descriptor) (ds []Digest) {
	for _, d := range list {
		ds = append(ds, d.Digest)
	}
	return ds
}

func distinct(list []Descriptor) (ds []Digest) {
	for _, d := range list {
		if !slices.Contains(ds, d.Digest) {
			ds = append(ds, d.Digest)
		}
	}
	return ds
}
