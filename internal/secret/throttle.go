package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrLocked is returned for a name that had a wrong password a moment ago. Its
// detail has the seconds to wait: {"retry_after": 2}.
var ErrLocked = fault.New(fault.TooMany, "TOO_MANY_REQUEST", "too many failed sign-ins")

const (
	firstLock = 1500 * time.Millisecond
	longest   = time.Minute
	forgetIn  = 15 * time.Minute
	maxKnown  = 10_000
)

// A Throttle slows down the guessing of passwords. After a wrong one its name is
// refused for 1.5 s, whatever the password then, and to the network that the
// wrong one came from for twice as long with each further one, up to a minute. A
// right one from there, or a quarter of an hour without a wrong one, ends that.
// So nobody locks others out for long, and many together have one guess in 1.5 s.
//
// The same wrong password again is no further guess: a client with an outdated
// one locks its name out once and not for good. Names that do not exist are
// treated like others. It remembers at most 10,000 failures and forgets first
// the one that is free the soonest. Each process counts for itself. Safe for
// concurrent use.
type Throttle struct {
	key [32]byte

	mu    sync.Mutex
	known map[place]failures
}

// A place is where a name failed.
type place struct {
	name [32]byte // digest
	from string   // network
	all  bool     // anywhere; from is empty
}

type failures struct {
	n     int
	until time.Time
	last  [32]byte // keyed digest of the last wrong password
}

// NewThrottle returns a throttle that knows of no failure.
func NewThrottle() *Throttle {
	t := &Throttle{known: map[place]failures{}}
	_, _ = rand.Read(t.key[:]) // never fails
	return t
}

// Try asks verify whether what was given for a name is right, unless the name is
// locked for the client's address, which may be empty: then it returns ErrLocked
// without asking. It returns ErrLocked also where somebody else failed for the
// same name while verify ran, so that many guesses at once are one guess. An
// error of verify counts as no attempt.
func (t *Throttle) Try(name, address string, given Text, verify func() (bool, error)) (bool, error) {
	everywhere := place{name: sha256.Sum256([]byte(name)), all: true}
	here := place{name: everywhere.name, from: network(address)}
	if err := t.locked(here, everywhere); err != nil {
		return false, err
	}
	ok, err := verify()
	if err != nil {
		return false, err
	}
	if err := t.locked(here, everywhere); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok {
		delete(t.known, here)
		return true, nil
	}
	digest := keyed(&t.key, name, given.Reveal())
	t.failed(here, digest, longest)
	t.failed(everywhere, digest, firstLock)
	return false, nil
}

// network returns what a client can be thought to have to itself: its address
// or, of IPv6, all of the 64 bits that it may choose.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// locked returns ErrLocked while one of the places is.
func (t *Throttle) locked(places ...place) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wait time.Duration
	for _, p := range places {
		wait = max(wait, time.Until(t.known[p].until))
	}
	if wait <= 0 {
		return nil
	}
	seconds := int(math.Ceil(wait.Seconds()))
	return ErrLocked.With("try again in %d s", seconds).Detailed(map[string]int{"retry_after": seconds})
}

// failed counts a wrong password at a place and locks it, for at most so long.
func (t *Throttle) failed(p place, given [32]byte, most time.Duration) {
	now := time.Now()
	f, seen := t.known[p]
	if seen && now.After(f.until.Add(forgetIn)) {
		f = failures{}
	}
	if f.n > 0 && f.last == given {
		return
	}
	if !seen {
		t.makeRoom(now)
	}
	lock := min(firstLock<<min(f.n, 10), most)
	t.known[p] = failures{n: f.n + 1, until: now.Add(lock), last: given}
}

// makeRoom forgets what is over, or else the one that is over the soonest.
func (t *Throttle) makeRoom(now time.Time) {
	if len(t.known) < maxKnown {
		return
	}
	var soonest place
	var end time.Time
	for p, f := range t.known {
		if now.After(f.until.Add(forgetIn)) {
			delete(t.known, p)
		} else if end.IsZero() || f.until.Before(end) {
			soonest, end = p, f.until
		}
	}
	if len(t.known) >= maxKnown {
		delete(t.known, soonest)
	}
}
