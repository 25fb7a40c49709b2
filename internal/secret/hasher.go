package secret

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
)

// What new hashes are made with: the least that OWASP names for argon2id. Each
// hash names its own, so that these may change and older hashes still verify.
var current = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// What a stored hash may ask for at most, so that no row of the database decides
// about the memory of the process.
const (
	maxMemory     = 128 << 10 // KiB
	maxIterations = 16
	maxKey        = 128 // bytes
)

const (
	remembered    = time.Minute
	maxRemembered = 10_000
)

// A Hasher makes and checks the hashes of passwords, argon2id in the PHC form.
// It computes only so many at a time: each takes 19 MiB and some 20 ms of a
// core, and the others wait for their turn or the end of their context.
//
// A success is remembered for a minute, since clients send their password on
// each request; a repetition costs microseconds. What is remembered is a keyed
// digest of hash and password together, so that a changed hash is a new
// question. Failures are never remembered. Safe for concurrent use.
type Hasher struct {
	slots    chan struct{}
	computed atomic.Int64
	key      [32]byte
	dummy    string

	mu   sync.Mutex
	good map[[32]byte]time.Time // until when
}

// NewHasher returns a hasher that computes at most so many hashes at a time; 0
// means one.
func NewHasher(parallel int) *Hasher {
	h := &Hasher{slots: make(chan struct{}, max(parallel, 1)), good: map[[32]byte]time.Time{}}
	_, _ = rand.Read(h.key[:]) // never fails
	h.dummy = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		argon2.Version, current.Memory, current.Iterations, current.Parallelism)
	return h
}

// Hash returns a new hash, another one each time. It does not judge the text;
// that is CheckStrength's.
func (h *Hasher) Hash(ctx context.Context, t Text) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	h.computed.Add(1)
	return argon2id.CreateHash(t.Reveal(), &current)
}

// Verify reports whether given is what hash was made from. An empty hash never
// verifies and costs as much as another: it is for names that do not exist and
// for accounts without a password. A widely known default never verifies
// either. A hash that cannot be read is an error.
func (h *Hasher) Verify(ctx context.Context, hash string, given Text) (bool, error) {
	question := h.digest(hash, given)
	if h.knows(question) {
		return true, nil
	}
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer h.release()
	if h.knows(question) { // another asked the same while this one waited
		return true, nil
	}
	ok, err := h.compute(hash, given)
	if ok {
		h.remember(question)
	}
	return ok, err
}

// Computed returns how many hashes were computed since the start, by which
// two questions can be shown to cost the same.
func (h *Hasher) Computed() int64 { return h.computed.Load() }

func (h *Hasher) compute(hash string, given Text) (bool, error) {
	real := hash != ""
	if !real {
		hash = h.dummy
	}
	p, salt, want, err := argon2id.DecodeHash(hash)
	if err != nil {
		return false, fmt.Errorf("reading a password's hash: %w", err)
	}
	if p.Memory > maxMemory || p.Iterations < 1 || p.Iterations > maxIterations || p.Parallelism < 1 ||
		len(want) < 16 || len(want) > maxKey {
		return false, errors.New("reading a password's hash: its parameters are out of bounds")
	}
	h.computed.Add(1)
	got := argon2.IDKey([]byte(given.Reveal()), salt, p.Iterations, p.Memory, p.Parallelism, p.KeyLength)
	same := subtle.ConstantTimeCompare(got, want) == 1
	return same && real && !known(given.Reveal()), nil
}

func (h *Hasher) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hasher) release() { <-h.slots }

func (h *Hasher) digest(hash string, given Text) [32]byte { return keyed(&h.key, hash, given.Reveal()) }

func (h *Hasher) knows(question [32]byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.good[question]
	return ok && time.Now().Before(until)
}

func (h *Hasher) remember(question [32]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.good) >= maxRemembered {
		clear(h.good)
	}
	h.good[question] = time.Now().Add(remembered)
}

// keyed returns the HMAC of two texts, which are kept apart by the length of
// the first.
func keyed(key *[32]byte, first, second string) (sum [32]byte) {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(first))))
	mac.Write([]byte(first))
	mac.Write([]byte(second))
	mac.Sum(sum[:0])
	return sum
}
