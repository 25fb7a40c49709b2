package vex

import (
	"net/url"
	"strings"
)

// A purl is a package URL as far as it is compared.
type purl struct {
	kind    string
	name    string // with its namespace
	version string // empty: all
	where   string // of an image: its repository_url
}

// parsePURL reads "pkg:golang/github.com/docker/cli@v23.0.1+incompatible?arch=x#y".
func parsePURL(text string) (p purl, ok bool) {
	rest, ok := strings.CutPrefix(text, "pkg:")
	if !ok {
		return p, false
	}
	rest, _, _ = strings.Cut(strings.TrimLeft(rest, "/"), "#")
	rest, query, _ := strings.Cut(rest, "?")
	kind, name, ok := strings.Cut(rest, "/")
	if !ok || kind == "" || name == "" {
		return p, false
	}
	if at := strings.LastIndexByte(name, '@'); at > 0 { // npm's scopes begin with one that is not escaped as often as not
		p.version, ok = unescape(name[at+1:])
		name = name[:at]
	}
	var named bool
	p.name, named = unescape(strings.Trim(name, "/"))
	p.kind = strings.ToLower(kind)
	qualifiers, err := url.ParseQuery(query)
	p.where = qualifiers.Get("repository_url")
	if p.kind == "golang" {
		p.version = strings.TrimPrefix(p.version, "v")
	}
	return p, ok && named && err == nil && p.name != ""
}

func unescape(text string) (string, bool) {
	plain, err := url.PathUnescape(text)
	return plain, err == nil
}

// covers reports whether p, in which no version stands for all, is about q.
func (p purl) covers(q purl) bool {
	return p.kind == q.kind && p.same(q.name) && (p.version == "" || p.version == q.version)
}

// same reports whether a name is that of p. Types of which the case does not matter
// have lower case in package URLs, though not always.
func (p purl) same(name string) bool {
	switch p.kind {
	case "pypi", "oci", "golang", "github", "composer", "nuget":
		fold := strings.NewReplacer("_", "-", ".", "-")
		if p.kind != "pypi" {
			return strings.EqualFold(p.name, name)
		}
		return strings.EqualFold(fold.Replace(p.name), fold.Replace(name))
	}
	return p.name == name
}

// names reports whether p is about a package of which only name and version are
// known, as a scanner tells them.
func (p purl) names(name, version string) bool {
	last := p.name[strings.LastIndexByte(p.name, '/')+1:]
	group := strings.TrimSuffix(p.name, "/"+last)
	var is bool
	switch p.kind {
	case "maven":
		is = name == group+":"+last
	case "deb", "rpm", "apk":
		is = name == last // the namespace is the distribution
	default:
		is = p.same(name)
	}
	return is && (p.version == "" || p.version == strings.TrimPrefix(version, "v") || p.version == version)
}
