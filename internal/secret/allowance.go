package secret

import (
	"math"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/fault"
)

// ErrOften is returned to a network that did something too often. Its detail is
// that of ErrLocked.
var ErrOften = fault.New(fault.TooMany, "TOO_MANY_REQUEST", "too many requests of this kind from your network")

// An Allowance bounds how often each network does what needs no password, and
// could be used to try names: most times at once, and then once an interval. It
// remembers at most 10,000 networks and forgets first the one that is free the
// soonest. Each process counts for itself. The zero Allowance is ready. Safe for
// concurrent use.
type Allowance struct {
	mu   sync.Mutex
	paid map[string]time.Time // when what a network did will all be forgotten
}

// Take counts one time for the network of a client's address, or returns
// ErrOften.
func (a *Allowance) Take(address string, most int, interval time.Duration) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, from := time.Now(), network(address)
	paid, known := a.paid[from]
	if paid.Before(now) {
		paid = now
	}
	if wait := paid.Sub(now) - time.Duration(most-1)*interval; wait > 0 {
		seconds := int(math.Ceil(wait.Seconds()))
		return ErrOften.With("try again in %d s", seconds).Detailed(map[string]int{"retry_after": seconds})
	}
	if !known {
		a.makeRoom(now)
	}
	a.paid[from] = paid.Add(interval)
	return nil
}

// makeRoom forgets what is over, or else the network that is free the soonest.
func (a *Allowance) makeRoom(now time.Time) {
	if a.paid == nil {
		a.paid = map[string]time.Time{}
	}
	if len(a.paid) < maxKnown {
		return
	}
	var soonest string
	var end time.Time
	for from, paid := range a.paid {
		if paid.Before(now) {
			delete(a.paid, from)
		} else if end.IsZero() || paid.Before(end) {
			soonest, end = from, paid
		}
	}
	if len(a.paid) >= maxKnown {
		delete(a.paid, soonest)
	}
}
