package oci

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var (
	hex64  = strings.Repeat("0123456789abcdef", 4)
	hex128 = hex64 + hex64
)

func TestParseDigest(t *testing.T) {
	for _, good := range []string{"sha256:" + hex64, "sha512:" + hex128} {
		d, err := ParseDigest(good)
		if err != nil || string(d) != good {
			t.Errorf("ParseDigest(%q) = %q, %v", good, d, err)
		}
		if got := string(d.Algorithm()) + ":" + d.Hex(); got != good {
			t.Errorf("%q falls apart into %q", good, got)
		}
	}
	bad := map[string]string{
		"empty":             "",
		"no colon":          "sha256" + hex64,
		"no algorithm":      ":" + hex64,
		"upper digits":      "sha256:" + strings.ToUpper(hex64),
		"upper algorithm":   "SHA256:" + hex64,
		"short":             "sha256:" + hex64[1:],
		"long":              "sha256:" + hex64 + "0",
		"lengths exchanged": "sha512:" + hex64,
		"not hex":           "sha256:" + hex64[:63] + "g",
		"not ASCII":         "sha256:" + hex64[:62] + "é",
		"space":             " sha256:" + hex64,
		"newline":           "sha256:" + hex64[:63] + "\n",
		"two colons":        "sha256::" + hex64[1:],
		"path":              "sha256:../../../../../../../../../../../../../../../../../etc/passwd/.",
		"weak algorithm":    "md5:d41d8cd98f00b204e9800998ecf8427e",
		"compound":          "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
		"huge":              strings.Repeat("a", 1<<20),
	}
	for name, s := range bad {
		if d, err := ParseDigest(s); !errors.Is(err, ErrDigestInvalid) || d != "" {
			t.Errorf("%s: got %q, %v", name, d, err)
		} else if len(err.Error()) > 500 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
}

func TestSum(t *testing.T) {
	known := map[Algorithm]Digest{ // of the empty input, FIPS 180-4
		SHA256: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		SHA512: "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
			"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	}
	for a, want := range known {
		if got := Sum(a, nil); got != want {
			t.Errorf("Sum(%s) = %s", a, got)
		}
		if got := NewDigest(a, a.New().Sum(nil)); got != want {
			t.Errorf("NewDigest(%s) = %s", a, got)
		}
		if _, err := ParseDigest(string(want)); err != nil {
			t.Error(err)
		}
	}
}

func TestNewDigestPanicsForWrongSums(t *testing.T) {
	for name, make := range map[string]func(){
		"length":    func() { NewDigest(SHA512, make([]byte, 32)) },
		"algorithm": func() { NewDigest("md5", nil) },
		"sum":       func() { Sum("md5", nil) },
		"hash":      func() { Algorithm("md5").New() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: did not panic", name)
				}
			}()
			make()
		}()
	}
}

func TestDigestIsCheckedWhereItIsDecoded(t *testing.T) {
	var d Descriptor
	err := json.Unmarshal([]byte(`{"digest": "sha256:../../etc/passwd"}`), &d)
	if !errors.Is(err, ErrDigestInvalid) || d.Digest != "" {
		t.Errorf("got %q, %v", d.Digest, err)
	}
	if err := json.Unmarshal([]byte(`{"digest": "sha256:`+hex64+`"}`), &d); err != nil {
		t.Error(err)
	}
	if text, err := json.Marshal(d); err != nil || !strings.Contains(string(text), `"sha256:`+hex64+`"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
