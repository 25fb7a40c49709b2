package secret

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckStrength(t *testing.T) {
	for text, want := range map[string]bool{
		"Abcdefg1": true, "aB3!üöä€": true, strings.Repeat("aB1", 42) + "aB": true,
		strings.Repeat("ü", 125) + "aB1": true, // 128 characters of more bytes
		"":                               false, "Abcdef1": false, "abcdefg1": false, "ABCDEFG1": false, "Abcdefgh": false, "12345678": false,
		strings.Repeat("aB1", 43): false,
		"Harbor12345":             false, "HARBOr12345": false, "Passw0rd": false,
	} {
		if err := CheckStrength(New(text)); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		} else if err != nil && !errors.Is(err, ErrWeak) {
			t.Errorf("%q: %v is not ErrWeak", text, err)
		}
	}
}

func TestRandomIsStrongAndDiffers(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]int{}
	const rounds = 2000
	for range rounds {
		s := Random(32)
		if len(s) != 32 || CheckStrength(New(s)) != nil || seen[s] {
			t.Fatalf("Random gave %q", s)
		}
		seen[s] = true
		for _, r := range s {
			letters[r]++
		}
	}
	if len(letters) != 62 {
		t.Fatalf("%d different characters were drawn, not 62", len(letters))
	}
	for r, n := range letters { // each is expected 1032 times; 300 off is nine standard deviations
		if n < rounds*32/62-300 || n > rounds*32/62+300 {
			t.Errorf("%c was drawn %d times", r, n)
		}
	}
	for range rounds {
		if s := Random(8); !mixed(s) || len(s) != 8 {
			t.Fatalf("Random(8) gave %q", s)
		}
	}
}
