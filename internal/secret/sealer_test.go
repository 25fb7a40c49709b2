package secret

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

func TestSealedOpensOnlyForItsKeyAndContext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		context := rapid.String().Draw(t, "context")
		s, other := NewSealer([32]byte{1}), NewSealer([32]byte{2})
		sealed := s.Seal(plain, context)
		if got, err := s.Open(sealed, context); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("what was sealed opens as %x, %v", got, err)
		}
		if bytes.Equal(sealed, s.Seal(plain, context)) {
			t.Fatal("sealing twice gives the same")
		}
		if len(plain) >= 4 && bytes.Contains(sealed, plain) {
			t.Fatal("the plain text is in the sealed one")
		}
		spoiled := bytes.Clone(sealed)
		spoiled[rapid.IntRange(0, len(sealed)-1).Draw(t, "at")] ^= byte(1 + rapid.IntRange(0, 254).Draw(t, "by"))
		cut := sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")]
		for name, try := range map[string]func() ([]byte, error){
			"another key":     func() ([]byte, error) { return other.Open(sealed, context) },
			"another context": func() ([]byte, error) { return s.Open(sealed, context+"x") },
			"a changed byte":  func() ([]byte, error) { return s.Open(spoiled, context) },
			"a cut end":       func() ([]byte, error) { return s.Open(cut, context) },
			"an added byte":   func() ([]byte, error) { return s.Open(append(bytes.Clone(sealed), 0), context) },
		} {
			if _, err := try(); !errors.Is(err, ErrSealed) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	})
}

func TestSealerDoesNotPrintItsKey(t *testing.T) {
	key := [32]byte(bytes.Repeat([]byte{0xAB}, 32))
	s := NewSealer(key)
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
		out := []byte(fmt.Sprintf(verb+" "+verb, s, *s))
		if bytes.Contains(out, []byte("171 171")) || bytes.Contains(out, []byte("abab")) || bytes.Contains(out, []byte("0xab, 0xab")) {
			t.Errorf("%s prints the key: %s", verb, out)
		}
	}
}
