package dist

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A kind is what sort of resource a path names.
type kind uint8

const (
	nowhere kind = iota
	root
	catalog
	manifests
	blobs
	uploads
	upload
	tags
	referrers
)

// operations are the names of the kinds in logs and metrics.
var operations = map[kind]string{
	nowhere: "v2_others", root: "v2_ping", catalog: "v2_catalog", manifests: "v2_manifest", blobs: "v2_blob",
	uploads: "v2_blob_upload", upload: "v2_blob_upload", tags: "v2_tags", referrers: "v2_referrers",
}

// A target is what a path names.
type target struct {
	kind kind
	name string // repository, unchecked
	ref  string // what stands behind the kind, unchecked
}

// parsePath takes a path apart from its end, since a repository's name may hold
// any of the words: "library/blobs/tags/list" are the tags of "library/blobs".
// It knows one way to write each path, so that no other reaches a resource.
func parsePath(u *url.URL) target {
	path, ok := strings.CutPrefix(u.Path, "/v2/")
	if !ok || strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		if u.Path == "/v2" {
			return target{kind: root}
		}
		return target{}
	}
	switch path {
	case "":
		return target{kind: root}
	case "_catalog":
		return target{kind: catalog}
	}
	if name, ok := strings.CutSuffix(path, "/tags/list"); ok {
		return target{kind: tags, name: name}
	}
	if name, ok := strings.CutSuffix(path, "/blobs/uploads/"); ok {
		return target{kind: uploads, name: name}
	}
	if name, ok := strings.CutSuffix(path, "/blobs/uploads"); ok {
		return target{kind: uploads, name: name}
	}
	head, ref, ok := cutLast(path)
	if !ok || ref == "" {
		return target{}
	}
	if name, ok := strings.CutSuffix(head, "/blobs/uploads"); ok {
		return target{kind: upload, name: name, ref: ref}
	}
	name, word, ok := cutLast(head)
	if !ok {
		return target{}
	}
	switch word {
	case "manifests":
		return target{kind: manifests, name: name, ref: ref}
	case "blobs":
		return target{kind: blobs, name: name, ref: ref}
	case "referrers":
		return target{kind: referrers, name: name, ref: ref}
	}
	return target{}
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// allowed lists the methods of a kind for an Allow header.
func allowed(methods map[string]route) string {
	return strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
}
