// Package secret keeps what must not be seen: a Text never prints itself, a
// Sealer protects what is kept at rest, a Hasher keeps passwords as something
// that only confirms them, and a Throttle and an Allowance slow down those who
// guess. Whose secret it is, and what it opens, is for others.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const hidden = "[secret]"

// A Text is a password, a token or the like. Whatever prints it, of fmt, slog
// or an encoder, prints "[secret]", also where it is an unexported field of
// something else. The zero Text is the empty one. It does not compare with ==;
// use Equal.
type Text struct {
	_ [0]func() // not comparable
	p *string   // fmt shows what a field of a printed struct points to as an address
}

// New returns s as a text that does not print itself.
func New(s string) Text { return Text{p: &s} }

// Reveal returns the text itself. What is done with it then is in the open:
// keep the call next to its use.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Equal compares in a time that does not depend on where, or in what length,
// the texts differ.
func (t Text) Equal(u Text) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(u.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format writes "[secret]" for each verb and flag of fmt.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// String returns "[secret]".
func (t Text) String() string { return hidden }

// GoString returns "[secret]".
func (t Text) GoString() string { return hidden }

// LogValue returns "[secret]" to slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns "[secret]". It serves the encoders of XML, YAML and the
// like as well.
func (t Text) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "[secret]" as a JSON string.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
