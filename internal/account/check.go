package account

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// emailPattern is an address with a domain that has a dot. It refuses quoted and
// exotic local parts, which nobody has.
var emailPattern = regexp.MustCompile(`^[^\s@<>()\[\]\\,;:"]+@([a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}$`)

const maxText = 255 // characters of a name, an address or a real name

// checkName refuses what no user may be called. A name must not look like a
// robot's ("$"), must pass through basic authentication (":"), and must not be
// what the log calls nobody.
func checkName(name string) error {
	switch {
	case name == "" || utf8.RuneCountInString(name) > maxText:
		return ErrInvalid.With("a user name has 1 to %d characters", maxText)
	case strings.ContainsAny(name, `,"~#%$:`) || !printable(name):
		return ErrInvalid.With(`a user name has none of , " ~ # %% $ : and no control characters`)
	case strings.TrimSpace(name) != name:
		return ErrInvalid.With("a user name neither begins nor ends with a space")
	case strings.EqualFold(name, "anonymous"):
		return ErrInvalid.With("this user name is reserved")
	}
	return nil
}

func checkProfile(p Profile) error {
	switch {
	case utf8.RuneCountInString(p.Email) > maxText || !printable(p.Email) || !emailPattern.MatchString(p.Email):
		return ErrInvalid.With("this is not an e-mail address")
	case p.RealName == "" || utf8.RuneCountInString(p.RealName) > maxText || !printable(p.RealName):
		return ErrInvalid.With("a real name has 1 to %d characters", maxText)
	case utf8.RuneCountInString(p.Comment) > 30 || !printable(p.Comment):
		return ErrInvalid.With("a comment has at most 30 characters")
	}
	return nil
}

// printable reports whether s is text that every database takes: valid UTF-8
// without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
