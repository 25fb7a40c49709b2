package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// ErrSealed is returned for what this key did not seal, or sealed for another
// context, or what was changed since.
var ErrSealed = errors.New("secret: sealed with another key or for another purpose, or damaged")

const sealVersion = 1

// A Sealer protects secrets that must be read again, such as private keys, in
// the database. It is AES-256-GCM with a random nonce; the first byte tells the
// version of the form. One key is good for 2³² seals. Safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns the sealer of a key.
func NewSealer(key [32]byte) *Sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for another block size
	}
	return &Sealer{aead}
}

// Seal returns plain, unreadable and bound to the context: a text that says
// what it is and whose, such as "signing_key/<kid>". What is sealed in one
// place cannot be opened in another.
func (s *Sealer) Seal(plain []byte, context string) []byte {
	return s.aead.Seal([]byte{sealVersion}, nil, plain, additional(context))
}

// Open returns what was sealed for the context, or ErrSealed.
func (s *Sealer) Open(sealed []byte, context string) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	plain, err := s.aead.Open(nil, nil, sealed[1:], additional(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func additional(context string) []byte { return append([]byte{sealVersion}, context...) }
