package oci

import (
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrNameInvalid and ErrTagInvalid are returned for what the grammar of the
// distribution specification does not allow.
var (
	ErrNameInvalid = fault.New(fault.Invalid, "NAME_INVALID", "invalid repository name")
	ErrTagInvalid  = fault.New(fault.Invalid, "TAG_INVALID", "invalid tag")
)

// Limits of names, in bytes. Clients count the registry's host name into the
// first, so that names near it cannot be pulled by all of them.
const (
	maxRepository = 255
	maxTag        = 128
)

// CheckRepository returns ErrNameInvalid for what is not the full name of a
// repository: at least two components, at most 255 bytes. What it lets pass is
// safe in paths and URLs: it has no dot segments, empty segments, escapes or
// upper-case letters.
func CheckRepository(name string) error {
	if len(name) > maxRepository {
		return ErrNameInvalid.With("%s... is longer than %d bytes", quote(name[:32]), maxRepository)
	}
	components := 0
	for rest, more := name, true; more; components++ {
		var c string
		c, rest, more = strings.Cut(rest, "/")
		if !component(c) {
			return ErrNameInvalid.With("%s: each part between slashes is lower-case letters and digits, "+
				"separated by one dot, one or two underscores, or dashes", quote(name))
		}
	}
	if components < 2 {
		return ErrNameInvalid.With("%s: a repository is named PROJECT/NAME", quote(name))
	}
	return nil
}

// SplitRepository cuts a repository's full name behind its first component,
// which is the project's name.
func SplitRepository(name string) (project, rest string) {
	project, rest, _ = strings.Cut(name, "/")
	return project, rest
}

// component reports whether s is [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func component(s string) bool {
	i := alphanumerics(s, 0)
	if i == 0 {
		return false
	}
	for i < len(s) {
		word := separator(s, i)
		end := alphanumerics(s, word)
		if word == i || end == word {
			return false
		}
		i = end
	}
	return true
}

// alphanumerics returns where the lower-case letters and digits from i on end.
func alphanumerics(s string, i int) int {
	for i < len(s) && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return i
}

// separator returns where the longest separator that begins at i ends.
func separator(s string, i int) int {
	switch s[i] {
	case '.':
		return i + 1
	case '_':
		if strings.HasPrefix(s[i+1:], "_") {
			return i + 2
		}
		return i + 1
	case '-':
		for i < len(s) && s[i] == '-' {
			i++
		}
	}
	return i
}

// CheckTag returns ErrTagInvalid for what is not
// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
func CheckTag(s string) error {
	if s == "" {
		return ErrTagInvalid.With("it is empty")
	}
	if len(s) > maxTag {
		return ErrTagInvalid.With("%s... is longer than %d bytes", quote(s[:32]), maxTag)
	}
	for i := range len(s) {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !word && (i == 0 || c != '.' && c != '-') {
			return ErrTagInvalid.With("%s: a tag is letters, digits, underscores, dots and dashes, "+
				"and begins with none of the last two", quote(s))
		}
	}
	return nil
}

// A Reference names a manifest within a repository. Exactly one of its fields
// is set, unless it is said that a tag may come with the digest that it means.
type Reference struct {
	Tag    string
	Digest Digest
}

// ParseReference returns the reference that s is: a digest where it has a colon,
// which no tag has, and a tag otherwise. It returns ErrDigestInvalid or
// ErrTagInvalid.
func ParseReference(s string) (Reference, error) {
	if strings.Contains(s, ":") {
		d, err := ParseDigest(s)
		return Reference{Digest: d}, err
	}
	if err := CheckTag(s); err != nil {
		return Reference{}, err
	}
	return Reference{Tag: s}, nil
}

// String returns the reference as it was parsed.
func (r Reference) String() string {
	if r.Digest != "" {
		return string(r.Digest)
	}
	return r.Tag
}

// quote returns the beginning of what a client sent, fit for a message.
func quote(s string) string {
	const most = 300
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
