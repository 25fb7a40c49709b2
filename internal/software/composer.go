package software

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// isComposer reports whether a file says what Composer has installed, or is to
// install.
func isComposer(f File) bool {
	return f.Path == "composer.lock" || strings.HasSuffix(f.Path, "/composer.lock") || strings.HasSuffix("/"+f.Path, "/vendor/composer/installed.json")
}

// composer reads such a file, of PHP. The library's way takes a time that grows by
// the square of the packages.
func composer(_ context.Context, _ File, content *io.SectionReader) (found Found, err error) {
	type dependency struct {
		Name, Version string
		License       json.RawMessage // a list, or, in old ones, a text
	}
	b, err := io.ReadAll(content)
	if err != nil {
		return Found{}, err
	}
	var list []dependency // as Composer 1 wrote what is installed
	var doc struct{ Packages []dependency }
	if json.Unmarshal(b, &list) != nil {
		if err := json.Unmarshal(b, &doc); err != nil {
			return Found{}, fmt.Errorf("it is no list of packages: %w", err)
		}
		list = doc.Packages
	}
	for _, d := range list {
		p := Package{
			Type: "composer", Name: d.Name, Version: d.Version, Source: d.Name, SourceVersion: d.Version,
			Ecosystem: ecosystems["composer"], PURL: "pkg:composer/" + escapePath(strings.ToLower(d.Name)) + "@" + Escape(d.Version),
		}
		var one string
		if json.Unmarshal(d.License, &p.Licenses) != nil && json.Unmarshal(d.License, &one) == nil {
			p.Licenses = []string{one}
		}
		found.Packages = append(found.Packages, p)
	}
	return found, nil
}

// escapePath writes the namespace and the name of a package URL.
func escapePath(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = Escape(p)
	}
	return strings.Join(parts, "/")
}
