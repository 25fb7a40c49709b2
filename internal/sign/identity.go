package sign

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// allows reports whether one of the identities is that of an issuer and a
// subject. A subject with something in it that cannot be seen is nobody's.
func allows(ids []Identity, issuer, subject string) bool {
	if !visible(issuer) || !visible(subject) || subject == "" {
		return false
	}
	for _, id := range ids {
		if (id.Issuer == "" || id.Issuer == issuer) && match(id.Subject, subject) {
			return true
		}
	}
	return false
}

// visible reports whether a text has nothing but characters that can be seen: no
// line ends where another reads on.
func visible(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// match reports whether a text is what a pattern says from its beginning to its
// end. * stands for any text without a slash and ** for any text. Nothing else
// is special, as it is in globs and in regular expressions: dots, question marks
// and brackets are parts of addresses and URLs. It takes time in proportion to the
// product of both lengths.
func match(pattern, text string) bool {
	// reach[i] says whether what was read of the pattern can end before text[i].
	reach := make([]bool, len(text)+1)
	reach[0] = true
	for len(pattern) > 0 {
		literal, star := pattern, 0
		if at := strings.IndexByte(pattern, '*'); at >= 0 {
			literal = pattern[:at]
			star = len(pattern[at:]) - len(strings.TrimLeft(pattern[at:], "*"))
		}
		pattern = pattern[len(literal)+star:]
		next := make([]bool, len(text)+1)
		for i := range reach {
			if reach[i] && strings.HasPrefix(text[i:], literal) {
				next[i+len(literal)] = true
			}
		}
		for i := 1; star > 0 && i <= len(text); i++ {
			next[i] = next[i] || next[i-1] && (star > 1 || text[i-1] != '/')
		}
		reach = next
	}
	return reach[len(text)]
}
