package oci

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrDigestInvalid is returned for what is not a digest, or is one of an
// algorithm that is not supported.
var ErrDigestInvalid = fault.New(fault.Invalid, "DIGEST_INVALID", "invalid digest")

// An Algorithm is a registered digest algorithm of the image specification.
type Algorithm string

// The algorithms that content may be named by. SHA256 is the one for content
// that arrives without a digest.
const (
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
)

// Valid reports whether a is supported.
func (a Algorithm) Valid() bool { return a == SHA256 || a == SHA512 }

// New returns a hash whose state can be marshalled. It panics for an algorithm
// that is not Valid.
func (a Algorithm) New() hash.Hash {
	switch a {
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	}
	panic("oci: no such digest algorithm: " + string(a))
}

// hexLen is the length of a digest's hexadecimal part, or 0.
func (a Algorithm) hexLen() int {
	switch a {
	case SHA256:
		return 2 * sha256.Size
	case SHA512:
		return 2 * sha512.Size
	}
	return 0
}

// A Digest names content by its hash: "sha256:" and 64 lower-case hexadecimal
// digits, or "sha512:" and 128. It is safe in paths and URLs. The empty Digest
// is none; all others come from ParseDigest, Sum, NewDigest or a store that kept
// one of theirs.
type Digest string

// ParseDigest returns the digest that s is, or ErrDigestInvalid. There is one
// spelling of a digest: upper-case digits are refused.
func ParseDigest(s string) (Digest, error) {
	if wrong := wrongDigest(s); wrong != "" {
		return "", ErrDigestInvalid.With("%s", wrong)
	}
	return Digest(s), nil
}

// Sum returns the digest of b by the algorithm, which must be Valid.
func Sum(a Algorithm, b []byte) Digest {
	switch a {
	case SHA256:
		sum := sha256.Sum256(b)
		return NewDigest(a, sum[:])
	case SHA512:
		sum := sha512.Sum512(b)
		return NewDigest(a, sum[:])
	}
	panic("oci: no such digest algorithm: " + string(a))
}

// NewDigest returns the digest of a sum that a hash of the algorithm computed.
// It panics where the length is not the algorithm's.
func NewDigest(a Algorithm, sum []byte) Digest {
	if len(sum) == 0 || hex.EncodedLen(len(sum)) != a.hexLen() {
		panic("oci: not a sum of " + string(a))
	}
	b := make([]byte, 0, len(a)+1+a.hexLen())
	b = append(b, a...)
	b = append(b, ':')
	return Digest(hex.AppendEncode(b, sum))
}

// Algorithm returns what stands before the colon.
func (d Digest) Algorithm() Algorithm {
	a, _, _ := strings.Cut(string(d), ":")
	return Algorithm(a)
}

// Hex returns the hexadecimal digits behind the colon.
func (d Digest) Hex() string {
	_, h, _ := strings.Cut(string(d), ":")
	return h
}

// UnmarshalText keeps what is no digest out of decoded documents. It returns
// ErrDigestInvalid.
func (d *Digest) UnmarshalText(text []byte) error {
	parsed, err := ParseDigest(string(text))
	if err == nil {
		*d = parsed
	}
	return err
}

// wrongDigest says what keeps s from being a digest, or nothing.
func wrongDigest(s string) string {
	name, digits, ok := strings.Cut(s, ":")
	if !ok {
		return quote(s) + " is not of the form ALGORITHM:HEX"
	}
	a := Algorithm(name)
	if !a.Valid() {
		return "algorithm " + quote(name) + " is not supported, sha256 and sha512 are"
	}
	if len(digits) != a.hexLen() {
		return quote(s) + " has not the length of a " + name + " digest"
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return quote(s) + " has characters other than 0-9 and a-f behind the colon"
		}
	}
	return ""
}
