package osv

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// Root returns the ecosystem without the release: "Debian" of "Debian:12". It names
// the folder that has its records.
func Root(ecosystem string) string {
	root, _, _ := strings.Cut(ecosystem, ":")
	return root
}

// Key returns the ecosystem by which packages and records are brought together. It
// is the ecosystem itself but for Red Hat, which names its repositories too.
func Key(ecosystem string) string {
	if Root(ecosystem) == "Red Hat" {
		ecosystem, _, _ = strings.Cut(ecosystem, "::")
	}
	return ecosystem
}

// Name returns the name of a package as it is compared.
func Name(ecosystem, name string) string {
	switch Root(ecosystem) {
	case "PyPI":
		return python(name)
	case "NuGet", "Packagist":
		return strings.ToLower(name)
	}
	return name
}

// python returns a name in the normal form of PEP 503.
func python(name string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(name) {
		if c == '-' || c == '_' || c == '.' {
			dash = true
			continue
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(c)
	}
	if dash {
		b.WriteByte('-')
	}
	return b.String()
}

// A Version is one of a package that is installed.
type Version struct {
	text   string
	parsed semantic.Version // nil: it has no place in an order
}

// NewVersion returns a version as an ecosystem orders them. One that cannot be
// read is only affected where a record lists it.
func NewVersion(ecosystem, text string) Version {
	if Root(ecosystem) == "Go" {
		text = strings.TrimPrefix(strings.TrimPrefix(text, "go"), "v")
	}
	parsed, err := parse(ecosystem, text)
	if err != nil {
		parsed = nil
	}
	return Version{text, parsed}
}

// errVersion is of a version that has no place in an order.
var errVersion = errors.New("the version cannot be compared")

// parse also says no where the library falls over: what it reads is a stranger's.
func parse(ecosystem, text string) (v semantic.Version, err error) {
	defer func() {
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("%w: %v", errVersion, p)
		}
	}()
	if text == "" || len(text) > maxVersion {
		return nil, errVersion
	}
	return semantic.Parse(text, ecosystem)
}

// against returns how v stands to another version of its ecosystem.
func (v Version) against(other Version) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("%w: %v", errVersion, p)
		}
	}()
	if v.parsed == nil || other.parsed == nil {
		return 0, errVersion
	}
	return v.parsed.Compare(other.parsed)
}
