package db

import (
	"strconv"
	"strings"
)

// rebind returns the text with $1, $2, … for each ? that is a placeholder, and
// leaves alone what is in quotes or in a comment.
func rebind(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 16)
	n := 0
	for text != "" {
		skip := opaque(text)
		switch {
		case skip > 0:
			b.WriteString(text[:skip])
		case text[0] == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			skip = 1
		default:
			b.WriteByte(text[0])
			skip = 1
		}
		text = text[skip:]
	}
	return b.String()
}

// opaque returns the length of the string, quoted name or comment that the text
// begins with, or 0. A doubled quote reads as two strings, which is as good.
func opaque(text string) int {
	for _, o := range []struct{ from, to string }{{"'", "'"}, {`"`, `"`}, {"--", "\n"}, {"/*", "*/"}} {
		rest, ok := strings.CutPrefix(text, o.from)
		if !ok {
			continue
		}
		if end := strings.Index(rest, o.to); end >= 0 {
			return len(o.from) + end + len(o.to)
		}
		return len(text)
	}
	return 0
}
