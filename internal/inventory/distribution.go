package inventory

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/software"
)

// maxRelease is how many bytes an os-release may have; real ones have some
// hundreds.
const maxRelease = 64 << 10

// releases are the places of os-release, by os-release(5): the first counts.
var releases = []string{"etc/os-release", "usr/lib/os-release"}

func isRelease(name string) bool { return slices.Contains(releases, name) }

// distribution returns the distribution that the files of an image say it is.
func distribution(files []file) Distribution {
	for _, name := range releases {
		for _, f := range files {
			if f.path == name && f.release != "" {
				return parseRelease(f.release)
			}
		}
	}
	return Distribution{}
}

// parseRelease reads an os-release: shell assignments.
func parseRelease(text string) Distribution {
	v := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			v[name] = printable(unquote(value), maxField)
		}
	}
	d := Distribution{ID: strings.ToLower(v["ID"]), Version: v["VERSION_ID"], Name: v["PRETTY_NAME"]}
	if d.Name == "" {
		d.Name = strings.TrimSpace(v["NAME"] + " " + d.Version)
	}
	if d.ID == "debian" && d.Version == "" {
		d.Version = codenames[v["VERSION_CODENAME"]]
	}
	k, ok := kinds[d.ID]
	if !ok {
		d.Unsupported = "no advisories about packages of " + d.name() + " are known"
		return d
	}
	if d.Ecosystem = k.ecosystem(d.Version, v["VERSION"]); d.Ecosystem == "" {
		d.Unsupported = "no advisories about packages of this release of " + d.name() + " are known"
	}
	return d
}

// maxField is how long a field of an os-release may be.
const maxField = 200

// unquote takes the quotes off a value. Backslashes keep what follows them.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	return escaped.ReplaceAllString(s, "$1")
}

var escaped = regexp.MustCompile(`\\(.)`)

func (d Distribution) name() string {
	if d.Name != "" {
		return d.Name
	}
	return "a distribution that does not say its name"
}

// codenames are of releases of Debian that had no number in their os-release
// before they were finished.
var codenames = map[string]string{"bookworm": "12", "trixie": "13", "forky": "14"}

// A kind of distribution.
type kind struct {
	packages  string                            // their type
	bySource  bool                              // advisories about packages of rpm name the source package
	ecosystem func(version, long string) string // as OSV names it, by VERSION_ID and VERSION; empty: none
}

// kinds are the distributions that advisories are known of, by the ID of their
// os-release. What advisories of Red Hat are about has more behind its name, such
// as "::baseos": it is found by its beginning.
var kinds = map[string]kind{
	"debian":              {packages: "deb", ecosystem: major("Debian:")},
	"ubuntu":              {packages: "deb", ecosystem: ubuntu},
	"alpine":              {packages: "apk", ecosystem: alpine},
	"wolfi":               {packages: "apk", ecosystem: always("Wolfi")},
	"chainguard":          {packages: "apk", ecosystem: always("Chainguard")},
	"almalinux":           {packages: "rpm", ecosystem: major("AlmaLinux:")},
	"rocky":               {packages: "rpm", ecosystem: major("Rocky Linux:")},
	"rhel":                {packages: "rpm", ecosystem: major("Red Hat:enterprise_linux:")},
	"opensuse-leap":       {packages: "rpm", bySource: true, ecosystem: whole("openSUSE:Leap ")},
	"opensuse-tumbleweed": {packages: "rpm", bySource: true, ecosystem: always("openSUSE:Tumbleweed")},
	"sles":                {packages: "rpm", bySource: true, ecosystem: sles},
}

var (
	majorVersion = regexp.MustCompile(`^([0-9]{1,4})(\.[0-9.]+)?$`)
	twoNumbers   = regexp.MustCompile(`^([0-9]{1,4})\.([0-9]{1,4})$`)
	alpineNumber = regexp.MustCompile(`^([0-9]{1,4}\.[0-9]{1,4})(\.[0-9]+)?$`)
)

func always(name string) func(string, string) string {
	return func(string, string) string { return name }
}

func major(prefix string) func(string, string) string {
	return func(version, _ string) string {
		if m := majorVersion.FindStringSubmatch(version); m != nil {
			return prefix + m[1]
		}
		return ""
	}
}

func whole(prefix string) func(string, string) string {
	return func(version, _ string) string {
		if twoNumbers.MatchString(version) {
			return prefix + version
		}
		return ""
	}
}

// ubuntu has releases that are supported for long: in April of even years. Derived
// images say LTS in the long version as well.
func ubuntu(version, long string) string {
	m := twoNumbers.FindStringSubmatch(version)
	if m == nil {
		return ""
	}
	year, err := strconv.Atoi(m[1])
	if strings.Contains(long, "LTS") || err == nil && year%2 == 0 && m[2] == "04" {
		return "Ubuntu:" + version + ":LTS"
	}
	return "Ubuntu:" + version
}

// alpine has a branch for two numbers. What is on its way to one is of none.
func alpine(version, _ string) string {
	if m := alpineNumber.FindStringSubmatch(version); m != nil {
		return "Alpine:v" + m[1]
	}
	return ""
}

// sles has service packs: 15.5 is "15 SP5".
func sles(version, _ string) string {
	switch m := twoNumbers.FindStringSubmatch(version); {
	case m != nil:
		return "SUSE:Linux Enterprise Server " + m[1] + " SP" + m[2]
	case majorVersion.MatchString(version):
		return "SUSE:Linux Enterprise Server " + version
	}
	return ""
}

// judge says what is missing where a distribution brought packages of which no
// advisories are known.
func (d *Distribution) judge(packages []Package) {
	brought := slices.ContainsFunc(packages, func(p Package) bool { return software.Package{Type: p.Type}.OS() })
	known := slices.ContainsFunc(packages, func(p Package) bool { return p.Ecosystem == d.Ecosystem })
	switch {
	case !brought && d.ID == "":
		d.Unsupported = ""
	case brought && d.ID == "" && d.Name == "":
		d.Unsupported = "the image does not say of which distribution its packages are"
	case brought && d.Ecosystem != "" && !known:
		d.Ecosystem, d.Unsupported = "", "the image's packages are not of the kind that "+d.name()+" has"
	}
}

// purl returns the package URL of a package of the distribution: deb, apk and the
// like name it as their namespace and in a qualifier.
func (d Distribution) purl(p software.Package) string {
	version, epoch := p.Version, ""
	if p.Type == "rpm" {
		if number, rest, ok := strings.Cut(version, ":"); ok {
			version, epoch = rest, number
		}
	}
	name := p.Name
	if p.Type == "apk" {
		name = strings.ToLower(name)
	}
	url := "pkg:" + p.Type + "/"
	if d.ID != "" {
		url += software.Escape(d.ID) + "/"
	}
	url += software.Escape(name) + "@" + software.Escape(version)
	mark := "?"
	for _, q := range [][2]string{{"arch", p.Arch}, {"distro", d.distro()}, {"epoch", epoch}} {
		if q[1] != "" {
			url += mark + q[0] + "=" + software.Escape(q[1])
			mark = "&"
		}
	}
	return url
}

// distro is what package URLs call a release.
func (d Distribution) distro() string {
	if d.ID == "" || d.Version == "" {
		return d.ID
	}
	return d.ID + "-" + d.Version
}
