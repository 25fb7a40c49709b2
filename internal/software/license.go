package software

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// npmLicenses returns what a package.json says: a text, or, in old ones, an
// object or a list of objects.
func npmLicenses(content []byte) (names []string) {
	var doc struct{ License, Licenses json.RawMessage }
	if json.Unmarshal(content, &doc) != nil {
		return nil
	}
	for _, raw := range []json.RawMessage{doc.License, doc.Licenses} {
		var text string
		var one struct{ Type string }
		var many []struct{ Type string }
		switch {
		case json.Unmarshal(raw, &text) == nil:
			names = append(names, text)
		case json.Unmarshal(raw, &one) == nil:
			names = append(names, one.Type)
		case json.Unmarshal(raw, &many) == nil:
			for _, l := range many {
				names = append(names, l.Type)
			}
		}
	}
	return names
}

// pythonLicenses returns what the head of a METADATA or PKG-INFO says.
func pythonLicenses(content []byte) (names []string) {
	var expression, license string
	for line := range bytes.Lines(content) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := strings.Cut(string(line[:min(len(line), maxLicense)]), ": ")
		switch name {
		case "License-Expression":
			expression = value
		case "License":
			license = value
		}
	}
	if expression != "" {
		return []string{expression}
	}
	return []string{license}
}

var pypiSeparators = regexp.MustCompile(`[-_.]+`)

// pypiName returns the one spelling that a name has in Python's index, by PEP 503.
func pypiName(name string) string {
	return strings.ToLower(pypiSeparators.ReplaceAllString(name, "-"))
}
