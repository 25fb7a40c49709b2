package secret

import (
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrWeak is returned for a password that is too easy to guess, or too long.
var ErrWeak = fault.New(fault.Invalid, "BAD_REQUEST",
	"a password or secret has 8 to 128 characters, among them an upper case letter, a lower case letter and a digit")

const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	digits = "0123456789"
)

// wellKnown holds, in lower case, the passwords that products were shipped with
// and that guides tell their readers to type. They are as good as none.
var wellKnown = map[string]bool{
	"harbor12345": true, "berth12345": true, "admin123": true, "admin1234": true, "admin12345": true,
	"password1": true, "password123": true, "passw0rd": true, "changeme1": true, "changeme123": true,
}

// CheckStrength returns ErrWeak for a text that may not become a password or a
// secret.
func CheckStrength(t Text) error {
	s := t.Reveal()
	if n := utf8.RuneCountInString(s); n < 8 || n > 128 || !mixed(s) {
		return ErrWeak
	}
	if known(s) {
		return ErrWeak.Saying("this password is a widely known default")
	}
	return nil
}

// Random returns n letters and digits, at least one of each of upper case,
// lower case and digits. It is for n of at least 8; n = 32 makes 190 bits.
func Random(n int) string {
	const alphabet = upper + lower + digits
	if n < 8 {
		panic("secret: a random text of less than 8 characters")
	}
	for {
		if s := draw(n, alphabet); mixed(s) {
			return s
		}
	}
}

// draw picks n bytes of the alphabet, each equally likely.
func draw(n int, alphabet string) string {
	fair := 256 - 256%len(alphabet) // what lies above would prefer the first letters
	out := make([]byte, 0, n)
	buf := make([]byte, 2*n)
	for {
		_, _ = rand.Read(buf) // never fails
		for _, b := range buf {
			if len(out) == n {
				return string(out)
			}
			if int(b) < fair {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
}

func mixed(s string) bool {
	return strings.ContainsAny(s, upper) && strings.ContainsAny(s, lower) && strings.ContainsAny(s, digits)
}

func known(s string) bool { return wellKnown[strings.ToLower(s)] }
