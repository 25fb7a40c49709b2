// Package helm knows the formats of Helm: the archive of a chart, what
// Chart.yaml says, provenance files, and the entries of a repository's index. It
// promises to take no more memory and time for hostile content than for good.
// Where charts are kept is not its affair.
package helm

import (
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/berth-registry/berth/internal/fault"
)

// Faults of charts.
var (
	ErrInvalid    = fault.New(fault.Invalid, "BAD_REQUEST", "invalid chart")
	ErrTooLarge   = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "the chart is too large")
	ErrProvenance = fault.New(fault.Invalid, "BAD_REQUEST", "invalid provenance file")
)

// Media types of a chart that is an artifact. Its archive was called
// legacyContentType before Helm 3.7.
const (
	ConfigType     = "application/vnd.cncf.helm.config.v1+json"
	ContentType    = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	ProvenanceType = "application/vnd.cncf.helm.chart.provenance.v1.prov"

	legacyContentType = "application/tar+gzip"
)

// IsContent reports whether a layer of a media type is a chart's archive.
func IsContent(mediaType string) bool {
	return mediaType == ContentType || mediaType == legacyContentType
}

// Limits of names and versions, in bytes. Helm allows names of 250; a tag has
// 128.
const (
	maxName    = 250
	maxVersion = 128
)

// CheckName returns ErrInvalid for what cannot be a chart's name: it is the last
// part of a path, to Helm and here.
func CheckName(name string) error {
	switch {
	case name == "":
		return ErrInvalid.With("Chart.yaml has no name")
	case len(name) > maxName:
		return ErrInvalid.With("the name has more than %d bytes", maxName)
	case name == "." || name == ".." || name != path.Base(name) || strings.ContainsAny(name, "\\\x00"):
		return ErrInvalid.With("the name %q is a path", name)
	}
	return nil
}

// CheckVersion returns ErrInvalid for what is no version to Helm: one of
// Semantic Versioning 2.0, where the letter v may lead, and the minor and the
// patch version may be missing.
func CheckVersion(version string) error {
	if version == "" {
		return ErrInvalid.With("Chart.yaml has no version")
	}
	if len(version) > maxVersion {
		return ErrInvalid.With("the version has more than %d bytes", maxVersion)
	}
	if _, err := semver.NewVersion(version); err != nil {
		return ErrInvalid.With("the version %q is none of Semantic Versioning (1.2.3, 1.2.3-rc.1+build.7)", version)
	}
	return nil
}

// Tag returns the tag under which Helm pushes a version: a tag has no plus sign.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "_") }

// File returns the name of the archive of a chart's version. The name may be
// that of a chart in a folder: "team/app".
func File(name, version string) string { return name + "-" + version + ".tgz" }

// An Order is where a version stands among others, by the precedence of Semantic
// Versioning.
type Order struct{ v *semver.Version }

// OrderOf returns the order of a version; what is none stands first.
func OrderOf(version string) Order {
	v, err := semver.StrictNewVersion(version) // which is ten times as fast
	if err != nil {
		v, err = semver.NewVersion(version)
	}
	if err != nil {
		v = semver.New(0, 0, 0, "", "")
	}
	return Order{v}
}

// Compare returns -1, 0 or 1, as o stands before, with or behind the other.
func (o Order) Compare(than Order) int { return o.v.Compare(than.v) }

func tooLarge(what string, limit int64) error {
	return ErrTooLarge.With("%s has more than %d bytes", what, limit)
}
